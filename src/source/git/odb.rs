//! The object database: every pack and loose object of a repository and of its alternates, by id or all in turn.
//!
//! Which files there are is `listing`'s business, how one object is read out of them `reading`'s.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::index::Index;
use super::limits::{Limits, PER_BYTE};
use super::listing::{self, Listing};
use super::loose::{self, LooseObject};
use super::midx::MultiPackIndex;
use super::numbers::Numbers;
use super::object::Kind;
use super::pack::{EntryError, Pack};
use super::reading::Most;
use super::walk::{Found, Visitor, Walk};
use crate::blob::{Content, ObjectId};
use crate::source::Skipped;

/// All object directories of one repository, opened.
pub(super) struct Odb {
    name: String,
    hash_len: usize,
    pub(super) directories: Vec<PathBuf>,
    pub(super) packs: Vec<Pack>,
    numbers: Numbers,
    /// Sorted by id, each once.
    loose: Vec<ObjectId>,
    /// Packs that came after the others were opened.
    late: Mutex<Late>,
    /// Packs without an index and indexes without a pack: git may be about to write what they lack, or to remove the rest.
    halves: Vec<PathBuf>,
    /// What could not be opened.
    pub(super) skipped: Vec<Skipped>,
    pub(super) limits: Limits,
    /// Bytes that may still be decoded.
    work: AtomicU64,
    /// Some pack says that objects it refers to were left at the server.
    pub(super) is_partial: bool,
}

#[derive(Default)]
struct Late {
    packs: Vec<Arc<Pack>>,
    /// How often there was nothing new.
    in_vain: usize,
}

/// Packs are not listed again after it was in vain so often.
const MOST_IN_VAIN: usize = 16;
/// Packs that vanish before they are opened are looked for again, but not forever.
const MOST_ROUNDS: usize = 16;
/// What reading an entry costs at least, in bytes decoded.
const ENTRY: u64 = 4096;

impl Odb {
    /// Opens `objects` and the directories that it names as alternates. `name` is the repository as the user knows it.
    pub(super) fn open(objects: &Path, name: &str, hash_len: usize, limits: Limits) -> Self {
        let mut opened = HashMap::new();
        let mut listing = Listing::of(objects, hash_len);
        for _ in 0..MOST_ROUNDS {
            opened.retain(|path, pack: &mut io::Result<Pack>| pack.is_ok() && listing.packs.contains(path));
            for path in &listing.packs {
                opened.entry(path.clone()).or_insert_with(|| open_pack(path, hash_len));
            }
            if !opened.iter().any(|(path, pack)| pack.is_err() && !path.exists()) {
                break;
            }
            listing = Listing::of(objects, hash_len);
        }
        let mut odb = Self {
            name: name.to_owned(),
            hash_len,
            directories: listing.directories,
            packs: Vec::new(),
            numbers: Numbers::default(),
            loose: listing.loose,
            late: Mutex::default(),
            halves: listing.orphans,
            skipped: listing.skipped,
            work: AtomicU64::new(limits.work),
            limits,
            is_partial: listing.is_partial,
        };
        for path in listing.packs {
            odb.add_pack(&path, opened.remove(&path).unwrap_or_else(|| Err(io::ErrorKind::NotFound.into())));
        }
        odb.numbers = Numbers::of(&odb.packs);
        odb
    }

