//! Records of Avro as text, straight from their bytes.

use std::collections::HashMap;
use std::io::Write;
use std::rc::Rc;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, UuidSchema};

use super::super::rows::{MOST, quoted, separate};

/// Schemas nest no deeper; those that contain themselves have no bound at all.
const DEPTH: u32 = 64;

/// What bytes mean: a schema without all that does not matter for that.
#[derive(Debug)]
pub(super) enum Shape {
    Null,
    Boolean,
    Long,
    Float,
    Double,
    /// Bytes or text behind their length.
    Bytes,
    Fixed(usize),
    Enum(Vec<String>),
    Array(Box<Shape>),
    Map(Box<Shape>),
    Union(Vec<Shape>),
    Record(Vec<(String, Shape)>),
    /// One that has a name and may stand at several places, and how deep it is.
    Named(Rc<Shape>, u32),
}

/// The shapes that have names, while a schema is gone through.
#[derive(Default)]
pub(super) struct Shapes {
    named: HashMap<String, (Rc<Shape>, u32)>,
    depth: u32,
}

impl Shapes {
    /// The shape of a schema; `space` is the namespace that it stands in.
    pub(super) fn of(&mut self, schema: &Schema, space: Option<&str>) -> Result<Shape, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(too_deep());
        }
        let shape = match schema {
            Schema::Null => Shape::Null,
            Schema::Boolean => Shape::Boolean,
            Schema::Float => Shape::Float,
            Schema::Double => Shape::Double,
            Schema::Bytes | Schema::String | Schema::BigDecimal => Shape::Bytes,
            Schema::Array(array) => Shape::Array(Box::new(self.of(&array.items, space)?)),
            Schema::Map(map) => Shape::Map(Box::new(self.of(&map.types, space)?)),
            Schema::Union(union) => {
                Shape::Union(union.variants().iter().map(|one| self.of(one, space)).collect::<Result<_, _>>()?)
            }
            Schema::Record(record) => {
                let full = record.name.fullname(space);
                let space = full.rsplit_once('.').map(|(space, _)| space);
                let fields = record.fields.iter();
                let fields = fields.map(|field| Ok((field.name.clone(), self.of(&field.schema, space)?)));
                let fields = fields.collect::<Result<Vec<_>, String>>()?;
                self.name(full, Shape::Record(fields))?
            }
            Schema::Enum(all) => self.name(all.name.fullname(space), Shape::Enum(all.symbols.clone()))?,
            Schema::Fixed(fixed) | Schema::Duration(fixed) => {
                self.name(fixed.name.fullname(space), Shape::Fixed(fixed.size))?
            }
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => Shape::Bytes,
                InnerDecimalSchema::Fixed(fixed) => self.name(fixed.name.fullname(space), Shape::Fixed(fixed.size))?,
            },
            Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                self.name(fixed.name.fullname(space), Shape::Fixed(fixed.size))?
            }
            Schema::Uuid(UuidSchema::Bytes | UuidSchema::String) => Shape::Bytes,
            Schema::Ref { name } => self.known(name, space)?,
            // Numbers of days, of microseconds and the like.
            _ => Shape::Long,
        };
        self.depth -= 1;
        Ok(shape)
    }

    /// One that stands for others by their names may be much deeper than it is written.
    fn name(&mut self, name: String, shape: Shape) -> Result<Shape, String> {
        let depth = shape.depth();
        if depth > DEPTH {
            return Err(too_deep());
        }
        let shape = Rc::new(shape);
        self.named.insert(name, (shape.clone(), depth));
        Ok(Shape::Named(shape, depth))
    }

    /// What is not known yet is being gone through: it contains itself.
    fn known(&self, name: &Name, space: Option<&str>) -> Result<Shape, String> {
        let shape = self.named.get(&name.fullname(space)).or_else(|| self.named.get(&name.fullname(None)));
        shape.cloned().map(|(shape, depth)| Shape::Named(shape, depth)).ok_or_else(|| {
            "its schema contains itself, so that there is no bound to how deep records are: convert it to JSON and scan that"
                .to_owned()
        })
    }
}

