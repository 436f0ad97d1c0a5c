//! The index of a pack: which objects it holds and where. Versions 1 and 2, SHA-1 and SHA-256.
//! <https://git-scm.com/docs/gitformat-pack#_pack_idx_files_have_the_following_format>

use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::OnceLock;

use super::map::{self, Map};
use crate::blob::ObjectId;

/// An index, checked so that every table lies within the file.
pub(super) struct Index {
    data: Bytes,
    hash_len: usize,
    count: usize,
    layout: Layout,
    /// Where the ids begin that share their first bits, see [`Index::refine`].
    fine: OnceLock<Fine>,
}

/// A fan-out table of more bits than the one in the file.
struct Fine {
    bits: u32,
    /// The position of the first id of each group, and the number of ids.
    bounds: Vec<u32>,
}

impl Fine {
    fn group(&self, id: &[u8]) -> usize {
        (u32_at(id, 0).unwrap_or(0) >> (32 - self.bits)) as usize
    }
}

/// What an index stands in.
enum Bytes {
    Mapped(Map),
    /// Made out of another table; its checksums stand for nothing.
    Made(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Made(bytes) => bytes,
        }
    }
}

/// Where the tables begin.
enum Layout {
    /// 4 bytes of offset and the id, entry by entry.
    V1,
    /// Ids, checksums, offsets, large offsets.
    V2 { ids: usize, offsets: usize, large: usize },
}

const FANOUT: usize = 256 * 4;
/// In place of an offset stands a place in the table of large ones.
const LARGE: u32 = 1 << 31;

impl Index {
    /// Maps and checks the index of a repository whose ids have `hash_len` bytes.
    ///
    /// # Errors
    /// `InvalidData` with the reason when it is no index or a damaged one.
    pub(super) fn open(path: &Path, hash_len: usize) -> io::Result<Self> {
        Self::new(Bytes::Mapped(map::map(path)?), hash_len)
    }

