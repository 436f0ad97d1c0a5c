//! Rows of SQLite databases, wherever they stand: in a file, in pages cut out of one, in its log of changes, in memory. The columns
//! of a row stand side by side with nothing between them, so that only the header of the row tells where each begins. What is in
//! them is not this room's business.
//!
//! A row is the length of all that follows its key, the key in a table but not in an index, the length of the header, a type for
//! each column, and the columns (<https://www.sqlite.org/fileformat2.html>, sections 1.6 and 2.1). It is known by these alone: the
//! lengths must agree, and what is said to be text must be text. Rows that go on in another page are passed over.

use std::ops::Range;

use super::Budget;
use super::map::{Builder, Spent};

/// A row has a text of at least so many bytes: fewer would be a credential of no kind.
const SHORTEST_TEXT: usize = 16;
/// No row is longer: on a page of the usual size, none can be.
const LONGEST: usize = 4096;
/// A header is no longer than one byte can say.
const LONGEST_HEADER: usize = 127;
/// A row of so many columns is longer than one byte can say.
const MANY_COLUMNS: usize = b'A' as usize;
/// What stands before the header: two bytes of a length, nine of a key.
const LONGEST_KEY: usize = 2 + 9;
/// So many bytes are looked at together.
const BLOCK: usize = 64;

/// A row, as far as its last text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    start: usize,
    /// Those that hold texts and blobs, in order and not empty; the last is a text.
    columns: Vec<Range<usize>>,
}

/// Makes lines of rows, with a tab between the columns that hold text. What else a row is made of is left out, for numbers read
/// as letters and signs of no meaning.
pub(super) fn separate(text: &[u8], builder: &mut Builder<'_>, budget: &mut Budget) -> Result<(), Spent> {
    while let Some(record) = next(text, builder.done) {
        let mut done = record.start;
        let mut separator = b"\n";
        for column in record.columns {
            let between = done..column.start;
            builder.replace(between.clone(), separator, (between.len(), 1), &[], budget)?;
            done = column.end;
            separator = b"\t";
        }
        builder.replace(done..done, b"\n", (0, 1), &[], budget)?;
    }
    Ok(())
}

/// The first row at `from` or behind it.
fn next(text: &[u8], from: usize) -> Option<Record> {
    let mut place = from;
    loop {
        let sign = next_sign(text, place)?;
        place = place.max((sign + 1).saturating_sub(LONGEST_HEADER));
        let mut end = sign + LONGEST_KEY + 1;
        while place < end.min(text.len()) {
            if place > sign && is_sign(text[place - 1], text[place]) {
                end = place + LONGEST_KEY + 1;
            }
            if let Some(record) = Record::at(text, from, place) {
                return Some(record);
            }
            place += 1;
        }
    }
}

/// Whether a byte is none that text has, after the one before it: a control character, or a byte in the middle of a character that
/// has no beginning. All numbers of two bytes that are not very high are such.
#[inline]
fn is_sign(before: u8, c: u8) -> bool {
    let is_control = (c < b' ') & (c != b'\t') & (c != b'\n') & (c != b'\r');
    is_control | (c & 0xC0 == 0x80) & before.is_ascii()
}

/// The first byte at `from` or behind it that is none of a text.
fn next_sign(text: &[u8], from: usize) -> Option<usize> {
    let at = |at: usize| is_sign(at.checked_sub(1).map_or(0, |before| text[before]), text[at]);
    let mut start = from;
    if start == 0 && !text.is_empty() && !at(0) {
        start = 1;
    }
    while start > 0
        && let Some(block) = text.get(start..start + BLOCK)
    {
        // Without a branch for each byte, so that they are looked at all at once.
        let pairs = text[start - 1..].iter().zip(block);
        if pairs.fold(false, |any, (&before, &c)| any | is_sign(before, c)) {
            break;
        }
        start += BLOCK;
    }
    (start..text.len()).find(|&i| at(i))
}

