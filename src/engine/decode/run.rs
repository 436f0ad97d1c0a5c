//! Runs of the letters that base64 and hexadecimal numbers are written with, also over several lines. Whether a run decodes to
//! anything is for the decoders to say.

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::engine::class::Class;

/// Shorter runs are not looked at: a word may be as long.
pub(super) const SHORTEST: usize = 24;
/// Lines of a wrapped run have at least this many letters.
const NARROWEST: usize = 32;
/// A line begins no further behind the end of the one before.
const FARTHEST: usize = 80;

/// What base64 is written with, in either alphabet (RFC 4648), padding aside.
pub(super) static LETTERS: Class = Class::EMPTY.with_words(b"+/-_");

#[inline]
pub(super) fn is_letter(c: u8) -> bool {
    LETTERS.has(c)
}

/// The first line at `from` or behind it that is long enough for a run.
pub(super) fn next(text: &[u8], from: usize) -> Option<Range<usize>> {
    LETTERS.next(text, from, SHORTEST)
}

/// Where a run ends that has `first` for its first line and holds nothing: behind all lines of the same width.
pub(super) fn behind(text: &[u8], first: &Range<usize>) -> usize {
    let mut at = first.end;
    loop {
        let start = match &text[at..] {
            [b'\n', ..] => at + 1,
            [b'\r', b'\n', ..] => at + 2,
            _ => return at,
        };
        let line_end = start + first.len();
        let is_alike = text.get(start..line_end).is_some_and(|line| line.iter().all(|&c| is_letter(c)));
        if !is_alike || text.get(line_end).is_some_and(|&c| is_letter(c)) {
            return at;
        }
        at = line_end;
    }
}

/// The run that begins with `first`, line by line: the others are of that width, but for the last.
pub(super) fn lines(text: &[u8], first: Range<usize>, width: usize) -> Vec<Range<usize>> {
    let mut lines = vec![first];
    if width < NARROWEST {
        return lines;
    }
    let mut at = lines[0].end;
    while let Some(start) = next_line(text, at) {
        let within = &text[..text.len().min(start + width + 1)];
        let line = start..LETTERS.end(within, start);
        if line.is_empty() || line.len() > width {
            break;
        }
        let is_last = line.len() < width;
        if is_last && !is_end(&text[line.end..]) {
            break;
        }
        at = line.end;
        lines.push(line);
        if is_last {
            break;
        }
    }
    lines
}

/// Whether what stands behind the last line ends a run: a name that a value is given to does not.
fn is_end(behind: &[u8]) -> bool {
    let padding = behind.iter().take(2).take_while(|&&c| c == b'=').count();
    let behind = &behind[padding..];
    let blanks = behind.iter().take(FARTHEST).take_while(|c| matches!(c, b' ' | b'\t')).count();
    match behind.get(blanks) {
        Some(b'=' | b':') => false,
        Some(c) => blanks > 0 || b"\r\n\"'`\\<>)]},;|&%\0".contains(c),
        None => true,
    }
}

/// What stands between two lines: a line break, which may be spelled out, what ends a string literal before it, and what indents
/// the next line or marks it as a comment, a quotation or a string.
static BREAK: LazyLock<Regex> = LazyLock::new(|| {
    let text = r#"(?x-u) \A
        (?: (?:["'`][\x20\t]{0,8}[+,.]?)? [\x20\t]{0,8} \\? \r?\n | ["']? (?:\\{1,4}r)? \\{1,4}n )
        [\x20\t]{0,40} (?: [\#*>;"'`]{1,3} | //[\x20\t] )? [\x20\t]{0,8}"#;
    Regex::new(text).expect("a constant pattern compiles")
});

/// Where the next line begins if one ends at `at`.
fn next_line(text: &[u8], at: usize) -> Option<usize> {
    let rest = &text[at..text.len().min(at + FARTHEST)];
    BREAK.find(rest).map(|found| at + found.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<&str> {
        let first = next(text.as_bytes(), 0);
        first.map_or(vec![], |first| {
            lines(text.as_bytes(), first.clone(), first.len()).into_iter().map(|line| &text[line]).collect()
        })
    }

    #[test]
    fn the_first_long_run_is_found_wherever_it_begins() {
        let run = "aB3-_/+x".repeat(3);
        for gap in 0..60 {
            let text = format!("{} {run}= {run}", "word ".repeat(gap));
            assert_eq!(all(&text), [&run], "{gap}");
            assert_eq!(next(text.as_bytes(), text.len() - 24), Some(text.len() - 24..text.len()));
            assert_eq!(next(text.as_bytes(), text.len() - 23), None);
        }
        assert_eq!(next(b"", 0), None);
        assert_eq!(next(&run.as_bytes()[1..], 0), None);
    }

    #[test]
    fn lines_of_one_width_are_one_run_however_they_end() {
        let (line, last) = ("aB3/".repeat(16), "cD4+".repeat(3));
        for between in [
            "\n",
            "\r\n",
            "\n    ",
            "\\n",
            "\\r\\n",
            "\\\\n",
            "\"\n  \"",
            "\" +\n\t\"",
            "\" \\\n\"",
            "\n# ",
            "\n// ",
            "\n > ",
        ] {
            let text = format!("{line}{between}{line}{between}{last}==");
            assert_eq!(all(&text), [&line, &line, &last], "{between:?}");
        }
    }

    #[test]
    fn what_holds_nothing_ends_with_its_last_whole_line() {
        for between in ["\n", "\r\n"] {
            let text = ["abcd", "efgh", "ijkl", "mnopq", "rstu"].join(between);
            assert_eq!(behind(text.as_bytes(), &(0..4)), 12 + 2 * between.len());
        }
        assert_eq!(behind(b"abcd\nefg", &(0..4)), 4);
        assert_eq!(behind(b"abcd\nefgh", &(0..4)), 9);
    }

    #[test]
    fn other_lines_are_none_of_a_run() {
        let line = "aB3/".repeat(16);
        for between in [" ", "\n\n", "\n: ", ", ", "==\n"] {
            assert_eq!(all(&format!("{line}{between}{line}")), [&line], "{between:?}");
        }
        assert_eq!(all(&format!("{line}\n{line}x")), [&line]);
        assert_eq!(all(&format!("{line}\nab\n{line}")), [line.as_str(), "ab"]);
        let short = &line[..28];
        assert_eq!(all(&format!("{short}\n{short}")), [short]);
    }
}
