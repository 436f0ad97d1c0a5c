//! What revisions mean is left to the user's own git: it knows every way to write one, both hashes and all formats of refs.
//!
//! It is asked in a repository of our own, made of nothing but the names of the real one, with the real object store: so neither a
//! foreign owner nor a foreign configuration, hook, graft, replacement or promise of objects elsewhere is obeyed.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use bstr::{BStr, ByteSlice};
use tempfile::TempDir;

use super::odb::Odb;
use super::push::{Push, There};
use super::refs::Refs;
use crate::blob::ObjectId;
use crate::source::tree::read_small;

/// A repository whose revisions are to be resolved.
pub(super) struct Original<'a> {
    pub(super) git_dir: &'a Path,
    pub(super) common_dir: &'a Path,
    pub(super) objects: &'a [PathBuf],
    pub(super) hash_len: usize,
    pub(super) refs: &'a Refs,
}

/// The names of a repository, in a place of our own.
struct StandIn {
    /// Removes it in the end.
    _dir: TempDir,
    git_dir: PathBuf,
    /// Where objects are, and where else.
    objects: PathBuf,
    alternates: OsString,
}

/// Lists commits in the order of [`Part::commits`]. Git before 2.44 stops all the same at a commit that is missing.
const LIST: [&str; 4] = ["rev-list", "--date-order", "--reverse", "--missing=allow-any"];

/// The part of history that a range stands for.
pub(super) struct Part {
    /// Parents before children and otherwise by committer's clock.
    pub(super) commits: Vec<ObjectId>,
    /// What was named to be in it, with the tags of commits.
    pub(super) tips: Vec<ObjectId>,
    /// What is left out with all that leads there: commits, or tags of them.
    pub(super) without: Vec<ObjectId>,
}

/// The part of history that `spec` stands for, anything that `gitrevisions(7)` knows. Commits that are missing are left out: whoever
/// reads those that speak of them has to tell.
///
/// # Errors
/// A sentence that says what is wrong with the range and what to try.
pub(super) fn part(spec: &str, original: &Original<'_>) -> Result<Part, String> {
    if spec.starts_with('-') {
        return Err(no_such(spec, "what begins with a dash is no revision", original));
    }
    let stand_in = StandIn::of(original, spec.contains("@{"))
        .map_err(|error| format!("making a copy of its refs failed: {error}; is there room for temporary files?"))?;
    let ask = |arguments: &[&str]| {
        let arguments = [arguments, &[spec, "--"]].concat();
        let output = stand_in.ask(&arguments, Vec::new()).map_err(|error| {
            format!("running git failed: {error}; a range needs git to be installed, --history all does not")
        })?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(no_such(spec, &output.stderr.trim().to_str_lossy().replace('\n', " "), original))
    };
    let commits = ask(&LIST)?;
    let ends = ask(&["rev-parse", "--revs-only"])?;
    Ok(Part {
        commits: commits.lines().filter_map(ObjectId::from_hex).collect(),
        tips: ends.lines().filter_map(ObjectId::from_hex).collect(),
        without: ends.lines().filter_map(|line| ObjectId::from_hex(line.strip_prefix(b"^")?)).collect(),
    })
}

/// The objects whose ids begin with these hexadecimal digits, whatever branches and tags are called: git takes an abbreviated id for a
/// name first.
///
/// # Errors
/// Why git can't be asked.
pub(super) fn objects(digits: &str, original: &Original<'_>) -> Result<Vec<ObjectId>, String> {
    let stand_in = StandIn::of(original, false)
        .map_err(|error| format!("making a copy of its refs failed: {error}; is there room for temporary files?"))?;
    let output = stand_in.ask(&["rev-parse", &format!("--disambiguate={digits}")], Vec::new());
    let output = output.map_err(|error| format!("running git failed: {error}; is it installed?"))?;
    let ids = output.stdout.lines().filter_map(ObjectId::from_hex);
    // Git leaves out the digits that are too many for an id.
    Ok(ids.filter(|id| id.to_string().starts_with(&digits.to_ascii_lowercase())).collect())
}

