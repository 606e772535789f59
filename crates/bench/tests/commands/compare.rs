//! `bench compare`.

use crate::run::{bench, redis, tollgate};

#[test]
fn a_service_is_compared_with_the_bare_server_round_after_round() {
    let (tollgate, _rules) = tollgate(&[]);
    let (address, pid) = (tollgate.address.to_string(), tollgate.pid().to_string());
    let args = ["compare", &address, "d", "k=v", "--pid", &pid, "--pairs", "2", "-n", "2000", "--warm-up", "0s"];
    let ran = bench(&[&args[..], &["--json"]].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    let json = ran.json();
    assert_eq!((json["base"].as_str(), json["pairs"].as_u64()), (Some("bare tonic"), Some(2)));
    let contenders = json["contenders"].as_array().expect("a list");
    assert_eq!(
        contenders.iter().map(|one| one["name"].as_str()).collect::<Vec<_>>(),
        [Some(&*address), Some("bare tonic")]
    );
    for one in contenders {
        assert_eq!(one["samples"].as_array().map(Vec::len), Some(2));
        assert!(one["median"]["rate"].as_f64() > Some(0.0), "{one:#}");
        assert!(one["of_base"]["rate"].as_f64() > Some(0.0), "{one:#}");
    }
    assert_eq!(contenders[1]["of_base"]["rate"], 1.0);

    let ran = bench(&args);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for start in ["medians of 2 rounds", &address, "bare tonic "] {
        assert!(ran.stdout.lines().any(|line| line.starts_with(start)), "no {start:?} in\n{}", ran.stdout);
    }
    assert!(!ran.stdout.contains("Redis CPU"), "a column without a value is left out: {}", ran.stdout);
}

#[test]
fn the_cpu_of_a_redis_is_reported_for_the_service_behind_it() {
    let redis = redis(&["--requirepass", "secret"]);
    let url = format!("redis://:secret@{}/2", redis.address);
    // the machine may be busy, and a late request would count as an error
    let (tollgate, _rules) = tollgate(&[("REDIS_URL", &url), ("REDIS_TIMEOUT", "10s")]);
    let address = tollgate.address.to_string();
    let keys = ["k=u{}", "--keys", "uniform:50", "--redis", &url, "--pairs", "1"];
    let ran = bench(&[&["compare", &address, "d"], &keys[..], &["-n", "2000", "--warm-up", "0s", "--json"]].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    let json = ran.json();
    for one in json["contenders"].as_array().expect("a list") {
        let has_redis = one["median"]["redis_cpu_us"].as_f64().is_some();
        assert_eq!(has_redis, one["name"] != "bare tonic", "{one:#}");
    }
}
