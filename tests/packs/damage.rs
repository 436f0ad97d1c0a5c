//! Damaged packs and indexes: what git can still read is read, what it can't is told.

use std::fs;
use std::path::Path;

use crate::git::{damage, git, ids, packs, readable, repository};
use crate::many::pack_some;
use crate::sink::{Seen, scan};
use crate::store::{self, Hash, Stored};

/// A generator of numbers that are the same every time.
pub(crate) fn numbers(mut state: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    }
}

fn content<'s>(seen: &'s Seen, id: &str) -> Option<&'s Vec<u8>> {
    seen.objects.get(&keysweep::blob::ObjectId::from_hex(id.as_bytes()).unwrap())
}

/// Holds a scan of a damaged repository against what git can read of it. `whole` is what was seen before the damage.
fn assert_nothing_lost(git_dir: &Path, whole: &Seen, trees: &[String], is_by_id: bool, when: &str) {
    let seen = scan(git_dir);
    let changed = whole.objects.iter().filter(|(id, bytes)| seen.objects.get(id) != Some(bytes));
    let mut suspects: Vec<String> = changed.map(|(id, _)| id.to_string()).collect();
    suspects.extend(trees.iter().cloned());
    let read = readable(git_dir, &suspects);
    for id in &suspects {
        let is_told = seen.is_told(id) || !is_by_id && !seen.skipped.is_empty();
        match read.get(id) {
            Some(_) if trees.contains(id) => {}
            Some(bytes) => assert_eq!(content(&seen, id), Some(bytes), "{id} was not read as git reads it, {when}"),
            None => assert!(
                is_told,
                "{id} is not told, {when}: {:?} {:?}",
                content(&seen, id).map(|c| String::from_utf8_lossy(c)),
                seen.skipped
            ),
        }
    }
}

#[test]
fn what_git_can_read_of_a_damaged_pack_is_read_and_what_it_can_t_is_told() {
    let repository = repository(40, "sha1");
    let git_dir = repository.path();
    let (whole, trees) = (scan(git_dir), ids(git_dir, Some("tree")));
    assert!(whole.skipped.is_empty() && whole.inherited > 20, "{:?}", whole.skipped);
    let pack = packs(git_dir).remove(0);
    let mut random = numbers(3);
    for (path, rounds, is_by_id) in [(&pack, 40, true), (&pack.with_extension("idx"), 40, false)] {
        let original = fs::read(path).unwrap();
        for round in 0..rounds {
            let at = random(original.len());
            let len = if random(3) == 0 { random(60) } else { 1 };
            damage(path, |bytes| bytes[at..].iter_mut().take(len).for_each(|byte| *byte ^= 1 + random(255) as u8));
            // What damage does to a pack as a whole can't be told by ids.
            let is_by_id = is_by_id && (12..original.len() - 20).contains(&at);
            let when = format!("damage of {len} at {at} of {}", path.display());
            assert_nothing_lost(git_dir, &whole, if round % 4 == 0 { &trees } else { &[] }, is_by_id, &when);
            damage(path, |bytes| bytes.clone_from(&original));
        }
    }
    let again = scan(git_dir);
    assert!(again.objects == whole.objects && again.skipped.is_empty());
}

#[test]
fn what_is_damaged_in_one_pack_is_read_from_another_or_a_file() {
    let repository = repository(30, "sha1");
    let git_dir = repository.path();
    let whole = scan(git_dir);
    pack_some(git_dir, "second", &ids(git_dir, None));
    assert_eq!(packs(git_dir).len(), 2);
    let mut random = numbers(5);
    for path in packs(git_dir) {
        let original = fs::read(&path).unwrap();
        for _ in 0..10 {
            damage(&path, |bytes| {
                for _ in 0..8 {
                    let at = 12 + random(original.len() - 32);
                    bytes[at] ^= 1 + random(255) as u8;
                }
            });
            let seen = scan(git_dir);
            assert!(seen.objects == whole.objects && seen.found == whole.found && seen.skipped.is_empty());
            assert!(seen.notes.len() == 1 && seen.notes[0].contains("were read from another"), "{:?}", seen.notes);
            damage(&path, |bytes| bytes.clone_from(&original));
        }
    }
}