impl Record {
    /// The row that has its header at `place`. All of it is at `from` or behind it.
    fn at(text: &[u8], from: usize, place: usize) -> Option<Self> {
        let header = usize::from(text[place]);
        let before = &text[from..place];
        if !(2..=LONGEST_HEADER).contains(&header) || is_short(before, header) {
            return None;
        }
        let lengths = [key(before), Some(0)].map(|key| key.map(|key| &before[..before.len() - key]));
        let limit = lengths.iter().flatten().map(|length| longest(length)).max()?.min(LONGEST);
        limit.checked_sub(header + SHORTEST_TEXT)?;
        let types = text.get(place + 1..place + header)?;
        let length = header + size_of_columns(types, limit - header)?;
        let start = lengths.iter().flatten().find_map(|before| announced(before, length))? + from;
        text.get(..place + length)?;
        next_sign(&text[..place + header], start)?;
        Some(Self { start, columns: columns(text, place + header, types)? })
    }
}

/// Whether no length that `before` may end in leaves room for a text. This is so of most places, and told in no time; what would be
/// the header if letters were one is too long for a length of one byte.
#[inline]
fn is_short(before: &[u8], header: usize) -> bool {
    let room = |length: u8| header < MANY_COLUMNS && usize::from(length) >= header + SHORTEST_TEXT;
    matches!(*before, [.., a, b, c] if (a | b | c).is_ascii() && !room(b) && !room(c))
}

/// How long the key is that `before` ends in.
fn key(before: &[u8]) -> Option<usize> {
    let (last, others) = before.split_last()?;
    let more = others.iter().rev().take(8).take_while(|c| !c.is_ascii()).count();
    (more == 8 || last.is_ascii()).then_some(more + 1)
}

/// The highest number of one or two bytes that `before` may end in.
fn longest(before: &[u8]) -> usize {
    match *before {
        [.., high @ 0x80..=0xFF, low @ ..0x80] => usize::from(high & 0x7F) << 7 | usize::from(low),
        [.., low @ ..0x80] => usize::from(low),
        _ => 0,
    }
}

/// Where that number begins if `before` ends in it.
fn announced(before: &[u8], number: usize) -> Option<usize> {
    let (high, low) = (number >> 7, (number & 0x7F) as u8);
    let before = before.strip_suffix(&[low])?;
    if high == 0 { Some(before.len()) } else { before.strip_suffix(&[0x80 | high as u8]).map(<[u8]>::len) }
}

/// The type of a column at the start of `types`, how many bytes it takes, and how many the column has.
fn column_type(types: &[u8]) -> Option<(usize, usize, usize)> {
    let (number, length) = match *types {
        [low @ ..0x80, ..] => (usize::from(low), 1),
        [high, low @ ..0x80, ..] => (usize::from(high & 0x7F) << 7 | usize::from(low), 2),
        _ => return None,
    };
    let size = match number {
        0 | 8 | 9 => 0,
        1..=4 => number,
        5 => 6,
        6 | 7 => 8,
        10 | 11 => return None,
        _ => (number - 12) / 2,
    };
    Some((number, length, size))
}

/// How many bytes columns of those types have, if no more than so many.
fn size_of_columns(mut types: &[u8], at_most: usize) -> Option<usize> {
    let mut sum = 0;
    while !types.is_empty() {
        let (_, length, size) = column_type(types)?;
        types = &types[length..];
        sum += size;
        if sum > at_most {
            return None;
        }
    }
    Some(sum)
}

/// The columns of those types from `at` on, up to the last text, if all texts are such and one is long enough.
fn columns(text: &[u8], mut at: usize, mut types: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut columns = Vec::new();
    let (mut to_last_text, mut longest) = (0, 0);
    while let Some((number, length, size)) = column_type(types) {
        types = &types[length..];
        let column = at..at + size;
        at = column.end;
        if number < 12 || size == 0 {
            continue;
        }
        columns.push(column.clone());
        if number % 2 == 1 {
            if !is_text(&text[column]) {
                return None;
            }
            (to_last_text, longest) = (columns.len(), longest.max(size));
        }
    }
    columns.truncate(to_last_text);
    Some(columns).filter(|_| longest >= SHORTEST_TEXT)
}

