//! Finds the literal parts of many patterns in one pass over a value: an Aho–Corasick automaton.
//!
//! Not the crate `aho-corasick`, which keeps for each state the list of all parts that end there. If parts are suffixes
//! of each other (`a`, `aa`, `aaa`, …), these lists grow faster than the rules, and each byte of a value costs a walk
//! along one. Here a state keeps only its longest part; the shorter ones are its ancestors in a tree, in which the
//! caller skips those that no pattern waits for. Memory: 17 bytes for each byte of the parts and 12 for each part.

use std::{iter, ops::Range};

/// A part's number, in preorder of the tree in which the parent of a part is its longest proper suffix that is a part.
/// So the parts that end with a given part have the numbers from its own to [`Automaton::last`].
pub(super) type Part = u32;

const NONE: Part = Part::MAX;

/// The initial state: no prefix of a part has been read.
pub(super) const START: u32 = 0;

/// States are numbered breadth first, so the children of a state are adjacent.
#[derive(Debug)]
pub(super) struct Automaton {
    states: Box<[State]>,
    /// The byte that leads to each state.
    labels: Box<[u8]>,
    /// The state after each byte in [`START`].
    first: Box<[u32; 256]>,
    parts: Box<[PartInfo]>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    first_child: u32,
    /// The state of the longest proper suffix of this state's text that has children; else [`START`].
    fallback: u32,
    /// The longest part that ends here.
    longest: Part,
    children: u16,
    /// The byte that leads to the first child, which is most often the only one.
    label: u8,
}

#[derive(Clone, Copy, Debug)]
struct PartInfo {
    length: u32,
    parent: Part,
    last: Part,
}

impl Automaton {
    /// Builds the automaton of these parts, which must be sorted, distinct and not empty. Also returns their numbers.
    pub(super) fn new(sorted: &[&[u8]]) -> (Self, Vec<Part>) {
        let (states, labels, ends) = trie(sorted);
        let parts = Box::default();
        let mut automaton = Self { states, labels, first: Box::new([START; 256]), parts };
        for child in automaton.states[START as usize].children() {
            automaton.first[usize::from(automaton.labels[child])] = number(child);
        }
        let parents = automaton.link(sorted.len());
        let numbers = automaton.renumber(sorted, &ends, &parents);
        (automaton, numbers)
    }

    /// Sets fallbacks and longest parts, the latter as indices of `sorted`. Returns the parent of each part.
    fn link(&mut self, parts: usize) -> Vec<Part> {
        let mut parents = vec![NONE; parts];
        // breadth first: a fallback depends only on shorter texts, which are complete
        for state in 0..self.states.len() {
            let parent = self.states[state];
            for child in parent.children() {
                let suffix = if state == 0 { START } else { self.step(parent.fallback, self.labels[child]) };
                let suffix_state = self.states[suffix as usize];
                let child = &mut self.states[child];
                child.fallback = if suffix_state.children > 0 { suffix } else { suffix_state.fallback };
                match some(child.longest) {
                    Some(part) => parents[part as usize] = suffix_state.longest,
                    None => child.longest = suffix_state.longest,
                }
            }
        }
        parents
    }

    /// Numbers the parts in preorder. Returns the numbers by index of `sorted`.
    fn renumber(&mut self, sorted: &[&[u8]], ends: &[Part], parents: &[Part]) -> Vec<Part> {
        // sorted by length, as `ends` is: parents come before their children
        let mut sizes = vec![1; sorted.len()];
        for part in ends.iter().rev() {
            if let Some(parent) = some(parents[*part as usize]) {
                sizes[parent as usize] += sizes[*part as usize];
            }
        }
        let (mut numbers, mut next, mut next_root) = (vec![NONE; sorted.len()], vec![NONE; sorted.len()], 0);
        let mut parts = vec![PartInfo { length: 0, parent: NONE, last: NONE }; sorted.len()];
        for part in ends {
            let part = *part as usize;
            let (parent, size) = (parents[part], sizes[part]);
            let free = if parent == NONE { &mut next_root } else { &mut next[parent as usize] };
            let number_of_part = *free;
            *free += size;
            numbers[part] = number_of_part;
            next[part] = number_of_part + 1;
            let parent = if parent == NONE { NONE } else { numbers[parent as usize] };
            parts[number_of_part as usize] =
                PartInfo { length: number(sorted[part].len()), parent, last: number_of_part + size - 1 };
        }
        for state in &mut self.states {
            state.longest = numbers.get(state.longest as usize).copied().unwrap_or(NONE);
        }
        self.parts = parts.into_boxed_slice();
        numbers
    }

