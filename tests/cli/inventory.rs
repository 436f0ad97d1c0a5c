//! `keysweep inventory`, by files: nobody is asked.

use serde_json::Value;

use crate::support::Output;
use crate::triage::{OURS, Story};

fn inventory(story: &Story, args: &[&str]) -> Output {
    let files = ["--credential-report", "report.csv", "--access-keys", "keys.json"];
    story.place().invocation(["inventory"].iter().chain(args).chain(&files)).run()
}

#[test]
fn people_get_a_table_of_all_keys() {
    let story = Story::new();
    let output = inventory(&story, &[]);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((output.code, lines.len()), (Some(0), 6), "{output:?}");
    assert!(
        lines[5].starts_with(&format!("Last uses in {OURS} are by the credential report, made between 2024")),
        "{text}"
    );
    assert!(lines[0].starts_with("ACCOUNT") && lines[4] == "3 access keys.", "{text}");
    let row: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(row[..4], [&OURS.to_string(), story.id("used"), "ann", "Active"]);
    assert!(lines[1].ends_with("ago, s3") && lines[2].ends_with("never"), "{text}");
}

#[test]
fn programs_get_json_and_csv() {
    let story = Story::new();
    let document: Value = serde_json::from_slice(&inventory(&story, &["--format", "json"]).stdout).unwrap();
    assert_eq!(document["schema"], "keysweep/inventory-v1");
    let keys = document["keys"].as_array().unwrap();
    let told: Vec<_> = keys.iter().map(|key| (key["user_name"].as_str(), key["status"].as_str())).collect();
    assert_eq!(told, [(Some("ann"), Some("Active")), (Some("bob"), Some("Active")), (Some("carl"), Some("Inactive"))]);
    assert_eq!(keys[0]["last_used"]["date"], "2024-06-01T10:00:00+00:00");
    assert_eq!(keys[1]["last_used"]["date"], Value::Null);
    assert_eq!(keys[1]["last_used_as_of"], "2024-06-01T10:00:00+00:00", "the newest date in the report");
    let csv = String::from_utf8(inventory(&story, &["--format", "csv"]).stdout).unwrap();
    let row = format!("{OURS},{},bob,Active,2024-01-02T00:00:00+00:00,never", story.id("unused"));
    assert!(csv.lines().any(|line| line == row), "{csv}");
}

#[test]
fn ids_are_what_a_scan_looks_for() {
    let story = Story::new();
    let ids = inventory(&story, &["--ids"]).stdout;
    let scan = story.place().scanning(["r", "--only-keys", "-"]).stdin(ids).run();
    scan.expect(1, &["used", "unused", "inactive"].map(|name| story.id(name)));
    let both = inventory(&story, &["--ids", "--format", "json"]);
    assert_eq!(both.code, Some(2));
}

#[test]
fn no_inventory_is_made_of_nothing() {
    let story = Story::new();
    story.place().write("keys.json", "{\"AccessKeyMetadata\": []}");
    let output = story.place().invocation(["inventory", "--access-keys", "keys.json"]).run();
    assert_eq!(output.code, Some(2));
    output.expect_stderr(&["no key in it"]);
    let nobody = story.place().invocation(["inventory"]).env("AWS_EC2_METADATA_DISABLED", "true").run();
    assert_eq!((nobody.code, nobody.stdout.len()), (Some(2), 0), "{nobody:?}");
    nobody.expect_stderr(&["signing in to AWS failed"]);
}
