//! The configuration of counters in Redis.

use std::{num::NonZeroUsize, time::Duration};

use redis::RedisConfig;
use tls::ClientFiles;

use super::super::GuardsConfig;

/// Counters in Redis, and the guards around them.
#[derive(Clone, Debug, PartialEq)]
pub struct RedisStoreConfig {
    /// The main Redis, and the one for limits per second, if there is one.
    pub redis: RedisConfig,
    /// How many clients of each Redis share its connection pool: one for each worker, and one for `/json`.
    pub clients: NonZeroUsize,
    /// The guards.
    pub guards: GuardsConfig,
    /// The time since the start after which the process ends if a Redis has never answered; `None`: it does not end.
    pub give_up: Option<Duration>,
    /// Report unhealthy whenever a Redis has no working connection, not only until its first one.
    pub health_needs_connection: bool,
}

impl RedisStoreConfig {
    /// The TLS files, which both Redis endpoints share; `None` if neither uses TLS.
    pub(crate) fn tls(&self) -> Option<&ClientFiles> {
        let per_second = || self.redis.per_second.as_ref().and_then(|endpoint| endpoint.tls.as_ref());
        self.redis.main.tls.as_ref().or_else(per_second)
    }
}

/// The value of [`RedisStoreConfig::clients`] for this number of workers.
#[must_use]
pub const fn redis_clients(workers: NonZeroUsize) -> NonZeroUsize {
    workers.saturating_add(1)
}
