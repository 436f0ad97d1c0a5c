//! What the object directories of a repository hold at present, by name. Opening any of it is `odb`'s business.
//!
//! Git may be at work meanwhile: loose objects go into packs, packs into other packs, and back. What has moved from where nothing was
//! looked for yet to where everything was would be missed; so all is listed until twice the same was seen.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bstr::ByteSlice;

use super::loose;
use crate::blob::ObjectId;
use crate::source::Skipped;
use crate::source::tree::read_small;

/// Names in the object directory of a repository and in those that it borrows from.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) directories: Vec<PathBuf>,
    pub(super) packs: Vec<PathBuf>,
    /// Indexes whose packs are not there.
    pub(super) orphans: Vec<PathBuf>,
    /// Loose objects, sorted, each once.
    pub(super) loose: Vec<ObjectId>,
    /// Some pack says that objects it refers to were left at the server.
    pub(super) is_partial: bool,
    /// What could not be listed.
    pub(super) skipped: Vec<Skipped>,
}

/// Git is not waited for longer than so many listings.
const MOST_ROUNDS: usize = 16;

impl Listing {
    /// Lists all that is in `objects` and in the directories that these name as alternates; loose objects only if they are asked for, as
    /// all need that are to be numbered or visited, not those that are read by their ids.
    pub(super) fn of(objects: &[PathBuf], hash_len: usize, loose_too: bool) -> Self {
        let mut listing = Self::once(objects, hash_len, loose_too);
        for _ in 0..MOST_ROUNDS {
            let again = Self::once(objects, hash_len, loose_too);
            if again == listing {
                break;
            }
            listing = again;
        }
        listing
    }

    /// A directory that was seen already is left alone, so circles end.
    fn once(objects: &[PathBuf], hash_len: usize, loose_too: bool) -> Self {
        let mut listing = Self::default();
        let mut waiting: Vec<PathBuf> = objects.iter().rev().cloned().collect();
        while let Some(objects) = waiting.pop() {
            let objects = match objects.canonicalize() {
                Ok(found) => found,
                Err(error) => {
                    listing.skip(&objects, format!("the object directory can't be opened: {error}"));
                    continue;
                }
            };
            if listing.directories.contains(&objects) {
                continue;
            }
            listing.directories.push(objects.clone());
            if loose_too {
                let (ids, errors) = loose::list(&objects, hash_len);
                listing.loose.extend(ids);
                for error in errors {
                    listing.skip(&objects, format!("listing its loose objects failed: {error}"));
                }
            }
            listing.add_packs(&objects.join("pack"));
            waiting.extend(listing.alternates(&objects));
        }
        listing.loose.sort_unstable();
        listing.loose.dedup();
        listing
    }

    fn add_packs(&mut self, directory: &Path) {
        match files(directory) {
            Ok(paths) => {
                self.is_partial |= paths.iter().any(|path| ends(path, "promisor"));
                let is_orphan =
                    |path: &PathBuf| ends(path, "idx") && paths.binary_search(&path.with_extension("pack")).is_err();
                self.orphans.extend(paths.iter().filter(|path| is_orphan(path)).cloned());
                self.packs.extend(paths.into_iter().filter(|path| ends(path, "pack")));
            }
            Err(error) => self.skip(directory, format!("listing the packs failed: {error}")),
        }
    }

    /// Paths in `info/alternates`, relative ones to the object directory itself.
    fn alternates(&mut self, objects: &Path) -> Vec<PathBuf> {
        let path = objects.join("info/alternates");
        match read_small(&path) {
            Ok(text) => text
                .lines()
                .filter(|line| !line.is_empty() && line[0] != b'#')
                .filter_map(|line| Some(objects.join(line.to_path().ok()?)))
                .collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                self.skip(&path, format!("reading which other object stores it borrows from failed: {error}"));
                Vec::new()
            }
        }
    }

    fn skip(&mut self, what: &Path, why: String) {
        self.skipped.push(Skipped::new(what.display().to_string(), why));
    }
}

/// The packs of a directory, in order of their names.
pub(super) fn packs(directory: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(files(directory)?.into_iter().filter(|path| ends(path, "pack")).collect())
}

fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn ends(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|end| end == extension)
}
