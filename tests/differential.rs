//! The walk over packs against the slow and simple way: every object as `git cat-file` gives it, scanned whole. Both must come
//! to the same matches in the same objects.
//!
//! Runs on a repository of its own making and on the one that this file is in; `KEYSWEEP_DIFFERENTIAL=/path/to/repo.git` adds any
//! other, the larger the better.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "all of it is test code, runs git and tells of what it ran on"
)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use keysweep::blob::{Blob, Lineage, ObjectId};
use keysweep::engine::rule::RuleSet;
use keysweep::engine::{self, Scanner};
use keysweep::source::git::{History, Revisions};
use keysweep::source::{Sink, Skipped, Source, Taken};

#[path = "packs/piece.rs"]
mod piece;

/// One match: the object, the bytes, the rule, and where.
type Found = BTreeSet<(ObjectId, Vec<u8>, String, usize, usize)>;

fn collect(id: ObjectId, bytes: &[u8], scan: engine::Scan, found: &mut Found) {
    for hit in scan.matches {
        let credential = bytes[hit.span.start..hit.span.end].to_vec();
        found.insert((id, credential, hit.rule.to_string(), hit.span.start, hit.span.end));
    }
}

struct Scan<'a> {
    scanner: &'a Scanner,
    found: Mutex<Found>,
    pieces: Mutex<u64>,
    skipped: Mutex<Vec<Skipped>>,
}

impl Sink for Scan<'_> {
    fn blob(&self, blob: Blob<'_>) -> Taken {
        let id = piece::id(&blob.provenance);
        let (bytes, result) = piece::read(blob.content);
        result.unwrap();
        let bytes = bytes.as_ref();
        let marks = match blob.lineage {
            Lineage::Alone => None,
            Lineage::First => self.scanner.marks(bytes),
            Lineage::Made { marks, copies } => self.scanner.inherited_marks(bytes, marks, copies),
        };
        let mut found = Found::new();
        let scan = self.scanner.scan(bytes);
        if let Some(marks) = &marks {
            assert!(self.scanner.scan_marked(bytes, marks) == scan, "{id} is scanned otherwise by its marks");
        }
        collect(id, bytes, scan, &mut found);
        self.found.lock().unwrap().extend(found);
        *self.pieces.lock().unwrap() += 1;
        Taken { marks, is_clean: false }
    }

    fn skipped(&self, skipped: Skipped) {
        self.skipped.lock().unwrap().push(skipped);
    }

    fn max_size(&self) -> Option<u64> {
        None
    }
}

fn by_walk(scanner: &Scanner, git_dir: &Path) -> (Found, Vec<Skipped>) {
    let scan = Scan { scanner, found: Mutex::default(), pieces: Mutex::default(), skipped: Mutex::default() };
    let history = History::new("repository", git_dir.into(), git_dir.into(), Revisions::All);
    history.visit(&scan).unwrap();
    println!("{}: {} pieces walked", git_dir.display(), scan.pieces.into_inner().unwrap());
    (scan.found.into_inner().unwrap(), scan.skipped.into_inner().unwrap())
}

/// `git cat-file` gives for each object a line `id kind size`, its content and a line feed.
fn by_cat_file(scanner: &Scanner, git_dir: &Path) -> Found {
    let mut child = Command::new("git")
        .arg("-c")
        .arg("safe.directory=*")
        .arg("--git-dir")
        .arg(git_dir)
        .args(["cat-file", "--batch-all-objects", "--unordered", "--batch"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let (mut found, mut header) = (Found::new(), String::new());
    while output.read_line(&mut header).unwrap() > 0 {
        let words: Vec<&str> = header.split_whitespace().collect();
        let id = ObjectId::from_hex(words[0].as_bytes()).unwrap();
        let mut bytes = vec![0; words[2].parse::<usize>().unwrap() + 1];
        output.read_exact(&mut bytes).unwrap();
        bytes.pop();
        match words[1] {
            "tree" => {}
            "blob" => collect(id, &bytes, scanner.scan(&bytes), &mut found),
            _ => {
                let end = bytes.windows(2).position(|pair| pair == b"\n\n").map_or(bytes.len(), |end| end + 2);
                collect(id, &bytes[..end], scanner.scan(&bytes[..end]), &mut found);
                collect(id, &bytes[end..], scanner.scan(&bytes[end..]), &mut found);
            }
        }
        header.clear();
    }
    assert!(child.wait().unwrap().success());
    found
}

fn assert_same(git_dir: &Path) -> usize {
    let scanner = Scanner::new(RuleSet::builtin());
    let (walked, skipped) = by_walk(&scanner, git_dir);
    let slow = by_cat_file(&scanner, git_dir);
    println!("{}: {} matches, skipped: {skipped:?}", git_dir.display(), slow.len());
    let only = |a: &Found, b: &Found| -> Vec<String> {
        a.difference(b).take(5).map(|found| format!("{} at {}", found.0, found.3)).collect()
    };
    assert_eq!((only(&walked, &slow), only(&slow, &walked)), (vec![], vec![]), "only walked, only in cat-file");
    walked.len()
}

/// Versions of files in which keys appear, move, change and are cut apart, so that deltas run through them.
fn fixture() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", directory.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .args(["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "gc.auto=0"])
            .args(arguments)
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    git(&["init", "-q"]);
    let mut state = 42u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut lines: Vec<String> = (0..300).map(|n| format!("setting_{n} = value {}", random(1000))).collect();
    let base32 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    for version in 0..60 {
        for _ in 0..3 {
            let id: String = (0..15).map(|_| base32[random(32)] as char).collect();
            let line = format!("aws_access_key_id = {}{}{id}", "AKIA", "QRST".as_bytes()[random(4)] as char);
            let at = random(lines.len());
            match random(4) {
                0 => lines[at] = line,
                1 => lines.insert(at, line),
                2 => lines[at].insert(random(9), 'x'),
                _ => drop(lines.remove(at)),
            }
        }
        let mut file = std::fs::File::create(directory.path().join("settings")).unwrap();
        file.write_all(lines.join("\n").as_bytes()).unwrap();
        git(&["add", "-A"]);
        git(&["commit", "-q", "-m", &format!("version {version}\n\n{}", lines[0])]);
    }
    git(&["repack", "-adfq", "--window=3", "--depth=50"]);
    directory
}

#[test]
fn deltas_through_keys_hide_and_invent_nothing() {
    let fixture = fixture();
    assert!(assert_same(&fixture.path().join(".git")) > 500, "the fixture is full of keys");
}

#[test]
fn a_real_repository_gives_the_same_both_ways() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".git");
    let named = std::env::var_os("KEYSWEEP_DIFFERENTIAL").map(PathBuf::from);
    for git_dir in own.is_dir().then_some(own).into_iter().chain(named) {
        assert_same(&git_dir);
    }
}
