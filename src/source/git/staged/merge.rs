//! A merge in progress: the next commit has parents beside HEAD, and what they have at the same path it does not add.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};

use super::compare::Changes;
use crate::blob::ObjectId;
use crate::source::git::bases::Bases;
use crate::source::git::object::{self, Kind};
use crate::source::git::odb::Odb;
use crate::source::tree::read_small;

/// Memory for trees that others are made of.
const KEPT: usize = 8 << 20;

/// The trees of the parents beside HEAD. One that is not here can't be compared with: rather all counts as new than none.
pub(super) fn trees(git_dir: &Path, odb: &Odb) -> Vec<ObjectId> {
    let heads = read_small(&git_dir.join("MERGE_HEAD")).unwrap_or_default();
    heads.lines().filter_map(|line| super::tree_of(odb, ObjectId::from_hex(line.trim())?).ok()).collect()
}

/// Takes out what stands in one of the trees, and notes what they have in the place of the others.
pub(super) fn compare(changes: &mut Changes, trees: &[ObjectId], odb: &Odb) {
    for tree in trees {
        let mut side = Side { odb, tree: *tree, bases: Bases::new(KEPT), directory: None };
        changes.files.retain_mut(|change| match side.file(change.path.as_bstr()) {
            Some(blob) if blob == change.blob => false,
            blob => {
                change.theirs.extend(blob);
                true
            }
        });
    }
}

/// One of the trees, asked for paths in order.
struct Side<'a> {
    odb: &'a Odb,
    tree: ObjectId,
    bases: Bases,
    /// The last directory that was asked for.
    directory: Option<(BString, HashMap<BString, ObjectId>)>,
}

impl Side<'_> {
    fn file(&mut self, path: &BStr) -> Option<ObjectId> {
        let (directory, name) = path.rsplit_once_str("/").unwrap_or((b"", path));
        if self.directory.as_ref().is_none_or(|(last, _)| last != directory) {
            self.directory = Some((directory.into(), self.files(directory)));
        }
        self.directory.as_ref()?.1.get(name.as_bstr()).copied()
    }

    fn files(&mut self, directory: &[u8]) -> HashMap<BString, ObjectId> {
        let mut tree = self.read(self.tree);
        let hash_len = self.odb.hash_len();
        for name in directory.split_str("/").filter(|name| !name.is_empty()) {
            let below = object::tree_entries(&tree, hash_len).find(|entry| entry.is_tree && entry.name == name);
            let Some(below) = below.and_then(|entry| ObjectId::from_bytes(entry.raw_id)) else {
                return HashMap::new();
            };
            tree = self.read(below);
        }
        let files = object::tree_entries(&tree, hash_len).filter(|entry| !entry.is_tree && !entry.is_link);
        files.filter_map(|entry| Some((entry.name.into(), ObjectId::from_bytes(entry.raw_id)?))).collect()
    }

    fn read(&mut self, tree: ObjectId) -> Arc<Vec<u8>> {
        match self.odb.read_with(tree, &mut self.bases) {
            Ok(Some((Kind::Tree, data))) => data,
            _ => Arc::default(),
        }
    }
}
