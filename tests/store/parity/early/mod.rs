//! The early paths, which answer small calls without the functions of the script: they reply and write what the rest of
//! the script does, bit for bit, and charge what the Rust functions do. A group without hits in a call leaves that call
//! to the rest of the script.

mod faults;
mod random;

use std::{num::NonZeroU32, time::Duration};

use limiter::{
    algorithm::State,
    domain::{Algorithm, Charge, CounterKey, Group, Hit, Limit, TimeZone, Timestamp, Unit, Verdict, Window},
};
use proptest::{
    prelude::*,
    sample::{Index, subsequence},
    test_runner::{Config, TestCaseError, TestRunner},
};
use redis::{Answer, Entry, GroupError, decode, script};
use smallvec::SmallVec;

use crate::parity::{
    hits::{LONG, NONE, NOW, SECOND, code, fixed, hit, limit, only, single},
    server::{Monitor, Redis, Reply, server},
    traces::{self, Model, equal, packed, settle},
};

/// The most hits of a call that is answered early.
const MOST: usize = 8;

/// The script up to its first function, and what it answers if it gets there.
fn early_alone() -> String {
    let (early, _) = script::TEXT.split_once("local function").expect("functions");
    format!("{early}return redis.error_reply('LATE')\n")
}

/// The whole call, left to the rest of the script.
fn full(entries: &[Entry]) -> Vec<Entry> {
    entries.iter().cloned().chain([Entry::new(Group::new([]))]).collect()
}

fn bytes(reply: Reply) -> Vec<u8> {
    let Reply::Bytes(bytes) = reply else { panic!("not a reply of the script: {reply:?}") };
    bytes
}

/// An answer without what differs between the copies: the verdicts, or the code of the error and the counter.
fn known(answer: &Answer) -> Result<Vec<Vec<Verdict>>, (&str, &[u8])> {
    match answer {
        Ok(verdicts) => Ok(verdicts.iter().map(|verdicts| verdicts.to_vec()).collect()),
        Err(error @ GroupError::Refused { key, .. }) => Err((error.code(), &key.as_bytes()[1..])),
        Err(error) => panic!("{error}"),
    }
}

/// A server with two copies of all counters: the early path counts on one, the rest of the script on the other.
struct Twins {
    redis: Redis,
    monitor: Monitor,
    early: String,
}

/// What became of a call.
struct Outcome {
    answers: Vec<Answer>,
    /// Whether the early path answered it.
    early: bool,
    /// The writes, as MONITOR quotes them.
    writes: Vec<String>,
}

impl Twins {
    /// The names of the copies differ in their first letter.
    const NAMES: [&str; 2] = ["e", "f"];

    fn start() -> Self {
        let redis = Redis::start();
        let monitor = redis.monitor();
        Self { redis, monitor, early: early_alone() }
    }

    /// The SETs of the scripts that ran since the last time.
    fn writes(&mut self) -> Vec<String> {
        let commands = self.monitor.of_scripts(&mut self.redis);
        commands.into_iter().filter(|command| command.starts_with("\"SET\"")).collect()
    }

    /// Stores a state in both copies.
    fn seed(&mut self, key: &str, value: &[u8]) {
        for name in Self::NAMES {
            self.redis.send(&[b"SET", format!("{name}{key}").as_bytes(), value]);
        }
    }

    /// Makes the same call to both copies: replies and writes have to be equal, or as long and as many by the server's
    /// clock. An early path that does not answer must have written nothing; then the whole script answers in its place.
    fn call(&mut self, groups: &[(Group, u32)], jitter: Duration) -> Outcome {
        let [early, late] = Self::NAMES.map(|name| {
            let renamed = |hit: &Hit| {
                let key = [name.as_bytes(), hit.key.as_bytes()].concat();
                Hit { key: CounterKey::from_bytes(&key), ..hit.clone() }
            };
            let entry = |(group, times): &(Group, u32)| {
                let hits = group.hits.iter().map(renamed).collect();
                let mut entry = Entry::new(Group { hits, ..group.clone() });
                (1..*times).for_each(|_| entry.again());
                entry
            };
            groups.iter().map(entry).collect::<Vec<Entry>>()
        });
        let reply = self.redis.eval(&self.early, &early, jitter);
        let mut writes = self.writes();
        let is_early = matches!(reply, Reply::Bytes(_));
        let reply = if is_early {
            bytes(reply)
        } else {
            let Reply::Error(text) = reply else { panic!("{reply:?}") };
            assert!(text.contains("LATE"), "{text}: {groups:?}");
            assert_eq!(writes, Vec::<String>::new(), "what is left to the rest has no effect: {groups:?}");
            let reply = bytes(self.redis.evalsha(&early, jitter));
            writes = self.writes();
            reply
        };
        let expected = bytes(self.redis.evalsha(&full(&late), jitter));
        let expected_writes = self.writes();
        let named_early = |write: &String| write.replacen("\"SET\" \"f", "\"SET\" \"e", 1);
        let expected_writes: Vec<String> = expected_writes.iter().map(named_early).collect();
        let answers = decode(&early, &server(), &reply).expect("a reply").1;
        if answers.iter().any(Result::is_err) {
            // Redis 6 names the line of the script in an error
            let expected_answers = decode(&full(&late), &server(), &expected).expect("a reply").1;
            for (answer, expected) in answers.iter().zip(&expected_answers) {
                assert_eq!(known(answer), known(expected), "{groups:?}");
            }
        } else if groups.iter().all(|(group, _)| group.now.is_some()) {
            // but for the time at its start, and the group without hits at the end
            assert_eq!([&reply[8..], b"\0"].concat(), expected[8..], "{groups:?}");
            assert_eq!(writes, expected_writes, "{groups:?}");
        } else {
            assert_eq!((reply.len() + 1, writes.len()), (expected.len(), expected_writes.len()), "{groups:?}");
        }
        Outcome { answers, early: is_early, writes }
    }
}

