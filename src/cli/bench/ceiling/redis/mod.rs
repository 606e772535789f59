//! What the Redis in use can do when nothing is in front of it: our script, in calls of one decision and of many, and the
//! two commands for each decision that a service without a script sends.

mod commands;
mod connection;
mod script;
mod spread;

use std::{ffi::OsString, io, num::NonZeroUsize, time::Duration};

pub(in super::super) use connection::Connection;

use super::super::{compare::Sample, cost::Meters, plan::Plan, request::Keys};
use crate::{
    app::StoreConfig,
    settings::{Override, Settings, SettingsError},
    store::redis::{Address, CallError, ConnectorError, Endpoint, Topology},
};

/// Decisions of a call that is full enough: of 256 requests under way, as many as two workers with two calls each share.
pub(in super::super) const FULL: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");

/// Counters that a ceiling leaves behind expire after this.
const EXPIRY_SECONDS: u32 = 60;

/// A call that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a Redis cannot be measured.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum RedisError {
    /// The URL.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Not one server, or over TLS.
    #[error("only one Redis without TLS can be measured: give redis://host:port or unix:///path")]
    Topology,
    /// Its TLS files.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// The network.
    #[error("cannot reach Redis: {0}")]
    Network(#[from] io::Error),
    /// It does not take connections.
    #[error("cannot reach Redis: not connected within {PATIENCE:?}")]
    Unreachable,
    /// It was asked, and says nothing.
    #[error("redis does not answer within {PATIENCE:?}")]
    Silent,
    /// A call of the script.
    #[error("a call of the script failed: {0}")]
    Call(#[from] CallError),
    /// An error in the place of an answer.
    #[error("redis answered: {0}")]
    Refused(String),
    /// A thread ended before its time.
    #[error("a thread that asks Redis has failed")]
    Thread,
}

/// A Redis that can be measured.
#[derive(Clone, Debug)]
pub(in super::super) struct Redis {
    endpoint: Endpoint,
    address: Address,
}

impl Redis {
    /// The one that a URL names, as REDIS_URL does.
    pub(in super::super) fn new(url: &str) -> Result<Self, RedisError> {
        let url = Override { flag: "--redis", variable: "REDIS_URL", value: OsString::from(url) };
        let config = Settings::resolve(&[url], |_| None, [])?.config;
        let StoreConfig::Redis(store) = config.store else { return Err(RedisError::Topology) };
        // as many connections as each worker of the service has, and calls that fail only if something is wrong
        let key_prefix = "tollgate-bench:".to_owned();
        let endpoint = Endpoint { key_prefix, timeout: PATIENCE, breaker: None, ..store.redis.main };
        match &endpoint.topology {
            Topology::Single(address) if endpoint.tls.is_none() => Ok(Self { address: address.clone(), endpoint }),
            _ => Err(RedisError::Topology),
        }
    }

    /// A connection, for what is asked of it but decisions.
    pub(in super::super) async fn connect(&self) -> Result<Connection, RedisError> {
        Connection::open(&self.address, &self.endpoint.credentials, self.endpoint.database).await
    }
}

/// A way to ask for decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Way {
    /// The script, with so many decisions in a call.
    Script(NonZeroUsize),
    /// INCRBY and EXPIRE for each decision, in one round trip.
    Commands,
}

impl Way {
    /// What it is called in a report.
    pub(in super::super) fn name(self) -> String {
        match self {
            Self::Script(NonZeroUsize::MIN) => "script, one decision a call".to_owned(),
            Self::Script(batch) => format!("script, {batch} decisions a call"),
            Self::Commands => "INCRBY + EXPIRE a decision".to_owned(),
        }
    }

    /// Asks for as long as the plan says, on keys of this distribution.
    pub(in super::super) async fn measure(
        self,
        redis: &Redis,
        keys: Keys,
        plan: &Plan,
        meters: &mut Meters,
    ) -> Result<Sample, RedisError> {
        match self {
            Self::Script(batch) => script::measure(redis, batch, keys, plan, meters).await,
            Self::Commands => commands::measure(redis, keys, plan, meters).await,
        }
    }
}
