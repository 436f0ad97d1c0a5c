//! Where nothing is to be changed: verdicts are right, or say what could not be learnt.

use std::collections::BTreeMap;

use crate::fake::{CALLER, Done, Fault, Permissions, Refusal, id_of, now, old_id};
use crate::scene::{CREATED, HOME, Scene, statuses, verdicts};

/// Checks that one key is judged `active` with exit code 1, though something goes wrong.
#[track_caller]
fn expect_active(scene: &Scene, id: &String) -> serde_json::Value {
    let (output, verdicts) = scene.triage(std::slice::from_ref(id));
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(statuses(&verdicts), BTreeMap::from([(id.as_str(), "active")]), "{output:?}");
    verdicts[id].clone()
}

#[test]
fn a_key_that_is_no_users_may_be_roots() {
    let (scene, ids) = Scene::with_keys(1);
    let unknown = id_of("AKIA", HOME, 9);
    let (output, verdicts) = scene.triage(&[ids[0].clone(), unknown.clone()]);
    assert_eq!((output.code, &verdicts[&unknown]["status"]), (Some(1), &"deleted".into()), "{output:?}");
    let root = scene.fake.world(|world| world.account(HOME).root_key(8, CREATED).id.clone());
    let (output, verdicts) = scene.triage(std::slice::from_ref(&root));
    assert_eq!((output.code, &verdicts[&root]["status"]), (Some(1), &"root".into()), "{output:?}");
    let refused = scene.run(["deactivate", "--apply", "--yes", &root]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stdout).contains("root"), "{refused:?}");
    scene.fake.log().expect_no_change();
}

#[test]
fn a_report_that_is_not_ready_is_waited_for() {
    let (scene, ids) = Scene::with_keys(1);
    scene.fake.world(|world| world.account(HOME).report.takes = 3);
    let verdict = expect_active(&scene, &ids[0]);
    assert_eq!(verdict["report"]["slot"], 1, "{verdict}");
    let log = scene.fake.log();
    assert!(log.count("GenerateCredentialReport") + log.count("GetCredentialReport") > 3, "{:?}", log.counts());
}

#[test]
fn a_report_that_expires_in_between_is_made_again() {
    let (scene, ids) = Scene::with_keys(1);
    for (status, code) in [(410, "ReportExpired"), (410, "ReportNotPresent"), (404, "ReportInProgress")] {
        scene.fake.fault("GetCredentialReport", 1..=1, Fault::Refuse(Refusal::new(status, code, "Unknown")));
        let verdict = expect_active(&scene, &ids[0]);
        assert_eq!(verdict["report"]["slot"], 1, "{code}: {verdict}");
        scene.fake.heal();
    }
}

#[test]
fn a_report_that_never_comes_is_missed_and_no_more() {
    let (scene, ids) = Scene::with_keys(1);
    scene.fake.fault("GetCredentialReport", 1..=usize::MAX, Fault::server_error());
    let verdict = expect_active(&scene, &ids[0]);
    assert!(verdict["report"].is_null(), "{verdict}");
}

#[test]
fn a_stale_report_is_evidence_and_not_the_verdict() {
    let (scene, ids) = Scene::with_keys(2);
    scene.fake.world(|world| {
        let account = world.account(HOME);
        account.keys.get_mut(&ids[1]).unwrap().status("Inactive");
        account.make_report(now() - 3 * 60 * 60);
        account.keys.get_mut(&ids[0]).unwrap().status("Inactive");
        account.keys.get_mut(&ids[1]).unwrap().status("Active");
    });
    let (output, verdicts) = scene.triage(&ids);
    assert_eq!(output.code, Some(1), "{output:?}");
    let expected = BTreeMap::from([(ids[0].as_str(), "inactive"), (ids[1].as_str(), "active")]);
    assert_eq!(statuses(&verdicts), expected, "{output:?}");
    for verdict in verdicts.values() {
        let evidence = verdict["evidence"].to_string();
        assert!(evidence.contains("3 hours") && evidence.contains("report"), "{verdict}");
    }
}

#[test]
fn lists_are_read_to_their_last_page() {
    let (scene, mut ids) = Scene::with_keys(5);
    scene.fake.world(|world| {
        world.page = Some(1);
        let account = world.account(HOME);
        ids.push(account.key("user-1", 21, CREATED + 1).id.clone());
        ids.push(account.key("user-5", 25, CREATED + 1).status("Inactive").id.clone());
        account.user("user-5").attached =
            ["ReadOnlyAccess", "AWSCompromisedKeyQuarantineV4"].map(str::to_owned).to_vec();
    });
    let (output, verdicts) = scene.triage(&ids);
    assert_eq!(output.code, Some(1), "{output:?}");
    let is_inactive = |id: &String| *id == ids[6];
    for id in &ids {
        let expected = if is_inactive(id) { "inactive" } else { "active" };
        assert_eq!(verdicts[id]["status"], expected, "{output:?}");
    }
    let quarantined = verdicts[&ids[4]]["quarantined_by"].to_string();
    assert!(quarantined.contains("AWSCompromisedKeyQuarantineV4") && !quarantined.contains("ReadOnly"), "{output:?}");
    let inventory = scene.run(["inventory", "--ids"]);
    assert_eq!(inventory.code, Some(0), "{inventory:?}");
    let listed = String::from_utf8_lossy(&inventory.stdout);
    assert!(ids.iter().all(|id| listed.contains(id)), "{inventory:?}");
}

