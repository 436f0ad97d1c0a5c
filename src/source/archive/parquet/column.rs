//! A column of a row group, page by page. What a page says of itself is looked at before the decoder, which believes it, gets it.

use std::collections::VecDeque;
use std::io::{Read, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::basic::{Compression, Encoding, Type};
use ::parquet::column::page::{Page, PageMetadata, PageReader};
use ::parquet::column::reader::ColumnReaderImpl;
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, FixedLenByteArrayType, Int32Type, Int64Type};
use ::parquet::errors::Result as Decoded;
use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::file::serialized_reader::SerializedPageReader;
use brotli::Decompressor as BrotliDecoder;
use flate2::read::MultiGzDecoder;

use super::super::rows::{MOST, caught};
use super::thrift::{self, Bad, PageHeader};
use super::told;
use crate::blob::ReadSeek;

/// Bytes that are read ahead of what is needed, so that small pages don't take a request each.
const AHEAD: usize = 1 << 20;
/// The header of a page may hold the least and the largest of its values.
const HEADER: usize = 16 << 20;
/// Rows that are decoded at once.
const ROWS: usize = 256;
/// Values that one row may have in a column, and a page in one whose values repeat.
const VALUES: usize = 1 << 20;
/// gzip makes no more than this of a byte.
const GZIP_RATIO: usize = 1032;

/// A column, at one of its rows.
pub(super) struct Column {
    /// `None` when there is no more of it.
    pages: Option<Pages>,
    reader: Option<Reader>,
    repeats: bool,
    full: i16,
    /// Of each value that is there or could be, how much of its path is there, and where a row begins (0).
    defined: Vec<i16>,
    repeated: Vec<i16>,
    values: Vec<ByteArray>,
    /// The present row in both, and what follows it.
    row: [std::ops::Range<usize>; 2],
}

enum Reader {
    Any(ColumnReaderImpl<ByteArrayType>),
    Fixed(ColumnReaderImpl<FixedLenByteArrayType>),
    Short(ColumnReaderImpl<Int32Type>),
    Long(ColumnReaderImpl<Int64Type>),
    Truth(ColumnReaderImpl<BoolType>),
}

impl Column {
    /// The chunk of a row group; without one the column is empty.
    pub(super) fn new(chunk: Option<&ColumnChunkMetaData>) -> Self {
        let mut column = Self {
            pages: None,
            reader: None,
            repeats: false,
            full: 0,
            defined: Vec::new(),
            repeated: Vec::new(),
            values: Vec::new(),
            row: [0..0, 0..0],
        };
        if let Some(chunk) = chunk {
            let described = chunk.column_descr_ptr();
            let pages = Pages::of(chunk);
            let queue = Box::new(Queue(pages.queue.clone()));
            column.repeats = described.max_rep_level() > 0;
            column.full = described.max_def_level();
            column.reader = match chunk.column_type() {
                Type::BYTE_ARRAY => Some(Reader::Any(ColumnReaderImpl::new(described, queue))),
                Type::FIXED_LEN_BYTE_ARRAY => Some(Reader::Fixed(ColumnReaderImpl::new(described, queue))),
                Type::INT32 => Some(Reader::Short(ColumnReaderImpl::new(described, queue))),
                Type::INT64 => Some(Reader::Long(ColumnReaderImpl::new(described, queue))),
                Type::BOOLEAN => Some(Reader::Truth(ColumnReaderImpl::new(described, queue))),
                _ => None,
            };
            column.pages = Some(pages);
        }
        column
    }

    /// About how many bytes it holds.
    pub(super) fn holds(&self) -> usize {
        self.pages.as_ref().map_or(0, |pages| pages.held)
    }

    /// Nothing more of it is wanted.
    pub(super) fn end(&mut self) {
        *self = Self::new(None);
    }

    /// The values of the present row; `None` for those that are not there.
    pub(super) fn values(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let [levels, values] = self.row.clone();
        let mut values = self.values[values].iter();
        let is_flat = self.full == 0;
        levels.map(move |at| {
            let is_there = is_flat || self.defined[at] == self.full;
            if is_there { values.next().map(ByteArray::data) } else { None }
        })
    }

    /// Goes on to the next row; `false` when there is none. What it holds must be no more than `room` bytes.
    pub(super) fn advance(&mut self, file: &mut dyn ReadSeek, room: usize) -> Result<bool, String> {
        let [levels, values] = self.row.clone();
        self.row = [levels.end..levels.end, values.end..values.end];
        let mut end = self.row_end();
        while end.is_none() && self.pages.is_some() {
            self.forget();
            if !self.decode(file, room)? {
                self.pages = None;
                self.reader = None;
            }
            end = self.row_end();
        }
        let left = self.levels() - self.row[0].start;
        let Some(end) = end.or_else(|| (left > 0).then_some(self.levels())) else {
            return Ok(false);
        };
        let start = self.row[0].start;
        let full = self.full;
        let there =
            if full == 0 { end - start } else { self.defined[start..end].iter().filter(|at| **at == full).count() };
        let first = self.row[1].start;
        self.row = [start..end, first..(first + there).min(self.values.len())];
        Ok(true)
    }

