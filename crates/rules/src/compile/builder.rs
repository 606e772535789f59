//! Builds one domain, node by node in file order.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use hashbrown::HashTable;

use super::{header::Settings, matcher::Matcher, reader::clip};
use crate::{
    Domain, Node, Rule, RuleId,
    find::child_hash,
    index::Index,
    metric,
    node_index::{Hasher, NO_RULE, NodeIndex, ROOT},
    pattern::{Draft, Network, PatternGroup},
    tree::{Listed, NodeFlags},
    value::Value,
};

/// A descriptor of a rule file, to be added as a node.
#[derive(Debug)]
pub(super) struct NewNode<'a> {
    pub(super) parent: NodeIndex,
    pub(super) key: &'a str,
    pub(super) matcher: Matcher<'a>,
    pub(super) flags: NodeFlags,
    pub(super) file: u32,
    pub(super) line: u32,
}

/// An existing sibling that matches something that a new node matches too.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Duplicate {
    /// What both match, as a message says it.
    pub(super) matches: String,
    pub(super) file: u32,
    pub(super) line: u32,
}

#[derive(Debug, Default)]
pub(super) struct Builder {
    nodes: Vec<Node>,
    rules: Vec<Rule>,
    index: Index,
    listed: HashTable<Listed>,
    /// By parent and key, until [`Builder::finish`] makes groups of them.
    patterns: HashMap<(NodeIndex, Arc<str>), Draft>,
    networks: HashMap<(NodeIndex, Arc<str>, Network), NodeIndex>,
    regexes: HashMap<(NodeIndex, Arc<str>, Box<str>), NodeIndex>,
    texts: HashSet<Arc<str>>,
    orphans: u32,
    hasher: Hasher,
}

impl Builder {
    /// Adds a node, unless a sibling with its key matches the same value or pattern.
    pub(super) fn node(&mut self, new: NewNode<'_>) -> Result<NodeIndex, Duplicate> {
        let NewNode { parent, key, matcher, flags, file, line } = new;
        let key = self.intern(key);
        if let Some((at, matches)) = self.duplicate(parent, &key, &matcher) {
            let Node { file, line, .. } = self.nodes[at as usize];
            return Err(Duplicate { matches, file, line });
        }
        let at = u32::try_from(self.nodes.len()).expect("a file below 4 GiB has fewer nodes than 2^32");
        let value = Value::new(matcher.text().as_deref());
        self.nodes.push(Node { key: key.clone(), value, parent, rule: NO_RULE, file, line, flags });
        match matcher {
            Matcher::Any => self.index(at),
            Matcher::Value(value) => {
                self.index(at);
                if value.contains('*') {
                    self.pattern(parent, key, |patterns| patterns.globs.push((at, value.into())));
                }
            }
            Matcher::Values(values) => {
                for value in values {
                    self.list(at, value);
                    if value.contains('*') {
                        self.pattern(parent, key.clone(), |patterns| patterns.globs.push((at, value.into())));
                    }
                }
            }
            Matcher::Cidr(networks) => {
                for network in networks {
                    self.networks.insert((parent, key.clone(), network), at);
                    self.pattern(parent, key.clone(), |patterns| patterns.networks.push((network, at)));
                }
            }
            Matcher::Regex { text, automaton } => {
                self.regexes.insert((parent, key.clone(), text.into()), at);
                self.pattern(parent, key, |patterns| patterns.regexes.push((at, automaton)));
            }
        }
        Ok(at)
    }

    /// Returns a sibling with the same key that overlaps with the new node, and the text of what both match.
    fn duplicate(&self, parent: NodeIndex, key: &Arc<str>, matcher: &Matcher<'_>) -> Option<(NodeIndex, String)> {
        let of_value = |value: &str| {
            let at = self.find(parent, key, Some(value))?;
            Some((at, format!("value `{}`", clip(value))))
        };
        match matcher {
            Matcher::Any => self.find(parent, key, None).map(|at| (at, "no value".to_owned())),
            Matcher::Value(value) => of_value(value),
            Matcher::Values(values) => values.iter().find_map(|value| of_value(value)),
            Matcher::Cidr(networks) => networks.iter().find_map(|network| {
                let at = self.networks.get(&(parent, key.clone(), *network))?;
                Some((*at, format!("cidr `{network}`")))
            }),
            Matcher::Regex { text, .. } => {
                let at = self.regexes.get(&(parent, key.clone(), Box::from(*text)))?;
                Some((*at, format!("regex `{}`", clip(text))))
            }
        }
    }

