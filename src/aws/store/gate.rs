//! How many requests one bucket is asked at once, and when: more as long as its answers stay quick, fewer when they come late without any
//! good of it, half as many after a pause when it says that it is too much. Each bucket has its own gate, so that a slow one holds up no other.
//! What counts as too much, and what is done about a request that was turned away, is `call`'s business.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// How many requests go out at once to a bucket of which nothing is known.
const FIRST: usize = 32;
/// Late answers alone bring it down no further: S3's own are of all lengths.
const FLOOR: usize = 16;
/// The shortest round.
const ROUND: u32 = 16;
/// So many rounds go by until it is measured again how quick answers are to half as many requests.
const PROBE: u32 = 32;
/// Up to so many times the quickest mean, answers count as quick.
const QUICK: f64 = 1.4;
/// From so many times the quickest mean, answers count as late. To twice as many requests as a saturated server needs they take twice as long.
const LATE: f64 = 1.8;

/// How many at once, worked out from how long answers take.
///
/// Answers are looked at by rounds, by their mean: single ones of a busy store differ tenfold. A mean is held against that of half as many
/// requests, which is measured from time to time: where that is as long, more requests bring more answers; where it is half
/// as long, they just wait for each other.
#[derive(Debug)]
pub(super) struct Limit {
    at_once: usize,
    most: usize,
    /// Seconds of this round's answers.
    sum: f64,
    count: u32,
    /// Answers still to come to requests that went out under another limit.
    stale: usize,
    rounds: u32,
    /// The quickest mean, in seconds.
    quickest: Option<f64>,
    /// The limit to go back to, while half of it is tried.
    probed: Option<usize>,
    /// It was said to be too much: from then on it grows by one.
    was_too_much: bool,
}

impl Limit {
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            at_once: FIRST.min(most),
            most,
            sum: 0.0,
            count: 0,
            stale: 0,
            rounds: 0,
            quickest: None,
            probed: None,
            was_too_much: false,
        }
    }

    pub(super) fn at_once(&self) -> usize {
        self.at_once
    }

    /// An answer began after so long. `is_wanted`: somebody waits for a place.
    pub(super) fn answered(&mut self, after: Duration, is_wanted: bool) {
        if self.stale > 0 {
            self.stale -= 1;
            return;
        }
        // One that hung says nothing about all others.
        let most = self.quickest.map_or(f64::INFINITY, |quickest| quickest * 8.0);
        self.sum += after.as_secs_f64().min(most);
        self.count += 1;
        if (self.count as usize) < 2 * self.at_once || self.count < ROUND {
            return;
        }
        let mean = self.sum / f64::from(self.count);
        (self.sum, self.count) = (0.0, 0);
        self.round(mean, is_wanted);
    }

    fn round(&mut self, mean: f64, is_wanted: bool) {
        if let Some(before) = self.probed.take() {
            self.quickest = Some(mean);
            return self.set(before);
        }
        let quickest = self.quickest.map_or(mean, |quickest| quickest.min(mean));
        self.quickest = Some(quickest);
        // Where there are places enough, nothing can be learnt about having more.
        if !is_wanted {
            return;
        }
        self.rounds += 1;
        if self.rounds >= PROBE && self.at_once > 1 {
            self.rounds = 0;
            self.probed = Some(self.at_once);
            self.set(self.at_once / 2);
        } else if mean < quickest * QUICK {
            let more = if self.was_too_much { 1 } else { (self.at_once / 4).max(1) };
            self.set(self.at_once + more);
        } else if mean > quickest * LATE && self.at_once > FLOOR {
            self.set((self.at_once * 7 / 8).max(FLOOR));
        }
    }

    /// The bucket says that it is too much.
    pub(super) fn slow_down(&mut self) {
        self.was_too_much = true;
        let before = self.probed.take().unwrap_or(self.at_once).min(self.at_once);
        (self.sum, self.count, self.rounds) = (0.0, 0, 0);
        self.set(before / 2);
    }

    fn set(&mut self, at_once: usize) {
        let at_once = at_once.clamp(1, self.most);
        if at_once != self.at_once {
            self.stale = self.at_once.min(at_once);
            self.at_once = at_once;
        }
    }
}

/// How long a bucket that says that it is too much is left alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pauses {
    /// At first.
    pub(super) first: Duration,
    /// At most.
    pub(super) longest: Duration,
    /// When it has said nothing else for so long, no more is waited for it.
    pub(super) patience: Duration,
}

/// What all requests to one bucket go through.
#[derive(Debug)]
pub(super) struct Gate {
    places: Arc<Semaphore>,
    /// Somebody found no place since it was looked at last.
    is_wanted: AtomicBool,
    pauses: Pauses,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: Limit,
    /// Places that there are, free or taken: more than the limit as long as some are to be taken away.
    places: usize,
    pause: Duration,
    paused_until: Option<Instant>,
    /// When it began to say nothing but no.
    refused_since: Option<Instant>,
}

