//! Working trees and single files: everything that lies there, hidden, untracked and ignored files too, and the git
//! directories among it but for their objects. Those are `source::git`'s, to whom [`Tree::repositories`] points.
//!
//! Symbolic links are not followed: as in git, the text of a link is content, what it leads to is not. Only the target itself may
//! be a link. What a `.git` file points to outside of the target is listed as a repository, its own files are not read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ignore::{DirEntry, WalkBuilder};
use rayon::iter::{ParallelBridge, ParallelIterator};

use super::{Sink, Skipped, Source, SourceError};

pub mod git_dir;
mod read;

use git_dir::{GitDir, is_git_dir};
#[cfg(feature = "git")]
pub(in crate::source) use read::{Links, open as open_regular, read_small};

/// What a walk leaves out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Leaves out what `.gitignore`, `.git/info/exclude` and the user's own ignore file name, even where git tracks it.
    /// Git directories are read whole all the same.
    pub respect_gitignore: bool,
}

/// What lies below a target, listed but not yet read.
#[derive(Debug)]
pub struct Tree {
    /// The target, without any `./`.
    root: PathBuf,
    /// Everything that is not a directory, in the order of the walk; paths are as reached from the target.
    files: Vec<PathBuf>,
    /// What could not be listed.
    skipped: Vec<Skipped>,
    /// The git repositories that lie here or that a `.git` file here points to, each once, in order of their common directories.
    pub repositories: Vec<GitDir>,
    /// `.git` files that lead nowhere. They are a loss only for who wants to read history.
    pub unresolved: Vec<Skipped>,
}

impl Tree {
    /// Lists what lies at `root`: a directory, a regular file, or a link to either.
    ///
    /// # Errors
    /// When there is nothing at `root`, when it can't be read, and when it is a pipe, a socket or a device.
    pub fn survey(root: &Path, options: Options) -> Result<Self, SourceError> {
        let failed = |why| SourceError { what: root.display().to_string(), why };
        let metadata = fs::metadata(root).map_err(|error| failed(read::why_no_root(root, &error)))?;
        let mut survey = Survey::default();
        if metadata.is_dir() {
            fs::read_dir(root).map_err(|error| failed(read::why(&error)))?;
            survey.walk(root, options);
        } else {
            read::open(root, read::Links::Follow).map_err(failed)?;
            survey.files.push(bare(root));
        }
        Ok(Self {
            root: bare(root),
            files: survey.files,
            skipped: survey.skipped,
            repositories: survey.repositories.into_values().collect(),
            unresolved: survey.unresolved,
        })
    }
}

impl Source for Tree {
    fn visit(&self, sink: &dyn Sink) -> Result<(), SourceError> {
        for skipped in &self.skipped {
            sink.skipped(skipped.clone());
        }
        // Sizes differ too much for an even split beforehand: each thread takes the next file when it is through with one.
        self.files.iter().par_bridge().for_each_init(Vec::new, |buffer, path| {
            let links = if *path == self.root { read::Links::Follow } else { read::Links::AreContent };
            read::visit(path, links, buffer, sink);
        });
        Ok(())
    }
}

/// What a walk has come by so far.
#[derive(Default)]
struct Survey {
    files: Vec<PathBuf>,
    skipped: Vec<Skipped>,
    /// By common directory: linked worktrees and submodules lead to the same one from several places.
    repositories: BTreeMap<PathBuf, GitDir>,
    unresolved: Vec<Skipped>,
}

impl Survey {
    fn walk(&mut self, root: &Path, options: Options) {
        let root = match bare(root) {
            // The walker would take this one for standard input.
            dash if dash == Path::new("-") => PathBuf::from("./-"),
            root => root,
        };
        let ignored = options.respect_gitignore.then(|| Ignored::new(&root));
        let walk = WalkBuilder::new(&root)
            .standard_filters(false)
            .filter_entry(move |entry| {
                !is_object_store(entry) && !ignored.as_ref().is_some_and(|rules| rules.hide(entry))
            })
            .build();
        for entry in walk {
            match entry {
                Ok(entry) => self.entry(&entry),
                Err(error) => self.unlisted(&error),
            }
        }
    }

    fn entry(&mut self, entry: &DirEntry) {
        let path = bare(entry.path());
        // The root may be a link to a directory; any other link is content.
        let is_dir = entry.depth() == 0 || entry.file_type().is_some_and(|kind| kind.is_dir());
        if is_dir || entry.file_name() == git_dir::DOT_GIT {
            self.repository(&path);
        }
        if !is_dir {
            self.files.push(path);
        }
    }

