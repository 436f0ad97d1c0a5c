//! Several packs: with a multi-pack-index and without, in great number, and of more than four gigabytes.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use crate::damage::{empty, write_pack};
use crate::git::{git, ids, packs, repository};
use crate::sink::{Seen, scan};
use crate::store::{self, Hash, Stored};

fn assert_same(git_dir: &Path, whole: &Seen, when: &str) {
    let seen = scan(git_dir);
    assert!(seen.skipped.is_empty(), "{when}: {:?}", seen.skipped);
    assert!(seen.objects == whole.objects && seen.found == whole.found, "{when}");
}

/// Makes a pack of the given objects.
pub(crate) fn pack_some(git_dir: &Path, name: &str, ids: &[String]) {
    fs::write(git_dir.join(name), format!("{}\n", ids.join("\n"))).unwrap();
    let mut child = crate::git::command(git_dir);
    child
        .args(["pack-objects", "-q", &format!("objects/pack/{name}")])
        .stdin(fs::File::open(git_dir.join(name)).unwrap());
    assert!(child.output().unwrap().status.success());
}

#[test]
fn whatever_git_writes_beside_packs_the_same_is_read() {
    for format in ["sha1", "sha256"] {
        let repository = repository(30, format);
        let git_dir = repository.path();
        git(git_dir, &["config", "pack.writeReverseIndex", "true"]);
        let whole = scan(git_dir);
        let all = ids(git_dir, None);
        for (n, some) in all.chunks(all.len() / 4).enumerate() {
            pack_some(git_dir, &format!("part{n}"), some);
        }
        assert_same(git_dir, &whole, "several packs");
        git(git_dir, &["multi-pack-index", "write"]);
        assert_same(git_dir, &whole, "with a multi-pack-index");
        git(git_dir, &["repack", "-dq", "--write-midx", "--geometric=2"]);
        assert_same(git_dir, &whole, "geometric");
        git(git_dir, &["repack", "-adbq", "--write-midx"]);
        assert_same(git_dir, &whole, "bitmaps");
        // Only some of it is reachable any more; what is not goes into a pack of its own.
        git(git_dir, &["update-ref", "refs/heads/main", "main~10"]);
        git(git_dir, &["tag", "-d", "v1"]);
        git(git_dir, &["repack", "--cruft", "-dq"]);
        let extensions = fs::read_dir(git_dir.join("objects/pack")).unwrap().map(|entry| entry.unwrap().path());
        assert!(extensions.filter(|path| path.extension().is_some_and(|end| end == "mtimes")).count() == 1);
        assert_same(git_dir, &whole, "a cruft pack");
    }
}

#[test]
fn a_multi_pack_index_serves_for_an_index_that_is_lost() {
    for format in ["sha1", "sha256"] {
        let repository = repository(20, format);
        let git_dir = repository.path();
        let whole = scan(git_dir);
        let all = ids(git_dir, None);
        // Two that have much in common: the multi-pack-index tells of each object in one of them only.
        pack_some(git_dir, "part1", &all[..all.len() * 2 / 3]);
        pack_some(git_dir, "part2", &all[all.len() / 3..]);
        git(git_dir, &["multi-pack-index", "write"]);
        for pack in packs(git_dir) {
            let (index, away) = (pack.with_extension("idx"), pack.with_extension("away"));
            fs::rename(&index, &away).unwrap();
            let seen = scan(git_dir);
            assert!(seen.objects == whole.objects && seen.found == whole.found);
            fs::rename(&away, &index).unwrap();
        }
        for pack in packs(git_dir) {
            fs::remove_file(pack.with_extension("idx")).unwrap();
        }
        let seen = scan(git_dir);
        assert!(seen.objects == whole.objects && seen.found == whole.found, "{:?}", seen.skipped);
        fs::remove_file(git_dir.join("objects/pack/multi-pack-index")).unwrap();
        let seen = scan(git_dir);
        assert!(seen.objects.is_empty() && packs(git_dir).iter().all(|pack| seen.is_told(pack.to_str().unwrap())));
    }
}

