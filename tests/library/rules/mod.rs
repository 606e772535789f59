//! The rule format, from the outside: what is rejected and where, what is accepted, what matches.

mod accepted;
mod defaults;
mod explained;
mod files;
mod hostile;
mod keys;
mod limits;
mod matching;
mod metrics;
mod properties;
mod refused;
mod resources;
mod values;
mod yaml;

use limiter::domain::{Capabilities, Entry};
use rules::{CompileErrors, CompileOptions, Compiled, Match, RuleFile, RuleSet, compile};

const OPTIONS: CompileOptions<'static> = CompileOptions::new(Capabilities::ALL);
const MERGE: CompileOptions<'static> = CompileOptions { merge_domains: true, ..OPTIONS };

fn file(name: &str, content: impl Into<Vec<u8>>) -> RuleFile {
    RuleFile::new(name, content)
}

fn load(content: impl Into<Vec<u8>>) -> Result<Compiled, CompileErrors> {
    compile(&[file("f.yaml", content)], &OPTIONS)
}

/// Loads rules that must be valid.
fn good(content: &str) -> Compiled {
    load(content).unwrap_or_else(|errors| panic!("{errors:#}\n---\n{content}"))
}

/// The errors of rules, as `line:column: path: message`.
fn bad(content: &str) -> Vec<String> {
    let errors = load(content).expect_err("a fault");
    errors.errors.iter().map(|error| error.to_string().replacen("f.yaml:", "", 1)).collect()
}

/// The warnings of valid rules, likewise.
fn warnings(content: &str) -> Vec<String> {
    good(content).warnings.iter().map(|warning| warning.to_string().replacen("f.yaml:", "", 1)).collect()
}

fn entries<'a>(pairs: &[(&'a str, &'a str)]) -> Vec<Entry<'a>> {
    pairs.iter().map(|(key, value)| Entry::new(*key, *value)).collect()
}

fn find<'a>(rules: &'a RuleSet, domain: &str, pairs: &[(&str, &str)]) -> Option<Match<'a>> {
    rules.domain(domain).expect("the domain").find(&entries(pairs))
}

/// The line of the last node that a descriptor of domain `d` matches, if a rule matched.
fn line(rules: &RuleSet, pairs: &[(&str, &str)]) -> Option<u32> {
    let found = find(rules, "d", pairs)?;
    Some(rules.location(found.path.last().expect("a node")).1)
}
