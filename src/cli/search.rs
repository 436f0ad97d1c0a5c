//! What `keysweep scan` and `keysweep sweep` have in common: what is looked for, what of it is known, what its owner's side says, how it is
//! told and what of it decides the exit code. Where it is looked for is theirs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use sha2::{Digest, Sha256};

use super::accounts;
use super::args::{FailOn, SearchArgs};
use super::exit::Exit;
use super::known::{self, Known};
use super::lists;
use super::only;
use super::output::{self, OutputFile, Whole};
use super::progress::Bar;
use super::rules;
#[cfg(feature = "iam")]
use super::triage;
#[cfg(feature = "iam")]
use crate::aws::Account;
use crate::engine::Scanner;
use crate::exposure;
use crate::finding::Fingerprint;
use crate::finding::accounts::Accounts;
use crate::report::{Occasion, Report, RuleInfo, purge};
use crate::source::{Skipped, Source};
use crate::sweep::{self, Options, Outcome, Progress};
use crate::triage::verdict::Verdict;

/// A search that has begun: all that can be wrong with its flags and files is known before anything is read.
pub(super) struct Search<'a> {
    args: &'a SearchArgs,
    started: Instant,
    files: Vec<OutputFile>,
    accounts: Accounts,
    known: Known,
}

/// What is told beside what was found.
#[derive(Default)]
pub(super) struct Telling<'a> {
    /// What is stopped by what is found: told so instead of in a report.
    pub(super) occasion: Option<Occasion>,
    /// There may well have been nothing to read.
    pub(super) may_be_empty: bool,
    /// Who may read the objects in which something was found.
    pub(super) public: Option<&'a exposure::OfObjects>,
    /// Which part of the work was done, and how many there are.
    pub(super) shard: Option<(u32, u32)>,
    /// Where the versions of objects go that are to be deleted.
    pub(super) purge_list: Option<Whole>,
    /// Who was signed in to for reading, and is asked what is live.
    #[cfg(feature = "iam")]
    pub(super) home: Option<Account>,
}

/// Reads all that the flags name; `targets` are the directories and files that are searched, which may hold lists of what is known.
///
/// # Errors
/// When a file can't be read or made, or flags don't go together.
pub(super) fn begin<'a>(args: &'a SearchArgs, targets: &[PathBuf]) -> Result<Search<'a>> {
    let started = Instant::now();
    check_stdin(args, targets)?;
    #[cfg(feature = "iam")]
    check_triage(args)?;
    let files = output::open_files(&args.output)?;
    let accounts = accounts::load(&args.account)?;
    let known = known::load(args, targets)?;
    Ok(Search { args, started, files, accounts, known })
}

/// Standard input can be read once.
fn check_stdin(args: &SearchArgs, targets: &[PathBuf]) -> Result<()> {
    match args.readers_of_stdin(targets)[..] {
        [first, second, ..] => bail!("standard input is both {first} and {second}; write one of them to a file"),
        _ => Ok(()),
    }
}

/// What triage needs, and files that are not what they should be.
#[cfg(feature = "iam")]
fn check_triage(args: &SearchArgs) -> Result<()> {
    if args.known.fail_on == FailOn::Live && !args.owner_side.triage {
        bail!("--fail-on live needs to know what is live: add --triage");
    }
    triage::check_files(&args.owner_side.owner)
}

