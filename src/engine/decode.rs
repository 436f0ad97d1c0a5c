//! Reads what is written in another way than the text around it: a stretch of text is given again with every encoded piece replaced
//! in its place by what it decodes to, so that rules and pairing see the neighbours that the value really has. Rows of databases
//! become lines, since nothing divides their columns. A file for each decoder; `map` knows where each byte stood. What is found in the
//! text is not this room's business.

use std::ops::Range;

use self::base64::Encoded;
use self::map::{Builder, Layer, Spent};
use self::split::Splits;
pub(super) use self::utf16::mark;
use super::Encoding;
use crate::location::Span;

mod base64;
mod deflate;
mod escapes;
mod list;
mod map;
pub(super) mod probe;
mod record;
mod run;
mod split;
mod utf16;

/// How many encodings within each other are read.
pub(super) const DEPTH: usize = 3;
/// All texts together may be so many times as long as what they are made from, and so much more: only what was deflated comes near.
const BUDGET: (usize, usize) = (8, 8 << 20);
/// No text is longer.
const LONGEST: usize = 1 << 30;

/// How many bytes may still be made of some input.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    /// Whether something was asked for that is beyond it.
    exceeded: bool,
}

impl Budget {
    /// For an input of that length.
    pub(super) fn of(length: usize) -> Self {
        Self { left: length.saturating_mul(BUDGET.0).saturating_add(BUDGET.1).min(LONGEST), exceeded: false }
    }

    /// Whether something was not decoded, or not to its end, for want of it.
    pub(super) fn is_exceeded(&self) -> bool {
        self.exceeded
    }

    fn take(&mut self, bytes: usize) -> Result<(), Spent> {
        let left = self.left.checked_sub(bytes);
        self.exceeded |= left.is_none();
        self.left = left.ok_or(Spent)?;
        Ok(())
    }
}

/// A text as it is after each step of decoding.
#[derive(Debug)]
pub(super) struct View {
    layers: Vec<Layer>,
}

/// One character that is spelled out, or what stands between two pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Character {
    /// How many bytes it takes.
    length: usize,
    byte: Option<u8>,
    encoding: Encoding,
}

impl View {
    /// Of a text in which something is encoded. `marked` is what the mark at the start of the blob says.
    pub(super) fn of(text: &[u8], marked: Option<Encoding>, budget: &mut Budget) -> Option<Self> {
        let mut layers: Vec<Layer> = Vec::new();
        for _ in 0..DEPTH {
            let known = layers.len();
            // Rows first: their lengths count what is not decoded.
            let rows = layer(layers.last().map_or(text, |l| &l.text), budget, record::separate);
            layers.extend(rows);
            // Characters next: base64 may be spelled with some that are escaped.
            let characters = layer(layers.last().map_or(text, |l| &l.text), budget, characters);
            layers.extend(characters);
            let marked = marked.filter(|_| layers.is_empty());
            let suspects = layer(layers.last().map_or(text, |l| &l.text), budget, |text, builder, budget| {
                suspects(text, marked, builder, budget)
            });
            layers.extend(suspects);
            if layers.len() == known {
                break;
            }
        }
        Some(Self { layers }).filter(|view| !view.layers.is_empty())
    }

    /// The texts, outermost first.
    pub(super) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.layers.iter().map(|layer| layer.text.as_slice())
    }

    /// The innermost text.
    pub(super) fn text(&self) -> &[u8] {
        self.layers.last().map_or(&[], |layer| &layer.text)
    }

    /// Where a span of the text before the one of that index stands in it.
    pub(super) fn forward(&self, index: usize, span: Span) -> Span {
        self.layers[index].forward(span)
    }

    /// Where a span of the text of that index stands in the raw bytes, and what it was decoded from, outermost first.
    pub(super) fn raw(&self, index: usize, mut span: Span) -> (Span, Vec<Encoding>) {
        let mut encodings = Vec::new();
        for layer in self.layers[..=index].iter().rev() {
            encodings.splice(0..0, layer.encodings(span));
            span = layer.back(span);
        }
        (span, encodings)
    }
}

/// One step of decoding; nothing if there is nothing to decode. Where the budget ends the text stays as it is.
fn layer(
    text: &[u8],
    budget: &mut Budget,
    decode: impl FnOnce(&[u8], &mut Builder<'_>, &mut Budget) -> Result<(), Spent>,
) -> Option<Layer> {
    let mut builder = Builder::new(text);
    let left = budget.left;
    // If there is not even room for the text, nothing is replaced, and the budget is exceeded only if something would be.
    budget.left = left.saturating_sub(text.len());
    let _spent = decode(text, &mut builder, budget);
    let layer = builder.finish();
    if layer.is_none() {
        // Nothing was made.
        budget.left = left;
    }
    layer
}

/// Bytes with which a spelled-out character or what stands between two pieces begins.
static SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let bytes = b"%\\&=\"'`<\x1B\r\n\xE2\xC2\xEF";
    let mut i = 0;
    while i < bytes.len() {
        table[bytes[i] as usize] = true;
        i += 1;
    }
    table
};

