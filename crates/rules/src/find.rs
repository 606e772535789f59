//! Matches one descriptor: level by level, entry by entry, without backtracking.

use std::hash::{BuildHasher, Hasher as _};

use smallvec::SmallVec;

use super::{
    Domain, Node, Rule,
    node_index::{Hasher, NO_RULE, NodeIndex, ROOT},
    pattern::PatternGroup,
    tree::Listed,
};
use limiter::domain::{Entry, KeyValue};

/// The rule that a descriptor matched, and the nodes on the path to it.
#[derive(Debug, Clone)]
pub struct Match<'a> {
    /// One node for each entry of the descriptor.
    pub path: SmallVec<[&'a Node; 4]>,
    /// The rule of the last node.
    pub rule: &'a Rule,
}

impl<'a> Match<'a> {
    /// The entries as they go into the counter's key: a pattern whose values share one counter replaces the value.
    /// `entries` are those that were matched.
    pub fn key_entries<'e>(&'e self, entries: &'e [Entry<'e>]) -> impl Iterator<Item = (&'e [u8], KeyValue<'e>)>
    where
        'a: 'e,
    {
        entries.iter().zip(&self.path).map(|(entry, node)| (entry.key, node.key_value(entry.value)))
    }
}

/// The hash by which a child is looked up: of its parent, key and value. Rules and requests hash bytes alike, because a
/// `str` has another hash.
pub(super) fn child_hash(hasher: &Hasher, parent: NodeIndex, key: &[u8], value: Option<&[u8]>) -> u64 {
    let mut state = hasher.build_hasher();
    state.write_u32(parent);
    // without the lengths that `Hash` adds: the hasher mixes lengths in, and candidates are compared anyway
    state.write(key);
    if let Some(value) = value {
        state.write(value);
    }
    state.finish()
}

impl Domain {
    /// Returns the rule for a descriptor: the one at the depth of its last entry. Does not allocate for up to four
    /// entries.
    #[must_use]
    pub fn find(&self, entries: &[Entry<'_>]) -> Option<Match<'_>> {
        let mut path = SmallVec::new();
        let mut at = ROOT;
        for entry in entries {
            at = self.step(at, *entry)?;
            path.push(&self.nodes[at as usize]);
        }
        let rule = self.rule_at(at)?;
        Some(Match { path, rule })
    }

    /// Returns the child that an entry matches: by its exact value, else the smallest network, else the first pattern
    /// or regular expression in file order, else the child without a value.
    fn step(&self, parent: NodeIndex, entry: Entry<'_>) -> Option<NodeIndex> {
        // an empty value means the same as none, in files and in requests
        let exact = if entry.value.is_empty() { None } else { self.child(parent, entry.key, Some(entry.value)) };
        exact.or_else(|| self.pattern_child(parent, entry)).or_else(|| self.child(parent, entry.key, None))
    }

    /// Returns the child with this key and value, or without a value. A value that equals the text of a pattern matches
    /// it exactly.
    pub(super) fn child(&self, parent: NodeIndex, key: &[u8], value: Option<&[u8]>) -> Option<NodeIndex> {
        let hash = child_hash(&self.hasher, parent, key, value);
        let is_it = |at: NodeIndex| {
            let node = &self.nodes[at as usize];
            node.parent == parent && node.value.is(value) && node.key.as_bytes() == key
        };
        let is_listed = |listed: &Listed| {
            let node = &self.nodes[listed.node as usize];
            node.parent == parent && value == Some(listed.value.as_bytes()) && node.key.as_bytes() == key
        };
        let one = self.index.find(hash, is_it);
        one.or_else(|| self.listed.find(hash, is_listed).map(|listed| listed.node))
    }

    /// Returns the child with this key whose network, pattern or regular expression matches the value.
    fn pattern_child(&self, parent: NodeIndex, entry: Entry<'_>) -> Option<NodeIndex> {
        let has_patterns =
            self.nodes.get(parent as usize).map_or(self.root_has_patterns, |node| node.flags.has_patterns);
        if !has_patterns {
            return None;
        }
        self.pattern_group(parent, entry.key)?.find(&self.hasher, entry.value)
    }

    /// Returns the children with this key that have networks, patterns or regular expressions.
    pub(super) fn pattern_group(&self, parent: NodeIndex, key: &[u8]) -> Option<&PatternGroup> {
        let hash = child_hash(&self.hasher, parent, key, None);
        let is_it = |at: &u32| {
            let group = &self.patterns[*at as usize];
            group.parent == parent && group.key.as_bytes() == key
        };
        self.pattern_index.find(hash, is_it).map(|at| &self.patterns[*at as usize])
    }

    /// Returns the rule of a node, if it has one.
    pub(super) fn rule_at(&self, at: NodeIndex) -> Option<&Rule> {
        let node = self.nodes.get(at as usize)?;
        if node.rule == NO_RULE { None } else { self.rules.get(node.rule as usize) }
    }

    /// Returns a rule with the nodes on the path to it.
    pub(super) fn as_match<'a>(&'a self, rule: &'a Rule) -> Match<'a> {
        let mut path = SmallVec::new();
        let mut at = rule.node;
        while let Some(node) = self.nodes.get(at as usize) {
            path.push(node);
            at = node.parent;
        }
        path.reverse();
        Match { path, rule }
    }
}
