//! What is told of a sweep while it runs, and how it is written down: some at a time, so that each commit holds what belongs together.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use redb::Database;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, timeout_at};

use super::super::archived;
use super::{AGAIN, Archived, CLEAN, Kept, Mark, Print, Record, UNITS, UnitId, first, joined, last};
use crate::aws::store::Entry;

/// So much news is written down at once, if as much comes in so long a time. With what waits to be, it is what a kill loses.
const BATCH: usize = 128;
const DELAY: Duration = Duration::from_millis(200);
/// So much of it waits.
const WAITING: usize = 64;

/// A page of a list as it comes to the journal, before anything of it is read.
#[derive(Debug)]
pub(in crate::source::s3) struct Listed {
    pub(in crate::source::s3) unit: UnitId,
    /// Up to where it goes; `None` where that can't be written down.
    pub(in crate::source::s3) mark: Option<Mark>,
    /// Objects of it that are being read: as many [`Told::Done`] are to come.
    pub(in crate::source::s3) reading: u64,
    /// Objects of it that are known to be clean.
    pub(in crate::source::s3) clean: u64,
    pub(in crate::source::s3) archived: Archived,
    /// What was not read and is to be told again, should this sweep be gone on with.
    pub(in crate::source::s3) again: Vec<(Print, Entry)>,
}

/// Which object of which list was dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source::s3) struct Ticket {
    pub(in crate::source::s3) unit: UnitId,
    /// The how manieth page of this sweep's it is of; `None` for what stood before the mark.
    pub(in crate::source::s3) page: Option<u64>,
    /// As it was listed.
    pub(in crate::source::s3) print: Print,
}

/// What came of an object.
#[derive(Debug)]
pub(in crate::source::s3) enum Outcome {
    /// Nothing was found in it, as it was when it had this digest.
    Clean(Print),
    /// Whoever goes on is to read it again.
    Again(Entry),
    /// Its key must not be written down.
    Secret,
}

/// News for the journal.
#[derive(Debug)]
pub(in crate::source::s3) enum Told {
    /// A list begins, or goes on, with this.
    Begins(UnitId, Record),
    /// A page of it.
    Page(Listed),
    /// An object of a page.
    Done(Ticket, Outcome),
}

/// Where news for the state go.
pub(in crate::source::s3) type Journal = mpsc::Sender<Told>;

/// Begins to write down what is told. It ends when all senders are gone.
pub(super) fn begin(
    database: Arc<Database>,
    handle: &Handle,
    in_words: impl FnOnce(&redb::Error) -> String + Send + 'static,
) -> (Journal, JoinHandle<Result<(), String>>) {
    let (journal, news) = mpsc::channel(WAITING);
    let own = handle.clone();
    let write = move || Writer::new(&database).write(news, &own).map_err(|error| in_words(&error));
    (journal, handle.spawn_blocking(write))
}

/// Writes down what it is told, some at a time.
pub(super) struct Writer<'a> {
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
    pub(super) fn new(database: &'a Database) -> Self {
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

    pub(super) fn take(&mut self, told: Told) {
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
            archived::add(&mut record.archived, &listed.archived);
            let again = listed.again.iter().filter_map(|(print, entry)| kept(joined(unit, *print), entry));
            self.batch.again.extend(again);
            self.batch.moved.insert(unit);
        }
    }

    pub(super) fn commit(&mut self) -> Result<(), redb::Error> {
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
