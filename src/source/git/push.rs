//! What a push brings: git tells its hooks by lines which names it moves, from which object to which.
//! <https://git-scm.com/docs/githooks#_pre_push>, <https://git-scm.com/docs/githooks#pre-receive>

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
}

/// What the receiving side has, as far as this repository knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum There {
    /// This repository is the receiving side: all that its names lead to.
    #[default]
    Here,
    /// What was fetched from the remote of this name, which may also be a URL that no remote has.
    Remote(BString),
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
    /// What pre-push reads: `<local ref> <local id> <remote ref> <remote id>`.
    ///
    /// # Errors
    /// The first line that is something else.
    pub fn to(remote: &[u8], lines: &[u8]) -> Result<Self, NotAPush> {
        let there = There::Remote(remote.into());
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
        }
        Ok(push)
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
        let push = Push::to(b"origin", lines.as_bytes()).unwrap();
        assert_eq!((ids(&push.tips), ids(&push.known)), (vec![a.clone(), b.clone()], vec![b.clone(), a.clone()]));
        assert_eq!(push.there, There::Remote("origin".into()));
        let push = Push::here(format!("{a} {b} refs/heads/x\n{b} {none} refs/heads/y\n").as_bytes()).unwrap();
        assert_eq!((ids(&push.tips), ids(&push.known)), (vec![b.clone()], vec![a, b]));
        assert!(Push::here(b"").unwrap().is_empty());
    }

    #[test]
    fn what_git_does_not_write_is_refused() {
        for bad in ["x", "a b c d", &format!("refs/heads/x {} refs/heads/x", id("a"))] {
            let error = Push::to(b"origin", bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("line 1") && error.contains(bad), "{error}");
        }
        assert!(
            Push::here(format!("\n{} x refs/heads/x", id("a")).as_bytes()).unwrap_err().to_string().contains("line 2")
        );
    }
}
