//! Branches that both changed `.keysweepignore` are merged by git as it is, without a conflict and without losing anything.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{Keysweep, example_key};

/// Numbers that look drawn, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// A repository in which two branches go apart.
struct Fork {
    at: Keysweep,
    dice: Dice,
    /// Seeds of keys that nobody has added yet.
    next: u64,
}

impl Fork {
    /// One with so many entries before the branches; with none there is not even the file.
    fn new(seed: u64, entries: u64) -> Self {
        let at = Keysweep::new();
        at.init("repo").write("repo/readme", "x");
        let mut fork = Self { at, dice: Dice(seed), next: seed * 1000 };
        if entries > 0 {
            fork.add(entries);
        }
        fork.at.commit("repo", "base");
        fork
    }

    /// Adds keys as a user does.
    fn add(&mut self, count: u64) {
        let ids: Vec<String> = (self.next..self.next + count).map(|seed| example_key(seed).0).collect();
        self.next += count;
        let args = ["baseline", "add", "--target", "repo", "--reason", "a test"];
        let output = self.at.invocation(args.into_iter().map(str::to_owned).chain(ids)).run();
        assert_eq!(output.code, Some(0), "{output:?}");
    }

    fn lines(&self) -> BTreeSet<String> {
        let text = fs::read_to_string(self.at.path("repo/.keysweepignore")).unwrap_or_default();
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
    }

    /// Makes a branch, changes the file on it in some ways, and returns what must be there after a merge.
    fn branch(&mut self, name: &str) -> BTreeSet<String> {
        self.at.git("repo", ["checkout", "-q", "-b", name, "main"]);
        let base = self.lines();
        let added = 1 + self.dice.below(4);
        self.add(added);
        let file = self.at.path("repo/.keysweepignore");
        let mut text = fs::read_to_string(&file).unwrap();
        let old: Vec<String> = base.iter().cloned().collect();
        if !old.is_empty() && self.dice.below(2) == 0 {
            let line = &old[self.dice.below(old.len() as u64) as usize];
            text = text.replace(&format!("{line}\n"), "");
        }
        if !old.is_empty() && self.dice.below(2) == 0 {
            let line = &old[self.dice.below(old.len() as u64) as usize];
            text = text.replace(&format!("{line}\n"), &format!("{line} of {name}\n"));
        }
        fs::write(file, text).unwrap();
        self.at.commit("repo", name);
        self.lines().difference(&base).cloned().collect()
    }

    /// Whether git merges the other branch into the one that is checked out.
    fn merges(&self, other: &str) -> bool {
        let file = self.at.path("repo/.git/merged");
        let script = format!("git merge -q -m merged {other} >/dev/null 2>&1; echo $? > .git/merged");
        self.at.git("repo", ["-c", &format!("alias.try=!{script}"), "try"]);
        fs::read_to_string(file).unwrap().trim() == "0"
    }
}

#[test]
fn two_branches_that_both_changed_the_file_merge_without_conflict() {
    for seed in 0..20 {
        let mut fork = Fork::new(seed, [0, 1, 2, 5, 12][seed as usize % 5]);
        let theirs = fork.branch("theirs");
        let ours = fork.branch("ours");
        assert!(fork.merges("theirs"), "seed {seed}");
        let merged = fork.lines();
        assert!(ours.is_subset(&merged) && theirs.is_subset(&merged), "seed {seed}: {ours:?} {theirs:?} {merged:?}");
        let shown = fork.at.invocation(["baseline", "show", "--target", "repo"]).run();
        assert_eq!(shown.code, Some(0), "seed {seed}: {shown:?}");
    }
}

/// GitHub's button for merging knows nothing of `.gitattributes`.
#[test]
fn most_merge_even_where_git_attributes_are_not_heard() {
    let clean = (100..124).filter(|&seed| {
        let mut fork = Fork::new(seed, [1, 2, 5, 12][seed as usize % 4]);
        fork.at.git("repo", ["rm", "-q", "--cached", ".gitattributes"]);
        fs::remove_file(fork.at.path("repo/.gitattributes")).unwrap();
        fork.at.write("repo/.git/info/attributes", ".keysweepignore merge=text\n").commit("repo", "no attributes");
        for branch in ["theirs", "ours"] {
            fork.at.git("repo", ["checkout", "-q", "-b", branch, "main"]);
            fork.add(2);
            fork.at.commit("repo", branch);
        }
        fork.merges("theirs")
    });
    let clean = clean.count();
    assert!(clean >= 23, "{clean} of 24");
}

#[test]
fn after_a_merge_the_keys_of_both_branches_are_known_and_a_prune_tidies() {
    let at = Keysweep::new();
    at.init("repo").write("repo/readme", "x").commit("repo", "base");
    for (branch, seed) in [("theirs", 1), ("ours", 2)] {
        at.git("repo", ["checkout", "-q", "-b", branch, "main"]);
        at.plant(format!("repo/{branch}.env"), seed);
        at.plant("repo/both.env", 3);
        let args = ["baseline", "add", "--target", "repo", "--history", "none", "--reason", branch];
        let output = at.invocation(args).run();
        assert_eq!(output.code, Some(0), "{output:?}");
        at.commit("repo", branch);
    }
    at.git("repo", ["merge", "-q", "-m", "merged", "theirs"]);
    at.scan(["repo"]).expect(0, &[&example_key(1).0, &example_key(2).0, &example_key(3).0]);
    let lines = |at: &Keysweep| {
        let text = fs::read_to_string(at.path("repo/.keysweepignore")).unwrap();
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&at).len(), 4, "the key of both has two reasons");
    let output = at.invocation(["baseline", "prune", "--target", "repo"]).run();
    assert_eq!(output.code, Some(0), "{output:?}");
    let left = lines(&at);
    assert!(left.len() == 3 && left.is_sorted(), "{left:?}");
    at.scan(["repo"]).expect(0, &[&example_key(1).0, &example_key(2).0, &example_key(3).0]);
}
