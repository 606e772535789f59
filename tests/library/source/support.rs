//! A directory of rules, and a source whose updates are awaited.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use tollgate::source::{FileSource, FileSourceConfig, Location, ReadError, Snapshot, Update};

/// Longer than any wait on the slowest machine: for what must happen.
const PATIENCE: Duration = Duration::from_secs(120);

/// A directory for one test.
pub(crate) struct RulesDir(TempDir);

impl RulesDir {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        if relative.is_empty() { self.0.path().to_path_buf() } else { self.0.path().join(relative) }
    }

    /// Writes a file in place, and creates the directories that it needs.
    pub(crate) fn write(&self, relative: &str, content: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("a directory")).expect("directories are made");
        fs::write(path, content).expect("the file is written");
    }

    pub(crate) fn mkdir(&self, relative: &str) {
        fs::create_dir_all(self.path(relative)).expect("directories are made");
    }

    pub(crate) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("it is renamed");
    }

    pub(crate) fn link(&self, target: impl AsRef<Path>, relative: &str) {
        symlink(target, self.path(relative)).expect("the link is made");
    }

    pub(crate) fn remove(&self, relative: &str) {
        let path = self.path(relative);
        let outcome =
            if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        outcome.expect("it is removed");
    }

    /// The names and contents in `snapshot`, with names relative to this directory.
    pub(crate) fn files(&self, snapshot: &Snapshot) -> Vec<(String, String)> {
        let root = format!("{}/", self.0.path().display());
        let file = |file: &rules::RuleFile| {
            let name = file.name.strip_prefix(&root).expect("a name below the directory").to_owned();
            (name, String::from_utf8(file.content.clone()).expect("text"))
        };
        snapshot.files.iter().map(file).collect()
    }
}

/// Files as [`RulesDir::files`] returns them.
pub(crate) fn files<const N: usize>(files: [(&str, &str); N]) -> Vec<(String, String)> {
    files.map(|(name, content)| (name.to_owned(), content.to_owned())).to_vec()
}

/// A source that detects changes only by notification.
pub(crate) fn notified(location: Location) -> FileSource {
    let debounce = Duration::from_millis(50);
    FileSource::new(FileSourceConfig { debounce, ..FileSourceConfig::new(location, None) })
}

/// A source that detects changes only by polling.
pub(crate) fn polled(location: Location) -> FileSource {
    let (debounce, poll_interval) = (Duration::from_millis(20), Some(Duration::from_millis(30)));
    FileSource::new(FileSourceConfig { location, debounce, poll_interval, notify: false })
}

/// The next update, which must arrive.
pub(crate) async fn next(source: &mut FileSource) -> Update {
    tokio::time::timeout(PATIENCE, source.next()).await.expect("an update in time")
}

/// The next update, which must be a snapshot.
pub(crate) async fn good(source: &mut FileSource) -> Snapshot {
    next(source).await.expect("a good load")
}

/// The next update, which must be an error.
pub(crate) async fn bad(source: &mut FileSource) -> ReadError {
    next(source).await.expect_err("a bad load")
}

/// Receives updates until one has these files; for changes in several steps.
pub(crate) async fn until(source: &mut FileSource, place: &RulesDir, wanted: &[(&str, &str)]) {
    loop {
        if let Ok(snapshot) = next(source).await {
            let found = place.files(&snapshot);
            if found.iter().map(|(name, content)| (name.as_str(), content.as_str())).eq(wanted.iter().copied()) {
                return;
            }
        }
    }
}

pub(crate) fn runtime(place: &RulesDir, watch_root: bool, ignore_dot_files: bool) -> Location {
    Location::Runtime {
        root: place.path("current"),
        subdirectory: "ratelimit".to_owned(),
        app_directory: "config".to_owned(),
        watch_root,
        ignore_dot_files,
    }
}
