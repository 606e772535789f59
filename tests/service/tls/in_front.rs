//! A real Envoy that reaches Tollgate over mTLS.

use serde_json::{Value, json};

use crate::tls::service::{failures, mutual};
use testkit::{
    certificates::{Authority, Pem},
    envoy::{Config, Envoy, bootstrap},
    eventually,
    http::Client,
    scrape::count,
    tls::{client::SERVER, secret::Secret},
    upstream::Upstream,
};

const RULES: &str = "domain: edge\ndescriptors:\n  - {key: path, rate_limit: {unit: year, requests_per_unit: 2}}\n";

/// How Envoy secures its connections to Tollgate.
fn transport(ca: &Pem, client: &Pem) -> Value {
    json!({"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": SERVER,
        "common_tls_context": {
            "tls_certificates": [{
                "certificate_chain": {"inline_string": client.certificate},
                "private_key": {"inline_string": client.key},
            }],
            "validation_context": {
                "trusted_ca": {"inline_string": ca.certificate},
                "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": SERVER}}],
            },
        },
    }})
}

#[tokio::test]
async fn envoy_limits_over_mtls_and_one_of_another_authority_does_not() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let secret = Secret::of(&servers.certificate(&format!("DNS:{SERVER}")), &clients.pem.certificate);
    let tollgate = mutual(&secret).rules(RULES).env("GRPC_CLIENT_TLS_SAN", "envoy.example").start();
    let upstream = Upstream::start().await;
    let start = async |client: &Pem| {
        let mut bootstrap = bootstrap(&Config {
            tollgate: tollgate.address("grpc"),
            upstream: upstream.address,
            domain: "edge",
            failure_mode_deny: true,
            rate_limits: json!([{"actions": [
                {"request_headers": {"header_name": ":path", "descriptor_key": "path"}},
            ]}]),
            timeout: "60s",
        });
        bootstrap["static_resources"]["clusters"][0]["transport_socket"] = transport(&servers.pem, client);
        Envoy::run("envoy.json", &bootstrap.to_string()).await
    };
    let envoy = start(&clients.certificate("DNS:envoy.example")).await;
    let client = Client::new();
    for expected in [200, 200, 429] {
        assert_eq!(client.get(envoy.address, "/").await.status, expected);
    }
    assert!(count(&tollgate, "tollgate_tls_handshakes_total{listener=\"grpc\"}").await >= 1);

    let stranger = start(&Authority::new("other").certificate("DNS:envoy.example")).await;
    assert_eq!(client.get(stranger.address, "/").await.status, 500, "failure_mode_deny");
    eventually("it is refused", async || (failures(&tollgate, "certificate_untrusted").await > 0).then_some(())).await;
}