/// Replaces spelled-out characters, and puts pieces together.
fn characters(text: &[u8], builder: &mut Builder<'_>, budget: &mut Budget) -> Result<(), Spent> {
    let quoted_printable = escapes::is_quoted_printable(text);
    let splits = Splits::of(text);
    let mut at = 0;
    while let Some(next) = text[at..].iter().position(|&c| SPECIAL[usize::from(c)]) {
        at += next;
        let rest = &text[at..];
        let found = match rest[0] {
            b'%' => escapes::percent(rest),
            b'&' => escapes::entity(rest),
            b'=' if quoted_printable => escapes::quoted_printable(rest),
            b'=' => None,
            b'\\' => escapes::escape(rest).or_else(|| splits.at(at)),
            _ => splits.at(at),
        };
        let Some(found) = found else {
            at += 1;
            continue;
        };
        let end = at + found.length;
        let steps = (found.length, usize::from(found.byte.is_some()));
        builder.replace(at..end, found.byte.as_slice(), steps, alone(found.encoding), budget)?;
        at = end;
    }
    Ok(())
}

/// A stretch that may be written in another way.
#[derive(Debug)]
enum Suspect {
    /// The first line of a run of letters.
    Letters(Range<usize>),
    List(list::List),
    Wide(utf16::Run),
}

type Find = fn(&[u8], usize, Option<Encoding>) -> Option<Suspect>;

/// Each finds the next suspect of its kind.
const FINDS: [Find; 3] = [
    |text, from, _| run::next(text, from).map(Suspect::Letters),
    |text, from, _| list::next(text, from).map(Suspect::List),
    |text, from, marked| utf16::next(text, from, marked).map(Suspect::Wide),
];

impl Suspect {
    fn start(&self) -> usize {
        match self {
            Self::Letters(line) => line.start,
            Self::List(list) => list.items[0].start,
            Self::Wide(run) => run.range.start,
        }
    }

    /// Where the text goes on if it is not what it seems to be.
    fn end(&self, text: &[u8]) -> usize {
        match self {
            Self::Letters(line) => run::behind(text, line),
            Self::List(list) => list.items.last().map_or(0, |item| item.end),
            Self::Wide(run) => run.range.end,
        }
    }

    /// Replaces it if it is what it seems to be. Returns where the text goes on then.
    fn decode(&self, text: &[u8], builder: &mut Builder<'_>, budget: &mut Budget) -> Result<Option<usize>, Spent> {
        match self {
            Self::Letters(line) => match Encoded::at(text, line.clone()) {
                // Perhaps with padding behind its last letter.
                Some(encoded) => encoded.decode(text, builder, budget).map(|()| Some(encoded.end().max(builder.done))),
                None => Ok(None),
            },
            Self::List(list) => {
                let mut done = list.items[0].start;
                for (item, byte) in list.items.iter().zip(&list.bytes) {
                    let range = done..item.end;
                    done = item.end;
                    builder.replace(range.clone(), &[*byte], (range.len(), 1), alone(list.encoding), budget)?;
                }
                Ok(Some(done))
            }
            Self::Wide(run) => {
                let Range { start, end } = run.range;
                let how = alone(run.encoding);
                let goes_on = |c: &u8| run::is_letter(*c) || matches!(c, b'=' | b'%');
                // It is no continuation of the letters that it touches, which are written in another way.
                let is_touched = |before: usize| builder.done == start || goes_on(&text[before]);
                if start.checked_sub(1).is_some_and(is_touched) {
                    builder.replace(start..start, b"\0", (0, 1), how, budget)?;
                }
                builder.replace(start..end, &run.text(text), (2, 1), how, budget)?;
                if text.get(end).is_some_and(goes_on) {
                    builder.replace(end..end, b"\0", (0, 1), how, budget)?;
                }
                Ok(Some(run.range.end))
            }
        }
    }
}

/// Replaces base64, hexadecimal numbers, lists of bytes and UTF-16.
fn suspects(
    text: &[u8],
    marked: Option<Encoding>,
    builder: &mut Builder<'_>,
    budget: &mut Budget,
) -> Result<(), Spent> {
    let mut next = FINDS.map(|find| find(text, 0, marked));
    loop {
        let starts = next.each_ref().map(|suspect| suspect.as_ref().map_or(usize::MAX, Suspect::start));
        let first = (0..FINDS.len()).min_by_key(|&kind| starts[kind]).unwrap_or(0);
        let Some(suspect) = next[first].take() else {
            return Ok(());
        };
        let Some(at) = suspect.decode(text, builder, budget)? else {
            next[first] = FINDS[first](text, suspect.end(text), marked);
            continue;
        };
        for kind in 0..FINDS.len() {
            if starts[kind] < at {
                next[kind] = FINDS[kind](text, at, marked);
            }
        }
    }
}

/// An encoding by itself.
fn alone(encoding: Encoding) -> &'static [Encoding] {
    std::slice::from_ref(&Encoding::ALL[encoding as usize])
}

#[cfg(test)]
mod tests;
