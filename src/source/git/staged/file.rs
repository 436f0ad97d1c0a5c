//! One file of git's index, versions 2 to 4, SHA-1 and SHA-256: where its entries and its extensions are.
//! <https://git-scm.com/docs/index-format>
//!
//! Nothing in it is believed: every number is checked before it is followed. What the entries mean is `table`'s and `compare`'s business.

use std::ops::Range;

use bstr::ByteSlice;

use crate::source::git::index::u32_at;

/// Why an index can't be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::source::git) enum IndexError {
    #[error("it is no index of git")]
    Signature,
    #[error("its version {0} is unknown, the known ones are 2, 3 and 4")]
    Version(u32),
    #[error("it is larger than any index should be")]
    Size,
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    #[error("it needs the extension `{0}`, which is unknown")]
    Extension(String),
    #[error("{0}")]
    Shared(String),
}

/// The bits of an entry that matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    /// 0, or 1 to 3 for a path that a merge could not decide.
    pub(super) stage: u8,
    /// Announced by `git add --intent-to-add`: there is nothing to commit yet.
    pub(super) intent_to_add: bool,
}

/// Where an entry stands. There are as many as there are files: it is kept small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its first byte in the file.
    pub(super) at: u32,
    /// Its path: in the file, or in what was decoded of it in version 4.
    pub(super) path: u32,
    pub(super) path_len: u16,
    pub(super) flags: Flags,
    /// The numbers of the file that it is in, and of the one that its path is in.
    pub(super) file: u8,
    pub(super) path_file: u8,
}

/// What stands where in a file.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) entries: Vec<Entry>,
    /// Paths of version 4, one after the other; other versions have theirs in the file.
    pub(super) paths: Vec<u8>,
    pub(super) is_compressed: bool,
    /// The number that entries have of this file.
    file: u8,
    /// The trees that parts of the index would be written as.
    pub(super) cache: Option<Range<usize>>,
    /// The other file that this one only says the changes of.
    pub(super) link: Option<Range<usize>>,
}

/// Times, numbers of device, inode, owner and group, mode, size.
const STAT: usize = 40;
const MODE: usize = 24;
/// A path this long or longer has no length in the flags.
const LONG: usize = 0x0fff;
const EXTENDED: u16 = 0x4000;
const INTENT_TO_ADD: u16 = 0x2000;
/// Bits of the second half of the flags that have a meaning: intent to add, and to skip in the working tree.
const KNOWN_EXTENDED: u16 = 0x6000;
/// What has a longer path can't be checked out.
const LONGEST_PATH: usize = 4096;
/// Decoded paths of version 4 take no more than so many times the bytes of the file.
const MOST_DECODED: usize = 64;

/// Where the id of the entry at `at` stands.
pub(super) fn id_at(at: usize) -> usize {
    at + STAT
}

/// What kind of file an entry is.
pub(super) fn mode(data: &[u8], at: usize) -> u32 {
    u32_at(data, at + MODE).unwrap_or(0)
}

