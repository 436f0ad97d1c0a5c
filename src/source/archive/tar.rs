//! Tape archives. Whatever has content is a member; directories, links and devices have none.

use std::cell::Cell;
use std::io::{self, Read};

use bstr::BString;
use tar::{Archive, Entry, EntryType};

use super::budget::Charge;
use super::{Expansion, HEAD, Kind, detect, failed};

/// Long names, extended attributes and maps of sparse files are held in memory: this many bytes of them for each member,
const HEADERS: u64 = 64 << 10;
/// and this many more all in all. The work on a map grows with its square, so one archive can't have many large ones.
const MORE_HEADERS: u64 = 1 << 20;

/// Hands out every member of a tar, or of several one after the other.
///
/// Where it is damaged, the next header is looked for, and that is told once.
pub(super) fn members(input: &mut dyn Read, expansion: &mut Expansion<'_, '_>) {
    let mut told = false;
    let mut tell = |expansion: &mut Expansion<'_, '_>, why: String| {
        if !std::mem::replace(&mut told, true) {
            expansion.problem(None, why);
        }
    };
    let more = Cell::new(MORE_HEADERS);
    let mut start = Some(Vec::new());
    while let Some(first) = start {
        if let Err(why) = one(&mut first.as_slice().chain(&mut *input), &more, expansion) {
            tell(expansion, why);
        }
        let skipped;
        (start, skipped) = next_start(&mut *input);
        if skipped {
            let why = "something that is no tar follows its end and was not read";
            tell(expansion, format!("{why}: cut it off and scan that"));
        }
    }
}

/// Hands out what one tar holds, up to the zeros that end it.
fn one(
    input: &mut dyn Read,
    more: &Cell<u64>,
    expansion: &mut Expansion<'_, '_>,
) -> Result<(), String> {
    let gauge = Gauge {
        position: Cell::new(0),
        limit: Cell::new(u64::MAX),
        data_end: Cell::new(0),
        more,
    };
    let mut archive = Archive::new(Gauged {
        input,
        gauge: &gauge,
    });
    let mut last = BString::from("its start");
    let broken = |last: &BString, error| failed(&format!("reading on from {last:?}"), &error);
    let mut entries = archive.entries().map_err(|error| broken(&last, error))?;
    while let Some(entry) = gauge.next_header(|| entries.next()) {
        let mut entry = entry.map_err(|error| broken(&last, error))?;
        gauge.next_data(stored(&entry));
        if !expansion.budget.admit() {
            break;
        }
        if !has_content(entry.header().entry_type()) {
            continue;
        }
        last = entry.path_bytes().into_owned().into();
        let (size, charge) = (entry.size(), charge(&entry));
        if let Some(fault) = expansion.member(&last, Some(size), &mut entry, charge) {
            return Err(broken(&last, fault));
        }
    }
    Ok(())
}

/// The next header, and whether anything but the zeros that fill up a tar was skipped on the way to it.
fn next_start(input: &mut dyn Read) -> (Option<Vec<u8>>, bool) {
    let mut skipped = false;
    loop {
        let mut block = Vec::with_capacity(HEAD);
        // What can't be read is the end; the layer below tells why.
        let _ = input.take(HEAD as u64).read_to_end(&mut block);
        if block.is_empty() {
            return (None, skipped);
        }
        if detect(&block) == Some(Kind::Tar) {
            return (Some(block), skipped);
        }
        skipped |= block.iter().any(|&byte| byte != 0);
    }
}

/// Kinds that POSIX does not name are to be taken for files.
fn has_content(kind: EntryType) -> bool {
    !matches!(
        kind,
        EntryType::Directory
            | EntryType::Link
            | EntryType::Symlink
            | EntryType::Char
            | EntryType::Block
            | EntryType::Fifo
            | EntryType::XGlobalHeader
    )
}

/// Bytes of the entry that stand in the tar: a sparse file's holes don't.
fn stored<R: Read>(entry: &Entry<'_, R>) -> u64 {
    if entry.header().entry_type().is_gnu_sparse() {
        entry.header().entry_size().unwrap_or(0)
    } else {
        entry.size()
    }
}

/// What stands in the tar was counted when the tar came out of something, if it did. The holes were not.
fn charge<R: Read>(entry: &Entry<'_, R>) -> Charge {
    if entry.header().entry_type().is_gnu_sparse() {
        Charge::Spend
    } else {
        Charge::Nothing
    }
}

/// Where in the tar reading stands, and how far it may go. The tar crate reads all that describes a member into memory.
struct Gauge<'a> {
    position: Cell<u64>,
    limit: Cell<u64>,
    /// Where the data of the last member ends.
    data_end: Cell<u64>,
    /// What is left of [`MORE_HEADERS`].
    more: &'a Cell<u64>,
}

