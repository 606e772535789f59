//! `validate`: every fault of a set of rules, as a person wants to read it.

use std::fmt::Write as _;

use super::{
    args::ValidateArgs,
    load::{LoadError, Loaded, load_paths},
};

/// How many of each.
pub(super) fn size(files: usize, domains: usize, rules: usize) -> String {
    let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    format!("{}, {}, {}", plural(files, "file"), plural(domains, "domain"), plural(rules, "rule"))
}

/// Checks the rules. Gives what is good about them, and what could be better.
///
/// # Errors
/// All faults.
pub(super) fn validate(args: &ValidateArgs) -> Result<String, LoadError> {
    let Loaded { compiled, files, defaults } =
        load_paths(&args.paths, args.defaults.as_deref(), args.merge_domain_config)?;
    let mut report = String::new();
    if files == 0 {
        report
            .push_str("warning: no rule files found; of a directory, files ending in .yaml, .yml and .json are read\n");
    }
    let of_defaults = defaults.iter().flat_map(|defaults| &defaults.warnings);
    for warning in of_defaults.chain(&compiled.warnings) {
        let _ = writeln!(report, "warning: {warning}");
    }
    for domain in defaults.iter().flat_map(|defaults| defaults.defaults.domains()) {
        if compiled.rules.domain(domain).is_none() {
            let _ = writeln!(report, "warning: there are defaults for the domain `{domain}`, and no rules");
        }
    }
    let (domains, rules) = (compiled.rules.domains().len(), compiled.rules.rule_count());
    let _ = writeln!(report, "ok: {}", size(files, domains, rules as usize));
    Ok(report)
}