    fn levels(&self) -> usize {
        match (self.repeats, self.full) {
            (true, _) => self.repeated.len().min(self.defined.len()),
            (false, 0) => self.values.len(),
            (false, _) => self.defined.len(),
        }
    }

    /// Where the row ends that begins where the last one ended, if that is known.
    fn row_end(&self) -> Option<usize> {
        let start = self.row[0].start;
        if start >= self.levels() {
            return None;
        }
        if !self.repeats {
            return Some(start + 1);
        }
        let next = self.repeated[start + 1..self.levels()].iter().position(|level| *level == 0);
        next.map(|more| start + 1 + more)
    }

    /// Drops what stands before the present row.
    fn forget(&mut self) {
        let [level, value] = [self.row[0].start, self.row[1].start];
        self.defined.drain(..level.min(self.defined.len()));
        self.repeated.drain(..level.min(self.repeated.len()));
        self.values.drain(..value.min(self.values.len()));
        self.row = [0..0, 0..0];
    }

    /// Decodes some more rows; `false` when there are none.
    fn decode(&mut self, file: &mut dyn ReadSeek, room: usize) -> Result<bool, String> {
        let Some(pages) = &mut self.pages else {
            return Ok(false);
        };
        loop {
            let before = self.values.len() + self.defined.len() + self.repeated.len();
            if before > 3 * VALUES {
                return Err(format!("a row of it has more than {VALUES} values: flatten the table and scan that"));
            }
            let Some(reader) = &mut self.reader else {
                return Ok(false);
            };
            let (defined, repeated, values) = (&mut self.defined, &mut self.repeated, &mut self.values);
            caught(|| reader.read(pages.rows, defined, repeated, values))?;
            if self.values.len() + self.defined.len() + self.repeated.len() > before {
                return Ok(true);
            }
            if !pages.read(file, room)? {
                return Ok(false);
            }
        }
    }
}

impl Reader {
    fn read(
        &mut self,
        rows: usize,
        defined: &mut Vec<i16>,
        repeated: &mut Vec<i16>,
        values: &mut Vec<ByteArray>,
    ) -> Result<(), String> {
        let levels = (defined, repeated);
        match self {
            Self::Any(reader) => more(reader, rows, levels, values, |value| value),
            Self::Fixed(reader) => more(reader, rows, levels, values, ByteArray::from),
            Self::Short(reader) => more(reader, rows, levels, values, written),
            Self::Long(reader) => more(reader, rows, levels, values, written),
            Self::Truth(reader) => more(reader, rows, levels, values, written),
        }
    }
}

/// Decodes some more rows.
fn more<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    (defined, repeated): (&mut Vec<i16>, &mut Vec<i16>),
    values: &mut Vec<ByteArray>,
    text: impl Fn(T::T) -> ByteArray,
) -> Result<(), String> {
    let mut found = Vec::new();
    let read = reader.read_records(rows, Some(defined), Some(repeated), &mut found);
    read.map_err(|error| error.to_string())?;
    values.extend(found.into_iter().map(text));
    Ok(())
}

/// Numbers and truth values as text.
fn written(value: impl ToString) -> ByteArray {
    value.to_string().into_bytes().into()
}

/// The pages of a column, read one after the other.
struct Pages {
    chunk: ColumnChunkMetaData,
    /// From where they are yet to be read, and where they end.
    at: u64,
    end: u64,
    /// Bytes from `at` on.
    ahead: Vec<u8>,
    queue: Arc<Mutex<Waiting>>,
    /// Bytes of the dictionary, and of the page that is decoded now.
    dictionary: usize,
    held: usize,
    /// So many rows are decoded at once.
    rows: usize,
}

/// Pages on their way to the decoder.
#[derive(Default)]
struct Waiting {
    pages: VecDeque<Page>,
    is_last: bool,
}

/// What the decoder takes pages from; when there is none it is asked again later.
struct Queue(Arc<Mutex<Waiting>>);

