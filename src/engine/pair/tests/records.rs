//! Files of many records in a format drawn by lot, and texts that are made to be slow.

use super::super::{Part, join};
use super::formats::{Draw, SCANNER, expand, pairs};
use super::{WORK, sketched};

const FORMATS: usize = 13;

/// The record of the n-th credential; `None` leaves out one of the two.
fn record(format: usize, n: usize, id: Option<String>, secret: Option<String>, draw: &mut Draw, order: bool) -> String {
    let field = |name: &str, value: &Option<String>, make: fn(&str, &str) -> String| {
        value.as_ref().map(|value| make(name, value))
    };
    let make: fn(&str, &str) -> String = match format {
        0 | 1 => |name, value| format!("\"{name}\": \"{value}\""),
        2 | 3 | 9 => |name, value| format!("{name}: {value}"),
        4 | 5 => |name, value| format!("{name} = {value}"),
        6 => |name, value| format!("<{name}>{value}</{name}>"),
        7 => |name, value| format!("<key>{name}</key>\n<string>{value}</string>"),
        8 => |name, value| format!("{name}=\"{value}\""),
        10 => |name, value| format!("export {}={value}", name.to_uppercase()),
        11 => |name, value| format!("setting(\"{name}\", '{value}')"),
        _ => |name, value| format!("{{\"name\": \"{name}\", \"value\": \"{value}\"}}"),
    };
    // Where nothing but names tells records apart, names do.
    let name = |role: &str| if matches!(format, 10 | 12) { format!("app{n}_{role}") } else { role.to_owned() };
    let mut fields: Vec<String> =
        [field(&name("access_key_id"), &id, make), field(&name("secret_access_key"), &secret, make)]
            .into_iter()
            .flatten()
            .collect();
    if order {
        fields.reverse();
    }
    for _ in 0..draw.below(3) {
        fields.insert(draw.below(fields.len() + 1), make("region", "eu-west-1"));
    }
    match format {
        0 => format!("{{{}}},", fields.join(", ")),
        1 => format!("  {{\n    {}\n  }},\n", fields.join(",\n    ")),
        2 => format!("profile{n}:\n  {}\n", fields.join("\n  ")),
        3 => format!("- {}\n", fields.join("\n  ")),
        4 => format!("[profile {n}]\n{}\n", fields.join("\n")),
        5 => format!("provider \"aws\" {{\n  {}\n}}\n", fields.join("\n  ")),
        6 => format!("<entry>{}</entry>", fields.concat()),
        7 => format!("<dict>\n{}\n</dict>\n", fields.join("\n")),
        8 => format!("client{n} = connect({})\n", fields.join(", ")),
        9 => format!("{}\n\n", fields.join("\n")),
        10 => format!("{}\n", fields.join("\n")),
        11 => format!("configure(function() {{ {}; }});\n", fields.join("; ")),
        _ => format!("{},\n", fields.join(",\n")),
    }
}

#[test]
fn records_of_any_format_are_paired_right() {
    let mut draw = Draw(0x2545_F491_4F6C_DD1D);
    for round in 0..40 * FORMATS {
        let (format, order) = (round % FORMATS, draw.below(2) == 1);
        let count = 1 + draw.below(12);
        let (mut text, mut expected) = (String::new(), Vec::new());
        for n in 0..count {
            // A record may lack its secret, but two that lack different things stand beside a whole one.
            let whole = n % 3 != 1 || draw.below(2) == 0;
            let id = Some(format!("$id{n};"));
            let secret = whole.then(|| format!("$secret{n};"));
            let mixed = draw.below(2) == 1;
            text += &record(format, n, id, secret, &mut draw, if format == 9 { order } else { mixed });
            expected.push(if whole { format!("id{n}secret{n}") } else { format!("id{n}") });
        }
        assert_eq!(pairs(&text), expected.join(" "), "format {format}: {text}");
    }
}

#[test]
fn names_pair_what_is_shuffled() {
    let mut draw = Draw(0x9E37_79B9_7F4A_7C15);
    for format in [10, 12] {
        for _ in 0..40 {
            let mut lines: Vec<String> = (0..8)
                .flat_map(|n| {
                    [(Some(format!("$id{n};")), None), (None, Some(format!("$secret{n};")))]
                        .map(|(id, secret)| (n, id, secret))
                })
                .map(|(n, id, secret)| record(format, n, id, secret, &mut Draw(1 << 40), false))
                .collect();
            draw.shuffle(&mut lines);
            let text = lines.concat();
            let pairs = pairs(&text);
            assert!((0..8).all(|n| pairs.split(' ').any(|pair| pair == format!("id{n}secret{n}"))), "{text}\n{pairs}");
        }
    }
}

