//! What the owner's side is asked and answers, against moto: what an account has, in which it is looked up, what the caller may not do,
//! and the switch.

use std::collections::BTreeMap;

use keysweep::aws::{self, Account, Identity};
use keysweep::finding::accounts::Accounts;
use keysweep::key::{AccessKeyId, AccountId, KeyKind, Secret};
use keysweep::response::{Effect, Position, Subject, Switch, Target};
use keysweep::triage::inventory::{Answer, Inventory, KeyStatus, LastUsed, Verified};
use keysweep::triage::lead::Name;

use super::moto::{Admin, alone, between, in_account};

fn id(text: &str) -> AccessKeyId {
    AccessKeyId::parse(text.as_bytes()).unwrap()
}

fn names<'a>(ids: impl IntoIterator<Item = &'a String>) -> Vec<Name> {
    ids.into_iter().map(|text| Name::AccessKey(id(text))).collect()
}

fn switch_off(admin: &Admin, user: &str, key: &str) {
    admin.iam("UpdateAccessKey", &[("UserName", user), ("AccessKeyId", key), ("Status", "Inactive")]);
}

fn delete(admin: &Admin, user: &str, key: &str) {
    admin.iam("DeleteAccessKey", &[("UserName", user), ("AccessKeyId", key)]);
}

fn status(inventory: &Inventory, key: &str) -> Option<KeyStatus> {
    match inventory.key(id(key)) {
        Answer::Has(key) => Some(key.status),
        Answer::HasNot => None,
        Answer::Unknown(gap) => panic!("{key} is unknown: {gap:?}"),
    }
}

fn permissions(inventory: &Inventory) -> Vec<&str> {
    inventory.gaps.values().chain(&inventory.missing).filter_map(|gap| gap.permission.as_deref()).collect()
}

#[test]
fn a_few_keys_are_looked_up_one_by_one() {
    let Some(admin) = in_account("609629065308", a_few_keys_are_looked_up_one_by_one) else { return };
    let [on, off, gone] = ["alice", "alice", "bob"].map(|user| {
        if user != "alice" || admin.iam("ListUsers", &[]).matches("<UserName>").count() == 0 {
            admin.user(user);
        }
        admin.key(user).0
    });
    switch_off(&admin, "alice", &off);
    delete(&admin, "bob", &gone);
    let account = admin.connect();
    assert_eq!(account.caller().account, AccountId::parse("609629065308").unwrap());
    assert!(account.caller().arn.contains("assumed-role/Admin"), "{:?}", account.caller());

    let session =
        Name::AccessKey(*account.caller().access_key_ids.iter().find(|id| id.kind() == KeyKind::Temporary).unwrap());
    let mut asked = names([&on, &gone]);
    asked.push(session);
    let inventory = account.inventory(&asked);
    // The other key of the user comes along.
    assert_eq!(
        [&on, &off, &gone].map(|key| status(&inventory, key)),
        [Some(KeyStatus::Active), Some(KeyStatus::Inactive), None]
    );
    assert!(!inventory.is_complete && inventory.is_live && inventory.report.is_some());
    assert_eq!(inventory.keys[&id(&on)].last_used, Some(LastUsed::Never));
    assert_eq!(inventory.users["alice"].quarantined_by, Some(vec![]));
    assert_eq!(inventory.root_keys, Some(0));
    assert!(inventory.missing.is_empty(), "{:?}", inventory.missing);
    let expected = [
        ("iam:GenerateCredentialReport", 2),
        ("iam:GetAccessKeyLastUsed", 2),
        ("iam:GetAccountSummary", 1),
        ("iam:GetCredentialReport", 1),
        ("iam:ListAccessKeys", 1),
        ("iam:ListAttachedUserPolicies", 1),
        ("sts:GetCallerIdentity", 1),
    ];
    assert_eq!(account.calls(), BTreeMap::from(expected.map(|(name, count)| (name.to_owned(), count))));
}

