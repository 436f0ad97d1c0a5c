//! The scanner runs regexes only around keywords; here it is held to what they find when they are run over everything.

use keysweep::engine::rule::RuleSet;
use keysweep::engine::{Encoding, Match, Scanner};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::LazyLock;

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new(RuleSet::builtin()));

/// The parts of credentials; put together at run time, so that no scanner flags this file.
const ID_RESTS: [&str; 3] = ["SP2TPHJSQH3FJRUX", "Y34FZKBOKMUTVV7A", "V7S32T2OSBFJQOIY"];
const SECRET_HALVES: [&str; 4] =
    ["Vq1fZ8pTnW3sLk0yRb6/", "cXuEo9GdJh2+MtAiQ5Nv", "0qk9DFB5x4Qge79XQoTQ", "16xbjWb7h6MIvUzyDzfJ"];
const LABELS: [&str; 14] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "AWS_SECRET_KEY",
    "SecretAccessKey",
    "secretAccessKey",
    "Secret access key",
    "secret",
    "secret_key",
    "aws_access_key",
    "aws_session_token",
    "X-Amz-Security-Token",
    "SessionToken",
    "aws",
    "ecret",
];
const SEPARATORS: [&str; 24] = [
    "=", " = ", ": ", "\"", "'", "\\\"", "\\n", "\n", "\r\n", "\n\n", "    ", " => ", ":=", "<", "></", "%3D", "value",
    "/", "+", "_", "-", ",", "}", "\0",
];

fn id() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(vec!["AKIA", "ASIA", "ABIA", "ACCA"]);
    (kind, prop::sample::select(&ID_RESTS[..])).prop_map(|(kind, rest)| format!("{kind}{rest}"))
}

fn secret() -> impl Strategy<Value = String> {
    let half = || prop::sample::select(&SECRET_HALVES[..]);
    (half(), half()).prop_map(|(first, second)| format!("{first}{second}"))
}

fn token() -> impl Strategy<Value = String> {
    let head = prop::sample::select(vec!["IQoJb3JpZ2lu", "FwoGZXIvYXdz", "FQoDYXdz", "Zm9v", ""]);
    (head, prop::collection::vec(secret(), 0..6)).prop_map(|(head, body)| head.to_owned() + &body.concat())
}

/// Anything at the end of which some bytes are missing.
fn cut(whole: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (whole, any::<prop::sample::Index>()).prop_map(|(mut text, index)| {
        text.truncate(index.index(text.len() + 1));
        text
    })
}

/// A line such as files have them.
fn assignment() -> impl Strategy<Value = String> {
    let value = prop_oneof![id(), secret(), token()];
    let label = prop::sample::select(&LABELS[..]);
    let separator = prop::sample::select(&SEPARATORS[..]);
    (label, separator, value).prop_map(|(label, separator, value)| format!("{label}{separator}{value}\n"))
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => assignment(),
        4 => prop::sample::select(&LABELS[..]).prop_map(str::to_owned),
        6 => prop::sample::select(&SEPARATORS[..]).prop_map(str::to_owned),
        4 => id(),
        4 => secret(),
        2 => token(),
        1 => cut(id()),
        1 => cut(secret()),
        1 => cut(prop::sample::select(&LABELS[..]).prop_map(str::to_owned)),
        1 => "[A-Za-z0-9+/]{0,30}",
        1 => ".{0,8}",
        1 => (0..300usize).prop_map(|n| " ".repeat(n)),
    ]
}

/// How text may be written.
#[derive(Clone, Copy, Debug)]
enum Spelling {
    Little,
    Big,
    Base64,
    Wrapped,
    Hex,
    List,
    Gzip,
    Percent,
    Escapes,
    Numbers,
    Entities,
    QuotedPrintable,
    Split,
}

const SPELLINGS: [Spelling; 13] = [
    Spelling::Little,
    Spelling::Big,
    Spelling::Base64,
    Spelling::Wrapped,
    Spelling::Hex,
    Spelling::List,
    Spelling::Gzip,
    Spelling::Percent,
    Spelling::Escapes,
    Spelling::Numbers,
    Spelling::Entities,
    Spelling::QuotedPrintable,
    Spelling::Split,
];

