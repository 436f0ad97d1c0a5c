//! Asks of a place what a match depends on beyond its bytes: whether its path and its commit are those that a rule is for, and none
//! that an allowlist allows. What is asked is the engine's business, where things stand the sources'.

use bstr::ByteSlice;

use crate::engine::foreign::{Place, Terms};
use crate::provenance::{Origin, Provenance};

/// Whether a match with such terms is one at that place. An object of a repository has no path and no commit as long as
/// nobody has worked out where it stands.
pub fn holds(terms: &Terms, at: &Provenance) -> bool {
    terms.are_none() || terms.hold(&place(at))
}

/// Whether more will be known of the place later.
pub fn is_unknown(at: &Provenance) -> bool {
    matches!(at.origin, Origin::Object { .. })
}

fn place(at: &Provenance) -> Place {
    let own = match &at.origin {
        Origin::File { path } | Origin::Staged { path, .. } | Origin::Commit { path, .. } => path,
        Origin::Stored { object, .. } => &object.key,
        Origin::Stdin | Origin::CommitMessage { .. } | Origin::TagMessage { .. } | Origin::Object { .. } => {
            return messages(at);
        }
    };
    let own = own.strip_prefix(b"./").unwrap_or(own);
    let mut path = own.to_vec();
    let mut members = Vec::new();
    if let Some(member) = &at.member {
        path.push(b'!');
        path.extend_from_slice(member);
        members.extend(member.split_str("!").map(<[u8]>::to_vec));
    }
    Place { path, members, directories: directories(at, own), commit: commit(at) }
}

/// What stands in no file.
fn messages(at: &Provenance) -> Place {
    Place { path: at.member.clone().unwrap_or_default().into(), commit: commit(at), ..Place::default() }
}

/// A tag is no commit, though it is told of as one.
fn commit(at: &Provenance) -> Option<String> {
    let is_tag = matches!(at.origin, Origin::TagMessage { .. });
    at.commit().filter(|_| !is_tag).map(|commit| commit.id.to_string())
}

/// The directories on the way to a file, the outermost first.
fn directories(at: &Provenance, path: &[u8]) -> Vec<Vec<u8>> {
    if !matches!(at.origin, Origin::File { .. }) {
        return Vec::new();
    }
    let ends = path.find_iter(b"/").filter(|&slash| slash > 0);
    ends.map(|slash| path[..slash].to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::blob::ObjectId;
    use crate::provenance::Commit;

    fn commit() -> Arc<Commit> {
        Arc::new(Commit {
            date: Default::default(),
            repository: "r".into(),
            id: ObjectId::from_bytes(&[0xAB; 20]).unwrap(),
            author: "a".into(),
            reachable: true,
        })
    }

    fn file(path: &str) -> Provenance {
        Provenance::new(Origin::File { path: path.into() })
    }

    #[test]
    fn a_file_has_a_path_and_directories_above_it() {
        let place = place(&file("./a/b/c.env"));
        assert_eq!(place.path, b"a/b/c.env");
        assert_eq!(place.directories, [b"a".to_vec(), b"a/b".to_vec()]);
        assert_eq!((place.members.len(), place.commit), (0, None));
    }

    #[test]
    fn a_member_is_known_by_its_own_name_and_by_all_of_it() {
        let place = place(&file("a.zip").member(b"b.tar").member(b"c/d"));
        assert_eq!(place.path, b"a.zip!b.tar!c/d");
        assert_eq!(place.members, [b"b.tar".to_vec(), b"c/d".to_vec()]);
    }

    #[test]
    fn a_committed_file_has_a_commit_and_no_directories_that_are_walked() {
        let origin = Origin::Commit { commit: commit(), path: "a/b".into(), in_head: None };
        let place = place(&Provenance::new(origin));
        assert_eq!((place.path.as_slice(), place.directories.len()), (&b"a/b"[..], 0));
        assert_eq!(place.commit, Some("ab".repeat(20)));
    }

    #[test]
    fn a_message_has_a_commit_and_no_path_and_a_tag_not_even_that() {
        let message = place(&Provenance::new(Origin::CommitMessage { commit: commit() }));
        assert!(message.path.is_empty() && message.commit.is_some());
        let tag = place(&Provenance::new(Origin::TagMessage { commit: commit(), name: "v1".into() }));
        assert!(tag.path.is_empty() && tag.commit.is_none());
    }

    #[test]
    fn of_an_object_more_will_be_known() {
        let origin = Origin::Object { repository: "r".into(), id: ObjectId::from_bytes(&[1; 20]).unwrap() };
        assert!(is_unknown(&Provenance::new(origin)) && !is_unknown(&file("a")));
        assert!(holds(&Terms::default(), &file("a")));
    }
}
