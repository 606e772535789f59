//! Times a limiter: what the engine waits for, whoever answers in the end. Calls that their callers leave count as well,
//! up to that moment.

use std::{sync::Arc, time::Instant};

use crate::domain::{Capabilities, CounterKey, Group, Latencies, LatencyTotals, RateLimiter, StoreError, Verdicts};

/// How long the operations of a limiter took. Shared by the stacks of all workers.
#[derive(Debug, Default)]
pub struct OperationTimes {
    check: Latencies,
    reset: Latencies,
}

impl OperationTimes {
    /// By operation.
    pub fn totals(&self) -> impl Iterator<Item = (&'static str, LatencyTotals)> {
        [("check", self.check.totals()), ("reset", self.reset.totals())].into_iter()
    }
}

/// A limiter whose operations are timed.
#[derive(Debug)]
pub struct Observed<L> {
    inner: L,
    times: Arc<OperationTimes>,
}

impl<L: RateLimiter> Observed<L> {
    /// Times `inner`.
    #[must_use]
    pub const fn new(inner: L, times: Arc<OperationTimes>) -> Self {
        Self { inner, times }
    }
}

impl<L: RateLimiter> RateLimiter for Observed<L> {
    async fn check(&self, group: Group) -> Verdicts {
        let _timed = self.times.check.start();
        self.inner.check(group).await
    }

    fn check_at_once(&self, group: &Group) -> Option<Verdicts> {
        let since = Instant::now();
        let verdicts = self.inner.check_at_once(group)?;
        self.times.check.record(since.elapsed());
        Some(verdicts)
    }

    async fn reset(&self, key: &CounterKey) -> Result<bool, StoreError> {
        let _timed = self.times.reset.start();
        self.inner.reset(key).await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::Algorithm;

    /// Answers checks never, unless at once, and resets at once.
    #[derive(Debug)]
    struct Hung;

    impl RateLimiter for Hung {
        async fn check(&self, _: Group) -> Verdicts {
            std::future::pending().await
        }

        fn check_at_once(&self, group: &Group) -> Option<Verdicts> {
            group.atomic.then(Verdicts::new)
        }

        async fn reset(&self, _: &CounterKey) -> Result<bool, StoreError> {
            Ok(false)
        }

        fn capabilities(&self) -> Capabilities {
            Capabilities { algorithms: &Algorithm::ALL, atomic_groups: true }
        }

        async fn close(&self) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_its_caller_leaves_counts_too() {
        let times = Arc::new(OperationTimes::default());
        let limiter = Observed::new(Hung, Arc::clone(&times));
        let check = limiter.check(Group::new(Default::default()));
        assert!(tokio::time::timeout(Duration::from_millis(1), check).await.is_err());
        limiter.reset(&CounterKey::from_bytes(b"k")).await.expect("an answer");
        assert!(limiter.check_at_once(&Group::new(Default::default())).is_none(), "counts when it is asked in earnest");
        limiter.check_at_once(&Group::new(Default::default()).atomic()).expect("an answer");
        let counts: Vec<_> = times.totals().map(|(operation, totals)| (operation, totals.count())).collect();
        assert_eq!(counts, [("check", 2), ("reset", 1)]);
    }
}
