//! The TTL of counters in Redis.

use std::time::Duration;

use limiter::domain::{Algorithm, Limit, Unit};
use redis::Entry;

use crate::parity::{
    hits::{LONG, NONE, SECOND, at, hit, limit, only, single},
    server::Redis,
};

/// By the server's clock and without jitter.
#[test]
fn nothing_is_left_once_the_windows_have_passed() {
    let mut redis = Redis::start();
    let entries: Vec<Entry> = Algorithm::ALL
        .map(|algorithm| (0..50).map(move |n| single(hit(&format!("{algorithm}{n}"), limit(algorithm, 9), 3))))
        .into_iter()
        .flatten()
        .collect();
    assert!(redis.check(&entries, NONE).iter().all(|answer| only(answer).allowed));
    for (algorithm, longest) in [("fixed_window", 1000), ("sliding_window", 2000), ("token_bucket", 336)] {
        let life = redis.number(&["PTTL", &format!("{algorithm}0")]);
        assert!(life <= longest && life != -1, "{algorithm} lives {life} ms");
    }
    testkit::eventually_blocking("all counters to expire", || (redis.number(&["DBSIZE"]) == 0).then_some(()));
}

#[test]
fn ttls_end_with_the_window_or_the_full_bucket_plus_jitter() {
    let mut redis = Redis::start();
    let day = |algorithm: Algorithm, n| {
        hit(algorithm.name(), Limit::new(algorithm, 10, Unit::Day.into(), None, None).expect("a limit"), n)
    };
    let (hour, midnight) = (3600 * SECOND, 19_000 * 86_400 * SECOND);
    let entries: Vec<Entry> = Algorithm::ALL.map(|algorithm| at(day(algorithm, 5), midnight + 6 * hour)).into();
    redis.check(&entries, Duration::from_secs(60));
    for (algorithm, hours) in Algorithm::ALL.into_iter().zip([18, 42, 12]) {
        let expected = hours * 3_600_000 + 60_000;
        let life = redis.number(&["PTTL", algorithm.name()]);
        assert!(life <= expected + 1 && life > expected - 60_000, "{algorithm}: {life} of {expected}");
    }
}

/// By the server's clock, with long windows.
#[test]
fn a_hit_leaves_the_ttl_of_a_window_unchanged_and_renews_that_of_a_bucket() {
    let mut redis = Redis::start();
    let year = |algorithm: Algorithm| {
        let limit = Limit::new(algorithm, 1000, Unit::Year.into(), None, None).expect("a limit");
        single(hit(algorithm.name(), limit, 1))
    };
    redis.check(&Algorithm::ALL.map(year), NONE);
    for algorithm in Algorithm::ALL {
        // as with another jitter, and longer than a window
        redis.command(&["PEXPIRE", algorithm.name(), "99000000000"]);
    }
    redis.check(&Algorithm::ALL.map(year), LONG);
    for (algorithm, kept) in Algorithm::ALL.into_iter().zip([true, true, false]) {
        let life = redis.number(&["PTTL", algorithm.name()]);
        assert_eq!(life > 98_000_000_000, kept, "{algorithm} lives {life} ms");
        assert!(life > 0, "{algorithm} has no TTL");
    }
}
