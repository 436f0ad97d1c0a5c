//! Runs the rules of others: their regexes have no greatest length and go over the whole text, where one of their keywords stands in
//! it. How such rules are read is `rule::gitleaks`' business; what `allow` can't decide by the bytes is left to `terms`.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::bytes::Regex;

use self::allow::{Candidate, Conditions};
pub use self::terms::{Place, Terms};
use super::pair::{Part, Value};
use super::{FoundSecret, Match, SecretKind};
use crate::key::{AccessKeyId, Secret};
use crate::location::Span;

pub(in crate::engine) mod allow;
pub(in crate::engine) mod terms;

/// Lines with this word hold nothing that gitleaks would tell of.
const ALLOWED: &[u8] = b"gitleaks:allow";
/// Stands for a byte that is no part of UTF-8; like the character that Go reads there it is no letter, digit or space.
const NO_CHARACTER: u8 = 0x7F;

/// A rule of gitleaks.
#[derive(Clone, Debug)]
pub struct ForeignRule {
    /// Its name in reports.
    pub id: Arc<str>,
    /// One line that says what was found.
    pub description: String,
    /// Words on it, for reports.
    pub tags: Vec<String>,
    /// Lower-case literals, one of which stands somewhere in a text that is worth a look. With none, every text is.
    pub keywords: Vec<String>,
    /// Without one, files are found by their paths.
    pub(super) regex: Option<Regex>,
    /// Number of the group that is the secret; 0 for the first that holds something.
    pub(super) group: usize,
    pub(super) conditions: Conditions,
    pub(super) required: Vec<Required>,
    /// It is there for other rules to require.
    pub(super) skip_report: bool,
}

/// A rule that must find something near a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Required {
    pub(super) id: String,
    pub(super) within_lines: Option<usize>,
    pub(super) within_columns: Option<usize>,
}

/// What finds the keywords of foreign rules.
#[derive(Debug)]
pub(super) struct Foreign {
    keywords: Option<AhoCorasick>,
    /// The rules of each keyword.
    rules_of: Vec<Vec<usize>>,
    /// Rules without keywords.
    always: Vec<usize>,
}

/// What one rule found at one place.
#[derive(Clone, Debug)]
struct Find {
    rule: usize,
    line: usize,
    column: usize,
    secret: Span,
    terms: Terms,
}

/// A text with what is worked out of it on demand.
struct Text<'a> {
    raw: &'a [u8],
    /// The same, byte for byte, as UTF-8.
    utf8: Cow<'a, [u8]>,
    newlines: OnceCell<Vec<usize>>,
    /// Where [`ALLOWED`] stands.
    allowed: Vec<usize>,
}

