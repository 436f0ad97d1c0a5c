//! Which trees hold which objects, kept as what each tree has new and which stretches it has of the tree that it is made of: a few
//! numbers for each, however large it is. Reading trees out of packs is the walk's business, commits are `graph`'s.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::object::{self, TreeEntry};
use crate::location::Copied;

/// Marks a tree that is not made of another one.
const NONE: u32 = u32::MAX;

/// What is remembered of a tree as long as others are made of it.
pub(super) struct Outline {
    /// See [`super::odb::Odb::number`].
    number: u32,
    /// Where its entries begin, in bytes, and where the last one ends.
    bounds: Vec<u32>,
}

/// Entries in a row that stand in two trees: bytes of the older one, of the newer one, and how many they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    from: u32,
    to: u32,
    len: u32,
}

/// A tree that is made of another one.
struct Derived {
    base: u32,
    number: u32,
    /// In [`Trees::runs`].
    runs: Range<u32>,
}

/// An entry that a tree does not have of another one.
struct New {
    child: u32,
    parent: u32,
    /// Bytes of the tree.
    at: Range<u32>,
    /// Into [`Trees::names`].
    name: u32,
}

/// A tree holds something under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link {
    /// Number of the tree that holds it.
    pub(super) parent: u32,
    /// Number of the tree or blob that is held.
    pub(super) child: u32,
    /// Into [`Trees::names`].
    pub(super) name: u32,
}

/// All trees that were added.
#[derive(Default)]
pub(super) struct Trees {
    derived: Vec<Derived>,
    runs: Vec<Run>,
    new: Vec<New>,
    pub(super) names: Vec<Vec<u8>>,
    name_numbers: HashMap<Vec<u8>, u32>,
}

/// What leads to the objects that are looked for.
pub(super) struct Leading {
    /// Links from tree to tree, sorted.
    pub(super) trees: Vec<Link>,
    /// Links from tree to what is looked for, sorted.
    pub(super) blobs: Vec<Link>,
    /// There are more than [`MOST_LINKS`]; not all are given.
    pub(super) is_cut: bool,
}

/// No more links than these are worked out: 200 MB of them.
const MOST_LINKS: usize = 16_000_000;

/// Reads a tree up to its first malformed entry. What it has of the one that it is made of is not looked at again; all other entries
/// go to `new`.
pub(super) fn read<'d>(
    number: u32,
    data: &'d [u8],
    made_of: Option<(&Outline, &[Copied])>,
    hash_len: usize,
    new: &mut dyn FnMut(TreeEntry<'d>),
) -> Reading {
    let mut reading = Reading { outline: Outline { number, bounds: Vec::new() }, base: NONE, runs: Vec::new() };
    let (mut at, mut copies): (usize, &[Copied]) = (0, &[]);
    if let Some((base, all)) = made_of {
        (reading.base, copies) = (base.number, all);
        reading.outline.bounds.reserve(base.bounds.len() + 8);
    }
    while at < data.len() {
        while copies.first().is_some_and(|copied| copied.to + copied.len <= at) {
            copies = &copies[1..];
        }
        let run = made_of.zip(copies.first()).and_then(|((base, _), copied)| base.run(copied, at));
        if let (Some((base, _)), Some((entries, run))) = (made_of, run) {
            let moved = |bound: &u32| bound.wrapping_sub(run.from).wrapping_add(run.to);
            reading.outline.bounds.extend(base.bounds[entries].iter().map(moved));
            reading.runs.push(run);
            at += run.len as usize;
            continue;
        }
        let Some(entry) = object::tree_entry(data, at, hash_len) else {
            break;
        };
        reading.outline.bounds.push(at as u32);
        at = entry.at.end;
        new(entry);
    }
    reading.outline.bounds.push(at as u32);
    reading
}

/// A tree that was read.
pub(super) struct Reading {
    pub(super) outline: Outline,
    base: u32,
    runs: Vec<Run>,
}

impl Outline {
    /// The entries of this tree that stand at `at` in the one that is made of it, as far as they lie wholly in the piece.
    fn run(&self, copied: &Copied, at: usize) -> Option<(Range<usize>, Run)> {
        let from = u32::try_from(at.checked_sub(copied.to)? + copied.from).ok()?;
        let until = u32::try_from(copied.from + copied.len).ok()?;
        let first = self.bounds.binary_search(&from).ok()?;
        let last = first + self.bounds[first..].partition_point(|bound| *bound <= until) - 1;
        let run = Run { from, to: at as u32, len: self.bounds[last] - from };
        (first < last).then_some((first..last, run))
    }
}

