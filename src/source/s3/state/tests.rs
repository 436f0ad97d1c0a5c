//! Sweeps that only remember, killed wherever they may be.

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::State;
use super::super::filter::fingerprint;
use super::super::filter::tests::{entry, options};
use super::journal::Writer;
use super::*;

fn open(directory: &Path) -> Result<Memory, String> {
    let state = State { directory: directory.to_owned(), digest: [7; 32] };
    Memory::open(&state, &options(), [9; 32])
}

/// A bucket of which some objects have something in them.
struct Bucket {
    entries: Vec<Entry>,
    is_clean: fn(usize) -> bool,
}

/// What a sweep came to, or how far it came.
#[derive(Debug, Default)]
struct Swept {
    /// How often each object was read.
    read: BTreeMap<usize, u32>,
    /// How many were clean before.
    known: u64,
    is_done: bool,
}

impl Bucket {
    fn new(objects: usize, is_clean: fn(usize) -> bool) -> Self {
        Self { entries: (0..objects).map(|n| entry(&format!("{n:03}"), 1)).collect(), is_clean }
    }

    fn print(&self, n: usize) -> Print {
        fingerprint("b", &self.entries[n], true)
    }

    /// A page, and what of it is to be read.
    fn listed(&self, memory: &Memory, page: &[usize], is_last: bool) -> (Listed, Vec<usize>) {
        let prints: Vec<Print> = page.iter().map(|&n| self.print(n)).collect();
        let known = memory.known(&prints).unwrap();
        let reading: Vec<usize> = page.iter().zip(&known).filter(|(_, known)| !**known).map(|(&n, _)| n).collect();
        let listed = Listed {
            unit: memory.unit("b", "flat", ""),
            mark: Some(if is_last { Mark::End } else { Mark::After(format!("{:03}", page[page.len() - 1]), None) }),
            reading: reading.len() as u64,
            clean: (page.len() - reading.len()) as u64,
            archived: Archived::new(),
            again: vec![],
        };
        (listed, reading)
    }

    /// Reads page after page of a list, back to front within a page, until it has told `steps` things, and commits after each
    /// `batch` of them; then it is gone.
    fn sweep(&self, memory: &Memory, page: usize, batch: usize, steps: usize) -> Swept {
        let mut swept = Swept::default();
        let mut writer = Writer::new(&memory.database);
        let mut told = 0;
        let mut tell = |news| {
            writer.take(news);
            told += 1;
            if told % batch == 0 {
                writer.commit().unwrap();
            }
            told < steps
        };
        let unit = memory.unit("b", "flat", "");
        let (record, again) = memory.left(unit).unwrap().unwrap_or_default();
        swept.known = record.clean;
        let from = match &record.mark {
            None => 0,
            Some(Mark::After(key, _)) => key.parse::<usize>().unwrap() + 1,
            Some(Mark::End) => self.entries.len(),
        };
        let is_over = record.mark == Some(Mark::End);
        if !tell(Told::Begins(unit, record)) {
            return swept;
        }
        let done = |ticket: Ticket, entry: &Entry, swept: &mut Swept, tell: &mut dyn FnMut(Told) -> bool| {
            let n: usize = entry.key.to_string().parse().unwrap();
            *swept.read.entry(n).or_default() += 1;
            let clean = (self.is_clean)(n);
            tell(Told::Done(ticket, if clean { Outcome::Clean(self.print(n)) } else { Outcome::Again(entry.clone()) }))
        };
        for (print, entry) in again {
            if !done(Ticket { unit, page: None, print }, &entry, &mut swept, &mut tell) {
                return swept;
            }
        }
        let pages: Vec<Vec<usize>> =
            (from..self.entries.len()).collect::<Vec<_>>().chunks(page).map(<[usize]>::to_vec).collect();
        for (number, page) in pages.iter().enumerate().filter(|_| !is_over) {
            let (listed, reading) = self.listed(memory, page, number + 1 == pages.len());
            swept.known += listed.clean;
            if !tell(Told::Page(listed)) {
                return swept;
            }
            for n in reading.into_iter().rev() {
                let ticket = Ticket { unit, page: Some(number as u64), print: self.print(n) };
                if !done(ticket, &self.entries[n], &mut swept, &mut tell) {
                    return swept;
                }
            }
        }
        writer.commit().unwrap();
        Swept { is_done: true, ..swept }
    }
}

/// Every object is dealt with, and whatever has something in it was read by the one sweep that came to its end.
fn expect_whole(bucket: &Bucket, swept: &Swept) {
    assert!(swept.is_done);
    let all = bucket.entries.len();
    assert_eq!(swept.read.len() as u64 + swept.known, all as u64, "{swept:?}");
    for n in (0..all).filter(|&n| !(bucket.is_clean)(n)) {
        assert_eq!(swept.read.get(&n), Some(&1), "{n}");
    }
}

