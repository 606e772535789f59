//! A group in a call, settled once or several times.

use std::{num::NonZeroU32, sync::Arc};

use super::slot;
use limiter::{
    algorithm::Counters,
    domain::{CounterKey, Group, Hit},
};

/// A group and how many times it is settled, one after the other. Equal groups of different requests make one entry.
#[derive(Clone, Debug)]
pub struct Entry {
    group: Arc<Group>,
    counters: Counters,
    times: NonZeroU32,
}

impl Entry {
    /// A group that is settled once.
    #[must_use]
    pub fn new(group: impl Into<Arc<Group>>) -> Self {
        let group = group.into();
        let counters = Counters::of(&group);
        Self { group, counters, times: NonZeroU32::MIN }
    }

    /// Settles it once more.
    pub fn again(&mut self) {
        self.times = self.times.saturating_add(1);
    }

    /// Sets how many times it is settled.
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

    /// Its hit, if it has one alone: only then can it equal another.
    pub(super) fn lone_hit(&self) -> Option<&Hit> {
        let [hit] = self.group.hits.as_slice() else { return None };
        Some(hit)
    }

    /// Whether both are of one hit, and equal to the script: then one of them, settled as often as both, serves both.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        let (Some(hit), Some(like)) = (self.lone_hit(), other.lone_hit()) else { return false };
        hit.key == like.key && self.is_alike(other)
    }

    /// Whether both are of one hit, and equal to the script but for the names of their counters.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        let (Some(hit), Some(like)) = (self.lone_hit(), other.lone_hit()) else { return false };
        let of_hit = |hit: &Hit| (hit.limit, hit.charge, hit.shadow, hit.quota);
        let of_group = |group: &Group| (group.atomic, group.quota_passed, group.refused, group.now);
        // a hash tag decides whether the counter is of a named window
        of_hit(hit) == of_hit(like)
            && of_group(&self.group) == of_group(&other.group)
            && slot::has_tag(hit.key.as_bytes()) == slot::has_tag(like.key.as_bytes())
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
