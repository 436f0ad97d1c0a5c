//! Tests of the judge: each status by itself, then every combination against an oracle that asks one plain question after the other.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::triage::credential_report;
use crate::triage::inventory::{KeyRecord, KeyStatus, LastUsed, ServiceCredential, UserRecord};
use crate::triage::moment::{DAY, MINUTE};

/// 2024-03-01T10:00:00Z.
const TEN: i64 = 1_709_287_200;
const NOW: i64 = TEN + 30 * DAY;

/// Ids of tests are put together at run time so that no scanner flags this file.
fn id(kind: &str, rest: &str) -> AccessKeyId {
    AccessKeyId::parse([kind, rest].concat().as_bytes()).unwrap()
}

fn ours() -> AccessKeyId {
    id("AKIA", "Y34FZKBOKMUTVV7A")
}

/// Another of the same account.
fn sibling() -> AccessKeyId {
    id("AKIA", "Y34FZKBOKMUTVV7B")
}

fn old() -> AccessKeyId {
    id("AKIA", "IOSFODNN7EXAMPLE")
}

fn account() -> AccountId {
    ours().account().unwrap()
}

fn lead(id: AccessKeyId, exposed: Option<i64>) -> Lead {
    Lead { name: Name::AccessKey(id), exposed }
}

fn key(id: AccessKeyId, status: KeyStatus) -> KeyRecord {
    KeyRecord { id, user: "ann".to_owned(), status, created: Some(TEN), last_used: None }
}

fn live() -> Inventory {
    Inventory::new(account(), NOW, true)
}

fn holding(keys: Vec<KeyRecord>) -> Inventory {
    Inventory { keys: keys.into_iter().map(|key| (key.id, key)).collect(), ..live() }
}

/// Of an account that is one's own.
fn knowledge(inventory: Inventory) -> Knowledge {
    let accounts = [inventory.account].into_iter().collect();
    Knowledge { accounts, inventories: BTreeMap::from([(inventory.account, inventory)]), ..Knowledge::default() }
}

fn judged(id: AccessKeyId, exposed: Option<i64>, knowledge: &Knowledge) -> Verdict {
    judge(&lead(id, exposed), knowledge, NOW)
}

fn in_account(id: AccessKeyId, inventory: Inventory) -> Verdict {
    judged(id, None, &knowledge(inventory))
}

/// All sentences.
fn told(verdict: &Verdict) -> String {
    verdict.evidence.join(" ")
}

#[track_caller]
fn tells(verdict: &Verdict, words: &[&str]) {
    let text = told(verdict);
    assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
}

fn no_permission(what: &str) -> Gap {
    Gap { why: format!("{what} is not allowed"), permission: Some(what.to_owned()) }
}

const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,mfa_active,\
access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,\
access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service";

/// With ann's row, whose first slot is given, and a root row, which has a key if that is given.
fn report(slot: &str, root: &str, generated: i64) -> credential_report::CredentialReport {
    let account = account();
    let text = format!(
        "{HEADER}\n<root_account>,arn:aws:iam::{account}:root,2020-01-01T00:00:00Z,true,N/A,N/A,true,{root},N/A,N/A,N/A,false,N/A,N/A,N/A,N/A\n\
         ann,arn:aws:iam::{account}:user/ann,2020-01-01T00:00:00Z,true,N/A,N/A,false,{slot},false,N/A,N/A,N/A,N/A"
    );
    credential_report::parse(text.as_bytes(), generated, true).unwrap()
}

const NO_KEY: &str = "false,N/A";
const USED: &str = "true,2024-03-01T10:00:00Z,2024-03-05T00:00:00Z,eu-west-1,s3";
const UNUSED: &str = "true,2024-03-01T10:00:00Z,N/A,N/A,N/A";

