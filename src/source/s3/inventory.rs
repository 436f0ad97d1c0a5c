//! What is in a bucket, as S3 Inventory tells it once a day or a week: a manifest, and the data files that it names, as CSV or Parquet.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html>
//!
//! Where the bytes come from, and which of the entries are read, is the business of others.

use std::cell::Cell;
use std::io::{self, Read, SeekFrom};

use percent_encoding::percent_decode;
use serde::Deserialize;

use crate::aws::store::Entry;
use crate::blob::{Content, ReadSeek};
use crate::source::archive::{self, Budget, Kind};

/// A row of CSV may have so many bytes: a key has 1024, each of which takes three when it is encoded.
const ROW: u64 = 64 << 10;
/// Entries come in pages of so many.
const PAGE: usize = 1000;

/// What an inventory says of itself: `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    /// The bucket that it is about.
    pub(super) bucket: String,
    /// The bucket that its data files are in.
    pub(super) destination: String,
    /// Its data files.
    pub(super) files: Vec<DataFile>,
    form: Form,
}

/// A data file of an inventory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct DataFile {
    /// Its key in the destination bucket.
    pub(super) key: String,
    /// Bytes.
    pub(super) size: u64,
}

/// How data files are written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// With the number of each column that matters, and how many columns there are in all.
    Csv([Option<usize>; COLUMNS], usize),
    Parquet,
}

/// So many columns matter.
const COLUMNS: usize = 9;
/// What they are called in the schema of CSV, and in Parquet.
const NAMES: [(&str, &str); COLUMNS] = [
    ("Bucket", "bucket"),
    ("Key", "key"),
    ("VersionId", "version_id"),
    ("IsLatest", "is_latest"),
    ("IsDeleteMarker", "is_delete_marker"),
    ("Size", "size"),
    ("LastModifiedDate", "last_modified_date"),
    ("ETag", "e_tag"),
    ("StorageClass", "storage_class"),
];

/// The manifest as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    source_bucket: String,
    destination_bucket: String,
    file_format: String,
    #[serde(default)]
    file_schema: String,
    files: Vec<DataFile>,
}

impl Manifest {
    /// Reads `manifest.json`.
    ///
    /// # Errors
    /// When it is none, or of an inventory that can't be read here.
    pub(super) fn parse(json: &[u8]) -> Result<Self, String> {
        let written: Written = serde_json::from_slice(json).map_err(|error| {
            format!(
                "it is no manifest of S3 Inventory: {error}; name the manifest.json beside the data of one delivery"
            )
        })?;
        let destination = written.destination_bucket.rsplit(":::").next().unwrap_or_default().to_owned();
        if written.source_bucket.is_empty() || destination.is_empty() {
            return Err("it names no source or no destination bucket: is it a manifest of S3 Inventory?".to_owned());
        }
        let form = match &*written.file_format.to_ascii_lowercase() {
            "csv" => Form::csv(&written.file_schema)?,
            "parquet" => Form::Parquet,
            "orc" => {
                return Err("it is in the format ORC, which is not read here: choose CSV or Parquet as the output format of the inventory \
                            configuration, and take the next delivery"
                    .to_owned());
            }
            other => return Err(format!("it is in the format {other:?}; CSV and Parquet are read")),
        };
        Ok(Self { bucket: written.source_bucket, destination, files: written.files, form })
    }

    /// Reads a data file, and hands out what it lists in pages of up to a thousand entries, in its own order. It ends early when `each` says
    /// so by `false`.
    ///
    /// # Errors
    /// When not all of it can be read. What came before has been handed out.
    pub(super) fn entries(
        &self,
        file: &DataFile,
        content: &mut dyn ReadSeek,
        each: &mut dyn FnMut(Vec<Entry>) -> bool,
    ) -> Result<(), String> {
        let size = content.seek(SeekFrom::End(0)).and_then(|size| content.rewind().map(|()| size));
        let size = size.map_err(|error| error.to_string())?;
        if size != file.size {
            return Err(format!(
                "it has {size} bytes and {} in the manifest: another delivery may have replaced it",
                file.size
            ));
        }
        let mut pages = Pages { page: Vec::new(), each, is_enough: false };
        let read = match &self.form {
            Form::Csv(columns, count) => self.csv(columns, *count, size, content, &mut pages),
            Form::Parquet => self.parquet(content, &mut pages),
        };
        pages.hand_out();
        read
    }