    /// Returns the sibling with exactly this value, alone or in a list; for `None` the sibling without a value.
    fn find(&self, parent: NodeIndex, key: &str, value: Option<&str>) -> Option<NodeIndex> {
        let value = value.map(str::as_bytes);
        let hash = child_hash(&self.hasher, parent, key.as_bytes(), value);
        let is_there = |at: NodeIndex| self.nodes[at as usize].parent == parent && *self.nodes[at as usize].key == *key;
        let one = self.index.find(hash, |at| self.nodes[at as usize].value.is(value) && is_there(at));
        let listed =
            || self.listed.find(hash, |listed| value == Some(listed.value.as_bytes()) && is_there(listed.node));
        one.or_else(|| listed().map(|listed| listed.node))
    }

    fn index(&mut self, at: NodeIndex) {
        let node = &self.nodes[at as usize];
        self.index.insert(child_hash(&self.hasher, node.parent, node.key.as_bytes(), node.value.bytes()), at);
    }

    fn list(&mut self, node: NodeIndex, value: &str) {
        let hash = |listed: &Listed| {
            let Node { parent, key, .. } = &self.nodes[listed.node as usize];
            child_hash(&self.hasher, *parent, key.as_bytes(), Some(listed.value.as_bytes()))
        };
        let listed = Listed { node, value: value.into() };
        self.listed.insert_unique(hash(&listed), listed, hash);
    }

    fn pattern(&mut self, parent: NodeIndex, key: Arc<str>, add: impl FnOnce(&mut Draft)) {
        add(self.patterns.entry((parent, key)).or_default());
        if let Some(parent) = self.nodes.get_mut(parent as usize) {
            parent.flags.has_patterns = true;
        }
    }

    /// Returns the one copy of a text that occurs often.
    pub(super) fn intern(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.texts.insert(new.clone());
        new
    }

    /// Returns a parent for descriptors whose own parent was rejected. Each orphan has a parent of its own, so that no
    /// conflicts between them are reported; the rules as a whole are rejected anyway.
    pub(super) fn orphan(&mut self) -> NodeIndex {
        self.orphans += 1;
        ROOT - self.orphans
    }

    /// Sets the rule of a node, including the rule's id and node.
    pub(super) fn rule(&mut self, at: NodeIndex, rule: Rule) {
        let number = u32::try_from(self.rules.len()).expect("no more rules than nodes");
        self.nodes[at as usize].rule = number;
        let varying_metric = metric::varies(self.ancestry(at), self.nodes[at as usize].detailed_metric());
        self.rules.push(Rule { node: at, varying_metric, ..rule });
    }

    fn ancestry(&self, at: NodeIndex) -> impl Iterator<Item = &Node> {
        std::iter::successors(self.nodes.get(at as usize), |node| self.nodes.get(node.parent as usize))
    }

    /// Finishes the domain. The ids of its rules begin at `first_rule`.
    pub(super) fn finish(mut self, name: Arc<str>, settings: &Settings, first_rule: u32) -> Domain {
        for (number, rule) in (first_rule..).zip(&mut self.rules) {
            rule.id = RuleId(number);
        }
        self.index.shrink();
        let (patterns, pattern_index) = groups(self.patterns, &self.hasher);
        Domain {
            name,
            atomic: settings.atomic(),
            on_unknown: settings.on_unknown(),
            on_store_failure: settings.on_store_failure(),
            root_has_patterns: patterns.iter().any(|group| group.parent == ROOT),
            nodes: self.nodes.into_boxed_slice(),
            rules: self.rules.into_boxed_slice(),
            first_rule,
            index: self.index,
            listed: self.listed,
            patterns,
            pattern_index,
            hasher: self.hasher,
        }
    }
}

/// Makes groups of the patterns, by parent and key, and an index of the groups.
fn groups(drafts: HashMap<(NodeIndex, Arc<str>), Draft>, hasher: &Hasher) -> (Box<[PatternGroup]>, HashTable<u32>) {
    let groups: Box<[PatternGroup]> =
        drafts.into_iter().map(|((parent, key), draft)| PatternGroup::new(parent, key, draft, hasher)).collect();
    let hash = |at: &u32| {
        let group = &groups[*at as usize];
        child_hash(hasher, group.parent, group.key.as_bytes(), None)
    };
    let mut index = HashTable::with_capacity(groups.len());
    for at in (0..).take(groups.len()) {
        index.insert_unique(hash(&at), at, hash);
    }
    (groups, index)
}
