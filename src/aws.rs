//! The telephone: the only room that names the AWS SDK and tokio. Who calls are signed by, which account is asked, how often a call is
//! repeated, and what AWS's answers mean; what follows from them is `triage`'s business and what is done about it `response`'s.
//!
//! To the rest of the house it is synchronous: each method waits for its answer.

use std::collections::BTreeMap;

use crate::finding::accounts::Accounts;
use crate::key::{AccessKeyId, AccountId, Secret};
use crate::response::{Fault, Position, Switch, Target};
use crate::triage::inventory::{Gap, Inventory, Knowledge, UserRecord, Verified};
use crate::triage::lead::Name;

/// Who to be. Everything that is `None` is left to the default chain: environment, profile, SSO, container, instance.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// A profile of the shared config files.
    pub profile: Option<String>,
    /// The region for STS; IAM has none.
    pub region: Option<String>,
    /// A role to assume.
    pub role_arn: Option<String>,
    /// The external id that the role asks for.
    pub external_id: Option<String>,
    /// The serial number or ARN of the second factor that the role asks for, and the code that it shows.
    pub mfa: Option<(String, String)>,
}

/// Whom AWS takes us for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub account: AccountId,
    /// The ARN of the user or of the role's session.
    pub arn: String,
    /// The access key that calls are signed with.
    pub access_key_id: Option<AccessKeyId>,
}

/// An account that can be asked, as somebody.
#[derive(Debug)]
pub struct Account {
    caller: Caller,
}

/// Why no account could be reached at all.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoAccount(String);

/// What came of asking.
#[derive(Debug)]
pub struct Asked {
    /// What is known now.
    pub knowledge: Knowledge,
    /// The accounts that were asked, as who may ask them.
    pub reached: BTreeMap<AccountId, Account>,
}

/// Asks about leaked credentials, each in the account that it belongs to and nobody about those of others: `home` is the caller's own
/// account, `accounts` are more that the user called his own. With a `role`, the other accounts of the organization are one's own too,
/// and are asked by that role, just those that own one of the credentials.
pub fn ask(home: Account, _role: Option<&str>, mut accounts: Accounts, _names: &[Name]) -> Asked {
    accounts.add(home.caller().account);
    let knowledge = Knowledge { accounts, ..Knowledge::default() };
    Asked { knowledge, reached: BTreeMap::from([(home.caller().account, home)]) }
}

impl Account {
    /// Finds credentials and asks STS whose they are.
    ///
    /// # Errors
    /// When there are none, AWS does not take them, or can't be reached.
    pub fn connect(_identity: &Identity) -> Result<Self, NoAccount> {
        Err(NoAccount("not built yet".to_owned()))
    }

    /// Whom AWS takes us for.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The accounts of the organization (`organizations:ListAccounts`).
    ///
    /// # Errors
    /// When that could not be learnt.
    pub fn organization(&self) -> Result<Vec<AccountId>, Gap> {
        Err(Gap { why: "not built yet".to_owned(), permission: None })
    }

    /// The same as somebody else: assumes the role of that name in another account of the organization. Calls are counted together.
    ///
    /// # Errors
    /// When the role can't be assumed.
    pub fn assume(&self, _account: AccountId, _role: &str) -> Result<Self, Gap> {
        Err(Gap { why: "not built yet".to_owned(), permission: None })
    }

    /// The account of an id that does not spell it (`sts:GetAccessKeyInfo`; the account's owner does not see it).
    ///
    /// # Errors
    /// When STS does not know, or may not be asked.
    pub fn account_of(&self, _id: AccessKeyId) -> Result<AccountId, Gap> {
        Err(Gap { why: "not built yet".to_owned(), permission: None })
    }

    /// What the account says of these credentials: their keys, users, the users' other keys, quarantine, the credential report. By the
    /// route that costs fewer calls: key by key, or all keys of all users. What can't be learnt is told in the inventory.
    pub fn inventory(&self, _names: &[Name]) -> Inventory {
        Inventory::new(self.caller.account, 0, true)
    }

    /// All access keys of all users.
    ///
    /// # Errors
    /// When not all could be listed: an inventory with holes would pass for one without.
    pub fn every_key(&self) -> Result<Inventory, Gap> {
        Err(Gap { why: "not built yet".to_owned(), permission: None })
    }

    /// What else a user holds: path, password, service-specific credentials, quarantine.
    pub fn user(&self, _name: &str) -> UserRecord {
        UserRecord::default()
    }

    /// Signs `GetCallerIdentity` with each found pair in turn until one works, with five seconds between two of one id. The only call that
    /// is ever signed with what was found; the owner sees it in CloudTrail. Never for a canary's id.
    pub fn verify(&self, _id: AccessKeyId, _secrets: &[Secret], _session_token: Option<&Secret>) -> Verified {
        Verified::Untried(Gap { why: "not built yet".to_owned(), permission: None })
    }

    /// How often each operation was called so far, repeated attempts included, by names such as `iam:ListAccessKeys`.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }
}

impl Switch for Account {
    fn read(&self, _target: &Target) -> Result<Position, Fault> {
        Ok(Position::Gone)
    }

    fn set(&self, _target: &Target, _to: Position) -> Result<(), Fault> {
        Ok(())
    }
}
