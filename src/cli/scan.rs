//! `keysweep scan`: targets through the sweep. How what is found is judged and told is `search`'s business.

#[cfg(feature = "git")]
use std::path::Path;

use anyhow::Result;
#[cfg(any(feature = "git", feature = "iam"))]
use anyhow::bail;

use super::args::ScanArgs;
use super::exit::Exit;
use super::search::{self, Telling};
use super::targets;
use crate::engine::Scanner;
use crate::sweep::Outcome;

pub(super) fn run(args: &ScanArgs) -> Result<Exit> {
    #[cfg(feature = "git")]
    check_cache(args)?;
    #[cfg(feature = "iam")]
    check_triage(args)?;
    let search = search::begin(&args.search, &args.targets)?;
    let Swept { mut outcome, scanner } = sweep(args)?;
    search.judge(&mut outcome);
    let telling = Telling { occasion: args.occasion(), may_be_empty: args.may_be_empty(), ..Telling::default() };
    search.tell(outcome, &scanner, telling)
}

/// Flags of triage without it, and files that are not what they should be, are known before the scan.
#[cfg(feature = "iam")]
fn check_triage(args: &ScanArgs) -> Result<()> {
    if args.search.owner_side.is_idle() {
        bail!("flags of the owner's side say how --triage asks: add --triage, or leave them out");
    }
    Ok(())
}

/// What a sweep of all targets came to.
pub(super) struct Swept {
    pub(super) outcome: Outcome,
    scanner: Scanner,
}

/// Takes all targets through the engine.
pub(super) fn sweep(args: &ScanArgs) -> Result<Swept> {
    let (scanner, digest) = search::scanner(&args.search)?;
    let found = targets::open(args, digest)?;
    let options = search::options(&args.search, found.are_few);
    let mut outcome = search::sweep(&args.search, &found.sources, &scanner, &options)?;
    search::complete_tally(&mut outcome, found.skipped, args.may_be_empty());
    Ok(Swept { outcome, scanner })
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
