//! The inverse scan: which of some access key ids stand in a text. Nothing is judged here, neither what an id looks like nor what
//! touches it: twenty bytes are one of the ids or they are not.

use std::collections::HashMap;

use super::Encoding;
use super::foreign::Terms;
use super::pair::{Part, Value};
use super::prefilter::Hit;
use super::rule::RuleSet;
use crate::key::AccessKeyId;
use crate::location::Span;

/// The ids that are looked for, each with the index of the rule that its find is told as.
#[derive(Debug)]
pub(super) struct Only(HashMap<AccessKeyId, usize>);

impl Only {
    /// `rules` are those of access key ids.
    pub(super) fn new(ids: impl IntoIterator<Item = AccessKeyId>, rules: &RuleSet) -> Self {
        let rule_of = |id: &AccessKeyId| {
            let names = |keyword: &String| id.as_str().starts_with(&**keyword);
            rules.iter().position(|rule| rule.keywords.iter().any(names))
        };
        Self(ids.into_iter().filter_map(|id| Some((id, rule_of(&id)?))).collect())
    }

    /// The id that begins at `hit`, if it is one of these.
    pub(super) fn at(&self, text: &[u8], hit: Hit<'_>) -> Option<Part> {
        let (id, span, encoding) = match hit.literal.wide {
            false => plain(text, hit.at),
            true => wide(text, hit.at),
        }?;
        let rule = *self.0.get(&id)?;
        Some(Part {
            rule,
            value: Value::Id(id),
            span,
            raw: span,
            encoding,
            needs_id: false,
            unlabelled: false,
            terms: Terms::default(),
        })
    }
}

fn plain(text: &[u8], at: usize) -> Option<(AccessKeyId, Span, Vec<Encoding>)> {
    let span = Span { start: at, end: at + AccessKeyId::LEN };
    let id = AccessKeyId::shaped(text.get(span.start..span.end)?)?;
    Some((id, span, Vec::new()))
}

