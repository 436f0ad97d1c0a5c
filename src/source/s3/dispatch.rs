//! From pages of lists to objects on their way: what of a page is read, in which order it is asked for, and how much of it is in memory at once.
//! One object's requests are `fetch`'s business, scanning it `hand`'s.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinError, JoinSet};

use super::delivery::Delivery;
use super::filter::{Sample, Verdict, is_archived};
use super::list::{self, Lists, Step, Unit};
use super::pick::{Picked, Picker, too_large};
use super::state::{Archived, Journal, Listed, Outcome, Print, Ticket, Told};
use super::{Target, archived, fetch};
use crate::aws::store::{Bucket, Entry, Store, StoreError};
use crate::source::Skipped;

/// Objects up to this size are fetched whole, larger ones are read piece by piece.
const WHOLE: u64 = 8 << 20;
/// What one that is read piece by piece takes: a window while it grows, its beginning, the piece that comes, and what a decoder holds.
const PIECEWISE: u64 = 24 << 20;
/// What an object takes beside its bytes.
const BESIDE: u64 = 4 << 10;
/// After so many failures in a row that are the bucket's and not an object's, the rest of it is not tried.
const PATIENCE: u32 = 10;

/// What is on its way to whoever scans.
pub(super) enum Out {
    /// An object, or what there is of it.
    Object(Box<Object>),
    /// Something that was not read.
    Skipped(Skipped),
    /// So many objects need not be read.
    Known(u64),
}

/// An object on its way.
pub(super) struct Object {
    pub(super) shelf: Arc<Shelf>,
    /// The shelf's, by whatever way the object comes.
    pub(super) bucket: Bucket,
    pub(super) entry: Entry,
    pub(super) ticket: Ticket,
    /// Its bytes are to be read, not just what is written down about it.
    pub(super) wants_bytes: bool,
    pub(super) body: Part,
    /// The user's metadata, line by line, and the tags.
    pub(super) metadata: String,
    pub(super) tags: String,
    /// What of it could not be read.
    pub(super) troubles: Vec<Skipped>,
    /// Bytes of it are missing that are counted elsewhere.
    pub(super) is_counted: bool,
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

/// The bytes of an object on its way.
pub(super) enum Part {
    /// None, or none that could be had.
    None,
    /// All of them.
    Whole(Vec<u8>),
    /// To be read piece by piece.
    Remote,
}

/// A bucket that is being read.
pub(super) struct Shelf {
    pub(super) run: Arc<Run>,
    pub(super) bucket: Bucket,
    failures: AtomicU32,
    /// Why the rest of it is not tried, from then on.
    given_up: OnceLock<StoreError>,
    /// So many objects that were under way came to the same; `None` once that has been told.
    left: Mutex<Option<u64>>,
}

/// What all buckets of a sweep share.
pub(super) struct Run {
    pub(super) handle: Handle,
    pub(super) picker: Arc<Picker>,
    pub(super) versions: bool,
    pub(super) sample: Option<u64>,
    /// How far lists are is written down: not where no list decides what is read next.
    pub(super) keeps_marks: bool,
    pub(super) journal: Option<Journal>,
    pub(super) budget: Budget,
    pub(super) out: mpsc::Sender<Out>,
    /// By bucket.
    pub(super) archived: Arc<Mutex<BTreeMap<Arc<str>, Archived>>>,
}

/// Bytes that may be in memory.
pub(super) struct Budget {
    /// In KiB.
    free: Arc<Semaphore>,
    all: u64,
}

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        let all = bytes.clamp(64 << 10, 1 << 40);
        Self { free: Arc::new(Semaphore::new((all >> 10) as usize)), all }
    }

    /// Up to which size objects are fetched whole.
    pub(super) fn whole(&self) -> u64 {
        WHOLE.min(self.all / 4)
    }

    /// Waits until an object of this size may be in memory.
    pub(super) async fn take(&self, size: u64) -> Option<OwnedSemaphorePermit> {
        self.take_bytes(if size > self.whole() { PIECEWISE } else { size + BESIDE }).await
    }

    /// Waits until one that is read piece by piece may hold so many bytes more.
    pub(super) async fn take_more(&self, more: u64) -> Option<OwnedSemaphorePermit> {
        self.take_bytes(PIECEWISE + more).await
    }

    /// Whether a permit of [`Budget::take_more`] is what it takes.
    pub(super) fn holds_more(&self, permit: Option<&OwnedSemaphorePermit>, more: u64) -> bool {
        let held = permit.map_or(0, |permit| (permit.num_permits() as u64) << 10);
        held >= (PIECEWISE + more).min(self.all) >> 10 << 10
    }

    async fn take_bytes(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        self.free.clone().acquire_many_owned((bytes.min(self.all) >> 10) as u32).await.ok()
    }
}

impl Shelf {
    pub(super) fn new(run: Arc<Run>, bucket: Bucket) -> Self {
        let (failures, given_up) = Default::default();
        Self { run, bucket, failures, given_up, left: Mutex::new(Some(0)) }
    }

