//! UTF-16 of either byte order, anywhere among other bytes and at any offset.

use std::ops::Range;

use crate::engine::Encoding;

/// Stands for every character that is not ASCII: no credential has one, and so a character is a byte.
const OTHER: u8 = 0xFF;
/// So many ASCII characters in a row are taken for UTF-16.
const SHORTEST: usize = 4;
/// So many pairs of ASCII characters in a row are no text in Chinese.
const NARROW: usize = 3;

/// A stretch of UTF-16.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) encoding: Encoding,
    pub(super) range: Range<usize>,
}

/// What the mark at the start of the bytes says.
pub(in crate::engine) fn mark(bytes: &[u8]) -> Option<Encoding> {
    match bytes {
        [0xFF, 0xFE, ..] => Some(Encoding::Utf16Le),
        [0xFE, 0xFF, ..] => Some(Encoding::Utf16Be),
        _ => None,
    }
}

/// The first stretch that is at `from` or behind it.
pub(super) fn next(bytes: &[u8], from: usize, marked: Option<Encoding>) -> Option<Run> {
    let zeros = memchr::memchr_iter(0, &bytes[from..]).map(|at| from + at);
    let at = zeros.filter_map(|zero| zero.checked_sub(1)).find(|&at| at >= from && is_start(bytes, at))?;
    Some(around(bytes, at, 2 * SHORTEST - 1, from, marked))
}

/// The stretch around ASCII characters that alternate with zeros, the first at `at`, the last `len - 1` bytes further. It begins
/// at `floor` or behind it.
///
/// ASCII with zeros between reads the same in both byte orders, so that only its ends tell: the little endian one ends in a zero,
/// the big endian one begins with it. Where none has one, the character at one end is none of it, rather a line end than another.
/// Else text at an even offset decides. The mark goes before all that.
pub(super) fn around(bytes: &[u8], at: usize, len: usize, floor: usize, marked: Option<Encoding>) -> Run {
    let (mut first, mut last) = (at, at + len - 1);
    while first >= floor + 2 && bytes[first - 1] == 0 && is_ascii(bytes[first - 2]) {
        first -= 2;
    }
    while let Some(&[0, next]) = bytes.get(last + 1..last + 3)
        && is_ascii(next)
    {
        last += 2;
    }
    let zero_before = first > floor && bytes[first - 1] == 0;
    let zero_after = bytes.get(last + 1) == Some(&0);
    let even = first.is_multiple_of(2);
    let ends_line = |at: usize| bytes[at].is_ascii_control();
    let encoding = match (zero_before, zero_after) {
        _ if marked == Some(Encoding::Utf16Le) && even => Encoding::Utf16Le,
        _ if marked == Some(Encoding::Utf16Be) && !even => Encoding::Utf16Be,
        (false, true) => Encoding::Utf16Le,
        (true, false) => Encoding::Utf16Be,
        (false, false) if ends_line(last) && !ends_line(first) => Encoding::Utf16Le,
        (false, false) if ends_line(first) && !ends_line(last) => Encoding::Utf16Be,
        _ if even => Encoding::Utf16Le,
        _ => Encoding::Utf16Be,
    };
    // The byte at an end without a zero belongs to something else.
    let range = match encoding {
        Encoding::Utf16Le if zero_after => first..last + 2,
        Encoding::Utf16Le => first..last,
        _ if zero_before => first - 1..last + 1,
        _ => first + 1..last + 1,
    };
    Run { encoding, range: extended(bytes, encoding, range, floor) }
}

impl Run {
    /// Its text, a byte for each unit.
    pub(super) fn text(&self, bytes: &[u8]) -> Vec<u8> {
        let ascii = |unit: u16| u8::try_from(unit).ok().filter(u8::is_ascii).unwrap_or(OTHER);
        units(self.encoding, &bytes[self.range.clone()]).map(ascii).collect()
    }
}

/// A range with the units around it that are text too.
fn extended(bytes: &[u8], encoding: Encoding, range: Range<usize>, floor: usize) -> Range<usize> {
    let before = &bytes[floor + (range.start - floor) % 2..range.start];
    let before = units(encoding, before).rev().take_while(|&u| is_text(u));
    // What reads as rare characters may be plain ones an odd number of bytes further.
    let other_starts: &[usize] = if encoding == Encoding::Utf16Le { &[1] } else { &[0, 2] };
    let goes_on = |&(at, u): &(usize, u16)| {
        is_text(u) && (u < 0x80 || !other_starts.iter().any(|offset| is_start(bytes, at + offset)))
    };
    let behind = units(encoding, &bytes[range.end..]).enumerate().map(|(i, u)| (range.end + 2 * i, u));
    let behind = behind.take_while(goes_on).map(|(_, u)| u);
    range.start - 2 * length(before)..range.end + 2 * length(behind)
}

/// How many units there are, or none if they begin with what is rather bytes of ASCII.
fn length(units: impl Iterator<Item = u16>) -> usize {
    let mut units = units.peekable();
    let is_narrow = |u: &u16| u.to_le_bytes().into_iter().all(is_ascii);
    let narrow = std::iter::from_fn(|| units.next_if(is_narrow)).take(NARROW).count();
    if narrow == NARROW { 0 } else { narrow + units.count() }
}

