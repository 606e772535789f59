//! What an operator sets of counters in Redis.

use std::{num::NonZeroUsize, time::Duration};

use redis::RedisConfig;
use tls::ClientFiles;

use super::super::GuardsConfig;

/// Counters in Redis, and what guards them.
#[derive(Clone, Debug, PartialEq)]
pub struct RedisStoreConfig {
    /// The Redises.
    pub redis: RedisConfig,
    /// The clients of each Redis, which share its pool: one for each worker, and that of `/json`.
    pub clients: NonZeroUsize,
    /// What stands before them.
    pub guards: GuardsConfig,
    /// When to give up on a Redis that has never answered; `None`: never.
    pub give_up: Option<Duration>,
    /// Be unhealthy whenever a Redis has no live connection, not only until it has had one.
    pub health_needs_connection: bool,
}

impl RedisStoreConfig {
    /// The files of TLS, which both Redises share, if one of them is reached over TLS.
    pub(crate) fn tls(&self) -> Option<&ClientFiles> {
        let of_second = || self.redis.per_second.as_ref().and_then(|one| one.tls.as_ref());
        self.redis.main.tls.as_ref().or_else(of_second)
    }
}

/// How many [`RedisStoreConfig::clients`] a service with this number of workers has.
#[must_use]
pub const fn redis_clients(workers: NonZeroUsize) -> NonZeroUsize {
    workers.saturating_add(1)
}