#[test]
fn a_damaged_multi_pack_index_is_no_index() {
    let repository = repository(5, "sha1");
    let git_dir = repository.path();
    git(git_dir, &["multi-pack-index", "write"]);
    fs::remove_file(packs(git_dir)[0].with_extension("idx")).unwrap();
    let path = git_dir.join("objects/pack/multi-pack-index");
    let original = fs::read(&path).unwrap();
    let mut random = crate::damage::numbers(11);
    for round in 0..120 {
        let mut bytes = original.clone();
        let at = if round % 2 == 0 { random(160) } else { random(bytes.len()) };
        bytes[at] = random(256) as u8;
        if round % 5 == 0 {
            bytes.truncate(random(bytes.len()));
        }
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        scan(git_dir);
    }
}

#[test]
fn the_same_objects_in_hundreds_of_packs_are_read_once() {
    let repository = empty();
    let blob = |n: usize| {
        let content = format!("the content of blob {n}").into_bytes();
        (Hash::Sha1.name(3, &content), Stored::Whole(3), content)
    };
    for pack in 0..300 {
        // Each shares one with the next, and all share one.
        let entries = [blob(pack), blob(pack + 1), blob(100_000)];
        write_pack(repository.path(), &pack.to_string(), &entries, |_, at| at);
    }
    let seen = scan(repository.path());
    assert_eq!(seen.skipped, []);
    assert_eq!(seen.objects.len(), 302);
    for (id, content) in &seen.objects {
        assert_eq!(id.as_bytes(), Hash::Sha1.name(3, content), "it was read twice");
    }
}

/// A pack that is mostly a hole: it takes no room.
#[test]
fn packs_beyond_four_gigabytes_are_read() {
    const FAR: u64 = 5 << 30;
    let repository = empty();
    let path = repository.path().join("objects/pack/pack-0000000000000000000000000000000000000000.pack");
    let base = [b"AK", &b"IAQSP2TPHJSQH3FJRU and a base far away"[..]].concat();
    let mut near = store::Pack::new(Hash::Sha1);
    near.add(&Stored::Whole(3), &base);
    let middle = [&base[..20], b" changed"].concat();
    let delta = |size: u8, steps: &[u8]| [&[base.len() as u8, size], steps].concat();
    let mut far = store::Pack::new(Hash::Sha1);
    let first = far.len();
    far.add(&Stored::OnOffset(FAR + first - 12), &delta(28, b"\x90\x14\x08 changed"));
    let second = far.len();
    far.add(&Stored::OnObject(Hash::Sha1.name(3, &base)), &delta(5, b"\x90\x05"));
    let third = far.len();
    far.add(&Stored::Whole(3), b"far away");
    let (near, far) = (near.finish(), far.finish());
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(b"PACK\0\0\0\x02\0\0\0\x04").unwrap();
    file.write_all(&near[12..near.len() - 20]).unwrap();
    file.seek(SeekFrom::Start(FAR + first)).unwrap();
    file.write_all(&far[first as usize..]).unwrap();
    let contents = [
        (base.clone(), 12),
        (middle, FAR + first),
        (base[..5].to_vec(), FAR + second),
        (b"far away".to_vec(), FAR + third),
    ];
    let crcs = [first, second, third].map(|at| at as usize).into_iter().zip([second, third, far.len() as u64 - 20]);
    let crcs = crcs.map(|(start, end)| store::crc(&far[start..end as usize]));
    let objects = contents.iter().zip(std::iter::once(0).chain(crcs));
    let objects = objects.map(|((content, at), crc)| (Hash::Sha1.name(3, content), *at, crc)).collect();
    let index = store::index_of(objects, &far[far.len() - 20..], 2, Hash::Sha1);
    fs::write(path.with_extension("idx"), index).unwrap();
    let read = || {
        let seen = scan(repository.path());
        // The entry before the hole goes on to its end by the index; what counts is what comes out of it.
        assert_eq!(seen.skipped, []);
        assert!(seen.objects.len() == 4 && seen.found.len() == 2, "{:?}", seen.found);
        assert!(seen.objects.iter().all(|(id, content)| id.as_bytes() == Hash::Sha1.name(3, content)));
    };
    read();
    git(repository.path(), &["multi-pack-index", "write"]);
    fs::remove_file(path.with_extension("idx")).unwrap();
    read();
}
