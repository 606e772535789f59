//! How the nodes of one level with equal keys match values, other than exactly: by network, glob pattern or regular
//! expression.

mod glob;
mod network;
mod regex;

use std::sync::Arc;

use self::{glob::Globs, network::Networks};
pub(super) use self::{
    network::{Network, network},
    regex::{Automaton, Budget, MAX_LENGTH},
};
use super::node_index::{Hasher, NodeIndex};

/// The patterns of siblings with one key, while the siblings are read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) networks: Vec<(Network, NodeIndex)>,
    /// In file order.
    pub(super) globs: Vec<(NodeIndex, Box<str>)>,
    /// In file order.
    pub(super) regexes: Vec<(NodeIndex, Automaton)>,
}

/// The patterns of siblings with one key.
#[derive(Debug)]
pub(super) struct PatternGroup {
    pub(super) parent: NodeIndex,
    pub(super) key: Arc<str>,
    networks: Networks,
    globs: Globs,
    regexes: Box<[(NodeIndex, Automaton)]>,
}

impl PatternGroup {
    pub(super) fn new(parent: NodeIndex, key: Arc<str>, draft: Draft, hasher: &Hasher) -> Self {
        let Draft { networks, globs, regexes } = draft;
        Self {
            parent,
            key,
            networks: Networks::new(networks),
            globs: Globs::new(globs, hasher),
            regexes: regexes.into_boxed_slice(),
        }
    }

    /// Returns the sibling that a value matches: the one with the smallest network that contains it, else the first in
    /// file order whose glob pattern or regular expression matches.
    pub(super) fn find(&self, hasher: &Hasher, value: &[u8]) -> Option<NodeIndex> {
        self.networks.find(value).or_else(|| {
            let glob = self.globs.find(hasher, value);
            let earlier = self.regexes.iter().take_while(|(at, _)| glob.is_none_or(|glob| *at < glob));
            earlier.clone().find(|(_, regex)| regex.matches(value)).map(|(at, _)| *at).or(glob)
        })
    }

    /// The siblings with a regular expression, in file order.
    pub(super) fn regexes(&self) -> impl ExactSizeIterator<Item = NodeIndex> {
        self.regexes.iter().map(|(at, _)| *at)
    }

    /// The siblings in the order of matching: those with networks, then the others, each in file order.
    pub(super) fn siblings(&self) -> Vec<NodeIndex> {
        let sorted = |nodes: &mut dyn Iterator<Item = NodeIndex>| {
            let mut nodes: Vec<_> = nodes.collect();
            nodes.sort_unstable();
            nodes.dedup();
            nodes
        };
        let mut all = sorted(&mut self.networks.nodes());
        all.extend(sorted(&mut self.globs.nodes().chain(self.regexes())));
        all
    }

    /// Whether the value matches this sibling on its own, whatever other siblings it matches.
    pub(super) fn is_match(&self, sibling: NodeIndex, value: &[u8]) -> bool {
        self.networks.holds(sibling, value)
            || self.globs.is_match(sibling, value)
            || self.regexes.iter().any(|(at, regex)| *at == sibling && regex.matches(value))
    }
}
