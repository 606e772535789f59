//! Rules from files: which files ([`Location`]), what is in them ([`read`]), and when they change ([`FileSource`]).

mod error;
mod location;
mod read;
mod scan;
mod trail;
mod watch;
mod watcher;

pub use error::ReadError;
pub use location::Location;
pub use read::{MAX_BYTES, read};
pub use scan::{MAX_DEPTH, MAX_ENTRIES};
pub use watch::{FileSource, FileSourceConfig};
