//! A sweep that is killed goes on where it was, and the next one reads what changed.

use std::process::{Child, Stdio};
use std::time::Duration;

use crate::fake::{Fault, Object, Refusal};
use crate::scene::{Scene, harmless, id, leak, said};
use crate::support::noise;

const OBJECTS: usize = 6_000;
const LEAKS: usize = 20;
const KILLS: usize = 20;

/// How many objects may be read again after a kill: those that were read and not yet written down, and those under way.
const BATCH: usize = 256;

const ARGS: [&str; 4] = ["s3://bkt", "--versions", "--state", "state"];

/// Objects, some of them leaky, one that may not be read and one that lies under a delete marker.
fn filled() -> Scene {
    let scene = Scene::with(|bucket| {
        bucket.versioned = true;
        for number in 0..OBJECTS {
            let key = format!("{:02}/{number}", number % 7);
            let is_leak = number % (OBJECTS / LEAKS) == 11;
            bucket.put(&key, if is_leak { leak(number as u64) } else { harmless(number) });
        }
        bucket.put("deleted", leak(50_000));
        bucket.delete("deleted");
        bucket.put("private", harmless(0));
    });
    deny(&scene);
    scene
}

fn deny(scene: &Scene) {
    scene.fake.always("GetObject", "bkt/private", Fault::Refuse(Refusal::denied()));
}

/// Starts a sweep whose output nobody reads.
fn started(scene: &Scene) -> Child {
    let mut command = scene.sweeping(ARGS).command();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn killed_twenty_times_it_says_the_same_in_the_end_and_reads_little_again() {
    let scene = filled();
    let whole = scene.sweep(["s3://bkt", "--versions"]);
    assert_eq!((whole.code, whole.findings().len()), (Some(2), LEAKS + 1), "{whole:?}");
    scene.fake.forget();
    let mut killed = 0;
    for (number, random) in noise(20, KILLS).into_iter().enumerate() {
        // Now and then in the first list, mostly in the middle of objects.
        let further = usize::from(random) * 2;
        let operation = if number % 5 == 0 { "ListObjectVersions" } else { "GetObject" };
        let so_far = scene.fake.count(operation);
        let more = if number % 5 == 0 { 1 + further % 9 } else { further };
        // However slow this test is, what it kills gets no further.
        scene.fake.heal();
        deny(&scene);
        scene.fake.fault(operation, "bkt", more + 1..=usize::MAX, Fault::Late(Duration::from_secs(600)));
        let mut child = started(&scene);
        scene.fake.wait_for(operation, so_far + more, || child.try_wait().unwrap().is_some());
        killed += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    scene.fake.heal();
    deny(&scene);
    let resumed = scene.sweep(ARGS);
    assert_eq!(said(&resumed), said(&whole), "{resumed:?}");
    let leaky = |key: &str| {
        key.rsplit('/').next().unwrap().parse::<usize>().is_ok_and(|number| number % (OBJECTS / LEAKS) == 11)
    };
    let log = scene.fake.log();
    let clean = log.fetches().into_iter().filter(|((key, _), _)| !leaky(key) && !["deleted", "private"].contains(key));
    let again: usize = clean.map(|(_, times)| times - 1).sum();
    assert!(again <= killed * BATCH, "{again} read again after {killed} kills");
    assert!(killed >= KILLS / 2, "only {killed} were killed: it must take longer to be a test");
}

#[test]
fn the_next_sweep_reads_what_changed_and_what_had_findings() {
    let scene = filled();
    let first = scene.sweep(ARGS);
    scene.fake.forget();
    let second = scene.sweep(ARGS);
    assert_eq!(said(&second), said(&first));
    let log = scene.fake.log();
    // Secrets are not kept: what they were is read again.
    assert_eq!(log.keys().len(), LEAKS + 2, "{:?}", log.keys());

    scene.fake.bucket("bkt", |bucket| {
        bucket.put("00/7", harmless(1));
        bucket.put("01/8", leak(60_000));
        bucket.put("new", leak(60_001));
    });
    scene.fake.forget();
    let third = scene.sweep(ARGS);
    let mut expected = first.ids();
    expected.extend([id(60_000), id(60_001)]);
    assert_eq!(third.ids(), expected);
    assert_eq!(scene.fake.log().keys().len(), LEAKS + 2 + 3);
}

#[test]
fn what_failed_is_tried_again_by_the_next_sweep() {
    let scene = filled();
    let first = scene.sweep(ARGS);
    assert_eq!(first.code, Some(2), "{first:?}");
    scene.fake.heal();
    scene.fake.forget();
    let second = scene.sweep(ARGS);
    assert_eq!((second.code, second.ids()), (Some(1), first.ids()), "{second:?}");
    assert!(scene.fake.log().keys().contains(&"private"));
}

#[test]
fn two_sweeps_do_not_share_a_state_at_once() {
    let scene = Scene::with(|bucket| {
        bucket.put("o", harmless(0));
    });
    scene.fake.always("GetObject", "bkt", Fault::Stall(0));
    let mut child = started(&scene);
    scene.fake.wait_for("GetObject", 1, || child.try_wait().unwrap().is_some());
    let refused = scene.sweep(ARGS);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    refused.expect_stderr(&["state"]);
}

#[test]
fn a_state_of_other_targets_is_of_no_use_to_this_one() {
    let scene = Scene::with(|bucket| {
        bucket.put("a/1", harmless(0));
        bucket.put("b/2", leak(1));
    });
    scene.fake.bucket("other", |bucket| bucket.put("a/1", Object::new(crate::support::env_file(2))));
    let sweep = |target: &str| scene.sweep([target, "--state", "state"]);
    sweep("s3://bkt/a/").expect(0, &[]);
    sweep("s3://bkt").expect(1, &[&id(1)]);
    sweep("s3://other").expect(1, &[&id(2)]);
    sweep("s3://bkt/a/").expect(0, &[]);
}