impl Pages {
    fn of(chunk: &ColumnChunkMetaData) -> Self {
        let start = chunk.dictionary_page_offset().filter(|at| *at > 0).unwrap_or(chunk.data_page_offset());
        // Where an offset or a length is less than nothing there is nothing.
        let at = u64::try_from(start).unwrap_or(0);
        let length = if start < 0 { 0 } else { u64::try_from(chunk.compressed_size()).unwrap_or(0) };
        let queue = Arc::default();
        Self {
            chunk: chunk.clone(),
            at,
            end: at.saturating_add(length),
            ahead: Vec::new(),
            queue,
            dictionary: 0,
            held: 0,
            rows: ROWS,
        }
    }

    /// Reads the next page and hands it to the decoder; `false` when there is none.
    fn read(&mut self, file: &mut dyn ReadSeek, room: usize) -> Result<bool, String> {
        while self.at < self.end {
            let header = self.header(file)?;
            let whole = header.length.checked_add(header.packed).ok_or("a page of it is damaged")?;
            if whole as u64 > self.end - self.at {
                return Err("a page of it goes beyond its end".to_owned());
            }
            let held = self.dictionary.saturating_add(header.unpacked).saturating_add(whole);
            if held > room {
                let most = MOST >> 20;
                return Err(format!(
                    "its pages take more than {most} MiB at once: write the table with smaller pages and scan that"
                ));
            }
            self.fill(file, whole)?;
            let rest = self.ahead.split_off(whole);
            let page = std::mem::replace(&mut self.ahead, rest);
            self.at += whole as u64;
            if header.kind == 1 {
                continue;
            }
            self.check_packed(&page[header.length..], header)?;
            let page = self.decoded(page)?;
            self.check(&page)?;
            self.held = held;
            if page.is_dictionary_page() {
                self.dictionary = page.buffer().len();
            }
            // Where each value may be made of the one before, each may be as long as all of the page.
            self.rows = match page.encoding() {
                Encoding::DELTA_BYTE_ARRAY => (MOST / page.buffer().len().max(1)).clamp(1, ROWS),
                _ => ROWS,
            };
            let mut waiting = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.is_last = self.at >= self.end;
            waiting.pages.push_back(page);
            return Ok(true);
        }
        Ok(false)
    }

    fn header(&mut self, file: &mut dyn ReadSeek) -> Result<PageHeader, String> {
        for wanted in [1, AHEAD, HEADER] {
            let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
            self.fill(file, wanted.min(left))?;
            match thrift::page_header(&self.ahead) {
                Ok(header) => return Ok(header),
                Err(Bad::Short) if self.ahead.len() < left => {}
                Err(_) => break,
            }
        }
        Err("the header of a page of it is damaged".to_owned())
    }

    /// Has at least so many bytes ahead.
    fn fill(&mut self, file: &mut dyn ReadSeek, wanted: usize) -> Result<(), String> {
        let Some(lacking) = wanted.checked_sub(self.ahead.len()).filter(|lacking| *lacking > 0) else {
            return Ok(());
        };
        let from = self.at + self.ahead.len() as u64;
        file.seek(SeekFrom::Start(from)).map_err(told)?;
        let more = (lacking.max(AHEAD) as u64).min(self.end - from);
        file.take(more).read_to_end(&mut self.ahead).map_err(told)?;
        if self.ahead.len() < wanted { Err("the file ends before it does".to_owned()) } else { Ok(()) }
    }

