//! Working trees and single files, and the git repositories that stand in them. What the history of a repository holds is the
//! git room's business: here its object store is left out and everything else of it is read.

use std::collections::BTreeMap;
use std::fs::{self, File, FileType};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bstr::{BString, ByteSlice, ByteVec};
use ignore::WalkBuilder;
use rayon::prelude::*;

use super::{Sink, Skipped, Source, SourceError};
use crate::blob::{Blob, Content};
use crate::provenance::{Origin, Provenance};

/// Larger files are not read into memory whole.
const WHOLE: u64 = 8 << 20;

/// The files below one target, listed, and the repositories among them.
#[derive(Debug, Default)]
pub struct Tree {
    entries: Vec<PathBuf>,
    repositories: Vec<GitDir>,
    skipped: Vec<Skipped>,
}

/// A repository found on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitDir {
    /// As a person would name it: its working tree, or itself when it has none.
    pub name: PathBuf,
    /// Where HEAD and the index of the worktree are.
    pub git_dir: PathBuf,
    /// Where objects and refs are: the same, but for linked worktrees.
    pub common_dir: PathBuf,
}

impl Tree {
    /// Lists everything below `root`, which may also be a single file. Symbolic links are not followed, only the root itself
    /// is. With `respect_gitignore` what git ignores is left out; what lies in git directories is not, whatever the rules say.
    ///
    /// # Errors
    /// When `root` is not there, can't be listed, or is neither a file nor a directory.
    pub fn open(root: &Path, respect_gitignore: bool) -> Result<Self, SourceError> {
        let failed = |why: String| SourceError { what: root.display().to_string(), why };
        let metadata = fs::metadata(root).map_err(|error| failed(unreachable_root(root, &error)))?;
        if let Some(kind) = without_content(metadata.file_type()) {
            return Err(failed(format!("it is a {kind}, neither a file nor a directory")));
        }
        let mut tree = Self::default();
        if metadata.is_file() {
            tree.entries.push(root.to_owned());
            return Ok(tree);
        }
        fs::read_dir(root).map_err(|error| failed(format!("listing the directory failed: {error}")))?;
        let mut git_dirs = tree.walk(root, respect_gitignore);
        git_dirs.extend(GitDir::of_worktree(root));
        tree.walk_outside(root, &git_dirs);
        tree.repositories = each_once(git_dirs);
        Ok(tree)
    }

    /// Every repository that stands in the tree, each once: of working trees, bare ones, those of submodules.
    pub fn repositories(&self) -> &[GitDir] {
        &self.repositories
    }

    /// Adds what is below `root` and returns the repositories seen.
    fn walk(&mut self, root: &Path, respect_gitignore: bool) -> Vec<GitDir> {
        let seen: Arc<Mutex<Vec<GitDir>>> = Arc::default();
        let git_paths: Arc<Mutex<Vec<PathBuf>>> = Arc::default();
        let (see, put_off) = (seen.clone(), git_paths.clone());
        let mut walk = WalkBuilder::new(root);
        walk.standard_filters(false).git_ignore(respect_gitignore).git_exclude(respect_gitignore);
        walk.git_global(respect_gitignore).parents(respect_gitignore);
        walk.filter_entry(move |entry| {
            let (path, name) = (entry.path(), entry.file_name());
            if name == "objects" && path.parent().is_some_and(is_git_dir) {
                push(&see, path.parent().map(GitDir::of_directory));
                return false;
            }
            if name == ".git" {
                push(&see, path.parent().and_then(GitDir::of_worktree));
                if respect_gitignore {
                    push(&put_off, Some(path.to_owned()));
                    return false;
                }
            }
            true
        });
        for entry in walk.build() {
            match entry {
                Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_dir()) => {}
                Ok(entry) => self.entries.push(entry.into_path()),
                Err(error) => self.skipped.push(unlistable(root, &error)),
            }
        }
        drop(walk);
        let mut seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
        let git_paths = std::mem::take(&mut *git_paths.lock().unwrap_or_else(PoisonError::into_inner));
        for path in git_paths {
            seen.extend(self.walk(&path, false));
        }
        seen
    }

    /// Reads the configuration, logs and so on of repositories of which only the working tree is below `root`.
    fn walk_outside(&mut self, root: &Path, git_dirs: &[GitDir]) {
        let Ok(root) = root.canonicalize() else {
            return;
        };
        let mut outside: Vec<PathBuf> =
            git_dirs.iter().filter_map(|found| found.common_dir.canonicalize().ok()).collect();
        outside.sort();
        outside.dedup();
        for common_dir in outside.iter().filter(|dir| !dir.starts_with(&root) && !root.starts_with(dir)) {
            self.walk(common_dir, false);
        }
    }
}

