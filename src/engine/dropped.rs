//! Why something that looks like a credential is not reported as one, in words for whoever asks.
//! Who decides so is `boundary`, `plausible` and the rule.

use std::fmt;

use crate::key::NotAnId;

/// Why a candidate is no credential.
#[derive(Clone, Debug, PartialEq)]
pub enum Dropped {
    /// Letters or digits that belong to it go on before or behind it.
    PieceOfMore,
    /// It is not as mixed as what is drawn at random; both in bits a byte.
    Entropy {
        /// What it has.
        bits: f64,
        /// What its rule asks for.
        least: f64,
    },
    /// The rule excludes it: a placeholder or an example of the documentation. The pattern that says so.
    Excluded(String),
    /// Its label says that it is something else, or somebody else's.
    CalledElse,
    /// AWS issues no such id.
    Impossible(NotAnId),
    /// So few of its characters are distinct that nobody drew them.
    Repetitive,
    /// A stretch of the alphabet, of a keyboard row or of one letter.
    Sequence,
    /// No mix of capitals, small letters and digits: a word, a path, a number.
    Words,
    /// Hexadecimal digits only: a hash.
    Hex,
    /// Its label says too little, and no access key id stands near enough.
    NoId,
    /// Another rule found what stands there.
    Covered {
        /// The id of that rule.
        by: String,
    },
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PieceOfMore => write!(f, "it is a piece of something longer"),
            Self::Entropy { bits, least } => {
                write!(f, "its entropy is {bits:.2} bits a character, {least:.2} are the least of a random value")
            }
            Self::Excluded(pattern) => {
                write!(f, "it is a placeholder or an example of the documentation (it matches `{pattern}`)")
            }
            Self::CalledElse => write!(f, "its label says that it is something else"),
            Self::Impossible(why) => write!(f, "AWS issues no such id: {why}"),
            Self::Repetitive => write!(f, "it has too few distinct characters to be random"),
            Self::Sequence => write!(f, "it holds a stretch of the alphabet, of a keyboard row or of one letter"),
            Self::Words => write!(f, "it is no random mix of capitals, small letters and digits"),
            Self::Hex => write!(f, "it is a hexadecimal number: a hash"),
            Self::NoId => write!(f, "its label says too little without an access key id nearby"),
            Self::Covered { by } => write!(f, "the rule `{by}` found what stands there"),
        }
    }
}

impl From<NotAnId> for Dropped {
    fn from(why: NotAnId) -> Self {
        Self::Impossible(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_in_words() {
        let entropy = Dropped::Entropy { bits: 3.125, least: 4.25 };
        assert_eq!(entropy.to_string(), "its entropy is 3.12 bits a character, 4.25 are the least of a random value");
        assert!(Dropped::from(NotAnId::Account(1_099_511_627_775)).to_string().contains("1099511627775"));
        assert!(Dropped::Excluded("^x".to_owned()).to_string().contains("`^x`"));
    }
}
