//! What tests of all kinds of archives share, and those that concern several kinds.

use std::io::{self, Cursor, Read, Write};
use std::sync::LazyLock;

use ::zip::CompressionMethod;
use ::zip::write::SimpleFileOptions;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;

/// What was handed out: names from the outermost archive on, and content.
pub(super) type Members = Vec<(Vec<u8>, Vec<u8>)>;

/// What came out of an archive.
#[derive(Debug, Default)]
pub(super) struct Opened {
    pub(super) members: Members,
    pub(super) problems: Vec<(Option<Vec<u8>>, String)>,
}

impl Opened {
    pub(super) fn names(&self) -> Vec<&[u8]> {
        self.members.iter().map(|(name, _)| &name[..]).collect()
    }

    pub(super) fn content(&self, wanted: &[u8]) -> &[u8] {
        let found = self.members.iter().find(|(name, _)| name == wanted);
        &found.expect("the member was handed out").1
    }

    pub(super) fn bytes(&self) -> usize {
        self.members.iter().map(|(_, content)| content.len()).sum()
    }

    /// Fails when anything could not be read.
    pub(super) fn whole(self) -> Self {
        assert!(self.problems.is_empty(), "{:?}", self.problems);
        self
    }

    /// The one problem there is, and its member.
    pub(super) fn problem(&self) -> (Option<&[u8]>, &str) {
        assert_eq!(self.problems.len(), 1, "{:?}", self.problems);
        let (member, why) = &self.problems[0];
        (member.as_deref(), why)
    }
}

/// Opens an archive and, to three levels, what is nested in it. Every member is read to its end.
pub(super) fn open(name: &[u8], content: Content<'_>, kind: Kind, budget: &Budget) -> Opened {
    let mut opened = Opened::default();
    let problems = expand(kind, name, content, budget, &mut |member, content| {
        let mut bytes = Vec::new();
        let Content::Stream(stream) = content else {
            panic!("members are streams")
        };
        stream.read_to_end(&mut bytes).expect("members never fail");
        let nested = detect(&bytes).filter(|_| budget.depth() < 3);
        let prefix = [member.name, b"!"].concat();
        if let Some(kind) = nested {
            let inner = open(member.name, Content::Bytes(&bytes), kind, budget);
            let inside = |name: Vec<u8>| [&prefix[..], &name].concat();
            let members = inner.members.into_iter();
            opened
                .members
                .extend(members.map(|(name, content)| (inside(name), content)));
            let problems = inner.problems.into_iter();
            opened
                .problems
                .extend(problems.map(|(name, why)| (Some(inside(name.unwrap_or_default())), why)));
        } else {
            opened.members.push((member.name.to_vec(), bytes));
        }
    });
    let problems = problems.into_iter();
    opened
        .problems
        .extend(problems.map(|problem| (problem.member, problem.why)));
    opened
}

/// Reads from `inner` a few bytes at a time, as a connection might deliver them.
pub(super) struct Trickle<R>(pub(super) R);

impl<R: Read> Read for Trickle<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(7);
        self.0.read(&mut buffer[..room])
    }
}

/// Opens an archive in each form that content can have; they must agree, but for what only a central directory tells.
pub(super) fn open_every_way(archive: &[u8]) -> [Opened; 3] {
    let kind = detect(archive).expect("an archive");
    let size = archive.len() as u64;
    let budget = || Budget::for_archive(size);
    [
        open(b"x", Content::Bytes(archive), kind, &budget()),
        open(
            b"x",
            Content::Seekable(&mut Cursor::new(archive)),
            kind,
            &budget(),
        ),
        open(
            b"x",
            Content::Stream(&mut Trickle(archive)),
            kind,
            &Budget::for_archive(0),
        ),
    ]
}

/// Opens an archive in memory.
pub(super) fn open_bytes(archive: &[u8]) -> Opened {
    let [opened, _, _] = open_every_way(archive);
    opened
}

pub(super) fn zip_with(method: CompressionMethod, members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

pub(super) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    zip_with(CompressionMethod::Deflated, members)
}

pub(super) fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = ::tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

