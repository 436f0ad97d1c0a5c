//! All of a pack in one go: each entry is decoded once, every delta right after the base that it needs.
//!
//! Bases lead to deltas like a tree's root to its leaves. Each such family is walked depth first without recursion. A node's
//! children are taken from the smallest family to the largest, and the node's bytes are let go before the last one: so a thread never
//! has more than log2(entries) objects of a family in memory, however long its chains are. Where these are large, all threads
//! together keep [`Limits::held`](super::limits::Limits) bytes; what is beyond that is let go and made again when it is needed. A few large parts of a family
//! may wait for other threads, with one object each.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use libdeflater::Decompressor;
use rayon::prelude::*;

use self::memory::{Base, Frame, Kept, Worker};
use super::delta;
use super::families::{self, Apart, Families};
use super::object::Kind;
use super::odb::Odb;
use super::pack::{EntryError, Header, Pack, Stored};
use crate::blob::{Content, ObjectId};
use crate::location::Copied;

mod elsewhere;
mod memory;
mod proof;

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

    /// Whether objects of other kinds have to be what their names stand for, too. They may be what is looked for and have been changed.
    fn proves_others(&self) -> bool;

    /// Whether this object is to be handed out; where it is too large for the user's limit this is the place to say so.
    fn wants(&self, kind: Kind, size: u64, id: ObjectId) -> bool;

    /// What it returns is given back with objects that are made of this one.
    fn found(&self, object: Found<'_, Self::Memory>) -> Option<Self::Memory>;

    /// An object that is there and could not be read.
    fn failed(&self, id: ObjectId, why: &str);
}

/// What is held against entries before they are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Nothing,
    /// The checksums that the index has of entries as they stand in the pack.
    Checksums,
    /// The hashes of what comes out.
    Names,
}

/// One pack on its way to a visitor. Entries are named by their rank in order of offset.
pub(super) struct Walk<'a, V> {
    odb: &'a Odb,
    pack: &'a Pack,
    first_number: u32,
    visitor: &'a V,
    families: Families,
    by_name: bool,
    /// Bytes of bases that are kept at present, of those that count.
    held: AtomicUsize,
    /// Objects that are large by [`Limits::large`](super::limits::Limits) are in the memory of one thread at a time.
    turn: Mutex<()>,
}

/// The first of a family, unless nobody wants it or nothing is made of it.
type Root<M> = Option<Base<M>>;

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

impl<'a, V: Visitor> Walk<'a, V> {
    /// What is handed out is what is in `families` of this pack.
    pub(super) fn new(
        odb: &'a Odb,
        pack: &'a Pack,
        first_number: u32,
        families: Families,
        check: Check,
        visitor: &'a V,
    ) -> Self {
        let (by_name, held) = (check == Check::Names, AtomicUsize::new(0));
        Self { odb, pack, first_number, visitor, families, by_name, held, turn: Mutex::default() }
    }

    /// The families, to walk them again.
    pub(super) fn into_families(self) -> Families {
        self.families
    }

    /// Walks every family. Objects for which `is_first` says no were handed out from an earlier pack: they serve as bases only.
    pub(super) fn run(&self, is_first: &(dyn Fn(&[u8]) -> bool + Sync)) {
        let waiting = AtomicUsize::new(0);
        rayon::scope(|scope| {
            let work = Work { is_first, waiting: &waiting, scope };
            let family = |worker: &mut _, &root: &u32| self.family(root, None, worker, work);
            self.families.roots.par_iter().with_max_len(FAMILIES).for_each_init(Worker::new, family);
            let apart = |worker: &mut _, &(entry, why): &(u32, Apart)| {
                let problem = match why {
                    Apart::Circle => EntryError::Circle,
                    Apart::Changed => EntryError::Changed,
                };
                self.family(entry, Some(problem), worker, work);
            };
            self.families.apart.par_iter().with_max_len(FAMILIES).for_each_init(Worker::new, apart);
        });
    }