    /// Not all decoders stop where the page says that it ends.
    fn check_packed(&self, page: &[u8], header: PageHeader) -> Result<(), String> {
        let Some(packed) = header.plain.and_then(|plain| page.get(plain..)) else {
            return Ok(());
        };
        let most = header.unpacked as u64;
        match self.chunk.compression() {
            Compression::GZIP(_) if packed.len().saturating_mul(GZIP_RATIO) > MOST => {
                check_length(MultiGzDecoder::new(packed), most)
            }
            // It makes any number of bytes of one.
            Compression::BROTLI(_) if !packed.is_empty() => {
                caught(|| check_length(BrotliDecoder::new(packed, packed.len().min(AHEAD)), most))
            }
            // A frame, which makes up to 255 bytes of one, where others write blocks.
            Compression::LZ4 if packed.starts_with(&[0x04, 0x22, 0x4d, 0x18]) && packed.len() > MOST / 256 => {
                Err("a page of it may be larger than it says: write the table with smaller pages and scan that"
                    .to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Decompresses a page, header and all.
    fn decoded(&self, page: Vec<u8>) -> Result<Page, String> {
        let size = i64::try_from(page.len()).map_err(|_| "a page of it is too large")?;
        let chunk = self.chunk.clone().into_builder();
        let chunk = chunk.set_data_page_offset(0).set_dictionary_page_offset(None).set_total_compressed_size(size);
        caught(|| {
            let chunk = chunk.build().map_err(|error| error.to_string())?;
            let page = Arc::new(shared(Page::buffer, page));
            let mut pages = SerializedPageReader::new(page, &chunk, 0, None).map_err(|error| error.to_string())?;
            let page = pages.get_next_page().map_err(|error| error.to_string())?;
            page.ok_or_else(|| "a page of it is damaged".to_owned())
        })
    }

    /// Looks at numbers that the decoder makes room for.
    fn check(&self, page: &Page) -> Result<(), String> {
        let count = page.num_values() as usize;
        let length = page.buffer().len();
        let is_delta = matches!(page.encoding(), Encoding::DELTA_BYTE_ARRAY | Encoding::DELTA_LENGTH_BYTE_ARRAY);
        let repeats = self.chunk.column_descr().max_rep_level() > 0;
        let fits = match page {
            Page::DictionaryPage { .. } if self.chunk.column_type() == Type::BYTE_ARRAY => count <= length / 4,
            Page::DictionaryPage { .. } => count <= length,
            _ => true,
        };
        if !fits {
            return Err("a page of it has less in it than it says".to_owned());
        }
        let most = if repeats { VALUES } else { 4 * VALUES };
        if (repeats || is_delta || page.is_dictionary_page()) && count > most {
            return Err(format!(
                "a page of it has more than {most} values: write the table with smaller pages and scan that"
            ));
        }
        if is_delta { self.check_delta(page, most) } else { Ok(()) }
    }

    /// Lengths stand before the values, as many as they say, whatever the page says.
    fn check_delta(&self, page: &Page, most: usize) -> Result<(), String> {
        let damaged = || "a page of it is damaged".to_owned();
        let described = self.chunk.column_descr();
        let buffer = page.buffer();
        let mut values: &[u8] = match page {
            Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, .. } => {
                let levels = *def_levels_byte_len as usize + *rep_levels_byte_len as usize;
                buffer.get(levels..).ok_or_else(damaged)?
            }
            _ => {
                let lists =
                    [described.max_rep_level(), described.max_def_level()].iter().filter(|level| **level > 0).count();
                let mut rest = &buffer[..];
                for _ in 0..lists {
                    let (length, after) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
                    rest = after.get(u32::from_le_bytes(*length) as usize..).ok_or_else(damaged)?;
                }
                rest
            }
        };
        let lists = if page.encoding() == Encoding::DELTA_BYTE_ARRAY { 2 } else { 1 };
        for _ in 0..lists {
            let count = skip_delta(&mut values).ok_or_else(damaged)?;
            if count > most as u64 {
                return Err("a page of it has less in it than it says".to_owned());
            }
        }
        Ok(())
    }
}

/// Whether no more than `most` bytes are decompressed.
fn check_length(decoder: impl Read, most: u64) -> Result<(), String> {
    let length = std::io::copy(&mut decoder.take(most + 1), &mut std::io::sink()).map_err(told)?;
    if length <= most { Ok(()) } else { Err("a page of it is larger than it says".to_owned()) }
}

/// Passes over numbers that are told by their differences; returns how many they are.
/// <https://parquet.apache.org/docs/file-format/data-pages/encodings/#delta-encoding-delta_binary_packed--5>
fn skip_delta(bytes: &mut &[u8]) -> Option<u64> {
    let block = varint(bytes)?;
    let parts = varint(bytes)?;
    let count = varint(bytes)?;
    varint(bytes)?;
    let each = block.checked_div(parts).filter(|each| each % 8 == 0 && *each > 0)?;
    let mut left = count.saturating_sub(1);
    while left > 0 {
        varint(bytes)?;
        let widths = bytes.split_off(..usize::try_from(parts).ok()?)?;
        for width in widths {
            if left == 0 {
                break;
            }
            let size = usize::try_from(each / 8 * u64::from(*width)).ok()?;
            // The last of them may be cut short.
            bytes.split_off(..size.min(bytes.len()))?;
            left = left.saturating_sub(each);
        }
    }
    Some(count)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..70).step_by(7) {
        let byte = *bytes.split_off_first()?;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Bytes in the form in which pages hold them, whose name belongs to a crate that is not ours to name.
fn shared<T: From<Vec<u8>>>(_like: fn(&Page) -> &T, bytes: Vec<u8>) -> T {
    bytes.into()
}

impl Iterator for Queue {
    type Item = Decoded<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Queue {
    fn get_next_page(&mut self) -> Decoded<Option<Page>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).pages.pop_front())
    }

    fn peek_next_page(&mut self) -> Decoded<Option<PageMetadata>> {
        Ok(None)
    }

    fn skip_next_page(&mut self) -> Decoded<()> {
        self.get_next_page().map(drop)
    }

    fn at_record_boundary(&mut self) -> Decoded<bool> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).is_last)
    }
}
