//! A real Envoy that calls its cluster of Tollgate by names that are no authorities: without `authority` in its
//! `envoy_grpc`, it sends the cluster's name.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    rejections,
    support::{
        certificates::certificates,
        envoy::{Config, Envoy, bootstrap},
        http::Client,
        process::{Builder, Tollgate},
        upstream::Upstream,
    },
};

const RULES: &str = "domain: edge\ndescriptors:\n  - {key: path, rate_limit: {unit: year, requests_per_unit: 2}}\n";

/// As Istio, Contour and Envoy Gateway's AI gateway name clusters, and one that always worked.
const NAMES: [&str; 4] =
    ["outbound|8081||ratelimit.default.svc.cluster.local", "extension/ns/name", "ai_gateway_x", "ratelimit"];

fn config(tollgate: &Tollgate, upstream: &Upstream) -> Value {
    bootstrap(&Config {
        tollgate: tollgate.address("grpc"),
        upstream: upstream.address,
        domain: "edge",
        failure_mode_deny: false,
        rate_limits: json!([{"actions": [{"request_headers": {"header_name": ":path", "descriptor_key": "path"}}]}]),
        timeout: "5s",
    })
}

/// The same, with another name of the cluster of Tollgate and nothing but it to take the authority from.
fn named(mut bootstrap: Value, name: &str) -> Value {
    let resources = &mut bootstrap["static_resources"];
    resources["clusters"][0]["name"] = json!(name);
    resources["clusters"][0]["load_assignment"]["cluster_name"] = json!(name);
    let manager = &mut resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let service = &mut manager["http_filters"][0]["typed_config"]["rate_limit_service"];
    service["grpc_service"]["envoy_grpc"] = json!({"cluster_name": name});
    bootstrap
}

/// Through an Envoy for each name: two requests pass, the third is limited.
async fn assert_limits(tollgate: &Tollgate, bootstrap: &Value, names: &[&str]) {
    let client = Client::new();
    for (n, name) in names.iter().enumerate() {
        let envoy = Envoy::run("envoy.json", &named(bootstrap.clone(), name).to_string()).await;
        for expected in [200, 200, 429] {
            assert_eq!(client.get(envoy.address, &format!("/{n}")).await.status, expected, "{name}");
        }
    }
    assert_eq!(rejections(tollgate).await, [""; 0]);
}

#[tokio::test]
async fn every_name_of_a_cluster_is_limited() {
    let (tollgate, upstream) = (Tollgate::with_rules(RULES), Upstream::start().await);
    assert_limits(&tollgate, &config(&tollgate, &upstream), &NAMES).await;
}

#[tokio::test]
async fn so_it_is_over_tls() {
    let (certificates, upstream) = (certificates("DNS:ratelimit"), Upstream::start().await);
    let file = |name: &str| certificates.path().join(name);
    let tollgate = Builder::new()
        .rules(RULES)
        .env("GRPC_SERVER_USE_TLS", "true")
        .env("GRPC_SERVER_TLS_CERT", file("server.crt"))
        .env("GRPC_SERVER_TLS_KEY", file("server.key"))
        .start();
    let mut bootstrap = config(&tollgate, &upstream);
    bootstrap["static_resources"]["clusters"][0]["transport_socket"] = json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": "ratelimit",
            "common_tls_context": {"validation_context": {"trusted_ca": {"filename": file("ca.crt")}}},
        },
    });
    assert_limits(&tollgate, &bootstrap, &NAMES[..2]).await;
}

#[tokio::test]
async fn so_it_is_over_a_unix_socket() {
    let (folder, upstream) = (tempfile::tempdir().expect("a folder"), Upstream::start().await);
    let socket = folder.path().join("grpc.sock");
    let tollgate = Builder::new().rules(RULES).env("GRPC_UDS", &socket).spawn();
    tollgate.wait_for_log("grpc.sock");
    let any = "127.0.0.1:1".parse().expect("an address");
    let mut bootstrap = bootstrap(&Config {
        tollgate: any,
        upstream: upstream.address,
        domain: "edge",
        failure_mode_deny: false,
        rate_limits: json!([{"actions": [{"request_headers": {"header_name": ":path", "descriptor_key": "path"}}]}]),
        timeout: "5s",
    });
    let endpoint = &mut bootstrap["static_resources"]["clusters"][0]["load_assignment"]["endpoints"][0];
    endpoint["lb_endpoints"][0]["endpoint"]["address"] = json!({"pipe": {"path": path(&socket)}});
    assert_limits(&tollgate, &bootstrap, &[NAMES[0], path(&socket)]).await;
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