fn spell(text: &[u8], spelling: Spelling) -> Vec<u8> {
    let wide = |order: fn(u16) -> [u8; 2]| text.iter().flat_map(|&c| order(c.into())).collect();
    let signs = |some: &dyn Fn(u8) -> String| {
        text.iter().flat_map(|&c| if c.is_ascii_alphanumeric() { vec![c] } else { some(c).into_bytes() }).collect()
    };
    let all = |each: &dyn Fn(u8) -> String| text.iter().flat_map(|&c| each(c).into_bytes()).collect();
    match spelling {
        Spelling::Little => wide(u16::to_le_bytes),
        Spelling::Big => wide(u16::to_be_bytes),
        Spelling::Base64 => base64(text).into_bytes(),
        Spelling::Wrapped => base64(text).into_bytes().chunks(64).collect::<Vec<_>>().join(&b"\n  "[..]),
        Spelling::Hex => all(&|c| format!("{c:02x}")),
        Spelling::List => all(&|c| format!("0x{c:02X}, ")),
        Spelling::Gzip => base64(&gzip(text)).into_bytes(),
        Spelling::Percent => signs(&|c| format!("%{c:02X}")),
        Spelling::Escapes => text.escape_ascii().to_string().replace('/', "\\/").into_bytes(),
        Spelling::Numbers => all(&|c| format!("\\u{c:04x}")),
        Spelling::Entities => signs(&|c| format!("&#{c};")),
        Spelling::QuotedPrintable => {
            let lines: Vec<Vec<u8>> = text.chunks(70).map(<[u8]>::to_vec).collect();
            lines.join(&b"=\r\n"[..]).into_iter().chain(*b"=3D").collect()
        }
        Spelling::Split => text.chunks(17).collect::<Vec<_>>().join(&b"\" + \""[..]),
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}

/// In a few more letters than needed: without padding.
fn base64(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().chain([0; 3].iter()).take(3).fold(0, |bits, &c| bits << 8 | usize::from(c));
        text.extend((0..=group.len()).map(|i| char::from(alphabet[bits >> (18 - 6 * i) & 63])));
    }
    text
}

/// A few pieces of text, written in up to three ways within each other, with rubbish behind.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let one = || prop::sample::select(&SPELLINGS[..]);
    let spellings = prop_oneof![
        4 => Just(Vec::new()),
        4 => prop::collection::vec(one(), 1),
        1 => prop::collection::vec(one(), 2..4),
    ];
    let rubbish = prop_oneof![
        4 => Just(Vec::new()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
        1 => Just(vec![0]),
        1 => Just(b"\n".to_vec()),
    ];
    let texts = prop::collection::vec(text(), 0..16);
    (texts, spellings, rubbish).prop_map(|(texts, spellings, mut rubbish)| {
        let mut bytes = texts.concat().into_bytes();
        for spelling in spellings {
            bytes = spell(&bytes, spelling);
        }
        bytes.append(&mut rubbish);
        bytes
    })
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let mark = prop_oneof![
        4 => Just(vec![]),
        1 => Just(vec![0xFF, 0xFE]),
        1 => Just(vec![0xFE, 0xFF]),
        1 => Just(vec![0x00]),
    ];
    (mark, prop::collection::vec(piece(), 0..6)).prop_map(|(mark, pieces)| [mark, pieces.concat()].concat())
}

/// The bytes of a span as the text they spell, where that is easily told.
fn spelled(bytes: &[u8], found: &Match) -> Option<Vec<u8>> {
    match found.encoding[..] {
        [] => Some(bytes.to_vec()),
        [Encoding::Utf16Le] => Some(bytes.chunks(2).map(|pair| pair[0]).collect()),
        [Encoding::Utf16Be] => Some(bytes.chunks(2).map(|pair| pair[1]).collect()),
        _ => None,
    }
}

/// Compares the scanner with the slow way, and holds the matches to what is promised of any.
fn scanned(bytes: &[u8]) -> Vec<Match> {
    let scan = SCANNER.scan(bytes);
    assert!(scan == SCANNER.scan_slowly(bytes), "{}", bytes.escape_ascii());
    let matches = scan.matches;
    assert!(matches.is_sorted_by_key(|found| found.span));
    for found in &matches {
        if let (Some(id), Some(value)) = (found.access_key_id, spelled(found.span.of(bytes), found)) {
            assert_eq!(value, id.as_str().as_bytes());
        }
        for secret in &found.secrets {
            // It may be written in another way than the id.
            assert!(!secret.span.of(bytes).is_empty());
            if found.encoding.is_empty() && secret.span.end - secret.span.start == secret.secret.expose().len() {
                assert_eq!(secret.span.of(bytes), secret.secret.expose());
            }
        }
    }
    matches
}

