//! Classes of bytes, and long stretches of one, found without a look at most of the others. What a stretch means is not this room's
//! business.

use std::ops::{Range, RangeInclusive};

/// Some of all bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Class([bool; 256]);

impl Class {
    /// None of them.
    pub(super) const EMPTY: Self = Self([false; 256]);

    /// This class and the bytes of `others`.
    pub(super) const fn with(mut self, others: &[u8]) -> Self {
        let mut i = 0;
        while i < others.len() {
            self.0[others[i] as usize] = true;
            i += 1;
        }
        self
    }

    /// This class, letters, digits and the bytes of `others`.
    pub(super) const fn with_words(mut self, others: &[u8]) -> Self {
        let mut c = 0;
        while c < self.0.len() {
            self.0[c] |= (c as u8).is_ascii_alphanumeric();
            c += 1;
        }
        self.with(others)
    }

    pub(super) fn add(&mut self, bytes: RangeInclusive<u8>) {
        bytes.for_each(|c| self.0[usize::from(c)] = true);
    }

    #[inline]
    pub(super) fn has(&self, c: u8) -> bool {
        self.0[usize::from(c)]
    }

    /// How many bytes are in it.
    pub(super) fn len(&self) -> usize {
        self.0.iter().filter(|&&is_in| is_in).count()
    }

    /// Where the stretch ends that begins at `at`.
    pub(super) fn end(&self, text: &[u8], at: usize) -> usize {
        text[at..].iter().position(|&c| !self.has(c)).map_or(text.len(), |length| at + length)
    }

    /// Where the stretch begins that ends at `at`, not before `floor`.
    pub(super) fn start(&self, text: &[u8], at: usize, floor: usize) -> usize {
        text[floor..at].iter().rposition(|&c| !self.has(c)).map_or(floor, |other| floor + other + 1)
    }

    /// The first stretch at `from` or behind it that has at least `shortest` bytes, which is not zero.
    pub(super) fn next(&self, text: &[u8], mut from: usize, shortest: usize) -> Option<Range<usize>> {
        // It covers one of any so many places in a row, so that most bytes need no look.
        let mut at = from + shortest - 1;
        while at < text.len() {
            if !self.has(text[at]) {
                at += shortest;
                continue;
            }
            let stretch = self.start(text, at, from)..self.end(text, at);
            if stretch.len() >= shortest {
                return Some(stretch);
            }
            from = stretch.end;
            at = from + shortest;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LETTERS: Class = Class::EMPTY.with_words(b"+/\xFF");

    #[test]
    fn a_class_has_what_it_was_given() {
        assert_eq!(LETTERS.len(), 65);
        assert!(b"azAZ09+/\xFF".iter().all(|&c| LETTERS.has(c)));
        assert!(!b"-= \0\x80".iter().any(|&c| LETTERS.has(c)));
        assert_eq!((LETTERS.end(b"..ab.", 2), LETTERS.start(b".ab.", 3, 0), LETTERS.start(b".ab.", 3, 2)), (4, 1, 2));
    }

    proptest! {
        #[test]
        fn the_first_stretch_that_is_long_enough_is_found(
            text in prop::collection::vec(prop_oneof![9 => Just(b'a'), 1 => Just(b' ')], 0..200), from in 0..20_usize, shortest in 1..40_usize
        ) {
            let stretches = text.split(|&c| c == b' ').scan(0, |at, word| {
                let start = *at;
                *at += word.len() + 1;
                Some(start..start + word.len())
            });
            let behind = stretches.map(|word| word.start.max(from)..word.end);
            let expected = behind.into_iter().find(|word| word.start < word.end && word.len() >= shortest);
            prop_assert_eq!(LETTERS.next(&text, from, shortest), expected);
        }
    }
}
