//! The memory store as a backend: counters in this process.

use std::{sync::Arc, time::Duration};

use limiter::{
    domain::{AtomicGroups, BoxFuture, Capabilities, DynRateLimiter, SystemClock},
    memory::{MemoryConfig, MemoryStore},
};
use metrics::Collect;
use tokio::{sync::watch, time};

use super::{super::readiness::Readiness, Backend};

/// The pause between two sweeps, each of which removes the expired counters of a part of the store.
const SWEEP_EVERY: Duration = Duration::from_millis(100);

/// How many counters one sweep checks: a full store of a million is checked once in twelve seconds.
const SWEEP_COUNTERS: usize = 8192;

/// One store for all workers.
pub(super) struct MemoryBackend(Arc<MemoryStore>);

impl MemoryBackend {
    pub(super) fn new(config: MemoryConfig) -> Self {
        Self(Arc::new(MemoryStore::new(config, Arc::new(SystemClock))))
    }
}

impl Backend for MemoryBackend {
    fn capabilities(&self) -> Capabilities {
        DynRateLimiter::capabilities(&*self.0)
    }

    fn atomic_groups(&self) -> watch::Receiver<AtomicGroups> {
        watch::Sender::new(self.capabilities().atomic_groups).subscribe()
    }

    fn limiter(&self) -> Arc<dyn DynRateLimiter> {
        self.0.clone()
    }

    fn collectors(&self) -> Vec<Arc<dyn Collect>> {
        vec![self.0.clone()]
    }

    fn background(&self, _: &Readiness) -> Vec<BoxFuture<'static, ()>> {
        vec![Box::pin(sweep(Arc::clone(&self.0)))]
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        DynRateLimiter::close(&*self.0)
    }
}

/// Removes expired counters, a part of the store at a time. Runs until dropped.
pub(super) async fn sweep(store: Arc<MemoryStore>) {
    loop {
        // a pause after each sweep, however long that took: the task can be cancelled only here
        time::sleep(SWEEP_EVERY).await;
        store.sweep(SWEEP_COUNTERS);
    }
}
