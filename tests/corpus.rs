//! Holds the engine to `tests/corpus/*.toml`: whole little files in which credentials stand as people leave them, and files in which
//! only look-alikes do. What each must find is written there, its values are drawn at run time.
//!
//! `cargo test --test corpus -- --nocapture` shows the table; `KEYSWEEP_CORPUS_DIR=/path` writes the files there besides, with what
//! is to be found in them in `expected.jsonl`, to run other scanners on.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "all of it is test code, reads the environment and shows the table"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use keysweep::engine::Scanner;
use keysweep::engine::rule::RuleSet;
use serde_json::json;

#[path = "corpus/case.rs"]
mod case;
#[path = "corpus/draw.rs"]
mod draw;
#[path = "corpus/score.rs"]
mod score;
#[path = "corpus/template.rs"]
mod template;
#[path = "corpus/transform.rs"]
mod transform;

use case::Case;
use draw::Role;
use score::Score;

const FEWEST_CASES: usize = 300;
const LEAST_OF_IDS: f64 = 0.995;
const LEAST_OF_SECRETS: f64 = 0.98;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn cases() -> Vec<Case> {
    case::read_all(&directory()).unwrap_or_else(|wrong| panic!("{wrong}"))
}

#[test]
fn credentials_are_found_and_look_alikes_are_not() {
    let scanner = Scanner::new(RuleSet::builtin());
    let (mut families, mut total) = (BTreeMap::<String, Score>::new(), Score::default());
    for case in cases() {
        let score = score::score(&case, &score::reported(&scanner, &case));
        families.entry(case.family).or_default().add(score.clone());
        total.add(score);
    }
    println!("{}\n\n{}", total.complaints.join("\n"), score::table(&families));
    assert!(total.cases >= FEWEST_CASES, "{} cases", total.cases);
    for (name, count, least) in [("ids", total.ids, LEAST_OF_IDS), ("secrets", total.secrets, LEAST_OF_SECRETS)] {
        assert!(count.precision() >= least, "precision of {name} is {:.4}", count.precision());
        assert!(count.recall() >= least, "recall of {name} is {:.4}", count.recall());
    }
}

#[test]
fn the_files_themselves_hold_no_credential() {
    let scanner = Scanner::new(RuleSet::builtin());
    for entry in fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        let found = scanner.scan(&fs::read(&path).unwrap()).matches;
        assert!(found.is_empty(), "{}: {found:?}", path.display());
    }
}

#[test]
fn the_corpus_is_written_where_the_environment_says() {
    let temp = tempfile::tempdir().unwrap();
    let directory = std::env::var_os("KEYSWEEP_CORPUS_DIR").map_or_else(|| temp.path().to_owned(), PathBuf::from);
    let cases = cases();
    write(&directory, &cases);
    let expected = fs::read_to_string(directory.join("expected.jsonl")).unwrap();
    assert_eq!(expected.lines().count(), cases.len());
    for (line, case) in expected.lines().zip(&cases) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(fs::read(directory.join(line["path"].as_str().unwrap())).unwrap(), case.bytes);
        assert_eq!(line["expected"].as_array().unwrap().len(), case.expected.len());
    }
}

/// Writes `<family>/<case>/<file>` for each case, and for each a line that says what is to be found in it.
fn write(directory: &Path, cases: &[Case]) {
    let mut lines = String::new();
    for case in cases {
        let path = Path::new(&case.family).join(&case.name).join(&case.file);
        let full = directory.join(&path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, &case.bytes).unwrap();
        let expected: Vec<_> = case
            .expected
            .iter()
            .map(|wanted| {
                let kind = if wanted.role == Role::Id { "access_key_id" } else { "secret" };
                json!({"template": wanted.template, "kind": kind, "values": wanted.texts})
            })
            .collect();
        let line = json!({
            "family": case.family,
            "case": case.name,
            "path": path,
            "expected": expected,
            "optional": case.optional,
        });
        lines.push_str(&format!("{line}\n"));
    }
    fs::write(directory.join("expected.jsonl"), lines).unwrap();
}
