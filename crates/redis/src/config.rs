//! The configuration of a Redis store: typed, and valid by construction.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use super::{BreakerConfig, KeysPerCall};
use limiter::domain::Secret;

use tls::ClientFiles;

/// The configuration of a Redis store.
#[derive(Clone, Debug, PartialEq)]
pub struct RedisConfig {
    /// The main Redis.
    pub main: Endpoint,
    /// The Redis that counts limits per second instead, if there is one.
    pub per_second: Option<Endpoint>,
    /// The most that is added, at random, to the time that a counter lives, so that counters do not expire all at once.
    pub max_jitter: Duration,
    /// The most checks that wait or are in flight, per worker; more are shed at once.
    pub max_pending: NonZeroUsize,
}

/// The configuration of one Redis: a server, a primary that sentinels name, or a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Its kind and addresses.
    pub topology: Topology,
    /// The login to its servers.
    pub credentials: Credentials,
    /// The prefix of all counters' keys.
    pub key_prefix: String,
    /// The TLS of its connections; `None`: plain text.
    pub tls: Option<ClientFiles>,
    /// The number of the database; 0 in a cluster.
    pub database: u32,
    /// Connections to each of its nodes, per worker.
    pub connections: NonZeroUsize,
    /// How long a call may take. Each step of connecting may take as long, but at least a second.
    pub timeout: Duration,
    /// The breaker of each address; `None`: no breaker.
    pub breaker: Option<BreakerConfig>,
    /// The pauses between attempts until it has answered for the first time.
    pub startup: Startup,
    /// How many keys a call may carry; `None`: detected from the servers that are connected to.
    pub keys_per_call: Option<KeysPerCall>,
    /// Whether plain commands may be used in place of the script, for single fixed windows.
    pub plain_commands: bool,
}

/// The pauses between attempts to reach a Redis that has never answered, at least ten milliseconds each. Only one
/// connection of the process attempts at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Startup {
    /// The first pause. Each further one is twice as long. All are shortened at random by up to a half.
    pub initial: Duration,
    /// The longest pause.
    pub longest: Duration,
}

/// The kind and the addresses of a Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One server.
    Single(Address),
    /// The primary of a group that sentinels watch.
    Sentinel {
        /// The group's name in the sentinels' configuration.
        master: String,
        /// Some of the sentinels; never empty.
        sentinels: Vec<HostPort>,
        /// The login to the sentinels.
        credentials: Credentials,
    },
    /// A Redis Cluster, discovered through some of its nodes; never empty.
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
    /// `password` or `user:password`, read from this file for each new connection. A newline at the end is ignored.
    File(PathBuf),
}