impl Search<'_> {
    /// Marks what is known.
    pub(super) fn judge(&self, outcome: &mut Outcome) {
        let notes = self.known.apply(&mut outcome.findings);
        outcome.notes.extend(notes);
    }

    /// Asks the owner's side, writes the reports and says how to exit. What is known has been marked.
    pub(super) fn tell(self, mut outcome: Outcome, scanner: &Scanner, mut telling: Telling<'_>) -> Result<Exit> {
        let Self { args, started, files, accounts, known } = self;
        let Owned { accounts, verdicts, is_unasked } = owned(args, accounts, &mut telling, &mut outcome);
        let complete = outcome.tally.skipped.is_empty();
        let seconds = started.elapsed().as_secs_f64();
        let rules = scanner.rules();
        let report = Report {
            findings: &outcome.findings,
            tally: &outcome.tally,
            accounts: &accounts,
            complete,
            verdicts: verdicts.as_ref(),
            public: telling.public,
            shard: telling.shard,
            suppressed_counts: args.known.fail_on == FailOn::Any,
            rules: rules.iter().map(RuleInfo::from).chain(rules.foreign().iter().map(RuleInfo::from)).collect(),
            key: known.key.as_ref(),
            show_secrets: args.show_secrets,
            colour: false,
            now: Some(jiff::Timestamp::now().as_second()),
            ran: output::ran(seconds),
            // Without a clock in it, the same input gives the same report.
            seconds: args.verbose.then_some(seconds),
            version: env!("CARGO_PKG_VERSION"),
        };
        if let Some(file) = telling.purge_list {
            file.fill(|out| purge::write(&report, out))?;
        }
        output::write(&report, args, telling.occasion, files)?;
        let failing = match args.known.fail_on {
            #[cfg(feature = "iam")]
            FailOn::Live => report.live().count(),
            FailOn::Any | FailOn::New => report.listed().count(),
        };
        // A scan of nothing is not what --allow-incomplete allows, nor a triage by nobody.
        let is_any = telling.may_be_empty || outcome.tally.bytes + outcome.tally.known > 0;
        let allowed = args.allow_incomplete && is_any && !is_unasked;
        tell(args, &outcome, seconds, allowed);
        Ok(Exit::of(failing, complete || allowed, args.exit_code))
    }
}

/// Takes all sources through the engine.
///
/// # Errors
/// When no threads can be started.
pub(super) fn sweep(
    args: &SearchArgs,
    sources: &[Box<dyn Source>],
    scanner: &Scanner,
    options: &Options,
) -> Result<Outcome> {
    let progress = Arc::new(Progress::default());
    let bar = Bar::start(progress.clone(), args.quiet);
    let outcome = sweep::run(sources, scanner, options, &progress)?;
    drop(bar);
    Ok(outcome)
}

/// The scanner, and a digest of all that decides what it finds: the program itself, rules, ids, limits.
pub(super) fn scanner(args: &SearchArgs) -> Result<(Scanner, [u8; 32])> {
    let mut digest = Sha256::new_with_prefix(env!("KEYSWEEP_SOURCE"));
    digest.update(args.limits.archive_depth.to_le_bytes());
    digest.update(args.limits.max_file_size.unwrap_or(u64::MAX).to_le_bytes());
    let Some(file) = &args.only_keys else {
        let rules = rules::load(&args.rules)?;
        digest.update(rules.fingerprint());
        return Ok((Scanner::new(rules), digest.finalize().into()));
    };
    if !args.rules.pack.is_empty() || !args.rules.rules.is_empty() {
        bail!("--only-keys looks for nothing but keys: leave --rules and --pack out");
    }
    let ids = only::load(file)?;
    if !args.quiet {
        output::note(&format!("access key ids looked for: {}, from {}", ids.len(), lists::name(file)));
    }
    ids.iter().for_each(|id| digest.update(id.as_str()));
    Ok((Scanner::only(ids), digest.finalize().into()))
}

/// Starting threads takes longer than reading a few blobs.
pub(super) fn options(args: &SearchArgs, are_few: bool) -> Options {
    let defaults = Options::default();
    let jobs = if are_few { 1 } else { defaults.jobs };
    Options {
        jobs: args.jobs.map_or(jobs, usize::from),
        max_file_size: args.limits.max_file_size,
        archive_depth: args.limits.archive_depth,
        ..defaults
    }
}

