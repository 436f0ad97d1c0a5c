//! What is known of a scan's findings: finds the files that say so, reads them, and hands over the key and the day.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use jiff::civil::Date;

use super::args::SearchArgs;
use super::lists;
use crate::baseline::file::IgnoreFile;
use crate::baseline::import::Imports;
use crate::baseline::reach::{Reach, Scope};
use crate::baseline::{Baseline, FILE_NAME, List, Terms, report};
use crate::finding::Finding;
use crate::finding::keyed::FingerprintKey;
use crate::finding::suppression::By;

/// The variable that holds the key for fingerprints.
const KEY: &str = "KEYSWEEP_FINGERPRINT_KEY";

/// Whoever has more than this to ignore has another problem.
const LARGEST: u64 = 64 << 20;

/// Everything that says of findings that they are known.
pub(super) struct Known {
    baseline: Baseline,
    pub(super) key: Option<FingerprintKey>,
    today: Date,
    notes: Vec<String>,
    is_heard: bool,
}

/// Where a target lies.
pub(super) struct Home {
    /// The root of the working tree that it is, or is in; else the directory that it is.
    pub(super) root: PathBuf,
    /// How paths of the scan are seen from there.
    scope: Scope,
}

/// The key from the environment. An empty variable, as a CI system makes it of a secret that it does not hand out, is none.
///
/// # Errors
/// When it is too short.
pub(super) fn key() -> Result<Option<FingerprintKey>> {
    let Some(key) = std::env::var_os(KEY).filter(|key| !key.is_empty()) else {
        return Ok(None);
    };
    let key = FingerprintKey::new(key.as_encoded_bytes());
    key.map(Some).with_context(|| format!("the key in {KEY} can't be used"))
}

/// Today, in UTC: the same for everybody.
pub(super) fn today() -> Date {
    jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date()
}

/// Reads all that the flags ask for.
///
/// # Errors
/// A file that can't be read or is not what it should be.
pub(super) fn load(args: &SearchArgs, targets: &[PathBuf]) -> Result<Known> {
    // Who looks for given keys wants to know of all their places.
    let is_heard = !args.known.no_ignore && args.only_keys.is_none();
    let mut known = Known { baseline: Baseline::default(), key: key()?, today: today(), notes: Vec::new(), is_heard };
    if !is_heard {
        return Ok(known);
    }
    let homes: Vec<Home> = targets.iter().filter_map(|target| home(target)).collect();
    let is_only = targets.len() == 1;
    for home in &homes {
        known.own(home, is_only)?;
    }
    for file in &args.known.baseline {
        let scopes = homes.iter().map(|home| home.scope.clone()).collect();
        known.named(file, Reach { scopes, everywhere: true })?;
    }
    if args.known.import_ignores {
        for home in &homes {
            known.import(home, is_only)?;
        }
        if known.baseline.imports.is_empty() {
            known.notes.push(
                "--import-ignores: the target has no .gitleaksignore, .betterleaksignore or .secrets.baseline".into(),
            );
        }
    }
    Ok(known)
}

impl Known {
    /// Marks what is known, unless nothing is to be. Returns what the user should be told.
    pub(super) fn apply(&self, findings: &mut [Finding]) -> Vec<String> {
        let mut notes = self.notes.clone();
        if self.is_heard {
            notes.extend(self.baseline.apply(findings, self.terms()));
        }
        notes
    }

    pub(super) fn terms(&self) -> Terms<'_> {
        Terms { key: self.key.as_ref(), today: self.today }
    }

    pub(super) fn imports(&self) -> &[Imports] {
        &self.baseline.imports
    }

    /// The `.keysweepignore` of a target, if it has one.
    fn own(&mut self, home: &Home, is_only: bool) -> Result<()> {
        let Some(file) = home.file() else {
            return Ok(());
        };
        if let Some(text) = read_own(&file)? {
            let list = ignore_file(&text, By::IgnoreFile, &name(&file), home.reach(is_only))?;
            self.baseline.lists.push(list);
        }
        Ok(())
    }

    /// A file that was named: a list like `.keysweepignore`, or a report.
    fn named(&mut self, file: &Path, reach: Reach) -> Result<()> {
        let name = lists::name(file);
        let text = lists::read(file, "known credentials")?;
        let list = if report::is_like(&text) {
            let entries = report::entries(&text).with_context(|| format!("reading the baseline {name} failed"))?;
            List { by: By::Baseline, name: name.into(), entries, reach }
        } else {
            ignore_file(&text, By::Baseline, &name, reach)?
        };
        self.baseline.lists.push(list);
        Ok(())
    }

    fn import(&mut self, home: &Home, is_only: bool) -> Result<()> {
        for file in [".gitleaksignore", ".betterleaksignore"].map(|name| home.root.join(name)) {
            if let Some(text) = read_own(&file)? {
                let (imports, notes) = Imports::gitleaks(&name(&file), home.reach(is_only), &text);
                self.baseline.imports.push(imports);
                self.notes.extend(notes);
            }
        }
        let file = home.root.join(".secrets.baseline");
        if let Some(text) = read_own(&file)? {
            let read = Imports::detect_secrets(&name(&file), home.reach(is_only), &text);
            let (imports, notes) = read.with_context(|| format!("reading {} failed", file.display()))?;
            self.baseline.imports.push(imports);
            self.notes.extend(notes);
        }
        Ok(())
    }
}

