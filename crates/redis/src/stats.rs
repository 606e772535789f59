//! Metrics of the stores of all workers.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use metrics::{Collect, Families, Family, Latencies, LatencyTotals};

use super::error_log::ErrorLog;
use limiter::domain::StoreError;

const CALLS: Family = Family::counter("tollgate_redis_calls_total", "Calls that were sent to Redis.", &[]);
const PLAIN: Family = Family::counter(
    "tollgate_redis_plain_calls_total",
    "Calls of plain commands (SET and INCRBY) in place of the script.",
    &[],
);
const GROUPS: Family =
    Family::counter("tollgate_redis_groups_total", "Requests' hits that were sent to Redis, many in one call.", &[]);
const MERGED: Family =
    Family::counter("tollgate_redis_merged_total", "Requests' hits that were merged with equal ones in a call.", &[]);
const RESENT_CALLS: Family = Family::counter(
    "tollgate_redis_resent_total",
    "Calls that were sent again after an error that proves that nothing ran, by the error's code.",
    &["code"],
);
const ERRORS: Family = Family::counter(
    "tollgate_redis_errors_total",
    "Requests' hits without a verdict, by reason: `overloaded` were shed (MAX_PENDING_CHECKS), `expired` not sent in \
     time.",
    &["kind"],
);
const ABANDONED: Family = Family::counter(
    "tollgate_redis_abandoned_total",
    "Requests' hits that were not sent to Redis because their caller had left.",
    &[],
);
const PENDING: Family = Family::gauge("tollgate_redis_pending", "Requests that wait for Redis or are in flight.", &[]);
const IN_FLIGHT: Family = Family::gauge("tollgate_redis_calls_in_flight", "Calls in flight.", &[]);
const CALL_TIMES: Family =
    Family::histogram("tollgate_redis_call_seconds", "Duration of calls, until the reply or the timeout.", &[]);

/// Counts since the start, and gauges. Shared by the stores of all workers.
#[derive(Debug, Default)]
pub struct RedisStats {
    pub(super) calls: AtomicU64,
    pub(super) plain: AtomicU64,
    pub(super) in_flight: AtomicU64,
    pub(super) entries: AtomicU64,
    pub(super) checks: AtomicU64,
    pub(super) abandoned: AtomicU64,
    pub(super) pending: AtomicU64,
    pub(super) call_times: Latencies,
    pub(super) error_log: Arc<ErrorLog>,
    resent: [AtomicU64; RESENT.len()],
    failed: [AtomicU64; FAILED.len()],
}

/// Values of the label `code`: error codes after which calls are sent again.
const RESENT: [&str; 11] = [
    "noscript",
    "tryagain",
    "loading",
    "clusterdown",
    "masterdown",
    "busy",
    "readonly",
    "moved",
    "ask",
    "clock",
    "other",
];

/// Values of the label `kind`: the reasons for which checks fail.
const FAILED: [&str; 9] = [
    "closed",
    "unreachable",
    "overloaded",
    "expired",
    "unanswered",
    "refused",
    "unreadable",
    "breaker_open",
    "divided",
];

impl RedisStats {
    /// Calls that were sent, those that were sent again included.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    /// Calls of plain commands in place of the script, which are among [`calls`](Self::calls).
    #[must_use]
    pub fn plain(&self) -> u64 {
        self.plain.load(Relaxed)
    }

    /// Calls whose reply is awaited.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }

    /// How long calls took, until the reply or the timeout.
    #[must_use]
    pub fn call_times(&self) -> LatencyTotals {
        self.call_times.totals()
    }

    /// Entries of the calls: groups of hits, where equal groups are one entry.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries.load(Relaxed)
    }

    /// Checks that were in the calls.
    #[must_use]
    pub fn checks(&self) -> u64 {
        self.checks.load(Relaxed)
    }

    /// Checks that were dropped before Redis ran them, because their callers had left.
    #[must_use]
    pub fn abandoned(&self) -> u64 {
        self.abandoned.load(Relaxed)
    }

    /// Checks that wait or are in flight.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.pending.load(Relaxed)
    }

    /// Calls that were sent again, by the code of the error before.
    pub fn resent(&self) -> impl Iterator<Item = (&'static str, u64)> {
        RESENT.into_iter().zip(self.resent.iter().map(|count| count.load(Relaxed)))
    }

    /// Checks that failed, by reason.
    pub fn failed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        FAILED.into_iter().zip(self.failed.iter().map(|count| count.load(Relaxed)))
    }

    pub(super) fn count_resent(&self, code: &str) {
        let index = RESENT.iter().position(|known| code.eq_ignore_ascii_case(known)).unwrap_or(RESENT.len() - 1);
        self.resent[index].fetch_add(1, Relaxed);
    }

    pub(super) fn count_failed(&self, error: StoreError) {
        let index = match error {
            StoreError::Closed => 0,
            StoreError::Unreachable => 1,
            StoreError::Overloaded => 2,
            StoreError::Expired => 3,
            StoreError::Unanswered => 4,
            StoreError::Refused(_) => 5,
            StoreError::Unreadable => 6,
            StoreError::Tripped => 7,
            StoreError::Divided => 8,
        };
        self.failed[index].fetch_add(1, Relaxed);
    }
}