/// What the owner's side says.
struct Owned {
    accounts: Accounts,
    verdicts: Option<BTreeMap<Fingerprint, Verdict>>,
    /// It was to be asked, and nobody could be.
    is_unasked: bool,
}

/// Asks the owner's side if the user wants that. What could not be learnt stands beside what was not read: the scan is not lost by it.
#[cfg(feature = "iam")]
fn owned(args: &SearchArgs, accounts: Accounts, telling: &mut Telling<'_>, outcome: &mut Outcome) -> Owned {
    let side = &args.owner_side;
    if !side.triage || outcome.findings.is_empty() {
        return Owned { accounts, verdicts: None, is_unasked: false };
    }
    let verify = side.verify.verify_with_secret;
    let (home, findings) = (telling.home.take(), &outcome.findings);
    let judged = triage::of_findings(&side.owner, home, accounts.clone(), findings, verify, args.verbose);
    let skipped = &mut outcome.tally.skipped;
    match judged {
        Ok(triage::OfFindings { accounts, verdicts, unlearnt, is_barred }) => {
            skipped.extend(unlearnt);
            Owned { accounts, verdicts: Some(verdicts), is_unasked: is_barred }
        }
        Err(error) => {
            skipped.push(Skipped::new("whether what was found is live", format!("{error:#}")));
            Owned { accounts, verdicts: None, is_unasked: true }
        }
    }
}

/// Nobody can be asked.
#[cfg(not(feature = "iam"))]
fn owned(_: &SearchArgs, accounts: Accounts, _: &mut Telling<'_>, _: &mut Outcome) -> Owned {
    Owned { accounts, verdicts: None, is_unasked: false }
}

/// Adds what was skipped before the sweep began; a sweep of nothing is no clean bill of health either, but where there may be nothing.
pub(super) fn complete_tally(outcome: &mut Outcome, skipped: Vec<Skipped>, may_be_empty: bool) {
    let tally = &mut outcome.tally;
    tally.skipped.extend(skipped);
    if !may_be_empty && tally.bytes == 0 && tally.known == 0 && tally.skipped.is_empty() {
        tally.skipped.push(Skipped::new("the target", "it is empty: nothing was scanned; is it the right one?"));
    }
    tally.skipped.sort();
    tally.skipped.dedup();
}

/// Unread things told on standard error; the report lists all.
const TOLD: usize = 10;

/// What goes to standard error beside the report: figures on request, and unread input unless somebody has just been told of it.
fn tell(args: &SearchArgs, outcome: &Outcome, seconds: f64, allowed: bool) {
    let tally = &outcome.tally;
    outcome.notes.iter().for_each(|note| output::note(note));
    if args.verbose {
        let (blobs, bytes, findings) = (tally.blobs, tally.bytes, outcome.findings.len());
        output::note(&format!("{blobs} blobs, {bytes} bytes, {findings} findings in {seconds:.3} s"));
    }
    let suppressed = outcome.findings.iter().filter(|finding| finding.suppressed().is_some()).count();
    if args.known.fail_on == FailOn::Any && suppressed > 0 {
        output::note(&format!("--fail-on any: {} in the exit code and in reports", counted(suppressed)));
    }
    if output::is_read_by_a_person(args) {
        return;
    }
    tell_unread(&tally.skipped);
    if allowed && !tally.skipped.is_empty() {
        output::note("not everything was read, which --allow-incomplete lets pass");
    }
}

fn counted(suppressed: usize) -> String {
    match suppressed {
        1 => "1 suppressed credential counts".to_owned(),
        _ => format!("{suppressed} suppressed credentials count"),
    }
}

/// Tells what was not read, up to a limit.
pub(super) fn tell_unread(all: &[Skipped]) {
    for skipped in all.iter().take(TOLD) {
        output::note(&format!("not read: {}: {}", skipped.what, skipped.why));
    }
    if all.len() > TOLD {
        output::note(&format!("not read: {} more; the report lists them", all.len() - TOLD));
    }
}
