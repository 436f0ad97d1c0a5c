//! What a sweep remembers on disk, so that one that was killed goes on where it was, and the next one reads only what is new.
//!
//! Three things are kept: digests of objects in which nothing was found and all of which was read (`clean`); how far each list of a sweep that
//! has not ended is dealt with (`units`); and which objects before those marks must be read again (`again`), because something was found in
//! them, which is never written down, or because they could not be read. Each commit holds what belongs together, so that whatever kills
//! the program leaves the state of the last commit. A page's mark is written when all of the page is dealt with. A key in which something was
//! found is not written down either: the marks stay before its page.
//!
//! What is clean is so for the rules and for whether keys, metadata and tags are read: the file's name is a digest of both. Marks are good for the same
//! targets and options alone, whose digest their keys begin with.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Builder, Database, DatabaseError, ReadableDatabase, StorageError, TableDefinition};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, timeout_at};

use super::Options;
use crate::aws::store::Entry;

/// The layout of the tables; one with another number is not read.
const FORMAT: u64 = 1;
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const CLEAN: TableDefinition<&Print, ()> = TableDefinition::new("clean");
const UNITS: TableDefinition<&UnitId, &[u8]> = TableDefinition::new("units");
const AGAIN: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("again");

/// So many bytes of the file are held in memory.
const CACHE: usize = 8 << 20;
/// No more than so many objects are read twice after a kill, and no more than what was read in so long a time.
const BATCH: usize = 256;
const DELAY: Duration = Duration::from_millis(200);

/// A digest of an object as it is now.
pub(super) type Print = [u8; 16];
/// A list in a sweep: 8 bytes of what was asked for, 8 of the list.
pub(super) type UnitId = [u8; 16];
/// How many objects lie in which class of archive, and their bytes.
pub(super) type Archived = BTreeMap<String, (u64, u64)>;

/// How far a list is dealt with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mark {
    /// Up to this key and version.
    After(String, Option<String>),
    /// All of it.
    End,
}

/// What is known of a list up to its mark.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// `None` at its beginning.
    pub(super) mark: Option<Mark>,
    /// Objects that were clean.
    pub(super) clean: u64,
    /// What was counted as archived.
    pub(super) archived: Archived,
}

/// A page of a list as it comes to the journal, before anything of it is read.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) unit: UnitId,
    /// Up to where it goes; `None` where that can't be written down.
    pub(super) mark: Option<Mark>,
    /// Objects of it that are being read: as many [`Told::Done`] are to come.
    pub(super) reading: u64,
    /// Objects of it that are known to be clean.
    pub(super) clean: u64,
    pub(super) archived: Archived,
    /// What was not read and is to be told again, should this sweep be gone on with.
    pub(super) again: Vec<(Print, Entry)>,
}

/// Which object of which list was dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) unit: UnitId,
    /// The how manieth page of this sweep's it is of; `None` for what stood before the mark.
    pub(super) page: Option<u64>,
    /// As it was listed.
    pub(super) print: Print,
}

/// What came of an object.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Nothing was found in it, as it was when it had this digest.
    Clean(Print),
    /// Whoever goes on is to read it again.
    Again(Entry),
    /// Its key must not be written down.
    Secret,
}

/// News for the journal.
#[derive(Debug)]
pub(super) enum Told {
    /// A list begins, or goes on, with this.
    Begins(UnitId, Record),
    /// A page of it.
    Page(Listed),
    /// An object of a page.
    Done(Ticket, Outcome),
}

/// Where news for the state go.
pub(super) type Journal = mpsc::Sender<Told>;

/// The state of one set of rules.
pub(super) struct Memory {
    database: Arc<Database>,
    path: PathBuf,
    /// Of what was asked for.
    plan: [u8; 8],
}

impl Memory {
    /// Opens the state, or begins one. `plan` is a digest of targets and options.
    ///
    /// # Errors
    /// When it is in use, damaged, of another version, or can't be written: what was being done and what to try.
    pub(super) fn open(state: &super::State, options: &Options, plan: [u8; 32]) -> Result<Self, String> {
        let mut name = Sha256::new_with_prefix(b"state");
        name.update(state.digest);
        name.update([u8::from(options.metadata)]);
        let (number, of) = options.shard.unwrap_or((1, 1));
        name.update([number.to_le_bytes(), of.to_le_bytes()].concat());
        let name: String = name.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let made = fs::create_dir_all(&state.directory);
        made.map_err(|error| {
            format!("making {} failed: {error}; name a directory that can be written", state.directory.display())
        })?;
        let path = state.directory.join(format!("buckets-{name}.redb"));
        let database = database(&path)?;
        let plan = plan[..8].try_into().expect("it has 32");
        let memory = Self { database: Arc::new(database), path, plan };
        memory.check_format()?;
        Ok(memory)
    }

