//! Zips: by their central directory where there is a sound one, else in the order in which they were written.

use std::fmt::Display;
use std::io::{self, BufRead, Read};

use bstr::BStr;
use flate2::CrcReader;
use flate2::bufread::DeflateDecoder;
use zip::read::{OwnedZipFileEntry, ZipFile, read_zipfile_from_stream_with_options};
use zip::result::{ZipError, ZipResult};
use zip::unstable::read::ZipIterable;
use zip::{CompressionMethod, ZipReadOptions};

use super::budget::Charge;
use super::{Expansion, MAX_WINDOW, failed};
use crate::blob::ReadSeek;

/// Hands out every member that the central directory lists, also several of one name. Without a sound directory the archive is
/// read in order.
pub(super) fn by_directory(archive: &mut dyn ReadSeek, expansion: &mut Expansion<'_, '_>) {
    let size = archive.seek(io::SeekFrom::End(0)).unwrap_or(0);
    let unsound = match open(archive) {
        Ok(zip) => return listed(zip, size, expansion),
        Err(error) => error,
    };
    let read = archive
        .rewind()
        .map_err(|error| failed("reading it", &error))
        .and_then(|()| in_order(&mut io::BufReader::new(archive), expansion));
    let members = match read {
        Ok(()) => "its members were scanned in the order in which they stand".to_owned(),
        Err(why) => why,
    };
    expansion.problem(
        None,
        format!("its central directory cannot be used ({unsound}): {members}"),
    );
}

/// A zip whose directory was read from beginning to end once, so that nothing is handed out before it is known to be sound.
fn open(archive: &mut dyn ReadSeek) -> ZipResult<ZipIterable<&mut dyn ReadSeek>> {
    let mut zip = ZipIterable::try_new(archive, zip::read::Config::default())?;
    let entries = zip.files()?;
    for entry in entries.by_ref() {
        entry?;
    }
    let mut next = [0; 4];
    match entries.reader_mut().read_exact(&mut next) {
        Ok(()) if next == *b"PK\x01\x02" => Err(ZipError::InvalidArchive(
            "it lists more members than it counts".into(),
        )),
        _ => Ok(zip),
    }
}

/// Hands out what a sound directory lists.
fn listed(mut zip: ZipIterable<&mut dyn ReadSeek>, size: u64, expansion: &mut Expansion<'_, '_>) {
    let entries = match zip.files() {
        Ok(entries) => entries,
        Err(error) => return expansion.problem(None, failed("reading it", &error)),
    };
    while let Some(entry) = entries.next() {
        let entry = match entry {
            // Owned, the library would read what is left of a member when done with it, uncounted and again for each of
            // several entries that share data.
            Ok(entry) => OwnedZipFileEntry::from(entry),
            Err(error) => return expansion.problem(None, failed("reading it", &error)),
        };
        // Data that many entries share is decoded many times.
        expansion.budget.spend(entry.compressed_size().min(size));
        if !expansion.budget.admit() {
            return;
        }
        let name = entry.name_raw();
        match entry.as_ref().with_reader(entries.reader_mut(), options()) {
            Ok(mut file) => {
                if let Err(why) = member(name, &mut file, expansion) {
                    expansion.problem(Some(name), why);
                }
            }
            Err(error) => expansion.problem(Some(name), failed("reading it", &error)),
        }
    }
}

/// Hands out every member from the first to the last, without looking at the central directory behind them.
///
/// # Errors
/// Where it breaks off, and why.
pub(super) fn in_order(
    input: &mut impl BufRead,
    expansion: &mut Expansion<'_, '_>,
) -> Result<(), String> {
    let mut name = b"its start".to_vec();
    let broken = |name: &[u8], why: &dyn Display| {
        failed(&format!("reading on from {:?}", BStr::new(name)), why)
    };
    loop {
        let next = read_zipfile_from_stream_with_options(input, options());
        let Some(mut file) = next.map_err(|error| broken(&name, &error))? else {
            return Ok(());
        };
        if !expansion.budget.admit() {
            return Ok(());
        }
        name = file.name_raw().to_vec();
        if file.flags().is_using_data_descriptor() {
            let header = Header::of(&file);
            drop(file);
            unmeasured(&header, input, expansion).map_err(|why| broken(&name, &why))?;
            continue;
        }
        let read = member(&name, &mut file, expansion);
        // Skips what is left of it.
        drop(file);
        if let Err(why) = read {
            if input.fill_buf().map_or(true, <[u8]>::is_empty) {
                // It is cut off here, which is told once.
                return Err(format!("{:?}: {why}", BStr::new(&name)));
            }
            expansion.problem(Some(&name), why);
        }
    }
}

