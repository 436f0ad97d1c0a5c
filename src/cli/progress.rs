//! The progress bar: on standard error, for work longer than a second, and only where somebody can watch it.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

use crate::sweep::Progress;

/// Work shorter than this shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);

/// Shows progress until it is dropped.
pub(super) struct Bar {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Bar {
    /// Shows nothing when `quiet` or when standard error is no terminal.
    pub(super) fn start(progress: Arc<Progress>, quiet: bool) -> Self {
        if quiet || !io::stderr().is_terminal() {
            return Self { stop: None, thread: None };
        }
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            if stopped.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = ProgressBar::new_spinner().with_elapsed(PATIENCE);
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
                bar.set_style(style);
            }
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                bar.set_message(message(&progress));
                bar.tick();
            }
            bar.finish_and_clear();
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

fn message(progress: &Progress) -> String {
    let blobs = progress.blobs.load(Ordering::Relaxed);
    let bytes = progress.bytes.load(Ordering::Relaxed);
    let hits = progress.hits.load(Ordering::Relaxed);
    format!("{} objects, {}, {} hits", HumanCount(blobs), HumanBytes(bytes), HumanCount(hits))
}

impl Drop for Bar {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A bar that broke must not break the scan.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_tells_objects_bytes_and_hits() {
        let progress = Progress::default();
        progress.blobs.store(419_403, Ordering::Relaxed);
        progress.bytes.store(1 << 30, Ordering::Relaxed);
        assert_eq!(message(&progress), "419,403 objects, 1.00 GiB, 0 hits");
    }

    #[test]
    fn nothing_is_shown_where_nobody_watches() {
        let bar = Bar::start(Arc::default(), true);
        assert!(bar.thread.is_none());
    }
}
