//! What a repository answers about a range before any of it is read, so that who names one can see what it means.

use bstr::ByteSlice;

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
    ask(repository, |original| stand_in::part(spec, original).map(|part| part.commits))
}

/// What the full name of a ref stands for, or the objects whose ids begin with these hexadecimal digits: neither is ever taken for the
/// other, nor for a shorter way to write something else, as git does.
///
/// # Errors
/// Why git can't be asked.
pub fn objects(repository: &GitDir, name: &str) -> Result<Vec<ObjectId>, SourceError> {
    let is_id = name.bytes().all(|c| c.is_ascii_hexdigit());
    ask(repository, |original| match is_id {
        true => stand_in::objects(name, original),
        false => Ok(original.refs.named.get(name.as_bytes().as_bstr()).copied().into_iter().collect()),
    })
}

fn ask<T>(repository: &GitDir, question: impl FnOnce(&Original<'_>) -> Result<T, String>) -> Result<T, SourceError> {
    let GitDir { git_dir, common_dir, .. } = repository;
    let answer = hash_len(common_dir).and_then(|hash_len| {
        let refs = refs::read(git_dir, common_dir);
        let objects = &[common_dir.join("objects")];
        question(&Original { git_dir, common_dir, objects, hash_len, refs: &refs })
    });
    let name = repository.work_tree.as_ref().unwrap_or(git_dir).display();
    answer.map_err(|why| SourceError { what: format!("the history of {name}"), why })
}

/// Whether history was cut off when the repository was cloned.
pub fn is_shallow(repository: &GitDir) -> bool {
    repository.common_dir.join("shallow").is_file()
}
