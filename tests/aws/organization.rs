//! Several accounts: those that own a leaked key are asked, the others are left alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::fake::{CALLER, Permissions, id_of, old_id};
use crate::scene::{CREATED, HOME, Scene, statuses, verdicts};
use crate::support::Output;

const FIRST: &str = "222233334444";
const SECOND: &str = "333344445555";
const THIRD: &str = "444455556666";
const FOREIGN: &str = "777788889999";

/// Three member accounts that trust the caller's, with a key each.
fn organization() -> Scene {
    let scene = Scene::new();
    scene.fake.world(|world| {
        world.organization = [HOME, FIRST, SECOND, THIRD].map(str::to_owned).to_vec();
        for number in [FIRST, SECOND, THIRD] {
            let account = world.account(number);
            account.role("Audit", &[HOME]);
            account.key("ann", 1, CREATED);
        }
    });
    scene
}

fn triage(scene: &Scene, ids: &[&str]) -> Output {
    let flags = ["triage", "--organization", "--role-name", "Audit", "--format", "jsonl"];
    scene.run(flags.into_iter().chain(ids.iter().copied()))
}

#[test]
fn roles_are_assumed_only_where_something_leaked() {
    let scene = organization();
    scene.fake.world(|world| world.page = Some(2));
    let ids = [id_of("AKIA", FIRST, 1), id_of("AKIA", SECOND, 1), id_of("AKIA", SECOND, 2), id_of("AKIA", FOREIGN, 1)];
    let output = triage(&scene, &ids.each_ref().map(String::as_str));
    assert_eq!(output.code, Some(1), "{output:?}");
    let expected = ["active", "active", "deleted", "foreign"];
    let expected: BTreeMap<_, _> = ids.iter().map(String::as_str).zip(expected).collect();
    assert_eq!(statuses(&verdicts(&output.stdout)), expected, "{output:?}");
    let log = scene.fake.log();
    log.expect_no_change().expect_not_asked_about([ids[3].as_str()]);
    let roles: BTreeSet<_> = log.of("AssumeRole").filter_map(|call| call.parameter("RoleArn")).collect();
    let expected = [FIRST, SECOND].map(|account| format!("arn:aws:iam::{account}:role/Audit"));
    assert_eq!(roles, expected.iter().map(String::as_str).collect(), "{:?}", log.counts());
    assert_eq!(log.accounts(), [HOME, FIRST, SECOND].map(str::to_owned).into());
}

#[test]
fn an_account_that_can_not_be_reached_is_told() {
    let scene = organization();
    scene.fake.world(|world| world.account(SECOND).roles.clear());
    let ids = [id_of("AKIA", FIRST, 1), id_of("AKIA", SECOND, 1)];
    let output = triage(&scene, &ids.each_ref().map(String::as_str));
    assert_eq!(output.code, Some(2), "{output:?}");
    let verdicts = verdicts(&output.stdout);
    assert_eq!((&verdicts[&ids[0]]["status"], &verdicts[&ids[1]]["status"]), (&"active".into(), &"unknown".into()));
    let why = verdicts[&ids[1]].to_string();
    assert!(why.contains("sts:AssumeRole") && why.contains(SECOND), "{why}");
}

#[test]
fn who_may_not_list_the_organization_is_told_so() {
    let scene = organization();
    scene.fake.world(|world| {
        world.account(HOME).user(CALLER).permissions = Permissions::but(&["organizations:ListAccounts"]);
    });
    let output = triage(&scene, &[&id_of("AKIA", FIRST, 1)]);
    assert_eq!(output.code, Some(2), "{output:?}");
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), output.stderr);
    assert!(told.contains("organizations:ListAccounts"), "{output:?}");
}