    fn check_format(&self) -> Result<(), String> {
        let format = (|| {
            let read = self.database.begin_read()?;
            Ok(read.open_table(META)?.get("format")?.map(|format| format.value()))
        })();
        match format.map_err(|error: redb::Error| damaged(&self.path, &error))? {
            Some(FORMAT) => Ok(()),
            other => {
                let other = other.unwrap_or_default();
                Err(format!(
                    "{} was made by another version of keysweep (format {other}, not {FORMAT}); {ANEW}",
                    self.path.display()
                ))
            }
        }
    }

    /// The name of a list in this sweep.
    pub(super) fn unit(&self, bucket: &str, kind: &str, prefix: &str) -> UnitId {
        let mut digest = Sha256::new();
        for text in [bucket, kind, prefix] {
            digest.update((text.len() as u64).to_le_bytes());
            digest.update(text);
        }
        let mut unit = [0; 16];
        unit[..8].copy_from_slice(&self.plan);
        unit[8..].copy_from_slice(&digest.finalize()[..8]);
        unit
    }

    /// Which of these objects are known to be clean.
    ///
    /// # Errors
    /// When the state can't be read.
    pub(super) fn known(&self, prints: &[Print]) -> Result<Vec<bool>, String> {
        let known = || -> Result<Vec<bool>, redb::Error> {
            let clean = self.database.begin_read()?.open_table(CLEAN)?;
            prints.iter().map(|print| Ok(clean.get(print)?.is_some())).collect()
        };
        known().map_err(|error| self.failed("reading", &error))
    }

    /// What an unfinished sweep left of a list: how far it was, and what is to be read again.
    ///
    /// # Errors
    /// When the state can't be read.
    pub(super) fn left(&self, unit: UnitId) -> Result<Option<(Record, Vec<(Print, Entry)>)>, String> {
        let left = || {
            let read = self.database.begin_read()?;
            let record = read.open_table(UNITS)?.get(&unit)?.and_then(|json| serde_json::from_slice(json.value()).ok());
            let Some(record) = record else {
                return Ok(None);
            };
            let mut again = Vec::new();
            for item in read.open_table(AGAIN)?.range::<&[u8; 32]>(&first(unit)..=&last(unit))? {
                let (key, json) = item?;
                let kept: Option<Kept> = serde_json::from_slice(json.value()).ok();
                again.extend(kept.map(|kept| (key.value()[16..].try_into().expect("16 of 32"), kept.entry())));
            }
            Ok(Some((record, again)))
        };
        left().map_err(|error: redb::Error| self.failed("reading", &error))
    }

    /// Begins to write down what is told. It ends when all senders are gone.
    pub(super) fn journal(&self, handle: &Handle) -> (Journal, JoinHandle<Result<(), String>>) {
        let (journal, news) = mpsc::channel(4 * BATCH);
        let (database, path, own) = (self.database.clone(), self.path.clone(), handle.clone());
        let written = handle.spawn_blocking(move || {
            let written = Writer::new(&database).write(news, &own);
            written.map_err(|error| failed(&path, "writing", &error))
        });
        (journal, written)
    }

    /// Forgets how far the lists were: the sweep has come to its end.
    ///
    /// # Errors
    /// When the state can't be written.
    pub(super) fn finish(&self) -> Result<(), String> {
        let (mut from, mut to) = ([0; 16], [0xff; 16]);
        from[..8].copy_from_slice(&self.plan);
        to[..8].copy_from_slice(&self.plan);
        let finish = || {
            let write = self.database.begin_write()?;
            write.open_table(UNITS)?.retain_in::<&UnitId, _>(&from..=&to, |_, _| false)?;
            write.open_table(AGAIN)?.retain_in::<&[u8; 32], _>(&first(from)..=&last(to), |_, _| false)?;
            Ok(write.commit()?)
        };
        finish().map_err(|error: redb::Error| self.failed("writing", &error))
    }

    fn failed(&self, doing: &str, error: &redb::Error) -> String {
        failed(&self.path, doing, error)
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("path", &self.path).finish_non_exhaustive()
    }
}

const ANEW: &str = "remove it, and everything is read anew";

