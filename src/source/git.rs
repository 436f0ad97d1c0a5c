//! Git history through the object database: every distinct object is read once, reachable or not, and only for those that hit
//! is it worked out where they stand.
//!
//! `map`, `index`, `midx`, `delta`, `pack` and `loose` read the formats, `listing` says what there is, `odb` joins all that, `numbers`
//! gives each object a number, `walk` goes through a pack, whose entries `families` puts in order, all within `limits`; `name` tells
//! what is not what it should be, `scan` hands out, `told` knows what could not be read. `refs` and `stand_in` know names, `graph` and
//! `attribution` know who brought what, of a part of history `range` does, and `asked` tells of one before it is read; `mirror` fetches
//! what is elsewhere. `staged` reads what the next commit adds, of a repository that `surroundings` finds.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bstr::{BString, ByteSlice};

use self::attribution::Attribution;
use self::cache::{Cache, Plan};
use self::graph::{Graph, Links};
pub use self::limits::Limits;
use self::object::Kind;
use self::odb::Odb;
pub use self::push::{NotAPush, Push, There};
use self::range::{Brought, Range};
use self::refs::Refs;
use self::scan::Scan;
pub use self::staged::Staged;
use self::stand_in::{Original, Part};
pub use self::surroundings::{Environment, Surroundings};
use self::trace::{Scanned, Tracing};
use self::walk::Visitor;
use super::tree::read_small;
use super::{Sink, Skipped, Source, SourceError};
use crate::blob::ObjectId;
use crate::provenance::Provenance;

pub mod asked;
mod attribution;
mod bases;
pub mod cache;
mod delta;
mod families;
mod graph;
mod index;
mod known;
mod limits;
mod listing;
mod loose;
mod map;
mod midx;
pub mod mirror;
mod name;
mod numbers;
mod object;
mod odb;
mod pack;
mod push;
mod range;
mod refs;
mod scan;
mod staged;
mod stand_in;
mod surroundings;
mod told;
mod trace;
mod trees;
mod walk;

/// How much of history is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revisions {
    /// Every object, reachable or not.
    All,
    /// What the commits of a range brought, and the tags that it is named by: anything that `git rev-list` takes for one, be it `A..B`, `A...B`, `HEAD^!`, or a revision
    /// and all before it.
    Range(String),
    /// What a push brings. Unlike a range it may be nothing.
    Push(Push),
}

/// The history of one repository.
pub struct History {
    name: Arc<str>,
    git_dir: PathBuf,
    common_dir: PathBuf,
    /// Where objects are.
    objects: Vec<PathBuf>,
    revisions: Revisions,
    cache: Option<(cache::Settings, Vec<u8>)>,
    limits: Limits,
    /// Opened by the visit, used again by the attribution.
    opened: OnceLock<Opened>,
}

struct Opened {
    odb: Odb,
    refs: Refs,
    /// Commits at which history was cut off when it was cloned.
    cuts: HashSet<ObjectId>,
    range: Option<Part>,
    brought: Option<Brought>,
    /// What was scanned of a whole history, until somebody asks.
    scanned: Mutex<Option<Scanned>>,
}

impl History {
    /// The repository whose worktree's git directory is `git_dir` and whose objects and refs are in `common_dir`: the same
    /// directory but for linked worktrees. `name` is what the user calls it, without a password.
    pub fn new(name: &str, git_dir: PathBuf, common_dir: PathBuf, revisions: Revisions) -> Self {
        let (cache, limits, objects) = (None, Limits::default(), vec![common_dir.join("objects")]);
        Self { name: name.into(), git_dir, common_dir, objects, revisions, cache, limits, opened: OnceLock::new() }
    }

