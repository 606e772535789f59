//! Rules beyond the reference's, in the whole program: over gRPC, in `/rlconfig` and in the metrics.
#![allow(clippy::panic, missing_docs)]

mod support;

use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use support::{
    eventually,
    http::Client,
    process::{Builder, Tollgate},
    rls::{ask, client, request},
};

/// Windows of a year, which do not turn meanwhile.
const VALUES: &str = r"
domain: edge
descriptors:
  - key: ip
    cidr: [10.0.0.0/8, 'fd00::/8']
    share_threshold: true
    rate_limit: {unit: year, requests_per_unit: 2}
  - key: ip
    cidr: 10.1.0.0/16
    rate_limit: {unit: year, requests_per_unit: 1}
  - key: path
    regex: '/v\d+/.*'
    rate_limit: {unit: year, requests_per_unit: 1}
  - key: method
    values: [POST, PUT]
    share_threshold: true
    rate_limit: {unit: year, requests_per_unit: 2}
";

#[tokio::test]
async fn networks_regexes_and_lists_are_enforced_and_counted_by_rule() {
    let tollgate = Tollgate::with_rules(VALUES);
    let mut rls = client(tollgate.address("grpc"));
    let over = Code::OverLimit;
    for (key, value, code) in [
        ("ip", "10.9.9.1", Code::Ok),
        ("ip", "::ffff:10.9.9.2", Code::Ok),
        ("ip", "fd00::3", over),
        ("ip", "10.1.0.1", Code::Ok),
        ("ip", "10.1.0.1", over),
        ("ip", "10.1.0.2", Code::Ok),
        ("ip", "11.0.0.1", Code::Ok),
        ("path", "/v1/a", Code::Ok),
        ("path", "/v1/a", over),
        ("path", "/v2/a", Code::Ok),
        ("path", "/x/v1/a", Code::Ok),
        ("path", "/x/v1/a", Code::Ok),
        ("method", "POST", Code::Ok),
        ("method", "PUT", Code::Ok),
        ("method", "POST", over),
        ("method", "GET", Code::Ok),
    ] {
        let answer = ask(&mut rls, request("edge", &[&[(key, value)]])).await;
        assert_eq!(answer.overall_code(), code, "{key}={value}");
    }
    let http = Client::new();
    let config = http.get(tollgate.address("debug"), "/rlconfig").await.body;
    for line in [
        "edge.ip_10.0.0.0/8|fd00::/8: unit=YEAR requests_per_unit=2, shadow_mode: false, quota_mode: false",
        r"edge.path_/v\d+/.*: unit=YEAR requests_per_unit=1, shadow_mode: false, quota_mode: false",
        "edge.method_POST|PUT: unit=YEAR requests_per_unit=2, shadow_mode: false, quota_mode: false",
    ] {
        assert!(config.lines().any(|other| other == line), "no {line} in\n{config}");
    }
    let metrics = http.get(tollgate.address("metrics"), "/metrics").await.body;
    for (key1, hits) in
        [("ip_10.0.0.0/8|fd00::/8", 3), ("ip_10.1.0.0/16", 3), (r"path_/v\\d+/.*", 3), ("method_POST|PUT", 3)]
    {
        let series = format!("ratelimit_service_rate_limit_total_hits{{domain=\"edge\",key1=\"{key1}\"}} {hits}");
        assert!(metrics.lines().any(|line| line == series), "no {series}");
    }
    assert!(!metrics.contains("10.9.9"), "no value is in a label");
}

const CALENDAR: &str = "
domain: plan
descriptors:
  - key: account
    rate_limit: {unit: day, requests_per_unit: 3, calendar: true, time_zone: Europe/Berlin}
  - key: quarter
    rate_limit: {unit: month, unit_multiplier: 3, requests_per_unit: 3, calendar: true, time_zone: America/New_York}
";

/// Over the midnight before clocks are put forward, in a process that has its time zones with it: the machine's are hidden.
#[tokio::test]
async fn a_day_ends_at_local_midnight_and_the_next_one_has_23_hours() {
    let tollgate = Builder::new()
        .rules(CALENDAR)
        .clock("@2026-03-28 22:59:40")
        .env("TZDIR", "/nonexistent")
        .env("BACKEND_TYPE", "memory")
        .start();
    let mut rls = client(tollgate.address("grpc"));
    let mut take = async |key: &str, hits: u32| {
        let mut charge = request("plan", &[&[(key, "a")]]);
        charge.hits_addend = hits;
        let mut answer = ask(&mut rls, charge).await;
        let status = answer.statuses.remove(0);
        let reset = status.duration_until_reset.expect("a reset").seconds;
        (answer.overall_code(), status.limit_remaining, reset)
    };
    let (code, left, reset) = take("account", 3).await;
    assert_eq!((code, left), (Code::Ok, 0));
    assert!(reset <= 20, "{reset} s to midnight: did the program take 20 s to start?");
    let next = eventually("the next day", async || {
        let answer = take("account", 1).await;
        (answer.0 == Code::Ok).then_some(answer)
    })
    .await;
    let (_, left, reset) = next;
    assert_eq!(left, 2);
    assert!((80_000..=23 * 3600).contains(&reset), "{reset} s to the end of a day of 23 hours");
    let (_, _, reset) = take("quarter", 1).await;
    // to April 1st, 04:00 UTC
    assert!((270_000..=277_810).contains(&reset), "{reset} s to the end of the quarter");

    let config = Client::new().get(tollgate.address("debug"), "/rlconfig").await.body;
    for line in [
        "plan.account: unit=DAY requests_per_unit=3, shadow_mode: false, quota_mode: false, calendar: true, time_zone: \
         Europe/Berlin",
        "plan.quarter: unit=MONTH requests_per_unit=3, shadow_mode: false, quota_mode: false, unit_multiplier: 3, \
         calendar: true, time_zone: America/New_York",
    ] {
        assert!(config.lines().any(|other| other == line), "no {line} in\n{config}");
    }
}
