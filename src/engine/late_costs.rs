//! Costs that are known only afterwards: a look before the work, a charge after it. A rule that does not count what it
//! denies loses such a charge if it no longer fits, so that use is in effect unlimited. Logged once for each rule.

use super::ActiveRules;
use limiter::domain::Charge;
use rules::{Domain, Match};

/// Warns of a rule that is looked at and does not count what it denies, on the first look.
pub(super) fn check(live: &ActiveRules, domain: &Domain, found: &Match<'_>, charge: Charge) {
    let rule = found.rule;
    if charge == Charge::LOOK && rule.limits().iter().any(|limit| !limit.count_denied()) {
        warn(live, domain, found);
    }
}

#[cold]
fn warn(live: &ActiveRules, domain: &Domain, found: &Match<'_>) {
    if !live.stats.row(found.rule.id()).looked_at() {
        return;
    }
    let Some(last) = live.stats.stats().may_warn_of_look() else { return };
    let (file, line) = found.path.last().map_or(("", 0), |node| live.rules.location(node));
    tracing::warn!(
        domain = &**domain.name(),
        rule = format!("{file}:{line}"),
        "a rule without count_denied is looked at (hits_addend 0): a cost that is charged later and no longer fits is \
         not counted; say count_denied: true if costs can be above 1"
    );
    if last {
        tracing::warn!("further rules that are looked at without count_denied are not named");
    }
}
