//! Where the program is run, and the fake that it asks: the credentials of the fake's caller are in its environment.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;

use serde_json::Value;

use crate::fake::{Fake, secret_of};
use crate::support::{Invocation, Keysweep, Output};

/// The account that the caller is in.
pub(crate) const HOME: &str = "111122223333";

/// When keys were created: long before every commit, which are of 2024.
pub(crate) const CREATED: i64 = 1_700_000_000;

/// A directory, and AWS.
pub(crate) struct Scene {
    pub(crate) at: Keysweep,
    pub(crate) fake: Fake,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self { at: Keysweep::new(), fake: Fake::new(HOME) }
    }

    /// With keys of one's own account, each of a user of its own: `user-1` has that of seed 1. The ids.
    pub(crate) fn with_keys(keys: u64) -> (Self, Vec<String>) {
        let scene = Self::new();
        let ids = scene.fake.world(|world| {
            let account = world.account(HOME);
            (1..=keys).map(|seed| account.key(&format!("user-{seed}"), seed, CREATED).id.clone()).collect()
        });
        (scene, ids)
    }

    /// The program with these arguments, yet to be run.
    pub(crate) fn invocation<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Invocation<'_> {
        let (id, secret) = &self.fake.caller;
        self.at
            .invocation(args)
            .env("AWS_ENDPOINT_URL", self.fake.url())
            .env("AWS_ACCESS_KEY_ID", id)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
    }

    /// Runs it to its end.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Output {
        self.invocation(args).run()
    }

    /// `keysweep triage` about these ids, and what is said of each.
    pub(crate) fn triage(&self, ids: &[String]) -> (Output, BTreeMap<String, Value>) {
        let args = ["triage", "--format", "jsonl"].into_iter().chain(ids.iter().map(String::as_str));
        let output = self.run(args);
        let verdicts = verdicts(&output.stdout);
        (output, verdicts)
    }

    /// `keysweep deactivate --apply --yes` of these ids, with the journal `journal.jsonl`.
    pub(crate) fn deactivation(&self, ids: &[String]) -> Invocation<'_> {
        let flags = ["deactivate", "--apply", "--yes", "--journal", "journal.jsonl"];
        self.invocation(flags.into_iter().chain(ids.iter().map(String::as_str)))
    }

    /// How a key stands in AWS.
    #[track_caller]
    pub(crate) fn status(&self, id: &str) -> String {
        self.fake.world(|world| world.key(id).expect("no such key").status.clone())
    }

    /// What a journal holds.
    #[track_caller]
    pub(crate) fn journal(&self, name: &str) -> Journal {
        let text = fs::read_to_string(self.at.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        Journal(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    /// Checks that none of the secrets of these ids stands anywhere in a text.
    #[track_caller]
    pub(crate) fn expect_no_secret(text: &[u8], ids: &[String]) {
        let text = String::from_utf8_lossy(text);
        for id in ids {
            assert!(!text.contains(&secret_of(id)), "the secret of {id} is in {text}");
        }
    }
}

/// The lines of a journal.
pub(crate) struct Journal(Vec<Value>);

impl Journal {
    /// What came of each step, in the order of receipts.
    pub(crate) fn results(&self) -> Vec<&str> {
        self.0.iter().filter_map(|line| line["result"].as_str()).collect()
    }

    /// How many changes were announced.
    pub(crate) fn intents(&self) -> usize {
        self.0.iter().filter(|line| !line["from"].is_null() && !line["to"].is_null()).count()
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// The verdicts of a report, by access key id.
#[track_caller]
pub(crate) fn verdicts(jsonl: &[u8]) -> BTreeMap<String, Value> {
    let lines = jsonl.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let lines = lines.map(|line| serde_json::from_slice::<Value>(line).unwrap());
    lines.filter_map(|line| Some((line["access_key_id"].as_str()?.to_owned(), line["verdict"].clone()))).collect()
}

/// The statuses of verdicts.
pub(crate) fn statuses(verdicts: &BTreeMap<String, Value>) -> BTreeMap<&str, &str> {
    verdicts.iter().map(|(id, verdict)| (id.as_str(), verdict["status"].as_str().unwrap_or("none"))).collect()
}
