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

/// Larger objects are not rebuilt from deltas in memory; git itself makes no deltas of what is larger (`core.bigFileThreshold`).
pub(super) const MAX_REBUILT: u64 = 512 << 20;

/// A pack and its index.
pub(super) struct Pack {
    path: PathBuf,
    data: Map,
    index: Index,
    hash_len: usize,
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
    #[error("its header in the pack is damaged")]
    Header,
    #[error("its compressed data is damaged")]
    Data,
    #[error("its base {0} is missing or damaged")]
    Base(String),
    #[error(transparent)]
    Delta(#[from] delta::DeltaError),
    #[error("it is larger than {MAX_REBUILT} bytes and stored as a delta")]
    TooLarge,
}

impl Pack {
    /// Opens `pack-….pack` and the index beside it.
    ///
    /// # Errors
    /// When either can't be read or is not what it should be.
    pub(super) fn open(path: &Path, hash_len: usize) -> io::Result<Self> {
        let index = Index::open(&path.with_extension("idx"), hash_len)?;
        let data = map::map(path)?;
        let version = data.get(4..8).map(|raw| u32::from_be_bytes([raw[0], raw[1], raw[2], raw[3]]));
        if !data.starts_with(b"PACK") || !matches!(version, Some(2 | 3)) || data.len() < 12 + hash_len {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a pack of version 2 or 3"));
        }
        Ok(Self { path: path.to_owned(), data, index, hash_len })
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
        let is_pair = self.data.ends_with(self.index.pack_checksum());
        (!is_pair).then(|| {
            "it is cut short or changed, or its index is another pack's; what could be read was scanned".to_owned()
        })
    }

    /// Tells the system that all of the pack is going to be read.
    pub(super) fn read_ahead(&self) {
        map::read_ahead(&self.data);
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
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

    /// Inflates an entry into `out`, whose old content is lost. The deflated bytes end before `until`.
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
        let size = usize::try_from(header.size).map_err(|_| EntryError::TooLarge)?;
        out.clear();
        out.resize(size, 0);
        match inflater.zlib_decompress(deflated, out) {
            Ok(written) if written == size => Ok(()),
            _ => Err(EntryError::Data),
        }
    }

    /// The same as a stream, for what is too large for memory.
    pub(super) fn stream(&self, header: &Header, until: u64) -> Result<impl Read + '_, EntryError> {
        Ok(Exactly { inner: flate2::read::ZlibDecoder::new(self.deflated(header, until)?), left: header.size })
    }

    fn deflated(&self, header: &Header, until: u64) -> Result<&[u8], EntryError> {
        let range = usize::try_from(header.data).ok().zip(usize::try_from(until).ok());
        range.and_then(|(start, end)| self.data.get(start..end)).ok_or(EntryError::Header)
    }
}

/// Reads on until exactly `left` bytes have come; fewer is an error, not an end.
pub(super) struct Exactly<R> {
    pub(super) inner: R,
    pub(super) left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if room == 0 {
            return Ok(0);
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
