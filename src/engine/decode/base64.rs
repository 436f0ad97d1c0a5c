//! Base64 with either alphabet (RFC 4648) and, because a run of hexadecimal digits looks like one of base64, hexadecimal numbers
//! too. Only the head of a run is decoded to see whether there is text in it: images, keys and hashes cost no more than that.

use std::ops::Range;

use super::map::{Builder, PIECE_COST, Spent};
use super::{Budget, deflate, run};
use crate::engine::Encoding;
use crate::engine::base64::sextet;

/// How much of a run tells what is in it, in letters.
const HEAD: usize = 96;
/// Letters that hardly ever are all digits by chance.
const FIRST: usize = 8;
/// How many bytes are enough to see of most runs that they hold nothing.
const START: usize = 12;
/// How much of a run is decoded to see whether something is deflated in it, in letters.
const TRIAL: usize = 2048;
/// Fewer bytes than this may look like text by chance.
const SHORTEST_TEXT: usize = 16;
/// So many digits are the twenty characters of an access key id.
const SHORTEST_HEX: usize = 40;
/// A run may begin with a word that belongs to something else and is joined by one of its letters that is a sign.
const LONGEST_PREFIX: usize = 64;
/// Of a line so many letters say whether there may be something in it.
pub(super) const JUDGED: usize = LONGEST_PREFIX + HEAD;
/// How many such signs are looked behind.
const PREFIXES: usize = 6;

/// How the letters of a run are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alphabet {
    Base64,
    Hex,
}

/// What the head of a run holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Text,
    Deflated,
}

/// A run that decodes to something.
#[derive(Debug)]
pub(super) struct Encoded {
    alphabet: Alphabet,
    content: Content,
    lines: Vec<Range<usize>>,
}

impl Encoded {
    /// The run that has `line` for its first line, if there is text in it.
    pub(super) fn at(text: &[u8], line: Range<usize>) -> Option<Self> {
        let letters = &text[line.clone()];
        let (skipped, (alphabet, content)) = first_content(letters)?;
        let whole = |text: &[u8]| Self::starting_in(text, &line, skipped, alphabet, content);
        // So little of a header looks deflated by chance in too many runs to decode them all.
        if content == Content::Deflated {
            let start = &text[..text.len().min(line.start + skipped + TRIAL)];
            let deflated = whole(start).bytes(start);
            let inflated = deflate::inflated(&deflated, TRIAL);
            // An archive need not begin with text, and the header of gzip is longer.
            inflated.get(..SHORTEST_TEXT).filter(|_| deflate::is_gzip(&deflated) || is_text(&inflated))?;
        }
        Some(whole(text))
    }

    /// The run of which the first line is `line` but for some letters at its start.
    fn starting_in(text: &[u8], line: &Range<usize>, skipped: usize, alphabet: Alphabet, content: Content) -> Self {
        let first = line.start + skipped..line.end.min(text.len());
        // What is skipped may be a piece of the first line or something before it.
        let mut lines = run::lines(text, first.clone(), first.len());
        if lines.len() == 1 && skipped > 0 {
            lines = run::lines(text, first, line.len());
        }
        if alphabet == Alphabet::Hex {
            cut_to_digits(text, &mut lines);
        }
        Self { alphabet, content, lines }
    }

    /// The end of its last line.
    pub(super) fn end(&self) -> usize {
        self.lines.last().map_or(0, |line| line.end)
    }

