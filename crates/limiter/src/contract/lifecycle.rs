//! Resetting, closing, and what the trait provides.

use crate::domain::StoreError;

use super::*;

pub(super) async fn reset_forgets<S: RateLimiter>(bench: Bench<S>) {
    let limit = Limit::new(bench.algorithm, L, Window::from(Unit::Year), None, Some(true)).expect("a limit");
    assert_eq!(bench.store.reset(&bench.key("k"), &limit).await, Ok(false), "there was none");
    // at the store's own time: whether a counter is still there is not for an invented one to say
    let taken = bench.store.allow_n(bench.key("k"), limit, L + 1).await.expect("an answer");
    assert!(!taken.allowed);
    assert_eq!(bench.store.reset(&bench.key("k"), &limit).await, Ok(true));
    assert_eq!(bench.store.reset(&bench.key("k"), &limit).await, Ok(false));
    assert!(bench.store.allow_n(bench.key("k"), limit, L).await.expect("an answer").allowed);
}

pub(super) async fn the_provided_methods<S: RateLimiter>(bench: Bench<S>) {
    // a window in which a test cannot meet a boundary twice
    let window = Window::from(Unit::Year);
    let limit = Limit::new(bench.algorithm, L, window, None, Some(false)).expect("a limit");
    let key = || bench.key("k");
    assert_eq!(bench.store.peek(key(), limit).await.expect("an answer").remaining, L);
    assert_eq!(bench.store.allow(key(), limit).await.expect("an answer").granted, 1);
    assert_eq!(bench.store.allow_n(key(), limit, 4).await.expect("an answer").granted, 4);
    assert_eq!(bench.store.allow_n(key(), limit, L).await.expect("an answer").granted, 0);
}

pub(super) async fn try_check_charges_or_does_nothing<S: RateLimiter>(bench: Bench<S>) {
    let mut expected = 0;
    for _ in 0..3 {
        let group = Group::single(bench.gentle("k", 3)).at(Timestamp::from_micros(START));
        if let Some(verdicts) = bench.store.try_check(&group) {
            assert_eq!(verdicts.len(), 1, "one hit, one outcome");
            let verdict = verdicts[0].expect("the store answers");
            assert_eq!((verdict.before, verdict.after, verdict.granted), (expected, expected + 3, 3));
            expected += 3;
        }
        assert_eq!(bench.count("k").await, expected);
    }
}

pub(super) async fn closed_stores_refuse<S: RateLimiter>(bench: Bench<S>) {
    assert!(bench.one(bench.hit("k", 1), START).await.allowed);
    bench.store.close().await;
    bench.store.close().await;
    let group = together([bench.hit("k", 1), bench.hit("l", 1)]);
    let outcomes = bench.store.check(group).await;
    assert_eq!(outcomes.as_slice(), [Err(StoreError::Closed), Err(StoreError::Closed)]);
    let group = Group::single(bench.hit("k", 1)).at(Timestamp::from_micros(START));
    assert!(bench.store.try_check(&group).is_none_or(|outcomes| outcomes.as_slice() == [Err(StoreError::Closed)]));
    assert_eq!(bench.store.reset(&bench.key("k"), &bench.limit(L, false)).await, Err(StoreError::Closed));
    assert!(bench.store.peek(bench.key("k"), bench.limit(L, false)).await.is_err());
}
