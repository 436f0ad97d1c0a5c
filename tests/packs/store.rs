//! Writes what git keeps objects in, byte by byte: packs with any deltas in any order, indexes of both versions, loose objects. Nothing
//! is checked, so that what is written may be as wrong as it likes. The fuzz target uses it, too.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use sha1::{Digest, Sha1};
use sha2::Sha256;

/// By what hash objects are named.
#[allow(dead_code, reason = "fuzzing needs the one only")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    /// The hash of some bytes.
    pub(crate) fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(bytes).to_vec(),
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
        }
    }

    /// The name of an object.
    pub(crate) fn name(self, kind: u8, content: &[u8]) -> Vec<u8> {
        self.of(&[header(kind, content).as_slice(), content].concat())
    }
}

fn header(kind: u8, content: &[u8]) -> Vec<u8> {
    let name = ["", "commit", "tree", "blob", "tag"][usize::from(kind)];
    format!("{name} {}\0", content.len()).into_bytes()
}

/// What an entry of a pack is.
#[derive(Clone, Debug)]
pub(crate) enum Stored {
    /// An object of this kind, as it is.
    Whole(u8),
    /// A delta to the entry that begins so many bytes before.
    OnOffset(u64),
    /// A delta to the object of this name.
    OnObject(Vec<u8>),
}

/// One step of a delta.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Bytes of the base.
    Copy { from: usize, len: usize },
    /// New bytes.
    Insert(Vec<u8>),
}

/// A pack in the making.
pub(crate) struct Pack {
    hash: Hash,
    bytes: Vec<u8>,
    count: u32,
}

impl Pack {
    /// One without entries.
    pub(crate) fn new(hash: Hash) -> Self {
        Self { hash, bytes: b"PACK\0\0\0\x02\0\0\0\0".to_vec(), count: 0 }
    }

    /// Where the next entry will begin.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Adds an entry of content or delta instructions.
    pub(crate) fn add(&mut self, stored: &Stored, data: &[u8]) {
        self.add_raw(stored, data.len() as u64, &deflated(data));
    }

    /// Adds an entry that says that it has `size` bytes when it is inflated.
    pub(crate) fn add_raw(&mut self, stored: &Stored, size: u64, deflated: &[u8]) {
        self.count += 1;
        let kind = match stored {
            Stored::Whole(kind) => *kind,
            Stored::OnOffset(_) => 6,
            Stored::OnObject(_) => 7,
        };
        let mut rest = size >> 4;
        self.bytes.push(kind << 4 | (size & 15) as u8 | if rest > 0 { 0x80 } else { 0 });
        while rest > 0 {
            self.bytes.push((rest & 0x7f) as u8 | if rest > 0x7f { 0x80 } else { 0 });
            rest >>= 7;
        }
        match stored {
            Stored::Whole(_) => {}
            Stored::OnOffset(distance) => self.bytes.extend(distance_bytes(*distance)),
            Stored::OnObject(id) => self.bytes.extend(id),
        }
        self.bytes.extend(deflated);
    }

    /// The whole pack, with its checksum behind it.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes[8..12].copy_from_slice(&self.count.to_be_bytes());
        let checksum = self.hash.of(&self.bytes);
        self.bytes.extend(checksum);
        self.bytes
    }
}

/// Seven bits a byte, highest first, each further byte adding one.
fn distance_bytes(mut distance: u64) -> Vec<u8> {
    let mut bytes = vec![(distance & 0x7f) as u8];
    while distance > 0x7f {
        distance = (distance >> 7) - 1;
        bytes.push((distance & 0x7f) as u8 | 0x80);
    }
    bytes.reverse();
    bytes
}