    /// The same within other limits.
    #[must_use]
    pub fn within(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same with its objects elsewhere, as they are as long as a push is not accepted.
    #[must_use]
    pub fn stored_in(self, objects: Vec<PathBuf>) -> Self {
        Self { objects, ..self }
    }

    /// Remembers between scans of a whole history what need not be read again; ranges don't. `name` tells repositories apart.
    #[must_use]
    pub fn remembered(self, settings: cache::Settings, name: Vec<u8>) -> Self {
        Self { cache: Some((settings, name)), ..self }
    }

    fn open(&self) -> Result<Opened, SourceError> {
        let failed = |why: String| SourceError { what: format!("the history of {}", self.name), why };
        if !self.objects.iter().any(|objects| objects.is_dir()) {
            return Err(failed(
                "it is not a git repository; `git init` makes one, --history none does without".to_owned(),
            ));
        }
        let hash_len = hash_len(&self.common_dir).map_err(failed)?;
        // What names lead to is there before they do.
        let refs = refs::read(&self.git_dir, &self.common_dir);
        let loose_too = self.revisions == Revisions::All;
        let odb = Odb::open(&self.objects, &self.name, hash_len, loose_too, self.limits.clone());
        let (git_dir, common_dir, objects) = (&self.git_dir, &self.common_dir, &self.objects);
        let original = Original { git_dir, common_dir, objects, hash_len, refs: &refs };
        let range = match &self.revisions {
            Revisions::All => None,
            Revisions::Range(spec) => {
                let part = stand_in::part(spec, &original).map_err(failed)?;
                let is_tag = |id: &ObjectId| matches!(odb.read(*id), Ok(Some((Kind::Tag, _))));
                if part.commits.is_empty() && !part.tips.iter().any(is_tag) {
                    return Err(failed(format!("the range `{spec}` has no commits in it: nothing was scanned")));
                }
                Some(part)
            }
            Revisions::Push(push) => Some(stand_in::pushed(push, &odb, &original).map_err(failed)?),
        };
        Ok(Opened { odb, refs, cuts: self.cuts(), range, brought: None, scanned: Mutex::default() })
    }

    /// Commits at which history was cut off when it was cloned.
    fn cuts(&self) -> HashSet<ObjectId> {
        let text = read_small(&self.common_dir.join("shallow")).unwrap_or_default();
        text.lines().filter_map(ObjectId::from_hex).collect()
    }

    fn note_shallow(&self, opened: &Opened, sink: &dyn Sink) {
        let cuts = opened.cuts.len();
        if cuts > 0 {
            let why = format!(
                "it is a shallow clone: what came before {cuts} of its commits is not here; `git fetch --unshallow` brings it"
            );
            sink.skipped(Skipped::new(format!("the history of {}", self.name), why));
        }
    }

    /// Files of every worktree's index.
    fn staged(&self, hash_len: usize, sink: &dyn Sink) -> Vec<(ObjectId, BString)> {
        let worktrees = std::fs::read_dir(self.common_dir.join("worktrees")).into_iter().flatten().flatten();
        let mut git_dirs: Vec<PathBuf> = worktrees.map(|entry| entry.path()).collect();
        git_dirs.extend([self.common_dir.clone(), self.git_dir.clone()]);
        git_dirs = git_dirs.iter().filter_map(|dir| dir.canonicalize().ok()).collect();
        git_dirs.sort();
        git_dirs.dedup();
        let mut staged = Vec::new();
        for index in git_dirs.iter().map(|dir| dir.join("index")).filter(|index| index.is_file()) {
            let git_dir = index.parent().unwrap_or(&self.git_dir);
            match staged::listed(&index, git_dir, hash_len) {
                Ok(files) => staged.extend(files),
                Err(error) => {
                    let why = format!("{error}; what is only staged is told of as an object without a path");
                    sink.skipped(Skipped::new(index.display().to_string(), why));
                }
            }
        }
        staged
    }

    fn visit_range(&self, opened: &Opened, part: &Part, sink: &dyn Sink) -> Brought {
        if part.commits.iter().any(|commit| opened.cuts.contains(commit)) {
            self.note_shallow(opened, sink);
        }
        let mut scan = Scan::new(&self.name, &opened.odb, sink);
        scan.some(&part.commits);
        let links = Links::joined(scan.links);
        for id in links.parents(&opened.cuts).filter(|id| !opened.odb.is_here(**id)) {
            let why = "it is missing: what it and the commits before it brought was not read; `git fsck` tells more";
            opened.odb.unread(*id, why, sink);
        }
        let range = Range::new(&opened.odb, part, sink);
        let named = self.visit_tags(opened, part, &range, sink);
        let brought = range.brought(&links).and(named);
        Scan::new(&self.name, &opened.odb, sink).some(&brought.blobs());
        brought
    }

    /// Tags are objects beside the commits that they name. Returns the blobs where a name stands for no commit.
    fn visit_tags(&self, opened: &Opened, part: &Part, range: &Range<'_>, sink: &dyn Sink) -> Vec<ObjectId> {
        let mut blobs = Vec::new();
        let mut scan = Scan::new(&self.name, &opened.odb, sink);
        for tip in &part.tips {
            let mut next = Some(*tip);
            while let Some(id) = next.take() {
                match opened.odb.read(id) {
                    Ok(Some((Kind::Tag, data))) => {
                        scan.some(&[id]);
                        next = object::tag_target(&data);
                    }
                    Ok(Some((Kind::Commit, _))) => {}
                    Ok(Some((Kind::Blob, _))) => blobs.push(id),
                    Ok(Some((Kind::Tree, _))) => blobs.extend(range.below(id)),
                    Ok(None) => scan.failed(id, "it is missing"),
                    Err(error) => scan.failed(id, &error.to_string()),
                }
            }
        }
        blobs
    }

    /// Commits and trees as far as they say where objects of a whole history stand; `None` where nobody wants to know.
    fn graph(&self, opened: &Opened, ids: &HashSet<ObjectId>, sink: &dyn Sink) -> Option<Graph> {
        let scanned = opened.scanned.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let tracing = Tracing { odb: &opened.odb, refs: &opened.refs, cuts: &opened.cuts, sink };
        let traced = tracing.trace(scanned, ids);
        self.note_come(traced.come, sink);
        self.note_missing(opened, traced.missing, sink);
        if traced.is_cut {
            let why = "too many directories lead to findings: not all of their places are told";
            sink.skipped(Skipped::new(format!("the history of {}", self.name), why));
        }
        traced.graph
    }

    fn visit_all(&self, opened: &Opened, sink: &dyn Sink) -> Scanned {
        let odb = &opened.odb;
        let (mut cache, mut notes) = (None, [None, None]);
        if let Some((settings, name)) = &self.cache {
            let (found, note) = Cache::open(settings, name, odb.hash_len(), &opened.cuts);
            (cache, notes[0]) = (Some(found), note);
        }
        let mut plan = Plan::default();
        if let Some(cache) = &mut cache {
            (plan, notes[1]) = cache.plan(odb);
        }
        notes.into_iter().flatten().for_each(|note| sink.note(note));
        sink.known(plan.known);
        let scan = Scan::new(&self.name, &opened.odb, sink);
        odb.visit(&plan.selection, &scan);
        let unclean = scan.unclean.into_iter().flatten().collect();
        Scanned { links: Links::joined(scan.links), unclean, plan, cache }
    }

    fn places(&self, opened: &Opened, ids: &HashSet<ObjectId>, sink: &dyn Sink) -> HashMap<ObjectId, Vec<Provenance>> {
        let attribution =
            |staged| Attribution { odb: &opened.odb, refs: &opened.refs, repository: self.name.clone(), staged };
        match opened.range.as_ref().zip(opened.brought.as_ref()) {
            Some(_) if ids.is_empty() => return HashMap::new(),
            Some((part, brought)) => {
                return Range::new(&opened.odb, part, sink).places(brought, ids, &attribution(&[]));
            }
            None => {}
        }
        let Some(graph) = self.graph(opened, ids, sink) else {
            return HashMap::new();
        };
        let staged = self.staged(opened.odb.hash_len(), sink);
        attribution(&staged).places(&graph, ids, sink)
    }

    fn note_come(&self, come: usize, sink: &dyn Sink) {
        if come > 0 {
            let why = "they came while others were read; another scan reads them";
            sink.skipped(Skipped::new(format!("{come} objects of {}", self.name), why));
        }
    }

    /// Objects that were left at the server, or that a damaged repository has lost.
    fn note_missing(&self, opened: &Opened, missing: usize, sink: &dyn Sink) {
        if missing > 0 {
            let why = if opened.odb.is_partial {
                "they were left at the server by a partial clone; `git fetch --refetch --no-filter` brings them"
            } else {
                "refs, commits or trees speak of them and they are not there; `git fsck` tells more"
            };
            sink.skipped(Skipped::new(format!("{missing} objects of {}", self.name), why));
        }
    }
}

impl Source for History {
    fn visit(&self, sink: &dyn Sink) -> Result<(), SourceError> {
        let mut opened = self.open()?;
        for skipped in opened.odb.skipped.iter().chain(&opened.refs.skipped) {
            sink.skipped(skipped.clone());
        }
        match &opened.range {
            Some(part) => opened.brought = Some(self.visit_range(&opened, part, sink)),
            None => {
                self.note_shallow(&opened, sink);
                let scanned = self.visit_all(&opened, sink);
                *opened.scanned.lock().unwrap_or_else(PoisonError::into_inner) = Some(scanned);
            }
        }
        opened.odb.halves().into_iter().for_each(|skipped| sink.skipped(skipped));
        opened.odb.tell_others(sink);
        // Set only here, and a source is visited once.
        let _ = self.opened.set(opened);
        Ok(())
    }

