//! What stands between the pieces of a word that a program or a parser puts together: signs that add strings, the ends of string
//! literals and of lines, tags that only change how text looks, characters that nobody sees. All of it counts only where both its
//! neighbours are letters, digits or the signs of base64: elsewhere it does no harm.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::Character;
use crate::engine::Encoding;
use crate::engine::boundary::is_base64;
use crate::key::{AccessKeyId, SECRET_ACCESS_KEY_LEN};

/// What stands between two pieces is no longer.
const FARTHEST: usize = 256;
/// The same of what ends a run of an office document and begins the next: it says how each looks.
const FARTHEST_RUN: usize = 1024;

/// A string ends, perhaps there is a sign that adds, perhaps the line ends, and the next string begins. The signs of Java and
/// JavaScript, PHP, Visual Basic, Lua, Elixir, SQL, Haskell.
static ADDED: LazyLock<Regex> = LazyLock::new(|| {
    let text = r#"(?x-u) \A ["'`]{1,2}
        [\x20\t\r\n]{0,80} (?: \+\+? | \.\.? | & | <> | \|\| ) (?:[\x20\t]{0,8}[_\\])? [\x20\t\r\n]{0,120}
        [A-Za-z@$]{0,2} ["'`]{1,2}"#;
    Regex::new(text).expect("a constant pattern compiles")
});

/// A string ends, and the next line begins with another one.
static FOLLOWED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?-u)\A(?:"[ \t]{0,8}\\?\r?\n[ \t]{0,120}"|'[ \t]{0,8}\\?\r?\n[ \t]{0,120}')"#)
        .expect("a constant pattern compiles")
});

/// A string ends, and another one begins beside it, as shells and C put them together.
static BESIDE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(?-u)\A(?:"[ \t]{0,2}"|'[ \t]{0,2}'|"'|'")"#).expect("a constant pattern compiles"));

/// Two strings of a list, and what says that those of a list are joined.
static LISTED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?-u)\A(?:"\s{0,8},\s{0,80}"|'\s{0,8},\s{0,80}')"#).expect("a constant pattern compiles")
});
static JOINED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i-u)[.:!-]join\b|\bjoin\s{0,2}\(|\bconcat!?\s{0,2}[(\[]\s{0,8}["']|\bformat\s{0,2}\(\s{0,8}["'](?:%s){2,}["']"#)
        .expect("a constant pattern compiles")
});
/// How far from the pieces of a list that stands, in bytes.
const JOIN_REACH: usize = 160;

/// The colours that a terminal gives to a part of a word.
static COLOURS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?-u)\A(?:\x1b\[[0-9;]{0,16}[mK]){1,8}").expect("a constant pattern compiles"));

/// The line of a mail that is quoted ends.
static QUOTED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?-u)\A\r?\n(?:> ?){1,8}").expect("a constant pattern compiles"));

/// Tags that don't end a word.
static TAGS: LazyLock<Regex> = LazyLock::new(|| {
    let text = r"(?ix-u) \A (?: </? (?: span | b | i | u | s | em | strong | code | tt | font | mark | small | big | wbr | a | kbd | samp | var | bdi )
        (?: [\x20\t] [^<>\r\n]{0,200} )? /? > ){1,8}";
    Regex::new(text).expect("a constant pattern compiles")
});

/// A run of text in an office document ends, and the next one begins in the same paragraph, cell or string: editors cut words
/// wherever the cursor was. Word, PowerPoint, Excel (ECMA-376, part 1) and OpenDocument.
static RUNS: LazyLock<Regex> = LazyLock::new(|| {
    let text = r"(?x-u) \A (?:
        </w:t></w:r> (?: <w:(?: proofErr | bookmarkStart | bookmarkEnd | lastRenderedPageBreak )\b [^<>]* /> )*
            <w:r (?: \x20[^<>]* )? > (?: <w:rPr> (?: <w\d*:[^<>]+ > | </w\d+:[^<>]+ > )* </w:rPr> | <w:rPr/> )?
            (?: <w:lastRenderedPageBreak/> )? <w:t (?: \x20[^<>]* )? >
        | </a:t></a:r><a:r> (?: <a:rPr (?: \x20[^<>]* )? /> | <a:rPr (?: \x20[^<>]* )? >
            (?: <a:[^<>]+ > | </a:(?: ln | gs | ext | highlight | [a-z]{3,}[A-Z][A-Za-z]* ) > )* </a:rPr> )? <a:t>
        | </t></r><r> (?: <rPr> (?: <[a-z][^<>]*/> )* </rPr> )? <t (?: \x20[^<>]* )? >
        | (?: </?text:span (?: \x20[^<>]* )? > | <text:soft-page-break/> )+ )";
    Regex::new(text).expect("a constant pattern compiles")
});

