//! AWS access key ids, what they tell without asking anybody, and secrets that can't be shown by accident.
//! Whether a key is live is triage's business.

use std::borrow::Cow;
use std::fmt;

/// Accounts that hand out canary tokens: any call signed with their keys raises an alarm at their owner's.
/// Thinkst's own, then those known to imitate them.
const CANARY_ACCOUNTS: &[u64] = &[
    52310077262,
    171436882533,
    534261010715,
    595918472158,
    717712589309,
    819147034852,
    992382622183,
    730335385048,
    266735846894,
    893192397702,
    44858866125,
    251535659677,
    344043088457,
    351906852752,
    390477818340,
    426127672474,
    427150556519,
    439872796651,
    445142720921,
    465867158099,
    637958123769,
    693412236332,
    732624840810,
    735421457923,
    959235150393,
    982842642351,
];

/// An access key id: 20 characters, a four-letter kind and sixteen of base32.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids>
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccessKeyId([u8; 20]);

/// What an access key id's four letters say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// `AKIA`, `ABIA`, `ACCA`: valid until it is switched off.
    LongTerm,
    /// `ASIA`: a session's, expires by itself.
    Temporary,
}

/// Why twenty characters are no access key id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnId {
    /// It has another length.
    #[error("it has {0} characters and not 20")]
    Length(usize),
    /// Its first four letters are no credential's.
    #[error("it begins with none of AKIA, ASIA, ABIA and ACCA")]
    Kind,
    /// A character is not of base32 (RFC 4648).
    #[error("`{0}` is not of the alphabet, A to Z and 2 to 7")]
    Alphabet(char),
    /// The fifth character is of neither generation.
    #[error("no generation of ids has `{0}` as its fifth character")]
    Generation(char),
    /// The account number that it spells has too many digits.
    #[error("its account number would be {0}, more than twelve digits")]
    Account(u64),
}

/// Why a text is no account number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAccount {
    /// It has another number of digits.
    #[error("it has {0} digits and not 12; spreadsheets drop zeros in front")]
    Length(usize),
    /// It holds something else than digits.
    #[error("it is not twelve digits")]
    Digits,
}

/// An AWS account number, shown with its leading zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(u64);

/// How many characters a secret access key has.
pub(crate) const SECRET_ACCESS_KEY_LEN: usize = 40;

impl AccessKeyId {
    /// How many characters an id has.
    pub const LEN: usize = 20;

    /// From exactly twenty bytes; `None` where [`AccessKeyId::check`] has an objection.
    pub fn parse(text: &[u8]) -> Option<Self> {
        Self::check(text).ok()
    }

    /// From exactly twenty bytes.
    ///
    /// # Errors
    /// When the kind is no credential's, when a character is outside base32, or when the fifth character can't be: old ids have `I`
    /// or `J` there, newer ones the top of an account number.
    pub fn check(text: &[u8]) -> Result<Self, NotAnId> {
        let bytes: [u8; 20] = text.try_into().map_err(|_| NotAnId::Length(text.len()))?;
        if !has_kind(&bytes) {
            return Err(NotAnId::Kind);
        }
        if let Some(&c) = bytes[4..].iter().find(|&&c| base32(c).is_none()) {
            return Err(NotAnId::Alphabet(c.into()));
        }
        match (bytes[4], account_bits(&bytes)) {
            (b'I' | b'J', _) => Ok(Self(bytes)),
            (c @ (b'A'..=b'H' | b'K'..=b'P'), _) => Err(NotAnId::Generation(c.into())),
            (_, Some(number)) if number >= ACCOUNTS => Err(NotAnId::Account(number)),
            _ => Ok(Self(bytes)),
        }
    }

    /// From exactly twenty bytes that have the shape of an id, four letters of a credential and sixteen capitals or digits, whether AWS
    /// can have issued it or not. For ids that somebody vouches for; what is merely found goes through [`AccessKeyId::check`].
    pub fn shaped(text: &[u8]) -> Option<Self> {
        let bytes: [u8; 20] = text.try_into().ok()?;
        let of_id = |c: &u8| c.is_ascii_uppercase() || c.is_ascii_digit();
        (has_kind(&bytes) && bytes.iter().all(of_id)).then_some(Self(bytes))
    }

