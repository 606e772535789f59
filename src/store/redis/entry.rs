//! A group on its way to Redis, once or several times.

use std::num::NonZeroU32;

use crate::{
    algorithm::Counters,
    domain::{Charge, CounterKey, Group, Limit, Timestamp},
};

/// A group and how many times it is settled, one after the other. Equal groups of different requests make one entry.
#[derive(Clone, Debug)]
pub struct Entry {
    group: Group,
    counters: Counters,
    times: NonZeroU32,
}

impl Entry {
    /// A group that is settled once.
    #[must_use]
    pub fn new(group: Group) -> Self {
        let counters = Counters::of(&group);
        Self { group, counters, times: NonZeroU32::MIN }
    }

    /// The same entry, settled once more.
    pub fn again(&mut self) {
        self.times = self.times.saturating_add(1);
    }

    /// The same entry, settled so many times.
    pub(super) const fn settle_for(&mut self, times: NonZeroU32) {
        self.times = times;
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// How many times it is settled: the number of answers that it gets.
    #[must_use]
    pub fn times(&self) -> u32 {
        self.times.get()
    }

    /// Which of its hits share a counter.
    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The key of the counter with this number.
    pub(super) fn key(&self, counter: usize) -> &CounterKey {
        let hit = self.counters.first_hits().nth(counter).expect("a counter of this group");
        &self.group.hits[hit].key
    }
}

/// What makes two groups of one hit the same to the script, so that one entry serves both. For a map of the entries
/// that wait.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Equality {
    key: CounterKey,
    limit: Limit,
    charge: Charge,
    flags: [bool; 5],
    now: Option<Timestamp>,
}

impl Equality {
    /// Of this group; `None` if it has not exactly one hit, and is sent on its own.
    #[must_use]
    pub fn of(group: &Group) -> Option<Self> {
        let [hit] = group.hits.as_slice() else { return None };
        Some(Self {
            key: hit.key.clone(),
            limit: hit.limit,
            charge: hit.charge,
            flags: [hit.shadow, hit.quota, group.atomic, group.quota_passed, group.refused],
            now: group.now,
        })
    }
}
