//! What several formats say of a finding in the same words, and what they call its places. Not even the start of a secret is in them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::places::{self, is_present};
use super::sanitize::{lossless, one_line};
use super::text::spot;
use super::{Report, lapse, verdict};
use crate::blob::ObjectId;
use crate::finding::{Finding, Occurrence};
use crate::provenance::Origin;

/// Which kind of credential it is: what its rule finds.
pub(super) fn kind(report: &Report<'_>, finding: &Finding) -> String {
    let what = report.rule(finding).map_or("AWS credential", |rule| rule.description);
    one_line(what).trim_end_matches('.').to_owned()
}

/// What leaked and whose it is, without an end to the sentence.
pub(super) fn what_leaked(report: &Report<'_>, finding: &Finding) -> String {
    let mut text = kind(report, finding);
    // Writing to a String can't fail.
    if let Some(id) = finding.access_key_id {
        let _ = write!(text, ": {id}");
    }
    if let Some(account) = finding.account() {
        let canary = if account.is_canary() { "canary " } else { "" };
        let _ = write!(text, " of {canary}account {account}");
    }
    if let Some(expiry) = report.expiry(finding) {
        let _ = write!(text, ", {expiry}");
    }
    if let Some(verdict) = report.verdict(finding) {
        let _ = write!(text, ", {}", verdict::gist(verdict));
    }
    if let Some(lapsed) = &finding.lapsed {
        let _ = write!(text, ", {}", one_line(&lapse(lapsed)));
    }
    text
}

/// What triage rests on, a sentence each; nothing where it was not asked for.
pub(super) fn evidence(report: &Report<'_>, finding: &Finding) -> Vec<String> {
    let verdict = report.verdict(finding);
    verdict.map_or(&[][..], |verdict| &verdict.evidence).iter().map(|sentence| one_line(sentence)).collect()
}

/// What to do about it, on one line.
pub(super) fn remediation(report: &Report<'_>, finding: &Finding) -> String {
    one_line(report.rule(finding).map_or("", |rule| rule.remediation))
}

/// What `keysweep baseline add` knows it by.
pub(super) fn fingerprint(report: &Report<'_>, finding: &Finding) -> String {
    format!("Fingerprint: {}", report.fingerprint(&finding.fingerprint))
}

/// A link to what is known of this kind of credential, if the rule has one that others accept as such.
pub(super) fn link<'a>(report: &'a Report<'_>, finding: &Finding) -> Option<&'a str> {
    report.rule(finding).map(|rule| rule.reference).filter(|reference| is_link(reference))
}

/// Whether it is a URL that no reader refuses.
pub(super) fn is_link(reference: &str) -> bool {
    reference.starts_with("https://")
        && reference.bytes().all(|c| c.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&c))
}

/// The path of a file that can be looked at as it is now, as it is reached from where the scan ran.
pub(super) fn present_file(place: &Occurrence) -> Option<String> {
    // The key of an object would name a file of the tree that has nothing to do with it.
    let is_file = is_present(place) && place.provenance.stored().is_none();
    let path = place.provenance.path().filter(|_| is_file)?;
    let path = path.strip_prefix(b"./").unwrap_or(path);
    Some(lossless(path).into_owned())
}

/// Where it stands, each place once, as people point at it: with the commit, where a file is no longer there.
/// Of an object it is told too whether the public may read it.
pub(super) fn places(report: &Report<'_>, finding: &Finding) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let mut known = BTreeSet::new();
    for place in places::of(finding) {
        let mut text = spot(place.shown);
        if let Origin::Commit { commit, .. } = &place.shown.provenance.origin
            && !is_present(place.shown)
        {
            let _ = write!(text, " (commit {:.12})", commit.id.to_string());
        }
        if let Some(public) = report.public(place.shown) {
            let _ = write!(text, " (public: {})", one_line(&public.in_words()));
        }
        // A file as it lies and the same in HEAD are one to people.
        if known.insert(text.clone()) {
            told.push(text);
        }
    }
    told
}

