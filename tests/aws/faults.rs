//! What goes wrong on the way to AWS and there: what the user sees of it, and what the journal holds.

mod apply;
mod reading;
#[cfg(unix)]
mod torn;
