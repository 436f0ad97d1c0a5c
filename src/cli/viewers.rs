//! Whose eyes buckets are seen with: the caller's, those of a role in each account of the organization, or a stranger's.

use anyhow::{Context, Result};

use super::args::OwnerArgs;
use super::{output, owner};
use crate::aws::store::{Store, StoreOptions, Viewer};

/// S3 as the caller sees it, and with --organization as the role in every other account does.
///
/// # Errors
/// When there are no credentials, or an account can't be looked into.
pub(super) fn callers(args: &OwnerArgs, options: &StoreOptions) -> Result<Vec<Store>> {
    let home = owner::connect(args).context("to read as a stranger add --anonymous")?;
    let mut accounts = owner::neighbours(&home, args)?;
    accounts.insert(0, home);
    accounts.iter().map(|account| Ok(Store::of(account, options.clone())?)).collect()
}

/// S3 as a stranger sees it.
pub(super) fn stranger(args: &OwnerArgs, options: StoreOptions) -> Result<Store> {
    Ok(Store::stranger(args.profile.as_deref(), args.region.as_deref(), options)?)
}

/// Says whose eyes these are, which nobody should have to guess.
pub(super) fn tell(store: &Store) {
    match store.viewer() {
        Viewer::Caller(caller) => output::note(&format!("reading as {} of account {}", caller.arn, caller.account)),
        Viewer::Stranger => output::note("reading as a stranger: no request is signed"),
    }
}
