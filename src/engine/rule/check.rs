//! Holds rules to their examples. Credentials are written as templates there, so that no scanner flags the file that holds them:
//! [`TEMPLATES`] has their names.

use std::fmt;
use std::sync::Arc;

use super::{Kind, Rule, RuleSet};
use crate::engine::pair::Value;
use crate::engine::{Scanner, SecretKind, plausible};
use crate::key::AccessKeyId;

const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What examples can name, as `{{name}}`: credentials, a token without the first bytes by which tokens are known, and what looks
/// like the rest of an id or like a secret but is none.
pub const TEMPLATES: [&str; 9] = [
    "access_key_id",
    "temporary_key_id",
    "secret_access_key",
    "session_token",
    "unmarked_session_token",
    "sequence",
    "digest",
    "path",
    "name",
];

/// A rule that does not do what its examples say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckFailure {
    /// The rule's id.
    pub rule: Arc<str>,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for CheckFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule `{}`: {}", self.rule, self.why)
    }
}

/// Runs every example through a scanner of the rules. Empty if each rule finds the credential in each of its examples, and nothing
/// in its negative examples. Whether the credentials are then paired is not asked.
pub fn check(rules: &RuleSet) -> Vec<CheckFailure> {
    let scanner = Scanner::new(rules.clone());
    rules
        .iter()
        .enumerate()
        .flat_map(|(index, rule)| {
            failures(&scanner, index, rule).into_iter().map(|why| CheckFailure { rule: rule.id.clone(), why })
        })
        .collect()
}

fn failures(scanner: &Scanner, index: usize, rule: &Rule) -> Vec<String> {
    let mut failures = Vec::new();
    if rule.examples.is_empty() {
        failures.push("has no examples; give at least one text in which it finds its value".to_owned());
    }
    let positive = rule.examples.iter().map(|example| (example, true));
    let negative = rule.negative_examples.iter().map(|example| (example, false));
    for (example, wanted) in positive.chain(negative) {
        let values = match expand(example) {
            Ok(text) => values(scanner, index, text.as_bytes()),
            Err(error) => {
                failures.push(error);
                continue;
            }
        };
        if wanted && !values.iter().any(|value| is_template(rule.kind, value)) {
            failures.push(format!("does not find its value in the example {example:?}"));
        }
        if !wanted && !values.is_empty() {
            failures.push(format!("finds a value in the negative example {example:?}"));
        }
    }
    failures
}

/// What the rule of that index finds.
fn values(scanner: &Scanner, index: usize, text: &[u8]) -> Vec<Vec<u8>> {
    scanner
        .parts(text)
        .into_iter()
        .filter(|part| part.rule == index)
        .map(|part| match part.value {
            Value::Id(id) => id.as_str().into(),
            Value::Secret(found) => found.secret.expose().into(),
        })
        .collect()
}

/// Whether a value is what a template of that kind is replaced with.
fn is_template(kind: Kind, value: &[u8]) -> bool {
    let names: &[&str] = match kind {
        Kind::AccessKeyId => &["access_key_id", "temporary_key_id"],
        Kind::Secret(SecretKind::SecretAccessKey) => &["secret_access_key"],
        Kind::Secret(SecretKind::SessionToken) => &["session_token", "unmarked_session_token"],
        Kind::Secret(_) => &[],
    };
    names.iter().any(|name| template(name).is_some_and(|text| text.as_bytes() == value))
}

/// Puts credentials in the place of templates, always the same.
///
/// # Errors
/// The name of a template that there is not.
pub(in crate::engine) fn expand(example: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = example;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else {
            break;
        };
        text.push_str(before);
        text.push_str(
            &template(name).ok_or_else(|| {
                format!("names a template `{name}` in {example:?}; there are {}", TEMPLATES.join(", "))
            })?,
        );
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

/// What stands for a template's name.
fn template(name: &str) -> Option<String> {
    let id = |kind: &str| {
        drawn(16, BASE32, |rest| {
            AccessKeyId::parse(format!("{kind}{rest}").as_bytes()).is_some_and(|id| plausible::check_id(&id).is_ok())
        })
    };
    Some(match name {
        "access_key_id" => format!("AKIA{}", id("AKIA")),
        "temporary_key_id" => format!("ASIA{}", id("ASIA")),
        "secret_access_key" => {
            drawn(40, BASE64, |value| plausible::check_secret(SecretKind::SecretAccessKey, value.as_bytes()).is_ok())
        }
        "session_token" => format!("IQoJb3JpZ2lu{}", drawn(300, BASE64, |_| true)),
        "unmarked_session_token" => drawn(300, BASE64, |_| true),
        "sequence" => "QRSTUVWXYZ234567".to_owned(),
        "digest" => drawn(40, b"0123456789abcdef", |_| true),
        "path" => "/opt/Vault/of/the/1password/keys/for/aws".to_owned(),
        "name" => "readTheValueFromTheEnvironmentOrFileNo12".to_owned(),
        _ => return None,
    })
}

/// The first good one of the texts that a small generator draws.
fn drawn(length: usize, alphabet: &[u8], good: impl Fn(&str) -> bool) -> String {
    // Xorshift, George Marsaglia, "Xorshift RNGs", 2003.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(alphabet[(state >> 32) as usize % alphabet.len()])
    };
    loop {
        let text: String = (0..length).map(|_| next()).collect();
        if good(&text) {
            return text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_credentials_and_always_the_same() {
        let text = expand("a {{access_key_id}} {{ b").unwrap();
        assert!(AccessKeyId::parse(&text.as_bytes()[2..22]).is_some());
        assert!(text.ends_with(" {{ b"));
        assert_eq!(text, expand("a {{access_key_id}} {{ b").unwrap());
        assert_eq!(expand("{{secret_access_key}}").unwrap().len(), 40);
        assert!(expand("{{temporary_key_id}}").unwrap().starts_with("ASIA"));
    }

    #[test]
    fn every_template_has_a_text_of_its_length() {
        for name in TEMPLATES {
            let length = match name {
                "access_key_id" | "temporary_key_id" => 20,
                "session_token" => 312,
                "unmarked_session_token" => 300,
                "sequence" => 16,
                _ => 40,
            };
            assert_eq!(template(name).unwrap().len(), length, "{name}");
        }
    }

    #[test]
    fn an_unknown_template_is_named() {
        assert!(expand("{{key}}").unwrap_err().contains("`key`"));
    }
}
