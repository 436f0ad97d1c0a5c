//! Rules of gitleaks as the scanner runs them: a file of rules and a text in, what is found out.

use super::*;
use crate::engine::Scanner;
use crate::engine::rule::RuleSet;
use crate::engine::rule::check::expand;

fn scanner(rules: &str) -> Scanner {
    let mut set = RuleSet::builtin();
    set.load("x.toml", rules, &|path, _| Err(path.to_owned())).unwrap_or_else(|error| panic!("{error}"));
    Scanner::new(set)
}

/// What is found in a file of that path, as `rule: secret`.
fn found_at(rules: &str, text: &[u8], path: &str) -> Vec<String> {
    let place = Place { path: path.into(), ..Place::default() };
    let scanner = scanner(rules);
    let scan = scanner.scan(text);
    assert_eq!(scan, scanner.scan_slowly(text));
    let described = |found: &Match| {
        let secret = found.secrets.first().map(|secret| {
            assert_eq!(secret.span.of(text), secret.secret.expose());
            assert_eq!(secret.kind, SecretKind::Other);
            String::from_utf8_lossy(secret.secret.expose()).into_owned()
        });
        let id = found.access_key_id.map(|id| id.to_string());
        format!("{}: {}", found.rule, secret.or(id).unwrap_or_default())
    };
    scan.matches.iter().filter(|found| found.terms.hold(&place)).map(described).collect()
}

fn found(rules: &str, text: &str) -> Vec<String> {
    found_at(rules, text.as_bytes(), "a.txt")
}

fn rule(fields: &str) -> String {
    format!("[[rules]]\nid = 'r'\n{fields}\n")
}

#[test]
fn the_secret_is_the_first_group_that_holds_something_or_the_one_that_is_named() {
    for (fields, expected) in [
        ("regex = 'key=\\w+'", "r: key=abc"),
        ("regex = 'key=(x)?(\\w)(\\w+)'", "r: a"),
        ("regex = 'key=(x)?(\\w)(\\w+)'\nsecretGroup = 3", "r: bc"),
        ("regex = 'key=(x)?(?:abc)'\nsecretGroup = 1", "r: key=abc"),
    ] {
        assert_eq!(found(&rule(fields), "a key=abc;"), [expected], "{fields}");
    }
}

#[test]
fn line_feeds_around_a_match_are_no_part_of_it() {
    assert_eq!(found(&rule("regex = '\\s*key\\s*'"), "a\n\nkey\n\n\nb"), ["r: key"]);
    assert!(found(&rule("regex = '\\n*'"), "\n\n").is_empty());
}

#[test]
fn a_rule_runs_where_a_keyword_stands_in_any_case() {
    let rules = rule("regex = 'x[0-9]+'\nkeywords = ['Token', 'ÄKEY']");
    assert_eq!(found(&rules, "TOKEN and much later x12"), ["r: x12"]);
    assert_eq!(found(&rules, "äkey x12"), ["r: x12"]);
    assert!(found(&rules, "tok en x12").is_empty());
    assert_eq!(found(&rule("regex = 'x[0-9]+'"), "x12 x34"), ["r: x12", "r: x34"]);
}

#[test]
fn a_secret_needs_more_entropy_than_is_asked_for() {
    let rules = |entropy: &str| rule(&format!("regex = 'k=(\\w+)'\nentropy = {entropy}"));
    assert!(found(&rules("2"), "k=abcd").is_empty());
    assert_eq!(found(&rules("1.9"), "k=abcd"), ["r: abcd"]);
}

#[test]
fn a_path_is_asked_for_and_alone_it_finds_files() {
    let rules = rule("regex = 'k=(\\w+)'\npath = '\\.tf$'");
    assert_eq!(found_at(&rules, b"k=abcd", "a.tf"), ["r: abcd"]);
    assert!(found_at(&rules, b"k=abcd", "a.rs").is_empty());
    let rules = rule("path = '\\.p12$'");
    assert_eq!(found_at(&rules, b"\0\xff", "a.p12"), ["r: "]);
    assert!(found_at(&rules, b"\0\xff", "a.p13").is_empty());
    assert!(found_at(&rules, b"", "a.p12").is_empty());
}

#[test]
fn allowlists_allow() {
    let text = "my key=s3cret-fake # test\nkey=s3cret-real";
    for (list, left) in [
        ("regexes = ['fake$']", 1),
        ("regexTarget = 'match'\nregexes = ['^key=.*fake']", 1),
        ("regexTarget = 'line'\nregexes = ['# test']", 1),
        ("stopwords = ['FAKE']", 1),
        ("paths = ['^a\\.txt$']", 0),
        ("paths = ['^b']", 2),
        ("condition = 'AND'\npaths = ['^a']\nregexes = ['fake$']", 1),
        ("condition = 'AND'\npaths = ['^b']\nregexes = ['fake$']", 2),
        ("condition = 'AND'\ncommits = ['ab']\nregexes = ['fake$']", 2),
    ] {
        let rules = rule(&format!("regex = 'key=([\\w-]+)'\n[[rules.allowlists]]\n{list}"));
        assert_eq!(found(&rules, text).len(), left, "{list}");
    }
}

#[test]
fn lines_that_say_so_are_left_out() {
    let rules = rule("regex = 'key=(\\w+)'");
    assert_eq!(found(&rules, "key=one # gitleaks:allow\nkey=two\n"), ["r: two"]);
}

