//! Costs that are known only afterwards: a look (`hits_addend: 0`) before each piece of work, and its cost after it.

use std::fmt::Write as _;

use envoy_types::pb::{
    envoy::service::ratelimit::v3::{RateLimitRequest, rate_limit_response::Code},
    google::protobuf::UInt64Value,
};
use tempfile::TempDir;

use testkit::scrape::metric;
use testkit::{
    process::Tollgate,
    redis::Redis,
    rls::{self, ask, client, request},
};

const RULES: [(&str, &str); 6] = [
    ("fixed_window", "count_denied: true"),
    ("fixed_window", "count_denied: false"),
    ("sliding_window", "count_denied: true"),
    ("sliding_window", "count_denied: false"),
    ("token_bucket", "count_denied: true"),
    ("token_bucket", "count_denied: false"),
];

/// Which descriptors the requests have.
const FORMS: [&str; 4] = ["plain", "STOP", "atomic", "rate_limits"];

const ROUNDS: u32 = 10;
/// Of the other rule that every request matches too.
const WIDE: u32 = 1000;

/// With limits of 3 per year: how many of ten looks pass, each followed by a cost of 1 or of 5; then how many of the
/// ten costs the other rule in the same requests was charged. Beside them are the results of envoyproxy/ratelimit (July
/// 2026) for the same requests.
const EXPECTED: &str = "\
rule                               cost  plain    STOP     atomic   rate_limits  reference  its STOP
fixed_window count_denied: true    1     4, 10    4, 3     4, 3     4, 10        4, 10      4, 3
fixed_window count_denied: true    5     1, 10    1, 0     1, 0     1, 10        1, 10      1, 0
fixed_window count_denied: false   1     3, 10    3, 3     3, 3     3, 10
fixed_window count_denied: false   5     10, 10   10, 0    10, 0    10, 10
sliding_window count_denied: true  1     4, 10    4, 3     4, 3     4, 10
sliding_window count_denied: true  5     1, 10    1, 0     1, 0     1, 10
sliding_window count_denied: false 1     3, 10    3, 3     3, 3     3, 10
sliding_window count_denied: false 5     10, 10   10, 0    10, 0    10, 10
token_bucket count_denied: true    1     4, 10    4, 3     4, 3     4, 10
token_bucket count_denied: true    5     1, 10    1, 0     1, 0     1, 10
token_bucket count_denied: false   1     3, 10    3, 3     3, 3     3, 10
token_bucket count_denied: false   5     10, 10   10, 0    10, 0    10, 10
";

/// A file for each domain; that of STOP is tested in a process of its own.
fn rules() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for form in FORMS {
        let mut yaml = format!("domain: {form}\natomic: {}\ndescriptors:\n", form == "atomic");
        for (number, (algorithm, counted)) in RULES.iter().enumerate() {
            let limit = format!("{{unit: year, requests_per_unit: 3, algorithm: {algorithm}, {counted}}}");
            let more = "{unit: year, unit_multiplier: 2, requests_per_unit: 1000000}";
            let _ = match form {
                "rate_limits" => writeln!(yaml, "  - {{key: r{number}, rate_limits: [{limit}, {more}]}}"),
                _ => writeln!(yaml, "  - {{key: r{number}, rate_limit: {limit}}}"),
            };
        }
        let _ = writeln!(yaml, "  - {{key: wide, rate_limit: {{unit: year, requests_per_unit: {WIDE}}}}}");
        std::fs::write(directory.path().join(format!("{form}.yaml")), yaml).expect("rules are written");
    }
    directory
}

fn start(rules: &TempDir, redis: Option<&Redis>, stop: bool) -> Tollgate {
    let builder = testkit::tollgate!()
        .env("RULES", rules.path())
        .env("STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT", stop.to_string())
        .env("CACHE_KEY_PREFIX", if stop { "stop:" } else { "" });
    match redis {
        Some(redis) => {
            builder.env("REDIS_URL", format!("redis://127.0.0.1:{}", redis.port)).env("REDIS_TIMEOUT", "10s")
        }
        None => builder,
    }
    .start()
}

fn hits(domain: &str, keys: &[(&str, &str)], n: u64) -> RateLimitRequest {
    let pairs: Vec<_> = keys.iter().map(|pair| [*pair]).collect();
    let mut request = request(domain, &pairs.iter().map(|pairs| &pairs[..]).collect::<Vec<_>>());
    for descriptor in &mut request.descriptors {
        descriptor.hits_addend = Some(UInt64Value { value: n });
    }
    request
}

