//! A repository that is somewhere else: mirrored with the user's own git, so that their credentials, proxies and keys serve.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;

use bstr::ByteSlice;

use crate::source::SourceError;

/// Whether a target is the address of a repository rather than a path.
pub fn is_url(target: &str) -> bool {
    let schemes = ["https://", "http://", "ssh://", "git://", "file://", "git+ssh://"];
    let is_scp = || {
        let host = target.split_once(':').map_or("", |(host, _)| host);
        host.contains('@') && !host.contains('/')
    };
    schemes.iter().any(|scheme| target.starts_with(scheme)) || is_scp()
}

/// The address without a password: `https://user:…@host/x`.
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?.0, host))) {
        Some((user, host)) => format!("{scheme}://{user}:…@{host}{path}"),
        None => url.to_owned(),
    }
}

/// Clones everything that the server shows into `directory`, which must be empty.
///
/// # Errors
/// When git is not there or fails; what it said is in the message, without the password.
pub fn clone(url: &str, directory: &Path) -> Result<(), SourceError> {
    let failed = |why: String| SourceError { what: without_password(url), why };
    let output = super::git_command()
        .args(["clone", "--mirror", "--quiet", "--"].map(OsStr::new))
        .arg(url)
        .arg(directory)
        .stdin(Stdio::inherit())
        .output()
        .map_err(|error| failed(format!("running git failed: {error}; a URL needs git to be installed")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = output.stderr.trim().to_str_lossy().replace(url, &without_password(url));
    Err(failed(format!("git clone failed: {said}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_from_paths() {
        for url in ["https://h/x", "git@h:x.git", "ssh://h/x", "file:///x", "http://u:p@h/x"] {
            assert!(is_url(url), "{url}");
        }
        for path in ["a", "./a:b", "/x/a@b:c", "C:\\x", "-", "dir/git@h:x"] {
            assert!(!is_url(path), "{path}");
        }
    }

    #[test]
    fn passwords_are_left_out() {
        assert_eq!(without_password("https://me:pw@h/x@y"), "https://me:…@h/x@y");
        assert_eq!(without_password("https://me:p@w@h/x"), "https://me:…@h/x");
        assert_eq!(without_password("https://token@h/x"), "https://token@h/x");
        assert_eq!(without_password("git@h:x"), "git@h:x");
    }

    #[test]
    fn a_failing_clone_does_not_repeat_the_password() {
        let dir = tempfile::tempdir().unwrap();
        let error = clone("file://u:hunter2@/nowhere/at/all", dir.path()).unwrap_err().to_string();
        assert!(error.contains("git clone failed") && !error.contains("hunter2"), "{error}");
    }
}
