//! Reports of made-up findings, joined.

use proptest::prelude::*;

use super::super::samples::{ID, Sample, canary, file, finding, stored, suppression, verdict, with_account, written};
use super::super::{Format, Report as Written};
use super::*;
use crate::finding::Finding;
use crate::finding::Fingerprint;
use crate::finding::keyed::FingerprintKey;
use crate::key::Secret;
use crate::source::Skipped;
use crate::triage::reported;

fn told(sample: &Sample) -> Value {
    serde_json::from_str(&sample.written(Format::Json)).unwrap()
}

fn merged(texts: &[String]) -> Merged {
    let mut merge = Merge::default();
    for text in texts {
        merge.add(reported::parse(text).unwrap()).unwrap();
    }
    merge.finish()
}

fn document(merged: &Merged) -> Value {
    let mut out = Vec::new();
    merged.write(Shape::Json, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

fn of(samples: &[&Sample]) -> Value {
    document(&merged(&samples.iter().map(|sample| sample.written(Format::Json)).collect::<Vec<_>>()))
}

/// One credential with one secret, at places of the scan's making.
fn one(id: &str, secrets: &[&str], places: Vec<crate::finding::Occurrence>) -> Finding {
    let mut found = finding(id, places);
    found.secrets = secrets.iter().map(|value| (SecretKind::SecretAccessKey, Secret::new(*value))).collect();
    found
}

fn with(findings: Vec<Finding>) -> Sample {
    Sample { findings, ..Sample::at(vec![]) }
}

#[test]
fn one_report_stays_what_it_is() {
    let mut sample = Sample::everything();
    // As a scan has them, each credential once and in order.
    sample.findings.dedup_by_key(|found| found.fingerprint);
    sample.findings.retain(|found| found.access_key_id.is_some());
    sample.findings.iter_mut().for_each(|found| found.occurrences.sort());
    sample.findings.sort_by(|a, b| a.occurrences.first().cmp(&b.occurrences.first()));
    assert_eq!(of(&[&sample]), told(&sample));
    let lines = sample.written(Format::Jsonl);
    let joined = merged(std::slice::from_ref(&lines));
    let mut out = Vec::new();
    joined.write(Shape::Jsonl, &mut out).unwrap();
    let values = |text: &str| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    assert_eq!(values(std::str::from_utf8(&out).unwrap()), values(&lines));
    assert_eq!((joined.counting(), joined.is_complete(), joined.is_any()), (3, false, true));
}

#[test]
fn places_are_united_and_each_stands_there_once() {
    let first = with(vec![one(ID, &["s1"], vec![file("b", 1), file("c", 1)])]);
    let second =
        with(vec![one(ID, &["s1"], vec![file("a", 7), file("b", 1)]), one(&canary(), &[], vec![file("b", 2)])]);
    let all = of(&[&first, &second]);
    let paths = |n: usize| {
        let places = all["findings"][n]["occurrences"].as_array().unwrap();
        places.iter().map(|place| place["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((paths(0), paths(1)), (vec!["a".to_owned(), "b".to_owned(), "c".to_owned()], vec!["b".to_owned()]));
    assert_eq!((&all["summary"]["findings"], &all["summary"]["blobs"]), (&json!(2), &json!(2468)));
}

#[test]
fn the_best_candidates_of_all_reports_come_first() {
    let first = with(vec![one(ID, &["best", "second"], vec![file("a", 1)])]);
    let second = with(vec![one(ID, &["second", "third"], vec![file("b", 1)])]);
    let hash = |value: &str| Fingerprint::of(value.as_bytes()).to_string();
    let mut firsts = [hash("best"), hash("second")];
    firsts.sort();
    for order in [[&first, &second], [&second, &first]] {
        let all = of(&order);
        let secrets = all["findings"][0]["secrets"].as_array().unwrap();
        let told: Vec<&str> = secrets.iter().map(|secret| secret["sha256"].as_str().unwrap()).collect();
        assert_eq!(told, [&firsts[0], &firsts[1], &hash("third")]);
    }
}

#[test]
fn what_counts_anywhere_counts() {
    let at = |path: &str, by: Option<By>| {
        let mut place = file(path, 1);
        place.suppressed = by.map(|by| suppression(by, "x", None));
        with(vec![finding(ID, vec![place])])
    };
    let both = of(&[&at("a", Some(By::Comment)), &at("b", Some(By::IgnoreFile))]);
    assert_eq!(
        (&both["findings"][0]["suppressed"]["by"], &both["summary"]["suppressed"]),
        (&json!("ignore-file"), &json!(1))
    );
    assert_eq!(
        (&both["summary"]["suppressed_by"]["ignore-file"], &both["summary"]["suppressed_occurrences"]),
        (&json!(1), &json!(2))
    );
    let one = of(&[&at("a", Some(By::Comment)), &at("b", None)]);
    assert_eq!(
        (&one["findings"][0]["suppressed"], &one["summary"]["suppressed_occurrences"]),
        (&json!(null), &json!(1))
    );
    let same = of(&[&at("a", Some(By::Comment)), &at("a", None)]);
    assert_eq!(
        (&same["findings"][0]["occurrences"][0]["suppressed"], &same["summary"]["findings"]),
        (&json!(null), &json!(1))
    );
}

#[test]
fn the_most_urgent_verdict_and_the_highest_severity_stay() {
    let sample = Sample::at(vec![file("a", 1)]);
    let judged = |status: Status| {
        let verdicts = BTreeMap::from([(sample.findings[0].fingerprint, verdict(status))]);
        written(Format::Json, &Written { verdicts: Some(&verdicts), ..sample.report() })
    };
    let plain = sample.written(Format::Json);
    for (texts, status, severity) in [
        ([judged(Status::Deleted), judged(Status::Active)], json!("active"), "critical"),
        ([judged(Status::Inactive), judged(Status::Deleted)], json!("inactive"), "medium"),
        ([judged(Status::Deleted), plain.clone()], json!("deleted"), "critical"),
    ] {
        for texts in [texts.clone(), {
            let [a, b] = texts;
            [b, a]
        }] {
            let all = document(&merged(&texts));
            assert_eq!(
                (&all["findings"][0]["verdict"]["status"], &all["findings"][0]["severity"]),
                (&status, &json!(severity))
            );
        }
    }
}

#[test]
fn an_id_that_is_out_by_itself_is_no_longer_that_of_a_url() {
    let mut url = Sample::presigned(&[0]);
    url.findings[0].rule = "aws-presigned-url".into();
    let all = of(&[&url, &Sample::at(vec![file("b", 1)])]);
    assert_eq!((&all["findings"][0]["rule"], &all["summary"]["findings"]), (&json!("aws-access-key"), &json!(1)));
}

#[test]
fn a_secret_alone_joins_the_id_that_another_report_has_it_with() {
    let pair = with(vec![one(ID, &["s1"], vec![file("a", 1)]), one(&canary(), &["s1"], vec![file("a", 2)])]);
    let mut alone = Sample::alone(SecretKind::SecretAccessKey, "s1");
    alone.findings[0].occurrences = vec![file("z", 1)];
    let stranger = Sample::alone(SecretKind::SecretAccessKey, "s2");
    let all = of(&[&alone, &pair, &stranger]);
    assert_eq!(all["summary"]["findings"], 3);
    let owner =
        all["findings"].as_array().unwrap().iter().find(|found| found["access_key_id"] == ID.min(&canary())).unwrap();
    assert!(owner["occurrences"].as_array().unwrap().iter().any(|place| place["path"] == "z"), "{all}");
}

#[test]
fn an_object_that_is_public_in_one_report_is_public() {
    use crate::exposure::Publicness;
    let mut samples = [(); 3].map(|()| Sample::at(vec![stored("b", b"k", None, true)]));
    samples[1].publish(Publicness::Yes(vec!["x".to_owned()]));
    samples[2].publish(Publicness::No(None));
    let all = of(&samples.each_ref());
    assert_eq!(all["findings"][0]["occurrences"].as_array().unwrap().len(), 1);
    assert_eq!(all["findings"][0]["occurrences"][0]["public"], json!({"is": true, "because": "x"}));
}

#[test]
fn the_whole_is_complete_only_if_all_parts_are() {
    let whole = Sample::at(vec![file("a", 1)]);
    let mut part = Sample::at(vec![file("b", 1)]);
    part.tally.skipped = vec![Skipped::new("s3://b/k", "denied"), Skipped::new("a", "locked")];
    let all = merged(&[whole.written(Format::Json), part.written(Format::Json), part.written(Format::Jsonl)]);
    assert!(!all.is_complete() && merged(&[whole.written(Format::Json)]).is_complete());
    let skipped = json!([{"what": "a", "why": "locked"}, {"what": "s3://b/k", "why": "denied"}]);
    assert_eq!(document(&all)["summary"]["skipped"], skipped);
    let silent = r#"{"schema":"keysweep/v1","type":"summary","findings":0}"#.to_owned();
    assert!(!merged(&[silent]).is_complete());
}

#[test]
fn fingerprints_of_different_making_are_not_mixed() {
    let sample = Sample::at(vec![file("a", 1)]);
    let keys = [b"0123456789abcdef", b"0123456789abcdeF"].map(|key| FingerprintKey::new(key).unwrap());
    let keyed = |key| written(Format::Json, &Written { key, ..sample.report() });
    let texts = [keyed(None), keyed(Some(&keys[0])), keyed(Some(&keys[1]))];
    for (first, second) in [(0, 1), (1, 0), (1, 2)] {
        let mut merge = Merge::default();
        merge.add(reported::parse(&texts[first]).unwrap()).unwrap();
        let refused = merge.add(reported::parse(&texts[second]).unwrap()).unwrap_err().to_string();
        assert!(refused.contains("KEYSWEEP_FINGERPRINT_KEY") && refused.contains("with the key "), "{refused}");
    }
    assert_eq!(document(&merged(&[texts[1].clone(), texts[1].clone()]))["summary"]["findings"], 1);
    // What has no findings was made in either way.
    assert_eq!(
        document(&merged(&[Sample::default().written(Format::Json), texts[2].clone()]))["summary"]["findings"],
        1
    );
}

#[test]
fn what_is_no_finding_is_refused() {
    let sample = Sample::at(vec![file("a", 1)]);
    for (pointer, value) in [
        ("/findings/0/fingerprint", json!("x")),
        ("/findings/0/fingerprint", json!(null)),
        ("/findings/0/occurrences/0", json!(1)),
        ("/findings/0/secrets/0", json!("x")),
        ("/findings/0/secrets/0/sha256", json!(1)),
    ] {
        let mut bad = told(&sample);
        *bad.pointer_mut(pointer).unwrap() = value;
        let report = reported::parse(&bad.to_string()).unwrap();
        assert_eq!(Merge::default().add(report), Err(NoMerge::Finding(1)), "{pointer}");
    }
}

/// What scans of some places would report, some of them suppressed.
fn reports() -> impl Strategy<Value = Vec<String>> {
    let place = (0..4u8, 0..3u64, proptest::option::of(0..2usize)).prop_map(|(path, line, by)| {
        let mut place = file([b'a' + path], line + 1);
        place.suppressed = by.map(|by| suppression([By::Comment, By::Baseline][by], "x", None));
        place
    });
    let found = (0..3usize, proptest::collection::vec(0..3usize, 0..3), proptest::collection::vec(place, 1..4));
    let found = found.prop_map(|(id, mut secrets, mut places)| {
        secrets.dedup();
        places.sort();
        places.dedup_by_key(|place| (place.provenance.clone(), place.point));
        let secrets: Vec<&str> = secrets.into_iter().map(|n| ["s1", "s2", "s3"][n]).collect();
        one(&[ID.to_owned(), canary(), with_account()][id], &secrets, places)
    });
    let sample = proptest::collection::vec(found, 0..4).prop_map(|mut findings| {
        findings.sort_by_key(|found| found.fingerprint);
        findings.dedup_by_key(|found| found.fingerprint);
        with(findings).written(Format::Jsonl)
    });
    proptest::collection::vec(sample, 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_reports_does_not_matter(mut texts in reports(), turn in 0..5usize) {
        let first = document(&merged(&texts));
        let turn = turn % texts.len();
        texts.rotate_left(turn);
        prop_assert_eq!(&document(&merged(&texts)), &first);
        texts.reverse();
        prop_assert_eq!(&document(&merged(&texts)), &first);
    }

    #[test]
    fn merging_what_was_merged_changes_nothing(texts in reports()) {
        let all = document(&merged(&texts));
        let again = document(&merged(&[all.to_string()]));
        prop_assert_eq!(again, all);
    }
}

/// A report of nothing, of a part of the work.
fn part(number: u64, of: u64) -> String {
    let shard = json!({"number": number, "of": of});
    json!({"schema": "keysweep/v1", "type": "summary", "shard": shard, "skipped": [], "complete": true}).to_string()
}

#[test]
fn a_part_without_a_report_is_unread() {
    for (parts, missing) in [
        (&[(1, 3), (2, 3), (3, 3)][..], None),
        (&[(3, 3), (1, 3)], Some("shard 2/3")),
        (&[(2, 2), (2, 2)], Some("shard 1/2")),
        (&[(7, 20)], Some("shard 1/20, 2/20, 3/20, 4/20, 5/20, 6/20, 8/20, 9/20, 10/20, 11/20 and 9 more")),
        (&[(0, 1), (9, 1)], Some("shard 1/1")),
        (&[(1, u64::MAX)], Some("more")),
        (&[(1, 0)], None),
    ] {
        let parts: Vec<String> = parts.iter().map(|&(number, of)| part(number, of)).collect();
        let all = document(&merged(&parts));
        let skipped = all["summary"]["skipped"].as_array().unwrap();
        assert_eq!(all["summary"]["complete"], missing.is_none(), "{parts:?}");
        assert_eq!(skipped.len(), usize::from(missing.is_some()), "{parts:?}");
        assert!(missing.is_none_or(|missing| skipped[0]["why"].as_str().unwrap().contains(missing)), "{skipped:?}");
        assert!(all["summary"].get("shard").is_none(), "{all}");
    }
}

#[test]
fn what_is_not_as_it_is_written_is_refused_and_hides_nothing() {
    let print = Fingerprint::of(ID.as_bytes()).to_string();
    let finding = |name: &str, value: Value| {
        let mut told = json!({"schema": "keysweep/v1", "type": "finding", "fingerprint": print});
        told[name] = value;
        let summary = json!({"schema": "keysweep/v1", "type": "summary", "skipped": [], "complete": true});
        format!("{told}\n{summary}")
    };
    let summary = |skipped: Value| {
        json!({"schema": "keysweep/v1", "type": "summary", "skipped": skipped, "complete": true}).to_string()
    };
    for (text, expected) in [
        (finding("fingerprint", json!(7)), Err(NoMerge::Finding(1))),
        (finding("suppressed", json!(true)), Err(NoMerge::Finding(1))),
        (finding("secrets", json!({})), Err(NoMerge::Finding(1))),
        (finding("secrets", json!([{"kind": 1}])), Err(NoMerge::Finding(1))),
        (finding("occurrences", json!("x")), Err(NoMerge::Finding(1))),
        (finding("occurrences", json!([[]])), Err(NoMerge::Finding(1))),
        (finding("occurrences", json!([{"suppressed": 1}])), Err(NoMerge::Finding(1))),
        (finding("occurrences", json!([{"date": "+9-é", "line": -1, "column": 1.5, "public": 7}])), Ok(())),
        (summary(json!({"what": "a", "why": "b"})), Err(NoMerge::Skipped)),
        (summary(json!([7])), Err(NoMerge::Skipped)),
        (summary(json!([{"what": "a"}])), Err(NoMerge::Skipped)),
    ] {
        assert_eq!(Merge::default().add(reported::parse(&text).unwrap()), expected, "{text}");
    }
    let unread = merged(&[summary(json!([{"what": "a", "why": "b"}]))]);
    assert!(!unread.is_complete(), "what lists something unread is not whole, whatever it says");
}
