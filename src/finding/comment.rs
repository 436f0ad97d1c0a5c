//! Comments by which people tell scanners that what stands on a line may stand there: our own and those of others. Asked only of
//! what was found, where its bytes are at hand. Whether a comment is obeyed is the baseline's business.

use std::sync::{Arc, LazyLock};

use bstr::ByteSlice;
use regex::bytes::Regex;

use super::snippet;
use super::suppression::{By, Suppression};
use crate::engine::Match;
use crate::location::Span;

/// How far from a find its line, and the one above, is looked at, in characters: lines may be endless.
const REACH: usize = 1024;
/// So many lines below an id, or above it, a comment at its secret still speaks of the id.
const NEAR: usize = 5;
/// So much of a reason is kept, in characters.
const REASON: usize = 200;

/// What allows what stands on the same line, then what allows what stands on the next. A name is a whole word: `gitleaks:allowed`
/// allows nothing.
static MARKERS: LazyLock<[Regex; 2]> = LazyLock::new(|| {
    let on_line = r"keysweep:allow | gitleaks:allow | betterleaks:allow | trufflehog:ignore | kingfisher:ignore | ggignore
        | pragma:\x20?(?:allow|white)list[\x20-]secret";
    let above = r"keysweep:allow-next-?line | pragma:\x20?(?:allow|white)list[\x20-]nextline[\x20-]secret";
    [on_line, above].map(|names| {
        Regex::new(&format!(r"(?x-u) (?:^|[^A-Za-z0-9_-]) (?P<name> {names} ) (?:$|[^A-Za-z0-9_-])"))
            .expect("a constant pattern compiles")
    })
});

/// The heading of a section, as in files of credentials: what stands below belongs to something else.
static HEADING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m-u)^[ \t]*\[[ \t]*[A-Za-z0-9_.:/@ -]+\][ \t]*(?:[#;][^\n]*)?\r?$")
        .expect("a constant pattern compiles")
});

/// The comment that allows a match. What it says may hold secrets of the blob: they are masked as in a snippet.
pub fn of(bytes: &[u8], found: &Match) -> Option<Suppression> {
    let wide = found.encoding.first().is_some_and(|encoding| encoding.is_wide());
    let secrets: Vec<Span> = found.secrets.iter().map(|secret| secret.span).collect();
    beside(bytes, found.span, &secrets, wide)
}

/// The comment that allows what stands at a place together with secrets. At the place itself it allows all; at a secret it says nothing
/// of the others that may be the right one, nor of an id that it was written far from.
pub fn beside(bytes: &[u8], first: Span, secrets: &[Span], wide: bool) -> Option<Suppression> {
    let own = at(bytes, first, wide);
    if own.is_some() {
        return own;
    }
    let all: Option<Vec<Suppression>> = secrets.iter().map(|secret| at(bytes, *secret, wide)).collect();
    all?.into_iter().zip(secrets).find(|(_, secret)| is_near(bytes, first, **secret, wide)).map(|(comment, _)| comment)
}

/// Whether a person who writes beside the one has the other before them: few lines apart, with no heading such as `[sandbox]` between.
fn is_near(bytes: &[u8], one: Span, other: Span, wide: bool) -> bool {
    let (first, last) = if one.start <= other.start { (one, other) } else { (other, one) };
    let between: Vec<u8> =
        bytes[first.end.min(last.start)..last.start].iter().copied().filter(|&c| !wide || c != 0).collect();
    let feeds: Vec<usize> = between.find_iter(b"\n").collect();
    let whole_lines = feeds.first().zip(feeds.last()).map_or(&[][..], |(first, last)| &between[*first..*last]);
    feeds.len() <= NEAR && !HEADING.is_match(whole_lines)
}

/// The comment that allows what stands at a place.
pub fn at(bytes: &[u8], span: Span, wide: bool) -> Option<Suppression> {
    if span.start == span.end {
        // A file that is found by its path stands on no line.
        return None;
    }
    let reach = if wide { 2 * REACH } else { REACH };
    // In a binary file a zero byte ends a text as a line feed does; in UTF-16 every other byte is one.
    let ends: &[u8] = if wide { b"\n" } else { b"\n\0" };
    let floor = span.start.saturating_sub(reach);
    let start = bytes[floor..span.start].rfind_byteset(ends).map_or(floor, |end| floor + end + 1);
    let ceiling = bytes.len().min(span.end + reach);
    let end = bytes[span.end..ceiling].find_byteset(ends).map_or(ceiling, |end| span.end + end);
    let text = |piece: &[u8]| -> Vec<u8> { piece.iter().copied().filter(|&c| !wide || c != 0).collect() };
    let [on_line, above] = &*MARKERS;
    let around = [&bytes[start..span.start], &bytes[span.end..end]];
    around.iter().find_map(|piece| read(on_line, &text(piece))).or_else(|| {
        // The line feed before this line ends the one above; in UTF-16 it may have a zero byte behind it.
        let above_end = bytes[floor..start].rfind_byte(b'\n')? + floor;
        let floor = above_end.saturating_sub(reach);
        let above_start = bytes[floor..above_end].rfind_byteset(ends).map_or(floor, |end| floor + end + 1);
        read(above, &text(&bytes[above_start..above_end]))
    })
}

