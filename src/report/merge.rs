//! Several reports as one: what a scan of everything would have told, made of what scans of its parts told. Reading reports is
//! `triage::reported`'s business, in which order places stand that of `order`.
//!
//! Whatever the order in which reports come, the same comes of them: where they tell different things of a credential, the one that weighs
//! more stays.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};

use serde_json::{Map, Value, json};

use self::order::Place;
use super::json;
use crate::engine::SecretKind;
use crate::finding::keyed::{KeyId, Print};
use crate::finding::suppression::By;
use crate::triage::reported::Report;
use crate::triage::verdict::Status;

mod order;
#[cfg(test)]
mod tests;

/// The shape a merged report is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One document in the schema `keysweep/v1`.
    Json,
    /// The same, one JSON object a line, the summary last.
    Jsonl,
}

/// Why a report can't be joined with those before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoMerge {
    /// A fingerprint is none, or secrets, places or what suppresses them are not as they are written.
    #[error(
        "finding {0} has no fingerprint, or something else than a list in `secrets` or `occurrences` or than a reason in `suppressed`: \
         another version of keysweep may have made it"
    )]
    Finding(usize),
    /// Something unread is not told with what it is and why.
    #[error(
        "its summary has something else than a list of `what` and `why` in `skipped`: another version of keysweep may have made it"
    )]
    Skipped,
    /// Nobody can tell whether they tell of the same credentials.
    #[error(
        "its fingerprints are made {its} and those of the reports before it {theirs}: nobody can tell which findings are the same; scan again \
         with one KEYSWEEP_FINGERPRINT_KEY for all, or with none"
    )]
    Keys {
        /// How its fingerprints are made.
        its: String,
        /// How those before were.
        theirs: String,
    },
}

/// What has been joined so far.
#[derive(Debug, Default)]
pub struct Merge {
    /// How fingerprints are made, once one was seen.
    made: Option<Option<KeyId>>,
    credentials: BTreeMap<String, Credential>,
    blobs: u64,
    bytes: u64,
    known: u64,
    seconds: Option<f64>,
    skipped: BTreeSet<(String, String)>,
    /// By into how many parts the work was split, of which there are reports.
    shards: BTreeMap<u64, BTreeSet<u64>>,
    is_incomplete: bool,
}

/// One report made of several.
#[derive(Debug)]
pub struct Merged {
    findings: Vec<Map<String, Value>>,
    summary: Map<String, Value>,
}

/// A finding while it is being gathered.
#[derive(Debug, Default)]
struct Credential {
    /// All but places and secrets.
    told: Map<String, Value>,
    places: BTreeMap<Place, Map<String, Value>>,
    /// By kind and hash, with the best position that any report gave it.
    secrets: BTreeMap<(usize, String), (usize, Map<String, Value>)>,
}

impl Merge {
    /// Adds a report.
    ///
    /// # Errors
    /// When it can't be joined with those before it. Part of it may have been added by then: nothing is to be made of the rest.
    pub fn add(&mut self, report: Report) -> Result<(), NoMerge> {
        for (number, found) in (1..).zip(report.findings) {
            self.finding(found.told).ok_or(NoMerge::Finding(number))??;
        }
        let mut summary = report.summary;
        let number = |name: &str| summary.get(name).and_then(Value::as_u64).unwrap_or_default();
        self.blobs = self.blobs.saturating_add(number("blobs"));
        self.bytes = self.bytes.saturating_add(number("bytes"));
        self.known = self.known.saturating_add(number("known"));
        if let Some(seconds) = summary.get("seconds").and_then(Value::as_f64) {
            self.seconds = Some(self.seconds.unwrap_or_default() + seconds);
        }
        for skipped in list(&mut summary, "skipped").ok_or(NoMerge::Skipped)? {
            let [what, why] = ["what", "why"].map(|name| skipped[name].as_str().map(str::to_owned));
            self.skipped.insert((what.ok_or(NoMerge::Skipped)?, why.ok_or(NoMerge::Skipped)?));
        }
        if let Some([number, of]) = summary.get("shard").and_then(shard) {
            self.shards.entry(of).or_default().insert(number);
        }
        // Who does not say that everything was read has not read everything.
        self.is_incomplete |= summary.get("complete") != Some(&Value::Bool(true)) || !self.skipped.is_empty();
        Ok(())
    }

    /// `None` where it is not as findings are.
    fn finding(&mut self, mut told: Map<String, Value>) -> Option<Result<(), NoMerge>> {
        is_reason(&told)?;
        let fingerprint = told.get("fingerprint")?.as_str()?.to_owned();
        let made = match fingerprint.parse().ok()? {
            Print::Plain(_) => None,
            Print::Keyed { key, .. } => Some(key),
        };
        let before = *self.made.get_or_insert(made);
        if before != made {
            return Some(Err(NoMerge::Keys { its: how(made), theirs: how(before) }));
        }
        let credential = self.credentials.entry(fingerprint).or_default();
        for (position, secret) in list(&mut told, "secrets")?.into_iter().enumerate() {
            credential.secret(position, secret)?;
        }
        for place in list(&mut told, "occurrences")? {
            let Value::Object(place) = place else {
                return None;
            };
            is_reason(&place)?;
            unite(credential.places.entry(Place::of(&place)).or_default(), place);
        }
        unite(&mut credential.told, told);
        Some(Ok(()))
    }

