//! Properties that hold for every input, or for every trace.

use proptest::prelude::*;

use super::*;
use crate::domain::{MAX_COUNT, TimeZone};

fn any_window() -> impl Strategy<Value = Window> {
    let longest = 100 * 365 * 86_400u32;
    prop_oneof![1..100u32, 1..=longest, Just(longest)].prop_map(|seconds| {
        Window::new(Unit::Second, NonZeroU32::new(seconds).expect("not zero")).expect("at most a hundred years")
    })
}

fn any_amount() -> impl Strategy<Value = u64> {
    prop_oneof![0..20u64, any::<u64>(), MAX_COUNT - 3..MAX_COUNT + 3, Just(u64::MAX)]
}

/// None where no time zones are compiled in.
fn any_calendar() -> BoxedStrategy<Option<Window>> {
    if cfg!(not(feature = "calendar")) {
        return Just(None).boxed();
    }
    let unit = proptest::sample::select(&[Unit::Day, Unit::Week, Unit::Month, Unit::Year][..]);
    let window =
        (unit, 1..=100u32, proptest::sample::select(TimeZone::names())).prop_map(|(unit, multiplier, zone)| {
            let zone = TimeZone::from_name(&zone).expect("a time zone");
            Window::by_calendar(unit, NonZeroU32::new(multiplier).expect("not zero"), zone).expect("a hundred years")
        });
    proptest::option::of(window).boxed()
}

fn any_limit() -> impl Strategy<Value = Limit> {
    let algorithm = proptest::sample::select(&Algorithm::ALL[..]);
    (algorithm, any_amount(), any_window(), proptest::option::of(any_amount()), any::<bool>(), any_calendar()).prop_map(
        |(algorithm, requests, window, burst, count_denied, calendar)| {
            let window = calendar.filter(|_| algorithm == Algorithm::FixedWindow).unwrap_or(window);
            let burst = burst.filter(|burst| algorithm == Algorithm::TokenBucket && *burst > 0);
            Limit::new(algorithm, requests, window, burst, Some(count_denied)).expect("a limit")
        },
    )
}

fn any_charge() -> impl Strategy<Value = Charge> {
    (any_amount(), any::<bool>()).prop_map(|(n, give)| if give { Charge::Give(n) } else { Charge::Take(n) })
}

fn any_time() -> impl Strategy<Value = u64> {
    prop_oneof![0..=1u64 << 53, 0..10 * SECOND, Just(1u64 << 53)]
}

fn any_state() -> impl Strategy<Value = Option<State>> {
    proptest::option::of((any::<f64>(), any::<f64>(), any::<f64>()).prop_map(|(time, current, previous)| State {
        time,
        current,
        previous,
    }))
}

