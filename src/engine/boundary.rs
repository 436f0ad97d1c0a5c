//! Where a value begins and ends: whether what was matched stands alone or is a piece of something longer.
//! What the value itself looks like is `plausible`'s business.

use std::ops::Range;

use super::words;
use crate::key::{AccessKeyId, SECRET_ACCESS_KEY_LEN};

/// How far an escape sequence that ends before a value is looked for.
const LONGEST_ESCAPE: usize = 12;
/// How much of the surroundings tells whether they are base64, on either side.
const BASE64_SIDE: usize = 64;
/// Fewer characters than this on a side could be a path or a name.
const SHORTEST_BASE64_SIDE: usize = 16;

/// Whether an access key id at `at` is all of a word: no letter or digit touches it. Punctuation does not matter (`-`, `_`, `/`,
/// `+`, `=` are separators in file names, URLs and credential scopes), unless what it joins is base64.
pub(super) fn id_stands_alone(text: &[u8], at: &Range<usize>) -> bool {
    let begins = begins_word(text, at.start, u8::is_ascii_alphanumeric);
    let ends = !text.get(at.end).is_some_and(u8::is_ascii_alphanumeric)
        || has_length_before(text, at.start, AccessKeyId::LEN as u8);
    begins && ends && !is_inside_base64(text, at)
}

/// Whether a secret at `at` is all of a run of base64: neither it nor what a `-`, `_` or `.` would join to it goes on.
pub(super) fn secret_stands_alone(text: &[u8], at: &Range<usize>) -> bool {
    let joins = |c: u8| matches!(c, b'-' | b'_' | b'.');
    let joined_before = at.start >= 2 && joins(text[at.start - 1]) && text[at.start - 2].is_ascii_alphanumeric();
    let joined_after = match text.get(at.end..) {
        Some([b'=', ..]) => true,
        Some([c, next, ..]) => is_base64(c) || joins(*c) && next.is_ascii_alphanumeric(),
        Some([c]) => is_base64(c),
        _ => false,
    };
    let ends = !joined_after || announces_secret(text, at.start);
    begins_word(text, at.start, is_base64) && !joined_before && ends && !begins_in_escape(text, at)
}

/// Whether the first two characters at `at` are those of a percent sign's, so that what they stand for comes before the value.
fn begins_in_escape(text: &[u8], at: &Range<usize>) -> bool {
    let is_code = |behind: &[u8]| behind.iter().take(2).filter(|c| c.is_ascii_hexdigit()).count() == 2;
    // A value between two signs is that of a variable.
    let is_enclosed = text[at.end..].strip_prefix(b"%").is_some_and(|behind| !is_code(behind));
    text[..at.start].ends_with(b"%") && is_code(&text[at.clone()]) && !is_enclosed
}

/// Whether a session token at `at` is all of a run of what tokens are written with.
pub(super) fn token_stands_alone(text: &[u8], at: &Range<usize>) -> bool {
    let goes_on = |c: &u8| is_base64(c) || matches!(c, b'=' | b'%' | b'_' | b'-');
    begins_word(text, at.start, is_base64) && !text.get(at.end).is_some_and(goes_on)
}

/// Whether a key at `at` that is written with letters, digits and hyphens is all of a word.
pub(super) fn key_stands_alone(text: &[u8], at: &Range<usize>) -> bool {
    let goes_on = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
    begins_word(text, at.start, goes_on) && !text.get(at.end).is_some_and(goes_on)
}

/// Whether the byte before `at` is none of its word's, or the end of an escape sequence, which is not part of the word.
fn begins_word(text: &[u8], at: usize, of_word: impl Fn(&u8) -> bool) -> bool {
    !text[..at].last().is_some_and(of_word) || ends_escape(&text[..at])
}

pub(super) fn is_base64(c: &u8) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/')
}