#[test]
fn an_active_key_comes_with_all_that_is_known_of_it() {
    let last_used =
        LastUsed::At { at: NOW - 12 * MINUTE, service: Some("s3".to_owned()), region: Some("eu-west-1".to_owned()) };
    let mut inventory = holding(vec![
        KeyRecord { last_used: Some(last_used.clone()), ..key(ours(), KeyStatus::Active) },
        key(sibling(), KeyStatus::Inactive),
        KeyRecord { user: "bob".to_owned(), ..key(old(), KeyStatus::Active) },
    ]);
    let policy = "AWSCompromisedKeyQuarantineV3".to_owned();
    let user = UserRecord { quarantined_by: Some(vec![policy.clone()]), ..UserRecord::default() };
    inventory.users.insert("ann".to_owned(), user);
    inventory.report = Some(report(USED, NO_KEY, NOW - 2 * HOUR));
    let verdict = judged(ours(), Some(TEN + DAY), &knowledge(inventory));
    assert_eq!(verdict.status, Status::Active);
    assert!(verdict.is_live() && !verdict.is_unlearnt());
    assert_eq!((verdict.account, verdict.user.as_deref()), (Some(account()), Some("ann")));
    assert_eq!((verdict.created, verdict.exposed), (Some(TEN), Some(TEN + DAY)));
    assert_eq!((verdict.last_used.as_ref(), verdict.used_since_exposed), (Some(&last_used), Some(true)));
    assert_eq!(verdict.other_keys, [(sibling(), false)]);
    assert_eq!(verdict.quarantined_by, [policy]);
    let row = verdict.report.as_ref().unwrap();
    assert_eq!((row.slot, row.mfa, row.has_password, row.is_exact), (Some(1), Some(false), Some(true), true));
    tells(
        &verdict,
        &[
            "IAM says Active: who has its secret can act as user ann of account 609629065308.",
            "used since it was exposed on 2024-03-02 10:00 UTC",
            "(12 minutes ago), s3 in eu-west-1",
            "AWSCompromisedKeyQuarantineV3",
            "created on 2024-03-01 10:00 UTC (30 days ago)",
            "which is not active",
            "made on 2024-03-31 08:00 UTC (2 hours ago), has it in slot 1, active.",
            "a password and no second factor",
        ],
    );
    assert!(verdict.evidence[0].contains("Active"), "the most telling first");
}

#[test]
fn what_else_could_not_be_learnt_is_told_with_its_permission() {
    let missing =
        Gap { why: "no report could be made".to_owned(), permission: Some("iam:GenerateCredentialReport".to_owned()) };
    let mut inventory = Inventory { missing: vec![missing], ..holding(vec![key(ours(), KeyStatus::Active)]) };
    let user = UserRecord { missing: vec![no_permission("iam:ListAttachedUserPolicies")], ..UserRecord::default() };
    inventory.users.insert("ann".to_owned(), user);
    let verdict = in_account(ours(), inventory);
    assert_eq!((verdict.status, verdict.gaps.len(), verdict.is_unlearnt()), (Status::Active, 2, false));
    tells(
        &verdict,
        &[
            "Not known: no report could be made (iam:GenerateCredentialReport is needed).",
            "Not known: iam:ListAttachedUserPolicies is not allowed.",
        ],
    );
}

#[test]
fn what_iam_says_now_outweighs_a_report() {
    let mut inventory = holding(vec![key(ours(), KeyStatus::Inactive)]);
    inventory.report = Some(report(UNUSED, NO_KEY, NOW - 3 * HOUR));
    let verdict = in_account(ours(), inventory);
    assert_eq!((verdict.status, verdict.is_live()), (Status::Inactive, false));
    tells(&verdict, &["IAM says Inactive", "slot 1, active, which has changed since", "four hours"]);
}

#[test]
fn expired_keys_are_dead() {
    let verdict = in_account(ours(), holding(vec![key(ours(), KeyStatus::Expired)]));
    assert_eq!((verdict.status, verdict.is_live()), (Status::Expired, false));
}

#[test]
fn the_later_of_what_iam_and_a_report_say_of_the_last_use_is_told() {
    let at = |at| LastUsed::At { at, service: None, region: None };
    for (noted, slot, by_report, expected) in [
        (None, USED, true, Some(1_709_596_800)),
        (None, UNUSED, true, None),
        (Some(LastUsed::Never), USED, true, Some(1_709_596_800)),
        (Some(LastUsed::Never), UNUSED, false, None),
        (Some(at(NOW - 5)), USED, false, Some(NOW - 5)),
    ] {
        let mut inventory = holding(vec![KeyRecord { last_used: noted, ..key(ours(), KeyStatus::Active) }]);
        inventory.report = Some(report(slot, NO_KEY, NOW - HOUR));
        let verdict = in_account(ours(), inventory);
        let moment = verdict.last_used.as_ref().map(|used| match used {
            LastUsed::Never => None,
            LastUsed::At { at, .. } => Some(*at),
        });
        assert_eq!(moment, Some(expected), "{slot}");
        assert_eq!(told(&verdict).contains("By the report it"), by_report, "{}", told(&verdict));
    }
    let verdict = in_account(ours(), holding(vec![key(ours(), KeyStatus::Active)]));
    assert_eq!(verdict.last_used, None);
    tells(&verdict, &["last used is not known"]);
}

