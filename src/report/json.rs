//! JSON and JSON Lines in the schema `keysweep/v1`. The wire types stand apart from the types of the program so that these can
//! change while reports do not: fields may be added, none renamed, retyped or taken away before a `v2`.
//! The schema is written down in `docs/keysweep-v1.schema.json`.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Map, Value};

use super::Report;
use super::sanitize::{acts, is_command, lossless};
use super::stored;
use super::verdict::Wire;
use crate::engine::SecretKind;
use crate::finding::suppression::{By, Suppression};
use crate::finding::{Finding as Found, Fingerprint, Occurrence as Place};
use crate::key::Secret as Hidden;
use crate::provenance::Origin;
use crate::source::Skipped as Unread;

const SCHEMA: &str = "keysweep/v1";

/// `--format json`.
#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    findings: Vec<Finding<'a>>,
    summary: Summary<'a>,
}

/// A line of `--format jsonl`.
#[derive(Serialize)]
struct Line<T> {
    schema: &'static str,
    r#type: &'static str,
    #[serde(flatten)]
    body: T,
}

#[derive(Serialize)]
struct Finding<'a> {
    fingerprint: String,
    rule: &'a str,
    severity: String,
    access_key_id: Option<&'a str>,
    account_id: Option<String>,
    account: Option<&'static str>,
    secrets: Vec<Secret<'a>>,
    occurrences: Vec<Occurrence<'a>>,
    suppressed: Option<Suppressed<'a>>,
    /// What would suppress it had it not expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    suppression_expired: Option<Lapsed<'a>>,
    verdict: Option<Wire<'a>>,
}

/// Why something does not count.
#[derive(Serialize)]
pub(super) struct Suppressed<'a> {
    by: &'static str,
    source: &'a str,
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Lapsed<'a> {
    #[serde(flatten)]
    was: Suppressed<'a>,
    until: String,
}

#[derive(Serialize)]
struct Secret<'a> {
    kind: &'static str,
    redacted: String,
    sha256: String,
    /// By which IAM knows a long-term API key of Bedrock.
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Cow<'a, str>>,
}

/// One place; a row of CSV is made from it too.
#[derive(Serialize)]
pub(super) struct Occurrence<'a> {
    pub(super) source: &'static str,
    pub(super) path: Option<Cow<'a, str>>,
    pub(super) member: Option<Cow<'a, str>>,
    pub(super) line: u64,
    pub(super) column: u64,
    snippet: String,
    encoding: Vec<&'static str>,
    pub(super) expires: Option<String>,
    repository: Option<&'a str>,
    pub(super) commit: Option<String>,
    pub(super) author: Option<Cow<'a, str>>,
    pub(super) date: Option<String>,
    pub(super) in_head: Option<bool>,
    reachable: Option<bool>,
    /// Only objects of buckets have these.
    pub(super) bucket: Option<&'a str>,
    pub(super) key: Option<Cow<'a, str>>,
    pub(super) version_id: Option<&'a str>,
    pub(super) etag: Option<&'a str>,
    pub(super) last_modified: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_latest: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) public: Option<stored::Public>,
    suppressed: Option<Suppressed<'a>>,
}

#[derive(Serialize)]
struct Summary<'a> {
    findings: usize,
    suppressed: usize,
    suppressed_by: SuppressedBy,
    suppressed_occurrences: usize,
    blobs: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "is_zero")]
    known: u64,
    /// Of which part of the work this is the report.
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<Shard>,
    skipped: Vec<Skipped<'a>>,
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}

#[derive(Serialize)]
struct Shard {
    number: u32,
    of: u32,
}

/// How many findings each kind of thing suppresses.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct SuppressedBy {
    ignore_file: usize,
    baseline: usize,
    imported: usize,
    comment: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Something unread.
#[derive(Serialize)]
pub(super) struct Skipped<'a> {
    what: &'a str,
    why: &'a str,
}

pub(super) fn skipped(all: &[Unread]) -> Vec<Skipped<'_>> {
    all.iter().map(|one| Skipped { what: &one.what, why: &one.why }).collect()
}

/// One document.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let document = Document {
        schema: SCHEMA,
        findings: report.findings.iter().map(|finding| Finding::new(report, finding)).collect(),
        summary: Summary::new(report),
    };
    write_line(&document, out)
}