/// Whether `text` ends in something that stands for another character and so separates: `\n` and its like, `\x22`, `\u003d`,
/// `%2F`, the `=3D` of quoted-printable, or the colour codes of a terminal, `[31m`.
fn ends_escape(text: &[u8]) -> bool {
    let tail = &text[text.len().saturating_sub(LONGEST_ESCAPE)..];
    let hex = |digits: usize, lead: &[u8]| {
        tail.len() >= digits + lead.len()
            && tail[tail.len() - digits..].iter().all(u8::is_ascii_hexdigit)
            && tail[..tail.len() - digits].ends_with(lead)
    };
    match tail {
        [.., b'\\', b'a' | b'b' | b'e' | b'f' | b'n' | b'r' | b't' | b'v' | b'0'] => true,
        [codes @ .., b'm'] => {
            let before = codes.iter().rposition(|c| !c.is_ascii_digit() && *c != b';');
            before.is_some_and(|at| codes[at] == b'[')
        }
        _ => hex(2, b"%") || hex(2, b"=") || hex(2, b"\\x") || hex(4, b"\\u"),
    }
}

/// Whether what stands before `at` says that forty characters follow.
pub(super) fn announces_secret(text: &[u8], at: usize) -> bool {
    has_length_before(text, at, SECRET_ACCESS_KEY_LEN as u8)
}

/// Whether a string of that length is announced right before `at`, as in protobuf, class files, BSON and the like: as one byte, as a
/// little-endian word, or in digits with a colon.
fn has_length_before(text: &[u8], at: usize, length: u8) -> bool {
    let before = &text[..at];
    let digits = [b'0' + length / 10, b'0' + length % 10, b':'];
    before.ends_with(&[length]) || before.ends_with(&[length, 0, 0, 0]) || before.ends_with(&digits)
}

/// Whether an id is by chance part of base64: `+` or `/` (`-` or `_` in the URL alphabet) on both sides, and beyond them on both
/// sides enough that looks random. One such side is not enough, for that may be the secret of the id.
fn is_inside_base64(text: &[u8], at: &Range<usize>) -> bool {
    let of_run = |c: &&u8| is_base64(c) || matches!(c, b'-' | b'_');
    let before: Vec<u8> =
        text[at.start.saturating_sub(BASE64_SIDE)..at.start].iter().rev().take_while(of_run).copied().collect();
    let after: Vec<u8> =
        text[at.end..text.len().min(at.end + BASE64_SIDE)].iter().take_while(of_run).copied().collect();
    let looks_random =
        |side: &[u8]| side.len() >= SHORTEST_BASE64_SIDE && class_changes(side) > 0 && !words::is_wordy(side);
    looks_random(&before) && looks_random(&after)
}

