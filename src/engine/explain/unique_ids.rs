//! Words that name a user, a role or the like and are taken for access key ids.

use crate::key::AccessKeyId;
use crate::location::Span;

/// Four letters with which unique ids begin that are no access key ids.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids>
const UNIQUE_IDS: [(&[u8], &str); 8] = [
    (b"AGPA", "a user group"),
    (b"AIDA", "an IAM user"),
    (b"AIPA", "an EC2 instance profile"),
    (b"ANPA", "a managed policy"),
    (b"ANVA", "a version of a managed policy"),
    (b"APKA", "a public key"),
    (b"AROA", "a role"),
    (b"ASCA", "a certificate"),
];

/// Words of an id's length or one more that begin like a unique id, and what they name.
pub(super) fn find(text: &[u8]) -> impl Iterator<Item = (Span, &'static str)> {
    words(text).filter_map(|word| {
        let value = word.of(text);
        let of_id = value.iter().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
        let (_, what) = UNIQUE_IDS.iter().find(|(kind, _)| of_id && value.starts_with(kind))?;
        Some((word, *what))
    })
}

fn words(text: &[u8]) -> impl Iterator<Item = Span> {
    text.split(|c| !c.is_ascii_alphanumeric())
        .scan(0, |at, word| {
            let span = Span { start: *at, end: *at + word.len() };
            *at = span.end + 1;
            Some(span)
        })
        .filter(|span| (AccessKeyId::LEN..=AccessKeyId::LEN + 1).contains(&(span.end - span.start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_of_that_shape_are_found_with_what_they_name() {
        let found = |text: &str| find(text.as_bytes()).map(|(span, what)| (span.start, what)).collect::<Vec<_>>();
        let (role, user) = ("AROASP2TPHJSUFRSTTZX4", "AIDASP2TPHJSUFRSTTZX");
        assert_eq!(found(&format!("{role}:x,{user}")), [(0, "a role"), (24, "an IAM user")]);
        for text in [format!("x{role}"), format!("{user}XY"), user.to_lowercase(), format!("AKIA{}", &user[4..])] {
            assert!(found(&text).is_empty(), "{text}");
        }
    }
}