    /// The one report.
    pub fn finish(mut self) -> Merged {
        self.join_lone_secrets();
        for (of, numbers) in std::mem::take(&mut self.shards) {
            if let Some(missing) = missing(of, &numbers) {
                self.is_incomplete = true;
                let why = format!("of {missing} no report was joined: hand over those of all shards at once");
                self.skipped.insert((format!("a part of the work, which was split into {of}"), why));
            }
        }
        let mut sorted: Vec<(String, Credential)> = self.credentials.into_iter().collect();
        sorted.sort_by(|(a_print, a), (b_print, b)| {
            a.places.keys().next().cmp(&b.places.keys().next()).then_with(|| a_print.cmp(b_print))
        });
        let findings: Vec<_> = sorted.into_iter().map(|(_, credential)| credential.finish()).collect();
        let mut summary = counts(&findings);
        summary.insert("blobs".to_owned(), self.blobs.into());
        summary.insert("bytes".to_owned(), self.bytes.into());
        if self.known > 0 {
            summary.insert("known".to_owned(), self.known.into());
        }
        if let Some(seconds) = self.seconds {
            summary.insert("seconds".to_owned(), seconds.into());
        }
        let skipped: Vec<_> = self.skipped.iter().map(|(what, why)| json!({ "what": what, "why": why })).collect();
        summary.insert("skipped".to_owned(), skipped.into());
        summary.insert("complete".to_owned(), (!self.is_incomplete).into());
        Merged { findings, summary }
    }

    /// A secret that one report has alone and another beside an id belongs to that id's finding, as it does within one scan.
    fn join_lone_secrets(&mut self) {
        let id = |credential: &Credential| credential.told.get("access_key_id")?.as_str().map(str::to_owned);
        let mut owners: BTreeMap<(usize, String), (String, String)> = BTreeMap::new();
        for (fingerprint, credential) in &self.credentials {
            let Some(id) = id(credential) else {
                continue;
            };
            for secret in credential.secrets.keys() {
                let owner = (id.clone(), fingerprint.clone());
                owners
                    .entry(secret.clone())
                    .and_modify(|best| *best = owner.clone().min(best.clone()))
                    .or_insert(owner);
            }
        }
        let alone = self.credentials.iter().filter(|(_, credential)| id(credential).is_none());
        let pairs: Vec<(String, String)> = alone
            .filter_map(|(fingerprint, credential)| {
                let secret = credential.secrets.keys().find(|(_, sha256)| sha256 == fingerprint)?;
                Some((fingerprint.clone(), owners.get(secret)?.1.clone()))
            })
            .collect();
        for (lone, owner) in pairs {
            if let Some(lone) = self.credentials.remove(&lone)
                && let Some(owner) = self.credentials.get_mut(&owner)
            {
                owner.join(lone);
            }
        }
    }
}

impl Credential {
    /// `None` where it is not as secrets are.
    fn secret(&mut self, position: usize, secret: Value) -> Option<()> {
        let Value::Object(secret) = secret else {
            return None;
        };
        let kind = secret.get("kind")?.as_str()?;
        // Kinds that a later version adds come last.
        let kind = SecretKind::ALL.iter().position(|known| known.name() == kind).unwrap_or(SecretKind::ALL.len());
        let sha256 = secret.get("sha256")?.as_str()?.to_owned();
        let (best, told) = self.secrets.entry((kind, sha256)).or_insert((position, Map::new()));
        *best = position.min(*best);
        unite(told, secret);
        Some(())
    }

    /// Takes the places of a secret that was found alone elsewhere.
    fn join(&mut self, lone: Self) {
        for (place, told) in lone.places {
            unite(self.places.entry(place).or_default(), told);
        }
        let suppressed = lone.told.into_iter().filter(|(name, _)| name == "suppressed");
        unite(&mut self.told, suppressed.collect());
    }

    fn finish(self) -> Map<String, Value> {
        let mut secrets: Vec<_> = self.secrets.into_iter().collect();
        secrets.sort_by(|((a_kind, a), (a_best, _)), ((b_kind, b), (b_best, _))| {
            (a_kind, a_best, a).cmp(&(b_kind, b_best, b))
        });
        let mut told = self.told;
        told.insert("secrets".to_owned(), secrets.into_iter().map(|(_, (_, secret))| Value::Object(secret)).collect());
        told.insert("occurrences".to_owned(), self.places.into_values().map(Value::Object).collect());
        told
    }
}

impl Merged {
    /// How many findings count.
    pub fn counting(&self) -> usize {
        self.findings.iter().filter(|told| counts_at_all(told)).count()
    }

    /// Everything was read that was to be read.
    pub fn is_complete(&self) -> bool {
        self.summary["complete"] == true
    }

    /// Anything at all was read.
    pub fn is_any(&self) -> bool {
        ["bytes", "known"].iter().any(|name| self.summary.get(*name).and_then(Value::as_u64) > Some(0))
    }

