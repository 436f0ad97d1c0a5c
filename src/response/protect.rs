//! `--protect`: users whose credentials are never switched off, by name or by path. Better one too many: letter case makes no difference,
//! as it makes none between names of users in IAM.

use globset::{Glob, GlobBuilder, GlobMatcher};

/// The patterns of users that are left alone.
#[derive(Clone, Debug, Default)]
pub struct Protect {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug)]
struct Pattern {
    glob: Glob,
    matcher: GlobMatcher,
    is_path: bool,
}

/// A text that is no pattern of users.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is no pattern of users: {why}")]
pub struct BadPattern {
    pattern: String,
    why: String,
}

/// What the patterns say of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection<'a> {
    /// Nothing: the user's credentials may be switched off.
    None,
    /// This pattern protects the user.
    By(&'a str),
    /// This pattern may do so: it is one of paths, and the user's path is not known.
    Unclear(&'a str),
}

impl Protect {
    /// From globs, `*` for anything and `?` for any character: those that begin with `/` are held against the path of the user and the path
    /// with the name, `/breakglass/` and `/breakglass/ada`, others against the name.
    ///
    /// # Errors
    /// When one is none.
    pub fn new(patterns: &[String]) -> Result<Self, BadPattern> {
        patterns.iter().map(|pattern| parse(pattern)).collect::<Result<_, _>>().map(|patterns| Self { patterns })
    }

    /// What they say of a user with this name and, where it is known, this path.
    pub fn of(&self, name: &str, path: Option<&str>) -> Protection<'_> {
        let mut unclear = Protection::None;
        for pattern in &self.patterns {
            let is_match = match (pattern.is_path, path) {
                (false, _) => pattern.matcher.is_match(name),
                (true, Some(path)) => pattern.is_path_match(name, path),
                (true, None) => {
                    unclear = Protection::Unclear(pattern.glob.glob());
                    false
                }
            };
            if is_match {
                return Protection::By(pattern.glob.glob());
            }
        }
        unclear
    }
}

impl Pattern {
    fn is_path_match(&self, name: &str, path: &str) -> bool {
        let is_match = |text: &str| self.matcher.is_match(text);
        // Whoever protects `/breakglass/` means what is below it too. At the root is everybody, who is not meant by `/`.
        let mut above = path.match_indices('/').map(|(at, _)| (&path[..at], &path[..=at])).skip(1);
        is_match(path)
            || above.any(|(bare, whole)| is_match(bare) || is_match(whole))
            || is_match(&format!("{path}{name}"))
    }
}

fn parse(pattern: &str) -> Result<Pattern, BadPattern> {
    let bad = |why: String| BadPattern { pattern: pattern.to_owned(), why };
    let is_path = pattern.starts_with('/');
    if pattern.is_empty() {
        return Err(bad("it names nobody".to_owned()));
    }
    if !is_path && pattern.contains('/') {
        return Err(bad("names have no / in them, and a path begins with one; write it as /breakglass/*".to_owned()));
    }
    let glob =
        GlobBuilder::new(pattern).case_insensitive(true).build().map_err(|error| bad(error.kind().to_string()))?;
    Ok(Pattern { matcher: glob.compile_matcher(), glob, is_path })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protect(patterns: &[&str]) -> Protect {
        Protect::new(&patterns.iter().map(|&pattern| pattern.to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn users_are_known_by_name_or_path() {
        for (pattern, name, path, expected) in [
            ("ci-*", "ci-deploy", "/", true),
            ("ci-*", "CI-Deploy", "/", true),
            ("ci-*", "x-ci-deploy", "/", false),
            ("ada", "ada", "/", true),
            ("/breakglass/*", "ada", "/breakglass/", true),
            ("/breakglass/*", "ada", "/breakglass/eu/", true),
            ("/breakglass/*", "ada", "/", false),
            ("/breakglass", "ada", "/breakglass/", true),
            ("/breakglass/", "ada", "/breakglass/", true),
            ("/breakglass", "ada", "/breakglass/eu/", true),
            ("/breakglass/", "ada", "/breakglass/eu/west/", true),
            ("/break", "ada", "/breakglass/", false),
            ("/eu/", "ada", "/breakglass/eu/", false),
            ("/", "ada", "/breakglass/", false),
            ("/breakglass/ada", "ada", "/breakglass/", true),
            ("/breakglass/ada", "bob", "/breakglass/", false),
            ("/", "ada", "/", true),
            ("/*", "ada", "/x/", true),
        ] {
            let patterns = protect(&[pattern]);
            let expected = if expected { Protection::By(pattern) } else { Protection::None };
            assert_eq!(patterns.of(name, Some(path)), expected, "{pattern} {path}{name}");
        }
    }

    #[test]
    fn without_the_path_a_pattern_of_paths_leaves_it_open() {
        let both = protect(&["/breakglass/*", "ci-*"]);
        assert_eq!(both.of("ada", None), Protection::Unclear("/breakglass/*"));
        assert_eq!(both.of("ci-x", None), Protection::By("ci-*"));
        assert_eq!(protect(&["ci-*"]).of("ada", None), Protection::None);
        assert_eq!(Protect::default().of("ada", None), Protection::None);
    }

    #[test]
    fn what_is_no_pattern_is_refused_and_named() {
        for bad in ["", "breakglass/*", "arn:aws:iam::1:user/ada", "[a", "/x/{a"] {
            let error = Protect::new(&[bad.to_owned()]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{bad:?} ")), "{error}");
        }
    }
}
