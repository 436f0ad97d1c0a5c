//! What goes wrong between here and AWS, by script: which call of which operation, and how.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::answer::Refusal;
use super::world::World;

/// What becomes of a call.
#[derive(Clone)]
pub(crate) enum Fault {
    /// AWS says no, and does nothing.
    Refuse(Refusal),
    /// The connection is closed without an answer.
    Silence(Done),
    /// Half of the answer comes, then the connection is cut.
    Cut(Done),
    /// The answer takes that long.
    Late(Duration, Done),
    /// The answer is right; then AWS closes its half of the connection, and reads no more.
    HalfClose,
    /// Somebody else answers, with a page that asks to sign in to the network.
    Portal,
    /// The network is gone, from now on.
    Gone(Done),
    /// Something else happens just before.
    Meanwhile(Arc<dyn Fn(&mut World) + Send + Sync>),
}

/// Whether what was asked for is done all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// It is not.
    Never,
    /// It is, before anything goes wrong.
    First,
    /// It is, after the caller has waited for as long.
    Last,
}

impl Fault {
    /// Too many calls.
    pub(crate) fn throttle() -> Self {
        Self::Refuse(Refusal::throttling())
    }

    /// AWS has a bad day.
    pub(crate) fn server_error() -> Self {
        Self::Refuse(Refusal::new(
            500,
            "ServiceFailure",
            "The request processing has failed because of an unknown error.",
        ))
    }

    /// The caller's session is over.
    pub(crate) fn expired_token() -> Self {
        Self::Refuse(Refusal::new(403, "ExpiredToken", "The security token included in the request is expired"))
    }

    /// The caller's clock is wrong, and AWS's own is no help in setting it right.
    pub(crate) fn skewed() -> Self {
        let why = "The difference between the request time and the current time is too large.";
        Self::Refuse(Refusal::new(403, "RequestTimeTooSkewed", why))
    }

    /// Something else happens just before.
    pub(crate) fn meanwhile(change: impl Fn(&mut World) + Send + Sync + 'static) -> Self {
        Self::Meanwhile(Arc::new(change))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuse(refusal) => write!(f, "{}", refusal.code),
            Self::Silence(done) => write!(f, "silence, done: {done:?}"),
            Self::Cut(done) => write!(f, "cut, done: {done:?}"),
            Self::Late(by, done) => write!(f, "late by {by:?}, done: {done:?}"),
            Self::HalfClose => f.write_str("half-closed"),
            Self::Portal => f.write_str("portal"),
            Self::Gone(done) => write!(f, "network gone, done: {done:?}"),
            Self::Meanwhile(_) => f.write_str("meanwhile"),
        }
    }
}

/// All that is to go wrong.
#[derive(Debug, Default)]
pub(crate) struct Script(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    operation: String,
    calls: RangeInclusive<usize>,
    seen: usize,
    fault: Fault,
}

impl Script {
    /// One thing more: of the calls of `operation` from now on, or of all with `*`, those with these numbers, from 1.
    pub(crate) fn add(&mut self, operation: &str, calls: RangeInclusive<usize>, fault: Fault) {
        self.0.push(Rule { operation: operation.to_owned(), calls, seen: 0, fault });
    }

    /// Nothing goes wrong any more.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What becomes of this call of `operation`.
    pub(crate) fn next(&mut self, operation: &str) -> Option<Fault> {
        let mut fault = None;
        for rule in self.0.iter_mut().filter(|rule| rule.operation == "*" || rule.operation == operation) {
            rule.seen += 1;
            if rule.calls.contains(&rule.seen) {
                fault = fault.or_else(|| Some(rule.fault.clone()));
            }
        }
        fault
    }
}
