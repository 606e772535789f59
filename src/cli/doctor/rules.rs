//! The rules, if they are files: every fault, as `validate` finds them. Rules over xDS are checked by no client.

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
    Check::new(NAME, blocking(NAME, move || look(&config.rules)))
}

fn look(rules: &RulesConfig) -> Vec<Finding> {
    let location = rules.source.location();
    let loaded = load(rules, AtomicGroups::Supported);
    let (mut findings, warnings) = match loaded {
        Ok(Loaded { compiled, defaults, files, .. }) => {
            let of_defaults = defaults.into_iter().flat_map(|defaults| defaults.warnings);
            let (domains, rules) = (compiled.rules.domains().len(), compiled.rules.rule_count());
            let found = size(files, domains, rules as usize);
            let first = match location {
                None => Finding::ok(NAME, "they come over xDS, and are looked at when they come"),
                Some(location) if files == 0 => Finding::warn(NAME, format!("no rule files in {}", place(location)))
                    .cure("every request is allowed like this: put rules there, or correct RULES or RUNTIME_ROOT"),
                Some(_) => Finding::ok(NAME, found),
            };
            (vec![first], of_defaults.chain(compiled.warnings).collect())
        }
        Err(error @ (LoadError::Read(_) | LoadError::Input(_) | LoadError::NoRulesInManifests { .. })) => {
            (vec![Finding::fail(NAME, error.to_string())], Vec::new())
        }
        Err(LoadError::Compile(errors) | LoadError::Template(errors, _)) => {
            (errors.errors.iter().map(fault).collect(), errors.warnings)
        }
    };
    findings.extend(warnings.iter().map(|warning| Finding::warn(NAME, warning.to_string())));
    bounded(findings, "`tollgate validate PATH` shows all of them, with their lines")
}

/// What of the rules a store refuses in which nothing is charged all or none.
#[cfg(feature = "redis")]
pub(super) fn refused(config: &Config, groups: AtomicGroups) -> Vec<Finding> {
    let mut findings = match load(&config.rules, groups) {
        // other faults are reported by the other check
        Err(LoadError::Compile(errors)) => {
            let is_known = load(&config.rules, AtomicGroups::Supported).is_err();
            if is_known { Vec::new() } else { errors.errors.iter().map(fault).collect() }
        }
        Ok(_) | Err(_) => Vec::new(),
    };
    if let (true, Some(why)) = (config.engine.modes.atomic, groups.unsupported()) {
        let found =
            format!("STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT charges requests all or none, which cannot be: {why}");
        findings.push(Finding::fail(NAME, found));
    }
    bounded(findings, "with REDIS_KEYS_PER_CALL=one the service refuses each of them at its start")
}

fn fault(error: &Diagnostic) -> Finding {
    Finding::fail(NAME, error.to_string())
}

fn place(location: &Location) -> String {
    match location {
        Location::Path(path) => path.display().to_string(),
        Location::Runtime { root, subdirectory, app_directory, .. } => {
            root.join(subdirectory).join(app_directory).display().to_string()
        }
    }
}
