//! What earlier scans of a repository have left behind: which objects have nothing in them and need not be read again, and how
//! commits and trees lead to what was found. What was found is not written down: the objects that hit are scanned each time.
//!
//! A cache is good for exactly the rules and options that it was made with, and has a name by them, so that those of other rules stay
//! beside it. Anything about it that is not as it should be makes it useless as a whole, and the user is told.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use self::file::{Input, Output, Reader};
use super::graph::Links;
use super::object::CommitLinks;
use super::odb::{Odb, Selection};
use crate::blob::ObjectId;

mod file;

/// Where caches are kept, and what decides what a scan finds.
#[derive(Clone, Debug)]
pub struct Settings {
    directory: PathBuf,
    rules: [u8; 32],
    is_writable: bool,
}

/// A directory in which no cache can be kept.
#[derive(Debug, thiserror::Error)]
#[error(
    "keeping a cache in {directory} failed: {source}; name a directory that can be written, or one that can be made"
)]
pub struct DirectoryError {
    directory: String,
    source: io::Error,
}

impl Settings {
    /// Makes the directory if it is not there. `rules` is a digest of the program, its rules and all options that change what is found.
    /// The second value says that what is in the directory can be used and not brought up to date.
    ///
    /// # Errors
    /// When it can't be made, and when it can be neither written nor read.
    pub fn new(directory: PathBuf, rules: [u8; 32]) -> Result<(Self, Option<String>), DirectoryError> {
        let name = directory.display().to_string();
        let written = fs::create_dir_all(&directory).and_then(|()| tempfile::NamedTempFile::new_in(&directory));
        let (is_writable, note) = match written {
            Ok(_) => (true, None),
            Err(error) if is_closed(&error) && fs::read_dir(&directory).is_ok() => {
                let note =
                    format!("the cache in {name} can't be written: {error}; it is used and not brought up to date");
                (false, Some(note))
            }
            Err(source) => return Err(DirectoryError { directory: name, source }),
        };
        Ok((Self { directory, rules, is_writable }, note))
    }
}

/// Whether something is there and only not to be changed.
fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// What the names of caches end with.
const ENDING: &str = ".keysweep";
/// So many caches of a repository are kept beside the one that was written last.
const MOST_OTHERS: usize = 3;

/// The cache of one repository.
pub(super) struct Cache {
    path: PathBuf,
    /// What the names of all caches of the repository begin with.
    stem: String,
    rules: [u8; 32],
    is_writable: bool,
    hash_len: usize,
    /// Where the repository is cut off, as a digest.
    cuts: [u8; 32],
    former: Option<Former>,
}

/// What an earlier scan has left behind.
struct Former {
    head: Head,
    reader: Reader,
}

/// The first section.
struct Head {
    /// See [`all_objects`].
    objects: [u8; 32],
    /// Objects in which something was found or which could not be read to their end.
    unclean: Vec<ObjectId>,
    missing: u32,
}

/// What is to be read this time: without a cache everything.
pub(super) struct Plan {
    /// Everything that is not known to be clean.
    pub(super) selection: Selection,
    /// How many objects are.
    pub(super) known: u64,
    /// Not one object came or went.
    pub(super) is_same: bool,
    /// What was told of commits and trees still holds for the objects that were there then.
    pub(super) keeps_traces: bool,
}

/// How commits and trees lead to what was found: the third section.
#[derive(Default)]
pub(super) struct Traces {
    pub(super) links: Links,
    /// What commits, tags and trees speak of and was not there.
    pub(super) missing: HashSet<ObjectId>,
    /// For what is found in these blobs; `None` when the trees were not read.
    pub(super) trees: Option<TreeTraces>,
}

/// Which trees hold what was found, and which trees hold those. Their entries are read again: a name may be a secret itself.
#[derive(Default)]
pub(super) struct TreeTraces {
    pub(super) wanted: HashSet<ObjectId>,
    pub(super) trees: Vec<ObjectId>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { selection: Selection::All, known: 0, is_same: false, keeps_traces: false }
    }
}

