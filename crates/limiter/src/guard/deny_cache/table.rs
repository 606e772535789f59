//! Denials by counter, within a bound of memory.

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

/// Shards, if there is memory for them: more than there are workers, so that two seldom meet.
const SHARDS: usize = 16;
/// A shard of less memory than this holds too few denials to be worth its lock.
const LEAST_SHARD: usize = 64 * ENTRY_BYTES;
/// What an entry takes: a list node of key, entry and two links, and its place in an index that is half full.
const ENTRY_BYTES: usize = size_of::<(CounterKey, Entry)>() + 6 * size_of::<usize>();

/// A shard's denials, the oldest first. As all live for about as long, that is the order in which they end.
type Denials = LinkedHashMap<CounterKey, Entry, RandomState>;

/// Counters that are over their limit, shared by the workers of a process.
#[derive(Debug)]
pub struct DenyTable {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    hits: AtomicU64,
}

/// A part of the table, under one lock. Aligned to keep two locks out of one cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Shard {
    denials: Denials,
    bytes: usize,
    most_bytes: usize,
    misses: u64,
    evictions: u64,
    expired: u64,
    overwritten: u64,
}

impl DenyTable {
    /// An empty table that takes at most this much memory. Too little for one denial, and it stays empty.
    #[must_use]
    pub fn new(bytes: NonZeroUsize) -> Arc<Self> {
        let shards = (bytes.get() / LEAST_SHARD).clamp(1, SHARDS);
        let most_bytes = bytes.get() / shards;
        let hasher = RandomState::default();
        let denials = || Denials::with_hasher(hasher.clone());
        let (misses, evictions, expired, overwritten) = (0, 0, 0, 0);
        let shard = || Shard { denials: denials(), bytes: 0, most_bytes, misses, evictions, expired, overwritten };
        let shards = (0..shards).map(|_| Mutex::new(shard())).collect();
        Arc::new(Self { shards, hasher, hits: AtomicU64::new(0) })
    }

    /// Hits that were answered.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.hits.load(Relaxed)
    }

    /// Hits that it had no answer to, of those that went to the store alone.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.sum(|shard| shard.misses)
    }

    /// Denials that are held, among them such as have ended since the last of their shard came.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.sum(|shard| shard.denials.len() as u64)
    }

    /// Memory that they take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.sum(|shard| shard.bytes as u64)
    }

    /// Denials that left before their end, for want of memory.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.sum(|shard| shard.evictions)
    }

    /// Denials that left because they had ended.
    #[must_use]
    pub fn expired(&self) -> u64 {
        self.sum(|shard| shard.expired)
    }

    /// Denials that took the place of an earlier one of their counter.
    #[must_use]
    pub fn overwritten(&self) -> u64 {
        self.sum(|shard| shard.overwritten)
    }

    /// What a hit gets, if a denial that is held says so.
    pub(super) fn answer(&self, hit: &Hit, now: Instant) -> Option<Verdict> {
        let hash = self.hash(&hit.key);
        self.shard(hash).answer(hash, hit, now)
    }

    /// The same, for a hit that goes to the store unless there is an answer: then it is a miss.
    pub(super) fn answer_or_miss(&self, hit: &Hit, now: Instant) -> Option<Verdict> {
        let hash = self.hash(&hit.key);
        let mut shard = self.shard(hash);
        let answer = shard.answer(hash, hit, now);
        shard.misses += u64::from(answer.is_none());
        answer
    }

    /// Counts hits that were answered.
    pub(super) fn count(&self, hits: usize) {
        self.hits.fetch_add(hits as u64, Relaxed);
    }

    /// Holds a denial in place of an earlier one of its counter.
    pub(super) fn hold(&self, key: CounterKey, entry: Entry) {
        self.shard(self.hash(&key)).hold(key, entry, Instant::now());
    }

    /// Drops what is held of a counter.
    pub(super) fn forget(&self, key: &CounterKey) {
        self.shard(self.hash(key)).remove(key);
    }

    fn hash(&self, key: &CounterKey) -> u64 {
        self.hasher.hash_one(key)
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // by other bits than the shard's own index goes by, which is of the same hash
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
            if !ended && self.bytes + size(&key) <= self.most_bytes {
                break;
            }
            self.evictions += u64::from(!ended);
            self.expired += u64::from(ended);
            if let Some((key, _)) = self.denials.pop_front() {
                self.bytes -= size(&key);
            }
        }
        if self.bytes + size(&key) <= self.most_bytes {
            self.bytes += size(&key);
            self.denials.insert(key, entry);
        }
    }

    /// Whether there was one.
    fn remove(&mut self, key: &CounterKey) -> bool {
        let found = self.denials.remove(key).is_some();
        if found {
            self.bytes -= size(key);
        }
        found
    }
}

/// The memory that an entry of this counter takes.
fn size(key: &CounterKey) -> usize {
    ENTRY_BYTES + key.heap_bytes()
}
