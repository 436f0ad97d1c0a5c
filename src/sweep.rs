//! The one loop that every source goes through: blobs to the engine, archives opened on the way, hits to findings, and a
//! tally of what was read and what was not. It knows no formats and prints nothing.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use self::fresh::{Parts, fresh};
use self::window::Window;
use crate::blob::{Blob, Content, Lineage, ObjectId};
use crate::engine::{Scan, Scanner};
use crate::finding::redact::Redactor;
use crate::finding::{Finding, Hit, Occurrence, comment, group, snippet};
use crate::location::{Lines, Mark, Point};
use crate::place;
use crate::provenance::{Origin, Provenance};
use crate::source::archive;
use crate::source::{Sink, Skipped, Source, Taken};

mod content;
mod fresh;
mod window;

/// Limits of a sweep.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads that scan; at least one.
    pub jobs: usize,
    /// Larger blobs are not read; `None` reads everything.
    pub max_file_size: Option<u64>,
    /// How deep archives within archives are opened; 0 opens none.
    pub archive_depth: u32,
    /// What is larger than this many bytes is read in windows, none of which is much larger.
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
    /// Objects that were not scanned again, because an earlier scan found nothing in them.
    pub known: u64,
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
    /// What else the user should be told.
    pub notes: Vec<String>,
}

/// The threads of a sweep could not be started.
#[derive(Debug, thiserror::Error)]
#[error("starting {jobs} threads failed: {source}; try a smaller --jobs")]
pub struct ThreadError {
    jobs: usize,
    source: rayon::ThreadPoolBuildError,
}

/// Takes every source through the engine.
///
/// # Errors
/// When the threads can't be started. Whatever can't be read, in part or at all, is in [`Tally::skipped`].
pub fn run(
    sources: &[Box<dyn Source>],
    scanner: &Scanner,
    options: &Options,
    progress: &Progress,
) -> Result<Outcome, ThreadError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.jobs.max(1))
        .thread_name(|n| format!("keysweep-{n}"))
        .build()
        .map_err(|source| ThreadError { jobs: options.jobs, source })?;
    let sweep = Sweep::new(scanner, options, progress);
    let mut hits = Vec::new();
    for source in sources {
        if let Err(error) = pool.install(|| source.visit(&sweep)) {
            sweep.skipped(error.into());
        }
        let found = std::mem::take(&mut *sweep.hits.lock().unwrap_or_else(PoisonError::into_inner));
        hits.extend(pool.install(|| fresh(attributed(found, source.as_ref(), &sweep), source.as_ref(), &sweep)));
        hits.retain(|hit| place::holds(&hit.terms, &hit.occurrence.provenance));
    }
    let mut skipped = sweep.skipped.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(mut redactor) = Redactor::new(&hits) {
        hits.iter_mut().for_each(|hit| redactor.place(hit));
        skipped.iter_mut().for_each(|skipped| *skipped = redacted(skipped, &mut redactor));
    }
    skipped.sort();
    skipped.dedup();
    Ok(Outcome {
        findings: group::group(hits),
        tally: Tally {
            blobs: progress.blobs.load(Ordering::Relaxed),
            bytes: progress.bytes.load(Ordering::Relaxed),
            known: sweep.known.into_inner(),
            skipped,
        },
        notes: sweep.notes.into_inner().unwrap_or_else(PoisonError::into_inner),
    })
}

fn redacted(skipped: &Skipped, redactor: &mut Redactor) -> Skipped {
    Skipped::new(redactor.text(&skipped.what), redactor.text(&skipped.why))
}

/// Asks the source where the objects stand that hit; one that stands at several places becomes a hit at each.
fn attributed(hits: Vec<Hit>, source: &dyn Source, sink: &dyn Sink) -> Vec<Hit> {
    let object = |hit: &Hit| match &hit.occurrence.provenance.origin {
        Origin::Object { id, .. } => Some(*id),
        _ => None,
    };
    let wanted: HashSet<ObjectId> = hits.iter().filter_map(object).collect();
    let places = source.attribute(&wanted, sink);
    hits.into_iter()
        .flat_map(|hit| match object(&hit).and_then(|id| places.get(&id)) {
            None => vec![hit],
            Some(places) => {
                let asked_for = places.iter().filter(|place| place::holds(&hit.terms, &of_member(&hit, place)));
                asked_for.map(|place| moved(&hit, place)).collect()
            }
        })
        .collect()
}

