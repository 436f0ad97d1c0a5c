//! The object database: every pack and loose object of a repository and of its alternates, by id or all in turn.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bstr::ByteSlice;
use rayon::prelude::*;

use super::index::Index;
use super::known::Known;
use super::loose;
use super::pack::Pack;
use super::walk::{Found, MOST_HELD, Visitor, Walk};
use crate::blob::{Content, ObjectId};
use crate::source::Skipped;
use crate::source::tree::read_small;

mod read;

/// Objects that stand whole in a pack or loose and are larger than this are handed out as streams.
pub(super) const STREAM_ABOVE: u64 = 64 << 20;

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
    /// The number of each pack's first object, see [`Odb::number`].
    pack_starts: Vec<u32>,
    /// Sorted, each once; empty until [`Odb::list_loose`].
    loose: Vec<ObjectId>,
    /// What could not be opened.
    pub(super) skipped: Vec<Skipped>,
    /// See [`MOST_HELD`].
    pub(super) most_held: usize,
    /// Some pack says that objects it refers to were left at the server.
    pub(super) is_partial: bool,
}

impl Odb {
    /// Opens `objects` and the directories that it names as alternates. `name` is the repository as the user knows it.
    pub(super) fn open(objects: &Path, name: &str, hash_len: usize) -> Self {
        let mut odb = Self {
            name: name.to_owned(),
            hash_len,
            directories: Vec::new(),
            packs: Vec::new(),
            pack_starts: Vec::new(),
            loose: Vec::new(),
            skipped: Vec::new(),
            most_held: MOST_HELD,
            is_partial: false,
        };
        odb.add_directory(objects);
        let mut start = 0;
        for pack in &odb.packs {
            odb.pack_starts.push(start);
            start += pack.index().len() as u32;
        }
        odb
    }

    /// Adds a directory of objects, then its alternates; one that was seen already is left alone, so circles end.
    fn add_directory(&mut self, objects: &Path) {
        let mut waiting = vec![objects.to_owned()];
        while let Some(objects) = waiting.pop() {
            let objects = match objects.canonicalize() {
                Ok(found) => found,
                Err(error) => {
                    self.skip(&objects, format!("the object directory can't be opened: {error}"));
                    continue;
                }
            };
            if self.directories.contains(&objects) {
                continue;
            }
            self.directories.push(objects.clone());
            self.add_packs(&objects.join("pack"));
            waiting.extend(self.alternates(&objects));
        }
    }

    /// Finds out which loose objects there are, as all need that are to be numbered or visited: not those that are read by their ids.
    pub(super) fn list_loose(&mut self) {
        for objects in self.directories.clone() {
            let (ids, errors) = loose::list(&objects, self.hash_len);
            self.loose.extend(ids);
            for error in errors {
                self.skip(&objects, format!("listing its loose objects failed: {error}"));
            }
        }
        self.loose.sort_unstable();
        self.loose.dedup();
    }

