//! Malicious servers in place of Redis, its sentinels and nodes, and the xDS server: the service stays alive, answers
//! by its failure mode, and neither its memory nor its log grows with what they send.
//! answers by its failure mode, and neither its memory nor its log grows with what they send.

mod peers;

use std::time::Duration;

use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use testkit::{
    eventually,
    health::page,
    process::{Builder, Tollgate},
    rls::{client, request},
};
use tokio::time::Instant;

use crate::hostile::peers::{Behaviour, Peer};

const RULES: &str = "domain: d\ndescriptors: [{key: k, rate_limit: {unit: year, requests_per_unit: 10}}]\n";

/// How much resident memory may grow, whatever is sent, in bytes.
const GROWTH: u64 = 32 << 20;
/// How much the log may grow, in bytes.
const LOG: usize = 128 << 10;
/// How long each attack lasts; only the loopback bounds what is sent meanwhile.
const ENDURED: Duration = Duration::from_secs(2);

fn resident(tollgate: &Tollgate) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", tollgate.pid())).expect("a process");
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a figure");
    1024 * kib.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
}

/// Attacks the service for a while; all calls meanwhile must be answered.
async fn endures(what: &str, tollgate: &mut Tollgate, peer: &Peer, code: Code) {
    eventually("a first contact", async || (peer.contacts() > 0).then_some(())).await;
    let (memory, log) = (resident(tollgate), tollgate.log().concat().len());
    let mut rls = client(tollgate.address("grpc"));
    let (since, mut calls) = (Instant::now(), 0);
    let mut most = memory;
    while since.elapsed() < ENDURED {
        let answer = rls.should_rate_limit(request("d", &[&[("k", "v")]])).await;
        let answer = answer.unwrap_or_else(|status| panic!("{what}: {status:?}")).into_inner();
        assert_eq!(answer.overall_code(), code, "{what}");
        calls += 1;
        most = most.max(resident(tollgate));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let logged = tollgate.log().concat().len() - log;
    eprintln!(
        "hostile, {what}: {} connections, {} KiB sent, {calls} calls answered, memory +{} KiB, log +{logged} bytes",
        peer.contacts(),
        peer.sent() >> 10,
        (most - memory) >> 10
    );
    assert!(most <= memory + GROWTH, "{what}: {memory} bytes grew to {most}");
    assert!(logged <= LOG, "{what}: {logged} bytes of log");
    assert_eq!(page(tollgate, "/livez").await.0, 200, "{what}");
    tollgate.signal("TERM");
    assert_eq!(tollgate.exit().code(), Some(0), "{what}");
}

/// `FAILURE_MODE=deny`, so that each answer shows that Redis did not decide.
fn closed(url: &str) -> Builder {
    // Redis never answers: the longer the timeout, the fewer the calls made during the attack
    let builder = testkit::tollgate!().rules(RULES).env("REDIS_URL", url).env("REDIS_TIMEOUT", "100ms");
    let builder = builder.env("FAILURE_MODE", "deny");
    let builder = builder.env("REDIS_STARTUP_INITIAL_INTERVAL", "10ms").env("REDIS_STARTUP_MAX_INTERVAL", "10ms");
    builder.env("DRAIN_DELAY", "0")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis() {
    for way in Behaviour::ALL {
        let peer = Peer::start(*way).await;
        let mut tollgate = closed(&format!("redis://:geheim@127.0.0.1:{}", peer.port)).start();
        endures(&format!("a redis that {way}"), &mut tollgate, &peer, Code::OverLimit).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels() {
    for way in Behaviour::ALL.iter().chain(Behaviour::SENTINEL) {
        let peer = Peer::start(*way).await;
        let mut tollgate = closed(&format!("redis-sentinel://127.0.0.1:{}/gate", peer.port)).start();
        endures(&format!("a sentinel that {way}"), &mut tollgate, &peer, Code::OverLimit).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_a_cluster() {
    for way in Behaviour::ALL.iter().chain(Behaviour::CLUSTER) {
        let peer = Peer::start(*way).await;
        let mut tollgate = closed(&format!("redis-cluster://127.0.0.1:{}", peer.port)).start();
        endures(&format!("a node that {way}"), &mut tollgate, &peer, Code::OverLimit).await;
        let descriptors = std::fs::read_dir("/proc/self/fd").expect("a directory").count();
        assert!(descriptors < 3000, "{descriptors} connections were made here");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn xds() {
    for way in Behaviour::ALL {
        let peer = Peer::start(*way).await;
        let mut tollgate = testkit::tollgate!()
            .env("CONFIG_TYPE", "GRPC_XDS_SOTW")
            .env("CONFIG_GRPC_XDS_SERVER_URL", format!("127.0.0.1:{}", peer.port))
            .env("XDS_CLIENT_BACKOFF_INITIAL_INTERVAL", "10ms")
            .env("XDS_CLIENT_BACKOFF_MAX_INTERVAL", "20ms")
            .env("FORCE_START_WITHOUT_INITIAL_CONFIG", "true")
            .env("ON_INVALID_REQUEST", "deny")
            .env("FAILURE_MODE", "deny")
            .env("DRAIN_DELAY", "0")
            .start();
        endures(&format!("an xDS server that {way}"), &mut tollgate, &peer, Code::OverLimit).await;
    }
}
