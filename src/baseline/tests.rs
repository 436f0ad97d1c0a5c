//! Tests of what is known and what is not.

use std::sync::Arc;

use super::entry::date;
use super::globs::Globs;
use super::prune::{Useless, useless};
use super::*;
use crate::blob::ObjectId;
use crate::engine::SecretKind;
use crate::finding::Fingerprint;
use crate::finding::snippet::Snippet;
use crate::key::{AccessKeyId, Secret};
use crate::location::Point;
use crate::provenance::{Commit, Origin, Provenance};

pub(super) const AT: &str = "AKIAIOSFODNN7EXAMPLE";
const OTHER: &str = "ASIAI44QH8DHBEXAMPLE";

pub(super) fn finding(id: &str, occurrences: Vec<Occurrence>) -> Finding {
    Finding {
        fingerprint: Fingerprint::of(id.as_bytes()),
        rule: "aws-access-key-id".into(),
        access_key_id: AccessKeyId::shaped(id.as_bytes()),
        secrets: Vec::new(),
        occurrences,
        lapsed: None,
    }
}

fn place(origin: Origin, line: u64) -> Occurrence {
    Occurrence {
        provenance: Provenance::new(origin),
        point: Point { line, column: 1 },
        offset: line,
        snippet: Snippet::default(),
        encoding: Vec::new(),
        expires: None,
        comment: None,
        suppressed: None,
    }
}

pub(super) fn file(path: &str, line: u64) -> Occurrence {
    place(Origin::File { path: path.into() }, line)
}

pub(super) fn committed(number: u8, path: &str, line: u64) -> Occurrence {
    let commit = Commit {
        date: Default::default(),
        repository: ".".into(),
        id: ObjectId::from_bytes(&[number; 20]).unwrap(),
        author: "a".into(),
        reachable: true,
    };
    place(Origin::Commit { commit: Arc::new(commit), path: path.into(), in_head: None }, line)
}

fn entry(id: &str, until: Option<&str>, globs: &[&str]) -> Entry {
    let globs = globs.iter().map(|&glob| glob.to_owned()).collect();
    Entry {
        print: Print::Plain(Fingerprint::of(id.as_bytes())),
        id_only: false,
        until: until.map(|day| date(day).unwrap()),
        paths: Globs::new(globs).unwrap(),
        reason: format!("of {id}"),
    }
}

fn list(entries: Vec<Entry>) -> List {
    List { by: By::IgnoreFile, name: FILE_NAME.into(), entries, reach: Reach::everything() }
}

fn on(day: &str) -> Terms<'static> {
    Terms { key: None, today: date(day).unwrap() }
}

/// What says of each place that it does not count, and the notes.
fn applied(lists: Vec<List>, finding: &mut Finding, terms: Terms<'_>) -> (Vec<Option<By>>, Vec<String>) {
    let baseline = Baseline { lists, imports: Vec::new() };
    let notes = baseline.apply(std::slice::from_mut(finding), terms);
    (finding.occurrences.iter().map(|place| Some(place.suppressed.as_ref()?.by)).collect(), notes)
}

#[test]
fn an_entry_knows_its_credential_wherever_it_stands() {
    let places = || vec![file("a", 1), committed(1, "b", 2), place(Origin::Stdin, 3)];
    let mut known = finding(AT, places());
    let (by, notes) = applied(vec![list(vec![entry(AT, None, &[])])], &mut known, on("2026-11-30"));
    assert_eq!((by, notes), (vec![Some(By::IgnoreFile); 3], vec![]));
    let suppressed = known.suppressed().unwrap();
    assert_eq!(
        (suppressed.reason.as_deref(), suppressed.called()),
        (Some("of AKIAIOSFODNN7EXAMPLE"), ".keysweepignore")
    );
    let mut other = finding(OTHER, places());
    let (by, _) = applied(vec![list(vec![entry(AT, None, &[])])], &mut other, on("2026-11-30"));
    assert_eq!(by, [None; 3]);
}

