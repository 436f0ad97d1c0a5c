//! Secrets that nothing calls so, beside an access key id: `id:secret`, columns, arguments, lines of a chat. Only there forty
//! random characters are looked at without a label. Who belongs to whom is `pair`'s business.

use std::ops::Range;

use super::boundary::{self, is_base64};
use super::rule::pattern::Pattern;
use crate::key::{AccessKeyId, SECRET_ACCESS_KEY_LEN};

/// How far from an id a secret without a label may stand.
const REACH: usize = 512;
const LINES: usize = 3;
/// As many lines off, a value counts that is called something that a secret may be called.
const NAMED_LINES: usize = 8;
const NAMES: [&[u8]; 10] =
    [b"secret", b"key", b"value", b"default", b"pass", b"pwd", b"cred", b"content", b"data", b"text"];
/// Names that say nothing but that their value is that of what was named before.
const VALUES: [&[u8]; 5] = [b"value", b"content", b"default", b"data", b"text"];
/// What may stand between a label and its value: signs, quotes and space.
const GAP: usize = 24;
const LONGEST_LABEL: usize = 64;
/// From one value of a list to the next.
const STEP: usize = 160;

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
        let window = window(text, id);
        if count_in(ids, &window) <= count_in(known, &window) {
            continue;
        }
        let fits = |run: &Range<usize>| {
            !overlaps(known, run) && stands_alone(text, id, run) && !is_called_else(text, run, pattern)
        };
        let mut all: Vec<_> = near(text, id).filter(fits).collect();
        // Who has one on its line wants none of another.
        if all.iter().any(|run| is_on_line(text, id, run)) {
            all.retain(|run| is_on_line(text, id, run));
        }
        // What an earlier id has found need not be found again.
        all.retain(|run| run.start >= from);
        from = all.last().map_or(from, |run| run.end);
        found.extend(all);
    }
    found
}

/// Where around an id a secret without a label may begin.
fn window(text: &[u8], id: &Range<usize>) -> Range<usize> {
    id.start.saturating_sub(REACH)..text.len().min(id.end + REACH)
}

/// Stretches of forty characters that are as near to an id as a secret without a label may stand, in order of place.
pub(super) fn near(text: &[u8], id: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let window = window(text, id);
    let all = runs(text, window.start..id.start).chain(runs(text, id.end..window.end));
    all.filter(|run| is_near(text, id, run))
}

/// Stretches of forty characters that follow each other in a list or a column of which one is known to be a secret, as long as there
/// are more ids than secrets. All must be in order of place.
pub(super) fn siblings(
    text: &[u8],
    ids: &[Range<usize>],
    known: &[Range<usize>],
    pattern: &Pattern,
) -> Vec<Range<usize>> {
    let wanted = ids.iter().filter(|id| !signs_a_request(text, id)).count().saturating_sub(known.len());
    let mut found: Vec<Range<usize>> = Vec::new();
    for (index, first) in known.iter().enumerate() {
        let next_known = known.get(index + 1).map_or(text.len(), |next| next.start);
        let mut last = first.end;
        while found.len() < wanted
            && let Some(run) = runs(text, last..next_known.min(last + STEP + SECRET_ACCESS_KEY_LEN + 1)).next()
            && boundary::secret_stands_alone(text, &run)
            && !is_called_else(text, &run, pattern)
        {
            last = run.end;
            found.push(run);
        }
    }
    found
}

/// Whether the plus of a patch stands before a value.
fn is_added(text: &[u8], start: usize) -> bool {
    matches!(text[..start], [.., b'\n', b'+'] | [b'+'])
}

/// A slash between an id and its secret is none of the secret's own.
pub(super) fn stands_alone(text: &[u8], id: &Range<usize>, run: &Range<usize>) -> bool {
    let from = if run.start == id.end + 1 || is_added(text, run.start) { run.start } else { 0 };
    let to = if run.end + 1 == id.start { run.end } else { text.len() };
    boundary::secret_stands_alone(&text[from..to], &(run.start - from..run.end - from))
}

/// Whether the label of a run says that it is something else; what is just the value of something is what that is called.
pub(super) fn is_called_else(text: &[u8], run: &Range<usize>, pattern: &Pattern) -> bool {
    let label_at = label(text, run.start);
    let name = &text[label_at.clone()];
    // Letters of an id spell short words by chance.
    if AccessKeyId::parse(name).is_some() {
        return false;
    }
    let is_value = VALUES.iter().any(|value| name.eq_ignore_ascii_case(value));
    pattern.is_called_else(name) || is_value && pattern.is_called_else(&text[label(text, label_at.start)])
}