pub(super) fn gz(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn zst(content: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 0).unwrap();
    // As the command line tool has it.
    encoder.include_checksum(true).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn xz(content: &[u8]) -> Vec<u8> {
    let mut options = lzma_rust2::XzOptions::with_preset(0);
    options.set_block_size(None);
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn bz2(content: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(super) type Compressor = fn(&[u8]) -> Vec<u8>;

/// Every way to compress a single file.
pub(super) const COMPRESSORS: [Compressor; 4] = [gz, zst, xz, bz2];

/// Bytes that do not compress, always the same.
pub(super) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(next).collect()
}

const ENV: &[u8] = b"KEY=value\n";

#[test]
fn archives_nest_in_each_other() {
    for compress in COMPRESSORS {
        let inner = compress(&tar(&[("b.env", ENV)]));
        let outer = zip(&[("deep/inner", &inner), ("a.env", ENV)]);
        for opened in open_every_way(&compress(&outer)) {
            let opened = opened.whole();
            assert_eq!(
                opened.names(),
                [&b"x!deep/inner!b.env"[..], b"x!a.env"],
                "{compress:?}"
            );
            assert_eq!(opened.bytes(), 2 * ENV.len());
        }
    }
}

#[test]
fn a_fault_below_is_told_once_by_the_layer_that_broke() {
    let inner = zip_with(CompressionMethod::Stored, &[("b.env", &noise(5000))]);
    let outer = tar(&[("a.env", ENV), ("inner.zip", &inner), ("c.env", ENV)]);
    for compress in COMPRESSORS {
        let whole = compress(&outer);
        for opened in open_every_way(&whole[..whole.len() / 2]) {
            let (member, why) = opened.problem();
            assert_eq!(member, None);
            assert!(why.starts_with("decompressing it failed"), "{why}");
        }
    }
}

#[test]
fn a_fault_above_leaves_what_is_beside_it() {
    let cut = gz(&noise(5000));
    let outer = tar(&[("a.gz", &cut[..4000]), ("b.gz", &gz(ENV))]);
    for opened in open_every_way(&outer) {
        assert_eq!(opened.problem().0, Some(&b"a.gz!"[..]));
        assert_eq!(opened.content(b"b.gz!b"), ENV);
        assert!(noise(5000).starts_with(opened.content(b"a.gz!a")));
        assert!(opened.content(b"a.gz!a").len() > 3000);
    }
}

#[test]
fn an_unreadable_stream_is_told_once() {
    struct Unplugged;
    impl Read for Unplugged {
        fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the plug is out"))
        }
    }
    let content = noise(9000);
    let mut archives = vec![zip(&[("a", &content)]), tar(&[("a", &content)])];
    archives.extend(COMPRESSORS.map(|compress| compress(&content)));
    archives.extend(COMPRESSORS.map(|compress| compress(&tar(&[("a", &content)]))));
    for archive in archives {
        let mut stream = archive[..archive.len() / 2].chain(Unplugged);
        let kind = detect(&archive).unwrap();
        let opened = open(
            b"x",
            Content::Stream(&mut stream),
            kind,
            &Budget::for_archive(0),
        );
        let (member, why) = opened.problem();
        assert_eq!(member, None, "{kind:?}");
        assert!(why.contains("the plug is out"), "{kind:?}: {why}");
    }
}

#[test]
fn a_bomb_is_defused_at_the_limit_and_told_once() {
    const LIMIT: u64 = 256 << 10;
    let zeros = vec![0; 2 << 20];
    let mut bombs: Vec<Vec<u8>> = COMPRESSORS.map(|compress| compress(&zeros)).to_vec();
    bombs.extend(COMPRESSORS.map(|compress| compress(&tar(&[("a", &zeros), ("b", ENV)]))));
    bombs.extend(COMPRESSORS.map(|compress| zip(&[("a", &compress(&zeros)), ("b", ENV)])));
    bombs.push(zip(&[("a", &zeros), ("b", ENV)]));
    bombs.push(gz(&gz(&gz(&zeros))));
    for bomb in bombs {
        assert!(bomb.len() < 6000, "{} bytes are no bomb", bomb.len());
        let (kind, budget) = (detect(&bomb).unwrap(), Budget::of(LIMIT, 100));
        let opened = open(b"x", Content::Bytes(&bomb), kind, &budget);
        let (member, why) = opened.problem();
        assert_eq!(member, None);
        assert!(why.starts_with(&format!("expands to more than {LIMIT} bytes")));
        assert!(opened.bytes() as u64 <= LIMIT);
        assert!(opened.bytes() as u64 > LIMIT / 2);
    }
}

#[test]
fn what_fits_the_budget_to_the_byte_is_no_bomb() {
    for compress in COMPRESSORS {
        let archive = compress(&noise(5000));
        let kind = detect(&archive).unwrap();
        let open = |limit| {
            let budget = Budget::of(limit, 1);
            open(b"x", Content::Bytes(&archive), kind, &budget)
        };
        assert_eq!(open(5000).whole().bytes(), 5000);
        assert_eq!(open(4999).problem().0, None);
        assert_eq!(open(4999).bytes(), 4999);
    }
}

#[test]
fn a_stream_earns_its_budget_while_it_is_read() {
    let budget = Budget::for_archive(0);
    let base = budget.spent();
    assert!(base.is_none());
    let mut bytes = Vec::new();
    let mut tap = Tap::new(io::repeat(1).take(1000), &budget, Charge::Earn);
    tap.read_to_end(&mut bytes).unwrap();
    let grant = (256 << 20) + 100 * 1000;
    assert_eq!(budget.spend(grant), grant);
    assert!(!budget.is_spent());
    assert_eq!(budget.spend(1), 0);
    assert!(budget.is_spent());
}

#[test]
fn members_are_counted_wherever_they_are_nested() {
    let tar = tar(&[("a", ENV), ("b", ENV), ("c", ENV)]);
    let zip = zip(&[("1.tar", &tar), ("2.tar", &tar)]);
    let open = |members| {
        let budget = Budget::of(1 << 20, members);
        open(b"x", Content::Bytes(&zip), Kind::Zip, &budget)
    };
    assert_eq!(open(8).whole().members.len(), 6);
    let opened = open(6);
    assert_eq!(opened.members.len(), 4);
    let (member, why) = opened.problem();
    assert_eq!(member, None);
    assert!(why.contains("members: looks like a zip bomb"), "{why}");
}

#[test]
fn the_next_member_is_reached_however_little_of_one_is_read() {
    let content = noise(100_000);
    let members = [("a", &content[..]), ("b", ENV), ("c", &content), ("d", ENV)];
    let mut archives = vec![
        zip(&members),
        tar(&members),
        super::zip::tests::streamed(&members),
    ];
    archives.extend(COMPRESSORS.map(|compress| compress(&tar(&members))));
    for archive in archives {
        let kind = detect(&archive).unwrap();
        let mut cursor = Cursor::new(&archive[..]);
        let ways = [
            Content::Bytes(&archive),
            Content::Seekable(&mut cursor),
            Content::Stream(&mut Trickle(&archive[..])),
        ];
        for (way, bytes) in ways.into_iter().zip([0, 1, 1000]) {
            let mut names = Vec::new();
            let budget = Budget::for_archive(0);
            let problems = expand(kind, b"x", way, &budget, &mut |member, content| {
                names.push(member.name.to_vec());
                if let Content::Stream(stream) = content {
                    stream.take(bytes).read_to_end(&mut Vec::new()).unwrap();
                }
            });
            assert_eq!(names, [b"a", b"b", b"c", b"d"]);
            assert!(problems.is_empty(), "{problems:?}");
        }
    }
}

#[test]
fn an_archive_of_nothing_holds_nothing() {
    let mut empty = vec![zip(&[]), tar(&[("dir/", b"")])];
    empty[1][156] = b'5';
    let mut header = ::tar::Header::from_byte_slice(&empty[1][..512]).clone();
    header.set_cksum();
    empty[1][..512].copy_from_slice(header.as_bytes());
    for archive in empty {
        for opened in open_every_way(&archive) {
            assert!(opened.whole().members.is_empty());
        }
    }
    for compress in COMPRESSORS {
        for opened in open_every_way(&compress(b"")) {
            assert_eq!(opened.whole().members, [(b"x".to_vec(), Vec::new())]);
        }
    }
}

/// One of every kind, and nested ones.
static SAMPLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let members = [("dir/a.env", ENV), ("b", &noise(300)), ("c", &[0; 2000])];
    let mut samples = vec![zip(&members), tar(&members)];
    samples.push(super::zip::tests::streamed(&members));
    samples.push(super::tar::tests::sparse());
    samples.push(super::tar::tests::long_names());
    for method in [
        CompressionMethod::Stored,
        CompressionMethod::Bzip2,
        CompressionMethod::Zstd,
    ] {
        samples.push(zip_with(method, &members));
    }
    for compress in COMPRESSORS {
        samples.push(compress(&noise(700)));
        samples.push(compress(&tar(&members)));
        samples.push([compress(ENV), compress(&[7; 5000])].concat());
        samples.push(zip(&[("a", &compress(ENV))]));
    }
    samples
});

