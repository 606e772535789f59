//! What the service detects about its peer, and what it sends to do so.

use crate::proxies::shards::{Kind, Options, Shards, ready};
use testkit::{
    process::{Builder, Tollgate},
    redis::Redis,
    rls::{ask, client, request},
};

/// The log messages about what it has detected.
const ONE: &str = "a call carries only one key";
const MANY: &str = "a call may carry many keys";

async fn started(builder: Builder) -> Tollgate {
    let tollgate = builder.start();
    ready(&tollgate).await;
    tollgate
}

#[tokio::test]
async fn both_proxies_are_detected_and_logged_once() {
    for kind in [Kind::Envoy, Kind::Twemproxy] {
        let shards = Shards::start(kind).await;
        let tollgate = started(shards.service()).await;
        tollgate.connected_to_redis().await;
        assert_eq!(tollgate.wait_for_lines(ONE, 1).len(), 1, "{kind:?}: {:#?}", tollgate.log());
        assert_eq!(tollgate.logged(MANY).len(), 0, "{kind:?}: {:#?}", tollgate.log());
    }
}

fn password() -> Options {
    Options { password: Some("geheim"), ..Options::default() }
}

#[tokio::test]
async fn both_proxies_take_a_password() {
    for kind in [Kind::Envoy, Kind::Twemproxy] {
        let shards = Shards::with(kind, &password()).await;
        let tollgate = started(shards.service().env("REDIS_AUTH", "geheim")).await;
        ask(&mut client(tollgate.address("grpc")), request("d", &[&[("fixed", "a")], &[("fixed", "b")]])).await;
        assert_eq!(tollgate.wait_for_lines(ONE, 1).len(), 1, "{kind:?}: {:#?}", tollgate.log());
    }
    let shards = Shards::with(Kind::Twemproxy, &password()).await;
    let tollgate = shards.service().env("REDIS_AUTH", "user:geheim").start();
    let rejected = tollgate.wait_for_log("cannot connect to redis");
    assert!(rejected.contains("closed the connection at AUTH") && rejected.contains("without a user"), "{rejected}");
}

/// Envoy would select it for all of its clients, on whichever connections it uses at that moment.
#[tokio::test]
async fn a_database_is_not_selected_at_a_proxy() {
    for kind in [Kind::Envoy, Kind::Twemproxy] {
        let shards = Shards::start(kind).await;
        let url = format!("redis://127.0.0.1:{}/1", shards.port);
        let tollgate = shards.service().env("REDIS_URL", &url).start();
        let rejected = tollgate.wait_for_log("cannot connect to redis");
        assert!(rejected.contains("CACHE_KEY_PREFIX"), "{kind:?}: {rejected}");
        assert_eq!(shards.redises.each_ref().map(|redis| redis.calls("select")), [0, 0], "{kind:?}");
        let many = shards.service().env("REDIS_URL", &url).env("REDIS_KEYS_PER_CALL", "many").start();
        if matches!(kind, Kind::Twemproxy) {
            let rejected = many.wait_for_log("cannot connect to redis");
            assert!(rejected.contains("closed the connection at SELECT"), "{rejected}");
        }
    }
}

/// What is set is not detected.
#[tokio::test]
async fn a_value_that_is_set_is_used_and_not_detected() {
    let redis = Redis::start(&[]);
    for (value, is_logged) in [("many", false), ("one", false), ("auto", true)] {
        let service = testkit::tollgate!()
            .rules("domain: d\ndescriptors: [{key: fixed, rate_limit: {unit: year, requests_per_unit: 10}}]\n")
            .env("REDIS_URL", format!("redis://127.0.0.1:{}", redis.port))
            .env("REDIS_KEYS_PER_CALL", value);
        let tollgate = started(service).await;
        tollgate.connected_to_redis().await;
        let many = tollgate.wait_for_lines(MANY, usize::from(is_logged));
        assert_eq!((many.len(), tollgate.logged(ONE).len()), (usize::from(is_logged), 0), "{value}");
        // only redis-cli asks for this
        assert_eq!(redis.calls("client|getname") + redis.calls("client"), if is_logged { 9 } else { 0 }, "{value}");
    }
}

#[tokio::test]
async fn without_the_permission_to_detect_a_peer_it_counts_as_a_redis() {
    let redis = Redis::start(&[]);
    let rights = "ACL SETUSER tollgate on >geheim ~* +eval +evalsha +del +get +mget +set +incrby +pexpire +time +ping";
    redis.cli(&rights.split(' ').collect::<Vec<_>>());
    let service = testkit::tollgate!()
        .rules("domain: d\ndescriptors: [{key: fixed, rate_limit: {unit: year, requests_per_unit: 10}}]\n")
        .env("REDIS_URL", format!("redis://tollgate:geheim@127.0.0.1:{}", redis.port));
    let tollgate = started(service).await;
    assert_eq!((tollgate.wait_for_lines(MANY, 1).len(), tollgate.logged(ONE).len()), (1, 0), "{:#?}", tollgate.log());
    let log = redis.cli(&["ACL", "LOG"]);
    let rejected: Vec<_> = log.lines().skip_while(|line| *line != "object").skip(1).take(1).collect();
    assert!(matches!(rejected[..], ["info" | "client|getname"]), "{log}");
}
