//! The index as git itself tells it: entries as `git ls-files --stage` lists them, changes as `git diff --cached --raw` does, for every
//! way to write an index, through random work on random files.
#![expect(clippy::disallowed_methods, reason = "git has to be found")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use bstr::ByteSlice;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::source::Taken;
use crate::source::git::Environment;

/// A repository and how its index is to be written.
struct Repository {
    temp: TempDir,
    way: Way,
}

#[derive(Clone, Copy, Debug)]
struct Way {
    version: u8,
    is_split: bool,
    hash: &'static str,
}

const WAYS: [Way; 6] = [
    Way { version: 2, is_split: false, hash: "sha1" },
    Way { version: 3, is_split: false, hash: "sha1" },
    Way { version: 4, is_split: false, hash: "sha1" },
    Way { version: 2, is_split: true, hash: "sha1" },
    Way { version: 4, is_split: true, hash: "sha256" },
    Way { version: 2, is_split: false, hash: "sha256" },
];

impl Repository {
    fn new(way: Way) -> Self {
        let repository = Self { temp: tempfile::tempdir().unwrap(), way };
        repository.git(&["init", "-q", "-b", "main", &format!("--object-format={}", way.hash)]);
        repository.git(&["config", "index.version", &way.version.to_string()]);
        repository.git(&["config", "core.splitIndex", &way.is_split.to_string()]);
        repository.git(&["config", "splitIndex.maxPercentChange", "100"]);
        repository
    }

    fn path(&self) -> &Path {
        self.temp.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).args(arguments);
        command.current_dir(self.path()).env("HOME", self.path()).env("GIT_CONFIG_NOSYSTEM", "1");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "A").env(format!("GIT_{who}_EMAIL"), "a@example.com");
        }
        command
    }

    fn tried(&self, arguments: &[&str]) -> std::process::Output {
        self.command(arguments).output().unwrap()
    }

    #[track_caller]
    fn git(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.tried(arguments);
        assert!(output.status.success(), "git {arguments:?}: {}", output.stderr.as_bstr());
        output.stdout
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        // What was a file may be a directory now.
        for above in Path::new(name).ancestors().skip(1).filter(|above| self.path().join(above).is_file()) {
            fs::remove_file(self.path().join(above)).unwrap();
        }
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn at(&self) -> Surroundings {
        Surroundings::of(self.path(), &Environment::default()).unwrap()
    }

    fn table(&self) -> Table {
        let at = self.at();
        let table = Table::open(&at.index, &at.git_dir, if self.way.hash == "sha256" { 32 } else { 20 }).unwrap();
        table.check_order().unwrap();
        table
    }

    fn staged(&self) -> Staged {
        Staged::open("r", &self.at(), Limits::default()).unwrap()
    }

    /// Mode, id, stage and path of each entry, as `git ls-files --stage` writes them.
    fn entries(&self) -> Vec<String> {
        let table = self.table();
        let line = |entry: &file::Entry| {
            let (mode, id, stage) = (table.mode(entry), table.id(entry), entry.flags.stage);
            format!("{mode:06o} {id} {stage}\t{}", table.path(entry).as_bstr())
        };
        table.entries().iter().map(line).collect()
    }

    fn assert_as_git_lists_it(&self) {
        let listed = self.git(&["ls-files", "--stage", "-z"]);
        let listed: Vec<&str> = listed.to_str().unwrap().split_terminator('\0').collect();
        assert_eq!(self.entries(), listed, "{:?}", self.way);
    }

    /// New id, old id and path of what `git diff --cached` tells of files that are there.
    fn told_by_git(&self) -> BTreeSet<(String, String, String)> {
        let empty = self.git(&["hash-object", "-t", "tree", "/dev/null"]).trim().to_str().unwrap().to_owned();
        let is_born = self.tried(&["rev-parse", "--verify", "-q", "HEAD"]).status.success();
        let head = if is_born { "HEAD" } else { &empty };
        // As `git diff` does: what is only announced is not in the next commit.
        let invisible = "--ita-invisible-in-index";
        let raw = self.git(&["diff-index", "--cached", invisible, "--raw", "-z", "--no-abbrev", "--no-renames", head]);
        let fields: Vec<&str> = raw.to_str().unwrap().split_terminator('\0').collect();
        let change = |pair: &[&str]| {
            let words: Vec<&str> = pair[0].split(' ').collect();
            let is_file = |mode: &str| mode == "100644" || mode == "100755" || mode == "120000";
            let is_told = is_file(words[1]) && words[2] != words[3];
            let old = if is_file(words[0].trim_start_matches(':')) { words[2] } else { "" };
            is_told.then(|| (words[3].to_owned(), old.to_owned(), pair[1].to_owned()))
        };
        fields.chunks(2).filter_map(change).collect()
    }

    fn told(&self) -> BTreeSet<(String, String, String)> {
        let staged = self.staged();
        let old = |change: &Change| change.old.map(|old| old.to_string()).unwrap_or_default();
        let change = |change: &Change| (change.blob.to_string(), old(change), change.path.to_string());
        assert_eq!(staged.changes.skipped, []);
        staged.changes.files.iter().map(change).collect()
    }

    fn assert_as_git_tells_it(&self) {
        self.assert_as_git_lists_it();
        assert_eq!(self.told(), self.told_by_git(), "{:?}", self.way);
    }
}

