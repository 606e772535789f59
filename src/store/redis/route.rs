//! Which part of a group goes where: to which endpoint, and in a cluster to which slot.
//!
//! The hits of one descriptor stay together: they are charged all or none, and their keys share a hash tag. What the
//! group is told as a whole (atomic, refused, quotas passed) every part is told, so a group is atomic for each place.

use smallvec::SmallVec;

use super::slot;
use crate::domain::{Group, Hit, Unit};

/// An endpoint of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    Main,
    /// The one for limits per second.
    PerSecond,
}

/// A place that one call can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    pub(super) side: Side,
    /// None where keys have no slots.
    pub(super) slot: Option<u16>,
}

/// What there is to choose from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Routes {
    pub(super) main_has_slots: bool,
    /// None: there is no second endpoint.
    pub(super) per_second_has_slots: Option<bool>,
}

/// The indices of a part's hits in the whole group.
pub(super) type Indices = SmallVec<[usize; 4]>;

/// A part of a group, and the indices of its hits in the whole.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) lane: Lane,
    pub(super) group: Group,
    pub(super) indices: Indices,
}

impl Routes {
    /// Where every hit of the group goes, if that is one place.
    pub(super) fn whole(&self, group: &Group) -> Option<Lane> {
        let mut lanes = descriptors(&group.hits).map(|(_, hits)| self.lane(hits));
        let first = lanes.next()?;
        lanes.all(|lane| lane == first).then_some(first)
    }

    /// The parts of a group, in the order of their first hits.
    pub(super) fn split(&self, group: &Group) -> SmallVec<[Part; 4]> {
        let mut parts: SmallVec<[Part; 4]> = SmallVec::new();
        for (first, hits) in descriptors(&group.hits) {
            let lane = self.lane(hits);
            let indices = first..first + hits.len();
            if let Some(part) = parts.iter_mut().find(|part| part.lane == lane) {
                part.group.hits.extend(hits.iter().cloned());
                part.indices.extend(indices);
            } else {
                let group = part_of(group, hits.iter().cloned().collect());
                parts.push(Part { lane, group, indices: indices.collect() });
            }
        }
        parts
    }

    /// Where a key can be, for whoever has no limit to tell which.
    pub(super) fn of_key(&self, key: &[u8]) -> impl Iterator<Item = Lane> + use<> {
        let slot = slot::of(key);
        let lane = move |side, has_slots: bool| Lane { side, slot: has_slots.then_some(slot) };
        let per_second = self.per_second_has_slots.map(|has_slots| lane(Side::PerSecond, has_slots));
        std::iter::once(lane(Side::Main, self.main_has_slots)).chain(per_second)
    }

    fn lane(&self, hits: &[Hit]) -> Lane {
        let (side, has_slots) = match self.per_second_has_slots {
            Some(has_slots) if hits.iter().all(is_per_second) => (Side::PerSecond, has_slots),
            _ => (Side::Main, self.main_has_slots),
        };
        Lane { side, slot: has_slots.then(|| slot::of(hits[0].key.as_bytes())) }
    }
}

/// The group in pieces of no more than `most` hits, in order, unless a descriptor alone has more.
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

/// These hits of a group, told what the whole is told.
fn part_of(group: &Group, hits: SmallVec<[Hit; 1]>) -> Group {
    let Group { atomic, quota_passed, refused, now, deadline, .. } = *group;
    Group { hits, atomic, quota_passed, refused, now, deadline }
}

fn is_per_second(hit: &Hit) -> bool {
    let window = hit.limit.window();
    window.unit() == Unit::Second && window.multiplier().get() == 1
}

/// The hits of each descriptor, with the place of the first.
fn descriptors(hits: &[Hit]) -> impl Iterator<Item = (usize, &[Hit])> {
    let mut at = 0;
    hits.chunk_by(|one, other| one.descriptor == other.descriptor).map(move |chunk| {
        let first = at;
        at += chunk.len();
        (first, chunk)
    })
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::domain::{Charge, CounterKey, Limit};

    fn hit(key: &str, descriptor: u32, unit: Unit) -> Hit {
        let key = CounterKey::from_bytes(key.as_bytes());
        Hit { descriptor, ..Hit::new(key, Limit::fixed_window(1, unit), Charge::Take(1)) }
    }

    #[test]
    fn a_single_redis_gets_the_group_whole() {
        let group = Group::new(vec![hit("a", 0, Unit::Second), hit("b", 1, Unit::Day)]);
        let routes = Routes { main_has_slots: false, per_second_has_slots: None };
        assert_eq!(routes.whole(&group), Some(Lane { side: Side::Main, slot: None }));
    }

    #[test]
    fn limits_per_second_have_their_own_redis_but_descriptors_stay_whole() {
        let group = Group::new(vec![
            hit("a", 0, Unit::Second),
            hit("b", 1, Unit::Second),
            hit("b", 1, Unit::Day),
            hit("c", 2, Unit::Second),
        ]);
        let routes = Routes { main_has_slots: false, per_second_has_slots: Some(false) };
        assert_eq!(routes.whole(&group), None);
        let parts = routes.split(&Group { quota_passed: true, refused: true, ..group.atomic() });
        let told: Vec<_> = parts.iter().map(|part| (part.lane.side, part.indices.as_slice())).collect();
        assert_eq!(told, [(Side::PerSecond, &[0, 3][..]), (Side::Main, &[1, 2][..])]);
        assert!(parts.iter().all(|part| part.group.atomic && part.group.quota_passed && part.group.refused));
    }

    #[test]
    fn a_cluster_gets_a_part_for_each_slot() {
        let routes = Routes { main_has_slots: true, per_second_has_slots: None };
        let group = Group::new(vec![hit("{a}1", 0, Unit::Day), hit("{b}1", 1, Unit::Day), hit("{a}2", 2, Unit::Day)]);
        let parts = routes.split(&group);
        let told: Vec<_> = parts.iter().map(|part| (part.lane.slot, part.indices.as_slice())).collect();
        assert_eq!(told, [(Some(slot::of(b"a")), &[0, 2][..]), (Some(slot::of(b"b")), &[1][..])]);
    }
}
