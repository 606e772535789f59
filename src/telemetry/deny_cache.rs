//! Exports what the deny cache before the Redis store knows, under our names and under those of the reference's cache.

use std::sync::Arc;

use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::{
    Readings,
    family::{Family, Kind},
};

/// The state of the deny cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DenyCache {
    /// Hits that it answered.
    pub hits: u64,
    /// Hits that it was asked about and that went on to the store.
    pub misses: u64,
    /// Denials that it holds.
    pub entries: u64,
    /// Memory that they take.
    pub bytes: u64,
    /// Denials that had to leave before their time because it was full.
    pub evictions: u64,
    /// Denials that left because they had ended.
    pub expired: u64,
    /// Denials that took the place of an earlier one of their counter.
    pub overwritten: u64,
}

const HITS: Family =
    Family::new("tollgate_deny_cache_hits_total", "Hits that the deny cache answered without asking Redis.", &[]);
const ENTRIES: Family = Family::new("tollgate_deny_cache_entries", "Denials that the deny cache holds.", &[]);
const BYTES: Family = Family::new("tollgate_deny_cache_bytes", "Memory of the deny cache's entries.", &[]);
const EVICTIONS: Family = Family::new(
    "tollgate_deny_cache_evictions_total",
    "Denials that the deny cache dropped before their time because it was full (LOCAL_CACHE_SIZE_IN_BYTES).",
    &[],
);

type Number = fn(&DenyCache) -> u64;

/// The reference's own, all of which it calls gauges.
const LOCALCACHE: [(Family, Number); 7] = [
    (
        Family::new("ratelimit_localcache_hitCount", "Hits that the deny cache answered without asking Redis.", &[]),
        |cache| cache.hits,
    ),
    (Family::new("ratelimit_localcache_missCount", "Hits that the deny cache had no answer to.", &[]), |cache| {
        cache.misses
    }),
    (Family::new("ratelimit_localcache_lookupCount", "Hits that the deny cache was asked about.", &[]), |cache| {
        cache.hits + cache.misses
    }),
    (Family::new("ratelimit_localcache_entryCount", "Denials that the deny cache holds.", &[]), |cache| cache.entries),
    (
        Family::new(
            "ratelimit_localcache_evacuateCount",
            "Denials that the deny cache dropped before their time because it was full.",
            &[],
        ),
        |cache| cache.evictions,
    ),
    (
        Family::new(
            "ratelimit_localcache_expiredCount",
            "Denials that the deny cache dropped because they had ended.",
            &[],
        ),
        |cache| cache.expired,
    ),
    (
        Family::new(
            "ratelimit_localcache_overwriteCount",
            "Denials that took the place of an earlier one of their counter.",
            &[],
        ),
        |cache| cache.overwritten,
    ),
];

const OURS: [(Family, Kind, Number); 4] = [
    (HITS, Kind::Counter, |cache| cache.hits),
    (ENTRIES, Kind::Gauge, |cache| cache.entries),
    (BYTES, Kind::Gauge, |cache| cache.bytes),
    (EVICTIONS, Kind::Counter, |cache| cache.evictions),
];

/// Exports the [`Readings`] of the deny cache.
pub(super) struct DenyCacheFamilies {
    readings: Arc<dyn Readings>,
    descs: Box<[Desc]>,
}

impl DenyCacheFamilies {
    pub(super) fn new(readings: Arc<dyn Readings>) -> prometheus::Result<Self> {
        let ours = OURS.iter().map(|(family, ..)| family);
        let families = ours.chain(LOCALCACHE.iter().map(|(family, _)| family));
        let descs = families.map(Family::desc).collect::<Result<_, _>>()?;
        Ok(Self { readings, descs })
    }
}

impl Collector for DenyCacheFamilies {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    // A family without series is left out by the registry.
    fn collect(&self) -> Vec<MetricFamily> {
        let cache = self.readings.deny_cache();
        let series = |number: &Number| cache.as_ref().map(|cache| (vec![], number(cache)));
        let ours = OURS.iter().map(|(family, kind, number)| family.of(*kind, series(number)));
        let of_reference = LOCALCACHE.iter().map(|(family, number)| family.of(Kind::Gauge, series(number)));
        ours.chain(of_reference).collect()
    }
}
