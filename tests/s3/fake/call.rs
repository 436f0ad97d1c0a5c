//! A request, taken apart: which operation, of what, signed by whom.

use std::collections::BTreeMap;

use crate::request::{Request, decoded, form_fields};

/// A request, and what it came to.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Such as `GetObject`.
    pub(crate) operation: &'static str,
    /// Empty where it is of none.
    pub(crate) bucket: String,
    /// Decoded; empty where it is of none.
    pub(crate) key: String,
    pub(crate) version: Option<String>,
    /// As it stands in the header: `bytes=0-`.
    pub(crate) range: Option<String>,
    /// Without quotes.
    pub(crate) if_match: Option<String>,
    /// The access key id that it is signed with; `None` if it is not signed.
    pub(crate) signer: Option<String>,
    /// For which region it is signed.
    pub(crate) region: Option<String>,
    /// Whoever asks agrees to pay.
    pub(crate) pays: bool,
    pub(super) query: BTreeMap<String, String>,
    /// Of the answer; 0 as long as there is none.
    pub(crate) status: u16,
}

/// How paths of S3 Control begin.
const CONTROL: &str = "v20180820/";

impl Call {
    pub(super) fn of(request: &Request) -> Self {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let query = form_fields(query.as_bytes());
        let path = path.strip_prefix('/').unwrap_or(path);
        // Settings of the account have an API of their own.
        let (bucket, key) = match path.starts_with(CONTROL) {
            true => ("", path),
            false => path.split_once('/').unwrap_or((path, "")),
        };
        let header = |name: &str| request.headers.get(name).cloned();
        let scope = header("authorization").and_then(|header| {
            let (_, scope) = header.split_once("Credential=")?;
            let mut parts = scope.split('/').map(str::to_owned);
            Some((parts.next()?, parts.nth(1)?))
        });
        let (signer, region) = scope.unzip();
        Self {
            operation: operation(&request.method, bucket, key, &query),
            bucket: decoded(bucket),
            key: decoded(key),
            version: query.get("versionId").cloned(),
            range: header("range"),
            if_match: header("if-match").map(|tag| tag.trim_matches('"').to_owned()),
            signer,
            region,
            pays: header("x-amz-request-payer").is_some(),
            query,
            status: 0,
        }
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }
}

fn operation(method: &str, bucket: &str, key: &str, query: &BTreeMap<String, String>) -> &'static str {
    let is = |name: &str| query.contains_key(name);
    match (method, bucket, key) {
        ("POST", ..) => "GetCallerIdentity",
        ("GET", "", "") => "ListBuckets",
        ("GET", "", _) => "GetAccountPublicAccessBlock",
        ("HEAD", _, "") => "HeadBucket",
        ("HEAD", ..) => "HeadObject",
        ("GET", _, "") if is("list-type") => "ListObjectsV2",
        ("GET", _, "") if is("versions") => "ListObjectVersions",
        ("GET", _, "") if is("location") => "GetBucketLocation",
        ("GET", _, "") if is("policyStatus") => "GetBucketPolicyStatus",
        ("GET", _, "") if is("policy") => "GetBucketPolicy",
        ("GET", _, "") if is("acl") => "GetBucketAcl",
        ("GET", _, "") if is("publicAccessBlock") => "GetPublicAccessBlock",
        ("GET", _, "") if is("ownershipControls") => "GetBucketOwnershipControls",
        ("GET", _, "") => "ListObjects",
        ("GET", ..) if is("tagging") => "GetObjectTagging",
        ("GET", ..) if is("acl") => "GetObjectAcl",
        ("GET", ..) => "GetObject",
        // A sweep that would change something is not answered.
        _ => "Change",
    }
}
