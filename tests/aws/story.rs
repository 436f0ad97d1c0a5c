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

    /// Checks what is said of each.
    #[track_caller]
    fn expect(&self, output: &Output, expected: [(&str, &str); 7]) {
        let verdicts = verdicts(&output.stdout);
        let expected = expected.map(|(name, status)| (self.0[name].as_str(), status));
        assert_eq!(statuses(&verdicts), BTreeMap::from(expected), "{output:?}");
    }
}

/// A run of the program after the other, and what they said.
struct Story {
    scene: Scene,
    leaked: Leaked,
    outputs: Vec<Output>,
}

impl Story {
    fn new() -> Self {
        let scene = Scene::new();
        let leaked = Leaked::in_repository(&scene);
        Self { scene, leaked, outputs: Vec::new() }
    }

    /// Runs the program and keeps what it says in a file.
    #[track_caller]
    fn run(&mut self, args: &[&str], code: i32, file: &str) -> &Output {
        let output = self.scene.run(args);
        assert_eq!(output.code, Some(code), "{output:?}");
        self.scene.at.write(file, &output.stdout);
        self.outputs.push(output);
        self.outputs.last().expect("it was just put there")
    }

    fn found(&mut self) {
        let ids = self.leaked.ids();
        let scan = self.run(&["scan", "--format", "jsonl", "repo"], 1, "findings.jsonl");
        scan.expect(1, &ids.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(self.scene.fake.log().0.is_empty(), "a scan asks nobody");
    }

    fn judged(&mut self) {
        let output = self.run(&["triage", "--format", "jsonl", "findings.jsonl"], 1, "triaged.jsonl");
        let told = verdicts(&output.stdout);
        self.leaked.expect(
            self.outputs.last().expect("it has run"),
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
        let used = &told[&self.leaked.0["used"]];
        assert_eq!((&used["user_name"], &used["used_since_exposed"]), (&"ann".into(), &true.into()), "{used}");
        assert_eq!((&used["last_used"]["service"], &used["last_used"]["region"]), (&"s3".into(), &"eu-west-1".into()));
    }

    fn planned(&mut self) {
        let ids = ["used", "never used"].map(|name| self.leaked.0[name].clone());
        let plan = self.run(&["deactivate", "--from", "triaged.jsonl"], 1, "plan.txt");
        let text = String::from_utf8_lossy(&plan.stdout);
        for words in [&ids[0], &ids[1], "ann", "s3/eu-west-1", "minutes ago", "password"] {
            assert!(text.contains(words), "{words} is not in {plan:?}");
        }
        self.scene.fake.log().expect_no_change();
    }

    fn applied(&mut self) {
        let flags = ["--apply", "--yes", "--journal", "journal.jsonl"];
        self.run(&[&["deactivate", "--from", "triaged.jsonl"], &flags[..]].concat(), 0, "applied.txt");
        let log = self.scene.fake.log();
        let change = |name: &str| ("UpdateAccessKey".to_owned(), self.leaked.0[name].clone());
        let expected = BTreeSet::from(["used", "never used"].map(change));
        assert_eq!((log.changes().len(), BTreeSet::from_iter(log.changes())), (2, expected));
        assert_eq!(self.scene.journal("journal.jsonl").results(), ["confirmed", "confirmed"]);
    }

    fn judged_again(&mut self) {
        self.run(&["triage", "--format", "jsonl", "findings.jsonl"], 0, "again.jsonl");
        self.leaked.expect(
            self.outputs.last().expect("it has run"),
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
    }

    fn undone(&mut self) {
        self.scene.fake.forget();
        let plan = self.scene.run(["undo", "journal.jsonl"]);
        self.outputs.push(plan);
        self.scene.fake.log().expect_no_change();
        self.run(&["undo", "journal.jsonl", "--apply", "--yes", "--journal", "undo.jsonl"], 0, "undone.txt");
        assert_eq!(self.scene.fake.log().count("UpdateAccessKey"), 2);
    }
}

#[test]
fn seven_leaked_keys_from_the_scan_to_the_undo() {
    let mut story = Story::new();
    let before = story.scene.fake.world(|world| world.state());
    story.found();
    story.judged();
    story.planned();
    story.applied();
    assert_ne!(story.scene.fake.world(|world| world.state()), before);
    story.judged_again();
    story.undone();
    assert_eq!(story.scene.fake.world(|world| world.state()), before);
    let ids = story.leaked.ids();
    for output in &story.outputs {
        Scene::expect_no_secret(&output.stdout, &ids);
        Scene::expect_no_secret(output.stderr.as_bytes(), &ids);
    }
    for journal in ["journal.jsonl", "undo.jsonl"] {
        Scene::expect_no_secret(&fs::read(story.scene.at.path(journal)).unwrap(), &ids);
    }
}

#[test]
fn no_call_is_signed_with_what_was_found_and_nobody_is_asked_about_others() {
    let scene = Scene::new();
    let leaked = Leaked::in_repository(&scene);
    let output = scene.run(["scan", "--triage", "--format", "jsonl", "repo"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    scene.at.write("triaged.jsonl", &output.stdout);
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
