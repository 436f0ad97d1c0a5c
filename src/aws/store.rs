//! Buckets over the telephone: who reads them, what they list, what their objects hold, and who else may read them. How often a request is
//! repeated, where a bucket lives and how fast it may be asked is known here; what to read and in which order is `source::s3`'s business,
//! what the settings of a bucket come to `exposure`'s.
//!
//! Its methods are async; they run on the runtime of [`Store::handle`], and whoever is not may block on that, or on a [`Lane`] of his own.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use bstr::BString;
use tokio::runtime::Handle;

use self::call::Reach;
use self::connect::Inner;
use super::{Account, Caller, NoAccount};
use crate::exposure::{Facts, Grant, OfObjects};
use crate::provenance::{StoredObject, StoredPart};

pub use self::body::Body;
pub use self::gate::Turn;
pub use self::lane::Lane;

mod body;
mod call;
mod connect;
mod gate;
mod lane;
mod list;
mod no;
mod object;
mod public;
mod settings;
#[cfg(test)]
pub(crate) mod tests;
mod words;

/// How buckets are read.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The requester pays for what is read (`x-amz-request-payer`).
    pub request_payer: bool,
    /// The most requests that may be under way to one bucket.
    pub at_once: usize,
}

/// Whose eyes buckets are seen with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// An account's user or role.
    Caller(Arc<Caller>),
    /// A stranger: requests are not signed.
    Stranger,
}

/// S3, as one viewer. Clones share everything.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// A bucket of a list of buckets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// When it was made, in seconds since 1970.
    pub created: Option<i64>,
    /// Where, if the list says so.
    pub region: Option<String>,
}

/// A bucket as a viewer reaches it: its region is found out by the first request, its pace by all. Clones share both.
#[derive(Clone)]
pub struct Bucket {
    store: Store,
    reach: Arc<Reach>,
    /// The connections of one thread.
    lane: Option<SharedHttpClient>,
}

/// Which part of a bucket to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Only keys that begin so.
    pub prefix: String,
    /// What stands before the first `/` beyond the prefix is told once, as a prefix, instead of all that is below it.
    pub by_directory: bool,
    /// All versions and delete markers, not just what is current.
    pub versions: bool,
}

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marker {
    /// After this token of the answer before, which is of use only a short time.
    Token(String),
    /// After this key, and of versions after this version of it (all of its versions where there is none). As good next week.
    After(String, Option<String>),
}

/// A page of a list: up to a thousand entries.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Objects, and with [`Listing::versions`] their versions and delete markers, as they came.
    pub entries: Vec<Entry>,
    /// With [`Listing::by_directory`], what further lists are to begin with.
    pub prefixes: Vec<String>,
    /// Where it goes on; `None` at the end.
    pub next: Option<Marker>,
}

/// An object, a version of one, or a delete marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key, decoded.
    pub key: BString,
    /// `None` where versions were not asked for.
    pub version_id: Option<Arc<str>>,
    /// What a reader gets who names no version.
    pub is_latest: bool,
    /// It says that the object is gone, and has no bytes.
    pub is_delete_marker: bool,
    /// Bytes.
    pub size: u64,
    /// Without quotes.
    pub etag: Box<str>,
    /// In seconds since 1970.
    pub last_modified: Option<i64>,
    /// What it would be read from: `STANDARD`, `GLACIER`, …; empty where that is not told. Of an archived object that was restored it is that of the
    /// copy, `STANDARD`.
    pub storage_class: Box<str>,
}

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The key, decoded.
    pub key: BString,
    /// Which version; the current one if `None`.
    pub version_id: Option<Arc<str>>,
    /// Only if it still has this tag; empty asks for none.
    pub etag: Box<str>,
    /// The first byte wanted.
    pub from: u64,
}

/// Bytes of an object, as they came off the network.
pub struct Chunk(Box<dyn AsRef<[u8]> + Send + Sync>);

/// Why a request about a bucket or an object came to nothing. Its text is a whole clause that ends without a full stop, has what to try in
/// it where that is known, and holds nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct StoreError {
    /// What kind of no it is.
    pub kind: No,
    /// S3's own name for it, such as `NoSuchBucketPolicy`; empty where it gave none.
    pub code: Box<str>,
    /// In words.
    pub why: String,
    /// The permission that is missing, if it is that: `s3:GetObject`.
    pub permission: Option<String>,
}

/// Kinds of no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum No {
    /// The viewer may not.
    Denied,
    /// It is encrypted with a key that the viewer may not use.
    KeyDenied,
    /// There is no such bucket.
    NoBucket,
    /// There is no such object, or version: it was deleted since it was listed.
    Gone,
    /// It is another object by now than the one that was listed.
    Changed,
    /// It lies in an archive and would have to be restored first.
    Archived,
    /// Whoever asks is to pay for it, and did not agree to.
    RequesterPays,
    /// The bucket says that it is asked too often, and went on doing so.
    SlowDown,
    /// Credentials are missing, expired or not taken.
    Credentials,
    /// The endpoint can't be reached.
    Unreachable,
    /// It answered with an error of its own, or not in a way that could be understood, or broke off again and again.
    Failed,
}

