//! Rules as data, and sets of them. `format` reads this program's own files, `gitleaks` those of gitleaks, `check` holds rules to their
//! examples. How rules are run is the scanner's business.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use self::pattern::Pattern;
use super::SecretKind;
use super::foreign::ForeignRule;
use super::foreign::allow::Conditions;

pub mod check;
mod checksum;
mod format;
pub mod gitleaks;
mod lazy;
pub(super) mod pattern;

/// Rules that come with the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pack {
    /// Credentials of AWS.
    Aws,
    /// Tokens of other vendors that are known by their shape.
    Common,
}

/// How much harm a leaked credential can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Of limited use to a finder: it expires, or needs something else.
    Medium,
    /// Part of a working credential.
    High,
    /// Works by itself, or is what was missing.
    Critical,
}

/// What the value of a rule is. It decides how the value is told from what only looks like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum Kind {
    /// Twenty characters that name a key.
    AccessKeyId,
    /// A secret; rules call it by [`SecretKind::name`].
    Secret(SecretKind),
}

/// One rule: what a kind of credential looks like and what to do about a leaked one.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name in reports: lower-case words and hyphens.
    pub id: Arc<str>,
    /// One line that says what was found.
    pub description: String,
    /// How bad it is.
    pub severity: Severity,
    /// What the value is.
    pub kind: Kind,
    /// The AWS page on it.
    pub reference: String,
    /// What to do about it, in a sentence or two.
    pub remediation: String,
    /// Literals, one of which is in every match.
    pub keywords: Vec<String>,
    /// Texts in which the rule finds its value, with `{{…}}` for credentials; see [`check`].
    pub examples: Vec<String>,
    /// Texts in which it finds nothing.
    pub negative_examples: Vec<String>,
    /// Words on it, for reports, from a file that extends the built-in rules.
    pub tags: Vec<String>,
    pub(super) pattern: Pattern,
    /// What a file that extends the built-in rules asks for besides.
    pub(super) conditions: Conditions,
    /// It comes with the program.
    is_builtin: bool,
}

/// Rules in the order of their files: where two find the same value, the first one's name it, and foreign rules come last.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    foreign: Vec<ForeignRule>,
    notes: Vec<String>,
    fingerprint: [u8; 32],
}

/// The fingerprint of what had one and of a text that came to it.
fn after(before: [u8; 32], text: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(before).chain_update(text).finalize().into()
}

/// Why a rules file was refused.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// Not TOML, or not the fields of a rule.
    #[error("reading rules from {file}, line {line}: {why}; see patterns/aws.toml for how rules are written")]
    Syntax {
        /// The file's name, as it was given.
        file: String,
        /// Line in it, from 1.
        line: usize,
        /// What the parser said.
        why: String,
    },
    /// Not TOML, or not what gitleaks would read, or what can't be done here.
    #[error("reading the gitleaks rules of {file}, line {line}: {why}")]
    Gitleaks {
        /// The file's name, as it was given.
        file: String,
        /// Line in it, from 1.
        line: usize,
        /// What is wrong and what to write instead.
        why: String,
    },
    /// A field that can't be used.
    #[error("reading rules from {file}: rule `{rule}`, field `{field}`: {why}")]
    Field {
        /// The file's name, as it was given.
        file: String,
        /// The rule's id.
        rule: String,
        /// The field's name.
        field: &'static str,
        /// What is wrong with it and what to write instead.
        why: String,
    },
}

impl RuleSet {
    /// The rules that are always on.
    pub fn builtin() -> Self {
        Self::pack(Pack::Aws)
    }

    /// The rules of a pack.
    pub fn pack(pack: Pack) -> Self {
        let (name, text) = pack.file();
        let mut rules = format::read(name, text, |_| Ok(())).expect("tests/rules.rs reads the same text");
        rules.iter_mut().for_each(|rule| rule.is_builtin = true);
        Self { rules, fingerprint: after([0; 32], text.as_bytes()), ..Self::default() }
    }

    /// Adds the rules of a file to the set, whether they are in this program's format or in that of gitleaks. A rule with the id of
    /// an earlier one replaces it. `read` gives what a file extends.
    ///
    /// # Errors
    /// The first thing that is wrong with the file; the set may then hold a part of it.
    pub fn load(&mut self, name: &str, text: &str, read: &gitleaks::Extended<'_>) -> Result<(), RuleError> {
        let fingerprint = Cell::new(after(self.fingerprint, text.as_bytes()));
        let read = |path: &str, from: &str| {
            let (name, text) = read(path, from)?;
            fingerprint.set(after(fingerprint.get(), text.as_bytes()));
            Ok((name, text))
        };
        if gitleaks::is_meant(text) {
            gitleaks::add(self, name, text, &read)?;
        } else {
            self.add(Self::parse(name, text)?);
        }
        self.fingerprint = fingerprint.get();
        Ok(())
    }

