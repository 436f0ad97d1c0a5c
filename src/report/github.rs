//! Annotations for a job of GitHub Actions, one workflow command for each credential: <https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions>.
//! The runner obeys what stands in a line, so that what others chose is escaped twice: for people, and for the runner.

use std::cmp::Reverse;
use std::io::{self, Write};

use super::Report;
use super::places::{self, Place};
use super::sanitize::{acts, visible};
use super::units::plural;
use super::words;
use crate::engine::rule::Severity;
use crate::finding::Finding;

/// Places told of one credential.
const PLACES: usize = 10;
/// Unread things told.
const SKIPPED: usize = 10;

/// An annotation for each credential, the worst first, since GitHub shows ten of a step; what was not read is one more.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut findings: Vec<&Finding> = report.listed().collect();
    findings.sort_by_key(|finding| Reverse(report.severity(finding)));
    for finding in &findings {
        annotation(report, finding, out)?;
    }
    unread(report, out)?;
    let found = match findings.len() {
        0 => "No leaked credentials found".to_owned(),
        all => plural(all as u64, "leaked credential"),
    };
    let end = if report.complete { "." } else { " in what was read." };
    let suppressed = report.suppressed().map_or_else(String::new, |all| format!(" {all}."));
    writeln!(out, "{found}{end}{suppressed}")
}

fn annotation(report: &Report<'_>, finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let command = match report.severity(finding) {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "notice",
    };
    let places = places::of(finding);
    let title = format!("Leaked: {}", words::kind(report, finding));
    let mut properties = places.first().map_or_else(Vec::new, |place| at(finding, place));
    properties.push(("title", title));
    let mut lines = vec![format!("{}.", words::what_leaked(report, finding))];
    lines.extend(words::evidence(report, finding));
    lines.push(stands_in(report, finding));
    lines.push(words::remediation(report, finding));
    lines.push(words::fingerprint(report, finding));
    lines.retain(|line| !line.is_empty());
    command_line(command, &properties, &lines, out)
}

/// File, line and columns of a place that can be looked at; nothing of one that only history keeps.
fn at(finding: &Finding, place: &Place<'_>) -> Vec<(&'static str, String)> {
    let place = place.shown;
    let Some(file) = words::present_file(place) else {
        return Vec::new();
    };
    // Within a command no other is looked for: the path must be the file's own, or GitHub does not find it.
    let file = if file.contains(acts) { visible(&file).into_owned() } else { file };
    let mut properties = vec![("file", file)];
    // The lines of a member are none of the archive's.
    if place.provenance.member.is_none() {
        let line = place.point.line.to_string();
        properties.extend([("line", line.clone()), ("endLine", line), ("col", place.point.column.to_string())]);
        if let Some(id) = finding.access_key_id.filter(|_| place.encoding.is_empty()) {
            let end = place.point.column.saturating_add(id.as_str().len() as u64);
            properties.push(("endColumn", end.to_string()));
        }
    }
    properties
}

fn stands_in(report: &Report<'_>, finding: &Finding) -> String {
    let mut told = words::places(report, finding);
    let more = told.len().saturating_sub(PLACES);
    if more > 0 {
        told.truncate(PLACES);
        told.push(plural(more as u64, "more place"));
    }
    format!("It stands in {}.", told.join(", "))
}

fn unread(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let skipped = &report.tally.skipped;
    if skipped.is_empty() {
        return Ok(());
    }
    let mut lines = vec![format!("Not read: {}.", plural(skipped.len() as u64, "thing"))];
    lines.extend(skipped.iter().take(SKIPPED).map(|s| format!("{}: {}", visible(&s.what), visible(&s.why))));
    if skipped.len() > SKIPPED {
        lines.push("The other formats list all.".to_owned());
    }
    command_line("error", &[("title", "Not everything was read".to_owned())], &lines, out)
}

