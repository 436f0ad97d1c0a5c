//! A file that holds nothing but a secret access key, as secrets are mounted into containers or kept in stores: what it is called is
//! then the label. Which names will do is for the rule to say, and what the file is called for those who know.

use std::ops::Range;

use super::boundary::is_base64;
use super::foreign::Terms;
use super::rule::pattern::Found;
use super::rule::{Kind, RuleSet};
use super::{Match, SecretKind, judged, pair::Value};
use crate::key::SECRET_ACCESS_KEY_LEN;

/// A longer file holds more than a secret in quotes and a line end.
pub(super) const LONGEST: usize = 64;

/// The secret that is all of a file, if the file has a name that a rule asks for.
pub(super) fn secret(rules: &RuleSet, bytes: &[u8]) -> Option<Match> {
    let value = value(bytes)?;
    let found = Found { start: value.start, next: value.end, value };
    let of_secrets =
        rules.iter().enumerate().filter(|(_, rule)| rule.kind == Kind::Secret(SecretKind::SecretAccessKey));
    of_secrets.into_iter().find_map(|(index, rule)| {
        let path = rule.pattern.file_name()?;
        let part = judged(index, rule, bytes, &found).ok()?;
        let Value::Secret(secret) = part.value else {
            return None;
        };
        Some(Match {
            rule: rule.id.clone(),
            span: part.raw,
            access_key_id: None,
            secrets: vec![secret],
            encoding: Vec::new(),
            terms: Terms::default().at(Some(path)),
        })
    })
}

/// Where the only word of a file stands that is as long as a secret and written with its letters.
fn value(bytes: &[u8]) -> Option<Range<usize>> {
    if bytes.len() > LONGEST {
        return None;
    }
    let start = bytes.iter().position(is_base64)?;
    let end = bytes.iter().rposition(is_base64)? + 1;
    let is_around = |c: &u8| c.is_ascii_whitespace() || matches!(c, b'"' | b'\'' | 0 | 0xEF | 0xBB | 0xBF);
    let stands_alone = bytes[..start].iter().chain(&bytes[end..]).all(is_around);
    let is_word = end - start == SECRET_ACCESS_KEY_LEN && bytes[start..end].iter().all(is_base64);
    (stands_alone && is_word).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Scanner;
    use crate::engine::foreign::Place;
    use crate::engine::rule::check::expand;

    fn is_found(text: &str, path: &str) -> bool {
        let text = expand(text).unwrap();
        let scanner = Scanner::new(RuleSet::builtin());
        let scan = scanner.scan(text.as_bytes());
        assert_eq!(scan, scanner.scan_slowly(text.as_bytes()));
        let place = Place { path: path.into(), ..Place::default() };
        let found: Vec<_> = scan.matches.iter().filter(|found| found.terms.hold(&place)).collect();
        found.len() == 1 && found[0].secrets[0].secret.expose() == expand("{{secret_access_key}}").unwrap().as_bytes()
    }

    #[test]
    fn the_name_of_a_file_is_the_label_of_all_that_it_holds() {
        for path in [
            "aws_secret_access_key",
            "run/secrets/AWS_SECRET_ACCESS_KEY.txt",
            "secrets/secretAccessKey",
            "s3/secret-key",
            "etc/backup/aws-secret",
            "aws-prod/secret",
            "s3/secret_key.txt",
            "prod_aws_secret_access_key",
            "a.zip!etc/AwsSecretKey",
        ] {
            assert!(is_found("{{secret_access_key}}", path), "{path}");
            assert!(is_found("\u{FEFF}\"{{secret_access_key}}\"\r\n", path), "{path}");
        }
    }

    #[test]
    fn other_names_say_nothing() {
        for path in [
            "",
            "token",
            "secret",
            "aws/etag",
            "secret_access_key/notes",
            "access_key",
            "saws/secretary",
            "paws/secret",
            "stripe_secret_key",
            "gs_secret_access_key",
            "minio-secret-key",
            "webhook_secret_key",
            "django_secret_key",
            "secret_key",
            "srv/aws-x/django/secret",
        ] {
            assert!(!is_found("{{secret_access_key}}", path), "{path}");
        }
    }

    #[test]
    fn what_is_more_or_looks_like_no_secret_is_none() {
        for text in [
            "{{secret_access_key}}a",
            "{{secret_access_key}} b",
            "-{{secret_access_key}}",
            "{{digest}}",
            "{{name}}",
            "",
        ] {
            assert!(!is_found(text, "aws_secret_access_key"), "{text}");
        }
    }
}
