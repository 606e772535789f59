//! Primaries that die and slots that move, under load.

use std::sync::Arc;

use crate::{
    cluster_server::Cluster,
    load::{Load, TASKS, keys},
    sentinel_group::{SentinelGroup, is_primary},
    server::until,
    stores::{cluster_store, options, store},
};

/// Replication is asynchronous: what was answered in the last turn of the loop of a server that is killed may be unknown
/// to its replica. That is one hit of each task at most.
const LOST_AT_MOST: u64 = TASKS;

const ERRORS: [&str; 4] = ["Unanswered", "Unreachable", "Refused(NotReady)", "Refused(ReadOnly)"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_sentinels_watch_is_killed() {
    let mut group = SentinelGroup::start().await;
    let store = Arc::new(store(&group.endpoint()).await);
    let load = Load::start(&store, keys("sentinel", 64));
    load.answers(20).await;
    group.primary.kill();
    until("failed over", || is_primary(&group.replica)).await;
    load.answers(20).await;
    let figures = load.stop().await;
    assert!(figures.lost <= LOST_AT_MOST, "{figures:?}");
    figures.only(&ERRORS);
    println!("figures: Sentinel, primary killed: {figures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_of_a_cluster_is_killed() {
    let mut cluster = Cluster::start().await;
    cluster.replica(2).await;
    let store = Arc::new(cluster_store(&cluster.endpoint(), options()).await);
    let load = Load::start(&store, keys("cluster", 64));
    load.answers(20).await;
    cluster.nodes[2].kill();
    until("failed over", || cluster.nodes[3].cli(&["ROLE"]).starts_with("master")).await;
    load.answers(20).await;
    let figures = load.stop().await;
    assert!(figures.lost <= LOST_AT_MOST, "{figures:?}");
    figures.only(&ERRORS);
    println!("figures: Cluster, primary killed: {figures:?}");
}

/// The slot of every key with the tag `{x}`, on the third node.
const SLOT: &str = "16287";

/// Moves the slot as `redis-cli --cluster reshard` does.
pub fn reshard(cluster: &Cluster, from: usize, to: usize) -> u64 {
    let (source, target) = (&cluster.nodes[from], &cluster.nodes[to]);
    target.cli(&["CLUSTER", "SETSLOT", SLOT, "IMPORTING", &cluster.id(from)]);
    source.cli(&["CLUSTER", "SETSLOT", SLOT, "MIGRATING", &cluster.id(to)]);
    let mut moved = 0;
    loop {
        let keys = source.cli(&["CLUSTER", "GETKEYSINSLOT", SLOT, "5"]);
        if keys.is_empty() {
            break;
        }
        let port = target.port.to_string();
        let keys: Vec<_> = keys.lines().collect();
        source.cli(&[&["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"], &keys[..]].concat());
        moved += keys.len() as u64;
    }
    for node in [target, source].into_iter().chain(&cluster.nodes) {
        node.cli(&["CLUSTER", "SETSLOT", SLOT, "NODE", &cluster.id(to)]);
    }
    moved
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_moves_while_its_counters_are_charged() {
    let cluster = Cluster::start().await;
    let store = Arc::new(cluster_store(&cluster.endpoint(), options()).await);
    let load = Load::start(&store, [keys("{x}", 48), keys("rest", 16)].concat());
    load.answers(5).await;
    let mut moved = 0;
    for (from, to) in [(2, 0), (0, 1), (1, 2), (2, 1), (1, 0), (0, 2)] {
        moved += reshard(&cluster, from, to);
        load.answers(5).await;
    }
    assert!(moved >= 6 * 48, "{moved} counters were moved");
    let figures = load.stop().await;
    assert_eq!(figures.lost, 0, "{figures:?}");
    figures.only(&[]);
    println!("figures: Cluster, a slot of 48 counters moved 6 times: {figures:?}");
}