impl Gauge<'_> {
    /// Reads what describes a member, and what is left of the data before it.
    fn next_header<T>(&self, read: impl FnOnce() -> T) -> T {
        let start = self.data_end.get();
        let limit = start.saturating_add(HEADERS + self.more.get());
        self.limit.set(limit);
        let read = read();
        self.limit.set(u64::MAX);
        let taken = self.position.get().saturating_sub(start);
        let more = self.more.get();
        self.more
            .set(more - taken.saturating_sub(HEADERS).min(more));
        read
    }

    /// Data of `size` bytes begins here; it is filled up to whole blocks.
    fn next_data(&self, size: u64) {
        let size = size.checked_next_multiple_of(512).unwrap_or(u64::MAX);
        self.data_end.set(self.position.get().saturating_add(size));
    }
}

struct Gauged<'a, R> {
    input: R,
    gauge: &'a Gauge<'a>,
}

impl<R: Read> Read for Gauged<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let position = self.gauge.position.get();
        let room = self.gauge.limit.get().saturating_sub(position);
        if room == 0 {
            return Err(io::Error::other(
                "the header of the next member is larger than any should be",
            ));
        }
        let room = usize::try_from(room).map_or(buffer.len(), |room| room.min(buffer.len()));
        let read = self.input.read(&mut buffer[..room])?;
        self.gauge.position.set(position + read as u64);
        Ok(read)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use tar::{Builder, Header};

    use super::super::tests::{COMPRESSORS, gz, noise, open, open_bytes, open_every_way, tar};
    use super::super::{Budget, Content};

    use super::*;

    const ENV: &[u8] = b"KEY=value\n";

    fn header(name: &[u8], kind: EntryType, size: u64) -> Header {
        let mut header = Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_cksum();
        header
    }

    /// A header and its data, filled up to whole blocks.
    fn entry(header: &Header, data: &[u8]) -> Vec<u8> {
        let mut entry = [header.as_bytes(), data].concat();
        entry.resize(entry.len().next_multiple_of(512), 0);
        entry
    }

    /// A megabyte that is a hole but for its last ten bytes, and a file behind it.
    pub(crate) fn sparse() -> Vec<u8> {
        let mut hole = header(b"disk.img", EntryType::GNUSparse, 10);
        let gnu = hole.as_gnu_mut().unwrap();
        gnu.set_real_size(1 << 20);
        gnu.sparse[0].set_offset((1 << 20) - 10);
        gnu.sparse[0].set_length(10);
        hole.set_cksum();
        let next = header(b"a", EntryType::Regular, 10);
        [entry(&hole, ENV), entry(&next, ENV), vec![0; 1024]].concat()
    }

    /// Names too long for a header, as GNU and as POSIX have them.
    pub(crate) fn long_names() -> Vec<u8> {
        let mut tar = Builder::new(Vec::new());
        let mut gnu = Header::new_gnu();
        gnu.set_size(10);
        tar.append_data(&mut gnu, "g".repeat(300), ENV).unwrap();
        let posix = "p".repeat(300);
        tar.append_pax_extensions([("path", posix.as_bytes())])
            .unwrap();
        tar.append(&header(b"short", EntryType::Regular, 10), ENV)
            .unwrap();
        tar.into_inner().unwrap()
    }

    #[test]
    fn files_are_members_and_the_rest_is_not() {
        let kinds = [
            (EntryType::Regular, true),
            (EntryType::Continuous, true),
            (EntryType::new(b'\0'), true),
            (EntryType::new(b'Z'), true),
            (EntryType::Directory, false),
            (EntryType::Symlink, false),
            (EntryType::Link, false),
            (EntryType::Fifo, false),
            (EntryType::Char, false),
            (EntryType::Block, false),
            (EntryType::XGlobalHeader, false),
        ];
        for (kind, is_member) in kinds {
            let last = header(b"last", EntryType::Regular, 10);
            let archive = [
                entry(&header(b"a", kind, 10), ENV),
                entry(&last, ENV),
                vec![0; 1024],
            ];
            for opened in open_every_way(&archive.concat()) {
                let opened = opened.whole();
                assert_eq!(opened.members.len(), 1 + usize::from(is_member), "{kind:?}");
                assert_eq!(opened.content(b"last"), ENV);
            }
        }
    }

    #[test]
    fn long_names_and_sparse_files_are_understood() {
        for opened in open_every_way(&long_names()) {
            let opened = opened.whole();
            assert_eq!(opened.names(), [[b'g'; 300], [b'p'; 300]]);
        }
        for opened in open_every_way(&sparse()) {
            let opened = opened.whole();
            let disk = opened.content(b"disk.img");
            assert_eq!(disk.len(), 1 << 20);
            assert!(disk.ends_with(ENV));
            assert_eq!(opened.content(b"a"), ENV);
        }
    }

    #[test]
    fn holes_are_counted() {
        let archive = sparse();
        let budget = Budget::of(1000, 10);
        let opened = open(b"x", Content::Bytes(&archive), Kind::Tar, &budget);
        assert_eq!(opened.bytes(), 1000);
        assert!(opened.problem().1.contains("zip bomb"));
    }

    #[test]
    fn names_are_kept_as_they_are() {
        let name = b"../\xff\xfe\x1b[31m\n.env";
        let archive = entry(&header(name, EntryType::Regular, 10), ENV);
        for opened in open_every_way(&archive) {
            assert_eq!(opened.whole().names(), [name]);
        }
    }

    #[test]
    fn a_compression_around_it_is_looked_through() {
        let archive = tar(&[("a/b.env", ENV), ("c", &noise(100_000))]);
        for compress in COMPRESSORS {
            for opened in open_every_way(&compress(&archive)) {
                assert_eq!(opened.whole().names(), [&b"a/b.env"[..], b"c"]);
            }
        }
        // Of two compressions only the inner one is.
        assert_eq!(
            open_bytes(&gz(&gz(&archive))).whole().names(),
            [&b"x!a/b.env"[..], b"x!c"]
        );
    }

    #[test]
    fn several_tars_in_a_row_are_all_read() {
        let (one, two) = (tar(&[("a", ENV)]), tar(&[("b", ENV)]));
        let filled = vec![0; 1 << 20];
        for opened in open_every_way(&[&one[..], &two, &filled, &one, &filled].concat()) {
            assert_eq!(opened.whole().names(), [b"a", b"b", b"a"]);
        }
    }

    #[test]
    fn what_follows_the_end_and_is_no_tar_is_told() {
        let archive = [&tar(&[("a", ENV)])[..], b"something else"].concat();
        for opened in open_every_way(&archive) {
            assert_eq!(opened.names(), [b"a"]);
            let (member, why) = opened.problem();
            assert_eq!(member, None);
            assert!(why.contains("follows its end"), "{why}");
        }
    }

    #[test]
    fn wherever_it_is_cut_off_that_is_told_once() {
        let archive = tar(&[("a", ENV), ("b", &noise(3000)), ("c", ENV)]);
        // Behind a member nothing tells that there was another.
        let (first, second) = (1024, 1024 + 512 + 3072);
        for end in (first + 1..second + 1024).filter(|&end| end != second) {
            for opened in open_every_way(&archive[..end]) {
                assert_eq!(opened.content(b"a"), ENV);
                assert_eq!(opened.problem().0, None, "cut at {end}");
            }
        }
    }

    #[test]
    fn a_size_that_lies_is_found_out() {
        for size in [5000, 1 << 40, (1 << 63) - 1, u64::MAX] {
            let archive = [
                entry(&header(b"a", EntryType::Regular, 10), ENV),
                entry(&header(b"b", EntryType::Regular, size), ENV),
            ];
            for opened in open_every_way(&archive.concat()) {
                assert_eq!(opened.content(b"a"), ENV);
                assert_eq!(opened.problem().0, None, "{size}");
            }
        }
    }

    #[test]
    fn behind_damaged_headers_the_next_is_found() {
        let mut archive = tar(&[("a", ENV), ("b", ENV), ("c", ENV), ("d", ENV), ("e", ENV)]);
        archive[1024] ^= 1;
        archive[3 * 1024] ^= 1;
        for opened in open_every_way(&archive) {
            assert_eq!(opened.names(), [b"a", b"c", b"e"]);
            let (member, why) = opened.problem();
            assert_eq!(member, None);
            assert!(why.contains("reading on from \"a\""), "{why}");
        }
    }

    #[test]
    fn what_describes_a_member_is_not_read_into_memory_without_end() {
        let file = entry(&header(b"a", EntryType::Regular, 10), ENV);
        let described = |len: usize| {
            let name = header(b"././@LongLink", EntryType::GNULongName, len as u64);
            [entry(&name, &vec![b'n'; len]), file.clone()].concat()
        };
        for opened in open_every_way(&described(1 << 20)) {
            assert_eq!(opened.whole().content(&vec![b'n'; 1 << 20]), ENV);
        }
        // Many of the usual size are nothing special, but a second large one is.
        let usual = described(60_000).repeat(30);
        assert_eq!(open_bytes(&usual).whole().members.len(), 30);
        for archive in [described(2 << 20), described(1 << 20).repeat(2)] {
            for opened in open_every_way(&archive) {
                assert!(opened.problem().1.contains("larger than any should be"));
            }
        }
    }
}
