//! Runs the regex of a rule around the hits of its keywords only, with the result that running it over everything would have:
//! matches leftmost first, none overlapping the one before.
//!
//! Why that holds: a match is no longer than L bytes and contains a keyword, so that it begins at most L bytes before some hit.
//! A slice that is cut at C shows every match that begins before C - L whole, and the byte behind it. So what begins
//! before C - L is settled by one search, and each byte is looked at about three times, however dense the hits are.

use super::rule::pattern::{Found, Pattern};

/// How far one rule has come in one text.
#[derive(Clone, Debug, Default)]
pub(super) struct Cursor {
    /// What begins before this is settled.
    from: usize,
    /// How many bytes the regex was given so far.
    pub(super) work: usize,
}

impl Cursor {
    /// Finds the matches that begin at `hit` or before, and perhaps more. Hits must come in rising order.
    pub(super) fn advance(&mut self, pattern: &Pattern, text: &[u8], hit: usize, mut report: impl FnMut(Found)) {
        let longest = pattern.max_len();
        let cut = text.len().min(hit + 2 * longest + 1);
        // Matches that begin before this are shown whole.
        let settled = if cut == text.len() { cut + 1 } else { cut - longest };
        while self.from <= hit {
            let start = self.from.max(hit.saturating_sub(longest));
            self.work += cut - start;
            let found = if pattern.may_find(text, start, cut) { pattern.find(text, start, cut) } else { None };
            match found {
                Some(found) if found.start < settled => {
                    self.from = found.next;
                    report(found);
                }
                _ => self.from = settled,
            }
        }
    }
}

/// The same matches, found by running the regex over everything.
pub(super) fn find_slowly(pattern: &Pattern, text: &[u8]) -> Vec<Found> {
    let mut all = Vec::new();
    let mut from = 0;
    while from <= text.len()
        && let Some(found) = pattern.find(text, from, text.len())
    {
        from = found.next;
        all.push(found);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rule::RuleSet;

    /// What the windows find, after comparing it with the slow way, and the work they took.
    fn find(regex: &str, keywords: &[&str], text: &[u8]) -> (Vec<Found>, usize) {
        let rules = RuleSet::parse(
            "test",
            &format!(
                "[[rule]]\nid = 'a'\ndescription = ''\nseverity = 'low'\nkind = 'access_key_id'\nreference = ''\n\
                 remediation = ''\nkeywords = {keywords:?}\nregex = '{regex}'\nexamples = []"
            ),
        )
        .unwrap();
        let pattern = &rules.get("a").unwrap().pattern;
        let mut cursor = Cursor::default();
        let mut all = Vec::new();
        for hit in 0..text.len() {
            if keywords.iter().any(|k| text[hit..].starts_with(k.as_bytes())) {
                cursor.advance(pattern, text, hit, |found| all.push(found));
            }
        }
        assert_eq!(all, find_slowly(pattern, text), "{}", text.escape_ascii());
        (all, cursor.work)
    }

    fn values(regex: &str, keyword: &str, text: &str) -> Vec<String> {
        find(regex, &[keyword], text.as_bytes()).0.into_iter().map(|found| text[found.value].to_owned()).collect()
    }

    #[test]
    fn matches_that_share_a_keyword_do_not_overlap() {
        assert_eq!(values("(?P<value>key[a-z]{0,6})", "key", "keykeykeykey"), ["keykeykey", "key"]);
    }

    #[test]
    fn the_keyword_may_stand_anywhere_in_the_match() {
        assert_eq!(values("(?P<value>[a-c]{0,5}key[0-9]{1,5})", "key", "abckey12 key key3"), ["abckey12", "key3"]);
    }

    #[test]
    fn a_match_that_ends_beyond_a_window_is_whole() {
        for gap in 0..60 {
            let text = format!("key{}key12345 ", "-".repeat(gap));
            assert_eq!(values("(?P<value>key[0-9]{5})(?-u: )", "key", &text), ["key12345"]);
        }
    }

    #[test]
    fn ends_of_the_text_and_of_words_are_seen_where_they_are() {
        assert_eq!(values(r"\b(?P<value>key[0-9])\b", "key", "xkey1 key2 key3x key4"), ["key2", "key4"]);
        assert_eq!(values(r"^(?P<value>key)", "key", "keykeykey"), ["key"]);
        assert_eq!(values(r"(?P<value>key)$", "key", &"key".repeat(30)), ["key"]);
    }

    #[test]
    fn the_byte_behind_the_longest_match_is_seen() {
        for gap in 0..60 {
            let text = format!("key{}key12345x", "-".repeat(gap));
            let found = values(r"(?P<value>key[0-9]{5})(?-u:\b)", "key", &text);
            assert!(found.is_empty(), "{gap}");
        }
    }

    #[test]
    fn a_match_may_begin_its_whole_length_before_its_keyword() {
        let text = format!("{}key {}key", "a".repeat(50), "b".repeat(40));
        assert_eq!(values("(?P<value>[ab]{0,40}key)", "key", &text), [&text[10..53], &text[54..]]);
    }

    #[test]
    fn alternatives_that_look_further_than_the_match_reaches_are_tried() {
        let text = format!("{}key-x{}key-y", "-".repeat(20), "-".repeat(20));
        assert_eq!(values("(?P<value>key-[a-z-]{0,30}y|key)", "key", &text), [&text[20..]]);
    }

    #[test]
    fn dense_hits_cost_no_more_than_a_few_looks_at_each_byte() {
        for (regex, keyword) in
            [("(?P<value>key[0-9]{16})", "key"), ("[a-z]{0,40}key[^0-9]{0,200}(?P<value>[0-9]{40})", "key")]
        {
            let text = keyword.repeat(20_000);
            let (found, work) = find(regex, &[keyword], text.as_bytes());
            assert!(found.is_empty());
            assert!(work <= 4 * text.len() + 2_000, "{work}");
        }
    }
}
