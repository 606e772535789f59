//! The algorithms compared with their specification: worked examples, and properties over the whole range of inputs.

#[cfg(feature = "calendar")]
mod calendar;
mod examples;
mod groups;
mod looks;
mod properties;

use std::{num::NonZeroU32, time::Duration};

use super::*;
use crate::domain::{Algorithm, Unit, Window};

const SECOND: u64 = 1_000_000;

fn limit(algorithm: Algorithm, requests: u64, seconds: u32) -> Limit {
    limit_with(algorithm, requests, seconds, None, None)
}

fn limit_with(
    algorithm: Algorithm,
    requests: u64,
    seconds: u32,
    burst: Option<u64>,
    count_denied: Option<bool>,
) -> Limit {
    let window = Window::new(Unit::Second, NonZeroU32::new(seconds).expect("a window")).expect("a short window");
    Limit::new(algorithm, requests, window, burst, count_denied).expect("a limit")
}

fn at(micros: u64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// A counter with its limit; each method call is one hit.
struct Counter {
    limit: Limit,
    state: Option<State>,
}

impl Counter {
    fn new(limit: Limit) -> Self {
        Self { limit, state: None }
    }

    fn hit(&mut self, micros: u64, charge: Charge) -> Verdict {
        let Step { next, verdict } = step(self.state, &self.limit, at(micros), charge);
        self.state = next.or(self.state);
        verdict
    }

    fn take(&mut self, micros: u64, n: u64) -> Verdict {
        self.hit(micros, Charge::Take(n))
    }
}

fn after(micros: u64) -> RetryAfter {
    RetryAfter::After(Duration::from_micros(micros))
}
