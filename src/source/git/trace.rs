//! After the scan of a whole history: what is missing in it, and how commits and trees lead to what was found. Put together of what
//! the scan met, what a cache still knows, and a pass over those trees that this takes.

use std::collections::HashSet;

use super::cache::{Cache, Plan, Traces, TreeTraces};
use super::graph::{self, Graph, Links};
use super::odb::{Odb, Selection};
use super::refs::Refs;
use crate::blob::ObjectId;
use crate::source::Sink;

/// What a scan leaves to be looked at.
pub(super) struct Scanned {
    /// Of the commits and tags that were scanned.
    pub(super) links: Links,
    /// Objects in which something was found or which were not read to their end.
    pub(super) unclean: Vec<ObjectId>,
    pub(super) plan: Plan,
    pub(super) cache: Option<Cache>,
}

/// What commits and trees tell.
pub(super) struct Traced {
    /// Objects that are spoken of and are not there.
    pub(super) missing: usize,
    /// Objects that are spoken of and came after all was listed: they were not read.
    pub(super) come: usize,
    /// Nothing when nothing was found.
    pub(super) graph: Option<Graph>,
    /// There is more to the graph than can be worked out.
    pub(super) is_cut: bool,
}

/// One repository, and where it was cut off when it was cloned.
pub(super) struct Tracing<'a> {
    pub(super) odb: &'a Odb,
    pub(super) refs: &'a Refs,
    pub(super) cuts: &'a HashSet<ObjectId>,
    pub(super) sink: &'a dyn Sink,
}

impl Tracing<'_> {
    /// Looks at everything that leads to the objects that hit, and keeps what is worth it in the cache.
    pub(super) fn trace(&self, scanned: Scanned, ids: &HashSet<ObjectId>) -> Traced {
        let Scanned { links, mut unclean, plan, mut cache } = scanned;
        unclean.sort_unstable();
        unclean.dedup();
        let lost_tips: Vec<ObjectId> = self.refs.tips().filter(|tip| !self.odb.contains(*tip)).collect();
        let former_unclean = cache.as_ref().map_or_else(Vec::new, |cache| cache.unclean().to_vec());
        let same_unclean = unclean == former_unclean;
        if plan.is_same && ids.is_empty() && same_unclean && lost_tips.is_empty() {
            let missing = cache.as_ref().map_or(0, Cache::missing);
            return Traced { missing, come: 0, graph: None, is_cut: false };
        }
        let former = cache.as_mut().filter(|_| plan.keeps_traces).and_then(Cache::traces);
        let covers = former.as_ref().is_some_and(|former| self.covers(former, &former_unclean, ids));
        // Where everything should be there and nothing hit, what trees in packs say is not worth a second pass.
        let all_trees = !covers && (!ids.is_empty() || self.odb.is_partial);
        let selection = match &former {
            Some(former) if !all_trees => {
                let leading = former.trees.as_ref().filter(|_| !ids.is_empty());
                plan.selection.and(self.odb.selection(leading.map_or(&[][..], |trees| &trees.trees)))
            }
            _ => Selection::All,
        };
        let read = graph::read(self.odb, ids, &selection, covers || all_trees, self.sink);
        unclean.extend(&read.failed);
        unclean.sort_unstable();
        let mut missing = read.missing.clone();
        let was_known = former.is_some();
        let met_all = was_known || matches!(plan.selection, Selection::All);
        let mut links = if met_all { links } else { graph::links(self.odb, self.sink) };
        missing.extend(links.missing(self.odb, self.cuts));
        if let Some(former) = former {
            missing.extend(former.missing.into_iter().filter(|id| !self.odb.contains(*id)));
            links = former.links.joined_with(links);
        }
        let (mut graph, mut is_cut) = (None, false);
        if !ids.is_empty() {
            let (made, more) = Graph::new(self.odb, &links, read, ids);
            (graph, is_cut) = (Some(made), more);
        }
        if let Some(cache) = cache.filter(|_| !plan.is_same || !same_unclean || !was_known || all_trees) {
            let traces = || graph.as_ref().map_or_else(TreeTraces::default, |graph| graph.traces(self.odb, ids));
            let trees = (covers || all_trees).then(traces).filter(|_| !is_cut);
            self.save(&cache, &unclean, &Traces { links, missing: missing.clone(), trees });
        }
        missing.extend(lost_tips);
        // One by one only where nothing should be missing.
        let has_come = |id: &&ObjectId| !self.odb.is_partial && self.odb.has_come(**id);
        let come = missing.iter().filter(has_come).count();
        Traced { missing: missing.len() - come, come, graph, is_cut }
    }

    /// Whether what was known of trees is enough, but for those that are new: for everything that hits now and was there before it
    /// was worked out, and nothing that was missing has come.
    fn covers(&self, former: &Traces, former_unclean: &[ObjectId], ids: &HashSet<ObjectId>) -> bool {
        let Some(trees) = &former.trees else {
            return false;
        };
        let is_new = |id: &ObjectId| former_unclean.binary_search(id).is_err();
        ids.iter().all(|id| trees.wanted.contains(id) || is_new(id))
            && !former.missing.iter().any(|id| self.odb.contains(*id))
    }

    fn save(&self, cache: &Cache, unclean: &[ObjectId], traces: &Traces) {
        // What could not be opened may hold more, and be there next time.
        if !self.odb.skipped.is_empty() {
            return;
        }
        if let Err(error) = cache.save(self.odb, unclean, traces) {
            let path = cache.path().display();
            self.sink.note(format!(
                "writing the cache {path} failed: {error}; the next scan reads again what is new in this one"
            ));
        }
    }
}
