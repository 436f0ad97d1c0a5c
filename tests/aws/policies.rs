//! The policies that `keysweep policy` prints: with just what they allow, everything works, and nothing is allowed that nobody asks for.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::fake::{CALLER, Permissions, old_id};
use crate::scene::{CREATED, HOME, Scene};
use crate::support::Output;

const MEMBER: &str = "222233334444";

/// The actions that the policies for these purposes allow.
fn allowed(scene: &Scene, purposes: &[&str]) -> BTreeSet<String> {
    let mut actions = BTreeSet::new();
    for purpose in purposes {
        let output = scene.run(["policy", purpose]);
        let policy: Value = serde_json::from_slice(&output.stdout).unwrap();
        for statement in policy["Statement"].as_array().unwrap().iter().filter(|one| one["Effect"] == "Allow") {
            match &statement["Action"] {
                Value::String(action) => drop(actions.insert(action.clone())),
                several => {
                    actions.extend(several.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()));
                }
            }
        }
    }
    assert!(!actions.is_empty());
    actions
}

/// An account with three users' keys and a key of Bedrock, whose caller may do just what these policies allow.
fn scene(purposes: &[&str]) -> (Scene, Vec<String>, BTreeSet<String>) {
    let (scene, ids) = Scene::with_keys(3);
    let actions = allowed(&scene, purposes);
    scene.fake.world(|world| {
        let account = world.account(HOME);
        account.bedrock("user-1", "ACCAEXAMPLE123EXAMPLE", "q7xz", CREATED);
        account.user(CALLER).permissions = Permissions::Only(actions.clone());
    });
    (scene, ids, actions)
}

/// Checks the exit code, and that no permission is missed anywhere in what was said.
#[track_caller]
fn expect(output: &Output, code: i32) {
    assert_eq!(output.code, Some(code), "{output:?}");
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), output.stderr);
    for sign in ["not authorized", "\"missing_permission\":\"", "is missing", "not known"] {
        assert!(!told.contains(sign), "{sign}: {output:?}");
    }
}

/// Checks that all actions were called, and nothing else but what needs no permission.
#[track_caller]
fn expect_used(scene: &Scene, actions: &BTreeSet<String>, besides: &[&str]) {
    let called: BTreeSet<String> = scene.fake.log().counts().into_keys().collect();
    let mut expected = actions.clone();
    expected.extend(besides.iter().map(|&action| action.to_owned()));
    assert_eq!(called, expected, "left: called, right: allowed");
}

#[test]
fn audit_is_enough_to_judge_and_to_list_and_all_of_it_is_needed() {
    let (scene, mut ids, actions) = scene(&["audit"]);
    expect(&scene.triage(&ids).0, 1);
    // One that does not spell its account, and more ids than users, which are then listed.
    ids.push(old_id(9));
    ids.extend((20..40).map(|seed| crate::fake::id_of("AKIA", HOME, seed)));
    let (output, verdicts) = scene.triage(&ids);
    assert_eq!(verdicts.len(), ids.len(), "{output:?}");
    let missing = verdicts.values().filter(|verdict| !verdict["missing_permission"].is_null());
    assert_eq!(missing.count(), 0, "{output:?}");
    let key = format!("BedrockAPIKey-q7xz-at-{HOME}:{}", "kQ3vT9xLw2".repeat(7));
    let key = format!("{}{}", ["AB", "SK"].concat(), aws_smithy_types::base64::encode(key));
    scene.at.write("key.env", format!("AWS_BEARER_TOKEN_BEDROCK={key}\n"));
    scene.run(["scan", "--triage", "key.env"]);
    expect(&scene.run(["inventory", "--ids"]), 0);
    expect_used(&scene, &actions, &["sts:GetCallerIdentity"]);
    scene.fake.log().expect_no_change();
}

#[test]
fn deactivate_is_enough_to_switch_off_and_on_again() {
    let (scene, ids, actions) = scene(&["deactivate"]);
    expect(&scene.deactivation(&ids).run(), 0);
    expect(&scene.run(["undo", "journal.jsonl", "--apply", "--yes", "--journal", "undo.jsonl"]), 0);
    let of_bedrock = ["--user", "user-1", "ACCAEXAMPLE123EXAMPLE", "--apply", "--yes", "--journal", "bedrock.jsonl"];
    expect(&scene.run(["deactivate"].into_iter().chain(of_bedrock)), 0);
    let called: BTreeSet<String> = scene.fake.log().counts().into_keys().collect();
    let audit = allowed(&scene, &["audit"]);
    let beyond: Vec<&String> = actions.difference(&audit).filter(|action| !called.contains(*action)).collect();
    assert!(beyond.is_empty(), "nobody asks for {beyond:?}");
}

#[test]
fn revoke_sessions_is_what_it_takes_besides() {
    let (scene, ids, _) = scene(&["deactivate", "revoke-sessions"]);
    let before = scene.fake.world(|world| world.state());
    let flags = ["deactivate", "--revoke-sessions", "--apply", "--yes", "--journal", "journal.jsonl", &ids[0]];
    expect(&scene.run(flags), 0);
    let policies = scene.fake.world(|world| world.account(HOME).user("user-1").inline.clone());
    let (name, document) = policies.first_key_value().expect("sessions are denied");
    assert!(name.starts_with("KeysweepRevokeSessions-"), "{name}");
    assert!(document.contains("\"Deny\"") && document.contains("aws:TokenIssueTime"), "{document}");
    assert_eq!(scene.journal("journal.jsonl").results(), ["confirmed", "confirmed"]);
    expect(&scene.run(["undo", "journal.jsonl", "--apply", "--yes", "--journal", "undo.jsonl"]), 0);
    assert_eq!(scene.fake.world(|world| world.state()), before);
    let called: BTreeSet<String> = scene.fake.log().counts().into_keys().collect();
    assert!(allowed(&scene, &["revoke-sessions"]).is_subset(&called), "{called:?}");
}

#[test]
fn organization_is_what_the_caller_needs_to_ask_other_accounts() {
    let scene = Scene::new();
    let actions = allowed(&scene, &["organization", "audit"]);
    let audit = allowed(&scene, &["audit"]);
    let id = scene.fake.world(|world| {
        world.organization = [HOME, MEMBER].map(str::to_owned).to_vec();
        world.account(HOME).user(CALLER).permissions = Permissions::Only(actions);
        let member = world.account(MEMBER);
        member.role("Audit", &[HOME]);
        member.roles.get_mut("Audit").unwrap().permissions = Permissions::Only(audit);
        member.key("ann", 1, CREATED).id.clone()
    });
    let output = scene.run(["triage", "--organization", "--role-name", "Audit", "--format", "jsonl", &id]);
    expect(&output, 1);
}
