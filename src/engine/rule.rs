//! Rules as data: what `patterns/*.toml` says, read and checked. How rules are run is the scanner's business.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use self::pattern::{Pattern, Source};
use super::SecretKind;
use super::foreign::ForeignRule;
use super::foreign::allow::Conditions;

pub mod check;
mod checksum;
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
        let mut set = Self::read(name, text, |_| Ok(())).expect("tests/rules.rs reads the same text");
        set.rules.iter_mut().for_each(|rule| rule.is_builtin = true);
        set
    }

    /// Adds the rules of a file to the set, whether they are in this program's format or in that of gitleaks. A rule with the id of
    /// an earlier one replaces it. `read` gives what a file extends.
    ///
    /// # Errors
    /// The first thing that is wrong with the file; the set may then hold a part of it.
    pub fn load(&mut self, name: &str, text: &str, read: &gitleaks::Extended<'_>) -> Result<(), RuleError> {
        if gitleaks::is_meant(text) {
            return gitleaks::add(self, name, text, read);
        }
        self.add(Self::parse(name, text)?);
        Ok(())
    }

    /// Adds the rules of another set; one with the id of an earlier one takes its place.
    pub fn add(&mut self, other: Self) {
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

    fn remove(&mut self, id: &str) {
        self.rules.retain(|rule| *rule.id != *id);
        self.foreign.retain(|rule| *rule.id != *id);
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
        Self::read(name, text, Pattern::compile)
    }

    fn read(name: &str, text: &str, ready: fn(&Pattern) -> Result<(), Invalid>) -> Result<Self, RuleError> {
        let file: File = toml::from_str(text).map_err(|error| RuleError::Syntax {
            file: name.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            why: error.message().to_owned(),
        })?;
        let mut rules: Vec<Rule> = Vec::new();
        for raw in file.rule {
            let id = raw.id.clone();
            let rule = if rules.iter().any(|rule| *rule.id == id) {
                Err(Invalid::new("id", "is taken by an earlier rule; give it another name"))
            } else {
                raw.compile(&file.fragments).and_then(|rule| ready(&rule.pattern).map(|()| rule))
            };
            rules.push(rule.map_err(|invalid| RuleError::Field {
                file: name.to_owned(),
                rule: id,
                field: invalid.field,
                why: invalid.why,
            })?);
        }
        Ok(Self { rules, ..Self::default() })
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

/// Number of the line, from 1, on which the byte at `offset` stands.
fn line_of(text: &str, offset: usize) -> usize {
    let before = &text.as_bytes()[..offset.min(text.len())];
    memchr::memchr_iter(b'\n', before).count() + 1
}

/// A field that can't be used, before it is known whose it is.
#[derive(Debug)]
pub(super) struct Invalid {
    field: &'static str,
    why: String,
}

impl Invalid {
    fn new(field: &'static str, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { field, why }
    }
}

/// A rules file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Pieces of regex that rules name as `{{piece}}`.
    #[serde(default)]
    fragments: BTreeMap<String, String>,
    rule: Vec<RawRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    id: String,
    description: String,
    severity: Severity,
    kind: Kind,
    reference: String,
    remediation: String,
    keywords: Vec<String>,
    regex: String,
    /// One-byte class of what a value may go on with after the regex's bounded head.
    continuation: Option<String>,
    /// Bits a character.
    min_entropy: Option<f64>,
    /// A value ends in the checksum of what stands before.
    #[serde(default)]
    checksum: bool,
    /// What a value must not match.
    #[serde(default)]
    exclude: Vec<String>,
    /// What must stand nearby, unless an access key id does.
    context: Option<String>,
    /// Labels of other things; with it, values are looked for beside access key ids without a label.
    called_else: Option<String>,
    /// What must not stand right before a match.
    not_after: Option<String>,
    /// How near that is, in bytes.
    context_within: Option<usize>,
    examples: Vec<String>,
    #[serde(default)]
    negative_examples: Vec<String>,
}

impl RawRule {
    fn compile(self, fragments: &BTreeMap<String, String>) -> Result<Rule, Invalid> {
        let named =
            !self.id.is_empty() && self.id.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
        if !named {
            return Err(Invalid::new(
                "id",
                "is not lower-case words joined by hyphens; write it like `aws-access-key-id`",
            ));
        }
        let pattern = Pattern::new(&Source {
            fragments,
            keywords: &self.keywords,
            regex: &self.regex,
            continuation: self.continuation.as_deref(),
            min_entropy: self.min_entropy,
            checksum: self.checksum,
            exclude: &self.exclude,
            context: self.context.as_deref(),
            called_else: self.called_else.as_deref(),
            not_after: self.not_after.as_deref(),
            context_within: self.context_within,
        })?;
        Ok(Rule {
            id: self.id.into(),
            description: self.description,
            severity: self.severity,
            kind: self.kind,
            reference: self.reference,
            remediation: self.remediation,
            keywords: self.keywords,
            examples: self.examples,
            negative_examples: self.negative_examples,
            pattern,
            conditions: Conditions::default(),
            is_builtin: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of one good rule in which one line was replaced or, if it has no such line, added.
    fn with(line: &str) -> Result<RuleSet, String> {
        let good = [
            r#"id = "a-rule""#,
            r#"description = "d""#,
            r#"severity = "low""#,
            r#"kind = "access_key_id""#,
            r#"reference = "r""#,
            r#"remediation = "r""#,
            r#"keywords = ["AKIA"]"#,
            r#"regex = '(?P<value>AKIA[A-Z2-7]{16})'"#,
            r#"examples = []"#,
        ];
        let field = line.split(' ').next().unwrap();
        let mut lines: Vec<&str> = good.into_iter().filter(|l| l.split(' ').next() != Some(field)).collect();
        lines.push(line);
        RuleSet::parse("x.toml", &format!("[[rule]]\n{}", lines.join("\n"))).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn refused(line: &str, expected: &str) {
        let error = with(line).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }

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
    fn a_good_rule_is_read() {
        let rules = with("min_entropy = 2.0").unwrap();
        assert_eq!(rules.get("a-rule").unwrap().severity, Severity::Low);
    }

    #[test]
    fn what_is_not_a_rule_is_refused_with_its_line() {
        refused("severity = \"fatal\"", "x.toml, line 10: unknown variant `fatal`");
        refused("colour = \"red\"", "x.toml, line 11: unknown field `colour`");
        refused("keywords = [", "x.toml, line 1");
    }

    #[test]
    fn a_field_that_cannot_be_used_is_named() {
        refused("id = \"A Rule\"", "rule `A Rule`, field `id`: is not lower-case");
        refused("regex = '(?P<value>AKIA'", "rule `a-rule`, field `regex`: unclosed group");
        refused("regex = 'AKIA[A-Z]'", "field `regex`: has no group `value`");
        refused("exclude = ['(']", "field `exclude`");
        refused("context = '('", "field `context`");
        refused("called_else = '('", "field `called_else`");
        refused("not_after = '('", "field `not_after`");
        refused("continuation = '[a-z]+'", "field `continuation`");
        refused("min_entropy = 9.5", "field `min_entropy`");
        refused("context_within = 5000", "field `context_within`: is too far");
    }

    #[test]
    fn a_regex_that_windows_cannot_hold_is_refused() {
        refused("regex = '(?P<value>AKIA.*)'", "no greatest length");
        refused("regex = '(?P<value>AKIA.{9999})'", "`regex`: can match");
    }

    #[test]
    fn every_match_must_hold_a_keyword() {
        refused("keywords = []", "field `keywords`: is empty");
        refused("keywords = [\"AK\"]", "field `keywords`: `AK` is too short");
        refused("keywords = [\"ASIA\"]", "field `keywords`: the regex can match");
        refused("regex = '(?P<value>A?KIA[A-Z2-7]{16})'", "field `keywords`: the regex can match");
        with("regex = '(?P<value>x?(?:AKIA|ABAKIA)[A-Z2-7]{16})'").unwrap();
    }

    #[test]
    fn two_rules_of_one_name_are_refused() {
        let (_, builtin) = Pack::Aws.file();
        let rule = builtin.find("\n[[rule]]").unwrap();
        let twice = format!("{builtin}\n{}", &builtin[rule..]);
        let error = RuleSet::parse("x.toml", &twice).unwrap_err().to_string();
        assert!(error.contains("is taken by an earlier rule"), "{error}");
    }

    #[test]
    fn severities_have_an_order_and_a_name() {
        assert!(Severity::Low < Severity::Medium && Severity::High < Severity::Critical);
        assert_eq!(format!("{:>6}", Severity::High), "  high");
    }
}
