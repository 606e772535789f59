//! Real Envoys with every HTTP/2 option that they have for Tollgate: each request gets the status that its limit
//! requires, nothing fails unnoticed, and no rejection is counted.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    rejections,
    service::{Service, Wire, asking, cluster},
};
use testkit::{
    envoy::{Config, Envoy},
    eventually,
    http::Client,
    upstream::Upstream,
};

/// The limit of each path.
const LIMIT: usize = 50;
const RULES: &str = "domain: edge\ndescriptors:\n  - {key: path, rate_limit: {unit: year, requests_per_unit: 50}}\n";

const REQUESTS: usize = 80;
/// The number of concurrent requests.
const CALLERS: usize = 16;

/// A cluster name as Istio makes them, which is not a valid authority.
const NAME: &str = "outbound|8081||ratelimit.default.svc.cluster.local";

/// An Envoy in front, and the application behind it.
struct Edge {
    envoy: Envoy,
    _upstream: Upstream,
}

impl Edge {
    /// With a changed bootstrap.
    async fn start(service: &Service, change: impl FnOnce(&mut Value)) -> Self {
        let upstream = Upstream::start().await;
        let path = json!([{"actions": [{"request_headers": {"header_name": ":path", "descriptor_key": "path"}}]}]);
        // a request without an answer is a 500
        let config = Config { failure_mode_deny: true, ..asking(upstream.address, path) };
        let mut bootstrap = service.bootstrap(config, NAME);
        change(&mut bootstrap);
        Self { envoy: Envoy::run("envoy.json", &bootstrap.to_string()).await, _upstream: upstream }
    }

    /// Makes this many requests for a new path, some concurrently, and asserts that exactly the limit passes.
    async fn asks(&self, path: &str) {
        let (client, address, mut callers) = (Client::new(), self.envoy.address, JoinSet::new());
        for _ in 0..CALLERS {
            let (client, path) = (client.clone(), path.to_owned());
            callers.spawn(async move {
                let mut statuses = Vec::new();
                for _ in 0..REQUESTS / CALLERS {
                    statuses.push(client.get(address, &path).await.status.as_u16());
                }
                statuses
            });
        }
        let mut statuses = callers.join_all().await.concat();
        statuses.sort_unstable();
        assert_eq!(statuses, [vec![200; LIMIT], vec![429; REQUESTS - LIMIT]].concat(), "{path}");
    }

    /// Envoy's statistics of its cluster for Tollgate.
    async fn stats(&self) -> Stats {
        let page = Client::new().get(self.envoy.admin, "/stats?usedonly").await.body;
        let of_cluster = format!("cluster.{NAME}.");
        let all = page.lines().filter_map(|line| line.split_once(": "));
        let numbers = all.filter_map(|(name, value)| Some((name, value.parse().ok()?)));
        let ours = numbers.filter_map(|(name, value)| Some((name.strip_prefix(&of_cluster)?.to_owned(), value)));
        Stats(ours.collect())
    }

    /// Asserts that Envoy saw no failure.
    async fn saw_no_fault(&self, what: &str) {
        let mut stats = self.stats().await;
        // this includes connections that Envoy closes itself while it reads the last answer, such as those of health
        // checks: the rest of what arrived is not read then
        let closes = stats.get("upstream_cx_destroy_local") + stats.get("health_check.attempt");
        if stats.get("upstream_cx_protocol_error") <= closes {
            stats.0.remove("upstream_cx_protocol_error");
        }
        let is_fault = |name: &str| {
            ["fail", "error", "timeout", "rx_reset", "tx_reset", "refused", "with_active_rq", "overflow", "retry"]
                .iter()
                .any(|fault| name.contains(fault))
        };
        let faults: Vec<_> = stats.0.iter().filter(|(name, count)| is_fault(name) && **count > 0).collect();
        assert!(faults.is_empty(), "{what}: {faults:?}");
    }
}

#[derive(Debug)]
struct Stats(BTreeMap<String, u64>);

impl Stats {
    /// 0 for a statistic without a value.
    fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }
}

