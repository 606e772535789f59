//! Splits a group into lanes: by endpoint, and by the keys that may share a call there.
//!
//! The hits of one descriptor stay together: they are charged all or none, and their keys share a hash tag. Each part
//! has the flags of the whole group (atomic, refused, quotas passed), so a group is atomic within each lane.
//!
//! Where a call may carry only one key, hits that must be charged together and have several keys have no lane: they are
//! refused.

#[cfg(test)]
mod tests;

use std::hash::BuildHasher as _;

use smallvec::SmallVec;

use super::{Caller, KeysPerCall, slot};
use limiter::domain::{CounterKey, Group, Hit, StoreError, Unit};

/// An endpoint of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    Main,
    /// The second Redis, for limits per second.
    PerSecond,
}

/// The hits that may share a call: those of one partition of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    pub(super) side: Side,
    pub(super) partition: Partition,
}

/// The keys of an endpoint that share calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Partition {
    /// All keys.
    Whole,
    /// The keys of one slot of a cluster.
    Slot(u16),
    /// One key, by its hash. If two keys have the same hash, the client refuses a call with both.
    Key { hash: u64, slot: Option<u16> },
}

impl Partition {
    /// The slot of its keys; `None` where keys have no slots.
    pub(super) const fn slot(self) -> Option<u16> {
        match self {
            Self::Whole => None,
            Self::Slot(slot) => Some(slot),
            Self::Key { slot, .. } => slot,
        }
    }
}

/// Which keys may share a call to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyConstraints {
    pub(super) has_slots: bool,
    /// `None`: not known yet. A call with one key is correct in either case.
    pub(super) keys_per_call: Option<KeysPerCall>,
}

impl KeyConstraints {
    pub(super) fn of(caller: &impl Caller) -> Self {
        Self { has_slots: caller.has_slots(), keys_per_call: caller.keys_per_call() }
    }

    fn carries_many(self) -> bool {
        self.keys_per_call == Some(KeysPerCall::Many)
    }

    /// The partition of a key.
    fn partition(self, hasher: &Hasher, key: &CounterKey) -> Partition {
        let slot = self.has_slots.then(|| slot::of(key.as_bytes()));
        match slot {
            _ if !self.carries_many() => Partition::Key { hash: hasher.hash_one(key), slot },
            Some(slot) => Partition::Slot(slot),
            None => Partition::Whole,
        }
    }

    /// The partition of hits that must be charged together.
    fn partition_of(self, hasher: &Hasher, hits: &[Hit]) -> Result<Partition, StoreError> {
        let first = &hits[0].key;
        if self.carries_many() || hits.iter().all(|hit| hit.key == *first) {
            return Ok(self.partition(hasher, first));
        }
        match self.keys_per_call {
            Some(_) => Err(StoreError::Divided),
            // the limit is known by the time the client sends them: it refuses the call if they are too many
            None => Ok(self.has_slots.then(|| slot::of(first.as_bytes())).map_or(Partition::Whole, Partition::Slot)),
        }
    }
}

/// Hashes keys. Its seed is random, so that clients cannot construct two keys with the same hash.
pub(super) type Hasher = foldhash::quality::RandomState;

/// What routing needs to know of the store's endpoints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Routes<'h> {
    pub(super) main: KeyConstraints,
    /// `None`: there is no second endpoint.
    pub(super) per_second: Option<KeyConstraints>,
    pub(super) hasher: &'h Hasher,
}

/// The indices of a part's hits in the whole group.
pub(super) type Indices = SmallVec<[usize; 4]>;

/// A part of a group, and the indices of its hits in the whole.
#[derive(Debug)]
pub(super) struct Part {
    /// Its lane, or why it has none.
    pub(super) lane: Result<Lane, StoreError>,
    pub(super) group: Group,
    pub(super) indices: Indices,
}