/// A line for each finding, then one for the summary.
pub(super) fn write_lines(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    for finding in report.findings {
        let line = Line { schema: SCHEMA, r#type: "finding", body: Finding::new(report, finding) };
        write_line(&line, out)?;
    }
    let last = Line { schema: SCHEMA, r#type: "summary", body: Summary::new(report) };
    write_line(&last, out)
}

/// What an earlier report told, as one document again.
pub(super) fn write_told(
    findings: &[Map<String, Value>],
    summary: &Map<String, Value>,
    out: &mut dyn Write,
) -> io::Result<()> {
    write_line(&serde_json::json!({ "schema": SCHEMA, "findings": findings, "summary": summary }), out)
}

/// The same as lines.
pub(super) fn write_told_lines(
    findings: impl Iterator<Item = Map<String, Value>>,
    summary: &Map<String, Value>,
    out: &mut dyn Write,
) -> io::Result<()> {
    for body in findings {
        write_line(&Line { schema: SCHEMA, r#type: "finding", body }, out)?;
    }
    write_line(&Line { schema: SCHEMA, r#type: "summary", body: summary }, out)
}

/// JSON on one line. What would act on a terminal or a CI system is written as `\u009b`: the same string to every reader.
pub(super) fn write_line(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *out, Inert))?;
    out.write_all(b"\n")
}

struct Inert;

impl Formatter for Inert {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut from = 0;
        for (at, c) in fragment.char_indices().filter(|&(at, c)| acts(c) || is_command(&fragment[at..])) {
            write!(out, "{}\\u{:04x}", &fragment[from..at], u32::from(c))?;
            from = at + c.len_utf8();
        }
        out.write_all(&fragment.as_bytes()[from..])
    }
}

impl<'a> Finding<'a> {
    fn new(report: &Report<'a>, found: &'a Found) -> Self {
        let id = found.access_key_id.as_ref();
        let account = report.account(found);
        Self {
            fingerprint: report.fingerprint(&found.fingerprint).to_string(),
            rule: &found.rule,
            severity: report.severity(found).to_string(),
            access_key_id: id.map(|id| id.as_str()),
            account_id: account.map(|(account, _)| account.to_string()),
            account: account.map(|(_, standing)| standing.name()),
            secrets: found.secrets.iter().map(|(kind, secret)| Secret::new(report, *kind, secret)).collect(),
            occurrences: found.occurrences.iter().map(|place| Occurrence::new(report, place)).collect(),
            suppressed: report.suppression(found).map(Suppressed::new),
            suppression_expired: found
                .lapsed
                .as_ref()
                .map(|lapsed| Lapsed { was: Suppressed::new(&lapsed.was), until: lapsed.until.to_string() }),
            verdict: report.verdicts.and_then(|all| all.get(&found.fingerprint)).map(Wire::new),
        }
    }
}

impl<'a> Secret<'a> {
    fn new(report: &Report<'_>, kind: SecretKind, secret: &'a Hidden) -> Self {
        Self {
            kind: kind.name(),
            redacted: secret.redacted(),
            sha256: report.fingerprint(&Fingerprint::of(secret.expose())).to_string(),
            alias: crate::engine::alias_of(kind, secret),
            value: report.value(secret),
        }
    }
}

impl<'a> Occurrence<'a> {
    pub(super) fn new(report: &Report<'_>, place: &'a Place) -> Self {
        let at = &place.provenance;
        let commit = at.commit();
        let stored = at.stored();
        let (repository, id) = match &at.origin {
            Origin::Object { repository, id } => (Some(repository), Some(id)),
            Origin::Staged { repository, .. } => (Some(repository), None),
            _ => (commit.map(|c| &c.repository), commit.map(|c| &c.id)),
        };
        Self {
            source: source_name(&at.origin),
            path: at.path().map(|path| lossless(path)),
            member: at.member.as_ref().map(|member| lossless(member)),
            line: place.point.line,
            column: place.point.column,
            snippet: place.snippet.lines.join("\n"),
            encoding: place.encoding.iter().map(|e| e.name()).collect(),
            expires: place.expires.and_then(super::utc),
            repository: repository.map(|repository| &**repository),
            commit: id.map(|id| id.to_string()),
            author: commit.map(|c| String::from_utf8_lossy(&c.author)),
            date: commit.and_then(|c| super::date(c.date)),
            in_head: match at.origin {
                Origin::Commit { in_head, .. } => in_head,
                _ => None,
            },
            reachable: commit.map(|c| c.reachable),
            bucket: stored.map(|object| &*object.bucket),
            key: stored.map(|object| stored::key(object)),
            version_id: stored.and_then(|object| object.version_id.as_deref()),
            etag: stored.map(|object| &*object.etag).filter(|etag| !etag.is_empty()),
            last_modified: stored.and_then(|object| stored::last_modified(object)),
            is_latest: stored.map(|object| object.is_latest),
            part: stored::part(place),
            public: report.public(place),
            suppressed: place.suppressed.as_ref().map(Suppressed::new),
        }
    }
}

impl<'a> Suppressed<'a> {
    pub(super) fn new(why: &'a Suppression) -> Self {
        Self { by: why.by.name(), source: &why.source, reason: why.reason.as_deref() }
    }
}

impl SuppressedBy {
    fn new(report: &Report<'_>) -> Self {
        let findings = report.findings;
        let count =
            |by| findings.iter().filter(|found| report.suppression(found).is_some_and(|why| why.by == by)).count();
        Self {
            ignore_file: count(By::IgnoreFile),
            baseline: count(By::Baseline),
            imported: count(By::Imported),
            comment: count(By::Comment),
        }
    }
}

impl<'a> Summary<'a> {
    fn new(report: &Report<'a>) -> Self {
        let places = report.findings.iter().flat_map(|found| &found.occurrences);
        Self {
            findings: report.listed().count(),
            suppressed: report.findings.len() - report.listed().count(),
            suppressed_by: SuppressedBy::new(report),
            suppressed_occurrences: places.filter(|place| place.suppressed.is_some()).count(),
            blobs: report.tally.blobs,
            bytes: report.tally.bytes,
            known: report.tally.known,
            shard: report.shard.map(|(number, of)| Shard { number, of }),
            skipped: skipped(&report.tally.skipped),
            complete: report.complete,
            seconds: report.seconds,
        }
    }
}

fn source_name(origin: &Origin) -> &'static str {
    match origin {
        Origin::File { .. } => "file",
        Origin::Stdin => "stdin",
        Origin::Staged { .. } => "staged",
        Origin::Commit { .. } => "commit",
        Origin::CommitMessage { .. } => "commit_message",
        Origin::TagMessage { .. } => "tag_message",
        Origin::Object { .. } | Origin::Stored { .. } => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::samples::{
        ID, SECRET, Sample, canary, commit, file, finding, history, message, object, occurrence, stored, stored_part,
        suppression, tag, verdict, with_account, written,
    };
    use super::super::{Format, Report};
    use crate::engine::{Encoding, SecretKind};
    use crate::exposure::Publicness;
    use crate::finding::Fingerprint;
    use crate::finding::keyed::FingerprintKey;
    use crate::finding::suppression::By;
    use crate::key::AccountId;
    use crate::provenance::StoredPart;
    use crate::triage::verdict::{Status, Verdict};

    fn document(sample: &Sample) -> Value {
        serde_json::from_str(&sample.written(Format::Json)).unwrap()
    }

    fn lines(sample: &Sample) -> Vec<Value> {
        let text = sample.written(Format::Jsonl);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The published schema, closed: what it does not name is an error here.
    fn schema() -> jsonschema::Validator {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/keysweep-v1.schema.json");
        let mut schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for definition in schema["$defs"].as_object_mut().unwrap().values_mut() {
            if definition.get("properties").is_some() {
                definition["additionalProperties"] = false.into();
            }
        }
        jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
    }

    #[test]
    fn the_schema_holds_for_the_document_and_every_line() {
        let schema = schema();
        for sample in [Sample::everything(), Sample::default()] {
            let report = Report { seconds: Some(1.5), shard: Some((2, 8)), show_secrets: true, ..sample.report() };
            for format in [Format::Json, Format::Jsonl] {
                for text in [sample.written(format), written(format, &report)] {
                    for line in text.lines() {
                        let value = serde_json::from_str(line).unwrap();
                        let errors: Vec<_> = schema.iter_errors(&value).collect();
                        assert!(errors.is_empty(), "{errors:?}: {line}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_schema_holds_for_verdicts_and_aliases() {
        use std::collections::BTreeMap;
        // base64 of `BedrockAPIKey-q7xz-at-111122223333:`.
        let value = ["ABSK", "QmVkcm9ja0FQSUtleS1xN3h6LWF0LTExMTEyMjIyMzMzMzo="].concat();
        let sample = Sample::alone(SecretKind::BedrockApiKey, &value);
        for verdict in [verdict(Status::Active), Verdict::new(Status::Unknown)] {
            let verdicts = BTreeMap::from([(sample.findings[0].fingerprint, verdict)]);
            let report = Report { verdicts: Some(&verdicts), ..sample.report() };
            let value: Value = serde_json::from_str(&written(Format::Json, &report)).unwrap();
            let errors: Vec<_> = schema().iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{errors:?}: {value}");
            assert_eq!(value["findings"][0]["secrets"][0]["alias"], "BedrockAPIKey-q7xz-at-111122223333");
        }
    }

    #[test]
    fn the_examples_of_the_guide_hold_to_the_schema() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/output.md");
        let guide = std::fs::read_to_string(path).unwrap();
        let example = |fence: &str| {
            let (_, rest) = guide.split_once(fence).unwrap();
            rest.split_once("\n```").unwrap().0.to_owned()
        };
        let schema = schema();
        let lines = example("```jsonl\n");
        for text in lines.lines().chain([&*example("```json\n")]) {
            let value = serde_json::from_str(text).unwrap();
            let errors: Vec<_> = schema.iter_errors(&value).collect();
            assert!(errors.is_empty(), "{errors:?}");
        }
    }

    #[test]
    fn the_schema_refuses_what_is_no_report() {
        let schema = schema();
        let good = document(&Sample::everything());
        assert!(schema.is_valid(&good));
        let mut bad = vec![json!({}), json!({"schema": "keysweep/v1"})];
        for (pointer, value) in [
            ("/schema", json!("keysweep/v2")),
            ("/findings/0/severity", json!("dire")),
            ("/findings/1/occurrences/0/line", json!(0)),
            ("/findings/2/occurrences/0/date", json!("yesterday")),
            ("/summary", json!({"unheard": "of"})),
        ] {
            let mut value_bad = good.clone();
            *value_bad.pointer_mut(pointer).unwrap() = value;
            bad.push(value_bad);
        }
        for value in bad {
            assert!(!schema.is_valid(&value), "{value}");
        }
    }

    #[test]
    fn fields_stand_in_the_order_of_the_schema() {
        let text = Sample::at(vec![history(&commit(1, 0), "a", Some(true), 3)]).written(Format::Jsonl);
        let first = text.lines().next().unwrap();
        let expected = format!(
            r#"{{"schema":"keysweep/v1","type":"finding","fingerprint":"{}","rule":"aws-access-key","severity":"critical","access_key_id":"{ID}","account_id":null,"account":null,"secrets":[{{"kind":"secret_access_key","redacted":"wJal…","sha256":"{}"}}],"occurrences":[{{"source":"commit","path":"a","member":null,"line":3,"column":5,"snippet":"id = {ID}\n\tsecret = wJal…","encoding":[],"expires":null,"repository":".","commit":"{}","author":"Jane Doe <jane@example.com>","date":"2024-03-01T12:00:00+02:00","in_head":true,"reachable":true,"bucket":null,"key":null,"version_id":null,"etag":null,"last_modified":null,"suppressed":null}}],"suppressed":null,"verdict":null}}"#,
            "1a5d44a2dca19669d72edf4c4f1c27c4c1ca4b4408fbb17f6ce4ad452d78ddb3",
            "78314b11be2e581549ac1c4f616563fad3fdf0c3b71678f6e2299182080e0598",
            "01".repeat(20),
        );
        assert_eq!(first, expected);
    }

    #[test]
    fn lines_end_with_the_summary_of_the_document() {
        let sample = Sample::everything();
        let (document, lines) = (document(&sample), lines(&sample));
        assert_eq!(lines.len(), 6);
        let (mut summary, findings) = (lines[5].clone(), &lines[..5]);
        assert!(findings.iter().all(|line| line["type"] == "finding"));
        assert_eq!(summary["type"], "summary");
        assert_eq!((&summary["findings"], &summary["suppressed"]), (&json!(4), &json!(1)));
        assert_eq!(summary["complete"], false);
        assert_eq!(summary["skipped"].as_array().unwrap().len(), 1);
        assert!(summary.get("seconds").is_none());
        for key in ["schema", "type"] {
            summary.as_object_mut().unwrap().remove(key);
        }
        assert_eq!(document["summary"], summary);
        assert_eq!(document["findings"][1]["occurrences"], lines[1]["occurrences"]);
    }

    #[test]
    fn every_source_has_its_name_and_its_commit() {
        let id = |number: u8| format!("{number:02x}").repeat(20);
        let found = [
            (file("a", 1), json!(["file", "a", null, null])),
            (occurrence(super::Origin::Stdin, 1), json!(["stdin", null, null, null])),
            (history(&commit(1, 0), "a", None, 1), json!(["commit", "a", ".", id(1)])),
            (occurrence(message(&commit(2, 0)), 1), json!(["commit_message", null, ".", id(2)])),
            (occurrence(tag(&commit(3, 0), b"v1"), 1), json!(["tag_message", "v1", ".", id(3)])),
            (occurrence(object(4), 1), json!(["object", null, "..", id(4)])),
        ];
        for (occurrence, expected) in found {
            let value = serde_json::to_value(super::Occurrence::new(&Sample::default().report(), &occurrence)).unwrap();
            let told = ["source", "path", "repository", "commit"].map(|key| value[key].clone());
            assert_eq!(json!(told), expected);
        }
    }

    #[test]
    fn an_object_is_told_by_its_own_fields() {
        let mut sample = Sample::at(vec![
            stored("b", b"k/\xc3\xa9", Some("v1"), false),
            stored_part("b", b"k", None, true, StoredPart::Tags),
        ]);
        let fields = ["source", "path", "bucket", "key", "version_id", "etag", "last_modified", "is_latest", "part"];
        let date = "2024-03-01T10:00:00+00:00";
        let places = document(&sample)["findings"][0]["occurrences"].clone();
        let told = |n: usize| fields.map(|name| places[n][name].clone());
        let body = json!(["object", "k/é", "b", "k/é", "v1", "e7ag", date, false, null]);
        assert_eq!(json!(told(0)), body);
        assert_eq!(json!(told(1)), json!(["object", "k", "b", "k", null, "e7ag", date, true, "tags"]));
        assert!(places[0].get("part").is_none() && places[0].get("public").is_none(), "{places}");
        for (public, is, because) in [
            (
                Publicness::Yes(vec!["policy statement PublicRead".to_owned()]),
                json!(true),
                json!("policy statement PublicRead"),
            ),
            (Publicness::No(None), json!(false), json!(null)),
            (Publicness::Unknown("not allowed".to_owned()), json!(null), json!("not allowed")),
        ] {
            sample.publish(public);
            let found = document(&sample);
            assert_eq!(found["findings"][0]["occurrences"][0]["public"], json!({"is": is, "because": because}));
            let errors: Vec<_> = schema().iter_errors(&found).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{errors:?}");
        }
    }

    #[test]
    fn what_is_suppressed_is_listed_with_its_reason_and_counted_apart() {
        let mut sample = Sample::at(vec![file("a", 1), file("b", 2)]);
        let why = suppression(By::IgnoreFile, ".keysweepignore", Some("a test"));
        sample.findings[0].occurrences[0].suppressed = Some(suppression(By::Comment, "ggignore", None));
        let found = document(&sample);
        assert_eq!((&found["findings"][0]["suppressed"], &found["summary"]["suppressed"]), (&json!(null), &json!(0)));
        assert_eq!(found["summary"]["suppressed_occurrences"], 1);
        let comment = json!({"by": "comment", "source": "ggignore", "reason": null});
        assert_eq!(found["findings"][0]["occurrences"][0]["suppressed"], comment);
        sample.findings[0].occurrences[1].suppressed = Some(why);
        let found = document(&sample);
        let expected = json!({"by": "ignore-file", "source": ".keysweepignore", "reason": "a test"});
        assert_eq!(found["findings"][0]["suppressed"], expected);
        assert_eq!((&found["summary"]["findings"], &found["summary"]["suppressed"]), (&json!(0), &json!(1)));
        let by = json!({"ignore-file": 1, "baseline": 0, "imported": 0, "comment": 0});
        assert_eq!(found["summary"]["suppressed_by"], by);
    }

    #[test]
    fn with_a_key_no_plain_hash_gets_in() {
        let key = FingerprintKey::new(&[7; 16]).unwrap();
        let sample = Sample::at(vec![file("a", 1)]);
        let (id, secret) = (Fingerprint::of(ID.as_bytes()), Fingerprint::of(SECRET.as_bytes()));
        for format in Format::ALL {
            let text = written(format, &Report { key: Some(&key), ..sample.report() });
            for plain in [id, secret] {
                assert!(!text.contains(&plain.to_string()[..12]), "{format}");
            }
            let told = if format == Format::Text { key.print(&id).short() } else { key.print(&id).to_string() };
            assert!(text.contains(&told), "{format}");
        }
        let text = written(Format::Json, &Report { key: Some(&key), ..sample.report() });
        assert!(text.contains(&format!(r#""sha256":"{}""#, key.print(&secret))), "{text}");
    }

    #[test]
    fn members_and_encodings_are_told() {
        let mut zipped = file("a.zip", 1);
        zipped.provenance = zipped.provenance.member(b"b.tar").member(b"c\xff");
        zipped.encoding = vec![Encoding::Utf16Le, Encoding::Utf16Be];
        let value = serde_json::to_value(super::Occurrence::new(&Sample::default().report(), &zipped)).unwrap();
        assert_eq!(value["member"], r"b.tar!c\xff");
        assert_eq!(value["encoding"], json!(["utf-16le", "utf-16be"]));
    }

    #[test]
    fn the_account_is_told_as_far_as_the_id_tells_it() {
        let mut sample = Sample::at(vec![]);
        for (id, expected) in [
            (ID.to_owned(), json!([null, null])),
            (canary(), json!(["171436882533", "canary"])),
            (with_account(), json!(["609629065308", "unknown"])),
        ] {
            sample.findings = vec![finding(&id, vec![file("a", 1)])];
            let found = &document(&sample)["findings"][0];
            assert_eq!(json!([found["account_id"], found["account"]]), expected);
        }
    }

    #[test]
    fn a_bedrock_key_tells_the_account_without_an_id() {
        // Base64 of BedrockAPIKey-q7xz-at-210987654321:secret.
        let value = ["ABSK", "QmVkcm9ja0FQSUtleS1x", "N3h6LWF0LTIxMDk4NzY1NDMyMTpzZWNyZXQ="].concat();
        let found = &document(&Sample::alone(SecretKind::BedrockApiKey, &value))["findings"][0];
        assert_eq!(found["account_id"], "210987654321");
        assert_eq!(found["access_key_id"], Value::Null);
    }

    #[test]
    fn accounts_are_told_to_be_ours_or_foreign_by_the_list() {
        let sample = Sample::at(vec![]);
        let sample = Sample {
            findings: [ID.to_owned(), canary(), with_account()].map(|id| finding(&id, vec![])).into(),
            ..sample
        };
        let told = |accounts: &[&str]| {
            let accounts = accounts.iter().map(|account| AccountId::parse(account).unwrap()).collect();
            let text = written(Format::Json, &Report { accounts: &accounts, ..sample.report() });
            let document: Value = serde_json::from_str(&text).unwrap();
            [0, 1, 2].map(|n| document["findings"][n]["account"].clone())
        };
        assert_eq!(told(&["609629065308", "171436882533"]), [json!(null), json!("canary"), json!("ours")]);
        assert_eq!(told(&["111122223333"]), [json!(null), json!("canary"), json!("foreign")]);
    }

    #[test]
    fn the_value_of_a_secret_is_there_only_when_asked_for() {
        let sample = Sample::at(vec![file("a", 1)]);
        let secret = |report: &Report<'_>| {
            let text = written(Format::Json, report);
            let value: Value = serde_json::from_str(&text).unwrap();
            value["findings"][0]["secrets"][0].clone()
        };
        assert!(secret(&sample.report()).get("value").is_none());
        let shown = Report { show_secrets: true, ..sample.report() };
        assert_eq!(secret(&shown)["value"], SECRET);
    }

    #[test]
    fn what_acts_on_a_terminal_is_escaped_and_reads_the_same() {
        let hostile = "a\u{9b}b\u{7f}\u{202e}\u{2028}\u{1b}\n\"\\é";
        let text = Sample::at(vec![file(hostile, 1)]).written(Format::Json);
        assert!(text.contains(r#""a\u009bb\u007f\u202e\u2028\u001b\n\"\\é""#), "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["findings"][0]["occurrences"][0]["path"], hostile);
    }
}
