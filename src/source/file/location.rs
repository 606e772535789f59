//! Where rule files are, and which of the files there count.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use rules::manifest::has_extension;

/// Where rule files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file of any name; or a directory: every regular file below it, at any depth, whose name ends in `.yaml`,
    /// `.yml` or `.json`. In a directory, names that begin with a dot are skipped.
    Path(PathBuf),
    /// As the reference's `RUNTIME_*` variables say: every regular file below `root/subdirectory/app_directory`,
    /// whatever its name or depth.
    Runtime {
        /// `RUNTIME_ROOT`.
        root: PathBuf,
        /// `RUNTIME_SUBDIRECTORY`; may be empty.
        subdirectory: String,
        /// `RUNTIME_APPDIRECTORY`; may be empty.
        app_directory: String,
        /// `RUNTIME_WATCH_ROOT`: files of the subdirectory whose name begins with `app_directory.` count too, and so
        /// do those below a directory of such a name.
        watch_root: bool,
        /// `RUNTIME_IGNOREDOTFILES`: skip files and directories whose name begins with a dot.
        ignore_dot_files: bool,
    },
}

impl Location {
    /// What must exist for the rules to count as present.
    pub(super) fn home(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Runtime { root, subdirectory, app_directory, .. } => {
                below(below(root.clone(), subdirectory), app_directory)
            }
        }
    }

    /// Where the search for rule files begins.
    pub(super) fn top(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Runtime { root, subdirectory, watch_root: true, .. } => below(root.clone(), subdirectory),
            Self::Runtime { watch_root: false, .. } => self.home(),
        }
    }

    /// Whether a dot at the beginning hides a file or directory.
    pub(super) fn hides(&self, name: &OsStr) -> bool {
        let dotted = name.as_encoded_bytes().starts_with(b".");
        match self {
            Self::Path(_) => dotted,
            Self::Runtime { ignore_dot_files, .. } => dotted && *ignore_dot_files,
        }
    }

    /// Whether a regular file, `relative` to the top, holds rules.
    pub(super) fn takes(&self, relative: &Path) -> bool {
        match self {
            Self::Path(_) => has_extension(relative),
            Self::Runtime { .. } => self.prefix().is_none_or(|prefix| flat(relative).starts_with(&prefix)),
        }
    }

    /// Whether a directory, `relative` to the top, may have rule files below it.
    pub(super) fn enters(&self, relative: &Path) -> bool {
        self.prefix().is_none_or(|prefix| {
            let directory = flat(relative) + ".";
            directory.starts_with(&prefix) || prefix.starts_with(&directory)
        })
    }

    /// What the [`flat`] names of rule files begin with, where not every file below the top counts.
    fn prefix(&self) -> Option<String> {
        match self {
            Self::Runtime { app_directory, watch_root: true, .. } => {
                let app_directory = flat(Path::new(app_directory));
                (!app_directory.is_empty()).then(|| app_directory + ".")
            }
            Self::Path(_) | Self::Runtime { .. } => None,
        }
    }
}

/// The reference's name for a file: its components joined by dots.
fn flat(relative: &Path) -> String {
    let components: Vec<_> = relative
        .components()
        .filter_map(|component| match component {
            std::path::Component::Normal(name) => Some(name.to_string_lossy()),
            _ => None,
        })
        .collect();
    components.join(".")
}

/// `path/relative`, also if `relative` begins with a slash, as the reference joins them.
fn below(path: PathBuf, relative: &str) -> PathBuf {
    let relative = relative.trim_matches('/');
    if relative.is_empty() { path } else { path.join(relative) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime(subdirectory: &str, app_directory: &str, watch_root: bool) -> Location {
        Location::Runtime {
            root: "/srv/current".into(),
            subdirectory: subdirectory.into(),
            app_directory: app_directory.into(),
            watch_root,
            ignore_dot_files: false,
        }
    }

    #[test]
    fn runtime_parts_are_joined_whatever_their_slashes() {
        for (subdirectory, app_directory) in [("ratelimit", "config"), ("/ratelimit/", "/config")] {
            let location = runtime(subdirectory, app_directory, true);
            assert_eq!(location.top(), Path::new("/srv/current/ratelimit"));
            assert_eq!(location.home(), Path::new("/srv/current/ratelimit/config"));
        }
        let location = runtime("", "config", false);
        assert_eq!((location.top(), location.home()), ("/srv/current/config".into(), "/srv/current/config".into()));
        assert_eq!(runtime("", "", true).home(), Path::new("/srv/current"));
    }

    #[test]
    fn watching_the_root_takes_what_begins_with_the_app_directory() {
        let location = runtime("ratelimit", "config", true);
        for taken in ["config/a.yaml", "config/b/c", "config.yaml", "config.d/a.txt"] {
            assert!(location.takes(Path::new(taken)), "{taken}");
        }
        for left in ["other/a.yaml", "config", "configuration.yaml", "a/config.yaml"] {
            assert!(!location.takes(Path::new(left)), "{left}");
        }
        assert!(location.enters(Path::new("config")) && location.enters(Path::new("config.d/x")));
        assert!(!location.enters(Path::new("other")) && !location.enters(Path::new("configuration")));
        let nested = runtime("", "team/config", true);
        assert!(nested.enters(Path::new("team")) && !nested.enters(Path::new("teams")));
        assert!(nested.takes(Path::new("team/config/a")));
    }

    #[test]
    fn paths_take_files_by_extension() {
        let location = Location::Path("/rules".into());
        for taken in ["a.yaml", "b/c.YML", "d.json"] {
            assert!(location.takes(Path::new(taken)), "{taken}");
        }
        for left in ["a", "a.yaml.bak", "yaml", "a.txt"] {
            assert!(!location.takes(Path::new(left)), "{left}");
        }
    }
}
