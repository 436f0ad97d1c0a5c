//! Finds what rules look for, in a text as it stands and in what is encoded in it. Which parts belong together is `pair`'s business.
//!
//! Around every keyword, and around every long run that has one in it when it is decoded, a view is made of the text: the same text
//! with what is encoded replaced by what it means. The rules run on the text and on each step of its views. What stands in a text
//! goes before what stands in its view, for credentials may be made of others; unless the view has the same thing in plainer form.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use super::decode::probe::Probe;
use super::decode::{self, Budget, View};
use super::pair::{Part, Value};
use super::prefilter::{Hit, Prefilter};
use super::window::{self, Cursor};
use super::{Candidates, Encoding, Scanner, SecretKind};
use crate::location::{Mark, Span};

/// How far around what there is to find the text is decoded: further than pairs are apart.
pub(super) const MARGIN: usize = 8 << 10;

mod promise;
mod regions;

/// One search of one text.
pub(super) struct Search<'a> {
    scanner: &'a Scanner,
    bytes: &'a [u8],
    /// Whether every byte is looked at and every regex run over everything.
    slowly: bool,
    /// All places at which there can be something, if they are known.
    marks: Option<&'a [Mark]>,
    /// What may be decoded to see where something is.
    probing: Budget,
    /// What may be decoded to see whether there is anything around it.
    judging: Budget,
    /// What may be decoded where there is.
    viewing: Budget,
}

/// What was found.
pub(super) struct Parts<'a> {
    /// In order of place.
    pub(super) parts: Vec<Part>,
    /// What the rules of others find. They may overlap each other and our own.
    pub(super) foreign: Vec<Part>,
    /// The text in which the parts have their places: that of the blob, with views in the place of what they are made from.
    pub(super) text: Cow<'a, [u8]>,
    /// Whether all that is encoded was decoded. If not, it would have been so much that no honest text has as much.
    pub(super) complete: bool,
}

impl<'a> Search<'a> {
    pub(super) fn new(scanner: &'a Scanner, bytes: &'a [u8]) -> Self {
        let budget = || Budget::of(bytes.len());
        Self { scanner, bytes, slowly: false, marks: None, probing: budget(), judging: budget(), viewing: budget() }
    }

    /// One that takes long and finds the same.
    pub(super) fn slowly(scanner: &'a Scanner, bytes: &'a [u8]) -> Self {
        Self { slowly: true, ..Self::new(scanner, bytes) }
    }

    /// One of a text of which all marks are known.
    pub(super) fn marked(scanner: &'a Scanner, bytes: &'a [u8], marks: &'a [Mark]) -> Self {
        Self { marks: Some(marks), ..Self::new(scanner, bytes) }
    }

