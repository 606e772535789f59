//! Two counts: the previous window's count fades out linearly while the present window fills.

use std::time::Duration;

use super::{
    State,
    meter::{MAX, Meter, Windows, first_pass},
    rounding::{duration, exact, floor, whole},
};
use crate::domain::{Limit, RetryAfter, Timestamp};

#[derive(Clone, Copy)]
pub(super) struct SlidingWindow {
    limit: f64,
    length: f64,
    now: f64,
    start: f64,
    current: f64,
    previous: f64,
}

impl SlidingWindow {
    /// The estimated count of the window that ends at `at`, if nothing more is charged until then.
    fn estimate_at(&self, at: f64) -> f64 {
        let mut elapsed = at - self.start;
        let (mut current, mut previous) = (self.current, self.previous);
        if elapsed >= self.length {
            elapsed -= self.length;
            (current, previous) = (0.0, current);
        }
        if elapsed >= self.length {
            return 0.0;
        }
        previous * (self.length - elapsed) / self.length + current
    }

    fn estimate(&self) -> f64 {
        self.estimate_at(self.now)
    }
}

impl Meter for SlidingWindow {
    fn read(state: Option<State>, limit: &Limit, now: Timestamp) -> Self {
        let length = limit.window().micros();
        let Windows { now, start, current, previous } = Windows::read(state, length, now);
        Self { limit: exact(limit.requests()), length, now, start, current, previous }
    }

    fn passes(&self, n: f64) -> bool {
        self.estimate() + n <= self.limit
    }

    fn take(self, n: f64) -> Self {
        Self { current: (self.current + n).min(MAX), ..self }
    }

    fn give(self, n: f64) -> Self {
        let rest = (n - self.current).max(0.0);
        Self { current: (self.current - n).max(0.0), previous: (self.previous - rest).max(0.0), ..self }
    }

    fn is_untouched(&self) -> bool {
        self.current == 0.0 && self.previous == 0.0
    }

    fn state(&self) -> State {
        State { time: self.start, current: self.current, previous: self.previous }
    }

    fn used(&self) -> u64 {
        whole(self.estimate())
    }

    fn remaining(&self) -> u64 {
        whole(self.limit - self.estimate())
    }

    fn reset_after(&self) -> Duration {
        if self.current > 0.0 {
            duration(self.start + 2.0 * self.length - self.now)
        } else if self.previous > 0.0 {
            duration(self.start + self.length - self.now)
        } else {
            Duration::ZERO
        }
    }

    fn retry_after(&self, n: f64) -> RetryAfter {
        if n > self.limit {
            return RetryAfter::Never;
        }
        let Self { limit, length, start, current, previous, .. } = *self;
        // W − ⌊room·W/p⌋ is ⌈W·(1 − room/p)⌉ with one rounding less
        let guess = if current + n <= limit {
            start + (length - floor((limit - n - current) * length / previous))
        } else {
            start + length + (length - floor((limit - n) * length / current))
        };
        let at = first_pass(self.now, guess, |at| self.estimate_at(at) + n <= limit);
        RetryAfter::After(duration(at - self.now))
    }
}
