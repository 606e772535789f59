//! Values with one or more `*`, each of which stands for any number of bytes, including none.

mod automaton;
mod ends;
mod many;
mod parted;
mod scan;
mod waited;

use memchr::memmem;

use self::many::Many;
use crate::node_index::{Hasher, NodeIndex};

/// Up to this many patterns are tried one after another.
const MAX_SEQUENTIAL: usize = 8;

/// Up to this many patterns with parts are tried one after another, of those whose prefix and suffix the value has.
/// Searching one part takes 0.05 to 1 ns per byte, a pass of the automaton 2 to 10 ns.
const MAX_SEQUENTIAL_PARTED: usize = 32;

/// The glob patterns of sibling nodes. A node may have several.
#[derive(Debug, Default)]
pub(super) struct Globs {
    /// In file order.
    patterns: Box<[(NodeIndex, Box<str>)]>,
    many: Option<Many>,
}

impl Globs {
    /// `patterns` must be in file order, and each must contain a `*`.
    pub(super) fn new(patterns: Vec<(NodeIndex, Box<str>)>, hasher: &Hasher) -> Self {
        let many = (patterns.len() > MAX_SEQUENTIAL).then(|| Many::new(&patterns, hasher));
        Self { patterns: patterns.into_boxed_slice(), many }
    }

    /// Returns the node of the first pattern in file order that `value` matches.
    pub(super) fn find(&self, hasher: &Hasher, value: &[u8]) -> Option<NodeIndex> {
        let found = match &self.many {
            None => self.patterns.iter().find(|(_, pattern)| matches(pattern, value)),
            Some(many) => many.find(&self.patterns, hasher, value).map(|at| &self.patterns[at as usize]),
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

/// Splits a pattern into the texts before the first `*`, between the first and the last, and after the last.
fn split(pattern: &str) -> (&str, Option<&str>, &str) {
    let Some((prefix, rest)) = pattern.split_once('*') else { return (pattern, None, "") };
    match rest.rsplit_once('*') {
        Some((middle, suffix)) => (prefix, Some(middle), suffix),
        None => (prefix, None, rest),
    }
}

/// Whether `value` matches `pattern`, which contains a `*`. Taking the leftmost match of each part is always optimal,
/// so there is no backtracking.
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
mod tests;
