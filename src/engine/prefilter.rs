//! Finds the places worth a look, at the speed of memory: every keyword of every rule, and what betrays one in UTF-16.
//! What a place is worth is for the regexes to say.
//!
//! The fewer the literals, the faster the search; up to 32 of them go through the fast one of its two loops. So UTF-16 does not
//! double them: around a hit the whole text is decoded and searched again, for which a few letters that keywords share will do.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind, packed};

/// All keywords in one vectorised search.
#[derive(Clone, Debug)]
pub(super) struct Prefilter {
    search: Search,
    literals: Vec<Literal>,
}

/// What to do at a hit.
#[derive(Clone, Debug)]
pub(super) struct Literal {
    bytes: Vec<u8>,
    /// Indices of the rules whose keyword it is; none if it is wide.
    pub(super) rules: Vec<usize>,
    /// A piece of keywords in UTF-16, without the zero byte at its end, or in big endian at its start.
    pub(super) wide: bool,
}

/// A literal and where it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit<'a> {
    pub(super) at: usize,
    pub(super) literal: &'a Literal,
}

#[derive(Clone, Debug)]
enum Search {
    Packed(packed::Searcher),
    /// Where the processor has no vectors to search with, or there are too many literals.
    Automaton(AhoCorasick),
}

impl Prefilter {
    /// `keywords` of each rule, in the order of the rules.
    pub(super) fn new<'a>(keywords: impl Iterator<Item = &'a [String]>) -> Self {
        let mut literals = Vec::new();
        let mut all = Vec::new();
        for (rule, keywords) in keywords.enumerate() {
            all.extend(keywords.iter().map(String::as_bytes));
            literals.extend(keywords.iter().map(|keyword| Literal {
                bytes: keyword.clone().into_bytes(),
                rules: vec![rule],
                wide: false,
            }));
        }
        literals.extend(shared_pieces(all).into_iter().map(|piece| Literal {
            bytes: widened(piece),
            rules: Vec::new(),
            wide: true,
        }));
        Self::of(without_prefixes(literals))
    }

    fn of(literals: Vec<Literal>) -> Self {
        let patterns = || literals.iter().map(|literal| &literal.bytes);
        let search = match packed::Searcher::new(patterns()) {
            Some(searcher) => Search::Packed(searcher),
            None => Search::Automaton(automaton(&literals)),
        };
        Self { search, literals }
    }

    /// Every place in `text` at which a literal begins, in rising order. No literal is the beginning of another, so that there
    /// is one at most at a place; they may overlap.
    pub(super) fn hits<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = Hit<'a>> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let range = from..text.len();
            let (pattern, at) = match &self.search {
                Search::Packed(searcher) => {
                    let found = searcher.find_in(text, range.into())?;
                    (found.pattern(), found.start())
                }
                Search::Automaton(automaton) => {
                    let found = automaton.find(aho_corasick::Input::new(text).range(range))?;
                    (found.pattern(), found.start())
                }
            };
            from = at + 1;
            let literal = &self.literals[pattern.as_usize()];
            Some(Hit { at, literal })
        })
    }

    /// The same hits, found by looking at every byte.
    pub(super) fn hits_slowly<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = Hit<'a>> {
        (0..text.len()).flat_map(move |at| {
            self.literals
                .iter()
                .filter(move |literal| text[at..].starts_with(&literal.bytes))
                .map(move |literal| Hit { at, literal })
        })
    }
}

fn automaton(literals: &[Literal]) -> AhoCorasick {
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostFirst)
        .kind(Some(AhoCorasickKind::DFA))
        .build(literals.iter().map(|literal| &literal.bytes))
        .expect("a few hundred short literals fit an automaton")
}