/// The commits that a push brings, in the same order.
///
/// # Errors
/// A sentence that says why they can't be told.
pub(super) fn pushed(push: &Push, odb: &Odb, original: &Original<'_>) -> Result<Part, String> {
    let stand_in = StandIn::of(original, false)
        .map_err(|error| format!("making a copy of its refs failed: {error}; is there room for temporary files?"))?;
    let tips = push.tips.iter().map(|id| format!("{id}\n"));
    // What the other side had before need not have been fetched.
    let without: Vec<ObjectId> = push.known.iter().filter(|id| odb.contains(**id)).copied().collect();
    let ids: String = tips.chain(without.iter().map(|id| format!("^{id}\n"))).collect();
    let there = match &push.there {
        There::Here => Some("--all".to_owned()),
        There::Elsewhere => None,
        There::Remote(_) if push.belied(&original.refs.named, |id| odb.contains(id)) => None,
        There::Remote(name) => Some(format!("--remotes={}", escaped(name))),
    };
    let arguments = there.iter().flat_map(|there| ["--not", there]);
    let arguments: Vec<&str> = LIST.into_iter().chain(["--stdin"]).chain(arguments).collect();
    let output = stand_in.ask(&arguments, ids.into_bytes());
    let output = output.map_err(|error| format!("running git failed: {error}; is it installed?"))?;
    if !output.status.success() {
        let said = output.stderr.trim().to_str_lossy().replace('\n', " ");
        return Err(format!("the commits that are pushed can't be listed: {said}; `git fsck` tells more"));
    }
    let commits = output.stdout.lines().filter_map(ObjectId::from_hex).collect();
    Ok(Part { commits, tips: push.tips.clone(), without })
}

