//! What `keysweep explain` tells: every candidate of one file with its reasons, for people and as JSON. What became of a candidate
//! was decided in the engine; secrets are redacted here as in every report.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::io::{self, BufWriter, Write};

use serde::Serialize;

use super::json::write_line;
use super::sanitize::{one_line, visible};
use super::units::{grouped, plural};
use super::{RuleInfo, bared};
use crate::engine::explain::{Candidate, Keyword, Looked, Outcome};
use crate::engine::{Encoding, SecretKind};
use crate::finding::accounts::{Accounts, Standing};
use crate::finding::comment;
use crate::finding::suppression::Suppression;
use crate::location::{Lines, Point, Span};

const SCHEMA: &str = "keysweep/explain-v1";
/// Keywords told of one line or file; JSON lists all.
const KEYWORDS: usize = 20;
/// Kinds of secrets that have an access key id somewhere.
const PAIRED: [SecretKind; 3] = [SecretKind::SecretAccessKey, SecretKind::SessionToken, SecretKind::SesSmtpPassword];
/// What rules call the kind that is no secret.
const ACCESS_KEY_ID: &str = "access_key_id";

/// Everything that is known of the candidates of a file.
#[derive(Clone, Debug)]
pub struct Explanation<'a> {
    /// What the file is called.
    pub file: &'a str,
    /// The line that was asked for, from 1; `None` for all.
    pub line: Option<u64>,
    /// The file.
    pub bytes: &'a [u8],
    /// All of its candidates, in order of place.
    pub candidates: &'a [Candidate],
    /// All of its keywords, in order of place.
    pub keywords: &'a [Keyword<'a>],
    /// The rules that were run.
    pub rules: Vec<RuleInfo<'a>>,
    /// Whether secrets are shown.
    pub show_secrets: bool,
    /// Something else that a reader should know of the file.
    pub note: Option<&'a str>,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    file: &'a str,
    line: Option<u64>,
    bytes: usize,
    candidates: Vec<Told<'a>>,
    keywords: Vec<Met<'a>>,
    note: Option<&'a str>,
}

/// One candidate.
#[derive(Serialize)]
struct Told<'a> {
    rule: Option<&'a str>,
    kind: &'static str,
    /// An id, or a secret that is to be shown.
    value: Option<String>,
    redacted: Option<String>,
    line: u64,
    column: u64,
    offset: usize,
    length: usize,
    encoding: Vec<&'static str>,
    alphabet: &'static str,
    entropy: f64,
    account_id: Option<String>,
    account: Option<&'static str>,
    placeholder: bool,
    outcome: &'static str,
    reason: Option<Reason>,
    paired_with: Vec<Partner>,
    /// The comment by which it does not count, though it is reported.
    suppressed: Option<Suppressed>,
}

#[derive(Serialize)]
struct Suppressed {
    by: &'static str,
    source: String,
    reason: Option<String>,
}

#[derive(Serialize)]
struct Reason {
    name: &'static str,
    text: String,
}

/// What a candidate is reported with.
#[derive(Clone, Serialize)]
struct Partner {
    value: String,
    line: u64,
    column: u64,
}

#[derive(Serialize)]
struct Met<'a> {
    text: &'a str,
    utf16: bool,
    line: u64,
    column: u64,
    rules: &'a [&'a str],
}

/// One JSON document, on one line.
///
/// # Errors
/// Those of `out`.
pub fn write_json(explanation: &Explanation<'_>, out: &mut dyn Write) -> io::Result<()> {
    write_line(&explanation.document(), out)
}

/// For people.
///
/// # Errors
/// Those of `out`.
pub fn write_text(explanation: &Explanation<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    let document = explanation.document();
    for told in &document.candidates {
        candidate(explanation, told, &mut out)?;
    }
    looked_at(&document, &mut out)?;
    out.flush()
}

impl<'a> Explanation<'a> {
    fn document(&self) -> Document<'a> {
        let is_asked = |point: Point| self.line.is_none_or(|line| line == point.line);
        let mut lines = Lines::new(self.bytes, Point::START);
        let placed: Vec<(&Candidate, Point)> =
            self.candidates.iter().map(|c| (c, lines.point(c.span.start, is_wide(&c.encoding)))).collect();
        let reported = placed.iter().filter(|(candidate, _)| candidate.is_reported());
        let partners: HashMap<Span, Partner> =
            reported.map(|(candidate, point)| (candidate.span, Partner::new(candidate, *point))).collect();
        let candidates = placed.iter().filter(|(_, point)| is_asked(*point));
        let mut lines = Lines::new(self.bytes, Point::START);
        let met = self.keywords.iter().map(|keyword| (keyword, lines.point(keyword.at, keyword.wide)));
        Document {
            schema: SCHEMA,
            file: self.file,
            line: self.line,
            bytes: self.bytes.len(),
            candidates: candidates.map(|(c, point)| Told::new(self, c, *point, &partners)).collect(),
            keywords: met
                .filter(|(_, point)| is_asked(*point))
                .map(|(keyword, point)| Met::new(keyword, point))
                .collect(),
            note: self.note,
        }
    }
}

