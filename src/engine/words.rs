//! Tells words from what is drawn at random by the pairs of letters in them: of the 676 there are, the 130 that are most frequent in
//! source text make up three quarters of all pairs in words, and a fifth of those in random letters.

/// For each letter those that often follow it, counted in the words of some large public source trees.
const FOLLOWERS: [&[u8]; 26] = [
    b"bcdgilmnprst",
    b"al",
    b"aehklot",
    b"aei",
    b"acdeflmnprstvx",
    b"eio",
    b"e",
    b"aeio",
    b"acdefglmnorst",
    b"",
    b"e",
    b"aeiloy",
    b"aeiop",
    b"acdegiost",
    b"cdlmnprstuw",
    b"aeloprt",
    b"",
    b"aeimost",
    b"cehiopstu",
    b"aehiorst",
    b"lnrst",
    b"aei",
    b"",
    b"",
    b"",
    b"",
];

/// How many frequent pairs of letters stand in a value, whatever their case.
pub(super) fn frequent_pairs(value: &[u8]) -> usize {
    value.windows(2).filter(|pair| is_frequent(pair[0].to_ascii_lowercase(), pair[1].to_ascii_lowercase())).count()
}

/// Whether more than two in five of a value's pairs of letters are frequent: of those in words three in four are, of random ones one
/// in five.
pub(super) fn is_wordy(value: &[u8]) -> bool {
    let letters = value.windows(2).filter(|pair| pair.iter().all(u8::is_ascii_alphabetic)).count();
    5 * frequent_pairs(value) > 2 * letters
}

fn is_frequent(first: u8, second: u8) -> bool {
    first.is_ascii_lowercase() && FOLLOWERS[usize::from(first - b'a')].contains(&second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_many_frequent_pairs_and_random_letters_few() {
        assert_eq!(FOLLOWERS.iter().map(|followers| followers.len()).sum::<usize>(), 130);
        assert!(frequent_pairs(b"usr/local/lib/Python3/sitepackages/Boto3") > 18);
        assert!(frequent_pairs(b"SOUTHEASTREGIONS") > 10);
        assert!(frequent_pairs(b"Vq1fZ8pTnW3sLk0yRb6/cXuEo9GdJh2+MtAiQ5Nv") < 8);
        assert_eq!(frequent_pairs(b"12+/\xff\0"), 0);
        assert!(is_wordy(b"/assets/generated/") && !is_wordy(b"q7Xz0LmW3vK9pR2tYb8N") && !is_wordy(b""));
    }
}
