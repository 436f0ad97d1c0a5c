//! What was named on the command line, as sources.

use std::io::{self, IsTerminal};
use std::path::Path;

use anyhow::Result;

use super::args::ScanArgs;
#[cfg(feature = "git")]
use super::environment;
#[cfg(feature = "git")]
use super::hook;
#[cfg(feature = "git")]
use super::interrupt;
use super::output;
#[cfg(feature = "git")]
use crate::source::git::{History, Limits, Push, Revisions, Staged, Surroundings, cache, mirror};
#[cfg(feature = "git")]
use crate::source::message::Message;
use crate::source::stdin::Stdin;
#[cfg(feature = "git")]
use crate::source::tree::git_dir::GitDir;
use crate::source::tree::{self, Tree};
use crate::source::{Skipped, Source, SourceError};

/// So many staged files are read before other threads would have begun.
#[cfg(feature = "git")]
const FEW_FILES: usize = 64;

/// All targets, opened.
#[derive(Default)]
pub(super) struct Targets {
    pub(super) sources: Vec<Box<dyn Source>>,
    /// Targets of which nothing could be opened.
    pub(super) skipped: Vec<Skipped>,
    /// They hold so little that one thread is enough.
    pub(super) are_few: bool,
    /// Mirrors of what was named by URL; they live as long as this does.
    #[cfg(feature = "git")]
    mirrors: Vec<tempfile::TempDir>,
    #[cfg(feature = "git")]
    cache: Option<cache::Settings>,
    #[cfg(feature = "git")]
    has_history: bool,
}

/// Opens every target; one that can't be opened is noted and the others go on.
///
/// `rules` is a digest of all that decides what is found.
pub(super) fn open(args: &ScanArgs, rules: [u8; 32]) -> Result<Targets> {
    let mut targets = Targets::default();
    #[cfg(feature = "git")]
    {
        targets.cache = args.cache.as_ref().map(|directory| open_cache(directory, rules)).transpose()?;
    }
    #[cfg(not(feature = "git"))]
    let _ = rules;
    #[cfg(feature = "git")]
    {
        targets.are_few = args.staged || args.commit_msg.is_some();
        targets.skipped.extend(args.ci_plan.skipped.iter().cloned());
        if args.is_nothing_new() {
            return Ok(targets);
        }
    }
    for target in &args.targets {
        if args.search.verbose {
            output::note(&format!("scanning {}", display(target)));
        }
        if let Err(error) = targets.add(target, args)? {
            targets.skipped.push(Skipped::new(safe(error.what), error.why));
        }
    }
    #[cfg(feature = "git")]
    if targets.cache.is_some() && !targets.has_history && targets.skipped.is_empty() {
        output::note("--cache has nothing to remember: no target is a git repository");
    }
    Ok(targets)
}

#[cfg(feature = "git")]
fn open_cache(directory: &Path, rules: [u8; 32]) -> Result<cache::Settings> {
    let (settings, note) = cache::Settings::new(directory.to_owned(), rules)?;
    note.iter().for_each(|note| output::note(note));
    Ok(settings)
}

impl Targets {
    #[cfg(feature = "git")]
    fn add(&mut self, target: &Path, args: &ScanArgs) -> Result<Result<(), SourceError>> {
        if let Some(file) = &args.commit_msg {
            self.sources.push(Box::new(Message::new(file, hook::cleanup(target)?)));
            return Ok(Ok(()));
        }
        if let Some(push) = &args.push {
            return Ok(self.add_push(target, push));
        }
        if args.staged {
            return Ok(self.add_staged(target, args));
        }
        if target == Path::new("-") {
            return Ok(no_history(args).and_then(|()| self.add_stdin()));
        }
        match target.to_str().filter(|url| mirror::is_url(url) && !target.exists()) {
            Some(url) => self.add_url(url, args),
            None => Ok(self.add_path(target, args)),
        }
    }

    #[cfg(not(feature = "git"))]
    fn add(&mut self, target: &Path, args: &ScanArgs) -> Result<Result<(), SourceError>> {
        if target == Path::new("-") {
            return Ok(self.add_stdin());
        }
        Ok(survey(target, args).map(|tree| self.sources.push(Box::new(tree))))
    }

    fn add_stdin(&mut self) -> Result<(), SourceError> {
        if io::stdin().is_terminal() {
            output::note("reading standard input until it ends");
        }
        self.sources.push(Box::new(Stdin));
        Ok(())
    }

    #[cfg(feature = "git")]
    fn add_push(&mut self, target: &Path, push: &Push) -> Result<(), SourceError> {
        let at = Surroundings::of(target, &environment::git())?;
        let name = at.work_tree.as_deref().unwrap_or(target).display().to_string();
        let history = History::new(&name, at.git_dir, at.common_dir, Revisions::Push(push.clone()));
        self.sources.push(Box::new(history.stored_in(at.objects)));
        Ok(())
    }

    #[cfg(feature = "git")]
    fn add_staged(&mut self, target: &Path, args: &ScanArgs) -> Result<(), SourceError> {
        let at = Surroundings::of(target, &environment::git())?;
        let name = at.work_tree.as_deref().unwrap_or(target).display().to_string();
        let staged = Staged::open(&name, &at, Limits::default())?;
        if staged.is_empty() && !args.search.quiet {
            output::note("nothing is staged that adds a line: there was nothing to scan");
        }
        self.are_few &= staged.files() <= FEW_FILES;
        self.sources.push(Box::new(staged));
        Ok(())
    }

