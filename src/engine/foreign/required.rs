//! Rules that others require: whether something that such a rule found stands near a find, and on what that depends.

use std::collections::BTreeMap;

use super::Find;
use super::terms::Terms;

/// A rule that must find something near a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Required {
    pub(in crate::engine) id: String,
    pub(in crate::engine) within_lines: Option<usize>,
    pub(in crate::engine) within_columns: Option<usize>,
}

/// What a required rule found, in an order in which what stands near is looked up.
pub(super) struct Near<'a> {
    required: &'a Required,
    /// The columns on each line, sorted, of finds with the same terms. Where any line will do, all are on one.
    finds: Vec<(Terms, BTreeMap<usize, Vec<usize>>)>,
}

impl<'a> Near<'a> {
    pub(super) fn new(required: &'a Required, others: &[Find]) -> Self {
        let mut finds: Vec<(Terms, BTreeMap<usize, Vec<usize>>)> = Vec::new();
        for other in others {
            let known = finds.iter().position(|(terms, _)| *terms == other.terms).unwrap_or_else(|| {
                finds.push((other.terms.clone(), BTreeMap::new()));
                finds.len() - 1
            });
            let line = required.within_lines.map_or(0, |_| other.line);
            finds[known].1.entry(line).or_default().push(other.column);
        }
        finds.iter_mut().flat_map(|(_, lines)| lines.values_mut()).for_each(|columns| columns.sort_unstable());
        Self { required, finds }
    }

    /// Adds to a find on what it depends that one of these stands near; `false` if none does.
    pub(super) fn complete(&self, find: &mut Find) -> bool {
        let near = self.finds.iter().filter(|(_, lines)| self.is_near(find, lines));
        let near: Vec<&Terms> = near.map(|(terms, _)| terms).collect();
        if !near.iter().any(|terms| terms.are_none()) {
            find.terms.with.push(near.iter().map(|&terms| terms.clone()).collect());
        }
        !near.is_empty()
    }

    fn is_near(&self, find: &Find, lines: &BTreeMap<usize, Vec<usize>>) -> bool {
        let reach = self.required.within_lines.unwrap_or(usize::MAX);
        let mut lines = lines.range(find.line.saturating_sub(reach)..=find.line.saturating_add(reach));
        let Some(reach) = self.required.within_columns else {
            return lines.next().is_some();
        };
        lines.any(|(_, columns)| {
            let next = columns.partition_point(|&column| column < find.column.saturating_sub(reach));
            columns.get(next).is_some_and(|&column| column <= find.column.saturating_add(reach))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::foreign::terms::Where;
    use crate::location::Span;

    /// Measures the way to each of the others.
    fn plain(required: &Required, find: &Find, others: &[Find]) -> Vec<usize> {
        let is_near = |other: &&Find| {
            required.within_lines.is_none_or(|lines| find.line.abs_diff(other.line) <= lines)
                && required.within_columns.is_none_or(|columns| find.column.abs_diff(other.column) <= columns)
        };
        told(others.iter().filter(is_near).map(|other| &other.terms))
    }

    /// Each of the terms once, in an order that does not depend on theirs.
    fn told<'a>(terms: impl Iterator<Item = &'a Terms>) -> Vec<usize> {
        let mut told: Vec<usize> =
            terms.map(|terms| terms.unless.first().map_or(0, |list| list.commits.len())).collect();
        told.sort_unstable();
        told.dedup();
        told
    }

    fn find() -> impl Strategy<Value = Find> {
        (1..6_usize, 1..6_usize, 0..3_usize).prop_map(|(line, column, commits)| {
            let list = Where { commits: vec!["c".to_owned(); commits], ..Where::default() };
            let unless = (commits > 0).then(|| Arc::new(list)).into_iter().collect();
            let secret = Span { start: 0, end: 1 };
            Find { rule: 0, line, column, secret, terms: Terms { unless, ..Terms::default() } }
        })
    }

    proptest! {
        #[test]
        fn what_stands_near_is_what_is_not_too_far(
            within_lines in prop::option::of(0..4_usize),
            within_columns in prop::option::of(0..4_usize),
            others in prop::collection::vec(find(), 0..8),
            mut found in find(),
        ) {
            let required = Required { id: String::new(), within_lines, within_columns };
            let expected = plain(&required, &found, &others);
            let is_near = Near::new(&required, &others).complete(&mut found);
            prop_assert_eq!(is_near, !expected.is_empty());
            if is_near {
                let with = found.terms.with.pop().map_or_else(|| vec![0], |any| told(any.iter()));
                prop_assert_eq!(with, if expected.contains(&0) { vec![0] } else { expected });
            }
        }
    }
}
