//! The places of one credential as a person counts them: all versions of a file in history are one place, however many commits
//! there are. How a place is spelled is the formats' business.

use std::collections::{BTreeMap, BTreeSet};

use crate::blob::ObjectId;
use crate::finding::{Finding, Occurrence};
use crate::provenance::Origin;

/// A file, a file throughout history, a message or an object.
pub(super) struct Place<'a> {
    /// The occurrence to point at: one that stands there now, else the first.
    pub(super) shown: &'a Occurrence,
    /// How often the credential occurs at this place.
    pub(super) occurrences: u64,
    commits: BTreeSet<ObjectId>,
}

impl Place<'_> {
    /// How many versions of a file in history have it.
    pub(super) fn versions(&self) -> u64 {
        self.commits.len() as u64
    }
}

/// Where the credential stands and counts: places where it stands now come first, otherwise in the order of the occurrences.
pub(super) fn of(finding: &Finding) -> Vec<Place<'_>> {
    let mut index = BTreeMap::new();
    let mut places: Vec<Place<'_>> = Vec::new();
    for occurrence in finding.counting() {
        let at = &occurrence.provenance;
        let key = match &at.origin {
            Origin::Commit { commit, path, .. } => (Some((&commit.repository, path)), None),
            other => (None, Some(other)),
        };
        let number = *index.entry((key, &at.member)).or_insert(places.len());
        if number == places.len() {
            places.push(Place { shown: occurrence, occurrences: 0, commits: BTreeSet::new() });
        }
        let place = &mut places[number];
        place.occurrences += 1;
        if let Origin::Commit { commit, .. } = &at.origin {
            place.commits.insert(commit.id);
        }
        if !is_present(place.shown) && is_present(occurrence) {
            place.shown = occurrence;
        }
    }
    places.sort_by_key(|place| !is_present(place.shown));
    places
}

/// Whether the credential stands there now.
pub(super) fn is_present(occurrence: &Occurrence) -> bool {
    occurrence.provenance.is_present()
}

/// The occurrence that the earliest commit (or tag) brought.
pub(super) fn first_seen(finding: &Finding) -> Option<&Occurrence> {
    finding
        .occurrences
        .iter()
        .filter(|occurrence| occurrence.provenance.commit().is_some())
        .min_by_key(|occurrence| occurrence.provenance.commit())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{ID, commit, file, finding, history, message, object, occurrence, tag};
    use super::*;

    fn counted(occurrences: Vec<Occurrence>) -> Vec<(String, u64, u64)> {
        of(&finding(ID, occurrences))
            .iter()
            .map(|place| {
                let shown = place.shown.provenance.to_string();
                (shown, place.versions(), place.occurrences)
            })
            .collect()
    }

    #[test]
    fn a_file_in_history_is_one_place_per_repository_and_member() {
        let mut elsewhere = (*commit(2, 0)).clone();
        elsewhere.repository = "../other".into();
        let mut zipped = history(&commit(3, 0), "a", None, 1);
        zipped.provenance = zipped.provenance.member(b"b");
        let id = |number: &str| number.repeat(20);
        let told = counted(vec![
            history(&commit(1, 0), "a", None, 1),
            history(&commit(1, 0), "a", None, 9),
            history(&commit(4, 0), "a", None, 1),
            history(&elsewhere.into(), "a", None, 1),
            zipped,
        ]);
        assert_eq!(
            told,
            [(format!("{}:a", id("01")), 2, 3), (format!("{}:a", id("02")), 1, 1), (format!("{}:a!b", id("03")), 1, 1),]
        );
    }

    #[test]
    fn a_file_on_disk_is_another_place_than_the_same_file_in_history() {
        let told = counted(vec![file("a", 1), file("a", 2), history(&commit(1, 0), "a", Some(true), 1)]);
        assert_eq!(told.len(), 2);
        assert_eq!(told[0], ("a".to_owned(), 0, 2));
    }

    #[test]
    fn what_is_there_now_comes_first_and_is_pointed_at() {
        let told = counted(vec![
            history(&commit(1, 0), "gone", Some(false), 1),
            history(&commit(2, 0), "kept", Some(false), 1),
            history(&commit(3, 0), "kept", Some(true), 1),
            history(&commit(4, 0), "kept", Some(true), 1),
            occurrence(message(&commit(5, 0)), 1),
        ]);
        let shown: Vec<_> = told.iter().map(|(shown, ..)| &shown[40..]).collect();
        assert_eq!(shown[..2], [":kept", ":gone"]);
        assert!(told[0].0.starts_with("0303"));
    }

    #[test]
    fn the_earliest_commit_is_the_first_whatever_it_brought() {
        let found = finding(
            ID,
            vec![
                file("a", 1),
                history(&commit(1, 5), "a", None, 1),
                occurrence(message(&commit(2, 3)), 1),
                occurrence(tag(&commit(3, 4), b"v1"), 1),
                occurrence(object(4), 1),
            ],
        );
        let first = first_seen(&found).unwrap();
        assert_eq!(first.provenance.commit().unwrap().id, commit(2, 3).id);
        assert!(first_seen(&finding(ID, vec![file("a", 1)])).is_none());
    }
}
