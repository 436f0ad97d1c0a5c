//! A repository that is somewhere else: mirrored with the user's own git, so that their credentials, proxies and keys serve.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;

use bstr::ByteSlice;

use crate::source::SourceError;

/// Whether a target is the address of a repository rather than a path: `scheme://…` or, as for ssh, `user@host:path`.
pub fn is_url(target: &str) -> bool {
    let scheme = target.split_once("://").map_or("", |(scheme, _)| scheme);
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let is_scp = || {
        let host = target.split_once(':').map_or("", |(host, _)| host);
        host.contains('@') && !host.contains('/')
    };
    (!scheme.is_empty() && scheme.chars().all(is_scheme)) || is_scp()
}

/// The address without what may be secret in it: who logs in (it may be a token) and the query.
pub fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (&url[..scheme.len() + 3], rest));
    let authority = rest.find('/').unwrap_or(rest.len());
    // A password with a slash in it makes the address invalid, and is one all the same.
    let is_login = |at: &usize| *at < authority || rest[..*at].contains(':');
    let rest = match rest.rfind('@').filter(is_login) {
        Some(at) if scheme.is_empty() && !rest[..at].contains(':') => rest.to_owned(),
        Some(at) => format!("…{}", &rest[at..]),
        None => rest.to_owned(),
    };
    match rest.split_once('?') {
        Some((address, _)) if !scheme.is_empty() => format!("{scheme}{address}?…"),
        _ => format!("{scheme}{rest}"),
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
        for url in ["https://h/x", "git@h:x.git", "ssh://h/x", "file:///x", "HTTP://u:p@h/x", "git+https://h/x"] {
            assert!(is_url(url), "{url}");
        }
        for path in ["a", "./a:b", "/x/a@b:c", "C:\\x", "-", "dir/git@h:x"] {
            assert!(!is_url(path), "{path}");
        }
    }

    #[test]
    fn passwords_and_tokens_are_left_out() {
        for (url, shown) in [
            ("https://me:pw@h/x", "https://…@h/x"),
            ("https://me:p@w@h/x", "https://…@h/x"),
            ("https://me:pw/x@h/r", "https://…@h/r"),
            ("HTTPS://token@h/x", "HTTPS://…@h/x"),
            ("https://h/x?private_token=t", "https://h/x?…"),
            ("https://h/@scope/x", "https://h/@scope/x"),
            ("x:pw@h:o/r", "…@h:o/r"),
            ("git@h:x", "git@h:x"),
            ("a/path?", "a/path?"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[test]
    fn a_failing_clone_does_not_repeat_the_password() {
        let dir = tempfile::tempdir().unwrap();
        let error = clone("file://u:hunter2@/nowhere/at/all", dir.path()).unwrap_err().to_string();
        assert!(error.contains("git clone failed") && !error.contains("hunter2"), "{error}");
    }
}
