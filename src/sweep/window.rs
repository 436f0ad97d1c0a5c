//! Reads blobs that don't fit in memory, or that come piece by piece, in windows that overlap. What is done with a window is the
//! sweep's business.

use std::io::Read;

use super::Sweep;
use crate::engine::Match;
use crate::finding::Hit;
use crate::location::Point;
use crate::provenance::Provenance;

/// Neighbouring windows share this many bytes: nothing is cut in two, and half of it is more than matches look around.
pub(super) const OVERLAP: usize = 64 << 10;

/// A stretch of a blob that is in memory.
pub(super) struct Window<'a> {
    pub(super) bytes: &'a [u8],
    /// Offset of its first byte in the blob.
    pub(super) offset: u64,
    /// Line and column of its first byte.
    pub(super) start: Point,
    /// The blob ends with it.
    pub(super) last: bool,
}

impl Window<'_> {
    /// Whether a match is this window's to tell. What stands in an overlap is seen by two windows; it belongs to the one that
    /// sees more of what stands around it.
    pub(super) fn owns(&self, found: &Match) -> bool {
        let first = if self.offset == 0 { 0 } else { OVERLAP / 2 };
        let end = if self.last { self.bytes.len() } else { self.bytes.len() - OVERLAP / 2 };
        (first..end).contains(&found.span.start)
    }
}

/// A blob that comes piece by piece, scanned in windows.
pub(super) struct Windows<'a> {
    sweep: &'a Sweep<'a>,
    at: &'a Provenance,
    buffer: Vec<u8>,
    /// Offset of the buffer's first byte, and its line and column.
    offset: u64,
    start: Point,
    pub(super) hits: Vec<Hit>,
}

impl<'a> Windows<'a> {
    pub(super) fn new(sweep: &'a Sweep<'a>, at: &'a Provenance) -> Self {
        Self { sweep, at, buffer: Vec::new(), offset: 0, start: Point::START, hits: Vec::new() }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= self.sweep.options.window + OVERLAP {
            self.scan(false);
        }
    }

    pub(super) fn scan(&mut self, last: bool) {
        let window = Window { bytes: &self.buffer, offset: self.offset, start: self.start, last };
        self.hits.extend(self.sweep.window(self.at, &window));
        let done = if last { self.buffer.len() } else { self.buffer.len() - OVERLAP };
        self.sweep.count(0, done);
        self.start = self.start.after(&self.buffer[..done]);
        self.offset += done as u64;
        self.buffer.drain(..done);
    }
}

/// Scans whatever is read through it.
pub(super) struct Tee<'a> {
    pub(super) inner: &'a mut dyn Read,
    pub(super) windows: Windows<'a>,
}

impl Tee<'_> {
    /// Reads what is left and gives the hits of everything.
    pub(super) fn finish(mut self) -> Vec<Hit> {
        let mut piece = vec![0; OVERLAP];
        loop {
            match self.read(&mut piece) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.windows.sweep.unreadable(self.windows.at, &error);
                    break;
                }
            }
        }
        self.windows.scan(true);
        self.windows.hits
    }
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.windows.feed(&buffer[..read]);
        Ok(read)
    }
}
