//! Views as a whole: what is decoded stands where its map says, and hostile input makes no more work than other input.

use proptest::prelude::*;

use super::*;
use crate::engine::base64::encode as base64;

/// Ways to write text of which any stretch can be read by itself if it is cut where the map says.
const WAYS: [fn(&[u8]) -> String; 8] = [
    |text| base64(text),
    |text| base64(text).as_bytes().chunks(64).map(text_of).collect::<Vec<_>>().join("\r\n  "),
    |text| base64(text).as_bytes().chunks(70).map(text_of).collect::<Vec<_>>().join("\n"),
    |text| text.iter().map(|c| format!("{c:02x}")).collect(),
    |text| text.iter().map(|c| format!("0x{c:02X}, ")).collect(),
    |text| text.iter().map(|c| format!("\\u{c:04x}")).collect(),
    |text| {
        text.iter()
            .map(|&c| if c.is_ascii_alphanumeric() { char::from(c).into() } else { format!("%{c:02X}") })
            .collect()
    },
    |text| {
        text.iter().map(|&c| if c.is_ascii_lowercase() { format!("&#{c};") } else { char::from(c).into() }).collect()
    },
];

/// Those of them that break lines.
const WRAPPED: [usize; 2] = [1, 2];

fn text_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn view(text: &[u8]) -> Option<View> {
    View::of(text, None, &mut Budget::of(text.len()))
}

proptest! {
    #[test]
    fn a_stretch_of_a_view_is_what_its_place_decodes_to(
        text in "[A-Za-z0-9/+=_ :]{120,300}",
        ways in prop::collection::vec(0..WAYS.len(), 1..3),
        before in "[a-z]{0,9}",
        from in 0..40_usize,
        length in 60..80_usize,
    ) {
        // Inside of others, lines of a wrapped run can't be told apart below.
        let inner = ways[1..].iter().map(|&way| if WRAPPED.contains(&way) { 0 } else { way });
        let written = inner.chain([ways[0]]).fold(text.clone(), |text, way| WAYS[way](text.as_bytes()));
        let bytes = format!("{before}: {written} ;");
        // By chance a text reads as encoded itself.
        prop_assume!(view(text.as_bytes()).is_none());
        let view_of_all = view(bytes.as_bytes()).unwrap();
        let last = view_of_all.texts().count() - 1;
        let start = memchr::memmem::find(view_of_all.text(), text.as_bytes());
        prop_assert!(start.is_some(), "{bytes}");
        let wanted = Span { start: start.unwrap() + from, end: start.unwrap() + from + length };
        let (place, encodings) = view_of_all.raw(last, wanted);
        // A piece of a wrapped run has lines of other widths.
        let piece = text_of(place.of(bytes.as_bytes())).replace("\r\n  ", "").replace('\n', "");
        let decoded = view(piece.as_bytes()).map_or(piece.clone().into_bytes(), |view| view.text().to_vec());
        let value = &text.as_bytes()[from..from + length];
        prop_assert!(memchr::memmem::find(&decoded, value).is_some(), "{bytes} {place:?}");
        prop_assert!(encodings.len() <= ways.len());
        // What lies before and behind is not in it, but for the rest of a group or two.
        prop_assert!(decoded.len() <= length + 12, "{}", text_of(&decoded));
    }

    #[test]
    fn places_of_any_view_are_within_the_bytes_and_in_order(bytes in prop::collection::vec(
        prop_oneof![Just(b'%'), Just(b'\\'), Just(b'4'), Just(b'1'), Just(b'&'), Just(b'#'), Just(b';'), Just(b'"'), Just(b'+'),
            Just(b'\n'), Just(b'x'), Just(b'u'), Just(0), Just(b'Q'), any::<u8>()], 0..400)
    ) {
        if let Some(view) = view(&bytes) {
            for (index, text) in view.texts().enumerate() {
                let mut before = Span { start: 0, end: 0 };
                for at in 0..text.len() {
                    let (place, _) = view.raw(index, Span { start: at, end: at + 1 });
                    prop_assert!(place.start <= place.end && place.end <= bytes.len());
                    prop_assert!(before.start <= place.start && before.end <= place.end, "{before:?} {place:?}");
                    before = place;
                }
            }
        }
    }
}

/// How many bytes are made of a text.
fn work(text: &str) -> usize {
    let mut budget = Budget::of(text.len());
    let all = budget.left;
    let _ = View::of(text.as_bytes(), None, &mut budget);
    let mut probe = probe::Probe::new(text.as_bytes(), false);
    while probe.next(&mut budget).is_some() {}
    all - budget.left
}

#[test]
fn twice_the_text_is_twice_the_work() {
    let nest = (0..5).fold("secret".repeat(20), |text, _| base64(text.as_bytes()));
    for piece in [
        "\\u0041",
        "\\\\\\\\",
        "%2541",
        "%2Fabcdefghijklmnopqrstuvwxyz0123456789",
        "&amp;#65;",
        "a\"+\"",
        "a</b><b>",
        "=3D=\n",
        "0x41, ",
        "A\0",
        "\x13\x01\x03\0-sixteen letters!",
        &nest,
        &base64(nest.as_bytes()),
    ] {
        let (once, twice) = (work(&piece.repeat(500)), work(&piece.repeat(1000)));
        assert!(twice <= 2 * once + 1000, "{piece}: {once} {twice}");
    }
}

#[test]
fn no_more_is_made_than_the_budget_allows() {
    let text = "\\\\".repeat(3 << 20);
    let budget = Budget::of(text.len());
    assert_eq!(budget.left, 8 * text.len() + (8 << 20));
    assert!(work(&text) <= budget.left);
    // What is left over stays as it is.
    let view = view(text.as_bytes()).unwrap();
    assert!(view.texts().map(<[u8]>::len).sum::<usize>() <= 3 * text.len());
    let gigantic = Budget::of(usize::MAX);
    assert_eq!(gigantic.left, LONGEST);
}

#[test]
fn what_is_not_encoded_has_no_view() {
    for text in [
        "",
        "int main(void) { return x % 2 & 1; }",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "sha512-9rXx4cJ0nLqYbZ6D1vWkq8hS0mVJt3E2uYpRa7gKfTiOoBcUeHd5PlQsNwMzA==",
        "AThirdIdentifierThatIsLongEnoughToBeARunOfLetters",
    ] {
        assert!(view(text.as_bytes()).is_none(), "{text}");
    }
}

#[test]
fn what_begins_like_zlib_by_chance_is_left_alone() {
    let mut state = 1_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for _ in 0..2000 {
        let bytes: Vec<u8> = [0x78, 0x9C].into_iter().chain((0..70).map(|_| random())).collect();
        assert!(view(base64(&bytes).as_bytes()).is_none(), "{bytes:?}");
    }
    let noise: Vec<u8> = (0..300_000).map(|_| random()).collect();
    let lines = base64(&noise).as_bytes().chunks(64).map(text_of).collect::<Vec<_>>().join("\n");
    assert!(work(&lines) < 1000, "{}", work(&lines));
}

#[test]
fn what_begins_with_the_padding_of_another_piece_is_read_behind_it() {
    let bytes = [base64(b"some text of a few words").as_bytes(), b"==\0A\0B\0C\0D\0"].concat();
    for cut in 0..4 {
        let text = [base64(&b"some text of a few words"[cut..]).as_bytes(), b"=\0A\0B\0C\0D\0"].concat();
        assert!(view(&text).unwrap().text().ends_with(b"ABCD"), "{cut}");
    }
    assert!(view(&bytes).unwrap().text().ends_with(b"ABCD"));
}
