//! What stands in git's object store is read exactly: every object once, with the content that its name stands for, and what is found
//! in it by way of its deltas is what is found in it whole. What can't be read is told.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "all of it is test code, and runs git"
)]

mod bombs;
mod concurrent;
mod damage;
mod git;
mod many;
mod names;
mod oracle;
mod piece;
mod sink;
mod store;