#[test]
fn ids_that_do_not_spell_their_account_are_looked_up() {
    let scene = organization();
    let (ours, theirs, home) = (old_id(1), old_id(2), old_id(3));
    scene.fake.world(|world| {
        world.account(SECOND).key_with_id("bob", &ours, CREATED);
        world.account(FOREIGN).key_with_id("eve", &theirs, CREATED);
        world.account(HOME).key_with_id("cid", &home, CREATED);
    });
    let output = triage(&scene, &[&ours, &theirs, &home]);
    let verdicts = verdicts(&output.stdout);
    let expected = BTreeMap::from([(ours.as_str(), "active"), (theirs.as_str(), "foreign"), (home.as_str(), "active")]);
    assert_eq!(statuses(&verdicts), expected, "{output:?}");
    assert_eq!(scene.fake.log().accounts(), [HOME, SECOND].map(str::to_owned).into());
}

#[test]
fn keys_of_other_accounts_are_switched_off_there_and_on_again() {
    let scene = organization();
    let ids = [id_of("AKIA", FIRST, 1), id_of("AKIA", SECOND, 1)];
    let before = scene.fake.world(|world| world.state());
    let role = ["--organization", "--role-name", "Audit"];
    let applied = scene.run(
        ["deactivate", "--apply", "--yes", "--journal", "journal.jsonl", &ids[0], &ids[1]].into_iter().chain(role),
    );
    assert_eq!(applied.code, Some(0), "{applied:?}");
    assert_eq!(ids.each_ref().map(|id| scene.status(id)), ["Inactive", "Inactive"].map(str::to_owned));
    let undone =
        scene.run(["undo", "journal.jsonl", "--apply", "--yes", "--journal", "undo.jsonl"].into_iter().chain(role));
    assert_eq!(undone.code, Some(0), "{undone:?}");
    assert_eq!(scene.fake.world(|world| world.state()), before);
}

#[test]
fn an_account_that_a_journal_names_is_not_asked_unless_it_is_one_s_own() {
    let scene = organization();
    let id = id_of("AKIA", SECOND, 1);
    let role = ["--organization", "--role-name", "Audit"];
    let applied =
        scene.run(["deactivate", "--apply", "--yes", "--journal", "journal.jsonl", &id].into_iter().chain(role));
    assert_eq!(applied.code, Some(0), "{applied:?}");
    let journal = std::fs::read_to_string(scene.at.path("journal.jsonl")).unwrap();
    let theirs = id_of("AKIA", FOREIGN, 1);
    scene.at.write("other.jsonl", journal.replace(&id, &theirs).replace(SECOND, FOREIGN));
    scene.fake.world(|world| {
        let account = world.account(FOREIGN);
        account.role("Audit", &[HOME]);
        account.key("ann", 1, CREATED).status("Inactive");
    });
    scene.fake.forget();
    let undone = scene.run(["undo", "other.jsonl", "--apply", "--yes"].into_iter().chain(role));
    assert_eq!((undone.code, scene.status(&theirs).as_str()), (Some(2), "Inactive"), "{undone:?}");
    undone.expect_stderr(&[FOREIGN, "none of the organization"]);
    assert_eq!(scene.fake.log().of("AssumeRole").count(), 0, "{undone:?}");
}

#[test]
fn closed_accounts_are_no_hole_in_an_inventory() {
    let scene = organization();
    let args = ["inventory", "--ids", "--organization", "--role-name", "Audit"];
    scene.fake.world(|world| {
        world.account(SECOND).roles.clear();
        world.suspended = vec![SECOND.to_owned()];
    });
    let output = scene.run(args);
    assert_eq!(output.code, Some(0), "{output:?}");
    output.expect_stderr(&[SECOND, "suspended or closed"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!([FIRST, THIRD].iter().all(|account| text.contains(&id_of("AKIA", account, 1))), "{text}");
    scene.fake.world(|world| world.suspended.clear());
    let holed = scene.run(args);
    assert_eq!((holed.code, holed.stdout.len()), (Some(2), 0), "{holed:?}");
}

#[test]
fn an_inventory_says_what_it_could_not_learn() {
    let scene = organization();
    scene.fake.world(|world| {
        world.account(HOME).user(CALLER).permissions = Permissions::but(&["iam:GenerateCredentialReport"]);
    });
    let output = scene.run(["inventory"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    output.expect_stderr(&["iam:GenerateCredentialReport"]);
}
