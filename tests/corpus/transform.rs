//! What is done to texts: the functions that templates may stand in, and the wraps of whole files.
//! Which function stands where is the business of `template`.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::draw::Random;

/// Applies a function of the corpus's format to a text. `argument` is what stands between the name and the text, for `split` only.
///
/// # Errors
/// A function that there is not.
pub(crate) fn apply(function: &str, text: &str) -> Result<String, String> {
    Ok(match function {
        "b64" => base64(text.as_bytes()),
        "b64url" => base64url(text.as_bytes()),
        "b64mime" => wrapped(&base64(text.as_bytes()), 76),
        "hex" => each_byte(text, |c| format!("{c:02x}")),
        "HEX" => each_byte(text, |c| format!("{c:02X}")),
        "pct" => percent(text),
        "pctall" => each_byte(text, |c| format!("%{c:02X}")),
        "unicode" => text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect(),
        "codepoints" => text.chars().map(|c| format!("\\u{{{:x}}}", u32::from(c))).collect(),
        "json" => json_escaped(text),
        "jsonesc" => json_escaped(text).replace('/', "\\/"),
        "entities" => text.chars().map(|c| format!("&#{};", u32::from(c))).collect(),
        "xentities" => text.chars().map(|c| format!("&#x{:X};", u32::from(c))).collect(),
        "qp" => quoted_printable(text),
        "gz64" => base64(&gzipped(text.as_bytes())),
        "utf16b64" => base64(&utf16(text, u16::to_le_bytes)),
        _ => return Err(format!("there is no function `{function}`")),
    })
}

/// The text with a separator put in after so many characters. The separator may be written with `\n`, `\t`, `\\` and `\"`.
pub(crate) fn split(text: &str, after: usize, separator: &str) -> Result<String, String> {
    let at = text.char_indices().nth(after).map(|(at, _)| at);
    let at = at.ok_or_else(|| format!("`split {after}` is beyond the end of its text"))?;
    Ok([&text[..at], &unescaped(separator), &text[at..]].concat())
}

fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' { chars.next() } else { None };
        plain.push(match escaped {
            Some('n') => '\n',
            Some('t') => '\t',
            Some(other) => other,
            None => c,
        });
    }
    plain
}

/// RFC 4648, section 4.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, &byte| bits << 8 | usize::from(byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = char::from(ALPHABET[bits >> (18 - 6 * place) & 63]);
            text.push(if place <= group.len() { digit } else { '=' });
        }
    }
    text
}

/// RFC 4648, section 5, without padding.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    base64(bytes).replace('+', "-").replace('/', "_").replace('=', "")
}

/// RFC 3986: everything but the unreserved characters as `%XX`.
pub(crate) fn percent(text: &str) -> String {
    each_byte(text, |c| match c {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(c).to_string(),
        _ => format!("%{c:02X}"),
    })
}

fn each_byte(text: &str, spell: impl Fn(u8) -> String) -> String {
    text.bytes().map(spell).collect()
}

/// In lines of that many characters.
pub(crate) fn wrapped(text: &str, width: usize) -> String {
    let lines: Vec<&str> = (0..text.len()).step_by(width).map(|at| &text[at..text.len().min(at + width)]).collect();
    lines.join("\n")
}

/// RFC 8259, section 7.
fn json_escaped(text: &str) -> String {
    let quoted = serde_json::to_string(text).expect("a string has a JSON form");
    quoted[1..quoted.len() - 1].to_owned()
}

/// RFC 2045, section 6.7, with soft breaks so that no line is longer than 76.
fn quoted_printable(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let mut column = 0;
        let mut coded = String::new();
        for c in line.bytes() {
            let spelled = match c {
                b'=' | 0..b' ' | 0x7F.. => format!("={c:02X}"),
                _ => char::from(c).to_string(),
            };
            if column + spelled.len() > 75 {
                coded.push_str("=\n");
                column = 0;
            }
            column += spelled.len();
            coded.push_str(&spelled);
        }
        lines.push(coded);
    }
    lines.join("\n")
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory can be written to")
}

fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(order).collect()
}

/// A whole file while it is being wrapped.
pub(crate) struct Wrapped {
    pub(crate) bytes: Vec<u8>,
    /// A byte order mark, in the encoding so far; nothing is added to the front of what has no encoding any more.
    mark: &'static [u8],
    random: Random,
}

