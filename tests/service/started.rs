//! What is logged at the start: one line about what runs, and a warning for each name that looks like a mistyped
//! variable; and what is logged about requests whose domain has no rules.

use serde_json::Value;
use testkit::{
    http::Client,
    process::Tollgate,
    rls::{ask, client, request},
};

const RULES: &str = "domain: demo\ndescriptors: [{key: a, rate_limit: {unit: year, requests_per_unit: 1}}, {key: b, rate_limit: {unlimited: true}}]\n";

/// The line of the start, as an object.
fn started(tollgate: &Tollgate) -> Value {
    serde_json::from_str(&tollgate.wait_for_log("tollgate started")).expect("a JSON line")
}

#[test]
fn one_line_at_any_level_says_what_runs() {
    for level in ["trace", "info", "warn", "error", "fatal"] {
        let mut tollgate =
            testkit::tollgate!().rules(RULES).env("LOG_LEVEL", level).env("TOLLGATE_SERVICE_HOST", "x").spawn();
        let line = started(&tollgate);
        let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
        assert_eq!(text("level"), "info");
        assert_eq!(text("version"), env!("CARGO_PKG_VERSION"));
        assert!(!text("commit").is_empty(), "{line}");
        assert_eq!(text("store"), "memory (at most 1000000 counters)");
        assert_eq!(text("store_because"), "BACKEND_TYPE, REDIS_URL, REDIS_TYPE and REDIS_SOCKET_TYPE are not set");
        assert_eq!(text("failure_mode"), "error");
        assert!(text("rules_source").starts_with("RULES=/"), "{line}");
        assert_eq!((line["domains"].as_u64(), line["rules"].as_u64()), (Some(1), Some(2)));
        assert_eq!(text("rules_hash").len(), 12, "{line}");
        for listener in ["grpc", "http", "debug", "metrics"] {
            assert!(text(listener).starts_with("127.0.0.1:") && !text(listener).ends_with(":0"), "{line}");
        }
        tollgate.signal("TERM");
        assert!(tollgate.exit().success());
        assert_eq!(tollgate.wait_for_lines("tollgate started", 1).len(), 1);
        if level == "error" {
            assert_eq!(tollgate.log().len(), 1, "{:#?}", tollgate.log());
        }
    }
}

#[test]
fn the_line_says_why_the_store_was_chosen_and_contains_no_secret() {
    let redis = || testkit::tollgate!().rules(RULES).env("LOG_LEVEL", "error");
    for (variable, value, store, because) in [
        ("REDIS_URL", "redis://user:hunter2@127.0.0.1:1", "redis (127.0.0.1:1)", "REDIS_URL is set"),
        ("BACKEND_TYPE", "memory", "memory (at most 1000000 counters)", "BACKEND_TYPE=memory"),
    ] {
        let tollgate = redis().env(variable, value).spawn();
        let line = started(&tollgate);
        assert_eq!((line["store"].as_str(), line["store_because"].as_str()), (Some(store), Some(because)));
        assert!(!tollgate.log().concat().contains("hunter2"));
    }
}

#[test]
fn without_rules_the_line_says_so() {
    let tollgate = testkit::tollgate!().rules("domain: [").env("LOG_LEVEL", "error").spawn();
    let line = started(&tollgate);
    assert_eq!((line["rules"].as_u64(), line["rules_hash"].as_str()), (Some(0), Some("none")));
    assert!(line["@message"].as_str().is_some_and(|text| text.contains("without rules yet")), "{line}");
}

#[test]
fn a_mistyped_variable_gets_a_warning_with_the_likely_name() {
    let names = [
        ("RULSE", "RULES"),
        ("GRPC_PROT", "GRPC_PORT"),
        ("REDIS_ULR", "REDIS_URL"),
        ("REDIS_PASSWORD", "REDIS_AUTH"),
        ("TOLLGATE_RULES_", "RULES"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("FAILURE_MOD", "FAILURE_MODE"),
    ];
    let others = ["REDIS_SERVICE_HOST", "REDIS_SERVICE_PORT", "REDIS_PORT", "REDIS_PORT_6379_TCP_ADDR", "HOSTNAME"];
    let mut builder = testkit::tollgate!().rules(RULES);
    for (name, _) in names {
        builder = builder.env(name, "x");
    }
    for name in others {
        builder = builder.env(name, "tcp://10.0.0.1:6379");
    }
    let tollgate = builder.start();
    for (name, meant) in names {
        let warning = format!("{name} is not a variable of this service and has no effect; did you mean {meant}?");
        tollgate.wait_for_log(&warning);
    }
    assert_eq!(tollgate.logged("is not a variable of this service").len(), names.len(), "{:#?}", tollgate.log());
}

#[tokio::test]
async fn an_unknown_domain_is_counted_and_logged_at_a_bounded_rate() {
    let tollgate = testkit::tollgate!(RULES);
    let mut rls = client(tollgate.address("grpc"));
    for n in 0..100 {
        let domain = if n % 2 == 0 { "dmeo".to_owned() } else { format!("other{n}\u{7}\n") };
        ask(&mut rls, request(&domain, &[&[("a", "1")]])).await;
    }
    let line = tollgate.wait_for_log("no limit applies: no rules have this domain");
    assert!(line.contains("\"domain\":\"dmeo\"") && line.contains("did you mean `demo`?"), "{line}");
    assert_eq!(tollgate.wait_for_lines("no rules have this domain", 1).len(), 1);
    let page = Client::new().get(tollgate.address("metrics"), "/metrics").await.body;
    let counted = "ratelimit_service_rate_limit_domain_not_found{domain=\"dmeo\"} 50";
    assert!(page.lines().any(|line| line == counted), "{page}");
    // a known domain logs nothing
    let answer = rls.should_rate_limit(request("demo", &[&[("a", "1")]])).await.expect("an answer");
    assert!(!answer.metadata().contains_key("x-tollgate-domain"));
}
