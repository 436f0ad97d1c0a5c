//! Puts a hook where git looks for it, and takes it away. What was there is moved and nothing else: it is run first, and put back as
//! it was. The framework called pre-commit has a place of its own for hooks that are run before its own, and that is used then.
//! <https://pre-commit.com/#running-in-migration-mode>

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::HookType;
use super::kept::Kept;
use super::place::{Place, Reach};
use super::script::{self, Found, Ours, found};

/// A hook of a repository.
pub(super) struct Hook<'a> {
    hook: HookType,
    place: &'a Place,
}

/// Where the framework looks for what it runs before its own.
const LEGACY: &str = "legacy";

impl<'a> Hook<'a> {
    pub(super) fn new(hook: HookType, place: &'a Place) -> Self {
        Self { hook, place }
    }

    fn path(&self) -> PathBuf {
        self.place.directory.join(self.hook.name())
    }

    /// Where the framework would run it from.
    fn legacy(&self) -> PathBuf {
        self.path().with_added_extension(LEGACY)
    }

    fn kept(&self) -> Kept {
        Kept::of(&self.place.directory, self.hook)
    }

    /// Where this program's hook is, if it is anywhere; without what is known of it if it was changed.
    fn installed(&self) -> Result<Option<(PathBuf, Option<Ours>)>> {
        for path in [self.path(), self.legacy()] {
            match found(&path, self.hook)? {
                Found::Ours(ours) => return Ok(Some((path, Some(ours)))),
                Found::Changed => return Ok(Some((path, None))),
                Found::Nothing | Found::Framework | Found::Other => {}
            }
        }
        Ok(None)
    }

    /// It is there, in whatever state.
    pub(super) fn is_installed(&self) -> Result<bool> {
        Ok(self.installed()?.is_some())
    }

    /// Puts the hook there. Done twice, nothing changes.
    pub(super) fn install(&self, out: &mut dyn Write) -> Result<()> {
        match self.installed()? {
            Some((path, Some(ours))) => return self.renew(&path, &ours, out),
            Some((path, None)) => return changed(&path, "install again"),
            None => {}
        }
        let path = match found(&self.path(), self.hook)? {
            Found::Framework => self.legacy(),
            _ => self.path(),
        };
        fs::create_dir_all(&self.place.directory)
            .with_context(|| format!("making the directory {} failed", self.place.directory.display()))?;
        let kept = Some(self.kept()).filter(|_| fs::symlink_metadata(&path).is_ok());
        if let Some(kept) = &kept {
            kept.keep(&path)?;
        }
        if let Err(error) = script::write(&path, &script::script(self.hook, &self.program())) {
            // As it was before.
            kept.map(|kept| kept.restore(&path)).transpose()?;
            return Err(error);
        }
        self.tell_installed(&path, kept.as_ref(), out)
    }

    /// Sees to it that a hook which is there can do what it is there for.
    fn renew(&self, path: &Path, ours: &Ours, out: &mut dyn Write) -> Result<()> {
        let (name, program) = (self.hook.name(), self.program());
        let others = if ours.is_alone() { "" } else { ", with lines that others have added" };
        if ours.is_link && !ours.is_executable {
            bail!(
                "{} leads to a script that is not executable, so git does not run it; `chmod +x` that",
                path.display()
            );
        }
        if ours.is_current(&program) {
            return Ok(writeln!(out, "{name}: already installed in {}{others}", path.display())?);
        }
        script::write(path, &ours.renewed(self.hook, &program))?;
        Ok(writeln!(out, "{name}: renewed in {}{others}", path.display())?)
    }

