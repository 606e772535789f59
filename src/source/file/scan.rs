//! Finds the rule files of a location, and what to watch for changes of them. Reads no content.

use std::{
    collections::HashSet,
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    Location, MAX_DEPTH, MAX_ENTRIES, ReadError,
    symlinks::{WatchSet, follow},
};

/// How many files are watched one by one as well as by their directories.
const MAX_WATCHED_FILES: usize = 1_000;

/// A rule file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// As messages show it.
    pub(super) name: String,
    /// Absolute, free of links.
    pub(super) path: PathBuf,
}

/// What is at a location now.
#[derive(Debug)]
pub(super) struct Scan {
    /// What to watch, also when there are no files.
    pub(super) watches: WatchSet,
    /// Sorted by name.
    pub(super) files: Result<Vec<Found>, ReadError>,
}

/// Looks at `location`. A file that several links lead to is found once.
pub(super) fn scan(location: &Location) -> Scan {
    let mut walk = Walk { location, watches: WatchSet::default(), files: Vec::new(), seen: HashSet::new(), entries: 0 };
    let outcome = walk.start();
    walk.files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Scan { files: outcome.map(|()| walk.files), watches: walk.watches }
}

struct Walk<'a> {
    location: &'a Location,
    watches: WatchSet,
    files: Vec<Found>,
    /// Files and directories that were visited, free of links: breaks cycles, and drops duplicates.
    seen: HashSet<PathBuf>,
    entries: usize,
}

impl Walk<'_> {
    fn start(&mut self) -> Result<(), ReadError> {
        let top = self.location.top();
        let absolute = std::path::absolute(&top).map_err(|cause| ReadError::Io { path: top.clone(), cause })?;
        let Some(real) = follow(&absolute, &mut self.watches) else { return Err(absence(top)) };
        let metadata = fs::metadata(&real).map_err(|_| absence(top.clone()))?;
        if metadata.is_file() {
            self.found(Path::new(""), real);
            return Ok(());
        }
        if !metadata.is_dir() {
            return Err(ReadError::NotAFile { path: top });
        }
        self.directory(&real, Path::new(""), 0)?;
        let home = self.location.home();
        if self.files.is_empty() && fs::metadata(&home).is_err() { Err(absence(home)) } else { Ok(()) }
    }

    fn directory(&mut self, real: &Path, relative: &Path, depth: usize) -> Result<(), ReadError> {
        if !self.seen.insert(real.to_path_buf()) {
            return Ok(());
        }
        if depth > MAX_DEPTH {
            return Err(ReadError::TooDeep { path: self.shown(relative) });
        }
        self.watches.all(real.to_path_buf());
        let mut names = match self.list(real, relative) {
            Err(ReadError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound && depth > 0 => return Ok(()),
            names => names?,
        };
        // Plain names first: a file that is also reached through a dotted directory is shown by its plain name.
        names.sort_unstable_by_key(|name| (starts_with(name, "."), name.clone()));
        // A directory with `..data` is a Kubernetes volume. Its other `..` entries are the kubelet's: generations of the
        // same files, of which the volume's plain names link to the one in force.
        let volume = names.iter().any(|name| name == "..data");
        for name in names {
            if self.location.hides(&name) || (volume && starts_with(&name, "..")) {
                continue;
            }
            self.entry(&real.join(&name), &relative.join(&name), depth)?;
        }
        Ok(())
    }

    fn list(&mut self, real: &Path, relative: &Path) -> Result<Vec<OsString>, ReadError> {
        let failed = |cause| ReadError::Io { path: self.shown(relative), cause };
        let mut names = Vec::new();
        for entry in fs::read_dir(real).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name());
            if self.entries + names.len() > MAX_ENTRIES {
                return Err(ReadError::TooMany { path: self.location.top() });
            }
        }
        self.entries += names.len();
        Ok(names)
    }

    fn entry(&mut self, path: &Path, relative: &Path, depth: usize) -> Result<(), ReadError> {
        let (takes, enters) = (self.location.takes(relative), self.location.enters(relative));
        if !takes && !enters {
            return Ok(());
        }
        // An entry that is gone again is no error: its directory has changed, and will be looked at again.
        let Ok(link) = fs::symlink_metadata(path) else { return Ok(()) };
        let real = if link.is_symlink() {
            match follow(path, &mut self.watches) {
                Some(real) => real,
                // Editors leave dotted links to nowhere as locks.
                None if path.file_name().is_some_and(|name| starts_with(name, ".")) => return Ok(()),
                None => return Err(absence(self.shown(relative))),
            }
        } else {
            path.to_path_buf()
        };
        let Ok(metadata) = fs::metadata(&real) else { return Ok(()) };
        if metadata.is_dir() && enters {
            return self.directory(&real, relative, depth + 1);
        }
        if metadata.is_file() && takes && self.seen.insert(real.clone()) {
            self.found(relative, real);
        }
        Ok(())
    }

    fn found(&mut self, relative: &Path, path: PathBuf) {
        if self.watches.files.len() < MAX_WATCHED_FILES {
            self.watches.files.insert(path.clone());
        }
        self.files.push(Found { name: self.shown(relative).to_string_lossy().into_owned(), path });
    }

    /// What messages call the entry at `relative`.
    fn shown(&self, relative: &Path) -> PathBuf {
        let top = self.location.top();
        if relative.as_os_str().is_empty() { top } else { top.join(relative) }
    }
}

fn starts_with(name: &OsStr, start: &str) -> bool {
    name.as_encoded_bytes().starts_with(start.as_bytes())
}

/// Why nothing can be found at `path`.
fn absence(path: PathBuf) -> ReadError {
    match fs::metadata(&path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => ReadError::Io { path, cause },
        _ => match fs::read_link(&path) {
            Ok(target) => ReadError::Dangling { path, target },
            Err(_) => ReadError::Missing { path },
        },
    }
}
