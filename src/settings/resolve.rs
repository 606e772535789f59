//! From the environment and the flags to the configuration, with all errors and warnings.

use std::ffi::OsString;

use super::choices::BackendType;
use super::config::{config, store, tls, workers};
use super::error::{Problem, SettingsError};
use super::inactive::{GATES, Inactive};
use super::table::{Feature, Found, Override, Reader};
use super::variables::Raw;
use super::warnings::{Findings, warnings};
use crate::app::Config;

/// The result of reading the environment and the flags.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The configuration of the service.
    pub config: Config,
    /// Warnings about settings without effect and the like: one sentence each, to be logged once at start.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Reads every variable from `overrides`, else from `env`. `names`: the names of all variables in `env`, for
    /// warnings about mistyped names and about families such as `OTEL_…`.
    ///
    /// # Errors
    /// Every value that cannot be parsed, contradicts another or selects an unsupported feature, and every variable
    /// that is missing. The process should exit with status 2.
    pub fn resolve(
        overrides: &[Override],
        env: impl Fn(&str) -> Option<OsString>,
        names: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, SettingsError> {
        let mut reader = Reader::new(overrides, &env);
        let raw = Raw::read(&mut reader);
        let Reader { mut problems, given, empty, mut notes, .. } = reader;
        let inactive = Inactive::of(&raw);
        forgive_inactive(&inactive, &given, &mut problems);
        let workers = workers(&raw);
        let store = store::config(&raw, workers, &empty, &mut problems, &mut notes);
        let tls = tls::listeners(&raw, &mut problems);
        reject_unsupported(&raw, &mut problems);
        match store {
            Some(store) if problems.is_empty() => {
                let names = not_empty(names, &env);
                let warnings = warnings(&inactive, Findings { given, notes }, &names);
                Ok(Self { config: config(raw, workers, store, tls), warnings })
            }
            _ => Err(SettingsError(problems)),
        }
    }
}

/// Removes the errors of variables that have no effect: a warning names them instead. If one of [`GATES`] has an error
/// it is unknown which variables have an effect, and all errors are kept.
fn forgive_inactive(inactive: &Inactive<'_>, given: &[Found], problems: &mut Vec<Problem>) {
    let is_inactive = |problem: &Problem| {
        let name = problem.origin().variable;
        given.iter().any(|one| one.variable.name == name && inactive.reason(&one.variable).is_some())
    };
    if !problems.iter().any(|problem| GATES.contains(&problem.origin().variable) && !is_inactive(problem)) {
        problems.retain(|problem| !is_inactive(problem));
    }
}

/// The names whose values are not empty, sorted.
fn not_empty(names: impl IntoIterator<Item = OsString>, env: &dyn Fn(&str) -> Option<OsString>) -> Vec<String> {
    let names = names.into_iter().filter_map(|name| name.into_string().ok());
    let mut names: Vec<String> = names.filter(|name| env(name).is_some_and(|value| !value.is_empty())).collect();
    names.sort_unstable();
    names
}

/// Adds an error for each selected feature that does not exist yet.
fn reject_unsupported(raw: &Raw, problems: &mut Vec<Problem>) {
    if let (Some(BackendType::Memcache), Some(given)) = (raw.backend_type.value, &raw.backend_type.given) {
        problems.push(Problem::NotSupportedYet {
            origin: given.origin,
            value: given.shown.clone(),
            feature: Feature::Memcache.name(),
            cure: Feature::Memcache.cure(),
        });
    }
}
