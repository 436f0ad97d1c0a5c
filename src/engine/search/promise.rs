//! Says around which places of a text there is anything to find, so that no more is decoded and joined than that. Most keywords stand
//! where nothing is, and the versions of a file have most of these places in common. What is found is `search`'s business.

use super::regions::Regions;
use super::{MARGIN, Search};
use crate::engine::decode::probe::Probe;
use crate::engine::decode::{self, View};
use crate::engine::fruitless::Stretch;
use crate::engine::prefilter::{Hit, Literal};
use crate::engine::rule::Kind;
use crate::engine::{Candidates, Encoding, Scanner, SecretKind};
use crate::location::Span;

/// So far around a keyword it is decoded what is there, beyond all that its rules look at.
const NEAR: usize = 1 << 10;

impl Search<'_> {
    /// Where views are made. Hits elsewhere are left out.
    pub(super) fn regions(&mut self, hits: &mut Vec<Hit<'_>>) -> Vec<Span> {
        let places = self.places(hits);
        let bears = self.which_bear(&places, hits);
        let mut regions = Regions::of(self.bytes.len());
        let promising = places.iter().zip(&bears).filter(|(_, bears)| **bears);
        promising.for_each(|(place, _)| regions.add(place.start..place.end, MARGIN));
        let mut regions = regions.merged();
        // All of each place or nothing: at the end of a region nothing may stand that is known by what is around it.
        for place in places {
            let next = regions.partition_point(|region| region.end <= place.start);
            if let Some(region) = regions.get_mut(next).filter(|region| region.overlaps(&place)) {
                *region = Span { start: region.start.min(place.start), end: region.end.max(place.end) };
            }
        }
        hits.retain(|hit| holding(&regions, hit.at).is_some());
        regions
    }

    /// What is around hits and what is encoded, as far as it says whether there is anything.
    fn places(&mut self, hits: &[Hit<'_>]) -> Vec<Span> {
        let mut places = Regions::of(self.bytes.len());
        hits.iter().for_each(|hit| places.add(hit.at..hit.at + 1, self.scanner.margin(hit.literal)));
        let mut probe = match self.marks {
            Some(marks) => Probe::at_marks(self.bytes, marks),
            None => Probe::new(self.bytes, self.slowly),
        };
        while let Some(stretch) = self.next_of_interest(&mut probe, decode::DEPTH) {
            places.add(stretch, NEAR);
        }
        places.merged()
    }

    /// Whether there may be something at each place. What there is depends on the bytes of the place and on no others.
    fn which_bear(&mut self, places: &[Span], hits: &[Hit<'_>]) -> Vec<bool> {
        if !self.scanner.remembers || places.is_empty() {
            return vec![true; places.len()];
        }
        let marked = decode::mark(self.bytes);
        let stretches: Vec<Option<Stretch>> =
            places.iter().map(|place| self.unless_fruitless(*place, marked)).collect();
        let is_new = |hit: &&Hit<'_>| holding(places, hit.at).is_some_and(|place| stretches[place].is_some());
        let hits: Vec<Hit<'_>> = hits.iter().filter(is_new).copied().collect();
        let found = self.in_text(self.bytes, &hits);
        let mut bears = vec![false; places.len()];
        for ((place, stretch), bears) in places.iter().zip(stretches).zip(&mut bears) {
            if let Some(stretch) = stretch {
                *bears = found.has_any_in(*place) || self.bears_encoded(*place, marked);
                if !*bears {
                    self.scanner.fruitless.add(stretch);
                }
            }
        }
        bears
    }

    /// What a place is to be remembered by if nothing is found there, unless it is known that nothing is.
    fn unless_fruitless(&self, place: Span, marked: Option<Encoding>) -> Option<Stretch> {
        let memory = &self.scanner.fruitless;
        let ends = (place.start == 0, place.end == self.bytes.len());
        let stretch = memory.stretch(place.of(self.bytes), (ends, marked));
        (self.slowly || !memory.knows(stretch)).then_some(stretch)
    }

    /// Whether there is something to find once a place is decoded, or may be for want of room to do so.
    fn bears_encoded(&mut self, place: Span, marked: Option<Encoding>) -> bool {
        let view = View::of(place.of(self.bytes), marked, &mut self.judging);
        let bears = |text: &[u8]| {
            let found = self.in_text(text, &self.hits(text));
            !found.parts.is_empty() || !found.ids.is_empty()
        };
        self.judging.is_exceeded() || view.as_ref().is_some_and(|view| view.texts().any(bears))
    }
}

impl Scanner {
    /// How much of the text around a hit may matter for whether it is of use.
    fn margin(&self, literal: &Literal) -> usize {
        let reach = |&rule: &usize| {
            let rule = self.rules.at(rule);
            // What a signature needs stands anywhere in its URL.
            let is_url = rule.kind == Kind::Secret(SecretKind::PresignedUrl);
            if is_url { MARGIN } else { NEAR + rule.pattern.reach() }
        };
        literal.rules.iter().map(reach).max().unwrap_or(NEAR).min(MARGIN)
    }
}

impl Candidates {
    fn has_any_in(&self, place: Span) -> bool {
        let part = self.parts.partition_point(|part| part.span.end <= place.start);
        let id = self.ids.partition_point(|id| id.end <= place.start);
        self.parts.get(part).is_some_and(|part| part.span.start < place.end)
            || self.ids.get(id).is_some_and(|id| id.start < place.end)
    }
}

/// The index of the span that holds a byte, of some in order of place.
fn holding(spans: &[Span], at: usize) -> Option<usize> {
    let next = spans.partition_point(|span| span.end <= at);
    spans.get(next).filter(|span| span.start <= at).map(|_| next)
}
