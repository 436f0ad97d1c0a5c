//! Tables of any bytes: as a Parquet file whose footer says how long it is, as one of Avro, and as the other two forms of content have it.
//! Nothing panics, no more comes out than the budget lets, and what comes out of a stream is what comes out of the same bytes in memory.
#![no_main]

use std::io::{Cursor, Read};

use keysweep::blob::Content;
use keysweep::source::archive::{Budget, Kind, detect, expand};
use libfuzzer_sys::fuzz_target;

/// All that comes out, up to a megabyte of it.
fn opened(kind: Kind, content: Content<'_>) -> Vec<u8> {
    let mut all = Vec::new();
    expand(kind, b"x", content, &Budget::for_archive(0), &mut |member, content| {
        all.extend_from_slice(member.name);
        if let Content::Stream(stream) = content {
            stream.take(1 << 20).read_to_end(&mut all).expect("members never fail");
        }
    });
    all
}

/// The bytes between Parquet's magics, the last of them as the footer.
fn parquet(data: &[u8]) -> Vec<u8> {
    let (split, rest) = data.split_first().unwrap_or((&0, data));
    let length = rest.len() * usize::from(*split) / 255;
    let length = (length as u32).to_le_bytes();
    [b"PAR1", rest, &length, b"PAR1"].concat()
}

fuzz_target!(|data: &[u8]| {
    for file in [parquet(data), [b"Obj\x01", data].concat(), data.to_vec()] {
        let Some(kind @ (Kind::Parquet | Kind::Avro)) = detect(&file) else {
            continue;
        };
        let whole = opened(kind, Content::Bytes(&file));
        assert_eq!(opened(kind, Content::Seekable(&mut Cursor::new(&file))), whole);
        assert_eq!(opened(kind, Content::Stream(&mut &file[..])), whole);
    }
});
