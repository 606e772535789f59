//! The Redis that counters are in, typed: what is here can be connected to, as far as the environment can tell.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::Secret;
use crate::settings::{tls::TlsIdentity, values::Share};

/// Counters in Redis.
#[derive(Clone, Debug, PartialEq)]
pub struct RedisSettings {
    /// The Redis that counts.
    pub main: RedisEndpoint,
    /// One that counts limits per second in its place.
    pub per_second: Option<RedisEndpoint>,
    /// Counters live up to this much longer than needed, at random.
    pub max_jitter: Duration,
    /// Checks that may wait or be in flight, per worker.
    pub max_pending: NonZeroUsize,
    /// The size of the deny cache; `None`: there is none.
    pub deny_cache_bytes: Option<NonZeroUsize>,
    /// The most counters that the failure mode `local` keeps in this process.
    pub max_local_counters: NonZeroUsize,
    /// The processes that share a limit in the failure mode `local`.
    pub replicas: NonZeroU32,
    /// What to do until each Redis has answered for the first time.
    pub startup: RedisStartup,
    /// Be unhealthy whenever a Redis has no live connection, not only until it has had one.
    pub health_needs_connection: bool,
}

/// What to do until a Redis has answered for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedisStartup {
    /// The first pause between attempts.
    pub initial: Duration,
    /// The longest one.
    pub longest: Duration,
    /// When to give up; `None`: never.
    pub give_up: Option<Duration>,
}

/// One Redis: a server, a primary that sentinels name, or a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct RedisEndpoint {
    /// Where it is.
    pub topology: RedisTopology,
    /// Who we are to it.
    pub credentials: RedisCredentials,
    /// How its connections are secured; `None`: not at all. Never with a unix socket.
    pub tls: Option<RedisTls>,
    /// The number of the database; 0 in a cluster.
    pub database: u32,
    /// Connections to each of its nodes, of the whole process.
    pub pool_size: NonZeroUsize,
    /// How long connecting may take, and how long a call may take.
    pub timeout: Duration,
    /// How many keys a call may carry.
    pub keys_per_call: RedisKeysPerCall,
    /// When to stop asking an address that does not answer; `None`: never.
    pub breaker: Option<RedisBreaker>,
}

/// How many keys a call may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisKeysPerCall {
    /// As many as its peers are found to bear.
    Auto,
    /// As many as there are.
    Many,
    /// One: a proxy shards keys over several Redises.
    One,
}

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RedisBreaker {
    /// Failures in a row that open it.
    pub consecutive: NonZeroU32,
    /// The share of failures that opens it.
    pub ratio: Share,
    /// Over which time the share is taken.
    pub window: Duration,
    /// Calls in that time below which the share says nothing.
    pub min_calls: NonZeroU32,
    /// Until the first probe.
    pub cooldown: Duration,
    /// No cooldown is longer.
    pub max_cooldown: Duration,
}

/// Where a Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisTopology {
    /// One server, over TCP.
    Tcp(RedisServer),
    /// One server, over a unix socket.
    Unix(PathBuf),
    /// The primary of a group, as its sentinels name it.
    Sentinel {
        /// The group's name.
        master: String,
        /// Some of the sentinels; never empty.
        sentinels: Vec<RedisServer>,
        /// Who we are to the sentinels.
        credentials: RedisCredentials,
    },
    /// A Redis Cluster, found through these of its nodes; never empty.
    Cluster(Vec<RedisServer>),
}

/// A host, by name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisServer {
    /// The host; an IPv6 address stands without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Who we are to a server.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum RedisCredentials {
    /// Nobody in particular.
    #[default]
    None,
    /// This user (`None`: the default one) with this password.
    Fixed {
        /// The ACL user.
        user: Option<String>,
        /// The password; empty only for a user that needs none.
        password: Secret,
    },
    /// `password` or `user:password`, as this file has it when a connection is made.
    File(PathBuf),
}

/// How connections are secured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisTls {
    /// PEM file of the authorities to trust; `None`: those of the system.
    pub ca: Option<PathBuf>,
    /// PEM files of our certificate chain and its key.
    pub identity: Option<TlsIdentity>,
    /// Whether the certificate must be for the host that we connect to. The chain is verified in any case.
    pub verify_hostname: bool,
}