    pub(super) fn run(mut self) -> Parts<'a> {
        let mut hits = match self.marks {
            Some(marks) => {
                let literals = marks.iter().filter(|mark| !mark.encoded).map(|mark| mark.span.start);
                self.scanner.prefilter.hits_at(self.bytes, literals).collect()
            }
            None => self.hits(self.bytes),
        };
        let regions = self.regions(&mut hits);
        let Candidates { parts, .. } = self.in_text(self.bytes, &hits);
        let mut parts = parts.into_iter().peekable();
        let mut joint = Joint::new(self.bytes);
        let mut foreign = self.scanner.foreign_parts(self.bytes);
        for region in regions {
            let mut inside: Vec<Part> =
                std::iter::from_fn(|| parts.next_if(|part| part.raw.start < region.end)).collect();
            let view = self.view(region);
            if let Some(view) = &view {
                foreign.extend(self.foreign_in_view(view, region));
                inside = self.in_view(view, region, inside);
            }
            match view {
                Some(view) => joint.add_view(region, &view, inside),
                None => joint.add(inside),
            }
        }
        joint.add(parts);
        joint.finish(foreign, self.is_complete())
    }

    /// Every view that is made of the text, with the region of which it is one.
    pub(super) fn views(mut self) -> Vec<(Span, View)> {
        let regions = self.regions(&mut self.hits(self.bytes));
        regions.into_iter().filter_map(|region| Some((region, self.view(region)?))).collect()
    }

    fn view(&mut self, region: Span) -> Option<View> {
        View::of(region.of(self.bytes), decode::mark(self.bytes), &mut self.viewing)
    }

    fn is_complete(&self) -> bool {
        [&self.probing, &self.judging, &self.viewing].iter().all(|budget| !budget.is_exceeded())
    }

    /// What stands in a text as it is, in order of place, at the hits of its keywords.
    fn in_text(&self, text: &[u8], hits: &[Hit<'_>]) -> Candidates {
        let rules = &self.scanner.rules;
        let mut candidates = Candidates::default();
        let mut cursors = Vec::new();
        for hit in hits {
            if let Some(only) = &self.scanner.only {
                candidates.parts.extend(only.at(text, *hit));
            } else if !self.slowly {
                cursors.resize(rules.iter().count(), Cursor::default());
                for &index in &hit.literal.rules {
                    let rule = rules.at(index);
                    let add = |found| candidates.add(index, rule, text, &found);
                    cursors[index].advance(&rule.pattern, text, hit.at, add);
                }
            }
        }
        if self.scanner.only.is_some() {
            return candidates;
        }
        if self.slowly {
            for (index, rule) in rules.iter().enumerate() {
                for found in window::find_slowly(&rule.pattern, text) {
                    candidates.add(index, rule, text, &found);
                }
            }
        }
        candidates.finish(rules, text)
    }

    /// What stands in a view of a region, together with what was found in the region before. Places are those in the view's last
    /// text.
    fn in_view(&self, view: &View, region: Span, mut parts: Vec<Part>) -> Vec<Part> {
        for part in &mut parts {
            // A part has a keyword in it or very near, and so it is well within the region.
            let within = |at: usize| at.clamp(region.start, region.end) - region.start;
            part.span = Span { start: within(part.raw.start), end: within(part.raw.end) };
        }
        for (index, text) in view.texts().enumerate() {
            // Once its neighbours are decoded, another one may stand nearer to the id.
            parts.retain(|part| !part.unlabelled);
            let mut done = 0;
            for part in &mut parts {
                // Within a piece that is decoded, places may be rounded to the same group.
                let Span { start, end } = view.forward(index, part.span);
                part.span = Span { start: start.max(done), end: end.max(done) };
                done = part.span.end;
            }
            let Candidates { parts: mut found, .. } = self.in_text(text, &self.hits(text));
            for part in &mut found {
                let (span, encoding) = view.raw(index, part.span);
                part.place(span.shifted(region.start), encoding);
            }
            parts = match self.scanner.only {
                Some(_) => with_all(parts, found),
                None => with_new(parts, found),
            };
        }
        parts
    }

    /// What the rules of others find in a view where it was decoded.
    fn foreign_in_view(&self, view: &View, region: Span) -> Vec<Part> {
        let in_text = |(index, text)| {
            let found = self.scanner.foreign_parts(text).into_iter();
            found.map(move |mut part| {
                let (span, encoding) = view.raw(index, part.span);
                part.place(span.shifted(region.start), encoding);
                part
            })
        };
        let mut found: Vec<Part> = view.texts().enumerate().flat_map(in_text).collect();
        // What was decoded in one step is in all that follow.
        found.retain(|part| !part.encoding.is_empty());
        found.sort_by_key(|part| (part.raw, part.rule));
        // All that was deflated together has the same place, and so values are compared too.
        let mut known = HashSet::new();
        found.retain(|part| known.insert((part.raw, part.rule, part.value.plain())));
        found
    }

    /// The next stretch that has a keyword in it when it is decoded, at most `depth` times.
    fn next_of_interest(&mut self, probe: &mut Probe<'_>, depth: usize) -> Option<Range<usize>> {
        while let Some(stretch) = probe.next(&mut self.probing) {
            let text = &stretch.text;
            if self.has_hit(text)
                || depth > 1 && self.next_of_interest(&mut Probe::new(text, self.slowly), depth - 1).is_some()
            {
                return Some(stretch.range);
            }
        }
        None
    }

    fn has_hit(&self, text: &[u8]) -> bool {
        let prefilter = &self.scanner.prefilter;
        let is_ours = if self.slowly {
            prefilter.hits_slowly(text).next().is_some()
        } else {
            prefilter.hits(text).next().is_some()
        };
        is_ours || self.scanner.foreign.has_keyword(text)
    }

    fn hits<'t>(&self, text: &'t [u8]) -> Vec<Hit<'t>>
    where
        'a: 't,
    {
        let prefilter: &'a Prefilter = &self.scanner.prefilter;
        if self.slowly { prefilter.hits_slowly(text).collect() } else { prefilter.hits(text).collect() }
    }
}

