//! What of a `.keysweepignore` says nothing any more.

use std::collections::HashMap;

use jiff::civil::Date;

use super::entry::Entry;
use super::{List, Terms};
use crate::finding::Finding;
use crate::finding::keyed::Print;

/// Why an entry is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Useless {
    /// Its last day has passed.
    Expired(Date),
    /// What it knows was not found, or not at its paths.
    Unmatched,
    /// Another knows the same at the same paths, for as long or longer.
    Repeated,
}

/// The entries of no use, by number. `findings` is everything that was found; `None` when not everything was read, so that nobody can say
/// what is gone. An entry that was made with a key that nobody has here stays.
pub fn useless(list: &List, findings: Option<&[Finding]>, terms: Terms<'_>) -> Vec<(usize, Useless)> {
    let found = findings.map(|findings| index(findings, terms));
    let judged = list.entries.iter().enumerate().map(|(number, entry)| {
        let useless = match entry.until.filter(|_| entry.has_expired(terms.today)) {
            Some(until) => Some(Useless::Expired(until)),
            None if is_repeated(&list.entries, number) => Some(Useless::Repeated),
            None => found.as_ref().filter(|found| is_unmatched(list, entry, found, terms)).map(|_| Useless::Unmatched),
        };
        Some((number, useless?))
    });
    judged.flatten().collect()
}

fn is_repeated(entries: &[Entry], number: usize) -> bool {
    let entry = &entries[number];
    let same = |other: &Entry| other.print == entry.print && other.paths == entry.paths;
    // How long it holds, and for how much.
    let extent = |entry: &Entry| (entry.until.unwrap_or(Date::MAX), !entry.id_only);
    let (until, whole) = extent(entry);
    entries.iter().enumerate().any(|(at, other)| {
        let (other_until, other_whole) = extent(other);
        let is_as_much = other_until >= until && other_whole >= whole;
        at != number && same(other) && is_as_much && (extent(other) != extent(entry) || at < number)
    })
}

/// Findings by all that their fingerprints may have been written as.
fn index<'a>(findings: &'a [Finding], terms: Terms<'_>) -> HashMap<Print, &'a Finding> {
    findings.iter().flat_map(|finding| terms.prints(finding).into_iter().map(move |print| (print, finding))).collect()
}

fn is_unmatched(list: &List, entry: &Entry, found: &HashMap<Print, &Finding>, terms: Terms<'_>) -> bool {
    match entry.print {
        Print::Keyed { key, .. } if terms.key.is_none_or(|own| own.id() != key) => return false,
        _ => {}
    }
    let own = found.get(&entry.print);
    !own.is_some_and(|finding| finding.occurrences.iter().any(|place| list.covers(entry, place)))
}
