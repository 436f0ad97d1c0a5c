//! Bytes as programs and dumps list them: `0x41, 0x4B, 0x49`, `41 4b 49`, `41:4b:49`, `65, 75, 73`.

use std::ops::Range;

use crate::engine::Encoding;
use crate::engine::class::Class;

/// Fewer items are no list.
const SHORTEST: usize = 16;
/// What separates two items is no longer: a comma, a line end and what indents the next line.
const FARTHEST: usize = 64;

/// No list has fewer bytes: numbers of one digit with commas between.
const SHORTEST_TEXT: usize = 2 * SHORTEST - 1;

/// What lists are written with.
static LISTED: Class = Class::EMPTY.with(b"0123456789abcdefABCDEFx:-, \t\r\n");
/// The same and all other letters.
static WORDS: Class = Class::EMPTY.with_words(b":-, \t\r\n");

/// Bytes that are listed, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct List {
    pub(super) bytes: Vec<u8>,
    pub(super) items: Vec<Range<usize>>,
    pub(super) encoding: Encoding,
}

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `0x41`, with commas and white space between.
    Prefixed,
    /// `41`, with this sign between.
    Pairs(u8),
    /// `65`, with a comma and white space between.
    Decimals,
}

/// The first list of printable bytes at `from` or behind it.
pub(super) fn next(text: &[u8], from: usize) -> Option<List> {
    let (mut at, mut settled) = (from, from);
    loop {
        let stretch = LISTED.next(text, at, SHORTEST_TEXT)?;
        at = stretch.end;
        // Each item has a digit, also a hexadecimal one, for no byte that can be printed is higher than 7F.
        if text[stretch.clone()].iter().filter(|c| c.is_ascii_digit()).count() < SHORTEST {
            continue;
        }
        // Which words and lists there are depends on where the first of them begins.
        let start = WORDS.start(text, stretch.start, settled);
        match next_within(text, start, stretch.end) {
            Ok(list) => return Some(list),
            Err(end) => (at, settled) = (end, end),
        }
    }
}

/// The first list that begins at `at` or behind it and before `end`; if there is none, where the next may begin.
fn next_within(text: &[u8], mut at: usize, end: usize) -> Result<List, usize> {
    while at < end {
        let Some(digit) = text[at..end].iter().position(u8::is_ascii_hexdigit) else {
            return Err(end);
        };
        at += digit;
        let list = Form::at(&text[at..]).map(|form| form.list(text, at)).filter(|list| !list.items.is_empty());
        match list {
            Some(list) if list.items.len() >= SHORTEST => return Ok(list),
            Some(list) => at = list.items.last().map_or(end, |last| last.end),
            None => at += text[at..].iter().take_while(|c| c.is_ascii_alphanumeric()).count().max(1),
        }
    }
    Err(at)
}

impl Form {
    /// Of the list that may begin with `text`.
    fn at(text: &[u8]) -> Option<Self> {
        match *text {
            [b'0', b'x', ..] => Some(Self::Prefixed),
            [_, high, sign @ (b' ' | b':' | b'-'), ..] if high.is_ascii_hexdigit() => Some(Self::Pairs(sign)),
            [_, b',', ..] | [_, _, b',', ..] | [_, _, _, b',', ..] => Some(Self::Decimals),
            _ => None,
        }
    }

    fn list(self, text: &[u8], from: usize) -> List {
        let encoding = if self == Self::Decimals { Encoding::Escapes } else { Encoding::Hex };
        let mut list = List { bytes: Vec::new(), items: Vec::new(), encoding };
        let mut at = from;
        while let Some((byte, length)) = self.item(&text[at..]) {
            list.bytes.push(byte);
            list.items.push(at..at + length);
            at += length;
            match self.separator(&text[at..text.len().min(at + FARTHEST)]) {
                Some(length) => at += length,
                None => break,
            }
        }
        list
    }

    /// The byte that an item at the start of `text` stands for, if it can be printed, and how long the item is.
    fn item(self, text: &[u8]) -> Option<(u8, usize)> {
        let (prefix, radix, digits): (&[u8], u32, _) = match self {
            Self::Prefixed => (b"0x", 16, 2..=2),
            Self::Pairs(_) => (b"", 16, 2..=2),
            Self::Decimals => (b"", 10, 1..=3),
        };
        let (byte, count) = super::escapes::number(text.strip_prefix(prefix)?, radix, digits)?;
        Some((byte, prefix.len() + count))
    }

    /// How long is what separates two items at the start of `text`.
    fn separator(self, text: &[u8]) -> Option<usize> {
        let length = text.iter().position(|c| !b", \t\r\n".contains(c)).filter(|&length| length > 0);
        match self {
            Self::Prefixed => length,
            Self::Pairs(sign) => (text.first() == Some(&sign)).then_some(1),
            Self::Decimals => length.filter(|_| text[0] == b','),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_are_read_over_lines() {
        for separator in [",", ", ", ",\n    ", " "] {
            let items: Vec<String> = b"sixteen or more!".iter().map(|c| format!("0x{c:02X}")).collect();
            let text = format!("0x00, 0x41, 0x01, x = {{ {} }}", items.join(separator));
            let list = next(text.as_bytes(), 0).unwrap();
            assert_eq!(list.bytes, b"sixteen or more!");
            assert_eq!(&text[list.items[0].clone()], "0x73");
            assert_eq!(&text[list.items[15].clone()], "0x21");
            assert_eq!(next(text.as_bytes(), list.items[1].start), None);
        }
    }

    #[test]
    fn lists_are_read_however_their_items_are_written() {
        let text = b"sixteen or more!";
        let all = |item: fn(&u8) -> String, separator: &str| text.iter().map(item).collect::<Vec<_>>().join(separator);
        let pair = |c: &u8| format!("{c:02x}");
        for list in [
            all(pair, " "),
            all(pair, ":"),
            all(pair, "-"),
            all(|c| format!("{c}"), ","),
            all(|c| format!("{c}"), ", "),
        ] {
            let found = next(format!("add 7, f(8, {list})").as_bytes(), 0).unwrap();
            assert_eq!(found.bytes, text, "{list}");
        }
    }

    #[test]
    fn what_cannot_be_text_is_no_list() {
        assert_eq!(next("7f ".repeat(40).as_bytes(), 0), None);
        assert_eq!(next("65 ".repeat(8).as_bytes(), 0), None);
        assert_eq!(next("200, ".repeat(40).as_bytes(), 0), None);
        assert_eq!(next("0x00, ".repeat(40).as_bytes(), 0), None);
        assert_eq!(next("0x41414141, ".repeat(40).as_bytes(), 0), None);
        assert_eq!(next(b"0x", 0), None);
    }

    proptest! {
        #[test]
        fn no_list_is_passed_over(
            words in prop::collection::vec((
                prop::sample::select(vec!["41", "41", "0x4b", "0x4b", "75", "75", "9", "7f", "ab", "g", "x4", "1234", "", "="]),
                prop::sample::select(vec![",", ",", " ", " ", ", ", ":", "-", ",\n                ", "", "- ", "("]),
                prop_oneof![1..3_usize, 14..20_usize],
            ), 0..12),
            from in 0..9_usize
        ) {
            let text = words.iter().map(|(word, between, times)| format!("{word}{between}").repeat(*times)).collect::<String>();
            let from = from.min(text.len());
            prop_assert_eq!(next(text.as_bytes(), from), next_within(text.as_bytes(), from, text.len()).ok());
        }
    }
}
