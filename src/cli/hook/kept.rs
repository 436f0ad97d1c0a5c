//! What was there before a hook of this program. It keeps its name, its mode and its place in the tree, because hooks find out by them what
//! they are and where their files are: it is moved to a directory beside that of the hooks, and from there it reaches by the same
//! relative paths what it has reached before.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::HookType;

/// Where a hook is kept.
pub(super) struct Kept {
    name: &'static str,
    /// The directory that git looks in.
    hooks: PathBuf,
    directory: PathBuf,
}

/// At the end of the directory's name. The scripts know it, too.
const KEPT: &str = "before-keysweep";

impl Kept {
    pub(super) fn of(hooks: &Path, hook: HookType) -> Self {
        // Who reaches the directory by a link must find there what is kept, too.
        let hooks = hooks.canonicalize().or_else(|_| std::path::absolute(hooks)).unwrap_or_else(|_| hooks.to_owned());
        let mut directory = hooks.clone().into_os_string();
        directory.push(".");
        directory.push(KEPT);
        Self { name: hook.name(), hooks, directory: directory.into() }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.join(self.name)
    }

    pub(super) fn is_there(&self) -> bool {
        is_there(&self.path())
    }

    /// Moves a hook here.
    ///
    /// # Errors
    /// When there is one already, and when it can't be moved; then it is where it was.
    pub(super) fn keep(&self, from: &Path) -> Result<()> {
        let kept = self.path();
        if self.is_there() {
            bail!(
                "{} is another hook, and {} is there already from an earlier time: remove or rename the one that is not needed, then \
                 install again",
                from.display(),
                kept.display()
            );
        }
        fs::create_dir_all(&self.directory)
            .with_context(|| format!("making the directory {} failed", self.directory.display()))?;
        let moved = self.link_others().and_then(|()| self.take(from, &kept));
        if moved.is_err() {
            self.tidy();
        }
        moved.with_context(|| format!("moving {} to {} failed", from.display(), kept.display()))
    }

    /// Moves the hook back.
    ///
    /// # Errors
    /// When it can't be moved.
    pub(super) fn restore(&self, to: &Path) -> Result<()> {
        let kept = self.path();
        let failed = || format!("moving {} to {} failed", kept.display(), to.display());
        if let Some(target) =
            fs::read_link(&kept).ok().as_ref().and_then(|link| link.to_str()?.strip_prefix(&self.led_back()))
        {
            relink(&kept, Path::new(target)).with_context(failed)?;
        }
        // In one step: at no time is there no hook.
        fs::rename(&kept, to).with_context(failed)?;
        self.mend().with_context(|| format!("seeing to the links in {} failed", self.directory.display()))?;
        self.tidy();
        Ok(())
    }

    /// From here to the directory of the hooks.
    fn back(&self) -> PathBuf {
        Path::new("..").join(self.hooks.file_name().unwrap_or_default())
    }

    /// How links begin that were made to lead there when they were moved: nobody else writes them so.
    fn led_back(&self) -> String {
        format!("{}/./", self.back().display())
    }

    fn take(&self, from: &Path, kept: &Path) -> io::Result<()> {
        fs::rename(from, kept)?;
        self.mend().or_else(|error| fs::rename(kept, from).and(Err(error)))
    }

    /// Links to other hooks lead to them wherever those are: here, if they are kept too.
    fn mend(&self) -> io::Result<()> {
        for hook in HookType::ALL {
            let kept = self.directory.join(hook.name());
            let Some(link) = fs::read_link(&kept).ok().and_then(|link| link.into_os_string().into_string().ok()) else {
                continue;
            };
            let target = link.strip_prefix(&self.led_back()).unwrap_or(&link);
            let is_elsewhere = !self.directory.join(target).exists() && self.hooks.join(target).exists();
            let led = if is_elsewhere { self.led_back() + target } else { target.to_owned() };
            if led != link {
                relink(&kept, Path::new(&led))?;
            }
        }
        Ok(())
    }

    /// Makes what is beside the hooks be beside those that are kept, too.
    fn link_others(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.hooks)? {
            let name = entry?.file_name();
            let here = self.directory.join(&name);
            if !is_hook(&name) && !is_there(&here) {
                link(&self.back().join(&name), &here)?;
            }
        }
        Ok(())
    }

    /// Removes the links, and the directory, if nothing is kept any more.
    fn tidy(&self) {
        let Ok(entries) = fs::read_dir(&self.directory) else { return };
        let all: Vec<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
        let is_link = |name: &OsString| {
            fs::read_link(self.directory.join(name)).is_ok_and(|link| !is_hook(name) && link == self.back().join(name))
        };
        if all.iter().all(is_link) {
            all.iter().for_each(|name| drop(fs::remove_file(self.directory.join(name))));
            // What somebody else has put there in the meantime is left alone.
            let _ = fs::remove_dir(&self.directory);
        }
    }
}

/// Hooks, and what git puts beside them to be read by people.
fn is_hook(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    let stem = name.strip_suffix(".legacy").unwrap_or(&name);
    name.ends_with(".sample") || HookType::ALL.iter().any(|hook| hook.name() == stem)
}

fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Makes a link lead to somewhere else, in one step.
fn relink(path: &Path, target: &Path) -> io::Result<()> {
    let new = path.with_added_extension("new");
    link(target, &new)?;
    fs::rename(&new, path)
}

#[cfg(unix)]
fn link(target: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

/// Only few may make links there: a hook that needs one says that it is missing.
#[cfg(not(unix))]
fn link(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}
