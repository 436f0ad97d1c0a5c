//! The flags by which findings are known, and those of `keysweep baseline`.

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use jiff::civil::Date;

use super::{Cli, Command, Limits, RuleFiles, ScanArgs, Shape};
use crate::baseline::entry;

/// What is known and not reported.
#[derive(Debug, Args)]
pub(in crate::cli) struct KnownArgs {
    /// Do not report what this file knows: a .keysweepignore, or an earlier report as JSON or JSONL, redacted or not; repeat it
    #[arg(long, value_name = "FILE", action = ArgAction::Append)]
    pub(in crate::cli) baseline: Vec<PathBuf>,

    /// Do not report what .gitleaksignore, .betterleaksignore and .secrets.baseline of the target ignore
    #[arg(long)]
    pub(in crate::cli) import_ignores: bool,

    /// Report everything: heed no .keysweepignore, no --baseline, no --import-ignores and no comments
    #[arg(long)]
    pub(in crate::cli) no_ignore: bool,

    /// Which credentials make the exit code: new ones, which nothing suppresses, or any; with --triage also live, those that work
    #[arg(long, value_name = "any|new|live", default_value = "new")]
    pub(in crate::cli) fail_on: FailOn,
}

/// What makes a scan fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum FailOn {
    /// Suppressed ones too
    Any,
    /// Only what is not suppressed
    New,
    /// Only what triage finds live
    #[cfg(feature = "iam")]
    Live,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct BaselineArgs {
    #[command(subcommand)]
    pub(in crate::cli) command: BaselineCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BaselineCommand {
    /// Write credentials to .keysweepignore, so that they are not reported any more
    ///
    /// Without IDs, everything that a scan of the target reports is added. Access key ids and whole fingerprints need no scan. An
    /// entry for the same credential and the same paths is replaced. With a key in KEYSWEEP_FINGERPRINT_KEY, fingerprints tell
    /// nothing to who has not the key; scans then need the same key.
    Add(Box<AddArgs>),
    /// Drop the entries that have expired, that know nothing which is still there, or that repeat others
    ///
    /// All of the working tree that the target is a part of is scanned for it, from its root, and all of its history. When something could not be read, nothing is dropped for not being found. Entries made
    /// with a key that is not set stay.
    Prune(Box<PruneArgs>),
    /// Tell of each entry what it knows: fingerprint, reason, expiry, paths
    Show(ShowArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AddArgs {
    /// Which: access key ids, fingerprints, or at least the first eight digits of fingerprints
    #[arg(value_name = "ID")]
    pub(in crate::cli) which: Vec<String>,

    /// Why they need not be reported
    #[arg(long, value_name = "TEXT", required_unless_present = "import_ignores")]
    pub(in crate::cli) reason: Option<String>,

    /// The last day on which they are not reported, as 2027-01-31
    #[arg(long, value_name = "DATE", value_parser = entry::date)]
    pub(in crate::cli) until: Option<Date>,

    /// Only where this pattern fits, written as in .gitignore and seen from where the .keysweepignore lies: the root of the working tree
    /// that the target is a part of, also in a directory below it; repeat it
    #[arg(long, value_name = "GLOB", action = ArgAction::Append)]
    pub(in crate::cli) path: Vec<String>,

    /// Take them from a report of keysweep, JSON or JSONL, redacted or not, instead of scanning; - is standard input; repeat it
    #[arg(long, value_name = "REPORT", action = ArgAction::Append)]
    pub(in crate::cli) from: Vec<PathBuf>,

    /// Take those that .gitleaksignore, .betterleaksignore and .secrets.baseline of the target ignore, at the paths that they name
    #[arg(long, conflicts_with_all = ["which", "from", "path"])]
    pub(in crate::cli) import_ignores: bool,

    #[command(flatten)]
    pub(in crate::cli) place: PlaceArgs,

    #[command(flatten)]
    pub(in crate::cli) reading: ReadingArgs,

    /// How much history of the target is scanned: all, none, or a range such as main..HEAD
    #[cfg(feature = "git")]
    #[arg(long, value_name = "all|none|RANGE")]
    pub(in crate::cli) history: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PruneArgs {
    /// Only tell what would be dropped
    #[arg(short = 'n', long)]
    pub(in crate::cli) dry_run: bool,

    #[command(flatten)]
    pub(in crate::cli) place: PlaceArgs,

    #[command(flatten)]
    pub(in crate::cli) reading: ReadingArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    #[command(flatten)]
    pub(in crate::cli) place: PlaceArgs,

    /// How to tell it
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) format: Shape,
}

/// Which `.keysweepignore`, and of what.
#[derive(Debug, Args)]
pub(in crate::cli) struct PlaceArgs {
    /// A directory, file or repository; its .keysweepignore lies at the root of its working tree
    #[arg(long, value_name = "TARGET", default_value = ".")]
    pub(in crate::cli) target: PathBuf,

    /// Another file than the .keysweepignore of the target
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) file: Option<PathBuf>,
}

/// How the target is read: as a scan reads it.
#[derive(Debug, Args)]
#[command(next_help_heading = "As in keysweep scan")]
pub(in crate::cli) struct ReadingArgs {
    #[command(flatten)]
    rules: RuleFiles,

    /// Leave out what .gitignore and its like ignore
    #[arg(long)]
    respect_gitignore: bool,

    #[command(flatten)]
    limits: Limits,

    /// Remember here what has been scanned of whole histories
    #[cfg(feature = "git")]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,

    /// Threads to scan with [default: one for each core]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
}

impl ReadingArgs {
    /// A scan of the target with these flags.
    pub(in crate::cli) fn scan(&self, target: &Path) -> ScanArgs {
        let Command::Scan(mut scan) = Cli::parse_from(["keysweep", "scan"]).command else {
            unreachable!("a scan is what was asked for");
        };
        scan.targets = vec![target.to_owned()];
        scan.search.rules = self.rules.clone();
        scan.search.limits = self.limits.clone();
        scan.search.jobs = self.jobs;
        scan.respect_gitignore = self.respect_gitignore;
        #[cfg(feature = "git")]
        scan.cache.clone_from(&self.cache);
        *scan
    }
}

impl AddArgs {
    /// The scan that finds what is to be added.
    pub(in crate::cli) fn scan(&self) -> ScanArgs {
        let mut scan = self.reading.scan(&self.place.target);
        #[cfg(feature = "git")]
        {
            scan.history.clone_from(&self.history);
        }
        scan.search.known.import_ignores = self.import_ignores;
        scan
    }
}
