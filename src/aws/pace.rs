//! How fast IAM is asked: its limits are the whole account's, whose other users must not notice us. AWS does not publish them, so the
//! pace begins modestly and slows down where AWS says that it is too fast. Repeating a call that was turned away is the SDK's business.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

/// How many calls may be under way.
const AT_ONCE: usize = 16;
/// The pause between two calls, where nothing slows them down: fifty a second.
const QUICKEST: Duration = Duration::from_millis(20);
/// The longest pause between two calls.
const SLOWEST: Duration = Duration::from_secs(2);
/// How many calls that were not made a moment ago may be made up for at once: a few hits don't wait.
const BURST: u32 = 32;

/// The pace of one account.
#[derive(Debug)]
pub(super) struct Pace {
    places: Semaphore,
    clock: Mutex<Clock>,
}

/// When the next call may begin.
#[derive(Debug)]
struct Clock {
    next: Option<Instant>,
    pause: Duration,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { places: Semaphore::new(AT_ONCE), clock: Mutex::new(Clock { next: None, pause: QUICKEST }) }
    }

    /// Waits for one's turn; it is over when what is returned is dropped.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // An error would mean that the semaphore was closed, which nobody does.
        let place = self.places.acquire().await.ok();
        sleep_until(self.reserve()).await;
        place
    }

    fn reserve(&self) -> Instant {
        let now = Instant::now();
        self.clock.lock().map_or(now, |mut clock| clock.reserve(now))
    }

    /// AWS said that it was too fast.
    pub(super) fn slow_down(&self) {
        if let Ok(mut clock) = self.clock.lock() {
            clock.slow_down();
        }
    }
}

impl Clock {
    fn reserve(&mut self, now: Instant) -> Instant {
        let earliest = now.checked_sub(self.pause * BURST).unwrap_or(now);
        let at = self.next.map_or(earliest, |next| next.max(earliest));
        self.next = Some(at + self.pause);
        // Back to speed over the next calls, not at once: whoever turned us away has a minute's memory.
        self.pause = (self.pause - self.pause / 32).max(QUICKEST);
        at.max(now)
    }

    fn slow_down(&mut self) {
        self.pause = (self.pause * 2).min(SLOWEST);
        // What was saved up before is not to be spent now.
        self.next = self.next.map(|next| next.max(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock { next: None, pause: QUICKEST }
    }

    #[test]
    fn a_few_calls_do_not_wait_and_many_keep_the_pace() {
        let (mut clock, now) = (clock(), Instant::now());
        let waits: Vec<Duration> = (0..BURST + 50).map(|_| clock.reserve(now) - now).collect();
        assert!(waits[..BURST as usize].iter().all(Duration::is_zero), "{waits:?}");
        assert_eq!(waits.last(), Some(&(QUICKEST * 49)));
    }

    #[test]
    fn what_is_saved_up_is_bounded() {
        let (mut clock, now) = (clock(), Instant::now());
        clock.reserve(now);
        let later = now + Duration::from_secs(3600);
        let at_once = (0..1000).filter(|_| clock.reserve(later) == later).count();
        assert_eq!(at_once, BURST as usize + 1);
    }

    #[test]
    fn it_slows_down_to_a_bound_and_recovers() {
        let (mut clock, now) = (clock(), Instant::now());
        for _ in 0..20 {
            clock.slow_down();
        }
        assert_eq!(clock.pause, SLOWEST);
        for _ in 0..1000 {
            clock.reserve(now);
        }
        assert_eq!(clock.pause, QUICKEST);
    }

    #[test]
    fn nothing_saved_up_is_spent_after_a_throttle() {
        let mut clock = clock();
        clock.reserve(Instant::now());
        clock.slow_down();
        let now = Instant::now();
        let waits = (0..BURST + 1).filter(|_| clock.reserve(now) > now).count();
        assert!(waits >= BURST as usize - 1, "{waits}");
    }
}
