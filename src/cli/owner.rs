//! Reaches the owner's side: AWS, as whom the flags say, or files.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::args::OwnerArgs;
use super::offline;
use crate::aws::{self, Account, Asked, Identity};
use crate::finding::accounts::Accounts;
use crate::triage::lead::Name;

/// Signs in.
///
/// # Errors
/// When there are no credentials, AWS does not take them, or can't be reached.
pub(super) fn connect(args: &OwnerArgs) -> Result<Account> {
    let identity = Identity {
        profile: args.profile.clone(),
        region: args.region.clone(),
        role_arn: args.role_arn.clone(),
        external_id: args.external_id.clone(),
        mfa: args.mfa_serial.clone().zip(args.mfa_code.clone()),
    };
    Account::connect(&identity).context("signing in to AWS failed")
}

/// What the owner's side knows of these credentials; `accounts` are those that the user named.
///
/// # Errors
/// When nobody could be asked at all, or a file can't be read.
pub(super) fn ask(args: &OwnerArgs, accounts: Accounts, names: &[Name]) -> Result<Asked> {
    if args.is_offline() {
        let knowledge = offline::load(args, accounts)?;
        return Ok(Asked { knowledge, reached: BTreeMap::new() });
    }
    let home = connect(args)?;
    let role = args.role_name.as_deref().filter(|_| args.organization);
    aws::ask(home, role, accounts, names).context("asking AWS failed")
}
