//! `validate`: reports all errors in a set of rules.

use std::fmt::Write as _;

use super::{
    args::ValidateArgs,
    load::{LoadError, Loaded, load_paths},
};
use rules::{
    RuleSet, regex_lists,
    sharing::{self, Unshared, Values},
};

/// The most lines of a kind that are printed; further ones are counted.
const MOST: usize = 20;

/// The numbers of files, domains and rules, as text.
pub(super) fn size(files: usize, domains: usize, rules: usize) -> String {
    let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    format!("{}, {}, {}", plural(files, "file"), plural(domains, "domain"), plural(rules, "rule"))
}

/// Checks the rules. Returns a report: warnings, notes, and the numbers of files, domains and rules.
///
/// # Errors
/// If the rules cannot be read or have errors; it has all of them.
pub(super) fn validate(args: &ValidateArgs) -> Result<String, LoadError> {
    let Loaded { compiled, files, defaults, skipped, warnings } =
        load_paths(&args.paths, args.defaults.as_deref(), args.merge_domain_config)?;
    let mut report = String::new();
    if files == 0 {
        report.push_str("warning: no rule files found; in a directory, .yaml, .yml and .json files are read\n");
    }
    let of_defaults = defaults.iter().flat_map(|defaults| &defaults.warnings);
    for warning in of_defaults.chain(&compiled.warnings) {
        let _ = writeln!(report, "warning: {warning}");
    }
    report.extend(warnings.iter().map(|warning| format!("warning: {warning}\n")));
    for domain in defaults.iter().flat_map(|defaults| defaults.defaults.domains()) {
        if compiled.rules.domain(domain).is_none() {
            let _ = writeln!(report, "warning: there are defaults for the domain `{domain}`, but no rules");
        }
    }
    report.extend(skipped.iter().map(|skipped| format!("note: skipped {skipped}\n")));
    report.push_str(&counters(&compiled.rules));
    let (domains, rules) = (compiled.rules.domains().len(), compiled.rules.rule_count());
    let _ = writeln!(report, "ok: {}", size(files, domains, rules as usize));
    Ok(report)
}

/// A line for each pattern whose values have separate counters, for each domain with exact paths, and for each level
/// with many regular expressions.
pub(super) fn counters(rules: &RuleSet) -> String {
    let mut report = String::new();
    let (mut warned, mut noted) = (Vec::new(), Vec::new());
    for Unshared { sharing, place: (file, line), values } in sharing::unshared(rules) {
        match values {
            Values::Paths => warned.push(format!(
                "warning: {file}:{line}: {sharing}: a client that varies the path, for example by a query string, gets \
                 a new budget each time; see \"Paths\" in docs/rules.md\n"
            )),
            Values::Addresses => noted.push(format!(
                "note: {file}:{line}: {sharing}: an IPv6 client has many addresses; with masked_remote_address it has \
                 one budget; see \"Clients\" in docs/rules.md\n"
            )),
            Values::Others => noted.push(format!("note: {file}:{line}: {sharing}\n")),
        }
    }
    warned.extend(regex_lists::long(rules).iter().map(|list| format!("warning: {list}\n")));
    noted.extend(sharing::exact_paths(rules).iter().map(|paths| format!("note: {paths}\n")));
    for (lines, what) in [(warned, "warning"), (noted, "note")] {
        report.extend(lines.iter().take(MOST).map(String::as_str));
        if let Some(more) = lines.len().checked_sub(MOST).filter(|more| *more > 0) {
            let _ = writeln!(report, "{what}: and {more} more like these");
        }
    }
    report
}