#[test]
fn many_keys_are_looked_up_by_listing_all_and_come_to_the_same() {
    let Some(admin) = in_account("029608264753", many_keys_are_looked_up_by_listing_all_and_come_to_the_same) else {
        return;
    };
    let mut keys = Vec::new();
    for user in ["alice", "bob"] {
        admin.user(user);
        for _ in 0..6 {
            let key = admin.key(user).0;
            delete(&admin, user, &key);
            keys.push(key);
        }
        keys.push(admin.key(user).0);
        keys.push(admin.key(user).0);
        switch_off(&admin, user, keys.last().unwrap());
    }
    let account = admin.connect();
    let all = account.inventory(&names(&keys));
    assert!(all.is_complete);
    assert_eq!(account.calls()["iam:ListAccessKeys"], 2);
    assert_eq!(account.calls()["iam:GetAccessKeyLastUsed"], 4);
    for pair in keys.chunks(2) {
        let few = account.inventory(&names(pair));
        assert!(!few.is_complete);
        for key in pair {
            assert_eq!(few.key(id(key)), all.key(id(key)), "{key}");
        }
    }
    let every = account.every_key().unwrap();
    assert!(every.is_complete && every.keys.len() == 4 && every.report.is_some());
}

#[test]
fn an_id_that_another_account_answers_for_is_absent() {
    let Some(admin) = in_account("418892985061", an_id_that_another_account_answers_for_is_absent) else { return };
    let other = admin.of_another("364679954851");
    let key = other.user("carol").key("carol").0;
    let inventory = admin.connect().inventory(&names([&key]));
    assert_eq!(status(&inventory, &key), None);
}

