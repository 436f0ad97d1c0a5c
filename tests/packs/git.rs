//! Git, with an environment that has nothing of this machine in it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Git in a directory, to be given more arguments.
pub(crate) fn command(directory: &Path) -> Command {
    let mut command = Command::new("git");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", directory);
    command.env("GIT_CONFIG_NOSYSTEM", "1").current_dir(directory);
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "A").env(format!("GIT_{who}_EMAIL"), "a@example.com");
        command.env(format!("GIT_{who}_DATE"), "1700000000 +0100");
    }
    command.args(["-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "safe.directory=*"]);
    command
}

/// What a command of git prints; it must succeed.
pub(crate) fn git(directory: &Path, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = command(directory).args(arguments).output().unwrap();
    assert!(status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// The packs of a repository, in order of their names.
pub(crate) fn packs(git_dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(git_dir.join("objects/pack")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "pack"));
    paths.sort();
    paths
}

/// A repository with a history of `versions` versions of some files, keys among them, of which git makes deltas. All is loose or in
/// one pack, as git likes.
pub(crate) fn repository(versions: usize, format: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    git(root, &["init", "-q", "--bare", "-b", "main", &format!("--object-format={format}")]);
    let mut child = command(root).args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&history(versions)).unwrap();
    assert!(child.wait().unwrap().success());
    git(root, &["tag", "-a", "-m", "a tag", "v1", "main"]);
    git(root, &["repack", "-adfq", "--window=5", "--depth=20"]);
    directory
}

/// For `git fast-import`. The keys are put together here, so that no scanner flags this file.
fn history(versions: usize) -> Vec<u8> {
    let line = |n: usize| format!("line {n} {}\n", n.wrapping_mul(2_654_435_761) % 1_000_003);
    let mut lines: Vec<String> = (0..120).map(line).collect();
    let mut stream = String::new();
    let base32 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    for version in 0..versions {
        let id: String = (0..15).map(|n| base32[(version * 7 + n * n * 11 + version * n) % 32] as char).collect();
        lines[version * 9 % 120] = format!("aws_access_key_id = {}Q{id}\n", "AKIA");
        lines[version * 5 % 120] = line(1000 + version);
        stream += &format!("commit refs/heads/main\ncommitter A <a@example.com> {} +0000\n", 1_700_000_000 + version);
        stream += &format!("data 9\nversion \n\nM 100644 inline dir{}/file\n", version % 3);
        let content = lines.concat();
        stream += &format!("data {}\n{content}\n", content.len());
    }
    stream.into_bytes()
}

/// The ids of all objects of a kind, or of all.
pub(crate) fn ids(git_dir: &Path, kind: Option<&str>) -> Vec<String> {
    let listed = git(git_dir, &["cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)"]);
    let objects = listed.lines().filter_map(|line| line.split_once(' '));
    objects.filter(|(_, found)| kind.is_none_or(|kind| kind == *found)).map(|(id, _)| id.to_owned()).collect()
}

/// What git can read of the given objects.
pub(crate) fn readable(git_dir: &Path, ids: &[String]) -> BTreeMap<String, Vec<u8>> {
    let (mut read, mut left) = (BTreeMap::new(), ids);
    // Git gives up at the first that it can't read.
    while !left.is_empty() {
        let mut child = command(git_dir)
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut input, asked) = (child.stdin.take().unwrap(), format!("{}\n", left.join("\n")));
        let writer = std::thread::spawn(move || drop(input.write_all(asked.as_bytes())));
        let mut output = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
        child.wait().unwrap();
        writer.join().unwrap();
        let (mut rest, mut answered) = (output.as_slice(), 0);
        while let Some((header, behind)) = rest.iter().position(|c| *c == b'\n').map(|at| rest.split_at(at + 1)) {
            let words: Vec<&str> = std::str::from_utf8(header).unwrap().split_whitespace().collect();
            rest = behind;
            if let [id, _, size] = words[..] {
                let size: usize = size.parse().unwrap();
                if rest.len() <= size {
                    break;
                }
                read.insert(id.to_owned(), rest[..size].to_vec());
                rest = &rest[size + 1..];
            }
            answered += 1;
        }
        left = &left[(answered + usize::from(answered < left.len())).min(left.len())..];
    }
    read
}

/// Replaces the content of a file that may be read-only.
pub(crate) fn damage(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}
