//! Ranges of history against the slow and simple way, on many small histories that are made at random: what the commits of a range
//! brought, and where it stands, by `git ls-tree -r` of each commit.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "all of it is test code, and it runs git")]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use keysweep::blob::{Blob, ObjectId};
use keysweep::provenance::Origin;
use keysweep::source::git::{History, Revisions};
use keysweep::source::{Sink, Skipped, Source, Taken};
use tempfile::TempDir;

/// Remembers which objects it was handed.
#[derive(Default)]
struct Recorder {
    ids: Mutex<Vec<ObjectId>>,
    skipped: Mutex<Vec<Skipped>>,
}

impl Sink for Recorder {
    fn blob(&self, blob: Blob<'_>) -> Taken {
        let Origin::Object { id, .. } = blob.provenance.origin else {
            panic!("history hands out objects");
        };
        self.ids.lock().unwrap().push(id);
        Taken::default()
    }

    fn skipped(&self, skipped: Skipped) {
        self.skipped.lock().unwrap().push(skipped);
    }

    fn max_size(&self) -> Option<u64> {
        None
    }
}

/// A blob under a path, the commit that is told to have brought it, and whether HEAD still has it there.
type Place = (ObjectId, String, ObjectId, bool);

/// What came of a range: the blobs that were handed out and the places of all of them.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    blobs: BTreeSet<ObjectId>,
    places: BTreeSet<Place>,
    commits: BTreeSet<ObjectId>,
}

struct Repository(TempDir);

/// Of a commit: path to blob. Submodules are left out.
type Files = BTreeMap<String, ObjectId>;

impl Repository {
    fn git(&self, arguments: &[&str], stdin: &[u8]) -> String {
        let mut command = Command::new("git");
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .args(["-C", self.0.path().to_str().unwrap()]);
        command.env("HOME", self.0.path()).env("GIT_CONFIG_NOSYSTEM", "1").env("LC_ALL", "C").args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn ids(&self, arguments: &[&str]) -> Vec<ObjectId> {
        let lines = self.git(arguments, b"");
        lines.lines().filter_map(|line| ObjectId::from_hex(line.split(' ').next()?.as_bytes())).collect()
    }

    fn files(&self, commit: ObjectId) -> Files {
        let listed = self.git(&["ls-tree", "-r", "-z", "--full-tree", &commit.to_string()], b"");
        let file = |line: &str| {
            let (about, path) = line.split_once('\t')?;
            let id = about.strip_prefix("160000").is_none().then(|| about.rsplit(' ').next())??;
            Some((path.to_owned(), ObjectId::from_hex(id.as_bytes())?))
        };
        listed.split('\0').filter_map(file).collect()
    }

    fn scanned(&self, range: &str) -> Option<Outcome> {
        let (recorder, git_dir) = (Recorder::default(), self.0.path().to_owned());
        let history = History::new("repo", git_dir.clone(), git_dir, Revisions::Range(range.to_owned()));
        if let Err(error) = history.visit(&recorder) {
            assert!(error.to_string().contains("has no commits"), "{error}");
            return None;
        }
        let ids: HashSet<ObjectId> = recorder.ids.lock().unwrap().iter().copied().collect();
        let (mut places, mut commits) = (BTreeSet::new(), BTreeSet::new());
        for (id, found) in history.attribute(&ids, &recorder) {
            for place in found {
                match place.origin {
                    Origin::Commit { commit, path, in_head } => {
                        places.insert((id, path.to_string(), commit.id, in_head.unwrap()));
                    }
                    Origin::CommitMessage { commit } => drop(commits.insert(commit.id)),
                    other => panic!("{other:?} is no place of a range"),
                }
            }
        }
        assert_eq!(recorder.skipped.into_inner().unwrap(), [], "of {range}");
        let handed_out = recorder.ids.into_inner().unwrap();
        let blobs: BTreeSet<ObjectId> = ids.into_iter().filter(|id| !commits.contains(id)).collect();
        assert_eq!(handed_out.len(), blobs.len() + 2 * commits.len(), "each object once, but commits in two parts");
        Some(Outcome { blobs, places, commits })
    }

    /// The same by looking at all files of all commits.
    fn expected(
        &self,
        range: &str,
        all: &BTreeMap<ObjectId, (Vec<ObjectId>, Files)>,
        head: ObjectId,
    ) -> Option<Outcome> {
        let commits = self.ids(&["rev-list", "--date-order", "--reverse", range, "--"]);
        let is_in = |id: &ObjectId| commits.contains(id);
        let ends = self.git(&["rev-parse", "--revs-only", range], b"");
        let ends = ends.lines().filter_map(|line| ObjectId::from_hex(line.strip_prefix('^')?.as_bytes()));
        let ends: Vec<ObjectId> = ends.collect();
        let stood: BTreeSet<ObjectId> = commits
            .iter()
            .flat_map(|id| all[id].0.iter().filter(|parent| !is_in(parent)))
            .chain(&ends)
            .flat_map(|before| all[before].1.values().copied())
            .collect();
        let (mut blobs, mut places, mut told) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for commit in &commits {
            let (parents, files) = &all[commit];
            for (path, blob) in files {
                if parents.iter().all(|parent| all[parent].1.get(path) != Some(blob)) {
                    blobs.insert(*blob);
                }
                if !stood.contains(blob) && told.insert((path, blob)) {
                    places.insert((*blob, path.clone(), *commit, all[&head].1.get(path) == Some(blob)));
                }
            }
        }
        (!commits.is_empty()).then(|| Outcome { blobs, places, commits: commits.into_iter().collect() })
    }
}

/// <https://prng.di.unimi.it/splitmix64.c>
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % most
    }

    fn one_of(&mut self, things: &[&'static str]) -> &'static str {
        things[self.below(things.len() as u64) as usize]
    }
}

/// Files that take each other's places, and directories that do so with files.
const PATHS: &[&str] = &["a", "b", "b/c", "b/d", "b/d/e", "a/f", "b-c", "b.d", "z/y/x/w", "z/y/v", "ü"];

/// The files of a commit yet to be made: path to mode and content, which is a submodule's commit if the mode says so.
type Written = BTreeMap<&'static str, (&'static str, String)>;

