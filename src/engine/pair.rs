//! Joins what was found in one blob: ids with their secrets and session tokens. Positions decide, and nothing else.
//!
//! Files list their credentials in one order: id, secret, id, secret; or secret first; or all ids and then all secrets. So the n-th
//! id that has a secret goes with the n-th secret that has an id, and of all ways to leave some out the one that keeps partners
//! closest is taken. That is an alignment of two sequences.

use super::rule::{Kind, RuleSet};
use super::{Encoding, FoundSecret, Match, SecretKind};
use crate::key::{AccessKeyId, KeyKind};
use crate::location::Span;

/// Partners are no further apart than this.
const REACH: Distance = Distance { lines: 30, bytes: 4096, sections: usize::MAX };
/// The only id and the only secret of a blob may be further apart: s3cmd writes all its settings in order of the alphabet.
const LONE_REACH: Distance = Distance { lines: 100, ..REACH };
/// An id within this distance makes a secret out of what has a vague label.
const HINT: Distance = Distance { lines: 20, bytes: 4096, sections: usize::MAX };
/// A second secret that has no id of its own belongs to an id within this distance.
const SPARE: Distance = Distance { lines: 10, bytes: 1024, sections: 0 };

/// One value that was found.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Index of the rule.
    pub(super) rule: usize,
    pub(super) value: Value,
    /// Where it stands in the blob.
    pub(super) span: Span,
    /// What it was decoded from.
    pub(super) encoding: Vec<Encoding>,
    /// Counts only with an id nearby.
    pub(super) needs_id: bool,
}

