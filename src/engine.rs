//! The workbench: bytes in, matches out. It knows no files, no time, no threads and no provenance.
//!
//! `rule` holds the rules as data, `prefilter` finds the places worth a look, `window` runs regexes there, `beside` looks around
//! access key ids, `boundary`, `plausible` and `words` throw out what only looks like a credential, `structure` and `presigned` read
//! what values tell of themselves, `class` finds long stretches of some letters, `blocks` passes over what are words, `decode` reads other encodings (`base64` decodes what is known to be it), `search` does all that
//! for one text and what is encoded in it, `pair` joins ids with their secrets, `whole` knows secrets that fill a file. `credential` says what a find is, `dropped` why
//! something is none. `fruitless` knows what need not be looked at again, `marks` says for little where there may be something, `only` looks for given ids instead, `foreign` runs the rules of others.

use std::ops::Range;

pub use self::credential::{Encoding, FoundSecret, Match, Scan, SecretKind};
pub use self::dropped::Dropped;
use self::foreign::allow::Candidate;
use self::foreign::lines::LineIndex;
use self::foreign::{Foreign, Terms};
use self::fruitless::Fruitless;
use self::only::Only;
pub(crate) use self::pair::label_stem;
use self::pair::{Part, Value};
use self::prefilter::Prefilter;
use self::rule::pattern::Found;
use self::rule::{Kind, Rule, RuleSet};
use self::search::Search;
use crate::key::{AccessKeyId, AccountId, Secret};
use crate::location::Span;

mod base64;
mod beside;
mod blocks;
mod boundary;
mod class;
mod credential;
mod decode;
mod dropped;
pub mod explain;
pub mod foreign;
mod fruitless;
mod marks;
mod only;
mod pair;
mod plausible;
mod prefilter;
mod presigned;
pub mod rule;
mod search;
mod structure;
mod whole;
mod window;
mod words;

/// Runs rules over bytes. Cheap to share between threads, costly to make.
#[derive(Debug)]
pub struct Scanner {
    rules: RuleSet,
    prefilter: Prefilter,
    foreign: Foreign,
    /// What alone is looked for.
    only: Option<Only>,
    fruitless: Fruitless,
    /// Whether what stretches of text hold depends on nothing around them, so that those which hold nothing may be remembered.
    remembers: bool,
}

impl Scanner {
    /// A scanner of those rules.
    pub fn new(rules: RuleSet) -> Self {
        let prefilter = Prefilter::new(rules.iter().map(|rule| rule.keywords.as_slice()));
        let foreign = Foreign::new(rules.foreign());
        let remembers = rules.foreign().is_empty() && rules.iter().all(|rule| rule.pattern.reach() < search::MARGIN);
        Self { rules, prefilter, foreign, only: None, fruitless: Fruitless::default(), remembers }
    }

    /// A scanner that finds exactly these access key ids, in every encoding: none is too little random, excluded or a piece of
    /// something longer, and no secrets are looked for. Its rules are the built-in ones for ids.
    pub fn only(ids: impl IntoIterator<Item = AccessKeyId>) -> Self {
        let rules = RuleSet::of_ids();
        let prefilter = Prefilter::wide(rules.iter().map(|rule| rule.keywords.as_slice()));
        Self { only: Some(Only::new(ids, &rules)), prefilter, remembers: false, ..Self::new(rules) }
    }

    /// The rules it runs.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Every credential in `bytes`. Where there is nothing to look at, nothing is allocated.
    pub fn scan(&self, bytes: &[u8]) -> Scan {
        self.joined(bytes, Search::new(self, bytes))
    }

    /// Looks again at what was looked at before: what benchmarks need.
    #[doc(hidden)]
    pub fn forget(&self) {
        self.fruitless.forget();
    }

    /// The same, found by running every regex over everything: what tests compare [`Scanner::scan`] with.
    #[doc(hidden)]
    pub fn scan_slowly(&self, bytes: &[u8]) -> Scan {
        self.joined(bytes, Search::slowly(self, bytes))
    }