/// Whether a few ASCII characters alternate with zeros from `at` on.
fn is_start(bytes: &[u8], at: usize) -> bool {
    let characters = (0..SHORTEST).map(|i| bytes.get(at + 2 * i));
    let zeros = (1..SHORTEST).map(|i| bytes.get(at + 2 * i - 1));
    characters.flatten().filter(|c| is_ascii(**c)).count() == SHORTEST && zeros.flatten().all(|&c| c == 0)
}

fn units(encoding: Encoding, bytes: &[u8]) -> impl DoubleEndedIterator<Item = u16> {
    let read = match encoding {
        Encoding::Utf16Le => u16::from_le_bytes,
        _ => u16::from_be_bytes,
    };
    bytes.chunks_exact(2).map(move |unit| read([unit[0], unit[1]]))
}

/// Whether a unit may be part of a text: no control character but white space, no byte order mark, nothing that is no character.
/// Halves of surrogate pairs are taken as they come.
fn is_text(unit: u16) -> bool {
    matches!(unit, 0x09 | 0x0A | 0x0C | 0x0D | 0x20..=0x7E | 0xA0..=0xFEFE | 0xFF00..=0xFFFD)
}

/// The same for a unit that is a byte.
pub(super) fn is_ascii(c: u8) -> bool {
    c.is_ascii() && is_text(u16::from(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LITTLE: Encoding = Encoding::Utf16Le;
    const BIG: Encoding = Encoding::Utf16Be;

    fn encode(encoding: Encoding, text: &str) -> Vec<u8> {
        let bytes = match encoding {
            Encoding::Utf16Le => u16::to_le_bytes,
            _ => u16::to_be_bytes,
        };
        text.encode_utf16().flat_map(bytes).collect()
    }

    /// The run around the first `KEY` in UTF-16, its text and where the `KEY` stands in the bytes according to it.
    fn run(bytes: &[u8]) -> (Encoding, String, usize) {
        let run = next(bytes, 0, mark(bytes)).unwrap();
        let text = run.text(bytes);
        let key = memchr::memmem::find(&text, b"KEY").unwrap();
        let text = text.iter().map(|&c| if c == OTHER { '?' } else { c.into() });
        (run.encoding, text.collect(), run.range.start + 2 * key)
    }

    #[test]
    fn a_whole_file_is_one_run() {
        for (encoding, mark) in [(LITTLE, [0xFF, 0xFE]), (BIG, [0xFE, 0xFF])] {
            let marked = [&mark, encode(encoding, "a KEY\r\nb").as_slice()].concat();
            assert_eq!(run(&marked), (encoding, "a KEY\r\nb".to_owned(), 6));
            assert_eq!(run(&encode(encoding, "a KEY\n")), (encoding, "a KEY\n".to_owned(), 4));
        }
    }

    #[test]
    fn characters_of_one_or_two_units_keep_their_places() {
        for encoding in [LITTLE, BIG] {
            let bytes = encode(encoding, "\u{e9}\u{1F511}\u{4E2D} KEY \u{1F511}");
            assert_eq!(run(&bytes), (encoding, "???? KEY ??".to_owned(), 10));
        }
    }

    #[test]
    fn a_run_inside_a_binary_is_found_at_any_offset() {
        // What stands before may be read as characters too.
        for (encoding, before, after, text) in [
            (LITTLE, &b"\x07\x01\x02"[..], &b"\0\0\x03"[..], "?a KEY"),
            (LITTLE, b"\x07\x01\x07\0", b"\0\0\x03", "a KEY"),
            (BIG, b"\x07\x05\x01\0\0", b"\x07\x01", "a KEY?"),
            (BIG, b"\x07\x01\0\x02", b"\x07\x01", "a KEY?"),
        ] {
            let bytes = [before, &encode(encoding, "a KEY"), after].concat();
            assert_eq!(run(&bytes), (encoding, text.to_owned(), before.len() + 4), "{before:?}");
        }
    }

    #[test]
    fn runs_are_given_one_after_the_other() {
        let bytes = [encode(LITTLE, "a KEY\0the KEY"), encode(BIG, "\0last KEY")].concat();
        let first = next(&bytes, 0, None).unwrap();
        assert_eq!(first.text(&bytes), b"a KEY");
        let second = next(&bytes, first.range.end, None).unwrap();
        assert_eq!(second.text(&bytes), b"the KEY");
        let third = next(&bytes, second.range.end, None).unwrap();
        assert_eq!((third.encoding, third.text(&bytes)), (BIG, b"last KEY".to_vec()));
        assert_eq!(next(&bytes, third.range.end, None), None);
    }

    #[test]
    fn a_big_endian_run_that_was_cut_into_begins_behind_the_cut() {
        let bytes = encode(BIG, "a KEY");
        let run = next(&bytes, 1, None).unwrap();
        assert!(run.range.start >= 1, "{run:?}");
        assert_eq!(next(b"a\0K\0E", 0, None), None);
        assert_eq!(next(b"", 0, None), None);
    }

    #[test]
    fn a_letter_that_is_cut_off_ends_the_run() {
        let mut bytes = encode(LITTLE, "a KEY");
        bytes.pop();
        assert_eq!(next(&bytes, 0, None).unwrap().text(&bytes), b"a KE");
    }
}
