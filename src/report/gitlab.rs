//! `gl-secret-detection-report.json`, GitLab's report of secret detection in schema 15.0.7: <https://docs.gitlab.com/development/integrations/secure/>.
//! The schema demands the times at which the scan began and ended. It has a field for the source code itself, which stays empty: that is
//! where secrets are.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::Report;
use super::json::write_line;
use super::places;
use super::sanitize::visible;
use super::stored;
use super::units::plural;
use super::words;
use crate::engine::rule::Severity;
use crate::finding::{Finding, Fingerprint, Occurrence};

/// Nothing of a later version is used, so that installations that are not of today take it too.
const VERSION: &str = "15.0.7";
/// Vulnerabilities made of one credential: each is a task for somebody.
const PLACES: usize = 100;
/// What GitLab's own scanner calls the commit of what is in none.
const NO_COMMIT: &str = "0000000";

/// One document, with a vulnerability for each file in which a credential stands.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let document = json!({
        "version": VERSION,
        "schema": format!(
            "https://gitlab.com/gitlab-org/security-products/security-report-schemas/-/raw/v{VERSION}/dist/secret-detection-report-format.json"
        ),
        "scan": scan(report),
        "vulnerabilities": report.listed().flat_map(|finding| vulnerabilities(report, finding)).collect::<Vec<_>>(),
    });
    write_line(&document, out)
}

fn scan(report: &Report<'_>) -> Value {
    let scanner = json!({
        "id": "keysweep",
        "name": "keysweep",
        "version": report.version,
        "vendor": { "name": "keysweep" },
    });
    let skipped = report.tally.skipped.iter();
    let unread = skipped.map(|skipped| {
        let text = format!("not read: {}: {}", visible(&skipped.what), visible(&skipped.why));
        json!({ "level": "warn", "value": text })
    });
    let suppressed = report.suppressed().map(|all| json!({ "level": "info", "value": all }));
    let messages: Vec<Value> = unread.chain(suppressed).collect();
    json!({
        "analyzer": scanner,
        "scanner": scanner,
        "type": "secret_detection",
        "start_time": moment(report.ran[0]),
        "end_time": moment(report.ran[1]),
        "status": if report.complete { "success" } else { "failure" },
        "messages": messages,
    })
}

/// As the schema wants it: UTC, and no word on that.
fn moment(seconds: i64) -> String {
    let text = super::utc(seconds).unwrap_or_default();
    text.strip_suffix("+00:00").unwrap_or("1970-01-01T00:00:00").to_owned()
}

fn vulnerabilities(report: &Report<'_>, finding: &Finding) -> Vec<Value> {
    let mut told: Vec<(String, &Occurrence)> = Vec::new();
    let mut index = BTreeMap::new();
    for place in places::of(finding) {
        let path = words::path(place.shown);
        let at = *index.entry(path.clone()).or_insert(told.len());
        match told.get_mut(at) {
            // A file as it lies and the same file in history are one: the latter tells who brought it.
            Some((_, known)) if known.provenance.commit().is_none() => *known = place.shown,
            Some(_) => {}
            None => told.push((path, place.shown)),
        }
    }
    let all = told.len();
    let listed = told.into_iter().take(PLACES);
    listed.map(|(path, place)| vulnerability(report, finding, &path, place, all)).collect()
}

fn vulnerability(report: &Report<'_>, finding: &Finding, path: &str, place: &Occurrence, all: usize) -> Value {
    let line = place.point.line;
    let track = tracked(report, finding, path);
    let mut vulnerability = json!({
        "id": uuid(&track),
        "name": cut(&words::kind(report, finding), 255),
        "description": description(report, finding, place, all),
        "severity": severity(report.severity(finding)),
        "solution": cut(&words::remediation(report, finding), 7000),
        "identifiers": identifiers(report, finding),
        "location": {
            "file": path,
            "start_line": line,
            "end_line": line,
            "commit": commit(place),
        },
        "tracking": {
            "type": "source",
            "items": [{
                "file": path,
                "start_line": line,
                "end_line": line,
                "signatures": [{ "algorithm": "hash", "value": track.to_string() }],
            }],
        },
    });
    if let Some(url) = words::link(report, finding) {
        vulnerability["links"] = json!([{ "url": url }]);
    }
    vulnerability
}

/// The same for the same credential in the same file, on whatever line and in whatever commit.
fn tracked(report: &Report<'_>, finding: &Finding, path: &str) -> Fingerprint {
    Fingerprint::of(format!("{}\0{path}", report.fingerprint(&finding.fingerprint)).as_bytes())
}

