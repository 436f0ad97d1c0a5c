//! Which of the files that are gone a new one was before: the one that is most like it, if git would call it renamed. Each of them is
//! read once, and what is compared is bounded: what is left out costs no more than that all lines of a file count as new.

use std::collections::HashSet;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::lines::{self, Pieces};
use crate::blob::ObjectId;
use crate::source::git::odb::Odb;
use crate::source::git::odb::read::Most;

/// With more files than this that are gone none is taken for renamed, as git does it.
const MOST_GONE: usize = 1000;
/// Larger ones are not compared.
const LARGEST: u64 = 8 << 20;
/// Nor are those beyond so many bytes of all.
const MOST_BYTES: usize = 64 << 20;
/// So many pieces are compared for all new files together.
const MOST_PIECES: u64 = 50_000_000;

/// The files that are gone.
#[derive(Default)]
pub(super) struct Renames {
    gone: OnceLock<Vec<(ObjectId, Pieces)>>,
    /// Pieces that were compared.
    compared: AtomicU64,
}

impl Renames {
    /// The one among `gone` that a new file was before.
    pub(super) fn before(&self, new: &[u8], gone: &HashSet<ObjectId>, odb: &Odb) -> Option<ObjectId> {
        if gone.is_empty() || gone.len() > MOST_GONE || new.len() as u64 > LARGEST {
            return None;
        }
        let new = Pieces::of(new);
        let known = self.gone.get_or_init(|| read(gone, odb));
        let near: Vec<_> = known.iter().filter(|(_, old)| old.may_be_like(&new)).collect();
        let work: u64 = near.iter().map(|(_, old)| (old.count() + new.count()) as u64).sum();
        if self.compared.fetch_add(work, Ordering::Relaxed) + work > MOST_PIECES {
            return None;
        }
        let likeness = near.into_iter().map(|(id, old)| (old.likeness(&new), *id));
        likeness.filter(|(like, _)| *like >= lines::ALIKE).max().map(|(_, id)| id)
    }
}

/// The pieces of all that is not too large. What can't be read was not renamed, as far as is known.
fn read(gone: &HashSet<ObjectId>, odb: &Odb) -> Vec<(ObjectId, Pieces)> {
    let mut ids: Vec<ObjectId> = gone.iter().copied().collect();
    ids.sort_unstable();
    let (mut known, mut bytes) = (Vec::new(), 0);
    for id in ids {
        if let Ok(Some((_, text))) = odb.read_up_to(id, Most::bytes(LARGEST)) {
            bytes += text.len();
            if bytes > MOST_BYTES {
                break;
            }
            known.push((id, Pieces::of(&text)));
        }
    }
    known
}
