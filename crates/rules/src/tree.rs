//! The compiled rules: immutable, in a few arrays.
//!
//! A domain keeps all its nodes in one array, in file order, and finds the children of a node through one hash table
//! for the whole domain. So a level with 10 000 siblings is as fast as a level with ten, and a level with one has no
//! table of its own.

use std::sync::Arc;

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::{
    index::Index,
    node_index::{Hasher, NodeIndex},
    pattern::{Network, PatternGroup, network},
    value::Value,
};
use limiter::domain::{FailureMode, KeyValue, Limit, Metadata, SharedKind};

/// A rule's number within its set: dense, from 0, sorted by the name of the domain and then in file order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub u32);

/// The answer for a descriptor that matches no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnUnknown {
    /// It passes, uncounted.
    #[default]
    Allow,
    /// It is over its limit.
    Deny,
}

/// The rules of one domain.
#[derive(Debug)]
pub struct Domain {
    pub(super) name: Arc<str>,
    pub(super) atomic: bool,
    pub(super) on_unknown: OnUnknown,
    pub(super) on_store_failure: Option<FailureMode>,
    /// In file order, parents before their children.
    pub(super) nodes: Box<[Node]>,
    /// In file order. Their ids begin at `first_rule`.
    pub(super) rules: Box<[Rule]>,
    pub(super) first_rule: u32,
    pub(super) root_has_patterns: bool,
    /// By parent, key and value: every node with one value, or without one.
    pub(super) index: Index,
    /// By parent, key and value: the single values of nodes with a list.
    pub(super) listed: HashTable<Listed>,
    /// The patterns of the children of one node that have equal keys.
    pub(super) patterns: Box<[PatternGroup]>,
    pub(super) pattern_index: HashTable<u32>,
    pub(super) hasher: Hasher,
}

/// One of the values in the list of a node.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) node: NodeIndex,
    pub(super) value: Box<str>,
}

/// One descriptor of a file: a step on the path to a rule. Fits a cache line.
#[derive(Debug)]
#[repr(align(64))]
pub struct Node {
    pub(super) key: Arc<str>,
    /// See [`Node::value`].
    pub(super) value: Value,
    pub(super) parent: NodeIndex,
    pub(super) rule: u32,
    pub(super) file: u32,
    pub(super) line: u32,
    pub(super) flags: NodeFlags,
}

/// How a node matches an entry's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValueKind {
    /// Any value matches.
    #[default]
    Any,
    /// The value must be equal.
    Exact,
    /// The value must match a pattern with `*`.
    Glob,
    /// The value must be equal to one of several, or match one of several patterns.
    List,
    /// The value must be an address or network in a network.
    Cidr,
    /// The whole value must match a regular expression.
    Regex,
}

/// The options of a node, apart from its key and value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct NodeFlags {
    pub(super) kind: ValueKind,
    pub(super) has_patterns: bool,
    pub(super) share_threshold: bool,
    pub(super) detailed_metric: bool,
    pub(super) value_to_metric: bool,
}

/// The limits of a rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Policy {
    /// No limit; nothing is counted.
    Unlimited,
    /// One limit or, from `rate_limits`, several that are charged all or none. Never empty.
    Limited(SmallVec<[Limit; 1]>),
}

/// A node's rule: its limits and how they are applied.
#[derive(Debug)]
pub struct Rule {
    pub(super) id: RuleId,
    pub(super) node: NodeIndex,
    pub(super) policy: Policy,
    pub(super) shadow: bool,
    pub(super) quota: bool,
    /// Whether its statistics can depend on the request.
    pub(super) varying_metric: bool,
    pub(super) on_store_failure: Option<FailureMode>,
    /// Options that few rules have.
    pub(super) extras: Option<Box<Extras>>,
}

#[derive(Debug, Default)]
pub(super) struct Extras {
    pub(super) name: Option<Arc<str>>,
    pub(super) replaces: Box<[Arc<str>]>,
    pub(super) metadata: Option<Arc<Metadata>>,
}

impl Domain {
    /// The domain's name.
    #[must_use]
    #[inline]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether a request's descriptors are charged all or none.
    #[must_use]
    #[inline]
    pub fn atomic(&self) -> bool {
        self.atomic
    }

    /// The answer for a descriptor that matches no rule.
    #[must_use]
    #[inline]
    pub fn on_unknown(&self) -> OnUnknown {
        self.on_unknown
    }

