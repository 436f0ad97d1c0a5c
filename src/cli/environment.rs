//! What git tells the programs that it runs, its hooks above all.

use std::path::PathBuf;

use crate::source::git::Environment;

/// The variables that say where the parts of a repository are.
pub(super) fn git() -> Environment {
    let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    Environment {
        git_dir: path("GIT_DIR"),
        work_tree: path("GIT_WORK_TREE"),
        index_file: path("GIT_INDEX_FILE"),
        object_directory: path("GIT_OBJECT_DIRECTORY"),
        alternates: std::env::var_os("GIT_ALTERNATE_OBJECT_DIRECTORIES"),
    }
}
