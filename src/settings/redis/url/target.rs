//! The result of parsing an address.

use std::path::PathBuf;

use crate::settings::redis::kind::RedisType;
use crate::settings::redis::login::Login;

pub(super) const REDIS_PORT: u16 = 6379;
pub(super) const SENTINEL_PORT: u16 = 26379;

/// What is accepted, to follow "is not".
pub(in crate::settings) type Accepted = &'static str;

pub(super) const SENTINEL_LIST: Accepted = "master,host:port,host:port…, which REDIS_TYPE=SENTINEL asks for";
pub(super) const CLUSTER_LIST: Accepted = "host:port,host:port…, which REDIS_TYPE=CLUSTER asks for";

/// A parsed address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::settings) struct Parsed {
    pub(in crate::settings) target: Target,
    /// The logins for the servers, one for each URL in the address.
    pub(in crate::settings) logins: Vec<Login>,
    /// The logins for the sentinels, one for each URL in the address.
    pub(in crate::settings) sentinel_logins: Vec<Login>,
    pub(in crate::settings) tls: bool,
    pub(in crate::settings) database: u32,
    /// Warnings, to follow the variable's name.
    pub(in crate::settings) notes: Vec<&'static str>,
}

impl Parsed {
    /// An address without a login and without TLS.
    pub(in crate::settings) fn plain(target: Target) -> Self {
        Self { target, logins: vec![], sentinel_logins: vec![], tls: false, database: 0, notes: vec![] }
    }
}

/// A host, by name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::settings) struct Server {
    /// An IPv6 address has no brackets.
    pub(in crate::settings) host: String,
    pub(in crate::settings) port: u16,
}

/// The topology and the addresses of a Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::settings) enum Target {
    Tcp(Server),
    Unix(PathBuf),
    Sentinel { master: String, sentinels: Vec<Server> },
    Cluster(Vec<Server>),
}

impl Target {
    /// The `REDIS_TYPE` of this topology.
    pub(in crate::settings) fn kind(&self) -> RedisType {
        match self {
            Self::Tcp(_) | Self::Unix(_) => RedisType::Single,
            Self::Sentinel { .. } => RedisType::Sentinel,
            Self::Cluster(_) => RedisType::Cluster,
        }
    }
}
