//! The commits and trees of a repository as a graph of numbers. Commits and tags are taken down as they go by in the scan; trees
//! are read in a pass of their own, and only where something is to be found out from them: see `trees`.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::cache::TreeTraces;
use super::object::{self, Kind, TreeEntry};
use super::odb::{Odb, Selection};
use super::trees::{self, Link, Outline, Trees};
use super::walk::{Found, Visitor};
use crate::blob::{Content, ObjectId};
use crate::source::Sink;

/// A commit and what it links to.
pub(super) struct CommitNode {
    pub(super) id: ObjectId,
    /// Number of its root tree; `None` when that is missing.
    pub(super) tree: Option<u32>,
    /// Positions in [`Graph::commits`] of the parents that are there.
    pub(super) parents: Vec<u32>,
    pub(super) time: i64,
}

/// All commits, and of all trees the links that lead to a wanted blob.
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
}

/// One for each thread of the pool, so that none waits for another.
pub(super) struct Shards<T>(Vec<Mutex<T>>);

impl<T: Default> Shards<T> {
    pub(super) fn new() -> Self {
        Self((0..rayon::current_num_threads()).map(|_| Mutex::default()).collect())
    }

    pub(super) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let own = rayon::current_thread_index().unwrap_or(0) % self.0.len();
        work(&mut self.0[own].lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = T> {
        self.0.into_iter().map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What commits and tags say of other objects.
#[derive(Default)]
pub(super) struct Links {
    pub(super) commits: Vec<(ObjectId, object::CommitLinks)>,
    pub(super) tags: HashMap<ObjectId, ObjectId>,
}

impl Links {
    /// Takes down what a commit or tag links to; a sentence when it should and does not.
    pub(super) fn add(&mut self, id: ObjectId, kind: Kind, data: &[u8]) -> Result<(), &'static str> {
        match kind {
            Kind::Commit => {
                let links = object::commit_links(data).ok_or("it is a commit without a tree")?;
                self.commits.push((id, links));
            }
            Kind::Tag => self.tags.extend(object::tag_target(data).map(|target| (id, target))),
            Kind::Tree | Kind::Blob => {}
        }
        Ok(())
    }

    /// All that the threads took down, in order of ids.
    pub(super) fn joined(shards: Shards<Self>) -> Self {
        let mut all = Self::default();
        for shard in shards.into_iter() {
            all.commits.extend(shard.commits);
            all.tags.extend(shard.tags);
        }
        all.commits.sort_unstable_by_key(|(id, _)| *id);
        all
    }

    /// These and others, in order of ids, each once.
    pub(super) fn joined_with(mut self, other: Self) -> Self {
        self.commits.extend(other.commits);
        self.commits.sort_unstable_by_key(|(id, _)| *id);
        self.commits.dedup_by_key(|(id, _)| *id);
        self.tags.extend(other.tags);
        self
    }

    /// Trees and parents that are not there, but for the parents of the commits at which a shallow clone was cut off.
    pub(super) fn missing(&self, odb: &Odb, cuts: &HashSet<ObjectId>) -> HashSet<ObjectId> {
        let trees = self.commits.iter().map(|(_, links)| &links.tree);
        self.parents(cuts).chain(trees).filter(|id| !odb.contains(**id)).copied().collect()
    }

    /// Parents of commits, but for those of the commits at which a shallow clone was cut off.
    pub(super) fn parents(&self, cuts: &HashSet<ObjectId>) -> impl Iterator<Item = &ObjectId> {
        self.commits.iter().filter(|(id, _)| !cuts.contains(id)).flat_map(|(_, links)| &links.parents)
    }
}

/// Takes down commits and tags only.
struct LinkPass<'a> {
    odb: &'a Odb,
    sink: &'a dyn Sink,
    shards: Shards<Links>,
}

/// What all commits and tags link to.
pub(super) fn links(odb: &Odb, sink: &dyn Sink) -> Links {
    let pass = LinkPass { odb, sink, shards: Shards::new() };
    odb.visit(&Selection::All, &pass);
    Links::joined(pass.shards)
}

impl Visitor for LinkPass<'_> {
    type Memory = ();