    /// Returns the state after reading `byte`.
    #[inline]
    pub(super) fn step(&self, mut state: u32, byte: u8) -> u32 {
        while state != START {
            let State { first_child, fallback, children, label, .. } = self.states[state as usize];
            if label == byte && children > 0 {
                return first_child;
            }
            if children > 1 {
                let others = first_child as usize + 1;
                let labels = &self.labels[others..others + usize::from(children) - 1];
                if let Some(at) = memchr::memchr(byte, labels) {
                    return number(others + at);
                }
            }
            state = fallback;
        }
        self.first[usize::from(byte)]
    }

    /// Returns the longest part that ends in this state.
    pub(super) fn longest(&self, state: u32) -> Option<Part> {
        some(self.states[state as usize].longest)
    }

    /// Returns the longest other part that this one ends with.
    pub(super) fn parent(&self, part: Part) -> Option<Part> {
        some(self.parts[part as usize].parent)
    }

    /// Returns the highest number of the parts that end with this one.
    pub(super) fn last(&self, part: Part) -> Part {
        self.parts[part as usize].last
    }

    /// The length of a part in bytes.
    pub(super) fn length(&self, part: Part) -> usize {
        self.parts[part as usize].length as usize
    }

    /// The number of parts.
    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }
}

impl State {
    fn children(self) -> Range<usize> {
        let first = self.first_child as usize;
        first..first + usize::from(self.children)
    }
}

/// Builds the states of all prefixes of the parts, breadth first, with their labels. Also returns the parts by length,
/// as indices of `sorted`.
fn trie(sorted: &[&[u8]]) -> (Box<[State]>, Box<[u8]>, Vec<Part>) {
    let (mut states, mut labels, mut ends) = (Vec::new(), vec![0], Vec::new());
    // for each state of one depth: the range of parts that begin with its text
    let (mut level, mut depth) = (Vec::from_iter(iter::once(0..sorted.len())), 0);
    while !level.is_empty() {
        let mut deeper = Vec::new();
        for mut parts in level {
            let mut longest = NONE;
            if sorted.get(parts.start).is_some_and(|part| part.len() == depth) {
                longest = number(parts.start);
                ends.push(longest);
                parts.start += 1;
            }
            let first_child = labels.len();
            for group in sorted[parts.clone()].chunk_by(|one, other| one[depth] == other[depth]) {
                labels.push(group[0][depth]);
                deeper.push(parts.start..parts.start + group.len());
                parts.start += group.len();
            }
            let children = (labels.len() - first_child) as u16;
            let label = labels.get(first_child).copied().unwrap_or_default();
            states.push(State { first_child: number(first_child), fallback: START, longest, children, label });
        }
        (level, depth) = (deeper, depth + 1);
    }
    (states.into_boxed_slice(), labels.into_boxed_slice(), ends)
}

fn some(part: Part) -> Option<Part> {
    (part != NONE).then_some(part)
}

fn number(at: usize) -> u32 {
    u32::try_from(at).expect("the parts of one level, from files below 4 GiB, have fewer than 2^32 bytes")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_part_is_found_wherever_it_ends(
            parts in proptest::collection::btree_set("[ab]{1,5}|[abc]{1,3}|é", 1..30),
            value in "[abcé]{0,60}",
        ) {
            let sorted: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
            let (automaton, numbers) = Automaton::new(&sorted);
            let mut state = START;
            for (at, byte) in value.bytes().enumerate() {
                state = automaton.step(state, byte);
                let found = iter::successors(automaton.longest(state), |part| automaton.parent(*part));
                let mut found: Vec<Part> = found.collect();
                let seen = &value.as_bytes()[..=at];
                let ending = (0..sorted.len()).filter(|part| seen.ends_with(sorted[*part]));
                let mut wanted: Vec<Part> = ending.map(|part| numbers[part]).collect();
                found.sort_unstable();
                wanted.sort_unstable();
                prop_assert_eq!(found, wanted);
            }
        }

        #[test]
        fn parts_that_end_with_a_part_are_numbered_after_it(
            parts in proptest::collection::btree_set("[ab]{1,5}", 1..30),
        ) {
            let sorted: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
            let (automaton, numbers) = Automaton::new(&sorted);
            for (one, number) in sorted.iter().zip(&numbers) {
                prop_assert_eq!(automaton.length(*number), one.len());
                for (other, within) in sorted.iter().zip(&numbers) {
                    prop_assert_eq!(other.ends_with(one), (*number..=automaton.last(*number)).contains(within));
                }
            }
        }
    }

    /// In the textbook automaton the lists would have 50 million elements here.
    #[test]
    fn parts_inside_each_other_take_no_more_memory_than_their_bytes() {
        let longest = vec![b'a'; 10_000];
        let sorted: Vec<&[u8]> = (1..=longest.len()).map(|length| &longest[..length]).collect();
        let (automaton, _) = Automaton::new(&sorted);
        assert_eq!(automaton.states.len(), 10_001);
        assert_eq!(automaton.labels.len(), 10_001);
        assert_eq!(automaton.parts(), 10_000);
    }
}
