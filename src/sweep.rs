//! The one loop that every source goes through: blobs to the engine, archives opened on the way, hits to findings, and a
//! tally of what was read and what was not. It knows no formats and prints nothing.

use std::collections::HashSet;
use std::io::{Read, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bstr::ByteSlice;

use crate::blob::{Blob, Content, ObjectId, ReadSeek};
use crate::engine::{Encoding, Match, Scanner};
use crate::finding::{Finding, Hit, Occurrence, group, snippet};
use crate::location::Point;
use crate::provenance::{Origin, Provenance};
use crate::source::archive::{self, Budget, Member};
use crate::source::{Sink, Skipped, Source, SourceError};

/// Limits of a sweep.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads that scan; at least one.
    pub jobs: usize,
    /// Larger blobs are not read; `None` reads everything.
    pub max_file_size: Option<u64>,
    /// How deep archives within archives are opened; 0 opens none.
    pub archive_depth: u32,
    /// What is larger than this many bytes is read in windows of about this size.
    pub window: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            max_file_size: None,
            archive_depth: 3,
            window: 8 << 20,
        }
    }
}

/// How far a sweep has come, to be read from another thread.
#[derive(Debug, Default)]
pub struct Progress {
    /// Blobs scanned, archive members among them.
    pub blobs: AtomicU64,
    /// Bytes scanned.
    pub bytes: AtomicU64,
    /// Hits so far; one credential can have many.
    pub hits: AtomicU64,
}

/// What was read and what was not.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Blobs scanned, archive members among them.
    pub blobs: u64,
    /// Bytes scanned.
    pub bytes: u64,
    /// Everything unread, in order, each once.
    pub skipped: Vec<Skipped>,
}

/// What a sweep came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// One for each credential.
    pub findings: Vec<Finding>,
    /// What they were found in.
    pub tally: Tally,
}

/// Takes every source through the engine.
///
/// # Errors
/// When a source can't be read at all. Whatever is merely in part unreadable is in [`Tally::skipped`].
pub fn run(
    sources: &[Box<dyn Source>],
    scanner: &Scanner,
    options: &Options,
    progress: &Progress,
) -> Result<Outcome, SourceError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.jobs.max(1))
        .thread_name(|n| format!("keysweep-{n}"))
        .build()
        .map_err(|error| SourceError {
            what: "the input".to_owned(),
            why: format!(
                "starting {} threads failed: {error}; try a smaller --jobs",
                options.jobs
            ),
        })?;
    let sweep = Sweep {
        scanner,
        options,
        progress,
        hits: Mutex::default(),
        skipped: Mutex::default(),
    };
    let mut hits = Vec::new();
    for source in sources {
        pool.install(|| source.visit(&sweep))?;
        let found = std::mem::take(&mut *sweep.hits.lock().unwrap_or_else(PoisonError::into_inner));
        hits.extend(pool.install(|| attributed(found, source.as_ref(), &sweep)));
    }
    let mut skipped = sweep
        .skipped
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    skipped.sort();
    skipped.dedup();
    Ok(Outcome {
        findings: group::group(hits),
        tally: Tally {
            blobs: progress.blobs.load(Ordering::Relaxed),
            bytes: progress.bytes.load(Ordering::Relaxed),
            skipped,
        },
    })
}

/// Asks the source where the objects stand that hit; one that stands at several places becomes a hit at each.
fn attributed(hits: Vec<Hit>, source: &dyn Source, sink: &dyn Sink) -> Vec<Hit> {
    let object = |hit: &Hit| match &hit.occurrence.provenance.origin {
        Origin::Object { id, .. } => Some(*id),
        _ => None,
    };
    let wanted: HashSet<ObjectId> = hits.iter().filter_map(object).collect();
    if wanted.is_empty() {
        return hits;
    }
    let places = source.attribute(&wanted, sink);
    hits.into_iter()
        .flat_map(|hit| match object(&hit).and_then(|id| places.get(&id)) {
            None => vec![hit],
            Some(places) => places.iter().map(|place| moved(&hit, place)).collect(),
        })
        .collect()
}

/// The same hit at the place that was found out; the member of an archive stays.
fn moved(hit: &Hit, place: &Provenance) -> Hit {
    let mut hit = hit.clone();
    hit.occurrence.provenance.origin = place.origin.clone();
    hit
}

/// Neighbouring windows share this many bytes, so that nothing is cut in two.
const OVERLAP: usize = 64 << 10;

/// A stretch of a blob that is in memory.
struct Window<'a> {
    bytes: &'a [u8],
    /// Offset of its first byte in the blob.
    offset: u64,
    /// Line and column of its first byte.
    start: Point,
    /// The blob ends with it.
    last: bool,
}