#[test]
fn keys_and_sessions_are_switched_off_and_on_again() {
    let Some(admin) = in_account("411435703965", keys_and_sessions_are_switched_off_and_on_again) else { return };
    let key = admin.user("alice").key("alice").0;
    let account = admin.connect();
    let target = |user: &str, subject| Target { account: account.caller().account, user: user.to_owned(), subject };
    let key = target("alice", Subject::AccessKey(id(&key)));
    let sessions = |user: &str| {
        target(user, Subject::Sessions { policy: "keysweep-test".to_owned(), issued_before: 1_767_225_600 })
    };
    for target in [key.clone(), sessions("alice")] {
        assert_eq!(account.read(&target), Ok(Position::On));
        for to in [Position::Off, Position::Off, Position::On] {
            assert_eq!(account.set(&target, to), Ok(()));
            assert_eq!(account.read(&target), Ok(to));
        }
    }
    let foreign = [
        ("UserName", "alice"),
        ("PolicyName", "keysweep-test"),
        ("PolicyDocument", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#),
    ];
    admin.iam("PutUserPolicy", &foreign);
    assert_eq!(account.read(&sessions("alice")), Ok(Position::Other));

    let nobody = Target { user: "nobody".to_owned(), ..key.clone() };
    for target in [&nobody, &sessions("nobody")] {
        assert_eq!(account.read(target), Ok(Position::Gone));
    }
    let fault = account.set(&nobody, Position::Off).unwrap_err();
    assert_eq!(fault.effect, Effect::None);
    assert!(fault.why.contains("nobody") && fault.why.contains("cannot be found"), "{fault}");
    let elsewhere = Target { account: AccountId::parse("111122223333").unwrap(), ..key };
    assert!(account.set(&elsewhere, Position::Off).unwrap_err().why.contains("111122223333"));
    let before = account.calls()["iam:UpdateAccessKey"];
    assert_eq!(before, 4, "one attempt each, and none for another account");
}

#[test]
fn what_else_a_user_holds_is_told_and_what_can_not_be_learnt_too() {
    let Some(admin) = in_account("234567890123", what_else_a_user_holds_is_told_and_what_can_not_be_learnt_too) else {
        return;
    };
    admin.iam("CreateUser", &[("UserName", "alice"), ("Path", "/breakglass/")]);
    admin.iam("CreateLoginProfile", &[("UserName", "alice"), ("Password", "not a secret of anybody's")]);
    let quarantine = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV2";
    admin.iam("AttachUserPolicy", &[("UserName", "alice"), ("PolicyArn", quarantine)]);
    let user = admin.connect().user("alice");
    assert_eq!((user.path.as_deref(), user.has_password), (Some("/breakglass/"), Some(true)));
    assert_eq!(user.quarantined_by, Some(vec!["AWSCompromisedKeyQuarantineV2".to_owned()]));
    // The server has no service-specific credentials.
    assert_eq!(user.service_credentials, None);
    assert!(user.missing.iter().any(|gap| gap.why.contains("service-specific credentials of user alice")), "{user:?}");
}

#[test]
fn accounts_of_the_organization_are_asked_where_they_own_a_hit() {
    let Some(admin) = in_account("345678901234", accounts_of_the_organization_are_asked_where_they_own_a_hit) else {
        return;
    };
    admin.organizations("CreateOrganization", r#"{"FeatureSet":"ALL"}"#);
    let [owner, idle] = ["owner", "idle"].map(|name| {
        let body = format!(r#"{{"AccountName":"{name}","Email":"{name}@example.org"}}"#);
        let answer: serde_json::Value = serde_json::from_str(&admin.organizations("CreateAccount", &body)).unwrap();
        answer["CreateAccountStatus"]["AccountId"].as_str().unwrap().to_owned()
    });
    let key = admin.of_another(&owner).user("carol").key("carol").0;
    let foreign = ["AKIA", "V7S32T2OSBFJQOIY"].concat();
    let canary = ["AKIA", "SP2TPHJSQH3FJRUX"].concat();
    let asked =
        aws::ask(admin.connect(), Some("Audit"), Accounts::default(), &names([&key, &foreign, &canary])).unwrap();
    let [owner, idle] = [owner, idle].map(|number| AccountId::parse(&number).unwrap());
    let knowledge = &asked.knowledge;
    assert_eq!(status(&knowledge.inventories[&owner], &key), Some(KeyStatus::Active));
    assert!(!asked.reached.contains_key(&idle) && !knowledge.unasked.contains_key(&idle));
    assert_eq!(knowledge.inventories.len(), 2, "home and the owner: {:?}", knowledge.inventories.keys());
    let calls = asked.reached[&owner].calls();
    assert_eq!((calls["sts:AssumeRole"], calls["iam:GetAccessKeyLastUsed"]), (1, 1), "{calls:?}");

    // Without a role, an account that was named and is another's stays unasked, with what to do about it.
    let accounts: Accounts = [owner].into_iter().collect();
    let asked = aws::ask(admin.connect(), None, accounts, &names([&key])).unwrap();
    assert!(asked.knowledge.unasked[&owner].why.contains("--role-name"), "{:?}", asked.knowledge.unasked);
}

#[test]
fn missing_permissions_have_names_and_the_other_route_is_tried() {
    let Some(admin) = alone("456789012345", missing_permissions_have_names_and_the_other_route_is_tried) else {
        return;
    };
    let leaked = admin.user("alice").key("alice").0;
    let gone = admin.key("alice").0;
    delete(&admin, "alice", &gone);
    let callers: [(&str, &[&str]); 4] = [
        ("lister", &["iam:ListUsers", "iam:ListAccessKeys"]),
        ("halfway", &["iam:GetAccessKeyLastUsed"]),
        ("nobody", &["s3:GetObject"]),
        ("quarantined", &["iam:*"]),
    ];
    let [lister, halfway, nobody, quarantined] = callers.map(|(user, actions)| {
        admin.user(user).allow(user, actions);
        let key = admin.key(user);
        admin.profile(user, &key)
    });
    let policy = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV2";
    admin.iam("AttachUserPolicy", &[("UserName", "quarantined"), ("PolicyArn", policy)]);
    admin.enforce();
    let asked = names([&leaked, &gone]);
    let take = |identity: &Identity| Account::connect(identity).unwrap().inventory(&asked);

    let inventory = take(&lister);
    assert_eq!([&leaked, &gone].map(|key| status(&inventory, key)), [Some(KeyStatus::Active), None]);
    for permission in ["iam:GetAccessKeyLastUsed", "iam:GenerateCredentialReport", "iam:GetAccountSummary"] {
        assert!(permissions(&inventory).contains(&permission), "{permission}: {:?}", inventory.missing);
    }
    let inventory = take(&halfway);
    assert_eq!(inventory.gaps[&id(&leaked)].permission.as_deref(), Some("iam:ListAccessKeys"));
    assert_eq!(status(&inventory, &gone), None);
    let inventory = take(&nobody);
    assert_eq!(inventory.gaps.len(), 2);
    assert_eq!(inventory.gaps[&id(&leaked)].permission.as_deref(), Some("iam:GetAccessKeyLastUsed"));

    let gap = Account::connect(&quarantined).unwrap().every_key().unwrap_err();
    assert_eq!(gap.permission.as_deref(), Some("iam:ListUsers"));
    assert!(gap.why.contains("itself in quarantine (AWSCompromisedKeyQuarantineV2)"), "{}", gap.why);
}

#[test]
fn who_can_not_sign_in_is_told_why() {
    let Some(admin) = alone("567890123456", who_can_not_sign_in_is_told_why) else { return };
    let (key, secret) = admin.user("alice").key("alice");
    let wrong = secret.chars().rev().collect();
    let stranger = ["AKIA", "V7S32T2OSBFJQOIY"].concat();
    let right = admin.profile("right", &(key.clone(), secret.clone()));
    let wrong_secret = admin.profile("wrong", &(key.clone(), wrong));
    let unknown_key = admin.profile("unknown", &(stranger, secret.clone()));
    let no_such = Identity { profile: Some("no-such".to_owned()), ..Identity::default() };
    let no_role = Identity { role_arn: Some("arn:aws:iam::1:role/x".to_owned()), ..right.clone() };
    admin.enforce();
    let why = |identity: &Identity| Account::connect(identity).unwrap_err().to_string();
    assert!(why(&wrong_secret).contains("does not belong to the access key id"), "{}", why(&wrong_secret));
    assert!(why(&unknown_key).contains("knows no such access key"), "{}", why(&unknown_key));
    assert!(why(&no_such).contains("no-such") && why(&no_such).contains("list-profiles"), "{}", why(&no_such));
    assert!(why(&no_role).contains("must trust the caller"), "{}", why(&no_role));

    let account = Account::connect(&right).unwrap();
    assert!(!format!("{account:?}").contains(&secret), "a secret of a config file is shown");
    assert_eq!(account.caller().user_name(), Some("alice"));
    assert_eq!(account.caller().access_key_ids, [id(&key)].into());
    // What was found is tried on its own, and no other secret in its place.
    let works = account.verify(id(&key), &[Secret::new(secret.clone())], None);
    assert!(matches!(&works, Verified::Works { arn, .. } if arn.ends_with("user/alice")), "{works:?}");
    let refused = account.verify(id(&key), &[Secret::new(secret.to_lowercase())], None);
    assert_eq!(refused, Verified::Refused);
}

#[test]
fn a_role_is_assumed_first_with_all_that_it_asks_for() {
    let Some(admin) = in_account("678901234567", a_role_is_assumed_first_with_all_that_it_asks_for) else { return };
    let key = admin.of_another("789012345678").user("dave").key("dave").0;
    let identity = Identity {
        region: Some("eu-west-1".to_owned()),
        role_arn: Some("arn:aws:iam::789012345678:role/Audit".to_owned()),
        external_id: Some("an external id".to_owned()),
        mfa: Some(("arn:aws:iam::678901234567:mfa/ada".to_owned(), "123456".to_owned())),
        ..Identity::default()
    };
    let account = Account::connect(&identity).unwrap();
    assert_eq!(account.caller().arn, "arn:aws:sts::789012345678:assumed-role/Audit/keysweep");
    assert_eq!(status(&account.inventory(&names([&key])), &key), Some(KeyStatus::Active));
    assert_eq!(account.calls()["sts:AssumeRole"], 1);
}

#[test]
fn an_api_key_of_bedrock_that_can_not_be_looked_up_leaves_a_gap() {
    let Some(admin) = in_account("890123456789", an_api_key_of_bedrock_that_can_not_be_looked_up_leaves_a_gap) else {
        return;
    };
    let account = admin.connect();
    let name = Name::ServiceCredential {
        alias: Some("alice-at-890123456789".to_owned()),
        account: Some(account.caller().account),
    };
    // The server has no such thing and fails, first for all users and then for the one whose it can be.
    let inventory = account.inventory(&[name]);
    assert!(inventory.service_gap.unwrap().why.contains("of user alice"));
    assert!(inventory.service_credentials.is_empty() && inventory.report.is_none());
    assert!(account.calls().keys().all(|call| call != "iam:GetAccessKeyLastUsed"));
}

#[test]
fn an_answer_of_the_server_has_what_is_looked_for() {
    assert_eq!(between("<a><b>c</b></a>", "b").as_deref(), Some("c"));
    assert_eq!(between("<a></a>", "b"), None);
}
