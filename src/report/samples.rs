//! Made-up findings that the tests of all formats share. Ids are AWS's documented example or put together at run time.

use std::io::{self, Write};
use std::sync::Arc;

use super::{Format, Report, RuleInfo};
use crate::blob::ObjectId;
use crate::engine::SecretKind;
use crate::engine::rule::Severity;
use crate::finding::accounts::Accounts;
use crate::finding::snippet::Snippet;
use crate::finding::suppression::{By, Lapsed, Suppression};
use crate::finding::{Finding, Fingerprint, Occurrence};
use crate::key::{AccessKeyId, Secret};
use crate::location::Point;
use crate::provenance::{Commit, Origin, Provenance, Timestamp};
use crate::source::Skipped;
use crate::sweep::Tally;

pub(super) const ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub(super) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub(super) const RULE: &str = "aws-access-key";

/// An id of Thinkst's account.
pub(super) fn canary() -> String {
    ["AKIA", "SP2TPHJSQH3FJRUX"].concat()
}

/// An id that tells account 609629065308.
pub(super) fn with_account() -> String {
    ["ASIA", "Y34FZKBOKMUTVV7A"].concat()
}

/// What a report borrows from.
#[derive(Default)]
pub(super) struct Sample {
    pub(super) findings: Vec<Finding>,
    pub(super) tally: Tally,
    /// None, unless a test has some.
    pub(super) accounts: Accounts,
}

impl Sample {
    /// One finding at the given places.
    pub(super) fn at(occurrences: Vec<Occurrence>) -> Self {
        Self {
            findings: vec![finding(ID, occurrences)],
            tally: Tally { blobs: 1234, bytes: 5_712_345_678, known: 0, skipped: Vec::new() },
            accounts: Accounts::default(),
        }
    }

    /// URLs signed with one id that expire at those times.
    pub(super) fn presigned(expires: &[i64]) -> Self {
        let place = |(line, &at): (u64, &i64)| Occurrence { expires: Some(at), ..file("a", line) };
        let mut sample = Self::at((1..).zip(expires).map(place).collect());
        sample.findings[0].secrets = vec![(SecretKind::PresignedUrl, Secret::new("0123456789abcdef".repeat(4)))];
        sample
    }

    /// A secret of its own, without an id.
    pub(super) fn alone(kind: SecretKind, value: &str) -> Self {
        let mut sample = Self::at(vec![file("a", 1)]);
        sample.findings[0].access_key_id = None;
        sample.findings[0].fingerprint = Fingerprint::of(value.as_bytes());
        sample.findings[0].secrets = vec![(kind, Secret::new(value))];
        sample
    }

    /// Every source, hostile text in all places, and something unread.
    pub(super) fn everything() -> Self {
        let hostile = "\u{1b}]0;\u{9b}31m\u{202e}\n=1+1\"\u{85}[x](https://example.com)";
        let bytes = [b"\xff".as_slice(), hostile.as_bytes()].concat();
        let mut messages = vec![
            occurrence(Origin::Stdin, 1),
            occurrence(message(&commit(3, 0)), 2),
            occurrence(tag(&commit(4, 0), &bytes), 3),
            occurrence(object(5), 4),
        ];
        messages[0].snippet.lines.push(hostile.to_owned());
        let mut archive = file(&bytes, 1);
        archive.provenance = archive.provenance.member(&bytes).member(b"b.env");
        let mut authored = (*commit(1, 0)).clone();
        authored.author = bytes.clone().into();
        let mut alone = finding(ID, vec![archive]);
        alone.access_key_id = None;
        messages[1].suppressed = Some(suppression(By::Imported, hostile, Some(hostile)));
        let mut known = history(&authored.clone().into(), hostile, None, 7);
        known.suppressed = Some(suppression(By::Comment, hostile, Some(hostile)));
        let mut lapsed = finding(ID, vec![file("a", 1)]);
        lapsed.lapsed = Some(Lapsed {
            was: suppression(By::Baseline, hostile, Some(hostile)),
            until: jiff::civil::date(2026, 1, 2),
        });
        Self {
            findings: vec![
                alone,
                finding(&canary(), messages),
                finding(&with_account(), vec![history(&authored.into(), hostile, None, 7)]),
                finding(&with_account(), vec![known]),
                lapsed,
            ],
            tally: Tally { blobs: 7, bytes: 999, known: 5, skipped: vec![Skipped::new(hostile, hostile)] },
            accounts: Accounts::default(),
        }
    }