#[test]
fn with_paths_it_knows_it_only_there_and_the_rest_counts() {
    let mut some = finding(AT, vec![file("tests/a", 1), file("src/a", 1), committed(1, "tests/b", 1)]);
    let (by, _) = applied(vec![list(vec![entry(AT, None, &["/tests/"])])], &mut some, on("2026-11-30"));
    assert_eq!(by, [Some(By::IgnoreFile), None, Some(By::IgnoreFile)]);
    assert!(some.suppressed().is_none());
    assert_eq!(some.counting().count(), 1);
}

#[test]
fn an_entry_that_expired_does_not_hold_and_that_is_told() {
    let expiring = || list(vec![entry(AT, Some("2026-11-30"), &[])]);
    let mut found = finding(AT, vec![file("a", 1)]);
    assert_eq!(applied(vec![expiring()], &mut found, on("2026-11-30")), (vec![Some(By::IgnoreFile)], vec![]));
    let mut found = finding(AT, vec![file("a", 1)]);
    let (by, notes) = applied(vec![expiring()], &mut found, on("2026-12-01"));
    assert_eq!(by, [None]);
    assert_eq!(found.lapsed.as_ref().unwrap().until, date("2026-11-30").unwrap());
    assert!(notes[0].contains(AT) && notes[0].contains("expired on 2026-11-30 (of AKIA"), "{notes:?}");
    // Of several lines, as a merge leaves them, the one that lasts longest counts.
    let mut found = finding(AT, vec![file("a", 1)]);
    let both = list(vec![entry(AT, Some("2027-01-01"), &[]), entry(AT, Some("2026-11-30"), &[])]);
    assert_eq!(applied(vec![both], &mut found, on("2026-12-01")), (vec![Some(By::IgnoreFile)], vec![]));
    // What is known otherwise is not reported again.
    let mut found = finding(AT, vec![file("a", 1)]);
    let other = List { by: By::Baseline, ..list(vec![entry(AT, None, &[])]) };
    assert_eq!(applied(vec![expiring(), other], &mut found, on("2026-12-01")), (vec![Some(By::Baseline)], vec![]));
    assert!(found.lapsed.is_none());
}

#[test]
fn an_id_that_was_known_by_itself_is_not_known_with_its_secret() {
    let id_only = || Entry { id_only: true, ..entry(AT, None, &[]) };
    let with = |secrets: &[SecretKind]| Finding {
        secrets: secrets.iter().map(|kind| (*kind, Secret::new("hush"))).collect(),
        ..finding(AT, vec![file("a", 1)])
    };
    let known = |entries: Vec<Entry>, secrets: &[SecretKind]| {
        let (by, notes) = applied(vec![list(entries)], &mut with(secrets), on("2026-11-30"));
        (by[0].is_some(), notes)
    };
    for alone in [&[][..], &[SecretKind::SessionToken, SecretKind::PresignedUrl]] {
        assert_eq!(known(vec![id_only()], alone), (true, vec![]));
    }
    let (is_known, notes) = known(vec![id_only()], &[SecretKind::SessionToken, SecretKind::SecretAccessKey]);
    assert!(!is_known && notes.len() == 1 && notes[0].contains("not its secret"), "{notes:?}");
    let both = vec![id_only(), entry(AT, Some("2026-12-01"), &[])];
    assert_eq!(known(both.clone(), &[SecretKind::SecretAccessKey]), (true, vec![]));
    // The one holds longer, the other for more: neither repeats the other.
    assert_eq!(useless(&list(both), None, on("2026-11-30")), []);
    let repeated = useless(&list(vec![id_only(), entry(AT, None, &[]), id_only()]), None, on("2026-11-30"));
    assert_eq!(repeated, [(0, Useless::Repeated), (2, Useless::Repeated)]);
    let expired = Entry { id_only: true, ..entry(AT, Some("2026-11-29"), &[]) };
    assert_eq!(known(vec![expired], &[SecretKind::SecretAccessKey]), (false, vec![]));
}

