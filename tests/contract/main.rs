//! The contract that every store keeps, run against the embedded one.

mod suite;

use std::{num::NonZeroUsize, sync::Arc};

use tollgate::{
    domain::{ManualClock, Timestamp},
    store::{MemoryConfig, MemoryStore},
};

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
    suite::run("memory, system clock", async || {
        MemoryStore::new(MemoryConfig::default(), Arc::new(tollgate::domain::SystemClock))
    })
    .await;
}