    fn wants_kind(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Commit | Kind::Tag)
    }

    fn proves_others(&self) -> bool {
        false
    }

    fn wants(&self, kind: Kind, _size: u64, _id: ObjectId) -> bool {
        self.wants_kind(kind)
    }

    fn found(&self, object: Found<'_, ()>) -> Option<()> {
        if let Content::Bytes(data) = object.content {
            let added = self.shards.with(|links| links.add(object.id, object.kind, data));
            added.unwrap_or_else(|why| self.failed(object.id, why));
        }
        None
    }

    fn failed(&self, id: ObjectId, why: &str) {
        self.odb.unread(id, &without_place(why), self.sink);
    }
}

/// What a pass over the trees came to.
pub(super) struct Read {
    trees: Trees,
    /// What trees speak of and is not there.
    pub(super) missing: HashSet<ObjectId>,
    /// Trees that could not be read.
    pub(super) failed: Vec<ObjectId>,
}

struct Gather<'a> {
    odb: &'a Odb,
    /// By number; nothing at all when nothing is wanted.
    wanted: Vec<bool>,
    sink: &'a dyn Sink,
    shards: Shards<Shard>,
}

#[derive(Default)]
struct Shard {
    trees: Trees,
    missing: HashSet<ObjectId>,
    failed: Vec<ObjectId>,
    /// Entries that are still to be looked up.
    waiting: Vec<Waiting>,
    /// Their ids and names, one after the other.
    ids_and_names: Vec<u8>,
}

/// An entry that is new in a tree.
struct Waiting {
    parent: u32,
    at: Range<usize>,
    is_tree: bool,
    /// In [`Shard::ids_and_names`].
    id: Range<usize>,
    name: Range<usize>,
}

/// So many entries are looked up together.
const TOGETHER: usize = 128;

/// Reads every selected tree once, or only the loose ones, looks whether everything is there that they speak of, and keeps what may
/// lead to the `wanted` blobs.
pub(super) fn read(
    odb: &Odb,
    wanted: &HashSet<ObjectId>,
    selection: &Selection,
    packs_too: bool,
    sink: &dyn Sink,
) -> Read {
    let mut marked = vec![false; if wanted.is_empty() { 0 } else { odb.len() }];
    wanted.iter().filter_map(|id| odb.number(id.as_bytes())).for_each(|number| marked[number as usize] = true);
    let gather = Gather { odb, wanted: marked, sink, shards: Shards::new() };
    if packs_too {
        odb.refine(selection);
        odb.visit_packed(selection, &gather);
    }
    odb.visit_loose(selection, &gather);
    let mut all = Read { trees: Trees::default(), missing: HashSet::new(), failed: Vec::new() };
    let Gather { wanted, shards, .. } = gather;
    for mut shard in shards.into_iter() {
        shard.look_up(odb, &wanted);
        all.missing.extend(shard.missing);
        all.failed.extend(shard.failed);
        all.trees.absorb(shard.trees);
    }
    all
}

impl Gather<'_> {
    fn tree(&self, object: &Found<'_, Outline>, data: &[u8]) -> Outline {
        let hash_len = self.odb.hash_len();
        let mut new = Vec::new();
        let reading = trees::read(object.number, data, object.made_of, hash_len, &mut |entry| new.push(entry));
        self.shards.with(|shard| {
            new.iter().filter(|entry| !entry.is_link).for_each(|entry| shard.add(object.number, entry));
            if shard.waiting.len() >= TOGETHER {
                shard.look_up(self.odb, &self.wanted);
            }
            if !self.wanted.is_empty() {
                shard.trees.add_derived(&reading);
            }
        });
        reading.outline
    }
}