    fn joined(&self, bytes: &[u8], search: Search<'_>) -> Scan {
        let files = self.foreign.files(self.rules.foreign(), bytes);
        let found = search.run();
        let complete = found.complete;
        let whole = whole::secret(&self.rules, bytes).filter(|_| found.parts.is_empty());
        if found.parts.is_empty() && found.foreign.is_empty() && whole.is_none() {
            return Scan { matches: files, complete };
        }
        let foreign = self.left_for_others(&found.parts, found.foreign);
        let mut matches = pair::join(&found.text, &self.rules, found.parts);
        matches.extend(whole);
        let lines = LineIndex::new(bytes);
        matches.retain_mut(|found| self.is_asked_for(&lines, found));
        matches.extend(foreign.into_iter().chain(files));
        matches.sort_by_key(|found| (found.span, found.access_key_id));
        Scan { matches, complete }
    }

    /// The finds of foreign rules but for what one of ours finds: that is named by ours.
    fn left_for_others(&self, ours: &[Part], foreign: Vec<Part>) -> Vec<Match> {
        let mut spans: Vec<Span> = ours.iter().filter(|part| !part.needs_id).map(|part| part.raw).collect();
        spans.sort_by_key(|span| span.end);
        let is_ours = |span: Span| {
            let next = spans.partition_point(|ours| ours.end < span.end);
            spans.get(next).is_some_and(|ours| ours.start <= span.start)
        };
        let first = self.rules.iter().len();
        let left = foreign.into_iter().filter(|part| !is_ours(part.raw));
        left.map(|part| foreign::alone(&self.rules.foreign()[part.rule - first], part)).collect()
    }

    /// Asks of a match what a file that extends the built-in rules asks besides.
    fn is_asked_for(&self, lines: &LineIndex<'_>, found: &mut Match) -> bool {
        let Some(rule) = self.rules.get(&found.rule).filter(|rule| !rule.conditions.are_none()) else {
            return true;
        };
        let secret = match (&found.access_key_id, found.secrets.first()) {
            (Some(id), _) => id.as_str().as_bytes(),
            (None, Some(secret)) => secret.secret.expose(),
            (None, None) => &[],
        };
        let line = Some(lines.around(found.span));
        let terms = rule.conditions.terms(&Candidate { secret, matched: secret, line });
        terms.map(|terms| found.terms = terms.at(std::mem::take(&mut found.terms.paths))).is_some()
    }

    fn foreign_parts(&self, text: &[u8]) -> Vec<Part> {
        self.foreign.parts(self.rules.foreign(), self.rules.iter().len(), text)
    }

    /// Every value that some rule finds.
    fn parts(&self, bytes: &[u8]) -> Vec<Part> {
        let found = Search::new(self, bytes).run();
        found.parts.into_iter().chain(found.foreign).collect()
    }
}

/// What was found in one text so far.
#[derive(Default)]
struct Candidates {
    parts: Vec<Part>,
    /// What looks like an access key id, also such as AWS can't have issued: a secret may stand beside it all the same.
    ids: Vec<Range<usize>>,
}

impl Candidates {
    fn add(&mut self, index: usize, rule: &Rule, text: &[u8], found: &Found) {
        let part = part(index, rule, text, found);
        if rule.kind == Kind::AccessKeyId && matches!(part, Ok(_) | Err(Dropped::Impossible(_))) {
            self.ids.push(found.value.clone());
        }
        self.parts.extend(part);
    }

    /// The same with secrets that stand beside ids without a label, in order of place.
    fn finish(mut self, rules: &RuleSet, text: &[u8]) -> Self {
        self.ids.sort_by_key(|id| id.start);
        let mut parts = without_overlaps(self.parts);
        let labelled = rules.iter().enumerate().filter(|(_, rule)| rule.pattern.needs_no_label());
        for (index, rule) in labelled {
            for look in [beside::unlabelled, beside::siblings] {
                let known: Vec<_> = parts.iter().filter(|part| part.goes_with_id()).map(Part::range).collect();
                let found = look(text, &self.ids, &known, &rule.pattern);
                let found = found.into_iter().map(|value| Found { start: value.start, next: value.end, value });
                let found = found.filter_map(|found| judged(index, rule, text, &found).ok());
                parts.extend(found.map(|part| Part { unlabelled: true, ..part }));
                parts = without_overlaps(parts);
            }
        }
        Self { parts, ids: self.ids }
    }
}

