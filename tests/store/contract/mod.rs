//! The contract that every store keeps, run against the embedded one.

pub mod suite;

use std::{num::NonZeroUsize, sync::Arc};

use limiter::{
    domain::{ManualClock, Timestamp},
    memory::{MemoryConfig, MemoryStore},
};

/// Counters enough for many shards.
fn large() -> MemoryConfig {
    MemoryConfig { max_counters: NonZeroUsize::new(1_000_000).expect("not zero") }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_store_keeps_the_contract() {
    suite::run("memory", async || {
        let config = MemoryConfig { max_counters: NonZeroUsize::new(100_000).expect("not zero") };
        MemoryStore::new(config, Arc::new(ManualClock::new(Timestamp::from_micros(0))))
    })
    .await;
}

/// The same on a store of many shards, so that groups span them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_store_keeps_the_contract_on_the_system_s_clock() {
    suite::run("memory, system clock", async || MemoryStore::new(large(), Arc::new(limiter::domain::SystemClock)))
        .await;
}

/// The suite tells the time in every group, which the cache leaves to the store: what it answers itself is tested
/// beside it. This says that it passes on all else as it is.
#[cfg(feature = "redis")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deny_cache_keeps_the_contract() {
    use limiter::guard::{DenyCache, DenyTable};
    suite::run("deny cache, memory", async || {
        let store = MemoryStore::new(large(), Arc::new(limiter::domain::SystemClock));
        DenyCache::new(store, DenyTable::new(NonZeroUsize::new(1 << 20).expect("not zero")))
    })
    .await;
}