/// Encrypted members are let through, to be named and passed over. A length that is told only behind the data is taken for
/// nothing, so that the library reads the header and leaves the data.
fn options() -> ZipReadOptions<'static> {
    ZipReadOptions::new()
        .ignore_encryption_flag(true)
        .override_compressed_size(0)
}

/// Hands out a member whose length is known.
///
/// # Errors
/// Why it can't be read or not to its end.
fn member<R: Read>(
    name: &[u8],
    file: &mut ZipFile<'_, R>,
    expansion: &mut Expansion<'_, '_>,
) -> Result<(), String> {
    let size = file.size();
    if file.is_dir() && size == 0 {
        return Ok(());
    }
    if file.encrypted() {
        return Err("it is encrypted: unpack it with its password and scan that".to_owned());
    }
    // The library sets no limit to the dictionary, but that grows no larger than what is decoded.
    let lzma = matches!(
        file.compression(),
        CompressionMethod::Lzma | CompressionMethod::Xz
    );
    if lzma && size > MAX_WINDOW {
        return Err(super::too_much_memory());
    }
    match expansion.member(name, Some(size), file, Charge::Spend) {
        Some(fault) => Err(failed("reading it", &fault)),
        None => Ok(()),
    }
}

/// What is known of a member ahead of data whose length is told only behind it.
struct Header {
    name: Vec<u8>,
    is_dir: bool,
    /// Compressed in a way that tells its own end.
    ends_itself: bool,
    zip64: bool,
}

impl Header {
    fn of<R: Read>(file: &ZipFile<'_, R>) -> Self {
        Self {
            name: file.name_raw().to_vec(),
            is_dir: file.is_dir(),
            ends_itself: file.compression() == CompressionMethod::Deflated && !file.encrypted(),
            // In a local header this is the version needed to extract (APPNOTE 4.4.3.2).
            zip64: file.version_made_by() >= (4, 5),
        }
    }
}

/// Hands out a member whose length is told only behind it.
///
/// # Errors
/// When there is no telling where the next member begins.
fn unmeasured(
    header: &Header,
    input: &mut impl BufRead,
    expansion: &mut Expansion<'_, '_>,
) -> Result<(), String> {
    if !header.ends_itself {
        return Err("its length is told only behind it: scan the archive as a file".to_owned());
    }
    let mut body = CrcReader::new(DeflateDecoder::new(&mut *input));
    let mut fault = None;
    if !header.is_dir {
        fault = expansion.member(&header.name, None, &mut body, Charge::Spend);
    }
    if let Some(fault) = fault.or_else(|| expansion.skip(&mut body)) {
        return Err(fault.to_string());
    }
    let (crc, decoder) = (body.crc().sum(), body.get_ref());
    let (taken, given) = (decoder.total_in(), decoder.total_out());
    let told = descriptor(input, taken, given, header.zip64).map_err(|error| error.to_string())?;
    if header.is_dir && given > 0 {
        let why = "it has the name of a directory and holds data: scan the archive as a file";
        expansion.problem(Some(&header.name), why);
    }
    if told != crc {
        expansion.problem(Some(&header.name), "what was scanned fails its checksum");
    }
    Ok(())
}