/// Puts a file in its place and takes away what is in its way.
fn write(files: &mut Written, path: &'static str, file: (&'static str, String)) {
    let is_in = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
    files.retain(|other, _| !is_in(other, path) && !is_in(path, other));
    files.insert(path, file);
}

/// What a commit has of its parents: of each file the version of one of them, or none.
fn merged(random: &mut Random, parents: &[&Written]) -> Written {
    let mut files = Written::new();
    for path in PATHS {
        let versions: Vec<_> = parents.iter().filter_map(|parent| parent.get(path)).collect();
        if !versions.is_empty() && (parents.len() == 1 || random.below(8) > 0) {
            write(&mut files, path, versions[random.below(versions.len() as u64) as usize].clone());
        }
    }
    files
}

/// A history of so many commits as `git fast-import` reads it: roots, branches, merges of several, and merges that change something
/// besides. Contents come from a few, so that they are renamed, copied, reverted and committed again.
fn stream(random: &mut Random, commits: u64) -> String {
    let (mut out, mut clock, mut history) = (String::new(), 1_700_000_000, Vec::<Written>::new());
    for n in 0..commits {
        clock += random.below(3);
        let message = format!("commit {n}");
        writeln!(out, "commit refs/heads/c{n}\nmark :{}\ncommitter A <a@example.com> {clock} +0000", n + 1).unwrap();
        writeln!(out, "data {}\n{message}", message.len()).unwrap();
        let parents: BTreeSet<u64> = match random.below(10) {
            0 => BTreeSet::new(),
            1..=4 => BTreeSet::from([n.saturating_sub(1 + random.below(2))]),
            wide => (0..wide - 3).map(|_| n.saturating_sub(1 + random.below(6))).collect(),
        };
        let parents: Vec<u64> = parents.into_iter().filter(|parent| *parent < n).collect();
        for (nth, parent) in parents.iter().enumerate() {
            writeln!(out, "{} :{}", if nth == 0 { "from" } else { "merge" }, parent + 1).unwrap();
        }
        let mut files = merged(random, &parents.iter().map(|n| &history[*n as usize]).collect::<Vec<_>>());
        for _ in 0..random.below(4) {
            let path = random.one_of(PATHS);
            match random.below(8) {
                0 | 1 => drop(files.remove(path)),
                2 => write(&mut files, path, ("160000", "1".repeat(40))),
                _ => {
                    let content = format!("{}\ncontent {}\n", "a line of many\n".repeat(20), random.below(12));
                    write(&mut files, path, (random.one_of(&["100644", "100644", "100755", "120000"]), content));
                }
            }
        }
        out.push_str("deleteall\n");
        for (path, (mode, content)) in &files {
            match *mode {
                "160000" => writeln!(out, "M {mode} {content} {path}").unwrap(),
                _ => writeln!(out, "M {mode} inline {path}\ndata {}\n{content}", content.len()).unwrap(),
            }
        }
        history.push(files);
        out.push('\n');
    }
    out
}

