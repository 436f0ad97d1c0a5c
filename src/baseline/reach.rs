//! From where a file's globs are seen: the paths of a scan begin at its target, those in a `.keysweepignore` where that lies. Of
//! several targets each has a file of its own, which says nothing of the others.

use bstr::{BString, ByteSlice};

use crate::provenance::{Origin, Provenance};

/// What a file holds for.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// The targets that it holds for.
    pub scopes: Vec<Scope>,
    /// It holds for everything else, too.
    pub everywhere: bool,
}

/// A target, and how paths below it are written.
#[derive(Clone, Debug)]
pub struct Scope {
    target: Vec<u8>,
    base: Vec<u8>,
}

/// A place as globs see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The path of the file; `None` for messages and for objects at no known place.
    pub path: Option<Vec<u8>>,
    /// The member of the archive that the file is.
    pub member: Option<Vec<u8>>,
}

impl Scope {
    /// `target` as it was named, and the way to it from where globs begin.
    pub fn new(target: &[u8], base: &[u8]) -> Self {
        Self { target: plain(target), base: plain(base) }
    }

    /// The path of what is seen below the target.
    fn path(&self, path: &[u8]) -> Option<Vec<u8>> {
        let below = below(&self.target, &plain(path))?;
        Some(joined(&self.base, &below))
    }
}

impl Reach {
    /// For everything, with paths as the scan tells them.
    pub fn everything() -> Self {
        Self { scopes: Vec::new(), everywhere: true }
    }

    /// How globs see a place; `None` for one that is none of theirs.
    pub fn of(&self, at: &Provenance) -> Option<Spot> {
        let member = at.member.as_ref().map(|member| member.to_vec());
        let path = match &at.origin {
            Origin::File { path } => self.scopes.iter().find_map(|scope| scope.path(path)).map(Some),
            Origin::Stdin => None,
            Origin::Commit { commit, path, .. } => self.committed(commit.repository.as_bytes(), Some(path)),
            Origin::Staged { repository, path } => self.committed(repository.as_bytes(), Some(path)),
            Origin::CommitMessage { commit } | Origin::TagMessage { commit, .. } => {
                self.committed(commit.repository.as_bytes(), None)
            }
            Origin::Object { repository, .. } => self.committed(repository.as_bytes(), None),
            // A bucket has no list of its own: only what was named reaches here.
            Origin::Stored { .. } => None,
        };
        let elsewhere = || self.everywhere.then(|| own_path(&at.origin).map(|path| plain(path)));
        path.or_else(elsewhere).map(|path| Spot { path, member })
    }

    /// What a repository keeps: its paths begin at its own root, which stands below the target.
    fn committed(&self, repository: &[u8], path: Option<&BString>) -> Option<Option<Vec<u8>>> {
        let root = self.scopes.iter().find_map(|scope| scope.path(repository))?;
        Some(path.map(|path| joined(&root, &plain(path))))
    }
}

fn own_path(origin: &Origin) -> Option<&BString> {
    match origin {
        Origin::File { path } | Origin::Commit { path, .. } | Origin::Staged { path, .. } => Some(path),
        Origin::Stored { object, .. } => Some(&object.key),
        _ => None,
    }
}

/// A path without what leads nowhere: `./a//b/` is `a/b`, and `.` is nothing. Where `..` leads only the file system knows.
pub(super) fn plain(path: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = path.split_str("/").filter(|part| !part.is_empty() && *part != b".").collect();
    let start: &[u8] = if path.starts_with(b"/") { b"/" } else { b"" };
    [start, &parts.join(&b"/"[..])].concat()
}