#[test]
fn of_a_file_it_is_told_that_things_may_have_changed() {
    let inventory = Inventory { is_live: false, as_of: NOW - 3 * DAY, ..holding(vec![key(ours(), KeyStatus::Active)]) };
    let verdict = in_account(ours(), inventory);
    assert_eq!(verdict.status, Status::Active);
    tells(&verdict, &["The dump of 2024-03-28 10:00 UTC (3 days ago) says Active", "may have been switched since"]);
}

#[test]
fn what_no_user_has_is_deleted_or_the_root_user_s() {
    let active_root = "true,2024-03-01T10:00:00Z";
    let inactive_root = "false,2024-03-01T10:00:00Z";
    for (root_keys, root_row, expected) in [
        (Some(0), None, Status::Deleted),
        (Some(1), None, Status::Root),
        (Some(0), Some(active_root), Status::Deleted),
        (Some(2), Some(NO_KEY), Status::Root),
        (None, Some(active_root), Status::Root),
        (None, Some(NO_KEY), Status::Deleted),
        (None, Some(inactive_root), Status::Deleted),
        (None, None, Status::Unknown),
    ] {
        let report = root_row.map(|row| report(UNUSED, row, NOW));
        let mut inventory = Inventory { root_keys, report, ..live() };
        inventory.absent.insert(ours());
        let verdict = in_account(ours(), inventory);
        assert_eq!(verdict.status, expected, "{root_keys:?} {root_row:?}");
        if expected == Status::Deleted {
            let is_dated = told(&verdict).contains("by the credential report, made on");
            assert_eq!(is_dated, root_keys.is_none(), "{}", told(&verdict));
            let may_be_root = told(&verdict).contains("or is a key of the root user's that is not active");
            assert_eq!(may_be_root, root_keys.is_none() && root_row == Some(inactive_root), "{}", told(&verdict));
        }
        let tells_row = root_row.is_some_and(|row| row != NO_KEY);
        assert_eq!(told(&verdict).contains("The root user's row"), tells_row, "{}", told(&verdict));
    }
}

#[test]
fn what_iam_does_not_list_is_not_called_deleted() {
    for kind in ["ABIA", "ACCA"] {
        let other = id(kind, "Y34FZKBOKMUTVV7A");
        let mut inventory = Inventory { root_keys: Some(0), ..live() };
        inventory.absent.insert(other);
        let verdict = in_account(other, inventory);
        assert!(verdict.is_unlearnt(), "{}", told(&verdict));
        tells(&verdict, &["of another kind", "account 609629065308"]);
    }
}

#[test]
fn whether_the_root_user_holds_keys_is_asked_for_by_name() {
    let missing = vec![no_permission("iam:ListAttachedUserPolicies"), no_permission("iam:GetAccountSummary")];
    let mut inventory = Inventory { missing, ..live() };
    inventory.absent.insert(ours());
    let verdict = in_account(ours(), inventory);
    assert!(verdict.is_unlearnt());
    assert_eq!(verdict.gaps[0].permission.as_deref(), Some("iam:GetAccountSummary"));
    tells(&verdict, &["deleted or the root user's", "iam:GetAccountSummary is not allowed"]);
}

#[test]
fn a_root_key_is_live_and_only_root_can_do_something_about_it() {
    let mut inventory = Inventory { root_keys: Some(1), ..live() };
    inventory.is_complete = true;
    let verdict = in_account(ours(), inventory);
    assert!(verdict.is_live());
    tells(&verdict, &["may be the root user's", "sign in as root", "AssumeRoot", "Or it has been deleted"]);
}

