//! What a hook says when it stops a commit or a push: in five lines what, where, why and the ways out. How reports look that somebody
//! asked for is the formats' business.

use std::io::{self, BufWriter, Write};

use super::Report;
use super::sanitize::visible;
use super::text::{name_of, spot, suppressed};
use super::units::plural;
use crate::finding::{Finding, Fingerprint};
use crate::key::AccessKeyId;

/// What is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A commit, for what is staged.
    Commit,
    /// A commit, for its message.
    Message,
    /// A push, here.
    Push,
    /// A push, where it arrives.
    Receive,
}

/// So many credentials and places are named.
const NAMED: usize = 3;

impl Occasion {
    fn what(self) -> &'static str {
        match self {
            Self::Commit | Self::Message => "commit",
            Self::Push | Self::Receive => "push",
        }
    }

    fn why(self) -> &'static str {
        match self {
            Self::Commit | Self::Message => {
                "whoever gets the repository gets the key, and once it is pushed, deleting the line takes nothing back"
            }
            Self::Push => {
                "what is pushed can't be taken back: whoever has fetched it has the key, whatever is deleted later"
            }
            Self::Receive => {
                "the key would be in the hands of all who fetch from here, and deleting it later takes nothing back"
            }
        }
    }

    fn remove(self) -> &'static str {
        match self {
            Self::Commit => "read it from the environment or a secret store instead, `git add` the file, commit again",
            Self::Message => "leave it out of the message and commit again",
            Self::Push | Self::Receive => {
                "`git commit --amend` if the last commit brought it, else `git rebase -i` to before it; then push again"
            }
        }
    }

    fn last(self) -> &'static str {
        match self {
            Self::Commit | Self::Message => "`git commit --no-verify`, which skips every hook",
            Self::Push => "`git push --no-verify`, which skips every hook",
            Self::Receive => "only who runs this server can let it pass",
        }
    }

    fn show_all(self) -> &'static str {
        match self {
            Self::Commit => "; `keysweep scan --staged` shows all",
            _ => "",
        }
    }
}

/// Says that something was stopped, and how to go on; nothing where there is no reason to stop it.
///
/// # Errors
/// Those of `out`.
pub fn stopped(report: &Report<'_>, occasion: Occasion, out: &mut dyn Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    let what = occasion.what();
    let findings: Vec<&Finding> = report.listed().collect();
    if !findings.is_empty() {
        let (names, places) = (names(report, &findings), places(&findings, occasion));
        writeln!(out, "keysweep: this {what} was stopped, it adds {names}")?;
        writeln!(out, "  where   {places}")?;
        writeln!(out, "  why     {}", occasion.why())?;
        writeln!(out, "  remove  {}; a key that others have seen has to be deactivated in IAM", occasion.remove())?;
        let listed = listed(report, &findings, occasion);
        let allow = format!("no key that matters? `# keysweep:allow REASON` on its line{listed}");
        writeln!(out, "  allow   {allow}; last of all: {}", occasion.last())?;
    } else if !report.complete {
        let unread = &report.tally.skipped;
        let others = unread.len().saturating_sub(1) as u64;
        let more = if others > 0 { format!(" and {}", plural(others, "more thing")) } else { String::new() };
        let first = unread.first();
        writeln!(out, "keysweep: this {what} was stopped, not all of it could be read")?;
        writeln!(out, "  where   {}{more}", first.map_or_else(Default::default, |skipped| visible(&skipped.what)))?;
        writeln!(out, "  why     {}", first.map_or_else(Default::default, |skipped| visible(&skipped.why)))?;
        writeln!(out, "  mend    see to that and {what} again: what was not read must not pass for clean")?;
        writeln!(out, "  last    {}", occasion.last())?;
    } else if let Some(known) = suppressed(report) {
        writeln!(out, "keysweep: of what this {what} adds {known}")?;
    }
    out.flush()
}

/// The command that allows exactly what was found, as it can be pasted. It names whole fingerprints: what is in a message or needs other rules
/// is not found again by their first digits. A server does not read the list that a push brings.
fn listed(report: &Report<'_>, findings: &[&Finding], occasion: Occasion) -> String {
    let which = match findings.len() {
        _ if occasion == Occasion::Receive => return String::new(),
        0..=NAMED => findings.iter().map(|finding| listed_as(report, finding)).collect::<Vec<_>>().join(" "),
        _ => "--from REPORT".to_owned(),
    };
    format!(", or `keysweep baseline add {which} --reason WHY`")
}

/// An id, where it stands for all that is known of it.
fn listed_as(report: &Report<'_>, finding: &Finding) -> String {
    let is_whole = |id: &AccessKeyId| Fingerprint::of(id.as_str().as_bytes()) == finding.fingerprint;
    let id = finding.access_key_id.filter(is_whole).map(|id| id.to_string());
    id.unwrap_or_else(|| report.fingerprint(&finding.fingerprint).to_string())
}

fn names(report: &Report<'_>, findings: &[&Finding]) -> String {
    let count = plural(findings.len() as u64, "leaked credential");
    let named: Vec<String> = findings.iter().take(NAMED).map(|finding| named(report, finding)).collect();
    let more = if findings.len() > NAMED { ", …" } else { "" };
    format!("{count}: {}{more}", named.join(", "))
}