/// The place that was found out; the member of an archive stays.
fn of_member(hit: &Hit, place: &Provenance) -> Provenance {
    Provenance { origin: place.origin.clone(), member: hit.occurrence.provenance.member.clone() }
}

/// The same hit there.
fn moved(hit: &Hit, place: &Provenance) -> Hit {
    let mut hit = hit.clone();
    hit.occurrence.provenance = of_member(&hit, place);
    hit
}

/// Why a blob was not searched to its end, though it was read.
const TOO_MUCH_ENCODED: &str = "what is encoded in it is more than eight times as long when decoded; not all of that was read, but all else was; decode \
     it and scan what comes out";

thread_local! {
    /// How often this thread has skipped something: a blob is dealt with by one thread from beginning to end.
    static TROUBLES: Cell<u64> = const { Cell::new(0) };
}

struct Sweep<'a> {
    scanner: &'a Scanner,
    options: &'a Options,
    progress: &'a Progress,
    hits: Mutex<Vec<Hit>>,
    skipped: Mutex<Vec<Skipped>>,
    known: AtomicU64,
    notes: Mutex<Vec<String>>,
}

impl Sink for Sweep<'_> {
    fn blob(&self, blob: Blob<'_>) -> Taken {
        let troubles = TROUBLES.get();
        let marks = self.marks(&blob);
        let hits = match (blob.content, &marks) {
            (Content::Bytes(bytes), Some(marks)) if archive::detect(bytes).is_none() => {
                self.count(1, bytes.len());
                let whole = Window { bytes, offset: 0, start: Point::START, last: true };
                self.hits(&blob.provenance, &whole, self.scanner.scan_marked(bytes, marks))
            }
            (content, _) => self.content(&blob.provenance, content, None),
        };
        let is_clean = hits.is_empty() && TROUBLES.get() == troubles;
        if !hits.is_empty() {
            self.hits.lock().unwrap_or_else(PoisonError::into_inner).extend(hits);
        }
        Taken { marks, is_clean }
    }

    fn known(&self, objects: u64) {
        self.known.fetch_add(objects, Ordering::Relaxed);
    }

    fn note(&self, note: String) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }

    fn skipped(&self, skipped: Skipped) {
        TROUBLES.set(TROUBLES.get() + 1);
        self.skipped.lock().unwrap_or_else(PoisonError::into_inner).push(skipped);
    }

    fn max_size(&self) -> Option<u64> {
        self.options.max_file_size
    }
}

impl<'a> Sweep<'a> {
    fn new(scanner: &'a Scanner, options: &'a Options, progress: &'a Progress) -> Self {
        let (hits, skipped, notes) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { scanner, options, progress, hits, skipped, known: AtomicU64::new(0), notes }
    }

    /// Where a blob may hold something, if that saves work on it or on what will be made of it.
    fn marks(&self, blob: &Blob<'_>) -> Option<Vec<Mark>> {
        let Content::Bytes(bytes) = blob.content else {
            return None;
        };
        match blob.lineage {
            Lineage::Alone => None,
            Lineage::First => self.scanner.marks(bytes),
            Lineage::Made { marks, copies } => self.scanner.inherited_marks(bytes, marks, copies),
        }
    }

