//! Single objects by their ids: where they lie, and up the chain of deltas from what they are made of.

use std::io::{self, Read};
use std::sync::Arc;

use libdeflater::Decompressor;

use super::Odb;
use crate::blob::ObjectId;
use crate::source::git::bases::{Bases, Decoded, Place};
use crate::source::git::delta;
use crate::source::git::object::Kind;
use crate::source::git::pack::{EntryError, Header, MAX_REBUILT, Pack, Stored};

impl Odb {
    /// One object by its id; `None` when it is nowhere.
    ///
    /// # Errors
    /// When it is there and damaged, or too large to be rebuilt in memory.
    pub(in crate::source::git) fn read(&self, id: ObjectId) -> Result<Option<(Kind, Vec<u8>)>, EntryError> {
        let read = self.read_with(id, &mut Bases::new(0))?;
        Ok(read.map(|(kind, bytes)| (kind, Arc::unwrap_or_clone(bytes))))
    }

    /// The same where many are read: what `bases` keeps is not decoded again.
    pub(in crate::source::git) fn read_with(
        &self,
        id: ObjectId,
        bases: &mut Bases,
    ) -> Result<Option<Decoded>, EntryError> {
        self.read_nested(id, bases, 0)
    }

    /// The object that stands at an offset of one of the packs.
    pub(in crate::source::git) fn read_at(&self, pack: &Pack, offset: u64) -> Result<(Kind, Vec<u8>), EntryError> {
        let number = self.packs.iter().position(|own| std::ptr::eq(own, pack)).ok_or(EntryError::Header)?;
        let (kind, bytes) = self.read_packed((number, offset), &mut Bases::new(0), 0)?;
        Ok((kind, Arc::unwrap_or_clone(bytes)))
    }

    /// Number of the first pack that holds an object, and the object's place in its index.
    pub(super) fn packed_at(&self, id: ObjectId) -> Option<(usize, usize)> {
        let mut found = self.packs.iter().map(|pack| pack.index().find(id.as_bytes())).enumerate();
        found.find_map(|(n, position)| Some((n, position?)))
    }

    /// `depth` counts bases that lie in other packs, which a hostile pack could make a circle of.
    fn read_nested(&self, id: ObjectId, bases: &mut Bases, depth: u32) -> Result<Option<Decoded>, EntryError> {
        if let Some((n, position)) = self.packed_at(id) {
            let offset = self.packs[n].index().offset(position).ok_or(EntryError::Header)?;
            return self.read_packed((n, offset), bases, depth).map(Some);
        }
        let mut object = match self.open_loose(id) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|_| EntryError::Header)?,
        };
        if object.size > MAX_REBUILT {
            return Err(EntryError::TooLarge);
        }
        let mut bytes = Vec::new();
        object.read_to_end(&mut bytes).map_err(|_| EntryError::Data)?;
        Ok(Some((object.kind, Arc::new(bytes))))
    }

    fn read_packed(&self, place: Place, bases: &mut Bases, depth: u32) -> Result<Decoded, EntryError> {
        let (pack, mut inflater) = (&self.packs[place.0], Decompressor::new());
        let (chain, (kind, mut bytes)) = self.chain(place, &mut inflater, bases, depth)?;
        let (mut instructions, mut copies) = (Vec::new(), Vec::new());
        for (offset, header) in chain.iter().rev() {
            pack.inflate(header, pack.end(), &mut inflater, &mut instructions)?;
            if delta::result_size(&instructions).is_none_or(|size| size > MAX_REBUILT) {
                return Err(EntryError::TooLarge);
            }
            let mut result = Vec::new();
            delta::apply(&bytes, &instructions, &mut result, &mut copies)?;
            bytes = Arc::new(result);
            bases.keep((place.0, *offset), &(kind, bytes.clone()));
        }
        Ok((kind, bytes))
    }

    /// The deltas, last first, that lead to an object from one that stands whole or is kept, with that one.
    fn chain(
        &self,
        (n, mut offset): Place,
        inflater: &mut Decompressor,
        bases: &mut Bases,
        depth: u32,
    ) -> Result<(Vec<(u64, Header)>, Decoded), EntryError> {
        let pack = &self.packs[n];
        let mut chain = Vec::new();
        loop {
            if let Some(kept) = bases.get((n, offset)) {
                return Ok((chain, kept));
            }
            let header = pack.header(offset)?;
            if header.size > MAX_REBUILT {
                return Err(EntryError::TooLarge);
            }
            let base = match header.stored {
                Stored::Whole(kind) => {
                    let mut bytes = Vec::new();
                    pack.inflate(&header, pack.end(), inflater, &mut bytes)?;
                    let decoded = (kind, Arc::new(bytes));
                    bases.keep((n, offset), &decoded);
                    return Ok((chain, decoded));
                }
                Stored::OnOffset(base) => Ok(base),
                Stored::OnObject(id) => {
                    let position = pack.index().find(id.as_bytes());
                    position.and_then(|position| pack.index().offset(position)).ok_or(id)
                }
            };
            chain.push((offset, header));
            if chain.len() > pack.index().len() {
                return Err(EntryError::Base("chain is a circle, it".to_owned()));
            }
            match base {
                Ok(base) => offset = base,
                Err(elsewhere) => return Ok((chain, self.read_base(elsewhere, bases, depth)?)),
            }
        }
    }

    /// The base of a delta that lies outside the delta's own pack.
    fn read_base(&self, id: ObjectId, bases: &mut Bases, depth: u32) -> Result<Decoded, EntryError> {
        if depth > 32 {
            return Err(EntryError::Base(id.to_string()));
        }
        self.read_nested(id, bases, depth + 1)?.ok_or_else(|| EntryError::Base(id.to_string()))
    }
}
