//! Positions inside a blob. Lines and columns are worked out for hits only, never for all bytes.

use std::ops::Range;

use bstr::ByteSlice;

/// A half-open range of bytes from the start of the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The bytes of the span within `bytes`.
    pub fn of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start..self.end]
    }

    /// Shifts both ends.
    #[must_use]
    pub fn shifted(&self, by: usize) -> Self {
        Self { start: self.start + by, end: self.end + by }
    }

    /// Whether the two share a byte.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// A place in a text that is worth a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Where it is.
    pub span: Span,
    /// Whether it is not a keyword but the start of something that may be encoded.
    pub encoded: bool,
}

/// Bytes that stand in two texts, one of which was made of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Where they begin in the older one.
    pub from: usize,
    /// Where they begin in the newer one.
    pub to: usize,
    /// How many they are.
    pub len: usize,
}

/// Some of the lines of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineSet {
    /// In order, none empty, none touching another.
    ranges: Vec<Range<u64>>,
}

impl LineSet {
    /// Adds lines behind those that are in it.
    pub fn add(&mut self, lines: Range<u64>) {
        if !lines.is_empty() {
            self.ranges.push(lines);
        }
    }

    /// The lines that are in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut both = Self::default();
        let (mut own, mut others) = (self.ranges.iter().peekable(), other.ranges.iter().peekable());
        while let (Some(one), Some(two)) = (own.peek(), others.peek()) {
            both.add(one.start.max(two.start)..one.end.min(two.end));
            if one.end < two.end {
                own.next()
            } else {
                others.next()
            };
        }
        both
    }

    /// Whether one of these lines is in it.
    pub fn touches(&self, lines: Range<u64>) -> bool {
        self.first_in(lines).is_some()
    }

    /// The first of these lines that is in it.
    pub fn first_in(&self, lines: Range<u64>) -> Option<u64> {
        let at = self.ranges.partition_point(|range| range.end <= lines.start);
        let first = self.ranges.get(at)?.start.max(lines.start);
        (first < lines.end).then_some(first)
    }
}

/// Line and column, both from 1; columns count Unicode characters (an invalid byte counts as one).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Point {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
}

impl Point {
    /// The start of a blob.
    pub const START: Self = Self { line: 1, column: 1 };

    /// The point that `bytes` lead to when they begin at this one.
    #[must_use]
    pub fn after(self, bytes: &[u8]) -> Self {
        let line_start = bytes.rfind_byte(b'\n').map(|newline| newline + 1);
        let column_base = if line_start.is_some() { 1 } else { self.column };
        let newlines = memchr::memchr_iter(b'\n', bytes).count() as u64;
        let columns = bytes[line_start.unwrap_or(0)..].chars().count() as u64;
        Self { line: self.line + newlines, column: column_base + columns }
    }
}

/// Lines and columns of places that come in rising order: every byte is counted once.
#[derive(Debug)]
pub struct Lines<'a> {
    bytes: &'a [u8],
    start: Point,
    counted: usize,
    point: Point,
}

impl<'a> Lines<'a> {
    /// For `bytes`, the first of which stands at `start`.
    pub fn new(bytes: &'a [u8], start: Point) -> Self {
        Self { bytes, start, counted: 0, point: start }
    }

    /// The point of the byte at `offset`. `wide` text has two bytes a character.
    pub fn point(&mut self, offset: usize, wide: bool) -> Point {
        if offset < self.counted {
            (self.counted, self.point) = (0, self.start);
        }
        self.point = self.point.after(&self.bytes[self.counted..offset]);
        self.counted = offset;
        let mut point = self.point;
        if wide {
            let line_start = self.bytes[..offset].rfind_byte(b'\n').map_or(0, |newline| newline + 1);
            point.column = (offset - line_start) as u64 / 2 + 1;
        }
        point
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters() {
        assert_eq!(Point::START.after(b""), Point { line: 1, column: 1 });
        assert_eq!(Point::START.after("a\nb\u{e9}".as_bytes()), Point { line: 2, column: 3 });
    }

    #[test]
    fn goes_on_from_where_a_window_ended() {
        let text = b"one\ntwo three\nfour";
        for cut in 0..text.len() {
            let first = Point::START.after(&text[..cut]);
            assert_eq!(first.after(&text[cut..]), Point::START.after(text));
        }
    }

    #[test]
    fn places_are_told_in_any_order_and_in_wide_text() {
        let text = b"a\0\n\0b\0\nxyz";
        let mut lines = Lines::new(text, Point { line: 7, column: 1 });
        assert_eq!(lines.point(8, false), Point { line: 9, column: 2 });
        assert_eq!(lines.point(4, true), Point { line: 8, column: 1 });
        assert_eq!(lines.point(0, false), Point { line: 7, column: 1 });
    }

    #[test]
    fn lines_are_in_a_set_or_not() {
        let mut lines = LineSet::default();
        [3..5, 5..5, 9..10].into_iter().for_each(|range| lines.add(range));
        let inside: Vec<u64> = (0..12).filter(|line| lines.touches(*line..line + 1)).collect();
        assert_eq!(inside, [3, 4, 9]);
        assert_eq!([lines.first_in(4..20), lines.first_in(5..20), lines.first_in(5..9)], [Some(4), Some(9), None]);
        assert!(!lines.touches(4..4));
        let mut others = LineSet::default();
        [1..4, 4..5, 8..12].into_iter().for_each(|range| others.add(range));
        for both in [lines.and(&others), others.and(&lines)] {
            assert_eq!((0..15).filter(|line| both.touches(*line..line + 1)).collect::<Vec<u64>>(), [3, 4, 9]);
        }
        assert_eq!(lines.and(&LineSet::default()), LineSet::default());
    }

    #[test]
    fn spans_overlap_only_when_they_share_a_byte() {
        let span = |start, end| Span { start, end };
        assert!(span(0, 5).overlaps(&span(4, 6)));
        assert!(!span(0, 5).overlaps(&span(5, 6)));
    }
}
