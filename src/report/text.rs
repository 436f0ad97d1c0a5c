//! The report for people: a block for each credential, what to do about it, and what was not read. Everything that others
//! chose passes [`visible`] on its way here.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Write};

use anstyle::{AnsiColor, Color, Style};

use super::places::{self, Place, is_present};
use super::sanitize::{lossless, one_line, visible};
use super::stored;
use super::units::{grouped, plural, size};
use super::verdict;
use super::{Report, RuleInfo};
use crate::blob::ObjectId;
use crate::engine::SecretKind;
use crate::engine::rule::Severity;
use crate::finding::accounts::Standing;
use crate::finding::snippet::Snippet;
use crate::finding::suppression::{By, Suppression};
use crate::finding::{Finding, Occurrence};
use crate::provenance::{Commit, Origin, Provenance};
use crate::triage::verdict::{Status, Verdict};

/// Places told of one credential; JSON lists all.
const PLACES: usize = 10;
/// Secrets told of one credential.
const SECRETS: usize = 5;
/// Unread things told.
const SKIPPED: usize = 50;

pub(super) const STRONG: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const WARNING: Style = bold(AnsiColor::Yellow);

const fn bold(colour: AnsiColor) -> Style {
    Style::new().bold().fg_color(Some(Color::Ansi(colour)))
}

/// The whole report.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page { report, out };
    for finding in report.listed() {
        page.finding(finding)?;
    }
    page.advice()?;
    page.count()?;
    page.suppressed()?;
    page.completeness()
}

struct Page<'a> {
    report: &'a Report<'a>,
    out: &'a mut dyn Write,
}

