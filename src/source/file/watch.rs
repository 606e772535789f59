//! Yields the rule files of a location, first as they are and then whenever they have changed.
//!
//! A change is a change of content. Notifications detect it quickly and polling detects it reliably; both trigger the
//! same scan. A new state is reported once two scans with a quiet time between them agree, so that files that are still
//! being written are not reported half-done.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tracing::warn;

use super::{
    Location, ReadError,
    read::{fingerprint, load},
    scan::{FoundFile, scan},
    watcher::Watcher,
};
use crate::source::{ContentHash, Update, blocking};

/// How many debounce times a source waits for files to settle before it reads them anyway.
const PATIENCE: u32 = 20;

/// How often a scan is repeated at most because it has found new directories to watch.
const ROUNDS: usize = 8;

/// The configuration of a file source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSourceConfig {
    /// The location of the files.
    pub location: Location,
    /// How long files must not change before they are read. A change is reported after twice this time, or after twenty
    /// times this time if files keep changing.
    pub debounce: Duration,
    /// How often the content is compared without a notification; `None`: never.
    pub poll_interval: Option<Duration>,
    /// Use the operating system's file notifications. Without them a change is found by the next poll.
    pub notify: bool,
}

impl FileSourceConfig {
    /// A configuration with a debounce time of 100 ms, and with notifications.
    #[must_use]
    pub const fn new(location: Location, poll_interval: Option<Duration>) -> Self {
        Self { location, debounce: Duration::from_millis(100), poll_interval, notify: true }
    }
}

/// The outcome of a scan.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Content(ContentHash),
    Error(String),
}

impl State {
    fn of(outcome: Result<ContentHash, &ReadError>) -> Self {
        outcome.map_or_else(|error| Self::Error(error.to_string()), Self::Content)
    }
}

/// Watches the rule files of one location until it is dropped.
#[derive(Debug)]
pub struct FileSource {
    config: FileSourceConfig,
    changed: Arc<Notify>,
    watcher: Arc<Mutex<Option<Watcher>>>,
    /// The state that [`FileSource::next`] returned last.
    reported: Option<State>,
    /// Something may have changed, and no scan since then has completed: `next` may have been cancelled.
    stale: bool,
}

impl FileSource {
    /// A source that accesses no file before the first [`FileSource::next`].
    #[must_use]
    pub fn new(config: FileSourceConfig) -> Self {
        let (changed, watcher) = (Arc::new(Notify::new()), Arc::new(Mutex::new(None)));
        Self { config, changed, watcher, reported: None, stale: true }
    }

    /// The first call returns the files as they are, or why they cannot be read, immediately. Further calls wait until
    /// that changes. Cancelling a call loses no change.
    ///
    /// Runs on a Tokio runtime with timers enabled, and reads on its blocking threads.
    pub async fn next(&mut self) -> Update {
        if self.reported.is_none() {
            self.start_watcher().await;
            let seen = self.fingerprint().await;
            let update = self.load().await;
            let state = state(&update);
            if state == seen {
                (self.reported, self.stale) = (Some(state), false);
                return update;
            }
        }
        loop {
            if !self.stale {
                // a notification and a poll trigger the same scan
                let poll_interval = self.config.poll_interval.unwrap_or(Duration::MAX);
                let _ = timeout(poll_interval, self.changed.notified()).await;
                self.stale = true;
            }
            let update = self.settle().await;
            self.stale = false;
            if let Some(update) = update {
                self.reported = Some(state(&update));
                return update;
            }
        }
    }

    /// Scans until two scans agree. `None` if they find what was reported before.
    async fn settle(&self) -> Option<Update> {
        let deadline = Instant::now() + self.config.debounce * PATIENCE;
        let mut seen = None;
        loop {
            self.quiet(deadline).await;
            let due = Instant::now() >= deadline;
            if seen.is_none() && !due {
                let now = self.fingerprint().await;
                if self.reported.as_ref() == Some(&now) {
                    return None;
                }
                seen = Some(now);
                continue;
            }
            let update = self.load().await;
            let now = state(&update);
            if self.reported.as_ref() == Some(&now) {
                return None;
            }
            if due || seen.as_ref() == Some(&now) {
                return Some(update);
            }
            seen = Some(now);
        }
    }

    /// Waits until there was no notification for the debounce time, or until the deadline.
    async fn quiet(&self, deadline: Instant) {
        while let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            if timeout(self.config.debounce.min(left), self.changed.notified()).await.is_err() {
                return;
            }
        }
    }

    async fn start_watcher(&self) {
        if !self.config.notify {
            return;
        }
        let (slot, changed) = (Arc::clone(&self.watcher), Arc::clone(&self.changed));
        blocking(move || {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            if slot.is_none() {
                match Watcher::new(changed) {
                    Ok(watcher) => *slot = Some(watcher),
                    Err(error) => warn!(
                        %error,
                        "cannot watch the rule files; changes are found by polling (on Linux, raise \
                         fs.inotify.max_user_instances)"
                    ),
                }
            }
        })
        .await;
    }

    async fn fingerprint(&self) -> State {
        self.scan(|files| State::of(files.and_then(|files| fingerprint(&files)).as_ref().copied())).await
    }

    async fn load(&self) -> Update {
        self.scan(|files| files.and_then(|files| load(&files))).await
    }

    /// Scans the location, updates the watches, and calls `read` with the files.
    async fn scan<T: Send + 'static>(
        &self,
        read: impl FnOnce(Result<Vec<FoundFile>, ReadError>) -> T + Send + 'static,
    ) -> T {
        let (watcher, location) = (Arc::clone(&self.watcher), self.config.location.clone());
        blocking(move || {
            let mut found = scan(&location);
            if let Some(watcher) = watcher.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                for _ in 0..ROUNDS {
                    if !watcher.install(std::mem::take(&mut found.watches)) {
                        break;
                    }
                    found = scan(&location);
                }
            }
            read(found.files)
        })
        .await
    }
}

fn state(update: &Update) -> State {
    State::of(update.as_ref().map(|snapshot| snapshot.hash))
}
