//! The object database: every pack and loose object of a repository and of its alternates, by id or all in turn.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use self::late::Late;
pub(super) use self::read::Most;
use super::index::Index;
use super::known::Known;
use super::limits::{Limits, PER_BYTE};
use super::listing::Listing;
use super::loose;
use super::midx::MultiPackIndex;
use super::numbers::Numbers;
use super::object::Kind;
use super::pack::{EntryError, Pack};
use super::walk::{Found, Visitor, Walk};
use crate::blob::{Content, ObjectId};
use crate::source::Skipped;

mod late;
mod read;

/// Which objects are to be handed out.
pub(super) enum Selection {
    All,
    Some {
        /// For each pack the places in its index.
        packs: Vec<Vec<u32>>,
        loose: Vec<ObjectId>,
    },
}

impl Selection {
    /// What is selected here or there.
    pub(super) fn and(&self, other: Self) -> Self {
        let (Self::Some { packs, loose }, Self::Some { packs: more_packs, loose: more_loose }) = (self, other) else {
            return Self::All;
        };
        let joined = |(some, more): (&Vec<u32>, Vec<u32>)| {
            let all: BTreeSet<u32> = some.iter().copied().chain(more).collect();
            all.into_iter().collect()
        };
        let all_loose: BTreeSet<ObjectId> = loose.iter().copied().chain(more_loose).collect();
        Self::Some { packs: packs.iter().zip(more_packs).map(joined).collect(), loose: all_loose.into_iter().collect() }
    }

    /// How many there are; what is there twice counts twice.
    pub(super) fn len(&self, odb: &Odb) -> usize {
        match self {
            Self::All => odb.len(),
            Self::Some { packs, loose } => packs.iter().map(Vec::len).sum::<usize>() + loose.len(),
        }
    }
}

/// All object directories of one repository, opened.
pub(super) struct Odb {
    name: String,
    hash_len: usize,
    directories: Vec<PathBuf>,
    packs: Vec<Pack>,
    numbers: Numbers,
    /// Sorted, each once; none where they are not numbered or visited.
    loose: Vec<ObjectId>,
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

/// Packs that vanish before they are opened are looked for again, but not forever.
const MOST_ROUNDS: usize = 16;
/// What reading an entry costs at least, in bytes decoded.
const ENTRY: u64 = 4096;

impl Odb {
    /// Opens `objects` and the directories that these name as alternates. `name` is the repository as the user knows it. Loose objects
    /// are listed if they are to be visited or numbered.
    pub(super) fn open(objects: &[PathBuf], name: &str, hash_len: usize, loose_too: bool, limits: Limits) -> Self {
        let mut odb = Self::for_few(objects, name, hash_len, loose_too, limits);
        odb.numbers = Numbers::of(&odb.packs);
        odb
    }

