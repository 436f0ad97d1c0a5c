//! Which lines a version of a file adds to another, exactly as `git diff` tells it: libgit2 has the very same code for that.

use std::hash::{DefaultHasher, Hasher};

use git2::{DiffOptions, Patch};

use crate::location::LineSet;

/// The lines of `new` that `old` has not.
///
/// # Errors
/// When there are too many bytes to compare.
pub(super) fn added(old: &[u8], new: &[u8]) -> Result<LineSet, git2::Error> {
    let mut options = DiffOptions::new();
    options.context_lines(0).interhunk_lines(0).indent_heuristic(true).force_text(true);
    let patch = Patch::from_buffers(old, None, new, None, Some(&mut options))?;
    let mut lines = LineSet::default();
    for number in 0..patch.num_hunks() {
        let (hunk, _) = patch.hunk(number)?;
        let first = u64::from(hunk.new_start());
        lines.add(first..first + u64::from(hunk.new_lines()));
    }
    Ok(lines)
}

/// Pieces of a text end with their line, or after so many bytes.
const PIECE: usize = 64;

/// The pieces of a text: what they are by a hash of each, in order, and how many bytes they are in all.
pub(super) struct Pieces {
    bytes: u64,
    counts: Vec<(u64, u64)>,
}

impl Pieces {
    pub(super) fn of(text: &[u8]) -> Self {
        let pieces = text.split_inclusive(|byte| *byte == b'\n').flat_map(|line| line.chunks(PIECE));
        let mut counts: Vec<(u64, u64)> = pieces.map(|piece| (hash(piece), piece.len() as u64)).collect();
        counts.sort_unstable();
        counts.dedup_by(|later, first| {
            let is_same = later.0 == first.0;
            first.1 += if is_same { later.1 } else { 0 };
            is_same
        });
        counts.shrink_to_fit();
        Self { bytes: text.len() as u64, counts }
    }

    /// How many they are.
    pub(super) fn count(&self) -> usize {
        self.counts.len()
    }

    /// Whether their sizes are near enough.
    pub(super) fn may_be_like(&self, other: &Self) -> bool {
        let (smaller, larger) = (self.bytes.min(other.bytes), self.bytes.max(other.bytes));
        larger > 0 && smaller * 100 >= ALIKE * larger
    }

    /// How much of the larger of two texts stands in the other, in hundredths: with fifty and more git takes one for the other renamed.
    pub(super) fn likeness(&self, other: &Self) -> u64 {
        if !self.may_be_like(other) {
            return 0;
        }
        let (mut others, mut common) = (other.counts.iter().peekable(), 0);
        for (piece, bytes) in &self.counts {
            while others.next_if(|(other, _)| other < piece).is_some() {}
            common += others.next_if(|(other, _)| other == piece).map_or(0, |(_, other)| *other.min(bytes));
        }
        common * 100 / self.bytes.max(other.bytes)
    }
}

fn hash(piece: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(piece);
    hasher.finish()
}

/// What is as like as this may be the same file renamed.
pub(super) const ALIKE: u64 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(old: &str, new: &str) -> Vec<u64> {
        let lines = added(old.as_bytes(), new.as_bytes()).unwrap();
        (1..=new.lines().count() as u64 + 1).filter(|line| lines.touches(*line..line + 1)).collect()
    }

    #[test]
    fn added_and_changed_lines_are_told_and_old_ones_not() {
        assert_eq!(numbers("a\nb\nc\n", "a\nx\nb\nC\n"), [2, 4]);
        assert_eq!(numbers("", "a\nb\n"), [1, 2]);
        assert!(numbers("a\nb\n", "a\nb\n").is_empty());
        assert!(numbers("a\nb\n", "a\n").is_empty());
        assert_eq!(numbers("a\nb\nc\nd\n", "b\nc\nd\na\n"), [4], "a line that moved is added where it is");
        assert_eq!(numbers("a", "a\n"), [1], "so is one that gets an end");
        assert_eq!(numbers("a\0b\n", "a\0b\nc\0\n"), [2], "also in what is no text");
    }

    #[test]
    fn what_shares_half_of_its_lines_is_alike() {
        let text = |from: u32, to: u32| (from..to).map(|n| format!("this is line {n:04}\n")).collect::<String>();
        let like = |old: String, new: String| Pieces::of(old.as_bytes()).likeness(&Pieces::of(new.as_bytes()));
        assert_eq!(like(text(0, 100), text(0, 100)), 100);
        assert_eq!(like(text(0, 100), text(40, 140)), 60);
        assert_eq!(like(text(0, 100), text(100, 200)), 0);
        assert_eq!(like(text(0, 10), text(0, 100)), 0);
        assert_eq!(like(String::new(), String::new()), 0);
        assert_eq!(like("x\n".repeat(10), "x\n".repeat(8)), 80, "each piece as often as both have it");
    }
}
