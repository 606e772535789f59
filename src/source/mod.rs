//! Sources of rules. A source yields complete rule sets, one for each settled change; it neither compiles nor applies
//! them.
//!
//! [`FileSource`] watches files, [`XdsSource`] is the client of an xDS server, and [`Source`] is either of them.

mod any;
mod file;
mod snapshot;
mod xds;

pub use any::{Content, RawRules, Source, SourceConfig, SourceUpdate};
pub use file::{FileSource, FileSourceConfig, Location, MAX_BYTES, MAX_DEPTH, MAX_ENTRIES, ReadError, read};
pub use snapshot::{ContentHash, Snapshot};
pub use xds::{BackoffConfig, BadHeader, XdsConfig, XdsSnapshot, XdsSource, XdsStats, XdsTlsConfig, XdsUpdate, probe};

/// What a file source yields: the current files, or why they cannot be read.
pub type Update = Result<Snapshot, ReadError>;

/// Runs `work` on a thread of the Tokio runtime that may block. Propagates its panic.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // the runtime is shutting down, and the caller with it
            Err(_) => std::future::pending().await,
        },
    }
}
