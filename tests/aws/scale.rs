//! What an account of five thousand users costs: calls grow with what was leaked, not with who is there.

use std::time::Instant;

use crate::fake::Log;
use crate::scene::{CREATED, HOME, Scene};

const USERS: u64 = 5000;

/// What is asked whoever is leaked: who we are, how many users there are, and for the report.
const ALWAYS: usize = 8;

/// For each key: whose it is, its status and siblings, and whether its user is quarantined.
const EACH: usize = 3;

/// Every user has a key, and every second has two. The ids of the first `hits` users' first keys.
fn large(hits: usize) -> (Scene, Vec<String>) {
    let (scene, mut ids) = Scene::with_keys(USERS);
    scene.fake.world(|world| {
        let account = world.account(HOME);
        for seed in (1..=USERS).step_by(2) {
            account.key(&format!("user-{seed}"), USERS + seed, CREATED + 1);
        }
    });
    ids.truncate(hits);
    (scene, ids)
}

/// Triages and checks that all of them are judged right; the requests.
#[track_caller]
fn judged(scene: &Scene, ids: &[String]) -> Log {
    scene.fake.forget();
    let stdin = ids.join("\n");
    let args = ["triage", "--format", "jsonl"].into_iter().chain(ids.iter().map(String::as_str));
    let output = scene.invocation(args).stdin(stdin).run();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    let verdicts = crate::scene::verdicts(&output.stdout);
    assert_eq!(verdicts.len(), ids.len());
    assert!(verdicts.values().all(|verdict| verdict["status"] == "active"), "{output:?}");
    scene.fake.log()
}

#[test]
fn calls_grow_with_hits_and_not_with_users() {
    for hits in [1, 10, 500] {
        let (scene, ids) = large(hits);
        let log = judged(&scene, &ids);
        let most = ALWAYS + EACH * hits;
        assert!(log.0.len() <= most, "{hits} hits: {} calls and not {most} at most: {:?}", log.0.len(), log.counts());
    }
}

#[test]
fn with_more_hits_than_users_all_keys_are_listed_once() {
    let (scene, mut ids) = Scene::with_keys(30);
    scene.fake.world(|world| {
        for seed in 1..=30 {
            ids.push(world.account(HOME).key(&format!("user-{seed}"), 100 + seed, CREATED + 1).id.clone());
        }
    });
    let log = judged(&scene, &ids);
    assert!(log.count("ListAccessKeys") <= 31, "{:?}", log.counts());
    assert!(log.0.len() <= ALWAYS + 31 + 60 + 30 + 1, "{:?}", log.counts());
}

/// Prints what it takes: `cargo test --release --test aws scale -- --ignored --nocapture`.
#[test]
#[ignore = "it measures and asserts nothing of that"]
#[allow(clippy::print_stdout, reason = "it is there to be read")]
fn how_long_it_takes() {
    println!("| hits | calls | seconds |\n|---|---|---|");
    for hits in [1, 10, 500] {
        let (scene, ids) = large(hits);
        let start = Instant::now();
        let log = judged(&scene, &ids);
        println!("| {hits} | {} | {:.1} |", log.0.len(), start.elapsed().as_secs_f64());
    }
    let (scene, _) = large(0);
    let start = Instant::now();
    let output = scene.run(["inventory", "--ids"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let calls = scene.fake.log().0.len();
    println!("| all, by `inventory` | {calls} | {:.1} |", start.elapsed().as_secs_f64());
}
