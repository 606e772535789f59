//! Random traces through the Rust functions and through the script, with the same time: equal verdicts, equal states.

use std::{collections::HashMap, num::NonZeroU32, time::Duration};

use limiter::{
    algorithm::{self, Counters, Held, State, expires_at},
    domain::{Algorithm, Charge, CounterKey, Group, Hit, Limit, MAX_COUNT, TimeZone, Timestamp, Unit, Verdict, Window},
};
use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, TestCaseError, TestRunner},
};
use smallvec::SmallVec;

use crate::parity::{
    hits::entries,
    server::{Redis, Reply},
};

const SECOND: u64 = 1_000_000;
/// Keeps every counter of a trace until its end: the time of a trace is injected, but Redis expires keys by its own
/// clock.
const JITTER: Duration = Duration::from_secs(3600);
const LONGEST: u32 = 100 * 365 * 86_400;

/// A trace: calls of the script, each with entries at one instant, and the initial states of some counters.
#[derive(Debug)]
struct Trace {
    seeds: Vec<(usize, State)>,
    calls: Vec<Vec<(Group, u32)>>,
}

/// The counters of a trace by name: the state, and when and under which limit the trace wrote it.
pub(super) type Model = HashMap<Vec<u8>, (State, Option<(Timestamp, Limit)>)>;

fn key(number: usize) -> CounterKey {
    CounterKey::from_bytes(format!("k{number}\0\r\n\u{ff}").as_bytes())
}

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..4u64, 3 => 0..40u64, 1 => any::<u64>(), 1 => MAX_COUNT - 3..=MAX_COUNT, 1 => Just(MAX_COUNT / 2)]
}

fn requests() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0u64), 6 => 1..40u64, 1 => any::<u64>(), 1 => MAX_COUNT - 3..=MAX_COUNT]
}

fn window() -> impl Strategy<Value = Window> {
    prop_oneof![4 => 1..20u32, 1 => 1..=LONGEST, 1 => Just(LONGEST)].prop_map(|seconds| {
        Window::new(Unit::Second, NonZeroU32::new(seconds).expect("not zero")).expect("at most a hundred years")
    })
}

fn calendar() -> impl Strategy<Value = Window> {
    let zones = ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Asia/Kolkata", "Africa/Cairo"];
    let units = [Unit::Day, Unit::Day, Unit::Day, Unit::Week, Unit::Month, Unit::Year];
    let zone = prop_oneof![select(zones.map(str::to_owned).to_vec()), select(TimeZone::names())];
    (select(units.to_vec()), prop_oneof![3 => Just(1u32), 1 => 2..=100u32], zone).prop_map(
        |(unit, multiplier, zone)| {
            let zone = TimeZone::from_name(&zone).expect("a time zone");
            let multiplier = NonZeroU32::new(multiplier).expect("not zero");
            Window::by_calendar(unit, multiplier, zone).expect("at most a hundred years")
        },
    )
}

pub(super) fn limit() -> impl Strategy<Value = Limit> {
    let algorithm = select(&Algorithm::ALL[..]);
    let options = (proptest::option::of(requests()), proptest::option::of(any::<bool>()));
    (algorithm, requests(), window(), options, proptest::option::of(calendar())).prop_map(
        |(algorithm, requests, window, (burst, count_denied), calendar)| {
            let window = calendar.filter(|_| algorithm == Algorithm::FixedWindow).unwrap_or(window);
            let burst = burst.filter(|burst| algorithm == Algorithm::TokenBucket && *burst > 0);
            Limit::new(algorithm, requests, window, burst, count_denied).expect("a limit")
        },
    )
}

pub(super) fn charge() -> impl Strategy<Value = Charge> {
    (amount(), prop::bool::weighted(0.2)).prop_map(|(n, give)| if give { Charge::Give(n) } else { Charge::Take(n) })
}

/// Hits on a few counters, most with the limit that belongs to the counter, some with another one: as after a change of
/// the limit, or with a state that another algorithm wrote.
fn hit(limits: Vec<Limit>) -> impl Strategy<Value = Hit> {
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.25), prop::bool::weighted(0.1));
    (0..limits.len(), 0..limits.len(), charge(), 0..4u32, flags).prop_map(
        move |(counter, other, charge, descriptor, (shadow, quota, changed))| {
            let limit = limits[if changed { other } else { counter }];
            Hit { descriptor, shadow, quota, ..Hit::new(key(counter), limit, charge) }
        },
    )
}

