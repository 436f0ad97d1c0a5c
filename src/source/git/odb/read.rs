//! Single objects by their ids: where they lie, and up the chain of deltas from what they are made of. Slow beside the walk over a pack,
//! and more stubborn: what can't be read in one place, or is another object there, is looked for in the others, as git does.

use std::io::{self, Read};
use std::sync::Arc;

use libdeflater::Decompressor;

use super::Odb;
use crate::blob::ObjectId;
use crate::source::git::bases::{Bases, Decoded};
use crate::source::git::delta;
use crate::source::git::limits::Limits;
use crate::source::git::loose;
use crate::source::git::name;
use crate::source::git::object::Kind;
use crate::source::git::pack::{EntryError, Header, Pack, Stored};

/// Objects and deltas of more than so many bytes are not made.
#[derive(Clone, Copy)]
pub(in crate::source::git) struct Most(u64);

impl Most {
    /// What fits in memory for each thread.
    pub(in crate::source::git) fn large(limits: &Limits) -> Self {
        Self(limits.large)
    }

    /// What fits in memory once.
    pub(in crate::source::git) fn largest(limits: &Limits) -> Self {
        Self(limits.largest)
    }

    /// What has no more bytes than this.
    pub(in crate::source::git) fn bytes(most: u64) -> Self {
        Self(most)
    }

    fn check(self, size: u64) -> Result<(), EntryError> {
        if size > self.0 { Err(EntryError::TooLarge(self.0)) } else { Ok(()) }
    }
}

/// Longer chains of deltas are not followed here; git itself writes none of more than 4095.
const MOST_LINKS: usize = 1 << 16;
/// How many times in a row the base of a delta may lie in another pack, which a hostile pack could make a circle of.
const DEEP: u32 = 32;
/// Further down only one copy of each object is tried: there could be ever so many ways through them.
const STUBBORN: u32 = 2;

/// What one reading needs on its way.
struct Reading<'b> {
    most: Most,
    bases: &'b mut Bases,
    inflater: Decompressor,
}

impl<'b> Reading<'b> {
    fn new(most: Most, bases: &'b mut Bases) -> Self {
        Self { most, bases, inflater: Decompressor::new() }
    }
}

/// A step down from an object to what it is made of.
enum Below {
    Nothing(Decoded),
    /// At an offset of the same pack.
    Inside(Header, u64),
    Outside(Header, Decoded),
}

fn owned((kind, bytes): Decoded) -> (Kind, Vec<u8>) {
    (kind, Arc::unwrap_or_clone(bytes))
}

impl Odb {
    /// One object by its id; `None` when it is nowhere.
    ///
    /// # Errors
    /// When it is there and damaged, or too large to be rebuilt in memory.
    pub(in crate::source::git) fn read(&self, id: ObjectId) -> Result<Option<(Kind, Vec<u8>)>, EntryError> {
        self.read_up_to(id, Most::largest(&self.limits))
    }

    /// The same for objects of a size.
    pub(in crate::source::git) fn read_up_to(
        &self,
        id: ObjectId,
        most: Most,
    ) -> Result<Option<(Kind, Vec<u8>)>, EntryError> {
        let read = self.read_nested(id, &mut Reading::new(most, &mut Bases::new(0)), 0)?;
        Ok(read.map(owned))
    }

    /// The same where many are read: what `bases` keeps is not decoded again.
    pub(in crate::source::git) fn read_with(
        &self,
        id: ObjectId,
        bases: &mut Bases,
    ) -> Result<Option<Decoded>, EntryError> {
        self.read_nested(id, &mut Reading::new(Most::largest(&self.limits), bases), 0)
    }

    /// The object that stands at an offset of a pack.
    pub(in crate::source::git) fn read_at(
        &self,
        pack: &Pack,
        offset: u64,
        most: Most,
    ) -> Result<(Kind, Vec<u8>), EntryError> {
        self.read_packed(pack, offset, &mut Reading::new(most, &mut Bases::new(0)), 0).map(owned)
    }

