//! The purge list: exactly those versions of objects in buckets that hold something which counts, for whoever deletes them. keysweep itself
//! deletes nothing.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};

use serde::Serialize;

use super::json::write_line;
use super::{Report, stored};
use crate::provenance::StoredObject;

/// A line of it.
#[derive(Serialize)]
struct Line<'a> {
    bucket: &'a str,
    key: Cow<'a, str>,
    /// Something that was found stands in the key and is masked: what has this version id or etag is meant.
    key_masked: bool,
    version_id: Option<&'a str>,
    etag: Option<&'a str>,
    last_modified: Option<String>,
    is_latest: bool,
    /// Fingerprints of what stands in it.
    findings: Vec<String>,
}

/// Writes JSON Lines, one for each version of an object that has a finding which counts at a place which counts, in order of bucket, key
/// and version. No secret is in it, nor the start of one.
///
/// # Errors
/// Those of `out`.
pub fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut objects: BTreeMap<&StoredObject, BTreeSet<String>> = BTreeMap::new();
    for finding in report.listed() {
        let fingerprint = report.fingerprint(&finding.fingerprint).to_string();
        for object in finding.counting().filter_map(|place| place.provenance.stored()) {
            objects.entry(object).or_default().insert(fingerprint.clone());
        }
    }
    let mut out = BufWriter::new(out);
    for (object, findings) in objects {
        write_line(&Line::new(object, findings), &mut out)?;
    }
    out.flush()
}

impl<'a> Line<'a> {
    fn new(object: &'a StoredObject, findings: BTreeSet<String>) -> Self {
        Self {
            bucket: &object.bucket,
            key: stored::key(object),
            key_masked: object.is_masked,
            version_id: object.version_id.as_deref(),
            etag: Some(&*object.etag).filter(|etag| !etag.is_empty()),
            last_modified: stored::last_modified(object),
            is_latest: object.is_latest,
            findings: findings.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::super::samples::{ID, SECRET, Sample, canary, file, finding, stored, stored_part, suppression};
    use super::*;
    use crate::finding::Fingerprint;
    use crate::finding::suppression::By;
    use crate::provenance::{Origin, StoredPart};

    fn text(report: &Report<'_>) -> String {
        let mut out = Vec::new();
        write(report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn lines(sample: &Sample) -> Vec<Value> {
        text(&sample.report()).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn each_version_is_listed_once_with_all_that_it_holds() {
        let mut zipped = stored("b", b"a", Some("2"), true);
        zipped.provenance = zipped.provenance.member(b"x.env");
        let places = vec![
            stored("b", b"k", None, true),
            stored("b", b"a", Some("2"), true),
            zipped,
            stored_part("b", b"a", Some("2"), true, StoredPart::Tags),
            stored("b", b"a", Some("1"), false),
            file("a", 1),
        ];
        let mut sample = Sample::at(places);
        sample
            .findings
            .push(finding(&canary(), vec![stored("a", b"z", None, true), stored("b", b"a", Some("1"), false)]));
        let [first, second] = [ID.to_owned(), canary()].map(|id| Fingerprint::of(id.as_bytes()).to_string());
        let mut both = vec![first.clone(), second.clone()];
        both.sort();
        let line = |bucket: &str, key: &str, version: Option<&str>, is_latest: bool, findings: &[String]| {
            json!({
                "bucket": bucket, "key": key, "key_masked": false, "version_id": version, "etag": "e7ag", "last_modified": "2024-03-01T10:00:00+00:00",
                "is_latest": is_latest, "findings": findings,
            })
        };
        let expected = [
            line("a", "z", None, true, &[second]),
            line("b", "a", Some("1"), false, &both),
            line("b", "a", Some("2"), true, std::slice::from_ref(&first)),
            line("b", "k", None, true, std::slice::from_ref(&first)),
        ];
        assert_eq!(lines(&sample), expected);
    }

    #[test]
    fn what_does_not_count_is_kept() {
        let mut sample = Sample::at(vec![stored("b", b"a", None, true), stored("b", b"k", None, true)]);
        sample.findings[0].occurrences[0].suppressed = Some(suppression(By::Comment, "keysweep:allow", None));
        let keys = |sample: &Sample| lines(sample).iter().map(|line| line["key"].clone()).collect::<Vec<_>>();
        assert_eq!(keys(&sample), ["k"]);
        sample.findings[0].occurrences[1].suppressed = Some(suppression(By::Comment, "keysweep:allow", None));
        assert!(keys(&sample).is_empty());
    }

    #[test]
    fn a_key_comes_back_as_it_is_and_does_nothing_to_a_terminal() {
        let key = "a\u{1b}[2J\n\"\\xff//./é\u{202e} %41##[x]";
        let sample = Sample::at(vec![stored("b", key.as_bytes(), Some("v 1"), false)]);
        assert_eq!(lines(&sample)[0]["key"], key);
        let text = text(&sample.report());
        assert!(text.lines().count() == 1 && !text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
    }

    #[test]
    fn a_key_that_is_not_whole_is_said_to_be_masked() {
        let mut sample = Sample::at(vec![stored_part("b", b"x/wJal", Some("v1"), true, StoredPart::Key)]);
        let Origin::Stored { object, .. } = &mut sample.findings[0].occurrences[0].provenance.origin else { panic!() };
        Arc::make_mut(object).is_masked = true;
        let line = &lines(&sample)[0];
        assert_eq!(
            (&line["key_masked"], &line["version_id"], &line["etag"]),
            (&json!(true), &json!("v1"), &json!("e7ag"))
        );
    }

    #[test]
    fn no_secret_is_in_it() {
        let sample = Sample::everything();
        let report = Report { show_secrets: true, ..sample.report() };
        let text = text(&report);
        assert!(!text.is_empty() && !text.contains(&SECRET[..4]), "{text}");
    }
}
