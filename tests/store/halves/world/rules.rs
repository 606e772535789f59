//! Random rules, as YAML.

use std::fmt::Write as _;

use proptest::{collection::vec, prelude::*, sample::select};

use super::{KEYS, Windows};

/// A descriptor's fields apart from its key. From the third kind on, values can share a counter.
const MATCHERS: [&str; 6] =
    ["", "value: x", "value: 'x*'", "values: [y, 'z*']", r"regex: '\xe9.?'", "cidr: 10.0.0.0/8"];

#[derive(Clone, Debug)]
struct Node {
    key: usize,
    matcher: usize,
    policy: Policy,
    name: Option<usize>,
    replaces: Vec<usize>,
    flags: [bool; 6],
    children: Vec<Node>,
}

#[derive(Clone, Debug)]
enum Policy {
    None,
    Unlimited,
    One(Limit),
    Several(Vec<Limit>),
}

/// A limit, and what two limits of one descriptor may not have in common.
#[derive(Clone, Debug)]
struct Limit {
    text: String,
    kind: (&'static str, &'static str, u32),
}

fn limit(windows: Windows) -> impl Strategy<Value = Limit> {
    const UNITS: [&str; 7] = ["second", "minute", "hour", "day", "week", "month", "year"];
    let units = match windows {
        Windows::Any => &UNITS[..],
        Windows::Long => &UNITS[3..],
    };
    let algorithm = select(&["fixed_window", "sliding_window", "token_bucket"][..]);
    let count_denied = proptest::option::weighted(0.3, any::<bool>());
    (algorithm, select(units), 1..3_u32, 0..6_u32, 1..8_u32, count_denied, proptest::bool::weighted(0.2)).prop_map(
        |(algorithm, unit, multiplier, requests, burst, count_denied, calendar)| {
            let mut text = format!("unit: {unit}, unit_multiplier: {multiplier}, requests_per_unit: {requests}");
            let calendar = calendar && algorithm == "fixed_window" && !["second", "minute", "hour"].contains(&unit);
            if calendar {
                text += ", calendar: true, time_zone: Europe/Berlin";
            } else {
                let _ = write!(text, ", algorithm: {algorithm}");
            }
            if algorithm == "token_bucket" {
                let _ = write!(text, ", burst: {burst}");
            }
            if let Some(count_denied) = count_denied {
                let _ = write!(text, ", count_denied: {count_denied}");
            }
            Limit { text, kind: (if calendar { "calendar" } else { algorithm }, unit, multiplier) }
        },
    )
}

fn node(windows: Windows) -> impl Strategy<Value = Node> {
    let policy = prop_oneof![
        1 => Just(Policy::None),
        1 => Just(Policy::Unlimited),
        12 => limit(windows).prop_map(Policy::One),
        4 => vec(limit(windows), 2..4).prop_map(Policy::Several),
    ];
    let flags = [0.1, 0.2, 0.3, 0.1, 0.1, 0.2].map(proptest::bool::weighted);
    let (name, replaces) = (proptest::option::weighted(0.5, 0..3_usize), vec(0..3_usize, 0..2));
    let leaf = (0..KEYS.len(), 0..MATCHERS.len(), policy, name, replaces, flags).prop_map(
        |(key, matcher, policy, name, replaces, flags)| Node {
            key,
            matcher,
            policy,
            name,
            replaces,
            flags,
            children: Vec::new(),
        },
    );
    leaf.prop_recursive(2, 24, 6, |inner| {
        (inner.clone(), vec(inner, 0..6)).prop_map(|(node, children)| Node { children: distinct(children), ..node })
    })
}

/// Keeps the first of equal siblings and of equal limits, because duplicates are errors.
fn distinct(nodes: Vec<Node>) -> Vec<Node> {
    let mut kept: Vec<Node> = Vec::new();
    for mut node in nodes {
        if let Policy::Several(limits) = &mut node.policy {
            let mut kinds = Vec::new();
            limits.retain(|limit| {
                !kinds.contains(&limit.kind) && {
                    kinds.push(limit.kind);
                    true
                }
            });
        }
        if !kept.iter().any(|other| (other.key, other.matcher) == (node.key, node.matcher)) {
            kept.push(node);
        }
    }
    kept
}

pub fn file(domain: &'static str, windows: Windows) -> impl Strategy<Value = String> {
    let options = (proptest::bool::weighted(0.3), proptest::bool::weighted(0.3));
    (vec(node(windows), 6..16), options).prop_map(move |(nodes, (deny, atomic))| {
        let on_unknown = if deny { "deny" } else { "allow" };
        let mut text = format!("domain: {domain}\non_unknown: {on_unknown}\natomic: {atomic}\ndescriptors:\n");
        for node in distinct(nodes) {
            write_node(&node, 1, &mut text);
        }
        text
    })
}

fn write_node(node: &Node, depth: usize, text: &mut String) {
    let pad = "    ".repeat(depth);
    let _ = writeln!(text, "{pad}- key: {}", String::from_utf8_lossy(KEYS[node.key]));
    let mut line = |content: &str| {
        let _ = writeln!(text, "{pad}  {content}");
    };
    line(MATCHERS[node.matcher]);
    let name = node.name.map(|name| format!("name: n{name}"));
    let replaces: Vec<_> = node.replaces.iter().filter(|one| Some(**one) != node.name).collect();
    let replaces = (!replaces.is_empty()).then(|| {
        format!("replaces: [{}]", replaces.iter().map(|n| format!("{{name: n{n}}}")).collect::<Vec<_>>().join(", "))
    });
    let named = [name, replaces];
    let inline = named.iter().flatten().fold(String::new(), |text, part| text + ", " + part);
    match &node.policy {
        Policy::None => {}
        Policy::Unlimited => line(&format!("rate_limit: {{unlimited: true{inline}}}")),
        Policy::One(limit) => line(&format!("rate_limit: {{{}{inline}}}", limit.text)),
        Policy::Several(limits) => {
            named.iter().flatten().for_each(|part| line(part));
            line("rate_limits:");
            limits.iter().for_each(|limit| line(&format!("  - {{{}}}", limit.text)));
        }
    }
    if !matches!(node.policy, Policy::None) {
        let [shadow, quota, share, detailed, valued, metadata] = node.flags;
        let can_share = node.matcher > 1;
        let flags = [
            (shadow, "shadow_mode: true"),
            (quota, "quota_mode: true"),
            (share && can_share, "share_threshold: true"),
            (detailed, "detailed_metric: true"),
            (valued, "value_to_metric: true"),
            (metadata, "metadata: {owner: someone}"),
        ];
        flags.iter().filter(|(set, _)| *set).for_each(|(_, flag)| line(flag));
    }
    if !node.children.is_empty() {
        line("descriptors:");
        node.children.iter().for_each(|child| write_node(child, depth + 1, text));
    }
}
