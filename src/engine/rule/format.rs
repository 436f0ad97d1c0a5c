//! This program's own format of rules: TOML, each field read and checked. What a rule's regexes must be like is `pattern`'s business.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::pattern::{Pattern, Source};
use super::{Kind, Rule, RuleError, Severity};
use crate::engine::SecretKind;
use crate::engine::foreign::allow::Conditions;

/// The rules of a file, each made ready to run, or not yet, by `ready`. `name` is what errors call the file.
///
/// # Errors
/// The first thing that is wrong with it.
pub(super) fn read(name: &str, text: &str, ready: fn(&Pattern) -> Result<(), Invalid>) -> Result<Vec<Rule>, RuleError> {
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
    Ok(rules)
}

/// Number of the line, from 1, on which the byte at `offset` stands.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    let before = &text.as_bytes()[..offset.min(text.len())];
    memchr::memchr_iter(b'\n', before).count() + 1
}

/// A field that can't be used, before it is known whose it is.
#[derive(Debug)]
pub(super) struct Invalid {
    pub(super) field: &'static str,
    pub(super) why: String,
}

impl Invalid {
    pub(super) fn new(field: &'static str, why: impl Into<String>) -> Self {
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
    /// The path of a file that is nothing but a value.
    file_name: Option<String>,
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
        if self.file_name.is_some() && self.kind != Kind::Secret(SecretKind::SecretAccessKey) {
            let why = "is for rules of the kind `secret_access_key` only; leave it out";
            return Err(Invalid::new("file_name", why));
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
            file_name: self.file_name.as_deref(),
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
            tags: Vec::new(),
            pattern,
            conditions: Conditions::default(),
            is_builtin: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rule::{Pack, RuleSet};

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
        refused(
            "context_within = 50",
            "field `context_within`: says how far off something must stand that is not named",
        );
        refused("continuation = 'a)|(?:b'", "field `continuation`");
        refused("regex = '(?P<value>A{0,3})AKIA'", "has a group `value` that can be empty");
        refused("regex = '(?:AKIA)?(?P<value>AKIA)?AKIA'", "can match without its group `value`");
        refused("regex = '(?P<value>AKIA)x|AKIA'", "can match without its group `value`");
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
}
