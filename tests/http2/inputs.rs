//! Inputs that an HTTP stack or a decoder may refuse, each of which once was: through real clients, over every kind of
//! connection, each gets its decision, and no rejection is counted.
//!
//! Authorities that are none: without `authority` in its `envoy_grpc`, Envoy sends the cluster's name. A byte that is
//! not UTF-8 in a descriptor. Large descriptors. A long `tracestate`, which Envoy carries on from its own client.
//! Compression.

use std::{ffi::OsStr, net::SocketAddr, path::Path, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    rejections,
    support::{
        certificates::certificates,
        envoy::{Config, Envoy, bootstrap},
        process::{Builder, Tollgate},
        upstream::Upstream,
    },
};

/// Each counter lets one call pass.
const RULES: &str = "
domain: edge
descriptors:
  - {key: path, rate_limit: {unit: year, requests_per_unit: 1}}
  - {key: agent, rate_limit: {unit: year, requests_per_unit: 1}}
  - {key: big, rate_limit: {unit: year, requests_per_unit: 1}}
";

/// As Istio, Contour and Envoy Gateway's AI gateway name clusters.
const NAMES: [&str; 3] = ["outbound|8081||ratelimit.default.svc.cluster.local", "extension/ns/name", "ai_gateway_x"];

/// How clients connect to Tollgate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    Plain,
    Tls,
    Unix,
}

/// Tollgate, reached over one of them.
struct Service {
    wire: Wire,
    tollgate: Tollgate,
    /// Certificates and the socket.
    files: TempDir,
}