/// Something that people do.
#[derive(Clone, Debug)]
enum Step {
    Write(usize, u8),
    Remove(usize),
    Rename(usize, usize),
    Executable(usize),
    Announce(usize, u8),
    Skip(usize),
    Commit,
    Amend,
    Reset,
    ForgetTrees,
    Repack,
}

/// Names that sort otherwise as files than as directories, long ones, and ones in several directories.
const NAMES: [&str; 12] = [
    "a",
    "a.b",
    "a/b",
    "a-b",
    "a/b/c",
    "dir/x",
    "dir/y/z",
    "dir.txt",
    "dir0",
    "z",
    "é/ü",
    "long/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
];

fn step() -> impl Strategy<Value = Step> {
    let name = 0..NAMES.len();
    prop_oneof![
        8 => (name.clone(), any::<u8>()).prop_map(|(name, text)| Step::Write(name, text % 6)),
        2 => name.clone().prop_map(Step::Remove),
        2 => (name.clone(), name.clone()).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => name.clone().prop_map(Step::Executable),
        2 => (name.clone(), any::<u8>()).prop_map(|(name, text)| Step::Announce(name, text % 6)),
        1 => name.prop_map(Step::Skip),
        3 => Just(Step::Commit),
        1 => Just(Step::Amend),
        1 => Just(Step::Reset),
        1 => Just(Step::ForgetTrees),
        1 => Just(Step::Repack),
    ]
}