fn group(limits: Vec<Limit>) -> impl Strategy<Value = Group> {
    let size = prop_oneof![3 => Just(1usize), 2 => 2..4usize, 1 => 4..9usize, 1 => Just(0usize)];
    let hits = size.prop_flat_map(move |size| proptest::collection::vec(hit(limits.clone()), size));
    let flags = (prop::bool::weighted(0.4), prop::bool::weighted(0.15), prop::bool::weighted(0.1));
    (hits, flags).prop_map(|(mut hits, (atomic, quota_passed, refused))| {
        hits.sort_by_key(|hit| hit.descriptor);
        Group { atomic, quota_passed, refused, ..Group::new(hits) }
    })
}

/// How the clock moves between two calls: mostly a little, sometimes by a window or more, and also backwards by less
/// and by more than a window.
pub(super) fn tick() -> impl Strategy<Value = i64> {
    let w = SECOND as i64;
    prop_oneof![
        2 => Just(0i64), 4 => 0..w / 2, 3 => 0..30 * w, 1 => -w..0, 1 => -200 * w..0, 1 => (1..400i64).prop_map(move |n| n * w),
        // for calendars: hours and days
        1 => -30 * 3600 * w..0, 1 => (1..60i64).prop_map(move |n| n * 1800 * w), 1 => 0..40 * 86_400 * w,
        1 => -(1i64 << 52)..1i64 << 52,
    ]
}

/// A state that another version or another algorithm may have left, or an arbitrary one.
pub(super) fn state() -> impl Strategy<Value = State> {
    let odd = prop_oneof![
        any::<f64>(),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(0.0),
        Just(-0.0),
        (0..=1u64 << 53).prop_map(|whole| whole as f64),
        -50.0..50.0f64,
    ];
    (odd.clone(), odd.clone(), odd).prop_map(|(time, current, previous)| State { time, current, previous })
}

fn trace() -> impl Strategy<Value = Trace> {
    let start = prop_oneof![6 => 1_600_000_000 * SECOND..1_900_000_000 * SECOND, 1 => 0..10 * SECOND, 1 => Just((1u64 << 53) - 1)];
    (proptest::collection::vec(limit(), 1..6), start).prop_flat_map(|(limits, start)| {
        let counters = limits.len();
        let entry = (group(limits), prop_oneof![3 => Just(1u32), 1 => 1..6u32]);
        let call = (tick(), proptest::collection::vec((entry, prop::bool::weighted(0.05)), 1..6));
        let seeds = proptest::collection::vec((0..counters, state()), 0..3);
        // with times in quarter seconds, estimates and levels often equal the limit, where the last bit matters
        let grid = prop_oneof![Just(1i64), Just(SECOND as i64 / 4)];
        let seeds = prop_oneof![2 => Just(Vec::new()).boxed(), 1 => seeds.boxed()];
        (seeds, proptest::collection::vec(call, 20..60), grid).prop_map(move |(seeds, calls, grid)| {
            let mut clock = start as i64;
            let at = |micros: i64| Timestamp::from_micros(micros.max(0) as u64);
            let calls = calls.into_iter().map(|(tick, entries)| {
                clock = clock.saturating_add(tick).clamp(0, (1 << 53) - 1);
                clock = clock / grid * grid;
                let late = clock + SECOND as i64;
                entries
                    .into_iter()
                    .map(|((group, times), ahead)| (group.at(at(if ahead { late } else { clock })), times))
                    .collect()
            });
            Trace { seeds, calls: calls.collect() }
        })
    })
}

/// Settles a group in the model, as a store would.
pub(super) fn settle(model: &mut Model, group: &Group) -> Vec<Verdict> {
    let now = group.now.expect("an injected time");
    let counters = Counters::of(group);
    let name = |hit: usize| group.hits[hit].key.as_bytes().to_vec();
    let mut held: Vec<Held> =
        counters.first_hits().map(|hit| Held::found(model.get(&name(hit)).map(|(state, _)| *state))).collect();
    let verdicts = algorithm::settle(group, now, &counters, &mut held);
    for (first, held) in counters.first_hits().zip(&held) {
        if let (Some(state), Some(hit)) = (held.state, held.written_by) {
            model.insert(name(first), (state, Some((now, group.hits[hit].limit))));
        }
    }
    verdicts.into_vec()
}

