//! Git directories as they lie on disk: which directory is one, and where a `.git` file leads. Nothing is opened but two kinds of
//! one-line files; whether a repository is sound is `source::git`'s to say.
//!
//! Layout and file formats: <https://git-scm.com/docs/gitrepository-layout>.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use bstr::ByteSlice;

use super::read;

/// What git calls the directory, file or link at the top of a working tree.
pub(super) const DOT_GIT: &str = ".git";

/// A pointer to a directory is no longer than this many bytes.
const POINTER: u64 = 8 << 10;

/// A git repository that a walk has come by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitDir {
    /// `$GIT_DIR`: where HEAD is. Of a repository with linked worktrees it is the main one's, unless only a linked one was seen.
    pub git_dir: PathBuf,
    /// `$GIT_COMMON_DIR`: where objects and refs are, as an absolute path without links.
    pub common_dir: PathBuf,
    /// The directory whose `.git` led here; `None` for a bare repository, and for a submodule whose checkout was not seen.
    pub work_tree: Option<PathBuf>,
}

impl GitDir {
    /// The repository of which `root` is a working tree, or which `root` itself is.
    ///
    /// # Errors
    /// As for a `.git` file that leads nowhere.
    pub fn of(root: &Path) -> Result<Option<Self>, String> {
        match Self::at(&root.join(DOT_GIT))? {
            Some(found) => Ok(Some(found)),
            None => Self::at(root),
        }
    }

    /// The repository of the working tree that holds `start`, or that `start` is in itself, as git looks for it: here, then further up.
    ///
    /// # Errors
    /// As for a `.git` file that leads nowhere.
    pub fn around(start: &Path) -> Result<Option<Self>, String> {
        if let Some(found) = Self::of(start)? {
            return Ok(Some(found));
        }
        let start = start.canonicalize().map_err(|error| format!("it can't be opened: {error}"))?;
        start.ancestors().skip(1).find_map(|above| Self::of(above).transpose()).transpose()
    }

    /// The git directory that `path` is, or leads to as a `.git` file. `None` for a directory that is no git directory.
    ///
    /// # Errors
    /// When a `.git` file does not lead to a git directory: how it fails and what to try.
    pub(in crate::source) fn at(path: &Path) -> Result<Option<Self>, String> {
        let dot_git = path.file_name().is_some_and(|name| name == DOT_GIT);
        let is_pointer = dot_git && path.is_file();
        if !dot_git && fs::symlink_metadata(path.join("HEAD")).is_err() {
            return Ok(None);
        }
        let git_dir = if is_pointer {
            pointer(path, b"gitdir: ").ok_or("it holds no `gitdir: …`, as a .git file must")?
        } else {
            path.to_path_buf()
        };
        let common_dir = pointer(&git_dir.join("commondir"), b"").unwrap_or_else(|| git_dir.clone());
        if !is_git_dir(&common_dir) && is_pointer {
            return Err(format!(
                "it points to {}, where there is no git repository, so no history was read; \
                 `git worktree repair` or `git submodule update --init` may mend it",
                git_dir.display()
            ));
        }
        Ok(is_git_dir(&common_dir).then(|| Self {
            common_dir: fs::canonicalize(&common_dir).unwrap_or(common_dir),
            work_tree: dot_git.then(|| work_tree(path)),
            git_dir,
        }))
    }

    /// Takes in what is known of the same repository from elsewhere.
    pub(super) fn join(&mut self, other: &Self) {
        let is_linked = |dir: &Self| dir.git_dir.join("commondir").is_file();
        if is_linked(self) && !is_linked(other) {
            *self = other.clone();
        } else if is_linked(self) == is_linked(other) && self.work_tree.is_none() {
            self.work_tree.clone_from(&other.work_tree);
        }
    }
}

/// Whether a directory is laid out as git lays out its own, with a store of objects. What is called `.git` and has objects is one
/// however broken the rest is: its objects are history's to read, or to fail at.
pub(super) fn is_git_dir(dir: &Path) -> bool {
    let is_named = dir.file_name().is_some_and(|name| name == DOT_GIT);
    dir.join("objects").is_dir()
        && (is_named || (dir.join("refs").is_dir() && fs::symlink_metadata(dir.join("HEAD")).is_ok()))
}

/// Where a file leads that holds `prefix`, a path and a newline; relative paths are from the file's own directory.
fn pointer(file: &Path, prefix: &[u8]) -> Option<PathBuf> {
    let (opened, _) = read::open(file, read::Links::Follow).ok()?;
    let mut text = Vec::new();
    opened.take(POINTER).read_to_end(&mut text).ok()?;
    let path = text.strip_prefix(prefix)?.trim_end_with(|c| matches!(c, '\n' | '\r'));
    (!path.is_empty()).then(|| file.parent().unwrap_or(file).join(path.to_path_lossy()))
}

