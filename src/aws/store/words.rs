//! Encoded words: how S3 writes what is not ASCII into the headers of metadata. A whole value is encoded for one such character, and a secret in it
//! would not be seen.
//!
//! <https://datatracker.ietf.org/doc/html/rfc2047>
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html>

use aws_smithy_types::base64;

/// The same with encoded words written out. What is none, or in another character set than UTF-8, stays as it is.
pub(super) fn decoded(value: String) -> String {
    if !value.contains("=?") {
        return value;
    }
    let mut bytes = Vec::with_capacity(value.len());
    let (mut rest, mut is_after_word) = (value.as_str(), false);
    while let Some(start) = rest.find("=?") {
        let (before, from) = rest.split_at(start);
        let Some((word, after)) = word(from) else {
            let (sign, after) = from.split_at(2);
            bytes.extend_from_slice(before.as_bytes());
            bytes.extend_from_slice(sign.as_bytes());
            (rest, is_after_word) = (after, false);
            continue;
        };
        // Spaces between two words only part them.
        if !is_after_word || !before.trim().is_empty() {
            bytes.extend_from_slice(before.as_bytes());
        }
        bytes.extend_from_slice(&word);
        (rest, is_after_word) = (after, true);
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).unwrap_or(value)
}

/// The bytes of the word that the text begins with, and what follows it.
fn word(text: &str) -> Option<(Vec<u8>, &str)> {
    let (charset, text) = text.strip_prefix("=?")?.split_once('?')?;
    let (encoding, text) = text.split_once('?')?;
    let (word, after) = text.split_once("?=")?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    match encoding {
        "B" | "b" => Some((base64::decode(word).ok()?, after)),
        "Q" | "q" => Some((quoted_printable(word)?, after)),
        _ => None,
    }
}

/// `_` is a space, `=C3` a byte.
fn quoted_printable(word: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'_' => b' ',
            b'=' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?
            }
            byte => byte,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn words_are_written_out_and_all_else_stays() {
        for (value, expected) in [
            ("plain =x= ?", "plain =x= ?"),
            ("=?UTF-8?B?w6kga2V5?=", "é key"),
            ("=?utf-8?Q?=C3=A9_a=2Fb=3D?=", "é a/b="),
            ("a =?UTF-8?Q?=C3=A9?= b", "a é b"),
            // One character may stand in two words.
            ("=?UTF-8?Q?=C3?= =?UTF-8?Q?=A9?=", "é"),
            ("=?UTF-8?Q?a?= x =?UTF-8?Q?b?=", "a x b"),
            ("=?ISO-8859-1?Q?=E9?=", "=?ISO-8859-1?Q?=E9?="),
            ("=?UTF-8?X?a?=", "=?UTF-8?X?a?="),
            ("=?UTF-8?Q?=C?=", "=?UTF-8?Q?=C?="),
            ("=?UTF-8?Q?=FF?=", "=?UTF-8?Q?=FF?="),
            ("=?UTF-8?B?a", "=?UTF-8?B?a"),
            ("=?=?UTF-8?Q?a?=", "=?a"),
        ] {
            assert_eq!(decoded(value.to_owned()), expected);
        }
    }
}
