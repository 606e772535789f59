//! `validate`: every fault of a set of rules, as a person wants to read it.

use std::fmt::Write as _;

use super::{
    args::ValidateArgs,
    load::{LoadError, Loaded, load},
};

/// Checks the rules. Gives what is good about them, and what could be better.
///
/// # Errors
/// All faults.
pub(super) fn validate(args: &ValidateArgs) -> Result<String, LoadError> {
    let Loaded { compiled, files } = load(&args.paths, args.merge_domain_config)?;
    let mut report = String::new();
    if files == 0 {
        report
            .push_str("warning: no rule files found; of a directory, files ending in .yaml, .yml and .json are read\n");
    }
    for warning in &compiled.warnings {
        let _ = writeln!(report, "warning: {warning}");
    }
    let (domains, rules) = (compiled.rules.domains().len(), compiled.rules.rule_count());
    let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let _ = writeln!(
        report,
        "ok: {}, {}, {}",
        plural(files, "file"),
        plural(domains, "domain"),
        plural(rules as usize, "rule")
    );
    Ok(report)
}
