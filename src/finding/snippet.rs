//! Cuts the lines around a hit out of a blob and masks every secret in them, the ones that were found and what else looks
//! like one. After this room nobody holds a blob's bytes any more.

use std::sync::LazyLock;

use bstr::ByteSlice;
use regex::bytes::Regex;

use crate::engine::{Encoding, FoundSecret, Match};

/// Lines of text, redacted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Snippet {
    /// Number of the first line, from 1.
    pub first_line: u64,
    /// The lines without their ends; never a secret in them.
    pub lines: Vec<String>,
}

/// How far from the hit a line is shown, in bytes.
const REACH: usize = 160;
/// How many lines below the hit's own are shown when a secret of it stands there.
const LINES: usize = 5;

/// Values that are secret by what stands before them: who logs in by a URL, and what is called a secret.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?x-u)
        :// (?P<user> [^\s"'<>]{1,256} ) @
        | (?i: secret | passw(?:or)?d | passwd | pwd | token | api[_-]?key | private[_-]?key ) [A-Za-z0-9_.-]{0,40}
          (?: \\?["'] )? \s{0,8} (?: => | := | [:=>] | ,\s{0,8}["'] )? \s{0,8} (?: \\?["'] )? (?P<value> [^\s"'<>,;&()]{4,} )
        "#,
    )
    .expect("a constant pattern compiles")
});

/// Long runs of the letters that secrets are written with, plain or escaped.
static RUN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?-u)[A-Za-z0-9+/=_%\\.-]{16,}").expect("a constant pattern compiles"));

/// What an access key id looks like: it is shown whatever stands around it.
static ID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?-u)A(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16}").expect("a constant pattern compiles"));

/// All secrets of the matches in a blob, in order of place, without those that stand within others, as [`cut`] wants them.
pub fn secrets_of(matches: &[Match]) -> Vec<&FoundSecret> {
    let mut secrets: Vec<&FoundSecret> = matches.iter().flat_map(|found| &found.secrets).collect();
    secrets.sort_by_key(|secret| (secret.span.start, std::cmp::Reverse(secret.span.end)));
    let mut end = 0;
    secrets.retain(|secret| {
        let is_within = secret.span.end <= end;
        end = end.max(secret.span.end);
        !is_within
    });
    secrets
}

/// The lines of `bytes` that hold `found`, with all `secrets` of the blob masked.
///
/// `line` is the number of the line on which `found` stands.
pub fn cut(bytes: &[u8], line: u64, found: &Match, secrets: &[&FoundSecret]) -> Snippet {
    if found.span.start == found.span.end {
        // A file that is found by its path has nothing to point at.
        return Snippet::default();
    }
    let wide = is_wide(found);
    let unit = if wide { 2 } else { 1 };
    let (start, end) = extent(bytes, found, unit);
    // None stands within another, so that their ends rise as their starts do.
    let near = secrets.partition_point(|secret| secret.span.end <= start);
    let secrets = secrets[near..].iter().take_while(|secret| secret.span.start < end);
    let mut text = Vec::new();
    let mut at = start;
    for secret in secrets {
        if secret.span.start >= at {
            text.extend(masked(&decoded(&bytes[at..secret.span.start], found)));
            text.extend_from_slice(secret.secret.redacted().as_bytes());
        }
        at = at.max(secret.span.end.min(end));
    }
    text.extend(masked(&decoded(&bytes[at..end], found)));
    let mut lines: Vec<String> =
        text.lines().map(|line| line.trim_end_with(|c| c == '\r').to_str_lossy().into_owned()).collect();
    // A line that goes on is shown to do so.
    if let Some(first) = lines.first_mut().filter(|_| !is_end(&bytes[start.saturating_sub(unit)..start])) {
        first.insert(0, '…');
    }
    if let Some(last) = lines.last_mut().filter(|_| !is_end(&bytes[end..bytes.len().min(end + unit)])) {
        last.push('…');
    }
    Snippet { first_line: line, lines }
}

/// Whether the bytes around a match are UTF-16.
fn is_wide(found: &Match) -> bool {
    found.encoding.first().is_some_and(|encoding| encoding.is_wide())
}

/// Whether a line ends with these bytes, or the blob does.
fn is_end(bytes: &[u8]) -> bool {
    bytes.is_empty() || bytes.contains(&b'\n') || bytes == b"\0"
}

