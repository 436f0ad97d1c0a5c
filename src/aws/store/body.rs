//! The bytes of an object as they come, asked for again from where they broke off, so that what is read is one object, whole and in order.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use tokio::time::sleep;

use super::gate::Turn;
use super::list::bare;
use super::object;
use super::{Bucket, Chunk, No, StoreError, Wanted};
use crate::aws::trouble::causes;

/// A longer body does not keep its place among the requests: it comes as slowly as its reader goes, who may have to ask for more before he goes on,
/// and how many of them there are is bounded by his memory.
const LONG: u64 = 1 << 20;

/// What came of a request for an object, its bytes still to be read: [`Body::next`].
pub struct Body {
    /// Bytes from [`Wanted::from`] to the end.
    pub length: u64,
    /// Without quotes.
    pub etag: Box<str>,
    /// `Content-Encoding`, empty where there is none.
    pub content_encoding: String,
    /// The user's metadata (`x-amz-meta-…` without that), in order of names.
    pub metadata: Vec<(String, String)>,
    /// How many tags it has, if the answer says so.
    pub tags: u64,
    bucket: Bucket,
    wanted: Wanted,
    turn: Turn,
    stream: ByteStream,
    /// Bytes that come before the first one wanted, from a server that does not know ranges.
    skip: u64,
    /// Bytes still to come.
    left: u64,
    /// What tells one writing of the object from another, beside its tag.
    last_modified: Option<i64>,
    /// How often it broke off since the last byte came.
    broken: u32,
}

/// Where the bytes of an answer stand in the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    skip: u64,
    left: u64,
}

impl Body {
    pub(super) async fn of(bucket: Bucket, mut turn: Turn, wanted: Wanted) -> Result<Self, StoreError> {
        // What is named by its version does not change, unless that is `null`.
        let is_fixed = wanted.version_id.as_deref().is_some_and(|version| version != "null");
        let etag = if is_fixed { "" } else { &*wanted.etag };
        let answer = match object::open(&bucket, &mut turn, &wanted, wanted.from, etag).await {
            // Nothing is left from there on.
            Err(error) if is_beyond(&error) => GetObjectOutput::builder().content_length(0).build(),
            answer => answer?,
        };
        let Extent { skip, left } = extent(&answer, wanted.from)?;
        if left > LONG {
            turn.end();
        }
        Ok(Self {
            length: left,
            etag: bare(answer.e_tag),
            content_encoding: answer.content_encoding.unwrap_or_default(),
            metadata: object::sorted(answer.metadata),
            tags: answer.tag_count.and_then(|tags| u64::try_from(tags).ok()).unwrap_or_default(),
            bucket,
            wanted,
            turn,
            stream: answer.body,
            skip,
            left,
            last_modified: answer.last_modified.map(|date| date.secs()),
            broken: 0,
        })
    }

    /// Gives up its place among the requests, as a long one does by itself: it is read by and by, perhaps after other requests.
    pub fn let_others_go(&mut self) {
        self.turn.end();
    }

    /// The next bytes; `None` when all have come. A body that is cut or stalls is asked for again from where it broke off, so that what comes
    /// is the object as it was listed, once and in order.
    ///
    /// # Errors
    /// When it is another object by now, or broke off again and again without a byte.
    pub async fn next(&mut self) -> Result<Option<Chunk>, StoreError> {
        while self.left > 0 {
            let why = match self.stream.next().await {
                Some(Ok(bytes)) if bytes.is_empty() => continue,
                Some(Ok(bytes)) => {
                    self.broken = 0;
                    let length = bytes.len() as u64;
                    if self.skip >= length {
                        self.skip -= length;
                        continue;
                    }
                    let from = std::mem::take(&mut self.skip);
                    let to = length.min(from + self.left);
                    self.left -= to - from;
                    // Both are at most the length of what is in memory.
                    return Ok(Some(Chunk::new(bytes.slice(from as usize..to as usize))));
                }
                Some(Err(error)) => causes(&error),
                None => "the answer ended too early".to_owned(),
            };
            self.resume(why).await?;
        }
        self.turn.end();
        Ok(None)
    }

