//! The scanner as a whole: templates in, matches out.

use super::*;
use crate::engine::rule::check::expand;

#[cfg(test)]
mod encodings;

fn scanner() -> Scanner {
    Scanner::new(RuleSet::builtin())
}

/// What is found in the expanded template, as `rule: value, value`, after comparing it with the slow way.
fn found(template: &str) -> Vec<String> {
    found_in(expand(template).unwrap().as_bytes())
}

fn found_in(bytes: &[u8]) -> Vec<String> {
    let scanner = scanner();
    let scan = scanner.scan(bytes);
    assert_eq!(scan, scanner.scan_slowly(bytes));
    let matches = scan.matches;
    matches.iter().map(|m| described(bytes, m)).collect()
}

fn described(bytes: &[u8], found: &Match) -> String {
    let mut values = Vec::new();
    if let Some(id) = found.access_key_id {
        assert_spelled(bytes, found.span, id.as_str().as_bytes(), found);
        values.push("id");
    }
    for secret in &found.secrets {
        assert_spelled(bytes, secret.span, secret.secret.expose(), found);
        values.push(match secret.kind {
            SecretKind::SecretAccessKey => "secret",
            SecretKind::SessionToken => "token",
            other => other.name(),
        });
    }
    format!("{}: {}", found.rule, values.join(", "))
}

/// Where nothing is encoded but perhaps as UTF-16, the bytes of a value are the value.
#[track_caller]
fn assert_spelled(bytes: &[u8], span: Span, value: &[u8], found: &Match) {
    let spelled: Vec<u8> = match found.encoding[..] {
        [] if span.end - span.start == value.len() => span.of(bytes).to_vec(),
        [Encoding::Utf16Le] if span.end - span.start == 2 * value.len() => {
            span.of(bytes).chunks(2).map(|pair| pair[0]).collect()
        }
        [Encoding::Utf16Be] if span.end - span.start == 2 * value.len() => {
            span.of(bytes).chunks(2).map(|pair| pair[1]).collect()
        }
        _ => return,
    };
    assert_eq!(spelled, value);
}

fn encoded(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(order).collect()
}

#[test]
fn nothing_is_found_in_nothing() {
    assert!(found("").is_empty());
    assert!(found("a secret of AKIA and ASIA, IQoJb3JpZ2lu").is_empty());
}

#[test]
fn clean_bytes_allocate_nothing() {
    assert_eq!(scanner().scan(&b"clean ".repeat(1000)).matches.capacity(), 0);
}

#[test]
fn an_id_its_secret_and_its_token_are_one_match() {
    assert_eq!(
        found(
            "[default]\naws_access_key_id = {{temporary_key_id}}\naws_secret_access_key = {{secret_access_key}}\n\
             aws_session_token = {{session_token}}\n"
        ),
        ["aws-temporary-key-id: id, secret, token"]
    );
}

#[test]
fn a_long_term_id_takes_no_token() {
    assert_eq!(
        found("{{access_key_id}}\nAWS_SESSION_TOKEN={{session_token}}"),
        ["aws-access-key-id: id", "aws-session-token: token"]
    );
}

#[test]
fn a_secret_alone_is_a_match_of_its_own() {
    assert_eq!(found("AWS_SECRET_ACCESS_KEY={{secret_access_key}}"), ["aws-secret-access-key: secret"]);
}

#[test]
fn a_vague_label_needs_aws_or_an_id_nearby() {
    assert!(found("secret_key = {{secret_access_key}}").is_empty());
    assert_eq!(found("[aws]\nsecret_key = {{secret_access_key}}"), ["aws-secret-access-key: secret"]);
    let apart = |lines: usize| {
        let between = "\n".repeat(lines);
        found(&format!("{{{{access_key_id}}}}{between}secret: {{{{secret_access_key}}}}"))
    };
    assert_eq!(apart(20), ["aws-access-key-id: id, secret"]);
    assert_eq!(apart(21), ["aws-access-key-id: id"]);
}

#[test]
fn the_same_id_at_two_places_is_two_matches() {
    assert_eq!(found("{{access_key_id}} {{access_key_id}}").len(), 2);
}

#[test]
fn neighbours_may_share_a_separator() {
    assert_eq!(found("{{access_key_id}},{{temporary_key_id}},{{access_key_id}}").len(), 3);
}

#[test]
fn utf16_is_read_in_both_byte_orders_with_its_places() {
    let text = expand("k\u{1F511}y={{access_key_id}}\r\nSecretAccessKey: {{secret_access_key}}");
    let text = text.unwrap();
    for (order, mark, encoding) in [
        (u16::to_le_bytes as fn(u16) -> [u8; 2], "", Encoding::Utf16Le),
        (u16::to_le_bytes, "\u{FEFF}", Encoding::Utf16Le),
        (u16::to_be_bytes, "", Encoding::Utf16Be),
        (u16::to_be_bytes, "\u{FEFF}", Encoding::Utf16Be),
    ] {
        let bytes = encoded(&format!("{mark}{text}"), order);
        assert_eq!(found_in(&bytes), ["aws-access-key-id: id, secret"]);
        assert_eq!(scanner().scan(&bytes).matches[0].encoding, [encoding]);
    }
}

#[test]
fn strings_of_a_binary_are_paired_across_their_terminators() {
    let id = expand("AccessKeyId={{access_key_id}}\0").unwrap();
    let secret = expand("SecretAccessKey={{secret_access_key}}\0").unwrap();
    let wide = encoded(&format!("{id}\0{secret}"), u16::to_le_bytes);
    let narrow = format!("{id}\u{1}\u{2}{secret}");
    for text in [&wide, narrow.as_bytes()] {
        let bytes = [b"\x7fELF\x01\x02\x03\x04", text, b"\xff\xfe\x01"].concat();
        assert_eq!(found_in(&bytes), ["aws-access-key-id: id, secret"]);
    }
}

#[test]
fn what_reaches_further_than_is_remembered_is_looked_at_again() {
    let rules = "[[rule]]\nid = 'a'\ndescription = ''\nseverity = 'low'\nkind = 'other'\nreference = ''\nremediation = ''\n\
                 keywords = ['key=']\nregex = 'key=(?P<value>[a-z]{40})'\ncontinuation = '[a-z]'\n\
                 context = 'acme'\ncontext_within = 4096\nexamples = []";
    let scanner = Scanner::new(RuleSet::parse("test", rules).unwrap());
    let text = |behind: &str| format!("key={} {}{behind}", "abcdefghijklmno".repeat(275), ".".repeat(4070));
    let scan = |text: &str| {
        let scan = scanner.scan(text.as_bytes());
        assert_eq!(scan, scanner.scan_slowly(text.as_bytes()));
        scan.matches.len()
    };
    assert_eq!((scan(&text("nobody")), scan(&text("acme"))), (0, 1));
}

#[test]
fn plain_text_and_utf16_are_paired() {
    let wide = encoded(&expand("{{access_key_id}}\n").unwrap(), u16::to_le_bytes);
    let narrow = expand("SecretAccessKey={{secret_access_key}}").unwrap();
    let bytes = [wide.as_slice(), narrow.as_bytes()].concat();
    assert_eq!(found_in(&bytes), ["aws-access-key-id: id, secret"]);
}

#[test]
fn a_token_is_taken_to_its_end_and_no_further_than_tokens_go() {
    let token = expand("{{session_token}}").unwrap();
    let long = token.repeat(4096 / token.len());
    assert_eq!(found(&format!("\"{long}\"")), ["aws-session-token: token"]);
    assert!(found(&format!("\"{long}{token}{token}\"")).is_empty());
}