    /// Paths in `info/alternates`, relative ones to the object directory itself.
    fn alternates(&mut self, objects: &Path) -> Vec<PathBuf> {
        let path = objects.join("info/alternates");
        match read_small(&path) {
            Ok(text) => text
                .lines()
                .filter(|line| !line.is_empty() && line[0] != b'#')
                .filter_map(|line| Some(objects.join(line.to_path().ok()?)))
                .collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                self.skip(&path, format!("reading which other object stores it borrows from failed: {error}"));
                Vec::new()
            }
        }
    }

    fn add_packs(&mut self, directory: &Path) {
        let listed = fs::read_dir(directory)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>());
        let mut paths = match listed {
            Ok(paths) => paths,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                return self.skip(directory, format!("listing the packs failed: {error}"));
            }
        };
        paths.sort();
        self.is_partial |= paths.iter().any(|path| path.extension().is_some_and(|end| end == "promisor"));
        for path in paths.iter().filter(|path| path.extension().is_some_and(|end| end == "pack")) {
            match Pack::open(path, self.hash_len) {
                Ok(pack) => {
                    if let Some(why) = pack.mismatch() {
                        self.skip(path, format!("{why}; `git index-pack` and `git fsck` tell more"));
                    }
                    self.packs.push(pack);
                }
                Err(error) => self.skip(path, format!("{error}; `git index-pack` and `git fsck` tell more")),
            }
        }
    }

    fn skip(&mut self, what: &Path, why: String) {
        self.skipped.push(Skipped::new(what.display().to_string(), why));
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
        let packed = self
            .packs
            .iter()
            .zip(&self.pack_starts)
            .find_map(|(pack, start)| Some(start + pack.index().find(raw_id)? as u32));
        packed.or_else(|| self.loose_number(raw_id))
    }

    /// The object of a number.
    pub(super) fn id(&self, number: u32) -> Option<ObjectId> {
        let pack = self.pack_starts.partition_point(|start| *start <= number).checked_sub(1);
        let packed = pack.and_then(|n| {
            let at = (number - self.pack_starts[n]) as usize;
            (at < self.packs[n].index().len()).then(|| self.packs[n].index().id(at))
        });
        packed.or_else(|| self.loose.get(number.checked_sub(self.packed_len())? as usize).copied())
    }

    fn loose_number(&self, raw_id: &[u8]) -> Option<u32> {
        let at = self.loose.binary_search_by(|id| id.as_bytes().cmp(raw_id)).ok()?;
        Some(self.packed_len() + at as u32)
    }

    fn packed_len(&self) -> u32 {
        self.packs.iter().map(|pack| pack.index().len() as u32).sum()
    }

    pub(super) fn contains(&self, id: ObjectId) -> bool {
        self.packed_at(id).is_some() || self.is_loose(id)
    }

    fn is_loose(&self, id: ObjectId) -> bool {
        self.directories.iter().any(|objects| loose::path(objects, id).exists())
    }

    /// Hands out every distinct object that is selected and of the kinds that the visitor wants, from the threads of the current pool:
    /// packs entry by entry with every delta right after its base, then loose objects.
    pub(super) fn visit(&self, selection: &Selection, visitor: &impl Visitor) {
        self.visit_packed(selection, visitor);
        self.visit_loose(selection, visitor);
    }

    /// Gets ready for many look-ups, if so much is selected that there will be many.
    pub(super) fn refine(&self, selection: &Selection) {
        if matches!(selection, Selection::All) {
            self.packs.iter().for_each(|pack| pack.index().refine());
        }
    }

    /// The selected objects that are in packs.
    pub(super) fn visit_packed(&self, selection: &Selection, visitor: &impl Visitor) {
        for (n, pack) in self.packs.iter().enumerate() {
            let positions = match selection {
                Selection::All => None,
                Selection::Some { packs, .. } if packs[n].is_empty() => continue,
                Selection::Some { packs, .. } => Some(packs[n].as_slice()),
            };
            let earlier = &self.packs[..n];
            let is_first = |raw_id: &[u8]| earlier.iter().all(|pack| pack.index().find(raw_id).is_none());
            if positions.is_none() {
                pack.read_ahead();
            }
            Walk::new(self, pack, self.pack_starts[n], positions, visitor).run(&is_first);
        }
    }

    /// The selected objects that are loose and in no pack.
    pub(super) fn visit_loose(&self, selection: &Selection, visitor: &impl Visitor) {
        let is_packed = |id: ObjectId| self.packs.iter().any(|pack| pack.index().find(id.as_bytes()).is_some());
        let ids: Vec<ObjectId> = match selection {
            Selection::All => self.loose.iter().copied().filter(|id| !is_packed(*id)).collect(),
            Selection::Some { loose, .. } => loose.iter().copied().filter(|id| !is_packed(*id)).collect(),
        };
        ids.par_iter().for_each(|id| self.visit_one_loose(*id, visitor));
    }

    /// Exactly these objects, as far as they are here.
    pub(super) fn selection(&self, ids: &[ObjectId]) -> Selection {
        let found = |pack: &Pack| {
            let positions = ids.iter().filter_map(|id| pack.index().find(id.as_bytes()));
            positions.map(|position| position as u32).collect::<BTreeSet<_>>().into_iter().collect()
        };
        let is_loose = |id: &&ObjectId| self.packed_at(**id).is_none() && self.is_loose(**id);
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
        self.packs.iter().map(|pack| (pack.index().pack_checksum(), pack.index().len()))
    }

    /// In order.
    pub(super) fn loose_ids(&self) -> impl Iterator<Item = ObjectId> + '_ {
        self.loose.iter().copied()
    }

    /// Entries of all packs and loose objects; what is there twice counts twice.
    pub(super) fn len(&self) -> usize {
        self.packed_len() as usize + self.loose.len()
    }

    fn visit_one_loose(&self, id: ObjectId, visitor: &impl Visitor) {
        let result = self.open_loose(id).and_then(|mut object| {
            if !visitor.wants(object.kind, object.size, id) {
                return Ok(());
            }
            let (kind, size) = (object.kind, object.size);
            let number = self.loose_number(id.as_bytes()).unwrap_or(u32::MAX);
            if size > STREAM_ABOVE {
                visitor.found(Found::alone(id, number, kind, Content::Stream(&mut object)));
                return Ok(());
            }
            let mut bytes = Vec::new();
            let whole = object.read_to_end(&mut bytes);
            // A truncated object is scanned as far as it goes.
            visitor.found(Found::alone(id, number, kind, Content::Bytes(&bytes)));
            whole.map(drop)
        });
        if let Err(error) = result {
            visitor.failed(id, &format!("reading the loose object failed: {error}; `git fsck` tells more"));
        }
    }

    fn open_loose(&self, id: ObjectId) -> io::Result<loose::LooseObject> {
        let is_elsewhere =
            |opened: &io::Result<_>| matches!(opened, Err(error) if error.kind() == io::ErrorKind::NotFound);
        let mut opened = self.directories.iter().map(|objects| loose::open(objects, id));
        opened.find(|opened| !is_elsewhere(opened)).unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
    }
}
