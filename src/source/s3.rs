//! Buckets: lists what is in them, fetches it and hands it out, within a bound of bytes in flight. It goes on where a single object can't be
//! read, remembers how far it came where it is asked to, and says what it left out.
//!
//! Requests, and how often they are repeated, are `aws::store`'s business. Lists and fetches run on the store's threads, what is scanned on those of
//! the sweep's pool, each of which takes the next object when it is through with one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::{Sink, Skipped, Source, SourceError};
use crate::aws::store::Store;

mod archived;
mod delivery;
mod dispatch;
mod estimate;
mod fetch;
mod filter;
mod hand;
mod inventory;
mod list;
mod pick;
mod remote;
mod state;
#[cfg(test)]
mod tests;

use dispatch::{Budget, Run};
pub use filter::BucketGlobs;
use filter::Filter;
use pick::Picker;
use state::Memory;

/// So many buckets are read at once.
const BUCKETS: usize = 4;
/// So many objects may wait to be scanned, as far as there is room for their bytes.
const READY: usize = 256;

/// A bucket, or what is in it below a prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The bucket.
    pub bucket: String,
    /// Only keys that begin so; empty for all.
    pub prefix: String,
}

impl Target {
    /// What is to be told when nothing begins with the prefix. A bucket may well be empty.
    fn unread(&self) -> Option<Skipped> {
        let why = "nothing is there: no key of the bucket begins so";
        (!self.prefix.is_empty()).then(|| Skipped::new(list::name(&self.bucket, &self.prefix), why))
    }
}

/// What to read of the targets, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Noncurrent versions too, and what lies under delete markers.
    pub versions: bool,
    /// Keys, the user's metadata and tags too.
    pub metadata: bool,
    /// Only keys that one of these globs matches; all if there are none. A glob without `/` is matched against what follows the last `/` of a
    /// key, one with `/` against the whole key, one that ends with `/` against all that begins so; `*` stops at `/`, `**` does not.
    pub include: Vec<String>,
    /// No keys that one of these globs matches.
    pub exclude: Vec<String>,
    /// Only what was written later, in seconds since 1970.
    pub newer_than: Option<i64>,
    /// Larger objects are left out and noted as such, in bytes.
    pub max_size: Option<u64>,
    /// No more than so many objects of each target, spread over its keys.
    pub sample: Option<u64>,
    /// A part of the work: number (from 1) and how many parts there are. Which object is of which part is the same on every machine, for every
    /// version of the program and in every order of lists.
    pub shard: Option<(u32, u32)>,
    /// Bytes of objects in memory.
    pub max_in_flight: u64,
    /// Where to remember what was read.
    pub state: Option<State>,
    /// Take what there is to read from this inventory instead of listing: `s3://bucket/…/manifest.json`.
    pub inventory: Option<Target>,
}

/// Where a sweep remembers how far it came, and what was clean. One that was killed goes on from there: what was written before that point since
/// is the next one's. An object is known by key, version, tag, size and date, which do not change with its tags (in S3's other sense of
/// the word): what is put into those of a known object is not seen.
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
    /// What to list of each bucket; no prefix begins with another.
    targets: BTreeMap<String, Vec<String>>,
    options: Options,
    filter: Arc<Filter>,
}

impl Buckets {
    /// Targets that are within others are read once.
    ///
    /// # Errors
    /// When a glob is none, or the state can't be opened.
    pub fn new(store: Store, targets: Vec<Target>, options: Options) -> Result<Self, SourceError> {
        // An inventory says itself which bucket it is of.
        let targets = if options.inventory.is_some() { BTreeMap::new() } else { outermost(targets) };
        let filter = Arc::new(Filter::new(&options).map_err(failed)?);
        let buckets = Self { store, targets, options, filter };
        // It is open only while it is used: others of the same program may have to.
        buckets.picker()?;
        Ok(buckets)
    }

    /// What decides what is read.
    fn picker(&self) -> Result<Picker, SourceError> {
        let open = |state| Memory::open(state, &self.options, plan(&self.targets, &self.options)).map(Arc::new);
        let memory = self.options.state.as_ref().map(open).transpose().map_err(failed)?;
        Ok(Picker { filter: self.filter.clone(), metadata: self.options.metadata, memory })
    }

