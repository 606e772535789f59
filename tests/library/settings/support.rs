//! What the tests of the settings share.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;

use tollgate::settings::{Override, Settings, SettingsError};

/// Resolves exactly this environment, whose values need not be UTF-8.
pub(crate) fn resolve<K: AsRef<str>, V: AsRef<OsStr>>(environment: &[(K, V)]) -> Result<Settings, SettingsError> {
    resolve_with(&[], environment)
}

/// Resolves this environment with these flags.
pub(crate) fn resolve_with<K: AsRef<str>, V: AsRef<OsStr>>(
    overrides: &[Override],
    environment: &[(K, V)],
) -> Result<Settings, SettingsError> {
    let value = |name: &str| {
        environment.iter().find(|(key, _)| key.as_ref() == name).map(|(_, value)| OsString::from(value.as_ref()))
    };
    Settings::resolve(overrides, value, environment.iter().map(|(key, _)| key.as_ref().into()))
}

/// The variables with errors, in the order of the errors.
pub(crate) fn faults<K: AsRef<str>, V: AsRef<OsStr>>(environment: &[(K, V)]) -> Vec<&'static str> {
    match resolve(environment) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().iter().map(|problem| problem.origin().variable).collect(),
    }
}

/// The environment of the only container that has one, in a Kubernetes file below `tests/compat`.
pub(crate) fn deployed(file: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat").join(file);
    let text = fs::read_to_string(&path).expect("the file is there");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let name = |line: &str| {
        line.strip_prefix("- name: ").filter(|name| name.starts_with(char::is_uppercase)).map(str::to_owned)
    };
    lines
        .windows(2)
        .filter_map(|pair| {
            let value = match pair[1].strip_prefix("value: ") {
                Some(value) => value.trim_matches('"').to_owned(),
                None if pair[1] == "valueFrom:" => "from-a-field".to_owned(),
                None => return None,
            };
            Some((name(pair[0])?, value))
        })
        .collect()
}

/// A value that is not UTF-8, so that no variable can be read from it.
#[cfg(unix)]
pub(crate) fn unreadable(text: &[u8]) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec([text, b"\xff"].concat())
}
