//! What a look reports, and what remains of costs that are charged after the work.

use proptest::prelude::*;

use super::*;
use crate::domain::Algorithm::{FixedWindow, SlidingWindow, TokenBucket};

fn counter(algorithm: Algorithm, count_denied: bool) -> Counter {
    Counter::new(limit_with(algorithm, 3, 3600, None, Some(count_denied)))
}

/// Whether each of ten looks passes if a late cost of `n` follows each of them.
fn looks(algorithm: Algorithm, count_denied: bool, n: u64) -> Vec<bool> {
    let mut counter = counter(algorithm, count_denied);
    let look_and_charge = |_| {
        let allowed = counter.take(0, 0).allowed;
        counter.take(0, n);
        allowed
    };
    (0..10).map(look_and_charge).collect()
}

#[test]
fn late_costs_of_one_end_in_a_denial() {
    for algorithm in Algorithm::ALL {
        let passed = |count_denied| looks(algorithm, count_denied, 1).iter().filter(|passed| **passed).count();
        assert_eq!((passed(true), passed(false)), (4, 3), "{algorithm}");
    }
}

#[test]
fn late_costs_above_the_limit_end_in_a_denial_if_denied_hits_count() {
    for algorithm in Algorithm::ALL {
        assert_eq!(looks(algorithm, true, 5).iter().filter(|passed| **passed).count(), 1, "{algorithm}");
        assert_eq!(looks(algorithm, false, 5), [true; 10], "{algorithm}: denied hits are not charged");
    }
}

#[test]
fn a_look_asks_for_one_if_denied_hits_do_not_count() {
    for algorithm in Algorithm::ALL {
        let mut counter = counter(algorithm, false);
        assert!(counter.take(0, 2).allowed && counter.take(0, 0).allowed, "{algorithm}");
        assert!(counter.take(0, 1).allowed, "{algorithm}");
        let (look, hit) = (counter.take(0, 0), counter.take(0, 1));
        assert_eq!(look, Verdict { asked: 0, ..hit }, "{algorithm}");
        assert!(!look.allowed && look.retry_after != RetryAfter::Now, "{algorithm}");
    }
}

#[test]
fn a_fraction_of_a_token_is_none() {
    let mut bucket = Counter::new(limit_with(TokenBucket, 100, 1, Some(1), Some(false)));
    bucket.take(0, 1);
    let look = bucket.take(9_900, 0);
    assert!(!look.allowed, "a level of 0.99: {look:?}");
    assert_eq!(look.retry_after, after(100));
    assert!(bucket.take(10_000, 0).allowed);
    let mut in_debt = Counter::new(limit_with(TokenBucket, 100, 1, Some(1), Some(true)));
    in_debt.take(0, 1);
    assert!(in_debt.take(0, 0).allowed, "if denied hits count, an empty bucket is not over");
}

#[test]
fn under_a_limit_of_zero_a_look_is_over_unless_denied_hits_count() {
    for algorithm in Algorithm::ALL {
        let look = |count_denied| Counter::new(limit_with(algorithm, 0, 60, None, Some(count_denied))).take(0, 0);
        assert!(look(true).allowed, "{algorithm}: nothing was counted yet");
        assert_eq!((look(false).allowed, look(false).retry_after), (false, RetryAfter::Never), "{algorithm}");
    }
}

#[test]
fn a_count_above_the_limit_is_forgotten_at_its_documented_time() {
    let hour = 3600 * SECOND;
    let mut window = counter(FixedWindow, true);
    window.take(0, 1000);
    assert!(!window.take(hour - 1, 0).allowed && window.take(hour, 0).allowed, "at the end of its window");
    let mut window = counter(SlidingWindow, true);
    window.take(0, 1000);
    assert!(!window.take(hour, 0).allowed && window.take(2 * hour, 0).allowed, "at the end of the next");
    let mut bucket = counter(TokenBucket, true);
    bucket.take(0, 1000);
    assert!(!bucket.take(10 * hour - 1, 0).allowed && bucket.take(10 * hour, 0).allowed, "ten bursts, no more");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(2000)))]

    /// If denied hits do not count, a look differs from a hit of 1 only in what it asks for and takes.
    #[test]
    fn a_look_is_a_hit_of_one(
        algorithm in proptest::sample::select(&Algorithm::ALL[..]),
        (requests, seconds, burst) in (0..40u64, 1..100u32, 1..60u64),
        hits in proptest::collection::vec((0..40 * SECOND, 0..60u64), 1..20),
    ) {
        let burst = (algorithm == TokenBucket).then_some(burst);
        let mut counter = Counter::new(limit_with(algorithm, requests, seconds, burst, Some(false)));
        let mut now = 1_700_000_000 * SECOND;
        for (wait, n) in hits {
            now += wait;
            let look = step(counter.state, &counter.limit, at(now), Charge::LOOK);
            let hit = step(counter.state, &counter.limit, at(now), Charge::Take(1)).verdict;
            prop_assert_eq!(look.next, None);
            prop_assert_eq!(
                (look.verdict.allowed, look.verdict.retry_after, look.verdict.before),
                (hit.allowed, hit.retry_after, hit.before)
            );
            prop_assert_eq!(look.verdict.after, look.verdict.before);
            counter.take(now, n);
        }
    }
}
