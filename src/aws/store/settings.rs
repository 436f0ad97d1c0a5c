//! What the settings of a bucket say of who may list and read it; of its account; and what a stranger finds by trying. What they come to is
//! `exposure`'s business.

use std::sync::Arc;

use aws_sdk_s3::types::{EncodingType, Grant as Granted, PublicAccessBlockConfiguration};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::call::Ask;
use super::list::{of_objects, payer};
use super::{Bucket, Entry, No, Store, StoreError, Turn, Viewer, Wanted};
use crate::aws::Caller;
use crate::exposure::{Block, Fact, Facts, Grant, Tried};

/// How many buckets are looked at side by side.
const AT_ONCE: usize = 24;

/// What a stranger is told of settings.
const STRANGER: &str = "a stranger is told nothing of a bucket's settings";

/// Of the account's block, where the bucket tells nothing.
const WHOSE: &str =
    "the bucket tells nothing of its settings: it may be another account's, whose public access block is not known";

const LOCATION: Ask = ask("GetBucketLocation", "s3:GetBucketLocation");
const POLICY: Ask = ask("GetBucketPolicy", "s3:GetBucketPolicy");
const STATUS: Ask = ask("GetBucketPolicyStatus", "s3:GetBucketPolicyStatus");
const ACL: Ask = ask("GetBucketAcl", "s3:GetBucketAcl");
const BLOCK: Ask = ask("GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock");
const ACCOUNT_BLOCK: Ask = ask("GetPublicAccessBlock", "s3:GetAccountPublicAccessBlock");
const OWNERSHIP: Ask = ask("GetBucketOwnershipControls", "s3:GetBucketOwnershipControls");

const fn ask(operation: &'static str, permission: &'static str) -> Ask {
    Ask { operation, permission, is_of_object: false }
}

/// What S3 calls a setting that is not there.
const NO_POLICY: &[&str] = &["NoSuchBucketPolicy"];
const NO_BLOCK: &[&str] = &["NoSuchPublicAccessBlockConfiguration", UNKNOWN_TO_SERVER];
const NO_OWNERSHIP: &[&str] = &["OwnershipControlsNotFoundError", UNKNOWN_TO_SERVER];
/// A server that is not AWS's and has no such settings has none that could stand against anything.
const UNKNOWN_TO_SERVER: &str = "NotImplemented";

/// The settings of these buckets, in their order.
pub(super) async fn survey(store: &Store, buckets: &[String]) -> Vec<Facts> {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for (at, name) in buckets.iter().enumerate() {
        let (turns, bucket) = (turns.clone(), store.bucket(name));
        tasks.spawn(async move {
            // An error would mean that the semaphore was closed, which nobody does.
            let _turn = turns.acquire_owned().await;
            (at, bucket.facts().await)
        });
    }
    let mut all = tasks.join_all().await;
    all.sort_unstable_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, facts)| facts).collect()
}

/// What there is to know of a bucket.
pub(super) async fn facts(bucket: &Bucket) -> Facts {
    match bucket.store().viewer() {
        Viewer::Caller(caller) => of_owner(bucket, &caller.clone()).await,
        Viewer::Stranger => of_stranger(bucket).await,
    }
}

