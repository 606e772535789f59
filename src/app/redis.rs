//! Counters in Redis: connectors and statistics made once, and a stack of decorators over a store for each worker.

use std::num::NonZeroUsize;

use super::AppError;
use crate::{
    settings::{RedisCredentials, RedisEndpoint, RedisServer, RedisSettings, RedisTls, RedisTopology},
    store::redis::{Address, Connector, Credentials, Endpoint, HostPort, Identity, RedisConfig, TlsConfig, Topology},
    telemetry,
};

pub(super) struct RedisBackend {
    main: Connector,
    per_second: Option<Connector>,
}

impl RedisBackend {
    /// Reads the TLS files; connects to nothing. `workers` share the pool with the stack of `/json`.
    pub(super) fn new(settings: &RedisSettings, workers: NonZeroUsize) -> Result<Self, AppError> {
        let stacks = workers.saturating_add(1);
        let config = config(settings, stacks);
        let connector =
            |endpoint: &Endpoint| Connector::new(endpoint).map_err(|error| AppError::Redis(Box::new(error)));
        let main = connector(&config.main)?;
        let per_second = config.per_second.as_ref().map(connector).transpose()?;
        Ok(Self { main, per_second })
    }

    /// What a scrape reads of the store.
    pub(super) fn store(&self) -> telemetry::RedisStore {
        let connectors = || std::iter::once(&self.main).chain(&self.per_second);
        telemetry::RedisStore {
            open_connections: connectors().map(|one| one.open_connections() as u64).sum(),
            connections: connectors().map(Connector::opened_connections).sum(),
            ..telemetry::RedisStore::default()
        }
    }
}

fn config(settings: &RedisSettings, stacks: NonZeroUsize) -> RedisConfig {
    RedisConfig {
        main: endpoint(&settings.main, stacks),
        per_second: settings.per_second.as_ref().map(|one| endpoint(one, stacks)),
        max_jitter: settings.max_jitter,
        max_pending: settings.max_pending,
    }
}

fn endpoint(settings: &RedisEndpoint, stacks: NonZeroUsize) -> Endpoint {
    Endpoint {
        topology: match &settings.topology {
            RedisTopology::Tcp(at) => Topology::Single(Address::Tcp(server(at))),
            RedisTopology::Unix(path) => Topology::Single(Address::Unix(path.clone())),
            RedisTopology::Sentinel { master, sentinels, credentials: to_sentinels } => Topology::Sentinel {
                master: master.clone(),
                sentinels: sentinels.iter().map(server).collect(),
                credentials: credentials(to_sentinels),
            },
            RedisTopology::Cluster(nodes) => Topology::Cluster(nodes.iter().map(server).collect()),
        },
        credentials: credentials(&settings.credentials),
        tls: settings.tls.as_ref().map(tls),
        database: settings.database,
        connections: NonZeroUsize::new(settings.pool_size.get() / stacks).unwrap_or(NonZeroUsize::MIN),
        timeout: settings.timeout,
    }
}

fn server(settings: &RedisServer) -> HostPort {
    HostPort { host: settings.host.clone(), port: settings.port }
}

fn credentials(settings: &RedisCredentials) -> Credentials {
    match settings {
        RedisCredentials::None => Credentials::None,
        RedisCredentials::Fixed { user, password } => {
            Credentials::Fixed { user: user.clone(), password: password.clone() }
        }
        RedisCredentials::File(path) => Credentials::File(path.clone()),
    }
}

fn tls(settings: &RedisTls) -> TlsConfig {
    TlsConfig {
        ca: settings.ca.clone(),
        identity: settings
            .identity
            .as_ref()
            .map(|one| Identity { certificate: one.certificate.clone(), key: one.key.clone() }),
        verify_hostname: settings.verify_hostname,
    }
}
