//! Fingerprints that tell nothing to who has not the key. Ids of access keys can be guessed by their account, so that who has some in
//! mind can look for their plain fingerprints; keyed ones are HMAC-SHA-256 of the plain ones.
//! Where the key comes from is the porch's business.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Fingerprint;

/// Marks a keyed fingerprint.
const PREFIX: &str = "hmac:";

/// A key for fingerprints. It can't be shown.
#[derive(Clone)]
pub struct FingerprintKey {
    mac: Hmac<Sha256>,
    id: KeyId,
}

/// Enough of a key to tell it from others by, and nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; 4]);

/// A fingerprint as it is written down.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Print {
    /// SHA-256 of the credential.
    Plain(Fingerprint),
    /// HMAC-SHA-256 of that.
    Keyed {
        /// The key that it was made with.
        key: KeyId,
        /// The code.
        code: Fingerprint,
    },
}

/// The key is so short that it can be guessed.
#[derive(Debug, thiserror::Error)]
#[error("it has {0} bytes and must have at least {min}: a shorter one can be guessed; `openssl rand -hex 32` makes a good one", min = FingerprintKey::MIN)]
pub struct KeyTooShort(usize);

/// A text is no fingerprint.
#[derive(Debug, thiserror::Error)]
#[error("a fingerprint is 64 hexadecimal digits, with `hmac:`, eight digits and `:` before them if it is keyed")]
pub struct NotAPrint;

impl FingerprintKey {
    /// So many bytes a key has at least.
    pub const MIN: usize = 16;

    /// A key of any bytes.
    ///
    /// # Errors
    /// When there are too few of them.
    pub fn new(key: &[u8]) -> Result<Self, KeyTooShort> {
        if key.len() < Self::MIN {
            return Err(KeyTooShort(key.len()));
        }
        let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        let [a, b, c, d, ..] = code(&mac, b"keysweep fingerprint key");
        Ok(Self { mac, id: KeyId([a, b, c, d]) })
    }

    /// What the key is known by.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// A fingerprint as this key writes it.
    pub fn print(&self, plain: &Fingerprint) -> Print {
        Print::Keyed { key: self.id, code: Fingerprint(code(&self.mac, &plain.0)) }
    }
}

fn code(mac: &Hmac<Sha256>, message: &[u8]) -> [u8; 32] {
    let mut mac = mac.clone();
    mac.update(message);
    mac.finalize().into_bytes().into()
}

impl Print {
    /// As `key` writes it, or plainly where there is none.
    pub fn new(plain: &Fingerprint, key: Option<&FingerprintKey>) -> Self {
        key.map_or(Self::Plain(*plain), |key| key.print(plain))
    }

    /// The digits without what marks them as keyed.
    pub fn digits(&self) -> &Fingerprint {
        match self {
            Self::Plain(digits) | Self::Keyed { code: digits, .. } => digits,
        }
    }

    /// Enough of it for a person, as git shortens its hashes.
    pub fn short(&self) -> String {
        self.digits().to_string()[..12].to_owned()
    }
}

impl fmt::Display for Print {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(digits) => write!(f, "{digits}"),
            Self::Keyed { key, code } => write!(f, "{PREFIX}{key}:{code}"),
        }
    }
}

impl FromStr for Print {
    type Err = NotAPrint;

    fn from_str(text: &str) -> Result<Self, NotAPrint> {
        let digits = |text: &str| bytes(text).map(Fingerprint).ok_or(NotAPrint);
        match text.strip_prefix(PREFIX) {
            None => digits(text).map(Self::Plain),
            Some(keyed) => {
                let (key, code) = keyed.split_once(':').ok_or(NotAPrint)?;
                Ok(Self::Keyed { key: KeyId(bytes(key).ok_or(NotAPrint)?), code: digits(code)? })
            }
        }
    }
}

/// Exactly `N` bytes in small hexadecimal digits.
fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let is_digit = |c: &u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
    if hex.len() != 2 * N || !hex.as_bytes().iter().all(is_digit) {
        return None;
    }
    let mut all = [0; N];
    for (at, byte) in all.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(all)
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FingerprintKey({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// <https://www.rfc-editor.org/rfc/rfc4231#section-4>, cases 3 and 6.
    #[test]
    fn codes_are_those_of_the_standard() {
        let cases: [(&[u8], &[u8], &str); 2] = [
            (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (key, message, expected) in cases {
            let key = FingerprintKey::new(key).unwrap();
            assert_eq!(Fingerprint(code(&key.mac, message)).to_string(), expected);
        }
    }

    #[test]
    fn prints_are_read_as_they_are_written() {
        let plain = Fingerprint::of(b"a credential");
        let key = FingerprintKey::new(b"0123456789abcdef").unwrap();
        for print in [Print::new(&plain, None), Print::new(&plain, Some(&key))] {
            assert_eq!(print.to_string().parse::<Print>().unwrap(), print);
        }
        assert_eq!(Print::new(&plain, None).to_string(), plain.to_string());
        let keyed = Print::new(&plain, Some(&key)).to_string();
        assert!(keyed.starts_with(&format!("hmac:{}:", key.id())) && !keyed.contains(&plain.to_string()), "{keyed}");
        for bad in ["", "hmac:", &plain.to_string()[1..], &keyed[1..], &keyed.to_uppercase(), &format!("{plain}0")] {
            assert!(bad.parse::<Print>().is_err(), "{bad}");
        }
    }

    #[test]
    fn another_key_makes_other_prints_and_is_known_as_another() {
        let plain = Fingerprint::of(b"a credential");
        let [one, two] = [b"0123456789abcdef", b"0123456789abcdeF"].map(|key| FingerprintKey::new(key).unwrap());
        assert_ne!(one.print(&plain).digits(), two.print(&plain).digits());
        assert_ne!(one.id(), two.id());
        assert!(!format!("{one:?}").contains("01234"));
    }

    #[test]
    fn a_key_that_can_be_guessed_is_refused() {
        let error = FingerprintKey::new(b"hunter2").unwrap_err().to_string();
        assert!(error.contains("7 bytes") && error.contains("16") && !error.contains("hunter"), "{error}");
    }
}