fn failed(path: &Path, doing: &str, error: &redb::Error) -> String {
    format!("{doing} the state {} failed: {error}", path.display())
}

fn damaged(path: &Path, why: &dyn std::fmt::Display) -> String {
    format!("the state {} can't be used: {why}; {ANEW}", path.display())
}

/// The first key of `again` that can be of a list, and the last.
fn first(unit: UnitId) -> [u8; 32] {
    joined(unit, [0; 16])
}

fn last(unit: UnitId) -> [u8; 32] {
    joined(unit, [0xff; 16])
}

fn joined(unit: UnitId, print: Print) -> [u8; 32] {
    let mut key = [0; 32];
    key[..16].copy_from_slice(&unit);
    key[16..].copy_from_slice(&print);
    key
}

/// A new one is made under another name, so that there is never half of one.
fn database(path: &Path) -> Result<Database, String> {
    let unusable = |error: DatabaseError| match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => format!(
            "the state {} is in use by another keysweep; wait until that one is through, or name another directory",
            path.display()
        ),
        DatabaseError::Storage(StorageError::Io(error)) if error.kind() != std::io::ErrorKind::InvalidData => {
            format!("opening the state {} failed: {error}", path.display())
        }
        error => damaged(path, &error),
    };
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    if path.exists() {
        return builder.open(path).map_err(unusable);
    }
    let begun = path.with_extension("new");
    let database = match builder.create(&begun) {
        Err(DatabaseError::Storage(_)) => fs::remove_file(&begun)
            .map_err(|error| DatabaseError::Storage(error.into()))
            .and_then(|()| builder.create(&begun)),
        made => made,
    };
    let database = database.map_err(unusable)?;
    let filled = (|| {
        let write = database.begin_write()?;
        write.open_table(META)?.insert("format", FORMAT)?;
        drop((write.open_table(CLEAN)?, write.open_table(UNITS)?, write.open_table(AGAIN)?));
        Ok(write.commit()?)
    })();
    filled.map_err(|error: redb::Error| failed(path, "beginning", &error))?;
    fs::rename(&begun, path).map_err(|error| format!("beginning the state {} failed: {error}", path.display()))?;
    Ok(database)
}

/// An entry as it is written down.
#[derive(Serialize, Deserialize)]
struct Kept {
    key: String,
    version: Option<String>,
    latest: bool,
    marker: bool,
    size: u64,
    etag: String,
    written: Option<i64>,
    class: String,
}

impl Kept {
    /// `None` for a key that is no text.
    fn of(entry: &Entry) -> Option<Self> {
        Some(Self {
            key: String::from_utf8(entry.key.to_vec()).ok()?,
            version: entry.version_id.as_deref().map(str::to_owned),
            latest: entry.is_latest,
            marker: entry.is_delete_marker,
            size: entry.size,
            etag: entry.etag.to_string(),
            written: entry.last_modified,
            class: entry.storage_class.to_string(),
        })
    }

    fn entry(self) -> Entry {
        Entry {
            key: self.key.into(),
            version_id: self.version.map(Into::into),
            is_latest: self.latest,
            is_delete_marker: self.marker,
            size: self.size,
            etag: self.etag.into(),
            last_modified: self.written,
            storage_class: self.class.into(),
        }
    }
}

/// Writes down what it is told, some at a time.
struct Writer<'a> {
    database: &'a Database,
    units: HashMap<UnitId, Progress>,
    batch: Batch,
}

/// What the next commit is to hold.
#[derive(Default)]
struct Batch {
    clean: Vec<Print>,
    /// What was known of these before is forgotten.
    begun: Vec<UnitId>,
    /// These have come further.
    moved: HashSet<UnitId>,
    again: Vec<([u8; 32], Vec<u8>)>,
    not_again: Vec<[u8; 32]>,
}

/// How far a list is.
struct Progress {
    record: Record,
    /// Those that are not yet dealt with, and those behind them.
    pages: VecDeque<Page>,
    /// Number of the first of them.
    first: u64,
}

struct Page {
    listed: Listed,
    /// It holds what can't be written down: the mark stays before it.
    is_barred: bool,
}

impl<'a> Writer<'a> {
    fn new(database: &'a Database) -> Self {
        Self { database, units: HashMap::new(), batch: Batch::default() }
    }

