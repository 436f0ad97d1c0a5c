//! Which of many spans stand where another does. What they are spans of is not known here.

use crate::location::Span;

/// Spans that are asked for by place.
pub(super) struct Spans {
    sorted: Vec<Span>,
    longest: usize,
}

impl Spans {
    pub(super) fn new(spans: impl Iterator<Item = Span>) -> Self {
        let mut sorted: Vec<Span> = spans.collect();
        sorted.sort();
        let longest = sorted.iter().map(|span| span.end - span.start).max().unwrap_or_default();
        Self { sorted, longest }
    }

    /// Those that share a byte with `wanted`.
    pub(super) fn touching(&self, wanted: Span) -> impl Iterator<Item = Span> {
        let first = self.sorted.partition_point(|span| span.start + self.longest < wanted.start);
        let begun = self.sorted[first..].iter().take_while(move |span| span.start < wanted.end);
        begun.copied().filter(move |span| span.overlaps(&wanted))
    }

    pub(super) fn touches(&self, wanted: &Span) -> bool {
        self.touching(*wanted).next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_span_that_shares_a_byte_is_found_however_long_it_is() {
        let span = |start, end| Span { start, end };
        let spans = Spans::new([span(90, 91), span(0, 100), span(5, 6), span(50, 60)].into_iter());
        assert_eq!(spans.touching(span(55, 91)).collect::<Vec<_>>(), [span(0, 100), span(50, 60), span(90, 91)]);
        assert!(spans.touches(&span(99, 200)) && !spans.touches(&span(100, 200)));
        assert!(!Spans::new(std::iter::empty()).touches(&span(0, 9)));
    }
}
