//! What changes while a repository is read: packs that came after the others were opened, and pairs of pack and index that are not
//! whole yet, or no longer.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use super::{Odb, open_pack, unread};
use crate::blob::ObjectId;
use crate::source::Skipped;
use crate::source::git::index::Index;
use crate::source::git::listing;
use crate::source::git::loose;
use crate::source::git::pack::Pack;

/// Packs that were not there when the others were opened.
#[derive(Default)]
pub(super) struct Late {
    packs: Vec<Arc<Pack>>,
    /// How often there was nothing new.
    in_vain: usize,
}

/// Packs are not listed again after it was in vain so often.
const MOST_IN_VAIN: usize = 16;

/// Whether git is writing a pack, or was when it was stopped: what is in it is somewhere else, too. It gets its own name at last.
fn is_in_the_making(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".tmp-"))
}

impl Odb {
    /// A pack that holds an object and was not there when the others were opened, and where in it.
    pub(super) fn late(&self, id: ObjectId) -> Option<(Arc<Pack>, u64)> {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let found = late.packs.iter().find_map(|pack| Some((pack.clone(), pack.find(id)?)));
            if found.is_some() || late.in_vain >= MOST_IN_VAIN {
                return found;
            }
            let new = self.new_packs(&late);
            if new.is_empty() {
                late.in_vain += 1;
                return None;
            }
            late.packs.extend(new);
        }
    }

    /// Packs that can be opened and are not yet.
    fn new_packs(&self, late: &Late) -> Vec<Arc<Pack>> {
        let known: HashSet<&Path> =
            self.packs.iter().chain(late.packs.iter().map(Arc::as_ref)).map(Pack::path).collect();
        let all = self.directories.iter().flat_map(|objects| listing::packs(&objects.join("pack")).unwrap_or_default());
        let new = all.filter(|path| !known.contains(path.as_path()));
        let opened = new.filter_map(|path| open_pack(&path, self.hash_len).ok());
        opened.zip(known.len()..).map(|(pack, number)| Arc::new(pack.numbered(number))).collect()
    }

    /// Whether an object has come since all was listed.
    pub(in crate::source::git) fn has_come(&self, id: ObjectId) -> bool {
        self.late(id).is_some() || self.directories.iter().any(|objects| loose::open(objects, id).is_ok())
    }

    /// Half pairs of pack and index that have stayed so since they were listed, as far as something is lost with them. To be asked for
    /// when all else was read.
    pub(in crate::source::git) fn halves(&self) -> Vec<Skipped> {
        self.halves.iter().filter_map(|path| self.half(path)).collect()
    }

    fn half(&self, path: &Path) -> Option<Skipped> {
        let index = path.with_extension("idx");
        let is_whole = index.exists() && path.with_extension("pack").exists();
        let index = Index::open(&index, self.hash_len);
        if !path.exists() {
            return None;
        }
        let index = match index {
            Ok(index) => index,
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_in_the_making(path) => return None,
            Err(error) => return Some(unread(path, &error)),
        };
        let lost = (0..index.len()).filter(|position| !self.contains(index.id(*position))).count();
        let came = "came with it while others were read; scan again";
        let gone = "are not here: the pack that it belongs to is gone; `git fsck` tells more";
        let why = format!("{lost} objects {}", if is_whole { came } else { gone });
        (lost > 0).then(|| Skipped::new(path.display().to_string(), why))
    }
}
