//! Finds long runs of base64, of hexadecimal digits and of UTF-16 at the speed of memory, wherever no keyword betrays them: it looks
//! at blocks at fixed places, one of which every long run covers. Letters of base64 may be spelled out as URLs need it.

use std::ops::Range;

use super::base64::{self, Encoded};
use super::map::Builder;
use super::{Budget, escapes, run, utf16};
use crate::engine::Encoding;
use crate::engine::blocks::{BLOCK, has_any_up_to, unlike_words};
use crate::engine::class::Class;
use crate::location::{Mark, Span};

/// A run of letters covers a block if it has twice as many, less one. The same for UTF-16, in bytes: an access key id has forty.
const WIDE_BLOCK: usize = 16;
/// The length of a letter that is spelled out.
const ESCAPE: usize = 3;
/// The bytes at odd places of eight.
const ODD: u64 = 0xFF00_FF00_FF00_FF00;

/// What a block may belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Letters,
    /// The first character of UTF-16 is at this offset in the block.
    Wide(usize),
}

/// A stretch in which something long is encoded, with what it decodes to.
#[derive(Debug)]
pub(in crate::engine) struct Stretch {
    pub(in crate::engine) range: Range<usize>,
    pub(in crate::engine) text: Vec<u8>,
}

/// Gives the stretches of a text one after the other.
#[derive(Debug)]
pub(in crate::engine) struct Probe<'a> {
    text: &'a [u8],
    marked: Option<Encoding>,
    /// Looks at every byte instead of many at once, which gives the same.
    slowly: bool,
    /// What comes before this is settled.
    at: usize,
    /// What is spelled out before this was looked at.
    spelled: usize,
    /// All places at which there may be something and that are still ahead, if they are known.
    places: Option<&'a [Mark]>,
}

impl<'a> Probe<'a> {
    pub(in crate::engine) fn new(text: &'a [u8], slowly: bool) -> Self {
        Self { text, marked: utf16::mark(text), slowly, at: 0, spelled: 0, places: None }
    }

    /// One that looks around marks only, and gives the same, of a text that has no other ones.
    pub(in crate::engine) fn at_marks(text: &'a [u8], marks: &'a [Mark]) -> Self {
        let is_wide = |mark: &Mark| mark.encoded && memchr::memchr(0, mark.span.of(text)).is_some();
        // Where UTF-16 begins is seen from far off.
        let places = (!marks.iter().any(is_wide)).then_some(marks);
        Self { places, ..Self::new(text, false) }
    }

    /// The next stretch. Its text is left empty when the budget does not allow for it.
    pub(in crate::engine) fn next(&mut self, budget: &mut Budget) -> Option<Stretch> {
        loop {
            let (at, block) = match self.places {
                Some(_) => self.block_near(),
                None if self.slowly => self.block_slowly(),
                None => self.block(self.text),
            }?;
            let floor = self.at;
            match block {
                Block::Wide(first) => {
                    let run = utf16::around(self.text, at + first, WIDE_BLOCK - 1, floor, self.marked);
                    self.at = run.range.end.max(at + WIDE_BLOCK);
                    let text = if budget.take(run.range.len() / 2).is_ok() { run.text(self.text) } else { Vec::new() };
                    return Some(Stretch { range: run.range, text });
                }
                Block::Letters => {
                    let line = run::LETTERS.start(self.text, at, floor)..run::LETTERS.end(self.text, at);
                    if let Some(stretch) = self.spelled_out(&line, budget).or_else(|| self.plain(&line, budget)) {
                        self.at = stretch.range.end;
                        return Some(stretch);
                    }
                    // A percent sign may be all there is.
                    self.at = run::behind(self.text, &line).max(at + 1);
                }
            }
        }
    }

    /// The stretch that begins with a line of letters.
    fn plain(&self, line: &Range<usize>, budget: &mut Budget) -> Option<Stretch> {
        let rest = &self.text[line.start..];
        let encoded = Encoded::at(rest, 0..line.len())?;
        let mut builder = Builder::new(rest);
        let _spent = encoded.decode(rest, &mut builder, budget);
        Some(Stretch { range: line.start..line.start + encoded.end(), text: builder.into_text() })
    }

