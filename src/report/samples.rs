//! Made-up findings that the tests of all formats share. Ids are AWS's documented example or put together at run time.

use std::io::{self, Write};
use std::sync::Arc;

use super::{Format, Report, RuleInfo};
use crate::blob::ObjectId;
use crate::engine::SecretKind;
use crate::engine::rule::Severity;
use crate::exposure::{OfObjects, Publicness};
use crate::finding::accounts::Accounts;
use crate::finding::snippet::Snippet;
use crate::finding::suppression::{By, Lapsed, Suppression};
use crate::finding::{Finding, Fingerprint, Occurrence};
use crate::key::{AccessKeyId, Secret};
use crate::location::Point;
use crate::provenance::{Commit, Origin, Provenance, StoredObject, StoredPart, Timestamp};
use crate::source::Skipped;
use crate::sweep::Tally;
use crate::triage::inventory::{Gap, LastUsed};
use crate::triage::verdict::{ReportEvidence, Status, Verdict};

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

/// A verdict with something in every field, hostile text among it.
pub(super) fn verdict(status: Status) -> Verdict {
    let hostile = "ann\u{1b}[2J\u{202e}";
    let other = AccessKeyId::parse(ID.as_bytes()).unwrap();
    Verdict {
        account: with_account_id().account(),
        user: Some(hostile.to_owned()),
        service_credential_id: Some("ACCA1".to_owned()),
        created: Some(1_709_287_200),
        last_used: Some(LastUsed::At { at: 1_709_287_200, service: Some("s3".to_owned()), region: None }),
        exposed: Some(1_709_287_100),
        used_since_exposed: Some(true),
        quarantined_by: vec!["AWSCompromisedKeyQuarantineV3".to_owned()],
        other_keys: vec![(other, true)],
        report: Some(ReportEvidence {
            generated: 1_709_287_200,
            is_exact: true,
            slot: Some(2),
            mfa: None,
            has_password: Some(true),
        }),
        gaps: vec![Gap { why: hostile.to_owned(), permission: Some("iam:ListUsers".to_owned()) }],
        evidence: vec![format!("It is one of {hostile}."), "Second.".to_owned()],
        ..Verdict::new(status)
    }
}

fn with_account_id() -> AccessKeyId {
    AccessKeyId::parse(with_account().as_bytes()).unwrap()
}

/// What a report borrows from.
#[derive(Default)]
pub(super) struct Sample {
    pub(super) findings: Vec<Finding>,
    pub(super) tally: Tally,
    /// None, unless a test has some.
    pub(super) accounts: Accounts,
    /// Of nothing, unless a test asked.
    pub(super) public: OfObjects,
}

impl Sample {
    /// One finding at the given places.
    pub(super) fn at(occurrences: Vec<Occurrence>) -> Self {
        Self {
            findings: vec![finding(ID, occurrences)],
            tally: Tally { blobs: 1234, bytes: 5_712_345_678, known: 0, skipped: Vec::new() },
            ..Self::default()
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
            stored("b", &bytes, Some(hostile), false),
        ];
        let object = (**messages[4].provenance.stored().expect("it is an object")).clone();
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
            public: OfObjects::from([((object, StoredPart::Body), Publicness::Yes(vec![hostile.to_owned()]))]),
            ..Self::default()
        }
    }

    /// Whether the public may read all objects.
    pub(super) fn publish(&mut self, public: Publicness) {
        let places = self.findings.iter().flat_map(|finding| &finding.occurrences);
        let part = |place: &Occurrence| match &place.provenance.origin {
            Origin::Stored { object, part } => Some(((**object).clone(), *part)),
            _ => None,
        };
        self.public = places.filter_map(part).map(|part| (part, public.clone())).collect();
    }

    pub(super) fn report(&self) -> Report<'_> {
        Report {
            findings: &self.findings,
            tally: &self.tally,
            accounts: &self.accounts,
            verdicts: None,
            public: (!self.public.is_empty()).then_some(&self.public),
            shard: None,
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

/// Line 3 of an object of a bucket.
pub(super) fn stored(bucket: &str, key: &[u8], version: Option<&str>, is_latest: bool) -> Occurrence {
    stored_part(bucket, key, version, is_latest, StoredPart::Body)
}

/// The same of one of its parts.
pub(super) fn stored_part(
    bucket: &str,
    key: &[u8],
    version: Option<&str>,
    is_latest: bool,
    part: StoredPart,
) -> Occurrence {
    let object = StoredObject {
        bucket: bucket.into(),
        key: key.into(),
        version_id: version.map(Arc::from),
        is_latest,
        etag: "e7ag".into(),
        last_modified: Some(1_709_287_200),
        is_masked: false,
    };
    occurrence(Origin::Stored { object: object.into(), part }, 3)
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
