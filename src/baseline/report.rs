//! Fingerprints out of an earlier report of keysweep, as one document or line by line, with or without secrets in it.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use super::entry::Entry;
use crate::finding::is_called_key;
use crate::finding::keyed::Print;

/// What a report told of a finding that it counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// Its fingerprint, as it was written.
    pub print: Print,
    /// Its id, if it had one.
    pub access_key_id: Option<String>,
    /// It is an id without its secret access key.
    pub id_only: bool,
    /// It did not count.
    pub suppressed: bool,
}

/// Why a text is no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoReport {
    /// It is no JSON, or has other fields. The values are not told: there may be secrets among them.
    #[error("line {0}, column {1}: that is no report of keysweep as JSON or JSON Lines")]
    Syntax(usize, usize),
    /// Another program wrote it, or another version.
    #[error("its schema is {0:?} and not \"keysweep/v1\"")]
    Schema(String),
    /// A fingerprint is none.
    #[error("it has something else where a fingerprint should be")]
    Fingerprint,
    /// The last line is missing.
    #[error("it has no summary: it was cut short")]
    CutShort,
}

/// The document, or a line of JSON Lines.
#[derive(Deserialize)]
struct Part {
    schema: String,
    #[serde(default)]
    findings: Findings,
    r#type: Option<String>,
    #[serde(flatten)]
    found: Option<Found>,
    summary: Option<IgnoredAny>,
}

/// The findings of a document; the last of some lines has how many there were instead.
#[derive(Default)]
struct Findings(Vec<Found>);

impl<'de> Deserialize<'de> for Findings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self::default())
    }
}

impl<'de> Visitor<'de> for Findings {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("findings, or how many there are")
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut all: A) -> Result<Self, A::Error> {
        while let Some(found) = all.next_element()? {
            self.0.push(found);
        }
        Ok(self)
    }
}

#[derive(Deserialize)]
struct Found {
    fingerprint: String,
    access_key_id: Option<String>,
    #[serde(default)]
    secrets: Vec<FoundSecret>,
    suppressed: Option<IgnoredAny>,
    #[serde(default)]
    occurrences: Vec<FoundPlace>,
}

#[derive(Deserialize)]
struct FoundPlace {
    suppressed: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct FoundSecret {
    kind: String,
}

impl Found {
    /// With `--fail-on any` it counts all the same, which only its places tell.
    fn is_suppressed(&self) -> bool {
        let everywhere =
            !self.occurrences.is_empty() && self.occurrences.iter().all(|place| place.suppressed.is_some());
        self.suppressed.is_some() || everywhere
    }

    /// As of a finding.
    fn is_id_alone(&self) -> bool {
        self.access_key_id.is_some() && !self.secrets.iter().any(|secret| is_called_key(&secret.kind))
    }
}

/// Whether a text is more like a report than like a `.keysweepignore`.
pub fn is_like(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// All findings of a report.
///
/// # Errors
/// When it is none, or not whole.
pub fn parse(text: &str) -> Result<Vec<Reported>, NoReport> {
    let mut all = Vec::new();
    let mut is_whole = false;
    for part in serde_json::Deserializer::from_str(text).into_iter::<Part>() {
        let part = part.map_err(|error| NoReport::Syntax(error.line(), error.column()))?;
        if part.schema != "keysweep/v1" {
            return Err(NoReport::Schema(part.schema));
        }
        is_whole |= part.summary.is_some() || part.r#type.as_deref() == Some("summary");
        let found = part.found.filter(|_| part.r#type.as_deref() == Some("finding"));
        for found in part.findings.0.into_iter().chain(found) {
            let print = found.fingerprint.parse().map_err(|_| NoReport::Fingerprint)?;
            let suppressed = found.is_suppressed();
            let id_only = found.is_id_alone();
            all.push(Reported { print, id_only, access_key_id: found.access_key_id, suppressed });
        }
    }
    if is_whole { Ok(all) } else { Err(NoReport::CutShort) }
}

/// A report as a list of what is known: what counted in it. What it told to be suppressed may have been so at some of its places, by a
/// comment or a path, and says nothing of others.
///
/// # Errors
/// Those of [`parse`].
pub fn entries(text: &str) -> Result<Vec<Entry>, NoReport> {
    let counted = parse(text)?.into_iter().filter(|found| !found.suppressed);
    Ok(counted.map(|found| Entry { id_only: found.id_only, ..Entry::bare(found.print) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Fingerprint;

    fn finding(seed: &str, suppressed: &str) -> String {
        let print = Fingerprint::of(seed.as_bytes());
        format!(
            r#""fingerprint":"{print}","rule":"r","access_key_id":"{seed}","secrets":[{{"kind":"secret_access_key","value":"x"}}],"suppressed":{suppressed}"#
        )
    }

    #[test]
    fn documents_and_lines_give_the_same() {
        let (one, two) = (finding("a", "null"), finding("b", r#"{"by":"comment","reason":null}"#));
        let document =
            format!(r#"{{"schema":"keysweep/v1","findings":[{{{one}}},{{{two}}}],"summary":{{"findings":1}}}}"#);
        let head = r#"{"schema":"keysweep/v1","type":"#;
        let lines = format!(
            "{head}\"finding\",{one}}}\r\n{head}\"finding\",{two}}}\n\n{head}\"summary\",\"findings\":1,\"suppressed\":1}}\n"
        );
        let found = parse(&document).unwrap();
        assert_eq!(parse(&lines).unwrap(), found);
        let told: Vec<_> = found.iter().map(|f| (f.access_key_id.as_deref().unwrap(), f.suppressed)).collect();
        assert_eq!(told, [("a", false), ("b", true)]);
        assert!(is_like(&document) && is_like(&lines) && !is_like("# a\n{"));
        let known = entries(&document).unwrap();
        assert_eq!((known.len(), known[0].print, known[0].id_only), (1, found[0].print, false));
        let alone = document.replace("secret_access_key", "presigned_url");
        assert!(entries(&alone).unwrap()[0].id_only, "the signature of a URL is no key");
        let cut = lines.lines().next().unwrap();
        assert_eq!(parse(cut), Err(NoReport::CutShort));
    }

    #[test]
    fn what_is_no_report_is_refused_and_not_shown() {
        for (text, wrong) in [
            ("{", "line 1, column 1"),
            ("{\n\"runs\": []}", "line 2"),
            (r#"{"schema":"keysweep/v2","findings":[],"summary":{}}"#, "keysweep/v2"),
            (r#"{"schema":"keysweep/v1","findings":[{"fingerprint":"hunter2"}],"summary":{}}"#, "fingerprint"),
            ("", "cut short"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(wrong) && !error.contains("hunter2"), "{error}");
        }
    }
}
