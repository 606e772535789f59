//! Exports what the Redis store knows. Over another store there is nothing of them.

use std::sync::Arc;

use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::{
    Readings,
    family::{Family, Kind},
    pools::RedisPool,
};
use crate::domain::LatencyTotals;

/// The state of the Redis store: sums over all workers, and, but for connections, over both Redises where there are two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisStore {
    /// The connections to the one Redis.
    pub main: RedisPool,
    /// Those to the Redis of limits per second, if there is one.
    pub per_second: Option<RedisPool>,
    /// Attempts to connect that failed, by Redis: `main` or `per_second`.
    pub failed_connections: Vec<(&'static str, u64)>,
    /// Script calls that were sent.
    pub calls: u64,
    /// Groups that those calls carried.
    pub groups: u64,
    /// Groups of them that shared an entry with an equal one.
    pub merged: u64,
    /// Calls that were sent again after a reply that proved that nothing had run, by what that reply said.
    pub resent: Vec<(&'static str, u64)>,
    /// Groups that have no verdict, by why.
    pub errors: Vec<(&'static str, u64)>,
    /// Groups that were dropped before they were sent, for their caller had gone.
    pub abandoned: u64,
    /// Groups that wait or are in flight.
    pub pending: u64,
    /// Calls that are in flight.
    pub in_flight: u64,
    /// How long calls took.
    pub call_times: LatencyTotals,
    /// How long each operation of the whole stack took, whoever answered.
    pub operation_times: Vec<(&'static str, LatencyTotals)>,
    /// The breaker of each address.
    pub breakers: Vec<RedisBreaker>,
}

/// The breaker of one address. Two Redises may be one server, of two databases, and then have one address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisBreaker {
    /// Of which Redis: `main` or `per_second`.
    pub redis: &'static str,
    /// Of which address.
    pub address: String,
    /// What it does.
    pub state: BreakerState,
    /// How often it has opened.
    pub opened: u64,
}

/// What a breaker does; the numbers are those of the metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls go through.
    #[default]
    Closed = 0,
    /// A probe is under way; calls fail at once.
    HalfOpen = 1,
    /// Calls fail at once.
    Open = 2,
}

impl BreakerState {
    /// On the `/stats` page.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

const FAILED_CONNECTIONS: Family = Family::new(
    "tollgate_redis_failed_connections_total",
    "Attempts to connect to Redis that failed, or over which it did not count.",
    &["redis"],
);
const CALLS: Family = Family::new("tollgate_redis_calls_total", "Script calls that were sent to Redis.", &[]);
const GROUPS: Family =
    Family::new("tollgate_redis_groups_total", "Requests' hits that were sent to Redis, many in one call.", &[]);
const MERGED: Family =
    Family::new("tollgate_redis_merged_total", "Requests' hits that were sent as one with an equal one.", &[]);
const RESENT: Family = Family::new(
    "tollgate_redis_resent_total",
    "Calls that were sent again after a reply that proved that nothing had run, by that reply's code.",
    &["code"],
);
const ERRORS: Family = Family::new(
    "tollgate_redis_errors_total",
    "Requests' hits that have no verdict, by why: `overloaded` were shed (MAX_PENDING_CHECKS), `expired` not sent in time.",
    &["kind"],
);
const ABANDONED: Family = Family::new(
    "tollgate_redis_abandoned_total",
    "Requests' hits that were not sent to Redis because their caller had gone.",
    &[],
);
const PENDING: Family = Family::new("tollgate_redis_pending", "Requests that wait for Redis or are in flight.", &[]);
const IN_FLIGHT: Family = Family::new("tollgate_redis_calls_in_flight", "Script calls in flight.", &[]);
const CALL_TIMES: Family =
    Family::new("tollgate_redis_call_seconds", "How long script calls took, until answered or given up.", &[]);
const OPERATION_TIMES: Family = Family::new(
    "tollgate_store_seconds",
    "How long requests waited for their counters, whoever answered: Redis, the deny cache or a failure mode.",
    &["operation"],
);
const BREAKER_STATE: Family = Family::new(
    "tollgate_redis_breaker_state",
    "The breaker of an address: 0 closed, 1 half open (a probe is under way), 2 open.",
    &["redis", "address"],
);
const BREAKER_OPENED: Family = Family::new(
    "tollgate_redis_breaker_opened_total",
    "How often the breaker of an address has opened.",
    &["redis", "address"],
);
const DEGRADED: Family = Family::new(
    "tollgate_degraded_hits_total",
    "Hits that a failure mode answered, for Redis could not be asked.",
    &["mode"],
);
const FAMILIES: [&Family; 14] = [
    &FAILED_CONNECTIONS,
    &CALLS,
    &GROUPS,
    &MERGED,
    &RESENT,
    &ERRORS,
    &ABANDONED,
    &PENDING,
    &IN_FLIGHT,
    &CALL_TIMES,
    &OPERATION_TIMES,
    &BREAKER_STATE,
    &BREAKER_OPENED,
    &DEGRADED,
];

/// Exports the [`Readings`] of Redis.
pub(super) struct RedisFamilies {
    readings: Arc<dyn Readings>,
    descs: Box<[Desc]>,
}

impl RedisFamilies {
    pub(super) fn new(readings: Arc<dyn Readings>) -> prometheus::Result<Self> {
        let descs = FAMILIES.map(Family::desc).into_iter().collect::<Result<_, _>>()?;
        Ok(Self { readings, descs })
    }
}

impl Collector for RedisFamilies {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    // A family without series is left out by the registry.
    fn collect(&self) -> Vec<MetricFamily> {
        let store = self.readings.redis_store();
        let of_store = |family: &Family, kind, number: fn(&RedisStore) -> u64| {
            family.of(kind, store.as_ref().map(|store| (vec![], number(store))))
        };
        let breakers = |number: fn(&RedisBreaker) -> u64| {
            let all = store.iter().flat_map(|store| &store.breakers);
            all.map(|breaker| (vec![breaker.redis, breaker.address.as_str()], number(breaker))).collect::<Vec<_>>()
        };
        let failed = store.iter().flat_map(|store| &store.failed_connections);
        let failed = failed.map(|(redis, count)| (vec![*redis], *count));
        let errors = store.iter().flat_map(|store| &store.errors).map(|(kind, count)| (vec![*kind], *count));
        let resent = store.iter().flat_map(|store| &store.resent).map(|(code, count)| (vec![*code], *count));
        let operations = store.iter().flat_map(|store| &store.operation_times);
        let operations = operations.map(|(operation, totals)| (vec![*operation], totals));
        vec![
            FAILED_CONNECTIONS.of(Kind::Counter, failed),
            of_store(&CALLS, Kind::Counter, |store| store.calls),
            of_store(&GROUPS, Kind::Counter, |store| store.groups),
            of_store(&MERGED, Kind::Counter, |store| store.merged),
            RESENT.of(Kind::Counter, resent),
            ERRORS.of(Kind::Counter, errors),
            of_store(&ABANDONED, Kind::Counter, |store| store.abandoned),
            of_store(&PENDING, Kind::Gauge, |store| store.pending),
            of_store(&IN_FLIGHT, Kind::Gauge, |store| store.in_flight),
            CALL_TIMES.histograms(store.iter().map(|store| (vec![], &store.call_times))),
            OPERATION_TIMES.histograms(operations),
            BREAKER_STATE.of(Kind::Gauge, breakers(|breaker| breaker.state as u64)),
            BREAKER_OPENED.of(Kind::Counter, breakers(|breaker| breaker.opened)),
            DEGRADED.of(Kind::Counter, self.readings.degraded().into_iter().map(|(mode, count)| (vec![mode], count))),
        ]
    }
}
