//! Finds the first of many patterns that a value matches, in less time than their number times the value's length.
//!
//! 1. [`Ends`] drops the patterns whose prefix or suffix the value does not have. If few are left, they are tried.
//! 2. One pass over the value finds the parts that it contains. A pattern is kept if its rarest part is among them.
//! 3. If more than a few are left, [`Scan`] matches all of them in one more pass.

use smallvec::SmallVec;

use super::{
    MAX_SEQUENTIAL_PARTED,
    ends::{Ends, Group},
    matches,
    parted::{Parted, Pattern, Patterns},
    scan::Scan,
};
use crate::node_index::Hasher;

/// Matches more patterns than [`MAX_SEQUENTIAL`](super::MAX_SEQUENTIAL).
#[derive(Debug)]
pub(super) struct Many {
    ends: Ends,
    /// Only if more than a few patterns have parts.
    parted: Option<Parted>,
}

impl Many {
    pub(super) fn new(patterns: &Patterns, hasher: &Hasher) -> Self {
        let ends = Ends::new(patterns, hasher);
        let parted = (ends.parted() > MAX_SEQUENTIAL_PARTED).then(|| Parted::new(patterns));
        Self { ends, parted }
    }

    /// Returns the index of the first pattern that `value` matches.
    pub(super) fn find(&self, patterns: &Patterns, hasher: &Hasher, value: &[u8]) -> Option<u32> {
        let (mut bare, mut groups): (Option<u32>, SmallVec<[&Group; 8]>) = (None, SmallVec::new());
        self.ends.for_each(hasher, value, |group| {
            bare = group.bare.filter(|at| bare.is_none_or(|bare| *at < bare)).or(bare);
            if !group.parted.is_empty() {
                groups.push(group);
            }
        });
        if groups.is_empty() {
            return bare;
        }
        let is_earlier = |at: &u32| bare.is_none_or(|bare| *at < bare);
        let candidates = || groups.iter().flat_map(|group| group.parted.iter().copied().take_while(is_earlier));
        let first = |best: Option<u32>, at: u32| {
            let is_first = best.is_none_or(|best| at < best) && matches(&patterns[at as usize].1, value);
            if is_first { Some(at) } else { best }
        };
        match &self.parted {
            Some(parted) if candidates().nth(MAX_SEQUENTIAL_PARTED).is_some() => {
                let with_parts = parted.with_parts(value);
                let mut left: Vec<Pattern> =
                    with_parts.filter(|pattern| is_earlier(&pattern.at) && pattern.has_ends(patterns, value)).collect();
                if left.len() > MAX_SEQUENTIAL_PARTED {
                    left.sort_unstable_by_key(|pattern| pattern.prefix);
                    Scan::new(parted, &left, value).run().or(bare)
                } else {
                    left.iter().map(|pattern| pattern.at).fold(bare, first)
                }
            }
            _ => candidates().fold(bare, first),
        }
    }
}