impl Trees {
    /// The number of a name.
    pub(super) fn name(&mut self, name: &[u8]) -> u32 {
        if let Some(number) = self.name_numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.names.push(name.to_vec());
        self.name_numbers.insert(name.to_vec(), number);
        number
    }

    /// Adds an entry that a tree does not have of another one.
    pub(super) fn add_new(&mut self, parent: u32, child: u32, at: &Range<usize>, name: &[u8]) {
        let name = self.name(name);
        self.new.push(New { child, parent, at: at.start as u32..at.end as u32, name });
    }

    /// Adds what a tree has of another one.
    pub(super) fn add_derived(&mut self, reading: &Reading) {
        if !reading.runs.is_empty() {
            let start = self.runs.len() as u32;
            self.runs.extend_from_slice(&reading.runs);
            let runs = start..self.runs.len() as u32;
            self.derived.push(Derived { base: reading.base, number: reading.outline.number, runs });
        }
    }

    /// Takes over what another thread has gathered.
    pub(super) fn absorb(&mut self, other: Self) {
        let names: Vec<u32> = other.names.iter().map(|name| self.name(name)).collect();
        self.new.extend(other.new.into_iter().map(|new| New { name: names[new.name as usize], ..new }));
        let before = self.runs.len() as u32;
        self.runs.extend(other.runs);
        self.derived.extend(other.derived.into_iter().map(|tree| {
            let runs = tree.runs.start + before..tree.runs.end + before;
            Derived { runs, ..tree }
        }));
    }

    /// Everything that leads to the `wanted` objects: an entry that is new in a tree stands in all those, too, that are made of it
    /// and have kept the entry.
    pub(super) fn leading_to(&mut self, wanted: impl Iterator<Item = u32>) -> Leading {
        self.derived.sort_unstable_by_key(|tree| (tree.base, tree.number));
        self.new.sort_unstable_by_key(|new| (new.child, new.parent, new.at.start));
        let mut leading = Leading { trees: Vec::new(), blobs: Vec::new(), is_cut: false };
        let mut above = HashSet::new();
        let mut waiting = Vec::new();
        for blob in wanted {
            self.links_to(blob, &mut leading.blobs);
            leading.is_cut |= leading.blobs.len() >= MOST_LINKS;
        }
        let mut add = |links: &[Link], waiting: &mut Vec<u32>| {
            waiting.extend(links.iter().map(|link| link.parent).filter(|parent| above.insert(*parent)));
        };
        add(&leading.blobs, &mut waiting);
        while let Some(tree) = waiting.pop() {
            let before = leading.trees.len();
            self.links_to(tree, &mut leading.trees);
            leading.is_cut |= leading.trees.len() >= MOST_LINKS;
            add(&leading.trees[before..], &mut waiting);
        }
        for links in [&mut leading.trees, &mut leading.blobs] {
            links.sort_unstable();
            links.dedup();
        }
        leading
    }

    /// Adds the links to one object, up to [`MOST_LINKS`] in all.
    fn links_to(&self, child: u32, links: &mut Vec<Link>) {
        let first = self.new.partition_point(|new| new.child < child);
        for new in self.new[first..].iter().take_while(|new| new.child == child) {
            let mut waiting = vec![(new.parent, new.at.clone())];
            while let Some((parent, at)) = waiting.pop() {
                if links.len() >= MOST_LINKS {
                    return;
                }
                links.push(Link { parent, child, name: new.name });
                for tree in self.derived_from(parent) {
                    let runs = &self.runs[tree.runs.start as usize..tree.runs.end as usize];
                    let kept = runs.iter().filter(|run| run.from <= at.start && at.end <= run.from + run.len);
                    waiting.extend(kept.map(|run| {
                        let start = at.start - run.from + run.to;
                        (tree.number, start..start + at.end - at.start)
                    }));
                }
            }
        }
    }