impl Cache {
    /// The cache of the repository that is called `name`. The second value says why what was there is of no use.
    pub(super) fn open(
        settings: &Settings,
        name: &[u8],
        hash_len: usize,
        cuts: &HashSet<ObjectId>,
    ) -> (Self, Option<String>) {
        let Settings { rules, is_writable, .. } = *settings;
        let stem = hex(&Sha256::digest(name)[..16]);
        let path = settings.directory.join(format!("{stem}-{}{ENDING}", hex(&rules[..8])));
        let (former, problem) = match former(&path, rules, hash_len) {
            Ok(former) => (former, None),
            Err(error) => (None, Some(error)),
        };
        let cache = Self { path, stem, rules, is_writable, hash_len, cuts: digest_of(cuts), former };
        let note = problem.map(|error| cache.not_used(&error));
        (cache, note)
    }

    /// What is left to read. The second value says why what was there is of no use.
    pub(super) fn plan(&mut self, odb: &Odb) -> (Plan, Option<String>) {
        let Some(former) = &mut self.former else {
            return (Plan::default(), None);
        };
        if former.head.objects == all_objects(odb, self.cuts) {
            let selection = odb.selection(&former.head.unclean);
            let known = odb.len() as u64 - selection.len(odb) as u64;
            return (Plan { selection, known, is_same: true, keeps_traces: true }, None);
        }
        match former.reader.section(1) {
            Ok(known) => {
                let (selection, is_whole) = odb.unknown(&known);
                let count = odb.len() as u64 - selection.len(odb) as u64;
                let keeps_traces = is_whole && former.head.unclean.iter().all(|id| odb.contains(*id));
                (Plan { selection, known: count, is_same: false, keeps_traces }, None)
            }
            Err(error) => {
                self.former = None;
                (Plan::default(), Some(self.not_used(&error)))
            }
        }
    }

    /// Objects that had something in them, or could not be read, when they were last looked at.
    pub(super) fn unclean(&self) -> &[ObjectId] {
        self.former.as_ref().map_or(&[], |former| &former.head.unclean)
    }

    /// How many objects were missing.
    pub(super) fn missing(&self) -> usize {
        self.former.as_ref().map_or(0, |former| former.head.missing as usize)
    }

    /// What is known of commits and trees; nothing when there is no cache, that part of it is damaged, or the repository was cut off
    /// elsewhere.
    pub(super) fn traces(&mut self) -> Option<Traces> {
        let section = self.former.as_mut()?.reader.section(2).ok()?;
        let mut input = Input(&section);
        input.array().filter(|cuts| *cuts == self.cuts)?;
        Traces::read(&mut input, self.hash_len).filter(|_| input.0.is_empty())
    }

    fn not_used(&self, why: &io::Error) -> String {
        let then = if self.is_writable { "; it is made anew" } else { "" };
        format!("the cache {} is not used: {why}{then}", self.path.display())
    }

    /// Writes down what is known now, if it can be written.
    ///
    /// # Errors
    /// What writing gives.
    pub(super) fn save(&self, odb: &Odb, unclean: &[ObjectId], traces: &Traces) -> io::Result<()> {
        if !self.is_writable {
            return Ok(());
        }
        let mut head = Output::default();
        head.0.extend(self.rules);
        head.u32(self.hash_len as u32);
        head.0.extend(all_objects(odb, self.cuts));
        head.list(unclean.iter(), Output::id);
        head.u32(traces.missing.len() as u32);
        let unclean: HashSet<&[u8]> = unclean.iter().map(ObjectId::as_bytes).collect();
        let known = odb.sorted_ids(|id| !unclean.contains(id));
        let mut last = Output(self.cuts.to_vec());
        traces.write(&mut last);
        file::write(&self.path, [&head.0, &known, &last.0])?;
        self.remove_older();
        Ok(())
    }