impl Literal {
    /// Length in bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// Letters that are enough to suspect a keyword in UTF-16; shorter keywords are taken whole.
const PIECE: usize = 4;

/// A few pieces of keywords, so that each keyword contains one: again and again the piece that the most others contain.
fn shared_pieces(mut keywords: Vec<&[u8]>) -> Vec<&[u8]> {
    let contains = |keyword: &[u8], piece: &[u8]| memchr::memmem::find(keyword, piece).is_some();
    let mut chosen = Vec::new();
    loop {
        let spread = |piece: &[u8]| keywords.iter().filter(|k| contains(k, piece)).count();
        let pieces = keywords.iter().flat_map(|k| k.windows(PIECE.min(k.len())));
        let Some(best) = pieces.max_by_key(|piece| (spread(piece), *piece)) else {
            return chosen;
        };
        keywords.retain(|keyword| !contains(keyword, best));
        chosen.push(best);
    }
}

/// `A`, `B`, `C` with a zero between any two: part of the little and of the big endian spelling alike.
fn widened(piece: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = piece.iter().flat_map(|&c| [c, 0]).collect();
    bytes.pop();
    bytes
}

/// Joins equal literals, and literals with those that begin them: where the longer one stands, the shorter does.
fn without_prefixes(mut literals: Vec<Literal>) -> Vec<Literal> {
    literals.sort_by(|a, b| a.bytes.cmp(&b.bytes));
    let mut kept: Vec<Literal> = Vec::new();
    for literal in literals {
        match kept.last_mut() {
            Some(shorter) if literal.bytes.starts_with(&shorter.bytes) => {
                shorter.rules.extend(literal.rules);
                shorter.rules.sort_unstable();
                shorter.rules.dedup();
            }
            _ => kept.push(literal),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefilter(keywords: &[&[&str]]) -> Prefilter {
        let owned: Vec<Vec<String>> =
            keywords.iter().map(|rule| rule.iter().map(|&k| k.to_owned()).collect()).collect();
        Prefilter::new(owned.iter().map(Vec::as_slice))
    }

    fn hits(prefilter: &Prefilter, text: &[u8]) -> Vec<(usize, Vec<usize>, bool)> {
        prefilter.hits(text).map(|hit| (hit.at, hit.literal.rules.clone(), hit.literal.wide)).collect()
    }

    #[test]
    fn every_place_is_found_overlapping_ones_too() {
        let prefilter = prefilter(&[&["AKIA"], &["secret"]]);
        assert_eq!(
            hits(&prefilter, b"AKIAKIA secret"),
            [(0, vec![0], false), (3, vec![0], false), (8, vec![1], false)]
        );
    }

    #[test]
    fn a_keyword_that_begins_another_stands_for_both() {
        let prefilter = prefilter(&[&["secretkey"], &["secret"], &["secret"]]);
        assert_eq!(hits(&prefilter, b"a secretkey"), [(2, vec![0, 1, 2], false)]);
    }

    #[test]
    fn both_spellings_of_utf16_are_found() {
        let prefilter = prefilter(&[&["AKIA"]]);
        let little: Vec<u8> = "xAKIA".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "xAKIA".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(hits(&prefilter, &little), [(2, vec![], true)]);
        assert_eq!(hits(&prefilter, &big), [(3, vec![], true)]);
    }

    #[test]
    fn each_keyword_contains_a_chosen_piece_and_they_are_few() {
        let keywords: Vec<&[u8]> = vec![b"session_token", b"SessionToken", b"AKIA", b"key", b"x_token"];
        let pieces = shared_pieces(keywords);
        assert_eq!(pieces, [&b"oken"[..], b"key", b"AKIA"]);
    }

    #[test]
    fn the_built_in_keywords_go_through_the_fast_loop() {
        let rules = crate::engine::rule::RuleSet::builtin();
        let prefilter = Prefilter::new(rules.iter().map(|rule| rule.keywords.as_slice()));
        assert!(prefilter.literals.len() <= 32, "{}", prefilter.literals.len());
    }

    #[test]
    fn the_automaton_and_the_slow_way_agree_with_vectors() {
        let packed = prefilter(&[&["AKIA", "secret"], &["ecre", "key"]]);
        assert!(matches!(packed.search, Search::Packed(_)) || cfg!(not(target_arch = "x86_64")));
        let automaton =
            Prefilter { search: Search::Automaton(automaton(&packed.literals)), literals: packed.literals.clone() };
        let text = b"secretAKIAKIAkeysecretkey ecrekeykeyA\0K\0I\0A\0k\0e\0y".repeat(20);
        let slow: Vec<_> =
            packed.hits_slowly(&text).map(|hit| (hit.at, hit.literal.rules.clone(), hit.literal.wide)).collect();
        assert_eq!(hits(&packed, &text), slow);
        assert_eq!(hits(&automaton, &text), slow);
    }
}