async fn of_owner(bucket: &Bucket, caller: &Caller) -> Facts {
    let (name, owner) = (&**bucket.name(), caller.account.to_string());
    let policy =
        bucket.call(POLICY, None, |s3| s3.get_bucket_policy().bucket(name).expected_bucket_owner(&owner).send()).await;
    if let Some(error) = policy.as_ref().err().filter(|error| error.is_the_buckets() && !is_absent(error, NO_POLICY)) {
        return nothing(&error.why);
    }
    let location = bucket
        .call(LOCATION, None, |s3| s3.get_bucket_location().bucket(name).expected_bucket_owner(&owner).send())
        .await;
    let location = location.ok().map(|told| told.location_constraint);
    let status = bucket
        .call(STATUS, None, |s3| s3.get_bucket_policy_status().bucket(name).expected_bucket_owner(&owner).send())
        .await;
    let acl = bucket.call(ACL, None, |s3| s3.get_bucket_acl().bucket(name).expected_bucket_owner(&owner).send()).await;
    let block = bucket
        .call(BLOCK, None, |s3| s3.get_public_access_block().bucket(name).expected_bucket_owner(&owner).send())
        .await;
    let ownership = bucket
        .call(OWNERSHIP, None, |s3| {
            s3.get_bucket_ownership_controls().bucket(name).expected_bucket_owner(&owner).send()
        })
        .await;
    let status = status.map(|told| told.policy_status.and_then(|status| status.is_public));
    let ownership = ownership.map(|told| {
        let rules = told.ownership_controls.map(|controls| controls.rules).unwrap_or_default();
        rules.into_iter().next().map(|rule| rule.object_ownership.as_str().to_owned())
    });
    let facts = Facts {
        region: location
            .map_or_else(|| bucket.region(), |told| Some(region(told.as_ref().map_or("", |told| told.as_str())))),
        policy: fact("the bucket policy", policy.map(|told| told.policy), NO_POLICY),
        policy_is_public: fact("whether the bucket policy is public", status, NO_POLICY),
        acl: fact("the bucket's ACL", acl.map(|told| Some(grants(told.grants))), &[]),
        block: fact(
            "the bucket's public access block",
            block.map(|told| told.public_access_block_configuration.map(self::block)),
            NO_BLOCK,
        ),
        account_block: Fact::Unknown(WHOSE.to_owned()),
        ownership: fact("who owns the bucket's objects", ownership, NO_OWNERSHIP),
        tried: None,
    };
    // All that was asked was asked of a bucket of this account: another account's tells nothing, and what this one blocks is nothing to it.
    if facts.are_unknown() {
        return facts;
    }
    Facts { account_block: account_block(bucket.store(), caller).await, ..facts }
}

/// Regions by what `GetBucketLocation` calls them, where the first two have names of their own.
fn region(location: &str) -> String {
    match location {
        "" => "us-east-1",
        "EU" => "eu-west-1",
        location => location,
    }
    .to_owned()
}

/// What came of asking for a setting; it is absent where the answer has none, or says so by one of these codes.
fn fact<T>(what: &str, answer: Result<Option<T>, StoreError>, absent: &[&str]) -> Fact<T> {
    match answer {
        Ok(Some(told)) => Fact::Known(told),
        Ok(None) => Fact::Absent,
        Err(error) if is_absent(&error, absent) => Fact::Absent,
        Err(error) if error.is_the_buckets() => Fact::Unknown(error.why),
        Err(error) => Fact::Unknown(format!("asking for {what} failed: {error}")),
    }
}

fn is_absent(error: &StoreError, absent: &[&str]) -> bool {
    absent.contains(&&*error.code)
}

/// Of a bucket that can't be asked at all.
fn nothing(why: &str) -> Facts {
    fn unknown<T>(why: &str) -> Fact<T> {
        Fact::Unknown(why.to_owned())
    }
    Facts {
        region: None,
        policy: unknown(why),
        policy_is_public: unknown(why),
        acl: unknown(why),
        block: unknown(why),
        account_block: unknown(why),
        ownership: unknown(why),
        tried: None,
    }
}

fn block(told: PublicAccessBlockConfiguration) -> Block {
    Block {
        block_acls: told.block_public_acls.unwrap_or_default(),
        ignore_acls: told.ignore_public_acls.unwrap_or_default(),
        block_policy: told.block_public_policy.unwrap_or_default(),
        restrict: told.restrict_public_buckets.unwrap_or_default(),
    }
}

fn grants(told: Option<Vec<Granted>>) -> Vec<Grant> {
    let grant = |grant: Granted| {
        let grantee = grant.grantee?;
        let permission = grant.permission?.as_str().to_owned();
        Some(Grant { grantee: grantee.uri.or(grantee.id).or(grantee.email_address)?, permission })
    };
    told.unwrap_or_default().into_iter().filter_map(grant).collect()
}

