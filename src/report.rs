//! The window: what is shown to people and to other programs. Writes to the writer it is given; what is found, how bad it is
//! and how the process exits was decided before. Which format and whether in colour is the caller's choice.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::str::FromStr;

use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::Offset;

use crate::engine::foreign::ForeignRule;
use crate::engine::rule::{Rule, Severity};
use crate::exposure::OfObjects;
use crate::finding::accounts::{Accounts, Standing};
use crate::finding::keyed::{FingerprintKey, Print};
use crate::finding::suppression::{Lapsed, Suppression};
use crate::finding::{Finding, Fingerprint};
use crate::key::{AccountId, Secret};
use crate::provenance::Timestamp;
use crate::sweep::Tally;
use crate::triage::verdict::{Status, Verdict};

pub mod buckets;
mod csv;
#[cfg(feature = "s3")]
pub mod estimate;
pub mod explain;
mod github;
mod gitlab;
pub mod inventory;
mod json;
mod junit;
pub mod merge;
mod places;
pub mod plan;
pub mod purge;
#[cfg(test)]
mod samples;
mod sanitize;
mod sarif;
mod stopped;
mod stored;
mod text;
pub mod triage;
mod units;
mod verdict;
mod words;

pub use self::sanitize::visible as sanitize;
pub use self::stopped::{Occasion, stopped};
pub use self::units::plural;

/// The shape a report is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON document, schema `keysweep/v1`.
    Json,
    /// The same, one JSON object a line, the summary last.
    Jsonl,
    /// SARIF 2.1.0, for code scanning services.
    Sarif,
    /// One row for each place, for spreadsheets.
    Csv,
    /// Annotations for a job of GitHub Actions.
    Github,
    /// GitLab's report of secret detection.
    Gitlab,
    /// JUnit XML, for CI systems that show tests.
    Junit,
}

/// The shape of a report that is no list of findings: a triage, a table of buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// For people.
    Text,
    /// One JSON document, schema `keysweep/v1`.
    Json,
    /// The same, one JSON object a line, the summary last.
    Jsonl,
    /// One row for each credential or bucket, for spreadsheets.
    Csv,
}

/// A format that nobody knows.
#[derive(Debug, thiserror::Error)]
#[error("unknown format {0:?}: it is one of text, json, jsonl, sarif, csv, github, gitlab and junit")]
pub struct UnknownFormat(String);

/// Everything a report tells.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// One for each leaked credential.
    pub findings: &'a [Finding],
    /// What they were found in and what was not read.
    pub tally: &'a Tally,
    /// The reader's own accounts.
    pub accounts: &'a Accounts,
    /// Whether all that was meant to be read was read.
    pub complete: bool,
    /// The rules of the scan, those that found nothing among them.
    pub rules: Vec<RuleInfo<'a>>,
    /// What triage came to, where it was asked for.
    pub verdicts: Option<&'a BTreeMap<Fingerprint, Verdict>>,
    /// Which parts of objects of buckets the public may read, where that was asked.
    pub public: Option<&'a OfObjects>,
    /// It is of this part of the work only: number (from 1) and how many parts there are.
    pub shard: Option<(u32, u32)>,
    /// What is suppressed counts like everything else.
    pub suppressed_counts: bool,
    /// Fingerprints are written with this key.
    pub key: Option<&'a FingerprintKey>,
    /// Secrets are shown in text and JSON; never in any other format.
    pub show_secrets: bool,
    /// Text has colours.
    pub colour: bool,
    /// What time it is, in seconds since 1970: what expired by then is less severe. Left out, nothing has expired.
    pub now: Option<i64>,
    /// When the scan began and ended, in seconds since 1970, for the one format that must tell.
    pub ran: [i64; 2],
    /// How long the scan took; left out where reports are to be compared.
    pub seconds: Option<f64>,
    /// The version of the program.
    pub version: &'a str,
}

/// What a report tells of a rule.
#[derive(Clone, Copy, Debug)]
pub struct RuleInfo<'a> {
    /// The rule's id.
    pub id: &'a str,
    /// What it finds.
    pub description: &'a str,
    /// How bad that is.
    pub severity: Severity,
    /// URL of the AWS page.
    pub reference: &'a str,
    /// What to do.
    pub remediation: &'a str,
    /// Words on it, for who sorts by them.
    pub tags: &'a [String],
}

