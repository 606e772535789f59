//! Where counters are kept, what survives a restart, and what an unreachable Redis affects.

use tonic::Code;

use crate::service::program::{LIMIT, ask, builder, on, remaining};
use testkit::{eventually, ports::free_port, redis::Redis};
use testkit::{pages::page, scrape::metric};

// the clients of the first process have to see it shut down while the test waits
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_survive_a_restart_and_are_shared_by_processes() {
    let redis = Redis::start(&[]);
    let rules = ["year", "sliding", "bucket"];
    let mut first = on(&redis).start();
    assert_eq!(remaining(&first, &rules).await, [LIMIT - 1; 3]);
    let second = on(&redis).start();
    assert_eq!(remaining(&second, &rules).await, [LIMIT - 2; 3]);
    assert_eq!(remaining(&first, &rules).await, [LIMIT - 3; 3]);
    first.signal("TERM");
    assert!(first.exit().success());
    let again = on(&redis).start();
    assert_eq!(remaining(&again, &rules).await, [LIMIT - 4; 3]);
}

#[tokio::test]
async fn a_prefix_keeps_services_apart() {
    let redis = Redis::start(&[]);
    for prefix in ["one:", "other:"] {
        let tollgate = on(&redis).env("CACHE_KEY_PREFIX", prefix).start();
        assert_eq!(remaining(&tollgate, &["year"]).await, [LIMIT - 1]);
        let keys = redis.counters();
        assert_eq!(keys.iter().filter(|key| key.starts_with(prefix)).count(), 1, "{keys:?}");
    }
    assert_eq!(redis.counters().len(), 2);
}

#[tokio::test]
async fn a_counter_expires_after_its_window() {
    let redis = Redis::start(&[]);
    let tollgate = on(&redis).env("EXPIRATION_JITTER_MAX_SECONDS", "0").start();
    tollgate.is_healthy().await;
    let before = redis.calls("set");
    remaining(&tollgate, &["second"]).await;
    assert_eq!(redis.calls("set"), before + 1);
    eventually("an empty Redis", async || (redis.cli(&["DBSIZE"]) == "0").then_some(())).await;
}

#[tokio::test]
async fn limits_per_second_are_counted_in_their_own_redis() {
    let (main, mut per_second) = (Redis::start(&[]), Redis::start(&[]));
    let tollgate = on(&main)
        .env("REDIS_PERSECOND", "true")
        .env("REDIS_PERSECOND_SOCKET_TYPE", "tcp")
        .env("REDIS_PERSECOND_URL", format!("127.0.0.1:{}", per_second.port))
        .env("REDIS_PERSECOND_TIMEOUT", "10s")
        .start();
    tollgate.is_healthy().await;
    let before = (main.calls("set"), per_second.calls("set"));
    let charged = || (main.calls("set") - before.0, per_second.calls("set") - before.1);
    assert_eq!(remaining(&tollgate, &["year"]).await, [LIMIT - 1]);
    assert_eq!((main.counters().len(), per_second.counters().len()), (1, 0));
    remaining(&tollgate, &["second"]).await;
    // counters outlive their window by up to 300 s at random unless this is set: this one may have expired, but was
    // here
    assert_eq!(charged(), (1, 1));
    let both = ask(&tollgate, &["year", "second"]).await.expect("an answer");
    assert_eq!(both.statuses[0].limit_remaining, LIMIT - 2);
    assert_eq!(charged(), (2, 2));
    // each pool has its own series, as in the reference
    let pools = ["ratelimit_redis_pool", "ratelimit_redis_per_second_pool"];
    let numbers = async |of: &str| {
        let [active, total, closed] = ["cx_active", "cx_total", "cx_local_close"].map(|name| format!("{of}_{name}"));
        [metric(&tollgate, &active).await, metric(&tollgate, &total).await, metric(&tollgate, &closed).await]
    };
    for pool in pools {
        eventually("all connections", async || {
            (numbers(pool).await == [Some(9.0), Some(9.0), Some(0.0)]).then_some(())
        })
        .await;
    }

    per_second.kill();
    eventually("a Redis without connections", async || {
        let [active, total, closed] = numbers(pools[1]).await;
        (active == Some(0.0) && total == closed).then_some(())
    })
    .await;
    assert_eq!(numbers(pools[0]).await, [Some(9.0), Some(9.0), Some(0.0)]);
    let status = eventually("a failure", async || ask(&tollgate, &["second"]).await.err()).await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(remaining(&tollgate, &["year"]).await, [LIMIT - 3]);
    let status = ask(&tollgate, &["year", "second"]).await.expect_err("one of two is down");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");

    per_second.start_again();
    remaining(&tollgate, &["second"]).await;
}

