//! Where an object stands: which commit first brought it, under which path, whether HEAD still has it.
//!
//! Worked out after the scan and for objects that hit only: one pass over all trees and commits, see `graph`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bstr::BString;

use super::graph::{self, Graph};
use super::object::{self, Kind};
use super::odb::Odb;
use super::refs::Refs;
use crate::blob::ObjectId;
use crate::provenance::{Commit, Origin, Provenance};
use crate::source::Sink;

/// Everything that is needed to say where objects stand.
pub(super) struct Attribution<'a> {
    pub(super) odb: &'a Odb,
    pub(super) refs: &'a Refs,
    /// The repository as the user named it.
    pub(super) repository: Arc<str>,
    /// Staged files: number of the blob's id to path.
    pub(super) staged: &'a [(ObjectId, BString)],
    /// Only these commits are of interest: those of a range, and what came before it counts as known.
    pub(super) range: Option<&'a [ObjectId]>,
}

/// More places of wanted blobs than these are not told: a tree can hold itself under ten names, ten times over, and so on.
const MAX_PLACES: usize = 1_000_000;

/// A blob under a path.
type Place = (u32, Vec<u8>);

impl Attribution<'_> {
    /// The places of the wanted objects. One that no commit, tag or index holds has none.
    pub(super) fn places(&self, wanted: &HashSet<ObjectId>, sink: &dyn Sink) -> HashMap<ObjectId, Vec<Provenance>> {
        let mut graph = graph::build(self.odb, wanted, sink);
        graph.prune();
        let ids: HashMap<u32, ObjectId> =
            wanted.iter().filter_map(|id| Some((self.odb.number(id.as_bytes())?, *id))).collect();
        let reachable = graph.ancestors(self.tips().filter_map(|tip| graph.peel(tip)));
        let head = self.refs.head.and_then(|head| graph.peel(head));
        let in_head = head.map(|head| self.standing_in(&graph, head));
        let mut places: HashMap<ObjectId, Vec<Provenance>> = HashMap::new();
        for (blob, path, position) in self.first_commits(&graph, &reachable) {
            let commit = self.commit(graph.commits[position as usize].id, reachable[position as usize]);
            let still = in_head.as_ref().map(|standing| standing.contains(&(blob, path.clone())));
            let origin = Origin::Commit { commit, path: path.into(), in_head: still };
            places.entry(ids[&blob]).or_default().push(Provenance::new(origin));
        }
        self.add_staged(wanted, in_head.as_ref(), &mut places);
        self.add_messages(wanted, &graph, &reachable, &mut places);
        places
    }

    /// A range is looked at from its own tips, so that other branches don't count as earlier.
    fn tips(&self) -> Box<dyn Iterator<Item = ObjectId> + '_> {
        match self.range {
            Some(range) => Box::new(range.iter().copied()),
            None => Box::new(self.refs.tips()),
        }
    }

    /// Each wanted blob under each of its paths with the first commit that has it there: the first reachable one, or where
    /// there is none the first of all. For a range, only blobs that no commit before the range has.
    fn first_commits(&self, graph: &Graph, reachable: &[bool]) -> Vec<(u32, Vec<u8>, u32)> {
        let mut order = graph.in_history_order();
        order.sort_by_key(|position| !reachable[*position as usize]);
        if self.range.is_some() {
            order.retain(|position| reachable[*position as usize]);
        }
        let mut first: Vec<(u32, Vec<u8>, u32)> = Vec::new();
        let mut walker = Walker::new(graph);
        for position in order {
            if let Some(tree) = graph.commits[position as usize].tree {
                walker.walk(tree, &mut |blob, path| first.push((blob, path, position)));
            }
        }
        if let Some(range) = self.range {
            let range: HashSet<ObjectId> = range.iter().copied().collect();
            let is_new = |position: u32| range.contains(&graph.commits[position as usize].id);
            let old: HashSet<u32> = first.iter().filter(|place| !is_new(place.2)).map(|place| place.0).collect();
            first.retain(|place| !old.contains(&place.0));
        }
        first
    }

    /// The wanted blobs in the tree of one commit.
    fn standing_in(&self, graph: &Graph, position: u32) -> HashSet<Place> {
        let mut standing = HashSet::new();
        if let Some(tree) = graph.commits[position as usize].tree {
            Walker::new(graph).walk(tree, &mut |blob, path| {
                standing.insert((blob, path));
            });
        }
        standing
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
    fn commit(&self, id: ObjectId, reachable: bool) -> Arc<Commit> {
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

/// Goes down from root trees to wanted blobs; the same tree under the same path is entered once.
struct Walker<'a> {
    graph: &'a Graph,
    entered: HashSet<(u32, Vec<u8>)>,
    told: HashSet<Place>,
}

impl<'a> Walker<'a> {
    fn new(graph: &'a Graph) -> Self {
        Self { graph, entered: HashSet::new(), told: HashSet::new() }
    }

    /// Tells of each wanted blob under `root` that was not told of at the same path before.
    fn walk(&mut self, root: u32, tell: &mut dyn FnMut(u32, Vec<u8>)) {
        let mut waiting = vec![(root, Vec::new())];
        while let Some((tree, path)) = waiting.pop() {
            if self.entered.len() >= MAX_PLACES || !self.entered.insert((tree, path.clone())) {
                continue;
            }
            for link in Graph::held(&self.graph.blobs, tree) {
                let place = (link.child, joined(&path, &self.graph.names[link.name as usize]));
                if self.told.insert(place.clone()) {
                    tell(place.0, place.1);
                }
            }
            for link in Graph::held(&self.graph.trees, tree) {
                waiting.push((link.child, joined(&path, &self.graph.names[link.name as usize])));
            }
        }
    }
}

fn joined(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() }
}
