//! All of a pack in one go: each entry is decoded once, every delta right after the base that it needs.
//!
//! Bases lead to deltas like a tree's root to its leaves. Each such family is walked depth first without recursion. A node's
//! children are taken from the smallest family to the largest, and the node's bytes are let go before the last one: so a thread never
//! has more than log2(entries) objects of a family in memory, however long its chains are. Where these are large, all threads
//! together keep [`MOST_HELD`] bytes; what is beyond that is let go and made again when it is needed. A few large parts of a family
//! may wait for other threads, with one object each.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libdeflater::Decompressor;
use rayon::prelude::*;

use super::delta;
use super::families::Families;
use super::object::Kind;
use super::odb::{Odb, STREAM_ABOVE};
use super::pack::{EntryError, Header, MAX_REBUILT, Pack, Stored};
use crate::blob::{Content, ObjectId};
use crate::location::Copied;

/// An object as it is handed out.
pub(super) struct Found<'a, M> {
    pub(super) id: ObjectId,
    /// See [`Odb::number`].
    pub(super) number: u32,
    pub(super) kind: Kind,
    pub(super) content: Content<'a>,
    /// Whether others are made of it: then what [`Visitor::found`] remembers of it is given back with them.
    pub(super) is_base: bool,
    /// What was remembered of the object that it is made of, and what it has of that, in order of the new place.
    pub(super) made_of: Option<(&'a M, &'a [Copied])>,
}

impl<'a, M> Found<'a, M> {
    /// One that has nothing to do with others.
    pub(super) fn alone(id: ObjectId, number: u32, kind: Kind, content: Content<'a>) -> Self {
        Self { id, number, kind, content, is_base: false, made_of: None }
    }
}

/// Takes objects, from many threads at once.
pub(super) trait Visitor: Sync {
    /// What is remembered of an object as long as others are made of it.
    type Memory: Send + Sync;

    /// Whether objects of this kind are looked for at all.
    fn wants_kind(&self, kind: Kind) -> bool;

    /// Whether this object is to be handed out; where it is too large for the user's limit this is the place to say so.
    fn wants(&self, kind: Kind, size: u64, id: ObjectId) -> bool;

    /// What it returns is given back with objects that are made of this one.
    fn found(&self, object: Found<'_, Self::Memory>) -> Option<Self::Memory>;

    /// An object that is there and could not be read.
    fn failed(&self, id: ObjectId, why: &str);
}

/// One pack on its way to a visitor. Entries are named by their rank in order of offset.
pub(super) struct Walk<'a, V> {
    odb: &'a Odb,
    pack: &'a Pack,
    first_number: u32,
    visitor: &'a V,
    families: Families,
    /// Bytes of bases that are kept at present, of those that count.
    held: AtomicUsize,
    most_held: usize,
    /// Objects larger than [`STREAM_ABOVE`] are made one at a time.
    turn: Mutex<()>,
}

/// What each thread keeps: an inflater, and buffers to use again.
struct Worker {
    inflater: Decompressor,
    instructions: Vec<u8>,
    /// What the last object has of its base.
    copies: Vec<Copied>,
    spare: Vec<Vec<u8>>,
}

/// A base whose children are being worked on.
struct Frame<M> {
    rank: u32,
    base: Arc<Base<M>>,
    /// Those that are still to come, as places in [`Families::children`].
    children: Range<u32>,
}

/// An object of which others are made.
struct Base<M> {
    /// Nothing while they are let go.
    bytes: Option<Vec<u8>>,
    memory: Option<M>,
}

/// An object and what is remembered of it.
type Made<M> = (Vec<u8>, Option<M>);

/// The first of a family, with its kind, unless nobody wants it or nothing is made of it.
type Root<M> = Option<(Kind, Made<M>)>;

/// What all threads work on.
#[derive(Clone, Copy)]
struct Work<'a, 'scope> {
    /// Whether an object was not handed out from an earlier pack.
    is_first: &'scope (dyn Fn(&[u8]) -> bool + Sync),
    /// Parts of families that wait for a thread; each holds an object in memory.
    waiting: &'scope AtomicUsize,
    scope: &'a rayon::Scope<'scope>,
}

