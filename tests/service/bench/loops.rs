//! Closed and open loops against a Tollgate, whose own counts must be equal to the report's.

use crate::bench::run::{assert_adds_up, bench, number};
use testkit::{http::Client, process::Tollgate};

const RULES: &str = "
domain: d
descriptors:
  - {key: hot, rate_limit: {unit: year, requests_per_unit: 500}}
  - {key: wide, rate_limit: {unit: year, requests_per_unit: 4000000000}}
  - {key: each, rate_limit: {unit: year, requests_per_unit: 1}}
  - {key: never, rate_limit: {unit: year, requests_per_unit: 0}}
";

fn start() -> (Tollgate, String) {
    let tollgate = testkit::tollgate!().rules(RULES).start();
    let address = tollgate.address("grpc").to_string();
    (tollgate, address)
}

/// The number of requests that the service has counted.
async fn counted(tollgate: &Tollgate) -> u64 {
    let page = Client::new().get(tollgate.address("metrics"), "/metrics").await.body;
    let line = page.lines().find(|line| line.starts_with("ratelimit_service_total_requests{"));
    let value = line.and_then(|line| line.rsplit(' ').next()).unwrap_or_else(|| panic!("no total in {page}"));
    value.parse().expect("a number")
}

#[tokio::test]
async fn a_second_of_the_closed_loop_counts_what_the_service_counts() {
    let (tollgate, address) = start();
    let pid = tollgate.pid().to_string();
    let ran = bench(&[&address, "d", "wide=x", "--duration", "1s", "--warm-up", "200ms", "--pid", &pid, "--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    let json = ran.json();
    assert_adds_up(&json);
    assert_eq!(number(&json, "ok"), number(&json, "requests"));
    assert!(number(&json, "ok") > 0, "{json:#}");
    assert_eq!(number(&json, "requests") + number(&json, "warm_up_requests"), counted(&tollgate).await);
    assert!(json["cpu_us_per_answer"]["server"].as_f64() > Some(0.0), "{json:#}");
    assert_eq!(json["connections"]["opened"], 8);
    assert_eq!(json["lateness_us"], serde_json::Value::Null, "nothing is due in a closed loop");
}

#[tokio::test]
async fn a_second_of_the_open_loop_makes_what_is_due_and_no_more() {
    let (tollgate, address) = start();
    let ran = bench(&[&address, "d", "wide=x", "--rate", "300", "--duration", "1s", "--warm-up", "1s", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let json = ran.json();
    assert_adds_up(&json);
    assert_eq!((number(&json, "requests"), number(&json, "warm_up_requests")), (300, 300));
    assert_eq!(number(&json, "ok"), 300);
    assert_eq!(counted(&tollgate).await, 600);
}

#[tokio::test]
async fn a_hot_key_passes_exactly_its_limit() {
    for loops in [&[][..], &["--rate", "4000"]] {
        let (_tollgate, address) = start();
        let asked = [&address, "d", "hot=x", "--requests", "2000", "--warm-up", "0s", "--threads", "2", "--json"];
        let ran = bench(&[&asked[..], loops].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let json = ran.json();
        assert_adds_up(&json);
        assert_eq!((number(&json, "ok"), number(&json, "over_limit")), (500, 1500), "{json:#}");
    }
}

#[tokio::test]
async fn keys_and_shares_are_what_was_asked_for() {
    let (_tollgate, address) = start();
    let counts = |args: &[&str]| {
        let ran = bench(&[&[&address, "d"], args, &["--warm-up", "0s", "--json"]].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let json = ran.json();
        (number(&json, "ok"), number(&json, "over_limit"))
    };
    // every key is used, since five draws for each of 300 keys leave e^-5 of them undrawn
    let (passed, _) = counts(&["each=u{}", "--keys", "uniform:300", "--requests", "1500"]);
    assert!((280..=300).contains(&passed), "{passed}");
    let (passed, _) = counts(&["each=z{}", "--keys", "zipf:300:1.5", "--requests", "1500"]);
    assert!((30..200).contains(&passed), "{passed}");
    let denied = ["--denied", "never=x", "--denied-share", "25%"];
    let (passed, refused) = counts(&[&["wide=x", "--requests", "2000"], &denied[..]].concat());
    assert_eq!(passed + refused, 2000);
    assert!((400..600).contains(&refused), "{refused}");
    // three descriptors charge three hits on one counter
    let (passed, refused) = counts(&["hot=y", "--descriptors", "3", "--requests", "300"]);
    assert_eq!((passed, refused), (166, 134));
}

#[test]
fn the_report_is_text_unless_json_is_requested() {
    let (_tollgate, address) = start();
    let ran = bench(&[&address, "d", "hot=x", "--requests", "1000", "--warm-up", "0s", "-c", "2", "-m", "4"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "no progress without a terminal");
    let title = format!("{address}: 2 connections × 4 streams, closed loop, 1 descriptor, keys hot, 1 000 requests");
    for line in [title.as_str(), "requests  1 000: 500 OK, 500 over the limit", "errors    none"] {
        assert!(ran.stdout.lines().any(|one| one == line), "no {line:?} in\n{}", ran.stdout);
    }
    for part in ["rate      ", "latency   p50 ", "  up to "] {
        assert!(ran.stdout.contains(part), "no {part:?} in\n{}", ran.stdout);
    }
}

#[test]
fn unix_sockets_are_measured_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("socket");
    let tollgate = testkit::tollgate!().rules(RULES).env("GRPC_UDS", &socket).spawn();
    tollgate.wait_for_log("\"listener\":\"grpc\"");
    let target = format!("unix:{}", socket.display());
    let ran = bench(&[&target, "d", "hot=x", "--requests", "1000", "--warm-up", "0s", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(number(&ran.json(), "ok"), 500);
}
