//! `keysweep buckets` as far as it gets without asking anybody.

use crate::support::Keysweep;

#[track_caller]
fn refused(args: &[&str], words: &[&str]) {
    let at = Keysweep::new();
    let nobody =
        at.invocation(args).env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let output = nobody.env("AWS_REGION", "us-east-1").run();
    assert_eq!(output.code, Some(2), "{output:?}");
    output.expect_stderr(words);
}

#[test]
fn what_is_no_bucket_or_no_way_to_ask_is_refused() {
    refused(&["buckets", "s3://bucket/prefix"], &["names of buckets"]);
    refused(&["buckets", "--anonymous"], &["<BUCKET>"]);
    refused(
        &["buckets", "b", "--anonymous", "--role-arn", "arn:aws:iam::111122223333:role/r"],
        &["cannot be used with"],
    );
    refused(&["buckets", "--access-keys", "keys.json"], &["--credential-report and --access-keys"]);
    refused(&["buckets"], &["no AWS credentials", "--anonymous"]);
}

#[test]
fn a_server_that_is_not_there_leaves_a_row_that_says_so() {
    refused(&["buckets", "--anonymous", "bucket"], &["a stranger", "not known: s3://bucket", "AWS_ENDPOINT_URL"]);
}