fn work_tree(dot_git: &Path) -> PathBuf {
    match dot_git.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::source::tree::{Options, Tree};

    /// Runs git in `dir`, away from whatever is configured on this machine.
    fn git(dir: &Path, args: &[&str]) {
        let output = Command::new("git")
            .args(["-c", "protocol.file.allow=always", "-c", "user.name=T"])
            .args(["-c", "user.email=t@example.org", "-C"])
            .arg(dir)
            .args(args)
            .env_remove("GIT_DIR")
            .env_remove("GIT_INDEX_FILE")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {output:?}");
    }

    fn repository(dir: &Path) {
        fs::create_dir_all(dir).unwrap();
        git(dir, &["init", "-q"]);
        git(dir, &["commit", "-q", "--allow-empty", "-m", "first"]);
    }

    /// What a survey of `root` lists, with common directories told from `base`.
    fn listed(root: &Path, base: &Path) -> Vec<(PathBuf, Option<PathBuf>)> {
        let base = fs::canonicalize(base).unwrap();
        let tree = Tree::survey(root, Options::default()).unwrap();
        assert_eq!(tree.unresolved, []);
        let strip = |path: &Path| path.strip_prefix(&base).unwrap().to_path_buf();
        tree.repositories
            .iter()
            .map(|found| {
                let work_tree = found.work_tree.as_deref();
                (strip(&found.common_dir), work_tree.map(|dir| strip(&fs::canonicalize(dir).unwrap())))
            })
            .collect()
    }

    fn pair(common_dir: &str, work_tree: Option<&str>) -> (PathBuf, Option<PathBuf>) {
        (common_dir.into(), work_tree.map(PathBuf::from))
    }

    #[test]
    fn every_repository_is_listed_once_however_many_ways_lead_to_it() {
        let temp = tempfile::tempdir().unwrap();
        let base = temp.path();
        repository(&base.join("library"));
        let main = base.join("main");
        repository(&main);
        git(&main, &["submodule", "add", "-q", "../library", "sub"]);
        git(&main, &["worktree", "add", "-q", "linked"]);
        git(&main, &["worktree", "add", "-q", "../outside"]);
        git(base, &["clone", "-q", "--bare", "library", "main/bare.git"]);
        repository(&main.join("nested/deep"));

        assert_eq!(
            listed(&main, base),
            [
                pair("main/.git", Some("main")),
                pair("main/.git/modules/sub", Some("main/sub")),
                pair("main/bare.git", None),
                pair("main/nested/deep/.git", Some("main/nested/deep")),
            ]
        );
        // Targets whose repository lies elsewhere.
        let linked = [pair("main/.git", Some("outside"))];
        assert_eq!(listed(&base.join("outside"), base), linked);
        let sub = [pair("main/.git/modules/sub", Some("main/sub"))];
        assert_eq!(listed(&main.join("sub"), base), sub);
        // Targets that are git directories.
        let bare = [pair("main/bare.git", None)];
        assert_eq!(listed(&main.join("bare.git"), base), bare);
        let git_dir = listed(&main.join(".git"), base);
        assert_eq!(git_dir[0], pair("main/.git", Some("main")));
    }

    #[test]
    fn the_main_git_dir_stands_for_its_linked_worktrees_in_any_order() {
        let temp = tempfile::tempdir().unwrap();
        let main = temp.path().join("main");
        repository(&main);
        git(&main, &["worktree", "add", "-q", "../linked"]);
        let a = GitDir::at(&main.join(".git")).unwrap().unwrap();
        let b = GitDir::at(&temp.path().join("linked/.git")).unwrap().unwrap();
        assert_eq!(a.common_dir, b.common_dir);
        assert!(b.git_dir.ends_with(".git/worktrees/linked"), "{b:?}");
        let joined = |mut one: GitDir, other: &GitDir| {
            one.join(other);
            one
        };
        assert_eq!(joined(a.clone(), &b), a);
        assert_eq!(joined(b, &a), a);
    }

    #[test]
    fn a_link_called_dot_git_leads_to_its_repository() {
        let temp = tempfile::tempdir().unwrap();
        repository(&temp.path().join("real"));
        let work = temp.path().join("work");
        fs::create_dir(&work).unwrap();
        std::os::unix::fs::symlink("../real/.git", work.join(".git")).unwrap();
        assert_eq!(listed(&work, temp.path()), [pair("real/.git", Some("work"))]);
    }

    #[test]
    fn a_dot_git_file_that_leads_nowhere_is_told_of_apart() {
        let temp = tempfile::tempdir().unwrap();
        for (dir, text) in [("moved", "gitdir: ../gone/.git/worktrees/x\n"), ("odd", "hello")] {
            fs::create_dir(temp.path().join(dir)).unwrap();
            fs::write(temp.path().join(dir).join(".git"), text).unwrap();
        }
        let mut tree = Tree::survey(temp.path(), Options::default()).unwrap();
        tree.unresolved.sort();
        let [moved, odd] = &tree.unresolved[..] else { panic!("{:?}", tree.unresolved) };
        assert!(moved.what.ends_with("moved/.git"), "{moved:?}");
        assert!(moved.why.contains("gone/.git/worktrees/x"), "{moved:?}");
        assert!(odd.why.contains("gitdir"), "{odd:?}");
        assert_eq!((tree.repositories, tree.skipped), (vec![], vec![]));
    }

    #[test]
    fn a_broken_repository_is_still_listed_so_that_its_history_is_missed() {
        let temp = tempfile::tempdir().unwrap();
        repository(temp.path());
        fs::remove_file(temp.path().join(".git/HEAD")).unwrap();
        assert_eq!(listed(temp.path(), temp.path()), [pair(".git", Some(""))]);
    }

    #[test]
    fn directories_that_only_remind_of_git_are_none() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join("a/objects")).unwrap();
        fs::write(temp.path().join("a/HEAD"), "ref: refs/heads/main").unwrap();
        fs::create_dir_all(temp.path().join("b/.git")).unwrap();
        assert_eq!(listed(temp.path(), temp.path()), []);
    }

    #[test]
    fn a_pipe_in_the_place_of_a_pointer_is_not_waited_for() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("HEAD"), "x").unwrap();
        let pipe = temp.path().join("commondir");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(GitDir::at(temp.path()), Ok(None));
    }
}