fn window(seconds: u32) -> Window {
    Window::new(Unit::Second, NonZeroU32::new(seconds).expect("not zero")).expect("short")
}

/// Lone hits, looks and refunds at each edge of a window and one microsecond from it, by every algorithm, with and
/// without count_denied.
#[test]
fn at_the_edges_of_a_window_both_paths_reply_and_write_the_same_bits() {
    let mut twins = Twins::start();
    let charges =
        [Charge::Take(1), Charge::Take(3), Charge::LOOK, Charge::Give(1), Charge::Give(9), Charge::Take(u64::MAX)];
    let (mut calls, mut denied) = (0, 0);
    for algorithm in Algorithm::ALL {
        for count_denied in [false, true] {
            for (number, charge) in charges.into_iter().enumerate() {
                let limit = Limit::new(algorithm, 4, window(10), None, Some(count_denied)).expect("a limit");
                let key = format!("{algorithm}{count_denied}{number}");
                let mut model = Model::new();
                let start = NOW / (10 * SECOND) * (10 * SECOND);
                // forwards, backwards by less than a window, and forwards by several
                for offset in [0, 1, 5_000_000, 9_999_999, 10_000_000, 9_999_999, 19_999_999, 20_000_000, 60_000_000] {
                    for charge in [Charge::Take(2), charge] {
                        let hit = Hit { charge, ..hit(&key, limit, 0) };
                        let group = Group::single(hit).at(Timestamp::from_micros(start + offset));
                        let outcome = twins.call(&[(group.clone(), 1)], NONE);
                        assert!(outcome.early, "{group:?}");
                        let verdicts = outcome.answers[0].as_ref().expect("verdicts");
                        assert_eq!(verdicts[0].to_vec(), settle(&mut model, &group), "{group:?}");
                        denied += u32::from(!verdicts[0][0].allowed);
                        calls += 1;
                        // without jitter the counter may have expired, as its time is injected
                        for (name, (state, _)) in &model {
                            twins.seed(std::str::from_utf8(name).expect("UTF-8"), &packed(state));
                        }
                    }
                }
            }
        }
    }
    assert!(denied > calls / 10, "{denied} of {calls}");
}

/// Where another order of operations gives an estimate above the limit: 25·(7/25) is more than 7.
#[test]
fn an_estimate_that_equals_the_limit_passes_on_both_paths() {
    let mut twins = Twins::start();
    let mut tight = 0;
    for seconds in 1..=60 {
        let length = u64::from(seconds) * SECOND;
        let start = NOW / length * length;
        for previous in 1..=100u64 {
            let estimate = |elapsed: u64| previous * (u64::from(seconds) - elapsed) / u64::from(seconds);
            let is_tight = |elapsed: &u64| {
                let left = u64::from(seconds) - elapsed;
                let share = left as f64 / f64::from(seconds);
                (previous * left).is_multiple_of(u64::from(seconds))
                    && previous as f64 * share > estimate(*elapsed) as f64
            };
            for elapsed in (0..u64::from(seconds)).filter(is_tight) {
                let key = format!("{seconds}/{previous}/{elapsed}");
                twins.seed(&key, &packed(&State { time: start as f64, current: 0.0, previous: previous as f64 }));
                let requests = estimate(elapsed) + 1;
                let limit =
                    Limit::new(Algorithm::SlidingWindow, requests, window(seconds), None, None).expect("a limit");
                let outcome = twins.call(&at(&alone(hit(&key, limit, 1)), start + elapsed * SECOND), LONG);
                assert!(outcome.early && only(&outcome.answers[0]).allowed, "{key}");
                tight += 1;
            }
        }
    }
    assert!(tight > 100, "{tight}");
}

fn alone(hit: Hit) -> Vec<(Group, u32)> {
    vec![(Group::single(hit), 1)]
}

/// The same at an injected time.
fn at(groups: &[(Group, u32)], micros: u64) -> Vec<(Group, u32)> {
    groups.iter().map(|(group, times)| (group.clone().at(Timestamp::from_micros(micros)), *times)).collect()
}

fn several(number: usize) -> Vec<Hit> {
    let of = |at: usize| Hit { descriptor: at as u32, ..hit(&format!("k{at}"), limit(Algorithm::ALL[at % 3], 5), 1) };
    (0..number).map(of).collect()
}

