//! Values with one or more `*`, each for any run of bytes, an empty one too.

use std::{collections::HashMap, hash::BuildHasher};

use memchr::memmem;

use crate::rules::tree::{Hasher, NodeIndex};

/// Up to this many patterns are tried one after the other.
const FEW: usize = 8;

/// The patterns of siblings. A node may have several.
#[derive(Debug, Default)]
pub(super) struct Globs {
    /// In file order.
    patterns: Box<[(NodeIndex, Box<str>)]>,
    shapes: Option<Shapes>,
}

/// Finds the few patterns that a value can match among many, by what they begin and end with.
#[derive(Debug)]
struct Shapes {
    /// The lengths of the texts before the first `*` and behind the last one, each pair once.
    lengths: Box<[(usize, usize)]>,
    /// By the hash of lengths and texts: places in the list of patterns, in order.
    by_ends: HashMap<u64, Vec<u32>, foldhash::fast::RandomState>,
}

impl Globs {
    /// `patterns` in file order, each of which holds a `*`.
    pub(super) fn new(patterns: Vec<(NodeIndex, Box<str>)>, hasher: &Hasher) -> Self {
        let shapes = (patterns.len() > FEW).then(|| Shapes::new(&patterns, hasher));
        Self { patterns: patterns.into_boxed_slice(), shapes }
    }

    /// The node of the first pattern in file order that `value` matches.
    pub(super) fn find(&self, hasher: &Hasher, value: &[u8]) -> Option<NodeIndex> {
        let found = match &self.shapes {
            None => self.patterns.iter().find(|(_, pattern)| matches(pattern, value)),
            Some(shapes) => {
                let is_match = |at: &u32| matches(&self.patterns[*at as usize].1, value);
                shapes.find(hasher, value, is_match).map(|at| &self.patterns[at as usize])
            }
        };
        found.map(|(at, _)| *at)
    }

    /// Whether `value` matches a pattern of this node.
    pub(super) fn is_match(&self, node: NodeIndex, value: &[u8]) -> bool {
        let first = self.patterns.partition_point(|(at, _)| *at < node);
        let of_node = self.patterns[first..].iter().take_while(|(at, _)| *at == node);
        of_node.clone().any(|(_, pattern)| matches(pattern, value))
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeIndex> + '_ {
        self.patterns.iter().map(|(at, _)| *at)
    }
}

impl Shapes {
    fn new(patterns: &[(NodeIndex, Box<str>)], hasher: &Hasher) -> Self {
        let mut lengths = Vec::new();
        let mut by_ends: HashMap<u64, Vec<u32>, _> = HashMap::default();
        for (at, (_, pattern)) in (0..).zip(patterns) {
            let (prefix, _, suffix) = split(pattern);
            lengths.push((prefix.len(), suffix.len()));
            by_ends.entry(ends_hash(hasher, prefix.as_bytes(), suffix.as_bytes())).or_default().push(at);
        }
        lengths.sort_unstable();
        lengths.dedup();
        Self { lengths: lengths.into_boxed_slice(), by_ends }
    }

    fn find(&self, hasher: &Hasher, value: &[u8], is_match: impl Fn(&u32) -> bool) -> Option<u32> {
        let mut best: Option<u32> = None;
        for (prefix, suffix) in &self.lengths {
            if prefix + suffix > value.len() {
                continue;
            }
            let hash = ends_hash(hasher, &value[..*prefix], &value[value.len() - suffix..]);
            let Some(candidates) = self.by_ends.get(&hash) else { continue };
            let earlier = candidates.iter().take_while(|at| best.is_none_or(|best| **at < best));
            best = earlier.copied().find(&is_match).or(best);
        }
        best
    }
}

fn ends_hash(hasher: &Hasher, prefix: &[u8], suffix: &[u8]) -> u64 {
    hasher.hash_one((prefix, suffix))
}

/// What stands before the first `*`, between the first and the last, and behind the last.
fn split(pattern: &str) -> (&str, Option<&str>, &str) {
    let Some((prefix, rest)) = pattern.split_once('*') else { return (pattern, None, "") };
    match rest.rsplit_once('*') {
        Some((middle, suffix)) => (prefix, Some(middle), suffix),
        None => (prefix, None, rest),
    }
}

/// Whether `value` matches `pattern`, which holds a `*`. The leftmost place for each part is as good as any other, so
/// nothing is tried twice.
fn matches(pattern: &str, value: &[u8]) -> bool {
    let (prefix, middle, suffix) = split(pattern);
    let Some(rest) = value.strip_prefix(prefix.as_bytes()) else { return false };
    let Some(mut rest) = rest.strip_suffix(suffix.as_bytes()) else { return false };
    for part in middle.into_iter().flat_map(|middle| middle.split('*')) {
        let Some(at) = memmem::find(rest, part.as_bytes()) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, by trying everything.
    fn naive<T: PartialEq + From<u8>>(pattern: &[T], value: &[T]) -> bool {
        match pattern.split_first() {
            None => value.is_empty(),
            Some((star, rest)) if *star == b'*'.into() => (0..=value.len()).any(|skip| naive(rest, &value[skip..])),
            Some((c, rest)) => value.first() == Some(c) && naive(rest, &value[1..]),
        }
    }

    #[test]
    fn runs_may_be_empty_and_do_not_overlap() {
        assert!(matches("*", b""));
        assert!(matches("a*b*c", b"abc"));
        assert!(!matches("ab*ba", b"aba"));
        assert!(matches("**", b"x"));
        assert!(!matches("*.example.com", b"example.com"));
    }

    #[test]
    fn a_hostile_pattern_is_no_slower_than_its_length() {
        // exponential, or even cubic, matching would not come back
        let pattern = "a*".repeat(20_000) + "b";
        assert!(!matches(&pattern, &[b'a'; 200_000]));
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*é]{0,4}\\*[ab*é]{0,4}", value in "[abé]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, value.as_bytes()), naive(&chars(&pattern), &chars(&value)));
        }

        #[test]
        fn agrees_with_the_definition_on_bytes(
            pattern in "[ab*é]{0,4}\\*[ab*é]{0,4}",
            value in proptest::collection::vec(proptest::sample::select(b"ab\xc3\xa9\xff".to_vec()), 0..10),
        ) {
            prop_assert_eq!(matches(&pattern, &value), naive(pattern.as_bytes(), &value));
        }
    }
}
