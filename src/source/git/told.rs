//! What was told to be unread: each object once, however many passes come upon it, and so many by their ids; of the others, how many
//! there are. And what was read, but not from where it was to be.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use crate::blob::ObjectId;

/// The objects of one repository that can't be read.
#[derive(Default)]
pub(super) struct Told {
    ids: Mutex<Ids>,
    copies: Mutex<BTreeSet<ObjectId>>,
}

#[derive(Default)]
struct Ids {
    all: HashSet<ObjectId>,
    /// How many of them were told one by one.
    by_id: usize,
    /// How many of the others were told as a number.
    as_number: usize,
}

impl Told {
    /// Whether an object is to be told now: it was not before, and fewer than `most` were.
    pub(super) fn is_next(&self, id: ObjectId, most: usize) -> bool {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let is_next = ids.all.insert(id) && ids.by_id < most;
        ids.by_id += usize::from(is_next);
        is_next
    }

    /// Keeps in mind that an object was read from another place than the first that has it.
    pub(super) fn copy(&self, id: ObjectId) {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
    }

    /// Those of which nobody has asked yet.
    pub(super) fn copies(&self) -> BTreeSet<ObjectId> {
        std::mem::take(&mut *self.copies.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many were not told one by one, and not yet as a number.
    pub(super) fn others(&self) -> usize {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let others = ids.all.len() - ids.by_id - ids.as_number;
        ids.as_number += others;
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_and_the_others_are_counted_once() {
        let told = Told::default();
        let id = |n: u8| ObjectId::from_bytes(&[n; 20]).unwrap();
        let next: Vec<u8> = [1, 1, 2, 3, 3, 2, 4].into_iter().filter(|n| told.is_next(id(*n), 2)).collect();
        assert_eq!((next, told.others(), told.others()), (vec![1, 2], 2, 0));
        assert!(!told.is_next(id(5), 2));
        assert_eq!(told.others(), 1);
    }
}
