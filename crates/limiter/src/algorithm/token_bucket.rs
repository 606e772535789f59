//! A bucket of `burst` tokens that is refilled continuously, `requests` tokens per window.

use std::time::Duration;

use super::{
    State,
    meter::{Meter, first_pass, reconcile},
    rounding::{ceil, duration, exact, whole},
};
use crate::domain::{Limit, RetryAfter, Timestamp};

/// A bucket that counts denied hits owes at most this many times its burst.
const MAX_DEBT: f64 = 10.0;

#[derive(Clone, Copy)]
pub(super) struct TokenBucket {
    requests: f64,
    burst: f64,
    length: f64,
    now: f64,
    /// The stored state: `anchor` tokens at `time`. A charge moves it to now; a look leaves it as it is.
    time: f64,
    anchor: f64,
    /// The tokens at `now`.
    level: f64,
}

impl TokenBucket {
    fn level_at(&self, at: f64) -> f64 {
        (self.anchor + (at - self.time) * self.requests / self.length).min(self.burst)
    }

    fn moved_to(self, level: f64) -> Self {
        Self { time: self.now, anchor: level, level, ..self }
    }

    /// The first instant after now at which the bucket holds `tokens`, given that it holds fewer now.
    fn first_at(&self, tokens: f64) -> f64 {
        let guess = self.now + ceil((tokens - self.level) * self.length / self.requests);
        first_pass(self.now, guess, |at| self.level_at(at) >= tokens)
    }
}

impl Meter for TokenBucket {
    fn read(state: Option<State>, limit: &Limit, now: Timestamp) -> Self {
        let (requests, burst, length) = (exact(limit.requests()), exact(limit.burst()), limit.window().micros());
        let now = now.as_f64();
        let full = State { time: now, current: burst, previous: 0.0 };
        let State { time, current, .. } = state.unwrap_or(full);
        let (now, time) = reconcile(now, time, length);
        // if the limit was lowered since the last charge, the level is lowered too
        let anchor = current.min(burst).max(-MAX_DEBT * burst);
        let bucket = Self { requests, burst, length, now, time, anchor, level: anchor };
        Self { level: bucket.level_at(now), ..bucket }
    }

    fn passes(&self, n: f64) -> bool {
        self.level >= n
    }

    fn take(self, n: f64) -> Self {
        self.moved_to((self.level - n).max(-MAX_DEBT * self.burst))
    }

    fn give(self, n: f64) -> Self {
        self.moved_to((self.level + n).min(self.burst))
    }

    fn is_untouched(&self) -> bool {
        self.level >= self.burst
    }

    fn state(&self) -> State {
        State { time: self.time, current: self.anchor, previous: 0.0 }
    }

    fn used(&self) -> u64 {
        whole(self.burst - self.level)
    }

    fn remaining(&self) -> u64 {
        whole(self.level)
    }

    fn reset_after(&self) -> Duration {
        if self.is_untouched() { Duration::ZERO } else { duration(self.first_at(self.burst) - self.now) }
    }

    fn retry_after(&self, n: f64) -> RetryAfter {
        if n > self.burst { RetryAfter::Never } else { RetryAfter::After(duration(self.first_at(n) - self.now)) }
    }
}

/// The used amount of a bucket at its maximum debt.
pub(super) fn most_used(limit: &Limit) -> u64 {
    let burst = exact(limit.burst());
    whole(burst - -MAX_DEBT * burst)
}

/// When the stored bucket will be full, in microseconds since the epoch.
pub(super) fn full_at(state: &State, limit: &Limit) -> f64 {
    let stored = Timestamp::from_micros(state.time as u64);
    let bucket = TokenBucket::read(Some(*state), limit, stored);
    if bucket.is_untouched() { bucket.now } else { bucket.first_at(bucket.burst) }
}
