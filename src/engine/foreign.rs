//! Runs the rules of others: their regexes have no greatest length and go over the whole text, where one of their keywords stands in
//! it. How such rules are read is `rule::gitleaks`' business; what `allow` can't decide by the bytes is left to `terms`. `lines` knows the
//! lines of a text, `required` what stands near, `vague` what a better rule finds too.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::bytes::Regex;

use self::allow::{Candidate, Conditions};
use self::lines::LineIndex;
use self::required::{Near, Required};
pub use self::terms::{Place, Terms};
use super::pair::{Part, Value};
use super::{FoundSecret, Match, SecretKind};
use crate::key::{AccessKeyId, Secret};
use crate::location::Span;

pub(in crate::engine) mod allow;
pub(in crate::engine) mod lines;
pub(in crate::engine) mod required;
pub(in crate::engine) mod terms;
mod vague;

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
    lines: LineIndex<'a>,
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
        let text = Text { raw: text, utf8: utf8(text), lines: LineIndex::new(text) };
        let mut finds = Vec::new();
        let mut known = HashMap::new();
        for index in wanted {
            finds.extend(complete_finds_by(rules, index, &text, &mut known));
        }
        let vague: Vec<bool> = rules.iter().map(ForeignRule::is_vague).collect();
        let finds = vague::without_vague(finds, text.raw, |find| vague[find.rule]);
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

/// What a rule finds and its lists do not allow.
fn found_by(rule: &ForeignRule, index: usize, text: &Text<'_>) -> Vec<Find> {
    let Some(regex) = &rule.regex else {
        // Only for rules that require it: the file itself, which gitleaks puts before the first line.
        let terms = rule.conditions.terms_of_place(&Candidate::default());
        let nowhere = Span { start: 0, end: 0 };
        return terms
            .map(|terms| Find { rule: index, line: 0, column: 0, secret: nowhere, terms })
            .into_iter()
            .collect();
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
        let (line, column) = text.lines.place(standing.start);
        let lines = text.lines.around(standing);
        if lines.is_allowed() {
            continue;
        }
        let candidate = Candidate { secret: secret.of(text.raw), matched: matched.of(text.raw), line: Some(lines) };
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

/// What a rule finds where it finds what it requires too. `known` is what required rules found.
fn complete_finds_by(
    rules: &[ForeignRule],
    index: usize,
    text: &Text<'_>,
    known: &mut HashMap<usize, Vec<Find>>,
) -> Vec<Find> {
    let rule = &rules[index];
    let mut finds = found_by(rule, index, text);
    for required in &rule.required {
        let other = rules.iter().position(|other| *other.id == *required.id);
        let Some(other) = other.filter(|_| !finds.is_empty()) else {
            return Vec::new();
        };
        let near = Near::new(required, known.entry(other).or_insert_with(|| found_by(&rules[other], other, text)));
        finds.retain_mut(|find| near.complete(find));
    }
    finds
}

impl ForeignRule {
    /// gitleaks takes the finds of generic rules for worse than others.
    fn is_vague(&self) -> bool {
        self.id.to_lowercase().contains("generic")
    }
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

#[cfg(test)]
mod tests;