#[test]
fn what_is_made_of_a_damaged_base_is_read_when_the_base_is_somewhere_else() {
    let repository = repository(30, "sha1");
    let git_dir = repository.path();
    let whole = scan(git_dir);
    let pack = packs(git_dir).remove(0);
    let verified = git(git_dir, &["verify-pack", "-v", pack.to_str().unwrap()]);
    let bases = verified.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    // Id, kind, size, size in the pack, offset; of deltas also depth and base.
    let blob = bases
        .filter(|words| words.len() >= 5 && words[1] == "blob")
        .max_by_key(|words| verified.matches(words[0]).count());
    let blob = blob.unwrap();
    assert!(verified.matches(blob[0]).count() > 1, "it is the base of others");
    damage(&pack, |bytes| {
        let at: usize = blob[4].parse().unwrap();
        let size: usize = blob[3].parse().unwrap();
        bytes[at + 4..at + size].fill(0x55);
    });
    let seen = scan(git_dir);
    assert!(seen.is_told(blob[0]) && seen.objects.len() < whole.objects.len());
    let content = content(&whole, blob[0]).unwrap();
    fs::create_dir_all(git_dir.join("objects").join(&blob[0][..2])).unwrap();
    fs::write(git_dir.join("objects").join(&blob[0][..2]).join(&blob[0][2..]), store::loose(3, content)).unwrap();
    let seen = scan(git_dir);
    assert!(seen.objects == whole.objects && seen.skipped.is_empty(), "{:?}", seen.skipped);
}

#[test]
fn a_loose_object_that_is_damaged_is_read_from_another_directory() {
    let root = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        git(root.path(), &["init", "-q", "--bare", name]);
    }
    let id = store::hex(&Hash::Sha1.name(3, b"some content"));
    for name in ["a", "b"] {
        let directory = root.path().join(name).join("objects").join(&id[..2]);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(&id[2..]), store::loose(3, b"some content")).unwrap();
    }
    fs::write(root.path().join("a/objects/info/alternates"), "../../b/objects\n").unwrap();
    damage(&root.path().join("a/objects").join(&id[..2]).join(&id[2..]), |bytes| bytes[9] ^= 0xff);
    let seen = scan(&root.path().join("a"));
    assert!(seen.skipped.is_empty() && content(&seen, &id).unwrap() == b"some content", "{:?}", seen.skipped);
    assert!(seen.notes.len() == 1 && seen.notes[0].contains("1 objects of repository can't be read"));
    assert!(seen.notes[0].contains(&id) && scan(&root.path().join("b")).notes.is_empty());
}

/// Writes a pack of the given entries (id, how it is stored, its data), with what its index says of where they begin.
pub(crate) fn write_pack(
    git_dir: &Path,
    name: &str,
    entries: &[(Vec<u8>, Stored, Vec<u8>)],
    says: impl Fn(usize, u64) -> u64,
) {
    let mut pack = store::Pack::new(Hash::Sha1);
    let mut objects = Vec::new();
    for (n, (id, stored, data)) in entries.iter().enumerate() {
        objects.push((id.clone(), says(n, pack.len())));
        pack.add(stored, data);
    }
    let (path, bytes) = (git_dir.join(format!("objects/pack/pack-{name}.pack")), pack.finish());
    fs::write(path.with_extension("idx"), store::index(&objects, &bytes, 2, Hash::Sha1)).unwrap();
    fs::write(path, bytes).unwrap();
}

/// An empty repository.
pub(crate) fn empty() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    git(directory.path(), &["init", "-q", "--bare"]);
    directory
}

fn blob(content: &[u8]) -> (Vec<u8>, Stored, Vec<u8>) {
    (Hash::Sha1.name(3, content), Stored::Whole(3), content.to_vec())
}