impl Collect for RedisStats {
    fn collect(&self, families: &mut Families) {
        families.add(&CALLS, &[], self.calls());
        families.add(&PLAIN, &[], self.plain());
        families.add(&GROUPS, &[], self.checks());
        families.add(&MERGED, &[], self.checks().saturating_sub(self.entries()));
        for (code, count) in self.resent() {
            families.add(&RESENT_CALLS, &[code], count);
        }
        for (kind, count) in self.failed() {
            families.add(&ERRORS, &[kind], count);
        }
        families.add(&ABANDONED, &[], self.abandoned());
        families.add(&PENDING, &[], self.pending());
        families.add(&IN_FLIGHT, &[], self.in_flight());
        families.add_histogram(&CALL_TIMES, &[], self.call_times());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use limiter::domain::Refusal;

    use super::*;

    #[test]
    fn each_family_shows_its_own_number() {
        let stats = RedisStats::default();
        for (counter, number) in [
            (&stats.calls, 20),
            (&stats.plain, 19),
            (&stats.in_flight, 21),
            (&stats.entries, 30),
            (&stats.checks, 52),
            (&stats.abandoned, 23),
            (&stats.pending, 24),
        ] {
            counter.store(number, Relaxed);
        }
        (12..15).for_each(|seconds| stats.call_times.record(Duration::from_secs(seconds)));
        let codes = [
            "ASK",
            "BUSY",
            "clock",
            "CLUSTERDOWN",
            "LOADING",
            "MASTERDOWN",
            "MOVED",
            "NOSCRIPT",
            "something else",
            "READONLY",
            "TRYAGAIN",
        ];
        for (times, code) in (1..).zip(codes) {
            (0..times).for_each(|_| stats.count_resent(code));
        }
        let errors = [
            StoreError::Tripped,
            StoreError::Closed,
            StoreError::Divided,
            StoreError::Expired,
            StoreError::Overloaded,
            StoreError::Refused(Refusal::ReadOnly),
            StoreError::Unanswered,
            StoreError::Unreachable,
            StoreError::Unreadable,
        ];
        for (times, error) in (1..).zip(errors) {
            (0..times).for_each(|_| stats.count_failed(error));
        }
        assert_eq!(
            metrics::series(&stats),
            [
                "tollgate_redis_abandoned_total 23",
                "tollgate_redis_call_seconds_sum 39",
                "tollgate_redis_call_seconds_count 3",
                "tollgate_redis_calls_in_flight 21",
                "tollgate_redis_calls_total 20",
                r#"tollgate_redis_errors_total{kind="breaker_open"} 1"#,
                r#"tollgate_redis_errors_total{kind="closed"} 2"#,
                r#"tollgate_redis_errors_total{kind="divided"} 3"#,
                r#"tollgate_redis_errors_total{kind="expired"} 4"#,
                r#"tollgate_redis_errors_total{kind="overloaded"} 5"#,
                r#"tollgate_redis_errors_total{kind="refused"} 6"#,
                r#"tollgate_redis_errors_total{kind="unanswered"} 7"#,
                r#"tollgate_redis_errors_total{kind="unreachable"} 8"#,
                r#"tollgate_redis_errors_total{kind="unreadable"} 9"#,
                "tollgate_redis_groups_total 52",
                "tollgate_redis_merged_total 22",
                "tollgate_redis_pending 24",
                "tollgate_redis_plain_calls_total 19",
                r#"tollgate_redis_resent_total{code="ask"} 1"#,
                r#"tollgate_redis_resent_total{code="busy"} 2"#,
                r#"tollgate_redis_resent_total{code="clock"} 3"#,
                r#"tollgate_redis_resent_total{code="clusterdown"} 4"#,
                r#"tollgate_redis_resent_total{code="loading"} 5"#,
                r#"tollgate_redis_resent_total{code="masterdown"} 6"#,
                r#"tollgate_redis_resent_total{code="moved"} 7"#,
                r#"tollgate_redis_resent_total{code="noscript"} 8"#,
                r#"tollgate_redis_resent_total{code="other"} 9"#,
                r#"tollgate_redis_resent_total{code="readonly"} 10"#,
                r#"tollgate_redis_resent_total{code="tryagain"} 11"#,
            ]
        );
    }
}
