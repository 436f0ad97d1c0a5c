//! Rules of gitleaks do here what they do there. `KEYSWEEP_GITLEAKS_CONFIG=/path/to/gitleaks.toml` names a file that must load;
//! with `KEYSWEEP_GITLEAKS=/path/to/gitleaks` and `KEYSWEEP_GITLEAKS_TREE=/path/to/files` besides, both programs scan the files
//! and must find the same secrets in the same of them. Without these there is nothing to do.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "all of it is test code, runs programs and tells of what they did"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use keysweep::engine::rule::RuleSet;
use serde_json::Value;

/// A file and a secret in it.
type Found = BTreeSet<(String, String)>;

fn named(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    if path.is_none() {
        println!("{variable} is not set");
    }
    path
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn report(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn the_file_loads_whole() {
    let Some(config) = named("KEYSWEEP_GITLEAKS_CONFIG") else {
        return;
    };
    let text = std::fs::read_to_string(&config).unwrap();
    let mut rules = RuleSet::default();
    rules.load("gitleaks.toml", &text, &|path, _| Err(path.to_owned())).unwrap();
    let written = text.lines().filter(|line| *line == "[[rules]]").count();
    assert_eq!((rules.foreign().len(), rules.notes().len()), (written, 0));
}

#[test]
fn both_programs_find_the_same() {
    let (Some(config), Some(program), Some(tree)) =
        (named("KEYSWEEP_GITLEAKS_CONFIG"), named("KEYSWEEP_GITLEAKS"), named("KEYSWEEP_GITLEAKS_TREE"))
    else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let (theirs, ours) = (directory.path().join("theirs.json"), directory.path().join("ours.json"));
    let run = |command: &mut Command| {
        assert!(command.current_dir(&tree).status().unwrap().code().is_some_and(|code| code < 2));
    };
    run(Command::new(program)
        .args(["dir", ".", "--no-banner", "--exit-code=0", "--log-level=error", "--max-decode-depth=0"])
        .args(["--report-format=json", "--config"])
        .arg(&config)
        .arg("--report-path")
        .arg(&theirs));
    run(Command::new(env!("CARGO_BIN_EXE_keysweep"))
        .args(["scan", ".", "--archive-depth=0", "--allow-incomplete", "--show-secrets", "--quiet", "--rules"])
        .arg(&config)
        .arg("--output")
        .arg(&ours));
    let missing: Vec<_> = of_gitleaks(&report(&theirs)).difference(&of_keysweep(&report(&ours))).cloned().collect();
    assert!(missing.is_empty(), "{} are missing, {:#?}", missing.len(), &missing[..missing.len().min(20)]);
}

fn of_gitleaks(report: &Value) -> Found {
    report.as_array().unwrap().iter().map(|found| (text(&found["File"]), text(&found["Secret"]))).collect()
}

fn of_keysweep(report: &Value) -> Found {
    let mut all = Found::new();
    for found in report["findings"].as_array().unwrap() {
        let secrets = found["secrets"].as_array().unwrap().iter().map(|secret| text(&secret["value"]));
        let values: Vec<String> = secrets.chain([text(&found["access_key_id"])]).collect();
        for occurrence in found["occurrences"].as_array().unwrap() {
            let path = text(&occurrence["path"]);
            let path = path.strip_prefix("./").unwrap_or(&path);
            all.extend(values.iter().map(|value| (path.to_owned(), value.clone())));
        }
    }
    all
}