/// From the start of the hit's line to the end of the line of its last near secret, neither too far away.
fn extent(bytes: &[u8], found: &Match, unit: usize) -> (usize, usize) {
    let reach = REACH * unit;
    let floor = found.span.start.saturating_sub(reach);
    // In a binary file a zero byte ends a text as a line feed does; in UTF-16 every other byte is one.
    let ends: &[u8] = if unit == 1 { b"\n\0" } else { b"\n" };
    let start = match bytes[floor..found.span.start].rfind_byteset(ends) {
        Some(end) => floor + end + 1,
        None => floor,
    };
    // In UTF-16 a unit begins an even number of bytes from the hit.
    let start = start + (found.span.start - start) % unit;
    let last = found
        .secrets
        .iter()
        .map(|secret| secret.span)
        .filter(|span| span.start >= found.span.start && span.start - found.span.start <= reach * LINES)
        .filter(|span| bytes[found.span.start..span.start].find_iter(b"\n").count() < LINES)
        .map(|span| span.end)
        .fold(found.span.end, usize::max);
    // What was decoded from many lines, or from a long one, need not be shown in full.
    let longest = bytes.len().min(found.span.start + reach * (LINES + 1));
    let lines = bytes[found.span.start..last.min(longest)].find_iter(b"\n");
    let last = lines.take(LINES).nth(LINES - 1).map_or(last.min(longest), |newline| found.span.start + newline);
    let ceiling = bytes.len().min(last + reach);
    let end = bytes[last..ceiling].find_byteset(ends).map_or(ceiling, |end| last + end);
    (start, end.max(start))
}

/// The bytes as text: UTF-16 is decoded, anything else stays.
fn decoded(bytes: &[u8], found: &Match) -> Vec<u8> {
    let read: fn([u8; 2]) -> u16 = match found.encoding.first() {
        Some(Encoding::Utf16Le) => u16::from_le_bytes,
        Some(Encoding::Utf16Be) => u16::from_be_bytes,
        _ => return bytes.to_vec(),
    };
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| read([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units).into_bytes()
}

/// A text that stands in no blob, with what may be a secret in it masked.
pub fn masked_text(text: &str) -> String {
    masked(text.as_bytes()).to_str_lossy().into_owned()
}

/// Masks what no rule named but may be a secret all the same.
pub(super) fn masked(text: &[u8]) -> Vec<u8> {
    let text = NAMED.replace_all(text, |found: &regex::bytes::Captures<'_>| {
        let whole = found.get(0).expect("group 0 is the match");
        let part = found.name("user").or_else(|| found.name("value")).unwrap_or(whole);
        // Where nothing follows a name, the end of the name itself is no value.
        if found.name("value").is_some() && text[..part.start()].last().is_some_and(is_of_name) {
            return whole.as_bytes().to_vec();
        }
        let (before, after) = (&text[whole.start()..part.start()], &text[part.end()..whole.end()]);
        [before, &mask(part.as_bytes()), after].concat()
    });
    let run =
        |found: &regex::bytes::Captures<'_>| if is_random(&found[0]) { mask(&found[0]) } else { found[0].to_vec() };
    RUN.replace_all(&text, run).into_owned()
}

/// A letter of what values are called.
fn is_of_name(c: &u8) -> bool {
    c.is_ascii_alphanumeric() || b"_.-".contains(c)
}

/// An ellipsis for everything but access key ids.
fn mask(part: &[u8]) -> Vec<u8> {
    let mut shown = Vec::new();
    for id in ID.find_iter(part) {
        shown.extend_from_slice(id.as_bytes());
    }
    shown.extend_from_slice("…".as_bytes());
    shown
}

