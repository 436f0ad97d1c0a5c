//! The fuse box: switches credentials off, and on again. A [`plan::Plan`] says what would be done and what is refused; once it is approved,
//! [`run`] goes through its steps, and writes each into a [`journal`] before and after.
//!
//! The room does not decide whether it may act: whoever calls it has an approved plan in hand. How AWS is talked to is `aws`'s business,
//! which has a [`Switch`].

use std::fmt;

use crate::key::{AccessKeyId, AccountId};

pub mod journal;
pub mod plan;
pub mod policies;
pub mod protect;
pub mod run;
pub mod sessions;
pub mod undo;
pub mod wanted;

/// One thing to be switched, from how it was seen to how it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What is switched.
    pub target: Target,
    /// How it stood when the plan was made. Where it stands otherwise later, it is left alone.
    pub from: Position,
    /// How it is to stand.
    pub to: Position,
}

/// One thing that can be switched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The account that it is in.
    pub account: AccountId,
    /// The name of the user that it belongs to.
    pub user: String,
    /// What of that user.
    pub subject: Subject,
}

/// What of a user is switched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An access key, by `UpdateAccessKey`.
    AccessKey(AccessKeyId),
    /// A service-specific credential, by `UpdateServiceSpecificCredential`.
    ServiceCredential {
        /// Its id.
        id: String,
    },
    /// The sessions that were issued before a moment, by an inline policy that denies everything to them.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html>
    Sessions {
        /// The name of the inline policy.
        policy: String,
        /// The moment, in seconds since 1970.
        issued_before: i64,
    },
}

/// How a switch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The credential is `Active`; sessions are not denied.
    On,
    /// It is `Inactive`; sessions are denied by exactly the policy that keysweep writes.
    Off,
    /// It has expired: nothing to switch any more.
    Expired,
    /// It does not exist, or its user does not.
    Gone,
    /// A policy of that name says something else, which is nobody's business here.
    Other,
}

/// What can be switched, and read again after. One account's; `aws` has it, tests have others.
pub trait Switch {
    /// How it stands now. May be asked again and again.
    ///
    /// # Errors
    /// When it could not be learnt.
    fn read(&self, target: &Target) -> Result<Position, Fault>;

    /// Switches it to `On` or `Off`: one attempt, never a second.
    ///
    /// # Errors
    /// When it is not certain that it was done; [`Fault::effect`] tells whether it may have been.
    fn set(&self, target: &Target, to: Position) -> Result<(), Fault>;
}

/// Why something could not be read or switched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Fault {
    /// What was being done, to what, why it failed, and what to try.
    pub why: String,
    /// Whether it may have been done all the same.
    pub effect: Effect,
    /// The permission that is missing, when it is that.
    pub permission: Option<String>,
    /// It has nothing to do with what was asked for: whatever is asked next would hardly fare better.
    pub is_everybodys: bool,
}

/// What a failed call has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: AWS said no, or was never reached.
    None,
    /// It may have been done: the answer was lost, cut short or late.
    Unknown,
}

impl Position {
    /// As it is written in journals.
    pub fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Expired => "expired",
            Self::Gone => "gone",
            Self::Other => "other",
        }
    }

    /// From what journals say.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::On, Self::Off, Self::Expired, Self::Gone, Self::Other]
            .into_iter()
            .find(|position| position.name() == name)
    }
}

impl Subject {
    /// What it is called in lists: the id, or that it is the sessions.
    pub fn called(&self) -> &str {
        match self {
            Self::AccessKey(id) => id.as_str(),
            Self::ServiceCredential { id } => id,
            Self::Sessions { .. } => "sessions",
        }
    }

    /// How it stands, in words.
    pub fn stands(&self, position: Position) -> &'static str {
        match (self, position) {
            (Self::Sessions { .. }, Position::On) => "not denied",
            (Self::Sessions { .. }, Position::Off) => "denied",
            (Self::Sessions { .. }, Position::Other) => "under a policy of that name that says something else",
            (_, Position::On) => "active",
            (_, Position::Off) => "inactive",
            (_, Position::Expired) => "expired",
            (_, Position::Gone) => "gone",
            (_, Position::Other) => "something else",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, user, subject } = self;
        match subject {
            Subject::AccessKey(id) => write!(f, "access key {id} of user {user} in {account}"),
            Subject::ServiceCredential { id } => write!(f, "service credential {id} of user {user} in {account}"),
            Subject::Sessions { .. } => write!(f, "sessions of user {user} in {account}"),
        }
    }
}