impl Foreign {
    pub(super) fn new(rules: &[ForeignRule]) -> Self {
        let mut rules_of: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, rule) in rules.iter().enumerate() {
            for keyword in &rule.keywords {
                // The search knows the cases of ASCII only.
                for spelling in [keyword.clone(), keyword.to_uppercase()] {
                    let known = rules_of.entry(spelling.to_ascii_lowercase()).or_default();
                    known.extend((known.last() != Some(&index)).then_some(index));
                }
            }
        }
        let (keywords, rules_of): (Vec<_>, Vec<_>) = rules_of.into_iter().unzip();
        let search = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&keywords)
            .expect("as many keywords as fit in a file fit an automaton");
        let always = (0..rules.len()).filter(|&index| rules[index].keywords.is_empty()).collect();
        Self { keywords: (!keywords.is_empty()).then_some(search), rules_of, always }
    }

    /// Every value that some rule finds. `first` is the index of the first foreign rule among all rules.
    pub(super) fn parts(&self, rules: &[ForeignRule], first: usize, text: &[u8]) -> Vec<Part> {
        let mut wanted = self.wanted(rules, text);
        wanted.retain(|&index| rules[index].regex.is_some() && !rules[index].skip_report);
        if wanted.is_empty() {
            return Vec::new();
        }
        let text = Text::new(text);
        let mut finds = Vec::new();
        let mut known = HashMap::new();
        for index in wanted {
            let found = found_by(rules, index, &text);
            finds.extend(found.into_iter().filter_map(|find| completed(rules, find, &text, &mut known)));
        }
        let finds = without_vague(rules, finds, &text);
        finds.into_iter().map(|find| part(first, find, &text)).collect()
    }

    /// Whether a keyword of some rule stands in a text.
    pub(super) fn has_keyword(&self, text: &[u8]) -> bool {
        self.keywords.as_ref().is_some_and(|keywords| keywords.is_match(text))
    }

    /// The files that rules without a regex may find by their paths.
    pub(super) fn files(&self, rules: &[ForeignRule], text: &[u8]) -> Vec<Match> {
        if !rules.iter().any(|rule| rule.regex.is_none()) {
            return Vec::new();
        }
        let wanted = self.wanted(rules, text).into_iter().map(|index| &rules[index]);
        let by_path = wanted.filter(|rule| rule.regex.is_none() && !rule.skip_report);
        by_path
            .filter_map(|rule| {
                let terms = rule.conditions.terms_of_place(&Candidate::default())?;
                let span = Span { start: 0, end: 0 };
                Some(Match {
                    rule: rule.id.clone(),
                    span,
                    access_key_id: None,
                    secrets: Vec::new(),
                    encoding: Vec::new(),
                    terms,
                })
            })
            .collect()
    }

    /// The rules that are worth running, in their order.
    fn wanted(&self, rules: &[ForeignRule], text: &[u8]) -> Vec<usize> {
        if rules.is_empty() || text.is_empty() {
            return Vec::new();
        }
        let mut wanted = self.always.clone();
        if let Some(keywords) = &self.keywords {
            let mut seen = vec![false; self.rules_of.len()];
            for hit in keywords.find_overlapping_iter(text) {
                let keyword = hit.pattern().as_usize();
                if !std::mem::replace(&mut seen[keyword], true) {
                    wanted.extend(&self.rules_of[keyword]);
                }
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }
}

impl<'a> Text<'a> {
    fn new(raw: &'a [u8]) -> Self {
        let allowed = memchr::memmem::find_iter(raw, ALLOWED).collect();
        Self { raw, utf8: utf8(raw), newlines: OnceCell::new(), allowed }
    }

    fn newlines(&self) -> &[usize] {
        self.newlines.get_or_init(|| memchr::memchr_iter(b'\n', self.raw).collect())
    }

    /// Line and column as gitleaks counts them: a line feed belongs to the line behind it.
    fn place(&self, at: usize) -> (usize, usize) {
        let line = self.newlines().partition_point(|&newline| newline <= at);
        let start = line.checked_sub(1).map_or(0, |before| self.newlines()[before]);
        (line, at - start + 1)
    }

    /// The same as [`lines`], for many places of one text: one line may be all of it.
    fn lines(&self, at: Span) -> Span {
        let newlines = self.newlines();
        let before = newlines.partition_point(|&newline| newline <= at.start).checked_sub(1);
        let behind = newlines.partition_point(|&newline| newline < at.end);
        Span {
            start: before.map_or(0, |before| newlines[before]),
            end: newlines.get(behind).copied().unwrap_or(self.raw.len()),
        }
    }

    fn is_allowed(&self, lines: Span) -> bool {
        let next = self.allowed.partition_point(|&at| at < lines.start);
        self.allowed.get(next).is_some_and(|at| at + ALLOWED.len() <= lines.end)
    }
}

/// The text with what is no UTF-8 replaced byte for byte.
fn utf8(raw: &[u8]) -> Cow<'_, [u8]> {
    if std::str::from_utf8(raw).is_ok() {
        return Cow::Borrowed(raw);
    }
    let mut text = Vec::with_capacity(raw.len());
    for chunk in raw.utf8_chunks() {
        text.extend_from_slice(chunk.valid().as_bytes());
        text.resize(text.len() + chunk.invalid().len(), NO_CHARACTER);
    }
    Cow::Owned(text)
}

/// What the regex of a rule finds and its lists do not allow.
fn found_by(rules: &[ForeignRule], index: usize, text: &Text<'_>) -> Vec<Find> {
    let rule = &rules[index];
    let Some(regex) = &rule.regex else {
        return Vec::new();
    };
    let mut finds = Vec::new();
    for found in regex.find_iter(&text.utf8) {
        let all = &text.utf8[found.range()];
        let leading = all.iter().take_while(|&&c| c == b'\n').count();
        let trailing = all[leading..].iter().rev().take_while(|&&c| c == b'\n').count();
        let matched = Span { start: found.start() + leading, end: found.end() - trailing };
        if matched.end <= matched.start {
            continue;
        }
        let secret = secret(rule, regex, text, matched);
        // The line feeds before it are counted as part of it where lines are concerned.
        let standing = Span { start: found.start(), end: found.start() + (matched.end - matched.start) };
        let (line, column) = text.place(standing.start);
        let lines = text.lines(standing);
        if text.is_allowed(lines) {
            continue;
        }
        let candidate =
            Candidate { secret: secret.of(text.raw), matched: matched.of(text.raw), line: lines.of(text.raw) };
        let terms = rule.conditions.terms(&candidate);
        finds.extend(terms.map(|terms| Find { rule: index, line, column, secret, terms }));
    }
    finds
}

