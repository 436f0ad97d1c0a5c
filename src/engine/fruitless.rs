//! Remembers stretches of text in which there was something to look at and nothing came of it: the versions of a file have most of
//! them in common, and each is looked at once. What a stretch is, and that nothing around it matters, is `search`'s business.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Mutex, PoisonError};

/// So many are remembered; each takes some ten bytes.
const MOST: usize = 1 << 20;
/// So many pairs of words are hashed together.
const PAIRS: usize = 64;
/// The length of a pair of words of eight bytes.
const PAIR: usize = 16;

/// A memory of stretches, for all threads.
#[derive(Debug)]
pub(super) struct Fruitless {
    /// Hashes with keys that nobody can foresee: even of tens of millions of stretches, two are taken for one in hardly one scan of
    /// a hundred thousand.
    known: Mutex<HashSet<u64>>,
    keys: RandomState,
    /// Drawn from them, for what is hashed first.
    pairs: [[u64; 2]; PAIRS],
}

/// What a stretch is remembered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch(u64);

impl Default for Fruitless {
    fn default() -> Self {
        let keys = RandomState::new();
        let pairs = std::array::from_fn(|pair| [0, 1].map(|word| keys.hash_one((pair, word))));
        Self { known: Mutex::default(), keys, pairs }
    }
}

impl Fruitless {
    /// Of a text with what else matters for what is found in it.
    ///
    /// What takes time for each byte is done once for each block, as in UMAC (RFC 4418): two texts of a length that were written
    /// without the keys have the same short block with a chance of 2^-64, and the short blocks the same hash with hardly more.
    pub(super) fn stretch(&self, text: &[u8], with: impl Hash) -> Stretch {
        let mut hasher = self.keys.build_hasher();
        (text.len(), with).hash(&mut hasher);
        text.chunks(PAIRS * PAIR).for_each(|block| hasher.write_u128(self.shortened(block)));
        Stretch(hasher.finish())
    }

    /// NH, as RFC 4418 calls it in section 5.2, of words of 64 bits.
    fn shortened(&self, block: &[u8]) -> u128 {
        let (pairs, rest) = block.as_chunks::<PAIR>();
        let mut last = [0; PAIR];
        last[..rest.len()].copy_from_slice(rest);
        let product = |pair: &[u8; PAIR], keys: &[u64; 2]| {
            let words = u128::from_le_bytes(*pair);
            let [low, high] = [words as u64, (words >> 64) as u64];
            u128::from(low.wrapping_add(keys[0])) * u128::from(high.wrapping_add(keys[1]))
        };
        let sum = pairs.iter().zip(&self.pairs).fold(0_u128, |sum, (pair, keys)| sum.wrapping_add(product(pair, keys)));
        // With no rest there may be no keys left.
        self.pairs.get(pairs.len()).map_or(sum, |keys| sum.wrapping_add(product(&last, keys)))
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
        let [a, b] = [true, false].map(|with| fruitless.stretch(b"text", with));
        fruitless.add(a);
        assert!(fruitless.knows(a) && !fruitless.knows(b));
        assert_eq!(a, fruitless.stretch(b"text", true));
        fruitless.forget();
        assert!(!fruitless.knows(a));
    }

    #[test]
    fn every_byte_and_the_length_matter() {
        let fruitless = Fruitless::default();
        for length in [1, 15, 16, 17, 1023, 1024, 1025, 1040, 3000] {
            let mut text = vec![0; length];
            let mut all = HashSet::from([fruitless.stretch(&text, ()).0, fruitless.stretch(&text[1..], ()).0]);
            for at in 0..length {
                text[at] = 1;
                all.insert(fruitless.stretch(&text, ()).0);
                text[at] = 0;
            }
            assert_eq!(all.len(), length + 2);
        }
    }

    #[test]
    fn no_two_memories_hash_alike() {
        let [a, b] = [Fruitless::default(), Fruitless::default()].map(|fruitless| fruitless.stretch(b"text", ()));
        assert_ne!(a, b);
    }
}
