//! The ledger: one finding is one leaked credential, however often it occurs. `group` makes them, `comment` reads what is said beside
//! them, `keyed` writes fingerprints that tell nothing.
//! No I/O here: matches and bytes are handed in.

use std::fmt;

use self::suppression::{Lapsed, Suppression};
use crate::engine::foreign::Terms;
use crate::engine::{self, Encoding, SecretKind};
use crate::key::{AccessKeyId, AccountId, KeyKind, Secret};
use crate::location::Point;
use crate::provenance::Provenance;

pub mod accounts;
pub mod comment;
pub mod group;
pub mod keyed;
mod neighbours;
pub mod redact;
pub mod snippet;
pub mod suppression;

/// SHA-256 of the credential itself: of the access key id where there is one, else of the secret.
/// No path, line or commit is in it, so it stays the same wherever the credential moves. Only of a file that is found by its path
/// it is that of the rule's name and the path.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

/// One leaked credential.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The same for the same credential in every report.
    pub fingerprint: Fingerprint,
    /// The rule that found it.
    pub rule: std::sync::Arc<str>,
    /// Its id, where one was found.
    pub access_key_id: Option<AccessKeyId>,
    /// The distinct secrets found with it, best first.
    pub secrets: Vec<(SecretKind, Secret)>,
    /// Every place, in the order of [`Occurrence`].
    pub occurrences: Vec<Occurrence>,
    /// What would suppress it had its day not passed.
    pub lapsed: Option<Lapsed>,
}

impl Finding {
    /// Why it does not count: all of its places are suppressed. Of several reasons the most general.
    pub fn suppressed(&self) -> Option<&Suppression> {
        let all: Option<Vec<&Suppression>> = self.occurrences.iter().map(|place| place.suppressed.as_ref()).collect();
        all?.into_iter().min_by_key(|suppression| suppression.by)
    }

    /// The places that count; of a finding that does not, all.
    pub fn counting(&self) -> impl Iterator<Item = &Occurrence> {
        let all = self.suppressed().is_some();
        self.occurrences.iter().filter(move |place| all || place.suppressed.is_none())
    }

    /// SHA-1 of the id and of each secret, as others write down what they ignore.
    pub fn sha1s(&self) -> Vec<[u8; 20]> {
        use sha1::{Digest, Sha1};
        let id = self.access_key_id.iter().map(|id| id.as_str().as_bytes());
        let secrets = self.secrets.iter().map(|(_, secret)| secret.expose());
        id.chain(secrets).map(|value| Sha1::digest(value).into()).collect()
    }

    /// The account it belongs to, as far as the id or a secret without one tells.
    pub fn account(&self) -> Option<AccountId> {
        match self.access_key_id {
            Some(id) => id.account(),
            None => self.secrets.iter().find_map(|(kind, secret)| engine::account_of(*kind, secret)),
        }
    }

    /// The alias of a long-term API key of Bedrock, by which IAM knows it.
    pub fn alias(&self) -> Option<String> {
        self.secrets.iter().find_map(|(kind, secret)| engine::alias_of(*kind, secret))
    }

    /// When it was first seen where it should not be, in seconds since 1970: the date of the earliest commit or tag that has it, as its
    /// author's clock had it. `None` where no place has a date.
    pub fn exposed(&self) -> Option<i64> {
        let commits = self.occurrences.iter().filter_map(|place| place.provenance.commit());
        // Before 1970 and at its first second are clocks that were never set.
        commits.map(|commit| commit.date.seconds).filter(|&seconds| seconds > 0).min()
    }

    /// When the last of it expires, in seconds since 1970. `None` if some of it does not, or does not say so.
    pub fn expires(&self) -> Option<i64> {
        let all: Option<Vec<i64>> = self.occurrences.iter().map(|occurrence| occurrence.expires).collect();
        all?.into_iter().max()
    }

    /// A long-term id and its secret are both out: nothing more is needed to use the account.
    pub fn opens_an_account(&self) -> bool {
        self.access_key_id.is_some_and(|id| id.kind() == KeyKind::LongTerm) && !self.is_id_alone()
    }

    /// An id is out, and no secret access key with it: who has it can't use it.
    pub fn is_id_alone(&self) -> bool {
        let has_key = self.secrets.iter().any(|(kind, _)| *kind == SecretKind::SecretAccessKey);
        self.access_key_id.is_some() && !has_key
    }
}

/// Whether it is a secret access key that reports call so.
pub fn is_called_key(kind: &str) -> bool {
    kind == SecretKind::SecretAccessKey.name()
}

/// One place at which a credential stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Occurrence {
    /// The blob.
    pub provenance: Provenance,
    /// Line and column of the id (of the secret, where that was found alone).
    pub point: Point,
    /// Offset of the same in the blob, in bytes from 0.
    pub offset: u64,
    /// The lines around it, already redacted.
    pub snippet: snippet::Snippet,
    /// What the bytes were decoded from, outermost first.
    pub encoding: Vec<Encoding>,
    /// When what stands there expires, in seconds since 1970, if it says so itself.
    pub expires: Option<i64>,
    /// What a comment beside it says. Whether that is heard is seen in `suppressed`.
    pub comment: Option<Suppression>,
    /// Why it does not count.
    pub suppressed: Option<Suppression>,
}

/// One match at one place: what findings are grouped from.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The rule that found it.
    pub rule: std::sync::Arc<str>,
    /// The id, if the match has one.
    pub access_key_id: Option<AccessKeyId>,
    /// The secrets of the match, best first.
    pub secrets: Vec<(SecretKind, Secret)>,
    /// The place.
    pub occurrence: Occurrence,
    /// Where its id and its secrets stand, where it matters which lines are new.
    pub parts: Vec<Part>,
    /// What the place must be like for it to be a hit at all; asked before hits are grouped.
    pub terms: Terms,
}

/// Where an id or a secret stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its first character.
    pub point: Point,
    /// The same in bytes from the start of the blob.
    pub offset: u64,
    /// The lines that it stands on.
    pub lines: std::ops::Range<u64>,
}

impl Hit {
    /// It is a file that was found by its path, whatever it holds.
    pub fn is_file(&self) -> bool {
        self.access_key_id.is_none() && self.secrets.is_empty()
    }
}

impl Hit {
    /// It is the id that signed a URL, without the key to sign others.
    pub fn is_presigned_url(&self) -> bool {
        let holds = |wanted| self.secrets.iter().any(|(kind, _)| *kind == wanted);
        holds(SecretKind::PresignedUrl) && !holds(SecretKind::SecretAccessKey)
    }
}

impl Fingerprint {
    /// The fingerprint whose bytes these are.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The fingerprint of a credential's text.
    pub fn of(credential: &[u8]) -> Self {
        use sha2::Digest;
        Self(sha2::Sha256::digest(credential).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
