//! Ids and secrets in one order, without structure: who of them is whose partner.
//!
//! Files list their credentials in one order: id, secret, id, secret; or secret first; or all ids and then all secrets. So the n-th
//! id that has a secret goes with the n-th secret that has an id, and of all ways to leave some out the one that keeps partners
//! closest is taken. That is an alignment of two sequences.

use super::label::Label;
use super::spent;
use crate::location::Span;

/// How far apart two may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Distance {
    pub(super) lines: usize,
    pub(super) bytes: usize,
}

/// How far apart two may be that are members of one container, and others, that come out of records within it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub(super) members: Distance,
    pub(super) others: Distance,
}

impl Distance {
    pub(super) fn is_within(self, reach: Self) -> bool {
        self.lines <= reach.lines && self.bytes <= reach.bytes
    }
}

/// How many secrets before and after it an id is compared with.
const BAND: usize = 16;

/// A part among the others.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) span: Span,
    /// Lines before it.
    pub(super) line: usize,
    pub(super) label: Label,
    /// Its label says little.
    pub(super) vague: bool,
    /// It comes out of a container that is a record of its own.
    pub(super) wrapped: bool,
    /// Parts before it that have a partner.
    pub(super) settled: usize,
}

impl Seat {
    /// From the end of the one to the start of the other.
    pub(super) fn distance(&self, other: &Self) -> Distance {
        let (first, second) = if self.span < other.span { (self, other) } else { (other, self) };
        let bytes = second.span.start.saturating_sub(first.span.end);
        Distance { lines: second.line - first.line, bytes }
    }
}

/// How unlikely two are to belong together; `None` beyond `reach`, or when they would have to leave their records past others
/// that are paired.
///
/// Lines count, not the length of labels; within a line, bytes do. A secret comes after its id more often than before it. A clear
/// label is worth a line and a half, what is out of use three lines.
pub(super) fn cost(id: &Seat, secret: &Seat, reach: Reach) -> Option<u64> {
    let distance = id.distance(secret);
    let out_of_records = id.wrapped && secret.wrapped && id.settled != secret.settled;
    let reach = if id.wrapped || secret.wrapped { reach.others } else { reach.members };
    if out_of_records || !distance.is_within(reach) {
        return None;
    }
    let Distance { lines, bytes } = distance;
    let distance = if lines == 0 { (bytes / 4).min(64) } else { 64 * lines };
    let order = if id.span < secret.span { 0 } else { 2 };
    let vague = if secret.vague { 96 } else { 0 };
    let former = if secret.label.former && !id.label.former { 192 } else { 0 };
    let label = match () {
        () if id.label.clashes(&secret.label) => 128,
        () if id.label.differs(&secret.label) => 24,
        () => 0,
    };
    Some((distance + order + vague + former + label) as u64)
}

/// What a pair is worth. One close pair is worth more than two distant ones that would break it.
fn worth(id: &Seat, secret: &Seat, reach: Reach) -> u64 {
    spent(1);
    cost(id, secret, reach).map_or(0, |cost| 1_000_000 / (64 + cost))
}

/// For each secret the index of its id. Both are sorted by place, and so are the pairs.
pub(super) fn align(ids: &[&Seat], secrets: &[&Seat], reach: Reach) -> Vec<Option<usize>> {
    if are_long_lists(ids, secrets, reach) {
        return (0..secrets.len()).map(Some).collect();
    }
    let rows = rows(ids, secrets, reach);
    let mut partner = vec![None; secrets.len()];
    let mut j = secrets.len();
    for (i, id) in ids.iter().enumerate().rev() {
        let (row, above) = (&rows[i + 1], &rows[i]);
        j = j.min(row.end());
        while j > row.start && row.best(j) > above.best(j) {
            if row.best(j) == row.best(j - 1) {
                j -= 1;
                continue;
            }
            debug_assert_eq!(row.best(j), above.best(j - 1) + worth(id, secrets[j - 1], reach));
            j -= 1;
            partner[j] = Some(i);
            break;
        }
    }
    partner
}

/// All of one kind and then as many of the other: the n-th goes with the n-th.
pub(super) fn are_two_lists(ids: &[&Seat], secrets: &[&Seat]) -> bool {
    let is_before = |a: &[&Seat], b: &[&Seat]| match (a.last(), b.first()) {
        (Some(last), Some(first)) => last.span < first.span,
        _ => false,
    };
    ids.len() == secrets.len() && (is_before(ids, secrets) || is_before(secrets, ids))
}

/// Two lists, one close behind the other, that are too long to be aligned, and nothing paired between.
fn are_long_lists(ids: &[&Seat], secrets: &[&Seat], reach: Reach) -> bool {
    let is_long = ids.len() > BAND && are_two_lists(ids, secrets);
    is_long && {
        let (id, secret) = if ids[0].span < secrets[0].span { (ids.len() - 1, 0) } else { (0, secrets.len() - 1) };
        let is_settled = |seat: &&Seat| seat.settled != ids[0].settled;
        cost(ids[id], secrets[secret], reach).is_some() && !ids.iter().chain(secrets).any(is_settled)
    }
}

/// The best total for the first i ids and the first j secrets: row i at j. A row holds only the secrets around its id;
/// to the left of them the row above is valid, to the right its last total is.
struct Row {
    start: usize,
    totals: Vec<u64>,
}

impl Row {
    fn end(&self) -> usize {
        self.start + self.totals.len() - 1
    }

    fn best(&self, j: usize) -> u64 {
        self.totals[j.min(self.end()) - self.start]
    }
}

fn rows(ids: &[&Seat], secrets: &[&Seat], reach: Reach) -> Vec<Row> {
    let mut rows = vec![Row { start: 0, totals: vec![0] }];
    for id in ids {
        let next = secrets.partition_point(|secret| secret.span < id.span);
        let (start, end) = (next.saturating_sub(BAND), secrets.len().min(next + BAND));
        let above = &rows[rows.len() - 1];
        let mut totals = vec![above.best(start)];
        for j in start + 1..=end {
            let paired = worth(id, secrets[j - 1], reach);
            let with_pair = if paired > 0 { above.best(j - 1) + paired } else { 0 };
            let best = above.best(j).max(totals[j - 1 - start]).max(with_pair);
            totals.push(best);
        }
        rows.push(Row { start, totals });
    }
    rows
}
