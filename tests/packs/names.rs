//! Objects that are read alone are held against their names, and what is not as it should be is not remembered as clean.

use std::fs;
use std::path::Path;

use keysweep::source::git::Limits;

use crate::damage::empty;
use crate::git::{damage, git};
use crate::sink::{scan, scan_range, scan_remembered, scan_within};
use crate::store::{self, Hash, Stored};

/// Writes a pack and its index of objects that are told by their names.
fn write_pack(git_dir: &Path, name: &str, pack: store::Pack, objects: &[(Vec<u8>, u64)], version: u8, hash: Hash) {
    let (path, bytes) = (git_dir.join(format!("objects/pack/pack-{name}.pack")), pack.finish());
    fs::write(path.with_extension("idx"), store::index(objects, &bytes, version, hash)).unwrap();
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
    write_pack(repository.path(), "a", pack, &objects, 2, Hash::Sha1);
    let plain = scan_within(repository.path(), Limits::default());
    assert_eq!((plain.objects.len(), plain.skipped.len()), (1, 10_001));
    assert!(plain.is_told("123 more objects of repository"), "{:?}", plain.skipped.last());
    for known in [0, 1, 1] {
        let seen = scan_remembered(repository.path(), cache.path());
        assert_eq!((seen.known, seen.skipped.len()), (known, 10_001));
        assert!(seen.is_told("123 more objects of repository"), "{:?}", seen.skipped.last());
    }
    // Something comes: now it is looked up of each object whether it is known.
    write_loose(repository.path(), &store::hex(&Hash::Sha1.name(3, b"new")), &store::loose(3, b"new"));
    for known in [1, 2] {
        let seen = scan_remembered(repository.path(), cache.path());
        assert_eq!((seen.known, seen.skipped.len()), (known, 10_001));
        assert!(seen.is_told("123 more objects of repository"), "{:?}", seen.skipped.last());
    }
}

/// A pack of one blob that says it is a tree and one that is as it should be, and the ids of both.
fn write_disguised(git_dir: &Path, hash: Hash, version: u8) -> [String; 2] {
    let (mut pack, mut objects) = (store::Pack::new(hash), Vec::new());
    for (kind, content) in [(2, &b"one of two"[..]), (3, b"the other")] {
        objects.push((hash.name(3, content), pack.len()));
        pack.add(&Stored::Whole(kind), content);
    }
    let ids = [0, 1].map(|n| store::hex(&objects[n].0));
    write_pack(git_dir, "a", pack, &objects, version, hash);
    ids
}

fn write_loose(git_dir: &Path, id: &str, bytes: &[u8]) {
    let directory = git_dir.join("objects").join(&id[..2]);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(&id[2..]), bytes).unwrap();
}

