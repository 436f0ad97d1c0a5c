//! Holds the floor plan to the code: which room may name which, what each must leave alone, and what a set of features links.
//! Code under `#[cfg(test)]` may name what it likes.

#![allow(clippy::unwrap_used, reason = "all of it is test code")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

#[path = "rooms/reading.rs"]
mod reading;

use reading::File;

/// Each room and the other rooms that it may name. A room that does not stand here does not belong to the house yet.
const ARROWS: &[(&str, &str)] = &[
    ("lib", ""),
    ("main", "cli"),
    (
        "cli",
        "baseline blob provenance location key engine source finding sweep place report triage response aws exposure",
    ),
    ("report", "blob provenance location key engine source finding sweep triage response exposure"),
    // Types of the inventory and of buckets' settings to fill, and a switch to be.
    ("aws", "exposure finding key provenance triage response"),
    ("exposure", "provenance"),
    ("response", "key triage"),
    ("triage", "key finding"),
    ("sweep", "blob provenance location key engine source finding place"),
    ("place", "provenance engine"),
    // Text and findings in, marks on findings out.
    ("baseline", "blob provenance finding"),
    ("finding", "blob provenance location key engine"),
    // Buckets are read through the telephone.
    ("source", "blob provenance location aws"),
    // A match is about bytes only: nothing here says where they came from.
    ("engine", "location key"),
    // Ground floor: plain data.
    ("blob", "provenance location"),
    ("provenance", "blob"),
    ("location", ""),
    ("key", ""),
];

/// Names that reach out of the program.
const OUTSIDE: &str =
    "std::env std::fs std::io::stderr std::io::stdin std::io::stdout std::net std::process std::thread std::time";

/// What a room must leave alone, though it is in the standard library. The porch alone may do everything.
const CLOSED: &[(&str, &str)] = &[
    ("lib", OUTSIDE),
    ("report", OUTSIDE),
    ("sweep", "std::env std::fs std::io::stderr std::io::stdin std::io::stdout std::net std::process std::time"),
    ("aws", "std::env std::fs std::io::stderr std::io::stdin std::io::stdout std::net std::process"),
    // Journals are files.
    ("response", "std::env std::io::stderr std::io::stdin std::io::stdout std::net std::process std::thread std::time"),
    ("triage", OUTSIDE),
    ("baseline", OUTSIDE),
    ("exposure", OUTSIDE),
    ("finding", OUTSIDE),
    ("place", OUTSIDE),
    ("source", "std::env std::io::stderr std::io::stdout std::net std::time"),
    ("engine", OUTSIDE),
    ("blob", OUTSIDE),
    ("provenance", OUTSIDE),
    ("location", OUTSIDE),
    ("key", OUTSIDE),
];

/// Crates that only some places may name: a file, or a room with all below it.
const CONFINED: &[(&str, &str)] = &[
    ("aho_corasick", "src/engine"),
    ("anyhow", "src/cli src/main.rs"),
    ("apache_avro", "src/source/archive"),
    ("aws_config", "src/aws"),
    ("aws_credential_types", "src/aws"),
    ("aws_sdk_iam", "src/aws"),
    ("aws_sdk_organizations", "src/aws"),
    ("aws_sdk_s3", "src/aws/store"),
    ("aws_sdk_sts", "src/aws"),
    ("aws_smithy_http_client", "src/aws"),
    ("aws_smithy_runtime_api", "src/aws"),
    ("aws_smithy_types", "src/aws"),
    ("brotli", "src/source/archive"),
    ("bzip2", "src/source/archive"),
    ("clap", "src/cli src/main.rs"),
    ("csv", "src/report src/cli src/triage src/source/s3"),
    ("flate2", "src/engine/decode src/source/archive src/source/git"),
    ("git2", "src/source/git"),
    ("globset", "src/response/protect.rs src/source/s3"),
    ("hmac", "src/finding/keyed.rs"),
    ("ignore", "src/source/tree src/baseline/globs.rs"),
    ("indicatif", "src/cli"),
    ("libdeflater", "src/source/git"),
    ("lzma_rust2", "src/source/archive"),
    ("memmap2", "src/source/git/map.rs"),
    ("parquet", "src/source/archive src/source/s3"),
    ("percent_encoding", "src/aws src/source/s3"),
    ("rayon", "src/source src/sweep"),
    ("redb", "src/source/s3"),
    ("regex_syntax", "src/engine"),
    ("serde", "src/engine src/report src/cli src/baseline src/triage src/response src/exposure src/source/s3"),
    ("serde_json", "src/report src/cli src/baseline src/triage src/response src/exposure src/source/s3"),
    ("serde_sarif", "src/report"),
    // Names of git's objects are; and others write down what they ignore by it.
    ("sha1", "src/source/git src/finding.rs"),
    ("tar", "src/source/archive"),
    ("tempfile", "src/source/git src/cli"),
    ("tokio", "src/aws src/source/s3"),
    ("toml", "src/engine src/cli"),
    ("zip", "src/source/archive"),
    ("zstd", "src/source/archive"),
];

/// Words and signs that may follow each other only at some places, and why.
const WORDS: &[(&str, &str, &str)] = &[
    (
        "unsafe",
        "src/source/git/map.rs src/engine/blocks.rs src/engine/prefilter/sieve.rs",
        "memory maps and vector instructions only",
    ),
    (
        "expose",
        "src/key.rs src/engine src/finding src/report.rs src/report/json.rs src/aws/verify.rs",
        "a secret is bared for matching, hashing, --show-secrets and --verify-with-secret only",
    ),
    (". unwrap (", "", "return an error, or expect(\"why it holds\")"),
    ("print !", "src/cli", "take a writer"),
    ("println !", "src/cli", "take a writer"),
    ("eprint !", "src/cli src/main.rs", "return an error"),
    ("eprintln !", "src/cli src/main.rs", "return an error"),
];