impl Home {
    /// Its `.keysweepignore`. What lies among the objects and refs of a bare repository is no part of what that keeps.
    pub(super) fn file(&self) -> Option<PathBuf> {
        (!is_bare(&self.root)).then(|| self.root.join(FILE_NAME))
    }

    /// Of a single target everything is its own, also what lies elsewhere, as the repository of a linked worktree does.
    pub(super) fn reach(&self, is_only: bool) -> Reach {
        Reach { scopes: vec![self.scope.clone()], everywhere: is_only }
    }
}

/// A file as a list.
///
/// # Errors
/// Its first line that is no entry.
pub(super) fn ignore_file(text: &str, by: By, name: &str, reach: Reach) -> Result<List> {
    let file = parse(text, name)?;
    Ok(List { by, name: name.into(), entries: file.entries().cloned().collect(), reach })
}

/// A `.keysweepignore`.
///
/// # Errors
/// Its first line that is no entry.
pub(super) fn parse(text: &str, name: &str) -> Result<IgnoreFile> {
    IgnoreFile::parse(text).with_context(|| format!("reading the known credentials in {name} failed"))
}

/// Where a target lies; `None` for standard input, for URLs and for what is not there.
pub(super) fn home(target: &Path) -> Option<Home> {
    let whole = target.canonicalize().ok().filter(|_| target != Path::new("-"))?;
    let is_root = |above: &&Path| above.join(".git").symlink_metadata().is_ok();
    let own = whole.is_dir().then_some(&*whole);
    let root = whole.ancestors().filter(|above| above.is_dir()).find(is_root).or(own)?;
    let base = whole.strip_prefix(root).ok()?;
    let scope = Scope::new(target.as_os_str().as_encoded_bytes(), base.as_os_str().as_encoded_bytes());
    // As the user named it, where that leads there.
    let root = if base.as_os_str().is_empty() { target } else { root };
    Some(Home { root: root.to_owned(), scope })
}

/// Whether a directory is the repository itself, as git tells it: by what has to be in one.
fn is_bare(root: &Path) -> bool {
    let is_tree = root.join(".git").symlink_metadata().is_ok();
    !is_tree && root.join("HEAD").is_file() && root.join("objects").is_dir() && root.join("refs").is_dir()
}

/// As reports call a file: without the dot that stands for where one is.
pub(super) fn name(file: &Path) -> String {
    file.strip_prefix(".").unwrap_or(file).display().to_string()
}

/// A file that the target brings with it, if it does. It must be a plain one: what a link leads to was not named by anybody.
///
/// # Errors
/// When it is there and can't be read.
pub(super) fn read_own(file: &Path) -> Result<Option<String>> {
    let name = file.display();
    let failed = || format!("reading {name} failed");
    // What lies in a directory that nobody may look into the scan tells as unread.
    let absent = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory, io::ErrorKind::PermissionDenied];
    let metadata = match fs::symlink_metadata(file) {
        Err(error) if absent.contains(&error.kind()) => return Ok(None),
        metadata => metadata.with_context(failed)?,
    };
    if !metadata.is_file() {
        bail!("reading {name} failed: it is no regular file; make it one, or use --no-ignore");
    }
    if metadata.len() > LARGEST {
        bail!("reading {name} failed: it is larger than {} MiB; use --no-ignore", LARGEST >> 20);
    }
    let mut bytes = Vec::new();
    let read = fs::File::open(file).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes));
    read.with_context(failed)?;
    Ok(Some(lists::text(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_lies_at_the_root_of_its_working_tree_or_is_its_own() {
        let temp = tempfile::tempdir().unwrap();
        let path = |name: &str| temp.path().join(name);
        fs::create_dir_all(path("repo/.git")).unwrap();
        fs::create_dir_all(path("repo/a/b")).unwrap();
        fs::create_dir_all(path("plain/a")).unwrap();
        fs::write(path("repo/a/f"), "").unwrap();
        fs::write(path("plain/f"), "").unwrap();
        let root = |target: &str| home(&path(target)).map(|home| home.root.canonicalize().unwrap());
        let real = |name: &str| Some(path(name).canonicalize().unwrap());
        for target in ["repo", "repo/", "repo/a", "repo/a/b", "repo/a/f"] {
            assert_eq!(root(target), real("repo"), "{target}");
        }
        assert_eq!((root("plain"), root("plain/a")), (real("plain"), real("plain/a")));
        assert!(root("plain/f").is_none() && root("absent").is_none() && home(Path::new("-")).is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_place_of_the_file_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join(FILE_NAME);
        assert_eq!(read_own(&file).unwrap(), None);
        std::os::unix::fs::symlink("/etc/hostname", &file).unwrap();
        assert!(read_own(&file).unwrap_err().to_string().contains("no regular file"));
    }
}
