//! Regexes as Go reads them (RE2, <https://pkg.go.dev/regexp/syntax>), spelled so that the `regex` crate reads the same. Most of it
//! is spelled alike; what is not: classes and word boundaries are ASCII, braces that count nothing are letters, and in a class
//! no sign but `^`, `-`, `]` and `\` means anything.

use std::fmt::Write as _;

use regex::bytes::{Regex, RegexBuilder};

/// What a compiled regex may take; the longest regexes that are in use need a tenth of it.
const SIZE_LIMIT: usize = 64 << 20;
const CACHE_LIMIT: usize = 8 << 20;

const DIGITS: &str = "0-9";
/// Without the vertical tab, unlike the POSIX class.
const SPACES: &str = r"\t\n\x0C\r ";
const WORDS: &str = "0-9A-Za-z_";
/// Names of classes that stand in a class as `[:name:]`.
const CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// Compiles a regex that is written for Go.
///
/// # Errors
/// What is wrong with it.
pub(super) fn compiled(go: &str) -> Result<Regex, String> {
    built(&translated(go)?)
}

/// Compiles several into one that matches where any does. They are put side by side in one group, as gitleaks does, so that flags
/// set in one hold for those behind it.
pub(super) fn compiled_any(go: &[String]) -> Result<Regex, String> {
    let translated = go.iter().map(|regex| translated(regex)).collect::<Result<Vec<_>, _>>()?;
    built(&format!("(?:{})", translated.join("|")))
}

/// Says what is wrong with a regex that is compiled together with others.
pub(super) fn checked(go: &str) -> Result<(), String> {
    let regex = translated(go)?;
    let parsed = regex_syntax::ParserBuilder::new().utf8(false).build().parse(&regex);
    parsed.map(drop).map_err(|error| last_line(&error))
}

fn built(regex: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(regex).size_limit(SIZE_LIMIT).dfa_size_limit(CACHE_LIMIT).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "too large when compiled, use smaller repetitions".to_owned(),
        error => last_line(&error),
    })
}

