//! All of a pack in one go: each entry is decoded once, every delta right after the base that it needs.
//!
//! Bases lead to deltas like a tree's root to its leaves. Each such family is walked depth first without recursion. A node's
//! children are taken from the smallest family to the largest, and the node's bytes are let go before the last one: so a thread never
//! has more than log2(entries) objects of a family in memory, however long its chains are. A few large parts of a family may wait
//! for other threads, with one object each.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use libdeflater::Decompressor;
use rayon::prelude::*;

use super::delta;
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
    /// Offset of each entry, rising, and the position in the index.
    entries: Vec<(u64, u32)>,
    families: Families,
}

/// Who is a delta of whom.
struct Families {
    /// The children of `rank` are `children[starts[rank]..starts[rank + 1]]`, smallest family first.
    starts: Vec<u32>,
    children: Vec<u32>,
    /// How many descend from each, itself included.
    sizes: Vec<u32>,
    /// Entries that are no delta of an entry of this pack.
    roots: Vec<u32>,
    /// Entries that no root leads to: their bases form a circle.
    lost: Vec<u32>,
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
    base: Arc<Base<M>>,
    /// Those that are still to come, as places in [`Families::children`].
    children: Range<u32>,
}

/// An object of which others are made.
struct Base<M> {
    bytes: Vec<u8>,
    memory: Option<M>,
}

/// The first of a family, with its kind, unless nobody wants it or nothing is made of it.
type Root<M> = Option<(Kind, Base<M>)>;

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

/// Marks an entry without a base in this pack.
const NONE: u32 = u32::MAX;

