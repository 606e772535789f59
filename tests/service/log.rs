//! A log that is not read blocks neither answers nor the end of the process.

use std::time::Duration;

use testkit::{
    eventually,
    health::page,
    http::Client,
    process::Tollgate,
    rls::{client, request},
};
use tokio::{task::JoinSet, time::Instant};

const RULES: &str = "domain: d\ndescriptors: [{key: k, rate_limit: {unit: year, requests_per_unit: 4000000000}}]\n";

/// Makes calls over a connection each, all of which must be answered.
async fn calls(tollgate: &Tollgate, count: usize) {
    let address = tollgate.address("grpc");
    let mut calls = JoinSet::new();
    for _ in 0..count {
        calls.spawn(async move { client(address).should_rate_limit(request("d", &[&[("k", "v")]])).await.map(drop) });
    }
    for answer in calls.join_all().await {
        answer.expect("an answer");
    }
}

async fn dropped(tollgate: &Tollgate) -> f64 {
    let page = Client::new().get(tollgate.address("metrics"), "/metrics").await.body;
    let value = page.lines().find_map(|line| line.strip_prefix("tollgate_log_lines_dropped_total "));
    value.expect("the series").parse().expect("a number")
}

/// A service that logs each HTTP/2 frame, as hyper does on the threads that answer, and has bad rules.
fn talkative() -> Tollgate {
    let builder = testkit::tollgate!().rules(RULES).env("LOG_LEVEL", "trace").env("DRAIN_DELAY", "0");
    builder.env("HTTP2_SERVER", "hyper").start()
}

/// Makes calls and bad reloads until lines are dropped.
async fn overflow(tollgate: &Tollgate) {
    let mut round = 0;
    eventually("lines that are dropped", async || {
        round += 1;
        tollgate.write_rules(&format!("domain: d\ndescriptors: [{{kee: {round}}}]\n"));
        calls(tollgate, 20).await;
        (dropped(tollgate).await > 0.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_and_probes_are_answered_while_nobody_reads_the_log() {
    let tollgate = talkative();
    for address in ["grpc", "http", "metrics"] {
        tollgate.address(address);
    }
    let unread = tollgate.unread();
    overflow(&tollgate).await;
    for path in ["/livez", "/healthcheck", "/readyz"] {
        assert_eq!(page(&tollgate, path).await.0, 200, "{path}");
    }
    calls(&tollgate, 100).await;
    drop(unread);
    tollgate.wait_for_log(" log lines were dropped");
    // what is logged from now on is read
    tollgate.write_rules("domain: d\ndescriptors: [{kee: last}]\n");
    eventually("the last refusal", async || tollgate.logged("kee").pop()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_it_though_nobody_reads_the_log() {
    let mut tollgate = talkative();
    for address in ["grpc", "http", "metrics"] {
        tollgate.address(address);
    }
    let unread = tollgate.unread();
    overflow(&tollgate).await;
    tollgate.signal("TERM");
    assert_eq!(tollgate.exit().code(), Some(0));
    drop(unread);
}

/// For how many seconds the log is not read.
fn patience() -> Duration {
    let seconds = std::env::var("TOLLGATE_TEST_UNREAD_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(3))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_and_bad_reloads_an_unread_log_fails_no_call() {
    let mut tollgate = talkative();
    for address in ["grpc", "http", "metrics"] {
        tollgate.address(address);
    }
    let unread = tollgate.unread();
    let (since, mut rounds) = (Instant::now(), 0);
    while since.elapsed() < patience() || dropped(&tollgate).await == 0.0 {
        rounds += 1;
        let faults: String = (0..400).map(|number| format!("- {{kee{number}: {rounds}}}\n")).collect();
        tollgate.write_rules(&format!("domain: d\ndescriptors:\n{faults}"));
        calls(&tollgate, 50).await;
        assert_eq!(page(&tollgate, "/livez").await.0, 200);
    }
    let lost = dropped(&tollgate).await;
    println!(
        "log unread for {} s: {} calls answered, 0 failed, {rounds} bad reloads, {lost} lines dropped",
        since.elapsed().as_secs(),
        rounds * 50
    );
    drop(unread);
    tollgate.wait_for_log(" log lines were dropped");
    let _unread = tollgate.unread();
    tollgate.signal("TERM");
    assert_eq!(tollgate.exit().code(), Some(0));
}

#[tokio::test]
async fn every_line_is_an_object_when_json_is_configured() {
    let tollgate = testkit::tollgate!().rules(RULES).start();
    let faults: String = (0..400).map(|number| format!("- {{kee{number}: \"\\e[2J\\x7f\"}}\n")).collect();
    tollgate.write_rules(&format!("domain: d\ndescriptors:\n{faults}"));
    tollgate.wait_for_log("kee7:");
    let taken = tollgate.address("grpc");
    let mut second = testkit::tollgate!().rules(RULES).env("GRPC_PORT", taken.port().to_string()).spawn();
    assert_eq!(second.exit().code(), Some(1));
    second.wait_for_log("cannot listen on");
    for line in tollgate.log().iter().chain(&second.log()) {
        let object: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for key in ["@timestamp", "@message", "level"] {
            assert!(object[key].is_string(), "{key}: {line}");
        }
    }
}

#[tokio::test]
async fn foreign_text_forges_no_line_and_no_control_character_reaches_the_log() {
    for format in ["text", "json"] {
        let tollgate = testkit::tollgate!().rules(RULES).env("LOG_FORMAT", format).spawn();
        tollgate.wait_for_log("rules loaded");
        let forged = "x\\n2026-01-01T00:00:00Z  INFO forged \\x1b[2J \\u009b31m";
        tollgate.write_rules(&format!("domain: d\ndescriptors: [{{\"{forged}\": 1}}]\n"));
        let logged = eventually("the refusal", async || tollgate.logged("forged").pop()).await;
        let log = tollgate.log().concat();
        assert!(!log.contains(['\u{1b}', '\u{9b}']), "{log:?}");
        assert!(!logged.starts_with("2026-01-01"), "{logged:?}");
    }
}
