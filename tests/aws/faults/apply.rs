//! Where something is to be changed: it is done once, looked at, and written down.

use std::time::Duration;

use crate::fake::{CALLER, Done, Fault, Permissions, Refusal};
use crate::scene::{HOME, Scene};
use crate::support::Output;

/// Longer than anybody waits for an answer.
const TOO_LONG: Duration = Duration::from_secs(600);

/// What the user sees and what the journal holds after one key was to be switched off; the fault hits the one call that does it.
#[track_caller]
fn switched_off(fault: Fault) -> (Scene, String, Output) {
    let (scene, ids) = Scene::with_keys(1);
    scene.fake.fault("UpdateAccessKey", 1..=1, fault);
    let output = scene.deactivation(&ids).run();
    assert_eq!(scene.fake.log().count("UpdateAccessKey"), 1, "never a second time: {output:?}");
    assert_eq!(scene.journal("journal.jsonl").intents(), 1, "{output:?}");
    (scene, ids[0].clone(), output)
}

/// Does it for each of them at once: most of the time is spent waiting.
fn each(faults: impl IntoIterator<Item = Fault>, check: impl Fn(Fault) + Sync) {
    std::thread::scope(|scope| {
        for fault in faults {
            let check = &check;
            scope.spawn(move || check(fault));
        }
    });
}

/// Checks what came of the one step.
#[track_caller]
fn expect(scene: &Scene, output: &Output, code: i32, result: &str) {
    assert_eq!(output.code, Some(code), "{output:?}");
    assert_eq!(scene.journal("journal.jsonl").results(), [result], "{output:?}");
}

/// Goes on where the journal ends; checks that the key is off then, and how often that was asked for in all.
#[track_caller]
fn resume(scene: &Scene, id: &str, calls: usize) {
    let output = scene.run(["deactivate", "--resume", "journal.jsonl", "--apply", "--yes"]);
    assert_eq!((output.code, scene.status(id).as_str()), (Some(0), "Inactive"), "{output:?}");
    assert_eq!(scene.fake.log().count("UpdateAccessKey"), calls, "{output:?}");
}

#[test]
fn an_answer_that_is_lost_after_the_change_is_looked_up() {
    each([Fault::Late(TOO_LONG, Done::First), Fault::Cut(Done::First), Fault::Silence(Done::First)], |fault| {
        let (scene, id, output) = switched_off(fault);
        expect(&scene, &output, 0, "confirmed");
        assert_eq!(scene.status(&id), "Inactive");
        resume(&scene, &id, 1);
    });
}

#[test]
fn an_answer_that_is_lost_before_the_change_is_not_tried_again() {
    let lost = [Fault::Late(TOO_LONG, Done::Never), Fault::Silence(Done::Never), Fault::Portal, Fault::server_error()];
    each(lost, |fault| {
        let (scene, id, output) = switched_off(fault);
        expect(&scene, &output, 2, "unknown");
        assert_eq!(scene.status(&id), "Active");
        // Until somebody wants it again.
        resume(&scene, &id, 2);
    });
}

#[test]
fn a_change_that_comes_after_everybody_has_gone_is_found_by_the_next() {
    let (scene, id, output) = switched_off(Fault::Late(TOO_LONG, Done::Last));
    expect(&scene, &output, 2, "unknown");
    assert_eq!(scene.status(&id), "Active");
    scene.fake.release();
    while scene.status(&id) == "Active" {
        std::thread::sleep(Duration::from_millis(10));
    }
    resume(&scene, &id, 1);
}

#[test]
fn what_aws_refuses_has_failed_and_says_why() {
    let refusals = [
        (Fault::throttle(), "Rate exceeded"),
        (Fault::expired_token(), "expired"),
        (
            Fault::Refuse(Refusal::new(409, "ConcurrentModification", "somebody else is at it")),
            "somebody else is at it",
        ),
    ];
    for (fault, why) in refusals {
        let (scene, id, output) = switched_off(fault);
        expect(&scene, &output, 2, "failed");
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), output.stderr);
        assert!(told.contains(why), "{why} is not in {output:?}");
        assert_eq!(scene.status(&id), "Active");
        resume(&scene, &id, 2);
    }
}

#[test]
fn a_permission_that_is_missing_is_named_and_nothing_is_changed() {
    let (scene, ids) = Scene::with_keys(1);
    scene.fake.world(|world| {
        world.account(HOME).user(CALLER).permissions = Permissions::but(&["iam:UpdateAccessKey"]);
    });
    let output = scene.deactivation(&ids).run();
    expect(&scene, &output, 2, "failed");
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), output.stderr);
    assert!(told.contains("iam:UpdateAccessKey"), "{output:?}");
    assert_eq!(scene.status(&ids[0]), "Active");
}

#[test]
fn lists_that_lag_behind_are_read_again() {
    let (scene, ids) = Scene::with_keys(1);
    scene.fake.world(|world| world.lag = 2);
    let output = scene.deactivation(&ids).run();
    expect(&scene, &output, 0, "confirmed");
    assert_eq!(scene.fake.log().count("UpdateAccessKey"), 1);
}