/// What git refuses is left undone.
fn take(repository: &Repository, step: &Step) {
    match step {
        Step::Write(name, text) => {
            repository.write(NAMES[*name], &format!("text {text}\n"));
            repository.tried(&["add", "--", NAMES[*name]]);
        }
        Step::Remove(name) => drop(repository.tried(&["rm", "-rq", "--cached", "--", NAMES[*name]])),
        Step::Rename(from, to) => drop(repository.tried(&["mv", "-f", "--", NAMES[*from], NAMES[*to]])),
        Step::Executable(name) => drop(repository.tried(&["update-index", "--chmod=+x", "--", NAMES[*name]])),
        Step::Announce(name, text) => {
            repository.write(NAMES[*name], &format!("text {text}\n"));
            repository.tried(&["add", "-N", "--", NAMES[*name]]);
        }
        Step::Skip(name) => drop(repository.tried(&["update-index", "--skip-worktree", "--", NAMES[*name]])),
        Step::Commit => drop(repository.tried(&["commit", "-q", "--allow-empty", "-m", "x"])),
        Step::Amend => drop(repository.tried(&["commit", "-q", "--amend", "--allow-empty", "-m", "y"])),
        Step::Reset => drop(repository.tried(&["reset", "-q", "--soft", "HEAD~1"])),
        Step::ForgetTrees => drop(repository.tried(&["read-tree", "--empty"])),
        Step::Repack => drop(repository.tried(&["repack", "-adq"])),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_the_index_and_its_changes_are_as_git_tells_them(
        way in prop::sample::select(&WAYS[..]),
        steps in prop::collection::vec(step(), 1..18),
    ) {
        let repository = Repository::new(way);
        for step in &steps {
            take(&repository, step);
            repository.assert_as_git_tells_it();
        }
    }

    #[test]
    fn no_change_of_any_byte_is_a_panic(
        way in prop::sample::select(&WAYS[..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let repository = Repository::new(way);
        NAMES[4..].iter().for_each(|name| repository.write(name, "text\n"));
        repository.git(&["add", "-A"]);
        repository.git(&["commit", "-q", "-m", "x"]);
        repository.write("dir/x", "other\n");
        repository.git(&["add", "-A"]);
        let index = repository.path().join(".git/index");
        let whole = fs::read(&index).unwrap();
        // One change after another, and all of them.
        let mut all = whole.clone();
        for (at, byte) in &changes {
            let mut bytes = whole.clone();
            (bytes[at.index(whole.len())], all[at.index(whole.len())]) = (*byte, *byte);
            fs::write(&index, bytes).unwrap();
            let _ = Staged::open("r", &repository.at(), Limits::default());
        }
        if let Some(cut) = cut {
            all.truncate(cut.index(all.len()));
        }
        fs::write(&index, all).unwrap();
        let _ = Staged::open("r", &repository.at(), Limits::default());
    }
}

#[test]
fn every_way_to_write_an_index_is_used() {
    for way in WAYS {
        let repository = Repository::new(way);
        NAMES[4..].iter().for_each(|name| repository.write(name, "text\n"));
        repository.git(&["add", "-A"]);
        if way.version == 3 {
            // Version 3 is written only where it is needed.
            repository.write("announced", "x");
            repository.git(&["add", "-N", "announced"]);
        }
        repository.git(&["commit", "-q", "-m", "x"]);
        repository.write("dir/x", "other\n");
        repository.git(&["update-index", "--add", "dir/x"]);
        let bytes = fs::read(repository.path().join(".git/index")).unwrap();
        // A split index of few entries may be written in another version than the shared one.
        assert!(way.is_split || bytes[7] == way.version, "{way:?}: {}", bytes[7]);
        assert_eq!(bytes.find(b"link").is_some(), way.is_split, "{way:?}");
        assert!(bytes.find(b"TREE").is_some(), "{way:?}");
        repository.assert_as_git_tells_it();
        let table = repository.table();
        assert!(table.cached().unwrap().get(0).is_some());
        assert_eq!(table.entries().iter().any(|entry| entry.path_file == 1), way.is_split);
    }
}

#[test]
fn a_shared_part_that_is_gone_or_another_is_told() {
    let repository = Repository::new(WAYS[3]);
    repository.write("a", "text\n");
    repository.git(&["add", "-A"]);
    let shared = fs::read_dir(repository.path().join(".git")).unwrap().map(|entry| entry.unwrap().path());
    let shared = shared.into_iter().find(|path| path.to_str().unwrap().contains("sharedindex")).unwrap();
    let mut bytes = fs::read(&shared).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&shared, &bytes).unwrap();
    let error = |repository: &Repository| Staged::open("r", &repository.at(), Limits::default()).err().unwrap().why;
    assert!(error(&repository).contains("sharedindex"), "{}", error(&repository));
    fs::remove_file(shared).unwrap();
    assert!(error(&repository).contains("sharedindex"), "{}", error(&repository));
}

#[test]
fn an_index_out_of_order_is_refused() {
    let repository = Repository::new(WAYS[0]);
    ["a", "b"].iter().for_each(|name| repository.write(name, "text\n"));
    repository.git(&["add", "-A"]);
    let index = repository.path().join(".git/index");
    let mut bytes = fs::read(&index).unwrap();
    let at = bytes.find(b"\x00\x01a\0").unwrap() + 2;
    bytes[at] = b'c';
    fs::write(&index, bytes).unwrap();
    let error = Staged::open("r", &repository.at(), Limits::default()).err().unwrap().why;
    assert!(error.contains("not in order") && error.contains("git reset"), "{error}");
}

/// Reads everything to its end.
#[derive(Default)]
struct Reader(Mutex<Vec<(String, Vec<u8>)>>);

impl Sink for Reader {
    fn blob(&self, blob: Blob<'_>) -> Taken {
        let mut read = Vec::new();
        match blob.content {
            Content::Bytes(bytes) => read.extend_from_slice(bytes),
            Content::Stream(stream) => drop(stream.read_to_end(&mut read).unwrap()),
            Content::Seekable(_) => panic!("an object is no file"),
        }
        self.0.lock().unwrap().push((blob.provenance.to_string(), read));
        Taken::default()
    }

    fn skipped(&self, skipped: Skipped) {
        panic!("{skipped:?}");
    }

    fn max_size(&self) -> Option<u64> {
        None
    }
}

#[test]
fn a_content_at_several_paths_is_handed_out_at_each_in_memory_and_as_a_stream() {
    let repository = Repository::new(WAYS[0]);
    let text = "a line\n".repeat(1000);
    ["a", "b", "dir/c"].iter().for_each(|name| repository.write(name, &text));
    repository.write("d", "other\n");
    repository.git(&["add", "-A"]);
    for large in [Limits::default().large, 100] {
        let reader = Reader::default();
        let limits = Limits { large, ..Limits::default() };
        Staged::open("r", &repository.at(), limits).unwrap().visit(&reader).unwrap();
        let mut read = reader.0.into_inner().unwrap();
        read.sort();
        let expected = [("staged a", &*text), ("staged b", &text), ("staged d", "other\n"), ("staged dir/c", &text)];
        assert_eq!(read, expected.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())), "{large}");
    }
}
