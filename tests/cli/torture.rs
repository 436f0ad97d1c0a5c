//! Keys at every place where git can keep one (`tests/fixtures/torture.sh`): each must be found, once, and said to be where it is.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "all of it is test code, and the program it starts needs a PATH"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use sha2::{Digest, Sha512};

/// What `torture.sh` wants a key for.
const PLACES: &[&str] = &[
    "alternate",
    "binary",
    "branch",
    "config",
    "copied-by-delta",
    "dangling",
    "deleted",
    "delta-seam",
    "ignored",
    "kept",
    "loose",
    "lost",
    "merge",
    "message",
    "note",
    "ofs-delta",
    "orphan",
    "ref-delta",
    "staged",
    "stash-older",
    "stash-tracked",
    "stash-untracked",
    "submodule",
    "tag",
    "untracked",
    "worktree-commit",
    "worktree-file",
    "zip",
];

#[test]
fn every_key_of_a_repository_is_found_once_and_where_it_is() {
    Torture::build().check("main");
}

#[test]
fn a_linked_worktree_has_its_own_files_and_its_own_head() {
    Torture::build().check("linked");
}

#[test]
fn borrowed_objects_are_read_too() {
    Torture::build().check("borrower");
}

/// The repositories, and what is planted in them.
struct Torture {
    dir: tempfile::TempDir,
    keys: BTreeMap<&'static str, Key>,
    plants: Vec<Plant>,
}

struct Key {
    id: String,
    secret: String,
}

/// A row of `expected.tsv`; `None` is what a report must not tell, but for the line, which is not checked then.
#[derive(Debug)]
struct Plant {
    place: String,
    target: String,
    source: String,
    path: Option<String>,
    member: Option<String>,
    line: Option<u64>,
    commit: Option<String>,
    author: Option<String>,
    date: Option<jiff::Timestamp>,
    in_head: Option<bool>,
    reachable: Option<bool>,
}

impl Torture {
    fn build() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys: BTreeMap<_, _> = PLACES.iter().map(|place| (*place, Key::of(place))).collect();
        let lines = keys.iter().map(|(place, key)| format!("{place} {} {}\n", key.id, key.secret));
        let list = dir.path().join("keys");
        fs::write(&list, lines.collect::<String>()).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/torture.sh");
        let repositories = dir.path().join("repositories");
        run(Command::new("sh").arg(script).args([&list, &repositories]), dir.path(), 0);
        let table = fs::read_to_string(repositories.join("expected.tsv")).unwrap();
        let plants: Vec<Plant> = table.lines().map(Plant::read).collect();
        let planted: BTreeSet<&str> = plants.iter().map(|plant| &*plant.place).collect();
        assert_eq!(planted, keys.keys().copied().collect());
        Self { dir, keys, plants }
    }

    /// Scans `target` and compares the report with what is planted there.
    fn check(&self, target: &str) {
        let repositories = self.dir.path().join("repositories");
        let mut scan = Command::new(env!("CARGO_BIN_EXE_keysweep"));
        scan.args(["scan", "--format", "jsonl", target]).current_dir(repositories);
        let report = run(&mut scan, self.dir.path(), 1);
        let said = [report.stdout, report.stderr].map(|said| String::from_utf8(said).unwrap());
        self.assert_silent_on_secrets(&said.concat());
        let lines: Vec<Value> = said[0].lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (summary, findings) = lines.split_last().unwrap();
        assert_eq!(summary["skipped"], Value::Array(vec![]));
        assert_eq!(summary["complete"], true);
        let mut by_id = BTreeMap::new();
        for finding in findings {
            let id = finding["access_key_id"].as_str();
            let place = self.keys.iter().find(|(_, key)| Some(&*key.id) == id);
            assert!(place.is_some(), "nobody planted this: {finding:#}");
            assert!(by_id.insert(id, finding).is_none(), "reported twice: {finding:#}");
        }
        for plant in self.plants.iter().filter(|plant| plant.target == target) {
            let id = &*self.keys[&*plant.place].id;
            let finding = by_id.get(&Some(id)).unwrap_or_else(|| panic!("not found: {plant:#?}"));
            let occurrences = finding["occurrences"].as_array().unwrap();
            assert!(
                occurrences.iter().any(|occurrence| plant.is_at(occurrence)),
                "found, but not at {plant:#?}: {finding:#}"
            );
        }
    }

    fn assert_silent_on_secrets(&self, said: &str) {
        for (place, key) in &self.keys {
            assert!(!said.contains(&key.secret), "the secret at {place} is shown");
        }
        assert!(!said.contains("correct-horse"), "the password of the remote is shown");
    }
}

impl Key {
    /// A key that looks as random as a true one and is the same in every run.
    fn of(place: &str) -> Self {
        const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let chance = Sha512::digest(place);
        let spell = |bytes: &[u8], alphabet: &[u8]| -> String {
            bytes.iter().map(|byte| alphabet[usize::from(*byte) % alphabet.len()] as char).collect()
        };
        // A Q in the fifth place keeps the account within twelve digits, whatever follows.
        Self {
            id: format!("{}{}", "AKIA", "Q") + &spell(&chance[..15], BASE32),
            secret: spell(&chance[15..55], BASE64),
        }
    }
}

impl Plant {
    fn read(line: &str) -> Self {
        let mut fields = line.split('\t').map(|field| (field != "-").then(|| field.to_owned()));
        let mut next = || fields.next().unwrap();
        Self {
            place: next().unwrap(),
            target: next().unwrap(),
            source: next().unwrap(),
            path: next(),
            member: next(),
            line: next().map(|line| line.parse().unwrap()),
            commit: next(),
            author: next(),
            date: next().map(|date| date.parse().unwrap()),
            in_head: next().map(|in_head| in_head.parse().unwrap()),
            reachable: next().map(|reachable| reachable.parse().unwrap()),
        }
    }

    fn is_at(&self, occurrence: &Value) -> bool {
        let text = |field: &str| occurrence[field].as_str();
        let date = text("date").map(|date| date.parse().unwrap());
        text("source") == Some(&*self.source)
            && text("path") == self.path.as_deref()
            && text("member") == self.member.as_deref()
            && (self.line.is_none() || occurrence["line"].as_u64() == self.line)
            && text("commit") == self.commit.as_deref()
            && text("author") == self.author.as_deref()
            && date == self.date
            && occurrence["in_head"].as_bool() == self.in_head
            && occurrence["reachable"].as_bool() == self.reachable
    }
}

/// Runs a program with nothing of the caller's environment but `PATH`; it must exit with `code`.
fn run(command: &mut Command, home: &Path, code: i32) -> Output {
    let output = command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{command:?}: {errors}");
    output
}