    #[cfg(feature = "git")]
    fn add_url(&mut self, url: &str, args: &ScanArgs) -> Result<Result<(), SourceError>> {
        let directory = interrupt::temporary_directory()?;
        if let Err(error) = mirror::clone(url, directory.path()) {
            return Ok(Err(error));
        }
        let revisions = match args.history() {
            Some("none") => {
                let why = "a URL has no working tree, and --history none leaves the rest out".to_owned();
                return Ok(Err(SourceError { what: mirror::without_password(url), why }));
            }
            None | Some("all") => Revisions::All,
            Some(range) => Revisions::Range(range.to_owned()),
        };
        let git_dir = directory.path().to_owned();
        let history = History::new(&mirror::without_password(url), git_dir.clone(), git_dir, revisions);
        self.push_history(history, mirror::without_password(url).into_bytes());
        self.mirrors.push(directory);
        Ok(Ok(()))
    }

    #[cfg(feature = "git")]
    fn add_path(&mut self, target: &Path, args: &ScanArgs) -> Result<(), SourceError> {
        if let Some(range) = args.history().filter(|history| !matches!(*history, "all" | "none")) {
            let found = GitDir::of(target).map_err(|why| SourceError { what: target.display().to_string(), why })?;
            let repository = found.ok_or_else(|| not_a_repository(target))?;
            self.add_history(&repository, Revisions::Range(range.to_owned()));
            return Ok(());
        }
        let mut tree = survey(target, args)?;
        let repositories = std::mem::take(&mut tree.repositories);
        let unresolved = std::mem::take(&mut tree.unresolved);
        self.sources.push(Box::new(tree));
        if args.history() == Some("none") {
            return Ok(());
        }
        self.skipped.extend(unresolved);
        for repository in &repositories {
            if args.search.verbose {
                output::note(&format!("scanning the history of {}", name(repository)));
            }
            self.add_history(repository, Revisions::All);
            if let Err(error) = self.add_outside(repository, target, args) {
                self.skipped.push(error.into());
            }
        }
        if repositories.is_empty() {
            note_outer_repository(target);
        }
        match (args.history(), repositories.is_empty()) {
            (Some(_), true) => Err(not_a_repository(target)),
            _ => Ok(()),
        }
    }

    /// Of a linked worktree or a submodule the target may hold only the working tree: configuration, logs and hooks of its
    /// repository are read where they are.
    #[cfg(feature = "git")]
    fn add_outside(&mut self, repository: &GitDir, target: &Path, args: &ScanArgs) -> Result<(), SourceError> {
        let is_inside = target.canonicalize().is_ok_and(|target| repository.common_dir.starts_with(target));
        if !is_inside {
            self.sources.push(Box::new(survey(&repository.common_dir, args)?));
        }
        Ok(())
    }

    #[cfg(feature = "git")]
    fn add_history(&mut self, repository: &GitDir, revisions: Revisions) {
        let (git_dir, common_dir) = (repository.git_dir.clone(), repository.common_dir.clone());
        // The repository is known by its own place, however it was named.
        let place = common_dir.canonicalize().unwrap_or_else(|_| common_dir.clone());
        let history = History::new(&name(repository), git_dir, common_dir, revisions);
        self.push_history(history, place.as_os_str().as_encoded_bytes().to_vec());
    }

    #[cfg(feature = "git")]
    fn push_history(&mut self, history: History, name: Vec<u8>) {
        self.has_history = true;
        self.sources.push(Box::new(match &self.cache {
            Some(settings) => history.remembered(settings.clone(), name),
            None => history,
        }));
    }
}

fn survey(target: &Path, args: &ScanArgs) -> Result<Tree, SourceError> {
    Tree::survey(target, tree::Options { respect_gitignore: args.respect_gitignore })
}

/// What a person would call a repository: its working tree, or itself when it has none.
#[cfg(feature = "git")]
fn name(repository: &GitDir) -> String {
    repository.work_tree.as_ref().unwrap_or(&repository.git_dir).display().to_string()
}

#[cfg(feature = "git")]
fn not_a_repository(target: &Path) -> SourceError {
    SourceError {
        what: format!("the history of {}", target.display()),
        why: "it is not a git repository; leave --history out, or name the root of its working tree".to_owned(),
    }
}

#[cfg(feature = "git")]
fn no_history(args: &ScanArgs) -> Result<(), SourceError> {
    match args.history() {
        None | Some("none") => Ok(()),
        Some(_) => Err(not_a_repository(Path::new("standard input"))),
    }
}

/// Who scans a part of a repository's working tree is told that its history was not asked for.
#[cfg(feature = "git")]
fn note_outer_repository(target: &Path) {
    // Who names a file wants that file.
    let Some(target) = target.canonicalize().ok().filter(|target| target.is_dir()) else {
        return;
    };
    if let Some(root) = target.ancestors().skip(1).find(|above| above.join(".git").exists()) {
        let (target, root) = (target.display(), root.display());
        output::note(&format!(
            "{target} is a part of the repository {root}, whose history is scanned when that is named"
        ));
    }
}

/// A target as it may be shown: of a URL without what may be secret in it.
fn display(target: &Path) -> String {
    safe(target.display().to_string())
}

#[cfg(feature = "git")]
fn safe(target: String) -> String {
    mirror::without_password(&target)
}

#[cfg(not(feature = "git"))]
fn safe(target: String) -> String {
    target
}