/// A UUID of the version for one's own bits, RFC 9562 5.8.
fn uuid(from: &Fingerprint) -> String {
    let mut hex = from.to_string().into_bytes();
    hex.truncate(32);
    hex[12] = b'8';
    let variant = char::from(hex[16]).to_digit(16).unwrap_or(0) & 3;
    hex[16] = b"89ab"[variant as usize];
    let hex = String::from_utf8_lossy(&hex);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn description(report: &Report<'_>, finding: &Finding, place: &Occurrence, all: usize) -> String {
    let mut text = format!("{}.", words::what_leaked(report, finding));
    for sentence in words::evidence(report, finding) {
        text += &format!(" {sentence}");
    }
    if let Some(about) = stored::about(report, place) {
        text += &format!(" Of the object: {}.", visible(&about));
    }
    if all > 1 {
        text += &format!(" It stands in {}.", plural(all as u64, "place"));
    }
    if all > PLACES {
        text += &format!(" {PLACES} of them are listed.");
    }
    text
}

/// The first is what GitLab tells kinds apart by.
fn identifiers(report: &Report<'_>, finding: &Finding) -> Value {
    let (rule, fingerprint) = (visible(&finding.rule), report.fingerprint(&finding.fingerprint));
    json!([
        { "type": "keysweep_rule_id", "name": format!("keysweep rule {rule}"), "value": rule },
        { "type": "keysweep_fingerprint", "name": format!("keysweep credential {}", fingerprint.short()), "value": fingerprint.to_string() },
    ])
}

fn commit(place: &Occurrence) -> Value {
    let Some(commit) = place.provenance.commit() else {
        return json!({ "sha": NO_COMMIT });
    };
    let author = String::from_utf8_lossy(&commit.author);
    let mut told = json!({ "sha": commit.id.to_string(), "author": visible(&author) });
    if let Some(date) = super::date(commit.date) {
        told["date"] = date.into();
    }
    told
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::High => "High",
        Severity::Medium => "Medium",
        Severity::Low => "Low",
    }
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{
        ID, SECRET, Sample, commit, file, finding, history, message, occurrence, stored, suppression, written,
    };
    use super::*;
    use crate::exposure::Publicness;
    use crate::finding::suppression::By;
    use crate::report::Format;
    use crate::source::Skipped;

    fn document(sample: &Sample) -> Value {
        serde_json::from_str(&sample.written(Format::Gitlab)).unwrap()
    }

    /// Our own, closed, of the fields that GitLab documents: `tests/fixtures/gitlab/`.
    fn schema() -> jsonschema::Validator {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/gitlab/secret-detection-15.schema.json");
        let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
    }

    #[test]
    fn the_schema_holds() {
        let schema = schema();
        for sample in [Sample::everything(), Sample::default(), Sample::presigned(&[0])] {
            let errors: Vec<_> = schema.iter_errors(&document(&sample)).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{errors:?}");
        }
    }

    #[test]
    fn the_schema_refuses_what_is_no_report() {
        let schema = schema();
        for (pointer, value) in [
            ("/version", json!("15")),
            ("/scan/type", json!("sast")),
            ("/scan/status", json!("ok")),
            ("/scan/start_time", json!("1970-01-01T00:00:00Z")),
            ("/scan/scanner/vendor", json!({})),
            ("/vulnerabilities/0/id", json!("")),
            ("/vulnerabilities/0/severity", json!("critical")),
            ("/vulnerabilities/0/identifiers", json!([])),
            ("/vulnerabilities/0/location", json!({})),
            ("/vulnerabilities/0/raw_source_code_extract", json!("x")),
        ] {
            let mut bad = document(&Sample::everything());
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            bad.pointer_mut(parent).unwrap()[name] = value;
            assert!(!schema.is_valid(&bad), "{pointer}");
        }
    }

    #[test]
    fn each_file_of_a_credential_is_a_vulnerability() {
        let sample = Sample::at(vec![
            history(&commit(1, 0), "a.env", Some(false), 3),
            history(&commit(2, 1), "a.env", Some(true), 4),
            file("b.env", 7),
        ]);
        let document = document(&sample);
        let told = document["vulnerabilities"].as_array().unwrap();
        let at = |n: usize| {
            let location = &told[n]["location"];
            (location["file"].clone(), location["start_line"].clone(), location["commit"]["sha"].clone())
        };
        assert_eq!(told.len(), 2);
        assert_eq!(at(0), (json!("a.env"), json!(4), json!("02".repeat(20))));
        assert_eq!(at(1), (json!("b.env"), json!(7), json!(NO_COMMIT)));
        assert_eq!(told[0]["severity"], "Critical");
        assert_eq!(told[0]["name"], "AWS access key");
        assert_eq!(told[0]["description"], format!("AWS access key: {ID}. It stands in 2 places."));
        assert_eq!(told[0]["solution"], "Deactivate the key, then delete it.");
        assert_eq!(told[0]["identifiers"][0]["value"], "aws-access-key");
        assert_eq!(told[0]["location"]["commit"]["date"], "2024-03-02T12:00:00+02:00");
    }

    #[test]
    fn a_file_that_lies_there_as_it_is_in_history_is_one_with_its_commit() {
        let told = document(&Sample::at(vec![file("./a", 3), history(&commit(1, 0), "a", Some(true), 3)]));
        assert_eq!(told["vulnerabilities"].as_array().unwrap().len(), 1);
        assert_eq!(told["vulnerabilities"][0]["location"]["commit"]["sha"], "01".repeat(20));
        assert!(!told.to_string().contains("2 places"));
    }

    #[test]
    fn a_credential_is_followed_when_its_line_and_commit_change_and_told_apart_by_file() {
        let first = |sample: Sample| document(&sample)["vulnerabilities"][0].clone();
        let a = first(Sample::at(vec![history(&commit(1, 0), "a", Some(true), 3)]));
        let moved = first(Sample::at(vec![history(&commit(2, 0), "a", Some(true), 9)]));
        let elsewhere = first(Sample::at(vec![file("b", 3)]));
        let signature = |told: &Value| told["tracking"]["items"][0]["signatures"][0]["value"].clone();
        assert_eq!((&a["id"], signature(&a)), (&moved["id"], signature(&moved)));
        assert!(a["id"] != elsewhere["id"] && signature(&a) != signature(&elsewhere));
        let id = a["id"].as_str().unwrap();
        assert!(id.len() == 36 && &id[14..15] == "8" && "89ab".contains(&id[19..20]), "{id}");
    }

    #[test]
    fn times_are_those_that_were_handed_in() {
        let sample = Sample::default();
        let report = Report { ran: [1_709_287_200, 1_709_287_261], ..sample.report() };
        let document: Value = serde_json::from_str(&written(Format::Gitlab, &report)).unwrap();
        assert_eq!(document["scan"]["start_time"], "2024-03-01T10:00:00");
        assert_eq!(document["scan"]["end_time"], "2024-03-01T10:01:01");
        assert_eq!(moment(i64::MAX), "1970-01-01T00:00:00");
    }

    #[test]
    fn what_was_not_read_is_no_success_and_told() {
        let mut sample = Sample::default();
        assert_eq!(document(&sample)["scan"]["status"], "success");
        sample.tally.skipped = vec![Skipped::new("a", "it is\nlocked")];
        let scan = document(&sample)["scan"].clone();
        assert_eq!(scan["status"], "failure");
        assert_eq!(scan["messages"], json!([{"level": "warn", "value": "not read: a: it is\\nlocked"}]));
    }

    #[test]
    fn what_is_suppressed_is_counted_and_no_vulnerability() {
        let mut sample = Sample::at(vec![file("a", 1)]);
        sample.findings[0].occurrences[0].suppressed = Some(suppression(By::IgnoreFile, ".keysweepignore", None));
        let document = document(&sample);
        assert_eq!(document["vulnerabilities"], json!([]));
        let told = json!([{"level": "info", "value": "1 suppressed: 1 by .keysweepignore"}]);
        assert_eq!((&document["scan"]["messages"], &document["scan"]["status"]), (&told, &json!("success")));
    }

    #[test]
    fn what_has_no_file_is_told_by_its_object() {
        let told = document(&Sample::at(vec![occurrence(message(&commit(1, 0)), 2)]));
        let location = &told["vulnerabilities"][0]["location"];
        assert_eq!(location["file"], format!(".git/objects/01/{}", "01".repeat(19)));
    }

    #[test]
    fn an_object_is_told_by_its_address_and_who_may_read_it() {
        let mut sample = Sample::at(vec![stored("b", b"k/a.env", Some("v1"), false)]);
        sample.publish(Publicness::Yes(vec!["policy statement PublicRead".to_owned()]));
        let told = document(&sample)["vulnerabilities"][0].clone();
        assert_eq!(told["location"]["file"], "s3://b/k/a.env");
        let description = told["description"].as_str().unwrap();
        let public = "public: yes, by policy statement PublicRead.";
        assert!(description.ends_with(public) && description.contains("last modified 2024-03-01"), "{description}");
    }

    #[test]
    fn not_even_the_start_of_a_secret_gets_in() {
        let sample = Sample::everything();
        let asked = Report { show_secrets: true, ..sample.report() };
        assert!(!written(Format::Gitlab, &asked).contains(&SECRET[..4]));
        let many =
            Sample { findings: vec![finding(ID, (0..150).map(|n| file(format!("{n}"), 1)).collect())], ..sample };
        let told = document(&many);
        assert_eq!(told["vulnerabilities"].as_array().unwrap().len(), PLACES);
        assert!(told["vulnerabilities"][0]["description"].as_str().unwrap().ends_with("100 of them are listed."));
    }
}
