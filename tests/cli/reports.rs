//! Reports are the same bytes for the same input in every format, whatever the number of threads is, and hold no secret.

use std::fs;

use serde_json::Value;

use crate::support::{Keysweep, env_file, example_key};

const FORMATS: [&str; 8] = ["text", "json", "jsonl", "sarif", "csv", "github", "gitlab", "junit"];
const KEYS: std::ops::Range<u64> = 1..60;

/// Many keys in a working tree and in history, some at several places, in archives and encoded, and a dozen things that can't be read.
fn fixture(at: &Keysweep) {
    at.init("repo");
    for seed in KEYS {
        at.plant(format!("repo/{}/{seed}.env", seed % 7), seed);
        at.write(format!("repo/copies/{}", seed % 11), env_file(seed));
        if seed % 10 == 0 {
            at.commit("repo", &format!("up to {seed} {}", example_key(seed).0));
        }
    }
    at.git("repo", ["rm", "-rq", "3"]);
    at.commit("repo", "three gone").plant("repo/untracked.env", 4);
    for number in 0..12 {
        let name = format!("repo/broken/{number}.gz");
        at.write(name, [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], b"no deflate"].concat());
    }
}

fn report(at: &Keysweep, format: &str, jobs: &str) -> (Option<i32>, Vec<u8>, String) {
    let scan = at.invocation(["scan", "repo", "--format", format, "--jobs", jobs]);
    let output = scan.env("SOURCE_DATE_EPOCH", "1709287200").run();
    (output.code, output.stdout, output.stderr)
}

#[test]
fn every_format_is_the_same_bytes_whatever_the_number_of_threads() {
    let at = Keysweep::new();
    fixture(&at);
    for format in FORMATS {
        let first = report(&at, format, "1");
        assert_eq!(first.0, Some(2), "{format}: {}", first.2);
        assert!(first.1.len() > 2000, "{format} is short");
        for jobs in ["1", "2", "3", "8"] {
            assert!(report(&at, format, jobs) == first, "{format} with --jobs {jobs}");
        }
    }
    let (_, lines, _) = report(&at, "jsonl", "2");
    let lines = String::from_utf8(lines).unwrap();
    let summary: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(lines.lines().count() as u64, KEYS.end - KEYS.start + 1);
    assert!(summary["skipped"].as_array().unwrap().len() >= 12, "{summary}");
}

#[test]
fn a_range_is_the_same_bytes_too() {
    let at = Keysweep::new();
    fixture(&at);
    for format in FORMATS {
        let scan = |jobs| {
            let scan = at.invocation(["scan", "repo", "--history", "HEAD", "--format", format, "--jobs", jobs]);
            scan.env("SOURCE_DATE_EPOCH", "0").run().stdout
        };
        let first = scan("1");
        assert!(first.len() > 2000 && ["1", "4"].into_iter().all(|jobs| scan(jobs) == first), "{format}");
    }
}

#[test]
fn no_format_for_machines_holds_a_secret_also_when_asked() {
    let at = Keysweep::new();
    fixture(&at);
    for format in ["sarif", "csv", "github", "gitlab", "junit"] {
        let output = at.invocation(["scan", "repo", "--format", format, "--show-secrets"]).run();
        let text = String::from_utf8(output.stdout).unwrap();
        for seed in KEYS {
            let (id, secret) = example_key(seed);
            assert!(text.contains(&id) && !text.contains(&secret[..8]), "{format}, {seed}");
        }
    }
}

#[test]
fn the_times_of_gitlab_s_report_are_those_of_the_scan_or_of_source_date_epoch() {
    let at = Keysweep::new();
    at.plant("keys.env", 1);
    let times = |epoch: Option<&str>| {
        let scan = at.invocation(["scan", "-o", "gl-secret-detection-report.json"]);
        epoch.into_iter().fold(scan, |scan, epoch| scan.env("SOURCE_DATE_EPOCH", epoch)).run();
        let text = fs::read(at.path("gl-secret-detection-report.json")).unwrap();
        fs::remove_file(at.path("gl-secret-detection-report.json")).unwrap();
        let report: Value = serde_json::from_slice(&text).unwrap();
        ["start_time", "end_time"].map(|name| report["scan"][name].as_str().unwrap().to_owned())
    };
    assert_eq!(times(Some("1709287200")), ["2024-03-01T10:00:00"; 2]);
    for epoch in [None, Some("yesterday"), Some("")] {
        let [start, end] = times(epoch);
        assert!(*"2024-03-01T10:00:00" < *start && start <= end, "{start} {end}");
    }
}
