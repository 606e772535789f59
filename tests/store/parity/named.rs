//! Named windows: the counter is a whole number under a key that names the window. The script's replies and writes are
//! compared with the Rust functions, on both of its paths, at server times that the test sets.

use std::{cell::RefCell, collections::HashMap, num::NonZeroU32, time::Duration};

use limiter::{
    algorithm::{self, Counters, Held, State},
    domain::{Algorithm, Charge, CounterKey, Group, Hit, Limit, Timestamp, Unit, Verdict, Window},
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use redis::{Answer, Entry, Server, ServerTime, decode, script};

use crate::parity::{
    hits::{LONG, NONE, NOW, SECOND, code, entries, fixed, only, single},
    server::{Redis, Reply, server_at},
    traces::packed,
};

/// How far the server's clock may be outside a named window.
const SLACK: u64 = 2 * SECOND;

/// The start of the minute of `NOW`.
const MINUTE: u64 = NOW / (60 * SECOND) * 60 * SECOND;

/// The script, on a server whose clock shows this.
fn script_at(micros: u64) -> String {
    let (seconds, rest) = (micros / SECOND, micros % SECOND);
    script::TEXT.replace("redis.call('TIME')", &format!("{{ '{seconds}', '{rest}' }}"))
}

/// Without the paths that answer small calls early.
fn late(script: &str) -> String {
    script.replacen("if count > 0 and count <= MOST and", "if false and", 1)
}

/// What a process knows that has estimated the server's time as this.
fn estimated(micros: u64) -> Server {
    server_at(Timestamp::from_micros(micros))
}

/// The same, of a process whose first reply came then.
fn since(micros: u64) -> Server {
    let server = estimated(micros);
    Server { time: ServerTime { since: Timestamp::from_micros(micros), ..server.time }, ..server }
}

fn minute(key: &str, requests: u64, charge: Charge) -> Hit {
    let key = CounterKey::from_bytes(format!("{{{key}}}f60").as_bytes());
    Hit::new(key, Limit::fixed_window(requests, Unit::Minute), charge)
}

fn answers(redis: &mut Redis, text: &str, entries: &[Entry], server: &Server, jitter: Duration) -> Vec<Answer> {
    let reply = redis.eval_about(text, entries, server, jitter);
    let Reply::Bytes(reply) = reply else { panic!("not a reply of the script: {reply:?}") };
    decode(entries, server, &reply).expect("a reply").1
}

fn get(redis: &mut Redis, name: &str) -> Option<String> {
    match redis.command(&["GET", name]) {
        Reply::Nil => None,
        Reply::Bytes(bytes) => Some(String::from_utf8(bytes).expect("digits")),
        other => panic!("{name}: {other:?}"),
    }
}

/// A call of a trace.
#[derive(Clone, Debug)]
struct Step {
    /// The server's clock, and by how much the process is wrong about it.
    at: u64,
    error: i64,
    groups: Vec<(Group, u32)>,
    is_early: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let window = prop_oneof![Just(1u32), Just(2), Just(7), Just(60), Just(86_400)];
    let limit = (window, 0..9u64, any::<bool>()).prop_map(|(seconds, requests, count_denied)| {
        let window = Window::new(Unit::Second, NonZeroU32::new(seconds).expect("not zero")).expect("short");
        Limit::new(Algorithm::FixedWindow, requests, window, None, Some(count_denied)).expect("a limit")
    });
    proptest::collection::vec(limit, 3).prop_flat_map(|limits| {
        let charge = prop_oneof![
            6 => (0..4u64).prop_map(Charge::Take),
            2 => (0..4u64).prop_map(Charge::Give),
            1 => Just(Charge::Take(u64::MAX)),
        ];
        let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.2));
        // the last one has no hash tag, and so the other format
        let hit = (0..4usize, charge, 0..3u32, flags).prop_map(move |(number, charge, descriptor, (shadow, quota))| {
            let limit = limits[number % 3];
            let name = if number < 3 { format!("{{k{number}}}f") } else { "plain".to_owned() };
            let key = CounterKey::from_bytes(format!("{name}{}", limit.window().micros()).as_bytes());
            Hit { descriptor, shadow, quota, ..Hit::new(key, limit, charge) }
        });
        let size = prop_oneof![4 => Just(1usize), 2 => 2..4usize, 1 => Just(0usize)];
        let hits = size.prop_flat_map(move |size| proptest::collection::vec(hit.clone(), size));
        let flags = (prop::bool::weighted(0.4), prop::bool::weighted(0.15), prop::bool::weighted(0.15));
        let group = (hits, flags).prop_map(|(mut hits, (atomic, quota_passed, refused))| {
            hits.sort_by_key(|hit| hit.descriptor);
            Group { atomic, quota_passed, refused, ..Group::new(hits) }
        });
        let groups = proptest::collection::vec((group, prop_oneof![3 => Just(1u32), 1 => 1..5u32]), 1..5);
        let tick = prop_oneof![3 => 0..SECOND / 3, 1 => 0..3 * SECOND, 1 => (0..100u64).prop_map(|n| n * SECOND)];
        let step = (tick, -1_000_000..=1_000_000i64, groups, any::<bool>());
        proptest::collection::vec(step, 10..40).prop_map(|steps| {
            let mut at = NOW;
            let step = |(tick, error, groups, is_early)| {
                at += tick;
                Step { at, error, groups, is_early }
            };
            steps.into_iter().map(step).collect()
        })
    })
}

