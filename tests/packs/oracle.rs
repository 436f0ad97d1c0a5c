//! Repositories of any shape against the slow way: every object expanded by itself and scanned whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use keysweep::blob::ObjectId;
use keysweep::source::git::Limits;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::damage::numbers;
use crate::git::{git, packs};
use crate::sink::{Found, SCANNER, collect, scan_within};
use crate::store::{self, Hash, Pack, Step, Stored};

const BLOB: u8 = 3;
const TAG: u8 = 4;

/// Whole words, credentials and what credentials are made of. They are put together here, so that no scanner flags this file.
fn pieces() -> Vec<Vec<u8>> {
    let id = ["AKIA", "SP2TPHJSQH3FJRUX"].concat();
    let other = ["ASIA", "Y34FZKBOKMUTVV7A"].concat();
    let secret = ["Vq1fZ8pTnW3sLk0yRb6/", "cXuEo9GdJh2+MtAiQ5Nv"].concat();
    let pair = format!("aws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
    let wide: Vec<u8> = pair.bytes().flat_map(|c| [c, 0]).collect();
    let spelled: String = pair.bytes().map(|c| format!("%{c:02x}")).collect();
    let texts =
        [&pair, &format!("{other}:{secret}"), &id, &secret, "aws_secret_access_key=", "AKIA", "\n\n", "\n", " ", "x"];
    let mut pieces: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    pieces.extend([wide, spelled.into_bytes(), b"word and another word\n".repeat(20), vec![0; 90]]);
    pieces
}

/// A piece or, as often, a part of one.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = (prop::sample::select(pieces()), any::<Index>(), any::<Index>(), any::<bool>());
    piece.prop_map(|(piece, a, b, whole)| {
        let (a, b) = (a.index(piece.len()), b.index(piece.len()));
        if whole { piece } else { piece[a.min(b)..=a.max(b)].to_vec() }
    })
}

/// One step of a delta, whatever its base will be.
#[derive(Clone, Debug)]
enum Edit {
    Copy(Index, Index),
    /// From this place on, as far as the base goes.
    CopyRest(Index),
    /// All but the given number of bytes at either end.
    CopyMost(usize, usize),
    Insert(Vec<u8>),
}

/// How an object came about.
#[derive(Clone, Debug)]
enum Origin {
    Whole { kind: u8, content: Vec<u8> },
    Made { base: Index, edits: Vec<Edit> },
}

/// Where a copy of an object stands.
#[derive(Clone, Debug)]
struct Place {
    directory: usize,
    /// Loose, if there is none.
    pack: Option<usize>,
    /// In order of this.
    order: u16,
    as_delta: bool,
    by_name: bool,
}

type Plan = (Origin, Vec<Place>);

const DIRECTORIES: usize = 3;
const PACKS: usize = 2;

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Edit::Copy(a, b)),
        any::<Index>().prop_map(Edit::CopyRest),
        (0..30usize, 0..30usize).prop_map(|(a, b)| Edit::CopyMost(a, b)),
        text().prop_map(Edit::Insert),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let content = || prop::collection::vec(text(), 0..6).prop_map(|pieces| pieces.concat());
    // More than one copy can hold.
    let long = (content(), content(), 0..64usize)
        .prop_map(|(a, b, more)| [&b"words ".repeat(10_900 + more), a.as_slice(), &b"more ".repeat(600), &b].concat());
    let kind = prop_oneof![9 => Just(BLOB), 1 => Just(TAG)];
    let whole = |content: BoxedStrategy<Vec<u8>>| {
        (kind.clone(), content).prop_map(|(kind, content)| Origin::Whole { kind, content })
    };
    let made = (any::<Index>(), prop::collection::vec(edit(), 0..6));
    let origin = prop_oneof![
        6 => whole(content().boxed()),
        1 => whole(long.boxed()),
        24 => made.prop_map(|(base, edits)| Origin::Made { base, edits }),
    ];
    let pack = prop_oneof![1 => Just(None), 6 => (0..PACKS).prop_map(Some)];
    let place = (0..DIRECTORIES, pack, any::<u16>(), prop::bool::weighted(0.9), any::<bool>())
        .prop_map(|(directory, pack, order, as_delta, by_name)| Place { directory, pack, order, as_delta, by_name });
    (origin, prop::collection::vec(place, 1..3))
}

/// An object with its content, and how it is made of another one.
pub(crate) struct Object {
    id: Vec<u8>,
    kind: u8,
    content: Vec<u8>,
    delta: Option<(usize, Vec<u8>)>,
    places: Vec<Place>,
}

impl Object {
    /// One in the first pack, as a delta if there is one.
    pub(crate) fn new(kind: u8, content: Vec<u8>, delta: Option<(usize, Vec<u8>)>) -> Self {
        let place = Place { directory: 0, pack: Some(0), order: 0, as_delta: true, by_name: false };
        Self { id: Hash::Sha1.name(kind, &content), kind, content, delta, places: vec![place] }
    }
}

