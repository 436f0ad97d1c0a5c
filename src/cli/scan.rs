//! `keysweep scan`: targets through the sweep, the outcome to the reports, and what of it decides the exit code.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use sha2::{Digest, Sha256};

use super::accounts;
use super::args::ScanArgs;
use super::exit::Exit;
use super::lists;
use super::only;
use super::output;
use super::progress::Bar;
use super::rules;
use super::targets;
use crate::engine::Scanner;
use crate::report::{Report, RuleInfo};
use crate::source::Skipped;
use crate::sweep::{self, Options, Outcome, Progress};

pub(super) fn run(args: &ScanArgs) -> Result<Exit> {
    let started = Instant::now();
    check_stdin(args)?;
    let files = output::open_files(&args.output)?;
    let (scanner, digest) = scanner(args)?;
    let accounts = accounts::load(&args.account)?;
    let found = targets::open(args, digest)?;
    let options = options(args, found.are_few);
    let progress = Arc::new(Progress::default());
    let bar = Bar::start(progress.clone(), args.quiet);
    let mut outcome = sweep::run(&found.sources, &scanner, &options, &progress)?;
    drop(bar);
    complete_tally(&mut outcome, found.skipped, args.may_be_empty());
    let complete = outcome.tally.skipped.is_empty();
    let seconds = started.elapsed().as_secs_f64();
    let known = scanner.rules();
    let report = Report {
        findings: &outcome.findings,
        tally: &outcome.tally,
        accounts: &accounts,
        complete,
        rules: known.iter().map(RuleInfo::from).chain(known.foreign().iter().map(RuleInfo::from)).collect(),
        show_secrets: args.show_secrets,
        colour: false,
        now: Some(jiff::Timestamp::now().as_second()),
        // Without a clock in it, the same input gives the same report.
        seconds: args.verbose.then_some(seconds),
        version: env!("CARGO_PKG_VERSION"),
    };
    output::write(&report, args, files)?;
    // A scan of nothing is not what --allow-incomplete allows.
    let is_any = args.may_be_empty() || outcome.tally.bytes + outcome.tally.known > 0;
    let allowed = args.allow_incomplete && is_any;
    tell(args, &outcome, seconds, allowed);
    Ok(Exit::of(outcome.findings.len(), complete || allowed, args.exit_code))
}

/// Standard input can be read once.
fn check_stdin(args: &ScanArgs) -> Result<()> {
    match args.readers_of_stdin()[..] {
        [first, second, ..] => bail!("standard input is both {first} and {second}; write one of them to a file"),
        _ => Ok(()),
    }
}

/// The scanner, and a digest of all that decides what it finds: the program itself, rules, ids, limits.
fn scanner(args: &ScanArgs) -> Result<(Scanner, [u8; 32])> {
    let mut digest = Sha256::new_with_prefix(env!("KEYSWEEP_SOURCE"));
    digest.update(args.archive_depth.to_le_bytes());
    digest.update(args.max_file_size.unwrap_or(u64::MAX).to_le_bytes());
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
        max_file_size: args.max_file_size,
        archive_depth: args.archive_depth,
        ..defaults
    }
}

/// Adds what was skipped before the sweep began; a sweep of nothing is no clean bill of health either, but for a commit that adds nothing.
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
    if output::is_read_by_a_person(args) {
        return;
    }
    for skipped in tally.skipped.iter().take(TOLD) {
        output::note(&format!("not read: {}: {}", skipped.what, skipped.why));
    }
    if tally.skipped.len() > TOLD {
        output::note(&format!("not read: {} more; the report lists them", tally.skipped.len() - TOLD));
    }
    if allowed && !tally.skipped.is_empty() {
        output::note("not everything was read, which --allow-incomplete lets pass");
    }
}
