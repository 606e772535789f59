//! What the calls to one Redis share, and how their outcomes reach the checks.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use limiter::domain::StoreError;
use metrics::Timed;

use super::{
    super::{Answer, GroupError, RedisStats, error_log::ErrorLog, named::GRACE, refusal},
    existing::Existing,
    queue::Waiters,
    slots::Slots,
};

/// What the calls to one Redis share.
#[derive(Debug)]
pub(super) struct CallContext<C> {
    pub(super) caller: Arc<C>,
    pub(super) max_jitter: Duration,
    /// How long a call may take.
    pub(super) timeout: Duration,
    pub(super) slots: Arc<Slots>,
    pub(super) stats: Arc<RedisStats>,
    pub(super) error_log: Arc<ErrorLog>,
    pub(super) existing: Existing,
}

impl<C> CallContext<C> {
    /// How much longer than needed a counter lives; `named`: the shortest window by which a counter of its group is
    /// named. As each window has a key of its own, the jitter is at most as long as the window; and the key outlives
    /// the calls that were made in the window and are still under way at its end.
    pub(super) fn extra_life(&self, named: Option<Duration>) -> Duration {
        let Some(window) = named else { return self.max_jitter.mul_f64(fastrand::f64()) };
        self.max_jitter.min(window).mul_f64(fastrand::f64()) + GRACE + self.timeout
    }
}

pub(super) fn hand_out(answers: Vec<Answer>, waiters: Vec<Waiters>, slots: &Slots) {
    let mut session = slots.session();
    for (answer, waiters) in answers.into_iter().zip(waiters) {
        match answer {
            Ok(verdicts) => {
                for (id, verdicts) in waiters.into_iter().zip(verdicts) {
                    session.answer(id, Ok(verdicts));
                }
            }
            Err(error) => {
                let error = match &error {
                    GroupError::Refused { text, .. } => StoreError::Refused(refusal::of(text)),
                    GroupError::Diverged { .. } => StoreError::Unreadable,
                };
                waiters.into_iter().for_each(|id| session.fail(id, error));
            }
        }
    }
}

pub(super) fn fail(error: StoreError, waiters: Vec<Waiters>, slots: &Slots) {
    let mut session = slots.session();
    waiters.into_iter().flatten().for_each(|id| session.fail(id, error));
}

/// Counts one call while it is under way, and times it.
pub(super) struct CallGuard<'a> {
    stats: &'a RedisStats,
    _timed: Timed<'a>,
}

impl<'a> CallGuard<'a> {
    pub(super) fn new(stats: &'a RedisStats) -> Self {
        stats.calls.fetch_add(1, Relaxed);
        stats.in_flight.fetch_add(1, Relaxed);
        Self { stats, _timed: stats.call_times.start() }
    }
}

impl Drop for CallGuard<'_> {
    fn drop(&mut self) {
        self.stats.in_flight.fetch_sub(1, Relaxed);
    }
}