    /// Replaces it by what it decodes to.
    pub(super) fn decode(&self, text: &[u8], builder: &mut Builder<'_>, budget: &mut Budget) -> Result<(), Spent> {
        let how: &'static [Encoding] = match (self.alphabet, self.content) {
            (Alphabet::Base64, Content::Text) => &[Encoding::Base64],
            (Alphabet::Hex, Content::Text) => &[Encoding::Hex],
            (Alphabet::Base64, Content::Deflated) => &[Encoding::Base64, Encoding::Gzip],
            (Alphabet::Hex, Content::Deflated) => &[Encoding::Hex, Encoding::Gzip],
        };
        if self.content == Content::Text {
            return self.groups(text, |range, bytes, steps| builder.replace(range, bytes, steps, how, budget));
        }
        let deflated = self.bytes(text);
        budget.take(deflated.len())?;
        let room = budget.left.saturating_sub(PIECE_COST);
        let mut inflated = deflate::inflated(&deflated, room.saturating_add(1));
        budget.exceeded |= inflated.len() > room;
        inflated.truncate(room);
        let padding = text[self.end()..].iter().take(2).take_while(|&&c| c == b'=').count();
        let range = self.lines[0].start..self.end() + padding;
        let steps = (range.len(), inflated.len());
        builder.replace(range, &inflated, steps, how, budget)
    }

    /// What all of it decodes to.
    fn bytes(&self, text: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        let _never_spent = self.groups(text, |_, bytes, _| {
            all.extend_from_slice(bytes);
            Ok(())
        });
        all
    }

    /// Its groups, and what stands between its lines: where they stand, what they decode to and the steps between them.
    fn groups(
        &self,
        text: &[u8],
        mut give: impl FnMut(Range<usize>, &[u8], (usize, usize)) -> Result<(), Spent>,
    ) -> Result<(), Spent> {
        let (letters, bytes) = self.alphabet.group();
        // A group that goes on in the next line.
        let mut broken: Vec<u8> = Vec::new();
        let mut done = self.lines[0].start;
        for line in &self.lines {
            let missing = if broken.is_empty() { 0 } else { letters - broken.len() };
            let rest = (line.start + missing).min(line.end);
            broken.extend_from_slice(&text[line.start..rest]);
            if missing > 0 && broken.len() == letters {
                give(done..rest, &self.alphabet.decoded(&broken), (rest - done, bytes))?;
                (done, broken) = (rest, Vec::new());
            }
            if !broken.is_empty() {
                continue;
            }
            if done < rest {
                give(done..rest, b"", (rest - done, 0))?;
            }
            let whole = rest + (line.end - rest) / letters * letters;
            if rest < whole {
                give(rest..whole, &self.alphabet.decoded(&text[rest..whole]), (letters, bytes))?;
            }
            broken.extend_from_slice(&text[whole..line.end]);
            done = whole;
        }
        let last = self.alphabet.decoded(&broken);
        if last.is_empty() {
            return Ok(());
        }
        let padding = text[self.end()..].iter().take(letters - broken.len()).take_while(|&&c| c == b'=').count();
        let range = done..self.end() + padding;
        let steps = (range.len(), last.len());
        give(range, &last, steps)
    }
}

/// Whether [`Encoded::at`] may give something for a line that begins with these letters. More of them than [`JUDGED`] don't matter.
pub(super) fn may_begin(letters: &[u8]) -> bool {
    first_content(letters).is_some()
}

/// What a line holds and how many letters before it don't belong to it. It begins where the line does, at most three letters further,
/// or behind a sign that joins it to a word.
fn first_content(letters: &[u8]) -> Option<(usize, (Alphabet, Content))> {
    let last = letters.len().checked_sub(run::SHORTEST)?;
    let from = |start: usize| Some((start, content(&letters[start..])?));
    let found = (0..=last.min(3)).find_map(from);
    found.or_else(|| {
        let signs = (4..=last.min(LONGEST_PREFIX)).filter(|&start| !letters[start - 1].is_ascii_alphanumeric());
        signs.take(PREFIXES).find_map(from)
    })
}

/// What the letters hold, if it is anything that could have a credential in it.
#[inline]
fn content(letters: &[u8]) -> Option<(Alphabet, Content)> {
    [Alphabet::Hex, Alphabet::Base64].into_iter().find_map(|alphabet| {
        // Nearly all runs end here.
        if !alphabet.may_have(letters) || !may_begin_text(alphabet.start(letters)) {
            return None;
        }
        Some((alphabet, content_in(letters, alphabet)?))
    })
}

/// The same in one alphabet.
fn content_in(letters: &[u8], alphabet: Alphabet) -> Option<Content> {
    let length = alphabet.length(&letters[..letters.len().min(HEAD)]);
    if length < alphabet.shortest() || !may_begin_content(&alphabet.start(letters)) {
        return None;
    }
    let length = length / alphabet.group().0 * alphabet.group().0;
    let head = alphabet.decoded(&letters[..length]);
    // What begins with an x and a space or the like is text and no header of zlib.
    if head.len() >= SHORTEST_TEXT && (is_text(&head) && is_mostly_ascii(&head) || is_wide_text(&head)) {
        Some(Content::Text)
    } else {
        deflate::is_deflated(&head).then_some(Content::Deflated)
    }
}

