//! A part of history: what the commits of a range brought, found by comparing their trees with those of their parents. What it costs
//! follows the range and not the repository.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bstr::BString;
use rayon::prelude::*;

use super::attribution::Attribution;
use super::bases::Bases;
use super::graph::{Links, Shards};
use super::object::{self, Kind, TreeEntry};
use super::odb::Odb;
use super::stand_in::Part;
use crate::blob::ObjectId;
use crate::provenance::{Origin, Provenance};
use crate::source::{Sink, Skipped};

/// The commits of a range, on their way through the object database.
pub(super) struct Range<'a> {
    odb: &'a Odb,
    part: &'a Part,
    sink: &'a dyn Sink,
    bases: Shards<Bases>,
    /// Entries of directories that were seen before in the same commit, see [`MOST_AGAIN`].
    again: AtomicUsize,
}

/// What the commits of a range brought.
pub(super) struct Brought {
    /// Sorted, each blob under each path once.
    files: Vec<File>,
    /// The trees from which the range starts: of parents that are not in it, and of what it is to leave out.
    before: Vec<ObjectId>,
    /// Blobs that are named without a commit.
    named: Vec<ObjectId>,
}

impl Brought {
    /// The same with blobs that are named without a commit.
    pub(super) fn and(self, named: Vec<ObjectId>) -> Self {
        Self { named, ..self }
    }

    /// Each blob once.
    pub(super) fn blobs(&self) -> Vec<ObjectId> {
        let files = self.files.iter().map(|file| file.blob);
        let mut blobs: Vec<ObjectId> = files.chain(self.named.iter().copied()).collect();
        blobs.sort_unstable();
        blobs.dedup();
        blobs
    }
}

/// A blob under a path that none of the commit's parents has there.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct File {
    blob: ObjectId,
    path: BString,
    /// Position in [`Part::commits`] of the first that brought it.
    commit: u32,
}

/// What the parents have in the place of a directory.
struct Before<'a> {
    /// By name.
    entries: Vec<TreeEntry<'a>>,
    /// What will probably be asked for next.
    next: usize,
}

impl<'a> Before<'a> {
    fn new(mut entries: Vec<TreeEntry<'a>>) -> Self {
        // Almost sorted as they are.
        entries.sort_by_key(|entry| entry.name);
        Self { entries, next: 0 }
    }

    /// The entries of a name, one of each parent that has it.
    fn named(&mut self, name: &[u8]) -> &[TreeEntry<'a>] {
        let is_at = |at: usize| self.entries.get(at).is_some_and(|entry| entry.name == name);
        let is_first = self.next == 0 || !is_at(self.next - 1);
        let start = match is_first && is_at(self.next) {
            true => self.next,
            false => self.entries.partition_point(|entry| entry.name < name),
        };
        self.next = start + self.entries[start..].iter().take_while(|entry| entry.name == name).count();
        &self.entries[start..self.next]
    }
}

/// A directory of a commit and what stands in its place in the parents.
struct Directory {
    /// With a slash at the end, but for the root.
    path: BString,
    tree: ObjectId,
    old: Vec<ObjectId>,
}

/// Directories that stand several times in a commit are entered anew until this many entries have been: a tree can hold another under
/// ten names, which holds one under ten, and so on.
const MOST_AGAIN: usize = 1_000_000;
/// No file system and no program takes longer paths.
const LONGEST_PATH: usize = 1 << 16;

impl<'a> Range<'a> {
    pub(super) fn new(odb: &'a Odb, part: &'a Part, sink: &'a dyn Sink) -> Self {
        Self { odb, part, sink, bases: Shards::new(), again: AtomicUsize::new(0) }
    }

