//! Keys that no user of the account has: deleted, or the root user's.

use super::{Case, gap, unknown, usage};
use crate::triage::credential_report::CredentialReport;
use crate::triage::inventory::{Gap, Inventory};
use crate::triage::moment::{DAY, ago};
use crate::triage::verdict::{Status, Verdict};

/// Tells how many keys the root user holds.
const SUMMARY: &str = "iam:GetAccountSummary";

/// Whether the root user may have it.
enum Root {
    /// It holds keys.
    Holds,
    /// It holds none, or none that works.
    HoldsNone,
    /// It could not be learnt.
    Unknown(Gap),
}

impl Case<'_> {
    /// Of a key that its account has no user with.
    pub(super) fn absent(&self, inventory: &Inventory) -> Verdict {
        if let Some(gap) = self.too_old(inventory) {
            return unknown(gap);
        }
        let mut verdict = match root(inventory) {
            Root::Holds => root_key(inventory),
            Root::HoldsNone => self.deleted(inventory),
            Root::Unknown(gap) => unknown(gap),
        };
        verdict
            .gaps
            .extend(inventory.missing.iter().filter(|gap| !verdict.gaps.contains(gap)).cloned().collect::<Vec<_>>());
        verdict.evidence.extend(inventory.report.as_ref().and_then(|report| self.root_row(report)));
        verdict
    }

    /// Files can't have a key that was created after them. One that was seen before existed; of one that nobody has seen with a date it
    /// takes files of today. Who the users are is as old as the report.
    fn too_old(&self, inventory: &Inventory) -> Option<Gap> {
        let seen = self.exposed.unwrap_or(self.now - DAY);
        let as_of =
            inventory.report.as_ref().map_or(inventory.as_of, |report| report.made_at_earliest().min(inventory.as_of));
        (!inventory.is_live && as_of < seen).then(|| {
            gap(format!(
                "the files, which may be of {}, have no such key; it may have been created after that",
                ago(as_of, self.now)
            ))
        })
    }

    fn deleted(&self, inventory: &Inventory) -> Verdict {
        let account = inventory.account;
        let when = if inventory.is_live {
            String::new()
        } else {
            format!(" By the dump, of {}.", ago(inventory.as_of, self.now))
        };
        let root = match (inventory.root_keys, &inventory.report) {
            (None, Some(report)) => {
                format!("by the credential report, {}, the root user holds no key that works", report.made(self.now))
            }
            _ => "the root user holds no key".to_owned(),
        };
        let row = inventory.report.as_ref().and_then(|report| report.root.as_ref());
        let what = match row {
            Some(row) if inventory.root_keys.is_none() && row.has_keys() => {
                "It has been deleted, or is a key of the root user's that is not active"
            }
            _ => "It has been deleted",
        };
        let evidence = format!("{what}: no user of account {account} has it, and {root}.{when}");
        Verdict { evidence: vec![evidence], ..Verdict::new(Status::Deleted) }
    }

    /// What the report says of the root user's keys.
    fn root_row(&self, report: &CredentialReport) -> Option<String> {
        let root = report.root.as_ref().filter(|root| root.has_keys())?;
        let made = report.made(self.now);
        let keys = (1..).zip(&root.slots).filter(|(_, slot)| slot.has_key());
        let keys: Vec<String> = keys
            .map(|(number, slot)| {
                let state = if slot.is_active { "active" } else { "not active" };
                let created = slot.rotated.map_or(String::new(), |at| format!(", created on {}", ago(at, self.now)));
                let used = usage::words(&slot.last_used, self.now)
                    .map_or_else(|| ", never used".to_owned(), |words| format!(", last used {words}"));
                format!("slot {number} {state}{created}{used}")
            })
            .collect();
        Some(format!("The root user's row of the credential report, {made}: {}.", keys.join("; ")))
    }
}

/// How many keys IAM counts outweighs a report, which is older.
fn root(inventory: &Inventory) -> Root {
    let row = inventory.report.as_ref().and_then(|report| report.root.as_ref());
    match (inventory.root_keys, row) {
        (Some(0), _) => Root::HoldsNone,
        (Some(_), _) => Root::Holds,
        (None, Some(row)) if row.has_active_key() => Root::Holds,
        (None, Some(_)) => Root::HoldsNone,
        (None, None) => {
            let told = inventory.missing.iter().find(|gap| gap.permission.as_deref() == Some(SUMMARY));
            let why = told.map_or("that was not asked", |gap| &gap.why);
            Root::Unknown(Gap {
                why: format!(
                    "no user of account {} has it, so that it is deleted or the root user's; whether that holds keys is not known: {why}",
                    inventory.account
                ),
                permission: told.and_then(|gap| gap.permission.clone()),
            })
        }
    }
}

fn root_key(inventory: &Inventory) -> Verdict {
    let account = inventory.account;
    let evidence = vec![
        format!(
            "It may be the root user's: no user of account {account} has it, and the root user holds keys, whose ids IAM tells nobody. Or it has been deleted."
        ),
        "Only the root user can see and switch off its keys: sign in as root, \"Security credentials\", \"Access keys\". Of a member account \
         of an organization, the management account can delete them (sts:AssumeRoot, IAMDeleteRootUserCredentials)."
            .to_owned(),
    ];
    Verdict { evidence, ..Verdict::new(Status::Root) }
}
