//! The table's metrics, under Tollgate's names and under those of the reference's cache.

use metrics::{Collect, Families, Family};

use super::DenyTable;

const HITS: Family =
    Family::counter("tollgate_deny_cache_hits_total", "Hits that the deny cache answered without asking Redis.", &[]);
const ENTRIES: Family = Family::gauge("tollgate_deny_cache_entries", "Denials that the deny cache holds.", &[]);
const BYTES: Family = Family::gauge("tollgate_deny_cache_bytes", "Memory of the deny cache's entries.", &[]);
const EVICTIONS: Family = Family::counter(
    "tollgate_deny_cache_evictions_total",
    "Denials that the deny cache evicted before they had ended because it was full (LOCAL_CACHE_SIZE_IN_BYTES).",
    &[],
);

// The reference exports all of its own as gauges.
const HIT_COUNT: Family =
    Family::gauge("ratelimit_localcache_hitCount", "Hits that the deny cache answered without asking Redis.", &[]);
const MISS_COUNT: Family =
    Family::gauge("ratelimit_localcache_missCount", "Hits that were not found in the deny cache.", &[]);
const LOOKUP_COUNT: Family =
    Family::gauge("ratelimit_localcache_lookupCount", "Hits that were looked up in the deny cache.", &[]);
const ENTRY_COUNT: Family = Family::gauge("ratelimit_localcache_entryCount", "Denials that the deny cache holds.", &[]);
const EVACUATE_COUNT: Family = Family::gauge(
    "ratelimit_localcache_evacuateCount",
    "Denials that the deny cache evicted before they had ended because it was full.",
    &[],
);
const EXPIRED_COUNT: Family = Family::gauge(
    "ratelimit_localcache_expiredCount",
    "Denials that the deny cache dropped because they had ended.",
    &[],
);
const OVERWRITE_COUNT: Family = Family::gauge(
    "ratelimit_localcache_overwriteCount",
    "Denials that replaced an earlier one of the same counter.",
    &[],
);

impl Collect for DenyTable {
    fn collect(&self, families: &mut Families) {
        let (hits, misses, entries, evictions) = (self.hits(), self.misses(), self.entries(), self.evictions());
        families.add(&HITS, &[], hits);
        families.add(&ENTRIES, &[], entries);
        families.add(&BYTES, &[], self.bytes());
        families.add(&EVICTIONS, &[], evictions);
        families.add(&HIT_COUNT, &[], hits);
        families.add(&MISS_COUNT, &[], misses);
        families.add(&LOOKUP_COUNT, &[], hits + misses);
        families.add(&ENTRY_COUNT, &[], entries);
        families.add(&EVACUATE_COUNT, &[], evictions);
        families.add(&EXPIRED_COUNT, &[], self.expired());
        families.add(&OVERWRITE_COUNT, &[], self.overwritten());
    }
}
