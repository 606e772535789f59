//! Costs that are known only afterwards: a check without charging (a look) before the work, a charge after it. A rule
//! that does not count denied hits drops such a charge if it does not fit any more, so that usage is in effect
//! unlimited. This is logged once for each rule.

use super::ActiveRules;
use limiter::domain::Charge;
use rules::{Domain, Match};

/// Warns on the first look at a rule that does not count denied hits.
pub(super) fn check(active: &ActiveRules, domain: &Domain, found: &Match<'_>, charge: Charge) {
    let rule = found.rule;
    if charge == Charge::LOOK && rule.limits().iter().any(|limit| !limit.count_denied()) {
        warn(active, domain, found);
    }
}

#[cold]
fn warn(active: &ActiveRules, domain: &Domain, found: &Match<'_>) {
    if !active.stats.row(found.rule.id()).mark_looked_at() {
        return;
    }
    let Some(last) = active.stats.stats().may_warn_about_look() else { return };
    let (file, line) = found.path.last().map_or(("", 0), |node| active.rules.location(node));
    tracing::warn!(
        domain = &**domain.name(),
        rule = format!("{file}:{line}"),
        "a rule without count_denied is checked without charging (hits_addend 0): a cost that is charged later and \
         does not fit any more is not counted; set count_denied: true if costs can be above 1"
    );
    if last {
        tracing::warn!("further rules without count_denied that are checked without charging are not logged");
    }
}