impl Page<'_> {
    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let severity = self.report.severity(finding);
        let name = self.styled(severity_style(severity), severity.to_string().to_uppercase());
        let id = self.styled(STRONG, name_of(finding));
        let what = self.report.rule(finding).map_or("", |rule| rule.description);
        writeln!(self.out, "{name}  {id}  {}", one_line(what))?;
        self.verdict(finding)?;
        self.account(finding)?;
        if let Some(expiry) = self.report.expiry(finding) {
            self.field("valid", &expiry)?;
        }
        self.secrets(finding)?;
        self.field("fingerprint", &self.report.fingerprint(&finding.fingerprint).short())?;
        if let Some(lapsed) = &finding.lapsed {
            self.field("known", &visible(&super::lapse(lapsed)))?;
        }
        let places = places::of(finding);
        self.places(finding, &places)?;
        self.more_suppressed(finding)?;
        if let Some(place) = places.first() {
            self.snippet(&place.shown.snippet)?;
        }
        writeln!(self.out)
    }

    fn verdict(&mut self, finding: &Finding) -> io::Result<()> {
        let Some(verdict) = self.report.verdict(finding) else {
            return Ok(());
        };
        let status = self.styled(status_style(verdict), verdict.status.name().to_uppercase());
        self.field("status", &status)?;
        verdict.evidence.iter().try_for_each(|sentence| self.field("", &visible(sentence)))
    }

    fn account(&mut self, finding: &Finding) -> io::Result<()> {
        let text = match self.report.account(finding) {
            Some((account, Standing::Canary)) => {
                format!("{account}, a canary account: any use of the key alerts whoever laid it out")
            }
            Some((account, Standing::Ours)) => format!("{account}, one of yours"),
            Some((account, Standing::Foreign)) => format!("{account}, none of yours"),
            Some((account, Standing::Unknown)) => account.to_string(),
            None if finding.access_key_id.is_none() => return Ok(()),
            None => "not told by an id as old as this".to_owned(),
        };
        self.field("account", &text)
    }

    fn secrets(&mut self, finding: &Finding) -> io::Result<()> {
        // The signature of a URL is no more than a piece of it.
        let secrets: Vec<_> = finding.secrets.iter().filter(|(kind, _)| *kind != SecretKind::PresignedUrl).collect();
        for (kind, secret) in secrets.iter().take(SECRETS) {
            let text = match self.report.value(secret) {
                Some(value) => visible(&value).into_owned(),
                None => secret.redacted(),
            };
            let kind = kind.name().replace('_', " ");
            self.field("secret", &format!("{text} ({kind})"))?;
        }
        match beyond(SECRETS, secrets.len()) {
            0 => Ok(()),
            more => self.field("", &format!("and {}", plural(more, "more candidate"))),
        }
    }

    /// First seen, still in, also in; each place is told once.
    fn places(&mut self, finding: &Finding, places: &[Place<'_>]) -> io::Result<()> {
        let first = places::first_seen(finding);
        if let Some((first, commit)) = first.and_then(|o| Some((o, o.provenance.commit()?))) {
            self.field("first seen", &brought_by(commit))?;
            self.field("", &spot(first))?;
        }
        let untold = |place: &&Place<'_>| {
            let same = first.is_some_and(|first| std::ptr::eq(first, place.shown));
            !(same && place.occurrences == 1 && !is_present(place.shown))
        };
        let places: Vec<&Place<'_>> = places.iter().filter(untold).collect();
        let mut label = "";
        for place in places.iter().take(PLACES) {
            let group = if is_present(place.shown) { "still in" } else { "also in" };
            self.field(if group == label { "" } else { group }, &described(place))?;
            if let Some(about) = stored::about(self.report, place.shown) {
                self.field("", &visible(&format!("  {about}")))?;
            }
            label = group;
        }
        match beyond(PLACES, places.len()) {
            0 => Ok(()),
            more => {
                let more = plural(more, "more place");
                self.field("", &format!("and {more}; --format json lists all"))
            }
        }
    }

    /// Its places that don't count.
    fn more_suppressed(&mut self, finding: &Finding) -> io::Result<()> {
        let by = by_source(finding.occurrences.iter().filter_map(|place| place.suppressed.as_ref()));
        let all: usize = by.values().sum();
        if all == 0 {
            return Ok(());
        }
        if finding.suppressed().is_some() {
            let but = if self.report.is_live(finding) { "but it is live" } else { "and counted all the same" };
            return self.field("suppressed", &format!("{}, {but}", listed(&by)));
        }
        self.field("suppressed", &format!("{}, {}", plural(all as u64, "more place"), listed(&by)))
    }

    fn snippet(&mut self, snippet: &Snippet) -> io::Result<()> {
        let last = snippet.first_line.saturating_add(snippet.lines.len() as u64);
        let width = last.to_string().len();
        if !snippet.lines.is_empty() {
            writeln!(self.out)?;
        }
        for (number, line) in (snippet.first_line..).zip(&snippet.lines) {
            let gutter = self.styled(FAINT, format!("{number:>width$} |"));
            let line = line.replace('\t', "    ");
            writeln!(self.out, "      {gutter} {}", visible(&line))?;
        }
        Ok(())
    }

    /// What to do, once for each rule that found something.
    fn advice(&mut self) -> io::Result<()> {
        let found = |rule: &&RuleInfo<'_>| self.report.listed().any(|f| *f.rule == *rule.id);
        let rules: Vec<RuleInfo<'_>> = self.report.rules.iter().filter(found).copied().collect();
        if rules.is_empty() {
            return Ok(());
        }
        let title = self.styled(STRONG, "What to do");
        writeln!(self.out, "{title}")?;
        for rule in rules {
            writeln!(self.out, "  {}", one_line(rule.description))?;
            for text in [rule.remediation, rule.reference] {
                if !text.is_empty() {
                    writeln!(self.out, "    {}", one_line(text))?;
                }
            }
        }
        writeln!(self.out)
    }

    fn count(&mut self) -> io::Result<()> {
        let findings: Vec<&Finding> = self.report.listed().collect();
        if findings.is_empty() {
            let known = if self.report.findings.is_empty() { "" } else { " but suppressed ones" };
            let end = if self.report.complete { "." } else { " in what was read." };
            return writeln!(self.out, "No leaked credentials found{known}{end}");
        }
        let of_each: Vec<String> = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low]
            .into_iter()
            .map(|severity| {
                let is_so = |finding: &&&Finding| self.report.severity(finding) == severity;
                (findings.iter().filter(is_so).count(), severity)
            })
            .filter(|(count, _)| *count > 0)
            .map(|(count, severity)| format!("{count} {severity}"))
            .collect();
        let all = plural(findings.len() as u64, "leaked credential");
        writeln!(self.out, "{all}: {}.", of_each.join(", "))?;
        match verdict::of_each(findings.iter().filter_map(|finding| self.report.verdict(finding))) {
            none if none.is_empty() => Ok(()),
            told => writeln!(self.out, "By status: {told}."),
        }
    }

    /// What does not count is not listed, and never passed over.
    fn suppressed(&mut self) -> io::Result<()> {
        match suppressed(self.report) {
            Some(all) => writeln!(self.out, "{all} (--no-ignore shows what is suppressed)."),
            None => Ok(()),
        }
    }

    fn completeness(&mut self) -> io::Result<()> {
        let tally = self.report.tally;
        let blobs = plural(tally.blobs, "blob");
        write!(self.out, "Read {blobs}, {}", size(tally.bytes))?;
        if tally.known > 0 {
            write!(self.out, " and {} known from an earlier scan", plural(tally.known, "object"))?;
        }
        match self.report.seconds {
            Some(seconds) => writeln!(self.out, " in {seconds:.1} s.")?,
            None => writeln!(self.out, ".")?,
        }
        if tally.skipped.is_empty() {
            if self.report.complete {
                return writeln!(self.out, "Everything was read.");
            }
            let title = self.styled(WARNING, "NOT EVERYTHING WAS READ.");
            return writeln!(self.out, "{title}");
        }
        let title = format!("NOT READ ({}):", grouped(tally.skipped.len() as u64));
        writeln!(self.out, "{}", self.styled(WARNING, title))?;
        for skipped in tally.skipped.iter().take(SKIPPED) {
            let (what, why) = (visible(&skipped.what), visible(&skipped.why));
            writeln!(self.out, "  {what}: {why}")?;
        }
        match beyond(SKIPPED, tally.skipped.len()) {
            0 => Ok(()),
            more => writeln!(self.out, "  and {}; --format json lists all", plural(more, "other")),
        }
    }

    fn field(&mut self, label: &str, text: &str) -> io::Result<()> {
        let label = self.styled(FAINT, format!("{label:<12}"));
        writeln!(self.out, "    {label}{text}")
    }

    fn styled(&self, style: Style, text: impl Display) -> String {
        if self.report.colour { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}

/// How many findings are suppressed and by what, in words; `None` when none is.
pub(super) fn suppressed(report: &Report<'_>) -> Option<String> {
    let by = by_source(report.findings.iter().filter_map(|finding| report.suppression(finding)));
    let all: usize = by.values().sum();
    (all > 0).then(|| format!("{} suppressed: {}", grouped(all as u64), listed(&by)))
}

/// How much is suppressed by what.
fn by_source<'a>(all: impl Iterator<Item = &'a Suppression>) -> BTreeMap<(By, &'a str), usize> {
    all.fold(BTreeMap::new(), |mut counts, why| {
        *counts.entry((why.by, why.called())).or_default() += 1;
        counts
    })
}

