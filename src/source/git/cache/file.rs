//! The file of a cache as bytes: a table, three sections, a digest of each. What is in the sections is `cache`'s business.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::blob::ObjectId;
use crate::source::tree::{Links, open_regular};

/// The first bytes of a cache; the number is that of its format.
const MAGIC: &[u8; 24] = b"keysweep history cache 1";
/// Where the sections begin: magic, length and digest of each, digest of all that.
const TABLE: usize = MAGIC.len() + SECTIONS * (8 + 32) + 32;
pub(super) const SECTIONS: usize = 3;

/// An opened file; its sections are read when they are asked for.
pub(super) struct Reader {
    file: File,
    /// Where each begins, its length, its digest.
    sections: [(u64, u64, [u8; 32]); SECTIONS],
}

impl Reader {
    /// Opens a cache.
    ///
    /// # Errors
    /// What opening gives, and `InvalidData` with a reason when it is no cache.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        fs::metadata(path)?;
        let (mut file, _) = open_regular(path, Links::Follow).map_err(io::Error::other)?;
        if !is_own(&file, path)? {
            return Err(bad("it belongs to another user"));
        }
        let size = file.metadata()?.len();
        let mut table = Vec::new();
        (&mut file).take(TABLE as u64).read_to_end(&mut table)?;
        if !table.starts_with(MAGIC) {
            return Err(bad("it was written by something else"));
        }
        let Some((told, digest)) = table.split_at_checked(TABLE - 32).filter(|_| table.len() == TABLE) else {
            return Err(bad("it is cut short"));
        };
        if Sha256::digest(told).as_slice() != digest {
            return Err(bad("it is damaged"));
        }
        let mut input = Input(&told[MAGIC.len()..]);
        let mut at = TABLE as u64;
        let mut sections = [(0, 0, [0; 32]); SECTIONS];
        for section in &mut sections {
            let (length, digest) = input.u64().zip(input.array()).ok_or_else(|| bad("it is damaged"))?;
            *section = (at, length, digest);
            at = at.checked_add(length).filter(|end| *end <= size).ok_or_else(|| bad("it is cut short"))?;
        }
        Ok(Self { file, sections })
    }

    /// The bytes of a section.
    ///
    /// # Errors
    /// What reading gives, and `InvalidData` when they are not those that were written.
    pub(super) fn section(&mut self, number: usize) -> io::Result<Vec<u8>> {
        let (at, length, digest) = self.sections[number];
        self.file.seek(SeekFrom::Start(at))?;
        let mut bytes = Vec::new();
        (&mut self.file).take(length).read_to_end(&mut bytes)?;
        if Sha256::digest(&bytes).as_slice() != digest {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is damaged"));
        }
        Ok(bytes)
    }
}

/// Puts a cache in the place of the one that was there, in one step.
///
/// # Errors
/// What writing gives.
pub(super) fn write(path: &Path, sections: [&[u8]; SECTIONS]) -> io::Result<()> {
    let mut table = MAGIC.to_vec();
    for section in sections {
        table.extend((section.len() as u64).to_le_bytes());
        table.extend(Sha256::digest(section));
    }
    let digest = Sha256::digest(&table);
    table.extend(digest);
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(&table)?;
    sections.iter().try_for_each(|section| file.write_all(section))?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Whether a file is of the user who runs this program: what somebody else wrote might hide what there is to find. A file that is made
/// tells who that is, best beside the other: some file systems give files of one user to another one.
#[cfg(unix)]
fn is_own(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let probe = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")));
    let own = probe.and_then(|probe| fs::metadata(probe.path())).or_else(|_| tempfile::tempfile()?.metadata());
    Ok(own.is_ok_and(|own| own.uid() == file.metadata().map_or(u32::MAX, |found| found.uid())))
}

#[cfg(not(unix))]
fn is_own(_file: &File, path: &Path) -> io::Result<bool> {
    fs::metadata(path).map(|found| found.is_file())
}

/// Numbers and ids, to be written: little-endian, lists after their length.
#[derive(Default)]
pub(super) struct Output(pub(super) Vec<u8>);

impl Output {
    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn id(&mut self, id: &ObjectId) {
        self.0.extend(id.as_bytes());
    }

    pub(super) fn list<T>(&mut self, items: impl ExactSizeIterator<Item = T>, mut each: impl FnMut(&mut Self, T)) {
        self.u32(items.len() as u32);
        items.for_each(|item| each(self, item));
    }
}

/// The same, to be read; `None` where there is less than there should be.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(super) fn id(&mut self, hash_len: usize) -> Option<ObjectId> {
        ObjectId::from_bytes(self.take(hash_len)?)
    }

    pub(super) fn list<T>(&mut self, mut each: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let length = self.u32()?;
        (0..length).map(|_| each(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cache");
        write(&path, [b"head", b"", &[7; 1000]]).unwrap();
        (directory, path)
    }

    #[test]
    fn sections_come_back_as_they_were() {
        let (_directory, path) = written();
        let mut reader = Reader::open(&path).unwrap();
        assert_eq!(reader.section(2).unwrap(), [7; 1000]);
        assert_eq!((reader.section(0).unwrap(), reader.section(1).unwrap()), (b"head".to_vec(), vec![]));
    }

    #[test]
    fn whatever_byte_is_changed_or_lost_is_noticed() {
        let (_directory, path) = written();
        let whole = fs::read(&path).unwrap();
        let read =
            || Reader::open(&path).and_then(|mut reader| (0..SECTIONS).try_for_each(|n| reader.section(n).map(drop)));
        assert!(read().is_ok());
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).unwrap();
            assert!(read().is_err(), "{at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(read().is_err(), "{at}");
        }
    }

    #[test]
    fn lists_that_claim_too_much_are_none() {
        let mut output = Output::default();
        output.list([1u32, 2].into_iter(), Output::u32);
        assert_eq!(Input(&output.0).list(Input::u32), Some(vec![1, 2]));
        assert_eq!(Input(&output.0[..11]).list(Input::u32), None);
        assert_eq!(Input(&[0xff; 8]).list(Input::u32), None);
        assert_eq!(Input(&[0xff; 8]).id(20), None);
    }
}