    fn hits(&self, at: &Provenance, window: &Window<'_>, scan: Scan) -> Vec<Hit> {
        let Scan { matches, complete } = scan;
        if !complete {
            self.skipped(Skipped::new(at.to_string(), TOO_MUCH_ENCODED));
        }
        if matches.is_empty() {
            return Vec::new();
        }
        let secrets = snippet::secrets_of(&matches);
        let parts = Parts::of(at, window, &matches);
        let mut lines = Lines::new(window.bytes, window.start);
        let hits: Vec<Hit> = matches
            .iter()
            .filter(|found| window.owns(found) && (place::is_unknown(at) || place::holds(&found.terms, at)))
            .map(|found| {
                let wide = found.encoding.first().is_some_and(|encoding| encoding.is_wide());
                let point = lines.point(found.span.start, wide);
                Hit {
                    rule: found.rule.clone(),
                    access_key_id: found.access_key_id,
                    terms: found.terms.clone(),
                    secrets: found.secrets.iter().map(|s| (s.kind, s.secret.clone())).collect(),
                    parts: parts.of_match(found),
                    occurrence: Occurrence {
                        provenance: at.clone(),
                        point,
                        offset: window.offset + found.span.start as u64,
                        snippet: snippet::cut(window.bytes, point.line, found, &secrets),
                        encoding: found.encoding.clone(),
                        expires: found.expires(),
                        comment: comment::of(window.bytes, found),
                        suppressed: None,
                    },
                }
            })
            .collect();
        self.progress.hits.fetch_add(hits.len() as u64, Ordering::Relaxed);
        hits
    }

    fn count(&self, blobs: u64, bytes: usize) {
        self.progress.blobs.fetch_add(blobs, Ordering::Relaxed);
        self.progress.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io::{Cursor, Read};
    use std::sync::Arc;

    use super::window::OVERLAP;
    use super::*;
    use crate::engine::rule::RuleSet;
    use crate::provenance::Commit;

    /// An id of which only the last characters change.
    fn id(n: u32) -> String {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let tail: String = (0..4).map(|place| letters[(n >> (5 * place)) as usize % 32] as char).collect();
        format!("{}{}{tail}", "AKIA", "ZQ3DMTHV27KB")
    }

    /// How a test source hands its bytes out.
    #[derive(Clone, Copy)]
    enum Way {
        Bytes,
        Seekable,
        Stream,
    }

    struct Fixed {
        blobs: Vec<(Origin, Vec<u8>)>,
        way: Way,
        places: HashMap<ObjectId, Vec<Provenance>>,
    }

    impl Source for Fixed {
        fn visit(&self, sink: &dyn Sink) -> Result<(), crate::source::SourceError> {
            for (origin, bytes) in &self.blobs {
                let provenance = Provenance::new(origin.clone());
                let mut cursor = Cursor::new(bytes);
                let content = match self.way {
                    Way::Bytes => Content::Bytes(bytes),
                    Way::Seekable => Content::Seekable(&mut cursor),
                    Way::Stream => Content::Stream(&mut cursor),
                };
                sink.blob(Blob::alone(provenance, content));
            }
            Ok(())
        }

        fn attribute(&self, _ids: &HashSet<ObjectId>, _sink: &dyn Sink) -> HashMap<ObjectId, Vec<Provenance>> {
            self.places.clone()
        }
    }

    struct Broken;

    impl Source for Broken {
        fn visit(&self, sink: &dyn Sink) -> Result<(), crate::source::SourceError> {
            sink.skipped(Skipped::new("b", "twice"));
            sink.skipped(Skipped::new("b", "twice"));
            Err(crate::source::SourceError { what: "a".into(), why: "broken".into() })
        }
    }

    fn file(name: &str) -> Origin {
        Origin::File { path: name.into() }
    }

    fn sweep(sources: &[Box<dyn Source>], options: &Options) -> Outcome {
        let scanner = Scanner::new(RuleSet::builtin());
        run(sources, &scanner, options, &Progress::default()).unwrap()
    }

    fn swept(bytes: Vec<u8>, way: Way, options: &Options) -> Outcome {
        sweep(&[Box::new(Fixed { blobs: vec![(file("a"), bytes)], way, places: HashMap::new() })], options)
    }

    /// Line, column and offset.
    type Place = (u64, u64, u64);

    fn lines_and_offsets(outcome: &Outcome) -> Vec<(String, Vec<Place>)> {
        let place = |o: &Occurrence| (o.point.line, o.point.column, o.offset);
        let finding =
            |f: &Finding| (f.access_key_id.unwrap().to_string(), f.occurrences.iter().map(place).collect::<Vec<_>>());
        outcome.findings.iter().map(finding).collect()
    }

    #[test]
    fn windows_find_exactly_what_a_whole_scan_finds() {
        let mut bytes = Vec::new();
        for n in 0..40_000 {
            if n % 97 == 0 {
                bytes.extend_from_slice(format!("key = {}\n", id(n)).as_bytes());
            } else {
                bytes.extend_from_slice(format!("line {n}\n").as_bytes());
            }
        }
        let whole = lines_and_offsets(&swept(bytes.clone(), Way::Bytes, &Options::default()));
        assert_eq!(whole.len(), 413);
        for window in [OVERLAP, OVERLAP + 1, 100_003] {
            let options = Options { window, ..Options::default() };
            for way in [Way::Seekable, Way::Stream] {
                let outcome = swept(bytes.clone(), way, &options);
                assert!(lines_and_offsets(&outcome) == whole, "window {window}");
                assert_eq!(outcome.tally.bytes, bytes.len() as u64);
            }
        }
    }

    /// Letters that hold an id behind so much else that gzip makes nothing shorter of.
    fn encoded(length: usize) -> Vec<u8> {
        let next = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        let random =
            std::iter::successors(Some(1), next).map(|state: u64| b"nothing else"[(state >> 33) as usize % 12]);
        let text: Vec<u8> = random.take(length).chain(*b" ").chain(id(7).into_bytes()).collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, &text).unwrap();
        let mut gzip = gzip.finish().unwrap();
        gzip.resize(gzip.len().next_multiple_of(3), 0);
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let groups = gzip.chunks_exact(3).map(|three| u32::from_be_bytes([0, three[0], three[1], three[2]]));
        groups.flat_map(|bits| [18, 12, 6, 0].map(|by| alphabet[(bits >> by) as usize % 64])).collect()
    }

