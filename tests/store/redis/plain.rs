//! Fixed windows that are counted by plain commands, beside the script on the same keys.

use std::{num::NonZeroU64, time::Duration};

use limiter::domain::{Charge, CounterKey, Group, Hit, Limit, RateLimiter as _, Unit, Verdict, Window};
use redis::{Addition, CallError, Caller as _, Client, Credentials, Endpoint, KeysPerCall, RedisStore};

use crate::{
    client::calls::{self, connected, tcp},
    redis::stores::{cluster_store, options, store},
};
use testkit::redis::{Redis, cluster::Cluster};

/// A window that does not end during a test.
fn year(requests: u64) -> Limit {
    Limit::new(limiter::domain::Algorithm::FixedWindow, requests, Window::from(Unit::Year), None, None)
        .expect("a limit")
}

fn key(name: &str) -> CounterKey {
    CounterKey::from_bytes(format!("{{{name}}}f31536000").as_bytes())
}

async fn take(store: &RedisStore<Client>, name: &str) -> Verdict {
    store.allow(key(name), year(50)).await.expect("an answer")
}

/// As a release before named windows counts, which is as behind a proxy.
fn former(redis: &Redis) -> Endpoint {
    Endpoint { keys_per_call: Some(KeysPerCall::One), ..tcp(redis) }
}

fn without_plain(redis: &Redis) -> Endpoint {
    Endpoint { plain_commands: false, ..tcp(redis) }
}

#[tokio::test]
async fn it_counts_as_the_script_does_and_on_the_same_key() {
    let redis = Redis::start(&[]);
    let stores = [store(&tcp(&redis)).await, store(&without_plain(&redis)).await, store(&tcp(&redis)).await];
    redis.cli(&["CONFIG", "RESETSTAT"]);
    for counted in 0..60 {
        let verdict = take(&stores[counted % 3], "k").await;
        assert_eq!((verdict.before, verdict.after), (counted as u64, counted as u64 + 1));
        assert_eq!(verdict.allowed, counted < 50, "{verdict:?}");
    }
    // each process begins with the script, which would import a counter; the second keeps to it
    let plain = redis.calls("incrby");
    assert!((1..=38).contains(&plain), "{plain} of 38, less those for which the clock had to be read again");
    assert_eq!(plain + redis.calls("evalsha"), 60);
    let group = Group::new(
        [("k", Charge::LOOK), ("k", Charge::Give(20)), ("other", Charge::Take(1))].into_iter().enumerate().map(
            |(descriptor, (name, charge))| Hit {
                descriptor: descriptor as u32,
                ..Hit::new(key(name), year(50), charge)
            },
        ),
    );
    let verdicts = stores[0].check(group.atomic()).await;
    let after: Vec<_> = verdicts.iter().map(|verdict| verdict.expect("an answer").after).collect();
    assert_eq!(after, [60, 60, 0], "denied: the look at a counter above its limit");
    stores[1].check(Group::single(Hit::new(key("k"), year(50), Charge::Give(20)))).await[0].expect("an answer");
    assert_eq!(take(&stores[2], "k").await.after, 41);
    let counters = redis.counters();
    assert!(matches!(&counters[..], [one] if one.starts_with("{k}f31536000@")), "{counters:?}");
    assert!(redis.cli(&["PTTL", &counters[0]]).parse::<i64>().expect("a number") > 0);
    assert_eq!(redis.cli(&["GET", &counters[0]]), "41");
}

#[tokio::test]
async fn a_counter_of_the_former_release_is_continued_and_back_then_at_most_twice_the_limit_passes() {
    let redis = Redis::start(&[]);
    let (old, new) = (store(&former(&redis)).await, store(&tcp(&redis)).await);
    for _ in 0..30 {
        take(&old, "k").await;
    }
    for counted in 30..60 {
        assert_eq!(take(&new, "k").await.before, counted);
    }
    // meanwhile, or after a rollback, the former release goes on where it was
    let mut passed = 50;
    while take(&old, "k").await.allowed {
        passed += 1;
    }
    assert_eq!(passed, 70);
    assert_eq!(redis.counters().len(), 2, "the formats share no key");
}

#[tokio::test]
async fn a_user_who_may_not_run_the_plain_commands_is_counted_by_the_script() {
    let redis = Redis::start(&[]);
    redis.cli(&[
        "ACL", "SETUSER", "old", "on", ">geheim", "~*", "+eval", "+evalsha", "+get", "+mget", "+set", "+time", "+ping",
    ]);
    let password = limiter::domain::Secret::new("geheim".to_owned());
    let credentials = Credentials::Fixed { user: Some("old".to_owned()), password };
    let store = store(&Endpoint { credentials, ..tcp(&redis) }).await;
    for counted in 1..10 {
        assert_eq!(take(&store, "k").await.after, counted);
    }
    assert_eq!((redis.calls("incrby"), redis.rejected("incrby")), (0, 1), "tried once, when it connected");
    let renamed = Redis::start(&["--rename-command", "INCRBY", "secret"]);
    let store = self::store(&tcp(&renamed)).await;
    for counted in 1..10 {
        assert_eq!(take(&store, "k").await.after, counted);
    }
    assert_eq!(renamed.calls("incrby"), 0);
}

