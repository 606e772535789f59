//! Helpers to connect clients and make calls.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use limiter::domain::Secret;
use redis::{
    Address, BreakerConfig, Call, CallError, Caller as _, Client, Connector, Credentials, Endpoint, HostPort,
    KeysPerCall, Script, Startup, Topology,
};

use testkit::{
    eventually,
    redis::{Redis, cluster::Cluster, sentinel::SentinelGroup},
    until,
};

/// An endpoint with one connection to this topology, without credentials.
pub fn endpoint(topology: Topology) -> Endpoint {
    Endpoint {
        topology,
        credentials: Credentials::None,
        key_prefix: String::new(),
        tls: None,
        database: 0,
        connections: NonZeroUsize::MIN,
        timeout: Duration::from_secs(30),
        breaker: None,
        keys_per_call: Some(KeysPerCall::Many),
        plain_commands: true,
        startup: Startup { initial: Duration::ZERO, longest: Duration::from_secs(1) },
    }
}

pub fn local(port: u16) -> HostPort {
    HostPort { host: "127.0.0.1".to_owned(), port }
}

pub fn tcp(redis: &Redis) -> Endpoint {
    endpoint(Topology::Single(Address::Tcp(local(redis.port))))
}

pub fn unix(redis: &Redis) -> Endpoint {
    endpoint(Topology::Single(Address::Unix(redis.socket())))
}

/// With a breaker as in a service with default settings.
pub fn with_breaker(endpoint: Endpoint) -> Endpoint {
    let breaker = BreakerConfig {
        consecutive: NonZeroU32::new(5).expect("not zero"),
        ratio: 0.5,
        window: Duration::from_secs(10),
        min_calls: NonZeroU32::new(20).expect("not zero"),
        cooldown: Duration::from_millis(200),
        max_cooldown: Duration::from_secs(2),
    };
    Endpoint { breaker: Some(breaker), ..endpoint }
}

/// A client that has connected.
pub async fn connected(endpoint: &Endpoint) -> Client {
    let client = Connector::new(endpoint).expect("a connector").connect();
    until("connected", || client.open_connections() == endpoint.connections.get()).await;
    client
}

/// A call without keys and entries, which only returns the time.
pub async fn look(client: &Client, script: Script) -> Result<Vec<u8>, CallError> {
    let call = Call::of_nothing();
    client.call(None, script, &call).await.map(|reply| reply.to_vec())
}

/// Calls until one succeeds.
pub async fn heals(client: &Client) {
    eventually("a call that succeeds", async || look(client, Script::Text).await.ok()).await;
}

/// The endpoint of a cluster, given by one of its nodes.
pub fn cluster(cluster: &Cluster) -> Endpoint {
    endpoint(Topology::Cluster(vec![local(cluster.nodes[0].port)]))
}

/// The endpoint of a group, given by its sentinels.
pub fn sentinels(group: &SentinelGroup) -> Endpoint {
    let password = |text: &str| Credentials::Fixed { user: None, password: Secret::new(text.to_owned()) };
    let topology = Topology::Sentinel {
        master: "gate".to_owned(),
        sentinels: group.sentinels.iter().map(|sentinel| local(sentinel.port)).collect(),
        credentials: password("watcher"),
    };
    Endpoint { credentials: password("geheim"), ..endpoint(topology) }
}