    /// Removes caches of the repository for other rules that were written longest ago, so that a directory doesn't grow with every
    /// change of rules. One that is still there the next time is removed then.
    fn remove_older(&self) {
        let is_other = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(&self.stem) && name.ends_with(ENDING) && *path != self.path
        };
        let entries = self.path.parent().and_then(|directory| fs::read_dir(directory).ok()).into_iter().flatten();
        let others = entries.flatten().map(|entry| entry.path()).filter(is_other);
        let mut others: Vec<_> =
            others.filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path))).collect();
        others.sort_unstable();
        let old = others.len().saturating_sub(MOST_OTHERS);
        others[..old].iter().for_each(|(_, path)| drop(fs::remove_file(path)));
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads what was left behind; `None` if there is nothing, or nothing for these rules.
fn former(path: &Path, rules: [u8; 32], hash_len: usize) -> io::Result<Option<Former>> {
    let mut reader = match Reader::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        reader => reader?,
    };
    let section = reader.section(0)?;
    let mut input = Input(&section);
    let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    if input.array() != Some(rules) {
        return Err(bad("other rules, other options or another version of keysweep made it"));
    }
    if input.u32() != Some(hash_len as u32) {
        return Err(bad("it is that of a repository with other hashes"));
    }
    let head = (|| {
        let head =
            Head { objects: input.array()?, unclean: input.list(|input| input.id(hash_len))?, missing: input.u32()? };
        input.0.is_empty().then_some(head)
    })();
    Ok(Some(Former { head: head.ok_or_else(|| bad("it is damaged"))?, reader }))
}

fn digest_of(ids: &HashSet<ObjectId>) -> [u8; 32] {
    let mut ids: Vec<&ObjectId> = ids.iter().collect();
    ids.sort_unstable();
    let mut digest = Sha256::new();
    ids.iter().for_each(|id| digest.update(id.as_bytes()));
    digest.finalize().into()
}

/// A digest of which objects there are: of the checksum and size of each pack, and of the id of each loose object; and of what
/// decides which others should be there.
fn all_objects(odb: &Odb, cuts: [u8; 32]) -> [u8; 32] {
    let mut digest = Sha256::new_with_prefix(cuts);
    digest.update([u8::from(odb.is_partial)]);
    for (checksum, count) in odb.pack_names() {
        digest.update((count as u64).to_le_bytes());
        digest.update(checksum);
    }
    digest.update(b"loose");
    odb.loose_ids().for_each(|id| digest.update(id.as_bytes()));
    digest.finalize().into()
}

impl Traces {
    fn write(&self, output: &mut Output) {
        output.list(self.links.commits.iter(), |output, (id, links)| {
            output.id(id);
            output.id(&links.tree);
            output.i64(links.time);
            output.list(links.parents.iter(), Output::id);
        });
        output.list(self.links.tags.iter(), |output, (tag, target)| {
            output.id(tag);
            output.id(target);
        });
        output.list(self.missing.iter(), Output::id);
        output.u32(u32::from(self.trees.is_some()));
        let Some(trees) = &self.trees else {
            return;
        };
        output.list(trees.wanted.iter(), Output::id);
        output.list(trees.trees.iter(), Output::id);
    }

    fn read(input: &mut Input<'_>, hash_len: usize) -> Option<Self> {
        let id = |input: &mut Input<'_>| input.id(hash_len);
        let commits = input.list(|input| {
            let commit = id(input)?;
            let (tree, time) = (id(input)?, input.i64()?);
            Some((commit, CommitLinks { tree, parents: input.list(id)?, time }))
        })?;
        let tags = input.list(|input| Some((id(input)?, id(input)?)))?;
        let missing = input.list(id)?;
        let mut trees = None;
        if input.u32()? == 1 {
            let wanted = input.list(id)?;
            trees = Some(TreeTraces { wanted: wanted.into_iter().collect(), trees: input.list(id)? });
        }
        let links = Links { commits, tags: tags.into_iter().collect() };
        Some(Self { links, missing: missing.into_iter().collect(), trees })
    }
}
