//! What a bucket's settings say of who may do what, and who is asking.

use super::answer::{Answer, Refusal, element};
use super::bucket::Bucket;
use super::call::Call;
use crate::request::Request;

/// Who everybody is that signs.
pub(super) fn caller() -> Answer {
    let inside = "<GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/reader</Arn><UserId>AIDAQREADER</UserId>\
                  <Account>111122223333</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>0</RequestId></ResponseMetadata>";
    let space = "https://sts.amazonaws.com/doc/2011-06-15/";
    let body = format!("<GetCallerIdentityResponse xmlns=\"{space}\">{inside}</GetCallerIdentityResponse>");
    Answer::new(200).with("Content-Type", "text/xml").body(body.into_bytes())
}

pub(super) fn answer(bucket: &Bucket, call: &Call) -> Result<Answer, Refusal> {
    let is_public = bucket.public_list || bucket.public_read;
    let owner = "<Owner><ID>owner</ID></Owner>";
    match call.operation {
        "GetBucketLocation" => Ok(Answer::xml("LocationConstraint", location(bucket.region()))),
        "GetBucketPolicy" if is_public => Ok(Answer::new(200)
            .with("Content-Type", "application/json")
            .body(policy(bucket, &call.bucket).into_bytes())),
        "GetBucketPolicyStatus" if is_public => Ok(Answer::xml("PolicyStatus", &element("IsPublic", "true"))),
        "GetBucketPolicy" | "GetBucketPolicyStatus" => {
            Err(Refusal::new(404, "NoSuchBucketPolicy", "The bucket policy does not exist"))
        }
        "GetBucketAcl" | "GetObjectAcl" => {
            Ok(Answer::xml("AccessControlPolicy", &format!("{owner}<AccessControlList></AccessControlList>")))
        }
        "GetPublicAccessBlock" => Err(no_block()),
        "GetBucketOwnershipControls" => {
            let rule = "<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>";
            Ok(Answer::xml("OwnershipControls", rule))
        }
        other => Err(Refusal::new(501, "NotImplemented", format!("no {other} here"))),
    }
}

/// Neither of a bucket nor of its account.
pub(super) fn no_block() -> Refusal {
    Refusal::new(404, "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
}

fn location(region: &str) -> &str {
    if region == "us-east-1" { "" } else { region }
}

/// What lets everybody do what everybody may.
fn policy(bucket: &Bucket, name: &str) -> String {
    let statement = |sid: &str, action: &str, resource: &str| {
        format!(
            r#"{{"Sid":"{sid}","Effect":"Allow","Principal":"*","Action":[{action}],"Resource":"arn:aws:s3:::{name}{resource}"}}"#
        )
    };
    let list = bucket.public_list.then(|| statement("PublicList", r#""s3:ListBucket","s3:ListBucketVersions""#, ""));
    let read = bucket.public_read.then(|| statement("PublicRead", r#""s3:GetObject","s3:GetObjectVersion""#, "/*"));
    let statements: Vec<_> = list.into_iter().chain(read).collect();
    format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","))
}

#[test]
fn what_asks_who_one_is_needs_no_bucket() {
    let request = Request { method: "POST".to_owned(), path: "/".to_owned(), ..Request::default() };
    assert_eq!(Call::of(&request).operation, "GetCallerIdentity");
}