fn read(marker: &Regex, line: &[u8]) -> Option<Suppression> {
    let name = marker.captures(line)?.name("name")?;
    // Only ours are followed by a reason.
    let is_ours = name.as_bytes().starts_with(b"keysweep:");
    Some(Suppression {
        by: By::Comment,
        source: name.as_bytes().to_str_lossy().into(),
        reason: reason(&line[name.end()..]).filter(|_| is_ours),
    })
}

/// What stands behind the comment's name, without the signs that join the two and those that end a comment.
fn reason(rest: &[u8]) -> Option<Arc<str>> {
    let text = snippet::masked(rest);
    let text = text.to_str_lossy();
    let mut text = text.trim_start_matches(|c: char| c.is_whitespace() || ":,;-–—(".contains(c)).trim_end();
    while let Some(shorter) =
        ["*/", "-->", "--", "#}", "%>", "*)", "\"", "'", ",", ")"].iter().find_map(|end| text.strip_suffix(end))
    {
        text = shorter.trim_end();
    }
    let text: String = text.chars().take(REASON).collect();
    (!text.is_empty()).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "VALUE";

    /// The name and the reason of the comment at the value.
    fn comment(text: &str) -> Option<(String, Option<String>)> {
        let start = text.find(VALUE).unwrap();
        let found = at(text.as_bytes(), Span { start, end: start + VALUE.len() }, false)?;
        assert_eq!(found.by, By::Comment);
        Some((found.source.to_string(), found.reason.map(|reason| reason.to_string())))
    }

    fn name(text: &str) -> Option<String> {
        comment(text).map(|(name, _)| name)
    }

    #[test]
    fn every_scanner_s_comment_is_known_on_the_line_itself() {
        for marker in [
            "keysweep:allow",
            "gitleaks:allow",
            "betterleaks:allow",
            "trufflehog:ignore",
            "kingfisher:ignore",
            "ggignore",
            "pragma: allowlist secret",
            "pragma:allowlist-secret",
            "pragma: whitelist secret",
        ] {
            for text in [
                format!("a\nid = VALUE # {marker}\nb"),
                format!("id = VALUE //{marker}"),
                format!("/* {marker} */ id = VALUE\r\n"),
                format!("<a id=\"VALUE\"/> <!-- {marker} -->"),
            ] {
                assert_eq!(name(&text).as_deref(), Some(marker), "{text}");
            }
            for text in [
                format!("id = VALUE\n# {marker}"),
                format!("# {marker}\nid = VALUE"),
                format!("id = VALUE # {marker}ed"),
                format!("id = VALUE # x{marker}"),
                format!("id = VALUE # {}", marker.to_uppercase()),
                format!("VALUE\0{marker}"),
            ] {
                assert_eq!(name(&text), None, "{text}");
            }
        }
    }

    #[test]
    fn a_comment_for_the_next_line_holds_for_that_line_only() {
        for marker in [
            "keysweep:allow-next-line",
            "keysweep:allow-nextline",
            "pragma: allowlist nextline secret",
            "pragma: whitelist-nextline-secret",
        ] {
            assert_eq!(name(&format!("x\n  # {marker}\nid = VALUE\n")).as_deref(), Some(marker));
            assert_eq!(name(&format!("# {marker}\r\nVALUE")).as_deref(), Some(marker));
            for text in [
                format!("id = VALUE # {marker}"),
                format!("# {marker}\n\nVALUE"),
                format!("# {marker}\nx\nVALUE"),
                format!("VALUE\n# {marker}"),
            ] {
                assert_eq!(name(&text), None, "{text}");
            }
        }
    }

    #[test]
    fn a_comment_at_a_secret_speaks_of_an_id_near_by_and_not_for_other_secrets() {
        let allowed = |text: &str| {
            let span = |word: &str| text.find(word).map(|start| Span { start, end: start + word.len() });
            let secrets: Vec<Span> = ["SECRET1", "SECRET2"].iter().filter_map(|word| span(word)).collect();
            let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let twice = |span: &Span| Span { start: 2 * span.start, end: 2 * span.end };
            let doubled: Vec<Span> = secrets.iter().map(twice).collect();
            let found = beside(text.as_bytes(), span(VALUE).unwrap(), &secrets, false);
            assert_eq!(found, beside(&wide, twice(&span(VALUE).unwrap()), &doubled, true), "{text}");
            found.is_some()
        };
        for text in [
            "VALUE # ggignore\nSECRET1\nSECRET2",
            "VALUE\nSECRET1 # ggignore",
            "SECRET1 # ggignore\nVALUE",
            "VALUE\nSECRET1 # ggignore\nSECRET2 # ggignore",
            "VALUE\n1\n2\n3\n4\nSECRET1 # ggignore",
            "VALUE [x]\na[x]\n[\n]\nSECRET1 # ggignore",
            // The far one is only another candidate.
            "VALUE\nSECRET1 # ggignore\n1\n2\n3\n4\n5\n6\nSECRET2 # ggignore",
        ] {
            assert!(allowed(text), "{text}");
        }
        for text in [
            "VALUE\nSECRET1\nSECRET2 # ggignore",
            "VALUE\nSECRET1 # ggignore\nSECRET2",
            "VALUE\n1\n2\n3\n4\n5\nSECRET1 # ggignore",
            "SECRET1 # ggignore\n1\n2\n3\n4\n5\nVALUE",
            "VALUE\n[sandbox]\nSECRET1 # ggignore",
            "VALUE\r\n[profile a.b] ; old\r\nSECRET1 # ggignore",
            "VALUE",
        ] {
            assert!(!allowed(text), "{text}");
        }
    }

    #[test]
    fn the_reason_behind_our_comment_is_kept_without_the_end_of_the_comment() {
        for (text, reason) in [
            ("VALUE # keysweep:allow", None),
            ("VALUE /* keysweep:allow */", None),
            ("VALUE # keysweep:allow key of the sandbox", Some("key of the sandbox")),
            ("VALUE <!-- keysweep:allow: OPS-1, see wiki -->", Some("OPS-1, see wiki")),
            ("\"VALUE\", // keysweep:allow - ours\",\r", Some("ours")),
            ("{# keysweep:allow-next-line it is old #}\nVALUE", Some("it is old")),
            ("VALUE # gitleaks:allow because", None),
        ] {
            assert_eq!(comment(text).unwrap().1.as_deref(), reason, "{text}");
        }
        let long = comment(&format!("VALUE # keysweep:allow {}", "ab ".repeat(500))).unwrap().1.unwrap();
        assert_eq!(long.chars().count(), REASON);
    }

    #[test]
    fn what_may_be_a_secret_in_a_reason_is_masked() {
        let secret = ["Vq1fZ8pTnW3sLk0yRb6/", "cXuEo9GdJh2+MtAiQ5Nv"].concat();
        for text in
            [format!("VALUE # keysweep:allow {secret}"), "VALUE # keysweep:allow password=hunter2hunter2".into()]
        {
            let reason = comment(&text).unwrap().1.unwrap();
            assert!(!reason.contains(&secret[..8]) && !reason.contains("hunter2h"), "{reason}");
        }
    }

    #[test]
    fn a_comment_far_away_on_an_endless_line_is_not_looked_for() {
        let gap = |len: usize| name(&format!("VALUE{} ggignore", " ".repeat(len)));
        assert_eq!(gap(REACH - 10).as_deref(), Some("ggignore"));
        assert_eq!(gap(REACH), None);
        assert_eq!(name(&format!("ggignore{}VALUE", " ".repeat(REACH - 8))).as_deref(), Some("ggignore"));
    }

    #[test]
    fn comments_in_utf16_are_read() {
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            let wide = |text: &str| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
            let found = |before: &str, after: &str| {
                let bytes = wide(&format!("{before}VALUE{after}"));
                let start = wide(before).len();
                at(&bytes, Span { start, end: start + 2 * VALUE.len() }, true).map(|found| found.source.to_string())
            };
            assert_eq!(found("a\r\nid=", " # ggignore\r\nb").as_deref(), Some("ggignore"));
            assert_eq!(found("# keysweep:allow-next-line\r\n", "").as_deref(), Some("keysweep:allow-next-line"));
            assert_eq!(found("ggignore\r\nid=", "\r\nggignore"), None);
        }
    }

    #[test]
    fn a_value_of_several_lines_is_allowed_on_its_first_and_on_its_last() {
        let text = b"key = BEGIN\nabc\nEND # ggignore\n# ggignore";
        let span = |start, end| at(text, Span { start, end }, false).is_some();
        assert!(span(6, 19));
        assert!(!span(6, 15));
    }
}
