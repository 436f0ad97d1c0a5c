//! What a repository's names point at: branches, tags, notes, stashes, and the HEAD of every linked worktree.
//!
//! Read from the files themselves, because a repository that belongs to somebody else or uses an extension that libgit2 does not
//! know is to be scanned like any other.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use bstr::{BStr, BString, ByteSlice, ByteVec};

use crate::blob::ObjectId;
use crate::source::Skipped;
use crate::source::tree::read_small;

/// Git follows no more names of names either.
const MOST_LINKS: usize = 5;

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

/// What HEAD of a worktree leads to, without a look at any other name; `None` on a branch that has no commit yet.
///
/// # Errors
/// When there is no HEAD, or it can't be read: why.
pub(super) fn head(git_dir: &Path, common_dir: &Path) -> Result<Option<ObjectId>, String> {
    if common_dir.join("reftable").is_dir() {
        let mut refs = Refs::default();
        let head = refs.git(git_dir, &["rev-parse", "--verify", "--quiet", "HEAD"]);
        return refs.skipped.pop().map_or(Ok(ObjectId::from_hex(head.trim())), |skipped| Err(skipped.why));
    }
    let path = git_dir.join("HEAD");
    let mut text = match read_small(&path) {
        // A link to the file of a branch that is not there yet.
        Err(_) if fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) => return Ok(None),
        text => text.map_err(|error| format!("reading its HEAD failed: {error}; is it a git repository?"))?,
    };
    for _ in 0..MOST_LINKS {
        let Some(name) = text.strip_prefix(b"ref:").map(|name| BString::from(name.trim())) else {
            let id = ObjectId::from_hex(text.trim());
            return id.map(Some).ok_or_else(|| "its HEAD, or what that names, holds no name and no id".to_owned());
        };
        match named(git_dir, common_dir, name.as_bstr()) {
            Ok(found) => text = found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("reading its {name} failed: {error}")),
        }
    }
    Err(format!("its HEAD leads on and on, through more than {MOST_LINKS} names"))
}

/// What one ref says.
fn named(git_dir: &Path, common_dir: &Path, name: &BStr) -> io::Result<Vec<u8>> {
    let is_plain = name.starts_with(b"refs/") && name.split_str("/").all(|part| !matches!(part, b"" | b"." | b".."));
    if !is_plain {
        return Err(io::Error::other("it is no name of a ref"));
    }
    let is_own = [&b"refs/bisect/"[..], b"refs/worktree/", b"refs/rewritten/"].iter().any(|own| name.starts_with(own));
    let path = if is_own { git_dir } else { common_dir }.join(name.to_path_lossy());
    match read_small(&path) {
        // A directory of that name holds others.
        Err(error) if error.kind() == io::ErrorKind::NotFound || path.is_dir() => {}
        text => return text,
    }
    let packed = read_small(&common_dir.join("packed-refs"))?;
    let line = [b" ", name.as_bytes(), b"\n"].concat();
    let end = packed.find(&line).ok_or(io::ErrorKind::NotFound)?;
    let start = packed[..end].rfind_byte(b'\n').map_or(0, |newline| newline + 1);
    Ok(packed[start..end].to_vec())
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

    /// What a name leads to, also by way of other names.
    fn resolved(&self, name: &BString) -> Option<ObjectId> {
        let mut name = name;
        for _ in 0..MOST_LINKS {
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
        let named = self.git(git_dir, &["for-each-ref", "--format=%(objectname) %(refname)"]);
        let head = self.git(git_dir, &["rev-parse", "--verify", "--quiet", "HEAD"]);
        self.head = ObjectId::from_hex(head.trim());
        self.named.extend(named.lines().filter_map(|line| {
            let (id, name) = line.split_once_str(" ")?;
            Some((name.into(), ObjectId::from_hex(id)?))
        }));
    }

    /// What git says; what it complains of is noted. That there is no such name is no complaint.
    fn git(&mut self, git_dir: &Path, arguments: &[&str]) -> Vec<u8> {
        let mut command = super::git_command();
        let output = command.args(["-c", "safe.directory=*", "--git-dir"]).arg(git_dir).args(arguments).output();
        match output {
            Ok(output) if output.status.success() || output.stderr.is_empty() => output.stdout,
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
