//! What is answered while Redis is down, by the failure mode of the service, the domain and the rule.

use envoy_types::pb::{
    envoy::service::ratelimit::v3::{RateLimitResponse, rate_limit_response::Code},
    google::protobuf::value::Kind,
};

use testkit::{
    eventually,
    process::Tollgate,
    redis::Redis,
    rls::{ask, client, codes, request},
};
use testkit::{pages::page, scrape::metric};

const RULES: &str = "
domain: d
descriptors:
  - {key: service, rate_limit: {unit: year, requests_per_unit: 8}}
  - {key: error, rate_limit: {unit: year, requests_per_unit: 8, on_store_failure: error}}
  - {key: allow, rate_limit: {unit: year, requests_per_unit: 8, on_store_failure: allow}}
  - {key: deny, rate_limit: {unit: year, requests_per_unit: 8, on_store_failure: deny}}
  - {key: local, rate_limit: {unit: year, requests_per_unit: 8, on_store_failure: local}}
";

/// A service that was connected to its Redis, which is down now.
async fn without_redis(mode: &str) -> (Tollgate, Redis) {
    let mut redis = Redis::start(&[]);
    let tollgate = testkit::tollgate!()
        .env("REDIS_URL", format!("redis://127.0.0.1:{}", redis.port))
        .env("FAILURE_MODE", mode)
        .env("REPLICAS", "2")
        .env("RESPONSE_DYNAMIC_METADATA", "true")
        .env("LIMIT_RESPONSE_HEADERS_ENABLED", "true")
        .rules(RULES)
        .start();
    tollgate.connected_to_redis().await;
    let answer = decided(&tollgate, &["service"]).await.expect("Redis is there");
    assert!(!is_marked(&answer));
    redis.kill();
    eventually("no connection", async || {
        (metric(&tollgate, "ratelimit_redis_pool_cx_active").await == Some(0.0)).then_some(())
    })
    .await;
    (tollgate, redis)
}

async fn decided(tollgate: &Tollgate, keys: &[&str]) -> Result<RateLimitResponse, tonic::Status> {
    let descriptors: Vec<_> = keys.iter().map(|key| [(*key, "v")]).collect();
    let request = request("d", &descriptors.iter().map(|pairs| &pairs[..]).collect::<Vec<_>>());
    client(tollgate.address("grpc")).should_rate_limit(request).await.map(tonic::Response::into_inner)
}

/// Whether the answer is marked as one of a failure mode.
fn is_marked(answer: &RateLimitResponse) -> bool {
    let metadata = answer.dynamic_metadata.as_ref().expect("it was asked for");
    let in_metadata = metadata.fields.get("degraded").is_some_and(|value| value.kind == Some(Kind::BoolValue(true)));
    let header = answer.response_headers_to_add.iter().find(|header| header.key == "x-tollgate-degraded");
    assert_eq!(in_metadata, header.is_some_and(|header| header.value == "true"), "{answer:?}");
    in_metadata
}

#[tokio::test]
async fn each_mode_at_each_level() {
    for service in ["error", "allow", "deny", "local"] {
        let (tollgate, _redis) = without_redis(service).await;
        for rule in ["service", "error", "allow", "deny", "local"] {
            let answer = decided(&tollgate, &[rule]).await;
            match if rule == "service" { service } else { rule } {
                "error" => assert_eq!(answer.expect_err("no answer").code(), tonic::Code::Unavailable),
                "deny" => {
                    let answer = answer.expect("an answer");
                    assert_eq!(answer.overall_code(), Code::OverLimit);
                    assert_eq!(answer.statuses[0].limit_remaining, 0);
                    assert_eq!(answer.statuses[0].duration_until_reset.as_ref().map(|one| one.seconds), Some(1));
                    assert!(is_marked(&answer));
                }
                "allow" => {
                    let answer = answer.expect("an answer");
                    assert_eq!((answer.overall_code(), answer.statuses[0].limit_remaining), (Code::Ok, 7));
                    assert!(is_marked(&answer));
                }
                _ => {
                    // half of the limit, because there are two replicas
                    let answer = answer.expect("an answer");
                    assert_eq!((answer.overall_code(), answer.statuses[0].limit_remaining), (Code::Ok, 3));
                    assert!(is_marked(&answer));
                }
            }
        }
        let degraded = metric(&tollgate, "tollgate_degraded_hits_total{mode=\"deny\"}").await;
        assert_eq!(degraded, Some(if service == "deny" { 2.0 } else { 1.0 }));
    }
}

#[tokio::test]
async fn the_strictest_outcome_of_several_descriptors_wins() {
    let (tollgate, _redis) = without_redis("error").await;
    let answer = decided(&tollgate, &["allow", "deny", "error"]).await.expect("a denial beats a failure");
    assert_eq!(answer.overall_code(), Code::OverLimit);
    assert_eq!(codes(&answer)[..2], [Code::Ok, Code::OverLimit]);
    let status = decided(&tollgate, &["allow", "error"]).await.expect_err("a failure beats a pass");
    assert_eq!(status.code(), tonic::Code::Unavailable);
    let answer = decided(&tollgate, &["allow", "local"]).await.expect("both pass");
    assert_eq!(codes(&answer), [Code::Ok, Code::Ok]);
}

#[tokio::test]
async fn local_counts_its_share_until_redis_is_back() {
    let (tollgate, mut redis) = without_redis("local").await;
    let mut rls = client(tollgate.address("grpc"));
    let mut passed = 0;
    for _ in 0..20 {
        let answer = ask(&mut rls, request("d", &[&[("service", "v")]])).await;
        assert!(is_marked(&answer));
        passed += u32::from(answer.overall_code() == Code::Ok);
    }
    assert_eq!(passed, 4, "half of 8");
    redis.start_again();
    let answer = eventually("an answer of the store", async || {
        let answer = decided(&tollgate, &["service"]).await.expect("an answer");
        (!is_marked(&answer)).then_some(answer)
    })
    .await;
    // Redis was restarted empty: its count starts again
    assert_eq!((answer.overall_code(), answer.statuses[0].limit_remaining), (Code::Ok, 7));
}

#[tokio::test]
async fn the_breaker_shows_in_metrics_on_the_stats_page_and_once_in_the_log() {
    let (tollgate, mut redis) = without_redis("deny").await;
    let of = format!("{{redis=\"main\",address=\"127.0.0.1:{}\"}}", redis.port);
    let state = async || metric(&tollgate, &format!("tollgate_redis_breaker_state{of}")).await;
    assert_eq!(state().await, Some(0.0));
    for _ in 0..20 {
        decided(&tollgate, &["service"]).await.expect("a refusal");
    }
    assert!(state().await >= Some(1.0), "open, or half open while it is probed");
    assert_eq!(metric(&tollgate, &format!("tollgate_redis_breaker_opened_total{of}")).await, Some(1.0));
    assert!(page(&tollgate, "debug", "/stats").await.contains(&format!("127.0.0.1:{}.opened: 1\n", redis.port)));
    redis.start_again();
    eventually("a closed breaker", async || (state().await == Some(0.0)).then_some(())).await;
    let lines = ["its breaker is open", "its breaker is closed"].map(|words| tollgate.wait_for_lines(words, 1).len());
    assert_eq!(lines, [1, 1], "{:#?}", tollgate.log());
}
