//! Counters in this process, in bounded memory: sharded, with groups that are atomic across shards.
//!
//! A counter takes 64 bytes, its key, and about 11 bytes of index. A shard grows by doubling, which copies at most a
//! quarter of a megabyte, so a store with few counters is small. A full shard evicts, in constant time, the counter
//! with most of its budget left. Counts do not survive a restart.

mod budget;
mod shard;
mod slot;
mod stats;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    future::{Future, ready},
    hash::BuildHasher,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use smallvec::SmallVec;

use self::shard::{Change, Shard};
pub use self::stats::MemoryStats;
use crate::{
    algorithm::{self, Counters, Held, Step},
    domain::{
        Capabilities, Clock, CounterKey, Group, Hit, Limit, RateLimiter, StoreError, Timestamp, Verdict, Verdicts,
    },
};

/// The largest number of counters in a shard. Large enough that, with a million counters hashed into shards, no shard
/// is full before the store is 96 % full; small enough that growing or rehashing one index takes a fraction of a
/// millisecond.
const SHARD_COUNTERS: usize = 7168;

/// The number of slots that [`MemoryStore::sweep`] visits under one lock.
const SWEEP_RUN: usize = 256;

/// The bounds of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryConfig {
    /// The largest number of counters that are kept at any time.
    pub max_counters: NonZeroUsize,
}

/// The embedded store: counters in the memory of this process.
pub struct MemoryStore {
    shards: Box<[Mutex<Shard>]>,
    hasher: foldhash::quality::RandomState,
    clock: Arc<dyn Clock>,
    closed: AtomicBool,
    next_sweep: AtomicUsize,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("shards", &self.shards.len()).field("clock", &self.clock).finish()
    }
}

/// The position of a counter: its shard, by the upper half of its key's hash, and the lower half for the shard's index.
#[derive(Clone, Copy)]
struct Position {
    shard: usize,
    hash: u32,
}

impl MemoryStore {
    /// An empty store that reads the time from `clock`, except for groups with a time of their own.
    #[must_use]
    pub fn new(config: MemoryConfig, clock: Arc<dyn Clock>) -> Self {
        let counters = config.max_counters.get();
        let shards = counters.div_ceil(SHARD_COUNTERS);
        let share = |shard| counters / shards + usize::from(shard < counters % shards);
        Self {
            shards: (0..shards).map(|shard| Mutex::new(Shard::new(share(shard)))).collect(),
            hasher: foldhash::quality::RandomState::default(),
            clock,
            closed: AtomicBool::new(false),
            next_sweep: AtomicUsize::new(0),
        }
    }

