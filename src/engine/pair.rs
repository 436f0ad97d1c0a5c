//! Joins what was found in one text: ids with their secrets and session tokens. Where things stand decides, and what they are called.
//!
//! `layout` reads the structure around the parts, `label` their names; `levels` pairs from the innermost container outwards, by
//! `align` where only order and distance are left.

use std::ops::Range;

use self::align::{Distance, Seat};
use self::label::Label;
pub(crate) use self::label::stem as label_stem;
use self::layout::Layout;
use self::levels::{Levels, Tie};
use super::foreign::Terms;
use super::rule::RuleSet;
use super::{Encoding, FoundSecret, Match, SecretKind, presigned};
use crate::key::{AccessKeyId, KeyKind, Secret};
use crate::location::Span;

mod align;
mod label;
mod layout;
mod levels;

/// An id within this distance makes a secret out of what has a vague label.
const HINT: Distance = Distance { lines: 20, bytes: 4096 };
/// The kinds that go with an id nearby.
const PAIRED: [SecretKind; 3] = [SecretKind::SecretAccessKey, SecretKind::SessionToken, SecretKind::SesSmtpPassword];

/// One value that was found.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Index of the rule.
    pub(super) rule: usize,
    pub(super) value: Value,
    /// Where it stands in the text in which it was found and is paired.
    pub(super) span: Span,
    /// Where it stands in the blob, before decoding.
    pub(super) raw: Span,
    /// What it was decoded from.
    pub(super) encoding: Vec<Encoding>,
    /// Counts only with an id nearby.
    pub(super) needs_id: bool,
    /// Nothing but its place says what it is.
    pub(super) unlabelled: bool,
    /// What is to be asked of the place.
    pub(super) terms: Terms,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Id(AccessKeyId),
    Secret(FoundSecret),
}

impl Value {
    /// The value alone, wherever it stands.
    pub(super) fn plain(&self) -> (Option<AccessKeyId>, Option<Secret>) {
        match self {
            Self::Id(id) => (Some(*id), None),
            Self::Secret(found) => (None, Some(found.secret.clone())),
        }
    }
}

/// An id, or a secret that has none, with what belongs to it.
struct Owner {
    part: Part,
    secrets: Vec<FoundSecret>,
}

/// All credentials in `parts`, sorted by where they stand in the blob. Parts must not overlap in `text`.
pub(super) fn join(text: &[u8], rules: &RuleSet, mut parts: Vec<Part>) -> Vec<Match> {
    parts.sort_by_key(|part| part.span);
    let names: Vec<_> = rules.iter().map(|rule| &rule.id).collect();
    let mut matches: Vec<Match> = joined(text, &parts)
        .into_iter()
        .map(|owner| Match {
            rule: names[owner.part.rule].clone(),
            span: owner.part.raw,
            access_key_id: match owner.part.value {
                Value::Id(id) => Some(id),
                Value::Secret(_) => None,
            },
            secrets: owner.secrets,
            encoding: owner.part.encoding,
            terms: Terms::default(),
        })
        .collect();
    // All that was deflated together has the same span.
    matches.sort_by_key(|found| (found.span, found.access_key_id));
    matches
}

/// The owners among parts in order of place: every id, and each secret that belongs to none. Of a session token the id has to be a
/// temporary one; signatures stand in a URL with their id; all other kinds stand alone.
fn joined(text: &[u8], parts: &[Part]) -> Vec<Owner> {
    let mut ties = vec![None; parts.len()];
    let mut dropped: Vec<bool> = parts.iter().map(|part| part.needs_id).collect();
    let is_id = |part: &Part| matches!(part.value, Value::Id(_));
    if parts.iter().any(is_id) && !parts.iter().all(is_id) {
        let layout = Layout::of(text, parts);
        let mut seats = seats(text, parts, &layout);
        dropped = without_hint(parts, &seats);
        for kind in PAIRED {
            let ids: Vec<usize> = (0..parts.len()).filter(|&i| parts[i].takes(kind)).collect();
            let secrets: Vec<usize> = (0..parts.len()).filter(|&i| parts[i].is_of(kind) && !dropped[i]).collect();
            Levels::new(&layout, &mut seats, &mut ties).tie(&ids, &secrets);
            tie_the_only_ones(parts, &ids, &secrets, &mut ties);
        }
        tie_within_urls(text, parts, &mut ties);
    }
    owners(parts, &ties, &dropped)
}

impl Part {
    /// Where it stands.
    pub(super) fn range(&self) -> Range<usize> {
        self.span.start..self.span.end
    }

    /// Whether it is a secret that each long-term id has one of.
    pub(super) fn goes_with_id(&self) -> bool {
        matches!(self.kind(), Some(SecretKind::SecretAccessKey | SecretKind::SesSmtpPassword))
    }

    fn kind(&self) -> Option<SecretKind> {
        match &self.value {
            Value::Id(_) => None,
            Value::Secret(secret) => Some(secret.kind),
        }
    }

    /// Whether it is somebody else's than AWS's.
    pub(super) fn is_of_others(&self) -> bool {
        self.kind() == Some(SecretKind::Other)
    }

    fn is_of(&self, kind: SecretKind) -> bool {
        self.kind() == Some(kind)
    }

    fn takes(&self, kind: SecretKind) -> bool {
        match self.value {
            Value::Id(id) => kind != SecretKind::SessionToken || id.kind() == KeyKind::Temporary,
            Value::Secret(_) => false,
        }
    }

