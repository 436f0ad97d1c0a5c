//! What a user asks of a scan besides: whose accounts the keys are of, where given keys stand,
//! and why something is reported or not.

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
        ("@bad", &["bad", "line 3", "11 digits"][..]),
        ("@empty", &["no account number in empty"]),
        ("@missing", &["missing"]),
        ("prod", &["prod", "@FILE"]),
    ] {
        let refused = at.invocation(["scan", "keys", "--account", account]).run();
        assert_eq!((refused.code, refused.stdout.len()), (Some(2), 0), "{refused:?}");
        refused.expect_stderr(words);
    }
}

#[test]
fn given_keys_are_found_however_they_stand_and_no_others() {
    let at = Keysweep::new();
    let (glued, _) = example_key(1);
    let (wide, _) = example_key(2);
    let (missing, _) = example_key(3);
    let documented = "AKIAI44QH8DHBEXAMPLE";
    at.plant("tree/other.env", 4);
    let text: Vec<u8> = format!("x{wide}y").encode_utf16().flat_map(u16::to_be_bytes).collect();
    at.write("tree/glued.bin", [b"\x7fELF\0\xffq", glued.as_bytes(), b"Z9\0"].concat());
    at.write("tree/wide.bin", [b"\x01", text.as_slice()].concat());
    at.write("tree/doc.md", format!("such as {documented}"));
    at.write("keys", format!("{glued}\n{wide} # ann\n{missing}\n{documented}\n"));
    let found = at.scan(["tree", "--only-keys", "keys"]);
    found.expect(1, &[&glued, &wide, documented]).expect_stderr(&["access key ids looked for: 4, from keys"]);
    assert!(found.findings().iter().all(|finding| finding["secrets"].as_array().unwrap().is_empty()));
    let json = format!(r#"{{"AccessKeyMetadata": [{{"AccessKeyId": "{wide}"}}]}}"#);
    at.scanning(["tree", "--only-keys", "-"]).stdin(json).run().expect(1, &[&wide]);
    let quiet = at.scanning(["tree", "-q", "--only-keys", "-"]).stdin(missing).run();
    quiet.expect(0, &[]);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn given_keys_are_found_in_history_and_in_archives() {
    let at = Keysweep::new();
    let id = at.init("repo").plant("repo/old.env", 1);
    at.commit("repo", "first");
    at.git("repo", ["rm", "-q", "old.env"]);
    let gone = at.commit("repo", "gone").scanning(["repo", "--only-keys", "-"]).stdin(id.clone()).run();
    gone.expect(1, &[&id]);
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("a.env", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut zip, id.repeat(2).as_bytes()).unwrap();
    at.write("a.zip", zip.finish().unwrap().into_inner());
    let packed = at.scanning(["a.zip", "--only-keys", "-"]).stdin(id.clone()).run();
    packed.expect(1, &[&id]);
    assert_eq!(packed.findings()[0]["occurrences"].as_array().unwrap().len(), 2);
}

#[test]
fn a_list_of_keys_that_can_t_be_used_is_refused() {
    let at = Keysweep::new();
    let id = at.plant("keys.env", 1);
    at.write("list", format!("{id}\n{}\n", &id[..19])).write("none", "no ids in this text\n");
    for (file, words) in
        [("list", &["list", "line 2"][..]), ("none", &["no access key id in none"]), ("missing", &["missing"])]
    {
        let refused = at.invocation(["scan", "keys.env", "--only-keys", file]).run();
        assert_eq!((refused.code, refused.stdout.len()), (Some(2), 0), "{refused:?}");
        refused.expect_stderr(words);
    }
    for args in [["-", "--only-keys", "-"], [".", "--only-keys=-", "--account=@-"]] {
        let refused = at.scanning(args).stdin(id.clone()).run();
        assert_eq!(refused.code, Some(2), "{refused:?}");
        refused.expect_stderr(&["standard input is both"]);
    }
}

/// `keysweep explain` with these arguments: its exit code and what it prints.
fn explain(at: &Keysweep, args: &[&str], stdin: &str) -> (Option<i32>, String) {
    let output = at.invocation(["explain"].iter().chain(args)).stdin(stdin).run();
    (output.code, String::from_utf8(output.stdout).unwrap() + &output.stderr)
}

#[test]
fn a_file_is_explained_whole_by_line_or_from_standard_input() {
    let at = Keysweep::new();
    let (id, secret) = example_key(1);
    let text = format!("{}\nAKIAIOSFODNN7EXAMPLE\n", crate::support::env_file(1));
    at.write("a.env", &text);
    let (code, whole) = explain(&at, &["a.env"], "");
    assert_eq!(code, Some(0));
    assert!(whole.contains(&format!("a.env:1:19  {id}")) && whole.contains("3 candidates, 2 reported."), "{whole}");
    assert!(!whole.contains(&secret[..8]), "{whole}");
    assert!(explain(&at, &["a.env", "--show-secrets"], "").1.contains(&secret));
    let (_, line) = explain(&at, &["a.env:4"], "");
    assert!(line.contains("placeholder") && !line.contains(&id), "{line}");
    let (code, nothing) = explain(&at, &["-:3"], &text);
    assert!(code == Some(0) && nothing.contains("Nothing on line 3"), "{nothing}");
    let (_, json) = explain(&at, &["-", "--format", "json"], &text);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["schema"], &json["file"]), (&"keysweep/explain-v1".into(), &"standard input".into()));
    assert_eq!(json["candidates"].as_array().unwrap().len(), 3);
}

#[test]
fn a_flag_that_there_is_not_is_no_file_to_explain() {
    let at = Keysweep::new();
    at.write("f", "x").write("--typo", "AKIAIOSFODNN7EXAMPLE\n");
    for args in [&["--typo", "f"][..], &["--typo"], &["f", "--typo"]] {
        let (code, told) = explain(&at, args, "");
        assert!(code == Some(2) && told.contains("unexpected argument '--typo'"), "{args:?}: {told}");
    }
    for args in [&["-x"][..], &["f", "--", "--typo"], &["-:0"], &["-:3", "f"], &[]] {
        assert_eq!(explain(&at, args, "").0, Some(2), "{args:?}");
    }
    for target in ["--typo", "--typo:1"] {
        let (code, told) = explain(&at, &["--", target], "");
        assert!(code == Some(0) && told.contains("placeholder"), "{told}");
    }
    let (code, json) = explain(&at, &["--format", "json", "f"], "");
    assert!(code == Some(0) && json.starts_with('{'), "{json}");
}

#[test]
fn what_can_t_be_explained_is_told() {
    let at = Keysweep::new();
    at.write("dir/a.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03");
    for (target, word) in [("dir", "is a directory"), ("missing:3", "missing failed")] {
        let (code, told) = explain(&at, &[target], "");
        assert!(code == Some(2) && told.contains(word), "{told}");
    }
    let (code, archive) = explain(&at, &["dir/a.gz"], "");
    assert!(code == Some(0) && archive.contains("It is an archive"), "{archive}");
}
