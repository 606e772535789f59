//! Counting through a proxy: exactly as much as the limits allow, with each algorithm, whatever happens to one of the
//! Redises.

use std::{collections::HashMap, sync::Arc};

use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::{Code, DescriptorStatus};
use tokio::task::JoinSet;

use crate::proxies::shards::{Kind, LIMIT, Options, Shards, ready};
use testkit::{
    eventually, http,
    process::Tollgate,
    rls::{client, request},
};

const ALGORITHMS: [&str; 3] = ["fixed", "sliding", "bucket"];
const VALUES: [&str; 5] = ["a", "b", "c", "d", "e"];
const CALLERS: usize = 20;
/// Requests of each caller for each value: together, twice the limits of each counter.
const ROUNDS: usize = 2 * LIMIT / CALLERS + 1;

/// Requests all counters from many concurrent callers, three counters per request. Returns how often each allowed a
/// request.
async fn storm(services: &[Arc<Tollgate>]) -> HashMap<(&'static str, &'static str), usize> {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let tollgate = Arc::clone(&services[caller % services.len()]);
        callers.spawn(async move {
            let mut rls = client(tollgate.address("grpc"));
            let mut passed = Vec::new();
            for round in 0..ROUNDS * VALUES.len() {
                // each caller uses another order, so that counters share calls with different others
                let value = |step: usize| VALUES[(caller * step + round + step) % VALUES.len()];
                let asked = [(ALGORITHMS[0], value(1)), (ALGORITHMS[1], value(2)), (ALGORITHMS[2], value(3))];
                let descriptors = asked.map(|pair| [pair]);
                let descriptors = descriptors.each_ref().map(|pairs| &pairs[..]);
                let answer = rls.should_rate_limit(request("d", &descriptors)).await.expect("an answer").into_inner();
                let codes = answer.statuses.iter().map(DescriptorStatus::code);
                passed.extend(asked.into_iter().zip(codes).filter(|(_, code)| *code == Code::Ok).map(|(pair, _)| pair));
            }
            passed
        });
    }
    let mut counts = HashMap::new();
    while let Some(passed) = callers.join_next().await {
        passed.expect("no panic").into_iter().for_each(|pair| *counts.entry(pair).or_default() += 1);
    }
    counts
}

/// Two services, which detect what their peer is.
async fn services(shards: &Shards) -> [Arc<Tollgate>; 2] {
    let services = [shards.service().start(), shards.service().start()];
    for service in &services {
        ready(service).await;
    }
    services.map(Arc::new)
}

