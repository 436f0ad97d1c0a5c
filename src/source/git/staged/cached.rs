//! The trees that parts of the index would be written as, as far as git knows them: the extension `TREE`. Where one of them is that of
//! HEAD, nothing below it is staged.

use std::collections::HashMap;
use std::ops::Range;

use bstr::ByteSlice;

use super::file::IndexError;
use crate::blob::ObjectId;

/// A directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Its own name, in the extension.
    name: Range<usize>,
    /// How many entries of the index are below it, and the tree that they make; `None` if something below it has changed since.
    pub(super) valid: Option<(usize, ObjectId)>,
    /// The number of the node after all that are below it.
    end: usize,
}

/// All directories, each before those in it.
#[derive(Debug, Default)]
pub(super) struct Cached<'a> {
    data: &'a [u8],
    nodes: Vec<Node>,
}

/// Deeper ones are not looked at: no path is so long.
const DEEPEST: usize = 4096;

impl<'a> Cached<'a> {
    /// Only the outermost directory.
    pub(super) fn root(data: &[u8], hash_len: usize) -> Option<(usize, ObjectId)> {
        let (node, _, _) = node(data, 0, hash_len)?;
        node.valid
    }

    /// Reads all.
    ///
    /// # Errors
    /// When it is damaged.
    pub(super) fn read(data: &'a [u8], hash_len: usize) -> Result<Self, IndexError> {
        let damaged = || IndexError::Damaged("its cache of trees makes no sense");
        let (mut nodes, mut at) = (Vec::new(), 0);
        // Of each open directory its number and how many in it are still to come.
        let mut open: Vec<(usize, usize)> = Vec::new();
        loop {
            let (node, children, after) = node(data, at, hash_len).ok_or_else(damaged)?;
            at = after;
            open.push((nodes.len(), children));
            nodes.push(node);
            if open.len() > DEEPEST {
                return Err(damaged());
            }
            while let Some((number, 0)) = open.last().copied() {
                nodes[number].end = nodes.len();
                open.pop();
            }
            match open.last_mut() {
                Some((_, left)) => *left -= 1,
                None => return Ok(Self { data, nodes }),
            }
        }
    }

    /// The node of that number.
    pub(super) fn get(&self, number: usize) -> Option<&Node> {
        self.nodes.get(number)
    }

    /// The numbers of the directories in another, by their names.
    pub(super) fn children(&self, parent: usize) -> HashMap<&'a [u8], usize> {
        let (mut children, mut next) = (HashMap::new(), parent + 1);
        let end = self.nodes.get(parent).map_or(0, |node| node.end);
        while next < end {
            let node = &self.nodes[next];
            children.insert(&self.data[node.name.clone()], next);
            next = node.end;
        }
        children
    }
}

/// The node at a place, how many directories are in it, and where it ends.
fn node(data: &[u8], start: usize, hash_len: usize) -> Option<(Node, usize, usize)> {
    let mut at = start;
    let mut until = |end: u8| {
        let len = data.get(at..)?.find_byte(end)?;
        let field = at..at + len;
        at += len + 1;
        Some(field)
    };
    let (name, count, children) = (until(0)?, until(b' ')?, until(b'\n')?);
    let number = |field: Range<usize>| data[field].to_str().ok()?.parse::<i64>().ok();
    let children = usize::try_from(number(children)?).ok()?;
    let valid = match number(count)? {
        ..0 => None,
        count => {
            let id = ObjectId::from_bytes(data.get(at..at.checked_add(hash_len)?)?)?;
            at += hash_len;
            Some((usize::try_from(count).ok()?, id))
        }
    };
    Some((Node { name, valid, end: 0 }, children, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, count: i64, children: usize) -> Vec<u8> {
        let mut out = format!("{name}\0{count} {children}\n").into_bytes();
        if count >= 0 {
            out.extend([count as u8; 20]);
        }
        out
    }

    #[test]
    fn directories_are_found_by_name_in_the_one_they_are_in() {
        let data =
            [written("", -1, 2), written("a", 3, 1), written("b", 2, 0), written("c", -1, 1), written("b", 7, 0)]
                .concat();
        let cached = Cached::read(&data, 20).unwrap();
        let child = |parent, name: &str| cached.children(parent).get(name.as_bytes()).copied();
        let (a, c) = (child(0, "a").unwrap(), child(0, "c").unwrap());
        let count = |number: usize| cached.get(number).unwrap().valid.map(|(count, _)| count);
        assert_eq!((count(0), count(a), count(c)), (None, Some(3), None));
        assert_eq!(child(a, "b").map(count), Some(Some(2)));
        assert_eq!(child(c, "b").map(count), Some(Some(7)));
        assert_eq!((child(0, "b"), child(a, "c")), (None, None));
        assert_eq!(Cached::root(&data, 20), None);
        assert_eq!(Cached::root(&data[data.len() - 20 - 6..], 20).unwrap().0, 7);
    }

    #[test]
    fn what_is_cut_off_or_counts_wrongly_is_refused_and_no_panic() {
        let data = [written("", 1, 1), written("a", 1, 0)].concat();
        for len in 0..data.len() {
            assert!(Cached::read(&data[..len], 20).is_err(), "{len}");
        }
        for bad in [&b"\0x 0\n"[..], b"\0-1 -1\n", b"\0-1 99999999999999999999\n", b"", b"\0"] {
            assert!(Cached::read(bad, 20).is_err(), "{bad:?}");
        }
        let deep: Vec<u8> = (0..DEEPEST + 2).flat_map(|_| written("d", -1, 1)).collect();
        assert!(Cached::read(&deep, 20).is_err());
    }
}