/// A permission that is taken away while the connection is open.
#[tokio::test]
async fn after_a_refusal_the_script_counts_and_nothing_is_counted_twice() {
    let redis = Redis::start(&[]);
    let store = store(&tcp(&redis)).await;
    for counted in 1..5 {
        assert_eq!(take(&store, "k").await.after, counted);
    }
    let plain = redis.calls("incrby");
    redis.cli(&["ACL", "SETUSER", "default", "-incrby"]);
    for counted in 5..10 {
        assert_eq!(take(&store, "k").await.after, counted);
    }
    assert_eq!(redis.calls("incrby"), plain);
    assert!(redis.rejected("incrby") <= 1, "it is not tried again");
}

#[tokio::test]
async fn a_reset_forgets_the_counters_of_both_formats() {
    let redis = Redis::start(&[]);
    let (old, new) = (store(&former(&redis)).await, store(&tcp(&redis)).await);
    take(&old, "k").await;
    take(&new, "k").await;
    assert_eq!(new.reset(&key("k"), &year(50)).await, Ok(true));
    assert_eq!(redis.counters(), Vec::<String>::new());
    assert_eq!(new.reset(&key("k"), &year(50)).await, Ok(false));
    assert_eq!(take(&new, "k").await.after, 1);
}

fn addition(name: &str) -> Addition {
    let amount = NonZeroU64::new(7).expect("not zero");
    Addition { name: name.as_bytes().to_vec(), amount, lifetime: Duration::from_secs(100) }
}

#[tokio::test]
async fn a_counter_that_only_incrby_could_create_gets_its_lifetime_all_the_same() {
    let redis = Redis::start(&[]);
    let client = connected(&tcp(&redis)).await;
    assert_eq!(client.add(None, &addition("a")).await, Ok(7));
    assert_eq!(client.add(None, &addition("a")).await, Ok(14));
    // as if the counter expired between SET and INCRBY
    redis.cli(&["ACL", "SETUSER", "default", "-set"]);
    assert_eq!(client.add(None, &addition("b")).await, Ok(7));
    for name in ["a", "b"] {
        let life: i64 = redis.cli(&["PTTL", name]).parse().expect("a number");
        assert!((50_000..=100_000).contains(&life), "{name} lives {life} ms");
    }
    redis.cli(&["ACL", "SETUSER", "default", "+set"]);
    redis.cli(&["SET", "a", "text"]);
    let refused = client.add(None, &addition("a")).await;
    assert!(matches!(&refused, Err(CallError::Refused(text)) if text.contains("not an integer")), "{refused:?}");
}

#[tokio::test]
async fn on_a_cluster_each_slot_is_counted_on_its_node() {
    let cluster = Cluster::start().await;
    let store = cluster_store(&calls::cluster(&cluster), options()).await;
    for counted in 1..=5 {
        for name in ["a", "b", "c", "d", "e", "f"] {
            assert_eq!(take(&store, name).await.after, counted, "{name}");
        }
    }
    let plain: Vec<u64> = cluster.nodes.iter().map(|node| node.calls("incrby")).collect();
    // each node's own proof, and at most all but the first of each counter
    assert!((4..=3 + 24).contains(&plain.iter().sum::<u64>()), "{plain:?}");
}

/// While a slot moves, and after that: redirections count nothing, and the script follows them.
#[tokio::test]
async fn a_counter_in_a_slot_that_moves_is_counted_on() {
    const SLOT: &str = "16287";
    let cluster = Cluster::start().await;
    let store = cluster_store(&calls::cluster(&cluster), options()).await;
    for counted in 1..=3 {
        assert_eq!(take(&store, "x").await.after, counted);
    }
    let (from, to) = (&cluster.nodes[2], &cluster.nodes[0]);
    assert_eq!(from.cli(&["CLUSTER", "KEYSLOT", "x"]), SLOT);
    to.cli(&["CLUSTER", "SETSLOT", SLOT, "IMPORTING", &cluster.id(2)]);
    from.cli(&["CLUSTER", "SETSLOT", SLOT, "MIGRATING", &cluster.id(0)]);
    assert_eq!(take(&store, "x").await.after, 4, "it has not moved yet");
    let name = from.counters().into_iter().find(|name| name.starts_with("{x}")).expect("a counter");
    from.cli(&["MIGRATE", "127.0.0.1", &to.port.to_string(), &name, "0", "10000"]);
    assert_eq!(take(&store, "x").await.after, 5);
    assert_eq!(take(&store, "x").await.after, 6);
    for node in &cluster.nodes {
        node.cli(&["CLUSTER", "SETSLOT", SLOT, "NODE", &cluster.id(0)]);
    }
    let plain = to.calls("incrby");
    let mut counted = 6;
    while to.calls("incrby") == plain {
        counted += 1;
        assert_eq!(take(&store, "x").await.after, counted);
        assert!(counted < 1000, "plain commands do not follow the slot");
    }
    assert_eq!(to.cli(&["GET", &name]), counted.to_string());
}