impl Shape {
    /// How many shapes stand one in the other.
    fn depth(&self) -> u32 {
        match self {
            Self::Named(_, depth) => *depth,
            Self::Array(inner) | Self::Map(inner) => 1 + inner.depth(),
            Self::Union(shapes) => 1 + shapes.iter().map(Self::depth).max().unwrap_or(0),
            Self::Record(fields) => 1 + fields.iter().map(|(_, shape)| shape.depth()).max().unwrap_or(0),
            _ => 1,
        }
    }

    /// Writes what `bytes` begin with, and leaves what follows it.
    pub(super) fn write(&self, bytes: &mut &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        if out.len() > MOST {
            return Err(format!(
                "a record of it has more than {} MiB as text: convert it to JSON and scan that",
                MOST >> 20
            ));
        }
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Boolean => out.extend_from_slice(if take(bytes, 1)? == [0] { b"false" } else { b"true" }),
            Self::Long => number(long(bytes)?, out),
            Self::Float => number(f32::from_le_bytes(array(bytes)?), out),
            Self::Double => number(f64::from_le_bytes(array(bytes)?), out),
            Self::Bytes => quoted(counted(bytes)?, out),
            Self::Fixed(size) => quoted(take(bytes, *size)?, out),
            Self::Enum(symbols) => quoted(chosen(symbols, bytes)?.as_bytes(), out),
            Self::Union(shapes) => return chosen(shapes, bytes)?.write(bytes, out),
            Self::Named(shape, _) => return shape.write(bytes, out),
            Self::Array(items) => {
                out.push(b'[');
                blocks(bytes, out, |bytes, out| items.write(bytes, out))?;
                out.push(b']');
            }
            Self::Map(values) => {
                out.push(b'{');
                blocks(bytes, out, |bytes, out| field(counted(bytes)?, values, bytes, out))?;
                out.push(b'}');
            }
            Self::Record(fields) => {
                out.push(b'{');
                let mut is_first = true;
                for (name, shape) in fields {
                    separate(&mut is_first, out);
                    field(name.as_bytes(), shape, bytes, out)?;
                }
                out.push(b'}');
            }
        }
        Ok(())
    }
}

fn field(name: &[u8], shape: &Shape, bytes: &mut &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    quoted(name, out);
    out.extend_from_slice(b": ");
    shape.write(bytes, out)
}

fn number(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    // Writing to a vector can't fail.
    let _ = write!(out, "{value}");
}

/// The items of an array or a map, which come in blocks.
fn blocks(
    bytes: &mut &[u8],
    out: &mut Vec<u8>,
    mut item: impl FnMut(&mut &[u8], &mut Vec<u8>) -> Result<(), String>,
) -> Result<(), String> {
    let mut is_first = true;
    loop {
        let count = long(bytes)?;
        if count == 0 {
            return Ok(());
        }
        if count < 0 {
            // Its bytes, for who passes over it.
            long(bytes)?;
        }
        for _ in 0..count.unsigned_abs() {
            separate(&mut is_first, out);
            item(bytes, out)?;
        }
    }
}

/// One of several, by its number.
fn chosen<'a, T>(all: &'a [T], bytes: &mut &[u8]) -> Result<&'a T, String> {
    let number = long(bytes)?;
    usize::try_from(number).ok().and_then(|number| all.get(number)).ok_or_else(damaged)
}

fn counted<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], String> {
    let length = long(bytes)?;
    take(bytes, usize::try_from(length).map_err(|_| damaged())?)
}

fn array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], String> {
    take(bytes, N)?.try_into().map_err(|_| damaged())
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], String> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or_else(damaged)?;
    *bytes = rest;
    Ok(taken)
}

fn long(bytes: &mut &[u8]) -> Result<i64, String> {
    let mut value = 0_u64;
    for shift in (0..70).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Ok(zigzag(value));
        }
    }
    Err(damaged())
}

/// Small numbers of either sign are small ones without.
pub(super) fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

fn too_deep() -> String {
    format!("its schema is nested more than {DEPTH} deep: convert it to JSON and scan that")
}

fn damaged() -> String {
    "a record of it is not as its schema says".to_owned()
}
