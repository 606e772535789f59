//! (filled in by this module's own commit)

pub mod stats;
