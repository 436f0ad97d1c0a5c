//! From what is known to a verdict. A verdict rests on what IAM says of a credential now, or said when a dump was written; a credential
//! report is evidence beside it, and alone calls nothing stale. Sentences are for somebody who is woken by them: what is so, how it is
//! known, what follows.

use super::inventory::{Answer, Gap, Inventory, Knowledge, Noted, Verified};
use super::lead::{Lead, Name};
use super::moment::{HOUR, ago, told};
use super::verdict::{Status, Verdict};
use crate::finding::accounts::Standing;
use crate::key::{AccessKeyId, AccountId, KeyKind};

mod absent;
mod held;
mod service;
#[cfg(test)]
mod tests;
mod usage;

/// No session lasts longer: that of `GetSessionToken` and `GetFederationToken`, 36 hours.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html>
const LONGEST_SESSION: i64 = 36 * HOUR;

/// Judges one credential by what is known at `now`, in seconds since 1970.
pub fn judge(lead: &Lead, knowledge: &Knowledge, now: i64) -> Verdict {
    let case = Case { exposed: lead.exposed, knowledge, now };
    let mut verdict = match &lead.name {
        Name::AccessKey(id) => case.access_key(*id),
        Name::ServiceCredential { alias, account } => case.service_credential(alias.as_deref(), *account),
        Name::Nameless => nameless(),
    };
    verdict.exposed = lead.exposed;
    // The first of what is unknown is told already: it is the reason.
    let reasons = usize::from(verdict.status == Status::Unknown);
    let missing = verdict.gaps.iter().skip(reasons);
    verdict.evidence.extend(missing.map(|gap| format!("Not known: {}.", gap.told())));
    verdict
}

/// What every step of a judgement goes by.
#[derive(Clone, Copy)]
struct Case<'a> {
    exposed: Option<i64>,
    knowledge: &'a Knowledge,
    now: i64,
}

/// Nothing failed to be learnt: there is nothing to ask about.
fn nameless() -> Verdict {
    let evidence =
        "It has no access key id and is no key of Bedrock: there is nothing by which IAM could be asked about it.";
    Verdict { evidence: vec![evidence.to_owned()], ..Verdict::new(Status::Unknown) }
}

/// How the sentence begins that gives the reason.
const NOT_KNOWN: &str = "Whether it works is not known";

/// What could not be learnt, and so what the status is.
fn unknown(gap: Gap) -> Verdict {
    let evidence = vec![format!("{NOT_KNOWN}: {}.", gap.told())];
    Verdict { gaps: vec![gap], evidence, ..Verdict::new(Status::Unknown) }
}

fn gap(why: String) -> Gap {
    Gap { why, permission: None }
}

impl<'a> Case<'a> {
    fn access_key(&self, id: AccessKeyId) -> Verdict {
        let account = self.account(id);
        if let Some(account) = account.filter(AccountId::is_canary) {
            return canary(account, id.account().is_none());
        }
        let mut verdict = self.unverified(id, account);
        verdict.account = account;
        self.verify(id, &mut verdict);
        verdict
    }

    /// Without what a call signed with the found secret has told.
    fn unverified(&self, id: AccessKeyId, account: Option<AccountId>) -> Verdict {
        match account.map(|account| (account, self.standing(account))) {
            Some((account, Standing::Foreign)) => {
                let is_tried = self.knowledge.verified.contains_key(&id);
                self.foreign(account, id.account().is_none(), is_tried)
            }
            _ if id.kind() == KeyKind::Temporary => self.session(account),
            None => self.ownerless(id),
            Some((account, standing)) => match self.knowledge.inventories.get(&account) {
                Some(inventory) => self.looked_up(id, inventory),
                None => unknown(self.unasked(account, standing)),
            },
        }
    }

    /// The account that has a key: as its id spells it, as STS tells, or because it says so itself.
    fn account(&self, id: AccessKeyId) -> Option<AccountId> {
        let Knowledge { owners, inventories, .. } = self.knowledge;
        let holder = || inventories.values().find(|inventory| inventory.keys.contains_key(&id));
        id.account().or_else(|| owners.get(&id).copied()).or_else(|| Some(holder()?.account))
    }

