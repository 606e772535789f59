//! The queue of one lane, and how its checks become calls.

use std::{collections::VecDeque, hash::BuildHasher as _, num::NonZeroU32, time::Instant};

use hashbrown::{HashTable, hash_table};
use smallvec::{SmallVec, smallvec};

use super::{
    super::Entry,
    slots::{Queued, SlotId, Slots},
};
use limiter::domain::StoreError;

/// A call carries at most this many counters, unless one group alone has more.
pub(in super::super) const MAX_KEYS_PER_CALL: usize = 512;

/// A call settles at most this many groups, however many are equal.
const MAX_SETTLED: usize = 4096;

/// The checks that one entry answers, in the order of its answers.
pub(super) type Waiters = SmallVec<[SlotId; 1]>;

/// Entries for one call, and the checks that each answers.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) entries: Vec<Entry>,
    pub(super) waiters: Vec<Waiters>,
}

impl Batch {
    /// Drops the checks whose callers have left or whose time is up, and the entries that are left with none.
    pub(super) fn keep_awaited(&mut self, now: Instant, slots: &Slots) {
        let Self { entries, waiters } = std::mem::take(self);
        let mut session = slots.session();
        for (mut entry, mut waiters) in entries.into_iter().zip(waiters) {
            waiters.retain(|id| session.is_awaited(*id, now, StoreError::Expired));
            if let Some(times) = NonZeroU32::new(waiters.len() as u32) {
                entry.settle_for(times);
                self.entries.push(entry);
                self.waiters.push(waiters);
            }
        }
    }
}

/// The queue of one lane, first come, first served.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<SlotId>,
    pub(super) in_flight: usize,
}

impl Queue {
    pub(super) fn push(&mut self, id: SlotId) {
        self.waiting.push_back(id);
    }

    /// How many parts it holds, those of callers that have left among them.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Nothing waits, nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.in_flight == 0
    }

    /// Takes what the next call can carry; `None` if no check is left to send.
    pub(super) fn take(&mut self, now: Instant, slots: &Slots) -> Option<Batch> {
        let most = self.waiting.len().min(MAX_KEYS_PER_CALL);
        let mut batch = Batch { entries: Vec::with_capacity(most), waiters: Vec::with_capacity(most) };
        // the indices of entries that later ones may equal
        let mut indices: HashTable<u32> = HashTable::new();
        let hasher = foldhash::fast::RandomState::default();
        let hash_of = |entry: &Entry| entry.lone_hit().map(|hit| hasher.hash_one((&hit.key, hit.charge)));
        let (mut counters, mut settled) = (0, 0);
        // a queue of one has nothing to merge
        let merges = most > 1;
        let mut session = slots.session();
        while counters < MAX_KEYS_PER_CALL && settled < MAX_SETTLED {
            let Some(id) = self.waiting.pop_front() else { break };
            let Queued::Ready(group) = session.take(id, now) else { continue };
            settled += 1;
            let entry = Entry::new(group);
            if let Some(hash) = hash_of(&entry).filter(|_| merges) {
                let equals = |index: &u32| batch.entries[*index as usize].equals(&entry);
                let rehash = |index: &u32| hash_of(&batch.entries[*index as usize]).unwrap_or_default();
                match indices.entry(hash, equals, rehash) {
                    hash_table::Entry::Occupied(index) => {
                        let index = *index.get() as usize;
                        batch.entries[index].again();
                        batch.waiters[index].push(id);
                        continue;
                    }
                    hash_table::Entry::Vacant(vacant) => {
                        vacant.insert(batch.entries.len() as u32);
                    }
                }
            }
            counters += entry.counters().len();
            batch.entries.push(entry);
            batch.waiters.push(smallvec![id]);
        }
        (!batch.entries.is_empty()).then_some(batch)
    }

    /// Drops the checks whose callers have left.
    pub(super) fn purge(&mut self, slots: &Slots) {
        let mut session = slots.session();
        self.waiting.retain(|id| session.is_waiting(*id));
    }
}
