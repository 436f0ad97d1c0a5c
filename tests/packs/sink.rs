//! A sink that does what the sweep does with what comes out of a repository, and remembers it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use keysweep::blob::{Blob, Lineage, ObjectId};
use keysweep::engine::rule::RuleSet;
use keysweep::engine::{Scan, Scanner};
use keysweep::source::git::{History, Limits, Revisions, cache};
use keysweep::source::{Sink, Skipped, Source, Taken};

use crate::piece;

pub(crate) static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new(RuleSet::builtin()));

/// One match: the object, the rule, and where in which piece of it.
pub(crate) type Found = BTreeSet<(ObjectId, String, usize, usize)>;

/// What a repository came to.
#[derive(Default)]
pub(crate) struct Seen {
    /// Each object's pieces, joined.
    pub(crate) objects: BTreeMap<ObjectId, Vec<u8>>,
    pub(crate) found: Found,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) notes: Vec<String>,
    /// How many objects an earlier scan has found clean.
    pub(crate) known: u64,
    /// How many objects were searched for what is new in them only.
    pub(crate) inherited: usize,
}

impl Seen {
    /// Whether something that could not be read is named so.
    pub(crate) fn is_told(&self, name: &str) -> bool {
        self.skipped.iter().any(|skipped| skipped.what.contains(name))
    }
}

#[derive(Default)]
struct Recorder(Mutex<Seen>);

/// Adds the matches of a piece.
pub(crate) fn collect(id: ObjectId, scan: Scan, found: &mut Found) {
    found.extend(scan.matches.into_iter().map(|hit| (id, hit.rule.to_string(), hit.span.start, hit.span.end)));
}

impl Sink for Recorder {
    fn blob(&self, blob: Blob<'_>) -> Taken {
        let id = piece::id(&blob.provenance);
        let (bytes, result) = piece::read(blob.content);
        let bytes = bytes.as_ref();
        if let Err(error) = result {
            self.skipped(Skipped::new(id.to_string(), error));
        }
        let marks = match blob.lineage {
            Lineage::Alone => None,
            Lineage::First => SCANNER.marks(bytes),
            Lineage::Made { marks, copies } => {
                self.0.lock().unwrap().inherited += 1;
                SCANNER.inherited_marks(bytes, marks, copies)
            }
        };
        let scan = marks.as_ref().map_or_else(|| SCANNER.scan(bytes), |marks| SCANNER.scan_marked(bytes, marks));
        let mut seen = self.0.lock().unwrap();
        let is_clean = scan.matches.is_empty();
        collect(id, scan, &mut seen.found);
        seen.objects.entry(id).or_default().extend_from_slice(bytes);
        Taken { marks, is_clean }
    }

    fn known(&self, objects: u64) {
        self.0.lock().unwrap().known += objects;
    }

    fn note(&self, note: String) {
        self.0.lock().unwrap().notes.push(note);
    }

    fn skipped(&self, skipped: Skipped) {
        self.0.lock().unwrap().skipped.push(skipped);
    }

    fn max_size(&self) -> Option<u64> {
        None
    }
}

/// All that a repository holds, and what is missing in it.
pub(crate) fn scan(git_dir: &Path) -> Seen {
    scan_within(git_dir, Limits::default())
}

/// The same within other limits.
pub(crate) fn scan_within(git_dir: &Path, limits: Limits) -> Seen {
    seen_by(history(git_dir, Revisions::All).within(limits))
}

/// The same with a memory.
pub(crate) fn scan_remembered(git_dir: &Path, directory: &Path) -> Seen {
    let settings = cache::Settings::new(directory.into(), [0; 32]).unwrap().0;
    seen_by(history(git_dir, Revisions::All).remembered(settings, b"repository".to_vec()))
}

/// What the commits of a range brought.
pub(crate) fn scan_range(git_dir: &Path, range: &str) -> Seen {
    seen_by(history(git_dir, Revisions::Range(range.to_owned())))
}

fn history(git_dir: &Path, revisions: Revisions) -> History {
    History::new("repository", git_dir.into(), git_dir.into(), revisions)
}

fn seen_by(history: History) -> Seen {
    let recorder = Recorder::default();
    history.visit(&recorder).unwrap();
    let wanted = recorder.0.lock().unwrap().found.iter().map(|found| found.0).collect();
    history.attribute(&wanted, &recorder);
    recorder.0.into_inner().unwrap()
}
