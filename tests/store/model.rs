//! Compares the memory store with an exact model: integers only, one plain map, no expiry, no eviction.
//!
//! The store computes in `f64`, the model in integers. The generators keep to inputs for which both must agree exactly:
//! W·L is far below 2^53, and for token buckets times are multiples of the time for an eighth of a token, so that every
//! level is a multiple of 1/8. For other inputs, `crates/limiter/src/algorithm/tests/properties.rs` tests what holds in
//! general.

use std::{
    collections::HashMap,
    future::Future,
    num::{NonZeroU32, NonZeroUsize},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use limiter::{
    domain::{
        Algorithm, Charge, CounterKey, Group, Hit, Limit, ManualClock, RateLimiter, RetryAfter, Timestamp, Unit,
        Verdict, Window,
    },
    memory::{MemoryConfig, MemoryStore},
};
use proptest::prelude::*;

/// A counter of the model, in integers. `level` is in eighths of a token.
#[derive(Clone, Copy, Debug)]
enum Count {
    Fixed { window: i128, count: i128 },
    Sliding { window: i128, previous: i128, current: i128 },
    Bucket { time: i128, level: i128 },
}

/// What the model and the store must agree on.
#[derive(Debug, PartialEq)]
struct Expected {
    allowed: bool,
    before: i128,
    after: i128,
    remaining: i128,
    granted: i128,
    reset: i128,
    /// `None` means never.
    retry: Option<i128>,
}

impl From<&Verdict> for Expected {
    fn from(verdict: &Verdict) -> Self {
        let retry = match verdict.retry_after {
            RetryAfter::Now => Some(0),
            RetryAfter::After(wait) => Some(wait.as_micros() as i128),
            RetryAfter::Never => None,
        };
        Self {
            allowed: verdict.allowed,
            before: verdict.before.into(),
            after: verdict.after.into(),
            remaining: verdict.remaining.into(),
            granted: verdict.granted.into(),
            reset: verdict.reset_after.as_micros() as i128,
            retry,
        }
    }
}

/// A limit in integers.
#[derive(Clone, Copy)]
struct Limits {
    l: i128,
    b: i128,
    w: i128,
}

impl Count {
    fn read(known: Option<Self>, algorithm: Algorithm, t: i128, Limits { l, b, w }: Limits) -> Self {
        let now = t / w;
        match (algorithm, known) {
            (Algorithm::FixedWindow, Some(Self::Fixed { window, count })) if window == now => {
                Self::Fixed { window, count }
            }
            (Algorithm::FixedWindow, _) => Self::Fixed { window: now, count: 0 },
            (Algorithm::SlidingWindow, Some(Self::Sliding { window, previous, current })) if window == now => {
                Self::Sliding { window, previous, current }
            }
            (Algorithm::SlidingWindow, Some(Self::Sliding { window, current, .. })) if window + 1 == now => {
                Self::Sliding { window: now, previous: current, current: 0 }
            }
            (Algorithm::SlidingWindow, _) => Self::Sliding { window: now, previous: 0, current: 0 },
            (Algorithm::TokenBucket, Some(Self::Bucket { time, level })) => {
                assert_eq!((t - time) * l * 8 % w, 0, "the generator must produce only eighths of a token");
                Self::Bucket { time: t, level: (level + (t - time) * l * 8 / w).min(8 * b) }
            }
            (Algorithm::TokenBucket, _) => Self::Bucket { time: t, level: 8 * b },
        }
    }

    /// The used amount, times `w` for windows and times 8 for buckets.
    fn used(self, t: i128, Limits { b, w, .. }: Limits) -> (i128, i128) {
        match self {
            Self::Fixed { count, .. } => (count * w, w),
            Self::Sliding { previous, current, .. } => (previous * (w - t % w) + current * w, w),
            Self::Bucket { level, .. } => (8 * b - level, 8),
        }
    }

    fn passes(self, n: i128, t: i128, terms: Limits) -> bool {
        let (used, scale) = self.used(t, terms);
        used + n * scale <= terms.b * scale
    }

    fn take(self, n: i128, Limits { b, .. }: Limits) -> Self {
        match self {
            Self::Fixed { window, count } => Self::Fixed { window, count: count + n },
            Self::Sliding { window, previous, current } => Self::Sliding { window, previous, current: current + n },
            Self::Bucket { time, level } => Self::Bucket { time, level: (level - 8 * n).max(-80 * b) },
        }
    }

    fn give(self, n: i128, Limits { b, .. }: Limits) -> Self {
        match self {
            Self::Fixed { window, count } => Self::Fixed { window, count: (count - n).max(0) },
            Self::Sliding { window, previous, current } => {
                let previous = (previous - (n - current).max(0)).max(0);
                Self::Sliding { window, previous, current: (current - n).max(0) }
            }
            Self::Bucket { time, level } => Self::Bucket { time, level: (level + 8 * n).min(8 * b) },
        }
    }

    fn reset(self, t: i128, Limits { l, b, w }: Limits) -> i128 {
        let rest = w - t % w;
        match self {
            Self::Fixed { .. } => rest,
            Self::Sliding { current: 1.., .. } => rest + w,
            Self::Sliding { previous: 1.., .. } => rest,
            Self::Sliding { .. } => 0,
            Self::Bucket { level, .. } => ratio_up((8 * b - level) * w, 8 * l),
        }
    }

    fn retry(self, n: i128, t: i128, terms @ Limits { l, b, w }: Limits) -> Option<i128> {
        if n > b {
            return None;
        }
        let start = t - t % w;
        Some(match self {
            Self::Fixed { .. } => self.reset(t, terms),
            // p·(W − e) ≤ (L − n − c)·W, in this window or the next
            Self::Sliding { previous, current, .. } if current + n <= l => {
                start + ratio_up(previous * w - (l - n - current) * w, previous) - t
            }
            Self::Sliding { current, .. } => start + w + ratio_up(current * w - (l - n) * w, current) - t,
            Self::Bucket { level, .. } => ratio_up((8 * n - level) * w, 8 * l),
        })
    }
}

fn ratio_up(above: i128, below: i128) -> i128 {
    if below == 0 { 0 } else { (above + below - 1).div_euclid(below) }
}

#[derive(Default)]
struct Model(HashMap<CounterKey, Count>);

impl Model {
    /// Charges a hit. `decided` is set if the hit's group was denied: whether the hit itself was within its limit or
    /// over.
    fn hit(&mut self, hit: &Hit, t: i128, decided: Option<bool>) -> Expected {
        let limit = &hit.limit;
        let w = i128::from(limit.window().seconds()) * 1_000_000;
        let terms = Limits { l: limit.requests().into(), b: limit.burst().into(), w };
        let n = i128::from(hit.charge.amount());
        let asked = if n == 0 && !limit.count_denied() { 1 } else { n };
        let before = Count::read(self.0.get(&hit.key).copied(), limit.algorithm(), t, terms);
        let passes = matches!(hit.charge, Charge::Give(_)) || before.passes(asked, t, terms);
        let allowed = decided.unwrap_or(passes);
        let charged = if allowed { decided.is_none() } else { limit.count_denied() };
        let after = match hit.charge {
            Charge::Give(_) if charged => before.give(n, terms),
            Charge::Take(_) if charged => before.take(n, terms),
            _ => before,
        };
        if charged {
            self.0.insert(hit.key.clone(), after);
        }
        let ((used_before, scale), (used, _)) = (before.used(t, terms), after.used(t, terms));
        let retry = if allowed || after.passes(asked, t, terms) { Some(0) } else { after.retry(asked, t, terms) };
        Expected {
            allowed,
            before: used_before / scale,
            after: used / scale,
            remaining: (terms.b * scale - used).max(0) / scale,
            granted: if allowed && charged { n } else { 0 },
            reset: after.reset(t, terms),
            retry,
        }
    }

    fn check(&mut self, group: &Group, t: i128) -> Vec<Expected> {
        let over = |hits: &[Hit], answers: &[Expected]| {
            hits.iter().zip(answers).any(|(hit, answer)| !hit.shadow && !answer.allowed)
        };
        let before = self.0.clone();
        let mut answers: Vec<Expected> = Vec::new();
        for hits in group.hits.chunk_by(|one, other| one.descriptor == other.descriptor) {
            let before = self.0.clone();
            let mut one: Vec<Expected> = hits.iter().map(|hit| self.hit(hit, t, None)).collect();
            if hits.len() > 1 && over(hits, &one) {
                self.0 = before;
                one = self.refuse(hits, &one, t);
            }
            answers.extend(one);
        }
        if group.atomic && over(&group.hits, &answers) {
            self.0 = before;
            answers = self.refuse(&group.hits, &answers, t);
        }
        answers
    }

    /// Settles hits that were denied together, after their charges were undone.
    fn refuse(&mut self, hits: &[Hit], answers: &[Expected], t: i128) -> Vec<Expected> {
        let decided = |hit: &Hit, answer: &Expected| (!hit.shadow).then_some(answer.allowed);
        hits.iter().zip(answers).map(|(hit, answer)| self.hit(hit, t, decided(hit, answer))).collect()
    }
}

/// A hit of an operation.
#[derive(Clone, Debug)]
struct Asked {
    counter: usize,
    charge: Charge,
    shadow: bool,
    /// Whether it belongs to the same descriptor as the hit before.
    joins: bool,
}

/// One operation; times are in units that the trace multiplies.
#[derive(Clone, Debug)]
enum Op {
    Wait(u64),
    Check { hits: Vec<Asked>, atomic: bool },
    Reset(usize),
    Sweep(usize),
}

fn any_op() -> impl Strategy<Value = Op> {
    let charge = prop_oneof![
        6 => (1..5u64).prop_map(Charge::Take),
        1 => (0..60u64).prop_map(Charge::Take),
        1 => Just(Charge::LOOK),
        1 => (0..20u64).prop_map(Charge::Give),
    ];
    let (shadow, joins) = (proptest::bool::weighted(0.2), proptest::bool::weighted(0.3));
    let hit = (0..3usize, charge, shadow, joins).prop_map(|(counter, charge, shadow, joins)| Asked {
        counter,
        charge,
        shadow,
        joins,
    });
    let hits = proptest::collection::vec(hit, 1..4);
    prop_oneof![
        4 => prop_oneof![0..20u64, 0..400u64].prop_map(Op::Wait),
        10 => (hits, any::<bool>()).prop_map(|(hits, atomic)| Op::Check { hits, atomic }),
        1 => (0..3usize).prop_map(Op::Reset),
        1 => (0..2000usize).prop_map(Op::Sweep),
    ]
}

/// Three limits for three counters of one algorithm; an eighth of a token lasts a multiple of 12.5 ms in each.
fn any_limits() -> impl Strategy<Value = Vec<Limit>> {
    let algorithm = proptest::sample::select(&Algorithm::ALL[..]);
    // (requests, seconds): an eighth of a token lasts 12.5, 25, 62.5, 125, 250 and 1000 ms
    let rates =
        proptest::sample::select(&[(10u64, 1u32), (5, 1), (20, 10), (30, 30), (30, 60), (15, 120), (0, 60)][..]);
    (algorithm, proptest::collection::vec((rates, 1..40u64, any::<bool>()), 3)).prop_map(|(algorithm, choices)| {
        let limit = |((requests, seconds), burst, count_denied)| {
            let window = Window::new(Unit::Second, NonZeroU32::new(seconds).expect("not zero")).expect("short");
            let burst = (algorithm == Algorithm::TokenBucket).then_some(burst);
            Limit::new(algorithm, requests, window, burst, Some(count_denied)).expect("a limit")
        };
        choices.into_iter().map(limit).collect()
    })
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the memory store never waits"),
    }
}