fn is_text(bytes: &[u8]) -> bool {
    let has_control = bytes.iter().fold(false, |any, &c| any | is_sign(0xFF, c));
    !has_control && std::str::from_utf8(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::rule::RuleSet;
    use crate::engine::rule::check::expand;
    use crate::engine::{Encoding, Scanner};

    /// What a column holds.
    #[derive(Clone, Copy, Debug)]
    enum Value<'a> {
        Null,
        One,
        /// Of as many bytes.
        Integer(u8),
        Text(&'a str),
        Blob(&'a [u8]),
    }

    use Value::{Blob, Integer, Null, One, Text};

    /// A number in groups of seven bits, the highest first.
    fn number(value: usize) -> Vec<u8> {
        let mut bytes = vec![(value & 0x7F) as u8];
        let mut rest = value >> 7;
        while rest > 0 {
            bytes.insert(0, 0x80 | (rest & 0x7F) as u8);
            rest >>= 7;
        }
        bytes
    }

    fn row(values: &[Value<'_>]) -> Vec<u8> {
        let (mut types, mut body) = (Vec::new(), Vec::new());
        for value in values {
            let (kind, bytes) = match *value {
                Null => (0, vec![]),
                One => (9, vec![]),
                Integer(size) => (
                    usize::from(size).min(4) + usize::from(size) / 6 + usize::from(size) / 8,
                    b"AZ09az+/"[..size.into()].to_vec(),
                ),
                Text(text) => (13 + 2 * text.len(), text.as_bytes().to_vec()),
                Blob(bytes) => (12 + 2 * bytes.len(), bytes.to_vec()),
            };
            types.extend(number(kind));
            body.extend(bytes);
        }
        [number(types.len() + 1), types, body].concat()
    }

    /// A row of a table, with its key.
    fn cell(key: usize, values: &[Value<'_>]) -> Vec<u8> {
        let row = row(values);
        [number(row.len()), number(key), row].concat()
    }

    /// A row of an index.
    fn entry(values: &[Value<'_>]) -> Vec<u8> {
        let row = row(values);
        [number(row.len()), row].concat()
    }

    /// A page with its rows at its end, the last one first, as SQLite puts them.
    fn page(kind: u8, cells: &[Vec<u8>]) -> Vec<u8> {
        let mut page = vec![kind, 0, 0, 0, cells.len() as u8, 0, 0, 0];
        let mut end = 4096;
        for cell in cells {
            end -= cell.len();
            page.extend((end as u16).to_be_bytes());
        }
        page.resize(end, 0);
        page.extend(cells.iter().rev().flatten());
        page
    }

    /// The first row with its columns.
    fn columns_of(text: &[u8]) -> Option<Vec<&[u8]>> {
        next(text, 0).map(|record| record.columns.into_iter().map(|column| &text[column]).collect())
    }

    fn id() -> String {
        expand("{{access_key_id}}").unwrap()
    }

    fn secret() -> String {
        expand("{{secret_access_key}}").unwrap()
    }

    /// How many ids, and how many secrets with an id, are found; nothing of it is told to be encoded.
    fn found(bytes: &[u8]) -> (usize, usize) {
        let scanner = Scanner::new(RuleSet::builtin());
        let scan = scanner.scan(bytes);
        assert_eq!(scan, scanner.scan_slowly(bytes));
        for found in &scan.matches {
            assert_eq!(found.encoding, []);
            if let Some(id) = found.access_key_id {
                assert_eq!(found.span.of(bytes), id.as_str().as_bytes());
            }
            for secret in &found.secrets {
                assert_eq!(secret.span.of(bytes), secret.secret.expose());
            }
        }
        let with_id = scan.matches.iter().filter(|found| found.access_key_id.is_some());
        (with_id.clone().count(), with_id.map(|found| found.secrets.len()).sum())
    }

    #[test]
    fn a_row_is_found_with_its_columns_wherever_it_stands() {
        let long = "x".repeat(300);
        let values = [Null, Text("prod"), Integer(8), Text("sixteen letters!"), Blob(b"\0\x01"), Text(&long), One];
        let columns: [&[u8]; 4] = [b"prod", b"sixteen letters!", b"\0\x01", long.as_bytes()];
        for row in [cell(7, &values), cell(1 << 20, &values), cell(usize::MAX >> 1, &values), entry(&values)] {
            for before in ["", "x", "word and word", "\u{e9}", "\0\0\0", "\n"] {
                let text = [before.as_bytes(), &row, b"\0\0\0\0"].concat();
                assert_eq!(columns_of(&text).as_deref(), Some(&columns[..]), "{}", text.escape_ascii());
            }
        }
    }

    #[test]
    fn rows_become_lines() {
        let rows = [
            cell(1, &[Null, Text("prod"), Integer(4), Text("sixteen letters!"), Integer(2)]),
            cell(2, &[Null, Null, Text("and sixteen more"), Blob(b"\xFF\0"), Text(""), Null]),
        ];
        let text = rows.concat();
        let mut builder = Builder::new(&text);
        separate(&text, &mut builder, &mut Budget::of(text.len())).unwrap();
        assert_eq!(builder.finish().unwrap().text, b"\nprod\tsixteen letters!\nAZ\nand sixteen more\n\xFF\0");
    }

    #[test]
    fn pairs_of_a_row_are_found() {
        let (id, secret) = (id(), secret());
        let (id, secret) = (Text(&id), Text(&secret));
        for values in [
            &[Null, Text("prod"), id, secret, Integer(4)][..],
            &[id, secret],
            &[secret, id],
            &[Null, Text("aws"), id, Integer(6), Null, secret, Text("eu-west-1")],
            &[Integer(1), id, Integer(8), secret],
            &[id, Blob(b"AZaz09\0"), secret],
            &[Text("{\"a\":\"b\\/c%41\"}"), id, secret],
        ] {
            let page = page(0x0D, &[cell(1, &[Null, Text("the first of them")]), cell(70, values)]);
            assert_eq!(found(&page), (1, 1), "{values:?}");
            assert_eq!(found(&page[1001..]), (1, 1), "{values:?}");
        }
    }

    #[test]
    fn rows_of_keys_and_values_are_pairs() {
        let (id, secret) = (id(), secret());
        for (name, other) in [("aws_access_key_id", "aws_secret_access_key"), ("AccessKeyId", "SecretAccessKey")] {
            let rows = [
                cell(1, &[Text("region"), Text("eu-west-1 (Ireland)")]),
                cell(2, &[Text(name), Text(&id)]),
                cell(3, &[Text(other), Text(&secret)]),
            ];
            assert_eq!(found(&page(0x0D, &rows)), (1, 1), "{name}");
        }
    }

    #[test]
    fn an_id_is_found_in_every_place_of_a_row() {
        let id = id();
        let other = Text("Zm9vYmFyYmF6");
        for values in [&[Text(&id)][..], &[Text(&id), other], &[other, Text(&id)], &[other, Text(&id), other, Null]] {
            for row in [cell(88, values), entry(values)] {
                let rows = [row.clone(), cell(89, &[Text("word after word")]), row];
                assert_eq!(found(&page(0x0D, &rows)), (2, 0), "{values:?}");
            }
        }
    }

    #[test]
    fn a_value_that_is_encoded_within_a_row_is_read() {
        let (id, secret) = (id(), secret());
        let encoded = crate::engine::base64::encode(format!("{id}:{secret}").as_bytes());
        let row = cell(65, &[Null, Text("a"), Text(&encoded), Text("Zm9vYmFyYmF6")]);
        let scan = Scanner::new(RuleSet::builtin()).scan(&page(0x0D, &[row]));
        assert_eq!(scan.matches.len(), 1);
        assert_eq!((scan.matches[0].secrets.len(), &scan.matches[0].encoding[..]), (1, &[Encoding::Base64][..]));
    }

    #[test]
    fn a_piece_of_something_longer_stays_one() {
        let id = id();
        let noise = "q7Xz0LmW3vK9pR2tYb8N";
        let long = format!("{noise}{id}{noise}");
        for text in [
            long.clone().into_bytes(),
            [b"\x01\x02\x03", long.as_bytes(), b"\0\0"].concat(),
            [b"\x30\x05\x02", id.as_bytes(), noise.as_bytes()].concat(),
            page(0x0D, &[cell(1, &[Null, Text(&long)])]),
            page(0x0D, &[cell(1, &[Null, Text("prod"), Text(&long), Text(noise)])]),
        ] {
            assert_eq!(found(&text), (0, 0), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn what_does_not_agree_is_no_row() {
        let values = [Null, Text("prod"), Text("sixteen letters!")];
        let whole = cell(7, &values);
        assert!(columns_of(&whole).is_some());
        for at in 0..6 {
            let mut other = whole.clone();
            // The key may be any number.
            other[at] ^= if at == 1 { 0x80 } else { 2 };
            assert_eq!(columns_of(&other), None, "{at}");
        }
        for (at, byte) in [(12, 0xFF), (12, 1), (whole.len() - 1, 0xE9)] {
            let mut other = whole.clone();
            other[at] = byte;
            assert_eq!(columns_of(&other), None, "{at}");
        }
        for text in [
            &whole[..whole.len() - 1],
            &cell(7, &[Null, Text("prod"), Text("fifteen letters")]),
            &cell(7, &[Null, Blob(b"sixteen letters! and more")]),
            &cell(7, &[Null, Text(&"x".repeat(LONGEST))]),
            b"",
            b"\0",
        ] {
            assert_eq!(columns_of(text), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn what_is_text_is_no_row() {
        let text = |key: &str| format!("a{key}\t!!!!!!!1{}", "x".repeat(88));
        assert_eq!(columns_of(text("\x01").as_bytes()).map(|columns| columns.len()), Some(8));
        assert_eq!(columns_of(text("k").as_bytes()), None);
    }

    #[test]
    fn signs_are_found_at_every_offset() {
        for sign in [&b"\0"[..], b"\x1F", b"\x81\x05"] {
            for offset in 0..150 {
                let text = ["\u{4E2D} \u{e9}x\t\r\n".repeat(30).as_bytes(), sign].concat();
                let text = &text[text.len() - sign.len() - offset..];
                // What is cut off within a character begins with one.
                let cut = text.iter().take_while(|&&c| c & 0xC0 == 0x80).count();
                let at = if cut > 0 && offset > 0 { 0 } else { offset };
                assert_eq!(next_sign(text, 0), Some(at), "{offset}");
                assert_eq!(next_sign(text, offset), Some(offset), "{offset}");
            }
        }
        assert_eq!(next_sign("of \u{e9} letters \t\r\n".repeat(20).as_bytes(), 0), None);
    }

    #[test]
    fn hostile_bytes_are_worked_off() {
        let (id, secret) = (id(), secret());
        let row = cell(1, &[Text("AKIA"), Text(&id), Text(&secret)]);
        // Each seems to begin a row that ends in a long text, of which one letter is none.
        let long = "AKIA ".repeat(500);
        let head = &cell(1, &[Blob(&[0; 1500]), Text(&long)])[..8];
        for bytes in [
            [&head.repeat(180), long.as_bytes()].concat().repeat(30),
            b"AKIA\x7F\x01\x02\x55".repeat(30_000),
            b"\x01\x02\x03\x04\x05\x06\x07\x08\x09AKIA".repeat(20_000),
            row[..row.len() - 1].repeat(2000),
        ] {
            found(&bytes);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(
            prop_oneof![0..5u8, 13..99u8, Just(0x81), any::<u8>(), Just(b'A')], 0..300)
        ) {
            if let Some(record) = next(&bytes, 0) {
                let mut done = record.start;
                for column in record.columns {
                    prop_assert!(done <= column.start && column.start < column.end && column.end <= bytes.len());
                    done = column.end;
                }
            }
        }
    }
}
