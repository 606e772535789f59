//! Ceilings of a Redis, and the table of targets.

use crate::bench::run::{bench, number};
use testkit::redis::Redis;

const RULES: &str = "domain: d\ndescriptors: [{key: k, rate_limit: {unit: hour, requests_per_unit: 4000000000}}]\n";

#[test]
fn redis_itself_is_asked_in_three_ways_and_keeps_nothing() {
    let redis = Redis::start(&["--requirepass", "secret"]);
    let url = format!("redis://:secret@127.0.0.1:{}/2", redis.port);
    // the machine may be busy: what is late would count as an error
    let tollgate = testkit::tollgate!().rules(RULES).env("REDIS_URL", &url).env("REDIS_TIMEOUT", "10s").start();
    let address = tollgate.address("grpc").to_string();
    let keys = ["k=u{}", "--keys", "uniform:50", "--ceilings", "--redis", &url, "--pairs", "1"];
    let ran = bench(&[&[&address, "d"], &keys[..], &["-n", "2000", "--warm-up", "0s", "--json"]].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    let json = ran.json();
    let contenders = json["contenders"].as_array().expect("a list");
    let names: Vec<_> = contenders.iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(
        names[1..],
        [
            "bare tonic",
            "Redis: script, 64 decisions a call",
            "Redis: script, one decision a call",
            "Redis: INCRBY + EXPIRE a decision",
        ]
    );
    for one in contenders {
        assert!(one["median"]["rate"].as_f64() > Some(0.0), "{one:#}");
        let has_redis = one["median"]["redis_cpu_us"].as_f64().is_some();
        assert_eq!(has_redis, one["name"] != "bare tonic", "{one:#}");
    }
    let cli = |command: &[&str]| redis.cli(&[&["-a", "secret", "-n", "2"], command].concat());
    let keys = cli(&["KEYS", "tollgate-bench:*"]);
    // but for those by which connections were tried
    let keys: Vec<_> = keys.lines().filter(|key| !key.contains("{|probe=")).collect();
    // those of the script end with their minute
    assert!((50..=100).contains(&keys.len()), "50 of the script, and 50 of the commands: {keys:?}");
    for key in keys {
        let left: i64 = cli(&["TTL", key]).parse().expect("a number");
        assert!((0..=60).contains(&left), "{key} has {left} s to live");
    }
}

#[test]
fn a_redis_that_cannot_be_measured_is_refused() {
    for (url, told) in [
        ("nonsense", "--redis (REDIS_URL)"),
        ("rediss://localhost:6379", "only one Redis without TLS can be measured"),
        ("redis-cluster://localhost:1,localhost:2", "only one Redis without TLS can be measured"),
        ("redis://127.0.0.1:1", "cannot reach Redis"),
    ] {
        let ran = bench(&["targets", "--redis", url]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{url}");
        assert!(ran.stderr.contains(told), "{url}: no {told:?} in {}", ran.stderr);
    }
    let locked = Redis::start(&["--requirepass", "secret"]);
    let ran = bench(&["targets", "--redis", &format!("redis://127.0.0.1:{}", locked.port)]);
    assert!(ran.code == Some(2) && ran.stderr.contains("NOAUTH"), "{}", ran.stderr);
}

/// What a build for debugging measures says nothing; that it measures everything does.
#[test]
fn the_table_of_targets_is_one_command() {
    let redis = Redis::start(&[]);
    let url = format!("redis://127.0.0.1:{}", redis.port);
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("targets.json");
    let path = file.display().to_string();
    let ran = bench(&["targets", "--redis", &url, "--pairs", "1", "-n", "400", "--warm-up", "0s", "--save", &path]);
    assert!(matches!(ran.code, Some(0 | 1)) && ran.stderr.is_empty(), "{:?}: {}", ran.code, ran.stderr);
    let saved: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).expect("it was saved")).expect("JSON");
    let targets = saved["targets"].as_array().expect("a list");
    let promised: Vec<_> = targets.iter().filter(|row| !row["holds"].is_null()).collect();
    assert_eq!((targets.len(), promised.len()), (18, 11), "{targets:#?}");
    assert_eq!(ran.code == Some(0), promised.iter().all(|row| row["holds"] == true));
    for row in targets {
        assert!(row["value"].as_f64().is_some(), "{row:#} was not measured: {saved:#}");
        let line = format!("| {} | {} |", row["case"].as_str().expect("text"), row["what"].as_str().expect("text"));
        assert!(ran.stdout.lines().any(|one| one.starts_with(&line)), "no {line:?} in\n{}", ran.stdout);
    }
    assert!(saved["redis"].as_str().is_some_and(|version| version.starts_with("Redis ")), "{saved:#}");
    for contest in saved["contests"].as_array().expect("a list") {
        let open = contest["name"].as_str().is_some_and(|name| name.contains("open loop"));
        assert_eq!(contest["load"]["loop"], if open { "open" } else { "closed" });
        assert!(!open || number(&contest["load"], "rate") > 1, "{contest:#}");
    }
}
