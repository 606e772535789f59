//! (filled in by this module's own commit)

pub mod args;
mod entries;

pub use entries::{Entries, EntriesError};
