//! What a push brings: git tells its hooks by lines which names it moves, from which object to which.
//! <https://git-scm.com/docs/githooks#_pre_push>, <https://git-scm.com/docs/githooks#pre-receive>

use std::collections::BTreeMap;

use bstr::{BString, ByteSlice};

use crate::blob::ObjectId;

/// Names that are moved by a push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Push {
    /// What they are to stand for.
    pub tips: Vec<ObjectId>,
    /// What they stood for where it is pushed to, and that is there already. It need not be here.
    pub known: Vec<ObjectId>,
    /// What else is there already.
    pub there: There,
    /// Names there of which the lines say what they stand for; nothing if they are new.
    names: Vec<(BString, Option<ObjectId>)>,
}

/// What the receiving side has, as far as this repository knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum There {
    /// This repository is the receiving side: all that its names lead to.
    #[default]
    Here,
    /// What was fetched from the remote of this name, if what the lines say agrees with it.
    Remote(BString),
    /// Nothing is known of it but what it says itself.
    Elsewhere,
}

/// A line that is not as git writes it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of what git tells the hook is `{text}`, which is no {form}")]
pub struct NotAPush {
    line: usize,
    text: String,
    form: &'static str,
}

impl Push {
    /// What pre-push reads: `<local ref> <local id> <remote ref> <remote id>`. `fetched_from` is the remote of which what was fetched is
    /// there; `None` where that is not known.
    ///
    /// # Errors
    /// The first line that is something else.
    pub fn to(fetched_from: Option<&[u8]>, lines: &[u8]) -> Result<Self, NotAPush> {
        let there = fetched_from.map_or(There::Elsewhere, |remote| There::Remote(remote.into()));
        Self::read(lines, "`<local ref> <local id> <remote ref> <remote id>`", [1, 3], 4, there)
    }

    /// What pre-receive reads: `<old id> <new id> <ref>`.
    ///
    /// # Errors
    /// The first line that is something else.
    pub fn here(lines: &[u8]) -> Result<Self, NotAPush> {
        Self::read(lines, "`<old id> <new id> <ref>`", [1, 0], 3, There::Here)
    }

    fn read(
        text: &[u8],
        form: &'static str,
        [new, old]: [usize; 2],
        count: usize,
        there: There,
    ) -> Result<Self, NotAPush> {
        let mut push = Self { there, ..Self::default() };
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty()) {
            // A local name may be anything that `git push` takes, `HEAD~1` or `:/fix the bug`.
            let fields: Vec<&[u8]> = match count {
                4 => line.rsplitn_str(4, " ").collect::<Vec<_>>().into_iter().rev().collect(),
                _ => line.splitn_str(count, " ").collect(),
            };
            let id = |at: usize| fields.get(at).and_then(|field| ObjectId::from_hex(field));
            let (Some(new), Some(old), true) = (id(new), id(old), fields.len() == count) else {
                return Err(NotAPush { line: number, text: line.to_str_lossy().into_owned(), form });
            };
            let is_something = |id: &ObjectId| id.as_bytes().iter().any(|byte| *byte != 0);
            // A name that is deleted brings nothing, and what it stood for is there still.
            push.tips.extend(Some(new).filter(is_something));
            push.known.extend(Some(old).filter(is_something));
            let name = fields[count - 2].to_vec();
            push.names.push((name.into(), Some(old).filter(is_something)));
        }
        Ok(push)
    }

    /// Whether what is told of the remote's branches is another repository's, or of another time: one is said to stand for something
    /// and does not exist, or stands for something that `is_here` and that is not what was fetched last. What others have pushed
    /// since then is not here.
    pub(super) fn belied(&self, refs: &BTreeMap<BString, ObjectId>, is_here: impl Fn(ObjectId) -> bool) -> bool {
        let There::Remote(remote) = &self.there else {
            return false;
        };
        self.names.iter().any(|(name, there)| {
            let branch = name.strip_prefix(b"refs/heads/");
            let tracking = branch.map(|branch| BString::from([b"refs/remotes/", &remote[..], b"/", branch].concat()));
            let told = tracking.and_then(|tracking| refs.get(&tracking));
            told.is_some_and(|told| there.is_none_or(|there| there != *told && is_here(there)))
        })
    }

    /// Whether nothing can come with it.
    pub fn is_empty(&self) -> bool {
        self.tips.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: &str) -> String {
        digit.repeat(40)
    }

    fn ids(ids: &[ObjectId]) -> Vec<String> {
        ids.iter().map(ObjectId::to_string).collect()
    }

    #[test]
    fn lines_of_both_hooks_are_read_and_deletions_bring_nothing() {
        let (a, b, none) = (id("a"), id("b"), id("0"));
        let lines = format!(
            "refs/heads/x {a} refs/heads/x {b}\n:/fix the bug {b} refs/heads/y {none}\n(delete) {none} refs/heads/z {a}\n"
        );
        let push = Push::to(Some(b"origin"), lines.as_bytes()).unwrap();
        assert_eq!((ids(&push.tips), ids(&push.known)), (vec![a.clone(), b.clone()], vec![b.clone(), a.clone()]));
        assert_eq!(push.there, There::Remote("origin".into()));
        let push = Push::here(format!("{a} {b} refs/heads/x\n{b} {none} refs/heads/y\n").as_bytes()).unwrap();
        assert_eq!((ids(&push.tips), ids(&push.known)), (vec![b.clone()], vec![a, b]));
        assert!(Push::here(b"").unwrap().is_empty());
    }

    #[test]
    fn what_was_fetched_is_belied_by_what_the_remote_says_of_its_branches() {
        let (a, b, none) = (id("a"), id("b"), id("0"));
        let object = |hex: &str| ObjectId::from_hex(hex.as_bytes()).unwrap();
        let refs = BTreeMap::from([("refs/remotes/origin/x".into(), object(&a))]);
        let belied = |name: &str, old: &str, is_here: bool| {
            let line = format!("refs/heads/x {b} {name} {old}\n");
            Push::to(Some(b"origin"), line.as_bytes()).unwrap().belied(&refs, |_| is_here)
        };
        assert!(belied("refs/heads/x", &none, true));
        assert!(belied("refs/heads/x", &b, true));
        assert!(!belied("refs/heads/x", &b, false), "somebody else has pushed it");
        assert!(!belied("refs/heads/x", &a, true));
        assert!(!belied("refs/heads/y", &none, true));
        assert!(!belied("refs/tags/x", &none, true));
    }

    #[test]
    fn what_git_does_not_write_is_refused() {
        for bad in ["x", "a b c d", &format!("refs/heads/x {} refs/heads/x", id("a"))] {
            let error = Push::to(Some(b"origin"), bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("line 1") && error.contains(bad), "{error}");
        }
        assert!(
            Push::here(format!("\n{} x refs/heads/x", id("a")).as_bytes()).unwrap_err().to_string().contains("line 2")
        );
    }
}
