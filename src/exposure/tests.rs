use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ALL: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const SIGNED_IN: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOGS: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";

fn policy(statements: Value) -> Fact<String> {
    Fact::Known(json!({"Version": "2012-10-17", "Statement": statements}).to_string())
}

fn allow(sid: &str, action: Value, resource: Value) -> Value {
    json!({"Sid": sid, "Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource})
}

fn public_read() -> Value {
    allow("PublicRead", json!("s3:GetObject"), json!("arn:aws:s3:::b/*"))
}

fn deny(sid: &str, action: Value, resource: Value) -> Value {
    json!({"Sid": sid, "Effect": "Deny", "Principal": {"AWS": "*"}, "Action": action, "Resource": resource})
}

fn with(mut statement: Value, name: &str, value: Value) -> Value {
    statement[name] = value;
    statement
}

/// The facts of a bucket with this policy, which S3 calls public.
fn public(statements: Value) -> Facts {
    Facts { policy: policy(statements), policy_is_public: Fact::Known(true), ..Facts::default() }
}

fn acl(grants: &[(&str, &str)]) -> Vec<Grant> {
    let grant =
        |&(grantee, permission): &(&str, &str)| Grant { grantee: grantee.into(), permission: permission.into() };
    grants.iter().map(grant).collect()
}

fn with_acl(grants: &[(&str, &str)]) -> Facts {
    Facts { acl: Fact::Known(acl(grants)), ..Facts::default() }
}

fn unknown<T>(why: &str) -> Fact<T> {
    Fact::Unknown(why.to_owned())
}

fn yes(by: &[&str]) -> Publicness {
    Publicness::Yes(by.iter().map(|&by| by.to_owned()).collect())
}

fn no(against: &str) -> Publicness {
    Publicness::No(Some(against.to_owned()))
}

const NO: Publicness = Publicness::No(None);

fn object(key: &str, is_latest: bool) -> StoredObject {
    StoredObject {
        bucket: "b".into(),
        key: key.into(),
        version_id: None,
        is_latest,
        etag: "".into(),
        last_modified: None,
        is_masked: false,
    }
}

#[test]
fn a_bucket_with_no_settings_is_private_but_for_the_acls_of_objects() {
    let exposure = judge("b", &Facts::default());
    assert_eq!((&exposure.list, &exposure.read, &exposure.write, &exposure.public), (&NO, &NO, &NO, &NO));
    assert!(exposure.heeds_object_acls() && exposure.notes.is_empty());
}

#[test]
fn a_policy_is_explained_by_its_statements() {
    for (statement, list, read) in [
        (public_read(), NO, yes(&["policy statement PublicRead"])),
        (allow("L", json!("s3:ListBucket"), json!("arn:aws:s3:::b")), yes(&["policy statement L"]), NO),
        (allow("A", json!("s3:*"), json!("*")), yes(&["policy statement A"]), yes(&["policy statement A"])),
        (
            allow("A", json!("*"), json!(["arn:aws:s3:::b", "arn:aws:s3:::b/*"])),
            yes(&["policy statement A"]),
            yes(&["policy statement A"]),
        ),
        (allow("G", json!(["S3:gEt*"]), json!("arn:aws:s3:::b*")), NO, yes(&["policy statement G"])),
        (
            allow("P", json!("s3:GetObject"), json!("arn:aws:s3:::b/public/*")),
            NO,
            yes(&["policy statement P (only public/*)"]),
        ),
        (allow("P", json!("s3:GetObject"), json!("arn:aws-cn:s3:::b/*")), NO, yes(&["policy statement P"])),
        (
            allow("V", json!("s3:GetObjectVersion"), json!("arn:aws:s3:::b/*")),
            NO,
            yes(&["policy statement V, by s3:GetObjectVersion"]),
        ),
        (
            allow("V", json!("s3:ListBucketVersions"), json!("arn:aws:s3:::b")),
            yes(&["policy statement V, by s3:ListBucketVersions"]),
            NO,
        ),
        (allow("", json!("s3:GetObject"), json!("arn:aws:s3:::b/*")), NO, yes(&["policy statement number 1"])),
        (
            with(public_read(), "Principal", json!({"AWS": ["arn:aws:iam::111122223333:root", "*"]})),
            NO,
            yes(&["policy statement PublicRead"]),
        ),
        // A bucket is not its objects, objects are not their bucket, and another bucket is neither.
        (allow("W", json!("s3:ListBucket"), json!("arn:aws:s3:::b/*")), NO, NO),
        (allow("W", json!("s3:GetObject"), json!("arn:aws:s3:::b")), NO, NO),
        (allow("W", json!("s3:GetObject"), json!("arn:aws:s3:::b/")), NO, NO),
        (allow("W", json!("s3:*"), json!(["arn:aws:s3:::c", "arn:aws:s3:::bb/*"])), NO, NO),
        (allow("W", json!("s3:GetObjectTagging"), json!("arn:aws:s3:::b/*")), NO, NO),
    ] {
        let exposure = judge("b", &public(json!([statement])));
        assert_eq!((exposure.list, exposure.read), (list, read), "{statement}");
        assert!(exposure.public.is_yes(), "{statement}: S3 calls it public");
        // A statement need not stand in a list.
        assert!(judge("b", &public(statement)).public.is_yes());
    }
}

#[test]
fn statements_by_what_they_are_not_about() {
    let mut not_action = public_read();
    not_action.as_object_mut().unwrap().remove("Action");
    not_action["NotAction"] = json!("s3:Put*");
    let mut not_resource = public_read();
    not_resource.as_object_mut().unwrap().remove("Resource");
    not_resource["NotResource"] = json!("arn:aws:s3:::b/private/*");
    let mut not_principal = public_read();
    not_principal.as_object_mut().unwrap().remove("Principal");
    not_principal["NotPrincipal"] = json!({"AWS": "arn:aws:iam::111122223333:root"});
    for (statement, read) in [
        (not_action.clone(), yes(&["policy statement PublicRead"])),
        (with(not_action, "NotAction", json!("s3:Get*")), NO),
        (not_resource.clone(), yes(&["policy statement PublicRead (all but private/*)"])),
        (with(not_resource.clone(), "NotResource", json!("arn:aws:s3:::b/*")), NO),
        (with(not_resource, "NotResource", json!("arn:aws:s3:::c/*")), yes(&["policy statement PublicRead"])),
        (not_principal, yes(&["policy statement PublicRead"])),
    ] {
        assert_eq!(judge("b", &public(json!([statement]))).read, read, "{statement}");
    }
}

#[test]
fn whom_it_names_is_not_the_public() {
    for principal in [
        json!({"AWS": "arn:aws:iam::111122223333:root"}),
        json!({"AWS": "111122223333"}),
        json!({"Service": "cloudfront.amazonaws.com"}),
        json!({"Service": "*"}),
        json!({"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}),
        json!({"Federated": "*"}),
    ] {
        let statement = with(allow("A", json!("s3:*"), json!("*")), "Principal", principal);
        let facts = Facts { policy_is_public: Fact::Known(false), ..public(json!([statement])) };
        let exposure = judge("b", &facts);
        assert_eq!((exposure.list, exposure.read, exposure.public), (NO, NO, NO), "{statement}");
    }
}

#[test]
fn conditions_are_judged_as_s3_does() {
    let on = |condition| with(public_read(), "Condition", condition);
    let fixed = on(json!({"StringEquals": {"aws:SourceVpc": "vpc-91237329"}}));
    let private = Facts { policy_is_public: Fact::Known(false), ..public(json!([fixed])) };
    let kept = "policy statement PublicRead would let it, but its condition on aws:SourceVpc keeps the public out";
    assert_eq!(judge("b", &private).read, no(kept));
    // Where S3 did not say, the text alone comes to the same.
    assert_eq!(judge("b", &Facts { policy_is_public: unknown("no"), ..private.clone() }).read, no(kept));
    // Where S3 says otherwise, it is believed; and where something else explains it, that does.
    let contrary = Facts { policy_is_public: Fact::Known(true), ..private.clone() };
    let Publicness::Yes(by) = judge("b", &contrary).read else { panic!("{:?}", judge("b", &contrary)) };
    assert!(by[0].contains("which S3 calls public"), "{by:?}");
    let list = allow("L", json!("s3:ListBucket"), json!("arn:aws:s3:::b"));
    let exposure = judge("b", &public(json!([on(json!({"StringEquals": {"aws:SourceVpc": "vpc-1"}})), list])));
    assert_eq!(exposure.list, yes(&["policy statement L"]));
    assert!(matches!(exposure.read, Publicness::No(Some(_))));
    // Everybody can send a referer; tags decide object by object.
    let referer = on(json!({"StringLike": {"aws:Referer": "https://example.com/*"}}));
    assert_eq!(judge("b", &public(json!([referer]))).read, yes(&["policy statement PublicRead"]));
    let tag = on(json!({"StringEquals": {"s3:ExistingObjectTag/public": "yes"}}));
    let lets = "policy statement PublicRead, as far as its condition on s3:ExistingObjectTag/public lets";
    assert_eq!(judge("b", &public(json!([tag]))).read, yes(&[lets]));
}

#[test]
fn what_s3_calls_not_public_is_not() {
    let facts = Facts { policy_is_public: Fact::Known(false), ..public(json!([public_read()])) };
    let against = "policy statement PublicRead would let it, but S3 does not call the bucket policy public";
    assert_eq!((judge("b", &facts).read, judge("b", &facts).public), (no(against), no(against)));
}

#[test]
fn denials_take_back() {
    let all = json!(["arn:aws:s3:::b", "arn:aws:s3:::b/*"]);
    let denied = "policy statement PublicRead would let it, but policy statement D denies it";
    let tls =
        with(deny("D", json!("s3:*"), all.clone()), "Condition", json!({"Bool": {"aws:SecureTransport": "false"}}));
    let vpc =
        with(deny("D", json!("s3:*"), all.clone()), "Condition", json!({"StringNotEquals": {"aws:SourceVpc": "v"}}));
    let some = with(
        deny("D", json!("s3:*"), all.clone()),
        "Condition",
        json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
    );
    let one = with(deny("D", json!("s3:*"), all.clone()), "Principal", json!({"AWS": "111122223333"}));
    for (denial, read) in [
        (deny("D", json!("s3:*"), all.clone()), no(denied)),
        (deny("D", json!("s3:GetObject"), json!("arn:aws:s3:::b/*")), no(denied)),
        (vpc, no(denied)),
        (tls, yes(&["policy statement PublicRead"])),
        (one, yes(&["policy statement PublicRead"])),
        (deny("D", json!("s3:PutObject"), all.clone()), yes(&["policy statement PublicRead"])),
        (
            deny("D", json!("s3:Get*"), json!("arn:aws:s3:::b/secret/*")),
            yes(&["policy statement PublicRead, but not what policy statement D denies"]),
        ),
        (
            deny("D", json!("s3:Get*"), json!("arn:aws:s3:::b/${aws:username}/*")),
            yes(&["policy statement PublicRead, but not what policy statement D denies"]),
        ),
        (
            some,
            yes(&[
                "policy statement PublicRead, perhaps not: policy statement D denies it under its condition on aws:SourceIp",
            ]),
        ),
    ] {
        assert_eq!(judge("b", &public(json!([public_read(), denial]))).read, read, "{denial}");
    }
    // What is given for a part is taken back where that part is denied, and no other.
    let part = allow("P", json!("s3:GetObject"), json!("arn:aws:s3:::b/public/*"));
    let same = deny("D", json!("s3:*"), json!("arn:aws:s3:::b/pub*"));
    assert!(matches!(judge("b", &public(json!([part.clone(), same]))).read, Publicness::No(Some(_))));
    let other = deny("D", json!("s3:*"), json!("arn:aws:s3:::b/secret/*"));
    assert_eq!(judge("b", &public(json!([part, other]))).read, yes(&["policy statement P (only public/*)"]));
    // They are over ACLs too.
    let facts = Facts { policy_is_public: Fact::Known(false), ..public(json!([deny("D", json!("s3:*"), all)])) };
    let facts = Facts { acl: Fact::Known(acl(&[(ALL, "READ")])), ..facts };
    assert_eq!(
        judge("b", &facts).list,
        no("ACL grant READ to everyone would let it, but policy statement D denies it")
    );
}

#[test]
fn acls_give_lists_and_writing_and_no_objects() {
    for (grants, list, write) in [
        (&[(ALL, "READ")][..], yes(&["ACL grant READ to everyone"]), NO),
        (&[(SIGNED_IN, "READ")], yes(&["ACL grant READ to everyone with an AWS account"]), NO),
        (
            &[(ALL, "FULL_CONTROL")],
            yes(&["ACL grant FULL_CONTROL to everyone"]),
            yes(&["ACL grant FULL_CONTROL to everyone"]),
        ),
        (
            &[(ALL, "WRITE"), (SIGNED_IN, "WRITE_ACP")],
            NO,
            yes(&["ACL grant WRITE to everyone", "ACL grant WRITE_ACP to everyone with an AWS account"]),
        ),
        (
            &[
                (LOGS, "WRITE"),
                (LOGS, "READ_ACP"),
                ("75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a", "FULL_CONTROL"),
            ],
            NO,
            NO,
        ),
    ] {
        let exposure = judge("b", &with_acl(grants));
        assert_eq!((exposure.list, exposure.read, exposure.write), (list, NO, write), "{grants:?}");
    }
    let readable = judge("b", &with_acl(&[(ALL, "READ_ACP")]));
    assert_eq!((readable.public, &*readable.notes), (NO, &["its ACL can be read by everyone".to_owned()][..]));
}

#[test]
fn ownership_and_blocks_stand_against_acls() {
    let grants = with_acl(&[(ALL, "READ")]);
    let ignore = Fact::Known(Block { ignore_acls: true, ..Block::default() });
    for (facts, list) in [
        (
            Facts { ownership: Fact::Known("BucketOwnerEnforced".into()), ..grants.clone() },
            no(
                "ACL grant READ to everyone would let it, but ownership BucketOwnerEnforced makes ACLs count for nothing",
            ),
        ),
        (
            Facts { ownership: Fact::Known("BucketOwnerPreferred".into()), ..grants.clone() },
            yes(&["ACL grant READ to everyone"]),
        ),
        (
            Facts { block: ignore.clone(), ..grants.clone() },
            no(
                "ACL grant READ to everyone would let it, but IgnorePublicAcls of the bucket's public access block stands against it",
            ),
        ),
        (
            Facts { account_block: ignore.clone(), block: unknown("asking failed"), ..grants.clone() },
            no(
                "ACL grant READ to everyone would let it, but IgnorePublicAcls of the account's public access block stands against it",
            ),
        ),
        (
            Facts { account_block: unknown("asking failed"), ..grants.clone() },
            Publicness::Unknown(
                "ACL grant READ to everyone would let it, if no other setting stood against that: asking failed".into(),
            ),
        ),
        // Of what counts for nothing it need not be known.
        (Facts { acl: unknown("no"), block: ignore.clone(), ..Facts::default() }, NO),
        (Facts { acl: unknown("no"), ..Facts::default() }, Publicness::Unknown("no".into())),
        // Nothing public: no bar need be known.
        (Facts { account_block: unknown("no"), ownership: unknown("no"), ..with_acl(&[]) }, NO),
    ] {
        assert_eq!(judge("b", &facts).list, list, "{facts:?}");
    }
    let new_only = Fact::Known(Block { block_acls: true, block_policy: true, ..Block::default() });
    let facts = Facts { block: new_only, acl: grants.acl, ..public(json!([public_read()])) };
    let exposure = judge("b", &facts);
    assert!(exposure.list.is_yes() && exposure.read.is_yes());
    assert!(
        exposure.notes.len() == 2 && exposure.notes.iter().all(|note| note.contains("refuses new public")),
        "{exposure:?}"
    );
}

#[test]
fn blocks_stand_against_policies() {
    let facts = public(json!([public_read()]));
    let restrict = Fact::Known(Block { restrict: true, ..Block::default() });
    for whose in ["bucket", "account"] {
        let block = if whose == "bucket" { restrict.clone() } else { Fact::Absent };
        let account_block = if whose == "account" { restrict.clone() } else { Fact::Absent };
        let exposure = judge("b", &Facts { block, account_block, ..facts.clone() });
        let against = format!(
            "policy statement PublicRead would let it, but RestrictPublicBuckets of the {whose}'s public access block stands against it"
        );
        assert_eq!(exposure.read, no(&against));
        assert!(matches!(exposure.public, Publicness::No(_)), "{exposure:?}");
    }
    let unsure = judge("b", &Facts { account_block: unknown("asking failed"), ..facts.clone() });
    assert!(
        matches!(unsure.read, Publicness::Unknown(why) if why.contains("PublicRead") && why.contains("asking failed"))
    );
    // With the bar down nothing else need be known.
    let barred = Facts { block: restrict, policy: unknown("no"), policy_is_public: unknown("no"), ..Facts::default() };
    assert_eq!(judge("b", &barred).read, NO);
}

#[test]
fn what_is_not_to_be_had_is_said() {
    let text_alone =
        Facts { policy_is_public: unknown("asking for its status failed"), ..public(json!([public_read()])) };
    let exposure = judge("b", &text_alone);
    assert_eq!(exposure.read, yes(&["policy statement PublicRead"]));
    assert_eq!(exposure.notes, ["the bucket policy is judged by its text alone: asking for its status failed"]);
    for text in [unknown("asking for it failed"), Fact::Known("{".to_owned())] {
        let status_alone = Facts { policy: text.clone(), policy_is_public: Fact::Known(true), ..Facts::default() };
        let exposure = judge("b", &status_alone);
        assert!(
            matches!(&exposure.read, Publicness::Unknown(why) if why.contains("S3 calls the bucket policy public"))
        );
        assert_eq!(exposure.public, yes(&["the bucket policy (S3 calls it public)"]));
        let private = judge("b", &Facts { policy: text, policy_is_public: Fact::Known(false), ..Facts::default() });
        assert_eq!((private.list, private.read, private.public), (NO, NO, NO));
        assert_eq!(private.notes.len(), 1);
    }
    let nothing = judge("b", &Facts { policy: unknown("one"), policy_is_public: unknown("two"), ..Facts::default() });
    assert_eq!(nothing.public, Publicness::Unknown("one".to_owned()));
}

#[test]
fn writing_is_told() {
    let put = allow("Drop", json!("s3:PutObject"), json!("arn:aws:s3:::b/incoming/*"));
    let exposure = judge("b", &public(json!([put])));
    assert_eq!((&exposure.list, &exposure.read), (&NO, &NO));
    assert_eq!(exposure.write, yes(&["policy statement Drop (only incoming/*)"]));
    assert_eq!(exposure.public, exposure.write);
    let own = allow("Own", json!("s3:PutBucketPolicy"), json!("arn:aws:s3:::b"));
    assert_eq!(judge("b", &public(json!([own]))).write, yes(&["policy statement Own, by s3:PutBucketPolicy"]));
}

#[test]
fn access_points_are_said_not_to_be_looked_at() {
    let points = json!({"StringEquals": {"s3:DataAccessPointAccount": "111122223333"}});
    let delegation = with(allow("Points", json!("*"), json!("*")), "Condition", points);
    let exposure = judge("b", &Facts { policy_is_public: Fact::Known(false), ..public(json!([delegation])) });
    assert!(matches!(exposure.read, Publicness::No(Some(_))));
    assert!(exposure.notes[0].contains("statement Points") && exposure.notes[0].contains("access points"));
}

#[test]
fn objects_are_judged_one_by_one() {
    let part = allow("P", json!("s3:GetObject"), json!("arn:aws:s3:::b/public/*"));
    let exposure = judge("b", &public(json!([part])));
    let given = yes(&["policy statement P"]);
    assert_eq!(exposure.of_object(&object("public/a*b", true), StoredPart::Body, Some(&[])), given);
    assert_eq!(exposure.of_object(&object("private/a", true), StoredPart::Body, Some(&[])), NO);
    // Noncurrent versions are read by another action.
    assert_eq!(exposure.of_object(&object("public/a", false), StoredPart::Body, Some(&[])), NO);
    let by_acl = yes(&["ACL grant READ to everyone"]);
    assert_eq!(exposure.of_object(&object("private/a", false), StoredPart::Body, Some(&acl(&[(ALL, "READ")]))), by_acl);
    assert_eq!(
        exposure.of_object(
            &object("private/a", true),
            StoredPart::Body,
            Some(&acl(&[(ALL, "READ_ACP"), (LOGS, "READ")]))
        ),
        NO
    );
    assert_eq!(exposure.of_object(&object("public/a", true), StoredPart::Body, None), given);
    assert!(matches!(exposure.of_object(&object("private/a", true), StoredPart::Body, None), Publicness::Unknown(_)));
    assert!(exposure.heeds_object_acls());
}

#[test]
fn parts_of_an_object_are_read_by_other_actions() {
    let grants = json!([
        allow("P", json!("s3:GetObject"), json!("arn:aws:s3:::b/public/*")),
        allow("T", json!("s3:GetObjectTagging"), json!("arn:aws:s3:::b/private/*")),
        allow("V", json!("s3:GetObjectVersion"), json!("arn:aws:s3:::b/old/*")),
    ]);
    let exposure = judge("b", &public(grants.clone()));
    let of = |key: &str, part| exposure.of_object(&object(key, true), part, Some(&[]));
    let readable = yes(&["policy statement P"]);
    assert_eq!([StoredPart::Body, StoredPart::Metadata].map(|part| of("public/a", part)), [readable.clone(), readable]);
    assert_eq!((of("public/a", StoredPart::Tags), of("private/a", StoredPart::Body)), (NO, NO));
    assert_eq!(of("private/a", StoredPart::Tags), yes(&["policy statement T"]));
    // Whoever names its version reads the current one too.
    assert_eq!(of("old/a", StoredPart::Body), yes(&["policy statement V, by s3:GetObjectVersion"]));
    assert_eq!(
        (of("private/a", StoredPart::Key), of("public/a", StoredPart::Key)),
        (NO, of("public/a", StoredPart::Body))
    );
    let listed = judge("b", &Facts { acl: Fact::Known(acl(&[(ALL, "READ")])), ..public(grants) });
    let key = |object: &StoredObject| listed.of_object(object, StoredPart::Key, None);
    let by_list = yes(&["ACL grant READ to everyone"]);
    assert_eq!(key(&object("private/a", false)), by_list);
    assert_eq!(key(&StoredObject { is_masked: true, ..object("private/wJal…", true) }), by_list);
    let untold = judge("b", &Facts { acl: unknown("asking failed"), ..Facts::default() });
    assert!(matches!(untold.of_object(&object("a", true), StoredPart::Key, Some(&[])), Publicness::Unknown(_)));
}

#[test]
fn what_the_public_may_is_not_worked_out_with_a_masked_key() {
    let exposure = judge("b", &public(json!([allow("P", json!("s3:GetObject"), json!("arn:aws:s3:::b/x/*"))])));
    let masked = StoredObject { is_masked: true, ..object("wJal…/a", true) };
    assert!(!exposure.needs_object_acl(&masked, StoredPart::Body));
    let public = exposure.of_object(&masked, StoredPart::Body, Some(&[]));
    assert!(matches!(&public, Publicness::Unknown(why) if why.contains("masked")), "{public:?}");
}

#[test]
fn acls_of_objects_count_for_nothing_where_ownership_says_so() {
    let exposure = judge("b", &Facts { ownership: Fact::Known("BucketOwnerEnforced".into()), ..Facts::default() });
    assert!(!exposure.heeds_object_acls());
    assert_eq!(exposure.of_object(&object("a", true), StoredPart::Body, None), NO);
    let against =
        "ACL grant READ to everyone would let it, but ownership BucketOwnerEnforced makes ACLs count for nothing";
    assert_eq!(exposure.of_object(&object("a", true), StoredPart::Body, Some(&acl(&[(ALL, "READ")]))), no(against));
}

#[test]
fn a_stranger_knows_what_was_tried() {
    let tried = |list, read| judge("b", &Facts { tried: Some(Tried { list, read }), ..Facts::default() });
    let by = yes(&["an unsigned request, which was answered"]);
    let open = tried(Fact::Known(true), Fact::Known(true));
    assert_eq!((&open.list, &open.read, &open.public), (&by, &by, &by));
    assert!(!open.heeds_object_acls() && open.of_object(&object("a", true), StoredPart::Body, None).is_yes());
    let listed = tried(Fact::Known(true), Fact::Absent);
    assert!(listed.public.is_yes() && matches!(listed.read, Publicness::Unknown(why) if why.contains("others may")));
    let shut = tried(Fact::Known(false), Fact::Absent);
    assert_eq!(shut.list, NO);
    assert!(matches!(shut.public, Publicness::Unknown(why) if why.contains("can't be listed")));
}

#[test]
fn policies_that_make_no_sense_are_said_to() {
    let statement = |statement: Value| json!({"Statement": [statement]}).to_string();
    for (text, sign) in [
        (String::new(), "no JSON"),
        ("[".repeat(10_000), "no JSON"),
        (" ".repeat(1 << 17), "20 KiB"),
        ("[]".to_owned(), "no statements"),
        ("{\"Version\": 1}".to_owned(), "no statements"),
        (statement(json!("x")), "number 1 is none"),
        (statement(json!({"Effect": "Maybe"})), "neither allows nor denies"),
        (statement(json!({"Effect": "Allow", "Action": "*", "Resource": "*"})), "for whom"),
        (statement(json!({"Effect": "Allow", "Principal": 7, "Action": "*", "Resource": "*"})), "for whom"),
        (statement(json!({"Effect": "Allow", "Principal": "*", "Resource": "*"})), "what it is about"),
        (
            statement(json!({"Effect": "Allow", "Principal": "*", "Action": [["a"]], "Resource": "*"})),
            "what it is about",
        ),
        (statement(with(public_read(), "Condition", json!({"StringEquals": 1}))), "condition"),
    ] {
        let facts = Facts { policy: Fact::Known(text.clone()), ..Facts::default() };
        let exposure = judge("b", &facts);
        assert!(matches!(&exposure.read, Publicness::Unknown(why) if why.contains(sign)), "{text:.80}: {exposure:?}");
    }
}

/// Values as policies have them, and others, in any order.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        "[*?a-z:/${}]{0,12}",
        Just("*".to_owned()),
        Just("Allow".to_owned()),
        Just("Deny".to_owned()),
        Just("s3:Get*".to_owned()),
        Just("arn:aws:s3:::b/*".to_owned()),
        Just("0.0.0.0/0".to_owned()),
    ];
    let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), word.prop_map(Value::from)];
    let name = prop_oneof![
        Just("Effect"),
        Just("Principal"),
        Just("NotPrincipal"),
        Just("AWS"),
        Just("Action"),
        Just("NotAction"),
        Just("Resource"),
        Just("NotResource"),
        Just("Condition"),
        Just("IpAddress"),
        Just("aws:SourceIp"),
    ];
    leaf.prop_recursive(4, 24, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name.clone(), inner), 0..6).prop_map(|fields| Value::Object(
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_that_stands_in_a_policy_panics(statements in any_json(), key in "[a-z*?]{0,4}") {
        let exposure = judge("b", &public(statements));
        let _ = exposure.of_object(&object(&key, true), StoredPart::Body, None);
    }

    #[test]
    fn another_denial_makes_nothing_public(
        statements in proptest::collection::vec((any::<bool>(), "s3:(Get|List)(Object|Bucket|\\*)", "arn:aws:s3:::b(/[ab]?\\*)?"), 0..4),
        action in "s3:(Get|List)?\\*",
    ) {
        let of = |(is_allow, action, resource): &(bool, String, String)| {
            if *is_allow { allow("A", json!(action), json!(resource)) } else { deny("D", json!(action), json!(resource)) }
        };
        let mut all: Vec<Value> = statements.iter().map(of).collect();
        let before = judge("b", &public(json!(all)));
        all.push(deny("Last", json!(action), json!("*")));
        let after = judge("b", &public(json!(all)));
        prop_assert!(before.list.is_yes() || !after.list.is_yes());
        prop_assert!(before.read.is_yes() || !after.read.is_yes());
    }

    #[test]
    fn what_may_be_read_of_a_bucket_is_what_may_be_read_of_its_objects(
        resource in "arn:aws:s3:::b/[ab*?]{0,3}",
        denied in "arn:aws:s3:::b/[ab*?]{1,3}",
    ) {
        let statements = json!([allow("A", json!("s3:GetObject"), json!(resource)), deny("D", json!("s3:*"), json!(denied))]);
        let exposure = judge("b", &public(statements));
        let keys = ["a", "b", "aa", "ab", "ba", "bb", "aaa", "aab", "aba", "abb", "baa", "bab", "bba", "bbb"];
        let is_read = |key: &&&str| exposure.of_object(&object(key, true), StoredPart::Body, Some(&[])).is_yes();
        if let Some(key) = keys.iter().find(is_read) {
            prop_assert!(exposure.read.is_yes(), "{}", key);
        }
    }
}
