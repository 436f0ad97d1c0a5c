//! Holds rules to their examples. Credentials are written as templates there, so that no scanner flags the file that holds them:
//! [`TEMPLATES`] has their names.

use std::fmt;
use std::sync::Arc;

use super::{Kind, Rule, RuleSet, checksum};
use crate::engine::pair::Value;
use crate::engine::{Scanner, SecretKind, base64, plausible, structure};
use crate::key::AccessKeyId;

const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BECH32: &[u8] = b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What examples can name, as `{{name}}`: credentials, a token without the first bytes by which tokens are known, and what looks
/// like the rest of an id or like a secret but is none.
pub const TEMPLATES: [&str; 25] = [
    "access_key_id",
    "temporary_key_id",
    "secret_access_key",
    "session_token",
    "unmarked_session_token",
    "bedrock_api_key",
    "bedrock_short_term_key",
    "ses_smtp_password",
    "mws_auth_token",
    "appsync_api_key",
    "codecommit_password",
    "codecommit_password_in_url",
    "git_token",
    "codeartifact_token",
    "ecr_password",
    "ecr_auth",
    "private_key",
    "presigned_signature",
    "presigned_signature_v2",
    "sequence",
    "digest",
    "path",
    "name",
    "checksummed",
    "private",
];

/// Alphabets of texts of any length, as `{{alnum:36}}`; what stands for two such names differs in length only.
const ALPHABETS: [(&str, &[u8]); 8] = [
    ("alnum", b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
    ("letters", b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
    ("upper", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"),
    ("digits", b"0123456789"),
    ("hex", b"0123456789abcdef"),
    ("base64", BASE64),
    ("url", b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"),
    ("bech32", BECH32),
];
/// What stands in the place of a token that is none: `{{x:20}}` is twenty of them.
const PLACEHOLDER: &str = "x";
/// Longer ones are refused.
const LONGEST: usize = 4096;

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
        if wanted && !values.iter().any(|value| is_template(rule.kind, value) || holds_longest(example, value)) {
            failures.push(if values.is_empty() {
                format!("does not find its value in the example {example:?}")
            } else {
                format!(
                    "finds something in the example {example:?}, but no template; write one such as {{{{alnum:36}}}} in \
                     the place of the value"
                )
            });
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
        Kind::Secret(SecretKind::BedrockApiKey) => &["bedrock_api_key", "bedrock_short_term_key"],
        Kind::Secret(SecretKind::SesSmtpPassword) => &["ses_smtp_password"],
        Kind::Secret(SecretKind::MwsAuthToken) => &["mws_auth_token"],
        Kind::Secret(SecretKind::AppsyncApiKey) => &["appsync_api_key"],
        Kind::Secret(SecretKind::GitPassword) => &["codecommit_password", "git_token"],
        Kind::Secret(SecretKind::CodeartifactToken) => &["codeartifact_token"],
        Kind::Secret(SecretKind::EcrPassword) => &["ecr_password"],
        Kind::Secret(SecretKind::PrivateKey) => &["private_key"],
        Kind::Secret(SecretKind::PresignedUrl) => &["presigned_signature", "presigned_signature_v2"],
        Kind::Secret(SecretKind::ConsolePassword) => &["name"],
        Kind::Secret(SecretKind::Other) => &[],
    };
    let normal =
        |text: &str| kind.secret().map_or(text.into(), |kind| structure::normal(kind, text.as_bytes()).into_owned());
    names.iter().any(|name| template(name).is_some_and(|text| normal(&text) == value))
}

/// Whether a value holds the longest text of a given length in the example it was found in.
fn holds_longest(example: &str, value: &[u8]) -> bool {
    let names = example.split("{{").skip(1).filter_map(|after| Some(after.split_once("}}")?.0));
    let texts = names.filter(|name| name.contains(':') || *name == "checksummed").filter_map(template);
    texts.max_by_key(String::len).is_some_and(|text| memchr::memmem::find(value, text.as_bytes()).is_some())
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
        text.push_str(&template(name).ok_or_else(|| {
            let sized = ALPHABETS.map(|(alphabet, _)| format!("{alphabet}:N"));
            let there_are = [TEMPLATES.join(", "), sized.join(", ")].join(", ");
            format!("names a template `{name}` in {example:?}; there are {there_are}")
        })?);
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
        "private" => "PRIVATE".to_owned(),
        "checksummed" => checksum::completed(&sized("alnum:30")?),
        _ => return of_other_kind(name),
    })
}

/// What stands for the names of credentials that are no access keys.
fn of_other_kind(name: &str) -> Option<String> {
    Some(match name {
        "bedrock_api_key" => {
            let secret = drawn(61, BASE64, |_| true);
            format!("ABSK{}", base64::encode(format!("BedrockAPIKey-q7xz-at-210987654321:{secret}").as_bytes()))
        }
        "bedrock_short_term_key" => format!("bedrock-api-key-{}", base64::encode(signed_query()?.as_bytes())),
        "ses_smtp_password" => base64::encode(&[&[4], &drawn_bytes(32)[..]].concat()),
        "mws_auth_token" => {
            let hex = drawn(32, b"0123456789abcdef", |_| true);
            format!("amzn.mws.{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
        }
        "appsync_api_key" => format!("da2-{}", drawn(26, b"abcdefghijklmnopqrstuvwxyz234567", |_| true)),
        "codecommit_password" => format!("{}=", drawn(43, BASE64, |text| text.contains('+') && text.contains('/'))),
        "codecommit_password_in_url" => {
            template("codecommit_password")?.replace('+', "%2B").replace('/', "%2f").replace('=', "%3D")
        }
        "git_token" => drawn(80, &BASE64[26..62], |_| true),
        "codeartifact_token" => jwe(),
        "ecr_password" => base64::encode(registry_login().as_bytes()),
        "ecr_auth" => base64::encode(format!("AWS:{}", template("ecr_password")?).as_bytes()),
        "private_key" => {
            // The beginning of a sequence and a version: no key, but as long as it says.
            let body = base64::encode(&[&[0x30, 0x82, 1, 0, 2, 1, 0], &drawn_bytes(253)[..]].concat());
            body.as_bytes().chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n")
        }
        "presigned_signature" => drawn(64, b"0123456789abcdef", |_| true),
        "presigned_signature_v2" => format!("{}=", drawn(27, BASE64, |_| true)),
        _ => return sized(name),
    })
}

/// The query that is signed for a short-term Bedrock key.
fn signed_query() -> Option<String> {
    let (id, signature) = (template("temporary_key_id")?, template("presigned_signature")?);
    Some(format!(
        "bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={id}%2F20260101\
         %2Fus-east-1%2Fbedrock%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=43200&X-Amz-SignedHeaders=host&\
         X-Amz-Signature={signature}&Version=1"
    ))
}

/// An encrypted token as CodeArtifact makes them (RFC 7516, 3.1).
fn jwe() -> String {
    let tag = drawn(22, BASE64, |_| true);
    let header = format!(
        r#"{{"ver":1,"isu":1767225600,"enc":"A128GCM","tag":"{tag}","exp":1767268800,"alg":"A128GCMKW","iv":"q7Xz0LmW3vK9pR2t"}}"#
    );
    [header.into_bytes(), drawn_bytes(16), drawn_bytes(12), drawn_bytes(500), drawn_bytes(16)]
        .map(|part| base64::encode(&part).trim_end_matches('=').to_owned())
        .join(".")
}

/// What the password of an ECR registry spells.
fn registry_login() -> String {
    let (payload, key) = (base64::encode(&drawn_bytes(900)), base64::encode(&drawn_bytes(90)));
    format!(r#"{{"payload":"{payload}","datakey":"{key}","version":"2","type":"DATA_KEY","expiration":1767268800}}"#)
}

fn drawn_bytes(length: usize) -> Vec<u8> {
    drawn(length, BASE64, |_| true).into_bytes()
}

/// A text of so many letters of an alphabet.
fn sized(name: &str) -> Option<String> {
    let (alphabet, length) = name.split_once(':')?;
    let length = length.parse().ok().filter(|length| (1..=LONGEST).contains(length))?;
    if alphabet == PLACEHOLDER {
        return Some(alphabet.repeat(length));
    }
    let (_, alphabet) = ALPHABETS.iter().find(|(name, _)| *name == alphabet)?;
    Some(drawn(length, alphabet, |text| plausible::check_secret(SecretKind::Other, text.as_bytes()).is_ok()))
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
                "checksummed" => 36,
                "private" => 7,
                "bedrock_api_key" => 132,
                "ses_smtp_password" | "codecommit_password" => 44,
                "mws_auth_token" => 45,
                "appsync_api_key" => 30,
                "git_token" => 80,
                "presigned_signature" => 64,
                "presigned_signature_v2" => 28,
                "bedrock_short_term_key"
                | "codecommit_password_in_url"
                | "codeartifact_token"
                | "ecr_password"
                | "ecr_auth"
                | "private_key" => continue,
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