impl Shard {
    fn add(&mut self, parent: u32, entry: &TreeEntry<'_>) {
        let mut kept = |bytes: &[u8]| {
            let start = self.ids_and_names.len();
            self.ids_and_names.extend_from_slice(bytes);
            start..self.ids_and_names.len()
        };
        let (id, name) = (kept(entry.raw_id), kept(entry.name));
        self.waiting.push(Waiting { parent, at: entry.at.clone(), is_tree: entry.is_tree, id, name });
    }

    /// Looks up what waits for it, all together.
    fn look_up(&mut self, odb: &Odb, wanted: &[bool]) {
        let Self { trees, missing, waiting, ids_and_names, .. } = self;
        odb.approach(waiting.iter().map(|entry| &ids_and_names[entry.id.clone()]));
        for entry in waiting.drain(..) {
            let raw_id = &ids_and_names[entry.id];
            let Some(child) = odb.number(raw_id) else {
                missing.extend(ObjectId::from_bytes(raw_id));
                continue;
            };
            let leads = wanted.get(child as usize).is_some_and(|is_wanted| *is_wanted || entry.is_tree);
            if leads {
                trees.add_new(entry.parent, child, &entry.at, &ids_and_names[entry.name]);
            }
        }
        ids_and_names.clear();
    }
}

impl Visitor for Gather<'_> {
    type Memory = Outline;

    fn wants_kind(&self, kind: Kind) -> bool {
        kind == Kind::Tree
    }

    fn proves_others(&self) -> bool {
        false
    }

    fn wants(&self, kind: Kind, _size: u64, _id: ObjectId) -> bool {
        kind == Kind::Tree
    }

    fn found(&self, object: Found<'_, Outline>) -> Option<Outline> {
        let Content::Bytes(data) = object.content else {
            // Git writes no trees so large that they come as a stream.
            self.failed(object.id, "it is larger than any tree should be");
            return None;
        };
        Some(self.tree(&object, data))
    }

    fn failed(&self, id: ObjectId, why: &str) {
        self.shards.with(|shard| shard.failed.push(id));
        self.odb.unread(id, &without_place(why), self.sink);
    }
}

/// What it means that a commit, tag or tree can't be read.
pub(super) fn without_place(why: &str) -> String {
    format!("{why}; where findings stand may be told incompletely")
}

impl Graph {
    /// Puts together what the passes came to, as far as it leads to the `wanted` blobs. The second value says that there is more of
    /// it than can be worked out.
    pub(super) fn new(odb: &Odb, links: &Links, read: Read, wanted: &HashSet<ObjectId>) -> (Self, bool) {
        let Read { mut trees, .. } = read;
        let leading = trees.leading_to(wanted.iter().filter_map(|id| odb.number(id.as_bytes())));
        let positions: HashMap<ObjectId, u32> =
            links.commits.iter().enumerate().map(|(position, (id, _))| (*id, position as u32)).collect();
        let commits = links
            .commits
            .iter()
            .map(|(id, links)| CommitNode {
                id: *id,
                tree: odb.number(links.tree.as_bytes()),
                parents: links.parents.iter().filter_map(|parent| positions.get(parent).copied()).collect(),
                time: links.time,
            })
            .collect();
        let graph = Self {
            commits,
            positions,
            tags: links.tags.clone(),
            trees: leading.trees,
            blobs: leading.blobs,
            names: trees.names,
        };
        (graph, leading.is_cut)
    }

    /// The trees that lead to what is wanted, to be kept for the next time.
    pub(super) fn traces(&self, odb: &Odb, wanted: &HashSet<ObjectId>) -> TreeTraces {
        let parents: HashSet<u32> = self.trees.iter().chain(&self.blobs).map(|link| link.parent).collect();
        TreeTraces { wanted: wanted.clone(), trees: parents.into_iter().filter_map(|tree| odb.id(tree)).collect() }
    }

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
}