    /// The stretch around a line of letters that goes on in letters which are spelled out. Each is looked at once.
    fn spelled_out(&mut self, line: &Range<usize>, budget: &mut Budget) -> Option<Stretch> {
        let (text, Range { mut start, mut end }) = (self.text, line.clone());
        if start < self.spelled {
            return None;
        }
        while start > self.at && letter(&text[start - 1..]).is_some() {
            start = run::LETTERS.start(text, start - 1, self.at);
        }
        while letter(&text[end..]).is_some() {
            end = run::LETTERS.end(text, end + ESCAPE);
        }
        if (start..end) == *line {
            return None;
        }
        self.spelled = end;
        let letters = unescaped(&text[start..end]);
        let mut builder = Builder::new(&letters);
        let mut from = 0;
        while let Some(line) = run::next(&letters, from) {
            from = match Encoded::at(&letters, line.clone()) {
                Some(encoded) => {
                    let _spent = encoded.decode(&letters, &mut builder, budget);
                    encoded.end().max(builder.done)
                }
                None => run::behind(&letters, &line),
            };
        }
        (builder.done > 0).then(|| Stretch { range: start..end, text: builder.into_text() })
    }

    /// The next block of a run that some mark is in.
    fn block_near(&mut self) -> Option<(usize, Block)> {
        while let Some((first, others)) = self.places.and_then(<[Mark]>::split_first) {
            let place = first.span;
            if first.encoded && place.end > self.at {
                // A run is judged by the first of its lines, which may have no mark.
                self.at = RUNS.start(self.text, place.start.max(self.at), self.at);
                let end = RUNS.end(self.text, place.end);
                if let Some(found) = self.block(&self.text[..end]) {
                    return Some(found);
                }
                self.at = end;
            }
            self.places = Some(others);
        }
        None
    }

    /// The next block of a run, from where the probe has come to, in the first part of the text.
    fn block(&self, text: &[u8]) -> Option<(usize, Block)> {
        let first = self.at.next_multiple_of(WIDE_BLOCK);
        let mut at = first;
        // Down to the larger of the two sizes.
        if !at.is_multiple_of(BLOCK) {
            if let Some(found) = self.wide(at) {
                return Some(found);
            }
            at += WIDE_BLOCK;
        }
        let (mut blocks, rest) = text.get(at..)?.as_chunks::<BLOCK>();
        while let Some(next) = unlike_words(blocks) {
            at += next * BLOCK;
            let block = &blocks[next];
            let found = if !has_any_up_to(b' ', block) {
                block.iter().all(|&c| may_be_letter(c)).then_some((at, Block::Letters))
            } else {
                self.wide(at).or_else(|| self.wide(at + WIDE_BLOCK))
            };
            if found.is_some() {
                return found;
            }
            blocks = &blocks[next + 1..];
            at += BLOCK;
        }
        at += blocks.len() * BLOCK;
        if rest.len() >= WIDE_BLOCK { self.wide(at) } else { None }
    }

    #[inline]
    fn wide(&self, at: usize) -> Option<(usize, Block)> {
        let block = self.text.get(at..at + WIDE_BLOCK)?;
        first_of_wide(block).map(|first| (at, Block::Wide(first)))
    }

    fn block_slowly(&self) -> Option<(usize, Block)> {
        let is_wide = |block: &[u8], first: usize| {
            block.iter().enumerate().all(|(i, &c)| if i % 2 == first { utf16::is_ascii(c) } else { c == 0 })
        };
        (self.at..self.text.len()).filter(|at| at % WIDE_BLOCK == 0).find_map(|at| {
            let long = self.text.get(at..at + BLOCK).filter(|_| at % BLOCK == 0);
            if long.is_some_and(|block| block.iter().all(|&c| may_be_letter(c))) {
                return Some((at, Block::Letters));
            }
            let block = self.text.get(at..at + WIDE_BLOCK)?;
            [0, 1].into_iter().find(|&first| is_wide(block, first)).map(|first| (at, Block::Wide(first)))
        })
    }
}

/// So many bytes are looked at around a place to see whether it is marked.
const MARK: usize = base64::JUDGED + BLOCK;

