//! The journal of a run: a file of JSON Lines that says what is about to be done before it is done, and what came of it after. Whatever
//! ends a run in between, what is written is enough to take it up again or to take it back. No secret is ever in it.
//!
//! The first line is the plan, [`Header`]; then comes for each step an intent, flushed to the disk before AWS is called, and a receipt.
//! The lines themselves are `line`'s business.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::{Change, Position};

mod line;

pub use self::line::{BadLine, parse};

/// The name and the version of what is written.
pub const SCHEMA: &str = "keysweep-journal/v1";

/// More than any plan comes to; what is larger is no journal.
const LARGEST: u64 = 256 << 20;

/// The first line: what is to be done, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The code of the plan.
    pub code: String,
    /// The ARN of whoever acts.
    pub caller: String,
    /// The account of whoever acts.
    pub account: String,
    /// The version of the program.
    pub version: String,
    /// When it began, in seconds since 1970.
    pub started: i64,
    /// The journal that is taken back, if it is that.
    pub undoes: Option<String>,
    /// The steps; others call them by their place in it.
    pub changes: Vec<Change>,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// In a word.
    pub result: Outcome,
    /// How it stood when it was read last; `None` when it could not be read.
    pub observed: Option<Position>,
    /// Why it is no better than that.
    pub why: Option<String>,
}

/// What came of a step, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was switched, and reads so.
    Confirmed,
    /// It stood so already, and nothing was done.
    Unchanged,
    /// It was not switched.
    Failed,
    /// It may have been switched, and does not read so yet, or can't be read.
    Unknown,
}

/// What a journal tells of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// It was about to be switched, at least once.
    pub is_begun: bool,
    /// Of one of the attempts nobody knows what became of it, whatever came of a later one: it may still take effect.
    pub in_doubt: bool,
    /// The last receipt, if none is missing.
    pub receipt: Option<Receipt>,
}

/// All that a journal tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What was to be done.
    pub header: Header,
    /// How far that got, step by step.
    pub states: Vec<State>,
    /// How many bytes at its end are no whole line: it was ended while it wrote.
    pub torn: usize,
}

/// Why a journal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system says so.
    #[error("{doing} the journal {} failed: {error}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        error: io::Error,
    },
    /// Another run has it.
    #[error("the journal {} is in use by another run of keysweep; wait until that has ended", .0.display())]
    InUse(PathBuf),
    /// It is something else.
    #[error("{} is no journal of keysweep that could be used: {why}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: BadLine,
    },
    /// Anybody could have put into it what is not to be done.
    #[error(
        "everybody can write the journal {path}, and have keysweep switch whatever they like; look at what it says, and then take that away: \
         chmod o-w {path}", path = .0.display()
    )]
    Open(PathBuf),
    /// It is far larger than one.
    #[error("{} is no journal of keysweep: it has more than {} MiB", .0.display(), LARGEST >> 20)]
    TooLarge(PathBuf),
}

/// Where whole lines go, and stay.
pub(super) trait Sink {
    /// Adds bytes at the end and flushes them to the disk.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// A file that nobody else has. It is given back explicitly: a program that is being started at that moment has it open too, for an instant.
#[derive(Debug)]
pub struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // Where that fails, it is given back when the file is closed.
        let _ = self.0.unlock();
    }
}

/// A journal that is written.
pub struct Journal {
    sink: Box<dyn Sink>,
    path: PathBuf,
}

