//! Who may list and read a bucket, asked of moto: settings as S3 tells them, what they come to, and `keysweep buckets`.

use std::process::{Command, Output};

use keysweep::aws::store::{Store, StoreOptions, Wanted};
use keysweep::exposure::{Block, Exposure, Fact, Facts, Publicness, judge};
use keysweep::provenance::{StoredObject, StoredPart};
use serde_json::{Value, json};

use crate::moto::{Admin, alone, in_account};

const OPTIONS: StoreOptions = StoreOptions { request_payer: false, at_once: 16 };

fn store(admin: &Admin) -> Store {
    Store::of(&admin.connect(), OPTIONS).unwrap()
}

/// Asks for a bucket's settings, and judges them.
fn seen(store: &Store, bucket: &str) -> (Facts, Exposure) {
    let facts = store.handle().block_on(store.bucket(bucket).facts());
    let exposure = judge(bucket, &facts);
    (facts, exposure)
}

fn put(admin: &Admin, path: &str, headers: &[&str], body: &str) {
    let (status, answer) = admin.s3("PUT", path, headers, body);
    assert!((200..300).contains(&status), "PUT {path}: {status} {answer}");
}

/// Lets everybody read the objects of a bucket.
fn publish(admin: &Admin, bucket: &str) {
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "PublicRead", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
        "Resource": format!("arn:aws:s3:::{bucket}/*"),
    }]});
    put(admin, &format!("/{bucket}?policy"), &[], &policy.to_string());
}

fn block(setting: &str) -> String {
    format!("<PublicAccessBlockConfiguration><{setting}>true</{setting}></PublicAccessBlockConfiguration>")
}

fn block_account(admin: &Admin, number: &str, setting: &str) {
    let host = format!("Host: {number}.s3-control.us-east-1.amazonaws.com");
    let headers = [host.as_str(), &format!("x-amz-account-id: {number}")];
    put(admin, "/v20180820/configuration/publicAccessBlock", &headers, &block(setting));
}

fn yes(by: &str) -> Publicness {
    Publicness::Yes(vec![by.to_owned()])
}

#[track_caller]
fn expect_stopped(judged: &Publicness, by: &str, against: &str) {
    let Publicness::No(Some(why)) = judged else { panic!("{judged:?}") };
    assert!(why.contains(by) && why.contains(against), "{why}");
}

#[test]
fn a_bucket_of_ones_own_is_private() {
    let Some(admin) = in_account("111100000001", a_bucket_of_ones_own_is_private) else { return };
    put(&admin, "/private-1", &[], "");
    let (facts, exposure) = seen(&store(&admin), "private-1");
    assert_eq!((&facts.policy, &facts.policy_is_public), (&Fact::Absent, &Fact::Absent));
    assert_eq!((&facts.block, &facts.account_block), (&Fact::Absent, &Fact::Absent));
    assert_eq!(facts.region.as_deref(), Some("us-east-1"));
    assert_eq!((&exposure.list, &exposure.read), (&Publicness::No(None), &Publicness::No(None)));
    assert_eq!(exposure.public, Publicness::No(None));
}

#[test]
fn an_acl_gives_a_list_until_ownership_or_a_block_stands_against_it() {
    let Some(admin) = in_account("111100000002", an_acl_gives_a_list_until_ownership_or_a_block_stands_against_it)
    else {
        return;
    };
    put(&admin, "/open-2", &["x-amz-acl: public-read"], "");
    let store = store(&admin);
    let (_, exposure) = seen(&store, "open-2");
    assert_eq!((&exposure.list, &exposure.read), (&yes("ACL grant READ to everyone"), &Publicness::No(None)));
    put(&admin, "/open-2?publicAccessBlock", &[], &block("IgnorePublicAcls"));
    let (facts, exposure) = seen(&store, "open-2");
    assert_eq!(facts.block, Fact::Known(Block { ignore_acls: true, ..Block::default() }));
    expect_stopped(&exposure.list, "ACL grant READ to everyone", "IgnorePublicAcls of the bucket's");
    put(&admin, "/signed-2", &["x-amz-acl: authenticated-read"], "");
    assert_eq!(seen(&store, "signed-2").1.list, yes("ACL grant READ to everyone with an AWS account"));
    let enforced =
        "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>";
    put(&admin, "/signed-2?ownershipControls", &[], enforced);
    let (facts, exposure) = seen(&store, "signed-2");
    assert_eq!(facts.ownership, Fact::Known("BucketOwnerEnforced".to_owned()));
    expect_stopped(&exposure.list, "ACL grant READ", "BucketOwnerEnforced");
    assert!(!exposure.heeds_object_acls());
}

