//! A real Envoy in front: HTTP requests in, 200 and 429 with headers out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use serde_json::json;
use testkit::{
    envoy::{Config, Envoy},
    eventually,
    http::Client,
    process::Tollgate,
    upstream::Upstream,
};

const RULES: &str = r#"
domain: edge
descriptors:
  - key: path
    value: /ten
    rate_limit: {unit: year, requests_per_unit: 10}
  - key: user
    value: bob
    rate_limit: {unit: year, requests_per_unit: 1}
  - key: user
    rate_limit: {unit: year, requests_per_unit: 3}
  - key: tenant
    value: acme
    descriptors:
      - key: role
        value: guest
        rate_limit: {unit: year, requests_per_unit: 2}
"#;

fn actions() -> serde_json::Value {
    let header = |name: &str, key: &str| json!({"request_headers": {"header_name": name, "descriptor_key": key}});
    json!([
        {"actions": [header(":path", "path")]},
        {"actions": [header("x-user", "user")]},
        {"actions": [header("x-tenant", "tenant"), header("x-role", "role")]},
    ])
}

async fn envoy(tollgate: &Tollgate, upstream: &Upstream, failure_mode_deny: bool) -> Envoy {
    Envoy::start(&Config {
        tollgate: tollgate.address("grpc"),
        upstream: upstream.address,
        domain: "edge",
        failure_mode_deny,
        rate_limits: actions(),
        timeout: "60s",
    })
    .await
}

#[tokio::test]
async fn the_eleventh_request_is_a_429() {
    let tollgate = testkit::tollgate!().rules(RULES).env("LIMIT_RESPONSE_HEADERS_ENABLED", "true").start();
    let upstream = Upstream::start().await;
    let envoy = envoy(&tollgate, &upstream, false).await;
    let client = Client::new();
    for n in 1..=12_u32 {
        let answer = client.get(envoy.address, "/ten").await;
        let expected = if n <= 10 { 200 } else { 429 };
        assert_eq!(answer.status, expected, "request {n}: {answer:?}");
        let left = 10_u32.saturating_sub(n).to_string();
        // Envoy's own headers, made from the statuses
        assert_eq!(answer.header("x-ratelimit-limit"), Some("10, 10;w=31536000"), "{answer:?}");
        assert_eq!(answer.header("x-ratelimit-remaining"), Some(left.as_str()));
        // our header, which Envoy forwards
        assert_eq!(answer.header("ratelimit-limit"), Some("10"), "{answer:?}");
        assert_eq!(answer.header("ratelimit-remaining"), Some(left.as_str()));
        assert_eq!(answer.header("x-envoy-ratelimited"), (n > 10).then_some("true"));
    }
    assert_eq!(client.get(envoy.address, "/other").await.status, 200, "another path has no rule");
}

#[tokio::test]
async fn rules_by_header_and_nested_descriptors() {
    let tollgate = testkit::tollgate!(RULES);
    let upstream = Upstream::start().await;
    let envoy = envoy(&tollgate, &upstream, false).await;
    let client = Client::new();
    let statuses = async |headers: &[(&str, &str)], times: usize| {
        let mut statuses = Vec::new();
        for _ in 0..times {
            statuses.push(client.get_with(envoy.address, "/any", headers).await.status.as_u16());
        }
        statuses
    };
    assert_eq!(statuses(&[("x-user", "bob")], 2).await, [200, 429]);
    assert_eq!(statuses(&[("x-user", "ann")], 4).await, [200, 200, 200, 429]);
    assert_eq!(statuses(&[("x-user", "eve")], 1).await, [200], "each value has a counter of its own");
    assert_eq!(statuses(&[("x-tenant", "acme"), ("x-role", "guest")], 3).await, [200, 200, 429]);
    assert_eq!(statuses(&[("x-tenant", "acme"), ("x-role", "owner")], 3).await, [200; 3]);
    assert_eq!(statuses(&[("x-tenant", "acme")], 3).await, [200; 3], "Envoy sends no half descriptor");
}

