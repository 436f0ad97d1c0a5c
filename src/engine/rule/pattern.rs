//! The compiled half of a rule. It refuses what the windowed search could not run exactly: a regex without a greatest
//! length, or one that can match where no keyword stands.

use std::collections::BTreeMap;
use std::ops::Range;

use regex_syntax::hir::{self, Capture, Hir, HirKind};

use super::checksum;
use super::format::Invalid;
use super::lazy::{LazyRegex, LazySet, parsed};
use crate::engine::class::Class;
use crate::engine::foreign::terms::Path;
use crate::engine::{Dropped, plausible};

/// Shorter keywords are everywhere.
const SHORTEST_KEYWORD: usize = 3;
/// Windows are cut at about three times the greatest length of a match.
const LONGEST_MATCH: usize = 4096;
/// A value that goes on for longer than this does not stand alone, so that it is none.
const LONGEST_CONTINUATION: usize = 4096;
/// How far around a match its context is looked for, in bytes, unless the rule says otherwise.
const CONTEXT: usize = 256;
/// How much of what stands before a match is looked at, in bytes.
const PREFIX: usize = 32;
/// Matches look no further around.
const FURTHEST_CONTEXT: usize = 4096;
/// Words may have fewer bytes of the class of a value.
const SHORTEST_RUN: usize = 16;
/// Larger classes have most bytes of a text.
const LARGEST_CLASS: usize = 80;
/// A regex with its fragments in it has no more bytes; those that name each other twice would double with each.
const LONGEST_REGEX: usize = 64 << 10;

/// What every value is: so many bytes of a class, or more.
#[derive(Clone, Debug)]
struct Run {
    class: Class,
    shortest: usize,
}

impl Run {
    /// Of the group that is the value, if that tells values from most other text.
    fn of(value: &Hir) -> Option<Self> {
        let mut class = Class::EMPTY;
        add_bytes(value, &mut class);
        let shortest = value.properties().minimum_len()?;
        (shortest >= SHORTEST_RUN && class.len() <= LARGEST_CLASS).then_some(Self { class, shortest })
    }
}

/// Adds to a class all bytes that can be in a match of `hir`.
fn add_bytes(hir: &Hir, class: &mut Class) {
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.iter().for_each(|&c| class.add(c..=c)),
        HirKind::Class(hir::Class::Bytes(bytes)) => {
            bytes.iter().for_each(|range| class.add(range.start()..=range.end()));
        }
        HirKind::Class(hir::Class::Unicode(_)) => class.add(0..=0xFF),
        HirKind::Capture(capture) => add_bytes(&capture.sub, class),
        HirKind::Repetition(repeated) => add_bytes(&repeated.sub, class),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().for_each(|part| add_bytes(part, class)),
        HirKind::Empty | HirKind::Look(_) => {}
    }
}

/// The fields of a rule that become a pattern.
pub(super) struct Source<'a> {
    pub(super) fragments: &'a BTreeMap<String, String>,
    pub(super) keywords: &'a [String],
    pub(super) regex: &'a str,
    pub(super) continuation: Option<&'a str>,
    pub(super) min_entropy: Option<f64>,
    pub(super) checksum: bool,
    pub(super) exclude: &'a [String],
    pub(super) context: Option<&'a str>,
    pub(super) called_else: Option<&'a str>,
    pub(super) not_after: Option<&'a str>,
    pub(super) context_within: Option<usize>,
    pub(super) file_name: Option<&'a str>,
}

/// What finds the values of a rule.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Pattern {
    regex: LazyRegex,
    /// Number of the group that is the value.
    value: usize,
    run: Option<Run>,
    max_len: usize,
    continuation: Option<LazyRegex>,
    min_entropy: f64,
    checksum: bool,
    exclude: LazySet,
    context: Option<LazyRegex>,
    called_else: Option<LazyRegex>,
    not_after: Option<LazyRegex>,
    context_within: usize,
    file_name: Option<LazyRegex>,
}

/// Where a regex matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Found {
    /// First byte of the whole match.
    pub(in crate::engine) start: usize,
    /// The value; it may reach beyond the match when it has a continuation.
    pub(in crate::engine) value: Range<usize>,
    /// Where the search goes on.
    pub(in crate::engine) next: usize,
}