#[test]
fn a_policy_gives_objects_until_a_block_stands_against_it() {
    let Some(admin) = in_account("111100000003", a_policy_gives_objects_until_a_block_stands_against_it) else {
        return;
    };
    put(&admin, "/site-3", &[], "");
    publish(&admin, "site-3");
    let store = store(&admin);
    let (_, exposure) = seen(&store, "site-3");
    assert_eq!((&exposure.read, &exposure.list), (&yes("policy statement PublicRead"), &Publicness::No(None)));
    assert_eq!(exposure.public, exposure.read);
    put(&admin, "/site-3?publicAccessBlock", &[], &block("RestrictPublicBuckets"));
    let (_, exposure) = seen(&store, "site-3");
    expect_stopped(&exposure.read, "statement PublicRead", "RestrictPublicBuckets of the bucket's");
}

#[test]
fn the_accounts_block_stands_over_its_buckets() {
    let Some(admin) = in_account("111100000004", the_accounts_block_stands_over_its_buckets) else { return };
    put(&admin, "/site-4", &[], "");
    publish(&admin, "site-4");
    block_account(&admin, "111100000004", "RestrictPublicBuckets");
    let (facts, exposure) = seen(&store(&admin), "site-4");
    assert_eq!(facts.account_block, Fact::Known(Block { restrict: true, ..Block::default() }));
    expect_stopped(&exposure.read, "statement PublicRead", "RestrictPublicBuckets of the account's");
}

#[test]
fn an_object_is_public_by_its_own_acl_or_by_the_policy() {
    let Some(admin) = in_account("111100000005", an_object_is_public_by_its_own_acl_or_by_the_policy) else { return };
    put(&admin, "/files-5", &[], "");
    put(&admin, "/files-5/open.txt", &["x-amz-acl: public-read"], "x");
    put(&admin, "/files-5/shut.txt", &[], "x");
    let store = store(&admin);
    let (_, exposure) = seen(&store, "files-5");
    assert!(exposure.heeds_object_acls());
    for (key, expected) in [("open.txt", yes("ACL grant READ to everyone")), ("shut.txt", Publicness::No(None))] {
        let wanted = Wanted { key: key.into(), version_id: None, etag: Box::default(), from: 0 };
        let bucket = store.bucket("files-5");
        let acl = store.handle().block_on(async { bucket.object_acl(bucket.turn().await, &wanted).await }).unwrap();
        let object = StoredObject {
            bucket: "files-5".into(),
            key: key.into(),
            version_id: None,
            is_latest: true,
            etag: Box::default(),
            last_modified: None,
            is_masked: false,
        };
        assert_eq!(exposure.of_object(&object, StoredPart::Body, Some(&acl)), expected, "{key}");
    }
}

#[test]
fn a_bucket_is_told_with_its_region() {
    let Some(admin) = in_account("111100000006", a_bucket_is_told_with_its_region) else { return };
    let region =
        "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
    put(&admin, "/far-6", &["Host: s3.eu-west-1.amazonaws.com"], region);
    assert_eq!(seen(&store(&admin), "far-6").0.region.as_deref(), Some("eu-west-1"));
}