/// A path for every place, as it is: that of the file with the member of an archive, or where git keeps what has none.
pub(super) fn path(place: &Occurrence) -> String {
    let mut text = match &place.provenance.origin {
        Origin::File { path } | Origin::Staged { path, .. } | Origin::Commit { path, .. } => {
            let path = path.strip_prefix(b"./").unwrap_or(path);
            lossless(path).into_owned()
        }
        Origin::Stdin => "stdin".to_owned(),
        Origin::CommitMessage { commit } | Origin::TagMessage { commit, .. } => object_path(&commit.id),
        Origin::Object { id, .. } => object_path(id),
        Origin::Stored { object, .. } => format!("s3://{}/{}", object.bucket, lossless(&object.key)),
    };
    if let Some(member) = &place.provenance.member {
        let _ = write!(text, "!{}", lossless(member));
    }
    text
}

/// Where git itself would keep an object: `.git/objects/4b/825dc…`.
pub(super) fn object_path(id: &ObjectId) -> String {
    let hex = id.to_string();
    format!(".git/objects/{}/{}", &hex[..2], &hex[2..])
}

#[cfg(test)]
mod tests {
    use super::super::samples::{ID, Sample, commit, file, finding, history, message, object, occurrence, stored, tag};
    use super::*;
    use crate::exposure::Publicness;

    #[test]
    fn every_place_has_a_path() {
        let id = |number: &str| format!(".git/objects/{number}/{}", number.repeat(19));
        let mut zipped = file("./a.zip", 1);
        zipped.provenance = zipped.provenance.member(b"b\n.env");
        for (place, expected) in [
            (file("./a\x1bb", 1), "a\x1bb".to_owned()),
            (zipped, "a.zip!b\n.env".to_owned()),
            (history(&commit(1, 0), "c", None, 1), "c".to_owned()),
            (occurrence(Origin::Stdin, 1), "stdin".to_owned()),
            (occurrence(message(&commit(2, 0)), 1), id("02")),
            (occurrence(object(3), 1), id("03")),
            (stored("b", b"k/a.env", Some("v1"), false), "s3://b/k/a.env".to_owned()),
        ] {
            assert_eq!(path(&place), expected);
        }
    }

    #[test]
    fn each_place_is_told_once() {
        let found = finding(
            ID,
            vec![
                file("a", 1),
                history(&commit(1, 0), "a", Some(true), 1),
                history(&commit(1, 0), "b", Some(false), 2),
                occurrence(tag(&commit(2, 0), b"v1"), 3),
            ],
        );
        assert_eq!(
            places(&Sample::default().report(), &found),
            ["a:1", "b:2 (commit 010101010101)", "message of tag v1, line 3"]
        );
    }

    #[test]
    fn who_may_read_an_object_is_told_beside_it() {
        let mut sample = Sample::at(vec![stored("b", b"k", None, true)]);
        assert_eq!(places(&sample.report(), &sample.findings[0]), ["s3://b/k:3"]);
        sample.publish(Publicness::Yes(vec!["ACL grant READ\nto everyone".to_owned()]));
        let told = ["s3://b/k:3 (public: yes, by ACL grant READ to everyone)"];
        assert_eq!(places(&sample.report(), &sample.findings[0]), told);
    }

    #[test]
    fn only_what_is_there_now_is_a_present_file() {
        assert_eq!(present_file(&file("./a", 1)).as_deref(), Some("a"));
        assert_eq!(present_file(&history(&commit(1, 0), "a", Some(true), 1)).as_deref(), Some("a"));
        for gone in [
            history(&commit(1, 0), "a", Some(false), 1),
            history(&commit(1, 0), "a", None, 1),
            occurrence(Origin::Stdin, 1),
            occurrence(message(&commit(2, 0)), 1),
            stored("b", b"src/main.rs", None, true),
        ] {
            assert_eq!(present_file(&gone), None);
        }
    }
}
