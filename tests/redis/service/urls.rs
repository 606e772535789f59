//! Passwords and databases in URLs, as users of envoyproxy/ratelimit write them.

use crate::service::{
    program::{LIMIT, builder, remaining},
    topologies::counts,
};
use testkit::redis::{Redis, cluster::Cluster, sentinel::SentinelGroup};

#[tokio::test]
async fn a_password_and_a_database_among_the_parameters() {
    let redis = Redis::start(&["--requirepass", "ge heim"]);
    let port = redis.port;
    counts([
        builder().env("REDIS_URL", format!("redis://127.0.0.1:{port}?db=3&password=ge+heim&timeout=5s")),
        builder().env("REDIS_URL", format!("redis://:stale@127.0.0.1:{port}/3?db=4#x")).env("REDIS_AUTH", "ge heim"),
    ])
    .await;
    let size = |database: &str| redis.cli(&["-a", "ge heim", "-n", database, "DBSIZE"]);
    assert_ne!(size("3"), "0");
    assert_eq!([size("0"), size("4")], ["0", "0"]);
}

#[tokio::test]
async fn a_user_that_needs_no_password() {
    let redis = Redis::start(&[]);
    redis.cli(&["ACL", "SETUSER", "gate", "on", "nopass", "~*", "+@all"]);
    redis.cli(&["ACL", "SETUSER", "default", "off"]);
    let port = redis.port;
    counts([
        builder().env("REDIS_URL", format!("redis://gate@127.0.0.1:{port}")),
        builder().env("REDIS_URL", format!("redis://127.0.0.1:{port}")).env("REDIS_AUTH", "gate:"),
    ])
    .await;
}

#[tokio::test]
async fn the_sentinels_password_in_a_list_of_urls() {
    let group = SentinelGroup::start().await;
    let urls: Vec<_> = group.sentinels.iter().map(|one| format!("redis://:watcher@127.0.0.1:{}", one.port)).collect();
    let of_all = builder().env("REDIS_URL", format!("gate,{}", urls.join(",")));
    let of_first = builder().env("REDIS_URL", format!("gate,{},127.0.0.1:{}", urls[0], group.sentinels[1].port));
    counts([of_all, of_first].map(|way| way.env("REDIS_TYPE", "SENTINEL").env("REDIS_AUTH", "geheim"))).await;
}

#[tokio::test]
async fn one_password_of_a_list_is_for_all_nodes_of_a_cluster() {
    let cluster = Cluster::start().await;
    for node in &cluster.nodes {
        node.cli(&["CONFIG", "SET", "requirepass", "geheim"]);
    }
    let [first, second, _] = &cluster.nodes[..] else { unreachable!("three nodes") };
    let url = format!("redis://:geheim@127.0.0.1:{},redis://127.0.0.1:{}", first.port, second.port);
    let tollgate = builder().env("REDIS_TYPE", "CLUSTER").env("REDIS_URL", url).env("REDIS_TIMEOUT", "10s").start();
    let rules = ["year", "sliding", "bucket", "second"];
    assert_eq!(remaining(&tollgate, &rules).await[..3], [LIMIT - 1; 3]);
}
