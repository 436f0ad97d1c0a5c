//! The bytes of an object as they come, asked for again from where they broke off, so that what is read is one object, whole and in order.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use tokio::time::sleep;

use super::gate::Turn;
use super::list::bare;
use super::object;
use super::{Bucket, Chunk, No, StoreError, Wanted};
use crate::aws::trouble::causes;

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