    /// Whoever can look into an account has it.
    fn standing(&self, account: AccountId) -> Standing {
        match self.knowledge.accounts.standing(account) {
            Standing::Canary => Standing::Canary,
            _ if self.knowledge.inventories.contains_key(&account) => Standing::Ours,
            standing => standing,
        }
    }

    fn looked_up(&self, id: AccessKeyId, inventory: &'a Inventory) -> Verdict {
        match inventory.key(id) {
            Answer::Has(key) => self.held(key, inventory),
            Answer::HasNot if !id.is_users() => unknown(gap(format!(
                "IAM lists the access keys of users, AKIA…, and this is an id of another kind: of a service-specific credential, ACCA…, or a \
                 token of a service, ABIA…; see the security credentials of the users of account {}",
                inventory.account
            ))),
            Answer::HasNot => self.absent(inventory),
            Answer::Unknown(why) => self.unanswered(why, inventory),
        }
    }

    fn foreign(&self, account: AccountId, is_told: bool, is_tried: bool) -> Verdict {
        let source = if is_told { "STS says so" } else { "its id says so" };
        let asked = if is_told || is_tried { "" } else { "Nobody was asked about it. " };
        let evidence = format!(
            "It belongs to account {account}, which is none of yours ({source}). {asked}If it is one of yours after all, give --account or \
             --organization. Otherwise only its owner can switch it off, and AWS takes reports of it."
        );
        Verdict { evidence: vec![evidence], account: Some(account), ..Verdict::new(Status::Foreign) }
    }

    fn session(&self, account: Option<AccountId>) -> Verdict {
        let of = account.map_or(String::new(), |account| format!(" of account {account}"));
        let age = self.exposed.map(|exposed| self.now - exposed);
        let is_over = age.is_some_and(|age| age > LONGEST_SESSION);
        let mut evidence = Vec::new();
        if let Some(exposed) = self.exposed.filter(|_| is_over) {
            evidence.push(format!(
                "It is a session's key{of}, and stood here on {} already. Sessions last 36 hours at most: it has expired, if that date is right.",
                ago(exposed, self.now)
            ));
        } else {
            evidence.push(format!(
                "It is a session's key{of}: it expires by itself, 36 hours after it was issued at most. It can't be looked up or switched off."
            ));
            evidence.push(
                "To end it now, revoke the sessions of the role that issued it: \"Revoke sessions\" on the role's page in IAM, or an inline policy \
                 that denies everything where aws:TokenIssueTime is before now. CloudTrail tells by the id which role that is."
                    .to_owned(),
            );
        }
        Verdict { evidence, is_over, account, ..Verdict::new(Status::Temporary) }
    }

    /// The id spells no account, STS does not tell it, and nobody who was asked has it.
    fn ownerless(&self, id: AccessKeyId) -> Verdict {
        let asked = match self.knowledge.inventories.len() {
            0 => "no account was asked",
            _ => "no account that was asked has it",
        };
        let why = "ids from before 2019 don't tell their account";
        unknown(match self.knowledge.ownerless.get(&id) {
            Some(told) => Gap { why: format!("{why}, {asked}, and {}", told.why), ..told.clone() },
            None => gap(format!("{why}, and {asked}")),
        })
    }

    /// Why nothing is known of an account.
    fn unasked(&self, account: AccountId, standing: Standing) -> Gap {
        match (self.knowledge.unasked.get(&account), standing) {
            (Some(told), _) => {
                Gap { why: format!("account {account} could not be asked: {}", told.why), ..told.clone() }
            }
            (None, Standing::Unknown) => gap(format!(
                "it belongs to account {account}, which was not asked; whether that is one of yours is not known"
            )),
            (None, _) => gap(format!("it belongs to account {account}, which was not asked")),
        }
    }

