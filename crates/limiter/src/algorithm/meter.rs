//! What the three algorithms have in common: the trait that `step` calls, and the arithmetic of time.

use std::time::Duration;

use super::{
    State,
    rounding::{exact, floor},
};
use crate::domain::{Charge, Limit, MAX_COUNT, RetryAfter, Timestamp};

/// [`MAX_COUNT`] as an `f64`, exact.
pub(super) const MAX: f64 = MAX_COUNT as f64;

/// One counter, read at one instant, under one limit. Amounts `n` are whole numbers from 0 to [`MAX`].
pub(super) trait Meter: Copy {
    /// The counter at `now`.
    fn read(state: Option<State>, limit: &Limit, now: Timestamp) -> Self;
    /// Whether `n` more fit; for 0, whether the counter is within its limit.
    fn passes(&self, n: f64) -> bool;
    /// The counter after taking `n`, even if they do not fit.
    fn take(self, n: f64) -> Self;
    /// The counter after giving `n` back.
    fn give(self, n: f64) -> Self;
    /// Whether the counter is equal to one that was never charged.
    fn is_untouched(&self) -> bool;
    /// The state to store.
    fn state(&self) -> State;
    /// The present count, rounded down.
    fn used(&self) -> u64;
    /// How many hits of 1 would still pass.
    fn remaining(&self) -> u64;
    /// Time until the counter is equal to one that was never charged.
    fn reset_after(&self) -> Duration;
    /// Time until `n`, which do not fit now, would fit.
    fn retry_after(&self, n: f64) -> RetryAfter;
}

/// The amount that has to fit for a hit to pass. A look asks for 0, so it passes until the count is above the limit. If
/// denied hits are not charged, the count never gets above the limit; a look then asks for 1.
pub(super) fn asked(charge: Charge, limit: &Limit) -> f64 {
    if charge.is_look() && !limit.count_denied() { 1.0 } else { exact(charge.amount()) }
}

/// The window in which `state` is read: the effective present, the start of the window, its count and the previous
/// count.
#[derive(Clone, Copy)]
pub(super) struct Windows {
    pub(super) now: f64,
    pub(super) start: f64,
    pub(super) current: f64,
    pub(super) previous: f64,
}

impl Windows {
    /// Reads `state` in aligned windows of `length`.
    pub(super) fn read(state: Option<State>, length: f64, now: Timestamp) -> Self {
        // exact: the quotient of two integers below 2^53 never rounds up to the next integer
        let start_of = |time: f64| floor(time / length) * length;
        let mut now = now.as_f64();
        let Some(state) = state else {
            return Self { now, start: start_of(now), current: 0.0, previous: 0.0 };
        };
        let (now_at, time) = reconcile(now, state.time, length);
        now = now_at;
        let start = start_of(now);
        // a stored time that was replaced by now belongs to the present window, wherever now is in it
        let (current, previous) = if time >= start {
            (count(state.current), count(state.previous))
        } else if time >= start - length {
            (0.0, count(state.current))
        } else {
            (0.0, 0.0)
        };
        Self { now, start, current, previous }
    }
}

/// The effective present and the effective time of a state. A stored time ahead of now by at most one window replaces
/// now; a later one comes from a wrong clock and is replaced by now.
pub(super) fn reconcile(now: f64, stored: f64, window: f64) -> (f64, f64) {
    if stored <= now {
        (now, stored)
    } else if stored - now <= window {
        (stored, stored)
    } else {
        (now, now)
    }
}

/// Limits a stored count to the range that this crate writes. Not `clamp`, which would keep a NaN.
#[allow(clippy::manual_clamp)]
pub(super) fn count(stored: f64) -> f64 {
    stored.max(0.0).min(MAX)
}

/// The first whole microsecond after `denied` at which `pass` holds. `pass` is false at `denied` and, once true, stays
/// true. `guess` estimates the result: a good guess costs two evaluations, a bad one (from rounded large products) a
/// few dozen at most.
pub(super) fn first_pass(denied: f64, guess: f64, pass: impl Fn(f64) -> bool) -> f64 {
    const WIDEST: f64 = (1u64 << 63) as f64;
    let mut low = denied;
    let mut high = guess.max(denied + 1.0);
    let mut stride = 1.0;
    if pass(high) {
        while high - low > 1.0 {
            let probe = (high - stride).max(low);
            if probe <= low {
                break;
            }
            if !pass(probe) {
                low = probe;
                break;
            }
            high = probe;
            stride *= 2.0;
        }
    } else {
        while stride < WIDEST {
            low = high;
            high += stride;
            stride *= 2.0;
            if pass(high) {
                break;
            }
        }
    }
    while high - low > 1.0 {
        let middle = low + floor((high - low) / 2.0);
        if middle <= low || middle >= high {
            break; // past 2^53 there are no whole microseconds left between them
        }
        if pass(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_pass_is_found_from_any_guess(
            denied in 0u64..1 << 52, wait in 1u64..1 << 52, guess in 0u64..1 << 53
        ) {
            let turn = (denied + wait) as f64;
            prop_assert_eq!(first_pass(denied as f64, guess as f64, |at| at >= turn), turn);
        }
    }

    #[test]
    fn a_condition_that_never_holds_ends_the_search() {
        for guess in [0.0, 1e300, f64::INFINITY, f64::NAN] {
            let found = first_pass(5.0, guess, |_| false);
            assert!(found > 5.0, "{guess} gave {found}");
        }
    }
}
