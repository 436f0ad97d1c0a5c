//! Inventories out of files: credential reports say which users hold keys, dumps of access keys which. How the files are read is left to
//! others.

use std::collections::{BTreeMap, BTreeSet};

use super::access_keys::Document;
use super::credential_report::{CredentialReport, Slot};
use super::inventory::{Inventory, KeyRecord, ServiceCredential};
use crate::key::AccountId;

/// A file of documents.
#[derive(Clone, Debug)]
pub struct Dump {
    /// What stands in it.
    pub documents: Vec<Document>,
    /// When it was last written, in seconds since 1970.
    pub as_of: i64,
}

/// Keys of which it can't be told what account they belong to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the account of the keys of user {0:?} can't be told: their ids are from before 2019; give the credential report of their account too"
)]
pub struct WhoseKeys(String);

/// What the accounts of the files say. An account is complete, so that a key that is not in it does not exist, when every key of its
/// report is in its dumps.
///
/// # Errors
/// When the account of a key can't be told.
pub fn inventories(
    reports: Vec<CredentialReport>,
    mut dumps: Vec<Dump>,
) -> Result<BTreeMap<AccountId, Inventory>, WhoseKeys> {
    let mut accounts = BTreeMap::new();
    for report in reports {
        add_report(report, &mut accounts);
    }
    // What is told later holds.
    dumps.sort_by_key(|dump| dump.as_of);
    let told: BTreeSet<AccountId> = dumps.iter().flat_map(|dump| &dump.documents).filter_map(account).collect();
    let known: BTreeSet<AccountId> = told.into_iter().chain(accounts.keys().copied()).collect();
    let mut cut_short = BTreeSet::new();
    let mut dated = BTreeSet::new();
    for dump in dumps {
        for (account, share) in shares(dump.documents, &known, &accounts)? {
            let inventory = accounts.entry(account).or_insert_with(|| Inventory::new(account, dump.as_of, false));
            // The oldest of several dumps is as far as all of them reach.
            if dated.insert(account) {
                inventory.as_of = dump.as_of;
            }
            cut_short.extend(share.is_cut_short.then_some(account));
            share.add_to(inventory);
        }
    }
    for (account, inventory) in &mut accounts {
        inventory.is_complete = !cut_short.contains(account) && dated.contains(account) && has_all_keys(inventory);
    }
    Ok(accounts)
}

/// Of two reports of one account, the newer.
fn add_report(report: CredentialReport, accounts: &mut BTreeMap<AccountId, Inventory>) {
    let Some(account) = report.account() else {
        return;
    };
    let inventory = accounts.entry(account).or_insert_with(|| Inventory::new(account, report.generated, false));
    if inventory.report.as_ref().is_none_or(|other| other.generated < report.generated) {
        inventory.as_of = report.generated;
        inventory.report = Some(report);
    }
}

/// What one dump tells of one account.
#[derive(Default)]
struct Share {
    keys: Vec<KeyRecord>,
    service_credentials: Vec<ServiceCredential>,
    is_cut_short: bool,
}

impl Share {
    /// In the place of what was known of the same users.
    fn add_to(self, inventory: &mut Inventory) {
        let users: BTreeSet<&str> = self.keys.iter().map(|key| key.user.as_str()).collect();
        inventory.keys.retain(|_, key| !users.contains(key.user.as_str()));
        inventory.add_keys(self.keys);
        inventory.add_service_credentials(self.service_credentials);
    }
}

fn shares(
    documents: Vec<Document>,
    known: &BTreeSet<AccountId>,
    accounts: &BTreeMap<AccountId, Inventory>,
) -> Result<BTreeMap<AccountId, Share>, WhoseKeys> {
    let mut shares: BTreeMap<AccountId, Share> = BTreeMap::new();
    for document in documents {
        let of_document = account(&document);
        // A document is about one user, or about one account.
        let by_report = || document.keys.iter().find_map(|key| reporting(key, accounts));
        let only = || known.first().filter(|_| known.len() == 1).copied();
        let Some(of_document) = of_document.or_else(by_report).or_else(only) else {
            match document.keys.first().map(|key| &key.user) {
                Some(user) => return Err(WhoseKeys(user.clone())),
                None => continue,
            }
        };
        let share = shares.entry(of_document).or_default();
        share.is_cut_short |= document.is_truncated;
        share.service_credentials.extend(document.service_credentials);
        for key in document.keys {
            let account = key.id.account().unwrap_or(of_document);
            shares.entry(account).or_default().keys.push(key);
        }
    }
    Ok(shares)
}