    fn csv(
        &self,
        columns: &[Option<usize>; COLUMNS],
        count: usize,
        size: u64,
        content: &mut dyn ReadSeek,
        pages: &mut Pages<'_>,
    ) -> Result<(), String> {
        let mut result = Ok(());
        let budget = Budget::for_archive(size);
        let mut head = [0; 10];
        let packed = content.read_exact(&mut head).is_ok() && archive::detect(&head) == Some(Kind::Gzip);
        content.rewind().map_err(|error| error.to_string())?;
        if !packed {
            return self.rows(columns, count, content, pages);
        }
        let problems =
            archive::expand(Kind::Gzip, b"inventory", Content::Seekable(content), &budget, &mut |_, content| {
                if let Content::Stream(stream) = content {
                    result = self.rows(columns, count, stream, pages);
                }
            });
        // A file that breaks off ends in the middle of a row, which is not why.
        match problems.into_iter().next() {
            Some(problem) if !pages.is_enough => Err(problem.why),
            _ => result,
        }
    }

    fn rows(
        &self,
        columns: &[Option<usize>; COLUMNS],
        count: usize,
        stream: &mut dyn Read,
        pages: &mut Pages<'_>,
    ) -> Result<(), String> {
        let room = Cell::new(ROW);
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(Rationed { stream, room: &room });
        let mut row = csv::ByteRecord::new();
        for number in 1_u64.. {
            let broken = |why: &dyn std::fmt::Display| format!("row {number} of it: {why}");
            room.set(ROW);
            if !reader.read_byte_record(&mut row).map_err(|error| broken(&error))? {
                break;
            }
            if row.len() != count {
                return Err(broken(&format!("it has {} columns, and the schema in the manifest {count}", row.len())));
            }
            let cells = columns.map(|column| column.and_then(|column| row.get(column)));
            let mut cells = cells.map(|cell| cell.filter(|cell| !cell.is_empty()));
            let key = cells[1].map(decoded);
            cells[1] = key.as_deref();
            if !pages.add(self.entry(&cells, columns[2].is_some()).map_err(|why| broken(&why))?) {
                break;
            }
        }
        Ok(())
    }

    fn parquet(&self, content: &mut dyn ReadSeek, pages: &mut Pages<'_>) -> Result<(), String> {
        let mut number = 0_u64;
        archive::columns(content, &NAMES.map(|(_, name)| name), &mut |row| {
            number += 1;
            let cells: [Option<&[u8]>; COLUMNS] = row.try_into().map_err(|_| "it has other columns".to_owned())?;
            // A column that is nowhere filled may just as well not be there.
            let has_versions = cells[2].is_some() || cells[3].is_some();
            let entry = self.entry(&cells, has_versions).map_err(|why| format!("row {number} of it: {why}"))?;
            Ok(pages.add(entry))
        })
    }

    /// What a row lists, its key decoded; cells without anything in them are `None`.
    fn entry(&self, cells: &[Option<&[u8]>; COLUMNS], has_versions: bool) -> Result<Entry, String> {
        let [bucket, key, version, is_latest, is_delete_marker, size, modified, etag, class] = *cells;
        if bucket != Some(self.bucket.as_bytes()) {
            let bucket = String::from_utf8_lossy(bucket.unwrap_or_default());
            return Err(format!("it is about the bucket {bucket:?}, and the manifest about {:?}", self.bucket));
        }
        let key = key.ok_or("it has no key")?;
        let is_delete_marker = truth(is_delete_marker, false)?;
        let size = match size.map(text).transpose()? {
            Some(size) => size.parse().map_err(|_| format!("its size is no number: {size:?}"))?,
            None if is_delete_marker => 0,
            None => {
                return Err(
                    "it has no size: add the field Size to the inventory configuration, and take the next delivery"
                        .to_owned(),
                );
            }
        };
        Ok(Entry {
            key: key.into(),
            // What was written while versioning was off is the version `null`, which no cell says.
            version_id: if has_versions { Some(version.map_or(Ok("null"), text)?.into()) } else { None },
            is_latest: truth(is_latest, true)?,
            is_delete_marker,
            size,
            etag: etag.map_or(Ok(""), text)?.trim_matches('"').into(),
            last_modified: modified.map(text).transpose()?.map(moment).transpose()?,
            storage_class: class.map_or(Ok(""), text)?.into(),
        })
    }
}

