//! An id in one file and its secret in the next: a directory with `access_key` and `secret_key`, as Kubernetes mounts secrets.
//! Says which belong together; `group` makes one finding of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};

use crate::blob::ObjectId;
use crate::engine::label_stem;
use crate::key::{AccessKeyId, Secret};
use crate::provenance::{Origin, Provenance, StoredPart};

/// The directory of a file, at one state of history and within one archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Directory {
    root: Root,
    /// Path of the archive, outer archives first.
    archive: Option<BString>,
    path: BString,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Root {
    Files,
    Stdin,
    Commit(Arc<str>, ObjectId),
    Index(Arc<str>),
    Object(Arc<str>, ObjectId),
    Bucket(Arc<str>),
}

/// What stands in one directory: credentials with the names of their files.
#[derive(Debug)]
struct Members<'a> {
    ids: BTreeSet<(AccessKeyId, &'a BStr)>,
    secrets: BTreeSet<(&'a Secret, &'a BStr)>,
}

/// The ids that secrets belong to, given where ids are that have no secret anywhere and secrets that have no id.
///
/// In a directory that holds one of each, they belong together, and otherwise those in files whose names differ only in words such as
/// `id` and `secret`. A secret that comes to several ids in that way stays alone. The order of the arguments does not matter.
pub(super) fn partners<'a>(
    ids: impl Iterator<Item = (AccessKeyId, &'a Provenance)>,
    secrets: impl Iterator<Item = (&'a Secret, &'a Provenance)>,
) -> BTreeMap<Secret, AccessKeyId> {
    let mut directories: BTreeMap<Directory, Members<'a>> = BTreeMap::new();
    for (id, place) in ids {
        if let Some((directory, name)) = directory(place) {
            let empty = || Members { ids: BTreeSet::new(), secrets: BTreeSet::new() };
            directories.entry(directory).or_insert_with(empty).ids.insert((id, name));
        }
    }
    for (secret, place) in secrets {
        if let Some((directory, name)) = directory(place)
            && let Some(members) = directories.get_mut(&directory)
        {
            members.secrets.insert((secret, name));
        }
    }
    let mut candidates: BTreeMap<&Secret, BTreeSet<AccessKeyId>> = BTreeMap::new();
    for (secret, id) in directories.values().flat_map(Members::pairs) {
        candidates.entry(secret).or_default().insert(id);
    }
    let only = |ids: BTreeSet<AccessKeyId>| ids.first().copied().filter(|_| ids.len() == 1);
    candidates.into_iter().filter_map(|(secret, ids)| Some((secret.clone(), only(ids)?))).collect()
}

impl<'a> Members<'a> {
    fn pairs(&self) -> Vec<(&'a Secret, AccessKeyId)> {
        let everything = self.only_pair(|_| true);
        if everything.is_some() {
            return everything.into_iter().collect();
        }
        let stems: BTreeSet<Vec<u8>> = self.ids.iter().map(|(_, name)| label_stem(name)).collect();
        stems.into_iter().filter_map(|stem| self.only_pair(|name| label_stem(name) == stem)).collect()
    }

    /// The pair in the files of such names, when they hold one id and one secret and no file both: that is for the engine to judge.
    fn only_pair(&self, is_meant: impl Fn(&BStr) -> bool) -> Option<(&'a Secret, AccessKeyId)> {
        let mut ids = self.ids.iter().filter(|(_, name)| is_meant(name));
        let mut secrets = self.secrets.iter().filter(|(_, name)| is_meant(name));
        let (&(id, id_name), &(secret, _)) = (ids.next()?, secrets.next()?);
        let is_one = ids.all(|(other, _)| *other == id) && secrets.all(|(other, _)| *other == secret);
        let shares_a_file = self.secrets.contains(&(secret, id_name));
        (is_one && !shares_a_file).then_some((secret, id))
    }
}

/// The directory of a place and the name within it; `None` for what is no file.
fn directory(place: &Provenance) -> Option<(Directory, &BStr)> {
    let (root, path) = match &place.origin {
        Origin::File { path } => (Root::Files, Some(path)),
        Origin::Stdin => (Root::Stdin, None),
        Origin::Commit { commit, path, .. } => (Root::Commit(commit.repository.clone(), commit.id), Some(path)),
        Origin::Staged { repository, path } => (Root::Index(repository.clone()), Some(path)),
        Origin::Object { repository, id } => (Root::Object(repository.clone(), *id), None),
        Origin::Stored { object, part: StoredPart::Body } => (Root::Bucket(object.bucket.clone()), Some(&object.key)),
        Origin::Stored { .. } => return None,
        Origin::CommitMessage { .. } | Origin::TagMessage { .. } => return None,
    };
    let Some(member) = &place.member else {
        let (path, name) = split(path?.as_bstr(), b'/');
        return Some((Directory { root, archive: None, path: path.into() }, name));
    };
    let (outer, inner) = split(member.as_bstr(), b'!');
    let (inner, name) = split(inner, b'/');
    let archive = [path.map_or(&b""[..], |path| path), b"!", outer].concat();
    Some((Directory { root, archive: Some(archive.into()), path: inner.into() }, name))
}