/// Where the secret stands in a match: the regex is run again over the match alone, and its group is the secret.
fn secret(rule: &ForeignRule, regex: &Regex, text: &Text<'_>, matched: Span) -> Span {
    let groups = regex.captures(matched.of(&text.utf8));
    let group = groups.as_ref().and_then(|groups| {
        let mut numbers = if rule.group > 0 { rule.group..rule.group + 1 } else { 1..groups.len() };
        numbers.find_map(|number| groups.get(number).filter(|group| !group.is_empty()))
    });
    group.map_or(matched, |group| Span { start: group.start(), end: group.end() }.shifted(matched.start))
}

/// A find with the terms of those that its rule requires; `None` when one of them is not there. `known` is what required rules found.
fn completed(
    rules: &[ForeignRule],
    mut find: Find,
    text: &Text<'_>,
    known: &mut HashMap<usize, Vec<Find>>,
) -> Option<Find> {
    for required in &rules[find.rule].required {
        let index = rules.iter().position(|rule| *rule.id == *required.id)?;
        let others = known.entry(index).or_insert_with(|| found_by(rules, index, text));
        let near: Vec<_> = others.iter().filter(|other| required.is_near(&find, other)).collect();
        if near.is_empty() {
            return None;
        }
        if !near.iter().any(|other| other.terms.are_none()) {
            find.terms.with.push(near.into_iter().map(|other| other.terms.clone()).collect());
        }
    }
    Some(find)
}

impl Required {
    fn is_near(&self, find: &Find, other: &Find) -> bool {
        self.within_lines.is_none_or(|lines| find.line.abs_diff(other.line) <= lines)
            && self.within_columns.is_none_or(|columns| find.column.abs_diff(other.column) <= columns)
    }
}

impl ForeignRule {
    /// gitleaks takes the finds of generic rules for worse than others.
    fn is_vague(&self) -> bool {
        self.id.to_lowercase().contains("generic")
    }
}

/// Without the finds of generic rules that another rule has on the same line.
fn without_vague(rules: &[ForeignRule], mut finds: Vec<Find>, text: &Text<'_>) -> Vec<Find> {
    let is_vague = |find: &Find| rules[find.rule].is_vague();
    if !finds.iter().any(is_vague) {
        return finds;
    }
    let mut by_line: HashMap<usize, Vec<(Span, Terms)>> = HashMap::new();
    for find in finds.iter().filter(|find| !is_vague(find)) {
        by_line.entry(find.line).or_default().push((find.secret, find.terms.clone()));
    }
    finds.retain_mut(|find| {
        let others = if rules[find.rule].is_vague() { by_line.get(&find.line) } else { None };
        let secret = find.secret.of(text.raw);
        let better = others.into_iter().flatten();
        let better: Vec<&Terms> = better
            .filter(|(other, _)| memchr::memmem::find(other.of(text.raw), secret).is_some())
            .map(|(_, terms)| terms)
            .collect();
        find.terms.unless_found.extend(better.iter().map(|&terms| terms.clone()));
        !better.iter().any(|terms| terms.are_none())
    });
    finds
}

fn part(first: usize, find: Find, text: &Text<'_>) -> Part {
    let value = find.secret.of(text.raw);
    let value = match AccessKeyId::parse(value) {
        Some(id) => Value::Id(id),
        None => Value::Secret(FoundSecret {
            kind: SecretKind::Other,
            secret: Secret::new(value),
            span: find.secret,
            expires: None,
        }),
    };
    Part {
        rule: first + find.rule,
        value,
        span: find.secret,
        raw: find.secret,
        encoding: Vec::new(),
        needs_id: false,
        unlabelled: false,
        terms: find.terms,
    }
}

/// A value as a credential of its own: what others' rules find is joined with nothing.
pub(super) fn alone(rule: &ForeignRule, part: Part) -> Match {
    let (access_key_id, secrets) = match part.value {
        Value::Id(id) => (Some(id), Vec::new()),
        Value::Secret(secret) => (None, vec![secret]),
    };
    let (span, encoding, terms) = (part.raw, part.encoding, part.terms);
    Match { rule: rule.id.clone(), span, access_key_id, secrets, encoding, terms }
}

/// The lines that something stands on, with the line feed before them.
pub(super) fn lines(text: &[u8], at: Span) -> &[u8] {
    let start = memchr::memrchr(b'\n', &text[..text.len().min(at.start + 1)]).unwrap_or(0);
    let end = memchr::memchr(b'\n', &text[at.end..]).map_or(text.len(), |more| at.end + more);
    &text[start..end]
}

#[cfg(test)]
mod tests;