fn listed(by: &BTreeMap<(By, &str), usize>) -> String {
    let each = by.iter().map(|((_, source), count)| format!("{} by {}", grouped(*count as u64), visible(source)));
    each.collect::<Vec<_>>().join(", ")
}

/// What a finding is called by: its id or, if it has none and needs none, the start of it; what others issued, by its rule.
pub(super) fn name_of(finding: &Finding) -> String {
    match (finding.access_key_id, finding.secrets.first()) {
        (Some(id), _) => id.to_string(),
        (None, Some((SecretKind::SecretAccessKey | SecretKind::SessionToken | SecretKind::SesSmtpPassword, _))) => {
            "no access key id".to_owned()
        }
        (None, Some((SecretKind::Other, _)) | None) => one_line(&finding.rule),
        (None, Some((_, secret))) => secret.redacted(),
    }
}

/// How many are not told when `limit` are.
fn beyond(limit: usize, all: usize) -> u64 {
    all.saturating_sub(limit) as u64
}

/// What is live stands out from what may be, and that from what is not.
pub(super) fn status_style(verdict: &Verdict) -> Style {
    match verdict.status {
        _ if verdict.is_live() => bold(AnsiColor::Red),
        Status::Unknown => WARNING,
        _ => bold(AnsiColor::Green),
    }
}

