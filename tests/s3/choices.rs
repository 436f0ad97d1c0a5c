//! What of a bucket is read, by whom, and what is told of it beforehand and afterwards.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;

use crate::fake::{Object, date};
use crate::scene::{Scene, expect_skipped, harmless, id, leak, skipped};
use crate::support::example_key;

#[test]
fn a_stranger_reads_what_is_public_and_signs_nothing() {
    let scene = Scene::with(|bucket| {
        bucket.put("o", leak(1));
    });
    let closed = scene.sweep(["s3://bkt", "--anonymous"]);
    closed.expect(2, &[]).expect_stderr(&["as a stranger"]);
    assert_eq!(skipped(&closed).len(), 1, "{closed:?}");
    scene.fake.bucket("bkt", |bucket| {
        bucket.public();
    });
    scene.sweep(["s3://bkt", "--anonymous"]).expect(1, &[&id(1)]).expect_stderr(&["as a stranger"]);
    scene.fake.log().expect_signed(false);
}

#[test]
fn it_is_said_who_reads() {
    let scene = Scene::with(|bucket| {
        bucket.put("o", harmless(1));
    });
    let output = scene.expect(&[], 0, &[]);
    output.expect_stderr(&["arn:aws:iam::111122223333:user/reader"]);
    scene.fake.log().expect_signed(true);
    // Without credentials nobody becomes a stranger by the way.
    let nobody = scene.sweeping(["s3://bkt"]).env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").run();
    assert_eq!(nobody.code, Some(2), "{nobody:?}");
    nobody.expect_stderr(&["--anonymous"]);
}

#[test]
fn versions_and_metadata_are_read_when_asked_for() {
    let scene = Scene::with(|bucket| {
        bucket.versioned = true;
        bucket.put("a", leak(1));
        bucket.put("a", harmless(1));
        bucket.put("b", leak(2));
        bucket.delete("b");
        bucket.put("c", harmless(1).metadata("old-key", id(3)).tag("key", id(4)));
        bucket.put(&format!("d/{}", id(5)), harmless(2));
        bucket.put("e", leak(6));
    });
    scene.expect(&[], 1, &[&id(6)]);
    assert_eq!(scene.fake.log().count("GetObjectTagging") + scene.fake.log().count("ListObjectVersions"), 0);
    scene.expect(&["--versions"], 1, &[&id(1), &id(2), &id(6)]);
    scene.expect(&["--metadata"], 1, &[&id(3), &id(4), &id(5), &id(6)]);
    scene.fake.forget();
    let all = scene.expect(&["--versions", "--metadata"], 1, &[&id(1), &id(2), &id(3), &id(4), &id(5), &id(6)]);
    assert_eq!(scene.fake.log().count("GetObjectTagging"), 1, "of the one that has tags");
    let occurrence = |seed: u64| {
        let of = id(seed);
        let finding = all.findings().into_iter().find(|finding| finding["access_key_id"] == of.as_str()).unwrap();
        finding["occurrences"][0].clone()
    };
    let old = occurrence(1);
    assert_eq!((&old["bucket"], &old["key"], &old["source"]), (&"bkt".into(), &"a".into(), &"object".into()), "{old}");
    assert!(old["version_id"].as_str().is_some_and(|version| version.starts_with("v0")), "{old}");
    assert!(old["etag"].as_str().is_some_and(|tag| tag.len() == 32), "{old}");
    assert_eq!(old["last_modified"], "2026-01-02T03:04:05+00:00", "{old}");
}

#[test]
fn globs_dates_and_sizes_choose() {
    let scene = Scene::with(|bucket| {
        bucket.put("a/1.env", leak(1));
        bucket.put("a/2.log", leak(2).written(1_700_000_000));
        bucket.put("b/3.env", leak(3));
        bucket.put("b/large.env", Object::made(100_000, vec![(50, format!("\n{}\n", id(4)).into_bytes())]));
    });
    scene.expect(&["--include", "*.env"], 1, &[&id(1), &id(3), &id(4)]);
    scene.expect(&["--include", "a/**"], 1, &[&id(1), &id(2)]);
    scene.expect(&["--include", "**/*.env", "--exclude", "b/**"], 1, &[&id(1)]);
    scene.expect(&["--newer-than", "2025-06-01"], 1, &[&id(1), &id(3), &id(4)]);
    let none = scene.expect(&["--include", "*.zzz"], 2, &[]);
    expect_skipped(&none, &[("the target", "--include and --exclude")]);
    let limited = scene.expect(&["--max-object-size", "64K"], 2, &[&id(1), &id(2), &id(3)]);
    expect_skipped(&limited, &[("s3://bkt/b/large.env", "--max-object-size")]);
    scene.fake.forget();
    scene.sweep(["s3://bkt/a/", "s3://bkt/a/1"]).expect(1, &[&id(1), &id(2)]);
    assert_eq!(scene.fake.log().count("GetObject"), 2, "what is within another target is read once");
}

