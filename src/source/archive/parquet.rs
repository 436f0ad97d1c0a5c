//! Apache Parquet: tables, column by column, in pages that are compressed one by one. <https://parquet.apache.org/docs/file-format/>
//!
//! Footer, pages and encodings are decoded by the `parquet` crate, each page by itself: `column` hands them over once `thrift` has seen how
//! large they say to be. Rows are put together here. Columns of numbers and truth values hold no keys and are left out.

use std::collections::BTreeSet;
use std::io::{Read, SeekFrom};

use ::parquet::basic::Type;
use ::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use ::parquet::schema::types::Type as Schema;

use self::column::Column;
use super::rows::{self, MOST, Table, caught, quoted, separate};
use super::{Expansion, failed};
use crate::blob::ReadSeek;

mod column;
#[cfg(test)]
mod tests;
mod thrift;

/// What can't be read out of order is held as a whole up to this many bytes.
const HELD: u64 = 64 << 20;
/// What describes a file may have so many bytes: it takes several times that in memory.
const FOOTER: u64 = 16 << 20;
/// Of tables with more columns that may hold text, so many are read at once: each needs memory for a page of it and for its dictionary, of a
/// MiB each as most writers make them, and for what they are decompressed from.
const COLUMNS: usize = 16;
/// Schemas nest no deeper.
const DEPTH: usize = 64;

/// Hands out the rows of a file that can be read only once.
pub(super) fn held(input: &mut dyn Read, expansion: &mut Expansion<'_, '_>) {
    let mut bytes = Vec::new();
    // It can't fail: a tap ends instead, and its owner tells why.
    let _ = input.take(HELD + 1).read_to_end(&mut bytes);
    if bytes.len() as u64 > HELD {
        let most = HELD >> 20;
        let why =
            format!("it is read from its end, and larger than the {most} MiB that are held of what comes as a stream");
        return expansion.problem(None, format!("{why}: unpack it and scan that"));
    }
    if !expansion.budget.is_over() {
        tables(&mut std::io::Cursor::new(bytes), expansion);
    }
}

/// Hands out the rows of a file, in one member, or of a wide table in several.
pub(super) fn tables(file: &mut dyn ReadSeek, expansion: &mut Expansion<'_, '_>) {
    let footer = match footer(file) {
        Ok(footer) => footer,
        Err(why) => return expansion.problem(None, failed("reading its footer", &why)),
    };
    let mut leaves = leaves(footer.file_metadata().schema());
    leaves.retain(|leaf| leaf.is_text);
    for (number, leaves) in leaves.chunks(COLUMNS).enumerate() {
        let name = match number {
            0 => rows::NAME.to_vec(),
            _ => format!("rows, columns from {}", number * COLUMNS + 1).into_bytes(),
        };
        let table = expansion.table(&name, Rows::new(file, &footer, leaves));
        let troubles = table.troubles;
        troubles.iter().for_each(|why| expansion.problem(Some(&name), why));
    }
}

/// What describes the file, at its end.
fn footer(file: &mut dyn ReadSeek) -> Result<ParquetMetaData, String> {
    let mut tail = [0; 8];
    let size = file.seek(SeekFrom::End(0)).map_err(told)?;
    if size < 12 {
        return Err("it is cut short".to_owned());
    }
    file.seek(SeekFrom::Start(size - 8)).map_err(told)?;
    file.read_exact(&mut tail).map_err(told)?;
    let (length, magic) = tail.split_at(4);
    match magic {
        b"PAR1" => {}
        b"PARE" => return Err("it is encrypted: decrypt it and scan that".to_owned()),
        _ => return Err("it is cut short, or something follows its end".to_owned()),
    }
    let length = length.iter().rev().fold(0, |length, byte| length << 8 | u64::from(*byte));
    if length > FOOTER {
        return Err(format!(
            "it is larger than {} MiB: write the table with fewer row groups and scan that",
            FOOTER >> 20
        ));
    }
    let start = (size - 8).checked_sub(length).ok_or("it is cut short")?;
    file.seek(SeekFrom::Start(start)).map_err(told)?;
    let mut footer = vec![0; usize::try_from(length).map_err(|_| "it is too large")?];
    file.read_exact(&mut footer).map_err(told)?;
    thrift::check_footer(&footer, DEPTH)?;
    caught(|| ParquetMetaDataReader::decode_metadata(&footer).map_err(|error| error.to_string()))
}

