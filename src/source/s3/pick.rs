//! Of a page of a list, what is read and what is not, and why not. Nobody is asked but the state.

use std::sync::Arc;

use super::archived;
use super::fetch::stored;
use super::filter::{Filter, Verdict, fingerprint};
use super::state::{Archived, Memory, Print};
use crate::aws::store::Entry;
use crate::source::Skipped;

/// What decides what is read.
#[derive(Debug)]
pub(super) struct Picker {
    pub(super) filter: Arc<Filter>,
    /// What is written down about objects is read too.
    pub(super) metadata: bool,
    pub(super) memory: Option<Arc<Memory>>,
}

/// Entries of a page, by what is done with them.
#[derive(Debug, Default)]
pub(super) struct Picked {
    /// To be read.
    pub(super) reading: Vec<(Entry, Print)>,
    /// So many more were read before, and clean.
    pub(super) clean: u64,
    pub(super) archived: Archived,
    /// Not read, which is told; and told once more where a sweep is gone on with.
    pub(super) again: Vec<(Print, Entry)>,
    pub(super) skipped: Vec<Skipped>,
}

impl Picker {
    /// Looks through entries.
    pub(super) fn pick(&self, bucket: &Arc<str>, entries: Vec<Entry>) -> Picked {
        let mut picked = Picked::default();
        for entry in entries {
            let verdict = self.filter.judge(bucket, &entry);
            let print = self.print(bucket, &entry, verdict != Verdict::Archived);
            match verdict {
                Verdict::Pass => {}
                Verdict::Read => picked.reading.push((entry, print)),
                Verdict::TooLarge(limit) => {
                    picked.skipped.push(too_large(bucket, &entry, limit));
                    picked.again.push((print, entry));
                }
                Verdict::Archived => {
                    archived::add(&mut picked.archived, &one(&entry.storage_class, entry.size));
                    if self.metadata {
                        picked.reading.push((entry, print));
                    }
                }
            }
        }
        picked
    }

    /// Entries that are all to be read.
    pub(super) fn prints(&self, bucket: &str, entries: Vec<Entry>) -> Vec<(Entry, Print)> {
        let with = |entry: Entry| {
            let print = self.print(bucket, &entry, true);
            (entry, print)
        };
        entries.into_iter().map(with).collect()
    }

    fn print(&self, bucket: &str, entry: &Entry, bytes: bool) -> Print {
        self.memory.as_ref().map_or([0; 16], |_| fingerprint(bucket, entry, bytes && !entry.is_delete_marker))
    }

    /// Leaves out what is known to be clean. Where that can't be looked up, all is read; that the state fails is told when it is written.
    pub(super) fn leave_known(&self, picked: &mut Picked) {
        let prints: Vec<Print> = picked.reading.iter().map(|(_, print)| *print).collect();
        if let Some(Ok(known)) = self.memory.as_ref().map(|memory| memory.known(&prints)) {
            let mut known = known.into_iter();
            picked.reading.retain(|_| !known.next().unwrap_or_default());
            picked.clean = (prints.len() - picked.reading.len()) as u64;
        }
    }
}

/// Larger than what was asked for.
pub(super) fn too_large(bucket: &Arc<str>, entry: &Entry, limit: u64) -> Skipped {
    let what = stored(bucket, entry).to_string();
    Skipped::new(what, format!("{} bytes are more than --max-object-size {limit}", entry.size))
}

/// One object of an archive class.
pub(super) fn one(class: &str, size: u64) -> Archived {
    Archived::from([(class.to_owned(), (1, size))])
}
