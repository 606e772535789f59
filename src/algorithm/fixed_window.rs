//! One count per aligned window.

use std::time::Duration;

use super::{
    State,
    meter::{MOST, Meter, Windows, duration, whole},
};
use crate::domain::{Limit, RetryAfter, Timestamp};

#[derive(Clone, Copy)]
pub(super) struct FixedWindow {
    limit: f64,
    length: f64,
    now: f64,
    start: f64,
    count: f64,
}

impl Meter for FixedWindow {
    fn read(state: Option<State>, limit: &Limit, now: Timestamp) -> Self {
        let length = limit.window().micros();
        let Windows { now, start, current, .. } = Windows::read(state, length, now);
        Self { limit: limit.requests() as f64, length, now, start, count: current }
    }

    fn passes(&self, n: f64) -> bool {
        self.count + n <= self.limit
    }

    fn take(self, n: f64) -> Self {
        Self { count: (self.count + n).min(MOST), ..self }
    }

    fn give(self, n: f64) -> Self {
        Self { count: (self.count - n).max(0.0), ..self }
    }

    fn is_untouched(&self) -> bool {
        self.count == 0.0
    }

    fn state(&self) -> State {
        State { time: self.start, current: self.count, previous: 0.0 }
    }

    fn used(&self) -> u64 {
        whole(self.count)
    }

    fn remaining(&self) -> u64 {
        whole(self.limit - self.count)
    }

    fn reset_after(&self) -> Duration {
        duration(self.start + self.length - self.now)
    }

    fn retry_after(&self, n: f64) -> RetryAfter {
        if n > self.limit { RetryAfter::Never } else { RetryAfter::After(self.reset_after()) }
    }
}
