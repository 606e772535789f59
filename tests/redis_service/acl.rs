//! The user that docs/redis.md gives to the service may do all that it does, and Redis logs no refusal.

use std::{fs, path::Path};

use crate::{
    cluster_server::Cluster,
    server::Redis,
    service::{LIMIT, builder, remaining},
    support::process::Builder,
};

/// The page's line `ACL SETUSER …`, without the first two words.
fn user() -> Vec<String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/redis.md")).expect("the page");
    let line = page.lines().find_map(|line| line.strip_prefix("ACL SETUSER ")).expect("the page has the user");
    line.split(' ').map(str::to_owned).collect()
}

fn give(redis: &Redis, user: &[String]) {
    let words: Vec<_> = ["ACL", "SETUSER"].into_iter().chain(user.iter().map(String::as_str)).collect();
    assert_eq!(redis.cli(&words), "OK");
}

async fn serves(builder: Builder, nodes: &[Redis], user: &[String]) {
    let password = user.iter().find_map(|word| word.strip_prefix('>')).expect("a password");
    let prefix = user.iter().find_map(|word| word.strip_prefix('~')?.strip_suffix('*')).expect("a prefix");
    let tollgate = builder
        .env("REDIS_AUTH", format!("{}:{password}", user[0]))
        .env("REDIS_TIMEOUT", "10s")
        .env("CACHE_KEY_PREFIX", prefix)
        .start();
    let rules = ["year", "sliding", "bucket"];
    assert_eq!(remaining(&tollgate, &rules).await, [LIMIT - 1; 3]);
    for node in nodes {
        node.cli(&["SCRIPT", "FLUSH"]);
    }
    assert_eq!(remaining(&tollgate, &rules).await, [LIMIT - 2; 3]);
    for node in nodes {
        assert_eq!(node.cli(&["ACL", "LOG"]), "", "Redis refused something");
    }
}

#[tokio::test]
async fn the_documented_user_is_enough_for_one_server() {
    let redis = Redis::start(&[]);
    let user = user();
    give(&redis, &user);
    let port = redis.port;
    serves(builder().env("REDIS_URL", format!("redis://127.0.0.1:{port}")), &[redis], &user).await;
}

#[tokio::test]
async fn the_documented_user_is_enough_for_a_cluster() {
    let cluster = Cluster::start().await;
    let user = user();
    for node in &cluster.nodes {
        give(node, &user);
    }
    let url = format!("redis-cluster://127.0.0.1:{}", cluster.nodes[0].port);
    serves(builder().env("REDIS_URL", url), &cluster.nodes, &user).await;
}

#[tokio::test]
async fn the_documented_user_may_nothing_else() {
    let redis = Redis::start(&[]);
    let user = user();
    give(&redis, &user);
    for command in [&["FLUSHALL"][..], &["CONFIG", "GET", "*"], &["KEYS", "*"], &["GET", "another:key"], &["SHUTDOWN"]]
    {
        let password = user.iter().find_map(|word| word.strip_prefix('>')).expect("a password");
        let as_user = [&["--user", &user[0], "--pass", password, "--no-auth-warning"], command].concat();
        assert!(redis.try_cli(&as_user).is_none(), "{command:?}");
    }
}
