//! Bytes as programs list them: `0x41, 0x4B, 0x49`.

use std::ops::Range;

/// Fewer items are no list.
const SHORTEST: usize = 16;
/// What separates two items is no longer: a comma, a line end and what indents the next line.
const FARTHEST: usize = 64;

/// Bytes that are listed, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct List {
    pub(super) bytes: Vec<u8>,
    pub(super) items: Vec<Range<usize>>,
}

/// The first list of printable bytes at `from` or behind it.
pub(super) fn next(text: &[u8], from: usize) -> Option<List> {
    let mut at = from;
    loop {
        at += memchr::memmem::find(text.get(at..)?, b"0x")?;
        let list = at_start(&text[at..], at);
        match list.items.last() {
            Some(_) if list.items.len() >= SHORTEST => return Some(list),
            Some(last) => at = last.end,
            None => at += 2,
        }
    }
}

fn at_start(text: &[u8], offset: usize) -> List {
    let mut list = List { bytes: Vec::new(), items: Vec::new() };
    let mut at = 0;
    while let Some(byte) = item(&text[at..]) {
        list.bytes.push(byte);
        list.items.push(offset + at..offset + at + 4);
        let behind = &text[at + 4..text.len().min(at + 4 + FARTHEST)];
        match behind.iter().position(|c| !b", \t\r\n".contains(c)) {
            Some(separator) if separator > 0 => at += 4 + separator,
            _ => break,
        }
    }
    list
}

/// The byte that an item at the start of `text` stands for, if it can be printed.
fn item(text: &[u8]) -> Option<u8> {
    let digit = |c: u8| char::from(c).to_digit(16);
    match *text {
        [b'0', b'x', high, low, ..] => {
            let byte = (digit(high)? * 16 + digit(low)?) as u8;
            matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~').then_some(byte)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
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
    fn what_cannot_be_text_is_no_list() {
        assert_eq!(next("0x00, ".repeat(40).as_bytes(), 0), None);
        assert_eq!(next("0x41414141, ".repeat(40).as_bytes(), 0), None);
        assert_eq!(next(b"0x", 0), None);
    }
}
