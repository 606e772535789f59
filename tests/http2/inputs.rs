//! Inputs that an HTTP stack or a decoder may reject, and once did: through real clients, over every kind of
//! connection, each gets its decision, and no rejection is counted.
//!
//! Invalid authorities: without `authority` in its `envoy_grpc`, Envoy sends the cluster's name. A byte that is not
//! UTF-8 in a descriptor. Large descriptors. A long `tracestate`, which Envoy forwards from its own client.
//! Compression.

use std::{net::SocketAddr, process::Command};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use wire::hpack::{Decoder, Field};

use crate::{
    oracle::script::{block, pair},
    rejections,
    service::{Service, Wire, asking, http_manager, part},
};
use testkit::{
    envoy::Envoy,
    frames::{HEADERS, Peer},
    upstream::Upstream,
};

/// Each counter allows one call.
const RULES: &str = "
domain: edge
descriptors:
  - {key: path, rate_limit: {unit: year, requests_per_unit: 1}}
  - {key: agent, rate_limit: {unit: year, requests_per_unit: 1}}
  - {key: big, rate_limit: {unit: year, requests_per_unit: 1}}
";

/// Cluster names as Istio, Contour and Envoy Gateway's AI gateway make them.
const NAMES: [&str; 3] = ["outbound|8081||ratelimit.default.svc.cluster.local", "extension/ns/name", "ai_gateway_x"];

/// The bootstrap of an Envoy that sends all these inputs, with this name for the cluster of Tollgate.
fn sending_all(service: &Service, upstream: SocketAddr, name: &str) -> Value {
    let header = |name, key| json!({"actions": [{"request_headers": {"header_name": name, "descriptor_key": key}}]});
    let big = ["big", "b", "c", "d", "e"].map(|key| header("x-big", key));
    let others = [header(":path", "path"), header("user-agent", "agent")];
    let config = asking(upstream, big.into_iter().chain(others).collect());
    let mut bootstrap = service.bootstrap(config, name);
    let manager = http_manager(&mut bootstrap);
    manager["max_request_headers_kb"] = json!(1024);
    // it forwards its client's trace
    manager["tracing"] = json!({"provider": {"name": "envoy.tracers.opentelemetry", "typed_config": {
        "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "service_name": "edge",
        "grpc_service": {"envoy_grpc": {"cluster_name": "upstream"}},
    }}});
    bootstrap
}

/// Through an Envoy for each name, each input twice: the first passes, the second is denied.
async fn through_envoy(wire: Wire) {
    let (service, upstream) = (Service::start(wire, RULES), Upstream::start().await);
    // over a unix socket, an Envoy without an authority may send the socket's path too
    let socket = service.file("socket");
    let names = NAMES.into_iter().chain((wire == Wire::Unix).then_some(&*socket));
    for (number, name) in names.enumerate() {
        let envoy = Envoy::run("envoy.json", &sending_all(&service, upstream.address, name).to_string()).await;
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

/// In HTTP/2 a value has no surrounding white space; in HTTP/1 it may, and it is not part of the value. If a client
/// sends it over HTTP/2 anyway, Envoy forwards it.
#[tokio::test]
async fn white_space_around_a_value_through_envoy() {
    let (service, upstream) = (Service::start(Wire::Plain, RULES), Upstream::start().await);
    let envoy = Envoy::run("envoy.json", &sending_all(&service, upstream.address, NAMES[0]).to_string()).await;
    let (mut peer, mut decoder) = (Peer::connect(envoy.address).await, Decoder::new(4096));
    let parent = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let mut stream = 1;
    for (number, state) in ["a=b ", " a=b", "a=b\t", " "].into_iter().enumerate() {
        for expected in ["200", "429"] {
            let path = format!("/blanks/{number}");
            let pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", "edge"), (":path", &path)];
            let fields: Vec<_> = pseudo.into_iter().chain([parent, ("tracestate", state)]).map(pair).collect();
            peer.call(stream, &block(&fields)).await;
            let head = peer.next(&[HEADERS]).await;
            let mut status = Vec::new();
            let status_of = |field: Field<'_>| {
                if field.name == b":status" {
                    status = field.value.to_vec();
                }
            };
            decoder.decode(&head.payload, &mut Vec::new(), status_of).expect("a block");
            assert_eq!(String::from_utf8_lossy(&status), expected, "tracestate {state:?}");
            stream += 2;
        }
    }
    assert_eq!(rejections(&service.tollgate).await, [""; 0]);
}

/// What other implementations print about their calls, each made twice.
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
    let program = part(program);
    for wire in Wire::ALL {
        let service = Service::start(wire, RULES);
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

/// The status of a response. Headers may be any bytes.
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
