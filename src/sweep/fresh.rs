//! Leaves out what stood at its place before, where a source tells only what is new: a hit is new when a line of it is, be it the one of
//! its id or of a secret. Archives have no lines that could be compared: what they hold is, with what they held.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::window::Window;
use super::{Progress, Sweep};
use crate::engine::Match;
use crate::finding::{Hit, Part};
use crate::location::{LineSet, Lines, Point, Span};
use crate::provenance::{Origin, Provenance};
use crate::source::{Source, Standing};

/// Where the parts of matches stand, if that will be asked for.
pub(super) struct Parts<'a> {
    window: &'a Window<'a>,
    points: Option<BTreeMap<(usize, bool), Point>>,
}

impl<'a> Parts<'a> {
    /// Of what was found in a window of the blob at a place.
    pub(super) fn of(at: &Provenance, window: &'a Window<'a>, matches: &[Match]) -> Self {
        let is_asked_for = matches!(at.origin, Origin::Staged { .. });
        let points = is_asked_for.then(|| {
            let ends = matches.iter().flat_map(|found| {
                let ends = spans(found).flat_map(|span| [span.start, last(span)]);
                ends.map(|offset| (offset, is_wide(found)))
            });
            let ends: std::collections::BTreeSet<(usize, bool)> = ends.collect();
            let mut lines = Lines::new(window.bytes, window.start);
            ends.into_iter().map(|(offset, wide)| ((offset, wide), lines.point(offset, wide))).collect()
        });
        Self { window, points }
    }

    /// Those of one of them.
    pub(super) fn of_match(&self, found: &Match) -> Vec<Part> {
        let Some(points) = &self.points else {
            return Vec::new();
        };
        let part = |span: Span| {
            let point = *points.get(&(span.start, is_wide(found)))?;
            let end = points.get(&(last(span), is_wide(found)))?.line + 1;
            Some(Part { point, offset: self.window.offset + span.start as u64, lines: point.line..end })
        };
        spans(found).filter_map(part).collect()
    }
}

fn spans(found: &Match) -> impl Iterator<Item = Span> + '_ {
    std::iter::once(found.span).chain(found.secrets.iter().map(|secret| secret.span))
}

fn last(span: Span) -> usize {
    span.end.saturating_sub(1).max(span.start)
}

fn is_wide(found: &Match) -> bool {
    found.encoding.first().is_some_and(|encoding| encoding.is_wide())
}

/// The hits that are new at their places; each then points at a line that is.
pub(super) fn fresh(hits: Vec<Hit>, source: &dyn Source, sweep: &Sweep<'_>) -> Vec<Hit> {
    let mut places = HashMap::new();
    let mut kept = Vec::new();
    for mut hit in hits {
        let origin = &hit.occurrence.provenance.origin;
        if matches!(origin, Origin::Staged { .. }) {
            let before = places.entry(origin.clone()).or_insert_with_key(|origin| Before::at(origin, source));
            if !before.is_new(&mut hit, sweep) {
                continue;
            }
        }
        kept.push(hit);
    }
    kept
}

/// What makes a hit the same as another, of the same place.
type Name = (Option<crate::key::AccessKeyId>, Vec<(crate::engine::SecretKind, crate::key::Secret)>);

/// What stood at a place.
struct Before {
    at: Provenance,
    standing: Standing,
    /// What was in its members, once that was looked for.
    members: Option<HashSet<(bstr::BString, Name)>>,
}

impl Before {
    fn at(origin: &Origin, source: &dyn Source) -> Self {
        let at = Provenance::new(origin.clone());
        Self { standing: source.before(&at), at, members: None }
    }

    fn is_new(&mut self, hit: &mut Hit, sweep: &Sweep<'_>) -> bool {
        let Standing::Text { old, added } = &self.standing else {
            return true;
        };
        if let Some(member) = hit.occurrence.provenance.member.clone() {
            let members =
                self.members.get_or_insert_with(|| old.iter().flat_map(|old| members(&self.at, old, sweep)).collect());
            return !members.contains(&(member, name(hit)));
        }
        // The file itself, found by its path, is not new.
        !hit.is_file() && point_at_new(hit, added)
    }
}

