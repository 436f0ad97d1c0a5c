//! Git's own hash of an object, held against the name by which it was asked for. What is read alone has no other checksum: those of an
//! index are of entries as they stand in a pack, and where an entry ends is known only where all of them are.

use std::io::{self, Read};

use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::object::Kind;
use crate::blob::ObjectId;

/// What is wrong with an object that has another name.
pub(super) const OTHER: &str = "its content is not what its id stands for";

enum Hasher {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    /// For a name as long as `id`.
    fn new(id: ObjectId, kind: Kind, size: u64) -> Self {
        let mut hasher = match id.as_bytes().len() {
            32 => Self::Sha256(Sha256::new()),
            _ => Self::Sha1(Sha1::new()),
        };
        hasher.update(format!("{} {size}\0", kind.name()).as_bytes());
        hasher
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    fn is(self, id: ObjectId) -> bool {
        match self {
            Self::Sha1(hasher) => hasher.finalize().as_slice() == id.as_bytes(),
            Self::Sha256(hasher) => hasher.finalize().as_slice() == id.as_bytes(),
        }
    }
}

/// Whether an object is the one of this name.
pub(super) fn is_of(id: ObjectId, kind: Kind, bytes: &[u8]) -> bool {
    let mut hasher = Hasher::new(id, kind, bytes.len() as u64);
    hasher.update(bytes);
    hasher.is(id)
}

/// An object that is too large for memory: once all of it was read, one of another name is an error instead of an end.
pub(super) struct Named<R> {
    inner: R,
    id: ObjectId,
    hasher: Option<Hasher>,
}

impl<R: Read> Named<R> {
    pub(super) fn new(inner: R, id: ObjectId, kind: Kind, size: u64) -> Self {
        Self { inner, id, hasher: Some(Hasher::new(id, kind, size)) }
    }

    /// Reads all of it for the name's sake alone.
    ///
    /// # Errors
    /// What reading gives, and that it has another name.
    pub(super) fn prove(mut self) -> io::Result<()> {
        io::copy(&mut self, &mut io::sink()).map(drop)
    }
}

impl<R: Read> Read for Named<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..read]);
        }
        let is_end = read == 0 && !buffer.is_empty();
        let has_other_name = self.hasher.take_if(|_| is_end).is_some_and(|hasher| !hasher.is(self.id));
        if has_other_name { Err(io::Error::new(io::ErrorKind::InvalidData, OTHER)) } else { Ok(read) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `git hash-object` tells them.
    const NAMES: [&str; 2] = [
        "ce013625030ba8dba906f756967f9e9ca394464a",
        "2cf8d83d9ee29543b34a87727421fdecb7e3f3a183d337639025de576db9ebb4",
    ];

    #[test]
    fn a_name_is_of_one_kind_and_content_only() {
        for name in NAMES {
            let id = ObjectId::from_hex(name.as_bytes()).unwrap();
            assert!(is_of(id, Kind::Blob, b"hello\n"), "{name}");
            assert!(!is_of(id, Kind::Tree, b"hello\n") && !is_of(id, Kind::Blob, b"hello"));
            assert!(Named::new(&b"hello\n"[..], id, Kind::Blob, 6).prove().is_ok());
            let mut other = Named::new(&b"hallo\n"[..], id, Kind::Blob, 6);
            let mut read = Vec::new();
            assert!(other.read_to_end(&mut read).unwrap_err().to_string().contains(OTHER));
            assert_eq!(read, b"hallo\n");
        }
    }
}