fn told(error: std::io::Error) -> String {
    error.to_string()
}

/// Takes a row; `false` where no more are wanted.
#[cfg(feature = "s3")]
pub(in crate::source) type EachRow<'a> = dyn FnMut(&[Option<&[u8]>]) -> Result<bool, String> + 'a;

/// Reads columns of a table by their names, row by row; numbers and truth values come as text. `None` stands for what a row does not have, and
/// for all of a column that the table does not have. It ends early when `each` is told enough.
///
/// # Errors
/// When not all of it can be read. What came before has been told.
#[cfg(feature = "s3")]
pub(in crate::source) fn columns(
    file: &mut dyn ReadSeek,
    names: &[&str],
    each: &mut EachRow<'_>,
) -> Result<(), String> {
    let footer = footer(file).map_err(|why| format!("reading its footer failed: {why}"))?;
    let all = leaves(footer.file_metadata().schema());
    let place = |name: &&str| all.iter().position(|leaf| leaf.path[..] == [*name] && leaf.repeated == 0);
    let places: Vec<Option<usize>> = names.iter().map(place).collect();
    let chosen: Vec<Leaf> = places.iter().flatten().map(|place| all[*place].clone()).collect();
    let mut rows = Rows::new(file, &footer, &chosen);
    while rows.next_row() {
        if let Some(why) = rows.troubles.first() {
            return Err(why.clone());
        }
        let mut values = rows.columns.iter().map(|column| column.values().next().flatten());
        let row: Vec<_> = places.iter().map(|place| place.and_then(|_| values.next().flatten())).collect();
        if !each(&row)? {
            return Ok(());
        }
    }
    rows.troubles.first().map_or(Ok(()), |why| Err(why.clone()))
}

/// A column, and where its values stand in a row.
#[derive(Clone, Debug)]
struct Leaf {
    /// It may hold text, or what could be text.
    is_text: bool,
    /// Its number in the file.
    number: usize,
    /// Names of the groups from the root to it.
    path: Vec<String>,
    /// The innermost group of the path that repeats is so many names long; 0 when none does.
    repeated: usize,
}

/// All columns. How deep the schema is has been looked at.
fn leaves(schema: &Schema) -> Vec<Leaf> {
    let mut found = Vec::new();
    let mut path = Vec::new();
    schema.get_fields().iter().for_each(|field| walk(field, &mut path, 0, &mut found));
    found
}

fn walk(schema: &Schema, path: &mut Vec<String>, repeated: usize, found: &mut Vec<Leaf>) {
    use ::parquet::basic::Repetition;
    path.push(schema.name().to_owned());
    let info = schema.get_basic_info();
    let repeats = info.has_repetition() && info.repetition() == Repetition::REPEATED;
    let repeated = if repeats { path.len() } else { repeated };
    if schema.is_primitive() {
        let is_text = matches!(schema.get_physical_type(), Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY);
        found.push(Leaf { is_text, number: found.len(), path: path.clone(), repeated });
    } else {
        schema.get_fields().iter().for_each(|field| walk(field, path, repeated, found));
    }
    path.pop();
}

/// The rows of some columns, row group after row group.
struct Rows<'a> {
    file: &'a mut dyn ReadSeek,
    groups: std::slice::Iter<'a, RowGroupMetaData>,
    leaves: &'a [Leaf],
    columns: Vec<Column>,
    /// What of it could not be read, each told once.
    troubles: BTreeSet<String>,
}

impl<'a> Rows<'a> {
    fn new(file: &'a mut dyn ReadSeek, footer: &'a ParquetMetaData, leaves: &'a [Leaf]) -> Self {
        Self { file, groups: footer.row_groups().iter(), leaves, columns: Vec::new(), troubles: BTreeSet::new() }
    }