impl Window<'_> {
    /// Whether bytes beyond the window might change what was matched.
    fn cuts(&self, found: &Match) -> bool {
        let ends = found
            .secrets
            .iter()
            .map(|s| s.span.end)
            .fold(found.span.end, usize::max);
        let starts = found
            .secrets
            .iter()
            .map(|s| s.span.start)
            .fold(found.span.start, usize::min);
        (starts == 0 && self.offset > 0) || (ends == self.bytes.len() && !self.last)
    }
}

struct Sweep<'a> {
    scanner: &'a Scanner,
    options: &'a Options,
    progress: &'a Progress,
    hits: Mutex<Vec<Hit>>,
    skipped: Mutex<Vec<Skipped>>,
}

impl Sink for Sweep<'_> {
    fn blob(&self, blob: Blob<'_>) {
        let hits = self.content(&blob.provenance, blob.content, None);
        if !hits.is_empty() {
            self.hits
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(hits);
        }
    }

    fn skipped(&self, skipped: Skipped) {
        self.skipped
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(skipped);
    }

    fn max_size(&self) -> Option<u64> {
        self.options.max_file_size
    }
}

impl Sweep<'_> {
    /// Scans content as it stands and, where it is an archive, what it holds. `within` is the budget of the archive that it is a
    /// member of.
    fn content(&self, at: &Provenance, content: Content<'_>, within: Option<&Budget>) -> Vec<Hit> {
        match content {
            Content::Bytes(bytes) => self.bytes(at, bytes, within),
            Content::Seekable(file) => self.seekable(at, file, within),
            Content::Stream(stream) => self.stream(at, stream, within),
        }
    }

    fn bytes(&self, at: &Provenance, bytes: &[u8], within: Option<&Budget>) -> Vec<Hit> {
        self.count(1, bytes.len());
        let size = bytes.len() as u64;
        let mut hits = self
            .members(at, bytes, Content::Bytes(bytes), size, within)
            .unwrap_or_default();
        let whole = Window {
            bytes,
            offset: 0,
            start: Point::START,
            last: true,
        };
        add_unknown(&mut hits, self.window(at, &whole));
        hits
    }

    fn seekable(
        &self,
        at: &Provenance,
        file: &mut dyn ReadSeek,
        within: Option<&Budget>,
    ) -> Vec<Hit> {
        self.count(1, 0);
        let opened = (|| {
            let mut head = Vec::new();
            (&mut *file)
                .take(archive::HEAD as u64)
                .read_to_end(&mut head)?;
            let size = file.seek(SeekFrom::End(0))?;
            file.rewind()?;
            let hits = self.members(at, &head, Content::Seekable(file), size, within);
            file.rewind()?;
            Ok(hits.unwrap_or_default())
        })();
        match opened {
            Ok(mut hits) => {
                add_unknown(&mut hits, self.windows(at, file));
                hits
            }
            Err(error) => {
                self.unreadable(at, &error);
                Vec::new()
            }
        }
    }

    /// An archive that can be read only once is not scanned as it stands, only its members are.
    fn stream(&self, at: &Provenance, stream: &mut dyn Read, within: Option<&Budget>) -> Vec<Hit> {
        let mut first = Vec::new();
        let window = self.options.window as u64;
        let read = (&mut *stream).take(window).read_to_end(&mut first);
        if read.is_ok() && first.len() < self.options.window {
            return self.bytes(at, &first, within);
        }
        self.count(1, 0);
        let mut failed = Failed(read.err());
        let rest: &mut dyn Read = match failed.0 {
            Some(_) => &mut failed,
            None => stream,
        };
        let mut all = first.as_slice().chain(rest);
        self.members(at, &first, Content::Stream(&mut all), 0, within)
            .unwrap_or_else(|| self.windows(at, &mut all))
    }

    /// What an archive of `size` bytes that begins with `head` holds; `None` when it is none or not to be opened.
    fn members(
        &self,
        at: &Provenance,
        head: &[u8],
        content: Content<'_>,
        size: u64,
        within: Option<&Budget>,
    ) -> Option<Vec<Hit>> {
        let kind = archive::detect(head)?;
        let depth = within.map_or(0, Budget::depth);
        if depth >= self.options.archive_depth {
            if depth > 0 {
                let why = format!(
                    "archives are opened {depth} deep; a larger --archive-depth opens this one too"
                );
                self.skipped(Skipped::new(at.to_string(), why));
            }
            return None;
        }
        let outermost = Budget::for_archive(size);
        let budget = within.unwrap_or(&outermost);
        let name = at.member.as_ref().or_else(|| at.path());
        let name = name.map_or(&b""[..], |path| path);
        let mut hits = Vec::new();
        let mut each = |member: Member<'_>, content: Content<'_>| {
            let at = at.member(member.name);
            match (member.size, self.options.max_file_size) {
                (Some(size), Some(limit)) if size > limit => self.too_large(&at, size, limit),
                _ => hits.extend(self.content(&at, content, Some(budget))),
            }
        };
        let result = archive::expand(kind, name, content, budget, &mut each);
        for problem in result {
            let what = problem
                .member
                .map_or_else(|| at.to_string(), |name| at.member(&name).to_string());
            self.skipped(Skipped::new(what, problem.why));
        }
        Some(hits)
    }

    fn windows(&self, at: &Provenance, stream: &mut dyn Read) -> Vec<Hit> {
        let mut hits = Vec::new();
        let mut buffer = Vec::new();
        let (mut offset, mut start) = (0, Point::START);
        loop {
            let room = (self.options.window + OVERLAP - buffer.len()) as u64;
            let read = (&mut *stream).take(room).read_to_end(&mut buffer);
            let last = !matches!(read, Ok(read) if read as u64 == room);
            hits.extend(self.window(
                at,
                &Window {
                    bytes: &buffer,
                    offset,
                    start,
                    last,
                },
            ));
            if let Err(error) = &read {
                self.unreadable(at, error);
            }
            let done = if last {
                buffer.len()
            } else {
                buffer.len() - OVERLAP
            };
            self.count(0, done);
            if last {
                return hits;
            }
            start = start.after(&buffer[..done]);
            offset += done as u64;
            buffer.drain(..done);
        }
    }

    fn window(&self, at: &Provenance, window: &Window<'_>) -> Vec<Hit> {
        let matches = self.scanner.scan(window.bytes);
        let mut lines = Lines::new(window);
        let hits: Vec<Hit> = matches
            .iter()
            .filter(|found| !window.cuts(found))
            .map(|found| {
                let point = lines.point(found);
                Hit {
                    rule: found.rule.clone(),
                    access_key_id: found.access_key_id,
                    secrets: found
                        .secrets
                        .iter()
                        .map(|s| (s.kind, s.secret.clone()))
                        .collect(),
                    occurrence: Occurrence {
                        provenance: at.clone(),
                        point,
                        offset: window.offset + found.span.start as u64,
                        snippet: snippet::cut(window.bytes, point.line, found, &matches),
                        encoding: found.encoding.clone(),
                    },
                }
            })
            .collect();
        self.progress
            .hits
            .fetch_add(hits.len() as u64, Ordering::Relaxed);
        hits
    }

    fn count(&self, blobs: u64, bytes: usize) {
        self.progress.blobs.fetch_add(blobs, Ordering::Relaxed);
        self.progress
            .bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn unreadable(&self, at: &Provenance, error: &std::io::Error) {
        self.skipped(Skipped::new(
            at.to_string(),
            format!("reading it failed: {error}; what came before was scanned"),
        ));
    }

    fn too_large(&self, at: &Provenance, size: u64, limit: u64) {
        self.skipped(Skipped::too_large(at.to_string(), size, limit));
    }
}

