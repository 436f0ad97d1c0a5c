//! Secrets that nothing calls so, beside an access key id: `id:secret`, columns, arguments, lines of a chat. Only there forty
//! random characters are looked at without a label. Who belongs to whom is `pair`'s business.

use std::ops::Range;

use super::boundary;
use super::rule::pattern::Pattern;

/// How far from an id a secret without a label may stand.
const REACH: usize = 512;
const LINES: usize = 3;
/// As many lines off, a value counts that is called something that a secret may be called.
const NAMED_LINES: usize = 8;
const NAMES: [&[u8]; 10] =
    [b"secret", b"key", b"value", b"default", b"pass", b"pwd", b"cred", b"content", b"data", b"text"];
/// What may stand between a label and its value: signs, quotes and space.
const GAP: usize = 24;
const LONGEST_LABEL: usize = 64;
const SECRET: usize = 40;

/// Stretches of forty characters near some of `ids`, in order of place, that may be their secrets. `known` are the secrets found by
/// their labels: where each id has one, nothing more is looked for. Both must be in order of place.
pub(super) fn unlabelled(
    text: &[u8],
    ids: &[Range<usize>],
    known: &[Range<usize>],
    pattern: &Pattern,
) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut from = 0;
    for id in ids.iter().filter(|id| !signs_a_request(text, id)) {
        let window = id.start.saturating_sub(REACH)..text.len().min(id.end + REACH);
        if count_in(ids, &window) <= count_in(known, &window) {
            continue;
        }
        // What an earlier id has looked at need not be looked at again, but for values that were too far from that one.
        for run in runs(text, window.start..window.end) {
            let is_new = run.start >= from && !overlaps(known, &run);
            if is_new && is_near(text, id, &run) && may_be_one(text, &run, pattern) {
                from = run.end;
                found.push(run);
            }
        }
    }
    found
}

fn may_be_one(text: &[u8], run: &Range<usize>, pattern: &Pattern) -> bool {
    boundary::secret_stands_alone(text, run) && !pattern.is_called_else(label(text, run.start))
}

fn has_telling_name(text: &[u8], run: &Range<usize>) -> bool {
    let label = label(text, run.start).to_ascii_lowercase();
    NAMES.iter().any(|name| memchr::memmem::find(&label, name).is_some())
}

/// Whether the id stands in the scope of a signature, `id/20260101/region/service/aws4_request`: no secret is beside it.
fn signs_a_request(text: &[u8], id: &Range<usize>) -> bool {
    let behind = &text[id.end..];
    let date = behind.strip_prefix(b"/").or_else(|| behind.strip_prefix(b"%2F"));
    date.is_some_and(|date| date.len() > 8 && date[..8].iter().all(u8::is_ascii_digit))
}

/// How many of some ranges in order begin in a window.
fn count_in(ranges: &[Range<usize>], window: &Range<usize>) -> usize {
    ranges.partition_point(|r| r.start < window.end) - ranges.partition_point(|r| r.start < window.start)
}

fn overlaps(ranges: &[Range<usize>], run: &Range<usize>) -> bool {
    let next = ranges.partition_point(|r| r.end <= run.start);
    ranges.get(next).is_some_and(|r| r.start < run.end)
}

/// Stretches of exactly forty characters of base64 that begin in a window.
fn runs(text: &[u8], window: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let is_base64 = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/');
    let mut at = window.start;
    std::iter::from_fn(move || {
        while at < window.end {
            let start = at + text[at..window.end].iter().position(is_base64)?;
            let length = text[start..].iter().take(2 * REACH).take_while(|c| is_base64(c)).count();
            at = start + length;
            // An escape such as `\n` leaves a letter that belongs to it.
            let escaped = start > 0 && text[start - 1] == b'\\' && length == SECRET + 1;
            let start = start + usize::from(escaped);
            if at - start == SECRET {
                return Some(start..at);
            }
        }
        None
    })
}

