//! `explain`: which rule a descriptor matches and why, the counter it charges, and the policy.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    args::ExplainArgs,
    entries::Entries,
    load::{LoadError, load_paths},
};
use crate::{
    domain::{Entry, KeyBuilder, Limit},
    rules::{Policy, RuleSet, explain::explain as walk},
};

/// Explains each descriptor, as text or as JSON.
///
/// # Errors
/// If the rules cannot be read, or have faults.
pub(super) fn explain(args: &ExplainArgs) -> Result<String, LoadError> {
    let loaded = load_paths(std::slice::from_ref(&args.rules), args.defaults.as_deref(), args.merge_domain_config)?;
    let rules = &loaded.compiled.rules;
    if args.json {
        let all: Vec<Value> = args.descriptors.iter().map(|entries| as_json(rules, &args.domain, entries)).collect();
        return Ok(format!("{:#}\n", Value::Array(all)));
    }
    Ok(args.descriptors.iter().map(|entries| as_text(rules, &args.domain, entries)).collect::<Vec<_>>().join("\n"))
}

fn as_text(rules: &RuleSet, domain: &str, entries: &Entries) -> String {
    let typed = borrow(entries);
    let mut text = format!("{}\n", walk(rules, domain, &typed));
    for (key, limit) in counters(rules, domain, &typed) {
        let _ = writeln!(text, "counter {key}  ({limit})");
    }
    text
}

fn as_json(rules: &RuleSet, domain: &str, entries: &Entries) -> Value {
    let typed = borrow(entries);
    let mut explained = walk(rules, domain, &typed).to_json();
    let counters: Vec<Value> =
        counters(rules, domain, &typed).into_iter().map(|(key, limit)| json!({"key": key, "policy": limit})).collect();
    explained["counters"] = counters.into();
    explained
}

fn borrow(entries: &Entries) -> Vec<Entry<'_>> {
    entries.iter().map(|(key, value)| Entry::new(key, value)).collect()
}

/// The counters that the descriptor charges, with CACHE_KEY_PREFIX left out, and what each may hold.
fn counters(rules: &RuleSet, domain: &str, entries: &[Entry<'_>]) -> Vec<(String, String)> {
    let Some(domain) = rules.domain(domain) else { return Vec::new() };
    let Some(found) = domain.find(entries) else { return Vec::new() };
    let Policy::Limited(limits) = found.rule.policy() else { return Vec::new() };
    let builder = KeyBuilder::default();
    let mut keys = builder.domain(domain.name());
    let mut base = keys.base(found.key_entries(entries));
    let mut key = |limit: &Limit| base.counter(limit.algorithm(), limit.window()).to_string();
    limits.iter().map(|limit| (key(limit), limit.to_string())).collect()
}
