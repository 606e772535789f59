//! Rules beyond the reference's, in the complete program: over gRPC, in `/rlconfig` and in the metrics.

use std::process::{Command, Output, Stdio};

use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use serde_json::{Value, json};
use testkit::{
    eventually,
    http::Client,
    rls::{ask, client, request},
};

/// Windows of a year do not end during the test.
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
    let tollgate = testkit::tollgate!(VALUES);
    let mut rls = client(tollgate.address("grpc"));
    let over = Code::OverLimit;
    for (key, value, code) in [
        ("ip", "10.9.9.1", Code::Ok),
        ("ip", "::ffff:10.9.9.2", Code::Ok),
        ("ip", "fd00::3", over),
        ("ip", "10.1.0.1", Code::Ok),
        ("ip", "10.1.0.1", over),
        ("ip", "::FFFF:a01:1", over),
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
        [("ip_10.0.0.0/8|fd00::/8", 3), ("ip_10.1.0.0/16", 4), (r"path_/v\\d+/.*", 3), ("method_POST|PUT", 3)]
    {
        let series = format!("ratelimit_service_rate_limit_total_hits{{domain=\"edge\",key1=\"{key1}\"}} {hits}");
        assert!(metrics.lines().any(|line| line == series), "no {series}");
    }
    assert!(!metrics.contains("10.9.9"), "no value is in a label");
}

/// The same rules apply over HTTP.
#[tokio::test]
async fn json_calls_match_networks_regexes_and_lists_too() {
    let tollgate = testkit::tollgate!(VALUES);
    let http = Client::new();
    for (key, value, status) in [
        ("ip", "10.1.2.3", 200),
        ("ip", "10.1.2.3", 429),
        ("ip", "fd00::1", 200),
        ("path", "/v1/a", 200),
        ("path", "/v1/a", 429),
        ("method", "PUT", 200),
    ] {
        let call = json!({"domain": "edge", "descriptors": [{"entries": [{"key": key, "value": value}]}]});
        let answer = http.post(tollgate.address("http"), "/json", &call.to_string()).await;
        assert_eq!(answer.status, status, "{key}={value}: {}", answer.body);
    }
}

/// Runs a command with `rules` in the file `rules.yaml` of its working directory.
fn run(rules: &str, args: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a directory");
    std::fs::write(folder.path().join("rules.yaml"), rules).expect("rules");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.args(args).current_dir(folder.path()).env_clear().stdin(Stdio::null()).output().expect("it runs")
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

#[test]
fn validate_and_explain_know_networks_regexes_lists_and_calendars() {
    let rules = format!("{VALUES}  - key: a\n    rate_limit: {{unit: week, requests_per_unit: 5, calendar: true}}\n");
    let validated = run(&rules, &["validate", "rules.yaml"]);
    let printed = text(validated.stdout);
    assert!(printed.ends_with("\nok: 1 file, 1 domain, 5 rules\n"), "{printed}{}", text(validated.stderr));
    assert!(printed.starts_with("warning: rules.yaml:") && printed.contains("has its own counter"), "{printed}");

    let asked = ["ip=10.9.9.1", "ip=10.1.0.1", "path=/v12/x", "path=/v12", "method=PUT", "a=x"];
    let explained = run(&rules, &[&["explain", "--rules", "rules.yaml", "--json", "edge"], &asked[..]].concat());
    let explained: Value = serde_json::from_slice(&explained.stdout).expect("JSON");
    let reported: Vec<(Value, Value, Value)> = explained
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            let tried = one["levels"][0]["tried"].as_array().expect("steps").last().expect("one")["candidate"].clone();
            (tried, one["outcome"]["place"]["line"].clone(), one["counters"][0]["key"].clone())
        })
        .collect();
    let rule = |tried: &str, line: u32, counter: &str| (json!(tried), json!(line), json!(counter));
    assert_eq!(
        reported,
        [
            rule("ip in 10.0.0.0/8|fd00::/8", 4, "{edge|ip~#10.0.0.0/8\\|fd00::/8}f31536000"),
            rule("ip in 10.1.0.0/16", 8, "{edge|ip=10.1.0.1}f31536000"),
            rule(r"path matching /v\d+/.*", 11, "{edge|path=/v12/x}f31536000"),
            (json!("path"), Value::Null, Value::Null),
            rule("method=POST|PUT", 14, "{edge|method~=POST\\|PUT}f31536000"),
            rule("a", 18, "{edge|a=x}f1week@UTC"),
        ]
    );
}

#[test]
fn validate_and_serve_name_the_line_of_a_wrong_network_regex_or_time_zone() {
    let rules = r"domain: edge
descriptors:
  - key: ip
    cidr: [10.0.0.0/8, 10.0.0.1/16]
  - key: path
    regex: '/v(\d+'
  - key: path
    regex: '(a|b)*a(a|b){30}'
  - key: a
    rate_limit: {unit: day, requests_per_unit: 1, calendar: true, time_zone: Europe/Berln}
";
    let faults = [
        "rules.yaml:4:24: descriptors[0].cidr[1]: invalid cidr `10.0.0.1/16`: it has bits behind its prefix",
        "rules.yaml:6:12: descriptors[1].regex: the regex is wrong at character 3: unclosed group",
        "rules.yaml:8:12: descriptors[2].regex: the regex needs an automaton of more than 256 KiB",
        "rules.yaml:10:78: descriptors[3].rate_limit.time_zone: unknown time zone `Europe/Berln`; did you mean `Europe/Berlin`?",
    ];
    let validated = run(rules, &["validate", "rules.yaml"]);
    assert_eq!(validated.status.code(), Some(1));
    let reported = text(validated.stderr);
    for fault in faults {
        assert!(reported.lines().any(|line| line.starts_with(fault)), "no {fault} in\n{reported}");
    }
    let tollgate = testkit::tollgate!().rules(rules).spawn();
    let rejected = tollgate.wait_for_log("rules are refused");
    for fault in faults {
        assert!(rejected.contains(fault), "no {fault} in\n{rejected}");
    }
}

const CALENDAR: &str = "
domain: plan
descriptors:
  - key: account
    rate_limit: {unit: day, requests_per_unit: 3, calendar: true, time_zone: Europe/Berlin}
  - key: quarter
    rate_limit: {unit: month, unit_multiplier: 3, requests_per_unit: 3, calendar: true, time_zone: America/New_York}
";

/// Across a midnight before clocks are put forward. The process uses its own time zone database: the machine's is
/// hidden.
#[tokio::test]
async fn a_day_ends_at_local_midnight_and_the_next_one_has_23_hours() {
    let tollgate = testkit::tollgate!()
        .rules(CALENDAR)
        .clock("@2026-03-28 22:59:00")
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
    assert!(reset <= 60, "{reset} s to midnight: did the program take a minute to start?");
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
