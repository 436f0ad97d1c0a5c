//! Objects on a walk, held against their names: where the index has no checksums, or where the ends of entries are not known.

use super::{Visitor, Walk};
use crate::blob::Content;
use crate::source::git::name::{self, Named};
use crate::source::git::object::Kind;
use crate::source::git::pack::{EntryError, Header};

impl<V: Visitor> Walk<'_, V> {
    /// Whether neither what a family of this kind comes to nor its names are of any interest.
    pub(super) fn is_passed_over(&self, kind: Kind) -> bool {
        !(self.visitor.wants_kind(kind) || self.by_name && self.visitor.proves_others())
    }

    /// Holds an object against its name.
    pub(super) fn prove(
        &self,
        rank: u32,
        kind: Kind,
        bytes: &[u8],
        is_first: &dyn Fn(&[u8]) -> bool,
    ) -> Result<(), EntryError> {
        let id = self.id(rank).filter(|id| is_first(id.as_bytes()));
        let is_other = id.is_some_and(|id| !name::is_of(id, kind, bytes));
        if is_other { Err(EntryError::Changed) } else { Ok(()) }
    }

    /// Hands out what is too large for memory.
    pub(super) fn hand_out_stream(
        &self,
        rank: u32,
        kind: Kind,
        header: &Header,
        is_first: &dyn Fn(&[u8]) -> bool,
    ) -> Result<(), EntryError> {
        let mut stream = self.pack.stream(header)?;
        let Some(id) = self.id(rank).filter(|_| self.by_name) else {
            self.hand_out(rank, kind, header.size, is_first, Content::Stream(&mut stream), None);
            return Ok(());
        };
        let mut named = Named::new(stream, id, kind, header.size);
        if self.visitor.wants_kind(kind) {
            self.hand_out(rank, kind, header.size, is_first, Content::Stream(&mut named), None);
            return Ok(());
        }
        named.prove().map_err(|_| EntryError::Changed)
    }
}
