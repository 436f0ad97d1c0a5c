//! Who may list a bucket and read what is in it, and by which of its settings: a judgement of what S3 told, without asking anybody.
//! Asking is the business of `aws::store`, showing it that of `report::buckets`.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html>

use std::collections::BTreeMap;

use self::acl::Acls;
use self::glob::Glob;
use self::policy::Access;
use self::standing::{BucketPolicy, Way};
use crate::provenance::{StoredObject, StoredPart};

mod acl;
mod condition;
mod glob;
mod policy;
mod standing;
#[cfg(test)]
mod tests;

/// What one setting of a bucket says.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Fact<T> {
    /// This.
    Known(T),
    /// It has no such setting.
    #[default]
    Absent,
    /// It could not be learnt, and why: a whole clause that says what was asked, without a full stop.
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
    /// What came of trying, where a stranger looked, who is told nothing of settings.
    pub tried: Option<Tried>,
}

impl Facts {
    /// Not one of the bucket's own settings could be learnt.
    pub fn are_unknown(&self) -> bool {
        fn is<T>(fact: &Fact<T>) -> bool {
            matches!(fact, Fact::Unknown(_))
        }
        let Self { policy, policy_is_public, acl, block, ownership, .. } = self;
        is(policy) && is(policy_is_public) && is(acl) && is(block) && is(ownership)
    }
}

/// What unsigned requests came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// A list of one key.
    pub list: Fact<bool>,
    /// A byte of the first object; absent where it was refused, as others need not be.
    pub read: Fact<bool>,
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

impl Publicness {
    /// It may.
    pub fn is_yes(&self) -> bool {
        matches!(self, Self::Yes(_))
    }

    /// Of several ways to it, one is enough.
    fn of(ways: Vec<Way>) -> Self {
        let (mut open, mut unclear, mut shut) = (Vec::new(), Vec::new(), Vec::new());
        for way in ways {
            let (list, text) = match way {
                Way::Open(by) => (&mut open, by),
                Way::Unclear(why) => (&mut unclear, why),
                Way::Shut(by, against) => (&mut shut, format!("{by} would let it, but {against}")),
            };
            if !list.contains(&text) {
                list.push(text);
            }
        }
        match (open.is_empty(), unclear.is_empty(), shut.is_empty()) {
            (false, _, _) => Self::Yes(open),
            (true, false, _) => Self::Unknown(unclear.join("; ")),
            (true, true, false) => Self::No(Some(shut.join("; "))),
            (true, true, true) => Self::No(None),
        }
    }
}

/// What the settings of a bucket come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// Whether the public may list it.
    pub list: Publicness,
    /// Whether the public may read objects of it: some, at least. What objects' own ACLs give is not in it: see [`Exposure::heeds_object_acls`].
    pub read: Publicness,
    /// Whether the public may write to it: objects, their ACLs, or the settings of the bucket. No stranger tries that: by trying it is not known.
    pub write: Publicness,
    /// Whether the public may do anything to it at all: one of these, or something else that S3 calls public.
    pub public: Publicness,
    /// What else there is to know, in sentences without their full stops.
    pub notes: Vec<String>,
    bucket: String,
    policy: BucketPolicy,
    acls: Acls,
    is_tried: bool,
}

/// What was worked out for parts of objects, one by one.
pub type OfObjects = BTreeMap<(StoredObject, StoredPart), Publicness>;

const LIST: &[&str] = &["s3:ListBucket", "s3:ListBucketVersions"];
const READ: &[&str] = &["s3:GetObject", "s3:GetObjectVersion"];
const WRITE_OBJECTS: &[&str] =
    &["s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectAcl", "s3:PutObjectVersionAcl"];
const WRITE_BUCKET: &[&str] = &[
    "s3:PutBucketAcl",
    "s3:PutBucketPolicy",
    "s3:DeleteBucketPolicy",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketOwnershipControls",
    "s3:DeleteBucket",
];