/// The account's public access block, which stands over those of its buckets. It is asked for once.
async fn account_block(store: &Store, caller: &Caller) -> Fact<Block> {
    let ask = || async {
        let account = caller.account.to_string();
        let answer = store
            .bucket("")
            .call(ACCOUNT_BLOCK, None, |s3| {
                let account = account.clone();
                // The same question as of a bucket, with the same answer, put to the account's own endpoint. That is all that is needed
                // of S3 Control, which has a crate as large as S3's.
                let region = s3.config().region().map(|region| region.as_ref().to_owned()).unwrap_or_default();
                let question = s3.get_public_access_block().bucket(&account).customize();
                question.mutate_request(move |request| put_to_account(request, &account, &region)).send()
            })
            .await;
        let answer = match answer {
            // A server of one's own knows no accounts, and takes it for the name of a bucket.
            Err(error) if matches!(error.kind, No::NoBucket | No::Gone) => Ok(None),
            answer => answer.map(|told| told.public_access_block_configuration.map(block)),
        };
        fact("the account's public access block", answer, NO_BLOCK)
    };
    store.inner.account_block.get_or_init(ask).await.clone()
}

/// Turns a question about a bucket that is called like the account into one about the account.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_GetPublicAccessBlock.html>
fn put_to_account(request: &mut HttpRequest, account: &str, region: &str) {
    let (scheme, rest) = request.uri().split_once("://").unwrap_or(("https", request.uri()));
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let of_bucket = format!("{account}.s3");
    let is_aws = host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
    let (at, named) = match host.strip_prefix(&of_bucket).filter(|_| is_aws) {
        Some(rest) => (format!("{account}.s3-control{rest}"), None),
        // A server that stands for AWS, which knows by its header what was meant.
        None => (host.to_owned(), Some(format!("{account}.s3-control.{region}.amazonaws.com"))),
    };
    let uri = format!("{scheme}://{at}/v20180820/configuration/publicAccessBlock");
    // It was one before, and what is new in it are letters and digits.
    let _ = request.set_uri(uri);
    request.headers_mut().insert("x-amz-account-id", account.to_owned());
    if let Some(host) = named {
        request.headers_mut().insert("host", host);
    }
}

/// Tries to list one key, and to read a byte of it.
async fn of_stranger(bucket: &Bucket) -> Facts {
    const LIST: Ask = ask("ListObjectsV2", "s3:ListBucket");
    let name = &**bucket.name();
    let listed = bucket
        .call(LIST, None, |s3| {
            s3.list_objects_v2()
                .bucket(name)
                .max_keys(1)
                .encoding_type(EncodingType::Url)
                .set_request_payer(payer(bucket))
                .send()
        })
        .await;
    let tried = match listed.and_then(of_objects).map(|page| page.entries.into_iter().next()) {
        Ok(Some(first)) => Tried { list: Fact::Known(true), read: read(bucket, first).await },
        Ok(None) => {
            let read = Fact::Unknown("it is empty, so that no object could be tried".to_owned());
            Tried { list: Fact::Known(true), read }
        }
        Err(error) if error.kind == No::Denied => Tried { list: Fact::Known(false), read: Fact::Absent },
        Err(error) => Tried { list: Fact::Unknown(error.why.clone()), read: Fact::Unknown(error.why) },
    };
    Facts { region: bucket.region(), tried: Some(tried), ..nothing(STRANGER) }
}

/// Of a bucket that a stranger has read something of: nothing more need be tried to know that others can.
pub(super) fn of_what_a_stranger_read() -> Facts {
    Facts { tried: Some(Tried { list: Fact::Absent, read: Fact::Known(true) }), ..nothing(STRANGER) }
}

/// Tries to read the first byte of an object. Where that is refused, others may be read all the same.
async fn read(bucket: &Bucket, Entry { key, .. }: Entry) -> Fact<bool> {
    const READ: Ask = Ask { operation: "GetObject", permission: "s3:GetObject", is_of_object: true };
    let key = key.to_string();
    let answer = bucket
        .call(READ, None, |s3| {
            s3.get_object()
                .bucket(&**bucket.name())
                .key(&key)
                .range("bytes=0-0")
                .set_request_payer(payer(bucket))
                .send()
        })
        .await;
    match answer {
        Ok(_) => Fact::Known(true),
        // Of an object without bytes there is no first one.
        Err(error) if &*error.code == "InvalidRange" => Fact::Known(true),
        Err(error) if error.kind == No::Denied => Fact::Absent,
        Err(error) => Fact::Unknown(format!("reading the first object failed: {error}")),
    }
}