fn is_wide(encoding: &[Encoding]) -> bool {
    encoding.first().is_some_and(|encoding| encoding.is_wide())
}

impl Partner {
    fn new(candidate: &Candidate, Point { line, column }: Point) -> Self {
        let value = match &candidate.value {
            Looked::Id(id) => id.to_string(),
            Looked::Word(word) => word.clone(),
            Looked::Secret(_, secret) => secret.redacted(),
        };
        Self { value, line, column }
    }
}

impl<'a> Met<'a> {
    fn new(keyword: &'a Keyword<'a>, Point { line, column }: Point) -> Self {
        Self { text: &keyword.text, utf16: keyword.wide, line, column, rules: &keyword.rules }
    }
}

/// The comment that allows what is reported. A secret goes by the ids that it is reported with, as in a scan.
fn comment(explanation: &Explanation<'_>, candidate: &Candidate) -> Option<Suppressed> {
    let Outcome::Reported { with } = &candidate.outcome else {
        return None;
    };
    let found = match candidate.value {
        Looked::Secret(..) if !with.is_empty() => {
            let ids = explanation.candidates.iter().filter(|id| with.contains(&id.span));
            let all: Option<Vec<_>> = ids.map(|id| allowed(explanation.bytes, id)).collect();
            all?.into_iter().next()?
        }
        _ => allowed(explanation.bytes, candidate)?,
    };
    let reason = found.reason.map(|reason| reason.to_string());
    Some(Suppressed { by: found.by.name(), source: found.source.to_string(), reason })
}

fn allowed(bytes: &[u8], first: &Candidate) -> Option<Suppression> {
    match &first.outcome {
        Outcome::Reported { with } => comment::beside(bytes, first.span, with, is_wide(&first.encoding)),
        Outcome::Dropped(_) => None,
    }
}

impl<'a> Told<'a> {
    fn new(
        explanation: &Explanation<'_>,
        candidate: &'a Candidate,
        point: Point,
        partners: &HashMap<Span, Partner>,
    ) -> Self {
        let account = candidate.account().map(|account| (account, Accounts::default().standing(account)));
        let (kind, value, redacted) = match &candidate.value {
            Looked::Id(id) => (ACCESS_KEY_ID, Some(id.to_string()), None),
            Looked::Word(word) => {
                // What no rule looks for is of another kind.
                let kind = if candidate.rule.is_some() { ACCESS_KEY_ID } else { "unique_id" };
                (kind, Some(word.clone()), None)
            }
            Looked::Secret(kind, secret) => {
                let value = bared(secret, explanation.show_secrets).map(|value| value.into_owned());
                (kind.name(), value, Some(secret.redacted()))
            }
        };
        let (outcome, reason, with) = match &candidate.outcome {
            Outcome::Reported { with } => ("reported", None, &with[..]),
            Outcome::Dropped(why) => ("dropped", Some(Reason { name: why.name(), text: why.to_string() }), &[][..]),
        };
        Self {
            rule: candidate.rule.as_deref(),
            kind,
            value,
            redacted,
            line: point.line,
            column: point.column,
            offset: candidate.span.start,
            length: candidate.span.end - candidate.span.start,
            encoding: candidate.encoding.iter().map(|encoding| encoding.name()).collect(),
            alphabet: candidate.alphabet(),
            entropy: (candidate.entropy() * 100.0).round() / 100.0,
            account_id: account.map(|(account, _)| account.to_string()),
            account: account.map(|(_, standing)| standing.name()),
            placeholder: candidate.is_placeholder(),
            outcome,
            reason,
            paired_with: with.iter().filter_map(|span| partners.get(span).cloned()).collect(),
            suppressed: comment(explanation, candidate),
        }
    }

