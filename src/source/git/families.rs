//! Which entries of a pack are read and who is a delta of whom. Bases may form circles, or begin where the index knows of no entry.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

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
    /// Entries that are to be walked by themselves, like roots: where they stand they can't be read, or not be trusted.
    pub(super) apart: Vec<(u32, Apart)>,
}

/// Why an entry is not read where it stands, or not as it stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Apart {
    /// One of each circle that bases form. What else stands in the circle descends from it.
    Circle,
    /// It is not what the index was made for. Kind, size and base may be wrong.
    Changed,
}

/// The families of all of a pack, from one walk to the next.
#[derive(Default)]
pub(super) struct Former(Mutex<Option<Families>>);

impl Former {
    pub(super) fn take(&self) -> Option<Families> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Keeps families that were held against their checksums, unless some were wrong: that is told once.
    pub(super) fn put(&self, families: Families) {
        if !families.apart.iter().any(|(_, why)| *why == Apart::Changed) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(families);
        }
    }
}

/// Stands for a base in this pack or a position where there is none.
const NONE: u32 = u32::MAX;
/// Stands for a base in this pack that is none of its entries as far as they are known.
const UNKNOWN: u32 = u32::MAX - 1;

impl Families {
    /// Those of the given places in the pack's index, or of all, and everything that those are made of. All are held against their
    /// checksums when `check` says so.
    pub(super) fn of(pack: &Pack, positions: Option<&[u32]>, check: bool) -> Self {
        let index = pack.index();
        let mut entries = Vec::new();
        let mut add = |position: u32| {
            // Where there is no good offset, there is no entry either.
            let offset = index.offset(position as usize).unwrap_or(u64::MAX);
            entries.push(Entry { offset, position });
        };
        match positions {
            None => (0..index.len() as u32).for_each(&mut add),
            Some(positions) => positions.iter().copied().for_each(&mut add),
        }
        entries.par_sort_unstable();
        let mut bases = bases(pack, &entries);
        if bases.contains(&UNKNOWN) {
            add_bases(pack, &mut entries);
            entries.par_sort_unstable();
            bases = self::bases(pack, &entries);
        }
        bases.iter_mut().filter(|base| **base == UNKNOWN).for_each(|base| *base = NONE);
        let changed = if check { changed(pack, &entries) } else { Vec::new() };
        Self { entries, ..Self::new(bases, &changed) }
    }

    fn new(mut bases: Vec<u32>, changed: &[u32]) -> Self {
        let mut apart: Vec<(u32, Apart)> = changed.iter().map(|rank| (*rank, Apart::Changed)).collect();
        changed.iter().for_each(|rank| bases[*rank as usize] = NONE);
        let mut families = Self::without_circles(&bases);
        let circles = families.circles(&bases);
        if !circles.is_empty() {
            circles.iter().for_each(|rank| bases[*rank as usize] = NONE);
            apart.extend(circles.iter().map(|rank| (*rank, Apart::Circle)));
            families = Self::without_circles(&bases);
        }
        apart.sort_unstable();
        families.roots.retain(|root| apart.binary_search_by_key(root, |(rank, _)| *rank).is_err());
        Self { apart, ..families }
    }

    /// `bases[rank]` is the rank of the base, or [`NONE`].
    fn without_circles(bases: &[u32]) -> Self {
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
        let mut families = Self { entries: Vec::new(), starts, children, sizes: Vec::new(), roots, apart: Vec::new() };
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

    /// One entry of each circle, in order. Those who descend from no root lead to one.
    fn circles(&self, bases: &[u32]) -> Vec<u32> {
        let lost = (0..bases.len() as u32).filter(|rank| self.sizes[*rank as usize] == 0);
        // By whom each was passed.
        let mut passed: HashMap<u32, u32> = HashMap::new();
        let mut circles = Vec::new();
        for start in lost {
            let mut at = start;
            while !passed.contains_key(&at) {
                passed.insert(at, start);
                at = bases[at as usize];
            }
            if passed[&at] == start {
                circles.push(at);
            }
        }
        circles.sort_unstable();
        circles
    }

    /// Sorts children by how many descendants they have: none, for those who descend from no root.
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
            let Range { start, end } = self.places(rank as u32);
            self.children[start as usize..end as usize].sort_unstable_by_key(|child| sizes[*child as usize]);
        }
        self.sizes = sizes;
    }
}

/// Where the base of an entry begins when it is in the same pack.
fn base(pack: &Pack, offset: u64) -> Option<u64> {
    match pack.header(offset) {
        Ok(Header { stored: Stored::OnOffset(base), .. }) => Some(base),
        Ok(Header { stored: Stored::OnObject(id), .. }) => pack.find(id),
        _ => None,
    }
}

