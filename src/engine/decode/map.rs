//! Text in which pieces were replaced by what they decode to, and where each of its bytes came from. What is replaced is for the
//! decoders to say.

use std::ops::Range;

use super::Budget;
use crate::engine::Encoding;
use crate::location::Span;

/// What a piece costs besides its text: so that many tiny ones don't cost much more than a few large ones.
pub(super) const PIECE_COST: usize = 16;

/// A text with some pieces replaced.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    pub(super) text: Vec<u8>,
    /// In order; between them the text is as it was.
    pieces: Vec<Piece>,
}

/// One piece, before and after. Groups of `from.step` bytes became groups of `to.step`, but for the last, which may be shorter.
#[derive(Clone, Copy, Debug)]
struct Piece {
    from: Side,
    to: Side,
    how: &'static [Encoding],
}

#[derive(Clone, Copy, Debug)]
struct Side {
    start: u32,
    len: u32,
    step: u32,
}

impl Side {
    fn new(start: usize, len: usize, step: usize) -> Self {
        // A budget lets no text grow beyond 2^30 bytes.
        Self { start: start as u32, len: len as u32, step: step.max(1) as u32 }
    }

    fn start(self) -> usize {
        self.start as usize
    }

    fn end(self) -> usize {
        (self.start + self.len) as usize
    }

    /// Where the group begins that is the counterpart of the one at `at` in `other`.
    fn group_start(self, at: usize, other: Self) -> usize {
        let group = (at - other.start()) / other.step as usize;
        (self.start() + group * self.step as usize).min(self.end())
    }

    /// Where the group ends that is the counterpart of the one that holds `last` in `other`.
    fn group_end(self, last: usize, other: Self) -> usize {
        let group = (last - other.start()) / other.step as usize + 1;
        if group * other.step as usize >= other.len as usize {
            return self.end();
        }
        (self.start() + group * self.step as usize).min(self.end())
    }
}

impl Layer {
    /// Where a span of this text stood before, rounded outward to whole groups.
    pub(super) fn back(&self, span: Span) -> Span {
        mapped(&self.pieces, span, |piece| (piece.to, piece.from))
    }

    /// Where a span of the text before stands in this one, rounded outward to whole groups.
    pub(super) fn forward(&self, span: Span) -> Span {
        mapped(&self.pieces, span, |piece| (piece.from, piece.to))
    }

    /// What the bytes of a span of this text were decoded from, in order, each once.
    pub(super) fn encodings(&self, span: Span) -> Vec<Encoding> {
        let first = self.pieces.partition_point(|piece| piece.to.end() <= span.start);
        let touched = self.pieces[first..].iter().take_while(|piece| piece.to.start() < span.end);
        let mut all: Vec<&'static [Encoding]> = Vec::new();
        for piece in touched {
            if !all.contains(&piece.how) {
                all.push(piece.how);
            }
        }
        all.concat()
    }
}

fn mapped(pieces: &[Piece], span: Span, sides: impl Fn(&Piece) -> (Side, Side)) -> Span {
    let at_or_before = |at: usize| {
        let next = pieces.partition_point(|piece| sides(piece).0.start() <= at);
        next.checked_sub(1).map(|i| sides(&pieces[i]))
    };
    let start = match at_or_before(span.start) {
        None => span.start,
        Some((here, there)) if span.start < here.end() => there.group_start(span.start, here),
        Some((here, there)) => there.end() + (span.start - here.end()),
    };
    let end = match span.end.checked_sub(1).map(|last| (last, at_or_before(last))) {
        None | Some((_, None)) => span.end,
        Some((last, Some((here, there)))) if last < here.end() => there.group_end(last, here),
        Some((_, Some((here, there)))) => there.end() + (span.end - here.end()),
    };
    Span { start, end: end.max(start) }
}

/// Makes a layer from left to right.
#[derive(Debug)]
pub(super) struct Builder<'a> {
    from: &'a [u8],
    /// What stands before this is in the layer already.
    pub(super) done: usize,
    layer: Layer,
}

/// The budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spent;

impl<'a> Builder<'a> {
    pub(super) fn new(from: &'a [u8]) -> Self {
        Self::starting_at(from, 0)
    }

    /// What stands before `start` is left out.
    pub(super) fn starting_at(from: &'a [u8], start: usize) -> Self {
        Self { from, done: start, layer: Layer::default() }
    }

