//! One server in trouble, under load.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use limiter::domain::{Algorithm, CounterKey, Group, Hit, RateLimiter as _, Refusal, StoreError};
use redis::{Connector, Endpoint, RedisStats, RedisStore, StoreOptions};
use tokio::task::JoinSet;

use crate::{
    client::calls::{connected, tcp},
    redis::{
        load::{Load, TASKS, count, keys, take, wide},
        stores::{options, store, store_with},
    },
};
use testkit::{PATIENCE, eventually, redis::Redis, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_is_flushed_is_loaded_again_and_nothing_is_lost() {
    let redis = Redis::start(&[]);
    let store = Arc::new(store(&tcp(&redis)).await);
    let load = Load::start(&store, keys("flush", 16));
    for _ in 0..50 {
        load.answers(2).await;
        redis.cli(&["SCRIPT", "FLUSH"]);
    }
    load.answers(2).await;
    let figures = load.stop().await;
    assert_eq!(figures.lost, 0, "{figures:?}");
    figures.only(&[]);
    assert!(redis.calls("eval") >= 50, "the script was not loaded by a call");
    println!("figures: 50 × SCRIPT FLUSH: {figures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_killed_in_a_loop_charge_nothing_twice() {
    let redis = Redis::start(&[]);
    let connector = Connector::new(&tcp(&redis)).expect("a connector");
    let client = connector.connect();
    until("connected", || client.open_connections() == 1).await;
    let store = Arc::new(RedisStore::start(client, None, options(), Arc::new(RedisStats::default())));
    let load = Load::start(&store, keys("kill", 16));
    for kill in 1..=50 {
        load.answers(2).await;
        redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        until("connected again", || connector.opened_connections() > kill).await;
    }
    load.answers(2).await;
    let figures = load.stop().await;
    assert_eq!(figures.lost, 0, "{figures:?}");
    figures.only(&["Unanswered", "Unreachable"]);
    println!("figures: 50 × CLIENT KILL: {figures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durable_server_is_killed_and_restarted_and_nothing_is_lost() {
    let mut redis = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = Arc::new(store(&tcp(&redis)).await);
    let load = Load::start(&store, keys("restart", 16));
    for _ in 0..3 {
        load.answers(20).await;
        redis.kill();
        let errors = load.errors();
        until("every task has noticed", || load.errors() > errors + TASKS).await;
        redis.start_again();
    }
    load.answers(20).await;
    let figures = load.stop().await;
    assert_eq!(figures.lost, 0, "{figures:?}");
    figures.only(&["Unanswered", "Unreachable", "Refused(NotReady)"]);
    println!("figures: killed and started again 3 times: {figures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_leaves_no_caller_waiting() {
    let redis = Redis::start(&[]);
    let timeout = Duration::from_secs(1);
    let endpoint = Endpoint { timeout, ..tcp(&redis) };
    let store =
        Arc::new(store_with(&endpoint, StoreOptions { timeout, per_second_timeout: timeout, ..options() }).await);
    let load = Load::start(&store, keys("hang", 16));
    load.answers(10).await;
    redis.signal("STOP");
    // each task has had many errors
    until("errors", || load.errors() > 2000).await;
    redis.signal("CONT");
    load.answers(10).await;
    let figures = load.stop().await;
    assert_eq!(figures.lost, 0, "{figures:?}");
    // a server that was stopped during a script, for longer than scripts may take, answers BUSY when it continues
    figures.only(&["Unanswered", "Expired", "Unreachable", "Refused(NotReady)"]);
    assert!(figures.errors.contains_key("Unanswered"), "{figures:?}");
    println!("figures: SIGSTOP: {figures:?}");
}

#[tokio::test]
async fn while_a_server_hangs_work_is_bounded_and_cancelled_callers_are_not_charged() {
    let redis = Redis::start(&[]);
    let stats = Arc::new(RedisStats::default());
    let options = StoreOptions { max_pending: NonZeroUsize::new(100).expect("not zero"), ..options() };
    let endpoint = Endpoint { timeout: PATIENCE, ..tcp(&redis) };
    let store = Arc::new(RedisStore::start(connected(&endpoint).await, None, options, Arc::clone(&stats)));
    let (key, limit) = (CounterKey::from_bytes(b"bound"), wide(Algorithm::FixedWindow));
    store.check(take(&key, limit)).await[0].expect("a verdict");
    let before = redis.calls("evalsha");
    let check = || {
        let (store, group) = (Arc::clone(&store), take(&key, limit));
        async move { store.check(group).await[0] }
    };
    redis.signal("STOP");
    let mut sent = JoinSet::new();
    for calls in 1..=2 {
        sent.spawn(check());
        until("it is sent", || stats.in_flight() == calls).await;
    }
    let mut waiting = JoinSet::new();
    for _ in 0..500 {
        waiting.spawn(check());
    }
    for _ in 0..500 - 98 {
        let shed = waiting.join_next().await.expect("one that is shed").expect("no panic");
        assert_eq!(shed, Err(StoreError::Overloaded));
    }
    assert_eq!((stats.pending(), stats.in_flight()), (100, 2));
    waiting.shutdown().await;
    assert_eq!((stats.pending(), stats.in_flight()), (2, 2));
    redis.signal("CONT");
    for verdict in sent.join_all().await {
        verdict.expect("it was sent");
    }
    assert_eq!(count(&store, &key, limit).await, Ok(3), "the first, and the two that were sent");
    assert_eq!(redis.calls("evalsha"), before + 3, "the two that were sent, and the look");
}

#[tokio::test]
async fn a_full_server_rejects_writes_and_still_answers_looks() {
    let redis = Redis::start(&["--maxmemory-policy", "noeviction"]);
    let store = store(&tcp(&redis)).await;
    let (key, other) = (CounterKey::from_bytes(b"full"), CounterKey::from_bytes(b"fuller"));
    for algorithm in Algorithm::ALL {
        let limit = wide(algorithm);
        store.check(take(&key, limit)).await[0].expect("a verdict");
        redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
        for key in [&key, &other] {
            let refused = Err(StoreError::Refused(Refusal::OutOfMemory));
            assert_eq!(store.check(take(key, limit)).await[0], refused, "{algorithm}");
        }
        assert_eq!(count(&store, &key, limit).await, Ok(1), "{algorithm}");
        assert_eq!(count(&store, &other, limit).await, Ok(0), "{algorithm}");
        redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
        assert_eq!(store.check(take(&key, limit)).await[0].expect("a verdict").after, 2, "{algorithm}");
        assert_eq!(store.reset(&key, &wide(algorithm)).await, Ok(true));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_a_wrong_type_fails_only_its_own_group() {
    const EACH: u64 = 10;
    let redis = Redis::start(&[]);
    let stats = Arc::new(RedisStats::default());
    let store = Arc::new(RedisStore::start(connected(&tcp(&redis)).await, None, options(), Arc::clone(&stats)));
    redis.cli(&["SADD", "load:type:1", "not", "a", "counter"]);
    let keys = keys("type", 6);
    let refused = Err(StoreError::Refused(Refusal::WrongType));
    // the script is loaded, so that all of them share one call
    store.check(take(&keys[0], wide(Algorithm::FixedWindow))).await[0].expect("a verdict");
    let before = redis.calls("evalsha");
    redis.signal("STOP");
    let mut checks = JoinSet::new();
    for number in (0..keys.len()).cycle().take(keys.len() * EACH as usize) {
        let (store, key) = (Arc::clone(&store), keys[number].clone());
        let limit = wide(Algorithm::ALL[number % 3]);
        checks.spawn(async move { (number, store.check(take(&key, limit)).await[0]) });
    }
    // an atomic group with the bad counter in its middle
    let group: Vec<_> = [&keys[3], &keys[1], &keys[4]]
        .into_iter()
        .map(|key| take(key, wide(Algorithm::FixedWindow)).hits[0].clone())
        .collect::<Vec<Hit>>();
    let together = Arc::clone(&store);
    let group =
        tokio::spawn(async move { together.check(Group::new(group).atomic().at(crate::redis::load::NOW)).await });
    let all = checks.len() as u64 + 1;
    until("all wait for it", || stats.pending() == all).await;
    redis.signal("CONT");
    while let Some(check) = checks.join_next().await {
        let (number, verdict) = check.expect("no panic");
        assert_eq!(verdict.map(|_| ()), if number == 1 { refused } else { Ok(()) }, "counter {number}");
    }
    for verdict in group.await.expect("no panic") {
        assert_eq!(verdict.map(|_| ()), refused);
    }
    assert!(redis.calls("evalsha") - before < EACH, "they were sent in separate calls");
    for (number, key) in keys.iter().enumerate().filter(|(number, _)| *number != 1) {
        let count = count(&store, key, wide(Algorithm::ALL[number % 3])).await;
        assert_eq!(count, Ok(EACH + u64::from(number == 0)), "counter {number}");
    }
    assert_eq!(redis.cli(&["SCARD", "load:type:1"]), "3");
}

#[tokio::test]
async fn a_server_that_becomes_a_replica_is_disconnected_and_found_again() {
    let redis = Redis::start(&[]);
    let store = store(&tcp(&redis)).await;
    let (key, limit) = (CounterKey::from_bytes(b"k"), wide(Algorithm::FixedWindow));
    store.check(take(&key, limit)).await[0].expect("a verdict");
    redis.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    // it may be disconnected before the answer
    let away = [StoreError::Unreachable, StoreError::Unanswered];
    let read_only = StoreError::Refused(Refusal::ReadOnly);
    eventually("a replica's error", async || {
        let error = store.check(take(&key, limit)).await[0].expect_err("a replica takes no writes");
        assert!(error == read_only || away.contains(&error), "{error:?}");
        (error == read_only).then_some(())
    })
    .await;
    redis.cli(&["REPLICAOF", "NO", "ONE"]);
    eventually("a verdict", async || {
        let verdict = store.check(take(&key, limit)).await[0];
        if let Err(error) = verdict {
            assert!(error == read_only || away.contains(&error), "{error:?}");
        }
        verdict.ok()
    })
    .await;
    assert_eq!(count(&store, &key, limit).await, Ok(2));
}