/// The counters by name. Those of named windows are here in the other format too.
type Model = HashMap<String, State>;

/// The name of a hit's counter for a process that estimates the server's time as `estimate`, and the window's start.
fn name(hit: &Hit, estimate: u64) -> (String, Option<u64>) {
    let key = std::str::from_utf8(hit.key.as_bytes()).expect("text");
    if !key.starts_with('{') {
        return (key.to_owned(), None);
    }
    let length = hit.limit.window().micros() as u64;
    let start = estimate / length * length;
    (format!("{key}@{}", start / SECOND), Some(start))
}

/// Settles a group as the documentation says: a hit in a named window is counted in it, at the nearest instant of it.
fn settle(model: &mut Model, group: &Group, at: u64, estimate: u64) -> Vec<Verdict> {
    let counters = Counters::of(group);
    let held = |hit: usize| {
        let hit = &group.hits[hit];
        let (name, start) = name(hit, estimate);
        let last = |start: u64| start + hit.limit.window().micros() as u64 - 1;
        let now = start.map(|start| Timestamp::from_micros(at.clamp(start, last(start))));
        Held::found(model.get(&name).copied()).at(now)
    };
    let mut held: Vec<Held> = counters.first_hits().map(held).collect();
    let verdicts = algorithm::settle(group, Timestamp::from_micros(at), &counters, &mut held);
    for (first, held) in counters.first_hits().zip(&held) {
        if let (Some(state), Some(_)) = (held.state, held.written_by) {
            model.insert(name(&group.hits[first], estimate).0, state);
        }
    }
    verdicts.into_vec()
}

fn run(redis: &mut Redis, steps: &[Step], tally: &mut [u64; 3]) -> Result<(), TestCaseError> {
    redis.command(&["FLUSHALL"]);
    let mut model = Model::new();
    for Step { at, error, groups, is_early } in steps {
        let entries = entries(groups);
        let text = script_at(*at);
        let text = if *is_early { text } else { late(&text) };
        let estimate = at.saturating_add_signed(*error);
        let answers = answers(redis, &text, &entries, &estimated(estimate), LONG);
        for ((group, times), answer) in groups.iter().zip(answers) {
            let answer = answer.map_err(|error| TestCaseError::fail(error.to_string()))?;
            let verdicts: Vec<Vec<Verdict>> = answer.into_iter().map(smallvec::SmallVec::into_vec).collect();
            let expected: Vec<Vec<Verdict>> = (0..*times).map(|_| settle(&mut model, group, *at, estimate)).collect();
            prop_assert_eq!(&verdicts, &expected, "{:?} × {} at {} + {}", group, times, at, error);
            tally[0] += verdicts.iter().flatten().count() as u64;
            tally[1] += verdicts.iter().flatten().filter(|verdict| !verdict.allowed).count() as u64;
        }
    }
    for (name, state) in &model {
        if name.contains('@') {
            prop_assert_eq!(get(redis, name), Some(format!("{}", state.current)), "{}", name);
        } else {
            prop_assert_eq!(redis.command(&["GET", name]), Reply::Bytes(packed(state)), "{}", name);
        }
        prop_assert!(redis.number(&["PTTL", name]) > LONG.as_millis() as i64 - 60_000, "{}", name);
        tally[2] += 1;
    }
    prop_assert_eq!(redis.number(&["DBSIZE"]), model.len() as i64, "looks and uncharged hits store nothing");
    Ok(())
}

