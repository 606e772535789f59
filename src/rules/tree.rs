//! The compiled rules: immutable, in a few arrays.
//!
//! A domain keeps all its nodes in one array, in file order, and finds the children of a node through one hash table
//! for the whole domain, so a level of 10 000 siblings costs what a level of ten costs, and a level of one costs no
//! table of its own.

use std::{
    fmt,
    hash::{BuildHasher, Hasher as _},
    sync::Arc,
};

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::{
    Match,
    index::Index,
    pattern::{Network, PatternGroup, network},
    value::Value,
};
use crate::domain::{FailureMode, KeyValue, Limit, Metadata, SharedKind};

/// A rule's number within its set: dense, from 0, domain by domain in the order of their names, then in file order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub u32);

/// A domain's number within its set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DomainIndex(u32);

/// Everything that is in force at one time. Immutable.
#[derive(Debug, Default)]
pub struct RuleSet {
    /// By name.
    pub(super) domains: Box<[Domain]>,
    pub(super) by_name: HashTable<u32>,
    pub(super) hasher: Hasher,
    pub(super) files: Box<[Arc<str>]>,
    pub(super) rule_count: u32,
}

/// Hashes the texts of rules and requests. Requests cannot add to the tables, so speed is what counts.
pub(super) type Hasher = foldhash::fast::RandomState;

/// Rules whose counters are charged all or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllOrNone<'a> {
    /// The domain's name.
    pub domain: &'a str,
    /// The file and line of a rule with several limits; `None`: the domain is atomic.
    pub rule: Option<(&'a str, u32)>,
}

impl fmt::Display for AllOrNone<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, rule } = self;
        match rule {
            Some((file, line)) => write!(f, "{file}:{line}: a rule of domain `{domain}` has several rate_limits"),
            None => write!(f, "the domain `{domain}` is `atomic: true`"),
        }
    }
}

/// What to answer for a descriptor that matches no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnUnknown {
    /// Let it pass, uncounted.
    #[default]
    Allow,
    /// Answer OVER_LIMIT.
    Deny,
}

/// The number of a node within its domain; [`ROOT`] is the domain itself.
pub(super) type NodeIndex = u32;
/// The parent of the outermost nodes.
pub(super) const ROOT: NodeIndex = u32::MAX;
/// "This node has no rule."
pub(super) const NO_RULE: u32 = u32::MAX;

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

/// One descriptor of a file: a step on the way to a rule. All of it lies in one line of the processor's caches.
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
    /// To be this one.
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
    /// What few rules have.
    pub(super) extras: Option<Box<Extras>>,
}

#[derive(Debug, Default)]
pub(super) struct Extras {
    pub(super) name: Option<Arc<str>>,
    pub(super) replaces: Box<[Arc<str>]>,
    pub(super) metadata: Option<Arc<Metadata>>,
}

/// How a domain is found. Over bytes, for rules as for requests: `str` hashes otherwise.
pub(super) fn domain_hash(hasher: &Hasher, name: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(name);
    state.finish()
}

impl RuleSet {
    /// The rules of a domain; `None` if no file has it.
    #[must_use]
    pub fn domain(&self, name: impl AsRef<[u8]>) -> Option<&Domain> {
        self.domain_index(name).map(|index| self.domain_at(index))
    }

    /// Which domain has this name: a handle on it that outlives a borrow of the set. `None` if no file has it.
    #[must_use]
    pub fn domain_index(&self, name: impl AsRef<[u8]>) -> Option<DomainIndex> {
        let name = name.as_ref();
        let at = self.by_name.find(domain_hash(&self.hasher, name), |at| self.domains[*at as usize].is_named(name))?;
        Some(DomainIndex(*at))
    }

    /// The domain of an index that this very set gave.
    ///
    /// # Panics
    /// If the index is of another set, with more domains.
    #[must_use]
    pub fn domain_at(&self, index: DomainIndex) -> &Domain {
        &self.domains[index.0 as usize]
    }

    /// All domains, by name.
    pub fn domains(&self) -> impl ExactSizeIterator<Item = &Domain> {
        self.domains.iter()
    }

    /// How many rules there are; their ids are below this.
    #[must_use]
    pub fn rule_count(&self) -> u32 {
        self.rule_count
    }

