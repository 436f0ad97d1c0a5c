//! What would be switched off, what is refused and what is off already: data, to be looked at and approved before anything is done. Pure:
//! how credentials stand was asked before, and the time is an argument.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::protect::Protect;
use super::wanted::Wanted;
use super::{Change, Position, Subject, Target, sessions};
use crate::key::{AccessKeyId, AccountId};
use crate::triage::inventory::UserRecord;
use crate::triage::verdict::{Status, Verdict};

mod refuse;
mod words;

/// What would be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What would be switched, in this order.
    pub steps: Vec<Step>,
    /// What is not, although it was asked for.
    pub refusals: Vec<Refusal>,
    /// What stands already as it is to stand, in words.
    pub done: Vec<String>,
    /// What is to be known of all of it, a sentence each.
    pub notes: Vec<String>,
}

/// One change, and what is to be known before it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub change: Change,
    /// When it was last used and what that means, a sentence; empty where that does not matter.
    pub last_use: String,
    /// What else its user holds, a phrase each.
    pub holdings: Vec<String>,
    /// What could go wrong, a sentence each.
    pub warnings: Vec<String>,
}

/// Something that is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was asked for: an id, or the sessions of a user.
    pub called: String,
    /// Why, in a word.
    pub reason: Reason,
    /// Why, and what to do instead.
    pub why: String,
}

/// Why something is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It belongs to somebody else's account.
    Foreign,
    /// It was laid out as a trap.
    Canary,
    /// It belongs to the root user, or may do so.
    Root,
    /// It is a session's, which expires by itself.
    Temporary,
    /// It does not exist any more.
    Deleted,
    /// Its time is over.
    Expired,
    /// Calls are signed with it.
    OwnKey,
    /// Its user is protected, or may be.
    Protected,
    /// Not enough is known of it.
    Unknown,
    /// It stands otherwise than expected, which is nobody's business here.
    Changed,
}

/// Who is about to act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The ARN of the user or of the role's session.
    pub arn: String,
    /// The access keys that calls are signed with, those that a role was assumed with among them.
    pub access_key_ids: BTreeSet<AccessKeyId>,
    /// The accounts in which something can be done.
    pub accounts: BTreeSet<AccountId>,
}

/// A credential that is to be switched off, and what is known of it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What was asked for.
    pub wanted: Wanted,
    /// What triage says of it now.
    pub verdict: Verdict,
    /// What else its user holds.
    pub holder: UserRecord,
}

/// How it is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Users that are left alone.
    pub protect: &'a Protect,
    /// Who acts.
    pub actor: &'a Actor,
    /// Sessions minted from the keys are denied too.
    pub revoke_sessions: bool,
    /// What time it is, in seconds since 1970.
    pub now: i64,
}

impl Plan {
    /// What would be done to switch these off.
    pub fn new(candidates: &[Candidate], terms: Terms<'_>) -> Self {
        let mut plan = Self::default();
        let mut known = BTreeSet::new();
        let mut revoked = Vec::new();
        for candidate in candidates.iter().filter(|candidate| known.insert(&candidate.wanted)) {
            match refuse::target(candidate, terms) {
                Err(refusal) => plan.refusals.push(refusal),
                Ok(target) => {
                    plan.place(candidate, &target, terms.now);
                    if matches!(target.subject, Subject::AccessKey(_)) {
                        revoked.push(target);
                    }
                }
            }
        }
        words::of_the_whole(&mut plan, candidates, terms);
        if terms.revoke_sessions {
            plan.revoke(revoked, terms);
        }
        plan
    }

    /// Puts a credential that may be switched off where it belongs.
    fn place(&mut self, candidate: &Candidate, target: &Target, now: i64) {
        if candidate.verdict.status == Status::Inactive {
            self.done.push(format!("{target} is inactive already"));
            return;
        }
        self.steps.push(Step {
            change: Change { target: target.clone(), from: Position::On, to: Position::Off },
            last_use: words::last_use(candidate, now),
            holdings: words::holdings(candidate),
            warnings: words::warnings(candidate),
        });
    }

