//! Maps pack files and indexes into memory. One of three files with `unsafe` in it.
#![allow(unsafe_code)]

use std::io;
use std::ops::Deref;
use std::path::Path;

use memmap2::{Advice, Mmap};

use super::loose::open_file as open;

/// The bytes of a file.
pub(super) struct Map(Mmap);

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// The whole file as bytes.
///
/// # Errors
/// When the file can't be opened or mapped, or is none: a pipe would be waited for.
pub(super) fn map(path: &Path) -> io::Result<Map> {
    let file = open(path)?;
    // SAFETY: a map is unsound only when the file shrinks or changes under it. Git never writes to a pack, its index or the index of
    // a working tree once it stands under its final name: it writes a new one and unlinks or replaces the old, which stays readable
    // through this map.
    let map = unsafe { Mmap::map(&file)? };
    Ok(Map(map))
}

/// Tells the system that the map will be read from front to back.
pub(super) fn read_ahead(map: &Map) {
    // Advice only: where it can't be taken nothing is lost.
    let _ = map.0.advise(Advice::WillNeed);
}
