//! Access key ids and secrets that could be real and are nobody's: put together here, so that no scanner takes them for leaked ones.

use sha2::{Digest, Sha512};

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// An id of the newer generation, which spells its account: one bit of generation, forty of account, the rest drawn from `seed`.
pub(crate) fn id_of(kind: &str, account: &str, seed: u64) -> String {
    let account: u64 = account.parse().expect("twelve digits");
    let drawn = drawn(&format!("id {kind} {account} {seed}"));
    let head = 1 << 44 | account << 4 | u64::from(drawn[0] & 0xf);
    let head = (0..9).rev().map(|place| (head >> (5 * place)) as usize & 31);
    let tail = drawn[1..8].iter().map(|&byte| usize::from(byte) & 31);
    format!("{kind}{}", head.chain(tail).map(|digit| char::from(BASE32[digit])).collect::<String>())
}

/// An id of the generation that was issued until about 2019, which does not.
pub(crate) fn old_id(seed: u64) -> String {
    let tail = drawn(&format!("old id {seed}"));
    let tail: String = tail[..15].iter().map(|&byte| char::from(BASE32[usize::from(byte) & 31])).collect();
    format!("{}{tail}", ["AK", "IAJ"].concat())
}

/// The secret that belongs to an id.
pub(crate) fn secret_of(id: &str) -> String {
    let characters = |salt: u32| drawn(&format!("secret {id} {salt}"))[..40].to_vec();
    let secret = |salt| characters(salt).iter().map(|&byte| char::from(BASE64[usize::from(byte) & 63])).collect();
    let is_mixed = |secret: &String| {
        let has = |kind: fn(&u8) -> bool| secret.bytes().filter(kind).count() >= 3;
        has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit)
    };
    (0..).map(secret).find(is_mixed).expect("most are")
}

fn drawn(seed: &str) -> [u8; 64] {
    Sha512::digest(seed).into()
}

#[test]
fn ids_spell_their_account_and_secrets_are_secrets() {
    use keysweep::key::AccessKeyId;
    for (account, seed) in [("111122223333", 1), ("000000000001", 2), ("999999999998", 3)] {
        let parsed = AccessKeyId::parse(id_of("AKIA", account, seed).as_bytes()).unwrap();
        assert_eq!(parsed.account().unwrap().to_string(), account);
    }
    assert_ne!(id_of("AKIA", "111122223333", 1), id_of("AKIA", "111122223333", 2));
    assert_eq!(AccessKeyId::parse(old_id(1).as_bytes()).unwrap().account(), None);
    assert_eq!((secret_of("a").len(), secret_of("a")), (40, secret_of("a")));
    assert_ne!(secret_of("a"), secret_of("b"));
}
