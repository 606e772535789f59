//! What the store counts.

use metrics::{Collect, Families, Family};

use super::MemoryStore;

const COUNTERS: Family = Family::gauge("tollgate_memory_counters", "Counters held by the memory store.", &[]);
const EVICTIONS: Family = Family::counter(
    "tollgate_memory_evictions_total",
    "Counters that the memory store dropped before their time because it was full.",
    &[],
);

/// What the store holds and what it dropped since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Counters held now, among them expired ones that nobody has come across yet.
    pub live: u64,
    /// Counters dropped before their time, for want of room.
    pub evicted: u64,
    /// Counters dropped after their time.
    pub expired: u64,
}

impl Collect for MemoryStore {
    fn collect(&self, families: &mut Families) {
        let MemoryStats { live, evicted, .. } = self.stats();
        families.add(&COUNTERS, &[], live);
        families.add(&EVICTIONS, &[], evicted);
    }
}