/// A name in which no letter stands for others.
fn escaped(name: &[u8]) -> String {
    let plain = name.to_str_lossy();
    plain.chars().flat_map(|c| (r"*?[\".contains(c)).then_some('\\').into_iter().chain([c])).collect()
}

fn no_such(spec: &str, said: &str, original: &Original<'_>) -> String {
    let hint = if original.common_dir.join("shallow").is_file() {
        "it is a shallow clone, and `git fetch --deepen=100` or `git fetch --unshallow` brings what came before"
    } else {
        "`git fetch` may bring it, and `git rev-parse` tells what a name stands for"
    };
    format!("no such revision or range as `{spec}`: {said}; {hint}")
}

impl StandIn {
    fn of(original: &Original<'_>, with_logs: bool) -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut git_dir = dir.path().to_owned();
        let (objects, alternates) = object_directories(original.objects)?;
        fs::create_dir(git_dir.join("refs"))?;
        if original.common_dir.join("reftable").is_dir() {
            git_dir = with_reftable(original, &git_dir)?;
        } else {
            write_config(&git_dir, original.hash_len, "files")?;
            write_refs(&git_dir, original.refs)?;
        }
        for name in PSEUDO_REFS {
            copy_file(&original.git_dir.join(name), &git_dir.join(name))?;
        }
        copy_file(&original.common_dir.join("shallow"), &dir.path().join("shallow"))?;
        if with_logs {
            copy_files(&original.common_dir.join("logs"), &dir.path().join("logs"))?;
            copy_file(&original.git_dir.join("logs/HEAD"), &git_dir.join("logs/HEAD"))?;
            // Without the names of upstream branches much else can still be resolved.
            let _ = copy_upstreams(&original.common_dir.join("config"), &dir.path().join("config"));
        }
        Ok(Self { _dir: dir, git_dir, objects, alternates })
    }

    /// What git says to these arguments, the last of which may tell it to read on from `input`.
    fn ask(&self, arguments: &[&str], input: Vec<u8>) -> io::Result<Output> {
        let mut command: Command = super::git_command();
        // A commit-graph is a copy of what commits say, and could say something else.
        command.args(["-c", "core.commitGraph=false", "--git-dir"]).arg(&self.git_dir);
        command.env("GIT_OBJECT_DIRECTORY", &self.objects).env("GIT_NO_REPLACE_OBJECTS", "1").env("LC_ALL", "C");
        command.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", &self.alternates);
        for name in ["GIT_SHALLOW_FILE", "GIT_GRAFT_FILE", "GIT_NAMESPACE", "GIT_QUARANTINE_PATH"] {
            command.env_remove(name);
        }
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        // Git reads all before it writes anything; one that stops reading says why.
        let _ = stdin.map(|mut stdin| stdin.write_all(&input));
        child.wait_with_output()
    }
}

/// The first directory, and the others as git takes them.
fn object_directories(objects: &[PathBuf]) -> io::Result<(PathBuf, OsString)> {
    let mut found = objects.iter().map(|objects| objects.canonicalize()).collect::<io::Result<Vec<_>>>()?.into_iter();
    let first = found.next().ok_or(io::ErrorKind::NotFound)?;
    let separator = if cfg!(windows) { ";" } else { ":" };
    let mut others = OsString::new();
    for other in found {
        others.push(separator);
        others.push(other);
    }
    Ok((first, others))
}

/// Names beside the refs that git leaves after a fetch, a merge, a rebase.
const PSEUDO_REFS: [&str; 7] =
    ["FETCH_HEAD", "ORIG_HEAD", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD", "AUTO_MERGE"];

fn write_config(git_dir: &Path, hash_len: usize, refs: &str) -> io::Result<()> {
    let hash = if hash_len == 32 { "\tobjectFormat = sha256\n" } else { "" };
    let refs = if refs == "files" { "" } else { "\trefStorage = reftable\n" };
    let version = u8::from(!(hash.is_empty() && refs.is_empty()));
    let core = format!("[core]\n\trepositoryFormatVersion = {version}\n\tbare = true\n");
    fs::write(git_dir.join("config"), format!("{core}[extensions]\n{hash}{refs}"))
}

/// All refs in one file, and HEAD.
fn write_refs(git_dir: &Path, refs: &Refs) -> io::Result<()> {
    let mut packed = io::BufWriter::new(fs::File::create(git_dir.join("packed-refs"))?);
    writeln!(packed, "# pack-refs with: sorted ")?;
    for (name, id) in refs.named.iter().filter(|(name, _)| is_plain(name.as_bstr())) {
        write!(packed, "{id} ")?;
        packed.write_all(name)?;
        packed.write_all(b"\n")?;
    }
    packed.flush()?;
    let head = match (&refs.head_branch, refs.head) {
        (Some(branch), _) => [b"ref: ", branch.as_slice(), b"\n"].concat(),
        (None, Some(id)) => format!("{id}\n").into(),
        (None, None) => b"ref: refs/heads/main\n".to_vec(),
    };
    fs::write(git_dir.join("HEAD"), head)
}

/// Whether git could have made this name; at others it stops.
fn is_plain(name: &BStr) -> bool {
    name.starts_with(b"refs/") && !name.contains_str("..") && name.iter().all(|byte| *byte > b' ' && *byte != 0x7f)
}

/// Copies the tables of refs; those of a linked worktree are apart. Returns where git has to be run.
fn with_reftable(original: &Original<'_>, common_dir: &Path) -> io::Result<PathBuf> {
    write_config(common_dir, original.hash_len, "reftable")?;
    copy_files(&original.common_dir.join("reftable"), &common_dir.join("reftable"))?;
    fs::write(common_dir.join("HEAD"), "ref: refs/heads/.invalid\n")?;
    let own = original.git_dir.join("reftable");
    if original.git_dir == original.common_dir || !own.is_dir() {
        return Ok(common_dir.to_owned());
    }
    let git_dir = common_dir.join("worktrees/linked");
    copy_files(&own, &git_dir.join("reftable"))?;
    fs::write(git_dir.join("HEAD"), "ref: refs/heads/.invalid\n")?;
    fs::write(git_dir.join("commondir"), "../..\n")?;
    fs::create_dir(git_dir.join("refs"))?;
    Ok(git_dir)
}

/// Copies a regular file, if it is there.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    match read_small(from) {
        Ok(bytes) => {
            to.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(to, bytes)
        }
        Err(_) => Ok(()),
    }
}

/// Copies a directory with all regular files below it.
fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    let mut waiting = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = waiting.pop() {
        for entry in fs::read_dir(from).into_iter().flatten().flatten() {
            let (source, copy) = (entry.path(), to.join(entry.file_name()));
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                waiting.push((source, copy));
            } else {
                copy_file(&source, &copy)?;
            }
        }
    }
    Ok(())
}

/// Takes over which branches follow which, and nothing else of a configuration.
fn copy_upstreams(from: &Path, to: &Path) -> Result<(), git2::Error> {
    let (from, mut to) = (git2::Config::open(from)?, git2::Config::open(to)?);
    let names = r"^(branch\..*\.(remote|merge|pushremote)|remote\..*\.(fetch|push)|remote\.pushdefault|push\.default)$";
    from.entries(Some(names))?.for_each(|entry| {
        if entry.has_value()
            && let (Ok(name), Ok(value)) = (entry.name(), entry.value())
        {
            // A pattern that no value matches: one more is added.
            let _ = to.set_multivar(name, "$^", value);
        }
    })
}
