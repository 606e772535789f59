//! Starting without Redis, and what health reports about Redis then and later.

use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::service::program::{LIMIT, ask, builder, on, remaining};
use testkit::scrape::metric;
use testkit::{
    eventually,
    health::{grpc, page},
    ports::free_port,
    process::{Builder, Tollgate},
    redis::Redis,
};

/// A service for a Redis with a password that does not listen yet, and the port for it.
fn early() -> (Builder, u16) {
    let port = free_port();
    let builder = builder()
        .env("REDIS_URL", format!("redis://:geheim@127.0.0.1:{port}"))
        .env("REDIS_STARTUP_MAX_INTERVAL", "20ms")
        .env("REDIS_STARTUP_INITIAL_INTERVAL", "0");
    (builder, port)
}

/// Waits until the page is OK, or until it is not and contains all of these words.
async fn says(tollgate: &Tollgate, path: &str, code: u16, words: &[&str]) -> String {
    eventually(&format!("{path} to say {code} and {words:?}"), async || {
        let (status, body) = page(tollgate, path).await;
        (status == code && words.iter().all(|word| body.contains(word))).then_some(body)
    })
    .await
}

async fn is_serving(tollgate: &Tollgate) -> bool {
    grpc(tollgate, "ratelimit").await == Ok(ServingStatus::Serving)
}

#[tokio::test]
async fn it_answers_without_redis_and_is_healthy_once_redis_has_counted() {
    let (builder, port) = early();
    let tollgate = builder.env("FAILURE_MODE", "allow").start();
    let address = format!("127.0.0.1:{port}");
    for (path, code) in [("/healthcheck", 500), ("/readyz", 503)] {
        let why = says(&tollgate, path, code, &["redis has not counted yet (REDIS_URL)", &address, "refused"]).await;
        assert!(!why.contains("geheim"), "{why}");
    }
    assert!(!is_serving(&tollgate).await);
    assert_eq!(grpc(&tollgate, "").await, Ok(ServingStatus::Serving));
    assert_eq!(page(&tollgate, "/livez").await.0, 200);
    let answer = ask(&tollgate, &["year"]).await.expect("the answer of the failure mode");
    assert_eq!(answer.overall_code(), Code::Ok);

    let redis = Redis::try_start(tempfile::tempdir().expect("a directory"), port, &["--requirepass", "wrong"]);
    let mut redis = redis.expect("the port is free");
    let why = says(&tollgate, "/healthcheck", 500, &[&address, "WRONGPASS"]).await;
    assert!(!why.contains("geheim"), "{why}");
    redis.cli(&["-a", "wrong", "--no-auth-warning", "CONFIG", "SET", "requirepass", "geheim"]);
    says(&tollgate, "/healthcheck", 200, &["OK"]).await;
    says(&tollgate, "/readyz", 200, &["OK"]).await;
    eventually("gRPC health", async || is_serving(&tollgate).await.then_some(())).await;

    redis.kill();
    eventually("no connection", async || {
        (metric(&tollgate, "ratelimit_redis_pool_cx_active").await == Some(0.0)).then_some(())
    })
    .await;
    assert_eq!((page(&tollgate, "/healthcheck").await.0, page(&tollgate, "/readyz").await.0), (200, 200));
    assert!(is_serving(&tollgate).await, "losing Redis does not make it unhealthy");
}

#[tokio::test]
async fn health_can_require_a_live_connection() {
    let mut redis = Redis::start(&[]);
    let tollgate = on(&redis).env("REDIS_HEALTH_CHECK_ACTIVE_CONNECTION", "true").start();
    let address = format!("127.0.0.1:{}", redis.port);
    for _ in 0..2 {
        says(&tollgate, "/healthcheck", 200, &["OK"]).await;
        says(&tollgate, "/readyz", 200, &["OK"]).await;
        eventually("gRPC health", async || is_serving(&tollgate).await.then_some(())).await;
        redis.kill();
        let words = ["REDIS_HEALTH_CHECK_ACTIVE_CONNECTION", "REDIS_URL", &address];
        says(&tollgate, "/healthcheck", 500, &words).await;
        says(&tollgate, "/readyz", 503, &words).await;
        eventually("gRPC health", async || (!is_serving(&tollgate).await).then_some(())).await;
        assert_eq!(page(&tollgate, "/livez").await.0, 200);
        redis.start_again();
    }
}

#[tokio::test]
async fn a_connection_that_hangs_is_not_live() {
    let redis = Redis::start(&[]);
    let needs = on(&redis).env("REDIS_HEALTH_CHECK_ACTIVE_CONNECTION", "true");
    let tollgate = needs.env("REDIS_TIMEOUT", "1s").start();
    says(&tollgate, "/healthcheck", 200, &["OK"]).await;
    redis.signal("STOP");
    let why = eventually("calls without an answer, and no connection", async || {
        let _ = ask(&tollgate, &["year"]).await;
        let (status, body) = page(&tollgate, "/healthcheck").await;
        (status == 500).then_some(body)
    })
    .await;
    assert!(why.contains("REDIS_HEALTH_CHECK_ACTIVE_CONNECTION"), "{why}");
    redis.signal("CONT");
    says(&tollgate, "/healthcheck", 200, &["OK"]).await;
}

#[tokio::test]
async fn each_redis_must_have_counted_once() {
    let redis = Redis::start(&[]);
    let tollgate = on(&redis)
        .env("REDIS_PERSECOND", "true")
        .env("REDIS_PERSECOND_URL", format!("redis://127.0.0.1:{}", free_port()))
        .start();
    assert_eq!(remaining(&tollgate, &["year"]).await, [LIMIT - 1]);
    eventually("the one that does not count is reported", async || {
        let why = says(&tollgate, "/healthcheck", 500, &["(REDIS_PERSECOND_URL)", "refused"]).await;
        (why.lines().count() == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_is_no_cluster_is_reported() {
    let redis = Redis::start(&[]);
    let tollgate = builder().env("REDIS_URL", format!("redis-cluster://127.0.0.1:{}", redis.port)).start();
    let why = says(&tollgate, "/healthcheck", 500, &["cluster support disabled", "set REDIS_TYPE=SINGLE"]).await;
    assert!(why.contains(&format!("127.0.0.1:{}", redis.port)), "{why}");
}

#[tokio::test]
async fn a_signal_ends_it_cleanly_although_it_waits_for_redis() {
    let (builder, _port) = early();
    let mut tollgate = builder.env("REDIS_STARTUP_INITIAL_INTERVAL", "1h").start();
    says(&tollgate, "/healthcheck", 500, &["refused"]).await;
    tollgate.signal("TERM");
    assert_eq!(tollgate.exit().code(), Some(0));
}

#[tokio::test]
async fn it_exits_without_redis_if_configured_to() {
    let (builder, port) = early();
    let mut tollgate = builder.env("REDIS_STARTUP_MAX_ELAPSED_TIME", "5s").spawn();
    assert_eq!(tollgate.exit().code(), Some(2));
    let logged = tollgate.wait_for_log("REDIS_STARTUP_MAX_ELAPSED_TIME");
    assert!(logged.contains(&format!("REDIS_URL: 127.0.0.1:{port}: ")) && logged.contains("refused"), "{logged}");
    assert!(tollgate.logged("geheim").is_empty(), "{:?}", tollgate.log());
}
