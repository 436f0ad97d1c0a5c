//! Says at which places of a text a literal may begin, 64 places at a time. It looks at four bytes from each on: a table for each of
//! the four says by a bit to which buckets of literals a byte belongs there, and where a bucket has all four there may be one of its
//! literals. That is Teddy (Geoffrey Langdale, <https://github.com/intel/hyperscan>), with tables of 64 entries where the processor looks
//! bytes up in such (AVX-512 VBMI), and of twice sixteen where it doesn't (AVX2). Whether a literal is there is `prefilter`'s business.
//!
//! One of three files with `unsafe` in it.
#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m256i, __m512i, _mm_loadu_si128, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8,
    _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_srli_epi16, _mm512_and_si512, _mm512_loadu_si512, _mm512_permutexvar_epi8, _mm512_test_epi8_mask,
};

/// So many places are looked at together.
const BLOCK: usize = 64;
/// So many bytes of a literal are looked at.
const LOOK: usize = 4;
/// A block and what is looked at of a literal that begins at its last place.
const SEEN: usize = BLOCK + LOOK - 1;
/// One for each bit of a byte.
const BUCKETS: usize = 8;
/// More literals than this let too much pass.
const MOST: usize = 64;

/// Finds where literals may begin.
#[derive(Clone, Debug)]
pub(super) struct Sieve {
    width: Width,
    tables: Tables,
}

/// The buckets of each byte at each of the four places, by its lower six bits, its lower four and its upper four.
#[derive(Clone, Debug)]
struct Tables {
    sextets: [[u8; 64]; LOOK],
    low: [[u8; 16]; LOOK],
    high: [[u8; 16]; LOOK],
}

/// What the processor can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    Avx512,
    Avx2,
}

/// How far a search of a text has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sifted {
    /// The blocks before this are done, but for what is left of one.
    at: usize,
    block: usize,
    left: Places,
}

/// Those of 64 places, the first at the lowest bit, at which a literal may begin.
type Places = u64;

impl Width {
    fn detect() -> Option<Self> {
        let has_avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vbmi");
        if has_avx512 { Some(Self::Avx512) } else { is_x86_feature_detected!("avx2").then_some(Self::Avx2) }
    }
}

impl Sieve {
    /// Of literals that are not empty; `None` where they are too many, or the processor has no vectors for it.
    pub(super) fn new(literals: &[&[u8]]) -> Option<Self> {
        if literals.len() > MOST {
            return None;
        }
        Some(Self { width: Width::detect()?, tables: Tables::of(&buckets(literals)) })
    }

    /// The next place of `text` at which a literal may begin: one after the other all at which one does, and few others.
    #[inline]
    pub(super) fn next(&self, text: &[u8], sifted: &mut Sifted) -> Option<usize> {
        if sifted.left == 0 {
            (sifted.block, sifted.left) = self.next_block(text, sifted.at)?;
            sifted.at = sifted.block + BLOCK;
        }
        let place = sifted.block + sifted.left.trailing_zeros() as usize;
        sifted.left &= sifted.left - 1;
        Some(place)
    }

    /// The first block from `at` on with such places.
    fn next_block(&self, text: &[u8], at: usize) -> Option<(usize, Places)> {
        match self.width {
            // SAFETY: it is what `Width::detect` found.
            Width::Avx512 => unsafe { self.tables.next_avx512(text, at) },
            // SAFETY: the same.
            Width::Avx2 => unsafe { self.tables.next_avx2(text, at) },
        }
    }
}

impl Tables {
    fn of(buckets: &[Vec<&[u8]>]) -> Self {
        let mut tables = Self { sextets: [[0; 64]; LOOK], low: [[0; 16]; LOOK], high: [[0; 16]; LOOK] };
        for (bucket, literals) in buckets.iter().enumerate() {
            for place in 0..LOOK {
                for literal in literals {
                    tables.add(place, literal.get(place).copied(), 1 << bucket);
                }
            }
        }
        tables
    }

