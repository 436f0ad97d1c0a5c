//! One pack: its entries, each decoded exactly once, every delta right after its base.
//! <https://git-scm.com/docs/gitformat-pack>
//!
//! Nothing in a pack is believed: sizes, offsets and bases are checked, a damaged entry is told of and the rest goes on.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::delta;
use super::index::Index;
use super::map::{self, Map};
use super::object::Kind;
use crate::blob::ObjectId;
use libdeflater::Decompressor;

/// No entry is shorter: a byte of header, and an empty stream of zlib's.
const SHORTEST_ENTRY: usize = 9;

/// A pack and its index.
pub(super) struct Pack {
    path: PathBuf,
    data: Map,
    index: Index,
    hash_len: usize,
    number: usize,
}

/// How an entry is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// As it is.
    Whole(Kind),
    /// As a delta to the entry that begins at this offset of the same pack.
    OnOffset(u64),
    /// As a delta to the object of this name.
    OnObject(ObjectId),
}

/// The start of an entry, read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) stored: Stored,
    /// Bytes that come out when it is inflated: of the object, or of the delta.
    pub(super) size: u64,
    /// Where the deflated bytes begin.
    pub(super) data: u64,
}

/// Why an entry could not be decoded.
#[derive(Debug, thiserror::Error)]
pub(super) enum EntryError {
    #[error("its header in the pack is damaged, or the pack's index")]
    Header,
    #[error("its compressed data is damaged")]
    Data,
    #[error("its base {0} is missing or damaged")]
    Base(String),
    #[error(transparent)]
    Delta(#[from] delta::DeltaError),
    #[error("it is larger than {0} bytes and stored as a delta")]
    TooLarge(u64),
    #[error("{}", super::name::OTHER)]
    Changed,
    #[error("its chain of deltas is a circle")]
    Circle,
    #[error("its chain of deltas is a circle or has more than {0} links")]
    Chain(usize),
    #[error("the repository's objects come to too many bytes for what they take in its packs")]
    TooMuch,
}

impl Pack {
    /// Opens `pack-….pack` and the index beside it.
    ///
    /// # Errors
    /// When either can't be read or is not what it should be.
    pub(super) fn open(path: &Path, hash_len: usize) -> io::Result<Self> {
        Self::with_index(path, Index::open(&path.with_extension("idx"), hash_len)?, hash_len)
    }