/// How often a capital, a small letter or a digit is followed by one of another class, whatever other signs stand between. Random
/// base64 changes at three places in five; words, names and paths at far fewer.
pub(super) fn class_changes(value: &[u8]) -> usize {
    let class = |c: &u8| match c {
        b'A'..=b'Z' => Some(0),
        b'a'..=b'z' => Some(1),
        b'0'..=b'9' => Some(2),
        _ => None,
    };
    let classes = || value.iter().filter_map(class);
    classes().zip(classes().skip(1)).filter(|(a, b)| a != b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "AKIAIOSFODNN7EXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    fn alone(check: fn(&[u8], &Range<usize>) -> bool, value: &str, before: &[u8], after: &[u8]) -> bool {
        let text = [before, value.as_bytes(), after].concat();
        check(&text, &(before.len()..before.len() + value.len()))
    }

    #[test]
    fn punctuation_and_escapes_separate_an_id() {
        for (before, after) in [
            ("", ""),
            ("\"", "\""),
            ("key=", "&x=1"),
            ("s3://", ":secret@bucket"),
            ("Credential=", "/20260101/us-east-1/s3/aws4_request"),
            ("https://example.com/GetThing2/Id7/", "/wJalrXUtnFEMI"),
            ("%3D", "%2F20260101"),
            ("KEY_", "_accessKeys.csv"),
            (r"export A=b\n", r"\n"),
            (r"\\n", r"\\n"),
            (r"\u003d", r"\u0026"),
            (r"\x22", r"\x22"),
            ("=3D", "="),
            ("\x1b[1;31m", "\x1b[0m"),
            ("ключ", "ключ"),
        ] {
            assert!(alone(id_stands_alone, ID, before.as_bytes(), after.as_bytes()), "{before}…{after}");
        }
    }

    #[test]
    fn letters_and_digits_make_an_id_a_piece_of_something_longer() {
        for (before, after) in [("x", ""), ("", "x"), ("9", ""), ("", "Q"), ("an", ""), ("[am", "")] {
            assert!(!alone(id_stands_alone, ID, before.as_bytes(), after.as_bytes()), "{before}…{after}");
        }
    }

    #[test]
    fn a_length_before_an_id_tells_where_it_ends() {
        assert!(alone(id_stands_alone, ID, b"Z\x14", b"z"));
        assert!(alone(id_stands_alone, ID, b"X\x14\0\0\0", b"q"));
        assert!(!alone(id_stands_alone, ID, b"X\x15\0\0\0", b"q"));
        assert!(alone(id_stands_alone, ID, b"id20:", b"6:bucket"));
        assert!(
            alone(secret_stands_alone, SECRET, b"key40:", b"6:region")
                && alone(secret_stands_alone, SECRET, b"(", b"H")
        );
    }

    #[test]
    fn an_id_within_base64_is_chance_unless_one_side_may_be_its_secret() {
        let random = "q7Xz0LmW3vK9pR2tYb8N";
        let sides = [
            (format!("{random}/"), format!("/{random}"), false),
            (format!("{random}+"), format!("+{random}="), false),
            (format!("{random}-"), format!("_{random}"), false),
            (String::new(), format!("/{random}{random}"), true),
            (format!("{random}:"), format!("/{random}"), true),
            ("/assets/generated/".to_owned(), format!("/{random}"), true),
        ];
        for (before, after, expected) in sides {
            assert_eq!(alone(id_stands_alone, ID, before.as_bytes(), after.as_bytes()), expected, "{before}…{after}");
        }
    }

    #[test]
    fn a_secret_ends_where_base64_ends() {
        for (before, after) in [
            ("", ""),
            ("=", "\n"),
            (":", "@bucket"),
            ("\"", "\\\""),
            ("\\n", "\\n"),
            (":-", "}"),
            (".", ";"),
            ("x ", ". And"),
        ] {
            assert!(alone(secret_stands_alone, SECRET, before.as_bytes(), after.as_bytes()), "{before}…{after}");
        }
        for (before, after) in
            [("a", ""), ("/", ""), ("", "+"), ("", "="), ("", "A"), ("ab-", ""), ("", "_x"), ("", ".com")]
        {
            assert!(!alone(secret_stands_alone, SECRET, before.as_bytes(), after.as_bytes()), "{before}…{after}");
        }
    }

    #[test]
    fn a_secret_does_not_begin_with_what_a_percent_sign_spells() {
        assert!(!alone(secret_stands_alone, &["3D", &SECRET[2..]].concat(), b"%", b"%2B"));
        assert!(!alone(secret_stands_alone, &["3D", &SECRET[2..]].concat(), b"%", b""));
        assert!(alone(secret_stands_alone, &["ab", &SECRET[2..]].concat(), b"=%", b"%"));
        assert!(alone(secret_stands_alone, SECRET, b"%", b"%"));
        assert!(alone(secret_stands_alone, SECRET, b"%3D", b"&"));
    }

    #[test]
    fn a_key_is_all_of_a_word() {
        for (before, after) in [("", ""), ("\"", "\""), ("\\n", "\\n"), ("=", "."), ("%3A", "&")] {
            assert!(alone(key_stands_alone, ID, before.as_bytes(), after.as_bytes()), "{before}…{after}");
        }
        for (before, after) in [("a", ""), ("-", ""), ("_", ""), ("", "0"), ("", "-"), ("", "_")] {
            assert!(!alone(key_stands_alone, ID, before.as_bytes(), after.as_bytes()), "{before}…{after}");
        }
    }

    #[test]
    fn a_token_that_goes_on_is_none() {
        assert!(alone(token_stands_alone, SECRET, b"=", b"&X-Amz-Signature"));
        assert!(!alone(token_stands_alone, SECRET, b"=", b"%"));
        assert!(!alone(token_stands_alone, SECRET, b"Q", b""));
    }
}
