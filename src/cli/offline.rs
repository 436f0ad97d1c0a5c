//! The owner's side from files: credential reports and dumps of access keys.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;

use super::args::OwnerArgs;
use super::lists;
use crate::finding::accounts::Accounts;
use crate::key::AccountId;
use crate::triage::files::{self, Dump};
use crate::triage::inventory::{Inventory, Knowledge};
use crate::triage::{access_keys, credential_report};

/// Reads what `--credential-report` and `--access-keys` name. The accounts in them are one's own.
///
/// # Errors
/// When a file can't be read or is not what it should be.
pub(super) fn load(args: &OwnerArgs, mut accounts: Accounts) -> Result<Knowledge> {
    let inventories = inventories(args)?;
    inventories.keys().for_each(|account| accounts.add(*account));
    Ok(Knowledge { accounts, inventories, ..Knowledge::default() })
}

/// What the files say, by account.
///
/// # Errors
/// Those of [`load`].
pub(super) fn inventories(args: &OwnerArgs) -> Result<BTreeMap<AccountId, Inventory>> {
    let mut reports = Vec::new();
    for file in &args.credential_report {
        let (text, date) = read(file, "the credential report")?;
        let report = credential_report::parse(text.as_bytes(), date, false)
            .with_context(|| format!("reading the credential report {} failed", file.display()))?;
        reports.push(report);
    }
    let mut dumps = Vec::new();
    for file in &args.access_keys {
        let (text, as_of) = read(file, "access keys")?;
        let documents = access_keys::parse(text.as_bytes())
            .with_context(|| format!("reading access keys from {} failed", file.display()))?;
        dumps.push(Dump { documents, as_of });
    }
    let inventories =
        files::inventories(reports, dumps).context("telling the accounts of --access-keys apart failed")?;
    if inventories.is_empty() {
        bail!("--access-keys has no key in it: it should be what `aws iam list-access-keys` prints, for each user");
    }
    Ok(inventories)
}

/// The text of a file, and when it was last written, in seconds since 1970.
fn read(file: &Path, what: &str) -> Result<(String, i64)> {
    if file == Path::new("-") {
        bail!("reading {what} from standard input is not possible: how old it is matters, which only a file tells");
    }
    let text = lists::read(file, what)?;
    let written = fs::metadata(file).and_then(|metadata| metadata.modified());
    let written = written.with_context(|| format!("reading the date of {} failed", file.display()))?;
    let now = Timestamp::now();
    // A clock that is ahead writes no file of tomorrow.
    let date = Timestamp::try_from(written).unwrap_or(now).min(now);
    Ok((text, date.as_second()))
}