    /// Compares each commit with its parents. `links` are those of the commits of the range.
    pub(super) fn brought(&self, links: &Links) -> Brought {
        let trees: HashMap<ObjectId, ObjectId> = links.commits.iter().map(|(id, links)| (*id, links.tree)).collect();
        let parents = links.commits.iter().flat_map(|(_, links)| &links.parents);
        let before: BTreeSet<ObjectId> = parents.filter(|id| !trees.contains_key(*id)).copied().collect();
        let before: HashMap<ObjectId, ObjectId> =
            before.into_par_iter().filter_map(|id| Some((id, self.tree_of(id)?))).collect();
        let tree = |id: &ObjectId| trees.get(id).or_else(|| before.get(id)).copied();
        // In order of history: what is compared next was read just now.
        let mut files: Vec<File> = self
            .part
            .commits
            .par_iter()
            .enumerate()
            .flat_map_iter(|(position, id)| {
                let links = links.commits.binary_search_by_key(id, |(id, _)| *id).ok().map(|at| &links.commits[at].1);
                links.into_iter().flat_map(move |links| {
                    let old = links.parents.iter().filter_map(tree).collect();
                    self.compared(position as u32, Directory { path: BString::default(), tree: links.tree, old })
                })
            })
            .collect();
        files.par_sort_unstable();
        files.dedup_by(|later, file| later.blob == file.blob && later.path == file.path);
        if self.again.load(Ordering::Relaxed) > MOST_AGAIN {
            let why = "the same directories stand in each other too often: not all places of findings are told";
            self.sink.skipped(Skipped::new("a tree", why));
        }
        // What has gone its own way since the range forks from it may have brought the same.
        let ends = self.part.without.iter().filter_map(|id| self.tree_of_end(*id));
        let mut before: Vec<ObjectId> = before.into_values().chain(ends).collect();
        before.sort_unstable();
        before.dedup();
        Brought { files, before, named: Vec::new() }
    }

    /// The blobs of a tree that no commit of the range needs to have.
    pub(super) fn below(&self, tree: ObjectId) -> Vec<ObjectId> {
        let root = Directory { path: BString::default(), tree, old: Vec::new() };
        self.compared(0, root).into_iter().map(|file| file.blob).collect()
    }

    /// The tree of a commit or, through tags, of what they are of.
    fn tree_of_end(&self, mut id: ObjectId) -> Option<ObjectId> {
        // Tags of tags end; a hostile circle of them ends here.
        for _ in 0..64 {
            match self.bases.with(|bases| self.odb.read_with(id, bases)) {
                Ok(Some((Kind::Tag, data))) => id = object::tag_target(&data)?,
                Ok(Some((Kind::Commit, data))) => return object::commit_links(&data).map(|links| links.tree),
                _ => return None,
            }
        }
        None
    }

    /// The tree of a commit from which the range starts; `None` beyond the boundary of a shallow clone.
    fn tree_of(&self, commit: ObjectId) -> Option<ObjectId> {
        if !self.odb.contains(commit) {
            return None;
        }
        object::commit_links(&self.read(commit, Kind::Commit)?).map(|links| links.tree)
    }

    /// The blobs that stand in a commit and at the same path in none of its parents.
    fn compared(&self, commit: u32, root: Directory) -> Vec<File> {
        let (mut files, mut entered, mut waiting) = (Vec::new(), HashSet::new(), vec![root]);
        while let Some(directory) = waiting.pop() {
            if directory.old.contains(&directory.tree) {
                continue;
            }
            let is_again = !entered.insert((directory.tree, directory.old.clone()));
            if is_again && self.again.load(Ordering::Relaxed) > MOST_AGAIN {
                continue;
            }
            let before = files.len() + waiting.len();
            self.compare(&directory, commit, &mut files, &mut waiting);
            if is_again {
                self.again.fetch_add(files.len() + waiting.len() - before, Ordering::Relaxed);
            }
        }
        files
    }

    /// One tree against the trees at its path in the parents.
    fn compare(&self, directory: &Directory, commit: u32, files: &mut Vec<File>, waiting: &mut Vec<Directory>) {
        let old: Vec<Arc<Vec<u8>>> = directory.old.iter().filter_map(|id| self.read(*id, Kind::Tree)).collect();
        let entries = old.iter().flat_map(|data| object::tree_entries(data, self.odb.hash_len()));
        let mut before = Before::new(entries.collect());
        let data = self.read(directory.tree, Kind::Tree).unwrap_or_default();
        let mut end = 0;
        for entry in object::tree_entries(&data, self.odb.hash_len()) {
            end = entry.at.end;
            let same_name = before.named(entry.name);
            // A submodule may be followed by a file of the same id.
            let is_same = |old: &TreeEntry<'_>| old.raw_id == entry.raw_id && old.is_link == entry.is_link;
            let is_old = entry.is_link || same_name.iter().any(is_same);
            let Some(id) = ObjectId::from_bytes(entry.raw_id).filter(|_| !is_old) else {
                continue;
            };
            let mut path = directory.path.clone();
            path.extend_from_slice(entry.name);
            if !entry.is_tree {
                files.push(File { blob: id, path, commit });
            } else if path.len() < LONGEST_PATH {
                path.push(b'/');
                let old = same_name.iter().filter(|old| old.is_tree);
                let old = old.filter_map(|old| ObjectId::from_bytes(old.raw_id)).collect();
                waiting.push(Directory { path, tree: id, old });
            } else {
                self.unread(id, "its path is longer than any file system takes: what is in it was not read");
            }
        }
        if end < data.len() {
            self.unread(
                directory.tree,
                "it is a damaged tree: what stands behind the damage was not read; try `git fsck`",
            );
        }
    }