async fn exactly(kind: Kind) {
    let shards = Shards::start(kind).await;
    let counts = storm(&services(&shards).await).await;
    let sizes = shards.sizes();
    assert_eq!(counts.len(), ALGORITHMS.len() * VALUES.len());
    assert!(counts.values().all(|passed| *passed == LIMIT), "{kind:?}: {counts:?}");
    assert!(sizes.iter().all(|size| *size > 1), "both have some: {sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), counts.len(), "each counter is on one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_through_envoy() {
    exactly(Kind::Envoy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_through_twemproxy() {
    exactly(Kind::Twemproxy).await;
}

/// Flushes the script on one of the Redises repeatedly while callers make requests.
async fn flushed(kind: Kind) {
    let shards = Shards::start(kind).await;
    let services = services(&shards).await;
    let stormed = tokio::spawn({
        let services = services.clone();
        async move { storm(&services).await }
    });
    let mut flushes = 0;
    while !stormed.is_finished() {
        shards.redises[0].cli(&["SCRIPT", "FLUSH"]);
        flushes += 1;
        tokio::task::yield_now().await;
    }
    let counts = stormed.await.expect("no panic");
    assert!(counts.values().all(|passed| *passed == LIMIT), "{kind:?}: {counts:?}");
    assert!(flushes > 1 && shards.redises[0].calls("eval") > 1, "it was sent again");
    assert_eq!(shards.redises.each_ref().map(|redis| redis.calls("script|load")), [0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flushed_script_is_sent_again_through_envoy() {
    flushed(Kind::Envoy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flushed_script_is_sent_again_through_twemproxy() {
    flushed(Kind::Twemproxy).await;
}

/// Whether a request with this single counter is counted.
async fn is_counted(tollgate: &Tollgate, rule: &str, value: &str) -> bool {
    client(tollgate.address("grpc")).should_rate_limit(request("d", &[&[(rule, value)]])).await.is_ok()
}

/// One of the two is killed: its counters cannot be counted until it is back; the others are.
async fn one_down(kind: Kind) {
    let mut shards = Shards::start(kind).await;
    // without a breaker, because error replies open none
    let tollgate = shards.service().start();
    ready(&tollgate).await;
    let all: Vec<_> = ALGORITHMS.iter().flat_map(|rule| VALUES.map(|value| (*rule, value))).collect();
    for (rule, value) in &all {
        assert!(is_counted(&tollgate, rule, value).await, "{rule}={value}");
    }
    let (lost, kept): (Vec<_>, Vec<_>) = all.iter().partition(|(rule, value)| shards.owner(rule, value) == 0);
    assert!(!lost.is_empty() && !kept.is_empty());
    shards.redises[0].kill();
    for _ in 0..3 {
        for (rule, value) in &kept {
            assert!(is_counted(&tollgate, rule, value).await, "{kind:?}: {rule}={value} is on the other");
        }
        for (rule, value) in &lost {
            assert!(!is_counted(&tollgate, rule, value).await, "{kind:?}: {rule}={value} was on that one");
        }
    }
    let page = http::Client::new().get(tollgate.address("metrics"), "/metrics").await.body;
    assert!(page.contains("tollgate_redis_errors_total{kind=\"refused\"}"), "{page}");
    // a service that starts now counts what it can
    let later = shards.service().start();
    ready(&later).await;
    assert!(is_counted(&later, kept[0].0, kept[0].1).await && !is_counted(&later, lost[0].0, lost[0].1).await);
    shards.redises[0].start_again();
    for (rule, value) in &lost {
        eventually("a counter that is back", async || is_counted(&tollgate, rule, value).await.then_some(())).await;
        assert_eq!(shards.owner(rule, value), 0);
    }
}

#[tokio::test]
async fn a_redis_down_behind_envoy_affects_only_its_own_counters() {
    one_down(Kind::Envoy).await;
}

#[tokio::test]
async fn a_redis_down_behind_twemproxy_affects_only_its_own_counters() {
    one_down(Kind::Twemproxy).await;
}

/// One of the two rejects writes with an error for each call: that says nothing about the other, so no breaker opens.
async fn one_full(kind: Kind) {
    let shards = Shards::start(kind).await;
    let tollgate = shards.service().start();
    ready(&tollgate).await;
    let all: Vec<_> = ALGORITHMS.iter().flat_map(|rule| VALUES.map(|value| (*rule, value))).collect();
    for (rule, value) in &all {
        assert!(is_counted(&tollgate, rule, value).await, "{rule}={value}");
    }
    let (full, kept): (Vec<_>, Vec<_>) = all.iter().partition(|(rule, value)| shards.owner(rule, value) == 0);
    assert!(!full.is_empty() && !kept.is_empty());
    shards.redises[0].cli(&["CONFIG", "SET", "maxmemory", "1"]);
    for round in 0..5 {
        for (rule, value) in &full {
            assert!(!is_counted(&tollgate, rule, value).await, "{kind:?}: {round}: {rule}={value} is full");
        }
        for (rule, value) in &kept {
            assert!(is_counted(&tollgate, rule, value).await, "{kind:?}: {round}: {rule}={value} is on the other");
        }
    }
    // a service that starts now finds the one that counts
    let later = shards.service().start();
    ready(&later).await;
    shards.redises[0].cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert!(is_counted(&tollgate, full[0].0, full[0].1).await && is_counted(&later, full[0].0, full[0].1).await);
}

#[tokio::test]
async fn a_full_redis_behind_envoy_affects_only_its_own_counters() {
    one_full(Kind::Envoy).await;
}

#[tokio::test]
async fn a_full_redis_behind_twemproxy_affects_only_its_own_counters() {
    one_full(Kind::Twemproxy).await;
}

/// One of the two hangs: the proxy times out before we do, and continues with the other.
async fn one_hangs(kind: Kind) {
    let shards = Shards::with(kind, &Options { timeout: 3000, ..Options::default() }).await;
    let tollgate = shards.service().start();
    ready(&tollgate).await;
    let all: Vec<_> = ["fixed", "bucket"].iter().flat_map(|rule| VALUES.map(|value| (*rule, value))).collect();
    for (rule, value) in &all {
        assert!(is_counted(&tollgate, rule, value).await, "{rule}={value}");
    }
    let (hung, kept): (Vec<_>, Vec<_>) = all.iter().partition(|(rule, value)| shards.owner(rule, value) == 0);
    assert!(!hung.is_empty() && !kept.is_empty());
    shards.redises[0].signal("STOP");
    for (rule, value) in hung.iter().chain(&kept) {
        let is_kept = kept.contains(&(*rule, *value));
        assert_eq!(is_counted(&tollgate, rule, value).await, is_kept, "{kind:?}: {rule}={value}");
    }
    // no breaker has opened, because the proxy answered
    let page = http::Client::new().get(tollgate.address("metrics"), "/metrics").await.body;
    assert!(!page.contains("kind=\"breaker_open\"} 1"), "{page}");
    shards.redises[0].signal("CONT");
    for (rule, value) in &hung {
        eventually("a counter that is back", async || is_counted(&tollgate, rule, value).await.then_some(())).await;
    }
}

#[tokio::test]
async fn a_hanging_redis_behind_envoy_affects_only_its_own_counters() {
    one_hangs(Kind::Envoy).await;
}

#[tokio::test]
async fn a_hanging_redis_behind_twemproxy_affects_only_its_own_counters() {
    one_hangs(Kind::Twemproxy).await;
}