impl Part {
    /// Says where it stands in the blob.
    fn place(&mut self, raw: Span, mut encoding: Vec<Encoding>) {
        self.raw = raw;
        encoding.append(&mut self.encoding);
        self.encoding = encoding;
        if let Value::Secret(secret) = &mut self.value {
            secret.span = raw;
        }
    }

    /// Whether it is what the other is, in plainer form.
    fn replaces(&self, other: &Self) -> bool {
        let (is_plainer, is_alike) = match (&self.value, &other.value) {
            (Value::Id(a), Value::Id(b)) => (a != b, true),
            (Value::Secret(a), Value::Secret(b)) => (a.secret != b.secret, a.kind == b.kind),
            _ => (false, false),
        };
        // Of a token nobody knows where it ends but by what is no part of one, and a percent sign may be.
        let is_token = matches!(&self.value, Value::Secret(secret) if secret.kind == SecretKind::SessionToken);
        let ends = other.span.end <= self.span.end || is_token && self.span.start == other.span.start;
        let covers = self.span.start <= other.span.start && ends;
        is_alike && covers && (is_plainer || other.needs_id && !self.needs_id)
    }

    fn has_id_of(&self, other: &Self) -> bool {
        matches!((&self.value, &other.value), (Value::Id(a), Value::Id(b)) if a == b)
    }
}

/// Those of `sorted` that share bytes with `span`.
fn overlapping(sorted: &[Part], span: Span) -> Range<usize> {
    let first = sorted.partition_point(|part| part.span.end <= span.start);
    let behind = sorted.partition_point(|part| part.span.start < span.end);
    first..behind.max(first)
}

/// `parts` with those of `found` that stand elsewhere, or in the place of the same in less plain form.
fn with_new(mut parts: Vec<Part>, found: Vec<Part>) -> Vec<Part> {
    let mut replaced = vec![false; parts.len()];
    let mut new = Vec::new();
    for part in found {
        let there = overlapping(&parts, part.span);
        if parts[there.clone()].iter().all(|other| part.replaces(other)) {
            replaced[there].fill(true);
            new.push(part);
        }
    }
    let mut replaced = replaced.into_iter();
    parts.retain(|_| replaced.next() == Some(false));
    parts.extend(new);
    parts.sort_by_key(|part| part.span);
    parts
}

/// `parts` and whatever of `found` is not among them.
fn with_all(mut parts: Vec<Part>, found: Vec<Part>) -> Vec<Part> {
    let is_new = |part: &Part| !parts[overlapping(&parts, part.span)].iter().any(|other| part.has_id_of(other));
    let new: Vec<Part> = found.into_iter().filter(is_new).collect();
    parts.extend(new);
    parts.sort_by_key(|part| part.span);
    parts
}

/// The text in which parts are joined, and their places in it.
struct Joint<'a> {
    bytes: &'a [u8],
    text: Vec<u8>,
    /// What comes before this in the bytes is in the text.
    copied: usize,
    parts: Vec<Part>,
}

impl<'a> Joint<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, text: Vec::new(), copied: 0, parts: Vec::new() }
    }

    /// Adds parts that stand in the bytes as they are.
    fn add(&mut self, parts: impl IntoIterator<Item = Part>) {
        for mut part in parts {
            let start = part.raw.start - self.copied + self.text.len();
            part.span = Span { start, end: start + part.raw.end - part.raw.start };
            self.parts.push(part);
        }
    }

    /// Adds parts that stand in a view of a region; without any, the region as it is will do.
    fn add_view(&mut self, region: Span, view: &View, parts: Vec<Part>) {
        if parts.is_empty() {
            return;
        }
        self.text.extend_from_slice(&self.bytes[self.copied..region.start]);
        let start = self.text.len();
        self.text.extend_from_slice(view.text());
        self.copied = region.end;
        self.parts.extend(parts.into_iter().map(|part| Part { span: part.span.shifted(start), ..part }));
    }

    fn finish(mut self, foreign: Vec<Part>, complete: bool) -> Parts<'a> {
        let text = if self.text.is_empty() {
            Cow::Borrowed(self.bytes)
        } else {
            self.text.extend_from_slice(&self.bytes[self.copied..]);
            Cow::Owned(self.text)
        };
        Parts { parts: self.parts, foreign, text, complete }
    }
}