    fn found_secret(&self) -> Option<FoundSecret> {
        match &self.value {
            Value::Id(_) => None,
            Value::Secret(secret) => Some(secret.clone()),
        }
    }

    fn has_value_of(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Id(a), Value::Id(b)) => a == b,
            (Value::Secret(a), Value::Secret(b)) => a.secret == b.secret,
            _ => false,
        }
    }
}

fn seats(text: &[u8], parts: &[Part], layout: &Layout) -> Vec<Seat> {
    let mut floor = 0;
    let seats = parts.iter().zip(&layout.places).map(|(part, place)| {
        let label = Label::before(text, part.span.start, floor, place.commented);
        floor = part.span.end;
        Seat { span: part.span, line: place.line, label, vague: part.needs_id, wrapped: false, settled: 0 }
    });
    seats.collect()
}

/// Which parts are nothing since no id is near.
fn without_hint(parts: &[Part], seats: &[Seat]) -> Vec<bool> {
    let ids: Vec<usize> = (0..parts.len()).filter(|&i| matches!(parts[i].value, Value::Id(_))).collect();
    let is_near = |i: usize| neighbours(&ids, i).any(|id| seats[id].distance(&seats[i]).is_within(HINT));
    (0..parts.len()).map(|i| parts[i].needs_id && !is_near(i)).collect()
}

/// The last of `sorted` before `index` and the first after it.
fn neighbours(sorted: &[usize], index: usize) -> impl Iterator<Item = usize> {
    let next = sorted.partition_point(|&other| other < index);
    let before = next.checked_sub(1).map(|last| sorted[last]);
    before.into_iter().chain(sorted.get(next).copied())
}

/// When a text has but one id and one secret, each maybe at several places, nothing else comes into question.
fn tie_the_only_ones(parts: &[Part], ids: &[usize], secrets: &[usize], ties: &mut [Option<Tie>]) {
    let is_one = |of: &[usize]| of.iter().all(|&i| parts[i].has_value_of(&parts[of[0]]));
    if !is_one(ids) || !is_one(secrets) || secrets.iter().any(|&secret| ties[secret].is_some()) {
        return;
    }
    let pairs = secrets.iter().flat_map(|&secret| neighbours(ids, secret).map(move |id| (secret, id)));
    let apart = |a: usize, b: usize| parts[a.max(b)].span.start - parts[a.min(b)].span.end;
    if let Some((secret, id)) = pairs.min_by_key(|&(secret, id)| apart(secret, id)) {
        ties[secret] = Some(Tie { id, cost: 0, is_spare: false });
    }
}

/// Signatures of presigned URLs belong to the id in the URL.
fn tie_within_urls(text: &[u8], parts: &[Part], ties: &mut [Option<Tie>]) {
    let ids: Vec<usize> = (0..parts.len()).filter(|&i| parts[i].kind().is_none()).collect();
    for (part, tie) in parts.iter().zip(ties).filter(|(part, _)| part.is_of(SecretKind::PresignedUrl)) {
        let url = presigned::extent(text, &(part.span.start..part.span.end));
        let first = ids.partition_point(|&id| parts[id].span.start < url.start);
        let id = ids.get(first).filter(|&&id| parts[id].span.end <= url.end);
        *tie = id.map(|&id| Tie { id, cost: 0, is_spare: false });
    }
}

/// The secrets of each owner are in order of kind, the best of a kind first.
fn owners(parts: &[Part], ties: &[Option<Tie>], dropped: &[bool]) -> Vec<Owner> {
    let mut of_ids: Vec<_> = (0..parts.len()).filter_map(|i| ties[i].map(|tie| (tie, i))).collect();
    of_ids.sort_by_key(|&(tie, i)| (tie.id, parts[i].kind(), tie.is_spare, tie.cost, i));
    let mut of_ids = of_ids.into_iter().peekable();
    let mut owners = Vec::new();
    for (i, part) in parts.iter().enumerate() {
        match &part.value {
            Value::Id(_) => {
                let own = std::iter::from_fn(|| of_ids.next_if(|(tie, _)| tie.id == i));
                owners.push(owner(part, own.map(|(_, secret)| &parts[secret])));
            }
            // A signature without an id is an example of the documentation.
            Value::Secret(secret) if secret.kind == SecretKind::PresignedUrl => {}
            Value::Secret(_) if ties[i].is_some() || dropped[i] => {}
            Value::Secret(secret) if part.needs_id && PAIRED.contains(&secret.kind) => {}
            Value::Secret(secret) => owners.push(Owner { part: part.clone(), secrets: vec![secret.clone()] }),
        }
    }
    owners
}

fn owner<'a>(id: &Part, secrets: impl Iterator<Item = &'a Part>) -> Owner {
    let mut owner = Owner { part: id.clone(), secrets: Vec::new() };
    for part in secrets {
        // With the secret access key it is more than a URL.
        if part.is_of(SecretKind::PresignedUrl) && !owner.has(SecretKind::SecretAccessKey) {
            owner.part.rule = part.rule;
        }
        owner.secrets.extend(part.found_secret());
    }
    owner
}

impl Owner {
    fn has(&self, kind: SecretKind) -> bool {
        self.secrets.iter().any(|secret| secret.kind == kind)
    }
}

/// Counts what pairing costs, so that tests can hold it to the size of the text.
#[cfg(test)]
fn spent(work: usize) {
    tests::WORK.with(|total| total.set(total.get() + work));
}

#[cfg(not(test))]
fn spent(_: usize) {}

#[cfg(test)]
mod tests;