/// The instructions that make an object of `size` bytes out of a base of `base` bytes.
pub(crate) fn delta(base: usize, size: usize, steps: &[Step]) -> Vec<u8> {
    let mut out = [size_bytes(base), size_bytes(size)].concat();
    for step in steps {
        match step {
            Step::Insert(bytes) => {
                for piece in bytes.chunks(127) {
                    out.push(piece.len() as u8);
                    out.extend(piece);
                }
            }
            Step::Copy { from, len } => {
                let (mut from, mut left) = (*from, *len);
                while left > 0 {
                    let len = left.min(0xff_ffff);
                    out.extend(copy_bytes(from, len));
                    (from, left) = (from + len, left - len);
                }
            }
        }
    }
    out
}

/// A length of 0x10000 is written as none at all.
fn copy_bytes(from: usize, len: usize) -> Vec<u8> {
    let mut out = vec![0x80];
    let len = if len == 0x10000 { 0 } else { len };
    for (bit, byte) in (0..4).map(|n| from >> (8 * n)).chain((0..3).map(|n| len >> (8 * n))).enumerate() {
        if byte & 0xff != 0 {
            out[0] |= 1 << bit;
            out.push((byte & 0xff) as u8);
        }
    }
    out
}

fn size_bytes(mut size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while size > 0x7f {
        out.push((size & 0x7f) as u8 | 0x80);
        size >>= 7;
    }
    out.push(size as u8);
    out
}

/// What the steps make of a base.
pub(crate) fn applied(base: &[u8], steps: &[Step]) -> Vec<u8> {
    let piece = |step: &Step| match step {
        Step::Copy { from, len } => base[*from..from + len].to_vec(),
        Step::Insert(bytes) => bytes.clone(),
    };
    steps.iter().flat_map(piece).collect()
}

/// The index of objects, in any order, in a pack.
pub(crate) fn index(objects: &[(Vec<u8>, u64)], pack: &[u8], version: u8, hash: Hash) -> Vec<u8> {
    let checksum = &pack[pack.len() - hash.of(b"").len()..];
    let mut ends: Vec<usize> = objects.iter().map(|(_, offset)| *offset as usize).collect();
    ends.push(pack.len() - checksum.len());
    ends.sort_unstable();
    let crc_at = |start: usize| {
        let end = ends.get(ends.partition_point(|end| *end <= start));
        crc(end.and_then(|end| pack.get(start..*end)).unwrap_or_default())
    };
    let objects = objects.iter().map(|(id, offset)| (id.clone(), *offset, crc_at(*offset as usize))).collect();
    index_of(objects, checksum, version, hash)
}

/// The checksum of an entry.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// The index of objects with their offsets and checksums in a pack that ends with `checksum`.
pub(crate) fn index_of(mut objects: Vec<(Vec<u8>, u64, u32)>, checksum: &[u8], version: u8, hash: Hash) -> Vec<u8> {
    objects.sort();
    let fan_out = (0..=255u8).flat_map(|n| (objects.partition_point(|(id, ..)| id[0] <= n) as u32).to_be_bytes());
    let mut out = Vec::new();
    if version == 1 {
        out.extend(fan_out);
        objects.iter().for_each(|(id, offset, _)| out.extend([&(*offset as u32).to_be_bytes()[..], id].concat()));
    } else {
        out.extend(b"\xfftOc\0\0\0\x02");
        out.extend(fan_out);
        objects.iter().for_each(|(id, ..)| out.extend(id));
        objects.iter().for_each(|(_, _, crc)| out.extend(crc.to_be_bytes()));
        let mut large = Vec::new();
        for (_, offset, _) in &objects {
            if *offset < 1 << 31 {
                out.extend((*offset as u32).to_be_bytes());
            } else {
                out.extend((1 << 31 | (large.len() / 8) as u32).to_be_bytes());
                large.extend(offset.to_be_bytes());
            }
        }
        out.extend(large);
    }
    out.extend(checksum);
    out.extend(hash.of(&out));
    out
}

/// A loose object as it stands in its file.
pub(crate) fn loose(kind: u8, content: &[u8]) -> Vec<u8> {
    deflated(&[header(kind, content).as_slice(), content].concat())
}

/// What zlib makes of some bytes.
pub(crate) fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}

/// In the digits of git's names for files.
pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
