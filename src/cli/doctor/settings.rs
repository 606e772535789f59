//! The settings: all errors in the environment and the flags, and settings without effect.

use super::finding::Finding;
use crate::settings::{Problem, SettingsError};

const NAME: &str = "settings";

/// Findings about valid settings, from their warnings.
pub(super) fn warnings(warnings: &[String]) -> Vec<Finding> {
    let warnings = warnings.iter().map(|warning| Finding::warn(NAME, warning));
    let all: Vec<_> = warnings.collect();
    if all.is_empty() { vec![Finding::ok(NAME, "all are valid, and all that are set have an effect")] } else { all }
}

/// Findings about invalid settings. Nothing else can be checked without settings.
pub(super) fn errors(error: &SettingsError) -> Vec<Finding> {
    error.problems().iter().map(|problem: &Problem| Finding::fail(NAME, problem.to_string())).collect()
}
