//! Which entries of a list are to be read, and which part of the work is whose: judged by what a list tells, without asking anybody.
//!
//! Globs are matched as in `.gitignore`: one without `/` against what follows the last `/` of a key, so that `*.env` is meant at any depth, one
//! with `/` against the whole key from its beginning, one that ends with `/` against all that begins so. `*` and `?` stop at `/`, `**` does not.

use std::collections::BinaryHeap;

use bstr::ByteSlice;
use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};
use sha2::{Digest, Sha256};

use super::Options;
use crate::aws::store::Entry;

/// What is to be done with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Read it.
    Read,
    /// It can't be read before it is restored.
    Archived,
    /// It is larger than this limit, and that is to be told.
    TooLarge(u64),
    /// It was not asked for.
    Pass,
}

/// What was asked for.
#[derive(Debug)]
pub(super) struct Filter {
    include: Option<GlobSet>,
    exclude: GlobSet,
    newer_than: Option<i64>,
    max_size: Option<u64>,
    shard: Option<(u32, u32)>,
    /// Keys are read, those of delete markers too.
    keys: bool,
}

impl Filter {
    /// # Errors
    /// When a glob is none or the shard is not among the shards, in words.
    pub(super) fn new(options: &Options) -> Result<Self, String> {
        if let Some((number, of)) = options.shard.filter(|(number, of)| !(1..=*of).contains(number)) {
            return Err(format!("there is no shard {number} of {of}; they are counted from 1"));
        }
        Ok(Self {
            include: if options.include.is_empty() { None } else { Some(globs(&options.include)?) },
            exclude: globs(&options.exclude)?,
            newer_than: options.newer_than,
            max_size: options.max_size,
            shard: options.shard,
            keys: options.metadata,
        })
    }

    /// Of an entry in `bucket`.
    pub(super) fn judge(&self, bucket: &str, entry: &Entry) -> Verdict {
        let old = |since| entry.last_modified.is_some_and(|written| written <= since);
        let elsewhere = |(number, of)| shard_of(bucket, entry, of) != number;
        if entry.is_delete_marker && !self.keys
            || self.newer_than.is_some_and(old)
            || !self.names(&entry.key)
            || self.shard.is_some_and(elsewhere)
        {
            return Verdict::Pass;
        }
        match self.max_size {
            _ if entry.is_delete_marker => Verdict::Read,
            Some(limit) if entry.size > limit => Verdict::TooLarge(limit),
            _ if is_archived(entry) => Verdict::Archived,
            _ => Verdict::Read,
        }
    }

    fn names(&self, key: &[u8]) -> bool {
        if self.include.is_none() && self.exclude.is_empty() {
            return true;
        }
        let path = key.to_path_lossy();
        let candidate = Candidate::new(&path);
        self.include.as_ref().is_none_or(|globs| globs.is_match_candidate(&candidate))
            && !self.exclude.is_match_candidate(&candidate)
    }
}

/// Globs for the names of buckets.
#[derive(Debug)]
pub struct BucketGlobs(GlobSet);

impl BucketGlobs {
    /// From globs like those for keys.
    ///
    /// # Errors
    /// What is no glob, and why.
    pub fn new(texts: &[String]) -> Result<Self, String> {
        globs(texts).map(Self)
    }

    /// Whether one of them matches.
    pub fn hold(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

fn globs(texts: &[String]) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for text in texts {
        let bad = |why: &dyn std::fmt::Display| format!("{text:?} is no glob: {why}");
        if text.is_empty() {
            return Err(bad(&"it names nothing"));
        }
        let whole = match text.strip_suffix('/') {
            Some(_) => format!("{text}**"),
            None if !text.contains('/') => format!("**/{text}"),
            None => text.clone(),
        };
        let glob = GlobBuilder::new(&whole).literal_separator(true).backslash_escape(true).build();
        set.add(glob.map_err(|error| bad(error.kind()))?);
    }
    set.build().map_err(|error| format!("the globs can't be used: {error}"))
}

/// Whether it lies where a restore has to bring it back from. Objects of Intelligent-Tiering may as well, which only asking for one tells.
pub(super) fn is_archived(entry: &Entry) -> bool {
    matches!(&*entry.storage_class, "GLACIER" | "DEEP_ARCHIVE")
}

/// The shard that an object is of, from 1: SHA-256 over the lengths (8 bytes, little endian) and texts of bucket, key and version (empty where
/// versions are not asked for), of which the first 8 bytes are a big-endian number; its remainder by the number of shards, plus 1. This never
/// changes, so that shards that are read by different versions of the program leave nothing out.
fn shard_of(bucket: &str, entry: &Entry, of: u32) -> u32 {
    let number = u64::from_be_bytes(locator(b"", bucket, entry).finalize()[..8].try_into().expect("it has 32"));
    (number % u64::from(of)) as u32 + 1
}

/// A digest over what names an object, after `purpose`.
fn locator(purpose: &[u8], bucket: &str, entry: &Entry) -> Sha256 {
    let mut digest = Sha256::new_with_prefix(purpose);
    for text in [bucket.as_bytes(), &entry.key, entry.version_id.as_deref().unwrap_or_default().as_bytes()] {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    }
    digest
}

/// A digest of an object as it is now: of another content, or another object, it is another one. `bytes` tells whether its bytes are meant, or
/// only what is written down about it.
pub(super) fn fingerprint(bucket: &str, entry: &Entry, bytes: bool) -> [u8; 16] {
    let mut digest = locator(b"clean", bucket, entry);
    digest.update([u8::from(bytes), u8::from(entry.is_delete_marker)]);
    digest.update(entry.size.to_le_bytes());
    digest.update(entry.last_modified.unwrap_or(i64::MIN).to_le_bytes());
    digest.update(entry.etag.as_bytes());
    digest.finalize()[..16].try_into().expect("it has 32")
}

/// The few of many that a digest picks: the same each time, and spread over all. It holds no more than it is to give.
pub(super) struct Sample {
    most: usize,
    chosen: BinaryHeap<Chosen>,
}

struct Chosen {
    digest: [u8; 32],
    entry: Entry,
}

impl Sample {
    pub(super) fn new(most: u64) -> Self {
        Self { most: usize::try_from(most).unwrap_or(usize::MAX), chosen: BinaryHeap::new() }
    }

