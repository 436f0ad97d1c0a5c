//! Runs that are really ended: by `kill -9` in the middle of a call, and by a disk that is full. They are this program again, told by
//! its environment to run one test, with keys that are files.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "tests run programs")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::tests::{actor, all, header, target};
use super::*;
use crate::response::journal::{self, consult};
use crate::response::{Target, undo};

const COUNT: u8 = 3;

/// Keys that are files, and the moment at which it is killed: so many changes after the first, before or behind the effect.
struct Files {
    directory: PathBuf,
    killed: Option<(usize, bool)>,
}

impl Files {
    fn key(&self, target: &Target) -> PathBuf {
        self.directory.join(&target.user)
    }

    fn states(&self) -> Vec<String> {
        (0..COUNT).map(|number| fs::read_to_string(self.key(&target(number))).unwrap()).collect()
    }

    fn die_at(&self, is_behind: bool) {
        let off = self.states().iter().filter(|state| *state == "off").count();
        if self.killed.is_some_and(|(done, behind)| behind == is_behind && off == done + usize::from(behind)) {
            let _ = Command::new("kill").args(["-9", &std::process::id().to_string()]).status();
            std::thread::sleep(std::time::Duration::from_secs(60));
        }
    }
}

impl Switch for Files {
    fn read(&self, target: &Target) -> Result<Position, Fault> {
        let text = fs::read_to_string(self.key(target)).unwrap();
        Ok(Position::parse(&text).unwrap())
    }

    fn set(&self, target: &Target, to: Position) -> Result<(), Fault> {
        self.die_at(false);
        fs::write(self.key(target), to.name()).unwrap();
        self.die_at(true);
        Ok(())
    }
}

fn go(journal: &mut Journal, record: &Record, files: &Files) -> Outcomes {
    let switch = |_| Some(files as &dyn Switch);
    run(
        journal,
        record,
        &World { switch: &switch, pause: &|_| (), is_interrupted: &|| false, clock: &|| 1, told: &|_, _| () },
    )
}

fn begun(path: &Path, header: &journal::Header, files: &Files) -> Outcomes {
    let mut journal = Journal::create(path, header).unwrap();
    let states = vec![State::default(); header.changes.len()];
    go(&mut journal, &Record { header: header.clone(), states, torn: 0 }, files)
}

/// What is run as a program of its own.
#[test]
#[ignore = "it is run by the others, and ends badly"]
fn victim() {
    let Some(directory) = std::env::var_os("KEYSWEEP_TEST_VICTIM").map(PathBuf::from) else { return };
    let killed = std::env::var("KEYSWEEP_TEST_KILLED").ok();
    let killed = killed.map(|at| (at[1..].parse().unwrap(), at.starts_with('b')));
    let files = Files { directory: directory.clone(), killed };
    let outcomes = begun(&directory.join("j.jsonl"), &header(COUNT), &files);
    assert_eq!(outcomes.stopped, None);
}

fn directory() -> (tempfile::TempDir, Files) {
    let temp = tempfile::tempdir().unwrap();
    let files = Files { directory: temp.path().to_owned(), killed: None };
    all(COUNT, Position::On).iter().for_each(|(target, _)| fs::write(files.key(target), "on").unwrap());
    (temp, files)
}

fn victim_of(files: &Files, command: &mut Command) -> Output {
    command
        .args(["--exact", "response::run::ended::victim", "--ignored", "--nocapture"])
        .env("KEYSWEEP_TEST_VICTIM", &files.directory)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// On a disk that has room for files of so many blocks.
fn victim_on(blocks: u64, files: &Files) -> Output {
    let limit = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    victim_of(files, Command::new("sh").args(["-c", &limit, "sh"]).arg(std::env::current_exe().unwrap()))
}

/// Takes the journal up and then back: everything ends where it should.
fn resumed_and_undone(files: &Files) {
    let path = files.directory.join("j.jsonl");
    let (mut journal, record) = Journal::open(&path).unwrap();
    assert!(go(&mut journal, &record, files).is_good());
    drop(journal);
    assert_eq!(files.states(), ["off"; COUNT as usize]);
    let (record, _held) = consult(&path).unwrap();
    let plan = undo::plan(&record, &|_| Some(files as &dyn Switch), &actor());
    let back = journal::Header { changes: plan.changes(), undoes: Some("j".into()), ..record.header };
    assert!(begun(&files.directory.join("undo.jsonl"), &back, files).is_good());
    assert_eq!(files.states(), ["on"; COUNT as usize]);
}

#[test]
fn a_killed_run_is_taken_up_and_taken_back() {
    for at in ["a0", "b0", "a1", "b1", "a2", "b2"] {
        let (_temp, files) = directory();
        let output = victim_of(&files, Command::new(std::env::current_exe().unwrap()).env("KEYSWEEP_TEST_KILLED", at));
        assert_eq!(output.status.code(), None, "it was not killed at {at}: {output:?}");
        let done = at[1..].parse::<usize>().unwrap() + usize::from(at.starts_with('b'));
        assert_eq!(files.states().iter().filter(|state| *state == "off").count(), done, "{at}");
        resumed_and_undone(&files);
    }
}

#[test]
fn on_a_full_disk_nothing_is_done_that_is_not_written_down() {
    let plan = {
        let (_temp, files) = directory();
        let path = files.directory.join("j.jsonl");
        Journal::create(&path, &header(COUNT)).unwrap();
        fs::metadata(&path).unwrap().len()
    };
    let (_temp, files) = directory();
    victim_on(0, &files);
    assert!(!files.directory.join("j.jsonl").exists(), "a journal without a plan is in the way of the next");
    assert_eq!(files.states(), ["on"; COUNT as usize]);
    // Files have room for whole blocks of 512 bytes, as POSIX has it.
    for blocks in plan.div_ceil(512)..plan.div_ceil(512) + 3 {
        let (_temp, files) = directory();
        let output = victim_on(blocks, &files);
        let (record, held) = consult(&files.directory.join("j.jsonl")).unwrap();
        for (state, key) in record.states.iter().zip(files.states()) {
            assert!(state.may_be_done() || key == "on", "{blocks} blocks: {output:?}");
        }
        drop(held);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(said.contains("writing the journal"), !record.left().is_empty(), "{blocks} blocks: {said}");
        resumed_and_undone(&files);
    }
}