fn severity_style(severity: Severity) -> Style {
    bold(match severity {
        Severity::Critical | Severity::High => AnsiColor::Red,
        Severity::Medium => AnsiColor::Yellow,
        Severity::Low => AnsiColor::Cyan,
    })
}

fn brought_by(commit: &Commit) -> String {
    let date = super::date(commit.date).unwrap_or_else(|| "at no known time".to_owned());
    let author = String::from_utf8_lossy(&commit.author);
    format!("{} {date} {}", short(&commit.id), visible(&author))
}

/// Where it stands and how many other versions of the same file have it.
fn described(place: &Place<'_>) -> String {
    let mut text = spot(place.shown);
    if let Origin::Commit { commit, in_head, .. } = &place.shown.provenance.origin {
        let rev = match in_head {
            Some(true) => "HEAD".to_owned(),
            _ => short(&commit.id),
        };
        let lost = if commit.reachable { "" } else { ", in no ref" };
        text += &format!(" ({rev}{}{lost})", of_repository(&commit.repository));
    }
    match (place.versions(), place.occurrences) {
        (2.., _) => text + &format!(" and {} of it", plural(place.versions() - 1, "more version")),
        (_, 2..) => text + &format!(" and {} more in it", grouped(place.occurrences - 1)),
        _ => text,
    }
}

/// As a person would point at it, with its line.
pub(super) fn spot(occurrence: &Occurrence) -> String {
    let Provenance { origin, member } = &occurrence.provenance;
    let line = occurrence.point.line;
    let member = member.as_ref().map_or(String::new(), |member| format!("!{}", visible(&lossless(member))));
    let named = match origin {
        Origin::File { path } | Origin::Commit { path, .. } => {
            return format!("{}{member}:{line}", shown(path));
        }
        Origin::Staged { path, .. } => {
            return format!("{}{member}:{line} (staged)", shown(path));
        }
        Origin::Stdin => Cow::Borrowed("standard input"),
        Origin::CommitMessage { commit } => format!("message of commit {}", short(&commit.id)).into(),
        Origin::TagMessage { name, .. } => format!("message of tag {}", shown(name)).into(),
        Origin::Object { repository, id } => format!("object {id}{}", of_repository(repository)).into(),
        Origin::Stored { object, part } => {
            let named = format!("s3://{}/{}", visible(&object.bucket), shown(&object.key));
            let version = object.version_id.as_ref().filter(|_| !object.is_latest);
            let version = version.map_or(String::new(), |id| format!(" (version {})", visible(id)));
            return match part.name() {
                None => format!("{named}{member}:{line}{version}"),
                Some(part) => format!("{part} of {named}{version}, line {line}"),
            };
        }
    };
    format!("{named}{member}, line {line}")
}

fn shown(path: &[u8]) -> String {
    visible(&lossless(path)).into_owned()
}

/// Nothing for the repository one stands in.
fn of_repository(repository: &str) -> String {
    if repository == "." { String::new() } else { format!(" of {}", visible(repository)) }
}

/// Enough of an id for git to know it by.
fn short(id: &ObjectId) -> String {
    let mut text = id.to_string();
    text.truncate(12);
    text
}

#[cfg(test)]
mod tests {
    use super::super::samples::{
        ID, RULE, SECRET, Sample, canary, commit, file, finding, history, message, object, occurrence, stored,
        stored_part, suppression, tag, with_account, written,
    };
    use super::*;
    use crate::engine::SecretKind;
    use crate::exposure::Publicness;
    use crate::finding::suppression::Lapsed;
    use crate::key::{AccountId, Secret};
    use crate::provenance::StoredPart;
    use crate::report::Format;
    use crate::source::Skipped;

    fn text(sample: &Sample) -> String {
        sample.written(Format::Text)
    }

    /// The lines that tell places, without their margin.
    fn places_of(occurrences: Vec<Occurrence>) -> Vec<String> {
        text(&Sample::at(occurrences))
            .lines()
            .skip_while(|line| !line.contains("fingerprint"))
            .skip(1)
            .take_while(|line| !line.is_empty())
            .map(|line| line.strip_prefix("    ").unwrap().to_owned())
            .collect()
    }

