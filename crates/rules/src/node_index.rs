//! How nodes are numbered and hashed.

/// Hashes the texts of rules and requests. Requests cannot add to the tables, so that a fast hash without protection
/// against collisions will do.
pub(super) type Hasher = foldhash::fast::RandomState;

/// The number of a node within its domain; [`ROOT`] is the domain itself.
pub(super) type NodeIndex = u32;
/// The parent of the outermost nodes.
pub(super) const ROOT: NodeIndex = u32::MAX;
/// "This node has no rule."
pub(super) const NO_RULE: u32 = u32::MAX;
