//! What the service takes its peer for, and what it sends to find that out.

use crate::proxies::shards::{Kind, Options, Shards, ready};
use testkit::{
    process::{Builder, Tollgate},
    redis::Redis,
    rls::{ask, client, request},
};

/// What it says of its peer when it has found that out.
const ONE: &str = "a call carries one key";
const MANY: &str = "a call may carry many keys";

async fn started(builder: Builder) -> Tollgate {
    let tollgate = builder.start();
    ready(&tollgate).await;
    tollgate
}

#[tokio::test]
async fn both_proxies_are_found_out_and_said_to_be_so_once() {
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
    let refused = tollgate.wait_for_log("cannot connect to redis");
    assert!(refused.contains("closed the connection at AUTH") && refused.contains("without a user"), "{refused}");
}

/// Envoy would select it for all its clients, on whichever connections it uses at the moment.
#[tokio::test]
async fn a_database_is_not_selected_at_a_proxy() {
    for kind in [Kind::Envoy, Kind::Twemproxy] {
        let shards = Shards::start(kind).await;
        let url = format!("redis://127.0.0.1:{}/1", shards.port);
        let tollgate = shards.service().env("REDIS_URL", &url).start();
        let refused = tollgate.wait_for_log("cannot connect to redis");
        assert!(refused.contains("CACHE_KEY_PREFIX"), "{kind:?}: {refused}");
        assert_eq!(shards.redises.each_ref().map(|redis| redis.calls("select")), [0, 0], "{kind:?}");
        let many = shards.service().env("REDIS_URL", &url).env("REDIS_KEYS_PER_CALL", "many").start();
        if matches!(kind, Kind::Twemproxy) {
            let refused = many.wait_for_log("cannot connect to redis");
            assert!(refused.contains("closed the connection at SELECT"), "{refused}");
        }
    }
}

/// No question is asked of what is set.
#[tokio::test]
async fn a_value_that_is_set_wins_and_is_not_asked_for() {
    let redis = Redis::start(&[]);
    for (value, told) in [("many", false), ("one", false), ("auto", true)] {
        let service = testkit::tollgate!()
            .rules("domain: d\ndescriptors: [{key: fixed, rate_limit: {unit: year, requests_per_unit: 10}}]\n")
            .env("REDIS_URL", format!("redis://127.0.0.1:{}", redis.port))
            .env("REDIS_KEYS_PER_CALL", value);
        let tollgate = started(service).await;
        tollgate.connected_to_redis().await;
        let many = tollgate.wait_for_lines(MANY, usize::from(told));
        assert_eq!((many.len(), tollgate.logged(ONE).len()), (usize::from(told), 0), "{value}");
        // redis-cli asks for this alone
        assert_eq!(redis.calls("client|getname") + redis.calls("client"), if told { 9 } else { 0 }, "{value}");
    }
}

#[tokio::test]
async fn a_redis_whose_user_may_not_say_what_it_is_is_a_redis() {
    let redis = Redis::start(&[]);
    let rights = "ACL SETUSER tollgate on >geheim ~* +eval +evalsha +del +get +mget +set +time +ping";
    redis.cli(&rights.split(' ').collect::<Vec<_>>());
    let service = testkit::tollgate!()
        .rules("domain: d\ndescriptors: [{key: fixed, rate_limit: {unit: year, requests_per_unit: 10}}]\n")
        .env("REDIS_URL", format!("redis://tollgate:geheim@127.0.0.1:{}", redis.port));
    let tollgate = started(service).await;
    assert_eq!((tollgate.wait_for_lines(MANY, 1).len(), tollgate.logged(ONE).len()), (1, 0), "{:#?}", tollgate.log());
    let log = redis.cli(&["ACL", "LOG"]);
    let refused: Vec<_> = log.lines().skip_while(|line| *line != "object").skip(1).take(1).collect();
    assert!(matches!(refused[..], ["info" | "client|getname"]), "{log}");
}