    fn add_pack(&mut self, path: &Path, opened: io::Result<Pack>) {
        let room =
            u32::MAX as usize - self.loose.len() - self.packs.iter().map(|pack| pack.index().len()).sum::<usize>();
        match opened {
            Ok(pack) if pack.index().len() >= room => {
                let why = "with its objects there are more than four billion; scan the repository's packs apart";
                self.skipped.push(Skipped::new(path.display().to_string(), why));
            }
            Ok(pack) => {
                let mismatch = pack.mismatch().map(|why| unread(path, &why));
                self.skipped.extend(mismatch);
                *self.work.get_mut() += PER_BYTE * pack.len();
                self.packs.push(pack);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.halves.push(path.to_owned()),
            Err(error) => self.skipped.push(unread(path, &error)),
        }
    }

    /// Half pairs of pack and index that have stayed so since they were listed, as far as something is lost with them. To be asked for
    /// when all else was read.
    pub(super) fn halves(&self) -> Vec<Skipped> {
        let of = |path: &PathBuf| {
            let index = path.with_extension("idx");
            let is_whole = index.exists() && path.with_extension("pack").exists();
            match Index::open(&index, self.hash_len) {
                _ if !path.exists() => None,
                Err(error) => Some(unread(path, &error)),
                Ok(index) => {
                    let lost = (0..index.len()).filter(|position| !self.contains(index.id(*position))).count();
                    let came = "came with it while others were read; scan again";
                    let gone = "are not here: the pack that it belongs to is gone; `git fsck` tells more";
                    let why = format!("{lost} objects {}", if is_whole { came } else { gone });
                    (lost > 0).then(|| Skipped::new(path.display().to_string(), why))
                }
            }
        };
        self.halves.iter().filter_map(of).collect()
    }

    pub(super) fn hash_len(&self) -> usize {
        self.hash_len
    }

    /// How an object is named to a person.
    pub(super) fn label(&self, id: ObjectId) -> String {
        format!("object {id} of {}", self.name)
    }

    /// A number for each object that can be read. The same object in two packs has the first one's.
    pub(super) fn number(&self, raw_id: &[u8]) -> Option<u32> {
        self.numbers.number(&self.packs, raw_id).or_else(|| self.loose_number(raw_id))
    }

    fn loose_number(&self, raw_id: &[u8]) -> Option<u32> {
        let at = self.loose.binary_search_by(|id| id.as_bytes().cmp(raw_id)).ok()?;
        Some(self.numbers.len() + at as u32)
    }

    pub(super) fn contains(&self, id: ObjectId) -> bool {
        self.number(id.as_bytes()).is_some()
    }

    /// The first pack that holds an object, and its position there.
    pub(super) fn place(&self, id: ObjectId) -> Option<(&Pack, usize)> {
        let (pack, position) = self.numbers.place(self.numbers.number(&self.packs, id.as_bytes())?);
        Some((&self.packs[pack], position))
    }

    /// Counts work that is about to be done.
    ///
    /// # Errors
    /// When there has been too much of it.
    pub(super) fn spend(&self, bytes: u64) -> Result<(), EntryError> {
        let rest = |left: u64| left.checked_sub(bytes.max(ENTRY));
        let spent = self.work.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
        spent.map(drop).map_err(|_| EntryError::TooMuch)
    }

    /// Hands out every distinct object of the kinds that the visitor wants, from the threads of the current pool: packs entry
    /// by entry with every delta right after its base, then loose objects.
    pub(super) fn visit(&self, visitor: &impl Visitor) {
        self.visit_packs(true, visitor);
        self.visit_loose(visitor);
    }

    /// The objects in packs, without a look at what was looked at before.
    pub(super) fn visit_packed(&self, visitor: &impl Visitor) {
        self.visit_packs(false, visitor);
    }

    fn visit_packs(&self, check: bool, visitor: &impl Visitor) {
        for (n, pack) in self.packs.iter().enumerate() {
            let number_of = |raw_id: &[u8]| self.numbers.number(&self.packs, raw_id);
            let is_first =
                |raw_id: &[u8]| n == 0 || number_of(raw_id).is_none_or(|number| number >= self.numbers.start(n));
            Walk::new(self, pack, self.numbers.start(n), None, check, visitor).run(&is_first);
        }
    }

    /// The objects that are loose and in no pack.
    pub(super) fn visit_loose(&self, visitor: &impl Visitor) {
        let is_packed = |id: &ObjectId| self.numbers.number(&self.packs, id.as_bytes()).is_some();
        self.loose.par_iter().filter(|id| !is_packed(id)).for_each(|id| {
            if let Err(error) = self.visit_one_loose(*id, visitor) {
                visitor.failed(*id, &format!("reading the loose object failed: {error}; `git fsck` tells more"));
            }
        });
    }

    fn visit_one_loose(&self, id: ObjectId, visitor: &impl Visitor) -> io::Result<()> {
        let number = self.loose_number(id.as_bytes()).unwrap_or(u32::MAX);
        let mut problem = None;
        let mut partly = None;
        for objects in &self.directories {
            let read = loose::open(objects, id).and_then(|mut object| {
                let (kind, size) = (object.kind, object.size);
                if !visitor.wants(kind, size, id) {
                    return Ok(());
                }
                if size > self.limits.largest || kind == Kind::Blob && size > self.limits.large {
                    visitor.found(Found::alone(id, number, kind, Content::Stream(&mut object)));
                    return Ok(());
                }
                let (bytes, result) = read_out(&mut object);
                match result {
                    Ok(()) => drop(visitor.found(Found::alone(id, number, kind, Content::Bytes(&bytes)))),
                    Err(_) => partly = Some((kind, bytes)),
                }
                result
            });
            match read {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => problem = Some(error),
            }
        }
        // It may have gone into a pack since it was listed.
        if let Ok(Some((kind, bytes))) = self.read_late(id, Most::largest(&self.limits), 0) {
            if visitor.wants(kind, bytes.len() as u64, id) {
                visitor.found(Found::alone(id, number, kind, Content::Bytes(&bytes)));
            }
            return Ok(());
        }
        if let Some((kind, bytes)) = partly {
            // A truncated object is scanned as far as it goes.
            visitor.found(Found::alone(id, number, kind, Content::Bytes(&bytes)));
        }
        let gone = "it was removed after it was listed; scan again while nothing else works on the repository";
        Err(problem.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, gone)))
    }

    /// A pack that holds an object and was not there when the others were opened, and where in it.
    pub(super) fn late(&self, id: ObjectId) -> Option<(Arc<Pack>, u64)> {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let found = late.packs.iter().find_map(|pack| Some((pack.clone(), pack.find(id)?)));
            if found.is_some() || late.in_vain >= MOST_IN_VAIN {
                return found;
            }
            let new: Vec<_> = self.new_packs(&late).map(Arc::new).collect();
            late.in_vain += usize::from(new.is_empty());
            if new.is_empty() {
                return None;
            }
            late.packs.extend(new);
        }
    }

    /// Packs that can be opened and are not yet.
    fn new_packs(&self, late: &Late) -> impl Iterator<Item = Pack> {
        let known = self.packs.iter().chain(late.packs.iter().map(Arc::as_ref)).map(Pack::path);
        let known: std::collections::HashSet<_> = known.collect();
        let listed =
            self.directories.iter().flat_map(|objects| listing::packs(&objects.join("pack")).unwrap_or_default());
        let new: Vec<_> = listed.filter(|path| !known.contains(path.as_path())).collect();
        new.into_iter().filter_map(|path| open_pack(&path, self.hash_len).ok())
    }

    /// Whether an object has come since all was listed.
    pub(super) fn has_come(&self, id: ObjectId) -> bool {
        self.late(id).is_some() || self.directories.iter().any(|objects| loose::open(objects, id).is_ok())
    }
}

/// Everything up to the first error.
fn read_out(object: &mut LooseObject) -> (Vec<u8>, io::Result<()>) {
    let mut bytes = Vec::new();
    let result = io::Read::read_to_end(object, &mut bytes).map(drop);
    (bytes, result)
}

/// Where a pack's own index can't be read, the one of all packs serves.
fn open_pack(path: &Path, hash_len: usize) -> io::Result<Pack> {
    Pack::open(path, hash_len).or_else(|error| {
        let all = path.parent().map(|packs| MultiPackIndex::open(packs, hash_len));
        let name = path.with_extension("idx");
        let index = all.and_then(|all| all.ok()?.index(name.file_name()?.as_encoded_bytes()));
        index.map_or(Err(error), |index| Pack::with_index(path, index, hash_len))
    })
}

fn unread(path: &Path, why: &dyn std::fmt::Display) -> Skipped {
    Skipped::new(path.display().to_string(), format!("{why}; `git index-pack` and `git fsck` tell more"))
}