    /// The account was asked, and yet it is not known.
    fn unanswered(&self, why: Option<&Gap>, inventory: &Inventory) -> Verdict {
        let mut verdict = match (why, &inventory.report) {
            (Some(why), _) => unknown(why.clone()),
            (None, Some(_)) if inventory.keys.is_empty() && !inventory.is_live => unknown(gap(format!(
                "a credential report of account {} is all there is, and reports name no key ids",
                inventory.account
            ))),
            (None, Some(_)) => unknown(gap(format!(
                "the dump has no such key, and not every key that users of account {} have by the credential report is in it",
                inventory.account
            ))),
            (None, None) if !inventory.is_live => unknown(gap(format!(
                "the dump has no such key, and whether it has all keys of account {} is not known without a credential report",
                inventory.account
            ))),
            (None, None) => unknown(gap(format!("account {} was not asked about it", inventory.account))),
        };
        verdict.evidence.extend(self.active_by_report(inventory));
        verdict
    }

    /// What a report tells of a key of which nothing else is known.
    fn active_by_report(&self, inventory: &Inventory) -> Option<String> {
        let report = inventory.report.as_ref()?;
        let root =
            if report.root.as_ref().is_some_and(|root| root.has_active_key()) { " and the root user" } else { "" };
        let made = report.made(self.now);
        Some(match report.active_keys() {
            0 if root.is_empty() => {
                format!(
                    "By the report, {made}, no key of the account was active; one may have been switched on or created since."
                )
            }
            count => format!(
                "By the report, {made}, users held {count} active {}{root}: it may be one of those.",
                if count == 1 { "key" } else { "keys" }
            ),
        })
    }

    /// What signing a call with it has told, which nothing else outweighs.
    fn verify(&self, id: AccessKeyId, verdict: &mut Verdict) {
        match self.knowledge.verified.get(&id) {
            None => {}
            Some(Verified::Untried(gap)) => verdict.gaps.push(gap.clone()),
            Some(Verified::Refused) => verdict.evidence.push(
                "A call signed with it was refused: it is inactive or deleted, or none of the secrets found is its own.".to_owned(),
            ),
            Some(Verified::Works { arn, account }) => {
                verdict.account = account.or(verdict.account);
                verdict.user = verdict.user.take().or_else(|| user_of(arn));
                verdict.is_over = false;
                let is_session = id.kind() == KeyKind::Temporary;
                // Now it is known, though not by the account.
                verdict.evidence.retain(|sentence| !sentence.starts_with(NOT_KNOWN));
                let contradicts = matches!(verdict.status, Status::Inactive | Status::Expired | Status::Deleted);
                verdict.status = match verdict.status {
                    _ if arn.ends_with(":root") => Status::Root,
                    Status::Unknown | Status::Foreign | Status::Temporary if is_session => Status::Temporary,
                    _ => Status::Active,
                };
                let but = if contradicts { " What else is said of it is older or wrong:" } else { "" };
                verdict.evidence.insert(0, format!("It works: AWS took a call that was signed with it, as {arn}.{but}"));
            }
        }
    }

    /// Whether a credential was used since it was exposed, into the verdict.
    fn used_since(&self, noted: &Noted<'_>, verdict: &mut Verdict) {
        let (since, sentence) = noted.since(self.exposed, self.now);
        verdict.used_since_exposed = since;
        verdict.evidence.extend(sentence);
    }
}

/// `is_told`: by STS, and not by its id.
fn canary(account: AccountId, is_told: bool) -> Verdict {
    let asked = if is_told { "STS alone told that, which alarms nobody." } else { "Nobody was asked about it." };
    let evidence = format!(
        "It is a trap: account {account} belongs to a maker of canary tokens, and every call signed with it raises an alarm. {asked}"
    );
    Verdict { evidence: vec![evidence], account: Some(account), ..Verdict::new(Status::Canary) }
}

/// The name in `arn:aws:iam::111122223333:user/path/name`.
fn user_of(arn: &str) -> Option<String> {
    let (_, path) = arn.split_once(":user/")?;
    path.rsplit('/').next().map(str::to_owned)
}

/// How the account says what it says: asked now, or read from a file.
fn said(inventory: &Inventory, now: i64) -> String {
    if inventory.is_live { "IAM says".to_owned() } else { format!("The dump of {} says", ago(inventory.as_of, now)) }
}

/// `on 2026-11-30 16:05 UTC`.
fn on(at: i64) -> String {
    format!("on {}", told(at))
}
