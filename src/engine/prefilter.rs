//! Finds the places worth a look, at the speed of memory: every keyword of every rule, and what betrays an access key id that is
//! written in another way, where it is so short that `decode::probe` may not see it. What a place is worth is for the regexes to say.
//!
//! The fewer the literals, the faster the search; up to 64 of them are looked for in many places at once.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind, packed};

#[cfg(target_arch = "x86_64")]
mod sieve;

/// All keywords in one search.
#[derive(Clone, Debug)]
pub(super) struct Prefilter {
    search: Search,
    /// None is the beginning of another.
    literals: Vec<Literal>,
    /// Those that begin with each byte.
    beginning: Vec<Range<usize>>,
    longest: usize,
}

/// The first letters of ids, or the last of those, as they are encoded.
const ENCODED: [&str; 20] = [
    // Base64, of AKIA and ASIA, by how many bytes stand before them in their group.
    "QUtJQ", "FLSU", "BS0lB", "QVNJQ", "FTSU", "BU0lB", // Hexadecimal.
    "4b4941", "4B4941", "534941", // Escape sequences, character references, percent.
    "u0041", "x49\\x41", "&#65;", "&#x41;", "%41%", // Lists of bytes.
    "49, 0x41", "49,0x41", "49 41", "49:41", "73, 65", "73,65",
];

/// What to do at a hit.
#[derive(Clone, Debug)]
pub(super) struct Literal {
    bytes: Vec<u8>,
    /// Indices of the rules whose keyword it is; none if it is only a sign of something encoded.
    pub(super) rules: Vec<usize>,
    /// In UTF-16, without the zero byte at its end, or in big endian at its start.
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
    #[cfg(target_arch = "x86_64")]
    Sieve(Box<sieve::Sieve>),
    /// On other processors.
    Packed(packed::Searcher),
    /// Where those have no vectors either, or there are too many literals.
    Automaton(AhoCorasick),
}

impl Prefilter {
    /// `keywords` of each rule, in the order of the rules.
    pub(super) fn new<'a>(keywords: impl Iterator<Item = &'a [String]>) -> Self {
        Self::of(without_prefixes(literals(keywords)))
    }

    /// One that finds keywords in UTF-16 too, wherever they are.
    pub(super) fn wide<'a>(keywords: impl Iterator<Item = &'a [String]>) -> Self {
        let mut all = literals(keywords);
        let keywords = all.iter().filter(|literal| !literal.rules.is_empty());
        let widened = keywords.map(|l| Literal { bytes: widened(&l.bytes), rules: l.rules.clone(), wide: true });
        all.extend(widened.collect::<Vec<_>>());
        Self::of(without_prefixes(all))
    }

    fn of(literals: Vec<Literal>) -> Self {
        let first = |byte| literals.partition_point(|literal| literal.bytes.first() < Some(&byte));
        let ends = |byte| literals.partition_point(|literal| literal.bytes.first() <= Some(&byte));
        let beginning = (0..=u8::MAX).map(|byte| first(byte)..ends(byte)).collect();
        let longest = literals.iter().map(Literal::len).max().unwrap_or(0);
        Self { search: Search::of(&literals), literals, beginning, longest }
    }

    /// Every place in `text` at which a literal begins, in rising order. No literal is the beginning of another, so that there
    /// is one at most at a place; they may overlap.
    pub(super) fn hits<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = Hit<'a>> {
        self.hits_at(text, self.search.places(text))
    }

    /// The length of the longest literal.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// The hits at places where literals may begin.
    pub(super) fn hits_at<'a>(
        &'a self,
        text: &'a [u8],
        places: impl Iterator<Item = usize>,
    ) -> impl Iterator<Item = Hit<'a>> {
        places.filter_map(move |at| {
            let rest = text.get(at..)?;
            let range = self.beginning[usize::from(*rest.first()?)].clone();
            let literal = self.literals[range].iter().find(|literal| rest.starts_with(&literal.bytes))?;
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

impl Search {
    fn of(literals: &[Literal]) -> Self {
        let patterns: Vec<&[u8]> = literals.iter().map(|literal| literal.bytes.as_slice()).collect();
        #[cfg(target_arch = "x86_64")]
        if let Some(sieve) = sieve::Sieve::new(&patterns) {
            return Self::Sieve(Box::new(sieve));
        }
        match packed::Searcher::new(&patterns) {
            Some(searcher) => Self::Packed(searcher),
            None => Self::Automaton(automaton(literals)),
        }
    }

    /// Every place at which a literal begins, and perhaps others, in rising order.
    fn places<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        #[cfg(target_arch = "x86_64")]
        let mut sifted = sieve::Sifted::default();
        let mut from = 0;
        std::iter::from_fn(move || {
            let at = match self {
                #[cfg(target_arch = "x86_64")]
                Self::Sieve(sieve) => return sieve.next(text, &mut sifted),
                Self::Packed(searcher) => searcher.find_in(text, (from..text.len()).into())?.start(),
                Self::Automaton(automaton) => automaton.find(Input::new(text).range(from..text.len()))?.start(),
            };
            from = at + 1;
            Some(at)
        })
    }
}

impl Literal {
    /// In bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Its letters.
    pub(super) fn text(&self) -> String {
        let letters: Vec<u8> = self.bytes.iter().step_by(if self.wide { 2 } else { 1 }).copied().collect();
        String::from_utf8_lossy(&letters).into_owned()
    }
}

fn literals<'a>(keywords: impl Iterator<Item = &'a [String]>) -> Vec<Literal> {
    let literal = |text: &str, rules| Literal { bytes: text.as_bytes().to_vec(), rules, wide: false };
    let keywords = keywords.enumerate().flat_map(|(rule, all)| all.iter().map(move |k| literal(k, vec![rule])));
    ENCODED.iter().map(|text| literal(text, Vec::new())).chain(keywords).collect()
}