#[tokio::test]
async fn without_tollgate_envoys_failure_mode_applies() {
    let upstream = Upstream::start().await;
    let mut tollgate = testkit::tollgate!(RULES);
    let (open, closed) = (envoy(&tollgate, &upstream, false).await, envoy(&tollgate, &upstream, true).await);
    let client = Client::new();
    for envoy in [&open, &closed] {
        assert_eq!(client.get(envoy.address, "/ten").await.status, 200);
    }
    tollgate.kill();
    assert_eq!(client.get(open.address, "/ten").await.status, 200);
    assert_eq!(client.get(closed.address, "/ten").await.status, 500);
}

/// The example of the README, changed only in its ports.
#[tokio::test]
async fn the_example_limits() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let tollgate = testkit::tollgate!().env("RULES", root.join("config/rules")).start();
    let envoy = Envoy::run("envoy.yaml", &testkit::envoy::example(tollgate.address("grpc"))).await;
    let client = Client::new();
    let minute = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock past 1970").as_secs() / 60;
    // ten per minute, and a minute may end meanwhile
    let (began, mut passed) = (minute(), 0);
    let refused = loop {
        let answer = client.get(envoy.address, "/hello").await;
        if answer.status != 200 {
            break answer;
        }
        assert_eq!(answer.body, "hello\n");
        passed += 1;
        assert!(passed <= 10 * (minute() - began + 1), "nothing is denied");
    };
    assert_eq!(refused.status, 429);
    assert!(passed >= 10, "{passed}");
}

/// The results of a load through Envoy.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    sent: AtomicU64,
    failed: AtomicU64,
}

