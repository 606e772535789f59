//! File notifications: keeps the operating system's watches in step with a [`Plan`] and reports what concerns it.

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

use super::trail::Plan;

/// Tells one file or directory from a later one of the same path. The time of birth is there because inode numbers are
/// used again.
type Identity = (u64, u64, Option<SystemTime>);

/// The watches of one source.
#[derive(Debug)]
pub(super) struct Watcher {
    watcher: RecommendedWatcher,
    shared: Arc<Mutex<Shared>>,
    watched: HashMap<PathBuf, Identity>,
    warned: bool,
}

/// What the thread of the notifications needs and finds out.
#[derive(Debug, Default)]
struct Shared {
    plan: Plan,
    /// What was moved or removed: nothing there or below is watched any more.
    lost: BTreeSet<PathBuf>,
}

impl Shared {
    /// Whether an event can mean that the rules have changed.
    fn take(&mut self, event: &Event) -> bool {
        if matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))) {
            for path in &event.paths {
                if self.plan.paths().any(|watched| watched.starts_with(path)) {
                    self.lost.insert(path.clone());
                }
            }
        }
        event.need_rescan() || (is_change(event.kind) && event.paths.iter().any(|path| self.plan.concerns(path)))
    }
}

impl Watcher {
    /// Watches nothing yet. `changed` gets a permit for each event that concerns the plan.
    ///
    /// # Errors
    /// If the operating system has no notifications left to give.
    pub(super) fn new(changed: Arc<Notify>) -> notify::Result<Self> {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let state = Arc::clone(&shared);
        let handler = move |event: notify::Result<Event>| {
            if event.map_or(true, |event| lock(&state).take(&event)) {
                changed.notify_one();
            }
        };
        let watcher = RecommendedWatcher::new(handler, Config::default())?;
        Ok(Self { watcher, shared, watched: HashMap::new(), warned: false })
    }

    /// Watches what `plan` says and nothing else. True if anything is watched that was not before: then it may have
    /// changed since the plan was made.
    ///
    /// What is watched already is left alone: the thread of the notifications answers no call while events pour in.
    pub(super) fn install(&mut self, plan: Plan) -> bool {
        let paths: Vec<PathBuf> = plan.paths().map(Path::to_path_buf).collect();
        let lost = {
            let mut shared = lock(&self.shared);
            shared.plan = plan;
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

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn identity(path: &Path) -> Option<Identity> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.created().ok()))
}
