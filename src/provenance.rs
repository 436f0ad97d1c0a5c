//! Where bytes were: plain data that every later stage carries along and none changes.
//! How a place is found out is the sources' business, how it is shown the reports'.

use std::fmt;
use std::sync::Arc;

use bstr::BString;

use crate::blob::ObjectId;

/// Where a blob stands, down to the member of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Provenance {
    /// The place of the outermost blob.
    pub origin: Origin,
    /// The member inside it when the blob is an archive: `inner.zip!path/x.env`, outermost first.
    pub member: Option<BString>,
}

/// The place of a blob that is not a member of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// A file of a working tree; the path is as reached from the target that was named.
    File {
        /// Raw bytes of the path: it need not be UTF-8.
        path: BString,
    },
    /// Standard input.
    Stdin,
    /// A file as a commit first brought it.
    Commit {
        /// The commit that brought it.
        commit: Arc<Commit>,
        /// Path from the root of the commit's tree.
        path: BString,
        /// The very same blob stands at this path in HEAD; `None` where there is no HEAD to look at.
        in_head: Option<bool>,
    },
    /// A file as the index holds it, and HEAD does not.
    Staged {
        /// The repository as the user named it.
        repository: Arc<str>,
        /// Path from the root of the working tree.
        path: BString,
    },
    /// The message (or another header) of a commit.
    CommitMessage {
        /// The commit itself.
        commit: Arc<Commit>,
    },
    /// The message of an annotated tag; `commit` holds the tag's own id, tagger and date.
    TagMessage {
        /// The tag object, in a commit's shape.
        commit: Arc<Commit>,
        /// The name inside the tag object.
        name: BString,
    },
    /// An object of a git repository for which no place is known: a dangling blob, or a place not yet asked for.
    Object {
        /// The repository as the user named it.
        repository: Arc<str>,
        /// The object.
        id: ObjectId,
    },
    /// An object of a bucket, or what is written down about it.
    Stored {
        /// The object, in one of its versions.
        object: Arc<StoredObject>,
        /// Which part of it.
        part: StoredPart,
    },
}

/// One version of an object in a bucket of S3.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoredObject {
    /// The bucket's name.
    pub bucket: Arc<str>,
    /// The key, as it is and not as it was encoded on the way: at most 1024 bytes of UTF-8.
    pub key: BString,
    /// The version; `null` is one too. `None` where the bucket was not asked for versions.
    pub version_id: Option<Arc<str>>,
    /// Whether it is what a reader gets who names no version. `false` for what lies under a delete marker too.
    pub is_latest: bool,
    /// The entity tag, without its quotes; empty where it was not told.
    pub etag: Box<str>,
    /// When it was written, in seconds since 1970.
    pub last_modified: Option<i64>,
    /// A secret that was found is masked in the key: it is no longer the key to ask by.
    pub is_masked: bool,
}

/// A part of an object that can hold text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StoredPart {
    /// Its bytes.
    Body,
    /// Its key.
    Key,
    /// The user's metadata, a line `name: value` for each.
    Metadata,
    /// Its tags, in the same form.
    Tags,
}

impl StoredPart {
    /// What reports call it; `None` for the bytes themselves.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Body => None,
            Self::Key => Some("key"),
            Self::Metadata => Some("metadata"),
            Self::Tags => Some("tags"),
        }
    }
}

/// `s3://bucket/key`, and the version where it is not the one that everybody gets.
impl fmt::Display for StoredObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)?;
        match &self.version_id {
            Some(version) if !self.is_latest => write!(f, " (version {version})"),
            _ => Ok(()),
        }
    }
}

/// What is told of a commit (or annotated tag) beside a finding.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Commit {
    /// Seconds and offset of the author (tagger), first so that commits order by time.
    pub date: Timestamp,
    /// The repository as the user named it, without any password.
    pub repository: Arc<str>,
    /// The commit's (tag's) id.
    pub id: ObjectId,
    /// `Name <email>` of the author (tagger), raw.
    pub author: BString,
    /// Some ref of the repository leads to it. When not, it lives in the reflog or nowhere.
    pub reachable: bool,
}

/// A moment as git keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// The author's distance from UTC in minutes.
    pub offset_minutes: i16,
}

impl Provenance {
    /// A blob that is no member of an archive.
    pub fn new(origin: Origin) -> Self {
        Self { origin, member: None }
    }

    /// The member `name` of the archive that stands here.
    #[must_use]
    pub fn member(&self, name: &[u8]) -> Self {
        let mut path = self.member.clone().unwrap_or_default();
        if self.member.is_some() {
            path.push(b'!');
        }
        path.extend_from_slice(name);
        Self { origin: self.origin.clone(), member: Some(path) }
    }

    /// Whether it stands there now: in a file as it lies, in the index, on standard input, in HEAD.
    pub fn is_present(&self) -> bool {
        match self.origin {
            Origin::File { .. } | Origin::Stdin | Origin::Staged { .. } => true,
            Origin::Commit { in_head, .. } => in_head == Some(true),
            Origin::Stored { ref object, .. } => object.is_latest,
            Origin::CommitMessage { .. } | Origin::TagMessage { .. } | Origin::Object { .. } => false,
        }
    }

    /// The path, or whatever stands for it, before any `!member`.
    pub fn path(&self) -> Option<&BString> {
        match &self.origin {
            Origin::File { path } | Origin::Staged { path, .. } | Origin::Commit { path, .. } => Some(path),
            Origin::TagMessage { name, .. } => Some(name),
            Origin::Stored { object, .. } => Some(&object.key),
            Origin::Stdin | Origin::CommitMessage { .. } | Origin::Object { .. } => None,
        }
    }

    /// The commit or tag, where there is one.
    pub fn commit(&self) -> Option<&Commit> {
        match &self.origin {
            Origin::Commit { commit, .. } | Origin::CommitMessage { commit } | Origin::TagMessage { commit, .. } => {
                Some(commit)
            }
            Origin::File { .. }
            | Origin::Stdin
            | Origin::Staged { .. }
            | Origin::Object { .. }
            | Origin::Stored { .. } => None,
        }
    }

    /// The object of a bucket, where it is one.
    pub fn stored(&self) -> Option<&Arc<StoredObject>> {
        match &self.origin {
            Origin::Stored { object, .. } => Some(object),
            _ => None,
        }
    }
}

/// As a person would point at it: `a.zip!b.env`, `4b825dc:path`. Bytes that are not UTF-8 become U+FFFD.
impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.fmt(f)?;
        match &self.member {
            Some(member) => write!(f, "!{member}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path } => write!(f, "{path}"),
            Self::Stdin => f.write_str("standard input"),
            Self::Staged { path, .. } => write!(f, "staged {path}"),
            Self::Commit { commit, path, .. } => write!(f, "{}:{path}", commit.id),
            Self::CommitMessage { commit } => write!(f, "message of commit {}", commit.id),
            Self::TagMessage { name, .. } => write!(f, "message of tag {name}"),
            Self::Object { repository, id } => write!(f, "object {id} of {repository}"),
            Self::Stored { object, part } => match part.name() {
                Some(part) => write!(f, "{part} of {object}"),
                None => object.fmt(f),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_nest_with_an_exclamation_mark() {
        let file = Provenance::new(Origin::File { path: "a.zip".into() });
        let inner = file.member(b"b.tar").member(b"c.env");
        assert_eq!(inner.member.unwrap(), "b.tar!c.env");
        assert_eq!(file.member, None);
    }
}
