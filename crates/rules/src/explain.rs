//! Explains how a descriptor is matched, step by step.

use std::fmt;

use serde_json::{Value, json};

use super::{
    Domain, Node, Policy, RuleId, RuleSet, ValueKind,
    node_index::{NodeIndex, ROOT},
};
use limiter::domain::{Algorithm, Entry, Escaped, Limit, likely};

/// The largest number of siblings without a match that are listed at a level; the others are counted.
const MAX_LISTED: usize = 20;

/// How one descriptor is matched. `{}` prints it for people, [`Explanation::to_json`] for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The name of the domain, as given.
    pub domain: String,
    /// One for each entry up to the last one that was compared.
    pub levels: Vec<Level>,
    /// The rule found, or why there is none.
    pub outcome: Outcome,
}

/// One entry, and the nodes that it was compared with, in the order of matching.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// The entry's key, [`Escaped`].
    pub key: String,
    /// The entry's value, [`Escaped`].
    pub value: String,
    /// The comparisons, in the order of matching; if one matched, it is the last.
    pub tried: Vec<Tried>,
    /// The number of further siblings that did not match and are not listed.
    pub more: usize,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The node as text: `key`, or `key` with its value or pattern. For a lookup without result, what was looked up.
    pub candidate: String,
    /// The position of the node, if there is one.
    pub place: Option<Place>,
    /// Whether it matched.
    pub matched: bool,
    /// The reason, as text.
    pub why: String,
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's name.
    pub file: String,
    /// From 1.
    pub line: u32,
}

/// The result of matching a descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A rule applies.
    Rule {
        /// Its id, for [`RuleSet::rule`].
        id: RuleId,
        /// The position of the rule.
        place: Place,
        /// The limits, as text.
        policy: String,
        /// For each limit, how it treats costs that are charged after the work.
        late_costs: Vec<LateCosts>,
    },
    /// No rule applies, for this reason.
    NoRule(String),
}

/// How a limit treats a cost that is charged after a look (`hits_addend: 0`) has let the work pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateCosts {
    /// Whether a cost that does not fit is still counted, so that the next looks are denied.
    pub hold: bool,
    /// For how long it holds, or why it does not, as text.
    pub why: String,
}