fn name(hit: &Hit) -> Name {
    let mut secrets = hit.secrets.clone();
    secrets.sort();
    (hit.access_key_id, secrets)
}

/// Moves a hit to its first part on a line that is new; whether there is one.
fn point_at_new(hit: &mut Hit, added: &LineSet) -> bool {
    let new = hit.parts.iter().find_map(|part| Some((part, added.first_in(part.lines.clone())?)));
    let Some((part, line)) = new else {
        return false;
    };
    hit.occurrence.point = if line == part.point.line { part.point } else { Point { line, column: 1 } };
    hit.occurrence.offset = part.offset;
    true
}

/// What the members of an archive held. It was told when that was committed: neither it nor what can't be read of it counts here.
fn members(at: &Provenance, old: &[u8], sweep: &Sweep<'_>) -> HashSet<(bstr::BString, Name)> {
    let progress = Progress::default();
    let aside = Sweep::new(sweep.scanner, sweep.options, &progress);
    let hits = aside.bytes(at, old, None);
    hits.iter().filter_map(|hit| Some((hit.occurrence.provenance.member.clone()?, name(hit)))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{Options, run};
    use crate::blob::{Blob, Content};
    use crate::engine::Scanner;
    use crate::engine::rule::RuleSet;
    use crate::provenance::{Origin, Provenance};
    use crate::source::{Sink, Source, SourceError, Standing};

    const SECRET: &str = "kZ8qR2vT5xW9yB3nM7pL1sD4fG6hJ0aQ+eUiOcXz";

    fn id(last: &str) -> String {
        format!("{}{last}", "AKIAZQ3DMTHV27KBQ5")
    }

    /// A staged file of which some lines are new.
    struct Fixed {
        new: String,
        standing: Standing,
    }

    impl Source for Fixed {
        fn visit(&self, sink: &dyn Sink) -> Result<(), SourceError> {
            let at = Provenance::new(Origin::Staged { repository: ".".into(), path: "a".into() });
            sink.blob(Blob::alone(at, Content::Bytes(self.new.as_bytes())));
            Ok(())
        }

        fn before(&self, _at: &Provenance) -> Standing {
            self.standing.clone()
        }
    }

    /// The lines and columns of what is told.
    fn told(new: String, added: &[u64]) -> BTreeSet<(u64, u64)> {
        let mut lines = crate::location::LineSet::default();
        added.iter().for_each(|line| lines.add(*line..line + 1));
        let source = Fixed { new, standing: Standing::Text { old: Vec::new(), added: lines } };
        let scanner = Scanner::new(RuleSet::builtin());
        let outcome = run(&[Box::new(source)], &scanner, &Options::default(), &Default::default()).unwrap();
        let places = outcome.findings.iter().flat_map(|finding| &finding.occurrences);
        places.map(|place| (place.point.line, place.point.column)).collect()
    }

    #[test]
    fn only_what_has_a_new_line_is_told() {
        let text = || format!("x\nid = {}\ny\nid = {}\n", id("AB"), id("CD"));
        assert_eq!(told(text(), &[4]), [(4, 6)].into());
        assert_eq!(told(text(), &[2, 4]), [(2, 6), (4, 6)].into());
        assert_eq!(told(text(), &[1, 3]), [].into());
    }

    #[test]
    fn a_pair_is_new_with_either_half_and_told_where_it_is_new() {
        let text = || format!("aws_access_key_id = {}\naws_secret_access_key = {SECRET}\n", id("AB"));
        assert_eq!(told(text(), &[1]), [(1, 21)].into());
        assert_eq!(told(text(), &[2]), [(2, 25)].into());
        assert_eq!(told(text(), &[]), [].into());
    }

    #[test]
    fn where_nothing_stood_all_is_new() {
        let source = Fixed { new: format!("id = {}\n", id("AB")), standing: Standing::Nothing };
        let scanner = Scanner::new(RuleSet::builtin());
        let outcome = run(&[Box::new(source)], &scanner, &Options::default(), &Default::default()).unwrap();
        assert_eq!(outcome.findings.len(), 1);
    }
}
