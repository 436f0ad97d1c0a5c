//! The street side: where bytes come in. A source hands every blob it has to a sink and says what it could not read.
//! It never judges bytes: that is the engine's business.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::blob::{Blob, ObjectId};
use crate::location::{LineSet, Mark};
use crate::provenance::Provenance;

pub mod archive;
#[cfg(feature = "git")]
pub mod git;
pub mod message;
#[cfg(feature = "s3")]
pub mod s3;
pub mod stdin;
pub mod tree;

/// Something that was meant to be read and was not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Skipped {
    /// What: a path, an object id, a repository, as a person would name it.
    pub what: String,
    /// Why it could not be read, and what to try.
    pub why: String,
}

impl Skipped {
    /// Both halves of the sentence.
    pub fn new(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { what: what.into(), why: why.to_string() }
    }

    /// Above the limit that the user set.
    pub fn too_large(what: impl Into<String>, size: u64, limit: u64) -> Self {
        Self::new(what, format!("{size} bytes are more than --max-file-size {limit}"))
    }
}

/// What a source could not do at all; nothing of it was read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {what}: {why}")]
pub struct SourceError {
    /// The target as the user named it.
    pub what: String,
    /// Why, and what to try.
    pub why: String,
}

impl From<SourceError> for Skipped {
    fn from(error: SourceError) -> Self {
        Self { what: error.what, why: error.why }
    }
}

/// What became of a blob.
#[derive(Debug, Default)]
pub struct Taken {
    /// What is wanted again when others are made of the blob, if anything: see [`Lineage`](crate::blob::Lineage).
    pub marks: Option<Vec<Mark>>,
    /// Nothing was found in it, and all of it was read: whoever scans it again in the same way will find nothing.
    pub is_clean: bool,
}

/// Takes what sources hand out. Called from many threads at once.
pub trait Sink: Sync {
    /// Takes one blob; returns when it has been dealt with.
    fn blob(&self, blob: Blob<'_>) -> Taken;

    /// Notes something unread.
    fn skipped(&self, skipped: Skipped);

    /// Counts objects that an earlier scan found clean and that are not handed out again.
    fn known(&self, _objects: u64) {}

    /// Tells something that matters to the user and is no gap in what was read.
    fn note(&self, _note: String) {}

    /// Files above this many bytes are not wanted (and are to be noted as skipped); `None` for no limit.
    fn max_size(&self) -> Option<u64>;
}

/// What stood at a place before, of which a source tells only what is new.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Nothing, as far as the source knows: all that is there now is new.
    #[default]
    Nothing,
    /// A text, or several that became one.
    Text {
        /// All of each.
        old: Vec<Vec<u8>>,
        /// The lines that none of them has.
        added: LineSet,
    },
}

/// Where bytes come from.
pub trait Source: Sync {
    /// Hands every blob to `sink`, from the threads of the current rayon pool.
    ///
    /// # Errors
    /// When nothing at all can be read. A part that can't be read goes to [`Sink::skipped`].
    fn visit(&self, sink: &dyn Sink) -> Result<(), SourceError>;

    /// The places at which the given objects stand. Asked once, after the visit and also when there are none, for objects that hit
    /// and were handed out as [`crate::provenance::Origin::Object`]; an object without an answer keeps that. What is found to be
    /// missing on the way goes to the sink.
    fn attribute(&self, _ids: &HashSet<ObjectId>, _sink: &dyn Sink) -> HashMap<ObjectId, Vec<Provenance>> {
        HashMap::new()
    }

    /// What stood before where something was found, if only what is new is to be told. `at` is a place that was handed out.
    fn before(&self, _at: &Provenance) -> Standing {
        Standing::Nothing
    }
}
