//! Small files of rules: what is read of them and what is refused, with its line.

use proptest::prelude::*;

use super::*;
use crate::engine::Dropped;
use crate::engine::foreign::allow::Target;
use crate::engine::foreign::required::Required;

fn no_file(path: &str, _from: &str) -> Result<(String, String), String> {
    Err(format!("there is no {path}"))
}

/// The built-in rules and those of a file.
fn loaded(text: &str) -> RuleSet {
    extended(text, &no_file).unwrap_or_else(|error| panic!("{error}"))
}

fn extended(text: &str, read: &Extended<'_>) -> Result<RuleSet, String> {
    let mut set = RuleSet::builtin();
    set.load("x.toml", text, read).map_err(|error| error.to_string())?;
    Ok(set)
}

fn rule(set: &RuleSet, id: &str) -> ForeignRule {
    set.foreign().iter().find(|rule| *rule.id == *id).unwrap().clone()
}

#[track_caller]
fn refused(text: &str, line: usize, expected: &str) {
    let error = extended(text, &no_file).unwrap_err();
    let start = format!("reading the gitleaks rules of x.toml, line {line}: ");
    assert!(error.starts_with(&start) && error.contains(expected), "{error}");
}

#[test]
fn every_field_of_a_rule_is_read() {
    let set = loaded(
        "title = 't'\ndescription = 'd'\nminVersion = 'v8.25.0'\n[[rules]]\nid = 'a'\ndescription = 'An a'\nregex = 'a(b)(c)'\n\
         secretGroup = 2\nentropy = 3\nkeywords = ['A', 'Bc']\npath = '\\.x$'\ntags = ['t1', 't2']\nskipReport = true\n\
         [[rules.required]]\nid = 'a'\nwithinLines = 2\nwithinColumns = 9\n",
    );
    let rule = rule(&set, "a");
    assert_eq!((rule.description.as_str(), rule.group, rule.skip_report), ("An a", 2, true));
    assert_eq!((rule.keywords, rule.tags), (vec!["a".to_owned(), "bc".into()], vec!["t1".to_owned(), "t2".into()]));
    assert_eq!(rule.conditions.above_entropy, 3.0);
    assert!(rule.conditions.path.unwrap().0.is_match(b"a.x"));
    let required = Required { id: "a".into(), within_lines: Some(2), within_columns: Some(9) };
    assert_eq!(rule.required, [required]);
    assert!(set.notes().is_empty());
}

#[test]
fn names_of_fields_have_no_case_and_a_list_may_be_one_string() {
    let set = loaded("[[RULES]]\nID = 'a'\nRegex = 'b'\nkeyWords = 'x,y'\n[RULES.ALLOWLIST]\nStopWords = ['z']\n");
    let rule = rule(&set, "a");
    assert_eq!(rule.keywords, ["x", "y"]);
    assert_eq!(rule.conditions.allowlists.len(), 2);
    refused("[[rules]]\nid = 'a'\nregex = 'b'\nREGEX = 'c'\n", 4, "` is given twice");
}

