//! The store's metrics.

use metrics::{Collect, Families, Family};

use super::MemoryStore;

const COUNTERS: Family = Family::gauge("tollgate_memory_counters", "Counters held by the memory store.", &[]);
const EVICTIONS: Family = Family::counter(
    "tollgate_memory_evictions_total",
    "Counters that the memory store evicted before they had expired because it was full.",
    &[],
);

/// What the store keeps, and what it has dropped since it was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Counters kept now, including expired ones that have not been removed yet.
    pub live: u64,
    /// Counters dropped before they expired, because a shard was full.
    pub evicted: u64,
    /// Counters dropped after they had expired.
    pub expired: u64,
}

impl Collect for MemoryStore {
    fn collect(&self, families: &mut Families) {
        let MemoryStats { live, evicted, .. } = self.stats();
        families.add(&COUNTERS, &[], live);
        families.add(&EVICTIONS, &[], evicted);
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroUsize, sync::Arc};

    use super::*;
    use crate::{
        domain::{Charge, CounterKey, Group, Hit, Limit, ManualClock, Timestamp, Unit},
        memory::MemoryConfig,
    };

    #[test]
    fn each_family_shows_its_own_number() {
        let config = MemoryConfig { max_counters: NonZeroUsize::new(100).expect("not zero") };
        let store = MemoryStore::new(config, Arc::new(ManualClock::new(Timestamp::from_micros(1))));
        for number in 0..1000 {
            let key = CounterKey::from_bytes(format!("{number}").as_bytes());
            store.charge(&Group::single(Hit::new(key, Limit::fixed_window(9, Unit::Hour), Charge::Take(1))));
        }
        let MemoryStats { live, evicted, .. } = store.stats();
        assert!(live > 0 && evicted > live, "{live}, {evicted}");
        let expected =
            [format!("tollgate_memory_counters {live}"), format!("tollgate_memory_evictions_total {evicted}")];
        assert_eq!(metrics::series(&store), expected);
    }
}
