use std::{
    collections::HashSet,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::*;
use crate::domain::{Algorithm, Charge, Limit, ManualClock, Unit};

/// Polls once: the store's futures never wait.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the memory store never waits"),
    }
}

fn store(max_counters: usize) -> (MemoryStore, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000)));
    let max_counters = NonZeroUsize::new(max_counters).expect("not zero");
    (MemoryStore::new(MemoryConfig { max_counters }, Arc::clone(&clock) as Arc<dyn Clock>), clock)
}

fn key(name: &str) -> CounterKey {
    CounterKey::from_bytes(name.as_bytes())
}

fn limit(algorithm: Algorithm, requests: u64, unit: Unit) -> Limit {
    Limit::new(algorithm, requests, unit.into(), None, None).expect("a limit")
}

fn take(store: &MemoryStore, name: &str, limit: Limit, n: u64) -> Verdict {
    ready(store.allow_n(key(name), limit, n)).expect("open")
}

/// Like `examples/flood.rs`, but smaller: ten times as many new keys as the store can hold.
#[test]
fn a_flood_of_new_keys_evicts_no_denied_and_no_nearly_spent_counter() {
    const BOUND: usize = 20_000;
    for algorithm in Algorithm::ALL {
        let (store, _clock) = store(BOUND);
        let day = limit(algorithm, 100, Unit::Day);
        for number in 0..500 {
            take(&store, &format!("spent {number}"), day, 90);
            take(&store, &format!("denied {number}"), day, 100);
            assert!(!take(&store, &format!("denied {number}"), day, 1).allowed);
        }
        for number in 0..10 * BOUND {
            assert!(take(&store, &format!("fresh {number}"), day, 1 + number as u64 % 80).allowed);
            assert!(number % 1000 > 0 || store.len() <= BOUND);
        }
        for number in 0..500 {
            assert!(take(&store, &format!("spent {number}"), day, 0).before >= 90, "{algorithm} lost {number}");
            assert!(!take(&store, &format!("denied {number}"), day, 1).allowed, "{algorithm} forgot {number}");
        }
        let stats = store.stats();
        assert!(stats.live as usize <= BOUND && stats.live as usize > BOUND * 9 / 10, "{stats:?}");
        assert_eq!(stats.live + stats.evicted, 1000 + 10 * BOUND as u64, "{stats:?}");
    }
}

/// Each of these counters has nothing left after one request; the denied ones among them are still evicted last.
#[test]
fn a_flood_of_spent_keys_evicts_no_denied_counter() {
    for algorithm in Algorithm::ALL {
        let (store, _clock) = store(1000);
        let one = limit(algorithm, 1, Unit::Day);
        take(&store, "denied", one, 1);
        assert!(!take(&store, "denied", one, 1).allowed);
        for number in 0..10_000 {
            take(&store, &format!("fresh {number}"), one, 1);
        }
        assert!(!take(&store, "denied", one, 1).allowed, "{algorithm}");
    }
}

/// A rule that denies every hit needs no counter to do so.
#[test]
fn counters_of_a_zero_limit_are_evicted_first() {
    let (store, _clock) = store(1000);
    let day = limit(Algorithm::FixedWindow, 100, Unit::Day);
    take(&store, "used", day, 50);
    for number in 0..10_000 {
        take(&store, &format!("blocked {number}"), limit(Algorithm::FixedWindow, 0, Unit::Day), 1);
    }
    assert_eq!(take(&store, "used", day, 0).before, 50);
}

#[test]
fn the_oldest_of_a_class_is_evicted_first() {
    let (store, _clock) = store(3);
    let day = limit(Algorithm::FixedWindow, 100, Unit::Day);
    for name in ["a", "b", "c", "a", "d"] {
        take(&store, name, day, 1);
    }
    let kept = |name| take(&store, name, day, 0).before;
    assert_eq!((kept("a"), kept("b"), kept("c"), kept("d")), (2, 0, 1, 1));
    assert_eq!(store.stats(), MemoryStats { live: 3, evicted: 1, expired: 0 });
}

#[test]
fn no_shard_is_full_long_before_the_store_is() {
    const BOUND: usize = 200_000;
    let (store, _clock) = store(BOUND);
    assert!(store.shards.len() > 20);
    for number in 0..BOUND * 95 / 100 {
        take(&store, &format!("key {number}"), limit(Algorithm::FixedWindow, 10, Unit::Day), 1);
    }
    assert_eq!(store.stats().evicted, 0);
}

