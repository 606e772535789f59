//! Limits on the size of a location.

/// The most bytes of all files of a location together: 256 MiB, more than two million rules.
pub const MAX_BYTES: u64 = 256 << 20;

/// The most entries of all directories of a location together.
pub const MAX_ENTRIES: usize = 10_000;

/// The greatest depth of directories below a location.
pub const MAX_DEPTH: usize = 32;