/// A backslash at the end of a line, and what indents the next one.
static CONTINUED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?-u)\A\\\r?\n[ \t]{0,120}").expect("a constant pattern compiles"));

/// Zero-width space, non-joiner, joiner, word joiner, byte order mark and soft hyphen, in UTF-8.
static UNSEEN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u)\A(?:\xE2\x80[\x8B-\x8D]|\xE2\x81\xA0|\xEF\xBB\xBF|\xC2\xAD){1,8}")
        .expect("a constant pattern compiles")
});

/// Finds what stands between pieces in one text.
#[derive(Debug)]
pub(super) struct Splits<'a> {
    text: &'a [u8],
    /// Where lists are said to be joined, looked for once and only when there is a list.
    joins: OnceCell<Vec<Range<usize>>>,
}

impl<'a> Splits<'a> {
    pub(super) fn of(text: &'a [u8]) -> Self {
        Self { text, joins: OnceCell::new() }
    }

    /// What stands at `at` between two pieces of a word.
    #[inline]
    pub(super) fn at(&self, at: usize) -> Option<Character> {
        // Most that could stand between pieces has none before it, and most line ends have no quotation behind them.
        let before = at.checked_sub(1).and_then(|before| self.text.get(before))?;
        if !is_piece(before) || is_plain_line_end(&self.text[at..]) {
            return None;
        }
        self.behind_piece(at)
    }

    fn behind_piece(&self, at: usize) -> Option<Character> {
        let text = self.text;
        let length = self.between(at)?;
        text.get(at + length).filter(|c| is_piece(c))?;
        let (before, after) = pieces(text, at, at + length);
        if is_whole(before) || is_whole(after) {
            return None;
        }
        Some(Character { length, byte: None, encoding: Encoding::Split })
    }

    fn between(&self, at: usize) -> Option<usize> {
        let text = self.text;
        let rest = &text[at..text.len().min(at + FARTHEST)];
        let whole = |regex: &Regex| regex.find(rest).map(|found| found.end());
        match rest[0] {
            b'"' | b'\'' | b'`' => match rest[1..].iter().find(|c| !matches!(c, b' ' | b'\t'))? {
                b',' => whole(&LISTED).filter(|&length| self.is_joined(at, at + length)),
                b'+' | b'.' | b'&' | b'<' | b'|' | b'\\' | b'\r' | b'\n' | b'"' | b'\'' => {
                    let followed = || whole(&FOLLOWED).filter(|&length| are_alone(text, at, at + length));
                    whole(&ADDED).or_else(followed).or_else(|| whole(&BESIDE))
                }
                _ => None,
            },
            0x1B => whole(&COLOURS),
            b'\r' | b'\n' => whole(&QUOTED).filter(|&length| is_cut_value(text, at, at + length)),
            b'<' => whole(&TAGS).or_else(|| {
                let rest = &text[at..text.len().min(at + FARTHEST_RUN)];
                RUNS.find(rest).map(|found| found.end())
            }),
            b'\\' => whole(&CONTINUED),
            _ => whole(&UNSEEN),
        }
    }

    /// Whether the list of which two pieces are is joined: what says so stands right before the list or right behind it.
    fn is_joined(&self, end: usize, start: usize) -> bool {
        let joins = self.joins.get_or_init(|| JOINED.find_iter(self.text).map(|found| found.range()).collect());
        let near = joins.partition_point(|join| join.start + JOIN_REACH < end);
        let is_on_line = |at: usize| !self.text[start..at].contains(&b'\n');
        joins[near..]
            .iter()
            .take_while(|join| join.end <= start + JOIN_REACH)
            .any(|join| join.end <= end || join.start >= start && is_on_line(join.start))
    }
}

/// Whether it is the end of a line of which the next does not begin as quoted ones do, which is nearly always so.
#[inline]
fn is_plain_line_end(text: &[u8]) -> bool {
    matches!(text, [b'\r' | b'\n', ..]) && !matches!(text, [b'\n', b'>', ..] | [b'\r', b'\n', b'>', ..])
}

