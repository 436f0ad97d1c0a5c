//! The whole story: seven leaked keys are found, judged, switched off, looked at again, and switched on again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::fake::{id_of, now, secret_of};
use crate::scene::{CREATED, HOME, Scene, statuses, verdicts};
use crate::support::Output;

const FOREIGN: &str = "777788889999";

/// A maker of canary tokens.
const CANARY: &str = "171436882533";

/// Each leaked id by what is the matter with it.
struct Leaked(BTreeMap<&'static str, String>);

impl Leaked {
    /// What there is in AWS, and a repository in which all of it stands.
    fn in_repository(scene: &Scene) -> Self {
        let long_term = |account, seed| id_of("AKIA", account, seed);
        let leaked = Self(BTreeMap::from([
            ("used", long_term(HOME, 1)),
            ("never used", long_term(HOME, 2)),
            ("inactive", long_term(HOME, 3)),
            ("deleted", long_term(HOME, 4)),
            ("foreign", long_term(FOREIGN, 5)),
            ("canary", long_term(CANARY, 6)),
            ("temporary", id_of(&["AS", "IA"].concat(), HOME, 7)),
        ]));
        scene.fake.world(|world| {
            let account = world.account(HOME);
            account.key("ann", 1, CREATED).used(now() - 12 * 60, "s3", "eu-west-1");
            account.user("ann").has_password = true;
            account.key("bob", 2, CREATED);
            account.key("bob", 3, CREATED + 60).status("Inactive");
            account.key("cid", 4, CREATED);
            account.delete_key(&leaked.0["deleted"]);
            // They would be found if anybody asked.
            world.account(FOREIGN).key("eve", 5, CREATED);
            world.account(CANARY).key("trap", 6, CREATED);
        });
        scene.at.init("repo");
        for (file, id) in &leaked.0 {
            let file = format!("repo/{}.env", file.replace(' ', "-"));
            let secret = secret_of(id);
            scene.at.write(file, format!("AWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={secret}\n"));
        }
        scene.at.commit("repo", "deploy");
        fs::remove_file(scene.at.path("repo/used.env")).unwrap();
        scene.at.commit("repo", "tidy up");
        leaked
    }

    fn ids(&self) -> Vec<String> {
        self.0.values().cloned().collect()
    }

    fn expect(&self, output: &Output, expected: [(&str, &str); 7]) {
        let verdicts = verdicts(&output.stdout);
        let expected = expected.map(|(name, status)| (self.0[name].as_str(), status));
        assert_eq!(statuses(&verdicts), BTreeMap::from(expected), "{output:?}");
    }
}

fn kept(scene: &Scene, name: &str, output: &Output) {
    scene.at.write(name, &output.stdout);
}

#[test]
fn seven_leaked_keys_from_the_scan_to_the_undo() {
    let scene = Scene::new();
    let leaked = Leaked::in_repository(&scene);
    let before = scene.fake.world(|world| world.state());
    let mut outputs = Vec::new();

    let scan = scene.run(["scan", "--format", "jsonl", "repo"]);
    scan.expect(1, &leaked.0.values().map(String::as_str).collect::<Vec<_>>());
    assert!(scene.fake.log().0.is_empty(), "a scan asks nobody");
    kept(&scene, "findings.jsonl", &scan);
    outputs.push(scan);

    let triage = scene.run(["triage", "--format", "jsonl", "findings.jsonl"]);
    assert_eq!(triage.code, Some(1), "{triage:?}");
    leaked.expect(
        &triage,
        [
            ("used", "active"),
            ("never used", "active"),
            ("inactive", "inactive"),
            ("deleted", "deleted"),
            ("foreign", "foreign"),
            ("canary", "canary"),
            ("temporary", "temporary"),
        ],
    );
    let told = verdicts(&triage.stdout);
    let used = &told[&leaked.0["used"]];
    assert_eq!((&used["user_name"], &used["used_since_exposed"]), (&"ann".into(), &true.into()), "{used}");
    assert_eq!((&used["last_used"]["service"], &used["last_used"]["region"]), (&"s3".into(), &"eu-west-1".into()));
    kept(&scene, "triaged.jsonl", &triage);
    outputs.push(triage);

    let plan = scene.run(["deactivate", "--from", "triaged.jsonl"]);
    assert_eq!(plan.code, Some(1), "{plan:?}");
    let text = String::from_utf8_lossy(&plan.stdout);
    for words in [&leaked.0["used"], &leaked.0["never used"], "ann", "s3/eu-west-1", "12 minutes ago", "password"] {
        assert!(text.contains(words), "{words} is not in {plan:?}");
    }
    outputs.push(plan);
    scene.fake.log().expect_no_change();

    let flags = ["--apply", "--yes", "--journal", "journal.jsonl"];
    let applied = scene.run(["deactivate", "--from", "triaged.jsonl"].into_iter().chain(flags));
    assert_eq!(applied.code, Some(0), "{applied:?}");
    outputs.push(applied);
    let off = [&leaked.0["used"], &leaked.0["never used"]];
    let switched = |ids: [&String; 2]| ids.map(|id| ("UpdateAccessKey".to_owned(), id.clone()));
    let changes = BTreeSet::from_iter(scene.fake.log().changes());
    assert_eq!((changes, scene.fake.log().count("UpdateAccessKey")), (BTreeSet::from(switched(off)), 2));
    assert_eq!(scene.journal("journal.jsonl").results(), ["confirmed", "confirmed"]);

    let again = scene.run(["triage", "--format", "jsonl", "findings.jsonl"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    leaked.expect(
        &again,
        [
            ("used", "inactive"),
            ("never used", "inactive"),
            ("inactive", "inactive"),
            ("deleted", "deleted"),
            ("foreign", "foreign"),
            ("canary", "canary"),
            ("temporary", "temporary"),
        ],
    );
    outputs.push(again);

    scene.fake.forget();
    outputs.push(scene.run(["undo", "journal.jsonl"]));
    scene.fake.log().expect_no_change();
    let undone = scene.run(["undo", "journal.jsonl", "--apply", "--yes", "--journal", "undo.jsonl"]);
    assert_eq!(undone.code, Some(0), "{undone:?}");
    outputs.push(undone);
    assert_eq!(scene.fake.world(|world| world.state()), before);
    assert_eq!(scene.fake.log().count("UpdateAccessKey"), 2);

    for output in &outputs {
        Scene::expect_no_secret(&output.stdout, &leaked.ids());
        Scene::expect_no_secret(output.stderr.as_bytes(), &leaked.ids());
    }
    Scene::expect_no_secret(&fs::read(scene.at.path("journal.jsonl")).unwrap(), &leaked.ids());
}

#[test]
fn no_call_is_signed_with_what_was_found_and_nobody_is_asked_about_others() {
    let scene = Scene::new();
    let leaked = Leaked::in_repository(&scene);
    let output = scene.run(["scan", "--triage", "--format", "jsonl", "repo"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    kept(&scene, "triaged.jsonl", &output);
    scene.run(["triage", "triaged.jsonl"]);
    scene.run(["deactivate", "--from", "triaged.jsonl"]);
    // Also when somebody insists.
    scene.run(["deactivate"].into_iter().chain(leaked.0.values().map(String::as_str)));
    let log = scene.fake.log();
    assert!(!log.0.is_empty());
    log.expect_no_change().expect_not_signed_with(leaked.0.values().map(String::as_str));
    log.expect_not_asked_about(["foreign", "canary", "temporary"].map(|name| leaked.0[name].as_str()));
    assert_eq!(log.accounts(), BTreeSet::from([HOME.to_owned()]));
}

#[test]
fn only_on_request_is_a_call_signed_with_what_was_found() {
    let scene = Scene::new();
    let leaked = Leaked::in_repository(&scene);
    let output = scene.run(["scan", "--triage", "--verify-with-secret", "--format", "jsonl", "repo"]);
    leaked.expect(
        &output,
        [
            ("used", "active"),
            ("never used", "active"),
            ("inactive", "inactive"),
            ("deleted", "deleted"),
            ("foreign", "active"),
            ("canary", "canary"),
            ("temporary", "temporary"),
        ],
    );
    let log = scene.fake.log();
    log.expect_not_signed_with([leaked.0["canary"].as_str()]);
    let found: BTreeSet<_> = leaked.ids().into_iter().collect();
    let signed = log.0.iter().filter(|call| call.signer.as_ref().is_some_and(|id| found.contains(id)));
    assert!(signed.clone().count() > 0 && signed.clone().all(|call| call.operation == "GetCallerIdentity"), "{log:?}");
}