    fn attribute(&self, ids: &HashSet<ObjectId>, sink: &dyn Sink) -> HashMap<ObjectId, Vec<Provenance>> {
        let Some(opened) = self.opened.get() else {
            return HashMap::new();
        };
        let places = self.places(opened, ids, sink);
        opened.odb.tell_others(sink);
        opened.odb.tell_copies(sink);
        places
    }
}

/// The user's own git, deaf to the repository that a hook may be running for.
fn git_command() -> Command {
    let mut command = Command::new("git");
    for name in ["DIR", "WORK_TREE", "INDEX_FILE", "COMMON_DIR", "OBJECT_DIRECTORY", "ALTERNATE_OBJECT_DIRECTORIES"] {
        command.env_remove(format!("GIT_{name}"));
    }
    command
}

/// 20 for SHA-1, 32 for SHA-256, by the repository's own configuration.
fn hash_len(common_dir: &Path) -> Result<usize, String> {
    let path = common_dir.join("config");
    match read_small(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(20),
        Err(error) => return Err(format!("its config can't be read: {error}")),
        Ok(_) => {}
    }
    let config = git2::Config::open(&path).map_err(|error| format!("its config can't be read: {}", error.message()))?;
    match config.get_string("extensions.objectformat").as_deref() {
        Err(_) | Ok("sha1") => Ok(20),
        Ok("sha256") => Ok(32),
        Ok(other) => Err(format!("its object format `{other}` is unknown")),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "git has to be found")]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Write;
    use std::process::Stdio;
    use std::sync::Mutex;

    use sha1::Digest;
    use tempfile::TempDir;

    use super::odb::Selection;
    use super::*;
    use crate::blob::{Blob, Content};
    use crate::provenance::Origin;
    use crate::source::Taken;

    /// Remembers everything that it is handed.
    #[derive(Default)]
    struct Recorder {
        pieces: Mutex<BTreeMap<ObjectId, Vec<u8>>>,
        skipped: Mutex<Vec<Skipped>>,
    }

    impl Sink for Recorder {
        fn blob(&self, blob: Blob<'_>) -> Taken {
            let Origin::Object { id, .. } = blob.provenance.origin else {
                panic!("history hands out objects");
            };
            let mut read = Vec::new();
            let bytes = match blob.content {
                Content::Bytes(bytes) => bytes,
                Content::Seekable(_) => panic!("history has no files"),
                Content::Stream(stream) => {
                    if let Err(error) = stream.read_to_end(&mut read) {
                        self.skipped(Skipped::new(id.to_string(), error));
                    }
                    &read
                }
            };
            self.pieces.lock().unwrap().entry(id).or_default().extend_from_slice(bytes);
            Taken::default()
        }

        fn skipped(&self, skipped: Skipped) {
            self.skipped.lock().unwrap().push(skipped);
        }

        fn max_size(&self) -> Option<u64> {
            None
        }
    }

    struct Repository(TempDir);

    impl Repository {
        fn new(arguments: &[&str]) -> Self {
            let repository = Self(tempfile::tempdir().unwrap());
            repository.git(&[&["init", "-q", "-b", "main"], arguments].concat());
            repository
        }

