//! `keysweep report merge`: the reports of the parts of a scan come to the report of the whole.

use std::fs;

use serde_json::Value;

use crate::support::{Keysweep, env_file, example_key};

/// Three directories with keys of their own and in common, encoded and in archives' clothing, and something that can't be read in one.
fn fixture(at: &Keysweep) {
    for seed in 1..10 {
        at.plant(format!("{}/{seed}.env", ["a", "b", "c"][seed as usize % 3]), seed);
        at.write(format!("b/copies/{seed}"), env_file(seed));
    }
    let allowed = env_file(20).replace('\n', " # keysweep:allow a test\n");
    at.write("a/allowed.env", &allowed).write("c/allowed.env", allowed);
    at.write("c/broken.gz", [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], b"no deflate"].concat());
    at.write("c/alone.txt", format!("aws_secret_access_key = {}\n", example_key(1).1));
}

fn scan(at: &Keysweep, targets: &[&str], format: &str) -> Value {
    let output = at.invocation([&["scan", "--history", "none", "--format", format], targets].concat()).run();
    let text = String::from_utf8(output.stdout).unwrap();
    match format {
        "json" => serde_json::from_str(&text).unwrap(),
        _ => text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect(),
    }
}

/// Reports of the three directories, the second as one document.
fn shards(at: &Keysweep) {
    for (directory, file) in [("a", "1.jsonl"), ("b", "2.json"), ("c", "3.jsonl")] {
        at.invocation(["scan", "--history", "none", "-q", "-o", file, directory]).run();
    }
}

#[test]
fn three_parts_come_to_the_whole_in_any_order() {
    let at = Keysweep::new();
    fixture(&at);
    shards(&at);
    let whole = scan(&at, &["a", "b", "c"], "json");
    assert!(whole["findings"].as_array().unwrap().len() >= 10, "{whole}");
    for files in [["1.jsonl", "2.json", "3.jsonl"], ["3.jsonl", "1.jsonl", "2.json"]] {
        let merge = at.invocation([&["report", "merge", "--format", "json"][..], &files].concat()).run();
        let merged: Value = serde_json::from_slice(&merge.stdout).unwrap();
        for (one, other) in merged["findings"].as_array().unwrap().iter().zip(whole["findings"].as_array().unwrap()) {
            assert_eq!(one, other);
        }
        assert_eq!(merged, whole);
        assert_eq!(merge.code, Some(2), "{}", merge.stderr);
        assert!(merge.stderr.contains("not everything was read"), "{}", merge.stderr);
    }
}

#[test]
fn one_report_stays_what_it_is_also_through_a_pipe() {
    let at = Keysweep::new();
    fixture(&at);
    let lines = scan(&at, &["a"], "jsonl");
    shards(&at);
    let report = fs::read(at.path("1.jsonl")).unwrap();
    let merge = at.invocation(["report", "merge", "-"]).stdin(report).run();
    let text = String::from_utf8(merge.stdout).unwrap();
    assert_eq!(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Value>(), lines);
    assert_eq!((merge.code, &*merge.stderr), (Some(1), ""));
}

#[test]
fn the_exit_code_is_that_of_a_scan() {
    let at = Keysweep::new();
    fixture(&at);
    shards(&at);
    at.write("clean/a.txt", "nothing");
    at.invocation(["scan", "--history", "none", "-q", "-o", "clean.json", "clean"]).run();
    for (args, code) in [
        (&["clean.json"][..], 0),
        (&["clean.json", "1.jsonl", "--exit-code", "7"], 7),
        (&["3.jsonl", "1.jsonl"], 2),
        (&["3.jsonl", "1.jsonl", "--allow-incomplete"], 1),
    ] {
        let merge = at.invocation([&["report", "merge"][..], args].concat()).run();
        assert_eq!(merge.code, Some(code), "{args:?}: {}", merge.stderr);
    }
}

#[test]
fn it_is_written_to_a_file_whole_or_not_at_all() {
    let at = Keysweep::new();
    fixture(&at);
    shards(&at);
    let merge = at.invocation(["report", "merge", "1.jsonl", "2.json", "-o", "all.json"]).run();
    assert!(merge.stdout.is_empty() && merge.code == Some(1), "{}", merge.stderr);
    let all: Value = serde_json::from_slice(&fs::read(at.path("all.json")).unwrap()).unwrap();
    assert_eq!(all["schema"], "keysweep/v1");
    at.write("cut.jsonl", "{\"schema\":\"keysweep/v1\",\"type\":\"finding\"}\n");
    let before = fs::read(at.path("all.json")).unwrap();
    let merge = at.invocation(["report", "merge", "1.jsonl", "cut.jsonl", "-o", "all.json"]).run();
    assert_eq!(merge.code, Some(2));
    assert!(merge.stderr.contains("cut.jsonl") && merge.stderr.contains("cut short"), "{}", merge.stderr);
    assert_eq!(fs::read(at.path("all.json")).unwrap(), before);
}

#[test]
fn what_can_t_be_joined_is_refused_with_a_reason() {
    let at = Keysweep::new();
    fixture(&at);
    shards(&at);
    let keyed = at.invocation(["scan", "--history", "none", "-q", "-o", "keyed.json", "b"]);
    keyed.env("KEYSWEEP_FINGERPRINT_KEY", "0123456789abcdef0123456789abcdef").run();
    at.write("other.json", "{\"schema\":\"sarif\"}");
    for (args, told) in [
        (&["1.jsonl", "keyed.json"][..], "keyed.json"),
        (&["other.json"], "keysweep/v1"),
        (&["missing.json"], "missing.json"),
        (&["-", "-"], "twice"),
        (&["1.jsonl", "-o", "all.txt"], "all.txt"),
        (&[], "FILE"),
    ] {
        let merge = at.invocation([&["report", "merge"][..], args].concat()).run();
        assert_eq!((merge.code, merge.stdout.is_empty()), (Some(2), true), "{args:?}");
        assert!(merge.stderr.contains(told), "{args:?}: {}", merge.stderr);
    }
}
