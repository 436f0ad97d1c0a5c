//! What was named on the command line, as sources.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::args::ScanArgs;
#[cfg(feature = "git")]
use super::interrupt;
use super::output;
use crate::source::stdin::Stdin;
use crate::source::tree::Tree;
use crate::source::{Skipped, Source, SourceError};
#[cfg(feature = "git")]
use crate::source::{
    git::{History, Revisions, mirror},
    tree::GitDir,
};

/// All targets, opened.
#[derive(Default)]
pub(super) struct Targets {
    pub(super) sources: Vec<Box<dyn Source>>,
    /// Targets of which nothing could be opened.
    pub(super) skipped: Vec<Skipped>,
    /// Mirrors of what was named by URL; they live as long as this does.
    #[cfg(feature = "git")]
    mirrors: Vec<tempfile::TempDir>,
}

/// Opens every target; one that can't be opened is noted and the others go on.
pub(super) fn open(args: &ScanArgs) -> Result<Targets> {
    let mut targets = Targets::default();
    for target in &args.targets {
        if args.verbose {
            output::note(&format!("scanning {}", display(target)));
        }
        if let Err(error) = targets.add(target, args)? {
            targets.skipped.push(Skipped::new(error.what, error.why));
        }
    }
    Ok(targets)
}

impl Targets {
    #[cfg(feature = "git")]
    fn add(&mut self, target: &Path, args: &ScanArgs) -> Result<Result<(), SourceError>> {
        if target == Path::new("-") {
            return Ok(no_history(args).and_then(|()| self.add_stdin()));
        }
        match target.to_str().filter(|target| mirror::is_url(target)) {
            Some(url) => self.add_url(url, args),
            None => Ok(self.add_path(target, args)),
        }
    }

    #[cfg(not(feature = "git"))]
    fn add(&mut self, target: &Path, args: &ScanArgs) -> Result<Result<(), SourceError>> {
        if target == Path::new("-") {
            return Ok(self.add_stdin());
        }
        Ok(Tree::open(target, args.respect_gitignore).map(|tree| self.sources.push(Box::new(tree))))
    }

    fn add_stdin(&mut self) -> Result<(), SourceError> {
        if io::stdin().is_terminal() {
            output::note("reading standard input until it ends");
        }
        self.sources.push(Box::new(Stdin));
        Ok(())
    }

    #[cfg(feature = "git")]
    fn add_url(&mut self, url: &str, args: &ScanArgs) -> Result<Result<(), SourceError>> {
        let directory = interrupt::temporary_directory()?;
        if let Err(error) = mirror::clone(url, directory.path()) {
            return Ok(Err(error));
        }
        let revisions = match args.history.as_deref() {
            Some("none") => {
                let why = "a URL has no working tree, and --history none leaves the rest out".to_owned();
                return Ok(Err(SourceError { what: mirror::without_password(url), why }));
            }
            None | Some("all") => Revisions::All,
            Some(range) => Revisions::Range(range.to_owned()),
        };
        let git_dir = directory.path().to_owned();
        self.sources.push(Box::new(History::new(&mirror::without_password(url), git_dir.clone(), git_dir, revisions)));
        self.mirrors.push(directory);
        Ok(Ok(()))
    }

    #[cfg(feature = "git")]
    fn add_path(&mut self, target: &Path, args: &ScanArgs) -> Result<(), SourceError> {
        if let Some(range) = args.history.as_deref().filter(|history| !matches!(*history, "all" | "none")) {
            let repository = GitDir::at(target).ok_or_else(|| not_a_repository(target))?;
            self.add_history(&repository, Revisions::Range(range.to_owned()));
            return Ok(());
        }
        let tree = Tree::open(target, args.respect_gitignore)?;
        let repositories = tree.repositories().to_vec();
        self.sources.push(Box::new(tree));
        if args.history.as_deref() == Some("none") {
            return Ok(());
        }
        for repository in &repositories {
            if args.verbose {
                output::note(&format!("scanning the history of {}", repository.name.display()));
            }
            self.add_history(repository, Revisions::All);
        }
        match (&args.history, repositories.is_empty()) {
            (Some(_), true) => Err(not_a_repository(target)),
            _ => Ok(()),
        }
    }

    #[cfg(feature = "git")]
    fn add_history(&mut self, repository: &GitDir, revisions: Revisions) {
        let name = repository.name.display().to_string();
        let (git_dir, common_dir) = (repository.git_dir.clone(), repository.common_dir.clone());
        self.sources.push(Box::new(History::new(&name, git_dir, common_dir, revisions)));
    }
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
    match args.history.as_deref() {
        None | Some("none") => Ok(()),
        Some(_) => Err(not_a_repository(Path::new("standard input"))),
    }
}

/// A target as it may be shown: of a URL without its password.
fn display(target: &PathBuf) -> String {
    let text = target.display().to_string();
    #[cfg(feature = "git")]
    let text = mirror::without_password(&text);
    text
}
