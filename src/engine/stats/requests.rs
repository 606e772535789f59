//! What one worker answered, and how fast. Each worker has its own, so that counting contends with nobody.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use crate::domain::{Algorithm, Latencies, LatencyTotals};

/// Why a call failed, in the reference's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request was invalid, or there are no rules yet.
    Service,
    /// The store failed. The label says `redis_error`, whatever the store is.
    Store,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Service, Self::Store];

    /// The value of label `err_type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Service => "service_error",
            Self::Store => "redis_error",
        }
    }
}

/// What became of one counted descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answered {
    /// Within its limit.
    Ok,
    /// Over it, and said so.
    OverLimit,
    /// Over it, but its rule is in shadow mode.
    Shadowed,
    /// The store had no answer.
    Error,
}

impl Answered {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Ok, Self::OverLimit, Self::Shadowed, Self::Error];

    /// The value of label `result`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::OverLimit => "over_limit",
            Self::Shadowed => "shadowed",
            Self::Error => "error",
        }
    }
}

type Decisions<T> = [[T; Answered::ALL.len()]; Algorithm::ALL.len()];

/// Counters of one worker. Aligned so that no two workers share a cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct RequestMetrics {
    started: AtomicU64,
    /// Calls that ended.
    ended: Latencies,
    errors: [AtomicU64; ErrorKind::ALL.len()],
    decisions: Decisions<AtomicU64>,
    global_shadow_mode: AtomicU64,
    debt_forgiven: AtomicU64,
}

/// A call under way; when dropped, it has ended. `M` is a reference to the counters, borrowed or owned.
#[derive(Debug)]
#[must_use = "the call ends when this is dropped"]
pub struct InFlight<M: Deref<Target = RequestMetrics>> {
    metrics: M,
    since: Instant,
}

impl RequestMetrics {
    /// Counts a call that came in at `since`.
    pub fn start(&self, since: Instant) -> InFlight<&Self> {
        self.started.fetch_add(1, Relaxed);
        InFlight { metrics: self, since }
    }

    /// Counts a call that failed.
    pub fn failed(&self, kind: ErrorKind) {
        self.errors[kind as usize].fetch_add(1, Relaxed);
    }

    /// Counts one descriptor that was counted by a store.
    pub fn decided(&self, algorithm: Algorithm, answered: Answered) {
        self.decisions[algorithm as usize][answered as usize].fetch_add(1, Relaxed);
    }

    /// Counts a call that only the global shadow mode let pass.
    pub fn global_shadow_mode(&self) {
        self.global_shadow_mode.fetch_add(1, Relaxed);
    }

    /// Counts units that a bucket in debt as deep as may be did not take.
    pub fn debt_forgiven(&self, units: u64) {
        if units > 0 {
            self.debt_forgiven.fetch_add(units, Relaxed);
        }
    }
}

impl InFlight<&RequestMetrics> {
    /// The same call, for as long as it has to wait. `metrics` are the same counters.
    pub fn waiting(self, metrics: Arc<RequestMetrics>) -> InFlight<Arc<RequestMetrics>> {
        let since = self.since;
        std::mem::forget(self);
        InFlight { metrics, since }
    }
}

impl<M: Deref<Target = RequestMetrics>> Drop for InFlight<M> {
    fn drop(&mut self) {
        self.metrics.ended.record(self.since.elapsed());
    }
}

/// The sum of several workers' counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestTotals {
    /// Calls that came in.
    pub started: u64,
    /// Calls that ended, by how long they took.
    pub ended: LatencyTotals,
    /// By [`ErrorKind`].
    pub errors: [u64; ErrorKind::ALL.len()],
    /// By [`Algorithm`], then [`Answered`].
    pub decisions: Decisions<u64>,
    /// Calls that only the global shadow mode let pass.
    pub global_shadow_mode: u64,
    /// Units that buckets in debt as deep as may be did not take.
    pub debt_forgiven: u64,
}

impl RequestTotals {
    /// Calls under way.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.started.saturating_sub(self.ended.count())
    }

    /// Adds one worker.
    pub fn add(&mut self, worker: &RequestMetrics) {
        // Ended before started, so that a call that ends between the two is not counted as ended only.
        self.ended.add(&worker.ended);
        self.started += worker.started.load(Relaxed);
        add_all(&mut self.errors, &worker.errors);
        for (sums, counters) in self.decisions.iter_mut().zip(&worker.decisions) {
            add_all(sums, counters);
        }
        self.global_shadow_mode += worker.global_shadow_mode.load(Relaxed);
        self.debt_forgiven += worker.debt_forgiven.load(Relaxed);
    }
}

fn add_all(sums: &mut [u64], counters: &[AtomicU64]) {
    for (sum, counter) in sums.iter_mut().zip(counters) {
        *sum += counter.load(Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(metrics: &RequestMetrics) -> RequestTotals {
        let mut totals = RequestTotals::default();
        totals.add(metrics);
        totals
    }

    #[test]
    fn a_call_is_in_flight_until_dropped() {
        let metrics = RequestMetrics::default();
        let call = metrics.start(Instant::now());
        assert_eq!(totals(&metrics).in_flight(), 1);
        drop(call);
        assert_eq!((totals(&metrics).in_flight(), totals(&metrics).started), (0, 1));
    }

    #[test]
    fn outcomes_are_kept_apart() {
        let metrics = RequestMetrics::default();
        metrics.decided(Algorithm::TokenBucket, Answered::OverLimit);
        metrics.failed(ErrorKind::Store);
        let totals = totals(&metrics);
        assert_eq!(totals.decisions, [[0; 4], [0; 4], [0, 1, 0, 0]]);
        assert_eq!(totals.errors, [0, 1]);
    }
}