#[test]
fn random_traces_give_equal_verdicts_and_counts_on_both_paths() {
    let (mut redis, mut tally) = (Redis::start(), [0; 3]);
    let config = Config { cases: Config::default().cases.max(500), failure_persistence: None, ..Config::default() };
    let cell = RefCell::new((&mut redis, &mut tally));
    let outcome = TestRunner::new(config).run(&steps(), |steps| {
        let (redis, tally) = &mut *cell.borrow_mut();
        run(redis, &steps, tally)
    });
    let [hits, denied, states] = tally;
    println!("named windows, {}: {hits} hits ({denied} denied), {states} counters compared", redis.version());
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(hits > 10_000 && denied > hits / 20, "the traces cover too little");
}

#[test]
fn a_hit_is_counted_in_its_window_up_to_two_seconds_outside_it_and_refused_beyond() {
    let mut redis = Redis::start();
    let end = MINUTE + 60 * SECOND;
    let window = estimated(MINUTE + SECOND);
    let mut counted = 0;
    for (at, is_in_reach) in [
        (MINUTE - SLACK - 1, false),
        (MINUTE - SLACK, true),
        (MINUTE, true),
        (end, true),
        (end + SLACK - 1, true),
        (end + SLACK, false),
    ] {
        for text in [script_at(at), late(&script_at(at))] {
            let neighbour = Hit { descriptor: 1, ..fixed("neighbour", 1) };
            let lone = [single(minute("k", 1000, Charge::Take(1)))];
            let both = [single(neighbour.clone()), lone[0].clone()];
            let group = [Entry::new(Group::new([minute("k", 1000, Charge::Take(1)), neighbour]))];
            for entries in [&lone[..], &both, &group] {
                let answers = answers(&mut redis, &text, entries, &window, NONE);
                let answer = answers.last().expect("an answer");
                if is_in_reach {
                    counted += 1;
                    assert_eq!(answer.as_ref().expect("verdicts")[0][0].after, counted, "{at}");
                } else {
                    assert_eq!(code(answer), "CLOCK", "{at}");
                    assert!(entries.len() == 1 || answers[0].is_ok(), "its neighbour is counted");
                }
            }
        }
    }
    assert_eq!(get(&mut redis, &format!("{{k}}f60@{}", MINUTE / SECOND)), Some(counted.to_string()));
}

#[test]
fn a_counter_lives_until_the_end_of_its_window_and_the_extra_time() {
    let mut redis = Redis::start();
    let name = format!("{{k}}f60@{}", MINUTE / SECOND);
    for cut in [|text: &String| text.clone(), |text: &String| late(text)] {
        redis.command(&["FLUSHALL"]);
        for (at, extra, expected) in [(MINUTE + 20 * SECOND, 5, 45_000), (MINUTE + 50 * SECOND, 100, 45_000)] {
            let extra = Duration::from_secs(extra);
            let entries = [single(minute("k", 9, Charge::Take(1)))];
            answers(&mut redis, &cut(&script_at(at)), &entries, &estimated(at), extra);
            let life = redis.number(&["PTTL", &name]);
            assert!(life <= expected && life > expected - 20_000, "{life}: set once, and kept");
        }
    }
}

