//! The program as its users run it.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "all of it is test code, and it runs programs")]

mod asks;
mod bad_input;
mod baseline;
#[cfg(feature = "s3")]
mod buckets;
mod cache;
mod ci;
#[cfg(feature = "iam")]
mod deactivate;
mod exit;
mod hook;
#[cfg(feature = "iam")]
mod inventory;
mod merge_reports;
mod merges;
mod range;
mod reports;
mod rules;
mod scan;
mod staged;
mod support;
#[cfg(feature = "s3")]
mod sweep;
mod tables;
mod torture;
#[cfg(feature = "iam")]
mod triage;