#[test]
fn a_key_of_the_canaries_is_a_trap_whatever_else_is_known() {
    let canary = id("AKIA", "SP2TPHJSQH3FJRUX");
    let mut all =
        knowledge(Inventory { account: canary.account().unwrap(), ..holding(vec![key(canary, KeyStatus::Active)]) });
    all.verified.insert(canary, Verified::Refused);
    for knowledge in [all, Knowledge::default()] {
        let verdict = judged(canary, None, &knowledge);
        assert_eq!((verdict.status, verdict.evidence.len()), (Status::Canary, 1));
        assert!(!verdict.is_live());
    }
    let told_by_sts =
        Knowledge { owners: BTreeMap::from([(old(), canary.account().unwrap())]), ..Knowledge::default() };
    let verdict = judged(old(), None, &told_by_sts);
    assert_eq!(verdict.status, Status::Canary);
    assert!(!told(&verdict).contains("Nobody was asked"), "{}", told(&verdict));
}

#[test]
fn a_key_of_others_is_foreign_as_soon_as_ones_own_accounts_are_known() {
    let foreign = id("AKIA", "QNZGKIQY56JQ7WML");
    let known = knowledge(live());
    let verdict = judged(foreign, None, &known);
    assert_eq!((verdict.status, verdict.account.unwrap().to_string()), (Status::Foreign, "029608264753".to_owned()));
    tells(&verdict, &["none of yours (its id says so)", "Nobody was asked", "--account or --organization"]);
    assert_eq!(judged(id("ASIA", "QNZGKIQY56JQ7WML"), None, &known).status, Status::Foreign);
    let by_sts = Knowledge { owners: BTreeMap::from([(old(), foreign.account().unwrap())]), ..known };
    let verdict = judged(old(), None, &by_sts);
    assert_eq!(verdict.status, Status::Foreign);
    tells(&verdict, &["none of yours (STS says so)"]);
    assert!(!told(&verdict).contains("Nobody was asked"), "{}", told(&verdict));
    let nobody = judged(foreign, None, &Knowledge::default());
    assert_eq!(nobody.status, Status::Unknown);
    assert!(nobody.is_unlearnt());
    tells(&nobody, &["account 029608264753, which was not asked", "whether that is one of yours is not known"]);
}

#[test]
fn a_session_is_over_36_hours_after_it_was_first_seen() {
    let session = id("ASIA", "Y34FZKBOKMUTVV7A");
    for (exposed, is_over) in [
        (None, false),
        (Some(NOW - LONGEST_SESSION), false),
        (Some(NOW - LONGEST_SESSION - 1), true),
        (Some(NOW + DAY), false),
    ] {
        for knowledge in [Knowledge::default(), knowledge(live())] {
            let verdict = judged(session, exposed, &knowledge);
            assert_eq!((verdict.status, verdict.is_over, verdict.is_live()), (Status::Temporary, is_over, !is_over));
            tells(&verdict, &["account 609629065308", if is_over { "has expired" } else { "Revoke sessions" }]);
        }
    }
}

#[test]
fn an_account_that_could_not_be_asked_has_its_reason() {
    let mut all = Knowledge { accounts: [account()].into_iter().collect(), ..Knowledge::default() };
    tells(&judged(ours(), None, &all), &["account 609629065308, which was not asked"]);
    all.unasked.insert(account(), no_permission("sts:AssumeRole"));
    let verdict = judged(ours(), None, &all);
    assert!(verdict.is_unlearnt());
    assert_eq!(verdict.gaps[0].permission.as_deref(), Some("sts:AssumeRole"));
    tells(&verdict, &["could not be asked: sts:AssumeRole is not allowed."]);
}

#[test]
fn ids_that_spell_no_account_are_looked_for_everywhere() {
    let found = in_account(old(), holding(vec![key(old(), KeyStatus::Active)]));
    assert_eq!((found.status, found.account), (Status::Active, Some(account())));
    let mut owned = knowledge(Inventory { root_keys: Some(0), is_complete: true, ..live() });
    tells(&judged(old(), None, &owned), &["ids from before 2019", "no account that was asked has it"]);
    owned.ownerless.insert(old(), no_permission("sts:GetAccessKeyInfo"));
    let verdict = judged(old(), None, &owned);
    assert_eq!(
        (verdict.status, verdict.gaps[0].permission.as_deref()),
        (Status::Unknown, Some("sts:GetAccessKeyInfo"))
    );
    owned.owners.insert(old(), account());
    assert_eq!(judged(old(), None, &owned).status, Status::Deleted);
    tells(&judged(old(), None, &Knowledge::default()), &["no account was asked"]);
}

