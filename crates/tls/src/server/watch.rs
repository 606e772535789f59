//! Detects changed files and puts them in force; warns before a certificate expires.
//!
//! It polls a few paths several times a second, through every link, which detects any change of a Kubernetes Secret, a
//! mounted file, a network file system or by `mv`. Notifications would be faster by a fraction of a second, and miss
//! some of these.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use super::{
    Reloaded, ServerTls,
    expiry::{Expiry, Warning},
};

/// The interval of the poll. A change is taken up once two looks agree.
const EVERY: Duration = Duration::from_millis(250);

/// Watches the files of these listeners until it is dropped.
pub async fn watch(listeners: Vec<Arc<ServerTls>>) {
    let mut all: Vec<_> = listeners.into_iter().map(Watched::new).collect();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        all = blocking(move || {
            for watched in &mut all {
                watched.look(SystemTime::now());
            }
            all
        })
        .await;
    }
}

/// Identifies the state of a path: changes with every write, rename and link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trace {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Trace {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

/// The files of one listener.
struct Watched {
    tls: Arc<ServerTls>,
    /// At the last look.
    seen: Vec<Option<Trace>>,
    /// When the files were last read.
    read: Vec<Option<Trace>>,
    /// Why the last content is not in force.
    refused: Option<String>,
    expiry: Expiry,
}

impl Watched {
    fn new(tls: Arc<ServerTls>) -> Self {
        // They may have changed since the start, where their state was not recorded: so they are read again.
        Self { tls, seen: Vec::new(), read: Vec::new(), refused: None, expiry: Expiry::default() }
    }

    fn look(&mut self, now: SystemTime) {
        let traces: Vec<_> = self.tls.files.paths().map(|path| Trace::of(path)).collect();
        let settled = traces == self.seen;
        self.seen.clone_from(&traces);
        // Refused content is retried at each look: the cause, such as a file that could not be read, may pass without a
        // change of state.
        if settled && (traces != self.read || self.refused.is_some()) {
            self.read = traces;
            self.reload(now);
        }
        self.warn(now);
    }

    fn reload(&mut self, now: SystemTime) {
        let listener = self.tls.listener();
        match self.tls.reload(now) {
            Ok(Reloaded::Applied(validity)) => {
                self.refused = None;
                self.tls.stats().applied();
                let expires = humantime::format_rfc3339_seconds(validity.not_after);
                tracing::info!(listener, %expires, "new TLS files are in force");
            }
            Ok(Reloaded::Unchanged) => {
                if self.refused.take().is_some() {
                    tracing::info!(listener, "the TLS files are again those in force");
                }
            }
            Err(error) => {
                let text = error.to_string();
                if self.refused.as_ref() != Some(&text) {
                    self.tls.stats().refused();
                    tracing::error!(listener, "new TLS files are refused, the former ones stay in force: {text}");
                }
                self.refused = Some(text);
            }
        }
    }

    fn warn(&mut self, now: SystemTime) {
        let validity = self.tls.validity();
        let Some(warning) = self.expiry.due(validity, now) else { return };
        let (listener, certificate) = (self.tls.listener(), self.tls.files.identity.certificate.display());
        let end = humantime::format_rfc3339_seconds(validity.not_after);
        match warning {
            Warning::Soon(left) => {
                let left = humantime::format_duration(Duration::from_secs(left.as_secs() / 60 * 60));
                tracing::warn!(
                    listener,
                    "the certificate {certificate} expires on {end}, in {left}: put a new one there"
                );
            }
            Warning::Expired => tracing::error!(
                listener,
                "the certificate {certificate} expired on {end}, so that clients refuse it: put a new one there"
            ),
            Warning::NotYet(_) => tracing::warn!(
                listener,
                "the certificate {certificate} is valid from {} only, so that clients refuse it until then (or this clock is late)",
                humantime::format_rfc3339_seconds(validity.not_before)
            ),
        }
    }
}

/// Runs `work` where it may block, on a network file system for any time.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and the caller with it.
            Err(_) => std::future::pending().await,
        },
    }
}