fn push<T>(list: &Mutex<Vec<T>>, item: Option<T>) {
    list.lock().unwrap_or_else(PoisonError::into_inner).extend(item);
}

impl GitDir {
    /// The repository of which `root` is a working tree or which stands in `root` without one.
    pub fn at(root: &Path) -> Option<Self> {
        Self::of_worktree(root).or_else(|| is_git_dir(root).then(|| Self::of_directory(root)))
    }

    /// The repository whose working tree is `worktree`: `.git` is its directory, or a file that says where that is.
    fn of_worktree(worktree: &Path) -> Option<Self> {
        let dot_git = worktree.join(".git");
        let git_dir = if dot_git.is_dir() {
            dot_git
        } else {
            let text = fs::read(&dot_git).ok()?;
            worktree.join(text.strip_prefix(b"gitdir:")?.trim().to_path().ok()?)
        };
        let common_dir = match fs::read(git_dir.join("commondir")) {
            Ok(text) => git_dir.join(text.trim().to_path().ok()?),
            Err(_) => git_dir.clone(),
        };
        is_git_dir(&common_dir).then(|| Self { name: worktree.to_owned(), git_dir, common_dir })
    }

    /// The repository that is all in `directory`.
    fn of_directory(directory: &Path) -> Self {
        let worktree = directory.parent().filter(|_| directory.file_name().is_some_and(|name| name == ".git"));
        Self {
            name: worktree.unwrap_or(directory).to_owned(),
            git_dir: directory.to_owned(),
            common_dir: directory.to_owned(),
        }
    }
}

/// As git itself decides: there is a HEAD, and there are objects and refs.
fn is_git_dir(path: &Path) -> bool {
    path.join("objects").is_dir()
        && (path.join("refs").is_dir() || path.join("reftable").is_dir())
        && path.join("HEAD").symlink_metadata().is_ok()
}

/// The shortest name for each repository: a submodule's working tree rather than its directory in `.git/modules`.
fn each_once(mut found: Vec<GitDir>) -> Vec<GitDir> {
    found.sort_by_key(|repository| (repository.name.components().count(), repository.name.clone()));
    let mut by_place = BTreeMap::new();
    for (order, repository) in found.into_iter().enumerate() {
        let place = repository.common_dir.canonicalize().unwrap_or_else(|_| repository.common_dir.clone());
        by_place.entry(place).or_insert((order, repository));
    }
    let mut once: Vec<_> = by_place.into_values().collect();
    once.sort_by_key(|(order, _)| *order);
    once.into_iter().map(|(_, repository)| repository).collect()
}

impl Source for Tree {
    fn visit(&self, sink: &dyn Sink) -> Result<(), SourceError> {
        self.skipped.iter().for_each(|skipped| sink.skipped(skipped.clone()));
        self.entries.par_iter().for_each_init(Vec::new, |buffer, path| {
            if let Err(why) = hand_out(path, buffer, sink) {
                sink.skipped(Skipped::new(shown(path).to_string(), why));
            }
        });
        Ok(())
    }
}

/// The path as it is told: without the `./` of a scan of `.`.
fn shown(path: &Path) -> BString {
    let bytes = <[u8]>::from_path(path).map_or_else(|| Vec::from_path_lossy(path).into_owned(), <[u8]>::to_vec);
    bytes.strip_prefix(b"./").filter(|rest| !rest.is_empty()).unwrap_or(&bytes).into()
}

