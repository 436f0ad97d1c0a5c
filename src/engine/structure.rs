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
    if kind != SecretKind::BedrockApiKey {
        return None;
    }
    let text = base64::decode(value.strip_prefix(b"ABSK")?)?;
    let name = text.split(|&c| c == b':').next()?;
    let digits = &name[memmem::rfind(name, b"-at-")? + 4..];
    AccountId::parse(digits.get(..12)?)
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
        && parts.iter().all(|part| base64::decode(part).is_some_and(|bytes| bytes.len() >= 12))
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
