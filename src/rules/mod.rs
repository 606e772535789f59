//! Rules: what the YAML says, compiled to an immutable tree that is matched by hash.
//!
//! Knows nothing of stores, requests in flight or statistics.

mod tree;

pub use tree::{Domain, Match, Node, OnUnknown, Policy, Rule, RuleId, RuleSet};
