//! The `/rlconfig` page: the active rules.

use rules::{Policy, RuleId};

use crate::{
    engine::{ActiveRules, ActiveRulesHandle},
    pages::{self, Pieces, RuleLine},
};

/// The page, with a line for each limit of each rule; empty before rules are loaded.
pub(super) fn page(active: &ActiveRulesHandle) -> Pieces {
    let Some(active) = active.load_full() else { return Box::new(std::iter::empty()) };
    let lines = (0..active.rules.rule_count()).flat_map(move |id| lines(&active, RuleId(id)));
    Box::new(pages::rlconfig(lines))
}

/// The lines of one rule.
fn lines(active: &ActiveRules, id: RuleId) -> Vec<RuleLine> {
    let Some((domain, found)) = active.rules.rule(id) else { return Vec::new() };
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
