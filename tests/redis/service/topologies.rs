//! Sentinel, cluster and TLS with the variables of envoyproxy/ratelimit's users, and by URL.

use crate::service::program::{LIMIT, builder, remaining};
use testkit::scrape::metric;
use testkit::{
    certificates::{certificates, selfsigned},
    ports::free_port,
    process::Builder,
    redis::{Redis, cluster::Cluster, sentinel::SentinelGroup},
};

const RULES: [&str; 4] = ["year", "sliding", "bucket", "second"];

/// Checks that both ways to name the same Redis use the same counters.
pub async fn counts(ways: [Builder; 2]) {
    for (before, way) in ways.into_iter().enumerate() {
        let tollgate = way.env("REDIS_TIMEOUT", "10s").start();
        let left = remaining(&tollgate, &RULES).await;
        assert_eq!(left[..3], [LIMIT - 1 - before as u32; 3]);
    }
}

#[tokio::test]
async fn sentinel() {
    let group = SentinelGroup::start().await;
    let sentinels: Vec<_> = group.sentinels.iter().map(|one| format!("127.0.0.1:{}", one.port)).collect();
    let list = sentinels.join(",");
    counts([
        builder()
            .env("REDIS_TYPE", "SENTINEL")
            .env("REDIS_SOCKET_TYPE", "tcp")
            .env("REDIS_URL", format!("gate,{list}"))
            .env("REDIS_AUTH", "geheim")
            .env("REDIS_SENTINEL_AUTH", "watcher"),
        builder()
            .env("REDIS_URL", format!("redis-sentinel://:geheim@{list}/gate"))
            .env("REDIS_SENTINEL_AUTH", "watcher"),
    ])
    .await;
}

#[tokio::test]
async fn cluster() {
    let cluster = Cluster::start().await;
    let nodes: Vec<_> = cluster.nodes.iter().map(|one| format!("127.0.0.1:{}", one.port)).collect();
    let list = nodes.join(",");
    counts([
        builder().env("REDIS_TYPE", "CLUSTER").env("REDIS_SOCKET_TYPE", "tcp").env("REDIS_URL", &list),
        builder().env("REDIS_URL", format!("redis-cluster://{list}")),
    ])
    .await;
}

#[tokio::test]
async fn tls_with_certificates_of_both_sides_and_a_user() {
    let certificates = certificates("IP:127.0.0.1");
    let path = |name: &str| certificates.path().join(name).display().to_string();
    let port = free_port();
    let (tls_port, certificate, key, ca) = (port.to_string(), path("server.crt"), path("server.key"), path("ca.crt"));
    let redis = Redis::start(
        &[
            &["--port", "0", "--tls-port", &tls_port, "--tls-cert-file", &certificate, "--tls-key-file", &key][..],
            &["--tls-ca-cert-file", &ca, "--tls-auth-clients", "yes"],
        ]
        .concat(),
    );
    redis.cli(&["ACL", "SETUSER", "gate", "on", ">geheim", "~*", "+@all"]);
    redis.cli(&["ACL", "SETUSER", "default", "resetpass"]);
    let with_files = |builder: Builder| {
        builder
            .env("REDIS_TLS_CACERT", path("ca.crt"))
            .env("REDIS_TLS_CLIENT_CERT", path("client.crt"))
            .env("REDIS_TLS_CLIENT_KEY", path("client.key"))
    };
    counts([
        with_files(builder())
            .env("REDIS_TLS", "true")
            .env("REDIS_SOCKET_TYPE", "tcp")
            .env("REDIS_URL", format!("127.0.0.1:{port}"))
            .env("REDIS_AUTH", "gate:geheim"),
        with_files(builder()).env("REDIS_URL", format!("rediss://gate:geheim@127.0.0.1:{port}")),
    ])
    .await;
}

/// As in the reference's own test suite, and with the certificate in the bundle of the system's authorities.
#[tokio::test]
async fn tls_with_a_certificate_that_is_trusted_itself() {
    let certificates = tempfile::tempdir().expect("a directory");
    let path = |name: &str| certificates.path().join(name).display().to_string();
    let own = selfsigned("IP:127.0.0.1");
    for (file, content) in [("cert.pem", &own.certificate), ("key.pem", &own.key)] {
        std::fs::write(path(file), content).expect("a file");
    }
    let port = free_port();
    let (tls_port, certificate, key) = (port.to_string(), path("cert.pem"), path("key.pem"));
    let _redis = Redis::start(
        &[
            &["--port", "0", "--tls-port", &tls_port, "--tls-cert-file", &certificate, "--tls-key-file", &key][..],
            &["--tls-ca-cert-file", &certificate, "--tls-auth-clients", "yes"],
        ]
        .concat(),
    );
    // the client presents the same certificate
    let both = |builder: Builder| {
        let url = format!("rediss://127.0.0.1:{port}");
        builder
            .env("REDIS_URL", url)
            .env("REDIS_TLS_CLIENT_CERT", path("cert.pem"))
            .env("REDIS_TLS_CLIENT_KEY", path("key.pem"))
    };
    counts([
        both(builder()).env("REDIS_TLS_CACERT", path("cert.pem")),
        both(builder()).env("SSL_CERT_FILE", path("cert.pem")),
    ])
    .await;
}

#[tokio::test]
async fn tls_handshakes_that_fail_are_counted_and_logged_with_their_cause_and_peer() {
    let certificates = certificates("DNS:redis.example");
    let path = |name: &str| certificates.path().join(name).display().to_string();
    let port = free_port();
    let (tls_port, certificate, key, ca) = (port.to_string(), path("server.crt"), path("server.key"), path("ca.crt"));
    let _redis = Redis::start(
        &[
            &["--port", "0", "--tls-port", &tls_port, "--tls-cert-file", &certificate, "--tls-key-file", &key][..],
            &["--tls-ca-cert-file", &ca, "--tls-auth-clients", "yes"],
        ]
        .concat(),
    );
    for (ca, skip, reason, cause) in [
        ("other.crt", "false", "certificate_untrusted", "UnknownIssuer"),
        ("ca.crt", "false", "certificate_name", "is only valid for DnsName"),
        ("ca.crt", "true", "refused_by_server", "CertificateRequired"),
    ] {
        let tollgate = builder()
            .env("REDIS_URL", format!("rediss://127.0.0.1:{port}"))
            .env("REDIS_TLS_CACERT", path(ca))
            .env("REDIS_TLS_SKIP_HOSTNAME_VERIFICATION", skip)
            .spawn();
        let line = tollgate.wait_for_log(&format!("\"reason\":\"{reason}\""));
        for part in [cause, &format!("\"peer\":\"127.0.0.1:{port}\""), "\"server\":\"redis\"", "\"level\":\"warning\""]
        {
            assert!(line.contains(part), "{part}: {line}");
        }
        let series = format!("tollgate_tls_client_handshake_failures_total{{server=\"redis\",reason=\"{reason}\"}}");
        assert!(metric(&tollgate, &series).await.is_some_and(|count| count >= 1.0), "{series}");
    }
}

#[tokio::test]
async fn a_unix_socket() {
    let redis = Redis::start(&[]);
    let socket = redis.socket().display().to_string();
    counts([
        builder().env("REDIS_SOCKET_TYPE", "unix").env("REDIS_URL", &socket),
        builder().env("REDIS_URL", format!("unix://{socket}")),
    ])
    .await;
}
