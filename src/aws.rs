//! The telephone: the only room that names the AWS SDK and tokio. Who calls are signed by, which account is asked, how often a call is
//! repeated, and what AWS's answers mean; what follows from them is `triage`'s business and what is done about it `response`'s.
//!
//! To the rest of the house it is synchronous: each method waits for its answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::runtime::Runtime;

use self::client::Client;
use crate::finding::accounts::Accounts;
use crate::key::{AccessKeyId, AccountId, Secret};
use crate::response::{Fault, Position, Switch, Target};
use crate::triage::inventory::{Gap, Inventory, Knowledge, UserRecord, Verified};
use crate::triage::lead::Name;

mod accounts;
mod ask;
mod calls;
mod client;
mod connect;
mod inventory;
mod keys;
mod pace;
mod report;
mod signers;
#[cfg(feature = "s3")]
pub mod store;
mod switch;
mod trouble;
mod user;
mod verify;

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
    /// The access keys that calls are signed with: the one at hand, and those that roles on the way to it were assumed with.
    pub access_key_ids: BTreeSet<AccessKeyId>,
}

/// An account that can be asked, as somebody.
#[derive(Debug)]
pub struct Account {
    client: Client,
    runtime: Arc<Runtime>,
}

/// An account of an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The account.
    pub account: AccountId,
    /// Roles can be assumed in it: it is neither suspended nor closed.
    pub is_open: bool,
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
    /// The caller's own among them; `None` where nobody was asked.
    pub home: Option<AccountId>,
    /// Why nobody could be asked, though somebody was to be.
    pub barred: Option<String>,
}

impl Asked {
    /// What is known without asking.
    pub fn nobody(knowledge: Knowledge) -> Self {
        Self { knowledge, reached: BTreeMap::new(), home: None, barred: None }
    }
}

/// Asks about leaked credentials, each in the account that it belongs to and nobody about those of others: `home` is the caller's own
/// account, `accounts` are more that the user called his own. With a `role`, the other accounts of the organization are one's own too,
/// and are asked by that role, just those that own one of the credentials.
///
/// # Errors
/// When the accounts of the organization can't be listed: then nobody knows what is a stranger's.
pub fn ask(home: Account, role: Option<&str>, accounts: Accounts, names: &[Name]) -> Result<Asked, NoAccount> {
    ask::ask(home, role, accounts, names)
}

impl Caller {
    /// The name of the user that the caller is, if it is a user.
    pub fn user_name(&self) -> Option<&str> {
        let (_, user) = self.arn.split_once(":user/")?;
        user.rsplit('/').next().filter(|name| !name.is_empty())
    }

    /// The partition: `aws`, `aws-cn`, `aws-us-gov`.
    fn partition(&self) -> &str {
        self.arn.split(':').nth(1).filter(|partition| !partition.is_empty()).unwrap_or("aws")
    }
}

impl Account {
    /// Finds credentials and asks STS whose they are.
    ///
    /// # Errors
    /// When there are none, AWS does not take them, or can't be reached.
    pub fn connect(identity: &Identity) -> Result<Self, NoAccount> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| NoAccount(format!("starting to talk to the network failed: {error}")))?;
        let client = runtime.block_on(connect::connect(identity))?;
        Ok(Self { client, runtime: Arc::new(runtime) })
    }

    /// Whom AWS takes us for.
    pub fn caller(&self) -> &Caller {
        &self.client.caller
    }

    /// The accounts of the organization (`organizations:ListAccounts`).
    ///
    /// # Errors
    /// When that could not be learnt.
    pub fn organization(&self) -> Result<Vec<Member>, Gap> {
        self.wait(|client| async move { client.organization_accounts().await })
    }

    /// The same as somebody else: assumes the role of that name in another account of the organization. Calls are counted together.
    ///
    /// # Errors
    /// When the role can't be assumed.
    pub fn assume(&self, account: AccountId, role: &str) -> Result<Self, Gap> {
        let client = self.wait(|client| async move { connect::neighbour(&client, account, role).await })?;
        Ok(Self { client, runtime: self.runtime.clone() })
    }

    /// The account of an id that does not spell it (`sts:GetAccessKeyInfo`; the account's owner does not see it).
    ///
    /// # Errors
    /// When STS does not know, or may not be asked.
    pub fn account_of(&self, id: AccessKeyId) -> Result<AccountId, Gap> {
        self.wait(|client| async move { client.account_of(id).await })
    }

    /// What the account says of these credentials: their keys, users, the users' other keys, quarantine, the credential report. By the
    /// route that costs fewer calls: key by key, or all keys of all users. What can't be learnt is told in the inventory.
    pub fn inventory(&self, names: &[Name]) -> Inventory {
        self.wait(|client| async move { inventory::take(&client, names, now()).await })
    }

    /// All access keys of all users, and the credential report.
    ///
    /// # Errors
    /// When not all could be listed: an inventory with holes would pass for one without.
    pub fn every_key(&self) -> Result<Inventory, Gap> {
        self.wait(|client| async move { inventory::take_all(&client, now()).await })
    }

    /// What else a user holds: path, password, service-specific credentials, quarantine.
    pub fn user(&self, name: &str) -> UserRecord {
        self.wait(|client| async move { client.user(name).await })
    }

    /// Signs `GetCallerIdentity` with each found pair in turn until one works, with more than five seconds between two of one id. The only call that
    /// is ever signed with what was found; the owner sees it in CloudTrail. Never for a canary's id.
    pub fn verify(&self, id: AccessKeyId, secrets: &[Secret], session_token: Option<&Secret>) -> Verified {
        self.wait(|client| async move { verify::verify(&client, id, secrets, session_token).await })
    }

    /// How often each operation was called so far, repeated attempts included, by names such as `iam:ListAccessKeys`.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.client.calls.so_far()
    }

    /// What time it is to AWS, in seconds since 1970: the clock of this machine may be wrong.
    pub fn time(&self) -> i64 {
        now().saturating_add(self.client.calls.ahead())
    }

    /// Waits for the answer to one question.
    fn wait<F: Future>(&self, question: impl FnOnce(Client) -> F) -> F::Output {
        self.runtime.block_on(question(self.client.afresh()))
    }
}

impl Switch for Account {
    fn read(&self, target: &Target) -> Result<Position, Fault> {
        self.wait(|client| async move { switch::read(&client, target).await })
    }

    fn set(&self, target: &Target, to: Position) -> Result<(), Fault> {
        self.wait(|client| async move { switch::set(&client, target, to).await })
    }
}

/// In seconds since 1970: an answer is dated when it comes, wherever it is read.
#[expect(clippy::disallowed_methods, reason = "what an account says is dated by who hears it")]
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(arn: &str) -> Caller {
        Caller {
            account: AccountId::parse("111122223333").unwrap(),
            arn: arn.to_owned(),
            access_key_ids: BTreeSet::new(),
        }
    }

    #[test]
    fn a_caller_is_a_user_or_none() {
        for (arn, name) in [
            ("arn:aws:iam::111122223333:user/alice", Some("alice")),
            ("arn:aws:iam::111122223333:user/a/b/alice", Some("alice")),
            ("arn:aws:iam::111122223333:root", None),
            ("arn:aws:sts::111122223333:assumed-role/user/alice", None),
        ] {
            assert_eq!(caller(arn).user_name(), name, "{arn}");
        }
        assert_eq!(caller("arn:aws-cn:iam::111122223333:root").partition(), "aws-cn");
        assert_eq!(caller("nonsense").partition(), "aws");
    }
}