    /// How a person would name an object of it.
    pub(super) fn name(&self, entry: &Entry) -> String {
        fetch::stored(self.bucket.name(), entry).to_string()
    }

    /// Notes how a request for an object ended.
    pub(super) fn note<T>(&self, result: &Result<T, StoreError>) {
        match result {
            Err(error) if error.is_the_buckets() => {
                if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= PATIENCE {
                    // The first of them says why; what comes to something later is no way back.
                    self.given_up.get_or_init(|| error.clone());
                }
            }
            _ => self.failures.store(0, Ordering::Relaxed),
        }
    }

    /// Counts an object instead of telling of it, where it came to what the rest of the bucket is given up for.
    pub(super) fn counts(&self, error: &StoreError) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        match left.as_mut().filter(|_| error.is_the_buckets() && self.is_given_up()) {
            Some(left) => *left += 1,
            None => return false,
        }
        true
    }

    fn is_given_up(&self) -> bool {
        self.given_up.get().is_some()
    }

    /// What is told of the rest of a bucket that was given up.
    fn rest(&self) -> Option<Skipped> {
        let error = self.given_up.get()?;
        let left = match self.left.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default() {
            0 => String::new(),
            left => format!(", nor were {left} of its objects that had been asked for"),
        };
        let why = format!(
            "{PATIENCE} requests in a row came to nothing for a reason that is the bucket's, and the rest of it was not read{left}: {error}"
        );
        Some(Skipped::new(list::name(self.bucket.name(), ""), why))
    }

    /// Nothing more of it is wanted.
    fn is_over(&self) -> bool {
        self.is_given_up() || self.run.out.is_closed()
    }

    /// Notes what became of an object; from a thread that may wait.
    pub(super) fn done(&self, ticket: Ticket, outcome: Outcome) {
        if let Some(journal) = &self.run.journal {
            // One that can't write any more is told of at the end.
            drop(journal.blocking_send(Told::Done(ticket, outcome)));
        }
    }
}

impl Run {
    /// Reads what is asked for of what lies below some prefixes of a bucket.
    pub(super) async fn bucket(self: Arc<Self>, bucket: Bucket, prefixes: Vec<String>) {
        let memory = self.picker.memory.clone().filter(|_| self.keeps_marks);
        let lists = Lists { bucket: bucket.clone(), versions: self.versions, memory, requests: Arc::default() };
        let (targets, handle) = (prefixes.len(), self.handle.clone());
        self.take(bucket, targets, list::follow(lists, prefixes, &handle)).await;
    }

    /// Reads what is asked for of what an inventory lists.
    pub(super) async fn inventory(self: Arc<Self>, store: Store, at: Target) {
        match Delivery::at(store.clone(), &at, self.versions).await {
            Err(skipped) => self.send(Out::Skipped(skipped)).await,
            Ok(delivery) => {
                let (bucket, handle) = (store.bucket(&delivery.manifest.bucket), self.handle.clone());
                self.take(bucket, 1, delivery.follow(&handle)).await;
            }
        }
    }

    async fn take(self: Arc<Self>, bucket: Bucket, targets: usize, mut steps: mpsc::Receiver<Step>) {
        let mut samples: Vec<Sample> = (0..targets).filter_map(|_| self.sample.map(Sample::new)).collect();
        let shelf = Arc::new(Shelf::new(self, bucket));
        let mut reading = Reading { shelf, tasks: JoinSet::new(), pages: BTreeMap::new() };
        while let Some(step) = steps.recv().await {
            if reading.shelf.is_over() {
                break;
            }
            match step {
                Step::Page(unit, entries, _) if !samples.is_empty() => {
                    let picked = reading.picked(entries).await;
                    let sampled = picked.reading.into_iter().map(|(entry, _)| entry);
                    samples[unit.target]
                        .offer(reading.shelf.bucket.name(), sampled.filter(|entry| !is_archived(entry)));
                }
                step => reading.step(step).await,
            }
        }
        for sample in samples {
            reading.chosen(sample).await;
        }
        reading.finish().await;
    }

    async fn send(&self, out: Out) {
        // Nobody takes it any more only when the sweep itself is gone.
        drop(self.out.send(out).await);
    }

    async fn tell(&self, told: Told) {
        if let Some(journal) = self.journal.as_ref().filter(|_| self.keeps_marks) {
            drop(journal.send(told).await);
        }
    }

    pub(super) fn count_archived(&self, bucket: &Arc<str>, archived: &Archived) {
        if !archived.is_empty() {
            let mut all = self.archived.lock().unwrap_or_else(PoisonError::into_inner);
            archived::add(all.entry(bucket.clone()).or_default(), archived);
        }
    }
}

/// A bucket that is being read, and what is under way of it.
struct Reading {
    shelf: Arc<Shelf>,
    tasks: JoinSet<()>,
    /// How many pages of each list have come.
    pages: BTreeMap<[u8; 16], u64>,
}