/// A time unit that is a multiple of every eighth of a token: 1 s for buckets. For windows any number of microseconds
/// works, so it is an odd one.
fn unit_of(limits: &[Limit]) -> u64 {
    if limits[0].algorithm() == Algorithm::TokenBucket { 1_000_000 } else { 100_003 }
}

fn key(number: usize) -> CounterKey {
    CounterKey::from_bytes(&[number as u8])
}

fn run_trace(limits: &[Limit], ops: &[Op]) -> Result<u64, TestCaseError> {
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000)));
    let config = MemoryConfig { max_counters: NonZeroUsize::new(1000).expect("not zero") };
    let store = MemoryStore::new(config, Arc::clone(&clock) as _);
    let mut model = Model::default();
    let mut hits_run = 0;
    for op in ops {
        let t = i128::from(limiter::domain::Clock::now(&*clock).as_micros());
        match op {
            Op::Wait(units) => clock.advance(Duration::from_micros(units * unit_of(limits))),
            Op::Check { hits, atomic } => {
                let mut descriptor = 0;
                let hits = hits.iter().map(|&Asked { counter, charge, shadow, joins }| {
                    descriptor += u32::from(!joins);
                    Hit { descriptor, shadow, ..Hit::new(key(counter), limits[counter], charge) }
                });
                let group = Group { atomic: *atomic, ..Group::new(hits) };
                hits_run += group.hits.len() as u64;
                let expected = model.check(&group, t);
                let verdicts = ready(store.check(group));
                let answers: Vec<Expected> = verdicts.iter().map(|one| one.as_ref().expect("open").into()).collect();
                prop_assert_eq!(answers, expected, "{:?} at {}", op, t);
            }
            Op::Reset(number) => {
                let there = ready(store.reset(&key(*number), &limits[*number])).expect("open");
                let known = model.0.remove(&key(*number)).is_some();
                prop_assert!(known || !there, "the model never forgets, so the store knows no more than it");
            }
            Op::Sweep(budget) => {
                store.sweep(*budget);
            }
        }
    }
    Ok(hits_run)
}

#[test]
#[allow(clippy::print_stdout)]
fn the_memory_store_agrees_with_the_model() {
    // more of them with PROPTEST_CASES
    let cases = ProptestConfig::default().cases.max(3000);
    let (steps, hits) = (AtomicU64::new(0), AtomicU64::new(0));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let traces = (any_limits(), proptest::collection::vec(any_op(), 1..80));
    proptest::test_runner::TestRunner::new(config)
        .run(&traces, |(limits, ops)| {
            steps.fetch_add(ops.len() as u64, Ordering::Relaxed);
            hits.fetch_add(run_trace(&limits, &ops)?, Ordering::Relaxed);
            Ok(())
        })
        .expect("the store agrees with the model");
    println!("model: {cases} traces, {} operations, {} hits compared", steps.into_inner(), hits.into_inner());
}