    pub(super) fn report(&self) -> Report<'_> {
        Report {
            findings: &self.findings,
            tally: &self.tally,
            accounts: &self.accounts,
            verdicts: None,
            suppressed_counts: false,
            complete: self.tally.skipped.is_empty(),
            rules: vec![
                RuleInfo {
                    id: "other",
                    description: "Something else",
                    severity: Severity::Low,
                    reference: "no link",
                    remediation: "Nothing.",
                    tags: &[],
                },
                RuleInfo {
                    id: RULE,
                    description: "AWS access key",
                    severity: Severity::High,
                    reference: "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html",
                    remediation: "Deactivate the key,\n   then delete it.",
                    tags: &[],
                },
            ],
            key: None,
            show_secrets: false,
            colour: false,
            now: None,
            ran: [0, 0],
            seconds: None,
            version: "1.2.3",
        }
    }

    pub(super) fn written(&self, format: Format) -> String {
        written(format, &self.report())
    }
}

pub(super) fn written(format: Format, report: &Report<'_>) -> String {
    let mut out = Vec::new();
    super::write(format, report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

pub(super) fn finding(id: &str, occurrences: Vec<Occurrence>) -> Finding {
    Finding {
        fingerprint: Fingerprint::of(id.as_bytes()),
        rule: RULE.into(),
        access_key_id: Some(AccessKeyId::parse(id.as_bytes()).unwrap()),
        secrets: vec![(SecretKind::SecretAccessKey, Secret::new(SECRET))],
        occurrences,
        lapsed: None,
    }
}

pub(super) fn occurrence(origin: Origin, line: u64) -> Occurrence {
    Occurrence {
        provenance: Provenance::new(origin),
        point: Point { line, column: 5 },
        offset: line * 10,
        snippet: Snippet { first_line: line, lines: vec![format!("id = {ID}"), "\tsecret = wJal…".to_owned()] },
        encoding: Vec::new(),
        expires: None,
        comment: None,
        suppressed: None,
    }
}

pub(super) fn file(path: impl AsRef<[u8]>, line: u64) -> Occurrence {
    let path = path.as_ref().into();
    occurrence(Origin::File { path }, line)
}

pub(super) fn history(commit: &Arc<Commit>, path: &str, in_head: Option<bool>, line: u64) -> Occurrence {
    let origin = Origin::Commit { commit: commit.clone(), path: path.into(), in_head };
    occurrence(origin, line)
}

pub(super) fn message(commit: &Arc<Commit>) -> Origin {
    Origin::CommitMessage { commit: commit.clone() }
}

pub(super) fn tag(commit: &Arc<Commit>, name: &[u8]) -> Origin {
    Origin::TagMessage { commit: commit.clone(), name: name.into() }
}

pub(super) fn object(number: u8) -> Origin {
    Origin::Object { repository: "..".into(), id: ObjectId::from_bytes(&[number; 20]).unwrap() }
}

/// What says that a place does not count.
pub(super) fn suppression(by: By, source: &str, reason: Option<&str>) -> Suppression {
    Suppression { by, source: source.into(), reason: reason.map(Arc::from) }
}

/// A commit of the given number, `days` after 2024-03-01.
pub(super) fn commit(number: u8, days: i64) -> Arc<Commit> {
    Arc::new(Commit {
        date: Timestamp { seconds: 1_709_287_200 + days * 86_400, offset_minutes: 120 },
        repository: ".".into(),
        id: ObjectId::from_bytes(&[number; 20]).unwrap(),
        author: "Jane Doe <jane@example.com>".into(),
        reachable: true,
    })
}

/// The reader at the other end has gone.
pub(super) struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