    /// The number of counters kept, including expired ones that have not been removed yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stats().live as usize
    }

    /// Whether it holds no counter.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers for metrics. Locks one shard after another, so they are of slightly different instants.
    #[must_use]
    pub fn stats(&self) -> MemoryStats {
        (0..self.shards.len()).fold(MemoryStats::default(), |sum, shard| {
            let one = self.lock(shard).stats();
            MemoryStats {
                live: sum.live + one.live,
                evicted: sum.evicted + one.evicted,
                expired: sum.expired + one.expired,
            }
        })
    }

    /// Visits up to `budget` slots, continuing where the last call ended, and drops expired counters. Returns how many
    /// it dropped. Each new counter also visits two slots, so memory is bounded even without this; calling it empties
    /// an idle store. Stops early after every counter was visited.
    pub fn sweep(&self, budget: usize) -> usize {
        let now = self.clock.now();
        // `whole`: consecutive shards that were visited completely
        let (mut left, mut dropped, mut whole) = (budget, 0, 0);
        while left > 0 && whole < self.shards.len() {
            let shard = self.next_sweep.fetch_add(1, Ordering::Relaxed) % self.shards.len();
            let run = left.min(SWEEP_RUN);
            let (seen, gone) = self.lock(shard).sweep(now, run);
            left -= seen;
            dropped += gone;
            whole = if seen < run { whole + 1 } else { 0 };
        }
        dropped
    }

    fn position(&self, key: &CounterKey) -> Position {
        let hash = self.hasher.hash_one(key.as_bytes());
        // the upper half of the hash, scaled to the number of shards
        let shard = (((hash >> 32) * self.shards.len() as u64) >> 32) as usize;
        Position { shard, hash: hash as u32 }
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, Shard> {
        // no critical section panics; if one did, a wrong link in a list would matter less than failing every request
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Charges a group synchronously, without a runtime, and returns one outcome for each hit, in order; after `close`
    /// each is [`StoreError::Closed`]. Blocks only for the locks of the shards that the group uses.
    pub fn charge(&self, group: &Group) -> Verdicts {
        if self.closed.load(Ordering::Acquire) {
            return group.hits.iter().map(|_| Err(StoreError::Closed)).collect();
        }
        let now = group.now.unwrap_or_else(|| self.clock.now());
        if depends_on_each_other(group) {
            return self.settle(group, now).into_iter().map(Ok).collect();
        }
        let mut verdicts = Verdicts::with_capacity(group.hits.len());
        for hit in &group.hits {
            verdicts.push(Ok(self.settle_one(group, hit, now)));
        }
        verdicts
    }

    fn settle_one(&self, group: &Group, hit: &Hit, now: Timestamp) -> Verdict {
        let Position { shard, hash } = self.position(&hit.key);
        let mut shard = self.lock(shard);
        let slot = shard.find(hash, hit.key.as_bytes());
        let prior = slot.map(|slot| shard.state(slot));
        let Step { next, verdict } = algorithm::settle_one(group, hit, now, prior);
        let change = next.map(|state| Change::new(state, hit, &verdict));
        match (slot, change) {
            (Some(slot), Some(change)) => shard.update(slot, &change),
            (None, Some(change)) => shard.insert(hash, hit.key.as_bytes(), &change, now),
            (Some(slot), None) if budget::was_denied(hit, &verdict) => shard.keep_denied(slot),
            _ => {}
        }
        verdict
    }

    fn settle(&self, group: &Group, now: Timestamp) -> SmallVec<[Verdict; 1]> {
        let counters = Counters::of(group);
        let positions: SmallVec<[Position; 8]> =
            counters.first_hits().map(|hit| self.position(&group.hits[hit].key)).collect();
        let mut order: SmallVec<[usize; 8]> = positions.iter().map(|position| position.shard).collect();
        order.sort_unstable();
        order.dedup();
        // in ascending order, so that no two groups deadlock
        let mut locked: SmallVec<[MutexGuard<'_, Shard>; 8]> = order.iter().map(|shard| self.lock(*shard)).collect();
        let guard_of = |position: &Position| order.partition_point(|shard| *shard < position.shard);

        let slots: SmallVec<[Option<u32>; 8]> = counters
            .first_hits()
            .zip(&positions)
            .map(|(hit, position)| locked[guard_of(position)].find(position.hash, group.hits[hit].key.as_bytes()))
            .collect();
        let mut held: SmallVec<[Held; 8]> = slots
            .iter()
            .zip(&positions)
            .map(|(slot, position)| Held::found(slot.map(|slot| locked[guard_of(position)].state(slot))))
            .collect();
        let verdicts = algorithm::settle(group, now, &counters, &mut held);

        for (hit, counter) in counters.of_hits().enumerate() {
            if let Some(slot) = slots[counter]
                && budget::was_denied(&group.hits[hit], &verdicts[hit])
            {
                locked[guard_of(&positions[counter])].keep_denied(slot);
            }
        }
        let changes: SmallVec<[(usize, usize, Change); 8]> = held
            .iter()
            .enumerate()
            .filter_map(|(counter, held)| {
                let (state, hit) = held.state.zip(held.written_by)?;
                Some((counter, hit, Change::new(state, &group.hits[hit], &verdicts[hit])))
            })
            .collect();
        // existing counters are written first: inserting a new one may evict a counter whose slot was found above
        for (counter, _, change) in &changes {
            if let Some(slot) = slots[*counter] {
                locked[guard_of(&positions[*counter])].update(slot, change);
            }
        }
        for (counter, hit, change) in &changes {
            if slots[*counter].is_none() {
                let position = &positions[*counter];
                locked[guard_of(position)].insert(position.hash, group.hits[*hit].key.as_bytes(), change, now);
            }
        }
        verdicts
    }
}

/// Whether some hits are charged all or none: those of an atomic group, or of a descriptor with several limits.
fn depends_on_each_other(group: &Group) -> bool {
    let several = group.hits.len() > 1;
    several && (group.atomic || group.hits.windows(2).any(|pair| pair[0].descriptor == pair[1].descriptor))
}

impl RateLimiter for MemoryStore {
    fn begin(&self, group: Arc<Group>) -> impl Future<Output = Verdicts> + Send + use<> {
        ready(self.charge(&group))
    }

    fn try_check(&self, group: &Group) -> Option<Verdicts> {
        Some(self.charge(group))
    }

    async fn reset(&self, key: &CounterKey, _: &Limit) -> Result<bool, StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        let position = self.position(key);
        Ok(self.lock(position.shard).remove(position.hash, key.as_bytes(), self.clock.now()))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}