impl Part {
    /// Whether its value is of that kind.
    pub(super) fn is(&self, kind: Kind) -> bool {
        kind == match &self.value {
            Value::Id(_) => Kind::AccessKeyId,
            Value::Secret(secret) => Kind::Secret(secret.kind),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Id(AccessKeyId),
    Secret(FoundSecret),
}

#[derive(Clone, Copy, Debug)]
struct Distance {
    lines: usize,
    bytes: usize,
    /// Ends of paragraphs and blocks.
    sections: usize,
}

/// A part's place among the others.
#[derive(Clone, Copy, Debug)]
struct Place {
    span: Span,
    /// Lines before it, counted from the first part.
    line: usize,
    /// Ends of paragraphs and blocks before it.
    section: usize,
    /// Bytes a character takes.
    unit: usize,
    /// Its label says little.
    vague: bool,
}

/// An id, or a secret that has none, with what belongs to it.
struct Owner {
    part: Part,
    place: Place,
    secrets: Vec<FoundSecret>,
}

/// All credentials in `parts`, sorted by span. Parts must not overlap.
pub(super) fn join(bytes: &[u8], rules: &RuleSet, mut parts: Vec<Part>) -> Vec<Match> {
    parts.sort_by(|a, b| (&a.encoding, a.span).cmp(&(&b.encoding, b.span)));
    let names: Vec<_> = rules.iter().map(|rule| &rule.id).collect();
    let mut matches: Vec<Match> = parts
        .chunk_by(|a, b| a.encoding == b.encoding)
        .flat_map(|written_alike| joined(bytes, written_alike))
        .map(|owner| Match {
            rule: names[owner.part.rule].clone(),
            span: owner.part.span,
            access_key_id: match owner.part.value {
                Value::Id(id) => Some(id),
                Value::Secret(_) => None,
            },
            secrets: owner.secrets,
            encoding: owner.part.encoding,
        })
        .collect();
    matches.sort_by(|a, b| (a.span, &a.encoding).cmp(&(b.span, &b.encoding)));
    matches
}

fn joined(bytes: &[u8], parts: &[Part]) -> Vec<Owner> {
    let places = places(bytes, parts);
    let mut owners = Vec::new();
    let mut secrets = Vec::new();
    for (part, &place) in parts.iter().zip(&places) {
        match &part.value {
            Value::Id(_) => owners.push(Owner { part: part.clone(), place, secrets: Vec::new() }),
            Value::Secret(secret) => secrets.push((part, secret, place)),
        }
    }
    let ids: Vec<Place> = owners.iter().map(|owner| owner.place).collect();
    secrets.retain(|(part, _, place)| !part.needs_id || nearest(&ids, place, HINT).is_some());
    for kind in [SecretKind::SecretAccessKey, SecretKind::SessionToken] {
        let (of_kind, rest) = secrets.into_iter().partition(|(_, s, _)| s.kind == kind);
        secrets = rest;
        assign(&mut owners, of_kind, kind);
    }
    owners
}

/// Gives each secret to an id or, when there is none for it, makes it an owner of its own; a vaguely labelled one is none then.
fn assign(owners: &mut Vec<Owner>, secrets: Vec<(&Part, &FoundSecret, Place)>, kind: SecretKind) {
    let takes = |owner: &Owner| match owner.part.value {
        Value::Id(id) => kind == SecretKind::SecretAccessKey || id.kind() == KeyKind::Temporary,
        Value::Secret(_) => false,
    };
    let takers: Vec<usize> = (0..owners.len()).filter(|&i| takes(&owners[i])).collect();
    let ids: Vec<Place> = takers.iter().map(|&i| owners[i].place).collect();
    let places: Vec<Place> = secrets.iter().map(|(_, _, place)| *place).collect();
    let reach = match (&ids[..], &places[..]) {
        ([_], [_]) => LONE_REACH,
        _ => REACH,
    };
    let partner = align(&ids, &places, reach);
    let mut spare = Vec::new();
    for (&(part, secret, place), partner) in secrets.iter().zip(partner) {
        match partner {
            Some(id) => owners[takers[id]].secrets.push(secret.clone()),
            None => match nearest(&ids, &place, SPARE) {
                Some((id, cost)) => spare.push((cost, takers[id], secret)),
                None if part.needs_id => {}
                None => owners.push(Owner { part: part.clone(), place, secrets: vec![secret.clone()] }),
            },
        }
    }
    spare.sort_by_key(|&(cost, _, secret)| (cost, secret.span));
    for (_, owner, secret) in spare {
        owners[owner].secrets.push(secret.clone());
    }
}

/// Lines and blocks are counted from the first part to the last, every byte once.
fn places(bytes: &[u8], parts: &[Part]) -> Vec<Place> {
    let (mut line, mut section) = (0, 0);
    let mut counted = parts.first().map_or(0, |part| part.span.end);
    parts
        .iter()
        .map(|part| {
            if part.span.start > counted {
                let between = &bytes[counted..part.span.start];
                line += memchr::memchr_iter(b'\n', between).count();
                section += sections(between);
            }
            counted = counted.max(part.span.end);
            Place {
                span: part.span,
                line,
                section,
                unit: if part.encoding.is_empty() { 1 } else { 2 },
                vague: part.needs_id,
            }
        })
        .collect()
}

/// How many blocks end in `between`: a closing brace, a blank line, a bracket that opens a line.
fn sections(between: &[u8]) -> usize {
    let braces = memchr::memchr_iter(b'}', between).count();
    let lines = memchr::memchr_iter(b'\n', between)
        .filter(|&at| matches!(between[at + 1..], [b'\n' | b'[', ..] | [b'\r', b'\n', ..]));
    braces + lines.count()
}

/// How unlikely two places are to belong together; `None` beyond `reach`.
/// Lines count, not the length of labels; within a line, bytes do. Blocks are seldom crossed. A secret comes after its id
/// more often than before it. A clear label is worth a line and a half.
fn cost(id: &Place, secret: &Place, reach: Distance) -> Option<u64> {
    let after = id.span.start < secret.span.start;
    let (first, second) = if after { (id, secret) } else { (secret, id) };
    let bytes = second.span.start.saturating_sub(first.span.end) / id.unit;
    let lines = second.line - first.line;
    let sections = second.section - first.section;
    if lines > reach.lines || bytes > reach.bytes || sections > reach.sections {
        return None;
    }
    let distance = if lines == 0 { bytes / 4 } else { 64 * lines };
    let blocks = 128 * sections.min(2);
    let order = if after { 0 } else { 2 };
    let label = if secret.vague { 96 } else { 0 };
    Some((distance + blocks + order + label) as u64)
}

/// The place of the cheapest id within `reach`, one before or one after; and what it costs.
fn nearest(ids: &[Place], secret: &Place, reach: Distance) -> Option<(usize, u64)> {
    let next = ids.partition_point(|id| id.span < secret.span);
    [next.checked_sub(1), Some(next)]
        .into_iter()
        .flatten()
        .filter_map(|i| Some((i, cost(ids.get(i)?, secret, reach)?)))
        .min_by_key(|&(_, cost)| cost)
}

/// What a pair is worth. One close pair is worth more than two distant ones that would break it.
fn worth(id: &Place, secret: &Place, reach: Distance) -> u64 {
    cost(id, secret, reach).map_or(0, |cost| 1_000_000 / (64 + cost))
}

/// For each secret the index of its id. Both are sorted by place, and so are the pairs.
fn align(ids: &[Place], secrets: &[Place], reach: Distance) -> Vec<Option<usize>> {
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
            debug_assert_eq!(row.best(j), above.best(j - 1) + worth(id, &secrets[j - 1], reach));
            j -= 1;
            partner[j] = Some(i);
            break;
        }
    }
    partner
}

