//! The four kinds of objects and the little of their content that history needs: trees, commits, tags.
//! <https://git-scm.com/book/en/v2/Git-Internals-Git-Objects>

use std::ops::Range;

use bstr::{BString, ByteSlice};

use crate::blob::ObjectId;
use crate::provenance::Timestamp;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

impl Kind {
    /// By the word in a loose object's header.
    pub(super) fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"commit" => Some(Self::Commit),
            b"tree" => Some(Self::Tree),
            b"blob" => Some(Self::Blob),
            b"tag" => Some(Self::Tag),
            _ => None,
        }
    }

    /// The word for it in a loose object's header.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }

    /// By the number in a pack entry's header.
    pub(super) fn from_pack(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Commit),
            2 => Some(Self::Tree),
            3 => Some(Self::Blob),
            4 => Some(Self::Tag),
            _ => None,
        }
    }
}

/// One entry of a tree.
pub(super) struct TreeEntry<'a> {
    /// Where it stands in the tree.
    pub(super) at: Range<usize>,
    pub(super) is_tree: bool,
    /// A submodule's commit: not an object of this repository.
    pub(super) is_link: bool,
    pub(super) name: &'a [u8],
    pub(super) raw_id: &'a [u8],
}

/// The entries of a tree up to the first malformed one.
pub(super) fn tree_entries(data: &[u8], hash_len: usize) -> impl Iterator<Item = TreeEntry<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let entry = tree_entry(data, at, hash_len)?;
        at = entry.at.end;
        Some(entry)
    })
}

/// The entry that begins at `start`; `None` when it is malformed.
pub(super) fn tree_entry(tree: &[u8], start: usize, hash_len: usize) -> Option<TreeEntry<'_>> {
    let data = &tree[start..];
    let space = data.find_byte(b' ')?;
    let (mode, rest) = (&data[..space], &data[space + 1..]);
    let nul = rest.find_byte(0)?;
    let (name, rest) = (&rest[..nul], &rest[nul + 1..]);
    let (raw_id, rest) = rest.split_at_checked(hash_len)?;
    Some(TreeEntry {
        at: start..tree.len() - rest.len(),
        is_tree: mode == b"40000" || mode == b"040000",
        is_link: mode == b"160000",
        name,
        raw_id,
    })
}

/// The links of a commit to other objects, and its place in time.
pub(super) struct CommitLinks {
    pub(super) tree: ObjectId,
    pub(super) parents: Vec<ObjectId>,
    /// Committer's clock, seconds since 1970.
    pub(super) time: i64,
}

/// Reads a commit's links; `None` when it has no tree.
pub(super) fn commit_links(data: &[u8]) -> Option<CommitLinks> {
    let headers = headers(data);
    let mut links = CommitLinks {
        tree: ObjectId::from_hex(value(headers, b"tree")?)?,
        parents: Vec::new(),
        time: value(headers, b"committer").map_or(0, |line| signature(line).1.seconds),
    };
    links.parents = headers.lines().filter_map(|line| ObjectId::from_hex(line.strip_prefix(b"parent ")?)).collect();
    Some(links)
}

/// The object that an annotated tag points at.
pub(super) fn tag_target(data: &[u8]) -> Option<ObjectId> {
    ObjectId::from_hex(value(headers(data), b"object")?)
}

/// The name inside an annotated tag.
pub(super) fn tag_name(data: &[u8]) -> BString {
    value(headers(data), b"tag").unwrap_or_default().into()
}

/// Who wrote a commit (or tagged) and when.
pub(super) fn author(data: &[u8]) -> (BString, Timestamp) {
    let headers = headers(data);
    let line = value(headers, b"author").or_else(|| value(headers, b"tagger")).unwrap_or_default();
    signature(line)
}

/// Where the message of a commit or tag begins.
pub(super) fn message_start(data: &[u8]) -> usize {
    data.find(b"\n\n").map_or(data.len(), |end| end + 2)
}

fn headers(data: &[u8]) -> &[u8] {
    &data[..message_start(data)]
}

fn value<'a>(headers: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(b" "))
}

/// Splits `Name <mail> 1700000000 +0100`.
fn signature(line: &[u8]) -> (BString, Timestamp) {
    let end = line.rfind_byte(b'>').map_or(line.len(), |mail_end| mail_end + 1);
    let (who, when) = line.split_at(end);
    let mut words = when.fields();
    let mut number = || words.next().and_then(|word| word.to_str().ok()?.parse::<i64>().ok());
    let seconds = number().unwrap_or(0);
    let offset = number().unwrap_or(0);
    let minutes = offset / 100 * 60 + offset % 100;
    let sane = minutes.abs() < 24 * 60;
    (who.into(), Timestamp { seconds, offset_minutes: if sane { minutes as i16 } else { 0 } })
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &[u8] = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\
        parent 1111111111111111111111111111111111111111\n\
        parent 2222222222222222222222222222222222222222\n\
        author A U Thor <a@example.com> 1700000000 -0330\n\
        committer C O Mitter <c@example.com> 1700000100 +0000\n\
        \n\
        parent 3333333333333333333333333333333333333333\n";

    #[test]
    fn a_commit_links_to_its_tree_and_parents() {
        let links = commit_links(COMMIT).unwrap();
        assert_eq!(links.tree.to_string(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
        assert_eq!(links.parents.len(), 2, "a line of the message is no parent");
        assert_eq!(links.time, 1_700_000_100);
    }

    #[test]
    fn author_and_message_are_found() {
        let (who, when) = author(COMMIT);
        assert_eq!(who, "A U Thor <a@example.com>");
        assert_eq!((when.seconds, when.offset_minutes), (1_700_000_000, -210));
        assert!(COMMIT[message_start(COMMIT)..].starts_with(b"parent 3333"));
    }

    #[test]
    fn nonsense_gives_defaults_and_no_panic() {
        assert!(commit_links(b"").is_none());
        assert!(commit_links(b"tree zz\n\n").is_none());
        assert_eq!(author(b"author <x> 99999999999999999999 +9999999\n\n").1, Timestamp::default());
        assert_eq!(tag_name(b""), "");
        assert_eq!(tree_entries(b"100644 a", 20).count(), 0);
    }

    #[test]
    fn a_tree_gives_its_entries_up_to_the_damage() {
        let mut tree = b"40000 dir\0".to_vec();
        tree.extend([1; 20]);
        tree.extend(b"160000 sub\0");
        tree.extend([2; 20]);
        tree.extend(b"100644 cut\0abc");
        let entries: Vec<_> = tree_entries(&tree, 20).collect();
        assert_eq!(entries.len(), 2);
        assert!(entries[0].is_tree && entries[0].name == b"dir" && entries[0].raw_id == [1; 20]);
        assert!(entries[1].is_link && !entries[1].is_tree);
    }
}
