//! The store's own time, for groups that carry none.

use super::*;
use crate::{
    algorithm::{State, step},
    domain::{Clock as _, StoreError},
};

async fn charge<S: RateLimiter>(bench: &Bench<S>, hit: Hit) -> Result<Verdict, StoreError> {
    bench.store.allow_n(hit.key, hit.limit, hit.charge.amount()).await
}

pub(super) async fn times_are_the_store_s<S: RateLimiter>(bench: Bench<S>, clock: &ManualClock) {
    clock.set(Timestamp::from_micros(START));
    let mut state: Option<State> = None;
    for n in [3, 2, 0, 5, 4, 1, 0, 7, 2, 6] {
        let hit = bench.gentle("k", n);
        let expected = step(state, &hit.limit, clock.now(), hit.charge);
        assert_eq!(charge(&bench, hit).await, Ok(expected.verdict), "{n} at {:?}", clock.now());
        state = expected.next.or(state);
        clock.advance(Duration::from_secs(u64::from(W) / 4));
    }
}

pub(super) async fn counters_end<S: RateLimiter>(bench: Bench<S>, clock: &ManualClock) {
    clock.set(Timestamp::from_micros(START));
    let taken = charge(&bench, bench.gentle("k", L)).await.expect("an answer");
    assert!(taken.allowed && !charge(&bench, bench.gentle("k", 1)).await.expect("an answer").allowed);
    clock.advance(taken.reset_after);
    assert_eq!(
        bench.store.reset(&bench.key("k"), &bench.limit(L, true)).await,
        Ok(false),
        "a counter that is as good as new has ended"
    );
    assert_eq!(charge(&bench, bench.gentle("k", 0)).await.expect("an answer").remaining, L);
}
