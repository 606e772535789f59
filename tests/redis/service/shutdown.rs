//! SIGTERM while calls wait for Redis: they are answered as usual, and only then is Redis disconnected.

use tokio::task::JoinSet;

use crate::service::program::{LIMIT, ask, hit, on};
use testkit::scrape::metric;
use testkit::{
    eventually,
    process::{Builder, Tollgate},
    redis::Redis,
    rls::client,
};

/// The number of waiting calls: more than are sent to Redis at once, so that some are sent only after the signal.
const CALLS: usize = 12;

/// A service whose Redis hangs, the calls that wait for it, and a SIGTERM that has closed the listener.
async fn stopping(redis: &Redis, builder: Builder) -> (Tollgate, JoinSet<Result<u32, tonic::Code>>) {
    let tollgate = builder.env("BREAKER", "false").start();
    tollgate.connected_to_redis().await;
    ask(&tollgate, &["year"]).await.expect("an answer");
    redis.signal("STOP");
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        let mut client = client(tollgate.address("grpc"));
        calls.spawn(async move {
            let answer = client.should_rate_limit(hit(&["year"])).await;
            answer.map(|answer| answer.into_inner().statuses[0].limit_remaining).map_err(|status| status.code())
        });
    }
    eventually("all to wait", async || {
        (metric(&tollgate, "tollgate_redis_pending").await == Some(CALLS as f64)).then_some(())
    })
    .await;
    tollgate.signal("TERM");
    let address = tollgate.address("grpc");
    eventually("the drain", async || tokio::net::TcpStream::connect(address).await.is_err().then_some(())).await;
    (tollgate, calls)
}

/// How the log reports the end.
fn stopped(tollgate: &mut Tollgate) -> String {
    assert_eq!(tollgate.exit().code(), Some(0));
    tollgate.wait_for_log("\"stopped\"")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_wait_for_a_hung_redis_are_answered_when_it_wakes() {
    let redis = Redis::start(&[]);
    let builder = on(&redis).env("REDIS_TIMEOUT", "1m").env("DRAIN_TIMEOUT", "2m");
    let (mut tollgate, calls) = stopping(&redis, builder).await;
    redis.signal("CONT");
    let mut left = calls.join_all().await.into_iter().collect::<Result<Vec<_>, _>>().expect("all are answered");
    left.sort_unstable();
    let charged = LIMIT - 1;
    assert_eq!(left, (charged - CALLS as u32..charged).collect::<Vec<_>>(), "each was charged once");
    let logged = stopped(&mut tollgate);
    assert!(logged.contains("\"forced\":0"), "{logged}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_wait_for_a_redis_that_stays_hung_are_answered_at_their_deadline() {
    let redis = Redis::start(&[]);
    let builder = on(&redis).env("REDIS_TIMEOUT", "15s").env("DRAIN_TIMEOUT", "2m");
    let (mut tollgate, calls) = stopping(&redis, builder).await;
    for answer in calls.join_all().await {
        assert_eq!(answer, Err(tonic::Code::Unavailable));
    }
    let logged = stopped(&mut tollgate);
    assert!(logged.contains("\"forced\":0"), "{logged}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_take_longer_than_the_drain_are_cut_off() {
    let redis = Redis::start(&[]);
    let builder = on(&redis).env("REDIS_TIMEOUT", "1h").env("DRAIN_TIMEOUT", "100ms");
    let (mut tollgate, calls) = stopping(&redis, builder).await;
    for answer in calls.join_all().await {
        answer.expect_err("cut off");
    }
    let logged = stopped(&mut tollgate);
    assert!(logged.contains(&format!("\"forced\":{CALLS}")), "{logged}");
}