/// A reader's error, to be met by whoever reads on.
struct Failed(Option<std::io::Error>);

impl Read for Failed {
    fn read(&mut self, _buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Lines and columns of matches that come in rising order: every byte is counted once.
struct Lines<'a> {
    window: &'a Window<'a>,
    counted: usize,
    point: Point,
}

impl<'a> Lines<'a> {
    fn new(window: &'a Window<'a>) -> Self {
        Self {
            window,
            counted: 0,
            point: window.start,
        }
    }

    fn point(&mut self, found: &Match) -> Point {
        let at = found.span.start;
        if at < self.counted {
            (self.counted, self.point) = (0, self.window.start);
        }
        self.point = self.point.after(&self.window.bytes[self.counted..at]);
        self.counted = at;
        let mut point = self.point;
        if found
            .encoding
            .iter()
            .any(|e| matches!(e, Encoding::Utf16Le | Encoding::Utf16Be))
        {
            let line_start = self.window.bytes[..at]
                .rfind_byte(b'\n')
                .map_or(0, |newline| newline + 1);
            point.column = (at - line_start) as u64 / 2 + 1;
        }
        point
    }
}

/// Adds the hits of an archive's own bytes, but for those of credentials that its members gave already.
fn add_unknown(hits: &mut Vec<Hit>, plain: Vec<Hit>) {
    let known = |hit: &Hit| {
        hits.iter().any(|inner| {
            hit.access_key_id
                .map_or(inner.secrets.first() == hit.secrets.first(), |id| {
                    inner.access_key_id == Some(id)
                })
        })
    };
    let new: Vec<Hit> = plain.into_iter().filter(|hit| !known(hit)).collect();
    hits.extend(new);
}
