//! How many calls to Redis are needed for how many decisions.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use limiter::domain::{Algorithm, CounterKey, RateLimiter as _};
use redis::{Client, RedisStore};
use tokio::task::JoinSet;

use crate::client::calls;
use crate::{
    client::calls::tcp,
    redis::{
        load::{TASKS, take, wide},
        stores::{cluster_store, options, store},
    },
};
use testkit::redis::{Redis, cluster::Cluster};

/// The calls per decision of the reference: INCRBY and EXPIRE.
const REFERENCE: f64 = 2.0;

/// `TOLLGATE_TEST_DECISIONS` sets a number larger than CI has time for.
fn decisions() -> u64 {
    let text = std::env::var("TOLLGATE_TEST_DECISIONS");
    text.map_or(20_000, |text| text.parse().expect("TOLLGATE_TEST_DECISIONS: a number"))
}

/// Calls per decision, over this many counters in an irregular order.
async fn measured(nodes: &[&Redis], store: &Arc<RedisStore<Client>>, algorithm: Algorithm, keys: Range<u64>) -> f64 {
    let calls = || nodes.iter().map(|node| node.calls("evalsha") + node.calls("eval")).sum::<u64>();
    let before = calls();
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (store, next, keys) = (Arc::clone(store), Arc::clone(&next), keys.clone());
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, SeqCst);
                if number >= decisions() {
                    break;
                }
                // the steps of an odd constant of 64 bits are spread over the whole range (Knuth, TAOCP 6.4)
                let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
                let key = keys.start + spread % (keys.end - keys.start);
                let key = CounterKey::from_bytes(format!("batching:{algorithm}:{key}").as_bytes());
                store.check(take(&key, wide(algorithm))).await[0].expect("a verdict");
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.expect("no panic");
    }
    (calls() - before) as f64 / decisions() as f64
}

async fn table(name: &str, nodes: &[&Redis], store: RedisStore<Client>) -> (f64, f64) {
    let store = Arc::new(store);
    let (mut most_uniform, mut most_hot) = (0.0_f64, 0.0_f64);
    for algorithm in Algorithm::ALL {
        let uniform = measured(nodes, &store, algorithm, 1..10_001).await;
        let hot = measured(nodes, &store, algorithm, 0..1).await;
        println!(
            "figures: {name}, {algorithm}: calls per decision over {} decisions of {TASKS} tasks: {uniform:.4} uniform over \
             10 000 counters, {hot:.4} on one; the reference: {REFERENCE}",
            decisions(),
        );
        (most_uniform, most_hot) = (most_uniform.max(uniform), most_hot.max(hot));
    }
    (most_uniform, most_hot)
}

#[tokio::test]
async fn a_call_to_a_single_server_has_many_decisions() {
    let redis = Redis::start(&[]);
    let (uniform, hot) = table("single", &[&redis], store(&tcp(&redis)).await).await;
    assert!(uniform < 0.25 && hot < 0.25, "{uniform} {hot}");
}

#[tokio::test]
async fn a_cluster_has_a_call_per_slot_and_many_decisions_on_a_hot_one() {
    let cluster = Cluster::start().await;
    let nodes: Vec<_> = cluster.nodes.iter().collect();
    let (uniform, hot) = table("Cluster", &nodes, cluster_store(&calls::cluster(&cluster), options()).await).await;
    // the first concurrent calls may all find that their node does not know the script
    assert!(uniform <= 1.0 + TASKS as f64 / decisions() as f64 && hot < 0.25, "{uniform} {hot}");
}
