//! Lists of a bucket, several at once, page after page: what there is, in which lists it is asked for, and from where a list goes on that an
//! unfinished sweep left. Which of it is read is `dispatch`'s business.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bstr::{BString, ByteSlice};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::Target;
use super::state::{Left, Mark, Memory, Print, Record, UnitId};
use crate::aws::store::{Bucket, Entry, Listing, Marker, Page, StoreError};
use crate::source::Skipped;

/// So many lists of a bucket are followed at once.
const SIDE_BY_SIDE: usize = 8;
/// A target with more directories than this is one list: most of them would take a request for a few keys.
const MOST_UNITS: usize = 64;
/// So many keys of a list are kept in mind.
const MOST_SEEN: usize = 1 << 19;
/// So many pages wait to be looked at.
pub(super) const AHEAD: usize = 4;

/// A list that is followed page by page.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) id: UnitId,
    /// The number of the target that it is of.
    pub(super) target: usize,
    listing: Listing,
}

impl Unit {
    /// What stands for all of an inventory, which is no list.
    pub(super) fn of_inventory() -> Self {
        Self { id: [0; 16], target: 0, listing: Listing::default() }
    }
}

/// What comes of following lists.
#[derive(Debug)]
pub(super) enum Step {
    /// A list begins; one that goes on is known so far, and some of that is to be read again.
    Begins(Arc<Unit>, Record, Vec<(Print, Entry)>),
    /// Its next page, and up to where it goes, if that can be told.
    Page(Arc<Unit>, Vec<Entry>, Option<Mark>),
    /// It could not be followed to its end.
    Failed(Skipped),
    /// Nothing is there.
    Empty(Target),
}

/// What to list.
pub(super) struct Lists {
    pub(super) bucket: Bucket,
    pub(super) versions: bool,
    /// Where lists were that go on.
    pub(super) memory: Option<Arc<Memory>>,
    /// Requests so far.
    pub(super) requests: Arc<AtomicU64>,
}

/// Follows the lists of some prefixes of a bucket. They end when nobody takes their steps any more.
pub(super) fn follow(lists: Lists, prefixes: Vec<String>, handle: &Handle) -> mpsc::Receiver<Step> {
    let (steps, taken) = mpsc::channel(AHEAD);
    let lister = Arc::new(Lister { lists, steps, turns: Semaphore::new(SIDE_BY_SIDE) });
    handle.spawn(async move {
        let mut targets = JoinSet::new();
        for (number, prefix) in prefixes.into_iter().enumerate() {
            targets.spawn(lister.clone().target(number, prefix));
        }
        while targets.join_next().await.is_some() {}
    });
    taken
}

/// Keys of a list, by their hashes: all of them, or of many a part.
#[derive(Default)]
struct Seen {
    hashes: HashSet<u64>,
    hasher: RandomState,
    /// Only hashes that have none of these bits count.
    passed_over: u64,
    /// What came of the key that a walk through directories got to last, where that is not the marker's: more of it may have been left out.
    cut: HashSet<Version>,
}

/// A key, and a version of it.
type Version = (BString, Option<Arc<str>>);

impl Seen {
    fn add(&mut self, entries: &[Entry]) {
        let walked = |entry: &&Entry| entry.key.replace("/", "\0");
        let last = entries.iter().max_by_key(walked).map(|entry| &entry.key);
        let cut = last.filter(|last| entries.iter().any(|entry| entry.key > **last));
        for entry in entries {
            if cut == Some(&entry.key) {
                self.cut.insert((entry.key.clone(), entry.version_id.clone()));
                continue;
            }
            let hash = self.hasher.hash_one(&entry.key);
            if hash & self.passed_over == 0 {
                self.hashes.insert(hash);
            }
        }
        if self.hashes.len() > MOST_SEEN {
            self.passed_over = self.passed_over << 1 | 1;
            self.hashes.retain(|hash| hash & self.passed_over == 0);
        }
    }

    /// Or can't be known not to have been there.
    fn holds(&self, entry: &Entry) -> bool {
        let hash = self.hasher.hash_one(&entry.key);
        hash & self.passed_over != 0 || self.hashes.contains(&hash)
    }
}

/// Nobody takes steps any more.
struct Unwanted;

struct Lister {
    lists: Lists,
    steps: mpsc::Sender<Step>,
    turns: Semaphore,
}

