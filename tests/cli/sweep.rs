//! `keysweep sweep` as far as it gets without asking anybody: flags that don't go together, what is no input. No credentials are in the
//! environment, and nothing but this machine could be reached.

use crate::support::Keysweep;

#[track_caller]
fn refused(args: &[&str], words: &[&str]) {
    let at = Keysweep::new();
    let output = at.alone(args).run();
    assert_eq!(output.code, Some(2), "{output:?}");
    output.expect_stderr(words);
    assert!(output.stdout.is_empty(), "{output:?}");
}

#[test]
fn something_must_be_named_and_once() {
    refused(&["sweep"], &["s3://BUCKET"]);
    refused(&["sweep", "bucket"], &["s3://BUCKET"]);
    refused(&["sweep", "s3://bucket", "--all"], &["--public and --all", "named ones out"]);
    refused(&["sweep", "--public", "--all"], &["cannot be used with"]);
    refused(&["sweep", "s3://bucket", "--inventory", "s3://other/manifest.json"], &["--inventory", "--include"]);
    refused(&["sweep", "s3://bucket", "--exclude", "s3://other"], &["--public or --all"]);
    refused(&["sweep", "s3://bucket", "--organization", "--role-name", "r"], &["--organization", "--public or --all"]);
    refused(&["sweep", "s3://bucket", "--newer-than", "2999-01-01"], &["--newer-than", "past"]);
    refused(&["sweep", "s3://bucket", "--newer-than", "0s"], &["--newer-than", "past"]);
    refused(&["sweep", "s3://bucket", "--request-payer", "--anonymous"], &["cannot be used with"]);
    refused(&["sweep", "s3://bucket", "--max-in-flight", "100K"], &["1M"]);
    refused(&["sweep", "s3://bucket", "--concurrency", "0"], &["1..=4096"]);
    refused(&["sweep", "s3://bucket", "--sample", "0"], &["--sample"]);
    refused(&["sweep", "s3://bucket", "--fail-on", "live"], &["add --triage"]);
    refused(&["sweep", "s3://bucket", "--dry-run", "--purge-list", "x"], &["cannot be used with"]);
    refused(&["sweep", "s3://bucket", "--shard", "3/2"], &["1/8"]);
    refused(&["sweep", "s3://bucket", "--newer-than", "soon"], &["2026-11-01"]);
}

#[test]
fn what_would_come_to_nothing_is_not_taken_silently() {
    let role = ["sweep", "s3://bucket", "--anonymous", "--role-arn", "arn:aws:iam::111122223333:role/r"];
    refused(&role, &["--anonymous", "--role-arn", "--triage"]);
    refused(&["sweep", "s3://bucket", "--anonymous", "--access-keys", "keys.json"], &["--access-keys", "--triage"]);
    refused(&["sweep", "s3://bucket", "--anonymous", "--import-ignores"], &["--import-ignores", "--baseline"]);
    let twice = ["sweep", "s3://bucket", "--anonymous", "--only-keys", "-", "--baseline", "-"];
    refused(&twice, &["--only-keys and --baseline"]);
    refused(&["sweep", "s3://bucket", "--verify-with-secret"], &["--verify-with-secret", "--triage"]);
    refused(&["sweep", "s3://bucket", "--anonymous", "--dry-run", "-o", "report.json"], &["--dry-run", "--output"]);
    refused(&["sweep", "s3://bucket", "--anonymous", "--dry-run", "--format", "sarif"], &["--dry-run", "jsonl"]);
}

#[test]
fn who_has_no_credentials_is_told_of_both_ways() {
    refused(&["sweep", "s3://bucket"], &["no AWS credentials", "--anonymous"]);
    refused(&["sweep", "--public", "--anonymous"], &["no AWS credentials"]);
}

#[test]
fn a_bad_glob_or_a_wrong_place_is_known_before_anything_is_read() {
    refused(&["sweep", "s3://bucket", "--anonymous", "--include", "a[b"], &["a[b"]);
    refused(&["sweep", "s3://bucket", "--anonymous", "--purge-list", "no/such/place"], &["no/such/place"]);
    refused(&["sweep", "s3://bucket", "--anonymous", "-o", "report.unknown"], &["report.unknown"]);
}

#[test]
fn a_bucket_that_can_not_be_reached_is_unread_and_not_empty() {
    let at = Keysweep::new();
    let output = at.alone(&["sweep", "s3://bucket", "--anonymous", "--format", "jsonl"]).run();
    assert_eq!(output.code, Some(2), "{output:?}");
    output.expect_stderr(&["reading as a stranger"]);
    assert_eq!(output.summary()["complete"], false);
    let skipped = output.summary()["skipped"].to_string();
    assert!(skipped.contains("s3://bucket"), "{skipped}");
}
