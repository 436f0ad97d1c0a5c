//! What the next commit adds to HEAD: files of the index that HEAD's tree has not, or has otherwise. Directories whose tree is known and
//! the same are not entered.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use bstr::{BString, ByteSlice};

use super::cached::Cached;
use super::file::Entry;
use super::table::Table;
use crate::blob::ObjectId;
use crate::source::Skipped;
use crate::source::git::bases::Bases;
use crate::source::git::object::{self, Kind, TreeEntry};
use crate::source::git::odb::Odb;

/// A file that the next commit has and HEAD has not, or not so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change {
    pub(super) path: BString,
    pub(super) blob: ObjectId,
    /// What HEAD has there.
    pub(super) old: Option<ObjectId>,
    /// What other parents of the next commit have there.
    pub(super) theirs: Vec<ObjectId>,
}

impl Change {
    fn new(path: BString, blob: ObjectId, old: Option<ObjectId>) -> Self {
        Self { path, blob, old, theirs: Vec::new() }
    }
}

/// What the next commit changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// In order of path.
    pub(super) files: Vec<Change>,
    /// Blobs that HEAD has and the next commit has not at their paths: files that were renamed are among them.
    pub(super) gone: HashSet<ObjectId>,
    /// Paths that a merge could not decide.
    pub(super) unmerged: Vec<BString>,
    /// Directories that could not be read.
    pub(super) skipped: Vec<Skipped>,
}

/// A directory as the next commit will have it.
enum New {
    /// Entries of the index, and the number of what is known of them.
    Entries(Range<usize>, Option<usize>),
    /// A whole tree of which only its name is in the index.
    Tree(ObjectId),
}

/// A directory in both.
struct Directory {
    /// With a slash at the end, but for the root.
    path: BString,
    new: New,
    old: Option<ObjectId>,
}

/// What stands in a directory of the next commit.
enum Item {
    File(ObjectId),
    /// A submodule's commit: not an object of this repository.
    Link,
    Directory(New),
    /// Undecided; the versions that are not HEAD's.
    Unmerged(Vec<ObjectId>),
}

/// What stands in a directory of HEAD.
struct Old<'t> {
    /// In order of name.
    entries: Vec<TreeEntry<'t>>,
    was_asked_for: Vec<bool>,
    /// What will probably be asked for next.
    next: usize,
}

impl<'t> Old<'t> {
    fn new(mut entries: Vec<TreeEntry<'t>>) -> Self {
        // Almost sorted as they are.
        entries.sort_by_key(|entry| entry.name);
        Self { was_asked_for: vec![false; entries.len()], entries, next: 0 }
    }

    fn named(&mut self, name: &[u8]) -> Option<&TreeEntry<'t>> {
        let is_at = |at: usize| self.entries.get(at).is_some_and(|entry| entry.name == name);
        let at = match is_at(self.next) {
            true => self.next,
            false => self.entries.partition_point(|entry| entry.name < name),
        };
        if !is_at(at) {
            return None;
        }
        self.next = at + 1;
        self.was_asked_for[at] = true;
        self.entries.get(at)
    }

    fn others(&self) -> impl Iterator<Item = &TreeEntry<'t>> {
        self.entries
            .iter()
            .zip(&self.was_asked_for)
            .filter(|(_, was_asked_for)| !**was_asked_for)
            .map(|(entry, _)| entry)
    }
}

fn id(entry: &TreeEntry<'_>) -> ObjectId {
    ObjectId::from_bytes(entry.raw_id).expect("entries of a tree have the length of a hash")
}

/// What git writes for directories, links to other repositories.
const TREE: u32 = 0o040_000;
const LINK: u32 = 0o160_000;
const KIND: u32 = 0o170_000;
/// Memory for trees that others are made of.
const KEPT: usize = 8 << 20;

/// The stage of a path as HEAD's side of a merge has it, and of the other side's.
const OURS: u8 = 2;
const THEIRS: u8 = 3;

/// An index on its way along the tree of HEAD.
pub(super) struct Compare<'a> {
    table: &'a Table,
    odb: &'a Odb,
    cached: &'a Cached<'a>,
    bases: Bases,
    changes: Changes,
    /// Directories that are in HEAD only.
    gone: Vec<ObjectId>,
    /// Pairs of trees that were compared before: a tree can hold another under ten names, which holds one under ten, and so on.
    compared: HashSet<(ObjectId, Option<ObjectId>)>,
}

