//! Tollgate as clients of every kind reach it: over TCP, TLS or a unix socket.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use testkit::{
    certificates::certificates,
    envoy::{Config, bootstrap},
    process::{Builder, Tollgate},
};

/// How clients connect to Tollgate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Plain,
    Tls,
    Unix,
}

impl Wire {
    pub const ALL: [Self; 3] = [Self::Plain, Self::Tls, Self::Unix];
}

/// Tollgate with one of these. Its certificate is for `ratelimit`.
pub struct Service {
    pub wire: Wire,
    pub tollgate: Tollgate,
    /// The directory of certificates and the socket.
    files: TempDir,
}

impl Service {
    pub fn start(wire: Wire, rules: &str) -> Self {
        Self::with(wire, testkit::tollgate!().rules(rules))
    }

    pub fn with(wire: Wire, builder: Builder) -> Self {
        let files = certificates("DNS:ratelimit");
        let file = |name: &str| files.path().join(name);
        let builder = match wire {
            Wire::Plain => builder,
            Wire::Tls => builder
                .env("GRPC_SERVER_USE_TLS", "true")
                .env("GRPC_SERVER_TLS_CERT", file("server.crt"))
                .env("GRPC_SERVER_TLS_KEY", file("server.key")),
            Wire::Unix => builder.env("GRPC_UDS", file("socket")),
        };
        let tollgate = builder.spawn();
        tollgate.address("http");
        match wire {
            Wire::Plain | Wire::Tls => drop(tollgate.address("grpc")),
            Wire::Unix => drop(tollgate.wait_for_log(text(&file("socket")))),
        }
        Self { wire, tollgate, files }
    }

    pub fn file(&self, name: &str) -> String {
        text(&self.files.path().join(name)).to_owned()
    }

    /// The address as grpcio and grpc-go write it.
    pub fn target(&self) -> String {
        match self.wire {
            Wire::Plain | Wire::Tls => self.tollgate.address("grpc").to_string(),
            Wire::Unix => format!("unix:{}", self.file("socket")),
        }
    }

    /// The bootstrap of an Envoy, with this name for the cluster of Tollgate.
    pub fn bootstrap(&self, config: Config, cluster_name: &str) -> Value {
        let tollgate = if self.wire == Wire::Unix { config.upstream } else { self.tollgate.address("grpc") };
        let mut bootstrap = bootstrap(&Config { tollgate, ..config });
        let service = &mut http_manager(&mut bootstrap)["http_filters"][0]["typed_config"]["rate_limit_service"];
        service["grpc_service"]["envoy_grpc"] = json!({"cluster_name": cluster_name});
        let cluster = cluster(&mut bootstrap);
        cluster["name"] = json!(cluster_name);
        cluster["load_assignment"]["cluster_name"] = json!(cluster_name);
        match self.wire {
            Wire::Plain => {}
            Wire::Tls => {
                cluster["transport_socket"] = json!({"name": "envoy.transport_sockets.tls", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                    // as Istio sets it
                    "sni": "outbound_.8081_._.ratelimit.default.svc.cluster.local",
                    "common_tls_context": {"validation_context": {"trusted_ca": {"filename": self.file("ca.crt")}}},
                }});
            }
            Wire::Unix => {
                let endpoint = &mut cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"];
                endpoint["address"] = json!({"pipe": {"path": self.file("socket")}});
            }
        }
        bootstrap
    }
}

/// The cluster of Tollgate in a bootstrap.
pub fn cluster(bootstrap: &mut Value) -> &mut Value {
    &mut bootstrap["static_resources"]["clusters"][0]
}

/// The HTTP connection manager of a bootstrap's listener.
pub fn http_manager(bootstrap: &mut Value) -> &mut Value {
    &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
}

/// The rate limit filter for the domain `edge`; [`Service::bootstrap`] sets the address.
pub fn asking(upstream: SocketAddr, rate_limits: Value) -> Config {
    Config { tollgate: upstream, upstream, domain: "edge", failure_mode_deny: false, rate_limits, timeout: "60s" }
}

/// The path of a program that `tests/run.sh` installs.
pub fn part(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/parts").join(name);
    assert!(program.exists(), "{} is missing: run tests/run.sh once, which makes it", program.display());
    program
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
