//! The settings: every fault of the environment and the flags, and settings without effect.

use super::finding::Finding;
use crate::settings::{Problem, SettingsError};

const NAME: &str = "settings";

/// Findings about settings that a service starts with, from their warnings.
pub(super) fn found(warnings: &[String]) -> Vec<Finding> {
    let warnings = warnings.iter().map(|warning| Finding::warn(NAME, warning));
    let all: Vec<_> = warnings.collect();
    if all.is_empty() { vec![Finding::ok(NAME, "all are valid, and all that are set have an effect")] } else { all }
}

/// Findings about settings that it does not start with. Nothing else can be checked without settings.
pub(super) fn faults(error: &SettingsError) -> Vec<Finding> {
    error.problems().iter().map(|problem: &Problem| Finding::fail(NAME, problem.to_string())).collect()
}
