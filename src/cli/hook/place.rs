//! Where git looks for hooks: that is left to git itself, which knows every way to say it. What else has a hand in there is told by its
//! files.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use bstr::{ByteSlice, ByteVec};

/// Where the hooks of a repository are.
#[derive(Debug)]
pub(super) struct Place {
    /// The directory, which need not be there yet.
    pub(super) directory: PathBuf,
    pub(super) is_bare: bool,
    pub(super) reach: Reach,
}

/// For whom the hooks of a directory are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// For this repository on this machine.
    Own,
    /// For all who have the repository: the directory is a part of it.
    Shared,
    /// For other repositories, too: the user or the machine is configured so.
    Others,
}

impl Place {
    /// Of the repository that a directory belongs to.
    ///
    /// # Errors
    /// When there is none, and when git can't be asked.
    pub(super) fn of(target: &Path) -> Result<Self> {
        let Some(hooks) = git(target, &["rev-parse", "--git-path", "hooks"])? else {
            bail!("{} is in no git repository; `git init` makes one", target.display());
        };
        let is_bare = git(target, &["rev-parse", "--is-bare-repository"])?.is_some_and(|is| is == Path::new("true"));
        let root = git(target, &["rev-parse", "--show-toplevel"])?;
        let scope = git(target, &["config", "--show-scope", "--get", "core.hooksPath"])?;
        let (scope, path) = scope.as_ref().and_then(|scope| scope.to_str()?.split_once('\t')).unzip();
        if path == Some("") {
            bail!(
                "core.hooksPath is set to nothing, so git runs no hooks in {}; `git config --show-origin core.hooksPath` says where: take it \
                 out or name a directory there, then try again",
                target.display()
            );
        }
        let hooks = if target == Path::new(".") { hooks } else { target.join(hooks) };
        let directory = without_husky(&hooks);
        let is_inside =
            root.is_some_and(|root| is_below(&directory, &root) && !is_below(&directory, &root.join(".git")));
        let reach = match scope {
            Some("global" | "system") => Reach::Others,
            _ if is_inside => Reach::Shared,
            _ => Reach::Own,
        };
        Ok(Self { directory, is_bare, reach })
    }
}

/// What husky puts into `.husky/_` it writes anew each time it is installed; hooks of one's own are in the directory above.
fn without_husky(hooks: &Path) -> PathBuf {
    let is_husky = hooks.ends_with(".husky/_") || (hooks.ends_with("_") && hooks.join("h").is_file());
    hooks.parent().filter(|_| is_husky).unwrap_or(hooks).to_owned()
}

fn is_below(directory: &Path, root: &Path) -> bool {
    let found = directory.ancestors().find_map(|above| above.canonicalize().ok());
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    found.is_some_and(|found| found.starts_with(root))
}

/// What git says, as a path; `None` if it says that there is no such thing.
fn git(target: &Path, arguments: &[&str]) -> Result<Option<PathBuf>> {
    let output = Command::new("git").arg("-C").arg(target).args(arguments).output();
    let output = output.context("running git failed; is it installed?")?;
    let said = output.stdout.trim_end_with(|c| matches!(c, '\n' | '\r')).to_vec();
    Ok(output.status.success().then(|| said.into_path_buf_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_of_husky_are_above_what_it_writes() {
        for (given, expected) in [(".husky/_", ".husky"), ("a/.husky/_", "a/.husky"), (".husky", ".husky"), ("_", "_")]
        {
            assert_eq!(without_husky(Path::new(given)), Path::new(expected));
        }
        let temp = tempfile::tempdir().unwrap();
        let hooks = temp.path().join("config/_");
        std::fs::create_dir_all(&hooks).unwrap();
        assert_eq!(without_husky(&hooks), hooks);
        std::fs::write(hooks.join("h"), "").unwrap();
        assert_eq!(without_husky(&hooks), temp.path().join("config"));
    }
}