    fn repository(&mut self, path: &Path) {
        match GitDir::at(path) {
            Ok(None) => {}
            Ok(Some(found)) => {
                self.repositories
                    .entry(found.common_dir.clone())
                    .and_modify(|known| known.join(&found))
                    .or_insert(found);
            }
            Err(why) => self.unresolved.push(Skipped::new(path.display().to_string(), why)),
        }
    }

    fn unlisted(&mut self, error: &ignore::Error) {
        let path = path_of(error).map_or_else(|| "a directory".to_owned(), |path| bare(path).display().to_string());
        let why = error.io_error().map_or_else(|| error.to_string(), read::why);
        self.skipped.push(Skipped::new(path, why));
    }
}

/// A file in which a repository keeps objects: `objects/ab/cdefcdefcdefcdefcdefcdefcdefcdefcdefcd…`, `objects/pack/pack-….pack` and what belongs to that. Whatever
/// else lies among them is read like any other file.
fn is_object_store<'a>(entry: &'a DirEntry) -> bool {
    if entry.depth() == 0 || !entry.file_type().is_some_and(|kind| kind.is_file()) {
        return false;
    }
    let above = |path: &'a Path| Some((path.file_name()?.to_str()?, path.parent()?));
    let names = || {
        let (file, directory) = above(entry.path())?;
        let (directory, objects) = above(directory)?;
        let (store, git_dir) = above(objects)?;
        (store == "objects").then_some((file, directory, git_dir))
    };
    let Some((file, directory, git_dir)) = names() else {
        return false;
    };
    let is_hex = |text: &str| text.bytes().all(|c| c.is_ascii_hexdigit());
    let is_loose = directory.len() == 2 && is_hex(directory) && matches!(file.len(), 38 | 62) && is_hex(file);
    let is_packed = directory == "pack" && file.starts_with("pack-");
    (is_loose || is_packed) && is_git_dir(git_dir)
}

/// Ignore rules, for paths below one root.
struct Ignored {
    root: PathBuf,
    /// The walk calls from one thread only; it asks for a lock all the same.
    rules: Mutex<ignore::IncrementalIgnore>,
}

impl Ignored {
    fn new(root: &Path) -> Self {
        let mut rules = WalkBuilder::new(root)
            .standard_filters(false)
            .parents(true)
            .git_ignore(true)
            .git_exclude(true)
            .git_global(true)
            .build_matchers();
        Self { root: root.to_path_buf(), rules: Mutex::new(rules.remove(0)) }
    }

    /// No rule reaches into a git directory: git itself never applies them there.
    fn hide(&self, entry: &DirEntry) -> bool {
        let path = entry.path();
        let is_dir = entry.file_type().is_some_and(|kind| kind.is_dir());
        let Ok(below) = path.strip_prefix(&self.root) else {
            return false;
        };
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).matched(below, is_dir).is_ignore()
            && !self.is_of_git(path)
    }

    fn is_of_git(&self, path: &Path) -> bool {
        path.iter().any(|name| name == git_dir::DOT_GIT)
            || path.ancestors().skip(1).take_while(|above| above.starts_with(&self.root)).any(is_git_dir)
    }
}

/// The path without `.` in it, but for one that is nothing else.
fn bare(path: &Path) -> PathBuf {
    let bare: PathBuf = path.components().filter(|part| *part != std::path::Component::CurDir).collect();
    if bare.as_os_str().is_empty() { PathBuf::from(".") } else { bare }
}

