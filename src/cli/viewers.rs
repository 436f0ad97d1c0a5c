//! Whose eyes buckets are seen with: the caller's, those of a role in each account of the organization, or a stranger's.

use anyhow::{Context, Result};

use super::args::OwnerArgs;
use super::{output, owner};
use crate::aws::store::{Store, StoreOptions, Viewer};
use crate::aws::{Account, Caller};

/// The caller's account, and S3 as he sees it; with --organization also as the role in every other account does.
///
/// # Errors
/// When there are no credentials, or an account can't be looked into.
pub(super) fn callers(args: &OwnerArgs, options: &StoreOptions) -> Result<(Account, Vec<Store>)> {
    let home = owner::connect(args).context("to read as a stranger add --anonymous")?;
    let others = owner::neighbours(&home, args)?;
    let all = std::iter::once(&home).chain(&others);
    let stores = all.map(|account| Ok(Store::of(account, options.clone())?)).collect::<Result<_>>()?;
    Ok((home, stores))
}

/// S3 as a stranger sees it.
pub(super) fn stranger(args: &OwnerArgs, options: StoreOptions) -> Result<Store> {
    Ok(Store::stranger(args.profile.as_deref(), args.region.as_deref(), options)?)
}

/// Says whose eyes these are, which nobody should have to guess.
pub(super) fn tell(store: &Store, doing: &str) {
    match store.viewer() {
        Viewer::Caller(caller) => tell_caller(caller, doing),
        Viewer::Stranger => output::note(&format!("{doing} as a stranger: no request is signed")),
    }
}

/// The same of somebody who is no stranger.
pub(super) fn tell_caller(caller: &Caller, doing: &str) {
    output::note(&format!("{doing} as {} of account {}", caller.arn, caller.account));
}