/// Reads one file and hands it out; the error says why it could not be read.
fn hand_out(path: &Path, buffer: &mut Vec<u8>, sink: &dyn Sink) -> Result<(), String> {
    let metadata = fs::symlink_metadata(path).map_err(|error| gone(&error))?;
    let provenance = Provenance::new(Origin::File { path: shown(path) });
    if metadata.is_symlink() {
        return link(path, provenance, sink);
    }
    // Opening a FIFO would wait for somebody to write to it.
    refuse_special(metadata.file_type())?;
    let mut file = File::open(path).map_err(|error| gone(&error))?;
    refuse_special(file.metadata().map_err(|error| gone(&error))?.file_type())?;
    match sink.max_size() {
        Some(limit) if metadata.len() > limit => {
            sink.skipped(Skipped::too_large(shown(path).to_string(), metadata.len(), limit));
            return Ok(());
        }
        _ => {}
    }
    let steady = read(&mut file, buffer).map_err(|error| format!("reading it failed: {error}"))?;
    let content = if buffer.len() as u64 > WHOLE {
        file.rewind().map_err(|error| format!("reading it failed: {error}"))?;
        Content::Seekable(&mut file)
    } else {
        Content::Bytes(buffer)
    };
    sink.blob(Blob { provenance, content });
    if steady { Ok(()) } else { Err("it changed while it was read; what was read was scanned".to_owned()) }
}

/// Reads the file whole, or its first bytes when it is large; once more if it changed meanwhile. Says whether it held still.
fn read(file: &mut File, buffer: &mut Vec<u8>) -> io::Result<bool> {
    let stamp = |file: &File| file.metadata().map(|metadata| (metadata.len(), metadata.modified().ok()));
    for _ in 0..2 {
        let before = stamp(file)?;
        file.rewind()?;
        buffer.clear();
        file.take(WHOLE + 1).read_to_end(buffer)?;
        if stamp(file)? == before {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A link's own text is scanned, as git would keep it; where it leads to nothing, that is told.
fn link(path: &Path, provenance: Provenance, sink: &dyn Sink) -> Result<(), String> {
    let target = fs::read_link(path).map_err(|error| gone(&error))?;
    let text = <[u8]>::from_path(&target).unwrap_or_default();
    sink.blob(Blob { provenance, content: Content::Bytes(text) });
    match fs::metadata(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err("it is a broken symbolic link: what it points at is not there".to_owned())
        }
        Err(error) => Err(format!("it is a symbolic link that can't be followed: {error}")),
    }
}

fn refuse_special(kind: FileType) -> Result<(), String> {
    match without_content(kind) {
        Some(kind) => Err(format!("it is a {kind} and has no content to read")),
        None => Ok(()),
    }
}

fn gone(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it vanished during the scan".to_owned(),
        io::ErrorKind::PermissionDenied => "reading it is not permitted; run as its owner to scan it too".to_owned(),
        _ => format!("opening it failed: {error}"),
    }
}

fn unreachable_root(root: &Path, error: &io::Error) -> String {
    let is_link = fs::symlink_metadata(root).is_ok_and(|metadata| metadata.is_symlink());
    match error.kind() {
        io::ErrorKind::NotFound if is_link => "it is a broken symbolic link".to_owned(),
        io::ErrorKind::NotFound => "there is no such file or directory".to_owned(),
        _ => error.to_string(),
    }
}

fn unlistable(root: &Path, error: &ignore::Error) -> Skipped {
    let (mut path, mut inner) = (root, error);
    loop {
        inner = match inner {
            ignore::Error::WithPath { path: at, err } => {
                path = at;
                err
            }
            ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => err,
            _ => break,
        };
    }
    let why = match inner.io_error() {
        Some(error) => gone(error),
        None => inner.to_string(),
    };
    Skipped::new(shown(path).to_string(), why)
}

/// What the file is, if it is nothing that has content.
#[cfg(unix)]
fn without_content(kind: FileType) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;
    match () {
        () if kind.is_fifo() => Some("FIFO"),
        () if kind.is_socket() => Some("socket"),
        () if kind.is_char_device() || kind.is_block_device() => Some("device"),
        () => None,
    }
}

#[cfg(not(unix))]
fn without_content(_kind: FileType) -> Option<&'static str> {
    None
}
