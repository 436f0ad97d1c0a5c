//! `keysweep hook`: what git is to run before a commit or a push. `place` finds out where git looks for hooks, `install` puts them there
//! and takes them away, and here is what they run.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use bstr::ByteSlice;
use clap::Parser;

use self::install::Hook;
use self::place::Place;
use super::args::{self, Cli, HookArgs, HookCommand, HookRun, HookType, HookTypes, ScanArgs};
use super::exit::Exit;
use super::output;
use super::scan;
use crate::report::Occasion;
use crate::source::git::Push;
use crate::source::message::{Cleanup, Scissors};

mod install;
mod kept;
mod place;
mod script;

pub(super) fn run(args: &HookArgs) -> Result<Exit> {
    match &args.command {
        HookCommand::Install(types) => each(types, |hook, out| hook.install(out)),
        HookCommand::Uninstall(types) => each(types, |hook, out| hook.uninstall(out)),
        HookCommand::Status(types) => each(types, |hook, out| hook.status(out)),
        HookCommand::Run(given) => scan::run(&scan_of(given)?),
    }
}

/// Does something with each of the hooks, and says what. One with which that can't be done keeps no other from it.
fn each(args: &HookTypes, act: impl Fn(&Hook<'_>, &mut dyn io::Write) -> Result<()>) -> Result<Exit> {
    let place = Place::of(&args.repository)?;
    let types = if args.types.is_empty() { usual(&place)? } else { args.types.clone() };
    let mut out = io::stdout().lock();
    let mut exit = Exit::Clean;
    for hook in types {
        if let Err(error) = act(&Hook::new(hook, &place), &mut out) {
            output::note(&format!("{}: {error:#}", hook.name()));
            exit = Exit::Incomplete;
        }
    }
    Ok(exit)
}

/// The hooks that are meant where none is named: those that a repository should have, and whatever else is installed.
fn usual(place: &Place) -> Result<Vec<HookType>> {
    let mut types = Vec::new();
    for hook in HookType::ALL {
        let is_usual = match hook {
            HookType::PreCommit | HookType::CommitMsg | HookType::PrePush => !place.is_bare,
            HookType::PreReceive => place.is_bare,
            HookType::PreMergeCommit => false,
        };
        if is_usual || Hook::new(hook, place).is_installed()? {
            types.push(hook);
        }
    }
    Ok(types)
}

/// The scan that a hook stands for. How it ends is what git takes its exit code for: anything but 0 stops what was to be done.
fn scan_of(run: &HookRun) -> Result<ScanArgs> {
    let Cli { command: args::Command::Scan(mut args) } = Cli::try_parse_from(["keysweep", "scan", "--quiet"])? else {
        bail!("`scan` is no longer what it was");
    };
    args.search.rules = run.rules.clone();
    args.search.limits = run.limits.clone();
    let first =
        || run.given.first().with_context(|| format!("git gives {} an argument, and there is none", run.hook.name()));
    args.occasion = Some(match run.hook {
        HookType::PreCommit | HookType::PreMergeCommit => {
            args.staged = true;
            Occasion::Commit
        }
        HookType::CommitMsg => {
            args.commit_msg = Some(first()?.into());
            Occasion::Message
        }
        HookType::PrePush => {
            let remote = first()?;
            let is_believed = run.given.get(1).is_some_and(|url| is_fetched_from(remote, url));
            args.push = Some(Push::to(is_believed.then_some(remote.as_encoded_bytes()), &lines()?)?);
            Occasion::Push
        }
        HookType::PreReceive => {
            args.push = Some(Push::here(&lines()?)?);
            Occasion::Receive
        }
    });
    Ok(*args)
}

/// Whether it is this URL, to which git pushes, that the branches of a remote were fetched from. Git itself knows all that stands for it.
fn is_fetched_from(remote: &OsStr, url: &OsStr) -> bool {
    let asked = Command::new("git").args(["remote", "get-url", "--"]).arg(remote).output();
    // There is no remote of that name where git was given a URL: then nothing was fetched from it either.
    asked.is_ok_and(|asked| asked.status.success() && asked.stdout.trim_end() == url.as_encoded_bytes())
}

/// What git tells a hook on standard input.
fn lines() -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    io::stdin().lock().read_to_end(&mut lines).context("reading what git tells the hook failed")?;
    Ok(lines)
}

impl HookType {
    const ALL: [Self; 5] = [Self::PreCommit, Self::PreMergeCommit, Self::CommitMsg, Self::PrePush, Self::PreReceive];

