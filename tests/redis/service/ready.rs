//! Ready means that Redis counts: setups in which it answers but cannot count, what health reports about each, and that
//! a service becomes ready as soon as they are repaired.

use std::process::{Child, Command, Stdio};

use tonic_health::pb::health_check_response::ServingStatus;

use crate::service::program::{LIMIT, ask, builder, on, remaining};
use testkit::scrape::metric;
use testkit::{
    eventually,
    health::{grpc, page},
    process::{Builder, Tollgate},
    redis::{
        Redis,
        cluster::Cluster,
        sentinel::{SentinelGroup, text},
    },
};

/// Makes attempts to connect frequent.
fn quick(builder: Builder) -> Builder {
    builder.env("REDIS_STARTUP_INITIAL_INTERVAL", "10ms").env("REDIS_STARTUP_MAX_INTERVAL", "50ms")
}

/// Waits until it is unhealthy everywhere for a reason with all of these words, and returns the reason.
async fn is_unready(tollgate: &Tollgate, words: &[&str]) -> String {
    let why = eventually(&format!("a reason with {words:?}"), async || {
        let (status, why) = page(tollgate, "/healthcheck").await;
        assert_eq!(status, 500, "{why}");
        words.iter().all(|word| why.contains(word)).then_some(why)
    })
    .await;
    assert_eq!(page(tollgate, "/readyz").await.0, 503);
    assert_eq!(grpc(tollgate, "ratelimit").await, Ok(ServingStatus::NotServing));
    assert!(ask(tollgate, &["year"]).await.is_err(), "it cannot count");
    why
}

/// Waits until it is healthy. From then on each call is answered.
async fn is_ready(tollgate: &Tollgate) {
    tollgate.is_healthy().await;
    for before in 0..50 {
        let answer = ask(tollgate, &["year"]).await.unwrap_or_else(|status| panic!("call {before}: {status:?}"));
        assert_eq!(answer.statuses[0].limit_remaining, LIMIT - 1 - before);
    }
    assert_eq!(page(tollgate, "/readyz").await.0, 200);
}

/// The user `rl` with all permissions needed for counting except these.
fn user(redis: &Redis, without: &[&str], keys: &str) {
    let all =
        "reset on >pw -@all +eval +evalsha +del +get +mget +set +incrby +pexpire +time +ping +role +cluster|slots";
    let mut words: Vec<_> = ["ACL", "SETUSER", "rl"].into_iter().chain(all.split(' ')).collect();
    words.push(keys);
    words.extend(without);
    assert_eq!(redis.cli(&words), "OK");
}

#[tokio::test]
async fn a_user_without_permission_is_named_with_the_command_that_grants_it() {
    for (without, keys) in [
        (&["-evalsha"][..], "~*"),
        (&["-eval", "-evalsha"], "~*"),
        (&["-eval"], "~*"),
        (&["-time"], "~*"),
        (&["-set"], "~*"),
        (&["-get", "-mget"], "~*"),
        (&["-mget"], "~*"),
        (&[], "~another:*"),
    ] {
        let redis = Redis::start(&[]);
        user(&redis, without, keys);
        let tollgate = quick(on(&redis)).env("REDIS_AUTH", "rl:pw").env("CACHE_KEY_PREFIX", "gate:").start();
        let why = is_unready(&tollgate, &["(REDIS_URL)", "`rl`"]).await;
        let (_, cure) = why.split_once("ACL SETUSER ").unwrap_or_else(|| panic!("{without:?} {keys}: {why}"));
        let words: Vec<_> = ["ACL", "SETUSER"].into_iter().chain(cure.split_whitespace()).collect();
        assert_eq!(redis.cli(&words), "OK", "{cure}");
        is_ready(&tollgate).await;
    }
}

