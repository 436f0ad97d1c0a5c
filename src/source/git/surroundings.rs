//! Where the parts of a repository are for a program that git may have started: git tells its hooks by variables which index the commit is
//! made of, and where objects are that are not accepted yet. The variables themselves are read in the porch.
//! <https://git-scm.com/docs/git#_environment_variables>

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use bstr::{ByteSlice, ByteVec};

use crate::source::SourceError;
use crate::source::tree::git_dir::GitDir;

/// What the variables say; nothing where git has set none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `GIT_DIR`.
    pub git_dir: Option<PathBuf>,
    /// `GIT_WORK_TREE`.
    pub work_tree: Option<PathBuf>,
    /// `GIT_INDEX_FILE`.
    pub index_file: Option<PathBuf>,
    /// `GIT_OBJECT_DIRECTORY`.
    pub object_directory: Option<PathBuf>,
    /// `GIT_ALTERNATE_OBJECT_DIRECTORIES`.
    pub alternates: Option<OsString>,
}

/// A repository and where its parts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// `$GIT_DIR`: where HEAD is.
    pub git_dir: PathBuf,
    /// `$GIT_COMMON_DIR`: where refs are.
    pub common_dir: PathBuf,
    /// What the next commit is made of.
    pub index: PathBuf,
    /// Where objects are; the first is where new ones go.
    pub objects: Vec<PathBuf>,
    /// The root of the working tree; `None` for a bare repository.
    pub work_tree: Option<PathBuf>,
}

impl Surroundings {
    /// The repository around a directory. What the variables say is for who asks for no other than the one that they name.
    ///
    /// # Errors
    /// When there is none: what to try.
    pub fn of(target: &Path, environment: &Environment) -> Result<Self, SourceError> {
        let failed = |why: String| SourceError { what: target.display().to_string(), why };
        let is_here = target == Path::new(".");
        let found = match environment.git_dir.as_ref().filter(|_| is_here) {
            Some(git_dir) => GitDir::at(git_dir),
            None => GitDir::around(target),
        };
        let nowhere = || failed("there is no git repository here or further up; `git init` makes one".to_owned());
        let found = found.map_err(failed)?.ok_or_else(nowhere)?;
        let named = environment.git_dir.as_ref();
        let is_meant = is_here || named.is_some_and(|named| is_same(named, &found.git_dir));
        let environment = if is_meant { environment } else { &Environment::default() };
        let work_tree = environment.work_tree.clone().or_else(|| found.work_tree.clone());
        // Git itself runs hooks, and takes relative paths, from the root of the working tree.
        let root = work_tree.clone().unwrap_or_default();
        let index =
            environment.index_file.as_ref().map_or_else(|| found.git_dir.join("index"), |index| root.join(index));
        let own = environment.object_directory.clone().unwrap_or_else(|| found.common_dir.join("objects"));
        let alternates = environment.alternates.as_deref().map(listed).unwrap_or_default();
        Ok(Self {
            git_dir: found.git_dir,
            common_dir: found.common_dir,
            index,
            objects: [vec![own], alternates].concat(),
            work_tree,
        })
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    one.canonicalize().ok().zip(other.canonicalize().ok()).is_some_and(|(one, other)| one == other)
}

/// Paths between colons (semicolons on Windows); what begins with a quote is escaped as in C.
fn listed(paths: &OsStr) -> Vec<PathBuf> {
    let separator = if cfg!(windows) { b';' } else { b':' };
    let mut rest = paths.as_encoded_bytes();
    let mut listed = Vec::new();
    while !rest.is_empty() {
        let path = match unquoted(rest) {
            Some((path, after)) => {
                rest = after;
                path
            }
            None => {
                let end = rest.find_byte(separator).unwrap_or(rest.len());
                let path = rest[..end].to_vec();
                rest = &rest[end..];
                path
            }
        };
        rest = rest.strip_prefix(&[separator]).unwrap_or(rest);
        if !path.is_empty() {
            listed.push(path.into_path_buf_lossy());
        }
    }
    listed
}

/// What stands in quotes at the start, and what comes behind; `None` when there is no such thing.
fn unquoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(b"\"")?;
    let mut path = Vec::new();
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'"' => return Some((path, rest)),
            b'\\' => {
                let (&escaped, after) = rest.split_first()?;
                rest = after;
                path.push(match escaped {
                    b'a' => 7,
                    b'b' => 8,
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'v' => 11,
                    b'f' => 12,
                    b'r' => b'\r',
                    b'0'..=b'3' => {
                        let (digits, after) = rest.split_at_checked(2)?;
                        rest = after;
                        let octal = [escaped, digits[0], digits[1]];
                        u8::from_str_radix(octal.to_str().ok()?, 8).ok()?
                    }
                    other => other,
                });
            }
            byte => path.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternates_are_listed_with_colons_and_quotes() {
        let told =
            |text: &str| listed(OsStr::new(text)).iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        assert_eq!(told("/a/b:/c"), ["/a/b", "/c"]);
        assert_eq!(told(":/a::"), ["/a"]);
        assert_eq!(told(r#""/a:\"b\"\303\251":/c"#), ["/a:\"b\"é", "/c"]);
        assert_eq!(told(r#""/never ended:/c"#), ["\"/never ended", "/c"]);
        assert_eq!(told(r#""/a\9z"#), [r#""/a\9z"#]);
        assert!(told("").is_empty());
    }

    #[test]
    fn the_index_and_the_objects_that_git_names_are_those_of_its_repository_only() {
        let temp = tempfile::tempdir().unwrap();
        for name in ["one", "two"] {
            std::fs::create_dir_all(temp.path().join(name).join(".git/objects")).unwrap();
        }
        let environment = Environment {
            git_dir: Some(temp.path().join("one/.git")),
            index_file: Some("other.index".into()),
            object_directory: Some("/quarantine".into()),
            alternates: Some("/x:/y".into()),
            ..Environment::default()
        };
        let one = Surroundings::of(&temp.path().join("one"), &environment).unwrap();
        assert_eq!(one.index, temp.path().join("one/other.index"));
        assert_eq!(one.objects, ["/quarantine", "/x", "/y"].map(PathBuf::from));
        let two = Surroundings::of(&temp.path().join("two"), &environment).unwrap();
        assert_eq!(two.index, temp.path().join("two/.git/index"));
        assert_eq!(two.objects, [temp.path().canonicalize().unwrap().join("two/.git/objects")]);
        assert!(Surroundings::of(temp.path(), &Environment::default()).unwrap_err().why.contains("git init"));
    }
}