    /// The twenty characters.
    pub fn as_str(&self) -> &str {
        // Only ASCII gets past `check` and `shaped`.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Long-term or temporary.
    pub fn kind(&self) -> KeyKind {
        if self.0.starts_with(b"ASIA") { KeyKind::Temporary } else { KeyKind::LongTerm }
    }

    /// An access key of a user, `AKIA`, as IAM lists them: it knows nothing of ids of other kinds.
    pub fn is_users(&self) -> bool {
        self.0.starts_with(b"AKIA")
    }

    /// The account the key belongs to. Ids issued before about 2019 do not tell it.
    pub fn account(&self) -> Option<AccountId> {
        account_bits(&self.0).filter(|&number| number < ACCOUNTS).map(AccountId)
    }
}

fn has_kind(id: &[u8; 20]) -> bool {
    matches!(&id[..4], b"AKIA" | b"ABIA" | b"ACCA" | b"ASIA")
}

/// Account numbers have twelve digits.
const ACCOUNTS: u64 = 1_000_000_000_000;

/// Reads the nine characters after the kind: one bit of generation, forty of account number, four of chance. `None` for the old
/// generation and for what is not base32.
fn account_bits(id: &[u8; 20]) -> Option<u64> {
    let bits = id[4..13].iter().try_fold(0u64, |bits, &c| Some(bits << 5 | u64::from(base32(c)?)))?;
    let new_generation = bits >> 44 == 1;
    new_generation.then_some(bits >> 4 & ((1 << 40) - 1))
}

/// RFC 4648 base32, upper case only.
fn base32(c: u8) -> Option<u8> {
    match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'2'..=b'7' => Some(c - b'2' + 26),
        _ => None,
    }
}

