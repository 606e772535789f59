//! The configuration of a Redis store: typed, and valid by construction.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use super::{BreakerConfig, KeysPerCall};
use limiter::domain::Secret;

use tls::ClientFiles;

/// A store in Redis.
#[derive(Clone, Debug, PartialEq)]
pub struct RedisConfig {
    /// The main Redis.
    pub main: Endpoint,
    /// The Redis that counts limits per second instead, if there is one.
    pub per_second: Option<Endpoint>,
    /// Counters live up to this much longer than needed, at random, so that they do not expire all at once.
    pub max_jitter: Duration,
    /// Checks that may wait or be in flight, per worker; more are shed at once.
    pub max_pending: NonZeroUsize,
}

/// One Redis: a server, a primary that sentinels name, or a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Where it is.
    pub topology: Topology,
    /// The login.
    pub credentials: Credentials,
    /// The prefix of all counters' keys.
    pub key_prefix: String,
    /// How its connections are secured; `None`: not at all.
    pub tls: Option<ClientFiles>,
    /// The number of the database; 0 in a cluster.
    pub database: u32,
    /// Connections to each of its nodes, per worker.
    pub connections: NonZeroUsize,
    /// How long a call may take. Each step of connecting may take as long, or a second if that is longer.
    pub timeout: Duration,
    /// The breaker of each address; `None`: there is none.
    pub breaker: Option<BreakerConfig>,
    /// The pace of attempts until it has answered for the first time.
    pub startup: Startup,
    /// How many keys a call may carry; `None`: detected from its peers.
    pub keys_per_call: Option<KeysPerCall>,
}

/// The pauses between attempts to reach a Redis that has never answered; never under ten milliseconds. One connection of
/// the process tries at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Startup {
    /// The first; each is twice as long as the one before. Each is shortened at random by up to a half.
    pub initial: Duration,
    /// The longest.
    pub longest: Duration,
}

/// Where a Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One server.
    Single(Address),
    /// The primary of a group, as its sentinels name it.
    Sentinel {
        /// The group's name.
        master: String,
        /// Some of the sentinels; never empty.
        sentinels: Vec<HostPort>,
        /// The login to the sentinels.
        credentials: Credentials,
    },
    /// A Redis Cluster, found through these of its nodes; never empty.
    Cluster(Vec<HostPort>),
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// TCP.
    Tcp(HostPort),
    /// A unix socket.
    Unix(PathBuf),
}

/// A host, by name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The host; an IPv6 address stands without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// The login to a server.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Credentials {
    /// No login.
    #[default]
    None,
    /// This user (`None`: the default one) with this password.
    Fixed {
        /// The ACL user.
        user: Option<String>,
        /// The password.
        password: Secret,
    },
    /// `password` or `user:password`, as this file has it when a connection is made. A newline at its end is not part of
    /// it.
    File(PathBuf),
}