        fn path(&self) -> &Path {
            self.0.path()
        }

        fn command(&self, arguments: &[&str]) -> Command {
            let mut command = Command::new("git");
            command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).args(arguments);
            command.current_dir(self.path()).env("HOME", self.path()).env("GIT_CONFIG_NOSYSTEM", "1");
            for who in ["AUTHOR", "COMMITTER"] {
                command.env(format!("GIT_{who}_NAME"), "A").env(format!("GIT_{who}_EMAIL"), "a@example.com");
                command.env(format!("GIT_{who}_DATE"), "1700000000 +0100");
            }
            command
        }

        fn git(&self, arguments: &[&str]) -> String {
            let output = self.command(arguments).output().unwrap();
            assert!(output.status.success(), "git {arguments:?}: {}", output.stderr.as_bstr());
            output.stdout.trim().to_str().unwrap().to_owned()
        }

        fn hash_object(&self, content: &[u8]) -> String {
            let mut command = self.command(&["hash-object", "-w", "--stdin"]);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(content).unwrap();
            child.wait_with_output().unwrap().stdout.trim().to_str().unwrap().to_owned()
        }

        /// Writes a file and commits it.
        fn commit(&self, name: &str, content: &[u8]) -> String {
            let path = self.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
            self.git(&["add", "-A"]);
            self.git(&["commit", "-q", "-m", &format!("write {name}")]);
            self.git(&["rev-parse", "HEAD"])
        }

        /// Forty versions of a file of which git makes chains of deltas.
        fn with_deltas(self) -> Self {
            let line = |n: u32| format!("line {n} {}\n", n.wrapping_mul(2_654_435_761));
            let mut lines: Vec<String> = (0..400).map(line).collect();
            for version in 0..40 {
                lines[version * 9] = line(1000 + version as u32);
                self.commit("dir/big.txt", lines.concat().as_bytes());
            }
            self
        }

        fn history(&self, revisions: Revisions) -> History {
            let git_dir = self.path().join(".git");
            let git_dir = if git_dir.exists() { git_dir } else { self.path().to_owned() };
            History::new("repo", git_dir.clone(), git_dir, revisions)
        }

        fn scan(&self) -> (BTreeMap<ObjectId, Vec<u8>>, Vec<Skipped>) {
            let recorder = Recorder::default();
            let history = self.history(Revisions::All);
            history.visit(&recorder).unwrap();
            history.attribute(&HashSet::new(), &recorder);
            (recorder.pieces.into_inner().unwrap(), recorder.skipped.into_inner().unwrap())
        }

        /// Ids of all objects but trees, as git lists them.
        fn ids(&self) -> Vec<ObjectId> {
            self.git(&["cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(objectname)"])
                .lines()
                .filter_map(|line| line.split_once(' '))
                .filter(|(kind, _)| *kind != "tree")
                .map(|(_, id)| ObjectId::from_hex(id.as_bytes()).unwrap())
                .collect()
        }

