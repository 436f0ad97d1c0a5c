//! `keysweep scan` as the README tells of it: targets, formats, files, exit codes.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Keysweep, Output, env_file, example_key};

/// A repository with one key in its working tree and history, one in history only, and one that is ignored.
fn repository(at: &Keysweep) -> [String; 3] {
    let old = at.init("repo").plant("repo/old.env", 1);
    at.write("repo/.gitignore", "*.secret\n").commit("repo", "first");
    fs::remove_file(at.path("repo/old.env")).unwrap();
    let kept = at.plant("repo/kept.env", 2);
    at.commit("repo", "second");
    let ignored = at.plant("repo/x.secret", 3);
    [old, kept, ignored]
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Nothing of any secret is in the text, not even a good part of it.
fn assert_no_secret(text: &str) {
    for seed in 1..4 {
        let secret = example_key(seed).1;
        assert!(!text.contains(&secret[..8]) && !text.contains(&secret[20..30]), "a secret shows in {text}");
    }
}

#[test]
fn a_repository_is_scanned_with_its_working_tree_and_all_of_its_history() {
    let at = Keysweep::new();
    let [old, kept, ignored] = repository(&at);
    at.scan(["repo"]).expect(1, &[&old, &kept, &ignored]);
    at.scan(["repo", "--history", "none"]).expect(1, &[&kept, &ignored]);
    at.scan(["repo", "--history", "none", "--respect-gitignore"]).expect(1, &[&kept]);
    at.scan(["repo", "--history", "HEAD~1..HEAD"]).expect(1, &[&kept]);
    at.scan(["repo", "--history", "HEAD~1"]).expect(1, &[&old]);
}

#[test]
fn a_secret_that_fills_a_file_is_known_by_the_files_name() {
    let at = Keysweep::new();
    let (id, secret) = example_key(1);
    at.init("repo").write("repo/mounted/aws-access-key-id", &id).write("repo/mounted/aws-secret-access-key", &secret);
    at.write("repo/other/etag", example_key(2).1);
    at.commit("repo", "first");
    fs::remove_dir_all(at.path("repo/mounted")).unwrap();
    for history in ["all", "none"] {
        let output = at.scan(["repo", "--history", history]);
        let expected = if history == "all" { vec![&*id] } else { vec![] };
        output.expect(i32::from(history == "all"), &expected);
        let whole = |finding: &Value| finding["secrets"].as_array().unwrap().len() == 1;
        assert!(output.findings().iter().all(whole), "{output:?}");
    }
    at.write("aws_secret_key.txt", &secret).write("note.txt", &secret);
    let outcomes = |file| text(&at.invocation(["explain", file]).run());
    assert!(outcomes("aws_secret_key.txt").contains("reported") && !outcomes("note.txt").contains("reported"));
}

#[test]
fn the_default_target_is_the_current_directory() {
    let at = Keysweep::new();
    let id = at.plant("deep/er/keys.env", 1);
    let found = at.scan::<&str>([]);
    found.expect(1, &[&id]);
    assert_eq!(found.paths().into_iter().collect::<Vec<_>>(), ["deep/er/keys.env"]);
}

#[test]
fn paths_are_told_as_the_target_was_named() {
    let at = Keysweep::new();
    at.plant("dir/keys.env", 1);
    let absolute = at.path("dir");
    let absolute = absolute.to_str().unwrap();
    let path = |target: &str| at.scan([target]).paths().pop_first().unwrap();
    assert_eq!(path("dir"), "dir/keys.env");
    assert_eq!(path("./dir/"), "dir/keys.env");
    assert_eq!(path("dir/keys.env"), "dir/keys.env");
    assert_eq!(path(absolute), format!("{absolute}/keys.env"));
}

#[test]
fn a_range_tells_only_of_what_was_not_there_before_it() {
    let at = Keysweep::new();
    let [_, kept, _] = repository(&at);
    fs::remove_file(at.path("repo/x.secret")).unwrap();
    at.git("repo", ["mv", "kept.env", "moved.env"]);
    at.write("repo/back.env", env_file(2)).commit("repo", "third");
    at.scan(["repo", "--history", "HEAD~1..HEAD"]).expect(0, &[]);
    at.scan(["repo", "--history", "HEAD~2..HEAD"]).expect(1, &[&kept]);
}

#[test]
fn a_range_tells_of_a_key_that_comes_back() {
    let at = Keysweep::new();
    let id = at.init("repo").plant("repo/a.env", 1);
    at.commit("repo", "first");
    fs::remove_file(at.path("repo/a.env")).unwrap();
    at.commit("repo", "removed").plant("repo/b.env", 1);
    at.commit("repo", "back");
    let found = at.scan(["repo", "--history", "HEAD~1..HEAD"]);
    found.expect(1, &[&id]);
    assert_eq!(found.paths().into_iter().collect::<Vec<_>>(), ["b.env"]);
}

#[test]
fn a_report_may_take_the_place_of_what_is_scanned() {
    let at = Keysweep::new();
    let id = at.plant("o.json", 1);
    at.scan(["o.json", "-o", "o.json"]).expect(1, &[&id]);
    let report: Value = serde_json::from_slice(&fs::read(at.path("o.json")).unwrap()).unwrap();
    assert_eq!(report["findings"][0]["access_key_id"], id.as_str());
    assert_eq!(fs::read_dir(at.path("")).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn secrets_in_names_and_links_are_not_shown() {
    let at = Keysweep::new();
    let secret = example_key(1).1.replace('/', "+");
    let text = format!("aws_secret_access_key={secret}");
    at.init("repo").write("repo/a", &text).write(format!("repo/{text}"), "x");
    at.git("repo", ["add", "-A"]);
    at.git("repo", ["commit", "-q", "-m", "x", "--author", &format!("{text} <a@b>")]);
    #[cfg(unix)]
    std::os::unix::fs::symlink(format!("https://u:hunter2@h/{secret}"), at.path("repo/link")).unwrap();
    for format in ["text", "json", "jsonl", "sarif", "csv", "github", "gitlab", "junit"] {
        let shown = at.invocation(["scan", "repo", "-v", "--format", format]).run();
        let shown = format!("{shown:?}");
        assert!(!shown.contains(&secret[..10]) && !shown.contains("hunter2"), "{format}: {shown}");
    }
}

#[test]
fn a_scan_of_nothing_is_never_allowed() {
    let at = Keysweep::new();
    let shown = at.scan(["missing", "--allow-incomplete"]);
    shown.expect(2, &[]);
    assert!(!shown.stderr.contains("lets pass"), "{shown:?}");
}

#[test]
fn a_part_of_a_working_tree_is_told_to_be_one() {
    let at = Keysweep::new();
    repository(&at);
    at.write("repo/part/a", "nothing")
        .scan(["repo/part"])
        .expect(0, &[])
        .expect_stderr(&["is a part of the repository"]);
}

#[test]
fn several_targets_are_one_scan() {
    let at = Keysweep::new();
    let (a, b) = (at.plant("a/keys.env", 1), at.plant("b/keys.env", 2));
    at.write("c/keys.env", env_file(1));
    let found = at.scan(["a", "b", "c/keys.env"]);
    found.expect(1, &[&a, &b]);
    assert_eq!(found.findings().len(), 2, "a key in two places is one finding");
}

#[test]
fn bare_repositories_and_urls_are_all_history() {
    let at = Keysweep::new();
    let [old, kept, _] = repository(&at);
    at.git("", ["clone", "-q", "--bare", "repo", "bare.git"]);
    at.scan(["bare.git"]).expect(1, &[&old, &kept]);
    let url = format!("file://{}", at.path("repo").display());
    let cloned = at.scan([&url]);
    cloned.expect(1, &[&old, &kept]);
    let occurrence = &cloned.findings()[0]["occurrences"][0];
    assert_eq!(occurrence["repository"], url.as_str());
    assert_eq!(fs::read_dir(at.path("../tmp")).unwrap().count(), 0, "the mirror is gone");
    at.scan([&url, "--history", "HEAD~1..HEAD"][..].iter().map(|arg| arg.to_string())).expect(1, &[&kept]);
}

#[test]
fn a_url_that_can_t_be_cloned_is_told_without_its_password() {
    let at = Keysweep::new();
    let id = at.plant("keys.env", 1);
    let missing = at.scan(["file://me:hunter2@/nowhere/at/all", "keys.env"]);
    missing.expect(2, &[&id]).expect_unread(&["nowhere"]);
    assert!(!format!("{missing:?}").replace("file://me:hunter2@/nowhere/at/all\"", "").contains("hunter2"));
    assert_eq!(fs::read_dir(at.path("../tmp")).unwrap().count(), 0);
}

#[test]
fn repositories_within_the_target_are_scanned_too() {
    let at = Keysweep::new();
    let [old, kept, ignored] = repository(&at);
    at.scan(["."]).expect(1, &[&old, &kept, &ignored]);
}

#[test]
fn standard_input_is_a_target() {
    let at = Keysweep::new();
    let found = at.scanning(["-"]).stdin(format!("one\n{}", env_file(1))).run();
    found.expect(1, &[&example_key(1).0]);
    let occurrence = &found.findings()[0]["occurrences"][0];
    assert_eq!((&occurrence["source"], &occurrence["line"]), (&"stdin".into(), &2.into()));
    at.scanning(["-", "--history", "all"]).stdin("x").run().expect(2, &[]);
}

#[test]
fn every_format_goes_to_standard_output_and_to_files() {
    let at = Keysweep::new();
    repository(&at);
    let files = ["r.txt", "r.json", "r.jsonl", "r.sarif", "r.csv", "r.xml"];
    let outputs = files.iter().flat_map(|file| ["-o", file]);
    let shown = at.invocation(["scan", "repo"].into_iter().chain(outputs)).run();
    assert_eq!(shown.code, Some(1));
    for (file, format) in files.iter().zip(["text", "json", "jsonl", "sarif", "csv", "junit"]) {
        let written = fs::read_to_string(at.path(file)).unwrap();
        assert_no_secret(&written);
        let printed = at.invocation(["scan", "repo", "--format", format]).run();
        assert_no_secret(&format!("{printed:?}"));
        assert_eq!(text(&printed), written, "{format}");
    }
    assert!(text(&shown).contains("3 leaked credentials"), "{shown:?}");
    let sarif: Value = serde_json::from_slice(&fs::read(at.path("r.sarif")).unwrap()).unwrap();
    assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), 3);
}

#[test]
fn an_output_file_that_can_t_be_is_refused_before_the_scan() {
    let at = Keysweep::new();
    at.plant("keys.env", 1);
    at.write("d.json/x", "");
    for (file, word) in [
        ("report.xyz", ".sarif"),
        ("no/such/dir/r.json", "no/such/dir/r.json"),
        ("d.json", "directory"),
        ("new.json/", "directory"),
    ] {
        let refused = at.invocation(["scan", "keys.env", "-o", file]).run();
        assert_eq!(refused.code, Some(2));
        assert!(refused.stdout.is_empty());
        refused.expect_stderr(&[word]);
    }
}

#[test]
fn secrets_are_shown_only_when_asked_for() {
    let at = Keysweep::new();
    at.plant("keys.env", 1);
    let secret = example_key(1).1;
    for format in ["text", "json", "jsonl"] {
        let shown = at.invocation(["scan", "--format", format, "--show-secrets"]).run();
        assert!(text(&shown).contains(&secret), "{format}");
    }
    for format in ["sarif", "csv", "github", "gitlab", "junit"] {
        assert_no_secret(&text(&at.invocation(["scan", "--format", format, "--show-secrets"]).run()));
    }
}

#[test]
fn exit_codes_are_as_they_were_asked_for() {
    let at = Keysweep::new();
    at.write("clean/a", "nothing here").plant("leaky/keys.env", 1);
    let code = |args: &[&str]| at.invocation(args).run().code;
    assert_eq!(code(&["scan", "clean"]), Some(0));
    assert_eq!(code(&["scan", "leaky"]), Some(1));
    assert_eq!(code(&["scan", "leaky", "--exit-code", "7"]), Some(7));
    assert_eq!(code(&["scan", "leaky", "--exit-code", "0"]), Some(0));
    assert_eq!(code(&["scan", "leaky", "missing", "--exit-code", "7"]), Some(2));
    for bad in [&["scan", "--no-such-flag"][..], &["scan", "--jobs", "0"], &["scan", "--format", "xml"], &["swim"], &[]]
    {
        assert_eq!(code(bad), Some(2), "{bad:?}");
    }
    for good in ["--help", "--version"] {
        assert_eq!(code(&[good]), Some(0));
    }
}

#[test]
fn quiet_says_nothing_and_verbose_says_more() {
    let at = Keysweep::new();
    at.plant("keys.env", 1);
    let quiet = at.invocation(["scan", "-q"]).run();
    assert_eq!((quiet.code, quiet.stdout.len(), quiet.stderr.as_str()), (Some(1), 0, ""));
    let verbose = at.invocation(["scan", "-v"]).run();
    verbose.expect_stderr(&["scanning .", "1 blobs", "1 findings"]);
    let usual = at.invocation(["scan"]).run();
    assert_eq!(usual.stderr, "");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let at = Keysweep::new();
    for seed in 1..400 {
        at.plant(format!("{seed}.env"), seed);
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_keysweep"))
        .args(["scan", "--format", "json"])
        .arg(at.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

/// What a terminal would get, by way of Python's `pty`.
fn on_a_terminal(at: &Keysweep, no_color: &str) -> String {
    let script = "import os, pty, sys; os.chdir(sys.argv[1]); pty.spawn(sys.argv[2:])";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(at.path(""))
        .args([env!("CARGO_BIN_EXE_keysweep"), "scan", "--history", "none"])
        .env("NO_COLOR", no_color)
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn colour_is_for_terminals_whose_users_want_it() {
    let at = Keysweep::new();
    let id = at.plant("keys.env", 1);
    let coloured = on_a_terminal(&at, "");
    assert!(coloured.contains("\u{1b}[1m") && coloured.contains(&id), "{coloured:?}");
    let plain = on_a_terminal(&at, "1");
    assert!(!plain.contains('\u{1b}') && plain.contains(&id), "{plain:?}");
    assert!(!text(&at.invocation(["scan"]).run()).contains('\u{1b}'));
}

#[test]
fn utf16_files_are_read_as_text() {
    let at = Keysweep::new();
    let wide = |text: &str, to: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to).collect::<Vec<u8>>();
    at.write("le.txt", wide(&format!("\u{feff}x\r\n{}", env_file(1)), u16::to_le_bytes));
    at.write("be.txt", wide(&env_file(2), u16::to_be_bytes));
    let found = at.scan::<&str>([]);
    found.expect(1, &[&example_key(1).0, &example_key(2).0]);
    for finding in found.findings() {
        assert_eq!(finding["secrets"].as_array().unwrap().len(), 1);
        assert!(finding["occurrences"][0]["encoding"][0].as_str().unwrap().starts_with("utf-16"), "{finding}");
        assert!(finding["occurrences"][0]["snippet"].as_str().unwrap().starts_with("AWS_ACCESS_KEY_ID=AKIA"));
    }
}

#[test]
fn the_rules_are_listed_and_hold_to_their_examples() {
    let at = Keysweep::new();
    let list = at.invocation(["rules", "list"]).run();
    assert!(text(&list).contains("aws-access-key-id") && list.code == Some(0));
    assert_eq!(at.invocation(["rules", "check"]).run().code, Some(0));
    at.write("bad.toml", "[[rule]]\nid = 'x'\n");
    let refused = at.invocation(["rules", "check", "bad.toml"]).run();
    assert_eq!(refused.code, Some(2));
    refused.expect_stderr(&["bad.toml"]);
    assert_eq!(at.invocation(["rules", "check", "missing.toml"]).run().code, Some(2));
}

#[test]
fn remote_urls_with_passwords_are_not_echoed() {
    let at = Keysweep::new();
    let (id, _) = example_key(1);
    at.init("repo").git("repo", ["config", "remote.origin.url", &format!("https://{id}:hunter2hunter2@h/x")]);
    let found = at.invocation(["scan", "repo"]).run();
    assert!(text(&found).contains(&id) && !format!("{found:?}").contains("hunter2"), "{found:?}");
}

/// A URL that the id signed, good for an hour from the start of the year.
fn presigned(id: &str, year: u16) -> String {
    let signature: String = (0..64u32).map(|n| char::from_digit(n * n % 61 % 16, 16).unwrap()).collect();
    format!(
        "https://b.s3.amazonaws.com/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={id}%2F{year}0101%2Fus-east-1%2Fs3%2F\
         aws4_request&X-Amz-Date={year}0101T000000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature={signature}\n"
    )
}

#[test]
fn a_presigned_url_is_less_severe_once_it_has_expired_unless_its_id_is_elsewhere() {
    let at = Keysweep::new();
    let (id, _) = example_key(1);
    let told = || {
        let finding = at.scan(["."]).expect(1, &[&id]).findings().remove(0);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        [text(&finding["rule"]), text(&finding["severity"]), text(&finding["occurrences"][0]["expires"])]
    };
    at.write("a", presigned(&id, 2020));
    assert_eq!(told(), ["aws-presigned-url", "low", "2020-01-01T01:00:00+00:00"]);
    at.write("b", presigned(&id, 9000));
    assert_eq!(told(), ["aws-presigned-url", "medium", "2020-01-01T01:00:00+00:00"]);
    at.write("c", &id);
    assert_eq!(told(), ["aws-access-key-id", "high", "2020-01-01T01:00:00+00:00"]);
}
