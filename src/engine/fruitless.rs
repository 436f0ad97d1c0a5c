//! Remembers stretches of text in which there was something to look at and nothing came of it: the versions of a file have most of
//! them in common, and each is looked at once. What a stretch is, and that nothing around it matters, is `search`'s business.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

/// So many are remembered; each takes some ten bytes.
const MOST: usize = 1 << 20;

/// A memory of stretches, for all threads.
#[derive(Debug, Default)]
pub(super) struct Fruitless {
    /// Hashes with keys that nobody can foresee: even of tens of millions of stretches, two are taken for one in hardly one scan of
    /// a hundred thousand.
    known: Mutex<HashSet<u64>>,
    keys: RandomState,
}

/// What a stretch is remembered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch(u64);

impl Fruitless {
    /// Of a stretch with what else matters for what is found in it.
    pub(super) fn stretch(&self, of: impl std::hash::Hash) -> Stretch {
        Stretch(self.keys.hash_one(of))
    }

    pub(super) fn knows(&self, stretch: Stretch) -> bool {
        self.lock().contains(&stretch.0)
    }

    pub(super) fn add(&self, stretch: Stretch) {
        let mut known = self.lock();
        if known.len() < MOST {
            known.insert(stretch.0);
        }
    }

    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<u64>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_known_and_nothing_else() {
        let fruitless = Fruitless::default();
        let [a, b] = [("text", true), ("text", false)].map(|of| fruitless.stretch(of));
        fruitless.add(a);
        assert!(fruitless.knows(a) && !fruitless.knows(b));
        assert_eq!(a, fruitless.stretch(("text", true)));
    }
}
