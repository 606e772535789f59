//! Rules from files: which files ([`Location`]), their content ([`read`]), and their changes ([`FileSource`]).

mod bounds;
mod error;
mod location;
mod read;
mod scan;
mod symlinks;
mod watch;
mod watcher;

pub use bounds::{MAX_BYTES, MAX_DEPTH, MAX_ENTRIES};
pub use error::ReadError;
pub use location::Location;
pub use read::read;
pub use watch::{FileSource, FileSourceConfig};