    /// A SHA-256 of everything that the rules were read from, in order: sets with the same one find the same.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// Adds the rules of another set; one with the id of an earlier one takes its place.
    pub fn add(&mut self, other: Self) {
        self.fingerprint = after(self.fingerprint, &other.fingerprint);
        for rule in other.rules {
            self.foreign.retain(|known| known.id != rule.id);
            match self.rules.iter_mut().find(|known| known.id == rule.id) {
                // Built-in rules are the same each time, and may have been changed since.
                Some(known) if known.is_builtin && rule.is_builtin => {}
                Some(known) => *known = rule,
                None => self.rules.push(rule),
            }
        }
        other.foreign.into_iter().for_each(|rule| self.add_foreign(rule));
        self.notes.extend(other.notes);
    }

    fn add_foreign(&mut self, rule: ForeignRule) {
        self.rules.retain(|known| known.id != rule.id);
        match self.foreign.iter_mut().find(|known| known.id == rule.id) {
            Some(known) => *known = rule,
            None => self.foreign.push(rule),
        }
    }

    /// Whether there was such a rule.
    fn remove(&mut self, id: &str) -> bool {
        let before = self.rules.len() + self.foreign.len();
        self.rules.retain(|rule| *rule.id != *id);
        self.foreign.retain(|rule| *rule.id != *id);
        self.rules.len() + self.foreign.len() < before
    }

    fn builtin_mut(&mut self, id: &str) -> Option<&mut Rule> {
        self.rules.iter_mut().find(|rule| rule.is_builtin && *rule.id == *id)
    }

    /// The rules of gitleaks' format.
    pub fn foreign(&self) -> &[ForeignRule] {
        &self.foreign
    }

    /// What a user should know of the files that were loaded, though they can be used.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Those of them that find access key ids.
    pub(super) fn of_ids() -> Self {
        let mut set = Self::builtin();
        set.rules.retain(|rule| rule.kind == Kind::AccessKeyId);
        set
    }

    /// Reads the text of a rules file. `name` is what errors call it.
    ///
    /// # Errors
    /// The first thing that is wrong with it. A set that is returned can be scanned with; whether its rules find what they
    /// should is for [`check::check`] to say.
    pub fn parse(name: &str, text: &str) -> Result<Self, RuleError> {
        let fingerprint = after([0; 32], text.as_bytes());
        Ok(Self { rules: format::read(name, text, Pattern::compile)?, fingerprint, ..Self::default() })
    }

    /// The rules of this program's format, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Rule> {
        self.rules.iter()
    }

    /// The rule of that index.
    pub(super) fn at(&self, index: usize) -> &Rule {
        &self.rules[index]
    }

    /// The rule of that id.
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| *rule.id == *id)
    }
}

impl<'a> IntoIterator for &'a RuleSet {
    type Item = &'a Rule;
    type IntoIter = std::slice::Iter<'a, Rule>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Pack {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Aws, Self::Common];

    /// What it is called on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Common => "common",
        }
    }

    /// Name and text of its file.
    fn file(self) -> (&'static str, &'static str) {
        match self {
            Self::Aws => ("patterns/aws.toml", include_str!("../../patterns/aws.toml")),
            Self::Common => ("patterns/common.toml", include_str!("../../patterns/common.toml")),
        }
    }
}

impl Kind {
    /// The kind of secret; `None` for an access key id, which is none.
    pub fn secret(self) -> Option<SecretKind> {
        match self {
            Self::AccessKeyId => None,
            Self::Secret(kind) => Some(kind),
        }
    }
}

impl TryFrom<String> for Kind {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if name == "access_key_id" {
            return Ok(Self::AccessKeyId);
        }
        let known = SecretKind::ALL.into_iter().find(|kind| kind.name() == name);
        known.map(Self::Secret).ok_or_else(|| {
            let all = SecretKind::ALL.map(SecretKind::name);
            format!("unknown kind `{name}`, expected one of access_key_id, {}", all.join(", "))
        })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_rules_are_read() {
        let rules = RuleSet::builtin();
        assert_eq!(rules.get("aws-access-key-id").unwrap().kind, Kind::AccessKeyId);
        assert!(rules.get("no-such-rule").is_none());
        assert!(rules.iter().count() >= 4);
    }

    #[test]
    fn every_regex_that_comes_with_the_program_compiles() {
        for pack in [Pack::Aws, Pack::Common] {
            for rule in &RuleSet::pack(pack) {
                rule.pattern.compile().unwrap();
            }
        }
    }

    #[test]
    fn severities_have_an_order_and_a_name() {
        assert!(Severity::Low < Severity::Medium && Severity::High < Severity::Critical);
        assert_eq!(format!("{:>6}", Severity::High), "  high");
    }
}
