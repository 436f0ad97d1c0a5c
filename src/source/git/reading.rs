//! One object by its id, with all that it is made of, wherever that lies. Slow beside the walk over a pack, and more stubborn: what can't
//! be read in one place is looked for in the others, as git does.

use std::io::Read;

use libdeflater::Decompressor;

use super::delta;
use super::limits::Limits;
use super::loose;
use super::object::Kind;
use super::odb::Odb;
use super::pack::{EntryError, Header, Pack, Stored};
use crate::blob::ObjectId;

/// An object as it comes out.
pub(super) type Object = (Kind, Vec<u8>);

/// Objects and deltas of more than so many bytes are not made.
#[derive(Clone, Copy)]
pub(super) struct Most(u64);

/// Longer chains of deltas are not followed here; git itself writes none of more than 4095.
const MOST_LINKS: usize = 1 << 16;
/// How many times in a row the base of a delta may lie in another pack, which a hostile pack could make a circle of.
const DEEP: u32 = 32;
/// Further down only one copy of each object is tried: there could be ever so many ways through them.
const STUBBORN: u32 = 2;

impl Most {
    /// What fits in memory for each thread.
    pub(super) fn large(limits: &Limits) -> Self {
        Self(limits.large)
    }

    /// What fits in memory once.
    pub(super) fn largest(limits: &Limits) -> Self {
        Self(limits.largest)
    }

    fn check(self, size: u64) -> Result<(), EntryError> {
        if size > self.0 { Err(EntryError::TooLarge(self.0)) } else { Ok(()) }
    }
}

/// A step down from an object to what it is made of.
enum Below {
    Nothing(Object),
    /// At an offset of the same pack.
    Inside(Header, u64),
    Outside(Header, Object),
}

impl Odb {
    /// One object by its id; `None` when it is nowhere.
    ///
    /// # Errors
    /// When it is there and damaged, or too large to be rebuilt in memory.
    pub(super) fn read(&self, id: ObjectId) -> Result<Option<Object>, EntryError> {
        self.read_up_to(id, Most::largest(&self.limits))
    }

    /// The same for objects of a size.
    pub(super) fn read_up_to(&self, id: ObjectId, most: Most) -> Result<Option<Object>, EntryError> {
        self.read_nested(id, most, 0)
    }

    fn read_nested(&self, id: ObjectId, most: Most, depth: u32) -> Result<Option<Object>, EntryError> {
        let Some((pack, position)) = self.place(id) else {
            return match self.read_loose(id, most)? {
                None => self.read_late(id, most, depth),
                found => Ok(found),
            };
        };
        let offset = pack.index().offset(position).ok_or(EntryError::Header);
        match offset.and_then(|offset| self.read_packed(pack, offset, most, depth)) {
            Err(error @ (EntryError::TooLarge(_) | EntryError::TooMuch)) => Err(error),
            Err(error) => self.read_elsewhere(id, pack, most, depth).map_err(|_| error).map(Some),
            read => read.map(Some),
        }
    }

    /// An object that can't be read out of one pack, from wherever else it is.
    ///
    /// # Errors
    /// `TooLarge` when it is somewhere and larger than that, and any other when it is nowhere.
    pub(super) fn read_elsewhere(
        &self,
        id: ObjectId,
        not_in: &Pack,
        most: Most,
        depth: u32,
    ) -> Result<Object, EntryError> {
        let mut problem = EntryError::Base(id.to_string());
        if depth > STUBBORN {
            return Err(problem);
        }
        let others = self.packs.iter().filter(|pack| !std::ptr::eq(*pack, not_in));
        let packed = others.filter_map(|pack| Some(self.read_packed(pack, pack.find(id)?, most, depth + 1).map(Some)));
        let loose = std::iter::once_with(|| self.read_loose(id, most));
        let late = std::iter::once_with(|| self.read_late(id, most, depth + 1));
        for read in packed.chain(loose).chain(late) {
            match read {
                Ok(Some(object)) => return Ok(object),
                Err(error @ EntryError::TooLarge(_)) => problem = error,
                _ => {}
            }
        }
        Err(problem)
    }

