//! Rules from files: those of gitleaks and our own, and where what they find stands.

use std::fs;

use crate::support::{Keysweep, Output};

/// A token of a vendor that nobody knows.
fn token(n: u32) -> String {
    format!("{}_{n:08}kQzR7", "acme")
}

const ACME: &str = "[[rules]]\nid = 'acme-token'\ndescription = 'A token of Acme'\nregex = 'acme_[0-9a-zA-Z]{13}'\nkeywords = ['ACME']\n";

/// The rule and the paths of each finding, sorted.
fn told(output: &Output) -> Vec<(String, Vec<String>)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let paths = |finding: &serde_json::Value| {
        finding["occurrences"].as_array().unwrap().iter().map(|occurrence| text(&occurrence["path"])).collect()
    };
    let mut told: Vec<_> = output.findings().iter().map(|finding| (text(&finding["rule"]), paths(finding))).collect();
    told.sort();
    told
}

fn finding(rule: &str, path: &str) -> (String, Vec<String>) {
    (rule.to_owned(), vec![path.to_owned()])
}

#[test]
fn rules_of_gitleaks_run_beside_ours() {
    let at = Keysweep::new();
    let id = at.write("rules.toml", ACME).write("tree/acme.env", token(1)).plant("tree/keys.env", 1);
    at.scan(["tree"]).expect(1, &[&id]);
    let output = at.scan(["tree", "--rules", "rules.toml"]);
    output.expect(1, &[&id]);
    assert_eq!(told(&output), [finding("acme-token", "tree/acme.env"), finding("aws-access-key-id", "tree/keys.env")]);
}

#[test]
fn paths_and_commits_decide_in_history_too() {
    let at = Keysweep::new();
    at.init("repo");
    for (n, path) in [(1, "repo/testdata/a"), (2, "repo/src/b"), (3, "repo/src/c")] {
        at.write(path, token(n)).commit("repo", path);
    }
    let listed = at.git("repo", ["rev-parse", "HEAD"]);
    fs::remove_dir_all(at.path("repo/testdata")).unwrap();
    fs::remove_dir_all(at.path("repo/src")).unwrap();
    at.write("repo/store.p12", "x").commit("repo", "gone");
    fs::remove_file(at.path("repo/store.p12")).unwrap();
    let rules = format!(
        "{ACME}[[rules]]\nid = 'store'\npath = '\\.p12$'\n[[allowlists]]\npaths = ['^testdata/']\ncommits = ['{}']\n",
        listed.trim()
    );
    let output = at.write("rules.toml", rules).scan(["repo", "--rules", "rules.toml"]);
    assert_eq!(told(&output), [finding("acme-token", "src/b"), finding("store", "store.p12")]);
}

#[test]
fn a_file_is_extended_by_its_own_path() {
    let at = Keysweep::new();
    at.write("conf/base.toml", ACME)
        .write("conf/rules.toml", "[extend]\npath = 'base.toml'\n")
        .write("a.env", token(1));
    let output = at.scan(["a.env", "--rules", "conf/rules.toml"]);
    assert_eq!(told(&output), [finding("acme-token", "a.env")]);
}

#[test]
fn what_can_not_be_used_is_told_with_its_line() {
    let at = Keysweep::new();
    at.plant("keys.env", 1);
    for (rules, expected) in [
        (format!("{ACME}colour = 'red'\n"), "bad.toml, line 6: unknown field `colour`"),
        ("[extend]\nurl = 'https://example.com/x'\n".to_owned(), "bad.toml, line 2"),
        ("[[rule]]\nid = 'x'\n".to_owned(), "bad.toml, line 1"),
        ("not toml".to_owned(), "bad.toml, line 1"),
    ] {
        at.write("bad.toml", rules);
        let output = at.scan(["keys.env", "--rules", "bad.toml"]);
        assert_eq!(output.code, Some(2));
        output.expect_stderr(&[expected]);
    }
    let output = at.scan(["keys.env", "--rules", "missing.toml"]);
    assert_eq!(output.code, Some(2));
    output.expect_stderr(&["missing.toml"]);
}

#[test]
fn a_pack_is_switched_on_by_name() {
    let at = Keysweep::new();
    at.write("a.env", format!("KEY={}_{}", "AGE-SECRET-KEY", "x"));
    let output = at.invocation(["rules", "list", "--pack", "common"]).run();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("github-pat") && text.contains("aws-access-key-id"), "{text}");
    let output = at.invocation(["rules", "list"]).run();
    assert!(!String::from_utf8_lossy(&output.stdout).contains("github-pat"));
    assert_eq!(at.scan(["a.env", "--pack", "everything"]).code, Some(2));
}

#[test]
fn both_formats_are_checked() {
    let at = Keysweep::new();
    at.write("rules.toml", ACME);
    let output = at.invocation(["rules", "check", "rules.toml"]).run();
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("0 rules, 0 examples checked; 1 rule of gitleaks,"));
    let output = at.invocation(["rules", "check"]).run();
    assert_eq!(output.code, Some(0), "{output:?}");
}
