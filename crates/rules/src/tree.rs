//! The compiled rules: immutable, in a few arrays.
//!
//! A domain keeps all its nodes in one array, in file order, and finds the children of a node through one hash table
//! for the whole domain, so a level of 10 000 siblings costs what a level of ten costs, and a level of one costs no
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

/// A rule's number within its set: dense, from 0, domain by domain in the order of their names, then in file order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub u32);

/// What to answer for a descriptor that matches no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnUnknown {
    /// Let it pass, uncounted.
    #[default]
    Allow,
    /// Answer OVER_LIMIT.
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
    /// By parent, key and value: every node that asks for one value, or for any.
    pub(super) index: Index,
    /// By the same: the values of nodes that ask for one of several.
    pub(super) listed: HashTable<Listed>,
    /// The patterns among the children of one node that have one key.
    pub(super) patterns: Box<[PatternGroup]>,
    pub(super) pattern_index: HashTable<u32>,
    pub(super) hasher: Hasher,
}

/// One of the values that a node asks for.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) node: NodeIndex,
    pub(super) value: Box<str>,
}

/// One descriptor of a file: a step on the path to a rule. It fits a cache line.
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

/// What a node asks of an entry's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValueKind {
    /// Nothing.
    #[default]
    Any,
    /// To equal this one.
    Exact,
    /// To match a pattern with `*`.
    Glob,
    /// To be one of several, or to match one of several patterns.
    List,
    /// To be an address in a network.
    Cidr,
    /// To match a regular expression as a whole.
    Regex,
}

/// What a node says beside its key and value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct NodeFlags {
    pub(super) kind: ValueKind,
    pub(super) has_patterns: bool,
    pub(super) share_threshold: bool,
    pub(super) detailed_metric: bool,
    pub(super) value_to_metric: bool,
}

/// What a rule allows.
#[derive(Debug, Clone, PartialEq)]
pub enum Policy {
    /// Never counted.
    Unlimited,
    /// One limit or, from `rate_limits`, several that are charged all or none. Never empty.
    Limited(SmallVec<[Limit; 1]>),
}

/// A node that carries a limit.
#[derive(Debug)]
pub struct Rule {
    pub(super) id: RuleId,
    pub(super) node: NodeIndex,
    pub(super) policy: Policy,
    pub(super) shadow: bool,
    pub(super) quota: bool,
    /// Its statistics can depend on the request.
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

    /// What to answer for a descriptor that matches no rule.
    #[must_use]
    #[inline]
    pub fn on_unknown(&self) -> OnUnknown {
        self.on_unknown
    }

    /// The failure mode of the domain's limits, if it has its own. Already part of [`Rule::on_store_failure`]; for
    /// limits that a request carries.
    #[must_use]
    #[inline]
    pub fn on_store_failure(&self) -> Option<FailureMode> {
        self.on_store_failure
    }

    /// A rule of this domain.
    ///
    /// # Panics
    /// If the rule is of another domain.
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
    /// What an entry's value must be.
    #[must_use]
    pub fn value_kind(&self) -> ValueKind {
        self.flags.kind
    }

    /// The key that an entry must have.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The text for the value in statistics: the value that an entry must have, or the pattern or regular expression
    /// that it must match, as written; several values or networks are sorted and joined with `|`, with a hash in place
    /// of a long rest. `None` if any value matches.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.get()
    }

    /// The text for `value`, which this node matched, in a counter's key.
    pub(super) fn key_value<'a>(&'a self, value: &'a [u8]) -> KeyValue<'a> {
        match self.value() {
            Some(text) if self.share_threshold() => KeyValue::Shared { kind: self.shared_kind(), text },
            _ => self.network(value).map_or(KeyValue::Exact(value), Network::key_value),
        }
    }

    /// The address or network that `value`, which this node matched, is, if the node asks for one.
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

    /// All values that match share one counter: the pattern takes the value's place in the counter key.
    #[must_use]
    pub fn share_threshold(&self) -> bool {
        self.flags.share_threshold
    }

    /// As written; it counts for the node that carries the matched rule only.
    #[must_use]
    pub fn detailed_metric(&self) -> bool {
        self.flags.detailed_metric
    }

    /// As written.
    #[must_use]
    pub fn value_to_metric(&self) -> bool {
        self.flags.value_to_metric
    }
}

impl Rule {
    /// Its number in the set.
    #[must_use]
    #[inline]
    pub fn id(&self) -> RuleId {
        self.id
    }

    /// What it allows.
    #[must_use]
    #[inline]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Its limits; empty if it is unlimited.
    #[must_use]
    #[inline]
    pub fn limits(&self) -> &[Limit] {
        match &self.policy {
            Policy::Unlimited => &[],
            Policy::Limited(limits) => limits,
        }
    }

    /// Its name, reported with the limit and named by others' `replaces`.
    #[must_use]
    #[inline]
    pub fn name(&self) -> Option<&Arc<str>> {
        self.extras.as_ref()?.name.as_ref()
    }

    /// The names of the rules that do not count in a request which this one matches too.
    #[must_use]
    #[inline]
    pub fn replaces(&self) -> &[Arc<str>] {
        self.extras.as_ref().map_or(&[], |extras| &extras.replaces)
    }

    /// Counted and reported, never enforced.
    #[must_use]
    #[inline]
    pub fn shadow(&self) -> bool {
        self.shadow
    }

    /// Refuses a request only if all its quota descriptors are over.
    #[must_use]
    #[inline]
    pub fn quota(&self) -> bool {
        self.quota
    }

    /// What to do when the store fails: the rule's own mode, else that of the file's defaults, else the domain's.
    #[must_use]
    #[inline]
    pub fn on_store_failure(&self) -> Option<FailureMode> {
        self.on_store_failure
    }

    /// The dynamic metadata of an answer: never empty.
    #[must_use]
    #[inline]
    pub fn metadata(&self) -> Option<&Arc<Metadata>> {
        self.extras.as_ref()?.metadata.as_ref()
    }
}
