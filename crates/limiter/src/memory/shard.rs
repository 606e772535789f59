//! One shard: a hash table of slot numbers over an array of slots.

use hashbrown::HashTable;

use super::{
    MemoryStats,
    budget::{self, Classes, DENIED},
    slot::{Links, NONE, Slot},
};
use crate::{
    algorithm::{self, State},
    domain::{Hit, Timestamp, Verdict},
};

/// Slots that a new counter looks at, on average one more than it fills: sweeping gains on filling.
const SWEEP_ON_INSERT: usize = 2;

/// Slots that a shard begins with.
const FIRST_SLOTS: usize = 16;

/// What to write into a counter.
pub(super) struct Change {
    state: State,
    expires: Timestamp,
    class: u8,
}

impl Change {
    pub(super) fn new(state: State, hit: &Hit, verdict: &Verdict) -> Self {
        let expires = algorithm::expires_at(&state, &hit.limit);
        Self { state, expires, class: budget::class_of(hit, verdict) }
    }
}

/// A part of the store, under one lock. Aligned to keep two locks out of one cache line.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Shard {
    index: HashTable<u32>,
    slots: Vec<Slot>,
    classes: Classes,
    /// The first free slot; the others follow by `links.newer`.
    free: u32,
    capacity: usize,
    /// Where sweeping goes on.
    cursor: usize,
    evicted: u64,
    expired: u64,
}

/// The table takes its place from the low bits and its tags from the top ones; both from our 32.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

impl Shard {
    /// An empty shard for at most `capacity` counters.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            index: HashTable::new(),
            slots: Vec::new(),
            classes: Classes::EMPTY,
            free: NONE,
            capacity,
            cursor: 0,
            evicted: 0,
            expired: 0,
        }
    }

    pub(super) fn stats(&self) -> MemoryStats {
        MemoryStats { live: self.index.len() as u64, evicted: self.evicted, expired: self.expired }
    }

    pub(super) fn find(&self, hash: u32, key: &[u8]) -> Option<u32> {
        let slots = &self.slots;
        self.index
            .find(spread(hash), |slot| {
                let slot = &slots[*slot as usize];
                slot.hash == hash && *slot.key == *key
            })
            .copied()
    }

    pub(super) fn state(&self, slot: u32) -> State {
        self.slots[slot as usize].state
    }

    pub(super) fn update(&mut self, slot: u32, change: &Change) {
        let counter = &mut self.slots[slot as usize];
        counter.state = change.state;
        counter.expires = change.expires;
        self.classify(slot, change.class);
    }

    /// Puts a counter that has just denied somebody where it is evicted last.
    pub(super) fn keep_denied(&mut self, slot: u32) {
        self.classify(slot, DENIED);
    }

    /// Adds a counter that is not there yet, in place of another if the shard is full.
    pub(super) fn insert(&mut self, hash: u32, key: &[u8], change: &Change, now: Timestamp) {
        self.sweep(now, SWEEP_ON_INSERT);
        if self.index.len() >= self.capacity
            && let Some(victim) = self.classes.first()
        {
            self.drop_counter(victim);
            self.evicted += 1;
        }
        let counter = Slot {
            key: key.into(),
            state: change.state,
            expires: change.expires,
            hash,
            links: Links::UNLINKED,
            class: change.class,
        };
        let slot = self.free;
        let slot = if slot == NONE {
            self.make_room();
            self.slots.push(counter);
            self.slots.len() as u32 - 1
        } else {
            let place = &mut self.slots[slot as usize];
            self.free = place.links.newer;
            *place = counter;
            slot
        };
        self.classes.append(&mut self.slots, change.class, slot);
        self.index.insert_unique(spread(hash), slot, |slot| spread(self.slots[*slot as usize].hash));
    }

    /// Doubles the slots when all have been used, up to the capacity and no further.
    fn make_room(&mut self) {
        let used = self.slots.len();
        if used == self.slots.capacity() {
            let more = used.max(FIRST_SLOTS).min(self.capacity - used);
            self.slots.reserve_exact(more);
        }
    }

    /// Drops a counter; whether it was there and had not expired.
    pub(super) fn remove(&mut self, hash: u32, key: &[u8], now: Timestamp) -> bool {
        let Some(slot) = self.find(hash, key) else { return false };
        let live = self.slots[slot as usize].expires > now;
        self.expired += u64::from(!live);
        self.drop_counter(slot);
        live
    }

    /// Looks at up to `budget` slots and drops the expired ones: how many it saw, and how many it dropped.
    pub(super) fn sweep(&mut self, now: Timestamp, budget: usize) -> (usize, usize) {
        let (seen, mut dropped) = (budget.min(self.slots.len()), 0);
        for _ in 0..seen {
            self.cursor = if self.cursor + 1 < self.slots.len() { self.cursor + 1 } else { 0 };
            let slot = &self.slots[self.cursor];
            if slot.class != Slot::FREE && slot.expires <= now {
                self.drop_counter(self.cursor as u32);
                dropped += 1;
            }
        }
        self.expired += dropped as u64;
        (seen, dropped)
    }

    fn classify(&mut self, slot: u32, class: u8) {
        let former = self.slots[slot as usize].class;
        // a counter that is charged several times in a row stays where it is
        if former == class && self.classes.is_newest(class, slot) {
            return;
        }
        self.classes.unlink(&mut self.slots, former, slot);
        self.classes.append(&mut self.slots, class, slot);
        self.slots[slot as usize].class = class;
    }

    fn drop_counter(&mut self, slot: u32) {
        let Slot { hash, class, .. } = self.slots[slot as usize];
        if let Ok(entry) = self.index.find_entry(spread(hash), |other| *other == slot) {
            entry.remove();
        }
        self.classes.unlink(&mut self.slots, class, slot);
        let place = &mut self.slots[slot as usize];
        place.key = Box::default();
        place.class = Slot::FREE;
        place.links.newer = self.free;
        self.free = slot;
    }
}

#[cfg(test)]
impl Shard {
    /// The counters of all classes, by their lists.
    pub(super) fn listed(&self) -> Vec<u32> {
        let mut listed = Vec::new();
        for (class, oldest) in self.classes.oldest().into_iter().enumerate() {
            let mut slot = oldest;
            while slot != NONE {
                assert_eq!(usize::from(self.slots[slot as usize].class), class);
                listed.push(slot);
                slot = self.slots[slot as usize].links.newer;
            }
        }
        listed
    }

    /// Whether the index leads to this counter.
    pub(super) fn is_indexed(&self, slot: u32) -> bool {
        let counter = &self.slots[slot as usize];
        self.find(counter.hash, &counter.key) == Some(slot)
    }
}
