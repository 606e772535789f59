//! `bench targets`.

use crate::run::{bench, redis};

#[test]
fn a_redis_that_cannot_be_measured_is_rejected() {
    for (url, error) in [
        ("nonsense", "--redis (REDIS_URL)"),
        ("rediss://localhost:6379", "only one Redis without TLS can be measured"),
        ("redis-cluster://localhost:1,localhost:2", "only one Redis without TLS can be measured"),
        ("redis://127.0.0.1:1", "cannot reach Redis"),
    ] {
        let ran = bench(&["targets", "--redis", url]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{url}");
        assert!(ran.stderr.contains(error), "{url}: no {error:?} in {}", ran.stderr);
    }
    let locked = redis(&["--requirepass", "secret"]);
    let ran = bench(&["targets", "--redis", &format!("redis://{}", locked.address)]);
    assert!(ran.code == Some(2) && ran.stderr.contains("NOAUTH"), "{}", ran.stderr);
}

#[test]
fn a_tollgate_that_is_not_there_is_reported_with_what_builds_it() {
    let redis = redis(&[]);
    let ran = bench(&["targets", "--redis", &format!("redis://{}", redis.address), "--tollgate", "/no/such/tollgate"]);
    assert_eq!(ran.code, Some(2));
    for part in ["/no/such/tollgate is missing", "cargo build --bin tollgate"] {
        assert!(ran.stderr.contains(part), "no {part:?} in {}", ran.stderr);
    }
}

/// The numbers of a debug build mean nothing, but everything must be measured.
#[test]
fn the_table_of_targets_is_one_command() {
    let redis = redis(&[]);
    let url = format!("redis://{}", redis.address);
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("targets.json");
    let path = file.display().to_string();
    let ran = bench(&["targets", "--redis", &url, "--pairs", "1", "-n", "400", "--warm-up", "0s", "--save", &path]);
    assert!(matches!(ran.code, Some(0 | 1)) && ran.stderr.is_empty(), "{:?}: {}", ran.code, ran.stderr);
    let saved: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).expect("it was saved")).expect("JSON");
    let targets = saved["targets"].as_array().expect("a list");
    let promised: Vec<_> = targets.iter().filter(|row| !row["holds"].is_null()).collect();
    assert_eq!((targets.len(), promised.len()), (14, 9), "{targets:#?}");
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
        assert!(!open || contest["load"]["rate"].as_u64() > Some(1), "{contest:#}");
    }
}
