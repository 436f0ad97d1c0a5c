//! One object's requests: its bytes, and what is written down about it where that is asked for. It goes on where something can't be had, and notes
//! what and why. How often a request is repeated is `aws::store`'s business, when it may go out `dispatch`'s.

use std::fmt::Display;
use std::sync::Arc;

use bstr::ByteSlice;

use super::archived::TIERED;
use super::dispatch::{Object, Part};
use super::pick::one;
use super::remote::Remote;
use crate::aws::store::{Body, Entry, Lane, Listing, No, StoreError, Turn, Wanted};
use crate::provenance::StoredObject;
use crate::source::Skipped;

/// What reports call an entry of a list.
pub(super) fn stored(bucket: &Arc<str>, entry: &Entry) -> StoredObject {
    StoredObject {
        bucket: bucket.clone(),
        key: entry.key.clone(),
        version_id: entry.version_id.clone(),
        is_latest: entry.is_latest,
        etag: entry.etag.clone(),
        last_modified: entry.last_modified,
        is_masked: false,
    }
}

/// Has an object brought, as far as it can be had at once: what turns out to be too large for that is left to be read piece by piece.
pub(super) async fn fetch(mut object: Object, turn: Turn) -> Object {
    let shelf = object.shelf.clone();
    if !object.wants_bytes {
        object.written_down(turn).await;
        return object;
    }
    let Some(mut body) = object.open(turn).await else {
        return object;
    };
    let mut read = object.whole(&mut body).await;
    if let Err(StoreError { kind: No::Changed, .. }) = read {
        drop(body);
        // What came of the one before is no part of what is there now.
        let Some(now) = object.open_again().await else {
            return object;
        };
        body = now;
        read = object.whole(&mut body).await;
    }
    match read {
        Ok(true) => {
            object.beside(body).await;
        }
        Ok(false) => {
            (object.entry.size, object.body) = (body.length, Part::Remote);
            // Nothing is held while it waits for more room.
            drop((body, object.permit.take()));
            object.permit = shelf.run.budget.take(object.entry.size).await;
        }
        Err(error) => {
            object.failed(&error);
            object.beside(body).await;
        }
    }
    object
}

/// Begins to read a large object; from a thread that may wait.
pub(super) fn open<'a>(object: &mut Object, lane: Result<&'a Lane, &StoreError>) -> Option<Remote<'a>> {
    let lane = lane.map_err(|error| object.failed(error)).ok()?;
    object.bucket = object.shelf.bucket.by(lane);
    lane.block_on(async {
        let turn = object.bucket.turn().await;
        let body = object.open(turn).await?;
        object.entry.size = body.length;
        object.encoded(&body);
        // What is read now is what all further requests are for.
        let wanted = Wanted { etag: body.etag.clone(), ..object.wanted() };
        let (metadata, tags) = (lines(&body.metadata), body.tags);
        let remote = Remote::new(lane, object.bucket.clone(), wanted, body);
        if object.shelf.run.picker.metadata {
            object.metadata = metadata;
            if tags > 0 {
                let turn = object.bucket.turn().await;
                object.tags(turn).await;
            }
        }
        Some(remote)
    })
}

impl Object {
    fn wanted(&self) -> Wanted {
        let Entry { key, version_id, etag, .. } = &self.entry;
        Wanted { key: key.clone(), version_id: version_id.clone(), etag: etag.clone(), from: 0 }
    }

    /// Asks for its bytes. What is another object by now is read as it is now.
    async fn open(&mut self, turn: Turn) -> Option<Body> {
        let shelf = self.shelf.clone();
        let got = self.bucket.get(turn, &self.wanted()).await;
        if let Err(StoreError { kind: No::Changed, .. }) = got {
            return self.open_again().await;
        }
        shelf.note(&got);
        got.map_err(|error| self.failed(&error)).ok()
    }

    /// Looks for what is there by now, and asks for its bytes.
    async fn open_again(&mut self) -> Option<Body> {
        let shelf = self.shelf.clone();
        let got = match self.look_again().await {
            Ok(()) => self.bucket.get(self.bucket.turn().await, &self.wanted()).await,
            Err(error) => Err(error),
        };
        shelf.note(&got);
        got.map_err(|error| self.failed(&error)).ok()
    }

    /// Takes all bytes; `false` without a byte where they are too many, or more than there is room for: lists may be old, or lie. What came
    /// before an error is kept.
    async fn whole(&mut self, body: &mut Body) -> Result<bool, StoreError> {
        let room = self.permit.as_ref().map_or(0, |permit| (permit.num_permits() as u64) << 10);
        if body.length > room.min(self.shelf.run.budget.whole()) {
            return Ok(false);
        }
        let mut bytes = Vec::with_capacity(body.length as usize);
        let read = loop {
            match body.next().await {
                Ok(Some(piece)) => bytes.extend_from_slice(&piece),
                Ok(None) => break Ok(true),
                Err(error) => break Err(error),
            }
        };
        self.body = Part::Whole(bytes);
        read
    }