/// Texts of a few blocks, some of which hold nothing though there is something to look at, with much or little between them. The
/// same blocks come again and again, as in the versions of a file.
fn blocks() -> impl Strategy<Value = Vec<u8>> {
    let secret = SECRET_HALVES[..2].concat();
    let alone = [
        "secret = none, smtp-at-host\n".to_owned(),
        // An id that AWS can't have issued, and a value that stands beside one.
        format!("id {}{} ", "AKIA", ["A234567", "BCDEFGHIJ"].concat()),
        format!("x: {secret}\n"),
        format!("id {}{}\n", "AKIA", ID_RESTS[0]),
        // As many of a list are secrets as there are ids anywhere.
        format!("aws_secret_access_key = {secret}, {}\n", SECRET_HALVES[2..].concat()),
        "\\u0041KIA %41%".to_owned(),
    ];
    let block = prop::sample::select(alone.to_vec());
    let gap = prop::sample::select(vec![0_usize, 1, 700, 1024, 2900, 4096, 8191, 9000]);
    prop::collection::vec((block, gap), 1..7).prop_map(|blocks| {
        let text = |(block, gap): (String, usize)| block + &". ".repeat(gap);
        blocks.into_iter().map(text).collect::<String>().into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_need_not_be_looked_at_again_holds_nothing(bytes in blocks()) {
        scanned(&bytes);
    }

    #[test]
    fn windows_find_what_the_whole_gives(bytes in bytes()) {
        scanned(&bytes);
    }

    #[test]
    fn random_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        scanned(&bytes);
    }
}

#[test]
fn the_generator_makes_credentials_of_every_kind() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut pairs, mut alone, mut tokens) = (0, 0, 0);
    let mut encodings: BTreeMap<Encoding, u32> = BTreeMap::new();
    let mut nested = 0;
    for _ in 0..1000 {
        for found in scanned(&bytes().new_tree(&mut runner).unwrap().current()) {
            pairs += u32::from(found.access_key_id.is_some() && !found.secrets.is_empty());
            alone += u32::from(found.access_key_id.is_none());
            tokens += u32::from(found.secrets.iter().any(|s| s.secret.expose().len() > 40));
            nested += u32::from(found.encoding.len() > 1);
            for &encoding in &found.encoding {
                *encodings.entry(encoding).or_default() += 1;
            }
        }
    }
    assert!(pairs > 100 && alone > 100 && tokens > 100, "{pairs} pairs, {alone} alone, {tokens} tokens");
    assert!(nested > 50, "{nested} nested");
    for encoding in Encoding::ALL {
        assert!(encodings.get(&encoding).is_some_and(|&count| count > 10), "{encoding:?}: {encodings:?}");
    }
}

#[test]
fn a_pair_is_found_wherever_windows_end() {
    let pair = format!("AKIA{}\naws_secret_access_key = \"{}{}\"\n", ID_RESTS[0], SECRET_HALVES[0], SECRET_HALVES[1]);
    for filler in ["ecret", "AKIA", "secret=", "aws_secret_access_key = x", "-"] {
        for offset in (0..400).step_by(7) {
            let before: String = filler.chars().cycle().take(offset).collect();
            let text = format!("{before} {pair}{before}");
            let matches = scanned(text.as_bytes());
            assert_eq!(matches.len(), 1, "{filler} {offset}");
            assert_eq!(matches[0].secrets.len(), 1, "{filler} {offset}");
        }
    }
}

#[test]
fn megabytes_of_keywords_are_worked_off() {
    for piece in ["AKIA", "secret", "IQoJb3JpZ2lu", "A\0K\0I\0A\0", "aws_secret_access_key = "] {
        let text = piece.repeat((2 << 20) / piece.len());
        assert_eq!(SCANNER.scan(text.as_bytes()).matches, [], "{piece}");
    }
}