/// Tells of every place at which a probe may find something, seen from wherever it comes, that is within `window` or touches it. What
/// it depends on is the mark and no more than [`MARK`] bytes around.
pub(in crate::engine) fn marks(text: &[u8], window: Span, mut tell: impl FnMut(Span)) {
    const HALF: usize = BLOCK / 2;
    let first = window.start.next_multiple_of(HALF).min(text.len());
    let blocks = || {
        let (blocks, _) = text[first..].as_chunks::<HALF>();
        (first..window.end).step_by(HALF).zip(blocks)
    };
    let mut settled = window.start;
    for (at, block) in blocks() {
        if !has_any_up_to(b' ', block) && at >= settled && block.iter().all(|&c| run::is_letter(c)) {
            let start = run::LETTERS.start(text, at, at.saturating_sub(MARK));
            let end = run::LETTERS.end(&text[..text.len().min(start + MARK)], at);
            settled = run::LETTERS.end(&text[..window.end.max(end)], end);
            let is_whole = start == 0 || !run::is_letter(text[start - 1]);
            if is_whole && end - start >= BLOCK && base64::may_begin(&text[start..end]) {
                tell(Span { start: start.saturating_sub(1), end });
            }
        }
    }
    let has_zero = memchr::memchr(0, &text[first..text.len().min(window.end + HALF)]).is_some();
    for (at, block) in blocks().filter(|(_, block)| has_zero && has_any_up_to(0, block)) {
        let (halves, _) = block.as_chunks::<8>();
        for (half, bytes) in halves.iter().enumerate().filter(|(_, bytes)| first_of_wide(*bytes).is_some()) {
            let start = at + 8 * half;
            tell(Span { start, end: start + bytes.len() });
        }
    }
    for at in memchr::memchr_iter(b'%', window.of(text)).map(|at| window.start + at) {
        let before = text[at.saturating_sub(BLOCK)..at].iter().rev().take_while(|&&c| may_be_letter(c)).count();
        let behind = text[at..].iter().take(BLOCK).take_while(|&&c| may_be_letter(c)).count();
        if before + behind >= BLOCK {
            tell(Span { start: at - before, end: at + behind });
        }
    }
}

/// A window with the runs of letters that go on beyond it, as far as they matter.
pub(in crate::engine) fn along_runs(text: &[u8], window: Span) -> Span {
    let last = text.len().min(window.end + MARK);
    Span {
        start: run::LETTERS.start(text, window.start, window.start.saturating_sub(MARK)),
        end: run::LETTERS.end(&text[..last], window.end),
    }
}

/// Whether the last `length` bytes are a run, or lines of one, that may go on behind them.
pub(in crate::engine) fn may_go_on(text: &[u8], length: usize) -> bool {
    let floor = text.len().saturating_sub(length);
    RUNS.start(text, text.len(), floor) == floor
}

/// Where the first character is in some eights of bytes, if they are ASCII in UTF-16.
#[inline]
fn first_of_wide(bytes: &[u8]) -> Option<usize> {
    let (eights, _) = bytes.as_chunks::<8>();
    let both = eights.iter().fold(0, |both, eight| both | u64::from_le_bytes(*eight));
    let first = if both & ODD == 0 {
        0
    } else if both & !ODD == 0 {
        1
    } else {
        return None;
    };
    bytes[first..].iter().step_by(2).all(|&c| utf16::is_ascii(c)).then_some(first)
}

/// Whether it is a letter or begins one that is spelled out.
#[inline]
fn may_be_letter(c: u8) -> bool {
    OF_RUN.has(c)
}

static OF_RUN: Class = Class::EMPTY.with_words(b"+/-_%");
/// Runs with what stands between the lines of one.
static RUNS: Class = Class::EMPTY.with_words(b"+/-_%\r\n");

/// A letter, a sign of padding or a character of a line end that is spelled out at the start of `text`.
fn letter(text: &[u8]) -> Option<u8> {
    let character = text.starts_with(b"%").then(|| escapes::percent(text))??;
    character.byte.filter(|&c| run::is_letter(c) || matches!(c, b'=' | b'\r' | b'\n'))
}

/// Letters without those that are spelled out.
fn unescaped(mut text: &[u8]) -> Vec<u8> {
    let mut letters = Vec::with_capacity(text.len());
    while let Some((&first, others)) = text.split_first() {
        let spelled = letter(text);
        letters.push(spelled.unwrap_or(first));
        text = if spelled.is_some() { &text[ESCAPE..] } else { others };
    }
    letters
}
