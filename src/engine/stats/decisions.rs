//! Counters of decisions by algorithm and result. Each worker has its own, so that counting causes no contention.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use limiter::domain::Algorithm;
use metrics::{Collect, Families, Family, PerWorker};

const DECISIONS: Family = Family::counter(
    "tollgate_decisions_total",
    "Descriptors that were counted, by the algorithm of their limit and the result.",
    &["algorithm", "result"],
);
const GLOBAL_SHADOW_MODE: Family = Family::counter(
    "ratelimit_service_global_shadow_mode",
    "Calls over their limit that passed because SHADOW_MODE is on.",
    &[],
);
const DEBT_FORGIVEN: Family = Family::counter(
    "tollgate_debt_forgiven_total",
    "Units of denied hits that token buckets with count_denied did not charge, because their debt was ten bursts.",
    &[],
);

/// The result of one counted descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DecisionResult {
    /// Within its limit.
    Ok,
    /// Over its limit.
    OverLimit,
    /// Over its limit, but the rule is in shadow mode.
    Shadowed,
    /// The store failed.
    Error,
}

impl DecisionResult {
    /// Every result.
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

type ByResult<T> = [[T; DecisionResult::ALL.len()]; Algorithm::ALL.len()];

/// Counters of one worker. Aligned so that no two workers share a cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct DecisionStats {
    decisions: ByResult<AtomicU64>,
    global_shadow_mode: AtomicU64,
    debt_forgiven: AtomicU64,
}

impl DecisionStats {
    /// Counts the result of one descriptor.
    pub fn decided(&self, algorithm: Algorithm, result: DecisionResult) {
        self.decisions[algorithm as usize][result as usize].fetch_add(1, Relaxed);
    }

    /// Counts a call that passes only because of the global shadow mode.
    pub fn global_shadow_mode(&self) {
        self.global_shadow_mode.fetch_add(1, Relaxed);
    }

    /// Counts units of denied hits that a token bucket at its maximum debt did not charge.
    pub fn debt_forgiven(&self, units: u64) {
        if units > 0 {
            self.debt_forgiven.fetch_add(units, Relaxed);
        }
    }
}

/// The sum of several workers' counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecisionTotals {
    /// Descriptors by [`Algorithm`], then by [`DecisionResult`].
    pub decisions: ByResult<u64>,
    /// Calls that passed only because of the global shadow mode.
    pub global_shadow_mode: u64,
    /// Units of denied hits that token buckets at their maximum debt did not charge.
    pub debt_forgiven: u64,
}

impl DecisionTotals {
    /// Adds the counters of one worker.
    pub fn add(&mut self, worker: &DecisionStats) {
        for (sum, counter) in self.decisions.iter_mut().flatten().zip(worker.decisions.iter().flatten()) {
            *sum += counter.load(Relaxed);
        }
        self.global_shadow_mode += worker.global_shadow_mode.load(Relaxed);
        self.debt_forgiven += worker.debt_forgiven.load(Relaxed);
    }
}

/// The counters of all workers of all APIs.
#[derive(Debug, Default)]
pub struct Decisions(PerWorker<DecisionStats>);

impl Decisions {
    /// Adds and returns the counters of one more worker.
    #[must_use]
    pub fn worker(&self) -> Arc<DecisionStats> {
        self.0.add()
    }
}

impl Collect for Decisions {
    fn collect(&self, families: &mut Families) {
        let mut totals = DecisionTotals::default();
        self.0.for_each(|worker| totals.add(worker));
        for (algorithm, by_result) in Algorithm::ALL.into_iter().zip(totals.decisions) {
            for (result, count) in DecisionResult::ALL.into_iter().zip(by_result) {
                families.add(&DECISIONS, &[algorithm.name(), result.name()], count);
            }
        }
        families.add(&GLOBAL_SHADOW_MODE, &[], totals.global_shadow_mode);
        families.add(&DEBT_FORGIVEN, &[], totals.debt_forgiven);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_summed_and_results_are_separate() {
        let decisions = Decisions::default();
        let results = [
            (Algorithm::FixedWindow, DecisionResult::Error),
            (Algorithm::FixedWindow, DecisionResult::Ok),
            (Algorithm::FixedWindow, DecisionResult::OverLimit),
            (Algorithm::FixedWindow, DecisionResult::Shadowed),
            (Algorithm::SlidingWindow, DecisionResult::Error),
            (Algorithm::SlidingWindow, DecisionResult::Ok),
            (Algorithm::SlidingWindow, DecisionResult::OverLimit),
            (Algorithm::SlidingWindow, DecisionResult::Shadowed),
            (Algorithm::TokenBucket, DecisionResult::Error),
            (Algorithm::TokenBucket, DecisionResult::Ok),
            (Algorithm::TokenBucket, DecisionResult::OverLimit),
            (Algorithm::TokenBucket, DecisionResult::Shadowed),
        ];
        for worker in [decisions.worker(), decisions.worker()] {
            for (times, (algorithm, result)) in (1..).zip(results) {
                (0..times).for_each(|_| worker.decided(algorithm, result));
            }
            (0..20).for_each(|_| worker.global_shadow_mode());
            worker.debt_forgiven(30);
        }
        assert_eq!(
            metrics::series(&decisions),
            [
                "ratelimit_service_global_shadow_mode 40",
                "tollgate_debt_forgiven_total 60",
                r#"tollgate_decisions_total{algorithm="fixed_window",result="error"} 2"#,
                r#"tollgate_decisions_total{algorithm="fixed_window",result="ok"} 4"#,
                r#"tollgate_decisions_total{algorithm="fixed_window",result="over_limit"} 6"#,
                r#"tollgate_decisions_total{algorithm="fixed_window",result="shadowed"} 8"#,
                r#"tollgate_decisions_total{algorithm="sliding_window",result="error"} 10"#,
                r#"tollgate_decisions_total{algorithm="sliding_window",result="ok"} 12"#,
                r#"tollgate_decisions_total{algorithm="sliding_window",result="over_limit"} 14"#,
                r#"tollgate_decisions_total{algorithm="sliding_window",result="shadowed"} 16"#,
                r#"tollgate_decisions_total{algorithm="token_bucket",result="error"} 18"#,
                r#"tollgate_decisions_total{algorithm="token_bucket",result="ok"} 20"#,
                r#"tollgate_decisions_total{algorithm="token_bucket",result="over_limit"} 22"#,
                r#"tollgate_decisions_total{algorithm="token_bucket",result="shadowed"} 24"#,
            ]
        );
    }
}
