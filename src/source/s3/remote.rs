//! An object that is too large to be fetched whole, read like a file: what follows is taken as it comes, a seek asks for the bytes from there on.
//! Its beginning is kept and its end is read in one go, because that is where whoever opens an archive goes back and forth.

use std::io::{self, Read, Seek, SeekFrom};

use crate::aws::store::{Body, Bucket, Chunk, Lane, StoreError, Wanted};

/// So many bytes of its beginning are kept, and what came with the last of them.
const HEAD: u64 = 512 << 10;
/// A seek forward over no more than this many bytes reads them instead of asking anew.
const SKIP: u64 = 1 << 20;
/// What is nearer to the end than this many bytes is asked for from there.
const TAIL: u64 = 128 << 10;

/// Begins to bring the bytes of an object from an offset on.
type Open<'a> = dyn FnMut(u64) -> io::Result<Ahead<'a>> + 'a;

/// An object that is read from a distance.
pub(super) struct Remote<'a> {
    open: Box<Open<'a>>,
    size: u64,
    position: u64,
    /// What came first, once it was read.
    head: Vec<u8>,
    ahead: Option<Ahead<'a>>,
}

/// Bytes that are being brought. None is read ahead: what the network holds is enough, and the fewer are on their way the more of them are
/// still in the processor's cache when they are scanned.
struct Ahead<'a> {
    next: Box<Next<'a>>,
    /// Where the piece at hand begins in the object.
    from: u64,
    piece: Chunk,
    /// To be met by whoever reads on.
    failed: Option<io::Error>,
}

/// Waits for more bytes; `None` when all have come.
type Next<'a> = dyn FnMut() -> Result<Option<Chunk>, StoreError> + 'a;

impl<'a> Remote<'a> {
    /// Of the object that `body` begins to bring from its start. `wanted` asks for the same.
    pub(super) fn new(lane: &'a Lane, bucket: Bucket, wanted: Wanted, body: Body) -> Self {
        let size = body.length;
        let ahead = Ahead::of(lane, body, 0);
        let open = move |from| {
            let wanted = Wanted { from, ..wanted.clone() };
            let body = lane.block_on(async { bucket.get(bucket.turn().await, &wanted).await });
            Ok(Ahead::of(lane, body.map_err(io::Error::other)?, from))
        };
        Self { open: Box::new(open), size, position: 0, head: Vec::new(), ahead: Some(ahead) }
    }

    /// Some bytes of its beginning, as far as they can be had; who reads on meets the error.
    pub(super) fn head(&mut self) -> &[u8] {
        if self.head.is_empty() && self.ahead.as_ref().is_some_and(|ahead| ahead.from == 0) {
            // Without its head it is asked for anew.
            drop(self.next());
        }
        &self.head
    }

    /// Bytes from the position on that are at hand: at least one, unless it is the end.
    fn at_hand(&mut self) -> io::Result<&[u8]> {
        let position = self.position;
        if position >= self.size {
            return Ok(&[]);
        }
        while position >= self.head.len() as u64 {
            match &self.ahead {
                Some(ahead) if ahead.reaches(position) => break,
                Some(ahead) if ahead.is_near(position) => self.next()?,
                _ => {
                    // Its place in the queue goes with it.
                    self.ahead = None;
                    let from = position.min(self.size.saturating_sub(TAIL));
                    self.ahead = Some((self.open)(from)?);
                }
            }
        }
        match &self.ahead {
            Some(ahead) if position >= self.head.len() as u64 => Ok(&ahead.piece[(position - ahead.from) as usize..]),
            _ => Ok(&self.head[position as usize..]),
        }
    }

    /// Takes the next piece. What came first is kept.
    fn next(&mut self) -> io::Result<()> {
        let Some(ahead) = &mut self.ahead else {
            return Ok(());
        };
        let is_first = ahead.from == 0 && ahead.piece.is_empty();
        let length = self.size.min(HEAD) as usize;
        let read = if is_first { ahead.head(length).map(|head| self.head = head) } else { ahead.next() };
        if read.is_err() {
            self.ahead = None;
        }
        read
    }
}

impl Read for Remote<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.at_hand()?.read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Remote<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(position) => (position, 0),
            SeekFrom::End(by) => (self.size, by),
            SeekFrom::Current(by) => (self.position, by),
        };
        let before = || io::Error::new(io::ErrorKind::InvalidInput, "a seek to before its beginning");
        self.position = from.checked_add_signed(by).ok_or_else(before)?;
        Ok(self.position)
    }
}

impl<'a> Ahead<'a> {
    fn of(lane: &'a Lane, mut body: Body, from: u64) -> Self {
        // An object's tags may wait for the place of its bytes.
        body.let_others_go();
        Self { next: Box::new(move || lane.block_on(body.next())), from, piece: Chunk::default(), failed: None }
    }

    /// Whether the piece at hand holds the byte.
    fn reaches(&self, position: u64) -> bool {
        (self.from..self.from + self.piece.len() as u64).contains(&position)
    }

    /// Whether the byte comes soon.
    fn is_near(&self, position: u64) -> bool {
        position >= self.from && position - self.from <= self.piece.len() as u64 + SKIP
    }