#[test]
fn what_is_required_must_stand_near() {
    let rules = |limits: &str| {
        format!(
            "[[rules]]\nid = 'pw'\nregex = 'pw=(\\w+)'\n[[rules.required]]\nid = 'user'\n{limits}\n\
             [[rules]]\nid = 'user'\nregex = 'user=(\\w+)'\nskipReport = true\n"
        )
    };
    assert_eq!(found(&rules(""), "user=a\n\n\npw=b"), ["pw: b"]);
    assert!(found(&rules(""), "pw=b").is_empty());
    assert_eq!(found(&rules("withinLines = 3"), "user=a\n\n\npw=b"), ["pw: b"]);
    assert!(found(&rules("withinLines = 2"), "user=a\n\n\npw=b").is_empty());
    assert_eq!(found(&rules("withinColumns = 7"), "user=a pw=b"), ["pw: b"]);
    assert!(found(&rules("withinColumns = 6"), "user=a pw=b").is_empty());
}

#[test]
fn a_file_can_be_required_by_its_path() {
    let rules = "[[rules]]\nid = 'pw'\nregex = 'pw=(\\w+)'\n[[rules.required]]\nid = 'store'\n\
                 [[rules]]\nid = 'store'\npath = '\\.ini$'\nskipReport = true\n";
    assert_eq!(found_at(rules, b"pw=b", "a.ini"), ["pw: b"]);
    assert!(found_at(rules, b"pw=b", "a.txt").is_empty());
}

#[test]
fn what_is_required_may_itself_depend_on_the_path() {
    let rules = "[[rules]]\nid = 'pw'\nregex = 'pw=(\\w+)'\n[[rules.required]]\nid = 'user'\n\
                 [[rules]]\nid = 'user'\nregex = 'user=(\\w+)'\npath = '^a'\nskipReport = true\n";
    assert_eq!(found_at(rules, b"user=a pw=b", "a"), ["pw: b"]);
    assert!(found_at(rules, b"user=a pw=b", "b").is_empty());
}

#[test]
fn generic_rules_step_back_for_others_on_the_line() {
    let rules = "[[rules]]\nid = 'generic-key'\nregex = 'key=(\\w+)'\n\
                 [[rules]]\nid = 'acme'\nregex = 'acme\\w+'\n[rules.allowlist]\npaths = ['^t/']\n";
    assert_eq!(found(rules, "key=acme1\nkey=other"), ["acme: acme1", "generic-key: other"]);
    assert_eq!(found_at(rules, b"key=acme1", "t/x"), ["generic-key: acme1"]);
}

#[test]
fn what_ours_finds_is_named_by_ours_and_an_id_is_an_id() {
    let rules = rule("regex = 'A[KS]IA[A-Z0-9]{16}'");
    let text = expand("key = {{access_key_id}}").unwrap();
    assert_eq!(found(&rules, &text), [format!("aws-access-key-id: {}", &text[6..])]);
    assert_eq!(found(&rules, "AKIAIOSFODNN7EXAMPLE"), ["r: AKIAIOSFODNN7EXAMPLE"]);
    let secret = expand("aws_secret_access_key = {{secret_access_key}}").unwrap();
    let scanner = scanner(&rule("regex = '[A-Za-z0-9+/]{40}'"));
    let matches = scanner.scan(secret.as_bytes()).matches;
    assert_eq!((matches.len(), &*matches[0].rule), (1, "aws-secret-access-key"));
}

#[test]
fn bytes_that_are_no_text_keep_their_places() {
    let rules = rule("regex = 'k=(.{3})'");
    assert_eq!(found_at(&rules, b"\xff\xfek=a\xffb", "x").len(), 1);
    assert_eq!(found_at(&rules, "é k=aéb".as_bytes(), "x"), ["r: aéb"]);
    assert!(found_at(&rule("regex = '\\w{3}'"), b"a\xffb", "x").is_empty());
}

#[test]
fn a_file_that_extends_ours_says_what_ours_may_find() {
    let text = expand("key = {{access_key_id}}").unwrap();
    let rules = |more: &str| format!("[extend]\nuseDefault = true\n{more}");
    assert_eq!(found(&rules(""), &text).len(), 1);
    assert!(found(&rules("[allowlist]\npaths = ['^a']\n"), &text).is_empty());
    assert!(found(&rules("[allowlist]\nregexTarget = 'line'\nregexes = ['key =']\n"), &text).is_empty());
    assert_eq!(found("[allowlist]\npaths = ['^a']\n", &text).len(), 1, "only for the rules of its own file");
    assert!(found_at(&rules(""), text.as_bytes(), "x.toml").is_empty(), "the file of rules itself");
}

#[test]
fn what_is_encoded_is_found_each_once() {
    let rules = rule("regex = 'acme_[0-9a-z]{8}'\nkeywords = ['acme_']");
    let scanner = scanner(&rules);
    let encoded = crate::engine::base64::encode(b"first acme_0123abcd and then acme_4567efgh, acme_0123abcd as before");
    let text = format!("plain acme_89abijkl\ndata: {encoded}\n");
    let mut found: Vec<(String, usize)> = scanner
        .scan(text.as_bytes())
        .matches
        .iter()
        .map(|found| (String::from_utf8_lossy(found.secrets[0].secret.expose()).into_owned(), found.encoding.len()))
        .collect();
    found.sort();
    found.dedup();
    let expected = [("acme_0123abcd", 1), ("acme_4567efgh", 1), ("acme_89abijkl", 0)];
    assert_eq!(found, expected.map(|(secret, steps)| (secret.to_owned(), steps)));
}
