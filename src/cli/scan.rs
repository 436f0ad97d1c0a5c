//! `keysweep scan`: targets through the sweep, the outcome to the reports, and what of it decides the exit code.

use std::collections::BTreeMap;
#[cfg(feature = "git")]
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use sha2::{Digest, Sha256};

use super::accounts;
use super::args::{FailOn, ScanArgs};
use super::exit::Exit;
use super::known;
use super::lists;
use super::only;
use super::output;
use super::progress::Bar;
use super::rules;
use super::targets;
#[cfg(feature = "iam")]
use super::triage;
use crate::engine::Scanner;
use crate::finding::Fingerprint;
use crate::finding::accounts::Accounts;
use crate::report::{Report, RuleInfo};
use crate::source::Skipped;
use crate::sweep::{self, Options, Outcome, Progress};
use crate::triage::verdict::Verdict;

pub(super) fn run(args: &ScanArgs) -> Result<Exit> {
    let started = Instant::now();
    check_stdin(args)?;
    #[cfg(feature = "git")]
    check_cache(args)?;
    #[cfg(feature = "iam")]
    check_triage(args)?;
    let files = output::open_files(&args.output)?;
    let accounts = accounts::load(&args.account)?;
    let known = known::load(args)?;
    let Swept { mut outcome, scanner } = sweep(args)?;
    let notes = known.apply(&mut outcome.findings);
    outcome.notes.extend(notes);
    let Owned { accounts, verdicts, is_unasked } = owned(args, accounts, &mut outcome);
    let complete = outcome.tally.skipped.is_empty();
    let seconds = started.elapsed().as_secs_f64();
    let rules = scanner.rules();
    let report = Report {
        findings: &outcome.findings,
        tally: &outcome.tally,
        accounts: &accounts,
        complete,
        verdicts: verdicts.as_ref(),
        public: None,
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
    output::write(&report, args, files)?;
    let failing = match args.known.fail_on {
        #[cfg(feature = "iam")]
        FailOn::Live => report.live().count(),
        FailOn::Any | FailOn::New => report.listed().count(),
    };
    // A scan of nothing is not what --allow-incomplete allows, nor a triage by nobody.
    let is_any = args.may_be_empty() || outcome.tally.bytes + outcome.tally.known > 0;
    let allowed = args.allow_incomplete && is_any && !is_unasked;
    tell(args, &outcome, seconds, allowed);
    Ok(Exit::of(failing, complete || allowed, args.exit_code))
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
fn owned(args: &ScanArgs, accounts: Accounts, outcome: &mut Outcome) -> Owned {
    let side = &args.owner_side;
    if !side.triage || outcome.findings.is_empty() {
        return Owned { accounts, verdicts: None, is_unasked: false };
    }
    let verify = side.verify.verify_with_secret;
    let judged = triage::of_findings(&side.owner, accounts.clone(), &outcome.findings, verify, args.verbose);
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
fn owned(_: &ScanArgs, accounts: Accounts, _: &mut Outcome) -> Owned {
    Owned { accounts, verdicts: None, is_unasked: false }
}

/// Flags of triage without it, and files that are not what they should be, are known before the scan.
#[cfg(feature = "iam")]
fn check_triage(args: &ScanArgs) -> Result<()> {
    if args.owner_side.is_idle() {
        bail!("flags of the owner's side say how --triage asks: add --triage, or leave them out");
    }
    if args.known.fail_on == FailOn::Live && !args.owner_side.triage {
        bail!("--fail-on live needs to know what is live: add --triage");
    }
    triage::check_files(&args.owner_side.owner)
}

/// What a sweep of all targets came to.
pub(super) struct Swept {
    pub(super) outcome: Outcome,
    scanner: Scanner,
}

/// Takes all targets through the engine.
pub(super) fn sweep(args: &ScanArgs) -> Result<Swept> {
    let (scanner, digest) = scanner(args)?;
    let found = targets::open(args, digest)?;
    let options = options(args, found.are_few);
    let progress = Arc::new(Progress::default());
    let bar = Bar::start(progress.clone(), args.quiet);
    let mut outcome = sweep::run(&found.sources, &scanner, &options, &progress)?;
    drop(bar);
    complete_tally(&mut outcome, found.skipped, args.may_be_empty());
    Ok(Swept { outcome, scanner })
}

/// Standard input can be read once.
fn check_stdin(args: &ScanArgs) -> Result<()> {
    match args.readers_of_stdin()[..] {
        [first, second, ..] => bail!("standard input is both {first} and {second}; write one of them to a file"),
        _ => Ok(()),
    }
}

/// A cache is of whole histories: who asks for one where it is of no use is mistaken about what will be scanned.
#[cfg(feature = "git")]
fn check_cache(args: &ScanArgs) -> Result<()> {
    // What --ci comes to is one range today and all history tomorrow: that is nobody's mistake.
    if args.cache.is_none() || args.ci_plan.range.is_some() {
        return Ok(());
    }
    match args.history() {
        _ if args.since.is_some() => {
            bail!("--cache remembers whole histories and --since reads what is new in one; leave one of the two out")
        }
        Some("none") => {
            bail!("--cache remembers histories and --history none leaves them out; leave one of the two out")
        }
        Some(range) if range != "all" => {
            bail!(
                "--cache remembers whole histories and --history {range} reads a part of one; leave one of the two out"
            )
        }
        _ if args.targets.iter().all(|target| target == Path::new("-")) => {
            bail!("--cache remembers histories of git and standard input has none; leave --cache out")
        }
        _ => Ok(()),
    }
}

/// The scanner, and a digest of all that decides what it finds: the program itself, rules, ids, limits.
fn scanner(args: &ScanArgs) -> Result<(Scanner, [u8; 32])> {
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
fn options(args: &ScanArgs, are_few: bool) -> Options {
    let defaults = Options::default();
    let jobs = if are_few { 1 } else { defaults.jobs };
    Options {
        jobs: args.jobs.map_or(jobs, usize::from),
        max_file_size: args.limits.max_file_size,
        archive_depth: args.limits.archive_depth,
        ..defaults
    }
}

/// Adds what was skipped before the sweep began; a sweep of nothing is no clean bill of health either, but where there may be nothing.
fn complete_tally(outcome: &mut Outcome, skipped: Vec<Skipped>, may_be_empty: bool) {
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
fn tell(args: &ScanArgs, outcome: &Outcome, seconds: f64, allowed: bool) {
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
