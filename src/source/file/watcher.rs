//! File notifications: keeps the operating system's watches in step with a [`WatchSet`], and reports events that
//! concern it.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use notify::{
    Config, ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, ModifyKind},
};
use tokio::sync::Notify;
use tracing::warn;

use super::symlinks::WatchSet;

/// Distinguishes a file or directory from a later one with the same path: device, inode, and creation time, because
/// inode numbers are reused.
type Identity = (u64, u64, Option<SystemTime>);

/// The watches of one source.
#[derive(Debug)]
pub(super) struct Watcher {
    watcher: RecommendedWatcher,
    shared: Arc<Mutex<Shared>>,
    watched: HashMap<PathBuf, Identity>,
    warned: bool,
}

/// The state that is shared with the notification thread.
#[derive(Debug, Default)]
struct Shared {
    watches: WatchSet,
    /// Paths that were moved or removed: the operating system no longer watches anything at or below them.
    lost: BTreeSet<PathBuf>,
}

impl Shared {
    /// Records lost watches. Returns whether the event can mean that the rules have changed.
    fn record(&mut self, event: &Event) -> bool {
        if matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))) {
            for path in &event.paths {
                if self.watches.paths().any(|watched| watched.starts_with(path)) {
                    self.lost.insert(path.clone());
                }
            }
        }
        event.need_rescan() || (is_change(event.kind) && event.paths.iter().any(|path| self.watches.concerns(path)))
    }
}

impl Watcher {
    /// A watcher that watches nothing yet. `changed` is notified of each event that concerns the watches.
    ///
    /// # Errors
    /// If the operating system has no further notification instances.
    pub(super) fn new(changed: Arc<Notify>) -> notify::Result<Self> {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let state = Arc::clone(&shared);
        let handler = move |event: notify::Result<Event>| {
            if event.map_or(true, |event| lock(&state).record(&event)) {
                changed.notify_one();
            }
        };
        let watcher = RecommendedWatcher::new(handler, Config::default())?;
        Ok(Self { watcher, shared, watched: HashMap::new(), warned: false })
    }

    /// Watches exactly `watches`. Returns whether any of them is new: such a path may have changed since it was found.
    ///
    /// Existing watches are not installed again, because the notification thread does not respond during a flood of
    /// events.
    pub(super) fn install(&mut self, watches: WatchSet) -> bool {
        let paths: Vec<PathBuf> = watches.paths().map(Path::to_path_buf).collect();
        let lost = {
            let mut shared = lock(&self.shared);
            shared.watches = watches;
            std::mem::take(&mut shared.lost)
        };
        self.watched.retain(|path, _| !path.ancestors().any(|part| lost.contains(part)));
        let mut before = std::mem::take(&mut self.watched);
        let mut added = false;
        for path in paths {
            let Some(identity) = identity(&path) else { continue };
            if before.get(&path) == Some(&identity) {
                before.remove(&path);
            } else if let Err(error) = self.watcher.watch(&path, RecursiveMode::NonRecursive) {
                self.failed(&path, &error);
                continue;
            } else {
                before.remove(&path);
                added = true;
            }
            self.watched.insert(path, identity);
        }
        for path in before.into_keys() {
            // fails for a deleted path, whose watch no longer exists
            let _ = self.watcher.unwatch(&path);
        }
        added
    }

    fn failed(&mut self, path: &Path, error: &notify::Error) {
        let expected = match &error.kind {
            // Deleted since it was found: the next set will not contain it.
            ErrorKind::PathNotFound => true,
            // Watching requires permission to list, which a directory on the path may lack.
            ErrorKind::Io(cause) => {
                matches!(cause.kind(), std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::NotFound)
            }
            _ => false,
        };
        if !expected && !self.warned {
            self.warned = true;
            warn!(
                path = %path.display(), %error,
                "cannot watch all rule files; changes are found by polling (on Linux, raise \
                 fs.inotify.max_user_watches)"
            );
        }
    }
}

/// Whether an event can mean different content. Opening and closing for reading, which we do ourselves, cannot.
fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn identity(path: &Path) -> Option<Identity> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.created().ok()))
}