fn is_near(text: &[u8], id: &Range<usize>, run: &Range<usize>) -> bool {
    let between = if run.start >= id.end { id.end..run.start } else { run.end..id.start };
    let Some(between) = text.get(between) else {
        return false;
    };
    let lines = memchr::memchr_iter(b'\n', between).count();
    between.len() <= REACH && (lines <= LINES || lines <= NAMED_LINES && has_telling_name(text, run))
}

/// The name right before a value, with what stands between a name and its value skipped.
fn label(text: &[u8], value: usize) -> &[u8] {
    let gap = text[value.saturating_sub(GAP)..value].iter().rev().take_while(|c| !is_of_name(c)).count();
    let end = value - gap;
    let start = end.saturating_sub(LONGEST_LABEL);
    let length = text[start..end].iter().rev().take_while(|c| is_of_name(c)).count();
    &text[end - length..end]
}

fn is_of_name(c: &u8) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.' | b'$')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rule::RuleSet;

    const ID: &str = "AKIAIOSFODNN7EXAMPLE";
    const SECRET: &str = "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";

    /// How many secrets without a label are found in a text where `ID` and `SECRET` stand for an id and a secret.
    fn count(template: &str) -> usize {
        let text = template.replace("ID", ID).replace("SECRET", SECRET);
        let of = |word: &str| text.match_indices(word).map(|(at, _)| at..at + word.len()).collect::<Vec<_>>();
        let rules = RuleSet::builtin();
        let pattern = &rules.get("aws-secret-access-key").unwrap().pattern;
        let found = unlabelled(text.as_bytes(), &of(ID), &of("KNOWN"), pattern);
        assert!(found.iter().all(|run| &text[run.clone()] == SECRET), "{template}");
        found.len()
    }

    #[test]
    fn a_secret_beside_an_id_needs_no_label() {
        for text in [
            "ID:SECRET",
            "ID,SECRET\n",
            "(\"ID\", \"SECRET\")",
            "SECRET ID",
            "ID\\nSECRET\\n",
            "the key is ID\nand then\n\nSECRET",
            "<td>ID</td><td>SECRET</td>",
            "s3://ID:SECRET@bucket",
            "x: ID\nkey: SECRET",
        ] {
            assert_eq!(count(text), 1, "{text}");
        }
    }

    #[test]
    fn a_telling_name_reaches_further_than_none() {
        assert_eq!(count("id: ID\n\n\n\n\nDefault: SECRET"), 1);
        assert_eq!(count("id: ID\n\n\n\n\nThing: SECRET"), 0);
    }

    #[test]
    fn several_pairs_are_all_found() {
        assert_eq!(count("ID:SECRET\nID:SECRET\nID:SECRET\n"), 3);
    }

    #[test]
    fn a_piece_of_something_longer_and_what_is_far_are_none() {
        for text in ["ID SECRETa", "ID SECRET=", "ID x/SECRET", "ID a-SECRET"] {
            assert_eq!(count(text), 0, "{text}");
        }
        assert_eq!(count(&format!("ID{}SECRET", "\n".repeat(LINES + 1))), 0);
        assert_eq!(count(&format!("ID{}SECRET", " ".repeat(REACH + 1))), 0);
    }

    #[test]
    fn what_is_called_something_else_is_none() {
        for name in ["sha256", "etag", "client_secret", "X-Signature", "githubToken", "csrf-token"] {
            assert_eq!(count(&format!("ID\n{name}: \"SECRET\"")), 0, "{name}");
        }
    }

    #[test]
    fn an_id_that_has_its_secret_or_signs_a_request_wants_none() {
        assert_eq!(count("ID KNOWN SECRET"), 0);
        assert_eq!(count("ID KNOWN ID SECRET"), 1);
        assert_eq!(count("ID/20260101/us-east-1/s3/aws4_request SECRET"), 0);
        assert_eq!(count("ID%2F20260101%2Fus-east-1 SECRET"), 0);
    }
}
