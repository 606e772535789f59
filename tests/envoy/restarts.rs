//! Connections that end behind a real Envoy under load must not cause errors in Envoy: two Tollgates of which one at a
//! time is restarted, and connections that are closed at their maximum age.
//!
//! Three restarts each; `TOLLGATE_TEST_RESTARTS` sets another number.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

use serde_json::{Value, json};
use testkit::{
    balancer::Balancer,
    envoy::{Config, Envoy, bootstrap},
    eventually,
    http::Client,
    process::Tollgate,
    upstream::Upstream,
};
use tokio::task::{JoinSet, block_in_place};

const RULES: &str = "domain: d\ndescriptors: [{key: k, rate_limit: {unit: year, requests_per_unit: 4000000000}}]\n";

/// Envoy waits for up to a second before its workers learn of a change of health. On a machine busy with other tests,
/// the 5 s of docs/lifecycle.md may be too short; many restarts are meant for an idle machine.
fn drain_delay() -> &'static str {
    if std::env::var_os("TOLLGATE_TEST_RESTARTS").is_some() { "5s" } else { "15s" }
}

fn restarts() -> usize {
    std::env::var("TOLLGATE_TEST_RESTARTS").map_or(3, |text| text.parse().expect("TOLLGATE_TEST_RESTARTS is a number"))
}

/// A service at this address.
fn start(ip: IpAddr, port: u16) -> Tollgate {
    block_in_place(|| {
        testkit::tollgate!()
            .rules(RULES)
            .env("GRPC_HOST", ip.to_string())
            .env("GRPC_PORT", port.to_string())
            .env("DRAIN_DELAY", drain_delay())
            .start()
    })
}

/// Two services, each at its own address from which nothing connects, so that its port is free for the restart.
fn fleet() -> Vec<Tollgate> {
    let id = std::process::id().to_be_bytes();
    (1..=2).map(|last| start(IpAddr::from(Ipv4Addr::new(127, id[2].max(1), id[3], last)), 0)).collect()
}

fn restart(tollgate: &mut Tollgate) {
    let at = tollgate.address("grpc");
    tollgate.signal("TERM");
    let status = block_in_place(|| tollgate.exit());
    assert!(status.success(), "{status}");
    let logged = tollgate.wait_for_log("\"stopped\"");
    assert!(logged.contains("\"forced\":0"), "{logged}");
    *tollgate = start(at.ip(), at.port());
}

/// The results of a load through Envoy.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    sent: AtomicU64,
    other: AtomicU64,
}

impl Load {
    fn start(address: SocketAddr) -> (Arc<Self>, JoinSet<()>) {
        let load = Arc::new(Self::default());
        let mut callers = JoinSet::new();
        for _ in 0..16 {
            let load = Arc::clone(&load);
            callers.spawn(async move {
                let client = Client::new();
                while !load.stop.load(SeqCst) {
                    let answer = client.get(address, "/").await;
                    load.sent.fetch_add(1, SeqCst);
                    if answer.status != 200 {
                        load.other.fetch_add(1, SeqCst);
                    }
                }
            });
        }
        (load, callers)
    }

    async fn has_sent_enough(&self) {
        eventually("more than a thousand requests", async || (self.sent.load(SeqCst) > 1000).then_some(())).await;
    }
}

/// Envoy in front of the listed Tollgates, with additional settings of its cluster.
async fn envoy(tollgates: &[SocketAddr], upstream: &Upstream, more: Value) -> Envoy {
    let mut bootstrap = bootstrap(&Config {
        tollgate: tollgates[0],
        upstream: upstream.address,
        domain: "d",
        failure_mode_deny: false,
        rate_limits: json!([{"actions": [{"generic_key": {"descriptor_key": "k", "descriptor_value": "v"}}]}]),
        timeout: "60s",
    });
    let cluster = &mut bootstrap["static_resources"]["clusters"][0];
    let endpoint = |at: &SocketAddr| json!({"endpoint": {"address": {"socket_address": {"address": at.ip().to_string(), "port_value": at.port()}}}});
    cluster["load_assignment"]["endpoints"][0]["lb_endpoints"] = tollgates.iter().map(endpoint).collect();
    cluster.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
    Envoy::run("envoy.json", &bootstrap.to_string()).await
}

