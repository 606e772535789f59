//! The decorators of each store that is reached over a network: deny cache, failure modes, call timing.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
};

use limiter::{
    domain::{BoxFuture, DynRateLimiter, RateLimiter, SystemClock},
    guard::{DegradedStats, DenyCache, DenyTable, FailMode, Observed, OperationTimes},
    memory::{MemoryConfig, MemoryStore},
};
use metrics::Collect;

use super::memory::sweep;

/// The configuration of the guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardsConfig {
    /// The size of the deny cache, in bytes; `None`: it is off.
    pub deny_cache_bytes: Option<NonZeroUsize>,
    /// The memory store of the failure mode `local`.
    pub local: MemoryConfig,
    /// The number of processes by which limits are divided in the failure mode `local`.
    pub replicas: NonZeroU32,
}

/// The state that the guards of all workers share.
pub(super) struct Guards {
    denied: Option<Arc<DenyTable>>,
    local: Arc<MemoryStore>,
    replicas: NonZeroU32,
    degraded: Arc<DegradedStats>,
    times: Arc<OperationTimes>,
}

impl Guards {
    pub(super) fn new(config: &GuardsConfig) -> Self {
        Self {
            denied: config.deny_cache_bytes.map(DenyTable::new),
            local: Arc::new(MemoryStore::new(config.local, Arc::new(SystemClock))),
            replicas: config.replicas,
            degraded: Arc::default(),
            times: Arc::default(),
        }
    }

    /// The store of one worker, wrapped in the guards.
    pub(super) fn wrap(&self, store: impl RateLimiter) -> Arc<dyn DynRateLimiter> {
        match &self.denied {
            Some(table) => self.observed(DenyCache::new(store, Arc::clone(table))),
            None => self.observed(store),
        }
    }

    fn observed<L: RateLimiter>(&self, limiter: L) -> Arc<dyn DynRateLimiter> {
        let degraded = Arc::clone(&self.degraded);
        let limiter = FailMode::new(limiter, Arc::clone(&self.local), self.replicas, degraded);
        Arc::new(Observed::new(limiter, Arc::clone(&self.times)))
    }

    pub(super) fn collectors(&self) -> Vec<Arc<dyn Collect>> {
        let mut all: Vec<Arc<dyn Collect>> = vec![self.local.clone(), self.times.clone(), self.degraded.clone()];
        all.extend(self.denied.clone().map(|denied| denied as Arc<dyn Collect>));
        all
    }

    /// See [`super::Backend::background`].
    pub(super) fn background(&self) -> BoxFuture<'static, ()> {
        Box::pin(sweep(Arc::clone(&self.local)))
    }

    pub(super) fn close(&self) -> BoxFuture<'_, ()> {
        DynRateLimiter::close(&*self.local)
    }
}
