//! What the next commit adds: the index against HEAD, from the objects themselves and not from the files on disk, without a process of git.
//!
//! `file` reads the format, `ewah` and `cached` parts of it, `table` joins an index that is split, `compare` goes along the tree of HEAD,
//! `merge` takes out what other parents have,
//! `renames` finds what was renamed, and `lines` tells what is new in a file.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bstr::BString;

use self::compare::{Change, Changes, Compare};
use self::file::Entry;
use self::renames::Renames;
use self::table::Table;
pub(super) use self::table::TableError;
use super::limits::Limits;
use super::object::{self, Kind};
use super::odb::Odb;
use super::surroundings::Surroundings;
use super::walk::{Found, Visitor};
use super::{hash_len, refs};
use crate::blob::{Blob, Content, ObjectId};
use crate::provenance::{Origin, Provenance};
use crate::source::{Sink, Skipped, Source, SourceError, Standing};

mod cached;
mod compare;
mod ewah;
mod file;
mod lines;
mod merge;
mod renames;
mod table;

/// The next commit of a repository, compared with HEAD.
pub struct Staged {
    name: Arc<str>,
    odb: Odb,
    changes: Changes,
    renames: Renames,
}

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
        let mut changes = if table.tree().is_some_and(is_whole) {
            Changes::default()
        } else {
            let cached = table.check_order().and_then(|()| table.cached());
            let cached = cached.map_err(|error| failed(broken(at, &error.into())))?;
            Compare::new(&table, &cached, &odb).run(tree)
        };
        merge::compare(&mut changes, &merge::trees(&at.git_dir, &odb), &odb);
        Ok(Self { name: name.into(), odb, changes, renames: Renames::default() })
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

    /// What parents have in the place of a file, the same file or, in HEAD, one that is gone and so like it that git would call it
    /// renamed. What can't be read is left out: rather all lines count as new than none.
    fn before(&self, change: &Change, new: &[u8]) -> Vec<Vec<u8>> {
        let ours = change.old.or_else(|| self.renames.before(new, &self.changes.gone, &self.odb));
        let read = |id: &ObjectId| self.odb.read(*id).ok().flatten().map(|(_, bytes)| bytes);
        ours.iter().chain(&change.theirs).filter_map(read).collect()
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
        let mut files: HashMap<ObjectId, Vec<&BString>> = HashMap::new();
        self.added().for_each(|change| files.entry(change.blob).or_default().push(&change.path));
        // A content that stands at several paths is handed out at each; what is no piece of memory, once for each.
        while !files.is_empty() {
            let blobs = Blobs { staged: self, files, left: Mutex::default(), again: Mutex::default(), sink };
            blobs.visit();
            let again = std::mem::take(&mut *locked(&blobs.again));
            files = again
                .into_iter()
                .filter_map(|id| blobs.files.get(&id).map(|paths| (id, paths[1..].to_vec())))
                .collect();
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
        let old = self.before(change, &new);
        let added = old.iter().filter_map(|old| lines::added(old, &new).ok());
        match added.reduce(|one, other| one.and(&other)) {
            Some(added) => Standing::Text { old, added },
            None => Standing::Nothing,
        }
    }
}

/// Files on their way from the object database to the sink.
struct Blobs<'a> {
    staged: &'a Staged,
    /// Where they stand.
    files: HashMap<ObjectId, Vec<&'a BString>>,
    /// What was not met with.
    left: Mutex<HashSet<ObjectId>>,
    /// What could be handed out at its first path only.
    again: Mutex<Vec<ObjectId>>,
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
        locked(&self.left)
    }

    fn at(&self, id: ObjectId) -> impl Iterator<Item = Provenance> {
        self.files.get(&id).into_iter().flatten().map(|path| self.staged.provenance(path))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        match self.sink.max_size() {
            Some(limit) if kind == Kind::Blob && size > limit => {
                self.left().remove(&id);
                self.at(id).for_each(|at| self.sink.skipped(Skipped::too_large(at.to_string(), size, limit)));
                false
            }
            _ => self.wants_kind(kind),
        }
    }

    fn found(&self, object: Found<'_, ()>) -> Option<()> {
        self.left().remove(&object.id);
        let mut places = self.at(object.id);
        match object.content {
            Content::Bytes(bytes) => {
                places.for_each(|at| drop(self.sink.blob(Blob::alone(at, Content::Bytes(bytes)))));
            }
            content => {
                places.next().map(|at| self.sink.blob(Blob::alone(at, content)));
                locked(&self.again).extend(places.next().map(|_| object.id));
            }
        }
        None
    }

    fn failed(&self, id: ObjectId, why: &str) {
        self.left().remove(&id);
        self.at(id).for_each(|at| self.sink.skipped(Skipped::new(at.to_string(), format!("object {id}: {why}"))));
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