    /// Behind the end of a literal there may be any byte.
    fn add(&mut self, place: usize, byte: Option<u8>, bucket: u8) {
        for other in 0..=u8::MAX {
            let other = byte.unwrap_or(other);
            self.sextets[place][usize::from(other & 63)] |= bucket;
            self.low[place][usize::from(other & 15)] |= bucket;
            self.high[place][usize::from(other >> 4)] |= bucket;
            if byte.is_some() {
                break;
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn next_avx512(&self, text: &[u8], at: usize) -> Option<(usize, Places)> {
        let tables: [__m512i; LOOK] = std::array::from_fn(|place| load_64(&self.sextets[place]));
        next(text, at, |seen| {
            let buckets = |place: usize| _mm512_permutexvar_epi8(load_64(from(seen, place)), tables[place]);
            let first = _mm512_and_si512(buckets(0), buckets(1));
            _mm512_test_epi8_mask(first, _mm512_and_si512(buckets(2), buckets(3)))
        })
    }

    #[target_feature(enable = "avx2")]
    fn next_avx2(&self, text: &[u8], at: usize) -> Option<(usize, Places)> {
        let low: [__m256i; LOOK] = std::array::from_fn(|place| load_16_twice(&self.low[place]));
        let high: [__m256i; LOOK] = std::array::from_fn(|place| load_16_twice(&self.high[place]));
        let four_bits = _mm256_set1_epi8(15);
        next(text, at, |seen| {
            let half = |start: usize| {
                let buckets = |place: usize| {
                    let bytes = load_32(from(seen, start + place));
                    let lower = _mm256_shuffle_epi8(low[place], _mm256_and_si256(bytes, four_bits));
                    let upper = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), four_bits);
                    _mm256_and_si256(lower, _mm256_shuffle_epi8(high[place], upper))
                };
                let first = _mm256_and_si256(buckets(0), buckets(1));
                let all = _mm256_and_si256(first, _mm256_and_si256(buckets(2), buckets(3)));
                let none = _mm256_movemask_epi8(_mm256_cmpeq_epi8(all, _mm256_setzero_si256()));
                Places::from(!none.cast_unsigned())
            };
            half(0) | half(BLOCK / 2) << (BLOCK / 2)
        })
    }
}

/// The first block of `text` from `at` on with places at all. Behind the text there are zeros.
#[inline(always)]
fn next(text: &[u8], mut at: usize, places: impl Fn(&[u8; SEEN]) -> Places) -> Option<(usize, Places)> {
    // Two at a time, for a branch takes as long as a block.
    while let Some(seen) = text.get(at..)?.first_chunk::<{ BLOCK + SEEN }>() {
        let (first, second) = (places(from(seen, 0)), places(from(seen, BLOCK)));
        if first != 0 {
            return Some((at, first));
        }
        if second != 0 {
            return Some((at + BLOCK, second));
        }
        at += 2 * BLOCK;
    }
    while let rest @ [_, ..] = &text[at.min(text.len())..] {
        let (mut seen, length) = ([0; SEEN], rest.len().min(SEEN));
        seen[..length].copy_from_slice(&rest[..length]);
        let found = places(&seen) & (Places::MAX >> BLOCK.saturating_sub(length));
        if found != 0 {
            return Some((at, found));
        }
        at += BLOCK;
    }
    None
}

/// So many bytes from a place on.
#[inline(always)]
fn from<const LENGTH: usize>(seen: &[u8], place: usize) -> &[u8; LENGTH] {
    seen[place..].first_chunk().expect("a block and what is looked at behind it are there")
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_64(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: so many bytes are there; they need not be aligned.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_32(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the same.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_16_twice(bytes: &[u8; 16]) -> __m256i {
    // SAFETY: the same.
    _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
}

/// Literals with much in common together, so that few other bytes pass for one of a bucket. Side by side stand those whose bytes are of
/// the same kinds; and then two neighbours are joined whose union lets the least pass that they don't, as long as there are too many.
fn buckets<'a>(literals: &[&'a [u8]]) -> Vec<Vec<&'a [u8]>> {
    let mut literals = literals.to_vec();
    literals.sort_by_cached_key(|literal| literal.iter().take(LOOK).map(|byte| byte >> 4).collect::<Vec<_>>());
    let mut buckets: Vec<(Passing, Vec<&[u8]>)> = literals.iter().map(|&l| (Passing::of(l), vec![l])).collect();
    while buckets.len() > BUCKETS {
        let more =
            buckets.windows(2).map(|two| two[0].0.joined(two[1].0).count() - two[0].0.count() - two[1].0.count());
        let Some((least, _)) = more.enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b)) else { break };
        let (passing, joined) = buckets.remove(least + 1);
        buckets[least].0 = buckets[least].0.joined(passing);
        buckets[least].1.extend(joined);
    }
    buckets.into_iter().map(|(_, literals)| literals).collect()
}

