//! The workbench: bytes in, matches out. It knows no files, no time, no threads and no provenance.
//!
//! `rule` holds the rules as data, `prefilter` finds the places worth a look, `window` runs regexes there, `boundary` and
//! `plausible` throw out what only looks like a credential, `decode` reads other encodings, `pair` joins ids with their secrets.

use std::sync::Arc;

use self::decode::Runs;
use self::pair::{Part, Value};
use self::prefilter::{Hit, Prefilter};
use self::rule::pattern::Found;
use self::rule::{Kind, Rule, RuleSet};
use self::window::Cursor;
use crate::key::{AccessKeyId, Secret};
use crate::location::Span;

mod boundary;
mod decode;
mod pair;
mod plausible;
mod prefilter;
pub mod rule;
mod window;

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

/// Runs rules over bytes. Cheap to share between threads, costly to make.
#[derive(Debug)]
pub struct Scanner {
    rules: RuleSet,
    prefilter: Prefilter,
}

impl Scanner {
    /// A scanner of those rules.
    pub fn new(rules: RuleSet) -> Self {
        let prefilter = Prefilter::new(rules.iter().map(|rule| rule.keywords.as_slice()));
        Self { rules, prefilter }
    }

    /// The rules it runs.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Every credential in `bytes`, in order of [`Match::span`]. Where there is no keyword, nothing is allocated.
    pub fn scan(&self, bytes: &[u8]) -> Vec<Match> {
        self.joined(bytes, self.parts(bytes))
    }

    /// The same, found by running every regex over everything: what tests compare [`Scanner::scan`] with.
    #[doc(hidden)]
    pub fn scan_slowly(&self, bytes: &[u8]) -> Vec<Match> {
        self.joined(bytes, self.parts_slowly(bytes))
    }

    fn joined(&self, bytes: &[u8], parts: Vec<Part>) -> Vec<Match> {
        if parts.is_empty() {
            return Vec::new();
        }
        pair::join(bytes, &self.rules, parts)
    }

    /// Every value that some rule finds, in order of place.
    fn parts(&self, text: &[u8]) -> Vec<Part> {
        let mut hits = self.prefilter.hits(text).peekable();
        if hits.peek().is_none() {
            return Vec::new();
        }
        let mut parts = Vec::new();
        let mut cursors = vec![Cursor::default(); self.rules.iter().count()];
        let mut runs = Runs::new(text);
        for hit in hits {
            for &index in &hit.literal.rules {
                let rule = self.rules.at(index);
                cursors[index].advance(&rule.pattern, text, hit.at, |found| {
                    parts.extend(part(index, rule, text, found));
                });
            }
            parts.extend(wide_parts(&mut runs, hit, |text| self.parts(text)));
        }
        without_overlaps(parts)
    }

    fn parts_slowly(&self, text: &[u8]) -> Vec<Part> {
        let mut parts = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let found = window::find_slowly(&rule.pattern, text);
            parts.extend(
                found
                    .into_iter()
                    .filter_map(|found| part(index, rule, text, found)),
            );
        }
        let mut runs = Runs::new(text);
        for hit in self.prefilter.hits_slowly(text) {
            parts.extend(wide_parts(&mut runs, hit, |text| self.parts_slowly(text)));
        }
        without_overlaps(parts)
    }
}

/// What stands in UTF-16 around a hit, found by `find` in the decoded text.
fn wide_parts(runs: &mut Runs<'_>, hit: Hit<'_>, find: impl Fn(&[u8]) -> Vec<Part>) -> Vec<Part> {
    let run = if hit.literal.wide {
        runs.around(hit.at, hit.literal.len())
    } else {
        None
    };
    let Some(run) = run else {
        return Vec::new();
    };
    let mut parts = find(&run.text);
    for part in &mut parts {
        part.span = run.raw(part.span);
        if let Value::Secret(secret) = &mut part.value {
            secret.span = part.span;
        }
        part.encoding.insert(0, run.encoding);
    }
    parts
}

/// What a match of a regex is, if it is a credential.
fn part(index: usize, rule: &Rule, text: &[u8], found: Found) -> Option<Part> {
    let at = &found.value;
    let value = &text[at.clone()];
    let stands_alone = match rule.kind {
        Kind::AccessKeyId => boundary::id_stands_alone(text, at),
        Kind::SecretAccessKey => boundary::secret_stands_alone(text, at),
        Kind::SessionToken => boundary::token_stands_alone(text, at),
    };
    if !stands_alone || !rule.pattern.allows(value) {
        return None;
    }
    let span = Span {
        start: at.start,
        end: at.end,
    };
    let secret = |kind| {
        Value::Secret(FoundSecret {
            kind,
            secret: Secret::new(value),
            span,
        })
    };
    let value = match rule.kind {
        Kind::AccessKeyId => AccessKeyId::parse(value)
            .filter(plausible::is_random_id)
            .map(Value::Id),
        Kind::SecretAccessKey => {
            plausible::is_random_secret(value).then(|| secret(SecretKind::SecretAccessKey))
        }
        Kind::SessionToken => {
            plausible::is_random_token(value).then(|| secret(SecretKind::SessionToken))
        }
    };
    Some(Part {
        rule: index,
        value: value?,
        span,
        encoding: Vec::new(),
        needs_id: rule.pattern.has_context(text, &found) == Some(false),
    })
}

/// In order of place, and the first of those that share bytes; of several at one place that of the earliest rule that asks for
/// nothing more.
fn without_overlaps(mut parts: Vec<Part>) -> Vec<Part> {
    parts.sort_by_key(|part| (part.span.start, part.needs_id, part.rule));
    parts.dedup_by(|later, first| first.span.overlaps(&later.span));
    parts
}

#[cfg(test)]
mod tests;
