//! SARIF 2.1.0 for code scanning services: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>. What GitHub
//! takes of it: <https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning>.
//! No secret, not even the start of one, gets in here.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use bstr::ByteSlice;
use serde_json::json;
use serde_sarif::sarif;

use super::json::write_line;
use super::places::is_present;
use super::sanitize::{one_line, visible};
use super::stored;
use super::units::plural;
use super::words::{self, is_link, object_path};
use super::{Report, RuleInfo};
use crate::engine::rule::Severity;
use crate::finding::suppression::{By, Suppression};
use crate::finding::{Finding, Occurrence};
use crate::provenance::Origin;
use crate::source::Skipped;

/// GitHub shows no more locations of a result, and refuses a file in which one has more than a thousand.
const LOCATIONS: usize = 100;
/// GitHub refuses a file with more results, and one of more than 10 MB when compressed, which this many locations stay below.
const RESULTS: usize = 25_000;
const ALL_LOCATIONS: usize = 50_000;
/// Unread things told, for the same reason.
const SKIPPED: usize = 1_000;
/// GitHub refuses a rule with more.
const TAGS: usize = 20;
/// What GitHub calls the root of the repository.
const ROOT: &str = "%SRCROOT%";

/// One log with one run.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut findings: Vec<&Finding> = report.findings.iter().collect();
    let left_out = findings.len().saturating_sub(RESULTS);
    if left_out > 0 {
        findings.sort_by_key(|finding| (report.suppression(finding).is_some(), Reverse(report.severity(finding))));
        findings.truncate(RESULTS);
    }
    let most = (ALL_LOCATIONS / findings.len().max(1)).clamp(1, LOCATIONS);
    let run = sarif::Run::builder()
        .tool(tool(report))
        .invocations(vec![invocation(report, left_out)])
        .original_uri_base_ids(BTreeMap::from([(ROOT.to_owned(), root())]))
        .column_kind(json!("unicodeCodePoints"))
        .results(findings.iter().map(|finding| result(report, finding, most)).collect::<Vec<_>>())
        .build();
    let log = sarif::Sarif::builder()
        .schema("https://json.schemastore.org/sarif-2.1.0.json")
        .version(json!("2.1.0"))
        .runs(vec![run])
        .build();
    write_line(&log, out)
}

/// Where it is is the reader's to know: an absolute path would differ from machine to machine.
fn root() -> sarif::ArtifactLocation {
    let what =
        sarif::Message::builder().text("The directory in which the scan ran: the root of the repository.").build();
    sarif::ArtifactLocation::builder().description(what).build()
}

fn tool(report: &Report<'_>) -> sarif::Tool {
    let driver = sarif::ToolComponent::builder()
        .name("keysweep")
        .version(report.version)
        .semantic_version(report.version)
        .rules(report.rules.iter().map(descriptor).collect::<Vec<_>>())
        .build();
    sarif::Tool::builder().driver(driver).build()
}

fn descriptor(rule: &RuleInfo<'_>) -> sarif::ReportingDescriptor {
    // GitHub wants something in each of these; a rule of the user's own may say nothing of itself.
    let text = |texts: [&str; 2]| {
        let text = texts.map(one_line).into_iter().find(|text| !text.is_empty());
        sarif::MultiformatMessageString::from(&text.unwrap_or_else(|| rule.id.to_owned()))
    };
    let tags = ["security", "secret"].map(str::to_owned).into_iter().chain(rule.tags.iter().cloned());
    let properties = sarif::PropertyBag::builder()
        .tags(tags.take(TAGS).collect::<Vec<_>>())
        .additional_properties(BTreeMap::from([("security-severity".to_owned(), json!(score(rule.severity)))]))
        .build();
    let mut descriptor = sarif::ReportingDescriptor::builder()
        .id(rule.id)
        .short_description(text([rule.description, rule.id]))
        .full_description(text([rule.description, rule.id]))
        .help(text([rule.remediation, rule.description]))
        .default_configuration(sarif::ReportingConfiguration::builder().level(json!(level(rule.severity))).build())
        .properties(properties)
        .build();
    // A rule of the user's own may have none, and one bad URI is enough for a service to refuse the file.
    descriptor.help_uri = is_link(rule.reference).then(|| rule.reference.to_owned());
    descriptor
}

