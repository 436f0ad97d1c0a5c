//! A place of its own for every test to run the program in: a directory, an environment with nothing of this machine in it, keys
//! that no scanner finds in this repository, and git with fixed dates.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Where the program runs. Everything is gone when it is dropped.
pub(crate) struct Keysweep {
    temp: TempDir,
}

impl Keysweep {
    /// An empty working directory, with a home and a place for temporary files beside it.
    pub(crate) fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        for dir in ["home", "tmp", "work"] {
            fs::create_dir(temp.path().join(dir)).unwrap();
        }
        Self { temp }
    }

    /// A path in the working directory.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.temp.path().join("work").join(name)
    }

    /// Writes a file in the working directory, and the directories that it needs.
    pub(crate) fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Writes a file with the key of `seed` in it and returns the key's id.
    pub(crate) fn plant(&self, name: impl AsRef<Path>, seed: u64) -> String {
        self.write(name, env_file(seed));
        example_key(seed).0
    }

    /// A path in the home directory.
    pub(crate) fn home(&self, name: impl AsRef<Path>) -> PathBuf {
        self.temp.path().join("home").join(name)
    }

    /// Runs git in `dir` of the working directory and returns what it prints. Everything that it makes is the same every time.
    pub(crate) fn git<A: AsRef<OsStr>>(&self, dir: impl AsRef<Path>, args: impl IntoIterator<Item = A>) -> String {
        self.git_with_input(dir, args, "")
    }

    /// The same with something on standard input.
    pub(crate) fn git_with_input<A: AsRef<OsStr>>(
        &self,
        dir: impl AsRef<Path>,
        args: impl IntoIterator<Item = A>,
        input: &str,
    ) -> String {
        let output = ran(self.git_command(dir, args), input.into());
        assert_eq!(output.code, Some(0), "git gave {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The same, whatever becomes of it.
    pub(crate) fn try_git<A: AsRef<OsStr>>(&self, dir: impl AsRef<Path>, args: impl IntoIterator<Item = A>) -> Output {
        ran(self.git_command(dir, args), Vec::new())
    }

    fn git_command<A: AsRef<OsStr>>(&self, dir: impl AsRef<Path>, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new("git");
        self.scrub(&mut command)
            .current_dir(self.path(dir))
            .args(["-c", "init.defaultBranch=main", "-c", "gc.auto=0"])
            .args(["-c", "protocol.file.allow=always"])
            .args(args);
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "Ada")
                .env(format!("GIT_{role}_EMAIL"), "ada@example.org")
                .env(format!("GIT_{role}_DATE"), "2024-02-03T04:05:06+0000");
        }
        command
    }

    /// Makes a repository in `dir` of the working directory, which need not exist.
    pub(crate) fn init(&self, dir: impl AsRef<Path>) -> &Self {
        fs::create_dir_all(self.path(&dir)).unwrap();
        self.git(dir, ["init", "-q"]);
        self
    }

    /// Commits all files of the repository in `dir`.
    pub(crate) fn commit(&self, dir: impl AsRef<Path>, message: &str) -> &Self {
        self.git(&dir, ["add", "--all", "--force"]);
        self.git(&dir, ["commit", "-q", "--allow-empty", "-m", message]);
        self
    }

    /// `keysweep scan --format jsonl` with more arguments, in the working directory.
    pub(crate) fn scan<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Output {
        self.scanning(args).run()
    }

    /// The same, yet to be run.
    pub(crate) fn scanning<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Invocation<'_> {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned());
        self.invocation(["scan", "--format", "jsonl"].map(OsString::from).into_iter().chain(args))
    }

    /// [`Keysweep::invocation`] with nobody of AWS to ask.
    pub(crate) fn alone(&self, args: &[&str]) -> Invocation<'_> {
        self.invocation(args)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            .env("AWS_REGION", "us-east-1")
    }

    /// `keysweep` with these arguments, in the working directory, yet to be run.
    pub(crate) fn invocation<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Invocation<'_> {
        Invocation {
            place: self,
            program: vec![env!("CARGO_BIN_EXE_keysweep").into()],
            args: args.into_iter().map(|arg| arg.as_ref().to_owned()).collect(),
            stdin: Vec::new(),
            variables: Vec::new(),
            directory: PathBuf::new(),
            unset: Vec::new(),
        }
    }

    /// Writes a script that can be run, with the directories that it needs.
    #[cfg(unix)]
    pub(crate) fn program(&self, name: impl AsRef<Path>, text: &str) -> &Self {
        use std::os::unix::fs::PermissionsExt;
        self.write(&name, text);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn scrub<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let temp = self.temp.path();
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", temp.join("home"))
            .env("TMPDIR", temp.join("tmp"))
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
    }
}

