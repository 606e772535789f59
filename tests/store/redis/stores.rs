//! Stores with servers of the test.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use redis::{Client, Connector, Endpoint, RedisStats, RedisStore, StoreOptions};

use crate::client::calls::connected;
use testkit::PATIENCE;

/// The options of a store unless a test sets others: nothing expires late, and nothing times out by chance.
pub fn options() -> StoreOptions {
    StoreOptions {
        timeout: PATIENCE / 2,
        per_second_timeout: PATIENCE / 2,
        max_jitter: Duration::ZERO,
        max_pending: NonZeroUsize::new(10_000).expect("not zero"),
    }
}

/// A store whose client is connected.
pub async fn store(endpoint: &Endpoint) -> RedisStore<Client> {
    store_with(endpoint, options()).await
}

pub async fn store_with(endpoint: &Endpoint, options: StoreOptions) -> RedisStore<Client> {
    RedisStore::start(connected(endpoint).await, None, options, Arc::new(RedisStats::default()))
}

/// The same on a cluster, with one connection to each of its primaries.
pub async fn cluster_store(endpoint: &Endpoint, options: StoreOptions) -> RedisStore<Client> {
    let client = Connector::new(endpoint).expect("a connector").connect();
    testkit::until("connected", || client.open_connections() == 3).await;
    RedisStore::start(client, None, options, Arc::new(RedisStats::default()))
}
