//! How much a location may hold.

/// How many bytes the files of one location may have together: 256 MiB, over two million rules.
pub const MAX_BYTES: u64 = 256 << 20;

/// How many entries the directories of one location may have together.
pub const MAX_ENTRIES: usize = 10_000;

/// How deep directories may be nested below a location.
pub const MAX_DEPTH: usize = 32;
