//! Why a credential, or one place of it, does not count, as plain data. Who decides that is the baseline's business.

use std::sync::Arc;

use jiff::civil::Date;

/// What keeps a credential at one place from counting.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Suppression {
    /// What kind of thing says so.
    pub by: By,
    /// The file that says so, or the words of the comment.
    pub source: Arc<str>,
    /// Why, if that was written down.
    pub reason: Option<Arc<str>>,
}

/// What says that a credential does not count, the most general first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum By {
    /// `.keysweepignore` of the target.
    IgnoreFile,
    /// A file that was named with `--baseline`.
    Baseline,
    /// What another scanner was told to ignore.
    Imported,
    /// A comment beside it.
    Comment,
}

/// What said that a credential does not count, until a day that has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lapsed {
    /// What it was.
    pub was: Suppression,
    /// The last day on which it held.
    pub until: Date,
}

impl By {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::IgnoreFile, Self::Baseline, Self::Imported, Self::Comment];

    /// What it is called in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::IgnoreFile => "ignore-file",
            Self::Baseline => "baseline",
            Self::Imported => "imported",
            Self::Comment => "comment",
        }
    }
}

impl Suppression {
    /// What a person would call it: all comments are one thing, each file is one.
    pub fn called(&self) -> &str {
        if self.by == By::Comment { "comments" } else { &self.source }
    }
}
