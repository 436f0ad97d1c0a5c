//! Sketches: where parts stand, and who is paired with whom.

use std::cell::Cell;
use std::sync::LazyLock;

use super::*;
use crate::key::Secret;

mod formats;
mod records;

thread_local! {
    pub(super) static WORK: Cell<usize> = const { Cell::new(0) };
}

const ID: &str = "AKIAIOSFODNN7EXAMPLE";

/// Pairs of a sketch: a capital stands for a long-term id, `@` for a temporary one, a small letter for a secret, a digit for a
/// token, `?` for a vaguely labelled secret, `&` for a password of SMTP, `%` for one of git. Given back are the ids and what they got, and after a dash what stands alone.
fn pairs(sketch: &str) -> String {
    static RULES: LazyLock<RuleSet> = LazyLock::new(RuleSet::builtin);
    let parts = sketch.bytes().enumerate().filter_map(sketched).collect();
    let mut all = String::new();
    for found in join(sketch.as_bytes(), &RULES, parts) {
        let own = found.span.of(sketch.as_bytes());
        all.push_str(if all.is_empty() { "" } else { " " });
        all.push(if found.access_key_id.is_some() { own[0].into() } else { '-' });
        for secret in &found.secrets {
            all.push(secret.span.of(sketch.as_bytes())[0].into());
        }
    }
    all
}

fn sketched((at, c): (usize, u8)) -> Option<Part> {
    let span = Span { start: at, end: at + 1 };
    let letter = if c == b'@' { '2' } else { char::from(c) };
    let id = |kind: &str| AccessKeyId::parse(format!("{kind}{}{letter}", &ID[4..19]).as_bytes()).map(Value::Id);
    let secret = |kind| Some(Value::Secret(FoundSecret { kind, secret: Secret::new([c]), span, expires: None }));
    let value = match c {
        b'A'..=b'Z' => id("AKIA"),
        b'@' => id("ASIA"),
        b'a'..=b'z' | b'?' => secret(SecretKind::SecretAccessKey),
        b'0'..=b'9' => secret(SecretKind::SessionToken),
        b'&' => secret(SecretKind::SesSmtpPassword),
        b'%' => secret(SecretKind::GitPassword),
        _ => None,
    };
    Some(Part {
        rule: 0,
        value: value?,
        span,
        raw: span,
        encoding: Vec::new(),
        needs_id: c == b'?',
        unlabelled: false,
        terms: Default::default(),
    })
}

#[test]
fn pairs_in_the_usual_order() {
    assert_eq!(pairs("A\nb\n\nC\nd\n\nE\nf"), "Ab Cd Ef");
    assert_eq!(pairs("A,b\nC,d\nE,f"), "Ab Cd Ef");
    assert_eq!(pairs("{A:b},{C:d},{E:f}"), "Ab Cd Ef");
}

#[test]
fn secrets_that_come_first() {
    assert_eq!(pairs(&"a\nB\n".repeat(20)), ["Ba"; 20].join(" "));
    assert_eq!(pairs("a\nB\n\nc\nD"), "Ba Dc");
    assert_eq!(pairs("{a,B},{c,D}"), "Ba Dc");
}

#[test]
fn all_ids_and_then_all_secrets() {
    assert_eq!(pairs("A\nB\nC\nd\ne\nf"), "Ad Be Cf");
    assert_eq!(pairs("A B d e"), "Ad Be");
}

#[test]
fn a_secret_between_two_ids_goes_with_the_one_before() {
    assert_eq!(pairs("A\nb\nC"), "Ab C");
    assert_eq!(pairs("A b C"), "Ab C");
}

#[test]
fn a_paragraph_or_a_block_keeps_partners_apart() {
    assert_eq!(pairs("A\n\nb\nC"), "A Cb");
    assert_eq!(pairs("[-]\nA\n[-]\nb\nC"), "A Cb");
    assert_eq!(pairs("{A}{b,C}"), "A Cb");
    assert_eq!(pairs("A\r\n\r\nb\r\nC"), "A Cb");
}

#[test]
fn a_profile_without_a_secret_does_not_shift_the_others() {
    assert_eq!(pairs("[-]\nA\n\n[-]\nB\nc\n\n[-]\nD\ne"), "A Bc De");
    assert_eq!(pairs("a\n\n\n\n\n\nB\nc\n\n\n\n\n\nD"), "-a Bc D");
}

