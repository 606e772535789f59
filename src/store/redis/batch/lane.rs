//! What waits for one place, and how it becomes calls.

use std::{
    collections::VecDeque, hash::BuildHasher as _, num::NonZeroU32, sync::atomic::Ordering::Relaxed, time::Instant,
};

use hashbrown::{HashTable, hash_table};
use smallvec::{SmallVec, smallvec};

use super::{
    super::{Entry, RedisStats},
    pending::{Pending, Waiter},
};
use crate::domain::StoreError;

/// A call has no more counters than this, unless one group alone has.
pub(in super::super) const MAX_COUNTERS: usize = 512;

/// A call settles no more groups than this, however many are equal.
const MAX_SETTLED: usize = 4096;

/// Those who wait for one entry, in the order of its answers.
pub(super) type Waiters = SmallVec<[Waiter; 1]>;

/// Entries for one call, and who waits for each.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) entries: Vec<Entry>,
    pub(super) waiters: Vec<Waiters>,
}

impl Batch {
    /// Drops whom nobody waits for any more, and the entries that are left with nobody.
    pub(super) fn keep_awaited(&mut self, now: Instant, stats: &RedisStats) {
        let Self { entries, waiters } = std::mem::take(self);
        for (mut entry, mut waiters) in entries.into_iter().zip(waiters) {
            waiters.retain(|waiter| is_awaited(waiter, now, stats));
            if let Some(times) = NonZeroU32::new(waiters.len() as u32) {
                entry.settle_for(times);
                self.entries.push(entry);
                self.waiters.push(waiters);
            }
        }
    }
}

/// The queue of one place, first come, first served.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Pending>,
    first_deadline: Option<Instant>,
    pub(super) in_flight: usize,
}

impl Queue {
    pub(super) fn push(&mut self, pending: Pending) {
        let deadline = pending.waiter.deadline();
        let before = self.first_deadline();
        self.first_deadline = before.into_iter().chain(deadline).min();
        self.waiting.push_back(pending);
    }

    /// How many parts it holds, those of callers that have left among them.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Nothing waits, nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.in_flight == 0
    }

    /// No earlier than this does anything that waits expire; `None` if nothing waits.
    pub(super) fn first_deadline(&self) -> Option<Instant> {
        self.first_deadline.filter(|_| !self.waiting.is_empty())
    }

    /// Takes what the next call can carry; `None` if nothing is left that is worth sending.
    pub(super) fn take(&mut self, now: Instant, stats: &RedisStats) -> Option<Batch> {
        let most = self.waiting.len().min(MAX_COUNTERS);
        let mut batch = Batch { entries: Vec::with_capacity(most), waiters: Vec::with_capacity(most) };
        // the places of those entries that others may equal
        let mut places: HashTable<u32> = HashTable::new();
        let hasher = foldhash::fast::RandomState::default();
        let hash_of = |entry: &Entry| entry.lone_hit().map(|hit| hasher.hash_one((&hit.key, hit.charge)));
        let (mut counters, mut settled) = (0, 0);
        // a queue of one has nothing to merge
        let merges = most > 1;
        while counters < MAX_COUNTERS && settled < MAX_SETTLED {
            let Some(pending) = self.waiting.pop_front() else { break };
            let Some(Pending { group, waiter }) = worth_sending(pending, now, stats) else { continue };
            settled += 1;
            let entry = Entry::new(group);
            if let Some(hash) = hash_of(&entry).filter(|_| merges) {
                let equals = |place: &u32| batch.entries[*place as usize].equals(&entry);
                let rehash = |place: &u32| hash_of(&batch.entries[*place as usize]).unwrap_or_default();
                match places.entry(hash, equals, rehash) {
                    hash_table::Entry::Occupied(place) => {
                        let place = *place.get() as usize;
                        batch.entries[place].again();
                        batch.waiters[place].push(waiter);
                        continue;
                    }
                    hash_table::Entry::Vacant(place) => {
                        place.insert(batch.entries.len() as u32);
                    }
                }
            }
            counters += entry.counters().len();
            batch.entries.push(entry);
            batch.waiters.push(smallvec![waiter]);
        }
        (!batch.entries.is_empty()).then_some(batch)
    }

    /// Drops what is not worth sending any more; the earliest deadline of the rest.
    pub(super) fn purge(&mut self, now: Instant, stats: &RedisStats) -> Option<Instant> {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting = waiting.into_iter().filter_map(|pending| worth_sending(pending, now, stats)).collect();
        self.first_deadline = self.waiting.iter().filter_map(|pending| pending.waiter.deadline()).min();
        self.first_deadline
    }
}

/// The same, unless its caller has left or its deadline has passed.
fn worth_sending(mut pending: Pending, now: Instant, stats: &RedisStats) -> Option<Pending> {
    is_awaited(&mut pending.waiter, now, stats).then_some(pending)
}

/// Whether somebody waits still. One whose deadline has passed is told, and waits no more.
fn is_awaited(waiter: &mut Waiter, now: Instant, stats: &RedisStats) -> bool {
    if waiter.has_left() {
        stats.abandoned.fetch_add(1, Relaxed);
    } else if waiter.is_late(now) {
        waiter.fail(StoreError::Expired, stats);
    }
    !waiter.is_gone()
}
