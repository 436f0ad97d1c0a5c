//! The owner's side end to end: the program against servers that answer as AWS does.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "all of it is test code, and it runs programs"
)]

mod asked;
mod bedrock;
mod buckets;
mod fake;
mod faults;
mod moto;
mod organization;
mod own;
mod policies;
mod scale;
mod scene;
mod story;
#[path = "../cli/support.rs"]
#[allow(dead_code, reason = "what other tests use of it")]
mod support;
mod verify;
