//! Exports the connections to each Redis, under the reference's names for its two pools.

use std::sync::Arc;

use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::{
    Readings,
    family::{Family, Kind},
};

/// The connections to one Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedisPool {
    /// Open now.
    pub open: u64,
    /// Made since the start.
    pub made: u64,
}

impl RedisPool {
    /// Closed since the start. A connection may come in between the two readings.
    const fn closed(&self) -> u64 {
        self.made.saturating_sub(self.open)
    }
}

/// A number of a pool, and the family it is in for either Redis.
struct Reading {
    main: Family,
    per_second: Family,
    kind: Kind,
    number: fn(&RedisPool) -> u64,
}

const READINGS: [Reading; 3] = [
    Reading {
        main: Family::new("ratelimit_redis_pool_cx_active", "Open connections to Redis.", &[]),
        per_second: Family::new(
            "ratelimit_redis_per_second_pool_cx_active",
            "Open connections to the Redis of limits per second.",
            &[],
        ),
        kind: Kind::Gauge,
        number: |pool| pool.open,
    },
    Reading {
        main: Family::new("ratelimit_redis_pool_cx_total", "Connections that were made to Redis.", &[]),
        per_second: Family::new(
            "ratelimit_redis_per_second_pool_cx_total",
            "Connections that were made to the Redis of limits per second.",
            &[],
        ),
        kind: Kind::Counter,
        number: |pool| pool.made,
    },
    Reading {
        main: Family::new(
            "ratelimit_redis_pool_cx_local_close",
            "Connections to Redis that were closed, by either side.",
            &[],
        ),
        per_second: Family::new(
            "ratelimit_redis_per_second_pool_cx_local_close",
            "Connections to the Redis of limits per second that were closed, by either side.",
            &[],
        ),
        kind: Kind::Counter,
        number: RedisPool::closed,
    },
];

/// Exports the [`Readings`] of the pools.
pub(super) struct PoolFamilies {
    readings: Arc<dyn Readings>,
    descs: Box<[Desc]>,
}

impl PoolFamilies {
    pub(super) fn new(readings: Arc<dyn Readings>) -> prometheus::Result<Self> {
        let families = READINGS.iter().flat_map(|reading| [&reading.main, &reading.per_second]);
        let descs = families.map(Family::desc).collect::<Result<_, _>>()?;
        Ok(Self { readings, descs })
    }
}

impl Collector for PoolFamilies {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    // A family without series is left out by the registry.
    fn collect(&self) -> Vec<MetricFamily> {
        let store = self.readings.redis_store();
        let (main, per_second) = (store.as_ref().map(|store| store.main), store.and_then(|store| store.per_second));
        let families = READINGS.iter().flat_map(|reading| {
            [(&reading.main, main), (&reading.per_second, per_second)]
                .map(|(family, pool)| family.of(reading.kind, pool.map(|pool| (vec![], (reading.number)(&pool)))))
        });
        families.collect()
    }
}
