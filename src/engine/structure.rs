//! What the values that have a structure are made of: base64 of text, JSON, DER. It tells whether a value is what it looks like,
//! whose it is and when it expires, without asking anybody. Values that are merely random are `plausible`'s business.

use std::borrow::Cow;

use memchr::memmem;

use super::{Dropped, SecretKind, base64, presigned};
use crate::key::AccountId;

/// One of version and a signature of SHA-256.
const SMTP_BYTES: usize = 33;
/// Before a CodeArtifact token's encrypted claims there are its header, its encrypted key and its nonce, behind them the tag.
const JWE_PARTS: usize = 5;
/// Bytes of that tag (AES-GCM), and the fewest of every part.
const JWE_TAG: usize = 16;
const SHORTEST_PART: usize = 12;

/// The value as it is compared and fingerprinted: the same for each way to write it.
pub(super) fn normal(kind: SecretKind, value: &[u8]) -> Cow<'_, [u8]> {
    match kind {
        SecretKind::GitPassword if value.contains(&b'%') => percent_decoded(value).into(),
        SecretKind::EcrPassword => match base64::decode(value) {
            Some(decoded) if decoded.starts_with(b"AWS:") => decoded[4..].to_vec().into(),
            _ => value.into(),
        },
        SecretKind::PrivateKey => without_line_ends(value).into(),
        SecretKind::ConsolePassword => unquoted(value),
        _ => value.into(),
    }
}

/// Whether a value in normal form holds what values of that kind hold.
pub(super) fn check(kind: SecretKind, value: &[u8]) -> Result<(), Dropped> {
    let (holds, wanted) = match kind {
        SecretKind::BedrockApiKey if !value.starts_with(b"ABSK") => {
            (presigned_query(value).is_some(), "a presigned query with its signature")
        }
        SecretKind::SesSmtpPassword => {
            let decoded = base64::decode(value).unwrap_or_default();
            (decoded.len() == SMTP_BYTES && matches!(decoded[0], 2 | 4), "a version and the 32 bytes of a signature")
        }
        SecretKind::CodeartifactToken => (is_jwe(value), "the five parts of an encrypted token"),
        SecretKind::EcrPassword => {
            let decoded = base64::decode(value).unwrap_or_default();
            (memmem::find(&decoded, b"\"datakey\":\"").is_some(), "an encrypted payload and its data key")
        }
        SecretKind::PrivateKey => {
            let decoded = base64::decode(value).unwrap_or_default();
            (is_der_key(&decoded) || is_openssh_key(&decoded), "a key, whole and not encrypted")
        }
        _ => (true, ""),
    };
    if holds { Ok(()) } else { Err(Dropped::Structure { wanted }) }
}

/// When a value in normal form expires, in seconds since 1970, if it says so itself.
pub(super) fn expires(kind: SecretKind, value: &[u8]) -> Option<i64> {
    match kind {
        SecretKind::BedrockApiKey => presigned::expires(&presigned_query(value)?),
        SecretKind::CodeartifactToken => number(&jwe_header(value)?, b"\"exp\":"),
        SecretKind::EcrPassword => number(&base64::decode(value)?, b"\"expiration\":"),
        _ => None,
    }
}

/// The account whose value that is, if the value tells: a long-term Bedrock key is the base64 of `user-at-account:…`.
pub(super) fn account(kind: SecretKind, value: &[u8]) -> Option<AccountId> {
    let alias = alias(kind, value)?;
    let (_, digits) = alias.rsplit_once("-at-")?;
    AccountId::parse(digits.get(..12)?).ok()
}

/// The public part of a long-term Bedrock key, by which IAM knows it.
pub(super) fn alias(kind: SecretKind, value: &[u8]) -> Option<String> {
    if kind != SecretKind::BedrockApiKey {
        return None;
    }
    let text = base64::decode(value.strip_prefix(b"ABSK")?)?;
    let name = text.split(|&c| c == b':').next()?;
    let is_name = |c: &u8| c.is_ascii_graphic();
    // Without the colon all of it may be the secret.
    (name.len() < text.len() && name.iter().all(is_name)).then(|| String::from_utf8_lossy(name).into_owned())
}