fn command_line(command: &str, properties: &[(&str, String)], lines: &[String], out: &mut dyn Write) -> io::Result<()> {
    let properties: Vec<String> =
        properties.iter().map(|(name, value)| format!("{name}={}", property(value))).collect();
    writeln!(out, "::{command} {}::{}", properties.join(","), data(&lines.join("\n")))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::super::samples::{ID, Sample, commit, file, finding, history, message, occurrence, suppression};
    use super::*;
    use crate::finding::Fingerprint;
    use crate::finding::suppression::By;
    use crate::report::Format;
    use crate::source::Skipped;

    fn lines(sample: &Sample) -> Vec<String> {
        sample.written(Format::Github).lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_place_that_is_there_is_annotated() {
        let lines = lines(&Sample::at(vec![history(&commit(1, 0), "gone", Some(false), 9), file("./a.env", 3)]));
        let expected = format!(
            "::error file=a.env,line=3,endLine=3,col=5,endColumn=25,title=Leaked%3A AWS access key::AWS access key: {ID}.%0A\
             It stands in ./a.env:3, gone:9 (commit 010101010101).%0ADeactivate the key, then delete it.%0AFingerprint: {}",
            Fingerprint::of(ID.as_bytes())
        );
        assert_eq!(lines, [expected, "1 leaked credential.".to_owned()]);
    }

    #[test]
    fn what_only_history_keeps_has_no_file() {
        for place in [history(&commit(1, 0), "gone", Some(false), 9), occurrence(message(&commit(2, 0)), 1)] {
            let lines = lines(&Sample::at(vec![place]));
            assert!(lines[0].starts_with("::error title=Leaked"), "{lines:?}");
        }
        // GitHub must find the file, and looks for no command within one.
        let lines_of = |path: &str| lines(&Sample::at(vec![file(path, 1)]));
        assert!(lines_of("##[x]")[0].starts_with("::error file=##[x],line=1,"));
        let mut zipped = file("a.zip", 7);
        zipped.provenance = zipped.provenance.member(b"b.env");
        let lines = lines(&Sample::at(vec![zipped]));
        assert!(lines[0].starts_with("::error file=a.zip,title="), "{lines:?}");
        assert!(lines[0].contains("a.zip!b.env:7"));
    }

    #[test]
    fn the_worst_comes_first() {
        let mut sample = Sample::presigned(&[0]);
        sample.findings.push(finding(ID, vec![file("b", 1)]));
        let report = Report { now: Some(1), ..sample.report() };
        let text = super::super::samples::written(Format::Github, &report);
        let commands: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(commands, ["::error", "::notice", "2"]);
    }

    #[test]
    fn names_that_would_be_commands_are_none() {
        let hostile = "a,line=1::x%0A\n::stop-commands::x\r##[add-mask]b##vso[task.x]";
        let mut sample = Sample::at(vec![file(hostile, 1), occurrence(message(&commit(2, 0)), 1)]);
        sample.tally.skipped = vec![Skipped::new(hostile, hostile)];
        let lines = lines(&sample);
        assert_eq!(lines.len(), 3, "{lines:?}");
        let (properties, message) = lines[0].strip_prefix("::error ").unwrap().split_once("::").unwrap();
        let file = properties.split(',').next().unwrap();
        assert_eq!(
            file,
            "file=a%2Cline=1%3A%3Ax%250A\\n%3A%3Astop-commands%3A%3Ax\\r\\u{23}#[add-mask]b\\u{23}#vso[task.x]"
        );
        assert!(message.contains("x%250A\\n::stop"), "{message}");
        assert!(
            lines[1].starts_with("::error title=Not everything was read::Not read: 1 thing.%0Aa,line"),
            "{lines:?}"
        );
        assert_eq!(lines[2], "1 leaked credential in what was read.");
    }

    #[test]
    fn what_is_suppressed_is_counted_and_not_annotated() {
        let mut sample = Sample::at(vec![file("a", 1), file("b", 2)]);
        sample.findings[0].occurrences[0].suppressed = Some(suppression(By::Comment, "ggignore", None));
        let partly = lines(&sample);
        assert!(partly[0].starts_with("::error file=b,line=2,") && !partly[0].contains("a:1"), "{partly:?}");
        sample.findings[0].occurrences[1].suppressed = Some(suppression(By::IgnoreFile, "##[x]", Some("a test")));
        assert_eq!(lines(&sample), [r"No leaked credentials found. 1 suppressed: 1 by \u{23}#[x]."]);
    }

    #[test]
    fn nothing_found_is_no_annotation() {
        assert_eq!(lines(&Sample::default()), ["No leaked credentials found."]);
    }

    #[test]
    fn many_places_and_many_unread_things_are_counted() {
        let mut sample = Sample::at((1..=15).map(|n| file(format!("f{n:02}"), 1)).collect());
        sample.tally.skipped = (0..15).map(|n| Skipped::new(format!("s{n:02}"), "locked")).collect();
        let lines = lines(&sample);
        assert!(lines[0].contains("f10:1, 5 more places."), "{lines:?}");
        assert!(lines[1].contains("s09: locked%0AThe other formats") && !lines[1].contains("s10"), "{lines:?}");
    }
}
