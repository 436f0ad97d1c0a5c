//! All of a `.keysweepignore`: read, changed and written so that git merges it.
//!
//! Entries are sorted, and before those that begin with the same two digits stands a line that never changes, `#00` to `#ff`. Git calls
//! it a conflict when both sides change lines that touch; with these between them what two branches add rarely touches, whatever
//! merges them. For the rest there is `merge=union` in `.gitattributes` ([`ATTRIBUTE`]).

use std::fmt;

use super::entry::Entry;

/// What `.gitattributes` says of the file: of lines that touch, those of both sides are taken.
pub const ATTRIBUTE: &str = ".keysweepignore merge=union";

/// What the file says of itself.
const HEADER: [&str; 3] = [
    "# Credentials that keysweep knows and does not report; kept by `keysweep baseline`. A line is a fingerprint, perhaps",
    "# id-only, until=DATE and path=GLOB, and the reason after a #. Lines such as #00 stay as they are: they keep entries apart, so that",
    "# git merges what branches add.",
];

/// A `.keysweepignore`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IgnoreFile {
    /// Comments of the user's before everything.
    preamble: Vec<String>,
    items: Vec<Item>,
    /// Comments behind the last entry.
    trailer: Vec<String>,
}

/// An entry and the comments right above it.
#[derive(Clone, Debug, PartialEq)]
struct Item {
    comments: Vec<String>,
    entry: Entry,
}

/// A line that is no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadLine {
    /// From 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

/// What would be written means something else when it is read again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// A line would be refused.
    #[error("what would be written could not be read again: {0}")]
    Refused(#[from] BadLine),
    /// The entries would be others.
    #[error("what would be written would be read as other entries than were meant")]
    Changed,
}

/// What became of an entry that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is new.
    New,
    /// There was one for the same credential and the same paths, which it replaces.
    Replaced,
    /// It was there.
    Known,
}

impl IgnoreFile {
    /// From its text.
    ///
    /// # Errors
    /// The first line that is neither an entry nor a comment.
    pub fn parse(text: &str) -> Result<Self, BadLine> {
        let mut file = Self::default();
        let mut comments = Vec::new();
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() {
                // A comment that stands apart at the top is about everything.
                if file.items.is_empty() {
                    file.preamble.append(&mut comments);
                }
            } else if line.starts_with('#') {
                if !HEADER.contains(&line) && !is_anchor(line) {
                    comments.push(line.to_owned());
                }
            } else {
                let entry = line.parse().map_err(|why| BadLine { line: number, why })?;
                file.items.push(Item { comments: std::mem::take(&mut comments), entry });
            }
        }
        file.trailer = comments;
        Ok(file)
    }

    /// Its text, which says when read what this says.
    ///
    /// # Errors
    /// When it does not: nobody is served by a file that the next scan refuses.
    pub fn text(&self) -> Result<String, Unwritable> {
        let text = self.to_string();
        let again = Self::parse(&text)?;
        let sorted = |file: &Self| {
            let mut entries: Vec<Entry> = file.entries().cloned().collect();
            entries.sort_by_cached_key(Entry::to_string);
            entries
        };
        if sorted(&again) == sorted(self) { Ok(text) } else { Err(Unwritable::Changed) }
    }

    /// Its entries, as they stand.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.items.iter().map(|item| &item.entry)
    }

    /// Adds an entry; one for the same credential and the same paths is replaced. Its reason becomes one line.
    pub fn add(&mut self, mut entry: Entry) -> Added {
        entry.reason = entry.reason.split_whitespace().collect::<Vec<_>>().join(" ");
        let is_same = |item: &&mut Item| item.entry.print == entry.print && item.entry.paths == entry.paths;
        match self.items.iter_mut().find(is_same) {
            Some(item) if item.entry == entry => Added::Known,
            Some(item) => {
                item.entry = entry;
                Added::Replaced
            }
            None => {
                self.items.push(Item { comments: Vec::new(), entry });
                Added::New
            }
        }
    }

    /// Keeps the entries of which `keep` says so, by their number; their comments go with the others.
    pub fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        let mut number = 0;
        self.items.retain(|_| {
            number += 1;
            keep(number - 1)
        });
    }
}

