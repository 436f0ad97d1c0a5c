//! Says where a text may hold something at all, for less than a scan costs, and without looking again at what a text was made of:
//! a text without marks has no matches. What comes of a marked text is for the scan to say.
//!
//! Whether there is a mark depends on no more than [`REACH`] bytes around it, and further off on the run of letters that it is the start
//! of. So the marks of a text that was made of another one are those within what it took over, and those around everything new and around
//! each place where pieces meet.

use super::decode::probe;
use super::prefilter::Hit;
use super::search::Search;
use super::whole;
use super::{Scan, Scanner};
use crate::location::{Copied, Mark, Span};

/// Further from a mark nothing matters for it. For a literal nothing but itself does.
const REACH: usize = 64;
/// Looking at so many bytes costs less than beginning anew behind them.
const GAP: usize = 128;

impl Scanner {
    /// The marks of a text, in order; `None` if some rule looks at all of every text.
    pub fn marks(&self, bytes: &[u8]) -> Option<Vec<Mark>> {
        self.marks_within(bytes, &[], Vec::new())
    }

    /// The marks of a text that was made of another one with these `marks`. It may have more of them than [`Scanner::marks`] gives,
    /// for what looks like something within its old surroundings is not looked at again.
    pub fn inherited_marks(&self, bytes: &[u8], marks: &[Mark], copies: &[Copied]) -> Option<Vec<Mark>> {
        let mut inherited = Vec::new();
        for copied in copies {
            let (start, end) = (copied.from, copied.from + copied.len);
            let first = marks.partition_point(|mark| mark.span.start < start);
            let within = marks[first..].iter().take_while(|mark| mark.span.start < end);
            inherited.extend(within.filter(|mark| mark.span.end <= end).map(|mark| {
                let start = mark.span.start - copied.from + copied.to;
                let span = Span { start, end: start + mark.span.end - mark.span.start };
                Mark { span, ..*mark }
            }));
        }
        self.marks_within(bytes, copies, inherited)
    }

    /// The same as [`Scanner::scan`], for less, of bytes that have these marks.
    pub fn scan_marked(&self, bytes: &[u8], marks: &[Mark]) -> Scan {
        if marks.is_empty() && bytes.len() > whole::LONGEST {
            return Scan { matches: Vec::new(), complete: true };
        }
        self.joined(bytes, Search::marked(self, bytes, marks))
    }

    fn marks_within(&self, bytes: &[u8], copies: &[Copied], mut marks: Vec<Mark>) -> Option<Vec<Mark>> {
        if !self.rules.foreign().is_empty() {
            return None;
        }
        for window in new_parts(bytes.len(), copies, self.prefilter.longest()) {
            let literal = |hit: Hit<'_>| {
                let start = window.start + hit.at;
                Mark { span: Span { start, end: start + hit.literal.len() }, encoded: false }
            };
            marks.extend(self.prefilter.hits(window.of(bytes)).map(literal));
        }
        for window in new_parts(bytes.len(), copies, REACH) {
            probe::marks(bytes, probe::along_runs(bytes, window), |span| marks.push(Mark { span, encoded: true }));
        }
        marks.sort_unstable();
        marks.dedup();
        Some(marks)
    }
}

