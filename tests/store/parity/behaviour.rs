//! Behaviour that random traces do not show: the commands used, and examples of edge cases.

use std::{collections::BTreeMap, num::NonZeroU32};

use limiter::domain::{Algorithm, Charge, Group, Hit, Limit, MAX_COUNT, RetryAfter, Timestamp, Unit, Verdict, Window};
use redis::{Entry, decode};
use smallvec::{SmallVec, smallvec};

use crate::parity::{
    hits::{LONG, NONE, NOW, SECOND, at, fixed, hit, limit, one, single},
    server::{Redis, Reply, server},
};

fn commands(redis: &mut Redis) -> BTreeMap<String, u64> {
    let own = ["config", "config|resetstat", "info", "dbsize"];
    let call = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let calls = rest.split(',').next()?.parse().ok()?;
        (!own.contains(&name)).then(|| (name.to_owned(), calls))
    };
    redis.text(&["INFO", "commandstats"]).lines().filter_map(call).collect()
}

fn counts<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
    counts.map(|(name, calls)| (name.to_owned(), calls)).into()
}

#[test]
fn all_counters_of_a_call_are_read_by_one_command_and_each_is_written_by_one() {
    let mut redis = Redis::start();
    redis.command(&["CONFIG", "RESETSTAT"]);
    let group = Group::new(Algorithm::ALL.map(|algorithm| hit(algorithm.name(), limit(algorithm, 1), 1)));
    let mut merged = single(fixed("hot", 1));
    (0..99).for_each(|_| merged.again());
    let entries = [Entry::new(group), merged];
    let answers = redis.check(&entries, LONG);
    assert_eq!(answers[1].as_ref().expect("verdicts").len(), 100);
    let new = counts([("evalsha", 1), ("time", 1), ("mget", 1), ("get", 4), ("set", 4)]);
    assert_eq!(commands(&mut redis), new, "of a missing counter the type is checked");

    redis.command(&["CONFIG", "RESETSTAT"]);
    // two counters, each in several groups
    let pair = || Entry::new(Group::new(vec![fixed("hot", 1), Hit { descriptor: 1, ..fixed("fixed_window", 1) }]));
    let known = [single(fixed("hot", 1)), single(fixed("hot", 2)), pair(), pair()];
    redis.check(&known, LONG);
    assert_eq!(commands(&mut redis), counts([("evalsha", 1), ("time", 1), ("mget", 1), ("set", 2)]));

    redis.command(&["CONFIG", "RESETSTAT"]);
    let looks =
        [single(fixed("hot", 0)), single(fixed("cold", 0)), single(Hit { charge: Charge::Give(3), ..fixed("new", 0) })];
    redis.check(&looks, LONG);
    let denied = single(hit("sliding_window", limit(Algorithm::SlidingWindow, 0), 1));
    redis.check(&[denied], LONG);
    redis.check(&[], LONG);
    assert_eq!(
        commands(&mut redis),
        counts([("evalsha", 3), ("time", 3), ("mget", 1), ("get", 3)]),
        "looks and denials only read, and a counter that is alone is read by GET"
    );
    assert_eq!(redis.number(&["DBSIZE"]), 4);
}

#[test]
fn a_stored_time_ahead_of_now_replaces_now_or_is_replaced_by_it() {
    let mut redis = Redis::start();
    for algorithm in Algorithm::ALL {
        for ahead in [1, SECOND - 1, SECOND, SECOND + 1, 5 * SECOND, 40 * 365 * 86_400 * SECOND] {
            redis.command(&["FLUSHALL"]);
            let charged = one(&mut redis, at(hit("a", limit(algorithm, 4), 3), NOW + ahead));
            let behind = one(&mut redis, at(hit("a", limit(algorithm, 4), 1), NOW));
            assert_eq!((charged.after, behind.before, behind.after), (3, 3, 4), "{algorithm}, {ahead} µs ahead");
            let denied = one(&mut redis, at(hit("a", limit(algorithm, 4), 1), NOW));
            assert!(!denied.allowed && denied.before == 4, "{algorithm}, {ahead} µs ahead: {denied:?}");
        }
    }
}

#[test]
fn counts_saturate() {
    let mut redis = Redis::start();
    for (algorithm, count_denied) in Algorithm::ALL.into_iter().zip([true, true, false]) {
        let huge = Limit::new(algorithm, u64::MAX, Unit::Year.into(), None, Some(count_denied)).expect("a limit");
        let take = |n| at(hit(algorithm.name(), huge, n), NOW);
        assert_eq!(one(&mut redis, take(u64::MAX)).after, MAX_COUNT, "{algorithm}");
        let over = one(&mut redis, take(MAX_COUNT));
        assert_eq!((over.allowed, over.after, over.remaining), (false, MAX_COUNT, 0), "{algorithm}");
        let back = at(Hit { charge: Charge::Give(MAX_COUNT), ..hit(algorithm.name(), huge, 0) }, NOW);
        assert_eq!(one(&mut redis, back).after, 0, "{algorithm}");
    }
}

#[test]
fn a_limit_of_zero_denies_everything() {
    let mut redis = Redis::start();
    for algorithm in Algorithm::ALL {
        for burst in [None, Some(9)].into_iter().filter(|burst| burst.is_none() || algorithm == Algorithm::TokenBucket)
        {
            for count_denied in [false, true] {
                let nothing = Limit::new(algorithm, 0, Unit::Day.into(), burst, Some(count_denied)).expect("a limit");
                let verdict = one(&mut redis, single(hit(algorithm.name(), nothing, 1)));
                assert_eq!((verdict.allowed, verdict.retry_after), (false, RetryAfter::Never), "{algorithm}");
            }
        }
    }
}