    /// An object that can't be read out of one pack, from wherever else it is.
    ///
    /// # Errors
    /// `TooLarge` when it is somewhere and larger than that, and any other when it is nowhere.
    pub(in crate::source::git) fn read_elsewhere(
        &self,
        id: ObjectId,
        not_in: &Pack,
        most: Most,
    ) -> Result<(Kind, Vec<u8>), EntryError> {
        self.elsewhere(id, not_in, &mut Reading::new(most, &mut Bases::new(0)), 0).map(owned)
    }

    /// An object that came into a pack after the others were opened.
    pub(super) fn read_late(&self, id: ObjectId) -> Option<(Kind, Vec<u8>)> {
        let mut bases = Bases::new(0);
        self.late_or_none(id, &mut Reading::new(Most::largest(&self.limits), &mut bases), 0).ok().flatten().map(owned)
    }

    fn read_nested(&self, id: ObjectId, reading: &mut Reading<'_>, depth: u32) -> Result<Option<Decoded>, EntryError> {
        let Some((n, position)) = self.packed_at(id) else {
            return match self.read_loose(id, reading)? {
                None => self.late_or_none(id, reading, depth),
                found => Ok(found),
            };
        };
        let pack = &self.packs[n];
        let offset = pack.index().offset(position).ok_or(EntryError::Header);
        match offset.and_then(|offset| self.read_named(id, pack, offset, reading, depth)) {
            Err(error @ (EntryError::TooLarge(_) | EntryError::TooMuch)) => Err(error),
            Err(error) => self.elsewhere(id, pack, reading, depth).map_err(|_| error).map(Some),
            read => read.map(Some),
        }
    }

    fn elsewhere(
        &self,
        id: ObjectId,
        not_in: &Pack,
        reading: &mut Reading<'_>,
        depth: u32,
    ) -> Result<Decoded, EntryError> {
        let mut problem = EntryError::Base(id.to_string());
        if depth > STUBBORN {
            return Err(problem);
        }
        let others = self.packs.iter().filter(|pack| !std::ptr::eq(*pack, not_in));
        for (pack, offset) in others.filter_map(|pack| Some((pack, pack.find(id)?))) {
            match self.read_named(id, pack, offset, reading, depth + 1) {
                Err(error @ EntryError::TooLarge(_)) => problem = error,
                Err(_) => {}
                Ok(object) => {
                    self.told.copy(id);
                    return Ok(object);
                }
            }
        }
        let loose = match self.read_loose(id, reading) {
            Ok(None) | Err(_) => self.late_or_none(id, reading, depth + 1),
            loose => loose,
        };
        match loose {
            Ok(Some(object)) => {
                self.told.copy(id);
                Ok(object)
            }
            Err(error @ EntryError::TooLarge(_)) => Err(error),
            _ => Err(problem),
        }
    }

    fn late_or_none(&self, id: ObjectId, reading: &mut Reading<'_>, depth: u32) -> Result<Option<Decoded>, EntryError> {
        self.late(id).map(|(pack, offset)| self.read_named(id, &pack, offset, reading, depth)).transpose()
    }

    /// An object out of a pack, held against its name.
    fn read_named(
        &self,
        id: ObjectId,
        pack: &Pack,
        offset: u64,
        reading: &mut Reading<'_>,
        depth: u32,
    ) -> Result<Decoded, EntryError> {
        let (kind, bytes) = self.read_packed(pack, offset, reading, depth)?;
        let place = (pack.number(), offset);
        if !reading.bases.is_proven(place, id) {
            if !name::is_of(id, kind, &bytes) {
                return Err(EntryError::Changed);
            }
            reading.bases.prove(place, id);
        }
        Ok((kind, bytes))
    }