#[test]
fn half_closed_connections_are_left_alone() {
    let (scene, ids) = Scene::with_keys(3);
    scene.fake.fault("*", 1..=usize::MAX, Fault::HalfClose);
    let output = scene.deactivation(&ids).run();
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(scene.fake.log().count("UpdateAccessKey"), 3);
}

#[test]
fn each_change_has_a_connection_of_its_own() {
    let (scene, ids) = Scene::with_keys(3);
    assert_eq!(scene.deactivation(&ids).run().code, Some(0));
    let log = scene.fake.log();
    let over = |connection| log.0.iter().filter(|call| call.connection == connection).count();
    assert!(log.of("UpdateAccessKey").all(|call| over(call.connection) == 1), "{log:?}");
    // Others share theirs, or this shows nothing.
    assert!(log.of("ListAccessKeys").any(|call| over(call.connection) > 1), "{log:?}");
}

#[test]
fn a_wrong_clock_does_not_keep_a_key_alive() {
    let (scene, ids) = Scene::with_keys(1);
    scene.fake.world(|world| world.clock_ahead = 3600);
    let output = scene.deactivation(&ids).run();
    expect(&scene, &output, 0, "confirmed");
}

#[test]
fn one_that_fails_does_not_stop_the_others() {
    let (scene, ids) = Scene::with_keys(3);
    scene.fake.fault("UpdateAccessKey", 2..=2, Fault::server_error());
    let output = scene.deactivation(&ids).run();
    assert_eq!(output.code, Some(2), "{output:?}");
    assert_eq!(scene.journal("journal.jsonl").results(), ["confirmed", "unknown", "confirmed"]);
    let off = ids.iter().filter(|id| scene.status(id) == "Inactive").count();
    assert_eq!(off, 2);
}

#[test]
fn what_is_refused_of_some_is_tried_of_the_rest() {
    let (scene, ids) = Scene::with_keys(5);
    scene.fake.fault("UpdateAccessKey", 1..=3, Fault::throttle());
    let output = scene.deactivation(&ids).run();
    assert_eq!(output.code, Some(2), "{output:?}");
    assert_eq!(scene.journal("journal.jsonl").results(), ["failed", "failed", "failed", "confirmed", "confirmed"]);
}

#[test]
fn what_somebody_else_did_meanwhile_is_respected() {
    let (scene, ids) = Scene::with_keys(2);
    let plan = scene.run(["deactivate", &ids[0], &ids[1]]);
    assert_eq!(plan.code, Some(1), "{plan:?}");
    let reads = scene.fake.log().count("ListAccessKeys");
    // Before the first step is begun one key is deleted and the other is switched off.
    let (deleted, switched) = (ids[0].clone(), ids[1].clone());
    let change = Fault::meanwhile(move |world| {
        let account = world.account(HOME);
        account.delete_key(&deleted);
        account.keys.get_mut(&switched).unwrap().status("Inactive");
    });
    scene.fake.fault("ListAccessKeys", reads + 1..=reads + 1, change);
    let output = scene.deactivation(&ids).run();
    assert_eq!(output.code, Some(2), "{output:?}");
    assert_eq!(scene.journal("journal.jsonl").results(), ["failed", "unchanged"], "{output:?}");
    scene.fake.log().expect_no_change();
    // What somebody else switched off is not this run's to switch on.
    let undo = scene.run(["undo", "journal.jsonl", "--apply", "--yes"]);
    assert_eq!((undo.code, scene.status(&ids[1]).as_str()), (Some(2), "Inactive"), "{undo:?}");
    scene.fake.log().expect_no_change();
}

#[test]
fn a_lost_network_leaves_a_journal_to_go_on_from() {
    each([Fault::Gone(Done::First), Fault::Gone(Done::Never)], |fault| {
        let calls = if matches!(fault, Fault::Gone(Done::First)) { 3 } else { 4 };
        let (mut scene, ids) = Scene::with_keys(3);
        scene.fake.fault("UpdateAccessKey", 2..=2, fault);
        let before = scene.fake.world(|world| world.state());
        let output = scene.deactivation(&ids).run();
        assert_eq!(output.code, Some(2), "{output:?}");
        let journal = scene.journal("journal.jsonl");
        assert_eq!(journal.results().first(), Some(&"confirmed"), "{journal:?}");
        scene.fake.reconnect();
        let resumed = scene.run(["deactivate", "--resume", "journal.jsonl", "--apply", "--yes"]);
        assert_eq!(resumed.code, Some(0), "{resumed:?}");
        assert!(ids.iter().all(|id| scene.status(id) == "Inactive"), "{resumed:?}");
        assert_eq!(scene.fake.log().count("UpdateAccessKey"), calls, "{resumed:?}");
        let undone = scene.run(["undo", "journal.jsonl", "--apply", "--yes", "--journal", "undo.jsonl"]);
        assert_eq!(undone.code, Some(0), "{undone:?}");
        assert_eq!(scene.fake.world(|world| world.state()), before);
    });
}