#[test]
fn what_may_not_be_asked_is_not_known_and_names_the_permission() {
    let Some(admin) = alone("111100000007", what_may_not_be_asked_is_not_known_and_names_the_permission) else {
        return;
    };
    put(&admin, "/site-7", &[], "");
    publish(&admin, "site-7");
    let key = admin.user("auditor").allow("auditor", &["s3:GetBucketPolicyStatus", "sts:*"]).key("auditor");
    let identity = admin.profile("auditor", &key);
    admin.enforce();
    let account = keysweep::aws::Account::connect(&identity).unwrap();
    let (facts, exposure) = seen(&Store::of(&account, OPTIONS).unwrap(), "site-7");
    for (fact, permission) in [
        (format!("{:?}", facts.policy), "s3:GetBucketPolicy"),
        (format!("{:?}", facts.acl), "s3:GetBucketAcl"),
        (format!("{:?}", facts.block), "PublicAccessBlock"),
    ] {
        assert!(fact.starts_with("Unknown") && fact.contains(permission), "{fact}");
    }
    assert!(matches!(exposure.read, Publicness::Unknown(_)), "{exposure:?}");
}

#[test]
fn the_policy_that_is_printed_is_enough() {
    let Some(admin) = alone("111100000011", the_policy_that_is_printed_is_enough) else { return };
    put(&admin, "/site-11", &[], "");
    publish(&admin, "site-11");
    let (_, policy) = keysweep(&["policy", "sweep"]);
    let statements = policy["Statement"].as_array().unwrap().iter().flat_map(|one| one["Action"].as_array().unwrap());
    // What moto calls AWS's `s3:GetAccountPublicAccessBlock`.
    let of_moto = "s3:GetPublicAccessBlock";
    let actions: Vec<&str> = statements.map(|action| action.as_str().unwrap()).chain([of_moto]).collect();
    let key = admin.user("sweeper").allow("sweeper", &actions).key("sweeper");
    admin.profile("sweeper", &key);
    admin.enforce();
    let (output, document) = keysweep(&["buckets", "--profile", "sweeper", "--format", "json"]);
    assert_eq!((output.status.code(), &document["skipped"]), (Some(1), &json!([])), "{output:?}");
    assert_eq!(document["buckets"][0]["read"]["is"], "yes", "{output:?}");
}

fn keysweep(args: &[&str]) -> (Output, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_keysweep")).args(args).output().unwrap();
    let document = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output, document)
}

#[test]
fn the_table_of_buckets_says_why_and_as_whom_it_was_asked() {
    let Some(admin) = in_account("111100000008", the_table_of_buckets_says_why_and_as_whom_it_was_asked) else {
        return;
    };
    for bucket in ["plain-8", "site-8"] {
        put(&admin, &format!("/{bucket}"), &[], "");
    }
    let (output, document) = keysweep(&["buckets", "--format", "json", "plain-8"]);
    assert_eq!((output.status.code(), &document["buckets"][0]["public"]["is"]), (Some(0), &json!("no")), "{output:?}");
    publish(&admin, "site-8");
    let (output, document) = keysweep(&["buckets", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = |at: usize| (document["buckets"][at]["bucket"].clone(), document["buckets"][at]["read"].clone());
    assert_eq!(told(0).0, "plain-8");
    assert_eq!(told(1), (json!("site-8"), json!({"is": "yes", "because": ["policy statement PublicRead"]})));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("arn:aws:sts::111100000008:assumed-role/Admin/admin"), "{said}");
    let (output, _) = keysweep(&["buckets", "--public"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("readable by policy statement PublicRead") && !text.contains("plain-8"), "{output:?}");
    let (output, _) = keysweep(&["buckets", "nobodys-8"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("not known: s3://nobodys-8"), "{output:?}");
}

#[test]
fn a_sweep_of_what_is_public_reads_what_the_table_calls_so() {
    let Some(admin) = in_account("111100000012", a_sweep_of_what_is_public_reads_what_the_table_calls_so) else {
        return;
    };
    for bucket in ["drop-12", "plain-12", "site-12"] {
        put(&admin, &format!("/{bucket}"), &[], "");
        put(&admin, &format!("/{bucket}/o"), &[], "x");
    }
    publish(&admin, "site-12");
    let drop = json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "Drop", "Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::drop-12/*",
    }]});
    put(&admin, "/drop-12?policy", &[], &drop.to_string());
    let (output, _) = keysweep(&["sweep", "--public", "--format", "json"]);
    let said = String::from_utf8_lossy(&output.stderr);
    for told in [
        "s3://drop-12 is public: writable by policy statement Drop",
        "s3://site-12 is public: readable by policy statement PublicRead",
        "1 more bucket may have single objects that are public",
    ] {
        assert!(said.contains(told), "{told}\n{said}");
    }
    assert!(output.status.code() == Some(0) && !said.contains("plain-12"), "{output:?}");
    let (output, document) = keysweep(&["buckets", "--public", "--format", "json"]);
    let names: Vec<&Value> = document["buckets"].as_array().unwrap().iter().map(|one| &one["bucket"]).collect();
    assert_eq!(names, ["drop-12", "site-12"], "{output:?}");
}

