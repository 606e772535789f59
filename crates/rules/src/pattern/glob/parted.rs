//! Patterns with literal parts between their prefix and suffix, by their rarest part.

use super::{
    automaton::{Automaton, Part, START},
    split,
};
use crate::node_index::NodeIndex;

/// Patterns with their nodes, in file order.
pub(super) type Patterns = [(NodeIndex, Box<str>)];

/// The patterns with literal parts between their first `*` and their last one.
#[derive(Debug)]
pub(super) struct Parted {
    pub(super) automaton: Automaton,
    /// Sorted by their rarest part.
    patterns: Box<[Pattern]>,
    /// For each part, the index in `patterns` of the first pattern whose rarest part it is; and the end of the last.
    starts: Box<[u32]>,
    /// The parts of all patterns, one pattern after another.
    parts: Box<[Part]>,
}

/// A pattern with parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pattern {
    /// Its index in file order.
    pub(super) at: u32,
    /// The number of bytes before its first `*`.
    pub(super) prefix: u32,
    /// The number of bytes after its last `*`.
    pub(super) suffix: u32,
    first_part: u32,
    parts: u32,
}

impl Parted {
    pub(super) fn new(patterns: &Patterns) -> Self {
        let texts = || (0..).zip(patterns.iter().map(|(_, pattern)| split(pattern)));
        let mut sorted: Vec<&[u8]> = texts().flat_map(|(_, (_, middle, _))| parts(middle)).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let (automaton, numbers) = Automaton::new(&sorted);
        let number = |part: &[u8]| numbers[sorted.partition_point(|other| *other < part)];
        let mut all: Vec<Part> = Vec::new();
        let mut found: Vec<Pattern> = Vec::new();
        for (at, (prefix, middle, suffix)) in texts() {
            let first_part = all.len();
            all.extend(parts(middle).map(number));
            if all.len() > first_part {
                let [first_part, parts, prefix, suffix] =
                    [first_part, all.len() - first_part, prefix.len(), suffix.len()].map(|number| number as u32);
                found.push(Pattern { at, prefix, suffix, first_part, parts });
            }
        }
        let mut uses = vec![0u32; automaton.parts()];
        all.iter().for_each(|part| uses[*part as usize] += 1);
        let this = Self { automaton, patterns: Box::default(), starts: Box::default(), parts: all.into_boxed_slice() };
        let rarest = |pattern: &Pattern| {
            let length = |part: Part| this.automaton.length(part);
            let parts = this.parts_of(pattern).iter().copied();
            parts.min_by_key(|part| (uses[*part as usize], usize::MAX - length(*part)))
        };
        found.sort_by_cached_key(rarest);
        let mut starts = vec![0u32; this.automaton.parts() + 1];
        found.iter().filter_map(rarest).for_each(|part| starts[part as usize + 1] += 1);
        for part in 1..starts.len() {
            starts[part] += starts[part - 1];
        }
        Self { patterns: found.into_boxed_slice(), starts: starts.into_boxed_slice(), ..this }
    }

    /// The patterns whose rarest part occurs in `value`.
    pub(super) fn with_parts(&self, value: &[u8]) -> impl Iterator<Item = Pattern> {
        let mut is_seen = vec![0u64; self.automaton.parts().div_ceil(64)];
        let (mut seen, mut state) = (Vec::new(), START);
        for byte in value {
            state = self.automaton.step(state, *byte);
            let mut ending = self.automaton.longest(state);
            // if a part was seen before, so were the parts that it ends with
            while let Some(part) = ending.filter(|part| is_seen[*part as usize / 64] >> (part % 64) & 1 == 0) {
                is_seen[part as usize / 64] |= 1 << (part % 64);
                seen.push(part);
                ending = self.automaton.parent(part);
            }
        }
        seen.into_iter().flat_map(|part| {
            let [from, to] = [0, 1].map(|more| self.starts[part as usize + more] as usize);
            self.patterns[from..to].iter().copied()
        })
    }

    /// All patterns.
    #[cfg(test)]
    pub(super) fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// The parts of a pattern, in order.
    pub(super) fn parts_of(&self, pattern: &Pattern) -> &[Part] {
        &self.parts[pattern.first_part as usize..][..pattern.parts as usize]
    }
}

impl Pattern {
    /// Whether `value` begins and ends like the pattern.
    pub(super) fn has_ends(&self, patterns: &Patterns, value: &[u8]) -> bool {
        let pattern = patterns[self.at as usize].1.as_bytes();
        let (prefix, suffix) = (self.prefix as usize, self.suffix as usize);
        prefix + suffix <= value.len()
            && value[..prefix] == pattern[..prefix]
            && value.ends_with(&pattern[pattern.len() - suffix..])
    }
}

/// The texts between the `*` in the middle of a pattern.
fn parts(middle: Option<&str>) -> impl Iterator<Item = &[u8]> {
    middle.into_iter().flat_map(|middle| middle.as_bytes().split(|byte| *byte == b'*')).filter(|part| !part.is_empty())
}