    fn next(&mut self) -> io::Result<()> {
        let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "it ended before all of its bytes had come");
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.from += self.piece.len() as u64;
        // It goes before the next one comes, which may then lie where it lay.
        self.piece = Chunk::default();
        self.piece = (self.next)().map_err(io::Error::other)?.ok_or_else(cut)?;
        Ok(())
    }

    /// Takes so many of the first bytes, and what comes with the last of them.
    fn head(&mut self, length: usize) -> io::Result<Vec<u8>> {
        self.next()?;
        let mut head = self.piece.to_vec();
        while head.len() < length && self.failed.is_none() {
            match self.next() {
                Ok(()) => head.extend_from_slice(&self.piece),
                Err(error) => self.failed = Some(error),
            }
        }
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::*;
    use crate::aws::store::No;

    fn bytes(size: usize) -> Vec<u8> {
        (0..size).map(|n| (n * 7 + n / 251) as u8).collect()
    }

    /// An object in memory that comes in pieces of one size, and how often it is asked for.
    fn remote(bytes: Vec<u8>, piece: usize, fails_at: Option<u64>) -> (Remote<'static>, Rc<Cell<u32>>) {
        let asked = Rc::new(Cell::new(0));
        let (count, size) = (asked.clone(), bytes.len() as u64);
        let open = move |from: u64| {
            count.set(count.get() + 1);
            let mut pieces = Vec::new();
            let mut at = from;
            for piece in bytes[from as usize..].chunks(piece) {
                if fails_at.is_some_and(|fails| at + piece.len() as u64 > fails) {
                    pieces.push(Err(StoreError {
                        kind: No::Changed,
                        code: "".into(),
                        why: "it is another by now".to_owned(),
                        permission: None,
                    }));
                    break;
                }
                at += piece.len() as u64;
                pieces.push(Ok(piece.to_vec().into()));
            }
            let mut pieces = pieces.into_iter();
            let next = move || pieces.next().transpose();
            Ok(Ahead { next: Box::new(next), from, piece: Chunk::default(), failed: None })
        };
        (Remote { open: Box::new(open), size, position: 0, head: Vec::new(), ahead: None }, asked)
    }

    #[test]
    fn what_is_read_from_start_to_end_is_asked_for_once_though_it_is_rewound_at_first() {
        let all = bytes(5 << 20);
        let (mut remote, asked) = remote(all.clone(), 300_000, None);
        let mut head = [0; 512];
        remote.read_exact(&mut head).unwrap();
        assert_eq!(remote.seek(SeekFrom::End(0)).unwrap(), all.len() as u64);
        remote.rewind().unwrap();
        let mut read = Vec::new();
        remote.read_to_end(&mut read).unwrap();
        assert!(read == all && head[..] == all[..512]);
        assert_eq!(asked.get(), 1);
        remote.rewind().unwrap();
        remote.read_exact(&mut head).unwrap();
        assert_eq!((&head[..], asked.get()), (&all[..512], 1), "the beginning is kept");
    }

    #[test]
    fn the_end_is_asked_for_once_however_it_is_looked_through() {
        let all = bytes(5 << 20);
        let (mut remote, asked) = remote(all.clone(), 512 << 10, None);
        for back in [22, 1_000, 60_000, 22, 66_000, 131_072] {
            let mut read = Vec::new();
            remote.seek(SeekFrom::End(-back)).unwrap();
            remote.read_to_end(&mut read).unwrap();
            assert!(read == all[all.len() - back as usize..], "{back}");
        }
        assert_eq!(asked.get(), 1);
    }

    #[test]
    fn short_ways_forward_are_read_and_long_ones_asked_for() {
        let all = bytes(8 << 20);
        let (mut remote, asked) = remote(all.clone(), 100_000, None);
        for (at, expected) in [(0, 1), (900_000, 1), (1_800_000, 1), (6_000_000, 2), (6_500_000, 2), (2_000_000, 3)] {
            let mut byte = [0];
            remote.seek(SeekFrom::Start(at)).unwrap();
            remote.read_exact(&mut byte).unwrap();
            assert_eq!((byte[0], asked.get()), (all[at as usize], expected), "{at}");
        }
    }

    #[test]
    fn an_error_is_met_where_it_stands_and_told_as_it_is() {
        let (mut remote, _) = remote(bytes(1 << 20), 1_000, Some(5_000));
        let mut read = Vec::new();
        let error = remote.read_to_end(&mut read).unwrap_err();
        assert_eq!((read.len(), error.to_string().as_str()), (5_000, "it is another by now"));
        assert!(remote.seek(SeekFrom::Current(-6_000)).is_err());
    }

    #[test]
    fn an_object_that_ends_too_early_is_an_error() {
        let (mut remote, _) = remote(bytes(10_000), 1_000, None);
        remote.size = 20_000;
        let error = remote.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn it_reads_like_a_file(
            size in 0usize..4_000_000,
            piece in 1_000usize..700_000,
            steps in proptest::collection::vec((0u64..5_000_000, 0usize..200_000), 0..12),
        ) {
            let all = bytes(size);
            let (mut remote, _) = remote(all.clone(), piece, None);
            let mut file = io::Cursor::new(all);
            for (to, length) in steps {
                let mut ours = Vec::new();
                let mut theirs = Vec::new();
                prop_assert_eq!(remote.seek(SeekFrom::Start(to)).unwrap(), file.seek(SeekFrom::Start(to)).unwrap());
                (&mut remote).take(length as u64).read_to_end(&mut ours).unwrap();
                (&mut file).take(length as u64).read_to_end(&mut theirs).unwrap();
                prop_assert!(ours == theirs);
            }
        }
    }
}
