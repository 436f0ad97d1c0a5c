//! Bytes under scan and the name git would give them.
//! What the bytes mean is the engine's business; where they were is provenance's.

use std::fmt;
use std::io::{Read, Seek};

use crate::location::{Copied, Mark};
use crate::provenance::Provenance;

/// Git's name for an object: SHA-1 (20 bytes) or SHA-256 (32 bytes) of its header and content.
///
/// Used for blobs of every source, so that the same bytes have the same name wherever they stand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    bytes: [u8; 32],
    len: u8,
}

impl ObjectId {
    /// From 20 or 32 raw bytes; `None` for any other length.
    pub fn from_bytes(raw: &[u8]) -> Option<Self> {
        if raw.len() != 20 && raw.len() != 32 {
            return None;
        }
        let mut bytes = [0; 32];
        bytes[..raw.len()].copy_from_slice(raw);
        Some(Self { bytes, len: raw.len() as u8 })
    }

    /// From 40 or 64 hexadecimal digits; `None` for anything else.
    pub fn from_hex(hex: &[u8]) -> Option<Self> {
        if hex.len() != 40 && hex.len() != 64 {
            return None;
        }
        let digit = |c: u8| (c as char).to_digit(16).map(|d| d as u8);
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self { bytes, len: (hex.len() / 2) as u8 })
    }

    /// The raw hash: 20 or 32 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What can be read again from an earlier place, as zip needs it.
pub trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// The bytes of a blob, in whichever form its source has them.
pub enum Content<'a> {
    /// All of them in memory.
    Bytes(&'a [u8]),
    /// Too large for memory, but can be rewound: a file. It stands at its start.
    Seekable(&'a mut dyn ReadSeek),
    /// Too large for memory, and can be read only once.
    Stream(&'a mut dyn Read),
}

/// One piece of content and where it was found.
pub struct Blob<'a> {
    /// Where the bytes stand.
    pub provenance: Provenance,
    /// The bytes.
    pub content: Content<'a>,
    /// What they have in common with bytes that were handed out before.
    pub lineage: Lineage<'a>,
}

impl<'a> Blob<'a> {
    /// One that has nothing in common with others.
    pub fn alone(provenance: Provenance, content: Content<'a>) -> Self {
        Self { provenance, content, lineage: Lineage::Alone }
    }
}

/// How bytes hang together with others, so that what was seen in these need not be looked for again.
#[derive(Clone, Copy, Debug, Default)]
pub enum Lineage<'a> {
    /// Not at all, as far as is known.
    #[default]
    Alone,
    /// Others will be made of them, and what [`crate::source::Sink::blob`] returns for them will be given back then.
    First,
    /// They were made of others.
    Made {
        /// What was returned for those.
        marks: &'a [Mark],
        /// What was taken over from them, in order of the new place. Everything else is new.
        copies: &'a [Copied],
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_for_both_hashes() {
        for hex in ["4b825dc642cb6eb9a060e54bf8d69288fbee4904".to_owned(), "ab".repeat(32)] {
            assert_eq!(ObjectId::from_hex(hex.as_bytes()).unwrap().to_string(), hex);
        }
    }

    #[test]
    fn other_lengths_and_digits_are_refused() {
        assert!(ObjectId::from_hex(b"4b825d").is_none());
        assert!(ObjectId::from_hex(&[b'g'; 40]).is_none());
        assert!(ObjectId::from_bytes(&[0; 21]).is_none());
    }
}