    fn derived_from(&self, base: u32) -> impl Iterator<Item = &Derived> {
        let first = self.derived.partition_point(|tree| tree.base < base);
        self.derived[first..].iter().take_while(move |tree| tree.base == base)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// A tree whose entries are named by letters; what an entry holds is one of a few objects.
    fn tree(entries: &[(u8, u8)]) -> Vec<u8> {
        let entry = |(name, child): &(u8, u8)| {
            let id = [*child; 20];
            [b"100644 ".as_slice(), &vec![b'a' + name; usize::from(*name) + 1], b"\0", &id].concat()
        };
        entries.iter().flat_map(entry).collect()
    }

    /// Git's way of making one text out of another, badly done: pieces of a few bytes are looked up in the old one.
    fn copies(old: &[u8], new: &[u8], piece: usize) -> Vec<Copied> {
        let mut copies: Vec<Copied> = Vec::new();
        let mut to = 0;
        while to + piece <= new.len() {
            let Some(from) = old.windows(piece).position(|window| window == &new[to..to + piece]) else {
                to += 1;
                continue;
            };
            let len = old[from..].iter().zip(&new[to..]).take_while(|(a, b)| a == b).count();
            copies.push(Copied { from, to, len });
            to += len;
        }
        copies
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// Each tree is made of an earlier one; whatever is new is told, and all links are as if each tree had been read whole.
        #[test]
        fn links_are_those_of_trees_that_are_read_whole(
            versions in prop::collection::vec(
                (prop::collection::vec((0..6_u8, 0..5_u8), 0..9), any::<prop::sample::Index>(), 1..40_usize), 1..12)
        ) {
            let (mut trees, mut read_trees) = (Trees::default(), Vec::<(Vec<u8>, Outline)>::new());
            let mut expected = BTreeSet::new();
            for (number, (entries, base, piece)) in versions.iter().enumerate() {
                let number = number as u32 + 100;
                let data = tree(entries);
                expected.extend(entries.iter().map(|(name, child)| (number, u32::from(*child), *name)));
                let base = (!read_trees.is_empty()).then(|| &read_trees[base.index(read_trees.len())]);
                let pieces = base.map(|(old, _)| copies(old, &data, *piece)).unwrap_or_default();
                let made_of = base.map(|(_, outline)| (outline, pieces.as_slice()));
                let mut add = |entry: TreeEntry<'_>| {
                    trees.add_new(number, u32::from(entry.raw_id[0]), &entry.at, entry.name);
                };
                let reading = read(number, &data, made_of, 20, &mut add);
                trees.add_derived(&reading);
                let bounds: Vec<u32> = object::tree_entries(&data, 20).map(|entry| entry.at.start as u32).collect();
                prop_assert_eq!(&reading.outline.bounds[..bounds.len()], bounds.as_slice());
                read_trees.push((data, reading.outline));
            }
            let leading = trees.leading_to(0..5);
            let found = leading.blobs.iter().map(|link| {
                (link.parent, link.child, (trees.names[link.name as usize].len() - 1) as u8)
            });
            prop_assert_eq!(found.collect::<BTreeSet<_>>(), expected);
        }
    }

    #[test]
    fn trees_above_are_followed_up_to_the_root() {
        let mut trees = Trees::default();
        for (parent, child) in [(1, 0), (2, 1), (3, 2), (3, 9), (8, 9)] {
            trees.add_new(parent, child, &(0..30), b"name");
        }
        let leading = trees.leading_to([0].into_iter());
        let pairs = |links: &[Link]| links.iter().map(|link| (link.parent, link.child)).collect::<Vec<_>>();
        assert_eq!((pairs(&leading.blobs), pairs(&leading.trees)), (vec![(1, 0)], vec![(2, 1), (3, 2)]));
    }

    #[test]
    fn what_threads_gathered_comes_together() {
        let (mut first, mut second) = (Trees::default(), Trees::default());
        first.add_new(1, 50, &(0..30), b"a");
        let data = tree(&[(0, 7), (1, 8)]);
        let base = read(2, &data, None, 20, &mut |_| {});
        second.add_new(2, 50, &(0..29), b"b");
        let copied = [Copied { from: 0, to: 0, len: data.len() }];
        second.add_derived(&read(3, &data, Some((&base.outline, &copied)), 20, &mut |_| panic!("nothing is new")));
        first.absorb(second);
        let leading = first.leading_to([50].into_iter());
        let found: Vec<_> = leading.blobs.iter().map(|l| (l.parent, first.names[l.name as usize].as_slice())).collect();
        assert_eq!(found, [(1, &b"a"[..]), (2, b"b"), (3, b"b")]);
    }
}
