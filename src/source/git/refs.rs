//! What a repository's names point at: branches, tags, notes, stashes, and the HEAD of every linked worktree.
//!
//! Read from the files themselves, because a repository that belongs to somebody else or uses an extension that libgit2 does not
//! know is to be scanned like any other.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use bstr::{BString, ByteSlice, ByteVec};

use crate::blob::ObjectId;
use crate::source::Skipped;
use crate::source::tree::read_small;

/// The names of one repository, resolved.
#[derive(Debug, Default)]
pub(super) struct Refs {
    /// Full name to object, e.g. `refs/heads/main`; HEADs of worktrees are among them.
    pub(super) named: BTreeMap<BString, ObjectId>,
    /// What HEAD of the scanned worktree leads to, when it leads to anything.
    pub(super) head: Option<ObjectId>,
    /// The branch that HEAD names, when it does.
    pub(super) head_branch: Option<BString>,
    /// All entries of `git stash list`, the newest of which is a ref besides.
    pub(super) stashes: Vec<ObjectId>,
    pub(super) skipped: Vec<Skipped>,
    /// Names that stand for other names, `refs/remotes/origin/HEAD` above all.
    symbolic: BTreeMap<BString, BString>,
}

/// Reads the refs of the repository at `common_dir`, with the HEAD of the worktree whose git dir is `git_dir`.
pub(super) fn read(git_dir: &Path, common_dir: &Path) -> Refs {
    let mut refs = Refs::default();
    if common_dir.join("reftable").is_dir() {
        refs.ask_git(git_dir);
        return refs;
    }
    refs.packed(&common_dir.join("packed-refs"));
    refs.loose(common_dir, b"refs");
    let resolved: Vec<_> = refs.symbolic.keys().filter_map(|name| Some((name.clone(), refs.resolved(name)?))).collect();
    refs.named.extend(resolved);
    let worktrees = fs::read_dir(common_dir.join("worktrees")).into_iter().flatten().flatten();
    for worktree in worktrees {
        let head = refs.head_of(&worktree.path()).1;
        let name = [b"worktrees/", worktree.file_name().as_encoded_bytes(), b"/HEAD"].concat();
        refs.named.extend(head.map(|id| (name.into(), id)));
    }
    (refs.head_branch, refs.head) = refs.head_of(git_dir);
    let main_head = refs.head_of(common_dir).1;
    refs.named.extend(main_head.map(|id| ("HEAD".into(), id)));
    refs.stashes(&common_dir.join("logs/refs/stash"));
    refs
}

