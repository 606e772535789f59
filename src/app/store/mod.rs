//! Where the counters are. Each store is a file or folder here that implements [`Backend`], and a line in
//! [`StoreConfig`], [`BackendError`] and [`open`]; the store itself is a crate.

// for stores that are reached over a network
#[cfg(feature = "redis")]
mod guards;
mod memory;
#[cfg(feature = "redis")]
mod redis;

use std::sync::Arc;

use limiter::{
    domain::{AtomicGroups, BoxFuture, Capabilities, DynRateLimiter},
    memory::MemoryConfig,
};
use metrics::Collect;
use tokio::sync::watch;

use self::memory::MemoryBackend;
use super::readiness::Readiness;

#[cfg(feature = "redis")]
pub use guards::GuardsConfig;
#[cfg(feature = "redis")]
pub(crate) use redis::atomic_groups;
#[cfg(feature = "redis")]
pub use redis::{RedisError, RedisStoreConfig, redis_clients};

/// Where the counters are.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreConfig {
    /// In this process.
    Memory(MemoryConfig),
    /// In Redis, where several processes share them.
    #[cfg(feature = "redis")]
    Redis(Box<RedisStoreConfig>),
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// Redis cannot be used.
    #[cfg(feature = "redis")]
    #[error(transparent)]
    Redis(#[from] RedisError),
}

impl BackendError {
    /// Whether the cause is a store that has never answered since the start.
    pub(crate) const fn is_never_answered(&self) -> bool {
        // matched by value: without the feature the enum has no variant
        match *self {
            #[cfg(feature = "redis")]
            Self::Redis(ref error) => matches!(error, RedisError::NeverAnswered { .. }),
        }
    }
}

/// A store as the service runs it: one for the process, shared by the workers.
pub(super) trait Backend: Send + Sync {
    /// What its limiters support, as far as it is known.
    fn capabilities(&self) -> Capabilities;

    /// Whether its limiters charge groups all or none, and each change of that: it may become known only once the store
    /// has answered.
    fn atomic_groups(&self) -> watch::Receiver<AtomicGroups>;

    /// A limiter for the engine of the current runtime. It may keep tasks and connections there, which end with the
    /// runtime.
    fn limiter(&self) -> Arc<dyn DynRateLimiter>;

    /// Its metrics.
    fn collectors(&self) -> Vec<Arc<dyn Collect>>;

    /// Its part of the `/stats` page; empty if it has none.
    fn stats_page(&self) -> String {
        String::new()
    }

    /// Its background tasks. Each runs until it is dropped, at any await, and reports what is wrong with the store to
    /// `ready`.
    fn background(&self, ready: &Readiness) -> Vec<BoxFuture<'static, ()>>;

    /// Resolves when the process must end because the store cannot be used.
    fn failed(&self) -> BoxFuture<'_, BackendError> {
        Box::pin(std::future::pending())
    }

    /// Closes the store. Called after the last call has ended and every runtime's limiter was dropped.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// The store of this configuration. Reads its TLS files; opens no connection.
///
/// # Errors
/// If the files cannot be used.
pub(super) fn open(config: &StoreConfig) -> Result<Arc<dyn Backend>, BackendError> {
    Ok(match config {
        StoreConfig::Memory(memory) => Arc::new(MemoryBackend::new(*memory)),
        #[cfg(feature = "redis")]
        StoreConfig::Redis(redis) => Arc::new(redis::RedisBackend::new(redis)?),
    })
}