    #[test]
    fn a_whole_report_reads_like_this() {
        let sample = Sample::at(vec![
            file("deploy/prod.env", 3),
            history(&commit(0x4b, 0), "deploy/prod.env", Some(false), 3),
            history(&commit(0x4c, 1), "deploy/prod.env", Some(true), 4),
            history(&commit(0x4d, 2), "old.env", Some(false), 9),
        ]);
        let expected = format!(
            "\
CRITICAL  {ID}  AWS access key
    account     not told by an id as old as this
    secret      wJal… (secret access key)
    fingerprint 1a5d44a2dca1
    first seen  4b4b4b4b4b4b 2024-03-01T12:00:00+02:00 Jane Doe <jane@example.com>
                deploy/prod.env:3
    still in    deploy/prod.env:3
                deploy/prod.env:4 (HEAD) and 1 more version of it
    also in     old.env:9 (4d4d4d4d4d4d)

      3 | id = {ID}
      4 |     secret = wJal…

What to do
  AWS access key
    Deactivate the key, then delete it.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html

1 leaked credential: 1 critical.
Read 1,234 blobs, 5.7 GB.
Everything was read.
"
        );
        assert_eq!(text(&sample), expected);
    }

    #[test]
    fn nothing_found_says_so_only_when_all_was_read() {
        let mut sample = Sample::default();
        sample.tally.blobs = 1;
        assert_eq!(text(&sample), "No leaked credentials found.\nRead 1 blob, 0 B.\nEverything was read.\n");
        let unread = Report { complete: false, seconds: Some(2.345), ..sample.report() };
        assert_eq!(
            written(Format::Text, &unread),
            "No leaked credentials found in what was read.\nRead 1 blob, 0 B in 2.3 s.\nNOT EVERYTHING WAS READ.\n"
        );
    }

    #[test]
    fn what_is_suppressed_is_counted_and_not_listed() {
        let by_file = suppression(By::IgnoreFile, ".keysweepignore", Some("a test"));
        let mut sample = Sample::at(vec![file("a", 1), file("b", 2), file("c", 3)]);
        sample.findings[0].occurrences[0].suppressed = Some(by_file.clone());
        sample.findings[0].occurrences[2].suppressed = Some(suppression(By::Comment, "ggignore", None));
        let partly = text(&sample);
        assert!(
            partly
                .contains("    still in    b:2\n    suppressed  2 more places, 1 by .keysweepignore, 1 by comments\n"),
            "{partly}"
        );
        assert!(!partly.contains("a:1") && !partly.contains("--no-ignore"), "{partly}");
        let known = |id: &str, why: &Suppression| {
            let mut known = finding(id, vec![file("a", 1)]);
            known.occurrences[0].suppressed = Some(why.clone());
            known
        };
        let others = ["ggignore", "gitleaks:allow"].map(|source| suppression(By::Comment, source, None));
        sample.findings = vec![known(ID, &by_file), known(&canary(), &others[0]), known(&with_account(), &others[1])];
        let told = text(&sample);
        assert!(
            told.starts_with(
                "No leaked credentials found but suppressed ones.\n3 suppressed: 1 by .keysweepignore, 2 by comments (--no-ignore shows what \
                 is suppressed).\nRead "
            ),
            "{told}"
        );
    }

    #[test]
    fn what_was_known_until_lately_says_so() {
        let mut sample = Sample::at(vec![file("a", 1)]);
        let was = suppression(By::IgnoreFile, ".keysweepignore", Some("a test"));
        sample.findings[0].lapsed = Some(Lapsed { was, until: jiff::civil::date(2026, 1, 31) });
        let told = text(&sample);
        assert!(
            told.contains("    known       its entry in .keysweepignore expired on 2026-01-31 (a test)\n"),
            "{told}"
        );
    }

    #[test]
    fn everything_unread_is_counted_and_told_up_to_a_limit() {
        let mut sample = Sample::default();
        sample.tally.skipped = (0..SKIPPED + 2).map(|n| Skipped::new(format!("file {n}"), "it is locked")).collect();
        let text = text(&sample);
        assert!(text.contains("NOT READ (52):\n  file 0: it is locked\n"), "{text}");
        assert!(text.ends_with("  file 49: it is locked\n  and 2 others; --format json lists all\n"), "{text}");
        assert!(!text.contains("Everything was read"));
    }

