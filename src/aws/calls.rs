//! Counts what goes over the wire, each attempt, and hears when AWS says that it is too much. The SDK calls this at every attempt of every
//! client that has it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::{DateTime, Format};

use super::pace::Pace;

/// What was heard on the line, shared by everybody who has a clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    /// Attempts by operation.
    counts: Arc<Mutex<BTreeMap<String, u64>>>,
    /// By how many seconds AWS's clock is ahead of this machine's, as its last answer told.
    ahead: Arc<AtomicI64>,
}

impl Calls {
    /// So far, by names such as `iam:ListAccessKeys`.
    pub(super) fn so_far(&self) -> BTreeMap<String, u64> {
        self.counts.lock().map(|calls| calls.clone()).unwrap_or_default()
    }

    fn add(&self, service: &str, operation: &str) {
        if let Ok(mut calls) = self.counts.lock() {
            *calls.entry(format!("{}:{operation}", service.to_lowercase())).or_default() += 1;
        }
    }

    /// By how many seconds AWS's clock is ahead of this machine's.
    pub(super) fn ahead(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed)
    }

    /// An answer came now that is dated so (RFC 9110, 5.6.7).
    fn dated(&self, date: &str, now: i64) {
        if let Ok(date) = DateTime::from_str(date, Format::HttpDate) {
            self.ahead.store(date.secs().saturating_sub(now), Ordering::Relaxed);
        }
    }
}

/// What sits on a client's line.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub(super) calls: Calls,
    pub(super) pace: Arc<Pace>,
}

impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "Watch"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(operation) = config.load::<Metadata>() {
            self.calls.add(operation.service(), operation.name());
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // A proxy's answer does not tell AWS's time.
        if let Some(headers) = context.response().map(HttpResponse::headers)
            && headers.contains_key("x-amzn-requestid")
            && let Some(date) = headers.get("date")
        {
            self.calls.dated(date, super::now());
        }
        if let Some(response) = context.response()
            && is_too_fast(response.status().as_u16(), response.body().bytes().unwrap_or_default())
        {
            self.pace.slow_down();
        }
        Ok(())
    }
}

/// The answer says that calls come too fast: `Throttling`, `ThrottlingException`, `RequestLimitExceeded`, `SlowDown`, `TooManyRequests…`.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html>
fn is_too_fast(status: u16, body: &[u8]) -> bool {
    let names = ["Throttl", "RequestLimitExceeded", "SlowDown", "TooManyRequests"];
    let says = |name: &str| memchr::memmem::find(body, name.as_bytes()).is_some();
    status == 429 || (status >= 400 && names.into_iter().any(says))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_together() {
        let calls = Calls::default();
        let shared = calls.clone();
        calls.add("IAM", "ListAccessKeys");
        shared.add("IAM", "ListAccessKeys");
        shared.add("STS", "AssumeRole");
        let expected = [("iam:ListAccessKeys".to_owned(), 2), ("sts:AssumeRole".to_owned(), 1)];
        assert_eq!(calls.so_far(), BTreeMap::from(expected));
    }

    #[test]
    fn the_last_dated_answer_tells_how_far_the_clock_is_off() {
        let calls = Calls::default();
        assert_eq!(calls.ahead(), 0);
        calls.dated("Mon, 30 Nov 2026 16:18:01 GMT", 1_796_055_381);
        calls.dated("yesterday", 0);
        assert_eq!(calls.clone().ahead(), 100);
    }

    #[test]
    fn throttling_is_told_from_other_answers() {
        let body = b"<Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error>";
        assert!(is_too_fast(400, body) && is_too_fast(429, b"") && is_too_fast(503, b"<Code>SlowDown</Code>"));
        assert!(!is_too_fast(400, b"<Code>ValidationError</Code>") && !is_too_fast(503, b""));
        // A user may be called so.
        assert!(!is_too_fast(200, b"<UserName>Throttling</UserName>"));
    }
}