/// In UTF-16 both byte orders have a zero between any two letters. Which of them it is, the zero before the first or behind the last
/// tells; where there are both, text at an even offset is little endian.
fn wide(text: &[u8], at: usize) -> Option<(AccessKeyId, Span, Vec<Encoding>)> {
    let end = at + 2 * AccessKeyId::LEN;
    let letters = text.get(at..end - 1)?;
    if letters.iter().skip(1).step_by(2).any(|&c| c != 0) {
        return None;
    }
    let id: Vec<u8> = letters.iter().step_by(2).copied().collect();
    let big = text[..at].last() == Some(&0);
    let little = text.get(end - 1) == Some(&0);
    let (encoding, start) = match (little, big) {
        (false, false) => return None,
        (true, big) if at.is_multiple_of(2) || !big => (Encoding::Utf16Le, at),
        _ => (Encoding::Utf16Be, at - 1),
    };
    let span = Span { start, end: start + 2 * AccessKeyId::LEN };
    Some((AccessKeyId::shaped(&id)?, span, vec![encoding]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use memchr::memmem;
    use proptest::prelude::*;

    use super::*;
    use crate::engine::{Match, Scanner};

    const KINDS: [&str; 4] = ["AKIA", "ASIA", "ABIA", "ACCA"];

    fn id(text: &str) -> AccessKeyId {
        AccessKeyId::shaped(text.as_bytes()).unwrap()
    }

    fn example() -> AccessKeyId {
        id("AKIAIOSFODNN7EXAMPLE")
    }

    fn encoded(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(order).collect()
    }

    /// Each id and the offset of its first letter.
    type Places = BTreeSet<(AccessKeyId, usize)>;

    fn places(found: &[Match]) -> Places {
        let letter = |m: &Match| m.span.start + usize::from(m.encoding == [Encoding::Utf16Be]);
        found.iter().map(|found| (found.access_key_id.unwrap(), letter(found))).collect()
    }

    fn searched(ids: &[AccessKeyId], text: &[u8]) -> Places {
        let of = |id: &AccessKeyId| {
            let spellings = [
                (id.as_str().into(), 0),
                (encoded(id.as_str(), u16::to_le_bytes), 0),
                (encoded(id.as_str(), u16::to_be_bytes), 1),
            ];
            let all = spellings.iter().flat_map(|(needle, first)| {
                // Overlapping ones too.
                (0..text.len()).filter(|&at| text[at..].starts_with(needle)).map(move |at| (*id, at + first))
            });
            all.collect::<Vec<_>>()
        };
        // A look at every byte for each of thousands is too slow for a test: only those that are there at all.
        let is_there = |id: &&AccessKeyId| {
            memmem::find(text, id.as_str().as_bytes()).is_some()
                || memmem::find(text, &encoded(id.as_str(), u16::to_le_bytes)).is_some()
                || memmem::find(text, &encoded(id.as_str(), u16::to_be_bytes)).is_some()
        };
        ids.iter().filter(is_there).flat_map(of).collect()
    }

    #[track_caller]
    fn compare(ids: &[AccessKeyId], text: &[u8]) -> Places {
        let scanner = Scanner::only(ids.iter().copied());
        let scan = scanner.scan(text);
        assert_eq!(scan, scanner.scan_slowly(text));
        let found = scan.matches;
        assert_eq!(places(&found), searched(ids, text), "{}", text.escape_ascii());
        assert_eq!(places(&found).len(), found.len());
        places(&found)
    }

    #[test]
    fn an_id_is_found_glued_to_anything_and_at_the_ends() {
        let id = example();
        let glued = |before: &str, after: &str| {
            let text = format!("{before}{id}{after}");
            let at = before.len();
            assert_eq!(compare(&[id], text.as_bytes()), Places::from([(id, at)]), "{text}");
            for (order, first) in [(u16::to_le_bytes as fn(u16) -> [u8; 2], 0), (u16::to_be_bytes, 1)] {
                let wide = encoded(&text, order);
                assert_eq!(compare(&[id], &wide), Places::from([(id, 2 * at + first)]), "{text}");
                let odd = [b"x", wide.as_slice(), b"y"].concat();
                assert_eq!(compare(&[id], &odd).len(), 1, "{text}");
            }
        };
        for (before, after) in
            [("", ""), ("x", ""), ("", "X"), ("AKIA", "AKIA"), ("9/+", "+/9"), ("AKIAI", "E"), ("\0", "\0")]
        {
            glued(before, after);
        }
    }

    #[test]
    fn an_id_that_is_not_whole_or_another_is_not_found() {
        let text = example().to_string();
        let wide = encoded(&text, u16::to_le_bytes);
        for bytes in
            [&text.as_bytes()[..19], &wide[..39], &wide[..38], b"AKIAIOSFODNN7EXAMPLF", b"akiaiosfodnn7example"]
        {
            assert!(compare(&[example()], bytes).is_empty());
        }
        assert!(compare(&[], text.as_bytes()).is_empty());
    }

    #[test]
    fn ids_that_overlap_are_each_found() {
        let first = id("ASIAIOSFODNN7EXAAKIA");
        let second = id("AKIA0189IOSFODNN7EXA");
        let text = format!("{}{}", first, &second.as_str()[4..]);
        assert_eq!(compare(&[first, second], text.as_bytes()), Places::from([(first, 0), (second, 16)]));
        assert_eq!(compare(&[first, second], &encoded(&text, u16::to_be_bytes)).len(), 2);
    }

    #[test]
    fn only_the_ids_are_told_under_the_names_of_their_rules() {
        let long_term = example();
        let temporary = id("ASIAIOSFODNN7EXAMPLE");
        let text = format!("{long_term}\naws_secret_access_key = {}\n{temporary}", "aB3/".repeat(10));
        let found = Scanner::only([long_term, temporary]).scan(text.as_bytes()).matches;
        let told: Vec<_> = found.iter().map(|found| (&*found.rule, found.secrets.len())).collect();
        assert_eq!(told, [("aws-access-key-id", 0), ("aws-temporary-key-id", 0)]);
    }

    /// <https://prng.di.unimi.it/splitmix64.c>
    fn drawn(state: &mut u64) -> usize {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 27)) as usize >> 8
    }

    fn drawn_id(state: &mut u64) -> AccessKeyId {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        let rest: String = (0..16).map(|_| char::from(letters[drawn(state) % letters.len()])).collect();
        id(&[KINDS[drawn(state) % 4], &rest].concat())
    }

    #[test]
    fn thousands_of_ids_are_found_in_a_binary_each_at_its_places_and_no_others() {
        let mut state = 1;
        let ids: Vec<AccessKeyId> = (0..5_000).map(|_| drawn_id(&mut state)).collect();
        let mut text = Vec::new();
        for n in 0..600 {
            let id = match n % 3 {
                0 => drawn_id(&mut state),
                _ => ids[drawn(&mut state) % ids.len()],
            };
            text.extend((0..drawn(&mut state) % 9).map(|n| [0, 0, 0xFF, b'A', b'K', b'I', b'a', b'/', 0x14][n]));
            match drawn(&mut state) % 3 {
                0 => text.extend_from_slice(id.as_str().as_bytes()),
                1 => text.extend(encoded(id.as_str(), u16::to_le_bytes)),
                _ => text.extend(encoded(id.as_str(), u16::to_be_bytes)),
            }
        }
        assert_eq!(compare(&ids, &text).len(), 400);
    }

    proptest! {
        /// Made of pieces that are all but an id, so that they meet in every way.
        #[test]
        fn whatever_the_bytes_a_search_for_each_id_finds_the_same(
            pieces in prop::collection::vec((0..9_usize, 0..40_usize, 0..3_usize), 0..12)
        ) {
            let ids = ["AKIAAKIAAKIAAKIAAKIA", "ASIAAKIAAKIAAKIAAKIA", "AKIAIOSFODNN7EXAMPLE", "ABIA0000000000000ASI"].map(id);
            let mut text = Vec::new();
            for (which, cut, spelling) in pieces {
                let piece = match which {
                    0..4 => ids[which].as_str(),
                    4..8 => KINDS[which - 4],
                    _ => "\0",
                };
                let piece = match spelling {
                    0 => piece.as_bytes().to_vec(),
                    1 => encoded(piece, u16::to_le_bytes),
                    _ => encoded(piece, u16::to_be_bytes),
                };
                // Most are whole.
                let cut = if cut < piece.len() && cut % 4 == 0 { cut } else { piece.len() };
                text.extend_from_slice(&piece[..cut]);
            }
            compare(&ids, &text);
        }
    }
}
