//! A part of history: the commits that a range names, and the blobs that they brought.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::Write;
use std::path::Path;

use bstr::ByteSlice;

use super::object::{self, Kind};
use super::odb::Odb;
use super::refs::Refs;
use crate::blob::ObjectId;
use crate::source::tree::read_small;
use crate::source::{Sink, Skipped};

/// The commits of `spec` (`A..B`, `A...B`, or one revision and all before it), as `gitrevisions(7)` has it.
///
/// libgit2 resolves them in a bare repository of our own, made of nothing but the names and the object store of the real one: so
/// neither a foreign owner nor an extension that it does not know is in the way, and no foreign configuration is obeyed.
///
/// # Errors
/// A sentence that says what is wrong with the range.
pub(super) fn commits(spec: &str, refs: &Refs, common_dir: &Path) -> Result<Vec<ObjectId>, String> {
    let stand_in = stand_in(refs, common_dir).map_err(|error| format!("making a copy of its refs failed: {error}"))?;
    resolve(spec, stand_in.path()).map_err(|error| match error.code() {
        git2::ErrorCode::NotFound => {
            format!("no such revision in `{spec}`; `git rev-parse` tells more")
        }
        _ => format!("the range `{spec}` can't be resolved: {}", error.message()),
    })
}

fn stand_in(refs: &Refs, common_dir: &Path) -> std::io::Result<tempfile::TempDir> {
    let dir = tempfile::tempdir()?;
    let at = |name: &str| dir.path().join(name);
    for name in ["refs", "objects/info"] {
        fs::create_dir_all(at(name))?;
    }
    let objects = common_dir.join("objects").canonicalize()?;
    fs::write(at("objects/info/alternates"), [objects.as_os_str().as_encoded_bytes(), b"\n"].concat())?;
    fs::write(at("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")?;
    let mut packed = fs::File::create(at("packed-refs"))?;
    writeln!(packed, "# pack-refs with: sorted")?;
    for (name, id) in refs.named.iter().filter(|(name, _)| name.starts_with(b"refs/")) {
        packed.write_all(format!("{id} ").as_bytes())?;
        packed.write_all(name)?;
        packed.write_all(b"\n")?;
    }
    let head = match (&refs.head_branch, refs.head) {
        (Some(branch), _) => format!("ref: {}\n", branch.to_str_lossy()),
        (None, Some(id)) => format!("{id}\n"),
        (None, None) => "ref: refs/heads/main\n".to_owned(),
    };
    fs::write(at("HEAD"), head)?;
    for name in ["FETCH_HEAD", "ORIG_HEAD", "MERGE_HEAD", "shallow"] {
        if let Ok(text) = read_small(&common_dir.join(name)) {
            fs::write(at(name), text)?;
        }
    }
    Ok(dir)
}

fn resolve(spec: &str, git_dir: &Path) -> Result<Vec<ObjectId>, git2::Error> {
    // `open_bare` would not know where a shallow clone was cut off.
    let repository = git2::Repository::open(git_dir)?;
    let mut walk = repository.revwalk()?;
    if spec.contains("..") {
        let range = repository.revparse(spec)?;
        let end = |object: Option<&git2::Object<'_>>| -> Result<git2::Oid, git2::Error> {
            let head = repository.revparse_single("HEAD");
            Ok(object.map_or(head, |object| Ok(object.clone()))?.peel_to_commit()?.id())
        };
        let (from, to) = (end(range.from())?, end(range.to())?);
        walk.push(to)?;
        if range.mode().contains(git2::RevparseMode::MERGE_BASE) {
            walk.push(from)?;
            for base in repository.merge_bases(from, to)?.iter() {
                walk.hide(*base)?;
            }
        } else {
            walk.hide(from)?;
        }
    } else {
        walk.push(repository.revparse_single(spec)?.peel_to_commit()?.id())?;
    }
    walk.map(|id| Ok(ObjectId::from_bytes(id?.as_bytes()).expect("libgit2 gives whole hashes"))).collect()
}

/// The blobs that stand in one of `commits` and at the same path in none of its parents, and how many of them are not there.
pub(super) fn introduced(odb: &Odb, commits: &[ObjectId], sink: &dyn Sink) -> BTreeSet<ObjectId> {
    let mut blobs = BTreeSet::new();
    for commit in commits {
        let Some(links) = read(odb, *commit, Kind::Commit, sink).and_then(|data| object::commit_links(&data)) else {
            continue;
        };
        let roots = links
            .parents
            .iter()
            // Beyond a shallow boundary there are no parents to compare with.
            .filter(|parent| odb.contains(**parent))
            .filter_map(|parent| object::commit_links(&read(odb, *parent, Kind::Commit, sink)?).map(|links| links.tree))
            .collect();
        let mut waiting: Vec<(ObjectId, Vec<ObjectId>)> = vec![(links.tree, roots)];
        while let Some((tree, old)) = waiting.pop() {
            compare(odb, tree, &old, sink, &mut blobs, &mut waiting);
        }
    }
    blobs
}

/// One tree against the trees at its path in the parents.
fn compare(
    odb: &Odb,
    tree: ObjectId,
    old: &[ObjectId],
    sink: &dyn Sink,
    blobs: &mut BTreeSet<ObjectId>,
    waiting: &mut Vec<(ObjectId, Vec<ObjectId>)>,
) {
    if old.contains(&tree) {
        return;
    }
    let old: Vec<Vec<u8>> = old.iter().filter_map(|id| read(odb, *id, Kind::Tree, sink)).collect();
    let mut before: HashMap<&[u8], Vec<&[u8]>> = HashMap::new();
    for entry in old.iter().flat_map(|data| object::tree_entries(data, odb.hash_len())) {
        before.entry(entry.name).or_default().push(entry.raw_id);
    }
    let data = read(odb, tree, Kind::Tree, sink).unwrap_or_default();
    for entry in object::tree_entries(&data, odb.hash_len()).filter(|entry| !entry.is_link) {
        let same_name = before.get(entry.name).map_or(&[][..], Vec::as_slice);
        if same_name.contains(&entry.raw_id) {
            continue;
        }
        let Some(id) = ObjectId::from_bytes(entry.raw_id) else {
            continue;
        };
        if entry.is_tree {
            // A file of the same name reads as an empty tree below.
            waiting.push((id, same_name.iter().filter_map(|raw| tree_id(odb, raw)).collect()));
        } else {
            blobs.insert(id);
        }
    }
}

/// The id, if it is a tree's.
fn tree_id(odb: &Odb, raw: &[u8]) -> Option<ObjectId> {
    let id = ObjectId::from_bytes(raw)?;
    matches!(odb.read(id), Ok(Some((Kind::Tree, _)))).then_some(id)
}

/// The content of an object that must be there; what is wrong with it is noted.
fn read(odb: &Odb, id: ObjectId, kind: Kind, sink: &dyn Sink) -> Option<Vec<u8>> {
    let why = match odb.read(id) {
        Ok(Some((found, data))) if found == kind => return Some(data),
        Ok(Some(_)) => "it is of another kind than expected; `git fsck` tells more".to_owned(),
        Ok(None) => "it is missing; `git fetch --refetch` or `git fsck` may help".to_owned(),
        Err(error) => format!("{error}; `git fsck` tells more"),
    };
    sink.skipped(Skipped::new(odb.label(id), why));
    None
}