/// What is wrong; the lines before it draw the place under the regex.
fn last_line(error: &dyn std::error::Error) -> String {
    error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

fn translated(go: &str) -> Result<String, String> {
    let mut reader = Reader { rest: go, out: String::with_capacity(go.len() + 16) };
    while let Some(c) = reader.next() {
        match c {
            '\\' => reader.escape()?,
            '[' => reader.class()?,
            '(' => reader.group()?,
            '{' => reader.brace(),
            ']' | '}' => reader.literal(c),
            _ => reader.out.push(c),
        }
    }
    Ok(reader.out)
}

struct Reader<'a> {
    rest: &'a str,
    out: String,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn skip(&mut self, start: &str) -> bool {
        match self.rest.strip_prefix(start) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// What stands before `end`; skips both.
    fn until(&mut self, end: &str) -> Option<&'a str> {
        let (before, after) = self.rest.split_once(end)?;
        self.rest = after;
        Some(before)
    }

    /// A character that stands for itself, in a class or outside.
    fn literal(&mut self, c: char) {
        if c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii() {
            self.out.push(c);
        } else {
            // Writing to a String can't fail.
            let _ = write!(self.out, r"\x{:02X}", c as u32);
        }
    }

    /// Behind a backslash outside of a class.
    fn escape(&mut self) -> Result<(), String> {
        match self.rest.chars().next() {
            Some('A') => self.put(r"\A"),
            Some('z') => self.put(r"\z"),
            Some('b') => self.put(r"(?-u:\b)"),
            Some('B') => self.put(r"(?-u:\B)"),
            Some('Q') => {
                self.next();
                let quoted = self.until(r"\E").unwrap_or_else(|| std::mem::take(&mut self.rest));
                quoted.chars().for_each(|c| self.literal(c));
            }
            Some(c) if self.has_set(c) => self.set(c, false)?,
            _ => {
                let c = self.escaped()?;
                self.literal(c);
            }
        }
        Ok(())
    }

    /// Writes something for the next character.
    fn put(&mut self, regex: &str) {
        self.next();
        self.out.push_str(regex);
    }

    /// Whether a letter behind a backslash stands for a set of characters.
    fn has_set(&self, c: char) -> bool {
        "dDsSwWpP".contains(c)
    }

    /// A letter that stands for a set of characters.
    fn set(&mut self, c: char, in_class: bool) -> Result<(), String> {
        self.next();
        let set = match c {
            'd' | 'D' => DIGITS,
            's' | 'S' => SPACES,
            'w' | 'W' => WORDS,
            _ => return self.property(c == 'P'),
        };
        let _ = match (c.is_ascii_uppercase(), in_class) {
            (true, _) => write!(self.out, "[^{set}]"),
            (false, true) => write!(self.out, "{set}"),
            (false, false) => write!(self.out, "[{set}]"),
        };
        Ok(())
    }

    /// The name of a property of Unicode, in braces or of one letter.
    fn property(&mut self, mut negated: bool) -> Result<(), String> {
        let wrong = || r"`\p` needs a name, as in `\p{Greek}`".to_owned();
        let name = if self.skip("{") {
            self.until("}").ok_or_else(wrong)?.to_owned()
        } else {
            self.next().ok_or_else(wrong)?.to_string()
        };
        let name = match name.strip_prefix('^') {
            Some(name) => {
                negated = !negated;
                name
            }
            None => &name,
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(wrong());
        }
        let letter = if negated { 'P' } else { 'p' };
        let _ = write!(self.out, r"\{letter}{{{name}}}");
        Ok(())
    }

    /// The character that an escape sequence stands for.
    fn escaped(&mut self) -> Result<char, String> {
        let c = self.next().ok_or("a backslash stands at the end")?;
        Ok(match c {
            'a' => '\x07',
            'f' => '\x0C',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0B',
            'x' => self.hexadecimal()?,
            '0'..='7' => self.octal(c)?,
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => c,
            c => return Err(format!(r"`\{c}` means nothing in Go's regexes")),
        })
    }

    fn hexadecimal(&mut self) -> Result<char, String> {
        let wrong = || r"`\x` needs two hexadecimal digits, or some in braces".to_owned();
        let digits = if self.skip("{") {
            self.until("}").ok_or_else(wrong)?
        } else {
            let (digits, rest) = self.rest.split_at_checked(2).ok_or_else(wrong)?;
            self.rest = rest;
            digits
        };
        if !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).ok_or_else(wrong)
    }

    /// Up to three octal digits. One alone that is no zero would be a reference to a group, which RE2 has not.
    fn octal(&mut self, first: char) -> Result<char, String> {
        let more = self.rest.bytes().take(2).take_while(|c| matches!(c, b'0'..=b'7')).count();
        if first != '0' && more == 0 {
            return Err(format!(r"`\{first}` would refer to a group, which these regexes can't"));
        }
        let digits = format!("{first}{}", &self.rest[..more]);
        self.rest = &self.rest[more..];
        u32::from_str_radix(&digits, 8)
            .ok()
            .and_then(char::from_u32)
            .ok_or_else(|| format!(r"`\{digits}` is no character"))
    }

    /// Behind an opening parenthesis.
    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        if !self.skip("?") {
            return Ok(());
        }
        if self.skip("P<") || self.skip("<") {
            let name = self.until(">").ok_or("a group's name has no end")?;
            let _ = write!(self.out, "?P<{name}>");
            return Ok(());
        }
        let flags = self.rest.bytes().take_while(|c| b"imsU-".contains(c)).count();
        match self.rest[flags..].chars().next() {
            Some(':' | ')') => {
                let _ = write!(self.out, "?{}", &self.rest[..flags]);
                self.rest = &self.rest[flags..];
                Ok(())
            }
            Some(c) => {
                Err(format!("`(?{}{c}` means nothing in Go's regexes: there is no looking around", &self.rest[..flags]))
            }
            None => Err("a group has no end".to_owned()),
        }
    }

    /// Behind an opening brace: it counts, or it is a letter.
    fn brace(&mut self) {
        let count = self.rest.split_once('}').map(|(count, _)| count);
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        let counts = count.is_some_and(|count| match count.split_once(',') {
            Some((least, most)) => is_number(least) && (most.is_empty() || is_number(most)),
            None => is_number(count),
        });
        match count {
            Some(count) if counts => {
                let _ = write!(self.out, "{{{count}}}");
                self.rest = &self.rest[count.len() + 1..];
            }
            _ => self.literal('{'),
        }
    }

    /// Behind an opening bracket.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.skip("^") {
            self.out.push('^');
        }
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            if let Some((name, rest)) = self.rest.strip_prefix("[:").and_then(|rest| rest.split_once(":]")) {
                if !CLASSES.contains(&name.strip_prefix('^').unwrap_or(name)) {
                    return Err(format!("`[:{name}:]` is no class; there are {}", CLASSES.join(", ")));
                }
                let _ = write!(self.out, "[:{name}:]");
                self.rest = rest;
                continue;
            }
            if let Some(c) = self.rest.strip_prefix('\\').and_then(|rest| rest.chars().next())
                && self.has_set(c)
            {
                self.next();
                self.set(c, true)?;
                continue;
            }
            let low = self.class_character()?;
            self.literal(low);
            let is_range = self.rest.starts_with('-') && !self.rest.starts_with("-]");
            if is_range {
                self.next();
                let high = self.class_character()?;
                self.out.push('-');
                self.literal(high);
            }
        }
        self.put("]");
        Ok(())
    }

    fn class_character(&mut self) -> Result<char, String> {
        match self.next().ok_or("a class has no `]`")? {
            '\\' => self.escaped(),
            c => Ok(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finds(go: &str, text: &str) -> Option<String> {
        let regex = compiled(go).unwrap_or_else(|error| panic!("{go}: {error}"));
        regex.find(text.as_bytes()).map(|found| String::from_utf8_lossy(found.as_bytes()).into_owned())
    }

    #[test]
    fn what_is_spelled_alike_stays() {
        for (go, text, expected) in [
            (r"a|b+(?:c)(d)?", "xbbcd", "bbcd"),
            ("(?i)KEY-[a-z]{2,3}", "key-abcd", "key-abc"),
            ("(?P<x>a)(?<y>b)", "ab", "ab"),
            (r"\Aa.\z", "aé", "aé"),
            (r"[[:alpha:]_]+", "1a_b", "a_b"),
            (r"[[:^alpha:]b]+", "a1bc", "1b"),
            (r"\p{Greek}\pL\P{Greek}\p{^Greek}", "λxyz", "λxyz"),
            (r"(?s).(?m:$)", "a\nb", "a"),
            (r"\x41\x{e9}\07\101\n", "Aé\x07A\n", "Aé\x07A\n"),
        ] {
            assert_eq!(finds(go, text).as_deref(), Some(expected), "{go}");
        }
    }

    #[test]
    fn classes_and_boundaries_are_ascii() {
        assert_eq!(finds(r"\w+", "éa1").as_deref(), Some("a1"));
        assert_eq!(finds(r"\d", "٣4").as_deref(), Some("4"));
        assert_eq!(finds(r"\ba", "éa").as_deref(), Some("a"));
        assert_eq!(finds(r"[\w-.]+", "é-a.b").as_deref(), Some("-a.b"));
        assert_eq!(finds(r"\S+", "\t\u{a0}\u{b}x ").as_deref(), Some("\u{a0}\u{b}x"));
        assert_eq!(finds(r"[^\s]+", " ab ").as_deref(), Some("ab"));
        assert_eq!(finds(r"[\D]+", "1ab2").as_deref(), Some("ab"));
    }

    #[test]
    fn braces_that_count_nothing_are_letters() {
        for (go, text) in [
            (r"^\${(?:[A-Z_]+)}$", "${A_B}"),
            ("a{", "a{"),
            ("a{,3}", "a{,3}"),
            ("a{x}", "a{x}"),
            (r"\{\{x}}", "{{x}}"),
            ("a]", "a]"),
        ] {
            assert_eq!(finds(go, text).as_deref(), Some(text), "{go}");
        }
        assert_eq!(finds("a{2,}b{1}", "aaab").as_deref(), Some("aaab"));
    }

    #[test]
    fn in_a_class_other_signs_mean_nothing() {
        for (go, text) in [
            ("^[a[b]+$", "[ab"),
            ("^[]a]+$", "]a"),
            ("^[a&&b]+$", "&ab"),
            ("^[a~~b]+$", "~a"),
            ("^[!--]+$", "!-"),
            ("^[a-]+$", "-a"),
            (r"^[\[\]\-\/\<]+$", "[]-/<"),
            (r"^[\x00-\x{10FFFF}]+$", "é"),
        ] {
            assert_eq!(finds(go, text).as_deref(), Some(text), "{go}");
        }
        assert_eq!(finds("[a&&b]", "c"), None);
    }

    #[test]
    fn what_is_quoted_or_escaped_stands_for_itself() {
        assert_eq!(finds(r"\Qa.b\E+", "a.bbb").as_deref(), Some("a.bbb"));
        assert_eq!(finds(r"\Qa(b", "a(b").as_deref(), Some("a(b"));
        assert_eq!(finds(r#"\<\>\/\"\_\ "#, r#"<>/"_ "#).as_deref(), Some(r#"<>/"_ "#));
    }

    #[test]
    fn flags_of_one_regex_hold_for_those_behind_it_in_the_same_list() {
        let any = compiled_any(&["(?i)^true".to_owned(), "null$".to_owned()]).unwrap();
        assert!(any.is_match(b"is NULL") && any.is_match(b"True"));
        let any = compiled_any(&["null$".to_owned(), "(?i)^true".to_owned()]).unwrap();
        assert!(!any.is_match(b"is NULL"));
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for (go, expected) in [
            ("(?=a)", "no looking around"),
            ("(?<!a)b", "no end"),
            (r"(a)\1", "refer to a group"),
            (r"\Z", "means nothing"),
            (r"[\b]", "means nothing"),
            (r"\é", "means nothing"),
            ("[a", "no `]`"),
            ("(a", "unclosed group"),
            (r"\x4", "two hexadecimal digits"),
            (r"\p{}", "needs a name"),
            ("a\\", "at the end"),
            ("*a", "repetition operator missing expression"),
            ("(?x)a", "means nothing"),
            ("[[:alpha]b[:]", "is no class; there are alnum"),
            ("[[:letter:]]", "`[:letter:]` is no class"),
            (r"(?:\pL{1000}){1000}", "too large when compiled, use smaller repetitions"),
        ] {
            let error = compiled(go).unwrap_err();
            assert!(error.contains(expected), "{go}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r"[\\\[\](){}?*+|^$.:<>a-fA-FpPxQEdsw0-9,&~é-]{0,40}") {
            let _ = compiled(&text);
        }
    }
}