impl Refs {
    /// Every object that a name leads to.
    pub(super) fn tips(&self) -> impl Iterator<Item = ObjectId> + '_ {
        self.named.values().chain(&self.stashes).chain(&self.head).copied()
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        if error.kind() != io::ErrorKind::NotFound {
            let why = format!("reading refs failed: {error}; what a commit is reachable from may be wrong");
            self.skipped.push(Skipped::new(path.display().to_string(), why));
        }
    }

    /// Lines of `id name`; a line of `^id` tells what the tag before it peels to.
    fn packed(&mut self, path: &Path) {
        match read_small(path) {
            Ok(text) => self.named.extend(text.lines().filter_map(|line| {
                let (id, name) = line.split_once_str(" ")?;
                Some((name.into(), ObjectId::from_hex(id)?))
            })),
            Err(error) => self.unreadable(path, &error),
        }
    }

    fn loose(&mut self, common_dir: &Path, name: &[u8]) {
        let mut waiting = vec![BString::from(name)];
        while let Some(name) = waiting.pop() {
            let path = common_dir.join(name.to_path_lossy());
            let entries = match fs::read_dir(&path) {
                Ok(entries) => entries,
                Err(error) => {
                    self.unreadable(&path, &error);
                    continue;
                }
            };
            for entry in entries.flatten() {
                let mut name = name.clone();
                name.push_byte(b'/');
                name.extend_from_slice(entry.file_name().as_encoded_bytes());
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    waiting.push(name);
                    continue;
                }
                match read_small(&entry.path()) {
                    Ok(text) => match text.strip_prefix(b"ref:") {
                        Some(target) => drop(self.symbolic.insert(name, target.trim().into())),
                        None => self.named.extend(ObjectId::from_hex(text.trim()).map(|id| (name, id))),
                    },
                    Err(error) => self.unreadable(&entry.path(), &error),
                }
            }
        }
    }

    /// What a name leads to, also by way of other names; git follows no more than five either.
    fn resolved(&self, name: &BString) -> Option<ObjectId> {
        let mut name = name;
        for _ in 0..5 {
            match self.symbolic.get(name) {
                Some(target) => name = target,
                None => break,
            }
        }
        self.named.get(name).copied()
    }

    /// The branch that a HEAD names, and what it leads to.
    fn head_of(&self, git_dir: &Path) -> (Option<BString>, Option<ObjectId>) {
        let text = read_small(&git_dir.join("HEAD")).unwrap_or_default();
        match text.strip_prefix(b"ref:") {
            Some(name) => {
                let name = BString::from(name.trim());
                let id = self.resolved(&name);
                (Some(name), id)
            }
            None => (None, ObjectId::from_hex(text.trim())),
        }
    }

    /// Older stashes stand only in the log of the newest.
    fn stashes(&mut self, log: &Path) {
        match read_small(log) {
            Ok(text) => {
                self.stashes = text.lines().filter_map(|line| ObjectId::from_hex(line.fields().nth(1)?)).collect();
            }
            Err(error) => self.unreadable(log, &error),
        }
    }

    /// Refs in the reftable format are left to the user's own git, whose format it is.
    fn ask_git(&mut self, git_dir: &Path) {
        let mut git = |arguments: &[&str]| {
            let output = super::git_command()
                .args(["-c", "safe.directory=*", "--git-dir"])
                .arg(git_dir)
                .args(arguments)
                .output();
            match output {
                Ok(output) if output.status.success() => output.stdout,
                Ok(output) => {
                    let said = output.stderr.trim().to_str_lossy().into_owned();
                    self.unreadable(git_dir, &io::Error::other(format!("git could not read its reftable: {said}")));
                    Vec::new()
                }
                Err(error) => {
                    self.unreadable(git_dir, &io::Error::other(format!("its reftable needs git to be read: {error}")));
                    Vec::new()
                }
            }
        };
        let named = git(&["for-each-ref", "--format=%(objectname) %(refname)"]);
        let head = git(&["rev-parse", "--verify", "--quiet", "HEAD"]);
        self.head = ObjectId::from_hex(head.trim());
        self.named.extend(named.lines().filter_map(|line| {
            let (id, name) = line.split_once_str(" ")?;
            Some((name.into(), ObjectId::from_hex(id)?))
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "1111111111111111111111111111111111111111";
    const B: &str = "2222222222222222222222222222222222222222";
    const C: &str = "3333333333333333333333333333333333333333";

    fn repository(files: &[(&str, String)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn read_one(files: &[(&str, String)]) -> Refs {
        let dir = repository(files);
        read(dir.path(), dir.path())
    }

    #[test]
    fn a_loose_ref_wins_over_a_packed_one() {
        let refs = read_one(&[
            ("packed-refs", format!("# pack-refs with: peeled\n{A} refs/heads/main\n{A} refs/tags/v1\n^{C}\n")),
            ("refs/heads/main", format!("{B}\n")),
            ("HEAD", "ref: refs/heads/main\n".to_owned()),
        ]);
        assert_eq!(refs.head.unwrap().to_string(), B);
        assert_eq!(refs.named[&BString::from("refs/tags/v1")].to_string(), A);
        assert_eq!(refs.head_branch.unwrap(), "refs/heads/main");
        assert!(refs.skipped.is_empty());
    }

    #[test]
    fn names_that_stand_for_names_are_followed_and_circles_end() {
        let refs = read_one(&[
            ("refs/heads/main", format!("{A}\n")),
            ("refs/heads/alias", "ref: refs/heads/main\n".to_owned()),
            ("refs/remotes/origin/HEAD", "ref: refs/heads/alias\n".to_owned()),
            ("refs/heads/circle", "ref: refs/heads/circle\n".to_owned()),
            ("HEAD", "ref: refs/heads/alias\n".to_owned()),
        ]);
        assert_eq!(refs.head.unwrap().to_string(), A);
        assert_eq!(refs.named[&BString::from("refs/remotes/origin/HEAD")].to_string(), A);
        assert!(!refs.named.contains_key(&BString::from("refs/heads/circle")));
    }

    #[test]
    fn an_unborn_branch_has_no_head() {
        let refs = read_one(&[("HEAD", "ref: refs/heads/main\n".to_owned())]);
        assert!(refs.head.is_none() && refs.named.is_empty());
    }

    #[test]
    fn worktrees_and_older_stashes_are_tips() {
        let refs = read_one(&[
            ("HEAD", A.to_owned()),
            ("worktrees/w/HEAD", B.to_owned()),
            ("logs/refs/stash", format!("{A} {C} A U Thor <a@example.com> 1700000000 +0000\tWIP\n")),
        ]);
        let tips: Vec<String> = refs.tips().map(|id| id.to_string()).collect();
        for id in [A, B, C] {
            assert!(tips.iter().any(|tip| tip == id), "{id}");
        }
    }

    #[test]
    fn nonsense_in_a_ref_is_passed_over() {
        let refs = read_one(&[("refs/heads/x", "not an id".to_owned()), ("packed-refs", "\n \nzz refs\n".to_owned())]);
        assert!(refs.named.is_empty());
    }
}
