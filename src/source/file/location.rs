//! The location of rule files, and which of the files there are rule files.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use rules::manifest::has_extension;

/// The location of rule files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file of any name, or a directory: every regular file below it, at any depth, whose name ends in `.yaml`,
    /// `.yml` or `.json`. In a directory, names that begin with a dot are skipped.
    Path(PathBuf),
    /// The reference's `RUNTIME_*` variables: every regular file below `root/subdirectory/app_directory`, whatever its
    /// name or depth.
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
    /// The file or directory that must exist: without it the rules are missing.
    pub(super) fn required_path(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Runtime { root, subdirectory, app_directory, .. } => {
                below(below(root.clone(), subdirectory), app_directory)
            }
        }
    }

    /// The file or directory where the search for rule files begins.
    pub(super) fn scan_root(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Runtime { root, subdirectory, watch_root: true, .. } => below(root.clone(), subdirectory),
            Self::Runtime { watch_root: false, .. } => self.required_path(),
        }
    }

    /// Whether a file or directory of this name is skipped because it begins with a dot.
    pub(super) fn skips(&self, name: &OsStr) -> bool {
        let dotted = name.as_encoded_bytes().starts_with(b".");
        match self {
            Self::Path(_) => dotted,
            Self::Runtime { ignore_dot_files, .. } => dotted && *ignore_dot_files,
        }
    }

    /// Whether a regular file is a rule file, by its path `relative` to [`Location::scan_root`].
    pub(super) fn is_rule_file(&self, relative: &Path) -> bool {
        match self {
            Self::Path(_) => has_extension(relative),
            Self::Runtime { .. } => self.prefix().is_none_or(|prefix| flat(relative).starts_with(&prefix)),
        }
    }

    /// Whether a directory may contain rule files, by its path `relative` to [`Location::scan_root`].
    pub(super) fn may_contain_rules(&self, relative: &Path) -> bool {
        self.prefix().is_none_or(|prefix| {
            let directory = flat(relative) + ".";
            directory.starts_with(&prefix) || prefix.starts_with(&directory)
        })
    }

    /// The prefix of the [`flat`] names of rule files; `None` if every file below the scan root is one.
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

/// `path/relative`, even if `relative` begins with a slash, as in the reference.
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
            assert_eq!(location.scan_root(), Path::new("/srv/current/ratelimit"));
            assert_eq!(location.required_path(), Path::new("/srv/current/ratelimit/config"));
        }
        let location = runtime("", "config", false);
        assert_eq!(location.scan_root(), Path::new("/srv/current/config"));
        assert_eq!(location.required_path(), Path::new("/srv/current/config"));
        assert_eq!(runtime("", "", true).required_path(), Path::new("/srv/current"));
    }

    #[test]
    fn with_watch_root_rule_files_are_found_by_the_prefix_of_their_names() {
        let location = runtime("ratelimit", "config", true);
        for rules in ["config/a.yaml", "config/b/c", "config.yaml", "config.d/a.txt"] {
            assert!(location.is_rule_file(Path::new(rules)), "{rules}");
        }
        for other in ["other/a.yaml", "config", "configuration.yaml", "a/config.yaml"] {
            assert!(!location.is_rule_file(Path::new(other)), "{other}");
        }
        for directory in ["config", "config.d/x"] {
            assert!(location.may_contain_rules(Path::new(directory)), "{directory}");
        }
        for directory in ["other", "configuration"] {
            assert!(!location.may_contain_rules(Path::new(directory)), "{directory}");
        }
        let nested = runtime("", "team/config", true);
        assert!(nested.may_contain_rules(Path::new("team")) && !nested.may_contain_rules(Path::new("teams")));
        assert!(nested.is_rule_file(Path::new("team/config/a")));
    }

    #[test]
    fn rule_files_below_a_path_are_found_by_extension() {
        let location = Location::Path("/rules".into());
        for rules in ["a.yaml", "b/c.YML", "d.json"] {
            assert!(location.is_rule_file(Path::new(rules)), "{rules}");
        }
        for other in ["a", "a.yaml.bak", "yaml", "a.txt"] {
            assert!(!location.is_rule_file(Path::new(other)), "{other}");
        }
    }
}
