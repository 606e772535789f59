//! Detects changed files and applies them; warns before a certificate expires.
//!
//! It polls a few paths several times a second and follows symbolic links, which detects every kind of change: of a
//! Kubernetes Secret, a bind-mounted file, a network file system, or by `mv`. Notifications (inotify) would be faster
//! by a fraction of a second, and miss some of these changes.

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

/// The interval of the poll. A change is read once two consecutive polls find the same state.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Watches the files of these listeners. Never resolves; dropping the future ends the watch.
pub async fn watch(listeners: Vec<Arc<ServerTls>>) {
    let mut all: Vec<_> = listeners.into_iter().map(Watched::new).collect();
    let mut ticks = interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        all = blocking(move || {
            for watched in &mut all {
                watched.poll(SystemTime::now());
            }
            all
        })
        .await;
    }
}

/// The state of the file at a path: differs after every write, rename and change of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileState {
    device: u64,
    inode: u64,
    size: u64,
    /// The mtime, in seconds and nanoseconds.
    modified: (i64, i64),
    /// The ctime, in seconds and nanoseconds.
    changed: (i64, i64),
}

impl FileState {
    /// `None` if there is no such file.
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
    /// The state of each file at the last poll.
    polled: Vec<Option<FileState>>,
    /// The state of each file when it was last read.
    read: Vec<Option<FileState>>,
    /// The error of the last content, if that was refused.
    refused: Option<String>,
    expiry: Expiry,
}

impl Watched {
    fn new(tls: Arc<ServerTls>) -> Self {
        // the files may have changed since they were loaded, when no state was recorded: the empty lists make the watch
        // read them again
        Self { tls, polled: Vec::new(), read: Vec::new(), refused: None, expiry: Expiry::default() }
    }

    fn poll(&mut self, now: SystemTime) {
        let states: Vec<_> = self.tls.files.paths().map(|path| FileState::of(path)).collect();
        let settled = states == self.polled;
        self.polled.clone_from(&states);
        // Refused content is retried at each poll: the cause, such as a read error, may go away without a change of any
        // file's state.
        if settled && (states != self.read || self.refused.is_some()) {
            self.read = states;
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
                tracing::info!(listener, %expires, "new TLS files are active");
            }
            Ok(Reloaded::Unchanged) => {
                if self.refused.take().is_some() {
                    tracing::info!(listener, "the TLS files have the active content again");
                }
            }
            Err(error) => {
                let text = error.to_string();
                if self.refused.as_ref() != Some(&text) {
                    self.tls.stats().refused();
                    tracing::error!(listener, "new TLS files are rejected, the active ones stay: {text}");
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
                tracing::warn!(listener, "the certificate {certificate} expires on {end}, in {left}: replace the file");
            }
            Warning::Expired => tracing::error!(
                listener,
                "the certificate {certificate} expired on {end}, so clients refuse it: replace the file"
            ),
            Warning::NotYet(_) => tracing::warn!(
                listener,
                "the certificate {certificate} is valid only from {}, so clients refuse it until then (unless the \
                 clock of this machine is slow)",
                humantime::format_rfc3339_seconds(validity.not_before)
            ),
        }
    }
}

/// Runs `work` on a thread that may block: I/O on a network file system can take any time.
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