impl Service {
    fn start(wire: Wire) -> Self {
        let files = certificates("DNS:ratelimit");
        let file = |name: &str| files.path().join(name);
        let builder = Builder::new().rules(RULES);
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

    fn file(&self, name: &str) -> String {
        text(&self.files.path().join(name)).to_owned()
    }

    /// As grpcio and grpc-go write it.
    fn target(&self) -> String {
        match self.wire {
            Wire::Plain | Wire::Tls => self.tollgate.address("grpc").to_string(),
            Wire::Unix => format!("unix:{}", self.file("socket")),
        }
    }

    /// What an Envoy needs to know, whose cluster of Tollgate has this name.
    fn bootstrap(&self, upstream: SocketAddr, name: &str) -> Value {
        let header =
            |name, key| json!({"actions": [{"request_headers": {"header_name": name, "descriptor_key": key}}]});
        let big = ["big", "b", "c", "d", "e"].map(|key| header("x-big", key));
        let others = [header(":path", "path"), header("user-agent", "agent")];
        let mut bootstrap = bootstrap(&Config {
            tollgate: if self.wire == Wire::Unix { upstream } else { self.tollgate.address("grpc") },
            upstream,
            domain: "edge",
            failure_mode_deny: false,
            rate_limits: big.into_iter().chain(others).collect(),
            timeout: "60s",
        });
        let resources = &mut bootstrap["static_resources"];
        let manager = &mut resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
        manager["max_request_headers_kb"] = json!(1024);
        // it carries its client's trace on
        manager["tracing"] = json!({"provider": {"name": "envoy.tracers.opentelemetry", "typed_config": {
            "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
            "service_name": "edge",
            "grpc_service": {"envoy_grpc": {"cluster_name": "upstream"}},
        }}});
        let service = &mut manager["http_filters"][0]["typed_config"]["rate_limit_service"];
        service["grpc_service"]["envoy_grpc"] = json!({"cluster_name": name});
        let cluster = &mut resources["clusters"][0];
        cluster["name"] = json!(name);
        cluster["load_assignment"]["cluster_name"] = json!(name);
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

/// Through an Envoy for each name, each input twice: the first passes, the second is limited.
async fn through_envoy(wire: Wire) {
    let (service, upstream) = (Service::start(wire), Upstream::start().await);
    // over a Unix socket, an Envoy that is given no authority may send the socket's path too
    let socket = service.file("socket");
    let names = NAMES.into_iter().chain((wire == Wire::Unix).then_some(&*socket));
    for (number, name) in names.enumerate() {
        let envoy = Envoy::run("envoy.json", &service.bootstrap(upstream.address, name).to_string()).await;
        let twice = async |input: &str, paths: [&str; 2], headers: &[(&str, &[u8])]| {
            for (path, expected) in paths.into_iter().zip([200, 429]) {
                let path = format!("/{number}{path}");
                let status = get(envoy.address, &path, headers).await;
                assert_eq!(status, expected, "{input}, cluster {name}, {wire:?}");
            }
        };
        twice("nothing special", ["/path", "/path"], &[]).await;
        let agent = [b"caf\xe9 ", number.to_string().as_bytes()].concat();
        twice("a byte that is not UTF-8", ["/agent/1", "/agent/2"], &[("user-agent", &agent)]).await;
        let big = format!("{number}{}", "x".repeat(56_000));
        twice("56 kB five times", ["/big/1", "/big/2"], &[("x-big", big.as_bytes())]).await;
        let parent = ("traceparent", &b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"[..]);
        for kilobytes in [20, 70] {
            let (path, state) = (format!("/{kilobytes}"), format!("a={}", "x".repeat(kilobytes * 1000)));
            let input = format!("{kilobytes} kB of tracestate");
            twice(&input, [&path, &path], &[parent, ("tracestate", state.as_bytes())]).await;
        }
    }
    assert_eq!(rejections(&service.tollgate).await, [""; 0]);
}

#[tokio::test]
async fn through_envoy_over_tcp() {
    through_envoy(Wire::Plain).await;
}

#[tokio::test]
async fn through_envoy_over_tls() {
    through_envoy(Wire::Tls).await;
}

#[tokio::test]
async fn through_envoy_over_a_unix_socket() {
    through_envoy(Wire::Unix).await;
}

/// What other implementations print of their calls, each made twice.
const DECIDED: [&str; 9] = [
    "authority outbound|8081||ratelimit.default.svc.cluster.local: OK OVER_LIMIT",
    "authority extension/ns/name: OK OVER_LIMIT",
    "authority ai_gateway_x: OK OVER_LIMIT",
    "authority %2Frun%2Fgrpc.sock: OK OVER_LIMIT",
    "a byte that is not UTF-8: OK OVER_LIMIT",
    "56 kB five times: OK OVER_LIMIT",
    "20 kB of tracestate: OK OVER_LIMIT",
    "70 kB of tracestate: OK OVER_LIMIT",
    "gzip: OK OVER_LIMIT",
];

/// Runs a program that `tests/run.sh` installs, over every wire.
async fn by(program: &str, arguments: &[&str]) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/parts").join(program);
    assert!(program.exists(), "{} is missing: run tests/run.sh once, which makes it", program.display());
    for wire in [Wire::Plain, Wire::Tls, Wire::Unix] {
        let service = Service::start(wire);
        let mut command = Command::new(&program);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).args([&service.target(), "salt"]);
        if wire == Wire::Tls {
            command.arg(service.file("ca.crt"));
        }
        let output = command.output().expect("it runs");
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(printed.lines().collect::<Vec<_>>(), DECIDED, "{wire:?}");
        assert_eq!(rejections(&service.tollgate).await, [""; 0]);
    }
}

#[tokio::test]
async fn by_grpcio() {
    by("venv/bin/python", &["tests/independent/inputs.py"]).await;
}

#[tokio::test]
async fn by_grpc_go() {
    by("bin/caller", &[]).await;
}

/// The status of an answer. Headers may be any bytes.
async fn get(address: SocketAddr, path: &str, headers: &[(&str, &[u8])]) -> u16 {
    let mut request = format!("GET {path} HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n").into_bytes();
    for (name, value) in headers {
        request.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    request.extend(b"\r\n");
    let mut stream = TcpStream::connect(address).await.expect("connected");
    stream.write_all(&request).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

fn text(path: &(impl AsRef<OsStr> + ?Sized)) -> &str {
    path.as_ref().to_str().expect("a path in UTF-8")
}