/// An index of the first version has no checksums of entries.
#[test]
fn a_blob_that_says_it_is_a_tree_is_told_without_checksums_and_never_known() {
    for (hash, format) in [(Hash::Sha1, "sha1"), (Hash::Sha256, "sha256")] {
        let (repository, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        git(repository.path(), &["init", "-q", "--bare", &format!("--object-format={format}")]);
        let [disguised, _] = write_disguised(repository.path(), hash, 1);
        let plain = scan(repository.path());
        assert!(plain.skipped.len() == 1 && plain.is_told(&disguised), "{:?}", plain.skipped);
        for known in [0, 1, 1] {
            let seen = scan_remembered(repository.path(), cache.path());
            assert_eq!((seen.known, &seen.skipped), (known, &plain.skipped));
        }
    }
}

#[test]
fn a_blob_that_says_it_is_a_tree_is_told_where_only_a_part_of_its_pack_is_read() {
    let (repository, cache) = (empty(), tempfile::tempdir().unwrap());
    let other = store::hex(&Hash::Sha1.name(3, b"the other"));
    write_loose(repository.path(), &other, &store::loose(3, b"the other"));
    assert_eq!(scan_remembered(repository.path(), cache.path()).skipped, []);
    let [disguised, _] = write_disguised(repository.path(), Hash::Sha1, 2);
    for _ in 0..3 {
        let seen = scan_remembered(repository.path(), cache.path());
        assert!(seen.skipped.len() == 1 && seen.is_told(&disguised), "{:?}", seen.skipped);
        assert_eq!(seen.known, 2, "the other one, in the pack and as a file");
    }
}

#[test]
fn a_file_with_another_object_than_its_name_says_is_told() {
    let (repository, cache) = (empty(), tempfile::tempdir().unwrap());
    let id = store::hex(&Hash::Sha1.name(3, b"one of two"));
    for (kind, content) in [(2, &b"one of two"[..]), (3, b"two of two"), (1, b"one of two")] {
        write_loose(repository.path(), &id, &store::loose(kind, content));
        for _ in 0..3 {
            let seen = scan_remembered(repository.path(), cache.path());
            assert!(seen.skipped.len() == 1 && seen.is_told(&id) && seen.known == 0, "{kind}: {:?}", seen.skipped);
            // It may hold what is looked for all the same.
            assert_eq!(seen.objects.len(), usize::from(kind != 2));
        }
    }
    write_loose(repository.path(), &id, &store::loose(3, b"one of two"));
    assert_eq!(scan_remembered(repository.path(), cache.path()).skipped, []);
}

#[test]
fn what_is_too_large_for_memory_is_held_against_its_name_as_it_goes_by() {
    let repository = empty();
    let ids = [&b"a large object"[..], b"another large object"].map(|content| Hash::Sha1.name(3, content));
    let mut pack = store::Pack::new(Hash::Sha1);
    let objects = [(ids[0].clone(), pack.len())];
    pack.add(&Stored::Whole(3), b"a LARGE object");
    write_pack(repository.path(), "a", pack, &objects, 1, Hash::Sha1);
    write_loose(repository.path(), &store::hex(&ids[1]), &store::loose(3, b"another LARGE object"));
    let seen = scan_within(repository.path(), Limits { large: 5, ..Limits::default() });
    assert_eq!((seen.objects.len(), seen.skipped.len()), (2, 2), "{:?}", seen.skipped);
    assert!(ids.iter().all(|id| seen.is_told(&store::hex(id))));
}

/// The delta is as it was written, and what it makes is not.
#[test]
fn what_is_made_of_a_changed_base_is_told_too_and_never_known() {
    let (repository, cache) = (empty(), tempfile::tempdir().unwrap());
    let written = |base: &[u8]| {
        let mut pack = store::Pack::new(Hash::Sha1);
        pack.add(&Stored::Whole(3), base);
        let at = pack.len();
        pack.add(&Stored::OnOffset(at - 12), &[13, 6, 0x90, 6]);
        (at, pack.finish())
    };
    let ((at, good), (_, bad)) = (written(b"a base of two"), written(b"A BASE OF TWO"));
    let crcs = [12..at as usize, at as usize..good.len() - 20].map(|range| store::crc(&good[range]));
    assert_eq!(good[at as usize..good.len() - 20], bad[at as usize..bad.len() - 20], "the delta stands where it was");
    let names = [&b"a base of two"[..], b"a base"].map(|content| Hash::Sha1.name(3, content));
    let objects = vec![(names[0].clone(), 12, crcs[0]), (names[1].clone(), at, crcs[1])];
    let path = repository.path().join("objects/pack/pack-a.pack");
    let index = store::index_of(objects, &bad[bad.len() - 20..], 2, Hash::Sha1);
    fs::write(path.with_extension("idx"), index).unwrap();
    fs::write(path, bad).unwrap();
    for _ in 0..3 {
        let seen = scan_remembered(repository.path(), cache.path());
        assert!(names.iter().all(|name| seen.is_told(&store::hex(name))), "{:?}", seen.skipped);
        assert_eq!((seen.known, seen.objects.len()), (0, 2));
    }
}

/// What comes out is what counts, as it does for git.
#[test]
fn an_entry_that_is_compressed_otherwise_is_not_damaged() {
    let repository = empty();
    let (mut pack, content) = (store::Pack::new(Hash::Sha1), b"some content");
    let objects = [(Hash::Sha1.name(3, content), pack.len())];
    pack.add(&Stored::Whole(3), content);
    write_pack(repository.path(), "a", pack, &objects, 2, Hash::Sha1);
    damage(&repository.path().join("objects/pack/pack-a.pack"), |bytes| {
        assert_eq!(bytes[13..15], [0x78, 0x01], "the header of zlib");
        bytes[14] = 0x5e;
    });
    let seen = scan(repository.path());
    assert!(seen.skipped.is_empty() && seen.objects.len() == 1, "{:?}", seen.skipped);
}

#[test]
fn a_range_tells_of_files_and_trees_that_are_others_than_their_names_say() {
    for wrong in [3, 2] {
        let repository = empty();
        let blob = Hash::Sha1.name(3, b"as it was");
        let tree = [b"100644 file\0", blob.as_slice()].concat();
        let who = "A <a@example.com> 1700000000 +0000";
        let id = store::hex(&Hash::Sha1.name(2, &tree));
        let commit = format!("tree {id}\nauthor {who}\ncommitter {who}\n\nmessage\n").into_bytes();
        let mut pack = store::Pack::new(Hash::Sha1);
        let mut objects = Vec::new();
        for (kind, content) in [(3, &b"as it was"[..]), (2, &tree), (1, &commit)] {
            objects.push((Hash::Sha1.name(kind, content), pack.len()));
            let mut written = content.to_vec();
            // A name in the tree, a word in the blob.
            let first = written.iter().position(|byte| *byte == b'i').unwrap();
            written[first] ^= u8::from(kind == wrong);
            pack.add(&Stored::Whole(kind), &written);
        }
        write_pack(repository.path(), "a", pack, &objects, 2, Hash::Sha1);
        fs::write(repository.path().join("refs/heads/main"), store::hex(&objects[2].0)).unwrap();
        let seen = scan_range(repository.path(), "main");
        assert_eq!(seen.skipped.len(), 1, "{:?}", seen.skipped);
        assert!(seen.is_told(&store::hex(&objects[3 - usize::from(wrong)].0)), "{:?}", seen.skipped);
    }
}
