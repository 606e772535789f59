//! Which counters the values that match a pattern charge: one that they share, or one for each value. Without
//! `share_threshold` each value has its own, so a client that can vary the value has any number of budgets.

use std::{collections::BTreeMap, fmt};

use super::{Match, Node, RuleSet, ValueKind};

/// Whether the values that match one descriptor share a counter.
#[derive(Clone, Copy, Debug)]
pub struct Sharing<'r> {
    node: &'r Node,
}

/// A descriptor whose values have a counter each.
#[derive(Clone, Copy, Debug)]
pub struct Unshared<'r> {
    /// The descriptor.
    pub sharing: Sharing<'r>,
    /// The file and line of the descriptor.
    pub place: (&'r str, u32),
    /// The kind of its values.
    pub values: Values,
}

/// The kind of values that have a counter each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Paths, which can be written in any number of ways, so a counter for each is probably unwanted.
    Paths,
    /// Single addresses, of which an IPv6 client has many.
    Addresses,
    /// Any other kind.
    Others,
}

/// Returns the levels of a match with a pattern, network or list of patterns, or that match any path or address.
#[must_use]
pub fn of<'r>(found: &Match<'r>) -> Vec<Sharing<'r>> {
    if found.rule.limits().is_empty() {
        return Vec::new();
    }
    found.path.iter().copied().filter(|node| is_open(node)).map(|node| Sharing { node }).collect()
}

/// Returns every descriptor of the rules whose matching values have a counter each, by file and line. Descriptors
/// without a limit at or below them are left out.
#[must_use]
pub fn unshared(rules: &RuleSet) -> Vec<Unshared<'_>> {
    let mut found = BTreeMap::new();
    for (_, rule) in rules.rules() {
        for sharing in of(&rule).into_iter().filter(|sharing| !sharing.node.share_threshold()) {
            let place = rules.location(sharing.node);
            // two descriptors of one line, as in a flow map, are distinguished by their text
            let key = (place, sharing.node.key(), sharing.node.value());
            found.entry(key).or_insert(Unshared { sharing, place, values: values(sharing.node) });
        }
    }
    found.into_values().collect()
}

/// The exact paths in the rules of a domain.
#[derive(Clone, Copy, Debug)]
pub struct ExactPaths<'r> {
    /// The name of the domain.
    pub domain: &'r str,
    /// The key of the first path in file order.
    pub key: &'r str,
    /// The first path.
    pub first: &'r str,
    /// The number of further paths.
    pub more: usize,
    /// The descriptor of the last path.
    last: &'r Node,
}

/// Returns the exact paths of each domain that has any. They are worth a note because `/hello` does not match
/// `/hello?a=1`.
#[must_use]
pub fn exact_paths(rules: &RuleSet) -> Vec<ExactPaths<'_>> {
    let mut all: Vec<ExactPaths<'_>> = Vec::new();
    for (domain, rule) in rules.rules() {
        if rule.rule.limits().is_empty() {
            continue;
        }
        let Some(node) = rule.path.iter().copied().find(|node| paths(node).next().is_some()) else { continue };
        let mut paths = paths(node);
        match all.last_mut().filter(|last| last.domain == &**domain.name()) {
            // another limit below the same descriptor
            Some(last) if std::ptr::eq(last.last, node) => {}
            Some(last) => {
                last.more += paths.count();
                last.last = node;
            }
            None => {
                let Some(first) = paths.next() else { continue };
                let (domain, key, more) = (domain.name(), node.key(), paths.count());
                all.push(ExactPaths { domain, key, first, more, last: node });
            }
        }
    }
    all
}

/// The paths that a descriptor matches exactly; for a long list only the first ones.
fn paths(node: &Node) -> impl Iterator<Item = &str> {
    let values = node.value().unwrap_or_default();
    let (one, several) = match node.value_kind() {
        ValueKind::Exact => (Some(values), None),
        ValueKind::List => (None, Some(values.split('|').filter(|value| !value.contains('*')))),
        ValueKind::Any | ValueKind::Glob | ValueKind::Cidr | ValueKind::Regex => (None, None),
    };
    one.into_iter().chain(several.into_iter().flatten()).filter(|value| value.starts_with('/'))
}

impl fmt::Display for ExactPaths<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, key, first: value, more, .. } = self;
        let (more, verb) = match more {
            0 => (String::new(), "matches"),
            1 => (" and 1 more".to_owned(), "match"),
            more => (format!(" and {more} more"), "match"),
        };
        write!(
            f,
            "domain `{domain}`: {key}={value}{more} {verb} this very text alone: `{value}?a=1`, `{value}/` and other letter \
             case are other values; see \"Paths\" in docs/rules.md"
        )
    }
}

/// Whether the number of matching values is unbounded or large, in a way that may be unexpected.
fn is_open(node: &Node) -> bool {
    match node.value_kind() {
        ValueKind::Glob | ValueKind::Regex | ValueKind::Cidr => true,
        // a list without patterns matches only as many values as it has
        ValueKind::List => node.value().is_some_and(|values| values.contains('*')),
        // for users, for example, a counter each is intended
        ValueKind::Any => values(node) != Values::Others,
        ValueKind::Exact => false,
    }
}

fn values(node: &Node) -> Values {
    let key = node.key().to_ascii_lowercase();
    let is_named_so = ["path", "url", "uri"].iter().any(|word| key.contains(word));
    let begins_so = node.value_kind() != ValueKind::Cidr && begins_with_slash(node.value().unwrap_or_default());
    match node.value_kind() {
        _ if is_named_so || begins_so => Values::Paths,
        // the Envoy action whose value has no mask
        ValueKind::Any if key == "remote_address" => Values::Addresses,
        _ => Values::Others,
    }
}

/// Whether the literal text of a pattern or regular expression begins with a slash, after any wildcards, groups and
/// flags.
fn begins_with_slash(mut pattern: &str) -> bool {
    const BEFORE: [&str; 12] = ["^", r"\A", ".*?", ".*", ".+", "*", "(?:", "(?i)", "(?i:", "(?s)", "(?is)", "("];
    while let Some(rest) = BEFORE.iter().find_map(|before| pattern.strip_prefix(before)) {
        pattern = rest;
    }
    ["/", r"\/", "[/", "%2f", "%2F"].iter().any(|slash| pattern.starts_with(slash))
}

impl fmt::Display for Sharing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.node;
        let relation = match node.value_kind() {
            ValueKind::Cidr => " in ",
            ValueKind::Regex => " matching ",
            ValueKind::Any | ValueKind::Exact | ValueKind::Glob | ValueKind::List => "=",
        };
        let Some(value) = node.value() else {
            return write!(f, "{}, without a value: each value has its own counter", node.key());
        };
        write!(f, "{}{relation}{value}: ", node.key())?;
        f.write_str(if node.share_threshold() {
            "all matching values share one counter"
        } else {
            "each matching value has its own counter (share_threshold: true makes them share one)"
        })
    }
}
