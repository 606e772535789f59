//! Large requests are decided: those that clients can make Envoy send, and those of other gRPC implementations.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use crate::refusals::rejected;
use testkit::{
    envoy::{Config, Envoy, bootstrap},
    http::Client,
    process::Tollgate,
    upstream::Upstream,
};

const RULES: &str = "
domain: shop
descriptors:
  - {key: big, rate_limit: {unit: year, requests_per_unit: 1}}
  - {key: path, rate_limit: {unit: year, requests_per_unit: 1}}
";

/// An Envoy that sends five descriptors with a header of the client's, and continues the client's trace.
async fn envoy(tollgate: &Tollgate, upstream: &Upstream) -> Envoy {
    let header = |name, key| json!({"actions": [{"request_headers": {"header_name": name, "descriptor_key": key}}]});
    let big = |key| header("x-big", key);
    let config = Config {
        tollgate: tollgate.address("grpc"),
        upstream: upstream.address,
        domain: "shop",
        failure_mode_deny: false,
        rate_limits: json!([big("big"), big("b"), big("c"), big("d"), big("e"), header(":path", "path")]),
        timeout: "60s",
    };
    let mut bootstrap = bootstrap(&config);
    let manager = bootstrap
        .pointer_mut("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config")
        .and_then(Value::as_object_mut)
        .expect("the connection manager");
    manager.insert("max_request_headers_kb".to_owned(), json!(1024));
    let tracer = json!({
        "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "service_name": "edge",
        "grpc_service": {"envoy_grpc": {"cluster_name": "upstream"}},
    });
    let provider = json!({"name": "envoy.tracers.opentelemetry", "typed_config": tracer});
    manager.insert("tracing".to_owned(), json!({"provider": provider}));
    Envoy::run("envoy.json", &bootstrap.to_string()).await
}

#[tokio::test]
async fn requests_that_a_client_makes_large_are_limited_all_the_same() {
    let tollgate = testkit::tollgate!(RULES);
    let upstream = Upstream::start().await;
    let envoy = envoy(&tollgate, &upstream).await;
    let client = Client::new();
    let twice = async |path: &str, headers: &[(&str, &str)]| {
        let mut statuses = Vec::new();
        for _ in 0..2 {
            let answer = client.send(hyper::Method::GET, envoy.address, path, headers, "").await.expect("an answer");
            statuses.push(answer.status.as_u16());
        }
        statuses
    };
    let large = "x".repeat(56_000);
    assert_eq!(twice("/big", &[("x-big", &large)]).await, [200, 429]);
    let parent = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    for kilobytes in [20, 70, 200] {
        let state = format!("a={}", "x".repeat(kilobytes * 1000));
        let path = format!("/{kilobytes}");
        assert_eq!(twice(&path, &[parent, ("tracestate", &state)]).await, [200, 429], "{kilobytes} kB of tracestate");
    }
    assert_eq!(tollgate.logged("rejected before a decision"), Vec::<String>::new());
}

#[tokio::test]
async fn a_request_that_is_too_large_is_allowed_or_denied_as_configured() {
    for (setting, status) in [("error", 200), ("deny", 429)] {
        let builder =
            testkit::tollgate!().rules(RULES).env("MAX_REQUEST_BYTES", "4096").env("ON_INVALID_REQUEST", setting);
        let tollgate = builder.start();
        let upstream = Upstream::start().await;
        let envoy = envoy(&tollgate, &upstream).await;
        let headers = [("x-big", &*"x".repeat(1000))];
        let answer = Client::new().send(hyper::Method::GET, envoy.address, "/", &headers, "").await;
        assert_eq!(answer.expect("an answer").status, status, "{setting}");
        assert_eq!(rejected(&tollgate, "rls", "message_too_large").await, 1);
    }
}

/// What another implementation prints about its calls.
fn calls(tollgate: &Tollgate, program: &str, arguments: &[&str]) -> String {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/parts").join(program);
    assert!(program.exists(), "{} is missing: run tests/run.sh once, which makes it", program.display());
    let output = Command::new(program)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .arg(tollgate.address("grpc").to_string())
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

const EXPECTED: &str = "\
plain: OK
gzip: OK
gzip of 4 MB: OK
gzip of 5 MB: RESOURCE_EXHAUSTED
deflate: UNIMPLEMENTED
4 MB: OK
5 MB: RESOURCE_EXHAUSTED
20 KiB of metadata: OK
64 KiB of metadata: OK
200 KiB of metadata: OK
900 KiB of metadata: OK
";

#[test]
fn grpcio_is_answered() {
    let tollgate = testkit::tollgate!(RULES);
    assert_eq!(calls(&tollgate, "venv/bin/python", &["tests/independent/sizes.py"]), EXPECTED);
}

#[test]
fn grpc_go_is_answered() {
    let tollgate = testkit::tollgate!(RULES);
    assert_eq!(calls(&tollgate, "bin/caller", &[]), EXPECTED.replace("deflate: UNIMPLEMENTED\n", ""));
}