/// A counter of Envoy.
async fn counter(envoy: &Envoy, name: &str) -> u64 {
    let page = Client::new().get(envoy.admin, "/stats").await.body;
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.map_or(0, |value| value.parse().expect("a number"))
}

async fn no_error_counted(how: &str, envoy: &Envoy, load: &Load) {
    let read = async |name| counter(envoy, &format!("cluster.{name}")).await;
    let (ok, error) = (read("upstream.ratelimit.ok").await, read("upstream.ratelimit.error").await);
    let connections = read("tollgate.upstream_cx_total").await;
    let (sent, other) = (load.sent.load(SeqCst), load.other.load(SeqCst));
    println!(
        "{how}: {sent} requests, {connections} connections to Tollgate; ratelimit.ok {ok}, ratelimit.error {error}"
    );
    if error > 0 {
        let stats = Client::new().get(envoy.admin, "/stats?usedonly&filter=tollgate|ratelimit").await.body;
        panic!("{error} errors:\n{stats}");
    }
    assert_eq!((ok, other), (sent, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn with_health_checks_no_restart_is_an_error() {
    let (upstream, mut fleet, restarts) = (Upstream::start().await, fleet(), restarts());
    let addresses: Vec<_> = fleet.iter().map(|one| one.address("grpc")).collect();
    let check = json!({"health_checks": [{
        "timeout": "10s", "interval": "0.1s", "no_traffic_interval": "0.1s",
        "unhealthy_threshold": 2, "healthy_threshold": 1,
        "grpc_health_check": {"service_name": "ratelimit"},
    }]});
    let envoy = envoy(&addresses, &upstream, check).await;
    let healthy = async || {
        eventually("both to be healthy", async || {
            (counter(&envoy, "cluster.tollgate.membership_healthy").await == 2).then_some(())
        })
        .await;
    };
    healthy().await;
    let (load, callers) = Load::start(envoy.address);
    for turn in 0..restarts {
        restart(&mut fleet[turn % 2]);
        healthy().await;
    }
    load.has_sent_enough().await;
    load.stop.store(true, SeqCst);
    callers.join_all().await;
    no_error_counted(&format!("{restarts} restarts, Envoy checks health"), &envoy, &load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn behind_one_address_no_restart_is_an_error() {
    let (upstream, mut fleet, restarts) = (Upstream::start().await, fleet(), restarts());
    let balancer = Balancer::start().await;
    for one in &fleet {
        balancer.put(one.address("grpc"), one.address("http"));
    }
    let ready = async || eventually("both to be ready", async || (balancer.ready() == 2).then_some(())).await;
    ready().await;
    let envoy = envoy(&[balancer.address], &upstream, json!({})).await;
    let (load, callers) = Load::start(envoy.address);
    for turn in 0..restarts {
        let one = &mut fleet[turn % 2];
        restart(one);
        balancer.put(one.address("grpc"), one.address("http"));
        ready().await;
    }
    load.has_sent_enough().await;
    load.stop.store(true, SeqCst);
    callers.join_all().await;
    no_error_counted(&format!("{restarts} restarts, one address, no health checks"), &envoy, &load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn connections_that_age_out_are_no_error() {
    let upstream = Upstream::start().await;
    let tollgate = testkit::tollgate!().rules(RULES).env("GRPC_MAX_CONNECTION_AGE", "200ms").start();
    let envoy = envoy(&[tollgate.address("grpc")], &upstream, json!({})).await;
    let (load, callers) = Load::start(envoy.address);
    eventually("connections to be made anew", async || {
        (counter(&envoy, "cluster.tollgate.upstream_cx_total").await >= 20).then_some(())
    })
    .await;
    load.has_sent_enough().await;
    load.stop.store(true, SeqCst);
    callers.join_all().await;
    no_error_counted("connections that leave at an age of 200 ms", &envoy, &load).await;
}
