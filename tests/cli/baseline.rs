//! What is known and not reported: `.keysweepignore`, baselines, comments, what other scanners ignore, and `keysweep baseline`.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Keysweep, Output, env_file, example_key};

/// `keysweep baseline` with these arguments.
fn baseline(at: &Keysweep, args: &[&str]) -> Output {
    at.invocation(["baseline"].iter().chain(args)).run()
}

#[track_caller]
fn kept(at: &Keysweep, args: &[&str]) -> String {
    let output = baseline(at, args);
    assert_eq!(output.code, Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Of each finding what suppresses it.
fn suppressed(output: &Output) -> Vec<Value> {
    output.findings().iter().map(|finding| finding["suppressed"].clone()).collect()
}

/// The entries of a `.keysweepignore`.
fn entries(at: &Keysweep, file: &str) -> Vec<String> {
    let text = fs::read_to_string(at.path(file)).unwrap();
    let is_entry = |line: &&str| !line.is_empty() && !line.starts_with('#');
    text.lines().filter(is_entry).map(str::to_owned).collect()
}

#[test]
fn what_is_added_is_not_reported_any_more_and_never_passed_over() {
    let at = Keysweep::new();
    at.init("repo").plant("repo/a.env", 1);
    at.commit("repo", "first");
    at.scan(["repo"]).expect(1, &[&example_key(1).0]);
    let told = kept(&at, &["add", "--target", "repo", "--reason", "key of the sandbox"]);
    assert!(told.contains(&format!("added    {}  key of the sandbox\n", example_key(1).0)), "{told}");
    assert!(
        told.ends_with(
            "1 entry written to repo/.keysweepignore; commit repo/.keysweepignore and repo/.gitattributes.\n"
        ),
        "{told}"
    );
    assert_eq!(fs::read_to_string(at.path("repo/.gitattributes")).unwrap(), ".keysweepignore merge=union\n");
    let known = at.scan(["repo"]);
    known.expect(0, &[&example_key(1).0]);
    assert_eq!(
        suppressed(&known),
        [json!({"by": "ignore-file", "source": "repo/.keysweepignore", "reason": "key of the sandbox"})]
    );
    let summary = known.summary();
    assert_eq!((&summary["findings"], &summary["suppressed"]), (&json!(0), &json!(1)));
    // Moved, renamed, beside another key: it is known by its value.
    at.git("repo", ["mv", "a.env", "b.txt"]);
    at.write("repo/b.txt", format!("\n\nmoved\n{}\n{}", env_file(1), env_file(2))).commit("repo", "second");
    let both = at.scan(["repo"]);
    both.expect(1, &[&example_key(1).0, &example_key(2).0]);
    assert_eq!((&both.summary()["findings"], &both.summary()["suppressed"]), (&json!(1), &json!(1)));
    let text = at.invocation(["scan", "repo"]).run();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("1 suppressed: 1 by repo/.keysweepignore (--no-ignore shows"), "{text}");
    assert!(!text.contains(&example_key(1).0) && text.contains(&example_key(2).0), "{text}");
    assert_eq!(at.scan(["repo", "--no-ignore"]).summary()["findings"], 2);
}

#[test]
fn a_second_add_changes_nothing_and_a_better_reason_replaces_the_first() {
    let at = Keysweep::new();
    at.plant("a.env", 1);
    let id = example_key(1).0;
    kept(&at, &["add", &id, "--reason", "one"]);
    let first = fs::read(at.path(".keysweepignore")).unwrap();
    assert!(kept(&at, &["add", "--reason", "other"]).contains("stays as it is"));
    assert!(kept(&at, &["add", &id, "--reason", "one"]).contains("stays as it is"));
    assert_eq!(fs::read(at.path(".keysweepignore")).unwrap(), first);
    let told = kept(&at, &["add", &id, "--reason", "two", "--until", "2999-12-31"]);
    assert!(told.contains("replaced"), "{told}");
    let entries = entries(&at, ".keysweepignore");
    assert!(entries.len() == 1 && entries[0].ends_with(" until=2999-12-31 # two"), "{entries:?}");
    assert!(!at.path(".gitattributes").exists(), "there is no repository");
}

#[test]
fn entries_hold_for_their_paths_and_until_their_day() {
    let at = Keysweep::new();
    at.plant("tests/a.env", 1);
    at.plant("src/a.env", 1);
    let id = example_key(1).0;
    kept(&at, &["add", &id, "--reason", "r", "--path", "/tests/"]);
    let partly = at.scan(["."]);
    partly.expect(1, &[&id]);
    assert_eq!(suppressed(&partly), [Value::Null]);
    assert_eq!(partly.summary()["suppressed_occurrences"], 1);
    kept(&at, &["add", &id, "--reason", "r", "--path", "src"]);
    at.scan(["."]).expect(0, &[&id]);
    at.scan(["src"]).expect(1, &[&id]);
    kept(&at, &["add", &id, "--reason", "for now", "--until", "2020-01-31", "--path", "src"]);
    let lapsed = at.scan(["."]);
    lapsed.expect(1, &[&id]).expect_stderr(&[&id, "is reported again", "expired on 2020-01-31 (for now)"]);
    assert_eq!(lapsed.findings()[0]["suppression_expired"]["until"], "2020-01-31");
    let shown = kept(&at, &["show"]);
    assert!(shown.contains("until   2020-01-31, which has passed") && shown.contains("paths   /tests/"), "{shown}");
    assert!(shown.ends_with("2 entries in .keysweepignore, 1 expired.\n"), "{shown}");
    let json: Value = serde_json::from_str(&kept(&at, &["show", "--format", "json"])).unwrap();
    assert_eq!(json["entries"].as_array().unwrap().len(), 2);
}

#[test]
fn a_part_of_a_working_tree_is_known_by_the_file_at_its_root() {
    let at = Keysweep::new();
    at.init("repo").plant("repo/tests/a.env", 1);
    let id = example_key(1).0;
    kept(&at, &["add", &id, "--target", "repo/tests", "--reason", "r", "--path", "/tests/a.env"]);
    assert!(at.path("repo/.keysweepignore").exists());
    for target in ["repo", "repo/tests", "repo/tests/a.env", "./repo/"] {
        at.scan([target, "--history", "none"]).expect(0, &[&id]);
    }
}

#[test]
fn the_file_of_one_target_says_nothing_of_another() {
    let at = Keysweep::new();
    at.plant("a/x.env", 1);
    at.plant("b/x.env", 1);
    kept(&at, &["add", "--target", "a", "--reason", "r"]);
    let id = example_key(1).0;
    at.scan(["a"]).expect(0, &[&id]);
    let both = at.scan(["a", "b"]);
    both.expect(1, &[&id]);
    assert_eq!(both.summary()["suppressed_occurrences"], 1);
}

#[test]
fn a_line_that_is_none_ends_the_scan_with_its_number() {
    let at = Keysweep::new();
    at.plant("a.env", 1);
    at.write(".keysweepignore", "# ours\nAKIA # why\n");
    let output = at.scan(["."]);
    assert_eq!(output.code, Some(2));
    output.expect_stderr(&[".keysweepignore failed", "line 2", "fingerprint"]);
    at.scan([".", "--no-ignore"]).expect(1, &[&example_key(1).0]);
    fs::remove_file(at.path(".keysweepignore")).unwrap();
    at.write("b", "{\"findings\": 1}");
    let output = at.scan([".", "--baseline", "b"]);
    assert_eq!(output.code, Some(2));
    output.expect_stderr(&["reading the baseline b failed", "no report of keysweep"]);
    let absent = at.scan([".", "--baseline", "absent"]);
    assert_eq!(absent.code, Some(2));
}

#[test]
fn every_report_is_a_baseline() {
    let at = Keysweep::new();
    at.plant("in/a.env", 1);
    let id = example_key(1).0;
    for (name, flags) in [("r.json", &["--show-secrets"][..]), ("r.jsonl", &[]), ("r2.json", &[])] {
        at.invocation(["scan", "in", "-q", "-o", name].iter().chain(flags)).run();
        let known = at.scan(["in", "--baseline", name]);
        known.expect(0, &[&id]);
        assert_eq!(suppressed(&known), [json!({"by": "baseline", "source": name, "reason": null})]);
    }
    at.plant("in/b.env", 2);
    at.scan(["in", "--baseline", "r.json"]).expect(1, &[&id, &example_key(2).0]);
    kept(&at, &["add", "--target", "in", "--from", "r.json", "--reason", "old"]);
    let text = fs::read_to_string(at.path("in/.keysweepignore")).unwrap();
    assert!(!text.contains(&example_key(1).1) && !text.contains(&id));
    fs::rename(at.path("in/.keysweepignore"), at.path("list")).unwrap();
    let by_list = at.scan(["in", "--baseline", "list"]);
    assert_eq!(suppressed(&by_list), [json!({"by": "baseline", "source": "list", "reason": "old"}), Value::Null]);
    let stdin = at.scanning(["in", "--baseline", "-"]).stdin(fs::read(at.path("r.jsonl")).unwrap()).run();
    assert_eq!(stdin.summary()["suppressed"], 1);
}

#[test]
fn what_a_report_lists_as_suppressed_is_not_known_by_it() {
    let at = Keysweep::new();
    at.write("in/a.env", format!("{} # keysweep:allow\n", example_key(1).0));
    at.plant("in/tests/b.env", 2);
    at.plant("in/c.env", 3);
    kept(&at, &["add", &example_key(2).0, "--target", "in", "--reason", "r", "--path", "/tests/"]);
    at.scan(["in", "-q", "-o", "r.json"]);
    fs::remove_file(at.path("in/.keysweepignore")).unwrap();
    at.write("in/a.env", example_key(1).0);
    let scan = at.scan(["in", "--baseline", "r.json"]);
    let by: Vec<bool> = scan.findings().iter().map(|finding| finding["suppressed"].is_null()).collect();
    assert_eq!((scan.code, by), (Some(1), vec![true, false, true]), "{scan:?}");
}

#[test]
fn an_id_that_is_known_without_its_secret_is_reported_once_that_leaks() {
    let at = Keysweep::new();
    let id = example_key(1).0;
    at.write("a.env", format!("id={id}\n"));
    at.scan([".", "-q", "-o", "../r.json"]);
    let told = kept(&at, &["add", "--reason", "r"]);
    assert!(
        told.contains(&format!("added    {id}  r (the id alone: with its secret it will be reported)\n")),
        "{told}"
    );
    assert!(entries(&at, ".keysweepignore")[0].ends_with(" id-only # r"));
    assert!(kept(&at, &["show"]).contains("covers  the id alone"));
    at.scan(["."]).expect(0, &[&id]);
    at.scan([".", "--baseline", "../r.json"]).expect(0, &[&id]);
    at.plant("a.env", 1);
    at.scan([".", "--baseline", "../r.json"])
        .expect(1, &[&id])
        .expect_stderr(&[&id, ".keysweepignore knows the id by"]);
    kept(&at, &["prune"]);
    assert_eq!(entries(&at, ".keysweepignore").len(), 1, "the id is still there");
    fs::remove_file(at.path(".keysweepignore")).unwrap();
    at.scan([".", "--baseline", "../r.json"]).expect(1, &[&id]).expect_stderr(&["not its secret"]);
    kept(&at, &["add", "--from", "../r.json", "--reason", "r"]);
    at.scan(["."]).expect(1, &[&id]);
    // Seen with its secret, or named by somebody who knows what it is, it is known with it.
    assert!(kept(&at, &["add", "--reason", "r"]).contains(&format!("replaced {id}  r\n")));
    at.scan(["."]).expect(0, &[&id]);
    fs::remove_file(at.path(".keysweepignore")).unwrap();
    assert!(kept(&at, &["add", &id, "--reason", "r"]).contains("r (its secret too, wherever it is found)\n"));
    at.scan(["."]).expect(0, &[&id]);
}

#[test]
fn with_a_key_no_plain_fingerprint_is_told_of_what_is_added() {
    let at = Keysweep::new();
    let secret = example_key(1).1;
    at.write("a.env", format!("AWS_SECRET_ACCESS_KEY={secret}\n"));
    let plain = at.scan(["."]).findings()[0]["fingerprint"].as_str().unwrap().to_owned();
    at.scan([".", "-q", "-o", "../r.json"]);
    for more in [&[][..], &["--from", "../r.json"], &[&plain], &[&plain[..8]]] {
        let args = ["baseline", "add", "--reason", "r"].iter().chain(more);
        let added = at.invocation(args).env("KEYSWEEP_FINGERPRINT_KEY", "0123456789abcdef").run();
        let told = String::from_utf8(added.stdout.clone()).unwrap();
        assert!(added.code == Some(0) && told.contains("added    "), "{more:?}: {added:?}");
        assert!(!told.contains(&plain[..12]), "{more:?}: {told}");
        fs::remove_file(at.path(".keysweepignore")).unwrap();
    }
}

#[test]
fn credentials_are_named_by_the_first_digits_of_their_fingerprints() {
    let at = Keysweep::new();
    at.plant("a.env", 1);
    at.plant("b.env", 2);
    let findings = at.scan(["."]).findings();
    let print = |n: usize| findings[n]["fingerprint"].as_str().unwrap().to_owned();
    kept(&at, &["add", &print(0)[..8], "--reason", "one"]);
    assert_eq!(entries(&at, ".keysweepignore"), [format!("{} # one", print(0))]);
    let output = baseline(&at, &["add", "00000000", "--reason", "x"]);
    assert_eq!(output.code, Some(2));
    output.expect_stderr(&["nothing that is found", "00000000"]);
    let secret = example_key(1).1;
    let output = baseline(&at, &["add", &secret, "--reason", "x"]);
    assert!(output.code == Some(2) && !output.stderr.contains(&secret), "{output:?}");
    assert_eq!(baseline(&at, &["add", &print(1)]).code, Some(2), "a reason is required");
}

#[test]
fn comments_on_the_line_of_the_id_or_of_the_secret_are_heard() {
    let at = Keysweep::new();
    let (id, secret) = example_key(1);
    for (text, by) in [
        (format!("id={id} # gitleaks:allow\nsecret_key={secret}\n"), Some("gitleaks:allow")),
        (
            format!("AWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={secret} # pragma: allowlist secret\n"),
            Some("pragma: allowlist secret"),
        ),
        (
            format!("# keysweep:allow-next-line a test\nAWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={secret}\n"),
            Some("keysweep:allow-next-line"),
        ),
        (format!("# ggignore\nAWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={secret}\n# ggignore\n"), None),
    ] {
        at.write("a.env", &text);
        let output = at.scan(["."]);
        output.expect(if by.is_some() { 0 } else { 1 }, &[&id]);
        assert_eq!(suppressed(&output)[0]["source"].as_str(), by, "{text}");
        at.scan([".", "--no-ignore"]).expect(1, &[&id]);
    }
    at.write("a.env", format!("{} # keysweep:allow\n", env_file(1).trim_end()));
    at.plant("b.env", 1);
    let partly = at.scan(["."]);
    partly.expect(1, &[&id]);
    let places = partly.findings()[0]["occurrences"].clone();
    assert_eq!((&places[0]["suppressed"]["by"], &places[1]["suppressed"]), (&json!("comment"), &Value::Null));
}

#[test]
fn a_comment_on_another_secret_suppresses_no_pair() {
    let at = Keysweep::new();
    let ((id, secret), (other, others)) = (example_key(1), example_key(2));
    let allow = "# keysweep:allow sandbox";
    for text in [
        format!("A_KEY={id}\nB_KEY={other}\nA_SECRET={secret}\nB_SECRET={others} {allow}\n"),
        format!("[prod]\naws_access_key_id={id}\n[sandbox]\naws_secret_access_key={secret} {allow}\n"),
        format!("[prod]\naws_access_key_id={id}\na=1\nb=2\nc=3\nd=4\ne=5\naws_secret_access_key={secret} {allow}\n"),
    ] {
        at.write("a.env", &text);
        let output = at.scan(["."]);
        assert_eq!(output.code, Some(1), "{output:?}");
        let of_id = |value: &Value| *value == json!(id);
        let findings = output.findings();
        let found = findings.iter().find(|finding| of_id(&finding["access_key_id"])).unwrap();
        assert_eq!((&found["suppressed"], found["secrets"].is_null()), (&Value::Null, false), "{text}");
        let told = at.invocation(["explain", "a.env", "--format", "json"]).run();
        let told: Value = serde_json::from_slice(&told.stdout).unwrap();
        let told = told["candidates"].as_array().unwrap().iter().find(|candidate| of_id(&candidate["value"])).cloned();
        assert_eq!(told.unwrap()["suppressed"], Value::Null, "{text}");
    }
}

#[test]
fn an_explanation_tells_of_the_comment() {
    let at = Keysweep::new();
    at.write("a", format!("{} # keysweep:allow of the sandbox\n", example_key(1).0));
    let output = at.invocation(["explain", "a"]).run();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("suppressed  by the comment keysweep:allow: of the sandbox\n"), "{text}");
}