/// Returns (looks that passed, costs that the other rule was charged).
async fn run(client: &mut rls::Rls, domain: &str, rule: usize, cost: u64) -> (u32, u32) {
    let (key, value) = (format!("r{rule}"), format!("{cost}"));
    let neighbour = format!("{rule} {cost}");
    let keys = [(key.as_str(), value.as_str()), ("wide", neighbour.as_str())];
    let mut passed = 0;
    for _ in 0..ROUNDS {
        passed += u32::from(ask(client, hits(domain, &keys, 0)).await.overall_code() == Code::Ok);
        ask(client, hits(domain, &keys, cost)).await;
    }
    let left = ask(client, hits(domain, &keys[1..], 0)).await.statuses[0].limit_remaining;
    (passed, (WIDE - left) / u32::try_from(cost).expect("a small cost"))
}

async fn table(redis: Option<&Redis>) -> String {
    let rules = rules();
    let (tollgate, stopping) = (start(&rules, redis, false), start(&rules, redis, true));
    let mut clients = FORMS.map(|form| client(if form == "STOP" { &stopping } else { &tollgate }.address("grpc")));
    let mut lines = vec![EXPECTED.lines().next().expect("a heading").to_owned()];
    for (number, (algorithm, counted)) in RULES.iter().enumerate() {
        for cost in [1, 5] {
            let rule = format!("{algorithm} {counted}");
            let mut line = format!("{rule:<34} {cost:<5} ");
            for (form, client) in FORMS.iter().zip(&mut clients) {
                let (passed, charged) = run(client, form, number, cost).await;
                let width = if *form == "rate_limits" { 12 } else { 8 };
                let _ = write!(line, "{:<width$} ", format!("{passed}, {charged}"));
            }
            if *counted == "count_denied: true" && *algorithm == "fixed_window" {
                line.push_str(if cost == 1 { "4, 10      4, 3" } else { "1, 10      1, 0" });
            }
            lines.push(line.trim_end().to_owned());
        }
    }
    lines.join("\n") + "\n"
}

#[tokio::test]
#[allow(clippy::print_stdout)]
async fn looks_see_late_costs_in_memory() {
    let found = table(None).await;
    println!("memory:\n{found}");
    assert_eq!(found, EXPECTED);
}

#[tokio::test]
#[allow(clippy::print_stdout)]
async fn looks_see_late_costs_on_redis() {
    let redis = Redis::start(&[]);
    let found = table(Some(&redis)).await;
    println!("Redis:\n{found}");
    assert_eq!(found, EXPECTED);
}

#[tokio::test]
async fn a_rule_that_loses_late_costs_is_named_once() {
    const WARNING: &str = "without count_denied is checked without charging";
    let rules = rules();
    let tollgate = start(&rules, None, false);
    let mut client = client(tollgate.address("grpc"));
    for value in ["a", "b", "a"] {
        for key in ["r0", "r2", "r4"] {
            ask(&mut client, hits("plain", &[(key, value)], 0)).await;
        }
    }
    assert!(tollgate.logged(WARNING).is_empty(), "these rules count denied hits");
    ask(&mut client, hits("plain", &[("r1", "a")], 1)).await;
    assert!(tollgate.logged(WARNING).is_empty(), "a hit is not a look");
    for value in ["a", "b", "a"] {
        for key in ["r1", "r3"] {
            ask(&mut client, hits("plain", &[(key, value)], 0)).await;
        }
    }
    tollgate.wait_for_log("plain.yaml:7");
    let named = |rule: &str| tollgate.logged(WARNING).iter().filter(|line| line.contains(rule)).count();
    assert_eq!((named("plain.yaml:5"), named("plain.yaml:7"), named("")), (1, 1, 2), "{:?}", tollgate.logged(WARNING));
}

#[tokio::test]
async fn costs_beyond_the_maximum_debt_are_counted() {
    let redis = Redis::start(&[]);
    for redis in [None, Some(&redis)] {
        let rules = rules();
        let tollgate = start(&rules, redis, false);
        let mut client = client(tollgate.address("grpc"));
        let mut charge = async |key: &str, n| {
            ask(&mut client, hits("plain", &[(key, "deep")], n)).await;
            metric(&tollgate, "tollgate_debt_forgiven_total").await.expect("a metric")
        };
        assert_eq!(charge("r4", 33).await, 0.0, "3 tokens and a debt of ten times as many");
        let forgiven = charge("r4", 5).await;
        assert!(
            forgiven == 5.0 || forgiven == 4.0,
            "{forgiven}: a little was paid meanwhile, which made room for a part"
        );
        assert_eq!(charge("r5", 100).await, forgiven, "a rule that does not count denials is not in debt");
        assert_eq!(charge("r2", 1000).await, forgiven, "a window has no such bound");
    }
}
