//! The settings: every fault of the environment and the flags, and what is set and has no effect.

use super::finding::Finding;
use crate::settings::{Problem, SettingsError};

const NAME: &str = "settings";

/// Of settings that a service starts with, with these warnings.
pub(super) fn found(warnings: &[String]) -> Vec<Finding> {
    let warnings = warnings.iter().map(|warning| Finding::warn(NAME, warning));
    let all: Vec<_> = warnings.collect();
    if all.is_empty() { vec![Finding::ok(NAME, "all are valid, and all that are set have an effect")] } else { all }
}

/// Of settings that it does not start with. Nothing else can be looked at without them.
pub(super) fn faults(error: &SettingsError) -> Vec<Finding> {
    error.problems().iter().map(|problem: &Problem| Finding::fail(NAME, problem.to_string())).collect()
}