impl StoreError {
    /// Every other request to this bucket would come to the same.
    pub fn is_the_buckets(&self) -> bool {
        matches!(self.kind, No::NoBucket | No::Credentials | No::Unreachable | No::RequesterPays)
    }
}

impl Store {
    /// S3 as the account's caller sees it.
    ///
    /// # Errors
    /// When its runtime can't be started.
    pub fn of(account: &Account, options: StoreOptions) -> Result<Self, NoAccount> {
        connect::of(account, options).map(|inner| Self { inner: Arc::new(inner) })
    }

    /// S3 as a stranger sees it: nothing is signed, no credentials are looked for. `profile` is for the endpoint and the region that it
    /// may name. To be called outside of any runtime.
    ///
    /// # Errors
    /// When its runtime can't be started.
    pub fn stranger(profile: Option<&str>, region: Option<&str>, options: StoreOptions) -> Result<Self, NoAccount> {
        connect::stranger(profile, region, options).map(|inner| Self { inner: Arc::new(inner) })
    }

    /// Whose eyes it is seen with.
    pub fn viewer(&self) -> &Viewer {
        &self.inner.viewer
    }

    /// Where its futures run.
    pub fn handle(&self) -> Handle {
        self.inner.handle()
    }

    /// How often each operation was called so far, repeated attempts included, by names such as `s3:GetObject`.
    pub fn requests(&self) -> BTreeMap<String, u64> {
        self.inner.requests()
    }

    /// Who else may read these parts of objects, all of which were read. Waits for the answers.
    pub fn public(&self, parts: Vec<(Arc<StoredObject>, StoredPart)>) -> OfObjects {
        self.handle().block_on(public::of_objects(self, parts))
    }

    /// Requests have gone to a server that says to be like S3.
    pub fn is_elsewhere(&self) -> bool {
        self.inner.is_elsewhere.load(Ordering::Relaxed)
    }

    /// One bucket. What was learnt of it is shared with everybody who has it.
    pub fn bucket(&self, name: &str) -> Bucket {
        Bucket { store: self.clone(), reach: self.inner.reach(name), lane: None }
    }

    /// All buckets of the account, in order of their names (`s3:ListAllMyBuckets`).
    ///
    /// # Errors
    /// When they could not be listed to the end.
    pub async fn buckets(&self) -> Result<Vec<Listed>, StoreError> {
        list::buckets(self).await
    }

    /// The settings of these buckets, several at a time, in their order.
    pub async fn survey(&self, buckets: &[String]) -> Vec<Facts> {
        settings::survey(self, buckets).await
    }
}

impl Bucket {
    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        self.reach.name()
    }

    /// The store that it is of.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// One page of a list.
    ///
    /// # Errors
    /// When it could not be had, after all attempts.
    pub async fn list(&self, listing: &Listing, from: Option<&Marker>) -> Result<Page, StoreError> {
        list::page(self, listing, from).await
    }

    /// Waits until another request may go out.
    pub async fn turn(&self) -> Turn {
        self.reach.gate().turn().await
    }

    /// Asks for an object's bytes, from somewhere to its end.
    ///
    /// # Errors
    /// When it could not be had, after all attempts.
    pub async fn get(&self, turn: Turn, wanted: &Wanted) -> Result<Body, StoreError> {
        Body::of(self.clone(), turn, wanted.clone()).await
    }

    /// The user's metadata of an object whose bytes are not read.
    ///
    /// # Errors
    /// When it could not be had, after all attempts.
    pub async fn metadata(&self, mut turn: Turn, wanted: &Wanted) -> Result<Vec<(String, String)>, StoreError> {
        object::metadata(self, &mut turn, wanted).await
    }

    /// An object's tags (`s3:GetObjectTagging`, of versions `s3:GetObjectVersionTagging`).
    ///
    /// # Errors
    /// When they could not be had, after all attempts.
    pub async fn tags(&self, mut turn: Turn, wanted: &Wanted) -> Result<Vec<(String, String)>, StoreError> {
        object::tags(self, &mut turn, wanted).await
    }

    /// What its settings say of who may list and read it. What could not be learnt is told in the facts.
    pub async fn facts(&self) -> Facts {
        settings::facts(self).await
    }

    /// Whom an object's own access list lets read it (`s3:GetObjectAcl`).
    ///
    /// # Errors
    /// When it could not be had, after all attempts.
    pub async fn object_acl(&self, mut turn: Turn, wanted: &Wanted) -> Result<Vec<Grant>, StoreError> {
        settings::object_acl(self, &mut turn, wanted).await
    }
}

impl Chunk {
    fn new(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self(Box::new(bytes))
    }
}

impl Default for Chunk {
    fn default() -> Self {
        Self::new([])
    }
}

impl From<Vec<u8>> for Chunk {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

/// The SDK shows what it is configured with: nothing of it is shown.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("viewer", self.viewer()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("name", self.name()).finish_non_exhaustive()
    }
}