/// What a match of a regex is, or why it is no credential.
fn part(index: usize, rule: &Rule, text: &[u8], found: &Found) -> Result<Part, Dropped> {
    let at = &found.value;
    let stands_alone = match rule.kind {
        Kind::AccessKeyId => boundary::id_stands_alone(text, at),
        Kind::Secret(SecretKind::SecretAccessKey) => boundary::secret_stands_alone(text, at),
        Kind::Secret(SecretKind::SesSmtpPassword | SecretKind::GitPassword) => boundary::secret_stands_alone(text, at),
        Kind::Secret(
            SecretKind::SessionToken
            | SecretKind::BedrockApiKey
            | SecretKind::CodeartifactToken
            | SecretKind::EcrPassword,
        ) => boundary::token_stands_alone(text, at),
        Kind::Secret(SecretKind::MwsAuthToken | SecretKind::AppsyncApiKey) => boundary::key_stands_alone(text, at),
        // Their rules say where they end.
        Kind::Secret(_) => true,
    };
    if stands_alone { judged(index, rule, text, found) } else { Err(Dropped::PieceOfMore) }
}

/// What a match of a regex is that is no piece of something longer.
fn judged(index: usize, rule: &Rule, text: &[u8], found: &Found) -> Result<Part, Dropped> {
    let at = &found.value;
    let value = &text[at.clone()];
    if rule.pattern.is_preceded(text, found) {
        return Err(Dropped::CalledElse);
    }
    rule.pattern.allows(value)?;
    let span = Span { start: at.start, end: at.end };
    let value = match rule.kind {
        Kind::AccessKeyId => {
            let id = AccessKeyId::check(value)?;
            plausible::check_id(&id)?;
            Value::Id(id)
        }
        Kind::Secret(kind) => {
            let value = structure::normal(kind, value);
            plausible::check_secret(kind, &value)?;
            let expires = match kind {
                SecretKind::PresignedUrl => presigned::read(text, at)?,
                _ => structure::expires(kind, &value),
            };
            Value::Secret(FoundSecret { kind, secret: Secret::new(value), span, expires })
        }
    };
    let needs_id = rule.pattern.has_context(text, found) == Some(false);
    if needs_id && rule.kind == Kind::Secret(SecretKind::Other) {
        return Err(Dropped::NoContext);
    }
    Ok(Part {
        rule: index,
        value,
        span,
        raw: span,
        encoding: Vec::new(),
        needs_id,
        unlabelled: false,
        terms: Terms::default(),
    })
}

/// Whether the last `length` bytes of a text are nothing but letters in which something longer may be encoded: to be read on before it is
/// scanned.
pub fn may_go_on(text: &[u8], length: usize) -> bool {
    decode::probe::may_go_on(text, length)
}

/// The account that a secret without an id belongs to, if it tells.
pub fn account_of(kind: SecretKind, secret: &Secret) -> Option<AccountId> {
    structure::account(kind, secret.expose())
}

/// The public part of a secret by which its issuer knows it, if it has one: the alias of a long-term API key of Bedrock.
pub fn alias_of(kind: SecretKind, secret: &Secret) -> Option<String> {
    structure::alias(kind, secret.expose())
}

/// In order of place, and the first of those that share bytes; of several at one place that of the earliest rule that asks for
/// nothing more. What somebody else issued gives way to AWS's.
fn without_overlaps(parts: Vec<Part>) -> Vec<Part> {
    let (others, mut parts): (Vec<_>, Vec<_>) = parts.into_iter().partition(Part::is_of_others);
    first_at_place(&mut parts);
    if !others.is_empty() {
        let ours: Vec<Span> = parts.iter().filter(|part| !part.needs_id).map(|part| part.span).collect();
        let is_left = |part: &Part| {
            let next = ours.partition_point(|ours| ours.end <= part.span.start);
            ours.get(next).is_none_or(|ours| !ours.overlaps(&part.span))
        };
        parts.extend(others.into_iter().filter(is_left));
        first_at_place(&mut parts);
    }
    parts
}

fn first_at_place(parts: &mut Vec<Part>) {
    parts.sort_by_key(|part| (part.span.start, part.needs_id, part.rule));
    parts.dedup_by(|later, first| first.span.overlaps(&later.span));
}

#[cfg(test)]
mod tests;
