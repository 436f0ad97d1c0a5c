//! Archives and compressed files: what they hold, member by member, within a budget of bytes.

use crate::blob::Content;

/// How many bytes of a file's start [`detect`] wants to see.
pub const HEAD: usize = 512;

/// A container that can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// zip, jar, whl and their many relatives.
    Zip,
}

/// Bytes that may still come out of one outermost archive and everything nested in it.
#[derive(Debug)]
pub struct Budget {
    remaining: u64,
}

impl Budget {
    /// What an archive of `size` bytes may expand to.
    pub fn for_archive(size: u64) -> Self {
        Self { remaining: (256 << 20) + size.saturating_mul(100) }
    }
}

/// A member about to be read.
pub struct Member<'a> {
    /// Its path inside the archive, raw.
    pub name: &'a [u8],
    /// Its size when expanded, where the archive tells it.
    pub size: Option<u64>,
}

/// Something in an archive that could not be read.
#[derive(Debug)]
pub struct Problem {
    /// The member, or the archive itself.
    pub member: Option<Vec<u8>>,
    /// Why, and what to try.
    pub why: String,
}

/// What kind of archive begins with these bytes.
pub fn detect(_head: &[u8]) -> Option<Kind> {
    None
}

/// Hands every member to `each`; returns what could not be read.
pub fn expand(
    _kind: Kind,
    _name: &[u8],
    _content: Content<'_>,
    _budget: &mut Budget,
    _each: &mut dyn FnMut(Member<'_>, Content<'_>, &mut Budget),
) -> Vec<Problem> {
    let _ = Budget::for_archive(0).remaining;
    Vec::new()
}