impl<'a, V: Visitor> Walk<'a, V> {
    pub(super) fn new(odb: &'a Odb, pack: &'a Pack, first_number: u32, visitor: &'a V) -> Self {
        let index = pack.index();
        let mut entries = Vec::with_capacity(index.len());
        for position in 0..index.len() {
            match index.offset(position) {
                Some(offset) => entries.push((offset, position as u32)),
                None => visitor.failed(index.id(position), "the pack's index is damaged; try `git fsck`"),
            }
        }
        entries.sort_unstable();
        let bases: Vec<u32> = entries.par_iter().map(|(offset, _)| base_rank(pack, &entries, *offset)).collect();
        let families = Families::new(&bases);
        Self { odb, pack, first_number, visitor, entries, families }
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
            Ok(Some((kind, base))) => self.descend(kind, self.frame(root, base), worker, work),
            Ok(None) => {}
            Err(error) => self.failed_family(root, &error),
        }
    }

    fn frame(&self, rank: u32, base: Base<V::Memory>) -> Frame<V::Memory> {
        let rank = rank as usize;
        Frame { base: Arc::new(base), children: self.families.starts[rank]..self.families.starts[rank + 1] }
    }

    /// Works through what descends from an object; large parts of it are left to whichever thread has nothing else to do.
    fn descend<'scope>(&'scope self, kind: Kind, first: Frame<V::Memory>, worker: &mut Worker, work: Work<'_, 'scope>) {
        let mut frames = vec![first];
        while let Some(top) = frames.last_mut() {
            let Some(place) = top.children.next() else {
                worker.reuse(frames.pop());
                continue;
            };
            let child = self.families.children[place as usize];
            let is_last = top.children.is_empty();
            if !is_last && self.families.sizes[child as usize] >= LARGE_PART && work.may_wait() {
                let part = Frame { base: top.base.clone(), children: place..place + 1 };
                work.scope.spawn(move |scope| {
                    work.waiting.fetch_sub(1, Ordering::Relaxed);
                    self.descend(kind, part, &mut Worker::new(), Work { scope, ..work });
                });
                continue;
            }
            let made = self.made(child, kind, &top.base, worker, work.is_first);
            if is_last {
                worker.reuse(frames.pop());
            }
            match made {
                Ok(base) => frames.push(self.frame(child, base)),
                Err(error) => self.failed_family(child, &error),
            }
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
    ) -> Result<Base<V::Memory>, EntryError> {
        let bytes = self.rebuilt(rank, &base.bytes, worker)?;
        let made_of = base.memory.as_ref().map(|memory| (memory, worker.copies.as_slice()));
        let memory = self.hand_out(rank, kind, bytes.len() as u64, is_first, Content::Bytes(&bytes), made_of);
        Ok(Base { bytes, memory })
    }

    /// Decodes and hands out the first of a family.
    fn root(
        &self,
        root: u32,
        worker: &mut Worker,
        is_first: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Root<V::Memory>, EntryError> {
        let header = self.pack.header(self.entries[root as usize].0)?;
        let kind = match header.stored {
            Stored::Whole(kind) if !self.visitor.wants_kind(kind) => return Ok(None),
            Stored::Whole(kind) => kind,
            Stored::OnObject(id) => {
                let missing = || EntryError::Base(id.to_string());
                let (kind, base) = self.odb.read(id)?.ok_or_else(missing)?;
                if !self.visitor.wants_kind(kind) {
                    return Ok(None);
                }
                let bytes = self.rebuilt(root, &base, worker)?;
                let size = bytes.len() as u64;
                let memory = self.hand_out(root, kind, size, is_first, Content::Bytes(&bytes), None);
                return Ok(Some((kind, Base { bytes, memory })));
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
        let mut bytes = worker.spare.pop().unwrap_or_default();
        self.pack.inflate(&header, self.until(root), &mut worker.inflater, &mut bytes)?;
        let memory = self.hand_out(root, kind, header.size, is_first, Content::Bytes(&bytes), None);
        Ok(Some((kind, Base { bytes, memory })))
    }

    fn rebuilt(&self, rank: u32, base: &[u8], worker: &mut Worker) -> Result<Vec<u8>, EntryError> {
        let header: Header = self.pack.header(self.entries[rank as usize].0)?;
        self.pack.inflate(&header, self.until(rank), &mut worker.inflater, &mut worker.instructions)?;
        if delta::result_size(&worker.instructions).is_some_and(|size| size > MAX_REBUILT) {
            return Err(EntryError::TooLarge);
        }
        let mut bytes = worker.spare.pop().unwrap_or_default();
        delta::apply(base, &worker.instructions, &mut bytes, &mut worker.copies)?;
        Ok(bytes)
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
        let position = self.entries[rank as usize].1;
        let id = self.pack.index().id(position as usize);
        if !is_first(id.as_bytes()) || !self.visitor.wants(kind, size, id) {
            return None;
        }
        let (number, is_base) = (self.first_number + position, !self.children(rank).is_empty());
        self.visitor.found(Found { id, number, kind, content, is_base, made_of })
    }

    fn children(&self, rank: u32) -> &[u32] {
        self.families.children(rank)
    }

    /// Where an entry's bytes must have ended: the next one begins there.
    fn until(&self, rank: u32) -> u64 {
        self.entries.get(rank as usize + 1).map_or(self.pack.end(), |(offset, _)| *offset)
    }

    fn failed(&self, rank: u32, error: &EntryError) {
        let id = self.pack.index().id(self.entries[rank as usize].1 as usize);
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

impl Worker {
    /// Keeps the buffer of a base that nobody needs any more.
    fn reuse<M>(&mut self, frame: Option<Frame<M>>) {
        let base = frame.and_then(|frame| Arc::into_inner(frame.base));
        self.spare.extend(base.map(|base| base.bytes));
    }

    fn new() -> Self {
        Self { inflater: Decompressor::new(), instructions: Vec::new(), copies: Vec::new(), spare: Vec::new() }
    }
}

/// The rank of an entry's base when it is in the same pack.
fn base_rank(pack: &Pack, entries: &[(u64, u32)], offset: u64) -> u32 {
    let base = match pack.header(offset) {
        Ok(Header { stored: Stored::OnOffset(base), .. }) => Some(base),
        Ok(Header { stored: Stored::OnObject(id), .. }) => {
            pack.index().find(id.as_bytes()).and_then(|position| pack.index().offset(position))
        }
        _ => None,
    };
    let rank = base.and_then(|base| entries.binary_search_by_key(&base, |(offset, _)| *offset).ok());
    rank.map_or(NONE, |rank| rank as u32)
}

impl Families {
    /// `bases[rank]` is the rank of the base, or [`NONE`].
    fn new(bases: &[u32]) -> Self {
        let mut starts = vec![0u32; bases.len() + 1];
        for &base in bases.iter().filter(|base| **base != NONE) {
            starts[base as usize + 1] += 1;
        }
        for rank in 0..bases.len() {
            starts[rank + 1] += starts[rank];
        }
        let mut fill = starts.clone();
        let mut children = vec![0; starts[bases.len()] as usize];
        for (rank, &base) in bases.iter().enumerate().filter(|(_, base)| **base != NONE) {
            children[fill[base as usize] as usize] = rank as u32;
            fill[base as usize] += 1;
        }
        let roots = (0..bases.len() as u32).filter(|rank| bases[*rank as usize] == NONE).collect();
        let mut families = Self { starts, children, sizes: Vec::new(), roots, lost: Vec::new() };
        families.sort_children(bases);
        families
    }

    fn children(&self, rank: u32) -> &[u32] {
        let range = self.starts[rank as usize] as usize..self.starts[rank as usize + 1] as usize;
        &self.children[range]
    }

    /// Sorts children by how many descendants they have, and finds who descends from no root.
    fn sort_children(&mut self, bases: &[u32]) {
        let mut order = self.roots.clone();
        let mut next = 0;
        while next < order.len() {
            let rank = order[next];
            order.extend_from_slice(self.children(rank));
            next += 1;
        }
        let mut sizes = vec![0u32; bases.len()];
        for &rank in order.iter().rev() {
            sizes[rank as usize] += 1;
            if bases[rank as usize] != NONE {
                sizes[bases[rank as usize] as usize] += sizes[rank as usize];
            }
        }
        for rank in 0..bases.len() {
            let range = self.starts[rank] as usize..self.starts[rank + 1] as usize;
            self.children[range].sort_unstable_by_key(|child| sizes[*child as usize]);
        }
        self.lost = (0..bases.len() as u32).filter(|rank| sizes[*rank as usize] == 0).collect();
        self.sizes = sizes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_come_smallest_family_first() {
        // 0 is the base of 1, 2 and 3; 1 of 4; 4 of 5; 3 of 6.
        let families = Families::new(&[NONE, 0, 0, 0, 1, 4, 3]);
        assert_eq!(families.roots, [0]);
        assert_eq!(families.children(0), [2, 3, 1]);
        assert!(families.lost.is_empty());
    }

    #[test]
    fn a_circle_of_bases_is_lost_not_walked() {
        let families = Families::new(&[NONE, 2, 1, 2]);
        assert_eq!(families.roots, [0]);
        assert_eq!(families.lost, [1, 2, 3]);
    }

    #[test]
    fn chains_of_any_length_are_built_without_recursion() {
        let bases: Vec<u32> = std::iter::once(NONE).chain(0..200_000).collect();
        let families = Families::new(&bases);
        assert_eq!(families.children(199_999), [200_000]);
        assert!(families.lost.is_empty());
    }
}
