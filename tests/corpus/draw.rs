//! Values that templates stand for: credentials as AWS draws them, and what only looks like one. Each is drawn from a generator
//! seeded with the family, the case and the template's name, so that it is the same in every run and another in every case.
//! Where values stand in a text is the business of `template`.

use std::ops::Range;

use keysweep::key::AccessKeyId;

use super::transform::{base64, base64url, percent, wrapped};

const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const ALNUM: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const LOWER_ALNUM: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const HEX: &[u8] = b"0123456789abcdef";
const DIGITS: &[u8] = b"0123456789";
/// What IAM's password policies count as symbols.
const SYMBOLS: &[u8] = b"!@#$%^&*()_+-=[]{}|'";

/// What a value is to a scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// An access key id.
    Id,
    /// A credential of any other kind.
    Secret,
    /// No credential.
    LookAlike,
}

/// What a template stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) text: String,
    pub(crate) role: Role,
    /// Other texts that say the same: whoever reports one of them has found it.
    pub(crate) also: Vec<String>,
    /// Credentials inside of it, which may be reported and need not be.
    pub(crate) inside: Vec<String>,
}

/// Splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
pub(crate) struct Random(u64);

impl Random {
    /// Always the same for the same seed. The seed is hashed by FNV-1a.
    pub(crate) fn new(seed: &str) -> Self {
        Self(seed.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, c| (hash ^ u64::from(c)).wrapping_mul(0x0100_0000_01B3)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    fn text(&mut self, length: usize, alphabet: &[u8]) -> String {
        (0..length).map(|_| char::from(alphabet[self.below(alphabet.len() as u64) as usize])).collect()
    }

    /// Draws until all of the classes are in it.
    fn mixed(&mut self, length: usize, alphabet: &[u8], classes: &[fn(&u8) -> bool]) -> String {
        loop {
            let text = self.text(length, alphabet);
            if classes.iter().all(|class| text.as_bytes().iter().any(class)) {
                return text;
            }
        }
    }
}

/// The value of a template such as `id`, `secret:2` or `base64:40:2` in the case of that seed.
///
/// # Errors
/// A template that there is not.
pub(crate) fn draw(seed: &str, template: &str) -> Result<Value, String> {
    let (name, numbers) = template.split_once(':').unwrap_or((template, ""));
    let numbers: Vec<usize> = match numbers {
        "" => Vec::new(),
        _ => numbers.split(':').map(str::parse).collect::<Result<_, _>>().map_err(|_| unknown(template))?,
    };
    let mut random = Random::new(&format!("{seed}/{template}"));
    let random = &mut random;
    let (role, text) = match (name, &numbers[..]) {
        ("account-of-id", [] | [_]) => (Role::LookAlike, account_of_id(seed, template)?),
        ("base64", [length] | [length, _]) => (Role::LookAlike, random.text(*length, BASE64)),
        ("digits", [length] | [length, _]) => (Role::LookAlike, random.text(*length, DIGITS)),
        ("upper", [length] | [length, _]) => (Role::LookAlike, random.text(*length, BASE32)),
        ("alnum", [length] | [length, _]) => (Role::LookAlike, random.text(*length, ALNUM)),
        ("lower", [length] | [length, _]) => (Role::LookAlike, random.text(*length, LOWER)),
        ("ecr-password" | "ecr-auth", [] | [_]) => return Ok(of_registry(seed, template)),
        (_, [] | [_]) => return single(random, name).ok_or_else(|| unknown(template)),
        _ => return Err(unknown(template)),
    };
    Ok(Value { text, role, also: Vec::new(), inside: Vec::new() })
}

fn unknown(template: &str) -> String {
    format!("there is no template `{template}`; put a space behind the braces where they are part of the text")
}

/// What does not take a length.
fn single(random: &mut Random, name: &str) -> Option<Value> {
    let (role, text) = match name {
        "id" => (Role::Id, id(random, "AKIA")),
        "asia" => (Role::Id, id(random, "ASIA")),
        "abia" => (Role::Id, id(random, "ABIA")),
        "acca" => (Role::Id, id(random, "ACCA")),
        "old-id" => (Role::Id, old_id(random)),
        "secret" => (Role::Secret, secret(random)),
        "secret-begins" => (Role::Secret, signed_secret(random, 0..1)),
        "secret-ends" => (Role::Secret, signed_secret(random, 39..40)),
        "secret-doubled" => (Role::Secret, signed_secret(random, 19..21)),
        "token" => (Role::Secret, token(random, "IQoJb3JpZ2lu", 412)),
        "old-token" => (Role::Secret, token(random, "FwoGZXIvYXdz", 412)),
        "long-token" => (Role::Secret, token(random, "IQoJb3JpZ2lu", 1012)),
        "ses-password" => (Role::Secret, base64(&[&[4], &random.bytes(32)[..]].concat())),
        "bedrock" => (Role::Secret, bedrock(random)),
        "bedrock-short" => return Some(bedrock_short(random)),
        "mws" => (Role::Secret, ["amzn.", "mws.", &uuid(random)].concat()),
        "appsync" => (Role::Secret, ["da2", "-", &random.text(26, LOWER_ALNUM)].concat()),
        "codecommit-password" => (Role::Secret, base64(&random.bytes(32))),
        "codeartifact" => (Role::Secret, codeartifact(random)),
        "pem" => (Role::Secret, pem(random)),
        "console-password" => (Role::Secret, console_password(random)),
        "signature-v2" => return Some(signature_v2(random)),
        "signature" | "hex64" => (Role::LookAlike, random.text(64, HEX)),
        "hex40" => (Role::LookAlike, random.text(40, HEX)),
        "uuid" => (Role::LookAlike, uuid(random)),
        // Nothing: it cuts a made-up value in two, so that no scanner sees it in the corpus's own files.
        "cut" => (Role::LookAlike, String::new()),
        "account" => (Role::LookAlike, random.text(12, DIGITS)),
        _ => return None,
    };
    Some(Value { text, role, also: Vec::new(), inside: Vec::new() })
}

/// An id of the generation that tells its account, of an account that hands out no canaries.
fn id(random: &mut Random, kind: &str) -> String {
    loop {
        let bits = 1 << 44 | random.below(1_000_000_000_000) << 4 | random.below(16);
        let told: String = (0..9).rev().map(|i| char::from(BASE32[(bits >> (5 * i) & 31) as usize])).collect();
        let id = [kind, &told, &random.text(7, BASE32)].concat();
        let parsed = AccessKeyId::parse(id.as_bytes()).and_then(|id| id.account());
        if parsed.is_some_and(|account| !account.is_canary()) {
            return id;
        }
    }
}

fn old_id(random: &mut Random) -> String {
    ["AKIA", &random.text(1, b"IJ"), &random.text(15, BASE32)].concat()
}

fn account_of_id(seed: &str, template: &str) -> Result<String, String> {
    let id = draw(seed, &template.replace("account-of-id", "id"))?.text;
    let account = AccessKeyId::parse(id.as_bytes()).and_then(|id| id.account());
    account.map(|account| account.to_string()).ok_or_else(|| unknown(template))
}

fn secret(random: &mut Random) -> String {
    random.mixed(40, BASE64, &[u8::is_ascii_uppercase, u8::is_ascii_lowercase, u8::is_ascii_digit])
}

/// The twenty bytes of a signature of version 2, which URLs have percent-encoded.
fn signature_v2(random: &mut Random) -> Value {
    let text = base64(&random.bytes(20));
    Value { also: vec![percent(&text)], text, role: Role::LookAlike, inside: Vec::new() }
}

/// A secret that has one of the two signs at those places: the characters that may be punctuation as well.
fn signed_secret(random: &mut Random, places: Range<usize>) -> String {
    let sign = ["+", "/"][random.below(2) as usize];
    let mut secret = secret(random);
    secret.replace_range(places.clone(), &sign.repeat(places.len()));
    secret
}

/// A session token of about that length, which is a multiple of four.
fn token(random: &mut Random, head: &str, length: usize) -> String {
    let length = (length - 20 + random.below(40) as usize) / 4 * 4;
    let padding = ["", "=", "=="][random.below(3) as usize];
    [head, &random.text(length - head.len() - padding.len(), BASE64), padding].concat()
}

fn bedrock(random: &mut Random) -> String {
    let (name, account) = (random.text(4, LOWER_ALNUM), random.text(12, DIGITS));
    let length = 59 + random.below(3) as usize;
    let plain = ["BedrockAPIKey-", &name, "-at-", &account, ":", &random.text(length, BASE64)].concat();
    ["ABSK", &base64(plain.as_bytes())].concat()
}

/// A presigned URL of the one call that it allows.
fn bedrock_short(random: &mut Random) -> Value {
    let (id, token) = (id(random, "ASIA"), token(random, "IQoJb3JpZ2lu", 412));
    let url = [
        "bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=",
        &id,
        "%2F20261101%2Fus-east-1%2Fbedrock%2Faws4_request&X-Amz-Date=20261101T081500Z&X-Amz-Expires=43200&X-Amz-Security-Token=",
        &percent(&token),
        "&X-Amz-Signature=",
        &random.text(64, HEX),
        "&X-Amz-SignedHeaders=host&Version=1",
    ];
    let text = ["bedrock-api-key", "-", &base64(url.concat().as_bytes())].concat();
    Value { text, role: Role::Secret, also: Vec::new(), inside: vec![id, token] }
}

/// RFC 7516: five parts, of which only the first can be read.
fn codeartifact(random: &mut Random) -> String {
    let issued = 1_760_000_000 + random.below(30_000_000);
    let (tag, iv) = (base64url(&random.bytes(16)), base64url(&random.bytes(12)));
    let header = format!(
        r#"{{"ver":1,"isu":{issued},"enc":"A128GCM","tag":"{tag}","exp":{},"alg":"A128GCMKW","iv":"{iv}"}}"#,
        issued + 43_200
    );
    let parts = [16, 12, 520, 16].map(|count| base64url(&random.bytes(count)));
    [base64url(header.as_bytes()), parts.join(".")].join(".")
}

fn ecr_password(random: &mut Random) -> String {
    let (payload, key) = (base64(&random.bytes(1100)), base64(&random.bytes(184)));
    let expiration = 1_760_000_000 + random.below(30_000_000);
    let plain = format!(
        r#"{{"payload":"{payload}","datakey":"{key}","version":"2","type":"DATA_KEY","expiration":{expiration}}}"#
    );
    base64(plain.as_bytes())
}

/// A registry's password, alone or with the user's name before it, as docker keeps both. Of one number they are the same password.
fn of_registry(seed: &str, template: &str) -> Value {
    let name = template.replace("ecr-auth", "ecr-password");
    let password = ecr_password(&mut Random::new(&format!("{seed}/{name}")));
    let auth = base64(["AWS:", &password].concat().as_bytes());
    let (text, other) = if template == name { (password, auth) } else { (auth, password) };
    Value { text, role: Role::Secret, also: vec![other], inside: Vec::new() }
}

/// A 2048-bit RSA key as RFC 8017 (A.1.2) writes it, in RFC 7468's form: integers of the right lengths, drawn freely.
fn pem(random: &mut Random) -> String {
    let drawn = [256, 3, 256, 128, 128, 128, 128, 128].map(|length| integer(&random.bytes(length)));
    let content = [integer(&[0]), drawn.concat()].concat();
    let key = base64(&[&[0x30, 0x82], &(content.len() as u16).to_be_bytes()[..], &content].concat());
    let body = wrapped(&key, 64);
    ["-----BEGIN RSA PRIVATE", " KEY-----\n", &body, "\n-----END RSA PRIVATE", " KEY-----"].concat()
}

/// X.690, 8.3: with a zero in front where the number would be negative.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if bytes[0] < 0x80 { &[] } else { &[0] };
    let length = sign.len() + bytes.len();
    let length = match length {
        0..0x80 => vec![length as u8],
        0x80..0x100 => vec![0x81, length as u8],
        _ => vec![0x82, (length >> 8) as u8, length as u8],
    };
    [&[2], &length[..], sign, bytes].concat()
}

fn console_password(random: &mut Random) -> String {
    let length = 12 + random.below(9) as usize;
    let classes: [fn(&u8) -> bool; 4] =
        [u8::is_ascii_uppercase, u8::is_ascii_lowercase, u8::is_ascii_digit, u8::is_ascii_punctuation];
    random.mixed(length, &[ALNUM, SYMBOLS].concat(), &classes)
}

fn uuid(random: &mut Random) -> String {
    [8, 4, 4, 4, 12].map(|length| random.text(length, HEX)).join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(template: &str) -> String {
        draw("family/case", template).unwrap().text
    }

    #[test]
    fn a_template_is_always_the_same_and_another_in_every_case() {
        assert_eq!(drawn("id"), drawn("id"));
        assert_ne!(drawn("id"), drawn("id:2"));
        assert_ne!(drawn("id"), draw("family/other", "id").unwrap().text);
        assert_ne!(drawn("base64:40"), drawn("base64:40:2"));
    }

    #[test]
    fn ids_are_valid_and_tell_their_account() {
        for number in 1..200 {
            for kind in ["id", "asia", "abia", "acca"] {
                let id = AccessKeyId::parse(drawn(&format!("{kind}:{number}")).as_bytes()).unwrap();
                assert!(!id.account().unwrap().is_canary());
            }
            let old = AccessKeyId::parse(drawn(&format!("old-id:{number}")).as_bytes()).unwrap();
            assert_eq!(old.account(), None);
        }
        let id = AccessKeyId::parse(drawn("id:2").as_bytes()).unwrap();
        assert_eq!(id.account().unwrap().to_string(), drawn("account-of-id:2"));
    }

    #[test]
    fn secrets_have_forty_characters_of_three_classes() {
        for number in 1..200 {
            let secret = drawn(&format!("secret:{number}"));
            assert_eq!(secret.len(), 40);
            assert!(secret.bytes().any(|c| c.is_ascii_digit()), "{number}");
        }
    }

    #[test]
    fn a_secret_has_a_sign_where_its_template_says() {
        let sign = |text: &str| text.starts_with(['+', '/']);
        for number in 1..50 {
            assert!(sign(&drawn(&format!("secret-begins:{number}"))[..]));
            assert!(sign(&drawn(&format!("secret-ends:{number}"))[39..]));
            let doubled = drawn(&format!("secret-doubled:{number}"));
            assert!(doubled.contains("++") || doubled.contains("//"));
            assert_eq!(doubled.len(), 40);
        }
    }

    #[test]
    fn values_have_their_lengths_and_first_characters() {
        for (template, length, start) in [
            ("ses-password", 44, "B"),
            ("bedrock", 132, ["ABSK", "QmVkcm9ja0FQSUtleS"].concat().as_str()),
            ("mws", 45, "amzn.mws."),
            ("appsync", 30, "da2-"),
            ("codecommit-password", 44, ""),
            ("signature", 64, ""),
            ("signature-v2", 28, ""),
            ("hex40", 40, ""),
            ("hex64", 64, ""),
            ("base64:17", 17, ""),
            ("uuid", 36, ""),
            ("digits:9", 9, ""),
            ("upper:16", 16, ""),
            ("alnum:24", 24, ""),
            ("lower:7", 7, ""),
            ("account", 12, ""),
        ] {
            let text = drawn(template);
            assert!(text.len() == length && text.starts_with(start), "{template} has {}", text.len());
        }
        for (template, start) in [
            ("token", "IQoJb3JpZ2lu"),
            ("old-token", "FwoGZXIvYXdz"),
            ("long-token", "IQoJb3JpZ2lu"),
            ("bedrock-short", ["bedrock-api-key", "-YmVkcm9jay5hbWF6b25hd3MuY29t"].concat().as_str()),
            ("codeartifact", ["eyJ2ZXIiOjEs", "ImlzdSI6"].concat().as_str()),
            ("ecr-password", ["eyJwYXls", "b2FkIjoi"].concat().as_str()),
            ("ecr-auth", "QVdTOmV5"),
            ("pem", ["-----BEGIN RSA PRIVATE", " KEY-----\nMIIE"].concat().as_str()),
        ] {
            assert!(drawn(template).starts_with(start), "{template}");
        }
    }

    #[test]
    fn a_password_of_the_console_has_all_four_classes() {
        for number in 1..50 {
            let password = drawn(&format!("console-password:{number}"));
            assert!((12..=20).contains(&password.len()));
            assert!(password.bytes().any(|c| SYMBOLS.contains(&c)));
        }
    }

    #[test]
    fn what_is_inside_of_a_value_is_told() {
        assert_eq!(draw("s", "bedrock-short").unwrap().inside.len(), 2);
        let (auth, password) = (draw("s", "ecr-auth:2").unwrap(), draw("s", "ecr-password:2").unwrap());
        assert_eq!(base64(["AWS:", &password.text].concat().as_bytes()), auth.text);
        assert_eq!((&auth.also[0], &password.also[0]), (&password.text, &auth.text));
    }

    #[test]
    fn a_template_that_there_is_not_is_refused() {
        for template in ["ids", "id:x", "id:1:2", "base64", "base64:1:2:3", ""] {
            assert!(draw("s", template).is_err(), "{template}");
        }
    }
}
