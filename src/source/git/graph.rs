//! The commits and trees of a repository as a graph of numbers, made in one pass over the object database.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::object::{self, Kind};
use super::odb::Odb;
use super::walk::{Found, Visitor};
use crate::blob::{Content, Lineage, ObjectId};
use crate::location::{Copied, Mark};
use crate::source::{Sink, Skipped};

/// A tree holds something under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link {
    /// Number of the tree that holds it, see [`Odb::number`].
    pub(super) parent: u32,
    /// Number of the tree or blob that is held.
    pub(super) child: u32,
    /// Index into [`Graph::names`].
    pub(super) name: u32,
}

/// A commit and what it links to.
pub(super) struct CommitNode {
    pub(super) id: ObjectId,
    /// Number of its root tree; `None` when that is missing.
    pub(super) tree: Option<u32>,
    /// Positions in [`Graph::commits`] of the parents that are there.
    pub(super) parents: Vec<u32>,
    pub(super) time: i64,
}

/// All commits, and of all trees the links that can lead to a wanted blob.
pub(super) struct Graph {
    pub(super) commits: Vec<CommitNode>,
    pub(super) positions: HashMap<ObjectId, u32>,
    /// Tags: id and the object that each points at.
    pub(super) tags: HashMap<ObjectId, ObjectId>,
    /// Links from tree to tree, sorted.
    pub(super) trees: Vec<Link>,
    /// Links from tree to wanted blob, sorted.
    pub(super) blobs: Vec<Link>,
    pub(super) names: Vec<Vec<u8>>,
    /// What trees speak of and is not there; commits' links and files are looked for on request only.
    pub(super) missing: HashSet<ObjectId>,
}

/// What the threads gather.
#[derive(Default)]
struct Gathered {
    commits: Vec<(ObjectId, object::CommitLinks)>,
    tags: HashMap<ObjectId, ObjectId>,
    trees: Vec<Link>,
    blobs: Vec<Link>,
    names: HashMap<Vec<u8>, u32>,
    missing: HashSet<ObjectId>,
}

struct Gather<'a> {
    odb: &'a Odb,
    wanted: &'a HashSet<ObjectId>,
    checks_files: bool,
    sink: &'a dyn Sink,
    all: Mutex<Gathered>,
    present: Present,
}

/// Files that were looked for and are there. Neighbouring trees hold nearly the same files, so that a small memory of the last
/// ones saves most look-ups.
struct Present(Vec<AtomicU64>);

impl Present {
    const SLOTS: usize = 1 << 18;

    fn new() -> Self {
        Self((0..Self::SLOTS).map(|_| AtomicU64::new(0)).collect())
    }

    /// Whether the object is there, by memory or by `look_up`. Twelve bytes of the hash tell objects apart here.
    fn check(&self, raw_id: &[u8], look_up: impl FnOnce() -> bool) -> bool {
        let (Some(first), Some(rest)) = (raw_id.first_chunk::<4>(), raw_id[4..].first_chunk::<8>()) else {
            return look_up();
        };
        let slot = &self.0[u32::from_le_bytes(*first) as usize % Self::SLOTS];
        let name = u64::from_le_bytes(*rest);
        if slot.load(Ordering::Relaxed) == name {
            return true;
        }
        let is_there = look_up();
        if is_there {
            slot.store(name, Ordering::Relaxed);
        }
        is_there
    }
}