/// Matches a descriptor and explains each step.
#[must_use]
pub fn explain(rules: &RuleSet, domain: &str, entries: &[Entry<'_>]) -> Explanation {
    let mut levels = Vec::new();
    let outcome = match rules.domain(domain) {
        None => {
            let names = || rules.domains().map(|domain| &**domain.name());
            let likely =
                likely(domain, names()).map(|likely| format!("; did you mean `{likely}`?")).unwrap_or_default();
            let known: Vec<_> = names().take(MAX_LISTED).collect();
            let more = rules.domains().len().saturating_sub(MAX_LISTED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Outcome::NoRule(format!(
                "domain `{}` is unknown{likely} (known: {known}{more})",
                Escaped(domain.as_bytes())
            ))
        }
        Some(_) if entries.is_empty() => Outcome::NoRule("the descriptor has no entries".to_owned()),
        Some(domain) => Walk { rules, domain, levels: &mut levels }.run(entries),
    };
    Explanation { domain: domain.to_owned(), levels, outcome }
}

struct Walk<'a> {
    rules: &'a RuleSet,
    domain: &'a Domain,
    levels: &'a mut Vec<Level>,
}

impl Walk<'_> {
    fn run(self, entries: &[Entry<'_>]) -> Outcome {
        let mut at = ROOT;
        for (depth, entry) in entries.iter().enumerate() {
            let (level, found) = self.level(at, *entry);
            self.levels.push(level);
            match found {
                Some(found) => at = found,
                None => return Outcome::NoRule(self.stopped_at(at, depth)),
            }
        }
        let node = &self.domain.nodes[at as usize];
        match self.domain.rule_at(at) {
            Some(rule) => {
                let late_costs = rule.limits().iter().map(late_costs).collect();
                let policy = policy(rule.policy());
                Outcome::Rule { id: rule.id(), place: self.place(node), policy, late_costs }
            }
            None if self.has_children(at) => Outcome::NoRule(format!(
                "the last entry matched {}, which has no limit of its own: the limits are deeper, and a deeper limit \
                 does not apply to a shorter descriptor",
                shown(node)
            )),
            None => Outcome::NoRule(format!("the last entry matched {}, which has no limit", shown(node))),
        }
    }

    fn stopped_at(&self, at: NodeIndex, depth: usize) -> String {
        let matched = self.domain.nodes.get(at as usize);
        match matched {
            Some(node) if !self.has_children(at) => {
                let limit = if self.domain.rule_at(at).is_some() { "its limit does" } else { "it does" };
                let entries = if depth == 1 { "1 entry".to_owned() } else { format!("{depth} entries") };
                format!("{} has nothing below it, and {limit} not apply to more than {entries}", shown(node))
            }
            Some(node) => format!("nothing below {} matches entry {}", shown(node), depth + 1),
            None => "nothing in the domain matches entry 1".to_owned(),
        }
    }

    fn has_children(&self, at: NodeIndex) -> bool {
        self.domain.nodes.iter().any(|node| node.parent == at)
    }

    /// Does the same as [`Domain::find`] at one level, and explains it.
    fn level(&self, parent: NodeIndex, entry: Entry<'_>) -> (Level, Option<NodeIndex>) {
        let (key, value) = (Escaped(entry.key).to_string(), Escaped(entry.value).to_string());
        let mut level = Level { key, value, tried: Vec::new(), more: 0 };
        if entry.value.is_empty() {
            let why =
                "the entry's value is empty: only patterns, regexes and siblings without a value can match".to_owned();
            level.list(Tried { candidate: format!("{}=", Escaped(entry.key)), place: None, matched: false, why });
        } else if let Some(found) = self.child(&mut level, parent, entry, Some(entry.value), "exact match") {
            return (level, Some(found));
        }
        if let Some(group) = self.domain.pattern_group(parent, entry.key) {
            let found = group.find(&self.domain.hasher, entry.value);
            for at in group.siblings() {
                let node = &self.domain.nodes[at as usize];
                let chosen = found == Some(at);
                let matches = chosen || group.is_match(at, entry.value);
                level.list(self.tried(node, chosen, why(node.value_kind(), entry.value, matches, chosen)));
                if chosen {
                    return (level, found);
                }
            }
        }
        let found = self.child(&mut level, parent, entry, None, "any value matches");
        (level, found)
    }

    fn child(
        &self,
        level: &mut Level,
        parent: NodeIndex,
        entry: Entry<'_>,
        value: Option<&[u8]>,
        why: &str,
    ) -> Option<NodeIndex> {
        let found = self.domain.child(parent, entry.key, value);
        level.list(match found {
            Some(at) => {
                let node = &self.domain.nodes[at as usize];
                let why = if node.value_kind() == ValueKind::List { "one of its values" } else { why };
                self.tried(node, true, why.to_owned())
            }
            None => {
                let key = Escaped(entry.key);
                let candidate = value.map_or_else(|| key.to_string(), |value| format!("{key}={}", Escaped(value)));
                let why = if value.is_some() { "no rule for this value" } else { "no rule without a value" };
                Tried { candidate, place: None, matched: false, why: why.to_owned() }
            }
        });
        found
    }

    fn tried(&self, node: &Node, matched: bool, why: String) -> Tried {
        Tried { candidate: shown(node), place: Some(self.place(node)), matched, why }
    }

    fn place(&self, node: &Node) -> Place {
        let (file, line) = self.rules.location(node);
        Place { file: file.to_owned(), line }
    }
}

impl Level {
    fn list(&mut self, tried: Tried) {
        if tried.matched || self.tried.len() < MAX_LISTED { self.tried.push(tried) } else { self.more += 1 }
    }
}

fn shown(node: &Node) -> String {
    let relation = match node.value_kind() {
        ValueKind::Cidr => " in ",
        ValueKind::Regex => " matching ",
        ValueKind::Any | ValueKind::Exact | ValueKind::Glob | ValueKind::List => "=",
    };
    node.value().map_or_else(|| node.key().to_owned(), |value| format!("{}{relation}{value}", node.key()))
}

/// Why a value matches, or does not match, the pattern of a sibling.
fn why(kind: ValueKind, value: &[u8], matches: bool, chosen: bool) -> String {
    let value = Escaped(value);
    match (kind, matches) {
        (ValueKind::Cidr, true) if chosen => "the address is in the network".to_owned(),
        (ValueKind::Cidr, true) => "the address is in it, and in a smaller network of another sibling".to_owned(),
        (ValueKind::Cidr, false) => format!("`{value}` is no address or network in it"),
        (ValueKind::Regex, true) => "the regex matches the whole value".to_owned(),
        (ValueKind::Regex, false) => format!("the regex does not match the whole of `{value}`"),
        (_, true) => "the pattern matches".to_owned(),
        (_, false) => format!("`{value}` does not match the pattern"),
    }
}

fn policy(policy: &Policy) -> String {
    match policy {
        Policy::Unlimited => "unlimited".to_owned(),
        Policy::Limited(limits) => limits.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "),
    }
}

fn late_costs(limit: &Limit) -> LateCosts {
    let why = match limit.algorithm() {
        _ if !limit.count_denied() => {
            "are lost if they do not fit, because denied hits are not counted: set count_denied: true".to_owned()
        }
        Algorithm::FixedWindow => "hold until the window ends".to_owned(),
        Algorithm::SlidingWindow => "hold, fading, until the next window ends".to_owned(),
        Algorithm::TokenBucket => {
            format!("hold as debt until it is paid, up to {} (10 × burst)", u128::from(limit.burst()) * 10)
        }
    };
    LateCosts { hold: limit.count_denied(), why }
}

impl Explanation {
    /// The same as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let place = |place: &Place| json!({"file": place.file, "line": place.line});
        let tried = |tried: &Tried| {
            json!({
                "candidate": tried.candidate,
                "place": tried.place.as_ref().map(place),
                "matched": tried.matched,
                "why": tried.why,
            })
        };
        let level = |level: &Level| {
            json!({
                "key": level.key,
                "value": level.value,
                "tried": level.tried.iter().map(tried).collect::<Vec<_>>(),
                "more": level.more,
            })
        };
        let outcome = match &self.outcome {
            Outcome::Rule { id, place: at, policy, late_costs } => {
                let late_costs: Vec<_> =
                    late_costs.iter().map(|costs| json!({"hold": costs.hold, "why": costs.why})).collect();
                json!({
                    "matched": true,
                    "rule": id.0,
                    "place": place(at),
                    "policy": policy,
                    "late_costs": late_costs,
                })
            }
            Outcome::NoRule(why) => json!({"matched": false, "why": why}),
        };
        json!({
            "domain": self.domain,
            "levels": self.levels.iter().map(level).collect::<Vec<_>>(),
            "outcome": outcome,
        })
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "domain {}", self.domain)?;
        for (at, level) in self.levels.iter().enumerate() {
            writeln!(f, "entry {}: {}={}", at + 1, level.key, level.value)?;
            for (at, tried) in level.tried.iter().enumerate() {
                if level.more > 0 && at + 1 == level.tried.len() && tried.matched {
                    writeln!(f, "    … and {} more that did not match", level.more)?;
                }
                let sign = if tried.matched { '✓' } else { '✗' };
                write!(f, "  {sign} {}: {}", tried.candidate, tried.why)?;
                match &tried.place {
                    Some(place) => writeln!(f, " ({}:{})", place.file, place.line)?,
                    None => writeln!(f)?,
                }
            }
            if level.more > 0 && !level.tried.last().is_some_and(|tried| tried.matched) {
                writeln!(f, "    … and {} more that did not match", level.more)?;
            }
        }
        match &self.outcome {
            Outcome::Rule { place, policy, late_costs, .. } => {
                write!(f, "rule at {}:{}: {policy}", place.file, place.line)?;
                for (number, costs) in late_costs.iter().enumerate() {
                    let of = if late_costs.len() > 1 { format!(" of limit {}", number + 1) } else { String::new() };
                    write!(f, "\nlate costs{of} {}", costs.why)?;
                }
                Ok(())
            }
            Outcome::NoRule(why) => write!(f, "no limit applies: {why}"),
        }
    }
}