/// `A`, `B`, `C` with a zero between any two: part of the little and of the big endian spelling alike.
fn widened(piece: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = piece.iter().flat_map(|&c| [c, 0]).collect();
    bytes.pop();
    bytes
}

fn automaton(literals: &[Literal]) -> AhoCorasick {
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostFirst)
        .kind(Some(AhoCorasickKind::DFA))
        .build(literals.iter().map(|literal| &literal.bytes))
        .expect("a few hundred short literals fit an automaton")
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

    fn hits(prefilter: &Prefilter, text: &[u8]) -> Vec<(usize, Vec<usize>)> {
        prefilter.hits(text).map(|hit| (hit.at, hit.literal.rules.clone())).collect()
    }

    #[test]
    fn every_place_is_found_overlapping_ones_too() {
        let prefilter = prefilter(&[&["AKIA"], &["secret"]]);
        assert_eq!(hits(&prefilter, b"AKIAKIA secret"), [(0, vec![0]), (3, vec![0]), (8, vec![1])]);
    }

    #[test]
    fn a_keyword_that_begins_another_stands_for_both() {
        let prefilter = prefilter(&[&["secretkey"], &["secret"], &["secret"]]);
        assert_eq!(hits(&prefilter, b"a secretkey"), [(2, vec![0, 1, 2])]);
    }

    #[test]
    fn ids_are_betrayed_in_the_ways_they_are_encoded() {
        let prefilter = prefilter(&[&["secret"]]);
        let base64 = |text: &str| {
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let bits: String = text.bytes().map(|c| format!("{c:08b}")).collect();
            let sextets = bits.as_bytes().chunks_exact(6).map(|six| std::str::from_utf8(six).unwrap());
            sextets.map(|six| alphabet[usize::from_str_radix(six, 2).unwrap()]).collect::<Vec<u8>>()
        };
        for id in ["AKIA", "ASIA"] {
            let id = format!("{id}SP2TPHJSQH3FJRUX");
            let each = |spell: fn(u8) -> String| id.bytes().map(spell).collect::<String>().into_bytes();
            for text in [
                base64(&id),
                base64(&format!("x{id}")),
                base64(&format!("xy{id}")),
                each(|c| format!("{c:02x}")),
                each(|c| format!("{c:02X}")),
                each(|c| format!("\\u{c:04x}")),
                each(|c| format!("\\x{c:02x}")),
                each(|c| format!("&#{c};")),
                each(|c| format!("&#x{c:x};")),
                each(|c| format!("%{c:X}")),
            ] {
                assert!(!hits(&prefilter, &text).is_empty(), "{}", text.escape_ascii());
            }
        }
    }

    #[test]
    fn the_built_in_keywords_go_through_the_vectorised_loops() {
        let rules = crate::engine::rule::RuleSet::builtin();
        let prefilter = Prefilter::new(rules.iter().map(|rule| rule.keywords.as_slice()));
        assert!(prefilter.literals.len() <= 64, "{}", prefilter.literals.len());
    }

    #[test]
    fn all_ways_to_search_find_the_same() {
        let usual = prefilter(&[&["AKIA", "secret"], &["ecre", "key"]]);
        let patterns = || usual.literals.iter().map(|literal| &literal.bytes);
        let automaton = Search::Automaton(automaton(&usual.literals));
        let others = packed::Searcher::new(patterns()).map(Search::Packed).into_iter().chain([automaton]);
        let text = b"secretAKIAKIAkeysecretkey ecrekeykeyQUtJQ&#65;".repeat(20);
        let slow: Vec<_> = usual.hits_slowly(&text).map(|hit| (hit.at, hit.literal.rules.clone())).collect();
        assert_eq!(hits(&usual, &text), slow);
        for search in others {
            assert_eq!(hits(&Prefilter { search, ..usual.clone() }, &text), slow);
        }
    }
}
