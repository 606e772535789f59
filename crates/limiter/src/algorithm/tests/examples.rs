//! Numbers worked out by hand from the formulas in `docs/algorithms.md`.

use super::*;
use crate::domain::Algorithm::{FixedWindow, SlidingWindow, TokenBucket};

#[test]
fn a_fixed_window_counts_to_its_end() {
    let mut counter = Counter::new(limit(FixedWindow, 10, 60));
    let first = counter.take(90 * SECOND, 7);
    assert_eq!((first.allowed, first.before, first.after, first.remaining), (true, 0, 7, 3));
    assert_eq!(first.reset_after, Duration::from_secs(30));
    assert_eq!((first.retry_after, first.granted), (RetryAfter::Now, 7));
    let over = counter.take(91 * SECOND, 4);
    assert_eq!((over.allowed, over.before, over.after, over.remaining, over.granted), (false, 7, 11, 0, 0));
    assert_eq!(over.retry_after, after(29 * SECOND), "denied hits are counted: nothing fits before the window ends");
    assert!(counter.take(120 * SECOND, 10).allowed);
    assert_eq!(counter.state, Some(State { time: 120e6, current: 10.0, previous: 0.0 }));
    assert_eq!(expires_at(&counter.state.expect("written"), &counter.limit), at(180 * SECOND));
}

#[test]
fn a_fixed_window_can_leave_denied_hits_uncounted() {
    let mut counter = Counter::new(limit_with(FixedWindow, 10, 60, None, Some(false)));
    assert!(counter.take(0, 7).allowed);
    let over = counter.take(0, 4);
    assert_eq!((over.allowed, over.before, over.after, over.remaining), (false, 7, 7, 3));
    assert!(counter.take(0, 3).allowed);
}

#[test]
fn a_sliding_window_fades() {
    let mut counter = Counter::new(limit(SlidingWindow, 10, 60));
    assert!(counter.take(59 * SECOND, 8).allowed);
    // a quarter into the next window the estimate is 8 · 45/60 = 6
    let quarter = counter.take(75 * SECOND, 4);
    assert_eq!((quarter.allowed, quarter.before, quarter.after, quarter.remaining), (true, 6, 10, 0));
    // p = 8, c = 4: 3 more fit when 8·(60 − e)/60 ≤ 3, from e = 37.5 s on; 1 more when 8·(60 − e)/60 ≤ 5, from 22.5 s
    // on
    assert_eq!(counter.take(75 * SECOND, 3).retry_after, after(22_500_000));
    assert_eq!(counter.take(75 * SECOND, 1).retry_after, after(7_500_000));
    assert_eq!(counter.take(75 * SECOND, 11).retry_after, RetryAfter::Never);
    // 9 fit only in the window after: 4·(60 − e)/60 ≤ 1 from e = 45 s on; 10 fit when nothing of the 4 is left
    assert_eq!(counter.take(75 * SECOND, 9).retry_after, after((120 + 45 - 75) * SECOND));
    assert_eq!(counter.take(75 * SECOND, 10).retry_after, after((180 - 75) * SECOND));
    assert_eq!(quarter.reset_after, Duration::from_secs(180 - 75));
    assert_eq!(expires_at(&counter.state.expect("written"), &counter.limit), at(180 * SECOND));
}

#[test]
fn a_bucket_refills_evenly() {
    let mut counter = Counter::new(limit_with(TokenBucket, 10, 1, Some(5), None));
    let first = counter.take(0, 5);
    assert_eq!((first.allowed, first.before, first.after, first.remaining), (true, 0, 5, 0));
    assert_eq!(first.reset_after, Duration::from_millis(500));
    let over = counter.take(50_000, 1);
    assert_eq!((over.allowed, over.before, over.after), (false, 4, 4), "half a token came back: 4.5 are taken");
    assert_eq!(over.retry_after, after(50_000));
    assert!(counter.take(100_000, 1).allowed);
    assert_eq!(counter.take(100_000, 6).retry_after, RetryAfter::Never);
    assert!(counter.take(10 * SECOND, 5).allowed, "it never holds more than its burst, and holds all of it");
    assert!(!counter.take(10 * SECOND, 1).allowed);
}

#[test]
fn a_bucket_goes_into_debt_when_denials_count() {
    let mut counter = Counter::new(limit_with(TokenBucket, 10, 1, None, Some(true)));
    let deep = counter.take(0, 25);
    assert_eq!((deep.allowed, deep.before, deep.after, deep.remaining), (false, 0, 25, 0));
    assert_eq!(deep.reset_after, Duration::from_millis(2500));
    let look = counter.take(0, 0);
    assert_eq!((look.allowed, look.retry_after), (false, after(1_500_000)));
    assert!(counter.take(1_500_000, 0).allowed);
    counter.take(1_500_000, u64::MAX);
    assert_eq!(counter.state.map(|state| state.current), Some(-100.0), "ten times the burst, no deeper");
}

