//! What a random trace does not show: commands, expiry, refusals, and single examples of the edges.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use smallvec::{SmallVec, smallvec};
use tollgate::{
    domain::{
        Algorithm, Charge, Clock as _, CounterKey, Group, Hit, Limit, MAX_COUNT, RetryAfter, SystemClock, TimeZone,
        Timestamp, Unit, Verdict, Window,
    },
    store::redis::{Answer, Entry, GroupError, decode, script},
};

use crate::server::{Redis, Reply};

const SECOND: u64 = 1_000_000;
const NOW: u64 = 1_700_000_000 * SECOND;
const NONE: Duration = Duration::ZERO;
/// Keeps counters whose time is injected.
const LONG: Duration = Duration::from_secs(3600);

fn limit(algorithm: Algorithm, requests: u64) -> Limit {
    Limit::new(algorithm, requests, Unit::Second.into(), None, None).expect("a limit")
}

fn hit(key: &str, limit: Limit, n: u64) -> Hit {
    Hit::new(CounterKey::from_bytes(key.as_bytes()), limit, Charge::Take(n))
}

fn fixed(key: &str, n: u64) -> Hit {
    hit(key, Limit::fixed_window(10, Unit::Hour), n)
}

fn single(hit: Hit) -> Entry {
    Entry::new(Group::single(hit))
}

fn at(hit: Hit, micros: u64) -> Entry {
    Entry::new(Group::single(hit).at(Timestamp::from_micros(micros)))
}

/// The only verdict of a group of one hit.
fn only(answer: &Answer) -> Verdict {
    answer.as_ref().expect("verdicts")[0][0]
}

fn one(redis: &mut Redis, entry: Entry) -> Verdict {
    only(&redis.check(&[entry], LONG)[0])
}

fn code(answer: &Answer) -> &str {
    answer.as_ref().expect_err("a refusal").code()
}

/// Calls of each command since the last `CONFIG RESETSTAT`, but for the test's own.
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
    let group =
        Group::new(Algorithm::ALL.map(|algorithm| hit(algorithm.name(), limit(algorithm, 1), 1)).into_iter().collect());
    let mut merged = single(fixed("hot", 1));
    (0..99).for_each(|_| merged.again());
    let entries = [Entry::new(group), merged];
    let answers = redis.check(&entries, LONG);
    assert_eq!(answers[1].as_ref().expect("verdicts").len(), 100);
    let new = counts([("evalsha", 1), ("time", 1), ("mget", 1), ("get", 4), ("set", 4)]);
    assert_eq!(commands(&mut redis), new, "what does not exist is asked for its type");

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
        counts([("evalsha", 3), ("time", 3), ("mget", 2), ("get", 2)]),
        "looks and denials only read"
    );
    assert_eq!(redis.number(&["DBSIZE"]), 4);
}

