//! Numbering and hashing of nodes.

/// Hashes the texts of rules and requests. Requests cannot add to the tables, so a fast hash without protection against
/// collisions is enough.
pub(super) type Hasher = foldhash::fast::RandomState;

/// The number of a node within its domain; [`ROOT`] is the domain itself.
pub(super) type NodeIndex = u32;
/// The parent of the nodes at the top level.
pub(super) const ROOT: NodeIndex = u32::MAX;
/// In [`Node::rule`](super::Node): no rule.
pub(super) const NO_RULE: u32 = u32::MAX;
