//! Ids that are known, as they stand in a file: looked up in rising order faster than one by one.

/// A sorted list of ids, one after the other, and which of them have been asked for.
pub(super) struct Known<'a> {
    ids: &'a [u8],
    hash_len: usize,
    seen: Vec<bool>,
    /// Where the last one was looked for.
    at: usize,
}

impl<'a> Known<'a> {
    /// What is behind the last whole id is left out.
    pub(super) fn new(ids: &'a [u8], hash_len: usize) -> Self {
        Self { ids, hash_len, seen: vec![false; ids.len() / hash_len], at: 0 }
    }

    fn id(&self, n: usize) -> &'a [u8] {
        &self.ids[n * self.hash_len..(n + 1) * self.hash_len]
    }

    /// Whether an id is known. From the place of the last one the search goes on in steps that double, so that a list in order costs
    /// little for each and a few ids among many don't cost all of them.
    pub(super) fn contains(&mut self, id: &[u8]) -> bool {
        let count = self.seen.len();
        let mut low = if self.at < count && self.id(self.at) <= id { self.at } else { 0 };
        let mut step = 1;
        while low + step < count && self.id(low + step) <= id {
            low += step;
            step *= 2;
        }
        let mut high = count.min(low + step);
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            if self.id(middle) <= id {
                low = middle;
            } else {
                high = middle;
            }
        }
        self.at = low;
        let is_known = low < count && self.id(low) == id;
        if is_known {
            self.seen[low] = true;
        }
        is_known
    }

    /// Whether each of them has been asked for.
    pub(super) fn all_seen(&self) -> bool {
        self.seen.iter().all(|seen| *seen)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn knows_what_is_in_the_list_in_whatever_order_it_is_asked(
            ids in prop::collection::btree_set(any::<[u8; 2]>(), 0..300), asked in prop::collection::vec(any::<[u8; 2]>(), 0..300)
        ) {
            let flat: Vec<u8> = ids.iter().flatten().copied().collect();
            let mut known = Known::new(&flat, 2);
            for id in &asked {
                prop_assert_eq!(known.contains(id), ids.contains(id));
            }
            let all: BTreeSet<_> = asked.iter().copied().collect();
            prop_assert_eq!(known.all_seen(), ids.is_subset(&all));
            prop_assert!(ids.iter().all(|id| known.contains(id)));
            prop_assert!(known.all_seen());
        }
    }
}
