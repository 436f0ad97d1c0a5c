//! Object stores of any shape: packs, indexes, loose objects and a multi-pack-index that may be wrong in every way. Nothing panics,
//! nothing takes more memory than a scan within tight limits may, and what is found by way of deltas is what is found in the whole.
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use keysweep::blob::{Blob, Content, Lineage, ObjectId};
use keysweep::engine::Scanner;
use keysweep::engine::rule::RuleSet;
use keysweep::provenance::Origin;
use keysweep::source::git::{History, Limits, Revisions};
use keysweep::source::{Sink, Skipped, Source, Taken};
use libfuzzer_sys::fuzz_target;

use store::{Hash, Pack, Step, Stored};

#[path = "../../tests/packs/store.rs"]
mod store;

/// Tells how much memory is in use, and how much was at most.
struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn taken(bytes: usize) {
    let used = USED.fetch_add(bytes, Ordering::Relaxed) + bytes;
    MOST.fetch_max(used, Ordering::Relaxed);
}

// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

const THREADS: usize = 2;
const LIMITS: Limits = Limits { largest: 1 << 20, large: 64 << 10, held: 64 << 10, work: 64 << 20, told: 50 };
/// What a scan may hold at a time within those limits: what `Limits` says, and as much again for the sink, what it remembers of
/// objects and this file's own tables.
const BOUND: usize = 2 * ((64 << 10) + THREADS * 6 * (64 << 10) + 6 * (1 << 20)) + (8 << 20);

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new(RuleSet::builtin()));
static POOL: LazyLock<rayon::ThreadPool> =
    LazyLock::new(|| rayon::ThreadPoolBuilder::new().num_threads(THREADS).build().expect("threads can be started"));
/// In memory where there is such a place.
static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    let shared = PathBuf::from("/dev/shm");
    let parent = if shared.is_dir() { shared } else { std::env::temp_dir() };
    parent.join(format!("keysweep-fuzz-{}", std::process::id()))
});

/// The choices that the fuzzer makes, one after another; zeros when there are no more.
struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn below(&mut self, bound: usize) -> usize {
        let value = usize::from(self.byte()) << 8 | usize::from(self.byte());
        if bound == 0 { 0 } else { value % bound }
    }

    fn number(&mut self) -> u64 {
        let shift = u32::from(self.byte() % 64);
        u64::from(self.byte()) << shift
    }

    fn take(&mut self, most: usize) -> &'a [u8] {
        let len = usize::from(self.byte()) % (most + 1);
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

fn text(choices: &mut Choices<'_>) -> Vec<u8> {
    let pair = ["aws_access_key_id = AK", "IASP2TPHJSQH3FJRUX\nsecret=Vq1fZ8pTnW3sLk0yRb6/", "cXuEo9GdJh2+MtAiQ5Nv\n"].concat();
    match choices.byte() % 6 {
        0 => choices.take(40).to_vec(),
        1 => pair.into_bytes(),
        2 => pair.as_bytes()[choices.below(pair.len())..].to_vec(),
        3 => b"word and another word\n".repeat(choices.below(60)),
        4 => vec![choices.byte(); if choices.byte() == 0 { choices.below(70_000) } else { choices.below(2000) }],
        _ => [pair.as_bytes(), choices.take(20), pair.as_bytes()].concat(),
    }
}

/// An object as far as it is known to what is made of it.
struct Known {
    id: Vec<u8>,
    content: Vec<u8>,
    offset: u64,
}

fn steps(base: &[u8], choices: &mut Choices<'_>) -> Vec<Step> {
    let step = |choices: &mut Choices<'_>| match choices.byte() % 4 {
        0 => Step::Insert(text(choices)),
        1 => Step::Copy { from: 0, len: base.len() },
        _ => {
            let from = choices.below(base.len() + 1);
            Step::Copy { from, len: choices.below(base.len() - from + 1) }
        }
    };
    (0..choices.byte() % 8).map(|_| step(choices)).collect()
}

/// A tree or commit that speaks of what is known, or any bytes under that name.
fn content(kind: u8, known: &[Known], choices: &mut Choices<'_>) -> Vec<u8> {
    let id = |choices: &mut Choices<'_>| match known.get(choices.below(known.len() + 1)) {
        Some(known) => known.id.clone(),
        None => vec![choices.byte(); 20],
    };
    match kind {
        1 => format!("tree {}\nparent {}\n\n", store::hex(&id(choices)), store::hex(&id(choices))).into_bytes(),
        2 => (0..choices.byte() % 6)
            .flat_map(|n| {
                let mode: &[u8] = if choices.byte() % 2 == 0 { b"100644 " } else { b"40000 " };
                [mode, &[b'a' + n, 0], &id(choices)].concat()
            })
            .collect(),
        _ => text(choices),
    }
}

/// Adds an entry, right or wrong, and where it is.
fn entry(pack: &mut Pack, known: &mut Vec<Known>, choices: &mut Choices<'_>) {
    let at = pack.len();
    let kind = 1 + choices.byte() % 4;
    let how = choices.byte() % 16;
    let old = known.get(choices.below(known.len().max(1)));
    let (stored, content, data) = match old {
        Some(old) if how < 11 => {
            let steps = steps(&old.content, choices);
            let stored = if how % 2 == 0 && old.offset < at {
                Stored::OnOffset(at - old.offset)
            } else {
                Stored::OnObject(old.id.clone())
            };
            let made = store::applied(&old.content, &steps);
            let size = if how == 10 { choices.number() as usize } else { made.len() };
            let delta = store::delta(old.content.len(), size, &steps);
            (stored, made, delta)
        }
        Some(_) if how == 11 => (Stored::OnOffset(choices.number()), Vec::new(), choices.take(60).to_vec()),
        // What it is made of is itself, or what comes later.
        _ if how == 12 => (Stored::OnObject(vec![choices.byte() % 8; 20]), Vec::new(), vec![3, 3, 0x90, 3]),
        _ => {
            let content = content(kind, known, choices);
            (Stored::Whole(kind), content.clone(), content)
        }
    };
    if content.len() > 300_000 {
        return;
    }
    match choices.byte() {
        0 => pack.add_raw(&stored, choices.number(), &store::deflated(&data)),
        1 => pack.add_raw(&stored, data.len() as u64, choices.take(60)),
        _ => pack.add(&stored, &data),
    }
    let id = match choices.byte() {
        0 => vec![choices.byte() % 8; 20],
        1 => known.get(choices.below(known.len().max(1))).map_or(vec![1; 20], |old| old.id.clone()),
        _ => Hash::Sha1.name(kind, &content),
    };
    known.push(Known { id, content, offset: at });
}

