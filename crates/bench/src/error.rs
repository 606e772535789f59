//! Why there is nothing to report.

use std::{io, path::PathBuf};

use load::{LoadError, RequestsError};

use crate::{bare::BareError, plot::PlotError, process::ProcessError, redis::RedisError};

/// Why there is nothing to report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The requests that were asked for.
    #[error(transparent)]
    Requests(#[from] RequestsError),
    /// Load cannot be made.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The bare server.
    #[error(transparent)]
    Bare(#[from] BareError),
    /// A server that was to be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The Redis that was to be measured.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// The rules of the targets.
    #[error("cannot write rules into the directory of temporary files: {0}")]
    Rules(io::Error),
    /// The plots cannot be drawn.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// A report cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Save {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// A signal in the middle of a comparison.
    #[error("interrupted: nothing to compare yet")]
    Interrupted,
    /// There is no runtime, or no signals.
    #[error("cannot start a runtime: {0}")]
    Runtime(#[from] io::Error),
}
