//! The workbench: bytes in, matches out. It knows no files, no time, no threads and no provenance.
//!
//! `rule` holds the rules as data, `prefilter` finds the places worth a look, `plausible` throws out what only looks like a
//! credential, `decode` reads other encodings, `pair` joins ids with their secrets.

use std::sync::Arc;

use crate::key::{AccessKeyId, Secret};
use crate::location::Span;

/// A kind of secret value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretKind {
    /// The forty characters that go with an access key id.
    SecretAccessKey,
    /// The token that a temporary key needs besides.
    SessionToken,
}

/// How the bytes of a match were written, outermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// UTF-16, little endian.
    Utf16Le,
    /// UTF-16, big endian.
    Utf16Be,
}

/// A secret value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundSecret {
    /// What it is.
    pub kind: SecretKind,
    /// The value, decoded.
    pub secret: Secret,
    /// The bytes that hold it, as they stand in the blob (before decoding).
    pub span: Span,
}

/// One credential at one place: an access key id, what secrets were found with it, or a secret alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The id of the rule that found its first part.
    pub rule: Arc<str>,
    /// The access key id, or the secret when there is no id, as it stands in the blob.
    pub span: Span,
    /// The access key id.
    pub access_key_id: Option<AccessKeyId>,
    /// Secrets that belong to it, best first.
    pub secrets: Vec<FoundSecret>,
    /// What the bytes had to be decoded from; empty for plain text.
    pub encoding: Vec<Encoding>,
}

pub mod rule;

/// Runs rules over bytes. Cheap to share between threads, costly to make.
pub struct Scanner {}

impl Scanner {
    /// Every credential in `bytes`, in order of [`Match::span`].
    pub fn scan(&self, _bytes: &[u8]) -> Vec<Match> {
        Vec::new()
    }
}
