//! Paths as `.gitignore` writes them. Which paths are meant, and from where they are seen, is `reach`'s business.

use std::path::Path;

use bstr::ByteSlice;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::reach::Spot;

/// Some globs in the syntax of `.gitignore`; without one, everything is meant.
#[derive(Clone, Debug)]
pub struct Globs {
    lines: Vec<String>,
    matcher: Gitignore,
}

/// Why something is no glob.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{glob:?} is no pattern as .gitignore takes it: {why}")]
pub struct BadGlob {
    glob: String,
    why: String,
}

impl Globs {
    /// From the lines of a `.gitignore`, of which the last that fits decides.
    ///
    /// # Errors
    /// When one is none.
    pub fn new(lines: Vec<String>) -> Result<Self, BadGlob> {
        let mut builder = GitignoreBuilder::new("");
        for line in &lines {
            let bad = |why: &str| BadGlob { glob: line.clone(), why: why.to_owned() };
            match line.trim() {
                "" | "!" | "/" => return Err(bad("it names nothing")),
                text if text.starts_with('#') => return Err(bad(r"it would be a comment there; write \#")),
                _ if line.contains(['\n', '\r']) => return Err(bad("it has more than one line")),
                _ => {}
            }
            builder.add_line(None, line).map_err(|error| bad(&cause(&error)))?;
        }
        let matcher = builder.build().map_err(|error| BadGlob { glob: lines.join(" "), why: cause(&error) })?;
        Ok(Self { lines, matcher })
    }

    /// As they were written.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Whether a place is meant: a file by its path or that of a directory above it, a member of an archive also by the archive's. What
    /// stands at no path is meant only where everything is.
    pub fn hold(&self, spot: &Spot) -> bool {
        if self.lines.is_empty() {
            return true;
        }
        let Some(path) = &spot.path else {
            return false;
        };
        let matched = |path: &[u8]| {
            let path = Path::new("").join(path.trim_start_with(|c| c == '/').to_path_lossy());
            self.matcher.matched_path_or_any_parents(path, false)
        };
        let whole = spot.member.as_ref().map(|member| [path.as_slice(), b"!", member].concat());
        let found = whole.map(|whole| matched(&whole)).filter(|found| !found.is_none());
        found.unwrap_or_else(|| matched(path)).is_ignore()
    }
}

/// A glob that means exactly one path.
pub fn exactly(path: &[u8]) -> String {
    let mut glob = "/".to_owned();
    for c in path.to_str_lossy().chars() {
        match c {
            // What is no text or no line is any character.
            '\u{fffd}' => glob.push('*'),
            c if c.is_control() => glob.push('?'),
            '*' | '?' | '[' | ']' | '{' | '}' | '\\' | '!' | ' ' => glob.extend(['\\', c]),
            c => glob.push(c),
        }
    }
    glob
}

fn cause(error: &ignore::Error) -> String {
    match error {
        ignore::Error::Glob { err, .. } => err.clone(),
        other => other.to_string(),
    }
}

impl PartialEq for Globs {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(globs: &[&str], path: &str) -> bool {
        let (path, member) = match path.split_once('!') {
            Some((path, member)) => (path, Some(member.as_bytes().to_vec())),
            None => (path, None),
        };
        let globs = Globs::new(globs.iter().map(|&glob| glob.to_owned()).collect()).unwrap();
        globs.hold(&Spot { path: Some(path.into()), member })
    }

    #[test]
    fn globs_are_those_of_gitignore() {
        for (globs, held, free) in [
            (&["*.env"][..], &["a.env", "x/y/b.env"][..], &["a.env.txt", "env"][..]),
            (&["/tests/"], &["tests/a", "tests/x/y"], &["tests", "x/tests/a"]),
            (&["tests/fixtures/**"], &["tests/fixtures/a", "tests/fixtures/b/c"], &["a/tests/fixtures/b"]),
            (&["docs/*", "!docs/prod.md"], &["docs/a.md"], &["docs/prod.md", "docs"]),
            (&["a b"], &["a b", "x/a b/c"], &["a", "b"]),
            (&["*.zip"], &["a.zip", "a.zip!b.env"], &["a.tar!b.env"]),
            (&["*.zip!*.env"], &["a.zip!b.env"], &["a.zip", "a.zip!b.txt"]),
            (&[], &["a"], &[]),
        ] {
            assert!(held.iter().all(|path| hold(globs, path)), "{globs:?} {held:?}");
            assert!(!free.iter().any(|path| hold(globs, path)), "{globs:?} {free:?}");
        }
    }

    #[test]
    fn what_stands_at_no_path_is_meant_only_where_everything_is() {
        let nowhere = Spot { path: None, member: None };
        assert!(Globs::new(vec![]).unwrap().hold(&nowhere));
        assert!(!Globs::new(vec!["**".into()]).unwrap().hold(&nowhere));
    }

    #[test]
    fn absolute_and_odd_paths_do_no_harm() {
        assert!(hold(&["*"], "/srv/x") && hold(&["*"], "//srv//x"));
        hold(&["*"], "");
        hold(&["*"], "..");
    }

    #[test]
    fn a_path_is_written_as_a_glob_that_means_nothing_else() {
        for path in ["a", "a b/c.env", "[x]/{y}/*?", "!a", "#a", r"a\b", "é", "a]b"] {
            let glob = exactly(path.as_bytes());
            let spot = |path: &str| Spot { path: Some(path.into()), member: None };
            let globs = Globs::new(vec![glob.clone()]).unwrap();
            assert!(globs.hold(&spot(path)), "{glob}");
            assert!(!globs.hold(&spot("ax/y/zz")) && !globs.hold(&spot(&format!("x/{path}"))), "{glob}");
        }
    }

    #[test]
    fn what_is_no_glob_is_refused_and_named() {
        for bad in ["", " ", "!", "/", "#a", "{a", "a\\", "a\nb", "a\n", "\ra"] {
            let error = Globs::new(vec![bad.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(&format!("{bad:?}")), "{error}");
        }
    }
}
