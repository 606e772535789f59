//! The rules, where they are files: every fault, as `validate` finds them. Those that come over xDS are the server's.

use std::sync::Arc;

use super::{
    Check, blocking,
    finding::{Finding, bounded},
};
use crate::{
    app,
    cli::{
        load::{LoadError, Loaded, load},
        validate::size,
    },
    rules::Diagnostic,
    settings::Settings,
    source::Location,
};

const NAME: &str = "rules";

pub(super) fn check(settings: &Arc<Settings>) -> Check {
    let settings = Arc::clone(settings);
    Check::new(NAME, blocking(NAME, move || look(&settings)))
}

fn look(settings: &Settings) -> Vec<Finding> {
    let rules = &settings.rules;
    let location = app::rules_location(&rules.source);
    let defaults = rules.defaults.as_deref();
    let loaded = load(location.as_slice(), defaults, rules.merge_domain_config);
    let (mut findings, warnings) = match loaded {
        Ok(Loaded { compiled, defaults, files, .. }) => {
            let of_defaults = defaults.into_iter().flat_map(|defaults| defaults.warnings);
            let (domains, rules) = (compiled.rules.domains().len(), compiled.rules.rule_count());
            let found = size(files, domains, rules as usize);
            let first = match &location {
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