fn steps(base: &[u8], edits: &[Edit]) -> Vec<Step> {
    let len = base.len();
    let mut steps = Vec::new();
    for edit in edits {
        let (from, to) = match edit {
            Edit::Insert(bytes) => {
                steps.push(Step::Insert(bytes.clone()));
                continue;
            }
            Edit::Copy(a, b) => (a.index(len + 1).min(b.index(len + 1)), a.index(len + 1).max(b.index(len + 1))),
            Edit::CopyRest(a) => (a.index(len + 1), len),
            Edit::CopyMost(a, b) => ((*a).min(len), len.saturating_sub(*b)),
        };
        if from < to {
            steps.push(Step::Copy { from, len: to - from });
        }
    }
    steps
}

fn objects(plans: &[Plan], hash: Hash) -> Vec<Object> {
    let mut objects: Vec<Object> = Vec::new();
    for (origin, places) in plans {
        let (kind, content, delta) = match origin {
            Origin::Made { base, edits } if !objects.is_empty() => {
                let base = base.index(objects.len());
                let Object { kind, content, .. } = &objects[base];
                let steps = steps(content, edits);
                let made = store::applied(content, &steps);
                (*kind, made.clone(), Some((base, store::delta(content.len(), made.len(), &steps))))
            }
            Origin::Made { .. } => (BLOB, Vec::new(), None),
            Origin::Whole { kind, content } => (*kind, content.clone(), None),
        };
        let id = hash.name(kind, &content);
        // One that has come about before would be made of what may be made of it.
        let delta = delta.filter(|_| objects.iter().all(|object| object.id != id));
        objects.push(Object { id, kind, content, delta, places: places.clone() });
    }
    objects
}

/// Writes an empty repository.
fn init(git_dir: &Path, hash: Hash) {
    fs::create_dir_all(git_dir.join("objects/pack")).unwrap();
    fs::create_dir_all(git_dir.join("objects/info")).unwrap();
    fs::create_dir_all(git_dir.join("refs")).unwrap();
    fs::write(git_dir.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    let (version, format) = match hash {
        Hash::Sha1 => (0, "sha1"),
        Hash::Sha256 => (1, "sha256"),
    };
    let config = format!(
        "[core]\n\trepositoryformatversion = {version}\n\tbare = true\n[extensions]\n\tobjectFormat = {format}\n"
    );
    fs::write(git_dir.join("config"), if version == 0 { "" } else { &config }).unwrap();
}

/// Writes one pack and its index.
fn write_pack(directory: &Path, objects: &[Object], mut places: Vec<(usize, Place)>, hash: Hash, version: u8) {
    places.sort_by_key(|(object, place)| (place.order, *object));
    let mut pack = Pack::new(hash);
    let mut offsets = BTreeMap::new();
    for (number, place) in &places {
        let object = &objects[*number];
        if offsets.contains_key(&object.id) {
            continue;
        }
        let at = pack.len();
        match object.delta.as_ref().filter(|(base, _)| place.as_delta && objects[*base].id != object.id) {
            None => pack.add(&Stored::Whole(object.kind), &object.content),
            Some((base, delta)) => {
                let base = &objects[*base].id;
                let stored = match offsets.get(base).filter(|_| !place.by_name) {
                    Some(offset) => Stored::OnOffset(at - offset),
                    None => Stored::OnObject(base.clone()),
                };
                pack.add(&stored, delta);
            }
        }
        offsets.insert(object.id.clone(), at);
    }
    let pack = pack.finish();
    let offsets: Vec<_> = offsets.into_iter().collect();
    let path = directory.join(format!("pack/pack-{}.pack", store::hex(&hash.of(&pack))));
    fs::write(path.with_extension("idx"), store::index(&offsets, &pack, version, hash)).unwrap();
    fs::write(path, pack).unwrap();
}

fn write_loose(directory: &Path, object: &Object) {
    let hex = store::hex(&object.id);
    fs::create_dir_all(directory.join(&hex[..2])).unwrap();
    fs::write(directory.join(&hex[..2]).join(&hex[2..]), store::loose(object.kind, &object.content)).unwrap();
}

/// Writes all of it; each directory borrows from the next.
fn write(root: &Path, objects: &[Object], hash: Hash) {
    for directory in 0..DIRECTORIES {
        let git_dir = root.join(directory.to_string());
        init(&git_dir, hash);
        let path = git_dir.join("objects");
        if directory + 1 < DIRECTORIES {
            fs::write(path.join("info/alternates"), format!("../../{}/objects\n", directory + 1)).unwrap();
        }
        let here = |pack: Option<usize>| -> Vec<(usize, Place)> {
            let numbered = objects.iter().enumerate();
            let places = numbered.flat_map(|(n, object)| object.places.iter().map(move |place| (n, place)));
            let here = places.filter(|(_, place)| place.directory == directory && place.pack == pack);
            here.map(|(n, place)| (n, place.clone())).collect()
        };
        here(None).iter().for_each(|(n, _)| write_loose(&path, &objects[*n]));
        for pack in 0..PACKS {
            let version = if hash == Hash::Sha1 && pack == 1 { 1 } else { 2 };
            write_pack(&path, objects, here(Some(pack)), hash, version);
        }
    }
}

/// Every object scanned by itself. Of a tag, headers and message are scanned apart.
fn expected(objects: &[Object]) -> (BTreeMap<ObjectId, Vec<u8>>, Found) {
    let (mut contents, mut found) = (BTreeMap::new(), Found::new());
    for object in objects {
        let id = ObjectId::from_bytes(&object.id).unwrap();
        let content = &object.content;
        if contents.insert(id, content.clone()).is_some() {
            continue;
        }
        let blank = content.windows(2).position(|pair| pair == b"\n\n").map_or(content.len(), |at| at + 2);
        let pieces = if object.kind == TAG { content.split_at(blank) } else { (&content[..], &b""[..]) };
        collect(id, SCANNER.scan(pieces.0), &mut found);
        collect(id, SCANNER.scan(pieces.1), &mut found);
    }
    (contents, found)
}

pub(crate) fn assert_exact(objects: &[Object], hash: Hash, limits: Limits) -> usize {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), objects, hash);
    let seen = scan_within(&root.path().join("0"), limits);
    let (contents, found) = expected(objects);
    assert_eq!(seen.skipped, []);
    assert!(seen.objects == contents, "objects are missing, read twice, or have other content");
    assert_eq!(seen.found, found);
    seen.inherited
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_deltas_objects_are_made_of_the_same_is_found_in_them(
        plans in prop::collection::vec(plan(), 1..40), wide in any::<bool>(), tight in any::<bool>()
    ) {
        let hash = if wide { Hash::Sha256 } else { Hash::Sha1 };
        let limits = if tight { Limits { large: 500, held: 0, ..Limits::default() } } else { Limits::default() };
        assert_exact(&objects(&plans, hash), hash, limits);
    }
}