    #[test]
    fn what_has_no_id_is_called_by_its_start() {
        let told = text(&Sample::alone(SecretKind::AppsyncApiKey, &["da2-", &"k3v7".repeat(6)].concat()));
        assert!(told.starts_with("HIGH  da2-…  AWS access key\n    secret      da2-… (appsync api key)\n"), "{told}");
        let told = text(&Sample::alone(SecretKind::SecretAccessKey, SECRET));
        assert!(told.starts_with("HIGH  no access key id  "), "{told}");
    }

    #[test]
    fn the_signature_of_a_url_is_not_listed_but_when_it_expires_is() {
        let told = text(&Sample::presigned(&[0]));
        assert!(told.contains("    valid       expires on 1970-01-01T00:00:00+00:00\n"), "{told}");
        assert!(!told.contains("0123…") && !told.contains("presigned"), "{told}");
    }

    #[test]
    fn a_canary_account_is_named_as_one() {
        let mut sample = Sample::at(vec![]);
        sample.findings = vec![finding(&canary(), vec![file("a", 1)]), finding(&with_account(), vec![file("b", 1)])];
        let text = text(&sample);
        assert!(text.contains("account     171436882533, a canary account"), "{text}");
        assert!(text.contains("account     609629065308\n"), "{text}");
    }

    #[test]
    fn an_account_on_the_list_is_one_of_yours_and_another_is_not() {
        let mut sample = Sample::at(vec![]);
        sample.findings = vec![finding(&with_account(), vec![file("b", 1)])];
        for (listed, expected) in [("609629065308", ", one of yours"), ("111122223333", ", none of yours")] {
            sample.accounts = [AccountId::parse(listed).unwrap()].into_iter().collect();
            let text = text(&sample);
            assert!(text.contains(&format!("account     609629065308{expected}\n")), "{text}");
        }
    }

    #[test]
    fn versions_of_a_file_in_history_are_one_line() {
        let versions = (1..=13).map(|n| history(&commit(n, n.into()), "a.env", Some(false), 1)).collect();
        assert_eq!(
            places_of(versions)[1..],
            ["            a.env:1", "also in     a.env:1 (010101010101) and 12 more versions of it"]
        );
        let twice = vec![file("a.env", 1), file("a.env", 5)];
        assert_eq!(places_of(twice), ["still in    a.env:1 and 1 more in it"]);
    }

    #[test]
    fn what_is_only_first_seen_is_told_once() {
        let once = vec![history(&commit(1, 0), "a.env", Some(false), 1)];
        assert_eq!(places_of(once)[1..], ["            a.env:1"]);
    }

    #[test]
    fn places_without_a_path_are_told_in_words() {
        let mut lost = (*commit(3, 0)).clone();
        lost.reachable = false;
        lost.repository = "../other".into();
        let mut zipped = file("a.zip", 2);
        zipped.provenance = zipped.provenance.member(b"b.env");
        let told = places_of(vec![
            zipped,
            occurrence(Origin::Stdin, 1),
            history(&lost.into(), "a", Some(false), 1),
            history(&commit(4, 1), "b", None, 1),
            occurrence(message(&commit(5, 1)), 2),
            occurrence(tag(&commit(6, 1), b"v\xff"), 3),
            occurrence(object(7), 4),
        ]);
        assert_eq!(
            told[1..],
            [
                "            a:1",
                "still in    a.zip!b.env:2",
                "            standard input, line 1",
                "also in     b:1 (040404040404)",
                "            message of commit 050505050505, line 2",
                r"            message of tag v\xff, line 3",
                "            object 0707070707070707070707070707070707070707 of .., line 4",
            ]
        );
    }

    #[test]
    fn an_object_is_told_with_its_date_and_who_may_read_it() {
        let mut zipped = stored("b", b"a.zip", Some("v2"), true);
        zipped.provenance = zipped.provenance.member(b"c.env");
        let places = vec![
            stored("b", b"k/\x1b", Some("v1"), false),
            zipped,
            stored_part("b", b"k", None, true, StoredPart::Metadata),
        ];
        let mut sample = Sample::at(places);
        let private = text(&sample);
        assert!(!private.contains("public"), "{private}");
        sample.publish(Publicness::Yes(vec!["policy statement PublicRead".to_owned()]));
        let told = text(&sample);
        let about =
            "                  last modified 2024-03-01T10:00:00+00:00; public: yes, by policy statement PublicRead";
        let expected = format!(
            "    still in    s3://b/a.zip!c.env:3\n{about}\n                metadata of s3://b/k, line 3\n{about}\n    \
             also in     s3://b/k/\\u{{1b}}:3 (version v1)\n{about}\n"
        );
        assert!(told.contains(&expected), "{told}");
    }