/// Whether [`may_begin_content`] may be true of what begins with these bytes: nearly all runs are told by them to hold nothing.
#[inline]
fn may_begin_text([a, b, c]: [u8; 3]) -> bool {
    let [x, y, z] = [a, b, c].map(|byte| BYTES[usize::from(byte)]);
    // What is in the middle of a character stands behind what begins one, and only there.
    let fits = |before: u8, after: u8| (after & MIDDLE != 0) == (before & FIRST_OF_MANY != 0) || before & MIDDLE != 0;
    x & MAGIC != 0 || b == 0 || x & y & z & TEXT != 0 && x & MIDDLE == 0 && fits(x, y) && fits(y, z)
}

/// It may stand in text.
const TEXT: u8 = 1;
/// In UTF-8 it stands in the middle of a character.
const MIDDLE: u8 = 2;
/// In UTF-8 it begins a character of several bytes.
const FIRST_OF_MANY: u8 = 4;
/// UTF-16, its mark, gzip or zlib may begin with it.
const MAGIC: u8 = 8;

/// What each byte may be.
static BYTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < table.len() {
        let c = n as u8;
        table[n] = (if is_text_byte(c) { TEXT } else { 0 })
            | (if c & 0xC0 == 0x80 { MIDDLE } else { 0 })
            | (if c >= 0xC0 { FIRST_OF_MANY } else { 0 })
            | (if matches!(c, 0 | 0xFE | 0xFF | 0x1F | 0x78) { MAGIC } else { 0 });
        n += 1;
    }
    table
};

/// Whether the first bytes of a run are those of something: most runs are not text from there on, which is told in no time.
fn may_begin_content(start: &[u8; START]) -> bool {
    // Two characters of UTF-16, or its mark and one.
    let is_wide = |pairs: &[u8]| pairs[0] == 0 && pairs[2] == 0 || pairs[1] == 0 && pairs[3] == 0;
    let is_marked = start.starts_with(b"\xFF\xFE") || start.starts_with(b"\xFE\xFF");
    is_marked || is_wide(start) || deflate::is_deflated(start) || is_text(start)
}

const fn is_text_byte(c: u8) -> bool {
    matches!(c, b'\t' | b'\n' | b'\r' | 0x0C | 0x1B | 0x20..=0x7E | 0x80..)
}

/// Whether the bytes are UTF-8, perhaps cut off within a character.
fn is_text(bytes: &[u8]) -> bool {
    let cut_off = |error: std::str::Utf8Error| error.error_len().is_none();
    bytes.iter().all(|&c| is_text_byte(c)) && std::str::from_utf8(bytes).map_or_else(cut_off, |_| true)
}

fn is_mostly_ascii(bytes: &[u8]) -> bool {
    4 * bytes.iter().filter(|c| c.is_ascii()).count() >= 3 * bytes.len()
}

/// Whether the bytes are ASCII in UTF-16, of either order, perhaps with its mark.
fn is_wide_text(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xFF\xFE").or(bytes.strip_prefix(b"\xFE\xFF")).unwrap_or(bytes);
    let ascii = |c: u8| is_text_byte(c) && c.is_ascii();
    let mut pairs = bytes.chunks_exact(2);
    pairs.clone().all(|pair| ascii(pair[0]) && pair[1] == 0) || pairs.all(|pair| pair[0] == 0 && ascii(pair[1]))
}

/// Ends a run of hexadecimal digits where the digits end.
fn cut_to_digits(text: &[u8], lines: &mut Vec<Range<usize>>) {
    for i in 0..lines.len() {
        let line = lines[i].clone();
        if let Some(other) = text[line.clone()].iter().position(|c| !c.is_ascii_hexdigit()) {
            lines.truncate(i + 1);
            lines[i].end = line.start + other;
            return;
        }
    }
}

impl Alphabet {
    /// How many letters make how many bytes.
    fn group(self) -> (usize, usize) {
        match self {
            Self::Base64 => (4, 3),
            Self::Hex => (2, 1),
        }
    }

    /// How many bits a letter has.
    fn bits(self) -> usize {
        match self {
            Self::Base64 => 6,
            Self::Hex => 4,
        }
    }

    /// Whether the first of some letters that are enough for a run may all be its own.
    #[inline]
    fn may_have(self, letters: &[u8]) -> bool {
        self == Self::Base64 || letters.iter().take(FIRST).all(u8::is_ascii_hexdigit)
    }

