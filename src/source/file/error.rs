//! Errors of reading rule files.

use std::{io, path::PathBuf};

use super::{MAX_BYTES, MAX_DEPTH, MAX_ENTRIES};

/// Why rule files cannot be read. The message has the path, the cause and the cure.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The location does not exist.
    #[error("{} does not exist; create it, or correct the path that the rules are loaded from", path.display())]
    Missing {
        /// The file or directory that should hold rules.
        path: PathBuf,
    },
    /// A symbolic link among the rules is broken.
    #[error(
        "{} is a link to {}, which does not exist; remove the link or restore its target",
        path.display(), target.display()
    )]
    Dangling {
        /// The link.
        path: PathBuf,
        /// The target as the link has it, perhaps relative.
        target: PathBuf,
    },
    /// The location is a device, socket or pipe.
    #[error("{} is neither a file nor a directory; load the rules from a regular file or a directory", path.display())]
    NotAFile {
        /// The location.
        path: PathBuf,
    },
    /// An I/O error of a file or directory.
    #[error("cannot read {}: {cause}; make it readable for this process, or remove it from the rules", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// The files together have more than [`MAX_BYTES`].
    #[error(
        "the rules exceed {} MiB with {}; split them between services, or remove files that are not rules",
        MAX_BYTES >> 20, path.display()
    )]
    TooLarge {
        /// The file with which the limit is exceeded.
        path: PathBuf,
    },
    /// The location has more than [`MAX_ENTRIES`] files and directories.
    #[error(
        "there are more than {MAX_ENTRIES} files and directories below {}; load the rules from a directory that holds \
         only rules", path.display()
    )]
    TooMany {
        /// The location.
        path: PathBuf,
    },
    /// Directories are nested deeper than [`MAX_DEPTH`].
    #[error("{} is more than {MAX_DEPTH} directories deep; load the rules from a flatter directory", path.display())]
    TooDeep {
        /// The directory that is too deep.
        path: PathBuf,
    },
}
