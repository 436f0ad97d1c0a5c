//! Which lines a version of a file adds to another, exactly as `git diff` tells it: libgit2 has the very same code for that.

use std::collections::HashMap;

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

/// How many bytes of each piece a text has.
pub(super) fn pieces(text: &[u8]) -> HashMap<&[u8], u64> {
    let mut pieces = HashMap::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        for piece in line.chunks(PIECE) {
            *pieces.entry(piece).or_default() += piece.len() as u64;
        }
    }
    pieces
}

/// How much of the larger of two texts stands in the other, in hundredths: with fifty and more git takes one for the other renamed.
pub(super) fn likeness(old: &[u8], new: &HashMap<&[u8], u64>, new_len: usize) -> u64 {
    let larger = old.len().max(new_len) as u64;
    let smaller = old.len().min(new_len) as u64;
    if larger == 0 || smaller * 100 < ALIKE * larger {
        return 0;
    }
    let common: u64 = pieces(old).iter().map(|(piece, bytes)| new.get(piece).map_or(0, |new| *new.min(bytes))).sum();
    common * 100 / larger
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
        let like = |old: String, new: String| likeness(old.as_bytes(), &pieces(new.as_bytes()), new.len());
        assert_eq!(like(text(0, 100), text(0, 100)), 100);
        assert_eq!(like(text(0, 100), text(40, 140)), 60);
        assert_eq!(like(text(0, 100), text(100, 200)), 0);
        assert_eq!(like(text(0, 10), text(0, 100)), 0);
        assert_eq!(like(String::new(), String::new()), 0);
    }
}
