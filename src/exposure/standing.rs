//! How settings stand to each other: the policy and what S3 calls it, public access blocks over what they are against, denials over grants.

use super::glob::Glob;
use super::policy::{Access, Denials, Grant, Policy};
use super::{Block, Fact, Facts};

/// A way by which the public may get to something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By this.
    Open(String),
    /// By this it would, but something stands against it, as a clause says.
    Shut(String, String),
    /// It is not known whether there is one, and why.
    Unclear(String),
}

/// Whether something stands against a kind of ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bar {
    No,
    /// What, as a clause.
    By(String),
    /// Why that could not be learnt.
    Unknown(String),
}

impl Bar {
    /// A setting of the public access blocks: the bucket's and the account's, of which either is enough.
    pub(super) fn of(facts: &Facts, setting: &str, is_set: impl Fn(&Block) -> bool) -> Self {
        let blocks = [(&facts.block, "bucket"), (&facts.account_block, "account")];
        let mut bar = Self::No;
        for (block, whose) in blocks {
            match block {
                Fact::Known(block) if is_set(block) => {
                    return Self::By(format!("{setting} of the {whose}'s public access block stands against it"));
                }
                Fact::Unknown(why) if bar == Self::No => bar = Self::Unknown(why.clone()),
                _ => {}
            }
        }
        bar
    }

    /// What becomes of a way that leads through it.
    pub(super) fn before(&self, way: Way) -> Way {
        match (way, self) {
            (Way::Open(by), Self::By(against)) => Way::Shut(by, against.clone()),
            (Way::Open(by), Self::Unknown(why)) => {
                Way::Unclear(format!("{by} would let it, if no other setting stood against that: {why}"))
            }
            (way, _) => way,
        }
    }
}

impl Denials {
    /// What becomes of access that is given by this.
    pub(super) fn before(&self, by: String) -> Way {
        match &self.all {
            Some(denial) => Way::Shut(by, format!("{denial} denies it")),
            None => Way::Open(self.some.iter().fold(by, |told, some| format!("{told}, {some}"))),
        }
    }
}

/// The bucket policy: its text, what S3 calls it, and what stands against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BucketPolicy {
    text: Fact<Policy>,
    is_public: Fact<bool>,
    bar: Bar,
}

impl BucketPolicy {
    pub(super) fn new(facts: &Facts) -> Self {
        let text = match &facts.policy {
            Fact::Absent => Fact::Absent,
            Fact::Unknown(why) => Fact::Unknown(why.clone()),
            Fact::Known(text) => match Policy::parse(text) {
                Ok(policy) => Fact::Known(policy),
                Err(why) => Fact::Unknown(format!("the bucket policy can't be understood: {why}")),
            },
        };
        let bar = Bar::of(facts, "RestrictPublicBuckets", |block| block.restrict);
        Self { text, is_public: facts.policy_is_public.clone(), bar }
    }

    /// By which statements the public may do one of these; the first action stands for all of its kind.
    pub(super) fn ways(&self, actions: &[&str], on: &Glob) -> Vec<Way> {
        let ways = match (&self.text, &self.is_public) {
            (Fact::Known(policy), _) => self.ways_in(policy, actions, on),
            (_, Fact::Known(false)) | (Fact::Absent, Fact::Absent | Fact::Unknown(_)) => Vec::new(),
            (Fact::Unknown(why), Fact::Known(true)) => {
                vec![Way::Unclear(format!(
                    "S3 calls the bucket policy public, and what it lets the public do is not known: {why}"
                ))]
            }
            // Its text was asked for a moment earlier or later.
            (Fact::Absent, Fact::Known(true)) => {
                vec![Way::Unclear("the bucket policy was changed just now; ask again".to_owned())]
            }
            (Fact::Unknown(why), _) => vec![Way::Unclear(why.clone())],
        };
        // With the bar down it makes no difference what else is not known.
        let is_barred = matches!(self.bar, Bar::By(_));
        let ways = ways.into_iter().filter(|way| !(is_barred && matches!(way, Way::Unclear(_))));
        ways.map(|way| self.bar.before(way)).collect()
    }

    fn ways_in(&self, policy: &Policy, actions: &[&str], on: &Glob) -> Vec<Way> {
        let (mut ways, mut told): (Vec<Way>, Vec<Grant>) = (Vec::new(), Vec::new());
        for (at, action) in actions.iter().enumerate() {
            for grant in policy.grants(Access { action, on }) {
                // What is given with one action is not told again for others.
                if !told.contains(&grant) {
                    told.push(grant.clone());
                    ways.push(self.way(policy, if at == 0 { grant } else { grant.with(action) }));
                }
            }
        }
        ways
    }

    fn way(&self, policy: &Policy, grant: Grant) -> Way {
        let privately = "S3 does not call the bucket policy public";
        match (grant, &self.is_public) {
            (Grant::Given(by), Fact::Known(false)) => Way::Shut(by, privately.to_owned()),
            (Grant::Given(by), _) => Way::Open(by),
            // Of what S3 calls public something must be, and conditions are what it may understand otherwise.
            (Grant::Conditioned(by, why), Fact::Known(true)) if !policy.gives_anything() => {
                Way::Open(format!("{by}, which S3 calls public though {why}"))
            }
            (Grant::Conditioned(by, against) | Grant::Denied(by, against), _) => Way::Shut(by, against),
        }
    }

    /// What the policy denies everybody, as far as it is known.
    pub(super) fn denials(&self, access: Access<'_>) -> Denials {
        match &self.text {
            Fact::Known(policy) => policy.denials(access),
            _ => Denials::default(),
        }
    }

    /// By S3's own judgement alone, where the statements don't explain it.
    pub(super) fn way_by_status(&self) -> Option<Way> {
        let is_denied = matches!(&self.text, Fact::Known(policy) if policy.denies_anything());
        let is_public = self.is_public == Fact::Known(true) && !is_denied;
        is_public.then(|| self.bar.before(Way::Open("the bucket policy (S3 calls it public)".to_owned())))
    }

    /// What there is to say of it that decides nothing.
    pub(super) fn notes(&self, facts: &Facts) -> Vec<String> {
        let mut notes = Vec::new();
        let Fact::Known(policy) = &self.text else {
            if let (Fact::Unknown(why), Fact::Known(_)) = (&self.text, &self.is_public) {
                notes.push(format!("what S3 calls the bucket policy is all that is known of it: {why}"));
            }
            return notes;
        };
        if let Fact::Unknown(why) = &self.is_public {
            notes.push(format!("the bucket policy is judged by its text alone: {why}"));
        }
        let blocks = [&facts.block, &facts.account_block];
        let is_blocked = blocks.iter().any(|block| matches!(block, Fact::Known(Block { block_policy: true, .. })));
        if is_blocked && self.is_public == Fact::Known(true) && self.bar == Bar::No {
            notes.push(
                "BlockPublicPolicy refuses new public policies only, and does nothing about the one that is there"
                    .to_owned(),
            );
        }
        notes.extend(
            policy
                .of_access_points()
                .map(|name| format!("policy {name} leaves it to access points who gets in, which are not looked at")),
        );
        notes
    }
}
