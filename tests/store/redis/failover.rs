//! Primaries that die and slots that move, under load.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use limiter::domain::{Algorithm, Charge, CounterKey, Group, Hit, RateLimiter as _, StoreError};
use tokio::task::JoinSet;

use crate::client::calls;
use crate::{
    client::calls::with_breaker,
    redis::{
        load::{Load, NOW, TASKS, count, keys, take, wide},
        stores::{cluster_store, options, store},
    },
};
use testkit::{
    eventually,
    redis::{
        Redis,
        cluster::Cluster,
        sentinel::{SentinelGroup, is_primary},
    },
    until,
};

/// Replication is asynchronous: a replica may not have what its primary answered in the last iteration of its event
/// loop before it was killed. That is at most one hit of each task.
const LOST_AT_MOST: u64 = TASKS;

const ERRORS: [&str; 5] = ["Unanswered", "Unreachable", "Tripped", "Refused(NotReady)", "Refused(ReadOnly)"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_monitored_by_sentinels_is_killed() {
    let mut group = SentinelGroup::start().await;
    let store = Arc::new(store(&with_breaker(calls::sentinels(&group))).await);
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
    let store = Arc::new(cluster_store(&with_breaker(calls::cluster(&cluster)), options()).await);
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

#[tokio::test]
async fn the_owner_of_a_dead_primarys_slots_is_looked_up_while_its_breaker_is_open() {
    let mut cluster = Cluster::start().await;
    let store = cluster_store(&with_breaker(calls::cluster(&cluster)), options()).await;
    let ask = async || {
        let group = take(&CounterKey::from_bytes(b"{x}"), wide(Algorithm::FixedWindow));
        store.check(group).await[0]
    };
    ask().await.expect("a verdict");
    cluster.nodes[2].kill();
    while ask().await != Err(StoreError::Tripped) {
        tokio::task::yield_now().await;
    }
    // Redis 6 does not count subcommands separately
    let asked = |cluster: &Cluster| {
        let calls = |node: &Redis| node.calls("cluster|slots") + node.calls("cluster");
        cluster.nodes[..2].iter().map(calls).sum::<u64>()
    };
    let before = asked(&cluster);
    eventually("lookups of the slots", async || {
        ask().await.expect_err("its primary is dead");
        (asked(&cluster) >= before + 10).then_some(())
    })
    .await;
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
        source.cli(&[&["MIGRATE", "127.0.0.1", &port, "", "0", "60000", "KEYS"], &keys[..]].concat());
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
    let store = Arc::new(cluster_store(&calls::cluster(&cluster), options()).await);
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

const PAIRS: u64 = 40;

/// Two limits of one descriptor, whose counters are in the slot that moves.
fn pair(number: u64) -> Group {
    let key = |name| CounterKey::from_bytes(format!("{{x}}pair:{number}:{name}").as_bytes());
    let limits = [Algorithm::FixedWindow, Algorithm::TokenBucket].map(wide);
    let hits = limits.map(|limit| Hit::new(key(limit.algorithm()), limit, Charge::Take(1)));
    Group::new(hits).at(NOW)
}

/// While one counter of a descriptor has moved and the other has not, they cannot be charged together. Also, the new
/// owner does not know the script.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_one_descriptor_are_charged_together_or_not_at_all_while_their_slot_moves() {
    let cluster = Cluster::start().await;
    let store = Arc::new(cluster_store(&calls::cluster(&cluster), options()).await);
    let going = Arc::new(AtomicBool::new(true));
    let errors: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    let answered: Arc<Vec<AtomicU64>> = Arc::new((0..PAIRS).map(|_| AtomicU64::new(0)).collect());
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (store, going) = (Arc::clone(&store), Arc::clone(&going));
        let (errors, answered) = (Arc::clone(&errors), Arc::clone(&answered));
        tasks.spawn(async move {
            for number in (0..PAIRS).cycle().skip(task as usize) {
                let verdicts = store.check(pair(number)).await;
                match (verdicts[0], verdicts[1]) {
                    (Ok(_), Ok(_)) => _ = answered[number as usize].fetch_add(1, SeqCst),
                    (Err(error), Err(other)) if error == other => {
                        *errors.lock().expect("no panic").entry(format!("{error:?}")).or_default() += 1;
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    apart => panic!("{apart:?}"),
                }
                if !going.load(SeqCst) {
                    break;
                }
            }
        });
    }
    let sum = || answered.iter().map(|one| one.load(SeqCst)).sum::<u64>();
    for (from, to) in [(2, 0), (0, 1), (1, 2)] {
        let enough = sum() + 5 * PAIRS;
        until("more answers", || sum() >= enough).await;
        cluster.nodes[to].cli(&["SCRIPT", "FLUSH"]);
        reshard(&cluster, from, to);
    }
    going.store(false, SeqCst);
    while let Some(task) = tasks.join_next().await {
        task.expect("no panic");
    }
    for (number, answered) in answered.iter().enumerate() {
        for hit in pair(number as u64).hits {
            assert_eq!(count(&store, &hit.key, hit.limit).await, Ok(answered.load(SeqCst)), "{}", hit.key);
        }
    }
    let (answered, errors) = (sum(), errors.lock().expect("no panic"));
    println!("figures: Cluster, a slot of {PAIRS} pairs moved 3 times: {answered} decisions, errors {errors:?}");
    assert!(errors.keys().all(|kind| kind == "Refused(NotReady)"), "{errors:?}");
}