impl<'a> Compare<'a> {
    pub(super) fn new(table: &'a Table, cached: &'a Cached<'a>, odb: &'a Odb) -> Self {
        let bases = Bases::new(KEPT);
        let (changes, gone, compared) = (Changes::default(), Vec::new(), HashSet::new());
        Self { table, odb, cached, bases, changes, gone, compared }
    }

    /// Compares the index with the tree of HEAD; there is none before the first commit.
    pub(super) fn run(mut self, head: Option<ObjectId>) -> Changes {
        let root = New::Entries(0..self.table.entries().len(), Some(0));
        let mut waiting = vec![Directory { path: BString::default(), new: root, old: head }];
        while let Some(directory) = waiting.pop() {
            self.directory(directory, &mut waiting);
        }
        self.changes.files.sort();
        // Only what is new can have been renamed.
        if self.changes.files.iter().any(|change| change.old.is_none()) {
            self.add_gone();
        }
        self.changes
    }

    fn directory(&mut self, directory: Directory, waiting: &mut Vec<Directory>) {
        let old = directory.old.map(|tree| self.read(tree)).unwrap_or_default();
        let mut old = Old::new(object::tree_entries(&old, self.odb.hash_len()).collect());
        let tree = match directory.new {
            New::Tree(id) => self.read(id),
            New::Entries(..) => Arc::default(),
        };
        for (name, item) in self.listed(&directory, &tree) {
            let before = old.named(name);
            let path = || BString::from([&directory.path[..], name].concat());
            let file = before.filter(|old| !old.is_tree && !old.is_link).map(id);
            match item {
                Item::Directory(new) => {
                    self.take_away(before.filter(|old| !old.is_tree));
                    let tree = before.filter(|old| old.is_tree).map(id);
                    if !self.is_same(&new, tree) {
                        let path = [&path()[..], b"/"].concat().into();
                        waiting.push(Directory { path, new, old: tree });
                    }
                }
                Item::File(blob) if file == Some(blob) => {}
                Item::File(blob) => {
                    self.take_away(before.filter(|old| old.is_tree));
                    self.changes.files.push(Change::new(path(), blob, file));
                }
                Item::Link => self.take_away(before.filter(|old| !old.is_link)),
                Item::Unmerged(blobs) => {
                    let changed = blobs.into_iter().filter(|blob| file != Some(*blob));
                    self.changes.files.extend(changed.map(|blob| Change::new(path(), blob, file)));
                    self.changes.unmerged.push(path());
                }
            }
        }
        old.others().for_each(|old| self.take_away(Some(old)));
    }

    /// Notes what HEAD has and the next commit has not.
    fn take_away(&mut self, old: Option<&TreeEntry<'_>>) {
        match old {
            Some(old) if old.is_tree => self.gone.push(id(old)),
            Some(old) if !old.is_link => drop(self.changes.gone.insert(id(old))),
            _ => {}
        }
    }

    /// Whether a directory need not be entered.
    fn is_same(&mut self, new: &New, old: Option<ObjectId>) -> bool {
        match new {
            New::Entries(range, node) => {
                let known = node.and_then(|node| self.cached.get(node)?.valid);
                known.is_some_and(|(count, id)| count == range.len() && old == Some(id))
            }
            New::Tree(id) => old == Some(*id) || !self.compared.insert((*id, old)),
        }
    }