/// Whom an object's own ACL lets do what.
pub(super) async fn object_acl(bucket: &Bucket, turn: &mut Turn, wanted: &Wanted) -> Result<Vec<Grant>, StoreError> {
    let ask = super::object::ask("GetObjectAcl", wanted, "s3:GetObjectAcl", "s3:GetObjectVersionAcl");
    let key = super::object::key(wanted)?;
    let answer = bucket
        .call(ask, Some(turn), |s3| {
            s3.get_object_acl()
                .bucket(&**bucket.name())
                .key(key)
                .set_version_id(wanted.version_id.as_deref().map(str::to_owned))
                .set_request_payer(payer(bucket))
                .send()
        })
        .await?;
    Ok(grants(answer.grants))
}

#[cfg(test)]
mod tests {
    use crate::exposure::Publicness;

    use super::super::tests::{Reply, Request, Server, error, reply, wanted};
    use super::*;

    const GROUP: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

    fn acl() -> String {
        format!(
            "<AccessControlPolicy><Owner><ID>o</ID></Owner><AccessControlList><Grant><Grantee \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"><ID>o</ID></Grantee>\
             <Permission>FULL_CONTROL</Permission></Grant><Grant><Grantee \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\"><URI>{GROUP}</URI></Grantee>\
             <Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>"
        )
    }

    fn block(restrict: bool) -> Reply {
        let xml = format!(
            "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><RestrictPublicBuckets>{restrict}\
             </RestrictPublicBuckets></PublicAccessBlockConfiguration>"
        );
        reply("200 OK", &[], xml)
    }

    /// A bucket with all settings.
    fn full(request: &Request) -> Reply {
        let ok = |body: &str| reply("200 OK", &[], body);
        match &*request.line {
            line if line.contains("/v20180820/") => block(true),
            line if line.contains("policyStatus") => ok("<PolicyStatus><IsPublic>true</IsPublic></PolicyStatus>"),
            line if line.contains("policy") => ok("{\"Statement\": []}"),
            line if line.contains("location") => ok("<LocationConstraint>EU</LocationConstraint>"),
            line if line.contains("acl") => ok(&acl()),
            line if line.contains("publicAccessBlock") => block(false),
            line if line.contains("ownershipControls") => ok(
                "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>",
            ),
            line => panic!("{line}"),
        }
    }

    #[test]
    fn all_settings_are_read() {
        let server = Server::new(|request, _| full(request));
        let store = server.owned();
        let facts = store.handle().block_on(store.bucket("b").facts());
        let grant = |grantee: &str, permission: &str| Grant { grantee: grantee.into(), permission: permission.into() };
        assert_eq!(
            facts,
            Facts {
                region: Some("eu-west-1".to_owned()),
                policy: Fact::Known("{\"Statement\": []}".to_owned()),
                policy_is_public: Fact::Known(true),
                acl: Fact::Known(vec![grant("o", "FULL_CONTROL"), grant(GROUP, "READ")]),
                block: Fact::Known(Block { block_acls: true, ..Block::default() }),
                account_block: Fact::Known(Block { block_acls: true, restrict: true, ..Block::default() }),
                ownership: Fact::Known("BucketOwnerEnforced".to_owned()),
                tried: None,
            }
        );
        let of_bucket = server.requests().into_iter().filter(|request| !request.line.contains("/v20180820/"));
        for request in of_bucket {
            assert_eq!(request.header("x-amz-expected-bucket-owner"), Some("111122223333"), "{request:?}");
        }
    }

