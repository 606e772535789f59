//! Measures how long the engine waits for a limiter, whichever decorator answers. A call that is cancelled counts up to
//! that moment.

use std::{sync::Arc, time::Instant};

use metrics::{Collect, Families, Family, Latencies, LatencyTotals};

use crate::domain::{Capabilities, CounterKey, Group, Limit, RateLimiter, StoreError, Verdicts};

const OPERATION_TIMES: Family = Family::histogram(
    "tollgate_store_seconds",
    "How long requests waited for their counters, answered by Redis, the deny cache or a failure mode.",
    &["operation"],
);

/// Latencies of a limiter's operations. The decorators of all workers share one.
#[derive(Debug, Default)]
pub struct OperationTimes {
    check: Latencies,
    reset: Latencies,
}

impl OperationTimes {
    /// The latencies of each operation, with its name.
    pub fn totals(&self) -> impl Iterator<Item = (&'static str, LatencyTotals)> {
        [("check", self.check.totals()), ("reset", self.reset.totals())].into_iter()
    }
}

impl Collect for OperationTimes {
    fn collect(&self, families: &mut Families) {
        for (operation, totals) in self.totals() {
            families.add_histogram(&OPERATION_TIMES, &[operation], totals);
        }
    }
}

/// A limiter whose operations are measured.
#[derive(Debug)]
pub struct Observed<L> {
    inner: L,
    times: Arc<OperationTimes>,
}

impl<L: RateLimiter> Observed<L> {
    /// A decorator of `inner`.
    #[must_use]
    pub const fn new(inner: L, times: Arc<OperationTimes>) -> Self {
        Self { inner, times }
    }
}

/// A check in flight; its latency is recorded when this is dropped.
struct CheckTimed {
    times: Arc<OperationTimes>,
    since: Instant,
}

impl Drop for CheckTimed {
    fn drop(&mut self) {
        self.times.check.record(self.since.elapsed());
    }
}

impl<L: RateLimiter> RateLimiter for Observed<L> {
    fn begin(&self, group: Arc<Group>) -> impl Future<Output = Verdicts> + Send + use<L> {
        let timed = CheckTimed { times: Arc::clone(&self.times), since: Instant::now() };
        let outcome = self.inner.begin(group);
        async move {
            let _timed = timed;
            outcome.await
        }
    }

    fn try_check(&self, group: &Group) -> Option<Verdicts> {
        let since = Instant::now();
        let verdicts = self.inner.try_check(group)?;
        self.times.check.record(since.elapsed());
        Some(verdicts)
    }

    async fn reset(&self, key: &CounterKey, limit: &Limit) -> Result<bool, StoreError> {
        let _timed = self.times.reset.start();
        self.inner.reset(key, limit).await
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

    /// Its checks never end; its non-blocking checks answer atomic groups, and its resets return at once.
    #[derive(Debug)]
    struct Hung;

    impl RateLimiter for Hung {
        fn begin(&self, _: Arc<Group>) -> impl Future<Output = Verdicts> + Send + use<> {
            std::future::pending()
        }

        fn try_check(&self, group: &Group) -> Option<Verdicts> {
            group.atomic.then(Verdicts::new)
        }

        async fn reset(&self, _: &CounterKey, _: &Limit) -> Result<bool, StoreError> {
            Ok(false)
        }

        fn capabilities(&self) -> Capabilities {
            Capabilities::ALL
        }

        async fn close(&self) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_call_is_measured() {
        let times = Arc::new(OperationTimes::default());
        let limiter = Observed::new(Hung, Arc::clone(&times));
        let check = limiter.check(Group::new([]));
        assert!(tokio::time::timeout(Duration::from_millis(1), check).await.is_err());
        limiter
            .reset(&CounterKey::from_bytes(b"k"), &Limit::fixed_window(1, crate::domain::Unit::Second))
            .await
            .expect("an answer");
        assert!(limiter.try_check(&Group::new([])).is_none(), "measured later, by `begin`");
        limiter.try_check(&Group::new([]).atomic()).expect("an answer");
        let counts: Vec<_> = times.totals().map(|(operation, totals)| (operation, totals.count())).collect();
        assert_eq!(counts, [("check", 2), ("reset", 1)]);
    }

    #[test]
    fn each_operation_shows_its_own_times() {
        let times = OperationTimes::default();
        times.check.record(Duration::from_secs(3));
        times.check.record(Duration::from_secs(4));
        times.reset.record(Duration::from_secs(5));
        assert_eq!(
            metrics::series(&times),
            [
                r#"tollgate_store_seconds_sum{operation="check"} 7"#,
                r#"tollgate_store_seconds_count{operation="check"} 2"#,
                r#"tollgate_store_seconds_sum{operation="reset"} 5"#,
                r#"tollgate_store_seconds_count{operation="reset"} 1"#,
            ]
        );
    }
}
