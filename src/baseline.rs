//! Which findings are known and don't count: by the fingerprint of the credential, in `.keysweepignore` and in earlier reports; by
//! what other scanners were told; and by comments beside them. No I/O here: text is handed in, and so are the key and the day.
//!
//! `entry` is a line of `.keysweepignore` and `file` all of it, `globs` are the paths in it and `reach` says from where they are
//! seen, `report` reads fingerprints out of reports, `import` what other scanners ignore, `prune` says what has become useless.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::civil::Date;

use self::entry::Entry;
use self::import::Imports;
use self::reach::Reach;
use crate::finding::keyed::{FingerprintKey, KeyId, Print};
use crate::finding::suppression::{By, Lapsed, Suppression};
use crate::finding::{Finding, Occurrence, snippet};

pub mod entry;
pub mod file;
pub mod globs;
pub mod import;
pub mod prune;
pub mod reach;
pub mod report;

/// What keysweep calls the file at the root of a working tree.
pub const FILE_NAME: &str = ".keysweepignore";

/// Everything that says which findings are known.
#[derive(Debug, Default)]
pub struct Baseline {
    /// Lists of fingerprints; of several that know a place the first is told.
    pub lists: Vec<List>,
    /// What other scanners were told.
    pub imports: Vec<Imports>,
}

/// The entries of one file.
#[derive(Debug)]
pub struct List {
    /// What kind of file it is.
    pub by: By,
    /// What the file is called.
    pub name: Arc<str>,
    /// Its entries.
    pub entries: Vec<Entry>,
    /// For what they hold.
    pub reach: Reach,
}

/// What fingerprints are compared by.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The key of the user, if there is one.
    pub key: Option<&'a FingerprintKey>,
    /// The day of the scan: what holds until then or longer holds.
    pub today: Date,
}

impl Baseline {
    /// Marks every place that is known. Returns what the user should be told.
    pub fn apply(&self, findings: &mut [Finding], terms: Terms<'_>) -> Vec<String> {
        let mut notes: Vec<String> = self.lists.iter().flat_map(|list| list.notes(terms)).collect();
        let lists: Vec<(&List, HashMap<Print, Vec<&Entry>>)> =
            self.lists.iter().map(|list| (list, list.index())).collect();
        for finding in findings {
            let mut outgrown = None;
            for (list, entries) in &lists {
                let own = terms.prints(finding);
                let own: Vec<&Entry> = own.iter().filter_map(|print| entries.get(print)).flatten().copied().collect();
                let (own, short): (Vec<&Entry>, Vec<&Entry>) = own.into_iter().partition(|entry| entry.knew(finding));
                if !own.is_empty() {
                    list.mark(finding, &own, terms.today);
                }
                let covers = |entry: &Entry| finding.occurrences.iter().any(|place| list.covers(entry, place));
                if short.iter().any(|entry| !entry.has_expired(terms.today) && covers(entry)) {
                    outgrown = outgrown.or(Some(&list.name));
                }
            }
            for imports in &self.imports {
                imports.mark(finding);
            }
            for place in &mut finding.occurrences {
                if place.suppressed.is_none() {
                    place.suppressed.clone_from(&place.comment);
                }
            }
            notes.extend(lapsed(finding, terms));
            if let Some(name) = outgrown.filter(|_| finding.suppressed().is_none()) {
                notes.push(format!(
                    "{} is reported: {name} knows the id by itself, not its secret",
                    called(finding, terms)
                ));
            }
        }
        notes
    }
}

/// Says that an entry held until a day that has passed; nothing where the finding does not count for another reason.
fn lapsed(finding: &mut Finding, terms: Terms<'_>) -> Option<String> {
    if finding.suppressed().is_some() {
        finding.lapsed = None;
    }
    let Lapsed { was, until } = finding.lapsed.as_ref()?;
    let what = called(finding, terms);
    let reason = was.reason.as_ref().map_or(String::new(), |reason| format!(" ({reason})"));
    Some(format!("{what} is reported again: its entry in {} expired on {until}{reason}", was.source))
}

fn called(finding: &Finding, terms: Terms<'_>) -> String {
    match finding.access_key_id {
        Some(id) => id.to_string(),
        None => Print::new(&finding.fingerprint, terms.key).short(),
    }
}

impl Terms<'_> {
    /// Everything that the fingerprint of a finding may have been written as.
    fn prints(&self, finding: &Finding) -> Vec<Print> {
        let plain = Print::Plain(finding.fingerprint);
        self.key.map(|key| key.print(&finding.fingerprint)).into_iter().chain([plain]).collect()
    }
}

impl List {
    fn index(&self) -> HashMap<Print, Vec<&Entry>> {
        let mut index: HashMap<Print, Vec<&Entry>> = HashMap::new();
        self.entries.iter().for_each(|entry| index.entry(entry.print).or_default().push(entry));
        index
    }

    /// Whether an entry covers a place, whatever day it is.
    fn covers(&self, entry: &Entry, place: &Occurrence) -> bool {
        self.reach.of(&place.provenance).is_some_and(|spot| entry.paths.hold(&spot))
    }

    fn mark(&self, finding: &mut Finding, entries: &[&Entry], today: Date) {
        for place in finding.occurrences.iter_mut().filter(|place| place.suppressed.is_none()) {
            let covering = entries.iter().filter(|entry| self.covers(entry, place));
            // Of several the one that holds longest.
            let Some(entry) = covering.max_by_key(|entry| entry.until.unwrap_or(Date::MAX)) else {
                continue;
            };
            // Whoever wrote it may have written too much.
            let reason = Some(&*entry.reason).filter(|reason| !reason.is_empty());
            let reason = reason.map(|reason| snippet::masked_text(reason).into());
            let was = Suppression { by: self.by, source: self.name.clone(), reason };
            match entry.until.filter(|until| *until < today) {
                Some(until) => finding.lapsed = Some(Lapsed { was, until }),
                None => place.suppressed = Some(was),
            }
        }
    }

    /// What is to be said of the keys that its fingerprints were made with.
    fn notes(&self, terms: Terms<'_>) -> Vec<String> {
        let name = &self.name;
        let mut others: BTreeMap<KeyId, usize> = BTreeMap::new();
        let mut plain = 0;
        for entry in &self.entries {
            match entry.print {
                Print::Keyed { key, .. } if terms.key.is_none_or(|own| own.id() != key) => {
                    *others.entry(key).or_default() += 1;
                }
                Print::Plain(_) if terms.key.is_some() => plain += 1,
                _ => {}
            }
        }
        let unused = others.iter().map(|(key, count)| {
            let made = format!("{} made with", entries_of(name, *count));
            match terms.key {
                Some(own) => {
                    format!("{made} another key than KEYSWEEP_FINGERPRINT_KEY ({key}, not {}) and of no use", own.id())
                }
                None => format!("{made} a key ({key}) and of no use without it: set KEYSWEEP_FINGERPRINT_KEY to it"),
            }
        });
        let mut notes: Vec<String> = unused.collect();
        if plain > 0 {
            notes.push(format!(
                "{} made without a key: what is named there is known all the same, but who has the file can guess it",
                entries_of(name, plain)
            ));
        }
        notes
    }
}

fn entries_of(name: &str, count: usize) -> String {
    if count == 1 { format!("1 entry of {name} was") } else { format!("{count} entries of {name} were") }
}

#[cfg(test)]
mod tests;
