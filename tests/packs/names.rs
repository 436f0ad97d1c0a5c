//! Objects that are read alone are held against their names, and what is not as it should be is not remembered as clean.

use std::fs;
use std::path::Path;

use crate::damage::empty;
use crate::sink::{scan_remembered, scan_within};
use crate::store::{self, Hash, Stored};
use keysweep::source::git::Limits;

/// Writes a pack and its index of objects that are told by their names.
fn write_pack(git_dir: &Path, name: &str, pack: store::Pack, objects: &[(Vec<u8>, u64)], version: u8) {
    let (path, bytes) = (git_dir.join(format!("objects/pack/pack-{name}.pack")), pack.finish());
    fs::write(path.with_extension("idx"), store::index(objects, &bytes, version, Hash::Sha1)).unwrap();
    fs::write(path, bytes).unwrap();
}

/// More objects that can't be read than are told by their ids.
#[test]
fn failures_beyond_those_that_are_told_are_counted_and_stay_failures_with_a_cache() {
    let (repository, cache) = (empty(), tempfile::tempdir().unwrap());
    let (mut pack, mut objects) = (store::Pack::new(Hash::Sha1), Vec::new());
    for n in 0..10_123u32 {
        objects.push((Hash::Sha1.of(&n.to_be_bytes()), pack.len()));
        // It has one byte less than it says.
        pack.add_raw(&Stored::Whole(3), 5, &store::deflated(&n.to_be_bytes()));
    }
    objects.push((Hash::Sha1.name(3, b"whole"), pack.len()));
    pack.add(&Stored::Whole(3), b"whole");
    write_pack(repository.path(), "a", pack, &objects, 2);
    let plain = scan_within(repository.path(), Limits::default());
    assert_eq!((plain.objects.len(), plain.skipped.len()), (1, 10_001));
    assert!(plain.is_told("123 more objects of repository"), "{:?}", plain.skipped.last());
    for known in [0, 1, 1] {
        let seen = scan_remembered(repository.path(), cache.path());
        assert_eq!((seen.known, seen.skipped.len()), (known, 10_001));
        assert!(seen.is_told("123 more objects of repository"), "{:?}", seen.skipped.last());
    }
    // Something comes: now it is looked up of each object whether it is known.
    let id = store::hex(&Hash::Sha1.name(3, b"new"));
    fs::create_dir(repository.path().join("objects").join(&id[..2])).unwrap();
    fs::write(repository.path().join("objects").join(&id[..2]).join(&id[2..]), store::loose(3, b"new")).unwrap();
    for known in [1, 2] {
        let seen = scan_remembered(repository.path(), cache.path());
        assert_eq!((seen.known, seen.skipped.len()), (known, 10_001));
        assert!(seen.is_told("123 more objects of repository"), "{:?}", seen.skipped.last());
    }
}
