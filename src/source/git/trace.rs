//! After the scan of a whole history: what is missing in it, and how commits and trees lead to what was found. Put together of what
//! the scan met, what a cache still knows, and a pass over those trees that this takes.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::cache::{Cache, Plan, Traces};
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
        let former_unclean = cache.as_ref().map_or(&[][..], Cache::unclean);
        if plan.is_same && ids.is_empty() && unclean == former_unclean && lost_tips.is_empty() {
            return Traced { missing: cache.as_ref().map_or(0, Cache::missing), graph: None, is_cut: false };
        }
        let cuts = self.cuts_digest();
        let same_unclean = unclean == former_unclean;
        let former = cache.as_mut().filter(|_| plan.keeps_traces).and_then(Cache::traces);
        let former = former.filter(|former| former.cuts == cuts);
        let former_unclean = cache.as_ref().map_or(&[][..], Cache::unclean);
        let covers = former.as_ref().is_some_and(|former| self.covers(former, former_unclean, ids));
        let selection = if covers { &plan.selection } else { &Selection::All };
        // Where everything should be there and nothing hit, what trees in packs say is not worth a second pass.
        let packs_too = covers || !ids.is_empty() || self.odb.is_partial;
        let read = graph::read(self.odb, ids, selection, packs_too, self.sink);
        unclean.extend(&read.failed);
        let mut missing = read.missing.clone();
        let was_known = former.is_some();
        let (trees, links) = match former {
            Some(former) if covers => {
                missing.extend(former.missing);
                missing.extend(links.missing(self.odb, self.cuts));
                (former.trees, former.links.joined_with(links))
            }
            former => {
                let links = match (former, &plan.selection) {
                    (Some(former), _) => former.links.joined_with(links),
                    (None, Selection::All) => links,
                    (None, Selection::Some { .. }) => graph::links(self.odb, self.sink),
                };
                missing.extend(links.missing(self.odb, self.cuts));
                (None, links)
            }
        };
        let (graph, is_cut) = Graph::new(self.odb, &links, read, ids, trees.as_ref());
        let is_new = !plan.is_same || !same_unclean || !was_known || (packs_too && !covers);
        if let Some(cache) = cache.filter(|_| is_new) {
            let trees = (packs_too && !is_cut).then(|| graph.traces(self.odb, ids));
            self.save(&cache, &unclean, &Traces { links, missing: missing.clone(), cuts, trees });
        }
        missing.extend(lost_tips);
        Traced { missing: missing.len(), graph: (!ids.is_empty()).then_some(graph), is_cut }
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

    fn cuts_digest(&self) -> [u8; 32] {
        let mut cuts: Vec<&ObjectId> = self.cuts.iter().collect();
        cuts.sort_unstable();
        let mut digest = Sha256::new();
        cuts.iter().for_each(|id| digest.update(id.as_bytes()));
        digest.finalize().into()
    }

    fn save(&self, cache: &Cache, unclean: &[ObjectId], traces: &Traces) {
        // What could not be opened may hold more, and be there next time.
        if !self.odb.skipped.is_empty() {
            return;
        }
        if let Err(error) = cache.save(self.odb, unclean, traces) {
            let path = cache.path().display();
            self.sink.note(format!("writing the cache {path} failed: {error}; the next scan reads everything again"));
        }
    }
}
