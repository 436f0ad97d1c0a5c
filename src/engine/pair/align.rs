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
    if are_two_lists(ids, secrets, reach) {
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

/// All of one kind and then as many of the other, close behind: the n-th goes with the n-th however long the lists are.
fn are_two_lists(ids: &[&Seat], secrets: &[&Seat], reach: Reach) -> bool {
    let (Some(first_id), Some(last_id), Some(first), Some(last)) =
        (ids.first(), ids.last(), secrets.first(), secrets.last())
    else {
        return false;
    };
    let joint = match () {
        () if last_id.span < first.span => cost(last_id, first, reach),
        () if last.span < first_id.span => cost(first_id, last, reach),
        () => None,
    };
    let settled = |seats: &[&Seat]| seats.iter().any(|seat| seat.settled != first_id.settled);
    ids.len() == secrets.len() && ids.len() > BAND && joint.is_some() && !settled(ids) && !settled(secrets)
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