    pub(super) fn offer(&mut self, bucket: &str, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            let digest = locator(b"sample", bucket, &entry).finalize().into();
            if self.chosen.len() < self.most {
                self.chosen.push(Chosen { digest, entry });
            } else if let Some(mut last) = self.chosen.peek_mut()
                && digest < last.digest
            {
                *last = Chosen { digest, entry };
            }
        }
    }

    /// In order of keys.
    pub(super) fn entries(self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.chosen.into_iter().map(|chosen| chosen.entry).collect();
        entries.sort_by(|one, two| one.key.cmp(&two.key));
        entries
    }
}

impl Ord for Chosen {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.digest.cmp(&other.digest)
    }
}

impl PartialOrd for Chosen {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Chosen {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Chosen {}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in crate::source::s3) fn options() -> Options {
        Options {
            versions: false,
            metadata: false,
            include: vec![],
            exclude: vec![],
            newer_than: None,
            max_size: None,
            sample: None,
            shard: None,
            max_in_flight: 32 << 20,
            state: None,
            inventory: None,
        }
    }

    pub(in crate::source::s3) fn entry(key: &str, size: u64) -> Entry {
        Entry {
            key: key.into(),
            version_id: None,
            is_latest: true,
            is_delete_marker: false,
            size,
            etag: "e".into(),
            last_modified: Some(1_000),
            storage_class: "STANDARD".into(),
        }
    }

    fn named(include: &[&str], exclude: &[&str], key: &str) -> bool {
        let own = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect();
        let options = Options { include: own(include), exclude: own(exclude), ..options() };
        Filter::new(&options).unwrap().judge("b", &entry(key, 1)) == Verdict::Read
    }

    #[test]
    fn globs_are_those_of_gitignore() {
        for (glob, held, free) in [
            ("*.env", &["a.env", ".env", "x/y/.env", "x//b.env", "/.env"][..], &["a.env.txt", "env", "a.env/b"][..]),
            ("logs/*.gz", &["logs/a.gz"], &["logs/x/a.gz", "x/logs/a.gz", "a.gz"]),
            ("logs/", &["logs/a", "logs/x/y", "logs/"], &["logs", "x/logs/a"]),
            ("logs/**/*.gz", &["logs/a.gz", "logs/x/y/a.gz"], &["a.gz"]),
            ("**", &["a", "a/b", "\u{1f511}/\n"], &[]),
            ("a?c", &["abc", "x/abc"], &["a/c", "ac"]),
            ("{a,b}.txt", &["a.txt", "x/b.txt"], &["c.txt"]),
            (r"\*", &["*", "x/*"], &["a"]),
        ] {
            assert!(held.iter().all(|key| named(&[glob], &[], key)), "{glob} {held:?}");
            assert!(!free.iter().any(|key| named(&[glob], &[], key)), "{glob} {free:?}");
            assert!(!held.iter().any(|key| named(&[], &[glob], key)), "{glob} {held:?}");
            assert!(free.iter().all(|key| named(&[], &[glob], key)), "{glob} {free:?}");
        }
        assert!(!named(&["*.env"], &["test/"], "test/a.env"), "what is excluded is not included again");
    }