    /// Puts `bytes` in the place of `range`, which begins at `done` or later. Each group of `steps.0` bytes of the range became one
    /// of `steps.1`.
    pub(super) fn replace(
        &mut self,
        range: Range<usize>,
        bytes: &[u8],
        steps: (usize, usize),
        how: &'static [Encoding],
        budget: &mut Budget,
    ) -> Result<(), Spent> {
        let start = self.layer.text.len() + range.start - self.done;
        let piece = Piece {
            from: Side::new(range.start, range.len(), steps.0),
            to: Side::new(start, bytes.len(), steps.1),
            how,
        };
        match self.layer.pieces.last_mut() {
            Some(last) if last.is_continued_by(&piece) => {
                budget.take(bytes.len())?;
                last.from.len += piece.from.len;
                last.to.len += piece.to.len;
            }
            _ => {
                budget.take(bytes.len() + PIECE_COST)?;
                self.layer.pieces.push(piece);
            }
        }
        self.layer.text.extend_from_slice(&self.from[self.done..range.start]);
        self.layer.text.extend_from_slice(bytes);
        self.done = range.end;
        Ok(())
    }

    /// The text so far, without what was not looked at yet.
    pub(super) fn into_text(self) -> Vec<u8> {
        self.layer.text
    }

    /// The layer, or nothing if nothing was replaced.
    pub(super) fn finish(mut self) -> Option<Layer> {
        if self.layer.pieces.is_empty() {
            return None;
        }
        self.layer.text.extend_from_slice(&self.from[self.done..]);
        Some(self.layer)
    }
}

impl Piece {
    fn is_continued_by(&self, next: &Self) -> bool {
        let whole = |side: Side| side.len > 0 && side.len.is_multiple_of(side.step);
        let alike = |a: Side, b: Side| a.step == b.step && a.end() == b.start();
        self.how == next.how
            && alike(self.from, next.from)
            && alike(self.to, next.to)
            && whole(self.from)
            && whole(self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOW: &[Encoding] = &[Encoding::Base64];
    const OTHER: &[Encoding] = &[Encoding::Hex];

    /// `ab[QUJDREU=]cd[4142]` with what stands in brackets decoded, and `cd` gone.
    fn layer() -> Layer {
        let mut budget = Budget::of(0);
        let mut builder = Builder::new(b"abQUJDREU=cd4142");
        builder.replace(2..6, b"ABC", (4, 3), HOW, &mut budget).unwrap();
        builder.replace(6..10, b"DE", (4, 2), HOW, &mut budget).unwrap();
        builder.replace(10..12, b"", (2, 0), OTHER, &mut budget).unwrap();
        builder.replace(12..14, b"A", (2, 1), OTHER, &mut budget).unwrap();
        builder.replace(14..16, b"B", (2, 1), OTHER, &mut budget).unwrap();
        builder.finish().unwrap()
    }

    fn span(start: usize, end: usize) -> Span {
        Span { start, end }
    }

    #[test]
    fn spans_are_rounded_to_whole_groups() {
        let layer = layer();
        assert_eq!(layer.text, b"abABCDEAB");
        assert_eq!(layer.back(span(0, 2)), span(0, 2));
        assert_eq!(layer.back(span(2, 3)), span(2, 6));
        assert_eq!(layer.back(span(4, 6)), span(2, 10));
        assert_eq!(layer.back(span(5, 7)), span(6, 10));
        assert_eq!(layer.back(span(7, 8)), span(12, 14));
        assert_eq!(layer.back(span(6, 9)), span(6, 16));
        assert_eq!(layer.forward(span(2, 3)), span(2, 5));
        assert_eq!(layer.forward(span(0, 16)), span(0, 9));
        assert_eq!(layer.forward(span(13, 15)), span(7, 9));
    }

    #[test]
    fn the_encodings_of_what_a_span_touches_are_told_once() {
        let layer = layer();
        assert_eq!(layer.encodings(span(0, 2)), []);
        assert_eq!(layer.encodings(span(1, 6)), HOW);
        assert_eq!(layer.encodings(span(6, 9)), [HOW, OTHER].concat());
        assert_eq!(layer.encodings(span(7, 8)), OTHER);
    }

    #[test]
    fn neighbours_of_a_kind_are_one_piece() {
        assert_eq!(layer().pieces.len(), 4);
    }

    #[test]
    fn nothing_is_replaced_beyond_the_budget() {
        let mut budget = Budget::of(0);
        budget.take(budget.left - PIECE_COST - 1).unwrap();
        let mut builder = Builder::new(b"abc");
        assert_eq!(builder.replace(0..1, b"A", (1, 1), HOW, &mut budget), Ok(()));
        assert_eq!(builder.replace(1..2, b"B", (1, 1), HOW, &mut budget), Err(Spent));
        assert_eq!(builder.finish().unwrap().text, b"Abc");
        assert!(Builder::new(b"abc").finish().is_none());
    }
}
