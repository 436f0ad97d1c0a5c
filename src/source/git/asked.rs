//! What a repository answers about a range before any of it is read, so that who names one can see what it means.

use super::stand_in::{self, Original};
use super::{hash_len, refs};
use crate::blob::ObjectId;
use crate::source::SourceError;
use crate::source::tree::git_dir::GitDir;

/// The commits of a range, parents before children, without reading them.
///
/// # Errors
/// As a scan of the range would: with what is wrong and what to try.
pub fn commits(repository: &GitDir, spec: &str) -> Result<Vec<ObjectId>, SourceError> {
    let GitDir { git_dir, common_dir, .. } = repository;
    let ask = || {
        let hash_len = hash_len(common_dir)?;
        let refs = refs::read(git_dir, common_dir);
        let objects = &[common_dir.join("objects")];
        let original = Original { git_dir, common_dir, objects, hash_len, refs: &refs };
        stand_in::part(spec, &original).map(|part| part.commits)
    };
    let name = repository.work_tree.as_ref().unwrap_or(git_dir).display();
    ask().map_err(|why| SourceError { what: format!("the history of {name}"), why })
}

/// Whether history was cut off when the repository was cloned.
pub fn is_shallow(repository: &GitDir) -> bool {
    repository.common_dir.join("shallow").is_file()
}
