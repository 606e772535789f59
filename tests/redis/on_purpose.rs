//! Rows of "What differs on purpose" in docs/drop-in.md that no other test covers, each with the reference's behaviour.

use envoy_types::pb::{
    envoy::service::ratelimit::v3::{RateLimitResponse, rate_limit_response::Code},
    google::protobuf::{Value, value::Kind},
};

use testkit::redis::Redis;
use testkit::{
    pages::page,
    process::Tollgate,
    rls::{ask, client, request},
};

const RULES: &str = r#"
domain: d
descriptors:
  - {key: day, rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: free, rate_limit: {unlimited: true}}
  - {key: most, rate_limit: {unit: year, requests_per_unit: 4294967295}}
  - {key: "na:me|x", rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: ip_10.0.0.1, rate_limit: {unit: day, requests_per_unit: 1}}
  - key: two
    value: levels
    descriptors: [{key: over, rate_limit: {unit: year, requests_per_unit: 1}}]
  - key: told
    rate_limit: {unit: day, requests_per_unit: 10}
    metadata: {n: 1, nest: {n: 1, yes: 2, 5: 3, 0x10: 4, 010: 5, ~: 6, 1e3: 7, 2024-01-01: 8, "on": 9}}
"#;

async fn hit(tollgate: &Tollgate, pairs: &[(&str, &str)]) -> RateLimitResponse {
    ask(&mut client(tollgate.address("grpc")), request("d", &[pairs])).await
}

fn field<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value.kind.as_ref()? {
        Kind::StructValue(fields) => fields.fields.get(name),
        _ => None,
    }
}

/// In the reference, keys below the first level become what YAML 1.1 reads: `false`, `true`, `5`, `16`, `8`, `<nil>`,
/// `1000`.
#[tokio::test]
async fn keys_inside_metadata_stay_as_they_are_written() {
    let tollgate = testkit::tollgate!().rules(RULES).env("RESPONSE_DYNAMIC_METADATA", "true").start();
    let metadata = hit(&tollgate, &[("told", "x")]).await.dynamic_metadata.expect("it is on");
    let of_rule = &metadata.fields["metadata"];
    assert!(field(of_rule, "n").is_some());
    let nested = field(of_rule, "nest").and_then(|nest| match nest.kind.as_ref()? {
        Kind::StructValue(fields) => Some(fields.fields.keys().map(String::as_str).collect::<Vec<_>>()),
        _ => None,
    });
    let mut keys = nested.expect("a map");
    keys.sort_unstable();
    assert_eq!(keys, ["010", "0x10", "1e3", "2024-01-01", "5", "n", "on", "yes", "~"]);
}

/// In the reference, a limit with 4294967295 remaining has no header, because it looks for a smaller number.
#[tokio::test]
async fn headers_report_every_limit_and_nothing_unlimited() {
    let tollgate = testkit::tollgate!().rules(RULES).env("LIMIT_RESPONSE_HEADERS_ENABLED", "true").start();
    let mut rls = client(tollgate.address("grpc"));
    let mut look = request("d", &[&[("most", "x")]]);
    look.descriptors[0].hits_addend = Some(envoy_types::pb::google::protobuf::UInt64Value { value: 0 });
    let headers = ask(&mut rls, look).await.response_headers_to_add;
    let values: Vec<_> = headers.iter().map(|header| header.value.as_str()).collect();
    assert_eq!(values[..2], ["4294967295", "4294967295"]);
    assert!(hit(&tollgate, &[("free", "x")]).await.response_headers_to_add.is_empty());
    // next to a limit, an unlimited rule is not reported
    let both = ask(&mut rls, request("d", &[&[("free", "x")], &[("day", "x")]])).await;
    assert_eq!(both.response_headers_to_add[0].value, "1");
}

/// In the reference, `:`, `|` and the dots of an IPv4 address are replaced by `_`.
#[tokio::test]
async fn names_are_unchanged_in_metrics_and_rlconfig_shows_unlimited_rules() {
    let tollgate = testkit::tollgate!().rules(RULES).start();
    hit(&tollgate, &[("na:me|x", "v")]).await;
    hit(&tollgate, &[("ip_10.0.0.1", "v")]).await;
    let metrics = page(&tollgate, "metrics", "/metrics").await;
    for key in ["na:me|x", "ip_10.0.0.1"] {
        let series = format!("ratelimit_service_rate_limit_total_hits{{domain=\"d\",key1=\"{key}\"}} 1");
        assert!(metrics.lines().any(|line| line == series), "no {series} in\n{metrics}");
    }
    let rules = page(&tollgate, "debug", "/rlconfig").await;
    let line = "d.free: unit=UNKNOWN requests_per_unit=0, shadow_mode: false, quota_mode: false, unlimited: true";
    assert!(rules.lines().any(|one| one == line), "{rules}");
    assert!(
        rules.lines().any(|one| one == "d.day: unit=DAY requests_per_unit=1, shadow_mode: false, quota_mode: false")
    );
}

/// In the reference, the cache answers such requests too. With two levels each of its denials counts twice in
/// `over_limit`, and `over_limit_with_local_cache` contains the rule's name.
#[tokio::test]
async fn the_cache_counts_once_and_is_not_used_for_atomic_requests() {
    for (stop, answered_by_cache) in [("false", true), ("true", false)] {
        let redis = Redis::start(&[]);
        let tollgate = testkit::tollgate!()
            .rules(RULES)
            .env("REDIS_URL", format!("redis://127.0.0.1:{}", redis.port))
            .env("REDIS_TIMEOUT", "10s")
            .env("LOCAL_CACHE_SIZE_IN_BYTES", "1000000")
            .env("STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT", stop)
            .start();
        tollgate.connected_to_redis().await;
        for at in 0..20 {
            let answer = hit(&tollgate, &[("two", "levels"), ("over", "x")]).await;
            assert_eq!(answer.overall_code(), if at == 0 { Code::Ok } else { Code::OverLimit });
        }
        let metrics = page(&tollgate, "metrics", "/metrics").await;
        let of = |name: &str| {
            let series = format!("{name}{{domain=\"d\",key1=\"two_levels\",key2=\"over\"}} ");
            metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse::<u64>().ok())
        };
        assert_eq!(of("ratelimit_service_rate_limit_over_limit"), Some(19), "STOP={stop}");
        let local = of("ratelimit_service_rate_limit_over_limit_with_local_cache").expect("a series like the others");
        assert_eq!(local > 0, answered_by_cache, "STOP={stop}");
    }
}