#[test]
fn a_counter_of_another_type_fails_its_own_group_only() {
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
fn a_read_only_replica_answers_looks_and_refuses_charges() {
    let mut redis = Redis::start();
    one(&mut redis, single(fixed("a", 3)));
    redis.command(&["REPLICAOF", "127.0.0.1", "1"]);
    let answers = redis.check(&[single(fixed("a", 0)), single(fixed("b", 1)), single(fixed("c", 0))], NONE);
    assert_eq!(only(&answers[0]).after, 3);
    assert_eq!(code(&answers[1]), "READONLY");
    assert_eq!(only(&answers[2]).after, 0);
}

#[test]
fn a_full_redis_answers_looks_and_refuses_charges() {
    let mut redis = Redis::start();
    one(&mut redis, single(fixed("a", 3)));
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let both = Entry::new(Group::new(vec![fixed("a", 1), fixed("b", 1)]));
    let answers = redis.check(&[single(fixed("a", 0)), both, single(fixed("c", 0))], NONE);
    assert_eq!([code(&answers[0]), code(&answers[1])], ["OOM", "OOM"], "the look is of a counter that was not written");
    assert_eq!(only(&answers[2]).after, 0);
    assert_eq!(only(&redis.check(&[single(fixed("a", 0))], NONE)[0]).after, 3);
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(redis.number(&["DBSIZE"]), 1);
}

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
    let patience = Instant::now() + Duration::from_secs(60);
    while redis.number(&["DBSIZE"]) > 0 {
        assert!(Instant::now() < patience, "{} counters are left", redis.number(&["DBSIZE"]));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn lives_end_with_the_window_or_the_full_bucket_plus_jitter() {
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

/// By the server's clock, which the windows are long for.
#[test]
fn a_hit_leaves_the_end_of_its_window_as_it_is_and_moves_that_of_a_bucket() {
    let mut redis = Redis::start();
    let year = |algorithm: Algorithm| {
        let limit = Limit::new(algorithm, 1000, Unit::Year.into(), None, None).expect("a limit");
        single(hit(algorithm.name(), limit, 1))
    };
    redis.check(&Algorithm::ALL.map(year), NONE);
    for algorithm in Algorithm::ALL {
        // as of another jitter, and longer than a window
        redis.command(&["PEXPIRE", algorithm.name(), "99000000000"]);
    }
    redis.check(&Algorithm::ALL.map(year), LONG);
    for (algorithm, kept) in Algorithm::ALL.into_iter().zip([true, true, false]) {
        let life = redis.number(&["PTTL", algorithm.name()]);
        assert_eq!(life > 98_000_000_000, kept, "{algorithm} lives {life} ms");
        assert!(life > 0, "{algorithm} lives for ever");
    }
}

#[test]
fn a_stored_time_that_is_ahead_is_taken_as_now_or_moved_to_it() {
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
fn a_limit_of_nothing_denies_everything() {
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

fn by_calendar(unit: Unit, multiplier: u32, zone: &str, requests: u64) -> Limit {
    let zone = TimeZone::from_name(zone).expect("a time zone");
    let multiplier = NonZeroU32::new(multiplier).expect("not zero");
    let window = Window::by_calendar(unit, multiplier, zone).expect("a window");
    Limit::fixed_window(requests, window)
}

/// Whoever sends the windows of a calendar need not have the server's time: theirs decides as long as it lies in one of
/// those that were sent, and else nothing is charged.
#[test]
fn the_windows_of_a_calendar_are_chosen_by_the_server_s_clock() {
    let mut redis = Redis::start();
    let zones = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Pacific/Apia", "Etc/GMT-12"];
    let server = SystemClock.now().as_micros();
    let shifted = |by: i64| Timestamp::from_micros(server.saturating_add_signed(by * 1_000_000));
    let day = 86_400;
    for (unit, multiplier, length) in [(Unit::Day, 1, day), (Unit::Week, 2, 14 * day), (Unit::Month, 1, 28 * day)] {
        for zone in zones {
            let limit = by_calendar(unit, multiplier, zone, 10);
            let calendar = limit.window().calendar().expect("a calendar");
            let (mut counted, mut window) = (0, 0.0);
            // almost two windows behind, and one ahead, are always covered; then a look
            let shifts = [0, -7200, 30, day, -day, length, -length, 3 * length / 2, -7 * length / 8, 0];
            let (last, _) = shifts.iter().enumerate().next_back().expect("shifts");
            for (at, by) in shifts.into_iter().enumerate() {
                if at == last {
                    out_of_reach(&mut redis, zone, limit, length, shifted);
                }
                let n = u64::from(at != last);
                let entries = [single(hit(zone, limit, n))];
                let Reply::Bytes(reply) = redis.evalsha_about(&entries, shifted(by), NONE) else { panic!("no reply") };
                let (now, answers) = decode(&entries, &reply).expect("a reply");
                let (verdict, span) = (only(&answers[0]), calendar.span(now.as_f64()));
                // a day may end during the test
                counted = if window == span.start { counted + n } else { n };
                window = span.start;
                assert_eq!((verdict.after, verdict.allowed), (counted, true), "{limit} in {zone}, {by} s");
                assert_eq!(
                    verdict.reset_after,
                    Duration::from_micros(span.end as u64 - now.as_micros()),
                    "{limit}, {by} s"
                );
            }
        }
        redis.command(&["FLUSHALL"]);
    }
}

/// Windows of five lengths before or after the server's time: nothing is charged.
fn out_of_reach(redis: &mut Redis, key: &str, limit: Limit, length: i64, shifted: impl Fn(i64) -> Timestamp) {
    for by in [5 * length, -5 * length, 86_400_000, -86_400_000] {
        let group = Group::new(vec![fixed("beside", 1), hit(key, limit, 1)]);
        let entries = [Entry::new(group), single(fixed("neighbour", 1))];
        let Reply::Bytes(reply) = redis.evalsha_about(&entries, shifted(by), NONE) else { panic!("no reply") };
        let answers = decode(&entries, &reply).expect("a reply").1;
        assert_eq!(code(&answers[0]), "CLOCK", "{limit} in {key}, {by} s");
        assert!(
            matches!(&answers[0], Err(GroupError::Refused { key: named, .. }) if named.as_bytes() == key.as_bytes())
        );
        assert!(answers[1].is_ok(), "its neighbour is counted");
    }
    assert_eq!(one(redis, single(fixed("beside", 0))).after, 0, "a group that fails charges nothing");
}

#[test]
fn a_calendar_s_counter_lives_to_the_end_of_its_window() {
    let mut redis = Redis::start();
    let (spring, hour) = (1_774_738_800 * SECOND, 3600 * SECOND);
    for (key, unit, at_hour, hours) in [("day", Unit::Day, 1, 22), ("month", Unit::Month, 5, 72 - 6)] {
        let limit = by_calendar(unit, 1, "Europe/Berlin", 10);
        redis.check(&[at(hit(key, limit, 1), spring + at_hour * hour)], Duration::from_secs(60));
        let expected = hours * 3_600_000 + 60_000;
        let life = redis.number(&["PTTL", key]);
        assert!(life <= expected + 1 && life > expected - 60_000, "{key}: {life} of {expected}");
    }
}

#[test]
fn equal_hits_in_one_entry_are_as_many_one_after_the_other() {
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
fn the_time_is_the_server_s() {
    let mut redis = Redis::start();
    let Reply::Bytes(reply) = redis.evalsha(&[], NONE) else { panic!("no time") };
    let (told, _) = decode(&[], &reply).expect("a reply");
    let Reply::List(now) = redis.command(&["TIME"]) else { panic!("no time") };
    let Reply::Bytes(seconds) = &now[0] else { panic!("no seconds") };
    let seconds: u64 = String::from_utf8_lossy(seconds).parse().expect("a number");
    assert!(told.as_micros() / SECOND <= seconds && told.as_micros() / SECOND + 60 > seconds, "{told:?}, {seconds}");
}

/// Where the estimate is a whole number and equals the limit, the order of its operations decides: 25·(7/25) is more
/// than 7. A look shows in the script by what its group refuses.
#[test]
fn estimates_that_equal_the_limit_pass() {
    let mut redis = Redis::start();
    let sliding = |seconds: u64, requests, key: &str, charge| {
        let window = Window::new(Unit::Second, NonZeroU32::new(seconds as u32).expect("not zero")).expect("short");
        let limit = Limit::new(Algorithm::SlidingWindow, requests, window, None, None).expect("a limit");
        Hit { charge, ..hit(key, limit, 0) }
    };
    let (mut compared, mut tight) = (0, 0);
    for seconds in 1..=60 {
        let start = NOW / (seconds * SECOND) * (seconds * SECOND);
        let mut entries = Vec::new();
        for previous in 1..=100 {
            let key = format!("{seconds}/{previous}");
            let before = sliding(seconds, previous, &key, Charge::Take(previous));
            entries.push(at(before, start - 1));
            for elapsed in (0..seconds).filter(|elapsed| previous * (seconds - elapsed) % seconds == 0) {
                let estimate = previous * (seconds - elapsed) / seconds;
                let witness = Hit { descriptor: 1, ..fixed("witness", 0) };
                let witness =
                    Hit { charge: Charge::Take(1), limit: Limit::fixed_window(MAX_COUNT, Unit::Hour), ..witness };
                let look = sliding(seconds, estimate, &key, Charge::LOOK);
                let group = Group::new(vec![look, witness]).atomic();
                entries.push(Entry::new(group.at(Timestamp::from_micros(start + elapsed * SECOND))));
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

/// The time on the processor that a call costs Redis, in microseconds: the least of several.
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

/// Redis does nothing else meanwhile: ten times the counters may take about ten times as long, not a hundred times.
#[test]
fn a_large_group_costs_what_its_counters_do() {
    let mut redis = Redis::start();
    let mut of = |descriptors: u32, limits: u32, atomic: bool| {
        let hits = (0..descriptors).flat_map(|descriptor| {
            let key = move |at| format!("{descriptors}:{descriptor}:{at}");
            (0..limits).map(move |at| Hit { descriptor, ..fixed(&key(at), 1) })
        });
        cost(&mut redis, &Group { atomic, ..Group::new(hits.collect()) })
    };
    for limits in [1, 2] {
        for atomic in [false, true] {
            let (small, large) = (of(1000, limits, atomic), of(10_000, limits, atomic));
            assert!(large < small * 30, "{limits} limits each, atomic {atomic}: {small} µs, tenfold {large} µs");
        }
    }
}