#[tokio::test]
async fn a_replica_makes_it_unready() {
    let primary = Redis::start(&[]);
    let replica = Redis::start(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let tollgate = quick(on(&replica)).start();
    is_unready(&tollgate, &["READONLY", "name its primary"]).await;
    replica.cli(&["REPLICAOF", "NO", "ONE"]);
    is_ready(&tollgate).await;
}

#[tokio::test]
async fn a_redis_that_rejects_writes_makes_it_unready() {
    for (setting, bad, good, words) in [
        ("maxmemory", "1", "0", &["OOM", "raise its maxmemory"][..]),
        ("min-replicas-to-write", "1", "0", &["NOREPLICAS", "too few replicas"]),
    ] {
        let redis = Redis::start(&[&format!("--{setting}"), bad]);
        // version 6 lets scripts write without replicas
        if words[0] == "NOREPLICAS" && redis.cli(&["INFO", "server"]).contains("redis_version:6.") {
            continue;
        }
        let tollgate = quick(on(&redis)).env("REDIS_HEALTH_CHECK_ACTIVE_CONNECTION", "true").start();
        is_unready(&tollgate, words).await;
        redis.cli(&["CONFIG", "SET", setting, good]);
        is_ready(&tollgate).await;
    }
}

#[tokio::test]
async fn a_redis_that_cannot_save_makes_it_unready() {
    let redis = Redis::start(&["--dbfilename", "sub.rdb"]);
    redis.cli(&["CONFIG", "SET", "save", "3600 1"]);
    // the file that it would write to is a directory
    std::fs::create_dir(redis.directory.path().join("sub.rdb")).expect("a directory");
    redis.cli(&["SET", "a", "b"]);
    redis.cli(&["BGSAVE"]);
    eventually("a save that failed", async || {
        redis.cli(&["INFO", "persistence"]).contains("rdb_last_bgsave_status:err").then_some(())
    })
    .await;
    let tollgate = quick(on(&redis)).start();
    is_unready(&tollgate, &["MISCONF", "stop-writes-on-bgsave-error"]).await;
    redis.cli(&["CONFIG", "SET", "stop-writes-on-bgsave-error", "no"]);
    is_ready(&tollgate).await;
}

#[tokio::test]
async fn a_redis_with_renamed_commands_makes_it_unready() {
    for command in ["EVALSHA", "EVAL", "SET", "MGET", "TIME"] {
        let redis = Redis::start(&["--rename-command", command, "hidden"]);
        let tollgate = quick(on(&redis)).start();
        is_unready(&tollgate, &["nknown", "command", "rename-command"]).await;
    }
}

/// A script that runs until it is killed.
fn busy(redis: &Redis) -> Child {
    let mut command = Command::new("redis-cli");
    command.arg("-s").arg(redis.socket()).args(["EVAL", "while true do end", "0"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("redis-cli")
}

#[tokio::test]
async fn a_busy_redis_is_waited_for() {
    let redis = Redis::start(&["--lua-time-limit", "1"]);
    let mut script = busy(&redis);
    eventually("a busy Redis", async || redis.try_cli(&["GET", "x"]).is_none().then_some(())).await;
    let tollgate = quick(on(&redis)).start();
    is_unready(&tollgate, &["BUSY"]).await;
    assert_eq!(redis.cli(&["SCRIPT", "KILL"]), "OK");
    script.wait().expect("redis-cli");
    is_ready(&tollgate).await;
}

#[tokio::test]
async fn a_single_node_of_a_cluster_makes_it_unready() {
    let cluster = Cluster::start().await;
    let tollgate = quick(on(&cluster.nodes[1])).start();
    is_unready(&tollgate, &["CROSSSLOT", "set REDIS_TYPE=CLUSTER"]).await;

    let lonely = Redis::start(&["--cluster-enabled", "yes"]);
    let tollgate = quick(on(&lonely)).start();
    // CLUSTERDOWN; on Valkey CROSSSLOT
    is_unready(&tollgate, &["set REDIS_TYPE=CLUSTER"]).await;
}

#[tokio::test]
async fn each_primary_of_a_cluster_must_count() {
    let mut cluster = Cluster::start().await;
    // replicas are not checked
    cluster.replica(0).await;
    user(&cluster.nodes[0], &[], "~*");
    user(&cluster.nodes[1], &[], "~*");
    user(&cluster.nodes[2], &["-set"], "~*");
    let on = |node: &Redis| quick(builder()).env("REDIS_URL", format!("redis-cluster://rl:pw@127.0.0.1:{}", node.port));
    let tollgate = on(&cluster.nodes[0]).env("REDIS_TIMEOUT", "10s").start();
    let refuses = format!("127.0.0.1:{}", cluster.nodes[2].port);
    let why = eventually("a reason", async || {
        let (status, why) = page(&tollgate, "/healthcheck").await;
        assert_eq!(status, 500, "{why}");
        (why.contains(&refuses) && why.contains("ACL SETUSER rl")).then_some(why)
    })
    .await;
    assert!(!why.contains(&format!("127.0.0.1:{}", cluster.nodes[1].port)), "{why}");
    user(&cluster.nodes[2], &[], "~*");
    is_ready(&tollgate).await;
    assert!(cluster.nodes[3].counters().len() <= 1, "{:?}", cluster.nodes[3].counters());
}

#[tokio::test]
async fn a_node_that_rejects_logins_is_not_treated_as_down() {
    let cluster = Cluster::start().await;
    cluster.nodes[2].cli(&["CONFIG", "SET", "requirepass", "another"]);
    let url = format!("redis-cluster://127.0.0.1:{}", cluster.nodes[0].port);
    let tollgate = quick(builder()).env("REDIS_URL", url).env("REDIS_TIMEOUT", "10s").start();
    // for longer than a node that is down would be waited for
    let since = std::time::Instant::now();
    while since.elapsed() < std::time::Duration::from_secs(7) {
        let (status, why) = page(&tollgate, "/healthcheck").await;
        assert_eq!(status, 500, "{why}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(page(&tollgate, "/healthcheck").await.1.contains("NOAUTH"));
    cluster.nodes[2].cli(&["-a", "another", "CONFIG", "SET", "requirepass", ""]);
    is_ready(&tollgate).await;
}

#[tokio::test]
async fn a_shard_that_is_down_does_not_make_it_unready() {
    let mut cluster = Cluster::start().await;
    for node in &cluster.nodes {
        node.cli(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    cluster.nodes[2].kill();
    let url = format!("redis-cluster://127.0.0.1:{}", cluster.nodes[0].port);
    let tollgate = quick(builder()).env("REDIS_URL", url).start();
    let address = format!("127.0.0.1:{}", cluster.nodes[2].port);
    eventually("a reason", async || {
        let (status, why) = page(&tollgate, "/healthcheck").await;
        (status == 500 && why.contains(&address)).then_some(())
    })
    .await;
    tollgate.is_healthy().await;
}

#[tokio::test]
async fn further_connections_that_fail_are_logged_and_not_needed() {
    let redis = Redis::start(&["--maxclients", "12"]);
    let tollgate = quick(on(&redis)).env("REDIS_POOL_SIZE", "30").start();
    is_ready(&tollgate).await;
    tollgate.wait_for_log("cannot make another connection to redis");
    let failed = metric(&tollgate, "tollgate_redis_failed_connections_total{redis=\"main\"}").await;
    assert!(failed >= Some(1.0), "{failed:?}");
    assert_eq!(tollgate.logged("cannot make another connection").len(), 1, "{:#?}", tollgate.log());
}

fn max_memory(redis: &Redis, bytes: &str) {
    redis.cli(&["CONFIG", "SET", "maxmemory", bytes]);
}

/// Makes a Redis stop counting, and repairs it.
type Change<'a> = &'a dyn Fn(&Redis);

#[tokio::test]
async fn a_redis_that_stops_counting_opens_the_breaker_and_errors_do_not_close_it() {
    let primary = Redis::start(&[]);
    let port = primary.port.to_string();
    let replicate: Change<'_> = &|redis| _ = redis.cli(&["REPLICAOF", "127.0.0.1", &port]);
    let cases: [(&str, Change<'_>, Change<'_>); 4] = [
        ("READONLY", replicate, &|redis| _ = redis.cli(&["REPLICAOF", "NO", "ONE"])),
        ("OOM", &|redis| max_memory(redis, "1"), &|redis| max_memory(redis, "0")),
        ("NOPERM", &|redis| user(redis, &["-evalsha"], "~*"), &|redis| user(redis, &[], "~*")),
        ("script", &|redis| user(redis, &["-set"], "~*"), &|redis| user(redis, &[], "~*")),
    ];
    for (words, spoil, mend) in cases {
        let redis = Redis::start(&[]);
        user(&redis, &[], "~*");
        let start = |needs: &str| {
            let builder = on(&redis).env("REDIS_AUTH", "rl:pw").env("REDIS_HEALTH_CHECK_ACTIVE_CONNECTION", needs);
            builder.env("FAILURE_MODE", "deny").env("LOCAL_CACHE_SIZE_IN_BYTES", "0").start()
        };
        let (tollgate, needing) = (start("false"), start("true"));
        for one in [&tollgate, &needing] {
            one.connected_to_redis().await;
            one.is_healthy().await;
        }
        spoil(&redis);
        let of = format!("tollgate_redis_breaker_state{{redis=\"main\",address=\"127.0.0.1:{}\"}}", redis.port);
        for one in [&tollgate, &needing] {
            eventually("an open breaker", async || {
                ask(one, &["year"]).await.expect("the failure mode's answer");
                (metric(one, &of).await >= Some(1.0)).then_some(())
            })
            .await;
            let logged = one.wait_for_log("redis refuses to count: its breaker is open");
            assert!(logged.contains(words), "{logged}");
        }
        // each probe is answered with an error
        let probes = || redis.calls("evalsha") + redis.rejected("evalsha");
        let before = probes();
        eventually("probes", async || (probes() > before + 2).then_some(())).await;
        assert!(metric(&tollgate, &of).await >= Some(1.0), "{words}: {:#?}", tollgate.log());
        assert_eq!(page(&tollgate, "/healthcheck").await.0, 200, "it is unhealthy only if a setting says so");
        let (status, why) = page(&needing, "/healthcheck").await;
        assert_eq!(status, 500, "{words}");
        assert!(why.contains("its breaker is open") && why.contains("REDIS_HEALTH_CHECK_ACTIVE_CONNECTION"), "{why}");

        mend(&redis);
        for one in [&tollgate, &needing] {
            eventually("a closed breaker", async || (metric(one, &of).await == Some(0.0)).then_some(())).await;
            one.is_healthy().await;
            let answer = ask(one, &["bucket"]).await.expect("an answer");
            assert!(answer.statuses[0].limit_remaining > 900, "{words}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_primary_that_became_a_replica_is_replaced_by_the_new_one() {
    let group = SentinelGroup::start().await;
    let sentinels: Vec<_> = group.sentinels.iter().map(|one| format!("127.0.0.1:{}", one.port)).collect();
    let tollgate = builder()
        .env("REDIS_URL", format!("redis-sentinel://:geheim@{}/gate", sentinels.join(",")))
        .env("REDIS_SENTINEL_AUTH", "watcher")
        .env("REDIS_TIMEOUT", "10s")
        .start();
    tollgate.is_healthy().await;
    assert_eq!(remaining(&tollgate, &["year"]).await, [LIMIT - 1]);
    eventually("a failover", async || {
        let output = group.sentinels[0].cli(&["-a", "watcher", "SENTINEL", "FAILOVER", "gate"]);
        (output == "OK").then_some(())
    })
    .await;
    eventually("a new primary", async || {
        text(&group.replica, &["INFO", "replication"]).contains("role:master").then_some(())
    })
    .await;
    eventually("a count in the new primary", async || {
        let counted = text(&group.replica, &["INFO", "commandstats"]).contains("cmdstat_evalsha");
        let _ = ask(&tollgate, &["year"]).await;
        counted.then_some(())
    })
    .await;
    tollgate.is_healthy().await;
}