    fn tell_installed(&self, path: &Path, kept: Option<&Kept>, out: &mut dyn Write) -> Result<()> {
        let name = self.hook.name();
        writeln!(out, "{name}: installed in {}", path.display())?;
        if let Some(kept) = kept {
            writeln!(out, "{name}: what was there is run first, as {}", kept.path().display())?;
        }
        if path == self.legacy() {
            writeln!(
                out,
                "{name}: the pre-commit framework runs it before its own hooks; in .pre-commit-config.yaml it would be for all"
            )?;
        }
        let told = match self.place.reach {
            Reach::Own => return Ok(()),
            Reach::Shared if kept.is_some() => {
                "both directories are part of the repository: commit them, and all have both hooks"
            }
            Reach::Shared => "the directory is part of the repository: commit it, and all have the hook",
            Reach::Others => {
                "core.hooksPath of all your repositories names this directory: the hook is for all of them"
            }
        };
        Ok(writeln!(out, "{name}: {told}")?)
    }

    /// Takes the hook away, leaves what others have added to it, and puts back what was there.
    pub(super) fn uninstall(&self, out: &mut dyn Write) -> Result<()> {
        let (name, kept) = (self.hook.name(), self.kept());
        let Some((path, ours)) = self.installed()? else {
            writeln!(out, "{name}: not installed")?;
            if kept.is_there() {
                let kept = kept.path();
                writeln!(
                    out,
                    "{name}: something else has taken its place; what was there before it is {}",
                    kept.display()
                )?;
            }
            return Ok(());
        };
        let Some(ours) = ours else { return changed(&path, "uninstall again") };
        let has_others = !ours.is_link && !ours.is_alone();
        if has_others && kept.is_there() {
            bail!(
                "others have added lines to {}, and what was there before it is {}: nothing was removed, for only one of them can take the \
                 place; move those lines to what was there before, or away, then uninstall again",
                path.display(),
                kept.path().display()
            );
        }
        if has_others {
            script::write(&path, &ours.others())?;
            writeln!(out, "{name}: removed from {}; the lines that others have added stay", path.display())?;
        } else if kept.is_there() {
            kept.restore(&path)?;
            writeln!(out, "{name}: removed; what was there before is back in {}", path.display())?;
        } else {
            fs::remove_file(&path).with_context(|| format!("removing {} failed", path.display()))?;
            writeln!(out, "{name}: removed from {}", path.display())?;
        }
        Ok(())
    }

    /// Says whether the hook is there and what else.
    pub(super) fn status(&self, out: &mut dyn Write) -> Result<()> {
        let (name, path) = (self.hook.name(), self.path());
        let kept = if self.kept().is_there() { ", after what was there before it" } else { "" };
        match (self.installed()?, found(&path, self.hook)?) {
            (Some((ours, None)), _) => {
                writeln!(out, "{name}: in {}, changed or of another version{kept}", ours.display())?;
            }
            (Some((ours, _)), _) if ours == path => writeln!(out, "{name}: installed in {}{kept}", ours.display())?,
            (Some((ours, _)), Found::Framework) => {
                writeln!(out, "{name}: installed in {}, which the pre-commit framework runs{kept}", ours.display())?;
            }
            (Some((ours, _)), _) => {
                writeln!(out, "{name}: in {}, which nothing runs: install it again", ours.display())?;
            }
            (None, Found::Nothing) => writeln!(out, "{name}: not installed, there is no hook")?,
            (None, Found::Framework) => writeln!(out, "{name}: not installed, the hook is the pre-commit framework's")?,
            (None, _) => writeln!(out, "{name}: not installed, there is another hook: {}", path.display())?,
        }
        Ok(())
    }

    /// Where this program is, as a shell reads it, for when it is not on the PATH; in a directory that others share it would be wrong.
    fn program(&self) -> String {
        let program = std::env::current_exe().ok().filter(|_| self.place.reach != Reach::Shared);
        program.as_deref().and_then(Path::to_str).map(quoted).unwrap_or_default()
    }
}

/// What can't be told from what somebody else has written is left alone.
fn changed(path: &Path, again: &str) -> Result<()> {
    bail!(
        "{} has keysweep's hook in it, but changed or of another version: nothing was done, so that nothing of yours is lost; take the \
         lines of keysweep out of it, or move the file away, then {again}",
        path.display()
    )
}

/// One word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_shell_are_quoted() {
        assert_eq!(quoted("/a b/it's"), r"'/a b/it'\''s'");
    }
}
