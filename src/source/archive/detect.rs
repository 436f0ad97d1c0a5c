//! Tells archives apart by their magic, never by their name.

/// How many bytes of a file's start [`detect`] wants to see: a tar's first header.
pub const HEAD: usize = 512;

/// A container that can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// zip, jar, whl, docx and their many relatives (APPNOTE.TXT).
    Zip,
    /// POSIX or GNU tar; older ones carry no magic and are not known.
    Tar,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// xz, not the older lzma (xz-file-format.txt).
    Xz,
    /// bzip2.
    Bzip2,
    /// Apache Parquet, also with an encrypted footer.
    Parquet,
    /// An object container file of Apache Avro.
    Avro,
}

/// What kind of archive begins with these bytes; more than [`HEAD`] of them do no harm.
pub fn detect(head: &[u8]) -> Option<Kind> {
    use Kind::{Avro, Bzip2, Gzip, Parquet, Tar, Xz, Zip, Zstd};
    [Zip, Tar, Gzip, Zstd, Xz, Bzip2, Parquet, Avro].into_iter().find(|kind| kind.begins(head))
}

impl Kind {
    fn begins(self, head: &[u8]) -> bool {
        match self {
            Self::Zip => is_zip(head),
            Self::Tar => is_tar(head),
            Self::Gzip => is_gzip(head),
            Self::Zstd => is_zstd(head),
            Self::Xz => is_xz(head),
            Self::Bzip2 => is_bzip2(head),
            Self::Parquet => head.starts_with(b"PAR1") || head.starts_with(b"PARE"),
            Self::Avro => head.starts_with(b"Obj\x01"),
        }
    }
}

/// A member, or the end record of a zip that has none: all its counts and sizes are zero.
fn is_zip(head: &[u8]) -> bool {
    let empty = |rest: &[u8]| rest.len() >= 18 && rest[..16].iter().all(|&byte| byte == 0);
    let member = |rest: &[u8]| rest.len() >= 26;
    head.strip_prefix(b"PK\x03\x04").is_some_and(member) || head.strip_prefix(b"PK\x05\x06").is_some_and(empty)
}

/// Deflate is the only method there is, and the upper three flags are reserved.
fn is_gzip(head: &[u8]) -> bool {
    head.len() >= 10 && head.starts_with(&[0x1f, 0x8b, 8]) && head[3] & 0xe0 == 0
}

/// The frame header's fourth bit is reserved.
fn is_zstd(head: &[u8]) -> bool {
    head.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])
        .and_then(<[u8]>::first)
        .is_some_and(|descriptor| descriptor & 0b1000 == 0)
}

fn is_xz(head: &[u8]) -> bool {
    head.starts_with(b"\xfd7zXZ\0")
}

/// `BZh`, a level, and the magic of a block or, when there is none, of the end.
fn is_bzip2(head: &[u8]) -> bool {
    const BLOCK: [u8; 6] = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
    const END: [u8; 6] = [0x17, 0x72, 0x45, 0x38, 0x50, 0x90];
    head.starts_with(b"BZh")
        && head.get(3).is_some_and(|level| (b'1'..=b'9').contains(level))
        && head.get(4..10).is_some_and(|magic| magic == BLOCK || magic == END)
}

/// The magic of POSIX (`ustar\0`) or GNU (`ustar `) and a checksum that fits the header.
fn is_tar(head: &[u8]) -> bool {
    let Some(header) = head.get(..HEAD) else {
        return false;
    };
    let header = ::tar::Header::from_byte_slice(header);
    let bytes = header.as_bytes();
    // The checksum's own eight bytes count as spaces.
    let sum = bytes[..148].iter().chain(&bytes[156..]);
    let sum = sum.map(|&byte| u32::from(byte)).sum::<u32>() + 8 * u32::from(b' ');
    bytes[257..].starts_with(b"ustar") && header.cksum().is_ok_and(|told| told == sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A head that is long enough for every kind.
    fn head(magic: &[u8]) -> Vec<u8> {
        let mut head = magic.to_vec();
        head.resize(HEAD, 0);
        head
    }

    #[test]
    fn every_magic_is_known() {
        let known: [(&[u8], Kind); 11] = [
            (b"PK\x03\x04", Kind::Zip),
            (b"PK\x05\x06", Kind::Zip),
            (b"\x1f\x8b\x08", Kind::Gzip),
            (b"\x1f\x8b\x08\x1f", Kind::Gzip),
            (b"\x28\xb5\x2f\xfd", Kind::Zstd),
            (b"\xfd7zXZ\0", Kind::Xz),
            (b"BZh91AY&SY", Kind::Bzip2),
            (b"BZh1\x17\x72\x45\x38\x50\x90", Kind::Bzip2),
            (b"PAR1", Kind::Parquet),
            (b"PARE", Kind::Parquet),
            (b"Obj\x01", Kind::Avro),
        ];
        for (magic, kind) in known {
            assert_eq!(detect(&head(magic)), Some(kind), "{magic:?}");
        }
    }

    #[test]
    fn a_magic_that_is_off_by_a_little_is_not_enough() {
        let unknown: [&[u8]; 12] = [
            b"PK\x03\x05",
            b"PK\x05\x06\0\0\0\0\x01",
            b"\x1f\x8b\x07",
            b"\x1f\x8b\x08\x20",
            b"\x28\xb5\x2f\xfd\x08",
            b"\xfd7zXZ ",
            b"BZh0\x31\x41\x59\x26\x53\x59",
            b"BZh9",
            b"BZip",
            b"ustar",
            b"",
            b"#!/bin/sh",
        ];
        for magic in unknown {
            assert_eq!(detect(&head(magic)), None, "{magic:?}");
        }
    }

    #[test]
    fn a_head_that_is_cut_short_is_unknown() {
        for magic in [&b"PK\x03\x04"[..], b"PK\x05\x06", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"] {
            assert_eq!(detect(magic), None);
        }
    }

    #[test]
    fn a_tar_is_known_by_magic_and_checksum_together() {
        for mut header in [::tar::Header::new_ustar(), ::tar::Header::new_gnu()] {
            header.set_path("a.env").unwrap();
            header.set_cksum();
            assert_eq!(detect(header.as_bytes()), Some(Kind::Tar));
            assert_eq!(detect(&header.as_bytes()[..511]), None);
            header.as_mut_bytes()[0] ^= 1;
            assert_eq!(detect(header.as_bytes()), None);
        }
        let mut header = ::tar::Header::new_old();
        header.set_path("a.env").unwrap();
        header.set_cksum();
        assert_eq!(detect(header.as_bytes()), None);
    }
}
