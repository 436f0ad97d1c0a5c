//! Objects on their way from the object database to the sink: all that are selected, but for trees. Where they stand is found out from
//! what commits and tags say, which is taken down as they go by.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::graph::{self, Links, Shards};
use super::object::{self, Kind};
use super::odb::Odb;
use super::walk::{Found, Visitor};
use crate::blob::{Blob, Content, Lineage, ObjectId};
use crate::location::Mark;
use crate::provenance::{Origin, Provenance};
use crate::source::{Sink, Skipped};

/// So many bytes of marks are kept however small the object is.
const MARKED: usize = 16 << 10;

/// Passes the objects of a repository on to the sink.
pub(super) struct Scan<'a> {
    repository: &'a Arc<str>,
    odb: &'a Odb,
    sink: &'a dyn Sink,
    /// Of the commits and tags that were handed out.
    pub(super) links: Shards<Links>,
    /// In which something was found or which could not be read to their end.
    pub(super) unclean: Shards<Vec<ObjectId>>,
    /// What was dealt with of objects that were asked for one by one.
    dealt_with: Option<Mutex<HashSet<ObjectId>>>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(repository: &'a Arc<str>, odb: &'a Odb, sink: &'a dyn Sink) -> Self {
        Self { repository, odb, sink, links: Shards::new(), unclean: Shards::new(), dealt_with: None }
    }

    fn hand_out<'o>(&self, id: ObjectId, content: Content<'o>, lineage: Lineage<'o>) -> Option<Vec<Mark>> {
        let provenance = Provenance::new(Origin::Object { repository: self.repository.clone(), id });
        self.note_dealt_with(id);
        let taken = self.sink.blob(Blob { provenance, content, lineage });
        if !taken.is_clean {
            self.note_unclean(id);
        }
        taken.marks
    }

    /// Takes exactly these objects; one that is not here is told of.
    pub(super) fn some(&mut self, ids: &[ObjectId]) {
        let odb = self.odb;
        self.dealt_with = Some(Mutex::default());
        for id in ids.iter().filter(|id| !odb.is_here(**id)) {
            self.failed(*id, "it is missing; in a partial clone `git fetch --refetch` brings it");
        }
        odb.visit(&odb.selection(ids), &*self);
        let dealt_with = self.dealt_with.take().unwrap_or_default();
        let dealt_with = dealt_with.into_inner().unwrap_or_else(PoisonError::into_inner);
        for id in ids.iter().filter(|id| !dealt_with.contains(*id)) {
            self.failed(*id, "it is not the commit or file that others take it for; `git fsck` tells more");
        }
    }

    fn note_dealt_with(&self, id: ObjectId) {
        if let Some(ids) = &self.dealt_with {
            ids.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        }
    }

    fn note_unclean(&self, id: ObjectId) {
        self.note_dealt_with(id);
        self.unclean.with(|ids| ids.push(id));
    }
}

impl Visitor for Scan<'_> {
    type Memory = Vec<Mark>;

    fn wants_kind(&self, kind: Kind) -> bool {
        kind != Kind::Tree
    }

    fn proves_others(&self) -> bool {
        true
    }

    fn wants(&self, kind: Kind, size: u64, id: ObjectId) -> bool {
        match self.sink.max_size() {
            Some(limit) if kind == Kind::Blob && size > limit => {
                self.sink.skipped(Skipped::too_large(self.odb.label(id), size, limit));
                self.note_unclean(id);
                false
            }
            _ => self.wants_kind(kind),
        }
    }

    /// Headers and message of a commit or tag go out apart, so that lines of a message count from its own first.
    fn found(&self, object: Found<'_, Vec<Mark>>) -> Option<Vec<Mark>> {
        match object.content {
            Content::Bytes(bytes) if object.kind != Kind::Blob => {
                let added = self.links.with(|links| links.add(object.id, object.kind, bytes));
                added.unwrap_or_else(|why| self.failed(object.id, &graph::without_place(why)));
                let (headers, message) = bytes.split_at(object::message_start(bytes));
                self.hand_out(object.id, Content::Bytes(headers), Lineage::Alone);
                self.hand_out(object.id, Content::Bytes(message), Lineage::Alone)
            }
            content => {
                // What is remembered of an object must not take much more memory than it does.
                let most = match content {
                    Content::Bytes(bytes) => bytes.len().max(MARKED) / size_of::<Mark>(),
                    _ => 0,
                };
                if object.kind != Kind::Blob {
                    self.failed(object.id, &graph::without_place("it is larger than any commit or tag should be"));
                }
                let lineage = match object.made_of {
                    Some((marks, copies)) => Lineage::Made { marks, copies },
                    None if object.is_base => Lineage::First,
                    None => Lineage::Alone,
                };
                self.hand_out(object.id, content, lineage).filter(|marks| marks.len() <= most)
            }
        }
    }

    fn failed(&self, id: ObjectId, why: &str) {
        self.note_unclean(id);
        self.odb.unread(id, why, self.sink);
    }
}
