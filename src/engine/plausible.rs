//! Throws out what has the shape of a credential but can't be one: placeholders, sequences, words, paths, hashes.
//! The limits are set so that one real value in a thousand is lost at most; where a value begins and ends is `boundary`'s business.

use super::boundary::class_changes;
use super::{Dropped, SecretKind, words};
use crate::key::AccessKeyId;

/// Of sixteen random characters out of 32, so few distinct ones are seen in 3 cases of 100,000.
const FEWEST_IN_ID: usize = 8;
/// So many pairs of letters that are frequent in words are in 1 random id of 4,000, and in 1 random secret of 2,000.
const MOST_PAIRS_IN_ID: usize = 8;
const MOST_PAIRS_IN_SECRET: usize = 14;
/// A secret without a digit, as 1 in 900 is, needs to look the less like words.
const MOST_PAIRS_WITHOUT_DIGIT: usize = 9;
/// A stretch of the alphabet, of a keyboard row or of one letter that is this long is typed, not drawn: it is in 1 id of 50,000.
const LONGEST_SEQUENCE: usize = 5;
const SEQUENCES: [&[u8]; 12] = [
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    b"765432ZYXWVUTSRQPONMLKJIHGFEDCBA",
    b"01234567890123456789",
    b"98765432109876543210",
    b"QWERTYUIOP",
    b"ASDFGHJKL",
    b"ZXCVBNM",
    b"POIUYTREWQ",
    b"LKJHGFDSA",
    b"QAZWSXEDCRFVTGBYHNUJMIKOLP",
    b"1QAZ2WSX3EDC4RFV5TGB6YHN7UJM8IK9OL0P",
    b"ABCDEF0123456789ABCDEF",
];
/// Forty random characters of base64 change class about 23 times; fewer than this in 1 case of 30,000. Forty of a path or of
/// joined words seldom reach it.
const FEWEST_CHANGES: usize = 11;

/// Whether the id may have been drawn at random.
pub(super) fn check_id(id: &AccessKeyId) -> Result<(), Dropped> {
    // The kind is the same in all.
    let drawn = &id.as_str().as_bytes()[4..];
    if distinct(drawn) < FEWEST_IN_ID {
        return Err(Dropped::Repetitive);
    }
    if has_sequence(drawn) {
        return Err(Dropped::Sequence);
    }
    if words::frequent_pairs(drawn) > MOST_PAIRS_IN_ID {
        return Err(Dropped::Words);
    }
    Ok(())
}

/// Whether a value may be a secret of that kind. Kinds whose rules tell them by their shape have nothing to show here.
pub(super) fn check_secret(kind: SecretKind, value: &[u8]) -> Result<(), Dropped> {
    match kind {
        SecretKind::SecretAccessKey => check_secret_access_key(value),
        SecretKind::SessionToken if !has_all_classes(value) => Err(Dropped::Words),
        SecretKind::SessionToken => check_hex(value),
        _ => Ok(()),
    }
}

fn check_secret_access_key(value: &[u8]) -> Result<(), Dropped> {
    check_hex(value)?;
    let most_pairs = if value.iter().any(u8::is_ascii_digit) { MOST_PAIRS_IN_SECRET } else { MOST_PAIRS_WITHOUT_DIGIT };
    if class_changes(value) < FEWEST_CHANGES || words::frequent_pairs(value) > most_pairs {
        return Err(Dropped::Words);
    }
    if has_sequence(&value.to_ascii_uppercase()) {
        return Err(Dropped::Sequence);
    }
    Ok(())
}

fn check_hex(value: &[u8]) -> Result<(), Dropped> {
    if value.iter().all(u8::is_ascii_hexdigit) { Err(Dropped::Hex) } else { Ok(()) }
}

/// Shannon entropy of the bytes, in bits a byte.
pub(super) fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for &byte in value {
        counts[usize::from(byte)] += 1;
    }
    let length = value.len() as f64;
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| f64::from(count) / length)
        .map(|share| -share * share.log2())
        .sum()
}

fn distinct(value: &[u8]) -> usize {
    let mut seen = [false; 256];
    for &byte in value {
        seen[usize::from(byte)] = true;
    }
    seen.into_iter().filter(|&seen| seen).count()
}

fn has_sequence(value: &[u8]) -> bool {
    value.windows(LONGEST_SEQUENCE).any(|piece| {
        piece.iter().all(|&c| c == piece[0])
            || SEQUENCES.iter().any(|sequence| memchr::memmem::find(sequence, piece).is_some())
    })
}

fn has_all_classes(value: &[u8]) -> bool {
    value.iter().any(u8::is_ascii_uppercase)
        && value.iter().any(u8::is_ascii_lowercase)
        && value.iter().any(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(rest: &str) -> AccessKeyId {
        AccessKeyId::parse(format!("{}{rest}", "AKIA").as_bytes()).unwrap()
    }

    fn secret(value: &[u8]) -> Result<(), Dropped> {
        check_secret(SecretKind::SecretAccessKey, value)
    }

    #[test]
    fn random_ids_pass() {
        for rest in ["SP2TPHJSQH3FJRUX", "Y34FZKBOKMUTVV7A", "V7S32T2OSBFJQOIY"] {
            assert_eq!(check_id(&id(rest)), Ok(()), "{rest}");
        }
    }

    #[test]
    fn typed_ids_do_not_pass() {
        for rest in [
            "XXXXXXXXXXXXXXXX",
            "TESTTESTTESTTEST",
            "QRSTUVWXYZ234567",
            "QWERTYUIOPASDFGH",
            "QAAAAAAAGMKEM7X5", // account 000000000000 is emulators'
            "TTTCACGCTGTGTAAT", // a genome
            "QAZWSXEDCRFVTGBY",
            "SOUTHEASTREGIONS",
            "TODAYISASIAALLAR",
        ] {
            assert!(check_id(&id(rest)).is_err(), "{rest}");
        }
    }

    #[test]
    fn random_secrets_pass() {
        for halves in
            [["Vq1fZ8pTnW3sLk0yRb6/", "cXuEo9GdJh2+MtAiQ5Nv"], ["0qk9DFB5x4Qge79XQoTQ", "16xbjWb7h6MIvUzyDzfJ"]]
        {
            assert_eq!(secret(halves.concat().as_bytes()), Ok(()), "{halves:?}");
        }
    }

    #[test]
    fn a_random_secret_may_lack_a_digit() {
        let halves = ["VqxfZgpTnWzsLkqyRbh/", "cXuEomGdJhk+MtAiQwNv"];
        assert_eq!(secret(halves.concat().as_bytes()), Ok(()));
    }

    #[test]
    fn names_paths_and_hashes_are_no_secrets() {
        for text in [
            "exchangeAuthorizationAccessTokenWithPerm",
            "usr/local/lib/Python3/sitepackages/Thing",
            "1fe4e9bd91d3fd62ea1df6e127a9ec7a07ced3df",
            "DED7DB27A4558EEA9BBF0BF36E0E8521618F366c",
            "AAAAAAAAAAAAAAAAAAAAbbbbbbbbbbbb22222222",
            "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0pQAZW",
            "home/Anna/Projects/Acme2026/Config/Aws/x",
            "AwsSecretKeyFromV2Config3ViaSts4OrImds51",
        ] {
            assert!(secret(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn entropy_is_in_bits_a_byte() {
        assert_eq!(entropy(b""), 0.0);
        assert_eq!(entropy(b"aaaa"), 0.0);
        assert_eq!(entropy(b"abab"), 1.0);
        assert_eq!(entropy(b"abcdefgh"), 3.0);
    }
}
