//! The contract that every store keeps, on each kind of Redis.

use crate::{
    calls::{tcp, unix},
    cluster_server::Cluster,
    sentinel_group::SentinelGroup,
    server::Redis,
    stores::{cluster_store, options, store},
    suite,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_single_server() {
    let redis = Redis::start(&[]);
    suite::run("redis, single", async || store(&tcp(&redis)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_unix_socket() {
    let redis = Redis::start(&[]);
    suite::run("redis, unix socket", async || store(&unix(&redis)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_sentinels() {
    let group = SentinelGroup::start().await;
    suite::run("redis, Sentinel", async || store(&group.endpoint()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_cluster() {
    let cluster = Cluster::start().await;
    suite::run("redis, Cluster", async || cluster_store(&cluster.endpoint(), options()).await).await;
}
