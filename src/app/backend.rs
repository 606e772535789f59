//! Where the counters are: makes the limiter that an engine asks, one for each worker.

use std::sync::Arc;

use tokio::sync::watch;

use super::{AppError, Config, StoreConfig};
#[cfg(feature = "redis")]
use super::{background::Background, readiness::Readiness, redis::RedisBackend};
use limiter::{
    domain::{AtomicGroups, Capabilities, DynRateLimiter, SystemClock},
    memory::MemoryStore,
};

use crate::telemetry::Metrics;

/// The counters' home, shared by the workers.
pub(super) enum Backend {
    /// One store for all.
    Memory(Arc<MemoryStore>),
    /// A stack for each worker, over what they share.
    #[cfg(feature = "redis")]
    Redis(Box<RedisBackend>),
}

impl Backend {
    /// Reads the files that it needs; connects to nothing.
    pub(super) fn new(config: &Config) -> Result<Self, AppError> {
        match &config.store {
            StoreConfig::Memory(memory) => Ok(Self::Memory(Arc::new(MemoryStore::new(*memory, Arc::new(SystemClock))))),
            #[cfg(feature = "redis")]
            StoreConfig::Redis(redis) => {
                RedisBackend::new(redis, config.grpc.server.workers).map(|redis| Self::Redis(Box::new(redis)))
            }
        }
    }

    /// What its limiters can do.
    pub(super) fn capabilities(&self) -> Capabilities {
        match self {
            Self::Memory(store) => DynRateLimiter::capabilities(&**store),
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.capabilities(),
        }
    }

    /// Follows whether its limiters charge groups all or none: with Redis that may become known later.
    pub(super) fn atomic_groups(&self) -> watch::Receiver<AtomicGroups> {
        match self {
            Self::Memory(_) => watch::Sender::new(AtomicGroups::Supported).subscribe(),
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.atomic_groups(),
        }
    }

    /// A limiter for the engine of the current runtime, on which it may keep tasks and connections.
    pub(super) fn limiter(&self) -> Arc<dyn DynRateLimiter> {
        match self {
            Self::Memory(store) => store.clone(),
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.limiter(),
        }
    }

    /// Tells how the connections to each store are doing, from now on and until the process drains.
    #[cfg(feature = "redis")]
    pub(super) fn tell(&self, ready: &Readiness, background: &mut Background) {
        if let Self::Redis(redis) = self {
            redis.tell(ready, background);
        }
    }

    /// Waits until it is time to give up on a store that has never answered.
    pub(super) async fn gave_up(&self) -> AppError {
        match self {
            Self::Memory(_) => std::future::pending().await,
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.gave_up().await,
        }
    }

    /// The memory store: of all counters, or of those that are counted while Redis cannot be asked.
    pub(super) fn memory(&self) -> &Arc<MemoryStore> {
        match self {
            Self::Memory(store) => store,
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.local(),
        }
    }

    /// Exports what it counts.
    pub(super) fn register(&self, metrics: &mut Metrics) {
        metrics.register(self.memory().clone());
        #[cfg(feature = "redis")]
        if let Self::Redis(redis) = self {
            redis.register(metrics);
        }
    }

    /// Its part of the `/stats` page, if it has any.
    pub(super) fn stats_page(&self) -> Option<String> {
        match self {
            Self::Memory(_) => None,
            #[cfg(feature = "redis")]
            Self::Redis(redis) => Some(redis.stats_page()).filter(|page| !page.is_empty()),
        }
    }

    /// After the last call has ended. What belongs to one runtime, as a worker's stack over Redis, has closed with it.
    pub(super) async fn close(&self) {
        DynRateLimiter::close(&**self.memory()).await;
    }
}
