//! One shard: a hash table of slot numbers, and the slots.

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

/// The number of slots that inserting a counter visits: more than it fills, so that sweeping outpaces inserting.
const SWEEP_ON_INSERT: usize = 2;

/// The number of slots that a shard allocates first.
const FIRST_SLOTS: usize = 16;

/// The new contents of a counter.
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

/// A part of the store, under one lock. Aligned so that no two locks share a cache line.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Shard {
    index: HashTable<u32>,
    slots: Vec<Slot>,
    classes: Classes,
    /// The first free slot, or `NONE`; each free slot's `links.newer` is the next.
    free: u32,
    capacity: usize,
    /// The slot that was swept last.
    cursor: usize,
    evicted: u64,
    expired: u64,
}

/// The hash table takes its bucket from the low bits and its tag from the top bits of 64; we keep 32.
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

    /// Moves a counter that has just denied a hit to the class that is evicted last.
    pub(super) fn keep_denied(&mut self, slot: u32) {
        self.classify(slot, DENIED);
    }

    /// Adds a counter that does not exist yet, and evicts another one if the shard is full.
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
            let reused = &mut self.slots[slot as usize];
            self.free = reused.links.newer;
            *reused = counter;
            slot
        };
        self.classes.append(&mut self.slots, change.class, slot);
        self.index.insert_unique(spread(hash), slot, |slot| spread(self.slots[*slot as usize].hash));
    }

    /// Doubles the slots if all are used, but never beyond the capacity.
    fn make_room(&mut self) {
        let used = self.slots.len();
        if used == self.slots.capacity() {
            let more = used.max(FIRST_SLOTS).min(self.capacity - used);
            self.slots.reserve_exact(more);
        }
    }

    /// Drops a counter. Returns whether it existed and had not expired.
    pub(super) fn remove(&mut self, hash: u32, key: &[u8], now: Timestamp) -> bool {
        let Some(slot) = self.find(hash, key) else { return false };
        let live = self.slots[slot as usize].expires > now;
        self.expired += u64::from(!live);
        self.drop_counter(slot);
        live
    }

    /// Visits up to `budget` slots and drops expired counters. Returns how many slots it visited and how many counters
    /// it dropped.
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
        let freed = &mut self.slots[slot as usize];
        freed.key = Box::default();
        freed.class = Slot::FREE;
        freed.links.newer = self.free;
        self.free = slot;
    }
}

#[cfg(test)]
impl Shard {
    /// The slots of all counters, in the order of the classes' lists.
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

    /// Whether the index finds the counter in this slot.
    pub(super) fn is_indexed(&self, slot: u32) -> bool {
        let counter = &self.slots[slot as usize];
        self.find(counter.hash, &counter.key) == Some(slot)
    }
}
