//! Buckets from their lists to the sink, over a server that holds a few objects in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bstr::ByteSlice;
use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use tempfile::TempDir;

use super::filter::tests::options;
use super::*;
use crate::aws::store::tests::{Reply, Request, Server, error, reply};
use crate::blob::{Blob, Content};
use crate::provenance::Origin;
use crate::source::Taken;

proptest! {
    #[test]
    fn targets_within_others_are_read_once(keys in proptest::collection::vec("[ab]{0,4}", 1..8), key in "[ab]{0,6}") {
        let target = |prefix: &String| Target { bucket: "b".into(), prefix: prefix.clone() };
        let outermost = outermost(keys.iter().map(target).collect());
        let listed = outermost["b"].iter().filter(|prefix| key.starts_with(prefix.as_str())).count();
        prop_assert_eq!(listed, usize::from(keys.iter().any(|prefix| key.starts_with(prefix.as_str()))));
    }
}

/// Objects by key.
type Objects = BTreeMap<String, Vec<u8>>;

fn objects<K: Into<String>>(objects: impl IntoIterator<Item = (K, Vec<u8>)>) -> Objects {
    objects.into_iter().map(|(key, bytes)| (key.into(), bytes)).collect()
}

/// So many small ones, in which nothing is to be found but in every tenth.
fn many(count: usize) -> Objects {
    let text = |n: usize| format!("{n} {}", if n % 10 == 3 { "LEAK" } else { "nothing" }).into_bytes();
    objects((0..count).map(|n| (format!("{}/{n:04}", n % 5), text(n))))
}

/// Serves a bucket, so many keys a page.
fn serve(objects: Objects, page: usize) -> Server {
    Server::new(move |request, _| answer(&objects, page, request))
}

fn answer(objects: &Objects, page: usize, request: &Request) -> Reply {
    let url = request.line.split(' ').nth(1).unwrap();
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8().unwrap().into_owned();
    let query: BTreeMap<String, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    match decoded(path).trim_start_matches('/').split_once('/').filter(|(_, key)| !key.is_empty()) {
        Some((_, key)) => object(objects, key, request),
        None => reply("200 OK", &[], list(objects, page, &query)),
    }
}