/// A run of the program that has not begun.
pub(crate) struct Invocation<'a> {
    place: &'a Keysweep,
    program: Vec<OsString>,
    args: Vec<OsString>,
    stdin: Vec<u8>,
    variables: Vec<(OsString, OsString)>,
    directory: PathBuf,
    unset: Vec<&'static str>,
}

impl Invocation<'_> {
    /// With a variable in the environment.
    pub(crate) fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// In a directory of the working directory.
    pub(crate) fn directory(mut self, name: impl Into<PathBuf>) -> Self {
        self.directory = name.into();
        self
    }

    /// What comes in on standard input; nothing unless told.
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Without a variable that is there otherwise.
    pub(crate) fn env_remove(mut self, name: &'static str) -> Self {
        self.unset.push(name);
        self
    }

    /// As a user whom file permissions hold for. `None` where the tests run as root and can't become somebody else.
    #[cfg(unix)]
    pub(crate) fn unprivileged(mut self) -> Option<Self> {
        use std::os::unix::fs::PermissionsExt;
        if !is_root() {
            return Some(self);
        }
        let setpriv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        let works = Command::new(setpriv[0])
            .args(&setpriv[1..])
            .arg("true")
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !works {
            return None;
        }
        // Where the program was built need not be open to everybody.
        let temp = self.place.temp.path();
        let copy = temp.join("keysweep");
        fs::copy(&self.program[0], &copy).unwrap();
        for (path, mode) in [(temp, 0o755), (&copy, 0o755), (&temp.join("tmp"), 0o777)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        self.program = setpriv.map(OsString::from).to_vec();
        self.program.push(copy.into());
        Some(self)
    }

    /// Waits for its end.
    pub(crate) fn run(mut self) -> Output {
        let stdin = std::mem::take(&mut self.stdin);
        ran(self.command(), stdin)
    }

    /// Its command, for whoever does not wait for its end.
    pub(crate) fn command(self) -> Command {
        let mut command = Command::new(&self.program[0]);
        let args = self.program[1..].iter().chain(&self.args);
        self.place.scrub(&mut command).args(args).envs(self.variables).current_dir(self.place.path(self.directory));
        self.unset.iter().for_each(|name| {
            command.env_remove(name);
        });
        command
    }
}

/// Runs a program to its end.
fn ran(mut command: Command, input: Vec<u8>) -> Output {
    let args = command.get_args().map(OsStr::to_owned).collect();
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Apart, for a program that writes before it has read everything. One that never reads is no failure of the test.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Output { args, code: output.status.code(), stdout: output.stdout, stderr }
}

