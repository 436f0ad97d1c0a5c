//! The reading room: what the owner's side knows of leaked credentials, and what follows from it: which are live, whose they are, when
//! they were last used.
//!
//! All of it is pure: no network, no clock, no files. What is known is handed in as an [`inventory::Inventory`], the time as `now`. Who
//! asks AWS is `aws`, what is done about it `response`.

pub mod access_keys;
pub mod credential_report;
pub mod files;
pub mod inventory;
pub mod judge;
pub mod lead;
pub mod moment;
pub mod reported;
pub mod verdict;
