//! Finds the rule files of a location, and what to watch for their changes. Does not read their content.

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

/// How many files at most are watched themselves, in addition to their directories.
const MAX_WATCHED_FILES: usize = 1_000;

/// A rule file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundFile {
    /// The path as configured, for messages.
    pub(super) name: String,
    /// The absolute path without links.
    pub(super) path: PathBuf,
}

/// The result of scanning a location.
#[derive(Debug)]
pub(super) struct Scan {
    /// What to watch, even if `files` is an error.
    pub(super) watches: WatchSet,
    /// The rule files, sorted by name.
    pub(super) files: Result<Vec<FoundFile>, ReadError>,
}

/// Scans `location`. A file that is reached through several links is found once.
pub(super) fn scan(location: &Location) -> Scan {
    let mut walk = Walk { location, watches: WatchSet::default(), files: Vec::new(), seen: HashSet::new(), entries: 0 };
    let outcome = walk.start();
    walk.files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Scan { files: outcome.map(|()| walk.files), watches: walk.watches }
}

struct Walk<'a> {
    location: &'a Location,
    watches: WatchSet,
    files: Vec<FoundFile>,
    /// Visited files and directories, as paths without links: ends cycles, and drops duplicates.
    seen: HashSet<PathBuf>,
    entries: usize,
}

impl Walk<'_> {
    fn start(&mut self) -> Result<(), ReadError> {
        let root = self.location.scan_root();
        let absolute = std::path::absolute(&root).map_err(|cause| ReadError::Io { path: root.clone(), cause })?;
        let Some(real) = follow(&absolute, &mut self.watches) else { return Err(absence(root)) };
        let metadata = fs::metadata(&real).map_err(|_| absence(root.clone()))?;
        if metadata.is_file() {
            self.found(Path::new(""), real);
            return Ok(());
        }
        if !metadata.is_dir() {
            return Err(ReadError::NotAFile { path: root });
        }
        self.directory(&real, Path::new(""), 0)?;
        let required = self.location.required_path();
        if self.files.is_empty() && fs::metadata(&required).is_err() { Err(absence(required)) } else { Ok(()) }
    }

    fn directory(&mut self, real: &Path, relative: &Path, depth: usize) -> Result<(), ReadError> {
        if !self.seen.insert(real.to_path_buf()) {
            return Ok(());
        }
        if depth > MAX_DEPTH {
            return Err(ReadError::TooDeep { path: self.shown(relative) });
        }
        self.watches.add_directory(real.to_path_buf());
        let mut names = match self.list(real, relative) {
            Err(ReadError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound && depth > 0 => return Ok(()),
            names => names?,
        };
        // Names without a dot first: a file that is also in a directory with a dot gets the name without it.
        names.sort_unstable_by_key(|name| (starts_with(name, "."), name.clone()));
        // A directory with `..data` is a Kubernetes volume. Its other `..` entries are the kubelet's: old and new
        // versions of the same files. The names without dots are links to the current version.
        let volume = names.iter().any(|name| name == "..data");
        for name in names {
            if self.location.skips(&name) || (volume && starts_with(&name, "..")) {
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
                return Err(ReadError::TooMany { path: self.location.scan_root() });
            }
        }
        self.entries += names.len();
        Ok(names)
    }

    fn entry(&mut self, path: &Path, relative: &Path, depth: usize) -> Result<(), ReadError> {
        let (may_be_file, may_be_directory) =
            (self.location.is_rule_file(relative), self.location.may_contain_rules(relative));
        if !may_be_file && !may_be_directory {
            return Ok(());
        }
        // An entry that has disappeared is not an error: its directory has changed and will be scanned again.
        let Ok(link) = fs::symlink_metadata(path) else { return Ok(()) };
        let real = if link.is_symlink() {
            match follow(path, &mut self.watches) {
                Some(real) => real,
                // Editors create broken links with a dot as lock files.
                None if path.file_name().is_some_and(|name| starts_with(name, ".")) => return Ok(()),
                None => return Err(absence(self.shown(relative))),
            }
        } else {
            path.to_path_buf()
        };
        let Ok(metadata) = fs::metadata(&real) else { return Ok(()) };
        if metadata.is_dir() && may_be_directory {
            return self.directory(&real, relative, depth + 1);
        }
        if metadata.is_file() && may_be_file && self.seen.insert(real.clone()) {
            self.found(relative, real);
        }
        Ok(())
    }

    fn found(&mut self, relative: &Path, path: PathBuf) {
        if self.watches.files.len() < MAX_WATCHED_FILES {
            self.watches.files.insert(path.clone());
        }
        self.files.push(FoundFile { name: self.shown(relative).to_string_lossy().into_owned(), path });
    }

    /// The path of the entry at `relative`, for messages.
    fn shown(&self, relative: &Path) -> PathBuf {
        let root = self.location.scan_root();
        if relative.as_os_str().is_empty() { root } else { root.join(relative) }
    }
}

fn starts_with(name: &OsStr, start: &str) -> bool {
    name.as_encoded_bytes().starts_with(start.as_bytes())
}

/// The error for a `path` that does not exist or cannot be resolved.
fn absence(path: PathBuf) -> ReadError {
    match fs::metadata(&path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => ReadError::Io { path, cause },
        _ => match fs::read_link(&path) {
            Ok(target) => ReadError::Dangling { path, target },
            Err(_) => ReadError::Missing { path },
        },
    }
}