impl Journal {
    /// Makes a file that was not there, readable by its owner alone, and writes the first line.
    ///
    /// # Errors
    /// When the file is there already, or can't be written and flushed.
    pub fn create(path: &Path, header: &Header) -> Result<Self, JournalError> {
        let failed = |doing| move |error| JournalError::Io { doing, path: path.to_owned(), error };
        let mut options = OpenOptions::new();
        options.append(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let file = options.open(path).map_err(failed("making"))?;
        let file = lock(file, path)?;
        let mut journal = Self { sink: Box::new(file), path: path.to_owned() };
        let begun = journal.write(&line::header(header)).and_then(|()| sync_directory(path).map_err(failed("making")));
        // What has no plan in it would only be in the way when its name is wanted again.
        begun.inspect_err(|_| drop(fs::remove_file(path)))?;
        Ok(journal)
    }

    /// Takes a journal up again: nobody else can until it is dropped. What is torn at its end is cut off.
    ///
    /// # Errors
    /// When it can't be read, is in use or is something else.
    pub fn open(path: &Path) -> Result<(Self, Record), JournalError> {
        let failed = |doing| move |error| JournalError::Io { doing, path: path.to_owned(), error };
        let file = OpenOptions::new().read(true).append(true).open(path).map_err(failed("opening"))?;
        let file = lock(file, path)?;
        let (record, len) = read(&file.0, path)?;
        if record.torn > 0 {
            file.0.set_len(len - record.torn as u64).and_then(|()| file.0.sync_all()).map_err(failed("mending"))?;
        }
        Ok((Self { sink: Box::new(file), path: path.to_owned() }, record))
    }

    #[cfg(test)]
    pub(super) fn on(sink: Box<dyn Sink>) -> Self {
        Self { sink, path: PathBuf::from("journal") }
    }

    #[cfg(test)]
    pub(super) fn begin(&mut self, header: &Header) -> Result<(), JournalError> {
        self.write(&line::header(header))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says that a step is about to be done. Only when this has succeeded may it be.
    ///
    /// # Errors
    /// When it can't be written and flushed.
    pub fn intent(&mut self, seq: usize, change: &Change, now: i64) -> Result<(), JournalError> {
        self.write(&line::intent(seq, change, now))
    }

    /// Says what came of a step.
    ///
    /// # Errors
    /// When it can't be written and flushed.
    pub fn receipt(&mut self, seq: usize, receipt: &Receipt, now: i64) -> Result<(), JournalError> {
        self.write(&line::receipt(seq, receipt, now))
    }

    fn write(&mut self, line: &str) -> Result<(), JournalError> {
        let failed = |error| JournalError::Io { doing: "writing", path: self.path.clone(), error };
        self.sink.append(line.as_bytes()).map_err(failed)
    }
}

/// Reads a journal that will not be written. Nobody can write it as long as the file that comes with it is held.
///
/// # Errors
/// When it can't be read, is in use or is something else.
pub fn consult(path: &Path) -> Result<(Record, Held), JournalError> {
    let file = File::open(path).map_err(|error| JournalError::Io { doing: "opening", path: path.to_owned(), error })?;
    let file = lock(file, path)?;
    let (record, _) = read(&file.0, path)?;
    Ok((record, file))
}

fn read(file: &File, path: &Path) -> Result<(Record, u64), JournalError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let file =
            file.metadata().map_err(|error| JournalError::Io { doing: "reading", path: path.to_owned(), error })?;
        if file.permissions().mode() & 0o002 != 0 {
            return Err(JournalError::Open(path.to_owned()));
        }
    }
    let mut bytes = Vec::new();
    let len = file.take(LARGEST + 1).read_to_end(&mut bytes);
    let len = len.map_err(|error| JournalError::Io { doing: "reading", path: path.to_owned(), error })? as u64;
    if len > LARGEST {
        return Err(JournalError::TooLarge(path.to_owned()));
    }
    let record = parse(&bytes).map_err(|why| JournalError::Foreign { path: path.to_owned(), why })?;
    Ok((record, len))
}

fn lock(file: File, path: &Path) -> Result<Held, JournalError> {
    match file.try_lock() {
        Ok(()) => Ok(Held(file)),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(JournalError::Io { doing: "locking", path: path.to_owned(), error }),
    }
}

/// A new file is there after a loss of power only when its directory was flushed too.
#[cfg(unix)]
fn sync_directory(file: &Path) -> io::Result<()> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

impl Sink for Held {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Self(file) = self;
        let before = file.metadata()?.len();
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        if written.is_err() {
            // A part of a line is of no use. If it can't be taken away, whoever reads it knows it by its missing end.
            let _ = file.set_len(before);
        }
        written
    }
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Confirmed, Self::Unchanged, Self::Failed, Self::Unknown];

    /// As it is written in journals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }

    /// It stands as it was to stand.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Confirmed | Self::Unchanged)
    }
}

impl State {
    /// It may have been switched by this run: it was, or it was about to be and nobody knows.
    pub fn may_be_done(&self) -> bool {
        match &self.receipt {
            Some(receipt) => self.in_doubt || receipt.result == Outcome::Confirmed,
            None => self.is_begun,
        }
    }

    /// Nothing is left to be done.
    pub fn is_good(&self) -> bool {
        self.receipt.as_ref().is_some_and(|receipt| receipt.result.is_good())
    }
}

impl Record {
    /// The places of the steps of which something is left to be done.
    pub fn left(&self) -> Vec<usize> {
        (0..self.states.len()).filter(|&seq| !self.states[seq].is_good()).collect()
    }
}

/// The journals of a directory whose runs have steps left and are not in use, the newest first. What is no journal is passed over, and so
/// are those that take another one back: who asks for what is left to be switched off does not mean them.
///
/// # Errors
/// When the directory can't be read.
pub fn unfinished(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != "jsonl") {
            continue;
        }
        if let Ok((record, _)) = consult(&path)
            && record.header.undoes.is_none()
            && !record.left().is_empty()
        {
            found.push((record.header.started, path));
        }
    }
    found.sort();
    Ok(found.into_iter().rev().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests;