    fn write(mut self, mut news: mpsc::Receiver<Told>, handle: &Handle) -> Result<(), redb::Error> {
        let mut told = Vec::with_capacity(BATCH);
        while news.blocking_recv_many(&mut told, BATCH) > 0 {
            let deadline = Instant::now() + DELAY;
            let mut more = |told: &mut Vec<Told>| handle.block_on(timeout_at(deadline, news.recv_many(told, BATCH)));
            while told.len() < BATCH && more(&mut told).is_ok_and(|more| more > 0) {}
            told.drain(..).for_each(|told| self.take(told));
            self.commit()?;
        }
        Ok(())
    }

    fn take(&mut self, told: Told) {
        match told {
            Told::Begins(unit, record) => {
                if record.mark.is_none() {
                    self.batch.begun.push(unit);
                }
                self.units.insert(unit, Progress { record, pages: VecDeque::new(), first: 0 });
            }
            Told::Page(listed) => {
                let unit = listed.unit;
                if let Some(progress) = self.units.get_mut(&unit) {
                    let is_barred =
                        listed.mark.is_none() || listed.again.iter().any(|(_, entry)| Kept::of(entry).is_none());
                    progress.pages.push_back(Page { listed, is_barred });
                }
                self.advance(unit);
            }
            Told::Done(ticket, outcome) => self.done(ticket, outcome),
        }
    }

    fn done(&mut self, ticket: Ticket, outcome: Outcome) {
        if let Outcome::Clean(print) = outcome {
            self.batch.clean.push(print);
        }
        let Some(progress) = self.units.get_mut(&ticket.unit) else {
            return;
        };
        let outcome = match outcome {
            Outcome::Again(entry) if Kept::of(&entry).is_none() => Outcome::Secret,
            outcome => outcome,
        };
        let Some(page) = ticket.page else {
            let key = joined(ticket.unit, ticket.print);
            match outcome {
                Outcome::Clean(_) => {
                    self.batch.not_again.push(key);
                    progress.record.clean += 1;
                    self.batch.moved.insert(ticket.unit);
                }
                Outcome::Again(entry) => self.batch.again.extend(kept(key, &entry)),
                Outcome::Secret => {}
            }
            return;
        };
        let at = page.checked_sub(progress.first).and_then(|at| usize::try_from(at).ok());
        if let Some(page) = at.and_then(|at| progress.pages.get_mut(at)) {
            page.listed.reading -= 1;
            match outcome {
                Outcome::Clean(_) => page.listed.clean += 1,
                Outcome::Again(entry) => page.listed.again.push((ticket.print, entry)),
                Outcome::Secret => page.is_barred = true,
            }
        }
        self.advance(ticket.unit);
    }

    /// Moves the mark behind all pages that are dealt with.
    fn advance(&mut self, unit: UnitId) {
        let Some(progress) = self.units.get_mut(&unit) else {
            return;
        };
        while progress.pages.front().is_some_and(|page| page.listed.reading == 0 && !page.is_barred) {
            let Some(Page { listed, .. }) = progress.pages.pop_front() else {
                return;
            };
            progress.first += 1;
            let record = &mut progress.record;
            record.mark = listed.mark;
            record.clean += listed.clean;
            for (class, (objects, bytes)) in listed.archived {
                let sum = record.archived.entry(class).or_default();
                *sum = (sum.0 + objects, sum.1 + bytes);
            }
            let again = listed.again.iter().filter_map(|(print, entry)| kept(joined(unit, *print), entry));
            self.batch.again.extend(again);
            self.batch.moved.insert(unit);
        }
    }

    fn commit(&mut self) -> Result<(), redb::Error> {
        let batch = std::mem::take(&mut self.batch);
        let write = self.database.begin_write()?;
        {
            let mut clean = write.open_table(CLEAN)?;
            for print in &batch.clean {
                clean.insert(print, ())?;
            }
            let mut units = write.open_table(UNITS)?;
            let mut again = write.open_table(AGAIN)?;
            for unit in &batch.begun {
                units.remove(unit)?;
                again.retain_in::<&[u8; 32], _>(&first(*unit)..=&last(*unit), |_, _| false)?;
            }
            for (key, json) in &batch.again {
                again.insert(key, &json[..])?;
            }
            for key in &batch.not_again {
                again.remove(key)?;
            }
            for unit in &batch.moved {
                let record = self.units.get(unit).map(|progress| serde_json::to_vec(&progress.record));
                if let Some(Ok(json)) = record {
                    units.insert(unit, &json[..])?;
                }
            }
        }
        Ok(write.commit()?)
    }
}

fn kept(key: [u8; 32], entry: &Entry) -> Option<([u8; 32], Vec<u8>)> {
    Some((key, serde_json::to_vec(&Kept::of(entry)?).ok()?))
}
