//! Generic rules step back: what one of them finds is left out where a better rule finds the same, or more, on the same line. Which
//! rules are generic, and what a find is, is for others to say.

use std::collections::{HashMap, HashSet};

use aho_corasick::Anchored;
use aho_corasick::automaton::Automaton;
use aho_corasick::nfa::noncontiguous::NFA;

use super::Find;
use super::terms::Terms;

/// Secrets of so many bytes, and the one with which there are so many, make one automaton, which takes some thirty times as much.
const TOGETHER: usize = 1 << 20;

/// What was found on one line, as indices of finds.
#[derive(Default)]
struct OnLine {
    vague: Vec<usize>,
    better: Vec<usize>,
}

/// Without the finds of generic rules whose secrets stand in those of other rules on the same line.
pub(super) fn without_vague(finds: Vec<Find>, text: &[u8], is_vague: impl Fn(&Find) -> bool) -> Vec<Find> {
    let mut lines: HashMap<usize, OnLine> = HashMap::new();
    for (index, find) in finds.iter().enumerate() {
        let line = lines.entry(find.line).or_default();
        if is_vague(find) { line.vague.push(index) } else { line.better.push(index) }
    }
    let mut beaten: Vec<Vec<Terms>> = vec![Vec::new(); finds.len()];
    for line in lines.values().filter(|line| !line.vague.is_empty() && !line.better.is_empty()) {
        line.beat(&finds, text, &mut beaten);
    }
    let mut left = Vec::with_capacity(finds.len());
    for (mut find, better) in finds.into_iter().zip(beaten) {
        if !better.iter().any(Terms::are_none) {
            find.terms.unless_found.extend(better);
            left.push(find);
        }
    }
    left
}

impl OnLine {
    /// Notes for each vague find on what the better ones depend in which its secret stands, each once.
    fn beat(&self, finds: &[Find], text: &[u8], beaten: &mut [Vec<Terms>]) {
        let mut same: HashMap<&[u8], Vec<usize>> = HashMap::new();
        for &index in &self.vague {
            same.entry(finds[index].secret.of(text)).or_default().push(index);
        }
        let (secrets, same): (Vec<&[u8]>, Vec<Vec<usize>>) = same.into_iter().unzip();
        let better = self.by_terms(finds, text);
        let mut first = 0;
        while first < secrets.len() {
            let some = together(&secrets[first..]);
            let automaton = NFA::builder()
                .prefilter(false)
                .build(some)
                .expect("what one text holds is far less than an automaton's two thousand million states");
            for (terms, texts) in &better {
                for held in held_by(&automaton, texts) {
                    same[first + held].iter().for_each(|&index| beaten[index].push((*terms).clone()));
                }
            }
            first += some.len();
        }
    }

    /// The better secrets by what they depend on, which is often the same.
    fn by_terms<'a>(&self, finds: &'a [Find], text: &'a [u8]) -> Vec<(&'a Terms, HashSet<&'a [u8]>)> {
        let mut by_terms: Vec<(&Terms, HashSet<&[u8]>)> = Vec::new();
        for find in self.better.iter().map(|&index| &finds[index]) {
            let secret = find.secret.of(text);
            match by_terms.iter_mut().find(|(terms, _)| **terms == find.terms) {
                Some((_, secrets)) => drop(secrets.insert(secret)),
                None => by_terms.push((&find.terms, HashSet::from([secret]))),
            }
        }
        by_terms
    }
}

/// The first secrets, at least one, of about [`TOGETHER`] bytes in all.
fn together<'a, 'b>(secrets: &'a [&'b [u8]]) -> &'a [&'b [u8]] {
    let mut bytes = 0;
    let most = secrets.iter().take_while(|secret| {
        let is_room = bytes < TOGETHER;
        bytes += secret.len();
        is_room
    });
    &secrets[..most.count()]
}

/// The numbers of the patterns that stand somewhere in the texts.
fn held_by(automaton: &NFA, texts: &HashSet<&[u8]>) -> HashSet<usize> {
    let start = automaton.start_state(Anchored::No).expect("it was built for searches that are not anchored");
    let mut held = HashSet::new();
    // Patterns that end in each other are many in one state: each state is asked once.
    let mut seen = HashSet::new();
    for text in texts {
        let mut state = start;
        for &byte in *text {
            state = automaton.next_state(Anchored::No, state, byte);
            if automaton.is_match(state) && seen.insert(state) {
                held.extend((0..automaton.match_len(state)).map(|n| automaton.match_pattern(state, n).as_usize()));
            }
        }
    }
    held
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::foreign::terms::Where;
    use crate::location::Span;

    /// Searches each vague secret in each better one of its line.
    fn plain(finds: &[Find], text: &[u8]) -> Vec<Find> {
        let left = finds.iter().filter_map(|find| {
            let mut find = find.clone();
            let secret = find.secret.of(text);
            let others = finds.iter().filter(|other| find.rule == 0 && other.rule > 0 && other.line == find.line);
            let better: Vec<&Find> =
                others.filter(|other| memchr::memmem::find(other.secret.of(text), secret).is_some()).collect();
            find.terms.unless_found = better.iter().map(|better| better.terms.clone()).collect();
            (!better.iter().any(|better| better.terms.are_none())).then_some(find)
        });
        left.collect()
    }

    /// The terms of the better finds, each once and in an order that does not depend on them.
    fn told(finds: &[Find]) -> Vec<(usize, Span, Vec<usize>)> {
        let told = |find: &Find| {
            let mut commits: Vec<usize> =
                find.terms.unless_found.iter().map(|terms| terms.unless[0].commits[0].len()).collect();
            commits.sort_unstable();
            commits.dedup();
            (find.rule, find.secret, commits)
        };
        finds.iter().map(told).collect()
    }

    /// A find of the generic rule 0 or of another, which may depend on a commit.
    fn find(length: usize) -> impl Strategy<Value = Find> {
        (0..3_usize, 1..3_usize, 0..length, 1..6_usize, 0..3_usize).prop_map(
            move |(rule, line, start, more, commit)| {
                let list = Where { commits: vec!["c".repeat(commit)], ..Where::default() };
                let unless = (commit > 0).then(|| Arc::new(list)).into_iter().collect();
                let secret = Span { start, end: length.min(start + more) };
                Find { rule, line, column: 1, secret, terms: Terms { unless, ..Terms::default() } }
            },
        )
    }

    proptest! {
        #[test]
        fn as_many_are_left_as_when_each_is_searched_in_each(
            (text, finds) in "[ab]{1,20}".prop_flat_map(|text| {
                let finds = prop::collection::vec(find(text.len()), 0..24);
                (Just(text), finds)
            })
        ) {
            let left = without_vague(finds.clone(), text.as_bytes(), |find| find.rule == 0);
            prop_assert_eq!(told(&left), told(&plain(&finds, text.as_bytes())));
            for find in &left {
                let unless = &find.terms.unless_found;
                prop_assert!((1..unless.len()).all(|n| !unless[..n].contains(&unless[n])), "each once");
            }
        }
    }

    #[test]
    fn secrets_are_taken_together_up_to_a_size_and_always_one() {
        let (long, short) = (vec![b'a'; TOGETHER], b"a".to_vec());
        let count = |secrets: &[&[u8]]| together(secrets).len();
        assert_eq!(count(&[&long, &short]), 1);
        assert_eq!(count(&[&short, &long, &short]), 2);
        assert_eq!(count(&[&short, &short]), 2);
    }
}