    fn unread(&self, id: ObjectId, why: &str) {
        self.odb.unread(id, why, self.sink);
    }

    /// The content of an object that must be there; what is wrong with it is noted.
    fn read(&self, id: ObjectId, kind: Kind) -> Option<Arc<Vec<u8>>> {
        let why = match self.bases.with(|bases| self.odb.read_with(id, bases)) {
            Ok(Some((found, data))) if found == kind => return Some(data),
            Ok(Some(_)) => "it is of another kind than expected; `git fsck` tells more".to_owned(),
            Ok(None) => "it is missing; in a partial clone `git fetch --refetch` brings it".to_owned(),
            Err(error) => format!("{error}; `git fsck` tells more"),
        };
        self.unread(id, &why);
        None
    }

    /// The places of the `wanted` objects. One that stood somewhere before the range is not new in it: it has none.
    pub(super) fn places(
        &self,
        brought: &Brought,
        wanted: &HashSet<ObjectId>,
        attribution: &Attribution<'_>,
    ) -> HashMap<ObjectId, Vec<Provenance>> {
        let stood = self.standing(&brought.before, wanted);
        let head = attribution.refs.head.and_then(|head| self.tree_of(head));
        let mut places: HashMap<ObjectId, Vec<Provenance>> = HashMap::new();
        for id in wanted {
            let first = brought.files.partition_point(|file| file.blob < *id);
            let files = brought.files[first..].iter().take_while(|file| file.blob == *id);
            let files = files.filter(|_| !stood.contains(id));
            let places = places.entry(*id).or_default();
            places.extend(files.map(|file| {
                let commit = attribution.commit(self.part.commits[file.commit as usize], true);
                let in_head = head.map(|root| self.blob_at(root, &file.path) == Some(*id));
                Provenance::new(Origin::Commit { commit, path: file.path.clone(), in_head })
            }));
        }
        for id in self.part.commits.iter().filter(|id| wanted.contains(*id)) {
            let origin = Origin::CommitMessage { commit: attribution.commit(*id, true) };
            places.entry(*id).or_default().push(Provenance::new(origin));
        }
        for (id, places) in places.iter_mut().filter(|(_, places)| places.is_empty()) {
            // Tags that the part was named by.
            if let Ok(Some((Kind::Tag, data))) = self.odb.read(*id) {
                let origin =
                    Origin::TagMessage { commit: attribution.commit(*id, true), name: object::tag_name(&data) };
                places.push(Provenance::new(origin));
            } else if brought.named.contains(id) && !stood.contains(id) {
                places.push(Provenance::new(Origin::Object { repository: attribution.repository.clone(), id: *id }));
            }
        }
        places
    }

    /// Which of the wanted blobs stand somewhere in the given trees.
    fn standing(&self, trees: &[ObjectId], wanted: &HashSet<ObjectId>) -> HashSet<ObjectId> {
        let mut entered: HashSet<ObjectId> = trees.iter().copied().collect();
        let (mut standing, mut waiting) = (HashSet::new(), trees.to_vec());
        while let Some(tree) = waiting.pop() {
            let data = self.read(tree, Kind::Tree).unwrap_or_default();
            for entry in object::tree_entries(&data, self.odb.hash_len()).filter(|entry| !entry.is_link) {
                match ObjectId::from_bytes(entry.raw_id) {
                    Some(id) if entry.is_tree => waiting.extend(entered.insert(id).then_some(id)),
                    Some(id) if wanted.contains(&id) => drop(standing.insert(id)),
                    _ => {}
                }
            }
        }
        standing
    }

    /// The blob that stands at a path.
    fn blob_at(&self, root: ObjectId, path: &[u8]) -> Option<ObjectId> {
        let mut names = path.split(|byte| *byte == b'/').peekable();
        let mut at = root;
        while let Some(name) = names.next() {
            let data = self.read(at, Kind::Tree)?;
            let is_last = names.peek().is_none();
            let mut entries = object::tree_entries(&data, self.odb.hash_len());
            let entry = entries.find(|entry| entry.name == name && !entry.is_link && entry.is_tree != is_last)?;
            at = ObjectId::from_bytes(entry.raw_id)?;
        }
        Some(at)
    }
}
