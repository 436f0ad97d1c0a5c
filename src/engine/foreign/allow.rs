//! Allowlists and what else a rule of gitleaks asks of a match beyond its regex: what the bytes decide is decided here, what the
//! place decides is left over as terms.

use std::sync::Arc;

use aho_corasick::AhoCorasick;
use bstr::ByteSlice;
use regex::bytes::Regex;

use super::lines::Line;
use super::terms::{Path, Terms, Where};

/// What is asked of a match besides its regex.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Conditions {
    /// Regex for the file's path.
    pub(in crate::engine) path: Option<Path>,
    /// A secret must have more bits a character than this; zero asks for nothing.
    pub(in crate::engine) above_entropy: f64,
    pub(in crate::engine) allowlists: Vec<Arc<Allowlist>>,
}

/// What is no leak. Empty fields say nothing.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Allowlist {
    /// All that it asks for must fit; otherwise one thing is enough.
    pub(in crate::engine) all: bool,
    pub(in crate::engine) place: Arc<Where>,
    pub(in crate::engine) target: Target,
    pub(in crate::engine) regexes: Option<Regex>,
    /// Lower-case words for lower-case secrets.
    pub(in crate::engine) stopwords: Option<AhoCorasick>,
}

/// What the regexes of an allowlist are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) enum Target {
    #[default]
    Secret,
    Match,
    Line,
}

/// The bytes of a match that lists are about.
#[derive(Clone, Copy, Default)]
pub(in crate::engine) struct Candidate<'a> {
    pub(in crate::engine) secret: &'a [u8],
    /// What the whole regex matched.
    pub(in crate::engine) matched: &'a [u8],
    /// The lines it stands on; none of a file that is found by its path.
    pub(in crate::engine) line: Option<Line<'a>>,
}

enum Answer {
    Allowed,
    NotAllowed,
    /// Allowed where the place fits.
    Depends,
}

impl Conditions {
    /// Whether nothing is asked.
    pub(in crate::engine) fn are_none(&self) -> bool {
        self.path.is_none() && self.above_entropy == 0.0 && self.allowlists.is_empty()
    }

    /// What is left to ask of the place; `None` when the bytes say already that it is no leak.
    pub(in crate::engine) fn terms(&self, candidate: &Candidate<'_>) -> Option<Terms> {
        if self.above_entropy != 0.0 && entropy(candidate.secret) <= self.above_entropy {
            return None;
        }
        self.terms_of_place(candidate)
    }

    /// The same where there is no secret: of a file that is found by its path.
    pub(in crate::engine) fn terms_of_place(&self, candidate: &Candidate<'_>) -> Option<Terms> {
        let mut terms = Terms { paths: self.path.iter().cloned().collect(), ..Terms::default() };
        for list in &self.allowlists {
            match list.answer(candidate) {
                Answer::Allowed => return None,
                Answer::NotAllowed => {}
                Answer::Depends => terms.unless.push(list.place.clone()),
            }
        }
        Some(terms)
    }
}

impl Allowlist {
    fn answer(&self, candidate: &Candidate<'_>) -> Answer {
        let is_match = |regexes: &Regex, bytes: &[u8]| !bytes.is_empty() && regexes.is_match(bytes);
        let regex = self.regexes.as_ref().map(|regexes| match self.target {
            Target::Secret => is_match(regexes, candidate.secret),
            Target::Match => is_match(regexes, candidate.matched),
            Target::Line => candidate.line.is_some_and(|line| line.is_match(regexes)),
        });
        let word = self.stopwords.as_ref().map(|words| words.is_match(&candidate.secret.to_lowercase()));
        let mut content = [regex, word].into_iter().flatten();
        let decided = if self.all { content.any(|fits| !fits) } else { content.any(|fits| fits) };
        match (decided, self.all, self.place.is_anywhere()) {
            (true, true, _) | (false, false, true) => Answer::NotAllowed,
            (true, false, _) | (false, true, true) => Answer::Allowed,
            (false, _, false) => Answer::Depends,
        }
    }
}