#[test]
fn a_sweep_drops_expired_counters() {
    for algorithm in Algorithm::ALL {
        let (store, clock) = store(100_000);
        for number in 0..10_000 {
            take(&store, &format!("{number}"), limit(algorithm, 10, Unit::Second), 1);
            take(&store, &format!("day {number}"), limit(algorithm, 10, Unit::Day), 1);
        }
        assert_eq!(store.sweep(100_000), 0, "nothing has expired yet");
        clock.advance(Duration::from_secs(2));
        let mut dropped = 0;
        while dropped < 10_000 {
            dropped += store.sweep(5_000);
        }
        assert_eq!(store.stats(), MemoryStats { live: 10_000, evicted: 0, expired: 10_000 }, "{algorithm}");
        clock.advance(Duration::from_secs(2 * 86_400));
        store.sweep(1_000_000);
        assert!(store.is_empty(), "{algorithm}");
        assert_eq!(store.sweep(1_000_000), 0, "an empty store ends the sweep");
    }
}

#[test]
fn a_sweep_of_a_few_counters_looks_at_each_shard_once() {
    let (store, _clock) = store(200_000);
    take(&store, "alone", limit(Algorithm::FixedWindow, 10, Unit::Day), 1);
    store.sweep(8192);
    assert_eq!(store.next_sweep.load(Ordering::Relaxed), store.shards.len());
}

/// Keys that expire soon need no background task: each new one pays for the removal of an older one.
#[test]
fn new_counters_displace_expired_ones() {
    let (store, clock) = store(100_000);
    for number in 0..50_000 {
        take(&store, &format!("{number}"), limit(Algorithm::FixedWindow, 10, Unit::Second), 1);
        clock.advance(Duration::from_millis(1));
    }
    let stats = store.stats();
    assert!(stats.live < 10_000, "at most 1000 are alive at any time: {stats:?}");
    assert_eq!((stats.evicted, stats.live + stats.expired), (0, 50_000));
}

#[test]
fn one_slot_serves_a_group_of_two() {
    let (store, _clock) = store(1);
    let hit = |name: &str| Hit::new(key(name), limit(Algorithm::FixedWindow, 10, Unit::Day), Charge::Take(1));
    for _ in 0..3 {
        let group = Group::new([hit("a"), hit("b")]);
        assert_eq!(ready(store.check(group)).len(), 2);
        assert_eq!(store.len(), 1);
    }
}

/// Groups over many shards from many threads, during evictions, resets and sweeps: the bound holds, and the lists and
/// the index agree at the end.
#[test]
fn concurrent_use_leaves_a_consistent_store() {
    let (store, clock) = store(30_000);
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let (store, clock) = (&store, &clock);
            scope.spawn(move || {
                for number in 0..6_000u64 {
                    let name = |n: u64| key(&format!("{}", (number * 31 + n * 17 + thread) % 40_000));
                    let hits = (0..5).map(|n| {
                        Hit::new(name(n), limit(Algorithm::ALL[n as usize % 3], 3, Unit::Minute), Charge::Take(n))
                    });
                    let mut group = Group::new(hits);
                    group.atomic = number % 2 == 0;
                    ready(store.check(group));
                    if number % 50 == 0 {
                        clock.advance(Duration::from_secs(1));
                        store.sweep(1000);
                        ready(store.reset(&name(1), &limit(Algorithm::FixedWindow, 3, Unit::Minute))).expect("open");
                    }
                }
            });
        }
    });
    assert!(store.len() <= 30_000);
    for shard in &store.shards {
        shard.lock().expect("no panic").assert_consistent();
    }
}

impl Shard {
    /// Every counter is in the index, and once in the list of its class; every other slot is in the free list.
    fn assert_consistent(&self) {
        let listed: Vec<u32> = self.listed();
        let distinct: HashSet<u32> = listed.iter().copied().collect();
        assert_eq!(listed.len(), distinct.len());
        assert_eq!(listed.len() as u64, self.stats().live);
        assert!(listed.iter().all(|slot| self.is_indexed(*slot)));
    }
}
