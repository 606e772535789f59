//! The contract of all stores, on each kind of Redis.

use limiter::contract::Contract;
use redis::{Endpoint, KeysPerCall};

use crate::client::calls;
use crate::{
    client::calls::{tcp, unix},
    redis::stores::{cluster_store, options, store},
};
use testkit::redis::{Redis, cluster::Cluster, sentinel::SentinelGroup};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_single_server() {
    let redis = Redis::start(&[]);
    Contract::new("redis, single", async || store(&tcp(&redis)).await).verify().await;
}

/// As behind a proxy.
fn one_key(endpoint: Endpoint) -> Endpoint {
    Endpoint { keys_per_call: Some(KeysPerCall::One), ..endpoint }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_single_server_with_one_key_a_call() {
    let redis = Redis::start(&[]);
    Contract::new("redis, one key a call", async || store(&one_key(tcp(&redis))).await).verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_cluster_with_one_key_a_call() {
    let cluster = Cluster::start().await;
    let make = async || cluster_store(&one_key(calls::cluster(&cluster)), options()).await;
    Contract::new("redis, Cluster, one key a call", make).verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_unix_socket() {
    let redis = Redis::start(&[]);
    Contract::new("redis, unix socket", async || store(&unix(&redis)).await).verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_sentinels() {
    let group = SentinelGroup::start().await;
    Contract::new("redis, Sentinel", async || store(&calls::sentinels(&group)).await).verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_cluster() {
    let cluster = Cluster::start().await;
    Contract::new("redis, Cluster", async || cluster_store(&calls::cluster(&cluster), options()).await).verify().await;
}