/// Reads every commit, tag and tree once and keeps what leads to the `wanted` blobs. Given the commits at which a shallow clone was
/// cut off, it looks for everything that commits and trees speak of, but for the parents of those.
pub(super) fn build(odb: &Odb, wanted: &HashSet<ObjectId>, cuts: Option<&HashSet<ObjectId>>, sink: &dyn Sink) -> Graph {
    let gather =
        Gather { odb, wanted, checks_files: cuts.is_some(), sink, all: Mutex::default(), present: Present::new() };
    odb.visit(&gather);
    let mut all = gather.all.into_inner().unwrap_or_else(PoisonError::into_inner);
    all.commits.sort_unstable_by_key(|(id, _)| *id);
    all.trees.sort_unstable();
    all.blobs.sort_unstable();
    if let Some(cuts) = cuts {
        for (id, links) in &all.commits {
            let parents = links.parents.iter().filter(|_| !cuts.contains(id));
            all.missing.extend(parents.chain([&links.tree]).filter(|id| !odb.contains(**id)));
        }
    }
    let positions: HashMap<ObjectId, u32> =
        all.commits.iter().enumerate().map(|(position, (id, _))| (*id, position as u32)).collect();
    let commits = all
        .commits
        .into_iter()
        .map(|(id, links)| CommitNode {
            id,
            tree: odb.number(links.tree.as_bytes()),
            parents: links.parents.iter().filter_map(|parent| positions.get(parent).copied()).collect(),
            time: links.time,
        })
        .collect();
    let mut names = vec![Vec::new(); all.names.len()];
    for (name, number) in all.names {
        names[number as usize] = name;
    }
    Graph { commits, positions, tags: all.tags, trees: all.trees, blobs: all.blobs, names, missing: all.missing }
}

impl Gather<'_> {
    /// `copies` are what the tree has of another one that was seen.
    fn tree(&self, number: u32, data: &[u8], mut copies: &[Copied]) {
        let (mut trees, mut blobs, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for entry in object::tree_entries(data, self.odb.hash_len()).filter(|entry| !entry.is_link) {
            while copies.first().is_some_and(|copied| copied.to + copied.len < entry.at.end) {
                copies = &copies[1..];
            }
            let is_seen = copies.first().is_some_and(|copied| copied.to <= entry.at.start);
            if is_seen && self.wanted.is_empty() {
                continue;
            }
            let Some(id) = ObjectId::from_bytes(entry.raw_id) else {
                continue;
            };
            let is_wanted = !entry.is_tree && self.wanted.contains(&id);
            if !entry.is_tree && !is_wanted {
                let is_there = || self.odb.number(entry.raw_id).is_some();
                if self.checks_files && !is_seen && !self.present.check(entry.raw_id, is_there) {
                    missing.push(id);
                }
                continue;
            }
            match self.odb.number(entry.raw_id) {
                None => missing.push(id),
                // Without anything to lead to, only what is missing is asked for.
                Some(_) if self.wanted.is_empty() => {}
                Some(child) if entry.is_tree => trees.push((child, entry.name)),
                Some(child) => blobs.push((child, entry.name)),
            }
        }
        if trees.is_empty() && blobs.is_empty() && missing.is_empty() {
            return;
        }
        let all = &mut *self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.missing.extend(missing);
        for (links, found) in [(&mut all.trees, trees), (&mut all.blobs, blobs)] {
            for (child, name) in found {
                let next = all.names.len() as u32;
                let name = match all.names.get(name) {
                    Some(known) => *known,
                    None => *all.names.entry(name.to_vec()).or_insert(next),
                };
                links.push(Link { parent: number, child, name });
            }
        }
    }
}

impl Visitor for Gather<'_> {
    fn wants_kind(&self, kind: Kind) -> bool {
        kind != Kind::Blob
    }

    fn wants(&self, kind: Kind, _size: u64, _id: ObjectId) -> bool {
        self.wants_kind(kind)
    }

    fn found(&self, object: Found<'_>) -> Option<Vec<Mark>> {
        // Of a tree it is enough to have seen it.
        let marks = (object.kind == Kind::Tree).then(Vec::new);
        self.add(object);
        marks
    }

    fn failed(&self, id: ObjectId, why: &str) {
        let why = format!("{why}; where findings stand may be told incompletely");
        self.sink.skipped(Skipped::new(self.odb.label(id), why));
    }
}