impl Pattern {
    /// Of the fields of a rule; its regexes are compiled when they are asked, or by [`Pattern::compile`].
    pub(super) fn new(source: &Source<'_>) -> Result<Self, Invalid> {
        let text = expand(source.regex, source.fragments)?;
        let hir = parsed("regex", &text)?;
        let max_len = greatest_length(&hir)?;
        check_keywords(&hir, source.keywords)?;
        let value = group_of_value(&hir)?;
        let run = Run::of(&value.sub);
        let min_entropy = source.min_entropy.unwrap_or(0.0);
        if !(0.0..=8.0).contains(&min_entropy) {
            let why = "is no number of bits a byte; write one from 0 to 8";
            return Err(Invalid::new("min_entropy", why));
        }
        let context_within = source.context_within.unwrap_or(CONTEXT);
        if context_within > FURTHEST_CONTEXT {
            let why = format!("is too far; write a number of bytes up to {FURTHEST_CONTEXT}");
            return Err(Invalid::new("context_within", why));
        }
        if source.context_within.is_some() && source.context.is_none() {
            let why = "says how far off something must stand that is not named; write its regex as `context`";
            return Err(Invalid::new("context_within", why));
        }
        Ok(Self {
            regex: LazyRegex::of_parsed("regex", text),
            value: value.index as usize,
            run,
            max_len,
            continuation: source.continuation.map(continuation).transpose()?,
            min_entropy,
            checksum: source.checksum,
            exclude: LazySet::new("exclude", source.exclude)?,
            context: source.context.map(|text| LazyRegex::new("context", text.to_owned())).transpose()?,
            called_else: source.called_else.map(|text| LazyRegex::new("called_else", text.to_owned())).transpose()?,
            not_after: source.not_after.map(|text| LazyRegex::new("not_after", text.to_owned())).transpose()?,
            context_within,
            file_name: source.file_name.map(|text| LazyRegex::new("file_name", text.to_owned())).transpose()?,
        })
    }

    /// Compiles all regexes now.
    ///
    /// # Errors
    /// When one is too large.
    pub(super) fn compile(&self) -> Result<(), Invalid> {
        let optional = [&self.continuation, &self.context, &self.called_else, &self.not_after, &self.file_name];
        self.regex.compile()?;
        self.exclude.compile()?;
        optional.into_iter().flatten().try_for_each(LazyRegex::compile)
    }

    /// Leaves to others how much entropy a value must have.
    pub(super) fn ask_no_entropy(&mut self) {
        self.min_entropy = 0.0;
    }

    /// The greatest length of a match in bytes, its continuation not counted.
    pub(in crate::engine) fn max_len(&self) -> usize {
        self.max_len
    }

    /// How far from a keyword something may matter, in bytes.
    pub(in crate::engine) fn reach(&self) -> usize {
        let context = self.context.as_ref().map_or(PREFIX, |_| self.context_within.max(PREFIX));
        let continuation = self.continuation.as_ref().map_or(0, |_| LONGEST_CONTINUATION);
        self.max_len + continuation + context
    }

    /// Whether there may be a match that starts at `start` or later and ends at `cut` or before. That there is none is told of most
    /// places in no time.
    pub(in crate::engine) fn may_find(&self, text: &[u8], start: usize, cut: usize) -> bool {
        self.run.as_ref().is_none_or(|run| run.class.next(&text[..cut], start, run.shortest).is_some())
    }

    /// The leftmost match that starts at `start` or later and ends at `cut` or before.
    pub(in crate::engine) fn find(&self, text: &[u8], start: usize, cut: usize) -> Option<Found> {
        let regex = self.regex.get();
        let mut groups = regex.capture_locations();
        let whole = regex.captures_read_at(&mut groups, &text[..cut], start)?;
        let (from, to) = groups.get(self.value)?;
        let end = to + self.continued(&text[to..]);
        Some(Found { start: whole.start(), value: from..end, next: whole.end().max(end) })
    }

    /// How many bytes the value goes on for in what stands behind it.
    fn continued(&self, behind: &[u8]) -> usize {
        let reach = behind.len().min(LONGEST_CONTINUATION);
        let more = self.continuation.as_ref().and_then(|c| c.get().find(&behind[..reach]));
        more.map_or(0, |more| more.len())
    }

