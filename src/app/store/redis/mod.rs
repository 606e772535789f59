//! The Redis store as a backend: connectors and statistics are made once; each worker gets a store behind the guards.

mod config;
mod contact;
mod keys_per_call;

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use limiter::domain::{Algorithm, AtomicGroups, BoxFuture, Capabilities, DynRateLimiter};
use metrics::Collect;
use redis::{Connector, ConnectorError, Connectors, Endpoint, RedisStats, RedisStore, StoreOptions};
use tokio::sync::watch;

use self::contact::Watched;
use super::{super::readiness::Readiness, Backend, BackendError, guards::Guards};

pub use config::{RedisStoreConfig, redis_clients};
pub(crate) use keys_per_call::atomic_groups;

/// Why Redis cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// The TLS files of a connection cannot be used.
    #[error("redis: {0} (REDIS_TLS_CACERT, REDIS_TLS_CLIENT_CERT, REDIS_TLS_CLIENT_KEY)")]
    Files(#[source] Box<ConnectorError>),
    /// A Redis has not answered within `REDIS_STARTUP_MAX_ELAPSED_TIME` of the start.
    #[error(
        "redis has not answered for {patience:?} since the start ({reasons}); make it reachable, or set \
         REDIS_STARTUP_MAX_ELAPSED_TIME=0 to wait for it for ever"
    )]
    NeverAnswered {
        /// That time.
        patience: Duration,
        /// For each Redis that has not answered, the setting of its address and the cause.
        reasons: String,
    },
}

/// The connectors to Redis and what the workers' stores share. With `per_second`, limits per second are counted there
/// and all others in `main`.
pub(super) struct RedisBackend {
    main: Connector,
    per_second: Option<Connector>,
    options: StoreOptions,
    stats: Arc<RedisStats>,
    guards: Guards,
    atomic_groups: watch::Sender<AtomicGroups>,
    /// See [`RedisStoreConfig::clients`].
    clients: NonZeroUsize,
    needs_connection: bool,
    give_up: Option<Duration>,
}

impl RedisBackend {
    /// Reads the TLS files; opens no connection.
    ///
    /// # Errors
    /// [`RedisError::Files`] if they cannot be used.
    pub(super) fn new(config: &RedisStoreConfig) -> Result<Self, RedisError> {
        let redis = &config.redis;
        let connector =
            |endpoint: &Endpoint| Connector::new(endpoint).map_err(|error| RedisError::Files(Box::new(error)));
        let main = connector(&redis.main)?;
        let per_second = redis.per_second.as_ref().map(connector).transpose()?;
        let options = StoreOptions {
            timeout: redis.main.timeout,
            per_second_timeout: redis.per_second.as_ref().unwrap_or(&redis.main).timeout,
            max_jitter: redis.max_jitter,
            max_pending: redis.max_pending,
        };
        let now = |connector: &Connector| *connector.keys_per_call().borrow();
        let atomic_groups = atomic_groups(now(&main), per_second.as_ref().and_then(now));
        Ok(Self {
            main,
            per_second,
            options,
            stats: Arc::default(),
            guards: Guards::new(&config.guards),
            atomic_groups: watch::Sender::new(atomic_groups),
            clients: config.clients,
            needs_connection: config.health_needs_connection,
            give_up: config.give_up,
        })
    }

    fn watched(&self) -> Vec<Watched> {
        let named = [("REDIS_URL", Some(&self.main)), ("REDIS_PERSECOND_URL", self.per_second.as_ref())];
        let watched = named.into_iter().filter_map(|(setting, connector)| {
            let contact = connector?.follow();
            let clients = self.clients.get();
            Some(Watched { setting, contact, clients, needs_connection: self.needs_connection })
        });
        watched.collect()
    }

    fn connectors(&self) -> Connectors {
        Connectors { main: self.main.clone(), per_second: self.per_second.clone() }
    }
}

impl Backend for RedisBackend {
    fn capabilities(&self) -> Capabilities {
        Capabilities { algorithms: &Algorithm::ALL, atomic_groups: *self.atomic_groups.borrow() }
    }

    fn atomic_groups(&self) -> watch::Receiver<AtomicGroups> {
        self.atomic_groups.subscribe()
    }

    fn limiter(&self) -> Arc<dyn DynRateLimiter> {
        let per_second = self.per_second.as_ref().map(Connector::connect);
        let store = RedisStore::start(self.main.connect(), per_second, self.options, Arc::clone(&self.stats));
        self.guards.wrap(store)
    }

    fn collectors(&self) -> Vec<Arc<dyn Collect>> {
        let mut all: Vec<Arc<dyn Collect>> = vec![Arc::new(self.connectors()), self.stats.clone()];
        all.extend(self.guards.collectors());
        all
    }

    /// The lines of the circuit breakers.
    fn stats_page(&self) -> String {
        self.connectors().stats_page()
    }

    /// Reports the state of the connections to each Redis to `ready`, and keeps `atomic_groups` up to date.
    fn background(&self, ready: &Readiness) -> Vec<BoxFuture<'static, ()>> {
        let per_second = self.per_second.as_ref().map(Connector::keys_per_call);
        let groups = keys_per_call::follow(self.main.keys_per_call(), per_second, self.atomic_groups.clone());
        let mut all: Vec<BoxFuture<'static, ()>> = vec![self.guards.background(), Box::pin(groups)];
        all.extend(self.watched().into_iter().map(|one| Box::pin(one.report(ready.clone())) as BoxFuture<'static, ()>));
        all
    }

    /// Resolves if a Redis has not answered within [`RedisStoreConfig::give_up`].
    fn failed(&self) -> BoxFuture<'_, BackendError> {
        Box::pin(async {
            let error = contact::gave_up(self.give_up, &self.watched()).await;
            BackendError::from(error)
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.guards.close()
    }
}
