//! From the environment and the flags to the configuration, with every fault and warning on the way.

use std::ffi::OsString;

use super::choices::BackendType;
use super::config::{config, store, tls, workers};
use super::error::{Problem, SettingsError};
use super::idle::{GATES, Idle};
use super::table::{Feature, Found, Override, Reader};
use super::variables::Raw;
use super::warnings::{Findings, warnings};
use crate::app::Config;

/// What the environment and the flags say.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The service that they describe.
    pub config: Config,
    /// What was asked for and has no effect: one sentence each, to be logged once at start.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Reads every variable from `env`, where `overrides` do not give it. `names` are all that `env` has, for warnings of
    /// those that are known by how they begin.
    ///
    /// # Errors
    /// Every value that cannot be read, and every one that asks for a feature that does not exist yet. The process
    /// should exit with status 2.
    pub fn resolve(
        overrides: &[Override],
        env: impl Fn(&str) -> Option<OsString>,
        names: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, SettingsError> {
        let mut reader = Reader::new(overrides, &env);
        let raw = Raw::read(&mut reader);
        let Reader { mut problems, given, empty, mut notes, .. } = reader;
        let idle = Idle::of(&raw);
        forgive_what_is_idle(&idle, &given, &mut problems);
        let workers = workers(&raw);
        let store = store::config(&raw, workers, &empty, &mut problems, &mut notes);
        let tls = tls::listeners(&raw, &mut problems);
        refuse_what_is_to_come(&raw, &mut problems);
        match store {
            Some(store) if problems.is_empty() => {
                let names = not_empty(names, &env);
                let warnings = warnings(&idle, Findings { given, notes }, &names);
                Ok(Self { config: config(raw, workers, store, tls), warnings })
            }
            _ => Err(SettingsError(problems)),
        }
    }
}

/// What has no effect cannot be wrong: a warning names it.
fn forgive_what_is_idle(idle: &Idle<'_>, given: &[Found], problems: &mut Vec<Problem>) {
    let is_idle = |problem: &Problem| {
        let name = problem.place().variable;
        given.iter().any(|one| one.variable.name == name && idle.reason(&one.variable).is_some())
    };
    if !problems.iter().any(|problem| GATES.contains(&problem.place().variable) && !is_idle(problem)) {
        problems.retain(|problem| !is_idle(problem));
    }
}

/// The names whose values ask for something, sorted.
fn not_empty(names: impl IntoIterator<Item = OsString>, env: &dyn Fn(&str) -> Option<OsString>) -> Vec<String> {
    let names = names.into_iter().filter_map(|name| name.into_string().ok());
    let mut names: Vec<String> = names.filter(|name| env(name).is_some_and(|value| !value.is_empty())).collect();
    names.sort_unstable();
    names
}

/// Adds a problem for each feature that is asked for and does not exist yet.
fn refuse_what_is_to_come(raw: &Raw, problems: &mut Vec<Problem>) {
    if let (Some(BackendType::Memcache), Some(given)) = (raw.backend_type.value, &raw.backend_type.given) {
        problems.push(Problem::NotSupportedYet {
            place: given.place,
            value: given.shown.clone(),
            feature: Feature::Memcache.name(),
            cure: Feature::Memcache.cure(),
        });
    }
}
