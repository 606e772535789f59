//! `explain`: reports which rule a descriptor matches and why, the counters that it charges, and the policy.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    args::ExplainArgs,
    entries::Entries,
    load::{LoadError, load_paths},
};
use limiter::domain::{Entry, KeyBuilder, Limit};
use rules::{
    Policy, RuleSet,
    explain::explain as walk,
    sharing::{self, Sharing},
};

/// Explains each descriptor, as text or as JSON, and returns whether a rule matches any of them.
///
/// # Errors
/// If the rules cannot be read, or have errors.
pub(super) fn explain(args: &ExplainArgs) -> Result<(String, bool), LoadError> {
    let loaded = load_paths(std::slice::from_ref(&args.rules), args.defaults.as_deref(), args.merge_domain_config)?;
    let rules = &loaded.compiled.rules;
    let domain = rules.domain(&args.domain);
    let matches =
        args.descriptors.iter().any(|entries| domain.is_some_and(|domain| domain.find(&borrow(entries)).is_some()));
    if args.json {
        let all: Vec<Value> = args.descriptors.iter().map(|entries| as_json(rules, &args.domain, entries)).collect();
        return Ok((format!("{:#}\n", Value::Array(all)), matches));
    }
    let all: Vec<String> = args.descriptors.iter().map(|entries| as_text(rules, &args.domain, entries)).collect();
    Ok((all.join("\n"), matches))
}

fn as_text(rules: &RuleSet, domain: &str, entries: &Entries) -> String {
    let entries = borrow(entries);
    let mut text = format!("{}\n", walk(rules, domain, &entries));
    for (key, limit) in counters(rules, domain, &entries) {
        let _ = writeln!(text, "counter {key}  ({limit})");
    }
    for sharing in sharing(rules, domain, &entries) {
        let _ = writeln!(text, "{sharing}");
    }
    text
}

fn as_json(rules: &RuleSet, domain: &str, entries: &Entries) -> Value {
    let entries = borrow(entries);
    let mut explained = walk(rules, domain, &entries).to_json();
    let counters = counters(rules, domain, &entries).into_iter();
    let counters: Vec<Value> = counters.map(|(key, limit)| json!({"key": key, "policy": limit})).collect();
    explained["counters"] = counters.into();
    let sharing = sharing(rules, domain, &entries).into_iter().map(|sharing| Value::from(sharing.to_string()));
    explained["sharing"] = sharing.collect::<Vec<_>>().into();
    explained
}

fn borrow(entries: &Entries) -> Vec<Entry<'_>> {
    entries.iter().map(|(key, value)| Entry::new(key, value)).collect()
}

/// Whether the values of each pattern that the descriptor matched share a counter.
fn sharing<'r>(rules: &'r RuleSet, domain: &str, entries: &[Entry<'_>]) -> Vec<Sharing<'r>> {
    let found = rules.domain(domain).and_then(|domain| domain.find(entries));
    found.map(|found| sharing::of(&found)).unwrap_or_default()
}

/// The counters that the descriptor charges, without CACHE_KEY_PREFIX, each with its limit.
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
