//! A line of `.keysweepignore`: `FINGERPRINT id-only until=2027-01-31 path=/tests/** # why`. Lines stand for themselves, so that they can be
//! sorted, merged and dropped.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;

use super::globs::Globs;
use crate::finding::Finding;
use crate::finding::keyed::Print;

/// Marks an entry for an id that stood by itself.
const ID_ONLY: &str = "id-only";

/// A credential that is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Which one.
    pub print: Print,
    /// It knows an id by itself: once the secret access key of that is out as well, this says nothing.
    pub id_only: bool,
    /// The last day on which it is not reported; without one, there is none.
    pub until: Option<Date>,
    /// Where it is not reported; without any, everywhere.
    pub paths: Globs,
    /// Why.
    pub reason: String,
}

impl Entry {
    /// For a credential everywhere and for ever.
    pub fn bare(print: Print) -> Self {
        Self {
            print,
            id_only: false,
            until: None,
            paths: Globs::new(Vec::new()).expect("no glob is no bad one"),
            reason: String::new(),
        }
    }

    /// Whether a finding is no more than it knew.
    pub fn knew(&self, finding: &Finding) -> bool {
        !self.id_only || finding.is_id_alone()
    }

    /// Whether it does not hold on that day any more.
    pub fn has_expired(&self, today: Date) -> bool {
        self.until.is_some_and(|until| until < today)
    }
}

/// A day as it is written in entries and flags.
///
/// # Errors
/// What is to be written instead.
pub fn date(text: &str) -> Result<Date, String> {
    let shaped = text.len() == 10 && text.bytes().all(|c| c.is_ascii_digit() || c == b'-');
    let date = shaped.then(|| text.parse::<Date>().ok()).flatten();
    date.ok_or_else(|| format!("{text:?} is no day; write it as 2027-01-31"))
}

impl FromStr for Entry {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let (words, reason) = words(line)?;
        let (print, options) = words.split_first().ok_or("it has no fingerprint")?;
        let print = print.parse().map_err(|error| format!("it does not begin with a fingerprint: {error}"))?;
        let mut id_only = false;
        let mut until = None;
        let mut globs = Vec::new();
        for option in options {
            match option.split_once('=') {
                None if option == ID_ONLY => id_only = true,
                Some(("until", day)) if until.is_none() => until = Some(date(day)?),
                Some(("until", _)) => return Err("it has `until=` twice".to_owned()),
                Some(("path", glob)) => globs.push(glob.to_owned()),
                _ => {
                    return Err(format!(
                        "{option:?} is neither {ID_ONLY} nor until=DATE nor path=GLOB; a reason stands at the end, after a #"
                    ));
                }
            }
        }
        let reason = reason.filter(|reason| !reason.is_empty());
        let reason = reason.ok_or("it has no reason; write why at its end, after a #")?;
        let paths = Globs::new(globs).map_err(|error| error.to_string())?;
        Ok(Self { print, id_only, until, paths, reason: reason.to_owned() })
    }
}

/// The words before the reason, and the reason. What stands in quotes is in one word.
fn words(line: &str) -> Result<(Vec<String>, Option<&str>), String> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        if let Some(reason) = rest.strip_prefix('#') {
            return Ok((words, Some(reason.trim())));
        }
        let (word, after) = word(rest)?;
        words.push(word);
        rest = after.trim_start();
    }
    Ok((words, None))
}

