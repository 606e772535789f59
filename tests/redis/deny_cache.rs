//! The deny cache in the complete program: fewer calls to Redis, and the same answers and statistics.

use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;

use testkit::redis::Redis;
use testkit::{
    http,
    process::Tollgate,
    rls::{ask, client, request},
};

const RULES: &str = "
domain: d
descriptors:
  - {key: enforced, rate_limit: {unit: year, requests_per_unit: 2}}
  - {key: shadowed, shadow_mode: true, rate_limit: {unit: year, requests_per_unit: 2}}
";

fn start(redis: &Redis, cache: &str) -> Tollgate {
    testkit::tollgate!()
        .env("REDIS_URL", format!("redis://127.0.0.1:{}", redis.port))
        .env("REDIS_TIMEOUT", "10s")
        .env("LOCAL_CACHE_SIZE_IN_BYTES", cache)
        .rules(RULES)
        .start()
}

/// `name{key1="…"}` of a scrape.
async fn metric(tollgate: &Tollgate, name: &str, key: &str) -> f64 {
    let page = http::Client::new().get(tollgate.address("metrics"), "/metrics").await.body;
    let mut lines = page.lines().filter(|line| {
        line.split_once('{').is_some_and(|(start, _)| start == name) && line.contains(&format!("key1=\"{key}\""))
    });
    lines.next().map_or(0.0, |line| line.rsplit(' ').next().expect("a value").parse().expect("a number"))
}

const HITS: u32 = 50;

/// Whether each of the hits passed, and how many calls Redis got.
async fn hits(redis: &Redis, tollgate: &Tollgate, key: &str) -> (Vec<Code>, u64) {
    let asked = || redis.calls("evalsha") + redis.calls("eval") + redis.calls("incrby");
    let mut rls = client(tollgate.address("grpc"));
    let (mut codes, before) = (Vec::new(), asked());
    for _ in 0..HITS {
        codes.push(ask(&mut rls, request("d", &[&[(key, "v")]])).await.overall_code());
    }
    (codes, asked() - before)
}

#[tokio::test]
async fn it_saves_calls_and_changes_no_answer_and_no_total() {
    for cache in ["1000000", "0"] {
        let redis = Redis::start(&[]);
        let tollgate = start(&redis, cache);
        tollgate.connected_to_redis().await;
        let mut expected = vec![Code::Ok; 2];
        expected.resize(HITS as usize, Code::OverLimit);

        let (codes, asked) = hits(&redis, &tollgate, "enforced").await;
        assert_eq!(codes, expected);
        let (passed, asked_in_shadow) = hits(&redis, &tollgate, "shadowed").await;
        assert_eq!(passed, [Code::Ok; HITS as usize]);

        for (key, asked, shadow) in [("enforced", asked, 0.0), ("shadowed", asked_in_shadow, f64::from(HITS - 2))] {
            let value = |name: &'static str| metric(&tollgate, name, key);
            assert_eq!(value("ratelimit_service_rate_limit_total_hits").await, f64::from(HITS), "{key}");
            assert_eq!(value("ratelimit_service_rate_limit_over_limit").await, f64::from(HITS - 2), "{key}");
            assert_eq!(value("ratelimit_service_rate_limit_shadow_mode").await, shadow, "{key}");
            let local = value("ratelimit_service_rate_limit_over_limit_with_local_cache").await;
            // each hit was sent to Redis or answered from the cache
            assert_eq!(asked + local as u64, u64::from(HITS), "{key}");
            assert_eq!(local > 0.0, cache != "0", "{key}");
        }
        // also under the names of the reference's cache
        let page = http::Client::new().get(tollgate.address("metrics"), "/metrics").await.body;
        let value = |name: &str| {
            let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.map(|value| value.parse::<u64>().expect("a number"))
        };
        let of_cache = |name: &str| value(&format!("ratelimit_localcache_{name}"));
        if cache == "0" {
            assert!(!page.contains("ratelimit_localcache_"), "{page}");
            continue;
        }
        let hits = value("tollgate_deny_cache_hits_total").expect("a cache");
        assert_eq!(of_cache("hitCount"), Some(hits));
        assert_eq!(of_cache("lookupCount"), Some(2 * u64::from(HITS)));
        assert_eq!(of_cache("missCount"), Some(2 * u64::from(HITS) - hits));
        assert_eq!(of_cache("entryCount"), value("tollgate_deny_cache_entries"));
        for name in ["evacuateCount", "expiredCount", "overwriteCount"] {
            assert!(of_cache(name).is_some(), "{name}");
        }
    }
}
