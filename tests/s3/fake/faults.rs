//! What goes wrong, by script: with which requests, and how.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::answer::Refusal;
use super::bucket::World;
use super::call::Call;

/// What becomes of a request.
#[derive(Clone)]
pub(crate) enum Fault {
    /// S3 says no.
    Refuse(Refusal),
    /// The body is cut after so many bytes.
    Cut(u64),
    /// After so many bytes of the body nothing more comes.
    Stall(u64),
    /// The answer takes that long.
    Late(Duration),
    /// Something else happens just before.
    Meanwhile(Arc<dyn Fn(&mut World) + Send + Sync>),
}

impl Fault {
    /// Something else happens just before.
    pub(crate) fn meanwhile(change: impl Fn(&mut World) + Send + Sync + 'static) -> Self {
        Self::Meanwhile(Arc::new(change))
    }
}

/// All that is to go wrong.
#[derive(Default)]
pub(super) struct Script(Vec<Rule>);

struct Rule {
    operation: String,
    bucket: String,
    key: Option<String>,
    calls: RangeInclusive<usize>,
    seen: usize,
    fault: Fault,
}

impl Script {
    /// One thing more: see [`super::Fake::fault`].
    pub(super) fn add(&mut self, operation: &str, place: &str, calls: RangeInclusive<usize>, fault: Fault) {
        let (bucket, key) = match place.split_once('/') {
            Some((bucket, key)) => (bucket, Some(key.to_owned())),
            None => (place, None),
        };
        let (operation, bucket) = (operation.to_owned(), bucket.to_owned());
        self.0.push(Rule { operation, bucket, key, calls, seen: 0, fault });
    }

    /// What becomes of this request.
    pub(super) fn next(&mut self, call: &Call) -> Option<Fault> {
        let mut fault = None;
        for rule in &mut self.0 {
            let is_at = rule.bucket == call.bucket && rule.key.as_ref().is_none_or(|key| *key == call.key);
            if is_at && rule.operation == call.operation {
                rule.seen += 1;
                if rule.calls.contains(&rule.seen) {
                    fault = fault.or_else(|| Some(rule.fault.clone()));
                }
            }
        }
        fault
    }
}