    /// What became of it, in words.
    fn outcome(&self) -> String {
        match (&self.reason, &self.paired_with[..]) {
            (Some(reason), _) => format!("not reported: {}", reason.text),
            (None, []) => match self.kind {
                ACCESS_KEY_ID => "reported by itself: no secret that may be its own stands near enough".to_owned(),
                kind if PAIRED.iter().any(|paired| paired.name() == kind) => {
                    "reported by itself: no access key id that may be its own stands near enough".to_owned()
                }
                _ => "reported by itself: it needs no access key id".to_owned(),
            },
            (None, with) => {
                let with: Vec<String> = with.iter().map(|partner| self.beside(partner)).collect();
                format!("reported with {}", with.join("; "))
            }
        }
    }

    fn beside(&self, partner: &Partner) -> String {
        let Partner { value, line, column } = partner;
        let lines = plural(line.abs_diff(self.line), "line");
        let distance = match line.cmp(&self.line) {
            Ordering::Less => format!("{lines} above"),
            Ordering::Equal => "on the same line".to_owned(),
            Ordering::Greater => format!("{lines} below"),
        };
        format!("{value} at {line}:{column}, {distance}")
    }

    fn encoding(&self) -> String {
        if self.encoding.is_empty() { "none".to_owned() } else { self.encoding.join(", then ") }
    }
}

fn candidate(explanation: &Explanation<'_>, told: &Told<'_>, out: &mut dyn Write) -> io::Result<()> {
    let shown = told.value.as_deref().or(told.redacted.as_deref()).unwrap_or_default();
    writeln!(out, "{}:{}:{}  {}", visible(explanation.file), told.line, told.column, visible(shown))?;
    let mut field = |label: &str, text: &str| writeln!(out, "    {label:<12}{}", one_line(text));
    let described = |id: &str| {
        let rule = explanation.rules.iter().find(|rule| rule.id == id);
        rule.map_or_else(|| id.to_owned(), |rule| format!("{id} ({})", rule.description))
    };
    field("outcome", &told.outcome())?;
    if let Some(Suppressed { source, reason, .. }) = &told.suppressed {
        let reason = reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        field("suppressed", &format!("by the comment {source}{reason}"))?;
    }
    field("rule", &told.rule.map_or_else(|| "none looks for this".to_owned(), described))?;
    field("kind", &told.kind.replace('_', " "))?;
    if told.kind == ACCESS_KEY_ID || told.account.is_some() {
        let canary = if told.account == Some(Standing::Canary.name()) { ", a canary account" } else { "" };
        let account = told.account_id.as_ref().map(|account| format!("{account}{canary}"));
        field("account", account.as_deref().unwrap_or("none is told by it"))?;
    }
    let length = plural(told.length as u64, "byte");
    field(
        "looks",
        &format!("{}, {:.2} bits a character, {length} at offset {}", told.alphabet, told.entropy, told.offset),
    )?;
    field("encoding", &told.encoding())?;
    writeln!(out)
}

/// What was looked at: where nothing was found, that is the answer.
fn looked_at(document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
    let place = document.line.map_or_else(String::new, |line| format!(" on line {line}"));
    let all = document.candidates.len();
    if all == 0 {
        writeln!(out, "Nothing{place} looks like a credential.")?;
    } else {
        let reported = document.candidates.iter().filter(|told| told.reason.is_none()).count();
        writeln!(out, "{}{place}, {} reported.", plural(all as u64, "candidate"), grouped(reported as u64))?;
    }
    writeln!(out, "Looked at {} of {}.", plural(document.bytes as u64, "byte"), visible(document.file))?;
    let shown = document.keywords.iter().take(KEYWORDS).map(|met| {
        let wide = if met.utf16 { " in UTF-16" } else { "" };
        format!("{}{wide} at {}:{}", met.text, met.line, met.column)
    });
    let mut shown: Vec<String> = shown.collect();
    match document.keywords.len() {
        0 => writeln!(out, "No keyword of any rule stands{}: rules look nowhere else.", or_there(&place))?,
        all => {
            if all > KEYWORDS {
                shown.push(format!("and {} more; --format json lists all", grouped((all - KEYWORDS) as u64)));
            }
            writeln!(out, "Keywords of rules{place}: {}.", visible(&shown.join(", ")))?;
        }
    }
    match document.note {
        Some(note) => writeln!(out, "{}", visible(note)),
        None => Ok(()),
    }
}

