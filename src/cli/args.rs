//! What can be typed, and nothing of what it does.

#[cfg(feature = "git")]
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

pub(super) use self::baseline::{
    AddArgs, BaselineArgs, BaselineCommand, FailOn, KnownArgs, PlaceArgs, PruneArgs, ShowArgs,
};
#[cfg(feature = "s3")]
pub(super) use self::buckets::BucketsArgs;
#[cfg(feature = "iam")]
pub(super) use self::owner::OwnerArgs;
pub(super) use self::report::{MergeArgs, MergeShape, ReportArgs, ReportCommand};
#[cfg(feature = "iam")]
pub(super) use self::response::{ApprovalArgs, DeactivateArgs, PolicyArgs, Purpose, UndoArgs};
#[cfg(feature = "s3")]
pub(super) use self::sweep::SweepArgs;
#[cfg(feature = "iam")]
pub(super) use self::triage::{InventoryArgs, ScanTriageArgs, TriageArgs, TriageShape};
use super::accounts::AccountArg;
#[cfg(feature = "git")]
use super::ci::CiPlan;
use crate::engine::rule::Pack;
use crate::report::{Format, Occasion};
#[cfg(feature = "git")]
use crate::source::git::Push;

mod baseline;
#[cfg(feature = "s3")]
mod buckets;
#[cfg(feature = "iam")]
mod owner;
mod report;
#[cfg(feature = "iam")]
mod response;
#[cfg(feature = "s3")]
mod sweep;
#[cfg(feature = "iam")]
mod triage;

/// Find leaked AWS keys in working trees, in all of git history and in buckets of S3.
///
/// Exit codes: 0 nothing found and everything read; 1 leaked credentials found (see --exit-code); 2 something could not be
/// read or done. 2 wins over 1.
#[derive(Debug, Parser)]
#[command(name = "keysweep", version, max_term_width = 100)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Scan directories, files, git repositories, git URLs or standard input
    Scan(Box<ScanArgs>),
    /// Read buckets of S3: every object, with --versions every version of it
    ///
    /// Goes on where an object can't be read, and lists what it did not read. Whose credentials are used is always said; nothing is changed
    /// or deleted. Exit codes are those of scan. See docs/sweep.md.
    #[cfg(feature = "s3")]
    Sweep(Box<SweepArgs>),
    /// Say which buckets are public, and by what: policy, ACL, ownership, public access blocks
    ///
    /// Changes nothing. Exit codes: 0 none is public; 1 some are; 2 of some it could not be learnt. 2 wins over 1. See docs/buckets.md.
    #[cfg(feature = "s3")]
    Buckets(Box<BucketsArgs>),
    /// Say of leaked keys whether they are live, whose they are and when they were last used, by asking AWS as their owner
    ///
    /// Takes a report of keysweep or access key ids. No call is signed with what was found, and nothing is changed. Exit codes: 0 none is
    /// live; 1 some are; 2 of some it could not be learnt, or nobody could be asked. 2 wins over 1. See docs/triage.md.
    #[cfg(feature = "iam")]
    Triage(Box<TriageArgs>),
    /// List the access keys of your account: id, user, status, age, last use
    ///
    /// `keysweep inventory --ids | keysweep scan --only-keys -` looks for exactly these, wherever they stand and however they are
    /// written.
    #[cfg(feature = "iam")]
    Inventory(Box<InventoryArgs>),
    /// Switch leaked credentials off: shows the plan, and with --apply does it
    ///
    /// Nothing is changed without --apply. Every change is written to a journal before and after, from which --resume and
    /// `keysweep undo` work. Exit codes: 0 everything is confirmed inactive; 1 the plan has something to do; 2 something was refused,
    /// failed or is not known.
    #[cfg(feature = "iam")]
    Deactivate(Box<DeactivateArgs>),
    /// Take back what a run of deactivate did, by its journal: shows the plan, and with --apply does it
    #[cfg(feature = "iam")]
    Undo(Box<UndoArgs>),
    /// Print the IAM policy that keysweep needs
    #[cfg(feature = "iam")]
    Policy(PolicyArgs),
    /// Keep .keysweepignore, the list of credentials that are known and not reported
    Baseline(BaselineArgs),
    /// Do something with reports: join several into one
    Report(ReportArgs),
    /// Say of everything in a file that looks like a credential why it is reported or not
    Explain(ExplainArgs),
    /// Show or check the rules that say what a credential looks like
    Rules(RulesArgs),
    /// Let git run keysweep before each commit or push: install, take away or show its hooks
    #[cfg(feature = "git")]
    Hook(HookArgs),
}

