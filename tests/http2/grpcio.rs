//! Python's grpcio, whose channels accept any authority; `tests/run.sh` installs it.

use std::{path::Path, process::Command};

use crate::rejections;

const RULES: &str =
    "domain: edge\ndescriptors:\n  - {key: path, rate_limit: {unit: year, requests_per_unit: 4000000}}\n";

#[tokio::test]
async fn any_authority_gets_a_decision() {
    let tollgate = testkit::tollgate!(RULES);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/parts/venv/bin/python");
    assert!(python.exists(), "{} is missing: run tests/run.sh once, which installs it", python.display());
    let output = Command::new(python)
        .arg(root.join("tests/independent/authorities.py"))
        .arg(tollgate.address("grpc").to_string())
        .args([
            "outbound|8081||ratelimit.default.svc.cluster.local",
            "extension/ns/name",
            "%2Frun%2Fgrpc.sock",
            "a b",
            "fine:80",
        ])
        .output()
        .expect("python runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        printed.lines().collect::<Vec<_>>(),
        ["6 answered"],
        "four names, one that is fine, and the channel's own"
    );
    assert_eq!(rejections(&tollgate).await, [""; 0]);
}
