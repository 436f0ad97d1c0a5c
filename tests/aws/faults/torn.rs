//! The program is killed in the middle, or runs twice.

use std::process::{Child, Stdio};
use std::time::Duration;

use crate::fake::{Done, Fault};
use crate::scene::Scene;

/// Nobody waits for that long.
const FOR_EVER: Duration = Duration::from_secs(600);

fn start(scene: &Scene, ids: &[String]) -> Child {
    let mut command = scene.deactivation(ids).command();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn whoever_is_killed_in_the_middle_is_gone_on_from() {
    for done in [Done::First, Done::Never] {
        for call in 1..=3 {
            killed_at(call, done);
        }
    }
}

/// Kills it while it waits for the answer to that call of `UpdateAccessKey`, goes on, and takes all of it back.
fn killed_at(call: usize, done: Done) {
    let (scene, ids) = Scene::with_keys(3);
    let before = scene.fake.world(|world| world.state());
    scene.fake.fault("UpdateAccessKey", call..=call, Fault::Late(FOR_EVER, done));
    let mut child = start(&scene, &ids);
    scene.fake.wait_for("UpdateAccessKey", call);
    // The request is there, the change perhaps not yet.
    while done == Done::First && off(&scene, &ids) < call {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let journal = scene.journal("journal.jsonl");
    assert_eq!((journal.intents(), journal.results().len()), (call, call - 1), "{journal:?}");

    let resumed = scene.run(["deactivate", "--resume", "journal.jsonl", "--apply", "--yes"]);
    assert_eq!((resumed.code, off(&scene, &ids)), (Some(0), 3), "{resumed:?}");
    let calls = if done == Done::First { 3 } else { 4 };
    assert_eq!(scene.fake.log().count("UpdateAccessKey"), calls, "{resumed:?}");
    let undone = scene.run(["undo", "journal.jsonl", "--apply", "--yes", "--journal", "undo.jsonl"]);
    assert_eq!(undone.code, Some(0), "{undone:?}");
    assert_eq!(scene.fake.world(|world| world.state()), before);
}

fn off(scene: &Scene, ids: &[String]) -> usize {
    ids.iter().filter(|id| scene.status(id) == "Inactive").count()
}

#[test]
fn two_runs_with_two_journals_do_not_disturb_each_other() {
    let (scene, ids) = Scene::with_keys(6);
    // Overlapping ones.
    let runs = [(&ids[..4], "one.jsonl"), (&ids[2..], "two.jsonl")].map(|(ids, journal)| {
        let flags = ["deactivate", "--apply", "--yes", "--journal", journal];
        let mut command = scene.invocation(flags.into_iter().chain(ids.iter().map(String::as_str))).command();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    for run in runs {
        let output = run.wait_with_output().unwrap();
        let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert_eq!(output.status.code(), Some(0), "{told:?}");
    }
    assert_eq!(off(&scene, &ids), 6);
    for journal in ["one.jsonl", "two.jsonl"] {
        let journal = scene.journal(journal);
        assert!(journal.results().iter().all(|result| ["confirmed", "unchanged"].contains(result)), "{journal:?}");
    }
}

#[test]
fn a_journal_in_use_is_nobody_elses() {
    let (scene, ids) = Scene::with_keys(2);
    scene.fake.fault("UpdateAccessKey", 1..=1, Fault::Late(FOR_EVER, Done::First));
    let mut child = start(&scene, &ids);
    scene.fake.wait_for("UpdateAccessKey", 1);
    for args in [
        &["deactivate", "--apply", "--yes", "--journal", "journal.jsonl", &ids[1]][..],
        &["deactivate", "--resume", "journal.jsonl", "--apply", "--yes"],
        &["undo", "journal.jsonl", "--apply", "--yes"],
    ] {
        let output = scene.run(args);
        assert_eq!(output.code, Some(2), "{output:?}");
        output.expect_stderr(&["journal.jsonl"]);
    }
    assert_eq!(scene.fake.log().count("UpdateAccessKey"), 1);
    child.kill().unwrap();
    child.wait().unwrap();
    let resumed = scene.run(["deactivate", "--resume", "journal.jsonl", "--apply", "--yes"]);
    assert_eq!((resumed.code, off(&scene, &ids)), (Some(0), 2), "{resumed:?}");
}
