//! Who is asked about what: each credential in the account that it belongs to, and nobody about those of others.

use std::collections::{BTreeMap, BTreeSet};

use super::{Account, Asked, NoAccount};
use crate::finding::accounts::{Accounts, Standing};
use crate::key::{AccessKeyId, AccountId, KeyKind};
use crate::triage::inventory::{Answer, Gap, Knowledge};
use crate::triage::lead::Name;

/// What is to be asked where.
#[derive(Debug, Default, PartialEq, Eq)]
struct Questions {
    /// By account, all of them one's own.
    by_account: BTreeMap<AccountId, Vec<Name>>,
    /// Ids that don't spell their account.
    spelling_none: BTreeSet<AccessKeyId>,
}

pub(super) fn ask(
    home: Account,
    role: Option<&str>,
    mut accounts: Accounts,
    names: &[Name],
) -> Result<Asked, NoAccount> {
    let here = home.caller().account;
    accounts.add(here);
    if role.is_some() {
        let all = home.organization().map_err(|gap| no_organization(&gap))?;
        all.into_iter().for_each(|member| accounts.add(member.account));
    }
    let mut questions = sort(names, &accounts, here);
    let knowledge = Knowledge { accounts, ..Knowledge::default() };
    let mut asked = Asked { knowledge, reached: BTreeMap::new(), home: Some(here), barred: None };
    let own = questions.by_account.remove(&here).unwrap_or_default();
    asked.knowledge.inventories.insert(here, home.inventory(&own));
    find_owners(&home, &mut asked.knowledge, &mut questions);
    for (account, names) in questions.by_account {
        match reach(&home, account, role) {
            Ok(neighbour) => {
                asked.knowledge.inventories.insert(account, neighbour.inventory(&names));
                asked.reached.insert(account, neighbour);
            }
            Err(gap) => {
                asked.knowledge.unasked.insert(account, gap);
            }
        }
    }
    asked.reached.insert(here, home);
    Ok(asked)
}

/// Organizations names no permission when it says no, and says the same no to member accounts.
fn no_organization(gap: &Gap) -> NoAccount {
    let needed = gap.permission.as_ref().map_or_else(String::new, |permission| {
        format!("; it takes {permission}, in the management account or one that administration is delegated to")
    });
    NoAccount(format!("{}{needed}; without --organization your own account alone is asked", gap.why))
}

/// Where to ask about each. What is spelt to be a stranger's or a canary's is asked nowhere, nor are sessions, which nobody can look up.
/// What spells no account is asked about at home first.
fn sort(names: &[Name], accounts: &Accounts, home: AccountId) -> Questions {
    let mut questions = Questions::default();
    for name in names {
        let account = match (name, name.account()) {
            (Name::Nameless, _) => continue,
            (Name::AccessKey(id), _) if id.kind() == KeyKind::Temporary => continue,
            (_, Some(account)) if accounts.standing(account) != Standing::Ours => continue,
            (_, Some(account)) => account,
            (name, None) => {
                if let Name::AccessKey(id) = name {
                    questions.spelling_none.insert(*id);
                }
                home
            }
        };
        questions.by_account.entry(account).or_default().push(name.clone());
    }
    questions
}

/// Asks STS for the accounts of ids that don't spell them and that home does not have, and adds those to the questions that one can ask.
fn find_owners(home: &Account, knowledge: &mut Knowledge, questions: &mut Questions) {
    let here = home.caller().account;
    for id in std::mem::take(&mut questions.spelling_none) {
        let inventory = knowledge.inventories.get(&here);
        if inventory.is_some_and(|inventory| matches!(inventory.key(id), Answer::Has(_))) {
            knowledge.owners.insert(id, here);
            continue;
        }
        match home.account_of(id) {
            Ok(account) => {
                knowledge.owners.insert(id, account);
                if account != here && knowledge.accounts.standing(account) == Standing::Ours {
                    questions.by_account.entry(account).or_default().push(Name::AccessKey(id));
                }
            }
            Err(gap) => {
                knowledge.ownerless.insert(id, gap);
            }
        }
    }
}

/// Somebody who may ask in another account.
fn reach(home: &Account, account: AccountId, role: Option<&str>) -> Result<Account, Gap> {
    match role {
        Some(role) => home.assume(account, role),
        None => Err(Gap {
            why: format!(
                "the caller belongs to account {} and was not to ask in {account}; sign in there (--profile, --role-arn), or use \
                 --organization with --role-name",
                home.caller().account
            ),
            permission: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &str, rest: &str) -> Name {
        Name::AccessKey(AccessKeyId::parse([kind, rest].concat().as_bytes()).unwrap())
    }

    fn account(text: &str) -> AccountId {
        AccountId::parse(text).unwrap()
    }

    #[test]
    fn each_is_asked_about_at_home_in_its_own_account_or_nowhere() {
        let (home, other) = (account("609629065308"), account("029608264753"));
        let canary = account("171436882533");
        let accounts: Accounts = [home, other, canary].into_iter().collect();
        let at_home = key("AKIA", "Y34FZKBOKMUTVV7A");
        let old = key("AKIA", "IOSFODNN7EXAMPLE");
        let at_others = key("AKIA", "QNZGKIQY56JQ7WML");
        let bedrock = Name::ServiceCredential { alias: Some("a-at-029608264753".to_owned()), account: Some(other) };
        let untold = Name::ServiceCredential { alias: None, account: None };
        let names = [
            at_home.clone(),
            old.clone(),
            at_others.clone(),
            bedrock.clone(),
            untold.clone(),
            key("AKIA", "SP2TPHJSQH3FJRUX"), // a canary's, although it stands on the list
            key("AKIA", "V7S32T2OSBFJQOIY"), // a stranger's
            key("ASIA", "Y34FZKBOKMUTVV7A"), // a session
            Name::Nameless,
        ];
        let questions = sort(&names, &accounts, home);
        let by_account = [(home, vec![at_home, old.clone(), untold]), (other, vec![at_others, bedrock])];
        assert_eq!(questions.by_account, BTreeMap::from(by_account));
        let Name::AccessKey(old) = old else { unreachable!() };
        assert_eq!(questions.spelling_none, BTreeSet::from([old]));
    }
}
