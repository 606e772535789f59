//! All-or-nothing requests are rejected if their counters may be on different servers.

use tonic::Code;

use crate::proxies::shards::{Kind, Shards, ready};
use testkit::{
    eventually, health, http,
    process::Tollgate,
    rls::{client, request},
};

const LIMITS: &str = "
domain: d
descriptors:
  - key: several
    rate_limits: [{unit: year, requests_per_unit: 10}, {unit: day, requests_per_unit: 5}]
  - {key: fixed, rate_limit: {unit: year, requests_per_unit: 10}}
";
const ATOMIC: &str = "
domain: d
atomic: true
descriptors:
  - {key: fixed, rate_limit: {unit: year, requests_per_unit: 10}}
";
const PLAIN: &str = "
domain: d
descriptors:
  - {key: fixed, rate_limit: {unit: year, requests_per_unit: 10}}
";

/// The code of a request with a descriptor for each key.
async fn code(tollgate: &Tollgate, keys: &[&str]) -> Code {
    let pairs: Vec<_> = keys.iter().zip(["a", "b", "c"]).map(|(key, value)| [(*key, value)]).collect();
    let descriptors: Vec<_> = pairs.iter().map(|pairs| &pairs[..]).collect();
    let answer = client(tollgate.address("grpc")).should_rate_limit(request("d", &descriptors)).await;
    answer.map_or_else(|status| status.code(), |_| Code::Ok)
}

async fn unready(tollgate: &Tollgate, because: &str) -> String {
    eventually("unreadiness", async || {
        let (status, body) = health::page(tollgate, "/readyz").await;
        (status == 503 && body.contains(because)).then_some(body)
    })
    .await
}

#[tokio::test]
async fn with_the_value_set_they_are_rejected_at_start_and_at_reload() {
    let shards = Shards::start(Kind::Twemproxy).await;
    let one = || shards.service().env("REDIS_KEYS_PER_CALL", "one");
    for (rules, place) in [(LIMITS, "rules.yaml:5"), (ATOMIC, "rules.yaml:3")] {
        let tollgate = one().rules(rules).start();
        let rejected = tollgate.wait_for_log("rules are refused");
        for words in [place, "all or none", "REDIS_KEYS_PER_CALL is one", "set it to many"] {
            assert!(rejected.contains(words), "{words}: {rejected}");
        }
        assert_eq!(code(&tollgate, &["fixed"]).await, Code::Unavailable, "there are no rules");
        tollgate.write_rules(PLAIN);
        ready(&tollgate).await;
        assert_eq!(code(&tollgate, &["fixed", "fixed"]).await, Code::Ok);
        tollgate.write_rules(rules);
        tollgate.wait_for_log("the former ones stay in force");
        assert_eq!(code(&tollgate, &["fixed", "fixed"]).await, Code::Ok);
    }
    let mut stop = one().env("STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT", "true").spawn();
    assert_eq!(stop.exit().code(), Some(2));
    let logged = stop.wait_for_log("REDIS_KEYS_PER_CALL");
    assert!(
        logged.contains("STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT") && logged.contains("REDIS_KEYS_PER_CALL"),
        "{logged}"
    );
}

#[tokio::test]
async fn with_auto_they_make_it_unready_and_use_their_failure_mode_until_the_rules_change() {
    let shards = Shards::start(Kind::Envoy).await;
    let tollgate = shards.service().rules(LIMITS).start();
    let logged = unready(&tollgate, "several rate_limits").await;
    assert!(logged.contains("rules.yaml:4") && logged.contains("REDIS_KEYS_PER_CALL"), "{logged}");
    assert_eq!(code(&tollgate, &["fixed", "fixed"]).await, Code::Ok, "others are counted");
    assert_eq!(code(&tollgate, &["several"]).await, Code::Unavailable);
    assert_eq!(shards.sizes().iter().sum::<usize>(), 2, "nothing of it was charged");
    assert_eq!(health::page(&tollgate, "/healthcheck").await.0, 200, "a restart would not help");
    tollgate.wait_for_log("a request that is all or nothing was not counted");
    let page = http::Client::new().get(tollgate.address("metrics"), "/metrics").await.body;
    assert!(page.contains("tollgate_redis_errors_total{kind=\"divided\"} 1"), "{page}");

    // the former rules stay, because the new ones are rejected from now on
    tollgate.write_rules(ATOMIC);
    tollgate.wait_for_log("rules are refused");
    unready(&tollgate, "several rate_limits").await;
    tollgate.write_rules(PLAIN);
    ready(&tollgate).await;
    assert_eq!(code(&tollgate, &["fixed", "fixed"]).await, Code::Ok);
}

#[tokio::test]
async fn with_auto_a_setting_that_makes_all_requests_atomic_makes_it_unready() {
    let shards = Shards::start(Kind::Twemproxy).await;
    let tollgate = shards.service().env("STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT", "true").start();
    unready(&tollgate, "STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT is true").await;
    assert_eq!(code(&tollgate, &["fixed"]).await, Code::Ok, "one counter is always atomic");
    assert_eq!(code(&tollgate, &["fixed", "sliding"]).await, Code::Unavailable);
    let allow =
        shards.service().env("STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT", "true").env("FAILURE_MODE", "allow").start();
    unready(&allow, "STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT is true").await;
    assert_eq!(code(&allow, &["fixed", "sliding"]).await, Code::Ok, "by its failure mode");
}
