//! Where an object stands in all of history: which commit first brought it, under which path, whether HEAD still has it.
//!
//! Worked out after the scan and for objects that hit only: one pass over all trees and commits, see `graph`. For the commits of a
//! range alone `range` does it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bstr::BString;

use super::graph::Graph;
use super::object::{self, Kind};
use super::odb::Odb;
use super::refs::Refs;
use super::trees::Link;
use crate::blob::ObjectId;
use crate::provenance::{Commit, Origin, Provenance};
use crate::source::{Sink, Skipped};

/// Everything that is needed to say where objects stand.
pub(super) struct Attribution<'a> {
    pub(super) odb: &'a Odb,
    pub(super) refs: &'a Refs,
    /// The repository as the user named it.
    pub(super) repository: Arc<str>,
    /// Staged files: number of the blob's id to path.
    pub(super) staged: &'a [(ObjectId, BString)],
}

/// No more directories than these are entered: a tree can hold another under ten names, which holds one under ten, and so on.
const MAX_PLACES: usize = 5_000_000;

/// A blob under a path.
type Place = (u32, Vec<u8>);

impl Attribution<'_> {
    /// The places of the wanted objects. One that no commit, tag or index holds has none.
    pub(super) fn places(
        &self,
        graph: &Graph,
        wanted: &HashSet<ObjectId>,
        sink: &dyn Sink,
    ) -> HashMap<ObjectId, Vec<Provenance>> {
        let ids: HashMap<u32, ObjectId> =
            wanted.iter().filter_map(|id| Some((self.odb.number(id.as_bytes())?, *id))).collect();
        let reachable = graph.ancestors(self.refs.tips().filter_map(|tip| graph.peel(tip)));
        let head = self.refs.head.and_then(|head| graph.peel(head));
        let in_head = head.map(|head| self.standing_in(graph, &[head], sink));
        let mut places: HashMap<ObjectId, Vec<Provenance>> = HashMap::new();
        for (blob, path, position) in self.first_commits(graph, &reachable, sink) {
            let commit = self.commit(graph.commits[position as usize].id, reachable[position as usize]);
            let still = in_head.as_ref().map(|standing| standing.contains(&(blob, path.clone())));
            let origin = Origin::Commit { commit, path: path.into(), in_head: still };
            if let Some(id) = ids.get(&blob) {
                places.entry(*id).or_default().push(Provenance::new(origin));
            }
        }
        self.add_staged(wanted, in_head.as_ref(), &mut places);
        self.add_messages(wanted, graph, &reachable, &mut places);
        places
    }

    /// Each wanted blob under each of its paths with the first commit that has it there: the first reachable one, or where
    /// there is none the first of all.
    fn first_commits(&self, graph: &Graph, reachable: &[bool], sink: &dyn Sink) -> Vec<(u32, Vec<u8>, u32)> {
        let mut order = graph.in_history_order();
        order.sort_by_key(|position| !reachable[*position as usize]);
        let mut first: Vec<(u32, Vec<u8>, u32)> = Vec::new();
        let mut walker = Walker::new(graph);
        for position in order {
            walker.walk(position, &mut |blob, path| first.push((blob, path, position)));
        }
        self.note_limit(&walker, sink);
        first
    }

    /// The wanted blobs, under their paths, in the trees of some commits.
    fn standing_in(&self, graph: &Graph, positions: &[u32], sink: &dyn Sink) -> HashSet<Place> {
        let mut standing = HashSet::new();
        let mut walker = Walker::new(graph);
        for position in positions {
            walker.walk(*position, &mut |blob, path| {
                standing.insert((blob, path));
            });
        }
        self.note_limit(&walker, sink);
        standing
    }

    fn note_limit(&self, walker: &Walker<'_>, sink: &dyn Sink) {
        if walker.entered.len() >= MAX_PLACES {
            let why = format!("more than {MAX_PLACES} directories lead to findings: not all of their places are told");
            sink.skipped(Skipped::new(format!("the history of {}", self.repository), why));
        }
    }

    /// What the index holds and HEAD does not have at the same place.
    fn add_staged(
        &self,
        wanted: &HashSet<ObjectId>,
        in_head: Option<&HashSet<Place>>,
        places: &mut HashMap<ObjectId, Vec<Provenance>>,
    ) {
        for (id, path) in self.staged.iter().filter(|(id, _)| wanted.contains(id)) {
            let number = self.odb.number(id.as_bytes());
            let committed = number.zip(in_head).is_some_and(|(n, head)| head.contains(&(n, path.to_vec())));
            if !committed {
                let origin = Origin::Staged { repository: self.repository.clone(), path: path.clone() };
                places.entry(*id).or_default().push(Provenance::new(origin));
            }
        }
    }

    /// Commits and tags are their own places.
    fn add_messages(
        &self,
        wanted: &HashSet<ObjectId>,
        graph: &Graph,
        reachable: &[bool],
        places: &mut HashMap<ObjectId, Vec<Provenance>>,
    ) {
        for id in wanted {
            let origin = if let Some(position) = graph.positions.get(id) {
                Origin::CommitMessage { commit: self.commit(*id, reachable[*position as usize]) }
            } else if graph.tags.contains_key(id) {
                let data = self.data(*id);
                let commit = self.commit(*id, self.refs.tips().any(|tip| tip == *id));
                Origin::TagMessage { commit, name: object::tag_name(&data) }
            } else {
                continue;
            };
            places.entry(*id).or_default().push(Provenance::new(origin));
        }
    }

    /// Author and date are read only for what is shown.
    pub(super) fn commit(&self, id: ObjectId, reachable: bool) -> Arc<Commit> {
        let (author, date) = object::author(&self.data(id));
        Arc::new(Commit { date, repository: self.repository.clone(), id, author, reachable })
    }

    /// A commit or tag that was read a moment ago; nothing when it is gone since.
    fn data(&self, id: ObjectId) -> Vec<u8> {
        match self.odb.read(id) {
            Ok(Some((Kind::Commit | Kind::Tag, data))) => data,
            _ => Vec::new(),
        }
    }
}

