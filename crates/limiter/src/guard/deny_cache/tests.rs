//! What the cache keeps and answers, over a recording limiter and over the real algorithms.

use std::{collections::HashMap, num::NonZeroUsize, sync::Mutex, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::{
    algorithm::{self, State},
    domain::{Algorithm, Clock as _, Limit, ManualClock, RetryAfter, Source, Timestamp, Unit},
};

/// A limiter with one counter per key that records the groups it was asked for.
#[derive(Debug)]
struct Inner {
    clock: ManualClock,
    states: Mutex<HashMap<CounterKey, State>>,
    asked: Mutex<Vec<Vec<String>>>,
}

impl Inner {
    fn new() -> Self {
        let clock = ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000));
        Self { clock, states: Mutex::default(), asked: Mutex::default() }
    }

    /// The verdict on a hit; charges it unless it is a look.
    fn step(&self, hit: &Hit) -> Verdict {
        let mut states = self.states.lock().expect("no panic");
        let step = algorithm::step(states.get(&hit.key).copied(), &hit.limit, self.clock.now(), hit.charge);
        if let Some(next) = step.next {
            states.insert(hit.key.clone(), next);
        }
        step.verdict
    }

    /// Returns and clears the groups that were asked for, each as the names of its counters.
    fn asked(&self) -> Vec<Vec<String>> {
        std::mem::take(&mut *self.asked.lock().expect("no panic"))
    }
}

impl RateLimiter for Arc<Inner> {
    fn begin(&self, group: Arc<Group>) -> impl Future<Output = Verdicts> + Send + use<> {
        self.asked.lock().expect("no panic").push(group.hits.iter().map(|hit| hit.key.to_string()).collect());
        let verdicts: Verdicts = group.hits.iter().map(|hit| Ok(self.step(hit))).collect();
        std::future::ready(verdicts)
    }

    fn try_check(&self, _: &Group) -> Option<Verdicts> {
        None
    }

    async fn reset(&self, key: &CounterKey, _: &Limit) -> Result<bool, StoreError> {
        Ok(self.states.lock().expect("no panic").remove(key).is_some())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    async fn close(&self) {}
}

/// A cache over such a limiter, with the clocks of both.
struct Bench {
    inner: Arc<Inner>,
    cache: DenyCache<Arc<Inner>>,
}

impl Bench {
    fn new() -> Self {
        Self::of(1 << 20)
    }

    fn of(bytes: usize) -> Self {
        let inner = Arc::new(Inner::new());
        let table = DenyTable::new(NonZeroUsize::new(bytes).expect("not zero"));
        Self { cache: DenyCache::new(Arc::clone(&inner), table), inner }
    }

    /// Checks without blocking first, and then with `begin`; both must agree.
    async fn check(&self, group: Group) -> Vec<Verdict> {
        let asked = || self.inner.asked.lock().expect("no panic").len();
        let (at_once, before) = (self.cache.try_check(&group), asked());
        let verdicts = self.cache.check(group).await;
        assert_eq!(at_once.is_none(), asked() > before);
        assert!(at_once.is_none_or(|known| known == verdicts));
        verdicts.into_iter().map(|verdict| verdict.expect("an answer")).collect()
    }

    async fn one(&self, hit: Hit) -> Verdict {
        self.check(Group::single(hit)).await[0]
    }

    /// Has the store deny the hit once, so that the cache can remember it.
    async fn deny(&self, hit: &Hit) {
        let verdict = self.one(hit.clone()).await;
        assert_eq!((verdict.allowed, verdict.source), (false, Source::Store));
    }