#[test]
fn shards_are_even_and_come_to_the_whole() {
    const KEYS: u64 = 90;
    let scene = Scene::with(|bucket| {
        bucket.versioned = true;
        for seed in 0..KEYS {
            bucket.put(&format!("{}/{seed}", seed % 4), leak(seed));
            bucket.put(&format!("{}/{seed}", seed % 4), harmless(seed as usize));
        }
    });
    let mut found = BTreeSet::new();
    for shard in 1..=3 {
        scene.fake.forget();
        let output = scene.sweep(["s3://bkt", "--versions", "--shard", &format!("{shard}/3")]);
        fs::write(scene.at.path(format!("{shard}.jsonl")), &output.stdout).unwrap();
        let fetched = scene.fake.log().count("GetObject");
        assert!((35..=85).contains(&fetched), "{fetched} of {}", KEYS * 2);
        assert!(output.ids().iter().all(|id| found.insert(id.clone())), "twice: {output:?}");
    }
    assert_eq!(found.len() as u64, KEYS);
    let merged = scene.at.invocation(["report", "merge", "1.jsonl", "2.jsonl", "3.jsonl", "--format", "jsonl"]).run();
    assert_eq!((merged.code, merged.ids()), (Some(1), found), "{merged:?}");
    for wrong in ["0/3", "4/3", "1", "x/y"] {
        let refused = scene.sweep(["s3://bkt", "--shard", wrong]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        refused.expect_stderr(&["--shard"]);
    }
}

#[test]
fn a_sample_is_spread_over_the_bucket_and_a_dry_run_reads_nothing() {
    let scene = Scene::with(|bucket| {
        for number in 0..3000 {
            bucket.put(&format!("{}/{number}", number % 3), harmless(number));
        }
    });
    let output = scene.sweep(["s3://bkt", "--sample", "30"]);
    let log = scene.fake.log();
    let keys = log.keys();
    assert_eq!(keys.len(), 30, "{output:?}");
    for directory in ["0/", "1/", "2/"] {
        assert!(keys.iter().any(|key| key.starts_with(directory)), "{keys:?}");
    }
    scene.fake.forget();
    let planned = scene
        .at
        .invocation(["sweep", "s3://bkt", "--dry-run", "--anonymous"])
        .env("AWS_ENDPOINT_URL", scene.fake.url());
    scene.fake.bucket("bkt", |bucket| {
        bucket.public();
    });
    let planned = planned.env("AWS_REGION", "us-east-1").env("AWS_EC2_METADATA_DISABLED", "true").run();
    assert_eq!(planned.code, Some(0), "{planned:?}");
    let text = String::from_utf8(planned.stdout.clone()).unwrap();
    assert!(text.contains("3,000") || text.contains("3000"), "{planned:?}");
    assert!(text.contains("USD") || text.contains('$'), "{planned:?}");
    assert_eq!(scene.fake.log().count("GetObject"), 0);
}

#[test]
fn who_does_not_agree_to_pay_is_told_how() {
    let scene = Scene::with(|bucket| {
        bucket.requester_pays = true;
        bucket.put("o", leak(1));
    });
    let refused = scene.sweep(["s3://bkt"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    scene.expect(&["--request-payer"], 1, &[&id(1)]);
    assert!(scene.fake.log().of("GetObject").all(|call| call.pays));
}

#[test]
fn what_to_delete_is_written_down_by_version_and_nothing_is_deleted() {
    let scene = Scene::new();
    let versions = scene.fake.bucket("bkt", |bucket| {
        bucket.versioned = true;
        let first = bucket.put("a/odd\nname", leak(1));
        bucket.put("a/odd\nname", harmless(1));
        [first, bucket.put("b", leak(2))]
    });
    scene.expect(&["--versions", "--purge-list", "purge"], 1, &[&id(1), &id(2)]);
    let text = fs::read_to_string(scene.at.path("purge")).unwrap();
    assert!(versions.iter().all(|version| text.contains(version)), "{text}");
    for seed in [1, 2] {
        let (_, secret) = crate::support::example_key(seed);
        assert!(!text.contains(&secret), "{text}");
    }
    scene.fake.log().expect_signed(true);
}

#[test]
fn a_secret_in_a_key_is_masked_and_its_version_can_still_be_told() {
    let scene = Scene::new();
    let (_, secret) = example_key(1);
    // A slash would end the name there.
    let secret = secret.replace('/', "x");
    let key = format!("old/aws_access_key_id={} aws_secret_access_key={secret}", id(1));
    let version = scene.fake.bucket("bkt", |bucket| {
        bucket.versioned = true;
        bucket.public();
        bucket.put(&key, leak(2))
    });
    let state = scene.at.path("state");
    let args = ["--versions", "--metadata", "--purge-list", "purge", "--state", state.to_str().unwrap()];
    let output = scene.expect(&args, 1, &[&id(1), &id(2)]);
    let purge = fs::read_to_string(scene.at.path("purge")).unwrap();
    let line: serde_json::Value = serde_json::from_str(&purge).unwrap();
    assert_eq!((&line["key_masked"], &line["version_id"]), (&true.into(), &version.as_str().into()), "{line}");
    assert_eq!(line["findings"].as_array().unwrap().len(), 2, "{line}");
    let of_state = fs::read_dir(&state).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
    let all = [output.stdout.clone(), output.stderr.clone().into_bytes(), purge.into_bytes()];
    for bytes in all.into_iter().chain(of_state) {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
    // Who lists it reads the key; by what name the object is to be asked for is not known any more.
    let public = |seed| {
        let of = id(seed);
        let finding = output.findings().into_iter().find(|finding| finding["access_key_id"] == of.as_str()).unwrap();
        finding["occurrences"][0]["public"].clone()
    };
    assert_eq!(public(1), json!({"is": true, "because": "policy statement PublicList"}));
    assert_eq!(public(2)["is"], json!(null), "{}", public(2));
}

#[test]
fn who_may_read_what_an_inventory_lists_is_asked_of_the_bucket_that_it_is_of() {
    let scene = Scene::with(|bucket| {
        bucket.put("o", leak(1));
        bucket.public();
    });
    let rows = "\"bkt\",\"o\",\"9\"\n";
    let manifest = json!({
        "sourceBucket": "bkt", "destinationBucket": "arn:aws:s3:::inventories", "version": "2016-11-30",
        "creationTimestamp": "1514944800000", "fileFormat": "CSV", "fileSchema": "Bucket, Key, Size",
        "files": [{"key": "data.csv", "size": rows.len(), "MD5checksum": ""}],
    });
    scene.fake.bucket("inventories", |bucket| {
        bucket.put("data.csv", Object::new(rows));
        bucket.put("manifest.json", Object::new(manifest.to_string()));
    });
    let output = scene.sweep(["--inventory", "s3://inventories/manifest.json"]);
    output.expect(1, &[&id(1)]);
    let public = &output.findings()[0]["occurrences"][0]["public"];
    assert_eq!(*public, json!({"is": true, "because": "policy statement PublicRead"}));
}

/// How many calls `--verbose` tells of, of those that triage made.
fn told_calls(output: &crate::support::Output) -> Option<usize> {
    let line = output.stderr.lines().find(|line| line.contains(" to AWS: "))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn triage_asks_as_who_signed_in_to_read_and_a_stranger_s_helper_is_told() {
    let scene = Scene::with(|bucket| {
        bucket.put("o", leak(1));
        bucket.public();
    });
    let who = "arn:aws:iam::111122223333:user/reader of account 111122223333";
    for args in [&["s3://bkt", "--triage", "-v"][..], &["s3://bkt", "--triage", "-v", "--anonymous"]] {
        scene.fake.forget();
        let output = scene.sweep(args);
        // Whoever signs in twice has another count.
        assert_eq!(told_calls(&output), Some(scene.fake.count("GetCallerIdentity")), "{output:?}");
        let doing = if args.len() == 3 { "reading as" } else { "asking what is live as" };
        output.expect_stderr(&[&format!("{doing} {who}")]);
    }
}

#[test]
fn a_report_of_a_shard_says_so_and_one_that_is_missing_is_unread() {
    let scene = Scene::with(|bucket| {
        bucket.put("o", leak(1));
    });
    let first = scene.sweep(["s3://bkt", "--shard", "1/2"]);
    assert_eq!(first.summary()["shard"], json!({"number": 1, "of": 2}));
    fs::write(scene.at.path("1.jsonl"), &first.stdout).unwrap();
    let merged = scene.at.invocation(["report", "merge", "1.jsonl"]).run();
    assert_eq!(merged.code, Some(2), "{merged:?}");
    assert!(merged.summary()["skipped"].to_string().contains("shard 2/2"), "{merged:?}");
}

#[test]
fn what_nobody_can_mean_is_refused() {
    let scene = Scene::new();
    for args in [&["bkt"][..], &["s3://"], &["http://b/"], &["s3://B_/x"], &["s3://bkt", "--newer-than", "soon"], &[]] {
        let refused = scene.sweep(args);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(!refused.stderr.is_empty());
    }
    assert!(scene.fake.log().0.iter().all(|call| call.operation != "GetObject"));
    assert_eq!(date(0), "1970-01-01T00:00:00.000Z");
}