/// Everything in a text of that length but what was taken over and is further than `reach` from an end of its piece.
fn new_parts(length: usize, copies: &[Copied], reach: usize) -> Vec<Span> {
    let mut parts = Vec::with_capacity(copies.len() + 1);
    let mut start = 0;
    for copied in copies {
        // What stood at the start and still does has the same surroundings there.
        let margin = if copied.from == 0 && copied.to == 0 { 0 } else { reach };
        let (first, last) = (copied.to + margin, (copied.to + copied.len).saturating_sub(reach));
        if first + GAP < last {
            if start < first {
                parts.push(Span { start, end: first });
            }
            start = last;
        }
    }
    if start < length {
        parts.push(Span { start, end: length });
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::base64::encode as base64;
    use crate::engine::rule::RuleSet;
    use crate::engine::rule::check::expand;

    static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new(RuleSet::builtin()));

    /// Texts that are put together of pieces, some of which hold credentials or halves of one.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        let pair =
            expand("aws_access_key_id = {{access_key_id}}\naws_secret_access_key = {{secret_access_key}}\n").unwrap();
        let wide: Vec<u8> = pair.bytes().flat_map(|c| [c, 0]).collect();
        let encoded = base64(pair.as_bytes());
        let spelled = encoded.replace('a', "%61");
        let pieces: Vec<Vec<u8>> = vec![
            pair.clone().into_bytes(),
            wide,
            base64(encoded.as_bytes()).into_bytes(),
            encoded.into_bytes(),
            spelled.into_bytes(),
            b"word and another word\n".repeat(20),
            b"abcdefgh/+".repeat(30),
            b"x%2B%0A%zz".repeat(8),
            vec![0; 90],
            b"AKIA".to_vec(),
            b" ".to_vec(),
            b"\n".to_vec(),
        ];
        let piece = (prop::sample::select(pieces), any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4u8);
        let cut = piece.prop_map(|(piece, a, b, whole)| {
            let (a, b) = (a.index(piece.len()), b.index(piece.len()));
            if whole > 0 { piece } else { piece[a.min(b)..=a.max(b)].to_vec() }
        });
        prop::collection::vec(cut, 0..8).prop_map(|pieces| pieces.concat())
    }

    /// What is taken from a text, where it begins and how long it is in thousandths, and what is put behind it.
    type Edit = (u16, u16, Vec<u8>);

    fn edits() -> impl Strategy<Value = Vec<Edit>> {
        let new = prop_oneof![Just(Vec::new()), text(), prop::collection::vec(any::<u8>(), 0..3)];
        prop::collection::vec((0..1000_u16, 0..1000_u16, new), 1..4)
    }

    fn edited(old: &[u8], edits: &[Edit]) -> (Vec<u8>, Vec<Copied>) {
        let (mut text, mut copies) = (Vec::new(), Vec::new());
        for (start, length, new) in edits {
            let from = old.len() * usize::from(*start) / 1000;
            let len = (old.len() - from) * usize::from(*length) / 1000;
            if len > 0 {
                copies.push(Copied { from, to: text.len(), len });
            }
            text.extend_from_slice(&old[from..from + len]);
            text.extend_from_slice(new);
        }
        (text, copies)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn marks_are_all_it_takes_to_scan_however_a_text_was_made(
            first in text(), versions in prop::collection::vec(edits(), 0..4)
        ) {
            let (mut text, mut marks) = (first.clone(), SCANNER.marks(&first).unwrap());
            for edits in &versions {
                let (next, copies) = edited(&text, edits);
                marks = SCANNER.inherited_marks(&next, &marks, &copies).unwrap();
                text = next;
            }
            prop_assert!(SCANNER.scan_marked(&text, &marks) == SCANNER.scan_slowly(&text), "{}", text.escape_ascii());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_comes_together_where_pieces_meet_is_found(
            text in text(), junk in "[ a-zA-Z]{1,9}", at in any::<prop::sample::Index>()
        ) {
            let at = at.index(text.len() + 1);
            let old = [&text[..at], junk.as_bytes(), &text[at..]].concat();
            let behind = at + junk.len();
            let mut copies = vec![Copied { from: 0, to: 0, len: at }, Copied { from: behind, to: at, len: text.len() - at }];
            copies.retain(|copied| copied.len > 0);
            let marks = SCANNER.inherited_marks(&text, &SCANNER.marks(&old).unwrap(), &copies).unwrap();
            prop_assert!(SCANNER.scan_marked(&text, &marks) == SCANNER.scan_slowly(&text), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_literal_is_marked_wherever_it_is_put_together() {
        let text = [b"word ".repeat(50), b"AKIA".to_vec(), b" word".repeat(50)].concat();
        for at in 0..text.len() {
            let copies = [Copied { from: 0, to: 0, len: at }, Copied { from: at + 1, to: at, len: text.len() - at }];
            let old = [&text[..at], b"#", &text[at..]].concat();
            let marks = SCANNER.inherited_marks(&text, &SCANNER.marks(&old).unwrap(), &copies).unwrap();
            assert_eq!(marks, [Mark { span: Span { start: 250, end: 254 }, encoded: false }], "{at}");
        }
    }

    #[test]
    fn ordinary_text_has_no_marks() {
        let text =
            b"Some words, and 100% of them (or 4%2 of some) in `printf(\"%d%%\\n\")`; 0123456789abcdef\n".repeat(40);
        assert_eq!(SCANNER.marks(&text), Some(vec![]));
    }

    #[test]
    fn only_what_is_new_is_looked_at() {
        let old = b"word ".repeat(4000);
        let middle = Copied { from: 5000, to: 0, len: 10_000 };
        let parts = new_parts(10_100, &[middle], 64);
        assert_eq!(parts, [Span { start: 0, end: 64 }, Span { start: 9936, end: 10_100 }]);
        let whole = Copied { from: 0, to: 0, len: old.len() };
        assert_eq!(new_parts(old.len(), &[whole], 64), [Span { start: 19_936, end: 20_000 }]);
        assert_eq!(new_parts(10, &[], 64), [Span { start: 0, end: 10 }]);
        assert_eq!(new_parts(0, &[], 64), []);
    }

    #[test]
    fn a_literal_may_be_long() {
        let rules = "[[rule]]\nid = 'a'\ndescription = ''\nseverity = 'low'\nkind = 'other'\nreference = ''\nremediation = ''\n\
                     keywords = ['KEYWORD']\nregex = 'KEYWORD(?P<value>[a-z]{12})'\nexamples = []";
        let keyword = "some keyword of a kind ".repeat(8);
        let scanner = Scanner::new(RuleSet::parse("test", &rules.replace("KEYWORD", &keyword)).unwrap());
        let text = format!("{}{keyword}qkzjxvwpmnbg{}", ".".repeat(300), ".".repeat(300));
        for at in [300, 350, 300 + keyword.len() - 1] {
            let copies = [Copied { from: 0, to: 0, len: at }, Copied { from: at + 1, to: at, len: text.len() - at }];
            let old = [&text[..at], "#", &text[at..]].concat();
            let marks =
                scanner.inherited_marks(text.as_bytes(), &scanner.marks(old.as_bytes()).unwrap(), &copies).unwrap();
            let scan = scanner.scan_marked(text.as_bytes(), &marks);
            assert_eq!((scan.matches.len(), &scan), (1, &scanner.scan(text.as_bytes())), "{at}");
        }
    }

    #[test]
    fn rules_that_look_at_all_of_a_text_leave_no_marks() {
        let mut rules = RuleSet::builtin();
        let text = "[[rules]]\nid = 'a'\nregex = '.'\n";
        rules.load("a.toml", text, &|path, _| Err(path.to_owned())).unwrap();
        assert_eq!(Scanner::new(rules).marks(b"text"), None);
    }
}
