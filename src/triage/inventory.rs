//! What accounts say of their credentials, or as much of it as was asked: plain data, filled by `aws` or from files.

use std::collections::{BTreeMap, BTreeSet};

use super::credential_report::{CredentialReport, Place, Row};
use super::lead::Name;
use crate::finding::accounts::Accounts;
use crate::key::{AccessKeyId, AccountId};

/// Everything that is known when credentials are judged.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    /// One's own accounts: the caller's, the organization's, those named.
    pub accounts: Accounts,
    /// What those accounts say that were asked.
    pub inventories: BTreeMap<AccountId, Inventory>,
    /// Accounts that are one's own and could not be asked.
    pub unasked: BTreeMap<AccountId, Gap>,
    /// The accounts of ids that don't spell them, as STS tells (`GetAccessKeyInfo`).
    pub owners: BTreeMap<AccessKeyId, AccountId>,
    /// Ids that don't spell their account, and why STS did not tell it either.
    pub ownerless: BTreeMap<AccessKeyId, Gap>,
    /// What signing a call with the found secret came to, where the user asked for that.
    pub verified: BTreeMap<AccessKeyId, Verified>,
}

/// What one account says of its credentials.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The account.
    pub account: AccountId,
    /// When it said so, in seconds since 1970. Of a file, when that was last written.
    pub as_of: i64,
    /// It was asked just now, and not read from a file.
    pub is_live: bool,
    /// Keys of users: those asked about and the others of their users, or all.
    pub keys: BTreeMap<AccessKeyId, KeyRecord>,
    /// Every key of every user is in `keys`: one that is not does not exist.
    pub is_complete: bool,
    /// Ids that the account says it has no key of.
    pub absent: BTreeSet<AccessKeyId>,
    /// Ids of which it could not be learnt, and why.
    pub gaps: BTreeMap<AccessKeyId, Gap>,
    /// Service-specific credentials, of the users asked about or of all, by alias (by id where they have none).
    pub service_credentials: BTreeMap<String, ServiceCredential>,
    /// Why not all of the aliases asked about could be looked up.
    pub service_gap: Option<Gap>,
    /// Users of whom more was asked, by name.
    pub users: BTreeMap<String, UserRecord>,
    /// How many access keys the root user holds (`AccountAccessKeysPresent`), if that was asked.
    pub root_keys: Option<u32>,
    /// The credential report, if there is one.
    pub report: Option<CredentialReport>,
    /// Evidence that is missing, and why; what is `active` does not depend on it.
    pub missing: Vec<Gap>,
}

/// A user's access key, as `ListAccessKeys` tells it.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKeyMetadata.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its id.
    pub id: AccessKeyId,
    /// The name of the user that it belongs to.
    pub user: String,
    /// Whether it works.
    pub status: KeyStatus,
    /// When it was created, in seconds since 1970.
    pub created: Option<i64>,
    /// When it was last used, as `GetAccessKeyLastUsed` tells it; `None` when that was not asked.
    pub last_used: Option<LastUsed>,
}

/// Whether a credential works.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKeyMetadata.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStatus {
    /// It does.
    Active,
    /// It is switched off, and can be switched on again.
    Inactive,
    /// Its time is over.
    Expired,
}

/// When a key was last used. AWS notes the first use in each quarter of an hour or so, and some minutes late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastUsed {
    /// Never, or before AWS began to note it (April 2015).
    Never,
    /// Some time.
    At {
        /// In seconds since 1970.
        at: i64,
        /// The service's namespace, such as `s3`, if it is told.
        service: Option<String>,
        /// The region, if it is told.
        region: Option<String>,
    },
}

/// The last use that is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted<'a> {
    /// The use.
    pub last: &'a LastUsed,
    /// Until when that is all, in seconds since 1970; `None` when nobody knows.
    pub until: Option<i64>,
    /// It is a credential report's word, and not IAM's own.
    pub by_report: bool,
}

/// A service-specific credential: a long-term API key of Bedrock, a password for CodeCommit or Keyspaces.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ServiceSpecificCredentialMetadata.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceCredential {
    /// Its id, such as `ACCA…`.
    pub id: String,
    /// The public part of it, if it has one.
    pub alias: Option<String>,
    /// The service, such as `bedrock.amazonaws.com`.
    pub service: String,
    /// The name of the user that it belongs to.
    pub user: String,
    /// Whether it works.
    pub status: KeyStatus,
    /// When it was created, in seconds since 1970.
    pub created: Option<i64>,
    /// When it expires, in seconds since 1970, if it does.
    pub expires: Option<i64>,
}

/// What is known of a user beside the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserRecord {
    /// The path, such as `/breakglass/`, if it was asked.
    pub path: Option<String>,
    /// The names of AWS's quarantine policies attached to the user. `None` when it could not be learnt.
    pub quarantined_by: Option<Vec<String>>,
    /// Whether the user has a password. `None` when it could not be learnt or was not asked.
    pub has_password: Option<bool>,
    /// Every service-specific credential of the user. `None` when it could not be learnt or was not asked.
    pub service_credentials: Option<Vec<ServiceCredential>>,
    /// What could not be learnt, and why.
    pub missing: Vec<Gap>,
}

