//! The object database: every pack and loose object of a repository and of its alternates, by id or all in turn.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use self::late::Late;
pub(super) use self::read::Most;
use super::families::{Families, Former};
use super::index::Index;
use super::known::Known;
use super::limits::{Limits, PER_BYTE};
use super::listing::Listing;
use super::loose;
use super::midx::MultiPackIndex;
use super::numbers::Numbers;
use super::pack::{EntryError, Pack};
use super::told::Told;
use super::walk::{Check, Visitor, Walk};
use crate::blob::ObjectId;
use crate::source::{Sink, Skipped};

mod files;
mod late;
pub(super) mod read;

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
    /// For each pack.
    former: Vec<Former>,
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
    told: Told,
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
            former: Vec::new(),
            numbers: Numbers::default(),
            loose: listing.loose,
            late: Mutex::default(),
            halves: listing.orphans,
            skipped: listing.skipped,
            work: AtomicU64::new(limits.work),
            limits,
            told: Told::default(),
            is_partial: listing.is_partial,
        };
        // The largest first: of an object in several packs the first pack's is read, and that is cheap where most of its family is.
        let objects = |path: &PathBuf| opened.get(path)?.as_ref().ok().map(|pack| pack.index().len());
        listing.packs.sort_by_cached_key(|path| Reverse(objects(path)));
        for path in listing.packs {
            odb.add_pack(&path, opened.remove(&path).unwrap_or_else(|| Err(io::ErrorKind::NotFound.into())));
        }
        odb.former = odb.packs.iter().map(|_| Former::default()).collect();
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

    /// Tells of an object that can't be read, unless it was told of before or there are too many.
    pub(super) fn unread(&self, id: ObjectId, why: &str, sink: &dyn Sink) {
        if self.told.is_next(id, self.limits.told) {
            sink.skipped(Skipped::new(self.label(id), why));
        }
    }

    /// Tells how many objects can't be read in one place and were read from another.
    pub(super) fn tell_copies(&self, sink: &dyn Sink) {
        let copies = self.told.copies();
        if let Some(first) = copies.first() {
            let (count, name) = (copies.len(), &self.name);
            sink.note(format!(
                "{count} objects of {name} can't be read in one place and were read from another, {first} among them; \
                 `git fsck` tells more"
            ));
        }
    }

    /// Tells how many more objects can't be read than were told by their ids.
    pub(super) fn tell_others(&self, sink: &dyn Sink) {
        let others = self.told.others();
        if others > 0 {
            let why = "they can't be read either, and are too many to be told one by one; `git fsck` tells all";
            sink.skipped(Skipped::new(format!("{others} more objects of {}", self.name), why));
        }
    }

    /// A number for each object that can be read. The same object in two packs has the first one's.
    pub(super) fn number(&self, raw_id: &[u8]) -> Option<u32> {
        self.numbers.number(&self.packs, raw_id).or_else(|| self.loose_number(raw_id))
    }

    /// Gets ready to be asked for the numbers of these.
    pub(super) fn approach<'i>(&self, raw_ids: impl Iterator<Item = &'i [u8]> + Clone) {
        self.numbers.approach(&self.packs, raw_ids);
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
            let check = match positions {
                // Where an entry ends can't be told of some.
                Some(_) => Check::Names,
                None if !check => Check::Nothing,
                None if pack.index().has_checksums() => Check::Checksums,
                None => Check::Names,
            };
            let former = if check == Check::Nothing { self.former[n].take() } else { None };
            let families = former.unwrap_or_else(|| Families::of(pack, positions, check == Check::Checksums));
            let walk = Walk::new(self, pack, self.numbers.start(n), families, check, visitor);
            walk.run(&is_first);
            if positions.is_none() && check != Check::Nothing {
                self.former[n].put(walk.into_families());
            }
        }
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