impl Layout {
    /// Goes through a whole file. `file` is the number that its entries are to have of it.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(super) fn of(data: &[u8], hash_len: usize, file: u8) -> Result<Self, IndexError> {
        if !data.starts_with(b"DIRC") {
            return Err(IndexError::Signature);
        }
        if u32::try_from(data.len()).is_err() {
            return Err(IndexError::Size);
        }
        let (Some(version), Some(count)) = (u32_at(data, 4), u32_at(data, 8)) else {
            return Err(IndexError::Damaged("it ends in its header"));
        };
        if !(2..=4).contains(&version) {
            return Err(IndexError::Version(version));
        }
        // The checksum at the end is not looked at: git itself does so only in `git fsck`, and it takes longer than all else.
        let end = data.len().checked_sub(hash_len).filter(|end| *end >= 12);
        let end = end.ok_or(IndexError::Damaged("it ends in its header"))?;
        let count = count as usize;
        if count > (end - 12) / (STAT + hash_len + 3) {
            return Err(IndexError::Damaged("it has no room for as many entries as it counts"));
        }
        let is_compressed = version == 4;
        let mut layout = Self { is_compressed, file, entries: Vec::with_capacity(count), ..Self::default() };
        let reader = Reader { data: &data[..end], hash_len };
        let at = if is_compressed { layout.add_compressed(&reader, count) } else { layout.add(&reader, count) };
        layout.add_extensions(reader.data, at?)?;
        Ok(layout)
    }

    /// Entries with their paths in full, filled up to a multiple of eight bytes.
    fn add(&mut self, reader: &Reader<'_>, count: usize) -> Result<usize, IndexError> {
        let mut at = 12;
        for _ in 0..count {
            let fixed = reader.fixed(at)?;
            let len = reader.path_len(&fixed)?;
            let path = fixed.path;
            self.push(at, path as u32, len, fixed.flags)?;
            at += (path + len - at + 8) & !7;
        }
        Ok(at)
    }

    /// Entries with what their paths have not in common with the ones before.
    fn add_compressed(&mut self, reader: &Reader<'_>, count: usize) -> Result<usize, IndexError> {
        let (mut at, mut last) = (12, 0..0);
        for _ in 0..count {
            let fixed = reader.fixed(at)?;
            let mut rest = reader.data.get(fixed.path..).unwrap_or_default();
            let before = rest.len();
            let dropped = varint(&mut rest).and_then(|dropped| usize::try_from(dropped).ok());
            let kept = dropped.and_then(|dropped| last.len().checked_sub(dropped));
            let kept = kept.ok_or(IndexError::Damaged("a path is shortened by more than it has"))?;
            let suffix = rest.find_byte(0).ok_or(IndexError::Damaged("a path has no end"))?;
            let len = kept + suffix;
            if fixed.told_len != LONG && fixed.told_len != len {
                return Err(IndexError::Damaged("a path is not as long as it says"));
            }
            if self.paths.len() + len > MOST_DECODED * reader.data.len() {
                return Err(IndexError::Size);
            }
            let start = self.paths.len();
            self.paths.extend_from_within(last.start..last.start + kept);
            self.paths.extend_from_slice(&rest[..suffix]);
            last = start..start + len;
            let path = u32::try_from(start).map_err(|_| IndexError::Size)?;
            self.push(at, path, len, fixed.flags)?;
            at = fixed.path + (before - rest.len()) + suffix + 1;
        }
        Ok(at)
    }

    fn push(&mut self, at: usize, path: u32, len: usize, flags: Flags) -> Result<(), IndexError> {
        if len > LONGEST_PATH {
            return Err(IndexError::Damaged("a path is longer than any file system takes"));
        }
        let (at, path_len) = (at as u32, len as u16);
        self.entries.push(Entry { at, path, path_len, flags, file: self.file, path_file: self.file });
        Ok(())
    }

    /// What follows the entries. Small letters mark what must be understood.
    fn add_extensions(&mut self, data: &[u8], mut at: usize) -> Result<(), IndexError> {
        while at < data.len() {
            let size = data.get(at..).and_then(|rest| u32_at(rest, 4)).map(|size| size as usize);
            let size = size.filter(|size| *size <= data.len() - at - 8);
            let size = size.ok_or(IndexError::Damaged("an extension does not end within it"))?;
            let (name, content) = (&data[at..at + 4], at + 8..at + 8 + size);
            match name {
                b"TREE" => self.cache = Some(content),
                b"link" => self.link = Some(content),
                // Says only that entries may stand for whole directories; those are known by their mode.
                b"sdir" => {}
                [b'A'..=b'Z', ..] => {}
                _ => return Err(IndexError::Extension(name.to_str_lossy().into_owned())),
            }
            at += 8 + size;
        }
        Ok(())
    }
}

/// A file without its checksum.
struct Reader<'a> {
    data: &'a [u8],
    hash_len: usize,
}

/// The part of an entry before its path.
struct Fixed {
    flags: Flags,
    /// The length of the path by the flags; [`LONG`] if it has no room there.
    told_len: usize,
    /// Where the path begins.
    path: usize,
}

impl Reader<'_> {
    fn fixed(&self, at: usize) -> Result<Fixed, IndexError> {
        let cut = IndexError::Damaged("it ends within an entry");
        let after_id = at + STAT + self.hash_len;
        let Some(flags) = u16_at(self.data, after_id) else {
            return Err(cut);
        };
        let mut fixed = Fixed {
            flags: Flags { stage: (flags >> 12 & 3) as u8, intent_to_add: false },
            told_len: usize::from(flags) & LONG,
            path: after_id + 2,
        };
        if flags & EXTENDED != 0 {
            let more = u16_at(self.data, fixed.path).ok_or(cut)?;
            if more & !KNOWN_EXTENDED != 0 {
                return Err(IndexError::Damaged("an entry has flags that have no meaning"));
            }
            fixed.flags.intent_to_add = more & INTENT_TO_ADD != 0;
            fixed.path += 2;
        }
        Ok(fixed)
    }

    /// How long the path of an entry is that stands there in full, with a zero after it.
    fn path_len(&self, fixed: &Fixed) -> Result<usize, IndexError> {
        let len = match fixed.told_len {
            LONG => self.data.get(fixed.path + LONG..).and_then(|rest| rest.find_byte(0)).map(|more| LONG + more),
            len => Some(len),
        };
        let is_ended = |len: &usize| self.data.get(fixed.path + len) == Some(&0);
        len.filter(is_ended).ok_or(IndexError::Damaged("a path has no end"))
    }
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    let raw = data.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(raw.try_into().ok()?))
}

/// Seven bits a byte, highest first, each further byte adding one.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let (mut first, mut after) = rest.split_first()?;
    let mut value = u64::from(first & 0x7f);
    while first & 0x80 != 0 {
        (first, after) = after.split_first()?;
        value = value.checked_add(1)?.checked_mul(128)? | u64::from(first & 0x7f);
    }
    *rest = after;
    Some(value)
}