/// GitHub's bands: critical above 9.0, high from 7.0, medium from 4.0, low below.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.0",
        Severity::Low => "2.0",
    }
}

fn level(severity: Severity) -> sarif::ResultLevel {
    match severity {
        Severity::Critical | Severity::High => sarif::ResultLevel::Error,
        Severity::Medium => sarif::ResultLevel::Warning,
        Severity::Low => sarif::ResultLevel::Note,
    }
}

fn invocation(report: &Report<'_>, left_out: usize) -> sarif::Invocation {
    let notification = |text: &str| sarif::Notification::builder().level(json!("error")).message(message(text)).build();
    let skipped = &report.tally.skipped;
    let told =
        skipped.iter().take(SKIPPED).map(|skipped: &Skipped| format!("not read: {}: {}", skipped.what, skipped.why));
    let more = skipped.len().saturating_sub(SKIPPED);
    let more = (more > 0).then(|| format!("not read: {}; the JSON report lists all", plural(more as u64, "other")));
    let left_out = (left_out > 0).then(|| {
        let findings = plural(left_out as u64, "finding");
        format!(
            "{findings} of the least severity left out: services take no more than {RESULTS}; the JSON report lists all"
        )
    });
    let told = told.chain(more).chain(left_out);
    sarif::Invocation::builder()
        .execution_successful(report.complete)
        .tool_execution_notifications(told.map(|text| notification(&text)).collect::<Vec<_>>())
        .build()
}

fn result(report: &Report<'_>, finding: &Finding, most: usize) -> sarif::Result {
    // Services annotate the first location: one that is still there can be looked at.
    let mut places: Vec<&Occurrence> = finding.counting().collect();
    places.sort_by_key(|place| !is_present(place));
    let locations: Vec<_> = places.into_iter().take(most).map(|place| location(report, finding, place)).collect();
    let fingerprint = report.fingerprint(&finding.fingerprint);
    let digits = fingerprint.digits().to_string();
    // The only one that GitHub looks at is named after a line, and is the credential's all the same: an alert follows its credential
    // through a file, whatever is written around it.
    let fingerprints =
        [("keysweep/v1", fingerprint.to_string()), ("primaryLocationLineHash", format!("{}:1", &digits[..16]))];
    let mut result = sarif::Result::builder()
        .rule_id(&*finding.rule)
        .level(level(report.severity(finding)))
        .message(message(&said_of(report, finding, most)))
        .locations(locations)
        .partial_fingerprints(BTreeMap::from(fingerprints.map(|(name, value)| (name.to_owned(), value))))
        .build();
    result.rule_index = report.rule_index(finding).map(|index| index as i64);
    result.properties = properties(report, finding);
    // All results of a run have this or none has (3.27.23): an empty list says that it counts.
    result.suppressions = Some(report.suppression(finding).map(suppression).into_iter().collect());
    result
}

/// Whose it is and what triage came to, as far as that is known.
fn properties(report: &Report<'_>, finding: &Finding) -> Option<sarif::PropertyBag> {
    let mut told = BTreeMap::new();
    if let Some((account, standing)) = report.account(finding) {
        told.insert("account_id".to_owned(), json!(account.to_string()));
        told.insert("account".to_owned(), json!(standing.name()));
    }
    if let Some(verdict) = report.verdict(finding) {
        told.insert("status".to_owned(), json!(verdict.status.name()));
        told.insert("live".to_owned(), json!(verdict.is_live()));
        told.insert("evidence".to_owned(), json!(words::evidence(report, finding)));
    }
    (!told.is_empty()).then(|| sarif::PropertyBag::builder().additional_properties(told).build())
}

fn suppression(why: &Suppression) -> sarif::Suppression {
    let kind = if why.by == By::Comment { "inSource" } else { "external" };
    let reason = why.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    let said = format!("{}{reason}", why.source);
    sarif::Suppression::builder().kind(json!(kind)).status(json!("accepted")).justification(visible(&said)).build()
}

