//! What a store leaves behind, and which commands it sends to Redis.

use std::{collections::BTreeSet, num::NonZeroU32, time::Duration};

use limiter::domain::{Algorithm, Charge, CounterKey, Group, Hit, Limit, RateLimiter, Unit, Window};
use redis::{Client, RedisStore, StoreOptions};

use crate::client::calls;
use crate::{
    client::calls::tcp,
    redis::stores::{cluster_store, options, store_with},
};
use testkit::{
    redis::{Redis, cluster::Cluster},
    until,
};

fn short(algorithm: Algorithm, seconds: u32) -> Limit {
    let window = Window::new(Unit::Second, NonZeroU32::new(seconds).expect("not zero")).expect("short");
    Limit::new(algorithm, 3, window, None, None).expect("a limit")
}

/// Charges, denials, looks, refunds, groups and a reset, with every algorithm, at Redis's own time.
async fn everything(store: &RedisStore<Client>) {
    for (number, algorithm) in Algorithm::ALL.into_iter().cycle().take(60).enumerate() {
        let limit = short(algorithm, 1 + number as u32 % 2);
        let key = |name: &str| CounterKey::from_bytes(format!("{{hygiene:{number}}}{name}").as_bytes());
        assert_eq!(store.allow_n(key("a"), limit, 2).await.expect("a verdict").after, 2);
        store.allow_n(key("a"), limit, 5).await.expect("a verdict");
        store.peek(key("a"), limit).await.expect("a verdict");
        store.check(Group::single(Hit::new(key("a"), limit, Charge::Give(1)))).await[0].expect("a verdict");
        let hits = ["a", "b", "c"].map(|name| Hit::new(key(name), limit, Charge::Take(1)));
        for verdict in store.check(Group::new(hits).atomic()).await {
            verdict.expect("a verdict");
        }
        store.reset(&key("b"), &limit).await.expect("an answer");
    }
}

/// Counters of fixed windows outlive calls that may be under way, and the test waits for their end.
fn brief() -> StoreOptions {
    let timeout = Duration::from_secs(10);
    StoreOptions { timeout, per_second_timeout: timeout, ..options() }
}

/// The commands that ran on a server, without those of the test itself.
fn commands(redis: &Redis) -> BTreeSet<String> {
    let stats = redis.cli(&["INFO", "commandstats"]);
    let names = stats.lines().filter_map(|line| Some(line.strip_prefix("cmdstat_")?.split_once(':')?.0.to_owned()));
    let of_the_test = ["info", "config", "config|set", "config|resetstat", "dbsize"];
    names.filter(|name| !of_the_test.contains(&name.as_str())).collect()
}

/// The commands at the start of a connection.
const AT_CONNECT: [&str; 1] = ["ping"];

/// The commands after that: the script, what stands in for it, and resets.
const CALLS: [&str; 5] = ["eval", "evalsha", "incrby", "pexpire", "del"];

/// The commands that the script runs.
const IN_SCRIPT: [&str; 4] = ["time", "mget", "get", "set"];

fn expected(nodes: &[Redis], more: &[&str]) {
    let sent: BTreeSet<_> = nodes.iter().flat_map(commands).collect();
    // Redis 6 counts `CLUSTER SLOTS` as CLUSTER
    let as_told = |name: &str| match name.split_once('|') {
        Some((word, _)) if sent.contains(word) => word.to_owned(),
        _ => name.to_owned(),
    };
    let expected: BTreeSet<_> = [&AT_CONNECT[..], &CALLS, &IN_SCRIPT, more].concat().into_iter().map(as_told).collect();
    assert_eq!(sent, expected);
    // a cluster node rejects commands for slots of another node
    for node in nodes {
        let stats = node.cli(&["INFO", "commandstats"]);
        assert_eq!(stats.matches(",rejected_calls=").count(), stats.matches(",rejected_calls=0,").count(), "{stats}");
    }
}

#[tokio::test]
async fn a_single_server_is_left_empty_and_gets_the_expected_commands() {
    let redis = Redis::start(&[]);
    redis.cli(&["CONFIG", "RESETSTAT"]);
    let store = store_with(&tcp(&redis), brief()).await;
    everything(&store).await;
    expected(std::slice::from_ref(&redis), &[]);
    until("every counter is gone", || redis.cli(&["DBSIZE"]) == "0").await;
}

#[tokio::test]
async fn a_cluster_is_left_empty_and_gets_the_expected_commands() {
    let cluster = Cluster::start().await;
    for node in &cluster.nodes {
        node.cli(&["CONFIG", "RESETSTAT"]);
    }
    let store = cluster_store(&calls::cluster(&cluster), brief()).await;
    everything(&store).await;
    expected(&cluster.nodes, &["cluster|slots"]);
    for node in &cluster.nodes {
        until("every counter is gone", || node.cli(&["DBSIZE"]) == "0").await;
    }
}
