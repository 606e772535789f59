//! The contract of all stores, through each proxy.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use limiter::contract::Contract;
use redis::{Address, Client, Endpoint, HostPort, RedisStats, RedisStore, StoreOptions, Topology};

use crate::{
    client::calls::{connected, endpoint},
    proxies::shards::{Kind, Shards},
};
use testkit::PATIENCE;

/// A store that detects what its peer is.
async fn store(shards: &Shards) -> RedisStore<Client> {
    let at = HostPort { host: "127.0.0.1".to_owned(), port: shards.port };
    let endpoint = Endpoint { keys_per_call: None, ..endpoint(Topology::Single(Address::Tcp(at))) };
    let options = StoreOptions {
        timeout: PATIENCE / 2,
        per_second_timeout: PATIENCE / 2,
        max_jitter: Duration::ZERO,
        max_pending: NonZeroUsize::new(10_000).expect("not zero"),
    };
    RedisStore::start(connected(&endpoint).await, None, options, Arc::new(RedisStats::default()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_envoy() {
    let shards = Shards::start(Kind::Envoy).await;
    Contract::new("redis, Envoy", async || store(&shards).await).verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_twemproxy() {
    let shards = Shards::start(Kind::Twemproxy).await;
    Contract::new("redis, twemproxy", async || store(&shards).await).verify().await;
}
