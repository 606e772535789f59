//! A client that shares no code with ours: Python's grpcio, which `tests/run.sh` installs.

use std::{path::Path, process::Command};

use testkit::http::Client;

const RULES: &str =
    "domain: edge\ndescriptors: [{key: path, value: /flip, rate_limit: {unit: year, requests_per_unit: 4000000000}}]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_age_out_under_load_fail_no_call() {
    const THREADS: u64 = 8;
    /// Fewer threads would prove nothing.
    const CALLS: u64 = 1000;
    let tollgate = testkit::tollgate!()
        .rules(RULES)
        .env("GRPC_MAX_CONNECTION_AGE", "2s")
        .env("GRPC_MAX_CONNECTION_AGE_GRACE", "2m")
        .start();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/parts/venv/bin/python");
    assert!(python.exists(), "{} is missing: run tests/run.sh once, which installs it", python.display());
    let output = Command::new(python)
        .arg(root.join("tests/independent/load.py"))
        .args([tollgate.address("grpc").to_string(), "7".to_owned(), CALLS.to_string(), THREADS.to_string()])
        .output()
        .expect("python runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let first = printed.lines().next().unwrap_or_else(|| panic!("no result: {stderr}"));
    let (calls, failed) = first.split_once(' ').expect("two numbers");
    println!("connections aged out (age 2 s) under grpcio: {calls} calls made, {failed} failed");
    assert_eq!(failed, "0", "{printed}");

    let metrics = Client::new().get(tollgate.address("metrics"), "/metrics").await.body;
    let value = |name: &str| -> u64 {
        let line =
            metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}: {metrics}"));
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
    };
    let calls: u64 = calls.parse().expect("a number");
    assert_eq!(value("ratelimit_service_total_requests{"), calls, "every call was answered once");
    let aged = value("tollgate_connections_aged_out_total");
    assert!(aged >= THREADS, "only {aged} connections aged out in three times their age");
}
