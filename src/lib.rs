//! Finds leaked AWS credentials in working trees and in all of git history.
//!
//! Data flows one way: `source` → `sweep` (through the `engine`) → `finding` → `report`. Arrows of `use` point the other way or
//! down to the ground floor: `blob`, `provenance`, `location`, `key`. `baseline` says which findings are known. `place` says for the sweep what rules ask of paths and commits. The front door is `cli`, the only room that reads flags and
//! the environment, prints and decides how the process exits. `triage` judges what was found by what its owner's side says, `response`
//! switches it off, `aws` talks to AWS for both. `exposure` judges who may read a bucket.

#[cfg(feature = "iam")]
pub mod aws;
pub mod baseline;
pub mod blob;
#[cfg(feature = "cli")]
pub mod cli;
pub mod engine;
pub mod exposure;
pub mod finding;
pub mod key;
pub mod location;
pub mod place;
pub mod provenance;
pub mod report;
pub mod response;
pub mod source;
pub mod sweep;
pub mod triage;
