//! The HTTP pages: `/json`, health, the debug pages, and the metrics with their names and arithmetic.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use testkit::{
    health,
    http::{Answer, Client},
    process::Tollgate,
    rls::{ask, client, request},
};

const RULES: &str = r#"
domain: d
descriptors:
  - key: k
    rate_limit: {unit: year, requests_per_unit: 10, name: ten}
  - key: one
    rate_limit: {unit: year, requests_per_unit: 1}
  - key: free
    rate_limit: {unlimited: true}
  - key: day
    value: v
    shadow_mode: true
    rate_limit: {unit: day, requests_per_unit: 2}
  - key: a
    value: x
    descriptors:
      - key: b
        descriptors:
          - key: c
            value: z
            rate_limit: {unit: year, requests_per_unit: 5}
  - key: detailed
    detailed_metric: true
    rate_limit: {unit: year, requests_per_unit: 5}
  - key: valued
    value_to_metric: true
    descriptors:
      - key: plain
        rate_limit: {unit: year, requests_per_unit: 5}
  - key: shared
    value: img*
    share_threshold: true
    rate_limit: {unit: year, requests_per_unit: 5}
"#;

async fn json(tollgate: &Tollgate, body: &str) -> Answer {
    Client::new().post(tollgate.address("http"), "/json", body).await
}

/// Calls `/json` for one descriptor with these hits; returns the HTTP status.
async fn hit(tollgate: &Tollgate, entries: &[(&str, &str)], hits: u32) -> u16 {
    let entries: Vec<Value> = entries.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    let body = json!({"domain": "d", "descriptors": [{"entries": entries}], "hitsAddend": hits});
    json(tollgate, &body.to_string()).await.status.as_u16()
}

