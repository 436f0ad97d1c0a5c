//! What is encoded is found like what is not: each encoding, encodings within each other, and what must not be taken for encoded.

use super::*;
use crate::engine::base64::{decode, encode as base64};

const FILE: &str = "[default]\naws_access_key_id = {{access_key_id}}\naws_secret_access_key = {{secret_access_key}}\n";
const PAIR: &str = "aws-access-key-id: id, secret";
const SECRET: &str = "aws-secret-access-key: secret";

fn hex(text: &str) -> String {
    text.bytes().map(|c| format!("{c:02x}")).collect()
}

fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn secret() -> String {
    expand("{{secret_access_key}}").unwrap()
}

fn file() -> String {
    expand(FILE).unwrap()
}

/// The encodings of the only match of a text, which has the secret of the templates.
#[track_caller]
fn encodings(text: &str, expected: &str) -> Vec<Encoding> {
    let text = expand(text).unwrap();
    assert_eq!(found_in(text.as_bytes()), [expected], "{text}");
    let matches = scanner().scan(text.as_bytes()).matches;
    assert_eq!(matches[0].secrets[0].secret.expose(), secret().as_bytes());
    matches[0].encoding.clone()
}

#[test]
fn a_label_outside_names_the_value_inside() {
    let secret = secret();
    let spelled = |each: fn(u32) -> String| secret.chars().map(|c| each(c.into())).collect::<String>();
    let cut = |between: &str| [&secret[..17], between, &secret[17..]].concat();
    for (value, encoding) in [
        (base64(secret.as_bytes()), Encoding::Base64),
        (base64(secret.as_bytes()).trim_end_matches('=').replace('+', "-").replace('/', "_"), Encoding::Base64),
        (hex(&secret), Encoding::Hex),
        (hex(&secret).to_uppercase(), Encoding::Hex),
        (secret.bytes().map(|c| format!("0x{c:02x}, ")).collect(), Encoding::Hex),
        (spelled(|c| format!("%{c:02X}")), Encoding::Percent),
        (spelled(|c| format!("\\u{c:04x}")), Encoding::Escapes),
        (spelled(|c| format!("\\x{c:02x}")), Encoding::Escapes),
        (spelled(|c| format!("&#{c};")), Encoding::Entities),
        (spelled(|c| format!("&#x{c:x};")), Encoding::Entities),
        (cut("\" + \""), Encoding::Split),
        (cut("\"\n    \""), Encoding::Split),
        (cut("\\\n    "), Encoding::Split),
        (cut("</span><span>"), Encoding::Split),
        (cut("\u{AD}"), Encoding::Split),
    ] {
        let text = format!("AWS_SECRET_ACCESS_KEY: \"{value}\"\n");
        assert_eq!(encodings(&text, SECRET), [encoding], "{value}");
    }
    let quoted = format!("AWS_SECRET_ACCESS_KEY=3D{}", cut("=\r\n"));
    assert_eq!(encodings(&quoted, SECRET), [Encoding::QuotedPrintable]);
    for (label, order) in [
        ("AWS_SECRET_ACCESS_KEY: ", u16::to_le_bytes as fn(u16) -> [u8; 2]),
        ("AWS_SECRET_ACCESS_KEY=", u16::to_le_bytes),
        ("AWS_SECRET_ACCESS_KEY=", u16::to_be_bytes),
    ] {
        let text = [label.as_bytes(), encoded(&secret, order).as_slice(), b"\n"].concat();
        assert_eq!(found_in(&text), [SECRET]);
    }
}

#[test]
fn the_signs_of_a_secret_may_be_escaped() {
    let secret = secret();
    assert!(secret.contains('/') || secret.contains('+'));
    for value in [
        secret.replace('/', "\\/").replace('+', "\\u002b"),
        secret.replace('/', "%2F").replace('+', "%2B"),
        secret.replace('/', "&#47;").replace('+', "&plus;"),
    ] {
        let text = format!("{{\"id\":\"{{{{access_key_id}}}}\",\"SecretAccessKey\":\"{value}\"}}");
        assert_eq!(encodings(&text, PAIR), []);
        let text = expand(&text).unwrap();
        let span = scanner().scan(text.as_bytes()).matches[0].secrets[0].span;
        assert_eq!(span.of(text.as_bytes()), value.as_bytes());
    }
}

#[test]
fn an_id_and_a_secret_that_are_encoded_apart_are_a_pair() {
    let id = base64(expand("{{access_key_id}}").unwrap().as_bytes());
    let secret = base64(secret().as_bytes());
    let text = format!("data:\n  AWS_ACCESS_KEY_ID: {id}\n  AWS_SECRET_ACCESS_KEY: {secret}\n");
    assert_eq!(encodings(&text, PAIR), [Encoding::Base64]);
    assert_eq!(encodings(&format!("{id}:{secret}"), PAIR), [Encoding::Base64]);
}

