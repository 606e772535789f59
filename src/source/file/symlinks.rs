//! Resolves a path: follows every symbolic link, and collects the paths to watch so that a change of any link is seen.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ffi::{OsStr, OsString},
    fs,
    path::{Component, Path, PathBuf},
};

/// The most links in one path, as in Linux.
const MAX_LINKS: usize = 40;

/// Which entries of a directory are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    /// The entries with these names.
    Names(BTreeSet<OsString>),
    /// Every entry.
    All,
}

/// The directories and files to watch. All paths are absolute and contain no links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct WatchSet {
    /// The directories, each with the entries that matter.
    pub(super) directories: BTreeMap<PathBuf, Interest>,
    /// Files that are watched themselves, because a file that is mounted on its own (`subPath`) changes without an
    /// event of its directory.
    pub(super) files: BTreeSet<PathBuf>,
}

impl WatchSet {
    /// Watches every entry of a directory.
    pub(super) fn add_directory(&mut self, directory: PathBuf) {
        self.directories.insert(directory, Interest::All);
    }

    /// Watches the entry `name` of a directory.
    fn add_entry(&mut self, directory: &Path, name: OsString) {
        match self.directories.get_mut(directory) {
            Some(Interest::All) => {}
            Some(Interest::Names(names)) => {
                names.insert(name);
            }
            None => {
                self.directories.insert(directory.to_path_buf(), Interest::Names(BTreeSet::from([name])));
            }
        }
    }

    /// Whether an event at `path` can change the rules.
    pub(super) fn concerns(&self, path: &Path) -> bool {
        let named = || {
            let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return false };
            match self.directories.get(directory) {
                Some(Interest::All) => true,
                Some(Interest::Names(names)) => names.contains::<OsStr>(name),
                None => false,
            }
        };
        self.files.contains(path) || self.directories.contains_key(path) || named()
    }

    /// Every path to watch.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.directories.keys().chain(&self.files).map(PathBuf::as_path)
    }
}

/// Resolves the absolute `path` link by link to a file or directory, and adds every step to `watches`. `None` if a step
/// does not exist (or the links form a cycle): `watches` then contains the directory in which it may appear.
pub(super) fn follow(path: &Path, watches: &mut WatchSet) -> Option<PathBuf> {
    let mut here = PathBuf::new();
    let mut rest: VecDeque<OsString> = path.components().map(|part| part.as_os_str().to_owned()).collect();
    let mut links = 0;
    while let Some(part) = rest.pop_front() {
        match Path::new(&part).components().next() {
            Some(Component::Normal(_)) => {}
            Some(Component::ParentDir) => {
                here.pop();
                continue;
            }
            Some(Component::RootDir | Component::Prefix(_)) => {
                here.push(part);
                continue;
            }
            Some(Component::CurDir) | None => continue,
        }
        let next = here.join(&part);
        watches.add_entry(&here, part);
        let metadata = fs::symlink_metadata(&next).ok()?;
        if metadata.is_symlink() {
            links += 1;
            if links > MAX_LINKS {
                return None;
            }
            let target = fs::read_link(&next).ok()?;
            for part in target.components().rev() {
                rest.push_front(part.as_os_str().to_owned());
            }
        } else {
            here = next;
        }
    }
    Some(here)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_step_of_a_chain_of_links_is_watched() {
        let root = tempfile::tempdir().expect("a directory");
        let root = root.path().canonicalize().expect("a path");
        fs::create_dir_all(root.join("real/deep")).expect("directories");
        fs::write(root.join("real/deep/file"), "").expect("a file");
        symlink("real/../real", root.join("relative")).expect("a link");
        symlink(root.join("relative/deep"), root.join("absolute")).expect("a link");
        let mut watches = WatchSet::default();
        let end = follow(&root.join("absolute/./file"), &mut watches);
        assert_eq!(end, Some(root.join("real/deep/file")));
        for step in ["absolute", "relative", "real", "real/deep", "real/deep/file"] {
            assert!(watches.concerns(&root.join(step)), "{step}");
        }
        assert!(watches.concerns(&root), "an ancestor");
        assert!(!watches.concerns(&root.join("unrelated")));
        assert!(!watches.concerns(&root.join("real/unrelated")));
    }

    #[test]
    fn a_missing_path_is_awaited_in_the_nearest_directory() {
        let root = tempfile::tempdir().expect("a directory");
        let root = root.path().canonicalize().expect("a path");
        let mut watches = WatchSet::default();
        assert_eq!(follow(&root.join("a/b/c"), &mut watches), None);
        assert!(watches.concerns(&root.join("a")));
        assert!(!watches.directories.contains_key(&root.join("a")));
    }

    #[test]
    fn cyclic_links_end() {
        let root = tempfile::tempdir().expect("a directory");
        symlink("b", root.path().join("a")).expect("a link");
        symlink("a", root.path().join("b")).expect("a link");
        assert_eq!(follow(&root.path().join("a"), &mut WatchSet::default()), None);
    }
}