#[test]
fn what_may_be_a_secret_in_a_reason_is_masked() {
    let secret = ["Vq1fZ8pTnW3sLk0yRb6/", "cXuEo9GdJh2+MtAiQ5Nv"].concat();
    let mut found = finding(AT, vec![file("a", 1)]);
    let entry = Entry { reason: format!("its secret is {secret}"), ..entry(AT, None, &[]) };
    applied(vec![list(vec![entry])], &mut found, on("2026-11-30"));
    let reason = found.suppressed().unwrap().reason.as_ref().unwrap();
    assert!(reason.starts_with("its secret") && !reason.contains(&secret[..8]), "{reason}");
}

#[test]
fn a_comment_is_heard_where_nothing_else_knows_the_place() {
    let comment = Suppression { by: By::Comment, source: "ggignore".into(), reason: None };
    let commented = |path: &str| Occurrence { comment: Some(comment.clone()), ..file(path, 1) };
    let mut found = finding(AT, vec![commented("a"), file("b", 1), commented("tests/a")]);
    let (by, _) = applied(vec![list(vec![entry(AT, None, &["tests"])])], &mut found, on("2026-11-30"));
    assert_eq!(by, [Some(By::Comment), None, Some(By::IgnoreFile)]);
    found.occurrences.remove(1);
    assert_eq!(found.suppressed().unwrap().by, By::IgnoreFile);
}

#[test]
fn keyed_and_plain_entries_are_known_and_other_keys_are_told() {
    let [own, other] = [[1; 16], [2; 16]].map(|key| FingerprintKey::new(&key).unwrap());
    let keyed =
        |key: &FingerprintKey| Entry { print: key.print(&Fingerprint::of(AT.as_bytes())), ..entry(AT, None, &[]) };
    let known = |entry: Entry, key: Option<&FingerprintKey>| {
        let terms = Terms { key, ..on("2026-11-30") };
        let (by, notes) = applied(vec![list(vec![entry])], &mut finding(AT, vec![file("a", 1)]), terms);
        (by[0].is_some(), notes.concat())
    };
    assert_eq!(known(keyed(&own), Some(&own)), (true, String::new()));
    let (is_known, note) = known(entry(AT, None, &[]), Some(&own));
    assert!(is_known && note.contains("1 entry of .keysweepignore was made without a key"), "{note}");
    let (is_known, note) = known(keyed(&other), Some(&own));
    assert!(!is_known && note.contains("another key") && note.contains(&other.id().to_string()), "{note}");
    let (is_known, note) = known(keyed(&other), None);
    assert!(!is_known && note.contains("set KEYSWEEP_FINGERPRINT_KEY"), "{note}");
}

#[test]
fn entries_that_say_nothing_any_more_are_found() {
    let key = FingerprintKey::new(&[1; 16]).unwrap();
    let keyed = Entry { print: key.print(&Fingerprint::of(OTHER.as_bytes())), ..entry(OTHER, None, &[]) };
    let all = list(vec![
        entry(AT, None, &[]),
        entry(OTHER, None, &[]),
        entry(AT, None, &["tests"]),
        entry(AT, Some("2026-11-29"), &["src"]),
        entry(AT, Some("2027-11-29"), &[]),
        keyed,
    ]);
    let findings = [finding(AT, vec![file("src/a", 1)])];
    let told = useless(&all, Some(&findings), on("2026-11-30"));
    let expired = Useless::Expired(date("2026-11-29").unwrap());
    assert_eq!(told, [(1, Useless::Unmatched), (2, Useless::Unmatched), (3, expired), (4, Useless::Repeated)]);
    let with_key = Terms { key: Some(&key), ..on("2026-11-30") };
    assert!(useless(&all, Some(&findings), with_key).contains(&(5, Useless::Unmatched)));
    // Nobody knows what is gone when not everything was read.
    assert_eq!(useless(&all, None, on("2026-11-30")), [(3, expired), (4, Useless::Repeated)]);
}
