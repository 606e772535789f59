//! Counters in Redis: connectors and statistics made once, and a stack of decorators over a store for each worker.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    time::Duration,
};

use tokio::sync::watch;

use super::{
    AppError,
    background::Background,
    config::{RedisStoreConfig, redis_clients},
    contact::{self, Watched},
    keys_per_call,
    readiness::Readiness,
};
use limiter::{
    domain::{Algorithm, AtomicGroups, Capabilities, DynRateLimiter, RateLimiter, SystemClock},
    guard::{DegradedStats, DenyCache, DenyTable, FailMode, Observed, OperationTimes},
    memory::MemoryStore,
};

use crate::telemetry::Metrics;
use redis::{Connector, Connectors, Endpoint, RedisStats, RedisStore, StoreOptions};

pub(super) struct RedisBackend {
    main: Connector,
    per_second: Option<Connector>,
    options: StoreOptions,
    stats: Arc<RedisStats>,
    denied: Option<Arc<DenyTable>>,
    local: Arc<MemoryStore>,
    replicas: NonZeroU32,
    degraded: Arc<DegradedStats>,
    times: Arc<OperationTimes>,
    atomic_groups: watch::Sender<AtomicGroups>,
    /// Stacks, each with a client of each Redis.
    stacks: NonZeroUsize,
    needs_connection: bool,
    give_up: Option<Duration>,
}

impl RedisBackend {
    /// Reads the TLS files; connects to nothing. `workers` share the pool with the stack of `/json`.
    pub(super) fn new(config: &RedisStoreConfig, workers: NonZeroUsize) -> Result<Self, AppError> {
        let redis = &config.redis;
        let connector =
            |endpoint: &Endpoint| Connector::new(endpoint).map_err(|error| AppError::Redis(Box::new(error)));
        let main = connector(&redis.main)?;
        let per_second = redis.per_second.as_ref().map(connector).transpose()?;
        let options = StoreOptions {
            timeout: redis.main.timeout,
            per_second_timeout: redis.per_second.as_ref().unwrap_or(&redis.main).timeout,
            max_jitter: redis.max_jitter,
            max_pending: redis.max_pending,
        };
        let denied = config.deny_cache_bytes.map(DenyTable::new);
        let now = |connector: &Connector| *connector.keys_per_call().borrow();
        let atomic_groups = keys_per_call::atomic_groups(now(&main), per_second.as_ref().and_then(now));
        Ok(Self {
            main,
            per_second,
            options,
            stats: Arc::default(),
            denied,
            local: Arc::new(MemoryStore::new(config.local, Arc::new(SystemClock))),
            replicas: config.replicas,
            degraded: Arc::default(),
            times: Arc::default(),
            atomic_groups: watch::Sender::new(atomic_groups),
            stacks: redis_clients(workers),
            needs_connection: config.health_needs_connection,
            give_up: config.give_up,
        })
    }

    /// What it can do, as far as its peers are known.
    pub(super) fn capabilities(&self) -> Capabilities {
        Capabilities { algorithms: &Algorithm::ALL, atomic_groups: *self.atomic_groups.borrow() }
    }

    /// Follows whether it can charge groups all or none.
    pub(super) fn atomic_groups(&self) -> watch::Receiver<AtomicGroups> {
        self.atomic_groups.subscribe()
    }

    /// A stack on the current runtime, which it ends with.
    pub(super) fn limiter(&self) -> Arc<dyn DynRateLimiter> {
        let per_second = self.per_second.as_ref().map(Connector::connect);
        let store = RedisStore::start(self.main.connect(), per_second, self.options, Arc::clone(&self.stats));
        match &self.denied {
            Some(table) => self.guarded(DenyCache::new(store, Arc::clone(table))),
            None => self.guarded(store),
        }
    }

    fn guarded<L: RateLimiter>(&self, limiter: L) -> Arc<dyn DynRateLimiter> {
        let degraded = Arc::clone(&self.degraded);
        let limiter = FailMode::new(limiter, Arc::clone(&self.local), self.replicas, degraded);
        Arc::new(Observed::new(limiter, Arc::clone(&self.times)))
    }

    /// Tells how the connections to each Redis are doing.
    pub(super) fn tell(&self, ready: &Readiness, background: &mut Background) {
        for watched in self.watched() {
            background.spawn(watched.tell(ready.clone()));
        }
        let per_second = self.per_second.as_ref().map(Connector::keys_per_call);
        background.spawn(keys_per_call::follow(self.main.keys_per_call(), per_second, self.atomic_groups.clone()));
    }

    /// Waits until it is time to give up on a Redis that has never answered.
    pub(super) async fn gave_up(&self) -> AppError {
        contact::gave_up(self.give_up, &self.watched()).await
    }

    fn watched(&self) -> Vec<Watched> {
        let named = [("REDIS_URL", Some(&self.main)), ("REDIS_PERSECOND_URL", self.per_second.as_ref())];
        let watched = named.into_iter().filter_map(|(setting, connector)| {
            let contact = connector?.follow();
            let clients = self.stacks.get();
            Some(Watched { setting, contact, clients, needs_connection: self.needs_connection })
        });
        watched.collect()
    }

    /// The counters of the failure mode `local`.
    pub(super) const fn local(&self) -> &Arc<MemoryStore> {
        &self.local
    }

    /// Exports what is counted of the connections, the store and its guards.
    pub(super) fn register(&self, metrics: &mut Metrics) {
        metrics.register(Arc::new(self.connectors()));
        metrics.register(self.stats.clone());
        metrics.register(self.times.clone());
        metrics.register(self.degraded.clone());
        if let Some(denied) = &self.denied {
            metrics.register(denied.clone());
        }
    }

    /// The breakers' lines of the `/stats` page.
    pub(super) fn stats_page(&self) -> String {
        self.connectors().stats_page()
    }

    fn connectors(&self) -> Connectors {
        Connectors { main: self.main.clone(), per_second: self.per_second.clone() }
    }
}