/// The bucket said for too long that it is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shut;

impl Gate {
    pub(super) fn new(most: usize, pauses: Pauses) -> Self {
        let limit = Limit::new(most);
        let places = limit.at_once();
        Self {
            places: Arc::new(Semaphore::new(places)),
            is_wanted: AtomicBool::new(false),
            pauses,
            state: Mutex::new(State { limit, places, pause: Duration::ZERO, paused_until: None, refused_since: None }),
        }
    }

    /// Waits for a place.
    pub(super) async fn turn(self: &Arc<Self>) -> Turn {
        Turn { place: Some(self.place().await), gate: self.clone() }
    }

    async fn place(&self) -> OwnedSemaphorePermit {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return place;
        }
        self.is_wanted.store(true, Ordering::Relaxed);
        self.places.clone().acquire_owned().await.expect("nobody closes this semaphore")
    }

    /// Waits until a pause is over.
    pub(super) async fn open(&self) -> Result<(), Shut> {
        loop {
            let until = {
                let state = self.state();
                let now = Instant::now();
                let Some(until) = state.paused_until.filter(|until| *until > now) else { return Ok(()) };
                if state.refused_since.is_some_and(|since| now - since > self.pauses.patience) {
                    return Err(Shut);
                }
                until
            };
            sleep_until(until).await;
        }
    }

    /// An answer began, to a request that was sent then.
    pub(super) fn answered(&self, sent: Instant) {
        let mut state = self.state();
        state.limit.answered(sent.elapsed(), self.is_wanted.load(Ordering::Relaxed));
        if state.limit.count == 0 {
            self.is_wanted.store(false, Ordering::Relaxed);
        }
        state.was_let_in();
        self.fit(&mut state);
    }

    /// Something was answered that tells nothing of how long answers take.
    pub(super) fn let_in(&self) {
        self.state().was_let_in();
    }

    /// The bucket said that it is too much, to a request that was sent then.
    pub(super) fn slow_down(&self, sent: Instant) {
        let mut state = self.state();
        let now = Instant::now();
        state.refused_since.get_or_insert(sent);
        // All that was under way is turned away together: it counts once.
        if state.paused_until.is_some_and(|until| sent < until) {
            return;
        }
        state.pause = (state.pause * 2).clamp(self.pauses.first, self.pauses.longest);
        state.paused_until = Some(now + state.pause);
        state.limit.slow_down();
        self.fit(&mut state);
    }

    /// Makes places what the limit says, as far as they are free.
    fn fit(&self, state: &mut State) {
        let limit = state.limit.at_once();
        if state.places < limit {
            self.places.add_permits(limit - state.places);
            state.places = limit;
        } else if state.places > limit {
            state.places -= self.places.forget_permits(state.places - limit);
        }
    }

    fn give_back(&self, place: OwnedSemaphorePermit) {
        let mut state = self.state();
        if state.places > state.limit.at_once() {
            state.places -= 1;
            place.forget();
        }
    }

    /// A panic while it was held leaves numbers that are still numbers.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn was_let_in(&mut self) {
        self.refused_since = None;
        self.pause -= self.pause / 8;
    }
}

/// A place among the requests to a bucket, held until the answer is through or has begun and turns out to be long. How many there are follows the
/// latency seen and what the bucket says of its own pace.
#[derive(Debug)]
pub struct Turn {
    place: Option<OwnedSemaphorePermit>,
    gate: Arc<Gate>,
}

impl Turn {
    /// Gives the place up and queues again: there may be fewer now.
    pub(super) async fn again(&mut self) {
        self.end();
        self.place = Some(self.gate.place().await);
    }

