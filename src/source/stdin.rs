//! Standard input as one blob. Its size is not known beforehand, so no limit of size applies.

use std::io;

use super::{Sink, Source, SourceError};
use crate::blob::{Blob, Content};
use crate::provenance::{Origin, Provenance};

/// Everything that comes in on standard input.
#[derive(Debug)]
pub struct Stdin;

impl Source for Stdin {
    fn visit(&self, sink: &dyn Sink) -> Result<(), SourceError> {
        sink.blob(Blob::alone(Provenance::new(Origin::Stdin), Content::Stream(&mut io::stdin().lock())));
        Ok(())
    }
}
