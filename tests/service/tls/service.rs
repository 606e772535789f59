//! Tollgate with TLS on its gRPC listener, and its handshake counts.

use testkit::{
    process::{Builder, Tollgate},
    scrape::count,
    tls::secret::Secret,
};

pub const RULES: &str =
    "domain: d\ndescriptors:\n  - {key: k, rate_limit: {unit: year, requests_per_unit: 4000000000}}\n";

/// Serves gRPC over TLS; if `ca.crt` of the secret is configured, requires client certificates by it.
pub fn builder(secret: &Secret) -> Builder {
    testkit::tollgate!()
        .rules(RULES)
        .env("GRPC_SERVER_USE_TLS", "true")
        .env("GRPC_SERVER_TLS_CERT", secret.path("tls.crt"))
        .env("GRPC_SERVER_TLS_KEY", secret.path("tls.key"))
}

/// The same, requiring client certificates.
pub fn mutual(secret: &Secret) -> Builder {
    builder(secret).env("GRPC_CLIENT_TLS_CACERT", secret.path("ca.crt"))
}

/// Handshakes of the gRPC listener that failed for this reason.
pub async fn failures(tollgate: &Tollgate, reason: &str) -> u64 {
    count(tollgate, &format!("tollgate_tls_handshake_failures_total{{listener=\"grpc\",reason=\"{reason}\"}}")).await
}

/// Changes of the gRPC listener's files, `applied` or `refused`.
pub async fn reloads(tollgate: &Tollgate, result: &str) -> u64 {
    count(tollgate, &format!("tollgate_tls_reloads_total{{listener=\"grpc\",result=\"{result}\"}}")).await
}
