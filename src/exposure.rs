//! Who may list a bucket and read what is in it, and by which of its settings: a judgement of what S3 told, without asking anybody.
//! Asking is the business of `aws::store`, showing it that of `report::buckets`.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html>

use std::collections::BTreeMap;

use crate::provenance::StoredObject;

/// What one setting of a bucket says.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Fact<T> {
    /// This.
    Known(T),
    /// It has no such setting.
    #[default]
    Absent,
    /// It could not be learnt, and why.
    Unknown(String),
}

/// A public access block, of a bucket or of its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Block {
    /// New public ACLs are refused.
    pub block_acls: bool,
    /// Public ACLs are there and count for nothing.
    pub ignore_acls: bool,
    /// New public policies are refused.
    pub block_policy: bool,
    /// A public policy lets in the account and AWS services alone.
    pub restrict: bool,
}

/// To whom an ACL gives what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The URI of a group, or the id of an account.
    pub grantee: String,
    /// `READ`, `WRITE`, `READ_ACP`, `WRITE_ACP`, `FULL_CONTROL`.
    pub permission: String,
}

/// What S3 told of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Facts {
    /// Where it is.
    pub region: Option<String>,
    /// The bucket policy, as JSON text.
    pub policy: Fact<String>,
    /// Whether S3 itself calls that policy public (`GetBucketPolicyStatus`).
    pub policy_is_public: Fact<bool>,
    /// The bucket's own ACL.
    pub acl: Fact<Vec<Grant>>,
    /// Its public access block.
    pub block: Fact<Block>,
    /// Its account's.
    pub account_block: Fact<Block>,
    /// `BucketOwnerEnforced` (ACLs count for nothing), `BucketOwnerPreferred`, `ObjectWriter`.
    pub ownership: Fact<String>,
}

/// Whether the public may do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publicness {
    /// It may, and by what: `policy statement PublicRead`, `ACL grant READ to everyone`.
    Yes(Vec<String>),
    /// It may not; where something would let it, what stands against that.
    No(Option<String>),
    /// It could not be worked out, and why.
    Unknown(String),
}

/// What the settings of a bucket come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// Whether the public may list it.
    pub list: Publicness,
    /// Whether the public may read objects of it: some, at least.
    pub read: Publicness,
}

/// What was worked out for objects, one by one.
pub type OfObjects = BTreeMap<StoredObject, Publicness>;