pub(super) fn packed(state: &State) -> Vec<u8> {
    [state.time, state.current, state.previous].iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Compares bit for bit, except the sign of zero, which Rust's `max` leaves open and no verdict shows.
pub(super) fn equal(stored: &[u8], state: &State) -> bool {
    let numbers = [state.time, state.current, state.previous];
    let bits = |number: f64| if number == 0.0 { 0 } else { number.to_bits() };
    let (eights, rest) = stored.as_chunks::<8>();
    rest.is_empty()
        && eights.len() == numbers.len()
        && eights.iter().zip(numbers).all(|(stored, number)| bits(f64::from_le_bytes(*stored)) == bits(number))
}

/// The range of a counter's TTL in milliseconds, shortly after it was written.
fn lives(state: &State, limit: &Limit, written: Timestamp) -> (i64, i64) {
    let needed = expires_at(state, limit).as_micros().saturating_sub(written.as_micros()).div_ceil(1000).max(1) as i64;
    let expected = needed + JITTER.as_millis() as i64;
    let rounding = match limit.algorithm() {
        // the last bit of a level as time to refill it: where Rust searches for the full bucket, the script divides
        Algorithm::TokenBucket => {
            let bit = limit.burst() as f64 * f64::EPSILON;
            (bit * limit.window().micros() / limit.requests() as f64 / 1000.0).ceil() as i64 + 2
        }
        _ => 0,
    };
    let passed_since = 60_000;
    (expected - rounding - passed_since, expected + rounding)
}

#[derive(Default)]
struct Tally {
    traces: u64,
    calls: u64,
    steps: u64,
    denied: u64,
    written: u64,
    states: u64,
}

fn run(redis: &mut Redis, trace: &Trace, tally: &mut Tally) -> Result<(), TestCaseError> {
    redis.command(&["FLUSHALL"]);
    let mut model = Model::new();
    for (number, state) in &trace.seeds {
        redis.send(&[b"SET", key(*number).as_bytes(), &packed(state)]);
        model.insert(key(*number).as_bytes().to_vec(), (*state, None));
    }
    for call in &trace.calls {
        let entries = entries(call);
        let answers = redis.check(&entries, JITTER);
        prop_assert_eq!(answers.len(), call.len());
        for ((group, times), answer) in call.iter().zip(answers) {
            let from_script: Vec<Vec<Verdict>> = answer
                .map_err(|error| TestCaseError::fail(error.to_string()))?
                .into_iter()
                .map(SmallVec::into_vec)
                .collect();
            let expected: Vec<Vec<Verdict>> = (0..*times).map(|_| settle(&mut model, group)).collect();
            prop_assert_eq!(&from_script, &expected, "{:?} × {}", group, times);
            tally.steps += u64::from(*times) * group.hits.len() as u64;
            tally.denied += from_script.iter().flatten().filter(|verdict| !verdict.allowed).count() as u64;
            tally.written +=
                from_script.iter().flatten().filter(|verdict| verdict.before != verdict.after).count() as u64;
        }
        tally.calls += 1;
    }
    for (name, (state, written)) in &model {
        let Reply::Bytes(stored) = redis.send(&[b"GET", name]) else { panic!("{state:?} is not stored") };
        prop_assert!(equal(&stored, state), "{:?} is stored as {:?}", state, stored);
        tally.states += 1;
        if let Some((at, limit)) = written {
            let Reply::Number(life) = redis.send(&[b"PTTL", name]) else { panic!("no life") };
            let (shortest, longest) = lives(state, limit, *at);
            prop_assert!(
                shortest <= life && life <= longest,
                "{:?} under {} lives {} ms, not {} to {}",
                state,
                limit,
                life,
                shortest,
                longest
            );
        }
    }
    let keys = redis.number(&["DBSIZE"]);
    prop_assert_eq!(keys, model.len() as i64, "looks and uncharged hits store nothing");
    tally.traces += 1;
    Ok(())
}

/// Runs random traces, and prints how many.
#[test]
fn random_traces_give_equal_verdicts_and_states() {
    let mut redis = Redis::start();
    let mut tally = Tally::default();
    let cases = Config::default().cases.max(1000);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let tally_cell = std::cell::RefCell::new((&mut redis, &mut tally));
    let outcome = TestRunner::new(config).run(&trace(), |trace| {
        let (redis, tally) = &mut *tally_cell.borrow_mut();
        run(redis, &trace, tally)
    });
    let version = redis.version();
    let Tally { traces, calls, steps, denied, written, states } = tally;
    println!(
        "parity, {version}: {traces} traces, {calls} calls, {steps} hits ({denied} denied, {written} that changed a \
         count), {states} states compared, {} mismatches",
        u8::from(outcome.is_err())
    );
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(steps > 10_000 && denied > steps / 20 && written > steps / 20, "the traces cover too little");
}
