//! The lines of a text, any number of whose finds may stand on one line: where each begins and ends is looked up, and what is asked
//! of a line is asked once. What is asked is `allow`'s business.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;

use regex::bytes::Regex;

use crate::location::Span;

/// Lines with this word hold nothing that gitleaks would tell of.
const ALLOWED: &[u8] = b"gitleaks:allow";

/// The lines of one text. What it knows is worked out when it is asked.
pub(in crate::engine) struct LineIndex<'a> {
    text: &'a [u8],
    newlines: OnceCell<Vec<usize>>,
    /// Where [`ALLOWED`] stands.
    allowed: OnceCell<Vec<usize>>,
    /// Whether a regex matches on a line. A regex is known by its place in memory, where its rule holds it.
    answers: RefCell<HashMap<(*const Regex, Span), bool>>,
}

/// The lines that something stands on, with the line feed before them.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Line<'a> {
    index: &'a LineIndex<'a>,
    span: Span,
}

impl<'a> LineIndex<'a> {
    pub(in crate::engine) fn new(text: &'a [u8]) -> Self {
        Self { text, newlines: OnceCell::new(), allowed: OnceCell::new(), answers: RefCell::default() }
    }

    fn newlines(&self) -> &[usize] {
        self.newlines.get_or_init(|| memchr::memchr_iter(b'\n', self.text).collect())
    }

    /// Line, from 1, and column as gitleaks counts them: a line feed belongs to the line behind it.
    pub(super) fn place(&self, at: usize) -> (usize, usize) {
        let line = self.newlines().partition_point(|&newline| newline <= at);
        let start = line.checked_sub(1).map_or(0, |before| self.newlines()[before]);
        (line + 1, at - start + 1)
    }

    pub(in crate::engine) fn around(&'a self, at: Span) -> Line<'a> {
        let newlines = self.newlines();
        let before = newlines.partition_point(|&newline| newline <= at.start).checked_sub(1);
        let behind = newlines.partition_point(|&newline| newline < at.end);
        let start = before.map_or(0, |before| newlines[before]);
        let end = newlines.get(behind).copied().unwrap_or(self.text.len());
        Line { index: self, span: Span { start, end } }
    }
}

impl Line<'_> {
    /// Whether it says of itself that nothing on it is a leak.
    pub(super) fn is_allowed(self) -> bool {
        let allowed = self.index.allowed.get_or_init(|| memchr::memmem::find_iter(self.index.text, ALLOWED).collect());
        let next = allowed.partition_point(|&at| at < self.span.start);
        allowed.get(next).is_some_and(|at| at + ALLOWED.len() <= self.span.end)
    }

    /// Whether a regex matches on it; an empty line is none.
    pub(super) fn is_match(self, regex: &Regex) -> bool {
        let line = self.span.of(self.index.text);
        let mut answers = self.index.answers.borrow_mut();
        *answers.entry((regex, self.span)).or_insert_with(|| !line.is_empty() && regex.is_match(line))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Looks for the ends of the line in the text itself.
    fn plain(text: &[u8], at: Span) -> &[u8] {
        let start = memchr::memrchr(b'\n', &text[..text.len().min(at.start + 1)]).unwrap_or(0);
        let end = memchr::memchr(b'\n', &text[at.end..]).map_or(text.len(), |more| at.end + more);
        &text[start..end]
    }

    #[test]
    fn lines_and_columns_are_counted_from_one_and_a_line_feed_belongs_to_the_line_behind_it() {
        let index = LineIndex::new(b"ab\nc\n");
        assert_eq!([0, 1, 2, 3, 4].map(|at| index.place(at)), [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1)]);
    }

    proptest! {
        #[test]
        fn the_lines_of_many_places_are_those_of_each(text in r"(\n|a|b gitleaks:allow|gitleaks:|c){0,12}") {
            let text = text.as_bytes();
            let regexes = ["b", "^\n?a", ""].map(|regex| Regex::new(regex).unwrap());
            let index = LineIndex::new(text);
            for start in 0..text.len() {
                for end in start..=text.len() {
                    let at = Span { start, end };
                    let (line, expected) = (index.around(at), plain(text, at));
                    prop_assert_eq!(line.span.of(text), expected);
                    prop_assert_eq!(line.is_allowed(), memchr::memmem::find(expected, ALLOWED).is_some());
                    for regex in &regexes {
                        prop_assert_eq!(line.is_match(regex), !expected.is_empty() && regex.is_match(expected));
                    }
                }
            }
        }
    }
}
