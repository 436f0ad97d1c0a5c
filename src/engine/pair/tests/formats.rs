//! Real texts in every format that credentials come in: who is paired with whom.

use std::sync::LazyLock;

use super::super::{Part, Value, join};
use crate::engine::rule::RuleSet;
use crate::engine::{FoundSecret, Match, Scanner, SecretKind, plausible};
use crate::key::{AccessKeyId, Secret};
use crate::location::Span;

pub(super) static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new(RuleSet::builtin()));

/// Random values that are always the same. Xorshift, George Marsaglia, "Xorshift RNGs", 2003.
pub(super) struct Draw(pub(super) u64);

impl Draw {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as usize
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        self.next() % n
    }

    pub(super) fn chars(&mut self, count: usize, alphabet: &[u8]) -> String {
        (0..count).map(|_| char::from(alphabet[self.below(alphabet.len())])).collect()
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The value that a number stands for: the same number, the same value.
fn value(kind: char, number: usize) -> String {
    let mut draw = Draw(0x9E37_79B9_7F4A_7C15 ^ ((number as u64 + 1) << 20 | u64::from(kind)));
    draw.chars(20, BASE64);
    loop {
        let text = match kind {
            'i' | 't' => {
                let prefix = if kind == 'i' { "AKIA" } else { "ASIA" };
                [prefix, "R", &draw.chars(15, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")].concat()
            }
            's' => draw.chars(40, BASE64),
            _ => ["IQoJb3JpZ2lu", &draw.chars(300, BASE64)].concat(),
        };
        let good = match kind {
            'i' | 't' => AccessKeyId::parse(text.as_bytes()).is_some_and(|id| plausible::check_id(&id).is_ok()),
            's' => plausible::check_secret(SecretKind::SecretAccessKey, text.as_bytes()).is_ok(),
            _ => true,
        };
        if good {
            return text;
        }
    }
}

/// Puts values in the place of `$A` (an id), `$@` (a temporary one), `$a` (a secret), `$1` (a token); `$id7;`, `$secret7;` stand for
/// the seventh of many. Gives back the text and its parts, each with its name.
pub(super) fn expand(template: &str) -> (String, Vec<(String, Part)>) {
    let mut pieces = template.split('$');
    let mut text = pieces.next().expect("a split has a first piece").to_owned();
    let mut parts = Vec::new();
    for piece in pieces {
        let (name, rest) = match piece.split_once(';') {
            Some((name, rest)) if name.starts_with("id") || name.starts_with("secret") => (name, rest),
            _ => piece.split_at(1),
        };
        let number = name.trim_start_matches(char::is_alphabetic).parse().unwrap_or(usize::from(name.as_bytes()[0]));
        let kind = match name.as_bytes()[0] {
            b'A'..=b'Z' => 'i',
            b'@' => 't',
            b'i' if name.len() > 1 => 'i',
            b'0'..=b'9' => 'k',
            _ => 's',
        };
        let value = value(kind, number);
        let span = Span { start: text.len(), end: text.len() + value.len() };
        text.push_str(&value);
        text.push_str(rest);
        parts.push((name.to_owned(), part(kind, &value, span)));
    }
    (text, parts)
}

fn part(kind: char, value: &str, span: Span) -> Part {
    let secret = |kind| Value::Secret(FoundSecret { kind, secret: Secret::new(value), span, expires: None });
    let value = match kind {
        'i' | 't' => Value::Id(AccessKeyId::parse(value.as_bytes()).expect("it was drawn so")),
        's' => secret(SecretKind::SecretAccessKey),
        _ => secret(SecretKind::SessionToken),
    };
    Part {
        rule: 0,
        value,
        span,
        raw: span,
        encoding: Vec::new(),
        needs_id: false,
        unlabelled: false,
        terms: Default::default(),
    }
}

/// The pairs of a template: each id with what belongs to it, and after a dash what stands alone. Where the rules find all values, the
/// scanner comes to the same.
pub(super) fn pairs(template: &str) -> String {
    let (text, named) = expand(template);
    let name = |span: Span| match named.iter().find(|(_, part)| part.span == span) {
        Some((name, _)) => name.as_str(),
        None => "!",
    };
    let described = |matches: &[Match]| {
        let of = |found: &Match| {
            let owner = if found.access_key_id.is_some() { name(found.span) } else { "-" };
            found.secrets.iter().fold(owner.to_owned(), |all, secret| all + name(secret.span))
        };
        matches.iter().map(of).collect::<Vec<_>>().join(" ")
    };
    let parts: Vec<Part> = named.iter().map(|(_, part)| part.clone()).collect();
    let pairs = described(&join(text.as_bytes(), SCANNER.rules(), parts));
    let seen = SCANNER.parts(text.as_bytes());
    if seen.len() == named.len()
        && (seen.iter().all(|part| !part.needs_id) || !pairs.contains('-') && text.lines().count() < 20)
    {
        assert_eq!(pairs, described(&SCANNER.scan(text.as_bytes()).matches), "{template}");
    }
    pairs
}

fn check(cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter(|(template, expected)| pairs(template) != *expected)
        .map(|(template, expected)| format!("{template}\n-- {expected} expected, not {}", pairs(template)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn rows_of_tables() {
    check(&[
        ("Access key ID,Secret access key\r\n$A,$a\r\n$B,$b\r\n", "Aa Bb"),
        ("Secret access key,Access key ID\n$a,$A\n$b,$B\n$c,$C\n", "Aa Bb Cc"),
        (
            "\"User name\",\"Secret access key\",\"Access key ID\"\n\"ann\",\"$a\",\"$A\"\n\"bob\",,\"$B\"\n\"cy\",\"$c\",\"$C\"\n",
            "Aa B Cc",
        ),
        ("User,Key,Secret,Console link\nann,$A,$a,https://1.signin/\nbob,$B,,\ndee,$D,$d,x\ncy,,$c,\n", "Aa B Dd -c"),
        ("name;id;secret;id2;secret2\nann;$A;$a;$B;$b\nbob;$C;$c;$D;$d\n", "Aa Bb Cc Dd"),
        ("id,$A,$B,$C\nsecret,$a,$b,$c\n", "Aa Bb Cc"),
        ("ACCESSKEY\t$A\t2024-01-01\t$a\tActive\tann\nACCESSKEY\t$B\t2024-01-01\t$b\tActive\tbob\n", "Aa Bb"),
        ("| user | id | secret |\n|---|---|---|\n| ann | $A | $a |\n| bob | $B | |\n| cy | $C | $c |\n", "Aa B Cc"),
        (
            "<tr><td>ann</td><td>$A</td><td>$a</td></tr><tr><td>bob</td><td>$B</td><td></td></tr><tr><td>cy</td><td>$C</td><td>$c</td></tr>",
            "Aa B Cc",
        ),
        (
            "<tr>\n<td>$A</td>\n<td>$a</td>\n</tr>\n<tr>\n<td>$B</td>\n</tr>\n<tr>\n<td>$c</td>\n<td>$C</td>\n</tr>\n",
            "Aa B Cc",
        ),
    ]);
    let table = |id, secret| {
        format!(
            "-----------------\n|  CreateAccessKey  |\n+------------+\n||  AccessKey  ||\n|+-----+------+|\n||  AccessKeyId     |  {id}  ||\n\
             ||  CreateDate      |  2024  ||\n||  SecretAccessKey |  {secret}  ||\n||  Status |  Active ||\n|+-----+-----+|\n"
        )
    };
    check(&[(&[table("$A", "$a"), table("$B", "-"), table("$C", "$c")].concat(), "Aa B Cc")]);
}

#[test]
fn elements_of_documents() {
    check(&[
        (
            "<Keys><Key><AccessKeyId>$A</AccessKeyId><SecretAccessKey>$a</SecretAccessKey></Key><Key><AccessKeyId>$B</AccessKeyId></Key><Key><SecretAccessKey>$c</SecretAccessKey><AccessKeyId>$C</AccessKeyId></Key></Keys>",
            "Aa B Cc",
        ),
        (
            "<a>\n<key>\n<secret>$a</secret>\n<id>$A</id>\n</key>\n<key>\n<secret>$b</secret>\n<id>$B</id>\n</key>\n</a>",
            "Aa Bb",
        ),
        ("<access id=\"$A\" secret=\"$a\"/><access id=\"$B\"/><access secret=\"$c\" id=\"$C\" />", "Aa B Cc"),
        ("<add key=\"AWSAccessKey\" value=\"$A\"/>\n<add key=\"AWSSecretKey\" value=\"$a\"/>\n", "Aa"),
        ("<key><id>$A</id><nested><id>$B</id><secret>$b</secret></nested><secret>$a</secret></key>", "Aa Bb"),
        (
            "<dict>\n<key>AccessKey</key>\n<string>$A</string>\n<key>SecretKey</key>\n<string>$a</string>\n</dict>\n<dict>\n<key>AccessKey</key>\n<string>$B</string>\n</dict>\n<dict>\n<key>SecretKey</key>\n<string>$c</string>\n<key>AccessKey</key>\n<string>$C</string>\n</dict>",
            "Aa B Cc",
        ),
        (
            "<dict><key>ProdId</key><string>$A</string><key>DevId</key><string>$B</string><key>DevSecret</key><string>$b</string><key>ProdSecret</key><string>$a</string></dict>",
            "Aa Bb",
        ),
        ("<p>id<br>$A<p>secret<br>$a<hr><p>id<br>$B<p>secret<br>$b", "Aa Bb"),
    ]);
}

#[test]
fn objects_and_maps() {
    check(&[
        (r#"{"keys":[{"id":"$A","secret":"$a"},{"id":"$B"},{"secret":"$c","id":"$C"}]}"#, "Aa B Cc"),
        (r#"{"keys":[{"id":"$A"},{"id":"$B","secret":"$b"},{"secret":"$c"}]}"#, "A Bb -c"),
        (r#"{"id":"$A","nested":{"id":"$B","secret":"$b"},"secret":"$a"}"#, "Aa Bb"),
        (
            "{\n  \"id\": \"$A\",\n  \"nested\": {\n    \"secret\": \"$b\",\n    \"id\": \"$B\"\n  },\n\n  \"secret\": \"$a\"\n}",
            "Aa Bb",
        ),
        (
            "{\n\"secret\": \"$a\",\n\"x\": \"} ) (\",\n\"id\": \"$A\"\n},\n{\n\"secret\": \"$b\",\n\"id\": \"$B\"\n}",
            "Aa Bb",
        ),
        (r#"{"prod":{"secret":"$a","id":"$A"},"dev":{"secret":"$b","id":"$B"}}"#, "Aa Bb"),
        (r#"{"ids":{"prod":"$A","dev":"$B"},"secrets":{"dev":"$b","prod":"$a"}}"#, "Aa Bb"),
        (r#"{"ids":["$A","$B"],"secrets":["$a","$b"]}"#, "Aa Bb"),
        (r#"{"$A":"$a","$B":"$b"}"#, "Aa Bb"),
        (r#"{"body":"{\"id\":\"$A\",\"secret\":\"$a\"}"}, {"body":"{\"secret\":\"$b\",\"id\":\"$B\"}"}"#, "Aa Bb"),
        (
            r#"[{"name":"AWS_ACCESS_KEY_ID","value":"$A"},{"name":"AWS_SECRET_ACCESS_KEY","value":"$a"},{"name":"AWS_SECRET_OLD","value":"$b"}]"#,
            "Aab",
        ),
        (
            r#"[{"name":"DEV_ID","value":"$A"},{"name":"PROD_ID","value":"$B"},{"name":"PROD_SECRET","value":"$b"},{"name":"DEV_SECRET","value":"$a"}]"#,
            "Aa Bb",
        ),
        (
            "provider \"aws\" {\n  access_key = \"$A\"\n  secret_key = \"$a\"\n}\nprovider \"aws\" {\n  alias = \"x\"\n  secret_key = \"$b\"\n  access_key = \"$B\"\n}\n",
            "Aa Bb",
        ),
        (
            "variable \"prod_id\" {\n  default = \"$A\"\n}\nvariable \"dev_id\" {\n  default = \"$B\"\n}\nvariable \"dev_secret\" {\n  default = \"$b\"\n}\nvariable \"prod_secret\" {\n  default = \"$a\"\n}\n",
            "Aa Bb",
        ),
        (
            "{\"Credentials\":{\"AccessKeyId\":\"$@\",\"SessionToken\":\"$1\",\"SecretAccessKey\":\"$a\"},\"x\":{\"AccessKeyId\":\"$B\",\"SecretAccessKey\":\"$b\"}}",
            "@a1 Bb",
        ),
    ]);
    let settings: String = (0..100).map(|n| format!("  \"setting{n}\": {n},\n")).collect();
    let object = format!("{{\n  \"id\": \"$A\",\n{settings}  \"secret\": \"$a\"\n}}\n");
    check(&[(
        &format!("{object}{}", object.to_lowercase().replace("$a\",", "$B\",").replace("$a\"", "$b\"")),
        "Aa Bb",
    )]);
}

#[test]
fn indented_text() {
    check(&[
        ("prod:\n  id: $A\n  secret: $a\ndev:\n  id: $B\ntest:\n  secret: $c\n  id: $C\n", "Aa B Cc"),
        ("keys:\n- id: $A\n  secret: $a\n- id: $B\n- secret: $c\n  id: $C\n", "Aa B Cc"),
        ("keys:\n  -\n    secret: $a\n    id: $A\n  -\n    secret: $b\n    id: $B\n", "Aa Bb"),
        ("prod:\n  id: $A\n\n  secret: $a\n\ndev:\n  id: $B\n\n  secret: $b\n", "Aa Bb"),
        ("a:\n  id: $A\n  b:\n    id: $B\n    secret: $b\n  secret: $a\n", "Aa Bb"),
        (
            "env:\n- name: AWS_ACCESS_KEY_ID\n  value: $A\n- name: AWS_SECRET_ACCESS_KEY\n  value: $a\n- name: X\n  value: y\n",
            "Aa",
        ),
        (
            "env:\n- name: A_ID\n  value: $A\n- name: B_ID\n  value: $B\n- name: B_SECRET\n  value: $b\n- name: A_SECRET\n  value: $a\n",
            "Aa Bb",
        ),
        ("prod:\n  id: $A\n#  id: $B\n#  secret: $b\n  secret: $a\n", "Aa Bb"),
        ("accounts:\n  $A:\n    secret: $a\n  $B:\n    secret: $b\n", "Aa Bb"),
        ("- $A: $a\n- $B: $b\n", "Aa Bb"),
        ("Production\n   Access key: $A\n   Secret key: $a\nStaging\n   Secret key: $b\n   Access key: $B\n", "Aa Bb"),
    ]);
}

#[test]
fn sections_and_flat_files() {
    check(&[
        (
            "[a]\naws_access_key_id = $A\naws_secret_access_key = $a\n[b]\naws_access_key_id = $B\n[c]\naws_secret_access_key = $c\naws_access_key_id = $C\n",
            "Aa B Cc",
        ),
        ("[profile a] # mine\nid = $A\n\nregion = x\n\nsecret = $a\n[[keys]]\nid = $B\n\nsecret = $b\n", "Aa Bb"),
        ("PROD_ID=$A\nSTAGING_ID=$B\nSTAGING_SECRET=$b\nPROD_SECRET=$a\n", "Aa Bb"),
        ("STAGING_SECRET=$b\nPROD_ID=$A\nPROD_SECRET=$a\nSTAGING_ID=$B\n", "Aa Bb"),
        (
            "AWS_ACCESS_KEY_ID_1=$A\nAWS_ACCESS_KEY_ID_2=$B\nAWS_ACCESS_KEY_ID_3=$C\nAWS_SECRET_ACCESS_KEY_1=$a\nAWS_SECRET_ACCESS_KEY_3=$c\n",
            "Aa B Cc",
        ),
        ("id=$A\nid=$B\nsecret=$a\nsecret=$b\n", "Aa Bb"),
        ("secret=$a\nid=$A\nsecret=$b\nid=$B\n", "Aa Bb"),
        ("id=$A\nsecret=$a\nid=$B\nid=$C\nsecret=$c\n", "Aa B Cc"),
        ("id=$A\n#id=$B\n#secret=$b\nsecret=$a\n", "Aa Bb"),
        ("id=$A\nsecret=$a\n# id=$B\n", "Aa B"),
        ("id = $A\nold_secret = $b\nnew_secret = $a\n", "Aab"),
        ("old_id=$A\nnew_id=$B\nnew_secret=$b\nold_secret=$a\n", "Aa Bb"),
        ("prod_id=$A\nprod_secret=$a\nstaging_secret=$b\n", "Aa -b"),
        ("prod.aws.id=$A\ndev.aws.id=$B\ndev.aws.secret=$b\nprod.aws.secret=$a\n", "Aa Bb"),
    ]);
    let far = "x=y\n".repeat(5000);
    check(&[(&format!("dev_id=$A\nprod_id=$B\n{far}prod_secret=$b\ndev_secret=$a\n"), "Aa Bb")]);
}

#[test]
fn calls_urls_and_logs() {
    check(&[
        ("connect(\"$A\", \"$a\"); connect(\"$B\"); connect(secret=\"$c\", id=\"$C\")", "Aa B Cc"),
        ("connect(\n  secret='$a',\n  id='$A')\nconnect(\n  secret='$b',\n  id='$B')\n", "Aa Bb"),
        ("c.setId(\"$A\");\nc.setSecret(\"$a\");\nd.setId(\"$B\");\nd.setSecret(\"$b\");\n", "Aa Bb"),
        ("s3://$A:$a@one s3://$B@two s3://$C:$c@three", "Aa B Cc"),
        ("12:00 login id=$A secret=$a\n12:01 login id=$B\n12:02 login secret=$c id=$C\n", "Aa B Cc"),
        ("tool --access-key $A --secret-key $a\ntool --secret-key $b --access-key $B\n", "Aa Bb"),
        (
            "if (a < b) { id = \"$A\"; secret = \"$a\"; } // :( don't {\nelse { secret = \"$b\"; id = \"$B\"; }\n",
            "Aa Bb",
        ),
        ("let x: Vec<String> = f();\nid(\"$A\", \"$a\");\n</x>\nid(\"$B\");\nid(\"$c\", \"$C\");\n", "Aa B Cc"),
    ]);
}
