//! What ACLs give to everybody, and whether they count at all.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html>

use super::policy::Denials;
use super::standing::{Bar, Way};
use super::{Block, Fact, Facts, Grant};

/// The bucket's ACL, and what stands against ACLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Acls {
    grants: Fact<Vec<Grant>>,
    bar: Bar,
}

impl Acls {
    pub(super) fn new(facts: &Facts) -> Self {
        let by_block = Bar::of(facts, "IgnorePublicAcls", |block| block.ignore_acls);
        let bar = match (&facts.ownership, by_block) {
            (Fact::Known(owner), _) if owner == "BucketOwnerEnforced" => {
                Bar::By("ownership BucketOwnerEnforced makes ACLs count for nothing".to_owned())
            }
            (Fact::Unknown(why), Bar::No) => Bar::Unknown(why.clone()),
            (_, by_block) => by_block,
        };
        Self { grants: facts.acl.clone(), bar }
    }

    /// They count for nothing.
    pub(super) fn are_off(&self) -> bool {
        matches!(self.bar, Bar::By(_))
    }

    /// By what of the bucket's ACL the public has one of these permissions.
    pub(super) fn ways(&self, permissions: &[&str], denials: &Denials) -> Vec<Way> {
        match &self.grants {
            Fact::Known(grants) => self.ways_of(grants, permissions, denials),
            Fact::Absent => Vec::new(),
            Fact::Unknown(_) if self.are_off() => Vec::new(),
            Fact::Unknown(why) => vec![Way::Unclear(why.clone())],
        }
    }

    /// The same of another ACL, an object's.
    pub(super) fn ways_of(&self, grants: &[Grant], permissions: &[&str], denials: &Denials) -> Vec<Way> {
        let given = grants.iter().filter(|grant| permissions.contains(&&*grant.permission));
        given.filter_map(told).map(|by| self.bar.before(denials.before(by))).collect()
    }

    /// What there is to say of them that decides nothing.
    pub(super) fn notes(&self, facts: &Facts) -> Vec<String> {
        let mut notes = Vec::new();
        if self.are_off() {
            return notes;
        }
        let public: Vec<&Grant> = match &self.grants {
            Fact::Known(grants) => grants.iter().filter(|grant| told(grant).is_some()).collect(),
            _ => Vec::new(),
        };
        let blocks = [&facts.block, &facts.account_block];
        let is_blocked = blocks.iter().any(|block| matches!(block, Fact::Known(Block { block_acls: true, .. })));
        if is_blocked && !public.is_empty() {
            notes.push(
                "BlockPublicAcls refuses new public ACLs only, and does nothing about the one that is there".to_owned(),
            );
        }
        notes.extend(
            public
                .iter()
                .filter(|grant| grant.permission == "READ_ACP")
                .map(|grant| format!("its ACL can be read by {}", group(&grant.grantee).unwrap_or_default())),
        );
        notes
    }
}

/// By what a grant lets the public in, if it does.
fn told(grant: &Grant) -> Option<String> {
    Some(format!("ACL grant {} to {}", grant.permission, group(&grant.grantee)?))
}

/// The groups that are the public. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#specifying-grantee-predefined-groups>
fn group(grantee: &str) -> Option<&'static str> {
    let (_, group) = grantee.split_once("://acs.amazonaws.com/groups/global/")?;
    match group {
        "AllUsers" => Some("everyone"),
        "AuthenticatedUsers" => Some("everyone with an AWS account"),
        _ => None,
    }
}
