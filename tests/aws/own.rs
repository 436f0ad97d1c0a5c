//! Whoever acts does not saw off the branch: the keys that keysweep signs with, directly or through a role, and sessions of its own. And
//! what it takes from its own side, the clock and reports, is not believed.

use serde_json::Value;

use crate::fake::{id_of, now};
use crate::scene::{CREATED, HOME, Scene};
use crate::support::Output;

fn with_role() -> (Scene, String) {
    let scene = Scene::new();
    scene.fake.world(|world| drop(world.account(HOME).role("Admin", &[HOME]).name.clone()));
    let id = scene.fake.caller.0.clone();
    (scene, id)
}

#[track_caller]
fn expect_own_key(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.code == Some(2) && text.contains("(own key)"), "{output:?}");
}

#[test]
fn the_key_that_signs_stays_on_also_behind_a_role() {
    let (scene, id) = with_role();
    expect_own_key(&scene.run(["deactivate", &id, "--apply", "--yes"]));
    let role = format!("arn:aws:iam::{HOME}:role/Admin");
    expect_own_key(&scene.run(["deactivate", &id, "--role-arn", &role, "--apply", "--yes"]));
    assert_eq!(scene.status(&id), "Active");
    scene.fake.log().expect_no_change();
}

#[test]
fn the_key_of_a_profile_whose_role_another_assumes_stays_on() {
    let (scene, id) = with_role();
    let secret = &scene.fake.caller.1;
    scene.at.write(
        "config",
        format!(
            "[profile base]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n\
             [profile admin]\nrole_arn = arn:aws:iam::{HOME}:role/Admin\nsource_profile = base\n"
        ),
    );
    let args = ["deactivate", &id, "--profile", "admin", "--apply", "--yes"];
    expect_own_key(&scene.invocation(args).env("AWS_CONFIG_FILE", scene.at.path("config")).run());
    assert!(scene.fake.log().of("AssumeRole").count() > 0);
    let args = ["deactivate", &id, "--apply", "--yes"];
    let chosen = scene.invocation(args).env("AWS_CONFIG_FILE", scene.at.path("config")).env("AWS_PROFILE", "admin");
    expect_own_key(&chosen.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").run());
    assert_eq!(scene.status(&id), "Active");
}

/// The moment before which sessions are denied.
fn issued_before(scene: &Scene) -> i64 {
    let text = std::fs::read_to_string(scene.at.path("journal.jsonl")).unwrap();
    let plan: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    plan["steps"].as_array().unwrap().iter().find_map(|step| step["issued_before"].as_i64()).unwrap()
}

#[test]
fn sessions_are_denied_by_the_clock_of_aws() {
    for ahead in [3600, -3600] {
        let (scene, ids) = Scene::with_keys(1);
        scene.fake.world(|world| world.clock_ahead = ahead);
        let args = ["deactivate", &ids[0], "--revoke-sessions", "--apply", "--yes", "--journal", "journal.jsonl"];
        let output = scene.run(args);
        assert_eq!(output.code, Some(0), "{output:?}");
        let late = issued_before(&scene) - (now() + ahead);
        assert!((0..600).contains(&late), "{late} seconds");
    }
}

#[test]
fn journals_lie_where_nobody_else_looks() {
    let (scene, ids) = Scene::with_keys(1);
    let output = scene.run(["deactivate", &ids[0], "--apply", "--yes"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let directory = scene.at.home(".local/state/keysweep");
        assert_eq!(std::fs::metadata(directory).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn what_a_report_calls_active_is_looked_up_and_what_it_hides_is_told() {
    let (scene, ids) = Scene::with_keys(1);
    scene.fake.world(|world| drop(world.account(HOME).key("off", 7, CREATED).status("Inactive").id.clone()));
    let finding = |id: &str, verdict: &str| {
        format!(
            r#"{{"schema":"keysweep/v1","type":"finding","access_key_id":"{id}","account_id":"{HOME}","verdict":{verdict}}}"#
        )
    };
    // It lies: of the first about its user, of the second about how it stands, and the third is a stranger's.
    let all = [
        finding(&ids[0], r#"{"status":"active","user_name":"somebody \u001b[2Jelse"}"#),
        finding(&id_of("AKIA", HOME, 7), r#"{"status":"active","user_name":"off"}"#),
        finding(&id_of("AKIA", "777788889999", 1), &format!(r#"{{"status":"active","account_id":"{HOME}"}}"#)),
        // A service credential of a stranger's account.
        finding(
            "",
            r#"{"status":"active","account_id":"777788889999","user_name":"eve","service_credential_id":"ACCA1"}"#,
        )
        .replace(r#""access_key_id":"""#, r#""access_key_id":null"#),
        r#"{"schema":"keysweep/v1","type":"summary","findings":4}"#.to_owned(),
    ];
    scene.at.write("r.jsonl", all.join("\n"));
    let output = scene.run(["deactivate", "--from", "r.jsonl"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(text.contains("of user user-1 in") && text.contains("inactive already"), "{output:?}");
    assert!(text.matches("(foreign)").count() == 2 && !text.contains("else") && !text.contains('\u{1b}'), "{output:?}");
}
