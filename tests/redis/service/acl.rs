//! The Redis user in docs/redis.md has all permissions that the service needs: Redis logs no denied command.

use std::{fs, path::Path};

use redis::RIGHTS;

use crate::service::program::{LIMIT, builder, remaining};
use testkit::{
    process::Builder,
    redis::{
        Redis,
        cluster::Cluster,
        sentinel::{SentinelGroup, text},
    },
};

/// The lines `ACL SETUSER …` of the page without the first two words: for the servers, and for sentinels.
fn users() -> [Vec<String>; 2] {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/redis.md")).expect("the page");
    let lines = page.lines().filter_map(|line| line.strip_prefix("ACL SETUSER "));
    let words = |line: &str| line.split(' ').map(str::to_owned).collect();
    lines.map(words).collect::<Vec<_>>().try_into().expect("two users")
}

fn user() -> Vec<String> {
    let [user, _] = users();
    user
}

fn password(user: &[String]) -> &str {
    user.iter().find_map(|word| word.strip_prefix('>')).expect("a password")
}

fn give(redis: &Redis, user: &[String]) {
    let words: Vec<_> = ["ACL", "SETUSER"].into_iter().chain(user.iter().map(String::as_str)).collect();
    assert_eq!(redis.cli(&words), "OK");
}

async fn serves(builder: Builder, nodes: &[Redis], user: &[String]) {
    let password = password(user);
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
        assert_eq!(node.cli(&["ACL", "LOG"]), "", "Redis denied a command");
    }
}

#[tokio::test]
async fn the_documented_user_is_enough_for_one_server() {
    let redis = Redis::start(&[]);
    let user = user();
    give(&redis, &user);
    // only the detection of the peer is denied, which `many` disables
    let builder = builder().env("REDIS_KEYS_PER_CALL", "many");
    let port = redis.port;
    serves(builder.env("REDIS_URL", format!("redis://127.0.0.1:{port}")), &[redis], &user).await;
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
async fn the_documented_users_are_enough_behind_sentinels() {
    let group = SentinelGroup::start().await;
    let ([of_servers, of_sentinels], admin) = (users(), ["-a", "geheim"]);
    let give = |redis: &Redis, admin: &[&str], user: &[String]| {
        let words: Vec<_> = ["ACL", "SETUSER"].into_iter().chain(user.iter().map(String::as_str)).collect();
        assert_eq!(redis.cli(&[admin, &words].concat()), "OK");
    };
    for redis in [&group.primary, &group.replica] {
        give(redis, &admin, &of_servers);
    }
    for sentinel in &group.sentinels {
        give(sentinel, &["-a", "watcher"], &of_sentinels);
    }
    let sentinels: Vec<_> = group.sentinels.iter().map(|one| format!("127.0.0.1:{}", one.port)).collect();
    let tollgate = builder()
        .env("REDIS_URL", format!("redis-sentinel://{}/gate", sentinels.join(",")))
        .env("REDIS_AUTH", format!("{}:{}", of_servers[0], password(&of_servers)))
        .env("REDIS_SENTINEL_AUTH", format!("{}:{}", of_sentinels[0], password(&of_sentinels)))
        .env("REDIS_TIMEOUT", "10s")
        .env("CACHE_KEY_PREFIX", "tollgate:")
        .start();
    assert_eq!(remaining(&tollgate, &["year", "sliding", "bucket"]).await, [LIMIT - 1; 3]);
    assert_eq!(text(&group.primary, &["ACL", "LOG"]), "", "Redis denied a command");
    for sentinel in &group.sentinels {
        assert_eq!(sentinel.cli(&["-a", "watcher", "ACL", "LOG"]), "", "a sentinel denied a command");
    }
}

/// If a permission is missing, health tells the operator to grant all of these.
#[test]
fn the_documented_user_has_the_permissions_that_health_recommends() {
    let documented = user();
    for right in RIGHTS.split(' ') {
        assert!(documented.iter().any(|word| word == right), "{right}");
    }
    assert_eq!(documented.iter().filter(|word| word.starts_with('+')).count(), RIGHTS.split(' ').count());
}

#[tokio::test]
async fn the_documented_user_has_no_other_permissions() {
    let redis = Redis::start(&[]);
    let user = user();
    give(&redis, &user);
    for command in [&["FLUSHALL"][..], &["CONFIG", "GET", "*"], &["KEYS", "*"], &["GET", "another:key"], &["SHUTDOWN"]]
    {
        let as_user = [&["--user", &user[0], "--pass", password(&user), "--no-auth-warning"], command].concat();
        assert!(redis.try_cli(&as_user).is_none(), "{command:?}");
    }
}
