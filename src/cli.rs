//! The porch: the only room that reads flags and the environment, prints, and decides how the process exits. What a flag does is
//! done elsewhere.
#![expect(clippy::disallowed_methods, reason = "flags, environment and the clock are read here and nowhere else")]

use std::io;
use std::panic;
use std::process::ExitCode;

use clap::Parser;

mod accounts;
#[cfg(feature = "iam")]
mod apply;
mod args;
mod baseline;
#[cfg(feature = "s3")]
mod buckets;
#[cfg(feature = "git")]
mod ci;
#[cfg(feature = "iam")]
mod deactivate;
#[cfg(feature = "git")]
mod environment;
mod exit;
mod explain;
#[cfg(feature = "git")]
mod hook;
#[cfg(feature = "git")]
mod interrupt;
#[cfg(feature = "iam")]
mod inventory;
mod known;
mod lists;
#[cfg(feature = "iam")]
mod offline;
mod only;
mod output;
#[cfg(feature = "iam")]
mod owner;
#[cfg(feature = "iam")]
mod policy;
mod progress;
mod report;
mod rules;
mod scan;
mod search;
#[cfg(feature = "s3")]
mod sweep;
mod targets;
#[cfg(feature = "iam")]
mod triage;
#[cfg(feature = "iam")]
mod undo;
#[cfg(feature = "s3")]
mod viewers;

use self::args::{Cli, Command};
use self::exit::Exit;
use crate::source::archive;

/// Runs the program: reads its arguments, does what they say and returns how to exit.
pub fn main() -> ExitCode {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !archive::is_caught() {
            usual(panic);
        }
    }));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    let done = match cli.command {
        #[cfg(feature = "git")]
        Command::Scan(args) => ci::applied(*args).and_then(|args| scan::run(&args)),
        #[cfg(not(feature = "git"))]
        Command::Scan(args) => scan::run(&args),
        #[cfg(feature = "s3")]
        Command::Sweep(args) => sweep::run(&args),
        #[cfg(feature = "iam")]
        Command::Deactivate(args) => deactivate::run(&args),
        #[cfg(feature = "iam")]
        Command::Undo(args) => undo::run(&args),
        #[cfg(feature = "iam")]
        Command::Policy(args) => policy::run(&args),
        Command::Baseline(args) => baseline::run(&args),
        #[cfg(feature = "iam")]
        Command::Triage(args) => triage::run(&args),
        #[cfg(feature = "iam")]
        Command::Inventory(args) => inventory::run(&args),
        Command::Report(args) => report::run(&args),
        #[cfg(feature = "s3")]
        Command::Buckets(args) => buckets::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Rules(args) => rules::run(&args),
        #[cfg(feature = "git")]
        Command::Hook(args) => hook::run(&args),
    };
    match done {
        Ok(exit) => exit.into(),
        // Whoever reads our output has seen enough.
        Err(error) if is_broken_pipe(&error) => Exit::Clean.into(),
        Err(error) => {
            output::note(&format!("{error:#}"));
            Exit::Incomplete.into()
        }
    }
}

/// Help and version are no errors; anything else that clap refuses is.
fn refused(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { Exit::Incomplete.into() } else { Exit::Clean.into() }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}