impl Format {
    /// All of them, the default first.
    pub const ALL: [Self; 8] =
        [Self::Text, Self::Json, Self::Jsonl, Self::Sarif, Self::Csv, Self::Github, Self::Gitlab, Self::Junit];

    /// Those whose name is the ending of their files.
    const NAMED_BY_ENDING: [Self; 4] = [Self::Json, Self::Jsonl, Self::Sarif, Self::Csv];

    /// As it is written on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Sarif => "sarif",
            Self::Csv => "csv",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Junit => "junit",
        }
    }

    /// What the ending of a file's name asks for; `None` when it asks for nothing known.
    pub fn of_file(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        // What GitLab calls its report, also with something before it.
        if name.ends_with("gl-secret-detection-report.json") {
            return Some(Self::Gitlab);
        }
        if name.ends_with(".sarif.json") {
            return Some(Self::Sarif);
        }
        match name.rsplit_once('.')?.1 {
            "txt" => Some(Self::Text),
            "xml" => Some(Self::Junit),
            ending => ending.parse().ok().filter(|format| Self::NAMED_BY_ENDING.contains(format)),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

impl<'a> From<&'a Rule> for RuleInfo<'a> {
    fn from(rule: &'a Rule) -> Self {
        Self {
            id: &rule.id,
            description: &rule.description,
            severity: rule.severity,
            reference: &rule.reference,
            remediation: &rule.remediation,
            tags: &rule.tags,
        }
    }
}

impl<'a> From<&'a ForeignRule> for RuleInfo<'a> {
    fn from(rule: &'a ForeignRule) -> Self {
        Self {
            id: &rule.id,
            description: &rule.description,
            severity: Severity::High,
            reference: "",
            remediation: "Revoke it where it was issued, see there what it was used for, and replace it where it is needed.",
            tags: &rule.tags,
        }
    }
}

/// Writes the report, the same bytes for the same report.
///
/// # Errors
/// Those of `out`.
pub fn write(format: Format, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    match format {
        Format::Text => text::write(report, &mut out)?,
        Format::Json => json::write(report, &mut out)?,
        Format::Jsonl => json::write_lines(report, &mut out)?,
        Format::Sarif => sarif::write(report, &mut out)?,
        Format::Csv => csv::write(report, &mut out)?,
        Format::Github => github::write(report, &mut out)?,
        Format::Gitlab => gitlab::write(report, &mut out)?,
        Format::Junit => junit::write(report, &mut out)?,
    }
    out.flush()
}