    /// What stands in a directory, each name once. `tree` is its content if it is a whole tree.
    fn listed<'t>(&self, directory: &Directory, tree: &'t [u8]) -> Vec<(&'t [u8], Item)>
    where
        'a: 't,
    {
        match &directory.new {
            New::Entries(range, node) => self.entries(range.clone(), *node, directory.path.len()),
            New::Tree(_) => {
                let item = |entry: TreeEntry<'t>| match entry {
                    TreeEntry { is_tree: true, .. } => (entry.name, Item::Directory(New::Tree(id(&entry)))),
                    TreeEntry { is_link: true, .. } => (entry.name, Item::Link),
                    _ => (entry.name, Item::File(id(&entry))),
                };
                object::tree_entries(tree, self.odb.hash_len()).map(item).collect()
            }
        }
    }

    /// The same of entries of the index whose paths share their first `prefix` bytes.
    fn entries(&self, range: Range<usize>, node: Option<usize>, prefix: usize) -> Vec<(&'a [u8], Item)> {
        let (table, all) = (self.table, self.table.entries());
        let children = node.map(|node| self.cached.children(node)).unwrap_or_default();
        let (mut listed, mut at) = (Vec::new(), range.start);
        while at < range.end {
            let path = table.path(&all[at]);
            let name = &path[prefix..];
            let end;
            if let Some(slash) = name.find_byte(b'/') {
                let inside = &path[..=prefix + slash];
                end = at + starting_with(table, &all[at..range.end], inside);
                let is_sparse = inside.len() == path.len() && table.mode(&all[at]) & KIND == TREE;
                let new = match is_sparse {
                    true => New::Tree(table.id(&all[at])),
                    false => New::Entries(at..end, children.get(&name[..slash]).copied()),
                };
                listed.push((&name[..slash], Item::Directory(new)));
            } else {
                let same = all[at + 1..range.end].iter().take_while(|entry| table.path(entry) == path).count();
                end = at + 1 + same;
                listed.extend(self.file(at..end).map(|item| (name, item)));
            }
            at = end;
        }
        listed
    }

    /// What the entries of one path are; nothing for one that is only announced.
    fn file(&self, range: Range<usize>) -> Option<Item> {
        let entries = &self.table.entries()[range];
        let first = entries.first()?;
        let id = self.table.id(first);
        match first.flags.stage {
            0 if first.flags.intent_to_add => None,
            0 if self.table.mode(first) & KIND == LINK => Some(Item::Link),
            0 => Some(Item::File(id)),
            _ => {
                let is_side = |stage: u8| stage == OURS || stage == THEIRS;
                let sides = entries.iter().filter(|entry| is_side(entry.flags.stage));
                let files = sides.filter(|entry| self.table.mode(entry) & KIND != LINK);
                Some(Item::Unmerged(files.map(|entry| self.table.id(entry)).collect()))
            }
        }
    }

    /// The blobs of all directories that are in HEAD only.
    fn add_gone(&mut self) {
        let mut entered = HashSet::new();
        while let Some(tree) = self.gone.pop() {
            if entered.insert(tree) {
                let data = self.read(tree);
                object::tree_entries(&data, self.odb.hash_len()).for_each(|entry| self.take_away(Some(&entry)));
            }
        }
    }

    /// The content of a tree; what is wrong with it is noted.
    fn read(&mut self, tree: ObjectId) -> Arc<Vec<u8>> {
        let why = match self.odb.read_with(tree, &mut self.bases) {
            Ok(Some((Kind::Tree, data))) => {
                let end = object::tree_entries(&data, self.odb.hash_len()).last().map_or(0, |entry| entry.at.end);
                if end < data.len() {
                    self.unread(tree, "it is a damaged tree; try `git fsck`");
                }
                return data;
            }
            Ok(Some(_)) => "it is no tree, as it should be; `git fsck` tells more".to_owned(),
            // git never writes it, and knows it all the same.
            Ok(None) if is_empty_tree(tree) => return Arc::default(),
            Ok(None) => "it is missing; in a partial clone `git fetch --refetch` brings it".to_owned(),
            Err(error) => format!("{error}; `git fsck` tells more"),
        };
        self.unread(tree, &why);
        Arc::default()
    }

    fn unread(&mut self, id: ObjectId, why: &str) {
        self.changes.skipped.push(Skipped::new(self.odb.label(id), why));
    }
}

/// How many entries in a row have paths that begin so; the first does.
fn starting_with(table: &Table, entries: &[Entry], start: &[u8]) -> usize {
    // Most directories are small.
    let (mut low, mut step) = (1, 1);
    while low + step < entries.len() && table.path(&entries[low + step]).starts_with(start) {
        low += step;
        step *= 2;
    }
    let rest = &entries[low..entries.len().min(low + step + 1)];
    low + rest.partition_point(|entry| table.path(entry).starts_with(start))
}

fn is_empty_tree(id: ObjectId) -> bool {
    let empty = [
        "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
    ];
    empty.into_iter().any(|hex| ObjectId::from_hex(hex.as_bytes()) == Some(id))
}

impl Changes {
    /// Whether a change only moves a file: its blob was under another path, which is gone.
    pub(super) fn is_renamed(&self, change: &Change) -> bool {
        change.old.is_none() && self.gone.contains(&change.blob)
    }
}