    /// Walks one family, whose first can't be read where it is if `problem` says so.
    fn family<'scope>(
        &'scope self,
        root: u32,
        problem: Option<EntryError>,
        worker: &mut Worker<'scope>,
        work: Work<'_, 'scope>,
    ) {
        let object = problem.map_or_else(|| self.root(root, worker, work.is_first), Err);
        let object = object.unwrap_or_else(|error| self.found_elsewhere(root, error, worker, work.is_first));
        if let Some(base) = object {
            self.descend(self.frame(root, base), worker, work);
        }
        worker.turn = None;
    }

    /// Works through what descends from an object; large parts of it are left to whichever thread has nothing else to do.
    fn descend<'scope>(&'scope self, first: Frame<V::Memory>, worker: &mut Worker<'scope>, work: Work<'_, 'scope>) {
        let mut frames = vec![first];
        while let Some(top) = frames.last_mut() {
            let Some(place) = top.children.next() else {
                self.drop_frame(frames.pop(), worker);
                self.pass_turn(&frames, worker);
                continue;
            };
            let child = self.families.children[place as usize];
            let is_last = top.children.is_empty();
            let made = match self.restore(top, worker) {
                Err(error) => Err(error),
                Ok(()) if !is_last && self.is_for_others(child, worker) && work.may_wait() => {
                    let part = Frame { rank: top.rank, base: top.base.clone(), children: place..place + 1 };
                    work.scope.spawn(move |scope| {
                        work.waiting.fetch_sub(1, Ordering::Relaxed);
                        let worker = &mut Worker::new();
                        self.descend(part, worker, Work { scope, ..work });
                    });
                    continue;
                }
                Ok(()) => self.made(child, &top.base, worker, work.is_first),
            };
            if is_last {
                self.drop_frame(frames.pop(), worker);
            }
            let made = made.map_or_else(|error| self.found_elsewhere(child, error, worker, work.is_first), Some);
            let frame = made.map(|base| self.frame(child, base));
            if self.children(child).is_empty() {
                self.drop_frame(frame, worker);
                self.pass_turn(&frames, worker);
            } else {
                frames.extend(frame);
                self.shed(&mut frames);
            }
        }
    }

    /// Whether what descends from an entry is worth another thread, and the base that it needs may wait for one.
    fn is_for_others(&self, child: u32, worker: &Worker<'_>) -> bool {
        self.families.sizes[child as usize] >= LARGE_PART && self.may_hold() && worker.turn.is_none()
    }

    /// Makes an object out of its base and hands it out.
    fn made<'w>(
        &'w self,
        rank: u32,
        base: &Base<V::Memory>,
        worker: &mut Worker<'w>,
        is_first: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Base<V::Memory>, EntryError> {
        let Kept::Here(old) = &base.bytes else {
            return Err(EntryError::Base("further up its chain of deltas".to_owned()));
        };
        let bytes = self.rebuilt(rank, old, worker)?;
        if base.is_doubtful || self.by_name {
            self.prove(rank, base.kind, &bytes, is_first)?;
        }
        let made_of = base.memory.as_ref().map(|memory| (memory, worker.copies.as_slice()));
        let memory = self.hand_out(rank, base.kind, bytes.len() as u64, is_first, Content::Bytes(&bytes), made_of);
        Ok(self.base(rank, base.kind, Kept::Here(bytes), memory))
    }

    /// Decodes and hands out the first of a family.
    fn root<'w>(
        &'w self,
        root: u32,
        worker: &mut Worker<'w>,
        is_first: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Root<V::Memory>, EntryError> {
        let header = self.pack.header(self.offset(root))?;
        match header.stored {
            Stored::Whole(kind) if self.is_passed_over(kind) => Ok(None),
            Stored::Whole(kind) => self.whole(root, kind, &header, worker, is_first),
            Stored::OnObject(id) => {
                let read = self.slowly(worker, |most| self.odb.read_up_to(id, most))?;
                let (kind, base) = read.ok_or_else(|| EntryError::Base(id.to_string()))?;
                if self.is_passed_over(kind) {
                    return Ok(None);
                }
                let bytes = self.rebuilt(root, &base, worker)?;
                if self.by_name {
                    self.prove(root, kind, &bytes, is_first)?;
                }
                let memory = self.hand_out(root, kind, bytes.len() as u64, is_first, Content::Bytes(&bytes), None);
                Ok(Some(self.base(root, kind, Kept::Here(bytes), memory)))
            }
            Stored::OnOffset(offset) => Err(EntryError::Base(format!("at offset {offset} of the pack"))),
        }
    }

    /// One that is not a delta.
    fn whole<'w>(
        &'w self,
        root: u32,
        kind: Kind,
        header: &Header,
        worker: &mut Worker<'w>,
        is_first: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Root<V::Memory>, EntryError> {
        let limits = &self.odb.limits;
        self.odb.spend(header.size)?;
        let is_base = !self.children(root).is_empty();
        // What else than a blob has to be read as a whole.
        let is_content = kind == Kind::Blob && !is_base;
        if header.size > limits.largest || is_content && header.size > limits.large {
            self.hand_out_stream(root, kind, header, is_first)?;
            return Ok(is_base.then(|| self.base(root, kind, Kept::Never, None)));
        }
        self.take_turn(header.size, worker);
        let mut bytes = worker.spare.pop().unwrap_or_default();
        self.inflate(root, header, &mut worker.inflater, &mut bytes)?;
        if self.by_name {
            self.prove(root, kind, &bytes, is_first)?;
        }
        let memory = self.hand_out(root, kind, header.size, is_first, Content::Bytes(&bytes), None);
        Ok(Some(self.base(root, kind, Kept::Here(bytes), memory)))
    }

    /// Makes an object out of its base.
    fn rebuilt<'w>(&'w self, rank: u32, base: &[u8], worker: &mut Worker<'w>) -> Result<Vec<u8>, EntryError> {
        let largest = self.odb.limits.largest;
        let header = self.pack.header(self.offset(rank))?;
        if header.size > largest {
            return Err(EntryError::TooLarge(largest));
        }
        self.take_turn(header.size, worker);
        self.inflate(rank, &header, &mut worker.inflater, &mut worker.instructions)?;
        let size = delta::result_size(&worker.instructions).unwrap_or(0);
        if size > largest {
            return Err(EntryError::TooLarge(largest));
        }
        self.odb.spend(size)?;
        self.take_turn(size, worker);
        let mut bytes = worker.spare.pop().unwrap_or_default();
        delta::apply(base, &worker.instructions, &mut bytes, &mut worker.copies)?;
        Ok(bytes)
    }

    /// Inflates what should end where the next entry begins.
    fn inflate(
        &self,
        rank: u32,
        header: &Header,
        inflater: &mut Decompressor,
        out: &mut Vec<u8>,
    ) -> Result<(), EntryError> {
        let (until, end) = (self.until(rank), self.pack.end());
        let inflated = self.pack.inflate(header, until, inflater, out);
        if inflated.is_ok() || until == end {
            return inflated;
        }
        // A damaged index lets entries begin anywhere, also in the middle of this one.
        self.odb.spend(header.size)?;
        self.pack.inflate(header, end, inflater, out)
    }

    /// What others are made of; one of which the index does not know has nothing to be held against.
    fn base(&self, rank: u32, kind: Kind, bytes: Kept, memory: Option<V::Memory>) -> Base<V::Memory> {
        Base { kind, bytes, memory, is_doubtful: self.id(rank).is_none() }
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

    /// The object that an entry is, unless it is read as a base only.
    fn id(&self, rank: u32) -> Option<ObjectId> {
        self.families.entries[rank as usize].position().map(|position| self.pack.index().id(position))
    }

    fn offset(&self, rank: u32) -> u64 {
        self.families.entries[rank as usize].offset
    }

    fn until(&self, rank: u32) -> u64 {
        families::until(self.pack, &self.families.entries, rank)
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