#[test]
fn a_stranger_finds_out_by_trying_and_is_called_one() {
    let Some(admin) = in_account("111100000009", a_stranger_finds_out_by_trying_and_is_called_one) else { return };
    put(&admin, "/open-9", &["x-amz-acl: public-read"], "");
    put(&admin, "/open-9/a%20b", &["x-amz-acl: public-read"], "x");
    let (output, document) = keysweep(&["buckets", "--anonymous", "--format", "json", "s3://open-9"]);
    let (bucket, said) = (&document["buckets"][0], String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!((&bucket["list"]["is"], &bucket["read"]["is"]), (&json!("yes"), &json!("yes")), "{output:?}");
    assert!(said.contains("stranger"), "{said}");
    let (output, _) = keysweep(&["buckets", "--anonymous"]);
    assert_eq!(output.status.code(), Some(2), "a stranger can't list the buckets of an account");
}

#[test]
fn an_organization_is_gone_through_account_by_account() {
    let Some(admin) = alone("111100000010", an_organization_is_gone_through_account_by_account) else { return };
    admin.organizations("CreateOrganization", "{\"FeatureSet\": \"ALL\"}");
    let made = admin.organizations("CreateAccount", "{\"Email\": \"a@example.com\", \"AccountName\": \"a\"}");
    let made: Value = serde_json::from_str(&made).unwrap();
    let member = made["CreateAccountStatus"]["AccountId"].as_str().unwrap().to_owned();
    put(&admin, "/home-10", &[], "");
    let there = admin.of_another(&member);
    put(&there, "/member-10", &[], "");
    publish(&there, "member-10");
    let flags = ["--organization", "--role-name", "Audit", "--format", "jsonl"];
    let (output, _) = keysweep(&[&["buckets"], &flags[..]].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told =
        |at: usize| (lines[at]["account_id"].clone(), lines[at]["bucket"].clone(), lines[at]["public"]["is"].clone());
    assert_eq!(told(0), (json!("111100000010"), json!("home-10"), json!("no")), "{output:?}");
    assert_eq!(told(1), (json!(member), json!("member-10"), json!("yes")));
    assert_eq!(lines[2]["type"], "summary");
    put(&admin, "/home-10/o", &[], "x");
    put(&there, "/member-10/o", &[], "x");
    let (output, _) = keysweep(&[&["sweep", "--all"], &flags[..]].concat());
    let (text, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((output.status.code(), &summary["blobs"]), (Some(0), &json!(2)), "{output:?}");
    assert!(said.contains("account 111100000010") && said.contains(&format!("account {member}")), "{said}");
    // A named bucket is that of whoever has it.
    let (output, _) = keysweep(&[&["buckets", "member-10", "nobodys-10"], &flags[..]].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("member-10") && !text.contains("home-10"), "{output:?}");
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("none of the accounts"), "{text}");
}