/// What the program came to.
pub(crate) struct Output {
    args: Vec<OsString>,
    /// The exit code; `None` after a signal.
    pub(crate) code: Option<i32>,
    /// Standard output, which may be bytes of any kind.
    pub(crate) stdout: Vec<u8>,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Output {
    /// All lines of `--format jsonl`.
    fn lines(&self) -> Vec<Value> {
        let parse = |line: &[u8]| serde_json::from_slice(line).unwrap_or_else(|error| panic!("{error} in {self:?}"));
        self.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(parse).collect()
    }

    /// The findings of `--format jsonl`.
    pub(crate) fn findings(&self) -> Vec<Value> {
        let mut lines = self.lines();
        lines.retain(|line| line["type"] == "finding");
        lines
    }

    /// The access key ids of all findings.
    pub(crate) fn ids(&self) -> BTreeSet<String> {
        self.findings().iter().filter_map(|finding| Some(finding["access_key_id"].as_str()?.to_owned())).collect()
    }

    /// The paths at which credentials stand.
    pub(crate) fn paths(&self) -> BTreeSet<String> {
        self.findings()
            .iter()
            .filter_map(|finding| finding["occurrences"].as_array())
            .flatten()
            .filter_map(|occurrence| Some(occurrence["path"].as_str()?.to_owned()))
            .collect()
    }

    /// The last line of `--format jsonl`.
    pub(crate) fn summary(&self) -> Value {
        match self.lines().pop() {
            Some(last) if last["type"] == "summary" => last,
            _ => panic!("no summary in {self:?}"),
        }
    }

    /// Checks the exit code and what was found, of everything and nothing else.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, ids: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "exit code of {self:?}");
        let expected: BTreeSet<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        assert_eq!(self.ids(), expected, "findings of {self:?}");
        self
    }

    /// Checks that something was left unread and that both the report and standard error say so: one of `names` must stand there.
    #[track_caller]
    pub(crate) fn expect_unread(&self, names: &[&str]) -> &Self {
        let summary = self.summary();
        assert_eq!(summary["complete"], false, "{self:?}");
        for (place, text) in [("the summary", summary["skipped"].to_string()), ("standard error", self.stderr.clone())]
        {
            let is_named = names.iter().any(|name| text.contains(name));
            assert!(is_named, "{place} names none of {names:?}: {self:?}");
        }
        self
    }

    /// Checks that standard error says all of `words`.
    #[track_caller]
    pub(crate) fn expect_stderr(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {self:?}");
        }
        self
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { args, code, .. } = self;
        let stdout = String::from_utf8_lossy(&self.stdout);
        write!(f, "keysweep {args:?}: {code:?}\n--- stdout\n{stdout}")?;
        write!(f, "--- stderr\n{}---", self.stderr)
    }
}

/// Whether file permissions do not hold for whom the tests run as.
#[cfg(unix)]
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::PermissionsExt;
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o000)).unwrap();
    fs::File::open(file.path()).is_ok()
}

/// A file as people leave it behind, with the key of `seed`.
pub(crate) fn env_file(seed: u64) -> String {
    let (id, secret) = example_key(seed);
    format!("AWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={secret}\n")
}

/// An access key id and its secret that could be real and are nobody's: the same for the same seed.
pub(crate) fn example_key(seed: u64) -> (String, String) {
    let mut random = SplitMix64(seed);
    // With a first character from Q to 5 the id is of the newer generation and its account is a number of twelve digits.
    let id: String = std::iter::once(random.one_of(b"QRSTUVWXYZ2345"))
        .chain((1..16).map(|_| random.one_of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")))
        .collect();
    loop {
        let secret: String = (0..40)
            .map(|_| random.one_of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
            .collect();
        let has = |kind: fn(&u8) -> bool| secret.bytes().filter(kind).count() >= 3;
        if has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit) {
            return (format!("{}{id}", "AKIA"), secret);
        }
    }
}

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut random = SplitMix64(seed);
    (0..len).map(|_| random.next() as u8).collect()
}

/// <https://prng.di.unimi.it/splitmix64.c>
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn one_of(&mut self, alphabet: &[u8]) -> char {
        char::from(alphabet[(self.next() % alphabet.len() as u64) as usize])
    }
}

#[test]
fn example_keys_are_valid_and_differ() {
    use keysweep::key::AccessKeyId;
    let keys: BTreeSet<_> = (0..1000).map(example_key).collect();
    assert_eq!(keys.len(), 1000);
    for (id, secret) in &keys {
        let account = AccessKeyId::parse(id.as_bytes()).unwrap().account();
        assert!(account.is_some_and(|account| !account.is_canary()), "{id}");
        assert_eq!(secret.len(), 40);
    }
    assert_eq!(example_key(7), example_key(7));
}
