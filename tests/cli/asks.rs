//! What a user asks of a scan besides: whose accounts the keys are of.

use crate::support::{Keysweep, Output, example_key};

/// An id of the synthetic key of `seed` and the account that it tells.
fn with_account(seed: u64) -> (String, String) {
    let id = example_key(seed).0;
    let account = keysweep::key::AccessKeyId::parse(id.as_bytes()).unwrap().account().unwrap();
    (id, account.to_string())
}

/// What each id's account is said to be.
fn told(output: &Output) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("null").to_owned();
    let findings = output.findings();
    findings.iter().map(|finding| (text(&finding["access_key_id"]), text(&finding["account"]))).collect()
}

#[test]
fn accounts_that_were_named_are_ours_and_others_foreign() {
    let at = Keysweep::new();
    let ((ours, account), (foreign, _)) = (with_account(1), with_account(2));
    let canary = ["AKIA", "SP2TPHJSQH3FJRUX"].concat();
    let old = ["AKIA", "IKZQ3DMTHV27KBWE"].concat();
    at.write("keys", [&*ours, &foreign, &canary, &old].join("\n"));
    at.write("accounts", format!("# of the company\n{account} # prod\n"));
    let standing = |names: [&str; 4]| -> Vec<(String, String)> {
        [&ours, &foreign, &canary, &old]
            .into_iter()
            .zip(names)
            .map(|(id, name)| (id.clone(), name.to_owned()))
            .collect()
    };
    assert_eq!(told(&at.scan(["keys"])), standing(["unknown", "unknown", "canary", "null"]));
    let marked = standing(["ours", "foreign", "canary", "null"]);
    assert_eq!(told(&at.scan(["keys", "--account", &account])), marked);
    assert_eq!(told(&at.scan(["keys", "--account", "171436882533", "--account", "@accounts"])), marked);
    assert_eq!(told(&at.scanning(["keys", "--account", "@-"]).stdin(account.clone()).run()), marked);
    for (format, words) in [
        ("text", [format!("{account}, one of yours"), "none of yours".to_owned()]),
        ("csv", [format!(",{account},ours,"), ",foreign,".to_owned()]),
        ("sarif", [r#""account":"ours""#.to_owned(), r#""account":"foreign""#.to_owned()]),
    ] {
        let shown = at.invocation(["scan", "keys", "--account", "@accounts", "--format", format]).run();
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(words.iter().all(|word| shown.contains(word)), "{format}: {shown}");
    }
}

#[test]
fn accounts_that_are_none_are_refused_with_their_line() {
    let at = Keysweep::new();
    at.plant("keys", 1);
    at.write("bad", "111122223333\n\n11112222333\n").write("empty", "# none\n");
    for (account, words) in [
        ("@bad", &["bad", "line 3", "`11112222333`", "11 digits"][..]),
        ("@empty", &["no account number in empty"]),
        ("@missing", &["missing"]),
        ("prod", &["prod", "@FILE"]),
    ] {
        let refused = at.invocation(["scan", "keys", "--account", account]).run();
        assert_eq!((refused.code, refused.stdout.len()), (Some(2), 0), "{refused:?}");
        refused.expect_stderr(words);
    }
}