#[test]
fn rubbish_is_survived_and_the_order_in_which_parts_come_does_not_matter() {
    let mut draw = Draw(0x0123_4567_89AB_CDEF);
    let bits = [
        "$A",
        "$b",
        "$C",
        "$d",
        "$@",
        "$1",
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "<a>",
        "</a>",
        "<b x=",
        "/>",
        "\n",
        "\n\n",
        "  ",
        "\t",
        "- ",
        "\"",
        "'",
        "\\",
        "#",
        "id=",
        "secret: ",
        "[x]\n",
        "---\n",
        "<![CDATA[",
        "]]>",
        "\0",
        "é",
        ",",
        "old_secret=",
    ];
    for _ in 0..3000 {
        let template: String = (0..draw.below(60)).map(|_| bits[draw.below(bits.len())]).collect();
        let (text, named) = expand(&template);
        let mut parts: Vec<Part> = named.into_iter().map(|(_, part)| part).collect();
        let matches = join(text.as_bytes(), SCANNER.rules(), parts.clone());
        let mut told: Vec<_> =
            matches.iter().flat_map(|found| found.secrets.iter().map(|secret| secret.span)).collect();
        told.extend(matches.iter().filter(|found| found.access_key_id.is_some()).map(|found| found.span));
        told.sort();
        assert_eq!(told, parts.iter().map(|part| part.span).collect::<Vec<_>>(), "{template:?}");
        draw.shuffle(&mut parts);
        assert_eq!(join(text.as_bytes(), SCANNER.rules(), parts), matches, "{template:?}");
    }
}

/// Joins a sketch and gives back the work that it took, for each byte.
fn work(sketch: &str) -> usize {
    let parts: Vec<Part> = sketch.bytes().enumerate().filter_map(sketched).collect();
    WORK.set(0);
    let matches = join(sketch.as_bytes(), SCANNER.rules(), parts);
    assert!(!matches.is_empty());
    WORK.get() / sketch.len()
}

#[test]
fn work_grows_with_the_text_and_not_faster() {
    // Small letters, capitals and digits of a sketch are parts; hence signs only.
    for (begin, unit, end) in [
        ("A", "{", "b"),
        ("A", "[(", "b"),
        ("", "(A", "b"),
        ("", "{A{b", ""),
        ("", "{A", "b"),
        ("{([A", ")", "b"),
        ("{([A", "{)", "b"),
        ("A", "]", "b"),
        ("", "A ", "b"),
        ("", "A\nb\n", ""),
        ("", "A\n", "b\nb\nb"),
        ("", "Ab", ""),
        ("", "AAAAbbbb\n\n", ""),
        ("A", "\"", "b"),
        ("A", "'\"", "b"),
        ("A", "\\\"", "b"),
        ("\"", "A'b", "\""),
        ("A", "<!", "b"),
        ("A", " ", "b"),
        ("A", "\n", "b"),
        ("A", "\n ", "b"),
        ("A", "- ", "b"),
        ("A", "-", "b"),
        ("A\n", "--- -\n", "b"),
        ("A\n[", "-", "b"),
        ("", "[-]\nA\n[-]\nb\n", ""),
        ("", "\n- A\n- b", ""),
    ] {
        let of = |bytes: usize| work(&[begin, &unit.repeat(bytes / unit.len()), end].concat());
        let (small, large) = (of(1 << 12), of(1 << 17));
        assert!(large <= 2 * small.max(4), "{unit:?}: {small} and then {large} for each byte");
        assert!(large < 400, "{unit:?}: {large} for each byte");
    }
}

#[test]
fn elements_cost_no_more_than_their_bytes() {
    for (begin, unit) in [("</>", "<_>"), ("</>", "< _"), ("</>", "<_ "), ("<!></>", "</"), ("</>", "<_/>")] {
        let of = |bytes: usize| work(&format!("A{begin}{}b", unit.repeat(bytes / unit.len())));
        let (small, large) = (of(1 << 12), of(1 << 17));
        assert!(large <= 2 * small.max(4), "{unit:?}: {small} and then {large} for each byte");
    }
    let nested = |tag: &str, n: usize| {
        let (text, named) = expand(&format!("$A{}{}$b", format!("<{tag}>").repeat(n), format!("</{tag}>").repeat(n)));
        WORK.set(0);
        join(text.as_bytes(), SCANNER.rules(), named.into_iter().map(|(_, part)| part).collect());
        WORK.get() / n
    };
    assert!(nested("a", 50_000) <= 2 * nested("a", 1_000).max(100));
}

#[test]
fn half_a_million_parts_are_joined() {
    let sketch = "A b\n\n{b;A}  ".repeat(125_000);
    let parts: Vec<Part> = sketch.bytes().enumerate().filter_map(sketched).collect();
    assert_eq!(parts.len(), 500_000);
    WORK.set(0);
    let matches = join(sketch.as_bytes(), SCANNER.rules(), parts);
    assert!(matches.len() == 250_000 && matches.iter().all(|found| found.secrets.len() == 1));
    assert!(WORK.get() < 40 * sketch.len(), "{}", WORK.get());
}