    /// An index of objects (raw id and offset) that come in order of their ids.
    pub(super) fn of<'a>(objects: impl Iterator<Item = (&'a [u8], u64)>, hash_len: usize) -> io::Result<Self> {
        let (mut counts, mut ids, mut offsets, mut large) = ([0u32; 256], Vec::new(), Vec::new(), Vec::new());
        for (id, offset) in objects {
            counts[usize::from(id[0])] += 1;
            ids.extend_from_slice(id);
            let small = u32::try_from(offset).ok().filter(|small| small & LARGE == 0);
            offsets.extend(small.unwrap_or(LARGE | (large.len() / 8) as u32).to_be_bytes());
            large.extend(small.is_none().then(|| offset.to_be_bytes()).into_iter().flatten());
        }
        let mut upto = 0;
        let fan_out = counts.iter().flat_map(|count| {
            upto += count;
            u32::to_be_bytes(upto)
        });
        let fan_out = fan_out.collect();
        let head = b"\xfftOc\0\0\0\x02".to_vec();
        let checks = vec![0; offsets.len()];
        let data = [head, fan_out, ids, checks, offsets, large, vec![0; 2 * hash_len]].concat();
        Self::new(Bytes::Made(data), hash_len)
    }

    fn new(data: Bytes, hash_len: usize) -> io::Result<Self> {
        let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, format!("the index is damaged: {why}"));
        let v2 = data.starts_with(b"\xfftOc");
        if v2 && u32_at(&data, 4) != Some(2) {
            return Err(bad("its version is unknown"));
        }
        let fanout = if v2 { 8 } else { 0 };
        let mut count = 0;
        for n in 0..256 {
            let next = u32_at(&data, fanout + n * 4).ok_or_else(|| bad("it is too short"))?;
            if next < count {
                return Err(bad("its fan-out table does not rise"));
            }
            count = next;
        }
        let count = count as usize;
        let ids = fanout + FANOUT;
        let trailer = 2 * hash_len;
        let layout = if v2 {
            let offsets = ids + count * (hash_len + 4);
            Layout::V2 { ids, offsets, large: offsets + count * 4 }
        } else {
            Layout::V1
        };
        let end = match layout {
            Layout::V1 => ids + count * (hash_len + 4),
            Layout::V2 { large, .. } => large,
        };
        if data.len() < end + trailer {
            return Err(bad("it is too short"));
        }
        Ok(Self { data, hash_len, count, layout, fine: OnceLock::new() })
    }

    /// The checksum of the pack that this is the index of, if that is known.
    pub(super) fn pack_checksum(&self) -> Option<&[u8]> {
        let end = self.data.len() - self.hash_len;
        matches!(self.data, Bytes::Mapped(_)).then(|| &self.data[end - self.hash_len..end])
    }

    /// Whether the index tells of entries as they stand in the pack.
    pub(super) fn has_checksums(&self) -> bool {
        matches!(self.layout, Layout::V2 { .. }) && matches!(self.data, Bytes::Mapped(_))
    }

    /// The CRC-32 of an entry as it stands in the pack, if the index tells.
    pub(super) fn crc(&self, position: usize) -> Option<u32> {
        match self.layout {
            Layout::V2 { ids, .. } if self.has_checksums() => {
                u32_at(&self.data, ids + self.count * self.hash_len + position * 4)
            }
            _ => None,
        }
    }

    /// The object that begins at an offset. Looks at all of them.
    pub(super) fn at_offset(&self, offset: u64) -> Option<ObjectId> {
        (0..self.count).find(|position| self.offset(*position) == Some(offset)).map(|position| self.id(position))
    }

    /// How many objects the pack holds.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The raw id of the object at `position` in order of ids.
    pub(super) fn raw_id(&self, position: usize) -> &[u8] {
        let start = match self.layout {
            Layout::V1 => FANOUT + position * (4 + self.hash_len) + 4,
            Layout::V2 { ids, .. } => ids + position * self.hash_len,
        };
        &self.data[start..start + self.hash_len]
    }

    /// The id of the object at `position` in order of ids.
    pub(super) fn id(&self, position: usize) -> ObjectId {
        ObjectId::from_bytes(self.raw_id(position)).expect("an index is opened with the length of a hash")
    }

    /// Where in the pack the object begins; `None` when a damaged index leads out of its own table.
    pub(super) fn offset(&self, position: usize) -> Option<u64> {
        match self.layout {
            Layout::V1 => u32_at(&self.data, FANOUT + position * (4 + self.hash_len)).map(u64::from),
            Layout::V2 { offsets, large, .. } => {
                let small = u32_at(&self.data, offsets + position * 4)?;
                if small & LARGE == 0 {
                    return Some(u64::from(small));
                }
                let at = large + (small & !LARGE) as usize * 8;
                let raw = self.data.get(at..at + 8)?;
                Some(u64::from_be_bytes(raw.try_into().ok()?))
            }
        }
    }

    /// The position of an id.
    pub(super) fn find(&self, id: &[u8]) -> Option<usize> {
        if id.len() != self.hash_len {
            return None;
        }
        let wanted = prefix(id);
        let (low, high, guess) = self.expected(id);
        let (mut low, mut high) = self.narrowed(low, high, guess, wanted);
        while low < high {
            let middle = low + (high - low) / 2;
            let there = self.raw_id(middle);
            // The first bytes tell nearly all apart.
            match prefix(there).cmp(&wanted).then_with(|| there.cmp(id)) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    /// Brings to the processor what [`Index::find`] will look at: it waits for all of these at once then, not for one after another.
    pub(super) fn approach<'i>(&self, ids: impl Iterator<Item = &'i [u8]>) {
        let at_guess = |id| {
            let (_, high, guess) = self.expected(id);
            if guess < high { u64::from(self.raw_id(guess)[0]) } else { 0 }
        };
        std::hint::black_box(ids.filter(|id| id.len() == self.hash_len).map(at_guess).sum::<u64>());
    }

    /// The range of positions in which an id stands if it stands anywhere, and where it ought to be: ids are hashes and spread evenly.
    fn expected(&self, id: &[u8]) -> (usize, usize, usize) {
        let (low, high, bits) = self.bounds(id);
        let next = prefix(id) << bits >> 32;
        (low, high, low + (((high - low) as u64 * next) >> 32) as usize)
    }

    /// The range of positions in which an id stands if it stands anywhere, and how many first bits all ids in it share.
    fn bounds(&self, id: &[u8]) -> (usize, usize, u32) {
        if let Some(fine) = self.fine.get() {
            let group = fine.group(id);
            return (fine.bounds[group] as usize, fine.bounds[group + 1] as usize, fine.bits);
        }
        let first = usize::from(id[0]);
        let fanout = if matches!(self.layout, Layout::V1) { 0 } else { 8 };
        let bound = |n: usize| u32_at(&self.data, fanout + n * 4).map_or(0, |bound| bound as usize);
        (if first == 0 { 0 } else { bound(first - 1) }, bound(first), 8)
    }

    /// Makes look-ups cheaper by a table that costs one look at each id: worth it where most of them will be looked up.
    pub(super) fn refine(&self) {
        self.fine.get_or_init(|| {
            let bits = (self.count / 8).max(1).ilog2().clamp(8, 24);
            let mut fine = Fine { bits, bounds: vec![0; (1 << bits) + 1] };
            for position in 0..self.count {
                let group = fine.group(self.raw_id(position));
                fine.bounds[group + 1] += 1;
            }
            for group in 1..fine.bounds.len() {
                fine.bounds[group] += fine.bounds[group - 1];
            }
            fine
        });
    }

    /// A smaller range that holds an id with that prefix if `low..high` does: it is looked for around `guess` in steps that double.
    fn narrowed(&self, low: usize, high: usize, guess: usize, wanted: u64) -> (usize, usize) {
        let at = |position| prefix(self.raw_id(position));
        // About as far as the guess is off as a rule.
        let mut step = ((high - low) / 2).isqrt().max(1);
        if guess < high && at(guess) < wanted {
            while guess + step < high && at(guess + step) <= wanted {
                step *= 2;
            }
            return (guess, high.min(guess + step));
        }
        while guess - low > step && at(guess - step) >= wanted {
            step *= 2;
        }
        let mut alike = 0;
        while guess + alike < high && at(guess + alike) == wanted {
            alike = 2 * alike + 1;
        }
        (guess.saturating_sub(step).max(low), high.min(guess + alike))
    }
}

