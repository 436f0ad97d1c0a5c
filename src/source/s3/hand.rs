//! Objects that have come, to the sink: on the threads of the sweep's pool, each of which takes the next when it is through with one, so that one
//! thread alone is enough and none waits for another.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::dispatch::{Object, Out, Part};
use super::fetch;
use super::filter::fingerprint;
use super::state::Outcome;
use crate::aws::store::{Lane, StoreError};
use crate::blob::{Blob, Content};
use crate::provenance::{Origin, Provenance, StoredObject, StoredPart};
use crate::source::Sink;
use crate::source::archive::{self, Kind};

/// What a decoder holds beyond so many bytes has to wait for room.
const WINDOW: u64 = 8 << 20;

/// Hands out what comes until nothing more can come, from all threads of the current pool.
pub(super) fn hand_out(incoming: mpsc::Receiver<Out>, sink: &dyn Sink) {
    let incoming = Mutex::new(incoming);
    let next = || incoming.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
    rayon::broadcast(|_| {
        let lane = Lane::new();
        while let Some(out) = next() {
            match out {
                Out::Object(object) => whole(*object, lane.as_ref(), sink),
                Out::Skipped(skipped) => sink.skipped(skipped),
                Out::Known(objects) => sink.known(objects),
            }
        }
    });
}

/// Hands out all parts of an object, and tells the journal how that went.
fn whole(mut object: Object, lane: Result<&Lane, &StoreError>, sink: &dyn Sink) {
    let mut remote = match object.body {
        Part::Remote => fetch::open(&mut object, lane),
        _ => None,
    };
    let more = match (&mut remote, &object.body) {
        (Some(remote), _) => archive::window(remote.head()),
        (None, Part::Whole(bytes)) => archive::window(bytes),
        (None, _) => 0,
    };
    if more > WINDOW && !object.shelf.run.budget.holds_more(object.permit.as_ref(), more) {
        return put_back(object, more);
    }
    let stored = Arc::new(fetch::stored(object.shelf.bucket.name(), &object.entry));
    let scan = |part, content: Content<'_>| scan(&stored, part, content, sink);
    let key_is_clean = !object.shelf.run.picker.metadata || scan(StoredPart::Key, Content::Bytes(&object.entry.key));
    let mut is_clean = key_is_clean && object.troubles.is_empty() && !object.is_counted;
    for (part, text) in [(StoredPart::Metadata, &object.metadata), (StoredPart::Tags, &object.tags)] {
        if !text.is_empty() {
            is_clean &= scan(part, Content::Bytes(text.as_bytes()));
        }
    }
    match (remote, std::mem::replace(&mut object.body, Part::None)) {
        (Some(mut remote), _) => {
            let content = match archive::detect(remote.head()) {
                Some(Kind::Tar | Kind::Gzip | Kind::Zstd | Kind::Xz | Kind::Bzip2 | Kind::Avro) => {
                    Content::Stream(&mut remote)
                }
                _ => Content::Seekable(&mut remote),
            };
            is_clean &= scan(StoredPart::Body, content);
        }
        (None, Part::Whole(bytes)) => is_clean &= scan(StoredPart::Body, Content::Bytes(&bytes)),
        (None, Part::None) if object.wants_bytes && object.entry.size == 0 && object.troubles.is_empty() => {
            is_clean &= scan(StoredPart::Body, Content::Bytes(b""));
        }
        (None, _) => {}
    }
    drop(object.permit.take());
    std::mem::take(&mut object.troubles).into_iter().for_each(|trouble| sink.skipped(trouble));
    settle(object, is_clean, key_is_clean);
}

/// Lets go of an object whose decoder takes more memory than there was room made for, and has it come again, piece by piece, when there is:
/// whoever waited for that here would keep others from being read who make the room.
fn put_back(mut object: Object, more: u64) {
    object.body = Part::Remote;
    (object.permit, object.troubles) = Default::default();
    let run = object.shelf.run.clone();
    run.handle.clone().spawn(async move {
        object.permit = run.budget.take_more(more).await;
        // Nobody takes it any more only when the sweep itself is gone.
        drop(run.out.send(Out::Object(Box::new(object))).await);
    });
}

/// Whether nothing was found in it, and all of it was read.
fn scan(stored: &Arc<StoredObject>, part: StoredPart, content: Content<'_>, sink: &dyn Sink) -> bool {
    let origin = Origin::Stored { object: stored.clone(), part };
    sink.blob(Blob::alone(Provenance::new(origin), content)).is_clean
}

fn settle(object: Object, is_clean: bool, key_is_clean: bool) {
    let Object { shelf, entry, ticket, wants_bytes, .. } = object;
    if shelf.run.journal.is_none() {
        return;
    }
    let outcome = match (is_clean, key_is_clean) {
        (true, _) => Outcome::Clean(fingerprint(shelf.bucket.name(), &entry, wants_bytes)),
        (false, true) => Outcome::Again(entry),
        (false, false) => Outcome::Secret,
    };
    shelf.done(ticket, outcome);
}
