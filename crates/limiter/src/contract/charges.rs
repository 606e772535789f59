//! One hit at a time.

use crate::domain::RetryAfter;

use super::*;

pub(super) async fn admits_the_limit_and_no_more<S: RateLimiter>(bench: Bench<S>) {
    for before in 0..L {
        let verdict = bench.one(bench.hit("k", 1), START).await;
        assert!(verdict.allowed, "{verdict:?}");
        assert_eq!((verdict.before, verdict.after, verdict.remaining), (before, before + 1, L - before - 1));
        assert_eq!((verdict.asked, verdict.granted, verdict.retry_after), (1, 1, RetryAfter::Now));
        assert!(verdict.reset_after > Duration::ZERO);
    }
    let over = bench.one(bench.hit("k", 1), START).await;
    assert!(!over.allowed && over.granted == 0 && over.asked == 1 && over.remaining == 0, "{over:?}");
    assert!(matches!(over.retry_after, RetryAfter::After(wait) if wait > Duration::ZERO), "{over:?}");
}

pub(super) async fn nothing_allowed<S: RateLimiter>(bench: Bench<S>) {
    for count_denied in [false, true] {
        let hit = |n| Hit::new(bench.key("k"), bench.limit(0, count_denied), Charge::Take(n));
        let look = bench.one(hit(0), START).await;
        let expected = if count_denied { RetryAfter::Now } else { RetryAfter::Never };
        assert_eq!((look.allowed, look.retry_after), (count_denied, expected), "nothing was counted yet");
        for n in [1, u64::MAX] {
            let denied = bench.one(hit(n), START).await;
            assert!(!denied.allowed && denied.remaining == 0, "{denied:?}");
            assert_eq!(denied.retry_after, RetryAfter::Never);
        }
    }
}

pub(super) async fn a_look_writes_nothing<S: RateLimiter>(bench: Bench<S>) {
    let look = bench.one(bench.hit("k", 0), START).await;
    assert!(look.allowed && look.remaining == L && look.before == 0 && look.after == 0, "{look:?}");
    assert_eq!(bench.store.reset(&bench.key("k"), &bench.limit(L, true)).await, Ok(false), "a look creates no counter");
    bench.one(bench.hit("k", 4), START).await;
    let first = bench.one(bench.hit("k", 0), START).await;
    assert_eq!((first.after, first.remaining, first.asked), (4, L - 4, 0));
    assert_eq!(bench.one(bench.hit("k", 0), START).await, first);
}

pub(super) async fn a_look_says_when_it_is_over<S: RateLimiter>(bench: Bench<S>) {
    assert!(bench.one(bench.harsh("k", L), START).await.allowed);
    assert!(bench.one(bench.harsh("k", 0), START).await.allowed, "full is not over");
    assert!(!bench.one(bench.harsh("k", 1), START).await.allowed);
    let look = bench.one(bench.harsh("k", 0), START).await;
    assert!(!look.allowed && look.after == L + 1, "{look:?}");
}

pub(super) async fn a_look_asks_for_one_where_denials_do_not_count<S: RateLimiter>(bench: Bench<S>) {
    assert!(bench.one(bench.gentle("k", L - 1), START).await.allowed);
    assert!(bench.one(bench.gentle("k", 0), START).await.allowed);
    assert!(bench.one(bench.gentle("k", 1), START).await.allowed);
    let (look, hit) = (bench.one(bench.gentle("k", 0), START).await, bench.one(bench.gentle("k", 1), START).await);
    assert_eq!(look, Verdict { asked: 0, ..hit });
    assert!(!look.allowed && look.after == L, "{look:?}");
}

/// A look before each request, and what the request cost after it.
pub(super) async fn late_costs<S: RateLimiter>(bench: Bench<S>) {
    for (count_denied, cost, passes) in [(true, 1, L + 1), (false, 1, L), (true, 4, 3), (false, 4, 20), (true, 25, 1)] {
        let name = format!("{count_denied} {cost}");
        let hit = |n| Hit::new(bench.key(&name), bench.limit(L, count_denied), Charge::Take(n));
        let mut passed = 0;
        for _ in 0..20 {
            passed += u64::from(bench.one(hit(0), START).await.allowed);
            bench.one(hit(cost), START).await;
        }
        // of 4 two fit, and where the third leaves no trace two of the ten stay free for ever
        assert_eq!(passed, passes, "{name}");
    }
}

pub(super) async fn more_than_the_limit<S: RateLimiter>(bench: Bench<S>) {
    let never = bench.one(bench.gentle("k", L + 1), START).await;
    assert!(!never.allowed && never.retry_after == RetryAfter::Never && never.remaining == L, "{never:?}");
    assert!(bench.one(bench.gentle("k", L), START).await.allowed);
}

pub(super) async fn refunds<S: RateLimiter>(bench: Bench<S>) {
    let give = |n| Hit { charge: Charge::Give(n), ..bench.hit("k", 0) };
    let early = bench.one(give(3), START).await;
    assert!(early.allowed && early.remaining == L, "{early:?}");
    bench.one(bench.hit("k", 6), START).await;
    let some = bench.one(give(4), START).await;
    assert_eq!((some.allowed, some.before, some.after, some.asked, some.granted), (true, 6, 2, 4, 4));
    assert_eq!(bench.one(give(u64::MAX), START).await.remaining, L, "never past the empty counter");
    assert!(bench.one(bench.gentle("k", L), START).await.allowed);
    assert!(!bench.one(bench.gentle("k", 1), START).await.allowed);
    assert!(bench.one(give(1), START).await.allowed, "a refund passes when the counter is full, too");
}