#[tokio::test]
async fn two_databases_of_one_server_are_two_redises() {
    let redis = Redis::start(&[]);
    let tollgate = on(&redis)
        .env("REDIS_PERSECOND", "true")
        .env("REDIS_PERSECOND_URL", format!("redis://127.0.0.1:{}/1", redis.port))
        .env("REDIS_PERSECOND_TIMEOUT", "10s")
        .start();
    remaining(&tollgate, &["year", "second"]).await;
    let scrape = page(&tollgate, "metrics", "/metrics").await;
    let series: Vec<_> = scrape.lines().filter(|line| !line.starts_with('#')).collect();
    let series: Vec<_> = series.iter().filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series).collect();
    let stats = page(&tollgate, "debug", "/stats").await;
    let lines: Vec<_> = stats.lines().filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect();
    for names in [&series, &lines] {
        let twice: Vec<_> = names.iter().filter(|one| names.iter().filter(|other| other == one).count() > 1).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
    let breakers = |names: &[&str], prefix| names.iter().filter(|name| name.starts_with(prefix)).count();
    assert_eq!(breakers(&series, "tollgate_redis_breaker_state{"), 2, "{scrape}");
    assert_eq!(breakers(&lines, "tollgate.redis.breaker."), 4, "{stats}");
}

#[tokio::test]
async fn it_starts_without_redis_and_works_when_there_is_one() {
    let port = free_port();
    let tollgate = builder().env("REDIS_URL", format!("redis://127.0.0.1:{port}")).start();
    for _ in 0..10 {
        let status = ask(&tollgate, &["year"]).await.expect_err("there is no Redis");
        assert_eq!(status.code(), Code::Unavailable);
        let message = status.message();
        assert!(message.contains("cannot be reached") || message.contains("breaker is open"), "{status:?}");
        assert!(message.contains("nothing was charged"), "{status:?}");
    }
    tollgate.wait_for_log("cannot connect to redis");
    let directory = tempfile::tempdir().expect("a directory");
    let redis = Redis::try_start(directory, port, &[]).expect("the port is still free");
    assert_eq!(remaining(&tollgate, &["year"]).await, [LIMIT - 1]);
    assert_eq!(redis.counters().len(), 1);
}

#[tokio::test]
async fn metrics_and_pages_report_the_state_of_redis() {
    let mut redis = Redis::start(&[]);
    let tollgate = on(&redis).start();
    tollgate.connected_to_redis().await;
    let counted = || redis.calls("evalsha") + redis.calls("incrby");
    let before = (counted(), redis.calls("eval"));
    for _ in 0..20 {
        ask(&tollgate, &["year"]).await.expect("an answer");
    }
    let value = async |series: &str| metric(&tollgate, series).await.unwrap_or_else(|| panic!("no {series}"));
    let calls = value("tollgate_redis_calls_total").await;
    let groups = value("tollgate_redis_groups_total").await;
    assert_eq!(groups, 20.0);
    assert_eq!(calls, (counted() - before.0) as f64);
    // the connections' checks of whether Redis counts have loaded the script
    assert_eq!(redis.calls("eval"), before.1);
    assert_eq!(value("tollgate_redis_resent_total{code=\"noscript\"}").await, 0.0);
    assert_eq!(value("tollgate_redis_pending").await, 0.0);
    assert_eq!(value("tollgate_redis_calls_in_flight").await, 0.0);
    // three each for the two workers and for /json, and Redis agrees: the tenth is that of redis-cli
    assert_eq!(value("ratelimit_redis_pool_cx_total").await, 9.0);
    assert_eq!(redis.cli(&["CLIENT", "LIST"]).lines().count(), 10);

    redis.kill();
    let unanswered = eventually("a failure", async || ask(&tollgate, &["year"]).await.err()).await;
    assert_eq!(unanswered.code(), Code::Unavailable);
    eventually("no connection", async || {
        (metric(&tollgate, "ratelimit_redis_pool_cx_active").await == Some(0.0)).then_some(())
    })
    .await;
    ask(&tollgate, &["year"]).await.expect_err("there is no Redis");
    assert!(value("tollgate_redis_errors_total{kind=\"unreachable\"}").await >= 1.0);
    assert!(value("ratelimit_service_should_rate_limit_error{err_type=\"redis_error\"}").await >= 2.0);
    assert!(page(&tollgate, "debug", "/stats").await.contains("ratelimit"));
}

#[tokio::test]
async fn a_callers_own_deadline_is_shorter_than_the_timeout_of_redis() {
    let redis = Redis::start(&[]);
    let tollgate = on(&redis).env("REDIS_TIMEOUT", "1h").start();
    remaining(&tollgate, &["year"]).await;
    redis.signal("STOP");
    // a client that times out by itself would have no status of ours
    let mut request = tonic::Request::new(crate::service::program::hit(&["year"]));
    request.metadata_mut().insert("grpc-timeout", "1S".parse().expect("ascii"));
    let answer = testkit::rls::client(tollgate.address("grpc")).should_rate_limit(request).await;
    let status = answer.expect_err("Redis hangs");
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("did not answer in time"), "{status:?}");
    redis.signal("CONT");
}