#[derive(Debug, Args)]
pub(super) struct ScanArgs {
    /// What to scan: a directory, a file, a git repository (also bare), a git URL, or - for standard input
    ///
    /// A git repository is scanned with its working tree and all of its history. Hidden, untracked and ignored files are
    /// read too: that is where keys are.
    #[arg(value_name = "TARGET", default_value = ".")]
    pub(super) targets: Vec<PathBuf>,

    /// How much history of the repositories found: all, none, or a range such as main..HEAD
    ///
    /// `all` reads every object, reachable or not. A range reads only what its commits brought, and no working tree.
    /// By default all history is read of what is a git repository; given explicitly, every target must be one.
    #[cfg(feature = "git")]
    #[arg(long, value_name = "all|none|RANGE")]
    history: Option<String>,

    /// Only what is new in HEAD since a revision: a commit, branch, tag, @{u}, HEAD~3; the same as --history REV..HEAD
    ///
    /// What it costs follows what is new and not the size of the repository: for hooks and for every push. A blob that stood
    /// anywhere in REV or in the commits that these follow on is not told of again. REV is no date, as it is for git log.
    #[cfg(feature = "git")]
    #[arg(long, value_name = "REV", value_parser = since, conflicts_with = "history")]
    pub(super) since: Option<String>,

    /// In a job of a CI system: only what is new to it, such as the commits of a push or of a pull request
    ///
    /// Knows GitHub Actions, GitLab CI/CD, Bitbucket Pipelines, Azure Pipelines and Jenkins by their variables, and says what it
    /// takes for new. Where that can't be known everything that is here is scanned. --since and --history win. See docs/ci.md.
    #[cfg(feature = "git")]
    #[arg(long)]
    pub(super) ci: bool,

    /// What --ci came to.
    #[cfg(feature = "git")]
    #[arg(skip)]
    pub(super) ci_plan: CiPlan,

    /// Only what the next commit adds to HEAD: the lines that are staged, as git will commit them, and not the files on disk
    ///
    /// For a hook before each commit; `keysweep hook install` makes one. TARGET is any directory of the working tree, and all of its
    /// index is looked at. In a hook it is the index that git names, also for `git commit -a`. With nothing staged the exit code is 0.
    #[cfg(feature = "git")]
    #[arg(long, conflicts_with_all = ["history", "since", "cache", "respect_gitignore"])]
    pub(super) staged: bool,

    /// Only the message of a commit, in the file that git gives a commit-msg hook
    ///
    /// The change that `git commit --verbose` puts below the line with the scissors is no part of it. Lines of comments are looked at:
    /// whether git takes them out is not told to a hook.
    #[cfg(feature = "git")]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["staged", "history", "since", "cache", "respect_gitignore"])]
    pub(super) commit_msg: Option<PathBuf>,

    /// What a push brings, for the hook that told of it.
    #[cfg(feature = "git")]
    #[arg(skip)]
    pub(super) push: Option<Push>,

    /// What is stopped by what is found: told so instead of in a report.
    #[cfg(feature = "git")]
    #[arg(skip)]
    pub(super) occasion: Option<Occasion>,

    /// Remember here what has been scanned of whole histories, and read only what is new the next time
    ///
    /// The directory gets a file for each repository, and more for other rules, options and versions, of which the last four are
    /// kept. No secret is written to it: objects in which something was found are read again each time. Parts of histories (--since, a
    /// range) need none.
    #[cfg(feature = "git")]
    #[arg(long, value_name = "DIR")]
    pub(super) cache: Option<PathBuf>,

    /// Leave out what .gitignore and its like ignore
    #[arg(long)]
    pub(super) respect_gitignore: bool,

    #[command(flatten)]
    pub(super) search: SearchArgs,
}

/// What is looked for, how it is judged and how it is told, wherever it is looked for.
#[derive(Debug, Args)]
pub(super) struct SearchArgs {
    #[command(flatten)]
    pub(super) rules: RuleFiles,

    /// How to show the report on standard output: text, json, jsonl, sarif, csv, github (annotations), gitlab or junit
    /// [default: text]
    #[arg(short, long, value_name = "FORMAT")]
    pub(super) format: Option<Format>,

    /// Also write the report to a file; its ending names the format: .txt .json .jsonl .sarif .csv .xml (JUnit);
    /// gl-secret-detection-report.json is GitLab's
    #[arg(short, long, value_name = "FILE", action = ArgAction::Append)]
    pub(super) output: Vec<PathBuf>,

    /// Account that is your own; repeat it, or give @FILE, a file of them
    ///
    /// Each finding whose id tells its account is then marked as ours or foreign; canary accounts stay canaries. A file has one
    /// number a line, with comments after #, or is the JSON of `aws organizations list-accounts`, or a CSV with a column
    /// `account_id`. @- reads standard input.
    #[arg(long, value_name = "NUMBER|@FILE", action = ArgAction::Append)]
    pub(super) account: Vec<AccountArg>,