#[test]
fn a_whole_file_may_be_encoded_without_anything_that_says_so() {
    let once = base64(file().as_bytes());
    let wrapped: Vec<&str> = once.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    for (text, expected) in [
        (once.clone(), vec![Encoding::Base64]),
        (wrapped.join("\n"), vec![Encoding::Base64]),
        (format!("  {}", wrapped.join("\n  ")), vec![Encoding::Base64]),
        (hex(&file()), vec![Encoding::Hex]),
        (base64(once.as_bytes()), vec![Encoding::Base64; 2]),
        (base64(base64(once.as_bytes()).as_bytes()), vec![Encoding::Base64; 3]),
        (base64(&gzip(&file())), vec![Encoding::Base64, Encoding::Gzip]),
        (base64(base64(&gzip(&file())).as_bytes()), vec![Encoding::Base64, Encoding::Base64, Encoding::Gzip]),
        (base64(&encoded(&file(), u16::to_le_bytes)), vec![Encoding::Base64, Encoding::Utf16Le]),
        (hex(&once), vec![Encoding::Hex, Encoding::Base64]),
    ] {
        for (before, after) in [("", ""), ("powershell -EncodedCommand ", "\n"), ("b", ""), ("a-long-prefix-", "\"")] {
            assert_eq!(encodings(&format!("{before}{text}{after}"), PAIR), expected, "{before}");
        }
    }
}

#[test]
fn base64_may_itself_be_spelled_out() {
    let once = base64(file().as_bytes());
    let wrapped: Vec<&str> = once.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    for text in [
        wrapped.join("\\n"),
        format!("\"{}\"", wrapped.join("\" +\n\"")),
        once.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"),
        once.replace('/', "\\/"),
    ] {
        assert!(encodings(&text, PAIR).ends_with(&[Encoding::Base64]), "{text}");
    }
}

#[test]
fn letters_of_what_is_deflated_may_be_spelled_out() {
    let zlib = |text: &str| {
        use std::io::Write;
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let spelled = |text: &str| text.replace('+', "%2B").replace('/', "%2f").replace('=', "%3D").replace('\n', "%0D%0A");
    let short = expand("{{access_key_id}}:{{secret_access_key}}").unwrap();
    let short = (0..100).map(|number| zlib(&format!("{number} {short}")));
    let short = short.filter(|deflated| base64(deflated).contains(['+', '/'])).take(3);
    for deflated in [gzip(&file()), zlib(&file())].into_iter().chain(short) {
        let once = base64(&deflated);
        let lines: Vec<&str> = once.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        for text in [spelled(&once), spelled(&lines.join("\n"))] {
            for before in 0..40 {
                let url = format!("{}?q=%22x%22&state={text}&v=2", "x".repeat(before));
                let encodings = encodings(&url, PAIR);
                assert_eq!(encodings, [Encoding::Percent, Encoding::Base64, Encoding::Gzip], "{url}");
            }
        }
    }
}

#[test]
fn the_fourth_encoding_is_not_read() {
    let mut text = file();
    for depth in 1..=4 {
        text = base64(text.as_bytes());
        assert_eq!(found_in(text.as_bytes()).len(), usize::from(depth <= 3), "{depth}");
    }
}

#[test]
fn an_id_alone_is_found_in_a_short_run() {
    let id = expand("{{temporary_key_id}}").unwrap();
    for text in
        [base64(id.as_bytes()), base64(format!("u:{id}").as_bytes()), base64(format!("x={id}\n").as_bytes()), hex(&id)]
    {
        assert_eq!(found(&format!("see {text} there")), ["aws-temporary-key-id: id"], "{text}");
    }
}

#[test]
fn json_in_json_in_json_is_read() {
    let secret = secret().replace('/', "\\/");
    let mut text = format!("{{\"AccessKeyId\":\"{{{{access_key_id}}}}\",\"SecretAccessKey\":\"{secret}\"}}");
    for _ in 0..2 {
        text = format!("{{\"body\":\"{}\"}}", text.replace('\\', "\\\\").replace('"', "\\\""));
    }
    assert_eq!(encodings(&text, PAIR), []);
}

#[test]
fn a_token_that_is_base64_of_text_is_one_find() {
    let inside = base64(file().repeat(3).as_bytes());
    for token in [expand("{{session_token}}").unwrap(), format!("IQoJb3JpZ2lu{}", inside.trim_end_matches('='))] {
        assert_eq!(found(&format!("AWS_SESSION_TOKEN={token}\n")), ["aws-session-token: token"], "{token}");
    }
}

#[test]
fn a_token_is_told_as_it_is_once_decoded() {
    let token = expand("{{session_token}}").unwrap();
    for (text, encoding) in [
        (format!("AWS_SESSION_TOKEN: {}", base64(token.as_bytes())), vec![Encoding::Base64]),
        (format!("AWS_SESSION_TOKEN: {}", hex(&token)), vec![Encoding::Hex]),
        (format!("X-Amz-Security-Token={}", token.replace('/', "%2F").replace('+', "%2B")), vec![Encoding::Percent]),
        (format!("{{\"SessionToken\":\"{}\"}}", token.replace('/', "\\/")), vec![Encoding::Escapes]),
    ] {
        let found = scanner().scan(text.as_bytes()).matches;
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].secrets[0].secret.expose(), token.as_bytes());
        assert_eq!(found[0].encoding, encoding);
    }
}

