//! Which entries of a pack are read and who is a delta of whom.

use std::collections::HashSet;
use std::ops::Range;

use rayon::prelude::*;

use super::pack::{Header, Pack, Stored};

/// An entry of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// Where it begins in the pack.
    pub(super) offset: u64,
    /// Its place in the index; [`NONE`] when it is read as a base only.
    position: u32,
}

impl Entry {
    /// Its place in the index, unless it is read as a base only.
    pub(super) fn position(self) -> Option<usize> {
        (self.position != NONE).then_some(self.position as usize)
    }
}

/// Entries and their families. An entry's rank is its number in order of offset.
pub(super) struct Families {
    /// Everything that is read, in order of offset.
    pub(super) entries: Vec<Entry>,
    /// The children of `rank` are `children[starts[rank]..starts[rank + 1]]`, smallest family first.
    starts: Vec<u32>,
    pub(super) children: Vec<u32>,
    /// How many descend from each, itself included.
    pub(super) sizes: Vec<u32>,
    /// Entries that are no delta of an entry of this pack.
    pub(super) roots: Vec<u32>,
    /// Entries that no root leads to: their bases form a circle.
    pub(super) lost: Vec<u32>,
}

/// Stands for a base in this pack or a position where there is none.
const NONE: u32 = u32::MAX;

impl Families {
    /// Those of the given places in the pack's index, or of all, and everything that those are made of. Places that the index has no
    /// good offset for go to `damaged`.
    pub(super) fn of(pack: &Pack, positions: Option<&[u32]>, damaged: &mut dyn FnMut(usize)) -> Self {
        let index = pack.index();
        let mut entries = Vec::new();
        let mut add = |position: u32| match index.offset(position as usize) {
            Some(offset) => entries.push(Entry { offset, position }),
            None => damaged(position as usize),
        };
        match positions {
            None => (0..index.len() as u32).for_each(&mut add),
            Some(positions) => positions.iter().copied().for_each(&mut add),
        }
        if positions.is_some() {
            add_bases(pack, &mut entries);
        }
        entries.par_sort_unstable();
        let rank = |offset| entries.binary_search_by_key(&offset, |entry: &Entry| entry.offset).ok();
        let base = |entry: &Entry| base(pack, entry.offset).and_then(rank).map_or(NONE, |rank| rank as u32);
        let bases: Vec<u32> = entries.par_iter().map(base).collect();
        Self { entries, ..Self::new(&bases) }
    }

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
        let mut families = Self { entries: Vec::new(), starts, children, sizes: Vec::new(), roots, lost: Vec::new() };
        families.sort_children(bases);
        families
    }

    /// Ranks of the entries that are deltas of `rank`.
    pub(super) fn children(&self, rank: u32) -> &[u32] {
        let Range { start, end } = self.places(rank);
        &self.children[start as usize..end as usize]
    }

    /// Where those stand in [`Families::children`].
    pub(super) fn places(&self, rank: u32) -> Range<u32> {
        self.starts[rank as usize]..self.starts[rank as usize + 1]
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

/// Where the base of an entry begins when it is in the same pack.
fn base(pack: &Pack, offset: u64) -> Option<u64> {
    match pack.header(offset) {
        Ok(Header { stored: Stored::OnOffset(base), .. }) => Some(base),
        Ok(Header { stored: Stored::OnObject(id), .. }) => {
            pack.index().find(id.as_bytes()).and_then(|position| pack.index().offset(position))
        }
        _ => None,
    }
}

/// Adds all that the entries are made of, as far as it is not among them.
fn add_bases(pack: &Pack, entries: &mut Vec<Entry>) {
    let mut known: HashSet<u64> = entries.iter().map(|entry| entry.offset).collect();
    for n in 0..entries.len() {
        let mut at = entries[n].offset;
        while let Some(base) = base(pack, at).filter(|base| known.insert(*base)) {
            entries.push(Entry { offset: base, position: NONE });
            at = base;
        }
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
