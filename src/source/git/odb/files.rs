//! Loose objects on their way to a visitor: from whichever directory has them whole, or from the pack that they have gone into.

use std::io::{self, Read};

use rayon::prelude::*;

use super::{Odb, Selection};
use crate::blob::{Content, ObjectId};
use crate::source::git::loose::{self, LooseObject};
use crate::source::git::name::{self, Named};
use crate::source::git::object::Kind;
use crate::source::git::walk::{Found, Visitor};

impl Odb {
    /// The selected objects that are loose and in no pack.
    pub(in crate::source::git) fn visit_loose(&self, selection: &Selection, visitor: &impl Visitor) {
        let ids = match selection {
            Selection::All => &self.loose,
            Selection::Some { loose, .. } => loose,
        };
        ids.par_iter().filter(|id| self.packed_at(**id).is_none()).for_each(|id| {
            if let Err(error) = self.visit_one_loose(*id, visitor) {
                visitor.failed(*id, &format!("reading the loose object failed: {error}; `git fsck` tells more"));
            }
        });
    }

    fn visit_one_loose(&self, id: ObjectId, visitor: &impl Visitor) -> io::Result<()> {
        let number = self.loose_number(id.as_bytes()).unwrap_or(u32::MAX);
        let mut problem = None;
        let mut partly = None;
        for objects in &self.directories {
            let read = loose::open(objects, id);
            match read.and_then(|object| self.visit_opened(id, number, object, visitor, &mut partly)) {
                Ok(()) => {
                    problem.is_some().then(|| self.told.copy(id));
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => problem = Some(error),
            }
        }
        // It may have gone into a pack since it was listed.
        if let Some((kind, bytes)) = self.read_late(id) {
            if visitor.wants(kind, bytes.len() as u64, id) {
                visitor.found(Found::alone(id, number, kind, Content::Bytes(&bytes)));
            }
            return Ok(());
        }
        if let Some((kind, bytes)) = partly {
            // A truncated object is scanned as far as it goes, and one that was changed as it is.
            visitor.found(Found::alone(id, number, kind, Content::Bytes(&bytes)));
        }
        let gone = "it was removed after it was listed; scan again while nothing else works on the repository";
        Err(problem.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, gone)))
    }

    /// Hands out a loose object that is what its name stands for. What was read of another one is left in `partly`.
    fn visit_opened(
        &self,
        id: ObjectId,
        number: u32,
        mut object: LooseObject,
        visitor: &impl Visitor,
        partly: &mut Option<(Kind, Vec<u8>)>,
    ) -> io::Result<()> {
        let (kind, size) = (object.kind, object.size);
        if !visitor.wants_kind(kind) && visitor.proves_others() {
            return Named::new(object, id, kind, size).prove();
        }
        if !visitor.wants(kind, size, id) {
            return Ok(());
        }
        if size > self.limits.largest || kind == Kind::Blob && size > self.limits.large {
            let mut named = Named::new(object, id, kind, size);
            visitor.found(Found::alone(id, number, kind, Content::Stream(&mut named)));
            return Ok(());
        }
        let (bytes, mut result) = read_out(&mut object);
        if result.is_ok() && !name::is_of(id, kind, &bytes) {
            result = Err(io::Error::new(io::ErrorKind::InvalidData, name::OTHER));
        }
        match result {
            Ok(()) => drop(visitor.found(Found::alone(id, number, kind, Content::Bytes(&bytes)))),
            Err(_) => *partly = Some((kind, bytes)),
        }
        result
    }
}

/// Everything up to the first error.
fn read_out(object: &mut LooseObject) -> (Vec<u8>, io::Result<()>) {
    let mut bytes = Vec::new();
    let result = object.read_to_end(&mut bytes).map(drop);
    (bytes, result)
}