#[test]
fn allowlists_are_read_in_every_spelling() {
    let list = "description = 'd'\ncondition = '&&'\ncommits = [' AB ']\npaths = ['p']\nregexTarget = 'line'\nregexes = ['r', 'q']\n\
                stopwords = ['W']\n";
    for (before, after) in [
        ("[allowlist]\n", "[[rules]]\nid = 'a'\nregex = 'b'\n"),
        ("[[allowlists]]\n", "[[rules]]\nid = 'a'\nregex = 'b'\n"),
        ("[[allowlists]]\ntargetRules = ['a']\n", "[[rules]]\nid = 'a'\nregex = 'b'\n"),
        ("[[rules]]\nid = 'a'\nregex = 'b'\n[rules.allowlist]\n", ""),
        ("[[rules]]\nid = 'a'\nregex = 'b'\n[[rules.allowlists]]\n", ""),
    ] {
        let set = loaded(&format!("{before}{list}{after}"));
        let lists = rule(&set, "a").conditions.allowlists;
        let list = lists.iter().find(|list| list.all).unwrap();
        assert_eq!(list.target, Target::Line);
        assert_eq!(list.place.commits, ["ab"]);
        assert!(list.place.both && list.place.paths.is_some() && list.regexes.is_some());
        assert!(list.stopwords.as_ref().unwrap().is_match("a w"));
        assert_eq!(list.place.global, before.starts_with("[allowlist]") || before == "[[allowlists]]\n");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    refused(
        "[[rules]]\nid = 'a'\nregex = 'b'\ncolour = 'red'\n",
        4,
        "unknown field `colour` of a rule, which can have `id`, `required`",
    );
    refused("title = 't'\nrulez = 1\n", 2, "unknown field `rulez`");
    refused("[[rules]]\nid = 'a'\nregex = '''\n(b'''\n", 3, "unclosed group");
    refused("[[rules]]\nid = 'a'\nregex = '(?=b)'\n", 3, "no looking around");
    refused("[[rules]]\nid = 'a'\npath = '['\n", 3, "no `]`");
    refused("[[rules]]\nid = 'a'\nregex = 7\n", 3, "is integer and must be a string");
    refused("[[rules]]\nid = 'a'\nregex = 'b'\nentropy = 'high'\n", 4, "must be a number");
    refused("[[rules]]\nid = 'a'\nregex = 'b'\nkeywords = [1]\n", 4, "a list of strings");
    refused("[[rules]]\nid = 'a'\nregex = 'b'\nkeywords = ['']\n", 4, "a word in `keywords` is empty");
    refused("[[rules]]\nid = 'a'\nregex = 'b'\nentropy = nan\n", 4, "must be a number");
    refused("[[rules]]\nid = 'a'\nregex = 'b'\nentropy = inf\n", 4, "must be a number");
    refused(
        "[[rules]]\nid = 'a'\nregex = '(b)'\nsecretGroup = 2\n",
        4,
        "the regex has no group 2; write a number from 0 to 1",
    );
    refused("[[rules]]\nid = 'a'\nregex = '(b)'\nsecretGroup = -1\n", 4, "a whole number from 0");
    refused("title = 't'\n[[rules]]\nregex = 'b'\n", 2, "has no `id`");
    refused("title = 't'\n[[rules]]\nid = 'a'\n", 2, "neither `regex` nor `path`");
    refused("rules = 3\n", 1, "a list of tables");
    refused(
        "[[rules]]\nid = 'a'\nregex = 'b'\n[[rules.required]]\nid = 'c'\n",
        5,
        "no rule of this file is called `c`",
    );
    refused("[[rules]]\nid = 'a'\nregex = 'b'\n[[rules.required]]\nwithinLines = 1\n", 4, "has no `id`");
    refused("minVersion = 'new'\n", 1, "is no version");
}

#[test]
fn what_is_wrong_with_an_allowlist_is_told_with_its_line() {
    refused("title = ''\n[[allowlists]]\n", 2, "an allowlist is empty");
    refused("[[allowlists]]\nregexTarget = 'mtach'\nregexes = ['a']\n", 2, "must be `secret`, `match` or `line`");
    refused("[[allowlists]]\ncondition = 'xor'\nregexes = ['a']\n", 2, "is `xor` and must be `AND` or `OR`");
    refused("[[allowlists]]\nstopwords = [\n'a',\n'']\n", 4, "a word in `stopwords` is empty");
    refused("[[allowlists]]\nregexes = [\n'a',\n'(']\n", 4, "unclosed group");
    refused("[[allowlists]]\ntargetRules = [\n'b']\nregexes = ['a']\n", 3, "there is no rule `b`");
    refused("[allowlist]\nregexes = ['a']\n[[allowlists]]\nregexes = ['a']\n", 1, "exclude each other");
    refused(
        "[[rules]]\nid = 'a'\nregex = 'b'\n[rules.allowlist]\ntargetRules = ['a']\npaths = ['p']\n",
        5,
        "unknown field `targetRules`",
    );
}

#[test]
fn a_file_is_put_over_the_one_that_it_extends() {
    let base = "[[rules]]\nid = 'a'\ndescription = 'base'\nregex = 'a'\nentropy = 2.5\nkeywords = ['k']\ntags = ['t']\n\
                [[rules]]\nid = 'off'\nregex = 'o'\n[[rules]]\nid = 'kept'\nregex = 'x'\n[allowlist]\npaths = ['p']\n";
    let over = "[extend]\npath = 'sub/base.toml'\ndisabledRules = ['off']\n[[rules]]\nid = 'a'\ntags = ['u']\nkeywords = ['l']\n\
                description = 'over'\n[rules.allowlist]\nstopwords = ['w']\n[[rules]]\nid = 'new'\nregex = 'n'\n";
    let set = extended(over, &|path, from| {
        assert_eq!((path, from), ("sub/base.toml", "x.toml"));
        Ok(("base.toml".to_owned(), base.to_owned()))
    })
    .unwrap();
    let ids: Vec<&str> = set.foreign().iter().map(|rule| &*rule.id).collect();
    assert_eq!(ids, ["a", "kept", "new"]);
    let rule = rule(&set, "a");
    assert_eq!((rule.description.as_str(), rule.conditions.above_entropy), ("over", 2.5));
    assert_eq!((rule.keywords, rule.tags), (vec!["k".to_owned(), "l".into()], vec!["t".to_owned(), "u".into()]));
    assert_eq!(rule.conditions.allowlists.len(), 3, "its own, the base's for all, the file itself");
}

#[test]
fn what_an_extended_file_names_is_told_with_the_name_of_that_file() {
    let read =
        |_: &str, _: &str| Ok(("y".to_owned(), "\n[[allowlists]]\ntargetRules = ['b']\npaths = ['p']\n".to_owned()));
    let error = extended("[extend]\npath = 'y'\n", &read).unwrap_err();
    assert!(error.contains("of y, line 3: there is no rule `b`"), "{error}");
}

#[test]
fn what_is_switched_off_and_is_not_there_is_told() {
    let base = |_: &str, _: &str| Ok(("y".to_owned(), "[[rules]]\nid = 'a'\nregex = 'a'\n".to_owned()));
    let off = "disabledRules = [\n'a',\n'aws-access-key-id',\n'typo']\n";
    let set = extended(&format!("[extend]\npath = 'y'\n{off}"), &base).unwrap();
    assert_eq!(set.notes(), ["x.toml: line 6 switches off the rule `typo`, which there is not"]);
    assert!(set.foreign().is_empty() && set.get("aws-access-key-id").is_none());
}

#[test]
fn what_is_required_but_not_run_is_told() {
    let pw = "[[rules]]\nid = 'pw'\nregex = 'p'\n[[rules.required]]\nid = 'user'\n";
    let base = |_: &str, _: &str| Ok(("y".to_owned(), format!("{pw}[[rules]]\nid = 'user'\nregex = 'u'\n")));
    let set = extended("[extend]\npath = 'y'\ndisabledRules = ['user']\n", &base).unwrap();
    assert_eq!(set.notes(), ["y: line 5 requires the rule `user`, which is switched off: `pw` finds nothing"]);
    let ours = pw.replace("user", "github-pat");
    refused(
        &format!("[extend]\nuseDefault = true\n{ours}[[rules]]\nid = 'github-pat'\n"),
        7,
        "`pw` requires `github-pat`, which is not one of this file's own; write its `regex`",
    );
}

#[test]
fn files_are_extended_two_deep_and_the_next_is_told_of() {
    let text = |n: u32| format!("[extend]\npath = '{}'\n[[rules]]\nid = 'r{n}'\nregex = 'r'\n", n + 1);
    let read = |path: &str, _: &str| Ok((path.to_owned(), text(path.parse().unwrap())));
    let set = extended(&text(0), &read).unwrap();
    assert_eq!(set.foreign().len(), 3);
    assert_eq!(set.notes(), ["2: 3 is not read: files are extended 2 deep, as by gitleaks"]);
}

#[test]
fn what_cannot_be_extended_is_told_with_its_line() {
    refused("[extend]\npath = 'y'\n", 2, "there is no y");
    refused("[extend]\nurl = 'https://example.com'\n", 2, "not fetched over a network");
    refused("[extend]\nuseDefault = true\npath = 'y'\n", 3, "exclude each other");
    refused("[extend]\ndepth = 3\n", 2, "unknown field `depth` of [extend]");
    let error =
        extended("[extend]\npath = 'y'\n", &|_, _| Ok(("y".to_owned(), "\n[[rules]]\n".to_owned()))).unwrap_err();
    assert!(error.contains("of y, line 2: a rule has no `id`"), "{error}");
}

#[test]
fn the_default_rules_are_ours() {
    let set = loaded("[extend]\nuseDefault = true\ndisabledRules = ['gitlab-pat', 'aws-access-key-id', 'unknown']\n");
    assert!(set.get("github-pat").is_some() && set.get("aws-secret-access-key").is_some());
    assert!(set.get("gitlab-pat").is_none() && set.get("aws-access-key-id").is_none());
    assert_eq!(set.notes(), ["x.toml: line 3 switches off the rule `unknown`, which there is not"]);
    assert!(loaded("title = 't'\n").get("github-pat").is_none());
}

#[test]
fn a_rule_without_a_regex_changes_the_built_in_one_of_its_name() {
    let set = loaded(
        "[extend]\nuseDefault = true\n[allowlist]\npaths = ['p']\n[[rules]]\nid = 'github-pat'\npath = 'q'\nentropy = 0x2\ntags = ['t']\n\
         [rules.allowlist]\nstopwords = ['w']\n[[rules]]\nid = 'not-known'\ntags = ['x']\n[[rules]]\nid = 'own'\nregex = 'o'\n",
    );
    let of = |id: &str| set.get(id).unwrap().conditions.clone();
    assert_eq!(of("github-pat").allowlists.len(), 3);
    assert_eq!((of("github-pat").above_entropy, of("github-pat").path.is_some()), (2.0, true));
    let rule = set.get("github-pat").unwrap();
    assert_eq!((rule.tags.as_slice(), rule.pattern.allows(b"aaaa")), (&["t".to_owned()][..], Err(Dropped::Checksum)));
    assert_eq!(of("aws-access-key-id").allowlists.len(), 2, "the file's own and the file itself");
    assert!(set.notes()[0].contains("changes the rule `not-known`"), "{:?}", set.notes());
    refused(
        "[extend]\nuseDefault = true\n[[rules]]\nid = 'github-pat'\nsecretGroup = 1\n",
        5,
        "can't change the built-in rule",
    );
    refused("[[rules]]\nid = 'aws-access-key-id'\n", 1, "neither `regex` nor `path`");
}

#[test]
fn a_rule_with_a_regex_takes_the_place_of_any_of_its_name() {
    let set =
        loaded("[[rules]]\nid = 'aws-access-key-id'\nregex = 'x'\n[[rules]]\nid = 'aws-access-key-id'\nregex = 'y'\n");
    assert!(set.get("aws-access-key-id").is_none());
    assert_eq!(rule(&set, "aws-access-key-id").regex.unwrap().as_str(), "y");
    assert!(set.notes()[0].contains("of line 1 is replaced by that of line 4"), "{:?}", set.notes());
}

#[test]
fn a_newer_version_is_told_of() {
    assert!(loaded("minVersion = 'v9.0.0'\n").notes()[0].contains("is made for gitleaks 9.0.0"));
    assert!(loaded("minVersion = '8.25'\n").notes().is_empty());
}

#[test]
fn our_own_format_is_told_from_theirs() {
    assert!(is_meant("[[rules]]\n") && is_meant("Title = ''\n") && is_meant("[extend]\n"));
    assert!(!is_meant("[[rule]]\n") && !is_meant("") && !is_meant("[[rules"));
    let error = extended("[[rule]]\nid = 'a'\n", &no_file).unwrap_err();
    assert!(error.contains("patterns/aws.toml"), "{error}");
    let error = extended("[[rules]]\nid = 'a\n", &no_file).unwrap_err();
    assert!(error.contains("x.toml, line 2"), "{error}");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(lines in prop::collection::vec(line(), 0..12)) {
        let read = |_: &str, _: &str| Ok(("y".to_owned(), lines.concat()));
        let _ = extended(&lines.concat(), &read);
    }
}

/// A line of a file, more or less.
fn line() -> impl Strategy<Value = String> {
    let header = prop::sample::select(
        &[
            "[[rules]]",
            "[rules.allowlist]",
            "[[rules.allowlists]]",
            "[[rules.required]]",
            "[allowlist]",
            "[[allowlists]]",
            "[extend]",
        ][..],
    );
    let name = prop::sample::select(
        &[
            "id",
            "regex",
            "path",
            "keywords",
            "entropy",
            "secretGroup",
            "tags",
            "condition",
            "regexTarget",
            "paths",
            "commits",
            "regexes",
            "stopwords",
            "useDefault",
            "disabledRules",
            "targetRules",
            "withinLines",
            "skipReport",
            "minVersion",
            "title",
        ][..],
    );
    let value = prop_oneof![
        r"'[\\\[\](){}?*+|^$.a-z0-9,&-]{0,12}'",
        Just("true".to_owned()),
        Just("-7".to_owned()),
        Just("2.5".to_owned()),
        Just("['a', '(']".to_owned()),
        Just("{x = 1}".to_owned()),
        Just("'github-pat'".to_owned()),
        Just("nan".to_owned()),
    ];
    prop_oneof![
        header.prop_map(|header| format!("{header}\n")),
        (name, value).prop_map(|(name, value)| format!("{name} = {value}\n")),
        r"[ -~]{0,12}\n",
    ]
}
