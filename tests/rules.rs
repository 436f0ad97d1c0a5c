//! The rules that come with the program do what they say, and rules that do not are caught.

use keysweep::engine::rule::check::check;
use keysweep::engine::rule::{Pack, RuleSet};

/// Everything that is wrong with a rules file, one a line.
fn problems(text: &str) -> String {
    match RuleSet::parse("rules.toml", text) {
        Ok(rules) => check(&rules).iter().map(|failure| format!("{failure}\n")).collect(),
        Err(error) => error.to_string(),
    }
}

fn rule(id: &str, fields: &str) -> String {
    format!(
        "[[rule]]\nid = '{id}'\ndescription = 'd'\nseverity = 'high'\nkind = 'access_key_id'\nreference = 'r'\n\
         remediation = 'r'\n{fields}\n"
    )
}

const GOOD: &str = "keywords = ['AKIA']\nregex = '(?P<value>AKIA[A-Z2-7]{16})'\n\
                    examples = ['id {{access_key_id}}']\nnegative_examples = ['{{temporary_key_id}}']";

#[test]
fn the_built_in_rules_pass() {
    let failures = check(&RuleSet::builtin());
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn every_built_in_rule_says_what_to_do_and_where_to_read_on() {
    for rule in &RuleSet::builtin() {
        assert!(rule.reference.starts_with("https://docs.aws.amazon.com/"), "{}", rule.id);
        assert!(rule.remediation.ends_with('.'), "{}", rule.id);
        assert!(!rule.negative_examples.is_empty(), "{}", rule.id);
    }
}

#[test]
fn a_good_rule_passes() {
    assert_eq!(problems(&rule("good", GOOD)), "");
}

#[test]
fn an_example_that_is_not_found_is_a_failure() {
    let text = rule("bad", &GOOD.replace("id {{access_key_id}}", "id {{access_key_id}}x"));
    assert!(problems(&text).contains("rule `bad`: does not find its value in the example"), "{}", problems(&text));
}

#[test]
fn a_negative_example_that_is_found_is_a_failure() {
    let text = rule("bad", &GOOD.replace("{{temporary_key_id}}", "{{access_key_id}}"));
    assert!(problems(&text).contains("rule `bad`: finds a value in the negative example"), "{}", problems(&text));
}

#[test]
fn an_example_with_a_value_in_the_place_of_a_template_is_a_failure_that_says_so() {
    let text =
        rule("bad", "keywords = ['abcd_']\nregex = '(?P<value>abcd_[a-z0-9]{9})'\nexamples = ['abcd_k3f9w2m7p']")
            .replace("access_key_id", "other");
    assert!(problems(&text).contains("but no template; write one such as {{alnum:36}}"), "{}", problems(&text));
}

#[test]
fn a_rule_without_examples_is_a_failure() {
    let text = rule("bad", &GOOD.replace("'id {{access_key_id}}'", ""));
    assert!(problems(&text).contains("has no examples"), "{}", problems(&text));
}

#[test]
fn an_example_with_an_unknown_template_is_a_failure() {
    let text = rule("bad", &GOOD.replace("{{access_key_id}}", "{{key}}"));
    assert!(problems(&text).contains("template `key`"), "{}", problems(&text));
}

#[test]
fn rules_that_cannot_be_run_exactly_are_refused() {
    for (field, expected) in [
        (GOOD.replace("{16}", "*"), "no greatest length"),
        (GOOD.replace("['AKIA']", "['ASIA']"), "without any of them"),
        (GOOD.replace("(?P<value>AKIA", "(?P<value>(?i:AKIA)"), "without any of them"),
        (GOOD.replace("value", "it"), "has no group `value`"),
    ] {
        let problems = problems(&rule("bad", &field));
        assert!(problems.contains("rule `bad`") && problems.contains(expected), "{problems}");
    }
}

#[test]
fn two_rules_of_one_name_are_refused() {
    let twice = [rule("twice", GOOD), rule("twice", GOOD)].concat();
    assert!(problems(&twice).contains("earlier rule"), "{}", problems(&twice));
}

#[test]
fn the_pack_of_other_vendors_passes() {
    let pack = RuleSet::pack(Pack::Common);
    let failures = check(&pack);
    assert!(failures.is_empty(), "{failures:#?}");
    for rule in &pack {
        assert!(rule.reference.starts_with("https://"), "{}", rule.id);
        assert!(rule.remediation.ends_with('.'), "{}", rule.id);
        assert!(!rule.negative_examples.is_empty(), "{}", rule.id);
    }
}
