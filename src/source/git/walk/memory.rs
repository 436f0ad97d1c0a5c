//! What a walk keeps in memory, and when it lets go of it.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use libdeflater::Decompressor;

use super::{Visitor, Walk};
use crate::location::Copied;
use crate::source::git::name;
use crate::source::git::object::Kind;
use crate::source::git::odb::Most;
use crate::source::git::pack::EntryError;

/// What each thread keeps: an inflater, and buffers to use again.
pub(super) struct Worker<'w> {
    pub(super) inflater: Decompressor,
    pub(super) instructions: Vec<u8>,
    /// What the last object has of its base.
    pub(super) copies: Vec<Copied>,
    pub(super) spare: Vec<Vec<u8>>,
    /// The right to have large objects in memory.
    pub(super) turn: Option<MutexGuard<'w, ()>>,
}

/// A base whose children are being worked on.
pub(super) struct Frame<M> {
    pub(super) rank: u32,
    pub(super) base: Arc<Base<M>>,
    /// Those that are still to come, as places among all children of families.
    pub(super) children: Range<u32>,
}

/// An object of which others are made.
pub(super) struct Base<M> {
    pub(super) kind: Kind,
    pub(super) bytes: Kept,
    pub(super) memory: Option<M>,
    /// Whether they may be others than its name stands for: then what is made of it is held against its own.
    pub(super) is_doubtful: bool,
}

/// The bytes of a base.
pub(super) enum Kept {
    Here(Vec<u8>),
    /// To be made again when it is needed.
    LetGo,
    /// It can't be read, and what is made of it only elsewhere.
    Never,
}

/// Smaller bases don't count: there are at most log2(entries) of them in a thread.
const SMALL: usize = 64 << 10;
/// Larger buffers are not kept to be used again.
const LARGE: usize = 1 << 20;

impl<V: Visitor> Walk<'_, V> {
    pub(super) fn frame(&self, rank: u32, base: Base<V::Memory>) -> Frame<V::Memory> {
        self.held.fetch_add(base.bytes.counted(), Ordering::Relaxed);
        Frame { rank, base: Arc::new(base), children: self.families.places(rank) }
    }

    /// Lets go of a base that nobody needs any more, and keeps its buffer if that is worth it.
    pub(super) fn drop_frame(&self, frame: Option<Frame<V::Memory>>, worker: &mut Worker<'_>) {
        if let Some(base) = frame.and_then(|frame| Arc::into_inner(frame.base)) {
            self.held.fetch_sub(base.bytes.counted(), Ordering::Relaxed);
            if let Kept::Here(bytes) = base.bytes {
                worker.reuse(bytes);
            }
        }
    }

    pub(super) fn may_hold(&self) -> bool {
        self.held.load(Ordering::Relaxed) <= self.odb.limits.held
    }

    /// Lets go of bases that will be needed last, as long as there are too many bytes of them.
    pub(super) fn shed(&self, frames: &mut [Frame<V::Memory>]) {
        let Some((_, older)) = frames.split_last_mut() else {
            return;
        };
        for frame in older {
            if self.may_hold() {
                return;
            }
            // Others may be at work on the same base.
            if let Some(base) = Arc::get_mut(&mut frame.base).filter(|base| base.bytes.counted() > 0) {
                self.held.fetch_sub(base.bytes.counted(), Ordering::Relaxed);
                base.bytes = Kept::LetGo;
            }
        }
    }

    /// Makes a base again that was let go.
    pub(super) fn restore<'w>(
        &'w self,
        frame: &mut Frame<V::Memory>,
        worker: &mut Worker<'w>,
    ) -> Result<(), EntryError> {
        if let Some(base) = Arc::get_mut(&mut frame.base).filter(|base| matches!(base.bytes, Kept::LetGo)) {
            let (offset, id) = (self.offset(frame.rank), self.id(frame.rank));
            let (kind, mut bytes) = self.slowly(worker, |most| self.odb.read_at(self.pack, offset, most))?;
            // It was read from elsewhere, then, or what it is made of was.
            if let Some(id) = id.filter(|id| !base.is_doubtful && !name::is_of(*id, kind, &bytes)) {
                (_, bytes) = self.slowly(worker, |most| self.odb.read_elsewhere(id, self.pack, most))?;
            }
            base.bytes = Kept::Here(bytes);
            self.held.fetch_add(base.bytes.counted(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Reads something outside of the walk; what is large only when it is this thread's turn.
    pub(super) fn slowly<'w, T>(
        &'w self,
        worker: &mut Worker<'w>,
        read: impl Fn(Most) -> Result<T, EntryError>,
    ) -> Result<T, EntryError> {
        let limits = &self.odb.limits;
        if worker.turn.is_none() {
            match read(Most::large(limits)) {
                Err(EntryError::TooLarge(_)) => self.take_turn(u64::MAX, worker),
                read => return read,
            }
        }
        read(Most::largest(limits))
    }

    pub(super) fn take_turn<'w>(&'w self, size: u64, worker: &mut Worker<'w>) {
        if size > self.odb.limits.large && worker.turn.is_none() {
            worker.turn = Some(self.turn.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Lets others have large objects in memory, once there are none in this thread's.
    pub(super) fn pass_turn(&self, frames: &[Frame<V::Memory>], worker: &mut Worker<'_>) {
        let is_large = |frame: &Frame<_>| frame.base.bytes.len() as u64 > self.odb.limits.large;
        if worker.turn.is_some() && !frames.iter().any(is_large) {
            (worker.instructions, worker.copies, worker.turn) = (Vec::new(), Vec::new(), None);
        }
    }
}

impl Kept {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Here(bytes) => bytes.len(),
            Self::LetGo | Self::Never => 0,
        }
    }

    /// How many bytes count.
    pub(super) fn counted(&self) -> usize {
        if self.len() > SMALL { self.len() } else { 0 }
    }
}

impl Worker<'_> {
    pub(super) fn reuse(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() <= LARGE {
            self.spare.push(buffer);
        }
    }

    pub(super) fn new() -> Self {
        let (instructions, copies, spare) = (Vec::new(), Vec::new(), Vec::new());
        Self { inflater: Decompressor::new(), instructions, copies, spare, turn: None }
    }
}
