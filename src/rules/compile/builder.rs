//! Puts one domain together, node by node in file order.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use hashbrown::HashTable;

use super::header::Settings;
use crate::rules::{
    Domain, Node, Rule, RuleId,
    find::place_hash,
    glob::WildcardGroup,
    metric,
    tree::{Hasher, NO_RULE, NodeFlags, NodeIndex, ROOT},
};

/// A node that is to be added.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewNode<'a> {
    pub(super) parent: NodeIndex,
    pub(super) key: &'a str,
    pub(super) value: Option<&'a str>,
    pub(super) flags: NodeFlags,
    pub(super) file: u32,
    pub(super) line: u32,
}

#[derive(Debug, Default)]
pub(super) struct Builder {
    nodes: Vec<Node>,
    rules: Vec<Rule>,
    index: HashTable<NodeIndex>,
    texts: HashSet<Arc<str>>,
    orphans: u32,
    hasher: Hasher,
}

impl Builder {
    /// Adds a node; gives the one that is already there if it is a sibling with the same key and value.
    pub(super) fn node(&mut self, new: NewNode<'_>) -> Result<NodeIndex, &Node> {
        let hash = place_hash(&self.hasher, new.parent, new.key, new.value);
        let nodes = &self.nodes;
        let same = |at: &NodeIndex| {
            let node = &nodes[*at as usize];
            node.parent == new.parent && node.value.as_deref() == new.value && *node.key == *new.key
        };
        if let Some(at) = self.index.find(hash, same) {
            return Err(&self.nodes[*at as usize]);
        }
        let at = u32::try_from(self.nodes.len()).expect("a file below 4 GiB has fewer nodes than 2^32");
        self.index.insert_unique(hash, at, |at| {
            let node = &nodes[*at as usize];
            place_hash(&self.hasher, node.parent, &node.key, node.value.as_deref())
        });
        let key = self.intern(new.key);
        let NewNode { parent, flags, file, line, .. } = new;
        self.nodes.push(Node { key, value: new.value.map(Into::into), parent, rule: NO_RULE, file, line, flags });
        if flags.wildcard
            && let Some(parent) = self.nodes.get_mut(parent as usize)
        {
            parent.flags.has_wildcards = true;
        }
        Ok(at)
    }

    /// One copy of a text that comes often.
    pub(super) fn intern(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.texts.insert(new.clone());
        new
    }

    /// A parent for what has none because of a fault: no two share it, and the load is refused anyway.
    pub(super) fn orphan(&mut self) -> NodeIndex {
        self.orphans += 1;
        ROOT - self.orphans
    }

    /// Gives a node its rule. The rule's id and node are set here.
    pub(super) fn rule(&mut self, at: NodeIndex, rule: Rule) {
        let number = u32::try_from(self.rules.len()).expect("no more rules than nodes");
        self.nodes[at as usize].rule = number;
        let varying_metric = metric::varies(self.ancestry(at), self.nodes[at as usize].detailed_metric());
        self.rules.push(Rule { node: at, varying_metric, ..rule });
    }

    fn ancestry(&self, at: NodeIndex) -> impl Iterator<Item = &Node> {
        std::iter::successors(self.nodes.get(at as usize), |node| self.nodes.get(node.parent as usize))
    }

    /// The finished domain, whose rules' ids begin at `first_rule`.
    pub(super) fn finish(mut self, name: Arc<str>, settings: &Settings, first_rule: u32) -> Domain {
        for (number, rule) in (first_rule..).zip(&mut self.rules) {
            rule.id = RuleId(number);
        }
        self.index.shrink_to_fit(|at| {
            let node = &self.nodes[*at as usize];
            place_hash(&self.hasher, node.parent, &node.key, node.value.as_deref())
        });
        let (wildcards, wildcard_index) = self.wildcards();
        Domain {
            name,
            atomic: settings.atomic(),
            on_unknown: settings.on_unknown(),
            on_store_failure: settings.on_store_failure(),
            root_has_wildcards: wildcards.iter().any(|group| group.parent == ROOT),
            nodes: self.nodes.into_boxed_slice(),
            rules: self.rules.into_boxed_slice(),
            first_rule,
            index: self.index,
            wildcards,
            wildcard_index,
            hasher: self.hasher,
        }
    }

    fn wildcards(&self) -> (Box<[WildcardGroup]>, HashTable<u32>) {
        let mut by_place: HashMap<(NodeIndex, &Arc<str>), Vec<NodeIndex>> = HashMap::new();
        for (at, node) in (0..).zip(&self.nodes) {
            if node.flags.wildcard {
                by_place.entry((node.parent, &node.key)).or_default().push(at);
            }
        }
        let groups: Box<[WildcardGroup]> = by_place
            .into_iter()
            .map(|((parent, key), patterns)| {
                WildcardGroup::new(parent, key.clone(), patterns, &self.nodes, &self.hasher)
            })
            .collect();
        let hash = |at: &u32| {
            let group = &groups[*at as usize];
            place_hash(&self.hasher, group.parent, &group.key, None)
        };
        let mut index = HashTable::with_capacity(groups.len());
        for at in (0..).take(groups.len()) {
            index.insert_unique(hash(&at), at, hash);
        }
        (groups, index)
    }
}