/// What passes for one of some literals: at each place the lower and the upper halves of bytes, a bit for each.
#[derive(Clone, Copy, Debug)]
struct Passing([(u16, u16); LOOK]);

impl Passing {
    fn of(literal: &[u8]) -> Self {
        let halves = |byte: &u8| (1 << (byte & 15), 1 << (byte >> 4));
        Self(std::array::from_fn(|place| literal.get(place).map_or((u16::MAX, u16::MAX), halves)))
    }

    fn joined(self, other: Self) -> Self {
        let pair = |place: usize| (self.0[place].0 | other.0[place].0, self.0[place].1 | other.0[place].1);
        Self(std::array::from_fn(pair))
    }

    /// How many texts of four bytes.
    fn count(self) -> f64 {
        self.0.iter().map(|(low, high)| f64::from(low.count_ones() * high.count_ones())).product()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Both widths, as far as the processor has them.
    fn sieves(literals: &[&[u8]]) -> Vec<Sieve> {
        let widths = match Width::detect() {
            Some(Width::Avx512) => &[Width::Avx512, Width::Avx2][..],
            Some(Width::Avx2) => &[Width::Avx2],
            None => &[],
        };
        let tables = Tables::of(&buckets(literals));
        widths.iter().map(|&width| Sieve { width, tables: tables.clone() }).collect()
    }

    fn places(sieve: &Sieve, text: &[u8]) -> Vec<usize> {
        let mut sifted = Sifted::default();
        std::iter::from_fn(|| sieve.next(text, &mut sifted)).collect()
    }

    fn begins(literals: &[&[u8]], text: &[u8]) -> Vec<usize> {
        (0..text.len()).filter(|&at| literals.iter().any(|literal| text[at..].starts_with(literal))).collect()
    }

    #[test]
    fn few_literals_pass_for_nothing_else() {
        let literals: [&[u8]; 3] = [b"AKIA", b"ecret", b"x"];
        let text = b"AKIA ecret x AKIBecre AKI".repeat(9);
        for sieve in sieves(&literals) {
            let places = places(&sieve, &text);
            let expected: Vec<usize> = (0..text.len())
                .filter(|&at| [&b"AKIA"[..], b"ecre", b"x"].iter().any(|l| text[at..].starts_with(l)))
                .collect();
            assert_eq!(places, expected, "{:?}", sieve.width);
        }
    }

    #[test]
    fn no_text_has_places_behind_its_end() {
        for sieve in sieves(&[b"\0", b"\0\0\0\0", b"a"]) {
            for length in 0..300 {
                assert_eq!(places(&sieve, &vec![0; length]), (0..length).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn many_literals_share_the_buckets() {
        let owned: Vec<Vec<u8>> = (0..=u8::MAX).map(|n| vec![n, n ^ 85, n.wrapping_mul(7), 3]).collect();
        let literals: Vec<&[u8]> = owned.iter().map(Vec::as_slice).collect();
        let buckets = buckets(&literals);
        assert_eq!((buckets.len(), buckets.iter().map(Vec::len).sum::<usize>()), (BUCKETS, 256));
    }

    proptest! {
        #[test]
        fn no_place_is_missed_and_all_are_in_order(
            literals in proptest::collection::vec(proptest::collection::vec(0u8..6, 1..7), 1..40),
            text in proptest::collection::vec(0u8..6, 0..400),
            start in 0usize..70,
        ) {
            let literals: Vec<&[u8]> = literals.iter().map(Vec::as_slice).collect();
            // Blocks begin anywhere.
            let text = &text[start.min(text.len())..];
            for sieve in sieves(&literals) {
                let places = places(&sieve, text);
                prop_assert!(places.is_sorted_by(|a, b| a < b) && places.iter().all(|&at| at < text.len()));
                let missed: Vec<usize> = begins(&literals, text).into_iter().filter(|at| !places.contains(at)).collect();
                prop_assert!(missed.is_empty(), "{:?} misses {missed:?}", sieve.width);
            }
        }
    }
}
