//! The ceiling of a Redis: its rate when it is called directly, with our script in calls of one decision and of many,
//! and with the two commands per decision of a service without a script.

mod commands;
mod connection;
mod script;
mod spread;

use std::{ffi::OsString, io, num::NonZeroUsize, sync::Arc, time::Duration};

pub(crate) use connection::Connection;
use load::{Config, Keys, Meter};
use redis::{Address, CallError, ConnectorError, Endpoint, Topology};
use tollgate::{
    app::StoreConfig,
    settings::{Override, Settings, SettingsError},
};

use crate::sample::Sample;

/// Decisions in a full call: with 256 requests in flight, the share of each of two workers with two calls in flight.
pub(crate) const FULL: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");

/// How long the counters of a ceiling live.
const EXPIRY_SECONDS: u32 = 60;

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
    /// The client cannot be created.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// A network error.
    #[error("cannot reach Redis: {0}")]
    Network(#[from] io::Error),
    /// The connection was not established in time.
    #[error("cannot reach Redis: not connected within {PATIENCE:?}")]
    Unreachable,
    /// The server did not reply in time.
    #[error("redis does not answer within {PATIENCE:?}")]
    Silent,
    /// A call of the script failed.
    #[error("a call of the script failed: {0}")]
    Call(#[from] CallError),
    /// The server replied with an error.
    #[error("redis answered: {0}")]
    Refused(String),
    /// A measuring thread ended early.
    #[error("a thread that asks Redis has failed")]
    Thread,
}

/// A Redis to measure.
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
        // as many connections as each worker of the service has, and a timeout that only a hanging Redis reaches
        let key_prefix = "tollgate-bench:".to_owned();
        let endpoint = Endpoint { key_prefix, timeout: PATIENCE, breaker: None, ..store.redis.main };
        match &endpoint.topology {
            Topology::Single(address) if endpoint.tls.is_none() => {
                Ok(Self { address: address.clone(), endpoint: Arc::new(endpoint) })
            }
            _ => Err(RedisError::Topology),
        }
    }

    /// Opens a connection, for everything but decisions.
    pub(crate) async fn connect(&self) -> Result<Connection, RedisError> {
        Connection::open(&self.address, &self.endpoint.credentials, self.endpoint.database).await
    }
}

/// How decisions are requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// The script, with this many decisions per call.
    Script(NonZeroUsize),
    /// INCRBY and EXPIRE for each decision, in one round trip.
    Commands,
}

impl Protocol {
    /// The name in reports.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Script(NonZeroUsize::MIN) => "script, one decision a call".to_owned(),
            Self::Script(batch) => format!("script, {batch} decisions a call"),
            Self::Commands => "INCRBY + EXPIRE a decision".to_owned(),
        }
    }

    /// Requests decisions on keys of this distribution, for the configured time.
    pub(crate) async fn measure(
        self,
        redis: &Redis,
        keys: Keys,
        config: &Config,
        meter: &mut impl Meter,
    ) -> Result<Sample, RedisError> {
        match self {
            Self::Script(batch) => script::measure(redis, batch, keys, config, meter).await,
            Self::Commands => commands::measure(redis, keys, config, meter).await,
        }
    }
}
