//! The message of a commit that is yet to be made, as git hands it to its hooks: a file with comments for whoever edits it, and perhaps
//! with the whole change below a line that says so, which will not be in the commit and is not handed out.
//! <https://git-scm.com/docs/git-commit#Documentation/git-commit.txt---cleanupltmodegt>

use std::fs;
use std::path::{Path, PathBuf};

use bstr::{BString, ByteSlice, ByteVec};

use super::{Sink, Skipped, Source, SourceError};
use crate::blob::{Blob, Content};
use crate::provenance::{Origin, Provenance};

/// What git will take out of a message. Comments are not taken for it: whether `--cleanup=verbatim` keeps them no hook can know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleanup {
    /// What its lines of comments begin with, if that is known.
    pub comment: Option<BString>,
    /// When all from the line with the scissors on goes.
    pub scissors: Scissors,
}

/// When git cuts a message at the line with the scissors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scissors {
    /// Nobody has edited it: git has put none in.
    Never,
    /// With `--verbose`, which no hook can know but by the change that git writes below.
    AboveChange,
    /// In any case.
    Always,
}

/// The message in a file.
#[derive(Debug)]
pub struct Message {
    path: PathBuf,
    cleanup: Cleanup,
}

/// What stands behind the start of a comment in the line below which nothing belongs to the message.
const SCISSORS: &[u8] = b" ------------------------ >8 ------------------------";

impl Message {
    /// The message that `path` holds.
    pub fn new(path: &Path, cleanup: Cleanup) -> Self {
        Self { path: path.to_owned(), cleanup }
    }
}

impl Source for Message {
    fn visit(&self, sink: &dyn Sink) -> Result<(), SourceError> {
        let what = self.path.display().to_string();
        let failed = |why: String| SourceError { what: format!("the message in {what}"), why };
        let text = fs::read(&self.path).map_err(|error| failed(format!("reading it failed: {error}")))?;
        match sink.max_size() {
            Some(limit) if text.len() as u64 > limit => {
                sink.skipped(Skipped::too_large(what, text.len() as u64, limit));
            }
            _ => {
                let at = Provenance::new(Origin::File { path: Vec::from_path_lossy(&self.path).into_owned().into() });
                sink.blob(Blob::alone(at, Content::Bytes(self.cleanup.cleaned(&text))));
            }
        }
        Ok(())
    }
}

impl Cleanup {
    /// What is left of a message.
    fn cleaned<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        let mut at = 0;
        for line in text.lines_with_terminator() {
            let after = &text[at + line.len()..];
            let is_cut = |comment: &[u8]| match self.scissors {
                Scissors::Never => false,
                Scissors::AboveChange => is_change(after, comment),
                Scissors::Always => true,
            };
            if self.start_of_scissors(line).is_some_and(is_cut) {
                return &text[..at];
            }
            at += line.len();
        }
        text
    }

    /// What comments begin with where a line is the one with the scissors.
    fn start_of_scissors<'l>(&self, line: &'l [u8]) -> Option<&'l [u8]> {
        let start = line.trim_end_with(|c| matches!(c, '\n' | '\r')).strip_suffix(SCISSORS)?;
        // It may be one that git chose for this message.
        let is_known = self.comment.as_ref().is_none_or(|comment| comment == start);
        (is_known && !start.is_empty()).then_some(start)
    }
}

/// Whether this is what git writes below the scissors: comments in whatever language, and a change. Nothing at all is one, too.
fn is_change(text: &[u8], comment: &[u8]) -> bool {
    let mut lines = text.lines().skip_while(|line| line.starts_with(comment));
    // Of a submodule with `diff.submodule`, and of what a merge has not decided.
    let starts = ["diff --git ", "diff --cc ", "Submodule ", "* Unmerged path "];
    text.starts_with(comment)
        && lines.next().is_none_or(|line| starts.iter().any(|start| line.starts_with(start.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Subject\n\n# a comment\n\
        # ------------------------ >8 ------------------------\n# Do not modify\n# or else\ndiff --git a/x b/x\n-old\n";
    const KEPT: &str = "Subject\n\n# a comment\n";

    fn cleaned(comment: Option<&str>, scissors: Scissors, text: &str) -> String {
        let cleanup = Cleanup { comment: comment.map(Into::into), scissors };
        String::from_utf8(cleanup.cleaned(text.as_bytes()).to_vec()).unwrap()
    }

    #[test]
    fn the_change_that_git_puts_below_the_scissors_is_no_part_of_the_message() {
        use Scissors::{AboveChange, Always, Never};
        assert_eq!(cleaned(Some("#"), AboveChange, TEXT), KEPT);
        assert_eq!(cleaned(None, AboveChange, TEXT), KEPT);
        assert_eq!(cleaned(Some("#"), Always, TEXT), KEPT);
        assert_eq!(cleaned(Some("#"), Never, TEXT), TEXT);
        assert_eq!(cleaned(Some("//"), AboveChange, &TEXT.replace('#', "//")), KEPT.replace('#', "//"));
        let crlf = TEXT.replace('\n', "\r\n");
        assert_eq!(cleaned(Some("#"), AboveChange, &crlf), KEPT.replace('\n', "\r\n"));
        let empty = &TEXT[..TEXT.find("diff").unwrap()];
        assert_eq!(cleaned(Some("#"), AboveChange, empty), KEPT, "a commit without a change");
    }

    #[test]
    fn scissors_that_somebody_else_has_put_in_cut_only_where_git_always_does() {
        let other = TEXT.replace("diff --git", "and more about git");
        assert_eq!(cleaned(Some("#"), Scissors::AboveChange, &other), other);
        assert_eq!(cleaned(None, Scissors::AboveChange, &other), other);
        assert_eq!(cleaned(Some("#"), Scissors::Always, &other), KEPT);
        let bare = TEXT.replace("# Do not modify\n# or else\n", "");
        assert_eq!(cleaned(Some("#"), Scissors::AboveChange, &bare), bare);
        assert_eq!(cleaned(Some(";"), Scissors::Always, TEXT), TEXT, "it is no comment");
    }
}
