//! Which of many patterns a value matches first, in time that does not grow with their number times the value's length.
//!
//! 1. [`Ends`]: patterns whose prefix or suffix the value does not have are out. Nothing else is looked at if few are left.
//! 2. One pass finds the parts that are in the value at all. A pattern stays if its rarest part is among them.
//! 3. If still more than a few are left, [`Race`] matches all of them in one more pass.

use smallvec::SmallVec;

use super::{
    FEW_PARTED,
    ends::{Ends, Group},
    matches,
    parted::{Parted, Pattern, Patterns},
    race::Race,
};
use crate::node_index::Hasher;

/// More than a few patterns.
#[derive(Debug)]
pub(super) struct Many {
    ends: Ends,
    /// For more than a few with parts.
    parted: Option<Parted>,
}

impl Many {
    pub(super) fn new(patterns: &Patterns, hasher: &Hasher) -> Self {
        let ends = Ends::new(patterns, hasher);
        let parted = (ends.parted() > FEW_PARTED).then(|| Parted::new(patterns));
        Self { ends, parted }
    }

    /// The place of the first pattern that `value` matches.
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
            Some(parted) if candidates().nth(FEW_PARTED).is_some() => {
                let with_parts = parted.with_parts(value);
                let mut left: Vec<Pattern> =
                    with_parts.filter(|pattern| is_earlier(&pattern.at) && pattern.has_ends(patterns, value)).collect();
                if left.len() > FEW_PARTED {
                    left.sort_unstable_by_key(|pattern| pattern.prefix);
                    Race::new(parted, &left, value).run().or(bare)
                } else {
                    left.iter().map(|pattern| pattern.at).fold(bare, first)
                }
            }
            _ => candidates().fold(bare, first),
        }
    }
}