#[test]
fn equal_hits_in_one_entry_are_charged_one_after_another() {
    let mut redis = Redis::start();
    for algorithm in Algorithm::ALL {
        for count_denied in [false, true] {
            let limit = Limit::new(algorithm, 70, Unit::Minute.into(), None, Some(count_denied)).expect("a limit");
            let entry = |key| at(hit(key, limit, 3), NOW);
            let mut merged = entry("merged");
            (0..299).for_each(|_| merged.again());
            let together = redis.check(&[merged], LONG).remove(0).expect("verdicts");
            let apart: Vec<SmallVec<[Verdict; 1]>> =
                (0..300).map(|_| smallvec![one(&mut redis, entry("apart"))]).collect();
            assert_eq!(together.to_vec(), apart, "{limit} {count_denied}");
            assert_eq!(redis.command(&["GET", "merged"]), redis.command(&["GET", "apart"]));
            redis.command(&["FLUSHALL"]);
        }
    }
}

#[test]
fn the_time_is_that_of_the_server() {
    let mut redis = Redis::start();
    let Reply::Bytes(reply) = redis.evalsha(&[], NONE) else { panic!("no time") };
    let (returned, _) = decode(&[], &server(), &reply).expect("a reply");
    let Reply::List(now) = redis.command(&["TIME"]) else { panic!("no time") };
    let Reply::Bytes(seconds) = &now[0] else { panic!("no seconds") };
    let seconds: u64 = String::from_utf8_lossy(seconds).parse().expect("a number");
    assert!(
        returned.as_micros() / SECOND <= seconds && returned.as_micros() / SECOND + 60 > seconds,
        "{returned:?}, {seconds}"
    );
}

/// If the estimate is an integer and equals the limit, the order of operations matters: 25·(7/25) is more than 7. In
/// the script a look is visible by whether its group is denied.
#[test]
fn estimates_that_equal_the_limit_pass() {
    let mut redis = Redis::start();
    let sliding = |seconds: u64, requests, key: &str, charge, counts| {
        let window = Window::new(Unit::Second, NonZeroU32::new(seconds as u32).expect("not zero")).expect("short");
        let limit = Limit::new(Algorithm::SlidingWindow, requests, window, None, Some(counts)).expect("a limit");
        Hit { charge, ..hit(key, limit, 0) }
    };
    let (mut compared, mut tight) = (0, 0);
    for seconds in 1..=60 {
        let start = NOW / (seconds * SECOND) * (seconds * SECOND);
        let mut entries = Vec::new();
        for previous in 1..=100 {
            let key = format!("{seconds}/{previous}");
            let before = sliding(seconds, previous, &key, Charge::Take(previous), true);
            entries.push(at(before, start - 1));
            for elapsed in (0..seconds).filter(|elapsed| previous * (seconds - elapsed) % seconds == 0) {
                let estimate = previous * (seconds - elapsed) / seconds;
                let witness = Hit { descriptor: 1, ..fixed("witness", 0) };
                let witness =
                    Hit { charge: Charge::Take(1), limit: Limit::fixed_window(MAX_COUNT, Unit::Hour), ..witness };
                // if denied hits do not count, a look asks for 1
                for (limit, counts) in [(estimate, true), (estimate + 1, false)] {
                    let look = sliding(seconds, limit, &key, Charge::LOOK, counts);
                    let group = Group::new(vec![look, witness.clone()]).atomic();
                    entries.push(Entry::new(group.at(Timestamp::from_micros(start + elapsed * SECOND))));
                }
                let share = (seconds - elapsed) as f64 / seconds as f64;
                tight += u32::from(previous as f64 * share > estimate as f64);
            }
        }
        for (entry, answer) in entries.iter().zip(redis.check(&entries, LONG)) {
            let verdicts = answer.unwrap_or_else(|error| panic!("{entry:?}: {error}"));
            assert!(verdicts[0].iter().all(|verdict| verdict.allowed), "{entry:?}");
            compared += 1;
        }
    }
    assert!(compared > 10_000 && tight > 100, "{compared} compared, {tight} of them where another order denies");
}

/// The CPU time of a call in Redis, in microseconds: the minimum of several.
fn cost(redis: &mut Redis, group: &Group) -> u64 {
    let used = |redis: &mut Redis| {
        let stats = redis.text(&["INFO", "cpu"]);
        let seconds = |name| stats.lines().find_map(|line| line.strip_prefix(name)?.parse::<f64>().ok());
        let both = seconds("used_cpu_user:").zip(seconds("used_cpu_sys:"));
        both.map(|(user, system)| ((user + system) * 1e6) as u64).expect("two times")
    };
    let mut once = || {
        let before = used(redis);
        assert!(redis.check(&[Entry::new(group.clone())], LONG)[0].is_ok());
        used(redis) - before
    };
    (0..5).map(|_| once()).min().expect("five")
}

/// Redis is blocked during a call: ten times the counters may take about ten times as long, not a hundred times.
#[test]
fn the_cost_of_a_group_is_linear_in_its_counters() {
    let mut redis = Redis::start();
    let mut of = |descriptors: u32, limits: u32, atomic: bool| {
        let hits = (0..descriptors).flat_map(|descriptor| {
            let key = move |at| format!("{descriptors}:{descriptor}:{at}");
            (0..limits).map(move |at| Hit { descriptor, ..fixed(&key(at), 1) })
        });
        cost(&mut redis, &Group { atomic, ..Group::new(hits) })
    };
    for limits in [1, 2] {
        for atomic in [false, true] {
            let (small, large) = (of(1000, limits, atomic), of(10_000, limits, atomic));
            assert!(large < small * 30, "{limits} limits each, atomic {atomic}: {small} µs, tenfold {large} µs");
        }
    }
}
