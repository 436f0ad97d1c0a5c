//! Keys that a user of the account has.

use super::{Case, said, usage};
use crate::triage::credential_report::{CredentialReport, Place, Row};
use crate::triage::inventory::{Inventory, KeyRecord, KeyStatus};
use crate::triage::moment::ago;
use crate::triage::verdict::{ReportEvidence, Status, Verdict};

impl Case<'_> {
    /// Of a key that is there.
    pub(super) fn held(&self, key: &KeyRecord, inventory: &Inventory) -> Verdict {
        let mut verdict = Verdict {
            user: Some(key.user.clone()),
            created: key.created,
            gaps: inventory.missing.clone(),
            evidence: vec![self.status(key, inventory)],
            other_keys: inventory.other_keys(key).map(|other| (other.id, other.status == KeyStatus::Active)).collect(),
            ..Verdict::new(status(key.status))
        };
        self.last_use(key, inventory, &mut verdict);
        quarantine(key, inventory, &mut verdict);
        if let Some(created) = key.created {
            verdict.evidence.push(format!("It was created on {}.", ago(created, self.now)));
        }
        for (id, is_active) in &verdict.other_keys {
            let state = if *is_active { "active" } else { "not active" };
            verdict.evidence.push(format!("Its user {} has another key, {id}, which is {state}.", key.user));
        }
        if let Some((report, place)) = inventory.place_of(key) {
            let (evidence, sentence) = self.row(report, place, key);
            verdict.report = Some(evidence);
            verdict.evidence.push(sentence);
        }
        verdict
    }

    fn status(&self, key: &KeyRecord, inventory: &Inventory) -> String {
        let said = said(inventory, self.now);
        let of = format!("user {} of account {}", key.user, inventory.account);
        let since = if inventory.is_live { "" } else { " It may have been switched since." };
        match key.status {
            KeyStatus::Active => format!("{said} Active: who has its secret can act as {of}.{since}"),
            KeyStatus::Inactive => {
                format!("{said} Inactive: it does not work, and {of} can have it switched on again.{since}")
            }
            KeyStatus::Expired => format!("{said} Expired: it does not work. It was one of {of}."),
        }
    }

    fn last_use(&self, key: &KeyRecord, inventory: &Inventory, verdict: &mut Verdict) {
        let Some(noted) = inventory.last_use(key) else {
            verdict.evidence.push("When it was last used is not known.".to_owned());
            return;
        };
        self.used_since(&noted, verdict);
        let by = if noted.by_report { "By the report it" } else { "It" };
        verdict.evidence.push(match usage::words(noted.last, self.now) {
            Some(words) => format!("{by} was last used {words}."),
            None if noted.by_report => "By the report it had never been used.".to_owned(),
            None => "It has never been used, as far as IAM has noted.".to_owned(),
        });
        verdict.last_used = Some(noted.last.clone());
    }

    fn row(&self, report: &CredentialReport, place: Place<'_>, key: &KeyRecord) -> (ReportEvidence, String) {
        let made = report.made(self.now);
        let (row, slot) = match place {
            Place::Slot(number, row) => (Some(row), Some(number)),
            Place::Either(row) | Place::NoSlot(row) => (Some(row), None),
            Place::NoRow => (None, None),
        };
        let mut sentence = match place {
            Place::Slot(number, row) => {
                let is_active = row.slot(number).is_some_and(|slot| slot.is_active);
                let state = if is_active { "active" } else { "not active" };
                let differs = is_active != (key.status == KeyStatus::Active);
                let but = if differs { ", which has changed since: reports are up to four hours old" } else { "" };
                format!("The credential report, {made}, has it in slot {number}, {state}{but}.")
            }
            Place::Either(_) => {
                format!("The credential report, {made}, has it in slot 1 or 2: both are of the same second.")
            }
            Place::NoSlot(_) => format!("The credential report, {made}, does not have it: it is newer than that."),
            Place::NoRow => {
                format!("The credential report, {made}, does not have its user, who is newer than that or renamed.")
            }
        };
        sentence.extend(row.and_then(access));
        let evidence = ReportEvidence {
            generated: report.generated,
            is_exact: report.is_exact,
            slot,
            mfa: row.and_then(|row| row.mfa),
            has_password: row.and_then(|row| row.has_password),
        };
        (evidence, sentence)
    }
}

fn status(status: KeyStatus) -> Status {
    match status {
        KeyStatus::Active => Status::Active,
        KeyStatus::Inactive => Status::Inactive,
        KeyStatus::Expired => Status::Expired,
    }
}

/// How its user signs in otherwise.
fn access(row: &Row) -> Option<String> {
    let factor = match row.mfa? {
        true => "a second factor",
        false => "no second factor",
    };
    let password = match row.has_password? {
        true => "a password",
        false => "no password",
    };
    Some(format!(" Its user has {password} and {factor}."))
}

fn quarantine(key: &KeyRecord, inventory: &Inventory, verdict: &mut Verdict) {
    let Some(user) = inventory.users.get(&key.user) else {
        return;
    };
    verdict.gaps.extend(user.missing.iter().cloned());
    verdict.quarantined_by = user.quarantined_by.clone().unwrap_or_default();
    if !verdict.quarantined_by.is_empty() {
        verdict.evidence.push(format!(
            "AWS has found it or another key of user {} in public and put the user in quarantine ({}): that denies some actions, and switches no key off.",
            key.user,
            verdict.quarantined_by.join(", ")
        ));
    }
}