impl Report<'_> {
    /// The findings that count: for the exit code, and in every format as something that leaked.
    pub fn listed(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| self.suppression(finding).is_none())
    }

    /// Those that count, and are known to be live.
    pub fn live(&self) -> impl Iterator<Item = &Finding> {
        self.listed().filter(|finding| self.is_live(finding))
    }

    /// Why a finding does not count. Here, and nowhere else, it is decided what suppression excuses: nothing that is live.
    fn suppression<'f>(&self, finding: &'f Finding) -> Option<&'f Suppression> {
        finding.suppressed().filter(|_| !self.suppressed_counts && !self.is_live(finding))
    }

    /// What triage came to; `None` where it was not asked for.
    fn verdict(&self, finding: &Finding) -> Option<&Verdict> {
        self.verdicts?.get(&finding.fingerprint)
    }

    fn is_live(&self, finding: &Finding) -> bool {
        self.verdict(finding).is_some_and(Verdict::is_live)
    }

    /// How much is suppressed by what, in words; `None` when nothing is.
    fn suppressed(&self) -> Option<String> {
        text::suppressed(self)
    }

    /// The place of a finding's rule in `rules`.
    fn rule_index(&self, finding: &Finding) -> Option<usize> {
        self.rules.iter().position(|rule| *rule.id == *finding.rule)
    }

    fn rule(&self, finding: &Finding) -> Option<&RuleInfo<'_>> {
        self.rule_index(finding).map(|index| &self.rules[index])
    }

    fn severity(&self, finding: &Finding) -> Severity {
        // A rule that the caller did not hand in tells nothing of itself: rather too loud than too quiet.
        let severity = self.rule(finding).map_or(Severity::High, |rule| rule.severity);
        let severity = match finding.expires() {
            _ if finding.opens_an_account() => Severity::Critical,
            Some(at) if self.has_passed(at) => Severity::Low,
            _ => severity,
        };
        match self.verdict(finding).map(|verdict| (verdict.status, verdict.is_live())) {
            // It can be switched on again.
            Some((Status::Inactive, _)) => severity.min(Severity::Medium),
            Some((Status::Expired | Status::Deleted | Status::Canary, _) | (Status::Temporary, false)) => Severity::Low,
            _ => severity,
        }
    }

    /// A fingerprint as it is written in reports.
    fn fingerprint(&self, plain: &Fingerprint) -> Print {
        Print::new(plain, self.key)
    }

    fn has_passed(&self, seconds: i64) -> bool {
        self.now.is_some_and(|now| seconds <= now)
    }

    /// `expired on 2026-01-01T00:00:00+00:00`, `expires on …`; `None` for what does not expire.
    fn expiry(&self, finding: &Finding) -> Option<String> {
        let at = finding.expires()?;
        let verb = if self.has_passed(at) { "expired" } else { "expires" };
        Some(format!("{verb} on {}", utc(at)?))
    }

    /// The account of a finding and how the reader stands to it; `None` when the finding does not tell it.
    fn account(&self, finding: &Finding) -> Option<(AccountId, Standing)> {
        let account = finding.account()?;
        Some((account, self.accounts.standing(account)))
    }

    /// The secret itself, if it is to be shown.
    fn value<'s>(&self, secret: &'s Secret) -> Option<Cow<'s, str>> {
        bared(secret, self.show_secrets)
    }
}

fn bared(secret: &Secret, show: bool) -> Option<Cow<'_, str>> {
    show.then(|| sanitize::lossless(secret.expose()))
}

/// Says that a finding was known until a day that has passed.
fn lapse(lapsed: &Lapsed) -> String {
    let Lapsed { was, until } = lapsed;
    let reason = was.reason.as_ref().map_or(String::new(), |reason| format!(" ({reason})"));
    format!("its entry in {} expired on {until}{reason}", was.source)
}

/// RFC 3339 with the offset from UTC; `None` for a moment before the year 0 or after 9999, which RFC 3339 can't say.
/// An offset of a day or more is nonsense: the moment is told in UTC then.
fn date(at: Timestamp) -> Option<String> {
    let moment = jiff::Timestamp::from_second(at.seconds).ok()?;
    let offset = Some(i32::from(at.offset_minutes))
        .filter(|minutes| minutes.abs() < 24 * 60)
        .and_then(|minutes| Offset::from_seconds(minutes * 60).ok())
        .unwrap_or(Offset::UTC);
    let text = DateTimePrinter::new().timestamp_with_offset_to_string(&moment, offset);
    (!text.starts_with('-')).then_some(text)
}

/// RFC 3339 in UTC.
fn utc(seconds: i64) -> Option<String> {
    date(Timestamp { seconds, offset_minutes: 0 })
}

#[cfg(test)]
mod tests {
    use super::samples::{Broken, SECRET, Sample, file, suppression, verdict, written};
    use super::*;
    use crate::finding::suppression::By;
    use crate::source::Skipped;