/// The first word, and what follows. In quotes a backslash takes from a quote and from another backslash what they mean.
fn word(text: &str) -> Result<(String, &str), String> {
    let mut word = String::new();
    let mut quoted = false;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' if quoted && chars.peek().is_some_and(|(_, next)| matches!(next, '"' | '\\')) => {
                word.extend(chars.next().map(|(_, c)| c));
            }
            c if c.is_whitespace() && !quoted => return Ok((word, &text[at..])),
            c => word.push(c),
        }
    }
    if quoted { Err("a quote is opened and not closed".to_owned()) } else { Ok((word, "")) }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.print)?;
        if self.id_only {
            write!(f, " {ID_ONLY}")?;
        }
        if let Some(until) = self.until {
            write!(f, " until={until}")?;
        }
        for glob in self.paths.lines() {
            if glob.contains(|c: char| c.is_whitespace() || c == '"') {
                write!(f, " path=\"{}\"", glob.replace('\\', r"\\").replace('"', "\\\""))?;
            } else {
                write!(f, " path={glob}")?;
            }
        }
        let reason: Vec<&str> = self.reason.split_whitespace().collect();
        write!(f, " # {}", reason.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Fingerprint;
    use crate::finding::keyed::FingerprintKey;

    fn print() -> Print {
        Print::Plain(Fingerprint::of(b"a"))
    }

    #[test]
    fn lines_are_read_as_they_are_written() {
        let key = FingerprintKey::new(&[7; 16]).unwrap();
        let keyed = key.print(&Fingerprint::of(b"a"));
        for (line, until, paths, reason) in [
            (format!("{} # why", print()), None, &[][..], "why"),
            (format!("{keyed} until=2027-01-31 # why # so"), Some("2027-01-31"), &[], "why # so"),
            (format!("{} path=/a path=!/a/b # x", print()), None, &["/a", "!/a/b"], "x"),
            (
                format!("{} until=2027-01-31 path=\"a b\" path=\"\\\"\" # x", print()),
                Some("2027-01-31"),
                &["a b", "\""],
                "x",
            ),
            (format!("{} path=a\\b # x", print()), None, &["a\\b"], "x"),
            (format!("{} path=\"a b\\\\\\\\\" # x", print()), None, &["a b\\\\"], "x"),
            (format!("{} id-only until=2027-01-31 # x", print()), Some("2027-01-31"), &[], "x"),
        ] {
            let entry: Entry = line.parse().unwrap();
            assert_eq!(entry.id_only, line.contains("id-only"));
            assert_eq!(entry.to_string(), line);
            assert_eq!(entry.until.map(|until| until.to_string()).as_deref(), until);
            assert_eq!(
                (entry.paths.lines(), &*entry.reason),
                (&paths.iter().map(|&p| p.to_owned()).collect::<Vec<_>>()[..], reason)
            );
        }
        let spaced: Entry = format!("  {}\tpath=a   until=2027-01-31 #why\r", print()).parse().unwrap();
        assert_eq!(spaced.to_string(), format!("{} until=2027-01-31 path=a # why", print()));
    }

    #[test]
    fn what_is_no_line_is_refused_with_what_is_wrong() {
        for (line, wrong) in [
            ("# why", "no fingerprint"),
            ("AKIA # why", "64 hexadecimal digits"),
            ("{} why", "\"why\" is neither"),
            ("{} id-only=1 # x", "\"id-only=1\" is neither"),
            ("{}", "no reason"),
            ("{} #  ", "no reason"),
            ("{} until=soon # x", "\"soon\" is no day"),
            ("{} until=2027-02-30 # x", "no day"),
            ("{} until=2027-01-31T00:00:00 # x", "no day"),
            ("{} until=2027-01-31 until=2027-01-31 # x", "twice"),
            ("{} path= # x", "names nothing"),
            ("{} path={a # x", "no pattern"),
            ("{} path=\"a # x", "not closed"),
            ("{} line=7 # x", "neither id-only nor until=DATE nor path=GLOB"),
        ] {
            let error = line.replace("{}", &print().to_string()).parse::<Entry>().unwrap_err();
            assert!(error.contains(wrong), "{line}: {error}");
        }
    }

    #[test]
    fn an_entry_holds_on_its_last_day_and_not_on_the_next() {
        let entry = Entry { until: Some(date("2027-01-31").unwrap()), ..Entry::bare(print()) };
        assert!(!entry.has_expired(date("2027-01-31").unwrap()) && entry.has_expired(date("2027-02-01").unwrap()));
        assert!(!Entry::bare(print()).has_expired(Date::MAX));
    }
}