fn has_telling_name(text: &[u8], run: &Range<usize>) -> bool {
    let label = text[label(text, run.start)].to_ascii_lowercase();
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

/// Stretches of exactly forty characters of base64 that begin in a window beside an id.
fn runs(text: &[u8], window: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let touches_id = window.start > 0 && text[window.start - 1].is_ascii_alphanumeric();
    let first = window.start;
    let mut at = window.start;
    std::iter::from_fn(move || {
        while at < window.end {
            let start = at + text[at..window.end].iter().position(is_base64)?;
            at = start + text[start..window.end].iter().take_while(|c| is_base64(c)).count();
            let mut run = start + foreign_start(text, start, at - start)..at;
            if run.len() > SECRET_ACCESS_KEY_LEN && boundary::announces_secret(text, run.start) {
                run.end = run.start + SECRET_ACCESS_KEY_LEN;
            }
            if touches_id && run.start == first && text[first] == b'/' {
                run.start += 1;
            }
            if at == window.end && run.len() == SECRET_ACCESS_KEY_LEN + 1 && text[at - 1] == b'/' {
                run.end -= 1;
            }
            if run.len() == SECRET_ACCESS_KEY_LEN {
                return Some(run);
            }
        }
        None
    })
}

/// How many characters at the start of a run belong to an escape before it: the letter of `\n`, the digits of `%3D`.
fn foreign_start(text: &[u8], run: usize, length: usize) -> usize {
    match text[..run].last() {
        Some(b'\\') => 1.min(length),
        Some(b'%') => 2.min(length),
        // What a patch adds begins with a plus.
        None | Some(b'\n') if length == SECRET_ACCESS_KEY_LEN + 1 && text[run] == b'+' => 1,
        _ => 0,
    }
}

/// What stands between an id and a run; `None` if they overlap.
fn between<'a>(text: &'a [u8], id: &Range<usize>, run: &Range<usize>) -> Option<&'a [u8]> {
    text.get(if run.start >= id.end { id.end..run.start } else { run.end..id.start })
}

fn is_on_line(text: &[u8], id: &Range<usize>, run: &Range<usize>) -> bool {
    between(text, id, run).is_some_and(|between| memchr::memchr(b'\n', between).is_none())
}

fn is_near(text: &[u8], id: &Range<usize>, run: &Range<usize>) -> bool {
    let Some(between) = between(text, id, run) else {
        return false;
    };
    let lines = memchr::memchr_iter(b'\n', between).count();
    between.len() <= REACH && (lines <= LINES || lines <= NAMED_LINES && has_telling_name(text, run))
}

/// The name right before a value, with what stands between a name and its value skipped.
fn label(text: &[u8], value: usize) -> Range<usize> {
    let gap = text[value.saturating_sub(GAP)..value].iter().rev().take_while(|c| !is_of_name(c)).count();
    let end = value - gap;
    let start = end.saturating_sub(LONGEST_LABEL);
    let length = text[start..end].iter().rev().take_while(|c| is_of_name(c)).count();
    end - length..end
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
            "ID/SECRET",
            "SECRET/ID",
            "+ID\n+SECRET\n+x",
            "z\x14\0\0\0IDz(SECRETZ",
            "id%3DID%26key%3DSECRET",
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
    fn an_id_with_a_secret_on_its_line_wants_none_of_the_next() {
        assert_eq!(count("s3://ID:SECRET@x\nredis://:SECRET@y\n"), 1);
        assert_eq!(count("s3://ID\nredis://:SECRET@y\n"), 1);
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
            assert_eq!(count(&format!("ID\n<input name=\"{name}\" value=\"SECRET\">")), 0, "{name}");
        }
    }

    #[test]
    fn an_id_is_no_label_whatever_word_is_in_it() {
        let id = ["AKIA", "Y34FZKMD5KNPMUGA"].concat();
        let text = format!("{id}\t{SECRET}\n");
        let rules = RuleSet::builtin();
        let pattern = &rules.get("aws-secret-access-key").unwrap().pattern;
        let run = id.len() + 1..id.len() + 1 + SECRET.len();
        assert_eq!(unlabelled(text.as_bytes(), std::slice::from_ref(&(0..id.len())), &[], pattern), [run]);
    }

    #[test]
    fn a_list_that_begins_with_a_secret_goes_on_with_secrets() {
        let count = |template: &str| {
            let text = template.replace("ID", ID).replace("SECRET", SECRET).replace("KNOWN", SECRET);
            let of = |word: &str| text.match_indices(word).map(|(at, _)| at..at + word.len()).collect::<Vec<_>>();
            let rules = RuleSet::builtin();
            let pattern = &rules.get("aws-secret-access-key").unwrap().pattern;
            siblings(text.as_bytes(), &of(ID), &of(SECRET)[..1], pattern).len()
        };
        assert_eq!(count("ID ID ID\n- KNOWN\n- SECRET\n- SECRET\n"), 2);
        assert_eq!(count("ID ID ID\na,KNOWN\nb,SECRET\nc,SECRET\nd,SECRET\n"), 2);
        assert_eq!(count("ID ID ID\n- KNOWN\nsha: SECRET\n"), 0);
        assert_eq!(count(&format!("ID ID\nKNOWN{}SECRET", " ".repeat(2 * STEP))), 0);
        assert_eq!(count("ID\n- KNOWN\n- SECRET\n"), 0);
    }

    #[test]
    fn an_id_that_has_its_secret_or_signs_a_request_wants_none() {
        assert_eq!(count("ID KNOWN SECRET"), 0);
        assert_eq!(count("ID KNOWN ID SECRET"), 1);
        assert_eq!(count("ID/20260101/us-east-1/s3/aws4_request SECRET"), 0);
        assert_eq!(count("ID%2F20260101%2Fus-east-1 SECRET"), 0);
    }
}