#[test]
fn throttling_is_waited_out_or_told() {
    let (scene, ids) = Scene::with_keys(1);
    for operation in ["GetCallerIdentity", "GetAccessKeyLastUsed", "ListAccessKeys", "GetCredentialReport"] {
        scene.fake.fault(operation, 1..=2, Fault::throttle());
    }
    expect_active(&scene, &ids[0]);
    scene.fake.fault("ListAccessKeys", 1..=usize::MAX, Fault::throttle());
    let (output, verdicts) = scene.triage(&ids);
    assert_eq!((output.code, &verdicts[&ids[0]]["status"]), (Some(2), &"unknown".into()), "{output:?}");
    assert!(verdicts[&ids[0]].to_string().contains("Rate exceeded"), "{output:?}");
}

#[test]
fn connections_that_are_cut_or_half_closed_are_opened_again() {
    let (scene, ids) = Scene::with_keys(1);
    for fault in [Fault::HalfClose, Fault::Cut(Done::First), Fault::Silence(Done::Never)] {
        for operation in ["GetCallerIdentity", "GetAccessKeyLastUsed", "ListAccessKeys", "GetCredentialReport"] {
            scene.fake.fault(operation, 1..=1, fault.clone());
        }
        expect_active(&scene, &ids[0]);
        scene.fake.heal();
    }
}

#[test]
fn a_clock_that_is_wrong_is_set_right_or_told() {
    let (scene, ids) = Scene::with_keys(1);
    for ahead in [3600, -3600] {
        scene.fake.world(|world| world.clock_ahead = ahead);
        expect_active(&scene, &ids[0]);
    }
    scene.fake.world(|world| world.clock_ahead = 0);
    scene.fake.fault("*", 1..=usize::MAX, Fault::skewed());
    let (output, _) = scene.triage(&ids);
    assert_eq!(output.code, Some(2), "{output:?}");
    output.expect_stderr(&["clock"]);
}

#[test]
fn a_session_that_ends_is_told_as_that() {
    let (scene, ids) = Scene::with_keys(1);
    scene.fake.fault("*", 1..=usize::MAX, Fault::expired_token());
    let (output, _) = scene.triage(&ids);
    assert_eq!(output.code, Some(2), "{output:?}");
    output.expect_stderr(&["expired"]);
}

#[test]
fn somebody_elses_page_is_no_answer() {
    let (scene, ids) = Scene::with_keys(1);
    scene.fake.fault("ListAccessKeys", 1..=usize::MAX, Fault::Portal);
    let (output, verdicts) = scene.triage(&ids);
    assert_eq!((output.code, &verdicts[&ids[0]]["status"]), (Some(2), &"unknown".into()), "{output:?}");
}

#[test]
fn expired_keys_are_dead() {
    let (scene, ids) = Scene::with_keys(1);
    scene.fake.world(|world| drop(world.account(HOME).keys.get_mut(&ids[0]).unwrap().status("Expired").id.clone()));
    let (output, verdicts) = scene.triage(&ids);
    assert_eq!((output.code, &verdicts[&ids[0]]["status"]), (Some(0), &"expired".into()), "{output:?}");
}

#[test]
fn keys_of_one_second_are_told_apart_only_where_something_tells_them() {
    let (scene, ids) = Scene::with_keys(1);
    let twin = scene.fake.world(|world| world.account(HOME).key("user-1", 21, CREATED).id.clone());
    let both = [ids[0].clone(), twin.clone()];
    let (_, verdicts) = scene.triage(&both);
    for id in &both {
        assert_eq!((&verdicts[id]["status"], verdicts[id]["report"]["slot"].is_null()), (&"active".into(), true));
    }
    scene.fake.world(|world| {
        let account = world.account(HOME);
        account.keys.get_mut(&twin).unwrap().used(CREATED + 60, "s3", "eu-west-1");
        account.make_report(now());
    });
    let (_, verdicts) = scene.triage(&both);
    let slots: Vec<_> = both.iter().map(|id| verdicts[id]["report"]["slot"].clone()).collect();
    // Slots are in the order of ids.
    let expected = if ids[0] < twin { [1, 2] } else { [2, 1] };
    assert_eq!(slots, expected.map(serde_json::Value::from), "{verdicts:?}");
}

