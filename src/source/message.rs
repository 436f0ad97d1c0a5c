//! The message of a commit that is yet to be made, as git hands it to its hooks: a file with comments for whoever edits it, and perhaps
//! with the whole change below a line that says so. Only what will be in the commit is handed out.
//! <https://git-scm.com/docs/git-commit#Documentation/git-commit.txt---cleanupltmodegt>

use std::fs;
use std::path::{Path, PathBuf};

use bstr::{BString, ByteSlice, ByteVec};

use super::{Sink, Skipped, Source, SourceError};
use crate::blob::{Blob, Content};
use crate::provenance::{Origin, Provenance};

/// What git will take out of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleanup {
    /// What its lines of comments begin with; none are taken out if there is nothing here.
    pub comment: Option<BString>,
    /// All from the line with the scissors on goes too.
    pub scissors: bool,
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
                sink.blob(Blob::alone(at, Content::Bytes(&self.cleanup.cleaned(&text))));
            }
        }
        Ok(())
    }
}

impl Cleanup {
    /// What is left of a message; lines that go leave an empty one, so that the others keep their numbers.
    fn cleaned(&self, text: &[u8]) -> Vec<u8> {
        let mut cleaned = Vec::with_capacity(text.len());
        for line in text.lines_with_terminator() {
            let comment = self.comment.as_ref().and_then(|start| line.strip_prefix(start.as_slice()));
            let is_cut = |rest: &[u8]| self.scissors && rest.trim_end_with(|c| matches!(c, '\n' | '\r')) == SCISSORS;
            // The start of comments may be one that git chose for this message.
            if comment.is_some_and(is_cut)
                || self.comment.is_none() && line.find(SCISSORS).is_some_and(|at| is_cut(&line[at..]))
            {
                break;
            }
            cleaned.extend_from_slice(if comment.is_some() { b"\n" } else { line });
        }
        cleaned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Subject\n\n# a comment\nbody # no comment\n#\n\
        # ------------------------ >8 ------------------------\n# Do not modify\ndiff --git a/x b/x\n-old\n";

    fn cleaned(comment: Option<&str>, scissors: bool, text: &str) -> String {
        let cleanup = Cleanup { comment: comment.map(Into::into), scissors };
        String::from_utf8(cleanup.cleaned(text.as_bytes())).unwrap()
    }

    #[test]
    fn comments_and_what_is_below_the_scissors_are_no_part_of_the_message() {
        assert_eq!(cleaned(Some("#"), true, TEXT), "Subject\n\n\nbody # no comment\n\n");
        assert_eq!(cleaned(Some("//"), true, &TEXT.replace("# ", "// ")), "Subject\n\n\nbody // no comment\n#\n");
    }

    #[test]
    fn what_git_leaves_in_is_left_in() {
        assert_eq!(cleaned(None, false, TEXT), TEXT);
        assert!(cleaned(None, true, TEXT).ends_with("no comment\n#\n"));
        assert!(cleaned(Some("#"), false, TEXT).ends_with("\n\n\ndiff --git a/x b/x\n-old\n"));
        let crlf = TEXT.replace('\n', "\r\n");
        assert_eq!(cleaned(Some("#"), true, &crlf), "Subject\r\n\r\n\nbody # no comment\r\n\n");
    }
}
