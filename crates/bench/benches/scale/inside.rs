//! What grows inside one process: rules, counters, descriptors. Each number is the median of several rounds.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use bench::{
    hot_path::{self, Work, ready},
    memory,
};
use limiter::{
    domain::{Charge, Clock, CounterKey, Group, Hit, Limit, MAX_COUNT, ManualClock, RateLimiter as _, Timestamp, Unit},
    memory::{MemoryConfig, MemoryStore},
};
use serde_json::{Value, json};

use crate::Sizes;

const ROUNDS: usize = 7;
const TIMES: u32 = 200_000;

/// The time of one call in nanoseconds: the median of the rounds.
fn nanos(mut work: impl FnMut()) -> f64 {
    let mut rounds: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            (0..TIMES).for_each(|_| work());
            start.elapsed()
        })
        .collect();
    rounds.sort_unstable();
    rounds[ROUNDS / 2].as_secs_f64() * 1e9 / f64::from(TIMES)
}

/// The resident memory of this process, in bytes.
fn resident() -> f64 {
    memory::resident("self").expect("procfs") as f64
}

/// Numbers below `count` in a scattered order that repeats only after a long time.
fn scattered(count: usize) -> impl FnMut() -> usize {
    let mut state = 1u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((u128::from(state) * count as u128) >> 64) as usize
    }
}

pub fn rules(sizes: &Sizes) -> Value {
    let cost = |count: usize| {
        let start = Instant::now();
        let rules = hot_path::rules(count);
        let loaded = start.elapsed();
        let domain = rules.domain("d").expect("the domain");
        let find = |value: &str| {
            let entry = limiter::domain::Entry::new("user", value);
            black_box(domain.find(black_box(&[entry]))).expect("a rule");
        };
        let hot = nanos(|| find("u1"));
        let values: Vec<String> = (0..count - 1).map(|number| format!("u{number}")).collect();
        let mut next = scattered(count - 1);
        let uniform = nanos(|| find(&values[next()]));
        println!("{count} rules: {hot:.0} ns hot, {uniform:.0} ns uniform; loaded in {loaded:.2?}");
        json!({
            "rules": count, "hot_ns": hot, "uniform_ns": uniform, "load_ms": loaded.as_secs_f64() * 1e3,
        })
    };
    sizes.rules.iter().map(|count| cost(*count)).collect()
}

pub fn counters(sizes: &Sizes) -> Value {
    let cost = |count: usize| {
        let max_counters = (2 * count).try_into().expect("not zero");
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000)));
        let store = MemoryStore::new(MemoryConfig { max_counters }, clock);
        let limit = Limit::fixed_window(MAX_COUNT, Unit::Hour);
        let hit = |number: usize| {
            let key = key(number);
            ready(store.check(Group::single(Hit::new(key, limit, Charge::Take(1))))).pop();
        };
        let before = resident();
        (0..count).for_each(hit);
        let weight = (resident() - before) / count as f64;
        let mut next = scattered(count);
        let uniform = nanos(|| hit(next()));
        let hot = nanos(|| hit(1));
        println!("{count} counters: {hot:.0} ns hot, {uniform:.0} ns uniform; {weight:.0} bytes each");
        json!({
            "counters": count, "hot_ns": hot, "uniform_ns": uniform,
            "bytes_each": (count >= 100_000).then_some(weight), "key_bytes": key(0).as_bytes().len(),
        })
    };
    sizes.counters.iter().map(|count| cost(*count)).collect()
}

/// A key as long as those of ten million users in a domain with a short name.
fn key(number: usize) -> CounterKey {
    use std::io::Write as _;

    let mut bytes = [0; 64];
    let mut rest = &mut bytes[..];
    write!(rest, "{{d|user=u{number:08}}}f3600").expect("room");
    let left = rest.len();
    CounterKey::from_bytes(&bytes[..64 - left])
}

pub fn descriptors(sizes: &Sizes) -> Value {
    let cost = |count: usize| {
        let mut work: Work = hot_path::answer(count);
        let nanos = nanos(&mut work);
        println!("{count} descriptors: {nanos:.0} ns");
        json!({"descriptors": count, "ns": nanos, "ns_each": nanos / count as f64})
    };
    sizes.descriptors.iter().map(|count| cost(*count)).collect()
}
