//! Ctrl-C while a mirrored repository lies in a temporary directory: it is removed before the process ends.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Mutex, Once, PoisonError};

use anyhow::{Context, Result};

static TEMPORARY: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static HANDLER: Once = Once::new();

/// A temporary directory that is removed when this is dropped and when the process is interrupted.
pub(super) fn temporary_directory() -> Result<tempfile::TempDir> {
    HANDLER.call_once(|| {
        // Where no handler can be set, the directory is still removed at a normal end.
        let _ = ctrlc::set_handler(stop);
    });
    let directory = tempfile::Builder::new()
        .prefix("keysweep-")
        .tempdir()
        .context("making a temporary directory failed; TMPDIR names another place")?;
    TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner).push(directory.path().to_owned());
    Ok(directory)
}

#[expect(clippy::exit, reason = "an interrupted process ends here")]
fn stop() {
    for directory in TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        // Removed already, or git is still writing into it: twice is enough, its process got the same signal.
        let _ = fs::remove_dir_all(directory).or_else(|_| fs::remove_dir_all(directory));
    }
    let _ = writeln!(io::stderr(), "keysweep: interrupted; nothing was reported");
    std::process::exit(130);
}