/// Whether a run of letters could be a secret: escaped, or with case and digits mixed as no word has them. Ids, hexadecimal hashes,
/// names and paths are not.
fn is_random(run: &[u8]) -> bool {
    let rest = ID.replace_all(run, &b""[..]);
    rest.split(|c| b"=&".contains(c)).any(|part| {
        let switches = part
            .windows(2)
            .filter(|pair| pair[0].is_ascii_lowercase() && (pair[1].is_ascii_uppercase() || pair[1].is_ascii_digit()))
            .count();
        let is_hash = part.iter().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(c));
        part.len() >= 12 && switches >= 3 && !is_hash
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rule::RuleSet;
    use crate::engine::{Scanner, SecretKind};
    use crate::key::{AccessKeyId, Secret};
    use crate::location::Span;

    const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    /// The match that the engine would give for the example pair, wherever it stands in `bytes`.
    fn example(bytes: &[u8], wide: bool) -> Match {
        let spell = |text: &str| -> Vec<u8> {
            if wide { text.encode_utf16().flat_map(u16::to_le_bytes).collect() } else { text.into() }
        };
        let span = |text: &str| {
            let needle = spell(text);
            bytes.find(&needle).map(|start| Span { start, end: start + needle.len() })
        };
        Match {
            rule: "rule".into(),
            span: span(KEY).unwrap(),
            access_key_id: AccessKeyId::parse(KEY.as_bytes()),
            secrets: span(SECRET)
                .map(|span| FoundSecret {
                    kind: SecretKind::SecretAccessKey,
                    secret: Secret::new(SECRET),
                    span,
                    expires: None,
                })
                .into_iter()
                .collect(),
            encoding: if wide { vec![Encoding::Utf16Le] } else { vec![] },
            terms: Default::default(),
        }
    }

    fn snippet(text: &str) -> Vec<String> {
        let found = example(text.as_bytes(), false);
        cut(text.as_bytes(), 2, &found, &secrets_of(std::slice::from_ref(&found))).lines
    }

    #[test]
    fn what_a_secret_is_called_is_shown_in_full() {
        for name in ["AWS_SECRET_ACCESS_KEY=", "aws_secret_access_key = ", "\"SecretAccessKey\": \"", "secret-token:"] {
            let text = format!("x\n{KEY}\n{name}{SECRET}\n");
            assert_eq!(snippet(&text)[1], format!("{name}wJal…"));
        }
    }

    #[test]
    fn shows_the_lines_of_id_and_secret_and_masks_the_secret() {
        let text = format!("[default]\nid = {KEY}\nsecret = {SECRET} # mine\nregion = x\n");
        assert_eq!(snippet(&text), [format!("id = {KEY}"), "secret = wJal… # mine".to_owned()]);
    }

    #[test]
    fn masks_passwords_and_long_runs_that_no_rule_named() {
        let stray = "aB3".repeat(12);
        let text = format!("https://me:hunter2@host/{KEY} {stray}");
        assert_eq!(snippet(&text), [format!("https://…@host/{KEY} …")]);
    }

    /// However a secret is spelled, and whether a rule knows it or not, no good part of it is shown.
    #[test]
    fn no_spelling_of_a_secret_gets_through() {
        let secrets =
            ["Vq1fZ8pTnW3sLk0yRb6/cXuEo9GdJh2+MtAiQ5Nv", "VqlfZBpTnWasLkOyRbg/cXuEoIGdJhZ+MtAiQSNv", "hunter2hunter2"];
        for secret in secrets {
            let spellings = [
                secret.to_owned(),
                secret.replace('/', "\\/"),
                secret.replace('/', "%2F").replace('+', "%2B"),
                secret.replace('/', "\\u002f"),
            ];
            for spelling in spellings {
                for text in [
                    format!(r#"{{"id":"{KEY}","AWS_SECRET_ACCESS_KEY":"{spelling}"}}"#),
                    format!("{KEY} password={spelling}"),
                    format!("https://me:{spelling}@h/ {KEY}"),
                    format!(r#"{{\"id\":\"{KEY}\",\"secret\":\"{spelling}\"}}"#),
                ] {
                    let shown = snippet(&text).concat();
                    let leaks = spelling.as_bytes().windows(8).any(|piece| shown.as_bytes().contains_str(piece));
                    assert!(shown.contains(KEY) && !leaks, "{text} is shown as {shown}");
                }
            }
        }
    }

    #[test]
    fn of_secrets_that_overlap_nothing_is_shown() {
        let text = format!("key = {KEY} abcdefghijklmnop end");
        let secret = |start: usize, length: usize| {
            let span = Span { start: 27 + start, end: 27 + start + length };
            let mut found = example(text.as_bytes(), false);
            let secret = Secret::new(span.of(text.as_bytes()));
            found.secrets = vec![FoundSecret { kind: SecretKind::Other, secret, span, expires: None }];
            found
        };
        for matches in [[secret(0, 16), secret(4, 6)], [secret(4, 6), secret(0, 16)], [secret(0, 10), secret(4, 12)]] {
            let lines = cut(text.as_bytes(), 1, &matches[0], &secrets_of(&matches)).lines;
            let shown = lines[0].strip_prefix(&format!("key = {KEY} ")).unwrap().strip_suffix(" end").unwrap();
            assert!(!shown.contains("efgh") && !shown.contains("klmn"), "{shown}");
        }
    }

    #[test]
    fn no_encoding_of_a_secret_gets_through() {
        let scanner = Scanner::new(RuleSet::builtin());
        let secret = ["Vq1fZ8pTnW3sLk0yRb6/", "cXuEo9GdJh2+MtAiQ5Nv"].concat();
        let id = ["AKIA", "SP2TPHJSQH3FJRUX"].concat();
        let each = |spell: fn(u8) -> String| secret.bytes().map(spell).collect::<String>();
        let spellings = [
            each(|c| format!("{c:02x}")),
            each(|c| format!("{c:02X}")),
            each(|c| format!("0x{c:02x},")),
            each(|c| format!("\\x{c:02x}")),
            each(|c| format!("\\u{c:04x}")),
            each(|c| format!("&#{c};")),
            each(|c| format!("%{c:02X}")),
            secret.replace('/', "/\" + \""),
            secret.replace('/', "/</b><b>"),
            ["VnExZlo4cFRuVzNzTGsweVJiNi9j", "WHVFbzlHZEpoMitNdEFpUTVOdg=="].concat(),
        ];
        for spelling in spellings {
            for text in [
                format!("id={id}\nAWS_SECRET_ACCESS_KEY=\"{spelling}\"\n"),
                format!("{{\"AWS_SECRET_ACCESS_KEY\": \"{spelling}\", \"id\": \"{id}\"}}"),
                format!("AWS_SECRET_ACCESS_KEY: '{spelling}'"),
            ] {
                let matches = scanner.scan(text.as_bytes()).matches;
                assert_eq!(matches.iter().map(|found| found.secrets.len()).sum::<usize>(), 1, "{text}");
                let shown = cut(text.as_bytes(), 1, &matches[0], &secrets_of(&matches)).lines.concat();
                let leaks = spelling.as_bytes().windows(12).any(|piece| shown.as_bytes().contains_str(piece));
                assert!(shown.contains('…') && !leaks, "{text} is shown as {shown}");
            }
        }
    }

    #[test]
    fn of_many_lines_that_were_decoded_only_a_few_are_shown() {
        let text = "QUJD\n".repeat(5000);
        let found = Match {
            span: Span { start: 5, end: text.len() },
            encoding: vec![Encoding::Base64, Encoding::Gzip],
            ..example(format!("{KEY} {SECRET}").as_bytes(), false)
        };
        let lines = cut(text.as_bytes(), 2, &found, &[]).lines;
        assert!(lines.len() <= LINES + 1, "{}", lines.len());
        let long = Match { span: Span { start: 0, end: 20_000 }, ..found };
        assert!(cut("QUJD".repeat(5000).as_bytes(), 1, &long, &[]).lines.concat().len() < 8 * REACH);
    }

    #[test]
    fn keeps_hashes_and_words_readable() {
        let hash = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
        assert_eq!(snippet(&format!("{hash} {KEY}")), [format!("{hash} {KEY}")]);
    }

    #[test]
    fn an_endless_line_is_cut_on_both_sides() {
        let text = format!("{}{KEY}{}", "é ".repeat(5000), " x".repeat(5000));
        let lines = snippet(&text);
        assert!(lines[0].contains(KEY) && lines[0].len() < 4 * REACH, "{}", lines[0].len());
        assert!(lines[0].starts_with('…') && lines[0].ends_with('…'), "{lines:?}");
    }

    #[test]
    fn of_a_binary_file_only_the_text_around_the_hit_is_shown() {
        assert_eq!(snippet(&format!("junk\0key={KEY};\0junk")), [format!("key={KEY};")]);
    }

    #[test]
    fn an_id_in_a_query_string_stays_readable() {
        let text = format!("?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={KEY}%2F20260101%2Fus-east-1");
        assert_eq!(snippet(&text), [text]);
    }

    #[test]
    fn utf16_is_shown_as_text() {
        let bytes: Vec<u8> = format!("a\r\nid={KEY};{SECRET}\r\nz").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let found = example(&bytes, true);
        assert_eq!(
            cut(&bytes, 2, &found, &secrets_of(std::slice::from_ref(&found))).lines,
            [format!("id={KEY};wJal…")]
        );
    }
}
