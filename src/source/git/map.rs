//! Maps pack files into memory. The only file with `unsafe` in it.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::{Advice, Mmap};

/// The whole file as bytes.
///
/// # Errors
/// When the file can't be opened or mapped.
pub(super) fn map(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: a map is unsound only when the file shrinks or changes under it. Git never writes to a pack or its index once it
    // stands under its final name: it writes a new one and unlinks the old, which stays readable through this map.
    let map = unsafe { Mmap::map(&file)? };
    Ok(map)
}

/// Tells the system that the map will be read from front to back.
pub(super) fn read_ahead(map: &Mmap) {
    // Advice only: where it can't be taken nothing is lost.
    let _ = map.advise(Advice::WillNeed);
}