/// Works out who may do what to a bucket.
pub fn judge(bucket: &str, facts: &Facts) -> Exposure {
    let (policy, acls) = (BucketPolicy::new(facts), Acls::new(facts));
    let itself = Glob::literal(&arn(bucket));
    let objects = Glob::literal(&format!("{}/", arn(bucket))).and_more();
    let denials = |action, on| policy.denials(Access { action, on });
    let settings = || {
        let list =
            [policy.ways(LIST, &itself), acls.ways(&["READ", "FULL_CONTROL"], &denials("s3:ListBucket", &itself))];
        let write = [
            policy.ways(WRITE_OBJECTS, &objects),
            policy.ways(WRITE_BUCKET, &itself),
            acls.ways(&["WRITE", "FULL_CONTROL"], &denials("s3:PutObject", &objects)),
            acls.ways(&["WRITE_ACP"], &denials("s3:PutBucketAcl", &itself)),
        ];
        [list.concat(), policy.ways(READ, &objects), write.concat()]
    };
    let [list, read, write] = facts.tried.as_ref().map_or_else(settings, Tried::ways);
    let mut all = [&list[..], &read, &write].concat();
    // What S3 calls public besides is told where nothing else says it better.
    let is_open = all.iter().any(|way| matches!(way, Way::Open(_)));
    let by_status = policy.way_by_status().filter(|way| all.is_empty() || matches!(way, Way::Open(_)));
    all.extend(by_status.filter(|_| !is_open));
    Exposure {
        list: Publicness::of(list),
        read: Publicness::of(read),
        write: Publicness::of(write),
        public: Publicness::of(all),
        notes: [policy.notes(facts), acls.notes(facts)].concat(),
        bucket: bucket.to_owned(),
        policy,
        acls,
        is_tried: facts.tried.is_some(),
    }
}

fn arn(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}

impl Exposure {
    /// The own ACLs of objects count: single objects may be public by them, or it could not be learnt that they can't.
    pub fn heeds_object_acls(&self) -> bool {
        !self.is_tried && !self.acls.are_off()
    }

    /// The ACL of the object itself has a say in whether the public may read this part of it.
    pub fn needs_object_acl(&self, object: &StoredObject, part: StoredPart) -> bool {
        let is_settled = object.is_masked || part == StoredPart::Tags || !self.heeds_object_acls();
        !is_settled && !self.of_object(object, part, Some(&[])).is_yes()
    }

    /// Whether the public may read a part of an object, which the viewer has read; what the object's own ACL says is needed where
    /// [`Exposure::needs_object_acl`].
    pub fn of_object(&self, object: &StoredObject, part: StoredPart, acl: Option<&[Grant]>) -> Publicness {
        if self.is_tried {
            return Publicness::Yes(vec!["an unsigned request, which read it".to_owned()]);
        }
        // Whoever may list a bucket sees its keys, and so does whoever reads an object.
        if part == StoredPart::Key && self.list.is_yes() {
            return self.list.clone();
        }
        if object.is_masked {
            return Publicness::Unknown("its key holds something that was found, and is masked".to_owned());
        }
        let on = Glob::literal(&format!("{}/{}", arn(&self.bucket), object.key));
        let actions = actions(part, object.is_latest);
        let denials = self.policy.denials(Access { action: actions[0], on: &on });
        let by_acl = match acl {
            // ACLs give objects and what is written down about them, but not their tags.
            _ if part == StoredPart::Tags => Vec::new(),
            Some(grants) => self.acls.ways_of(grants, &["READ", "FULL_CONTROL"], &denials),
            None if self.acls.are_off() => Vec::new(),
            None => vec![Way::Unclear("its own ACL was not read".to_owned())],
        };
        let read = Publicness::of([self.policy.ways(actions, &on), by_acl].concat());
        match (&read, &self.list) {
            // It may be in a list.
            (Publicness::No(_), Publicness::Unknown(_)) if part == StoredPart::Key => self.list.clone(),
            _ => read,
        }
    }
}

/// By which actions a part of an object is read. Who names the version reads what everybody gets too.
fn actions(part: StoredPart, is_latest: bool) -> &'static [&'static str] {
    let actions: &[_] = match part {
        StoredPart::Tags => &["s3:GetObjectTagging", "s3:GetObjectVersionTagging"],
        StoredPart::Body | StoredPart::Key | StoredPart::Metadata => READ,
    };
    if is_latest { actions } else { &actions[1..] }
}

impl Tried {
    /// The ways to list, to read and to write. To try the last would change something, so it is left alone.
    fn ways(&self) -> [Vec<Way>; 3] {
        let ways = |fact: &Fact<bool>, untried: &str| match fact {
            Fact::Known(true) => vec![Way::Open("an unsigned request, which was answered".to_owned())],
            Fact::Known(false) => Vec::new(),
            Fact::Absent => vec![Way::Unclear(untried.to_owned())],
            Fact::Unknown(why) => vec![Way::Unclear(why.clone())],
        };
        let unread = match self.list {
            Fact::Known(true) => "the object that was tried can't be read unsigned, which others may be",
            _ => "it can't be listed unsigned, so that no object could be tried",
        };
        [ways(&self.list, "it was not tried"), ways(&self.read, unread), Vec::new()]
    }
}