    #[test]
    fn the_account_is_asked_once_and_by_its_own_name() {
        let server = Server::new(|request, _| full(request));
        let store = server.owned();
        let names: Vec<String> = (0..40).map(|number| format!("bucket-{number}")).collect();
        let all = store.handle().block_on(store.survey(&names));
        assert_eq!(all.len(), 40);
        assert_eq!(server.count("/v20180820/"), 1);
        let asked = server.requests().into_iter().find(|request| request.line.contains("/v20180820/")).unwrap();
        assert_eq!(asked.line, "GET /v20180820/configuration/publicAccessBlock");
        assert_eq!(asked.header("host"), Some("111122223333.s3-control.us-east-1.amazonaws.com"));
        assert_eq!(asked.header("x-amz-account-id"), Some("111122223333"));
        let signature = asked.header("authorization").unwrap();
        assert!(signature.contains("/us-east-1/s3/aws4_request"), "{signature}");
        assert!(signature.contains("host;") && signature.contains("x-amz-account-id;"), "{signature}");
    }

    #[test]
    fn the_accounts_endpoint_is_that_of_its_partition() {
        for (from, to) in [
            ("111122223333.s3.eu-west-1.amazonaws.com", "111122223333.s3-control.eu-west-1.amazonaws.com"),
            ("111122223333.s3.cn-north-1.amazonaws.com.cn", "111122223333.s3-control.cn-north-1.amazonaws.com.cn"),
            (
                "111122223333.s3-fips.us-gov-west-1.amazonaws.com",
                "111122223333.s3-control-fips.us-gov-west-1.amazonaws.com",
            ),
            (
                "111122223333.s3.dualstack.us-east-1.amazonaws.com",
                "111122223333.s3-control.dualstack.us-east-1.amazonaws.com",
            ),
        ] {
            let mut request = HttpRequest::get(format!("https://{from}/?publicAccessBlock")).unwrap();
            put_to_account(&mut request, "111122223333", "eu-west-1");
            assert_eq!(request.uri(), format!("https://{to}/v20180820/configuration/publicAccessBlock"));
            assert_eq!(request.headers().get("host"), None);
        }
    }

    #[test]
    fn settings_that_are_not_there_are_absent() {
        let server = Server::new(|request, _| match &*request.line {
            line if line.contains("policy") => {
                error("404 Not Found", "NoSuchBucketPolicy", "The bucket policy does not exist")
            }
            line if line.contains("location") => reply("200 OK", &[], "<LocationConstraint/>"),
            line if line.contains("ownershipControls") => error("404 Not Found", "OwnershipControlsNotFoundError", "x"),
            // As a server that is not AWS's has it.
            line if line.contains("publicAccessBlock") && !line.contains("/v2") => {
                error("501 Not Implemented", "NotImplemented", "x")
            }
            line if line.contains("ublicAccessBlock") => {
                error("404 Not Found", "NoSuchPublicAccessBlockConfiguration", "x")
            }
            _ => reply("200 OK", &[], "<AccessControlPolicy/>"),
        });
        let store = server.owned();
        let facts = store.handle().block_on(store.bucket("b").facts());
        let region = Some("us-east-1".to_owned());
        assert_eq!(facts, Facts { region, acl: Fact::Known(Vec::new()), ..Facts::default() });
        assert_eq!(server.requests().len(), 7, "each was asked once");
    }

    #[test]
    fn what_the_caller_may_not_ask_is_not_known_and_names_the_permission() {
        let server = Server::new(|request, _| match &*request.line {
            line if line.contains("ownershipControls") => error("404 Not Found", "OwnershipControlsNotFoundError", "x"),
            _ => error("403 Forbidden", "AccessDenied", "Access Denied"),
        });
        let store = server.owned();
        let facts = store.handle().block_on(store.bucket("b").facts());
        for (fact, permission) in [
            (format!("{:?}", facts.policy), "(s3:GetBucketPolicy)"),
            (format!("{:?}", facts.policy_is_public), "(s3:GetBucketPolicyStatus)"),
            (format!("{:?}", facts.acl), "(s3:GetBucketAcl)"),
            (format!("{:?}", facts.block), "(s3:GetBucketPublicAccessBlock)"),
            (format!("{:?}", facts.account_block), "(s3:GetAccountPublicAccessBlock)"),
        ] {
            assert!(fact.starts_with("Unknown(\"asking for ") && fact.contains(permission), "{fact}");
        }
    }

