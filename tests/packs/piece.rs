//! What a history hands out, as those tests need it that remember or compare it.

use std::borrow::Cow;
use std::io;

use keysweep::blob::{Content, ObjectId};
use keysweep::provenance::{Origin, Provenance};

/// The object that a piece is of.
pub(crate) fn id(provenance: &Provenance) -> ObjectId {
    match provenance.origin {
        Origin::Object { id, .. } => id,
        _ => panic!("history hands out objects"),
    }
}

/// All bytes of a piece up to the first error.
pub(crate) fn read(content: Content<'_>) -> (Cow<'_, [u8]>, io::Result<()>) {
    let mut read = Vec::new();
    match content {
        Content::Bytes(bytes) => (bytes.into(), Ok(())),
        Content::Seekable(_) => panic!("history has no files"),
        Content::Stream(stream) => {
            let result = stream.read_to_end(&mut read).map(drop);
            (read.into(), result)
        }
    }
}