#[test]
fn what_is_suppressed_fails_the_scan_only_when_any_does() {
    let at = Keysweep::new();
    at.write("a", format!("{} # keysweep:allow\n", example_key(1).0));
    let id = example_key(1).0;
    at.scan([".", "--fail-on", "new"]).expect(0, &[&id]);
    at.scan([".", "--fail-on", "any"]).expect(1, &[&id]).expect_stderr(&["1 suppressed credential counts"]);
    at.scan([".", "--fail-on", "any", "--exit-code", "7"]).expect(7, &[&id]);
    at.write("keys", &id);
    at.scan([".", "--only-keys", "keys"]).expect(1, &[&id]);
}

#[test]
fn what_other_scanners_ignore_is_heard_on_request_and_taken_over() {
    let at = Keysweep::new();
    at.init("repo").plant("repo/a.env", 1);
    at.plant("repo/b.env", 2);
    at.plant("repo/c.env", 3);
    at.commit("repo", "first");
    let commit = at.git("repo", ["rev-parse", "HEAD"]);
    at.write("repo/.gitleaksignore", format!("# old\n{commit}:a.env:aws-access-token:1\nnonsense\n"));
    let hash = sha1(&example_key(2).1);
    at.write(
        "repo/.secrets.baseline",
        json!({"version": "1.5.0", "results": {"b.env": [{"hashed_secret": hash}]}}).to_string(),
    );
    let ids: Vec<String> = (1..=3).map(|seed| example_key(seed).0).collect();
    assert_eq!(at.scan(["repo"]).summary()["suppressed"], 0);
    let heard = at.scan(["repo", "--import-ignores"]);
    heard.expect(1, &[&ids[0], &ids[1], &ids[2]]).expect_stderr(&["line 3 of repo/.gitleaksignore"]);
    assert_eq!((&heard.summary()["findings"], &heard.summary()["suppressed_by"]["imported"]), (&json!(1), &json!(2)));
    kept(&at, &["add", "--target", "repo", "--import-ignores"]);
    let mut lines = entries(&at, "repo/.keysweepignore");
    lines.iter_mut().for_each(|line| *line = line[64..].to_owned());
    lines.sort();
    let expected = ["a.env # imported from repo/.gitleaksignore", "b.env # imported from repo/.secrets.baseline"];
    assert_eq!(lines, expected.map(|line| format!(" path=/{line}")));
    let converted = at.scan(["repo"]);
    assert_eq!(
        (&converted.summary()["findings"], &converted.summary()["suppressed_by"]["ignore-file"]),
        (&json!(1), &json!(2))
    );
}