    /// Look for exactly the access key ids in a file, and for nothing else; - is standard input
    ///
    /// They are found in every encoding, in binaries, and glued to other letters; documentation examples are found too, and nothing
    /// is suppressed. A file has
    /// one id a line, with comments after #; from anything else (the JSON of `aws iam list-access-keys`, a CSV, a mail) every
    /// word that looks like an id is taken.
    #[arg(long, value_name = "FILE")]
    pub(super) only_keys: Option<PathBuf>,

    #[command(flatten)]
    pub(super) known: KnownArgs,

    #[command(flatten)]
    pub(super) limits: Limits,

    /// Threads to scan with [default: one for each core]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) jobs: Option<u16>,

    /// Exit code when credentials were found and everything was read
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) exit_code: u8,

    /// Only warn when something could not be read, instead of exiting with 2
    #[arg(long)]
    pub(super) allow_incomplete: bool,

    /// Show the secrets themselves in text and JSON reports
    #[arg(long)]
    pub(super) show_secrets: bool,

    /// No progress and no text report on standard output
    #[arg(short, long, conflicts_with = "verbose")]
    pub(super) quiet: bool,

    /// Say on standard error what is being scanned and how much it was
    #[arg(short, long)]
    pub(super) verbose: bool,

    #[cfg(feature = "iam")]
    #[command(flatten)]
    pub(super) owner_side: ScanTriageArgs,
}

impl ScanArgs {
    /// `all`, `none` or a range, where the user said which or the CI system did.
    #[cfg(feature = "git")]
    pub(super) fn history(&self) -> Option<&str> {
        self.since.as_deref().or(self.history.as_deref()).or(self.ci_plan.range.as_deref())
    }

    /// The user asked for what is new, and nothing is.
    #[cfg(feature = "git")]
    pub(super) fn is_nothing_new(&self) -> bool {
        self.ci_plan.is_nothing_new
    }

    /// It is about a commit or a push, which may well bring nothing that could be scanned, or the user asked for what is new and nothing is.
    pub(super) fn may_be_empty(&self) -> bool {
        #[cfg(feature = "git")]
        return self.staged || self.commit_msg.is_some() || self.push.is_some() || self.is_nothing_new();
        #[cfg(not(feature = "git"))]
        return false;
    }

    /// What is stopped by what is found, if a hook asks.
    pub(super) fn occasion(&self) -> Option<Occasion> {
        #[cfg(feature = "git")]
        return self.occasion;
        #[cfg(not(feature = "git"))]
        return None;
    }
}

impl SearchArgs {
    /// What wants to read standard input, in words; `targets` are what is searched.
    pub(super) fn readers_of_stdin(&self, targets: &[PathBuf]) -> Vec<&'static str> {
        let is_stdin = |path: &PathBuf| path == Path::new("-");
        let targets = targets.iter().filter(|target| is_stdin(target)).map(|_| "a target");
        let accounts = self.account.iter().filter(|account| **account == AccountArg::File("-".into()));
        let keys = self.only_keys.iter().filter(|file| is_stdin(file));
        let known = self.known.baseline.iter().filter(|file| is_stdin(file));
        let lists = accounts.map(|_| "--account").chain(keys.map(|_| "--only-keys")).chain(known.map(|_| "--baseline"));
        targets.chain(lists).collect()
    }
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// A file, perhaps with a line of it, or - for standard input
    ///
    /// The file is looked at as it stands: archives are not opened and the objects of git not read.
    #[arg(value_name = "FILE[:LINE]", required_unless_present = "line_of_stdin")]
    pub(super) target: Option<PathBuf>,

    /// A line of standard input, as in -:3: to the parser of flags that is one, and not a file
    #[arg(short = ':', value_name = "LINE", hide = true, conflicts_with = "target")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) line_of_stdin: Option<u64>,

    #[command(flatten)]
    pub(super) rules: RuleFiles,

    /// How to tell it
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Shape,

    /// Show the secrets themselves
    #[arg(long)]
    pub(super) show_secrets: bool,
}

/// How an explanation is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Shape {
    /// For people
    Text,
    /// For programs, one JSON document
    Json,
}

#[cfg(feature = "iam")]
impl Shape {
    /// It is for people.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Text)
    }
}

/// What is too deep or too large to be read.
#[derive(Clone, Debug, Args)]
pub(super) struct Limits {
    /// How deep archives within archives are opened; 0 opens none
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(super) archive_depth: u32,

    /// Do not read files and objects larger than this, e.g. 500K, 20M, 1G [default: read all, in windows]
    #[arg(long, visible_alias = "max-object-size", value_name = "SIZE", value_parser = size)]
    pub(super) max_file_size: Option<u64>,
}

