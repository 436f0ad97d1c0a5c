//! Bitmaps as git writes them for an index in two files: runs of equal bits between words of any.
//! <https://git-scm.com/docs/bitmap-format#_appendix_a_serialization_format_for_an_ewah_bitmap>

use crate::source::git::index::u32_at;

/// Reads a bitmap from the start of `data`, which is moved on to what follows it. `None` when it is damaged, or has bits beyond
/// the first `most`.
pub(super) fn read(data: &mut &[u8], most: usize) -> Option<Vec<bool>> {
    let words = u32_at(data, 4)? as usize;
    let bytes = words.checked_mul(8)?;
    let (compressed, rest) = data.get(8..)?.split_at_checked(bytes)?;
    // The position of the last run: only who writes on needs it.
    *data = rest.get(4..)?;
    let mut bits = Bits { bits: Vec::new(), most };
    let mut words =
        compressed.chunks_exact(8).map(|raw| u64::from_be_bytes(raw.try_into().expect("it has eight bytes")));
    while let Some(run) = words.next() {
        let (bit, length, literals) = (run & 1 != 0, run >> 1 & 0xffff_ffff, run >> 33);
        bits.repeat(bit, usize::try_from(length).ok()?.checked_mul(64)?)?;
        for _ in 0..literals {
            bits.add(words.next()?)?;
        }
    }
    bits.bits.resize(most, false);
    Some(bits.bits)
}

struct Bits {
    bits: Vec<bool>,
    most: usize,
}

impl Bits {
    fn repeat(&mut self, bit: bool, count: usize) -> Option<()> {
        let room = self.most - self.bits.len();
        if bit && count > room {
            return None;
        }
        self.bits.resize(self.bits.len() + count.min(room), bit);
        Some(())
    }

    /// The lowest bit of a word comes first.
    fn add(&mut self, word: u64) -> Option<()> {
        let room = self.most - self.bits.len();
        if room < 64 && word >> room != 0 {
            return None;
        }
        self.bits.extend((0..64.min(room)).map(|bit| word >> bit & 1 != 0));
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bits: u32, words: &[u64]) -> Vec<u8> {
        let mut out = [bits.to_be_bytes(), (words.len() as u32).to_be_bytes()].concat();
        words.iter().for_each(|word| out.extend(word.to_be_bytes()));
        out.extend([0; 4]);
        out
    }

    fn set(data: &[u8], most: usize) -> Option<Vec<usize>> {
        let mut rest = data;
        let bits = read(&mut rest, most)?;
        assert_eq!((bits.len(), rest.len()), (most, 0));
        Some((0..most).filter(|bit| bits[*bit]).collect())
    }

    #[test]
    fn runs_and_words_are_read() {
        // One word of ones, two words as they are, then one of zeros.
        let data = written(256, &[1 | 1 << 1 | 2 << 33, 0b101, 1 << 63, 1 << 1]);
        let expected: Vec<usize> = (0..64).chain([64, 66, 191]).collect();
        assert_eq!(set(&data, 256).unwrap(), expected);
        assert!(set(&written(0, &[0]), 0).unwrap().is_empty());
        assert_eq!(set(&written(3, &[1 << 33, 0b10]), 3).unwrap(), [1]);
    }

    #[test]
    fn bits_beyond_the_last_and_words_that_are_not_there_are_refused() {
        assert_eq!(set(&written(3, &[1 << 33, 0b1000]), 3), None);
        assert_eq!(set(&written(3, &[1 | u64::MAX << 1 & 0x1_ffff_fffe]), 3), None);
        assert_eq!(set(&written(3, &[5 << 33, 1]), 400), None);
        let data = written(64, &[1 << 33, 0b10]);
        for len in 0..data.len() {
            assert_eq!(read(&mut &data[..len], 64), None, "{len}");
        }
        // Zeros may be as many as there are.
        assert!(set(&written(3, &[0xffff_ffff << 1]), 3).unwrap().is_empty());
    }
}