impl Routes<'_> {
    /// The lane of the whole group, if all its hits have the same one.
    pub(super) fn whole(&self, group: &Group) -> Option<Lane> {
        // where a lane is the hash of a key, two equal lanes may be of different keys
        if !self.all_carry_many() && group.hits.len() > 1 {
            return None;
        }
        let mut lanes = descriptors(&group.hits).map(|(_, hits)| self.lane(hits));
        let first = lanes.next()?;
        lanes.all(|lane| lane == first).then_some(first)?.ok()
    }

    /// The parts of a group, in the order of their first hits.
    pub(super) fn split(&self, group: &Group) -> SmallVec<[Part; 4]> {
        let mut parts: SmallVec<[Part; 4]> = SmallVec::new();
        for (first, hits) in descriptors(&group.hits) {
            let (side, keys) = self.side(hits);
            // where a lane is the hash of a key, an atomic group is one part for each endpoint
            let lane = if group.atomic && !keys.carries_many() { None } else { Some(self.lane(hits)) };
            let joins = |part: &&mut Part| match (lane, part.lane) {
                (None, _) => self.side(&part.group.hits).0 == side,
                (Some(Ok(lane)), Ok(other)) => {
                    // an equal hash may be that of another key
                    lane == other && (keys.carries_many() || part.group.hits[0].key == hits[0].key)
                }
                _ => false,
            };
            let indices = first..first + hits.len();
            if let Some(part) = parts.iter_mut().find(joins) {
                part.group.hits.extend(hits.iter().cloned());
                part.indices.extend(indices);
            } else {
                let group = part_of(group, hits.iter().cloned().collect());
                // the lane of an atomic group is known once it has all its hits
                let lane = lane.unwrap_or(Err(StoreError::Divided));
                parts.push(Part { lane, group, indices: indices.collect() });
            }
        }
        if group.atomic {
            for part in parts.iter_mut().filter(|part| part.lane.is_err()) {
                part.lane = self.lane(&part.group.hits);
            }
        }
        parts
    }

    /// The lanes of a key whose limit is unknown: its counter may be at either endpoint.
    pub(super) fn of_key(&self, key: &CounterKey) -> impl Iterator<Item = Lane> + use<> {
        let lane = |side, keys: KeyConstraints| Lane { side, partition: keys.partition(self.hasher, key) };
        let per_second = self.per_second.map(|keys| lane(Side::PerSecond, keys));
        std::iter::once(lane(Side::Main, self.main)).chain(per_second)
    }

    fn all_carry_many(&self) -> bool {
        self.main.carries_many() && self.per_second.is_none_or(KeyConstraints::carries_many)
    }

    /// The endpoint of hits that must be charged together.
    fn side(&self, hits: &[Hit]) -> (Side, KeyConstraints) {
        match self.per_second {
            Some(keys) if hits.iter().all(is_per_second) => (Side::PerSecond, keys),
            _ => (Side::Main, self.main),
        }
    }

    /// The lane of hits that must be charged together.
    fn lane(&self, hits: &[Hit]) -> Result<Lane, StoreError> {
        let (side, keys) = self.side(hits);
        keys.partition_of(self.hasher, hits).map(|partition| Lane { side, partition })
    }
}

/// Splits the group, in order, into pieces of at most `most` hits each; a descriptor with more hits is one piece.
pub(super) fn pieces(group: &Group, most: usize) -> impl Iterator<Item = Group> {
    let mut descriptors = descriptors(&group.hits).map(|(_, hits)| hits).peekable();
    std::iter::from_fn(move || {
        let mut hits: SmallVec<[Hit; 1]> = descriptors.next()?.iter().cloned().collect();
        while let Some(more) = descriptors.next_if(|more| hits.len() + more.len() <= most) {
            hits.extend(more.iter().cloned());
        }
        Some(part_of(group, hits))
    })
}

/// These hits of a group, with the flags of the whole.
fn part_of(group: &Group, hits: SmallVec<[Hit; 1]>) -> Group {
    let Group { atomic, quota_passed, refused, now, deadline, .. } = *group;
    Group { hits, atomic, quota_passed, refused, now, deadline }
}

fn is_per_second(hit: &Hit) -> bool {
    let window = hit.limit.window();
    window.unit() == Unit::Second && window.multiplier().get() == 1
}

/// The hits of each descriptor, with the index of the first.
fn descriptors(hits: &[Hit]) -> impl Iterator<Item = (usize, &[Hit])> {
    let mut at = 0;
    hits.chunk_by(|one, other| one.descriptor == other.descriptor).map(move |chunk| {
        let first = at;
        at += chunk.len();
        (first, chunk)
    })
}