/// The best total for the first i ids and the first j secrets: row i at j. A row holds only the secrets within reach of its id;
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

fn rows(ids: &[Place], secrets: &[Place], reach: Distance) -> Vec<Row> {
    let mut rows = vec![Row { start: 0, totals: vec![0] }];
    for id in ids {
        let bytes = reach.bytes * id.unit;
        let start = secrets.partition_point(|s| s.span.end + bytes < id.span.start);
        let end = secrets.partition_point(|s| s.span.start <= id.span.end + bytes);
        let above = &rows[rows.len() - 1];
        let mut totals = vec![above.best(start)];
        for j in start + 1..=end {
            let paired = worth(id, &secrets[j - 1], reach);
            let with_pair = if paired > 0 { above.best(j - 1) + paired } else { 0 };
            let best = above.best(j).max(totals[j - 1 - start]).max(with_pair);
            totals.push(best);
        }
        rows.push(Row { start, totals });
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::key::Secret;

    const ID: &str = "AKIAIOSFODNN7EXAMPLE";

    /// Pairs of a sketch: a capital stands for a long-term id, `@` for a temporary one, a small letter for a secret, a digit for a
    /// token, `?` for a vaguely labelled secret. Given back are the ids and what they got, and after a dash what stands alone.
    fn pairs(sketch: &str) -> String {
        static RULES: LazyLock<RuleSet> = LazyLock::new(RuleSet::builtin);
        let parts = sketch.bytes().enumerate().filter_map(sketched).collect();
        let mut all = String::new();
        for found in join(sketch.as_bytes(), &RULES, parts) {
            let own = found.span.of(sketch.as_bytes());
            all.push_str(if all.is_empty() { "" } else { " " });
            all.push(if found.access_key_id.is_some() { own[0].into() } else { '-' });
            for secret in &found.secrets {
                all.push(secret.span.of(sketch.as_bytes())[0].into());
            }
        }
        all
    }

    fn sketched((at, c): (usize, u8)) -> Option<Part> {
        let span = Span { start: at, end: at + 1 };
        let id = |kind: &str| AccessKeyId::parse(format!("{kind}{}", &ID[4..]).as_bytes()).map(Value::Id);
        let secret = |kind| Some(Value::Secret(FoundSecret { kind, secret: Secret::new([c]), span }));
        let value = match c {
            b'A'..=b'Z' => id("AKIA"),
            b'@' => id("ASIA"),
            b'a'..=b'z' | b'?' => secret(SecretKind::SecretAccessKey),
            b'0'..=b'9' => secret(SecretKind::SessionToken),
            _ => None,
        };
        Some(Part { rule: 0, value: value?, span, encoding: Vec::new(), needs_id: c == b'?' })
    }

    #[test]
    fn pairs_in_the_usual_order() {
        assert_eq!(pairs("A\nb\n\nC\nd\n\nE\nf"), "Ab Cd Ef");
        assert_eq!(pairs("A,b\nC,d\nE,f"), "Ab Cd Ef");
        assert_eq!(pairs("{A:b},{C:d},{E:f}"), "Ab Cd Ef");
    }

    #[test]
    fn secrets_that_come_first() {
        assert_eq!(pairs(&"a\nB\n".repeat(20)), ["Ba"; 20].join(" "));
        assert_eq!(pairs("a\nB\n\nc\nD"), "Ba Dc");
        assert_eq!(pairs("{a,B},{c,D}"), "Ba Dc");
    }

    #[test]
    fn all_ids_and_then_all_secrets() {
        assert_eq!(pairs("A\nB\nC\nd\ne\nf"), "Ad Be Cf");
        assert_eq!(pairs("A B d e"), "Ad Be");
    }

    #[test]
    fn a_secret_between_two_ids_goes_with_the_one_before() {
        assert_eq!(pairs("A\nb\nC"), "Ab C");
        assert_eq!(pairs("A b C"), "Ab C");
    }

    #[test]
    fn a_paragraph_or_a_block_keeps_partners_apart() {
        assert_eq!(pairs("A\n\nb\nC"), "A Cb");
        assert_eq!(pairs("[-]\nA\n[-]\nb\nC"), "A Cb");
        assert_eq!(pairs("{A}{b,C}"), "A Cb");
        assert_eq!(pairs("A\r\n\r\nb\r\nC"), "A Cb");
    }

    #[test]
    fn a_profile_without_a_secret_does_not_shift_the_others() {
        assert_eq!(pairs("[-]\nA\n\n[-]\nB\nc\n\n[-]\nD\ne"), "A Bc De");
        assert_eq!(pairs("a\n\n\n\n\n\nB\nc\n\n\n\n\n\nD"), "-a Bc D");
    }

    #[test]
    fn partners_are_at_most_thirty_lines_and_four_kilobytes_apart() {
        let far = "\n".repeat(99);
        assert_eq!(pairs(&format!("A{}b{far}C", "\n".repeat(30))), "Ab C");
        assert_eq!(pairs(&format!("A{}b{far}C", "\n".repeat(31))), "A -b C");
        assert_eq!(pairs(&format!("b{}A", " ".repeat(4096))), "Ab");
        assert_eq!(pairs(&format!("b{}A", " ".repeat(4097))), "-b A");
    }

    #[test]
    fn the_only_id_and_the_only_secret_of_a_blob_may_be_further_apart() {
        assert_eq!(pairs(&format!("A{}b", "\n".repeat(100))), "Ab");
        assert_eq!(pairs(&format!("A{}b", "\n".repeat(101))), "A -b");
    }

    #[test]
    fn a_second_secret_close_by_is_another_candidate() {
        assert_eq!(pairs("A\nb\nc"), "Abc");
        assert_eq!(pairs("b A c"), "Acb");
        assert_eq!(pairs(&format!("A\nb{}c", "-\n".repeat(11))), "Ab -c");
        assert_eq!(pairs("A\nb\n\nc"), "Ab -c");
    }

    #[test]
    fn temporary_ids_take_tokens_and_others_do_not() {
        assert_eq!(pairs("@\na\n1"), "@a1");
        assert_eq!(pairs("1\na\n@"), "@a1");
        assert_eq!(pairs("A\nb\n1"), "Ab -1");
        assert_eq!(pairs("A\nb\n@\nc\n1\n2"), "Ab @c12");
    }

    #[test]
    fn a_vague_secret_counts_beside_an_id_only() {
        assert_eq!(pairs("?"), "");
        assert_eq!(pairs("A\n?"), "A?");
        assert_eq!(pairs(&format!("A{}?", "\n".repeat(21))), "A");
        assert_eq!(pairs("@\n?\n1"), "@?1");
        assert_eq!(pairs("A\nb\n?"), "Ab?");
        assert_eq!(pairs("A\n?\nb"), "Ab?");
        assert_eq!(pairs("A\nb\n\n?"), "Ab");
    }

    #[test]
    fn every_secret_is_given_once_and_to_a_near_id() {
        let mut state = 1_u32;
        for _ in 0..300 {
            let sketch: String = (0..60)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    char::from(b"AaBb@1?\n\n\n }"[(state >> 16) as usize % 12])
                })
                .collect();
            let given: usize = pairs(&sketch).bytes().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit()).count();
            let there = sketch.bytes().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit()).count();
            assert_eq!(given, there, "{sketch:?}");
        }
    }

    #[test]
    fn thousands_of_parts_in_one_place_are_joined() {
        assert_eq!(pairs(&"AAAAaaaa".repeat(500)).matches(' ').count(), 1_999);
    }
}
