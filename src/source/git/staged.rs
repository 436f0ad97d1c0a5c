//! What the next commit adds: the index against HEAD, from the objects themselves and not from the files on disk, without a process of git.
//!
//! `file` reads the format, `ewah` and `cached` parts of it, `table` joins an index that is split, `compare` goes along the tree of HEAD,
//! and `lines` tells what is new in a file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bstr::BString;

use self::compare::{Change, Changes, Compare};
use self::file::Entry;
use self::table::Table;
pub(super) use self::table::TableError;
use super::limits::Limits;
use super::object::{self, Kind};
use super::odb::Odb;
use super::surroundings::Surroundings;
use super::walk::{Found, Visitor};
use super::{hash_len, refs};
use crate::blob::{Blob, ObjectId};
use crate::provenance::{Origin, Provenance};
use crate::source::{Sink, Skipped, Source, SourceError, Standing};

mod cached;
mod compare;
mod ewah;
mod file;
mod lines;
mod table;

/// The next commit of a repository, compared with HEAD.
pub struct Staged {
    name: Arc<str>,
    odb: Odb,
    changes: Changes,
}

/// What a file that may have been renamed is compared with: no more files than this that are gone, as git does.
const MOST_GONE: usize = 1000;

/// All files of an index under their paths. `git_dir` is where its shared part would be.
///
/// # Errors
/// When it can't be read.
pub(super) fn listed(index: &Path, git_dir: &Path, hash_len: usize) -> Result<Vec<(ObjectId, BString)>, TableError> {
    let table = Table::open(index, git_dir, hash_len)?;
    let file = |entry: &Entry| (table.id(entry), table.path(entry).into());
    Ok(table.entries().iter().map(file).collect())
}

impl Staged {
    /// Reads the index and compares it with HEAD. `name` is what the user calls the repository.
    ///
    /// # Errors
    /// When the index, HEAD or what that leads to can't be read.
    pub fn open(name: &str, at: &Surroundings, limits: Limits) -> Result<Self, SourceError> {
        let failed = |why: String| SourceError { what: format!("what is staged in {name}"), why };
        if at.work_tree.is_none() && !at.index.exists() {
            return Err(failed("it is a bare repository, and has no index".to_owned()));
        }
        let hash_len = hash_len(&at.common_dir).map_err(failed)?;
        let table = Table::open(&at.index, &at.git_dir, hash_len).map_err(|error| failed(broken(at, &error)))?;
        let odb = Odb::for_few(&at.objects, name, hash_len, false, limits);
        let head = refs::head(&at.git_dir, &at.common_dir).map_err(failed)?;
        let tree = head.map(|head| tree_of(&odb, head)).transpose().map_err(failed)?;
        let is_whole = |(count, id)| count == table.entries().len() && Some(id) == tree;
        let changes = if table.tree().is_some_and(is_whole) {
            Changes::default()
        } else {
            let cached = table.check_order().and_then(|()| table.cached());
            let cached = cached.map_err(|error| failed(broken(at, &error.into())))?;
            Compare::new(&table, &cached, &odb).run(tree)
        };
        Ok(Self { name: name.into(), odb, changes })
    }

    /// How many files the next commit adds lines to, as far as is known without reading them.
    pub fn files(&self) -> usize {
        self.added().count()
    }

    /// Whether nothing that is staged can add a line.
    pub fn is_empty(&self) -> bool {
        self.files() == 0 && self.changes.unmerged.is_empty() && self.changes.skipped.is_empty()
    }

    /// Files with a content that HEAD does not have under a path of theirs.
    fn added(&self) -> impl Iterator<Item = &Change> {
        self.changes.files.iter().filter(|change| !self.changes.is_renamed(change))
    }

    fn provenance(&self, path: &BString) -> Provenance {
        Provenance::new(Origin::Staged { repository: self.name.clone(), path: path.clone() })
    }

    /// What HEAD has in the place of a file: the file, or one that is gone and so like it that git would call it renamed. `None` if there
    /// is no such thing, and also if it can't be read: rather all lines count as new than none.
    fn before(&self, change: &Change, new: &[u8]) -> Option<Vec<u8>> {
        let read = |id: ObjectId| self.odb.read(id).ok().flatten().map(|(_, bytes)| bytes);
        if let Some(old) = change.old {
            return read(old);
        }
        if self.changes.gone.len() > MOST_GONE {
            return None;
        }
        let pieces = lines::pieces(new);
        let likeness = |id: &ObjectId| {
            let bytes = read(*id)?;
            Some((lines::likeness(&bytes, &pieces, new.len()), *id, bytes))
        };
        let like = self.changes.gone.iter().filter_map(likeness).filter(|(like, ..)| *like >= lines::ALIKE);
        like.max_by_key(|(like, id, _)| (*like, *id)).map(|(_, _, bytes)| bytes)
    }
}