/// What the tree numbered `tree` holds among `links`.
fn held(links: &[Link], tree: u32) -> &[Link] {
    let start = links.partition_point(|link| link.parent < tree);
    let end = start + links[start..].partition_point(|link| link.parent == tree);
    &links[start..end]
}

/// Goes down from root trees to wanted blobs; the same tree under the same path is entered once.
struct Walker<'a> {
    graph: &'a Graph,
    /// Trees and the paths under which they were entered.
    entered: HashSet<(u32, u32)>,
    told: HashSet<(u32, u32)>,
    /// Paths by number: the path above (0 is the root, and its own) and the last name.
    paths: Vec<(u32, u32)>,
    numbers: HashMap<(u32, u32), u32>,
}

impl<'a> Walker<'a> {
    fn new(graph: &'a Graph) -> Self {
        let (entered, told) = (HashSet::new(), HashSet::new());
        Self { graph, entered, told, paths: vec![(0, 0)], numbers: HashMap::new() }
    }

    /// Tells of each wanted blob in a commit that was not told of at the same path before.
    fn walk(&mut self, position: u32, tell: &mut dyn FnMut(u32, Vec<u8>)) {
        let graph = self.graph;
        let mut waiting: Vec<(u32, u32)> =
            graph.commits[position as usize].tree.map(|root| (root, 0)).into_iter().collect();
        while let Some((tree, path)) = waiting.pop() {
            if self.entered.len() >= MAX_PLACES || !self.entered.insert((tree, path)) {
                continue;
            }
            for link in held(&graph.blobs, tree) {
                let below = self.below(path, link.name);
                if self.told.insert((link.child, below)) {
                    tell(link.child, self.spelled(below));
                }
            }
            for link in held(&graph.trees, tree) {
                waiting.push((link.child, self.below(path, link.name)));
            }
        }
    }

    /// The number of a name below a path.
    fn below(&mut self, path: u32, name: u32) -> u32 {
        let next = self.paths.len() as u32;
        let number = *self.numbers.entry((path, name)).or_insert(next);
        if number == next {
            self.paths.push((path, name));
        }
        number
    }

    fn spelled(&self, mut path: u32) -> Vec<u8> {
        let mut names = Vec::new();
        while path != 0 {
            let (above, name) = self.paths[path as usize];
            names.push(self.graph.names[name as usize].as_slice());
            path = above;
        }
        names.reverse();
        names.join(&b'/')
    }
}