#[test]
fn partners_are_at_most_thirty_lines_and_four_kilobytes_apart() {
    let far = "\n".repeat(99);
    assert_eq!(pairs(&format!("A{}b{far}C", "\n".repeat(30))), "Ab C");
    assert_eq!(pairs(&format!("A{}b{far}C", "\n".repeat(31))), "A -b C");
    assert_eq!(pairs(&format!("b{}A{far}C", " ".repeat(4096))), "Ab C");
    assert_eq!(pairs(&format!("b{}A{far}C", " ".repeat(4097))), "-b A C");
}

#[test]
fn the_only_id_and_the_only_secret_of_a_text_may_be_anywhere() {
    let far = "-\n".repeat(100_000);
    assert_eq!(pairs(&format!("A{far}b")), "Ab");
    assert_eq!(pairs(&format!("b{far}A")), "Ab");
    assert_eq!(pairs(&format!("A\nA{far}b")), "A Ab");
    assert_eq!(pairs(&format!("A\nC{far}b")), "A C -b");
    assert_eq!(pairs(&format!("A{far}b\nd")), "A -b -d");
    assert_eq!(pairs(&format!("@{far}b{far}1")), "@b1");
    assert_eq!(pairs(&format!("A{far}?")), "A");
}

#[test]
fn as_many_secrets_as_ids_in_two_lists_are_paired_in_order_wherever_they_are() {
    let far = "-\n".repeat(100);
    assert_eq!(pairs(&format!("A{far}B{far}c{far}d")), "Ac Bd");
    assert_eq!(pairs(&format!("a\n{far}b{far}\n\nC\nD")), "Ca Db");
    assert_eq!(pairs(&format!("A{far}B{far}c{far}d{far}e")), "A B -c -d -e");
    assert_eq!(pairs(&format!("A{far}b{far}c{far}D")), "A -b -c D");
    assert_eq!(pairs(&format!("{}{far}{}", "A\n".repeat(40), "b\n".repeat(40))), ["Ab"; 40].join(" "));
}

#[test]
fn a_second_secret_close_by_is_another_candidate() {
    assert_eq!(pairs("A\nb\nc"), "Abc");
    assert_eq!(pairs("b A c"), "Acb");
    assert_eq!(pairs(&format!("A\nb{}c", "-\n".repeat(11))), "Ab -c");
    assert_eq!(pairs("A\nb\n\nc"), "Ab -c");
}

#[test]
fn temporary_ids_take_tokens_and_others_do_not() {
    assert_eq!(pairs("@\na\n1"), "@a1");
    assert_eq!(pairs("1\na\n@"), "@a1");
    assert_eq!(pairs("A\nb\n1"), "Ab -1");
    assert_eq!(pairs("A\nb\n@\nc\n1\n2"), "Ab @c12");
}

#[test]
fn an_id_may_have_a_password_for_mail_besides() {
    assert_eq!(pairs("A\nb\n&"), "Ab&");
    assert_eq!(pairs("A\n&\nb\n\nC\n&"), "Ab& C&");
    assert_eq!(pairs("{&,A}{C,d}"), "A& Cd");
    assert_eq!(pairs("&\n@"), "@&");
}

#[test]
fn other_kinds_stand_alone() {
    assert_eq!(pairs("A\n%"), "A -%");
    assert_eq!(pairs("%"), "-%");
}

#[test]
fn a_vague_secret_counts_beside_an_id_only() {
    assert_eq!(pairs("?"), "");
    assert_eq!(pairs("A\n?"), "A?");
    assert_eq!(pairs(&format!("A{}?", "\n".repeat(21))), "A");
    assert_eq!(pairs("@\n?\n1"), "@?1");
    assert_eq!(pairs("A\nb\n?"), "Ab?");
    assert_eq!(pairs("A\n?\nb"), "Ab?");
    assert_eq!(pairs("A\nb\n\n?"), "Ab");
}

#[test]
fn every_secret_is_given_once_and_to_a_near_id() {
    let mut state = 1_u32;
    for _ in 0..300 {
        let sketch: String = (0..60)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                char::from(b"AaBb@1?\n\n\n }"[(state >> 16) as usize % 12])
            })
            .collect();
        let given: usize = pairs(&sketch).bytes().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit()).count();
        let there = sketch.bytes().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit()).count();
        assert_eq!(given, there, "{sketch:?}");
    }
}

#[test]
fn thousands_of_parts_in_one_place_are_joined() {
    assert_eq!(pairs(&"AAAAaaaa".repeat(500)).matches(' ').count(), 1_999);
}
