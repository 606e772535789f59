//! TLS of the listeners.

use tls::{ClientAuthority, Identity, ServerFiles};

use super::support::resolve;

#[test]
fn tls_without_its_files_is_an_error_that_names_them() {
    let text = |environment: &[(&str, &str)]| resolve(environment).expect_err("a fault").to_string();
    assert_eq!(
        text(&[("GRPC_SERVER_USE_TLS", "true"), ("GRPC_CLIENT_TLS_SAN", "envoy.example")]),
        "GRPC_SERVER_TLS_CERT: is not set, and GRPC_SERVER_USE_TLS=true needs it\n\
         GRPC_SERVER_TLS_KEY: is not set, and GRPC_SERVER_USE_TLS=true needs it\n\
         GRPC_CLIENT_TLS_CACERT: is not set, and GRPC_CLIENT_TLS_SAN=envoy.example needs it"
    );
    assert_eq!(
        text(&[("HTTP_TLS_CERT", "/c"), ("PROMETHEUS_TLS_KEY", "/k")]),
        "HTTP_TLS_KEY: is not set, and HTTP_TLS_CERT=/c needs it\n\
         PROMETHEUS_TLS_CERT: is not set, and PROMETHEUS_TLS_KEY=/k needs it"
    );
}

#[test]
fn tls_of_every_listener_reaches_the_settings() {
    let settings = resolve(&[
        ("GRPC_SERVER_USE_TLS", "true"),
        ("GRPC_SERVER_TLS_CERT", "/g.crt"),
        ("GRPC_SERVER_TLS_KEY", "/g.key"),
        ("GRPC_CLIENT_TLS_CACERT", "/ca.crt"),
        ("GRPC_CLIENT_TLS_SAN", "envoy.example"),
        ("HTTP_TLS_CERT", "/h.crt"),
        ("HTTP_TLS_KEY", "/h.key"),
        ("PROMETHEUS_TLS_CERT", "/m.crt"),
        ("PROMETHEUS_TLS_KEY", "/m.key"),
    ])
    .expect("settings");
    let identity =
        |name: &str| Identity { certificate: format!("/{name}.crt").into(), key: format!("/{name}.key").into() };
    let name = "envoy.example".try_into().expect("a name");
    let clients = Some(ClientAuthority { ca: "/ca.crt".into(), name: Some(name) });
    assert_eq!(settings.config.grpc.tls, Some(ServerFiles { identity: identity("g"), clients }));
    assert_eq!(settings.config.http.tls, Some(identity("h")));
    assert_eq!(settings.config.metrics.expect("metrics are on").tls, Some(identity("m")));
    assert_eq!(settings.warnings, Vec::<String>::new());
    let settings =
        resolve(&[("PROMETHEUS_TLS_CERT", "/m.crt"), ("PROMETHEUS_TLS_KEY", "/m.key"), ("USE_PROMETHEUS", "0")]);
    let warnings = settings.expect("settings").warnings;
    assert_eq!(warnings, ["no effect: PROMETHEUS_TLS_CERT=/m.crt, PROMETHEUS_TLS_KEY=/m.key: USE_PROMETHEUS is false"]);
}