    #[test]
    fn names_of_formats_are_read_and_others_refused() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
        }
        let refused = "xml".parse::<Format>().unwrap_err().to_string();
        assert!(refused.contains("\"xml\"") && refused.contains("jsonl"), "{refused}");
    }

    #[test]
    fn the_ending_of_a_file_tells_its_format() {
        let told = [
            ("a/report.txt", Some(Format::Text)),
            ("report.JSON", Some(Format::Json)),
            ("report.jsonl", Some(Format::Jsonl)),
            ("report.sarif", Some(Format::Sarif)),
            ("report.sarif.json", Some(Format::Sarif)),
            ("report.csv", Some(Format::Csv)),
            ("out/gl-secret-detection-report.json", Some(Format::Gitlab)),
            ("keys-gl-secret-detection-report.json", Some(Format::Gitlab)),
            ("junit.xml", Some(Format::Junit)),
            ("report.junit", None),
            ("report.github", None),
            ("report.text", None),
            ("report", None),
            ("csv", None),
            ("..", None),
        ];
        for (name, format) in told {
            assert_eq!(Format::of_file(Path::new(name)), format, "{name}");
        }
    }

    #[test]
    fn no_format_shows_a_secret_unasked() {
        let sample = Sample::everything();
        for format in Format::ALL {
            let text = sample.written(format);
            assert!(!text.contains(SECRET), "{format}");
            assert!(!text.contains(&SECRET[..8]) && !text.contains(&SECRET[32..]), "{format}");
        }
        assert!(!format!("{:?}", sample.report()).contains(&SECRET[..8]));
    }

    #[test]
    fn only_text_and_json_show_a_secret_when_asked() {
        let sample = Sample::everything();
        let report = Report { show_secrets: true, ..sample.report() };
        let shows = |format: &Format| written(*format, &report).contains(SECRET);
        let showing: Vec<Format> = Format::ALL.into_iter().filter(shows).collect();
        assert_eq!(showing, [Format::Text, Format::Json, Format::Jsonl]);
    }

    #[test]
    fn what_has_expired_is_less_severe_and_every_format_tells_when() {
        let sample = Sample::presigned(&[1_709_287_100, 1_709_287_200]);
        for (now, severity, told) in [
            (None, "high", "expires on 2024-03-01T10:00:00+00:00"),
            (Some(1_709_287_199), "high", "expires on 2024-03-01T10:00:00+00:00"),
            (Some(1_709_287_200), "low", "expired on 2024-03-01T10:00:00+00:00"),
        ] {
            let report = Report { now, ..sample.report() };
            assert_eq!(report.severity(&sample.findings[0]).to_string(), severity);
            for format in [Format::Text, Format::Sarif, Format::Github, Format::Gitlab, Format::Junit] {
                assert!(written(format, &report).contains(told), "{format}");
            }
            for format in [Format::Json, Format::Jsonl, Format::Csv] {
                let text = written(format, &report);
                assert!(text.contains(severity) && text.contains("2024-03-01T09:58:20+00:00"), "{text}");
            }
        }
    }

    /// One finding that is suppressed, and what triage came to.
    fn judged(status: Status) -> (Sample, BTreeMap<Fingerprint, Verdict>) {
        let mut sample = Sample::at(vec![file("a", 1)]);
        sample.findings[0].occurrences[0].suppressed = Some(suppression(By::Comment, "keysweep:allow", None));
        let verdicts = BTreeMap::from([(sample.findings[0].fingerprint, verdict(status))]);
        (sample, verdicts)
    }

    #[test]
    fn what_is_live_counts_even_when_it_is_suppressed() {
        for (status, is_live) in
            [(Status::Active, true), (Status::Root, true), (Status::Deleted, false), (Status::Unknown, false)]
        {
            let (sample, verdicts) = judged(status);
            let report = Report { verdicts: Some(&verdicts), ..sample.report() };
            let counts = usize::from(is_live);
            assert_eq!((report.listed().count(), report.live().count()), (counts, counts), "{status:?}");
            let report = Report { suppressed_counts: true, ..report };
            assert_eq!((report.listed().count(), report.live().count()), (1, counts), "{status:?}");
        }
        let (sample, _) = judged(Status::Active);
        assert_eq!((sample.report().listed().count(), sample.report().live().count()), (0, 0));
    }

    #[test]
    fn every_format_tells_what_triage_came_to() {
        for status in Status::ALL {
            let (sample, verdicts) = judged(status);
            let report = Report { verdicts: Some(&verdicts), suppressed_counts: true, ..sample.report() };
            for format in Format::ALL {
                let text = written(format, &report);
                let name = if format == Format::Text { status.name().to_uppercase() } else { status.name().to_owned() };
                assert!(text.contains(&name), "{format}: {text}");
                assert!(format == Format::Csv || text.contains("Second."), "{format}: {text}");
                assert!(!text.replace('\n', "").contains(sanitize::acts), "{format}: {text:?}");
            }
        }
    }

    #[test]
    fn what_does_not_work_is_less_severe() {
        for (status, severity) in [
            (Status::Active, Severity::Critical),
            (Status::Unknown, Severity::Critical),
            (Status::Foreign, Severity::Critical),
            (Status::Inactive, Severity::Medium),
            (Status::Deleted, Severity::Low),
            (Status::Expired, Severity::Low),
            (Status::Canary, Severity::Low),
        ] {
            let (sample, verdicts) = judged(status);
            let report = Report { verdicts: Some(&verdicts), ..sample.report() };
            assert_eq!(report.severity(&sample.findings[0]), severity, "{status:?}");
        }
    }

    #[test]
    fn what_expires_at_one_place_only_is_as_severe_as_ever() {
        let mut sample = Sample::presigned(&[0, 0]);
        sample.findings[0].occurrences[1].expires = None;
        let report = Report { now: Some(1), ..sample.report() };
        assert_eq!(report.severity(&sample.findings[0]), Severity::High);
        assert_eq!(report.expiry(&sample.findings[0]), None);
    }

    #[test]
    fn a_moment_that_no_calendar_has_is_left_out() {
        let sample = Sample::presigned(&[i64::MAX]);
        for format in Format::ALL {
            assert!(!sample.written(format).contains("expires on"), "{format}");
        }
    }

    #[test]
    fn nothing_acts_on_a_terminal_in_any_format() {
        let sample = Sample::everything();
        for format in Format::ALL {
            let text = sample.written(format).replace('\n', "");
            assert!(!text.contains(sanitize::acts), "{format}: {text:?}");
        }
    }

    /// GitHub's runner obeys `::…::` at the start of a line, behind white space too, and `##[…]` anywhere in it, Azure's agent `##vso[…]`.
    #[test]
    fn nothing_commands_a_ci_system_in_any_format() {
        let blanks = [
            " ::stop-commands::x",
            "\t::stop-commands::x",
            "\u{a0}::stop-commands::x",
            "\n \u{2003}::stop-commands::x",
        ];
        for hostile in blanks.into_iter().chain(["::stop-commands::x", "a##[add-mask]b", "a###vso[task.complete]b"]) {
            let mut sample = Sample::at(vec![file(hostile, 1), file(format!("{hostile}2"), 1)]);
            sample.findings[0].occurrences[0].snippet.lines[0] = hostile.to_owned();
            sample.tally.skipped = vec![Skipped::new(hostile, hostile)];
            for format in Format::ALL {
                let text = sample.written(format);
                // Within a command of our own no other is looked for.
                for line in text.lines().filter(|line| format != Format::Github || !line.starts_with("::error ")) {
                    let obeyed = line.trim_start().starts_with("::") || line.contains("##[") || line.contains("##vso[");
                    assert!(!obeyed, "{format}: {line}");
                }
            }
        }
    }

    #[test]
    fn the_same_report_is_the_same_bytes() {
        for format in Format::ALL {
            let [first, second] = [(); 2].map(|()| Sample::everything().written(format));
            assert_eq!(first, second, "{format}");
        }
    }

    #[test]
    fn a_broken_pipe_is_known_as_one() {
        let many = Sample::at((1..2000).map(|line| file("a", line)).collect());
        for sample in [Sample::default(), many] {
            for format in Format::ALL {
                let error = write(format, &sample.report(), &mut Broken).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "{format}");
            }
        }
    }

    fn told(seconds: i64, offset_minutes: i16) -> Option<String> {
        date(Timestamp { seconds, offset_minutes })
    }

    #[test]
    fn dates_are_told_with_the_offset_of_their_author() {
        assert_eq!(told(1_709_287_200, 120).unwrap(), "2024-03-01T12:00:00+02:00");
        assert_eq!(told(1_709_287_200, -570).unwrap(), "2024-03-01T00:30:00-09:30");
        assert_eq!(told(-1, 0).unwrap(), "1969-12-31T23:59:59+00:00");
    }

    #[test]
    fn dates_that_make_no_sense_do_no_harm() {
        assert_eq!(told(0, 6000).unwrap(), "1970-01-01T00:00:00+00:00");
        assert_eq!(told(0, i16::MIN).unwrap(), "1970-01-01T00:00:00+00:00");
        assert_eq!(told(i64::MAX, 0), None);
        assert_eq!(told(-99_999_999_999, 0), None);
    }
}