    #[test]
    fn what_is_no_glob_or_no_shard_is_refused_and_named() {
        for bad in ["", "{a", "a[", "a\\"] {
            let error = Filter::new(&Options { exclude: vec![bad.to_owned()], ..options() }).unwrap_err();
            assert!(error.contains(&format!("{bad:?}")), "{error}");
        }
        for bad in [(0, 3), (4, 3), (0, 0), (1, 0)] {
            assert!(Filter::new(&Options { shard: Some(bad), ..options() }).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn age_size_class_and_delete_markers_decide_too() {
        let filter = |options: Options| Filter::new(&options).unwrap();
        let newer = filter(Options { newer_than: Some(1_000), ..options() });
        assert_eq!(newer.judge("b", &entry("a", 1)), Verdict::Pass);
        assert_eq!(newer.judge("b", &Entry { last_modified: Some(1_001), ..entry("a", 1) }), Verdict::Read);
        assert_eq!(newer.judge("b", &Entry { last_modified: None, ..entry("a", 1) }), Verdict::Read);
        let small = filter(Options { max_size: Some(10), ..options() });
        assert_eq!([10, 11].map(|size| small.judge("b", &entry("a", size))), [Verdict::Read, Verdict::TooLarge(10)]);
        let class = |class: &str| Entry { storage_class: class.into(), ..entry("a", 1) };
        let all = filter(options());
        assert_eq!(all.judge("b", &class("GLACIER_IR")), Verdict::Read);
        assert!(["GLACIER", "DEEP_ARCHIVE"].iter().all(|name| all.judge("b", &class(name)) == Verdict::Archived));
        let marker = Entry { is_delete_marker: true, ..entry("a", 0) };
        assert_eq!(all.judge("b", &marker), Verdict::Pass);
        assert_eq!(filter(Options { metadata: true, ..options() }).judge("b", &marker), Verdict::Read);
    }

    #[test]
    fn the_split_into_shards_is_fixed_for_good() {
        let versioned = |version: &str| Entry { version_id: Some(version.into()), ..entry("a/b", 9) };
        let of = [entry("a/b", 1), entry("a/c", 1), versioned("null"), versioned("x")]
            .map(|entry| shard_of("b", &entry, 1_000));
        assert_eq!(of, FIXED);
    }

    /// Worked out beside the program with `hashlib`.
    const FIXED: [u32; 4] = [299, 51, 700, 481];

    #[test]
    fn shards_are_even() {
        let mut counts = [0; 7];
        for n in 0..7_000 {
            counts[shard_of("b", &entry(&format!("logs/{n}"), 1), 7) as usize - 1] += 1;
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }

    proptest! {
        #[test]
        fn every_object_is_of_exactly_one_shard(key in ".{0,20}", version in proptest::option::of("[a-z]{0,4}"), of in 1u32..9) {
            let entry = Entry { version_id: version.map(Into::into), ..entry(&key, 1) };
            let reads = |number| Filter::new(&Options { shard: Some((number, of)), ..options() }).unwrap().judge("b", &entry) == Verdict::Read;
            prop_assert_eq!((1..=of).filter(|&number| reads(number)).count(), 1);
        }

        #[test]
        fn a_sample_is_of_the_keys_alone_and_not_of_their_order(keys in proptest::collection::hash_set("[a-z]{1,6}", 0..40), most in 0u64..10) {
            let sample = |keys: &[&String]| {
                let mut sample = Sample::new(most);
                sample.offer("b", keys.iter().map(|key| entry(key, 1)));
                sample.entries()
            };
            let mut keys: Vec<&String> = keys.iter().collect();
            let chosen = sample(&keys);
            prop_assert_eq!(chosen.len(), keys.len().min(most as usize));
            keys.sort();
            prop_assert_eq!(&chosen, &sample(&keys));
        }

        #[test]
        fn another_object_has_another_fingerprint(one in ("[ab/]{0,3}", "[ab/]{0,3}", 0u64..3), two in ("[ab/]{0,3}", "[ab/]{0,3}", 0u64..3)) {
            let of = |(bucket, key, size): &(String, String, u64)| fingerprint(bucket, &entry(key, *size), true);
            prop_assert_eq!(of(&one) == of(&two), one == two);
        }
    }

    #[test]
    fn a_fingerprint_changes_with_all_that_tells_a_change() {
        let plain = entry("a", 1);
        let others = [
            Entry { version_id: Some("v".into()), ..plain.clone() },
            Entry { etag: "f".into(), ..plain.clone() },
            Entry { last_modified: None, ..plain.clone() },
            Entry { is_delete_marker: true, ..plain.clone() },
        ];
        let known = fingerprint("b", &plain, true);
        assert!(others.iter().all(|other| fingerprint("b", other, true) != known));
        assert_ne!(fingerprint("b", &plain, false), known);
        assert_eq!(fingerprint("b", &Entry { is_latest: false, ..plain }, true), known);
    }
}
