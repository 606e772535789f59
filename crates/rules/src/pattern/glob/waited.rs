//! The set of parts that patterns wait for, and the longest of them that a given part ends with.

use super::automaton::Part;

/// A segment tree over the numbers of parts: each node holds the maximum of its leaves. The leaf of a part that is
/// waited for is one more than the last number of the parts that end with it; any other leaf is 0.
///
/// Among a part and the parts that it ends with, this finds the longest that is waited for in logarithmic time. A walk
/// from one part to the next takes as long as there are parts inside each other.
#[derive(Debug)]
pub(super) struct Waited {
    nodes: Box<[u32]>,
    /// The index of the first leaf.
    leaves: usize,
}

impl Waited {
    /// A set over this many parts, in which none is waited for.
    pub(super) fn new(parts: usize) -> Self {
        let leaves = parts.next_power_of_two();
        Self { nodes: vec![0; 2 * leaves].into_boxed_slice(), leaves }
    }

    /// Adds a part; `last` is the highest number of the parts that end with it.
    pub(super) fn add(&mut self, part: Part, last: Part) {
        self.set(part, last + 1);
    }

    /// Removes a part.
    pub(super) fn remove(&mut self, part: Part) {
        self.set(part, 0);
    }

    fn set(&mut self, part: Part, value: u32) {
        let mut at = self.leaves + part as usize;
        self.nodes[at] = value;
        while at > 1 {
            at /= 2;
            let greatest = self.nodes[2 * at].max(self.nodes[2 * at + 1]);
            if self.nodes[at] == greatest {
                return;
            }
            self.nodes[at] = greatest;
        }
    }

    /// Returns the longest of the parts that are waited for, that `part` ends with or equals, and whose number is at
    /// most `most`.
    pub(super) fn longest(&self, part: Part, most: Part) -> Option<Part> {
        let is_there = |at: usize| self.nodes[at] > part;
        let mut at = self.leaves + most as usize;
        while !is_there(at) {
            // the subtree to the left of this node's
            at >>= at.trailing_zeros();
            if at == 1 {
                return None;
            }
            at -= 1;
        }
        while at < self.leaves {
            at = if is_there(2 * at + 1) { 2 * at + 1 } else { 2 * at };
        }
        Some((at - self.leaves) as Part)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::automaton::{Automaton, START},
        *,
    };

    proptest! {
        #[test]
        fn agrees_with_a_linear_walk(
            parts in proptest::collection::btree_set("[ab]{1,6}", 1..40),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..60),
        ) {
            let sorted: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
            let (automaton, numbers) = Automaton::new(&sorted);
            prop_assert_eq!(automaton.longest(START), None);
            let (mut waited, mut is_waited) = (Waited::new(numbers.len()), vec![false; numbers.len()]);
            for (part, add) in changes {
                let part = *part.get(&numbers);
                if add { waited.add(part, automaton.last(part)) } else { waited.remove(part) }
                is_waited[part as usize] = add;
                for part in &numbers {
                    let walk = || std::iter::successors(Some(*part), |part| automaton.parent(*part));
                    for most in walk() {
                        let wanted = walk().find(|part| *part <= most && is_waited[*part as usize]);
                        prop_assert_eq!(waited.longest(*part, most), wanted);
                    }
                }
            }
        }
    }
}
