//! Whose eyes buckets are seen with: the caller's, those of a role in each account of the organization, or a stranger's.

use anyhow::{Result, anyhow};

use super::args::OwnerArgs;
use super::{output, owner};
use crate::aws::store::{Store, StoreOptions, Viewer};
use crate::aws::{Account, Member};

/// The account that is signed in to, and with --organization every other of the organization; who that is, is said.
///
/// # Errors
/// When there are no credentials, or a role can't be assumed: what is in its account would be missing without a word.
pub(super) fn accounts(args: &OwnerArgs) -> Result<Vec<Account>> {
    let home = owner::connect(args)?;
    let mut all = Vec::new();
    if let Some(role) = args.role_name.as_deref().filter(|_| args.organization) {
        let others = home.organization().map_err(|gap| anyhow!("{}", gap.told()))?;
        for Member { account, is_open } in others.into_iter().filter(|one| one.account != home.caller().account) {
            if is_open {
                all.push(home.assume(account, role).map_err(|gap| anyhow!("{}", gap.told()))?);
            } else {
                output::note(&format!("account {account} is suspended or closed: nobody can look into it"));
            }
        }
    }
    all.insert(0, home);
    Ok(all)
}

/// S3 as each of these sees it.
pub(super) fn stores(accounts: &[Account], options: &StoreOptions) -> Result<Vec<Store>> {
    accounts.iter().map(|account| Ok(Store::of(account, options.clone())?)).collect()
}

/// S3 as a stranger sees it.
pub(super) fn stranger(args: &OwnerArgs, options: StoreOptions) -> Result<Store> {
    Ok(Store::stranger(args.profile.as_deref(), args.region.as_deref(), options)?)
}

/// Says whose eyes it is, which nobody should have to guess.
pub(super) fn tell(store: &Store) {
    match store.viewer() {
        Viewer::Caller(caller) => output::note(&format!("reading as {} of account {}", caller.arn, caller.account)),
        Viewer::Stranger => output::note("reading as a stranger: no request is signed"),
    }
}
