//! The same against a server that somebody else wrote: access by policy, versions, delete markers, and names as far as it takes them.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use crate::fake::Fake;
use crate::packed::{gz, parquet, tar_zst, zip};
use crate::scene::{id, skipped, sweeping};
use crate::support::{Invocation, Keysweep, env_file};
use crate::weed::{Weed, admin};

const READ: [&str; 4] = ["s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions"];

/// As its administrator; who that is a fake tells.
fn signed<'a>(at: &'a Keysweep, args: &[&str]) -> Invocation<'a> {
    let (id, secret) = admin();
    static WHO: OnceLock<Fake> = OnceLock::new();
    let url = WHO.get_or_init(Fake::new).url();
    sweeping(at, &url, args)
        .env("AWS_ENDPOINT_URL_S3", Weed::shared().url())
        .env("AWS_ACCESS_KEY_ID", id)
        .env("AWS_SECRET_ACCESS_KEY", secret)
}

/// As anybody.
fn anonymous<'a>(at: &'a Keysweep, args: &[&str]) -> Invocation<'a> {
    sweeping(at, &Weed::shared().url(), args.iter().chain(&["--anonymous"]))
}

#[test]
fn a_public_bucket_is_read_by_strangers_and_in_all_versions_by_its_owner() {
    let weed = Weed::shared();
    let bucket = "public-versions";
    weed.create(bucket);
    weed.keep_versions(bucket);
    weed.open(bucket, &READ);
    let mut next = 1..;
    let mut text = || next.next().map(env_file).unwrap();
    weed.put(bucket, "rotated.env", text(), &[]);
    weed.put(bucket, "rotated.env", "nothing\n", &[]);
    weed.put(bucket, "deleted.env", text(), &[]);
    weed.delete(bucket, "deleted.env");
    weed.put(bucket, "logs/a b+c%20/ü.env", text(), &[]);
    weed.put(bucket, "logs//twice.env", text(), &[]);
    weed.put(bucket, "logs/🔑.env", text(), &[]);
    weed.put(bucket, "a.gz", gz(&text()), &[]);
    weed.put(bucket, "a.zip", zip(&text()), &[]);
    weed.put(bucket, "a.tar.zst", tar_zst(&text()), &[]);
    weed.put(bucket, "a.parquet", parquet(&text()), &[]);
    weed.put(bucket, "noted", "nothing\n", &[("note", &id(10))]);
    for number in 0..1100 {
        weed.put(bucket, &format!("logs/{number}"), format!("{number}: nothing\n"), &[]);
    }
    let at = Keysweep::new();
    let target = format!("s3://{bucket}");
    let owner = signed(&at, &[&target, "--versions", "--metadata"]).run();
    assert_eq!(owner.ids(), (1..=10).map(id).collect(), "{owner:?}");
    assert_eq!((owner.code, skipped(&owner)), (Some(1), BTreeSet::new()), "{owner:?}");
    let stranger = anonymous(&at, &[&target, "--metadata"]).run();
    assert_eq!(stranger.ids(), (3..=10).map(id).collect(), "{stranger:?}");
    assert_eq!((stranger.code, skipped(&stranger)), (Some(1), BTreeSet::new()), "{stranger:?}");
    // This server lets no stranger list versions, whatever the policy says.
    let versions = anonymous(&at, &[&target, "--versions"]).run();
    versions.expect(2, &[]).expect_stderr(&["not public"]);
}

#[test]
fn a_private_bucket_is_closed_to_strangers_and_open_to_its_owner() {
    let weed = Weed::shared();
    weed.create("closed");
    weed.put("closed", "o.env", env_file(20), &[]);
    let at = Keysweep::new();
    let stranger = anonymous(&at, &["s3://closed"]).run();
    stranger.expect(2, &[]);
    assert_eq!(skipped(&stranger).len(), 1, "{stranger:?}");
    signed(&at, &["s3://closed"]).run().expect(1, &[&id(20)]);
}

#[test]
fn what_may_be_listed_and_not_read_is_told_object_by_object() {
    let weed = Weed::shared();
    weed.create("listed");
    weed.open("listed", &["s3:ListBucket"]);
    weed.put("listed", "1.env", env_file(30), &[]);
    weed.put("listed", "2.env", env_file(31), &[]);
    let at = Keysweep::new();
    let output = anonymous(&at, &["s3://listed"]).run();
    output.expect(2, &[]);
    let told: Vec<_> = skipped(&output).into_iter().map(|(what, _)| what).collect();
    assert_eq!(told, ["s3://listed/1.env", "s3://listed/2.env"], "{output:?}");
}

#[test]
fn a_large_object_is_read_in_its_middle_too() {
    let weed = Weed::shared();
    weed.create("large");
    weed.open("large", &READ);
    let mut bytes = b"nothing of interest in this line\n".repeat(1 << 20);
    let at = (17 << 20) - 40;
    bytes.splice(at..at + 120, format!("\n{}\n", env_file(40)).into_bytes().into_iter().take(120));
    weed.put("large", "large.log", bytes, &[]);
    let place = Keysweep::new();
    anonymous(&place, &["s3://large"]).run().expect(1, &[&id(40)]);
}

#[test]
fn one_name_that_xml_can_t_hold_hides_no_other() {
    let weed = Weed::shared();
    weed.create("names");
    weed.open("names", &READ);
    weed.put("names", "a/\u{1}b +.env", env_file(50), &[]);
    weed.put("names", "a/c.env", env_file(51), &[]);
    let at = Keysweep::new();
    anonymous(&at, &["s3://names"]).run().expect(1, &[&id(50), &id(51)]);
}