#[test]
fn the_count_of_the_other_format_is_imported_once_and_only_within_its_window() {
    let mut redis = Redis::start();
    let name = format!("{{k}}f60@{}", MINUTE / SECOND);
    let state = |time: u64, current| packed(&State { time: time as f64, current, previous: 0.0 });
    let (at, length) = (MINUTE + SECOND, 60 * SECOND);
    let take = || [single(minute("k", 9, Charge::Take(1)))];
    for cut in [|text: &String| text.clone(), |text: &String| late(text)] {
        let text = cut(&script_at(at));
        for (stored, before) in [
            (state(MINUTE, 7.0), 7),
            (state(MINUTE - length, 7.0), 0),
            (state(MINUTE + length, 7.0), 0),
            (b"7".to_vec(), 0),
            (state(MINUTE, f64::NAN), 0),
        ] {
            redis.command(&["FLUSHALL"]);
            redis.send(&[b"SET", b"{k}f60", &stored]);
            let look = [single(minute("k", 9, Charge::LOOK))];
            assert_eq!(only(&answers(&mut redis, &text, &look, &since(at), NONE)[0]).after, before, "{stored:?}");
            assert_eq!(get(&mut redis, &name), None, "a look writes nothing");
            for counted in [before + 1, before + 2] {
                assert_eq!(only(&answers(&mut redis, &text, &take(), &since(at), LONG)[0]).after, counted);
                assert_eq!(get(&mut redis, &name), Some(counted.to_string()));
                assert!(redis.number(&["PTTL", &name]) > LONG.as_millis() as i64, "it expires");
            }
        }
        // a process that knows the server since before the window has nothing to import
        redis.command(&["DEL", &name]);
        redis.send(&[b"SET", b"{k}f60", &state(MINUTE, 7.0)]);
        assert_eq!(only(&answers(&mut redis, &text, &take(), &estimated(at), NONE)[0]).after, 1);
    }
}

/// Several hits of one call on a counter that has to be imported.
#[test]
fn an_imported_counter_is_counted_on_by_the_rest_of_the_call() {
    let mut redis = Redis::start();
    let at = MINUTE + SECOND;
    redis.send(&[b"SET", b"{k}f60", &packed(&State { time: MINUTE as f64, current: 3.0, previous: 0.0 })]);
    let take = |n| minute("k", 9, Charge::Take(n));
    let pair = Group::new([take(1), Hit { descriptor: 1, ..take(2) }]);
    let entries = [single(take(1)), Entry::new(pair), single(minute("k", 9, Charge::Give(4)))];
    let answers = answers(&mut redis, &script_at(at), &entries, &since(at), LONG);
    let after = |answer: &Answer| answer.as_ref().expect("verdicts")[0].iter().map(|one| one.after).collect::<Vec<_>>();
    assert_eq!(answers.iter().map(after).collect::<Vec<_>>(), [vec![4], vec![5, 7], vec![3]]);
    let name = format!("{{k}}f60@{}", MINUTE / SECOND);
    assert_eq!(get(&mut redis, &name).as_deref(), Some("3"));
    assert!(redis.number(&["PTTL", &name]) > LONG.as_millis() as i64);
}

/// What INCRBY makes is what the script reads, and the reverse.
#[test]
fn plain_commands_and_the_script_count_on_one_key() {
    let mut redis = Redis::start();
    let name = format!("{{k}}f60@{}", MINUTE / SECOND);
    let large = 9_007_199_254_740_000;
    for text in [script_at(MINUTE), late(&script_at(MINUTE))] {
        redis.command(&["FLUSHALL"]);
        let take = |redis: &mut Redis, n| {
            let entries = [single(minute("k", 9, Charge::Take(n)))];
            only(&answers(redis, &text, &entries, &estimated(MINUTE), NONE)[0]).after
        };
        assert_eq!(redis.number(&["INCRBY", &name, "4"]), 4);
        assert_eq!(take(&mut redis, 3), 7);
        assert_eq!(redis.number(&["INCRBY", &name, "2"]), 9);
        assert_eq!(take(&mut redis, large), large + 9, "no digit is lost");
        assert_eq!(redis.number(&["INCRBY", &name, "1"]), large as i64 + 10);
    }
}

#[test]
fn a_value_that_is_no_number_is_refused() {
    let mut redis = Redis::start();
    let name = format!("{{k}}f60@{}", MINUTE / SECOND);
    for text in [script_at(MINUTE), late(&script_at(MINUTE))] {
        for (set, expected) in [(&["SET", &name, "x"][..], "WRONGVALUE"), (&["LPUSH", &name, "1"], "WRONGTYPE")] {
            redis.command(&["FLUSHALL"]);
            redis.command(set);
            for hit in [minute("k", 9, Charge::Take(1)), minute("k", 9, Charge::LOOK)] {
                let beside = Hit { descriptor: 1, ..fixed("beside", 1) };
                for entries in [vec![single(hit.clone())], vec![Entry::new(Group::new([hit.clone(), beside]))]] {
                    let answers = answers(&mut redis, &text, &entries, &estimated(MINUTE), NONE);
                    assert_eq!(code(&answers[0]), expected, "{hit:?}");
                }
            }
        }
    }
}
