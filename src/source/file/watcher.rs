//! File notifications: keeps the operating system's watches in step with a [`Plan`] and reports what concerns it.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use notify::{
    Config, ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::sync::Notify;
use tracing::warn;

use super::trail::Plan;

/// Tells one file or directory from a later one of the same path. The time of birth is there because inode numbers are
/// used again.
type Identity = (u64, u64, Option<SystemTime>);

/// The watches of one source.
#[derive(Debug)]
pub(super) struct Watcher {
    watcher: RecommendedWatcher,
    plan: Arc<RwLock<Plan>>,
    watched: HashMap<PathBuf, Identity>,
    warned: bool,
}

impl Watcher {
    /// Watches nothing yet. `changed` gets a permit for each event that concerns the plan.
    ///
    /// # Errors
    /// If the operating system has no notifications left to give.
    pub(super) fn new(changed: Arc<Notify>) -> notify::Result<Self> {
        let plan = Arc::new(RwLock::new(Plan::default()));
        let current = Arc::clone(&plan);
        let handler = move |event: notify::Result<Event>| {
            let wakes = event.map_or(true, |event| {
                event.need_rescan()
                    || (is_change(event.kind) && {
                        let plan = current.read().unwrap_or_else(PoisonError::into_inner);
                        event.paths.iter().any(|path| plan.concerns(path))
                    })
            });
            if wakes {
                changed.notify_one();
            }
        };
        let watcher = RecommendedWatcher::new(handler, Config::default())?;
        Ok(Self { watcher, plan, watched: HashMap::new(), warned: false })
    }

    /// Watches what `plan` says and nothing else. True if anything is watched that was not before: then it may have
    /// changed since the plan was made.
    pub(super) fn install(&mut self, plan: Plan) -> bool {
        let paths: Vec<PathBuf> = plan.paths().map(Path::to_path_buf).collect();
        *self.plan.write().unwrap_or_else(PoisonError::into_inner) = plan;
        let mut before = std::mem::take(&mut self.watched);
        let mut added = false;
        for path in paths {
            // Asked for again even if it is watched: that changes nothing unless the watch was lost.
            if let Err(error) = self.watcher.watch(&path, RecursiveMode::NonRecursive) {
                self.failed(&path, &error);
            } else if let Some(identity) = identity(&path) {
                added |= before.remove(&path) != Some(identity);
                self.watched.insert(path, identity);
            }
        }
        for path in before.into_keys() {
            // It fails for what was deleted, whose watch is gone already.
            let _ = self.watcher.unwatch(&path);
        }
        added
    }

    fn failed(&mut self, path: &Path, error: &notify::Error) {
        let expected = match &error.kind {
            // Gone since the plan was made: the next plan is without it.
            ErrorKind::PathNotFound => true,
            // A directory on the way may be entered but not listed, which watching needs.
            ErrorKind::Io(cause) => {
                matches!(cause.kind(), std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::NotFound)
            }
            _ => false,
        };
        if !expected && !self.warned {
            self.warned = true;
            warn!(path = %path.display(), %error, "cannot watch all rule files; changes are found by polling (on Linux, raise fs.inotify.max_user_watches)");
        }
    }
}

/// Whether an event can mean other content. Our own reads open and close files too.
fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

fn identity(path: &Path) -> Option<Identity> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.created().ok()))
}