impl Form {
    /// By the names of all columns, as the manifest has them: `Bucket, Key, Size`.
    fn csv(schema: &str) -> Result<Self, String> {
        let names: Vec<&str> = schema.split(',').map(str::trim).collect();
        let columns = NAMES.map(|(wanted, _)| names.iter().position(|name| name.eq_ignore_ascii_case(wanted)));
        let missing: Vec<&str> = [0, 1, 5].into_iter().filter(|n| columns[*n].is_none()).map(|n| NAMES[n].0).collect();
        match missing[..] {
            [] => Ok(Self::Csv(columns, names.len())),
            _ => Err(format!(
                "its schema, {schema:?}, has no {}: add what is missing to the inventory configuration, and take the next delivery",
                missing.join(" and no ")
            )),
        }
    }
}

/// Entries on their way.
struct Pages<'a> {
    page: Vec<Entry>,
    each: &'a mut dyn FnMut(Vec<Entry>) -> bool,
    is_enough: bool,
}

impl Pages<'_> {
    /// Whether more are wanted.
    fn add(&mut self, entry: Entry) -> bool {
        self.page.push(entry);
        if self.page.len() >= PAGE {
            self.hand_out();
        }
        !self.is_enough
    }

    fn hand_out(&mut self) {
        if !self.page.is_empty() && !self.is_enough {
            self.is_enough = !(self.each)(std::mem::take(&mut self.page));
        }
    }
}

/// A reader that gives no more than what one row may have: a quote that is never closed would take all the rest into memory.
struct Rationed<'a> {
    stream: &'a mut dyn Read,
    room: &'a Cell<u64>,
}

impl Read for Rationed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)? as u64;
        // Some of it may belong to the rows that follow.
        match self.room.get().checked_sub(read) {
            Some(room) => self.room.set(room),
            None => return Err(io::Error::other(format!("it has more than {ROW} bytes"))),
        }
        Ok(read as usize)
    }
}

/// As forms are encoded: a space is a plus, a plus is `%2B`.
fn decoded(key: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = key.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).collect()
}

fn text(cell: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(cell).map_err(|_| "a cell of it is no text".to_owned())
}

fn truth(cell: Option<&[u8]>, otherwise: bool) -> Result<bool, String> {
    match cell {
        None => Ok(otherwise),
        Some(cell) if cell.eq_ignore_ascii_case(b"true") => Ok(true),
        Some(cell) if cell.eq_ignore_ascii_case(b"false") => Ok(false),
        Some(cell) => Err(format!("{:?} is neither true nor false", String::from_utf8_lossy(cell))),
    }
}

/// Seconds since 1970, of ISO 8601 as CSV has it, or of a number of milliseconds, microseconds or nanoseconds as Parquet does: which of
/// them, its size tells for all dates from 1973 to 5138.
fn moment(cell: &str) -> Result<i64, String> {
    if let Ok(number) = cell.parse::<i64>() {
        let unit = match number.unsigned_abs() {
            0..100_000_000_000_000 => 1_000,
            100_000_000_000_000..100_000_000_000_000_000 => 1_000_000,
            _ => 1_000_000_000,
        };
        return Ok(number.div_euclid(unit));
    }
    let moment: jiff::Timestamp = cell.parse().map_err(|_| format!("{cell:?} is no date"))?;
    Ok(moment.as_millisecond().div_euclid(1000))
}

#[cfg(test)]
mod tests;