/// Reads the data descriptor behind a member (APPNOTE 4.3.9): its checksum.
///
/// Its signature is optional, and that its sizes have eight bytes in place of four is told nowhere but in the central directory.
fn descriptor(input: &mut impl Read, taken: u64, given: u64, zip64: bool) -> io::Result<u32> {
    let mut word = || {
        let mut bytes = [0; 4];
        input.read_exact(&mut bytes)?;
        io::Result::Ok(u32::from_le_bytes(bytes))
    };
    let mut crc = word()?;
    if crc == u32::from_le_bytes(*b"PK\x07\x08") {
        crc = word()?;
    }
    word()?;
    let second = word()?;
    let wide = taken.max(given) > u64::from(u32::MAX)
        || u64::from(second) != given
        || (given == 0 && zip64);
    if wide {
        word()?;
        word()?;
    }
    Ok(crc)
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{Cursor, Write};

    use zip::ZipWriter;
    use zip::unstable::write::FileOptionsExt;
    use zip::write::SimpleFileOptions;

    use super::super::tests::{Trickle, noise, open, open_bytes, open_every_way, zip, zip_with};
    use super::super::{Budget, Content, Kind};
    use super::*;

    const ENV: &[u8] = b"KEY=value\n";

    /// A zip as it is written to a pipe: lengths are told behind the data.
    pub(crate) fn streamed(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new_stream(Vec::new());
        for (name, content) in members {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    /// Replaces every occurrence of some bytes by as many others.
    fn patched(mut archive: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
        assert_eq!(from.len(), to.len());
        let places = memchr::memmem::find_iter(&archive, from).collect::<Vec<_>>();
        assert!(!places.is_empty());
        for place in places {
            archive[place..place + to.len()].copy_from_slice(to);
        }
        archive
    }

    /// Where the central directory begins.
    fn directory(archive: &[u8]) -> usize {
        memchr::memmem::find(archive, b"PK\x01\x02").unwrap()
    }

    /// Overwrites a field in the headers of the first member, both in front of it and in the directory.
    fn with_field(mut archive: Vec<u8>, local: usize, field: &[u8]) -> Vec<u8> {
        // A header in the directory has two more bytes ahead of the fields that both have.
        for place in [local, directory(&archive) + local + 2] {
            archive[place..place + field.len()].copy_from_slice(field);
        }
        archive
    }
    const METHOD: usize = 8;
    const UNCOMPRESSED_SIZE: usize = 22;

    #[test]
    fn every_method_is_read_in_every_way() {
        for method in [
            CompressionMethod::Stored,
            CompressionMethod::Deflated,
            CompressionMethod::Bzip2,
            CompressionMethod::Zstd,
            CompressionMethod::Xz,
        ] {
            let long = noise(200_000);
            let archive = zip_with(method, &[("a/b.env", ENV), ("long", &long)]);
            for opened in open_every_way(&archive) {
                let opened = opened.whole();
                assert_eq!(opened.content(b"a/b.env"), ENV, "{method}");
                assert_eq!(opened.content(b"long"), long, "{method}");
            }
        }
    }

    #[test]
    fn members_whose_length_is_told_behind_them_are_read_from_a_stream() {
        let long = noise(200_000);
        let archive = streamed(&[("a", ENV), ("empty", b""), ("long", &long), ("b", ENV)]);
        for opened in open_every_way(&archive) {
            let opened = opened.whole();
            assert_eq!(opened.names(), [&b"a"[..], b"empty", b"long", b"b"]);
            assert_eq!(opened.content(b"long"), long);
        }
    }

    #[test]
    fn every_form_of_data_descriptor_is_known() {
        let forms: [(&[u32], bool); 5] = [
            (&[0x0807_4b50, 1, 20, 30], false),
            (&[1, 20, 30], false),
            (&[0x0807_4b50, 1, 20, 0, 30, 0], false),
            (&[1, 20, 0, 30, 0], false),
            (&[1, 20, 0, 30, 0], true),
        ];
        for (words, zip64) in forms {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let mut input = &bytes[..];
            assert_eq!(descriptor(&mut input, 20, 30, zip64).unwrap(), 1);
            assert!(input.is_empty(), "{words:?}");
        }
        let nothing: Vec<u8> = [1, 2, 0, 0, 0].map(u32::to_le_bytes).concat();
        for (zip64, left) in [(false, 8), (true, 0)] {
            let mut input = &nothing[..];
            descriptor(&mut input, 2, 0, zip64).unwrap();
            assert_eq!(input.len(), left);
        }
    }

    #[test]
    fn a_stored_member_whose_length_is_told_behind_it_takes_the_directory() {
        let mut zip = ZipWriter::new_stream(Vec::new());
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        zip.start_file("a", stored).unwrap();
        zip.write_all(ENV).unwrap();
        let archive = zip.finish().unwrap().into_inner();
        let [bytes, seekable, stream] = open_every_way(&archive);
        assert_eq!(bytes.whole().content(b"a"), ENV);
        assert_eq!(seekable.whole().content(b"a"), ENV);
        let (member, why) = stream.problem();
        assert_eq!(member, None);
        assert!(why.contains("scan the archive as a file"), "{why}");
    }

    #[test]
    fn names_are_kept_as_they_are() {
        let name = b"\xff\xfe\x1b[31m\x00.env";
        let archive = zip(&[("0123456789012", ENV), ("../../etc/passwd", ENV)]);
        let archive = patched(
            archive,
            b"0123456789012",
            &[&name[..], b"__"].concat()[..13],
        );
        for opened in open_every_way(&archive) {
            let names: Vec<Vec<u8>> = opened.members.iter().map(|m| m.0.clone()).collect();
            assert!(names[0].starts_with(&name[..11]), "{names:?}");
            assert_eq!(names[1], b"../../etc/passwd");
        }
    }

    #[test]
    fn several_members_of_one_name_are_all_read() {
        let archive = patched(
            zip(&[("a.env", ENV), ("b.env", b"second")]),
            b"b.env",
            b"a.env",
        );
        for opened in open_every_way(&archive) {
            assert_eq!(opened.whole().bytes(), ENV.len() + 6);
        }
    }

    #[test]
    fn directories_are_no_members_but_what_hides_under_such_a_name_is() {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default();
        zip.add_directory("dir/", options).unwrap();
        zip.start_file("dir/hidden_", options).unwrap();
        zip.write_all(ENV).unwrap();
        let archive = patched(zip.finish().unwrap().into_inner(), b"hidden_", b"hidden/");
        for opened in open_every_way(&archive) {
            assert_eq!(opened.whole().names(), [b"dir/hidden/"]);
        }
    }

    #[test]
    fn in_a_stream_what_hides_under_the_name_of_a_directory_is_told() {
        let archive = streamed(&[("dir_", b""), ("hidden_", ENV), ("a", ENV)]);
        let archive = patched(patched(archive, b"dir_", b"dir/"), b"hidden_", b"hidden/");
        let [bytes, seekable, stream] = open_every_way(&archive);
        assert_eq!(bytes.whole().names(), [&b"hidden/"[..], b"a"]);
        assert_eq!(seekable.whole().names(), [&b"hidden/"[..], b"a"]);
        assert_eq!(stream.names(), [b"a"]);
        assert_eq!(stream.problem().0, Some(&b"hidden/"[..]));
    }

    #[test]
    fn an_encrypted_member_is_a_problem_and_the_others_are_read() {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let plain = SimpleFileOptions::default();
        let encrypted = plain.with_deprecated_encryption(b"password").unwrap();
        for (name, options) in [("a", plain), ("b", encrypted), ("c", plain)] {
            zip.start_file(name, options).unwrap();
            zip.write_all(ENV).unwrap();
        }
        let mut archive = zip.finish().unwrap().into_inner();
        // The library tells the length behind it, 24 bytes; as most others do, tell it ahead, with the 16 that told it.
        let second = memchr::memmem::rfind(&archive[..directory(&archive)], b"PK\x03\x04");
        let second = memchr::memmem::rfind(&archive[..second.unwrap()], b"PK\x03\x04").unwrap();
        archive[second + 6] = 1;
        archive[second + 18] = 24 + 16;
        for opened in open_every_way(&archive) {
            assert_eq!(opened.names(), [b"a", b"c"]);
            let (member, why) = opened.problem();
            assert_eq!(member, Some(&b"b"[..]));
            assert!(why.contains("encrypted"), "{why}");
        }
    }

    #[test]
    fn an_unknown_method_is_a_problem_and_the_others_are_read() {
        let archive = with_field(zip(&[("a", ENV), ("b", ENV)]), METHOD, &[98, 0]);
        for opened in open_every_way(&archive) {
            assert_eq!(opened.content(b"b"), ENV);
            let (member, why) = opened.problem();
            assert_eq!(member, Some(&b"a"[..]));
            assert!(why.contains("not supported"), "{why}");
        }
    }

    #[test]
    fn a_damaged_member_is_a_problem_and_the_others_are_read() {
        let content = noise(5000);
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            let mut archive = zip_with(method, &[("a", &content), ("b", ENV)]);
            archive[4000] ^= 0x55;
            for opened in open_every_way(&archive) {
                assert_eq!(opened.content(b"b"), ENV);
                assert_eq!(opened.problem().0, Some(&b"a"[..]));
                assert!(opened.content(b"a").len() > 3500);
            }
        }
        let mut archive = streamed(&[("a", &content), ("b", ENV)]);
        archive[4000] ^= 0x55;
        for opened in open_every_way(&archive) {
            assert_eq!(opened.problem().0, Some(&b"a"[..]));
            assert_eq!(opened.content(b"b"), ENV);
        }
    }

    #[test]
    fn lzma_that_may_take_much_memory_is_not_begun() {
        for method in [14_u16, 95] {
            let archive = zip(&[("a", ENV), ("b", ENV)]);
            let archive = with_field(archive, METHOD, &method.to_le_bytes());
            let archive = with_field(archive, UNCOMPRESSED_SIZE, &(1_u32 << 31).to_le_bytes());
            for opened in open_every_way(&archive) {
                assert_eq!(opened.names(), [b"b"]);
                let (member, why) = opened.problem();
                assert_eq!(member, Some(&b"a"[..]));
                assert!(why.contains("128 MiB"), "{why}");
            }
        }
    }

    #[test]
    fn sizes_that_lie_are_found_out() {
        let content = noise(5000);
        for (lie, least) in [(0_u32, 0), (1000, 500), (6000, 5000), (u32::MAX - 1, 5000)] {
            let archive = zip(&[("a", &content), ("b", ENV)]);
            let archive = with_field(archive, UNCOMPRESSED_SIZE, &lie.to_le_bytes());
            for opened in open_every_way(&archive) {
                assert_eq!(opened.content(b"b"), ENV);
                let read = opened.content(b"a");
                assert!(content.starts_with(read) && read.len() >= least, "{lie}");
                assert_eq!(opened.problems.len(), usize::from(lie < 5000), "{lie}");
            }
        }
    }

    #[test]
    fn without_its_directory_it_is_read_in_order() {
        for archive in [
            zip(&[("a", ENV), ("b", &noise(5000))]),
            streamed(&[("a", ENV), ("b", &noise(5000))]),
        ] {
            for opened in open_every_way(&archive[..directory(&archive)]) {
                assert_eq!(opened.content(b"a"), ENV);
                assert_eq!(opened.content(b"b").len(), 5000);
                assert_eq!(opened.problem().0, None);
            }
        }
    }

    #[test]
    fn a_directory_that_is_damaged_is_not_followed_half_way() {
        let archive = zip(&[("a", ENV), ("b", ENV), ("c", ENV)]);
        let mut damaged = archive.clone();
        let second = directory(&archive) + 46 + 1;
        assert!(damaged[second..].starts_with(b"PK\x01\x02"));
        damaged[second] = b'X';
        let mut miscounted = archive.clone();
        let counts = archive.len() - 22 + 8;
        miscounted[counts..counts + 4].copy_from_slice(&[2, 0, 2, 0]);
        for archive in [damaged, miscounted] {
            let opened = open_bytes(&archive);
            assert_eq!(opened.names(), [b"a", b"b", b"c"]);
            let (member, why) = opened.problem();
            assert_eq!(member, None);
            assert!(
                why.starts_with("its central directory cannot be used"),
                "{why}"
            );
        }
    }

    #[test]
    fn wherever_it_is_cut_off_that_is_told_once() {
        for archive in [
            zip(&[("a", ENV), ("b", &noise(500)), ("c", ENV)]),
            zip_with(CompressionMethod::Stored, &[("a", ENV), ("b", &noise(500))]),
            streamed(&[("a", ENV), ("b", &noise(500)), ("c", ENV)]),
        ] {
            for end in 80..directory(&archive) {
                for opened in open_every_way(&archive[..end]) {
                    assert_eq!(opened.content(b"a"), ENV);
                    assert_eq!(opened.problem().0, None, "cut at {end}");
                }
            }
        }
    }

    #[test]
    fn entries_that_share_their_data_are_read_within_the_budget() {
        let archive = zip(&[("a", &vec![0; 1 << 20])]);
        let (data, rest) = archive.split_at(directory(&archive));
        let (entry, end) = rest.split_at(rest.len() - 22);
        let mut end = end.to_vec();
        end[8..10].copy_from_slice(&1000_u16.to_le_bytes());
        end[10..12].copy_from_slice(&1000_u16.to_le_bytes());
        end[12..16].copy_from_slice(&(1000 * entry.len() as u32).to_le_bytes());
        let archive = [data, &entry.repeat(1000), &end].concat();
        let budget = Budget::of(10 << 20, 10_000);
        let opened = open(b"x", Content::Bytes(&archive), Kind::Zip, &budget);
        assert_eq!(opened.members.len(), 10);
        assert!(opened.problem().1.contains("zip bomb"));
    }

    #[test]
    fn what_stands_behind_a_streamed_zip_is_left_alone() {
        let archive = [&zip(&[("a", ENV)])[..], &noise(1000)].concat();
        let mut stream = Trickle(&archive[..]);
        let budget = Budget::for_archive(0);
        let opened = open(b"x", Content::Stream(&mut stream), Kind::Zip, &budget);
        assert_eq!(opened.whole().names(), [b"a"]);
    }
}
