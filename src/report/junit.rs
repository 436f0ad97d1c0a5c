//! JUnit XML, the form in which CI systems show tests: each credential is a test that failed, and what was not read one that could not be
//! run. The form is what Jenkins, GitLab, Azure and Bitbucket read of it; no standard says more.

use std::io::{self, Write};

use super::Report;
use super::places;
use super::sanitize::visible;
use super::units::plural;
use super::words;
use crate::finding::Finding;
use crate::finding::suppression::Suppression;
use crate::source::Skipped;

/// Places told of one credential.
const PLACES: usize = 100;

/// One suite with one test for each credential. Without any it has one that passed: readers take an empty suite for a broken one.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let findings: Vec<&Finding> = report.listed().collect();
    let skipped = &report.tally.skipped;
    let suppressed: Vec<(&Finding, &Suppression)> =
        report.findings.iter().filter_map(|finding| Some((finding, report.suppression(finding)?))).collect();
    let passed = usize::from(findings.is_empty() && skipped.is_empty());
    let counts = format!(
        r#"name="keysweep" tests="{}" failures="{}" errors="{}" skipped="{}""#,
        findings.len() + skipped.len() + suppressed.len() + passed,
        findings.len(),
        skipped.len(),
        suppressed.len()
    );
    let time = report.seconds.map_or_else(String::new, |seconds| format!(r#" time="{seconds:.3}""#));
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(out, "<testsuites {counts}{time}>\n  <testsuite {counts}{time}>")?;
    if passed > 0 {
        writeln!(out, r#"    <testcase classname="keysweep" name="no leaked credentials"/>"#)?;
    }
    for finding in findings {
        failure(report, finding, out)?;
    }
    for (finding, why) in suppressed {
        let why = format!("suppressed by {}", why.called());
        case(report, finding, "", out)?;
        writeln!(out, r#"      <skipped message="{}"/>"#, escaped(&why))?;
        writeln!(out, "    </testcase>")?;
    }
    for skipped in skipped {
        error(skipped, out)?;
    }
    writeln!(out, "  </testsuite>\n</testsuites>")
}

/// The name stays the same wherever the credential moves: by it CI systems follow a test from run to run.
fn case(report: &Report<'_>, finding: &Finding, more: &str, out: &mut dyn Write) -> io::Result<()> {
    let digits = report.fingerprint(&finding.fingerprint).digits().to_string();
    let name = finding.access_key_id.map_or_else(|| digits[..16].to_owned(), |id| id.to_string());
    let (rule, name) = (escaped(&finding.rule), escaped(&name));
    writeln!(out, r#"    <testcase classname="keysweep.{rule}" name="{name}"{more}>"#)
}

fn failure(report: &Report<'_>, finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let places = places::of(finding);
    let first = places.first().map(|place| (words::path(place.shown), place.shown.point.line));
    let file = first.map_or_else(String::new, |(path, line)| format!(r#" file="{}" line="{line}""#, escaped(&path)));
    case(report, finding, &file, out)?;
    let what = words::what_leaked(report, finding);
    let severity = report.severity(finding);
    write!(out, r#"      <failure type="{severity}" message="{}">"#, escaped(&what))?;
    let told = words::places(report, finding);
    for place in told.iter().take(PLACES) {
        writeln!(out, "{}", escaped(place))?;
    }
    if told.len() > PLACES {
        writeln!(out, "and {}", plural((told.len() - PLACES) as u64, "more place"))?;
    }
    let mut advice = words::evidence(report, finding);
    advice.extend([words::remediation(report, finding), words::fingerprint(report, finding)]);
    writeln!(
        out,
        "{}</failure>\n    </testcase>",
        advice.iter().map(|line| escaped(line)).collect::<Vec<_>>().join("\n")
    )
}

fn error(skipped: &Skipped, out: &mut dyn Write) -> io::Result<()> {
    let (what, why) = (escaped(&skipped.what), escaped(&skipped.why));
    writeln!(out, r#"    <testcase classname="keysweep.unread" name="{what}">"#)?;
    writeln!(out, r#"      <error type="unread" message="{why}"/>"#)?;
    writeln!(out, "    </testcase>")
}

/// Text for an attribute or an element. XML 1.0 (2.2) has no place for most control characters, not even by number, nor for the last two
/// of the basic plane: they are shown as escapes, like all that acts on a terminal.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::samples::{ID, Sample, canary, commit, file, finding, history, suppression};
    use super::*;
    use crate::finding::Fingerprint;
    use crate::finding::suppression::By;
    use crate::report::Format;

    /// Reads XML as Python's expat does, strictly, and tells elements as lists: name, attributes, text, children.
    fn parsed(xml: &str) -> Value {
        let script = "import sys, json, xml.etree.ElementTree as e\n\
                      tell = lambda x: [x.tag, x.attrib, (x.text or '').strip(), [tell(c) for c in x]]\n\
                      print(json.dumps(tell(e.fromstring(open(sys.argv[1], 'rb').read()))))";
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), xml).unwrap();
        let output = Command::new("python3").args(["-c", script]).arg(file.path()).output().unwrap();
        assert!(output.status.success(), "{xml}\n{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn suite(sample: &Sample) -> Value {
        let root = parsed(&sample.written(Format::Junit));
        assert_eq!((&root[0], &root[1], root[3].as_array().unwrap().len()), (&json!("testsuites"), &root[3][0][1], 1));
        root[3][0].clone()
    }

    #[test]
    fn a_credential_is_a_failure_with_its_places() {
        let suite = suite(&Sample::at(vec![history(&commit(1, 0), "old", Some(false), 2), file("a.env", 3)]));
        assert_eq!(suite[1], json!({"name": "keysweep", "tests": "1", "failures": "1", "errors": "0", "skipped": "0"}));
        let case = &suite[3][0];
        let attributes = json!({"classname": "keysweep.aws-access-key", "name": ID, "file": "a.env", "line": "3"});
        assert_eq!(case[1], attributes);
        assert_eq!(case[3][0][1], json!({"type": "critical", "message": format!("AWS access key: {ID}")}));
        let text = "a.env:3\nold:2 (commit 010101010101)\nDeactivate the key, then delete it.\nFingerprint: ";
        assert_eq!(case[3][0][2], format!("{text}{}", Fingerprint::of(ID.as_bytes())));
    }

    #[test]
    fn nothing_found_is_a_test_that_passed_unless_something_was_not_read() {
        let mut sample = Sample::default();
        let clean = suite(&sample);
        assert_eq!(clean[3], json!([["testcase", {"classname": "keysweep", "name": "no leaked credentials"}, "", []]]));
        sample.tally.skipped = vec![Skipped::new("a<b>", "it is \"locked\" & gone")];
        let unread = suite(&sample);
        assert_eq!(unread[1]["errors"], "1");
        let error = json!(["error", {"type": "unread", "message": "it is \"locked\" & gone"}, "", []]);
        assert_eq!(unread[3], json!([["testcase", {"classname": "keysweep.unread", "name": "a<b>"}, "", [error]]]));
    }

    #[test]
    fn what_is_suppressed_is_a_test_that_was_skipped() {
        let mut sample = Sample::at(vec![file("a", 1)]);
        sample.findings[0].occurrences[0].suppressed = Some(suppression(By::IgnoreFile, ".keysweepignore", None));
        let suite = suite(&sample);
        assert_eq!(
            (&suite[1]["tests"], &suite[1]["skipped"], &suite[1]["failures"]),
            (&json!("2"), &json!("1"), &json!("0"))
        );
        let skipped = json!(["skipped", {"message": "suppressed by .keysweepignore"}, "", []]);
        assert_eq!(
            suite[3][1],
            json!(["testcase", {"classname": "keysweep.aws-access-key", "name": ID}, "", [skipped]])
        );
    }

    #[test]
    fn what_has_no_id_is_named_by_its_fingerprint() {
        let mut sample = Sample::at(vec![file("a", 1)]);
        sample.findings.push(finding(&canary(), vec![file("b", 1)]));
        sample.findings[0].access_key_id = None;
        let suite = suite(&sample);
        assert_eq!(suite[3][0][1]["name"], sample.findings[0].fingerprint.to_string()[..16]);
        assert_eq!(suite[3][1][1]["name"], canary());
    }

    #[test]
    fn hostile_names_are_well_formed() {
        let suite = suite(&Sample::everything());
        assert_eq!((&suite[1]["tests"], &suite[1]["skipped"]), (&json!("6"), &json!("1")));
    }

    #[test]
    fn more_places_than_can_be_told_are_counted() {
        let suite = suite(&Sample::at((1..=120).map(|n| file(format!("f{n:03}"), 1)).collect()));
        let text = suite[3][0][3][0][2].as_str().unwrap();
        assert!(text.contains("f100:1\nand 20 more places\n") && !text.contains("f101"), "{text}");
    }

    #[test]
    fn no_character_breaks_the_xml() {
        let all: String = ('\0'..='\u{ffff}').chain(['\u{1fffe}', '\u{10ffff}']).collect();
        let case = suite(&Sample::at(vec![file(all, 1)]))[3][0].clone();
        assert!(case[1]["file"].as_str().unwrap().contains("\\u{fffe}"));
    }

    proptest! {
        #[test]
        fn only_characters_of_xml_get_through(text in any::<String>()) {
            let legal = |c: char| c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}' | '<' | '>' | '"');
            prop_assert!(escaped(&text).chars().all(legal));
        }
    }
}