    #[test]
    fn what_is_encoded_is_not_cut_unless_it_is_longer_than_the_largest_window() {
        let letters = encoded(2_400_000);
        assert!(letters.len() > 1_200_000, "{}", letters.len());
        let lines = b"a line\n".repeat(20_000);
        let bytes = [lines.as_slice(), &letters, &b"\na line".repeat(400_000)].concat();
        for (window, found) in [(3 << 20, 1), (1 << 20, 0)] {
            let options = Options { window, ..Options::default() };
            assert_eq!(swept(bytes.clone(), Way::Seekable, &options).findings.len(), found, "{window}");
        }
    }

    #[test]
    fn one_endless_line_is_read_to_its_end() {
        let mut bytes = vec![b' '; 3 * OVERLAP];
        bytes.extend_from_slice(id(5).as_bytes());
        let options = Options { window: OVERLAP, ..Options::default() };
        let found = lines_and_offsets(&swept(bytes, Way::Stream, &options));
        let offset = 3 * OVERLAP as u64;
        assert_eq!(found, [(id(5), vec![(1, offset + 1, offset)])]);
    }

    fn zipped(name: &str, bytes: &[u8], method: zip::CompressionMethod) -> Vec<u8> {
        use std::io::Write;
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file(name, zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn what_an_archive_holds_is_told_by_its_member_and_only_there() {
        let inner = zipped("b.env", id(1).as_bytes(), zip::CompressionMethod::Stored);
        let outer = zipped("inner.zip", &inner, zip::CompressionMethod::Deflated);
        for way in [Way::Bytes, Way::Seekable, Way::Stream] {
            for bytes in [&inner, &outer] {
                let outcome = swept(bytes.clone(), way, &Options::default());
                assert_eq!(outcome.findings.len(), 1);
                let occurrences = &outcome.findings[0].occurrences;
                assert_eq!(occurrences.len(), 1, "{occurrences:?}");
                let shown = occurrences[0].provenance.to_string();
                assert!(shown == "a!b.env" || shown == "a!inner.zip!b.env", "{shown}");
            }
        }
    }

    #[test]
    fn what_stands_behind_the_members_of_a_large_archive_is_read_too() {
        use std::io::Write;
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        writer.start_file("a", stored).unwrap();
        writer.write_all(&vec![b' '; 4 * OVERLAP]).unwrap();
        writer.set_comment(id(1)).unwrap();
        let bytes = writer.finish().unwrap().into_inner();
        let options = Options { window: OVERLAP, ..Options::default() };
        for way in [Way::Bytes, Way::Seekable, Way::Stream] {
            let outcome = swept(bytes.clone(), way, &options);
            assert_eq!((outcome.findings.len(), outcome.tally.skipped.len()), (1, 0));
        }
    }

    #[test]
    fn archives_are_opened_as_deep_as_was_asked_and_the_rest_is_told() {
        let inner = zipped("b.env", id(1).as_bytes(), zip::CompressionMethod::Deflated);
        let outer = zipped("inner.zip", &inner, zip::CompressionMethod::Deflated);
        let options = |archive_depth| Options { archive_depth, ..Options::default() };
        let shallow = swept(outer.clone(), Way::Bytes, &options(1));
        assert!(shallow.findings.is_empty());
        assert!(shallow.tally.skipped[0].why.contains("--archive-depth"), "{:?}", shallow.tally.skipped);
        assert_eq!(swept(outer.clone(), Way::Bytes, &options(2)).findings.len(), 1);
        assert!(swept(outer, Way::Bytes, &options(0)).tally.skipped.is_empty());
    }

    #[test]
    fn members_above_the_limit_are_told_and_not_read() {
        let archive = zipped("b.env", id(1).as_bytes(), zip::CompressionMethod::Deflated);
        let options = Options { max_file_size: Some(19), ..Options::default() };
        let outcome = swept(archive, Way::Bytes, &options);
        assert!(outcome.findings.is_empty());
        assert_eq!(outcome.tally.skipped[0].what, "a!b.env");
    }

    #[test]
    fn an_object_at_two_places_occurs_twice_and_at_none_not_at_all() {
        let object = |n: u8| ObjectId::from_bytes(&[n; 20]).unwrap();
        let origin = |n| Origin::Object { repository: Arc::from("r"), id: object(n) };
        let commit = Arc::new(Commit {
            date: Default::default(),
            repository: Arc::from("r"),
            id: object(9),
            author: "a".into(),
            reachable: true,
        });
        let place = |path: &str| {
            Provenance::new(Origin::Commit { commit: commit.clone(), path: path.into(), in_head: Some(true) })
        };
        let blobs = (1..=3).map(|n| (origin(n), id(u32::from(n)).into_bytes())).collect();
        let places = HashMap::from([(object(1), vec![place("x"), place("y")]), (object(2), vec![])]);
        let outcome = sweep(&[Box::new(Fixed { blobs, way: Way::Bytes, places })], &Options::default());
        let told: Vec<(String, usize)> = outcome
            .findings
            .iter()
            .map(|finding| (finding.access_key_id.unwrap().to_string(), finding.occurrences.len()))
            .collect();
        assert_eq!(told, [(id(1), 2), (id(3), 1)]);
    }

    #[test]
    fn a_source_that_fails_is_told_once_and_the_others_go_on() {
        let good = Fixed { blobs: vec![(file("x"), id(1).into_bytes())], way: Way::Bytes, places: HashMap::new() };
        let outcome = sweep(&[Box::new(Broken), Box::new(good)], &Options::default());
        assert_eq!(outcome.tally.skipped, [Skipped::new("a", "broken"), Skipped::new("b", "twice")]);
        assert_eq!(outcome.findings.len(), 1);
    }

    /// Gives some bytes and then an error.
    struct Cut(Cursor<Vec<u8>>);

    impl Read for Cut {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(std::io::Error::other("the cable was pulled")),
                read => Ok(read),
            }
        }
    }

    struct CutSource(usize);

    impl Source for CutSource {
        fn visit(&self, sink: &dyn Sink) -> Result<(), crate::source::SourceError> {
            let mut bytes = id(1).into_bytes();
            bytes.resize(self.0, b' ');
            let mut stream = Cut(Cursor::new(bytes));
            sink.blob(Blob::alone(Provenance::new(file("x")), Content::Stream(&mut stream)));
            Ok(())
        }
    }

    #[test]
    fn what_came_before_a_reading_error_is_scanned_and_the_error_told_once() {
        let options = Options { window: OVERLAP, ..Options::default() };
        for size in [100, 3 * OVERLAP] {
            let outcome = sweep(&[Box::new(CutSource(size))], &options);
            assert_eq!(outcome.findings.len(), 1);
            assert_eq!(outcome.tally.skipped.len(), 1);
            assert!(outcome.tally.skipped[0].why.contains("the cable was pulled"));
        }
    }
}