#[test]
fn a_report_alone_says_what_can_not_be_known() {
    let alone = |slot: &str, root: &str, age: i64| {
        let report = Some(report(slot, root, NOW - age));
        in_account(ours(), Inventory { report, is_live: false, as_of: NOW - age, ..live() })
    };
    let verdict = alone(UNUSED, NO_KEY, HOUR);
    assert!(verdict.is_unlearnt());
    tells(&verdict, &["reports name no key ids", "(1 hour ago), users held 1 active key: it may be one"]);
    tells(&alone(UNUSED, "true,2024-03-01T10:00:00Z", HOUR), &["1 active key and the root user"]);
    // Even when nothing was active: that was then.
    let nothing = alone("false,2024-03-01T10:00:00Z,N/A,N/A,N/A", NO_KEY, 20 * DAY);
    assert_eq!(nothing.status, Status::Unknown);
    tells(&nothing, &["(20 days ago), no key of the account was active", "may have been switched on"]);
}

#[test]
fn a_dump_proves_nothing_of_what_came_after_it() {
    let file =
        |age: i64| Inventory { is_live: false, is_complete: true, as_of: NOW - age, root_keys: Some(0), ..live() };
    let status = |exposed, inventory| judged(ours(), exposed, &knowledge(inventory)).status;
    assert_eq!(status(Some(NOW - 2 * DAY), file(DAY)), Status::Deleted);
    assert_eq!(status(Some(NOW - DAY), file(2 * DAY)), Status::Unknown);
    assert_eq!(status(None, file(HOUR)), Status::Deleted);
    assert_eq!(status(None, file(2 * DAY)), Status::Unknown);
    // Who the users are is as old as the report.
    let old = Some(report(UNUSED, NO_KEY, NOW - 5 * DAY));
    assert_eq!(status(Some(NOW - 2 * DAY), Inventory { report: old, ..file(DAY) }), Status::Unknown);
    // And that can be four hours older than its file.
    for (age, expected) in [(2 * HOUR, Status::Unknown), (5 * HOUR, Status::Deleted)] {
        let mut report = report(UNUSED, NO_KEY, NOW);
        report.is_exact = false;
        assert_eq!(status(Some(NOW - age), Inventory { report: Some(report), ..file(0) }), expected, "{age}");
    }
    let incomplete = judged(ours(), None, &knowledge(Inventory { is_complete: false, ..file(HOUR) }));
    tells(&incomplete, &["without a credential report"]);
}

#[test]
fn what_a_call_signed_with_it_came_to_outweighs_all_else() {
    let works = |arn: &str| Verified::Works { arn: arn.to_owned(), account: Some(account()) };
    let user = "arn:aws:iam::609629065308:user/ops/eve";
    let foreign = id("AKIA", "QNZGKIQY56JQ7WML");
    let session = id("ASIA", "Y34FZKBOKMUTVV7A");
    let mut deleted = live();
    (deleted.root_keys, deleted.is_complete) = (Some(0), true);
    for (id, inventory, verified, expected) in [
        (ours(), holding(vec![key(ours(), KeyStatus::Inactive)]), works(user), Status::Active),
        (ours(), deleted.clone(), works(user), Status::Active),
        (ours(), deleted, works("arn:aws:iam::609629065308:root"), Status::Root),
        (ours(), live(), works(user), Status::Active),
        (ours(), live(), Verified::Refused, Status::Unknown),
        (ours(), holding(vec![key(ours(), KeyStatus::Active)]), Verified::Refused, Status::Active),
        (ours(), live(), Verified::Untried(no_permission("x")), Status::Unknown),
        (foreign, live(), works(user), Status::Active),
        (session, live(), works(user), Status::Temporary),
    ] {
        let mut all = knowledge(inventory);
        all.verified.insert(id, verified.clone());
        let verdict = judged(id, Some(NOW - 3 * DAY), &all);
        assert_eq!(verdict.status, expected, "{verified:?}");
        if let Verified::Works { .. } = verified {
            assert!(!told(&verdict).contains(NOT_KNOWN), "{}", told(&verdict));
            assert!(!told(&verdict).contains("Nobody was asked"), "{}", told(&verdict));
            assert!(verdict.is_live() && verdict.evidence[0].contains("It works"), "{}", told(&verdict));
            assert!(verdict.user.is_some() || expected == Status::Root);
        }
    }
}

