//! What triage is asked about: a leaked credential with nothing of it that could be used.

use crate::key::{AccessKeyId, AccountId};

/// A leaked credential, as far as its owner's side is asked about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    /// What the owner's side knows it by.
    pub name: Name,
    /// When it was first seen where it should not be, in seconds since 1970: the date of the earliest commit or object that has it.
    /// `None` where no place has a date.
    pub exposed: Option<i64>,
}

/// What the owner's side knows a credential by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// An access key, long-term or temporary.
    AccessKey(AccessKeyId),
    /// A long-term API key of Bedrock (`ABSK…`), a service-specific credential: the public part of it, which IAM calls its alias, as in
    /// `BedrockAPIKey-q7xz-at-111122223333`.
    /// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ServiceSpecificCredentialMetadata.html>
    ServiceCredential {
        /// The alias. `None` when only a redacted report is at hand that does not tell it.
        alias: Option<String>,
        /// The account that it names.
        account: Option<AccountId>,
    },
    /// Nothing that IAM could be asked about: a secret alone, a file, what somebody else issued.
    Nameless,
}

impl Name {
    /// The account that it spells, without asking anybody.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::AccessKey(id) => id.account(),
            Self::ServiceCredential { account, .. } => *account,
            Self::Nameless => None,
        }
    }
}
