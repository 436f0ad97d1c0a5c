//! Avro's object container files: a schema, and records in compressed blocks. <https://avro.apache.org/docs/1.12.0/specification/>
//!
//! The schema is parsed and blocks are decompressed by the `apache_avro` crate. Records are turned into text here, by `datum`: the crate would
//! make a tree of values of each, which takes many times the memory and, of a hostile file, any amount.

use std::io::{self, Read};
use std::str::FromStr;

use apache_avro::{Codec, Schema};

use self::datum::{Shape, Shapes};
use super::rows::{Table, caught};

mod datum;
#[cfg(test)]
mod tests;

/// A block may have so many bytes, compressed or not: both are held at once.
const BLOCK: usize = 32 << 20;
/// The schema and all else that stands before the first block may have so many bytes.
const HEADER: usize = 16 << 20;

/// A file that has been opened.
pub(super) struct Records<R> {
    input: R,
    codec: Codec,
    shape: Shape,
    marker: [u8; 16],
    block: Vec<u8>,
    at: usize,
    /// Records of the block yet to come.
    left: u64,
}

impl<R: Read> Records<R> {
    /// Reads the header.
    pub(super) fn open(mut input: R) -> Result<Self, String> {
        let mut magic = [0; 4];
        exact(&mut input, &mut magic, "its header")?;
        let mut schema = None;
        let mut codec = Codec::Null;
        let mut room = HEADER;
        loop {
            let Some(count) = long(&mut input, "its header")? else {
                return Err("it ends within its header".to_owned());
            };
            if count == 0 {
                break;
            }
            if count < 0 {
                // The bytes of these entries, which nobody has to know.
                long(&mut input, "its header")?;
            }
            for _ in 0..count.unsigned_abs() {
                let name = bytes(&mut input, &mut room)?;
                let value = bytes(&mut input, &mut room)?;
                match &name[..] {
                    b"avro.schema" => schema = Some(value),
                    b"avro.codec" => codec = known_codec(&value)?,
                    _ => {}
                }
            }
        }
        let mut marker = [0; 16];
        exact(&mut input, &mut marker, "its header")?;
        let shape = shape(&schema.ok_or("it has no schema")?)?;
        Ok(Self { input, codec, shape, marker, block: Vec::new(), at: 0, left: 0 })
    }

    /// Reads on to the next block that has records; `false` at the end.
    fn next_block(&mut self) -> Result<bool, String> {
        while self.left == 0 {
            if self.at < self.block.len() {
                return Err("a block of it holds more than its records".to_owned());
            }
            let Some(count) = long(&mut self.input, "a block of it")? else {
                return Ok(false);
            };
            let size = long(&mut self.input, "a block of it")?.ok_or("it ends within a block")?;
            let size = usize::try_from(size).ok().filter(|size| *size <= BLOCK).ok_or_else(too_large)?;
            self.left = u64::try_from(count).map_err(|_| "a block of it says that it has less than no records")?;
            let mut block = Vec::new();
            let read = (&mut self.input).take(size as u64).read_to_end(&mut block);
            if read.map_err(|error| error.to_string())? < size {
                return Err("it ends within a block".to_owned());
            }
            let mut marker = [0; 16];
            exact(&mut self.input, &mut marker, "a block of it")?;
            if marker != self.marker {
                return Err("a block of it does not end where it should".to_owned());
            }
            self.block = decompressed(self.codec, block)?;
            self.at = 0;
        }
        Ok(true)
    }
}

impl<R: Read> Table for Records<R> {
    fn row(&mut self, out: &mut Vec<u8>) -> Result<bool, String> {
        if !self.next_block()? {
            return Ok(false);
        }
        let mut rest = &self.block[self.at..];
        self.shape.write(&mut rest, out)?;
        self.at = self.block.len() - rest.len();
        self.left -= 1;
        Ok(true)
    }
}

fn shape(schema: &[u8]) -> Result<Shape, String> {
    let text = std::str::from_utf8(schema).map_err(|_| "its schema is no text")?;
    let schema =
        caught(|| Schema::parse_str(text).map_err(|error| format!("its schema can't be understood: {error}")))?;
    Shapes::default().of(&schema, None)
}

fn known_codec(name: &[u8]) -> Result<Codec, String> {
    let name = String::from_utf8_lossy(name);
    Codec::from_str(&name).map_err(|_| {
        format!("its blocks are compressed with {name:?}, which is not known here (null, deflate, snappy and zstandard are): convert it and scan that")
    })
}

fn decompressed(codec: Codec, mut block: Vec<u8>) -> Result<Vec<u8>, String> {
    // Set once for all: what is larger is a bomb, or too much for what memory there is.
    apache_avro::util::max_allocation_bytes(BLOCK);
    caught(|| codec.decompress(&mut block).map_err(|error| format!("decompressing a block of it failed: {error}")))?;
    Ok(block)
}

fn too_large() -> String {
    format!("a block of it is larger than {} MiB: convert it to JSON and scan that", BLOCK >> 20)
}

fn exact(input: &mut impl Read, buffer: &mut [u8], what: &str) -> Result<(), String> {
    input.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => format!("it ends within {what}"),
        _ => error.to_string(),
    })
}

/// Bytes behind their number.
fn bytes(input: &mut impl Read, room: &mut usize) -> Result<Vec<u8>, String> {
    let length = long(input, "its header")?.ok_or("it ends within its header")?;
    let length = usize::try_from(length).ok().filter(|length| length <= room);
    let length = length.ok_or_else(|| format!("its header is larger than {} MiB", HEADER >> 20))?;
    // An entry of nothing is not for nothing either.
    *room = room.saturating_sub(length + 1);
    if *room == 0 {
        return Err(format!("its header is larger than {} MiB", HEADER >> 20));
    }
    let mut bytes = vec![0; length];
    exact(input, &mut bytes, "its header")?;
    Ok(bytes)
}

/// A number of any length; `None` where there is nothing more at all.
fn long(input: &mut impl Read, what: &str) -> Result<Option<i64>, String> {
    let mut value = 0_u64;
    for shift in (0..70).step_by(7) {
        let mut byte = [0];
        match input.read(&mut byte) {
            Ok(0) if shift == 0 => return Ok(None),
            Ok(0) => return Err(format!("it ends within {what}")),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err("it was interrupted".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
        value |= u64::from(byte[0] & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte[0] & 0x80 == 0 {
            return Ok(Some(datum::zigzag(value)));
        }
    }
    Err(format!("a number in {what} has no end"))
}