/// Changes some bytes, or cuts some off.
fn corrupt(bytes: &mut Vec<u8>, choices: &mut Choices<'_>) {
    for _ in 0..choices.byte().saturating_sub(200) % 8 {
        let at = choices.below(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte = choices.byte();
        }
    }
    if choices.byte() == 255 {
        bytes.truncate(choices.below(bytes.len() + 1));
    }
}

/// One pack with its index, of which either may be missing.
fn write_pack(directory: &PathBuf, name: usize, known: &mut Vec<Known>, choices: &mut Choices<'_>) {
    let mut pack = Pack::new(Hash::Sha1);
    let before = known.len();
    for _ in 0..choices.byte() % 24 {
        entry(&mut pack, known, choices);
    }
    let mut bytes = pack.finish();
    let mut objects: Vec<(Vec<u8>, u64)> =
        known[before..].iter().map(|known| (known.id.clone(), known.offset)).collect();
    for object in &mut objects {
        match choices.byte() {
            0 => object.1 = choices.number(),
            1 => object.1 = choices.below(bytes.len()) as u64,
            2 => object.1 = 12,
            _ => {}
        }
    }
    if choices.byte() == 1 {
        objects.truncate(choices.below(objects.len() + 1));
    }
    let mut index = store::index(&objects, &bytes, if choices.byte() % 8 == 0 { 1 } else { 2 }, Hash::Sha1);
    corrupt(&mut bytes, choices);
    corrupt(&mut index, choices);
    let path = directory.join(format!("pack/pack-{name}.pack"));
    if choices.byte() != 255 {
        fs::write(path.with_extension("idx"), index).expect("there is room");
    }
    if choices.byte() != 255 {
        fs::write(path, bytes).expect("there is room");
    }
    // What other packs say by offset of what is here is wrong.
    known.iter_mut().for_each(|known| known.offset = u64::MAX);
}

fn write_loose(directory: &PathBuf, known: &[Known], choices: &mut Choices<'_>) {
    let Some(object) = known.get(choices.below(known.len().max(1))) else {
        return;
    };
    let mut bytes = store::loose(1 + choices.byte() % 4, &object.content);
    corrupt(&mut bytes, choices);
    let hex = store::hex(&object.id);
    fs::create_dir_all(directory.join(&hex[..2])).expect("there is room");
    fs::write(directory.join(&hex[..2]).join(&hex[2..]), bytes).expect("there is room");
}

/// Does what the sweep does, and looks whether marks lose anything.
#[derive(Default)]
struct Checker(Mutex<HashSet<ObjectId>>);

impl Sink for Checker {
    fn blob(&self, blob: Blob<'_>) -> Taken {
        let bytes = match blob.content {
            Content::Bytes(bytes) => bytes,
            Content::Seekable(_) => unreachable!("history has no files"),
            Content::Stream(stream) => {
                let _ = std::io::copy(&mut stream.take(1 << 24), &mut std::io::sink());
                return Taken { marks: None, is_clean: false };
            }
        };
        if let Origin::Object { id, .. } = blob.provenance.origin {
            self.0.lock().expect("no thread panics").insert(id);
        }
        let marks = match blob.lineage {
            Lineage::Alone => None,
            Lineage::First => SCANNER.marks(bytes),
            Lineage::Made { marks, copies } => SCANNER.inherited_marks(bytes, marks, copies),
        };
        if let Some(marks) = marks.as_ref().filter(|_| bytes.len() < 3000) {
            assert_eq!(SCANNER.scan_marked(bytes, marks), SCANNER.scan(bytes));
        }
        Taken { marks, is_clean: false }
    }

    fn skipped(&self, _skipped: Skipped) {}

    fn max_size(&self) -> Option<u64> {
        None
    }
}

fn scan(git_dir: &PathBuf) {
    let checker = Checker::default();
    let history = History::new("r", git_dir.clone(), git_dir.clone(), Revisions::All).within(LIMITS);
    if history.visit(&checker).is_ok() {
        let wanted = checker.0.lock().expect("no thread panics").clone();
        history.attribute(&wanted, &checker);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices(bytes);
    let objects = ROOT.join("objects");
    let _ = fs::remove_dir_all(&*ROOT);
    fs::create_dir_all(objects.join("pack")).expect("there is room");
    let mut known = Vec::new();
    for name in 0..1 + usize::from(choices.byte() % 3) {
        write_pack(&objects, name, &mut known, &mut choices);
    }
    for _ in 0..choices.byte() % 4 {
        write_loose(&objects, &known, &mut choices);
    }
    drop(known);
    LazyLock::force(&SCANNER);
    let before = USED.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    POOL.install(|| scan(&ROOT));
    let most = MOST.load(Ordering::Relaxed) - before;
    assert!(most < BOUND, "{most} bytes of memory were needed");
});