    fn read_loose(&self, id: ObjectId, reading: &Reading<'_>) -> Result<Option<Decoded>, EntryError> {
        let mut problem = Ok(None);
        for objects in &self.directories {
            let read = match loose::open(objects, id) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(_) => Err(EntryError::Header),
                Ok(mut object) => reading.most.check(object.size).and_then(|()| {
                    self.spend(object.size)?;
                    let mut bytes = Vec::new();
                    object.read_to_end(&mut bytes).map_err(|_| EntryError::Data)?;
                    let is_named = name::is_of(id, object.kind, &bytes);
                    if is_named { Ok((object.kind, Arc::new(bytes))) } else { Err(EntryError::Changed) }
                }),
            };
            match read {
                Ok(object) => return Ok(Some(object)),
                Err(error) => problem = Err(error),
            }
        }
        problem
    }

    /// `depth` counts bases that lie elsewhere.
    fn read_packed(
        &self,
        pack: &Pack,
        offset: u64,
        reading: &mut Reading<'_>,
        depth: u32,
    ) -> Result<Decoded, EntryError> {
        let (chain, (kind, mut bytes)) = self.chain(pack, offset, reading, depth)?;
        let (mut instructions, mut copies) = (Vec::new(), Vec::new());
        for (at, header) in chain.iter().rev() {
            let mut result = Vec::new();
            let inflated = pack.inflate(header, pack.end(), &mut reading.inflater, &mut instructions);
            let made = inflated.and_then(|()| {
                let size = delta::result_size(&instructions).unwrap_or(0);
                reading.most.check(size)?;
                self.spend(size)?;
                Ok(delta::apply(&bytes, &instructions, &mut result, &mut copies)?)
            });
            bytes = match made {
                Ok(()) => Arc::new(result),
                Err(error) if *at == offset => return Err(error),
                Err(error) => self.instead(pack, *at, error, reading, depth)?.1,
            };
            reading.bases.keep((pack.number(), *at), &(kind, bytes.clone()));
        }
        Ok((kind, bytes))
    }

    /// The deltas, last first, that lead to an object from one that stands whole, elsewhere or is kept, with that one.
    fn chain(
        &self,
        pack: &Pack,
        offset: u64,
        reading: &mut Reading<'_>,
        depth: u32,
    ) -> Result<(Vec<(u64, Header)>, Decoded), EntryError> {
        let (mut chain, mut at) = (Vec::new(), offset);
        while chain.len() <= MOST_LINKS {
            if let Some(kept) = reading.bases.get((pack.number(), at)) {
                return Ok((chain, kept));
            }
            match self.below(pack, at, reading, depth) {
                Ok(Below::Nothing(object)) => {
                    reading.bases.keep((pack.number(), at), &object);
                    return Ok((chain, object));
                }
                Ok(Below::Inside(header, base)) => {
                    chain.push((at, header));
                    at = base;
                }
                Ok(Below::Outside(header, base)) => {
                    chain.push((at, header));
                    return Ok((chain, base));
                }
                Err(error) if at == offset => return Err(error),
                Err(error) => return Ok((chain, self.instead(pack, at, error, reading, depth)?)),
            }
        }
        Err(EntryError::Chain(MOST_LINKS))
    }

    /// What the entry at an offset is made of.
    fn below(&self, pack: &Pack, at: u64, reading: &mut Reading<'_>, depth: u32) -> Result<Below, EntryError> {
        let header = pack.header(at)?;
        reading.most.check(header.size)?;
        self.spend(header.size)?;
        match header.stored {
            Stored::Whole(kind) => {
                let mut bytes = Vec::new();
                pack.inflate(&header, pack.end(), &mut reading.inflater, &mut bytes)?;
                Ok(Below::Nothing((kind, Arc::new(bytes))))
            }
            Stored::OnOffset(base) => Ok(Below::Inside(header, base)),
            Stored::OnObject(id) => match pack.find(id) {
                Some(base) => Ok(Below::Inside(header, base)),
                None if depth > DEEP => Err(EntryError::Base(id.to_string())),
                None => {
                    let base = self.read_nested(id, reading, depth + 1)?;
                    Ok(Below::Outside(header, base.ok_or_else(|| EntryError::Base(id.to_string()))?))
                }
            },
        }
    }

    /// A base that can't be read where it should be.
    fn instead(
        &self,
        pack: &Pack,
        at: u64,
        why: EntryError,
        reading: &mut Reading<'_>,
        depth: u32,
    ) -> Result<Decoded, EntryError> {
        if depth > STUBBORN || matches!(why, EntryError::TooLarge(_) | EntryError::TooMuch) {
            return Err(why);
        }
        // All offsets are looked at for it.
        self.spend(pack.index().len() as u64)?;
        let id = pack.index().at_offset(at).ok_or(EntryError::Base(format!("at offset {at}")))?;
        self.elsewhere(id, pack, reading, depth + 1)
    }
}