/// Before and after the last separator; all of it is after when there is none.
fn split(path: &BStr, separator: u8) -> (&BStr, &BStr) {
    match path.rfind_byte(separator) {
        Some(at) => (path[..at].as_bstr(), path[at + 1..].as_bstr()),
        None => (b"".as_bstr(), path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provenance::Commit;

    fn id(letter: char) -> AccessKeyId {
        AccessKeyId::parse(format!("{}{letter}", ["AKIA", "IOSFODNN7EXAMPL"].concat()).as_bytes()).unwrap()
    }

    fn file(path: &str) -> Provenance {
        Provenance::new(Origin::File { path: path.into() })
    }

    fn committed(repository: &str, commit: u8, path: &str) -> Provenance {
        let commit = Commit {
            date: Default::default(),
            repository: repository.into(),
            id: ObjectId::from_bytes(&[commit; 20]).unwrap(),
            author: "A <a@b>".into(),
            reachable: true,
        };
        Provenance::new(Origin::Commit { commit: Arc::new(commit), path: path.into(), in_head: None })
    }

    /// Pairs like `Aa`, of ids (capitals) and secrets (small letters) and where they are.
    fn pairs(places: &[(char, Provenance)]) -> String {
        let secrets: Vec<(Secret, &Provenance)> = places
            .iter()
            .filter(|(name, _)| name.is_ascii_lowercase())
            .map(|(name, place)| (Secret::new(name.to_string()), place))
            .collect();
        let ids = places.iter().filter(|(name, _)| name.is_ascii_uppercase()).map(|(name, place)| (id(*name), place));
        let partners = partners(ids, secrets.iter().map(|(secret, place)| (secret, *place)));
        let described =
            partners.iter().map(|(secret, id)| format!("{}{}", &id.as_str()[19..], secret.expose().as_bstr()));
        described.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn one_id_and_one_secret_of_a_directory_belong_together() {
        assert_eq!(pairs(&[('A', file("d/access_key")), ('a', file("d/secret_key"))]), "Aa");
        assert_eq!(pairs(&[('A', file("x.txt")), ('a', file("y.py"))]), "Aa");
        assert_eq!(pairs(&[('A', file("d/id")), ('A', file("d/copy")), ('a', file("d/secret"))]), "Aa");
    }

    #[test]
    fn other_directories_are_far_away() {
        assert_eq!(pairs(&[('A', file("d/id")), ('a', file("e/secret"))]), "");
        assert_eq!(pairs(&[('A', file("d/id")), ('a', file("d/e/secret"))]), "");
        assert_eq!(pairs(&[('A', file("id")), ('a', file("d/secret"))]), "");
    }

    #[test]
    fn of_several_the_names_of_files_decide() {
        let several = |names: [&str; 4]| {
            let values = ['A', 'B', 'a', 'b'];
            pairs(&values.into_iter().zip(names.map(file)).collect::<Vec<_>>())
        };
        assert_eq!(several(["d/prod_id", "d/dev_id", "d/prod_secret", "d/dev_secret"]), "Aa Bb");
        assert_eq!(several(["d/prod.id", "d/DEV-access-key", "d/prod.secret", "d/dev-secret-key"]), "Aa Bb");
        assert_eq!(several(["d/id1.txt", "d/id2.txt", "d/secret3.txt", "d/secret2.txt"]), "Bb");
        assert_eq!(several(["d/w", "d/x", "d/y", "d/z"]), "");
        assert_eq!(pairs(&[('A', file("id")), ('B', file("key")), ('a', file("secret"))]), "");
    }

    #[test]
    fn what_shares_a_file_was_judged_before() {
        assert_eq!(pairs(&[('A', file("d/f")), ('a', file("d/f"))]), "");
        assert_eq!(pairs(&[('A', file("d/f")), ('a', file("d/f")), ('a', file("d/g"))]), "");
    }

    #[test]
    fn a_secret_that_comes_to_two_ids_stays_alone() {
        let places = [('A', file("d/id")), ('a', file("d/secret")), ('B', file("e/id")), ('a', file("e/secret"))];
        assert_eq!(pairs(&places), "");
    }

    #[test]
    fn history_is_looked_at_commit_by_commit() {
        let (one, other) = (committed("r", 1, "d/id"), committed("r", 2, "d/secret"));
        assert_eq!(pairs(&[('A', one.clone()), ('a', committed("r", 1, "d/secret"))]), "Aa");
        assert_eq!(pairs(&[('A', one.clone()), ('a', other)]), "");
        assert_eq!(pairs(&[('A', one.clone()), ('a', committed("s", 1, "d/secret"))]), "");
        assert_eq!(pairs(&[('A', one), ('a', file("d/secret"))]), "");
    }

    #[test]
    fn members_of_one_archive_are_neighbours() {
        let member = |archive: &str, member: &str| file(archive).member(member.as_bytes());
        assert_eq!(pairs(&[('A', member("x.zip", "d/id")), ('a', member("x.zip", "d/secret"))]), "Aa");
        assert_eq!(pairs(&[('A', member("x.zip", "id")), ('a', member("y.zip", "secret"))]), "");
        assert_eq!(pairs(&[('A', member("x.zip", "in.tar!id")), ('a', member("x.zip", "in.tar!secret"))]), "Aa");
        assert_eq!(pairs(&[('A', member("x.zip", "in.tar!id")), ('a', member("x.zip", "secret"))]), "");
        let stdin = Provenance::new(Origin::Stdin);
        assert_eq!(pairs(&[('A', stdin.member(b"id")), ('a', stdin.member(b"secret"))]), "Aa");
        assert_eq!(pairs(&[('A', stdin.clone()), ('a', stdin)]), "");
    }
}
