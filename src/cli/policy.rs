//! `keysweep policy`: the IAM policies on standard output, what is to be minded of them on standard error.

use std::io::{self, Write};

use anyhow::{Context, Result};

use super::args::{PolicyArgs, Purpose};
use super::exit::Exit;
use super::output;
use crate::response::policies::Policy;

pub(super) fn run(args: &PolicyArgs) -> Result<Exit> {
    let policy = match args.purpose {
        Purpose::Audit => Policy::Audit,
        Purpose::Deactivate => Policy::Deactivate,
        Purpose::RevokeSessions => Policy::RevokeSessions,
        Purpose::Organization => Policy::Organization,
        Purpose::Sweep => Policy::Sweep,
    };
    io::stdout().write_all(policy.document().as_bytes()).context("writing the policy failed")?;
    if let Some(caution) = policy.caution() {
        output::note(caution);
    }
    Ok(Exit::Clean)
}