    /// Whether a value may be one as far as the rule itself can tell.
    pub(in crate::engine) fn allows(&self, value: &[u8]) -> Result<(), Dropped> {
        let (bits, least) = (plausible::entropy(value), self.min_entropy);
        let exclude = self.exclude.get();
        if let Some(pattern) = exclude.matches(value).iter().next() {
            return Err(Dropped::Excluded(exclude.patterns()[pattern].clone()));
        }
        if self.checksum && !checksum::is_right(value) {
            return Err(Dropped::Checksum);
        }
        if bits < least { Err(Dropped::Entropy { bits, least }) } else { Ok(()) }
    }

    /// Whether what must stand nearby does. `None` if nothing must.
    pub(in crate::engine) fn has_context(&self, text: &[u8], found: &Found) -> Option<bool> {
        let context = self.context.as_ref()?.get();
        let before = &text[found.start.saturating_sub(self.context_within)..found.value.start];
        let after = &text[found.value.end..text.len().min(found.value.end + self.context_within)];
        Some(context.is_match(before) || context.is_match(after))
    }

    /// What the path of a file must match that holds nothing but a value.
    pub(in crate::engine) fn file_name(&self) -> Option<Path> {
        self.file_name.as_ref().map(|name| Path(name.get().clone()))
    }

    /// Whether what stands right before a match says that it is something else.
    pub(in crate::engine) fn is_preceded(&self, text: &[u8], found: &Found) -> bool {
        let before = &text[found.start.saturating_sub(PREFIX)..found.start];
        self.not_after.as_ref().is_some_and(|prefix| prefix.get().is_match(before))
    }

    /// Whether values are also looked for beside access key ids, where nothing calls them what they are.
    pub(in crate::engine) fn needs_no_label(&self) -> bool {
        self.called_else.is_some()
    }

    /// Whether a label says that a value is something else.
    pub(in crate::engine) fn is_called_else(&self, label: &[u8]) -> bool {
        self.called_else.as_ref().is_some_and(|names| names.get().is_match(label))
    }
}

/// The group `value`, which every match must have.
fn group_of_value(hir: &Hir) -> Result<&Capture, Invalid> {
    let why = match group("value", hir) {
        None => "has no group `value`; write `(?P<value>…)` around the credential",
        Some(value) if value.sub.properties().minimum_len() == Some(0) => {
            "has a group `value` that can be empty; let it take at least one byte"
        }
        Some(value) if !always_takes(hir, value.index) => {
            "can match without its group `value`; leave that out of alternatives and of what may be missing"
        }
        Some(value) => return Ok(value),
    };
    Err(Invalid::new("regex", why))
}

fn group<'a>(name: &str, hir: &'a Hir) -> Option<&'a Capture> {
    match hir.kind() {
        HirKind::Capture(capture) if capture.name.as_deref() == Some(name) => Some(capture),
        HirKind::Capture(capture) => group(name, &capture.sub),
        HirKind::Repetition(repeated) => group(name, &repeated.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().find_map(|part| group(name, part)),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => None,
    }
}

/// Whether every match takes something for the group of that number.
fn always_takes(hir: &Hir, index: u32) -> bool {
    match hir.kind() {
        HirKind::Capture(capture) => capture.index == index || always_takes(&capture.sub, index),
        HirKind::Repetition(repeated) => repeated.min > 0 && always_takes(&repeated.sub, index),
        HirKind::Concat(parts) => parts.iter().any(|part| always_takes(part, index)),
        HirKind::Alternation(_) | HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => false,
    }
}

pub(super) fn invalid_regex(field: &'static str, error: &dyn std::error::Error) -> Invalid {
    // The regex crate draws the place under the pattern; the last line says what is wrong.
    let text = error.to_string();
    let why = text.lines().last().unwrap_or_default();
    let why = why.trim_start_matches("error: ");
    let advice = "see https://docs.rs/regex/latest/regex/#syntax for what can be written";
    Invalid::new(field, format!("{why}; {advice}"))
}

/// What can be read can be too large to compile, and nothing else.
pub(super) fn too_large(field: &'static str) -> Invalid {
    Invalid::new(field, "is too large when it is compiled; use smaller repetitions and classes")
}

