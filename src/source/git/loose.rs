//! Loose objects: one deflated file each.
//! <https://git-scm.com/book/en/v2/Git-Internals-Git-Objects#_object_storage>

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use bstr::ByteSlice;
use flate2::read::ZlibDecoder;

use super::object::Kind;
use super::pack::Exactly;
use crate::blob::ObjectId;
use crate::source::tree::{Links, open_regular};

/// A loose object whose header has been read; what follows is its content.
pub(super) struct LooseObject {
    pub(super) kind: Kind,
    /// Bytes of content.
    pub(super) size: u64,
    content: Exactly<ZlibDecoder<BufReader<File>>>,
}

impl Read for LooseObject {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.content.read(buffer)
    }
}

/// Where the object `id` of an object directory is, if it is.
pub(super) fn path(objects: &Path, id: ObjectId) -> PathBuf {
    let hex = id.to_string();
    objects.join(&hex[..2]).join(&hex[2..])
}

/// Opens the object `id` of an object directory.
///
/// # Errors
/// `NotFound` when it is not there, `InvalidData` when its header is damaged, and what reading gives.
pub(super) fn open(objects: &Path, id: ObjectId) -> io::Result<LooseObject> {
    let path = path(objects, id);
    let mut inner = ZlibDecoder::new(BufReader::new(open_file(&path)?));
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "its header is damaged");
    let mut header = Vec::new();
    // `commit 18446744073709551615` and a NUL is as long as a header can be.
    while header.len() < 28 {
        let mut byte = [0];
        inner.read_exact(&mut byte)?;
        if byte[0] == 0 {
            let (kind, size) = header.split_once_str(" ").ok_or_else(damaged)?;
            let size = size.to_str().ok().and_then(|digits| digits.parse().ok()).ok_or_else(damaged)?;
            return Ok(LooseObject {
                kind: Kind::from_name(kind).ok_or_else(damaged)?,
                size,
                content: Exactly { inner, left: size },
            });
        }
        header.push(byte[0]);
    }
    Err(damaged())
}

/// Opens a file that git has written; anything but a file is an error, for a pipe would be waited for.
///
/// # Errors
/// `NotFound` when it is not there (any more), and what opening it gives.
pub(super) fn open_file(path: &Path) -> io::Result<File> {
    let why = |why| fs::metadata(path).err().unwrap_or_else(|| io::Error::other(why));
    open_regular(path, Links::Follow).map(|(file, _)| file).map_err(why)
}

/// The ids of all loose objects of an object directory, and the directories that could not be listed.
pub(super) fn list(objects: &Path, hash_len: usize) -> (Vec<ObjectId>, Vec<io::Error>) {
    let (mut ids, mut errors) = (Vec::new(), Vec::new());
    let directories = match fs::read_dir(objects) {
        Ok(entries) => entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()),
        Err(error) => return (ids, vec![error]),
    };
    let is_hex =
        |name: &String| name.len() == 2 && name.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
    for name in directories.filter(is_hex) {
        let entries = match fs::read_dir(objects.join(&name)) {
            Ok(entries) => entries,
            // The last object in it went into a pack a moment ago.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        for entry in entries {
            match entry {
                Ok(entry) => {
                    let hex = [name.as_bytes(), entry.file_name().as_encoded_bytes()].concat();
                    // Files still being written (`tmp_obj_…`) have other names.
                    ids.extend(ObjectId::from_hex(&hex).filter(|id| id.as_bytes().len() == hash_len));
                }
                Err(error) => errors.push(error),
            }
        }
    }
    ids.sort_unstable();
    (ids, errors)
}