    async fn look_again(&mut self) -> Result<(), StoreError> {
        let gone = || StoreError { kind: No::Gone, code: "".into(), why: String::new(), permission: None };
        let prefix = self.entry.key.to_str().map_err(|_| gone())?.to_owned();
        let listing = Listing { prefix, by_directory: false, versions: false };
        let page = self.bucket.list(&listing, None).await?;
        let now = page.entries.into_iter().find(|entry| entry.key == self.entry.key).ok_or_else(gone)?;
        self.entry = Entry { version_id: self.entry.version_id.clone(), ..now };
        Ok(())
    }

    /// What the answer says of the object, and its tags.
    async fn beside(&mut self, body: Body) {
        self.encoded(&body);
        if !self.shelf.run.picker.metadata {
            return;
        }
        self.metadata = lines(&body.metadata);
        let tags = body.tags;
        // With it goes its place in the queue.
        drop(body);
        if tags > 0 {
            let turn = self.bucket.turn().await;
            self.tags(turn).await;
        }
    }

    /// What is written down about an object whose bytes can't be read.
    async fn written_down(&mut self, turn: Turn) {
        match self.bucket.metadata(turn, &self.wanted()).await {
            Ok(metadata) => self.metadata = lines(&metadata),
            Err(error) => self.failed_part("the metadata", &error),
        }
        let turn = self.bucket.turn().await;
        self.tags(turn).await;
    }

    async fn tags(&mut self, turn: Turn) {
        match self.bucket.tags(turn, &self.wanted()).await {
            Ok(tags) => self.tags = lines(&tags),
            Err(error) => self.failed_part("the tags", &error),
        }
    }

    /// Notes an encoding that nobody here undoes.
    fn encoded(&mut self, body: &Body) {
        if let Some(encoding) = closed_encoding(&body.content_encoding) {
            let why = format!(
                "it is encoded as its Content-Encoding says ({encoding}), which keysweep can't undo; its bytes were scanned as they are; decode it and scan \
                 what comes out"
            );
            self.trouble(why);
        }
    }

    fn trouble(&mut self, why: impl Display) {
        self.troubles.push(Skipped::new(self.shelf.name(&self.entry), why));
    }

    fn failed_part(&mut self, part: &str, error: &StoreError) {
        let what = format!("{part} of {}", self.shelf.name(&self.entry));
        self.troubles.push(Skipped::new(what, error));
    }

    fn failed(&mut self, error: &StoreError) {
        if self.shelf.counts(error) {
            self.is_counted = true;
            return;
        }
        match error.kind {
            No::Archived => self.is_counted = true,
            No::Gone => return self.trouble("it was deleted since it was listed"),
            _ => return self.trouble(error),
        }
        let class = if self.entry.storage_class.is_empty() { TIERED } else { &self.entry.storage_class };
        self.shelf.run.count_archived(self.shelf.bucket.name(), &one(class, self.entry.size));
    }
}

/// `name: value`, line by line.
fn lines(pairs: &[(String, String)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}

/// The first encoding of a `Content-Encoding` that nobody here undoes. What compresses with a magic of its own is opened as an archive; what
/// is no encoding but stands there by mistake does no harm.
fn closed_encoding(header: &str) -> Option<&str> {
    const OPEN: [&str; 14] = [
        "",
        "identity",
        "aws-chunked",
        "gzip",
        "x-gzip",
        "zstd",
        "xz",
        "bzip2",
        "utf-8",
        "utf8",
        "us-ascii",
        "iso-8859-1",
        "binary",
        "none",
    ];
    let is_open = |name: &str| OPEN.iter().any(|open| name.eq_ignore_ascii_case(open));
    header.split(',').map(str::trim).find(|name| !is_open(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_that_nobody_undoes_are_told() {
        for (header, closed) in [
            ("", None),
            ("gzip", None),
            ("GZIP, aws-chunked", None),
            ("aws-chunked,", None),
            ("UTF-8", None),
            ("br", Some("br")),
            ("gzip, br", Some("br")),
            ("deflate", Some("deflate")),
            ("compress", Some("compress")),
        ] {
            assert_eq!(closed_encoding(header), closed, "{header}");
        }
    }

    #[test]
    fn pairs_are_lines() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(lines(&[pair("a", "b c"), pair("d", "")]), "a: b c\nd: \n");
        assert_eq!(lines(&[]), "");
    }
}
