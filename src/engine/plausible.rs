//! Throws out what has the shape of a credential but can't be one: placeholders, sequences, words, paths, hashes.
//! The limits are set so that one real value in a thousand is lost at most; where a value begins and ends is `boundary`'s business.

use super::boundary::class_changes;
use super::{Dropped, SecretKind, structure, words};
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
/// Words that stand in tokens which are none, in lower case. The shortest is in one random token of 20,000.
const WORDS: [&str; 9] = ["example", "placeholder", "redacted", "changeme", "dummy", "sample", "fake", "your_", "xxxx"];
/// What is longer is a document, in which the format brings stretches.
const LONGEST_TYPED: usize = 256;
/// Of a token's characters in a row; the seventh in a stretch is not chance.
const LONGEST_STRETCH: usize = 7;
const STRETCHES: [&[u8]; 5] =
    [b"01234567890123456789", b"98765432109876543210", b"abcdefghijklmnopqrstuvwxyz", b"qwertyuiop", b"asdfghjkl"];
/// Forty random characters of base64 change class about 23 times, more of them more often; fewer than this in 1 case of 30,000. Forty of a path or of
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

/// Whether a value may be a secret of that kind: what has a structure must have it, and what was drawn must look drawn. Passwords
/// that people choose have nothing to show here.
pub(super) fn check_secret(kind: SecretKind, value: &[u8]) -> Result<(), Dropped> {
    structure::check(kind, value)?;
    match kind {
        SecretKind::SecretAccessKey => check_secret_access_key(value),
        SecretKind::SesSmtpPassword | SecretKind::SessionToken | SecretKind::BedrockApiKey => check_mix(value),
        SecretKind::MwsAuthToken => check_drawn(&value["amzn.mws.".len().min(value.len())..]),
        SecretKind::AppsyncApiKey => {
            let drawn = &value["da2-".len().min(value.len())..];
            check_hex(drawn)?;
            if !drawn.iter().any(u8::is_ascii_digit) || !drawn.iter().any(u8::is_ascii_lowercase) {
                return Err(Dropped::Words);
            }
            check_drawn(drawn)
        }
        SecretKind::PresignedUrl => check_drawn(value),
        SecretKind::GitPassword
        | SecretKind::CodeartifactToken
        | SecretKind::EcrPassword
        | SecretKind::PrivateKey
        | SecretKind::ConsolePassword => Ok(()),
        SecretKind::Other => check_typed(value),
    }
}

/// Whether a token may have been drawn at random, as far as nobody types such words and stretches.
fn check_typed(value: &[u8]) -> Result<(), Dropped> {
    if value.len() > LONGEST_TYPED {
        return Ok(());
    }
    let value = value.to_ascii_lowercase();
    if let Some(word) = WORDS.iter().find(|word| memchr::memmem::find(&value, word.as_bytes()).is_some()) {
        return Err(Dropped::Excluded((*word).to_owned()));
    }
    let is_stretch = |piece: &[u8]| {
        piece.iter().all(|&c| c == piece[0])
            || STRETCHES.iter().any(|stretch| memchr::memmem::find(stretch, piece).is_some())
    };
    if value.windows(LONGEST_STRETCH).any(is_stretch) { Err(Dropped::Sequence) } else { Ok(()) }
}

/// Whether letters and digits in one case may have been drawn.
fn check_drawn(value: &[u8]) -> Result<(), Dropped> {
    if distinct(value) < FEWEST_IN_ID {
        return Err(Dropped::Repetitive);
    }
    let is_typed = has_sequence(value) || memchr::memmem::find(value, b"12345").is_some();
    if is_typed { Err(Dropped::Sequence) } else { Ok(()) }
}

/// Whether it has capitals, small letters and digits, with so many changes of class.
fn check_mix(value: &[u8]) -> Result<(), Dropped> {
    check_hex(value)?;
    if !has_all_classes(value) || class_changes(value) < FEWEST_CHANGES {
        return Err(Dropped::Words);
    }
    Ok(())
}

