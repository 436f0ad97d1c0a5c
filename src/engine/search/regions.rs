//! Stretches of a text around what is worth a look, put together where they touch.

use std::ops::Range;

use crate::location::Span;

/// Stretches of a text of which views are made, in order of place and apart from each other.
pub(super) struct Regions {
    length: usize,
    all: Vec<Span>,
}

impl Regions {
    pub(super) fn of(length: usize) -> Self {
        Self { length, all: Vec::new() }
    }

    pub(super) fn add(&mut self, trigger: Range<usize>, margin: usize) {
        // At an even offset, for the sake of UTF-16.
        let start = trigger.start.saturating_sub(margin) & !1;
        let region = Span { start, end: self.length.min(trigger.end + margin) };
        match self.all.last_mut() {
            Some(last) if last.start <= region.start && region.start <= last.end => last.end = last.end.max(region.end),
            _ => self.all.push(region),
        }
    }

    pub(super) fn merged(mut self) -> Vec<Span> {
        self.all.sort();
        self.all.dedup_by(|later, first| {
            let touches = later.start <= first.end;
            if touches {
                first.end = first.end.max(later.end);
            }
            touches
        });
        self.all
    }
}
