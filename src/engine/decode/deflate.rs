//! What was deflated with a header of gzip (RFC 1952) or zlib (RFC 1950), and then written as text. Deflated files are the
//! business of whoever reads files.

use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};

const GZIP: &[u8] = &[0x1F, 0x8B, 8];
/// The flags byte of zlib's header makes it a multiple of this.
const ZLIB_CHECK: u16 = 31;

/// Whether bytes begin with a header of gzip or zlib.
pub(super) fn is_deflated(bytes: &[u8]) -> bool {
    is_gzip(bytes)
        || matches!(bytes, [method @ 0x78, flags, ..] if u16::from_be_bytes([*method, *flags]).is_multiple_of(ZLIB_CHECK))
}

pub(super) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(GZIP)
}

/// At most so many bytes of what was deflated; what comes before damage if it is damaged.
pub(super) fn inflated(bytes: &[u8], at_most: usize) -> Vec<u8> {
    let mut inflated = Vec::new();
    let limit = at_most as u64;
    // What was read before an error is kept, and there is nothing else to do about the error.
    let _ = if is_gzip(bytes) {
        MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut inflated)
    } else {
        ZlibDecoder::new(bytes).take(limit).read_to_end(&mut inflated)
    };
    inflated
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;
    use crate::engine::base64::encode as base64;
    use crate::engine::decode::{Budget, View};

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn both_headers_are_read_to_a_limit() {
        let text = b"deflated ".repeat(1000);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(&text).unwrap();
        for bytes in [gzip(&text), zlib.finish().unwrap()] {
            assert!(is_deflated(&bytes));
            assert_eq!(inflated(&bytes, 1 << 20), text);
            assert_eq!(inflated(&bytes, 100), text[..100]);
        }
    }

    #[test]
    fn what_the_budget_does_not_allow_for_is_cut_off() {
        let text = b"deflated ".repeat(1 << 20);
        let written = base64(&gzip(&text));
        let view = View::of(written.as_bytes(), None, &mut Budget::of(written.len())).unwrap();
        assert!(view.text().starts_with(&text[..1 << 20]) && view.text().len() < text.len());
    }

    #[test]
    fn what_comes_before_damage_is_kept() {
        let mut noise = 1_u32;
        let text: Vec<u8> = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b"abcdefghijklmnop"[(noise >> 24) as usize % 16]
        })
        .take(100_000)
        .collect();
        let bytes = gzip(&text);
        let some = inflated(&bytes[..bytes.len() / 2], 1 << 20);
        assert!(!some.is_empty() && text.starts_with(&some), "{}", some.len());
        assert!(!is_deflated(b"xy") && !is_deflated(b""));
    }
}