/// Where an entry's bytes must have ended: the next one begins there.
pub(super) fn until(pack: &Pack, entries: &[Entry], rank: u32) -> u64 {
    let next = entries.get(rank as usize + 1).map_or(u64::MAX, |entry| entry.offset);
    next.min(pack.end())
}

/// Ranks of the entries whose checksums are wrong.
fn changed(pack: &Pack, entries: &[Entry]) -> Vec<u32> {
    let is_changed = |rank: &u32| {
        let entry = entries[*rank as usize];
        entry.position().is_some_and(|position| pack.is_changed(position, entry.offset, until(pack, entries, *rank)))
    };
    (0..entries.len() as u32).into_par_iter().filter(is_changed).collect()
}

/// The rank of each entry's base, [`NONE`] or [`UNKNOWN`].
fn bases(pack: &Pack, entries: &[Entry]) -> Vec<u32> {
    let ranks = Ranks::of(entries);
    let rank = |offset| ranks.find(entries, offset).unwrap_or(UNKNOWN);
    entries.par_iter().map(|entry| base(pack, entry.offset).map_or(NONE, rank)).collect()
}

/// Finds entries by their offset with a look at a few of them.
struct Ranks {
    /// Entries whose offsets have all but so many last bits in common have one place in `starts`.
    shift: u32,
    starts: Vec<u32>,
}

impl Ranks {
    fn of(entries: &[Entry]) -> Self {
        // Behind the end of any pack, where the index is damaged.
        let known = &entries[..entries.partition_point(|entry| entry.offset < u64::MAX)];
        let end = known.last().map_or(0, |entry| entry.offset);
        let shift = (end / (known.len() as u64 + 1)).saturating_mul(4).max(1).ilog2();
        let mut starts = vec![0; (end >> shift) as usize + 2];
        known.iter().for_each(|entry| starts[(entry.offset >> shift) as usize + 1] += 1);
        let mut before = 0;
        for start in &mut starts {
            before += *start;
            *start = before;
        }
        Self { shift, starts }
    }

    fn find(&self, entries: &[Entry], offset: u64) -> Option<u32> {
        let group = usize::try_from(offset >> self.shift).ok()?;
        let (start, end) = (*self.starts.get(group)?, *self.starts.get(group + 1)?);
        let found = entries[start as usize..end as usize].binary_search_by_key(&offset, |entry| entry.offset);
        found.ok().map(|n| start + n as u32)
    }
}

/// Adds all that the entries are made of, as far as it is not among them and there is room for it in the pack.
fn add_bases(pack: &Pack, entries: &mut Vec<Entry>) {
    let mut known: HashSet<u64> = entries.iter().map(|entry| entry.offset).collect();
    for n in 0..entries.len() {
        let mut at = entries[n].offset;
        while let Some(base) = base(pack, at)
            && entries.len() < pack.most_entries()
            && known.insert(base)
        {
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
        let families = Families::new(vec![NONE, 0, 0, 0, 1, 4, 3], &[]);
        assert_eq!(families.roots, [0]);
        assert_eq!(families.children(0), [2, 3, 1]);
        assert!(families.apart.is_empty());
    }

    #[test]
    fn what_was_changed_is_walked_apart() {
        let families = Families::new(vec![NONE, 0, 1, 1, NONE], &[1, 4]);
        assert_eq!(families.roots, [0]);
        assert_eq!(families.apart, [(1, Apart::Changed), (4, Apart::Changed)]);
        assert_eq!((families.children(0), families.children(1)), (&[][..], &[2, 3][..]));
    }

    #[test]
    fn a_circle_of_bases_is_cut() {
        // 1 and 2 are made of each other, 3 of 2 and 4 of 3; 5 is made of itself.
        let families = Families::new(vec![NONE, 2, 1, 2, 3, 5], &[]);
        assert_eq!(
            (families.roots.as_slice(), families.apart.as_slice()),
            (&[0][..], &[(1, Apart::Circle), (5, Apart::Circle)][..])
        );
        assert_eq!((families.children(1), families.children(2)), (&[2][..], &[3][..]));
        assert_eq!((families.children(3), families.children(5)), (&[4][..], &[][..]));
    }

    #[test]
    fn chains_of_any_length_are_built_without_recursion() {
        let bases: Vec<u32> = std::iter::once(NONE).chain(0..200_000).collect();
        let families = Families::new(bases, &[]);
        assert_eq!(families.children(199_999), [200_000]);
        assert!(families.apart.is_empty());
    }
}