    async fn advance(&self, by: Duration) {
        self.inner.clock.advance(by);
        tokio::time::advance(by).await;
    }
}

fn key(name: &str) -> CounterKey {
    CounterKey::from_bytes(name.as_bytes())
}

fn limit(algorithm: Algorithm, requests: u64, count_denied: bool) -> Limit {
    Limit::new(algorithm, requests, Unit::Minute.into(), None, Some(count_denied)).expect("a limit")
}

/// A charge that no counter allows.
fn over(name: &str) -> Hit {
    Hit::new(key(name), Limit::fixed_window(0, Unit::Minute), Charge::Take(1))
}

fn take(name: &str, limit: Limit, n: u64) -> Hit {
    Hit::new(key(name), limit, Charge::Take(n))
}

fn group(hits: impl IntoIterator<Item = Hit>) -> Group {
    let numbered = hits.into_iter().zip(0..).map(|(hit, descriptor)| Hit { descriptor, ..hit });
    Group::new(numbered)
}

#[tokio::test(start_paused = true)]
async fn a_denial_is_sent_to_the_store_once_a_second() {
    for algorithm in Algorithm::ALL {
        let bench = Bench::new();
        let limit = limit(algorithm, 1, algorithm == Algorithm::FixedWindow);
        let hit = take("a", limit, 1);
        assert!(bench.one(hit.clone()).await.allowed);
        bench.deny(&hit).await;
        bench.inner.asked();
        for millis in [0, 400, 599] {
            bench.advance(Duration::from_millis(millis)).await;
            let real =
                Verdict { source: Source::DenyCache, ..bench.inner.step(&Hit { charge: Charge::LOOK, ..hit.clone() }) };
            let cached = bench.one(hit.clone()).await;
            assert_eq!((cached.allowed, cached.source, cached.granted), (false, Source::DenyCache, 0));
            assert_eq!((cached.remaining, cached.reset_after, cached.after), (0, real.reset_after, cached.before));
        }
        assert!(bench.inner.asked().is_empty(), "{algorithm}");
        bench.advance(Duration::from_millis(1)).await;
        bench.deny(&hit).await;
        assert_eq!(bench.cache.shared.table.hits(), 6, "each check looks twice");
    }
}

#[tokio::test(start_paused = true)]
async fn a_denial_ends_when_the_hit_could_pass() {
    let bench = Bench::new();
    let limit = Limit::new(Algorithm::TokenBucket, 600, Unit::Minute.into(), Some(1), None).expect("a limit");
    let hit = take("a", limit, 1);
    assert!(bench.one(hit.clone()).await.allowed);
    bench.deny(&hit).await;
    bench.advance(Duration::from_micros(99_999)).await;
    let cached = bench.one(hit.clone()).await;
    assert_eq!((cached.source, cached.retry_after), (Source::DenyCache, RetryAfter::After(Duration::from_micros(1))));
    bench.advance(Duration::from_micros(1)).await;
    assert!(bench.one(hit).await.allowed);
}

#[tokio::test(start_paused = true)]
async fn a_denial_answers_only_hits_of_no_less_under_the_same_limit() {
    let bench = Bench::new();
    let bucket = limit(Algorithm::TokenBucket, 10, false);
    bench.one(take("a", bucket, 5)).await;
    bench.deny(&take("a", bucket, 6)).await;
    bench.inner.asked();
    assert_eq!(bench.one(take("a", bucket, 7)).await.source, Source::DenyCache);
    let never = bench.one(take("a", bucket, 11)).await;
    assert_eq!((never.source, never.retry_after), (Source::DenyCache, RetryAfter::Never));
    assert!(bench.inner.asked().is_empty());
    assert!(bench.one(take("a", bucket, 5)).await.allowed);
    let raised = limit(Algorithm::TokenBucket, 20, false);
    bench.deny(&take("b", bucket, 11)).await;
    assert!(bench.one(take("b", raised, 11)).await.allowed);
}

#[tokio::test(start_paused = true)]
async fn hits_that_the_store_has_to_count_go_to_it() {
    let each = |algorithm| take("a", limit(algorithm, 0, true), 1);
    let look = Hit { charge: Charge::LOOK, ..over("a") };
    for hit in [each(Algorithm::SlidingWindow), each(Algorithm::TokenBucket), look] {
        let bench = Bench::new();
        for _ in 0..2 {
            let verdict = bench.one(hit.clone()).await;
            assert_eq!(verdict.source, Source::Store);
        }
        assert_eq!(bench.cache.shared.table.entries(), 0, "{hit:?}");
    }
    let bench = Bench::new();
    bench.deny(&over("a")).await;
    let look = Hit { charge: Charge::LOOK, ..over("a") };
    assert_eq!(bench.one(look).await.source, Source::Store);
}

#[tokio::test(start_paused = true)]
async fn groups_whose_hits_depend_on_each_other_go_whole() {
    let whole: [fn() -> Group; 4] = [
        || group([over("a"), over("b")]).atomic(),
        || group([over("a"), over("b")]).at(Timestamp::from_micros(1_700_000_000_000_000)),
        || Group { refused: true, ..group([over("a"), over("b")]) },
        || Group::new(vec![over("a"), over("b")]),
    ];
    for make in whole {
        let bench = Bench::new();
        bench.check(make()).await;
        assert_eq!(bench.cache.shared.table.entries(), 0, "{:?}", make());
        bench.deny(&over("a")).await;
        bench.inner.asked();
        let sources: Vec<_> = bench.check(make()).await.iter().map(|verdict| verdict.source).collect();
        assert_eq!(sources, [Source::Store; 2]);
        assert_eq!(bench.inner.asked(), [["a", "b"]]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_group_is_sent_in_order() {
    let bench = Bench::new();
    let free = |name| take(name, limit(Algorithm::FixedWindow, 9, true), 1);
    bench.check(group([over("b"), over("d")])).await;
    bench.inner.asked();
    let verdicts = bench.check(group([free("a"), over("b"), free("c"), over("d"), over("e")])).await;
    assert_eq!(bench.inner.asked(), [["a", "c", "e"]]);
    let seen: Vec<_> = verdicts.iter().map(|verdict| (verdict.allowed, verdict.source)).collect();
    let (passes, knows, denies) = ((true, Source::Store), (false, Source::DenyCache), (false, Source::Store));
    assert_eq!(seen, [passes, knows, passes, knows, denies]);
    bench.check(group([over("b"), over("e")])).await;
    assert!(bench.inner.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_refund_or_a_reset_takes_effect_at_once() {
    let bench = Bench::new();
    let bucket = limit(Algorithm::TokenBucket, 1, false);
    let (hit, refund) = (take("a", bucket, 1), Hit::new(key("a"), bucket, Charge::Give(1)));
    bench.one(hit.clone()).await;
    bench.deny(&hit).await;
    bench.one(refund.clone()).await;
    assert!(bench.one(hit.clone()).await.allowed);
    bench.deny(&hit).await;
    assert_eq!(bench.cache.reset(&hit.key, &bucket).await, Ok(true));
    assert!(bench.one(hit.clone()).await.allowed);
    // also a refund in an atomic group, and one in the same request
    bench.deny(&hit).await;
    bench.check(Group::single(refund.clone()).atomic()).await;
    assert!(bench.one(hit.clone()).await.allowed);
    bench.deny(&hit).await;
    let both = bench.check(group([refund, hit.clone()])).await;
    assert!(both[1].allowed);
    assert_eq!(bench.cache.shared.table.entries(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_closed_cache_answers_with_closed() {
    let bench = Bench::new();
    bench.deny(&over("a")).await;
    bench.cache.close().await;
    assert!(bench.cache.try_check(&Group::single(over("a"))).is_none());
    assert_eq!(bench.cache.check(Group::single(over("a"))).await[0], Err(StoreError::Closed));
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_and_the_oldest_denials_are_evicted() {
    let bench = Bench::of(100_000);
    for number in 0..5_000 {
        bench.one(over(&format!("{number}"))).await;
    }
    let table = &bench.cache.shared.table;
    let (entries, bytes) = (table.entries(), table.bytes());
    assert!(bytes <= 100_000 && bytes > 80_000, "{bytes}");
    assert_eq!(table.evictions(), 5_000 - entries);
    assert_eq!(bench.one(over("4999")).await.source, Source::DenyCache);
    assert_eq!(bench.one(over("0")).await.source, Source::Store);
    // a long key is counted with its length; removing an ended denial is not an eviction
    let evictions = table.evictions();
    bench.advance(Duration::from_secs(1)).await;
    for number in 0..1_000 {
        bench.one(over(&format!("{number:0200}"))).await;
    }
    assert!(table.bytes() <= 100_000 && table.entries() < entries);
    assert!(table.evictions() > evictions);
    let none = Bench::of(1);
    none.deny(&over("a")).await;
    none.deny(&over("a")).await;
    assert_eq!((none.cache.shared.table.entries(), none.cache.shared.table.bytes()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn ended_denials_are_removed_when_new_ones_come() {
    let bench = Bench::of(2_000);
    bench.deny(&over("a")).await;
    bench.deny(&over("b")).await;
    bench.advance(Duration::from_secs(1)).await;
    bench.deny(&over("c")).await;
    assert_eq!((bench.cache.shared.table.entries(), bench.cache.shared.table.evictions()), (1, 0));
}

proptest! {
    /// If only one process charges the counters, the cache never denies a hit that the store would allow, and never
    /// reports a later time than the store would.
    #[test]
    fn no_hit_is_denied_that_would_pass(
        steps in proptest::collection::vec((0..3_u8, 0..3_usize, 0..6_u64, 0..700_u64), 1..120),
        count_denied in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let bench = Bench::new();
            for (kind, at, n, millis) in steps {
                bench.advance(Duration::from_millis(millis)).await;
                let algorithm = Algorithm::ALL[at];
                let window = crate::domain::Window::from(Unit::Second);
                let limit = Limit::new(algorithm, 4, window, None, Some(count_denied)).expect("a limit");
                let charge = if kind == 0 && n < 2 { Charge::Give(n) } else { Charge::Take(n) };
                let hit = Hit::new(key(algorithm.name()), limit, charge);
                let state = bench.inner.states.lock().expect("no panic").get(&hit.key).copied();
                let real = algorithm::step(state, &limit, bench.inner.clock.now(), charge).verdict;
                let verdict = bench.one(hit).await;
                assert_eq!(verdict.allowed, real.allowed, "{verdict:?} {real:?}");
                if verdict.source == Source::Store {
                    assert_eq!(verdict, real);
                } else {
                    assert!(verdict.reset_after <= real.reset_after);
                    // `remaining` does not reflect smaller hits that passed since
                    assert!(verdict.asked > 1 || verdict.remaining == real.remaining);
                    match (verdict.retry_after, real.retry_after) {
                        (RetryAfter::After(said), RetryAfter::After(needed)) => assert!(said <= needed),
                        (said, needed) => assert_eq!(said, needed),
                    }
                }
            }
        });
    }
}

/// All numbers differ, so that two families that were swapped would show.
#[tokio::test(start_paused = true)]
async fn each_family_shows_its_own_number() {
    let bench = Bench::of(10_000);
    for number in 0..200 {
        bench.one(over(&format!("{number}"))).await;
    }
    for _ in 0..3 {
        bench.one(over("199")).await;
    }
    bench.advance(Duration::from_secs(1)).await;
    bench.one(over("later")).await;
    let table = &bench.cache.shared.table;
    let numbers = [
        ("ratelimit_localcache_entryCount", table.entries()),
        ("ratelimit_localcache_evacuateCount", table.evictions()),
        ("ratelimit_localcache_expiredCount", table.expired()),
        ("ratelimit_localcache_hitCount", table.hits()),
        ("ratelimit_localcache_lookupCount", table.hits() + table.misses()),
        ("ratelimit_localcache_missCount", table.misses()),
        ("ratelimit_localcache_overwriteCount", table.overwritten()),
        ("tollgate_deny_cache_bytes", table.bytes()),
        ("tollgate_deny_cache_entries", table.entries()),
        ("tollgate_deny_cache_evictions_total", table.evictions()),
        ("tollgate_deny_cache_hits_total", table.hits()),
    ];
    assert_eq!(metrics::series(&**table), numbers.map(|(name, number)| format!("{name} {number}")));
    let distinct: std::collections::BTreeSet<_> =
        [table.hits(), table.misses(), table.entries(), table.bytes(), table.evictions(), table.expired()].into();
    assert_eq!(distinct.len(), 6, "{distinct:?}");
}