/// A blob, and as many more as there are to be, each made of the one that `base` chooses. All are in one pack.
fn family(count: usize, by_name: bool, base: impl Fn(usize) -> usize) -> Vec<Object> {
    let (mut random, pieces) = (numbers(7), pieces());
    let place = |n: usize, random: &mut dyn FnMut(usize) -> usize| {
        let order = if by_name { random(u16::MAX.into()) } else { n } as u16;
        vec![Place { directory: 0, pack: Some(0), order, as_delta: true, by_name }]
    };
    let content = [&b"some words\n".repeat(8)[..], &pieces[0], &b"some words\n".repeat(3), &pieces[1]].concat();
    let id = Hash::Sha1.name(BLOB, &content);
    let mut objects = vec![Object { id, kind: BLOB, content, delta: None, places: place(0, &mut random) }];
    for n in 1..count {
        let base = base(n);
        let old = &objects[base].content;
        let (cut, gone) = (random(old.len()), random(12));
        let new = if random(6) == 0 { pieces[random(5)].clone() } else { format!(" {n} ").into_bytes() };
        let behind = (cut + gone).min(old.len());
        let rest = Step::Copy { from: behind, len: (old.len() - behind).min(400) };
        let steps = [Step::Copy { from: 0, len: cut }, Step::Insert(new), rest];
        let content = store::applied(old, &steps);
        let delta = Some((base, store::delta(old.len(), content.len(), &steps)));
        let id = Hash::Sha1.name(BLOB, &content);
        objects.push(Object { id, kind: BLOB, content, delta, places: place(n, &mut random) });
    }
    objects
}

#[test]
fn chains_of_thousands_are_read_whatever_the_order_of_their_entries() {
    for by_name in [false, true] {
        let inherited = assert_exact(&family(3000, by_name, |n| n - 1), Hash::Sha1, Limits::default());
        assert!(inherited > 2500, "{inherited}");
    }
}

#[test]
fn a_family_of_thousands_of_one_base_is_read() {
    assert_exact(&family(3000, true, |_| 0), Hash::Sha1, Limits::default());
}

#[test]
fn large_families_are_read_in_hardly_any_memory() {
    let limits = Limits { large: 400, held: 0, ..Limits::default() };
    assert_exact(&family(1000, false, |n| n / 2), Hash::Sha1, limits.clone());
    assert_exact(&family(1000, true, |n| n - 1 - (n - 1) % 7), Hash::Sha1, limits);
}

/// What git makes of the same files: that what is written here is what git means.
#[test]
fn git_reads_the_same_out_of_the_packs_that_are_written_here() {
    for by_name in [false, true] {
        let root = tempfile::tempdir().unwrap();
        let objects = family(200, by_name, |n| n - 1 - (n - 1) % 5);
        write(root.path(), &objects, Hash::Sha1);
        let git_dir = root.path().join("0");
        for pack in packs(&git_dir) {
            git(&git_dir, &["verify-pack", pack.to_str().unwrap()]);
        }
        let listed = git(&git_dir, &["cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objectsize)"]);
        let mut known: Vec<_> =
            objects.iter().map(|object| format!("{} {}", store::hex(&object.id), object.content.len())).collect();
        known.sort();
        known.dedup();
        assert_eq!(listed.lines().collect::<Vec<_>>(), known);
    }
}
