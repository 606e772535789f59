//! An index of nodes by the hash of their parent, key and value. A lookup among a million nodes takes one cache miss; a
//! table with separate control bytes takes two.

use super::node_index::{NodeIndex, ROOT};

/// An open-addressing table with linear probing: a node is in the slot that its tag selects, or in the next free one.
/// Half of the slots are free, so few nodes are displaced.
#[derive(Debug, Default)]
pub(super) struct Index {
    slots: Box<[Slot]>,
    count: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// A part of the hash that is enough to find the slot again, so the table can grow without reading the nodes.
    tag: u32,
    node: NodeIndex,
}

const FREE: Slot = Slot { tag: 0, node: ROOT };

impl Index {
    /// Returns the node with this hash for which `is_it` returns true.
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(NodeIndex) -> bool) -> Option<NodeIndex> {
        let tag = tag(hash);
        let mut at = home(tag, self.slots.len());
        loop {
            let slot = self.slots.get(at)?;
            if slot.node == ROOT {
                return None;
            }
            if slot.tag == tag && is_it(slot.node) {
                return Some(slot.node);
            }
            at = next(at, self.slots.len());
        }
    }

    /// Adds a node that the index does not contain.
    pub(super) fn insert(&mut self, hash: u64, node: NodeIndex) {
        if self.slots.len() < slots_for(self.count + 1) {
            self.resize(slots_for(2 * self.count + 1));
        }
        self.count += 1;
        put(&mut self.slots, Slot { tag: tag(hash), node });
    }

    /// Shrinks the table to the smallest size for its nodes.
    pub(super) fn shrink(&mut self) {
        self.resize(slots_for(self.count));
    }

    fn resize(&mut self, slots: usize) {
        let mut new = vec![FREE; slots].into_boxed_slice();
        for slot in self.slots.iter().filter(|slot| slot.node != ROOT) {
            put(&mut new, *slot);
        }
        self.slots = new;
    }
}

fn slots_for(nodes: usize) -> usize {
    2 * nodes
}

/// Fills the next free slot; there must be one.
fn put(slots: &mut [Slot], slot: Slot) {
    let mut at = home(slot.tag, slots.len());
    while slots[at].node != ROOT {
        at = next(at, slots.len());
    }
    slots[at] = slot;
}

/// Combines both halves of the hash.
#[allow(clippy::cast_possible_truncation)]
fn tag(hash: u64) -> u32 {
    (hash ^ (hash >> 32)) as u32
}

/// Scales the tag to the number of slots.
#[allow(clippy::cast_possible_truncation)]
fn home(tag: u32, slots: usize) -> usize {
    ((u64::from(tag) * slots as u64) >> 32) as usize
}

fn next(at: usize, slots: usize) -> usize {
    if at + 1 == slots { 0 } else { at + 1 }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn every_added_node_is_found_at_any_size() {
        let hasher = foldhash::fast::RandomState::default();
        let mut index = Index::default();
        for count in 0..2_000 {
            assert_eq!(index.find(hasher.hash_one(count), |node| node == count), None);
            index.insert(hasher.hash_one(count), count);
            if count % 100 == 0 {
                index.shrink();
            }
            for node in (0..=count).rev().take(50) {
                assert_eq!(index.find(hasher.hash_one(node), |at| at == node), Some(node));
            }
        }
        index.shrink();
        assert_eq!(index.slots.len(), 4_000);
        assert!((0..2_000).all(|node| index.find(hasher.hash_one(node), |at| at == node) == Some(node)));
    }

    #[test]
    fn nodes_with_equal_hashes_are_all_found() {
        for hash in [0, u64::from(u32::MAX), u64::MAX << 32] {
            let mut index = Index::default();
            for node in 0..20 {
                index.insert(hash, node);
            }
            assert!((0..20).all(|node| index.find(hash, |at| at == node) == Some(node)));
            assert_eq!(index.find(hash, |at| at == 20), None);
        }
    }

    #[test]
    fn an_empty_index_finds_nothing() {
        let mut index = Index::default();
        index.shrink();
        assert_eq!(index.find(1, |_| true), None);
    }
}