/// A limit whose products stay far below 2^53, so that every number but a bucket's level is exact.
fn small_limit() -> impl Strategy<Value = Limit> {
    let algorithm = proptest::sample::select(&Algorithm::ALL[..]);
    (algorithm, 1..50u64, 1..100u32, 1..80u64, any::<bool>()).prop_map(|(algorithm, l, w, burst, count_denied)| {
        let burst = (algorithm == Algorithm::TokenBucket).then_some(burst);
        limit_with(algorithm, l, w, burst, Some(count_denied))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(4000)))]

    /// Any state, including states that no store writes.
    #[test]
    fn no_input_panics_or_hangs(
        state in any_state(), limit in any_limit(), now in any_time(), charge in any_charge(), allowed: bool
    ) {
        let done = step(state, &limit, at(now), charge);
        prop_assert!(done.verdict.granted <= done.verdict.asked && done.verdict.asked <= MAX_COUNT);
        prop_assert_eq!(done.verdict.allowed, done.verdict.retry_after == RetryAfter::Now);
        let refused = refuse(state, &limit, at(now), charge, allowed);
        prop_assert_eq!((refused.verdict.granted, refused.verdict.allowed), (0, allowed));
        prop_assert!(refused.next.is_none() || !allowed && limit.count_denied());
        if let Some(next) = done.next {
            prop_assert!(expires_at(&next, &limit) <= Timestamp::MAX);
            prop_assert!(next.current.is_finite() && next.previous.is_finite());
        }
    }

    #[test]
    fn extreme_traces_keep_their_counts_in_range(
        limit in any_limit(), hits in proptest::collection::vec((any_time(), any_charge()), 1..20)
    ) {
        let mut counter = Counter::new(limit);
        for (now, charge) in hits {
            let verdict = counter.hit(now, charge);
            prop_assert!(verdict.remaining <= limit.burst(), "{:?}", verdict);
            if let Some(state) = counter.state {
                prop_assert!(state.current.abs() <= 10.0 * MAX_COUNT as f64 && state.time <= (1u64 << 53) as f64);
            }
        }
    }

    /// The same hit passes for the first time after `retry_after`, to the microsecond, if no other hit is charged.
    #[test]
    fn retry_after_is_the_first_instant_that_passes(
        limit in small_limit(), hits in proptest::collection::vec((0..40 * SECOND, 0..60u64), 1..20)
    ) {
        let mut counter = Counter::new(limit);
        let mut now = 1_700_000_000 * SECOND;
        for (wait, n) in hits {
            now += wait;
            let verdict = counter.take(now, n);
            let again = |micros: u64| step(counter.state, &limit, at(micros), Charge::Take(n)).verdict.allowed;
            match verdict.retry_after {
                RetryAfter::Now => prop_assert!(verdict.allowed),
                RetryAfter::Never => prop_assert!(n > limit.burst() && !again(now + 1_000_000 * SECOND)),
                RetryAfter::After(wait) => {
                    let then = now + wait.as_micros() as u64;
                    prop_assert!(again(then), "{:?} at {}", verdict, then);
                    prop_assert!(!again(then - 1), "{:?} before {}", verdict, then);
                }
            }
        }
    }

    /// A counter is equal to one that was never charged at `reset_after` and at `expires_at`, and not before
    /// `reset_after`.
    #[test]
    fn an_expired_counter_equals_a_missing_one(
        limit in small_limit(), hits in proptest::collection::vec((0..40 * SECOND, any_charge()), 1..20), n in 0..60u64
    ) {
        let mut counter = Counter::new(limit);
        let mut now = 1_700_000_000 * SECOND;
        for (wait, charge) in hits {
            now += wait;
            let verdict = counter.hit(now, charge);
            let Some(state) = counter.state else { continue };
            let expiry = expires_at(&state, &limit);
            let expired = expiry.as_micros().max(now);
            prop_assert_eq!(
                step(Some(state), &limit, at(expired), Charge::Take(n)),
                step(None, &limit, at(expired), Charge::Take(n))
            );
            let reset = now + verdict.reset_after.as_micros() as u64;
            prop_assert_eq!(step(Some(state), &limit, at(reset), Charge::LOOK).verdict.after, 0);
            prop_assert!(reset <= expired || verdict.after == 0);
        }
    }

    #[test]
    fn no_window_passes_more_than_its_bound(
        limit in small_limit(), hits in proptest::collection::vec((0..3 * SECOND, 1..30u64), 1..120)
    ) {
        let mut counter = Counter::new(limit);
        let mut now = 1_700_000_000 * SECOND;
        let mut granted: Vec<(u64, u64)> = Vec::new();
        for (wait, n) in hits {
            now += wait;
            granted.push((now, counter.take(now, n).granted));
        }
        let (l, w) = (limit.requests(), limit.window().seconds() * SECOND);
        for (first, (from, _)) in granted.iter().enumerate() {
            for (last, (to, _)) in granted.iter().enumerate().skip(first) {
                let passed: u64 = granted[first..=last].iter().map(|(_, n)| n).sum();
                match limit.algorithm() {
                    Algorithm::FixedWindow if from / w == to / w => prop_assert!(passed <= l),
                    // an interval touches at most two aligned windows, and neither passes more than the limit
                    Algorithm::FixedWindow if to - from < w => prop_assert!(passed <= 2 * l),
                    Algorithm::SlidingWindow if from / w == to / w => prop_assert!(passed <= l),
                    Algorithm::SlidingWindow if to - from < w => prop_assert!(passed <= 2 * l),
                    Algorithm::TokenBucket => {
                        let most = limit.burst() as f64 + (to - from) as f64 * l as f64 / w as f64;
                        prop_assert!(passed as f64 <= most + 1e-6, "{} in {} µs, at most {}", passed, to - from, most);
                    }
                    _ => {}
                }
            }
        }
    }
}

/// The worst case of a sliding window in `docs/algorithms.md`: all of L at the last moment of one window, and then what
/// the fading estimate allows. Its bound is 2·L less what the estimate still holds.
#[test]
fn the_sliding_bound_is_reached_but_not_exceeded() {
    let (l, w) = (1000, 60 * SECOND);
    for (late, expected) in [(0, 0), (w / 4, 250), (w / 2, 500), (w - w / 10, 900)] {
        let mut counter = Counter::new(limit(Algorithm::SlidingWindow, l, 60));
        let boundary = 1000 * w;
        assert!(counter.take(boundary - 1, l).allowed);
        let passed = (0..l).filter(|_| counter.take(boundary + late, 1).allowed).count();
        assert_eq!(passed, expected, "{late} µs after the boundary");
    }
}
