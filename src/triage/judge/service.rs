//! Service-specific credentials: the long-term API keys of Bedrock.

use super::{Case, canary, gap, said, unknown};
use crate::finding::accounts::Standing;
use crate::key::AccountId;
use crate::triage::inventory::{Inventory, KeyStatus, ServiceCredential};
use crate::triage::moment::ago;
use crate::triage::verdict::{Status, Verdict};

impl Case<'_> {
    pub(super) fn service_credential(&self, alias: Option<&str>, account: Option<AccountId>) -> Verdict {
        let mut verdict = match account.map(|account| (account, self.standing(account))) {
            Some((account, Standing::Canary)) => canary(account, false),
            Some((account, Standing::Foreign)) => self.foreign(account, false, false),
            Some((account, standing)) => match self.knowledge.inventories.get(&account) {
                Some(inventory) => self.by_alias(alias, inventory),
                None => unknown(self.unasked(account, standing)),
            },
            None => {
                unknown(gap("a key of Bedrock tells its account, and what is at hand of this one does not".to_owned()))
            }
        };
        verdict.account = account;
        verdict
    }

    fn by_alias(&self, alias: Option<&str>, inventory: &Inventory) -> Verdict {
        let Some(alias) = alias else {
            return unknown(gap(
                "IAM knows a key of Bedrock by its alias, the public part of it, which the report at hand does not tell".to_owned(),
            ));
        };
        let all = &inventory.service_credentials;
        let found = all.get(alias).or_else(|| all.values().find(|one| one.alias.as_deref() == Some(alias)));
        match (found, &inventory.service_gap) {
            (Some(credential), _) => self.held_service(credential, inventory),
            (None, Some(gap)) => unknown(gap.clone()),
            (None, None) if inventory.is_live => {
                let evidence = format!(
                    "It has been deleted: account {} has no key of Bedrock by its alias, {alias}.",
                    inventory.account
                );
                Verdict { evidence: vec![evidence], ..Verdict::new(Status::Deleted) }
            }
            (None, None) => unknown(gap(format!(
                "the files have no service-specific credential with its alias, and can't tell whether account {} has others",
                inventory.account
            ))),
        }
    }

    fn held_service(&self, credential: &ServiceCredential, inventory: &Inventory) -> Verdict {
        let said = said(inventory, self.now);
        let of = format!("user {} of account {}", credential.user, inventory.account);
        let over = credential.expires.filter(|at| *at <= self.now);
        let (status, sentence) = match (credential.status, over) {
            (KeyStatus::Expired, _) => {
                (Status::Expired, format!("{said} Expired: it does not work. It was one of {of}."))
            }
            (KeyStatus::Inactive, _) => (
                Status::Inactive,
                format!("{said} Inactive: it does not work, and {of} can have it switched on again."),
            ),
            (KeyStatus::Active, Some(at)) => {
                (Status::Expired, format!("It expired on {}. It was one of {of}.", ago(at, self.now)))
            }
            (KeyStatus::Active, None) => {
                (Status::Active, format!("{said} Active: who has it can call {} as {of}.", credential.service))
            }
        };
        let mut evidence = vec![sentence];
        if let (Status::Active, Some(at)) = (status, credential.expires) {
            evidence.push(format!("It expires on {}.", super::told(at)));
        }
        if let Some(created) = credential.created {
            evidence.push(format!("It was created on {}.", ago(created, self.now)));
        }
        evidence.push("IAM does not tell when such a key was last used; CloudTrail does.".to_owned());
        let user = inventory.users.get(&credential.user);
        Verdict {
            user: Some(credential.user.clone()),
            service_credential_id: Some(credential.id.clone()),
            created: credential.created,
            quarantined_by: user.and_then(|user| user.quarantined_by.clone()).unwrap_or_default(),
            evidence,
            ..Verdict::new(status)
        }
    }
}