    /// The same with an index that was found elsewhere.
    ///
    /// # Errors
    /// When the pack can't be read or is not what it should be.
    pub(super) fn with_index(path: &Path, index: Index, hash_len: usize) -> io::Result<Self> {
        let data = map::map(path)?;
        let version = data.get(4..8).map(|raw| u32::from_be_bytes([raw[0], raw[1], raw[2], raw[3]]));
        if !data.starts_with(b"PACK") || !matches!(version, Some(2 | 3)) || data.len() < 12 + hash_len {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a pack of version 2 or 3"));
        }
        let pack = Self { path: path.to_owned(), data, index, hash_len, number: usize::MAX };
        if pack.index.len() > pack.most_entries() {
            let why = "its index lists more objects than there is room for in it";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(pack)
    }

    /// What is amiss with pack and index as a pair. What they do hold together can be read all the same.
    pub(super) fn mismatch(&self) -> Option<String> {
        let count = self.data.get(8..12).map_or(0, |raw| u32::from_be_bytes([raw[0], raw[1], raw[2], raw[3]]));
        if count as usize != self.index.len() {
            return Some(format!(
                "its index lists {} of its {count} objects; the others were not read",
                self.index.len()
            ));
        }
        let is_pair = self.index.pack_checksum().is_none_or(|checksum| self.data.ends_with(checksum));
        (!is_pair).then(|| {
            "it is cut short or changed, or its index is another pack's; what could be read was scanned".to_owned()
        })
    }

    /// Tells the system that all of the pack is going to be read.
    pub(super) fn read_ahead(&self) {
        map::read_ahead(&self.data);
    }

    /// The same with a number to be told by among others.
    pub(super) fn numbered(self, number: usize) -> Self {
        Self { number, ..self }
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// The checksum at its end.
    pub(super) fn checksum(&self) -> &[u8] {
        &self.data[self.end() as usize..]
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// Where an object begins, if the index knows it.
    pub(super) fn find(&self, id: ObjectId) -> Option<u64> {
        self.index.offset(self.index.find(id.as_bytes())?)
    }

    /// How many entries there is room for.
    pub(super) fn most_entries(&self) -> usize {
        self.data.len() / SHORTEST_ENTRY
    }

    /// Bytes of the file.
    pub(super) fn len(&self) -> u64 {
        self.data.len() as u64
    }

    /// Where the entries end.
    pub(super) fn end(&self) -> u64 {
        (self.data.len() - self.hash_len) as u64
    }

    /// Reads the header of the entry at `offset`.
    pub(super) fn header(&self, offset: u64) -> Result<Header, EntryError> {
        self.header_at(offset).ok_or(EntryError::Header)
    }

    fn header_at(&self, offset: u64) -> Option<Header> {
        if offset < 12 || offset >= self.end() {
            return None;
        }
        let start = usize::try_from(offset).ok()?;
        let mut rest = &self.data[start..self.end() as usize];
        let first = next(&mut rest)?;
        let mut size = u64::from(first & 0x0f);
        let (mut more, mut shift) = (first & 0x80 != 0, 4);
        while more {
            let byte = next(&mut rest)?;
            size |= u64::from(byte & 0x7f).checked_shl(shift).filter(|_| shift < 60)?;
            (more, shift) = (byte & 0x80 != 0, shift + 7);
        }
        let stored = match first >> 4 & 7 {
            6 => Stored::OnOffset(offset.checked_sub(distance(&mut rest)?)?),
            7 => {
                let (id, after) = rest.split_at_checked(self.hash_len)?;
                rest = after;
                Stored::OnObject(ObjectId::from_bytes(id)?)
            }
            kind => Stored::Whole(Kind::from_pack(kind)?),
        };
        Some(Header { stored, size, data: self.end() - rest.len() as u64 })
    }

    /// Whether an entry is what the index was made for, as far as that can be told. It ends before `until`.
    pub(super) fn is_changed(&self, position: usize, offset: u64, until: u64) -> bool {
        let range = usize::try_from(offset).ok().zip(usize::try_from(until).ok());
        let bytes = range.and_then(|(start, end)| self.data.get(start..end)).unwrap_or_default();
        // Nothing becomes so much longer by being deflated: it does not go on to where the next begins.
        let is_gap = || self.header(offset).is_ok_and(|header| bytes.len() as u64 / 2 > header.size + 1024);
        self.index.crc(position).is_some_and(|crc| is_gap() || libdeflater::crc32(bytes) != crc)
    }

    /// Inflates an entry into `out`, whose old content is lost. The deflated bytes end before `until`. How large it may be is for the
    /// caller to say, by its header.
    pub(super) fn inflate(
        &self,
        header: &Header,
        until: u64,
        inflater: &mut Decompressor,
        out: &mut Vec<u8>,
    ) -> Result<(), EntryError> {
        let deflated = self.deflated(header, until)?;
        // Deflate makes at most 1032 bytes of one: what claims more is lying, and memory is not spent on it.
        if header.size > 1032 * (deflated.len() as u64 + 1) {
            return Err(EntryError::Data);
        }
        let size = usize::try_from(header.size).map_err(|_| EntryError::Data)?;
        if out.capacity() < size {
            *out = Vec::with_capacity(size);
        }
        // What was there before is overwritten.
        out.resize(size, 0);
        match inflater.zlib_decompress(deflated, out) {
            Ok(written) if written == size => Ok(()),
            _ => Err(EntryError::Data),
        }
    }

    /// The same as a stream, for what is too large for memory.
    pub(super) fn stream(&self, header: &Header) -> Result<impl Read + '_, EntryError> {
        Ok(Exactly { inner: flate2::read::ZlibDecoder::new(self.deflated(header, self.end())?), left: header.size })
    }

    fn deflated(&self, header: &Header, until: u64) -> Result<&[u8], EntryError> {
        let range = usize::try_from(header.data).ok().zip(usize::try_from(until).ok());
        range.and_then(|(start, end)| self.data.get(start..end)).ok_or(EntryError::Header)
    }
}

/// Reads on until exactly `left` bytes have come; fewer or more is an error, not an end. The reader's own end is reached, too, so that
/// it can hold a checksum against what it gave.
pub(super) struct Exactly<R> {
    pub(super) inner: R,
    pub(super) left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if room == 0 {
            let is_end = !buffer.is_empty() && self.inner.read(&mut [0])? == 0;
            let longer = io::Error::new(io::ErrorKind::InvalidData, "the object goes on after its stated size");
            return if is_end || buffer.is_empty() { Ok(0) } else { Err(longer) };
        }
        let read = self.inner.read(&mut buffer[..room])?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the object ends before its stated size"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// The distance back to a base: seven bits a byte, highest first, each further byte adding one.
fn distance(rest: &mut &[u8]) -> Option<u64> {
    let mut byte = next(rest)?;
    let mut value = u64::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        byte = next(rest)?;
        value = value.checked_add(1)?.checked_mul(128)? | u64::from(byte & 0x7f);
    }
    Some(value)
}

fn next(rest: &mut &[u8]) -> Option<u8> {
    let (&first, after) = rest.split_first()?;
    *rest = after;
    Some(first)
}