/// Something that could not be learnt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// What was being done, to what, and why it failed; no sentence's end.
    pub why: String,
    /// The permission that is missing, such as `iam:ListAccessKeys`, when it is that.
    pub permission: Option<String>,
}

/// What a call signed with a found secret came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// It works; the ARN is that of its user.
    Works {
        /// As `GetCallerIdentity` tells it.
        arn: String,
        /// The account.
        account: Option<AccountId>,
    },
    /// AWS does not take it: it is inactive or deleted, or none of the secrets found is its own.
    Refused,
    /// It was not or could not be tried.
    Untried(Gap),
}

/// What an account says of one credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a, T> {
    /// It has it.
    Has(&'a T),
    /// It has no such credential.
    HasNot,
    /// It could not be learnt; `None`: nobody asked.
    Unknown(Option<&'a Gap>),
}

impl Knowledge {
    /// What is known of these credentials where nobody could be asked: what they spell themselves, and why there is no more.
    pub fn of_nobody(accounts: Accounts, names: &[Name], why: &Gap) -> Self {
        let mut knowledge = Self { accounts, ..Self::default() };
        for name in names {
            match (name, name.account()) {
                (_, Some(account)) => drop(knowledge.unasked.insert(account, why.clone())),
                (Name::AccessKey(id), None) => drop(knowledge.ownerless.insert(*id, why.clone())),
                (Name::ServiceCredential { .. } | Name::Nameless, None) => {}
            }
        }
        knowledge
    }
}

impl Inventory {
    /// An account of which nothing is known yet.
    pub fn new(account: AccountId, as_of: i64, is_live: bool) -> Self {
        Self {
            account,
            as_of,
            is_live,
            keys: BTreeMap::new(),
            is_complete: false,
            absent: BTreeSet::new(),
            gaps: BTreeMap::new(),
            service_credentials: BTreeMap::new(),
            service_gap: None,
            users: BTreeMap::new(),
            root_keys: None,
            report: None,
            missing: Vec::new(),
        }
    }

    /// What it says of a user's key.
    pub fn key(&self, id: AccessKeyId) -> Answer<'_, KeyRecord> {
        match (self.keys.get(&id), self.gaps.get(&id)) {
            (Some(key), _) => Answer::Has(key),
            (None, Some(gap)) => Answer::Unknown(Some(gap)),
            (None, None) if self.is_complete || self.absent.contains(&id) => Answer::HasNot,
            (None, None) => Answer::Unknown(None),
        }
    }

    /// Where a key stands in the credential report, if there is one.
    pub fn place_of(&self, key: &KeyRecord) -> Option<(&CredentialReport, Place<'_>)> {
        self.report.as_ref().map(|report| (report, report.slot_of(key, self.as_of)))
    }

    /// The last use of a key: as IAM tells it, else the report; of both the later.
    pub fn last_use<'a>(&'a self, key: &'a KeyRecord) -> Option<Noted<'a>> {
        let reported = self.place_of(key).and_then(|(report, place)| Some((report, slot_use(place)?)));
        match (&key.last_used, reported) {
            (Some(LastUsed::Never), Some((report, last @ LastUsed::At { .. }))) | (None, Some((report, last))) => {
                Some(Noted { last, until: report.holds_until(), by_report: true })
            }
            (Some(last), _) => Some(Noted { last, until: Some(self.as_of), by_report: false }),
            (None, None) => None,
        }
    }

    /// Adds keys, in the place of what was known of the same.
    pub fn add_keys(&mut self, keys: Vec<KeyRecord>) {
        self.keys.extend(keys.into_iter().map(|key| (key.id, key)));
    }

    /// Adds service-specific credentials, in the place of what was known of the same.
    pub fn add_service_credentials(&mut self, credentials: Vec<ServiceCredential>) {
        let named = |one: ServiceCredential| (one.alias.clone().unwrap_or(one.id.clone()), one);
        self.service_credentials.extend(credentials.into_iter().map(named));
    }

    /// The other keys of the user that a key belongs to.
    pub fn other_keys<'a>(&'a self, key: &'a KeyRecord) -> impl Iterator<Item = &'a KeyRecord> {
        self.keys.values().filter(|other| other.user == key.user && other.id != key.id)
    }
}

/// When the key was last used by the report. Of two slots that can't be told apart, if they say the same.
fn slot_use(place: Place<'_>) -> Option<&LastUsed> {
    match place {
        Place::Slot(number, row) => row.slot(number).map(|slot| &slot.last_used),
        Place::Either(Row { slots: [one, other], .. }) if one.last_used == other.last_used => Some(&one.last_used),
        _ => None,
    }
}

impl Gap {
    /// Why, with the permission by name; no sentence's end.
    pub fn told(&self) -> String {
        match &self.permission {
            Some(permission) if !self.why.contains(permission.as_str()) => {
                format!("{} ({permission} is needed)", self.why)
            }
            _ => self.why.clone(),
        }
    }
}

impl KeyStatus {
    /// As AWS writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Inactive => "Inactive",
            Self::Expired => "Expired",
        }
    }

    /// From what AWS writes, whatever the case; `None` for what it never wrote so far.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Inactive, Self::Expired]
            .into_iter()
            .find(|status| status.name().eq_ignore_ascii_case(text))
    }
}
