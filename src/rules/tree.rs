//! The compiled rules: shapes only.

use std::{collections::HashMap, sync::Arc};

use smallvec::SmallVec;

use crate::domain::{Entry, FailureMode, Limit};

/// A rule's number within its set: dense, from 0, in file order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub u32);

/// Everything that is in force at one time. Immutable.
#[derive(Debug, Default)]
pub struct RuleSet {
    pub(super) domains: HashMap<Box<str>, Domain, foldhash::quality::RandomState>,
    pub(super) rule_count: u32,
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

/// The rules of one domain.
#[derive(Debug)]
pub struct Domain {
    pub(super) name: Arc<str>,
    pub(super) atomic: bool,
    pub(super) on_unknown: OnUnknown,
    pub(super) roots: Level,
}

/// The siblings below one node.
#[derive(Debug, Default)]
pub(super) struct Level {}

/// One descriptor of the file: a step on the way to a rule.
#[derive(Debug)]
pub struct Node {
    pub(super) rule: Option<Rule>,
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
    pub(super) policy: Policy,
    pub(super) name: Option<Arc<str>>,
    pub(super) replaces: Vec<Arc<str>>,
    pub(super) shadow: bool,
    pub(super) quota: bool,
    pub(super) on_store_failure: Option<FailureMode>,
}

/// The rule that a descriptor matched, and the nodes that led there, one for each entry.
#[derive(Debug)]
pub struct Match<'a> {
    /// As many as the descriptor has entries.
    pub path: SmallVec<[&'a Node; 4]>,
    /// The rule of the last one.
    pub rule: &'a Rule,
}

impl Domain {
    /// The rule for a descriptor.
    #[must_use]
    pub fn find(&self, _entries: &[Entry<'_>]) -> Option<Match<'_>> {
        None
    }
}