/// So many families go to a thread at once: they differ in size by orders of magnitude.
const FAMILIES: usize = 256;
/// A part of a family that is worth another thread has so many objects.
const LARGE_PART: u32 = 256;
/// No more parts wait for each thread.
const MOST_WAITING: usize = 2;
/// Bytes of bases that are kept for what is still to be made of them.
pub(super) const MOST_HELD: usize = 256 << 20;
/// Smaller bases don't count: there are at most log2(entries) of them in a thread.
const SMALL: usize = 64 << 10;
/// Larger buffers are not kept to be used again.
const LARGE: usize = 1 << 20;

impl<'a, V: Visitor> Walk<'a, V> {
    /// `positions` are the places in the pack's index of the objects that are to be handed out: all, if there are none given.
    pub(super) fn new(
        odb: &'a Odb,
        pack: &'a Pack,
        first_number: u32,
        positions: Option<&[u32]>,
        visitor: &'a V,
    ) -> Self {
        let why = "the pack's index is damaged; try `git fsck`";
        let mut damaged = |position| visitor.failed(pack.index().id(position), why);
        let families = Families::of(pack, positions, &mut damaged);
        let (held, turn) = (AtomicUsize::new(0), Mutex::default());
        Self { odb, pack, first_number, visitor, families, held, most_held: odb.most_held, turn }
    }

    /// Walks every family. Objects for which `is_first` says no were handed out from an earlier pack: they serve as bases only.
    pub(super) fn run(&self, is_first: &(dyn Fn(&[u8]) -> bool + Sync)) {
        let waiting = AtomicUsize::new(0);
        rayon::scope(|scope| {
            let work = Work { is_first, waiting: &waiting, scope };
            let family = |worker: &mut Worker, &root: &u32| self.family(root, worker, work);
            self.families.roots.par_iter().with_max_len(FAMILIES).for_each_init(Worker::new, family);
        });
        for &rank in &self.families.lost {
            self.failed(rank, &EntryError::Base("chain is a circle, it".to_owned()));
        }
    }

