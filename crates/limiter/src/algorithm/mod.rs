//! The three counting algorithms, as pure functions of (state, limit, now, charge), and how the hits of one request are
//! settled together. `docs/algorithms.md` explains them with figures.
//!
//! No clock, no I/O, no store: a store reads its states, calls [`settle`] (or [`settle_one`]) and writes the results
//! back. All arithmetic is `f64` in the same order as in the Redis script, so that both produce equal bits. Counts
//! saturate at [`MAX_COUNT`](crate::domain::MAX_COUNT); no input causes a panic or an endless loop.

mod fixed_window;
mod group;
mod meter;
mod rounding;
mod sliding_window;
mod token_bucket;

#[cfg(test)]
mod tests;

pub use group::{Counters, Held, settle, settle_one};

use std::time::Duration;

use fixed_window::FixedWindow;
use meter::{Meter, asked};
use rounding::{ceil, exact};
use sliding_window::SlidingWindow;
use token_bucket::TokenBucket;

use crate::domain::{Algorithm, Charge, Limit, RetryAfter, Source, Timestamp, Verdict};

/// What a store keeps of one counter: three doubles, whose meaning depends on the algorithm. Times are microseconds
/// since the epoch.
///
/// | algorithm | `time` | `current` | `previous` |
/// |---|---|---|---|
/// | fixed window | start of the window | its count | 0 |
/// | sliding window | start of the present window | its count | count of the window before |
/// | token bucket | when `current` was computed | tokens; negative is debt | 0 |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State {
    /// The instant that the counts belong to.
    pub time: f64,
    /// The present count, or the bucket's level.
    pub current: f64,
    /// The count of the previous window; 0 for algorithms without one.
    pub previous: f64,
}

/// The result of one charge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The counter's new state; `None` if nothing is to be written.
    pub next: Option<State>,
    /// The outcome of the hit.
    pub verdict: Verdict,
}

/// Charges one hit on a counter whose state is `prior` (`None` if it does not exist).
#[must_use]
pub fn step(prior: Option<State>, limit: &Limit, now: Timestamp, charge: Charge) -> Step {
    match limit.algorithm() {
        Algorithm::FixedWindow => step_on::<FixedWindow>(prior, limit, now, charge),
        Algorithm::SlidingWindow => step_on::<SlidingWindow>(prior, limit, now, charge),
        Algorithm::TokenBucket => step_on::<TokenBucket>(prior, limit, now, charge),
    }
}

/// Settles an enforced hit of a group that was denied; `allowed` says whether the hit itself had fitted. A hit that was
/// over is charged in full if its limit counts denied hits, even if it would fit now; any other hit is not charged. All
/// numbers of the verdict describe the resulting state.
#[must_use]
pub fn refuse(prior: Option<State>, limit: &Limit, now: Timestamp, charge: Charge, allowed: bool) -> Step {
    match limit.algorithm() {
        Algorithm::FixedWindow => refuse_on::<FixedWindow>(prior, limit, now, charge, allowed),
        Algorithm::SlidingWindow => refuse_on::<SlidingWindow>(prior, limit, now, charge, allowed),
        Algorithm::TokenBucket => refuse_on::<TokenBucket>(prior, limit, now, charge, allowed),
    }
}

/// Units of a denied hit that a token bucket did not charge although its limit counts denied hits, because its debt is
/// at the maximum. Rounded down.
#[must_use]
#[inline]
pub fn debt_forgiven(limit: &Limit, verdict: &Verdict) -> u64 {
    let charged = !verdict.allowed && limit.count_denied() && verdict.source == Source::Store;
    if !charged || limit.algorithm() != Algorithm::TokenBucket || limit.burst() == 0 {
        return 0;
    }
    // a bucket above its maximum debt charged the whole amount; its rounded numbers would say otherwise
    if verdict.after < token_bucket::most_used(limit) {
        return 0;
    }
    verdict.asked.saturating_sub(verdict.after - verdict.before.min(verdict.after))
}

/// When a counter can be dropped because it is equal to one that was never charged: at the end of its window, at the
/// end of the next one for a sliding window, or when a bucket is full and its debt is paid.
#[must_use]
pub fn expires_at(state: &State, limit: &Limit) -> Timestamp {
    let micros = match limit.algorithm() {
        Algorithm::FixedWindow => match limit.window().calendar() {
            Some(calendar) => calendar.span(state.time).end,
            None => state.time + limit.window().micros(),
        },
        Algorithm::SlidingWindow => state.time + 2.0 * limit.window().micros(),
        Algorithm::TokenBucket => token_bucket::full_at(state, limit),
    };
    Timestamp::from_micros(ceil(micros) as u64)
}

fn step_on<M: Meter>(prior: Option<State>, limit: &Limit, now: Timestamp, charge: Charge) -> Step {
    let before = M::read(prior, limit, now);
    let (n, asked) = (exact(charge.amount()), asked(charge, limit));
    let (allowed, after) = match charge {
        // a look changes nothing, not even a bucket's time, so its numbers describe the state that stays
        Charge::Take(0) => (before.passes(asked), before),
        Charge::Give(_) if charge.is_look() || before.is_untouched() => (true, before),
        Charge::Give(_) => (true, before.give(n)),
        Charge::Take(_) if before.passes(asked) => (true, before.take(n)),
        Charge::Take(_) if limit.count_denied() => (false, before.take(n)),
        Charge::Take(_) => (false, before),
    };
    let unchanged = charge.is_look() || (!allowed && !limit.count_denied());
    let still_untouched = before.is_untouched() && after.is_untouched();
    let next = if unchanged || still_untouched { None } else { Some(after.state()) };
    let retry_after = if allowed { RetryAfter::Now } else { after.retry_after(asked) };
    let granted = if allowed { charge.amount() } else { 0 };
    Step { next, verdict: verdict(&before, &after, charge, allowed, granted, retry_after) }
}

fn refuse_on<M: Meter>(prior: Option<State>, limit: &Limit, now: Timestamp, charge: Charge, allowed: bool) -> Step {
    let before = M::read(prior, limit, now);
    let asked = asked(charge, limit);
    let charged = !allowed && limit.count_denied() && !charge.is_look();
    let after = if charged { before.take(asked) } else { before };
    let still_untouched = before.is_untouched() && after.is_untouched();
    let next = if charged && !still_untouched { Some(after.state()) } else { None };
    let retry_after = match (allowed, after.passes(asked)) {
        (true, _) => RetryAfter::Now,
        // over only because of other hits of the same group, which were undone: alone it could pass at once
        (false, true) => RetryAfter::After(Duration::ZERO),
        (false, false) => after.retry_after(asked),
    };
    Step { next, verdict: verdict(&before, &after, charge, allowed, 0, retry_after) }
}

fn verdict<M: Meter>(
    before: &M,
    after: &M,
    charge: Charge,
    allowed: bool,
    granted: u64,
    retry_after: RetryAfter,
) -> Verdict {
    Verdict {
        allowed,
        remaining: after.remaining(),
        reset_after: after.reset_after(),
        retry_after,
        before: before.used(),
        after: after.used(),
        asked: charge.amount(),
        granted,
        source: Source::Store,
    }
}