#[test]
fn what_spells_the_sign_before_a_value_is_no_part_of_it() {
    // The code's two digits and what stands before the next code are forty characters too.
    let secret = ["0qk9DFB5x4Qge79XQoTQ", "16xbjWb7h6MIvUzyDz", "+J"].concat();
    for before in ["AWS_SECRET_ACCESS_KEY%3D", "%22SecretAccessKey%22%3A%22"] {
        let text = expand(&format!("{{{{access_key_id}}}} {before}{}", secret.replace('+', "%2B"))).unwrap();
        assert_eq!(found_in(text.as_bytes()), [PAIR], "{before}");
        assert_eq!(scanner().scan(text.as_bytes()).matches[0].secrets[0].secret.expose(), secret.as_bytes());
    }
}

#[test]
fn rows_of_a_table_in_quotes_stay_apart() {
    assert_eq!(found(&"\"{{access_key_id}}\",\"{{secret_access_key}}\"\n".repeat(3)), [PAIR; 3]);
}

#[test]
fn views_far_from_each_other_do_not_disturb_what_is_between() {
    let far = "word ".repeat(8000);
    let plain = "{{access_key_id}}\nSecretAccessKey: {{secret_access_key}}\n";
    let text = [&base64(file().as_bytes()), &far, plain, &far, &hex(&file())].concat();
    assert_eq!(found(&text), [PAIR; 3]);
}

#[test]
fn the_place_of_a_value_covers_all_of_it_and_little_more() {
    for offset in 0..8 {
        let text = format!("{}{}", "x".repeat(offset), file());
        let digits = |piece: &str| -> Vec<u8> {
            (0..piece.len() / 2).map(|i| u8::from_str_radix(&piece[2 * i..2 * i + 2], 16).unwrap()).collect()
        };
        let letters = |piece: &str| decode(piece.as_bytes()).unwrap();
        for (encoded, decoded) in
            [(base64(text.as_bytes()), &letters as &dyn Fn(&str) -> Vec<u8>), (hex(&text), &digits)]
        {
            let bytes = format!("a {encoded} z");
            let span = scanner().scan(bytes.as_bytes()).matches[0].secrets[0].span;
            let value = decoded(&bytes[span.start..span.end]);
            assert!(memchr::memmem::find(&value, secret().as_bytes()).is_some() && value.len() <= 44, "{bytes}");
        }
    }
}

#[test]
fn what_is_deflated_to_almost_nothing_is_read_as_far_as_is_said() {
    let scan = |megabytes: usize| {
        let text = format!("{}{}", "AKIA ".repeat(megabytes << 20).get(..megabytes << 20).unwrap(), file());
        scanner().scan(base64(&gzip(&text)).as_bytes())
    };
    // To see whether it is of interest takes as much again, but not of the same budget.
    let within = scan(7);
    assert_eq!((within.matches.len(), within.complete), (1, true));
    let beyond = scan(9);
    assert_eq!((beyond.matches.len(), beyond.complete), (0, false));
}

#[test]
fn hostile_input_is_worked_off() {
    let bomb = base64(&gzip(&format!("{}{FILE}", "AKIA ".repeat(1 << 20))));
    let nest = (0..12).fold("secret".repeat(1000), |text, _| base64(text.as_bytes()));
    for text in [
        bomb,
        nest,
        "\\u0041".repeat(50_000),
        "%41%25".repeat(50_000),
        "%".repeat(100_000),
        "%2B%0A%".repeat(50_000),
        "secret%2Fabcdefghijklmnopqrstuvwxyz0123456789%3D".repeat(10_000),
        "a\"+\"".repeat(50_000),
        "AKIA<b><i>".repeat(20_000),
        "AKIA&#65;=3D=\n".repeat(20_000),
        "secret\\\\\\\\".repeat(20_000),
        format!("{} ", base64(b"aws_secret_access_key = AKIA")).repeat(5_000),
    ] {
        assert!(scanner().scan(text.as_bytes()).matches.len() <= 1);
    }
}