#[test]
fn bedrock_keys_are_judged_by_their_alias() {
    let alias = "ann-at-609629065308";
    let credential = |status, expires| ServiceCredential {
        id: "ACCA1".to_owned(),
        alias: Some(alias.to_owned()),
        service: "bedrock.amazonaws.com".to_owned(),
        user: "ann".to_owned(),
        status,
        created: Some(TEN),
        expires,
    };
    let lead = |alias: Option<&str>| Lead {
        name: Name::ServiceCredential { alias: alias.map(str::to_owned), account: Some(account()) },
        exposed: None,
    };
    for (status, expires, expected) in [
        (KeyStatus::Active, None, Status::Active),
        (KeyStatus::Active, Some(NOW + 1), Status::Active),
        (KeyStatus::Active, Some(NOW), Status::Expired),
        (KeyStatus::Inactive, Some(NOW), Status::Inactive),
        (KeyStatus::Expired, None, Status::Expired),
    ] {
        let mut inventory = live();
        inventory.service_credentials.insert(alias.to_owned(), credential(status, expires));
        let all = knowledge(inventory);
        let verdict = judge(&lead(Some(alias)), &all, NOW);
        assert_eq!((verdict.status, verdict.user.as_deref()), (expected, Some("ann")));
        assert_eq!(verdict.service_credential_id.as_deref(), Some("ACCA1"));
        let untold = judge(&lead(None), &all, NOW);
        assert!(untold.is_unlearnt() && told(&untold).contains("alias"));
        assert_eq!(judge(&lead(Some("bob-at-609629065308")), &all, NOW).status, Status::Deleted);
    }
    let gap = Some(no_permission("iam:ListServiceSpecificCredentials"));
    let refused = judge(&lead(Some(alias)), &knowledge(Inventory { service_gap: gap, ..live() }), NOW);
    assert_eq!((refused.status, refused.gaps.len()), (Status::Unknown, 1));
    let file = judge(&lead(Some(alias)), &knowledge(Inventory { is_live: false, ..live() }), NOW);
    assert_eq!(file.status, Status::Unknown, "who knows what the files lack");
    assert!(judge(&lead(Some(alias)), &Knowledge::default(), NOW).is_unlearnt());
}

#[test]
fn what_has_no_name_is_unknown_and_nobody_failed() {
    let verdict = judge(&Lead { name: Name::Nameless, exposed: Some(TEN) }, &Knowledge::default(), NOW);
    assert_eq!((verdict.status, verdict.is_unlearnt(), verdict.exposed), (Status::Unknown, false, Some(TEN)));
}

#[test]
fn a_date_in_the_future_tells_nothing_of_use() {
    let last_used = Some(LastUsed::At { at: NOW - 5, service: None, region: None });
    let verdict = judged(
        ours(),
        Some(NOW + HOUR),
        &knowledge(holding(vec![KeyRecord { last_used, ..key(ours(), KeyStatus::Active) }])),
    );
    assert_eq!(verdict.used_since_exposed, None);
    tells(&verdict, &["that date is wrong"]);
}

/// What is known of one id, in few words.
#[derive(Clone, Copy, Debug)]
struct Known {
    kind: &'static str,
    rest: &'static str,
    lists_ours: bool,
    is_asked: bool,
    is_live: bool,
    status: Option<KeyStatus>,
    is_absent: bool,
    has_gap: bool,
    root_keys: Option<u32>,
    works: Option<bool>,
}

