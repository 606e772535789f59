//! What a Redis can reject, and which groups fail because of it.

use limiter::domain::Group;
use redis::{Entry, GroupError, script};

use crate::parity::{
    hits::{NONE, code, fixed, one, only, single},
    server::{Redis, Reply},
};

#[test]
fn a_counter_of_another_type_fails_only_its_own_group() {
    let mut redis = Redis::start();
    redis.command(&["LPUSH", "list", "x"]);
    redis.command(&["SET", "text", "17"]);
    let with = |key| Entry::new(Group::new(vec![fixed("shared", 1), fixed(key, 1)]));
    let entries = [
        single(fixed("before", 1)),
        with("list"),
        with("text"),
        with("good"),
        single(fixed("list", 0)),
        single(fixed("after", 1)),
    ];
    let answers = redis.check(&entries, NONE);
    assert_eq!(code(&answers[1]), "WRONGTYPE");
    assert_eq!(code(&answers[2]), "WRONGVALUE");
    assert_eq!(code(&answers[4]), "WRONGTYPE");
    assert!(matches!(&answers[1], Err(GroupError::Refused { key, .. }) if key.as_bytes() == b"list"), "{answers:?}");
    for good in [0, 3, 5] {
        assert!(answers[good].as_ref().expect("verdicts")[0].iter().all(|verdict| verdict.after == 1), "{answers:?}");
    }
    assert_eq!(one(&mut redis, single(fixed("shared", 0))).after, 1, "a group that failed charged nothing");
    assert_eq!(redis.number(&["LLEN", "list"]), 1);
}

#[test]
fn a_flushed_script_says_noscript_and_is_loaded_again() {
    let mut redis = Redis::start();
    one(&mut redis, single(fixed("a", 1)));
    redis.command(&["SCRIPT", "FLUSH"]);
    let entries = [single(fixed("a", 1))];
    let Reply::Error(error) = redis.evalsha(&entries, NONE) else { panic!("the script is still there") };
    assert!(error.starts_with("NOSCRIPT"), "{error}");
    assert_eq!(redis.load(), Reply::Bytes(script::SHA1.into()));
    assert_eq!(only(&redis.check(&entries, NONE)[0]).after, 2);
}

#[test]
fn a_read_only_replica_answers_looks_and_rejects_charges() {
    let mut redis = Redis::start();
    one(&mut redis, single(fixed("a", 3)));
    redis.command(&["REPLICAOF", "127.0.0.1", "1"]);
    let answers = redis.check(&[single(fixed("a", 0)), single(fixed("b", 1)), single(fixed("c", 0))], NONE);
    assert_eq!(only(&answers[0]).after, 3);
    assert_eq!(code(&answers[1]), "READONLY");
    assert_eq!(only(&answers[2]).after, 0);
}

#[test]
fn a_full_redis_answers_looks_and_rejects_charges() {
    let mut redis = Redis::start();
    one(&mut redis, single(fixed("a", 3)));
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let both = Entry::new(Group::new(vec![fixed("a", 1), fixed("b", 1)]));
    let answers = redis.check(&[single(fixed("a", 0)), both, single(fixed("c", 0))], NONE);
    assert_eq!([code(&answers[0]), code(&answers[1])], ["OOM", "OOM"], "the look is at a counter with a failed write");
    assert_eq!(only(&answers[2]).after, 0);
    assert_eq!(only(&redis.check(&[single(fixed("a", 0))], NONE)[0]).after, 3);
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(redis.number(&["DBSIZE"]), 1);
}