/// What leaked, whose it is and at how many places.
fn said_of(report: &Report<'_>, finding: &Finding, most: usize) -> String {
    let what = words::what_leaked(report, finding);
    let counting = finding.counting().count();
    let mut text = match counting {
        1 => format!("{what}, at one place."),
        all if all > most => format!("{what}, at {all} places; {most} of them are listed."),
        all => format!("{what}, at {all} places."),
    };
    match finding.occurrences.len() - counting {
        0 => {}
        1 => text += " One more is suppressed.",
        more => text += &format!(" {more} more are suppressed."),
    }
    text
}

/// Plain text, in which brackets make no links: whoever chose a path must not choose where it leads (SARIF 3.11.6).
fn message(text: &str) -> sarif::Message {
    let text = visible(text).replace('[', r"\[").replace(']', r"\]");
    sarif::Message::builder().text(text).build()
}

fn location(report: &Report<'_>, finding: &Finding, place: &Occurrence) -> sarif::Location {
    let uri = uri(place);
    let base = (!uri.starts_with("file:")).then(|| ROOT.to_owned());
    let mut artifact = sarif::ArtifactLocation::builder().uri(uri).build();
    artifact.uri_base_id = base;
    let physical =
        sarif::PhysicalLocation::builder().artifact_location(artifact).region(region(finding, place)).build();
    let mut location = sarif::Location::builder().physical_location(physical).build();
    if !matches!(place.provenance.origin, Origin::File { .. } | Origin::Stdin) {
        // The URI of what only history keeps says neither which commit nor which message.
        let name = visible(&place.provenance.to_string()).into_owned();
        location.logical_locations = Some(vec![sarif::LogicalLocation::builder().fully_qualified_name(name).build()]);
    }
    location.properties = stored_properties(report, place);
    location
}

/// Which version of which object it is, and who may read it.
fn stored_properties(report: &Report<'_>, place: &Occurrence) -> Option<sarif::PropertyBag> {
    let object = place.provenance.stored()?;
    let told = [
        ("bucket", Some(json!(*object.bucket))),
        ("key", Some(json!(stored::key(object)))),
        ("version_id", object.version_id.as_ref().map(|id| json!(**id))),
        ("is_latest", Some(json!(object.is_latest))),
        ("last_modified", stored::last_modified(object).map(|date| json!(date))),
        ("part", stored::part(place).map(|part| json!(part))),
        ("public", report.public(place).map(|public| json!(public))),
    ];
    let told = told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Some(sarif::PropertyBag::builder().additional_properties(told.collect::<BTreeMap<_, _>>()).build())
}

fn region(finding: &Finding, place: &Occurrence) -> sarif::Region {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let (line, column) = (place.point.line, place.point.column);
    // Only an id in plain text is known to stand on one line and to be twenty characters there. GitHub wants an end of all.
    let id = finding.access_key_id.filter(|_| place.encoding.is_empty());
    let length = id.map_or(1, |id| id.as_str().len() as u64);
    sarif::Region::builder()
        .start_line(number(line))
        .start_column(number(column))
        .end_line(number(line))
        .end_column(number(column.saturating_add(length)))
        .build()
}

/// A URI reference (RFC 3986). GitHub refuses a whole file for one scheme other than `file:`, so that what has no path in
/// a tree gets the path at which git itself would keep it, `.git/objects/4b/825dc…`.
fn uri(place: &Occurrence) -> String {
    let mut uri = match &place.provenance.origin {
        Origin::File { path } if path.starts_with(b"/") => format!("file://{}", encoded(path)),
        Origin::File { path } | Origin::Staged { path, .. } | Origin::Commit { path, .. } => {
            let path = path.strip_prefix(b"./").unwrap_or(path);
            encoded(path.trim_start_with(|c| c == '/'))
        }
        Origin::Stdin => "stdin".to_owned(),
        Origin::CommitMessage { commit } | Origin::TagMessage { commit, .. } => object_path(&commit.id),
        Origin::Object { id, .. } => object_path(id),
        Origin::Stored { object, .. } => encoded(format!("s3/{}/{}", object.bucket, object.key).as_bytes()),
    };
    if let Some(member) = &place.provenance.member {
        uri.push('!');
        uri += &encoded(member);
    }
    uri
}