    fn family<'scope>(&'scope self, root: u32, worker: &mut Worker, work: Work<'_, 'scope>) {
        match self.root(root, worker, work.is_first) {
            Ok(Some((kind, made))) => self.descend(kind, self.frame(root, made), worker, work),
            Ok(None) => {}
            Err(error) => self.failed_family(root, &error),
        }
    }

    fn frame(&self, rank: u32, (bytes, memory): Made<V::Memory>) -> Frame<V::Memory> {
        self.held.fetch_add(counted(&bytes), Ordering::Relaxed);
        let base = Arc::new(Base { bytes: Some(bytes), memory });
        Frame { rank, base, children: self.families.places(rank) }
    }

    /// Lets go of a base that nobody needs any more, and keeps its buffer if that is worth it.
    fn drop_frame(&self, frame: Option<Frame<V::Memory>>, worker: &mut Worker) {
        let base = frame.and_then(|frame| Arc::into_inner(frame.base));
        if let Some(bytes) = base.and_then(|base| base.bytes) {
            self.held.fetch_sub(counted(&bytes), Ordering::Relaxed);
            worker.reuse(bytes);
        }
    }

    fn may_hold(&self) -> bool {
        self.held.load(Ordering::Relaxed) <= self.most_held
    }

    /// Lets go of bases that will be needed last, as long as there are too many bytes of them.
    fn shed(&self, frames: &mut [Frame<V::Memory>]) {
        let Some((_, older)) = frames.split_last_mut() else {
            return;
        };
        for frame in older {
            if self.may_hold() {
                return;
            }
            // Others may be at work on the same base.
            if let Some(base) = Arc::get_mut(&mut frame.base) {
                let bytes = base.bytes.take_if(|bytes| counted(bytes) > 0);
                self.held.fetch_sub(bytes.as_deref().map_or(0, counted), Ordering::Relaxed);
            }
        }
    }

    /// Makes a base again that was let go.
    fn restore(&self, frame: &mut Frame<V::Memory>) -> Result<(), EntryError> {
        if let Some(base) = Arc::get_mut(&mut frame.base).filter(|base| base.bytes.is_none()) {
            let (_, bytes) = self.odb.read_at(self.pack, self.offset(frame.rank))?;
            self.held.fetch_add(counted(&bytes), Ordering::Relaxed);
            base.bytes = Some(bytes);
        }
        Ok(())
    }

    /// Works through what descends from an object; large parts of it are left to whichever thread has nothing else to do.
    fn descend<'scope>(&'scope self, kind: Kind, first: Frame<V::Memory>, worker: &mut Worker, work: Work<'_, 'scope>) {
        let mut frames = vec![first];
        while let Some(top) = frames.last_mut() {
            let Some(place) = top.children.next() else {
                self.drop_frame(frames.pop(), worker);
                continue;
            };
            let child = self.families.children[place as usize];
            let is_last = top.children.is_empty();
            if let Err(error) = self.restore(top) {
                self.failed_family(child, &error);
                continue;
            }
            if !is_last && self.families.sizes[child as usize] >= LARGE_PART && self.may_hold() && work.may_wait() {
                let part = Frame { rank: top.rank, base: top.base.clone(), children: place..place + 1 };
                work.scope.spawn(move |scope| {
                    work.waiting.fetch_sub(1, Ordering::Relaxed);
                    self.descend(kind, part, &mut Worker::new(), Work { scope, ..work });
                });
                continue;
            }
            let made = self.made(child, kind, &top.base, worker, work.is_first);
            if is_last {
                self.drop_frame(frames.pop(), worker);
            }
            match made {
                Ok(made) => frames.push(self.frame(child, made)),
                Err(error) => self.failed_family(child, &error),
            }
            self.shed(&mut frames);
        }
    }

    /// Makes an object out of its base and hands it out.
    fn made(
        &self,
        rank: u32,
        kind: Kind,
        base: &Base<V::Memory>,
        worker: &mut Worker,
        is_first: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Made<V::Memory>, EntryError> {
        let (bytes, _turn) = self.rebuilt(rank, base.bytes.as_deref().unwrap_or_default(), worker)?;
        let made_of = base.memory.as_ref().map(|memory| (memory, worker.copies.as_slice()));
        let memory = self.hand_out(rank, kind, bytes.len() as u64, is_first, Content::Bytes(&bytes), made_of);
        Ok((bytes, memory))
    }

    /// Decodes and hands out the first of a family.
    fn root(
        &self,
        root: u32,
        worker: &mut Worker,
        is_first: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Root<V::Memory>, EntryError> {
        let header = self.pack.header(self.offset(root))?;
        let kind = match header.stored {
            Stored::Whole(kind) if !self.visitor.wants_kind(kind) => return Ok(None),
            Stored::Whole(kind) => kind,
            Stored::OnObject(id) => {
                let missing = || EntryError::Base(id.to_string());
                let (kind, base) = self.odb.read(id)?.ok_or_else(missing)?;
                if !self.visitor.wants_kind(kind) {
                    return Ok(None);
                }
                let (bytes, _turn) = self.rebuilt(root, &base, worker)?;
                let size = bytes.len() as u64;
                let memory = self.hand_out(root, kind, size, is_first, Content::Bytes(&bytes), None);
                return Ok(Some((kind, (bytes, memory))));
            }
            Stored::OnOffset(offset) => {
                return Err(EntryError::Base(format!("at offset {offset} of the pack")));
            }
        };
        if header.size > STREAM_ABOVE && (self.children(root).is_empty() || header.size > MAX_REBUILT) {
            let mut stream = self.pack.stream(&header, self.until(root))?;
            self.hand_out(root, kind, header.size, is_first, Content::Stream(&mut stream), None);
            self.children(root).iter().for_each(|&child| self.failed_family(child, &EntryError::TooLarge));
            return Ok(None);
        }
        let _turn = self.turn(header.size);
        let mut bytes = worker.spare.pop().unwrap_or_default();
        self.pack.inflate(&header, self.until(root), &mut worker.inflater, &mut bytes)?;
        let memory = self.hand_out(root, kind, header.size, is_first, Content::Bytes(&bytes), None);
        Ok(Some((kind, (bytes, memory))))
    }

    /// An object and, if it is large, the right to have it in memory.
    fn rebuilt(
        &self,
        rank: u32,
        base: &[u8],
        worker: &mut Worker,
    ) -> Result<(Vec<u8>, Option<MutexGuard<'_, ()>>), EntryError> {
        let header: Header = self.pack.header(self.offset(rank))?;
        let mut turn = self.turn(header.size);
        self.pack.inflate(&header, self.until(rank), &mut worker.inflater, &mut worker.instructions)?;
        let size = delta::result_size(&worker.instructions).unwrap_or(0);
        if size > MAX_REBUILT {
            return Err(EntryError::TooLarge);
        }
        turn = turn.or_else(|| self.turn(size));
        let mut bytes = worker.spare.pop().unwrap_or_default();
        delta::apply(base, &worker.instructions, &mut bytes, &mut worker.copies)?;
        if worker.instructions.capacity() > STREAM_ABOVE as usize {
            worker.instructions = Vec::new();
        }
        Ok((bytes, turn))
    }

    fn turn(&self, size: u64) -> Option<MutexGuard<'_, ()>> {
        (size > STREAM_ABOVE).then(|| self.turn.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn hand_out<'o>(
        &self,
        rank: u32,
        kind: Kind,
        size: u64,
        is_first: &dyn Fn(&[u8]) -> bool,
        content: Content<'o>,
        made_of: Option<(&'o V::Memory, &'o [Copied])>,
    ) -> Option<V::Memory> {
        let position = self.families.entries[rank as usize].position()?;
        let id = self.pack.index().id(position);
        if !is_first(id.as_bytes()) || !self.visitor.wants(kind, size, id) {
            return None;
        }
        let (number, is_base) = (self.first_number + position as u32, !self.children(rank).is_empty());
        self.visitor.found(Found { id, number, kind, content, is_base, made_of })
    }

    fn children(&self, rank: u32) -> &[u32] {
        self.families.children(rank)
    }

    fn offset(&self, rank: u32) -> u64 {
        self.families.entries[rank as usize].offset
    }

    /// Where an entry's bytes must have ended: the next one begins there.
    fn until(&self, rank: u32) -> u64 {
        self.families.entries.get(rank as usize + 1).map_or(self.pack.end(), |entry| entry.offset)
    }

    fn failed(&self, rank: u32, error: &EntryError) {
        let Some(position) = self.families.entries[rank as usize].position() else {
            // Nobody asked for it; what is made of it and was asked for is told of.
            return;
        };
        let id = self.pack.index().id(position);
        let pack = self.pack.path().display();
        self.visitor.failed(id, &format!("{error}, in {pack}; `git fsck` tells more"));
    }

    /// An entry that can't be decoded takes everything down that is a delta of it.
    fn failed_family(&self, rank: u32, error: &EntryError) {
        self.failed(rank, error);
        let mut waiting = self.children(rank).to_vec();
        while let Some(rank) = waiting.pop() {
            self.failed(rank, &EntryError::Base("further up its chain of deltas".to_owned()));
            waiting.extend(self.children(rank));
        }
    }
}

impl Work<'_, '_> {
    /// Whether one more part may wait for a thread, which it then does.
    fn may_wait(&self) -> bool {
        let most = MOST_WAITING * rayon::current_num_threads();
        let is_room = |waiting: usize| (waiting < most).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_room).is_ok()
    }
}

/// How many bytes of a base count.
fn counted(bytes: &[u8]) -> usize {
    if bytes.len() > SMALL { bytes.len() } else { 0 }
}

impl Worker {
    fn reuse(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() <= LARGE {
            self.spare.push(buffer);
        }
    }

    fn new() -> Self {
        Self { inflater: Decompressor::new(), instructions: Vec::new(), copies: Vec::new(), spare: Vec::new() }
    }
}