/// Which rules there are.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct RuleFiles {
    /// Also look for what this pack knows: common has the tokens of other vendors; aws is always on
    #[arg(long, value_name = "PACK", value_parser = pack, action = ArgAction::Append)]
    pub(super) pack: Vec<Pack>,

    /// Also run the rules of this file, in keysweep's own format or that of gitleaks
    #[arg(long, value_name = "FILE", action = ArgAction::Append)]
    pub(super) rules: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct RulesArgs {
    #[command(subcommand)]
    pub(super) command: RulesCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum RulesCommand {
    /// List the rules: id, severity, description
    List(RuleFiles),
    /// Run every rule over its examples and its negative examples
    Check {
        /// Rule files to check instead of the built-in rules, in keysweep's own format or that of gitleaks
        files: Vec<PathBuf>,
    },
}

/// Hooks of git that keysweep has something to do for.
#[cfg(feature = "git")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum HookType {
    /// Before a commit: what is staged
    PreCommit,
    /// Before the commit of a merge without conflicts: what the merge adds to the branch; only when asked for
    PreMergeCommit,
    /// Before a commit: its message
    CommitMsg,
    /// Before a push: all commits that the other side does not have
    PrePush,
    /// On a server, before a push is accepted
    PreReceive,
}

#[cfg(feature = "git")]
#[derive(Debug, Args)]
pub(super) struct HookArgs {
    #[command(subcommand)]
    pub(super) command: HookCommand,
}

#[cfg(feature = "git")]
#[derive(Debug, Subcommand)]
pub(super) enum HookCommand {
    /// Put hooks where git looks for them; what is there already is kept, and run first
    ///
    /// Works beside hooks of your own, husky, core.hooksPath and the pre-commit framework. Installed again, it changes nothing.
    Install(HookTypes),
    /// Take the hooks away, and put back what was there before
    Uninstall(HookTypes),
    /// Say which hooks there are
    Status(HookTypes),
    /// What the hooks run
    #[command(hide = true)]
    Run(HookRun),
}

#[cfg(feature = "git")]
#[derive(Debug, Args)]
pub(super) struct HookTypes {
    /// Which hooks; repeat it [default: pre-commit, commit-msg and pre-push, in a bare repository pre-receive; and what is installed]
    #[arg(long = "type", value_name = "TYPE", value_enum, action = ArgAction::Append)]
    pub(super) types: Vec<HookType>,

    /// A directory of the repository
    #[arg(value_name = "REPOSITORY", default_value = ".")]
    pub(super) repository: PathBuf,
}

#[cfg(feature = "git")]
#[derive(Debug, Args)]
pub(super) struct HookRun {
    /// The hook
    #[arg(value_enum)]
    pub(super) hook: HookType,

    #[command(flatten)]
    pub(super) rules: RuleFiles,

    #[command(flatten)]
    pub(super) limits: Limits,

    /// What git gives the hook
    pub(super) given: Vec<OsString>,
}

fn pack(name: &str) -> Result<Pack, String> {
    let known = Pack::ALL.into_iter().find(|pack| pack.name() == name);
    known.ok_or_else(|| format!("there are {}", Pack::ALL.map(Pack::name).join(" and ")))
}

/// The range from a revision to HEAD.
#[cfg(feature = "git")]
fn since(revision: &str) -> Result<String, String> {
    let is_range = revision.contains("..") || ["^!", "^@"].iter().any(|end| revision.ends_with(end));
    if is_range || revision.is_empty() || revision.starts_with('^') {
        return Err("it takes one revision; give a range to --history".to_owned());
    }
    Ok(format!("{revision}..HEAD"))
}

/// A number of bytes with an optional K, M or G (powers of 1024).
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text[digits.len()..].to_ascii_uppercase().trim_end_matches("IB").trim_end_matches('B') {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return Err("write a number of bytes, with K, M or G after it if you like".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "write a number of bytes, such as 500K or 1G".to_owned())?;
    number.checked_mul(unit).ok_or_else(|| "that is more than there can be".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[cfg(feature = "git")]
    #[test]
    fn since_makes_a_range_of_a_revision_and_takes_no_range() {
        for revision in ["v1", "@{u}", "HEAD~3", "HEAD^2", "main@{1}", ":/fix"] {
            assert_eq!(since(revision), Ok(format!("{revision}..HEAD")));
        }
        for range in ["a..b", "a...b", "HEAD^!", "HEAD^@", "^a", ""] {
            assert!(since(range).is_err(), "{range}");
        }
    }

    #[test]
    fn sizes_take_units() {
        assert_eq!(size("10"), Ok(10));
        assert_eq!(size("2K"), Ok(2048));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("3mb"), Ok(3 << 20));
        for bad in ["", "K", "1X", "-1", "99999999999G"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