fn object(objects: &Objects, key: &str, request: &Request) -> Reply {
    let Some(bytes) = objects.get(key) else {
        return error("404 Not Found", "NoSuchKey", "no");
    };
    let etag = format!("ETag: \"{}\"", bytes.len());
    match request
        .header("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok())
    {
        None => reply("200 OK", &[&etag], bytes),
        Some(from) => {
            let range = format!("Content-Range: bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
            reply("206 Partial Content", &[&etag, &range], &bytes[from..])
        }
    }
}

fn list(objects: &Objects, page: usize, query: &BTreeMap<String, String>) -> String {
    let of = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let after = of("start-after").max(of("continuation-token"));
    let (mut lines, mut told) = (String::new(), BTreeSet::new());
    for (key, bytes) in objects.iter().filter(|(key, _)| key.starts_with(of("prefix")) && key.as_str() > after) {
        let below = key[of("prefix").len()..].find('/').filter(|_| !of("delimiter").is_empty());
        if told.len() == page {
            lines += &format!(
                "<IsTruncated>true</IsTruncated><NextContinuationToken>{}</NextContinuationToken>",
                told.last().unwrap()
            );
            break;
        }
        lines += &match below.map(|at| key[..=of("prefix").len() + at].to_owned()) {
            Some(prefix) if !told.insert(prefix.clone()) => String::new(),
            Some(prefix) => format!("<CommonPrefixes><Prefix>{prefix}</Prefix></CommonPrefixes>"),
            None => {
                told.insert(key.clone());
                let (size, date) = (bytes.len(), "2026-01-02T03:04:05Z");
                format!(
                    "<Contents><Key>{key}</Key><Size>{size}</Size><ETag>\"{size}\"</ETag><LastModified>{date}</LastModified></Contents>"
                )
            }
        };
    }
    format!("<ListBucketResult>{lines}</ListBucketResult>")
}

/// Keeps what it is handed.
#[derive(Default)]
struct Recorder {
    blobs: Mutex<Vec<(String, Vec<u8>)>>,
    skipped: Mutex<Vec<Skipped>>,
    notes: Mutex<Vec<String>>,
    known: AtomicUsize,
    /// It breaks down when it is handed more blobs.
    most: Option<usize>,
    /// Looks at each when it comes.
    watch: Option<Box<dyn Fn(usize) + Sync + Send>>,
}

impl Sink for Recorder {
    fn blob(&self, blob: Blob<'_>) -> Taken {
        let Origin::Stored { object, .. } = &blob.provenance.origin else {
            panic!("not of a bucket");
        };
        let so_far = self.blobs.lock().unwrap().len();
        assert!(self.most.is_none_or(|most| so_far < most), "that many");
        self.watch.iter().for_each(|watch| watch(so_far));
        let mut bytes = Vec::new();
        let read = match blob.content {
            Content::Bytes(mut all) => all.read_to_end(&mut bytes).map(drop),
            Content::Seekable(file) => file.read_to_end(&mut bytes).map(drop),
            Content::Stream(stream) => stream.read_to_end(&mut bytes).map(drop),
        };
        if let Err(error) = read {
            self.skipped(Skipped::new(object.to_string(), error));
        }
        let is_clean = !bytes.contains_str("LEAK");
        self.blobs.lock().unwrap().push((object.key.to_string(), bytes));
        Taken { marks: None, is_clean }
    }

    fn skipped(&self, skipped: Skipped) {
        self.skipped.lock().unwrap().push(skipped);
    }

    fn known(&self, objects: u64) {
        self.known.fetch_add(objects as usize, Ordering::Relaxed);
    }

    fn note(&self, note: String) {
        self.notes.lock().unwrap().push(note);
    }

    fn max_size(&self) -> Option<u64> {
        None
    }
}

impl Recorder {
    fn of(server: &Server, threads: usize, options: Options) -> Self {
        Self::default().visit(server, threads, options)
    }

    fn visit(self, server: &Server, threads: usize, options: Options) -> Self {
        let target = Target { bucket: "bkt".to_owned(), prefix: String::new() };
        let buckets = Buckets::new(server.owned(), vec![target], options).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| buckets.visit(&self)).unwrap();
        assert!(self.notes.lock().unwrap().is_empty());
        self
    }

    /// What it was handed, if each only once.
    fn objects(&self) -> Objects {
        let blobs = self.blobs.lock().unwrap();
        let all: Objects = blobs.iter().cloned().collect();
        assert_eq!(all.len(), blobs.len(), "something was handed out twice");
        all
    }

    fn unread(&self) -> Vec<Skipped> {
        self.skipped.lock().unwrap().clone()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_object_comes_once_however_keys_and_pages_lie(
        keys in proptest::collection::btree_set("[ab]{1,2}(/[ab]{0,2}){0,3}", 1..30),
        page in 1usize..12,
        threads in 1usize..3,
    ) {
        let all = objects(keys.into_iter().map(|key| (key.clone(), key.into_bytes())));
        let recorder = Recorder::of(&serve(all.clone(), page), threads, options());
        prop_assert_eq!(recorder.objects(), all);
        prop_assert!(recorder.unread().is_empty());
    }
}

#[test]
fn a_bucket_of_many_directories_is_one_list() {
    let all = objects((0..200).map(|n| (format!("{n:03}/a"), vec![b'x'])));
    let server = serve(all.clone(), 1_000);
    assert_eq!(Recorder::of(&server, 1, options()).objects(), all);
    assert_eq!(server.count("list-type=2"), 2);
}

#[test]
fn one_directory_in_another_is_gone_down_into() {
    let all = objects(["a/b/c/1/x", "a/b/c/2/y", "a/b/c/z"].map(|key| (key, vec![b'x'])));
    let server = serve(all.clone(), 1_000);
    assert_eq!(Recorder::of(&server, 1, options()).objects(), all);
    // Four levels, and the two directories at the last.
    assert_eq!(server.count("list-type=2"), 6);
}

#[test]
fn shards_leave_nothing_out_and_read_nothing_twice() {
    let all = many(100);
    let server = serve(all.clone(), 30);
    let parts =
        (1..=3).map(|number| Recorder::of(&server, 2, Options { shard: Some((number, 3)), ..options() }).objects());
    let parts: Vec<Objects> = parts.collect();
    assert_eq!(parts.iter().map(BTreeMap::len).sum::<usize>(), 100);
    assert!(parts.iter().all(|part| part.len() > 15));
    assert_eq!(parts.into_iter().flatten().collect::<Objects>(), all);
}

#[test]
fn a_sample_is_as_large_as_asked_for_and_the_same_each_time() {
    let server = serve(many(100), 7);
    let sample = || Recorder::of(&server, 2, Options { sample: Some(12), ..options() }).objects();
    let chosen = sample();
    assert_eq!(chosen.len(), 12);
    assert_eq!(sample(), chosen);
    let directories: BTreeSet<_> = chosen.keys().map(|key| &key[..1]).collect();
    assert!(directories.len() >= 4, "{directories:?}");
}

/// More than may be fetched whole, and nothing that repeats.
fn large(size: usize) -> Vec<u8> {
    (0..size as u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8).collect()
}

#[test]
fn large_objects_are_read_piece_by_piece_several_at_once_and_by_one_thread_too() {
    let all = objects((0..6).map(|n| (format!("{n}"), large(1_500_000 + n))));
    let server = serve(all.clone(), 1_000);
    for threads in [1, 3] {
        let recorder = Recorder::of(&server, threads, Options { max_in_flight: 2 << 20, ..options() });
        assert!(recorder.objects() == all && recorder.unread().is_empty(), "{threads}");
    }
    assert_eq!(server.count("GET /bkt/"), 2 * 6 + 2, "one request for each, and the lists");
}

#[test]
fn tags_of_what_is_read_piece_by_piece_are_had_though_one_request_may_go_out_at_a_time() {
    let all = objects((0..4).map(|n| (format!("{n}"), large(100_000 + n))));
    let tagged = all.clone();
    let server = Server::new(move |request, _| {
        let key = request.line.strip_prefix("GET /bkt/").and_then(|key| key.get(..1)).and_then(|key| tagged.get(key));
        match key {
            Some(_) if request.line.contains("tagging") => {
                let tag = "<Tag><Key>owner</Key><Value>LEAK</Value></Tag>";
                reply("200 OK", &[], format!("<Tagging><TagSet>{tag}</TagSet></Tagging>"))
            }
            Some(bytes) => reply("200 OK", &["ETag: \"e\"", "x-amz-tagging-count: 1"], bytes),
            None => answer(&tagged, 1_000, request),
        }
    });
    let target = Target { bucket: "bkt".to_owned(), prefix: String::new() };
    let options = Options { max_in_flight: 64 << 10, metadata: true, ..options() };
    let recorder = Recorder::default();
    Buckets::new(server.owned_at_once(1), vec![target], options).unwrap().visit(&recorder).unwrap();
    let blobs = recorder.blobs.lock().unwrap();
    let count = |bytes: &[u8]| blobs.iter().filter(|(_, blob)| blob == bytes).count();
    assert_eq!(count(b"owner: LEAK\n"), 4);
    assert!(all.values().all(|bytes| count(bytes) == 1) && recorder.unread().is_empty());
}

#[test]
fn what_is_larger_than_its_list_says_waits_for_room_like_any_other() {
    let large = objects((0..30).map(|n| (format!("{n:02}"), large((60 << 10) + n))));
    let (small, all) = (objects(large.keys().map(|key| (key, vec![b'x']))), large.clone());
    let server = Server::new(move |request, _| {
        answer(if request.line.contains("list-type") { &small } else { &all }, 1_000, request)
    });
    let recorder = Recorder::of(&server, 2, Options { max_in_flight: 1 << 20, ..options() });
    assert!(recorder.objects() == large && recorder.unread().is_empty());
    // No byte of the first answers is held.
    assert_eq!(server.count("GET /bkt/"), 2 * 30 + 1);
}

#[test]
fn what_takes_much_memory_to_decode_comes_again_when_there_is_room() {
    // A frame of zstd that says to take 128 MiB.
    let frame = |size| [&[0x28, 0xb5, 0x2f, 0xfd, 0, 17 << 3], &large(size)[..]].concat();
    let mut all = many(100);
    all.extend([("1/a", 10_000), ("2/b", 20_000), ("3/c", 1_500_000)].map(|(key, size)| (key.to_owned(), frame(size))));
    let server = serve(all.clone(), 1_000);
    for threads in [1, 3] {
        let recorder = Recorder::of(&server, threads, Options { max_in_flight: 4 << 20, ..options() });
        assert!(recorder.objects() == all && recorder.unread().is_empty(), "{threads}");
    }
    // The lists are six requests. What takes all room that there may be has it from the start.
    assert_eq!(server.count("GET /bkt/"), 2 * (6 + 100 + 2 + 2 + 1));
}

#[test]
fn no_more_is_asked_for_than_may_be_in_memory() {
    const SIZE: usize = 60 << 10;
    let server = Arc::new(serve(objects((0..80).map(|n| (format!("{n:02}"), large(SIZE)))), 1_000));
    let watched = server.clone();
    let most = Arc::new(AtomicUsize::new(0));
    let seen = most.clone();
    // A list is a request as well; one thread has one in hand.
    let watch = move |so_far: usize| {
        let ahead = watched.count("GET /bkt/").saturating_sub(so_far);
        seen.fetch_max(ahead, Ordering::Relaxed);
    };
    let recorder = Recorder { watch: Some(Box::new(watch)), ..Recorder::default() };
    let recorder = recorder.visit(&server, 1, Options { max_in_flight: 256 << 10, ..options() });
    assert_eq!(recorder.objects().len(), 80);
    let most = most.load(Ordering::Relaxed);
    assert!((2..=4 + 2).contains(&most), "{most}");
}

#[test]
fn what_a_server_leaves_out_of_its_pages_of_versions_is_read_and_told() {
    let version = |key: &str, id: u32| {
        let date = "<LastModified>2026-01-02T03:04:05Z</LastModified>";
        format!("<Version><Key>{key}</Key><VersionId>{id}</VersionId><Size>1</Size>{date}</Version>")
    };
    let server = Server::new(move |request, _| {
        let asks = |part: &str| request.line.contains(part);
        let list = if !asks("versions") && !asks("list-type") {
            return reply("200 OK", &[], "x");
        } else if asks("list-type") {
            ["a-a", "a-b", "a/x", "b"]
                .map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>"))
                .concat()
        } else if asks("prefix=a-a") {
            version("a-a", 2) + &version("a-a", 1)
        } else if asks("prefix=a-b") {
            version("a-b", 2) + &version("a-b", 1) + &version("a-bc", 1)
        } else if asks("key-marker") {
            version("b", 1)
        } else {
            version("a-a", 2) + &version("a/x", 1) + "<IsTruncated>true</IsTruncated><NextKeyMarker>a/x</NextKeyMarker>"
        };
        reply(
            "200 OK",
            &[],
            format!("<ListBucketResult>{list}</ListBucketResult>")
                .replace("ListBucketResult", if asks("list-type") { "ListBucketResult" } else { "ListVersionsResult" }),
        )
    });
    let recorder = Recorder::of(&server, 2, Options { versions: true, ..options() });
    let mut keys: Vec<String> = recorder.blobs.lock().unwrap().iter().map(|(key, _)| key.clone()).collect();
    keys.sort();
    assert_eq!(keys, ["a-a", "a-a", "a-b", "a-b", "a/x", "b"]);
    let skipped = recorder.unread();
    assert!(skipped.len() == 1 && skipped[0].why.contains("left 2 or more of its objects out"), "{skipped:?}");
}

#[test]
fn what_fails_is_told_and_the_rest_is_read() {
    let mut all = many(50);
    let listed = all.clone();
    all.retain(|key, _| !key.starts_with("3/"));
    let server = Server::new(move |request, _| {
        let is_list = request.line.contains("list-type");
        if request.line.contains("/1/0001") && !is_list {
            return error("403 Forbidden", "AccessDenied", "no");
        }
        answer(if is_list { &listed } else { &all }, 1_000, request)
    });
    let recorder = Recorder::of(&server, 2, options());
    assert_eq!(recorder.objects().len(), 50 - 10 - 1);
    let skipped = recorder.unread();
    let is_told = |part: &str, words: &str| {
        skipped.iter().filter(|skip| skip.what.contains(part) && skip.why.contains(words)).count()
    };
    assert_eq!(
        (
            skipped.len(),
            is_told("s3://bkt/3/", "deleted since it was listed"),
            is_told("s3://bkt/1/0001", "AccessDenied")
        ),
        (11, 10, 1),
        "{skipped:?}"
    );
}

#[test]
fn a_bucket_that_answers_nothing_any_more_is_given_up() {
    let all = many(1_000);
    let server = Server::new(move |request, _| match request.line.contains("list-type") {
        true => answer(&all, 1_000, request),
        false => error("404 Not Found", "NoSuchBucket", "gone"),
    });
    let recorder = Recorder::of(&server, 2, options());
    let skipped = recorder.unread();
    assert!(skipped.iter().any(|skip| skip.what == "s3://bkt" && skip.why.contains("not read")), "{skipped:?}");
    assert!(server.requests().len() < 500, "{}", server.requests().len());
}

#[test]
fn a_bucket_that_was_given_up_is_told_in_one_line_though_it_answers_again() {
    let all = many(1_000);
    let asked = AtomicUsize::new(0);
    let server = Server::new(move |request, _| {
        let is_list = request.line.contains("list-type");
        match is_list || asked.fetch_add(1, Ordering::Relaxed) >= 40 {
            true => answer(&all, 1_000, request),
            false => error("400 Bad Request", "ExpiredToken", "The provided token has expired."),
        }
    });
    let recorder = Recorder::of(&server, 2, options());
    let (of_bucket, of_objects): (Vec<_>, Vec<_>) =
        recorder.unread().into_iter().partition(|skip| skip.what == "s3://bkt");
    assert!(of_bucket.len() == 1 && of_objects.len() < 20, "{of_bucket:?} {of_objects:?}");
    let why = &of_bucket[0].why;
    assert!(why.contains("the rest of it was not read") && why.contains("ExpiredToken"), "{why}");
}

#[test]
fn a_list_that_breaks_off_is_told_and_what_was_listed_is_read() {
    let all = objects((0..100).map(|n| (format!("{n:02}"), vec![b'x'])));
    let goes_on =
        |request: &Request| request.line.contains("continuation-token") || request.line.contains("start-after");
    let server = Server::new(move |request, _| match goes_on(request) {
        true => error("403 Forbidden", "AccessDenied", "no"),
        false => answer(&all, 40, request),
    });
    let recorder = Recorder::of(&server, 1, options());
    assert_eq!(recorder.objects().len(), 40);
    let skipped = recorder.unread();
    assert!(skipped.len() == 1 && skipped[0].why.contains("what was listed before was read"), "{skipped:?}");
    assert_eq!(server.count("start-after"), 1, "tokens grow old, so it was asked by name too");
}

#[test]
fn what_is_archived_is_counted_and_what_was_put_there_by_intelligent_tiering_too() {
    let server = Server::new(move |request, _| {
        let entry = |key, class| {
            format!("<Contents><Key>{key}</Key><Size>9</Size><StorageClass>{class}</StorageClass></Contents>")
        };
        let page = entry("a", "GLACIER")
            + &entry("b", "DEEP_ARCHIVE")
            + &entry("c", "INTELLIGENT_TIERING")
            + &entry("d", "GLACIER");
        match request.line.contains("list-type") {
            true => reply("200 OK", &[], format!("<ListBucketResult>{page}</ListBucketResult>")),
            false => error("403 Forbidden", "InvalidObjectState", "not valid for the storage class"),
        }
    });
    let recorder = Recorder::of(&server, 1, options());
    assert!(recorder.objects().is_empty());
    let told: Vec<String> = recorder.unread().into_iter().map(|skip| format!("{}: {}", skip.what, skip.why)).collect();
    let begins = |n: usize, words: &str| told[n].starts_with(&format!("s3://bkt: {words}"));
    assert!(begins(0, "1 object (9 bytes) is archived in class DEEP_ARCHIVE"), "{told:?}");
    assert!(begins(1, "2 objects (18 bytes) are archived in class GLACIER"), "{told:?}");
    assert!(begins(2, "1 object (9 bytes) is archived in class INTELLIGENT_TIERING"), "{told:?}");
    assert_eq!((told.len(), server.count("GET /bkt/c")), (3, 1));
}

#[test]
fn what_changed_since_it_was_listed_is_read_as_it_is_now() {
    // Other bytes each time it is listed; no answer to a condition that does not hold.
    let listed = AtomicUsize::new(0);
    let server = Server::new(move |request, _| {
        let now = listed.fetch_add(usize::from(request.line.contains("list-type")), Ordering::Relaxed);
        let now = objects([("a", vec![b'x'; 5 + now.clamp(1, 2)])]);
        let stale = request.header("if-match").is_some_and(|etag| etag.trim_matches('"') != now["a"].len().to_string());
        if stale { error("412 Precondition Failed", "PreconditionFailed", "no") } else { answer(&now, 1_000, request) }
    });
    let recorder = Recorder::of(&server, 1, options());
    assert!(recorder.unread().is_empty(), "{:?}", recorder.unread());
    assert_eq!(recorder.objects().len(), 1);
}

#[test]
fn what_nothing_begins_with_is_told() {
    let server = serve(many(10), 1_000);
    let target = |prefix: &str| Target { bucket: "bkt".to_owned(), prefix: prefix.to_owned() };
    let buckets = Buckets::new(server.owned(), vec![target("0/"), target("wrong/")], options()).unwrap();
    let recorder = Recorder::default();
    buckets.visit(&recorder).unwrap();
    assert_eq!((recorder.objects().len(), recorder.unread().len()), (2, 1));
    assert_eq!(recorder.unread()[0].what, "s3://bkt/wrong/");
}

#[test]
fn an_estimate_lists_and_reads_nothing() {
    let all = many(100);
    let server = serve(all.clone(), 1_000);
    let at = TempDir::new().unwrap();
    let target = Target { bucket: "bkt".to_owned(), prefix: String::new() };
    let buckets = || Buckets::new(server.owned(), vec![target.clone()], remembering(at.path())).unwrap();
    let recorder = Recorder::default();
    let before = buckets().estimate(&recorder).unwrap();
    let bytes = all.values().map(|bytes| bytes.len() as u64).sum();
    let expected = Estimate { objects: 100, bytes, list_requests: 6, get_requests: 100, archived: (0, 0), known: 0 };
    assert_eq!((before, server.requests().len()), (expected, 6));
    buckets().visit(&recorder).unwrap();
    let after = buckets().estimate(&recorder).unwrap();
    assert_eq!((after.objects, after.known), (10, 90));
}

fn remembering(directory: &Path) -> Options {
    Options { state: Some(State { directory: directory.to_owned(), digest: [1; 32] }), ..options() }
}

/// Reads all there is that is not known, until the sink breaks down.
fn broken_off(server: &Server, directory: &Path, most: usize) -> Objects {
    let recorder = Recorder { most: Some(most), ..Recorder::default() };
    let target = Target { bucket: "bkt".to_owned(), prefix: String::new() };
    let buckets = loop {
        // The one before may not have let go of it yet.
        match Buckets::new(server.owned(), vec![target.clone()], remembering(directory)) {
            Ok(buckets) => break buckets,
            Err(error) => assert!(error.why.contains("in use"), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).panic_handler(|_| ()).build().unwrap();
    drop(catch_unwind(AssertUnwindSafe(|| pool.install(|| buckets.visit(&recorder)))));
    recorder.objects()
}

#[test]
fn what_breaks_off_goes_on_and_reads_little_twice() {
    let all = many(600);
    let server = serve(all.clone(), 50);
    let at = TempDir::new().unwrap();
    let (mut reads, mut times) = (0, 0);
    for most in [40, 1, 250, 7, 100] {
        reads += broken_off(&server, at.path(), most).len();
        times += 1;
    }
    let last = broken_off(&server, at.path(), usize::MAX);
    reads += last.len();
    let leaks: BTreeSet<_> = all.iter().filter(|(_, bytes)| bytes.contains_str("LEAK")).map(|(key, _)| key).collect();
    assert!(leaks.iter().all(|key| last.contains_key(*key)), "what was found is found by the last one");
    // Of each that broke off, what was in hand when it did.
    assert!(reads < 600 + (times + 1) * leaks.len() + times * 10, "{reads}");
    let next = Recorder::of(&server, 2, remembering(at.path()));
    assert_eq!(next.objects().into_keys().collect::<Vec<_>>(), leaks.into_iter().cloned().collect::<Vec<_>>());
    assert_eq!(next.known.load(Ordering::Relaxed), 540);
}

#[test]
fn what_an_inventory_lists_is_read_in_place_of_lists() {
    let mut all = many(20);
    let rows: String =
        all.keys().take(15).map(|key| format!("\"bkt\",\"{}\",\"9\"\n", key.replace('/', "%2F"))).collect();
    let manifest = format!(
        r#"{{"sourceBucket":"bkt","destinationBucket":"arn:aws:s3:::bkt","version":"2016-11-30","creationTimestamp":"1514944800000",
            "fileFormat":"CSV","fileSchema":"Bucket, Key, Size","files":[{{"key":"data.csv","size":{},"MD5checksum":""}}]}}"#,
        rows.len()
    );
    let listed: Vec<String> = all.keys().take(15).cloned().collect();
    all.insert("data.csv".to_owned(), rows.into_bytes());
    all.insert("manifest.json".to_owned(), manifest.into_bytes());
    let server = serve(all, 1_000);
    let at = Target { bucket: "bkt".to_owned(), prefix: "manifest.json".to_owned() };
    let recorder = Recorder::of(&server, 1, Options { inventory: Some(at.clone()), ..options() });
    assert_eq!(recorder.objects().into_keys().collect::<Vec<_>>(), listed);
    assert!(recorder.unread().is_empty(), "{:?}", recorder.unread());
    assert_eq!(server.count("list-type"), 0);
    let wrong = Target { prefix: "0/0000".to_owned(), ..at };
    let recorder = Recorder::of(&server, 1, Options { inventory: Some(wrong), ..options() });
    assert_eq!(recorder.unread()[0].what, "s3://bkt/0/0000");
}