/// A repository with branches `c0` and so on, one for each commit.
fn repository(seed: u64, commits: u64) -> Repository {
    let mut random = Random(seed);
    let repository = Repository(tempfile::tempdir().unwrap());
    let hash = if seed % 5 == 4 { "sha256" } else { "sha1" };
    repository.git(&["init", "-q", "--bare", "-b", "c9", "--object-format", hash], b"");
    // Packed with deltas, or loose.
    let limit = format!("fastimport.unpackLimit={}", if seed.is_multiple_of(2) { 1 } else { 10_000 });
    let stream = stream(&mut random, commits);
    let stream = if hash == "sha1" { stream } else { stream.replace(&"1".repeat(40), &"1".repeat(64)) };
    repository.git(&["-c", &limit, "fast-import", "--quiet", "--force"], stream.as_bytes());
    repository
}

#[test]
fn what_a_range_brought_and_where_it_stands_is_what_a_look_at_every_commit_tells() {
    const COMMITS: u64 = 16;
    let (mut blobs, mut places) = (0, 0);
    for seed in 0..24 {
        let repository = repository(seed, COMMITS);
        let mut all = BTreeMap::new();
        for line in repository.git(&["rev-list", "--all", "--parents"], b"").lines() {
            let ids: Vec<ObjectId> = line.split(' ').map(|id| ObjectId::from_hex(id.as_bytes()).unwrap()).collect();
            all.insert(ids[0], (ids[1..].to_vec(), repository.files(ids[0])));
        }
        let head = repository.ids(&["rev-parse", "HEAD"])[0];
        let mut random = Random(!seed);
        for form in 0..8 {
            let (from, to) = (random.below(COMMITS), random.below(COMMITS));
            let range = match form {
                0 => format!("c{to}"),
                1 => format!("c{to}^!"),
                2 => format!("c{from}...c{to}"),
                _ => format!("c{}..c{}", from.min(to), from.max(to)),
            };
            let outcome = repository.scanned(&range);
            assert_eq!(outcome, repository.expected(&range, &all, head), "{range} of seed {seed}");
            let Some(outcome) = outcome else {
                continue;
            };
            (blobs, places) = (blobs + outcome.blobs.len(), places + outcome.places.len());
            // Git tells of what stands in the range and not before it: what moved within it is told of by us, too.
            let objects = repository.ids(&[
                "rev-list",
                "--objects",
                "--filter=object:type=blob",
                "--filter-provided-objects",
                &range,
                "--",
            ]);
            let unread: Vec<_> = objects.iter().filter(|id| !outcome.blobs.contains(*id)).collect();
            assert!(unread.is_empty(), "{range} of seed {seed} lacks {unread:?}");
        }
    }
    assert!(blobs > 500 && places > 500, "{blobs} blobs at {places} places are too few to prove anything");
}
