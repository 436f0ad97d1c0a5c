//! Regexes that are compiled when they are first asked. Most texts ask few of them, and compiling all would take longer than scanning
//! what is committed at a time.

use std::sync::{Arc, OnceLock};

use regex::bytes::{Regex, RegexBuilder, RegexSet};
use regex_syntax::hir::Hir;

use super::format::Invalid;
use super::pattern::{invalid_regex, too_large};

/// What a regex may learn of the texts it is run on, in bytes.
const DFA_SIZE: usize = 16 << 20;

/// One regex. Clones share what is compiled.
#[derive(Clone, Debug)]
pub(super) struct LazyRegex {
    field: &'static str,
    text: String,
    regex: Arc<OnceLock<Regex>>,
}

/// Several regexes that are asked at once.
#[derive(Clone, Debug)]
pub(super) struct LazySet {
    field: &'static str,
    texts: Vec<String>,
    set: Arc<OnceLock<RegexSet>>,
}

/// What can't be compiled though it can be read is too large.
const COMPILED: &str = "what does not come with the program was compiled when it was read, and tests compile what does";

impl LazyRegex {
    /// Of what stands in a field of a rule.
    ///
    /// # Errors
    /// When it is no regex. Whether it is too large is for [`LazyRegex::compile`] to say.
    pub(super) fn new(field: &'static str, text: String) -> Result<Self, Invalid> {
        parsed(field, &text)?;
        Ok(Self::of_parsed(field, text))
    }

    /// Of what was seen to be a regex.
    pub(super) fn of_parsed(field: &'static str, text: String) -> Self {
        Self { field, text, regex: Arc::default() }
    }

    pub(super) fn get(&self) -> &Regex {
        self.regex.get_or_init(|| build(&self.text).expect(COMPILED))
    }

    /// Compiles it now.
    ///
    /// # Errors
    /// When it is too large.
    pub(super) fn compile(&self) -> Result<(), Invalid> {
        let regex = build(&self.text).map_err(|_| too_large(self.field))?;
        self.regex.get_or_init(|| regex);
        Ok(())
    }
}

impl LazySet {
    /// As [`LazyRegex::new`].
    ///
    /// # Errors
    /// The same.
    pub(super) fn new(field: &'static str, texts: &[String]) -> Result<Self, Invalid> {
        texts.iter().try_for_each(|text| parsed(field, text).map(|_| ()))?;
        Ok(Self { field, texts: texts.to_vec(), set: Arc::default() })
    }

    pub(super) fn get(&self) -> &RegexSet {
        self.set.get_or_init(|| RegexSet::new(&self.texts).expect(COMPILED))
    }

    /// As [`LazyRegex::compile`].
    ///
    /// # Errors
    /// The same.
    pub(super) fn compile(&self) -> Result<(), Invalid> {
        let set = RegexSet::new(&self.texts).map_err(|_| too_large(self.field))?;
        self.set.get_or_init(|| set);
        Ok(())
    }
}

/// What a regex says, before it is compiled.
///
/// # Errors
/// When it is none.
pub(super) fn parsed(field: &'static str, text: &str) -> Result<Hir, Invalid> {
    let mut parser = regex_syntax::ParserBuilder::new().utf8(false).build();
    parser.parse(text).map_err(|error| invalid_regex(field, &error))
}

fn build(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).dfa_size_limit(DFA_SIZE).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regex_is_compiled_when_it_is_asked() {
        let regex = LazyRegex::new("regex", "a+b".to_owned()).unwrap();
        let clone = regex.clone();
        assert!(regex.regex.get().is_none());
        assert!(regex.get().is_match(b"xaab"));
        assert!(clone.regex.get().is_some());
    }

    #[test]
    fn what_is_no_regex_or_too_large_is_refused_at_once() {
        assert!(LazyRegex::new("regex", "a(".to_owned()).is_err());
        assert!(LazySet::new("exclude", &["a".to_owned(), "[".to_owned()]).is_err());
        let large = r"\pL{1000}{100}".to_owned();
        let error = LazyRegex::new("regex", large.clone()).unwrap().compile().unwrap_err();
        assert!(error.why.contains("too large") && error.why.contains("smaller repetitions"), "{error:?}");
        assert!(LazySet::new("exclude", &[large]).unwrap().compile().is_err());
    }
}
