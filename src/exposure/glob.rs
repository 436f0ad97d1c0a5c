//! Patterns as policies have them: `*` stands for any text, `?` for one character. Whether one covers another, and whether some text is
//! matched by both.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html>

/// A pattern, or a text that is matched by itself alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob(Vec<Token>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// Any text.
    Any,
    /// Any character.
    One,
    This(char),
}

impl Glob {
    pub(super) fn pattern(text: &str) -> Self {
        Self(
            text.chars()
                .map(|c| match c {
                    '*' => Token::Any,
                    '?' => Token::One,
                    c => Token::This(c),
                })
                .collect(),
        )
    }

    /// The text itself, whatever stands in it.
    pub(super) fn literal(text: &str) -> Self {
        Self(text.chars().map(Token::This).collect())
    }

    /// With at least a character more.
    pub(super) fn and_more(mut self) -> Self {
        self.0.extend([Token::One, Token::Any]);
        self
    }

    /// All that `other` matches is matched by this one. Where that is so only for deeper reasons than that one can be read as the other, it
    /// may say no.
    pub(super) fn covers(&self, other: &Self) -> bool {
        // Which beginnings of `self` cover what was read of `other`.
        let mut reached = self.start();
        for &token in &other.0 {
            reached = self.step(&reached, |of_self| match (of_self, token) {
                (Token::One, Token::Any) | (Token::This(_), Token::Any | Token::One) => false,
                (Token::This(a), Token::This(b)) => a == b,
                (Token::Any | Token::One, _) => true,
            });
        }
        reached.last() == Some(&true)
    }

    /// Some text is matched by both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let mut reached = self.start();
        for &token in &other.0 {
            reached = match token {
                // It can be as long as it likes.
                Token::Any => {
                    let first = reached.iter().position(|&at| at).unwrap_or(reached.len());
                    (0..reached.len()).map(|at| at >= first).collect()
                }
                token => self.step(&reached, |of_self| match (of_self, token) {
                    (Token::This(a), Token::This(b)) => a == b,
                    _ => true,
                }),
            };
        }
        reached.last() == Some(&true)
    }

    /// The beginnings of it that match nothing at all.
    fn start(&self) -> Vec<bool> {
        let mut reached = vec![false; self.0.len() + 1];
        reached[0] = true;
        self.slide(&mut reached);
        reached
    }

    /// Reads one token more.
    fn step(&self, reached: &[bool], takes: impl Fn(Token) -> bool) -> Vec<bool> {
        let mut next = vec![false; reached.len()];
        for (at, &token) in self.0.iter().enumerate().filter(|(at, _)| reached[*at]) {
            if takes(token) {
                next[if token == Token::Any { at } else { at + 1 }] = true;
            }
        }
        self.slide(&mut next);
        next
    }

    /// `*` may stand for nothing.
    fn slide(&self, reached: &mut [bool]) {
        for (at, _) in self.0.iter().enumerate().filter(|(_, token)| **token == Token::Any) {
            reached[at + 1] |= reached[at];
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_matched_as_iam_does() {
        for (pattern, text, expected) in [
            ("s3:*", "s3:GetObject", true),
            ("s3:Get*", "s3:GetObject", true),
            ("s3:Get*", "s3:ListBucket", false),
            ("*", "", true),
            ("?", "", false),
            ("?", "é", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "a/b/b/cc", true),
            ("a*b*c", "ac", false),
            ("a?c", "a*c", true),
            ("a", "ab", false),
            ("ab", "a", false),
        ] {
            let (pattern_of, text_of) = (Glob::pattern(pattern), Glob::literal(text));
            assert_eq!(pattern_of.covers(&text_of), expected, "{pattern} {text}");
            assert_eq!(pattern_of.meets(&text_of), expected, "{pattern} {text}");
        }
        // A text's own asterisk is no pattern.
        assert!(!Glob::pattern("abc").meets(&Glob::literal("a*")));
    }

    #[test]
    fn patterns_cover_and_meet_patterns() {
        for (a, b, covers, meets) in [
            ("b/*", "b/x/*", true, true),
            ("b/x/*", "b/*", false, true),
            ("b/*", "b/?*", true, true),
            ("b/?*", "b/*", false, true),
            ("b/x*", "b/y*", false, false),
            ("b/*x", "b/y*", false, true),
            ("b/?", "b/??", false, false),
            ("b/?", "b/x", true, true),
            ("b/x", "b/?", false, true),
            ("*", "?*", true, true),
            ("b", "b/*", false, false),
        ] {
            let (a_of, b_of) = (Glob::pattern(a), Glob::pattern(b));
            assert_eq!(a_of.covers(&b_of), covers, "{a} {b}");
            assert_eq!((a_of.meets(&b_of), b_of.meets(&a_of)), (meets, meets), "{a} {b}");
        }
        let all = Glob::literal("b/").and_more();
        assert!(Glob::pattern("b/*").covers(&all) && !Glob::pattern("b/").meets(&all));
    }

    /// All texts of up to three letters.
    fn texts() -> Vec<String> {
        let mut all = vec![String::new()];
        for from in 0..1 + 2 + 4 {
            let longer: Vec<String> = ["a", "b"].map(|letter| format!("{}{letter}", all[from])).to_vec();
            all.extend(longer);
        }
        all
    }

    proptest! {
        #[test]
        fn what_is_said_of_patterns_holds_for_texts(a in "[ab*?]{0,5}", b in "[ab*?]{0,5}") {
            let (a, b) = (Glob::pattern(&a), Glob::pattern(&b));
            let matched = |glob: &Glob| -> Vec<String> {
                texts().into_iter().filter(|text| glob.covers(&Glob::literal(text))).collect()
            };
            let (of_a, of_b) = (matched(&a), matched(&b));
            if a.covers(&b) {
                prop_assert!(of_b.iter().all(|text| of_a.contains(text)));
            }
            let both = of_b.iter().any(|text| of_a.contains(text));
            prop_assert!(!both || a.meets(&b));
            prop_assert_eq!(a.meets(&b), b.meets(&a));
            prop_assert!(a.covers(&a) && (a.meets(&b) || !a.covers(&b)));
        }
    }
}