/// Percent-encodes all but what may stand in a path. The colon may not in a relative one's first segment (RFC 3986, 4.2).
fn encoded(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for &byte in path {
        if byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=@".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a String can't fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::samples::{
        ID, Sample, canary, commit, file, finding, history, message, object, occurrence, stored, suppression, tag,
        written,
    };
    use super::*;
    use crate::engine::Encoding;
    use crate::exposure::Publicness;
    use crate::report::Format;

    fn run_of(report: &Report<'_>) -> Value {
        let log: Value = serde_json::from_str(&written(Format::Sarif, report)).unwrap();
        log["runs"][0].clone()
    }

    fn uri_of(occurrence: &Occurrence) -> String {
        let report = Sample::at(vec![occurrence.clone()]);
        let run = run_of(&report.report());
        let at = "/results/0/locations/0/physicalLocation/artifactLocation/uri";
        run.pointer(at).unwrap().as_str().unwrap().to_owned()
    }

    /// The official schema, which the crate of the types carries.
    fn official_schema() -> jsonschema::Validator {
        let cargo = env!("CARGO");
        let version = std::process::Command::new(std::path::Path::new(cargo).with_file_name("rustc"))
            .arg("-vV")
            .output()
            .unwrap();
        let version = String::from_utf8(version.stdout).unwrap();
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let metadata = std::process::Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--offline", "--filter-platform", host])
            .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
            .output()
            .unwrap();
        assert!(metadata.status.success(), "{metadata:?}");
        let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        let manifest = packages.iter().find(|p| p["name"] == "serde-sarif").unwrap();
        let manifest = std::path::Path::new(manifest["manifest_path"].as_str().unwrap());
        let schema = std::fs::read(manifest.with_file_name("src/schema.json")).unwrap();
        let mut schema: Value = serde_json::from_slice(&schema).unwrap();
        // The pattern of a language has a bracket too many, which strict engines refuse.
        for definition in ["run", "toolComponent"] {
            let language = &mut schema["definitions"][definition]["properties"]["language"];
            language.as_object_mut().unwrap().remove("pattern");
        }
        jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
    }

    #[test]
    fn the_official_schema_holds() {
        let schema = official_schema();
        for sample in [Sample::everything(), Sample::default()] {
            let log = serde_json::from_str(&sample.written(Format::Sarif)).unwrap();
            let errors: Vec<_> = schema.iter_errors(&log).collect();
            assert!(errors.is_empty(), "{errors:?}");
        }
        let mut log: Value = serde_json::from_str(&Sample::everything().written(Format::Sarif)).unwrap();
        let uri = "/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri";
        *log.pointer_mut(uri).unwrap() = "no uri".into();
        assert!(!schema.is_valid(&log));
    }

    #[test]
    fn the_tool_tells_its_rules_and_how_bad_they_are() {
        let run = run_of(&Sample::default().report());
        let driver = &run["tool"]["driver"];
        assert_eq!(driver["name"], "keysweep");
        assert_eq!(driver["version"], "1.2.3");
        let (low, high) = (&driver["rules"][0], &driver["rules"][1]);
        assert_eq!(high["id"], "aws-access-key");
        assert_eq!(high["shortDescription"]["text"], "AWS access key");
        assert_eq!(high["help"]["text"], "Deactivate the key, then delete it.");
        assert!(high["helpUri"].as_str().unwrap().starts_with("https://"));
        assert!(low.get("helpUri").is_none());
        assert_eq!(high["defaultConfiguration"]["level"], "error");
        assert_eq!(low["defaultConfiguration"]["level"], "note");
        assert_eq!(high["properties"]["security-severity"], "8.0");
        assert_eq!(high["properties"]["tags"], json!(["security", "secret"]));
    }

    #[test]
    fn severities_fall_into_the_bands_of_code_scanning() {
        let band = |severity| (score(severity), level(severity).to_string());
        assert_eq!(band(Severity::Critical), ("9.5", "error".to_owned()));
        assert_eq!(band(Severity::Medium), ("5.0", "warning".to_owned()));
    }

    #[test]
    fn a_result_names_key_and_account_and_keeps_its_fingerprint() {
        let mut sample = Sample::at(vec![]);
        sample.findings = vec![finding(&canary(), vec![file("a", 1), file("b", 2)])];
        let run = run_of(&sample.report());
        let result = &run["results"][0];
        let expected = format!("AWS access key: {} of canary account 171436882533, at 2 places.", canary());
        assert_eq!(result["message"]["text"], expected);
        assert_eq!(result["ruleId"], "aws-access-key");
        assert_eq!(result["ruleIndex"], 1);
        assert_eq!(result["level"], "error");
        assert_eq!(result["properties"], json!({"account_id": "171436882533", "account": "canary"}));
        assert_eq!(result["partialFingerprints"]["keysweep/v1"], sample.findings[0].fingerprint.to_string());
        assert_eq!(run["columnKind"], "unicodeCodePoints");
    }

    #[test]
    fn not_even_the_start_of_a_secret_gets_in() {
        let sample = Sample::everything();
        let asked = Report { show_secrets: true, ..sample.report() };
        assert!(!written(Format::Sarif, &asked).contains("wJal"));
    }

    #[test]
    fn the_first_location_is_one_that_is_still_there() {
        let sample = Sample::at(vec![
            history(&commit(1, 0), "gone", Some(false), 1),
            history(&commit(2, 1), "here", Some(true), 2),
        ]);
        let run = run_of(&sample.report());
        let first = &run["results"][0]["locations"][0];
        assert_eq!(first["physicalLocation"]["artifactLocation"]["uri"], "here");
        assert_eq!(first["logicalLocations"][0]["fullyQualifiedName"], format!("{}:here", "02".repeat(20)));
    }

    #[test]
    fn locations_are_capped_and_the_rest_is_counted() {
        let sample = Sample::at((1..=150).map(|line| file("a", line)).collect());
        let run = run_of(&sample.report());
        let result = &run["results"][0];
        assert_eq!(result["locations"].as_array().unwrap().len(), LOCATIONS);
        let text = result["message"]["text"].as_str().unwrap();
        assert!(text.ends_with("at 150 places; 100 of them are listed."), "{text}");
    }

    #[test]
    fn a_region_covers_the_id_where_its_length_is_known() {
        let plain = file("a", 3);
        let mut wide = file("b", 3);
        wide.encoding = vec![Encoding::Utf16Le];
        let run = run_of(&Sample::at(vec![plain, wide]).report());
        let region = |n: usize| run["results"][0]["locations"][n]["physicalLocation"]["region"].clone();
        assert_eq!(region(0), json!({"startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 5 + ID.len()}));
        assert_eq!(region(1), json!({"startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 6}));
    }

    #[test]
    fn paths_become_uri_references() {
        let told = [
            (b"deploy/prod.env".as_slice(), "deploy/prod.env"),
            (b"./a b#c?.env", "a%20b%23c%3F.env"),
            (b"/srv/x", "file:///srv/x"),
            (b"c:d", "c%3Ad"),
            (b".//srv", "srv"),
            ("é%\\".as_bytes(), "%C3%A9%25%5C"),
            (b"\xff\n", "%FF%0A"),
            (b"@scope/(x)+~_-.js", "@scope/(x)+~_-.js"),
        ];
        for (path, uri) in told {
            assert_eq!(uri_of(&file(path, 1)), uri);
        }
        let mut zipped = file("a.zip", 1);
        zipped.provenance = zipped.provenance.member(b"b c.tar").member(b"/d.env");
        assert_eq!(uri_of(&zipped), "a.zip!b%20c.tar!/d.env");
    }

    #[test]
    fn what_has_no_path_has_a_relative_uri_all_the_same() {
        let id = |number: &str| format!(".git/objects/{number}/{}", number.repeat(19));
        let told = [
            (Origin::Stdin, "stdin".to_owned()),
            (message(&commit(1, 0)), id("01")),
            (tag(&commit(2, 0), b"v1"), id("02")),
            (object(3), id("03")),
        ];
        for (origin, uri) in told {
            assert_eq!(uri_of(&occurrence(origin, 1)), uri);
        }
    }

    #[test]
    fn an_object_has_a_relative_uri_and_says_what_it_is() {
        let mut zipped = stored("b", "k é/a:1.zip".as_bytes(), Some("v1"), false);
        zipped.provenance = zipped.provenance.member(b"c.env");
        let mut sample = Sample::at(vec![zipped]);
        sample.publish(Publicness::Yes(vec!["policy statement PublicRead".to_owned()]));
        let location = run_of(&sample.report())["results"][0]["locations"][0].clone();
        let artifact = &location["physicalLocation"]["artifactLocation"];
        assert_eq!(artifact["uri"], "s3/b/k%20%C3%A9/a%3A1.zip!c.env");
        assert_eq!(artifact["uriBaseId"], ROOT);
        let name = "s3://b/k é/a:1.zip (version v1)!c.env";
        assert_eq!(location["logicalLocations"][0]["fullyQualifiedName"], name);
        let expected = json!({
            "bucket": "b", "key": "k é/a:1.zip", "version_id": "v1", "is_latest": false,
            "last_modified": "2024-03-01T10:00:00+00:00",
            "public": {"is": true, "because": "policy statement PublicRead"},
        });
        assert_eq!(location["properties"], expected);
    }

    #[test]
    fn what_is_suppressed_says_so_and_the_rest_says_that_it_is_not() {
        let mut sample = Sample::at(vec![file("a", 1), file("b", 2), file("c", 3)]);
        let result = |sample: &Sample| run_of(&sample.report())["results"][0].clone();
        assert_eq!(result(&sample)["suppressions"], json!([]));
        sample.findings[0].occurrences[0].suppressed = Some(suppression(By::Comment, "ggignore", None));
        let partly = result(&sample);
        assert_eq!(partly["suppressions"], json!([]));
        assert_eq!(partly["locations"].as_array().unwrap().len(), 2);
        let text = partly["message"]["text"].as_str().unwrap();
        assert!(text.ends_with(", at 2 places. One more is suppressed."), "{text}");
        for place in &mut sample.findings[0].occurrences {
            place.suppressed = Some(suppression(By::IgnoreFile, ".keysweepignore", Some("a test")));
        }
        let whole = result(&sample);
        let expected = json!([{"kind": "external", "status": "accepted", "justification": ".keysweepignore: a test"}]);
        assert_eq!(whole["suppressions"], expected);
        assert_eq!(whole["locations"].as_array().unwrap().len(), 3);
        sample.findings[0].occurrences.truncate(1);
        sample.findings[0].occurrences[0].suppressed = Some(suppression(By::Comment, "ggignore", None));
        assert_eq!(result(&sample)["suppressions"][0]["kind"], "inSource");
    }

    #[test]
    fn what_was_not_read_is_notified_and_no_success() {
        let mut sample = Sample::default();
        let success = |sample: &Sample| run_of(&sample.report())["invocations"][0].clone();
        assert_eq!(success(&sample)["executionSuccessful"], true);
        sample.tally.skipped = vec![Skipped::new("[a](b)", "it is\nlocked")];
        let invocation = success(&sample);
        assert_eq!(invocation["executionSuccessful"], false);
        assert_eq!(
            invocation["toolExecutionNotifications"],
            json!([{"level": "error", "message": {"text": r"not read: \[a\](b): it is\nlocked"}}])
        );
    }
    #[test]
    fn an_alert_is_followed_by_its_credential() {
        let print = |sample: Sample| run_of(&sample.report())["results"][0]["partialFingerprints"].clone();
        let first = print(Sample::at(vec![file("a", 1)]));
        let hash = first["primaryLocationLineHash"].as_str().unwrap();
        assert_eq!(hash, format!("{}:1", &first["keysweep/v1"].as_str().unwrap()[..16]));
        assert_eq!(first, print(Sample::at(vec![file("b", 7), history(&commit(1, 0), "c", None, 2)])));
        let mut other = Sample::at(vec![file("a", 1)]);
        other.findings = vec![finding(&canary(), vec![file("a", 1)])];
        assert_ne!(first, print(other));
    }

    #[test]
    fn relative_paths_are_relative_to_the_root_of_the_repository() {
        let run = run_of(&Sample::at(vec![file("a", 1), file("/b", 1)]).report());
        let base =
            |n: usize| run["results"][0]["locations"][n]["physicalLocation"]["artifactLocation"]["uriBaseId"].clone();
        assert!(base(0) == ROOT && base(1).is_null(), "{run}");
        assert!(run["originalUriBaseIds"][ROOT]["uri"].is_null() && run["originalUriBaseIds"][ROOT].is_object());
    }

    /// <https://docs.github.com/en/code-security/reference/code-scanning/sarif-files/sarif-support-for-code-scanning>
    #[test]
    fn github_finds_all_that_it_requires_also_of_rules_that_say_nothing() {
        let sample = Sample::everything();
        let tags: Vec<String> = (0..30).map(|n| format!("t{n}")).collect();
        let mut report = sample.report();
        report.rules.push(RuleInfo { id: "bare", description: "", remediation: " ", tags: &tags, ..report.rules[0] });
        let log: Value = serde_json::from_str(&written(Format::Sarif, &report)).unwrap();
        let run = &log["runs"][0];
        let filled = |value: &Value, pointers: &[&str]| {
            for pointer in pointers {
                let told = value.pointer(pointer).unwrap_or(&Value::Null);
                let is_empty =
                    told.is_null() || told.as_str() == Some("") || told.as_array().is_some_and(Vec::is_empty);
                assert!(!is_empty, "{pointer} of {value}");
            }
        };
        filled(
            &log,
            &["/$schema", "/version", "/runs/0/tool/driver/name", "/runs/0/tool/driver/rules", "/runs/0/results"],
        );
        for rule in run["tool"]["driver"]["rules"].as_array().unwrap() {
            filled(rule, &["/id", "/shortDescription/text", "/fullDescription/text", "/help/text", "/properties/tags"]);
            filled(rule, &["/properties/security-severity"]);
            assert!(rule["properties"]["tags"].as_array().unwrap().len() <= TAGS);
        }
        for result in run["results"].as_array().unwrap() {
            filled(result, &["/ruleId", "/message/text", "/locations", "/partialFingerprints/primaryLocationLineHash"]);
            for location in result["locations"].as_array().unwrap() {
                let region = ["startLine", "startColumn", "endLine", "endColumn"];
                let region = region.map(|name| format!("/physicalLocation/region/{name}"));
                region.iter().for_each(|pointer| filled(location, &[pointer]));
                filled(location, &["/physicalLocation/artifactLocation/uri"]);
            }
        }
    }

    #[test]
    fn more_results_than_github_takes_are_counted_and_the_file_stays_small_enough() {
        use std::io::Write as _;
        let place = |n: usize, k: usize| {
            let mut path = crate::finding::Fingerprint::of(format!("{n} {k}").as_bytes()).to_string();
            path.insert(5, '/');
            history(&commit(1, 0), &path, Some(true), 1 + (n % 977) as u64)
        };
        let of_file = |n: usize| {
            let mut found = finding(ID, (0..3).map(|k| place(n, k)).collect());
            found.fingerprint = crate::finding::Fingerprint::of(&n.to_le_bytes());
            found
        };
        let mut findings: Vec<Finding> = (0..RESULTS + 5).map(of_file).collect();
        findings[RESULTS + 4] = finding(&canary(), vec![file("worst", 1)]);
        findings[..5].iter_mut().for_each(|found| found.rule = "other".into());
        findings[..5].iter_mut().for_each(|found| found.secrets.clear());
        let sample = Sample { findings, ..Sample::default() };
        let text = written(Format::Sarif, &sample.report());
        let run: Value = serde_json::from_str::<Value>(&text).unwrap()["runs"][0].clone();
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), RESULTS);
        assert!(
            results
                .iter()
                .all(|result| result["ruleId"] != "other" && result["locations"].as_array().unwrap().len() <= 2)
        );
        let told = run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"].as_str().unwrap();
        assert!(told.starts_with("5 findings of the least severity left out"), "{told}");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(text.as_bytes()).unwrap();
        assert!(gzip.finish().unwrap().len() < 10_000_000);
    }
}
