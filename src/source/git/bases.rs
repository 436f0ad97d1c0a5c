//! Objects of packs that were read a moment ago, because the next ones are likely to be made of them. The memory for them is bounded;
//! what is not here is decoded again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::object::Kind;
use crate::blob::ObjectId;

/// An object as it comes out of a pack.
pub(super) type Decoded = (Kind, Arc<Vec<u8>>);

/// Number of the pack and offset in it.
pub(super) type Place = (usize, u64);

/// What one thread keeps.
pub(super) struct Bases {
    kept: HashMap<Place, Kept>,
    /// Places of all that is kept, each once; the first is the next to go, unless it was used since it was last looked at.
    order: VecDeque<Place>,
    bytes: usize,
    most_bytes: usize,
}

struct Kept {
    decoded: Decoded,
    was_used: bool,
    /// The name that it was held against and has.
    name: Option<ObjectId>,
}

/// So many bytes of objects are kept by a thread.
const MOST_BYTES: usize = 32 << 20;
/// What is larger than this part of all would drive out too many others.
const LARGEST: usize = 8;

impl Default for Bases {
    fn default() -> Self {
        Self::new(MOST_BYTES)
    }
}

impl Bases {
    /// Keeps objects of no more than `most_bytes` in all.
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { kept: HashMap::new(), order: VecDeque::new(), bytes: 0, most_bytes }
    }

    /// What was read at a place, if it is still here.
    pub(super) fn get(&mut self, place: Place) -> Option<Decoded> {
        let kept = self.kept.get_mut(&place)?;
        kept.was_used = true;
        Some(kept.decoded.clone())
    }

    /// Whether what is kept of a place was found to be the object of this name.
    pub(super) fn is_proven(&self, place: Place, id: ObjectId) -> bool {
        self.kept.get(&place).is_some_and(|kept| kept.name == Some(id))
    }

    /// Keeps in mind that it was.
    pub(super) fn prove(&mut self, place: Place, id: ObjectId) {
        if let Some(kept) = self.kept.get_mut(&place) {
            kept.name = Some(id);
        }
    }

    /// Keeps an object, and lets others go that were not used for long.
    pub(super) fn keep(&mut self, place: Place, decoded: &Decoded) {
        let len = decoded.1.len();
        if len >= self.most_bytes / LARGEST || self.kept.contains_key(&place) {
            return;
        }
        self.bytes += len;
        self.order.push_back(place);
        self.kept.insert(place, Kept { decoded: decoded.clone(), was_used: false, name: None });
        while self.bytes > self.most_bytes
            && let Some(place) = self.order.pop_front()
        {
            self.let_go(place);
        }
    }

    /// Removes an object, or only turns it to the end of the queue when it was used meanwhile.
    fn let_go(&mut self, place: Place) {
        match self.kept.get_mut(&place) {
            Some(kept) if kept.was_used => {
                kept.was_used = false;
                self.order.push_back(place);
            }
            _ => {
                let gone = self.kept.remove(&place);
                self.bytes -= gone.map_or(0, |kept| kept.decoded.1.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(len: usize) -> Decoded {
        (Kind::Blob, Arc::new(vec![b'x'; len]))
    }

    #[test]
    fn no_more_bytes_are_kept_than_allowed_and_what_is_used_stays() {
        let mut bases = Bases::new(1000);
        bases.keep((0, 0), &blob(100));
        for offset in 1..500 {
            assert!(bases.get((0, 0)).is_some(), "it is used all the time, before {offset}");
            bases.keep((0, offset), &blob(100));
            assert!(bases.bytes <= 1000 && bases.kept.len() == bases.order.len());
            assert_eq!(bases.bytes, bases.kept.len() * 100);
        }
        assert!(bases.get((0, 5)).is_none() && bases.get((0, 499)).is_some() && bases.get((1, 499)).is_none());
    }

    #[test]
    fn what_would_drive_out_the_others_is_not_kept_and_nothing_is_kept_twice() {
        let mut bases = Bases::new(1000);
        bases.keep((0, 1), &blob(125));
        bases.keep((0, 2), &blob(50));
        bases.keep((0, 2), &blob(50));
        assert_eq!((bases.get((0, 1)).is_some(), bases.bytes, bases.order.len()), (false, 50, 1));
        let mut none = Bases::new(0);
        none.keep((0, 1), &blob(0));
        assert!(none.get((0, 1)).is_none());
    }
}