/// The protocol options of a cluster in a bootstrap.
fn protocol(bootstrap: &mut Value) -> &mut Value {
    let options = &mut cluster(bootstrap)["typed_extension_protocol_options"];
    &mut options["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]
}

/// The options of HTTP/2, and those of HTTP in general.
async fn with(wire: Wire, cases: &[(&str, Value, Value)]) {
    let service = Service::start(wire, RULES);
    for (name, http2, common) in cases {
        let edge = Edge::start(&service, |bootstrap| {
            protocol(bootstrap)["explicit_http_config"]["http2_protocol_options"] = http2.clone();
            protocol(bootstrap)["common_http_protocol_options"] = common.clone();
        })
        .await;
        edge.asks(&format!("/{name}")).await;
        edge.saw_no_fault(name).await;
        assert_eq!(rejections(&service.tollgate).await, [""; 0], "{name}");
        let stats = edge.stats().await;
        let [calls, connections] = ["upstream_rq_total", "upstream_cx_total"].map(|name| stats.get(name));
        println!("Envoy, {wire:?}, {name}: {REQUESTS} requests, {calls} calls, {connections} connections");
        assert_eq!(calls, REQUESTS as u64, "{name}");
        if let Some(most) = common["max_requests_per_connection"].as_u64() {
            assert!(connections >= calls / most, "{name}: {stats:?}");
        }
    }
}

fn http2_options() -> Vec<(&'static str, Value, Value)> {
    let windows = |size: u32| json!({"initial_stream_window_size": size, "initial_connection_window_size": size});
    vec![
        ("defaults", json!({}), json!({})),
        ("no-table", json!({"hpack_table_size": 0}), json!({})),
        ("a-small-table", json!({"hpack_table_size": 50}), json!({})),
        ("the-smallest-windows", windows(65_535), json!({})),
        ("the-largest-windows", windows(0x7fff_ffff), json!({})),
        ("one-stream", json!({"max_concurrent_streams": 1}), json!({})),
        ("two-streams", json!({"max_concurrent_streams": 2}), json!({})),
        ("three-requests", json!({}), json!({"max_requests_per_connection": 3})),
        ("one-request", json!({}), json!({"max_requests_per_connection": 1})),
        ("pings", json!({"connection_keepalive": {"interval": "1s", "timeout": "60s"}}), json!({})),
        (
            "everything",
            json!({
                "hpack_table_size": 0,
                "initial_stream_window_size": 65_535,
                "initial_connection_window_size": 65_535,
                "max_concurrent_streams": 2,
                "connection_keepalive": {
                    "interval": "1s", "timeout": "60s", "connection_idle_interval": "1s",
                    "interval_jitter": {"value": 50},
                },
                "allow_connect": true,
                "override_stream_error_on_invalid_http_message": true,
            }),
            json!({"max_requests_per_connection": 3, "idle_timeout": "1s"}),
        ),
    ]
}

#[tokio::test]
async fn with_every_option_over_tcp() {
    with(Wire::Plain, &http2_options()).await;
}

#[tokio::test]
async fn with_every_option_over_tls() {
    with(Wire::Tls, &http2_options()).await;
}

#[tokio::test]
async fn with_every_option_over_a_unix_socket() {
    with(Wire::Unix, &http2_options()).await;
}

/// Envoy closes a connection whose PINGs are not acknowledged; this one survives many.
#[tokio::test]
async fn pings_of_an_idle_connection_are_answered() {
    let service = Service::start(Wire::Plain, RULES);
    let edge = Edge::start(&service, |bootstrap| {
        protocol(bootstrap)["explicit_http_config"]["http2_protocol_options"] =
            json!({"connection_keepalive": {"interval": "1s", "timeout": "60s"}});
    })
    .await;
    edge.asks("/before").await;
    let before = edge.stats().await;
    // nothing else arrives on the connection: nine bytes of a frame header, and the eight that were sent
    let received = async || edge.stats().await.get("upstream_cx_rx_bytes_total");
    let enough = received().await + 4 * before.get("upstream_cx_active") * 17;
    eventually("four PINGs that are answered", async || (received().await >= enough).then_some(())).await;
    edge.asks("/after").await;
    let after = edge.stats().await;
    assert_eq!(after.get("upstream_cx_destroy"), 0, "{after:?}");
    edge.saw_no_fault("PINGs").await;
    assert_eq!(rejections(&service.tollgate).await, [""; 0]);
}

#[tokio::test]
async fn grpc_health_checks_with_any_authority_succeed() {
    for wire in Wire::ALL {
        let service = Service::start(wire, RULES);
        let authorities = ["outbound|8081||x", "", "extension/ns/name", "a b", "%2Frun%2Fgrpc.sock", "fine:80"];
        for (number, authority) in authorities.into_iter().enumerate() {
            // each on a connection of its own, or all on one
            let reuses = number % 2 == 0;
            let edge = Edge::start(&service, |bootstrap| {
                cluster(bootstrap)["health_checks"] = json!([{
                    "timeout": "60s", "interval": "0.1s", "no_traffic_interval": "0.1s",
                    "healthy_threshold": 1, "unhealthy_threshold": 1, "reuse_connection": reuses,
                    "grpc_health_check": {"service_name": "ratelimit", "authority": authority},
                }]);
            })
            .await;
            eventually(&format!("health checks with the authority {authority:?}"), async || {
                (edge.stats().await.get("health_check.success") >= 5).then_some(())
            })
            .await;
            edge.asks(&format!("/health{number}")).await;
            edge.saw_no_fault(authority).await;
            assert_eq!(edge.stats().await.get("membership_healthy"), 1);
        }
        assert_eq!(rejections(&service.tollgate).await, [""; 0], "{wire:?}");
    }
}

/// This many concurrent requests, each for a path of its own.
fn all_at_once(edge: &Edge, requests: usize, name: &str) -> JoinSet<u16> {
    let (client, address, mut callers) = (Client::new(), edge.envoy.address, JoinSet::new());
    for number in 0..requests {
        let (client, path) = (client.clone(), format!("/{name}/{number}"));
        callers.spawn(async move { client.get(address, &path).await.status.as_u16() });
    }
    callers
}

/// When a connection is established, hundreds of waiting calls are sent before the peer can know the limit of streams.
#[tokio::test]
async fn an_envoy_that_connects_sends_all_waiting_calls() {
    const WAITING: usize = 300;
    let service = Service::with(Wire::Plain, testkit::tollgate!().rules(RULES).env("MAX_CONCURRENT_STREAMS", "10"));
    for round in 0..3 {
        let edge = Edge::start(&service, |_| {}).await;
        // a stopped process accepts connections, but does not send its limit
        service.tollgate.signal("STOP");
        let callers = all_at_once(&edge, WAITING, &round.to_string());
        eventually("all calls to wait", async || {
            (edge.stats().await.get("upstream_rq_active") == WAITING as u64).then_some(())
        })
        .await;
        let connections = edge.stats().await.get("upstream_cx_active");
        service.tollgate.signal("CONT");
        assert_eq!(callers.join_all().await, [200; WAITING], "round {round}");
        edge.saw_no_fault("connecting").await;
        assert_eq!(rejections(&service.tollgate).await, [""; 0], "round {round}");
        println!("Envoy, {WAITING} calls before any SETTINGS, of which 10 may be open: over {connections} connections");
        assert!(connections < 10, "most are above the limit");
    }
}

/// Connections age under load: Envoy reconnects each time, and every request is answered.
#[tokio::test]
async fn ageing_connections_fail_no_request() {
    let builder = testkit::tollgate!()
        .rules(RULES)
        .env("MAX_CONCURRENT_STREAMS", "10")
        .env("GRPC_MAX_CONNECTION_AGE", "1s")
        .env("GRPC_MAX_CONNECTION_AGE_GRACE", "1h");
    let service = Service::with(Wire::Plain, builder);
    let edge = Edge::start(&service, |_| {}).await;
    let mut rounds = 0;
    while edge.stats().await.get("upstream_cx_close_notify") < 6 {
        assert_eq!(all_at_once(&edge, 100, &rounds.to_string()).join_all().await, [200; 100], "round {rounds}");
        rounds += 1;
    }
    edge.saw_no_fault("ageing").await;
    assert_eq!(rejections(&service.tollgate).await, [""; 0]);
    println!("Envoy, connections that age: {rounds} times 100 requests, all passed");
}