fn rules_with(limit: u32) -> String {
    format!(
        "domain: edge\ndescriptors: [{{key: path, value: /flip, rate_limit: {{unit: year, requests_per_unit: {limit}}}}}]\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_reloads_under_load_change_the_outcome_and_fail_no_request() {
    let tollgate = testkit::tollgate!(&rules_with(0));
    let upstream = Upstream::start().await;
    // with failure_mode_deny a failed call would be a 500
    let envoy = envoy(&tollgate, &upstream, true).await;
    let load = Arc::new(Load::default());
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (load, address) = (Arc::clone(&load), envoy.address);
            tokio::spawn(async move {
                let client = Client::new();
                while !load.stop.load(Ordering::Relaxed) {
                    let answer = client.send(hyper::Method::GET, address, "/flip", &[], "").await;
                    load.sent.fetch_add(1, Ordering::Relaxed);
                    if !matches!(&answer, Ok(answer) if answer.status == 200 || answer.status == 429) {
                        load.failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();

    let client = Client::new();
    for reload in 1..=100 {
        let (limit, expected) = if reload % 2 == 0 { (0, 429) } else { (4_000_000_000, 200) };
        tollgate.write_rules(&rules_with(limit));
        eventually(&format!("reload {reload} to answer {expected}"), async || {
            (client.get(envoy.address, "/flip").await.status == expected).then_some(())
        })
        .await;
    }
    eventually("a thousand requests", async || (load.sent.load(Ordering::Relaxed) > 1000).then_some(())).await;
    load.stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.expect("the load runs to its end");
    }
    let (sent, failed) = (load.sent.load(Ordering::Relaxed), load.failed.load(Ordering::Relaxed));
    println!("100 reloads under load: {sent} requests sent, {failed} failed");
    assert_eq!(failed, 0, "of {sent}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_age_out_under_load_and_fail_no_request() {
    let tollgate = testkit::tollgate!()
        .rules(&rules_with(4_000_000_000))
        .env("GRPC_MAX_CONNECTION_AGE", "500ms")
        .env("GRPC_MAX_CONNECTION_AGE_GRACE", "2m")
        .start();
    let upstream = Upstream::start().await;
    let envoy = envoy(&tollgate, &upstream, true).await;
    let client = Client::new();
    let mut sent = 0;
    eventually("five connections to a server that ages them out twice a second", async || {
        for _ in 0..50 {
            assert_eq!(client.get(envoy.address, "/flip").await.status, 200, "request {sent}");
            sent += 1;
        }
        let stats = client.get(envoy.admin, "/stats?filter=cluster.tollgate.upstream_cx_total").await.body;
        let connections: u64 = stats.trim().rsplit(' ').next().and_then(|n| n.parse().ok()).expect("a count");
        (connections >= 5).then_some(())
    })
    .await;
    println!("connections aged out under load: {sent} requests, 0 failed");
}

/// A look before each request, and its cost at the end of the stream, as in docs/algorithms.md. Envoy 1.40 supports
/// `hits_addend` in the filter's per-route configuration, but not in the `rate_limits` of the route itself.
#[tokio::test]
async fn late_costs_use_up_a_budget() {
    for stop in ["false", "true"] {
        use_up_a_budget(stop).await;
    }
}

async fn use_up_a_budget(stop: &str) {
    const RULE: &str = "unit: year, requests_per_unit: 12";
    let rules = format!(
        "domain: edge
descriptors:
  - {{key: fixed, rate_limit: {{{RULE}}}}}
  - {{key: sliding, rate_limit: {{{RULE}, algorithm: sliding_window, count_denied: true}}}}
  - {{key: bucket, rate_limit: {{{RULE}, algorithm: token_bucket, count_denied: true}}}}
  - {{key: forgetful, rate_limit: {{{RULE}, algorithm: token_bucket}}}}
"
    );
    let tollgate = testkit::tollgate!().rules(&rules).env("STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT", stop).start();
    let upstream = Upstream::start().await;
    let client = Client::new();
    for key in ["fixed", "sliding", "bucket", "forgetful"] {
        let envoy = Envoy::run("envoy.json", &late_costs(&tollgate, &upstream, key).to_string()).await;
        // a response arrives before its cost is charged
        let charged = async |units: u64| {
            let series = format!("ratelimit_service_rate_limit_total_hits{{domain=\"edge\",key1=\"{key}\"}} {units}");
            eventually(&series, async || {
                let page = client.get(tollgate.address("metrics"), "/metrics").await.body;
                page.lines().any(|line| line == series).then_some(())
            })
            .await;
        };
        let mut statuses = Vec::new();
        for n in 1..=6_u64 {
            statuses.push(client.get_with(envoy.address, "/any", &[("x-user", "ann")]).await.status.as_u16());
            charged(5 * n).await;
        }
        let other = client.get_with(envoy.address, "/any", &[("x-user", "eve")]).await.status;
        let expected = if key == "forgetful" { [200; 6] } else { [200, 200, 200, 429, 429, 429] };
        println!("late costs of 5 under 12 behind Envoy, {key}, STOP {stop}: {statuses:?}");
        assert_eq!((statuses.as_slice(), other.as_u16()), (&expected[..], 200), "{key}");
    }
    tollgate.wait_for_log("without count_denied is checked without charging");
}

/// An Envoy that looks before a request and charges 5 after it.
fn late_costs(tollgate: &Tollgate, upstream: &Upstream, key: &str) -> serde_json::Value {
    let mut bootstrap = testkit::envoy::bootstrap(&Config {
        tollgate: tollgate.address("grpc"),
        upstream: upstream.address,
        domain: "edge",
        failure_mode_deny: true,
        rate_limits: json!([]),
        timeout: "60s",
    });
    let actions = json!([{"request_headers": {"header_name": "x-user", "descriptor_key": key}}]);
    let connections = &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0];
    let route = &mut connections["typed_config"]["route_config"]["virtual_hosts"][0]["routes"][0];
    route["typed_per_filter_config"] = json!({"envoy.filters.http.ratelimit": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute",
        "rate_limits": [
            {"actions": actions, "hits_addend": {"number": 0}},
            {"actions": actions, "hits_addend": {"number": 5}, "apply_on_stream_done": true},
        ],
    }});
    bootstrap
}