#[test]
fn a_permission_that_is_missing_is_named() {
    let (scene, ids) = Scene::with_keys(1);
    let but = |actions: &[&str]| {
        scene.fake.world(|world| world.account(HOME).user(CALLER).permissions = Permissions::but(actions));
        scene.triage(&ids)
    };
    let (output, verdicts) = but(&["iam:ListAccessKeys"]);
    assert_eq!((output.code, &verdicts[&ids[0]]["status"]), (Some(2), &"unknown".into()), "{output:?}");
    assert!(verdicts[&ids[0]].to_string().contains("iam:ListAccessKeys"), "{output:?}");
    // The other way round, key by key, is closed; all keys of all users are not.
    let (output, verdicts) = but(&["iam:GetAccessKeyLastUsed"]);
    assert_eq!((output.code, &verdicts[&ids[0]]["status"]), (Some(1), &"active".into()), "{output:?}");
    let (output, verdicts) = but(&["iam:GetAccessKeyLastUsed", "iam:ListUsers"]);
    assert_eq!((output.code, &verdicts[&ids[0]]["status"]), (Some(2), &"unknown".into()), "{output:?}");
    assert!(verdicts[&ids[0]].to_string().contains("iam:GetAccessKeyLastUsed"), "{output:?}");
    // Whether a key that no user has is the root user's is told by the summary, and else by the report.
    let gone = id_of("AKIA", HOME, 9);
    let old = old_id(1);
    for (actions, expected, told) in [
        (&["iam:GetAccountSummary"][..], "deleted", "by the credential report, made on"),
        (&["iam:GetAccountSummary", "iam:GetCredentialReport"], "unknown", "iam:GetAccountSummary"),
    ] {
        scene.fake.world(|world| world.account(HOME).user(CALLER).permissions = Permissions::but(actions));
        let (output, verdicts) = scene.triage(std::slice::from_ref(&gone));
        assert_eq!(verdicts[&gone]["status"], expected, "{output:?}");
        assert!(verdicts[&gone]["evidence"].to_string().contains(told), "{output:?}");
    }
    scene.fake.world(|world| {
        world.account(HOME).user(CALLER).permissions = Permissions::but(&["sts:GetAccessKeyInfo"]);
    });
    let (output, verdicts) = scene.triage(std::slice::from_ref(&old));
    assert_eq!((output.code, &verdicts[&old]["status"]), (Some(2), &"unknown".into()), "{output:?}");
    assert!(verdicts[&old].to_string().contains("sts:GetAccessKeyInfo"), "{output:?}");
    // Evidence alone is missing.
    for action in ["iam:GenerateCredentialReport", "iam:GetCredentialReport", "iam:ListAttachedUserPolicies"] {
        let (output, verdicts) = but(&[action]);
        assert_eq!((output.code, &verdicts[&ids[0]]["status"]), (Some(1), &"active".into()), "{action}: {output:?}");
        assert!(verdicts[&ids[0]].to_string().contains(action), "{action}: {output:?}");
    }
}

#[test]
fn whoever_is_quarantined_is_told_to_be_somebody_else() {
    let (scene, ids) = Scene::with_keys(1);
    for names_policies in [false, true] {
        scene.fake.world(|world| {
            world.names_policies = names_policies;
            world.account(HOME).user(CALLER).attached = vec!["AWSCompromisedKeyQuarantineV4".to_owned()];
        });
        let inventory = scene.run(["inventory", "--ids"]);
        assert_eq!(inventory.code, Some(2), "{inventory:?}");
        inventory.expect_stderr(&["quarantine", "another"]);
        let output = scene.deactivation(&ids).run();
        assert_eq!(output.code, Some(2), "{output:?}");
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), output.stderr);
        assert!(told.contains("uarantine") && told.contains("another"), "{output:?}");
        assert_eq!(scene.status(&ids[0]), "Active");
        std::fs::remove_file(scene.at.path("journal.jsonl")).unwrap();
    }
}

#[test]
fn who_has_no_credentials_is_told_what_ids_tell_themselves() {
    let scene = Scene::new();
    let [ours, foreign, canary] = [HOME, "777788889999", "171436882533"].map(|account| id_of("AKIA", account, 1));
    let session = id_of(&["AS", "IA"].concat(), HOME, 2);
    let run = |args: &[&str]| {
        let args = ["triage", "--format", "jsonl"].iter().chain(args);
        scene.at.invocation(args).env("AWS_EC2_METADATA_DISABLED", "true").run()
    };
    let output = run(&[&canary]);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "nobody need be asked about it: {output:?}");
    let output = run(&["--account", HOME, &ours, &foreign, &canary, &session]);
    assert_eq!(output.code, Some(2), "{output:?}");
    let verdicts = verdicts(&output.stdout);
    let expected = [(&ours, "unknown"), (&foreign, "foreign"), (&canary, "canary"), (&session, "temporary")];
    let expected = expected.map(|(id, status)| (id.as_str(), status));
    assert_eq!(statuses(&verdicts), BTreeMap::from(expected));
    assert!(output.stderr.contains("signing in to AWS failed") && output.stderr.contains("--profile"), "{output:?}");
    assert!(scene.fake.log().0.is_empty());
}