fn groups_of_one(number: usize) -> Vec<(Group, u32)> {
    several(number).into_iter().map(|hit| (Group::single(hit), 1)).collect()
}

#[test]
fn what_small_calls_are_is_answered_early() {
    let mut twins = Twins::start();
    let pair = || several(2);
    let joined = || pair().into_iter().map(|hit| Hit { descriptor: 0, ..hit }).collect::<Vec<_>>();
    let mut early: Vec<Vec<(Group, u32)>> = Vec::new();
    for algorithm in Algorithm::ALL {
        for charge in [Charge::Take(1), Charge::LOOK, Charge::Give(2)] {
            early.push(alone(Hit { charge, ..hit("a", limit(algorithm, 5), 0) }));
        }
        early.push(alone(Hit { shadow: true, ..hit("a", limit(algorithm, 0), 1) }));
        early.push(alone(Hit { quota: true, ..hit("a", limit(algorithm, 0), 1) }));
        early.push(vec![(Group::single(hit("hot", limit(algorithm, 5), 1)), 100)]);
        early.push(vec![(Group::single(hit("a", limit(algorithm, 0), 1)).atomic(), 1)]);
    }
    early.extend((2..=MOST).map(|number| vec![(Group::new(several(number)), 1)]));
    early.extend((2..=MOST).map(|number| vec![(Group::new(several(number)).atomic(), 1)]));
    early.extend((2..=MOST).map(groups_of_one));
    early.push(vec![(Group::new(joined()), 1)]);
    early.push(vec![(Group { refused: true, ..Group::new(pair()).atomic() }, 1)]);
    for groups in &early {
        assert!(twins.call(&at(groups, NOW), LONG).early, "{groups:?}");
    }

    let zone = TimeZone::from_name("UTC").expect("a time zone");
    let month = Window::by_calendar(Unit::Month, NonZeroU32::MIN, zone).expect("a window");
    let twice = || vec![fixed("a", 1), Hit { descriptor: 1, ..fixed("a", 1) }];
    let mut late = vec![
        alone(hit("month", Limit::fixed_window(5, month), 1)),
        vec![(Group::new(several(MOST + 1)), 1)],
        groups_of_one(MOST + 1),
        vec![(Group::new(twice()), 1)],
        alone(fixed("a", 1)).into_iter().chain(alone(fixed("a", 2))).collect(),
        vec![(Group::new(pair()), 2)],
        vec![(Group { refused: true, ..Group::single(fixed("a", 1)).atomic() }, 1)],
        vec![(Group::new(pair()), 1), (Group::single(fixed("z", 1)), 1)],
        vec![],
    ];
    // groups whose parts are together as long as groups of one hit each
    late.push(vec![(Group::new(pair()), 1), (Group::new([]), 1)]);
    late.push(vec![(Group::single(fixed("z", 1)), 1), (Group::new([]), 1), (Group::new(pair()), 1)]);
    for groups in &late {
        assert!(!twins.call(&at(groups, NOW), LONG).early, "{groups:?}");
    }
}

/// By the server's clock, for which a year is long.
#[test]
fn a_counter_keeps_its_life_within_a_window_and_a_bucket_gets_another() {
    let mut twins = Twins::start();
    let year = |algorithm: Algorithm| {
        let limit = Limit::new(algorithm, 1000, Unit::Year.into(), None, None).expect("a limit");
        Hit { descriptor: algorithm as u32, ..hit(algorithm.name(), limit, 1) }
    };
    let lone = Algorithm::ALL.map(|algorithm| alone(year(algorithm)));
    let together = [vec![(Group::new(Algorithm::ALL.map(year)), 1)], lone.concat()];
    for calls in [lone.to_vec(), together[..1].to_vec(), together[1..].to_vec()] {
        twins.redis.command(&["FLUSHALL"]);
        let mut writes = || -> Vec<String> {
            let outcomes = calls.iter().map(|groups| twins.call(groups, LONG)).collect::<Vec<_>>();
            assert!(outcomes.iter().all(|outcome| outcome.early));
            outcomes.into_iter().flat_map(|outcome| outcome.writes).collect()
        };
        let (first, second) = (writes(), writes());
        assert!(first.len() == 3 && first.iter().all(|write| write.contains("\"PX\"")), "{first:?}");
        let keeps: Vec<bool> = second.iter().map(|write| write.ends_with("\"KEEPTTL\"")).collect();
        assert_eq!(keeps, [true, true, false], "{second:?}");
        for algorithm in Algorithm::ALL {
            let [early, late] =
                Twins::NAMES.map(|name| twins.redis.number(&["PTTL", &format!("{name}{}", algorithm.name())]));
            assert!(early > LONG.as_millis() as i64 && early.abs_diff(late) < 60_000, "{algorithm}: {early}, {late}");
            if algorithm != Algorithm::TokenBucket {
                let [early, late] =
                    Twins::NAMES.map(|name| twins.redis.command(&["GET", &format!("{name}{}", algorithm.name())]));
                assert_eq!(early, late, "{algorithm}");
            }
        }
    }
}