/// The path that a walk failed at.
fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        ignore::Error::Loop { child, .. } => Some(child),
        ignore::Error::Partial(errors) => errors.iter().find_map(path_of),
        _ => None,
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use bstr::ByteSlice;
    use tempfile::TempDir;

    use super::*;
    use crate::blob::{Blob, Content};
    use crate::source::Taken;

    /// Keeps what it is handed.
    #[derive(Default)]
    pub(super) struct Recorder {
        pub(super) limit: Option<u64>,
        blobs: Mutex<Vec<(String, Vec<u8>)>>,
        skipped: Mutex<Vec<Skipped>>,
        threads: Mutex<Vec<String>>,
    }

    impl Sink for Recorder {
        fn blob(&self, blob: Blob<'_>) -> Taken {
            let mut bytes = Vec::new();
            match blob.content {
                Content::Bytes(all) => bytes.extend_from_slice(all),
                Content::Seekable(file) => {
                    file.read_to_end(&mut bytes).unwrap();
                }
                Content::Stream(_) => panic!("a file can be rewound"),
            }
            let path = blob.provenance.path().unwrap();
            let path = path.escape_bytes().to_string();
            self.blobs.lock().unwrap().push((path, bytes));
            let thread = std::thread::current().name().unwrap_or_default().to_owned();
            self.threads.lock().unwrap().push(thread);
            Taken::default()
        }

        fn skipped(&self, skipped: Skipped) {
            self.skipped.lock().unwrap().push(skipped);
        }

        fn max_size(&self) -> Option<u64> {
            self.limit
        }
    }

    impl Recorder {
        /// Paths and contents, in order of the paths.
        pub(super) fn blobs(&self) -> Vec<(String, Vec<u8>)> {
            let mut blobs = self.blobs.lock().unwrap().clone();
            blobs.sort();
            blobs
        }

        pub(super) fn skipped(&self) -> Vec<Skipped> {
            let mut skipped = self.skipped.lock().unwrap().clone();
            skipped.sort();
            skipped
        }
    }

    pub(super) fn pipe(path: &Path) {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    fn write(dir: &Path, name: &str, text: &str) {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn tree_of(files: &[&str]) -> TempDir {
        let temp = tempfile::tempdir().unwrap();
        for name in files {
            write(temp.path(), name, name);
        }
        temp
    }

    fn scan(root: &Path, options: Options) -> Recorder {
        let recorder = Recorder::default();
        Tree::survey(root, options).unwrap().visit(&recorder).unwrap();
        recorder
    }

    /// The paths below `root` that are read, sorted, and what is skipped.
    fn read_below(root: &Path, options: Options) -> (Vec<String>, Vec<Skipped>) {
        let recorder = scan(root, options);
        let prefix = format!("{}/", root.display());
        let paths = recorder
            .blobs()
            .into_iter()
            .map(|(path, _)| path.strip_prefix(&prefix).unwrap_or(&path).to_owned())
            .collect();
        (paths, recorder.skipped())
    }

    const RESPECT: Options = Options { respect_gitignore: true };

    fn refused(root: &Path) -> String {
        Tree::survey(root, Options::default()).unwrap_err().to_string()
    }

    #[test]
    fn hidden_and_ignored_files_are_read() {
        let temp = tree_of(&[".env", ".hidden/x", "a.log", "b/c/d.txt"]);
        fs::create_dir_all(temp.path().join(".git/objects")).unwrap();
        write(temp.path(), ".gitignore", "*.log\n");
        write(temp.path(), ".ignore", "d.txt\n");
        let expected = [".env", ".gitignore", ".hidden/x", ".ignore", "a.log", "b/c/d.txt"];
        let (paths, skipped) = read_below(temp.path(), Options::default());
        assert_eq!(paths, expected);
        assert_eq!(skipped, []);
    }

    #[test]
    fn ignore_rules_of_git_are_respected_on_demand() {
        let temp = tree_of(&[".env", "a.log", "sub/b.log", "sub/keep.log", "out/x", "d.txt"]);
        write(temp.path(), ".gitignore", "*.log\n");
        write(temp.path(), "sub/.gitignore", "!keep.log\n");
        write(temp.path(), ".git/info/exclude", "out/\n");
        write(temp.path(), ".ignore", "d.txt\n");
        let (paths, _) = read_below(temp.path(), RESPECT);
        let expected =
            [".env", ".git/info/exclude", ".gitignore", ".ignore", "d.txt", "sub/.gitignore", "sub/keep.log"];
        assert_eq!(paths, expected);
        // Rules from above the target hold too.
        let (paths, _) = read_below(&temp.path().join("sub"), RESPECT);
        assert_eq!(paths, [".gitignore", "keep.log"]);
    }

    #[test]
    fn ignore_rules_do_not_reach_into_git_directories() {
        let temp = tree_of(&[
            ".git/HEAD",
            ".git/logs/HEAD",
            ".git/objects/aa/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
            "bare.git/HEAD",
            "bare.git/logs/HEAD",
            "bare.git/objects/aa/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
            "bare.git/refs/heads/main",
            "logs/x",
        ]);
        write(temp.path(), ".gitignore", "logs\n");
        let (paths, _) = read_below(temp.path(), RESPECT);
        let expected = [
            ".git/HEAD",
            ".git/logs/HEAD",
            ".gitignore",
            "bare.git/HEAD",
            "bare.git/logs/HEAD",
            "bare.git/refs/heads/main",
        ];
        assert_eq!(paths, expected);
        // The bare repository itself can be ignored as anything else, `.git` can not.
        write(temp.path(), ".gitignore", "*\n");
        let (paths, _) = read_below(temp.path(), RESPECT);
        assert_eq!(paths, [".git/HEAD", ".git/logs/HEAD"]);
        let tree = Tree::survey(temp.path(), RESPECT).unwrap();
        assert_eq!(tree.repositories.len(), 1);
        let (paths, _) = read_below(&temp.path().join("bare.git"), RESPECT);
        assert_eq!(paths, ["HEAD", "logs/HEAD", "refs/heads/main"]);
    }

    #[test]
    fn a_git_directory_is_read_but_for_its_objects() {
        let mut files = vec![
            ".git/COMMIT_EDITMSG",
            ".git/HEAD",
            ".git/config",
            ".git/hooks/pre-push",
            ".git/index",
            ".git/lfs/objects/ab/cd/abcd",
            ".git/modules/x/HEAD",
            ".git/modules/x/refs/heads/main",
            ".git/packed-refs",
            ".git/refs/heads/main",
            ".git/worktrees/w/HEAD",
            "src/objects/plain",
        ];
        let kept = files.clone();
        files.extend([
            ".git/objects/ab/cdefcdefcdefcdefcdefcdefcdefcdefcdefcd",
            ".git/objects/pack/pack-1.pack",
            ".git/modules/x/objects/ab/cdefcdefcdefcdefcdefcdefcdefcdefcdefcd",
        ]);
        let temp = tree_of(&files);
        for options in [Options::default(), RESPECT] {
            assert_eq!(read_below(temp.path(), options).0, kept);
        }
    }

    #[test]
    fn paths_are_as_reached_from_the_target() {
        let here = std::env::current_dir().unwrap();
        let temp = tempfile::tempdir_in(&here).unwrap();
        write(temp.path(), "a/b.env", "x");
        let name = temp.path().strip_prefix(&here).unwrap();
        let path_for = |root: &Path| scan(root, Options::default()).blobs()[0].0.clone();
        let relative = format!("{}/a/b.env", name.display());
        assert_eq!(path_for(name), relative);
        assert_eq!(path_for(&Path::new(".").join(name).join("")), relative);
        assert_eq!(path_for(&name.join("a/./b.env")), relative);
        let absolute = temp.path().join("a/b.env");
        assert_eq!(path_for(temp.path()), absolute.display().to_string());
        let up = Path::new("..").join(here.file_name().unwrap()).join(name);
        assert_eq!(path_for(&up), up.join("a/b.env").display().to_string());
    }

    #[test]
    fn a_dot_in_front_of_a_path_is_dropped() {
        for (path, expected) in [(".", "."), ("./a/./b/", "a/b"), ("..", ".."), ("/", "/"), ("-", "-")] {
            assert_eq!(bare(Path::new(path)), Path::new(expected));
        }
    }

    #[test]
    fn what_is_no_object_is_read_even_among_objects() {
        let files = ["x/HEAD", "x/objects/ab/notes", "x/objects/key.env", "x/objects/pack/key", "x/refs/r"];
        let temp = tree_of(&files);
        let (paths, skipped) = read_below(temp.path(), Options::default());
        assert_eq!((paths, skipped.len()), (files.map(str::to_owned).to_vec(), 0));
    }

    #[test]
    fn names_are_kept_byte_by_byte() {
        let temp = tempfile::tempdir().unwrap();
        for name in [&b"a\nb"[..], b"\x1b[31mred", b"\xff\xfe"] {
            fs::write(temp.path().join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
        }
        let (paths, skipped) = read_below(temp.path(), Options::default());
        assert_eq!(paths, ["\\x1B[31mred", "\\xFF\\xFE", "a\\nb"]);
        assert_eq!(skipped, []);
    }

    #[test]
    fn a_file_or_a_link_can_be_the_target() {
        let temp = tree_of(&["real/a"]);
        symlink("real", temp.path().join("dir")).unwrap();
        symlink("real/a", temp.path().join("file")).unwrap();
        for (target, path) in [("real/a", "real/a"), ("file", "file"), ("dir", "dir/a")] {
            let recorder = scan(&temp.path().join(target), Options::default());
            let path = temp.path().join(path).display().to_string();
            assert_eq!(recorder.blobs(), [(path, b"real/a".to_vec())]);
            assert_eq!(recorder.skipped(), []);
        }
    }

    #[test]
    fn a_target_that_can_not_be_read_is_an_error() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        symlink("gone", at("broken")).unwrap();
        symlink("loop", at("loop")).unwrap();
        pipe(&at("pipe"));
        let _socket = UnixListener::bind(at("socket")).unwrap();
        for (name, why) in [
            ("missing", "does not exist"),
            ("broken", "symbolic link that leads nowhere"),
            ("loop", "symbolic link that leads nowhere"),
            ("pipe", "named pipe"),
            ("socket", "socket"),
        ] {
            let error = refused(&at(name));
            assert!(error.contains(why) && error.contains(name), "{error}");
        }
        assert!(refused(Path::new("/dev/zero")).contains("device"));
        assert!(refused(Path::new("")).contains("does not exist"));
    }

    #[test]
    fn links_are_read_as_text_and_not_followed() {
        let temp = tree_of(&["dir/a"]);
        symlink("dir", temp.path().join("to-dir")).unwrap();
        symlink("..", temp.path().join("dir/up")).unwrap();
        symlink("/etc/hostname", temp.path().join("out")).unwrap();
        let recorder = scan(temp.path(), Options::default());
        let texts: Vec<Vec<u8>> = recorder.blobs().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, [&b"dir/a"[..], b"..", b"/etc/hostname", b"dir"]);
        assert_eq!(recorder.skipped(), []);
    }

    #[test]
    fn links_that_lead_nowhere_are_told_of() {
        let temp = tree_of(&["a"]);
        symlink("gone", temp.path().join("broken")).unwrap();
        symlink("loop2", temp.path().join("loop1")).unwrap();
        symlink("loop1", temp.path().join("loop2")).unwrap();
        let (paths, skipped) = read_below(temp.path(), Options::default());
        assert_eq!(paths, ["a", "broken", "loop1", "loop2"]);
        let names: Vec<_> = skipped.iter().map(|s| &s.what[s.what.len() - 5..]).collect();
        assert_eq!(names, ["roken", "loop1", "loop2"]);
        assert!(skipped[0].why.contains("link that leads nowhere"));
    }

    #[test]
    fn what_is_no_file_is_told_of_and_the_rest_is_read() {
        let temp = tree_of(&["a", "z"]);
        pipe(&temp.path().join("pipe"));
        let _socket = UnixListener::bind(temp.path().join("socket")).unwrap();
        let (paths, skipped) = read_below(temp.path(), Options::default());
        assert_eq!(paths, ["a", "z"]);
        assert!(skipped[0].what.ends_with("pipe") && skipped[0].why.contains("named pipe"));
        assert!(skipped[1].what.ends_with("socket") && skipped[1].why.contains("socket"));
    }

    #[test]
    fn what_may_not_be_read_is_told_of_and_the_rest_is_read() {
        let temp = tree_of(&["a", "locked/b", "secret"]);
        let locked = [temp.path().join("locked"), temp.path().join("secret")];
        let set_mode = |mode| {
            for path in &locked {
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            }
        };
        set_mode(0o000);
        // Root may read everything; tests/cli/bad_input.rs drops its rights for the same test.
        let is_root = fs::File::open(&locked[1]).is_ok();
        let (paths, skipped) = read_below(temp.path(), Options::default());
        set_mode(0o700);
        if !is_root {
            assert_eq!(paths, ["a"]);
            let what: Vec<_> = skipped.iter().map(|s| Path::new(&s.what)).collect();
            assert_eq!(what, [&locked[0], &locked[1]]);
            assert!(skipped.iter().all(|s| s.why.contains("permission denied")));
        }
    }

    #[test]
    fn what_changes_after_the_listing_is_told_of() {
        let temp = tree_of(&["a", "b", "c", "d"]);
        let tree = Tree::survey(temp.path(), Options::default()).unwrap();
        for name in ["a", "b", "c"] {
            fs::remove_file(temp.path().join(name)).unwrap();
        }
        pipe(&temp.path().join("b"));
        fs::create_dir(temp.path().join("c")).unwrap();
        let recorder = Recorder::default();
        tree.visit(&recorder).unwrap();
        assert_eq!(recorder.blobs().len(), 1);
        let why: Vec<_> = recorder.skipped().into_iter().map(|s| s.why).collect();
        assert!(why[0].contains("vanished during the scan"), "{why:?}");
        assert!(why[1].contains("named pipe"), "{why:?}");
        assert!(why[2].contains("replaced"), "{why:?}");
    }

    #[test]
    fn files_are_read_by_the_threads_of_the_current_pool() {
        let names: Vec<String> = (0..200).map(|n| format!("{n}")).collect();
        let temp = tree_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let tree = Tree::survey(temp.path(), Options::default()).unwrap();
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(3).thread_name(|n| format!("scanner-{n}")).build().unwrap();
        let recorder = Recorder::default();
        pool.install(|| tree.visit(&recorder)).unwrap();
        let threads = recorder.threads.into_inner().unwrap();
        assert_eq!(threads.len(), 200);
        assert!(threads.iter().all(|name| name.starts_with("scanner-")));
    }
}
