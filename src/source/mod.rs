//! Where rules come from. A source yields whole sets of rule files, one [`Update`] for each settled change; it neither
//! parses nor applies them.
//!
//! [`FileSource`] watches files. Rules over xDS have a place here too.

mod file;
mod snapshot;

pub use file::{FileSource, FileSourceConfig, Location, MAX_BYTES, MAX_DEPTH, MAX_ENTRIES, ReadError, read};
pub use snapshot::{ContentHash, Snapshot, SourceFile};

/// What a file source yields: the files as they are now, or why they cannot be read.
pub type Update = Result<Snapshot, ReadError>;