    /// How many of the letters are its own before another one comes.
    fn length(self, letters: &[u8]) -> usize {
        match self {
            Self::Base64 => letters.len(),
            Self::Hex => letters.iter().take_while(|c| c.is_ascii_hexdigit()).count(),
        }
    }

    fn shortest(self) -> usize {
        match self {
            Self::Base64 => run::SHORTEST,
            Self::Hex => SHORTEST_HEX,
        }
    }

    /// What letters stand for, the last group perhaps without its padding; the letter of a byte that is not whole is left out.
    fn decoded(self, letters: &[u8]) -> Vec<u8> {
        let bits = self.bits();
        let mut bytes = Vec::with_capacity(letters.len() * bits / 8 + 1);
        let (mut held, mut count) = (0_u32, 0_usize);
        for &letter in letters {
            held = held << bits | u32::from(self.value(letter));
            count += bits;
            if count >= 8 {
                count -= 8;
                bytes.push((held >> count) as u8);
            }
        }
        bytes
    }

    /// The first bytes of a run that is long enough; their number is a multiple of three.
    #[inline]
    fn start<const LENGTH: usize>(self, letters: &[u8]) -> [u8; LENGTH] {
        let mut start = [0; LENGTH];
        match self {
            Self::Base64 => {
                let (groups, _) = letters.as_chunks::<4>();
                for (group, bytes) in groups.iter().zip(start.as_chunks_mut::<3>().0) {
                    let [a, b, c, d] = group.map(|letter| SEXTET[usize::from(letter)]);
                    *bytes = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
                }
            }
            Self::Hex => {
                let (pairs, _) = letters.as_chunks::<2>();
                for (pair, byte) in pairs.iter().zip(&mut start) {
                    let [high, low] = pair.map(|letter| DIGIT[usize::from(letter)]);
                    *byte = high << 4 | low;
                }
            }
        }
        start
    }

    fn value(self, letter: u8) -> u8 {
        match self {
            Self::Base64 => SEXTET[usize::from(letter)],
            Self::Hex => DIGIT[usize::from(letter)],
        }
    }
}

/// What the letters of base64 are worth. Looked up, because which letter comes next can't be foreseen.
static SEXTET: [u8; 256] = {
    let mut table = [0; 256];
    let mut c = 0;
    while c < table.len() {
        if let Some(value) = sextet(c as u8) {
            table[c] = value;
        }
        c += 1;
    }
    table
};

/// What hexadecimal digits are worth.
static DIGIT: [u8; 256] = {
    let mut table = [0; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        table[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn three_bytes_tell_of_nothing_that_twelve_may_begin(
            start in prop::array::uniform12(prop_oneof![0..=0xFF_u8, Just(0), b' '..=b'~', 0x80..=0xBF_u8, 0xC2..=0xF4_u8])
        ) {
            prop_assert!(may_begin_text([start[0], start[1], start[2]]) || !may_begin_content(&start));
        }

        #[test]
        fn the_start_of_a_run_is_what_it_decodes_to(letters in "[A-Za-z0-9+/_-]{24}", digits in "[A-Fa-f0-9]{40}") {
            for (alphabet, letters) in [(Alphabet::Base64, letters), (Alphabet::Hex, digits)] {
                let decoded = alphabet.decoded(letters.as_bytes());
                prop_assert_eq!(&alphabet.start::<START>(letters.as_bytes())[..], &decoded[..START]);
                prop_assert_eq!(&alphabet.start::<3>(letters.as_bytes())[..], &decoded[..3]);
            }
        }
    }

    #[test]
    fn text_and_what_is_known_by_its_first_bytes_may_begin() {
        for start in ["\u{4E2D}\u{4E2D}\u{4E2D}\u{4E2D}", "\u{e9}t\u{e9} \u{1F600}12", "a\u{e9}\u{e9} and so"] {
            let start: [u8; START] = start.as_bytes()[..START].try_into().unwrap();
            assert!(may_begin_text([start[0], start[1], start[2]]) && may_begin_content(&start));
        }
        for start in [*b"\xFF\xFE\x01", *b"a\0\x01", *b"\0a\0", *b"\x1F\x8B\x08", *b"\x78\x01\x02"] {
            assert!(may_begin_text(start), "{}", start.escape_ascii());
        }
        for start in [*b"\x01ab", *b"a\x80b", *b"\x80ab", *b"\xC3ab", *b"ab\x07", *b"a\xC3b"] {
            assert!(!may_begin_text(start), "{}", start.escape_ascii());
        }
    }
}
