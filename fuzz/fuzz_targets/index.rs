//! Any bytes as git's index, in front of a small repository: as they come, and as one that git could have written with some of its bytes
//! changed, so that what is behind its header is reached. Nothing panics, and what is handed out are files of the repository.
#![no_main]

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::LazyLock;

use keysweep::blob::Blob;
use keysweep::provenance::Origin;
use keysweep::source::git::{Limits, Staged, Surroundings};
use keysweep::source::{Sink, Skipped, Source, Taken};
use libfuzzer_sys::fuzz_target;
use sha1::Digest;

const LIMITS: Limits = Limits { largest: 1 << 20, large: 64 << 10, held: 64 << 10, work: 64 << 20, told: 50 };

struct Repository {
    at: Surroundings,
    blob: Vec<u8>,
    tree: Vec<u8>,
}

/// A commit of the file `dir/a`, in memory where there is such a place.
static REPOSITORY: LazyLock<Repository> = LazyLock::new(|| {
    let shared = PathBuf::from("/dev/shm");
    let parent = if shared.is_dir() { shared } else { std::env::temp_dir() };
    let root = parent.join(format!("keysweep-fuzz-index-{}", std::process::id()));
    let git_dir = root.join(".git");
    fs::create_dir_all(git_dir.join("objects")).expect("there is room for a small repository");
    fs::create_dir_all(git_dir.join("refs")).expect("there is room for a small repository");
    let write = |kind: &str, content: &[u8]| {
        let whole = [format!("{kind} {}\0", content.len()).as_bytes(), content].concat();
        let id = sha1::Sha1::digest(&whole).to_vec();
        let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = git_dir.join("objects").join(&hex[..2]);
        fs::create_dir_all(&path).expect("there is room for an object");
        let mut file = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        file.write_all(&whole).expect("memory takes everything");
        fs::write(path.join(&hex[2..]), file.finish().expect("memory takes everything")).expect("there is room");
        (id, hex)
    };
    let (blob, _) = write("blob", b"text\n");
    let (inner, _) = write("tree", &[b"100644 a\0", &blob[..]].concat());
    let (tree, hex) = write("tree", &[b"40000 dir\0", &inner[..]].concat());
    let (_, head) = write("commit", format!("tree {hex}\n\nfirst\n").as_bytes());
    fs::write(git_dir.join("HEAD"), head).expect("there is room for an id");
    let (index, objects) = (git_dir.join("index"), vec![git_dir.join("objects")]);
    let at = Surroundings { common_dir: git_dir.clone(), git_dir, index, objects, work_tree: Some(root) };
    Repository { at, blob, tree }
});

/// An index with three entries, as the first byte says, and a cache of its trees.
fn written(choice: u8) -> Vec<u8> {
    let version = 2 + choice % 3;
    let mut out = [&b"DIRC\0\0\0"[..], &[version], &3u32.to_be_bytes()].concat();
    let mut last: &[u8] = b"";
    for path in [&b"b"[..], b"dir/a", b"dir/new"] {
        let start = out.len();
        out.extend([0; 24]);
        out.extend(0o100_644u32.to_be_bytes());
        out.extend([0; 12]);
        out.extend(&REPOSITORY.blob);
        let extended = if version > 2 && choice & 8 != 0 { 0x4000 } else { 0 };
        out.extend((extended | path.len() as u16).to_be_bytes());
        if extended != 0 {
            out.extend(u16::from(choice & 16 != 0).wrapping_mul(0x2000).to_be_bytes());
        }
        if version == 4 {
            out.push(last.len() as u8);
            out.extend([path, b"\0"].concat());
        } else {
            out.extend(path);
            let len = out.len() - start;
            out.resize(start + (len + 8 & !7), 0);
        }
        last = path;
    }
    let cache = [b"\x003 1\n", &REPOSITORY.tree[..], b"dir\x00-1 0\n"].concat();
    out.extend([&b"TREE"[..], &(cache.len() as u32).to_be_bytes(), &cache].concat());
    if choice & 32 != 0 {
        let bitmap = [0u32.to_be_bytes(), 0u32.to_be_bytes(), [0; 4]].concat();
        let link = [&[u8::from(choice & 64 != 0); 20][..], &bitmap, &bitmap].concat();
        out.extend([&b"link"[..], &(link.len() as u32).to_be_bytes(), &link].concat());
    }
    out.extend([0; 20]);
    out
}

struct Files;

impl Sink for Files {
    fn blob(&self, blob: Blob<'_>) -> Taken {
        assert!(matches!(blob.provenance.origin, Origin::Staged { .. }), "{}", blob.provenance);
        Taken::default()
    }

    fn skipped(&self, skipped: Skipped) {
        assert!(!skipped.what.is_empty() && !skipped.why.is_empty());
    }

    fn max_size(&self) -> Option<u64> {
        None
    }
}

fn scan(index: &[u8]) {
    fs::write(&REPOSITORY.at.index, index).expect("there is room for an index");
    match Staged::open("repository", &REPOSITORY.at, LIMITS) {
        Ok(staged) => staged.visit(&Files).expect("what was opened can be visited"),
        Err(error) => assert!(error.why.contains("index"), "{error}"),
    }
}

fuzz_target!(|data: &[u8]| {
    scan(data);
    let Some((choice, changes)) = data.split_first() else {
        return;
    };
    let mut index = written(*choice);
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % index.len();
        index[at] = change[2];
    }
    scan(&index);
});