#[test]
fn where_any_credential_fails_the_scan_every_format_says_so() {
    let at = Keysweep::new();
    let id = example_key(1).0;
    at.write("a", format!("{id} # keysweep:allow old\n"));
    let formats = ["text", "json", "jsonl", "sarif", "csv", "github", "gitlab", "junit"];
    for (fail_on, code) in [("new", 0), ("any", 1)] {
        for format in formats {
            let output = at.invocation(["scan", "a", "--fail-on", fail_on, "--format", format]).run();
            assert_eq!(output.code, Some(code), "{output:?}");
            let text = String::from_utf8(output.stdout.clone()).unwrap();
            let json = || -> Value { serde_json::from_str(text.lines().last().unwrap()).unwrap() };
            let fails = match format {
                "text" | "github" => !text.contains("No leaked credentials found") && text.contains(&id),
                "json" => json()["summary"]["findings"] == 1 && json()["findings"][0]["suppressed"].is_null(),
                "jsonl" => json()["findings"] == 1 && json()["suppressed"] == 0,
                "sarif" => json()["runs"][0]["results"][0]["suppressions"] == json!([]),
                "gitlab" => json()["vulnerabilities"].as_array().unwrap().len() == 1,
                "junit" => text.contains(r#"tests="1" failures="1" errors="0" skipped="0""#),
                // It lists places, and why one of them need not count.
                _ => fail_on == "any",
            };
            assert_eq!(fails, fail_on == "any", "{format}: {text}");
        }
        at.scan(["a", "--fail-on", fail_on, "-q", "-o", "../r.json"]);
        at.write("b", &id);
        at.scan(["b", "--baseline", "../r.json"]).expect(1, &[&id]);
    }
    let told = at.invocation(["scan", "a", "--fail-on", "any"]).run();
    assert!(String::from_utf8(told.stdout).unwrap().contains("suppressed  1 by comments, and counted all the same\n"));
}

#[test]
fn a_way_through_one_target_to_another_leads_out_of_the_first() {
    let at = Keysweep::new();
    let [one, two] = [at.plant("one/a.env", 1), at.plant("two/a.env", 1)];
    assert_eq!(one, two);
    kept(&at, &["add", "--target", "one", "--reason", "r"]);
    let both = at.scan(["one", "one/../two"]);
    both.expect(1, &[&one]);
    assert_eq!(both.summary()["suppressed_occurrences"], 1);
    // Its own list holds for it, however it is named.
    at.init("two");
    at.commit("two", "first");
    kept(&at, &["add", &one, "--target", "two", "--reason", "r", "--path", "/a.env"]);
    for two in ["two", "one/../two", "../work/one/../two"] {
        at.scan(["one", two]).expect(0, &[&one]);
    }
    #[cfg(unix)]
    {
        // Through a link the same words lead somewhere else.
        at.plant("else/two/a.env", 1);
        at.write("else/one/x", "");
        std::os::unix::fs::symlink("else/one", at.path("link")).unwrap();
        at.scan(["two", "link/../two"]).expect(1, &[&one]);
    }
}

#[test]
fn a_bare_repository_has_no_list_of_its_own() {
    let at = Keysweep::new();
    at.init("repo").plant("repo/a.env", 1);
    at.commit("repo", "first");
    at.git("", ["clone", "-q", "--bare", "repo", "bare.git"]);
    let id = example_key(1).0;
    kept(&at, &["add", &id, "--target", "repo", "--reason", "r"]);
    fs::copy(at.path("repo/.keysweepignore"), at.path("bare.git/.keysweepignore")).unwrap();
    at.scan(["bare.git"]).expect(1, &[&id]);
    at.scan(["bare.git", "--baseline", "bare.git/.keysweepignore"]).expect(0, &[&id]);
    let refused = baseline(&at, &["add", &id, "--target", "bare.git", "--reason", "r"]);
    assert_eq!(refused.code, Some(2));
    refused.expect_stderr(&["bare repository", "--file"]);
    kept(&at, &["add", &id, "--target", "bare.git", "--file", "list", "--reason", "r"]);
    at.scan(["bare.git", "--baseline", "list"]).expect(0, &[&id]);
}

#[test]
fn a_line_of_gitleaks_says_nothing_of_what_stood_there_in_other_versions() {
    let at = Keysweep::new();
    let [old, now] = [1, 2].map(|seed| example_key(seed).0);
    at.init("repo").write("repo/a.env", format!("# x\nid={old}\n")).commit("repo", "first");
    at.write("repo/a.env", format!("# x\nid={now}\n\n\n")).commit("repo", "second");
    at.write("repo/.gitleaksignore", "a.env:aws-access-token:2\n");
    let scan = at.scan(["repo", "--import-ignores"]);
    let reported = scan.findings().into_iter().filter(|finding| finding["suppressed"].is_null());
    assert_eq!(reported.map(|finding| finding["access_key_id"].clone()).collect::<Vec<_>>(), [json!(old)], "{scan:?}");
    kept(&at, &["add", "--target", "repo", "--import-ignores"]);
    assert_eq!(entries(&at, "repo/.keysweepignore").len(), 1);
    // Rotated on the same line: nobody has looked at the new one.
    let third = example_key(3).0;
    at.write("repo/a.env", format!("# x\nid={third}\n")).commit("repo", "third");
    let scan = at.scan(["repo"]);
    let of = |id: &String| {
        let findings = scan.findings();
        findings.iter().find(|finding| finding["access_key_id"] == json!(id)).unwrap()["suppressed"].is_null()
    };
    assert_eq!([&old, &now, &third].map(of), [true, false, true], "{scan:?}");
}

fn sha1(text: &str) -> String {
    use sha1::Digest;
    sha1::Sha1::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn what_is_of_no_use_is_pruned_and_what_was_not_read_is_left_alone() {
    let at = Keysweep::new();
    at.init("repo").plant("repo/old.env", 1);
    at.commit("repo", "first");
    fs::remove_file(at.path("repo/old.env")).unwrap();
    at.commit("repo", "second");
    let id = |seed| example_key(seed).0;
    for seed in 1..=2 {
        kept(&at, &["add", &id(seed), "--target", "repo", "--reason", &format!("key {seed}")]);
    }
    kept(&at, &["add", &id(3), "--target", "repo", "--reason", "key 3", "--until", "2020-01-31"]);
    let before = fs::read(at.path("repo/.keysweepignore")).unwrap();
    let told = kept(&at, &["prune", "--target", "repo", "--dry-run"]);
    assert!(
        told.contains("matches nothing any more: key 2") && told.contains("expired on 2020-01-31: key 3"),
        "{told}"
    );
    assert!(told.ends_with("2 entries of repo/.keysweepignore would be dropped and 1 stay.\n"), "{told}");
    assert_eq!(fs::read(at.path("repo/.keysweepignore")).unwrap(), before);
    at.write("repo/broken.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\xffbroken");
    let careful = baseline(&at, &["prune", "--target", "repo", "--dry-run"]);
    assert_eq!(careful.code, Some(2), "{careful:?}");
    let told = String::from_utf8(careful.stdout).unwrap();
    assert!(!told.contains("key 2") && told.contains("key 3"), "{told}");
    fs::remove_file(at.path("repo/broken.gz")).unwrap();
    kept(&at, &["prune", "--target", "repo"]);
    // What stands in history only is still there.
    let left = entries(&at, "repo/.keysweepignore");
    assert!(left.len() == 1 && left[0].ends_with("# key 1"), "{left:?}");
}

#[test]
fn from_a_directory_below_entries_of_all_the_repository_are_seen() {
    let at = Keysweep::new();
    at.init("repo").commit("repo", "first").plant("repo/a.env", 1);
    at.plant("repo/sub/b.env", 2);
    at.plant("repo/sub/sub/c.env", 3);
    at.commit("repo", "second");
    let in_sub = |args: &[&str]| {
        let output = at.invocation(args).directory(at.path("repo/sub")).run();
        assert!(output.code < Some(2), "{output:?}");
        output
    };
    let ids = [1, 2, 3].map(|seed| example_key(seed).0);
    in_sub(&["baseline", "add", &ids[0], "--reason", "r", "--path", "/a.env"]);
    in_sub(&["baseline", "add", &ids[1], "--reason", "r", "--path", "/sub/b.env"]);
    in_sub(&["baseline", "add", &ids[2], "--reason", "r", "--path", "/sub/c.env"]);
    assert_eq!(at.scan(["repo"]).summary()["findings"], 1);
    for target in [".", "../sub", "../../repo/sub/"] {
        let found = in_sub(&["scan", "--format", "jsonl", target]);
        let reported = found.findings().into_iter().filter(|finding| finding["suppressed"].is_null());
        let reported: Vec<Value> = reported.map(|finding| finding["access_key_id"].clone()).collect();
        assert_eq!(reported, [json!(ids[2])], "{target}: {found:?}");
    }
    let pruned = in_sub(&["baseline", "prune"]);
    assert_eq!(entries(&at, "repo/.keysweepignore").len(), 2, "{pruned:?}");
    at.init("other").plant("other/x.env", 1);
    kept(&at, &["add", &ids[0], "--target", "other", "--reason", "r"]);
    kept(&at, &["prune", "--target", "other/x.env"]);
    assert_eq!(entries(&at, "other/.keysweepignore").len(), 1);
}

#[test]
fn whatever_path_is_taken_is_read_again() {
    let at = Keysweep::new();
    at.plant("my docs\\/a \"b\".env", 1);
    let id = example_key(1).0;
    for glob in [r#"a "b".env"#, r"my\ docs\\/*", r"my docs\\", "my docs*"] {
        kept(&at, &["add", &id, "--reason", "r", "--path", glob]);
        at.scan(["."]).expect(0, &[&id]);
        fs::remove_file(at.path(".keysweepignore")).unwrap();
    }
    for glob in ["my docs\n", "a\nb", "a\r", "a\\"] {
        let refused = baseline(&at, &["add", &id, "--reason", "r", "--path", glob]);
        assert!(refused.code == Some(2) && !at.path(".keysweepignore").exists(), "{glob:?}: {refused:?}");
        refused.expect_stderr(&["--path can't be used"]);
    }
}

#[test]
fn with_a_key_neither_file_nor_report_tells_what_is_known() {
    let at = Keysweep::new();
    at.plant("a.env", 1);
    let id = example_key(1).0;
    let plain = at.scan(["."]).findings()[0]["fingerprint"].as_str().unwrap().to_owned();
    let keyed = |args: &[&str], key: &str| at.invocation(args).env("KEYSWEEP_FINGERPRINT_KEY", key).run();
    let (own, other) = ("0123456789abcdef", "fedcba9876543210");
    assert_eq!(keyed(&["baseline", "add", "--reason", "r"], own).code, Some(0));
    let text = fs::read_to_string(at.path(".keysweepignore")).unwrap();
    assert!(text.contains("\nhmac:") && !text.contains(&plain), "{text}");
    let scan = ["scan", ".", "--format", "jsonl"];
    let known = keyed(&scan, own);
    known.expect(0, &[&id]);
    let finding = &known.findings()[0];
    for hash in [&finding["fingerprint"], &finding["secrets"][0]["sha256"]] {
        assert!(hash.as_str().unwrap().starts_with("hmac:"), "{hash}");
    }
    keyed(&scan, other).expect(1, &[&id]).expect_stderr(&["1 entry of .keysweepignore was made with another key"]);
    keyed(&scan, "").expect(1, &[&id]).expect_stderr(&["made with a key", "set KEYSWEEP_FINGERPRINT_KEY"]);
    let short = keyed(&scan, "hunter2");
    assert_eq!(short.code, Some(2));
    assert!(!short.stderr.contains("hunter2") && short.stderr.contains("7 bytes"), "{short:?}");
    // What was reported without a key is written down with one.
    at.invocation(["scan", "a.env", "-q", "-o", "../r.json"]).run();
    fs::remove_file(at.path(".keysweepignore")).unwrap();
    let from = keyed(&["baseline", "add", "--from", "../r.json", "--reason", "r"], own);
    assert_eq!(from.code, Some(0), "{from:?}");
    assert_eq!(fs::read_to_string(at.path(".keysweepignore")).unwrap(), text);
    // What was written without a key is known with one.
    at.write(".keysweepignore", format!("{plain} # r\n"));
    keyed(&scan, own).expect(0, &[&id]).expect_stderr(&["1 entry of .keysweepignore was made without a key"]);
}

#[test]
fn a_cache_knows_nothing_of_what_is_suppressed() {
    let at = Keysweep::new();
    at.init("repo").write("repo/a.env", format!("{} # keysweep:allow\n", example_key(1).0)).commit("repo", "first");
    fs::remove_file(at.path("repo/a.env")).unwrap();
    at.commit("repo", "second");
    let id = example_key(1).0;
    let cached = ["repo", "--cache", "cache"];
    at.scan(cached).expect(0, &[&id]);
    at.scan(cached).expect(0, &[&id]);
    let all = at.scan(cached.iter().chain(&["--no-ignore"]));
    all.expect(1, &[&id]);
    assert!(all.summary()["known"].as_u64().unwrap() > 0);
    let again = at.scan(cached);
    again.expect(0, &[&id]);
    assert_eq!(again.summary()["suppressed_by"]["comment"], 1);
}
