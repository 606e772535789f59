//! The `/rlconfig` page: the rules in force.

use rules::{Policy, RuleId};

use crate::{
    engine::{ActiveRules, ActiveRulesHandle},
    pages::{self, Pieces, RuleLine},
};

/// A line for each limit of each rule.
pub(super) fn page(live: &ActiveRulesHandle) -> Pieces {
    let Some(live) = live.load_full() else { return Box::new(std::iter::empty()) };
    let lines = (0..live.rules.rule_count()).flat_map(move |id| lines(&live, RuleId(id)));
    Box::new(pages::rlconfig(lines))
}

/// Those of one rule.
fn lines(live: &ActiveRules, id: RuleId) -> Vec<RuleLine> {
    let Some((domain, found)) = live.rules.rule(id) else { return Vec::new() };
    let mut name = domain.name().to_string();
    for level in found.static_levels() {
        name = format!("{name}.{level}");
    }
    let rule = found.rule;
    let line = |limit| RuleLine { name: name.clone(), limit, shadow: rule.shadow(), quota: rule.quota() };
    match rule.policy() {
        Policy::Unlimited => vec![line(None)],
        Policy::Limited(limits) => limits.iter().map(|limit| line(Some(*limit))).collect(),
    }
}