fn or_there(place: &str) -> &str {
    if place.is_empty() { " in it" } else { place }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::Scanner;
    use crate::engine::rule::RuleSet;

    const EXAMPLE: &str = "AKIAIOSFODNN7EXAMPLE";

    fn secret() -> String {
        ["Vq1fZ8pTnW3sLk0yRb6/", "cXuEo9GdJh2+MtAiQ5Nv"].concat()
    }

    /// An id of a canary account, its secret on the next line, an example and what is no credential.
    fn sample() -> String {
        let id = ["AKIA", "SP2TPHJSQH3FJRUX"].concat();
        format!("id = {id}\naws_secret_access_key = {}\n\n{EXAMPLE}\nAROASP2TPHJSUFRSTTZX4\nplain", secret())
    }

    /// As text and as JSON.
    fn explained(text: &[u8], line: Option<u64>, show_secrets: bool) -> (String, Value) {
        let scanner = Scanner::new(RuleSet::builtin());
        let explanation = Explanation {
            file: "a\u{1b}b",
            line,
            bytes: text,
            candidates: &scanner.explain(text, |_| true),
            keywords: &scanner.keywords(text),
            rules: scanner.rules().iter().map(RuleInfo::from).collect(),
            show_secrets,
            note: Some("It is a test."),
        };
        let (mut text, mut json) = (Vec::new(), Vec::new());
        write_text(&explanation, &mut text).unwrap();
        write_json(&explanation, &mut json).unwrap();
        (String::from_utf8(text).unwrap(), serde_json::from_slice(&json).unwrap())
    }

    #[test]
    fn every_candidate_is_told_with_its_place_and_its_reason() {
        let (text, json) = explained(sample().as_bytes(), None, false);
        for told in [
            r"a\u{1b}b:1:6  AKIA",
            "reported with Vq1f… at 2:25, 1 line below",
            "171436882533, a canary account",
            "aws-secret-access-key (AWS secret access key)",
            ", 1 line above",
            "not reported: it is a placeholder or an example",
            "it is the unique id of a role",
            "4 candidates, 2 reported.",
            "Looked at 140 bytes",
            "Keywords of rules: AKIA at 1:6, ",
            "It is a test.",
        ] {
            assert!(text.contains(told), "{told:?} is not in {text}");
        }
        let column = |name: &str| -> Vec<Value> {
            json["candidates"].as_array().unwrap().iter().map(|told| told[name].clone()).collect()
        };
        assert_eq!(column("line"), [1, 2, 4, 5]);
        assert_eq!(column("outcome"), ["reported", "reported", "dropped", "dropped"]);
        assert_eq!(column("kind"), ["access_key_id", "secret_access_key", "access_key_id", "unique_id"]);
        assert_eq!(column("placeholder"), [false, false, true, false]);
        assert_eq!(column("account"), [json!("canary"), json!(null), json!(null), json!(null)]);
        assert_eq!(json["candidates"][2]["reason"]["name"], "excluded");
        assert_eq!(json["candidates"][0]["paired_with"], json!([{"value": "Vq1f…", "line": 2, "column": 25}]));
    }

    #[test]
    fn of_one_line_only_its_own_is_told_and_what_was_looked_at() {
        let (text, json) = explained(sample().as_bytes(), Some(2), false);
        assert!(text.contains("1 candidate on line 2, 1 reported.") && !text.contains(EXAMPLE), "{text}");
        assert_eq!((&json["line"], json["candidates"].as_array().unwrap().len()), (&json!(2), 1));
        let (text, json) = explained(sample().as_bytes(), Some(6), false);
        assert!(text.starts_with("Nothing on line 6 looks like a credential.\nLooked at 140 bytes"), "{text}");
        assert!(text.contains("No keyword of any rule stands on line 6"), "{text}");
        assert_eq!(json["keywords"], json!([]));
        let (text, _) = explained(b"a secret", None, false);
        assert!(text.contains("Nothing looks like a credential.") && text.contains("ecret at 1:4."), "{text}");
    }

    #[test]
    fn what_a_comment_allows_is_told_with_it() {
        let text = format!("# keysweep:allow-next-line a test\n{}", sample());
        let (text, json) = explained(text.as_bytes(), None, false);
        assert_eq!(
            text.matches("    suppressed  by the comment keysweep:allow-next-line: a test\n").count(),
            2,
            "{text}"
        );
        let expected = json!({"by": "comment", "source": "keysweep:allow-next-line", "reason": "a test"});
        let told = [0, 1, 2].map(|n| json["candidates"][n]["suppressed"].clone());
        assert_eq!(told, [expected.clone(), expected, json!(null)]);
    }

    #[test]
    fn secrets_are_shown_only_when_asked_for() {
        let (text, json) = explained(sample().as_bytes(), None, false);
        assert!(!text.contains(&secret()[..8]) && !json.to_string().contains(&secret()[..8]));
        let (text, json) = explained(sample().as_bytes(), None, true);
        assert!(text.contains(&secret()) && json["candidates"][1]["value"] == secret());
    }
}