/// The first bytes of an id, in its order.
pub(super) fn prefix(id: &[u8]) -> u64 {
    id.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

pub(super) fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    let raw = data.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(raw.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    /// An index of version 2 over the given (first byte of id, offset) pairs, which must rise.
    fn version_2(objects: &[(u8, u64)]) -> Vec<u8> {
        let mut out = b"\xfftOc\0\0\0\x02".to_vec();
        for n in 0..=255u8 {
            let upto = objects.iter().filter(|(first, _)| *first <= n).count() as u32;
            out.extend(upto.to_be_bytes());
        }
        objects.iter().for_each(|(first, _)| out.extend([*first; 20]));
        objects.iter().for_each(|_| out.extend([0; 4]));
        let mut large = Vec::new();
        for (_, offset) in objects {
            if *offset < 0x8000_0000 {
                out.extend((*offset as u32).to_be_bytes());
            } else {
                out.extend((0x8000_0000 | (large.len() / 8) as u32).to_be_bytes());
                large.extend(offset.to_be_bytes());
            }
        }
        out.extend(large);
        out.extend([0; 40]);
        out
    }

    #[test]
    fn finds_every_object_and_nothing_else() {
        let file = written(&version_2(&[(0, 12), (7, 5_000_000_000), (255, 99)]));
        let index = Index::open(file.path(), 20).unwrap();
        assert_eq!(index.len(), 3);
        assert_eq!(index.find(&[7; 20]), Some(1));
        assert_eq!(index.offset(1), Some(5_000_000_000));
        assert_eq!(index.find(&[255; 20]).and_then(|at| index.offset(at)), Some(99));
        assert_eq!(index.find(&[8; 20]), None);
        assert_eq!(index.find(&[7; 32]), None);
        index.refine();
        assert_eq!([0, 7, 255, 8].map(|n| index.find(&[n; 20])), [Some(0), Some(1), Some(2), None]);
    }

    #[test]
    fn many_ids_are_found_wherever_they_lie() {
        // Neither evenly spread nor without gaps.
        let firsts: Vec<(u8, u64)> =
            (0..=255u8).filter(|n| n % 7 != 3 && *n < 200).map(|n| (n, u64::from(n) + 12)).collect();
        let file = written(&version_2(&firsts));
        let index = Index::open(file.path(), 20).unwrap();
        for n in 0..=255u8 {
            let expected = firsts.iter().position(|(first, _)| *first == n);
            assert_eq!(index.find(&[n; 20]), expected, "{n}");
        }
        index.refine();
        for n in 0..=255u8 {
            let expected = firsts.iter().position(|(first, _)| *first == n);
            assert_eq!(index.find(&[n; 20]), expected, "{n}");
        }
    }

    /// All ids begin with the same byte and crowd together where nobody would look for them.
    #[test]
    fn crowded_ids_are_found_too() {
        let ids: Vec<[u8; 20]> = (0..500u32)
            .map(|n| {
                let mut id = [0x42; 20];
                id[1..5].copy_from_slice(&(if n < 490 { n } else { u32::MAX - 600 + n }).to_be_bytes());
                id
            })
            .collect();
        let mut bytes = version_2(&vec![(0x42, 12); ids.len()]);
        for (n, id) in ids.iter().enumerate() {
            bytes[8 + FANOUT + n * 20..][..20].copy_from_slice(id);
        }
        let file = written(&bytes);
        let index = Index::open(file.path(), 20).unwrap();
        for _ in 0..2 {
            for (n, id) in ids.iter().enumerate() {
                assert_eq!(index.find(id), Some(n));
            }
            index.refine();
        }
        assert_eq!(index.find(&[0x42; 20]), None);
    }

    #[test]
    fn version_1_is_read_too() {
        let mut bytes = Vec::new();
        for n in 0..=255u8 {
            bytes.extend(u32::from(n >= 9).to_be_bytes());
        }
        bytes.extend(77u32.to_be_bytes());
        bytes.extend([9; 20]);
        bytes.extend([0; 40]);
        let file = written(&bytes);
        let index = Index::open(file.path(), 20).unwrap();
        assert_eq!(index.find(&[9; 20]).and_then(|at| index.offset(at)), Some(77));
    }

    #[test]
    fn every_truncation_is_an_error_and_no_panic() {
        let whole = version_2(&[(1, 12), (2, 5_000_000_000)]);
        for len in 0..whole.len() - 8 {
            let file = written(&whole[..len]);
            assert!(Index::open(file.path(), 20).is_err(), "{len}");
        }
    }

    #[test]
    fn a_falling_fan_out_is_refused() {
        let mut bytes = version_2(&[(1, 12)]);
        bytes[8..12].copy_from_slice(&9u32.to_be_bytes());
        assert!(Index::open(written(&bytes).path(), 20).is_err());
    }

    #[test]
    fn an_offset_out_of_the_large_table_is_none() {
        let mut bytes = version_2(&[(1, 12)]);
        let at = bytes.len() - 44;
        bytes[at..at + 4].copy_from_slice(&0xffff_ffffu32.to_be_bytes());
        assert_eq!(Index::open(written(&bytes).path(), 20).unwrap().offset(0), None);
    }
}
