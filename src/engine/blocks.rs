//! Passes over blocks of text at the speed of memory: in most there are words and nothing else, which `decode::probe` need not look at.
//!
//! One of three files with `unsafe` in it.
#![allow(unsafe_code)]

/// Bytes of a block.
pub(super) const BLOCK: usize = 32;

/// The index of the first block that has no white space (and nothing below it), or has a zero in it.
pub(super) fn unlike_words(blocks: &[[u8; BLOCK]]) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { wide::unlike_words(blocks) };
    }
    unlike_words_one_by_one(blocks)
}

fn unlike_words_one_by_one(blocks: &[[u8; BLOCK]]) -> Option<usize> {
    blocks.iter().position(|block| !has_any_up_to(b' ', block) || has_any_up_to(0, block))
}

/// Whether a byte of the block is no greater: a zero, as in UTF-16, or white space, as in most text. Without a branch for each byte,
/// so that they are looked at all at once.
#[inline]
pub(super) fn has_any_up_to<const LENGTH: usize>(greatest: u8, block: &[u8; LENGTH]) -> bool {
    block.iter().fold(false, |any, &c| any | (c <= greatest))
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_set1_epi8,
        _mm256_setzero_si256,
    };

    use super::{BLOCK, unlike_words_one_by_one};

    /// Two blocks at a time.
    #[target_feature(enable = "avx2")]
    pub(super) fn unlike_words(blocks: &[[u8; BLOCK]]) -> Option<usize> {
        let (space, zero) = (_mm256_set1_epi8(b' '.cast_signed()), _mm256_setzero_si256());
        let (pairs, last) = blocks.as_chunks::<2>();
        let are_words = |[a, b]: &[[u8; BLOCK]; 2]| {
            let (a, b) = (load(a), load(b));
            let low = |block| _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(block, space), block)) != 0;
            let has_zero = _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(a, b), zero)) != 0;
            low(a) & low(b) & !has_zero
        };
        let pair = pairs.iter().position(|pair| !are_words(pair));
        let (before, rest) = match pair {
            Some(pair) => (2 * pair, pairs[pair].as_slice()),
            None => (2 * pairs.len(), last),
        };
        unlike_words_one_by_one(rest).map(|at| before + at)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(block: &[u8; BLOCK]) -> __m256i {
        // SAFETY: so many bytes are there; they need not be aligned.
        unsafe { _mm256_loadu_si256(block.as_ptr().cast()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_passed_over_and_nothing_else() {
        let words = *b"some words and what is between. ";
        for length in 0..7 {
            assert_eq!(unlike_words(&vec![words; length]), None);
            for at in 0..length {
                for byte in [0, b'x'] {
                    let mut blocks = vec![words; length];
                    blocks[at] = [byte; BLOCK];
                    assert_eq!(unlike_words(&blocks), Some(at), "{byte} at {at} of {length}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn many_at_once_are_judged_as_one_by_one(
            bytes in proptest::collection::vec(prop_oneof![8 => Just(b'a'), 1 => any::<u8>(), 1 => 0u8..40], 0..400),
        ) {
            let (blocks, _) = bytes.as_chunks::<BLOCK>();
            prop_assert_eq!(unlike_words(blocks), unlike_words_one_by_one(blocks));
        }
    }
}
