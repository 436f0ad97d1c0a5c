//! What triage comes to. The words for it are the reports'.

use super::inventory::{Gap, LastUsed};
use crate::key::{AccessKeyId, AccountId};

/// What is known of a leaked credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The gist of it.
    pub status: Status,
    /// The account that it belongs to.
    pub account: Option<AccountId>,
    /// The name of the user that it belongs to.
    pub user: Option<String>,
    /// The id of a service-specific credential, by which it is switched off.
    pub service_credential_id: Option<String>,
    /// When it was created, in seconds since 1970.
    pub created: Option<i64>,
    /// When it was last used, if that is known.
    pub last_used: Option<LastUsed>,
    /// When it was first seen where it should not be, in seconds since 1970.
    pub exposed: Option<i64>,
    /// Whether it was used after that; `None` when one of the two moments is not known.
    pub used_since_exposed: Option<bool>,
    /// Of a session: it was seen so long ago that it has expired since.
    pub is_over: bool,
    /// AWS's quarantine policies on its user.
    pub quarantined_by: Vec<String>,
    /// The other access keys of its user, and whether they are active.
    pub other_keys: Vec<(AccessKeyId, bool)>,
    /// The credential report that was consulted.
    pub report: Option<ReportEvidence>,
    /// Why the status is `Unknown`, or what else could not be learnt.
    pub gaps: Vec<Gap>,
    /// What the verdict rests on, and what follows from it, a sentence each; the most telling first.
    pub evidence: Vec<String>,
}

/// The gist of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// It works now.
    Active,
    /// It belongs to the root user, or can belong to nobody else any more.
    Root,
    /// It is a session's, which expires by itself and can't be looked up.
    Temporary,
    /// It could not be learnt.
    Unknown,
    /// It is switched off, and can be switched on again.
    Inactive,
    /// Its time is over.
    Expired,
    /// Its account has no such credential any more.
    Deleted,
    /// It belongs to an account that is none of one's own.
    Foreign,
    /// It was laid out as a trap.
    Canary,
}

/// Where in a credential report a key stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportEvidence {
    /// When AWS made it, in seconds since 1970. Of a file: at the latest, when it was last written.
    pub generated: i64,
    /// AWS said when; else it is the file's own date.
    pub is_exact: bool,
    /// Slot 1 or 2 of the user's row; `None` when none or both have the key's date.
    pub slot: Option<u8>,
    /// Whether the user has a second factor.
    pub mfa: Option<bool>,
    /// Whether the user has a password.
    pub has_password: Option<bool>,
}

impl Status {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 9] = [
        Self::Active,
        Self::Root,
        Self::Temporary,
        Self::Unknown,
        Self::Inactive,
        Self::Expired,
        Self::Deleted,
        Self::Foreign,
        Self::Canary,
    ];

    /// As it is written in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Root => "root",
            Self::Temporary => "temporary",
            Self::Unknown => "unknown",
            Self::Inactive => "inactive",
            Self::Expired => "expired",
            Self::Deleted => "deleted",
            Self::Foreign => "foreign",
            Self::Canary => "canary",
        }
    }
}

impl Verdict {
    /// Of which nothing but the gist is known.
    pub fn new(status: Status) -> Self {
        Self {
            status,
            account: None,
            user: None,
            service_credential_id: None,
            created: None,
            last_used: None,
            exposed: None,
            used_since_exposed: None,
            is_over: false,
            quarantined_by: Vec::new(),
            other_keys: Vec::new(),
            report: None,
            gaps: Vec::new(),
            evidence: Vec::new(),
        }
    }

    /// Whether it works could not be learnt, though there was something to ask about: the first gap says why.
    pub fn is_unlearnt(&self) -> bool {
        self.status == Status::Unknown && !self.gaps.is_empty()
    }

    /// Whoever has it can use it, or may well be able to: it fails a scan even when it is suppressed.
    pub fn is_live(&self) -> bool {
        match self.status {
            Status::Active | Status::Root => true,
            Status::Temporary => !self.is_over,
            _ => false,
        }
    }
}