    /// All that is still to come. Only for what may be held in memory.
    ///
    /// # Errors
    /// As [`Body::next`].
    pub async fn whole(mut self) -> Result<Vec<u8>, StoreError> {
        let mut whole = Vec::with_capacity(usize::try_from(self.left).unwrap_or_default());
        while let Some(chunk) = self.next().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole)
    }

    /// Asks for the rest.
    async fn resume(&mut self, why: String) -> Result<(), StoreError> {
        self.broken += 1;
        let from = self.wanted.from + self.length - self.left;
        if self.broken >= self.bucket.store().inner.patience.attempts {
            return Err(failed(format!("it broke off again and again at byte {from}: {why}")));
        }
        if self.etag.is_empty() && self.wanted.version_id.is_none() && self.last_modified.is_none() {
            return Err(failed(format!(
                "it broke off at byte {from}, and nothing tells whether the rest would be of the same object: {why}"
            )));
        }
        // Its connection goes before another is made.
        self.stream = ByteStream::default();
        sleep(self.bucket.backoff(self.broken)).await;
        // A weak tag matches nothing.
        let etag = if self.etag.ends_with('"') { "" } else { &*self.etag };
        let changed = || StoreError { kind: No::Changed, ..failed("it was changed while it was read".to_owned()) };
        let answer = match object::open(&self.bucket, &mut self.turn, &self.wanted, from, etag).await {
            Err(error) if is_beyond(&error) || error.kind == No::Changed => return Err(changed()),
            answer => answer?,
        };
        let Extent { skip, left } = extent(&answer, from)?;
        // A server may not know If-Match.
        let is_same = left == self.left
            && bare(answer.e_tag) == self.etag
            && answer.last_modified.map(|date| date.secs()) == self.last_modified;
        if !is_same {
            return Err(changed());
        }
        (self.stream, self.skip) = (answer.body, skip);
        if left > LONG {
            self.turn.end();
        }
        Ok(())
    }
}

/// Where the bytes of the answer stand, to a request for those from `from` on: with `Content-Range` there, without it at the beginning of the object.
fn extent(answer: &GetObjectOutput, from: u64) -> Result<Extent, StoreError> {
    let length = answer.content_length.and_then(|length| u64::try_from(length).ok());
    let length = length.ok_or_else(|| failed("the answer does not say how long it is".to_owned()))?;
    let Some(range) = &answer.content_range else {
        return Ok(Extent { skip: from.min(length), left: length.saturating_sub(from) });
    };
    let wrong = || failed(format!("bytes from {from} on were asked for, and came as {range}"));
    let (begins, end, total) = range_of(range).ok_or_else(wrong)?;
    if begins != from || total.is_some_and(|total| end + 1 != total) || end + 1 - begins != length {
        return Err(wrong());
    }
    Ok(Extent { skip: 0, left: length })
}

/// The object ends before the first byte that was asked for.
fn is_beyond(error: &StoreError) -> bool {
    &*error.code == "InvalidRange"
}

/// First byte, last byte, and all, if that is told: `bytes 5-9/10` (RFC 9110, 14.4).
fn range_of(range: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, total) = range.strip_prefix("bytes ")?.split_once('/')?;
    let (begins, end) = range.split_once('-')?;
    let (begins, end) = (begins.trim().parse().ok()?, end.trim().parse().ok()?);
    (begins <= end).then(|| (begins, end, total.trim().parse().ok()))
}