/// Puts the fragments where the regex names them, and fragments where fragments do.
fn expand(regex: &str, fragments: &BTreeMap<String, String>) -> Result<String, Invalid> {
    let mut text = regex.to_owned();
    // Each round resolves one more level; a fragment that names itself is left over and reported.
    for (name, fragment) in fragments.iter().cycle().take(fragments.len().pow(2)) {
        text = text.replace(&format!("{{{{{name}}}}}"), fragment);
        if text.len() > LONGEST_REGEX {
            let why = format!("is longer than {LONGEST_REGEX} bytes with its fragments; do not name `{name}` so often");
            return Err(Invalid::new("regex", why));
        }
    }
    match text.split_once("{{").and_then(|(_, rest)| rest.split_once("}}")) {
        Some((name, _)) => Err(Invalid::new(
            "regex",
            format!("names a fragment `{name}` that the file has not; define it under [fragments]"),
        )),
        None => Ok(text),
    }
}

fn continuation(class: &str) -> Result<LazyRegex, Invalid> {
    parsed("continuation", class)?;
    let bytes = format!("(?-u:{class})");
    let one_byte = parsed("continuation", &bytes).is_ok_and(|hir| hir.properties().maximum_len() == Some(1));
    if !one_byte {
        let why = "is no class of single bytes; write it like `[A-Za-z0-9+/]`";
        return Err(Invalid::new("continuation", why));
    }
    LazyRegex::new("continuation", format!(r"\A{bytes}+"))
}

fn greatest_length(hir: &Hir) -> Result<usize, Invalid> {
    let why = match hir.properties().maximum_len() {
        Some(length) if length <= LONGEST_MATCH => return Ok(length),
        Some(length) => {
            format!("can match {length} bytes, {LONGEST_MATCH} is the limit; use smaller repetitions")
        }
        None => "has no greatest length; write `{0,40}` or the like instead of `*` and `+`, and use \
                 `continuation` for long values"
            .to_owned(),
    };
    Err(Invalid::new("regex", why))
}

fn check_keywords(hir: &Hir, keywords: &[String]) -> Result<(), Invalid> {
    let invalid = |why: String| Err(Invalid::new("keywords", why));
    if keywords.is_empty() {
        return invalid("is empty; give literals of which every match contains one".to_owned());
    }
    if let Some(short) = keywords.iter().find(|k| k.len() < SHORTEST_KEYWORD) {
        return invalid(format!("`{short}` is too short; give at least {SHORTEST_KEYWORD} bytes"));
    }
    if !always_holds(hir, keywords) {
        return invalid(
            "the regex can match, or may be able to, without any of them; spell every casing out both in the regex and here"
                .to_owned(),
        );
    }
    Ok(())
}

