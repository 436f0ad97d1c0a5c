//! The index of many packs: where the objects of all packs of a directory lie. Needed only where a pack's own index is lost.
//! <https://git-scm.com/docs/gitformat-pack#_multi_pack_index_midx_files_have_the_following_format>

use std::io;
use std::ops::Range;
use std::path::Path;

use bstr::ByteSlice;

use super::index::{Index, u32_at};
use super::map::{self, Map};

/// An index of many packs, checked so that every table lies within the file.
pub(super) struct MultiPackIndex {
    data: Map,
    hash_len: usize,
    count: usize,
    /// Names of indexes, each with a NUL behind it; their numbers are their places.
    names: Range<usize>,
    ids: usize,
    /// Number of the pack and offset, 4 bytes each.
    offsets: usize,
    large: Range<usize>,
}

impl MultiPackIndex {
    /// Maps and checks the `multi-pack-index` of a directory of packs.
    ///
    /// # Errors
    /// `InvalidData` when it is none of version 1 and for ids of `hash_len` bytes, or a damaged one.
    pub(super) fn open(packs: &Path, hash_len: usize) -> io::Result<Self> {
        let data = map::map(&packs.join("multi-pack-index"))?;
        let read = |data: Map| {
            let hash = if hash_len == 20 { 1 } else { 2 };
            if !data.starts_with(&[b'M', b'I', b'D', b'X', 1, hash]) {
                return None;
            }
            let (names, fan_out) = (chunk(&data, b"PNAM")?, chunk(&data, b"OIDF")?);
            let (ids, offsets) = (chunk(&data, b"OIDL")?, chunk(&data, b"OOFF")?);
            let large = chunk(&data, b"LOFF").unwrap_or(0..0);
            let count = u32_at(&data[fan_out], 255 * 4)? as usize;
            let is_whole = ids.len() >= count * hash_len && offsets.len() >= count * 8;
            is_whole.then_some(Self { data, hash_len, count, names, ids: ids.start, offsets: offsets.start, large })
        };
        read(data).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the multi-pack-index is damaged"))
    }

    /// An index of one pack by the name of its own; `None` when this one does not cover it. Objects that lie in several packs are told
    /// of one of these only.
    pub(super) fn index(&self, name: &[u8]) -> Option<Index> {
        let number = self.data[self.names.clone()].split_str("\0").position(|known| known == name)? as u32;
        let of_pack = (0..self.count).filter(|n| u32_at(&self.data, self.offsets + n * 8) == Some(number));
        let objects = of_pack.filter_map(|n| {
            let id = self.ids + n * self.hash_len;
            Some((&self.data[id..id + self.hash_len], self.offset(n)?))
        });
        Index::of(objects, self.hash_len).ok()
    }

    fn offset(&self, n: usize) -> Option<u64> {
        let small = u32_at(&self.data, self.offsets + n * 8 + 4)?;
        if small & 1 << 31 == 0 || self.large.is_empty() {
            return Some(u64::from(small));
        }
        let raw = self.data[self.large.clone()].get((small & !(1 << 31)) as usize * 8..)?.first_chunk()?;
        Some(u64::from_be_bytes(*raw))
    }
}

/// Where a chunk lies: the table of them has 12 bytes for each, and one more that tells where the last ends.
fn chunk(data: &[u8], name: &[u8; 4]) -> Option<Range<usize>> {
    let place = |n: usize| {
        let raw = data.get(12 + n * 12 + 4..)?.first_chunk()?;
        usize::try_from(u64::from_be_bytes(*raw)).ok()
    };
    let n =
        (0..usize::from(*data.get(6)?)).find(|n| data.get(12 + n * 12..).is_some_and(|row| row.starts_with(name)))?;
    let range = place(n)?..place(n + 1)?;
    data.get(range.clone()).map(|_| range)
}