/// What a short-term Bedrock key spells: a query that is signed in the place of a request.
fn presigned_query(value: &[u8]) -> Option<Vec<u8>> {
    let query = base64::decode(value.strip_prefix(b"bedrock-api-key-")?)?;
    let is_there = |name: &[u8]| memmem::find(&query, name).is_some();
    (is_there(b"X-Amz-Credential=") && is_there(b"X-Amz-Signature=") && !is_there(b"EXAMPLE")).then_some(query)
}

fn is_jwe(value: &[u8]) -> bool {
    let parts: Vec<&[u8]> = value.split(|&c| c == b'.').collect();
    let header = jwe_header(value).unwrap_or_default();
    parts.len() == JWE_PARTS
        && parts.iter().all(|part| base64::decode(part).is_some_and(|bytes| bytes.len() >= SHORTEST_PART))
        && base64::decode(parts[JWE_PARTS - 1]).is_some_and(|tag| tag.len() == JWE_TAG)
        && memmem::find(&header, b"\"enc\":\"").is_some()
}

/// RFC 7516, 3.1: the part before the first dot.
fn jwe_header(value: &[u8]) -> Option<Vec<u8>> {
    base64::decode(value.split(|&c| c == b'.').next()?)
}

/// The number behind `name` in JSON.
fn number(json: &[u8], name: &[u8]) -> Option<i64> {
    let rest = json[memmem::find(json, name)? + name.len()..].trim_ascii_start();
    let digits = rest.iter().take_while(|c| c.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

/// A sequence that is as long as it says and begins with a version: PKCS #1 (RFC 8017), SEC 1 (RFC 5915) and PKCS #8 (RFC 5958)
/// alike. What is encrypted is none of them.
fn is_der_key(bytes: &[u8]) -> bool {
    let (length, rest) = match bytes {
        [0x30, 0x82, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        [0x30, 0x81, length, rest @ ..] => (usize::from(*length), rest),
        [0x30, length @ 0..=0x7f, rest @ ..] => (usize::from(*length), rest),
        _ => return false,
    };
    // The version is 0 or 1.
    rest.len() == length && matches!(rest, [0x02, 0x01, 0 | 1, ..])
}

/// <https://cvsweb.openbsd.org/src/usr.bin/ssh/PROTOCOL.key>: the name of the cipher comes first, `none` if it is not encrypted.
fn is_openssh_key(bytes: &[u8]) -> bool {
    bytes.starts_with(b"openssh-key-v1\0\0\0\0\x04none") && bytes.len() > 128
}

/// Base64 without line feeds and indentation, as they stand in a file and as a string literal spells them.
fn without_line_ends(text: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    let mut escaped = false;
    for &c in text {
        let is_escape = escaped && matches!(c, b'n' | b'r' | b't');
        escaped = c == b'\\';
        if !(is_escape || escaped || c.is_ascii_whitespace()) {
            kept.push(c);
        }
    }
    kept
}

/// A cell of CSV (RFC 4180).
fn unquoted(cell: &[u8]) -> Cow<'_, [u8]> {
    let Some(inner) = cell.strip_prefix(b"\"").and_then(|cell| cell.strip_suffix(b"\"")) else {
        return cell.into();
    };
    let mut text = Vec::with_capacity(inner.len());
    for piece in inner.split_inclusive(|&c| c == b'"') {
        let follows_quote = text.last() == Some(&b'"');
        text.extend_from_slice(if piece == b"\"" && follows_quote { b"" } else { piece });
    }
    text.into()
}

/// RFC 3986, 2.1. What is no escape stays as it is.
fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16);
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let escaped = match tail {
            [high, low, ..] if *first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                decoded.push((high << 4 | low) as u8);
                rest = &tail[2..];
            }
            None => {
                decoded.push(*first);
                rest = tail;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::rule::RuleSet;
    use crate::engine::rule::check::expand;
    use crate::engine::{Match, Scanner};

    fn scan(template: &str) -> Vec<Match> {
        static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new(RuleSet::builtin()));
        SCANNER.scan(expand(template).unwrap().as_bytes()).matches
    }

    /// The rule and the kinds of secrets of each match.
    fn found(template: &str) -> Vec<String> {
        let told = |found: &Match| {
            let kinds: Vec<&str> = found.secrets.iter().map(|secret| secret.kind.name()).collect();
            format!("{}: {}", found.rule, kinds.join(", "))
        };
        scan(template).iter().map(told).collect()
    }

    /// The only secret of the text.
    #[track_caller]
    fn secret(template: &str) -> Vec<u8> {
        let matches = scan(template);
        assert!(matches.len() == 1 && matches[0].secrets.len() == 1, "{template}: {matches:?}");
        matches[0].secrets[0].secret.expose().to_vec()
    }

    #[test]
    fn however_a_secret_is_written_it_is_the_same() {
        let same = [
            ["docker login -u AWS -p {{ecr_password}}", r#""auth": "{{ecr_auth}}""#],
            [
                "jo-at-210987654321,{{codecommit_password}}",
                "https://jo-at-210987654321:{{codecommit_password_in_url}}@h",
            ],
            [
                "jo,{{name}},https://a.signin.aws.amazon.com/console",
                "jo,\"{{name}}\",\"https://a.signin.aws.amazon.com/console\"",
            ],
        ];
        for [one, other] in same {
            assert_eq!(secret(one), secret(other), "{one}");
        }
        let key = expand("aws -----BEGIN PRIVATE KEY-----\n{{private_key}}\n-----END PRIVATE KEY-----\n").unwrap();
        for line_end in ["\r\n", "\n    ", r"\n", r"\r\n", r"\\n"] {
            assert_eq!(secret(&key.replace('\n', line_end)), secret(&key), "{line_end:?}");
        }
    }

    #[test]
    fn a_quoted_cell_keeps_its_quotes_within() {
        assert_eq!(&*unquoted(br#""a""b""""#), br#"a"b""#);
        assert_eq!(&*unquoted(br#""""""#), br#"""#);
        assert_eq!(&*unquoted(b"a\"b"), b"a\"b");
    }

    #[test]
    fn only_escapes_of_percent_are_decoded() {
        assert_eq!(percent_decoded(b"a%2Bb%2fc%3D%zz%4"), b"a+b/c=%zz%4");
    }

    #[test]
    fn a_long_term_bedrock_key_tells_its_account() {
        let value = expand("{{bedrock_api_key}}").unwrap();
        let told = account(SecretKind::BedrockApiKey, value.as_bytes()).unwrap();
        assert_eq!(told.to_string(), "210987654321");
        for text in [":", "no-at-12345678901:x", "-at-12345678901x:", "x"] {
            let value = format!("ABSK{}", base64::encode(text.as_bytes()));
            assert_eq!(account(SecretKind::BedrockApiKey, value.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn tokens_tell_when_they_expire() {
        let at = |template: &str| scan(template)[0].expires();
        assert_eq!(at("{{codeartifact_token}}"), Some(1_767_268_800));
        assert_eq!(at("{{ecr_password}}"), Some(1_767_268_800));
        assert_eq!(at("{{ecr_auth}}"), Some(1_767_268_800));
        assert_eq!(at("{{bedrock_short_term_key}}"), Some(1_767_268_800));
        assert_eq!(at("{{bedrock_api_key}}"), None);
    }

    const URL: &str = "https://b.s3.amazonaws.com/k?X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-Signature=\
                       {{presigned_signature}}&X-Amz-Credential={{ID}}%2F20260101%2Fus-east-1%2Fs3%2Faws4_request";

    #[test]
    fn a_presigned_url_is_its_id_and_when_it_expires() {
        for id in ["{{access_key_id}}", "{{temporary_key_id}}"] {
            let matches = scan(&format!("<a href=\"{}\">", URL.replace("{{ID}}", id)));
            assert_eq!(matches.len(), 1);
            assert_eq!((&*matches[0].rule, matches[0].expires()), ("aws-presigned-url", Some(1_767_225_660)));
            assert_eq!(matches[0].access_key_id.unwrap().to_string(), expand(id).unwrap());
        }
        let token =
            format!("{}&X-Amz-Security-Token={{{{session_token}}}}", URL.replace("{{ID}}", "{{temporary_key_id}}"));
        assert_eq!(found(&token), ["aws-presigned-url: session_token, presigned_url"]);
        assert_eq!(scan(&token)[0].expires(), Some(1_767_225_660));
    }

    #[test]
    fn an_id_outside_of_a_url_stays_what_it_is() {
        let url = URL.replace("{{ID}}", "{{access_key_id}}");
        assert_eq!(found(&format!("{url}\n{url}")), ["aws-presigned-url: presigned_url"; 2]);
        assert_eq!(
            found(&format!("{{{{access_key_id}}}}\n{url}")),
            ["aws-access-key-id: ", "aws-presigned-url: presigned_url"]
        );
        assert_eq!(
            found(&format!("aws_secret_access_key={{{{secret_access_key}}}}\n{url}")),
            ["aws-access-key-id: secret_access_key, presigned_url"]
        );
    }

    #[test]
    fn urls_of_the_documentation_are_nothing() {
        assert!(found(&URL.replace("{{ID}}", "AKIAIOSFODNN7EXAMPLE")).is_empty());
        let query =
            format!("bedrock-api-key-{}", base64::encode(URL.replace("{{ID}}", "AKIAIOSFODNN7EXAMPLE").as_bytes()));
        assert!(found(&query).is_empty());
    }

    #[test]
    fn keys_that_are_encrypted_or_cut_short_are_nothing() {
        let pem = |bytes: &[u8]| {
            let body = base64::encode(bytes);
            found(&format!("ec2\n-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----\n"))
        };
        let openssh = |cipher: &str| {
            let length = u32::try_from(cipher.len()).unwrap().to_be_bytes();
            [b"openssh-key-v1\0", &length[..], cipher.as_bytes(), &[7; 300]].concat()
        };
        assert_eq!(pem(&openssh("none")), ["aws-private-key: private_key"]);
        assert!(pem(&openssh("aes256-ctr")).is_empty());
        let der = [&[0x30, 0x82, 1, 4, 2, 1, 0][..], &[9; 257]].concat();
        assert_eq!(pem(&der), ["aws-private-key: private_key"]);
        assert!(pem(&der[..der.len() - 3]).is_empty());
        assert!(pem(&[&der[..], b"more"].concat()).is_empty());
    }

    #[test]
    fn a_private_key_counts_near_aws_only() {
        let key = "-----BEGIN RSA PRIVATE KEY-----\n{{private_key}}\n-----END RSA PRIVATE KEY-----\n";
        assert!(found(key).is_empty());
        assert!(found(&format!("aware paws\n{key} draws2 sec2")).is_empty());
        assert_eq!(
            found(&format!("{{{{access_key_id}}}}\n{key}")),
            ["aws-access-key-id: ", "aws-private-key: private_key"]
        );
        let apart = |bytes: usize| found(&format!("aws{}{key}", " ".repeat(bytes)));
        assert_eq!(apart(900), ["aws-private-key: private_key"]);
        assert!(apart(1100).is_empty());
    }

    #[test]
    fn every_user_of_a_console_file_is_told() {
        let rows =
            "jo,{{name}},,,https://1.signin.aws.amazon.com/console\n".repeat(3).replace("jo,{{name}}", "jo,Pass-w0rd!");
        assert_eq!(
            scan(&format!("User name,Password,Access key ID,Secret access key,Console login link\n{rows}")).len(),
            3
        );
        let with_keys = "jo,x$9Kq!-z,{{access_key_id}},{{secret_access_key}},https://1.signin.aws.amazon.com/console\n";
        assert_eq!(found(with_keys).len(), 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn nothing_in_a_value_breaks_the_reader(value: Vec<u8>, text in "[A-Za-z0-9+/=%\"\\\\.]{0,200}") {
            for kind in SecretKind::ALL {
                for value in [&value[..], text.as_bytes(), &[b"ABSK", text.as_bytes()].concat()] {
                    let value = normal(kind, value);
                    let _ = (check(kind, &value), expires(kind, &value), account(kind, &value));
                }
            }
        }

        #[test]
        fn a_value_that_is_cut_short_is_none(cut in 1usize..400) {
            for name in ["{{codeartifact_token}}", "{{ecr_password}}", "{{ses_smtp_password}}"] {
                let whole = expand(name).unwrap();
                let part = &whole[..whole.len().saturating_sub(cut)];
                let found = scan(&format!("smtp {part} "));
                // What is left may still hold all that makes a password of it.
                prop_assert!(found.is_empty() || name.contains("ecr"), "{}", part.len());
            }
        }

        #[test]
        fn line_ends_leave_no_trace(lines in prop::collection::vec("[A-Za-z0-9+/]{1,64}", 1..20), end in r"\n|\r\n|\\n|\\r\\n|\n {0,4}") {
            let plain = without_line_ends(lines.join(&end).as_bytes());
            prop_assert_eq!(plain, lines.concat().into_bytes());
        }
    }
}