impl Lister {
    async fn target(self: Arc<Self>, number: usize, prefix: String) {
        let (level, below) = match self.survey(&prefix).await {
            Ok(units) => units,
            Err(error) => return drop(self.failed(&prefix, &error, false).await),
        };
        let unit = |kind: &str, prefix: String, by_directory| {
            let id = self
                .lists
                .memory
                .as_ref()
                .map_or([0; 16], |memory| memory.unit(self.lists.bucket.name(), kind, &prefix));
            let listing = Listing { prefix, by_directory, versions: self.lists.versions };
            Arc::new(Unit { id, target: number, listing })
        };
        if let Some((prefix, entries)) = level {
            if entries.is_empty() && below.is_empty() {
                let bucket = self.lists.bucket.name().to_string();
                drop(self.send(Step::Empty(Target { bucket, prefix: prefix.clone() })).await);
            }
            if self.level(unit("level", prefix, true), entries).await.is_err() {
                return;
            }
        }
        let mut units = JoinSet::new();
        for prefix in below {
            units.spawn(self.clone().unit(unit("flat", prefix, false)));
        }
        while units.join_next().await.is_some() {}
    }

    /// Looks at the directories of a target: gives what stands beside them, and which prefixes to list.
    async fn survey(&self, target: &str) -> Result<(Option<(String, Vec<Entry>)>, Vec<String>), StoreError> {
        let _turn = self.turns.acquire().await;
        let mut prefix = target.to_owned();
        loop {
            let listing = Listing { prefix: prefix.clone(), by_directory: true, versions: self.lists.versions };
            let mut page = self.page(&listing, None).await?;
            if page.next.is_some() || page.prefixes.len() > MOST_UNITS {
                return Ok((None, vec![prefix]));
            }
            match page.prefixes.pop() {
                Some(only) if page.entries.is_empty() && page.prefixes.is_empty() && only.len() > prefix.len() => {
                    prefix = only;
                }
                last => {
                    page.prefixes.extend(last);
                    return Ok((Some((prefix, page.entries)), page.prefixes));
                }
            }
        }
    }

    /// A level that was listed when it was looked at.
    async fn level(&self, unit: Arc<Unit>, entries: Vec<Entry>) -> Result<(), Unwanted> {
        match self.left(&unit) {
            Some((record, again)) if record.mark == Some(Mark::End) => {
                self.send(Step::Begins(unit, record, again)).await
            }
            _ => {
                self.send(Step::Begins(unit.clone(), Record::default(), Vec::new())).await?;
                self.send(Step::Page(unit, entries, Some(Mark::End))).await
            }
        }
    }

    async fn unit(self: Arc<Self>, unit: Arc<Unit>) -> Result<(), Unwanted> {
        // Held to the end: each list has a page in memory.
        let _turn = self.turns.acquire().await;
        let left = self.left(&unit).filter(|(record, _)| record.mark == Some(Mark::End) || !self.is_doubtful());
        let Some((record, again)) = left else {
            return self.anew(unit).await;
        };
        let Some(Mark::After(key, version)) = record.mark.clone() else {
            return self.send(Step::Begins(unit, record, again)).await;
        };
        let marker = Marker::After(key, version);
        // What the mark names may be gone, which not everybody takes well.
        match self.page(&unit.listing, Some(&marker)).await {
            Ok(page) => {
                self.send(Step::Begins(unit.clone(), record, again)).await?;
                self.pages(unit, page, Some(marker)).await
            }
            Err(_) => self.anew(unit).await,
        }
    }

    async fn anew(&self, unit: Arc<Unit>) -> Result<(), Unwanted> {
        self.send(Step::Begins(unit.clone(), Record::default(), Vec::new())).await?;
        match self.page(&unit.listing, None).await {
            Ok(page) => self.pages(unit, page, None).await,
            Err(error) => self.failed(&unit.listing.prefix, &error, false).await,
        }
    }

    /// Takes a page and follows what comes behind it.
    async fn pages(&self, unit: Arc<Unit>, mut page: Page, mut from: Option<Marker>) -> Result<(), Unwanted> {
        // Where to go on by name, should the token have become stale.
        let mut by_name = from.clone();
        let mut seen = Seen::default();
        loop {
            if self.is_doubtful() {
                seen.add(&page.entries);
                if page.next.is_none() && from.is_some() {
                    page.entries.extend(self.left_out(&unit, &seen).await?);
                }
            }
            let mark = mark(&page);
            if let Some(Mark::After(key, version)) = &mark {
                by_name = Some(Marker::After(key.clone(), version.clone()));
            }
            let next = page.next.take();
            // Pages may be empty though the list goes on.
            if next.is_none() || !page.entries.is_empty() {
                self.send(Step::Page(unit.clone(), page.entries, mark)).await?;
            }
            if next.is_none() {
                return Ok(());
            }
            if next == from {
                let what = name(self.lists.bucket.name(), &unit.listing.prefix);
                let why = "listing it goes in circles: each answer says that it goes on where it began; what was listed before was read";
                return self.send(Step::Failed(Skipped::new(what, why))).await;
            }
            let had = match (self.page(&unit.listing, next.as_ref()).await, &next) {
                (Err(error), Some(Marker::Token(_))) if by_name.is_some() && !error.is_the_buckets() => {
                    self.page(&unit.listing, by_name.as_ref()).await
                }
                (had, _) => had,
            };
            page = match had {
                Ok(page) => page,
                Err(error) => return self.failed(&unit.listing.prefix, &error, true).await,
            };
            from = next;
        }
    }