impl Wrapped {
    pub(crate) fn new(text: String, seed: &str) -> Self {
        Self { bytes: text.into_bytes(), mark: b"\xEF\xBB\xBF", random: Random::new(seed) }
    }

    /// Does one step of `wrap` in the corpus's format.
    ///
    /// # Errors
    /// A step that there is not, or that can't be done to what the steps before have made.
    pub(crate) fn step(&mut self, step: &str) -> Result<(), String> {
        let bytes = std::mem::take(&mut self.bytes);
        self.bytes = match step {
            "bom" => [self.mark, &bytes].concat(),
            "crlf" => as_text(bytes, step)?.replace('\n', "\r\n").into_bytes(),
            "zeros" => as_text(bytes, step)?.replace("\r\n", "\n").replace('\n', "\0").into_bytes(),
            "utf-16le" => {
                self.mark = b"\xFF\xFE";
                utf16(&as_text(bytes, step)?, u16::to_le_bytes)
            }
            "utf-16be" => {
                self.mark = b"\xFE\xFF";
                utf16(&as_text(bytes, step)?, u16::to_be_bytes)
            }
            "gzip" => gzipped(&bytes),
            "b64" => base64(&bytes).into_bytes(),
            "binary" => self.in_binary(&bytes),
            "huge" => self.on_a_huge_line(&as_text(bytes, step)?),
            _ => match step.strip_prefix("pad:").and_then(|lines| lines.parse().ok()) {
                Some(lines) => self.padded(&as_text(bytes, step)?, lines),
                None => return Err(format!("there is no wrap `{step}`")),
            },
        };
        Ok(())
    }

    /// Two bytes of zero around UTF-16, so that they end a string there too.
    fn in_binary(&mut self, bytes: &[u8]) -> Vec<u8> {
        let zeros: &[u8] = if self.mark.len() == 2 { b"\0\0" } else { b"\0" };
        let [before, after] = [(); 2].map(|()| {
            let mut rubbish = self.random.bytes(200);
            rubbish.iter_mut().step_by(7).for_each(|byte| *byte = 0);
            rubbish
        });
        [&before, zeros, bytes, zeros, &after].concat()
    }

    fn on_a_huge_line(&mut self, text: &str) -> Vec<u8> {
        let [before, after] = [(); 2].map(|()| self.minified(40_000));
        [&before, ";", text.trim_end_matches('\n'), ";", &after].concat().into_bytes()
    }

    /// Text such as minifiers write, without line ends.
    fn minified(&mut self, length: usize) -> String {
        let pieces = [
            "function(e,t){return e.call(this,t)}",
            "var n=this.props,r=n.value;",
            "if(!o)throw new Error(\"no element\");",
            "for(var i=0;i<a.length;i++)s.push(a[i]);",
            "t.exports=l(4217);",
            "c=void 0!==u?u:null;",
            "d(p,\"display\",{enumerable:!0,get:function(){return h}});",
            "return f?m(v,g):y;",
        ];
        let mut text = String::with_capacity(length + 64);
        while text.len() < length {
            text.push_str(pieces[self.random.below(pieces.len() as u64) as usize]);
        }
        text
    }

    fn padded(&mut self, text: &str, lines: usize) -> Vec<u8> {
        let subjects = ["worker", "scheduler", "mailer", "importer", "cache", "session store"];
        let events = ["started", "finished a batch", "has nothing to do", "waits for the lock", "was reloaded"];
        let [before, after] = [(); 2].map(|()| {
            let mut filler = String::new();
            for number in 1..=lines {
                let subject = subjects[self.random.below(subjects.len() as u64) as usize];
                let event = events[self.random.below(events.len() as u64) as usize];
                filler.push_str(&format!("{number:>5}  the {subject} {event}\n"));
            }
            filler
        });
        [&before, text, &after].concat().into_bytes()
    }
}