impl Gather<'_> {
    fn add(&self, object: Found<'_>) {
        // Git writes no trees, commits or tags so large that they come as a stream.
        let Content::Bytes(data) = object.content else {
            return self.failed(object.id, "it is larger than any of its kind should be");
        };
        if object.kind == Kind::Tree {
            let copies = match object.lineage {
                Lineage::Made { copies, .. } => copies,
                Lineage::Alone | Lineage::First => &[],
            };
            return self.tree(object.number, data, copies);
        }
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        match object.kind {
            Kind::Commit => match object::commit_links(data) {
                Some(links) => all.commits.push((object.id, links)),
                None => {
                    drop(all);
                    self.failed(object.id, "it is a commit without a tree");
                }
            },
            Kind::Tag => all.tags.extend(object::tag_target(data).map(|target| (object.id, target))),
            Kind::Tree | Kind::Blob => {}
        }
    }
}

impl Graph {
    /// The commit that an object is or, through tags, leads to.
    pub(super) fn peel(&self, mut id: ObjectId) -> Option<u32> {
        // Tags of tags end; a hostile circle of them ends here.
        for _ in 0..64 {
            match self.positions.get(&id) {
                Some(position) => return Some(*position),
                None => id = *self.tags.get(&id)?,
            }
        }
        None
    }

    /// All commits that the given ones lead to, themselves included.
    pub(super) fn ancestors(&self, tips: impl Iterator<Item = u32>) -> Vec<bool> {
        let mut reached = vec![false; self.commits.len()];
        let mut waiting: Vec<u32> = tips.collect();
        while let Some(position) = waiting.pop() {
            if !std::mem::replace(&mut reached[position as usize], true) {
                waiting.extend(&self.commits[position as usize].parents);
            }
        }
        reached
    }

    /// Positions of all commits, parents before children, and by committer's clock where that leaves a choice.
    pub(super) fn in_history_order(&self) -> Vec<u32> {
        use std::cmp::Reverse;
        let mut waits_for: Vec<u32> = self.commits.iter().map(|commit| commit.parents.len() as u32).collect();
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for (position, commit) in self.commits.iter().enumerate() {
            for parent in &commit.parents {
                children.entry(*parent).or_default().push(position as u32);
            }
        }
        let key = |position: u32| {
            let commit = &self.commits[position as usize];
            Reverse((commit.time, commit.id, position))
        };
        let mut ready: std::collections::BinaryHeap<_> =
            (0..self.commits.len() as u32).filter(|position| waits_for[*position as usize] == 0).map(key).collect();
        let mut order = Vec::with_capacity(self.commits.len());
        while let Some(Reverse((_, _, position))) = ready.pop() {
            order.push(position);
            for child in children.get(&position).into_iter().flatten() {
                waits_for[*child as usize] -= 1;
                if waits_for[*child as usize] == 0 {
                    ready.push(key(*child));
                }
            }
        }
        order
    }

    /// What the tree numbered `tree` holds among `links`.
    pub(super) fn held(links: &[Link], tree: u32) -> &[Link] {
        let start = links.partition_point(|link| link.parent < tree);
        let end = start + links[start..].partition_point(|link| link.parent == tree);
        &links[start..end]
    }

    /// Keeps only those links between trees that lead to a wanted blob.
    pub(super) fn prune(&mut self) {
        let mut parents: Vec<(u32, u32)> = self.trees.iter().map(|link| (link.child, link.parent)).collect();
        parents.sort_unstable();
        let mut marked: HashSet<u32> = HashSet::new();
        let mut waiting: Vec<u32> = self.blobs.iter().map(|link| link.parent).collect();
        while let Some(tree) = waiting.pop() {
            if marked.insert(tree) {
                let start = parents.partition_point(|(child, _)| *child < tree);
                let above = parents[start..].iter().take_while(|(child, _)| *child == tree);
                waiting.extend(above.map(|(_, parent)| *parent));
            }
        }
        self.trees.retain(|link| marked.contains(&link.child));
    }
}