/// Shannon entropy of the characters, in bits; as in gitleaks, shares are of the number of bytes.
fn entropy(secret: &[u8]) -> f64 {
    if secret.is_ascii() {
        return crate::engine::plausible::entropy(secret);
    }
    let mut counts = std::collections::BTreeMap::new();
    for c in secret.chars() {
        *counts.entry(c).or_insert(0_u32) += 1;
    }
    let share = |count: u32| f64::from(count) / secret.len() as f64;
    counts.into_values().map(share).map(|share| -share * share.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::foreign::lines::LineIndex;
    use crate::location::Span;

    fn words(words: &[&str]) -> Option<AhoCorasick> {
        Some(AhoCorasick::new(words).unwrap())
    }

    fn conditions(list: Allowlist) -> Conditions {
        Conditions { allowlists: vec![Arc::new(list)], ..Conditions::default() }
    }

    fn terms(conditions: &Conditions) -> Option<Terms> {
        let text = b"\nmy key=s3cr3tFAKE # test";
        let index = LineIndex::new(text);
        let line = Some(index.around(Span { start: 4, end: 8 }));
        conditions.terms(&Candidate { secret: b"s3cr3tFAKE", matched: b"key=s3cr3tFAKE", line })
    }

    fn somewhere() -> Arc<Where> {
        Arc::new(Where { commits: vec!["ab".into()], ..Where::default() })
    }

    #[test]
    fn regexes_are_for_the_secret_the_match_or_the_line() {
        for (target, regex, allowed) in [
            (Target::Secret, "^s3cr3t", true),
            (Target::Secret, "^key", false),
            (Target::Match, "^key", true),
            (Target::Match, "test", false),
            (Target::Line, "# test$", true),
            (Target::Line, "^my", false),
        ] {
            let list = Allowlist { target, regexes: Regex::new(regex).ok(), ..Allowlist::default() };
            assert_eq!(terms(&conditions(list)).is_none(), allowed, "{regex}");
        }
    }

    #[test]
    fn stopwords_are_found_in_any_case_in_the_secret_only() {
        for (word, allowed) in [("fake", true), ("test", false)] {
            let list = Allowlist { stopwords: words(&[word]), ..Allowlist::default() };
            assert_eq!(terms(&conditions(list)).is_none(), allowed);
        }
    }

    #[test]
    fn what_fits_decides_for_or_and_what_does_not_for_and() {
        for (regex, all, expected) in
            [("^s3", false, None), ("^x", false, Some(1)), ("^s3", true, Some(1)), ("^x", true, Some(0))]
        {
            let regexes = Regex::new(regex).ok();
            let list = Allowlist { all, regexes, place: somewhere(), ..Allowlist::default() };
            let terms = terms(&conditions(list));
            assert_eq!(terms.map(|terms| terms.unless.len()), expected, "{regex} {all}");
        }
        let regexes = Regex::new("^s3").ok();
        for (word, expected) in [("fake", true), ("other", false)] {
            let list =
                Allowlist { all: true, regexes: regexes.clone(), stopwords: words(&[word]), ..Allowlist::default() };
            assert_eq!(terms(&conditions(list)).is_none(), expected, "{word}");
        }
    }

    #[test]
    fn a_file_found_by_its_path_has_no_secret_to_allow() {
        let list = Allowlist { regexes: Regex::new("").ok(), place: somewhere(), ..Allowlist::default() };
        let of_file = |all| {
            let list = Allowlist { all, ..list.clone() };
            conditions(list).terms_of_place(&Candidate::default()).unwrap().unless.len()
        };
        assert_eq!((of_file(false), of_file(true)), (1, 0));
    }

    #[test]
    fn just_the_entropy_asked_for_is_too_little() {
        let entropy = |above_entropy| Conditions { above_entropy, ..Conditions::default() };
        let two_bits = Candidate { secret: b"abcd", ..Candidate::default() };
        assert!(entropy(2.0).terms(&two_bits).is_none());
        assert!(entropy(1.99).terms(&two_bits).is_some());
        assert_eq!(super::entropy("éé".as_bytes()), 0.5);
    }
}
