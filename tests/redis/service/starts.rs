//! The first calls after health reports ready, on a busy machine: none may fail. There are a few starts of each kind
//! here; `tests/long.sh` does two hundred with the default timeout beside six busy loops.

use std::{
    env,
    process::{Child, Command},
    time::Duration,
};

use crate::service::program::{ask, builder};
use testkit::{
    certificates::certificates,
    health::page,
    ports::free_port,
    process::Builder,
    redis::{Redis, cluster::Cluster, sentinel::SentinelGroup},
};

/// The number of calls after each start.
const CALLS: u32 = 50;

fn number(variable: &str, otherwise: usize) -> usize {
    env::var(variable).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

/// Processes that use all CPU time they get. Killed when dropped.
struct BusyLoops(Vec<Child>);

impl BusyLoops {
    fn start(count: usize) -> Self {
        let start = || Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("sh");
        Self((0..count).map(|_| start()).collect())
    }
}

impl Drop for BusyLoops {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

async fn starts(kind: &str, builder: impl Fn() -> Builder) {
    let starts = number("TOLLGATE_TEST_STARTS", 3);
    let _busy = BusyLoops::start(number("TOLLGATE_TEST_BUSY", 2));
    let (mut failed, mut failures) = (0, Vec::new());
    for _ in 0..starts {
        let mut builder = builder();
        if let Ok(timeout) = env::var("TOLLGATE_TEST_STARTS_TIMEOUT") {
            builder = builder.env("REDIS_TIMEOUT", &timeout).env("REDIS_PERSECOND_TIMEOUT", &timeout);
        } else {
            builder = builder.env("REDIS_TIMEOUT", "10s").env("REDIS_PERSECOND_TIMEOUT", "10s");
        }
        let tollgate = builder.start();
        while page(&tollgate, "/healthcheck").await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for call in 0..CALLS {
            // each over its own connection, so that all workers get calls
            if let Err(status) = ask(&tollgate, &["year", "second"]).await {
                failed += 1;
                failures.push(format!("call {call}: {}", status.message()));
            }
        }
    }
    eprintln!("starts, {kind}: {starts} starts, {} calls, {failed} failed", starts as u32 * CALLS);
    assert!(failures.is_empty(), "{kind}: {failures:#?}");
}

#[tokio::test]
async fn single() {
    let redis = Redis::start(&[]);
    starts("one Redis", || builder().env("REDIS_URL", format!("redis://127.0.0.1:{}", redis.port))).await;
}

#[tokio::test]
async fn sentinel() {
    let group = SentinelGroup::start().await;
    let sentinels: Vec<_> = group.sentinels.iter().map(|one| format!("127.0.0.1:{}", one.port)).collect();
    let url = format!("redis-sentinel://:geheim@{}/gate", sentinels.join(","));
    starts("Sentinel", || builder().env("REDIS_URL", &url).env("REDIS_SENTINEL_AUTH", "watcher")).await;
}

#[tokio::test]
async fn cluster() {
    let cluster = Cluster::start().await;
    let url = format!("redis-cluster://127.0.0.1:{}", cluster.nodes[0].port);
    starts("Cluster", || builder().env("REDIS_URL", &url)).await;
}

#[tokio::test]
async fn per_second() {
    let (main, per_second) = (Redis::start(&[]), Redis::start(&[]));
    let url = |redis: &Redis| format!("redis://127.0.0.1:{}", redis.port);
    let builder = || {
        let builder = builder().env("REDIS_URL", url(&main)).env("REDIS_PERSECOND", "true");
        builder.env("REDIS_PERSECOND_URL", url(&per_second))
    };
    starts("two Redises", builder).await;
}

#[tokio::test]
async fn tls() {
    let certificates = certificates("IP:127.0.0.1");
    let path = |name: &str| certificates.path().join(name).display().to_string();
    let start = || {
        let port = free_port();
        let (tls_port, certificate, key, ca) =
            (port.to_string(), path("server.crt"), path("server.key"), path("ca.crt"));
        let arguments = ["--port", "0", "--tls-port", &tls_port, "--tls-cert-file", &certificate];
        let redis = Redis::start(
            &[&arguments[..], &["--tls-key-file", &key, "--tls-ca-cert-file", &ca, "--tls-auth-clients", "no"]]
                .concat(),
        );
        (redis, port)
    };
    let (main, per_second) = (start(), start());
    let builder = || {
        let builder = builder().env("REDIS_URL", format!("rediss://127.0.0.1:{}", main.1));
        let builder = builder.env("REDIS_PERSECOND", "true").env("REDIS_TLS_CACERT", path("ca.crt"));
        builder.env("REDIS_PERSECOND_URL", format!("rediss://127.0.0.1:{}", per_second.1))
    };
    starts("two Redises over TLS", builder).await;
}