impl AccountId {
    /// From twelve digits, also as the console shows them: `1111-2222-3333`.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn parse(text: &str) -> Result<Self, NotAnAccount> {
        let digits = match text.as_bytes() {
            [_, _, _, _, b'-', _, _, _, _, b'-', _, _, _, _] => Cow::Owned(text.replace('-', "")),
            _ => Cow::Borrowed(text),
        };
        if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
            return Err(NotAnAccount::Digits);
        }
        match digits.len() {
            12 => digits.parse().map(Self).map_err(|_| NotAnAccount::Digits),
            length => Err(NotAnAccount::Length(length)),
        }
    }

    /// Belongs to a known maker of canary tokens.
    pub fn is_canary(&self) -> bool {
        CANARY_ACCOUNTS.contains(&self.0)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}", self.0)
    }
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A secret value. It can't be printed: no `Display`, no `Serialize`, and `Debug` shows four characters at most.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Wraps the raw bytes.
    pub fn new(value: impl Into<Vec<u8>>) -> Self {
        Self(value.into())
    }

    /// The value itself. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Enough to recognise it by, never enough to use: the first four characters of at least sixteen, and an ellipsis.
    pub fn redacted(&self) -> String {
        let shown = if self.0.len() >= 16 { 4 } else { 0 };
        let mut text: String = self.0[..shown].escape_ascii().to_string();
        text.push('…');
        text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.redacted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids of tests are put together at run time so that no scanner flags this file.
    fn id(kind: &str, rest: &str) -> Option<AccessKeyId> {
        AccessKeyId::parse(format!("{kind}{rest}").as_bytes())
    }

    fn account(kind: &str, rest: &str) -> Option<String> {
        Some(id(kind, rest)?.account()?.to_string())
    }

    #[test]
    fn account_is_decoded_from_ids_of_the_new_generation() {
        let vectors = [
            ("ASIA", "Y34FZKBOKMUTVV7A", "609629065308"),
            ("AKIA", "SP2TPHJSQH3FJRUX", "171436882533"),
            ("ASIA", "VJ2E6QGR2WZILJFM", "364679954851"),
            ("AKIA", "XYZDQCEN4B6JSJQI", "534261010715"),
            ("ASIA", "QNZGKIQY56JQ7WML", "029608264753"),
            ("ASIA", "QAAAAAAAGMKEM7X5", "000000000000"),
            ("AKIA", "V7S32T2OSBFJQOIY", "411435703965"),
            ("AKIA", "WDB7XWLS3OBANPCE", "418892985061"),
            ("ASIA", "Y34FZKBNKMUTVV7A", "609629065306"),
            ("AKIA", "6RVFFB77QAAAAAAA", "999999999999"),
        ];
        for (kind, rest, expected) in vectors {
            assert_eq!(account(kind, rest).as_deref(), Some(expected), "{kind}…{rest}");
        }
    }

    #[test]
    fn old_ids_are_valid_and_tell_no_account() {
        assert_eq!(id("AKIA", "IOSFODNN7EXAMPLE").unwrap().account(), None);
        assert_eq!(id("AKIA", "JWMRCSBBKQO4HQCQ").unwrap().account(), None);
    }

    #[test]
    fn impossible_ids_are_refused() {
        for (kind, rest) in [
            ("AKIA", "I44QH8DHBEXAMPLE"), // 8 is not base32
            ("AKIA", "7AAAAAAAAAAAAAAA"), // account beyond twelve digits
            ("AKIA", "KAAAAAAAAAAAAAAA"), // neither generation begins with K
            ("AROA", "SP2TPHJSQH3FJRUX"), // a role's unique id
            ("AKIA", "SP2TPHJSQH3FJRU"),  // too short
        ] {
            assert!(id(kind, rest).is_none(), "{kind}…{rest}");
        }
    }

    #[test]
    fn an_id_that_somebody_vouches_for_needs_the_shape_alone() {
        for text in ["AKIAI44QH8DHBEXAMPLE", "ASIA0000000000000000", "AKIAIOSFODNN7EXAMPLE"] {
            let id = AccessKeyId::shaped(text.as_bytes()).unwrap();
            assert_eq!((id.as_str(), id.account()), (text, None));
        }
        let whole = ["AKIA", "SP2TPHJSQH3FJRUX"].concat();
        assert_eq!(AccessKeyId::shaped(whole.as_bytes()), AccessKeyId::parse(whole.as_bytes()));
        for text in ["AROAI44QH8DHBEXAMPLE", "AKIAI44QH8DHBEXAMPL", "AKIAI44QH8DHBEXAMPLe", "AKIAI44QH8DHBEXAM-LE"] {
            assert_eq!(AccessKeyId::shaped(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn an_impossible_id_has_a_reason() {
        let why = |rest: &str| AccessKeyId::check(["AKIA", rest].concat().as_bytes()).unwrap_err();
        assert_eq!(why("I44QH8DHBEXAMPLE"), NotAnId::Alphabet('8'));
        assert_eq!(why("KAAAAAAAAAAAAAAA"), NotAnId::Generation('K'));
        assert_eq!(why("7777777777777777"), NotAnId::Account((1 << 40) - 1));
        assert_eq!(why("SP2TPHJSQH3FJRU"), NotAnId::Length(19));
        assert_eq!(AccessKeyId::check(b"AROASP2TPHJSQH3FJRUX"), Err(NotAnId::Kind));
    }

    #[test]
    fn account_numbers_are_twelve_digits_and_keep_their_zeros() {
        for text in ["000022223333", "0000-2222-3333"] {
            assert_eq!(AccountId::parse(text).unwrap().to_string(), "000022223333");
        }
        assert_eq!(AccountId::parse("22223333"), Err(NotAnAccount::Length(8)));
        for text in ["", "1111222233334444x", "00-002222-3333", "+11112222333", "1.11122E+11", "١١١١٢٢٢٢٣٣٣٣"]
        {
            assert_eq!(AccountId::parse(text), Err(NotAnAccount::Digits), "{text}");
        }
    }

    #[test]
    fn canary_accounts_are_known() {
        assert!(id("AKIA", "SP2TPHJSQH3FJRUX").unwrap().account().unwrap().is_canary());
        assert!(!id("ASIA", "Y34FZKBOKMUTVV7A").unwrap().account().unwrap().is_canary());
    }

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new(*b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        assert_eq!(secret.redacted(), "wJal…");
        assert_eq!(format!("{secret:?}"), "Secret(wJal…)");
        assert_eq!(Secret::new(*b"short").redacted(), "…");
    }
}