#[test]
fn a_limit_of_zero_denies_for_ever() {
    for algorithm in Algorithm::ALL {
        for count_denied in [false, true] {
            let burst = (algorithm == TokenBucket).then_some(9);
            let mut counter = Counter::new(limit_with(algorithm, 0, 60, burst, Some(count_denied)));
            for n in [1, 5, u64::MAX] {
                let denied = counter.take(0, n);
                assert!(!denied.allowed && denied.retry_after == RetryAfter::Never, "{algorithm} {denied:?}");
                assert_eq!(denied.remaining, 0);
            }
        }
    }
}

#[test]
fn looks_write_nothing_and_report_whether_the_counter_is_over() {
    for algorithm in Algorithm::ALL {
        let mut counter = Counter::new(limit_with(algorithm, 3, 60, None, Some(true)));
        counter.take(0, 0);
        assert_eq!(counter.state, None, "{algorithm}");
        counter.take(0, 3);
        assert!(counter.take(0, 0).allowed, "{algorithm}: full is not over");
        counter.take(0, 1);
        let state = counter.state;
        let look = counter.take(SECOND / 1000, 0);
        assert!(!look.allowed && look.before == look.after && look.granted == 0, "{algorithm}: {look:?}");
        assert_eq!(counter.state, state, "{algorithm}");
    }
}

#[test]
fn refunds_stop_at_the_empty_counter() {
    for algorithm in Algorithm::ALL {
        let mut counter = Counter::new(limit(algorithm, 10, 60));
        let early = counter.hit(0, Charge::Give(4));
        assert!(early.allowed && early.remaining == 10 && counter.state.is_none(), "{algorithm}: {early:?}");
        counter.take(0, 6);
        let some = counter.hit(0, Charge::Give(4));
        assert_eq!((some.before, some.after, some.remaining, some.granted), (6, 2, 8, 4), "{algorithm}");
        let more = counter.hit(0, Charge::Give(u64::MAX));
        assert_eq!((more.allowed, more.after, more.remaining), (true, 0, 10), "{algorithm}");
        assert!(counter.take(0, 10).allowed && !counter.take(0, 1).allowed, "{algorithm}");
    }
}

#[test]
fn a_sliding_refund_comes_from_the_present_window_first() {
    let mut counter = Counter::new(limit(SlidingWindow, 100, 60));
    counter.take(0, 40);
    counter.take(60 * SECOND, 10);
    counter.hit(60 * SECOND, Charge::Give(15));
    assert_eq!(counter.state, Some(State { time: 60e6, current: 0.0, previous: 35.0 }));
}

#[test]
fn a_clock_slightly_behind_counts_at_the_stored_time() {
    let mut counter = Counter::new(limit(FixedWindow, 10, 60));
    counter.take(60 * SECOND, 9);
    assert!(!counter.take(59 * SECOND, 2).allowed, "the counter's window has begun elsewhere");
    let mut bucket = Counter::new(limit(TokenBucket, 10, 60));
    bucket.take(60 * SECOND, 9);
    assert!(bucket.take(30 * SECOND, 1).allowed);
    assert_eq!(bucket.state.map(|state| state.time), Some(60e6), "its time does not run backwards");
}

#[test]
fn a_clock_far_behind_moves_the_counts_to_its_own_time() {
    for algorithm in Algorithm::ALL {
        let mut counter = Counter::new(limit(algorithm, 10, 60));
        counter.take(6_000 * SECOND, 9);
        assert_eq!(counter.take(600 * SECOND, 0).before, 9, "{algorithm}: the count stays");
        assert_eq!(counter.take(600 * SECOND, 1).after, 10, "{algorithm}");
        assert_eq!(counter.state.map(|state| state.time), Some(600e6), "{algorithm}: the time is moved");
    }
}

#[test]
fn a_changed_limit_keeps_the_count() {
    for algorithm in Algorithm::ALL {
        let mut counter = Counter::new(limit(algorithm, 100, 60));
        counter.take(0, 50);
        counter.limit = limit(algorithm, 60, 60);
        let raised = counter.take(0, 0);
        assert!(raised.remaining <= 50 && raised.remaining >= 10, "{algorithm}: {raised:?}");
        counter.limit = limit(algorithm, 5, 60);
        assert!(counter.take(0, 0).remaining <= 5, "{algorithm}");
    }
}