    /// Gives the place up before its time.
    pub(super) fn end(&mut self) {
        if let Some(place) = self.place.take() {
            self.gate.give_back(place);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 256;

    /// So many answers of a server to which `latency` (in milliseconds, of how many requests are under way) applies.
    fn answers(limit: &mut Limit, count: usize, mut latency: impl FnMut(usize) -> f64) {
        for _ in 0..count {
            let after = latency(limit.at_once());
            limit.answered(Duration::from_secs_f64(after / 1000.0), true);
        }
    }

    /// A server that answers two requests in a millisecond, and not more.
    fn saturated(at_once: usize) -> f64 {
        (at_once as f64 / 2.0).max(1.0)
    }

    #[test]
    fn it_grows_as_long_as_answers_stay_quick() {
        let mut limit = Limit::new(MOST);
        assert_eq!(limit.at_once(), FIRST);
        answers(&mut limit, 5_000, |_| 40.0);
        assert_eq!(limit.at_once(), MOST);
    }

    #[test]
    fn answers_of_all_lengths_are_no_reason_to_stop() {
        let mut limit = Limit::new(MOST);
        let mut seed = 1_u64;
        let mut least = MOST;
        for _ in 0..50 {
            answers(&mut limit, 1_000, |_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // Most within 20 ms, one in a hundred beyond 200.
                let even = ((seed >> 33) as f64 + 1.0) / f64::from(1_u32 << 31);
                10.0 - 40.0 * even.ln()
            });
            if limit.probed.is_none() {
                least = least.min(limit.at_once());
            }
        }
        assert!(least >= FIRST && limit.at_once() >= MOST / 2, "{least} {}", limit.at_once());
    }

    #[test]
    fn it_does_not_grow_where_requests_only_wait_for_each_other() {
        let mut limit = Limit::new(MOST);
        answers(&mut limit, 100_000, saturated);
        assert!((FLOOR / 2..=2 * FIRST).contains(&limit.at_once()), "{}", limit.at_once());
    }

    #[test]
    fn it_does_not_grow_where_nobody_waits() {
        let mut limit = Limit::new(MOST);
        for _ in 0..5_000 {
            limit.answered(Duration::from_millis(40), false);
        }
        assert_eq!(limit.at_once(), FIRST);
    }

    #[test]
    fn a_server_that_grew_slower_for_good_is_seen_as_it_is() {
        let mut limit = Limit::new(MOST);
        answers(&mut limit, 5_000, |_| 10.0);
        answers(&mut limit, 100_000, |_| 100.0);
        assert_eq!(limit.probed.unwrap_or(limit.at_once()), MOST);
    }

    #[test]
    fn too_much_halves_it_down_to_one_and_it_comes_back_slowly() {
        let mut limit = Limit::new(MOST);
        for expected in [16, 8, 4, 2, 1, 1] {
            limit.slow_down();
            assert_eq!(limit.at_once(), expected);
        }
        answers(&mut limit, 40, |_| 10.0);
        assert!((2..=4).contains(&limit.at_once()), "{}", limit.at_once());
        answers(&mut limit, 100_000, |_| 10.0);
        assert!(limit.probed.unwrap_or(limit.at_once()) > FIRST, "{}", limit.at_once());
    }

    #[test]
    fn too_much_while_half_is_tried_is_not_forgotten() {
        let mut limit = Limit::new(MOST);
        while limit.probed.is_none() {
            answers(&mut limit, 1, |_| 10.0);
        }
        limit.slow_down();
        assert!(limit.probed.is_none() && limit.at_once() <= MOST / 4, "{limit:?}");
    }

    #[test]
    fn one_at_most_stays_one() {
        let mut limit = Limit::new(0);
        answers(&mut limit, 5_000, |_| 1.0);
        assert_eq!(limit.at_once(), 1);
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(future)
    }

    fn gate(patience: Duration) -> Arc<Gate> {
        let second = Duration::from_secs(1);
        Arc::new(Gate::new(MOST, Pauses { first: second, longest: 4 * second, patience }))
    }

    #[test]
    fn there_are_as_many_places_as_the_limit_says() {
        wait(async {
            let gate = gate(Duration::MAX);
            let mut turns = Vec::new();
            for _ in 0..FIRST {
                turns.push(gate.turn().await);
            }
            assert!(gate.places.clone().try_acquire_owned().is_err());
            gate.slow_down(Instant::now());
            // Those who are through are not followed by others until there are fewer than may be.
            turns.truncate(FIRST / 2);
            assert!(gate.places.clone().try_acquire_owned().is_err());
            turns.truncate(FIRST / 2 - 1);
            assert!(gate.places.clone().try_acquire_owned().is_ok());
            drop(turns);
            assert_eq!(gate.places.available_permits(), FIRST / 2);
        });
    }

    #[test]
    fn all_that_is_turned_away_together_counts_once() {
        let gate = gate(Duration::MAX);
        let sent = Instant::now();
        for _ in 0..10 {
            gate.slow_down(sent);
        }
        let state = gate.state();
        assert_eq!((state.pause, state.limit.at_once()), (Duration::from_secs(1), FIRST / 2));
    }

    #[test]
    fn pauses_grow_and_shrink_again() {
        let gate = gate(Duration::MAX);
        for seconds in [1, 2, 4, 4] {
            gate.slow_down(Instant::now() + Duration::from_secs(3600));
            assert_eq!(gate.state().pause, Duration::from_secs(seconds));
        }
        for _ in 0..100 {
            gate.let_in();
        }
        assert!(gate.state().pause < Duration::from_millis(1));
    }

    #[test]
    fn a_bucket_that_says_nothing_else_is_given_up_until_the_pause_is_over() {
        wait(async {
            let gate = gate(Duration::ZERO);
            assert_eq!(gate.open().await, Ok(()));
            gate.slow_down(Instant::now());
            assert_eq!(gate.open().await, Err(Shut));
            gate.let_in();
            gate.state().paused_until = None;
            assert_eq!(gate.open().await, Ok(()));
        });
    }
}
