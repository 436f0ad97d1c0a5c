//! The checksum in tokens of GitHub and those who took after it: CRC-32 of what stands before, in base 62
//! (<https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/>).

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Letters of the checksum, and of what it is of, at the end of a token.
const LENGTH: usize = 6;
const PAYLOAD: usize = 30;

/// Whether the last letters of a token are the checksum of those before.
pub(super) fn is_right(token: &[u8]) -> bool {
    let Some(start) = token.len().checked_sub(PAYLOAD + LENGTH) else {
        return false;
    };
    let (payload, checksum) = token[start..].split_at(PAYLOAD);
    base62(crc32(payload)) == *checksum
}

/// A payload with its checksum.
pub(super) fn completed(payload: &str) -> String {
    let checksum = base62(crc32(payload.as_bytes()));
    payload.chars().chain(checksum.into_iter().map(char::from)).collect()
}

/// As in zip and PNG: reflected, polynomial 0x04C11DB7 (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    let shifted = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), shifted))
}

fn base62(mut number: u32) -> [u8; LENGTH] {
    let mut digits = [b'0'; LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[number as usize % DIGITS.len()];
        number /= DIGITS.len() as u32;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_standard_comes_out() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(&base62(61 * 62 + 10), b"0000zA");
    }

    #[test]
    fn a_token_has_the_checksum_of_its_payload() {
        let token = completed("aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0");
        assert_eq!(token.len(), PAYLOAD + LENGTH);
        assert!(is_right(token.as_bytes()) && is_right(format!("prefix_{token}").as_bytes()));
        assert!(!is_right(token.replace('d', "e").as_bytes()) && !is_right(&token.as_bytes()[1..]));
    }
}