    /// As git calls it.
    fn name(self) -> &'static str {
        match self {
            Self::PreCommit => "pre-commit",
            Self::PreMergeCommit => "pre-merge-commit",
            Self::CommitMsg => "commit-msg",
            Self::PrePush => "pre-push",
            Self::PreReceive => "pre-receive",
        }
    }

    fn script(self) -> &'static str {
        match self {
            Self::PreCommit => include_str!("../../hooks/pre-commit"),
            Self::PreMergeCommit => include_str!("../../hooks/pre-merge-commit"),
            Self::CommitMsg => include_str!("../../hooks/commit-msg"),
            Self::PrePush => include_str!("../../hooks/pre-push"),
            Self::PreReceive => include_str!("../../hooks/pre-receive"),
        }
    }
}

/// What git will take out of the message of a commit in the repository at `target`.
///
/// # Errors
/// When git can't be asked.
pub(super) fn cleanup(target: &Path) -> Result<Cleanup> {
    let names = r"^(core\.commentchar|core\.commentstring|commit\.cleanup)$";
    let output = Command::new("git").arg("-C").arg(target).args(["config", "--null", "--get-regexp", names]).output();
    let output = output.context("asking git for core.commentChar failed")?;
    // Git itself sets this for its hooks where nobody has edited the message: lines that look like scissors stay then.
    let was_edited = std::env::var_os("GIT_EDITOR").is_none_or(|editor| editor != ":");
    Ok(told(&output.stdout, was_edited))
}

/// By what `git config --null` says: a name and a value of each.
fn told(config: &[u8], was_edited: bool) -> Cleanup {
    let (mut comment, mut mode) = (b"#".to_vec(), b"default".to_vec());
    for (name, value) in config.split_str("\0").filter_map(|entry| entry.split_once_str("\n")) {
        match name {
            b"commit.cleanup" => mode = value.to_vec(),
            _ => comment = value.to_vec(),
        }
    }
    let scissors = match &mode[..] {
        _ if !was_edited => Scissors::Never,
        b"scissors" => Scissors::Always,
        _ => Scissors::AboveChange,
    };
    // With `auto` git takes whatever no line of the message begins with.
    let is_known = comment != b"auto" && !comment.is_empty();
    Cleanup { comment: is_known.then(|| comment.into()), scissors }
}

#[cfg(test)]
mod tests {
    use super::super::args::Limits;
    use super::*;

    #[test]
    fn scripts_differ_only_in_which_hook_they_are() {
        let common: std::collections::BTreeSet<String> = HookType::ALL
            .iter()
            .map(|hook| {
                let line = format!("\nhook={}\n", hook.name());
                assert_eq!(hook.script().matches(&line).count(), 1, "{hook:?}");
                hook.script().replace(&line, "\nhook=\n")
            })
            .collect();
        assert_eq!(common.len(), 1);
    }

    #[test]
    fn what_git_takes_out_of_a_message_is_told_by_its_configuration() {
        use Scissors::{AboveChange, Always, Never};
        let cleanup = |comment: Option<&str>, scissors| Cleanup { comment: comment.map(Into::into), scissors };
        assert_eq!(told(b"", true), cleanup(Some("#"), AboveChange));
        assert_eq!(told(b"", false), cleanup(Some("#"), Never), "`git commit -m` keeps what looks like scissors");
        assert_eq!(told(b"core.commentchar\n;\0", true), cleanup(Some(";"), AboveChange));
        let verbatim = told(b"core.commentstring\n//\0commit.cleanup\nverbatim\0", true);
        assert_eq!(verbatim, cleanup(Some("//"), AboveChange));
        assert_eq!(told(b"core.commentchar\nauto\0", true), cleanup(None, AboveChange));
        assert_eq!(told(b"commit.cleanup\nscissors\0", true), cleanup(Some("#"), Always));
        assert_eq!(told(b"commit.cleanup\nscissors\0", false), cleanup(Some("#"), Never));
    }

    #[test]
    fn the_scan_of_a_hook_is_of_what_git_gives_it() {
        let run = |hook, given: &[&str]| HookRun {
            hook,
            rules: Default::default(),
            limits: Limits { archive_depth: 7, max_file_size: Some(8) },
            given: given.iter().map(Into::into).collect(),
        };
        let args = scan_of(&run(HookType::PreCommit, &[])).unwrap();
        assert!(args.staged && args.search.quiet && args.occasion == Some(Occasion::Commit));
        assert_eq!((args.search.limits.archive_depth, args.search.limits.max_file_size), (7, Some(8)));
        let args = scan_of(&run(HookType::CommitMsg, &["m"])).unwrap();
        assert_eq!(args.commit_msg.as_deref(), Some(Path::new("m")));
        assert!(scan_of(&run(HookType::CommitMsg, &[])).is_err());
    }
}