    /// Pages of versions may not be all of them. SeaweedFS walks through directories, in which `a/` stands before `a-b`, and goes on behind a
    /// marker by name: what stands between the two at the end of a page is left out.
    fn is_doubtful(&self) -> bool {
        self.lists.versions && self.lists.bucket.store().is_elsewhere()
    }

    /// Versions of what there is but was left out of a list of versions, which is told.
    async fn left_out(&self, unit: &Unit, seen: &Seen) -> Result<Vec<Entry>, Unwanted> {
        let prefix = &unit.listing.prefix;
        let current = Listing { versions: false, ..unit.listing.clone() };
        let (mut found, mut objects, mut next) = (Vec::new(), 0_u64, None);
        loop {
            let page = match self.page(&current, next.as_ref()).await {
                Ok(page) => page,
                Err(error) => return self.failed(prefix, &error, true).await.map(|()| found),
            };
            for entry in page.entries.into_iter().filter(|entry| !seen.holds(entry)) {
                let mut versions = self.versions_of(entry).await;
                versions.retain(|version| !seen.cut.contains(&(version.key.clone(), version.version_id.clone())));
                objects += u64::from(!versions.is_empty());
                found.extend(versions);
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        if objects > 0 {
            let why = format!(
                "the server left {objects} or more of its objects out of its list of versions; these were read one by one, but others that lie under \
                 delete markers may have been left out too: name directories one by one, so that each is listed by itself"
            );
            self.send(Step::Failed(Skipped::new(name(self.lists.bucket.name(), prefix), why))).await?;
        }
        Ok(found)
    }

    /// All versions of an object, or the object itself where they can't be had.
    async fn versions_of(&self, entry: Entry) -> Vec<Entry> {
        let Ok(prefix) = entry.key.to_str() else {
            return vec![entry];
        };
        let listing = Listing { prefix: prefix.to_owned(), by_directory: false, versions: true };
        let page = self.page(&listing, None).await.unwrap_or_default();
        let mut versions: Vec<Entry> = page.entries.into_iter().filter(|version| version.key == entry.key).collect();
        if versions.is_empty() {
            versions.push(entry);
        }
        versions
    }

    async fn page(&self, listing: &Listing, from: Option<&Marker>) -> Result<Page, StoreError> {
        self.lists.requests.fetch_add(1, Ordering::Relaxed);
        self.lists.bucket.list(listing, from).await
    }

    /// What is remembered of a list. That nothing can be remembered is told when it is written.
    fn left(&self, unit: &Unit) -> Option<Left> {
        let memory = self.lists.memory.as_ref()?;
        let left = tokio::task::block_in_place(|| memory.left(unit.id)).ok()??;
        Some(left).filter(|(record, _)| record.mark.is_some())
    }

    async fn failed(&self, prefix: &str, error: &StoreError, is_begun: bool) -> Result<(), Unwanted> {
        let bucket = self.lists.bucket.name();
        let what = if error.is_the_buckets() { name(bucket, "") } else { name(bucket, prefix) };
        let so_far = if is_begun { "; what was listed before was read" } else { "" };
        self.send(Step::Failed(Skipped::new(what, format!("listing it failed: {error}{so_far}")))).await
    }

    async fn send(&self, step: Step) -> Result<(), Unwanted> {
        self.steps.send(step).await.map_err(|_| Unwanted)
    }
}

/// `s3://bucket/prefix`, or the bucket alone.
pub(super) fn name(bucket: &str, prefix: &str) -> String {
    if prefix.is_empty() { format!("s3://{bucket}") } else { format!("s3://{bucket}/{prefix}") }
}

/// Up to where a page goes, by name.
fn mark(page: &Page) -> Option<Mark> {
    match &page.next {
        None => Some(Mark::End),
        Some(Marker::After(key, version)) => Some(Mark::After(key.clone(), version.clone())),
        Some(Marker::Token(_)) => {
            let last = page.entries.last()?.key.to_str().ok()?;
            Some(Mark::After(last.to_owned(), None))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::filter::tests::entry;
    use super::*;

    #[test]
    fn of_many_keys_a_part_is_kept_in_mind_and_nothing_seen_is_missed() {
        let mut seen = Seen::default();
        let page = |from: usize| (from..from + 1_000).map(|n| entry(&n.to_string(), 1)).collect::<Vec<_>>();
        (0..MOST_SEEN * 2).step_by(1_000).for_each(|from| seen.add(&page(from)));
        assert!(seen.hashes.len() <= MOST_SEEN && seen.passed_over > 0);
        assert!(page(0).iter().chain(&page(MOST_SEEN / 1_000 * 1_000)).all(|entry| seen.holds(entry)));
        let others = page(MOST_SEEN * 4);
        assert!(others.iter().filter(|entry| !seen.holds(entry)).count() > 100);
    }
}