impl Source for Staged {
    fn visit(&self, sink: &dyn Sink) -> Result<(), SourceError> {
        let unread = self.odb.skipped.iter().chain(&self.changes.skipped);
        unread.for_each(|skipped| sink.skipped(skipped.clone()));
        for path in &self.changes.unmerged {
            let why = "a merge left it undecided, so what will be committed is not known; decide, `git add` it and scan again";
            sink.skipped(Skipped::new(self.provenance(path).to_string(), why));
        }
        let mut paths: BTreeMap<ObjectId, Vec<&BString>> = BTreeMap::new();
        self.added().for_each(|change| paths.entry(change.blob).or_default().push(&change.path));
        // A content that stands at several paths is handed out at each.
        for round in 0.. {
            let files: HashMap<ObjectId, &BString> =
                paths.iter().filter_map(|(id, paths)| Some((*id, *paths.get(round)?))).collect();
            if files.is_empty() {
                break;
            }
            Blobs { staged: self, files, left: Mutex::default(), sink }.visit();
        }
        Ok(())
    }

    fn before(&self, at: &Provenance) -> Standing {
        let Origin::Staged { path, .. } = &at.origin else {
            return Standing::Nothing;
        };
        let changes = self.changes.files.iter().filter(|change| change.path == *path);
        // Of two sides of a merge either may be what is kept: both are told in full.
        let [change] = changes.collect::<Vec<_>>()[..] else {
            return Standing::Nothing;
        };
        let Ok(Some((_, new))) = self.odb.read(change.blob) else {
            return Standing::Nothing;
        };
        let Some(old) = self.before(change, &new) else {
            return Standing::Nothing;
        };
        match lines::added(&old, &new) {
            Ok(added) => Standing::Text { old, added },
            Err(_) => Standing::Nothing,
        }
    }
}

/// Files on their way from the object database to the sink.
struct Blobs<'a> {
    staged: &'a Staged,
    files: HashMap<ObjectId, &'a BString>,
    /// What was not met with.
    left: Mutex<HashSet<ObjectId>>,
    sink: &'a dyn Sink,
}

impl Blobs<'_> {
    fn visit(&self) {
        let odb = &self.staged.odb;
        let ids: Vec<ObjectId> = self.files.keys().copied().collect();
        *self.left() = ids.iter().copied().collect();
        odb.visit(&odb.selection(&ids), self);
        let mut left: Vec<ObjectId> = self.left().drain().collect();
        left.sort_unstable();
        for id in left {
            let why = match odb.is_here(id) {
                true => "it is no file, as the index takes it to be; `git fsck` tells more",
                false => "it is missing; in a partial clone `git fetch --refetch` brings it",
            };
            self.failed(id, why);
        }
    }

    fn left(&self) -> MutexGuard<'_, HashSet<ObjectId>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, id: ObjectId) -> Option<Provenance> {
        self.files.get(&id).map(|path| self.staged.provenance(path))
    }
}

impl Visitor for Blobs<'_> {
    type Memory = ();

    fn wants_kind(&self, kind: Kind) -> bool {
        kind == Kind::Blob
    }

    fn proves_others(&self) -> bool {
        true
    }

    fn wants(&self, kind: Kind, size: u64, id: ObjectId) -> bool {
        match (self.sink.max_size(), self.at(id)) {
            (Some(limit), Some(at)) if kind == Kind::Blob && size > limit => {
                self.left().remove(&id);
                self.sink.skipped(Skipped::too_large(at.to_string(), size, limit));
                false
            }
            _ => self.wants_kind(kind),
        }
    }

    fn found(&self, object: Found<'_, ()>) -> Option<()> {
        self.left().remove(&object.id);
        if let Some(at) = self.at(object.id) {
            self.sink.blob(Blob::alone(at, object.content));
        }
        None
    }

    fn failed(&self, id: ObjectId, why: &str) {
        self.left().remove(&id);
        if let Some(at) = self.at(id) {
            self.sink.skipped(Skipped::new(at.to_string(), format!("object {id}: {why}")));
        }
    }
}

fn broken(at: &Surroundings, error: &TableError) -> String {
    let index = at.index.display();
    format!(
        "its index {index} can't be used: {error}; `git status` may mend it, `rm {index} && git reset` makes it anew"
    )
}

/// The tree of a commit, of HEAD for one.
fn tree_of(odb: &Odb, commit: ObjectId) -> Result<ObjectId, String> {
    let why = match odb.read(commit) {
        Ok(Some((Kind::Commit, data))) => match object::commit_links(&data) {
            Some(links) => return Ok(links.tree),
            None => "it names no tree".to_owned(),
        },
        Ok(Some(_)) => "it is no commit".to_owned(),
        Ok(None) => "it is missing".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(format!("HEAD is {commit}: {why}; `git fsck` tells more"))
}

#[cfg(test)]
mod tests;