/// Opens what may be an archive in every way, with little budget; what matters is that it ends, and within the budget.
fn survives(archive: &[u8]) -> Result<(), TestCaseError> {
    const LIMIT: u64 = 1 << 20;
    let Some(kind) = detect(archive) else {
        return Ok(());
    };
    let mut cursor = Cursor::new(archive);
    let ways = [
        Content::Bytes(archive),
        Content::Seekable(&mut cursor),
        Content::Stream(&mut Trickle(archive)),
    ];
    for way in ways {
        let budget = Budget::of(LIMIT, 50);
        let opened = open(b"x", way, kind, &budget);
        prop_assert!(opened.members.len() <= 50);
        // A stream earns more.
        prop_assert!(opened.bytes() as u64 <= LIMIT + 100 * archive.len() as u64);
    }
    Ok(())
}

proptest! {
    #[test]
    fn anything_behind_a_magic_is_survived(
        start in prop::sample::select(vec![20_usize, 30, 100, 600]),
        sample in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 0..3000),
    ) {
        let sample = &SAMPLES[sample.index(SAMPLES.len())];
        survives(&[&sample[..start.min(sample.len())], &noise].concat())?;
    }

    #[test]
    fn any_damage_to_an_archive_is_survived(
        sample in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        end in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut archive = SAMPLES[sample.index(SAMPLES.len())].clone();
        for (at, byte) in damage {
            let at = at.index(archive.len());
            archive[at] = byte;
        }
        if cut {
            archive.truncate(end.index(archive.len()));
        }
        survives(&archive)?;
    }

    #[test]
    fn arbitrary_bytes_are_no_archive(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert_eq!(detect(&bytes), None);
    }
}
