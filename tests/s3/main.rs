//! The sweep of buckets end to end: the program against servers that speak S3, a fake that fails by script and a real one.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "all of it is test code, and it runs programs"
)]

mod choices;
mod fake;
mod faults;
mod packed;
mod planted;
mod real;
#[path = "../aws/fake/request.rs"]
mod request;
mod resume;
mod scale;
mod scene;
#[path = "../cli/support.rs"]
#[allow(dead_code, reason = "what other tests use of it")]
mod support;
mod weed;