impl Known {
    fn knowledge(self) -> (AccessKeyId, Knowledge) {
        let id = id(self.kind, self.rest);
        let mut inventory = Inventory { is_live: self.is_live, root_keys: self.root_keys, ..live() };
        inventory.keys.extend(self.status.map(|status| (id, key(id, status))));
        inventory.absent.extend(self.is_absent.then_some(id));
        inventory.gaps.extend(self.has_gap.then(|| (id, gap("no".to_owned()))));
        let mut all = Knowledge::default();
        if self.lists_ours {
            all.accounts.add(account());
        }
        if self.is_asked {
            all.inventories.insert(account(), inventory);
        }
        let verified = self.works.map(|works| match works {
            true => Verified::Works { arn: "arn:aws:iam::609629065308:user/ann".to_owned(), account: None },
            false => Verified::Refused,
        });
        all.verified.extend(verified.map(|verified| (id, verified)));
        (id, all)
    }

    /// One question after the other.
    fn expected(self) -> Status {
        if self.rest.starts_with("SP2T") {
            return Status::Canary;
        }
        let is_session = self.kind == "ASIA";
        if self.works == Some(true) {
            return if is_session { Status::Temporary } else { Status::Active };
        }
        let knows_ours = self.lists_ours;
        if self.rest.starts_with("QNZG") && knows_ours {
            return Status::Foreign;
        }
        if is_session {
            return Status::Temporary;
        }
        if self.rest.starts_with("QNZG") || !self.is_asked {
            return Status::Unknown;
        }
        match self.status {
            Some(KeyStatus::Active) => return Status::Active,
            Some(KeyStatus::Inactive) => return Status::Inactive,
            Some(KeyStatus::Expired) => return Status::Expired,
            None if self.has_gap || !self.is_absent || self.rest.starts_with("IOSF") => return Status::Unknown,
            None => {}
        }
        match self.root_keys {
            None => Status::Unknown,
            Some(0) => Status::Deleted,
            Some(_) => Status::Root,
        }
    }
}

prop_compose! {
    fn known()(
        kind in prop::sample::select(vec!["AKIA", "ASIA"]),
        rest in prop::sample::select(vec!["Y34FZKBOKMUTVV7A", "QNZGKIQY56JQ7WML", "SP2TPHJSQH3FJRUX", "IOSFODNN7EXAMPLE"]),
        [lists_ours, is_asked, is_live, is_absent, has_gap] in any::<[bool; 5]>(),
        status in prop::option::of(prop::sample::select(vec![KeyStatus::Active, KeyStatus::Inactive, KeyStatus::Expired])),
        root_keys in prop::sample::select(vec![None, Some(0), Some(2)]),
        works in any::<Option<bool>>(),
    ) -> Known {
        Known { kind, rest, lists_ours, is_asked, is_live, status, is_absent, has_gap, root_keys, works }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_combination_has_the_status_that_plain_questions_lead_to(known in known()) {
        let (id, all) = known.knowledge();
        let verdict = judged(id, None, &all);
        prop_assert_eq!(verdict.status, known.expected());
        prop_assert!(!verdict.evidence.is_empty());
        prop_assert_eq!(verdict.status == Status::Unknown, verdict.is_unlearnt());
    }

    /// Uses happen, IAM notes some of them, and some minutes late: what is said of use since the exposure must be so.
    #[test]
    fn what_is_said_of_use_is_so(
        mut uses in prop::collection::vec(0..10 * HOUR, 0..6),
        exposed in 0..10 * HOUR,
        late in 0..15 * MINUTE,
    ) {
        uses.sort_unstable();
        let as_of = 10 * HOUR;
        // A use within a quarter of an hour of one that was noted is not noted itself.
        let mut noted: Option<i64> = None;
        for &at in uses.iter().filter(|at| **at <= as_of - late) {
            noted = noted.filter(|former| at - former < 15 * MINUTE).or(Some(at));
        }
        let last = noted.map_or(LastUsed::Never, |at| LastUsed::At { at: TEN + at, service: None, region: None });
        let noted = Noted { last: &last, until: Some(TEN + as_of), by_report: false };
        let (since, sentence) = noted.since(Some(TEN + exposed), NOW);
        let was_used = uses.iter().any(|at| *at > exposed && *at <= as_of - 15 * MINUTE - late);
        match since {
            Some(true) => prop_assert!(uses.iter().any(|at| *at > exposed)),
            Some(false) => prop_assert!(!was_used),
            None => {}
        }
        prop_assert!(sentence.is_some());
    }
}
