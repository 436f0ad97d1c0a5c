//! What goes wrong with one object or one bucket is told, and is nobody else's trouble.

use std::time::Duration;

use crate::fake::{Fault, Object, Refusal, Region};
use crate::scene::{Scene, expect_skipped, harmless, id, leak, skipped};
use crate::support::env_file;

/// A bucket with the object `broken`, which has a key in it, between two others which have.
fn around_broken() -> Scene {
    Scene::with(|bucket| {
        bucket.put("a", leak(1));
        bucket.put("broken", leak(2));
        bucket.put("c", leak(3));
    })
}

/// What goes wrong with it for good, what is said of that, and how often it is asked for at most.
#[track_caller]
fn expect_told(fault: Fault, why: &str, most: usize) {
    let scene = around_broken();
    scene.fake.always("GetObject", "bkt/broken", fault);
    let output = scene.expect(&[], 2, &[&id(1), &id(3)]);
    expect_skipped(&output, &[("s3://bkt/broken", why)]);
    let times = scene.fake.log().fetches()[&("broken", None)];
    assert!((1..=most).contains(&times), "asked for {times} times");
}

/// What goes wrong with it at first, and is overcome.
#[track_caller]
fn expect_overcome(calls: usize, fault: Fault) -> Scene {
    let scene = around_broken();
    scene.fake.fault("GetObject", "bkt/broken", 1..=calls, fault);
    scene.expect(&[], 1, &[&id(1), &id(2), &id(3)]);
    scene
}

#[test]
fn what_may_not_be_read_is_told_once() {
    expect_told(Fault::Refuse(Refusal::denied()), "s3:GetObject", 1);
}

#[test]
fn what_is_encrypted_with_another_s_key_is_told_as_such() {
    expect_told(Fault::Refuse(Refusal::kms()), "kms:Decrypt", 1);
}

#[test]
fn what_was_deleted_since_it_was_listed_is_told() {
    expect_told(
        Fault::meanwhile(|world| world.bucket("bkt").delete("broken")),
        "it was deleted since it was listed",
        1,
    );
}

#[test]
fn what_changes_since_it_was_listed_is_read_as_it_is() {
    let scene = around_broken();
    let change = Fault::meanwhile(|world| {
        world.bucket("bkt").put("broken", leak(4));
    });
    scene.fake.fault("GetObject", "bkt/broken", 1..=1, change);
    scene.expect(&[], 1, &[&id(1), &id(3), &id(4)]);
}

#[test]
fn errors_of_s3_itself_are_overcome_or_told() {
    expect_overcome(2, Fault::Refuse(Refusal::internal()));
    expect_told(Fault::Refuse(Refusal::internal()), "InternalError", 20);
}

#[test]
fn too_many_requests_to_one_bucket_slow_down_no_other() {
    expect_overcome(2, Fault::Refuse(Refusal::slow_down()));
    let scene = around_broken();
    scene.fake.bucket("other", |bucket| {
        for number in 0..500 {
            bucket.put(&format!("{number}"), if number == 250 { leak(9) } else { harmless(number) });
        }
    });
    scene.fake.always("GetObject", "bkt", Fault::Refuse(Refusal::slow_down()));
    let output = scene.sweep(["s3://bkt", "s3://other"]);
    output.expect(2, &[&id(9)]);
    let told = skipped(&output);
    assert!(
        !told.is_empty()
            && told.iter().all(|(what, why)| what.starts_with("s3://bkt") && why.contains("asked too often")),
        "{output:?}"
    );
}

#[test]
fn a_body_that_is_cut_is_read_on_where_it_broke_off() {
    let scene = expect_overcome(1, Fault::Cut(40));
    let log = scene.fake.log();
    let asked: Vec<_> = log.of("GetObject").filter(|call| call.key == "broken").collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(asked[1].range.as_deref(), Some("bytes=40-"));
    assert!(asked[1].if_match.is_some(), "{asked:?}");
}

#[test]
fn a_body_that_is_cut_again_and_again_is_read_as_long_as_something_comes() {
    let scene = Scene::with(|bucket| {
        bucket.put("large", Object::made(40 << 20, vec![(30 << 20, format!("\n{}", env_file(1)).into_bytes())]));
    });
    scene.fake.always("GetObject", "bkt/large", Fault::Cut(3 << 20));
    scene.expect(&[], 1, &[&id(1)]);
}

#[test]
fn a_body_that_never_comes_is_told_and_one_that_stalls_once_is_read() {
    expect_told(Fault::Cut(0), "broke", 20);
    expect_overcome(1, Fault::Stall(20));
}

