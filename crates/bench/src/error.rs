//! Why there is no report.

use std::{io, path::PathBuf};

use load::{LoadError, RequestsError};

use crate::{bare::BareError, plot::PlotError, process::ProcessError, redis::RedisError};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The requests are invalid.
    #[error(transparent)]
    Requests(#[from] RequestsError),
    /// Load cannot be generated.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The bare server failed.
    #[error(transparent)]
    Bare(#[from] BareError),
    /// A server cannot be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Redis cannot be measured.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// The rules for the targets cannot be written.
    #[error("cannot write rules into the directory of temporary files: {0}")]
    Rules(io::Error),
    /// Two contenders have one name.
    #[error("two contenders are named {0:?}: give each a name of its own")]
    DuplicateName(String),
    /// The plots cannot be drawn.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// A text of the script cannot be read.
    #[error("cannot read the script {}: {error}", path.display())]
    Script {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// A report cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Save {
        /// The file of the report.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// A signal interrupted the comparison.
    #[error("interrupted: nothing to compare yet")]
    Interrupted,
    /// A runtime or a signal handler cannot be created.
    #[error("cannot start a runtime: {0}")]
    Runtime(#[from] io::Error),
}