    /// Adds the sessions of the users whose keys these are, once for each user and behind all keys: as long as a key is active, new
    /// sessions are minted from it. A key that is inactive already may have left sessions too.
    fn revoke(&mut self, keys: Vec<Target>, terms: Terms<'_>) {
        let mut users = BTreeSet::new();
        let steps = self.steps.len();
        for Target { account, user, .. } in keys {
            if !users.insert((account, user.clone())) {
                continue;
            }
            match refuse::sessions(account, &user, terms) {
                Some(refusal) => self.refusals.push(refusal),
                None => self.steps.push(Step {
                    change: Change {
                        target: Target {
                            account,
                            user,
                            subject: sessions::subject(terms.now + sessions::margin(steps)),
                        },
                        from: Position::On,
                        to: Position::Off,
                    },
                    last_use: String::new(),
                    holdings: Vec::new(),
                    warnings: words::of_sessions(sessions::margin(steps)),
                }),
            }
        }
    }

    /// The same, with sessions denied that were issued up to now: between a plan and its approval more may have been minted.
    #[must_use]
    pub fn as_of(mut self, now: i64) -> Self {
        let issued_before = now + sessions::margin(self.steps.len());
        for step in &mut self.steps {
            if let (Subject::Sessions { .. }, Position::Off) = (&step.change.target.subject, step.change.to) {
                step.change.target.subject = sessions::subject(issued_before);
            }
        }
        self
    }

    /// What would be done, and nothing of why.
    pub fn changes(&self) -> Vec<Change> {
        self.steps.iter().map(|step| step.change.clone()).collect()
    }

    /// Six characters for what would be done: the same for the same, others when anything else would be done. Up to when sessions are
    /// denied makes no difference, since that is decided when the plan is approved.
    pub fn code(&self) -> String {
        code(&self.changes())
    }
}

/// The code of changes, whatever their order.
pub(super) fn code(changes: &[Change]) -> String {
    let mut all: Vec<String> = changes
        .iter()
        .map(|Change { target: Target { account, user, subject }, from, to }| {
            let kind = match subject {
                Subject::AccessKey(_) => "access key",
                Subject::ServiceCredential { .. } => "service credential",
                Subject::Sessions { .. } => "sessions",
            };
            // No name of a user and no id has a line end in it, and if one had: quotes keep fields apart.
            format!("{account} {user:?} {kind} {:?} {} {}", subject.called(), from.name(), to.name())
        })
        .collect();
    all.sort();
    let hash = Sha256::digest(all.join("\n"));
    // Without 0, 1, I and O, which look like each other.
    const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    hash[..6].iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

impl Actor {
    /// Calls are signed with it.
    pub fn signs_with(&self, subject: &Subject) -> bool {
        matches!(subject, Subject::AccessKey(id) if self.access_key_ids.contains(id))
    }

    /// Why whoever acts would be cut off by a change, if so.
    pub fn is_cut_off_by(&self, change: &Change) -> Option<&'static str> {
        let Target { account, user, subject } = &change.target;
        match (subject, change.to) {
            (subject, _) if self.signs_with(subject) => Some(refuse::SIGNING_KEY),
            (Subject::Sessions { .. }, Position::Off) if refuse::is_user(&self.arn, *account, user) => {
                Some(refuse::OWN_SESSIONS)
            }
            _ => None,
        }
    }
}

impl Reason {
    /// As it is written in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Canary => "canary",
            Self::Root => "root",
            Self::Temporary => "temporary",
            Self::Deleted => "deleted",
            Self::Expired => "expired",
            Self::OwnKey => "own key",
            Self::Protected => "protected",
            Self::Unknown => "unknown",
            Self::Changed => "changed",
        }
    }
}

#[cfg(test)]
mod tests;
