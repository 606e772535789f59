//! The stores and guards of this crate keep the contract.
#![allow(missing_docs, reason = "a test")]

use std::{num::NonZeroUsize, sync::Arc};

use limiter::{
    contract::Contract,
    domain::{Clock, ManualClock, SystemClock, Timestamp},
    guard::{DenyCache, DenyTable, FailMode, Observed},
    memory::{MemoryConfig, MemoryStore},
};

fn memory(max_counters: usize, clock: Arc<dyn Clock>) -> MemoryStore {
    MemoryStore::new(MemoryConfig { max_counters: NonZeroUsize::new(max_counters).expect("not zero") }, clock)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_store_keeps_it() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
    let make = async || memory(100_000, Arc::clone(&clock) as Arc<dyn Clock>);
    Contract::new("memory", make).with_clock(Arc::clone(&clock)).verify().await;
}

/// A store of many shards, so that groups span them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_store_keeps_it_on_the_clock_of_the_system() {
    Contract::new("memory, system clock", async || memory(1_000_000, Arc::new(SystemClock))).verify().await;
}

/// The suite sets the time of each group, which the cache leaves to the store: what it answers itself is tested beside
/// it. This shows that it forwards everything else unchanged, as the other guards do.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn guards_keep_it() {
    Contract::new("memory behind guards", async || {
        let store = memory(1_000_000, Arc::new(SystemClock));
        let cached = DenyCache::new(store, DenyTable::new(NonZeroUsize::new(1 << 20).expect("not zero")));
        let local = Arc::new(memory(1_000, Arc::new(SystemClock)));
        Observed::new(FailMode::new(cached, local, 1.try_into().expect("not zero"), Arc::default()), Arc::default())
    })
    .verify()
    .await;
}
