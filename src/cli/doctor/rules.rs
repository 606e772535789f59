//! The rules, if they are files: all errors, as in `validate`. Rules over xDS cannot be checked here.

use std::sync::Arc;

use super::{
    Check, blocking,
    finding::{Finding, bounded},
};
use limiter::domain::AtomicGroups;
use rules::Diagnostic;

use crate::{
    app::{Config, RulesConfig},
    cli::{
        load::{LoadError, Loaded, load},
        validate::size,
    },
    source::Location,
};

const NAME: &str = "rules";

pub(super) fn check(config: &Arc<Config>) -> Check {
    let config = Arc::clone(config);
    Check::new(NAME, blocking(NAME, move || inspect(&config.rules)))
}

fn inspect(rules: &RulesConfig) -> Vec<Finding> {
    let location = rules.source.location();
    let loaded = load(rules, AtomicGroups::Supported);
    let (mut findings, warnings) = match loaded {
        Ok(Loaded { compiled, defaults, files, .. }) => {
            let of_defaults = defaults.into_iter().flat_map(|defaults| defaults.warnings);
            let (domains, rules) = (compiled.rules.domains().len(), compiled.rules.rule_count());
            let found = size(files, domains, rules as usize);
            let first = match location {
                None => Finding::ok(NAME, "they come over xDS, and are checked when they arrive"),
                Some(location) if files == 0 => Finding::warn(NAME, format!("no rule files in {}", shown(location)))
                    .cure("without rules every request is allowed: add rules, or correct RULES or RUNTIME_ROOT"),
                Some(_) => Finding::ok(NAME, found),
            };
            (vec![first], of_defaults.chain(compiled.warnings).collect())
        }
        Err(error @ (LoadError::Read(_) | LoadError::Input(_) | LoadError::NoRulesInManifests { .. })) => {
            (vec![Finding::fail(NAME, error.to_string())], Vec::new())
        }
        Err(LoadError::Compile(errors) | LoadError::Template(errors, _)) => {
            (errors.errors.iter().map(failure).collect(), errors.warnings)
        }
    };
    findings.extend(warnings.iter().map(|warning| Finding::warn(NAME, warning.to_string())));
    bounded(findings, "`tollgate validate PATH` shows all of them, with their lines")
}

/// The errors that the rules and a setting have with a store that does not support atomic groups.
#[cfg(feature = "redis")]
pub(super) fn unsupported(config: &Config, groups: AtomicGroups) -> Vec<Finding> {
    let mut findings = match load(&config.rules, groups) {
        // errors with any store are reported by `check`
        Err(LoadError::Compile(errors)) => {
            let is_known = load(&config.rules, AtomicGroups::Supported).is_err();
            if is_known { Vec::new() } else { errors.errors.iter().map(failure).collect() }
        }
        Ok(_) | Err(_) => Vec::new(),
    };
    if let (true, Some(why)) = (config.engine.modes.atomic, groups.unsupported()) {
        let found =
            format!("STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT charges requests all or none, which is impossible: {why}");
        findings.push(Finding::fail(NAME, found));
    }
    bounded(findings, "with REDIS_KEYS_PER_CALL=one the service rejects each of them at start")
}

fn failure(error: &Diagnostic) -> Finding {
    Finding::fail(NAME, error.to_string())
}

fn shown(location: &Location) -> String {
    match location {
        Location::Path(path) => path.display().to_string(),
        Location::Runtime { root, subdirectory, app_directory, .. } => {
            root.join(subdirectory).join(app_directory).display().to_string()
        }
    }
}
