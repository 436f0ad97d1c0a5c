//! What can't be read where it stands, or is not what it should be there: it is looked for elsewhere, and told when it is nowhere.

use super::memory::{Base, Kept, Worker};
use super::{Visitor, Walk};
use crate::blob::{Content, ObjectId};
use crate::source::git::name;
use crate::source::git::object::Kind;
use crate::source::git::pack::EntryError;

/// What was read, and what kind of object it is.
type Read = (Kind, Vec<u8>);

impl<V: Visitor> Walk<'_, V> {
    /// An object from another pack or a file, or not at all, which is told. What has been changed is read here, too, if it stands nowhere
    /// else: it is told, but may still be what it was.
    pub(super) fn found_elsewhere<'w>(
        &'w self,
        rank: u32,
        why: EntryError,
        worker: &mut Worker<'w>,
        is_first: &dyn Fn(&[u8]) -> bool,
    ) -> Option<Base<V::Memory>> {
        let is_changed = matches!(why, EntryError::Changed);
        let read = match self.id(rank) {
            Some(id) if is_changed => self.unchanged(id, rank, worker),
            _ => Err(why),
        };
        let read = read.or_else(|why| {
            let copy = |most| self.odb.read_elsewhere(self.id(rank).ok_or(EntryError::Header)?, self.pack, most);
            self.slowly(worker, copy).map_err(|_| why)
        });
        let is_doubtful = read.is_err();
        let read = read.or_else(|why| {
            self.failed(rank, &why, is_first);
            let here = |most| self.odb.read_at(self.pack, self.offset(rank), most);
            let read = is_changed.then(|| self.slowly(worker, here).ok()).flatten();
            read.filter(|(kind, _)| self.visitor.wants_kind(*kind)).ok_or(why)
        });
        let Ok((kind, bytes)) = read else {
            // Nothing can be made of it, but what should be may stand elsewhere, too.
            let never = Base { kind: Kind::Blob, bytes: Kept::Never, memory: None, is_doubtful };
            return (!self.children(rank).is_empty()).then_some(never);
        };
        if self.is_passed_over(kind) {
            return None;
        }
        let memory = self.hand_out(rank, kind, bytes.len() as u64, is_first, Content::Bytes(&bytes), None);
        Some(Base { kind, bytes: Kept::Here(bytes), memory, is_doubtful })
    }

    /// An object whose entry has been changed, when what comes out of that is all the same what its name stands for.
    fn unchanged<'w>(&'w self, id: ObjectId, rank: u32, worker: &mut Worker<'w>) -> Result<Read, EntryError> {
        match self.slowly(worker, |most| self.odb.read_at(self.pack, self.offset(rank), most)) {
            Ok((kind, bytes)) if name::is_of(id, kind, &bytes) => Ok((kind, bytes)),
            Ok(_) | Err(EntryError::TooLarge(_)) => Err(EntryError::Changed),
            Err(error) => Err(error),
        }
    }

    /// Tells of an object that can't be read. One that an earlier pack holds, too, was read or told of there; an entry that nobody
    /// asked for is a base, and what is made of it is told of.
    fn failed(&self, rank: u32, error: &EntryError, is_first: &dyn Fn(&[u8]) -> bool) {
        if let Some(id) = self.id(rank).filter(|id| is_first(id.as_bytes())) {
            self.visitor.failed(id, &format!("{error}, in {}; `git fsck` tells more", self.pack.path().display()));
        }
    }
}