fn is_anchor(line: &str) -> bool {
    let digits = line.strip_prefix('#').filter(|digits| digits.len() == 2);
    digits.is_some_and(|digits| digits.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')))
}

impl fmt::Display for IgnoreFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = |lines: &[String]| lines.iter().try_for_each(|line| writeln!(f, "{line}"));
        lines(&HEADER.map(str::to_owned))?;
        lines(&self.preamble)?;
        // Apart from the comments of the first entry.
        lines(&[String::new()])?;
        let mut items: Vec<(String, &Item)> =
            self.items.iter().map(|item| (item.entry.print.digits().to_string(), item)).collect();
        items.sort_by_cached_key(|(digits, item)| (digits.clone(), item.entry.to_string()));
        let mut items = items.into_iter().peekable();
        for part in 0..=u8::MAX {
            let start = format!("{part:02x}");
            lines(&[format!("#{start}")])?;
            while let Some((_, item)) = items.next_if(|(digits, _)| digits.starts_with(&start)) {
                lines(&item.comments)?;
                lines(&[item.entry.to_string()])?;
            }
        }
        lines(&self.trailer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::date;
    use super::*;
    use crate::finding::Fingerprint;
    use crate::finding::keyed::Print;

    fn entry(number: u32, reason: &str) -> Entry {
        let print = Print::Plain(Fingerprint::of(&number.to_le_bytes()));
        Entry { reason: reason.to_owned(), ..Entry::bare(print) }
    }

    fn entries(text: &str) -> Vec<&str> {
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
    }

    #[test]
    fn what_is_written_is_sorted_and_reads_the_same() {
        let mut file = IgnoreFile::default();
        (0..500).for_each(|number| assert_eq!(file.add(entry(number, "why")), Added::New));
        let text = file.to_string();
        let lines = entries(&text);
        assert_eq!(lines.len(), 500);
        assert!(lines.is_sorted());
        let again = IgnoreFile::parse(&text).unwrap();
        assert_eq!(again.to_string(), text);
        assert_eq!(text.lines().filter(|line| is_anchor(line)).count(), 256);
        // Each entry stands below its own line.
        let mut part = "";
        for line in text.lines() {
            if let Some(digits) = line.strip_prefix('#').filter(|_| is_anchor(line)) {
                part = digits;
            } else if !line.starts_with('#') && !line.is_empty() {
                assert!(line.starts_with(part), "{line}");
            }
        }
    }

    #[test]
    fn the_same_credential_at_the_same_paths_has_one_entry() {
        let mut file = IgnoreFile::default();
        assert_eq!(file.add(entry(1, "a")), Added::New);
        assert_eq!(file.add(entry(1, "a")), Added::Known);
        assert_eq!(file.add(entry(1, "b")), Added::Replaced);
        let until = Some(date("2027-01-31").unwrap());
        assert_eq!(file.add(Entry { until, ..entry(1, "b") }), Added::Replaced);
        let paths = super::super::globs::Globs::new(vec!["a".into()]).unwrap();
        assert_eq!(file.add(Entry { paths, ..entry(1, "b") }), Added::New);
        assert_eq!(file.entries().count(), 2);
    }

    #[test]
    fn comments_stay_with_what_they_are_about() {
        let text = format!("# ours\n\n# about one\n{}\n{}\n# the end\n", entry(1, "x"), entry(2, "y"));
        let mut file = IgnoreFile::parse(&text).unwrap();
        let written = file.to_string();
        assert_eq!(IgnoreFile::parse(&written).unwrap().to_string(), written);
        assert!(written.contains(&format!("# about one\n{}\n", entry(1, "x"))), "{written}");
        assert!(written.contains("# ours\n\n#00\n") && written.ends_with("# the end\n"), "{written}");
        file.retain(|number| number > 0);
        let written = file.to_string();
        assert_eq!(entries(&written), [entry(2, "y").to_string()]);
        assert!(!written.contains("about one"));
    }

    #[test]
    fn a_line_that_is_none_is_told_by_its_number() {
        let text = format!("# x\r\n\r\n{}\r\nAKIA\r\n", entry(1, "x"));
        let error = IgnoreFile::parse(&text).unwrap_err();
        assert_eq!(error.line, 4);
        assert!(error.to_string().starts_with("line 4: "), "{error}");
        assert_eq!(IgnoreFile::parse("").unwrap(), IgnoreFile::default());
    }

    #[test]
    fn any_entries_come_back() {
        use proptest::prelude::*;
        let one = (
            any::<u32>(),
            "[a-z#\"= \\\\\t\r\n\u{a0}]{1,12}",
            prop::option::of(1i16..9000),
            prop::collection::vec("[a-z*/\"'# !?=\\\\\t\r\n\u{a0}\u{2028}]{1,8}", 0..3),
            any::<bool>(),
        );
        let mut runner = proptest::test_runner::TestRunner::default();
        runner
            .run(&prop::collection::vec(one, 0..8), |all| {
                let mut file = IgnoreFile::default();
                for (number, reason, until, globs, id_only) in all {
                    let Ok(paths) = super::super::globs::Globs::new(globs) else { continue };
                    let until = until.map(|year| jiff::civil::date(year, 2, 3));
                    let reason = if reason.trim().is_empty() { "x".to_owned() } else { reason };
                    file.add(Entry { id_only, until, paths, ..entry(number, &reason) });
                }
                let text = file.text();
                prop_assert!(text.is_ok(), "{text:?} of {file:?}");
                let text = text.unwrap();
                let again = IgnoreFile::parse(&text).unwrap();
                prop_assert_eq!(again.entries().count(), file.entries().count());
                prop_assert!(file.entries().all(|entry| again.entries().any(|other| other == entry)), "{text}");
                prop_assert_eq!(again.to_string(), text);
                Ok(())
            })
            .unwrap();
    }
}
