//! Yields the rule files of a location, now and whenever they have changed.
//!
//! A change is a change of content. Notifications make it quick and a poll makes it sure; both end in the same look.
//! A new state counts once two looks, with a quiet time between them, agree, so that a set of files that is being
//! written is not taken half-done.

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
    scan::{Found, scan},
    watcher::Watcher,
};
use crate::source::{ContentHash, Update, blocking};

/// How many debounce times a source waits at most for files to settle; then it reads them as they are.
const PATIENCE: u32 = 20;

/// How often watches are set up for one look, which may find new directories each time.
const ROUNDS: usize = 8;

/// What to watch, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSourceConfig {
    /// Where the files are.
    pub location: Location,
    /// How long files must be quiet before they are taken. A change is taken after twice this time, and after twenty
    /// times at the latest.
    pub debounce: Duration,
    /// How often the content is compared whether or not a notification came; `None`: never.
    pub poll_interval: Option<Duration>,
    /// Use the operating system's file notifications. Without them a change is found by the next poll.
    pub notify: bool,
}

impl FileSourceConfig {
    /// With 100 ms of debounce and notifications.
    #[must_use]
    pub const fn new(location: Location, poll_interval: Option<Duration>) -> Self {
        Self { location, debounce: Duration::from_millis(100), poll_interval, notify: true }
    }
}

/// The outcome of a look.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Good(ContentHash),
    Bad(String),
}

impl State {
    fn of(outcome: Result<ContentHash, &ReadError>) -> Self {
        outcome.map_or_else(|error| Self::Bad(error.to_string()), Self::Good)
    }
}

/// The rule files of one location, over time. Drop it to end the watching.
#[derive(Debug)]
pub struct FileSource {
    config: FileSourceConfig,
    changed: Arc<Notify>,
    watcher: Arc<Mutex<Option<Watcher>>>,
    /// What [`FileSource::next`] returned last.
    reported: Option<State>,
    /// Something may have changed and was not looked at yet, or not to the end: `next` may be cancelled meanwhile.
    stale: bool,
}

impl FileSource {
    /// Touches no file before [`FileSource::next`] does.
    #[must_use]
    pub fn new(config: FileSourceConfig) -> Self {
        let (changed, watcher) = (Arc::new(Notify::new()), Arc::new(Mutex::new(None)));
        Self { config, changed, watcher, reported: None, stale: true }
    }

    /// The first call returns the files as they are, or why they cannot be read, at once. Further calls wait until that
    /// changes. Cancelling a call loses no change.
    ///
    /// Reads on the blocking threads of the Tokio runtime that calls it, which needs its timers enabled.
    pub async fn next(&mut self) -> Update {
        if self.reported.is_none() {
            self.open().await;
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
                // A notification and a poll lead to the same look.
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

    /// Looks until two looks agree. `None` if they see what was reported before.
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

    /// Waits until nothing was reported for the debounce time, or until the deadline.
    async fn quiet(&self, deadline: Instant) {
        while let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            if timeout(self.config.debounce.min(left), self.changed.notified()).await.is_err() {
                return;
            }
        }
    }

    async fn open(&self) {
        if !self.config.notify {
            return;
        }
        let (slot, changed) = (Arc::clone(&self.watcher), Arc::clone(&self.changed));
        blocking(move || {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            if slot.is_none() {
                match Watcher::new(changed) {
                    Ok(watcher) => *slot = Some(watcher),
                    Err(error) => warn!(%error, "cannot watch the rule files; changes are found by polling (on Linux, raise fs.inotify.max_user_instances)"),
                }
            }
        })
        .await;
    }

    async fn fingerprint(&self) -> State {
        self.look(|files| State::of(files.and_then(|files| fingerprint(&files)).as_ref().copied())).await
    }

    async fn load(&self) -> Update {
        self.look(|files| files.and_then(|files| load(&files))).await
    }

    /// Brings the watches up to date, then has `take` read the files.
    async fn look<T: Send + 'static>(
        &self,
        take: impl FnOnce(Result<Vec<Found>, ReadError>) -> T + Send + 'static,
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
            take(found.files)
        })
        .await
    }
}

fn state(update: &Update) -> State {
    State::of(update.as_ref().map(|snapshot| snapshot.hash))
}
