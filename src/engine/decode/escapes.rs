//! Characters that are spelled out where they would mean something else or could not be typed: in string literals, in URLs, in HTML
//! and in mail. Only what may stand in or around a credential is read: ASCII that can be printed, and white space.

use super::Character;
use crate::engine::Encoding;

/// An escape sequence of a string literal (RFC 8259 and its like) at the start of `text`: a backslash with a letter, a sign or the
/// number of a character.
pub(super) fn escape(text: &[u8]) -> Option<Character> {
    let &next = text.get(1)?;
    let (byte, length) = match next {
        b'n' => (b'\n', 2),
        b'r' => (b'\r', 2),
        b't' => (b'\t', 2),
        b'x' => (number(&text[2..], 16, 2..=2)?.0, 4),
        b'u' if text.get(2) == Some(&b'{') => {
            let (byte, digits) = number(&text[3..], 16, 1..=6)?;
            text.get(3 + digits).filter(|&&c| c == b'}')?;
            (byte, 4 + digits)
        }
        b'u' => (number(&text[2..], 16, 4..=4)?.0, 6),
        b'U' => (number(&text[2..], 16, 8..=8)?.0, 10),
        // They begin another character, which the backslash may be before.
        b'&' | b'%' => return None,
        sign if sign.is_ascii_punctuation() => (sign, 2),
        _ => return None,
    };
    Some(Character { length, byte: Some(byte), encoding: Encoding::Escapes })
}

/// A percent sign and two digits (RFC 3986) at the start of `text`.
pub(super) fn percent(text: &[u8]) -> Option<Character> {
    let (byte, _) = number(&text[1..], 16, 2..=2)?;
    Some(Character { length: 3, byte: Some(byte), encoding: Encoding::Percent })
}

/// Names of characters that stand in credentials and around them (<https://html.spec.whatwg.org/#named-character-references>).
const NAMES: [(&[u8], u8); 13] = [
    (b"amp;", b'&'),
    (b"lt;", b'<'),
    (b"gt;", b'>'),
    (b"quot;", b'"'),
    (b"apos;", b'\''),
    (b"nbsp;", b' '),
    (b"sol;", b'/'),
    (b"plus;", b'+'),
    (b"equals;", b'='),
    (b"colon;", b':'),
    (b"num;", b'#'),
    (b"lowbar;", b'_'),
    (b"NewLine;", b'\n'),
];

/// A character reference of HTML or XML at the start of `text`.
pub(super) fn entity(text: &[u8]) -> Option<Character> {
    let name = &text[1..];
    let (byte, length) = match name {
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16, 1..=6).map(|(byte, digits)| (byte, digits + 2)),
        [b'#', digits @ ..] => number(digits, 10, 1..=7).map(|(byte, digits)| (byte, digits + 1)),
        _ => NAMES.iter().find(|(known, _)| name.starts_with(known)).map(|&(known, byte)| (byte, known.len() - 1)),
    }?;
    name.get(length).filter(|&&c| c == b';')?;
    Some(Character { length: length + 2, byte: Some(byte), encoding: Encoding::Entities })
}

/// Whether a text may be quoted-printable: an equals sign is what it must spell out, and credentials seldom come without one.
pub(super) fn is_quoted_printable(text: &[u8]) -> bool {
    memchr::memmem::find(text, b"=3D").is_some() || memchr::memmem::find(text, b"quoted-printable").is_some()
}

/// What quoted-printable (RFC 2045, section 6.7) makes of an equals sign at the start of `text`: a character or a line that goes on.
pub(super) fn quoted_printable(text: &[u8]) -> Option<Character> {
    let (byte, length) = match text {
        [_, b'\n', ..] => (None, 2),
        [_, b'\r', b'\n', ..] => (None, 3),
        _ => (Some(number(&text[1..], 16, 2..=2)?.0), 3),
    };
    Some(Character { length, byte, encoding: Encoding::QuotedPrintable })
}

/// The character that the digits at the start of `text` stand for, and how many they are.
pub(super) fn number(text: &[u8], radix: u32, digits: std::ops::RangeInclusive<usize>) -> Option<(u8, usize)> {
    let value = |c: &u8| char::from(*c).to_digit(radix);
    let count = text.iter().take(*digits.end()).take_while(|c| value(c).is_some()).count();
    let number = text[..count].iter().filter_map(value).fold(0, |number, digit| number * radix + digit);
    let byte = u8::try_from(number).ok().filter(|c| matches!(c, b'\t' | b'\n' | b'\r' | b' '..=b'~'))?;
    digits.contains(&count).then_some((byte, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Decoder = fn(&[u8]) -> Option<Character>;

    #[track_caller]
    fn read(decoder: Decoder, text: &str) -> Option<(usize, char)> {
        decoder(text.as_bytes()).map(|c| (c.length, c.byte.map_or('-', char::from)))
    }

    #[track_caller]
    fn none(decoder: Decoder, texts: &[&str]) {
        for text in texts {
            assert_eq!(read(decoder, text), None, "{text}");
        }
    }

    #[test]
    fn escape_sequences_of_many_languages_are_read() {
        for (text, expected) in [
            (r"\/x", (2, '/')),
            (r"\n", (2, '\n')),
            (r#"\""#, (2, '"')),
            (r"\\n", (2, '\\')),
            (r"\_", (2, '_')),
            (r"\x2fx", (4, '/')),
            (r"\u002Fx", (6, '/')),
            (r"\u{2f}x", (6, '/')),
            (r"\u{00002F}x", (10, '/')),
            (r"\U0000002fx", (10, '/')),
        ] {
            assert_eq!(read(escape, text), Some(expected), "{text}");
        }
        none(
            escape,
            &[
                "\\",
                r"\d",
                r"\&quot;",
                r"\x2",
                r"\x00",
                r"\u00e9",
                r"\u002",
                r"\u{2f",
                r"\u{}",
                r"\u{1F511}",
                "\\\n",
                r"\057",
            ],
        );
    }

    #[test]
    fn percent_encoding_is_read() {
        assert_eq!(read(percent, "%2Fx"), Some((3, '/')));
        assert_eq!(read(percent, "%0a"), Some((3, '\n')));
        none(percent, &["%", "%2", "%2x", "%00", "%e9", "%%20"]);
    }

    #[test]
    fn character_references_are_read() {
        for (text, expected) in [
            ("&amp;x", (5, '&')),
            ("&sol;", (5, '/')),
            ("&#47;x", (5, '/')),
            ("&#047;x", (6, '/')),
            ("&#x2F;", (6, '/')),
            ("&#X0002f;", (9, '/')),
        ] {
            assert_eq!(read(entity, text), Some(expected), "{text}");
        }
        none(entity, &["&", "&amp", "&x;", "&#;", "&#x;", "&#47", "&#233;", "&#x1F511;", "&eacute;"]);
    }

    #[test]
    fn quoted_printable_is_read_where_it_is_used() {
        assert_eq!(read(quoted_printable, "=3Dx"), Some((3, '=')));
        assert_eq!(read(quoted_printable, "=\r\nx"), Some((3, '-')));
        assert_eq!(read(quoted_printable, "=\nx"), Some((2, '-')));
        none(quoted_printable, &["=", "=\r", "=3", "=E9", "=x"]);
        assert!(
            is_quoted_printable(b"key=3DAKIA") && is_quoted_printable(b"Content-Transfer-Encoding: quoted-printable")
        );
        assert!(!is_quoted_printable(b"key=AKIA"));
    }
}
