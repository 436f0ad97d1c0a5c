//! Signing a call with what was found, out of reports: which pairs are tried, and what is said of those that are not.

use serde_json::json;

use crate::fake::{id_of, old_id, secret_of};
use crate::scene::{CREATED, Scene, statuses, verdicts};
use crate::support::Output;

/// One of Thinkst's.
const CANARIES: &str = "171436882533";
const FOREIGN: &str = "777788889999";

/// Triage of a report that has these ids, each with a secret if it shows one.
fn triage(scene: &Scene, found: &[(&str, Option<&str>)]) -> Output {
    let finding = |(id, secret): &(&str, Option<&str>)| {
        let secrets: Vec<_> =
            secret.iter().map(|value| json!({"kind": "secret_access_key", "redacted": "…", "value": value})).collect();
        json!({"access_key_id": id, "secrets": secrets, "occurrences": []})
    };
    let findings: Vec<_> = found.iter().map(finding).collect();
    let report = json!({"schema": "keysweep/v1", "findings": findings, "summary": {"complete": true}});
    scene.at.write("report.json", report.to_string());
    scene.run(["triage", "--verify-with-secret", "--format", "jsonl", "report.json"])
}

#[test]
fn an_id_that_stands_twice_in_a_report_is_tried_with_all_its_secrets_at_once() {
    let scene = Scene::new();
    let id = id_of("AKIA", FOREIGN, 1);
    scene.fake.world(|world| _ = world.account(FOREIGN).key("eve", 1, CREATED));
    let (right, wrong) = (secret_of(&id), secret_of("another"));
    let output = triage(&scene, &[(&id, Some(&right)), (&id, Some(&wrong)), (&id, Some(&right))]);
    let live: Vec<bool> = output.findings().iter().map(|one| one["verdict"]["live"] == true).collect();
    assert_eq!((output.code, live), (Some(1), vec![true; 3]), "{output:?}");
    let signed = scene.fake.log().of("GetCallerIdentity").filter(|call| call.signer.as_ref() == Some(&id)).count();
    assert_eq!(signed, 1, "the first that is tried works");
}

#[test]
fn an_id_that_sts_knows_for_a_canary_s_is_not_tried() {
    let scene = Scene::new();
    let id = old_id(1);
    scene.fake.world(|world| _ = world.account(CANARIES).key_with_id("trap", &id, CREATED));
    let output = triage(&scene, &[(&id, Some(&secret_of(&id)))]);
    assert_eq!(statuses(&verdicts(&output.stdout))[id.as_str()], "canary", "{output:?}");
    scene.fake.log().expect_not_signed_with([id.as_str()]);
}

#[test]
fn an_id_of_which_sts_tells_nothing_is_not_tried() {
    let scene = Scene::new();
    let id = old_id(1);
    let output = triage(&scene, &[(&id, Some(&secret_of(&id)))]);
    assert_eq!(statuses(&verdicts(&output.stdout))[id.as_str()], "unknown", "{output:?}");
    scene.fake.log().expect_not_signed_with([id.as_str()]);
}

#[test]
fn a_redacted_report_has_nothing_to_sign_with_and_that_is_told() {
    let (scene, ids) = Scene::with_keys(1);
    let output = triage(&scene, &[(&ids[0], None)]);
    let verdict = verdicts(&output.stdout).remove(&ids[0]).unwrap();
    assert_eq!(verdict["status"], "active", "{output:?}");
    assert!(verdict["evidence"].to_string().contains("--show-secrets"), "{output:?}");
    scene.fake.log().expect_not_signed_with([ids[0].as_str()]);
}