    /// The same for who asks for few objects: nothing is made that only pays for many.
    pub(super) fn for_few(objects: &[PathBuf], name: &str, hash_len: usize, loose_too: bool, limits: Limits) -> Self {
        let mut opened = HashMap::new();
        let mut listing = Listing::of(objects, hash_len, loose_too);
        for _ in 0..MOST_ROUNDS {
            opened.retain(|path, pack: &mut io::Result<Pack>| pack.is_ok() && listing.packs.contains(path));
            for path in &listing.packs {
                opened.entry(path.clone()).or_insert_with(|| open_pack(path, hash_len));
            }
            if !opened.iter().any(|(path, pack)| pack.is_err() && !path.exists()) {
                break;
            }
            listing = Listing::of(objects, hash_len, loose_too);
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
        odb.numbers = Numbers::of_few(&odb.packs);
        odb
    }

    fn add_pack(&mut self, path: &Path, opened: io::Result<Pack>) {
        let numbered = self.loose.len() + self.packs.iter().map(|pack| pack.index().len()).sum::<usize>();
        match opened {
            Ok(pack) if pack.index().len() >= u32::MAX as usize - numbered => {
                let why = "with its objects there are more than four billion; scan the repository's packs apart";
                self.skipped.push(Skipped::new(path.display().to_string(), why));
            }
            Ok(pack) => {
                self.skipped.extend(pack.mismatch().map(|why| unread(path, &why)));
                *self.work.get_mut() += PER_BYTE * pack.len();
                self.packs.push(pack.numbered(self.packs.len()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.halves.push(path.to_owned()),
            Err(error) => self.skipped.push(unread(path, &error)),
        }
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

    /// The object of a number.
    pub(super) fn id(&self, number: u32) -> Option<ObjectId> {
        if number < self.numbers.len() {
            let (pack, position) = self.numbers.place(number);
            return Some(self.packs[pack].index().id(position));
        }
        self.loose.get((number - self.numbers.len()) as usize).copied()
    }

    /// Number of the first pack that holds an object, and the object's place in its index.
    fn packed_at(&self, id: ObjectId) -> Option<(usize, usize)> {
        Some(self.numbers.place(self.numbers.number(&self.packs, id.as_bytes())?))
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

    fn loose_number(&self, raw_id: &[u8]) -> Option<u32> {
        let at = self.loose.binary_search_by(|id| id.as_bytes().cmp(raw_id)).ok()?;
        Some(self.numbers.len() + at as u32)
    }

    pub(super) fn contains(&self, id: ObjectId) -> bool {
        self.packed_at(id).is_some() || self.loose.binary_search(&id).is_ok() || self.is_loose(id)
    }

    /// Whether an object can be read, also if it was put into a pack a moment ago.
    pub(super) fn is_here(&self, id: ObjectId) -> bool {
        self.contains(id) || self.late(id).is_some()
    }

    fn is_loose(&self, id: ObjectId) -> bool {
        self.directories.iter().any(|objects| loose::path(objects, id).exists())
    }

    /// Hands out every distinct object that is selected and of the kinds that the visitor wants, from the threads of the current pool:
    /// packs entry by entry with every delta right after its base, then loose objects.
    pub(super) fn visit(&self, selection: &Selection, visitor: &impl Visitor) {
        self.visit_packs(selection, true, visitor);
        self.visit_loose(selection, visitor);
    }

    /// Gets ready for many look-ups, if so much is selected that there will be many.
    pub(super) fn refine(&self, selection: &Selection) {
        if matches!(selection, Selection::All) {
            self.packs.iter().for_each(|pack| pack.index().refine());
        }
    }

    /// The selected objects that are in packs, without a look at checksums that were looked at before.
    pub(super) fn visit_packed(&self, selection: &Selection, visitor: &impl Visitor) {
        self.visit_packs(selection, false, visitor);
    }

    fn visit_packs(&self, selection: &Selection, check: bool, visitor: &impl Visitor) {
        for (n, pack) in self.packs.iter().enumerate() {
            let positions = match selection {
                Selection::All => None,
                Selection::Some { packs, .. } if packs[n].is_empty() => continue,
                Selection::Some { packs, .. } if packs[n].len() == pack.index().len() => None,
                Selection::Some { packs, .. } => Some(packs[n].as_slice()),
            };
            let number = |raw_id: &[u8]| self.numbers.number(&self.packs, raw_id);
            let is_first = |raw_id: &[u8]| n == 0 || number(raw_id).is_none_or(|own| own >= self.numbers.start(n));
            if positions.is_none() {
                pack.read_ahead();
            }
            // Where an entry ends can't be told of some.
            let check = check && positions.is_none();
            Walk::new(self, pack, self.numbers.start(n), positions, check, visitor).run(&is_first);
        }
    }

    /// The selected objects that are loose and in no pack.
    pub(super) fn visit_loose(&self, selection: &Selection, visitor: &impl Visitor) {
        let ids = match selection {
            Selection::All => &self.loose,
            Selection::Some { loose, .. } => loose,
        };
        ids.par_iter().filter(|id| self.packed_at(**id).is_none()).for_each(|id| {
            if let Err(error) = self.visit_one_loose(*id, visitor) {
                visitor.failed(*id, &format!("reading the loose object failed: {error}; `git fsck` tells more"));
            }
        });
    }

    /// Exactly these objects, as far as they are here.
    pub(super) fn selection(&self, ids: &[ObjectId]) -> Selection {
        let found = |pack: &Pack| {
            let positions = ids.iter().filter_map(|id| pack.index().find(id.as_bytes()));
            positions.map(|position| position as u32).collect::<BTreeSet<_>>().into_iter().collect()
        };
        let is_loose = |id: &&ObjectId| self.packed_at(**id).is_none() && self.is_here(**id);
        Selection::Some {
            packs: self.packs.iter().map(found).collect(),
            loose: ids.iter().filter(is_loose).copied().collect::<BTreeSet<_>>().into_iter().collect(),
        }
    }

    /// Everything but what stands among `known`, ids in order one after the other. The second value says whether all of those are here.
    pub(super) fn unknown(&self, known: &[u8]) -> (Selection, bool) {
        let mut known = Known::new(known, self.hash_len);
        let mut unknown = |index: &Index| {
            let positions = (0..index.len()).filter(|position| !known.contains(index.raw_id(*position)));
            positions.map(|position| position as u32).collect()
        };
        let packs = self.packs.iter().map(|pack| unknown(pack.index())).collect();
        let loose = self.loose_ids().filter(|id| !known.contains(id.as_bytes())).collect();
        (Selection::Some { packs, loose }, known.all_seen())
    }

    /// The ids of all objects that are asked for, in order, each once, one after the other.
    pub(super) fn sorted_ids(&self, is_asked_for: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let packed = self.packs.iter().flat_map(|pack| (0..pack.index().len()).map(|n| pack.index().raw_id(n)));
        let loose = self.loose.iter().map(ObjectId::as_bytes);
        let mut ids: Vec<&[u8]> = packed.chain(loose).filter(|id| is_asked_for(id)).collect();
        // Each pack's are in order already, which a stable sort makes use of.
        ids.sort();
        ids.dedup();
        ids.concat()
    }

    /// Checksum and number of objects of each pack.
    pub(super) fn pack_names(&self) -> impl Iterator<Item = (&[u8], usize)> {
        self.packs.iter().map(|pack| (pack.index().pack_checksum().unwrap_or(pack.checksum()), pack.index().len()))
    }

    /// In order.
    pub(super) fn loose_ids(&self) -> impl Iterator<Item = ObjectId> + '_ {
        self.loose.iter().copied()
    }

    /// Entries of all packs and loose objects; what is there twice counts twice.
    pub(super) fn len(&self) -> usize {
        self.numbers.len() as usize + self.loose.len()
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
        if let Some((kind, bytes)) = self.read_late(id) {
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
}

/// Everything up to the first error.
fn read_out(object: &mut loose::LooseObject) -> (Vec<u8>, io::Result<()>) {
    let mut bytes = Vec::new();
    let result = object.read_to_end(&mut bytes).map(drop);
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

fn unread(path: &Path, why: &dyn fmt::Display) -> Skipped {
    Skipped::new(path.display().to_string(), format!("{why}; `git index-pack` and `git fsck` tell more"))
}