/// Whether it is of a word that may be put together.
#[inline]
fn is_piece(c: &u8) -> bool {
    is_base64(c) || matches!(c, b'=' | b'_' | b'-')
}

/// Whether the two pieces make up the length of an access key id or of its secret.
fn is_cut_value(text: &[u8], end: usize, start: usize) -> bool {
    let (before, after) = pieces(text, end, start);
    before.len() + after.len() == SECRET_ACCESS_KEY_LEN || AccessKeyId::shaped(&[before, after].concat()).is_some()
}

/// The letters, digits and signs of base64 before `end` and from `start` on.
fn pieces(text: &[u8], end: usize, start: usize) -> (&[u8], &[u8]) {
    let before = text[end.saturating_sub(FARTHEST)..end].iter().rev().take_while(|c| is_base64(c)).count();
    let after = text[start..text.len().min(start + FARTHEST)].iter().take_while(|c| is_base64(c)).count();
    (&text[end - before..end], &text[start..start + after])
}

/// Whether a piece has the shape of an id or of a secret already.
fn is_whole(piece: &[u8]) -> bool {
    piece.len() == SECRET_ACCESS_KEY_LEN || AccessKeyId::shaped(piece).is_some()
}

/// Whether the string that ends at `end` and the one whose inside begins at `start` are the only ones on their lines: others are
/// rows of a table.
fn are_alone(text: &[u8], end: usize, start: usize) -> bool {
    let quote = text[end];
    let before = text[end.saturating_sub(FARTHEST)..end].rsplit(|&c| c == b'\n').next().unwrap_or_default();
    let after = text[start..text.len().min(start + FARTHEST)].split(|&c| c == b'\n').next().unwrap_or_default();
    let quotes = |line: &[u8]| line.iter().filter(|&&c| c == quote).count();
    quotes(before) == 1 && quotes(after) == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of a text in which the first thing that could be between pieces is taken out.
    fn joined(text: &str) -> String {
        let at = text.find(|c: char| "\"'`<\\\u{200B}\u{AD}\u{2060}\u{FEFF}".contains(c)).unwrap();
        // The first quote opens the first string.
        let at = if text[at..].starts_with(['"', '\'', '`']) {
            at + 1 + text[at + 1..].find(['"', '\'', '`']).unwrap()
        } else {
            at
        };
        match Splits::of(text.as_bytes()).at(at) {
            Some(found) => [&text[..at], &text[at + found.length..]].concat(),
            None => "-".to_owned(),
        }
    }

    #[test]
    fn strings_that_are_added_are_one() {
        for text in [
            r#""AK" + "IA""#,
            "\"AK\"+\n    \"IA\"",
            "\"AK\"\n    + \"IA\"",
            r#""AK""IA""#,
            r#""AK" "IA""#,
            r#""AK" . 'IA""#,
            "\"AK\" & _\r\n  \"IA\"",
            r#""AK" .. "IA""#,
            r#""AK" <> "IA""#,
            r#""AK" || "IA""#,
            "\"AK\"\n  \"IA\"",
            "\"AK\" \\\n  \"IA\"",
            r#""AK" + f"IA""#,
        ] {
            assert_eq!(joined(text).trim_matches(['"', '\'']), "AKIA", "{text}");
        }
    }

    #[test]
    fn strings_of_a_list_are_one_where_it_is_joined() {
        for text in [
            r#"["AK", "IA"].join("")"#,
            r#"join("", ["AK", "IA"])"#,
            r#"concat!("AK", "IA")"#,
            r#"format("%s%s", "AK", "IA")"#,
        ] {
            let end = text.find(r#"", "IA"#).unwrap();
            assert_eq!(Splits::of(text.as_bytes()).at(end).map(|found| found.length), Some(4), "{text}");
        }
        assert!(Splits::of(br#"["AK", "IA"]"#).at(4).is_none());
    }

    #[test]
    fn what_is_whole_is_no_piece() {
        let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        for text in [
            format!("\"{id}\" \"{secret}\""),
            format!("\"{id}\",\"{secret}\"].join(':')"),
            format!("\"{id}\" + \"{secret}\""),
        ] {
            assert!(Splits::of(text.as_bytes()).at(21).is_none(), "{text}");
        }
    }

    #[test]
    fn strings_that_only_follow_each_other_stay_apart() {
        for text in [r#""AK", "IA""#, r#""AK": "IA""#, "\"AK\",\n\"IA\"", "\"AK\"\n\"IA\",\"x\"", r#""AK " + "IA""#] {
            assert_eq!(joined(text), "-", "{text}");
        }
        assert!(Splits::of(b"\"x\",\"AK\"\n\"IA\"").at(7).is_none());
    }

    #[test]
    fn tags_within_a_word_are_taken_out() {
        assert_eq!(joined("AK</span><span class=\"x\">IA"), "AKIA");
        assert_eq!(joined("AK<wbr/>IA"), "AKIA");
        for text in ["AK</td><td>IA", "AK <b>IA", "AK</b> IA", "AK<br>IA", "AK<b", "AK<bold>IA", "AK<b\n>IA"] {
            assert_eq!(joined(text), "-", "{text}");
        }
    }

    #[test]
    fn runs_of_one_paragraph_are_one() {
        for between in [
            "</w:t></w:r><w:r><w:t>",
            "</w:t></w:r><w:r w:rsidR=\"00A1\"><w:rPr><w:b/><w:color w:val=\"FF0000\"/></w:rPr><w:t xml:space=\"preserve\">",
            "</w:t></w:r><w:proofErr w:type=\"spellStart\"/><w:bookmarkStart w:id=\"0\" w:name=\"k\"/><w:bookmarkEnd w:id=\"0\"/>\
             <w:r><w:rPr/><w:lastRenderedPageBreak/><w:t>",
            "</w:t></w:r><w:r><w:rPr><w14:ligatures w14:val=\"none\"></w14:ligatures></w:rPr><w:t>",
            "</a:t></a:r><a:r><a:t>",
            "</a:t></a:r><a:r><a:rPr lang=\"en-US\" dirty=\"0\"/><a:t>",
            "</a:t></a:r><a:r><a:rPr lang=\"de\"><a:solidFill><a:srgbClr val=\"FF0000\"/></a:solidFill></a:rPr><a:t>",
            "</t></r><r><rPr><b/><sz val=\"11\"/><rFont val=\"Calibri\"/></rPr><t xml:space=\"preserve\">",
            "</t></r><r><t>",
            "</text:span><text:span text:style-name=\"T1\">",
            "<text:span text:style-name=\"T1\">",
            "</text:span>",
            "</text:span><text:soft-page-break/><text:span text:style-name=\"T1\">",
        ] {
            assert_eq!(joined(&format!("AK{between}IA")), "AKIA", "{between}");
        }
    }

    #[test]
    fn runs_of_other_paragraphs_cells_and_columns_stay_apart() {
        let long = format!("</w:t></w:r><w:r><w:rPr>{}</w:rPr><w:t>", "<w:b/>".repeat(FARTHEST_RUN / 6));
        for between in [
            "</w:t></w:r></w:p><w:p><w:r><w:t>",
            "</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>",
            "</w:t></w:r><w:r><w:tab/><w:t>",
            "</w:t></w:r><w:r><w:br/><w:t>",
            "</w:t></w:r><w:r><w:rPr><w:b/></w:rPr></w:r></w:p><w:p><w:r><w:rPr></w:rPr><w:t>",
            "</w:t></w:r><w:r><w:t> ",
            "</w:t></w:r><w:r><w:delText>",
            "</a:t></a:r></a:p><a:p><a:r><a:t>",
            "</a:t></a:r><a:br/><a:r><a:t>",
            "</a:t></a:r><a:r><a:rPr><a:ln></a:rPr></a:r></a:p><a:p><a:r><a:rPr></a:rPr><a:t>",
            "</t></r></si><si><r><t>",
            "</t></si><si><t>",
            "</text:span><text:s/><text:span>",
            "</text:span></text:p><text:p><text:span>",
            "<text:tab/>",
            long.as_str(),
        ] {
            assert_eq!(joined(&format!("AK{between}IA")), "-", "{between}");
        }
    }

    #[test]
    fn what_nobody_sees_and_lines_that_go_on_are_taken_out() {
        for unseen in ["\u{200B}", "\u{AD}", "\u{2060}", "\u{FEFF}", "\u{200B}\u{200B}", "\\\n", "\\\r\n\t  "] {
            assert_eq!(joined(&format!("AK{unseen}IA")), "AKIA", "{unseen:?}");
            assert_eq!(joined(&format!("A {unseen}IA")), "-", "{unseen:?}");
        }
    }
}
