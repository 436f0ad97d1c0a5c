//! Gives the program a name for its own source, so that it knows what an earlier version of it has left behind.

use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let mut files = Vec::new();
    // The lock is not there where the program is a dependency of another.
    for root in ["src", "patterns", "Cargo.toml", "Cargo.lock"].into_iter().filter(|root| Path::new(root).exists()) {
        println!("cargo::rerun-if-changed={root}");
        add(Path::new(root), &mut files);
    }
    files.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in files.iter().flat_map(|file| fs::read(file).expect("cargo checks that its files can be read")) {
        // FNV-1a: nobody gains by two versions that look the same.
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    println!("cargo::rustc-env=KEYSWEEP_SOURCE={hash:016x}");
}

fn add(path: &Path, files: &mut Vec<PathBuf>) {
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().for_each(|entry| add(&entry.path(), files)),
        Err(_) => files.push(path.to_owned()),
    }
}