/// What of a path stands below another; both are plain.
fn below(above: &[u8], path: &[u8]) -> Option<Vec<u8>> {
    let rest = path.strip_prefix(above)?;
    let rest = match (above, rest) {
        // Only the root of all ends with a slash.
        (b"" | b"/", rest) | (_, rest @ []) | (_, [b'/', rest @ ..]) => rest,
        _ => return None,
    };
    // `one/../two` is not below `one`, and through a link even `one/a/../b` need not be.
    let leaves = rest.starts_with(b"/") || rest.split_str("/").any(|part| part == b"..");
    (!leaves).then(|| rest.to_vec())
}

fn joined(above: &[u8], below: &[u8]) -> Vec<u8> {
    match (above, below) {
        ([], path) | (path, []) => path.to_vec(),
        (above, below) => [above, b"/", below].concat(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::blob::ObjectId;
    use crate::provenance::Commit;

    fn seen(target: &str, base: &str, origin: Origin) -> Option<Option<String>> {
        let scopes = vec![Scope::new(target.as_bytes(), base.as_bytes())];
        let reach = Reach { scopes, everywhere: false };
        let spot = reach.of(&Provenance::new(origin))?;
        Some(spot.path.map(|path| String::from_utf8(path).unwrap()))
    }

    fn file(path: &str) -> Origin {
        Origin::File { path: path.into() }
    }

    fn commit(repository: &str) -> Arc<Commit> {
        Arc::new(Commit {
            date: Default::default(),
            repository: repository.into(),
            id: ObjectId::from_bytes(&[1; 20]).unwrap(),
            author: "a".into(),
            reachable: true,
        })
    }

    #[test]
    fn paths_are_seen_from_where_the_file_lies() {
        let path = |target, base, path| seen(target, base, file(path)).map(Option::unwrap);
        for (target, base, given, expected) in [
            (".", "", "a/b", Some("a/b")),
            ("./", "", "./a", Some("a")),
            ("x/y", "", "x/y/a", Some("a")),
            ("x/y/", "y", "x/y/a", Some("y/a")),
            ("x/a.env", "d/a.env", "x/a.env", Some("d/a.env")),
            ("/", "", "/a", Some("a")),
            ("one", "", "one/../two/a", None),
            ("one/../two", "", "one/../two/a", Some("a")),
            ("two", "", "one/../two/a", None),
            ("one", "", "one/a/../b", None),
            ("../x", "", "../x/a", Some("a")),
            ("..", "", "../../a", None),
            ("/..", "", "/../a", Some("a")),
            ("x", "", "xy/a", None),
            (".", "", "../a", None),
            (".", "", "a/../../b", None),
            (".", "", "/a", None),
        ] {
            assert_eq!(path(target, base, given).as_deref(), expected, "{target} {base} {given}");
        }
    }

    #[test]
    fn what_a_repository_keeps_is_seen_from_its_root() {
        let committed = |target, base, repository| {
            seen(target, base, Origin::Commit { commit: commit(repository), path: "a/b".into(), in_head: None })
        };
        let path = |path: &str| Some(Some(path.to_owned()));
        assert_eq!(committed(".", "", "."), path("a/b"));
        assert_eq!(committed("r", "", "./r"), path("a/b"));
        assert_eq!(committed(".", "", "vendor/x"), path("vendor/x/a/b"));
        assert_eq!(committed("r", "", "s"), None);
        let message = |repository| seen(".", "", Origin::CommitMessage { commit: commit(repository) });
        assert_eq!((message("."), message("/elsewhere")), (Some(None), None));
        let staged = Origin::Staged { repository: "r".into(), path: "a".into() };
        assert_eq!(seen("r", "", staged), path("a"));
    }

    #[test]
    fn what_holds_everywhere_sees_other_paths_as_they_are() {
        let reach = Reach::everything();
        let spot = reach.of(&Provenance::new(file("./a")).member(b"b")).unwrap();
        assert_eq!(spot, Spot { path: Some(b"a".to_vec()), member: Some(b"b".to_vec()) });
        assert_eq!(reach.of(&Provenance::new(Origin::Stdin)).unwrap().path, None);
        assert_eq!(seen(".", "", Origin::Stdin), None);
    }
}
