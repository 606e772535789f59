//! Metrics of the active rules, and their part of the `/stats` page.

use std::sync::Arc;

use metrics::{Collect, Families, Family, Pieces};

use super::{
    ActiveRules, ActiveRulesHandle,
    stats::{RuleFamilies, StatsPage},
};

const RULES: Family = Family::gauge("tollgate_active_rules", "Active rules.", &[]);
const INFO: Family = Family::gauge("tollgate_active_rules_info", "1, with the hash of the active rules.", &["hash"]);
const AGE: Family = Family::gauge("tollgate_active_rules_age_seconds", "Time since the active rules were loaded.", &[]);

/// Exports the active rules and their statistics; nothing before rules are loaded.
#[derive(Clone, Debug)]
pub struct ActiveRulesMetrics(ActiveRulesHandle);

impl ActiveRulesMetrics {
    /// Metrics of the rules that `active` holds at each scrape.
    #[must_use]
    pub fn new(active: ActiveRulesHandle) -> Self {
        Self(active)
    }

    /// The rules' part of the `/stats` page.
    #[must_use]
    pub fn stats_page(&self) -> Pieces {
        self.pieces(|active| Box::new(StatsPage::new(&active.stats)))
    }

    fn pieces(&self, of: impl FnOnce(&Arc<ActiveRules>) -> Pieces) -> Pieces {
        self.0.load().as_ref().map_or_else(|| Box::new(std::iter::empty()) as Pieces, of)
    }
}

impl Collect for ActiveRulesMetrics {
    fn collect(&self, families: &mut Families) {
        if let Some(active) = self.0.load().as_ref() {
            families.add(&RULES, &[], active.rules.rule_count().into());
            families.add(&INFO, &[&active.hash], 1);
            families.add(&AGE, &[], active.since.elapsed().as_secs());
        }
    }

    fn stream(&self) -> Pieces {
        self.pieces(|active| Box::new(RuleFamilies::new(&active.stats)))
    }
}
