//! The entries of an index in order of their paths, also of one that is split into a large shared file and a small one with what has
//! changed since.
//! <https://git-scm.com/docs/index-format#_split_index>

use std::io;
use std::ops::Range;
use std::path::Path;

use super::cached::Cached;
use super::ewah;
use super::file::{self, Entry, IndexError, Layout};
use crate::blob::ObjectId;
use crate::source::git::map::{self, Map};

/// An index, read.
#[derive(Default)]
pub(super) struct Table {
    files: Vec<File>,
    entries: Vec<Entry>,
    /// In the first file.
    cache: Option<Range<usize>>,
    hash_len: usize,
}

struct File {
    data: Map,
    paths: Vec<u8>,
    is_compressed: bool,
}

/// Why an index could not be read.
#[derive(Debug, thiserror::Error)]
pub(in crate::source::git) enum TableError {
    #[error("reading it failed: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl Table {
    /// Reads the index at `path`; one that is not there has no entries. `git_dir` is where its shared part would be.
    ///
    /// # Errors
    /// When it can't be read or makes no sense.
    pub(super) fn open(path: &Path, git_dir: &Path, hash_len: usize) -> Result<Self, TableError> {
        let data = match map::map(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self { hash_len, ..Self::default() }),
            data => data?,
        };
        let Layout { entries, paths, is_compressed, cache, link, .. } = Layout::of(&data, hash_len, 0)?;
        let files = vec![File { data, paths, is_compressed }];
        let mut table = Self { files, entries, cache, hash_len };
        if let Some(link) = link {
            table.join_shared(link, git_dir)?;
        }
        Ok(table)
    }

    /// In order of path and stage, once [`Table::check_order`] has said so.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn path(&self, entry: &Entry) -> &[u8] {
        let file = &self.files[usize::from(entry.path_file)];
        let bytes = if file.is_compressed { &file.paths } else { &file.data[..] };
        &bytes[entry.path as usize..][..usize::from(entry.path_len)]
    }

    pub(super) fn id(&self, entry: &Entry) -> ObjectId {
        let data = &self.files[usize::from(entry.file)].data;
        let raw = &data[file::id_at(entry.at as usize)..][..self.hash_len];
        ObjectId::from_bytes(raw).expect("an index is opened with the length of a hash")
    }

    pub(super) fn mode(&self, entry: &Entry) -> u32 {
        file::mode(&self.files[usize::from(entry.file)].data, entry.at as usize)
    }

    /// The tree that the whole index would be written as, if that is known, and how many entries it is of.
    pub(super) fn tree(&self) -> Option<(usize, ObjectId)> {
        Cached::root(self.cache()?, self.hash_len)
    }

    /// The trees that parts of it would be written as.
    ///
    /// # Errors
    /// When they make no sense.
    pub(super) fn cached(&self) -> Result<Cached<'_>, IndexError> {
        self.cache().map_or_else(|| Ok(Cached::default()), |data| Cached::read(data, self.hash_len))
    }

    fn cache(&self) -> Option<&[u8]> {
        self.cache.clone().map(|cache| &self.files[0].data[cache])
    }

    /// Makes sure that the entries are in order: what has come out of it would be missed.
    ///
    /// # Errors
    /// When they are not.
    pub(super) fn check_order(&self) -> Result<(), IndexError> {
        let key = |entry: &Entry| (self.path(entry), entry.flags.stage);
        let is_sorted = self.entries.is_sorted_by(|entry, next| key(entry) < key(next));
        let is_named = self.entries.first().is_none_or(|first| first.path_len > 0);
        let wrong = Err(IndexError::Damaged("its entries are not in order"));
        if is_sorted && is_named { Ok(()) } else { wrong }
    }

    /// Joins the entries with those of the shared file, where there is one.
    fn join_shared(&mut self, link: Range<usize>, git_dir: &Path) -> Result<(), TableError> {
        let damaged = IndexError::Damaged("what it says of its shared part makes no sense");
        let (name, mut bitmaps) = self.files[0].data[link].split_at_checked(self.hash_len).ok_or(damaged)?;
        if name.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let id = ObjectId::from_bytes(name).expect("an index is opened with the length of a hash");
        let path = git_dir.join(format!("sharedindex.{id}"));
        let unread = |why: String| IndexError::Shared(format!("its shared part {}: {why}", path.display()));
        let data = map::map(&path).map_err(|error| unread(format!("reading it failed: {error}")))?;
        if !data.ends_with(name) {
            return Err(unread("it is not the one that belongs to this index".to_owned()).into());
        }
        let shared = Layout::of(&data, self.hash_len, 1).map_err(|error| unread(error.to_string()))?;
        if shared.link.is_some() {
            return Err(unread("it is split itself".to_owned()).into());
        }
        let count = shared.entries.len();
        let bitmap = |bitmaps: &mut &[u8]| {
            let damaged = IndexError::Damaged("what it says of its shared part makes no sense");
            if bitmaps.is_empty() { Ok(vec![false; count]) } else { ewah::read(bitmaps, count).ok_or(damaged) }
        };
        let (deleted, replaced) = (bitmap(&mut bitmaps)?, bitmap(&mut bitmaps)?);
        self.files.push(File { data, paths: shared.paths, is_compressed: shared.is_compressed });
        let kept = self.kept(&shared.entries, &deleted, &replaced)?;
        self.entries = self.merged(kept);
        Ok(())
    }

    /// The entries of the shared file as they stand now; those of this one that took their places are taken out.
    fn kept(&mut self, shared: &[Entry], deleted: &[bool], replaced: &[bool]) -> Result<Vec<Entry>, IndexError> {
        let count = replaced.iter().filter(|is_replaced| **is_replaced).count();
        let mut own = std::mem::take(&mut self.entries);
        if own.len() < count {
            return Err(IndexError::Damaged("it replaces more entries of its shared part than it has"));
        }
        self.entries = own.split_off(count);
        let (mut own, mut kept) = (own.into_iter(), Vec::with_capacity(shared.len()));
        for ((entry, is_deleted), is_replaced) in shared.iter().zip(deleted).zip(replaced) {
            // What stands for another has its path.
            let path = (entry.path, entry.path_len, entry.path_file);
            let new = if *is_replaced { own.next() } else { None };
            let new = new.map(|new| Entry { path: path.0, path_len: path.1, path_file: path.2, ..new });
            kept.extend((!is_deleted).then_some(new.unwrap_or(*entry)));
        }
        Ok(kept)
    }

    /// Two rows in order as one; of what stands in both, what stands in this file.
    fn merged(&self, kept: Vec<Entry>) -> Vec<Entry> {
        let key = |entry: &Entry| (self.path(entry), entry.flags.stage);
        let mut all: Vec<Entry> = self.entries.iter().copied().chain(kept).collect();
        // Stable: of two alike the own one is first.
        all.sort_by(|a, b| key(a).cmp(&key(b)));
        all.dedup_by(|later, first| key(later) == key(first));
        all
    }
}