impl Reading {
    async fn step(&mut self, step: Step) {
        let run = self.shelf.run.clone();
        match step {
            Step::Failed(skipped) => run.send(Out::Skipped(skipped)).await,
            Step::Empty(target) => {
                if let Some(skipped) = target.unread() {
                    run.send(Out::Skipped(skipped)).await;
                }
            }
            Step::Begins(unit, record, again) => {
                run.count_archived(self.shelf.bucket.name(), &record.archived);
                if record.clean > 0 {
                    run.send(Out::Known(record.clean)).await;
                }
                self.pages.insert(unit.id, 0);
                run.tell(Told::Begins(unit.id, record)).await;
                for (print, entry) in again {
                    self.again(&unit, print, entry).await;
                }
            }
            Step::Page(unit, entries, mark) => {
                let mut picked = self.picked(entries).await;
                self.leave_known(&mut picked).await;
                let (reading, clean) = (picked.reading.len() as u64, picked.clean);
                let listed =
                    Listed { unit: unit.id, mark, reading, clean, archived: picked.archived, again: picked.again };
                run.tell(Told::Page(listed)).await;
                let number = self.pages.entry(unit.id).or_default();
                let page = Some(*number);
                *number += 1;
                for (entry, print) in picked.reading {
                    self.read(entry, Ticket { unit: unit.id, page, print }).await;
                }
            }
        }
    }

    /// What stood before a mark and was not clean. What is archived of it was counted when it was listed.
    async fn again(&mut self, unit: &Unit, print: Print, entry: Entry) {
        match self.shelf.run.picker.filter.judge(self.shelf.bucket.name(), &entry) {
            Verdict::TooLarge(limit) => {
                let skipped = too_large(self.shelf.bucket.name(), &entry, limit);
                self.shelf.run.send(Out::Skipped(skipped)).await;
            }
            _ => self.read(entry, Ticket { unit: unit.id, page: None, print }).await,
        }
    }

    /// Looks through a page, and tells what of it is not read.
    async fn picked(&self, entries: Vec<Entry>) -> Picked {
        let (run, bucket) = (&self.shelf.run, self.shelf.bucket.name());
        let mut picked = run.picker.pick(bucket, entries);
        run.count_archived(bucket, &picked.archived);
        for skipped in picked.skipped.drain(..) {
            run.send(Out::Skipped(skipped)).await;
        }
        picked
    }

    /// Leaves out of a page what is known.
    async fn leave_known(&self, picked: &mut Picked) {
        let run = &self.shelf.run;
        if run.picker.memory.is_none() {
            return;
        }
        // The state is a file.
        tokio::task::block_in_place(|| run.picker.leave_known(picked));
        if picked.clean > 0 {
            run.send(Out::Known(picked.clean)).await;
        }
    }

    /// Reads what a sample came to.
    async fn chosen(&mut self, sample: Sample) {
        let entries = sample.entries();
        let mut picked =
            Picked { reading: self.shelf.run.picker.prints(self.shelf.bucket.name(), entries), ..Picked::default() };
        self.leave_known(&mut picked).await;
        for (entry, print) in picked.reading {
            self.read(entry, Ticket { unit: [0; 16], page: None, print }).await;
        }
    }

    /// Sends an object on its way, as soon as there is room for it.
    async fn read(&mut self, entry: Entry, ticket: Ticket) {
        while let Some(ended) = self.tasks.try_join_next() {
            self.ended(ended).await;
        }
        if self.shelf.is_over() {
            return;
        }
        let run = self.shelf.run.clone();
        let wants_bytes = !entry.is_delete_marker && !is_archived(&entry);
        let mut object = Object::new(self.shelf.clone(), entry, ticket, wants_bytes);
        let is_large = wants_bytes && object.entry.size > run.budget.whole();
        if is_large {
            object.body = Part::Remote;
        }
        object.permit = run.budget.take(if wants_bytes { object.entry.size } else { 0 }).await;
        let asks = !is_large && !object.entry.is_delete_marker && (object.entry.size > 0 || run.picker.metadata);
        if !asks {
            return run.send(Out::Object(Box::new(object))).await;
        }
        let turn = self.shelf.bucket.turn().await;
        self.tasks.spawn(async move {
            let object = fetch::fetch(object, turn).await;
            run.send(Out::Object(Box::new(object))).await;
        });
    }

    async fn finish(mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            self.ended(ended).await;
        }
        // Large ones that wait for whoever scans may yet come to the same, and are told one by one.
        if let Some(rest) = self.shelf.rest() {
            self.shelf.run.send(Out::Skipped(rest)).await;
        }
    }

    async fn ended(&self, ended: Result<(), JoinError>) {
        if let Err(error) = ended {
            let why =
                format!("reading an object of it broke off by a mistake of keysweep's ({error}); please report it");
            self.shelf.run.send(Out::Skipped(Skipped::new(list::name(self.shelf.bucket.name(), ""), why))).await;
        }
    }
}

impl Object {
    fn new(shelf: Arc<Shelf>, entry: Entry, ticket: Ticket, wants_bytes: bool) -> Self {
        let (metadata, tags, troubles) = Default::default();
        Self {
            bucket: shelf.bucket.clone(),
            shelf,
            entry,
            ticket,
            wants_bytes,
            body: Part::None,
            metadata,
            tags,
            troubles,
            is_counted: false,
            permit: None,
        }
    }
}