    /// The same from a pack that came while others were read.
    pub(super) fn read_late(&self, id: ObjectId, most: Most, depth: u32) -> Result<Option<Object>, EntryError> {
        self.late(id).map(|(pack, offset)| self.read_packed(&pack, offset, most, depth)).transpose()
    }

    fn read_loose(&self, id: ObjectId, most: Most) -> Result<Option<Object>, EntryError> {
        let mut problem = Ok(None);
        for objects in &self.directories {
            let read = match loose::open(objects, id) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(_) => Err(EntryError::Header),
                Ok(mut object) => most.check(object.size).and_then(|()| self.spend(object.size)).and_then(|()| {
                    let mut bytes = Vec::new();
                    object.read_to_end(&mut bytes).map_err(|_| EntryError::Data)?;
                    Ok((object.kind, bytes))
                }),
            };
            match read {
                Ok(object) => return Ok(Some(object)),
                Err(error) => problem = Err(error),
            }
        }
        problem
    }

    /// The object that stands at an offset of a pack. `depth` counts bases that lie elsewhere.
    pub(super) fn read_packed(&self, pack: &Pack, offset: u64, most: Most, depth: u32) -> Result<Object, EntryError> {
        let mut inflater = Decompressor::new();
        let (mut chain, mut at) = (Vec::new(), offset);
        let (kind, mut base) = loop {
            match self.below(pack, at, most, depth, &mut inflater) {
                Ok(Below::Nothing(object)) => break object,
                Ok(Below::Inside(header, base)) => {
                    chain.push((at, header));
                    at = base;
                }
                Ok(Below::Outside(header, base)) => {
                    chain.push((at, header));
                    break base;
                }
                Err(error) if at == offset => return Err(error),
                Err(error) => break self.instead(pack, at, error, most, depth)?,
            }
            if chain.len() > MOST_LINKS {
                return Err(EntryError::Chain(MOST_LINKS));
            }
        };
        let (mut instructions, mut copies, mut result) = (Vec::new(), Vec::new(), Vec::new());
        for (at, header) in chain.iter().rev() {
            let made = pack.inflate(header, pack.end(), &mut inflater, &mut instructions).and_then(|()| {
                let size = delta::result_size(&instructions).unwrap_or(0);
                most.check(size)?;
                self.spend(size)?;
                Ok(delta::apply(&base, &instructions, &mut result, &mut copies)?)
            });
            match made {
                Ok(()) => std::mem::swap(&mut base, &mut result),
                Err(error) if *at == offset => return Err(error),
                Err(error) => base = self.instead(pack, *at, error, most, depth)?.1,
            }
        }
        Ok((kind, base))
    }

    /// What the entry at an offset is made of.
    fn below(
        &self,
        pack: &Pack,
        at: u64,
        most: Most,
        depth: u32,
        inflater: &mut Decompressor,
    ) -> Result<Below, EntryError> {
        let header = pack.header(at)?;
        most.check(header.size)?;
        self.spend(header.size)?;
        match header.stored {
            Stored::Whole(kind) => {
                let mut bytes = Vec::new();
                pack.inflate(&header, pack.end(), inflater, &mut bytes)?;
                Ok(Below::Nothing((kind, bytes)))
            }
            Stored::OnOffset(base) => Ok(Below::Inside(header, base)),
            Stored::OnObject(id) => match pack.find(id) {
                Some(base) => Ok(Below::Inside(header, base)),
                None if depth > DEEP => Err(EntryError::Base(id.to_string())),
                None => {
                    let base = self.read_nested(id, most, depth + 1)?;
                    Ok(Below::Outside(header, base.ok_or_else(|| EntryError::Base(id.to_string()))?))
                }
            },
        }
    }

    /// A base that can't be read where it should be.
    fn instead(&self, pack: &Pack, at: u64, why: EntryError, most: Most, depth: u32) -> Result<Object, EntryError> {
        if depth > STUBBORN || matches!(why, EntryError::TooLarge(_) | EntryError::TooMuch) {
            return Err(why);
        }
        // All offsets are looked at for it.
        self.spend(pack.index().len() as u64)?;
        let elsewhere = pack.index().at_offset(at).map(|id| self.read_elsewhere(id, pack, most, depth + 1));
        elsewhere.unwrap_or_else(|| Err(EntryError::Base(format!("at offset {at}"))))
    }
}
