//! What the three algorithms have in common: the interface between them and `step`, and the arithmetic of time.

use std::time::Duration;

use super::{
    State,
    rounding::{exact, floor},
};
use crate::domain::{Charge, Limit, MAX_COUNT, RetryAfter, Timestamp};

/// [`MAX_COUNT`] as the algorithms compute with it.
pub(super) const MOST: f64 = MAX_COUNT as f64;

/// One counter, read at one instant, under one limit. Amounts `n` are whole numbers from 0 to [`MOST`].
pub(super) trait Meter: Copy {
    /// The counter as it stands at `now`.
    fn read(state: Option<State>, limit: &Limit, now: Timestamp) -> Self;
    /// Whether `n` more fit; for 0, whether the counter is within its limit.
    fn passes(&self, n: f64) -> bool;
    /// The counter after taking `n`, whether they fit or not.
    fn take(self, n: f64) -> Self;
    /// The counter after giving `n` back.
    fn give(self, n: f64) -> Self;
    /// As if it had never been charged.
    fn is_untouched(&self) -> bool;
    /// What to store.
    fn state(&self) -> State;
    /// The count, rounded down.
    fn used(&self) -> u64;
    /// How many single hits would still pass.
    fn remaining(&self) -> u64;
    /// Until it is as if never charged.
    fn reset_after(&self) -> Duration;
    /// Until `n`, which do not fit now, would.
    fn retry_after(&self, n: f64) -> RetryAfter;
}

/// The amount that has to fit for a hit to pass. A look asks for nothing, so it passes until the count is above the
/// limit. Where denied hits are not charged the count never gets there; a look then asks for 1.
pub(super) fn asked(charge: Charge, limit: &Limit) -> f64 {
    if charge.is_look() && !limit.count_denied() { 1.0 } else { exact(charge.amount()) }
}

/// The window that `state` is read in: its start, the effective present and the counts of it and of the one before.
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
        // a time that was moved to now belongs to the present window, wherever in it now is
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

/// The effective present and the effective time of a state. A stored time ahead of now by at most a window is used as
/// now; by more (another clock wrote it), it is moved to now.
pub(super) fn reconcile(now: f64, stored: f64, window: f64) -> (f64, f64) {
    if stored <= now {
        (now, stored)
    } else if stored - now <= window {
        (stored, stored)
    } else {
        (now, now)
    }
}

/// A stored count as one that this crate could have written. Not `clamp`, which would keep a NaN.
#[allow(clippy::manual_clamp)]
pub(super) fn count(stored: f64) -> f64 {
    stored.max(0.0).min(MOST)
}

/// The first whole microsecond after `denied` at which `pass` holds. `pass` is false at `denied` and, once true, stays
/// true. `guess` is where it should turn: a good one costs two evaluations, a bad one (rounding of large products) a
/// few dozen, never more than that.
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
    fn what_never_passes_ends() {
        for guess in [0.0, 1e300, f64::INFINITY, f64::NAN] {
            let found = first_pass(5.0, guess, |_| false);
            assert!(found > 5.0, "{guess} gave {found}");
        }
    }
}