    /// What the caller's own account blocks is nothing to it.
    #[test]
    fn a_bucket_of_another_account_is_not_shut_by_the_callers_block() {
        let server = Server::new(|request, _| match &*request.line {
            line if line.contains("/v20180820/") => full(request),
            _ => error("403 Forbidden", "AccessDenied", "Access Denied"),
        });
        let store = server.owned();
        let facts = store.handle().block_on(store.bucket("b").facts());
        assert!(facts.are_unknown(), "{facts:?}");
        assert!(matches!(&facts.account_block, Fact::Unknown(why) if why.contains("another account's")), "{facts:?}");
        let exposure = crate::exposure::judge("b", &facts);
        for public in [&exposure.list, &exposure.read, &exposure.public] {
            assert!(matches!(public, Publicness::Unknown(_)), "{public:?}");
        }
        assert_eq!(server.count("/v20180820/"), 0, "nothing was asked that decides nothing");
    }

    #[test]
    fn a_bucket_that_is_not_there_is_asked_about_once() {
        let server = Server::new(|_, _| error("404 Not Found", "NoSuchBucket", "The specified bucket does not exist"));
        let store = server.owned();
        let facts = store.handle().block_on(store.bucket("b").facts());
        assert!(matches!(&facts.policy, Fact::Unknown(why) if why.contains("no such bucket")), "{facts:?}");
        assert_eq!(server.requests().len(), 1);
    }

    fn listed(key: &str) -> Reply {
        let xml = format!(
            "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>{key}</Key></Contents></ListBucketResult>"
        );
        reply("200 OK", &[], xml)
    }

    #[test]
    fn a_stranger_tries() {
        let denied = || error("403 Forbidden", "AccessDenied", "Access Denied");
        let known = |yes| Fact::Known(yes);
        for (list, read, expected) in [
            ("yes", "yes", (known(true), known(true))),
            ("yes", "empty", (known(true), known(true))),
            ("yes", "no", (known(true), Fact::Absent)),
            ("no", "yes", (known(false), Fact::Absent)),
        ] {
            let server = Server::new(move |request, _| match (request.line.contains("list-type=2"), list, read) {
                (true, "yes", _) => listed("a%2Bb%01"),
                (false, _, "yes") => reply("206 Partial Content", &[], "x"),
                (false, _, "empty") => error("416 Range Not Satisfiable", "InvalidRange", "x"),
                _ => denied(),
            });
            let store = server.strange();
            let facts = store.handle().block_on(store.bucket("b").facts());
            let tried = facts.tried.unwrap();
            assert_eq!((tried.list, tried.read), expected, "{list} {read}");
            assert!(matches!(facts.policy, Fact::Unknown(why) if why == STRANGER));
            assert!(server.requests().iter().all(|request| request.header("authorization").is_none()));
            if list == "yes" {
                assert_eq!(server.count("/b/a%2Bb%01"), 1, "{:?}", server.requests());
            }
        }
        let server = Server::new(|_, _| reply("200 OK", &[], "<ListBucketResult/>"));
        let store = server.strange();
        let tried = store.handle().block_on(store.bucket("b").facts()).tried.unwrap();
        assert!(matches!(tried.read, Fact::Unknown(why) if why.contains("empty")));
    }

    #[test]
    fn an_objects_acl_is_that_of_its_version() {
        let server = Server::new(|_, _| reply("200 OK", &[], acl()));
        let bucket = server.owned().bucket("b");
        let version = Wanted { version_id: Some("v1".into()), ..wanted("a b") };
        let acl = async { bucket.object_acl(bucket.turn().await, &version).await };
        let grants = bucket.store().handle().block_on(acl).unwrap();
        assert_eq!(grants[1], Grant { grantee: GROUP.to_owned(), permission: "READ".to_owned() });
        let line = &server.requests()[0].line;
        assert!(line.starts_with("GET /b/a%20b?") && line.contains("versionId=v1"), "{line}");
    }
}