/// An id by itself, what has none by what it is.
fn named(report: &Report<'_>, finding: &Finding) -> String {
    let what = report.rule(finding).map_or("", |rule| rule.description);
    let what = visible(what);
    match (finding.access_key_id.is_some(), finding.secrets.is_empty()) {
        (true, true) => format!("{} ({what})", name_of(finding)),
        (true, false) => format!("{} ({what}, with its secret)", name_of(finding)),
        _ => what.into_owned(),
    }
}

fn places(findings: &[&Finding], occasion: Occasion) -> String {
    let mut all: Vec<String> = findings.iter().flat_map(|finding| finding.counting()).map(spot).collect();
    all.iter_mut().for_each(|place| place.truncate(place.trim_end_matches(" (staged)").len()));
    all.sort();
    all.dedup();
    let named = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {}{}", plural(more as u64, "more place"), occasion.show_all()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{ID, SECRET, Sample, file, finding, occurrence, suppression, with_account};
    use super::*;
    use crate::finding::suppression::By;
    use crate::provenance::Origin;
    use crate::source::Skipped;

    const ALL: [Occasion; 4] = [Occasion::Commit, Occasion::Message, Occasion::Push, Occasion::Receive];

    fn said(sample: &Sample, complete: bool, occasion: Occasion) -> String {
        let mut out = Vec::new();
        stopped(&Report { complete, ..sample.report() }, occasion, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn staged(path: &str, line: u64) -> crate::finding::Occurrence {
        occurrence(Origin::Staged { repository: ".".into(), path: path.into() }, line)
    }

    #[test]
    fn five_lines_say_what_where_why_and_the_ways_out() {
        let sample = Sample::at(vec![staged("deploy/prod.env", 3)]);
        for occasion in ALL {
            let text = said(&sample, true, occasion);
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 5, "{text}");
            assert!(lines[0].contains("was stopped") && lines[0].contains(ID) && lines[0].contains("with its secret"));
            assert_eq!(lines[1], "  where   deploy/prod.env:3");
            assert!(lines[2].starts_with("  why  ") && lines[3].starts_with("  remove  "));
            assert!(lines[4].contains("# keysweep:allow REASON"));
            let is_named = lines[4].contains(&format!("`keysweep baseline add {ID} --reason WHY`"));
            assert_eq!(is_named, occasion != Occasion::Receive, "{text}");
            let is_last = text.trim_end().ends_with(occasion.last());
            assert!(is_last && !text.contains(SECRET) && !text.contains(&SECRET[..8]), "{text}");
        }
        assert!(said(&sample, true, Occasion::Commit).contains("`git commit --no-verify`"));
    }

    #[test]
    fn what_is_too_much_to_name_is_counted() {
        let mut sample = Sample::at((1..=5).map(|line| staged("a", line)).collect());
        sample.findings.extend([1, 2, 3].map(|_| finding(&with_account(), vec![file("b", 1)])));
        let text = said(&sample, true, Occasion::Commit);
        assert!(text.contains("4 leaked credentials: ") && text.contains(", …\n"), "{text}");
        assert!(
            text.contains("where   a:1, a:2, a:3 and 3 more places; `keysweep scan --staged` shows all\n"),
            "{text}"
        );
        assert!(text.contains("`keysweep baseline add --from REPORT --reason WHY`"), "{text}");
        assert_eq!(text.lines().count(), 5);
    }

    #[test]
    fn what_has_no_id_is_listed_by_its_fingerprint() {
        let mut sample = Sample::at(vec![staged("a", 1)]);
        sample.findings[0].access_key_id = None;
        let fingerprint = sample.findings[0].fingerprint;
        let text = said(&sample, true, Occasion::Push);
        assert!(text.contains(&format!("`keysweep baseline add {fingerprint} --reason WHY`")), "{text}");
    }

    #[test]
    fn what_is_suppressed_stops_nothing_and_is_counted() {
        let mut sample = Sample::at(vec![staged("a", 1), staged("b", 2)]);
        let known = || Some(suppression(By::Comment, "keysweep:allow", None));
        sample.findings[0].occurrences[0].suppressed = known();
        let text = said(&sample, true, Occasion::Commit);
        assert!(text.lines().count() == 5 && text.contains("  where   b:2\n"), "{text}");
        sample.findings[0].occurrences[1].suppressed = known();
        let text = said(&sample, true, Occasion::Commit);
        assert_eq!(text, "keysweep: of what this commit adds 1 suppressed: 1 by comments\n");
    }

    #[test]
    fn what_could_not_be_read_stops_it_too_and_nothing_says_nothing() {
        let mut sample = Sample::default();
        assert_eq!(said(&sample, true, Occasion::Commit), "");
        sample.tally.skipped = vec![Skipped::new("staged a", "it is lost"), Skipped::new("staged b", "x\u{1b}")];
        let text = said(&sample, false, Occasion::Push);
        assert_eq!(text.lines().count(), 5);
        assert!(text.contains("where   staged a and 1 more thing\n  why     it is lost\n"), "{text}");
        assert!(text.trim_end().ends_with("skips every hook") && !text.contains('\u{1b}'));
    }
}