    /// The failure mode of the domain, if it sets one: for limits that a request carries. [`Rule::on_store_failure`]
    /// includes it already.
    #[must_use]
    #[inline]
    pub fn on_store_failure(&self) -> Option<FailureMode> {
        self.on_store_failure
    }

    /// Returns a rule of this domain.
    ///
    /// # Panics
    /// If the rule belongs to another domain.
    #[must_use]
    #[inline]
    pub fn rule(&self, id: RuleId) -> &Rule {
        &self.rules[(id.0 - self.first_rule) as usize]
    }

    pub(super) fn is_named(&self, name: &[u8]) -> bool {
        self.name.as_bytes() == name
    }
}

impl Node {
    /// How the value of an entry is matched.
    #[must_use]
    pub fn value_kind(&self) -> ValueKind {
        self.flags.kind
    }

    /// The key that an entry must have.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The text for statistics: the value that an entry must have, or the pattern or regular expression that it must
    /// match, as written. Several values or networks are sorted and joined with `|`; a long list is cut and gets a
    /// hash. `None` if any value matches.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.get()
    }

    /// What represents `value`, which this node matched, in a counter's key.
    pub(super) fn key_value<'a>(&'a self, value: &'a [u8]) -> KeyValue<'a> {
        match self.value() {
            Some(text) if self.share_threshold() => KeyValue::Shared { kind: self.shared_kind(), text },
            _ => self.network(value).map_or(KeyValue::Exact(value), Network::key_value),
        }
    }

    /// The address or network that `value`, which this node matched, is; `None` if the node has no networks.
    pub(super) fn network(&self, value: &[u8]) -> Option<Network> {
        if self.value_kind() == ValueKind::Cidr { network(value) } else { None }
    }

    fn shared_kind(&self) -> SharedKind {
        match self.value_kind() {
            ValueKind::List => SharedKind::List,
            ValueKind::Cidr => SharedKind::Cidr,
            ValueKind::Regex => SharedKind::Regex,
            ValueKind::Any | ValueKind::Exact | ValueKind::Glob => SharedKind::Glob,
        }
    }

    /// Whether all matching values share one counter: the pattern replaces the value in the counter's key.
    #[must_use]
    pub fn share_threshold(&self) -> bool {
        self.flags.share_threshold
    }

    /// The option `detailed_metric`; only that of the node with the matched rule has an effect.
    #[must_use]
    pub fn detailed_metric(&self) -> bool {
        self.flags.detailed_metric
    }

    /// The option `value_to_metric`.
    #[must_use]
    pub fn value_to_metric(&self) -> bool {
        self.flags.value_to_metric
    }
}

impl Rule {
    /// The rule's number in the set.
    #[must_use]
    #[inline]
    pub fn id(&self) -> RuleId {
        self.id
    }

    /// The rule's limits, or that it is unlimited.
    #[must_use]
    #[inline]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The limits; empty if the rule is unlimited.
    #[must_use]
    #[inline]
    pub fn limits(&self) -> &[Limit] {
        match &self.policy {
            Policy::Unlimited => &[],
            Policy::Limited(limits) => limits,
        }
    }

    /// The name, which is reported with the limit and to which `replaces` of other rules refers.
    #[must_use]
    #[inline]
    pub fn name(&self) -> Option<&Arc<str>> {
        self.extras.as_ref()?.name.as_ref()
    }

    /// The names of rules that are not counted for requests that match this rule too.
    #[must_use]
    #[inline]
    pub fn replaces(&self) -> &[Arc<str>] {
        self.extras.as_ref().map_or(&[], |extras| &extras.replaces)
    }

    /// Shadow mode: counted and reported, never enforced.
    #[must_use]
    #[inline]
    pub fn shadow(&self) -> bool {
        self.shadow
    }

    /// Quota mode: denies a request only if all its quota descriptors are over.
    #[must_use]
    #[inline]
    pub fn quota(&self) -> bool {
        self.quota
    }

    /// The failure mode: the rule's own, else that of the file's defaults, else the domain's.
    #[must_use]
    #[inline]
    pub fn on_store_failure(&self) -> Option<FailureMode> {
        self.on_store_failure
    }

    /// The dynamic metadata for responses; never empty.
    #[must_use]
    #[inline]
    pub fn metadata(&self) -> Option<&Arc<Metadata>> {
        self.extras.as_ref()?.metadata.as_ref()
    }
}
