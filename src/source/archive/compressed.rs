//! Compressed single files. A compression around a tar is looked through: its members are the tar's.

use std::io::{BufRead, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

use super::budget::{Charge, Tap};
use super::{Expansion, HEAD, Kind, MAX_WINDOW, detect, failed, tar};

/// A window, and a little for the decoder itself, in the KiB that the xz decoder counts in.
const XZ_MEMORY: u32 = (MAX_WINDOW >> 10) as u32 + 1024;

/// gzip may say what the file was called.
pub(super) fn gzip(name: &[u8], input: impl BufRead, expansion: &mut Expansion<'_, '_>) {
    let mut decoder = MultiGzDecoder::new(input);
    let told = decoder.header().and_then(|header| header.filename());
    let told = told.filter(|name| !name.is_empty()).map(<[u8]>::to_vec);
    content(told.as_deref().unwrap_or(stem(name)), &mut decoder, expansion);
}

pub(super) fn zstd(name: &[u8], input: impl BufRead, expansion: &mut Expansion<'_, '_>) {
    let decoder = zstd::Decoder::with_buffer(input).and_then(|mut decoder| {
        decoder.window_log_max(MAX_WINDOW.ilog2())?;
        Ok(decoder)
    });
    match decoder {
        Ok(mut decoder) => content(stem(name), &mut decoder, expansion),
        Err(error) => expansion.problem(None, failed("decompressing it", &error)),
    }
}

pub(super) fn xz(name: &[u8], input: impl BufRead, expansion: &mut Expansion<'_, '_>) {
    let mut decoder = XzReader::new_mem_limit(input, true, XZ_MEMORY);
    content(stem(name), &mut decoder, expansion);
}

pub(super) fn bzip2(name: &[u8], input: impl BufRead, expansion: &mut Expansion<'_, '_>) {
    content(stem(name), &mut MultiBzDecoder::new(input), expansion);
}

/// Hands out what was compressed. Of several compressed files in a row, the contents are one.
fn content(name: &[u8], decoder: &mut dyn Read, expansion: &mut Expansion<'_, '_>) {
    let mut tap = Tap::new(decoder, expansion.budget, Charge::Spend);
    let mut head = Vec::new();
    // It can't fail: a tap ends instead.
    let _ = (&mut tap).take(HEAD as u64).read_to_end(&mut head);
    let nothing_came = head.is_empty() && expansion.budget.is_over();
    let mut whole = head.as_slice().chain(&mut tap);
    if detect(&head) == Some(Kind::Tar) {
        tar::members(&mut whole, expansion);
    } else if !nothing_came && expansion.budget.admit() {
        expansion.hand_out(name, None, &mut whole);
    }
    if let Some(fault) = tap.fault() {
        expansion.problem(None, failed("decompressing it", &fault));
    }
}

/// The last part of a path (or of a path inside an archive) without the suffix of a compressed file.
fn stem(name: &[u8]) -> &[u8] {
    let separator = |byte: &u8| matches!(byte, b'/' | b'!');
    let last = name.rsplit(separator).next().unwrap_or_default();
    let suffix = [".gz", ".zst", ".xz", ".bz2"].into_iter().find(|suffix| {
        let start = last.len().saturating_sub(suffix.len());
        last[start..].eq_ignore_ascii_case(suffix.as_bytes())
    });
    match &last[..last.len() - suffix.map_or(0, str::len)] {
        // An object of a repository has no path when it is read.
        b"" => b"(content)",
        stem => stem,
    }
}

/// How many bytes of history the decoder of what begins so will hold, as zstd and xz tell it of their first frame or block; 0 of all
/// others, which take a few MiB at most.
/// <https://datatracker.ietf.org/doc/html/rfc8878#section-3.1.1.1>, <https://tukaani.org/xz/xz-file-format.txt>
#[cfg(feature = "s3")]
pub(in crate::source) fn window(head: &[u8]) -> u64 {
    let told = match detect(head) {
        Some(Kind::Zstd) => zstd_window(head),
        Some(Kind::Xz) => xz_dictionary(head),
        _ => None,
    };
    // What takes more is refused.
    told.unwrap_or_default().min(MAX_WINDOW)
}

#[cfg(feature = "s3")]
fn zstd_window(head: &[u8]) -> Option<u64> {
    let (&[descriptor, window], rest) = head.get(4..)?.split_first_chunk()?;
    if descriptor & 0x20 == 0 {
        let base = 1_u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // It holds all of the content, whose size stands behind the number of the dictionary.
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size = [&[window], rest].concat();
    let number = |length: usize| {
        let bytes = size.get(dictionary..dictionary + length)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    match descriptor >> 6 {
        0 => number(1),
        1 => number(2).map(|size| size + 256),
        2 => number(4),
        _ => number(8),
    }
}

#[cfg(feature = "s3")]
fn xz_dictionary(head: &[u8]) -> Option<u64> {
    /// Behind the magic, the flags and their checksum.
    const BLOCK: usize = 12;
    /// The number of LZMA2 among filters, and how many bytes describe it: what stands before its dictionary.
    const LZMA2: [u8; 2] = [0x21, 1];
    let end = BLOCK + (usize::from(*head.get(BLOCK)?) + 1) * 4;
    let header = head.get(BLOCK + 2..end.min(head.len()))?;
    let at = header.windows(2).position(|bytes| bytes == LZMA2)?;
    let size = u32::from(header.get(at + 2)? & 0x3f);
    Some(u64::from(2 | size & 1) << (size / 2 + 11))
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use flate2::{Compression, Crc, GzBuilder};

    use super::super::tests::{COMPRESSORS, bz2, gz, noise, open, open_bytes, open_every_way, xz};
    use super::super::{Budget, Content};
    use super::*;

    const ENV: &[u8] = b"KEY=value\n";

    #[test]
    fn the_name_of_the_content_is_the_files_own_without_the_suffix() {
        let stems: [(&[u8], &[u8]); 8] = [
            (b"a/b.env.gz", b"b.env"),
            (b"b.sql.ZST", b"b.sql"),
            (b"inner.zip!logs/app.log.bz2", b"app.log"),
            (b"inner.zip!app.xz", b"app"),
            (b"photo", b"photo"),
            (b"a/.gz", b"(content)"),
            (b"", b"(content)"),
            (b"\xff\x1b[31m.xz", b"\xff\x1b[31m"),
        ];
        for (name, expected) in stems {
            assert_eq!(stem(name), expected, "{name:?}");
        }
    }

    #[test]
    fn a_name_in_the_header_goes_first() {
        let named = |name: &[u8]| {
            let builder = GzBuilder::new().filename(name);
            let mut encoder = builder.write(Vec::new(), Compression::fast());
            encoder.write_all(ENV).unwrap();
            encoder.finish().unwrap()
        };
        for name in [&b"b.env"[..], b"../\xff\x1b[31m"] {
            for opened in open_every_way(&named(name)) {
                assert_eq!(opened.whole().members, [(name.to_vec(), ENV.to_vec())]);
            }
        }
        assert_eq!(open_bytes(&named(b"")).whole().names(), [b"x"]);
    }

    #[test]
    fn several_in_a_row_are_one_file() {
        for compress in COMPRESSORS {
            let long = noise(100_000);
            let archive = [compress(ENV), compress(b""), compress(&long)].concat();
            for opened in open_every_way(&archive) {
                assert_eq!(opened.whole().content(b"x"), [ENV, &long].concat());
            }
        }
    }

    #[test]
    fn wherever_it_is_cut_off_that_is_told_once() {
        for compress in COMPRESSORS {
            let content = noise(1000);
            let archive = compress(&content);
            for end in 12..archive.len() {
                for opened in open_every_way(&archive[..end]) {
                    assert_eq!(opened.problem().0, None, "{compress:?} cut at {end}");
                    if let [(_, read)] = &opened.members[..] {
                        assert!(content.starts_with(read));
                    }
                }
            }
        }
    }

    #[test]
    fn what_came_before_the_damage_is_handed_out() {
        for compress in COMPRESSORS {
            // In two parts, for most kinds check a part before any of it comes out.
            let content = noise(200_000);
            let first = compress(&content[..100_000]);
            let mut archive = [&first[..], &compress(&content[100_000..])].concat();
            let middle = first.len() + 50_000;
            archive[middle..middle + 100].fill(0x55);
            for opened in open_every_way(&archive) {
                assert_eq!(opened.problem().0, None);
                let read = &opened.members[0].1;
                assert!(read.len() >= 90_000, "{} bytes", read.len());
                assert!(content.starts_with(&read[..90_000]));
            }
        }
    }

    #[test]
    fn what_follows_and_is_not_compressed_is_told() {
        for compress in [gz, xz, bz2] {
            let archive = [&compress(ENV)[..], b"something else"].concat();
            for opened in open_every_way(&archive) {
                assert_eq!(opened.problem().0, None);
                assert_eq!(opened.content(b"x"), ENV);
            }
        }
    }

    #[test]
    fn a_zstd_window_that_is_too_large_is_refused() {
        // A frame of one raw block; the window is 2^(10 + n) bytes (RFC 8878, 3.1.1.1.2).
        let frame = |n: u8| [&[0x28, 0xb5, 0x2f, 0xfd, 0, n << 3, 81, 0, 0][..], ENV].concat();
        assert_eq!(open_bytes(&frame(17)).whole().content(b"x"), ENV);
        let opened = open_bytes(&frame(18));
        assert!(opened.members.is_empty());
        assert!(opened.problem().1.contains("too much memory"));
    }

    #[test]
    fn an_xz_dictionary_that_is_too_large_is_refused() {
        // The dictionary's size stands in the block header, behind the stream's twelve bytes: 2^(n/2 + 12) bytes.
        let with_dictionary = |n: u8| {
            let mut archive = xz(ENV);
            let header = 12..12 + (usize::from(archive[12]) + 1) * 4;
            let filter = archive[header.clone()].windows(2).position(|w| w == [0x21, 1]);
            archive[12 + filter.unwrap() + 2] = n;
            let mut crc = Crc::new();
            crc.update(&archive[header.start..header.end - 4]);
            archive[header.end - 4..header.end].copy_from_slice(&crc.sum().to_le_bytes());
            archive
        };
        assert_eq!(open_bytes(&with_dictionary(30)).whole().content(b"x"), ENV);
        let opened = open_bytes(&with_dictionary(32));
        assert!(opened.members.is_empty());
        assert!(opened.problem().1.contains("128 MiB"));
    }

    #[test]
    fn a_small_file_that_expands_to_much_ends_at_the_limit() {
        // Ten thousand bytes that are ten million.
        let bomb = gz(&vec![0; 10 << 20]);
        assert!(bomb.len() < 11_000);
        let budget = Budget::of(1 << 20, 10);
        let mut read = 0;
        let problems =
            super::super::expand(Kind::Gzip, b"bomb.gz", Content::Bytes(&bomb), &budget, &mut |_, content| {
                let Content::Stream(stream) = content else { panic!("members are streams") };
                read += io::copy(stream, &mut io::sink()).unwrap();
            });
        assert_eq!(read, 1 << 20);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].why.contains("zip bomb"));
    }

    #[test]
    fn nothing_is_handed_out_when_nothing_came() {
        let archive = gz(&noise(1000));
        let budget = Budget::for_archive(0);
        let opened = open(b"x", Content::Bytes(&archive[..10]), Kind::Gzip, &budget);
        assert!(opened.members.is_empty());
        assert_eq!(opened.problem().0, None);
    }

    #[cfg(feature = "s3")]
    #[test]
    fn what_a_decoder_holds_is_told_before_it_begins() {
        for log in [10, 21, 27] {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.window_log(log).unwrap();
            encoder.write_all(&noise(1 << 12)).unwrap();
            assert_eq!(window(&encoder.finish().unwrap()), 1 << log);
        }
        for size in [10, 300, 70_000] {
            assert_eq!(window(&zstd::bulk::compress(&noise(size), 1).unwrap()), size as u64);
        }
        // 2^(n/2 + 12) bytes of even numbers, half as many again of odd ones.
        for (n, bytes) in [(16, 1 << 20), (17, 3 << 19), (30, 128 << 20), (40, 128 << 20)] {
            let mut packed = xz(ENV);
            let at = 14 + packed[14..].windows(2).position(|bytes| bytes == [0x21, 1]).unwrap() + 2;
            packed[at] = n;
            assert_eq!(window(&packed), bytes, "{n}");
        }
        for other in
            [&b""[..], ENV, &gz(ENV), &xz(ENV)[..13], &[0x28, 0xb5, 0x2f, 0xfd], &[0x28, 0xb5, 0x2f, 0xfd, 0xe0, 1]]
        {
            assert_eq!(window(other), 0);
        }
    }
}