#[test]
fn killed_at_each_step_it_goes_on_and_reads_nothing_clean_twice() {
    let bucket = Bucket::new(11, |n| n % 4 != 1);
    for steps in 1..40 {
        let at = TempDir::new().unwrap();
        let mut reads: BTreeMap<usize, u32> = BTreeMap::new();
        let mut swept = bucket.sweep(&open(at.path()).unwrap(), 3, 1, steps);
        for _ in 0..2 {
            swept.read.iter().for_each(|(n, times)| *reads.entry(*n).or_default() += times);
            if swept.is_done {
                break;
            }
            swept = bucket.sweep(&open(at.path()).unwrap(), 3, 1, usize::MAX);
        }
        expect_whole(&bucket, &swept);
        assert!(reads.iter().all(|(n, &times)| times == 1 || !(bucket.is_clean)(*n)), "{steps}: {reads:?}");
        let memory = open(at.path()).unwrap();
        memory.finish().unwrap();
        let next = bucket.sweep(&memory, 5, 1, usize::MAX);
        assert_eq!((next.known, next.read.len()), (8, 3), "{next:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_kills_it_whenever_nothing_is_missed(
        objects in 1usize..40,
        page in 1usize..9,
        batch in 1usize..12,
        kills in proptest::collection::vec(1usize..60, 0..5),
    ) {
        let bucket = Bucket::new(objects, |n| n % 5 != 2);
        let at = TempDir::new().unwrap();
        for steps in kills {
            bucket.sweep(&open(at.path()).unwrap(), page, batch, steps);
        }
        let swept = bucket.sweep(&open(at.path()).unwrap(), page, batch, usize::MAX);
        expect_whole(&bucket, &swept);
    }
}

/// Sweeps all, with what is said of the object `n`.
fn one_page(memory: &Memory, bucket: &Bucket, outcome: impl Fn(usize) -> Outcome) {
    let mut writer = Writer::new(&memory.database);
    let unit = memory.unit("b", "flat", "");
    writer.take(Told::Begins(unit, Record::default()));
    let archived = Archived::from([("GLACIER".to_owned(), (2, 30))]);
    let again = vec![([5; 16], entry("large", 99))];
    let reading = bucket.entries.len() as u64;
    writer.take(Told::Page(Listed { unit, mark: Some(Mark::End), reading, clean: 3, archived, again }));
    for n in 0..bucket.entries.len() {
        writer.take(Told::Done(Ticket { unit, page: Some(0), print: bucket.print(n) }, outcome(n)));
    }
    writer.commit().unwrap();
}

#[test]
fn what_was_counted_and_left_out_is_told_again() {
    let at = TempDir::new().unwrap();
    let (bucket, memory) = (Bucket::new(2, |_| true), open(at.path()).unwrap());
    one_page(&memory, &bucket, |n| Outcome::Clean(bucket.print(n)));
    let (record, again) = memory.left(memory.unit("b", "flat", "")).unwrap().unwrap();
    assert_eq!((record.mark, record.clean), (Some(Mark::End), 5));
    assert_eq!(record.archived["GLACIER"], (2, 30));
    assert_eq!(again, [([5; 16], entry("large", 99))]);
    assert_eq!(memory.left(memory.unit("b", "flat", "x")).unwrap(), None);
}

#[test]
fn a_key_with_a_secret_is_never_written_down() {
    let at = TempDir::new().unwrap();
    let secret = ["wJalrXUtnFEMI", "K7MDENGbPxRfiCY"].concat();
    let bucket = Bucket { entries: vec![entry(&secret, 1), entry("z", 1)], is_clean: |_| false };
    let memory = open(at.path()).unwrap();
    one_page(&memory, &bucket, |n| if n == 0 { Outcome::Secret } else { Outcome::Clean(bucket.print(n)) });
    assert_eq!(memory.left(memory.unit("b", "flat", "")).unwrap(), None, "the mark stays before it");
    assert_eq!(memory.known(&[bucket.print(0), bucket.print(1)]).unwrap(), [false, true]);
    drop(memory);
    let files: Vec<_> = fs::read_dir(at.path()).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
    assert!(files.iter().all(|bytes| !bstr::ByteSlice::contains_str(&bytes[..], &secret)));
    assert_eq!(files.len(), 1);
}

#[test]
fn what_is_clean_is_so_for_its_rules_and_marks_are_of_their_plan() {
    let at = TempDir::new().unwrap();
    let bucket = Bucket::new(1, |_| true);
    {
        let memory = open(at.path()).unwrap();
        one_page(&memory, &bucket, |n| Outcome::Clean(bucket.print(n)));
    }
    let opened = |digest, metadata, plan| {
        let state = State { directory: at.path().to_owned(), digest: [digest; 32] };
        let memory = Memory::open(&state, &Options { metadata, ..options() }, [plan; 32]).unwrap();
        let left = memory.left(memory.unit("b", "flat", "")).unwrap().is_some();
        (memory.known(&[bucket.print(0)]).unwrap()[0], left)
    };
    assert_eq!(opened(7, false, 9), (true, true));
    assert_eq!(opened(7, false, 1), (true, false), "other targets");
    assert_eq!(opened(7, true, 9), (false, false), "metadata was not read");
    assert_eq!(opened(8, false, 9), (false, false), "other rules");
}

#[test]
fn a_state_that_is_used_damaged_or_of_another_version_is_refused_and_named() {
    let at = TempDir::new().unwrap();
    let memory = open(at.path()).unwrap();
    let path = memory.path.clone();
    let refused = |words: &str| {
        let error = open(at.path()).unwrap_err();
        assert!(error.contains(words) && error.contains(&path.display().to_string()), "{error}");
    };
    refused("in use by another keysweep");
    let write = memory.database.begin_write().unwrap();
    write.open_table(META).unwrap().insert("format", FORMAT + 1).unwrap();
    write.commit().unwrap();
    drop(memory);
    refused("another version");
    let whole = fs::read(&path).unwrap();
    for damaged in [b"not a database at all".to_vec(), whole[..whole.len() / 2].to_vec(), vec![0; whole.len()]] {
        fs::write(&path, damaged).unwrap();
        refused("remove it");
    }
    fs::remove_file(&path).unwrap();
    // Half of one, left behind by a kill before it was whole.
    fs::write(path.with_extension("new"), b"half").unwrap();
    open(at.path()).unwrap();
    assert!(!path.with_extension("new").exists());
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let at = TempDir::new().unwrap();
    let file = at.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(open(&file.join("state")).unwrap_err().contains("name a directory"));
}