    #[test]
    fn a_commit_that_no_ref_leads_to_is_told_as_lost() {
        let mut lost = (*commit(3, 1)).clone();
        lost.reachable = false;
        lost.repository = "../other".into();
        let told =
            places_of(vec![history(&commit(2, 0), "a", Some(false), 1), history(&lost.into(), "a", Some(false), 1)]);
        assert_eq!(told[2], "also in     a:1 (030303030303 of ../other, in no ref)");
    }

    #[test]
    fn a_long_list_of_places_is_cut_short() {
        let many = (0..15).map(|n| file(format!("f{n}"), 1)).collect();
        let told = places_of(many);
        assert_eq!(told.len(), PLACES + 1);
        assert_eq!(told[PLACES], "            and 5 more places; --format json lists all");
    }

    #[test]
    fn a_long_list_of_secrets_is_cut_short() {
        let mut sample = Sample::at(vec![file("a", 1)]);
        sample.findings[0].secrets =
            (0..7).map(|n| (SecretKind::SessionToken, Secret::new(format!("{n}{SECRET}")))).collect();
        let text = text(&sample);
        assert!(
            text.contains("    secret      4wJa… (session token)\n                and 2 more candidates\n"),
            "{text}"
        );
    }

    #[test]
    fn a_secret_alone_and_an_unknown_rule_are_shown_all_the_same() {
        let mut sample = Sample::at(vec![file("a", 1)]);
        sample.findings[0].access_key_id = None;
        sample.findings[0].rule = "unheard-of".into();
        let text = text(&sample);
        assert!(text.starts_with("HIGH  no access key id  \n    secret      wJal…"), "{text}");
        assert!(!text.contains("What to do"));
    }

    #[test]
    fn what_others_issued_is_called_by_its_rule() {
        let mut sample = Sample::at(vec![file("a", 1)]);
        sample.findings[0].access_key_id = None;
        sample.findings[0].rule = "acme-token".into();
        sample.findings[0].secrets = vec![(SecretKind::Other, Secret::new("t0ken"))];
        assert!(text(&sample).starts_with("HIGH  acme-token  \n    secret      …"), "{}", text(&sample));
        sample.findings[0].secrets.clear();
        assert!(text(&sample).starts_with("HIGH  acme-token  \n"), "{}", text(&sample));
    }

    #[test]
    fn a_long_term_id_with_its_secret_is_critical_whatever_the_rule_says() {
        let mut sample = Sample::at(vec![file("a", 1)]);
        assert!(text(&sample).starts_with("CRITICAL"));
        sample.findings[0].secrets.clear();
        assert!(text(&sample).starts_with("HIGH"));
    }

    #[test]
    fn severities_are_counted_worst_first() {
        let mut sample = Sample::at(vec![]);
        sample.findings = [("other", canary()), (RULE, with_account()), (RULE, ID.into())]
            .map(|(rule, id)| {
                let mut finding = finding(&id, vec![file("a", 1)]);
                finding.rule = rule.into();
                finding.secrets.clear();
                finding
            })
            .into();
        let text = text(&sample);
        assert!(text.contains("3 leaked credentials: 2 high, 1 low.\n"), "{text}");
        assert_eq!(text.matches("Deactivate the key").count(), 1);
    }

    #[test]
    fn colours_are_there_only_when_asked_for_and_change_no_word() {
        let sample = Sample::everything();
        let plain = text(&sample);
        let coloured = written(Format::Text, &Report { colour: true, ..sample.report() });
        assert!(!plain.contains('\u{1b}') && coloured.contains("\u{1b}[1m"));
        let stripped = regex::Regex::new("\u{1b}\\[[0-9]+m").unwrap().replace_all(&coloured, "");
        assert_eq!(stripped, plain);
    }
}
