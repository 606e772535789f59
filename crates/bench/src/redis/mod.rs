//! A Redis to measure: one that is in use, or nodes that are started for a turn; what it says about its work, and calls
//! made directly to it.

mod connection;
mod drive;
mod nodes;
mod pool;
mod reference;
mod slot;
mod stats;

use std::{ffi::OsString, io, sync::Arc, time::Duration};

use redis::{Address, Endpoint, Topology};
use tollgate::{
    app::StoreConfig,
    settings::{Override, Settings, SettingsError},
};

pub(crate) use self::{
    connection::Connection,
    drive::{Batch, Drive, Source},
    nodes::{Kind, Nodes},
    pool::Pool,
    reference::{Commands, Reference, count},
    stats::{Account, CommandStats},
};
use crate::process::ProcessError;

/// A call that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a Redis cannot be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedisError {
    /// The URL is invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The URL is not one server, or uses TLS.
    #[error("only one Redis without TLS can be measured: give redis://host:port or unix:///path")]
    Topology,
    /// A server cannot be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// There are no ports for the nodes of a cluster.
    #[error("no free port below 55536, with another one 10000 above it: a node of a cluster listens on both")]
    NoPorts,
    /// The nodes of a cluster do not find each other.
    #[error("the nodes of the cluster have not found each other within {PATIENCE:?}; one said: {0}")]
    NotACluster(String),
    /// A network error.
    #[error("cannot reach Redis: {0}")]
    Network(#[from] io::Error),
    /// The connection was not established in time.
    #[error("cannot reach Redis: not connected within {PATIENCE:?}")]
    Unreachable,
    /// The server did not reply in time.
    #[error("redis does not answer within {PATIENCE:?}")]
    Silent,
    /// The server replied with an error.
    #[error("redis answered: {0}")]
    Refused(String),
    /// A measuring thread ended early.
    #[error("a thread that asks Redis has failed")]
    Thread,
}

/// A Redis in use.
#[derive(Clone, Debug)]
pub(crate) struct Redis {
    endpoint: Arc<Endpoint>,
    address: Address,
}

impl Redis {
    /// The Redis with this URL, in the format of REDIS_URL.
    pub(crate) fn new(url: &str) -> Result<Self, RedisError> {
        let url = Override { flag: "--redis", variable: "REDIS_URL", value: OsString::from(url) };
        let config = Settings::resolve(&[url], |_| None, [])?.config;
        let StoreConfig::Redis(store) = config.store else { return Err(RedisError::Topology) };
        let endpoint = store.redis.main;
        match &endpoint.topology {
            Topology::Single(address) if endpoint.tls.is_none() => {
                Ok(Self { address: address.clone(), endpoint: Arc::new(endpoint) })
            }
            _ => Err(RedisError::Topology),
        }
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> Result<Connection, RedisError> {
        Connection::open(&self.address, &self.endpoint.credentials, self.endpoint.database).await
    }
}