        /// Every object was handed out, once, with the content that its name stands for.
        fn assert_exact(&self) {
            let (pieces, skipped) = self.scan();
            assert_eq!(skipped, []);
            assert_eq!(pieces.keys().copied().collect::<Vec<_>>(), self.ids());
            for (id, bytes) in &pieces {
                let kinds = ["blob", "commit", "tag"].map(|kind| named(kind, bytes, id.as_bytes().len()));
                assert!(kinds.contains(id), "{id} has other content than its name says");
            }
        }
    }

    fn named(kind: &str, bytes: &[u8], len: usize) -> ObjectId {
        let whole = [format!("{kind} {}\0", bytes.len()).as_bytes(), bytes].concat();
        let id = if len == 20 {
            ObjectId::from_bytes(&sha1::Sha1::digest(&whole))
        } else {
            ObjectId::from_bytes(&sha2::Sha256::digest(&whole))
        };
        id.unwrap()
    }

    #[test]
    fn loose_objects_are_exact() {
        let repository = Repository::new(&[]).with_deltas();
        repository.git(&["tag", "-a", "-m", "a tag", "v1"]);
        repository.hash_object(b"dangling");
        repository.assert_exact();
    }

    #[test]
    fn packed_objects_are_exact_with_either_kind_of_delta() {
        for by_offset in ["true", "false"] {
            let repository = Repository::new(&[]).with_deltas();
            repository.git(&["config", "repack.useDeltaBaseOffset", by_offset]);
            repository.git(&["repack", "-adfq", "--depth=30"]);
            let verified = repository.git(&["verify-pack", "-v", &packs(&repository)[0].to_string_lossy()]);
            assert!(verified.contains("chain length = 5"), "the test wants deltas");
            repository.assert_exact();
        }
    }

    #[test]
    fn bases_that_were_let_go_are_made_again() {
        let repository = Repository::new(&[]);
        let mut lines: Vec<String> = (0..4000).map(|n| format!("line {n} of a file that counts")).collect();
        for version in 0..40 {
            lines[version * 97] = format!("version {version}");
            repository.hash_object(lines.join("\n").as_bytes());
        }
        let ids = repository.git(&["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]);
        let mut pack = repository.command(&["pack-objects", "-q", "--window=50", "--depth=4", "objects/pack/pack"]);
        let mut child = pack.current_dir(repository.path().join(".git")).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(ids.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        repository.git(&["prune-packed"]);
        let history = repository.history(Revisions::All);
        let walked = |most_held| {
            let mut opened = history.open().unwrap();
            opened.odb.limits.held = most_held;
            let recorder = Recorder::default();
            opened.odb.visit(&Selection::All, &Scan::new(&history.name, &opened.odb, &recorder));
            assert_eq!(*recorder.skipped.lock().unwrap(), []);
            recorder.pieces.into_inner().unwrap()
        };
        assert_eq!(walked(usize::MAX).len(), 40);
        assert!(walked(0) == walked(usize::MAX));
    }

    #[test]
    fn an_object_in_two_packs_and_loose_is_handed_out_once() {
        let repository = Repository::new(&[]).with_deltas();
        repository.git(&["repack", "-q"]);
        repository.commit("b", b"b");
        repository.git(&["repack", "-aq"]);
        assert_eq!(packs(&repository).len(), 2);
        repository.assert_exact();
    }

    #[test]
    fn sha256_repositories_are_exact() {
        let repository = Repository::new(&["--object-format=sha256"]).with_deltas();
        repository.git(&["repack", "-adq"]);
        repository.assert_exact();
    }

    #[test]
    fn what_an_alternate_holds_is_handed_out() {
        let origin = Repository::new(&[]).with_deltas();
        origin.git(&["repack", "-adq"]);
        let clone = Repository::new(&[]);
        let objects = origin.path().join(".git/objects");
        std::fs::write(clone.path().join(".git/objects/info/alternates"), objects.to_str().unwrap()).unwrap();
        clone.commit("own", b"own");
        clone.assert_exact();
        // Two that borrow from each other end, too.
        let back = clone.path().join(".git/objects");
        std::fs::write(objects.join("info/alternates"), back.to_str().unwrap()).unwrap();
        assert_eq!(clone.scan().0.len(), clone.ids().len());
    }

    fn packs(repository: &Repository) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(repository.path().join(".git/objects/pack")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|end| end == "pack")).collect()
    }

    /// Makes a file writable and hands its bytes to `change`.
    fn damage(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(path).unwrap();
        change(&mut bytes);
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn damage_anywhere_in_a_pack_costs_only_what_needs_it() {
        let repository = Repository::new(&[]).with_deltas();
        repository.git(&["repack", "-adq"]);
        let whole = repository.scan().0;
        let pack = packs(&repository).remove(0);
        let original = std::fs::read(&pack).unwrap();
        for at in (12..original.len() - 20).step_by(original.len() / 40) {
            damage(&pack, |bytes| bytes[at] ^= 0x55);
            let (pieces, skipped) = repository.scan();
            assert!(!skipped.is_empty() || pieces == whole, "damage at {at} went unseen");
            for (id, bytes) in &pieces {
                assert!(whole[id] == *bytes || !skipped.is_empty(), "{id} changed unseen at {at}");
            }
            damage(&pack, |bytes| bytes.clone_from(&original));
        }
        assert_eq!(repository.scan(), (whole, vec![]));
    }

    /// Bytes of packs and indexes are changed at random, many at a time: a hostile repository. Nothing may panic or hang.
    #[test]
    fn hostile_packs_and_indexes_do_no_harm() {
        let repository = Repository::new(&[]).with_deltas();
        repository.git(&["config", "repack.useDeltaBaseOffset", "false"]);
        repository.git(&["repack", "-adfq"]);
        let pack = packs(&repository).remove(0);
        let originals = [pack.clone(), pack.with_extension("idx")].map(|path| (std::fs::read(&path).unwrap(), path));
        let mut state = 7u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        for _ in 0..300 {
            for (original, path) in &originals {
                let mut bytes = original.clone();
                for _ in 0..random(6) {
                    let at = random(bytes.len());
                    bytes[at] = random(256) as u8;
                }
                bytes.truncate(bytes.len() - random(3) * random(60));
                damage(path, |old| *old = bytes);
            }
            let history = repository.history(Revisions::All);
            let recorder = Recorder::default();
            history.visit(&recorder).unwrap();
            let ids = ids_of_index(&originals[1].0);
            let wanted = ids.iter().copied().collect();
            history.attribute(&wanted, &recorder);
            let opened = history.open().unwrap();
            let part = Part { commits: ids.clone(), tips: Vec::new(), without: ids.clone() };
            let range = Range::new(&opened.odb, &part, &recorder);
            let mut scan = Scan::new(&history.name, &opened.odb, &recorder);
            scan.some(&ids);
            let brought = range.brought(&Links::joined(scan.links));
            let (refs, repository) = (&opened.refs, "repo".into());
            range.places(&brought, &wanted, &Attribution { odb: &opened.odb, refs, repository, staged: &[] });
        }
    }

    /// A tree that holds one tree under ten names, which holds one under ten names, and so on: its blob stands at 10^9 places.
    #[test]
    fn a_range_with_a_bomb_of_trees_ends_and_has_every_blob() {
        let repository = Repository::new(&[]);
        let make = |entries: &str| {
            let mut command = repository.command(&["mktree"]);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(entries.as_bytes()).unwrap();
            child.wait_with_output().unwrap().stdout.trim().to_str().unwrap().to_owned()
        };
        let last = repository.hash_object(b"the last");
        let mut tree = make(&format!("100644 blob {last}\tkey\n"));
        for level in 0..9 {
            let blob = repository.hash_object(format!("of level {level}").as_bytes());
            let trees: String = (0..10).map(|n| format!("040000 tree {tree}\tt{n}\n")).collect();
            tree = make(&format!("100644 blob {blob}\tkey\n{trees}"));
        }
        let commit = repository.git(&["commit-tree", "-m", "bomb", &tree]);
        let recorder = Recorder::default();
        repository.history(Revisions::Range(commit)).visit(&recorder).unwrap();
        assert_eq!(recorder.pieces.into_inner().unwrap().len(), 1 + 10, "the commit and each blob");
        assert!(recorder.skipped.into_inner().unwrap()[0].why.contains("too often"));
    }

    #[test]
    fn a_range_tells_of_blobs_and_trees_that_are_missing_or_damaged() {
        let repository = Repository::new(&[]);
        repository.commit("a/b/c", b"first");
        repository.commit("a/b/c", b"second");
        let kept = repository.commit("other", b"kept");
        for (object, why) in [("HEAD~1:a/b/c", "missing"), ("HEAD~1:a/b", "missing"), ("HEAD~1:a", "damaged")] {
            let id = repository.git(&["rev-parse", object]);
            let path = repository.path().join(".git/objects").join(&id[..2]).join(&id[2..]);
            let whole = std::fs::read(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            if why == "damaged" {
                std::fs::write(&path, b"nonsense").unwrap();
            }
            let recorder = Recorder::default();
            repository.history(Revisions::Range(format!("{kept}~2..{kept}"))).visit(&recorder).unwrap();
            let skipped = recorder.skipped.into_inner().unwrap();
            assert!(skipped.iter().any(|one| one.what.contains(&id) && one.why.contains(why)), "{object}: {skipped:?}");
            let pieces = recorder.pieces.into_inner().unwrap();
            assert!(pieces.values().any(|bytes| bytes == b"kept"), "{object}: all else is read");
            let _ = std::fs::remove_file(&path);
            std::fs::write(&path, whole).unwrap();
        }
    }

    /// The ids in an index of version 2, without asking git.
    fn ids_of_index(index: &[u8]) -> Vec<ObjectId> {
        let count = u32::from_be_bytes(index[1028..1032].try_into().unwrap()) as usize;
        index[1032..1032 + count * 20].chunks(20).filter_map(ObjectId::from_bytes).collect()
    }

    #[test]
    fn a_truncated_pack_and_a_lost_index_are_told() {
        let repository = Repository::new(&[]).with_deltas();
        repository.git(&["repack", "-adq"]);
        let pack = packs(&repository).remove(0);
        damage(&pack, |bytes| bytes.truncate(bytes.len() / 2));
        let (pieces, skipped) = repository.scan();
        assert!(!skipped.is_empty() && !pieces.is_empty());
        std::fs::remove_file(pack.with_extension("idx")).unwrap();
        let (pieces, skipped) = repository.scan();
        assert!(pieces.is_empty() && skipped[0].what.ends_with(".pack"), "{skipped:?}");
    }

    #[test]
    fn an_index_that_lists_too_little_is_told() {
        let repository = Repository::new(&[]).with_deltas();
        repository.git(&["repack", "-adq"]);
        let large = packs(&repository).remove(0);
        let other = Repository::new(&[]);
        other.commit("a", b"a");
        other.git(&["repack", "-adq"]);
        let small = packs(&other).remove(0);
        std::fs::remove_file(large.with_extension("idx")).unwrap();
        std::fs::copy(small.with_extension("idx"), large.with_extension("idx")).unwrap();
        let skipped = repository.scan().1;
        assert!(skipped.iter().any(|skipped| skipped.why.contains("lists 3 of")), "{skipped:?}");
    }

    /// What is handed out when git does something between the listing of all objects and their reading.
    fn scan_after(repository: &Repository, work: impl FnOnce()) -> (BTreeMap<ObjectId, Vec<u8>>, Vec<Skipped>) {
        let (history, recorder) = (repository.history(Revisions::All), Recorder::default());
        let opened = history.open().unwrap();
        work();
        opened.odb.visit(&Selection::All, &Scan::new(&history.name, &opened.odb, &recorder));
        opened.odb.halves().into_iter().for_each(|skipped| recorder.skipped(skipped));
        (recorder.pieces.into_inner().unwrap(), recorder.skipped.into_inner().unwrap())
    }

    #[test]
    fn loose_objects_that_go_into_a_pack_after_they_were_listed_are_read_there() {
        let repository = Repository::new(&[]).with_deltas();
        let whole = repository.scan().0;
        assert_eq!(scan_after(&repository, || drop(repository.git(&["gc", "-q", "--prune=now"]))), (whole, vec![]));
    }

    #[test]
    fn packs_that_are_replaced_after_they_were_opened_are_read() {
        let repository = Repository::new(&[]).with_deltas();
        repository.git(&["repack", "-adq"]);
        let (whole, before) = (repository.scan().0, packs(&repository));
        let work = || drop(repository.git(&["repack", "-adfq", "--depth=2", "--window=2"]));
        assert_eq!(scan_after(&repository, work), (whole, vec![]));
        assert_ne!(packs(&repository), before);
    }

    #[test]
    fn what_is_removed_after_it_was_listed_is_told() {
        let repository = Repository::new(&[]);
        repository.commit("a", b"a");
        let id = repository.hash_object(b"dangling");
        let (_, skipped) = scan_after(&repository, || drop(repository.git(&["gc", "-q", "--prune=now"])));
        assert!(skipped.len() == 1 && skipped[0].what.contains(&id), "{skipped:?}");
        assert!(skipped[0].why.contains("removed after it was listed"), "{skipped:?}");
    }

    #[test]
    fn what_a_range_brought_is_read_though_git_has_packed_it_meanwhile() {
        let repository = Repository::new(&[]).with_deltas();
        let (history, recorder) =
            (repository.history(Revisions::Range("HEAD~3..HEAD".to_owned())), Recorder::default());
        let opened = history.open().unwrap();
        repository.git(&["gc", "-q", "--prune=now"]);
        history.visit_range(&opened, opened.range.as_ref().unwrap(), &recorder);
        assert_eq!(*recorder.skipped.lock().unwrap(), []);
        assert_eq!(recorder.pieces.lock().unwrap().len(), 6);
    }

    /// Git writes a pack first and its index last, and removes them the other way round.
    #[test]
    fn halves_of_pairs_that_git_is_at_work_on_are_not_told() {
        let repository = Repository::new(&[]).with_deltas();
        repository.git(&["repack", "-q"]);
        let pack = packs(&repository).remove(0);
        let (index, away) = (pack.with_extension("idx"), repository.path().join("away"));
        std::fs::copy(&index, &away).unwrap();
        std::fs::remove_file(&index).unwrap();
        let (whole, skipped) = repository.scan();
        assert!(!whole.is_empty() && skipped.len() == 1, "{skipped:?}");
        assert_eq!(scan_after(&repository, || drop(std::fs::copy(&away, &index))), (whole.clone(), vec![]));
        std::fs::remove_file(&index).unwrap();
        std::fs::copy(&pack, pack.with_file_name(".tmp-1-pack-1.pack")).unwrap();
        assert_eq!(scan_after(&repository, || std::fs::remove_file(&pack).unwrap()), (whole, vec![]));
    }

    #[test]
    fn a_missing_blob_or_ref_is_told() {
        let repository = Repository::new(&[]);
        repository.commit("a", b"a");
        let id = repository.hash_object(b"a");
        std::fs::remove_file(repository.path().join(".git/objects").join(&id[..2]).join(&id[2..])).unwrap();
        std::fs::write(repository.path().join(".git/refs/heads/lost"), "1".repeat(40)).unwrap();
        let skipped = repository.scan().1;
        assert!(skipped.len() == 1 && skipped[0].what.starts_with("2 objects"), "{skipped:?}");
    }

    /// What is a pipe in the place of a file would be waited for.
    #[cfg(unix)]
    #[test]
    fn pipes_in_the_place_of_git_s_own_files_are_not_waited_for() {
        let repository = Repository::new(&[]);
        repository.commit("a", b"a");
        let id = repository.hash_object(b"x");
        let loose = format!("objects/{}/{}", &id[..2], &id[2..]);
        for name in ["packed-refs", "shallow", "refs/heads/p", "objects/info/alternates", "logs/refs/stash", &loose] {
            let path = repository.path().join(".git").join(name);
            let _ = std::fs::remove_file(&path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        }
        let (pieces, skipped) = repository.scan();
        assert!(pieces.len() == 2 && !skipped.is_empty(), "{skipped:?}");
    }

    #[test]
    fn a_truncated_loose_object_is_told_and_scanned_as_far_as_it_goes() {
        let repository = Repository::new(&[]);
        let noise: Vec<u8> = (0..60_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let id = repository.hash_object(&noise);
        let path = repository.path().join(".git/objects").join(&id[..2]).join(&id[2..]);
        damage(&path, |bytes| bytes.truncate(bytes.len() / 2));
        let (pieces, skipped) = repository.scan();
        let read = &pieces[&ObjectId::from_hex(id.as_bytes()).unwrap()];
        assert!(read.len() > 10_000 && noise.starts_with(read));
        assert!(skipped[0].what.contains(&id), "{skipped:?}");
    }

    #[test]
    fn a_missing_commit_is_told() {
        let repository = Repository::new(&[]);
        let first = repository.commit("a", b"a");
        repository.commit("b", b"b");
        std::fs::remove_file(repository.path().join(".git/objects").join(&first[..2]).join(&first[2..])).unwrap();
        assert!(repository.scan().1[0].what.starts_with("1 objects"), "{:?}", repository.scan().1);
    }

    #[test]
    fn shallow_and_partial_clones_say_what_is_not_here() {
        let origin = Repository::new(&[]).with_deltas();
        origin.git(&["config", "uploadpack.allowFilter", "true"]);
        let url = format!("file://{}", origin.path().display());
        let shallow = Repository(tempfile::tempdir().unwrap());
        shallow.git(&["clone", "-q", "--depth", "3", &url, "."]);
        let skipped = shallow.scan().1;
        assert!(skipped.len() == 1 && skipped[0].why.contains("--unshallow"), "{skipped:?}");
        let partial = Repository(tempfile::tempdir().unwrap());
        partial.git(&["clone", "-q", "--filter=blob:none", "--no-checkout", &url, "."]);
        let skipped = partial.scan().1;
        assert!(skipped.len() == 1 && skipped[0].what.starts_with("40 objects"), "{skipped:?}");
    }

    fn introduced(repository: &Repository, range: &str) -> Vec<String> {
        let recorder = Recorder::default();
        repository.history(Revisions::Range(range.to_owned())).visit(&recorder).unwrap();
        assert_eq!(recorder.skipped.into_inner().unwrap(), []);
        let pieces = recorder.pieces.into_inner().unwrap();
        let texts = pieces.values().map(|bytes| bytes.to_str_lossy().into_owned());
        texts.filter(|text| !text.starts_with("tree ")).collect()
    }

    #[test]
    fn a_range_reads_what_its_commits_brought() {
        let repository = Repository::new(&[]);
        repository.commit("a", b"one");
        repository.commit("d/b", b"two");
        repository.git(&["checkout", "-q", "-b", "side", "HEAD~1"]);
        repository.commit("d/c", b"three");
        repository.git(&["merge", "-q", "-m", "merge", "main"]);
        assert_eq!(introduced(&repository, "main..side"), ["three"]);
        assert_eq!(introduced(&repository, "HEAD~1..main"), ["two"]);
        assert_eq!(introduced(&repository, "main~1"), ["one"]);
        let mut all = introduced(&repository, "HEAD");
        all.sort();
        assert_eq!(all, ["one", "three", "two"]);
        let empty = repository.history(Revisions::Range("main..main".to_owned())).visit(&Recorder::default());
        assert!(empty.unwrap_err().to_string().contains("no commits"));
    }

    #[test]
    fn a_range_in_a_shallow_clone_is_read_and_its_boundary_told() {
        let origin = Repository::new(&[]).with_deltas();
        let shallow = Repository(tempfile::tempdir().unwrap());
        shallow.git(&["clone", "-q", "--depth", "4", &format!("file://{}", origin.path().display()), "."]);
        assert_eq!(introduced(&shallow, "HEAD~1..HEAD").len(), 1);
        assert_eq!(introduced(&shallow, "origin~2..HEAD").len(), 2);
        let recorder = Recorder::default();
        shallow.history(Revisions::Range("HEAD".to_owned())).visit(&recorder).unwrap();
        assert!(recorder.skipped.into_inner().unwrap()[0].why.contains("shallow"));
    }

    #[test]
    fn an_unknown_revision_is_an_error_with_its_name() {
        let repository = Repository::new(&[]);
        repository.commit("a", b"one");
        for range in ["nope", "nope..HEAD", "HEAD..nope", "..."] {
            let visited = repository.history(Revisions::Range(range.to_owned())).visit(&Recorder::default());
            if range != "..." {
                assert!(visited.unwrap_err().to_string().contains(range));
            }
        }
    }

    #[test]
    fn what_is_no_repository_is_an_error() {
        let empty = tempfile::tempdir().unwrap();
        let history = History::new("x", empty.path().into(), empty.path().into(), Revisions::All);
        assert!(history.visit(&Recorder::default()).unwrap_err().to_string().contains("not a git repository"));
    }

    fn attributed(repository: &Repository, ids: &[&str]) -> HashMap<ObjectId, Vec<Provenance>> {
        let recorder = Recorder::default();
        let history = repository.history(Revisions::All);
        history.visit(&recorder).unwrap();
        let wanted = ids.iter().map(|id| ObjectId::from_hex(id.as_bytes()).unwrap()).collect();
        history.attribute(&wanted, &recorder)
    }

    fn place(provenance: &Provenance) -> (String, String, Option<bool>, bool) {
        let Origin::Commit { commit, path, in_head } = &provenance.origin else {
            panic!("{provenance:?} is no commit");
        };
        (commit.id.to_string(), path.to_string(), *in_head, commit.reachable)
    }

    #[test]
    fn a_blob_is_attributed_to_the_first_commit_of_each_path() {
        let repository = Repository::new(&[]);
        let first = repository.commit("a/b/key", b"the key");
        repository.commit("other", b"x");
        let copied = repository.commit("copy", b"the key");
        std::fs::remove_file(repository.path().join("a/b/key")).unwrap();
        repository.commit("other", b"y");
        let id = repository.hash_object(b"the key");
        let places = attributed(&repository, &[&id]);
        let mut places: Vec<_> = places.values().flatten().map(place).collect();
        places.sort_by(|a, b| a.1.cmp(&b.1));
        assert_eq!(places, [(first, "a/b/key".into(), Some(false), true), (copied, "copy".into(), Some(true), true)]);
    }

    #[test]
    fn refs_in_a_reftable_are_read_by_git() {
        let repository = Repository(tempfile::tempdir().unwrap());
        let made = repository.command(&["init", "-q", "--ref-format=reftable"]).output().unwrap();
        if !made.status.success() {
            // Only since git 2.45.
            return;
        }
        let first = repository.commit("key", b"the key");
        let id = repository.hash_object(b"the key");
        let places = attributed(&repository, &[&id]);
        let told: Vec<_> = places.values().flatten().map(place).collect();
        assert_eq!(told, [(first, "key".into(), Some(true), true)]);
        assert_eq!(introduced(&repository, "HEAD"), ["the key"]);
    }

    #[test]
    fn what_no_ref_leads_to_is_unreachable_and_what_nothing_holds_has_no_place() {
        let repository = Repository::new(&[]);
        repository.commit("a", b"base");
        let lost = repository.commit("b", b"lost");
        repository.git(&["reset", "-q", "--hard", "HEAD~1"]);
        let (in_lost, dangling) = (repository.hash_object(b"lost"), repository.hash_object(b"dangling"));
        std::fs::write(repository.path().join("c"), b"staged").unwrap();
        repository.git(&["add", "c"]);
        let staged = repository.hash_object(b"staged");
        let places = attributed(&repository, &[&in_lost, &dangling, &staged, &lost]);
        let of = |id: &str| places.get(&ObjectId::from_hex(id.as_bytes()).unwrap());
        assert_eq!(place(&of(&in_lost).unwrap()[0]), (lost.clone(), "b".into(), Some(false), false));
        assert!(of(&dangling).is_none());
        assert!(matches!(&of(&staged).unwrap()[0].origin, Origin::Staged { path, .. } if path == "c"));
        assert!(matches!(&of(&lost).unwrap()[0].origin, Origin::CommitMessage { commit } if !commit.reachable));
    }
}