pub(super) async fn denied_hits_uncounted<S: RateLimiter>(bench: Bench<S>) {
    bench.one(bench.gentle("k", 8), START).await;
    let denied = bench.one(bench.gentle("k", 3), START).await;
    assert_eq!((denied.allowed, denied.before, denied.after, denied.remaining), (false, 8, 8, 2));
    assert!(bench.one(bench.gentle("k", 2), START).await.allowed);
}

pub(super) async fn denied_hits_counted<S: RateLimiter>(bench: Bench<S>) {
    bench.one(bench.harsh("k", 8), START).await;
    let denied = bench.one(bench.harsh("k", 17), START).await;
    assert_eq!((denied.allowed, denied.before, denied.after, denied.remaining), (false, 8, 25, 0));
    assert!(!bench.one(bench.harsh("k", 0), START).await.allowed, "a bucket is in debt, a window over its limit");
    if bench.algorithm == Algorithm::TokenBucket {
        // 15 tokens of debt at 10 a minute
        assert!(!bench.one(bench.harsh("k", 0), START + WINDOW * 3 / 2 - 1).await.allowed);
        assert!(bench.one(bench.harsh("k", 0), START + WINDOW * 3 / 2).await.allowed);
    }
}

pub(super) async fn huge_numbers<S: RateLimiter>(bench: Bench<S>) {
    for n in [u64::MAX, u64::MAX - 1, 1 << 53] {
        let denied = bench.one(bench.harsh("k", n), START).await;
        assert!(!denied.allowed && denied.asked == (1 << 53) - 1 && denied.granted == 0, "{denied:?}");
    }
    let limit = bench.limit(u64::MAX, true);
    let all = bench.one(Hit::new(bench.key("wide"), limit, Charge::Take(u64::MAX)), START).await;
    assert!(all.allowed && all.remaining == 0, "{all:?}");
}

pub(super) async fn retry_after_is_the_first_chance<S: RateLimiter>(bench: Bench<S>) {
    // some of it in the window before, so that a sliding window has something that fades
    bench.one(bench.gentle("k", 7), START - WINDOW / 2).await;
    let mut now = START + WINDOW / 7;
    for n in [3, 2, 5, 1, 9, 10, 4, 10] {
        let denied = bench.one(bench.gentle("k", n), now).await;
        let RetryAfter::After(wait) = denied.retry_after else { continue };
        let then = now + micros(wait);
        assert!(!bench.one(bench.gentle("k", n), then - 1).await.allowed, "{n} one µs too early");
        assert!(bench.one(bench.gentle("k", n), then).await.allowed, "{n} after {wait:?}");
        now = then;
    }
    assert!(now > START + WINDOW, "something was denied");
}

pub(super) async fn reset_after_empties<S: RateLimiter>(bench: Bench<S>) {
    let taken = bench.one(bench.gentle("k", 7), START + WINDOW / 3).await;
    let then = START + WINDOW / 3 + micros(taken.reset_after);
    assert_ne!(bench.one(bench.gentle("k", 0), START + WINDOW / 3 + 1).await.remaining, L);
    let look = bench.one(bench.gentle("k", 0), then).await;
    assert_eq!((look.after, look.remaining), (0, L));
}

pub(super) async fn counters_are_apart<S: RateLimiter>(bench: Bench<S>) {
    for name in ["", "a", "b", "ab", "a\0", "\u{fc}"] {
        assert_eq!(bench.one(bench.hit(name, 3), START).await.before, 0, "{name:?}");
    }
    for name in ["", "a", "b", "ab", "a\0", "\u{fc}"] {
        assert_eq!(bench.count(name).await, 3, "{name:?}");
    }
    // bytes that are not UTF-8, the text that is often put in their place, and their escaped form
    for end in [&b"\xff"[..], b"\xfe", b"\xff\xfe", "\u{fffd}".as_bytes(), br"\xff"] {
        let key = CounterKey::from_bytes(&[bench.key("raw").as_bytes(), end].concat());
        let hit = Hit::new(key, bench.limit(L, false), Charge::Take(3));
        assert_eq!(bench.one(hit.clone(), START).await.before, 0, "{end:?}");
        assert_eq!(bench.one(hit, START).await.before, 3, "{end:?}");
    }
}

pub(super) async fn a_limit_that_is_raised_keeps_the_count<S: RateLimiter>(bench: Bench<S>) {
    bench.one(bench.gentle("k", 6), START).await;
    let higher = Hit::new(bench.key("k"), bench.limit(20, false), Charge::Take(0));
    let look = bench.one(higher, START).await;
    // a bucket keeps its level: what was not there before must flow in first
    let expected = if bench.algorithm == Algorithm::TokenBucket { (16, 4) } else { (6, 14) };
    assert_eq!((look.after, look.remaining), expected);
}

pub(super) async fn a_clock_that_is_a_little_behind<S: RateLimiter>(bench: Bench<S>) {
    bench.one(bench.gentle("k", 9), START).await;
    let earlier = bench.one(bench.gentle("k", 2), START - WINDOW / 2).await;
    assert!(!earlier.allowed && earlier.before == 9, "{earlier:?}");
    assert!(bench.one(bench.gentle("k", 1), START - WINDOW / 2).await.allowed);
}

pub(super) async fn a_burst_is_its_own_bound<S: RateLimiter>(bench: Bench<S>) {
    let window = bench.limit(L, false).window();
    let limit = Limit::new(Algorithm::TokenBucket, 60, window, Some(5), None).expect("a limit");
    let hit = |n| Hit::new(bench.key("k"), limit, Charge::Take(n));
    assert!(bench.one(hit(5), START).await.allowed);
    assert!(!bench.one(hit(1), START + 999_999).await.allowed, "a token a second");
    assert!(bench.one(hit(1), START + 1_000_000).await.allowed);
    assert!(!bench.one(hit(6), START + 100 * WINDOW).await.allowed, "never more than the burst");
}