fn failed(why: String) -> StoreError {
    StoreError { kind: No::Failed, code: Box::default(), why, permission: None }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Reply, Request, Server, error, read_all, reply, wanted};
    use super::*;

    const WHOLE: &[u8] = b"0123456789";
    const DATE: &str = "Last-Modified: Mon, 30 Nov 2026 00:00:10 GMT";

    /// From where a request wants the bytes.
    fn from(request: &Request) -> usize {
        let range =
            request.header("range").map(|range| range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap());
        range.map_or(0, |from| from.parse().unwrap())
    }

    fn head(from: usize, etag: &str) -> String {
        let rest = WHOLE.len() - from;
        let status = if from > 0 {
            format!("206 Partial Content\r\nContent-Range: bytes {from}-9/10")
        } else {
            "200 OK".to_owned()
        };
        format!("HTTP/1.1 {status}\r\n{DATE}\r\nETag: \"{etag}\"\r\nContent-Length: {rest}\r\n\r\n")
    }

    fn rest(from: usize) -> Reply {
        Reply::Whole(head(from, "e"), WHOLE[from..].to_vec())
    }

    /// The next bytes and no more.
    fn part(from: usize, length: usize) -> Vec<u8> {
        WHOLE[from..from + length].to_vec()
    }

    fn read(server: &Server, wanted: &Wanted) -> Result<Vec<u8>, StoreError> {
        read_all(&server.owned().bucket("b"), wanted)
    }

    #[test]
    fn an_object_comes_with_what_is_told_of_it() {
        let headers =
            ["ETag: \"e\"", "Content-Encoding: gzip", "x-amz-meta-b: 2", "x-amz-meta-a: 1", "x-amz-tagging-count: 3"];
        let server = Server::new(move |_, _| reply("200 OK", &headers, WHOLE));
        let bucket = server.owned().bucket("b");
        let body =
            bucket.store().handle().block_on(async { bucket.get(bucket.turn().await, &wanted("k")).await }).unwrap();
        assert_eq!((body.length, &*body.etag, &*body.content_encoding, body.tags), (10, "e", "gzip", 3));
        assert_eq!(body.metadata, [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
        assert_eq!(bucket.store().handle().block_on(body.whole()).unwrap(), WHOLE);
    }

    #[test]
    fn an_empty_object_has_no_bytes() {
        let server = Server::new(|_, _| reply("200 OK", &[], ""));
        assert_eq!(read(&server, &wanted("k")).unwrap(), b"");
        let beyond = Server::new(|_, _| error("416 Requested Range Not Satisfiable", "InvalidRange", "x"));
        assert_eq!(read(&beyond, &Wanted { from: 10, ..wanted("k") }).unwrap(), b"");
        let silent = Server::new(|_, _| reply("416 Requested Range Not Satisfiable", &[], ""));
        assert_eq!(read(&silent, &Wanted { from: 10, ..wanted("k") }).unwrap(), b"");
    }

    #[test]
    fn what_is_asked_for_is_named_exactly() {
        let server = Server::new(|request, _| rest(from(request)));
        let key = "a b+/./c//%2F\u{1}\n🔑?x#y";
        let mut wanted = Wanted { etag: "e".into(), from: 4, ..wanted(key) };
        assert_eq!(read(&server, &wanted).unwrap(), &WHOLE[4..]);
        wanted.version_id = Some("v+1".into());
        assert_eq!(read(&server, &wanted).unwrap(), &WHOLE[4..]);
        let requests = server.requests();
        let path = "/b/a%20b%2B/./c//%252F%01%0A%F0%9F%94%91%3Fx%23y?";
        assert!(requests[0].line.contains(path), "{}", requests[0].line);
        assert_eq!(requests[0].header("if-match"), Some("\"e\""));
        assert!(requests[1].line.contains("versionId=v%2B1"), "{}", requests[1].line);
        // A version does not change.
        assert_eq!((requests[1].header("if-match"), requests[1].header("range")), (None, Some("bytes=4-")));
        wanted.key = b"\xFF".into();
        assert!(read(&server, &wanted).unwrap_err().why.contains("UTF-8"));
    }

    #[test]
    fn a_cut_body_goes_on_where_it_broke_off() {
        let server = Server::new(|request, before| match (from(request), before) {
            (0, 0) => Reply::Cut(head(0, "e"), part(0, 3)),
            (3, 1) => error("503 Slow Down", "SlowDown", "x"),
            (3, 2) => Reply::Cut(head(3, "e"), part(3, 1)),
            (from, _) => rest(from),
        });
        assert_eq!(read(&server, &wanted("k")).unwrap(), WHOLE);
        let requests = server.requests();
        assert_eq!(requests.iter().map(from).collect::<Vec<_>>(), [0, 3, 3, 4]);
        assert_eq!(requests[0].header("if-match"), None);
        assert!(requests[1..].iter().all(|request| request.header("if-match") == Some("\"e\"")));
    }

    #[test]
    fn a_stalled_body_goes_on_where_it_broke_off() {
        let server = Server::new(|request, before| match before {
            0 => Reply::Stalled(head(0, "e"), part(0, 5)),
            _ => rest(from(request)),
        });
        assert_eq!(read(&server, &wanted("k")).unwrap(), WHOLE);
        assert_eq!(server.requests().iter().map(from).collect::<Vec<_>>(), [0, 5]);
    }

    #[test]
    fn a_body_that_never_goes_on_is_given_up_and_one_that_does_is_not() {
        let stuck = Server::new(|request, _| {
            let from = from(request);
            Reply::Cut(head(from, "e"), if from == 0 { part(0, 2) } else { Vec::new() })
        });
        let error = read(&stuck, &wanted("k")).unwrap_err();
        assert!(error.kind == No::Failed && error.why.contains("at byte 2"), "{error}");
        assert_eq!(stuck.requests().len(), 4);
        // More breaks than attempts, each with a byte more.
        let slow = Server::new(|request, _| Reply::Cut(head(from(request), "e"), part(from(request), 1)));
        assert_eq!(read(&slow, &wanted("k")).unwrap(), WHOLE);
    }

    #[test]
    fn a_server_that_knows_no_ranges_spoils_nothing() {
        let plain = || Reply::Whole(head(0, "e"), WHOLE.to_vec());
        let server =
            Server::new(move |_, before| if before == 0 { Reply::Cut(head(0, "e"), part(0, 6)) } else { plain() });
        assert_eq!(read(&server, &wanted("k")).unwrap(), WHOLE);
        let server = Server::new(move |_, _| plain());
        assert_eq!(read(&server, &Wanted { from: 7, ..wanted("k") }).unwrap(), &WHOLE[7..]);
        assert_eq!(read(&server, &Wanted { from: 10, ..wanted("k") }).unwrap(), b"");
    }

    #[test]
    fn bytes_from_elsewhere_are_not_taken() {
        let server = Server::new(|_, _| rest(3));
        let error = read(&server, &Wanted { from: 5, ..wanted("k") }).unwrap_err();
        assert!(error.why.contains("from 5 on") && error.why.contains("bytes 3-9/10"), "{error}");
    }

    #[test]
    fn an_object_that_changed_is_not_mixed_with_what_it_was() {
        let cut = || Reply::Cut(head(0, "e"), part(0, 3));
        let precondition = Server::new(move |request, _| match from(request) {
            0 => cut(),
            _ => error("412 Precondition Failed", "PreconditionFailed", "x"),
        });
        // It does not know If-Match.
        let other_tag = Server::new(move |request, _| match from(request) {
            0 => cut(),
            from => Reply::Whole(head(from, "f"), part(from, 10 - from)),
        });
        let shorter = Server::new(move |request, _| match from(request) {
            0 => cut(),
            _ => error("416 Requested Range Not Satisfiable", "InvalidRange", "x"),
        });
        let longer = Server::new(move |request, _| match from(request) {
            0 => cut(),
            _ => reply("206 Partial Content", &["Content-Range: bytes 3-10/11", "ETag: \"e\"", DATE], "3456789A"),
        });
        for server in [precondition, other_tag, shorter, longer] {
            assert_eq!(read(&server, &wanted("k")).unwrap_err().kind, No::Changed, "{:?}", server.requests());
        }
        let before = Server::new(|_, _| error("412 Precondition Failed", "PreconditionFailed", "x"));
        assert_eq!(read(&before, &Wanted { etag: "e".into(), ..wanted("k") }).unwrap_err().kind, No::Changed);
    }

    #[test]
    fn what_nothing_is_known_of_is_not_pieced_together() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
        let server = Server::new(move |_, _| Reply::Cut(head.to_owned(), part(0, 3)));
        let error = read(&server, &wanted("k")).unwrap_err();
        assert!(error.why.contains("of the same object"), "{error}");
    }

    #[test]
    fn a_turn_ends_with_the_body() {
        let server = Server::new(|_, _| reply("200 OK", &[], WHOLE));
        let store = server.owned();
        let bucket = store.bucket("b");
        store.handle().block_on(async {
            let mut held = Vec::new();
            // More than may be under way.
            for _ in 0..40 {
                let mut body = bucket.get(bucket.turn().await, &wanted("k")).await.unwrap();
                while body.next().await.unwrap().is_some() {}
                held.push(body);
            }
            for _ in 0..40 {
                drop(bucket.get(bucket.turn().await, &wanted("k")).await.unwrap());
            }
        });
        assert_eq!(server.requests().len(), 80);
    }

    #[test]
    fn a_long_body_leaves_its_place_to_others() {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", LONG + 1);
        let server = Server::new(move |_, _| Reply::Stalled(head.clone(), part(0, 1)));
        let store = server.owned();
        let bucket = store.bucket("b");
        store.handle().block_on(async {
            let mut held = Vec::new();
            for _ in 0..40 {
                held.push(bucket.get(bucket.turn().await, &wanted("k")).await.unwrap());
            }
        });
        assert_eq!(server.requests().len(), 40);
    }

    #[test]
    fn ranges_are_read_as_they_are_written() {
        assert_eq!(range_of("bytes 5-9/10"), Some((5, 9, Some(10))));
        assert_eq!(range_of("bytes 5-9/*"), Some((5, 9, None)));
        for wrong in ["bytes */10", "bytes 9-5/10", "5-9/10", "bytes 5-9", ""] {
            assert_eq!(range_of(wrong), None, "{wrong}");
        }
    }
}
