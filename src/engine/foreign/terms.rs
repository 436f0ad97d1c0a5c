//! What a match still depends on when its bytes have been looked at: paths and commits, which the engine does not know. It says
//! what would have to be asked of a place; who knows the place asks.

use std::sync::Arc;

use regex::bytes::Regex;

/// Conditions on the place of a match. None of them by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The file must have a path that is all of these.
    pub(in crate::engine) paths: Vec<Path>,
    /// None of these allowlists may allow the place.
    pub(super) unless: Vec<Arc<Where>>,
    /// The terms of better matches of the same bytes: none of them may hold.
    pub(super) unless_found: Vec<Terms>,
    /// The terms of what must stand nearby: of each list one must hold.
    pub(super) with: Vec<Vec<Terms>>,
}

/// Where a match stands, as rules ask for it.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The path with those of archives before it, `a.zip!b/c`; empty if there is none.
    pub path: Vec<u8>,
    /// The paths of the members alone.
    pub members: Vec<Vec<u8>>,
    /// The directories above a file in a working tree, without a slash at the end.
    pub directories: Vec<Vec<u8>>,
    /// The commit that brought it, as lower-case hexadecimal digits.
    pub commit: Option<String>,
}

/// The part of an allowlist that asks for the place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Where {
    /// Full ids in lower case.
    pub(in crate::engine) commits: Vec<String>,
    pub(in crate::engine) paths: Option<Path>,
    /// Both must fit; otherwise one is enough.
    pub(in crate::engine) both: bool,
    /// It is for all rules of a file, and what it allows is not entered at all.
    pub(in crate::engine) global: bool,
}

/// A regex for paths; equal when spelled alike.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Path(pub(in crate::engine) Regex);

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Path {}

impl Terms {
    /// Whether nothing is asked.
    pub fn are_none(&self) -> bool {
        self.paths.is_empty() && self.unless.is_empty() && self.unless_found.is_empty() && self.with.is_empty()
    }

    /// The same for a file of such paths only.
    pub(in crate::engine) fn at(mut self, paths: impl IntoIterator<Item = Path>) -> Self {
        self.paths.extend(paths);
        self
    }

    /// Whether a match that depends on this is one at that place.
    pub fn hold(&self, place: &Place) -> bool {
        self.paths.iter().all(|path| path.0.is_match(&place.path))
            && !self.unless.iter().any(|list| list.allows(place))
            && !self.unless_found.iter().any(|terms| terms.hold(place))
            && self.with.iter().all(|any| any.iter().any(|terms| terms.hold(place)))
    }
}

impl Where {
    /// Whether it asks for nothing.
    pub(super) fn is_anywhere(&self) -> bool {
        self.commits.is_empty() && self.paths.is_none()
    }

    fn allows(&self, place: &Place) -> bool {
        let commit = place.commit.as_ref().is_some_and(|id| self.commits.contains(id));
        let path = self.paths.as_ref().is_some_and(|paths| self.fits(&paths.0, place));
        if self.both { (commit || self.commits.is_empty()) && (path || self.paths.is_none()) } else { commit || path }
    }

    fn fits(&self, paths: &Regex, place: &Place) -> bool {
        let fits = |path: &Vec<u8>| !path.is_empty() && paths.is_match(path);
        fits(&place.path) || self.global && (place.members.iter().any(fits) || place.directories.iter().any(fits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(regex: &str) -> Option<Path> {
        Some(Path(Regex::new(regex).unwrap()))
    }

    fn at(path: &str, commit: Option<&str>) -> Place {
        Place { path: path.into(), commit: commit.map(str::to_owned), ..Place::default() }
    }

    fn unless(list: Where) -> Terms {
        Terms { unless: vec![Arc::new(list)], ..Terms::default() }
    }

    #[test]
    fn nothing_asked_holds_everywhere() {
        assert!(Terms::default().are_none() && Terms::default().hold(&Place::default()));
        assert!(!unless(Where::default()).are_none());
    }

    #[test]
    fn a_path_must_fit() {
        let terms = Terms { paths: path(r"\.tf$").into_iter().collect(), ..Terms::default() };
        assert!(terms.hold(&at("a/b.tf", None)));
        assert!(!terms.hold(&at("a/b.tfx", None)));
        assert!(!terms.hold(&Place::default()));
    }

    #[test]
    fn a_commit_or_a_path_is_allowed_or_only_both() {
        let list = |both| Where { commits: vec!["ab".into()], paths: path("^t/"), both, ..Where::default() };
        for (place, either, both) in [
            (at("t/x", None), false, true),
            (at("x", Some("ab")), false, true),
            (at("t/x", Some("ab")), false, false),
            (at("x", Some("cd")), true, true),
        ] {
            assert_eq!(unless(list(false)).hold(&place), either, "{place:?}");
            assert_eq!(unless(list(true)).hold(&place), both, "{place:?}");
        }
    }

    #[test]
    fn only_lists_for_all_rules_look_at_directories_and_members() {
        let place = Place {
            path: b"node_modules/a.zip!.env".to_vec(),
            members: vec![b".env".to_vec()],
            directories: vec![b"node_modules".to_vec()],
            commit: None,
        };
        for regex in ["node_modules$", "^.env"] {
            let list = |global| Where { paths: path(regex), global, ..Where::default() };
            assert!(!unless(list(true)).hold(&place));
            assert!(unless(list(false)).hold(&place));
        }
    }

    #[test]
    fn what_beats_it_must_not_hold_and_what_it_needs_must() {
        let in_a = Terms { paths: path("^a").into_iter().collect(), ..Terms::default() };
        let beaten = Terms { unless_found: vec![in_a.clone()], ..Terms::default() };
        assert!(beaten.hold(&at("b", None)) && !beaten.hold(&at("a", None)));
        let in_b = Terms { paths: path("^b").into_iter().collect(), ..Terms::default() };
        let needing = Terms { with: vec![vec![in_a, in_b]], ..Terms::default() };
        assert!(needing.hold(&at("b", None)) && needing.hold(&at("a", None)) && !needing.hold(&at("c", None)));
    }
}