    /// All rules by id, each with its domain and the nodes that lead to it.
    pub fn rules(&self) -> impl Iterator<Item = (&Domain, Match<'_>)> {
        self.domains.iter().flat_map(|domain| domain.rules.iter().map(move |rule| (domain, domain.as_match(rule))))
    }

    /// One rule, with its domain and the nodes that lead to it.
    #[must_use]
    pub fn rule(&self, id: RuleId) -> Option<(&Domain, Match<'_>)> {
        // of several domains that begin at one id, all but the last have no rules
        let behind = self.domains.partition_point(|domain| domain.first_rule <= id.0);
        let domain = self.domains.get(behind.checked_sub(1)?)?;
        let rule = domain.rules.get((id.0 - domain.first_rule) as usize)?;
        Some((domain, domain.as_match(rule)))
    }

    /// The first domain or rule whose counters are charged all or none.
    #[must_use]
    pub fn all_or_none(&self) -> Option<AllOrNone<'_>> {
        let domain = self.domains.iter().find(|domain| domain.atomic);
        let of_domain = domain.map(|domain| AllOrNone { domain: &domain.name, rule: None });
        of_domain.or_else(|| {
            let (domain, found) = self.rules().find(|(_, found)| found.rule.limits().len() > 1)?;
            let rule = found.path.last().map(|node| self.location(node));
            Some(AllOrNone { domain: &domain.name, rule })
        })
    }

    /// The file and line where a node of this set is written.
    #[must_use]
    pub fn location(&self, node: &Node) -> (&str, u32) {
        (self.files.get(node.file as usize).map_or("", |name| name), node.line)
    }
}

impl Domain {
    /// The domain's name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether a request's descriptors are charged all or none.
    #[must_use]
    pub fn atomic(&self) -> bool {
        self.atomic
    }

    /// What to answer for a descriptor that matches no rule.
    #[must_use]
    pub fn on_unknown(&self) -> OnUnknown {
        self.on_unknown
    }

    /// The failure mode of the domain's limits, if it has its own. Already part of [`Rule::on_store_failure`]; for
    /// limits that a request brings along.
    #[must_use]
    pub fn on_store_failure(&self) -> Option<FailureMode> {
        self.on_store_failure
    }

    /// A rule of this domain.
    ///
    /// # Panics
    /// If the rule is of another domain.
    #[must_use]
    pub fn rule(&self, id: RuleId) -> &Rule {
        &self.rules[(id.0 - self.first_rule) as usize]
    }

    fn is_named(&self, name: &[u8]) -> bool {
        self.name.as_bytes() == name
    }

    fn as_match<'a>(&'a self, rule: &'a Rule) -> Match<'a> {
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

    /// What stands for the value in statistics: the value that an entry must have, or the pattern or regular expression
    /// it must match, as written; of several values or networks all, sorted, with `|` between them, and a hash in place
    /// of a long rest. `None` if any value will do.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.get()
    }

    /// What stands for `value`, which this node matched, in a counter's key.
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
    pub fn id(&self) -> RuleId {
        self.id
    }

    /// What it allows.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Its limits; empty if it is unlimited.
    #[must_use]
    pub fn limits(&self) -> &[Limit] {
        match &self.policy {
            Policy::Unlimited => &[],
            Policy::Limited(limits) => limits,
        }
    }

    /// Its name, reported with the limit and named by others' `replaces`.
    #[must_use]
    pub fn name(&self) -> Option<&Arc<str>> {
        self.extras.as_ref()?.name.as_ref()
    }

    /// The names of the rules that do not count in a request which this one matches too.
    #[must_use]
    pub fn replaces(&self) -> &[Arc<str>] {
        self.extras.as_ref().map_or(&[], |extras| &extras.replaces)
    }

    /// Counted and reported, never enforced.
    #[must_use]
    pub fn shadow(&self) -> bool {
        self.shadow
    }

    /// Refuses only together with all other quota descriptors of a request.
    #[must_use]
    pub fn quota(&self) -> bool {
        self.quota
    }

    /// What to do when the store fails: the rule's own mode, else that of the file's defaults, else the domain's.
    #[must_use]
    pub fn on_store_failure(&self) -> Option<FailureMode> {
        self.on_store_failure
    }

    /// The map for the answer's dynamic metadata: never empty.
    #[must_use]
    pub fn metadata(&self) -> Option<&Arc<Metadata>> {
        self.extras.as_ref()?.metadata.as_ref()
    }
}