#[test]
fn what_follows_in_another_object_is_not_joined_to_a_body_that_was_cut() {
    let scene = around_broken();
    let text = env_file(2);
    scene.fake.fault("GetObject", "bkt/broken", 1..=1, Fault::Cut(text.len() as u64 / 2));
    let change = Fault::meanwhile(|world| {
        world.bucket("bkt").put("broken", leak(4));
    });
    scene.fake.fault("GetObject", "bkt/broken", 2..=2, change);
    // What came of the old one is forgotten.
    scene.expect(&[], 1, &[&id(1), &id(3), &id(4)]);
}

#[test]
fn archives_are_counted_with_what_a_restore_takes_and_instant_retrieval_is_read() {
    let scene = Scene::with(|bucket| {
        for number in 0..50 {
            bucket.put(&format!("cold/{number}"), harmless(number).class("GLACIER"));
            bucket.put(&format!("deep/{number}"), harmless(number).class("DEEP_ARCHIVE"));
        }
        bucket.put("instant", leak(1).class("GLACIER_IR"));
    });
    let output = scene.expect(&[], 2, &[&id(1)]);
    let told = skipped(&output);
    assert_eq!(told.len(), 2, "{told:?}");
    for class in ["GLACIER", "DEEP_ARCHIVE"] {
        assert!(told.iter().any(|(_, why)| why.contains(class) && why.contains("50")), "{told:?}");
    }
    assert_eq!(scene.fake.log().keys(), ["instant"]);
}

#[test]
fn a_bucket_in_another_region_is_followed_there() {
    for region in [Region::Redirects("eu-west-1"), Region::Refuses("af-south-1")] {
        let scene = around_broken();
        scene.fake.bucket("bkt", |bucket| bucket.region = region);
        scene.expect(&[], 1, &[&id(1), &id(2), &id(3)]);
        let log = scene.fake.log();
        assert!(log.0.iter().filter(|call| [301, 400].contains(&call.status)).count() <= 2, "it is asked there once");
    }
}

#[test]
fn a_bucket_that_can_t_be_listed_is_told_and_the_others_are_read() {
    let scene = around_broken();
    scene.fake.bucket("closed", |bucket| bucket.put("o", leak(9)));
    scene.fake.always("ListObjectsV2", "closed", Fault::Refuse(Refusal::denied()));
    let output = scene.sweep(["s3://closed", "s3://missing", "s3://bkt"]);
    output.expect(2, &[&id(1), &id(2), &id(3)]);
    expect_skipped(&output, &[("s3://closed", "s3:ListBucket"), ("s3://missing", "no such bucket")]);
}

#[test]
fn a_list_that_breaks_off_is_told() {
    let scene = Scene::with(|bucket| {
        for number in 0..2500 {
            bucket.put(&format!("{number:04}"), if number % 500 == 0 { leak(number) } else { harmless(1) });
        }
    });
    scene.fake.fault("ListObjectsV2", "bkt", 3..=usize::MAX, Fault::Refuse(Refusal::internal()));
    let output = scene.sweep(["s3://bkt"]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(
        skipped(&output).iter().any(|(what, why)| what.starts_with("s3://bkt") && why.contains("InternalError")),
        "{output:?}"
    );
    assert!(!output.ids().is_empty(), "what was listed before is read: {output:?}");
}

#[test]
fn tags_that_may_not_be_read_are_told_and_the_object_is_read() {
    let scene = Scene::with(|bucket| {
        bucket.put("o", leak(1).tag("a", "b"));
    });
    scene.fake.always("GetObjectTagging", "bkt/o", Fault::Refuse(Refusal::denied()));
    let output = scene.expect(&["--metadata"], 2, &[&id(1)]);
    let told = skipped(&output);
    assert!(
        told.iter().all(|(what, why)| what.contains("s3://bkt/o") && why.contains("s3:GetObjectTagging")),
        "{told:?}"
    );
    assert_eq!(told.len(), 1);
}

#[test]
fn nobody_at_the_endpoint_is_one_clear_error() {
    let scene = Scene::new();
    let output = scene.sweeping(["s3://bkt"]).env("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1").run();
    assert_eq!(output.code, Some(2), "{output:?}");
    output.expect_stderr(&["s3://bkt", "AWS_ENDPOINT_URL"]);
}

#[test]
fn latency_costs_no_more_than_it_must() {
    let scene = Scene::with(|bucket| {
        for number in 0..400 {
            bucket.put(&format!("{number}"), if number == 200 { leak(1) } else { harmless(number) });
        }
    });
    scene.fake.always("GetObject", "bkt", Fault::Late(Duration::from_millis(20)));
    scene.expect(&[], 1, &[&id(1)]);
}
