//! Reads blobs that don't fit in memory, or that come piece by piece, in windows that overlap. What is done with a window is the
//! sweep's business.

use std::io::Read;

use super::Sweep;
use crate::engine::{self, Match};
use crate::finding::Hit;
use crate::location::Point;
use crate::provenance::Provenance;

/// Neighbouring windows share this many bytes: nothing is cut in two, and half of it is more than matches look around.
pub(super) const OVERLAP: usize = 64 << 10;

/// As large is a window unless something is cut by its end that is encoded: it stays in the processor's cache until it is scanned.
const USUAL: usize = 1 << 20;

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
    /// As large as the window that is being filled, once there is something in it.
    buffer: Vec<u8>,
    /// How many bytes of it have come.
    filled: usize,
    /// Offset of the buffer's first byte, and its line and column.
    offset: u64,
    start: Point,
    pub(super) hits: Vec<Hit>,
}

impl<'a> Windows<'a> {
    pub(super) fn new(sweep: &'a Sweep<'a>, at: &'a Provenance) -> Self {
        Self { sweep, at, buffer: Vec::new(), filled: 0, offset: 0, start: Point::START, hits: Vec::new() }
    }

    fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.room();
            let (now, later) = bytes.split_at(bytes.len().min(room.len()));
            room[..now.len()].copy_from_slice(now);
            self.came(now.len());
            bytes = later;
        }
    }

    /// Where the next bytes go; never empty.
    fn room(&mut self) -> &mut [u8] {
        if self.buffer.is_empty() {
            self.buffer = vec![0; self.usual()];
        }
        &mut self.buffer[self.filled..]
    }

    /// So many bytes were put there.
    fn came(&mut self, bytes: usize) {
        self.filled += bytes;
        if self.filled < self.buffer.len() {
            return;
        }
        let largest = self.sweep.options.window + OVERLAP;
        if self.filled < largest && engine::may_go_on(&self.buffer, OVERLAP) {
            self.buffer.resize(largest.min(2 * self.filled), 0);
        } else {
            self.scan(false);
            self.buffer.truncate(self.usual());
        }
    }

    /// The length of a window that nothing is cut by.
    fn usual(&self) -> usize {
        self.sweep.options.window.min(USUAL) + OVERLAP
    }

    fn scan(&mut self, last: bool) {
        let bytes = &self.buffer[..self.filled];
        let window = Window { bytes, offset: self.offset, start: self.start, last };
        self.hits.extend(self.sweep.window(self.at, &window));
        let done = if last { self.filled } else { self.filled - OVERLAP };
        self.sweep.count(0, done);
        self.start = self.start.after(&bytes[..done]);
        self.offset += done as u64;
        self.buffer.copy_within(done..self.filled, 0);
        self.filled -= done;
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
        loop {
            match self.inner.read(self.windows.room()) {
                Ok(0) => break,
                Ok(read) => self.windows.came(read),
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