async fn page(tollgate: &Tollgate, listener: &str, path: &str) -> String {
    let answer = Client::new().get(tollgate.address(listener), path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body
}

fn value(metrics: &str, series: &str) -> Option<u64> {
    metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// total_hits, within_limit, near_limit, over_limit and shadow_mode of a rule. A value never counted is 0 or absent.
fn arithmetic(metrics: &str, labels: &str) -> [u64; 5] {
    ["total_hits", "within_limit", "near_limit", "over_limit", "shadow_mode"]
        .map(|name| value(metrics, &format!("ratelimit_service_rate_limit_{name}{{{labels}}}")).unwrap_or(0))
}

#[tokio::test]
async fn json_answers_200_and_429_in_proto3_json() {
    let tollgate = testkit::tollgate!(RULES);
    let ask = r#"{"domain": "d", "descriptors": [{"entries": [{"key": "one", "value": "x"}]}]}"#;
    let ok = json(&tollgate, ask).await;
    assert_eq!((ok.status.as_u16(), ok.header("content-type")), (200, Some("application/json")));
    let mut answer: Value = serde_json::from_str(&ok.body).expect("JSON");
    let reset = answer["statuses"][0]["durationUntilReset"].take();
    let reset = reset.as_str().and_then(|text| text.strip_suffix('s')).expect("seconds");
    assert!((1..=365 * 86_400).contains(&reset.parse::<u64>().expect("whole seconds")), "{reset}");
    let limit = json!({"requestsPerUnit": 1, "unit": "YEAR"});
    let status = json!({"code": "OK", "currentLimit": limit, "durationUntilReset": null});
    assert_eq!(answer, json!({"overallCode": "OK", "statuses": [status]}), "a remaining of 0 is left out");

    let over = json(&tollgate, ask).await;
    assert_eq!(over.status, 429);
    let answer: Value = serde_json::from_str(&over.body).expect("JSON");
    assert_eq!((&answer["overallCode"], &answer["statuses"][0]["code"]), (&json!("OVER_LIMIT"), &json!("OVER_LIMIT")));

    // any method is accepted, as in the reference
    let client = Client::new();
    let got = client.send(hyper::Method::GET, tollgate.address("http"), "/json", &[], ask).await.expect("an answer");
    assert_eq!(got.status, 429);
}

#[tokio::test]
async fn json_takes_both_spellings_and_numbers_as_text() {
    let tollgate = testkit::tollgate!(RULES);
    let mut left = Vec::new();
    for hits in [
        r#""hitsAddend": 1"#,
        r#""hits_addend": 1"#,
        r#""hitsAddend": "1""#,
        r#""descriptors": [{"entries": [{"key": "k", "value": "v"}], "hitsAddend": "2"}]"#,
        r#""descriptors": [{"entries": [{"key": "k", "value": "v"}], "hits_addend": 2}]"#,
    ] {
        let descriptors = r#""descriptors": [{"entries": [{"key": "k", "value": "v"}]}]"#;
        let descriptors = if hits.contains("descriptors") { "" } else { &format!(", {descriptors}") };
        let answer = json(&tollgate, &format!("{{\"domain\": \"d\", {hits}{descriptors}}}")).await;
        assert_eq!(answer.status, 200, "{hits}: {}", answer.body);
        let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
        left.push(answer["statuses"][0]["limitRemaining"].as_u64());
    }
    assert_eq!(left, [Some(9), Some(8), Some(7), Some(5), Some(3)]);
}

#[tokio::test]
async fn json_rejects_with_400_and_a_reason() {
    let tollgate = testkit::tollgate!(RULES);
    let entries = r#"[{"entries": [{"key": "k", "value": "v"}]}]"#;
    for (body, why) in [
        ("not json".to_owned(), "line 1"),
        (String::new(), "EOF"),
        (format!(r#"{{"domain": "d", "descriptors": {entries}}} more"#), "trailing"),
        (format!(r#"{{"domain": "d", "bogus": 1, "descriptors": {entries}}}"#), "bogus"),
        (format!(r#"{{"domain": 7, "descriptors": {entries}}}"#), "expected"),
        (format!(r#"{{"domain": "", "descriptors": {entries}}}"#), "domain must not be empty"),
        (r#"{"domain": "d"}"#.to_owned(), "descriptor list must not be empty"),
    ] {
        let answer = json(&tollgate, &body).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
        assert!(answer.body.starts_with("Bad Request\n") && answer.body.contains(why), "{body}: {}", answer.body);
    }
    let missing = Client::new().get(tollgate.address("http"), "/no/such/page").await;
    assert_eq!(missing.status, 404);
    assert_eq!(hit(&tollgate, &[("k", "v")], 1).await, 200, "none of it did any harm");
}

#[tokio::test]
async fn json_is_unavailable_while_no_rules_were_ever_loaded() {
    let tollgate = testkit::tollgate!("domain: [");
    let answer = json(&tollgate, r#"{"domain": "d", "descriptors": [{"entries": [{"key": "k"}]}]}"#).await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("no rate limit configuration loaded"), "{}", answer.body);
    let metrics = page(&tollgate, "metrics", "/metrics").await;
    assert_eq!(value(&metrics, "ratelimit_service_should_rate_limit_error{err_type=\"service_error\"}"), Some(1));
}

#[tokio::test]
async fn health_pages_say_ok() {
    let tollgate = testkit::tollgate!(RULES);
    for path in ["/healthcheck", "/livez", "/readyz"] {
        assert_eq!(page(&tollgate, "http", path).await, "OK", "{path}");
    }
}

#[tokio::test]
async fn debug_pages_list_rules_and_statistics() {
    let tollgate = testkit::tollgate!(RULES);
    let index = page(&tollgate, "debug", "/").await;
    assert!(index.contains("/rlconfig: ") && index.contains("/stats: "), "{index}");
    let rules = page(&tollgate, "debug", "/rlconfig").await;
    for line in [
        "d.k: unit=YEAR requests_per_unit=10, shadow_mode: false, quota_mode: false",
        "d.day_v: unit=DAY requests_per_unit=2, shadow_mode: true, quota_mode: false",
        "d.a_x.b.c_z: unit=YEAR requests_per_unit=5, shadow_mode: false, quota_mode: false",
    ] {
        assert!(rules.lines().any(|found| found == line), "no '{line}' in\n{rules}");
    }
    assert_eq!(rules.lines().count(), 8, "{rules}");

    assert_eq!(hit(&tollgate, &[("k", "v")], 11).await, 429);
    let stats = page(&tollgate, "debug", "/stats").await;
    for line in ["ratelimit.service.rate_limit.d.k.total_hits: 11", "ratelimit.service.rate_limit.d.k.over_limit: 1"] {
        assert!(stats.lines().any(|found| found == line), "no '{line}' in\n{stats}");
    }
}

#[tokio::test]
async fn near_and_over_the_limit_are_split_as_in_the_reference() {
    let tollgate = testkit::tollgate!(RULES);
    // limit 10, near from 8
    let labels = r#"domain="d",key1="k""#;
    for (hits, status, expected) in
        [(7, 200, [7, 7, 0, 0, 0]), (2, 200, [9, 9, 1, 0, 0]), (1, 200, [10, 10, 2, 0, 0]), (3, 429, [13, 10, 2, 3, 0])]
    {
        assert_eq!(hit(&tollgate, &[("k", "v")], hits).await, status);
        assert_eq!(arithmetic(&page(&tollgate, "metrics", "/metrics").await, labels), expected, "after {hits}");
    }
    // beyond both thresholds at once, on a counter of its own: 8 to 10 is near, 10 to 12 over
    assert_eq!(hit(&tollgate, &[("k", "w")], 12).await, 429);
    assert_eq!(arithmetic(&page(&tollgate, "metrics", "/metrics").await, labels), [25, 10, 4, 5, 0]);
    // over, and allowed by shadow mode
    assert_eq!(hit(&tollgate, &[("day", "v")], 5).await, 200);
    let shadow = arithmetic(&page(&tollgate, "metrics", "/metrics").await, r#"domain="d",key1="day_v""#);
    assert_eq!((shadow[0], shadow[3], shadow[4]), (5, 3, 3), "{shadow:?}");
}

#[tokio::test]
async fn series_are_named_after_rules_or_on_request_after_values() {
    let tollgate = testkit::tollgate!(RULES);
    for entries in [
        &[("a", "x"), ("b", "y"), ("c", "z")][..],
        &[("detailed", "one.two")],
        &[("valued", "v1"), ("plain", "p1")],
        &[("shared", "img7")],
        &[("free", "f")],
    ] {
        assert_eq!(hit(&tollgate, entries, 1).await, 200);
    }
    let metrics = page(&tollgate, "metrics", "/metrics").await;
    for labels in [
        r#"domain="d",key1="a_x",key2="b",key3="c_z""#,
        r#"domain="d",key1="detailed_one.two""#,
        r#"domain="d",key1="valued_v1",key2="plain""#,
        r#"domain="d",key1="shared_img*""#,
    ] {
        assert_eq!(arithmetic(&metrics, labels), [1, 1, 0, 0, 0], "{labels} in\n{metrics}");
    }
    assert!(!metrics.contains("key1=\"free"), "an unlimited rule counts nothing");
}

#[tokio::test]
async fn series_made_by_requests_are_bounded() {
    let tollgate = testkit::tollgate!().rules(RULES).env("MAX_METRIC_SERIES", "3").start();
    for value in 0..10 {
        assert_eq!(hit(&tollgate, &[("detailed", &value.to_string())], 1).await, 200);
    }
    let metrics = page(&tollgate, "metrics", "/metrics").await;
    let hits = |line: &&str| line.starts_with("ratelimit_service_rate_limit_total_hits{domain=\"d\",key1=\"detailed_");
    let own = metrics.lines().filter(hits).count() as u64;
    assert!((1..=3).contains(&own), "{metrics}");
    let other = value(&metrics, r#"ratelimit_service_rate_limit_total_hits{domain="other",key1="other"}"#);
    assert_eq!(other, Some(10 - own), "{metrics}");
    assert_eq!(value(&metrics, "tollgate_metric_series_overflow_total"), Some(10 - own));
}

#[tokio::test]
async fn metrics_have_the_reference_s_names_and_promtool_accepts_them() {
    let tollgate = testkit::tollgate!(RULES);
    assert_eq!(hit(&tollgate, &[("k", "v")], 11).await, 429);
    assert_eq!(hit(&tollgate, &[("day", "v")], 5).await, 200);
    assert_eq!(json(&tollgate, r#"{"domain": ""}"#).await.status, 400);
    let unknown = r#"{"domain": "nope", "descriptors": [{"entries": [{"key": "k"}]}]}"#;
    assert_eq!(json(&tollgate, unknown).await.status, 200);
    let metrics = page(&tollgate, "metrics", "/metrics").await;
    for series in [
        r#"ratelimit_service_rate_limit_total_hits{domain="d",key1="k"} 11"#,
        r#"ratelimit_service_rate_limit_near_limit{domain="d",key1="k"} 2"#,
        r#"ratelimit_service_rate_limit_over_limit{domain="d",key1="k"} 1"#,
        r#"ratelimit_service_rate_limit_within_limit{domain="d",key1="day_v"} "#,
        r#"ratelimit_service_rate_limit_shadow_mode{domain="d",key1="day_v"} 3"#,
        r#"ratelimit_service_rate_limit_domain_not_found{domain="nope"} 1"#,
        r#"ratelimit_service_should_rate_limit_error{err_type="service_error"} 1"#,
        r#"ratelimit_service_total_requests{grpc_method="ShouldRateLimit"} 0"#,
        r#"ratelimit_service_response_time_seconds_bucket{grpc_method="ShouldRateLimit",le="0.005"} "#,
        r#"ratelimit_service_response_time_seconds_bucket{grpc_method="ShouldRateLimit",le="10"} 0"#,
        r#"ratelimit_service_response_time_seconds_count{grpc_method="ShouldRateLimit"} 0"#,
        "ratelimit_service_config_load_success 1",
        "ratelimit_service_config_load_error 0",
        "ratelimit_service_global_shadow_mode 0",
    ] {
        assert!(metrics.lines().any(|line| line.starts_with(series)), "no '{series}' in\n{metrics}");
    }

    let local = concat!(env!("CARGO_MANIFEST_DIR"), "/target/parts/bin/promtool");
    let program = if std::path::Path::new(local).exists() { local } else { "promtool" };
    let child = Command::new(program)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("promtool is missing: run tests/run.sh once, which installs it");
    child.stdin.take().expect("piped").write_all(metrics.as_bytes()).expect("promtool reads");
    let output = child.wait_with_output().expect("promtool ends");
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    // exit code 3: advice on style. The reference's counters have no `_total`, and its names are kept.
    let faults: Vec<&str> = printed.lines().filter(|line| !line.contains("should have \"_total\" suffix")).collect();
    assert_eq!(faults, Vec::<&str>::new(), "in\n{metrics}");
    assert!(matches!(output.status.code(), Some(0 | 3)), "{printed}");
}

/// As in the reference, which counts what passes its interceptor of unary gRPC calls.
#[tokio::test]
async fn calls_of_grpc_methods_are_counted_by_method_and_those_of_json_are_not() {
    let tollgate = testkit::tollgate!(RULES);
    let metrics = page(&tollgate, "metrics", "/metrics").await;
    assert!(!metrics.contains("grpc_method=\"Check\""), "{metrics}");
    assert_eq!(hit(&tollgate, &[("k", "v")], 1).await, 200);
    for _ in 0..2 {
        ask(&mut client(tollgate.address("grpc")), request("d", &[&[("k", "v")]])).await;
    }
    for service in ["ratelimit", "", "nobody"] {
        let _ = health::grpc(&tollgate, service).await;
    }
    let metrics = page(&tollgate, "metrics", "/metrics").await;
    for (method, calls) in [("ShouldRateLimit", 2), ("Check", 3)] {
        for name in ["total_requests", "response_time_seconds_count"] {
            let series = format!("ratelimit_service_{name}{{grpc_method=\"{method}\"}}");
            assert_eq!(value(&metrics, &series), Some(calls), "{series}");
        }
    }
    assert_eq!(value(&metrics, r#"tollgate_decisions_total{algorithm="fixed_window",result="ok"}"#), Some(3));
}

#[tokio::test]
async fn a_json_body_that_is_too_large_is_rejected_with_the_setting_to_change() {
    let tollgate = testkit::tollgate!().rules("domain: d").env("MAX_REQUEST_BYTES", "1000").start();
    let answer = Client::new().post(tollgate.address("http"), "/json", &" ".repeat(1001)).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.starts_with("Bad Request\n") && answer.body.contains("MAX_REQUEST_BYTES"), "{}", answer.body);
}
