//! Denials by counter, within a memory bound.

use std::{
    hash::BuildHasher as _,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{Entry, Instant};
use crate::domain::{CounterKey, Hit, Verdict};
use foldhash::fast::RandomState;
use hashlink::LinkedHashMap;

/// The number of shards, if the memory suffices: more than there are workers, so that two seldom wait for one lock.
const SHARDS: usize = 16;
/// The least memory of a shard: with fewer denials a lock of its own does not pay.
const MIN_SHARD_BYTES: usize = 64 * ENTRY_BYTES;
/// Memory of an entry: a list node with key, entry and two links, and its bucket in an index that is half full.
const ENTRY_BYTES: usize = size_of::<(CounterKey, Entry)>() + 6 * size_of::<usize>();

/// A shard's denials, the oldest first. As all are kept for about the same time, they end in about that order.
type Denials = LinkedHashMap<CounterKey, Entry, RandomState>;

/// Counters that are over their limit, shared by the workers of a process.
#[derive(Debug)]
pub struct DenyTable {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    hits: AtomicU64,
}

/// A part of the table, under one lock. Aligned so that no two locks share a cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Shard {
    denials: Denials,
    bytes: usize,
    max_bytes: usize,
    misses: u64,
    evictions: u64,
    expired: u64,
    overwritten: u64,
}

impl DenyTable {
    /// An empty table that uses at most this much memory. If that is too little for one denial, it stays empty.
    #[must_use]
    pub fn new(bytes: NonZeroUsize) -> Arc<Self> {
        let shards = (bytes.get() / MIN_SHARD_BYTES).clamp(1, SHARDS);
        let max_bytes = bytes.get() / shards;
        let hasher = RandomState::default();
        let denials = || Denials::with_hasher(hasher.clone());
        let (misses, evictions, expired, overwritten) = (0, 0, 0, 0);
        let shard = || Shard { denials: denials(), bytes: 0, max_bytes, misses, evictions, expired, overwritten };
        let shards = (0..shards).map(|_| Mutex::new(shard())).collect();
        Arc::new(Self { shards, hasher, hits: AtomicU64::new(0) })
    }

    /// The number of hits that were answered.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.hits.load(Relaxed)
    }

    /// The number of hits without an answer, except those of groups that went to the store as a whole.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.sum(|shard| shard.misses)
    }

    /// The number of denials kept, including ended ones that have not been removed yet.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.sum(|shard| shard.denials.len() as u64)
    }

    /// Memory of the denials kept, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.sum(|shard| shard.bytes as u64)
    }

    /// Denials removed before their end because the table was full.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.sum(|shard| shard.evictions)
    }

    /// Denials removed because they had ended.
    #[must_use]
    pub fn expired(&self) -> u64 {
        self.sum(|shard| shard.expired)
    }

    /// Denials that replaced an earlier one of the same counter.
    #[must_use]
    pub fn overwritten(&self) -> u64 {
        self.sum(|shard| shard.overwritten)
    }

    /// The verdict on a hit, if a denial that is kept covers it.
    pub(super) fn answer(&self, hit: &Hit, now: Instant) -> Option<Verdict> {
        let hash = self.hash(&hit.key);
        self.shard(hash).answer(hash, hit, now)
    }

    /// The same, and counts a miss if there is none: for a hit that then goes to the store.
    pub(super) fn answer_or_miss(&self, hit: &Hit, now: Instant) -> Option<Verdict> {
        let hash = self.hash(&hit.key);
        let mut shard = self.shard(hash);
        let answer = shard.answer(hash, hit, now);
        shard.misses += u64::from(answer.is_none());
        answer
    }

    /// Adds to the number of hits that were answered.
    pub(super) fn count(&self, hits: usize) {
        self.hits.fetch_add(hits as u64, Relaxed);
    }

    /// Keeps a denial, replacing an earlier one of its counter.
    pub(super) fn hold(&self, key: CounterKey, entry: Entry) {
        self.shard(self.hash(&key)).hold(key, entry, Instant::now());
    }

    /// Removes the denial of a counter, if there is one.
    pub(super) fn forget(&self, key: &CounterKey) {
        self.shard(self.hash(key)).remove(key);
    }

    fn hash(&self, key: &CounterKey) -> u64 {
        self.hasher.hash_one(key)
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // the shard's index uses the same hash, so the shard is chosen by other bits of it
        let at = (hash >> 32) as usize % self.shards.len();
        lock(&self.shards[at])
    }

    fn sum(&self, of: impl Fn(&Shard) -> u64) -> u64 {
        self.shards.iter().map(|shard| of(&lock(shard))).sum()
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn answer(&self, hash: u64, hit: &Hit, now: Instant) -> Option<Verdict> {
        let (_, entry) = self.denials.raw_entry().from_key_hashed_nocheck(hash, &hit.key)?;
        if entry.covers(hit, now) { Some(entry.verdict(hit, now)) } else { None }
    }

    fn hold(&mut self, key: CounterKey, entry: Entry, now: Instant) {
        self.overwritten += u64::from(self.remove(&key));
        while let Some((_, oldest)) = self.denials.front() {
            let ended = oldest.has_ended(now);
            if !ended && self.bytes + size(&key) <= self.max_bytes {
                break;
            }
            self.evictions += u64::from(!ended);
            self.expired += u64::from(ended);
            if let Some((key, _)) = self.denials.pop_front() {
                self.bytes -= size(&key);
            }
        }
        if self.bytes + size(&key) <= self.max_bytes {
            self.bytes += size(&key);
            self.denials.insert(key, entry);
        }
    }

    /// Removes a denial. Returns whether there was one.
    fn remove(&mut self, key: &CounterKey) -> bool {
        let found = self.denials.remove(key).is_some();
        if found {
            self.bytes -= size(key);
        }
        found
    }
}

/// The memory of an entry for this counter, in bytes.
fn size(key: &CounterKey) -> usize {
    ENTRY_BYTES + key.heap_bytes()
}
