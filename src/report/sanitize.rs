//! Text that others chose, made safe to look at: a path, an author or a line of a file must not move the cursor, ring bells or
//! turn the reading direction of a terminal, nor be a command to the CI system whose log it gets into. Secrets are not this room's business: they were masked before.

use std::borrow::Cow;
use std::fmt::Write;

/// Characters that act instead of being seen: controls (C0, DEL and C1, ESC and CSI among them), line and paragraph separators, and
/// those that change the direction of text (Unicode Standard Annex 9, "Trojan Source").
pub(super) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with everything that acts replaced by an escape that is seen: `\n`, `\u{1b}`, and `\u{23}#[group]` for what CI systems
/// would obey.
pub fn visible(text: &str) -> Cow<'_, str> {
    let commands = text.contains("##[") || text.contains("##vso[");
    let first = first_command(text);
    if !text.contains(acts) && first.is_none() && !commands {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for (at, c) in text.char_indices() {
        if acts(c) {
            escaped.extend(c.escape_default());
        } else if is_command(&text[at..]) || Some(at) == first {
            escaped.extend(c.escape_unicode());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Where GitHub's other form, `::group::`, stands if it is the first in the text. The runner looks for it at the start of a line, and cuts
/// off what is blank before it: to .NET that is Unicode's white space, and was more in the past.
fn first_command(text: &str) -> Option<usize> {
    let blank =
        |c: char| c.is_whitespace() || matches!(c, '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}');
    let rest = text.trim_start_matches(blank);
    rest.starts_with("::").then_some(text.len() - rest.len())
}

/// Whether a runner of GitHub Actions or an agent of Azure Pipelines would take the line for a command from here on, wherever it stands in
/// it.
pub(super) fn is_command(text: &str) -> bool {
    let rest = text.strip_prefix("##").map(|rest| rest.strip_prefix("vso").unwrap_or(rest));
    rest.is_some_and(|rest| rest.starts_with('['))
}

/// Text that may be wrapped, on one line.
pub(super) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    visible(&words.join(" ")).into_owned()
}

/// Bytes as text, so that no two look the same: UTF-8 as it is, any other byte as `\xff`. A backslash that would read as
/// such an escape becomes `\x5c`.
pub(super) fn lossless(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains("\\x") => Cow::Borrowed(text),
        _ => Cow::Owned(escaped(bytes)),
    }
}

fn escaped(bytes: &[u8]) -> String {
    let mut all = String::new();
    for chunk in bytes.utf8_chunks() {
        let text = chunk.valid();
        for (at, c) in text.char_indices() {
            if c == '\\' && reads_as_escape(&text.as_bytes()[at..]) {
                all.push_str("\\x5c");
            } else {
                all.push(c);
            }
        }
        for byte in chunk.invalid() {
            // Writing to a String can't fail.
            let _ = write!(all, "\\x{byte:02x}");
        }
    }
    all
}

fn reads_as_escape(text: &[u8]) -> bool {
    let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    matches!(text, [b'\\', b'x', high, low, ..] if digit(high) && digit(low))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_text_stays_as_it_is() {
        for text in ["deploy/prod.env", "Zoë <zoë@example.com>", "日本/鍵.env", r"a\b"] {
            assert!(matches!(visible(text), Cow::Borrowed(same) if same == text));
            assert_eq!(lossless(text.as_bytes()), text);
        }
    }

    #[test]
    fn controls_are_seen_and_do_nothing() {
        assert_eq!(visible("a\x1b[2Jb"), r"a\u{1b}[2Jb");
        assert_eq!(visible("one\ntwo\r\tthree\0"), r"one\ntwo\r\tthree\u{0}");
        assert_eq!(visible("\u{7f}\u{9b}31m"), r"\u{7f}\u{9b}31m");
    }

    #[test]
    fn nothing_turns_the_direction_of_text_or_breaks_a_line() {
        for hostile in "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2028}\u{2029}\u{2066}\u{2067}\u{2068}\u{2069}\u{85}".chars()
        {
            let expected = format!("gpj\\u{{{:x}}}exe", u32::from(hostile));
            assert_eq!(visible(&format!("gpj{hostile}exe")), expected);
        }
    }

    #[test]
    fn a_ci_system_obeys_nothing() {
        assert_eq!(visible("a##[add-mask]b"), r"a\u{23}#[add-mask]b");
        assert_eq!(visible("###vso[task.setvariable variable=PATH]x"), r"#\u{23}#vso[task.setvariable variable=PATH]x");
        assert_eq!(visible("::stop-commands::x"), r"\u{3a}:stop-commands::x");
        for blank in [" ", "  ", "\u{a0}", "\u{3000}\u{2009} ", "\u{feff}", "\u{180e}"] {
            assert_eq!(visible(&format!("{blank}::add-mask::x")), format!(r"{blank}\u{{3a}}:add-mask::x"));
        }
        for plain in [" a::b", " :", "a::b", "## heading", "#[derive]", "##v[x]", "std::io"] {
            assert_eq!(visible(plain), plain);
        }
    }

    #[test]
    fn wrapped_text_is_unwrapped() {
        assert_eq!(one_line(" a\n  b\tc\u{7} \r\n"), r"a b c\u{7}");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_told_apart() {
        assert_eq!(lossless(b"a\xff\xc3(\xfe"), r"a\xff\xc3(\xfe");
        assert_eq!(lossless(br"a\xff"), r"a\x5cxff");
        assert_eq!(lossless(br"c:\xml \xFF"), r"c:\xml \xFF");
    }

    /// Undoes `lossless`.
    fn bytes_of(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, tail @ ..] = rest {
            if reads_as_escape(rest) {
                bytes.push(u8::from_str_radix(&text[text.len() - rest.len()..][2..4], 16).unwrap());
                rest = &rest[4..];
            } else {
                bytes.push(*first);
                rest = tail;
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn every_path_can_be_had_back(bytes in proptest::collection::vec(prop_oneof![Just(b'\\'), Just(b'x'), Just(b'f'), any::<u8>()], 0..24)) {
            prop_assert_eq!(bytes_of(&lossless(&bytes)), bytes);
        }

        #[test]
        fn nothing_that_acts_gets_through(text in any::<String>()) {
            prop_assert!(!visible(&text).contains(acts));
        }
    }
}