/// Whether every match of `hir` contains a keyword. It may say no where a longer proof would say yes, never the other way.
fn always_holds(hir: &Hir, keywords: &[String]) -> bool {
    match hir.kind() {
        HirKind::Literal(literal) => {
            keywords.iter().any(|keyword| memchr::memmem::find(&literal.0, keyword.as_bytes()).is_some())
        }
        HirKind::Capture(capture) => always_holds(&capture.sub, keywords),
        HirKind::Repetition(repeated) => repeated.min > 0 && always_holds(&repeated.sub, keywords),
        HirKind::Concat(parts) => parts.iter().any(|part| always_holds(part, keywords)),
        HirKind::Alternation(ways) => ways.iter().all(|way| always_holds(way, keywords)),
        HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(regex: &str, continuation: Option<&str>) -> Pattern {
        Pattern::new(&Source {
            fragments: &BTreeMap::from([("digits".to_owned(), "[0-9]{2}".to_owned())]),
            keywords: &["key".to_owned()],
            regex,
            continuation,
            min_entropy: Some(1.0),
            checksum: false,
            exclude: &["^key99".to_owned()],
            context: Some("near"),
            called_else: None,
            not_after: None,
            context_within: None,
            file_name: None,
        })
        .unwrap()
    }

    #[test]
    fn fragments_are_put_in() {
        let pattern = pattern("(?P<value>key{{digits}})", None);
        assert_eq!(pattern.max_len(), 5);
        let found = pattern.find(b"a key12", 0, 7).unwrap();
        assert_eq!((found.start, found.value, found.next), (2, 2..7, 7));
    }

    #[test]
    fn a_fragment_that_is_not_there_is_named() {
        let error = expand("{{digit}}", &BTreeMap::new()).unwrap_err();
        assert!(error.why.contains("`digit`"), "{error:?}");
    }

    #[test]
    fn fragments_that_name_each_other_grow_to_a_limit_only() {
        let names: Vec<String> = (0..40).map(|n| format!("f{n:02}")).collect();
        let twice = |name: &String| format!("{{{{{name}}}}}{{{{{name}}}}}");
        let mut fragments: BTreeMap<String, String> =
            names.iter().zip(&names[1..]).map(|(name, next)| (name.clone(), twice(next))).collect();
        fragments.insert(names[39].clone(), "x".to_owned());
        assert!(expand("{{f00}}", &fragments).unwrap_err().why.contains("is longer than"));
        fragments.insert(names[0].clone(), twice(&names[0]));
        assert!(expand("{{f00}}", &fragments).unwrap_err().why.contains("is longer than"));
    }

    #[test]
    fn the_search_stays_between_start_and_cut_but_sees_what_stands_before() {
        let pattern = pattern(r"(?-u:\b)(?P<value>key[0-9])", None);
        assert!(pattern.find(b"xkey1", 1, 5).is_none());
        assert!(pattern.find(b" key1", 1, 5).is_some());
        assert!(pattern.find(b" key1", 1, 4).is_none());
    }

    #[test]
    fn where_no_run_is_as_long_as_a_value_there_is_no_match() {
        let of_letters = pattern("key.{0,9}(?P<value>(?-u:[a-z0-9]|%2F){20})", None);
        let may_find = |value: &str| {
            let text = format!("key = {value};");
            let may = of_letters.may_find(text.as_bytes(), 0, text.len());
            assert!(may || of_letters.find(text.as_bytes(), 0, text.len()).is_none(), "{text}");
            may
        };
        assert!(may_find(&"a1".repeat(10)) && may_find(&format!("a%2F{}", "b".repeat(18))));
        assert!(!may_find(&"a".repeat(19)) && !may_find(&"ab ".repeat(20)));
        let text = "a".repeat(30);
        assert!(of_letters.may_find(text.as_bytes(), 10, 30) && !of_letters.may_find(text.as_bytes(), 10, 29));
        // Nothing is told of what is short or of nearly any bytes.
        for regex in ["key(?P<value>[0-9]{9})", "key(?P<value>.{20})"] {
            assert!(pattern(regex, None).may_find(b"", 0, 0), "{regex}");
        }
    }

    #[test]
    fn a_value_goes_on_beyond_the_cut() {
        let pattern = pattern("(?P<value>key[0-9])", Some("[0-9]"));
        let found = pattern.find(b"key123 ", 0, 4).unwrap();
        assert_eq!((found.value, found.next), (0..6, 6));
    }

    #[test]
    fn a_value_goes_on_no_further_than_its_limit() {
        let text = format!("key{}", "1".repeat(9000));
        let found = pattern("(?P<value>key[0-9])", Some("[0-9]")).find(text.as_bytes(), 0, 99);
        assert_eq!(found.unwrap().value, 0..4 + LONGEST_CONTINUATION);
    }

    #[test]
    fn placeholders_and_the_monotonous_are_not_allowed() {
        let pattern = pattern("(?P<value>key[0-9]{2})", None);
        assert_eq!(pattern.allows(b"key12"), Ok(()));
        assert_eq!(pattern.allows(b"key99"), Err(Dropped::Excluded("^key99".to_owned())));
        assert!(matches!(pattern.allows(b"kkkkk"), Err(Dropped::Entropy { .. })));
    }

    #[test]
    fn context_stands_within_reach_on_either_side() {
        let pattern = pattern("(?P<value>key[0-9])", None);
        let has = |text: String| {
            let found = pattern.find(text.as_bytes(), 0, text.len()).unwrap();
            pattern.has_context(text.as_bytes(), &found)
        };
        assert_eq!(has("near key1".to_owned()), Some(true));
        assert_eq!(has("key1 near".to_owned()), Some(true));
        assert_eq!(has(format!("near{}key1", " ".repeat(CONTEXT))), Some(false));
    }
}
