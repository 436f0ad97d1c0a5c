//! Reads text that is written in another encoding than the bytes around it, and knows where each of its characters stands.
//! So far that is UTF-16; what is found in the text is not its business.

use super::Encoding;
use crate::location::Span;

/// Stands for every character that is not ASCII: no credential has one, and so a character is a byte.
const OTHER: u8 = 0xFF;

/// A stretch of UTF-16 as ASCII, one byte for two.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) encoding: Encoding,
    pub(super) text: Vec<u8>,
    start: usize,
}

impl Run {
    /// Where a piece of the text stands in the bytes it was read from.
    pub(super) fn raw(&self, piece: Span) -> Span {
        Span { start: self.start + 2 * piece.start, end: self.start + 2 * piece.end }
    }
}

/// The stretches of UTF-16 around hits that come in rising order, each stretch once.
#[derive(Debug)]
pub(super) struct Runs<'a> {
    bytes: &'a [u8],
    /// What the mark at the start of the bytes says.
    marked: Option<Encoding>,
    /// Where the last run of each encoding at an even and at an odd offset ended.
    done: [[usize; 2]; 2],
}

impl<'a> Runs<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let marked = match bytes {
            [0xFF, 0xFE, ..] => Some(Encoding::Utf16Le),
            [0xFE, 0xFF, ..] => Some(Encoding::Utf16Be),
            _ => None,
        };
        let done = [[0; 2]; 2];
        Self { bytes, marked, done }
    }

    /// The text around ASCII characters that alternate with zeros, the first at `at`, the last `len - 1` bytes further.
    /// `None` when an earlier run has them.
    pub(super) fn around(&mut self, at: usize, len: usize) -> Option<Run> {
        let first_unit = |encoding| match encoding {
            Encoding::Utf16Le => at,
            _ => at.saturating_sub(1),
        };
        let known = [Encoding::Utf16Le, Encoding::Utf16Be].into_iter().any(|encoding| {
            let unit = first_unit(encoding);
            unit < self.done[encoding as usize][unit % 2]
        });
        if known {
            return None;
        }
        let encoding = self.encoding(at, len);
        let unit = first_unit(encoding);
        let (start, end) = self.extent(encoding, unit);
        self.done[encoding as usize][unit % 2] = end;
        let text = self.bytes[start..end]
            .chunks_exact(2)
            .map(|pair| match read(encoding, pair) {
                ascii @ 0..0x80 => ascii as u8,
                _ => OTHER,
            })
            .collect();
        Some(Run { encoding, text, start })
    }

    /// ASCII with zeros between reads the same in both byte orders, so that only its ends tell: the little endian one ends in a zero,
    /// the big endian one begins with it. Where both have one, text at an even offset decides.
    fn encoding(&self, at: usize, len: usize) -> Encoding {
        let even = at.is_multiple_of(2);
        match self.marked {
            Some(Encoding::Utf16Le) if even => return Encoding::Utf16Le,
            Some(Encoding::Utf16Be) if !even => return Encoding::Utf16Be,
            _ => {}
        }
        let ascii = |c: u8| is_text(u16::from(c)) && c.is_ascii();
        let (mut first, mut last) = (at, at + len - 1);
        while first >= 2 && self.bytes[first - 1] == 0 && ascii(self.bytes[first - 2]) {
            first -= 2;
        }
        while let Some(&[0, next]) = self.bytes.get(last + 1..last + 3)
            && ascii(next)
        {
            last += 2;
        }
        let zero_before = first > 0 && self.bytes[first - 1] == 0;
        let zero_after = self.bytes.get(last + 1) == Some(&0);
        match (zero_before, zero_after) {
            (false, true) => Encoding::Utf16Le,
            (true, false) => Encoding::Utf16Be,
            _ if even => Encoding::Utf16Le,
            _ => Encoding::Utf16Be,
        }
    }

    /// How far the units around `unit` are text.
    fn extent(&self, encoding: Encoding, unit: usize) -> (usize, usize) {
        let units = |bytes: &'a [u8]| bytes.chunks_exact(2).map(move |pair| read(encoding, pair));
        let behind = units(&self.bytes[unit..]).take_while(|&u| is_text(u)).count();
        let before = units(&self.bytes[unit % 2..unit]).rev().take_while(|&u| is_text(u)).count();
        (unit - 2 * before, unit + 2 * behind)
    }
}

fn read(encoding: Encoding, pair: &[u8]) -> u16 {
    match encoding {
        Encoding::Utf16Le => u16::from_le_bytes([pair[0], pair[1]]),
        _ => u16::from_be_bytes([pair[0], pair[1]]),
    }
}

/// Whether a unit may be part of a text: no control character but white space, no byte order mark, nothing that is no character.
/// Halves of surrogate pairs are taken as they come.
fn is_text(unit: u16) -> bool {
    matches!(unit, 0x09 | 0x0A | 0x0C | 0x0D | 0x20..=0x7E | 0xA0..=0xFEFE | 0xFF00..=0xFFFD)
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
        let at = memchr::memmem::find(bytes, b"K\0E\0Y").unwrap();
        let run = Runs::new(bytes).around(at, 5).unwrap();
        let key = memchr::memmem::find(&run.text, b"KEY").unwrap();
        let raw = run.raw(Span { start: key, end: key + 3 });
        assert_eq!(raw.end - raw.start, 6);
        let text = run.text.iter().map(|&c| if c == OTHER { '?' } else { c.into() });
        (run.encoding, text.collect(), raw.start)
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
    fn a_run_is_given_once() {
        let bytes = encode(LITTLE, "KEY KEY\0KEY");
        let mut runs = Runs::new(&bytes);
        assert!(runs.around(0, 5).is_some());
        assert!(runs.around(8, 5).is_none());
        assert_eq!(runs.around(16, 5).unwrap().text, b"KEY");
    }

    #[test]
    fn a_unit_that_is_cut_off_ends_the_run() {
        let mut bytes = encode(LITTLE, "a KEY");
        bytes.pop();
        let text = Runs::new(&bytes).around(4, 5).unwrap().text;
        assert_eq!(text, b"a KE");
    }
}