fn check_secret_access_key(value: &[u8]) -> Result<(), Dropped> {
    check_hex(value)?;
    let most_pairs = if value.iter().any(u8::is_ascii_digit) { MOST_PAIRS_IN_SECRET } else { MOST_PAIRS_WITHOUT_DIGIT };
    if class_changes(value) < FEWEST_CHANGES || words::frequent_pairs(value) > most_pairs {
        return Err(Dropped::Words);
    }
    if has_sequence(value) {
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

/// Whether so many characters in a row stand in some sequence, or are one and the same. Capitals and small letters are alike.
fn has_sequence(value: &[u8]) -> bool {
    const STEPS: usize = LONGEST_SEQUENCE - 1;
    let mut last = [0; STEPS];
    value.windows(2).enumerate().any(|(at, pair)| {
        last[at % STEPS] = steps(pair[0], pair[1]);
        last.iter().fold(!0, |all, steps| all & steps) != 0
    })
}

/// In which sequences the second character comes right after the first, a bit for each; the highest if they are the same.
fn steps(first: u8, second: u8) -> u16 {
    match (place(first), place(second)) {
        (Some(first), Some(second)) => STEPS_IN_SEQUENCES[first][second],
        _ if first == second => SAME,
        _ => 0,
    }
}

const SAME: u16 = 1 << 15;
/// Letters and digits.
const PLACES: usize = 36;

/// Of a letter or a digit in [`STEPS_IN_SEQUENCES`].
const fn place(c: u8) -> Option<usize> {
    match c {
        b'A'..=b'Z' => Some((c - b'A') as usize),
        b'a'..=b'z' => Some((c - b'a') as usize),
        b'0'..=b'9' => Some((c - b'0') as usize + 26),
        _ => None,
    }
}

/// No character is followed by different ones in one sequence, so that steps in a row are a stretch of it.
static STEPS_IN_SEQUENCES: [[u16; PLACES]; PLACES] = {
    let mut table = [[0; PLACES]; PLACES];
    let mut number = 0;
    while number < SEQUENCES.len() {
        let sequence = SEQUENCES[number];
        let mut at = 1;
        while at < sequence.len() {
            if let (Some(first), Some(second)) = (place(sequence[at - 1]), place(sequence[at])) {
                table[first][second] |= 1 << number;
            }
            at += 1;
        }
        number += 1;
    }
    let mut same = 0;
    while same < PLACES {
        table[same][same] |= SAME;
        same += 1;
    }
    table
};

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
    fn a_sequence_is_what_stands_in_one_of_the_list() {
        let plainly = |value: &[u8]| {
            value.to_ascii_uppercase().windows(LONGEST_SEQUENCE).any(|piece| {
                piece.iter().all(|&c| c == piece[0])
                    || SEQUENCES.iter().any(|sequence| memchr::memmem::find(sequence, piece).is_some())
            })
        };
        let letters: Vec<u8> = (b' '..=b'~').chain([0, 0xFF]).collect();
        let mut found = 0;
        // Walks that mostly take a step of some sequence, and now and then any other.
        let mut noise = 1_u32;
        let mut random = |below: usize| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 8) as usize % below
        };
        for _ in 0..200_000 {
            let mut value = vec![letters[random(letters.len())]];
            while value.len() < 8 {
                let last = value[value.len() - 1];
                let sequence = SEQUENCES[random(SEQUENCES.len())];
                let next =
                    sequence.iter().position(|&c| c == last.to_ascii_uppercase()).and_then(|at| sequence.get(at + 1));
                value.push(match (random(8), next) {
                    (0, _) => letters[random(letters.len())],
                    (1, _) => last,
                    (2, Some(next)) => next.to_ascii_lowercase(),
                    (_, Some(&next)) => next,
                    (_, None) => last,
                });
            }
            assert_eq!(has_sequence(&value), plainly(&value), "{}", value.escape_ascii());
            found += usize::from(plainly(&value));
        }
        assert!((20_000..180_000).contains(&found), "{found}");
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
    fn typed_keys_of_other_kinds_do_not_pass() {
        let check = |kind, value: &str| check_secret(kind, value.as_bytes());
        for (kind, value) in [
            (SecretKind::AppsyncApiKey, "da2-xxxxxxxxxxxxxxxxxxxxxxxxxx"),
            (SecretKind::AppsyncApiKey, "da2-abcdefghijklmnopqrstuvwxyz"),
            (SecretKind::AppsyncApiKey, "da2-0a9f3c7be21d4f80a9c6e5b3d7"),
            (SecretKind::MwsAuthToken, "amzn.mws.00000000-0000-0000-0000-000000000000"),
            (SecretKind::MwsAuthToken, "amzn.mws.12345678-9abc-def0-1234-56789abcdef0"),
            (SecretKind::PresignedUrl, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ] {
            assert!(check(kind, value).is_err(), "{value}");
        }
        let halves = ["da2-k3v7qzt5ybn2", "m9xw4rhs6dpfc8"];
        assert_eq!(check(SecretKind::AppsyncApiKey, &halves.concat()), Ok(()));
    }

    #[test]
    fn entropy_is_in_bits_a_byte() {
        assert_eq!(entropy(b""), 0.0);
        assert_eq!(entropy(b"aaaa"), 0.0);
        assert_eq!(entropy(b"abab"), 1.0);
        assert_eq!(entropy(b"abcdefgh"), 3.0);
    }
}