/// What a set of features must not link; `*` stands for any ending.
const ABSENT: &[(&str, &str)] = &[
    ("", "anstream anyhow aws-* clap git2 indicatif libdeflater libgit2-sys memmap2 tokio"),
    ("git", "anstream anyhow aws-* clap indicatif tokio"),
    ("cli", "aws-* git2 libdeflater libgit2-sys memmap2 tokio"),
    ("s3", "anstream anyhow clap git2 indicatif libgit2-sys"),
    ("iam", "anstream anyhow clap git2 indicatif libgit2-sys"),
];

#[test]
fn every_room_stands_in_the_plan_and_every_planned_room_stands() {
    let planned: BTreeSet<&str> = ARROWS.iter().map(|(room, _)| *room).collect();
    let built: BTreeSet<&str> = FILES.iter().map(|file| file.room()).collect();
    assert_eq!(built, planned, "left: src/, right: ARROWS in tests/rooms.rs");
}

#[test]
fn rooms_name_only_the_rooms_that_the_plan_allows() {
    check(|file| {
        let allowed = row(ARROWS, file.room());
        file.wrong_names(|name| {
            let (from, to) = (file.room(), name.room(file)?);
            let fine = from == to || allowed.split(' ').any(|room| room == to);
            (!fine).then(|| format!("{from} -> {to}: {from} may name only [{allowed}]"))
        })
    });
}

#[test]
fn rooms_leave_alone_what_is_closed_to_them() {
    check(|file| {
        let closed = row(CLOSED, file.room());
        file.wrong_names(|name| {
            let path = format!("{}::", name.path.join("::"));
            let hit = closed.split_whitespace().find(|closed| path.starts_with(&format!("{closed}::")))?;
            Some(format!("{hit} is closed to {}", file.room()))
        })
    });
}

#[test]
fn crates_stay_where_they_are_wrapped() {
    check(|file| {
        file.wrong_names(|name| {
            let homes = row(CONFINED, name.path[0]);
            (!homes.is_empty() && !file.is_in(homes)).then(|| format!("{} is named outside of {homes}", name.path[0]))
        })
    });
}

#[test]
fn confined_crates_are_dependencies() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let dependencies = manifest["dependencies"].as_table().unwrap();
    let names: BTreeSet<String> = dependencies.keys().map(|name| name.replace('-', "_")).collect();
    for (name, _) in CONFINED {
        assert!(names.contains(*name), "{name} is no dependency any more");
    }
}

#[test]
fn words_stay_where_they_are_meant() {
    check(|file| {
        let mut wrong = Vec::new();
        for (words, _, why) in WORDS.iter().filter(|(_, homes, _)| !file.is_in(homes)) {
            let words: Vec<&str> = words.split(' ').collect();
            let hits = file
                .tokens
                .windows(words.len())
                .filter(|window| window.iter().map(|token| token.text).eq(words.iter().copied()));
            wrong.extend(hits.map(|hit| (hit[0].line, format!("`{}`: {why}", words.concat()))));
        }
        wrong
    });
}

#[test]
fn every_file_opens_by_saying_what_it_is_for() {
    check(|file| {
        let problem = (1, "it must open with `//!`".to_owned());
        if file.text.starts_with("//! ") { vec![] } else { vec![problem] }
    });
}

#[test]
fn features_link_nothing_that_they_do_not_need() {
    for (features, absent) in ABSENT {
        let linked = linked(features);
        assert!(linked.contains("regex"), "regex is always linked, but not in {linked:?}");
        for name in absent.split(' ') {
            let hit = linked.iter().find(|linked| match name.strip_suffix('*') {
                Some(start) => linked.starts_with(start),
                None => *linked == name,
            });
            assert_eq!(hit, None, "linked by --no-default-features --features \"{features}\"");
        }
    }
}

/// Names of all crates that a build of the library with these features links on this machine.
fn linked(features: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["tree", "--locked", "--offline", "--edges=normal", "--prefix=none", "--format={p}"])
        .args(["--no-default-features", "--features", features])
        .output()
        .expect("the cargo that runs the tests can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

/// Gathers what `rule` finds wrong in every file, with its line, and fails once with all of it.
fn check(rule: impl Fn(&File) -> Vec<(usize, String)>) {
    let mut wrong = Vec::new();
    for file in FILES.iter() {
        wrong.extend(rule(file).iter().map(|(line, what)| format!("{}:{line}: {what}", file.path)));
    }
    assert!(wrong.is_empty(), "\n{}\n(the plan is in tests/rooms.rs)", wrong.join("\n"));
}

/// The row of `table` that begins with `key`; empty when there is none.
fn row(table: &[(&str, &'static str)], key: &str) -> &'static str {
    table.iter().find(|(name, _)| *name == key).map_or("", |(_, row)| row)
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Every source file but those that are only there for tests.
static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let mut paths = Vec::new();
    let mut left = vec!["src".to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{directory}/{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                left.push(path);
            } else if path.ends_with(".rs") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    // Leaked, because tokens and names borrow from the text for as long as the tests run.
    let files: Vec<File> = paths.into_iter().map(|path| File::new(path.clone(), read(&path).leak())).collect();
    let test_only: BTreeSet<String> = files.iter().flat_map(|file| file.test_modules.clone()).collect();
    // What a module of tests has below it is there for tests too.
    let is_test = |path: &str| {
        let below = |module: &String| path.starts_with(&format!("{}/", module.trim_end_matches(".rs")));
        test_only.contains(path) || test_only.iter().any(below)
    };
    files.into_iter().filter(|file| !is_test(&file.path)).collect()
});