    /// Has every column at its next row; `false` when none has one.
    fn advance(&mut self) -> bool {
        let mut is_any = false;
        for index in 0..self.columns.len() {
            // Together they may hold no more than one of them may.
            let others: usize = self.columns.iter().map(Column::holds).sum::<usize>() - self.columns[index].holds();
            let column = &mut self.columns[index];
            match column.advance(self.file, MOST.saturating_sub(others)) {
                Ok(more) => is_any |= more,
                Err(why) => {
                    let name = self.leaves[index].path.join(".");
                    self.troubles
                        .insert(format!("reading its column {name:?} failed: {why}; its other columns were scanned"));
                    column.end();
                }
            }
        }
        is_any
    }

    /// The same beyond the end of a row group.
    fn next_row(&mut self) -> bool {
        while !self.advance() {
            match self.groups.next() {
                Some(group) => self.open(group),
                None => return false,
            }
        }
        true
    }

    fn open(&mut self, group: &RowGroupMetaData) {
        self.columns.clear();
        for leaf in self.leaves {
            self.columns.push(Column::new(group.columns().get(leaf.number)));
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        let mut is_first = true;
        let mut index = 0;
        while index < self.leaves.len() {
            let leaf = &self.leaves[index];
            let prefix = &leaf.path[..leaf.repeated];
            let same = |other: &&Leaf| other.repeated == leaf.repeated && other.path.starts_with(prefix);
            let count = if leaf.repeated == 0 { 1 } else { self.leaves[index..].iter().take_while(same).count() };
            let columns = &self.columns[index..index + count];
            match columns {
                [column] if leaf.repeated == 0 => {
                    if let Some(value) = column.values().next().flatten() {
                        separate(&mut is_first, out);
                        field(&leaf.path.join("."), value, out);
                    }
                }
                _ if columns.iter().all(|column| column.values().flatten().next().is_none()) => {}
                _ => {
                    separate(&mut is_first, out);
                    quoted(prefix.join(".").as_bytes(), out);
                    out.extend_from_slice(b": ");
                    repeated(&self.leaves[index..index + count], columns, out);
                }
            }
            index += count;
        }
        out.push(b'}');
    }
}

impl Table for Rows<'_> {
    fn row(&mut self, out: &mut Vec<u8>) -> Result<bool, String> {
        let is_any = self.next_row();
        if is_any {
            self.write(out);
        }
        Ok(is_any)
    }
}

/// What repeats within a row: values of one column as a list, keys with their values as an object, else objects.
fn repeated(leaves: &[Leaf], columns: &[Column], out: &mut Vec<u8>) {
    let name = |leaf: &Leaf| leaf.path[leaf.repeated..].join(".");
    let mut is_first = true;
    match columns {
        [column] => {
            out.push(b'[');
            for value in column.values().flatten() {
                separate(&mut is_first, out);
                quoted(value, out);
            }
            out.push(b']');
        }
        [keys, values] if name(&leaves[0]) == "key" && name(&leaves[1]) == "value" => {
            out.push(b'{');
            for (key, value) in keys.values().zip(values.values()) {
                separate(&mut is_first, out);
                quoted(key.unwrap_or_default(), out);
                out.extend_from_slice(b": ");
                match value {
                    Some(value) => quoted(value, out),
                    None => out.extend_from_slice(b"null"),
                }
            }
            out.push(b'}');
        }
        _ => {
            out.push(b'[');
            let mut all: Vec<_> = columns.iter().map(Column::values).collect();
            let most = columns.iter().map(|column| column.values().count()).max().unwrap_or(0);
            for _ in 0..most {
                separate(&mut is_first, out);
                out.push(b'{');
                let mut is_first = true;
                for (leaf, values) in leaves.iter().zip(&mut all) {
                    if let Some(value) = values.next().flatten() {
                        separate(&mut is_first, out);
                        field(&name(leaf), value, out);
                    }
                }
                out.push(b'}');
            }
            out.push(b']');
        }
    }
}

fn field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    quoted(name.as_bytes(), out);
    out.extend_from_slice(b": ");
    quoted(value, out);
}
