//! `keysweep deactivate`, `undo` and `policy` as far as they get without asking anybody: flags, what is no input, journals. No
//! credentials are in the environment, and nothing but this machine could be reached.

use std::fs;

use crate::support::{Keysweep, Output, example_key};

#[track_caller]
fn refused(at: &Keysweep, args: &[&str], words: &[&str]) -> Output {
    let output = at.alone(args).run();
    assert_eq!(output.code, Some(2), "{output:?}");
    output.expect_stderr(words);
    assert!(!at.home(".local").exists(), "a journal was made: {output:?}");
    output
}

/// A journal of one key of an account, with these lines after the plan.
fn journal(at: &Keysweep, lines: &str) -> String {
    let id = example_key(1).0;
    let step =
        format!(r#""account":"111122223333","user":"ada","kind":"access_key","id":"{id}","from":"on","to":"off""#);
    let lines = lines.replace("STEP", &step);
    let plan = format!(
        r#"{{"type":"plan","schema":"keysweep-journal/v1","code":"K7Q2MX","caller":"arn","account":"111122223333","version":"0","started":"2026-11-30T16:18:01Z","undoes":null,"steps":[{{{step}}}]}}"#
    );
    let text = format!("{plan}\n{lines}");
    at.write("j.jsonl", &text);
    text
}

const BEGUN: &str = "{\"type\":\"intent\",\"seq\":0,\"at\":\"2026-11-30T16:18:02Z\",STEP}\n";
const DONE: &str = "{\"type\":\"receipt\",\"seq\":0,\"at\":\"2026-11-30T16:18:03Z\",\"result\":\"unchanged\",\"observed\":\"off\",\"why\":null}\n";

#[test]
fn something_must_be_named_and_once() {
    let at = Keysweep::new();
    let id = example_key(1).0;
    refused(&at, &["deactivate"], &["--from"]);
    refused(&at, &["deactivate", &id, "--from", "x"], &["cannot be used with"]);
    refused(&at, &["deactivate", "--resume", "--from", "x"], &["cannot be used with"]);
    refused(&at, &["deactivate", "--resume", "--protect", "x"], &["cannot be used with"]);
    refused(&at, &["deactivate", &id, "--yes"], &["--apply"]);
    refused(&at, &["deactivate", &id, "--journal", "x"], &["--apply"]);
    refused(&at, &["deactivate", &id, "--user", "bot"], &["--user bot", "leave it out"]);
    refused(&at, &["undo"], &["JOURNAL"]);
}

#[test]
fn what_is_no_id_is_refused_and_not_shown() {
    let at = Keysweep::new();
    let (id, secret) = example_key(1);
    let output = refused(&at, &["deactivate", &id, &secret], &["no access key id", "40 characters"]);
    assert!(!output.stderr.contains(&secret), "{output:?}");
    let service = ["ACCA", "12345678901234EXAMPLE"].concat();
    refused(&at, &["deactivate", &service], &[&service, "--user"]);
}

#[test]
fn patterns_are_looked_at_before_anybody_is_asked() {
    let at = Keysweep::new();
    for bad in ["breakglass/*", "[x", ""] {
        refused(&at, &["deactivate", &example_key(1).0, "--protect", bad], &["--protect", "no pattern of users"]);
    }
}

#[test]
fn without_a_terminal_somebody_must_have_said_yes() {
    let at = Keysweep::new();
    journal(&at, BEGUN);
    let id = example_key(1).0;
    for args in [
        &["deactivate", &id, "--apply"][..],
        &["deactivate", "--resume", "j.jsonl", "--apply"],
        &["undo", "j.jsonl", "--apply"],
    ] {
        refused(&at, args, &["no terminal", "--yes", "nothing was changed"]);
    }
}

#[test]
fn files_say_nothing_of_what_is_to_be_switched() {
    let at = Keysweep::new();
    refused(&at, &["deactivate", &example_key(1).0, "--credential-report", "r.csv"], &["asked of AWS itself"]);
}

#[test]
fn a_report_that_nobody_triaged_is_refused() {
    let at = Keysweep::new();
    at.plant("in/a.env", 1);
    let report = at.scan(["in"]);
    at.write("r.jsonl", &report.stdout);
    refused(
        &at,
        &["deactivate", "--from", "r.jsonl"],
        &["reading the triaged report r.jsonl failed", "keysweep triage"],
    );
    refused(&at, &["deactivate", "--from", "in/a.env"], &["line 1", "no report of keysweep"]);
    refused(&at, &["deactivate", "--from", "absent"], &["absent"]);
    let cut: Vec<u8> = report.stdout.split_inclusive(|&c| c == b'\n').next().unwrap().to_vec();
    let output = at.alone(&["deactivate", "--from", "-"]).stdin(cut).run();
    output.expect_stderr(&["standard input", "cut short"]);
}

#[test]
fn a_report_with_nothing_active_leaves_nothing_to_do() {
    let at = Keysweep::new();
    at.plant("in/a.env", 1);
    let report = String::from_utf8(at.scan(["in"]).stdout).unwrap();
    let verdict = r#""verdict":{"status":"inactive","user_name":"ada","created":null,"last_used":null,"evidence":[]}"#;
    at.write("r.jsonl", report.replace(r#""verdict":null"#, verdict));
    let output = at.alone(&["deactivate", "--from", "r.jsonl"]).run();
    assert_eq!(output.code, Some(0), "{output:?}");
    output.expect_stderr(&["1 inactive", "nothing active"]);
}

#[test]
fn a_report_that_nobody_could_judge_is_no_good_end() {
    let at = Keysweep::new();
    at.plant("in/a.env", 1);
    let report = String::from_utf8(at.scan(["in"]).stdout).unwrap();
    for (status, code) in [("inactive", 0), ("deleted", 0), ("temporary", 0), ("unknown", 2), ("root", 2)] {
        let verdict = format!(r#""verdict":{{"status":"{status}"}}"#);
        at.write("r.jsonl", report.replace(r#""verdict":null"#, &verdict));
        let output = at.alone(&["deactivate", "--from", "r.jsonl", "--format", "json"]).run();
        assert_eq!(output.code, Some(code), "{status}: {output:?}");
        assert_eq!(output.stderr.contains("may work all the same"), code == 2, "{status}: {output:?}");
        let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&plan["schema"], &plan["steps"]), (&"keysweep-plan/v1".into(), &serde_json::json!([])));
    }
}

#[test]
fn who_can_t_sign_in_changes_nothing_and_leaves_no_journal() {
    let at = Keysweep::new();
    refused(&at, &["deactivate", &example_key(1).0, "--apply", "--yes"], &["signing in to AWS failed"]);
}

#[test]
fn what_is_no_journal_is_refused_by_its_line_and_left_as_it_is() {
    let at = Keysweep::new();
    let whole = journal(&at, "x\n");
    for args in [
        &["undo", "j.jsonl"][..],
        &["deactivate", "--resume", "j.jsonl"],
        &["deactivate", "--resume", "j.jsonl", "--apply", "--yes"],
    ] {
        refused(&at, args, &["j.jsonl is no journal of keysweep", "line 2"]);
    }
    assert_eq!(fs::read_to_string(at.path("j.jsonl")).unwrap(), whole);
    at.write("env", format!("SECRET={}", example_key(1).1));
    let output = refused(&at, &["undo", "env"], &["line 1", "has changed nothing"]);
    assert!(!output.stderr.contains(&example_key(1).1), "{output:?}");
    refused(&at, &["undo", "absent"], &["opening the journal absent failed"]);
}

#[test]
fn a_journal_of_a_run_that_changed_nothing_has_nothing_to_take_back() {
    let at = Keysweep::new();
    for lines in ["", DONE, "{\"type\":\"int"] {
        journal(&at, lines);
        let output = refused(&at, &["undo", "j.jsonl"], &["nothing was changed"]);
        assert_eq!(output.stderr.contains("cut short"), lines.starts_with("{\"type\":\"int"), "{output:?}");
    }
    journal(&at, BEGUN);
    refused(&at, &["undo", "j.jsonl"], &["signing in to AWS failed"]);
}

#[test]
fn without_a_name_the_newest_run_that_is_not_done_is_taken_up() {
    let at = Keysweep::new();
    let output = at.alone(&["deactivate", "--resume"]).run();
    assert_eq!(output.code, Some(2), "{output:?}");
    output.expect_stderr(&[".local/state/keysweep", "--resume JOURNAL"]);
    journal(&at, DONE);
    let state = at.path("state");
    fs::create_dir_all(state.join("keysweep")).unwrap();
    fs::copy(at.path("j.jsonl"), state.join("keysweep/deactivate-done.jsonl")).unwrap();
    let resumed = || at.alone(&["deactivate", "--resume"]).env("XDG_STATE_HOME", &state).run();
    resumed().expect_stderr(&["has anything left to do"]);
    journal(&at, BEGUN);
    fs::copy(at.path("j.jsonl"), state.join("keysweep/deactivate-left.jsonl")).unwrap();
    resumed().expect_stderr(&["signing in to AWS failed"]);
}

#[test]
fn policies_are_printed_as_json_and_stand_on_their_page() {
    let at = Keysweep::new();
    let page = include_str!("../../docs/iam.md");
    for (purpose, caution) in [
        ("audit", None),
        ("deactivate", Some("/breakglass/")),
        ("revoke-sessions", Some("CAN GRANT ANYTHING")),
        ("organization", Some("--role-name")),
        ("sweep", Some("kms:Decrypt")),
    ] {
        let output = at.invocation(["policy", purpose]).run();
        assert_eq!(output.code, Some(0), "{output:?}");
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(document["Statement"].is_array(), "{text}");
        assert!(page.contains(&format!("```json\n{text}```\n")), "docs/iam.md has another policy for {purpose}");
        match caution {
            Some(caution) => drop(output.expect_stderr(&[caution])),
            None => assert_eq!(output.stderr, ""),
        }
    }
    assert_eq!(at.invocation(["policy", "everything"]).run().code, Some(2));
}