    /// Writes it.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, shape: Shape, out: &mut dyn Write) -> io::Result<()> {
        let mut out = BufWriter::new(out);
        match shape {
            Shape::Json => json::write_told(&self.findings, &self.summary, &mut out)?,
            Shape::Jsonl => json::write_told_lines(self.findings.iter().cloned(), &self.summary, &mut out)?,
        }
        out.flush()
    }
}

/// Which part of how many a report is of.
fn shard(told: &Value) -> Option<[u64; 2]> {
    let [number, of] = ["number", "of"].map(|name| told.get(name).and_then(Value::as_u64));
    Some([number?, of?])
}

/// Which parts there are no reports of, in words.
fn missing(of: u64, numbers: &BTreeSet<u64>) -> Option<String> {
    const NAMED: usize = 10;
    let count = of.saturating_sub(numbers.iter().filter(|number| (1..=of).contains(number)).count() as u64);
    let named: Vec<String> = (1..=of)
        .filter(|number| !numbers.contains(number))
        .take(NAMED)
        .map(|number| format!("{number}/{of}"))
        .collect();
    let more = count.saturating_sub(named.len() as u64);
    let told = format!("shard {}", named.join(", "));
    match (count, more) {
        (0, _) => None,
        (_, 0) => Some(told),
        _ => Some(format!("{told} and {more} more")),
    }
}

/// How fingerprints are made, in words.
fn how(key: Option<KeyId>) -> String {
    key.map_or_else(|| "without a key".to_owned(), |key| format!("with the key {key}"))
}

/// Takes a list out; `None` where something else stands there.
fn list(told: &mut Map<String, Value>, name: &str) -> Option<Vec<Value>> {
    match told.remove(name) {
        Some(Value::Array(all)) => Some(all),
        None | Some(Value::Null) => Some(Vec::new()),
        Some(_) => None,
    }
}

/// What suppresses a finding or a place is a reason, or nothing does: else what counts would be taken for known. `None` if not.
fn is_reason(told: &Map<String, Value>) -> Option<()> {
    matches!(told.get("suppressed"), None | Some(Value::Null | Value::Object(_))).then_some(())
}

/// What the summary counts of findings.
fn counts(findings: &[Map<String, Value>]) -> Map<String, Value> {
    let counting = findings.iter().filter(|told| counts_at_all(told)).count();
    let by = |by: &By| {
        let of = findings.iter().filter(|told| told.get("suppressed").is_some_and(|why| why["by"] == by.name()));
        (by.name().to_owned(), Value::from(of.count()))
    };
    let places = findings.iter().filter_map(|told| told.get("occurrences")?.as_array()).flatten();
    let suppressed_places = places.filter(|place| place["suppressed"].is_object()).count();
    let mut summary = Map::new();
    summary.insert("findings".to_owned(), counting.into());
    summary.insert("suppressed".to_owned(), (findings.len() - counting).into());
    summary.insert("suppressed_by".to_owned(), Value::Object(By::ALL.iter().map(by).collect()));
    summary.insert("suppressed_occurrences".to_owned(), suppressed_places.into());
    summary
}

fn counts_at_all(told: &Map<String, Value>) -> bool {
    told.get("suppressed").is_none_or(Value::is_null)
}

/// Adds what another report tells of the same thing.
fn unite(known: &mut Map<String, Value>, more: Map<String, Value>) {
    for (name, value) in more {
        match known.get_mut(&name) {
            Some(before) if weight(&name, before) >= weight(&name, &value) => {}
            _ => drop(known.insert(name, value)),
        }
    }
}

/// What of two things that are told under one name stays: the heavier. The text decides where nothing else does, so that the order of
/// reports does not.
fn weight(name: &str, value: &Value) -> (usize, String) {
    let rank = |words: &[&str], word: &Value| words.iter().position(|known| word == known).map_or(0, |at| at + 1);
    let by = [By::Comment, By::Imported, By::Baseline, By::IgnoreFile].map(By::name);
    let rank = match name {
        // What counts anywhere counts; then the most general reason.
        "suppressed" => {
            if value.is_null() {
                by.len() + 1
            } else {
                rank(&by, &value["by"])
            }
        }
        _ if value.is_null() => return (0, String::new()),
        "severity" => rank(&["low", "medium", "high", "critical"], value),
        "account" => rank(&["unknown", "foreign", "ours", "canary"], value),
        // An id that stands in URLs only is told as such, and out by itself it matters more.
        "rule" => 1 + usize::from(value != "aws-presigned-url"),
        "verdict" => 1 + urgency(value),
        "public" => rank(&["false", "null", "true"], &value["is"].to_string().into()),
        _ => 1,
    };
    (rank, value.to_string())
}

/// What is live comes first, then by how urgent the status is.
fn urgency(verdict: &Value) -> usize {
    let statuses = Status::ALL;
    let status = statuses.iter().position(|status| verdict["status"] == status.name()).unwrap_or(statuses.len());
    let live = if verdict["live"] == true { statuses.len() + 1 } else { 0 };
    live + statuses.len() - status
}
