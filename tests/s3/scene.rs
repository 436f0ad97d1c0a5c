//! Where the program is run, the fake that it sweeps, and what its reports come to.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

use serde_json::Value;

use crate::fake::{Bucket, Fake, Object};
use crate::support::{Invocation, Keysweep, Output, env_file, example_key};

/// A directory, and S3.
pub(crate) struct Scene {
    pub(crate) at: Keysweep,
    pub(crate) fake: Fake,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self { at: Keysweep::new(), fake: Fake::new() }
    }

    /// With one bucket, `bkt`.
    pub(crate) fn with(change: impl FnOnce(&mut Bucket)) -> Self {
        let scene = Self::new();
        scene.fake.bucket("bkt", change);
        scene
    }

    /// `keysweep sweep --format jsonl` with these arguments, yet to be run, by somebody who signs.
    pub(crate) fn sweeping<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Invocation<'_> {
        sweeping(&self.at, &self.fake.url(), args)
    }

    /// Runs it to its end.
    pub(crate) fn sweep<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Output {
        self.sweeping(args).run()
    }

    /// Sweeps all of the bucket `bkt` and checks exit code and ids.
    #[track_caller]
    pub(crate) fn expect(&self, args: &[&str], code: i32, ids: &[&str]) -> Output {
        let output = self.sweep(["s3://bkt"].iter().chain(args));
        output.expect(code, ids);
        output
    }
}

/// The same at another server, with credentials in the environment that are nobody's.
pub(crate) fn sweeping<'a, A: AsRef<OsStr>>(
    at: &'a Keysweep,
    url: &str,
    args: impl IntoIterator<Item = A>,
) -> Invocation<'a> {
    let args = args.into_iter().map(|arg| arg.as_ref().to_owned());
    let (id, secret) = example_key(9_000);
    at.invocation(["sweep", "--format", "jsonl"].map(OsString::from).into_iter().chain(args))
        .env("AWS_ENDPOINT_URL", url)
        .env("AWS_ACCESS_KEY_ID", id)
        .env("AWS_SECRET_ACCESS_KEY", secret)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
}

/// An object with the key of `seed` in it.
pub(crate) fn leak(seed: u64) -> Object {
    Object::new(env_file(seed))
}

/// One in which nothing is to be found.
pub(crate) fn harmless(number: usize) -> Object {
    Object::new(format!("{number}: nothing of interest\n"))
}

/// The access key id of `seed`.
pub(crate) fn id(seed: u64) -> String {
    example_key(seed).0
}

/// What a report says of what was found and what was not read, however long that took and in which order.
#[derive(Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) findings: BTreeMap<String, String>,
    pub(crate) skipped: BTreeSet<(String, String)>,
}

/// What a run said.
pub(crate) fn said(output: &Output) -> Said {
    let findings = output.findings().into_iter();
    let findings = findings.map(|finding| (finding["access_key_id"].to_string(), finding.to_string())).collect();
    Said { findings, skipped: skipped(output) }
}

/// What was not read, and why.
pub(crate) fn skipped(output: &Output) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let summary = output.summary();
    summary["skipped"].as_array().unwrap().iter().map(|skip| (text(&skip["what"]), text(&skip["why"]))).collect()
}

/// Checks that of all that was not read this alone is told, with these words as the reason.
#[track_caller]
pub(crate) fn expect_skipped(output: &Output, expected: &[(&str, &str)]) {
    let skipped = skipped(output);
    assert_eq!(skipped.len(), expected.len(), "{output:?}");
    for (what, why) in expected {
        let is = |(of, because): &(String, String)| of == what && because.contains(why);
        assert!(skipped.iter().any(is), "{what} with {why:?} is not in {skipped:?}");
        assert!(output.stderr.contains(why), "{why:?} is not on standard error of {output:?}");
    }
}