#[test]
fn an_entry_into_which_the_index_lets_another_begin_is_read_all_the_same() {
    let repository = empty();
    let noise: Vec<u8> = (0..5000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let key = ["AK", "IAQSP2TPHJSQH3FJRU"].concat();
    let entries = [blob(&noise), blob(b"another"), blob(key.as_bytes())];
    write_pack(repository.path(), "a", &entries, |n, offset| if n == 1 { 1000 } else { offset });
    let seen = scan(repository.path());
    assert_eq!(content(&seen, &store::hex(&entries[0].0)), Some(&noise));
    assert_eq!(content(&seen, &store::hex(&entries[2].0)).unwrap(), key.as_bytes());
    assert!(seen.is_told(&store::hex(&entries[1].0)), "{:?}", seen.skipped);
    // All at one entry: git reads that for each of them.
    write_pack(repository.path(), "a", &entries, |_, _| 12);
    assert_eq!(scan(repository.path()).objects.len(), 3);
}

/// One bit makes a tree of a blob. Trees are not searched, and where nothing is found they are not even read.
#[test]
fn a_blob_that_damage_turned_into_a_tree_is_told() {
    let repository = empty();
    let entries = [blob(b"one of two"), blob(b"the other")];
    write_pack(repository.path(), "a", &entries, |_, at| at);
    damage(&repository.path().join("objects/pack/pack-a.pack"), |bytes| {
        assert_eq!(bytes[12] >> 4 & 7, 3);
        bytes[12] ^= 0x10;
    });
    let seen = scan(repository.path());
    assert!(seen.is_told(&store::hex(&entries[0].0)), "{:?}", seen.skipped);
    assert_eq!(seen.objects.len(), 1);
}

/// The object that is called `n`: two letters that it shares with others, and its number.
fn numbered(n: u8) -> [u8; 3] {
    let [first, second] = if n < 5 { *b"ab" } else { *b"xy" };
    [first, second, b'0' + n]
}

fn name(n: u8) -> Vec<u8> {
    Hash::Sha1.name(3, &numbered(n))
}

/// One made of another by its last byte.
fn made_of(n: u8, base: u8) -> (Vec<u8>, Stored, Vec<u8>) {
    (name(n), Stored::OnObject(name(base)), vec![3, 3, 0x90, 2, 1, b'0' + n])
}

#[test]
fn bases_that_form_a_circle_are_told_and_what_breaks_it_is_read() {
    let repository = empty();
    // Each is made of the next, which is in the next pack.
    for (n, base) in [(1, 2), (2, 3), (3, 1)] {
        write_pack(repository.path(), &n.to_string(), &[made_of(n, base)], |_, at| at);
    }
    let seen = scan(repository.path());
    assert!(seen.objects.is_empty() && (1..4).all(|n| seen.is_told(&store::hex(&name(n)))), "{:?}", seen.skipped);
    let within = [made_of(5, 6), made_of(6, 5), made_of(7, 6), made_of(8, 8)];
    write_pack(repository.path(), "within", &within, |_, at| at);
    let seen = scan(repository.path());
    assert!((5..9).all(|n| seen.is_told(&store::hex(&name(n)))), "{:?}", seen.skipped);
    // The same object whole somewhere else: all that is made of it can be made.
    write_pack(repository.path(), "z", &[blob(&numbered(2))], |_, at| at);
    write_pack(repository.path(), "zz", &[blob(&numbered(5))], |_, at| at);
    let seen = scan(repository.path());
    for n in [1, 2, 3, 5, 6, 7] {
        assert_eq!(content(&seen, &store::hex(&name(n))).map(Vec::as_slice), Some(&numbered(n)[..]), "{n}");
    }
    assert!(seen.skipped.len() == 1 && seen.is_told(&store::hex(&name(8))), "{:?}", seen.skipped);
}

#[test]
fn a_base_that_the_index_does_not_know_is_read() {
    let repository = empty();
    let (first, mut pack) = (b"some base of others", store::Pack::new(Hash::Sha1));
    pack.add(&Stored::Whole(3), first);
    let middle = pack.len();
    pack.add(&Stored::OnOffset(middle - 12), &[19, 19, 0x90, 19]);
    let last = pack.len();
    pack.add(&Stored::OnOffset(last - middle), &[19, 4, 0x90, 4]);
    let (path, bytes) = (repository.path().join("objects/pack/pack-a.pack"), pack.finish());
    let objects = [(Hash::Sha1.name(3, b"some"), last)];
    fs::write(path.with_extension("idx"), store::index(&objects, &bytes, 2, Hash::Sha1)).unwrap();
    fs::write(path, bytes).unwrap();
    let seen = scan(repository.path());
    assert_eq!(content(&seen, &store::hex(&objects[0].0)).unwrap(), b"some");
    assert!(seen.skipped.len() == 1 && seen.skipped[0].why.contains("lists 1 of its 3"), "{:?}", seen.skipped);
}

#[test]
fn files_of_no_length_and_halves_of_pairs_are_told() {
    let repository = repository(3, "sha1");
    let pack = packs(repository.path()).remove(0);
    let whole = scan(repository.path());
    let at = |name: &str| repository.path().join("objects/pack").join(name);
    fs::write(at("pack-empty.pack"), "").unwrap();
    fs::write(at("pack-empty.idx"), "").unwrap();
    fs::write(at("pack-alone.pack"), "PACK").unwrap();
    fs::write(at("multi-pack-index"), "").unwrap();
    fs::copy(pack.with_extension("idx"), at("pack-needless.idx")).unwrap();
    let seen = scan(repository.path());
    assert!(seen.objects == whole.objects && seen.skipped.len() == 2, "{:?}", seen.skipped);
    assert!(seen.is_told("pack-empty.pack") && seen.is_told("pack-alone.pack"), "{:?}", seen.skipped);
    fs::remove_file(&pack).unwrap();
    let seen = scan(repository.path());
    assert!(seen.objects.is_empty() && seen.is_told("pack-needless.idx"), "{:?}", seen.skipped);
}

/// What would need a hundred gigabytes of index is not believed.
#[test]
fn an_index_of_four_billion_objects_is_refused() {
    let repository = repository(3, "sha1");
    let pack = packs(repository.path()).remove(0);
    damage(&pack.with_extension("idx"), |bytes| bytes[1028..1032].fill(0xff));
    let seen = scan(repository.path());
    assert!(seen.objects.is_empty() && seen.is_told("pack-"), "{:?}", seen.skipped);
    // The same with the length that it would have: there is nothing in all of that.
    let index = fs::File::options().write(true).open(pack.with_extension("idx")).unwrap();
    index.set_len(130 << 30).unwrap();
    let seen = scan(repository.path());
    assert!(seen.objects.is_empty() && seen.is_told("pack-"), "{:?}", seen.skipped);
}
