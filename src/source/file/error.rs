//! Why rule files cannot be read.

use std::{io, path::PathBuf};

use super::{MAX_BYTES, MAX_DEPTH, MAX_ENTRIES};

/// Why rule files cannot be read. Names the path, the cause and the cure.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nothing is at the location.
    #[error("{} does not exist; create it, or correct the path that the rules are loaded from", path.display())]
    Missing {
        /// The file or directory that should hold rules.
        path: PathBuf,
    },
    /// A link among the rules leads nowhere.
    #[error("{} is a link to {}, which does not exist; remove the link or restore its target", path.display(), target.display())]
    Dangling {
        /// The link.
        path: PathBuf,
        /// What it says.
        target: PathBuf,
    },
    /// The location is a device, socket or pipe.
    #[error("{} is neither a file nor a directory; load the rules from a regular file or a directory", path.display())]
    NotAFile {
        /// The location.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot read {}: {cause}; make it readable for this process, or remove it from the rules", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// The files hold more than [`MAX_BYTES`] together.
    #[error(
        "the rules exceed {} MiB with {}; split them between services, or remove files that are not rules",
        MAX_BYTES >> 20, path.display()
    )]
    TooLarge {
        /// The file that goes past the bound.
        path: PathBuf,
    },
    /// The directory holds more than [`MAX_ENTRIES`] entries.
    #[error(
        "there are more than {MAX_ENTRIES} files and directories below {}; load the rules from a directory that holds \
         only rules", path.display()
    )]
    TooMany {
        /// The location.
        path: PathBuf,
    },
    /// Directories are nested deeper than [`MAX_DEPTH`].
    #[error("{} lies more than {MAX_DEPTH} directories deep; load the rules from a flatter directory", path.display())]
    TooDeep {
        /// The directory.
        path: PathBuf,
    },
}