fn as_text(bytes: Vec<u8>, step: &str) -> Result<String, String> {
    let not_text = |_| format!("the wrap `{step}` goes before those that make bytes of a text");
    let text = String::from_utf8(bytes).map_err(not_text)?;
    if text.contains('\0') && step != "zeros" && !step.starts_with("utf-16") {
        return Err(format!("the wrap `{step}` goes before those that make bytes of a text"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn wrapped_in(text: &str, steps: &[&str]) -> Vec<u8> {
        let mut wrapped = Wrapped::new(text.to_owned(), "seed");
        for step in steps {
            wrapped.step(step).unwrap();
        }
        wrapped.bytes
    }

    #[test]
    fn functions_spell_texts_as_their_standards_say() {
        // The vectors of RFC 4648, section 10.
        for (text, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(apply("b64", text).unwrap(), expected);
        }
        for (function, text, expected) in [
            ("b64url", "a?>~", "YT8-fg"),
            ("hex", "Az/", "417a2f"),
            ("HEX", "Az/", "417A2F"),
            ("pct", "a/b=c+ ~", "a%2Fb%3Dc%2B%20~"),
            ("pctall", "a/", "%61%2F"),
            ("unicode", "A/é", "\\u0041\\u002f\\u00e9"),
            ("json", "a/\"b\\\n", "a/\\\"b\\\\\\n"),
            ("codepoints", "A/é", "\\u{41}\\u{2f}\\u{e9}"),
            ("jsonesc", "a/\"b\\\n", "a\\/\\\"b\\\\\\n"),
            ("entities", "A/", "&#65;&#47;"),
            ("xentities", "A/", "&#x41;&#x2F;"),
            ("qp", "a=é\nb", "a=3D=C3=A9\nb"),
            ("utf16b64", "AB", "QQBCAA=="),
        ] {
            assert_eq!(apply(function, text).unwrap(), expected, "{function}");
        }
        assert!(apply("rot13", "x").is_err());
    }

    #[test]
    fn long_lines_are_broken() {
        let mime = apply("b64mime", &"x".repeat(100)).unwrap();
        assert_eq!(mime.lines().map(str::len).collect::<Vec<_>>(), [76, 60]);
        let quoted = apply("qp", &"x".repeat(100)).unwrap();
        assert_eq!(quoted.lines().map(str::len).collect::<Vec<_>>(), [76, 25]);
        assert!(quoted.lines().next().unwrap().ends_with('='));
    }

    #[test]
    fn a_separator_is_put_in_once() {
        assert_eq!(split("abcdef", 4, r#"\" +\n\""#).unwrap(), "abcd\" +\n\"ef");
        assert_eq!(split("ab", 1, r"\\n").unwrap(), "a\\nb");
        assert!(split("abc", 3, "-").is_err());
    }

    #[test]
    fn what_was_gzipped_can_be_read() {
        let bytes = wrapped_in("text", &["gzip"]);
        let mut text = String::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
        assert!(apply("gz64", "text").unwrap().starts_with("H4sI"));
    }

    #[test]
    fn wraps_follow_each_other() {
        assert_eq!(wrapped_in("a\nb", &["crlf"]), b"a\r\nb");
        assert_eq!(wrapped_in("a\nb", &["zeros"]), b"a\0b");
        assert_eq!(wrapped_in("a", &["bom"]), b"\xEF\xBB\xBFa");
        assert_eq!(wrapped_in("a", &["utf-16le", "bom"]), b"\xFF\xFEa\0");
        assert_eq!(wrapped_in("a\n", &["crlf", "utf-16be", "bom"]), b"\xFE\xFF\0a\0\r\0\n");
        assert_eq!(wrapped_in("foo", &["b64"]), b"Zm9v");
    }

    #[test]
    fn wraps_keep_the_text() {
        let binary = wrapped_in("text", &["binary"]);
        assert_eq!((binary.len(), &binary[200..206]), (406, &b"\0text\0"[..]));
        let wide = wrapped_in("t", &["utf-16le", "binary"]);
        assert_eq!((wide.len(), &wide[200..206]), (406, &b"\0\0t\0\0\0"[..]));
        let huge = String::from_utf8(wrapped_in("text\n", &["huge"])).unwrap();
        assert!(huge.contains(";text;") && !huge.contains('\n') && huge.len() > 80_000);
        let padded = String::from_utf8(wrapped_in("text\n", &["pad:20"])).unwrap();
        assert_eq!(padded.lines().nth(20), Some("text"));
        assert_eq!(padded.lines().count(), 41);
    }

    #[test]
    fn a_wrap_that_there_is_not_is_refused() {
        let mut wrapped = Wrapped::new("a".to_owned(), "seed");
        assert!(wrapped.step("rot13").is_err());
        assert!(wrapped.step("pad:x").is_err());
        let mut wide = Wrapped::new("a".to_owned(), "seed");
        wide.step("utf-16le").unwrap();
        assert!(wide.step("crlf").unwrap_err().contains("goes before"));
    }
}