/// The account that a document spells somewhere.
fn account(document: &Document) -> Option<AccountId> {
    let by_alias = |one: &ServiceCredential| AccountId::parse(one.alias.as_ref()?.rsplit_once("-at-")?.1).ok();
    let keys = document.keys.iter().filter_map(|key| key.id.account());
    keys.chain(document.service_credentials.iter().filter_map(by_alias)).next()
}

/// The account whose report has a key of that user and that date.
fn reporting(key: &KeyRecord, accounts: &BTreeMap<AccountId, Inventory>) -> Option<AccountId> {
    let has = |inventory: &&Inventory| {
        let row = inventory.report.as_ref().and_then(|report| report.users.get(&key.user));
        row.is_some_and(|row| key.created.is_some() && row.slots.iter().any(|slot| slot.rotated == key.created))
    };
    let mut having = accounts.values().filter(has);
    let first = having.next()?.account;
    having.next().is_none().then_some(first)
}

/// Every key of the report is there: of some user, or of some of the keys of one, there may be none in a dump. Without a report, nobody
/// knows which all are.
fn has_all_keys(inventory: &Inventory) -> bool {
    let mut dates: BTreeMap<&str, BTreeSet<Option<i64>>> = BTreeMap::new();
    for key in inventory.keys.values() {
        dates.entry(&key.user).or_default().insert(key.created);
    }
    let has = |user: &String, slot: &Slot| {
        let dates = dates.get(user.as_str());
        // An entry without a date can be of any.
        dates.is_some_and(|dates| dates.contains(&slot.rotated) || dates.contains(&None))
    };
    inventory.report.as_ref().is_some_and(|report| {
        let all = report.users.iter().flat_map(|(user, row)| row.slots.iter().map(move |slot| (user, slot)));
        all.filter(|(_, slot)| slot.has_key()).all(|(user, slot)| has(user, slot))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::AccessKeyId;
    use crate::triage::access_keys;
    use crate::triage::credential_report;
    use crate::triage::inventory::KeyStatus;

    const OURS: &str = "609629065308";
    const OTHER: &str = "029608264753";
    /// Of 609629065308, of 029608264753, and one that does not tell. Put together at run time so that no scanner flags this file.
    const ONE: &str = "Y34FZKBOKMUTVV7A";
    const TWO: &str = "QNZGKIQY56JQ7WML";
    const OLD: &str = "IOSFODNN7EXAMPLE";

    const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,mfa_active,\
        access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,\
        access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,\
        access_key_2_last_used_region,access_key_2_last_used_service";

    fn id(rest: &str) -> AccessKeyId {
        AccessKeyId::parse(["AKIA", rest].concat().as_bytes()).unwrap()
    }

    fn account(text: &str) -> AccountId {
        AccountId::parse(text).unwrap()
    }

    fn report(account: &str, users: &[&str], generated: i64) -> CredentialReport {
        let row = |user: &&str| {
            let key = if user.starts_with("no") { "false,N/A" } else { "true,2024-03-01T10:00:00Z" };
            format!(
                "\n{user},arn:aws:iam::{account}:user/{user},2020-01-01T00:00:00Z,false,N/A,N/A,false,{key},N/A,N/A,N/A,false,N/A,N/A,N/A,N/A"
            )
        };
        let rows: String = users.iter().map(row).collect();
        credential_report::parse((HEADER.to_owned() + &rows).as_bytes(), generated, false).unwrap()
    }

    /// A document for each user and key.
    fn dump(entries: &[(&str, &str)], as_of: i64) -> Dump {
        let entry = |(user, rest): &(&str, &str)| {
            format!(
                r#"{{"AccessKeyMetadata":[{{"UserName":"{user}","AccessKeyId":"AKIA{rest}","Status":"Active","CreateDate":1709287200}}]}}"#
            )
        };
        let text: String = entries.iter().map(entry).collect();
        Dump { documents: access_keys::parse(text.as_bytes()).unwrap(), as_of }
    }

    const NOW: i64 = 1_800_000_000;

    #[test]
    fn an_account_is_complete_when_all_who_hold_keys_are_in_its_dumps() {
        for (users, entries, expected) in [
            (&["ann"][..], &[("ann", ONE)][..], true),
            (&["ann", "nobody"], &[("ann", ONE)], true),
            (&["ann", "bob"], &[("ann", ONE)], false),
            (&["ann", "bob"], &[("ann", ONE), ("bob", OLD)], true),
            (&["nobody"], &[("ann", ONE)], true),
        ] {
            let all = inventories(vec![report(OURS, users, NOW)], vec![dump(entries, NOW)]).unwrap();
            assert_eq!(all[&account(OURS)].is_complete, expected, "{users:?} {entries:?}");
        }
        let alone = inventories(vec![], vec![dump(&[("ann", ONE)], NOW)]).unwrap();
        assert!(!alone[&account(OURS)].is_complete, "who knows who else there is");
        let alone = inventories(vec![report(OURS, &["nobody"], NOW)], vec![]).unwrap();
        assert!(!alone[&account(OURS)].is_complete && alone[&account(OURS)].report.is_some());
    }

    #[test]
    fn a_user_whose_keys_are_not_all_in_it_makes_a_dump_incomplete() {
        let two = |first: &str, second: &str| {
            let text = format!(
                "{HEADER}\nann,arn:aws:iam::{OURS}:user/ann,2020-01-01T00:00:00Z,false,N/A,N/A,false,{first},N/A,N/A,N/A,{second},N/A,N/A,N/A"
            );
            credential_report::parse(text.as_bytes(), NOW, false).unwrap()
        };
        // A dump may have been filtered by status, or be older than one of them.
        let (dumped, other) = ("true,2024-03-01T10:00:00Z", "false,2024-01-01T10:00:00Z");
        for (first, second, expected) in [(dumped, other, false), (other, dumped, false), (dumped, "false,N/A", true)] {
            let all = inventories(vec![two(first, second)], vec![dump(&[("ann", ONE)], NOW)]).unwrap();
            assert_eq!(all[&account(OURS)].is_complete, expected, "{first} {second}");
        }
    }

    #[test]
    fn a_page_that_others_follow_is_not_complete() {
        let mut short = dump(&[("ann", ONE)], NOW);
        short.documents[0].is_truncated = true;
        let all = inventories(vec![report(OURS, &["ann"], NOW)], vec![short]).unwrap();
        assert!(!all[&account(OURS)].is_complete);
    }

    #[test]
    fn files_of_several_accounts_are_told_apart() {
        let reports = vec![report(OURS, &["ann"], NOW), report(OTHER, &["eve"], NOW)];
        let all = inventories(reports, vec![dump(&[("ann", ONE), ("eve", TWO), ("eve", OLD)], NOW)]).unwrap();
        let ids = |name: &str| all[&account(name)].keys.keys().copied().collect::<Vec<_>>();
        assert_eq!(ids(OURS), [id(ONE)]);
        // The report of that account has a key of eve's of that date.
        assert_eq!(ids(OTHER), [id(OLD), id(TWO)]);
        assert!(all.values().all(|inventory| inventory.is_complete && !inventory.is_live));
    }

    #[test]
    fn keys_that_spell_no_account_go_to_the_only_one_or_are_refused() {
        let all = inventories(vec![], vec![dump(&[("ann", ONE), ("bob", OLD)], NOW)]).unwrap();
        assert_eq!(all[&account(OURS)].keys.len(), 2);
        let two = dump(&[("ann", ONE), ("eve", TWO), ("bob", OLD)], NOW);
        assert_eq!(inventories(vec![], vec![two]).unwrap_err(), WhoseKeys("bob".to_owned()));
        let none = inventories(vec![], vec![dump(&[("bob", OLD)], NOW)]).unwrap_err().to_string();
        assert!(none.contains("bob") && none.contains("credential report"), "{none}");
        // Both reports have a key of bob's of that date.
        let reports = vec![report(OURS, &["bob"], NOW), report(OTHER, &["bob"], NOW)];
        assert!(inventories(reports, vec![dump(&[("bob", OLD)], NOW)]).is_err());
    }

    #[test]
    fn of_two_dumps_the_later_holds_and_the_earlier_dates_the_account() {
        let mut later = dump(&[("ann", ONE)], NOW);
        later.documents[0].keys[0].status = KeyStatus::Inactive;
        let earlier = dump(&[("ann", ONE), ("ann", OLD), ("bob", "Y34FZKBOKMUTVV7B")], NOW - 10);
        let all = inventories(vec![], vec![later, earlier]).unwrap();
        let ours = &all[&account(OURS)];
        assert_eq!(ours.keys[&id(ONE)].status, KeyStatus::Inactive);
        assert!(!ours.keys.contains_key(&id(OLD)), "the later one does not have it any more");
        assert_eq!((ours.keys.len(), ours.as_of), (2, NOW - 10));
        let reports = vec![report(OURS, &["ann"], NOW), report(OURS, &["bob"], NOW - 10)];
        let all = inventories(reports, vec![]).unwrap();
        assert!(all[&account(OURS)].report.as_ref().unwrap().users.contains_key("ann"));
    }
}
