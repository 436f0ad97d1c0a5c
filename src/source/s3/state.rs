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

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Builder, Database, DatabaseError, ReadableDatabase, StorageError, TableDefinition};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::Options;
use crate::aws::store::Entry;

mod journal;
#[cfg(test)]
mod tests;

pub(super) use journal::{Journal, Listed, Outcome, Ticket, Told};

/// The layout of the tables; one with another number is not read.
const FORMAT: u64 = 1;
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const CLEAN: TableDefinition<&Print, ()> = TableDefinition::new("clean");
const UNITS: TableDefinition<&UnitId, &[u8]> = TableDefinition::new("units");
const AGAIN: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("again");

/// So many bytes of the file are held in memory.
const CACHE: usize = 8 << 20;
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

/// How far a list was, and what of it is to be read again.
pub(super) type Left = (Record, Vec<(Print, Entry)>);

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
    pub(super) fn left(&self, unit: UnitId) -> Result<Option<Left>, String> {
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
        let (database, path) = (self.database.clone(), self.path.clone());
        journal::begin(database, handle, move |error| failed(&path, "writing", error))
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