    /// Lists everything and reads nothing. What could not be listed goes to `sink`.
    ///
    /// # Errors
    /// When the state can't be opened any more.
    pub fn estimate(&self, sink: &dyn Sink) -> Result<Estimate, SourceError> {
        Ok(estimate::estimate(self, &self.picker()?, sink))
    }
}

impl Source for Buckets {
    fn visit(&self, sink: &dyn Sink) -> Result<(), SourceError> {
        let (handle, picker) = (self.store.handle(), Arc::new(self.picker()?));
        let (out, incoming) = mpsc::channel(READY);
        let memory = &picker.memory;
        let (journal, written) = memory.as_ref().map(|memory| memory.journal(&handle)).unzip();
        let archived = Arc::new(Mutex::default());
        let run = Run {
            handle: handle.clone(),
            picker: picker.clone(),
            versions: self.options.versions,
            sample: self.options.sample,
            keeps_marks: self.options.sample.is_none() && self.options.inventory.is_none(),
            journal,
            budget: Budget::new(self.options.max_in_flight),
            out,
            archived: Arc::clone(&archived),
        };
        let (store, targets) = (self.store.clone(), self.targets.clone());
        let reading = handle.spawn(all(Arc::new(run), store, targets, self.options.inventory.clone()));
        hand::hand_out(incoming, sink);
        let broken = handle.block_on(reading).unwrap_or_else(|error| vec![error.to_string()]);
        for why in broken {
            let why = format!("reading broke off by a mistake of keysweep's ({why}); please report it");
            sink.skipped(Skipped::new("buckets", why));
        }
        let archived = std::mem::take(&mut *archived.lock().unwrap_or_else(PoisonError::into_inner));
        for (bucket, archived) in &archived {
            archived::told(bucket, archived).into_iter().for_each(|skipped| sink.skipped(skipped));
        }
        let written = written.map(|written| handle.block_on(written).unwrap_or_else(|error| Err(error.to_string())));
        let finished = written.transpose().and_then(|_| memory.as_ref().map(|memory| memory.finish()).transpose());
        if let Err(why) = finished {
            sink.note(format!("not all of what was read is remembered: {why}; the next sweep reads that again"));
        }
        Ok(())
    }
}

/// Reads all targets, a few buckets at a time. Gives what broke off.
async fn all(
    run: Arc<Run>,
    store: Store,
    targets: BTreeMap<String, Vec<String>>,
    inventory: Option<Target>,
) -> Vec<String> {
    let turns = Arc::new(Semaphore::new(BUCKETS));
    let mut buckets = JoinSet::new();
    if let Some(inventory) = inventory {
        buckets.spawn(run.clone().inventory(store.clone(), inventory));
    }
    for (bucket, prefixes) in targets {
        let turn = turns.clone().acquire_owned().await;
        let (run, bucket) = (run.clone(), store.bucket(&bucket));
        buckets.spawn(async move {
            let _turn = turn;
            run.bucket(bucket, prefixes).await;
        });
    }
    let mut broken = Vec::new();
    while let Some(ended) = buckets.join_next().await {
        broken.extend(ended.err().map(|error| error.to_string()));
    }
    broken
}

fn failed(why: String) -> SourceError {
    SourceError { what: "buckets".to_owned(), why }
}

/// By bucket, which prefixes to list: none that begins with another.
fn outermost(mut targets: Vec<Target>) -> BTreeMap<String, Vec<String>> {
    targets.sort();
    let mut outermost: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Target { bucket, prefix } in targets {
        let prefixes = outermost.entry(bucket).or_default();
        // What begins with another stands behind it, and only what begins with it as well stands between the two.
        if prefixes.last().is_none_or(|last| !prefix.starts_with(last.as_str())) {
            prefixes.push(prefix);
        }
    }
    outermost
}

/// A digest of which objects are listed and which of them are read.
fn plan(targets: &BTreeMap<String, Vec<String>>, options: &Options) -> [u8; 32] {
    let Options { versions, metadata, include, exclude, newer_than, max_size, sample, shard, inventory, .. } = options;
    let asked = (targets, versions, metadata, include, exclude, newer_than, max_size, sample, shard, inventory);
    Sha256::digest(format!("{asked:?}")).into()
}
